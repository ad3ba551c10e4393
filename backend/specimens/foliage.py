"""Stem, thorns and compound leaves: what a specimen on a stalk stands on. Metres, radians, linear RGB.

They share one curve, the stalk's spine. While the specimen wilts the spine bends near its top (the bent neck of a rose
that no longer draws water), the leaves sink, fold along the midrib, yellow and then brown from the margin.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backend.specimens.core import (
    GOLDEN_ANGLE,
    Array,
    Chance,
    Draws,
    Noise,
    Organ,
    Skin,
    Spine,
    blade,
    finer,
    mix,
    ramp,
    tint,
    tube,
    tube_chart,
    turn,
)

GREEN, BROWN = np.array([0.055, 0.125, 0.028]), np.array([0.13, 0.10, 0.04])
LEAF_GREEN, LEAF_PALE = np.array([0.026, 0.085, 0.017]), np.array([0.09, 0.17, 0.05])
LEAF_YELLOW, LEAF_BROWN = np.array([0.30, 0.21, 0.04]), np.array([0.13, 0.065, 0.022])
THORN_RED = np.array([0.16, 0.05, 0.03])

# From a spine's frame (z along it, x below) to a blade's (x along it, z its upper side).
UPPER_SIDE = np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])

LEAFLETS = 5  # of a leaf: two pairs and one at the end
STATION = np.array([0.48, 0.48, 0.78, 0.78, 1.0])  # where they sit along the leaf
SIDE = np.array([1, -1, 1, -1, 0])
LENGTH = np.array([0.036, 0.036, 0.043, 0.043, 0.050])


@dataclass(frozen=True, eq=False)
class Stalk:
    """A stem from the ground up. `wilt(tau)` in [0, 1] says how far it has wilted."""

    length: float
    radius: tuple[float, float]  # at the ground and at the top
    azimuth: float  # of the way it bends
    nod: float  # how far the top has bent when dead
    lean: float
    sway: float
    wave: float
    phase: float
    wilt: Callable[[float], float]

    @classmethod
    def grown(
        cls, length: float, radius: tuple[float, float], wilt: Callable[[float], float], chance: Chance
    ) -> "Stalk":
        """An individual."""
        rng = chance.of("stalk")
        azimuth, phase = rng.uniform(0, 2 * np.pi, 2)
        lean, sway = rng.uniform(-0.06, 0.06, 2)
        return cls(length, radius, azimuth, rng.uniform(0.95, 1.3), lean, sway, rng.uniform(0.02, 0.06), phase, wilt)

    def spine(self, tau: float) -> Spine:
        """Its curve at life time tau: nearly straight, then bent in the top third."""
        s = np.linspace(0, 1, 121)
        nod = self.nod * ramp(self.wilt(tau), 0.0, 1.15)
        lean = self.lean + self.wave * np.sin(5 * s + self.phase) + nod * (ramp(s, 0.66, 1.0) + 0.06 * s)
        sway = self.sway * s + self.wave * np.cos(4 * s + self.phase)
        return Spine.bent(np.zeros(3), turn("z", self.azimuth), self.length, lean, sway)

    def radius_at(self, s: Array) -> Array:
        """Metres, at s in [0, 1]."""
        return mix(*self.radius, s)


@dataclass(frozen=True)
class Spiral:
    """Nodes of a stem, each a golden angle from the one below it. Where fewer are borne than there are nodes, the
    others stay where they are."""

    most: int  # nodes
    reach: tuple[float, float]  # s of its ends
    wobble: float = 0.0  # radians, of each from its place

    def nodes(self, organ: str, n: int, chance: Chance) -> tuple[Array, Array]:
        """s (n,) and azimuth (n,), radians, of n of an organ."""
        slot, draws = self._filled(n), chance.each(f"{organ} node", n)
        s = mix(*self.reach, (slot + 0.5 + draws.uniform(-0.25, 0.25)) / self.most)
        first = chance.of(f"{organ} spiral").uniform(0, 2 * np.pi)
        return s, first + slot * GOLDEN_ANGLE + draws.uniform(-self.wobble, self.wobble)

    def _filled(self, n: int) -> Array:
        """(n,) nodes, each the farthest from those before it, along the stem and about it."""
        node = np.arange(self.most)
        places = np.stack([np.cos(node * GOLDEN_ANGLE), np.sin(node * GOLDEN_ANGLE), 4 * node / self.most], axis=-1)
        apart, filled = np.linalg.norm(places[:, None] - places, axis=-1), [0]
        while len(filled) < n:
            filled.append(int(apart[filled].min(axis=0).argmax()))
        return np.array(filled[:n], int)


def stem(stalk: Stalk, top: float, rows: int, sides: int, rng: np.random.Generator) -> Organ:
    """From the ground to `top` of the stalk's length."""
    s = np.append(0.0, np.linspace(0, top, rows))
    radius = stalk.radius_at(s) * np.append(0.04, np.ones(rows))  # the cut end is closed
    shade = 1 + 0.06 * Noise.grown(rng, 0.35)(_unrolled(s, sides))
    ripe = 0.4 + 0.6 * ramp(s, 0.5, 1)[None, :, None]

    def at(tau: float) -> Skin:
        dry = ramp(stalk.wilt(tau)) * ripe + 0 * shade
        albedo = tint(GREEN, BROWN, 0.8 * dry) * shade[..., None]
        return Skin(tube(stalk.spine(tau), s, radius, sides)[None], albedo, 0.48 + 0.3 * dry)

    return Organ("stem", tube_chart(s, radius, sides, stalk.length)[None], at, closed=True)


