"""LifeBench's measures of surfaces, motion and progress on hand-made lives: closed forms, and what must not be seen."""

from dataclasses import replace

import numpy as np
import pytest

from tests.benchmarks.lifebench.metrics import Counts
from tests.benchmarks.lifebench.metrics.align import STAY
from tests.benchmarks.lifebench.metrics.chamfer import chamfer, distances
from tests.benchmarks.lifebench.metrics.chamfer import motion as motion_distance
from tests.benchmarks.lifebench.metrics.colour import albedo_psnr
from tests.benchmarks.lifebench.metrics.nearest import Tree
from tests.benchmarks.lifebench.metrics.progress import Progress, lived, moments, progress
from tests.benchmarks.lifebench.metrics.tracking import motion, shake, surface_motion, trajectory_error
from tests.benchmarks.lives import cube, life, lopsided, moved, own, shifts, sphere, untracked

FEW = Counts(to=20_000, frm=2_000, placing=500)
FLOOR = 0.03  # of half the size: what 20,000 points of one surface are from 20,000 others of it, and more


def turned(vertices, angles):
    """(T, V, 3) about z"""
    c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
    x, y, z = vertices.T
    return np.stack(np.broadcast_arrays(c * x - s * y, s * x + c * y, z + 0 * c), axis=-1)


# --- CD-3D, CD-4D, CD-M


def test_parallel_sheets_are_their_distance_apart_both_ways():
    grid = np.stack([*np.meshgrid(np.arange(20.0), np.arange(20.0)), np.zeros((20, 20))], axis=-1).reshape(-1, 3)
    assert chamfer(Tree(grid), STAY, Tree(grid + [0, 0, 0.3]), 100) == pytest.approx(0.6)
    # One way alone would not see that half is missing: the row at 10 + k has its nearest at 9, k + 1 away.
    assert chamfer(Tree(grid[grid[:, 1] < 10]), STAY, Tree(grid), 400) == pytest.approx(np.arange(1, 11).sum() / 20)


def test_a_still_sphere_beside_one_that_flies_off():
    vertices, faces = sphere()
    paths = vertices + shifts(3, (8.0, 0, 0))
    truth = life(paths, faces)
    each, whole, moving = distances(moved(truth, paths[:1].repeat(3, axis=0)), truth, FEW)
    unit = 2.0 / truth.size
    away = np.array([4.0, 8.0])
    # To a sphere of radius 1 from points of another, d >= 2 off: the mean of |x - d| - 1 is d + 1 / (3 d) - 1.
    expected = 2 * (away + 1 / (3 * away) - 1).sum() / 3 * unit
    assert each < FLOOR
    assert whole == pytest.approx(expected, rel=0.01)
    assert moving == pytest.approx(2 * away.sum() / 3 * unit, rel=0.01)


def test_a_still_cube_beside_one_that_doubles():
    vertices, faces = cube()
    grown = np.array([1.0, 1.5, 2.0])[:, None, None] * vertices
    truth = life(grown, faces)
    each, whole, moving = distances(moved(truth, grown[:1].repeat(3, axis=0)), truth, FEW)
    unit, at = 2.0 / truth.size, (np.arange(400) + 0.5) / 200 - 1  # on a side of the cube of side 2
    inwards = []
    for grow in (1.5, 2.0):
        over = np.maximum(np.abs(at * grow) - 1, 0)
        inwards.append(np.sqrt(over[:, None] ** 2 + over**2 + (grow - 1) ** 2).mean())
    assert each < FLOOR  # a scale for each axis is put right
    assert whole == pytest.approx((0.5 + 1.0 + sum(inwards)) / 3 * unit, rel=0.03)
    reach = np.sqrt(1 + at[:, None] ** 2 + at**2).mean()
    assert moving == pytest.approx(2 * 1.5 / 3 * reach * unit, rel=0.03)


def test_a_spinning_sphere_slides_and_only_its_points_tell():
    vertices, faces = sphere()
    angles = np.linspace(0, 2.0, 3)
    truth = life(turned(vertices, angles), faces)
    answer = moved(truth, vertices[None].repeat(3, axis=0))
    each, whole, moving = distances(answer, truth, FEW)
    # A point at height z is sqrt(1 - z^2) from the axis, pi / 4 in the mean over a sphere.
    chord = (2 * np.sin(angles / 2)).mean() * np.pi / 4
    assert max(each, whole) < FLOOR
    assert moving == pytest.approx(2 * chord * 2 / truth.size, rel=0.02)
    assert trajectory_error(own(answer, truth)) == pytest.approx(chord / truth.size, rel=0.02)


