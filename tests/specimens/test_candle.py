"""Candle: what burns, what runs down, what stands level, and what a candle without a flame does."""

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest

from backend.species import Candle
from backend.specimens.candle import grow
from backend.specimens.candle.burning import BURNT, COLD, LIT, OUT, STARVING
from backend.specimens.candle.wax import SHEETS, Runs, Wax
from backend.specimens.core import Chance
from tests import growth


@pytest.fixture(scope="module")
def candle():
    return grow(Candle(height=1.0, drips=8, detail=0.6), seed=2)


def of(specimen, part: str) -> np.ndarray:
    return specimen.mesh.parts == specimen.mesh.part_names.index(part)


def radii(specimen, tau: float, low: float, high: float) -> np.ndarray:
    """Of the wax between two heights, from the axis."""
    points = specimen.at(tau).positions[of(specimen, "wax")]
    points = points[(points[:, 2] > low) & (points[:, 2] < high)]
    return np.hypot(points[:, 0], points[:, 1])


def test_a_standing_flame_takes_the_same_from_the_wax_in_the_same_time(candle):
    taus = np.linspace(LIT, STARVING, 6)
    left = [growth.volume(candle.mesh, candle.at(tau).positions, ("wax",)) for tau in taus]
    assert np.ptp(np.diff(left)) < 0.01 * left[0]
    ends = [growth.volume(candle.mesh, candle.at(tau).positions, ("wax",)) for tau in (0.0, OUT, 1.0)]
    assert ends[1] == pytest.approx((1 - BURNT) * ends[0], rel=0.01) and ends[2] == pytest.approx(ends[1], rel=1e-3)


def test_the_pool_is_level_below_an_uneven_rim(candle):
    points = candle.at(0.5).positions[of(candle, "wax")]
    radius = np.hypot(points[:, 0], points[:, 1])
    pool = points[(radius < 0.06) & (points[:, 2] > 0.3), 2]
    rim = [points[np.abs(np.arctan2(points[:, 1], points[:, 0]) - a) < 0.2, 2].max() for a in np.arange(-3, 3, 0.5)]
    assert len(pool) > 100 and np.ptp(pool) < 1e-5
    assert min(rim) > pool.max() + 0.03 and np.ptp(rim) > 0.01


def test_wax_runs_down_the_side_and_pools_at_the_foot(candle):
    plain, side = 0.14, [radii(candle, tau, 0.05, 0.4).max() for tau in (0.02, 0.35, 0.5)]
    foot = [radii(candle, tau, -0.01, 0.03).max() for tau in (0.02, 0.5, 1.0)]
    assert side[0] < 1.01 * plain and side[2] > 1.07 * plain and foot[0] < 1.01 * plain
    assert foot[2] > foot[1] and foot[2] > 1.6 * plain
    clean = grow(Candle(height=1.0, drips=0, detail=0.6), seed=2)
    assert max(radii(clean, 1.0, -0.01, 0.03).max(), radii(clean, 0.5, 0.05, 0.4).max()) < 1.01 * plain


def test_runs_stand_out_of_a_wide_candle_and_end_in_beads():
    """Wax runs in streams about as wide as on a thin candle; each is thicker at its end than above."""
    wide = grow(Candle(height=1.0, girth=1.5, drips=16), seed=1)
    positions = wide.at(0.35).positions[of(wide, "wax")]
    radius, angle = np.hypot(positions[:, 0], positions[:, 1]), np.arctan2(positions[:, 1], positions[:, 0])
    there = (positions[:, 2] > 0.25) & (positions[:, 2] < 0.45)
    bins = np.linspace(-np.pi, np.pi, 181)
    out = np.array([radius[there & (angle >= a) & (angle < b)].max() for a, b in pairwise(bins)])
    stands = out > 0.75 + 0.02
    edges = np.flatnonzero(stands != np.roll(stands, 1))
    assert len(edges) >= 6 and 0.05 < stands.mean() < 0.5
    assert out.max() > 0.75 + 0.03
    runs = Runs.grown(6, 0.75, 0.0, Chance(3))
    angle, z, tau = np.linspace(-np.pi, np.pi, 720), np.linspace(0.02, 1, 300)[:, None], 0.95
    for k in range(6):
        one = replace(runs, **{f.name: getattr(runs, f.name)[k : k + 1] for f in fields(runs) if f.name != "radius"})
        along = one.height(angle, z, tau).max(axis=1)
        end = float(one.end[0, 0, 0])
        if end > 0.1:
            head = along[np.abs(z[:, 0] - end) < 0.15].max()
            assert head > 1.4 * along[np.abs(z[:, 0] - end - 0.3) < 0.05].max()


