"""Dihedrals, and hinges folded by a target."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kernels.hinges import dihedrals, dihedrals_reference, fold_hinges, fold_hinges_reference
from kernels.strain import limit_strain


def drawn(seed=0):
    return np.random.default_rng(seed)


def turns(count, seed=1):
    return Rotation.random(count, random_state=drawn(seed)).as_matrix()


ANGLES = [-3.1, -2.0, -np.pi / 2, -0.3, 0.0, 1e-5, 0.5, np.pi / 2, 2.5, 3.1, np.pi]


def hinge(angle, seed=25):
    """One hinge of two unlike wings, folded by `angle` into a ridge seen from the side of its normals; turned."""
    half = angle / 2
    a, b = np.array([-np.cos(half), 0.0, -np.sin(half)]), np.array([np.cos(half), 0.0, -np.sin(half)])
    y = np.array([0.0, 1.0, 0.0])
    points = np.array([0 * y, 2.0 * y, 0.7 * a + 0.4 * y, 1.3 * b + 1.9 * y])
    return points @ turns(1, seed)[0].T + [0.3, -0.2, 0.5]


def hinges(count=100, seed=26):
    rng = drawn(seed)
    rows = np.array([rng.choice(50, 4, replace=False) for _ in range(count)])
    return rng.normal(size=(50, 3)), rows, rng.uniform(-np.pi, np.pi, count)


ROW = np.arange(4)[None]


@pytest.mark.parametrize("angle", ANGLES)
def test_the_dihedral_is_the_angle_it_was_folded_by(angle):
    found = dihedrals(hinge(angle), ROW)[0]
    assert abs((found - angle + np.pi) % (2 * np.pi) - np.pi) < 1e-13


def test_dihedrals_and_folds_are_their_definitions():
    positions, rows, angles = hinges()
    np.testing.assert_allclose(dihedrals(positions, rows), dihedrals_reference(positions, rows), atol=1e-13)
    expected = fold_hinges_reference(positions, rows, angles)
    np.testing.assert_allclose(fold_hinges(positions, rows, angles), expected, atol=1e-11)


def test_to_swap_ends_or_sides_changes_the_sign():
    positions, rows, _ = hinges()
    angle = dihedrals(positions, rows)
    np.testing.assert_allclose(dihedrals(positions, rows[:, [1, 0, 2, 3]]), -angle, atol=1e-13)
    np.testing.assert_allclose(dihedrals(positions, rows[:, [0, 1, 3, 2]]), -angle, atol=1e-13)
    np.testing.assert_allclose(dihedrals(positions, rows[:, [1, 0, 3, 2]]), angle, atol=1e-13)


@pytest.mark.parametrize("target", ANGLES)
@pytest.mark.parametrize("angle", ANGLES)
def test_a_hinge_is_folded_by_its_target_and_no_more(angle, target):
    before = hinge(angle)
    after = fold_hinges(before, ROW, np.array([target]))[0]
    assert abs((dihedrals(after, ROW)[0] - target + np.pi) % (2 * np.pi) - np.pi) < 1e-12
    for wing in ([0, 1, 2], [0, 1, 3]):
        sides = [points[wing] - points[np.roll(wing, 1)] for points in (before, after)]
        np.testing.assert_allclose(*(np.linalg.norm(side, axis=1) for side in sides), atol=1e-13)
    np.testing.assert_allclose((after - before).sum(axis=0), 0.0, atol=1e-13)
    centre = before.mean(axis=0)
    np.testing.assert_allclose(np.cross(before - centre, after - centre).sum(axis=0), 0.0, atol=1e-12)


def test_a_folded_hinge_lies_as_near_as_it_can():
    positions, rows, angles = hinges()
    before = positions[rows]
    after = fold_hinges(positions, rows, angles)
    away = lambda points: ((points - before) ** 2).sum(axis=(1, 2))  # noqa: E731
    centre, rng = after.mean(axis=1, keepdims=True), drawn(27)
    for size in (1e-3, 0.1, 2.0):
        for _ in range(40):
            turn = Rotation.from_rotvec(size * rng.normal(size=(len(rows), 3))).as_matrix()
            other = centre + size * rng.normal(size=(len(rows), 1, 3)) + (after - centre) @ turn
            assert (away(other) > away(after)).all()


def test_a_hinge_that_is_folded_right_stays():
    positions, rows, _ = hinges()
    found = fold_hinges(positions, rows, dihedrals(positions, rows))
    np.testing.assert_allclose(found, positions[rows], atol=1e-12)


def test_from_one_end_of_the_angles_to_the_other_is_a_small_step():
    before = hinge(-3.1)
    after = fold_hinges(before, ROW, np.array([3.1]))[0]
    assert np.abs(after - before).max() < 0.1
    np.testing.assert_allclose(fold_hinges(before, ROW, np.array([3.1 - 4 * np.pi]))[0], after, atol=1e-13)


def test_folding_knows_neither_place_nor_size():
    positions, rows, angles = hinges()
    turn, found = turns(1, 28)[0], fold_hinges(positions, rows, angles)
    for scale in (1e-300, 1e-150, 1e-9, 1.0, 1e9, 1e80, 1e150, 1e298):
        moved = scale * (positions @ turn.T + [1.0, -2.0, 3.0])
        np.testing.assert_allclose(dihedrals(moved, rows), dihedrals(positions, rows), atol=1e-11)
        wanted = scale * (found @ turn.T + [1.0, -2.0, 3.0])
        np.testing.assert_allclose(fold_hinges(moved, rows, angles), wanted, rtol=0, atol=1e-10 * scale)


def test_a_hinge_without_two_wings_comes_back_as_it_is():
    flat, thin, point = hinge(1.0), hinge(1.0), hinge(1.0)
    flat[2] = 0.5 * (flat[0] + flat[1])
    thin[1] = thin[0]
    point[:] = point[0]
    points = np.concatenate([flat, thin, point, hinge(1.0)])
    rows = np.arange(16).reshape(4, 4)
    np.testing.assert_array_equal(dihedrals(points, rows)[:3], 0.0)
    found = fold_hinges(points, rows, np.full(4, 2.0))
    np.testing.assert_array_equal(found[:3], points.reshape(4, 4, 3)[:3])
    assert np.abs(found[3] - points[12:]).max() > 0.1


def test_a_strip_rolls_up_to_a_hexagon_in_a_local_global_loop():
    """Unit squares with hinges asked for 60 degrees, and triangles asked to be isometric: six of them close a ring."""
    side = np.arange(7.0)
    positions = np.stack([np.repeat(side, 2), np.tile([0.0, 1.0], 7), 0.02 * np.repeat(side, 2) ** 2], axis=1)
    i = 2 * np.arange(6)
    faces = np.concatenate([np.stack([i, i + 2, i + 3], 1), np.stack([i, i + 3, i + 1], 1)])
    folds = np.stack([i[1:], i[1:] + 1, i[1:] - 1, i[1:] + 2], 1)
    flats = np.stack([i, i + 3, i + 1, i + 2], 1)
    rows, angles = np.concatenate([folds, flats]), np.repeat([-np.pi / 3, 0.0], [5, 6])
    triangle = np.array([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]])
    centred = np.eye(4) - 0.25
    terms = [(triangle, face) for face in faces] + [(centred, row) for row in rows]
    matrix = np.zeros((sum(len(block) for block, _ in terms), 14))
    at = 0
    for block, points in terms:
        matrix[at : at + len(block), points] = block
        at += len(block)
    metrics = np.repeat([[[1.0, 1.0], [1.0, 2.0]], [[2.0, 1.0], [1.0, 1.0]]], 6, axis=0)
    inverse = np.linalg.pinv(matrix)
    for _ in range(3000):
        edges = limit_strain(positions, faces, metrics).transpose(0, 2, 1).reshape(-1, 3)
        positions = inverse @ np.concatenate([edges, fold_hinges(positions, rows, angles).reshape(-1, 3)])
    np.testing.assert_allclose(dihedrals(positions, rows), angles, atol=1e-3)
    np.testing.assert_allclose(positions[12:], positions[:2], atol=5e-3)


def test_a_thin_hinge_has_its_angle():
    short = np.array([[0, 0, 0], [0, 1, 0], [-1, 0, 0], [0.6, 0, 0.8]])
    assert dihedrals(short * [1, 1e-70, 1], ROW)[0] == pytest.approx(dihedrals(short, ROW)[0], abs=1e-13)
    assert dihedrals(short * [1e-70, 1, 1e-70], ROW)[0] == pytest.approx(dihedrals(short, ROW)[0], abs=1e-13)


@pytest.mark.parametrize("height", [0.0, -0.0, 1e-20, -1e-20, 1e-12, -1e-12])
def test_wings_that_touch_are_at_pi_never_at_minus_pi(height):
    points = np.array([[0.0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 0, height]])
    for row in (ROW, ROW[:, [1, 0, 2, 3]], ROW[:, [0, 1, 3, 2]]):
        angle = dihedrals(points, row)[0]
        assert -np.pi < angle <= np.pi
        assert abs(angle) == pytest.approx(np.pi, abs=2e-12)
    assert abs(height) > 1e-15 or dihedrals(points, ROW)[0] == np.pi


def test_what_is_no_hinge_is_refused():
    positions, rows, angles = hinges(5)
    with pytest.raises(ValueError, match=r"hinges must lie in 0\.\.2"):
        dihedrals(positions[:3], ROW)
    with pytest.raises(ValueError, match="angles must have the shape"):
        fold_hinges(positions, ROW, np.zeros(2))
    with pytest.raises(ValueError, match="angles holds NaN"):
        fold_hinges(positions, rows, np.nan * angles)
    for call in (dihedrals, lambda *given: fold_hinges(*given, angles)):
        with pytest.raises(ValueError, match=r"positions must not exceed 1e\+300 in size"):
            call(1e301 * positions, rows)
        with pytest.raises(ValueError, match="positions must be real numbers, not complex128"):
            call(positions + 0j, rows)


def test_no_hinges_have_no_angles():
    none = np.zeros((0, 4), int)
    assert dihedrals(np.zeros((5, 3)), none).shape == (0,)
    assert fold_hinges(np.zeros((5, 3)), none, np.zeros(0)).shape == (0, 4, 3)


def test_two_threads_may_call_at_once():
    positions, rows, angles = hinges(5000)
    wanted = fold_hinges(positions, rows, angles)
    with ThreadPoolExecutor(4) as threads:
        for call in [threads.submit(fold_hinges, positions, rows, angles) for _ in range(40)]:
            np.testing.assert_array_equal(call.result(), wanted)
