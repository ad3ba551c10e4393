# SPDX-License-Identifier: GPL-3.0-or-later

"""Results on their way into the open file, a few milliseconds at a time.

Nothing of Blender's is kept between two steps: an undo, an opened file or a deletion may take any object away, so
names and numbers are kept, and objects are looked up each time.
"""

import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

import bpy
import msgspec

from . import subjects, views
from .client.jobs import Job
from .client.session import Session
from .scene import keys, marks
from .scene.bouquet import Site
from .scene.photos import LOST, Photo
from .scene.reading import Target
from .scene.swaying import Arriving
from .scene.taken import BadResult
from .scene.viewing import Viewing
from .scene.writing import Import
from .seam import protocol

SHOW_INTERVAL = 0.2  # seconds between two looks at the colour of what is arriving
SHOW_VERTICES = 20_000  # of a mesh with more, one look takes longer than a tick may: its colour comes at the end


@dataclass
class Arrival:
    """One result. `asked`: the session fetches its records."""

    job: str
    target: Target | None  # None: an object at `site`
    site: Site
    asked: bool
    order: str = ""  # what it is a part of; by itself where that is ""
    photo: Photo | None = None  # what it shows, where it is a plane that was asked for from here
    request: protocol.Request | None = None  # once its records come
    writing: Import | Arriving | Viewing | subjects.Learnt | None = None
    finishing: Iterator[None] | None = None
    news: bool = False  # frames came whose colour is not shown yet
    shown_at: float = -1e9
    broken: str = ""  # why nothing more of it is read

    @property
    def landed_as(self) -> str:
        """The name of its object, or of its image where it is views, if it has one in the open file; of a subject, what
        it is called."""
        name = self.writing.object_name if self.writing is not None else ""
        if isinstance(self.writing, subjects.Learnt):
            return name
        there = bpy.data.images if isinstance(self.writing, Viewing) else bpy.data.objects
        return name if name in there else ""

    @property
    def whole(self) -> str:
        """What becomes one undo step with it."""
        return self.order or self.job


