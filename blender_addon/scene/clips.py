"""A finished clip: what the panel and the exporters ask about it, and its ways between live and plain."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import bpy

from ..seam import protocol
from . import bake as baking
from . import colour, curves, finishing, keys, live, poking, provenance, sway, sway_bake

MODIFIERS = (colour.MODIFIER,)


def frame_range(obj) -> tuple[int, int]:
    """First and last scene frame of all that plays on an object: its clip, or the scene's own frames where it has none,
    and the kept pokes. Of what sways alone it is whole loops, the last frame showing what the first does."""
    loop = _loop(obj)
    first, last = poking.with_kept(obj, *(loop or baking.frame_range(obj)))
    return first, _come_round(first, last, loop) if loop else last


def scene_end(obj) -> int:
    """The End of the scene with which all of it is played, and comes round where it sways alone."""
    loop = _loop(obj)
    _, last = poking.with_kept(obj, *(loop or baking.frame_range(obj)))
    return _come_round(bpy.context.scene.frame_start, last, loop) - 1 if loop else last


def end_that_comes_round(obj) -> int | None:
    """The End of the scene with which what sways alone comes round; None where it does already, or has no loop."""
    loop, scene = _loop(obj), bpy.context.scene
    if loop is None:
        return None
    length, shown = loop[1] - loop[0], scene.frame_end - scene.frame_start + 1
    if shown % length == 0:
        return None
    return scene_end(obj) if poking.kept(obj) else scene.frame_start + length * max(1, round(shown / length)) - 1


def _loop(obj) -> tuple[int, int] | None:
    """Of what sways alone."""
    return None if frames(obj) else sway_bake.frame_range(obj)


def _come_round(first: int, last: int, loop: tuple[int, int]) -> int:
    """The frame, from `last` on, that shows what `first` does."""
    length = loop[1] - loop[0]
    return first + length * math.ceil((last - first) / length)


def lives(obj) -> set[str]:
    """What of the material changes over life: of "albedo", "roughness", "metallic", "opacity" and "emission"."""
    facts = provenance.read(obj)
    return set(facts.get("lives", ())) if facts and colour.MODIFIER in obj.modifiers else set()


def can_thin(obj) -> bool:
    """Whether every key of the clip is still there under the name that it was given."""
    facts = provenance.read(obj)
    if not facts or not facts.get("frames"):
        return False
    if (names := live.of(obj)) is not None:
        return facts["frames"] * max(1, len(names.weights)) == len(keys.ours(obj))
    return facts["frames"] == len(keys.ours(obj)) and baking.can_thin(keys.ours(obj))


@contextmanager
def plain(obj, step: int) -> Iterator:
    """A passing copy under the same name, with keyframes in place of drivers, and every nth key and the last where
    it can be thinned; the object itself where it is plain and whole already."""
    step, (first, last) = step if can_thin(obj) else 1, frame_range(obj)
    if live.of(obj) is None and step == 1 and sway.on(obj) is None:
        yield obj
        return
    seen = baking.watch(obj, first, last) if frames(obj) else None
    swung = sway_bake.watch(obj, first, last) if sway.on(obj) else None
    name, own = obj.name, {curves.action_of(obj), curves.action_of(obj.data.shape_keys)}
    copy = obj.copy()
    copy.data = obj.data.copy()
    try:
        for collection in obj.users_collection:
            collection.objects.link(copy)
        obj.name = f"{name} (Whole)"
        copy.name = name
        if seen is not None:
            baking.bake(copy, seen, step)
        if swung is not None:
            sway_bake.flatten(copy, first, swung)
        yield copy
    finally:
        mesh, actions = copy.data, {curves.action_of(copy), curves.action_of(copy.data.shape_keys)}
        bpy.data.objects.remove(copy)
        bpy.data.meshes.remove(mesh)
        for action in actions - own - {None}:
            bpy.data.actions.remove(action)
        obj.name = name


def frames(obj) -> int:
    """How many the clip on an object has; 0 where there is none."""
    facts = provenance.read(obj)
    return facts.get("frames", 0) if facts and obj.type == "MESH" and obj.data.shape_keys else 0


def plays(obj) -> bool:
    """Whether an object lives, sways, or rings from a kept poke."""
    return frames(obj) > 0 or sway.on(obj) is not None or bool(poking.kept(obj))


def is_live(obj) -> bool:
    return live.of(obj) is not None


def leads(obj) -> bool:
    """Whether what is live follows this object's own properties, not those of the one that it was copied from."""
    return live.leads(obj)


def properties(obj) -> list[tuple[str, str]]:
    """What is live, as (name, path) of custom properties, Life and Amount first."""
    names = live.of(obj)
    return [(name, live.path_of(name)) for name in (names.life, names.amount, *names.weights)] if names else []


def certificate(obj) -> str:
    """What was measured about the clip, in one line; "" where nothing was."""
    facts = provenance.read(obj) or {}
    if facts.get("summary"):
        return facts["summary"]
    found = {name: value for name, value, _ in facts.get("measured", ())}
    moved = found.get(protocol.Certificate.DISPLACEMENT)
    return "" if moved is None else f"Moves up to {moved:.0%} of its size"


def bake(obj) -> None:
    """Make a live clip plain, as it is seen now."""
    baking.bake(obj, baking.watch(obj, *baking.frame_range(obj)))


def enliven(obj) -> None:
    """Let the keys follow this object's own properties: after a bake, or in a copy that follows another object.

    Raises ValueError where its keys are no longer all there.
    """
    if obj.data.users - obj.data.use_fake_user > 1:
        obj.data = obj.data.copy()  # the others go on as they are
    facts, names = provenance.read(obj), live.of(obj)
    found = keys.ours(obj)
    labels = list(dict.fromkeys(keys.label_of(name) for name in found))
    indices = sorted({keys.index_of(name) for name in found})
    wanted = {keys.name_of(index, label) for index in indices for label in labels}
    if not found or wanted != set(found) or (names and len(labels) != max(1, len(names.weights))):
        raise ValueError(f'"{obj.name}" has not just the shape keys that Anthesis gave it, so they cannot be driven')
    keys.silence(obj.data.shape_keys)
    if names is None:
        names = live.names_for(obj, labels)
        live.begin(obj, names, facts["first_frame"], indices[-1])
    for number, index in enumerate(indices):
        hat = keys.hat(indices, number, indices[-1])
        for process, label in enumerate(labels):
            live.drive_key(obj, names, keys.name_of(index, label), hat, process)
    finishing.drive_colours(obj, names)
    facts["live"] = live.facts(names)
    provenance.write(obj, facts.pop("made_by"), facts)
