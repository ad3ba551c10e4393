"""Contact: what is near, what is pushed apart, and that nothing passes through anything."""

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation
from trimesh.ray.ray_pyembree import RayMeshIntersector

from backend.geometry.contact import Contact
from backend.geometry.fields import edges
from backend.geometry.shell import Sheet, Shell
from kernels.proximity import MOVES, TANGLED, Elements, distance_reference, measure, near_reference


def sheet(columns, rows, width=1.0, height=1.0):
    """Flat in z = 0, with diagonals that all lean one way."""
    x, y = np.meshgrid(np.linspace(0, width, columns), np.linspace(0, height, rows), indexing="ij")
    i = np.arange(columns * rows).reshape(columns, rows)
    a, b, c, d = i[:-1, :-1].ravel(), i[1:, :-1].ravel(), i[1:, 1:].ravel(), i[:-1, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    return np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1), faces


def layers(count, gap, columns=7):
    """Sheets above one another, each turned a little, so that edges cross over edges."""
    flat, faces = sheet(columns, columns)
    middle = np.array([0.5, 0.5, 0.0])
    turns = [Rotation.from_rotvec([0, 0, 0.3 * k]).as_matrix().T for k in range(count)]
    turned = [(flat - middle) @ turn + [0, 0, gap * k] for k, turn in enumerate(turns)]
    return np.concatenate(turned), np.concatenate([faces + k * len(flat) for k in range(count)])


def crossed(vertices, faces):
    """How often an edge passes through a triangle that it has no vertex in common with, by rays of Embree."""
    sides = edges(faces)
    start, way = vertices[sides[:, 0]], vertices[sides[:, 1]] - vertices[sides[:, 0]]
    length = np.linalg.norm(way, axis=1)
    rays = RayMeshIntersector(trimesh.Trimesh(vertices, faces, process=False))
    triangle, ray, place = rays.intersects_id(
        start, way / length[:, None], multiple_hits=True, max_hits=50, return_locations=True
    )
    share = np.linalg.norm(place - start[ray], axis=1) / length[ray]
    own = (faces[triangle][:, :, None] == sides[ray][:, None]).any(axis=(1, 2))
    return int(((share > 1e-4) & (share < 1 - 1e-4) & ~own).sum())


def everywhere(contact, start, end, faces, parts=8):
    """Crossings on the straight way, at the most."""
    return max(crossed(start + s * (end - start), faces) for s in np.linspace(0, 1, parts + 1)[1:])


# --- what is near


@pytest.mark.parametrize("across", [False, True])
def test_distances_of_pairs_are_their_definition(across):
    rng = np.random.default_rng(1)
    points = rng.normal(size=(400, 4, 3))
    points[:40, :, 2] = 0.0  # in one plane
    points[40:60, 1] = points[40:60, 0]  # an edge, or a side, that is a point
    points[60:80, 3] = points[60:80, 2]
    points[80:120, 3] = points[80:120, 2] + points[80:120, 1] - points[80:120, 0]  # parallel edges
    pairs = np.arange(1600).reshape(-1, 4)
    weights, between = measure(points.reshape(-1, 3), pairs, np.full(400, across))
    expected = [distance_reference(p, across) for p in points]
    np.testing.assert_allclose(np.linalg.norm(between, axis=1), expected, atol=1e-9)
    np.testing.assert_allclose(np.einsum("pk,pki->pi", weights, points), between, atol=1e-12)
    first = 2 if across else 1
    np.testing.assert_allclose(weights[:, :first].sum(axis=1), 1.0)
    np.testing.assert_allclose(weights[:, first:].sum(axis=1), -1.0)
    assert weights[:, :first].min() >= 0.0 and weights[:, first:].max() <= 0.0


def named(pairs, across):
    split = [2 if a else 1 for a in across]
    return {
        frozenset([tuple(sorted(p[:s].tolist())), tuple(sorted(p[s:].tolist()))])
        for p, s in zip(pairs, split, strict=True)
    }


