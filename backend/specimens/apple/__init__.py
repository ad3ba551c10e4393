"""An apple: it ripens, then rots where it is damp, or dries where it is not.

The fruit is a solid of revolution with a cavity at the stalk and a basin at the calyx, made uneven: five lobes round
the basin for its five carpels, one shoulder higher than the other. Lesions, wrinkles and mould push its skin along the
normals it had when ripe; then it is scaled about its foot so that it encloses what the law of its matter says.

    s    along a meridian, 0 at the calyx, 1 at the stalk     phi  round the fruit, radians

The rot is brown rot (brown_rot.py). Drying, a fruit shrinks by nearly the volume of the water it loses (Lozano,
Rotstein & Urbicain, "Shrinkage, porosity and bulk density of foodstuffs at changing moisture contents", J. Food Sci.
48, 1983), while its skin keeps much of its area and wrinkles (Yin, Cao, Li, Sheinman & Chen, "Stress-driven buckling
patterns in spheroidal core/shell structures", PNAS 105, 2008). Departs from them: wrinkles and sagging are prescribed,
nothing elastic is solved, and the share of the volume that rot takes is set, not measured.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from backend.species import Apple
from backend.specimens.apple.brown_rot import RING, Lesions
from backend.specimens.core import (
    Array,
    Chance,
    Draws,
    Matter,
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
    mix,
    ramp,
    tint,
    tube,
    tube_chart,
    turn,
)
from backend.specimens.foliage import LEAF_BROWN, LEAF_GREEN, LEAF_PALE, LEAF_YELLOW, UPPER_SIDE
from backend.specimens.solids import enclosed, poled

RIPE = Apple.life.stretches["ripen"].end
# A meridian from the calyx to the stalk, in heights: (radius, height).
MERIDIAN = np.array(
    [(0, 0.090), (0.06, 0.080), (0.125, 0.040), (0.205, 0.006), (0.30, 0.004), (0.41, 0.065), (0.497, 0.20),
     (0.552, 0.385), (0.566, 0.58), (0.528, 0.775), (0.43, 0.920), (0.305, 0.990), (0.20, 0.972), (0.11, 0.885),
     (0.05, 0.815), (0, 0.795)]
)  # fmt: skip

UNRIPE, GROUND = np.array([0.20, 0.30, 0.035]), np.array([0.55, 0.42, 0.075])  # skin without its blush
LENTICEL, RUSSET = np.array([0.66, 0.52, 0.24]), np.array([0.24, 0.15, 0.05])
ROTTEN, OLD_ROT = np.array([0.185, 0.072, 0.022]), np.array([0.032, 0.015, 0.009])
BUFF, GREY = np.array([0.56, 0.45, 0.29]), np.array([0.34, 0.33, 0.29])
LEATHER = np.array([0.048, 0.017, 0.010])
WOOD, WOOD_DARK = np.array([0.12, 0.075, 0.03]), np.array([0.045, 0.026, 0.014])

LEAVES_AT = np.array([0.72, 0.60])  # of the stalk

SWELLING = 0.14  # of the volume, while it ripens
ROTTED, DRIED = 0.52, 0.45  # shares of the ripe volume that are left


def grow(apple: Apple, seed: int) -> Specimen:
    """An apple; `seed` picks the individual. Its vertices are the green fruit (tau 0)."""
    chance = Chance(seed)
    fruit = _Fruit.grown(apple, chance)
    rng = chance.of("stalk")
    lean = rng.uniform(0.05, 0.22), rng.uniform(0, 2 * np.pi)
    organs = [_body(fruit), _stalk(fruit, lean, rng.uniform(0.8, 1.2)), _sepals(fruit, chance)]
    if apple.leaf:
        organs += _leaves(fruit, lean, chance)
    return join(organs, Matter(("fruit",), fruit.volume_share))


def spoilt(tau: float) -> float:
    """How far from ripe (0) to the end (1)."""
    return float(np.clip((tau - RIPE) / (1 - RIPE), 0, 1))


@dataclass(frozen=True, eq=False)
class _Fruit:
    """The fruit's grid (1, rows, columns), in heights, and what of it is drawn once for an individual."""

    apple: Apple
    ripe: Array  # points
    normals: Array
    free: Array  # 1 on the skin, 0 at both poles: how much of wrinkles and rot is let through
    lesions: Lesions
    folds: Array  # in [0, 1], where the dried skin falls in
    dents: Array  # about 0, in standard deviations
    sunny: Array  # skin colour when ripe
    green: Array  # and when not
    stain: Array  # a field about 0 for browns
    size: float  # of the ripe fruit that is a height tall
    whole: float  # volume of the ripe one

    @classmethod
    def grown(cls, apple: Apple, chance: Chance) -> "_Fruit":
        rows, columns = finer(104, apple.detail), finer(136, apple.detail)
        ripe, s, phi = _uneven(rows, columns, chance.of("fruit"))
        normals = _normals(ripe)
        free = ramp(s, 0.06, 0.26) * (1 - ramp(s, 0.70, 0.88)) + 0 * phi
        lesions = Lesions.grown(ripe, chance)
        folds, dents = _folds(ripe, s, phi, chance.of("folds")), Noise.grown(chance.of("dents"), 0.8, 2)(ripe)
        green, sunny = _skin_colours(apple, ripe, s, phi, chance.of("skin"))
        stain = Noise.grown(chance.of("stain"), 0.25, 3)(ripe)
        size = 1 / float(np.ptp(ripe[..., 2]))
        return cls(
            apple, ripe, normals, free, lesions, folds, dents, sunny, green, stain, size, enclosed(poled(ripe[0]))
        )  # fmt: skip

    def volume_share(self, tau: float) -> float:
        """Of its volume when green."""
        kept = mix(DRIED, ROTTED, self.apple.damp)
        grown = 1 + SWELLING * ramp(tau / RIPE)
        return float(grown * (1 - (1 - kept) * _spent(spoilt(tau))))

    def raw(self, tau: float) -> Array:
        """Points in heights, before they are scaled to their volume."""
        t, damp = spoilt(tau), self.apple.damp
        if t == 0:
            return self.ripe
        age = self.lesions.age(t)
        soft = damp * ramp(age, -0.02, 0.5)
        rotten = damp * (0.020 * ramp(age, -0.015, 0.03) + 0.060 * ramp(age, 0.0, 0.7) * (1 + 0.8 * self.dents))
        furrows = self.folds * (0.070 * (1 - damp) * ramp(t, 0.05, 1.0) + 0.030 * soft)
        hollow = 0.055 * (1 - damp) * ramp(t, 0.1, 1.0) * (0.4 + self.dents)
        tufts = 0.009 * damp * self.lesions.tuft * ramp(t - self.lesions.breaks, 0.0, 0.12)
        points = self.ripe - (self.free * (rotten + furrows + hollow - tufts))[..., None] * self.normals
        return _slumped(points, damp * ramp(t, 0.25, 1.0))

    def placed(self, tau: float) -> tuple[Array, float, Array]:
        """Points in metres; how many metres a height of raw points is; where their origin lies, metres."""
        raw = self.raw(tau)
        share = self.volume_share(tau) / (1 + SWELLING)
        scale = self.apple.height * self.size * np.cbrt(share * self.whole / enclosed(poled(raw[0])))
        down = np.array([0, 0, -scale * raw[..., 2].min()])
        return scale * raw + down, scale, down


