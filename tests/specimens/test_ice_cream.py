"""The ice cream: what softens, runs and pools, in which order, and the wafer that holds it."""

import itertools

import numpy as np
import pytest

from backend.species import IceCream
from backend.specimens.ice_cream import AIR, grow
from backend.specimens.ice_cream.wafer import CELL, LAP, RIM, TIP, Wafer
from tests.growth import islands, volume

LIFE = np.linspace(0, 1, 21)


@pytest.fixture(scope="module")
def cream():
    return grow(IceCream(), 3)


def of_part(specimen, part: str) -> np.ndarray:
    return specimen.mesh.parts == specimen.mesh.part_names.index(part)


def held(specimen, tau: float, *parts: str) -> float:
    return volume(specimen.mesh, specimen.at(tau).positions, parts)


def test_only_its_air_is_lost(cream):
    first = held(cream, 0.0, "scoops", "drips", "pool")
    kept = np.array([held(cream, tau, "scoops", "drips", "pool") for tau in LIFE]) / first
    assert (np.diff(kept) <= 1e-4).all() and kept[-1] == pytest.approx(1 - AIR, abs=2e-3)
    wafer = [held(cream, tau, "cone") for tau in (0.0, 0.5, 1.0)]
    assert wafer[1:] == pytest.approx([wafer[0]] * 2, rel=3e-3)  # it bends, and none of it melts


def test_it_shines_then_runs_then_pools(cream):
    frames = [cream.at(tau) for tau in LIFE]
    drips, pool = of_part(cream, "drips"), of_part(cream, "pool")
    shines = LIFE[next(k for k, frame in enumerate(frames) if frame.roughness[drips].mean() < 0.68)]
    lowest = np.array([frame.positions[drips, 2].min() for frame in frames])
    pooled = np.array([np.ptp(frame.positions[pool, 0]) for frame in frames])
    runs = LIFE[(lowest < 0.8 * lowest[0]).argmax()]
    pools = LIFE[(pooled > 2 * pooled[0]).argmax()]
    assert 0 < shines < runs < pools < 0.6
    assert (np.diff(lowest) < 1e-4 * IceCream().height).all() and (np.diff(pooled) > -1e-6).all()
    assert lowest[pools > LIFE].min() < 0.1 * IceCream().height  # a run is at the floor when the pool begins


@pytest.mark.parametrize("drips", [2, 5, 11])
def test_as_many_runs_as_asked_and_half_come_to_the_floor(drips):
    specimen = grow(IceCream(drips=drips, detail=0.6), 2)
    assert islands(specimen.mesh) == drips + 3
    last = specimen.at(1.0).positions[of_part(specimen, "drips")].reshape(drips, -1, 3)
    low = last[..., 2].min(axis=1) < 0.06 * IceCream().height
    assert low.sum() == (drips + 1) // 2


def test_runs_lie_on_the_wafer():
    """From the wafer's surface up to a few hundredths of its height, until it bends."""
    specimen = grow(IceCream(scoops=1, drips=6), 5)
    cone = specimen.at(0.0).positions[of_part(specimen, "cone")]
    size = cone[:, 2].max()
    for tau in (0.2, 0.5):
        run = specimen.at(tau).positions[of_part(specimen, "drips")] / size
        away = np.linalg.norm(run[:, :2], axis=1) - (TIP + (RIM - TIP) * run[:, 2])
        assert away.min() > -0.002 and away.max() < 0.08


def test_scoops_sink_into_one_lump(cream):
    top = np.array([cream.at(tau).positions[of_part(cream, "scoops"), 2].max() for tau in LIFE])
    assert (np.diff(top) < 1e-3 * top[0]).all() and top[-1] < 0.75 * top[0]


def test_the_lowest_scoop_is_of_the_flavour_asked():
    blue = (0.05, 0.06, 0.6)
    specimen = grow(IceCream(scoops=3, colour=blue), 4)
    frozen, scoops = specimen.at(0.0), of_part(specimen, "scoops")
    z = frozen.positions[scoops, 2]
    rim = frozen.positions[of_part(specimen, "cone"), 2].max()
    bands = np.linspace(rim, z.max(), 4)
    colours = [
        np.median(frozen.albedo[scoops][(z > low + 0.006) & (z < high - 0.006)], axis=0)
        for low, high in itertools.pairwise(bands)
    ]
    assert colours[0] == pytest.approx(blue, abs=0.08)
    apart = [np.abs(colours[i] - colours[j]).max() for i, j in ((0, 1), (1, 2), (0, 2))]
    assert min(apart) > 0.1


def test_a_wafer_is_a_rolled_sheet():
    """Its ridges lie on straight lines of the sheet laid flat, and its edge stands out by its lap."""
    wafer = Wafer(seam=1.0, twist=0.0, grid=0.3)
    rng = np.random.default_rng(1)
    turned, z = rng.uniform(0.3, 5.5, 400), rng.uniform(0.2, 1.0, 400)
    length = np.hypot(z, (RIM - TIP) * z)
    angle = turned * (RIM - TIP) * z / length + wafer.grid
    sheet = np.stack([length * np.cos(angle), length * np.sin(angle)]) / CELL
    on_line = np.abs(sheet - np.round(sheet)).min(axis=0)
    ridges = wafer.ridges(turned, z)
    assert ridges[on_line < 0.03].min() > 0.9 and ridges[on_line > 0.4].max() < 0.1
    either_side = wafer.outside(np.array([1.001, 1.0 - 0.5]), np.array([0.8, 0.8]))
    assert either_side[0] - either_side[1] == pytest.approx(LAP, rel=0.1)
