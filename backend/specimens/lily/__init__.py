"""A lily of the oriental kind: closed bud, trumpet that reflexes, wilted flower that drops tepals, as one mesh.

One flower nods at the end of the stem, and a bud or two below it stay closed; the flower itself is in trumpet.py and
stamens.py. Lance-shaped leaves sit on the stem in a spiral at the golden angle (Jean, "Phyllotaxis", 1994). Simplified:
one flower of the raceme opens, not each in its turn.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from backend.species import Lily
from backend.specimens.core import (
    Array,
    Chance,
    Noise,
    Organ,
    Skin,
    Specimen,
    Spine,
    blade,
    finer,
    join,
    lathe,
    lathe_chart,
    ramp,
    scaled,
    tint,
    tube,
    tube_chart,
    turn,
)
from backend.specimens.falling import Fall, Landing
from backend.specimens.foliage import BROWN, GREEN, LEAF_BROWN, LEAF_GREEN, LEAF_PALE, LEAF_YELLOW, Spiral, Stalk, stem
from backend.specimens.lily.stamens import pistil, stamens
from backend.specimens.lily.trumpet import (
    BUD_GREEN,
    TAN,
    WILTING,
    Flower,
    corolla,
    opened,
    receptacle,
    wilted,
)

FIRST_FALL, LAST_FALL, FALL = 0.68, 0.76, 0.23  # when tepals let go, and how long one is on its way
HANGS = 0.2  # of its fall: the highest tepal comes loose sideways before it sinks, the lowest falls at once

# Metres, for a plant of the usual height; all of it scales with the plant.
USUAL_HEIGHT = Lily().height
LEAVES = Spiral(30, (0.15, 0.71), 0.15)


def grow(lily: Lily, seed: int) -> Specimen:
    """A lily; `seed` picks the individual. Its vertices are the closed bud (tau 0)."""
    chance = Chance(seed)
    stalk = NoddingStalk.grown_for(lily, chance)
    flower = Flower(
        lily.flower,
        lambda tau: stalk.spine(tau).pose(np.array(1.0)),
        tuple(Noise.grown(chance.of("creases", axis), 0.022, 2) for axis in range(3)),
    )
    organs = [
        corolla(lily, flower, lambda hung: _falls(lily, hung, stalk.azimuth, chance), chance),
        *stamens(lily, flower, chance),
        pistil(lily, flower),
        receptacle(lily, flower, float(stalk.radius_at(np.array(0.99)))),
        *_buds(lily, stalk, chance),
    ]
    if lily.leaves:
        organs.append(_leaves(lily, stalk, chance))
    top = 1 - 0.0050 * lily.flower / stalk.length
    organs.append(stem(stalk, top, finer(64, lily.detail), finer(14, lily.detail), chance.of("stem")))
    return join([scaled(organ, lily.height / USUAL_HEIGHT) for organ in organs])


@dataclass(frozen=True, eq=False)
class NoddingStalk(Stalk):
    """A stem that ends in a pedicel bent outwards: the flower faces aside, and to the ground when it is dead."""

    tilt: float = 1.15

    @classmethod
    def grown_for(cls, lily: Lily, chance: Chance) -> "NoddingStalk":
        base = Stalk.grown(USUAL_HEIGHT - 0.045 * lily.flower + 0.02, (0.0040, 0.0024), wilted, chance)
        rng = chance.of("pedicel")
        radius = 0.0040, 0.0024 * lily.flower**0.5
        return cls(**(vars(base) | {"radius": radius, "nod": rng.uniform(0.75, 0.95)}), tilt=rng.uniform(1.0, 1.2))

    def spine(self, tau: float) -> Spine:
        s = np.linspace(0, 1, 161)
        pedicel = ramp(s, 0.72, 1.02)
        bend = self.tilt * (0.8 + 0.2 * ramp(opened(tau))) * pedicel + self.nod * ramp(wilted(tau)) * ramp(s, 0.6, 1.0)
        lean = self.lean * s + self.wave * np.sin(5 * s + self.phase) * (1 - pedicel) + bend
        sway = self.sway * s + 0.6 * self.wave * np.cos(4 * s + self.phase)
        return Spine.bent(np.zeros(3), turn("z", self.azimuth), self.length, lean, sway)


def _falls(lily: Lily, hung: Callable[[float], Array], azimuth: float, chance: Chance) -> dict[int, Fall]:
    """Those that hang lowest fall first; each lands in a lane of its own."""
    n = min(lily.fallen, lily.petals)
    draws = chance.each("tepal's fall", n)
    swings = draws.uniform(np.array([0.25, 0.05, 0.0]), np.array([0.5, 0.13, 2 * np.pi]), 3)
    turns, curls, reach = draws.uniform(-0.45, 0.45), draws.uniform(0.5, 1.1), draws.uniform(0.0, 0.012)
    hanging = hung(FIRST_FALL).mean(axis=(1, 2))
    lowest = np.argsort(hanging[:, 2], kind="stable")[:n]
    side = np.sign(hanging[lowest, :2] @ [-np.sin(azimuth), np.cos(azimuth)])
    lanes = np.argsort(np.argsort(side * np.arange(1, n + 1), kind="stable"))  # the highest land farthest aside
    falls = {}
    for k, (tepal, lane) in enumerate(zip(lowest, lanes, strict=True)):
        start = FIRST_FALL + (LAST_FALL - FIRST_FALL) * (k / max(n - 1, 1))
        way = azimuth + 0.42 * (lane - (n - 1) / 2) + 0.1 * turns[k]
        spot = (0.16 + 0.05 * (lane % 2) + reach[k]) * (0.3 + 0.7 * lily.flower) * turn("z", way)[:2, 0]
        landing = Landing(
            (spot[0], spot[1]), way + turns[k], curls[k], (swings[k, 0], swings[k, 1]), swings[k, 2], HANGS * k / 9
        )
        falls[int(tepal)] = Fall.of(hung(start)[tepal], start, FALL, landing)
    return falls


def _buds(lily: Lily, stalk: Stalk, chance: Chance) -> list[Organ]:
    """One or two that stay closed, each on a stalk of its own."""
    n, rows, sides = int(chance.of("buds").integers(1, 3)), finer(19, lily.detail), finer(15, lily.detail)
    draws = chance.each("bud", n)
    node, aside = np.array([0.735, 0.70])[:n], np.array([2.3, -1.9])[:n] + draws.uniform(-0.4, 0.4)
    size = draws.uniform(0.6, 0.8) * np.array([1.0, 0.75])[:n] * (0.5 + 0.5 * lily.flower)
    reach, rise = draws.uniform(0.045, 0.06) * (0.5 + 0.5 * lily.flower), draws.uniform(0.5, 0.75)
    samples, s = np.linspace(0, 1, 41), np.linspace(0, 1, finer(14, lily.detail))
    w, angle = np.linspace(0, 1, rows), np.arange(sides) * (2 * np.pi / sides)
    girth = np.where(
        (w > 0) & (w < 1),
        PchipInterpolator([0, 0.04, 0.3, 0.6, 0.85, 0.95, 1], [0.2, 0.34, 0.8, 1, 0.62, 0.3, 0.06])(w),
        0,
    )
    ribs = 1 + 0.07 * np.cos(3 * angle) * np.sin(np.pi * w)[:, None] - 0.05 * np.abs(np.cos(1.5 * angle)) ** 8
    thin = 0.0017 * (0.5 + 0.5 * lily.flower) * (0.4 + 0.6 * ramp(s, 0.0, 0.12))

    def spines(tau: float) -> list[Spine]:
        droop = ramp(wilted(tau), 0.1, 1.0)
        points, frames = stalk.spine(tau).pose(node)
        frames = frames @ turn("z", aside)
        points = points + frames[:, :, 0] * (stalk.radius_at(node)[:, None] + 0.8 * thin[0])
        lean = rise[:, None] + (0.75 + 0.9 * droop) * ramp(samples, 0.2, 1.0) + 0.25 * droop * ramp(samples)
        return [Spine.bent(*each, 0 * samples) for each in zip(points, frames, reach, lean, strict=True)]

    def pedicels(tau: float) -> Skin:
        points = np.stack([tube(spine, s, thin, 8) for spine in spines(tau)])
        dry = np.full(points.shape[:3], ramp(wilted(tau)))
        return Skin(points, tint(GREEN, BROWN, 0.8 * dry), 0.48 + 0.3 * dry)

    def buds(tau: float) -> Skin:
        dry = ramp(wilted(tau))
        grown = size * (0.92 + 0.12 * ramp(tau / WILTING) - 0.1 * dry)
        local = lathe(
            0.0112 * (1 - 0.35 * dry) * (girth[:, None] * ribs)[None],
            0.074 * w[None, :, None] + np.zeros((1, 1, sides)),
        )
        ends = [spine.pose(np.array(1.0)) for spine in spines(tau)]
        points, frames = (np.stack(both) for both in zip(*ends, strict=True))
        skin = points[:, None, None] + np.einsum(
            "nij,nrcj->nrci", frames, grown[:, None, None, None] * (local + [0, 0, 1e-4])
        )
        seam = np.abs(np.cos(1.5 * angle)) ** 6 * np.ones((rows, 1))
        fresh = tint(
            tint(BUD_GREEN, np.array(lily.colour), 0.35 * w[:, None] ** 2 + 0 * seam), 0.55 * BUD_GREEN, 0.7 * seam
        )
        faded = tint(fresh, 0.7 * LEAF_YELLOW + 0.3 * TAN, 0.9 * dry + 0 * seam)
        return Skin(skin, np.broadcast_to(faded, skin.shape), np.full(skin.shape[:3], 0.45 + 0.3 * dry))

    sheet = lathe_chart(0.0112 * (girth[:, None] * ribs)[None], 0.074 * w[None, :, None] + np.zeros((1, 1, sides)))
    return [
        Organ("pedicels", np.stack([tube_chart(s, thin, 8, each) for each in reach]), pedicels, closed=True),
        Organ("buds", sheet * size[:, None, None, None], buds, closed=True, poles=(True, True)),
    ]


def _leaves(lily: Lily, stalk: Stalk, chance: Chance) -> Organ:
    """Lance-shaped leaves that sit on the stem in a spiral, longest in the middle."""
    rows, columns = finer(17, lily.detail), finer(7, lily.detail) | 1
    u, v = np.linspace(-1, 1, columns), np.linspace(0, 1, rows)
    (s, facing), draws = LEAVES.nodes("leaf", lily.leaves, chance), chance.each("leaf", lily.leaves)
    length = (0.062 + 0.040 * np.sin(np.pi * (0.15 + 0.8 * (s - 0.16) / 0.54))) * draws.uniform(0.92, 1.08)
    lance = np.sin(np.pi * v**0.75) ** 0.9 * (1 - 0.2 * v) + 0.20 * (1 - v) ** 2 + 0.006
    width = length[:, None] * 0.105 * lance
    rise, bow = draws.uniform(0.55, 0.85, 1), draws.uniform(0.35, 0.95, 1)
    twist, tone, haste = draws.uniform(-0.3, 0.3), draws.uniform(0.85, 1.2, 1, 1, 1), draws.uniform(0.8, 1.25, 1)
    rib = 0.5 + 0.5 * np.cos(4 * np.pi * u)
    fresh = tone * tint(
        LEAF_GREEN, LEAF_PALE, np.clip(0.55 * np.exp(-((u / 0.12) ** 2)) + 0.12 * rib, 0, 1) + 0 * v[:, None]
    )
    depth = 1.15 - 0.35 * np.abs(u) - 0.7 * v[:, None] + 0.15 * np.sin(9 * v[:, None] + 5 * haste[..., None])
    order = (1 - 0.5 * (s - 0.16))[:, None]  # the lowest wilt first

    def at(tau: float) -> Skin:
        dry = ramp(wilted(tau) * haste * order, 0.0, 1.15)
        bend = bow * v**1.3 * (1 + 0.5 * dry) + 1.1 * dry * ramp(v, -0.1, 0.6) - rise
        shape = bend, 0.16 + 0.6 * dry + 0 * v, -0.1 + 0.7 * dry * v
        local = blade(width * (1 - 0.3 * dry), length * (1 - 0.08 * dry[:, 0]), u, *shape)
        local[..., 0] += 1.12 * stalk.radius_at(s)[:, None, None]
        points, frames = stalk.spine(tau).pose(s)
        frames = frames @ turn("z", facing) @ turn("x", twist * (1 + 0.8 * dry[:, 0]))
        points = points[:, None, None] + np.einsum("nij,nrcj->nrci", frames, local)
        yellow = ramp(1.8 * dry[..., None] - 0.6 * depth, 0.0, 0.8)
        brown = ramp(2.0 * dry[..., None] - 0.5 - depth, 0.0, 0.8)
        return Skin(points, tint(tint(fresh, LEAF_YELLOW, 0.8 * yellow), LEAF_BROWN, 0.9 * brown), 0.42 + 0.4 * brown)

    chart = np.stack(np.broadcast_arrays(u * width[..., None], (v * length[:, None])[..., None]), axis=-1)
    return Organ("leaves", chart, at)
