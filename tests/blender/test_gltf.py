"""glTF files read back by their own grammar: every frame of a clip is in them."""

from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.export import export  # noqa: E402
from tests import gltf_validator  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.files import (  # noqa: E402
    Glb,
    assert_plays_in_world,
    assert_same_surface,
    first_key_frame,
    read_by_blender,
)
from tests.blender.samples import FRAMES, clip, imported, subject_of  # noqa: E402

# Blender 5.2's own FBX exporter, under NumPy 2.5
pytestmark = pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy array:DeprecationWarning")
from tests.blender.exports import blended, in_world, placed_clip  # noqa: E402


@pytest.mark.parametrize("generate", [False, True])
def test_gltf_holds_every_frame(tmp_path, generate):
    obj, records = placed_clip(generate=generate)
    path = export(str(tmp_path / "a.glb"), obj).path
    glb = Glb(path)
    assert [node["name"] for node in glb.json["nodes"]] == [obj.name]
    times, found, weights = glb.frames()
    np.testing.assert_allclose(times, np.arange(FRAMES) / 24, atol=1e-6)
    np.testing.assert_allclose(weights, np.eye(FRAMES), atol=1e-6)
    assert_same_surface(found, in_world(obj, records))


@pytest.mark.parametrize("options", [{}, {"normals": False}, {"frame_step": 3}])
def test_gltf_passes_the_validator_of_khronos(tmp_path, options):
    obj, _ = placed_clip(colour=True)
    gltf_validator.assert_valid(Path(export(str(tmp_path / "a.glb"), obj, **options).path))


def test_a_clip_that_starts_late_starts_at_second_zero_in_gltf(tmp_path):
    bpy.context.scene.frame_start = 51
    obj, records = placed_clip()
    times, found, _ = Glb(export(str(tmp_path / "a.glb"), obj).path).frames()
    np.testing.assert_allclose(times, np.arange(FRAMES) / 24, atol=1e-6)
    assert_same_surface(found, in_world(obj, records))


def test_without_normals_gltf_targets_hold_positions_only(tmp_path):
    obj, _ = placed_clip()
    with_normals = Glb(export(str(tmp_path / "a.glb"), obj).path)
    without = Glb(export(str(tmp_path / "b.glb"), obj, normals=False).path)
    assert with_normals.primitives[0]["targets"][0].keys() == {"POSITION", "NORMAL"}
    assert without.primitives[0]["targets"][0].keys() == {"POSITION"}


def test_gltf_holds_the_colour_of_the_start(tmp_path):
    obj, _ = placed_clip(colour=True)
    glb = Glb(export(str(tmp_path / "a.glb"), obj).path)
    colour = glb.array(glb.primitives[0]["attributes"]["COLOR_0"])
    full = 1 if colour.dtype.kind == "f" else np.iinfo(colour.dtype).max
    assert (colour == full * np.array([1, 0, 0, 1])[: colour.shape[1]]).all()


def test_gltf_holds_the_texture_of_an_artists_material(tmp_path):
    obj = samples.grid()
    material, shader = samples.principled("Painted")
    texture = material.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = bpy.data.images.new("Texture", 8, 8)
    texture.image.pixels.foreach_set(np.full(256, 0.5, np.float32))
    texture.image.pack()
    material.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    obj.data.materials.append(material)
    record, arrays, target = subject_of(obj)
    imported(clip(record, arrays, colour=True), target)
    glb = Glb(export(str(tmp_path / "a.glb"), obj).path)
    assert "baseColorTexture" in glb.json["materials"][0]["pbrMetallicRoughness"]


@pytest.mark.parametrize("ending", ["glb", "fbx"])
def test_a_frame_step_keeps_every_nth_key_and_the_last_and_blends_the_rest(tmp_path, ending):
    obj, records = placed_clip()
    before = samples.blocks(), [key.name for key in obj.data.shape_keys.key_blocks]
    path = export(str(tmp_path / f"a.{ending}"), obj, frame_step=4).path
    assert (samples.blocks(), [key.name for key in obj.data.shape_keys.key_blocks]) == before
    expected = blended(in_world(obj, records))
    if ending == "glb":
        glb = Glb(path)
        assert len(glb.primitives[0]["targets"]) == 3
        assert_same_surface(glb.frames()[1], expected)
    else:
        again = read_by_blender(path)
        assert len(again.data.shape_keys.key_blocks) == 4
        assert_plays_in_world(again, expected, first=first_key_frame(again), atol=2e-4)
