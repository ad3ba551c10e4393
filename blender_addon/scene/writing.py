"""One result on its way into the open file, a record at a time.

Between two calls the artist may undo, rename, move, edit or delete anything, or open another file. So an Import
holds names, numbers and the frames that came, looks its object up at each call, and where the object is no longer
what it was, goes on with a new one: nothing that came is lost, and nothing of the artist's is overwritten.

A preview plays as soon as it is whole. Each full frame then takes the place of the preview's frames up to its own, so
that life is whole at any moment; in the end none of the preview is left.
"""

import uuid
from collections.abc import Callable, Iterator

import bpy
import numpy as np

from ..seam import protocol
from . import colour, finishing, keys, live, marks, material, place, provenance
from .bouquet import Site
from .reading import Target, rest
from .row import Row
from .seating import Seating
from .sheet import Sheet
from .surface import corner_vertices
from .taken import Came, Taken
from .texture import Texture


class Import:
    """Feed it the records of one job in order, step() after each while it says so, then run finish(). Never holds a
    bpy reference between calls."""

    def __init__(
        self,
        title: str,
        made_by: dict[str, str],
        target: Target | None,
        site: Site | None = None,
        about: dict | None = None,
        sheet: Sheet | None = None,
    ):
        """`made_by` is protocol.provenance(request), `about` what provenance shall keep beside it. Without a target
        the object is a new one at `site`, or the one that has its seat there. A `sheet` shows the views that come
        before it is a mesh: with one, its shape is worth keeping by itself."""
        self.title = title
        self.object_name = ""
        self.notes: list[str] = list(target.notes) if target else []
        self._made_by = made_by | dict(target.groups if target else ())
        self._target = target
        self._seating = Seating(site or Site())
        self._about = dict(about or {})
        self.sheet = sheet
        self._texture: Texture | None = None
        self._uid = 0
        self._owned = False  # the object is one that we made
        self._begun = False  # its shape keys are ours to write
        self._signed = False  # it is finished
        self.mark = uuid.uuid4().hex  # on the object and the shape keys that we are writing
        self._moment = 0  # another one where the object is another, or not what it was
        self._rest: np.ndarray | None = None  # (V, 3) rest shape of the object when we took it
        self._had_keys = self._was_pinned = False  # the object, before we began
        self._taken = Taken()
        self._row = Row(self._taken, self._made_by)
        self._lasts = 0  # over how many frames Life was keyed
        self._attributes: dict[str, str] = {}  # names of ours in the mesh, once they are there
        self._stale_colour = False  # the newest look is not shown yet
        self._first_frame: int | None = None
        self._between: Iterator[None] | None = None  # steps towards a preview that plays

    def apply(self, record, arrays: dict[str, np.ndarray]) -> None:
        """Take one record: maybe ViewsRecords, Subject, then FrameRecords, then Certificate. Raises BadResult."""
        match record:
            case protocol.ViewsRecord() if self.sheet is not None:
                self.sheet.take(record, arrays)
            case protocol.Subject():
                self._take_subject(record, arrays)
            case protocol.FrameRecord():
                self._taken.take_frame(record, arrays)
                self._stale_colour = True
                # The first frame of an artist's mesh is its rest shape: until a second is there, nothing is touched.
                if self._owned or len(self._taken.frames) >= 2 or len(self._taken.previews) >= 2:
                    self._write()
                if self._preview_is_due():
                    self._between = self._through(self._preview_steps)
            case protocol.Certificate():
                self._taken.take_certificate(record)
                if self._made_by.get("kind") == "animate" and self._taken.still:
                    self.notes.append(
                        "It hardly moved: raise the amount, subdivide the mesh, or look at its pin and weight groups"
                    )

    def step(self) -> bool:
        """A few milliseconds of what has to be done before the next record; False where there is nothing."""
        if self.sheet is not None and self.sheet.step():
            return True
        if self._texture is not None and self._texture.step():
            return True
        begins = self._owned or len(self._taken.frames) >= 2
        if begins and self._row.written < len(self._taken.frames):  # an undo took frames away
            self._write(at_most=1)
            return True
        if self._between is None:
            return False
        if next(self._between, self) is self:
            self._between = None
        return True

    @property
    def copies(self) -> list[str]:
        """Names of objects that share the mesh."""
        return self._seating.copies

    @property
    def vertices(self) -> int:
        """How many the subject has; 0 before it came."""
        return len(self._taken.subject.get("vertices", ()))

    def verify(self) -> None:
        """Once a tick, before anything is written: what was edited since is left to the artist, and the result
        goes on in a new object. A clip whose first frames were moved and the others not would be torn."""
        obj = self._found() if (self._taken.frames or self._taken.previews) and not self._signed else None
        if obj is not None and self._edited(obj):
            self._lose(obj)

    def show(self) -> None:
        """Colour the newest frame; once a tick is enough. Only a mesh of our own changes colour before the end."""
        obj = self._found()
        if obj is None or not (self._owned and self._stale_colour and self._attributes) or self._row.names is not None:
            return
        look, corners = self._taken.newest, corner_vertices(obj.data)
        material.write_attributes(obj.data, self._attributes, corners, look, set(self._attributes))
        self._stale_colour = False

    def finish(self) -> Iterator[None]:
        """Drivers, colours, scene range and provenance, in steps of a few milliseconds; then the object plays."""
        self._between = None
        # Not all of a preview is replaced where fewer frames came than expected.
        self._taken.previews, self._row.previewed = [], set()
        if self._taken.frames:
            self.verify()
        yield from self._through(self._final_steps)

    def abandon(self) -> None:
        """The job ended early. What there is of it is kept, the frames or the preview, where it is two frames or
        more: run finish(). With fewer the scene is left as it was before."""
        begun_with = self._taken.frames
        kept = self._taken.settle_for()
        if kept:
            if self._taken.frames is not begun_with:  # the preview's: they are written under their final names
                self._row.start_over()
            self.notes.append(f'"{self.object_name}" keeps {kept}')
        elif self.sheet is not None and self._taken.subject:
            self._keep_still()
        else:
            self.withdraw()

    def _keep_still(self) -> None:
        """Its shape and what that shows, without a life."""
        obj = self._found()
        if obj is not None:
            self._undress(obj)
        self._begun, self._row = False, Row(self._taken, self._made_by)
        if self._taken.record.frames:
            self.notes.append(f'"{self.object_name}" is still: too little of its life came')

    def withdraw(self) -> None:
        """Take away what there is of it, as if it had never been asked for."""
        self._between = None
        self._seating.clear(self._found(), self._owned)
        self._uid, self.object_name = 0, ""

    def take_back(self, obj) -> bool:
        """An undo or a redo made an object of ours what it was at another moment. It stays, with all that the artist
        did to it, and what it lacks is written again. False where it is not ours, or nothing more will be written."""
        if marks.owner_of(obj) != self.mark or self._signed:
            return False
        self._moment += 1
        if self._seating.planted(obj):
            return True
        current = place.by_uid(self._uid, self.object_name)
        if obj.type != "MESH" or (current is not None and current != obj):
            marks.remove(obj)  # it was converted, or another one was made in its place and is there
            return True
        self._uid, self.object_name = obj.session_uid, obj.name
        self._begun = bool(obj.data.shape_keys) and obj.data.shape_keys.get(keys.ARRIVING) == self.mark
        if not self._begun:
            self._attributes = {}
        self._row.take_stock(obj)
        return True

    def start_again(self) -> None:
        """An undo or a redo may have taken all that was written off the artist's mesh: it is written once more, unless
        there is an edited mesh or an earlier clip now."""
        obj = place.by_uid(self._uid, self.object_name)
        if self._owned or not self._begun or self._signed or obj is None:
            return
        if not place.changed(self._target, obj) and not keys.ours(obj):
            self._moment += 1
            self._begun, self._row = False, Row(self._taken, self._made_by)

    # --- Taking records in

    def _take_subject(self, record, arrays) -> None:
        self._taken.take_subject(record, arrays)
        if "texture" in arrays:
            self._texture = Texture(arrays)
        if record.understood:
            self._about["understood"] = list(record.understood)
        if record.version:
            self._made_by["version"] = record.version
        if record.process:
            self._made_by["process"] = record.process
        if record.passed_over:
            words = ", ".join(f'"{word}"' for word in record.passed_over)
            self.notes.append(f"Words that were not understood and change nothing: {words}")
        if self._target is None:
            self._take_place(record.name or self.title)
            return
        obj, reason = place.of_target(self._target)
        if reason:
            self._make_object_beside(reason, obj)
        else:
            self._uid, self.object_name = obj.session_uid, obj.name
            self._rest = rest(obj.data)

    def _take_place(self, name: str) -> None:
        """The object that is grown anew, or a new one."""
        obj = self._seating.take(name, self._taken.record, self._taken.subject)
        self._own(obj)
        if self._seating.seat_is_gone:
            seat = self._seating.site.seat
            self.notes.append(f'"{seat.name}" is not there any more: the result is a new object')
        facts, names = provenance.read(obj) or {}, live.of(obj)
        if names is not None and not names.weights:  # the artist may have edited its curve: it is kept
            self._row.names, self._first_frame = names, facts["first_frame"]
            self._lasts = facts["last_frame"] - facts["first_frame"]

    def _preview_is_due(self) -> bool:
        """Both ends of the preview are there, or the frames begin. They may come last to first."""
        previews, frames = self._taken.previews, self._taken.frames
        if self._row.names is not None or self._between is not None or not self._row.previewed:
            return False
        ends = {0, self._taken.record.frames - 1}
        return bool(frames and previews) or (len(previews) >= 2 and ends <= {each.index for each in previews})

    # --- The object

    def _found(self):
        """The object as it is now, or None where it cannot take frames any more."""
        obj = place.writable(place.by_uid(self._uid, self.object_name), self.vertices)
        if obj is None or not self._row.is_there(obj):
            return None
        self.object_name = obj.name
        return obj

    def _object(self):
        """The object to write to; a new one with all that came where the last was lost."""
        obj = self._found()
        if obj is None:
            self._lose(place.by_uid(self._uid))
            obj = self._found()
        return obj

    def _lose(self, old) -> None:
        """Go on with a new object; the old one, where there is one, is the artist's again."""
        if old is not None and old.type == "MESH":
            self._undress(old)
        if old is not None:
            marks.remove(old)
        self._make_object_beside(f'"{self.object_name}" was changed or deleted while frames came in', old)

    def _undress(self, obj) -> None:
        """Take what has been written off an object."""
        if self._begun and keys.withdraw(obj, self.mark, basis_too=not self._had_keys):
            obj.show_only_shape_key = self._was_pinned
            if self._row.names is not None:
                live.forget(obj, self._row.names)
            colour.forget(obj)

    def _edited(self, obj) -> bool:
        """Whether the rest shape moved, or one of the keys written so far is gone, or the last of them moved."""
        return place.edited(obj, self._rest, self._row.keys) or not self._row.is_as_written(obj)

    def _own(self, obj) -> None:
        """Go on with an object whose mesh is ours, from the first frame on."""
        self._uid, self.object_name = obj.session_uid, obj.name
        self._owned, self._begun, self._attributes = True, False, {}
        self._rest = self._taken.subject["vertices"]
        self._row = Row(self._taken, self._made_by)
        self._moment += 1
        if not self._seating.regrows:
            marks.put(obj, self.mark)

    def _make_object_beside(self, reason: str, old) -> None:
        """A new object where the old one is, or was, and the `reason` noted."""
        location = self._target.location if self._target else self._seating.site.location
        if old is not None:
            location = tuple(old.matrix_world.translation)
        name = self._target.object_name if self._target else self._taken.record.name or self.title
        process = self._made_by.get("process", "")
        name = f"{name} ({process.title()})" if process else name
        site = self._seating.site  # of a bouquet where it has a spot there, and nothing says that it was moved
        site = site if old is None and site.bed is not None else Site(location)
        self._own(self._seating.make(name, self._taken.subject, site))
        self.notes.append(f'{reason}: the result is a new object, "{self.object_name}"')

    # --- Writing

    def _write(self, at_most: int | None = None) -> None:
        """All that came and is not yet on the object, or so many frames of it."""
        obj, taken = self._object(), self._taken
        if not self._begun:
            self._begin(obj)
        back = None if self._owned else place.back_to_object(self._target)
        for frame in taken.previews:
            if frame.index not in self._row.previewed and frame.index > taken.reached:
                self._row.write(obj, frame, True, self._rest, back)
        for frame in taken.frames[self._row.written :][:at_most]:
            self._row.write(obj, frame, False, self._rest, back)

    def _begin(self, obj) -> None:
        if obj.data.users - obj.data.use_fake_user > 1:
            obj.data = obj.data.copy()
            self.notes.append(f'"{obj.name}" shared its mesh with other objects and now has its own')
        if self._owned and self._texture is not None:
            self._texture.put(obj, lives=True)
        elif self._owned and ("albedo" in self._taken.subject or self._taken.looks.lives):
            self._attributes = finishing.dress_new(obj, self._taken.subject["corners"], self._taken.looks)
        if not self._seating.regrows:
            self._replace_clip(obj)
        self._had_keys, self._was_pinned = obj.data.shape_keys is not None, obj.show_only_shape_key
        keys.prepare(obj, self.mark)
        self._begun = True

    def _replace_clip(self, obj) -> None:
        """An earlier one, live or baked, plays no more."""
        earlier = provenance.read(obj)
        if earlier and keys.ours(obj) and earlier["made_by"] != self._made_by:
            self.notes.append(f'It replaces the earlier {earlier["made_by"].get("process") or "clip"} of "{obj.name}"')
        finishing.still(obj)

    # --- Steps towards an object that plays

    def _through(self, steps: Callable[[], Iterator[Callable]]) -> Iterator[None]:
        """Take the steps, from the first one again where the object was lost on the way."""
        done = False
        while not done:
            done = yield from self._once_through(steps)

    def _once_through(self, steps: Callable[[], Iterator[Callable]]) -> Iterator[None]:
        """False where the object was replaced on the way, or an undo made it what it had been."""
        if self._moves:
            self._write(at_most=1)
        while self._row.written < len(self._taken.frames):
            yield
            self._write(at_most=1)
        moment = self._moment
        for step in steps():
            if self._moves:
                self._write(at_most=0)  # finds that the object was lost, and makes another
            elif self._texture is not None:
                self._object()  # likewise
            obj = self._found()
            if self._moment != moment:
                return False
            if obj is None:
                return not self._moves
            step(obj)
            if not self._signed:  # once it is, nothing may come between it and its undo step
                yield
        return True

    @property
    def _moves(self) -> bool:
        return bool(self._taken.frames or self._taken.previews)

    def _preview_steps(self) -> Iterator[Callable]:
        """A preview begins to play."""
        looks = self._taken.preview_looks()
        yield from self._looks_of(looks, self._taken.previews)
        yield from self._playing_steps(looks)

    def _final_steps(self) -> Iterator[Callable]:
        """The whole of it plays."""
        if self._moves:
            yield from self._row.steps_to_clear(self._found())
            yield from self._looks_of(self._taken.looks, self._taken.frames[self._taken.looks.frames :])
            yield from self._playing_steps(self._taken.looks)
        elif self._texture is not None:
            yield lambda obj: self._texture.put(obj, lives=False)
        request = self._about.get("request") or {}
        yield from self._seating.carry_steps((request.get("specimen") or {}).get("height", 0.0))
        yield from self._seating.plant_steps(self._row.names)
        yield self._sign

    @staticmethod
    def _looks_of(looks, frames: list[Came]) -> Iterator[Callable]:
        """Those of a preview are read when it is known how many there are."""
        for frame in frames:
            yield lambda obj, frame=frame: looks.add(looks.frames, frame.arrays)

    def _playing_steps(self, looks) -> Iterator[Callable]:
        yield self._come_alive
        yield from self._row.steps_to_drive()
        if looks.strips:
            yield from finishing.steps_to_look(looks, self._attributes)
            yield lambda obj: self._drive_colours(obj, looks)
        else:
            yield colour.forget
        yield self._fit_scene

    def _come_alive(self, obj) -> None:
        """The properties that all follows, unless they are there and right."""
        if self._first_frame is None:
            self._first_frame = bpy.context.scene.frame_start
        if self._row.names is not None and self._lasts == self._row.last:
            return  # as the preview began it: the artist may have edited the curve since
        self._row.names, self._lasts = self._row.names or live.names_for(obj, self._row.labels), self._row.last
        live.begin(obj, self._row.names, self._first_frame, self._row.last)

    def _drive_colours(self, obj, looks) -> None:
        finishing.drive_colours(obj, self._row.names)
        every = max(strip.every for strip in looks.strips.values())
        note = f"Colours are kept every {every} frames: all of them would be too large"
        if every > 1 and note not in self.notes:
            self.notes.append(note)

    def _fit_scene(self, obj) -> None:
        notes = finishing.fit_scene(obj, self._row.names, self._first_frame + self._row.last, self._taken.record.fps)
        self.notes += [note for note in notes if note not in self.notes]

    def _sign(self, obj) -> None:
        taken, first = self._taken, self._first_frame
        if first is None:  # it is still
            first = bpy.context.scene.frame_start
        facts = taken.facts() | {
            "title": self.title,
            "first_frame": first,
            "last_frame": first + taken.last,
            "live": None if self._row.names is None else live.facts(self._row.names),
        }
        if self._attributes:
            facts["attributes"] = self._attributes
        self.notes += self._seating.notes
        self._seating.sign(obj, self._made_by, self._about | facts)
        if taken.frames:
            keys.settle(obj)
        self._signed = True
        taken.free()
