"""Textures of a .glb on its vertices, as another library writes them; pictures are opened by Pillow, which is here."""

import numpy as np
import pytest
import trimesh
from PIL import Image

from backend.protocol import srgb_to_linear
from tests.benchmarks.lifebench.readers import read


@pytest.fixture
def sheet(tmp_path):
    """A square of 16 x 16 vertices, each in the middle of its texel, and a picture, red across and green down."""
    side, at = 16, np.stack(np.meshgrid(np.arange(16), np.arange(16)), axis=-1)  # (row, column): x, y
    picture = np.zeros((side, side, 3), np.uint8)
    picture[..., 0], picture[..., 1], picture[..., 2] = 16 * at[..., 0], 16 * at[..., 1], 40
    index = np.arange(side * side).reshape(side, side)
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    uv = (at.reshape(-1, 2) + 0.5) / side
    vertices = np.column_stack([uv, np.zeros(len(uv))])
    rough = np.full((4, 4, 3), 0, np.uint8)
    rough[..., 1] = 153
    material = trimesh.visual.material.PBRMaterial(
        baseColorTexture=Image.fromarray(picture),
        baseColorFactor=[255, 255, 51, 255],
        metallicRoughnessTexture=Image.fromarray(rough),
        roughnessFactor=0.5,
    )
    # trimesh counts v from below, as .obj does, and turns it for glTF
    flipped = np.column_stack([uv[:, 0], 1 - uv[:, 1]])
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    mesh.visual = trimesh.visual.TextureVisuals(uv=flipped, material=material)
    return mesh, picture.reshape(-1, 3), tmp_path


@pytest.mark.parametrize("name", ["sheet.glb", "sheet.gltf"])
def test_a_texture_is_on_the_vertices_linear_and_times_its_factor(sheet, name):
    mesh, texels, folder = sheet
    if name.endswith(".glb"):
        mesh.export(folder / name)
    else:
        for file, data in trimesh.Scene(mesh).export(file_type="gltf").items():
            (folder / ("sheet.gltf" if file.endswith(".gltf") else file)).write_bytes(data)
    again = read(folder / name)
    # x is u; glTF's y is our z, and v
    place = np.rint(again.frames[0][0][:, [2, 0]] * 16 - 0.5).astype(int)
    expected = srgb_to_linear(texels.reshape(16, 16, 3)[place[:, 0], place[:, 1]].astype(np.float32) / 255)
    np.testing.assert_allclose(again.albedo[0], expected * [1, 1, 0.2], atol=1e-5)
    np.testing.assert_allclose(again.roughness[0], 0.5 * 153 / 255, atol=1e-6)
    assert again.bytes >= sum(file.stat().st_size for file in folder.iterdir())
