# SPDX-License-Identifier: GPL-3.0-or-later

"""What the backend runs with on this computer: whether it is installed, and the installation where one runs.

How packages are fetched stands in client/install.py.
"""

import shutil
import time
from pathlib import Path

import bpy

from .client.install import Build, Device, Installation, builds
from .client.session import Session
from .preferences import Settings, base_python, environment_folder, was_learned
from .renewal import Renewal
from .seam import LEARNED_REQUIREMENTS, REQUIREMENTS

LOOK_INTERVAL = 2.0  # between two looks at whether the backend is installed


class Packages:
    """Those of the backend and of the learned engine."""

    def __init__(self, settings: Settings, session: Session, renewal: Renewal):
        self.settings = settings
        self.installed = False  # whether there is a backend to start or to connect to
        self.has_learned = False  # whether the learned engine's packages were put into our environment
        self.installation: Installation | None = None
        self._session, self._renewal = session, renewal
        self._look()

    def change_settings(self, settings: Settings) -> None:
        """The user has changed the preferences."""
        self.settings = settings
        if self.installation is not None and self.installation.state != "running":
            self.installation = None  # how it ended has been read
        self._look()

    def install(self) -> None:
        """Begin Install Backend. Raises ValueError where Blender is kept offline, OSError where nothing can start."""
        beside = (LEARNED_REQUIREMENTS,) if self.settings.has_learned else ()
        self._install(REQUIREMENTS, beside)

    def install_learned(self, device: Device) -> None:
        """Begin Install Learned Engine, with a torch that computes on this. Raises ValueError, OSError."""
        build = self.learned_builds().get(device)
        if build is None:
            raise ValueError("torch is not made for a GPU on this system: install it for the processor")
        if was_learned() and self._session.state not in ("off", "refused"):
            raise ValueError("The backend runs with the packages that are to be replaced: stop the backend first")
        self._install(LEARNED_REQUIREMENTS, (REQUIREMENTS,), build)

    def learned_builds(self) -> dict[Device, Build]:
        """What the learned engine can be installed to compute on. Raises ValueError where it cannot be installed."""
        if self.settings.remote:
            raise ValueError("The backend is on another computer: install the learned engine there")
        if self.settings.python:
            command = f'"{self.settings.python}" -m pip install -r "{LEARNED_REQUIREMENTS}"'
            restart = "Restart the backend if that has the learned engine"
            raise ValueError(f"The backend has a Python of your own. {restart}; otherwise run {command} first")
        return builds()

    def _install(self, goal: Path, beside: tuple[Path, ...], build: Build | None = None) -> None:
        if not bpy.app.online_access:
            raise ValueError(
                "Blender is kept offline: allow online access in the Preferences, under System, to fetch the packages"
            )
        environment = environment_folder()
        if build is not None:
            _require_room(environment, build)
        log = self.settings.home / "logs" / "install.log"
        self.installation = Installation(base_python(), environment, goal, log, beside, build)
        self._look()

    def end_installation(self) -> None:
        """Cancel the one that runs; of one that has ended, how it ended has been read."""
        if self.installation.state == "running":
            self.installation.cancel()
        else:
            self.installation = None

    def tick(self) -> bool:
        """Look at the installation, and now and then at what is installed. True where something visible changed."""
        changed, before = False, (self.installed, self.has_learned)
        if self.installation is not None:
            changed = self.installation.poll()
            if self.installation.state == "done":
                # a backend that runs has looked for the packages when it was started
                self._renewal.due |= self.installation.goal == LEARNED_REQUIREMENTS and not self.settings.remote
                self.installation = None
                self._look()
        if time.monotonic() - self._looked_at > LOOK_INTERVAL:
            self._look()
        return changed or before != (self.installed, self.has_learned)

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        self.installed = self.settings.remote or bool(self.settings.backend_python())
        self.has_learned = not self.settings.remote and self.settings.has_learned

    def close(self) -> None:
        """Stop an installation that runs. Safe twice."""
        if self.installation is not None:
            self.installation.cancel()


def _require_room(environment: Path, build: Build) -> None:
    """Raises ValueError where the disk has no room for what is fetched and unpacked."""
    folder = next(folder for folder in (environment, *environment.parents) if folder.exists())
    free, wanted = shutil.disk_usage(folder).free / 1e9, build.fetched + build.unpacked
    if free < wanted:
        raise ValueError(f"The disk of {folder} has {free:.1f} GB free, and the learned engine wants {wanted:.1f}")
