# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the backend lives and how it is reached, and the folders that follow from it."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty

from .client import install
from .seam import LEARNED_REQUIREMENTS, REQUIREMENTS, protocol


@dataclass(frozen=True)
class Settings:
    """The preferences as plain values. The defaults hold where the add-on runs without an entry in them (scripts)."""

    remote: bool = False
    python: str = ""
    home: Path = field(default_factory=protocol.default_home)
    endpoint: str = ""
    server_key: str = ""
    client_public: str = ""
    client_secret: str = ""
    cache_gb: float = protocol.CACHE_GB
    auto_start: bool = True

    def backend_python(self) -> str:
        """The Python that runs the backend, or "" while the backend is not installed."""
        if self.python:
            return self.python if Path(self.python).exists() else ""
        environment = environment_folder()
        return str(install.environment_python(environment)) if install.is_installed(environment, REQUIREMENTS) else ""

    @property
    def has_learned(self) -> bool:
        """Whether Install Learned Engine was finished, with what this version asks for."""
        return not self.python and install.is_installed(environment_folder(), LEARNED_REQUIREMENTS)

    @property
    def loopback(self) -> bool:
        return self.endpoint.removeprefix("tcp://").rsplit(":", 1)[0] in ("localhost", "127.0.0.1", "[::1]")

    @property
    def place(self) -> tuple:
        """What tells one backend from another."""
        if self.remote:
            return self.endpoint, self.server_key, self.client_public, self.client_secret
        return (self.home,)


def environment_folder() -> Path:
    """The private environment that Install Backend fills. It outlives an update of the add-on."""
    try:
        return Path(bpy.utils.extension_path_user(__package__, path="backend"))
    except ValueError:  # not installed as an extension: run from its source
        return protocol.default_home() / "environment"


def was_learned() -> bool:
    """Whether Install Learned Engine was finished, maybe with what an earlier version asked for."""
    return install.was_installed(environment_folder(), LEARNED_REQUIREMENTS)


def current() -> Settings:
    """What the user has set."""
    entry = bpy.context.preferences.addons.get(__package__)
    if entry is None or entry.preferences is None:
        return Settings()
    chosen = entry.preferences
    return Settings(
        remote=chosen.place == "REMOTE",
        python=bpy.path.abspath(chosen.python),
        home=Path(bpy.path.abspath(chosen.home)) if chosen.home else protocol.default_home(),
        endpoint=f"tcp://{chosen.endpoint.strip().removeprefix('tcp://')}",
        server_key=chosen.server_key.strip(),
        client_public=chosen.client_public.strip(),
        client_secret=chosen.client_secret.strip(),
        cache_gb=chosen.cache_gb,
        auto_start=chosen.auto_start,
    )


def base_python() -> str:
    """The Python that makes the private environment: the one inside Blender, run as a program of its own."""
    return sys.executable


def _changed(_self, _context) -> None:
    from . import events  # which reads the preferences, and so imports this module

    events.settings_changed()


class AnthesisPreferences(bpy.types.AddonPreferences):
    bl_idname = __package__

    place: EnumProperty(
        name="Backend",
        description="Where results are made",
        items=[
            ("LOCAL", "This Computer", "Start the backend here when it is needed"),
            ("REMOTE", "Another Computer", "Use a backend that runs elsewhere, over an encrypted connection"),
        ],
        update=_changed,
    )
    python: StringProperty(
        name="Python",
        description="Python that has the backend's packages; none: the environment that Install Backend makes",
        subtype="FILE_PATH",
        update=_changed,
    )
    home: StringProperty(
        name="Home Folder",
        description="Where jobs, results and logs are kept; none: the usual place for an application's data",
        subtype="DIR_PATH",
        update=_changed,
    )
    auto_start: BoolProperty(
        name="Start Automatically",
        description="Start the backend as soon as a job needs it",
        default=Settings.auto_start,
        update=_changed,
    )
    cache_gb: FloatProperty(
        name="Cache Limit",
        description=(
            "Gigabytes of finished results that are kept for Import Again; the oldest go first. "
            "A backend that runs already takes it at its next start"
        ),
        default=Settings.cache_gb,
        min=0.5,
        soft_max=500,
        precision=1,
        update=_changed,
    )
    endpoint: StringProperty(
        name="Address",
        description="Host and port of the backend, for example 192.168.1.20:5577",
        update=_changed,
    )
    server_key: StringProperty(
        name="Server Key", description="Public key of the backend, 40 characters", update=_changed
    )
    client_public: StringProperty(
        name="Client Key", description="Your public key, as the backend gave it to you", update=_changed
    )
    client_secret: StringProperty(
        name="Secret Key",
        description="Secret half of your key: whoever has it can use the backend",
        subtype="PASSWORD",
        update=_changed,
    )

    def draw(self, context):
        from . import preferences_view

        preferences_view.draw(self.layout, self, context)
