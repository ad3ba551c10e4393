# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes on while Blender does other things: the conversation, the arrivals, an installation where one runs.

All of it inside tick(), a few milliseconds at a time, so that no second thread is needed.
"""

import shutil
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from .arrivals import Arrivals
from .client import launch
from .client.gateway import Starts
from .client.install import Build, Device, Installation, builds
from .client.jobs import Job
from .client.session import Session
from .orders import Order, Orders, Wish, regrowth
from .preferences import Settings, base_python, environment_folder, was_learned
from .scene import photos, reading
from .scene.bouquet import Site
from .scene.looking import Look
from .seam import BACKEND_FOLDER, LEARNED_REQUIREMENTS, REQUIREMENTS, protocol

BUDGET = 0.008  # seconds of one tick; its last step may take as long again (a first frame with colour, 50,000 vertices)
TALK = 0.004  # of it for messages at a time
PROBE_SECONDS = 5.0
LOOK_INTERVAL = 2.0  # between two looks at whether the backend is installed
RENEW_INTERVAL = 10.0  # between two attempts to end a backend that others may have work for
SOFTWARE = f"anthesis {protocol.VERSION}, Blender {bpy.app.version_string}"


class JobFailed(RuntimeError):
    """A job that was waited for gave no result; the message is its sentence."""


@dataclass
class Probe:
    """Test Connection: a second conversation on the side."""

    session: Session
    where: str
    began: float = field(default_factory=time.monotonic)


class Pump:
    """One Blender's conversation and what follows from it."""

    def __init__(self, settings: Settings):
        self.session = Session(SOFTWARE)
        self.arrivals = Arrivals(self.session)
        self.orders = Orders(self.session, self.arrivals)
        self.settings = settings
        self.installed = False  # whether there is a backend to start or to connect to
        self.has_learned = False  # whether the learned engine's packages were put into our environment
        self.renews = False  # the backend is to be started anew as soon as its jobs are done, those of others too
        self.installation: Installation | None = None
        self.probe: Probe | None = None
        self.probed = ""  # the answer of the last Test Connection, in words
        self.fault = ""  # the last traceback of a fault of ours, until it has been shown
        self._busy = False
        self._restarting = False  # it was asked to end, and is started once it has
        self._renewed_at = -1e9
        self._look()

    # --- The backend

    def join(self) -> None:
        """Use a backend that already runs on this computer; start none."""
        if not self.settings.remote:
            self.session.start(self.settings.home, None)

    def connect(self, starts: Starts = "always") -> None:
        """Start the backend here, or connect to the one elsewhere. Raises ValueError saying what to set first."""
        self._reach(self.session, None if self.settings.remote else self._command(), starts)

    def leave(self) -> None:
        """Leave the backend alone. What it goes on with is found again in its list."""
        self.renews = self._restarting = False
        self.session.close()
        self.orders.forget()
        self.session.forget_jobs()

    def _reach(self, session: Session, command: launch.Command | None, starts: Starts) -> None:
        settings = self.settings
        if not settings.remote:
            session.start(settings.home, command, starts)
            return
        if settings.endpoint == "tcp://":
            raise ValueError("No backend is named: type the address of one in the Preferences")
        if not settings.loopback and not bpy.app.online_access:
            raise ValueError(
                "Blender is kept offline: allow online access in the Preferences, under System, to use another computer"
            )
        session.connect_remote(settings.endpoint, settings.server_key, settings.client_public, settings.client_secret)

    def _command(self) -> launch.Command:
        python = self.settings.backend_python()
        if not python and self.settings.python:
            raise ValueError(f"There is no Python at {self.settings.python}: correct it in the Preferences")
        if not python:
            raise ValueError("The backend is not installed: press Install Backend first")
        return launch.command_for(
            python, BACKEND_FOLDER, self.settings.home, "--cache-gb", f"{self.settings.cache_gb:g}"
        )

    def restart(self, force: bool = True) -> None:
        """End the backend on this computer and start it anew. With `force` also while jobs run, another Blender's too:
        they begin anew. Without, it refuses while any is waiting or running, and nothing has happened."""
        self.session.shutdown_backend(force)
        self._restarting = True

    def change_settings(self, settings: Settings) -> None:
        """The user has changed the preferences: a backend elsewhere is another conversation."""
        moved = (settings.remote, settings.place) != (self.settings.remote, self.settings.place)
        self.settings = settings
        if self.installation is not None and self.installation.state != "running":
            self.installation = None  # how it ended has been read
        self._look()
        if moved:
            self.leave()
            self.join()

    def test(self) -> None:
        """Begin Test Connection. It starts nothing and leaves the jobs' conversation alone. Raises ValueError."""
        self._end_probe()
        session = Session(SOFTWARE, uuid.uuid4().hex)
        self._reach(session, None, "never")
        self.probe = Probe(session, self.settings.endpoint if self.settings.remote else "this computer")
        self.probed = "Asking the backend"

    def install(self) -> None:
        """Begin Install Backend. Raises ValueError where Blender is kept offline, OSError where nothing can start."""
        beside = (LEARNED_REQUIREMENTS,) if self.settings.has_learned else ()
        self._install(REQUIREMENTS, beside)

    def install_learned(self, device: Device) -> None:
        """Begin Install Learned Engine, with a torch that computes on this. Raises ValueError, OSError."""
        build = self.learned_builds().get(device)
        if build is None:
            raise ValueError("torch is not made for a GPU on this system: install it for the processor")
        if was_learned() and self.session.state not in ("off", "refused"):
            raise ValueError("The backend runs with the packages that are to be replaced: stop the backend first")
        self._install(LEARNED_REQUIREMENTS, (REQUIREMENTS,), build)

    def learned_builds(self) -> dict[Device, Build]:
        """What the learned engine can be installed to compute on. Raises ValueError where it cannot be installed."""
        if self.settings.remote:
            raise ValueError("The backend is on another computer: install the learned engine there")
        if self.settings.python:
            command = f'"{self.settings.python}" -m pip install -r "{LEARNED_REQUIREMENTS}"'
            raise ValueError(f"The backend has a Python of your own: run {command}, and restart the backend")
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

    # --- Jobs

    @property
    def engines(self) -> protocol.Engines | None:
        """What the backend can do, as far as it has said so."""
        return self.session.engines if self.session.state == "ready" else None

    @property
    def lacking(self) -> str:
        """Why the backend brings no picture to life, whatever the model."""
        return self.engines.lacking.rstrip(".") if self.engines else ""

    def lacking_for(self, model: str) -> str:
        """Why it brings none to life with the model in this folder, or with its own where none is named."""
        without = self.engines.no_model.rstrip(".") if self.engines and not model.strip() else ""
        return self.lacking or without

    def generate(self, wish: Wish, location: tuple[float, ...], replaced: str = "") -> Order:
        """Ask for what words say, in place of an earlier order. Raises ValueError."""
        self._require_backend()
        return self.orders.place(wish, location, replaced)

    def regrow(self, obj: bpy.types.Object) -> str:
        """Ask for an object's mesh and life anew, from its specimen as it is now; the job's id. Raises ValueError."""
        request, site = regrowth(obj)
        self._require_backend()
        for job in self.arrivals.growing_in(obj.session_uid):
            self.arrivals.drop(job)
            self.session.remove(job)
        return self._submit(request, f"Regrow {obj.name}", site=site)

    def animate(self, request: protocol.Animate, obj: bpy.types.Object, part: reading.Part = reading.WHOLE) -> str:
        """Ask for processes on a mesh, or on a part of it; the job's id. Raises ValueError, for a mesh that cannot be
        used too."""
        subject, target = reading.read_subject(obj, part)
        self._require_backend()
        return self._submit(request, f"{protocol.in_words(request.stages).capitalize()} {obj.name}", subject, target)

    def sway(self, request: protocol.Sway, obj: bpy.types.Object, part: reading.Part = reading.WHOLE) -> str:
        """Ask how a mesh sways in the wind; otherwise as animate()."""
        subject, target = reading.read_subject(obj, part)
        self._require_backend()
        return self._submit(request, f"Sway {obj.name}", subject, target)

    def sway_as_seen(
        self, request: protocol.SwayAsSeen, obj: bpy.types.Object, look: Look, part: reading.Part = reading.WHOLE
    ) -> str:
        """Ask how a mesh sways as a picture of it is expected to, which was taken through the request's camera;
        otherwise as animate()."""
        subject, target = reading.read_subject(obj, part, look.picture)
        self._require_backend()
        return self._submit(request, f"Sway {obj.name} as Seen", subject, target)

    def bring_to_life(self, request: protocol.Plane, image: bpy.types.Image) -> str:
        """Ask for a plane that shows an image and sways as that is expected to; the job's id. Raises ValueError, for an
        image that cannot be used too."""
        picture, photo = photos.read(image)
        self._require_backend()
        subject = protocol.pack(protocol.PictureRecord(), {"pixels": picture})
        return self._submit(request, photo.title, subject, photo=photo)

    def _require_backend(self) -> None:
        """Raises ValueError where none can be reached for a job."""
        if not self.settings.auto_start and self.session.state in ("off", "refused"):
            raise ValueError("The backend is not running: press Start Backend first")
        if self.settings.auto_start and self.session.state in ("off", "refused", "connecting"):
            self.connect("for jobs")  # joins one that runs
        elif self.settings.auto_start and not self.settings.remote and self.settings.backend_python():
            self.session.allow_start(self._command())  # one that has been joined may die

    def _submit(
        self,
        request: protocol.Request,
        title: str,
        subject: bytes | None = None,
        target: reading.Target | None = None,
        site: Site | None = None,
        photo: photos.Photo | None = None,
    ) -> str:
        asked = self.arrivals.room
        job = self.session.submit(request, title, subject, fetch=asked)
        self.arrivals.expect(job, target, asked, site, photo=photo)
        return job

    def wait_for(self, order: Order, seconds: float) -> None:
        """As wait(), for all jobs of an order: there may be more of them once its prompt has been read."""
        ends = time.monotonic() + seconds
        for job in order.jobs:
            self.wait(job, max(0.0, ends - time.monotonic()))

    def wait(self, job: str, seconds: float) -> None:
        """For scripts, where no timer fires: tick until a job's result is in the file.

        Raises JobFailed, TimeoutError, ConnectionError, each with a sentence.
        """
        ends = time.monotonic() + seconds
        title = self.session.jobs[job].title
        while job in self.arrivals.open:
            self.tick()
            if self.arrivals.waits:
                raise JobFailed(f'"{title}" is not imported yet. {self.arrivals.waits}')
            if self.session.state == "refused":
                raise ConnectionError(self.session.text)
            if time.monotonic() > ends:
                raise TimeoutError(f'"{title}" took longer than {seconds:g} s. It goes on, and can be imported later')
            if not self._busy:
                self.session.rest(0.02)
        found = self.session.jobs.get(job)
        if found is None:
            raise JobFailed(f'"{title}" was removed before its result had arrived')
        if found.state == "cancelled" and job not in self.arrivals.objects:
            raise JobFailed(f'"{title}" was cancelled')
        if found.failure is not None:
            raise JobFailed(found.failure.text)
        if job not in self.arrivals.objects or job in self.arrivals.partial:
            raise JobFailed(". ".join(self.arrivals.notes[job]))

    # --- Time passes

    def tick(self, budget: float = BUDGET) -> bool:
        """Talk and write for about `budget` seconds. True where something visible changed."""
        changed = self.arrivals.look_after_undo()
        if self.arrivals.push_undo():
            return True
        ends = time.perf_counter() + budget
        changed |= self._look_after_installation() | self._look_after_probe()
        self._renew()
        self._busy, wrote = False, True
        while wrote and time.perf_counter() < ends:
            changed |= self.session.tick(min(TALK, budget))
            changed |= self.orders.tick()
            wrote = self.arrivals.advance(ends)
            self._busy |= wrote
        return changed | self._busy

    @property
    def interval(self) -> float:
        """Seconds until tick() should be called again."""
        jobs = self.session.jobs.values()
        if self._busy or self.arrivals.settled:
            return 0.0
        if not self.arrivals.waits and any(_on_its_way(job) for job in jobs):
            return 0.01
        if self.session.state == "ready" and (self.session.reader.busy or self.orders.open):
            return 0.02
        active = any(job.active for job in jobs) or self.arrivals.open or self.installation or self.probe
        active = active or self._restarting
        return 0.1 if active or self.session.state in ("starting", "connecting") else 0.5

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        self.installed = self.settings.remote or bool(self.settings.backend_python())
        self.has_learned = not self.settings.remote and self.settings.has_learned

    def _look_after_installation(self) -> bool:
        changed, before = False, (self.installed, self.has_learned)
        if self.installation is not None:
            changed = self.installation.poll()
            if self.installation.state == "done":
                # a backend that runs has looked for the packages when it was started
                self.renews = self.installation.goal == LEARNED_REQUIREMENTS and not self.settings.remote
                self.installation = None
                self._look()
        if time.monotonic() - self._looked_at > LOOK_INTERVAL:
            self._look()
        return changed or before != (self.installed, self.has_learned)

    def _renew(self) -> None:
        """Start a backend that has ended for that; ask one to end that is to be renewed, once it has nothing to do."""
        session, now = self.session, time.monotonic()
        if session.state in ("off", "refused"):
            again, self.renews, self._restarting = self._restarting, False, False  # the next one looks for itself
            if again and session.state == "off" and self.installed:
                self.connect()
        elif session.state == "ready" and not session.gateway.ending:
            self._restarting = False  # it has refused
            idle = all(job.final for job in session.jobs.values())
            if self.renews and idle and now - self._renewed_at > RENEW_INTERVAL:
                self._renewed_at = now
                self.restart(force=False)

    def _look_after_probe(self) -> bool:
        if self.probe is None:
            return False
        session, where = self.probe.session, self.probe.where
        session.tick(TALK)
        if session.state == "ready":
            does = session.engines.device if session.engines else "its worker is still starting"
            self.probed = f"The backend on {where} answers: {does}"
        elif session.state == "refused":
            self.probed = session.text
        elif session.state == "off":
            self.probed = "No backend runs on this computer: press Start Backend"
        elif time.monotonic() - self.probe.began > PROBE_SECONDS:
            self.probed = f"No answer from {where}: is the backend running there, and are the keys the same?"
        else:
            return False
        self._end_probe()
        return True

    def _end_probe(self) -> None:
        if self.probe is not None:
            self.probe.session.close()
            self.probe = None

    def close(self) -> None:
        """Let go of everything; the backend goes on with what it has. Safe twice."""
        if self.installation is not None:
            self.installation.cancel()
        self._end_probe()
        self.session.close()


def _require_room(environment: Path, build: Build) -> None:
    """Raises ValueError where the disk has no room for what is fetched and unpacked."""
    folder = next(folder for folder in (environment, *environment.parents) if folder.exists())
    free, wanted = shutil.disk_usage(folder).free / 1e9, build.fetched + build.unpacked
    if free < wanted:
        raise ValueError(f"The disk of {folder} has {free:.1f} GB free, and the learned engine wants {wanted:.1f}")


def _on_its_way(job: Job) -> bool:
    """Bytes of it are."""
    return job.upload is not None or (job.download is not None and job.records > job.taken)
