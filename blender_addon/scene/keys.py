"""A clip as relative shape keys, one a frame, and the triangle weights that play them.

At a frame one key is on; between two frames the two neighbours' weights add up to 1, so that Blender's relative
keys are exactly the linear blend of the two frames, in every exporter too. The first and the last key hold 1 at
their own frame and beyond: the Basis never shines through.
"""

import re

import bpy
import numpy as np

OURS = re.compile(r"Anthesis \d{3,4}")
ARRIVING = "anthesis_arriving"  # property of a Key while frames come in: an undo takes it away with the frames
LINEAR = 1  # of a keyframe's interpolation, as foreach_set takes it


def name_of(index: int) -> str:
    """The shape key of frame `index`, counted from 1 as artists do."""
    return f"Anthesis {index + 1:03d}"


def index_of(name: str) -> int:
    """The frame of one of our keys."""
    return int(name.rsplit(" ", 1)[1]) - 1


def ours(obj) -> list[int]:
    """The frames of our keys that are on the object, in their order there."""
    blocks = obj.data.shape_keys.key_blocks if obj.data.shape_keys else ()
    return [index_of(key.name) for key in blocks if OURS.fullmatch(key.name)]


def prepare(obj, owner: str) -> None:
    """Ready to take frames of `owner`: a Basis is there, the keys of an earlier clip are silent, the artist's
    untouched."""
    if obj.data.shape_keys is None:
        obj.shape_key_add(name="Basis", from_mix=False)
    shape_keys = obj.data.shape_keys
    shape_keys[ARRIVING] = owner
    silence(shape_keys)
    for key in shape_keys.key_blocks:
        if OURS.fullmatch(key.name):
            key.value = 0.0
    obj.show_only_shape_key = False  # a pinned key would hide the animation
    obj.active_shape_key_index = 0  # Edit Mode then edits the Basis


def write(obj, index: int, positions: np.ndarray, instead_of: int | None) -> None:
    """Write and show the key of one frame, (V, 3) float32 in object space, in place of the one shown before it.

    It overwrites the key of an earlier clip.
    """
    blocks = obj.data.shape_keys.key_blocks
    key = blocks.get(name_of(index)) or obj.shape_key_add(name=name_of(index), from_mix=False)
    key.points.foreach_set("co", np.ascontiguousarray(positions, np.float32).ravel())
    if instead_of is not None:
        blocks[name_of(instead_of)].value = 0.0
    key.value = 1.0


def settle(obj) -> None:
    """All frames are there, and nobody will withdraw them."""
    obj.data.shape_keys.pop(ARRIVING, None)


def withdraw(obj, owner: str, basis_too: bool) -> bool:
    """Take a half written clip off an object that the artist changed meanwhile; False where an undo did already."""
    mesh, shape_keys = obj.data, obj.data.shape_keys
    if shape_keys is None or shape_keys.get(ARRIVING) != owner:
        return False
    silence(shape_keys)
    names = [key.name for key in shape_keys.key_blocks if OURS.fullmatch(key.name)]
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


def holds(obj, index: int, positions: np.ndarray) -> bool:
    """Whether the key of a frame is still as write() left it."""
    found = np.empty((len(positions), 3), np.float32)
    obj.data.shape_keys.key_blocks[name_of(index)].points.foreach_get("co", found.ravel())
    return np.array_equal(found, positions)


def surplus(obj, indices: list[int]) -> list[str]:
    """Keys that an earlier, longer clip left behind."""
    if obj.data.shape_keys is None:
        return []
    wanted = {name_of(index) for index in indices}
    return [key.name for key in obj.data.shape_keys.key_blocks if OURS.fullmatch(key.name) and key.name not in wanted]


def remove(obj, names: list[str]) -> None:
    """Take keys off the object, and their curves with them."""
    shape_keys = obj.data.shape_keys
    silence(shape_keys, set(names))
    for name in names:
        obj.shape_key_remove(shape_keys.key_blocks[name])
    if obj.data.shape_keys and len(obj.data.shape_keys.key_blocks) == 1:
        obj.shape_key_remove(obj.data.shape_keys.key_blocks[0])


def triangle(frames: list[float], number: int) -> list[tuple[float, float]]:
    """Keyframes (frame, weight) of entry `number`: 1 at its own frame, 0 at its neighbours."""
    near = range(max(number - 1, 0), min(number + 2, len(frames)))
    return [(frames[i], 1.0 if i == number else 0.0) for i in near]


def weight_at(frames: list[float], number: int, frame: float) -> float:
    """What the curve of entry `number` gives at a scene frame."""
    points = triangle(frames, number)
    return float(np.interp(frame, [x for x, _ in points], [y for _, y in points]))


def curves(shape_keys):
    """The F-curves of a Key data-block; makes an action, and since Blender 4.4 its slot, where there is none."""
    data = shape_keys.animation_data_create()
    if data.action is None:
        data.action = bpy.data.actions.new(f"{shape_keys.user.name} Life")
    elif data.action.users - data.action.use_fake_user > 1 or data.action.library:
        data.action = data.action.copy()  # the others that play it keep what they had
    action = data.action
    if not hasattr(action, "slots"):
        return action.fcurves
    if data.action_slot is None:
        suitable = list(data.action_suitable_slots)
        data.action_slot = suitable[0] if suitable else action.slots.new(id_type="KEY", name=shape_keys.name)
    layer = action.layers[0] if action.layers else action.layers.new("Layer")
    strip = layer.strips[0] if layer.strips else layer.strips.new(type="KEYFRAME")
    return strip.channelbag(data.action_slot, ensure=True).fcurves


def animate(obj, index: int, points: list[tuple[float, float]], value_now: float) -> None:
    """The F-curve of one key, and its value at the current frame, so that the viewport agrees at once."""
    key = obj.data.shape_keys.key_blocks[name_of(index)]
    curve = curves(obj.data.shape_keys).new(f'key_blocks["{key.name}"].value')
    curve.keyframe_points.add(len(points))
    curve.keyframe_points.foreach_set("co", np.array(points, np.float32).ravel())
    curve.keyframe_points.foreach_set("interpolation", [LINEAR] * len(points))
    curve.update()
    key.value = value_now


def animate_all(obj, indices: list[int], first_frame: int) -> None:
    """All curves at once, of the keys of these frames."""
    frames = [float(first_frame + index) for index in indices]
    for number, index in enumerate(indices):
        animate(obj, index, triangle(frames, number), weight_at(frames, number, bpy.context.scene.frame_current_final))


def silence(shape_keys, names: set[str] | None = None) -> None:
    """Take the curves off our keys, or only off the named ones."""
    if shape_keys.animation_data is None or shape_keys.animation_data.action is None:
        return
    mine = curves(shape_keys)
    for curve in list(mine):
        match = re.fullmatch(r'key_blocks\["(.*)"\]\.value', curve.data_path)
        if match and OURS.fullmatch(match[1]) and (names is None or match[1] in names):
            mine.remove(curve)
