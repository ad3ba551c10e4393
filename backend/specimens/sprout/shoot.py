"""The shoot of a seedling: one curve, its landmarks in life time, and the stem about it."""

from dataclasses import dataclass

import numpy as np

from backend.species import Sprout
from backend.specimens.core import Array, Organ, Skin, Spine, finer, mix, ramp, tint, tube, tube_chart, turn
from backend.specimens.midribs import Nodes

GROWN = Sprout.life.stretches["grow"].end
WILTING, DEAD = Sprout.life.stretches["wilt"]
# Life times: the hook opens; the seed coat slips off and has fallen; the seed leaves part; the first true leaf grows.
HOOK_OPENS, COAT_SLIPS, COAT_OFF, COAT_DOWN, PARTING, FIRST_LEAF = (0.24, 0.40), 0.27, 0.31, 0.42, (0.34, 0.50), 0.38

LEAF_TAKES, LAST_LEAF = 0.22, 0.52  # life time that a leaf needs; when the last begins

HOOK = 0.055  # of the shoot is bent
FOOT = 0.012  # height of the shoot's foot in its pit

PALE = np.array([0.62, 0.60, 0.24])  # of what has not yet seen light
STEM_GREEN, STEM_RED = np.array([0.20, 0.34, 0.085]), np.array([0.34, 0.12, 0.085])
YELLOW, BROWN = np.array([0.46, 0.36, 0.06]), np.array([0.17, 0.095, 0.035])


def growth(tau: Array, start: Array, end: Array) -> Array:
    """Logistic, 0 before `start` and 1 after `end`."""
    x = np.clip((tau - start) / (np.asarray(end) - start), 0, 1)
    low, high = 1 / (1 + np.exp(5.0)), 1 / (1 + np.exp(-5.0))
    return (1 / (1 + np.exp(-10 * x + 5)) - low) / (high - low)


