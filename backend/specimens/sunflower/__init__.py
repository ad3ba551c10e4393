"""A sunflower: a seedling that grows, opens, hangs its head and dries, as one mesh.

The stem stretches from the ground up: a piece of it at m (0 the ground, 1 the head) lengthens when its turn has come,
and the leaf at m unfolds with it. The head is in capitulum.py.

    u    across a leaf, in [-1, 1]    v    along it, in [0, 1]

Sources: Schneiter & Miller, "Description of sunflower growth stages", Crop Sci. 21, 1981 (order of the stages). Atamian
et al., "Circadian regulation of sunflower heliotropism, floral orientation, and pollinator visits", Science 353, 2016
(the open head no longer turns to the sun). Simplified: all true leaves stand in one spiral at the golden angle (the
first pairs of a real one are opposite), and the stem's hairs are only roughness.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from backend.species import Sunflower
from backend.specimens.core import (
    Array,
    Chance,
    Draws,
    Noise,
    Organ,
    Skin,
    Specimen,
    Spine,
    blade,
    finer,
    join,
    mix,
    ramp,
    scaled,
    tint,
    tube,
    tube_chart,
    turn,
)
from backend.specimens.foliage import LEAF_BROWN, LEAF_YELLOW, UPPER_SIDE, Spiral
from backend.specimens.sunflower.capitulum import (
    DARK_STRAW,
    DISC,
    GROWN,
    OPEN,
    RAY,
    STRAW,
    Head,
    bracts,
    florets,
    rays,
    receptacle,
    wilted,
)

# Metres, for a plant of the usual height; all of it scales with the plant.
USUAL_HEIGHT = Sunflower().height
RADIUS = (0.0150, 0.0095)  # of the stem, at the ground and at the neck
SEED = 0.19, 0.025  # of its grown length, what a piece of the seedling's stem has: under its seed leaves, and above
# Half width, and how far the margin lies behind the midrib, in lengths: rounded lobes beside the stalk.
LEAF_OUTLINE = PchipInterpolator(
    [0, 0.04, 0.1, 0.2, 0.35, 0.6, 0.8, 0.92, 1], [0.15, 0.29, 0.4, 0.46, 0.44, 0.3, 0.155, 0.06, 0.002]
)
LEAF_LOBES = PchipInterpolator([0, 0.04, 0.1, 0.2, 0.4, 1], [0.075, 0.125, 0.14, 0.085, 0.015, 0])

STEM_GREEN, STEM_RED = np.array([0.105, 0.185, 0.050]), np.array([0.12, 0.085, 0.045])
LEAF_GREEN, VEIN = np.array([0.038, 0.120, 0.020]), np.array([0.14, 0.24, 0.070])


def grow(sunflower: Sunflower, seed: int) -> Specimen:
    """A sunflower; `seed` picks the individual. Its vertices are the seedling (tau 0)."""
    chance = Chance(seed)
    plant = Plant.grown(sunflower, chance.of("plant"))
    neck = np.array(1.0)
    head = Head(sunflower.flower, lambda tau: plant.spine(tau).pose(neck), lambda tau: plant.radius(neck, tau))
    organs = [_stem(sunflower, plant, chance.of("stem")), receptacle(sunflower, head, chance.of("receptacle"))]
    organs += [bracts(sunflower, head, chance), rays(sunflower, head, chance)]
    if sunflower.florets:
        organs.append(florets(sunflower, head, chance.each("floret", sunflower.florets)))
    if sunflower.leaves:
        organs += _leaves(sunflower, plant, chance)
    organs.append(_seed_leaves(sunflower, plant, chance))
    return join([scaled(organ, sunflower.height / USUAL_HEIGHT) for organ in organs])


def grown_at(m: Array, tau: float) -> Array:
    """How much of the stem at m has grown, 0 to 1: from the ground up, the last of it when the bud is grown."""
    return ramp(tau - 0.19 * m, 0.0, 0.16)


@dataclass(frozen=True, eq=False)
class Plant:
    """What carries the rest: a stem that stretches, then bends under its head."""

    length: float
    azimuth: float  # of the side that the head faces
    tilt: float  # of the open head, radians from the vertical
    hang: float  # of the dead one
    lean: float
    wave: float
    phase: float
    flower: float  # size of the head that it carries

    @classmethod
    def grown(cls, sunflower: Sunflower, rng: np.random.Generator) -> "Plant":
        tilt = rng.uniform(0.75, 1.05)
        rise = 0.75 * np.sin(tilt) * (DISC + RAY) * sunflower.flower  # of the head's upper edge over the neck
        return cls(
            USUAL_HEIGHT - rise + 0.05,
            rng.uniform(0, 2 * np.pi),
            tilt,
            rng.uniform(2.45, 2.7) - 0.4 * max(sunflower.flower - 1, 0),
            rng.uniform(-0.03, 0.03),
            rng.uniform(0.015, 0.04),
            rng.uniform(0, 2 * np.pi),
            sunflower.flower,
        )

    def spine(self, tau: float) -> Spine:
        """Its curve, by m."""
        m = np.linspace(0, 1, 161)
        face = (
            self.tilt
            * (0.15 * ramp(tau, 0.1, GROWN) + 0.85 * ramp(tau, GROWN - 0.08, OPEN - 0.08))
            * ramp(m, 0.80, 1.02)
        )
        hang = (self.hang - self.tilt) * ramp(wilted(tau), 0.0, 0.9) * ramp(m, 0.68, 1.0) + 0.10 * ramp(wilted(tau)) * m
        lean = self.lean + self.wave * np.sin(5 * m + self.phase) * grown_at(m, tau) + face + hang
        sway = self.wave * np.cos(4 * m + self.phase) * grown_at(m, tau)
        frames = turn("z", self.azimuth) @ turn("y", lean) @ turn("x", sway)
        step = (
            self.length
            * mix(mix(*SEED, ramp(m[1:], 0.12, 0.38)), 1.0, grown_at((m[1:] + m[:-1]) / 2, tau))
            / (len(m) - 1)
        )
        middle = (frames[1:, :, 2] + frames[:-1, :, 2]) / 2 * step[:, None]
        return Spine(np.concatenate([np.zeros((1, 3)), np.cumsum(middle, axis=0)]), frames)

    def radius(self, m: Array, tau: float) -> Array:
        """Metres: thin in the seedling, drier and thinner in the end."""
        thick = 0.14 + 0.86 * ramp(tau - 0.12 * m, -0.02, 0.30)
        return (
            mix(RADIUS[0] * (0.6 + 0.4 * self.flower), RADIUS[1] * (0.1 + 0.9 * self.flower), m)
            * thick
            * (1 - 0.18 * ramp(wilted(tau)) * (0.4 + 0.6 * m))
        )


def _stem(sunflower: Sunflower, plant: Plant, rng: np.random.Generator) -> Organ:
    rows, sides = finer(66, sunflower.detail), max(8, finer(14, sunflower.detail))
    m = np.append(0.0, np.linspace(0, 1 - 0.0003, rows))
    close = np.append(0.04, np.ones(rows))  # the cut end is closed
    angle = np.arange(sides) * (2 * np.pi / sides)
    ribs = 1 + 0.035 * np.cos(6 * angle + 9 * m[:, None]) * ramp(1 - m[:, None], 0.0, 0.08)
    streak = 0.5 + 0.5 * np.sin(5 * angle + 25 * m[:, None] + rng.uniform(0, 6.3)) * np.cos(3 * angle + 11 * m[:, None])
    tone = 0.86 + 0.28 * streak

    def at(tau: float) -> Skin:
        spine = plant.spine(tau)
        radius = plant.radius(m, tau) * close
        points = tube(spine, m, radius, sides)
        centre = spine.pose(m)[0][:, None]
        points = centre + (points - centre) * ribs[..., None]
        old = ramp(1.5 * wilted(tau) - 0.5 * m[:, None] * streak, 0.0, 1.0)
        fresh = tint(STEM_GREEN, STEM_RED, 0.7 * ramp(0.25 - m[:, None], 0.0, 0.25) * streak)
        albedo = tint(fresh, tint(DARK_STRAW, STRAW, streak), 0.85 * old) * tone[..., None]
        return Skin(points[None], albedo[None], (0.7 + 0.15 * old)[None])

    return Organ("stem", tube_chart(m, mix(*RADIUS, m), sides, plant.length)[None], at, closed=True)


def _leaves(sunflower: Sunflower, plant: Plant, chance: Chance) -> list[Organ]:
    """Heart-shaped, serrate blades on stalks, in a spiral; each unfolds when its piece of the stem has stretched."""
    n, detail = sunflower.leaves, sunflower.detail
    reach = 0.22, 0.86 - 0.12 * max(sunflower.flower - 1, 0)
    (m, facing), draws = Spiral(16, reach, 0.09).nodes("leaf", n, chance), chance.each("leaf", n)
    full = (0.270 - 0.12 * ramp(m, 0.35, 0.95)) * draws.uniform(0.92, 1.08) * (10 / max(n, 10)) ** 1.2
    rise, haste = draws.uniform(0.72, 0.95, 1), draws.uniform(0.85, 1.2, 1)
    samples, s = np.linspace(0, 1, 33), np.linspace(0, 1, finer(10, detail))

    def unfolded(tau: float) -> Array:
        """(n,) from a leaf of the terminal bud (0) to a grown one (1)."""
        return ramp(tau - 0.19 * m, -0.135, 0.19)

    def size(tau: float) -> Array:
        return full * mix(0.035, 1.0, unfolded(tau))

    def dry(tau: float) -> Array:
        return ramp(wilted(tau) * haste * (1.25 - 0.5 * m[:, None]), 0.0, 1.1)

    def spines(tau: float) -> list[Spine]:
        points, frames = plant.spine(tau).pose(m)
        frames = frames @ turn("z", facing)
        points = points + frames[:, :, 0] * (1.04 * plant.radius(m, tau) + 0.013 * size(tau))[:, None]
        lean = mix(0.5, rise, unfolded(tau)[:, None]) + 0.35 * samples * unfolded(tau)[:, None]
        lean = lean + dry(tau) * (0.55 * ramp(samples, -0.2, 0.7) + 0.20)
        return [Spine.bent(*leaf, 0 * samples) for leaf in zip(points, frames, 0.5 * size(tau), lean, strict=True)]

    def stalks(tau: float) -> Skin:
        thin = size(tau)[:, None] * mix(0.018, 0.012, s)
        points = np.stack([tube(spine, s, each, 7) for spine, each in zip(spines(tau), thin, strict=True)])
        old = np.broadcast_to(dry(tau)[..., None], points.shape[:3])
        return Skin(points, tint(STEM_GREEN, DARK_STRAW, old), 0.65 + 0 * old)

    chart = np.stack([tube_chart(s, 0.015 * each + 0 * s, 7, 0.5 * each) for each in full])
    stain = Noise.grown(chance.of("leaves' stain"), 0.08)
    blades = _blades(detail, full, (spines, size, dry, unfolded), draws, stain)
    return [Organ("leaf stalks", chart, stalks, closed=True), blades]


def _seed_leaves(sunflower: Sunflower, plant: Plant, chance: Chance) -> Organ:
    """The two cotyledons, which shrivel once true leaves have unfolded."""
    draws, first = chance.each("seed leaf", 2), chance.of("seed leaves").uniform(0, 2 * np.pi)
    m, facing = np.full(2, 0.15), first + np.array([0, np.pi]) + draws.uniform(-0.1, 0.1)
    u, v = np.linspace(-1, 1, finer(5, sunflower.detail) | 1), np.linspace(0, 1, finer(13, sunflower.detail))
    outline = 0.30 * np.sin(np.pi * v**0.8) ** 0.6 * ramp(v, -0.1, 0.5) + 0.03
    bow, length = draws.uniform(0.2, 0.5, 1), 0.034 * draws.uniform(0.95, 1.05)
    full = np.ones((2, len(v), len(u)))

    def at(tau: float) -> Skin:
        dry = ramp(tau, 0.10, 0.30)
        long = length * (1 + 0.2 * ramp(tau, 0.0, 0.1)) * (1 - 0.35 * dry)
        bend = bow * v - 0.45 + 1.6 * dry * ramp(v, -0.4, 0.3)
        local = blade(
            long[:, None] * outline * (1 - 0.6 * dry), long, u, bend, 0.12 + 0.5 * dry + 0 * v + 0 * bow, 0.2 + 0 * bend
        )
        local[..., 0] += 1.1 * plant.radius(m, tau)[:, None, None]
        points, frames = plant.spine(tau).pose(m)
        placed = points[:, None, None] + np.einsum("nij,nrcj->nrci", frames @ turn("z", facing), local)
        return Skin(
            placed, tint(tint(LEAF_GREEN, VEIN, 0.6 * full), LEAF_BROWN, 0.95 * dry * full), (0.5 + 0.3 * dry) * full
        )

    chart = np.stack(
        np.broadcast_arrays(u * outline[:, None] * length[:, None, None], v[:, None] * length[:, None, None]), axis=-1
    )
    return Organ("seed leaves", chart, at)


def _blades(
    detail: float, full: Array, life: tuple[Callable, Callable, Callable, Callable], draws: Draws, stain: Noise
) -> Organ:
    spines, size, dry, unfolded = life
    n, rows = len(full), finer(33, detail)
    u, v = np.linspace(-1, 1, finer(13, detail) | 1), np.linspace(0, 1, rows)
    saw = np.abs((13 * v) % 1 - 0.35) * ramp(v, 0.05, 0.25) * ramp(1 - v, 0.0, 0.1)
    outline = LEAF_OUTLINE(v) * (1 - 0.14 * saw)
    sweep = LEAF_LOBES(v)[:, None] * np.abs(u) ** 1.5
    bow, twist, tone = draws.uniform(0.5, 0.95, 1), draws.uniform(-0.2, 0.2), draws.uniform(0.85, 1.15, 1, 1, 1)
    phase = draws.uniform(0, 2 * np.pi, 1, 1)
    rib = 0.5 + 0.5 * np.cos(2 * np.pi * (4.5 * v[:, None] - 1.5 * np.abs(u) + 0.4))
    veins = np.maximum(np.exp(-((u / 0.09) ** 2)), 0.5 * rib**3 * (1 - 0.5 * np.abs(u))) + 0 * v[:, None]
    flat = np.stack(
        np.broadcast_arrays(u * outline[:, None] * 0.2, v[:, None] * 0.2, np.arange(n)[:, None, None] * 1.0), axis=-1
    )
    patch = stain(flat)
    fresh = tone * tint(LEAF_GREEN, VEIN, np.clip(0.8 * veins, 0, 1)) * (1 + 0.07 * patch[..., None])
    depth = 1.1 - 0.5 * np.abs(u) - 0.4 * v[:, None] + 0.16 * patch
    ripple = np.sin(11 * v[:, None] + phase + 1.3 * np.sign(u)) * np.abs(u) ** 2 * ramp(v, 0.0, 0.3)[:, None]

    def at(tau: float) -> Skin:
        old, young, long = dry(tau), 1 - unfolded(tau)[:, None], size(tau)
        bend = bow * v * (1 - young) + old * (0.6 * ramp(v, -0.2, 0.3) + 0.25 * v) + 0.25 - 0.3 * young
        fold, roll = 0.16 + 0.85 * young + 0.6 * old + 0 * v, -0.16 + 0.3 * young + 0.8 * old * v
        width = long[:, None] * outline * (1 - 0.35 * old) * (1 - mix(0.66, 0.80, ramp(v, 0.0, 0.25)) * young)
        local = blade(width, long * (1 - 0.12 * old[:, 0]), u, bend, fold, roll)
        back = long[:, None, None] * sweep
        swell = (
            long[:, None, None] * ((0.030 + 0.02 * old[..., None]) * ripple - 0.006 * veins) * (1 - young[..., None])
        )
        lean = bend[..., None]
        local[..., 0] += swell * np.sin(lean) - back * np.cos(lean)
        local[..., 2] += swell * np.cos(lean) + back * np.sin(lean)
        ends = [spine.pose(np.array(1.0)) for spine in spines(tau)]
        points, frames = (np.stack(both) for both in zip(*ends, strict=True))
        frames = frames @ UPPER_SIDE @ turn("x", twist * (unfolded(tau) + 0.6 * old[:, 0]))
        local[..., 0] += 0.014 * long[:, None, None]
        points = points[:, None, None] + np.einsum("nij,nrcj->nrci", frames, local)
        yellow = ramp(1.7 * old[..., None] - 0.6 * depth, 0.0, 0.8)
        brown = ramp(2.0 * old[..., None] - 0.4 - depth, 0.0, 0.8)
        return Skin(points, tint(tint(fresh, LEAF_YELLOW, 0.75 * yellow), LEAF_BROWN, 0.9 * brown), 0.7 + 0.2 * brown)

    across = u * outline[:, None] * full[:, None, None]
    chart = np.stack(np.broadcast_arrays(across, (v[:, None] - sweep) * full[:, None, None]), axis=-1)
    return Organ("leaves", chart, at)