def test_one_run_more_only_lowers_the_pool(candle):
    """Other runs, wicks and flames stay as they are; what has run over is missing in the cup, on which they stand."""
    seven, eight = (Runs.grown(n, 0.14, 1.0, Chance(2)) for n in (7, 8))
    for field in fields(Runs):
        if field.name != "radius":
            assert np.array_equal(getattr(seven, field.name), getattr(eight, field.name)[:7]), field.name
    fewer = grow(Candle(height=1.0, drips=7, detail=0.6), seed=2)
    for tau in (0.0, 0.3, 0.8):
        a, b = (one.at(tau).positions[of(one, "wick") | of(one, "flame")] for one in (candle, fewer))
        assert np.allclose(a[:, :2], b[:, :2], atol=1e-6)
        assert np.ptp(b[:, 2] - a[:, 2]) < 1e-6 and 0 <= (b - a)[0, 2] < 0.02


def test_what_has_pooled_froze_in_sheets_with_round_lips():
    """From its rim to the wall: it climbs steeply at each lip, and always upwards."""
    wax = Wax.cast(Candle(height=1.0, girth=1.5, drips=16, detail=3.0), 0.0, Chance(1))
    points = wax.points(1.0)[wax.rows[0] : wax.rows[0] + wax.rows[1]]
    radius, z = np.hypot(points[..., 0], points[..., 1]), points[..., 2]
    widest = int((radius[0] - radius[-1]).argmax())
    assert radius[0, widest] - radius[-1, widest] > 0.15
    slope = -np.diff(z[:, widest]) / np.diff(radius[:, widest])
    lips = (slope[1:-1] > slope[:-2]) & (slope[1:-1] > slope[2:])
    assert (slope > 0).all() and lips.sum() >= len(SHEETS) - 1  # that of the lowest is at the end


@pytest.mark.parametrize("wicks", [1, 2, 4])
def test_each_wick_stands_on_the_pool_with_a_flame_about_its_upper_half(wicks):
    specimen = grow(Candle(height=1.0, wicks=wicks, detail=0.5), seed=5)
    positions = specimen.at(0.5).positions
    wick = positions[of(specimen, "wick")].reshape(wicks, -1, 3)
    flame = positions[of(specimen, "flame")].reshape(wicks, -1, 3)
    wax = positions[of(specimen, "wax")]
    pool = wax[np.hypot(wax[:, 0], wax[:, 1]) < 1e-6, 2].max()  # the other pole is on the floor
    assert np.all((wick[:, :, 2].min(axis=1) > pool) & (wick[:, :, 2].min(axis=1) < pool + 0.002))
    base, tip = wick[:, :, 2].min(axis=1), wick[:, :, 2].max(axis=1)
    lowest = flame[:, :, 2].min(axis=1)
    assert np.all((lowest > base + 0.2 * (tip - base)) & (lowest < tip) & (flame[:, :, 2].max(axis=1) > tip + 0.05))
    assert np.linalg.norm(wick.mean(axis=1) - flame.mean(axis=1), axis=1)[:, None].max() < 0.15


def test_the_flame_is_out_before_the_wick_is_cold(candle):
    flame, wick, wax = (of(candle, part) for part in ("flame", "wick", "wax"))
    for tau, seen, ember in ((0.0, 0, False), (0.5, 0.9, True), (OUT, 0, True), (COLD, 0, False), (1.0, 0, False)):
        frame = candle.at(tau)
        assert frame.opacity[flame].max() == pytest.approx(seen, abs=0.07), tau
        assert (frame.emission[wick].max() > 0.1) == ember, tau
        assert (frame.emission[wax].max() > 0.05) == (seen > 0), tau


def test_wax_glows_near_the_flame_and_not_below(candle):
    frame = candle.at(0.4)
    wax = of(candle, "wax")
    z, glow = frame.positions[wax, 2], frame.emission[wax]
    order = [glow[(z > low) & (z < low + 0.05)].mean() for low in (0.1, 0.3, 0.5)]
    assert glow[z < 0.15].max() < 0.005 and order[0] < order[1] < order[2]


def test_without_a_flame_it_sinks_and_spreads():
    specimen = grow(Candle(height=1.0, flame=0.0, detail=0.5), seed=1)
    assert specimen.mesh.part_names == ("wax", "wick")
    frames = [specimen.at(tau) for tau in np.linspace(0, 1, 9)]
    wax = of(specimen, "wax")
    heights = [frame.positions[wax, 2].max() for frame in frames]
    middles = [frame.positions[wax, 2].mean() for frame in frames]
    assert np.all(np.diff(heights) < 0) and np.all(np.diff(middles) < 0) and heights[-1] < 0.2
    assert np.ptp(frames[-1].positions[wax, 0]) > 2 * 0.28
    assert all(frame.emission is None or frame.emission.max() == 0 for frame in frames)
