"""Crossing, visible and enclosed: against definitions, rays of embree, closed forms, and in any order and size."""

import numpy as np
import pytest
import trimesh

from kernels.crossings import crossings, crossings_reference
from kernels.inside import inside, inside_reference
from kernels.visible import visible, visible_reference

SLACK = 1e-6
TRIANGLE = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])


def soup(seed, count=90, size=0.35):
    rng = np.random.default_rng(seed)
    return 0.8 * rng.normal(size=(count, 1, 3)) + size * rng.normal(size=(count, 3, 3))


def strangers(corners):
    """Names of corners of which no two are the same."""
    return np.arange(3 * len(corners)).reshape(-1, 3)


def merged(*meshes):
    """Corners and names of meshes, each with names of its own."""
    corners = np.concatenate([mesh.vertices[mesh.faces] for mesh in meshes])
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    return corners, np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts[:-1], strict=True)])


def torus(centre, upright):
    mesh = trimesh.creation.torus(1.0, 0.3, major_sections=48, minor_sections=24)
    if upright:
        mesh.vertices = mesh.vertices[:, [0, 2, 1]] * [1, -1, 1]
    mesh.vertices += centre
    return mesh


# --- Crossing


@pytest.mark.parametrize(("seed", "slack"), [(0, 0.0), (1, 0.0), (2, 0.1), (3, 0.15)])
def test_crossings_are_those_of_the_definition(seed, slack):
    corners = soup(seed)
    names = np.random.default_rng(seed).integers(0, 300, (len(corners), 3)).astype(np.int32)
    found = crossings(corners, names, slack)
    np.testing.assert_array_equal(found, crossings_reference(corners, names, slack))
    assert 5 < found.sum() < len(corners) - 5


def test_crossings_are_those_that_rays_along_the_edges_find():
    corners = 100 * soup(7, count=400, size=0.2)
    mesh = trimesh.Trimesh(corners.reshape(-1, 3), strangers(corners), process=False)
    expected = np.zeros(len(corners), bool)
    for ends in ([0, 1], [1, 2], [2, 0], [1, 0], [2, 1], [0, 2]):  # both ways: rays start a little way off
        starts, way = corners[:, ends[0]], corners[:, ends[1]] - corners[:, ends[0]]
        length = np.linalg.norm(way, axis=1)
        places, edge, hit = mesh.ray.intersects_location(starts, way / length[:, None], multiple_hits=True)
        reached = np.linalg.norm(places - starts[edge], axis=1)
        within = (reached > 1e-4) & (reached < length[edge] - 1e-4) & (edge != hit)
        expected[edge[within]] = expected[hit[within]] = True
    found = crossings(corners, strangers(corners), SLACK)
    np.testing.assert_array_equal(found, expected)
    assert 50 < found.sum() < 350


def test_neither_order_nor_place_nor_size_changes_what_crosses():
    rng = np.random.default_rng(4)
    corners, names = soup(4), rng.integers(0, 300, (90, 3))
    found = crossings(corners, names, 0.01)
    order, turn = rng.permutation(90), np.linalg.qr(rng.normal(size=(3, 3)))[0]
    np.testing.assert_array_equal(crossings(corners[order][:, [1, 2, 0]], names[order], 0.01), found[order])
    for scale in (1e-4, 1e4):
        moved = scale * (corners @ turn + [3.0, -5.0, 2.0])
        np.testing.assert_array_equal(crossings(moved, names, 0.01 * scale), found)


def test_linked_rings_do_not_cross_and_rings_that_meet_do():
    linked = merged(torus([0, 0, 0], upright=False), torus([1, 0, 0], upright=True))
    assert not crossings(*linked, SLACK).any()
    corners, names = merged(torus([0, 0, 0], upright=False), torus([1.5, 0, 0], upright=True))
    found = crossings(corners, names, SLACK)
    halves = found.reshape(2, -1)
    assert halves.any(axis=1).all()
    # the tubes meet about x = 1 and, at the far ends, nowhere
    assert np.abs(corners[found][..., 0] - 1.0).max() < 0.75


def test_spheres_cross_along_a_circle():
    one = trimesh.creation.icosphere(4)
    other = one.copy()
    other.vertices = other.vertices @ np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    other.vertices += [1.1, 0, 0]
    corners, names = merged(one, other)
    found = crossings(corners, names, SLACK)[: len(one.faces)]
    height = np.linalg.norm(one.vertices - [1.1, 0, 0], axis=1)[one.faces] - 1.0  # of each corner above the other
    sagitta = 0.01  # a face of the other lies at most so far inside its sphere
    assert found[(height.min(axis=1) < -sagitta) & (height.max(axis=1) > sagitta)].all()
    assert not found[(height.min(axis=1) > sagitta) | (height.max(axis=1) < -sagitta)].any()


def test_what_touches_or_lies_in_one_plane_does_not_cross():
    on_it = [TRIANGLE[[0, 1, 2]] * [1, 1, 0], [[0.2, 0.2, 0.0], [0.3, 0.2, 1.0], [0.2, 0.3, 1.0]]]  # a tip on a face
    overlapping = [TRIANGLE, 0.7 * TRIANGLE + [0.1, 0.1, 0.0]]
    edge_on_face = [TRIANGLE, [[0.1, 0.1, 0.0], [0.5, 0.1, 0.0], [0.3, 0.1, 1.0]]]
    above = [TRIANGLE, TRIANGLE + [0.1, 0.1, 1e-3]]
    passing_by = [TRIANGLE, [[2.0, 2.0, -1.0], [2.0, 2.0, 1.0], [3.0, 2.0, 0.0]]]
    for pair in (on_it, overlapping, edge_on_face, above, passing_by):
        corners = np.array(pair)
        assert not crossings(corners, strangers(corners), SLACK).any()
    boxes = merged(trimesh.creation.box(), trimesh.creation.box().apply_translation([0, 0, 1]))
    assert not crossings(*boxes, SLACK).any()