def test_surfaces_without_tracks_have_no_motion_distance():
    vertices, faces = sphere(fine=2)
    truth = life(vertices + shifts(2, (1.0, 0, 0)), faces)
    found = distances(untracked(truth.sequence), truth, FEW)
    assert np.isnan(found[2]) and max(found[:2]) < 3 * FLOOR


def test_what_is_gone_is_not_measured():
    vertices, faces = sphere(fine=2)
    both = np.concatenate([vertices, vertices + [5.0, 0, 0]])
    opacity = np.ones((3, len(both)), np.float32)
    opacity[:, len(vertices) :] = 0.0
    truth = life(both[None].repeat(3, axis=0), np.concatenate([faces, faces + len(vertices)]), opacity=opacity)
    alone = replace(truth.sequence, frames=[(vertices, faces)] * 3, opacity=None)
    assert max(distances(alone, truth, FEW)) < FLOOR
    assert trajectory_error(own(alone, truth)) < 1e-7


def test_motion_is_measured_both_ways_and_while_it_is_there():
    vertices, faces = sphere(fine=3)
    both, two = np.concatenate([vertices, vertices + [6.0, 0, 0]]), np.concatenate([faces, faces + len(vertices)])
    truth = life(both[None].repeat(3, axis=0), two)
    unit = 2.0 / truth.size
    alone = replace(truth.sequence, frames=[(vertices, faces)] * 3)
    # Half of the truth's points are d = 6 from the middle of the one sphere: d + 1 / (3 d) - 1 from it in the mean.
    expected = (6 + 1 / 18 - 1) / 2 * unit
    assert motion_distance(alone, truth, STAY, FEW) == pytest.approx(expected, rel=0.02)
    flying = both + shifts(3, (0, 0, 5.0)) * (np.arange(len(both)) >= len(vertices))[:, None]
    opacity = np.ones((3, len(both)), np.float32)
    opacity[1:, len(vertices) :] = 0.0
    fading = life(flying, two, opacity=opacity)
    assert motion_distance(moved(fading, both[None].repeat(3, axis=0)), fading, STAY, FEW) < FLOOR


def test_what_has_shrunk_to_nothing_is_measured_where_it_was():
    vertices, faces = sphere(fine=2)
    sizes = np.array([1.0, 0.5, 0.0])[:, None, None]
    truth = life(sizes * vertices, faces)
    gone = replace(truth.sequence, opacity=np.ones((3, len(vertices))) * [[1], [1], [0]])
    for answer in (untracked(truth.sequence), gone):
        assert max(distances(answer, truth, FEW)[:2]) < 2 * FLOOR
        assert progress(own(answer, truth)).made == pytest.approx(1)


# --- Points that are followed


def test_the_order_of_vertices_means_nothing():
    vertices, faces = lopsided()
    truth = life(vertices + shifts(4, (0.4, 0.1, 0)), faces)
    order = np.random.default_rng(1).permutation(len(vertices))
    answer = replace(truth.sequence, frames=[(v[order], np.argsort(order)[f]) for v, f in truth.sequence.frames])
    assert trajectory_error(own(answer, truth)) == 0.0
    assert motion(own(answer, truth)) == pytest.approx(1)


def test_vertices_without_faces_are_no_answer():
    vertices, faces = sphere(fine=2)
    truth = life(vertices + shifts(3, (0, 0, 1.0)), faces)
    still = moved(truth, vertices[None].repeat(3, axis=0))
    loose = [np.concatenate([v, aim]) for (v, _), aim in zip(still.frames, truth.sequence.positions, strict=True)]
    assert trajectory_error(own(moved(truth, loose), truth)) == trajectory_error(own(still, truth)) > 0.1


def test_spheres_that_change_places_look_still_at_the_end():
    vertices, faces = sphere(fine=2)
    pair = np.concatenate([vertices - [2, 0, 0], vertices + [2, 0, 0]])
    faces = np.concatenate([faces, faces + len(vertices)])
    turns = turned(pair, np.array([0.0, np.pi]))  # half a turn about the middle
    truth = life(turns, faces)
    answer = own(moved(truth, pair[None].repeat(2, axis=0)), truth)
    # At the end a point (x, y, z) is at (-x, -y, z).
    expected = (np.linalg.norm(2 * pair[:, :2], axis=1) * answer.weights[0]).sum() / truth.size
    assert trajectory_error(answer) == pytest.approx(expected, rel=1e-6)
    assert progress(answer).made == 0.0


def test_a_drift_is_its_mean_length():
    vertices, faces = sphere(fine=2)
    truth = life(vertices[None].repeat(5, axis=0), faces)
    answer = moved(truth, vertices + shifts(5, (0, 0.3, 0.4)))
    assert trajectory_error(own(answer, truth)) == pytest.approx(0.25 / 2.0, rel=0.005)


