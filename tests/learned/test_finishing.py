"""From a field to a mesh with a texture: fields of known shape and colour, looked up on the mesh again."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from backend.fields import Sample
from backend.geometry.decimation import Unmeshable, sound
from backend.geometry.isosurface import NoSurface
from backend.pipelines import finishing
from backend.pipelines.finishing import DULL, finished, texels
from backend.protocol import srgb_to_linear
from backend.render.cameras import orbit
from backend.render.volume import render
from tests.learned.test_isosurface import ball, euler, solid, torus
from tests.learned.test_texture import sampled, scattered

MIDDLE, ROUND = np.array([0.05, -0.1, 0.02]), 0.36
RADIUS = 0.5


class Made(nn.Module):
    """A field of a signed distance and a colour, functions of points (N, 3) of numpy."""

    radius = RADIUS
    resolution = 20

    def __init__(self, distance, colour):
        super().__init__()
        self.density, self.colour, self.here = solid(distance), colour, nn.Parameter(torch.zeros(()))

    def forward(self, points):
        places = points.double().numpy()
        return Sample(*(torch.from_numpy(each(places)).float() for each in (self.density, self.colour)))


def sides(points):
    """Red is on +X, green at the back, +Y, and blue at the top, in sRGB."""
    return np.where(points > MIDDLE, 0.8, 0.3)


def round_():
    return Made(ball(*MIDDLE, ROUND), sides)


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data))).astype(float) / 255


@pytest.fixture(autouse=True, scope="module")
def coarse():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finishing, "CELLS", 40)
        yield


@pytest.fixture(scope="module")
def mesh(coarse):
    return finished(round_(), 1500, 1.7)


@pytest.mark.parametrize(("distance", "number"), [(ball(*MIDDLE, ROUND), 2), (torus, 0)], ids=["ball", "torus"])
def test_a_mesh_is_closed_has_its_faces_and_its_size_and_stands_on_the_ground(distance, number):
    mesh = finished(Made(distance, sides), 900, 0.25)
    assert sound(mesh.vertices.astype(float), mesh.faces) and euler(mesh.faces) == number
    assert abs(len(mesh.faces) - 900) <= 45
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    assert (high - low).max() == pytest.approx(0.25, rel=1e-5)
    np.testing.assert_allclose([*(low + high)[:2] / 2, low[2]], 0, atol=1e-6)
    assert mesh.vertices.dtype == mesh.albedo.dtype == np.float32
    area = np.cross(*np.moveaxis(np.diff(mesh.vertices[mesh.faces].astype(float), axis=1), 1, 0))
    assert np.einsum("fi,fi->", area, mesh.vertices[mesh.faces].mean(axis=1)) > 0, "wound outwards"


def test_what_is_seen_through_the_uvs_is_the_colour_of_that_side(mesh):
    points, uv = scattered(mesh, 4000)
    where = points - [0, 0, 1.7 / 2]
    clear = (np.abs(where) > 0.08).all(axis=1)
    assert clear.mean() > 0.5
    found = sampled(pixels(mesh.texture.albedo), uv)
    np.testing.assert_allclose(found[clear], np.where(where > 0, 0.8, 0.3)[clear], atol=0.03)
    assert mesh.texture.albedo.startswith(b"\x89PNG") and mesh.texture.lit and not mesh.texture.transparent


def test_vertices_have_the_same_colours_but_linear(mesh):
    where = mesh.vertices - [0, 0, 1.7 / 2]
    clear = (np.abs(where) > 0.08).all(axis=1)
    np.testing.assert_allclose(
        mesh.albedo[clear], np.where(where > 0, srgb_to_linear(0.8), srgb_to_linear(0.3))[clear], atol=0.03
    )


def test_a_surface_has_the_colour_that_a_renderer_sees_through_what_is_thin():
    """Of a green skin, some of which lies before the surface and some behind it, on red."""

    def skinned(points):
        inside = ROUND - 0.004 - np.linalg.norm(points - MIDDLE, axis=1) > 0
        return np.where(inside[:, None], [0.9, 0.1, 0.1], [0.1, 0.9, 0.1])

    field = Made(ball(*MIDDLE, ROUND), skinned)
    camera = orbit(torch.zeros(1, dtype=torch.float64), 0.0, 2.0, 0.05, tuple(MIDDLE))
    seen = render(field, camera, 1, 1, 4000).image[0, 0, 0].numpy()
    assert 0.25 < seen[1] < 0.75, "neither of the two alone"
    mesh = finished(field, 1500, 1.0)
    found = sampled(pixels(mesh.texture.albedo), scattered(mesh, 400)[1])
    # the skin ends within one of the steps in which colours are gathered
    np.testing.assert_allclose(np.median(found, axis=0), seen, atol=0.1)


def test_roughness_comes_with_shading_alone(mesh):
    assert mesh.roughness is None and mesh.texture.roughness is None
    shaded = finished(round_(), 1500, 1.7, shading=True)
    rough = pixels(shaded.texture.roughness)
    assert rough.shape == pixels(shaded.texture.albedo).shape[:2] and (rough == DULL).all()
    assert (shaded.roughness == DULL).all() and len(shaded.roughness) == len(shaded.vertices)


def test_more_faces_than_the_surface_has_are_made_of_a_finer_one(monkeypatch):
    monkeypatch.setattr(finishing, "CELLS", 16)
    mesh = finished(round_(), 3000, 1.0)
    assert abs(len(mesh.faces) - 3000) <= 150
    away = np.linalg.norm(mesh.vertices - [0, 0, 0.5], axis=1)
    assert np.abs(away - 0.5).max() < 0.01, "it is as round as the field, not as its cells"


@pytest.mark.parametrize(("resolution", "faces", "side"), [(20, 900, 512), (20, 60_000, 1024), (100, 900, 2048)])
def test_a_texture_is_as_fine_as_the_field_and_the_faces(resolution, faces, side):
    field = round_()
    field.resolution = resolution
    assert texels(field, faces) == side


def test_what_gives_no_mesh_is_told_in_a_sentence():
    with pytest.raises(NoSurface, match="Nothing is dense"):
        finished(Made(lambda points: np.full(len(points), 9.0), sides), 900, 1.0)
    with pytest.raises(NoSurface, match=r"damaged.*last good state"):
        finished(Made(lambda points: np.full(len(points), np.nan), sides), 900, 1.0)
    with pytest.raises(Unmeshable, match="too few"):
        finished(round_(), 20, 1.0)
