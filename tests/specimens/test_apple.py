"""The apple: colour comes on the sunny side, lesions widen by the same length a day, matter goes as told."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from backend.species import Apple
from backend.specimens.apple import DRIED, RIPE, ROTTED, grow
from tests.growth import volume


@pytest.fixture(scope="module")
def rots():
    return grow(Apple(), 3)


@pytest.fixture(scope="module")
def dries():
    return grow(Apple(damp=0.0), 3)


def part(specimen, name: str) -> np.ndarray:
    return specimen.mesh.parts == specimen.mesh.part_names.index(name)


def redness(albedo: np.ndarray) -> np.ndarray:
    return (albedo[:, 0] - albedo[:, 1]) / albedo.sum(axis=1)


def skin_area(specimen, tau: float) -> float:
    faces = specimen.mesh.faces[part(specimen, "fruit")[specimen.mesh.faces[:, 0]]]
    a, b, c = np.moveaxis(specimen.at(tau).positions.astype(float)[faces], 1, 0)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def test_it_turns_red_on_one_side(rots):
    fruit = part(rots, "fruit")
    green, ripe = rots.at(0.0), rots.at(RIPE)
    assert redness(green.albedo[fruit]).mean() < 0.1 < 0.4 < redness(ripe.albedo[fruit]).mean()
    points = ripe.positions[fruit]
    middle = np.abs(points[:, 2] - 0.04) < 0.012
    red = redness(ripe.albedo[fruit])[middle]
    ways = points[middle, :2] / np.linalg.norm(points[middle, :2], axis=1, keepdims=True)
    sunny = (ways * (red - red.mean())[:, None]).sum(axis=0)
    facing = ways @ sunny / np.linalg.norm(sunny)
    assert red[facing > 0.7].mean() > red[facing < -0.7].mean() + 0.15


def test_rot_widens_by_the_same_length_a_day():
    """The first lesion alone: the farthest brown from its wound grows linearly, as in Monilinia."""
    specimen = grow(Apple(leaf=0), 4)
    fruit = part(specimen, "fruit")
    ripe = specimen.at(RIPE)
    sound = ripe.albedo[fruit]
    taus = RIPE + np.array([0.02, 0.04, 0.06, 0.08])
    rotten = [
        np.abs(specimen.at(tau).albedo[fruit] - sound).max(axis=1) > 0.5 * np.abs(sound).max(axis=1) for tau in taus
    ]
    wound = ripe.positions[fruit][rotten[0]].mean(axis=0)
    away = np.linalg.norm(ripe.positions[fruit] - wound, axis=1)
    reach = np.array([np.quantile(away[spot & (away < 0.02)], 0.9) for spot in rotten])
    steps = np.diff(reach)
    assert (steps > 0.002).all() and steps.max() < 1.25 * steps.min()


def test_spores_stand_on_rings(rots):
    """Along the way out from the first wound, pale tufts and brown between them take turns."""
    fruit = part(rots, "fruit")
    early, late = rots.at(RIPE + 0.05), rots.at(0.7)
    first = np.abs(early.albedo[fruit] - rots.at(RIPE).albedo[fruit]).max(axis=1) > 0.15
    at_ripe = rots.at(RIPE).positions[fruit]
    away = np.linalg.norm(at_ripe - at_ripe[first].mean(axis=0), axis=1) / 0.075
    light = late.albedo[fruit].mean(axis=1)
    rings = np.array([light[np.abs(away - 0.12 * day) < 0.02].mean() for day in (0.5, 1.0, 1.5, 2.0, 2.5)])
    assert rings[1] > 1.5 * rings[0] and rings[1] > 1.3 * rings[2] and rings[3] > 1.3 * rings[4]


@pytest.mark.parametrize(("damp", "left"), [(1.0, ROTTED), (0.0, DRIED)])
def test_what_is_left_of_it(damp, left):
    specimen = grow(Apple(damp=damp, detail=0.6), 2)
    ripe, end = (volume(specimen.mesh, specimen.at(tau).positions, ("fruit",)) for tau in (RIPE, 1.0))
    assert end / ripe == pytest.approx(left, rel=1e-3)


def test_a_dry_skin_is_too_large_for_what_is_left(dries):
    """A smooth fruit that shrank to 0.45 of its volume would keep 0.59 of its skin; a wrinkled one keeps more."""
    assert skin_area(dries, 1.0) / skin_area(dries, RIPE) > 1.08 * DRIED ** (2 / 3)


def test_a_dry_fruit_is_hollow_here_and_there(dries):
    """Not only furrowed: the mean distance of its flank from its middle changes from region to region."""
    fruit = part(dries, "fruit")
    ripe, dry = (dries.at(tau).positions[fruit] for tau in (RIPE, 1.0))
    ripe, dry = (points - [0, 0, np.ptp(points[:, 2]) / 2] for points in (ripe, dry))
    far = np.linalg.norm(ripe, axis=1)
    shrunk, ways = np.linalg.norm(dry, axis=1) / far, ripe / far[:, None]
    flank = np.flatnonzero(np.abs(ripe[:, 2]) < 0.2 * np.ptp(ripe[:, 2]))[::40]
    regions = [shrunk[near].mean() for near in cKDTree(ways).query_ball_point(ways[flank], 0.5)]
    assert np.std(regions) > 0.02 * np.mean(regions)


def test_damp_chooses_the_end(rots, dries):
    fruit = part(rots, "fruit")
    assert np.array_equal(rots.at(RIPE).positions, dries.at(RIPE).positions)
    assert dries.at(1.0).roughness[fruit].std() < 0.05 < rots.at(1.0).roughness[fruit].std()
    assert np.abs(rots.at(0.7).positions - dries.at(0.7).positions).max() > 0.004


def test_height_is_that_of_the_ripe_fruit(rots):
    fruit = rots.at(RIPE).positions[part(rots, "fruit")]
    assert np.ptp(fruit[:, 2]) == pytest.approx(Apple().height, rel=1e-4)
