"""Inside Blender (the bpy wheel): `python in_blender.py FILE OUT.npz [FPS]` plays a file and writes what is seen.

OUT.npz gets times (T,) seconds and, for frame k, vertices_k (V, 3) metres, Z up, faces_k (F, 3), and albedo_k (V, 3)
linear where every mesh has a colour attribute. Only numpy and bpy: nothing of this project is installed here.
"""

import os
import sys

import bpy
import numpy as np

PACE = 24  # frames a second at which an .abc is looked at: Blender tells its times, but not how many frames it has
CUT: dict[tuple[bytes, bytes], np.ndarray] = {}  # triangles by the polygons that they cover


def main() -> None:
    path, out = sys.argv[1:3]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = PACE  # an .fbx brings its own
    load(path)
    first, last = frame_range(path)
    pace = scene.render.fps / scene.render.fps_base
    step = pace / float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
    frames = first + step * np.arange(int(np.floor((last - first) / step + 1e-6)) + 1)
    arrays = {"times": (frames - first) / pace}
    for number, frame in enumerate(frames):
        scene.frame_set(int(np.floor(frame)), subframe=float(frame - np.floor(frame)))
        arrays |= {f"{name}_{number}": array for name, array in seen().items()}
    np.savez(out, **arrays)


def load(path: str) -> None:
    if path.lower().endswith(".abc"):
        bpy.ops.wm.alembic_import(filepath=path, as_background_job=False, set_frame_range=True)
    elif hasattr(bpy.types, "WM_OT_fbx_import"):
        bpy.ops.wm.fbx_import(filepath=path)
    else:
        bpy.ops.import_scene.fbx(filepath=path)


def frame_range(path: str) -> tuple[float, float]:
    """First and last frame: of the scene for Alembic, of all that is keyed for FBX."""
    scene = bpy.context.scene
    if path.lower().endswith(".abc"):
        return float(scene.frame_start), float(scene.frame_end)
    ranges = [action.frame_range for action in bpy.data.actions]
    if not ranges:
        return 1.0, 1.0
    return min(start for start, _ in ranges), max(end for _, end in ranges)


def seen() -> dict[str, np.ndarray]:
    """All meshes that are visible now, in the world, as one."""
    graph = bpy.context.evaluated_depsgraph_get()
    vertices, faces, colours, start = [], [], [], 0
    for instance in graph.object_instances:
        if instance.object.type != "MESH" or not instance.show_self:
            continue
        mesh, world = instance.object.data, np.array(instance.matrix_world)
        points, triangles = read(mesh.vertices, "co", 3), cut(mesh)
        if np.linalg.det(world[:3, :3]) < 0:
            triangles = triangles[:, ::-1]
        vertices.append(points @ world[:3, :3].T + world[:3, 3])
        faces.append(triangles + start)
        colours.append(colour(mesh))
        start += len(points)
    if not vertices:
        sys.exit("nothing in it is a visible mesh")
    found = {"vertices": np.concatenate(vertices), "faces": np.concatenate(faces)}
    if all(each is not None for each in colours):
        found["albedo"] = np.concatenate(colours)
    return found


def read(collection, name: str, width: int, kind=np.float32) -> np.ndarray:
    values = np.empty(len(collection) * width, kind)
    collection.foreach_get(name, values)
    return values.reshape(-1, width).astype(np.int64 if kind is np.int32 else np.float64)


def cut(mesh) -> np.ndarray:
    """(F, 3) triangles; polygons that were seen before are cut as they were then, for Blender cuts a quad where it is
    shortest just now."""
    corners, sizes = read(mesh.loops, "vertex_index", 1, np.int32), read(mesh.polygons, "loop_total", 1, np.int32)
    key = corners.tobytes(), sizes.tobytes()
    if key not in CUT:
        mesh.calc_loop_triangles()
        CUT[key] = read(mesh.loop_triangles, "vertices", 3, np.int32)
    return CUT[key]


def colour(mesh) -> np.ndarray | None:
    """(V, 3) linear, the mean of each vertex' corners; None without a colour attribute."""
    if not len(mesh.color_attributes):
        return None
    attribute = mesh.color_attributes.active_color or mesh.color_attributes[0]
    values = read(attribute.data, "color", 4)[:, :3]
    if attribute.domain == "POINT":
        return values
    corners = read(mesh.loops, "vertex_index", 1, np.int32)[:, 0]
    total = np.zeros((len(mesh.vertices), 3))
    np.add.at(total, corners, values)
    return total / np.maximum(np.bincount(corners, minlength=len(total)), 1)[:, None]


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # as a module Blender may crash while Python takes it down
