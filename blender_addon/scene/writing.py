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
from . import colour, finishing, keys, live, material, place, provenance
from .bouquet import Site
from .reading import Target, rest
from .seating import Seating
from .surface import corner_vertices
from .taken import Came, Taken


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
    ):
        """`made_by` is protocol.provenance(request), `about` what provenance shall keep beside it. Without a target
        the object is a new one at `site`, or the one that has its seat there."""
        self.title = title
        self.object_name = ""
        self.notes: list[str] = list(target.notes) if target else []
        self._made_by = made_by | dict(target.groups if target else ())
        self._target = target
        self._seating = Seating(site or Site())
        self._about = dict(about or {})
        self._uid = 0
        self._owned = False  # the object is one that we made
        self._begun = False  # its shape keys are ours to write
        self._signed = False  # it is finished
        self._key = uuid.uuid4().hex  # marks the shape keys that we are writing
        self._rest: np.ndarray | None = None  # (V, 3) rest shape of the object when we took it
        self._had_keys = self._was_pinned = False  # the object, before we began
        self._taken = Taken()
        self._written = 0  # of the frames
        self._previewed: set[int] = set()  # frames whose preview is on the object
        self._newest: tuple[str, np.ndarray] | None = None  # the key that was written last, and what it holds
        self._shown: list[str] = []  # the keys that are on, before any follow the properties
        self._names: live.Names | None = None  # of the properties that the keys follow, once they do
        self._lasts = 0  # over how many frames Life was keyed
        self._attributes: dict[str, str] = {}  # names of ours in the mesh, once they are there
        self._stale_colour = False  # the newest look is not shown yet
        self._first_frame: int | None = None
        self._between: Iterator[None] | None = None  # steps towards a preview that plays

    def apply(self, record, arrays: dict[str, np.ndarray]) -> None:
        """Take one record: Subject, then FrameRecords, then Certificate. Raises BadResult."""
        match record:
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
        if obj is None or not (self._owned and self._stale_colour and self._attributes) or self._names is not None:
            return
        look, corners = self._taken.newest, corner_vertices(obj.data)
        material.write_attributes(obj.data, self._attributes, corners, look, set(self._attributes))
        self._stale_colour = False

    def finish(self) -> Iterator[None]:
        """Drivers, colours, scene range and provenance, in steps of a few milliseconds; then the object plays."""
        self._between = None
        self._taken.previews, self._previewed = [], set()  # not all are replaced where fewer frames came than expected
        if self._taken.frames:
            self.verify()
            while self._written < len(self._taken.frames):
                self._write(at_most=1)
                yield
        yield from self._through(self._final_steps)

    def abandon(self) -> None:
        """The job ended early. What there is of it is kept, the frames or the preview, where it is two frames or
        more: run finish(). With fewer the scene is left as it was before."""
        begun_with = self._taken.frames
        kept = self._taken.settle_for()
        if kept:
            if self._taken.frames is not begun_with:  # the preview's: they are written under their final names
                self._written, self._shown = 0, []
            self.notes.append(f'"{self.object_name}" keeps {kept}')
            return
        self.withdraw()

    def withdraw(self) -> None:
        """Take away what there is of it, as if it had never been asked for."""
        self._between = None
        self._seating.clear(self._found(), self._owned)
        self._uid, self.object_name = 0, ""

    # --- Taking records in

    def _take_subject(self, record, arrays) -> None:
        self._taken.take_subject(record, arrays)
        if record.understood:
            self._about["understood"] = list(record.understood)
        if record.version:
            self._made_by["version"] = record.version
        if record.passed_over:
            words = ", ".join(f'"{word}"' for word in record.passed_over)
            self.notes.append(f"Words of the prompt that were not understood and change nothing: {words}")
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
            self._names, self._first_frame = names, facts["first_frame"]
            self._lasts = facts["last_frame"] - facts["first_frame"]

    def _preview_is_due(self) -> bool:
        """Both ends of the preview are there, or the frames begin. They may come last to first."""
        previews, frames = self._taken.previews, self._taken.frames
        if self._names is not None or self._between is not None or not self._previewed:
            return False
        ends = {0, self._taken.record.frames - 1}
        return bool(frames and previews) or (len(previews) >= 2 and ends <= {each.index for each in previews})

    # --- The object

    def _found(self):
        """The object as it is now, or None where it cannot take frames any more."""
        obj = place.writable(place.by_uid(self._uid, self.object_name), self.vertices)
        if obj is None:
            return None
        if self._newest is not None:
            blocks = obj.data.shape_keys.key_blocks if obj.data.shape_keys else {}
            if self._newest[0] not in blocks:
                return None  # undone
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
        begun = self._begun and old is not None and old.type == "MESH"
        if begun and keys.withdraw(old, self._key, basis_too=not self._had_keys):
            old.show_only_shape_key = self._was_pinned
            if self._names is not None:
                live.forget(old, self._names)
            colour.forget(old)
        self._make_object_beside(f'"{self.object_name}" was changed or deleted while frames came in', old)

    def _edited(self, obj) -> bool:
        """Whether the rest shape moved, or one of the keys written so far is gone, or the last of them moved."""
        if place.edited(obj, self._rest, self._on_it()):
            return True
        return self._newest is not None and not keys.holds(obj, *self._newest)

    def _on_it(self) -> list[str]:
        """The keys that are on the object."""
        frames = [frame.index for frame in self._taken.frames[: self._written]]
        previews = place.key_names(sorted(self._previewed), self._labels, preview=True)
        return place.key_names(frames, self._labels) + previews

    @property
    def _labels(self) -> list[str]:
        return live.labels(self._made_by, self._taken.processes)

    def _own(self, obj) -> None:
        """Go on with an object whose mesh is ours, from the first frame on."""
        self._uid, self.object_name = obj.session_uid, obj.name
        self._owned, self._begun, self._written, self._previewed = True, False, 0, set()
        self._rest = self._taken.subject["vertices"]
        self._newest, self._names, self._shown, self._attributes = None, None, [], {}

    def _make_object_beside(self, reason: str, old) -> None:
        """A new object where the old one is, or was."""
        location = self._target.location if self._target else self._seating.site.location
        if old is not None:
            location = tuple(old.matrix_world.translation)
        name = self._target.object_name if self._target else self._taken.record.name or self.title
        process = self._made_by.get("process", "")
        name = f"{name} ({process.title()})" if process else name
        self._own(self._seating.make(name, self._taken.subject, Site(location)))
        self.notes.append(f'{reason}: the result is a new object, "{self.object_name}"')

    # --- Writing

    def _write(self, at_most: int | None = None) -> None:
        """All that came and is not yet on the object, or so many frames of it."""
        obj, taken = self._object(), self._taken
        if not self._begun:
            self._begin(obj)
        for frame in taken.previews:
            if frame.index not in self._previewed and frame.index > taken.reached:
                self._write_frame(obj, frame, preview=True)
                self._previewed.add(frame.index)
        for frame in taken.frames[self._written :][:at_most]:
            self._write_frame(obj, frame, preview=False)
            self._written += 1
            self._replace_preview(obj)

    def _write_frame(self, obj, frame: Came, preview: bool) -> None:
        """Its keys: what the first process does, and what each further one adds. It is shown in place of the last."""
        back = None if self._owned else place.back_to_object(self._target)
        follows, before = self._names is not None, None
        for key in self._shown:
            obj.data.shape_keys.key_blocks[key].value = 0.0
        self._shown = [] if follows else place.key_names([frame.index], self._labels, preview)
        for label, pose in zip(self._labels, frame.poses, strict=True):
            pose = place.turned(pose, back)
            positions = pose if before is None else self._rest + (pose - before)
            name, before = keys.name_of(frame.index, label, preview), pose
            keys.write(obj, name, positions, 0.0 if follows else 1.0)
            self._newest = name, positions

    def _replace_preview(self, obj) -> None:
        """The frame that was written last takes the place of the preview up to its own time, at once where the
        preview plays."""
        index = self._taken.frames[self._written - 1].index
        gone = sorted(each for each in self._previewed if each <= index)
        self._previewed -= set(gone)
        if gone:
            keys.remove(obj, place.key_names(gone, self._labels, preview=True))
        if self._names is not None:
            nodes = self._nodes()
            for number in range(max(0, self._written - 2), min(self._written + 1, len(nodes))):
                self._drive(obj, nodes, number)

    def _nodes(self) -> list[tuple[int, bool]]:
        """What life is made of now: (frame, whether it is a preview), in the order of time."""
        frames = [(frame.index, False) for frame in self._taken.frames[: self._written]]
        return frames + [(index, True) for index in sorted(self._previewed)]

    def _drive(self, obj, nodes: list[tuple[int, bool]], number: int) -> None:
        index, preview = nodes[number]
        hat = keys.hat([each for each, _ in nodes], number, self._last)
        for process, label in enumerate(self._labels):
            live.drive_key(obj, self._names, keys.name_of(index, label, preview), hat, process)

    @property
    def _last(self) -> int:
        """The frame at which life ends; of a preview, the one that the whole clip will end with."""
        announced = self._taken.record.frames - 1 if self._previewed else 0
        return max(announced, self._taken.last)

    def _begin(self, obj) -> None:
        if obj.data.users - obj.data.use_fake_user > 1:
            obj.data = obj.data.copy()
            self.notes.append(f'"{obj.name}" shared its mesh with other objects and now has its own')
        if self._owned and ("albedo" in self._taken.subject or self._taken.looks.lives):
            self._attributes = finishing.dress_new(obj, self._taken.subject["corners"], self._taken.looks)
        if not self._seating.regrows:
            self._replace_clip(obj)
        self._had_keys, self._was_pinned = obj.data.shape_keys is not None, obj.show_only_shape_key
        keys.prepare(obj, self._key)
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
        """False where the object was replaced on the way."""
        if self._moves:
            self._write()
        uid = self._uid
        for step in steps():
            if self._moves:
                self._write()  # finds that the object was lost, and makes another
            obj = self._found()
            if obj is None or self._uid != uid:
                return not self._moves
            step(obj)
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
            wanted = set(place.key_names([frame.index for frame in self._taken.frames], self._labels))
            for name in [name for name in keys.ours(self._found()) if name not in wanted]:
                yield lambda obj, name=name: keys.remove(obj, [name])
            yield from self._looks_of(self._taken.looks, self._taken.frames[self._taken.looks.frames :])
            yield from self._playing_steps(self._taken.looks)
        yield from self._seating.plant_steps(self._names)
        yield self._sign

    @staticmethod
    def _looks_of(looks, frames: list[Came]) -> Iterator[Callable]:
        """Those of a preview are read when it is known how many there are."""
        for frame in frames:
            yield lambda obj, frame=frame: looks.add(looks.frames, frame.arrays)

    def _playing_steps(self, looks) -> Iterator[Callable]:
        yield self._come_alive
        nodes = self._nodes()
        for number in range(len(nodes)):
            yield lambda obj, number=number: self._drive(obj, nodes, number)
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
        if self._names is not None and self._lasts == self._last:
            return  # as the preview began it: the artist may have edited the curve since
        self._names, self._lasts = self._names or live.names_for(obj, self._labels), self._last
        live.begin(obj, self._names, self._first_frame, self._last)

    def _drive_colours(self, obj, looks) -> None:
        finishing.drive_colours(obj, self._names)
        every = max(strip.every for strip in looks.strips.values())
        if every > 1:
            self.notes.append(f"Colours are kept every {every} frames: all of them would be too large")

    def _fit_scene(self, obj) -> None:
        notes = finishing.fit_scene(obj, self._names, self._first_frame + self._last, self._taken.record.fps)
        self.notes += [note for note in notes if note not in self.notes]

    def _sign(self, obj) -> None:
        taken, first = self._taken, self._first_frame or 0
        facts = taken.facts() | {
            "title": self.title,
            "first_frame": first,
            "last_frame": first + taken.last,
            "live": None if self._names is None else live.facts(self._names),
        }
        if self._attributes:
            facts["attributes"] = self._attributes
        self._seating.sign(obj, self._made_by, self._about | facts)
        if taken.frames:
            keys.settle(obj)
        self._signed = True
        taken.free()