@pytest.mark.parametrize("count", [1, 2, 4])
def test_near_pairs_are_their_definition(count):
    rng = np.random.default_rng(count)
    rest, faces = layers(count, 0.1, 5)
    positions = rest + 0.08 * rng.normal(size=rest.shape)
    ways, slack = 0.05 * rng.normal(size=rest.shape) + [0.3, 0, 0], rng.uniform(0, 0.05, len(rest))
    sides = edges(faces)
    marks = np.full(len(rest), MOVES, np.uint8)
    found, across, gaps = Elements(rest, faces, sides).near(positions, ways, slack, marks, 9999)
    expected = near_reference(positions, (faces, sides), ways, slack)
    expected = {frozenset(tuple(sorted(part)) for part in pair) for pair in expected}
    assert named(found, across) <= expected and len(found) == len(named(found, across))
    passed = np.stack([positions, positions + ways - ways.mean(axis=0)])
    for one, other in (list(pair) for pair in expected - named(found, across)):
        between = np.maximum(
            passed[:, other].min(axis=(0, 1)) - passed[:, one].max(axis=(0, 1)),
            passed[:, one].min(axis=(0, 1)) - passed[:, other].max(axis=(0, 1)),
        )
        assert between.max() > slack[[*one]].max() + slack[[*other]].max()  # their boxes lie apart
    assert len(found) > 0.8 * len(expected)
    np.testing.assert_allclose(np.linalg.norm(measure(positions, found, across)[1], axis=1), gaps)


def test_what_does_not_move_or_is_tangled_is_no_pair():
    rest, faces = layers(3, 0.05, 5)
    layer = np.arange(len(rest)) // 25
    finder = Elements(rest, faces, edges(faces))
    marks = np.array([0, MOVES | TANGLED, MOVES | TANGLED], np.uint8)[layer]
    pairs, across, _ = finder.near(rest, np.zeros_like(rest), np.full(len(rest), 0.03), marks, 9999)
    first, second = layer[pairs[:, 0]], layer[np.where(across, pairs[:, 2], pairs[:, 1])]
    assert {(a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True)} == {(0, 1), (1, 0)}
    assert finder.near(rest, np.zeros_like(rest), np.full(len(rest), 0.03), marks, len(pairs) - 1) is None


# --- apart


def test_layers_are_pushed_apart_to_the_thickness():
    rest, faces = layers(3, 0.1)
    contact = Contact(rest, faces, 0.03, np.ones(len(rest)))
    pressed = rest * [1, 1, 0.1]
    contact.begin(pressed)
    for _ in range(4):
        contact.project(pressed)
    contact.begin(pressed)
    layer = np.arange(len(rest)) // 49
    gap = np.diff([pressed[layer == k, 2].mean() for k in range(3)])
    np.testing.assert_allclose(gap, 0.03, atol=0.006)


def test_the_lighter_side_gives_way_and_what_is_given_stays():
    rest, faces = layers(2, 0.1)
    mobility = np.repeat([0.0, 1.0], 49)
    contact = Contact(rest, faces, 0.03, mobility)
    pressed = rest * [1, 1, 0.1]
    below = pressed[:49].copy()
    contact.begin(pressed)
    contact.project(pressed)
    np.testing.assert_array_equal(pressed[:49], below)
    assert pressed[49:, 2].mean() > 0.024


def test_nothing_passes_through_however_wild_the_way():
    rest, faces = layers(4, 0.05)
    contact = Contact(rest, faces, 0.01, np.ones(len(rest)))
    rng = np.random.default_rng(5)
    for size in (0.05, 0.15, 0.5):
        end = rest + size * rng.normal(size=rest.shape)
        assert crossed(end, faces) > 0
        contact.begin(rest)
        safe = contact.finish(end)
        assert everywhere(contact, rest, safe, faces) == 0
        assert np.linalg.norm(safe - rest, axis=1).mean() > 0.002  # nor is everything just held
    assert contact.lost == 0


def test_neither_the_push_nor_the_guard_presses_through_the_floor():
    rest, faces = layers(4, 0.05)
    contact = Contact(rest, faces, 0.03, np.ones(len(rest)), np.zeros(len(rest)))
    pressed = rest * [1, 1, 0.1]
    contact.begin(pressed)
    contact.project(pressed)
    assert pressed[:, 2].min() >= 0.0
    assert (np.diff(pressed[:, 2].reshape(4, 49).mean(axis=1)) > 0.015).all()
    end = rest + 0.15 * np.random.default_rng(7).normal(size=rest.shape)
    end[:, 2] = np.maximum(end[:, 2], 0.0)
    contact.begin(rest)
    assert contact.finish(end)[:, 2].min() >= 0.0


