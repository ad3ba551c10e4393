"""What tests of exports share: a clip that stands anywhere, turned and mirrored."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.export import export  # noqa: E402
from blender_addon.scene.bouquet import Site  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.samples import FRAMES, clip, frames_of, imported, subject_of  # noqa: E402

FORMATS = ["glb", "fbx", "abc", "usdc"]


def placed_clip(colour=False, frames=FRAMES, generate=False):
    """A prism with n-gons, mirrored, turned and moved, and its clip; beside it what must not get into the file."""
    obj = samples.prism()
    samples.place(obj, scale=(-2, 0.5, 1), rotation=(0.3, -1.1, 2.0), location=(7, -5, 3))
    obj.data.materials.append(samples.principled("Red", (1, 0, 0, 1), 0.2)[0])
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays, colour=colour, frames=frames)
    _, obj = imported(records, None if generate else target, site=Site((1, 2, 3)))
    bpy.context.scene.frame_end = 60  # the clip is not all that the scene plays
    samples.grid(name="Bystander").select_set(True)
    bpy.context.view_layer.objects.active = bpy.data.objects["Bystander"]
    return obj, records


def in_world(obj, records):
    """What each frame should be: (V, 3) in the world."""
    return [arrays["positions"] + np.array(obj.matrix_world.translation) for arrays in frames_of(records)]


def blended(frames):
    """Kept are 0, 4 and 6."""
    kept = {0: (0, 4), 1: (0, 4), 2: (0, 4), 3: (0, 4), 4: (4, 6), 5: (4, 6), 6: (4, 6)}
    return [frames[low] + (k - low) / (high - low) * (frames[high] - frames[low]) for k, (low, high) in kept.items()]


def sentences(tmp_path, obj, ending, **options):
    return export(str(tmp_path / f"a.{ending}"), obj, **options).lost