def _unrolled(s: Array, sides: int) -> Array:
    """(1, rows, sides, 3) places on a tube for a Noise, the same at every level of detail."""
    angle = np.arange(sides) * (2 * np.pi / sides)
    return np.stack(np.broadcast_arrays(0.1 * np.cos(angle), 0.1 * np.sin(angle), 3 * s[:, None]), axis=-1)[None]


def thorns(stalk: Stalk, s: Array, azimuth: Array, scale: float, draws: Draws) -> Organ:
    """Hooked prickles on the stem at s (n,), facing `azimuth` (n,)."""
    n, rows, sides = len(s), 4, 6
    length = scale * draws.uniform(0.004, 0.007, 1, 1)
    h = np.linspace(0, 1, rows)[None, :, None]
    ring = np.arange(sides + 1) * (2 * np.pi / sides)
    taper = scale * (0.0019 * (1 - h) ** 1.4 + 3e-5)
    across = 0.6 * taper * np.cos(ring[:-1])
    up = 1.5 * taper * np.sin(ring[:-1]) - 0.35 * h**2 * length
    # The foot lies on a cylinder just outside the stem, so it does not cut into it.
    out = np.sqrt((1.05 * stalk.radius_at(s)[:, None, None]) ** 2 - across**2) + h * length
    local = np.stack(np.broadcast_arrays(out, across, up), axis=-1)
    full = np.ones((n, rows, sides))

    def at(tau: float) -> Skin:
        points, frames = stalk.spine(tau).pose(s)
        points = points[:, None, None] + np.einsum("nij,nrcj->nrci", frames @ turn("z", azimuth), local)
        return Skin(points, tint(THORN_RED, BROWN, (0.3 * h + 0.5 * stalk.wilt(tau)) * full), 0.4 * full)

    chart = np.stack(np.broadcast_arrays(ring * 0.0017 * scale, h * length), axis=-1)
    return Organ("thorns", chart, at, closed=True)