def test_a_push_through_the_matrix_of_a_solver_bends_a_sheet_and_does_not_crumple_it():
    rest, faces = layers(2, 0.03, 15)
    count = len(rest) // 2
    sides = edges(faces)
    stiff = np.zeros((len(rest), len(rest)))
    stiff[sides[:, 0], sides[:, 1]] = stiff[sides[:, 1], sides[:, 0]] = -1.0
    stiff -= np.diag(stiff.sum(axis=1) - 0.01)
    dent = rest.copy()
    dent[count:, 2] -= 0.035 * np.exp(-((rest[count:, :2]) ** 2).sum(axis=1) / 0.02)
    contact = Contact(rest, faces, 0.02, np.ones(len(rest)))

    def roughness(solve):
        x = dent.copy()
        contact.begin(rest, solve)
        contact.project(x)
        assert x[count:, 2].min() - x[:count, 2].max() > -0.02
        return np.abs(stiff @ (x - dent)).max()

    assert roughness(lambda forces: np.linalg.solve(stiff, forces)) < 0.6 * roughness(None)


def test_layers_that_fall_together_fall_freely():
    rest, faces = layers(4, 0.02)
    contact = Contact(rest, faces, 0.005, np.ones(len(rest)))
    end = rest + [0.0, 0.1, -0.7]
    contact.begin(rest)
    np.testing.assert_array_equal(contact.finish(end), end)


def test_what_crosses_at_rest_is_left_to_move():
    flat, faces = sheet(7, 7)
    upright = flat[:, [0, 2, 1]] + [0.01, 0.52, -0.47]
    rest, both = np.concatenate([flat, upright]), np.concatenate([faces, faces + 49])
    assert crossed(rest, both) > 0
    contact = Contact(rest, both, 0.02, np.ones(98))
    end = rest + np.repeat([[0.0, 0.0, 0.0], [0.0, 0.12, 0.08]], 49, axis=0)
    contact.begin(rest)
    assert np.abs(contact.finish(end) - end).max() < 0.02


def test_a_leaf_is_stopped_by_a_given_pot_and_by_the_floor():
    leaf, faces = sheet(9, 9, 0.5, 0.5)
    pot = trimesh.creation.icosphere(2, 0.25)
    rest = np.concatenate([leaf + [-0.27, -0.22, 0.6], pot.vertices + [0, 0, 0.3]])
    both = np.concatenate([faces, np.asarray(pot.faces) + 81])
    floor = np.zeros(len(rest))
    contact = Contact(rest, both, 0.01, np.repeat([1.0, 0.0], [81, len(pot.vertices)]), floor)
    x = rest.copy()
    for _ in range(8):
        end = x - np.repeat([[0.0, 0.0, 0.1], [0.0, 0.0, 0.0]], [81, len(pot.vertices)], axis=0)
        contact.begin(x)
        x = contact.finish(end)
        assert crossed(x, both) == 0
    np.testing.assert_array_equal(x[81:], rest[81:])
    assert contact.lost == 0
    assert x[:81, 2].min() >= 0.0 and x[:81, 2].max() > 0.5


# --- in the loop


def rolled(contact_of):
    """A slanting strip that wants to roll up into itself."""
    flat, faces = sheet(36, 6, 1.2, 0.2)
    flat += [0, 0, 0.5]
    flat[:, 1] += 0.1 * flat[:, 0]
    rest = Sheet(flat, faces)
    held = (flat[:, 0] > 1.16).astype(float)
    strip = Shell(
        rest, held, np.zeros((0, 2), int), np.zeros(len(flat)), 1 / 24, 30.0, 0.1, contact=contact_of(flat, faces, held)
    )
    turn = 22.0 * rest.hinge_area * np.sign(rest.hinge_normal[:, 2]) * (1 - rest.hinge_edge[:, 0] ** 2)
    unit, bend = np.tile(np.eye(2), (len(faces), 1, 1)), np.full(len(rest.hinges), 0.02)
    counts = []
    for k in range(24):
        strip.step(unit, bend, rest.kappa + turn * k / 24, np.zeros(len(flat)), flat)
        counts.append(crossed(strip.positions, faces))
    return strip.positions, max(counts)


def test_a_strip_rolls_up_without_passing_through_itself():
    free, through = rolled(lambda *_: None)
    kept, none = rolled(lambda flat, faces, held: Contact(flat, faces, 0.008, 1.0 - 0.9 * held))
    assert through > 20 and none == 0
    assert np.ptp(kept[:, 0]) < 0.6 and np.ptp(free[:, 0]) < 0.6  # both have rolled up: it was 1.2


def test_the_same_steps_give_the_same_bytes():
    rest, faces = layers(4, 0.05)
    end = rest + 0.15 * np.random.default_rng(6).normal(size=rest.shape)
    found = []
    for _ in range(2):
        contact = Contact(rest, faces, 0.01, np.ones(len(rest)))
        contact.begin(rest)
        found.append(contact.finish(end).tobytes())
    assert found[0] == found[1]
