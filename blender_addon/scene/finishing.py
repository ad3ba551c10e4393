"""What a clip needs beside its keys, so that it plays: the scene's range, its colours, and an end to an earlier one."""

from collections.abc import Callable, Iterator
from functools import partial

import bpy
import numpy as np

from . import colour, curves, live, material, provenance, strip
from .strip import Looks
from .surface import corner_vertices

DEFAULT_RANGE = (1, 250)  # frames of a scene that nobody has set up


def still(obj) -> None:
    """Take what drives or plays an earlier clip off an object; its keys are another matter."""
    names = live.of(obj)
    inputs = set(colour.inputs(obj))
    if names is not None:
        live.forget(obj, names)
    curves.remove(obj, inputs)


def fit_scene(obj, names: live.Names, last: int, fps: float) -> list[str]:
    """Play covers the clip: the range grows to hold it, and fits it where nobody has set anything up. What the
    artist should know of it, in sentences."""
    scene, notes = bpy.context.scene, []
    alone = len(bpy.data.actions) == 1 and live.plays_alone(obj, names)
    untouched = (scene.frame_start, scene.frame_end) == DEFAULT_RANGE and alone
    if untouched or scene.frame_end < last:
        scene.frame_end = max(last, scene.frame_start + 1)
        notes.append(f"The scene now plays frames {scene.frame_start} to {scene.frame_end}")
    plays = scene.render.fps / scene.render.fps_base
    if abs(plays - fps) > 0.01:
        notes.append(
            f"Made for {fps:g} frames a second, and the scene plays {plays:g}: "
            f"life passes {plays / fps:.2g} times as fast"
        )
    return notes


def dress_new(obj, corners: np.ndarray, looks: Looks) -> dict[str, str]:
    """A new mesh gets its subject's own colour and, where it has no material, one that shows it. The names of its
    attributes."""
    attributes = material.write_attributes(obj.data, {}, corners, looks.start, {"albedo", "roughness"})
    layers = obj.data.color_attributes
    layers.active_color_name = attributes["albedo"]
    layers.render_color_index = layers.active_color_index
    if not any(slot.material for slot in obj.material_slots):
        obj.data.materials.append(material.new_material(obj.name, attributes, looks.start, looks.lives))
    return attributes


def steps_to_look(looks: Looks, attributes: dict[str, str]) -> Iterator[Callable]:
    """What makes an object look as its clip says, a few milliseconds each: functions of the object. `attributes` are
    the names of ours that are in the mesh, and get what is added: the start of life, which the materials show."""
    pictures = {kind: [] for kind in looks.strips}  # names of images

    def write(obj, channel: str) -> None:
        earlier = (provenance.read(obj) or {}).get("attributes")
        ours = attributes or (earlier if isinstance(earlier, dict) else {})
        corners = corner_vertices(obj.data)
        attributes.update(material.write_attributes(obj.data, ours, corners, looks.start, {channel}))

    def draw(obj, kind: tuple[str, ...], number: int) -> None:
        name = f"{obj.name} {kind[0].title()} {number + 1}"
        pictures[kind].append(strip.new_image(name, looks.strips[kind].file(number), kind).name)

    for channel in [name for name in strip.DEFAULTS if name in {"albedo", "roughness"} | looks.lives]:
        yield partial(write, channel=channel)
    yield lambda obj: material.dress(obj, attributes, looks.start, looks.lives)
    for kind in looks.strips:
        for number in range(looks.strips[kind].images):
            yield partial(draw, kind=kind, number=number)
    yield from colour.steps_to_play(pictures, looks, attributes)


def drive_colours(obj, names: live.Names) -> None:
    """The colours follow the same properties as the keys."""
    paths = colour.inputs(obj)
    curves.remove(obj, set(paths))
    for path, of in paths.items():
        live.drive_input(obj, names, path, of)
