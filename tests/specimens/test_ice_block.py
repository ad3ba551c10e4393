"""The block of ice: what melts first, how fast, where its water goes."""

import numpy as np
import pytest
from scipy.special import erf, erfinv

from backend.species import IceBlock
from backend.specimens.ice_block import GONE, ICE_DENSITY, LEVEL, WIDTH, _radius, grow
from tests.growth import volume

LIFE = np.linspace(0, 1, 11)


@pytest.fixture(scope="module")
def block():
    return grow(IceBlock(), 3)


def held(specimen, part: str, tau: float) -> float:
    return volume(specimen.mesh, specimen.at(tau).positions, (part,))


def of_part(specimen, part: str, tau: float) -> np.ndarray:
    return specimen.at(tau).positions[specimen.mesh.parts == specimen.mesh.part_names.index(part)]


def test_an_isotherm_has_its_closed_forms():
    """A slab's is at a - s erfinv(2 L - 1); elsewhere the product of three slabs is L."""
    middle = np.array([[1.0, 0, 0]])
    slab = _radius(middle, np.array([1.0, 50, 50]), np.array([1.0]), 0.2)
    assert slab == pytest.approx(1 - 0.2 * erfinv(2 * LEVEL - 1), abs=1e-9)
    half, length = np.array([0.7, 0.4, 1.0]), 0.35
    rays = np.random.default_rng(0).normal(size=(200, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    reach = (half / np.abs(rays)).min(axis=1)
    x = _radius(rays, half, reach, length)[:, None] * rays
    assert np.prod((erf((half - x) / length) + erf((half + x) / length)) / 2, axis=1) == pytest.approx(LEVEL, abs=1e-6)


def test_corners_melt_before_edges_before_faces():
    size = IceBlock().height
    a, b = IceBlock().length / 2 * size, WIDTH / 2 * size
    places = np.array([[a, b, size], [a, 0, size], [0, 0, size]])
    lost = []
    for seed in range(4):
        block = grow(IceBlock(), seed)
        before, after = of_part(block, "ice", 0.0), of_part(block, "ice", 0.12)
        nearest = [int(np.linalg.norm(before - place, axis=1).argmin()) for place in places]
        lost.append(np.linalg.norm(after[nearest] - before[nearest], axis=1))
    corner, edge, face = np.mean(lost, axis=0)
    assert corner > 1.15 * edge > 1.3 * face > 0


def test_water_weighs_what_the_ice_has_lost(block):
    first_ice, first_water = held(block, "ice", 0.0), held(block, "water", 0.0)
    for tau in LIFE:
        lost = first_ice - held(block, "ice", tau)
        assert held(block, "water", tau) - first_water == pytest.approx(ICE_DENSITY * lost, abs=2e-4 * first_ice)


def test_ice_goes_at_the_pace_of_convection(block):
    """Size to the power 5/4 falls steadily once the ice is warm, to nothing."""
    left = np.array([held(block, "ice", tau) for tau in np.linspace(0.35, 0.95, 7)]) / held(block, "ice", 0.0)
    falls = -np.diff(left ** (5 / 12))
    assert falls.min() > 0 and falls.max() / falls.min() < 1.12
    assert held(block, "ice", GONE) < 1e-5 * held(block, "ice", 0.0)


def test_in_the_end_there_is_only_a_flat_puddle(block):
    ice, water = of_part(block, "ice", 1.0), of_part(block, "water", 1.0)
    assert np.ptp(ice, axis=0).max() < 0.02 * IceBlock().height
    assert np.ptp(water[:, 2]) < 0.15 * IceBlock().height and np.ptp(water[:, 0]) > 2 * IceBlock().height


def test_the_puddle_spreads_about_the_ice(block):
    before = 0.0
    for tau in LIFE:
        ice, water = of_part(block, "ice", tau), of_part(block, "water", tau)
        wide = np.ptp(water[:, :2], axis=0)
        assert (water[:, :2].min(axis=0) < ice[:, :2].min(axis=0)).all()
        assert (water[:, :2].max(axis=0) > ice[:, :2].max(axis=0)).all()
        assert wide.prod() > 0.999 * before
        before = wide.prod()


def test_cracks_are_white():
    pale = [grow(IceBlock(cracks=c, detail=0.6), 2) for c in (0.0, 0.4, 1.0)]
    ice = [each.at(0.3).albedo[each.mesh.parts == 0].mean(axis=1) for each in pale]
    assert ice[0].mean() < ice[1].mean() < ice[2].mean()
    assert ice[0].std() < 0.25 * ice[2].std()
