"""F-curves of any data-block, in old actions and in the layered ones that came with Blender 4.4."""

import bpy
import numpy as np

LINEAR = 1  # of a keyframe's interpolation, as foreach_set takes it
KINDS = {"BOOLEAN", "INT", "FLOAT", "ENUM", "STRING"}  # of what described() tells


def of(block, name: str):
    """The F-curves of a data-block's action. It is made, and called `name`, where there is none; where others play
    it too, or it comes from another file, the block gets its own copy and they keep what they had."""
    data = block.animation_data_create()
    if data.action is None:
        data.action = bpy.data.actions.new(name)
    elif data.action.users - data.action.use_fake_user > 1 or data.action.library:
        data.action = data.action.copy()
    action = data.action
    if not hasattr(action, "slots"):
        return action.fcurves
    if data.action_slot is None:
        suitable = list(data.action_suitable_slots)
        data.action_slot = suitable[0] if suitable else action.slots.new(id_type=block.id_type, name=block.name)
    layer = action.layers[0] if action.layers else action.layers.new("Layer")
    strip = layer.strips[0] if layer.strips else layer.strips.new(type="KEYFRAME")
    return strip.channelbag(data.action_slot, ensure=True).fcurves


def action_of(block):
    """What plays a data-block, or None."""
    data = block.animation_data
    return data and data.action


def there(block) -> list:
    """The F-curves that a data-block has, to be looked at."""
    action = action_of(block)
    if action is None or not hasattr(action, "slots"):
        return list(action.fcurves) if action else []
    slot = block.animation_data.action_slot
    bags = [strip.channelbag(slot) for layer in action.layers for strip in layer.strips] if slot else []
    return [curve for bag in bags if bag for curve in bag.fcurves]


def find(block, path: str):
    """The F-curve of one property, or None."""
    return next((curve for curve in there(block) if curve.data_path == path), None)


def write(block, path: str, points: list[tuple[float, float]], action_name: str) -> None:
    """Linear keyframes (frame, value) of one property, in place of those that it had."""
    curves = of(block, action_name)
    earlier = curves.find(path)
    if earlier is not None:
        curves.remove(earlier)
    curve = curves.new(path)
    curve.keyframe_points.add(len(points))
    curve.keyframe_points.foreach_set("co", np.array(points, np.float32).ravel())
    curve.keyframe_points.foreach_set("interpolation", [LINEAR] * len(points))
    curve.update()


def described(curve) -> dict:
    """All of an F-curve that restore() needs, as JSON can hold it: its keyframes and its modifiers."""
    return {
        "extrapolation": curve.extrapolation,
        "keyframes": [_settings(point) for point in curve.keyframe_points],
        "modifiers": [[each.type, _settings(each)] for each in curve.modifiers],
    }


def restore(block, path: str, told: dict, action_name: str) -> None:
    """The F-curve that was described, in place of the one that the property had."""
    write(block, path, [point["co"] for point in told["keyframes"]], action_name)
    curve = find(block, path)
    curve.extrapolation = told["extrapolation"]
    for point, settings in zip(curve.keyframe_points, told["keyframes"], strict=True):
        _set(point, settings)
    for kind, settings in told["modifiers"]:
        _set(curve.modifiers.new(kind), settings)
    curve.update()


def _settings(struct) -> dict:
    """What can be set of a keyframe or a modifier."""
    wanted = [each for each in struct.bl_rna.properties if each.type in KINDS and not each.is_readonly]
    found = {each.identifier: getattr(struct, each.identifier) for each in wanted}
    plain = bool | int | float | str
    return {name: value if isinstance(value, plain) else list(value) for name, value in found.items()}


def _set(struct, settings: dict) -> None:
    for name, value in settings.items():
        setattr(struct, name, value)


def remove(block, paths: set[str]) -> None:
    """Take the curves of these properties away, and an action that then holds nothing and plays nowhere else."""
    if not any(curve.data_path in paths for curve in there(block)):
        return
    curves = of(block, "")
    for curve in [curve for curve in curves if curve.data_path in paths]:
        curves.remove(curve)
    action = block.animation_data.action
    if not len(curves) and action.users == 1 and not action.use_fake_user:
        bpy.data.actions.remove(action)


def changes(frames: list[int], values: np.ndarray) -> list[tuple[float, float]]:
    """Keyframes of sampled values (T,), without the ones inside a stretch that stays the same."""
    same = np.zeros(len(values), bool)
    same[1:-1] = (values[1:-1] == values[:-2]) & (values[1:-1] == values[2:])
    return [(float(frame), float(value)) for frame, value in zip(np.array(frames)[~same], values[~same], strict=True)]
