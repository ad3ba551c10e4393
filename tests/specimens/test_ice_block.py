"""The block of ice: what melts first, how fast, where its water goes."""

import numpy as np
import pytest
import trimesh
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


def test_a_puddle_is_as_thick_as_capillarity_holds_it_and_covers_what_that_leaves(block):
    """On a waxed floor, at a right angle of contact: sqrt(2) capillary lengths; 3.9 mm for a block of 10 cm."""
    water = of_part(block, "water", 1.0).astype(float)
    top = water[water[:, 2] > 0.9 * np.quantile(water[:, 2], 0.9), 2]
    assert np.median(top) == pytest.approx(np.sqrt(2 * 0.0756 / 9810), rel=0.05)
    around = np.prod(np.ptp(water[:, :2], axis=0))
    assert 0.5 * around < held(block, "water", 1.0) / np.median(top) < around


def test_water_is_clear_and_still_and_its_rim_is_seen(block):
    for tau in (0.3, 1.0):
        frame, of = block.at(tau), block.mesh.parts == block.mesh.part_names.index("water")
        water, opacity = frame.positions[of], frame.opacity[of]
        low, ground = water[:, 2] < 0.5 * water[:, 2].max(), water[:, 2] == 0
        assert np.median(opacity[~low]) < 0.55 and opacity[low].max() > np.median(opacity[~low]) + 0.15
        assert ground.sum() > 100 and opacity[ground].max() == 0  # or it would be seen through twice
        assert frame.roughness[of].max() < 0.05


def test_dull_frost_gives_way_to_wet_clear_ice(block):
    ice = block.mesh.parts == 0
    cold, wet = block.at(0.0), block.at(0.3)
    assert cold.roughness[ice].min() > 0.15 > 0.06 > wet.roughness[ice].max()
    assert np.quantile(cold.opacity[ice], 0.1) > 0.9 > 0.6 > np.quantile(wet.opacity[ice], 0.4)


@pytest.mark.parametrize("cracks", [0.1, 1.0])
def test_the_cloud_lies_in_the_ice_and_its_clear_rim_goes_first(cracks):
    block = grow(IceBlock(cracks=cracks, detail=0.7), 5)
    of = block.mesh.parts[block.mesh.faces[:, 0]] == block.mesh.part_names.index("ice")
    for tau in (0.0, 0.2, 0.5, 0.9):
        skin = trimesh.Trimesh(block.at(tau).positions.astype(float), block.mesh.faces[of], process=False)
        assert skin.contains(of_part(block, "cloud", tau).astype(float)).all(), tau
    share = [held(block, "cloud", tau) / held(block, "ice", tau) for tau in (0.0, 0.3, 0.6)]
    assert 0.02 < share[0] < share[1] < share[2] < 0.85
    assert grow(IceBlock(cracks=0.0, detail=0.5), 5).mesh.part_names == ("ice", "water")


def test_ice_that_stands_in_water_has_a_waist():
    slender = []
    for tau in (0.0, 0.35):
        ice = np.concatenate([of_part(grow(IceBlock(), seed), "ice", tau) for seed in range(3)])
        high = ice[:, 2] / ice[:, 2].max()
        foot, above = (np.quantile(np.abs(ice[where, 1]), 0.98) for where in (high < 0.1, (high > 0.2) & (high < 0.4)))
        slender.append(foot / above)
    assert slender[0] > 0.98 > 0.96 > slender[1]


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
