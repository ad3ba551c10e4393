"""Poke on an object: one shape key a mode, whose value alone is set, so that Blender sums the shapes.

While a hand plays with it the keys are temporary. What is kept is keyframes of the pull and of the ring-down; one more
poke is added to those that are there, for the shapes are the same and all is linear.
"""

import math
import re

import bpy
import numpy as np
from mathutils import Vector

from . import curves, keys, place, ringing, sway
from .reading import rest
from .ringing import Hand, Modes, Pull, recorded, replayed

PASSING = "Poke Now"  # of names while a hand plays
KEPT = "Poke"
OURS = re.compile(rf"{KEPT} \d+")
REACH = 0.35  # of its size, that a hand may bring a vertex away
FIRM = 4.0  # how closely an empty is followed before that
BEHIND = 0.05  # of REACH: what it stays behind more than that is seen
UNSEEN = 1e-5  # change of a key's value
VALUE = 10.0  # what Blender lets a shape key's value be at most


class CannotPoke(ValueError):
    """The message says what to do."""


def require(obj) -> None:
    """Raises CannotPoke where an object cannot be poked now. Quick, so that a button may ask."""
    if obj is None or obj.type != "MESH":
        raise CannotPoke("Select a mesh that sways")
    if obj.library or obj.data.library:
        raise CannotPoke(f'"{obj.name}" comes from another file: make it local first')
    if obj.mode != "OBJECT":
        raise CannotPoke("Go back to Object Mode before poking")
    if obj.data.shape_keys is None or not sway.has_modes(obj):
        raise CannotPoke(f'"{obj.name}" has no vibration modes: let it sway first')


def require_modes(obj) -> Modes:
    """The modes of an object that can be poked now, or CannotPoke."""
    require(obj)
    modes = sway.modes_on(obj)
    if modes is None:
        raise CannotPoke(f'"{obj.name}" has lost modes of its sway: let it sway anew')
    return modes


class Poke:
    """A hand on an object. It holds no bpy reference between calls."""

    def __init__(self, obj):
        """Raises CannotPoke."""
        modes = require_modes(obj)
        self._uid, self._name = obj.session_uid, obj.name
        self._pinned = obj.show_only_shape_key
        self._active = obj.active_shape_key_index
        self._units = _write(obj, modes, PASSING)
        self._shown = np.zeros(len(self._units))
        obj.show_only_shape_key = False
        self.hand = Hand(modes, REACH * size(obj))
        self._taken_at = bpy.context.scene.frame_current
        self.last: tuple[int, Pull] | None = None  # of the pokes that were let go: the frame where it was taken, and it

    def object(self):
        """The object as it is now, or None where it cannot be poked any more."""
        obj = place.writable(place.by_uid(self._uid, self._name), self.hand.modes.shapes.shape[1])
        there = obj is not None and obj.data.shape_keys and _names(self._units, PASSING)[0] in _blocks(obj)
        return obj if there else None

    def take(self, obj, location) -> None:
        """The vertex nearest to a place in object space, of those that can be seen there now."""
        self._taken_at = bpy.context.scene.frame_current
        self.hand.take(nearest(obj, location))

    def move(self, obj, away) -> None:
        """To a place that is `away` in the world from where it was taken."""
        self.hand.move(np.array(obj.matrix_world.to_3x3().inverted_safe() @ Vector(away)))

    def let_go(self) -> None:
        self.hand.let_go()
        self.last = self._taken_at, self.hand.pull

    def tick(self, obj, seconds: float) -> None:
        """Show the modes so much later; what has rung out costs nothing more."""
        values, blocks = self.hand.tick(seconds) / self._units, _blocks(obj)
        if np.abs(values - self._shown).max() < UNSEEN:
            return
        self._shown = values
        for name, value in zip(_names(values, PASSING), values, strict=True):
            blocks[name].value = value

    def end(self, keep: bool) -> None:
        """All as it was before; with `keep` the last poke is there as keyframes, from the frame where it was taken."""
        obj = self.object()
        if obj is None:
            return
        keys.remove(obj, _names(self._units, PASSING))
        obj.show_only_shape_key, obj.active_shape_key_index = self._pinned, self._active
        if keep and self.last is not None:
            frame, pull = self.last
            keep_frames(obj, self.hand.modes, frame, replayed(self.hand.modes, pull, frame_rate()))


def by_empty(obj, empty, holds: bool) -> float:
    """Keyframes of what the recorded motion of an empty does to an object, until it has rung out.

    It takes the vertex nearest to its first place and goes until its last keyframe, where it lets go. One that does
    not hold pushes: the modes have the force that would bring them along, and their own inertia. One that holds takes
    the vertex along by as much as itself, whatever the wind and earlier pokes do to it meanwhile. Returns how far the
    vertex stays behind at most, as a share of REACH: the modes are linear, and some ways they hardly give. Raises
    CannotPoke.
    """
    modes = require_modes(obj)
    played = [curve.range() for curve in curves.there(empty)]
    if not played:
        raise CannotPoke(f'"{empty.name}" has no keyframes: move it over time, and select it beside the mesh')
    first, last = int(np.floor(min(start for start, _ in played))), int(np.ceil(max(end for _, end in played)))
    path, seen, vertex = _path(obj, empty, range(first, last + 1))
    limit = REACH * size(obj)
    away = path - path[0]
    if holds:
        away -= seen - seen[0]
        grip = ringing.firm_grip(modes, vertex)
        pulls = np.array([ringing.within(modes, grip @ each, limit, firm=FIRM) for each in away])
    else:
        grip = ringing.grip(modes, vertex)
        pulls = np.array([ringing.within(modes, grip @ each, limit) for each in away])
    keep_frames(obj, modes, first, recorded(modes, pulls, frame_rate(), holds))
    if not holds:
        return 0.0
    return float(np.linalg.norm(away - pulls @ modes.shapes[:, vertex], axis=1).max()) / limit