def _spent(t: float) -> float:
    """Of the matter that goes, how much has gone at t."""
    return float(ramp(t, -0.25, 1.15) - ramp(0.0, -0.25, 1.15)) / float(ramp(1.0, -0.25, 1.15) - ramp(0.0, -0.25, 1.15))


def _slumped(points: Array, soft: float) -> Array:
    """A soft fruit sits down: it widens below and leans to a side."""
    x, y, z = np.moveaxis(points, -1, 0)
    low = 1 - ramp(z, -0.1, 0.75)
    wide = 1 + 0.16 * soft * low
    sunk = z * (1 - 0.24 * soft * ramp(z, -0.2, 1.0))
    return np.stack([x * wide + 0.07 * soft * z, y * wide - 0.04 * soft * z, sunk], axis=-1)


def _uneven(rows: int, columns: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """The ripe fruit (1, rows, columns, 3) in heights, s (1, rows, 1) and phi (1, 1, columns)."""
    mirrored = np.concatenate([MERIDIAN[2:0:-1] * [-1, 1], MERIDIAN, MERIDIAN[-2:-4:-1] * [-1, 1]])
    knots = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(mirrored, axis=0), axis=1))])
    curve, ends = CubicSpline(knots, mirrored), (knots[2], knots[-3])
    s = np.linspace(0, 1, rows)
    r, z = curve(mix(*ends, s)).T
    r[[0, -1]] = 0
    s, phi = s[None, :, None], (np.arange(columns) * (2 * np.pi / columns))[None, None, :]
    turned = phi - rng.uniform(0, 2 * np.pi)
    lobes = np.cos(5 * turned + 0.25 * np.sin(turned))
    low = ramp(s, 0.0, 0.1) * (1 - ramp(s, 0.12, 0.6))
    high = ramp(s, 0.66, 0.8) * (1 - ramp(s, 0.86, 1.0))
    bumps = Noise.grown(rng, 1.3, 1)
    points = lathe(r[None, :, None] * (1 + 0.045 * low * lobes + 0.016 * high * lobes), z[None, :, None] + 0 * phi)
    points[..., 2] += -0.016 * low * lobes + 0.014 * high * lobes
    inside = ramp(s, 0.0, 0.2) * (1 - ramp(s, 0.8, 1.0))
    points = points * (1 + 0.022 * (inside * bumps(points))[..., None])
    x, y, z = np.moveaxis(points, -1, 0)
    lean, facing = rng.uniform(0.02, 0.06), rng.uniform(0, 2 * np.pi)  # one shoulder is higher
    z = z + lean * (x * np.cos(facing) + y * np.sin(facing)) * ramp(z, 0.1, 1.0)
    narrow = rng.uniform(0.93, 1.03)  # tall ones and flat ones
    squeezed = rng.uniform(0.0, 0.05) * narrow
    points = np.stack([x * (narrow + squeezed), y * (narrow - squeezed), z], axis=-1)
    return points, s, phi