class Arrivals:
    """All of them, and what is remembered of those that have landed."""

    def __init__(self, session: Session):
        self.open: dict[str, Arrival] = {}  # by job
        self.waits = ""  # what the user has to do before anything is written
        self.notes: dict[str, list[str]] = {}  # by job: what there is to say about its import
        self.objects: dict[str, str] = {}  # by job: the name of the object, or of the image, that it became
        self.reached: dict[str, int] = {}  # by job: the step whose views came last
        self.partial: set[str] = set()  # jobs of whose result only the beginning could be used
        self.landed: dict[str, list[str]] = {}  # by order: names of objects that are finished, without an undo step
        self._marks: dict[str, str] = {}  # of all that began to arrive in this file: by mark, the job
        self.loose = False  # what has arrived, or was taken away again, may be in no undo step
        self._undone = False  # there was an undo or a redo, and nobody has looked at what it led to
        self._session = session
        self._targets: dict[str, Target | None] = {}
        self._photos: dict[str, Photo] = {}

    @property
    def room(self) -> bool:
        """Whether one more job may be read at once; the gateway refuses more."""
        return sum(arrival.asked for arrival in self.open.values()) < protocol.STREAMS

    @property
    def settled(self) -> list[str]:
        """Orders of which all has landed that will, and that need their undo step."""
        under_way = {arrival.whole for arrival in self.open.values()}
        return [order for order in self.landed if order not in under_way]

    def expect(
        self,
        job: str,
        target: Target | None,
        asked: bool,
        site: Site | None = None,
        order: str = "",
        photo: Photo | None = None,
    ) -> None:
        """A job was submitted; write what comes, to its target or its site. With neither it is a new object at the 3D
        cursor; a plane shows the `photo`. All that has the same `order` becomes one undo step."""
        self._targets[job] = target
        if photo is not None:
            self._photos[job] = photo
        self.notes.pop(job, None)
        self.objects.pop(job, None)
        self.partial.discard(job)
        site = site or Site(tuple(bpy.context.scene.cursor.location))
        self.open[job] = Arrival(job, target, site, asked, order, self._photos.get(job))

    def move(self, job: str, site: Site) -> None:
        """It is known only now where it goes; nothing of it has come yet."""
        self.open[job].site = site

    def drop(self, job: str) -> None:
        """It is not wanted any more: what has come of it goes, and what is remembered of it."""
        arrival = self.open.pop(job, None)
        if arrival is not None and arrival.writing is not None:
            arrival.writing.withdraw()
            self.loose = True
        for remembered in (self.notes, self.objects, self.reached, self._targets, self._photos):
            remembered.pop(job, None)
        self.partial.discard(job)

    def growing_in(self, uid: int) -> list[str]:
        """Jobs whose result goes into the object with this session_uid, as its new mesh."""
        seats = ((arrival.job, arrival.site.seat) for arrival in self.open.values())
        return [job for job, seat in seats if seat is not None and seat.uid == uid]

    def again(self, job: str) -> None:
        """Read a job from the store and write it (once more). Raises ValueError while it is being written."""
        if job in self.open:
            raise ValueError("Its result is being imported already")
        self.expect(job, self._targets.get(job), asked=False)

    def forget_file(self) -> None:
        """Another file is about to be opened: what has half arrived in this one stays behind with it."""
        for job in self.open:
            if job in self._session.jobs:
                self._session.stop_fetching(job)
            self.notes[job] = ["Another file was opened: import it again to have it there"]
        self.open.clear()
        self.landed.clear()
        self._marks.clear()
        self._undone = self.loose = False

    @staticmethod
    def look_after_load() -> None:
        """A file was opened, which may have been saved while something arrived: that is the artist's now."""
        keys.settle_all()
        for obj in marks.marked():
            marks.remove(obj)

    def push_undo(self) -> bool:
        """One undo step for each order that has landed, in the tick in which it did: an undo before it would take the
        result away. With a large clip that tick takes longer than it may, for Blender copies all that changed. False
        where there is none."""
        steps = {order: self.landed.pop(order) for order in self.settled}
        for names in steps.values():
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            bpy.ops.ed.undo_push(message=f"Import {names[0]}{more}")
            self.loose = False
        return bool(steps)

    def expect_another_moment(self, whole: bool = False) -> None:
        """There was an undo or a redo, which read `whole` the file or not. Its handler is no place to change data in:
        the next tick looks at it."""
        self._undone = True
        self.loose &= not whole

    def look_after_undo(self) -> bool:
        """It may have led to a moment at which something had half arrived. What is still arriving goes on there. What
        is not is no use to anyone: it is hidden, until a redo brings all of it. Any other object that has the mark,
        as a copy that the artist made, loses it. True where there was something to look at."""
        if not self._undone or obstacle():
            return False
        self._undone = False
        arriving = [arrival.writing for arrival in self.open.values() if arrival.writing is not None]
        for obj in marks.marked():
            job = self._marks.get(marks.owner_of(obj))
            if job is None:
                marks.remove(obj)
            elif not any(writing.take_back(obj) for writing in arriving):
                self._hide(obj, job)
        for writing in arriving:
            if isinstance(writing, Import):
                writing.start_again()
        return True

    def _hide(self, obj, job: str) -> None:
        obj.hide_viewport = obj.hide_render = True
        note = "Where an undo finds it half arrived it is hidden: redo, or import it again"
        if job in self.notes and note not in self.notes[job]:
            self.notes[job].append(note)

    def advance(self, ends: float) -> bool:
        """Write until perf_counter() is `ends`. True where something was written."""
        self.waits = obstacle() if self.open else ""
        if self.waits:
            return False
        wrote = False
        for arrival in list(self.open.values()):
            job = self._session.jobs.get(arrival.job)  # None: it was removed
            try:
                wrote |= self._write(arrival, job, ends)
            except (BadResult, protocol.BadMessage) as error:
                self._break_off(arrival, str(error))
            except Exception as error:  # noqa: BLE001  the border of the job: the others go on
                traceback.print_exc()
                self._break_off(arrival, f"The result could not be imported ({error}). The system console says where")
            self.loose |= arrival.writing is not None
            if time.perf_counter() >= ends:
                break
        return wrote

    def close(self) -> None:
        """The add-on goes: end all that is half written now, by the rule for a job that was cancelled."""
        for arrival in list(self.open.values()):
            arrival.broken = arrival.broken or "The add-on was disabled: import it again to have all of it"
            while arrival.job in self.open:
                try:
                    self._step(arrival, None)
                except Exception as error:  # noqa: BLE001  the border of the job: the others are ended too
                    traceback.print_exc()
                    self._break_off(arrival, str(error))

    def _break_off(self, arrival: Arrival, reason: str) -> None:
        """A record cannot be used, or writing it failed. The next step closes what came before it."""
        closing = arrival.broken or arrival.finishing is not None
        arrival.broken, arrival.news = arrival.broken or reason, False
        if closing:  # it is the closing that fails: what there is stays as it is
            self._land(arrival)

    def _write(self, arrival: Arrival, job: Job | None, ends: float) -> bool:
        """Step after step until `ends`."""
        if arrival.writing is not None:
            arrival.writing.verify()
        wrote = self._show(arrival)
        while time.perf_counter() < ends and self.open.get(arrival.job) is arrival and self._step(arrival, job):
            wrote = True
        return wrote

    @staticmethod
    def _show(arrival: Arrival) -> bool:
        """Colour the newest frame now and then. First thing in a tick, for it may take half of one."""
        if not arrival.news or time.monotonic() - arrival.shown_at < SHOW_INTERVAL:
            return False
        if arrival.writing.vertices > SHOW_VERTICES:
            return False
        arrival.writing.show()
        arrival.news, arrival.shown_at = False, time.monotonic()
        return True

    def _step(self, arrival: Arrival, job: Job | None) -> bool:
        """One record, or one step of finishing. False where there is nothing to do now."""
        if arrival.finishing is not None:
            try:
                next(arrival.finishing)
            except StopIteration:
                self._land(arrival)
            return True
        if job is None or arrival.broken:
            return self._close(arrival, whole=False)
        if arrival.writing is not None and arrival.writing.step():
            return True
        if not arrival.asked and job.accepted and self.room:
            arrival.asked = True
            self._session.fetch(job.id)
        if arrival.writing is None and self._has_to_wait(arrival):
            return False
        taken = self._session.take(job.id)
        if taken is not None:
            _, record, arrays = taken
            if arrival.writing is None:
                arrival.request = job.request
                arrival.writing = _import_of(job, arrival)
                if isinstance(arrival.writing, Import):  # a sway is never half written
                    self._marks[arrival.writing.mark] = job.id
            arrival.writing.apply(record, arrays)
            if isinstance(record, protocol.ViewsRecord):
                self.reached[job.id] = record.step
            arrival.news = True
            return True
        over = job.final and job.download is None and (arrival.asked or not job.accepted)
        if over or self._session.fetched(job.id):
            return self._close(arrival, whole=job.state == "done")
        return False

    def _has_to_wait(self, arrival: Arrival) -> bool:
        """Whether another order has landed, or the rest of it is coming in: were this one begun now, the undo step of
        the other would hold the beginning of it."""
        if self.settled:
            return True
        others = (other for other in self.open.values() if other.writing is not None and other.whole != arrival.whole)
        return any(other.job in self._session.jobs and self._session.jobs[other.job].final for other in others)

    def _close(self, arrival: Arrival, whole: bool) -> bool:
        """Nothing more will come."""
        arrival.news = False  # the end shows it all
        if arrival.writing is not None and not whole:
            arrival.writing.abandon()
        if arrival.writing is None or not arrival.writing.object_name:
            self._land(arrival)
        else:
            arrival.finishing = arrival.writing.finish()
        return True

    def _land(self, arrival: Arrival) -> None:
        """It plays, or nothing of it is in the file."""
        notes, name = [arrival.broken] if arrival.broken else [], arrival.landed_as
        if name:
            copies = len(arrival.writing.copies)
            shared = f", with {copies} {'copies' if copies > 1 else 'copy'} sharing its mesh" if copies else ""
            verb = "Learnt" if isinstance(arrival.writing, subjects.Learnt) else "Imported"
            notes += [f'{verb} as "{name}"{shared}', *arrival.writing.notes]
            _keep_specimen(arrival, name)
            self.objects[arrival.job] = name
            self.landed.setdefault(arrival.whole, []).append(name)
        if arrival.broken:
            self.partial.add(arrival.job)
        del self.open[arrival.job]
        self.notes[arrival.job] = notes
        if arrival.job in self._session.jobs:
            self._session.stop_fetching(arrival.job)