def compound_leaves(stalk: Stalk, s: Array, azimuth: Array, scale: float, detail: float, chance: Chance) -> list[Organ]:
    """Leaves of five leaflets on the stem at s (m,), facing `azimuth` (m,): their stalks and their blades."""
    m = len(s)
    draws = chance.each("leaf stalk", m)
    rise, length = draws.uniform(0.75, 0.95, 1), scale * draws.uniform(0.085, 0.1)
    samples, rows = np.linspace(0, 1, 33), np.linspace(0, 1, finer(14, detail))
    # Narrow where it leaves the stem, so that it does not cut into it.
    radius = scale * mix(0.0011, 0.0006, rows) * (0.4 + 0.6 * ramp(rows, 0.0, 0.1))

    def spines(tau: float) -> list[Spine]:
        droop = ramp(stalk.wilt(tau), 0.0, 1.1)
        points, frames = stalk.spine(tau).pose(s)
        frames = frames @ turn("z", azimuth)
        points = points + frames[:, :, 0] * (stalk.radius_at(s)[:, None] + 0.85 * radius[0])
        lean = rise + (0.5 + 0.3 * droop) * samples + 1.1 * droop * ramp(samples, -0.1, 0.5)
        return [Spine.bent(*leaf, 0 * samples) for leaf in zip(points, frames, length, lean, strict=True)]

    def at(tau: float) -> Skin:
        points = np.stack([tube(spine, rows, radius, 6) for spine in spines(tau)])
        dry = np.full(points.shape[:3], ramp(stalk.wilt(tau)))
        return Skin(points, tint(GREEN, BROWN, dry), 0.48 + 0.3 * dry)

    chart = np.stack([tube_chart(rows, radius, 6, each) for each in length])
    blades = _leaflets(stalk, spines, scale, detail, chance.each("leaflet", m * LEAFLETS))
    return [Organ("leaves", chart, at, closed=True), blades]


def _leaflets(stalk: Stalk, spines: Callable[[float], list[Spine]], scale: float, detail: float, draws: Draws) -> Organ:
    """Ovate, serrate blades, folded along the midrib, bowed."""
    m, rows = len(draws.streams) // LEAFLETS, finer(19, detail)
    u, v = np.linspace(-1, 1, finer(9, detail) | 1), np.linspace(0, 1, rows)
    length = np.tile(LENGTH, m) * scale * draws.uniform(0.92, 1.08)
    heading = np.tile(SIDE, m) * draws.uniform(0.85, 1.05)
    teeth = 1 + 0.05 * (-1.0) ** np.arange(rows) * ramp(v, 0.08, 0.3)
    ovate = 0.37 * np.sin(np.pi * v**0.8) ** 0.75 * (1 - 0.25 * v) * ramp(v, -0.02, 0.22) + 0.012
    width = length[:, None] * ovate * teeth
    bow, twist, tone = draws.uniform(0.3, 0.7, 1), draws.uniform(-0.15, 0.15), draws.uniform(0.8, 1.2, 1, 1, 1)
    haste, stain = draws.uniform(0.8, 1.3, 1), draws.uniform(0, 2 * np.pi, 1, 1)
    vein = np.exp(-((u / 0.1) ** 2))
    rib = 0.5 + 0.5 * np.cos(2 * np.pi * (9 * v[:, None] - 2.2 * np.abs(u)))
    fresh = tone * tint(LEAF_GREEN, LEAF_PALE, np.clip(0.75 * vein + 0.15 * rib, 0, 1))
    depth = 1.1 - 0.55 * np.abs(u) - 0.4 * v[:, None] + 0.2 * np.sin(6 * v[:, None] + 4 * u + stain)

    def at(tau: float) -> Skin:
        dry = ramp(stalk.wilt(tau) * haste, 0.0, 1.15)
        bend = bow * v * (1 + 1.2 * dry) + 0.7 * dry * ramp(v, 0, 0.4)
        shape = bend, 0.22 + 0.75 * dry + 0 * v, -0.25 + 1.1 * dry * v
        local = blade(width * (1 - 0.15 * dry), length * (1 - 0.12 * dry[:, 0]), u, *shape)
        local[..., 0] += 0.0018 * scale
        poses = [spine.pose(STATION) for spine in spines(tau)]
        points, frames = (np.concatenate(both) for both in zip(*poses, strict=True))
        frames = frames @ UPPER_SIDE @ turn("z", heading) @ turn("x", twist * (1 + 0.3 * dry[:, 0]))
        points = points[:, None, None] + np.einsum("nij,nrcj->nrci", frames, local)
        yellow = ramp(1.8 * dry[..., None] - 0.6 * depth, 0.0, 0.8)
        brown = ramp(2.0 * dry[..., None] - 0.4 - depth, 0.0, 0.8)
        albedo = tint(tint(fresh, LEAF_YELLOW, 0.8 * yellow), LEAF_BROWN, 0.9 * brown)
        return Skin(points, albedo, 0.58 + 0.3 * brown)

    chart = np.stack(np.broadcast_arrays(u * width[..., None], (v * length[:, None])[..., None]), axis=-1)
    return Organ("leaves", chart, at)
