"""A new mesh in an object that stays: its transform, parent, collections, constraints, modifiers and materials are
kept, and so are its Life and Amount with the curve that the artist gave them.

The former mesh is kept until the new life is whole, so that a job that ends early changes nothing.
"""

import bpy

from . import build, colour, place
from .bouquet import Seat
from .carried import Former


def usable(seat: Seat):
    """The object where it can get a new mesh now, else None."""
    obj = place.by_uid(seat.uid, seat.name)
    if obj is None or not place.in_use(obj) or obj.type != "MESH" or obj.library or obj.data.library:
        return None
    return None if obj.data.is_editmode or obj.mode == "SCULPT" else obj


def sit(obj, arrays: dict) -> Former:
    """Give it the mesh of a Subject record, with the materials of the former one."""
    former, mesh = obj.data, build.new_mesh(obj.data.name, arrays)
    groups = tuple(group.name for group in obj.vertex_groups)
    for material in former.materials:
        mesh.materials.append(material)
    obj.data = mesh
    _show_colours(obj, False)  # they are those of other vertices
    return Former(former.name, groups)


def stand_up(obj, former: str) -> None:
    """Give it its former mesh back, where that is still there."""
    mesh = bpy.data.meshes.get(former)
    if mesh is not None and obj.data != mesh:
        new, obj.data = obj.data, mesh
        bpy.data.meshes.remove(new)
    _show_colours(obj, True)


def settle(obj, former: str) -> None:
    """The new life is whole: what nobody uses any more goes."""
    mesh = bpy.data.meshes.get(former)
    if mesh is not None and mesh != obj.data and not mesh.users:
        bpy.data.meshes.remove(mesh)
        obj.data.name = former
    _show_colours(obj, True)


def _show_colours(obj, shown: bool) -> None:
    modifier = obj.modifiers.get(colour.MODIFIER)
    if modifier is not None:
        modifier.show_viewport = modifier.show_render = shown
