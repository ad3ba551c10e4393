"""The fly agaric: order of growth, a veil that tears, gills that hang below, a fall."""

import numpy as np
import pytest

from backend.species import Mushroom
from backend.specimens.mushroom import grow
from backend.specimens.mushroom.agaric import OPEN, ROTS
from tests.growth import islands, volume

HEIGHT = Mushroom().height


@pytest.fixture(scope="module")
def mushroom():
    return grow(Mushroom(), 3)


def of(specimen, name: str, tau: float) -> np.ndarray:
    chosen = specimen.mesh.parts == specimen.mesh.part_names.index(name)
    return specimen.at(tau).positions[chosen].astype(float)


def test_the_upper_stem_stretches_the_most(mushroom):
    """Material points of the stem: the upper half grows several times as much as the lower one (Craig et al. 1977)."""
    before, after = (of(mushroom, "stem", tau)[:, 2] for tau in (0.0, OPEN))
    order = np.argsort(after)
    low, middle, high = order[np.searchsorted(after[order], [0.2 * HEIGHT, 0.45 * HEIGHT, 0.85 * HEIGHT])]
    upper = (after[high] - after[middle]) / (before[high] - before[middle])
    lower = (after[middle] - after[low]) / (before[middle] - before[low])
    assert upper > 2.5 * lower > 2.5


def test_the_cap_opens_from_ball_to_plate(mushroom):
    def wide_and_tall(tau):
        cap = of(mushroom, "cap", tau)
        return np.ptp(cap[:, 0]), np.ptp(cap[:, 2])

    (young, deep), (wide, flat) = wide_and_tall(0.0), wide_and_tall(OPEN)
    assert 0.8 < deep / young < 1.2 and flat / wide < 0.35 and wide > 2.8 * young


def test_the_margin_is_below_the_middle_until_it_opens(mushroom):
    """In the button the gills are shut in: seen from straight below, the cap's margin hides them."""
    reach = [np.hypot(*of(mushroom, "gills", tau)[:, :2].T).max() for tau in (0.0, OPEN)]
    cap = np.hypot(*of(mushroom, "cap", 0.0)[:, :2].T).max()
    assert reach[0] < cap and reach[1] > 3 * reach[0]
    assert of(mushroom, "gills", OPEN)[:, 2].min() > of(mushroom, "ring", OPEN)[:, 2].max()


def test_warts_keep_their_size_and_drift_apart(mushroom):
    """Universal veil does not grow: its patches cover most of the button, and little of the open cap."""
    mesh = mushroom.mesh
    chosen = np.flatnonzero(mesh.parts == mesh.part_names.index("warts"))
    each = np.array_split(chosen, Mushroom().spots)
    young, old = mushroom.at(0.0).positions, mushroom.at(OPEN).positions

    def widths(points):
        return np.array([np.linalg.norm(np.ptp(points[wart], axis=0)) for wart in each])

    def spacing(points):
        middles = np.array([points[wart].mean(axis=0) for wart in each])
        gaps = np.linalg.norm(middles[:, None] - middles, axis=2)
        return np.partition(gaps, 1, axis=1)[:, 1]

    assert 0.5 < np.median(widths(old) / widths(young)) < 1.1
    assert np.median(spacing(old)) > 1.6 * np.median(spacing(young))


def test_the_veil_is_white_until_it_tears(mushroom):
    cap = mushroom.mesh.parts == mushroom.mesh.part_names.index("cap")
    button, grown = mushroom.at(0.0).albedo[cap], mushroom.at(OPEN).albedo[cap]
    assert button.min() > 0.25
    red = (grown[:, 0] > 4 * grown[:, 1]).mean()
    assert 0.3 < red < 0.8  # the underside stays white


@pytest.mark.parametrize("spots", [0, 1, 25])
def test_spots_are_counted(spots):
    specimen = grow(Mushroom(spots=spots, detail=0.5), 2)
    others = grow(Mushroom(spots=0, detail=0.5), 2)
    assert islands(specimen.mesh) - islands(others.mesh) == spots
    assert ("warts" in specimen.mesh.part_names) == (spots > 0)


def test_cap_and_stem_are_solids(mushroom):
    for name in ("cap", "stem"):
        for tau in (0.0, OPEN, 1.0):
            assert volume(mushroom.mesh, mushroom.at(tau).positions, (name,)) > 0


def test_it_stands_and_then_falls(mushroom):
    assert np.array_equal(mushroom.at(OPEN + 0.03).positions, mushroom.at(ROTS).positions)
    standing, fallen = mushroom.at(ROTS), mushroom.at(1.0)
    assert standing.positions[:, 2].max() == pytest.approx(HEIGHT, rel=0.04)
    assert fallen.positions[:, 2].max() < 0.75 * HEIGHT
    cap = mushroom.mesh.parts == mushroom.mesh.part_names.index("cap")
    assert np.median(fallen.roughness[cap]) < 0.7 * np.median(standing.roughness[cap])  # slimy
    assert fallen.albedo[cap].mean() < 0.4 * standing.albedo[cap].mean()
