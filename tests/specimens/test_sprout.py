"""A seedling: hidden, then a hook; organs in turn; the husk; what wilts first."""

import functools

import numpy as np
import pytest

from backend.geometry.fields import parts
from backend.species import Sprout
from backend.specimens.sprout import COAT_DOWN, COAT_SLIPS, GROWN, grow
from backend.specimens.sprout.shoot import HOOK_OPENS, growth
from tests.growth import volume

HEIGHT = Sprout().height


@functools.cache
def sprout(leaves: int = 4):
    return grow(Sprout(leaves=leaves), 7)


@functools.cache
def islands(leaves: int = 4) -> list[np.ndarray]:
    """Vertices of the stalks of the true leaves, then of their blades."""
    mesh = sprout(leaves).mesh
    island = parts(len(mesh.vertices), mesh.faces)
    own = mesh.parts == mesh.part_names.index("leaves")
    return [np.flatnonzero(island == i) for i in dict.fromkeys(island[own])]


def of(name: str, tau: float) -> np.ndarray:
    specimen = sprout()
    return specimen.at(tau).positions[specimen.mesh.parts == specimen.mesh.part_names.index(name)].astype(float)


def test_at_first_only_soil_is_seen():
    soil = of("soil", 0.0)
    for name in ("stem", "seed leaves", "seed coat", "leaves"):
        buried = of(name, 0.0)
        around = np.linalg.norm(soil[:, None, :2] - buried[None, ::7, :2], axis=2) < 0.03 * HEIGHT
        assert all(buried[::7][i, 2] < soil[around[:, i], 2].max() for i in range(around.shape[1])), name


def test_the_hook_leads_and_opens_when_it_is_out():
    """Darwin 1880: the arch comes first, the seed leaves are drawn out after it, then it straightens."""
    arch, drawn = of("stem", 0.2)[:, 2].max(), of("seed leaves", 0.2)
    assert drawn[:, 2].max() < arch and drawn[:, 2].min() < arch - 0.06 * HEIGHT
    straight = HOOK_OPENS[1]
    assert of("seed leaves", straight)[:, 2].max() > of("stem", straight)[:, 2].max() + 0.05 * HEIGHT


def test_growth_is_logistic():
    tau = np.linspace(0.2, 0.6, 81)
    grown = growth(tau, 0.2, 0.6)
    assert grown[0] == 0 and grown[-1] == 1 and grown[40] == pytest.approx(0.5)
    assert np.argmax(np.diff(grown)) in (39, 40) and np.allclose(grown + grown[::-1], 1)


def test_leaves_grow_in_turn_and_across_those_below():
    blades = islands(6)[6:]
    times = np.linspace(0.38, GROWN + 0.05, 24)
    young = [sprout(6).at(t).positions for t in times]
    spans = np.array([[np.ptp(points[blade], axis=0).max() for blade in blades] for points in young])
    half = times[(spans > 0.5 * spans[-1]).argmax(axis=0)].reshape(3, 2)
    assert (np.diff(half.mean(axis=1)) > 0.03).all() and np.abs(np.diff(half, axis=1)).max() < 0.04
    grown = sprout(6).at(GROWN).positions.astype(float)
    centres = [grown[blade].mean(axis=0)[:2] for blade in blades]
    ways = [a - b for a, b in zip(centres[::2], centres[1::2], strict=True)]
    ways = [way / np.linalg.norm(way) for way in ways]
    assert abs(ways[0] @ ways[1]) < 0.4 and abs(ways[1] @ ways[2]) < 0.4 and abs(ways[0] @ ways[2]) > 0.8


def test_the_husk_caps_the_seed_leaves_then_lies_on_the_ground():
    tips, husk = of("seed leaves", COAT_SLIPS), of("seed coat", COAT_SLIPS)
    low, high = husk.min(axis=0), husk.max(axis=0)
    inside = ((tips > low) & (tips < high)).all(axis=1)
    assert inside.mean() > 0.3
    lies, soil = of("seed coat", COAT_DOWN), of("soil", COAT_DOWN)
    gap = np.linalg.norm(lies[:, None] - soil[None], axis=2).min()
    assert gap < 0.03 * HEIGHT and np.array_equal(lies, of("seed coat", 1.0))


def test_the_tip_circles_while_it_grows():
    """Circumnutation: the way the tip moves turns round at least once."""
    tips = np.array([of("stem", t)[-1, :2] for t in np.linspace(0.4, 0.66, 30)])
    moves = np.diff(tips, axis=0)
    turned = np.unwrap(np.arctan2(moves[:, 1], moves[:, 0]))
    assert abs(turned[-1] - turned[0]) > 1.5 * np.pi
    assert np.linalg.norm(np.ptp(tips, axis=0)) > 0.005 * HEIGHT


def test_seed_leaves_wither_before_true_leaves_hang():
    mesh = sprout().mesh
    half = 0.83
    flesh = [volume(mesh, sprout().at(t).positions, ("seed leaves",)) for t in (GROWN, half, 1.0)]
    assert flesh[1] < 0.8 * flesh[0] and flesh[2] < 0.45 * flesh[0]
    blades = islands()[4:]

    def green(tau):
        colours = sprout().at(tau).albedo
        return [colours[b].mean(axis=0) for b in blades]

    assert all(colour[1] > 1.5 * colour[0] for colour in green(half))
    assert all(colour[1] < colour[0] for colour in green(1.0))
    sunk = [sprout().at(t).positions[blades[0], 2].min() for t in (GROWN, half, 1.0)]
    assert sunk[2] < sunk[1] < sunk[0]
