"""The subjects that life is looked at on: sound meshes, or exactly as unsound as they say."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import trimesh
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from backend import certificate
from tests.bench.subjects import MADE, nasty, plants, things
from tests.bench.subjects.modelling import level_set, sheet, tube

CLOSED = {"mushroom", "bread", "cheese", "banana", "pepper", "candle"}
CAVITIES = {"cheese"}  # faces about a hole within look into it
SHEETS = {"flat_leaf": 1, "paper": 1, "tulip": 8, "daisy": 24, "potted_plant": 11, "fern": 9 * 28, "poppy": 1}


def edges(mesh) -> Counter:
    """How many polygons run along each edge, without a direction."""
    starts = np.concatenate([[0], np.cumsum(mesh.sizes)])
    found = Counter()
    for begin, end in pairwise(starts):
        ring = mesh.corners[begin:end]
        found.update(tuple(sorted(pair)) for pair in zip(ring.tolist(), np.roll(ring, -1).tolist(), strict=True))
    return found


def bodies(mesh) -> Iterator[trimesh.Trimesh]:
    faces, count = mesh.faces, len(mesh.vertices)
    joined = coo_matrix((np.ones(2 * len(faces)), (faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel())), (count, count))
    number, label = connected_components(joined, directed=False)
    for body in range(number):
        yield trimesh.Trimesh(mesh.vertices, faces[label[faces[:, 0]] == body], process=False)


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_a_made_subject_is_a_sound_mesh(make):
    mesh = make()
    count = len(mesh.vertices)
    assert 3000 <= count <= 12_000
    assert np.isfinite(mesh.vertices).all() and np.isfinite(mesh.uv).all()
    np.testing.assert_array_equal(np.unique(mesh.corners), np.arange(count))
    assert mesh.sizes.min() >= 3 and mesh.sizes.sum() == len(mesh.corners) == len(mesh.uv)
    assert max(edges(mesh).values()) <= 2
    points = mesh.vertices[mesh.faces].astype(np.float64)
    areas = np.linalg.norm(np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]), axis=1)
    assert areas.min() > 0
    for name, columns in (("albedo", 3), ("roughness", 1), ("metallic", 1)):
        values = getattr(mesh, name)
        assert values.dtype == np.float32 and values.size == columns * count
        assert values.min() >= 0 and values.max() <= 1
    assert np.ptp(mesh.albedo, axis=0).max() > 0.1  # it is painted


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_a_closed_subject_encloses_a_volume_and_faces_outwards(make):
    mesh = make()
    assert certificate.is_closed(mesh.faces) == (make.__name__ in CLOSED)
    if make.__name__ in CLOSED:
        assert trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).volume > 0
    for body in bodies(mesh):
        if body.is_watertight:
            assert body.is_winding_consistent
            assert body.volume > 0 or make.__name__ in CAVITIES
        else:
            assert make.__name__ not in CLOSED


def test_the_tin_can_is_closed_once_it_is_welded():
    mesh = things.tin_can()
    which = np.unique(mesh.vertices, axis=0, return_inverse=True)[1].ravel()
    assert trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).volume > 0
    assert certificate.is_closed(which[mesh.faces])


@pytest.mark.parametrize(("name", "count"), SHEETS.items())
def test_sheets_have_a_rim_and_solids_have_none(name, count):
    mesh = {make.__name__: make for make in MADE}[name]()
    assert sum(not body.is_watertight for body in bodies(mesh)) == count


def test_resolution_scales_rows_and_columns():
    few, many = (len(plants.tulip(resolution).vertices) for resolution in (1.0, 2.0))
    assert 3.2 < many / few < 4.5


def test_a_sheet_faces_where_rows_cross_columns():
    x, y = np.meshgrid([0.0, 1.0, 2.0], [0.0, 1.0])
    piece = sheet(np.stack([x, y, 0 * x], axis=-1), "s")
    a, b, c, _ = piece.points[piece.corners[:4]]
    assert np.cross(b - a, c - a)[2] > 0


def test_a_tube_is_closed_by_its_caps_and_faces_outwards():
    angle = np.arange(64) * (2 * np.pi / 64)
    ring = np.stack([2 * np.cos(angle), 2 * np.sin(angle), 0 * angle], axis=1)
    piece = tube(np.stack([ring, ring + [0, 0, 1.5], ring + [0, 0, 3.0]]), "t")
    mesh = trimesh.Trimesh(piece.points, triangles(piece), process=False)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(np.pi * 4 * 3, rel=2e-3)


def test_a_level_set_lies_on_the_surface_and_faces_outwards():
    def ball(p):
        return np.linalg.norm(p - [0.1, 0.2, -0.3], axis=1) - 0.8

    piece = level_set(ball, (-0.7, -0.6, -1.1), (0.9, 1.0, 0.5), 0.1, "b")
    np.testing.assert_allclose(ball(piece.points), 0, atol=1e-3)
    mesh = trimesh.Trimesh(piece.points, triangles(piece), process=False)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 0.8**3, rel=0.02)


def triangles(piece) -> np.ndarray:
    from backend.clip import fan_triangles

    return piece.corners[fan_triangles(piece.sizes)]


NASTY = nasty()


@pytest.mark.parametrize("name", NASTY)
def test_a_nasty_mesh_has_numbers_and_faces_in_range(name):
    mesh = NASTY[name]()
    assert np.isfinite(mesh.vertices).all()
    assert mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices)


def test_what_is_nasty_is():
    def size(name):
        return np.ptp(NASTY[name]().vertices, axis=0).max()

    assert max(edges(NASTY["non_manifold"]()).values()) == 3
    assert not certificate.is_closed(NASTY["open"]().faces)
    assert np.ptp(NASTY["flat"]().vertices, axis=0).min() == 0
    assert len(NASTY["eight_vertices"]().vertices) == 8
    assert size("tiny") == pytest.approx(1e-4, rel=1e-3) and size("huge") == pytest.approx(1e4, rel=1e-3)
    assert np.abs(NASTY["far_away"]().vertices).min() > 99_000
    assert len(NASTY["half_a_million"]().vertices) >= 500_000
    assert np.bincount(NASTY["unwelded"]().corners).max() == 1
    points = NASTY["zero_area"]().vertices[NASTY["zero_area"]().faces].astype(np.float64)
    areas = np.linalg.norm(np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]), axis=1)
    lengths = np.ptp(points, axis=1).max(axis=1)
    assert (lengths == 0).sum() >= 20 and ((areas == 0) & (lengths > 0)).sum() >= 60 + 40
    inside_out = NASTY["inside_out"]()
    assert trimesh.Trimesh(inside_out.vertices, inside_out.faces, process=False).volume < 0


def test_the_crossing_ring_crosses_itself():
    from kernels.crossings import crossings

    mesh = NASTY["self_crossing"]()
    marked = crossings(mesh.vertices[mesh.faces].astype(np.float64), mesh.faces.astype(np.int64), 1e-6)
    assert marked.any()
