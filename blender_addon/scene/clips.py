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


@contextmanager
def thinned(obj, step: int) -> Iterator:
    """A passing copy under the same name with every nth key, and always the last; the object itself for step 1."""
    facts = provenance.read(obj)
    if step == 1 or not facts or obj.data.shape_keys is None:
        yield obj
        return
    name = obj.name
    copy = obj.copy()
    copy.data = obj.data.copy()
    for collection in obj.users_collection:
        collection.objects.link(copy)
    obj.name = f"{name} (Whole)"
    copy.name = name
    _thin(copy, step, facts["first_frame"])
    try:
        yield copy
    finally:
        mesh, action = copy.data, copy.data.shape_keys.animation_data.action
        bpy.data.objects.remove(copy)
        bpy.data.meshes.remove(mesh)
        bpy.data.actions.remove(action)
        obj.name = name


def _thin(obj, step: int, first_frame: int) -> None:
    indices = [keys.index_of(key.name) for key in obj.data.shape_keys.key_blocks if keys.OURS.fullmatch(key.name)]
    kept = sorted({*indices[::step], indices[-1]})
    keys.remove(obj, [keys.name_of(index) for index in indices if index not in kept])
    keys.silence(obj.data.shape_keys)
    keys.animate_all(obj, kept, first_frame)
