"""Contact: what is nearest, which side is remembered, and that sheets that fall on something do not pass through it."""

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation
from trimesh.ray.ray_pyembree import RayMeshIntersector

from backend.geometry.contact import Contact
from backend.geometry.fields import edges
from backend.geometry.shell import Sheet, Shell
from kernels import sides
from tests.test_shell import grid

STEP = 1 / 24


def crossed(vertices, faces):
    """How often an edge passes through a triangle that it has no vertex in common with, by rays of Embree."""
    lines = edges(faces)
    start, way = vertices[lines[:, 0]], vertices[lines[:, 1]] - vertices[lines[:, 0]]
    length = np.linalg.norm(way, axis=1)
    rays = RayMeshIntersector(trimesh.Trimesh(vertices, faces, process=False))
    triangle, ray, place = rays.intersects_id(
        start, way / length[:, None], multiple_hits=True, max_hits=50, return_locations=True
    )
    share = np.linalg.norm(place - start[ray], axis=1) / length[ray]
    own = (faces[triangle][:, :, None] == lines[ray][:, None]).any(axis=(1, 2))
    return int(((share > 1e-4) & (share < 1 - 1e-4) & ~own).sum())


# --- kernels.sides


def two(seed=3):
    """A ball and a crumpled sheet beside each other, as two patches, and points that belong to neither."""
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.4)
    flat, faces = grid(14, 11, 1.0, 0.8)
    flat[:, 2] = 0.5 + 0.1 * np.sin(7 * flat[:, 0]) * np.cos(5 * flat[:, 1])
    rng = np.random.default_rng(seed)
    points = rng.uniform([-0.6, -0.6, -0.6], [1.2, 1.0, 0.9], (300, 3))
    vertices = np.concatenate([ball.vertices, flat, points])
    patches = [np.arange(len(ball.faces)), len(ball.faces) + np.arange(len(faces))]
    faces = np.concatenate([ball.faces, faces + len(ball.vertices)]).astype(np.int64)
    patch = np.repeat([0, 1, 2], [len(ball.vertices), len(flat), len(points)])
    near = np.array([[True, False], [False, True], [False, False]])
    return vertices, faces, patches, (patch, near)


def nearest(triangles, point):
    found = trimesh.triangles.closest_point(triangles, np.tile(point, (len(triangles), 1)))
    return np.linalg.norm(found - point, axis=1).min()


def test_distances_from_patches_are_those_that_trimesh_finds():
    vertices, faces, patches, own = two()
    found = sides.gaps(vertices, faces, sides.forest(vertices, faces, patches), own, 0.5)
    points = own[0] == 2
    for g, members in enumerate(patches):
        expected = np.array([nearest(vertices[faces[members]], point) for point in vertices[points]])
        within = expected < 0.499
        assert 50 < within.sum() < points.sum()
        np.testing.assert_allclose(found[points, g][within], expected[within], atol=1e-6)
        assert np.isinf(found[points, g][expected > 0.501]).all()
    assert np.isinf(found[own[0] == 0, 0]).all()  # its own patch


def hovering(height=0.02):
    """A sheet, and above it a vertex that no face has."""
    flat, faces = grid(9, 9, 1.0, 1.0)
    x = np.concatenate([flat, [[0.52, 0.47, height]]])
    trees = sides.forest(x, faces, [np.arange(len(faces))])
    own = np.where(np.arange(len(x)) < len(flat), -1, 0), np.zeros((1, 1), bool)
    room = np.full((len(x), 1), 0.01)
    known = sides.memory(room)
    normals = np.tile([0.0, 0.0, 1.0], (len(x), 1))
    sides.settle(x, normals, faces, trees, own, 0.1, known)
    return x, faces, trees, own, known, normals


def seen(start, end, margin=0.0):
    x, faces, trees, own, known, normals = start
    moved = x.copy()
    moved[-1] = end
    return sides.look((x, moved, normals), faces, trees, own, (0.1, margin), known), moved, faces


def gap(found, moved, faces):
    corners = moved[faces[found.face[-1, 0]]]
    return found.apart[-1, 0] @ (moved[-1] - found.weights[-1, 0] @ corners)


@pytest.mark.parametrize("height", [0.02, -0.02])
def test_what_has_passed_through_is_told_the_way_back(height):
    found, moved, faces = seen(hovering(height), [0.53, 0.46, -0.6 * height])
    assert (found.face[-1] >= 0).sum() == 1 and found.least[-1, 0] == pytest.approx(0.01)
    np.testing.assert_allclose(found.apart[-1, 0], [0, 0, np.sign(height)], atol=1e-9)
    assert gap(found, moved, faces) == pytest.approx(-0.6 * abs(height), rel=1e-5)


def test_what_stays_on_its_side_touches_only_where_it_is_nearer_than_it_may_be():
    start = hovering()
    assert (seen(start, [0.5, 0.5, 0.011])[0].face < 0).all()
    near = seen(start, [0.5, 0.5, 0.011], margin=0.002)
    assert gap(*near) == pytest.approx(0.011, rel=1e-5)
    assert gap(*seen(start, [0.5, 0.5, 0.004])) == pytest.approx(0.004, rel=1e-5)


def test_what_goes_around_a_rim_is_free():
    x, faces, trees, own, known, normals = start = hovering()
    x[-1] = [0.98, 0.5, 0.02]
    sides.settle(x, normals, faces, trees, own, 0.1, known)
    assert (seen(start, [0.98, 0.5, -0.02])[0].face >= 0).any()  # straight through
    x[-1] = [1.04, 0.5, 0.01]
    sides.settle(x, normals, faces, trees, own, 0.1, known)
    assert known.side[-1, 0] == 0
    assert (seen(start, [0.98, 0.5, -0.02])[0].face < 0).all()