def _path(obj, empty, frames) -> tuple[np.ndarray, np.ndarray, int]:
    """In object space, (T, 3) each: where the empty is, where the vertex is seen that is nearest to it at first; and
    which that is."""
    scene, path, seen, vertex = bpy.context.scene, [], [], 0
    frame, part = scene.frame_current, scene.frame_subframe
    for each in frames:
        scene.frame_set(each)
        path.append(obj.matrix_world.inverted_safe() @ empty.matrix_world.translation)
        if len(path) == 1:
            vertex = nearest(obj, path[0])
        shown = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.vertices
        here = shown if len(shown) == len(obj.data.vertices) else obj.data.vertices  # modifiers may make others
        seen.append(here[vertex].co.copy())
    scene.frame_set(frame, subframe=part)
    return np.array(path), np.array(seen), vertex


def keep_frames(obj, modes: Modes, first: int, amplitudes: np.ndarray) -> None:
    """Keyframes of (T, M) modal amplitudes from a frame on, beside those that are there."""
    values = amplitudes / _write(obj, modes, KEPT)
    last = first + len(values) - 1
    for name, played in zip(_names(modes.frequencies, KEPT), values.T, strict=True):
        path = keys.path_of(name)
        earlier = curves.find(obj.data.shape_keys, path)
        start, end = earlier.range() if earlier else (first - 1, last + 1)
        frames = list(range(int(min(start, first - 1)), int(max(end, last + 1)) + 1))
        summed = np.array([earlier.evaluate(frame) for frame in frames]) if earlier else np.zeros(len(frames))
        summed[frames.index(first) :][: len(played)] += played
        curves.write(obj.data.shape_keys, path, curves.changes(frames, summed), f"{obj.name} Poke")


def kept(obj) -> list[str]:
    """The keys that hold what was kept."""
    if obj is None or obj.type != "MESH" or obj.data.shape_keys is None:
        return []
    return [key.name for key in _blocks(obj) if OURS.fullmatch(key.name)]


def frame_range(obj) -> tuple[int, int] | None:
    """First and last frame at which what was kept moves an object; None where nothing was."""
    found = [curves.find(obj.data.shape_keys, keys.path_of(name)) for name in kept(obj)]
    played = [curve for curve in found if curve is not None and len(curve.keyframe_points)]
    if not played:
        return None
    first = math.floor(min(curve.range()[0] for curve in played))
    still = all(curve.evaluate(first) == 0.0 for curve in played)  # as keep_frames() begins
    return first + still, math.ceil(max(curve.range()[1] for curve in played))


def with_kept(obj, first: int, last: int) -> tuple[int, int]:
    """These frames, and those of what was kept."""
    found = frame_range(obj) or (first, last)
    return min(first, found[0]), max(last, found[1])


def forget(obj) -> None:
    """Take what was kept away."""
    names = kept(obj)
    curves.remove(obj.data.shape_keys, {keys.path_of(name) for name in names})
    keys.remove(obj, names)


def hit(obj, origin, direction):
    """Where a ray in the world meets an object as it is seen now, in object space; None where it does not."""
    back = obj.matrix_world.inverted_safe()
    seen = obj.evaluated_get(bpy.context.evaluated_depsgraph_get())
    found, location, _, _ = seen.ray_cast(back @ origin, back.to_3x3() @ direction)
    return location if found else None


def nearest(obj, location) -> int:
    """The vertex that is seen nearest to a place in object space."""
    seen = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    positions = rest(obj.data)
    if len(seen.vertices) == len(positions):  # modifiers may make others
        seen.attributes["position"].data.foreach_get("vector", positions.ravel())
    return int(((positions - np.array(location, np.float32)) ** 2).sum(axis=1).argmin())


def size(obj) -> float:
    """The diagonal of its rest shape."""
    positions = rest(obj.data)
    return float(np.linalg.norm(np.ptp(positions, axis=0))) if len(positions) else 0.0


def frame_rate() -> float:
    render = bpy.context.scene.render
    return render.fps / render.fps_base


def _write(obj, modes: Modes, word: str) -> np.ndarray:
    """(M,): what amplitude of each mode the value 1 of its key is, that which brings a vertex as far as a hand may."""
    at_rest = rest(obj.data)
    farthest = np.sqrt((modes.shapes.astype(float) ** 2).sum(axis=2).max(axis=1))
    units = REACH * size(obj) / np.where(farthest > 0, farthest, 1.0)
    for name, shape, unit in zip(_names(units, word), modes.shapes, units, strict=True):
        keys.write(obj, name, at_rest + np.float32(unit) * shape, 0.0)
        _blocks(obj)[name].slider_max, _blocks(obj)[name].slider_min = VALUE, -VALUE
    return units


def _names(modes, word: str) -> list[str]:
    return [f"{word} {number + 1}" for number in range(len(modes))]


def _blocks(obj):
    return obj.data.shape_keys.key_blocks