@dataclass(frozen=True, eq=False)
class Shoot:
    """Hypocotyl, internodes and a terminal bud. Segment 0 ends at the seed leaves, segment k at the k-th pair."""

    lengths: Array  # (segments,) when grown
    starts: Array  # (segments,) life times
    azimuth: float
    lean: Array  # (2,) radians, of the grown shoot
    nutation: Array  # (3,): amplitude, turns and phase
    nod: Array  # (2,): how far the hypocotyl and the top have bent when dead

    @classmethod
    def grown(cls, sprout: Sprout, rng: np.random.Generator) -> "Shoot":
        pairs = (sprout.leaves + 1) // 2
        internodes = 0.2 * 0.84 ** np.arange(pairs) * (1 if pairs < 3 else 2.4 / pairs)
        lengths = np.concatenate([[0.74 - 0.7 * internodes.sum()], internodes, [0.012]])
        first = FIRST_LEAF + np.arange(pairs) * (min(0.1, (LAST_LEAF - FIRST_LEAF) / max(pairs - 1, 1)))
        starts = np.concatenate([[-0.13], first, [LAST_LEAF]])
        nutation = np.array([rng.uniform(0.05, 0.08), rng.uniform(2.4, 3.2), rng.uniform(0, 2 * np.pi)])
        nod = np.array([rng.uniform(0.2, 0.35), rng.uniform(0.6, 0.85)])
        return cls(lengths, starts, rng.uniform(0, 2 * np.pi), rng.uniform(-0.07, 0.07, 2), nutation, nod)

    @property
    def bounds(self) -> Array:
        """(segments + 1,) s at which segments meet."""
        return np.concatenate([[0.0], np.linspace(0.5, 0.97, len(self.lengths) - 1), [1.0]])

    def grownness(self, tau: float) -> Array:
        """(segments,) in (0, 1]: length, as a share of the grown one."""
        ends = self.starts + np.where(np.arange(len(self.starts)) == 0, 0.57, LEAF_TAKES)
        return mix(np.where(np.arange(len(self.starts)) == 0, 0.04, 0.008), 1.0, growth(tau, self.starts, ends))

    def hook(self, tau: float) -> float:
        """Radians: bends on until the seed is drawn from the ground, is kept, and opens in the light."""
        long = self.lengths[0] * self.grownness(tau)[0]
        return (1.9 + 0.9 * ramp(long, 0.06, 0.14)) * (1 - ramp(tau, *HOOK_OPENS))

    def spine(self, tau: float) -> Spine:
        """Its curve at life time tau."""
        s = np.linspace(0, 1, 241)
        lengths = self.lengths * self.grownness(tau)
        step = np.diff(np.interp(s, self.bounds, np.concatenate([[0.0], np.cumsum(lengths)])))
        bent = min(0.5 * HOOK / lengths[0], 0.46)
        limp = ramp(tau, WILTING, 0.97)
        size, turns, phase = self.nutation
        way = 2 * np.pi * turns * tau / GROWN + phase
        sweep = size * ramp(tau, 0.1, 0.3) * (1 - 0.7 * ramp(tau, 0.55, GROWN)) * ramp(s, 0.05, 0.9)
        up = ramp(tau, 0.1, 0.4)
        lean = self.hook(tau) * ramp(s, 0.5 - bent, 0.5) + (self.lean[0] * up + self.nod[0] * limp) * ramp(s, 0.0, 0.5)
        nod = self.nod[1] * limp * ramp(s, 0.42, 0.9)
        # Between the planes of the leaves, so that none is bent back on to the shoot.
        lean = lean + nod + sweep * np.cos(way)
        side = self.lean[1] * up * s + 0.6 * sweep * np.sin(way) - nod
        frames = turn("z", self.azimuth) @ turn("y", lean) @ turn("x", side)
        middle = (frames[1:, :, 2] + frames[:-1, :, 2]) / 2 * step[:, None]
        points = np.concatenate([np.zeros((1, 3)), np.cumsum(middle, axis=0)])
        return Spine(points + [0, 0, FOOT], frames)

    def radius(self, s: Array, tau: float) -> Array:
        """At s; each segment thickens as it lengthens, and all of it goes slack in the end."""
        parts = self.grownness(tau)
        above = np.linspace(0.0084, 0.0052, len(parts) - 1) * parts[1:]
        foot, node = np.array([0.0115, 0.0098]) * mix(0.72, 1.0, parts[0])
        # A young internode narrows within its lower third, so that what sits at its end finds an even stem.
        knots, ends = [0.0, self.bounds[1] - 0.03, self.bounds[1]], [foot, node, 0.72 * node]
        for low, high, thick in zip(self.bounds[1:-1], self.bounds[2:], above, strict=True):
            knots += [mix(low, high, 0.3), high]
            ends += [thick, 0.97 * thick]
        ends[-1] *= 0.5
        return np.interp(s, knots, ends) * (1 - 0.3 * ramp(tau, WILTING, DEAD) * ramp(s, -0.3, 0.6))

    def nodes(self, tau: float, s: Array, azimuth: Array) -> Nodes:
        """Where leaves sit at s (n,), facing `azimuth` (n,)."""
        return Nodes.on(self.spine(tau), s, azimuth, self.radius(s, tau))


def stem(shoot: Shoot, detail: float) -> Organ:
    """From its foot in the ground to its tip, closed."""
    rows, sides = finer(72, detail), finer(16, detail)
    bounds = shoot.bounds
    knots = np.concatenate([np.linspace(0, 1, rows), bounds[1:-1], mix(bounds[1:-1], bounds[2:], 0.3)])
    s = np.concatenate([[0.0], np.unique(knots), [1.0]])
    share = np.concatenate([[0.0], np.ones(len(s) - 2), [0.0]])
    height = s[None, :, None] + np.zeros((1, 1, sides))

    def at(tau: float) -> Skin:
        points = tube(shoot.spine(tau), s, shoot.radius(s, tau) * share, sides)[None]
        lit = ramp(tau, 0.12, 0.42)
        flushed = tint(STEM_GREEN, STEM_RED, 0.75 * (1 - ramp(height, 0.05, 0.42)))
        fresh = tint(PALE, flushed, lit * mix(0.65, 1.0, ramp(height, 0.0, 0.5)))
        dry = ramp(tau, WILTING + 0.06, DEAD) * mix(0.55, 0.9, height)
        return Skin(points, tint(tint(fresh, YELLOW, dry), BROWN, 0.55 * dry**2), 0.42 + 0.3 * dry)

    chart = tube_chart(s, shoot.radius(s, GROWN), sides, float(shoot.lengths.sum()))
    return Organ("stem", chart[None], at, closed=True, poles=(True, True))
