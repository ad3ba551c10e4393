"""Charts and what is painted on them: a colour that is a function of the place comes back from the texture."""

from dataclasses import replace

import numpy as np
import pytest

from backend.clip import Mesh
from backend.geometry import texture
from backend.geometry.decimation import finished
from backend.geometry.isosurface import surface
from backend.geometry.texture import Unpaintable, baked, unwrapped
from tests.learned.test_isosurface import LEVEL, blobs, solid


@pytest.fixture(scope="module")
def mesh():
    found = finished(surface(solid(blobs(3)), 0.5, 32, LEVEL), 500)
    return unwrapped(Mesh.from_triangles(found.vertices, found.faces), 128)


def sampled(picture, uv):
    """(N, K) between the middles of texels, as every renderer does it; row 0 is at the top."""
    height, width = picture.shape[:2]
    place = np.stack([height * (1 - uv[:, 1]), width * uv[:, 0]], axis=1) - 0.5
    first = np.floor(place).astype(int)
    share = place - first
    total = 0.0
    for down in (0, 1):
        for right in (0, 1):
            weight = np.prod(np.where([down, right], share, 1 - share), axis=1)
            row, column = np.clip(first + [down, right], 0, [height - 1, width - 1]).T
            total = total + weight[:, None] * picture[row, column]
    return total


def scattered(mesh, count, on_edges=False):
    """Random points of a mesh, and their UVs."""
    rng = np.random.default_rng(4)
    shares = rng.dirichlet([1, 1, 1], count)
    if on_edges:
        shares[:, 2] = 0
        shares /= shares.sum(axis=1, keepdims=True)
    face = rng.integers(len(mesh.triangles), size=count)
    corner = mesh.triangles[face]
    points = np.einsum("nc,nci->ni", shares, mesh.vertices[mesh.corners[corner]].astype(float))
    return points, np.einsum("nc,nci->ni", shares, mesh.uv[corner].astype(float))


def metres_per_texel(mesh, size):
    """(F,) the longest way on each triangle that one texel of its chart is."""
    corner, flat = mesh.vertices[mesh.faces].astype(float), size * mesh.uv[mesh.triangles].astype(float)
    sides, ways = corner[:, 1:] - corner[:, :1], flat[:, 1:] - flat[:, :1]
    return np.linalg.svd(np.linalg.solve(ways, sides), compute_uv=False)[:, 0]


def test_seams_split_no_vertex_and_charts_keep_to_the_square(mesh):
    found = finished(surface(solid(blobs(3)), 0.5, 32, LEVEL), 500)
    np.testing.assert_array_equal(mesh.faces, found.faces)
    np.testing.assert_array_equal(mesh.vertices, found.vertices.astype(np.float32))
    assert mesh.uv.shape == (3 * len(mesh.triangles), 2)
    assert mesh.uv.min() >= 0 and mesh.uv.max() <= 1


def test_charts_do_not_overlap_and_are_not_mirrored(mesh):
    flat = mesh.uv[mesh.triangles].astype(float)
    sides = flat[:, 1:] - flat[:, :1]
    double = sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]
    assert (double > 0).all()
    points = np.random.default_rng(2).uniform(size=(4000, 2))
    spokes = flat - points[:, None, None]  # (N, F, 3, 2)
    following = np.roll(spokes, -1, axis=2)
    parts = spokes[..., 0] * following[..., 1] - spokes[..., 1] * following[..., 0]
    within = (parts > 1e-9).all(axis=2).sum(axis=1)
    assert within.max() == 1 and within.mean() > 0.25


def test_a_texel_is_about_as_long_everywhere_and_both_ways(mesh):
    longest = metres_per_texel(mesh, 128)
    assert np.percentile(longest, 95) < 2 * np.percentile(longest, 5)
    corner, flat = mesh.vertices[mesh.faces].astype(float), 128 * mesh.uv[mesh.triangles].astype(float)
    ratio = np.linalg.svd(np.linalg.solve(flat[:, 1:] - flat[:, :1], corner[:, 1:] - corner[:, :1]), compute_uv=False)
    assert np.median(ratio[:, 0] / ratio[:, 1]) < 1.5


WAVES = np.array([[3.0, 5.0, -2.0], [-4.0, 1.0, 6.0]])