def test_a_tip_crosses_when_it_reaches_deeper_than_the_slack():
    corners = np.array([TRIANGLE, [[0.2, 0.2, -0.02], [0.1, 0.2, 1.0], [0.4, 0.2, 1.0]]])
    for slack, crosses in ((1e-6, True), (0.004, True), (0.021, False)):
        assert crossings(corners, strangers(corners), slack).tolist() == [crosses] * 2
    assert not crossings(corners, np.array([[0, 1, 2], [3, 4, 0]]), SLACK).any()  # neighbours


def test_many_large_triangles_among_small_ones_are_found():
    sphere = trimesh.creation.icosphere(3)
    sheets = np.array([TRIANGLE * 200 + [-60.0, -60.0, height] for height in np.linspace(-0.9, 0.9, 5)])
    corners = np.concatenate([sphere.vertices[sphere.faces], sheets])
    names = np.concatenate([sphere.faces, len(sphere.vertices) + strangers(sheets)])
    found = crossings(corners, names, SLACK)
    heights = corners[: len(sphere.faces), :, 2, None] - np.linspace(-0.9, 0.9, 5)
    through = ((heights.min(axis=1) < -SLACK) & (heights.max(axis=1) > SLACK)).any(axis=1)
    np.testing.assert_array_equal(found, np.append(through, [True] * 5))


def test_nothing_and_next_to_nothing_cross_nothing():
    for corners in (np.zeros((0, 3, 3)), TRIANGLE[None], np.zeros((5, 3, 3)), np.ones((4, 3, 3)) * TRIANGLE[:, :1]):
        assert not crossings(corners, strangers(corners), SLACK).any()
    needle = np.array([TRIANGLE, [[0.2, 0.2, -1.0], [0.2, 0.2, 1.0], [0.2, 0.2, 1.0]]])
    assert not crossings(needle, strangers(needle), SLACK).any()


# --- Visible


def test_visible_triangles_are_those_of_the_definition():
    corners = soup(5, count=200, size=0.5)
    seen = visible(corners, 24)
    np.testing.assert_array_equal(seen, visible_reference(corners, 24))
    assert 100 < seen.sum() < 190


def test_what_is_in_a_box_is_seen_when_a_side_of_it_is_gone():
    box = trimesh.creation.box((2, 2, 2)).subdivide().subdivide()
    ball = trimesh.creation.icosphere(2, 0.5)
    corners = merged(box, ball)[0]
    np.testing.assert_array_equal(visible(corners, 256), np.arange(len(corners)) < len(box.faces))
    for axis in range(3):
        for side in (-1.0, 1.0):
            open_box = np.delete(corners, np.flatnonzero((corners[:, :, axis] == side).all(axis=1)), axis=0)
            assert len(open_box) < len(corners)
            seen = visible(open_box, 256)[-len(ball.faces) :]
            towards = (ball.triangles_center[:, axis] * side) > 0.1
            assert seen[towards].all() and not seen.all()


def test_a_flat_sheet_and_a_point_are_drawn_as_well():
    assert visible(TRIANGLE[None] * 1e-4, 64).all() and visible(TRIANGLE[None] + 1e4, 64).all()
    assert not visible(np.zeros((3, 3, 3)), 64).any() and not visible(np.zeros((0, 3, 3)), 64).any()


# --- Inside


def test_cells_inside_are_those_of_the_definition():
    ball = trimesh.creation.icosphere(1, 4.0)
    rest = np.random.default_rng(0).random(len(ball.faces)) > 0.2
    corners = (ball.vertices * [1, 0.8, 1.1] + [4.6, 4.3, 5.1])[ball.faces[rest]]
    found = inside(corners, (9, 8, 10))
    np.testing.assert_array_equal(found, inside_reference(corners, (9, 8, 10)))
    assert 150 < found.sum() < 300


@pytest.mark.parametrize("hole", [1.0, 0.9, 0.7])
def test_a_ball_without_its_cap_has_the_volume_below_the_cut(hole):
    ball = trimesh.creation.icosphere(4, 25.0)
    faces = ball.faces[ball.vertices[ball.faces][..., 2].max(axis=1) <= hole * 25.0]
    cap = np.pi * (1 - hole) ** 2 * (2 + hole) / 3
    corners = ball.vertices[faces] + [26.2, 27.4, 28.6]
    for way in (1, -1):
        assert inside(corners[:, ::way], (56, 57, 58)).sum() == pytest.approx((4 / 3 * np.pi - cap) * 25**3, rel=0.03)


def test_a_sheet_encloses_nothing():
    sheet = np.array([TRIANGLE, TRIANGLE[::-1] + [0.3, 0.3, 0.1]]) * 30 + 1.0
    assert not inside(sheet, (45, 45, 6)).any() and not inside(sheet[:0], (4, 4, 4)).any()