def test_points_are_matched_where_there_is_most_surface():
    vertices, faces = lopsided()
    grown = np.array([1e-4, 0.5, 1.0])[:, None, None] * vertices
    noise = np.random.default_rng(2).normal(size=grown.shape) * 2e-3
    born = life(grown, faces, given=None)
    assert born.anchor == 2
    assert trajectory_error(own(moved(born, grown + noise), born)) < 4e-3
    at_birth = replace(born, given=0)  # where all points are one, nobody can tell which is which
    assert trajectory_error(own(moved(at_birth, grown + noise), at_birth)) > 0.05


def test_points_at_one_place_are_told_apart_by_their_paths_and_colours():
    vertices, faces = sphere(fine=2)
    both, faces = np.concatenate([vertices, vertices]), np.concatenate([faces, faces + len(vertices)])
    side = np.repeat([-1.0, 1.0], len(vertices))
    parting = both + np.linspace(0, 1, 4)[:, None, None] * side[:, None] * [2.0, 0, 0]
    noise = np.random.default_rng(4).normal(size=parting.shape) * 1e-3
    truth = life(parting, faces)
    assert trajectory_error(own(moved(truth, parting + noise), truth)) < 1e-3
    colours = np.maximum(side, 0)[:, None] * np.ones((2, 1, 3))
    together = life(both[None].repeat(2, axis=0), faces, colours=colours)
    order = np.roll(np.arange(len(both)), len(vertices))  # the same, the other sphere first
    answer = replace(together.sequence, albedo=colours[:, order])
    assert albedo_psnr(own(answer, together)) == 100


def test_what_shrinks_to_nothing_still_counts():
    vertices, faces = sphere(fine=2)
    sizes = np.array([1.0, 0.5, 0.0])
    small = np.array([3.0, 0, 0]) + sizes[:, None, None] * vertices
    both = np.concatenate([vertices[None].repeat(3, axis=0), small], axis=1)
    truth = life(both, np.concatenate([faces, faces + len(vertices)]))
    answer = moved(truth, both[:1].repeat(3, axis=0))
    weight = (sizes**2).mean() / (1 + (sizes**2).mean())  # by area over its life
    assert trajectory_error(own(answer, truth)) == pytest.approx(weight * 0.5 / truth.size, rel=0.01)


def test_a_part_of_the_motion_is_that_part():
    vertices, faces = sphere(fine=2)
    sway = np.sin(np.linspace(0, 2 * np.pi, 9))[:, None, None] * np.array([0, 0, 0.5])
    truth = life(vertices + sway, faces)
    for share in (0.0, 0.5, 2.0):
        assert motion(own(moved(truth, vertices + share * sway), truth)) == pytest.approx(share, abs=1e-6)
    ramp = np.linspace(0, 0.5, 9)
    assert motion(own(moved(truth, vertices + ramp[:, None, None] * [1.0, 0, 0]), truth)) == pytest.approx(
        ramp.std() / sway[:, 0, 2].std(), rel=1e-5
    )
    assert motion(own(moved(truth, vertices + 0 * sway), truth)) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("known", [lambda sequence: sequence, untracked])
def test_the_motion_of_a_surface_is_the_same_whether_points_are_followed_or_not(known):
    vertices, faces = sphere(fine=2)
    away = np.array([0.0, 1, 2, 3])[:, None, None] * np.array([0, 0, 9.0])
    truth = life(vertices + away, faces)
    assert surface_motion(own(known(moved(truth, vertices + 0 * away)), truth)) == 0.0
    assert surface_motion(own(known(truth.sequence), truth)) == 1
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    spun = moved(truth, np.stack([vertices @ np.linalg.matrix_power(turn, k) for k in range(4)]))
    assert surface_motion(own(known(spun), truth)) < 0.02 < 0.05 < motion(own(spun, truth))
    half = moved(truth, vertices + 0.5 * away)
    assert surface_motion(own(known(half), truth)) == pytest.approx(0.45, abs=0.06)  # less than points: nearest ones


def test_vanishing_is_as_much_motion_as_appearing():
    vertices, faces = sphere(fine=3)
    both, two = np.concatenate([vertices, vertices + [6.0, 0, 0]]), np.concatenate([faces, faces + len(vertices)])
    appears = np.where(np.arange(len(both)) < len(vertices), 1.0, [[0.0], [1.0]])
    truth = life(np.stack([both, both]), two, opacity=appears)
    vanishing = replace(untracked(truth.sequence), frames=[(both, two), (vertices, faces)], opacity=None)
    assert surface_motion(own(vanishing, truth)) == pytest.approx(1, rel=1e-6)


