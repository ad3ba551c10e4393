"""What a clip needs beside its keys, so that it plays: the scene's range, its colours, and an end to an earlier one."""

import bpy

from . import colour, curves, live, strip
from .strip import Looks

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


def image(obj, looks: Looks, kind: tuple[str, str], number: int) -> str:
    """One image of a strip, in the file. Its name."""
    data = looks.strips[kind].file(number)
    return strip.new_image(f"{obj.name} {kind[0].title()} {number + 1}", data, kind).name


def play_colours(obj, pictures: dict, looks: Looks, attributes: dict[str, str], names: live.Names) -> None:
    """`pictures` are names of images, of each strip."""
    found = {kind: [bpy.data.images[name] for name in images] for kind, images in pictures.items()}
    colour.play(obj, found, looks, attributes)
    drive_colours(obj, names)


def drive_colours(obj, names: live.Names) -> None:
    """The colours follow the same properties as the keys."""
    paths = colour.inputs(obj)
    curves.remove(obj, set(paths))
    for path, of in paths.items():
        live.drive_input(obj, names, path, of)
