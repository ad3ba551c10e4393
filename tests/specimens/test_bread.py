"""The loaf: what rises when, what opens, what browns first."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from backend.species import Bread
from backend.specimens.bread import BAKED, RISEN, SPRING, SPRUNG, grow
from tests.growth import volume


@pytest.fixture(scope="module")
def loaf():
    return grow(Bread(), 3)


def enclosed(specimen, tau: float) -> float:
    return volume(specimen.mesh, specimen.at(tau).positions, ("loaf",))


def grey(specimen, tau: float) -> np.ndarray:
    return specimen.at(tau).albedo.mean(axis=1)


@pytest.mark.parametrize("rise", [1.3, 2.6])
def test_dough_rises_as_often_as_told(rise):
    specimen = grow(Bread(rise=rise, detail=0.5), 1)
    assert enclosed(specimen, RISEN) / enclosed(specimen, 0.0) == pytest.approx(rise, rel=2e-3)
    assert enclosed(specimen, SPRUNG) / enclosed(specimen, RISEN) == pytest.approx(1 + SPRING, rel=0.01)


def test_the_oven_is_quick_and_cooling_shrinks(loaf):
    times = np.linspace(0, 1, 41)
    held = np.array([enclosed(loaf, tau) for tau in times]) / enclosed(loaf, 0.0)
    peak = times[held.argmax()]
    assert SPRUNG - 0.03 <= peak <= 0.75
    assert 0.94 < held[-1] / held.max() < 0.99
    assert (np.diff(held[times <= peak]) >= 0).all()


def test_size_is_as_asked():
    for length in (1.6, 3.4):
        low, high = (f(grow(Bread(length=length, cuts=2), 4).at(1.0).positions, axis=0) for f in (np.min, np.max))
        assert (high - low)[2] == pytest.approx(Bread().height, rel=1e-4)
        assert (high - low)[0] / (high - low)[2] == pytest.approx(length, rel=1e-4)


def test_crumb_comes_out_of_the_cuts():
    """Skin near the cuts grows many times over in the oven; without cuts nothing does."""

    def spread(cuts: int) -> np.ndarray:
        specimen = grow(Bread(cuts=cuts, detail=0.7), 6)
        areas = []
        for tau in (RISEN, SPRUNG):
            a, b, c = np.moveaxis(specimen.at(tau).positions.astype(float)[specimen.mesh.faces], 1, 0)
            areas.append(np.linalg.norm(np.cross(b - a, c - a), axis=1))
        sizeable = areas[0] > 1e-3 * areas[0].max()
        return (areas[1] / np.maximum(areas[0], 1e-30))[sizeable]

    assert (spread(3) > 4).mean() > 0.02 > (spread(0) > 2).mean()


def torn(specimen) -> np.ndarray:
    """(V,) whether it lies in a cut: on an edge that becomes many times as long in the oven."""
    ends = np.concatenate([specimen.mesh.faces[:, [0, 1]], specimen.mesh.faces[:, [1, 2]]])
    shut, opened = (
        np.linalg.norm(np.diff(specimen.at(tau).positions[ends], axis=1)[:, 0], axis=1) for tau in (RISEN, SPRUNG)
    )
    found = np.zeros(len(specimen.mesh.vertices), bool)
    found[ends[(opened > 2.5 * shut) & (opened > 5e-4)]] = True
    return found


def test_a_shut_cut_is_not_seen():
    """It is no darker than the dough beside it: not by flour that is left out, as a mean of individuals tells."""
    compared = []
    for seed in (1, 2, 3, 5):
        loaf = grow(Bread(), seed)
        cut, dough = torn(loaf), loaf.at(0.2)
        away, _ = cKDTree(dough.positions[cut]).query(dough.positions)
        beside = (away > 0.036 * Bread().height) & (away < 0.08 * Bread().height)
        compared.append(dough.albedo[cut, 2].mean() / dough.albedo[beside, 2].mean())
    assert np.mean(compared) == pytest.approx(1, abs=0.02)


def test_a_cut_opens_pale_and_its_flap_browns_first():
    loaf = grow(Bread(cuts=1), 2)
    cut = torn(loaf)
    fresh, early = loaf.at(0.54).albedo, loaf.at(0.62)
    assert np.median(fresh[cut, 2]) > 0.9 * np.median(fresh[~cut, 2])  # blue: what browns loses it first
    dark = early.albedo[:, 2] < np.quantile(early.albedo[:, 2], 0.02)
    nearest = np.abs(early.positions[dark, None, 1] - early.positions[None, cut, 1]).min(axis=1)
    assert dark.sum() > 50 and (early.positions[dark, 2] > 0.6 * early.positions[:, 2].max()).mean() > 0.8
    assert np.quantile(nearest, 0.8) < 0.1 * Bread().height


def test_ears_stand_up():
    """One cut along the loaf: across it the top is not level, one side stands above the other."""
    specimen = grow(Bread(cuts=1), 2)
    points = specimen.at(1.0).positions
    ring = points[np.abs(points[:, 0]) < 0.004]
    ring = ring[ring[:, 2] > 0.7 * Bread().height]
    before = specimen.at(RISEN).positions
    flat = before[np.abs(before[:, 0]) < 0.004]
    flat = flat[flat[:, 2] > 0.7 * before[:, 2].max()]

    def valleys(section: np.ndarray) -> float:
        line = section[np.argsort(section[:, 1]), 2].astype(float)
        highest = np.maximum.accumulate(line), np.maximum.accumulate(line[::-1])[::-1]
        return float((np.minimum(*highest) - line).max())

    assert valleys(ring) > 0.04 * Bread().height > 3 * valleys(flat)


def test_it_browns_from_above_and_last_in_the_cuts(loaf):
    """Maillard: dough stays pale until the spring is over; top before sides; the crumb of the cuts stays palest."""
    assert grey(loaf, RISEN).min() > 0.3
    half = 0.5 * (BAKED + SPRUNG)
    points = loaf.at(1.0).positions
    height = points[:, 2] / points[:, 2].max()
    crust, sides = height > 0.75, (height > 0.25) & (height < 0.5)
    drop = grey(loaf, RISEN) - grey(loaf, half)
    # Flour hides what browns below it: the darker half of each is looked at.
    assert np.quantile(drop[crust], 0.8) > np.quantile(drop[sides], 0.8)
    assert grey(loaf, 1.0).min() < 0.25 * grey(loaf, RISEN).min()


def test_it_browns_as_long_as_it_is_in_the_oven(loaf):
    darker = np.diff([grey(loaf, tau).mean() for tau in (RISEN, 0.6, 0.7, 0.8, 0.9, BAKED, 0.97, 1.0)])
    assert (darker[1:5] < -0.005).all()
    assert np.abs(darker[5:]).max() < 0.001  # it cools


def test_it_stands_on_a_flat_base(loaf):
    for tau in (0.0, RISEN, 1.0):
        points = loaf.at(tau).positions
        size = np.ptp(points, axis=0)
        base = points[points[:, 2] < 0.03 * size[2]]
        assert (np.ptp(base, axis=0)[:2] > 0.35 * size[:2]).all()
