"""Contact: what passes through what and when, and that sheets that fall, roll up or jump come through nothing."""

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation
from trimesh.ray.ray_pyembree import RayMeshIntersector

from backend.geometry.contact import Contact
from backend.geometry.fields import edges
from backend.geometry.passage import Passage, Places
from backend.geometry.shell import Cloth, Sheet, Shell, Touching
from kernels import impacts, piercings
from kernels.crossings import crossings
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


# --- kernels.piercings


def soup(seed=1, count=40):
    """Vertices at random, triangles of any three, and their edges."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(3 * count, 3))
    faces = rng.permuted(np.tile(np.arange(len(x)), (count, 1)), axis=1)[:, :3]
    faces = faces[np.argsort(x[faces].mean(axis=1)[:, 0])]
    x[faces] = 0.4 * x[faces] + 0.6 * x[faces].mean(axis=1, keepdims=True)
    return x, edges(faces), faces


def pierced(x, lines, faces, asked=None, chosen=None):
    every = np.ones(len(lines), bool), np.ones(len(faces), bool)
    found = piercings.piercings(
        x, lines, faces, piercings.tree(x[::-1], lines, faces), every[0] if asked is None else asked,
        every[1] if chosen is None else chosen,
    )  # fmt: skip
    return set(map(tuple, found))


def test_edges_pass_through_the_triangles_that_the_definition_finds():
    x, lines, faces = soup()
    expected = set(map(tuple, piercings.piercings_reference(x, lines, faces)))
    assert len(expected) > 50
    assert pierced(x, lines, faces) == expected


def test_only_what_is_asked_for_is_told():
    x, lines, faces = soup()
    rng = np.random.default_rng(4)
    asked, chosen = rng.uniform(size=len(lines)) < 0.5, rng.uniform(size=len(faces)) < 0.5
    some = {(e, f) for e, f in pierced(x, lines, faces) if asked[e] and chosen[f]}
    assert pierced(x, lines, faces, asked, chosen) == some and some


def test_triangles_that_cross_are_those_that_an_edge_passes_through_and_those_on_such_edges():
    vertices, faces, _, falls = two_sheets()
    vertices[falls] -= [0.0031, 0.0017, 0.0231]  # waves through the other sheet
    lines = edges(faces)
    crossing = np.zeros(len(faces), bool)
    for edge, face in pierced(vertices, lines, faces.astype(np.int64)):
        crossing[face] = True
        # of the triangles on the edge, which both cross unless it only just reaches in
        crossing |= np.isin(faces, lines[edge]).sum(axis=1) == 2
    expected = crossings(vertices[faces], faces, 1e-9)
    assert expected.sum() > 50
    np.testing.assert_array_equal(crossing, expected)


# --- kernels.impacts


def motions(seed=0, count=3000):
    rng = np.random.default_rng(seed)
    last = rng.uniform(size=(4 * count, 3))
    x = last + 0.5 * rng.normal(size=last.shape)
    return last, x, np.arange(4 * count).reshape(-1, 4), rng.integers(0, 2, count)


def test_impacts_are_where_the_cubic_has_its_roots():
    motion = motions()
    found, expected = impacts.impacts(*motion), impacts.impacts_reference(*motion)
    both = (found.time <= 1.0) & (expected.time <= 1.0)
    # two roots between two samples are not seen
    assert ((found.time <= 1.0) != (expected.time <= 1.0)).sum() <= 2 < 100 < both.sum()
    same = np.abs(found.time - expected.time)[both] < 1e-6
    assert same.mean() > 0.99
    np.testing.assert_allclose(found.weights[both][same], expected.weights[both][same], atol=1e-4)
    np.testing.assert_allclose(found.apart[both][same], expected.apart[both][same], atol=1e-4)


def test_at_an_impact_the_two_are_at_one_place_and_come_from_the_side_that_is_told():
    last, x, points, kind = motions(seed=5)
    found = impacts.impacts(last, x, points, kind)
    hit = found.time <= 1.0
    assert set(kind[hit]) == {impacts.VERTEX, impacts.EDGE}
    time = np.where(hit, found.time, 0.0)[:, None, None]
    at = last[points] + time * (x[points] - last[points])
    np.testing.assert_allclose(np.einsum("kp,kpi->ki", found.weights, at)[hit], 0.0, atol=1e-6)
    before, after = (np.einsum("ki,kp,kpi->k", found.apart, found.weights, y[points])[hit] for y in (last, x))
    assert before.min() > 0.0 > after.max()


def test_a_vertex_that_falls_through_a_moving_triangle():
    last = np.array([[0.3, 0.2, 0.5], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    x = last + [[0.0, 0.0, -1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]
    found = impacts.impacts(last, x, np.array([[0, 1, 2, 3]]), np.array([impacts.VERTEX]))
    assert found.time[0] == pytest.approx(0.25, abs=1e-6)
    np.testing.assert_allclose(found.weights[0], [1.0, -0.5, -0.3, -0.2], atol=1e-6)
    np.testing.assert_allclose(found.apart[0], [0.0, 0.0, 1.0], atol=1e-6)


def test_nearest_points_are_those_that_trimesh_finds():
    _, x, points, _ = motions(seed=6, count=500)
    inside, weights = impacts.nearest(x, points, np.full(len(points), impacts.VERTEX))
    expected = trimesh.triangles.closest_point(x[points[:, 1:]], x[points[:, 0]])
    found = -np.einsum("kp,kpi->ki", weights[:, 1:], x[points[:, 1:]])
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert 20 < inside.sum() < 480


def test_nearest_points_of_edges_lie_across_both():
    _, x, points, _ = motions(seed=7, count=500)
    inside, weights = impacts.nearest(x, points, np.full(len(points), impacts.EDGE))
    a, b, c, d = x[points[inside]].transpose(1, 0, 2)
    way = np.einsum("kp,kpi->ki", weights[inside], x[points[inside]])
    assert 20 < inside.sum() < 480
    assert (weights[inside][:, :2] > 0.0).all() and (weights[inside][:, 2:] < 0.0).all()
    np.testing.assert_allclose(np.einsum("ki,ki->k", way, b - a), 0.0, atol=1e-9)
    np.testing.assert_allclose(np.einsum("ki,ki->k", way, d - c), 0.0, atol=1e-9)


# --- a sheet in motion


def two_sheets():
    """A hammock held at two ends, and a wavy, smaller sheet turned above it."""
    below, faces = grid(17, 17, 1.0, 1.0)
    above = (below - 0.5) @ Rotation.from_rotvec([0, 0, 0.4]).as_matrix().T * 0.7 + 0.5
    above[:, 2] = 0.02 + 0.005 * np.sin(9 * above[:, 0])
    vertices, faces = np.concatenate([below, above]), np.concatenate([faces, faces + len(below)])
    held = np.where((vertices[:, 2] == 0.0) & ((vertices[:, 0] == 0.0) | (vertices[:, 0] == 1.0)), 1.0, 0.0)
    return vertices, faces, held, np.arange(len(vertices)) >= len(below)


def fallen(vertices, faces, held, load, touching, steps=24, turned=0.0, stiff=2e-4):
    """Positions, and the most crossings at any step; turned: curvature along x that it comes to wish for."""
    sheet, count = Sheet(vertices, faces), len(vertices)
    shell = Shell(sheet, Cloth(30.0, 0.1, STEP), held, np.zeros((0, 2), int), np.full(count, -9.0))
    growth, bending = np.tile(np.eye(2), (len(faces), 1, 1)), np.full(len(sheet.hinges), stiff)
    contact, most = Contact(vertices, faces, 0.01, np.ones(count, bool)), 0
    for step in range(steps):
        known = Touching(contact.near(shell.positions), contact.passed) if touching else None
        kappa = sheet.kappa + turned * (step + 1) / steps * sheet.hinge_area * sheet.hinge_edge[:, 1] ** 2
        shell.step(growth, bending, kappa, load, vertices, known)
        if touching:
            shell.positions = contact.held_back(shell.positions)
        contact.settle(shell.positions)
        most = max(most, crossed(shell.positions, faces))
    return shell.positions, most


def test_a_sheet_falls_on_another_and_stays_there():
    vertices, faces, held, falls = two_sheets()
    positions, most = fallen(vertices, faces, held, 14.0 * falls, touching=True)
    assert most == 0
    assert positions[falls, 2].mean() < 0.02  # it has come down
    _, crossings = fallen(vertices, faces, held, 14.0 * falls, touching=False, steps=8)
    assert crossings > 50


def two_strips():
    """A strip held at both ends, and one across it above, so narrow that all their vertices are on their rims; no
    vertex of one is above a triangle of the other."""
    long, faces = grid(10, 2, 0.9, 0.03)
    one, other = long - [0.45, 0.015, 0.0], (long - [0.46, 0.015, 0.0])[:, [1, 0, 2]] * [-1, 1, 1] + [0.0, 0.0, 0.02]
    vertices, faces = np.concatenate([one, other]), np.concatenate([faces, faces + len(long)])
    falls = np.arange(len(vertices)) >= len(long)
    held = np.where(~falls & (np.abs(vertices[:, 0]) > 0.44), 1.0, 0.0)
    return vertices, faces, held, falls


def test_rims_do_not_pass_through_rims():
    vertices, faces, held, falls = two_strips()
    ends = falls & (np.abs(vertices[:, 1]) > 0.3)
    positions, most = fallen(vertices, faces, held, 9.0 * ends, touching=True, steps=16)
    assert most == 0
    assert positions[ends, 2].max() < -0.05  # its ends hang down on both sides
    _, crossings = fallen(vertices, faces, held, 9.0 * ends, touching=False, steps=16)
    lowest = fallen(vertices, faces, held, 9.0 * ends, touching=False, steps=16)[0][falls, 2].max()
    assert crossings > 0 or lowest < -0.1  # it would have fallen through


def test_a_strip_that_rolls_up_does_not_come_through_itself():
    vertices, faces = grid(41, 5, 1.0, 0.1)
    held = np.where(vertices[:, 0] == 0.0, 1.0, 0.0)
    still = np.zeros(len(vertices))
    _, most = fallen(vertices, faces, held, still, touching=True, turned=30.0, stiff=5e-3)
    assert most == 0
    assert fallen(vertices, faces, held, still, touching=False, turned=30.0, stiff=5e-3)[1] > 20


def test_contact_moves_nothing_that_does_not_touch():
    vertices, faces, held, falls = two_sheets()
    up = -4.2 * falls
    with_, without = (fallen(vertices, faces, held, up, touching, steps=6)[0] for touching in (True, False))
    np.testing.assert_array_equal(with_, without)


# --- backend.geometry.contact


def above():
    """Two sheets and their contact, all of which a solver moves."""
    vertices, faces, _, falls = two_sheets()
    return vertices, faces, falls, Contact(vertices, faces, 0.01, np.ones(len(vertices), bool))


def test_where_a_shape_crosses_is_known_anew_after_a_part_of_it_has_moved():
    vertices, faces, _, falls = two_sheets()
    lower = vertices - np.outer(falls, [0.0031, 0.0017, 0.0231])
    passage = Passage(vertices, faces.astype(np.int64), np.ones(len(vertices), bool))
    none, near = Places(np.full(len(vertices), -1), np.zeros(0, np.int64)), vertices[:, 0] < 0.4
    assert (passage.places(lower).number >= 0).sum() > 50
    parted = lower + 0.02 * np.outer(falls & near, [0, 0, 1])
    passage.between(vertices, parted, none, falls & near)
    number = passage.places(parted).number
    fresh = Passage(vertices, faces.astype(np.int64), np.ones(len(vertices), bool)).places(parted).number
    np.testing.assert_array_equal(number >= 0, fresh >= 0)
    assert not (number[near] >= 0).all() and (number[~near] >= 0).any()
    # and not by a shape that differs elsewhere too
    passage.between(vertices, vertices, none, falls & near)
    assert (passage.places(vertices).number < 0).all()


def test_what_would_jump_through_is_held_back_and_what_would_not_goes_where_it_will():
    vertices, faces, falls, contact = above()
    beside = vertices + [3.0, 0.0, 0.0]
    vertices, faces = np.concatenate([vertices, beside]), np.concatenate([faces, faces + len(beside)])
    contact = Contact(vertices, faces, 0.01, np.ones(len(vertices), bool))
    wanted = vertices - 0.03 * np.outer(np.append(falls, np.zeros(len(falls))), [0, 0, 1])
    wanted[len(beside) :] += [0.1, 0.2, -0.05]
    assert crossed(wanted - 0.012 * np.outer(np.append(falls, np.zeros(len(falls))), [0, 0, -1]), faces) > 50
    wanted[: len(beside)] += 0.012 * np.outer(falls, [0, 0, 1])
    found = contact.held_back(wanted)
    assert crossed(found, faces) == 0
    np.testing.assert_array_equal(found[len(beside) :], wanted[len(beside) :])


def test_all_may_turn_together():
    vertices, _, _, contact = above()
    turned = vertices @ Rotation.from_rotvec([0.3, -1.2, 0.4]).as_matrix().T + [0.3, 0.1, -0.2]
    np.testing.assert_array_equal(contact.held_back(turned), turned)
    assert contact.near(turned) is None and contact.passed(turned) is None


def test_what_has_met_is_remembered_while_it_is_near():
    vertices, _, falls, contact = above()
    lower = vertices - np.outer(falls, [0, 0, 0.022])
    springs = contact.passed(lower)
    assert springs.lacking(lower).max() > 0.005
    lying = vertices - np.outer(falls, [0, 0, 0.012])
    contact.settle(lying)
    again = contact.near(lying)
    assert len(again.least) > 20
    way = again.jacobian @ lying
    np.testing.assert_allclose(np.cross(again.apart, way), 0.0, atol=1e-12)
    assert np.einsum("ki,ki->k", again.apart, way).min() > 0.0  # each on the side that it is on
    contact.settle(vertices + np.outer(falls, [0, 0, 0.05]))
    assert contact.near(vertices) is None


def test_what_lies_together_at_rest_may_stay_as_near():
    vertices, faces, _, falls = two_sheets()
    vertices[falls, 2] = 1e-4  # much nearer than the thickness
    contact = Contact(vertices, faces, 0.01, np.ones(len(vertices), bool))
    springs = contact.passed(vertices - np.outer(falls * vertices[:, 0], [0, 0, 3e-4]))
    assert len(springs.least) > 20 and springs.least.max() < 0.6e-4  # half of what it was


def test_what_crosses_at_rest_goes_on_crossing_there():
    vertices, faces, _, falls = two_sheets()
    vertices[falls, 2] -= 0.023
    contact = Contact(vertices, faces, 0.01, np.ones(len(vertices), bool))
    moved = vertices - np.outer(falls, [2e-5, 4e-5, 1e-5])
    assert contact.passed(moved) is None
    np.testing.assert_array_equal(contact.held_back(moved), moved)
    contact._places = Places(np.full(len(vertices), -1), np.zeros(0, np.int64))
    assert contact.passed(moved) is not None  # which is because it did before


def test_springs_know_only_of_what_the_solver_moves():
    vertices, faces, _, falls = two_sheets()
    contact = Contact(vertices, faces, 0.01, falls)
    lower = vertices - np.outer(falls, [0, 0, 0.022])
    springs = contact.passed(lower)
    assert springs.jacobian.shape[1] == falls.sum()
    assert springs.lacking(lower[falls]).max() > 0.005
    # the force is the gradient of the energy, away from where it is capped
    x = lower[falls] + [0, 0, 0.01]
    direction = np.random.default_rng(1).normal(size=x.shape)

    def energy(x):
        lacking = np.maximum(springs.lacking(x), 0.0)
        assert lacking.max() < 0.01
        return 0.5 * (lacking**2).sum()

    h = 1e-6
    slope = (energy(x + h * direction) - energy(x - h * direction)) / (2 * h)
    assert slope == pytest.approx(np.sum(springs.force(x) * direction), rel=1e-4)
    assert abs(slope) > 1e-4


def test_a_given_surface_takes_along_what_it_would_pass_through():
    vertices, faces, _, falls = two_sheets()
    contact = Contact(vertices, faces, 0.01, falls)
    wanted = vertices + np.outer(~falls, [0.01, 0, 0.022])
    assert crossed(wanted, faces) > 20
    found = contact.held_back(wanted)
    assert crossed(found, faces) == 0
    np.testing.assert_array_equal(found[~falls], wanted[~falls])


def test_a_fork_goes_its_own_way():
    vertices, _, falls, contact = above()
    lower = vertices - np.outer(falls, [0, 0, 0.022])
    contact.passed(lower)
    other = contact.fork()
    lying = vertices - np.outer(falls, [0, 0, 0.012])
    contact.settle(lying)
    assert contact.near(lying) is not None and other.near(lower) is None
