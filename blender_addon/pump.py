# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes on while Blender does other things: the conversation and what is asked in it, orders and arrivals.

All of it inside tick(), a few milliseconds at a time, so that no second thread is needed.
"""

import time
import uuid

import bpy

from . import subjects
from .arrivals import Arrivals
from .client import launch
from .client.gateway import Starts
from .client.jobs import Job
from .client.session import Session
from .orders import Order, Orders, Wish, regrowth
from .packages import Packages
from .preferences import Settings
from .probe import Probe
from .renewal import Renewal
from .scene import photos, reading
from .scene.bouquet import Site
from .scene.looking import Look
from .seam import BACKEND_FOLDER, protocol

BUDGET = 0.008  # seconds of one tick; its last step may take as long again (a first frame with colour, 50,000 vertices)
TALK = 0.004  # of it for messages at a time
SOFTWARE = f"anthesis {protocol.VERSION}, Blender {bpy.app.version_string}"


class JobFailed(RuntimeError):
    """A job that was waited for gave no result; the message is its sentence."""


class Pump:
    """One Blender's conversation and what follows from it."""

    def __init__(self, settings: Settings):
        self.session = Session(SOFTWARE)
        self.arrivals = Arrivals(self.session)
        self.orders = Orders(self.session, self.arrivals)
        self.settings = settings
        self.renewal = Renewal(self.session)
        self.packages = Packages(settings, self.session, self.renewal)
        self.probe: Probe | None = None
        self.probed = ""  # the answer of the last Test Connection, in words
        self.fault = ""  # the last traceback of a fault of ours, until it has been shown
        self._busy = False

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
        self.renewal.forget()
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

    def change_settings(self, settings: Settings) -> None:
        """The user has changed the preferences: a backend elsewhere is another conversation."""
        moved = (settings.remote, settings.place) != (self.settings.remote, self.settings.place)
        self.settings = settings
        self.packages.change_settings(settings)
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

    # --- Jobs

    @property
    def engines(self) -> protocol.Engines | None:
        """What the backend can do, as far as it has said so."""
        return self.session.engines if self.session.state == "ready" else None

    @property
    def lacking(self) -> str:
        """Why the backend brings no picture to life and makes no views, whatever the model."""
        return self.engines.lacking.rstrip(".") if self.engines else ""

    def lacking_for(self, model: str) -> str:
        """Why it brings no picture to life with the model in this folder, or with its own where none is named."""
        without = self.engines.no_model.rstrip(".") if self.engines and not model.strip() else ""
        return self.lacking or without

    def lacking_for_views(self, model: str) -> str:
        """Why it makes no views, and no mesh from them; otherwise as lacking_for()."""
        without = self.engines.no_views.rstrip(".") if self.engines and not model.strip() else ""
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
        """Ask how a mesh sways in the wind, as its life shows it at this frame; otherwise as animate()."""
        subject, target = reading.read_subject(obj, part, as_shown=True)
        self._require_backend()
        return self._submit(request, f"Sway {obj.name}", subject, target)

    def sway_as_seen(
        self, request: protocol.SwayAsSeen, obj: bpy.types.Object, look: Look, part: reading.Part = reading.WHOLE
    ) -> str:
        """Ask how a mesh sways as a picture of it is expected to, which was taken through the request's camera;
        otherwise as animate()."""
        subject, target = reading.read_subject(obj, part, look.picture, as_shown=True)
        self._require_backend()
        return self._submit(request, f"Sway {obj.name} as Seen", subject, target)

    def bring_to_life(self, request: protocol.Plane, image: bpy.types.Image) -> str:
        """Ask for a plane that shows an image and sways as that is expected to; the job's id. Raises ValueError, for an
        image that cannot be used too."""
        picture, photo = photos.read(image)
        self._require_backend()
        subject = protocol.pack(protocol.PictureRecord(), {"pixels": picture})
        return self._submit(request, photo.title, subject, photo=photo)

    def views(self, request: protocol.Views) -> str:
        """Ask how what words say looks from all around; the job's id. Raises ValueError."""
        self._require_backend()
        return self._submit(request, f"{_in_a_line(request.prompt)} (Views, Seed {request.seed})")

    def text_to_mesh(self, request: protocol.TextToMesh) -> str:
        """Ask for a textured mesh of what words say; the job's id. Raises ValueError."""
        self._require_backend()
        as_it_is = " (as It Is)" if request.as_it_is else ""
        return self._submit(request, f"{_in_a_line(request.prompt)}{as_it_is}")

    def learn_subject(self, request: protocol.LearnSubject, pictures: bytes) -> str:
        """Ask for a model that knows the thing in the pictures, a packed PicturesRecord, by a name; the job's id.
        Raises ValueError, for a name that is taken too."""
        if request.called.casefold() in (called.casefold() for called in subjects.known()):
            raise ValueError(f'"{request.called}" has been learnt already: choose it as the subject, or another name')
        self._require_backend()
        return self._submit(request, f'Learn "{request.called}"', pictures)

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
        ends = time.perf_counter() + budget
        changed |= self.packages.tick() | self._look_after_probe()
        if self.renewal.tick() and self.packages.installed:
            self.connect()
        self._busy, wrote = False, True
        while wrote and time.perf_counter() < ends:
            changed |= self.session.tick(min(TALK, budget))
            changed |= self.orders.tick()
            wrote = self.arrivals.advance(ends)
            self._busy |= wrote
        changed |= self.arrivals.push_undo()
        return changed | self._busy

    @property
    def interval(self) -> float:
        """Seconds until tick() should be called again."""
        jobs = self.session.jobs.values()
        if self._busy:
            return 0.0
        if not self.arrivals.waits and any(_on_its_way(job) for job in jobs):
            return 0.01
        if self.session.state == "ready" and (self.session.reader.busy or self.orders.open):
            return 0.02
        active = any(job.active for job in jobs) or self.arrivals.open or self.packages.installation or self.probe
        active = active or self.renewal.under_way
        return 0.1 if active or self.session.state in ("starting", "connecting") else 0.5

    def _look_after_probe(self) -> bool:
        answer = None if self.probe is None else self.probe.tick(TALK)
        if answer is None:
            return False
        self.probed = answer
        self._end_probe()
        return True

    def _end_probe(self) -> None:
        if self.probe is not None:
            self.probe.close()
            self.probe = None

    def close(self) -> None:
        """Let go of everything; the backend goes on with what it has. Safe twice."""
        self.packages.close()
        self._end_probe()
        self.session.close()


def _in_a_line(prompt: str) -> str:
    return " ".join(prompt.split())


def _on_its_way(job: Job) -> bool:
    """Bytes of it are."""
    return job.upload is not None or (job.download is not None and job.records > job.taken)