def _import_of(job: Job, arrival: Arrival) -> Import | Arriving | Viewing | subjects.Learnt:
    made_by = protocol.provenance(job.request)
    if isinstance(job.request, protocol.Views):
        return Viewing(views.sheet(made_by))
    if isinstance(job.request, protocol.TextToMesh):
        return Import(job.title, made_by, None, arrival.site, sheet=views.sheet(made_by))
    if isinstance(job.request, protocol.LearnSubject):
        return subjects.Learnt(job.request.called)
    if isinstance(job.request, protocol.Plane):
        return Arriving(job.title, made_by, None, arrival.site, arrival.photo or LOST)
    if isinstance(job.request, (protocol.Sway, protocol.SwayAsSeen)):
        return Arriving(job.title, made_by, arrival.target, arrival.site)
    about = {"request": msgspec.to_builtins(job.request)} if isinstance(job.request, protocol.Generate) else {}
    return Import(job.title, made_by, arrival.target, arrival.site, about)


def _keep_specimen(arrival: Arrival, name: str) -> None:
    """The object and its copies show what they were grown from, to be changed and grown anew."""
    request = arrival.request
    if isinstance(request, protocol.Generate) and request.specimen is not None:
        for each in filter(None, map(bpy.data.objects.get, [name, *arrival.writing.copies])):
            each.anthesis_specimen.show(request.specimen, request.seed)


def obstacle() -> str:
    """What keeps results from being written now, in words; "" where nothing does."""
    if bpy.app.is_job_running("RENDER"):
        return "Waits until the render is finished"
    windows = bpy.context.window_manager.windows
    layers = [window.view_layer for window in windows] or [bpy.context.view_layer]
    actives = [layer.objects.active for layer in layers]
    if any(active is not None and active.mode not in ("OBJECT", "POSE") for active in actives):
        return "Waits until you are back in Object Mode"  # an undo in another mode would take the result away
    return ""