def _normals(points: Array) -> Array:
    """Outward unit normals of a closed grid (1, rows, columns, 3); along the axis at the poles."""
    around = np.roll(points, -1, axis=2) - np.roll(points, 1, axis=2)
    across = np.gradient(points, axis=1)
    normals = np.cross(around, across)
    normals[:, 0], normals[:, -1] = (0, 0, -1), (0, 0, 1)
    return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)


def _folds(points: Array, s: Array, phi: Array, rng: np.random.Generator) -> Array:
    """In [0, 1]: furrows of a shrunken skin, along the meridians and, finer, across them."""
    unrolled = np.stack(np.broadcast_arrays(np.cos(phi), np.sin(phi), 0.9 * (s - 0.5)), axis=-1)
    meridional = Noise.grown(rng, 0.42, 2)(unrolled + 0.05 * points)
    cross = Noise.grown(rng, 0.30, 2)(points)
    ridged = 0.65 / (1 + (meridional / 0.38) ** 2) + 0.35 / (1 + (cross / 0.45) ** 2)
    return np.clip(ridged, 0, 1)


def _skin_colours(apple: Apple, points: Array, s: Array, phi: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """(green, ripe) albedo (1, rows, columns, 3): ground colour, blush on the sunny side, streaks, lenticels."""
    facing = rng.uniform(-0.9, 0.3)
    patches = Noise.grown(rng, 0.5, 3)(points)
    streaks = Noise.grown(rng, 0.11, 2)(
        np.stack(np.broadcast_arrays(0.5 * np.cos(phi), 0.5 * np.sin(phi), 0.16 * s), axis=-1) + 0.012 * points
    )
    sun = 0.55 * np.cos(phi - facing) * np.sin(np.pi * np.clip(s, 0, 1)) + 0.35 * (points[..., 2] - 0.4)
    exposed = sun + 0.10 * patches + 0.10 * streaks
    blush = ramp(exposed + 2.0 * apple.blush - 1.0, -0.55, 0.55)
    red = np.array(apple.colour) * (1 + 0.16 * patches - 0.22 * np.maximum(streaks, -1.5))[..., None]
    ground = tint(GROUND, UNRIPE, 0.25 + 0.2 * patches)
    ripe = tint(ground, np.clip(red, 0, 1), 0.97 * blush)
    ripe = tint(ripe, GROUND, 0.22 * blush * ramp(streaks, 0.9, 1.9))
    green = tint(UNRIPE * (1 + 0.08 * patches[..., None]), np.array(apple.colour), 0.22 * blush**2)
    spots = _lenticels(points, rng)
    cavity = ramp(s, 0.875, 0.955) * (0.75 + 0.25 * np.cos(9 * phi) * (1 - ramp(s, 0.9, 1.0)))
    out = []
    for skin, pale in ((green, 0.30), (ripe, 0.42)):
        skin = tint(skin, LENTICEL, pale * spots)
        skin = tint(skin, RUSSET, 0.75 * np.clip(cavity, 0, 1))
        out.append(tint(skin, UNRIPE, 0.5 * (1 - ramp(s, 0.02, 0.16)) + 0 * phi))
    return out[0], out[1]


def _closest(points: Array, places: Array) -> tuple[Array, Array]:
    """For points (..., 3) the nearest of places (m, 3): which it is, and how far."""
    square = (places**2).sum(axis=-1) - 2 * points @ places.T
    nearest = square.argmin(axis=-1)
    return nearest, np.linalg.norm(points - places[nearest], axis=-1)


def _lenticels(points: Array, rng: np.random.Generator) -> Array:
    """In [0, 1]: pale pores, small and close at the calyx, larger and sparse towards the stalk."""
    n = 380
    rise = 0.9 * rng.uniform(0, 1, n) ** 1.35
    around = rng.uniform(0, 2 * np.pi, n)
    radius = 0.56 * np.sqrt(np.clip(1 - ((rise - 0.55) / 0.62) ** 2, 0.05, 1))
    places = np.stack([radius * np.cos(around), radius * np.sin(around), rise], axis=-1)
    flat = points.reshape(-1, 3)
    places = flat[_closest(places, flat)[0]]  # a pore is as wide as a vertex is near
    nearest, gap = _closest(points, places)
    return rng.uniform(0.2, 1.0, n)[nearest] * np.exp(-((gap / (0.008 + 0.006 * rise)[nearest]) ** 2))


def _body(fruit: _Fruit) -> Organ:
    apple, lesions = fruit.apple, fruit.lesions
    tone = 1 + 0.14 * fruit.stain
    bloom = np.clip(0.28 + 0.05 * fruit.stain, 0, 1)

    def at(tau: float) -> Skin:
        points, _, _ = fruit.placed(tau)
        t, damp = spoilt(tau), apple.damp
        # Where the sun reaches, the skin turns first.
        albedo = tint(fruit.green, fruit.sunny, ramp(1.5 * tau / RIPE - 0.25 + 0.08 * fruit.stain))
        age = lesions.age(t)
        leather = (1 - damp) * ramp(t, 0.0, 1.1)
        albedo = tint(albedo, LEATHER * tone[..., None], leather * (0.80 + 0.18 * fruit.folds))
        brown = damp * ramp(age, -0.012, 0.016)
        old = ramp(age + 0.03 * fruit.stain, 0.12, 0.85)
        zones = 0.5 + 0.5 * np.cos(2 * np.pi * lesions.distance / RING)
        rot = tint(ROTTEN, OLD_ROT, old) * ((1 - 0.25 * zones * ramp(age, 0.02, 0.1)) * tone)[..., None]
        albedo = tint(albedo, rot, brown)
        tufted = damp * lesions.tuft * ramp(t - lesions.breaks, -0.03, 0.07)
        albedo = tint(albedo, tint(BUFF, GREY, ramp(age, 0.25, 0.8)), (0.92 - 0.62 * ramp(age, 0.35, 0.85)) * tufted)
        furry = damp * ramp(age, 0.45, 1.0) * ramp(fruit.dents, 0.0, 1.0)
        albedo = tint(albedo, GREY, 0.7 * furry)
        rough = mix(mix(bloom, 0.62, leather), 0.55 + 0.3 * old, brown)
        return Skin(points, albedo, mix(rough, 0.95, np.maximum(tufted, furry)))

    r = np.hypot(fruit.ripe[..., 0], fruit.ripe[..., 1])
    chart = lathe_chart(r, fruit.ripe[..., 2]) * apple.height
    return Organ("fruit", chart, at, closed=True, poles=(True, True))


def _stalk_spine(fruit: _Fruit, lean: tuple[float, float], tau: float) -> Spine:
    """From just above the bottom of the cavity; it tilts as the fruit falls in, and bends as it dries."""
    points, scale, _ = fruit.placed(tau)
    t = spoilt(tau)
    samples = np.linspace(0, 1, 33)
    foot = points[0, -1].mean(axis=0) + [0, 0, 0.006 * scale]
    shrunk = fruit.apple.height * (1 - 0.12 * t)
    bend = lean[0] * (0.3 + samples) + 0.25 * t * samples
    return Spine.bent(foot, turn("z", lean[1]), 0.42 * shrunk, bend, 0.06 * np.sin(5 * samples))


def _stalk(fruit: _Fruit, lean: tuple[float, float], shade: float) -> Organ:
    """Woody, a knob at its end where it left the spur."""
    rows, sides = finer(22, fruit.apple.detail), finer(10, fruit.apple.detail)
    s = np.linspace(0, 1, rows)
    thick = 0.017 + 0.012 * np.exp(-s / 0.06) + 0.014 * ramp(s, 0.8, 0.97)
    radius = fruit.apple.height * thick * np.sqrt(np.clip(1 - ((s - 0.5) / 0.5) ** 40, 1e-3, 1))
    grain = 0.5 + 0.5 * np.sin(9 * s + shade * 7)[None, :, None] + np.zeros((1, rows, sides))

    def at(tau: float) -> Skin:
        spine = _stalk_spine(fruit, lean, tau)
        young = tint(WOOD, np.array([0.13, 0.17, 0.035]), 0.5 * (1 - ramp(tau / RIPE)) * (1 - ramp(s, 0.3, 1.0)))
        albedo = tint(shade * young[None, :, None], WOOD_DARK, 0.25 * grain + 0.5 * spoilt(tau))
        return Skin(tube(spine, s, radius, sides)[None], albedo, 0.7 + 0.15 * grain)

    chart = tube_chart(s, radius, sides, 0.42 * fruit.apple.height)[None]
    return Organ("stalk", chart, at, closed=True, poles=(True, True))


def _sepals(fruit: _Fruit, chance: Chance) -> Organ:
    """Five dry tips of the calyx, in the basin below."""
    n, rows, columns = 5, finer(7, fruit.apple.detail), finer(5, fruit.apple.detail) | 1
    u, v = np.linspace(-1, 1, columns), np.linspace(0, 1, rows)
    draws, first = chance.each("sepal", n), chance.of("calyx").uniform(0, 2 * np.pi)
    azimuth = first + np.arange(n) * (2 * np.pi / n) + draws.uniform(-0.15, 0.15)
    width = 0.0105 * (1 - v**1.5)[None] + 0.0015 + np.zeros((n, 1))
    long = draws.uniform(0.045, 0.065)
    bend = draws.uniform(0.1, 0.4, 1) + draws.uniform(-0.9, -0.2, 1) * v
    local = blade(width, long, u, bend, np.full((n, rows), 0.3), np.full((n, rows), 0.2))
    local[..., 0] += 0.022
    frames = turn("z", azimuth) @ turn("x", np.array(np.pi)) @ turn("y", np.array(-0.35))
    placed = np.einsum("nij,nrcj->nrci", frames, local)
    tone = draws.uniform(0.7, 1.2, 1, 1, 1)

    def at(tau: float) -> Skin:
        points, scale, _ = fruit.placed(tau)
        room = points[0, 0, :, 2].mean() / (0.09 * scale)
        foot = points[0, 0].mean(axis=0) - [0, 0, 0.008 * scale]
        dry = 0.4 + 0.6 * ramp(tau, 0.0, 0.5) + np.zeros((n, rows, columns))
        albedo = tone * tint(np.array([0.09, 0.11, 0.04]), WOOD_DARK, dry)
        return Skin(foot + 0.85 * min(room, 1.0) * scale * placed, albedo, np.full((n, rows, columns), 0.85))

    chart = np.stack(np.broadcast_arrays(u * width[..., None], (v * long[:, None])[..., None]), axis=-1)
    return Organ("calyx", chart * fruit.apple.height, at)


def _leaves(fruit: _Fruit, lean: tuple[float, float], chance: Chance) -> list[Organ]:
    """Elliptic, finely toothed leaves near the stalk's end, on stalks of their own; they droop, yellow and curl."""
    apple, samples = fruit.apple, np.linspace(0, 1, 33)
    n, rows = apple.leaf, (1 - np.cos(np.pi * np.linspace(0, 1, finer(14, apple.detail)))) / 2
    draws, first = chance.each("leaf", n), chance.of("leaves").uniform(0, 2 * np.pi)
    azimuth = first + np.arange(n) * 2.6 + draws.uniform(-0.4, 0.4)
    rise, long = draws.uniform(1.05, 1.25), draws.uniform(0.22, 0.28)
    radius = apple.height * mix(0.0125, 0.0085, rows) * np.sqrt(np.clip(1 - (2 * rows - 1) ** 60, 1e-3, 1))

    def spines(tau: float) -> list[Spine]:
        droop = ramp(spoilt(tau), 0.0, 0.9)
        points, frames = _stalk_spine(fruit, lean, tau).pose(LEAVES_AT[:n])
        frames = frames @ turn("z", azimuth)
        points = points + 0.021 * apple.height * frames[:, :, 0]
        bends = rise[:, None] + (0.25 + 0.3 * droop) * samples
        return [
            Spine.bent(point, frame, each * apple.height, bend, 0 * samples)
            for point, frame, each, bend in zip(points, frames, long, bends, strict=True)
        ]

    def at(tau: float) -> Skin:
        points = np.stack([tube(spine, rows, radius, 6) for spine in spines(tau)])
        dry = np.full(points.shape[:3], ramp(spoilt(tau)))
        return Skin(points, tint(LEAF_PALE, LEAF_BROWN, 0.9 * dry), 0.5 + 0.35 * dry)

    chart = np.stack([tube_chart(rows, radius, 6, each * apple.height) for each in long])
    stalks = Organ("leaf", chart, at, closed=True, poles=(True, True))
    return [stalks, _blades(fruit, spines, draws)]


def _blades(fruit: _Fruit, spines: Callable[[float], list[Spine]], draws: Draws) -> Organ:
    apple = fruit.apple
    rows, columns = finer(34, apple.detail), finer(15, apple.detail) | 1
    u, v = np.linspace(-1, 1, columns), np.linspace(0, 1, rows)
    length = apple.height * draws.uniform(0.72, 0.9)
    oval = np.sin(np.pi * v**0.85) ** 0.8 * (1 - 0.12 * v) * ramp(v, -0.1, 0.35)
    width = length[:, None] * (0.31 * oval + 0.010 * (1 - v)) * (1 + 0.025 * np.sin(2 * np.pi * 13 * v))
    bow, cup, phase = draws.uniform(0.55, 0.95, 1), draws.uniform(0.15, 0.35, 1), draws.uniform(0, 6, 1, 1)
    across, down = np.abs(u)[None, None], v[None, :, None]
    vein = np.exp(-((u / 0.07) ** 2))
    ribs = ramp(np.cos(2 * np.pi * (8 * down - 2.1 * across)), 0.55, 1.0) * (1 - across)
    tone = draws.uniform(0.85, 1.2, 1, 1, 1)
    fresh = tone * tint(LEAF_GREEN, LEAF_PALE, np.clip(0.7 * vein + 0.35 * ribs + 0 * phase, 0, 1))
    depth = 1.05 - 0.5 * across - 0.3 * down + 0.16 * np.sin(7 * down + 3 * u + phase)

    def at(tau: float) -> Skin:
        dry = ramp(spoilt(tau), 0.0, 0.95)
        wavy = 0.12 * np.sin(9 * v + phase[:, 0]) * (1 + 2 * dry)
        shape = bow * v * (1 + 0.9 * dry) - 0.15, cup + 0.5 * dry + 0 * v, wavy + 0.85 * dry * v
        local = blade(width * (1 - 0.2 * dry), length * (1 - 0.1 * dry), u, *shape)
        local[..., 0] += 0.002 * apple.height
        poses = [spine.pose(np.array(1.0)) for spine in spines(tau)]
        points, frames = (np.stack(both) for both in zip(*poses, strict=True))
        placed = points[:, None, None] + np.einsum("nij,nrcj->nrci", frames @ UPPER_SIDE, local)
        yellow, brown = ramp(1.9 * dry - 0.6 * depth, 0.0, 0.8), ramp(2.1 * dry - 0.45 - depth, 0.0, 0.8)
        albedo = tint(tint(fresh, LEAF_YELLOW, 0.85 * yellow), LEAF_BROWN, 0.9 * brown)
        return Skin(placed, albedo, 0.45 + 0.4 * brown)

    chart = np.stack(np.broadcast_arrays(u * width[..., None], (v * length[:, None])[..., None]), axis=-1)
    return Organ("leaf", chart, at)