def test_shaking_is_seen_and_the_truths_own_is_not():
    vertices, faces = sphere(fine=2)
    swing = (-1.0) ** np.arange(6)[:, None, None] * np.array([0.0, 0, 0.02])
    truth = life(vertices + 0 * swing, faces)
    assert shake(own(moved(truth, vertices + swing), truth)) == pytest.approx(4 * 0.02 / 2.0, rel=1e-5)
    swinging = life(vertices + swing, faces)
    assert shake(own(swinging.sequence, swinging)) == 0.0
    assert shake(own(moved(swinging, vertices + 0 * swing), swinging)) == 0.0


# --- Progress


def passed(*found: float) -> Progress:
    return Progress(np.array(found), np.linspace(0, 1, len(found)))


def test_progress_of_moments():
    assert passed(0, 0.25, 0.5, 0.75, 1).made == 1.0
    assert passed(0, 0.125, 0.25, 0.375, 0.5).made == 0.5
    assert passed(0, 0.125, 0.25, 0.375, 0.5).late == 0.25
    assert Progress(np.array([0, 0.5, 1]), np.array([0, 0.8, 1])).late == pytest.approx(0.1)
    assert passed(0.4, 0.4, 0.4, 0.4).made == 0.0
    assert passed(1, 0.5, 0).made == 0.0
    assert passed(0, 0.5, 1, 0.5, 0).made == 0.0 and passed(0, 0.5, 1, 0.5, 0).covered == 1.0
    assert passed(0, 1, 0.5, 1).made == 0.5  # a way of 1 in travels of 2


def test_moments_are_nearest_but_for_noise():
    places = np.linspace(0, 1, 4)
    far = np.abs(places[:, None] - places) * 0.3
    assert np.allclose(moments(far[[0, 2, 3, 1]], places), places[[0, 2, 3, 1]])
    noise = np.random.default_rng(0).uniform(0, 1e-4, (6, 6))
    assert np.ptp(moments(noise, np.linspace(0, 1, 6))) == 0.0


def test_rest_is_no_part_of_a_life():
    assert np.allclose(lived([0.1, 0.02, 0, 0, 0.3]), np.array([0, 1, 2, 2, 2, 3]) / 3)
    assert np.allclose(lived([0.1, 0.00125, 0.2, 0.1]), np.array([0, 1, 1.5, 2.5, 3.5]) / 3.5)  # half at rest
    assert np.array_equal(lived([0.0, 0.0]), [0, 0, 0])
    vertices, faces = sphere(fine=2)
    sizes = np.array([0.3, 0.3, 0.3, 0.6, 0.8, 1.0, 1.0, 1.0])[:, None, None]
    truth = life(sizes * vertices, faces)
    assert progress(own(truth.sequence, truth)).made == pytest.approx(1)
    first = moved(truth, (sizes * vertices)[:1].repeat(8, axis=0))
    assert progress(own(first, truth)).made == 0.0


def test_progress_of_a_growing_sphere():
    vertices, faces = sphere(fine=2)
    sizes = np.linspace(0.3, 1.0, 6)[:, None, None]
    truth = life(sizes * vertices, faces)
    noisy = truth.sequence.positions + np.random.default_rng(3).normal(size=(6, len(vertices), 3)) * 2e-3
    for answer in (untracked(truth.sequence), moved(truth, noisy)):
        assert progress(own(answer, truth)).made == pytest.approx(1)
    for frame in (0, 4):
        assert progress(own(moved(truth, (sizes * vertices)[frame][None].repeat(6, axis=0)), truth)).made == 0.0
    assert progress(own(moved(truth, (sizes * vertices)[::-1]), truth)).made == 0.0
    halfway = np.linspace(0.3, 0.65, 6)[:, None, None] * vertices
    assert progress(own(moved(truth, halfway), truth)).made == pytest.approx(0.5, abs=0.11)


def test_a_life_in_which_half_goes_or_comes_is_seen_both_ways():
    vertices, faces = sphere(fine=2)
    both, two = np.concatenate([vertices, vertices + [6.0, 0, 0]]), np.concatenate([faces, faces + len(vertices)])
    first = np.arange(len(both)) < len(vertices)
    for shown in ([1, 1, 0, 0], [0, 0, 1, 1]):
        opacity = np.where(first, 1.0, np.array(shown)[:, None])
        truth = life(both[None].repeat(4, axis=0), two, opacity=opacity)
        assert progress(own(untracked(truth.sequence), truth)).made == pytest.approx(1)


def test_a_life_of_colour_alone_is_progress_where_it_is_told():
    vertices, faces = sphere(fine=2)
    shape = vertices[None].repeat(6, axis=0)
    truth = life(shape, faces, colours=np.linspace(0, 1, 6)[:, None, None] + 0 * shape)
    assert progress(own(truth.sequence, truth)).made == pytest.approx(1)
    assert progress(own(replace(truth.sequence, albedo=None), truth)).made == 0.0
