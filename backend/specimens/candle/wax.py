"""A candle's wax: one closed solid of revolution with a wavy meridian, its runs, and what has pooled about its foot.

From the middle of its foot out to the edge of what has run down and pooled, up the side with its runs, over the rim and
down into the cup to the wick. The pool in the cup is a liquid, so it is level. Without a flame all of it slumps. All
lengths are shares of the candle's height.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtri

from backend.species import Candle
from backend.specimens.candle.burning import BURNT, share_left
from backend.specimens.core import Array, Chance, Noise, finer, golden, mix, ramp
from backend.specimens.solids import enclosed

# What does not grow with the girth in step (runs, cup, foot) grows with its square root.
USUAL_RADIUS = Candle().girth / 2
LEAST_GIRTH = {1: 0.0, 2: 0.30, 3: 0.36, 4: 0.42}  # that leaves room for so many flames
RING = {1: 0.0, 2: 0.46, 3: 0.48, 4: 0.52}  # where the wicks stand, in radii of the candle
FOOT, POOLED = 0.075, 0.042  # height of the foot, thickness of what has pooled there
SHEETS = ((0.42, 1.0), (0.33, 0.72), (0.25, 0.45))  # shares of that thickness, and of its width
CUP = 0.075  # depth of the full cup below the rim


def grain_of(radius: float) -> float:
    """The size of what does not grow with the girth in step: runs, cup and foot. 1 at the usual girth."""
    return float(np.sqrt(radius / USUAL_RADIUS))


@dataclass(frozen=True, eq=False)
class Runs:
    """Wax that has run over the rim and frozen on its way down, to end in a bead. Each is (runs, 1, 1)."""

    radius: float  # of the candle
    azimuth: Array
    birth: Array  # life time
    pace: Array  # life time from the rim to the end
    start: Array  # height of the rim at birth
    end: Array
    width: Array
    thickness: Array
    wander: Array  # radians, of its way down
    phase: Array

    @classmethod
    def grown(cls, n: int, radius: float, draught: float, chance: Chance) -> "Runs":
        draws = chance.each("run", n)

        def each(low: float, high: float) -> Array:
            return draws.uniform(low, high, 1, 1)

        grain = grain_of(radius)
        birth = 0.06 + 0.62 * (0.94 * golden(np.arange(n))[:, None, None] + each(0.0, 0.06))
        away = 1.4 * ndtri(each(0.01, 0.99))  # most run over where the draught has melted the rim
        start = 1 - BURNT * birth
        end = start * (1 - each(0.35, 1.35))
        return cls(
            radius,
            draught + away + 0.5 * each(-1, 1),
            birth,
            each(0.10, 0.22),
            start + 0.02,
            np.where(end < FOOT * grain, -0.03, end),
            grain * each(0.026, 0.046),
            grain * each(0.012, 0.022),
            each(0.03, 0.12) * USUAL_RADIUS * grain / radius,
            each(0, 2 * np.pi),
        )

    def head(self, tau: float) -> Array:
        """How high its end is."""
        fall = np.clip((tau - self.birth) / self.pace, 0.0, 1.0)
        return mix(self.start, self.end, fall * fall * (3 - 2 * fall) * (1 - 0.25 * fall) / 0.75)

    def height(self, angle: Array, z: Array, tau: float) -> Array:
        """How far the runs stand out of the side, at `angle` (columns,) and z (rows, columns)."""
        if not len(self.birth):
            return np.zeros_like(z)
        y = self.across(angle, z) / self.width
        up = (z - self.head(tau)) / self.width
        bead = 1 + 0.75 * np.exp(-((up - 1.0) ** 2))
        round_end = np.sqrt(np.clip(1 - (1 - np.minimum(up + 0.2, 1.0)) ** 2, 0.0, 1.0)) * (up > -0.2)
        body = np.clip(1 - (y / (0.75 + 0.25 * bead)) ** 2, 0.0, 1.0) ** 1.2
        there = ramp(tau, self.birth - 0.01, self.birth + 0.03)
        return (((self.thickness * there * bead * round_end * body) ** 3).sum(axis=0)) ** (1 / 3)

    def across(self, angle: Array, z: Array) -> Array:
        """Distance along the side from the middle of each run."""
        way = self.azimuth + self.wander * np.sin(9 * z + self.phase)
        return (np.mod(angle - way + np.pi, 2 * np.pi) - np.pi) * self.radius

    def pooled(self, angle: Array, tau: float) -> Array:
        """(columns,) how far what has come down reaches out from the foot."""
        if not len(self.birth):
            return np.zeros_like(angle)
        arrived = ramp(tau, self.birth + 0.7 * self.pace, self.birth + 0.7 * self.pace + 0.45) * (self.end < 0)
        y = self.across(angle, np.zeros((1, 1))) / (self.width * (1.2 + 2.8 * arrived))
        lobe = 2.3 * self.width * arrived * np.exp(-(np.abs(y) ** 2.5))
        return ((lobe**2).sum(axis=0) ** 0.5)[0]


@dataclass(frozen=True, eq=False)
class Wax:
    """The body's grid: rows from the middle of the foot to the middle of the cup."""

    radius: float
    grain: float  # of runs, cup and foot: 1 at the usual girth
    ring: float  # where the wicks stand, in radii
    angle: Array  # (columns,)
    rows: tuple[int, int, int, int, int]  # bottom, foot, side, rim, cup
    runs: Runs
    uneven: Noise  # about the candle and over time
    draught: float
    melts: bool

    @classmethod
    def cast(cls, candle: Candle, draught: float, chance: Chance) -> "Wax":
        radius = max(candle.girth, LEAST_GIRTH[candle.wicks]) / 2
        grain = grain_of(radius)
        columns = finer(132 * np.clip(grain, 1.0, 1.7), candle.detail)  # the runs of a wide one are narrow on it
        rows = tuple(max(finer(n, candle.detail), least) for n, least in ((4, 3), (18, 7), (58, 9), (8, 5), (20, 9)))
        runs = Runs.grown(candle.drips, radius, draught, chance)
        angle = np.arange(columns) * (2 * np.pi / columns)
        noise = Noise.grown(chance.of("wax"), 2.2)
        return cls(radius, grain, RING[candle.wicks], angle, rows, runs, noise, draught, candle.flame == 0)

    def points(self, tau: float) -> Array:
        """(rows, columns, 3) with the volume that the law asks for."""
        if self.melts:
            return self.slumped(tau)
        if tau == 0:
            return self.burning(0.0, 1.0)
        target, height, slope = share_left(tau) * self.whole, share_left(tau), 1 / (np.pi * self.radius**2)
        points = self.burning(tau, height)
        for _ in range(2):  # a candle is a column but for its ends, so this is Newton's method
            height = max(height + (target - enclosed(points)) * slope, 0.02)
            points = self.burning(tau, height)
        return points

    @property
    def flame(self) -> float:
        """The size of wick and flame, as `grain`, but for a wide candle, whose wick is thick."""
        return self.grain * max(1.0, self.grain) ** 0.5

    @cached_property
    def whole(self) -> float:
        """Volume of the new candle."""
        return enclosed(self.burning(0.0, 1.0))

    def noise(self, over: float) -> Array:
        """(columns,) a field about the candle that changes with `over`."""
        return self.uneven(np.stack([np.cos(self.angle), np.sin(self.angle), np.full_like(self.angle, over)], axis=-1))

    def burning(self, tau: float, height: float) -> Array:
        """With the mean rim at `height`."""
        soft, tilt = ramp(tau, 0.01, 0.25), np.cos(self.angle - self.draught)
        level = height + soft * min(1.0, 3 * height) * self.grain * (0.008 * self.noise(1.2 * tau) - 0.010 * tilt)
        bevel = self.radius * mix(0.05, 0.06 + 0.012 * self.noise(5 + 0.8 * tau), soft)
        bare, runs, wall_z = self.side(level - bevel, tau, height)
        wall, rim_width = bare + runs, bevel + runs[-1]
        foot, foot_z = self.foot(wall[0], wall_z[0], tau)
        bottom = np.linspace(0, 1, self.rows[0])[:, None] * (foot[0] - 0.3 * foot_z[0])
        arc = np.arange(1, self.rows[3] + 1)[:, None] / self.rows[3] * (np.pi / 2)
        rim, rim_z = wall[-1] - rim_width * (1 - np.cos(arc)), wall_z[-1] + bevel * np.sin(arc)
        cup = rim[-1] * (1 - (np.arange(1, self.rows[4] + 1)[:, None] / self.rows[4]) ** 1.5)
        pool = height - CUP * self.grain * ramp(tau, 0.01, 0.2) * np.tanh(4 * height)
        lip = self.radius * mix(0.28, 0.015, ramp(tau, 0.0, 0.22))
        cup_z = mix(level, pool, ramp(rim[-1] - cup, lip, lip + 0.17 * self.radius))
        r = np.concatenate([bottom, foot, wall[1:], rim, cup])
        z = np.concatenate([0 * bottom, foot_z, wall_z[1:], rim_z, cup_z])
        return np.stack([r * np.cos(self.angle), r * np.sin(self.angle), z], axis=-1)

    def side(self, shoulder: Array, tau: float, height: float) -> tuple[Array, Array, Array]:
        """From the foot up to the shoulder (columns,): radius, soft below the rim, what runs add to it, and z."""
        q = np.linspace(0, 1, self.rows[2] + 1)[:, None]
        z = mix(min(FOOT * self.grain, 0.4 * float(shoulder.min())), shoulder, q)
        soft = np.exp(-(((shoulder - z) / (0.09 * self.grain)) ** 2)) * ramp(tau, 0.02, 0.25)
        radius = self.radius * (1 + soft * (0.03 * self.noise(9 + 1.1 * tau) - 0.02))
        return radius, self.runs.height(self.angle, z, tau), z

    def foot(self, wall: Array, top: Array, tau: float) -> tuple[Array, Array]:
        """Radius and z of what has run down and pooled, out to in: sheets that froze on one another, each with a round
        lip and less wide than the one below, and a fillet to the wall."""
        e = 1 - np.linspace(0, 1, self.rows[1])[:, None] ** 1.2
        thick = top * POOLED / FOOT
        z = (top - thick) * (1 - e) ** 4
        for k, (share, width) in enumerate(SHEETS):
            reached = np.minimum(e / (width * (1 + 0.10 * self.noise(20 + k)) if k else 1.0), 1.0)
            z = z + share * thick * np.sqrt(1 - (reached if k else 0.97 * e) ** 2.6)
        return wall + self.runs.pooled(self.angle, tau) * (1 + 0.15 * self.noise(14 + 0.3 * tau)) * e, z

    def slumped(self, tau: float) -> Array:
        """Without a flame: it rounds off, sinks, leans and spreads, and keeps its volume."""
        new = self.burning(0.0, 1.0)
        r, z = np.hypot(new[..., 0], new[..., 1]), new[..., 2]
        step = np.hypot(np.diff(r, axis=0), np.diff(z, axis=0)).mean(axis=1)
        start = self.rows[0]
        a = np.clip((np.append(0, np.cumsum(step)) - step[:start].sum()) / step[start:].sum(), 0, 1)[:, None]
        # Its upper end rounds to a dome: the square (x, y) of its outline becomes a quarter of a disc.
        top = 0.9 * min(self.radius, 0.9)
        x, y = r / self.radius, np.clip((z - (1 - top)) / top, 0.0, 1.0)
        domed = ramp(tau, 0.0, 0.4)
        r = mix(r, r * np.sqrt(1 - y * y / 2), domed)
        z = mix(z, np.minimum(z, 1 - top) + top * y * np.sqrt(1 - x * x / 2), domed)
        # A drop at rest is about three times as wide as it is high. The foot spreads before the top does.
        wide = (self.radius**2 / 0.30) ** (1 / 3)
        warm = ramp(tau, 0.03, 1.0)
        spread = ramp(warm * (1.4 + 0.12 * self.noise(0.0) * (1 - a)) - 0.4 * a)
        across = 1 - a**2.5
        bottom = np.arange(len(a))[:, None] < start
        lobed = wide * (1 + 0.14 * self.noise(3.0) * (1 - a))
        r = mix(r, np.where(bottom, x, across) * lobed, spread)
        z = mix(z, 0.3 * wide * np.sqrt(1 - across**2.5) * ~bottom, warm)
        points = np.stack([r * np.cos(self.angle), r * np.sin(self.angle), z], axis=-1)
        points[..., :2] *= np.sqrt(enclosed(new) / enclosed(points))
        # A shear keeps volumes and never brings the wax to cross itself.
        lean = 0.55 * ramp(tau, 0.05, 0.9) * (z / z.max()) ** 1.7 * z.max()
        return points + lean[..., None] * np.array([np.cos(self.draught), np.sin(self.draught), 0])

    def anchors(self, points: Array, azimuth: Array) -> Array:
        """(wicks, 3) where wicks at `azimuth` (wicks,) stand on the wax at `points`."""
        place = sum(self.rows[:4]) - 1 + self.rows[4] * (1 - self.ring) ** (1 / 1.5)
        row = min(int(place), len(points) - 2)
        column = np.mod(azimuth, 2 * np.pi) / (2 * np.pi) * len(self.angle)
        left = column.astype(int) % len(self.angle)
        right, t = (left + 1) % len(self.angle), (column % 1)[:, None]
        lower, upper = (
            mix(points[row, left], points[row, right], t),
            mix(points[row + 1, left], points[row + 1, right], t),
        )
        return mix(lower, upper, place - row)
