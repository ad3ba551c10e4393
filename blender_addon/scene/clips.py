"""What an exporter asks about an imported clip, and a copy of it with fewer keys."""

from collections.abc import Iterator
from contextlib import contextmanager

import bpy

from . import colour, keys, provenance

MODIFIERS = (colour.MODIFIER,)


def frame_range(obj) -> tuple[int, int]:
    """First and last scene frame of the clip; the scene's own where the object has none."""
    facts = provenance.read(obj)
    if facts and facts.get("frames"):
        return facts["first_frame"], facts["last_frame"]
    return bpy.context.scene.frame_start, bpy.context.scene.frame_end


def colour_over_life(obj) -> bool:
    return colour.MODIFIER in obj.modifiers


def can_thin(obj) -> bool:
    """Whether every key of the clip is still there under the name that it was given."""
    facts = provenance.read(obj)
    return bool(facts) and 0 < facts.get("frames", 0) == len(keys.ours(obj))


@contextmanager
def thinned(obj, step: int) -> Iterator:
    """A passing copy under the same name with every nth key, and always the last; the object itself for step 1, and
    where it cannot be thinned."""
    if step == 1 or not can_thin(obj):
        yield obj
        return
    name, own = obj.name, _action(obj)
    copy = obj.copy()
    copy.data = obj.data.copy()
    try:
        for collection in obj.users_collection:
            collection.objects.link(copy)
        obj.name = f"{name} (Whole)"
        copy.name = name
        _thin(copy, step, provenance.read(obj)["first_frame"])
        yield copy
    finally:
        mesh, action = copy.data, _action(copy)
        bpy.data.objects.remove(copy)
        bpy.data.meshes.remove(mesh)
        if action is not None and action != own:
            bpy.data.actions.remove(action)
        obj.name = name


def _action(obj):
    """What plays the object's shape keys, or None."""
    animation = obj.data.shape_keys.animation_data
    return animation and animation.action


def _thin(obj, step: int, first_frame: int) -> None:
    indices = keys.ours(obj)
    kept = sorted({*indices[::step], indices[-1]})
    keys.remove(obj, [keys.name_of(index) for index in indices if index not in kept])
    keys.silence(obj.data.shape_keys)
    keys.animate_all(obj, kept, first_frame)
