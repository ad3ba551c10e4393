"""A new mesh object from a Subject record."""

import bpy
import numpy as np


def new_object(name: str, arrays: dict[str, np.ndarray], location):
    """The subject as an object in the active collection, smooth shaded, with its UVs; selected where that does
    not disturb an artist who is painting or editing something else.

    Raises ValueError on polygons that use a vertex twice, which Blender cannot hold.
    """
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
    obj = bpy.data.objects.new(name, mesh)
    obj.location = location
    _link(obj)
    return obj


def _link(obj) -> None:
    view_layer = bpy.context.view_layer
    collection = view_layer.active_layer_collection.collection
    if collection.library:  # of another file: nothing can be linked into it
        collection = bpy.context.scene.collection
    collection.objects.link(obj)
    active = view_layer.objects.active
    if active is None or active.mode == "OBJECT":
        for other in list(view_layer.objects.selected):
            other.select_set(False)
        obj.select_set(True)
        view_layer.objects.active = obj
