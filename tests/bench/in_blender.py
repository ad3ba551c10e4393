"""Blender's own simulations, without a window: `python -m tests.bench.in_blender mesh.npz cloth|soft out.npz`.

mesh.npz holds vertices (V, 3) metres, corners (C,), sizes (P,) and held (V,) in [0, 1]; out.npz gets positions
(T, V, 3) and seconds. The settings are Blender's own but for what an artist must say: what is held, that there is a
floor, and that sheets shall collide with themselves.
"""

import sys
import time
from pathlib import Path

import bpy
import numpy as np

FRAMES = 48


def main() -> None:
    mesh_path, kind, out = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    stored = np.load(mesh_path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    thing = made(stored)
    add_floor()
    (add_cloth if kind == "cloth" else add_soft_body)(thing)
    began = time.perf_counter()
    positions = np.stack(list(played(thing)))
    np.savez(out, positions=positions, seconds=time.perf_counter() - began)


def made(stored) -> bpy.types.Object:
    corners, sizes = stored["corners"], stored["sizes"]
    polygons = np.split(corners, np.cumsum(sizes)[:-1])
    mesh = bpy.data.meshes.new("subject")
    mesh.from_pydata(stored["vertices"].tolist(), [], [polygon.tolist() for polygon in polygons])
    thing = bpy.data.objects.new("subject", mesh)
    bpy.context.collection.objects.link(thing)
    held = thing.vertex_groups.new(name="held")
    for vertex in np.flatnonzero(stored["held"] > 0):
        held.add([int(vertex)], float(stored["held"][vertex]), "REPLACE")
    return thing


def add_floor() -> None:
    mesh = bpy.data.meshes.new("floor")
    mesh.from_pydata([(-9, -9, 0), (9, -9, 0), (9, 9, 0), (-9, 9, 0)], [], [(0, 1, 2, 3)])
    floor = bpy.data.objects.new("floor", mesh)
    bpy.context.collection.objects.link(floor)
    floor.modifiers.new("collision", "COLLISION")


def add_cloth(thing: bpy.types.Object) -> None:
    cloth = thing.modifiers.new("cloth", "CLOTH")
    cloth.settings.vertex_group_mass = "held"
    cloth.collision_settings.use_self_collision = True
    cloth.collision_settings.distance_min = cloth.collision_settings.self_distance_min = 0.004
    cloth.point_cache.frame_end = FRAMES


def add_soft_body(thing: bpy.types.Object) -> None:
    soft = thing.modifiers.new("soft", "SOFT_BODY")
    soft.settings.use_goal = True
    soft.settings.vertex_group_goal = "held"
    soft.settings.goal_max, soft.settings.goal_min, soft.settings.goal_default = 1.0, 0.0, 1.0
    soft.settings.use_stiff_quads = True
    soft.settings.bend = 2.0
    soft.point_cache.frame_end = FRAMES


def played(thing: bpy.types.Object):
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end, scene.render.fps = 1, FRAMES, 24
    for frame in range(1, FRAMES + 1):
        scene.frame_set(frame)
        mesh = thing.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
        positions = np.empty(3 * len(mesh.vertices), np.float32)
        mesh.vertices.foreach_get("co", positions)
        yield positions.reshape(-1, 3)


if __name__ == "__main__":
    main()
