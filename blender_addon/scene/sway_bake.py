"""A sway made plain: keyframes in place of drivers, for exporters and engines that know nothing of drivers."""

import bpy
import numpy as np

from . import curves, keys, live, poking, sway
from .sway import Names

OFFSET = "Sway Offset"


def frame_range(obj) -> tuple[int, int] | None:
    """First and last frame of one loop, the last showing what the first does; None where the artist made a timing of
    his own or animates a slider."""
    found, names = sway.loop(obj), sway.of(obj)
    if names is None:
        return _baked_range(obj)
    sliders = {live.path_of(name) for name in (names.amplitude, names.storm)} if names else set()
    if found is None or any(curve.data_path in sliders for curve in curves.there(obj)):
        return None
    first = bpy.context.scene.frame_start
    return first, first + found[1]


def _baked_range(obj) -> tuple[int, int] | None:
    """As frame_range(), of a sway that is plain."""
    names = sway.on(obj)
    found = [curves.find(obj.data.shape_keys, keys.path_of(key)) for key in names.keys] if names else []
    loops = {curve.range()[:] for curve in found if curve and [each.type for each in curve.modifiers] == ["CYCLES"]}
    if len(loops) != 1:
        return None
    ((first, last),) = loops
    return round(first), round(last)


def watch(obj, first: int, last: int) -> np.ndarray:
    """(T, R): the values of the keys of the sway at each frame. The scene is afterwards where it was."""
    names, scene = sway.require_keys(obj), bpy.context.scene
    blocks, frame, part = obj.data.shape_keys.key_blocks, scene.frame_current, scene.frame_subframe
    values = np.empty((last - first + 1, len(blocks)), np.float32)
    for row in range(len(values)):
        scene.frame_set(first + row)
        blocks.foreach_get("value", values[row])
    scene.frame_set(frame, subframe=part)
    return values[:, [blocks.find(key) for key in names.keys]]


def bake(obj) -> None:
    """Keyframes as it is seen now: one loop that repeats for ever, or where a loop would not do, the scene's frames and
    those of kept pokes. Its settings are kept for when it is live again."""
    names, found, scene = sway.of(obj), frame_range(obj), bpy.context.scene
    first, last = found or poking.with_kept(obj, scene.frame_start, scene.frame_end)
    sway.keep_settings(obj)
    write(obj, names, first, watch(obj, first, last))
    for key in names.keys if found else ():
        curve = curves.find(obj.data.shape_keys, keys.path_of(key))
        if len(curve.keyframe_points) > 1:
            curve.modifiers.new("CYCLES")
            curve.update()


def write(obj, names: Names, first: int, values: np.ndarray) -> None:
    """Keyframes of (T, R) values in place of what drove the keys; the sliders go."""
    sway.silence(obj, names)
    frames = list(range(first, first + len(values)))
    for key, played in zip(names.keys, values.T, strict=True):
        points = curves.changes(frames, played)
        curves.write(obj.data.shape_keys, keys.path_of(key), points, f"{obj.name} Sway")
    sway.forget_sliders(obj, names)


def flatten(obj, first: int, values: np.ndarray) -> None:
    """write(), for a file of another program."""
    names = sway.require_keys(obj)
    write(obj, names, first, lift(obj, names, values))


def lift(obj, names: Names, values: np.ndarray) -> np.ndarray:
    """The same motion with values (T, R) from 0 to 1 alone, for engines that know no others.

    A key of peak p at value v becomes one of twice p at (v + p) / 2p; what that adds at rest, one more key takes off.
    """
    peaks = np.abs(values).max(axis=0)
    basis = keys.shape(obj, obj.data.shape_keys.reference_key.name)
    offset = np.zeros_like(basis)
    for key, peak in zip(names.keys, peaks, strict=True):
        added = keys.shape(obj, key) - basis
        keys.write(obj, key, basis + 2 * peak * added, 0.0)
        offset -= peak * added
    keys.write(obj, OFFSET, basis + offset, 1.0)
    return (values + peaks) / np.where(peaks > 0, 2 * peaks, 1.0)
