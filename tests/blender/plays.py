"""What tests of writing share: meshes to animate, and whether all frames play on them."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.scene import curves, keys  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.samples import frames_of  # noqa: E402


def assert_plays(obj, records, first=1, atol=1e-5):
    for number, arrays in enumerate(frames_of(records)):
        bpy.context.scene.frame_set(first + number)
        np.testing.assert_allclose(samples.shown(obj), arrays["positions"], atol=atol)


def playing(obj):
    """Names of the keys that drivers play, and of the properties on the object whose curves they follow."""
    data = obj.data.shape_keys.animation_data
    driven = [keys.VALUE.fullmatch(driver.data_path)[1] for driver in data.drivers] if data else []
    return driven, [curve.data_path for curve in curves.there(obj)]


def key_names(obj):
    return [key.name for key in obj.data.shape_keys.key_blocks]


def plain_grid():
    return samples.grid()


def turned_prism():
    obj = samples.prism()
    samples.place(obj, scale=(2, 0.5, 3), rotation=(0.3, -1.1, 2.0), location=(7, -5, 3))
    return obj


def mirrored_monkey():
    obj = samples.monkey()
    samples.place(obj, scale=(-1.5, 1, 0.7), rotation=(0.2, 0.1, -2))
    return obj


def smiling_grid():
    obj = samples.grid()
    obj.shape_key_add(name="Basis")
    smile = obj.shape_key_add(name="Smile")
    smile.points[3].co.z += 1
    smile.value = 0  # since Blender 5.0 a new key is on
    return obj


def assert_coloured(obj, records, every=1):
    frames = frames_of(records)
    for number in range(len(frames)):
        bpy.context.scene.frame_set(1 + number)
        seen = samples.evaluated(obj).data
        arrays = frames[number - number % every]
        assert (samples.colours(seen) == arrays["albedo"][samples.corner_vertices(seen)]).all()
        roughness = np.empty(len(seen.vertices), np.float32)
        seen.attributes["Roughness"].data.foreach_get("value", roughness)
        np.testing.assert_allclose(roughness * 255, arrays["roughness"], atol=1e-3)


def base_colour_source(material):
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    links = shader.inputs["Base Color"].links
    return links[0].from_node.layer_name if links and links[0].from_node.type == "VERTEX_COLOR" else None


def values(mesh, name):
    """(V,) of a float attribute, as bytes."""
    found = np.empty(len(mesh.vertices), np.float32)
    mesh.attributes[name].data.foreach_get("value", found)
    return np.rint(found * 255).astype(np.uint8)
