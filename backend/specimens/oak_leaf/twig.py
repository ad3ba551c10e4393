"""The twig of an oak: its bark, its buds, and the nodes at which leaves sit or have sat.

Phyllotaxis 2/5, nodes crowded at the twig's end (Bell, "Plant form", 1991). Every node has its bud, with a leaf below
it or without, so twig and buds are the same whatever the twig bears.

    s  along the twig, in [0, 1]; lengths are shares of the height
"""

from dataclasses import dataclass

import numpy as np

from backend.specimens.core import (
    Array,
    Chance,
    Noise,
    Organ,
    Skin,
    Spine,
    finer,
    lathe,
    mix,
    ramp,
    tint,
    tube,
    tube_chart,
    turn,
)
from backend.specimens.midribs import Nodes

NODES = 12
DIVERGENCE = 2 * np.pi * 2 / 5
TWIG = 0.72  # length
TWIG_RADIUS = 0.0105, 0.0068

BARK, BARK_PALE, BARK_OLIVE = (
    np.array([0.10, 0.078, 0.058]),
    np.array([0.30, 0.26, 0.21]),
    np.array([0.13, 0.12, 0.055]),
)
BUD, BUD_RIM = np.array([0.22, 0.10, 0.035]), np.array([0.07, 0.030, 0.014])


@dataclass(frozen=True, eq=False)
class Twig:
    spine: Spine
    s: Array  # (NODES,) where leaves may sit, from the uppermost down
    azimuth: Array  # (NODES,)

    @classmethod
    def grown(cls, chance: Chance) -> "Twig":
        rng = chance.of("twig")
        s = np.linspace(0, 1, 161)
        zigzag = rng.uniform(0.05, 0.09) * np.sin(9 * s + rng.uniform(0, 2 * np.pi)) * ramp(s, 0.0, 0.3)
        lean = rng.uniform(0.3, 0.42) * ramp(s, -0.05, 0.5) - rng.uniform(0.15, 0.4) * ramp(s, 0.45, 1.1) + zigzag
        sway = rng.uniform(0.06, 0.10) * np.sin(6 * s + rng.uniform(0, 2 * np.pi)) * ramp(s, 0.0, 0.3)
        spine = Spine.bent(np.zeros(3), turn("z", rng.uniform(0, 2 * np.pi)), TWIG, lean, sway)
        down = np.arange(NODES)
        azimuth = rng.uniform(0, 2 * np.pi) + down * DIVERGENCE + chance.each("node", NODES).uniform(-0.2, 0.2)
        return cls(spine, 0.925 - 0.755 * (down / (NODES - 1)) ** 1.1, azimuth)

    def radius(self, s: Array) -> Array:
        return mix(*TWIG_RADIUS, s)


def bark(twig: Twig, detail: float, rng: np.random.Generator) -> Organ:
    """Ringed and warted, thicker at the nodes, closed at both ends."""
    rows, sides = finer(110, detail), finer(18, detail)
    s = np.concatenate([[0.0], np.linspace(0, 1, rows), [1.0]])
    swollen = (0.16 * np.exp(-(((s[:, None] - twig.s) / 0.012) ** 2))).max(axis=1)
    radius = twig.radius(s) * (1 + swollen) * np.concatenate([[0.0], np.ones(rows), [0.0]])
    points = tube(twig.spine, s, radius, sides)
    middle = twig.spine.pose(s)[0][:, None]
    rough, warts = Noise.grown(rng, 0.03, 3, 0.7), Noise.grown(rng, 0.012, 1)
    stretched = points * [1, 1, 0.35]
    grain = rough(stretched).clip(-2, 1.5)
    points = middle + (points - middle) * (1 + 0.025 * grain)[..., None]
    points[..., 2] = np.maximum(points[..., 2], 0)
    lenticel = ramp(warts(points), 1.2, 1.9)
    olive = ramp(s, 0.45, 1.0)[:, None]
    albedo = tint(tint(BARK, BARK_OLIVE, 0.65 * olive), BARK_PALE, np.clip(0.2 + 0.16 * grain, 0, 1))
    albedo = tint(albedo, BARK_PALE, 0.8 * lenticel)[None]
    chart = tube_chart(s, twig.radius(s), sides, TWIG)[None]
    skin = Skin(points[None], albedo, np.full((1, *points.shape[:2]), 0.8))
    return Organ("twig", chart, lambda tau: skin, closed=True, poles=(True, True))


def buds(twig: Twig, detail: float, chance: Chance) -> Organ:
    """Blunt, scaly buds: one at each node, a cluster at the end."""
    rng = chance.of("buds")
    around = rng.integers(3, 5)
    n = NODES + 1 + around
    draws = chance.each("bud", n)
    rows, columns = finer(15, detail), finer(12, detail)
    v = np.linspace(0, 1, rows)[None, :, None]
    phi = np.arange(columns) * (2 * np.pi / columns)
    scales = np.cos(2.5 * phi + np.pi * np.floor(6 * v)) * 0.5 + 6 * v
    overlap = scales - np.floor(scales)
    girth = np.sqrt(np.clip(v * (1 - v), 0, 1)) * (1.25 - 0.65 * v) * (1 + 0.10 * overlap * np.sqrt(1 - v))
    end = np.arange(n) >= NODES
    first = np.arange(n) == NODES
    length = np.where(first, 0.036, np.where(end, 0.027, 0.019)) * draws.uniform(0.85, 1.12)
    local = lathe(*np.broadcast_arrays(0.54 * girth, v + 0 * phi)) * length[:, None, None, None]
    s = np.concatenate([twig.s, np.ones(1 + around)])
    azimuth = np.concatenate([twig.azimuth, [0.0], rng.uniform(0, 7) + np.arange(around) * 2 * np.pi / around])
    tilt = np.where(first, 0.0, np.where(end, 0.95, 0.3))
    nodes = Nodes.on(twig.spine, s, azimuth, twig.radius(s))
    out = np.where(first, 0.0, np.where(end, 0.0100, 1.25 * nodes.radius + 0.28 * length))
    up = np.where(first, 0.0012, np.where(end, -0.006, 0.017))
    local = np.einsum("nij,nrcj->nrci", turn("y", tilt), local) + np.stack([out, 0 * out, up], axis=-1)[:, None, None]
    albedo = tint(BUD, BUD_RIM, ramp(overlap, 0.55, 1.0)) * draws.uniform(0.85, 1.15, 1, 1, 1)
    skin = Skin(nodes.placed(local), albedo, np.full(local.shape[:3], 0.5))
    ring = np.arange(columns + 1) / columns
    chart = np.stack(np.broadcast_arrays(ring * 0.03 + 0 * v, v * 0.03 + 0 * length[:, None, None]), axis=-1)
    return Organ("buds", chart, lambda tau: skin, closed=True, poles=(True, True))
