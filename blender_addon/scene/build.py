"""A new mesh object from a Subject record."""

import bpy
import numpy as np

from .bouquet import Site, open_collection


def new_object(name: str, arrays: dict[str, np.ndarray], site: Site):
    """The subject as an object at its site, smooth shaded, with its UVs; selected where that does not disturb an
    artist who is painting or editing something else.

    Raises ValueError on polygons that use a vertex twice, which Blender cannot hold.
    """
    obj = bpy.data.objects.new(name, new_mesh(name, arrays))
    if site.bed is None:
        obj.location = site.location
        _link(obj, open_collection(), alone=True)
    else:
        site.bed.put(obj, site.slots[0])
        _link(obj, site.bed.home(), alone=site.slots[0] == 0)
    return obj


def new_mesh(name: str, arrays: dict[str, np.ndarray]):
    """The subject's mesh. Raises ValueError as new_object() does."""
    corners, sizes = arrays["corners"], arrays["sizes"]
    starts = np.cumsum(sizes, dtype=np.int32) - sizes
    following = np.roll(corners, -1)
    following[starts + sizes - 1] = corners[starts]
    if (corners == following).any():
        raise ValueError("The result has a polygon that uses a vertex twice: please report this")
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(arrays["vertices"]))
    mesh.attributes["position"].data.foreach_set("vector", arrays["vertices"].ravel())
    mesh.loops.add(len(corners))
    mesh.attributes[".corner_vert"].data.foreach_set("value", corners)
    mesh.polygons.add(len(sizes))
    mesh.polygons.foreach_set("loop_start", starts)
    mesh.update(calc_edges=True)
    if "uv" in arrays:
        layer = mesh.uv_layers.new(name="UVMap", do_init=False)
        layer.uv.foreach_set("vector", arrays["uv"].ravel())
    return mesh


def _link(obj, collection, alone: bool) -> None:
    """`alone`: nothing else stays selected."""
    collection.objects.link(obj)
    view_layer = bpy.context.view_layer
    active = view_layer.objects.active
    if (active is not None and active.mode != "OBJECT") or obj.name not in view_layer.objects:
        return  # the artist is busy, or has excluded the collection
    for other in list(view_layer.objects.selected) if alone else ():
        other.select_set(False)
    obj.select_set(True)
    view_layer.objects.active = obj
