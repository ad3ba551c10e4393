"""What tests of live objects share: one that lives, and what it shows."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from tests.blender import samples  # noqa: E402
from tests.blender.samples import FRAMES, clip, subject_of  # noqa: E402

THREE = samples.MADE_BY | {"process": "bloom, wilt + burn"}


def at(frame):
    bpy.context.scene.frame_set(int(frame // 1), subframe=frame % 1)


def turned_prism():
    obj = samples.prism()
    samples.place(obj, scale=(2, 0.5, 3), rotation=(0.3, -1.1, 2.0), location=(7, -5, 3))
    return obj


def living(processes=1, colour=False, made_by=samples.MADE_BY, make=turned_prism, frames=FRAMES):
    """An object with a finished clip, the clip's records and its subject's vertices."""
    obj = make()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays, colour=colour, processes=processes, frames=frames)
    samples.import_now("a test", THREE if processes == 3 else made_by, target, records)
    return obj, records, arrays["vertices"]


def assert_shows(obj, expected, atol=1e-5):
    np.testing.assert_allclose(samples.shown(obj), expected, atol=atol)


def edit(obj, **values):
    """As the artist's sliders do."""
    for name, value in values.items():
        obj[name] = value
    obj.update_tag()
    bpy.context.view_layer.update()


def drivers(obj):
    return [curve.driver for curve in obj.data.shape_keys.animation_data.drivers]


def seen_colours(obj):
    mesh = samples.evaluated(obj).data
    return samples.colours(mesh).astype(int), samples.corner_vertices(mesh)
