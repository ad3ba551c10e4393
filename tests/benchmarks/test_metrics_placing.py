"""LifeBench's samples and alignment: spread, symmetry and transforms that are known."""

import numpy as np
import pytest
import trimesh
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from tests.benchmarks.lifebench.metrics.align import STAY, Freedom, Placing, best_turn, place, right_angles
from tests.benchmarks.lifebench.metrics.chamfer import chamfer
from tests.benchmarks.lifebench.metrics.nearest import Tree
from tests.benchmarks.lifebench.metrics.pair import Pair, at_frames
from tests.benchmarks.lifebench.metrics.sampling import of_frame, of_life, present, spread
from tests.benchmarks.lifebench.nouns import Sequence, areas
from tests.benchmarks.lives import life, lopsided, moved, sphere, untracked


def test_each_face_gets_the_points_that_its_area_asks_for():
    vertices, faces = lopsided()
    weights = areas(vertices, faces)
    samples = spread(faces, weights, 5_000)
    share = weights / weights.sum() * 5_000
    got = np.array([(samples.corners == face).all(axis=1).sum() for face in faces])
    assert np.abs(got - share).max() < 1.0 + 1e-9
    assert samples.shares.min() >= 0 and np.allclose(samples.shares.sum(axis=1), 1)


def test_points_lie_evenly_within_a_triangle():
    corners = np.array([[0.0, 0, 0], [3, 0, 0], [0, 2, 0]])
    points = spread(np.array([[0, 1, 2]]), np.ones(1), 2_000).on(corners)
    assert np.allclose(points.mean(axis=0), corners.mean(axis=0), atol=0.005)
    # Var of x over a right triangle with leg a is a^2 / 18.
    assert np.allclose(points[:, :2].var(axis=0), [9 / 18, 4 / 18], rtol=0.01)


def test_another_turn_gives_other_points_and_the_same_turn_the_same():
    vertices, faces = lopsided()
    weights = areas(vertices, faces)
    first, again, other = (spread(faces, weights, 100, turn).on(vertices) for turn in (0, 0, 1))
    assert np.array_equal(first, again)
    assert np.linalg.norm(first - other, axis=1).min() > 1e-4
    fine = trimesh.creation.icosphere(subdivisions=5)  # of smaller faces than the points are apart
    one, two = (spread(fine.faces, fine.area_faces, 500, turn).on(fine.vertices) for turn in (0, 1))
    assert np.median(KDTree(one).query(two)[0]) > 0.2 * np.sqrt(4 * np.pi / 500)


def test_points_of_a_life_are_by_the_area_that_faces_have_while_they_are_there():
    flat = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 0, 0], [6, 0, 0], [5, 1, 0]])
    grown = flat * np.array([1.0, 1, 1, 1, 1, 1])[:, None]
    grown[3:] = flat[3:] * 3  # nine times the area
    sequence = Sequence(
        [(flat, np.array([[0, 1, 2], [3, 4, 5]])), (grown, np.array([[0, 1, 2], [3, 4, 5]]))], True, [0, 1]
    )
    second = (of_life(sequence, 600).corners[:, 0] == 3).mean()
    assert second == pytest.approx(10 / 12, abs=0.01)
    opacity = np.ones((2, 6))
    opacity[1, 3:] = 0.2
    fading = Sequence(sequence.frames, True, [0, 1], opacity=opacity)
    samples = of_life(fading, 600)
    assert (samples.corners[:, 0] == 3).mean() == pytest.approx(1 / 3, abs=0.01)
    assert np.array_equal(present(fading, samples, 1), samples.corners[:, 0] == 0)
    assert of_frame(fading, 1, 50)[:, 0].max() <= 1.0


def test_right_angles_are_the_rotations_of_a_cube():
    turns = right_angles()
    assert len(np.unique(turns, axis=0)) == len(turns) == 24
    assert np.allclose(np.linalg.det(turns), 1) and np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3))


@pytest.mark.parametrize(
    ("freedom", "scale", "angles"),
    [
        (Freedom.UPRIGHT, [1.7, 1.7, 1.7], [0, 0, 2.0]),
        (Freedom.FREE, [0.4, 0.4, 0.4], [1.9, 0.5, -0.8]),
        (Freedom.AXES, [1.3, 0.8, 1.1], [0.2, 1.4, 0.1]),
    ],
)
def test_a_placing_is_found_again(freedom, scale, angles):
    vertices, faces = lopsided()
    points = spread(faces, areas(vertices, faces), 800).on(vertices)
    was = Placing(np.array(scale), Rotation.from_euler("xyz", angles).as_matrix(), np.array([0.5, -2.0, 0.3]))
    found = place([points, points * [1, 1, 1.2]], [was(points), was(points * [1, 1, 1.2])], freedom)
    assert np.abs(found(vertices) - was(vertices)).max() < 2e-3


def test_upright_does_not_tilt_and_none_does_not_move():
    vertices, faces = lopsided()
    points = spread(faces, areas(vertices, faces), 500).on(vertices)
    tilted = points @ Rotation.from_euler("x", 0.3).as_matrix().T
    found = place([points], [tilted], Freedom.UPRIGHT)
    assert np.array_equal(found.turn[2], [0, 0, 1]) and np.ptp(found.scale) == 0
    assert place([points], [tilted], Freedom.NONE) is STAY


