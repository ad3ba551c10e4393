"""From live to plain: drivers become keyframes, for engines and exporters that know nothing of drivers.

What is written is what was seen: the values of the shape keys are read off at each frame of the scene, whatever
animated them. Of several processes the rows of keys are summed into one, at the weights that they have.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import numpy as np

from . import colour, curves, keys, live, provenance


@dataclass(frozen=True)
class Seen:
    """What was played: at each scene frame, the value of each key and input."""

    frames: list[int]
    keys: dict[str, np.ndarray]  # by name: (T,)
    inputs: dict[str, np.ndarray]  # of the colours, by path on the object: (T,)
    weights: np.ndarray | None  # (P,) of several processes; None of one, and of weights that change over time


def frame_range(obj) -> tuple[int, int]:
    """First and last scene frame of a clip: of what drives it, or of its curves once it is plain; the scene's own
    where neither says."""
    scene, facts, names = bpy.context.scene, provenance.read(obj), live.of(obj)
    if names is not None:
        return live.frame_range(obj, names) or (scene.frame_start, scene.frame_end)
    if facts and facts.get("frames"):
        return facts["first_frame"], facts["last_frame"]
    return scene.frame_start, scene.frame_end


def watch(obj, first: int, last: int) -> Seen:
    """Play an object's life through once and write down what drives it. The scene is afterwards where it was."""
    names = live.of(obj)
    weighed = names.weights if names else ()
    frames = list(range(first, last + 1))
    blocks = obj.data.shape_keys.key_blocks
    ours = {*keys.ours(obj), *(live.driven(obj, names) if names else ())}  # also those that the artist renamed
    places = {key.name: number for number, key in enumerate(blocks) if key.name in ours}
    values = np.empty((len(frames), len(blocks)), np.float32)
    inputs = {path: np.empty(len(frames)) for path in (colour.inputs(obj) if names else ())}
    weights = np.empty((len(frames), len(weighed)))
    with _scene_as_it_was():
        for row, frame in enumerate(frames):
            bpy.context.scene.frame_set(frame)
            blocks.foreach_get("value", values[row])
            weights[row] = [obj[name] for name in weighed]
            for path in inputs:
                inputs[path][row] = obj.path_resolve(path)
    rows = {keys.label_of(name) for name in places} if all(map(keys.OURS.fullmatch, places)) else ()
    steady = len(weighed) == len(rows) > 1 and (weights == weights[0]).all()
    played = {name: values[:, number] for name, number in places.items()}
    return Seen(frames, played, inputs, weights[0] if steady else None)


@contextmanager
def _scene_as_it_was() -> Iterator[None]:
    scene = bpy.context.scene
    frame, part = scene.frame_current, scene.frame_subframe
    try:
        yield
    finally:
        scene.frame_set(frame, subframe=part)


def bake(obj, seen: Seen, step: int = 1) -> None:
    """Make plain what was seen. With a `step` only every nth key is kept, and the last; the others' weights go to
    their neighbours, which is what a player does between two keys. What weights over time left as several rows of
    keys keeps them all."""
    names, facts = live.of(obj), provenance.read(obj)
    values = seen.keys
    if seen.weights is not None:
        values = _sum_rows(obj, values, seen.weights)
    if step > 1 and can_thin(values):
        values = _thin(obj, values, step)
        facts["frames"] = len(values)
    if names is not None:
        live.forget(obj, names)
    shape_keys = obj.data.shape_keys
    for name, played in values.items():
        shape_keys.driver_remove(keys.path_of(name))
        curves.write(shape_keys, keys.path_of(name), curves.changes(seen.frames, played), f"{obj.name} Life")
    for path, played in seen.inputs.items():
        curves.write(obj, path, curves.changes(seen.frames, played), f"{obj.name} Life")
    facts |= {"live": None, "first_frame": seen.frames[0], "last_frame": seen.frames[-1]}
    provenance.write(obj, facts.pop("made_by"), facts)


def can_thin(names) -> bool:
    """Whether keys are those of one process, each under the name that it was given."""
    return bool(names) and all(keys.FINAL.fullmatch(name) for name in names)


def _sum_rows(obj, values: dict, weights: np.ndarray) -> dict[str, np.ndarray]:
    """One key a frame: the Basis and what each process adds to it, by its weight. Their values, without weights."""
    basis, summed = keys.shape(obj, obj.data.shape_keys.reference_key.name), {}
    for index in sorted({keys.index_of(name) for name in values}):
        row = [name for name in values if keys.index_of(name) == index]
        added = sum(weight * (keys.shape(obj, name) - basis) for name, weight in zip(row, weights, strict=True))
        strongest = int(weights.argmax())
        keys.write(obj, keys.name_of(index), basis + added, 0.0)
        summed[keys.name_of(index)] = values[row[strongest]] / np.float32(weights[strongest] or 1.0)
    keys.remove(obj, list(values))
    return summed


def _thin(obj, values: dict, step: int) -> dict[str, np.ndarray]:
    names = list(values)
    indices = [keys.index_of(name) for name in names]
    kept = sorted({*range(0, len(names), step), len(names) - 1})
    # A key that goes is the blend of its kept neighbours, in time.
    share = keys.hats(indices[-1], [indices[number] for number in kept])[indices]
    played = np.stack([values[name] for name in names], axis=1) @ share
    keys.remove(obj, [name for number, name in enumerate(names) if number not in kept])
    return {names[number]: played[:, column] for column, number in enumerate(kept)}
