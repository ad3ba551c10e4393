"""One result on its way into the open file, a record at a time.

Between two calls the artist may undo, rename, move, edit or delete anything, or open another file. So an Import
holds names, numbers and the frames that came, looks its object up at each call, and where the object is no longer
what it was, goes on with a new one: nothing that came is lost, and nothing of the artist's is overwritten.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator

import bpy
import numpy as np

from ..seam import protocol
from . import build, colour, keys, provenance
from .reading import Target, fingerprint, rest
from .surface import corner_vertices

GREY = int(protocol.to_bytes(protocol.linear_to_srgb(protocol.GREY)))  # of a subject without colour, as bytes
MATT = int(protocol.to_bytes(protocol.MATT))
STILL = 1e-3  # largest displacement, in units of the mesh's size, below which nobody sees it move
DEFAULT_RANGE = (1, 250)  # frames of a scene that nobody has set up
TOLERANCE = 1e-7  # of a matrix, relative, below which it is the identity


class BadResult(ValueError):
    """A record that must not reach the scene: the message says what is wrong with it. Nothing of it was written."""


class Import:
    """Feed it the records of one job in order, then run finish(). Never holds a bpy reference between calls."""

    def __init__(self, title: str, made_by: dict[str, str], target: Target | None, location=(0.0, 0.0, 0.0)):
        """`made_by` is protocol.provenance(request). Without a target a new object is made at `location`."""
        self.title = title
        self.object_name = ""
        self.notes: list[str] = list(target.notes) if target else []
        self._made_by = made_by | dict(target.groups if target else ())
        self._target = target
        self._location = tuple(location)
        self._uid = 0
        self._owned = False  # the object is one that we made
        self._begun = False  # its shape keys are ours to write
        self._signed = False  # it is finished
        self._key = uuid.uuid4().hex  # marks the shape keys that we are writing
        self._rest: np.ndarray | None = None  # (V, 3) rest shape of the object when we took it
        self._had_keys = self._was_pinned = False  # the object, before we began
        self._record = protocol.Subject()
        self._subject: dict[str, np.ndarray] = {}
        self._frames: list[tuple[int, np.ndarray]] = []  # index, (V, 3) in world orientation and scale
        self._written = 0
        self._strip: colour.Strip | None = None
        self._newest: tuple[np.ndarray, np.ndarray] | None = None  # albedo, roughness that show() has not shown yet
        self._lives: set[str] = set()  # of "albedo" and "roughness", what the frames bring
        self._metal_lives = False
        self._attributes: tuple[str, str] | None = None  # names of ours in the mesh, once they are there
        self._measured: tuple = ()
        self._first_frame = 0

    def apply(self, record, arrays: dict[str, np.ndarray]) -> None:
        """Take one record: Subject, then FrameRecords in order, then Certificate. Raises BadResult."""
        match record:
            case protocol.Subject():
                self._take_subject(record, arrays)
            case protocol.FrameRecord():
                self._take_frame(record, arrays)
            case protocol.Certificate():
                self._measured = record.measured
                self._say_if_still()

    @property
    def vertices(self) -> int:
        """How many the subject has; 0 before it came."""
        return len(self._subject.get("vertices", ()))

    def verify(self) -> None:
        """Once a tick, before anything is written: what was edited since is left to the artist, and the result
        goes on in a new object. A clip whose first frames were moved and the others not would be torn."""
        obj = self._found() if self._frames and not self._signed else None
        if obj is not None and self._edited(obj):
            self._lose(obj)

    def show(self) -> None:
        """Colour the newest frame; once a tick is enough. Only a mesh of our own changes colour before the end."""
        obj = self._found()
        if obj is None or not self._owned or None in (self._newest, self._attributes):
            return
        colour.write_attributes(obj.data, self._attributes, corner_vertices(obj.data), *self._newest)
        self._newest = None

    def finish(self) -> Iterator[None]:
        """Curves, colours, scene range and provenance, in steps of a few milliseconds; then the object plays."""
        if self._frames:
            self._first_frame = bpy.context.scene.frame_start
            self.verify()
            self._write()
            yield
        while not (yield from self._finished_on(self._uid)):
            pass  # the object was lost on the way, and the steps begin again on a new one

    def abandon(self) -> None:
        """The job ended early. With two frames or more what came is kept: run finish(). With fewer the scene is
        left as it was before."""
        if len(self._frames) >= 2:
            self.notes.append(f'"{self.object_name}" keeps the {len(self._frames)} frames that came')
            return
        obj = self._found()
        if obj is not None and self._owned:
            mesh, materials = obj.data, [slot.material for slot in obj.material_slots]
            bpy.data.objects.remove(obj)
            bpy.data.meshes.remove(mesh)
            for material in materials:
                bpy.data.materials.remove(material)
        self._uid, self.object_name, self._frames = 0, "", []

    # --- Taking records in

    def _take_subject(self, record, arrays) -> None:
        protocol.check_subject(arrays)
        self._record, self._subject = record, arrays
        if record.version:
            self._made_by["version"] = record.version
        if record.passed_over:
            words = ", ".join(f'"{word}"' for word in record.passed_over)
            self.notes.append(f"Words of the prompt that were not understood and change nothing: {words}")
        if self._target is None:
            self._make_object(record.name or self.title, self._location)
            return
        # Ids are new in a file opened again; the name is then what is left, and the fingerprint the judge.
        renamed, same_name = _by_uid(self._target.uid), bpy.data.objects.get(self._target.object_name)
        obj = next((obj for obj in (renamed, same_name) if obj and not self._changed(obj)), renamed or same_name)
        reason = self._changed(obj)
        if reason:
            self._make_object_beside(reason, obj)
        else:
            self._uid, self.object_name = obj.session_uid, obj.name
            self._rest = rest(obj.data)

    def _say_if_still(self) -> None:
        moved = {name: value for name, value, _ in self._measured}.get(protocol.Certificate.DISPLACEMENT)
        if self._made_by.get("kind") == "animate" and moved is not None and moved < STILL:
            self.notes.append(
                "It hardly moved: raise the amount, subdivide the mesh, or look at its pin and weight groups"
            )

    def _changed(self, obj) -> str:
        """Why the target cannot take the result, or nothing."""
        name = self._target.object_name
        if obj is None or not _in_use(obj):
            return f'"{name}" was deleted in between'
        if obj.type != "MESH" or obj.library or obj.data.library:
            return f'"{name}" is no longer a mesh of this file'
        if obj.data.is_editmode or obj.mode == "SCULPT":
            return f'"{name}" is being edited'
        if fingerprint(obj.data) != self._target.fingerprint:
            return f'"{name}" was edited in between'
        if obj.data.shape_keys and not obj.data.shape_keys.use_relative:
            return f'"{name}" has absolute shape keys now'
        return ""

    def _take_frame(self, record, arrays) -> None:
        positions = arrays["positions"]
        if not self._subject:
            raise BadResult(f"Frame {record.index + 1} came before its subject")
        if len(positions) != len(self._subject["vertices"]):
            raise BadResult(
                f"Frame {record.index + 1} has {len(positions):,} vertices and its subject "
                f"{len(self._subject['vertices']):,}"
            )
        if not np.isfinite(positions).all():
            raise BadResult(f"Frame {record.index + 1} holds NaN or infinity")
        if self._frames and record.index <= self._frames[-1][0]:
            raise BadResult(f"Frame {record.index + 1} came after frame {self._frames[-1][0] + 1}")
        self._frames.append((record.index, positions))
        self._take_colour(record.index, arrays)
        self._metal_lives |= "metallic" in arrays and (arrays["metallic"] != self._subject.get("metallic", 0)).any()
        # The first frame of an artist's mesh is its rest shape: until a second one is there, nothing is touched.
        if self._owned or len(self._frames) >= 2:
            self._write()

    def _take_colour(self, index: int, arrays) -> None:
        self._lives |= {"albedo", "roughness"} & arrays.keys()
        if self._strip is None and self._lives:
            self._strip = colour.Strip(len(self._subject["vertices"]), max(self._record.frames, index + 1))
        if self._strip is None:
            return
        start = self._start_colour()
        while self._strip.frames < index:  # frames without a colour had the subject's
            self._strip.add(*start)
        self._newest = arrays.get("albedo", start[0]), arrays.get("roughness", start[1])
        self._strip.add(*self._newest)

    def _start_colour(self) -> tuple[np.ndarray, np.ndarray]:
        count = len(self._subject["vertices"])
        albedo = self._subject.get("albedo", np.full((count, 3), GREY, np.uint8))
        return albedo, self._subject.get("roughness", np.full(count, MATT, np.uint8))

    # --- The object

    def _found(self):
        """The object as it is now, or None where it cannot take frames any more."""
        obj = _by_uid(self._uid, self.object_name)
        if obj is None or not _in_use(obj) or obj.type != "MESH":
            return None
        if obj.data.is_editmode or obj.mode == "SCULPT" or len(obj.data.vertices) != len(self._subject["vertices"]):
            return None
        if self._written:
            blocks = obj.data.shape_keys.key_blocks if obj.data.shape_keys else {}
            if keys.name_of(self._frames[self._written - 1][0]) not in blocks:
                return None  # undone
        self.object_name = obj.name
        return obj

    def _object(self):
        """The object to write to; a new one with all that came where the last was lost."""
        obj = self._found()
        if obj is None:
            self._lose(_by_uid(self._uid))
            obj = self._found()
        return obj

    def _lose(self, old) -> None:
        """Go on with a new object; the old one, where there is one, is the artist's again."""
        begun = self._begun and old is not None and old.type == "MESH"
        if begun and keys.withdraw(old, self._key, basis_too=not self._had_keys):
            old.show_only_shape_key = self._was_pinned
            colour.forget(old)
        self._make_object_beside(f'"{self.object_name}" was changed or deleted while frames came in', old)

    def _edited(self, obj) -> bool:
        """Whether the rest shape moved, or one of the keys written so far is gone, or the last of them moved."""
        if not np.array_equal(rest(obj.data), self._rest):
            return True
        if not self._written:
            return False
        there = {key.name for key in obj.data.shape_keys.key_blocks}
        if not there.issuperset(keys.name_of(index) for index, _ in self._frames[: self._written]):
            return True
        index, positions = self._frames[self._written - 1]
        back = self._to_object_space()
        return not keys.holds(obj, index, positions if back is None else back(positions))

    def _make_object(self, name: str, location) -> None:
        try:
            obj = build.new_object(name, self._subject, location)
        except ValueError as error:
            raise BadResult(str(error)) from None
        self._uid, self.object_name = obj.session_uid, obj.name
        self._owned, self._begun, self._written = True, False, 0
        self._rest = self._subject["vertices"]
        self._attributes = None

    def _make_object_beside(self, reason: str, old) -> None:
        """A new object where the old one is, or was."""
        location = self._target.location if self._target else self._location
        if old is not None:
            location = tuple(old.matrix_world.translation)
        name = self._target.object_name if self._target else self._record.name or self.title
        process = self._made_by.get("process", "")
        self._make_object(f"{name} ({process.title()})" if process else name, location)
        self.notes.append(f'{reason}: the result is a new object, "{self.object_name}"')

    def _even_roughness(self) -> float | None:
        """The subject's roughness where it is one number."""
        roughness = self._subject.get("roughness", np.array([MATT]))
        return float(roughness[0]) / 255 if (roughness == roughness[0]).all() else None

    def _metallic(self) -> float:
        return float(self._subject.get("metallic", np.zeros(1)).mean()) / 255

    # --- Writing

    def _write(self) -> None:
        """All frames that came and are not yet keys."""
        obj = self._object()
        if not self._begun:
            self._begin(obj)
        back = self._to_object_space()
        for index, positions in self._frames[self._written :]:
            before = self._frames[self._written - 1][0] if self._written else None
            keys.write(obj, index, positions if back is None else back(positions), instead_of=before)
            self._written += 1

    def _begin(self, obj) -> None:
        if obj.data.users - obj.data.use_fake_user > 1:
            obj.data = obj.data.copy()
            self.notes.append(f'"{obj.name}" shared its mesh with other objects and now has its own')
        if self._owned and ("albedo" in self._subject or self._lives):
            self._dress_new(obj)
        self._say_if_replaced(obj)
        self._had_keys, self._was_pinned = obj.data.shape_keys is not None, obj.show_only_shape_key
        keys.prepare(obj, self._key)
        self._begun = True

    def _say_if_replaced(self, obj) -> None:
        earlier = provenance.read(obj)
        if earlier and keys.ours(obj) and earlier["made_by"] != self._made_by:
            self.notes.append(f'It replaces the earlier {earlier["made_by"].get("process") or "clip"} of "{obj.name}"')

    def _dress_new(self, obj) -> None:
        """The subject's own colour and a material that shows it."""
        self._attributes = colour.write_attributes(obj.data, None, self._subject["corners"], *self._start_colour())
        attributes = obj.data.color_attributes
        attributes.active_color_name = self._attributes[0]
        attributes.render_color_index = attributes.active_color_index
        look = colour.new_material(obj.name, self._attributes, self._even_roughness(), self._metallic())
        obj.data.materials.append(look)

    def _to_object_space(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """World orientation and scale back to the mesh's own axes; None where they are the same."""
        if self._owned:
            return None
        matrix = np.array(self._target.matrix).reshape(3, 3)
        if np.abs(matrix - np.eye(3)).max() < TOLERANCE:
            return None
        back = np.linalg.inv(matrix).astype(np.float32)
        result = np.empty((len(self._subject["vertices"]), 3), np.float32)
        # Not @: BLAS would start its threads for this, and those wait for Blender's.
        return lambda positions: np.einsum("ij,vj->vi", back, positions, out=result)

    # --- Finishing

    def _finished_on(self, uid: int) -> Iterator[None]:
        """Run the steps on one object; False where it was replaced on the way."""
        if self._frames:
            self._write()
        for step in self._steps():
            if self._frames:
                self._write()  # finds that the object was lost, and makes another
            obj = self._found()
            if obj is None or self._uid != uid:
                return not self._frames
            step(obj)
            yield
        return True

    def _steps(self) -> Iterator[Callable]:
        """What is left to do, each a few milliseconds."""
        frames = [float(self._first_frame + index) for index, _ in self._frames]
        surplus = keys.surplus(self._found(), [index for index, _ in self._frames]) if self._frames else []
        for name in surplus:
            yield lambda obj, name=name: keys.remove(obj, [name])
        for number in range(len(self._frames)):
            yield lambda obj, number=number: self._curve(obj, number, frames)
        if self._strip is not None:
            yield self._colour_attributes
            yield lambda obj: colour.dress(obj, self._attributes, self._lives, self._metallic())
            images = []  # their names
            for number in range(self._strip.images):
                yield lambda obj, number=number: images.append(self._image(obj, number))
            yield lambda obj: self._play_colours(obj, images)
        elif self._frames:
            yield colour.forget
        if self._frames:
            yield self._fit_scene
        yield self._sign

    def _curve(self, obj, number: int, frames: list[float]) -> None:
        now = keys.weight_at(frames, number, bpy.context.scene.frame_current_final)
        keys.animate(obj, self._frames[number][0], keys.triangle(frames, number), now)

    def _colour_attributes(self, obj) -> None:
        """The start of life stays in the mesh, and the materials show what the mesh says."""
        earlier = provenance.read(obj)
        if self._attributes is None and earlier and "attributes" in earlier:
            self._attributes = tuple(earlier["attributes"])
        self._attributes = colour.write_attributes(
            obj.data, self._attributes, corner_vertices(obj.data), *self._start_colour()
        )

    def _image(self, obj, number: int) -> str:
        return colour.new_image(f"{obj.name} Albedo {number + 1}", self._strip.file(number)).name

    def _play_colours(self, obj, names: list[str]) -> None:
        images = [bpy.data.images[name] for name in names]
        colour.play(obj, images, self._strip, self._first_frame, self._attributes)
        if self._strip.every > 1:
            self.notes.append(f"Colours are kept every {self._strip.every} frames: all of them would be too large")

    def _fit_scene(self, obj) -> None:
        """Play covers the clip: the range grows to hold it, and fits it where nobody has set anything up."""
        scene = bpy.context.scene
        last = self._first_frame + self._frames[-1][0]
        others = [action for action in bpy.data.actions if action != obj.data.shape_keys.animation_data.action]
        untouched = (scene.frame_start, scene.frame_end) == DEFAULT_RANGE and not others
        if untouched or scene.frame_end < last:
            scene.frame_end = max(last, scene.frame_start + 1)
            self.notes.append(f"The scene now plays frames {scene.frame_start} to {scene.frame_end}")
        fps = scene.render.fps / scene.render.fps_base
        if abs(fps - self._record.fps) > 0.01:
            self.notes.append(
                f"Made for {self._record.fps:g} frames a second, and the scene plays {fps:g}: "
                f"life passes {fps / self._record.fps:.2g} times as fast"
            )

    def _sign(self, obj) -> None:
        facts = {
            "title": self.title,
            "frames": len(self._frames),
            "first_frame": self._first_frame,
            "last_frame": self._first_frame + (self._frames[-1][0] if self._frames else 0),
            "measured": [list(entry) for entry in self._measured],
        }
        if self._attributes is not None:
            facts["attributes"] = self._attributes
        if self._metal_lives:
            self.notes.append("Metallic stays as it is at the start: only albedo and roughness change in Blender")
        provenance.write(obj, self._made_by, facts)
        if self._frames:
            keys.settle(obj)
        self._signed = True
        self._frames_done()

    def _frames_done(self) -> None:
        self._frames = [(index, np.empty((0, 3), np.float32)) for index, _ in self._frames]  # memory goes back


def import_now(title: str, made_by: dict[str, str], target: Target | None, records: Iterable, **where) -> Import:
    """All of it at once: `records` yields (record, arrays) as protocol.unpack gives them."""
    result = Import(title, made_by, target, **where)
    for record, arrays in records:
        result.apply(record, arrays)
    for _ in result.finish():
        pass
    return result


def _by_uid(uid: int, likely_name: str = ""):
    """An object of the open file by its session_uid, whatever it is called now."""
    obj = bpy.data.objects.get(likely_name)
    if obj is not None and obj.session_uid == uid:
        return obj
    return next((obj for obj in bpy.data.objects if obj.session_uid == uid), None)


def _in_use(obj) -> bool:
    """False for what is left of an object that was taken out of every collection."""
    return obj.users > obj.use_fake_user