def test_the_best_turn_is_no_mirror():
    rng = np.random.default_rng(0)
    turns = Rotation.random(500, rng=1).as_matrix()
    for covariance in (rng.normal(size=(3, 3)), np.diag([3.0, 2, -1]), -np.eye(3)):
        found = best_turn(covariance, upright=False)
        assert np.allclose(found @ found.T, np.eye(3)) and np.linalg.det(found) == pytest.approx(1)
        assert np.trace(found.T @ covariance) >= np.einsum("tik,ik->t", turns, covariance).max()
        angles = Rotation.from_euler("z", np.linspace(0, 6.28, 100)[:, None]).as_matrix()
        upright = best_turn(covariance, upright=True)
        assert np.trace(upright.T @ covariance) >= np.einsum("tik,ik->t", angles, covariance).max()


def test_what_is_in_its_place_stays_there():
    vertices, faces = sphere(fine=2)  # as good turned as not
    points = spread(faces, areas(vertices, faces), 300).on(vertices)
    for freedom in Freedom:
        assert np.abs(place([points], [points], freedom)(vertices) - vertices).max() < 1e-9


def test_a_placing_is_never_worse_than_none():
    vertices, faces = lopsided()
    points = spread(faces, areas(vertices, faces), 300).on(vertices)

    def apart(one, other):
        return (KDTree(one).query(other)[0] ** 2).mean() + (KDTree(other).query(one)[0] ** 2).mean()

    for place_of_the_rest in (2.0, 9.0, 30.0):  # which the answer lacks, and which its middle and spread are without
        whole = np.concatenate([points, points[:20] * 0.1 + [place_of_the_rest, 0, 0]])
        for freedom in (Freedom.UPRIGHT, Freedom.FREE):
            found = place([points], [whole], freedom)
            assert apart(found(points), whole) <= apart(points, whole)


def test_one_placing_serves_all_frames():
    vertices, faces = lopsided()
    steps = np.linspace(0, 0.5, 3)[:, None, None] * [1.0, 0, 0]
    truth = life(vertices + steps, faces)
    pair = Pair.of(moved(truth, (vertices + steps) * 2.0 + [3, 1, 0]), truth, Freedom.UPRIGHT)
    assert np.abs(pair.answer.positions - truth.sequence.positions).max() < 0.01


def test_a_round_thing_is_not_turned_for_nothing():
    vertices, faces = sphere(fine=3)
    points, others = (spread(faces, areas(vertices, faces), 400, turn).on(vertices) for turn in (0, 1))
    for freedom in (Freedom.UPRIGHT, Freedom.FREE, Freedom.AXES):
        for away in ([0.2, 0.1, 0.3], [20.0, -30, 10]):
            found = place([points * 1.5 + away], [others], freedom)
            assert np.trace(found.turn) > 2.9 and np.allclose(found.scale, 1 / 1.5, rtol=0.03)


def test_other_frame_counts_are_brought_to_the_truths():
    vertices, faces = sphere(fine=1)
    paths = vertices + np.array([0.0, 1, 4, 9, 16])[:, None, None] * [0, 0, 0.1]
    truth = life(np.repeat(vertices[None], 9, axis=0), faces)
    answer = moved(
        truth, paths, times=np.array([0, 0.5, 1, 1.5, 2.0]), albedo=np.linspace(0, 1, 5)[:, None, None] + 0 * paths
    )
    brought = at_frames(answer, 9)
    assert np.allclose(
        brought.positions[:, 0, 2] - vertices[0, 2], np.array([0, 0.5, 1, 2.5, 4, 6.5, 9, 12.5, 16]) * 0.1
    )
    assert np.allclose(np.stack(brought.albedo)[:, 0, 0], np.linspace(0, 1, 9))
    nearest = at_frames(untracked(answer), 4).frames
    assert [v[0, 2] for v, _ in nearest] == [paths[t, 0, 2] for t in (0, 1, 3, 4)]
    assert at_frames(answer, 5, loop=True) is answer
    assert len(at_frames(moved(truth, paths[:1], times=np.zeros(1), albedo=None), 4).frames) == 4


@pytest.mark.parametrize("known", [lambda sequence: sequence, untracked])
def test_the_first_frame_once_more_at_the_end_of_a_loop_is_left_out(known):
    vertices, faces = sphere(fine=1)
    angle = np.arange(9)[:, None, None] * np.pi / 4
    paths = vertices + np.concatenate([np.sin(angle), np.cos(angle), 0 * angle], axis=2)
    truth = life(paths[:8], faces, loop=True)
    closed = known(moved(truth, paths, times=np.arange(9) / 3))
    for count, kept in ((8, slice(8)), (4, slice(0, 8, 2))):
        brought = at_frames(closed, count, loop=True)
        assert np.allclose([v for v, _ in brought.frames], paths[kept], atol=1e-9)
    assert np.allclose(at_frames(closed, 9).frames[-1][0], paths[0])  # of a life that does not loop it is its last
    assert not np.allclose(at_frames(closed, 9, loop=True).frames[-1][0], paths[0], atol=1e-3)


def test_distances_of_what_is_put_in_its_place_are_those_in_that_place():
    rng = np.random.default_rng(3)
    points, others = rng.normal(size=(200, 3)), rng.normal(size=(150, 3))
    turn = Rotation.from_euler("xyz", [0.7, -0.4, 2.0]).as_matrix()
    placing = Placing(np.array([0.4, 2.0, 1.1]), turn, np.array([0.3, -0.2, 0.6]))
    apart = np.linalg.norm(placing(points)[:, None] - others, axis=2)
    both = apart.min(axis=1).mean() + apart.min(axis=0).mean()
    assert chamfer(Tree(points), placing, Tree(others), 1_000) == pytest.approx(both, rel=1e-12)