def painted(points):
    return 0.5 + 0.5 * np.sin(points @ WAVES.T)


@pytest.mark.parametrize("on_edges", [False, True])
@pytest.mark.parametrize("size", [128, 256])
def test_a_colour_that_is_a_function_of_the_place_comes_back(mesh, size, on_edges):
    points, uv = scattered(mesh, 5000, on_edges)
    error = np.abs(sampled(baked(mesh, painted, size), uv) - painted(points))
    steepest = 0.5 * np.linalg.norm(WAVES, axis=1)
    # a sample mixes middles that are one texel away at most, to each side, on this triangle or beside it
    bound = np.sqrt(2) * 1.5 * metres_per_texel(mesh, size).max() * steepest
    assert (error <= bound).all()
    assert error.mean() < 0.05 * (metres_per_texel(mesh, size).mean() * steepest).mean()


def test_one_colour_fills_all_of_the_picture(mesh):
    picture = baked(mesh, lambda points: np.tile(np.float32([0.2, 0.7, 0.4]), (len(points), 1)), 64)
    assert picture.shape == (64, 64, 3) and picture.dtype == np.float32
    np.testing.assert_array_equal(picture, np.broadcast_to(np.float32([0.2, 0.7, 0.4]), picture.shape))


def plate():
    """A rectangle of 4 x 2 metres in the lower left of its texture, x along u and z along v."""
    vertices = np.float32([[0, 0, 0], [4, 0, 0], [4, 0, 2], [0, 0, 2]])
    uv = np.float32([[0, 0], [1, 0], [1, 0.5], [0, 0.5]])
    return Mesh.from_quads(vertices, np.array([[0, 1, 2, 3]]), uv=uv)


def test_each_texel_has_the_point_in_its_middle_and_row_0_is_at_the_top():
    picture = baked(plate(), lambda points: points[:, [0, 2]], 16)
    row, column = np.meshgrid(np.arange(8, 16), np.arange(16), indexing="ij")
    np.testing.assert_allclose(picture[8:, :, 0], 4 * (column + 0.5) / 16, atol=1e-6)
    np.testing.assert_allclose(picture[8:, :, 1], 2 * (15.5 - row) / 8, atol=1e-6)
    # beside it: the nearest point of the plate, and then what that texel has
    np.testing.assert_allclose(picture[7, :, 1], 2.0, atol=1e-6)
    np.testing.assert_allclose(picture[0], picture[7], atol=1e-6)


def test_a_large_texture_is_made_in_parts(mesh, monkeypatch):
    whole = baked(mesh, painted, 64)
    monkeypatch.setattr(texture, "AT_ONCE", 300)
    np.testing.assert_array_equal(baked(mesh, painted, 64), whole)


def test_a_small_thing_is_laid_flat_as_a_large_one_is(mesh):
    small = unwrapped(replace(mesh, vertices=1e-4 * mesh.vertices), 128)
    assert len(np.unique(small.uv, axis=0)) == pytest.approx(len(np.unique(mesh.uv, axis=0)), rel=0.2)
    assert (np.ptp(small.uv, axis=0) > 0.5).all()


def test_what_cannot_be_painted_is_refused_in_words(mesh):
    flat = replace(mesh, vertices=mesh.vertices * np.float32([1, 0, 0]))
    with pytest.raises(Unpaintable, match="have no area"):
        unwrapped(flat)
    with pytest.raises(Unpaintable, match="have no area"):
        unwrapped(replace(mesh, vertices=mesh.vertices * np.float32(np.nan)))
    with pytest.raises(Unpaintable, match="16 to 8192"):
        unwrapped(mesh, 8)
    with pytest.raises(Unpaintable, match="16 to 8192"):
        baked(mesh, painted, 10_000)
    with pytest.raises(Unpaintable, match="no UVs"):
        baked(replace(mesh, uv=None), painted, 64)
    with pytest.raises(Unpaintable, match="outside of the unit square"):
        baked(replace(mesh, uv=mesh.uv + 3), painted, 64)
    with pytest.raises(Unpaintable, match=r"are no numbers.*last good state"):
        baked(mesh, lambda points: np.where(points > 0, np.nan, 0.5), 64)
