"""Files for the readers' tests, written by Blender: `python -m tests.benchmarks.in_blender ROSE.npz FOLDER`.

FOLDER gets rose.glb, .fbx, .abc and .usdc, a clip as the add-on exports it; and scene.* of the same endings with
scene.npz, what Blender itself shows of them: a bar bent by two bones, with a quad that one of them folds, and a
mirrored plate that a moving, turning parent carries. It holds positions (T, V, 3) metres, and in `bar` how many of the
vertices are the bar's, which come first.
"""

import os
import sys
from pathlib import Path

import bpy
import numpy as np

from backend import protocol, wire
from backend.clip import Clip, Frame
from backend.files import npz
from blender_addon.export import export
from tests.blender import samples

FRAMES, PACE = 7, 12
ENDINGS = (".glb", ".fbx", ".abc", ".usdc")


def main() -> None:
    rose, folder = Path(sys.argv[1]), Path(sys.argv[2])
    empty()
    write_clip(npz.load(rose), folder)
    empty()
    write_scene(folder)


def empty() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = PACE


def write_clip(clip: Clip, folder: Path) -> None:
    """As a job's records reach the add-on, and as its export button writes them."""
    records = [protocol.unpack(wire.pack_mesh(clip.subject, frames=len(clip.positions), fps=clip.fps))]
    for k, positions in enumerate(clip.positions):
        frame = Frame(float(clip.tau[k]), positions, clip.albedo[k], clip.roughness[k])
        records.append(protocol.unpack(wire.pack_frame(frame, k)))
    records.append((protocol.Certificate(), {}))
    _, obj = samples.imported(records)
    for ending in ENDINGS:
        export(str(folder / f"rose{ending}"), obj)


def write_scene(folder: Path) -> None:
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, FRAMES
    bar, plate = bent_bar(), carried_plate()
    shown = []
    for number in range(1, FRAMES + 1):
        scene.frame_set(number)
        shown.append(np.concatenate([samples.shown_in_world(obj) for obj in (bar, plate)]))
    np.savez(folder / "scene.npz", positions=np.array(shown, np.float64), bar=len(bar.data.vertices))
    scene.frame_set(1)
    path = str(folder / "scene")
    bpy.ops.export_scene.gltf(filepath=f"{path}.glb", export_format="GLB", export_optimize_animation_size=False)
    bpy.ops.export_scene.fbx(filepath=f"{path}.fbx", bake_anim_simplify_factor=0.0, add_leaf_bones=False)
    bpy.ops.wm.alembic_export(filepath=f"{path}.abc", start=1, end=FRAMES, as_background_job=False)
    bpy.ops.wm.usd_export(filepath=f"{path}.usdc", export_animation=True, export_armatures=True)


def bent_bar():
    """A prism of four sides along z, whose upper half follows a bone that turns; and a quad of which one corner does,
    past the line between its neighbours, so that Blender cuts it otherwise."""
    rings = np.array([[(x, y, z) for x, y in ((0, 0), (0.4, 0), (0.4, 0.2), (0, 0.2))] for z in np.linspace(0, 2, 9)])
    quads = [
        [4 * r + k, 4 * r + (k + 1) % 4, 4 * r + 4 + (k + 1) % 4, 4 * r + 4 + k] for r in range(8) for k in range(4)
    ]
    dart = [(1, -0.5, 1), (1, 0.28, 0.9), (1, 0.5, 1), (1, 0, 1.5)]
    obj = samples.add("Bar", [*rings.reshape(-1, 3), *dart], [*quads, [36, 37, 38, 39]])
    bpy.ops.object.armature_add(enter_editmode=True)
    rig = bpy.context.object
    lower = rig.data.edit_bones[0]
    lower.head, lower.tail = (0, 0, 0), (0, 0, 1)
    upper = rig.data.edit_bones.new("Upper")
    upper.parent, upper.head, upper.tail = lower, (0, 0, 1), (0, 0, 2)
    names = lower.name, upper.name
    bpy.ops.object.mode_set(mode="OBJECT")
    for name, up in zip(names, (False, True), strict=True):
        group = obj.vertex_groups.new(name=name)
        for vertex in obj.data.vertices:
            share = float(np.clip((vertex.co.z - 0.6) / 0.8, 0, 1)) if vertex.index < 36 else vertex.index == 37
            group.add([vertex.index], share if up else 1 - share, "REPLACE")
    obj.parent = rig
    obj.modifiers.new("Rig", "ARMATURE").object = rig
    bone = rig.pose.bones["Upper"]
    bone.rotation_mode = "XYZ"
    for number in range(1, FRAMES + 1):
        bone.rotation_euler = (0.15 * number, 0.05 * number**1.5, 0.0)
        bone.keyframe_insert("rotation_euler", frame=number)
    return obj


def carried_plate():
    obj = samples.prism("Plate")
    samples.place(obj, scale=(-0.5, 0.3, 0.7), rotation=(0.3, -1.1, 2.0), location=(0.2, 0.1, 0.4))
    carrier = bpy.data.objects.new("Carrier", None)
    bpy.context.scene.collection.objects.link(carrier)
    obj.parent = carrier
    for number in range(1, FRAMES + 1):
        carrier.location = (3 + 0.2 * number, -0.1 * number**1.5, 1)
        carrier.rotation_euler = (0.1 * number, 0.0, 0.3 * number)
        carrier.scale = [0.5 + 0.1 * number] * 3
        for path in ("location", "rotation_euler", "scale"):
            carrier.keyframe_insert(path, frame=number)
    return obj


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # as a module Blender may crash while Python takes it down