def test_what_has_gone_through_for_good_is_on_the_other_side():
    x, faces, trees, own, known, normals = start = hovering()
    x[-1] = [0.5, 0.5, -0.02]  # farther than it must be: given up
    sides.settle(x, normals, faces, trees, own, 0.1, known)
    assert gap(*seen(start, [0.5, 0.5, -0.005])) == pytest.approx(0.005, rel=1e-5)


# --- a sheet in motion


def two_sheets():
    """A hammock held at two ends, and a wavy, smaller sheet turned above it."""
    below, faces = grid(17, 17, 1.0, 1.0)
    above = (below - 0.5) @ Rotation.from_rotvec([0, 0, 0.4]).as_matrix().T * 0.7 + 0.5
    above[:, 2] = 0.02 + 0.005 * np.sin(9 * above[:, 0])
    vertices, faces = np.concatenate([below, above]), np.concatenate([faces, faces + len(below)])
    held = np.where((vertices[:, 2] == 0.0) & ((vertices[:, 0] == 0.0) | (vertices[:, 0] == 1.0)), 1.0, 0.0)
    return vertices, faces, held, np.arange(len(vertices)) >= len(below)


def fallen(vertices, faces, held, falls, touching, steps=24):
    sheet, count = Sheet(vertices, faces), len(vertices)
    shell = Shell(sheet, held, np.zeros((0, 2), int), np.full(count, -9.0), STEP, 30.0, 0.1)
    growth, bending = np.tile(np.eye(2), (len(faces), 1, 1)), np.full(len(sheet.hinges), 2e-4)
    one, most = np.ones(count), 0
    contact = Contact(vertices, faces, 0.01, np.ones(count, bool), np.zeros(count, bool))
    for _ in range(steps):
        shell.step(growth, bending, sheet.kappa, 14 * falls, vertices, contact.springs if touching else None)
        contact.settle(shell.positions, one, one)
        most = max(most, crossed(shell.positions, faces))
    return shell.positions, most


def test_a_sheet_falls_on_another_and_stays_there():
    vertices, faces, held, falls = two_sheets()
    positions, most = fallen(vertices, faces, held, falls.astype(float), touching=True)
    assert most == 0
    assert positions[falls, 2].mean() < 0.02  # it has come down
    _, crossings = fallen(vertices, faces, held, falls.astype(float), touching=False, steps=8)
    assert crossings > 50


def test_contact_moves_nothing_that_does_not_touch():
    vertices, faces, held, falls = two_sheets()
    up = -0.3 * falls.astype(float)
    with_, without = (fallen(vertices, faces, held, up, touching, steps=6)[0] for touching in (True, False))
    np.testing.assert_allclose(with_, without, atol=1e-12)


def test_what_lies_together_at_rest_is_not_pushed_apart():
    vertices, faces, _, falls = two_sheets()
    vertices[falls, 2] = 1e-4  # much nearer than the thickness
    contact = Contact(vertices, faces, 0.01, np.ones(len(vertices), bool), np.zeros(len(vertices), bool))
    assert contact.springs(vertices) is None
    nearer = vertices - np.outer(falls, [0, 0, 0.8e-4])
    springs = contact.springs(nearer)
    assert springs.least.min() > 0.3e-4 and springs.least.max() < 0.6e-4  # half of what it was


def test_springs_know_only_of_what_the_solver_moves():
    vertices, faces, _, falls = two_sheets()
    contact = Contact(vertices, faces, 0.01, falls, np.zeros(len(vertices), bool))
    lower = vertices - np.outer(falls, [0, 0, 0.03])
    springs = contact.springs(lower)
    assert springs.jacobian.shape[1] == falls.sum()
    assert springs.lacking(lower[falls]).max() > 0.01
    # the force is the gradient of the energy, away from where it is capped
    x = lower[falls] + [0, 0, 0.018]
    direction = np.random.default_rng(1).normal(size=x.shape)

    def energy(x):
        lacking = np.maximum(springs.lacking(x), 0.0)
        assert lacking.max() < 0.01
        return 0.5 * (lacking**2).sum()

    h = 1e-6
    slope = (energy(x + h * direction) - energy(x - h * direction)) / (2 * h)
    assert slope == pytest.approx(np.sum(springs.force(x) * direction), rel=1e-4)
    assert abs(slope) > 1e-4


def test_it_lets_go_where_a_sheet_is_torn():
    vertices, faces, _, falls = two_sheets()
    contact = Contact(vertices, faces, 0.01, np.ones(len(vertices), bool), np.zeros(len(vertices), bool))
    lower = vertices - np.outer(falls, [0, 0, 0.03])
    before = len(contact.springs(lower).least)
    torn = vertices.copy()
    torn[falls] = 1.5 * (vertices[falls] - 0.5) + 0.5
    other = contact.fork()
    for settled in (torn, vertices):
        contact.settle(settled, np.ones(len(vertices)), np.ones(len(vertices)))
    assert contact.springs(lower) is None
    assert len(other.springs(lower).least) == before


def test_a_heap_of_scraps_has_no_contact_and_does_not_need_memory_for_it():
    rng = np.random.default_rng(2)
    vertices = rng.uniform(size=(9000, 1, 3)) + 0.01 * rng.normal(size=(9000, 3, 3))
    contact = Contact(
        vertices.reshape(-1, 3), np.arange(27000).reshape(-1, 3), 0.01, np.ones(27000, bool), np.zeros(27000, bool)
    )
    assert contact.none and contact.springs(vertices.reshape(-1, 3)) is None
    contact.settle(vertices.reshape(-1, 3), np.ones(27000), np.ones(27000))
