"""Match: a front of char goes down, what it has passed shrinks and curls, and leaves its flame without touching it."""

import numpy as np
import pytest

from backend.species import Match
from backend.specimens.match import CHARRED_LENGTH, CHARRED_VOLUME, COLD, FLARE, OUT, STICK, grow
from tests import growth

DETAIL = 0.6


@pytest.fixture(scope="module")
def match():
    return grow(Match(height=1.0, length=0.7, detail=DETAIL), seed=4)


def of(specimen, part: str) -> np.ndarray:
    return specimen.mesh.parts == specimen.mesh.part_names.index(part)


def rings(specimen, tau: float) -> np.ndarray:
    """(rows, columns, 3) the stick without its two poles."""
    stick = specimen.at(tau).positions[of(specimen, "stick")].astype(float)[1:-1]
    columns = int(np.flatnonzero(np.diff(specimen.at(0.0).positions[of(specimen, "stick")][1:, 2]) > 1e-6)[0]) + 1
    return stick.reshape(-1, columns, 3)


def area(ring: np.ndarray) -> float:
    spokes = ring - ring.mean(axis=0)
    return float(np.linalg.norm(np.cross(spokes, np.roll(spokes, -1, axis=0)).sum(axis=0)) / 2)


def test_the_front_goes_down_and_leaves_a_stub_as_it_was(match):
    stick = of(match, "stick")
    new = match.at(0.0)
    height, wood = new.positions[stick, 2], new.albedo[stick].mean(axis=1)
    fronts = []
    for tau in np.linspace(0.2, 0.85, 8):
        black = match.at(tau).albedo[stick].max(axis=1) < 0.3 * wood
        fronts.append(height[black].min())
    assert np.all(np.diff(fronts) < 0)
    assert fronts[-1] == pytest.approx((1 - 0.7) * STICK, abs=0.08)
    stub = height < (1 - 0.7) * STICK - 0.15
    end = match.at(1.0)
    assert stub.sum() > 100
    np.testing.assert_allclose(end.positions[stick][stub], new.positions[stick][stub], atol=1e-6)
    np.testing.assert_allclose(end.albedo[stick][stub], new.albedo[stick][stub], atol=1e-3)


def test_char_keeps_its_share_of_girth_and_length(match):
    new, end = rings(match, 0.0), rings(match, 1.0)
    rows = slice(int(0.55 * len(new)), int(0.95 * len(new)))
    girth = np.mean([area(a) for a in end[rows]]) / np.mean([area(a) for a in new[rows]])
    ways = [np.linalg.norm(np.diff(each[rows].mean(axis=1), axis=0), axis=1).sum() for each in (new, end)]
    assert girth == pytest.approx(CHARRED_VOLUME / CHARRED_LENGTH, rel=0.02)
    assert ways[1] / ways[0] == pytest.approx(CHARRED_LENGTH, rel=0.02)


def test_char_curls_as_far_as_asked():
    angles = []
    for curl in (0.0, 0.4, 1.0):
        axis = rings(grow(Match(height=1.0, curl=curl, detail=DETAIL), seed=3), 1.0).mean(axis=1)
        tip = axis[-2] - axis[-8]
        angles.append(np.arccos(tip[2] / np.linalg.norm(tip)))
    assert angles[0] < 0.03 and 0.3 < angles[1] < angles[2] < 2.3


@pytest.mark.parametrize("curl", [0.0, 0.1, 0.6, 1.0])
def test_what_curls_out_of_the_flame_does_not_cross_it(curl):
    specimen = grow(Match(curl=curl), seed=3)
    for tau in (0.45, 0.56, 0.66, 0.78):
        assert growth.crossing_share(specimen.mesh, specimen.at(tau).positions) < 0.001, tau


def test_the_flame_hangs_on_the_front_and_holds_the_head_while_it_flares(match):
    flame, head, stick = (of(match, part) for part in ("flame", "head", "stick"))
    flaring = match.at(FLARE).positions
    assert flaring[flame, 2].min() < flaring[head, 2].min() < flaring[head, 2].max() < flaring[flame, 2].max() - 0.2
    for tau in (0.4, 0.7):
        frame = match.at(tau)
        ember = frame.emission[stick] > 0.25
        front = frame.positions[stick][ember, 2].mean()
        assert frame.positions[flame, 2].min() == pytest.approx(front - 0.03, abs=0.025)
    lengths = [np.ptp(match.at(tau).positions[flame, 2]) for tau in (FLARE, 0.65, 0.8)]
    assert lengths[0] > lengths[1] > lengths[2]


def test_first_the_flame_goes_out_then_the_embers(match):
    flame, rest = of(match, "flame"), ~of(match, "flame")
    for tau, seen, glows in ((0.0, 0, False), (0.3, 0.96, True), (OUT, 0, True), (COLD, 0, False), (1.0, 0, False)):
        frame = match.at(tau)
        assert frame.opacity[flame].max() == pytest.approx(seen, abs=0.03), tau
        assert (frame.emission[rest].max() > 0.05) == glows, tau
    ember = match.at(OUT).emission[of(match, "stick") & (match.mesh.vertices[:, 2] < 0.5)]
    assert ember.max() > 0.3  # where the front stopped
