"""A clip as relative shape keys: one a frame, or where several processes meet, one a frame and process.

What plays them is a hat over life (see hat()): at a frame one key is on; between two frames the two neighbours'
weights add up to 1, so that Blender's relative keys are exactly the linear blend of the two frames. Of several
processes, key k of process p holds what p adds at frame k, so that the sum of them all is the frame, and each can be
weighed by itself.
"""

import re

import bpy
import numpy as np

from ..seam import protocol
from . import curves

_WORDS = "|".join(name.title() for name in protocol.PROCESSES)
OURS = re.compile(rf"Anthesis (?:Preview )?\d{{3,4}}(?: (?:{_WORDS}|Process)(?: \d)?)?")
OF_MOTION = re.compile(r"Sway (?:Lean|[\d.e+-]+ Hz (?:cos|sin))|Poke(?: Now)? \d+")  # in a wind, or by a hand
FINAL = re.compile(r"Anthesis \d{3,4}")  # of one process, or baked: the only kind that can be thinned
VALUE = re.compile(r'key_blocks\["(.*)"\]\.value')
ARRIVING = "anthesis_arriving"  # property of a Key, never of an object (see marks.py): who writes its frames. An undo
# takes it away with them
HIGHEST = 4.0  # value that a slider may reach: an amount and a weight of 1.5 each are 2.25


def name_of(index: int, label: str = "", preview: bool = False) -> str:
    """The shape key of frame `index`, counted from 1 as artists do; `label` says which of several processes."""
    return " ".join(["Anthesis", *["Preview"] * preview, f"{index + 1:03d}", *[label] * bool(label)])


def index_of(name: str) -> int:
    """The frame of one of our keys."""
    return int(re.search(r"\d{3,4}", name)[0]) - 1


def label_of(name: str) -> str:
    """The process that one of our keys is of; "" where there is but one."""
    return name.split(" ", 3 if "Preview" in name else 2)[-1] if not name[-3:].isdigit() else ""


def ours(obj) -> list[str]:
    """Our keys that are on the object, in their order there."""
    blocks = obj.data.shape_keys.key_blocks if obj.data.shape_keys else ()
    return [key.name for key in blocks if OURS.fullmatch(key.name)]


def path_of(name: str) -> str:
    """Where the value of a key lies, in its Key data-block."""
    return f'key_blocks["{bpy.utils.escape_identifier(name)}"].value'


def prepare(obj, owner: str) -> None:
    """Ready to take frames of `owner`: a Basis is there, the keys of an earlier clip are silent, the artist's
    untouched."""
    if obj.data.shape_keys is None:
        obj.shape_key_add(name="Basis", from_mix=False)
    shape_keys = obj.data.shape_keys
    shape_keys[ARRIVING] = owner
    silence(shape_keys)
    for name in ours(obj):
        shape_keys.key_blocks[name].value = 0.0
    obj.show_only_shape_key = False  # a pinned key would hide the animation
    obj.active_shape_key_index = 0  # Edit Mode then edits the Basis


def write(obj, name: str, positions: np.ndarray, value: float) -> None:
    """One key, (V, 3) float32 in object space. It overwrites the key of an earlier clip."""
    key = obj.data.shape_keys.key_blocks.get(name) or obj.shape_key_add(name=name, from_mix=False)
    key.points.foreach_set("co", np.ascontiguousarray(positions, np.float32).ravel())
    key.slider_min, key.slider_max = 0.0, HIGHEST
    key.value = value


def settle(obj) -> None:
    """All frames are there, and nobody will withdraw them."""
    obj.data.shape_keys.pop(ARRIVING, None)


def settle_all() -> None:
    """Of a file that was opened: whoever wrote frames in it writes no more."""
    for shape_keys in bpy.data.shape_keys:
        if shape_keys.library is None:
            shape_keys.pop(ARRIVING, None)


def withdraw(obj, owner: str, basis_too: bool) -> bool:
    """Take a half written clip off an object that the artist changed meanwhile; False where an undo did already."""
    mesh, shape_keys = obj.data, obj.data.shape_keys
    if shape_keys is None or shape_keys.get(ARRIVING) != owner:
        return False
    silence(shape_keys)
    names = ours(obj)
    for name in names:
        shape_keys.key_blocks[name].value = 0.0
    if mesh.is_editmode:  # no key can be removed there; switched off they change nothing
        return True
    for name in names:
        obj.shape_key_remove(shape_keys.key_blocks[name])
    settle(obj)
    if basis_too and len(shape_keys.key_blocks) == 1:
        positions = np.empty(3 * len(mesh.vertices), np.float32)
        shape_keys.reference_key.points.foreach_get("co", positions)
        obj.shape_key_remove(shape_keys.key_blocks[0])
        mesh.attributes["position"].data.foreach_set("vector", positions)
        mesh.update()
    return True


def holds(obj, name: str, positions: np.ndarray) -> bool:
    """Whether a key is still as write() left it."""
    return np.array_equal(shape(obj, name), positions)


def shape(obj, name: str) -> np.ndarray:
    """(V, 3) float32: where a key has the vertices."""
    found = np.empty((len(obj.data.vertices), 3), np.float32)
    obj.data.shape_keys.key_blocks[name].points.foreach_get("co", found.ravel())
    return found


def remove(obj, names: list[str]) -> None:
    """Take keys off the object, and what plays them with them."""
    shape_keys = obj.data.shape_keys
    silence(shape_keys, set(names))
    for name in names:
        obj.shape_key_remove(shape_keys.key_blocks[name])
    if obj.data.shape_keys and len(obj.data.shape_keys.key_blocks) == 1:
        obj.shape_key_remove(obj.data.shape_keys.key_blocks[0])


def silence(shape_keys, names: set[str] | None = None) -> None:
    """Take curves and drivers off our keys, or only off the named ones."""
    data = shape_keys.animation_data
    if data is None:
        return
    curves.remove(shape_keys, {curve.data_path for curve in curves.there(shape_keys) if is_ours(curve, names)})
    for driver in [driver for driver in data.drivers if is_ours(driver, names)]:
        data.drivers.remove(driver)


def is_ours(curve, names: set[str] | None = None) -> bool:
    """Whether a curve or a driver plays one of our keys, or one of the named ones."""
    match = VALUE.fullmatch(curve.data_path)
    return bool(match and OURS.fullmatch(match[1]) and (names is None or match[1] in names))


def hat(indices: list[int], number: int, last: int) -> str:
    """The weight of entry `number` of `indices` over `life` in [0, 1], in words that Blender reads without Python:
    1 at its own frame and 0 at its neighbours', life * last being the frame. The ends hold."""
    own, slopes = indices[number], []
    if number > 0:
        slopes.append(_slope(f"life * {last} - {indices[number - 1]}", own - indices[number - 1]))
    if number + 1 < len(indices):
        slopes.append(_slope(f"{indices[number + 1]} - life * {last}", indices[number + 1] - own))
    if not slopes:
        return "1"
    return f"max(0, min({', '.join(slopes if len(slopes) == 2 else ['1', *slopes])}))"


def _slope(rise: str, width: int) -> str:
    return rise if width == 1 else f"({rise}) / {width}"


def hats(last: int, kept: list[int]) -> np.ndarray:
    """(last + 1, len(kept)): what weight each kept frame has where frame 0, 1, ..., last is shown."""
    frames = np.arange(last + 1)
    return np.stack([np.interp(frames, kept, row) for row in np.eye(len(kept))], axis=1)
