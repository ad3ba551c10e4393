"""A candle that burns down, or, where it has no flame, softens and slumps in the heat.

The wax is one closed solid of revolution with a wavy meridian: from the middle of its foot out to the edge of what has
run down and pooled, up the side with its runs, over the rim and down into the cup to the wick. The pool in the cup is
a liquid, so it is level.

Sources: Faraday, "A Course of Six Lectures on the Chemical History of a Candle", 1861: rising air cools the rim, so the
flame melts a cup; a draught makes the cup lop-sided, and wax gutters over its lower side; what the wick draws up burns
away wholly, to vapour. A flame of one wick takes the same mass in the same time (Hamins, Bundy & Dillon,
"Characterization of candle flames", J. Fire Prot. Eng. 15, 2005), so the law of what is left is a straight line: BURNT
of the wax goes, and the stub, the runs and the foot are what stays. A braided wick curls into the side of the flame
and is burnt off there. Departs from them: wax that melts keeps its volume (paraffin swells by a tenth), its flow is
prescribed, and the pool is not seen through.

All lengths here are shares of the candle's height; they become metres as the organs are made.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backend.species import Candle
from backend.specimens.core import (
    Array,
    Life,
    Matter,
    Noise,
    Organ,
    Skin,
    Specimen,
    Spine,
    Stretch,
    finer,
    join,
    lathe_chart,
    mix,
    ramp,
    tint,
    tube,
    tube_chart,
    turn,
)

# Landmarks of life time: the flame stands; it starves; it is out; nothing glows.
LIT, STARVING, OUT, COLD = 0.07, 0.88, 0.95, 0.985

BURNT = 0.84  # of the wax

LIFE = Life({"burn": Stretch(0.0, 1.0, {"flame": 1}), "melt": Stretch(0.0, 1.0, {"flame": 0})}, prime=0.25)

USUAL_RADIUS = 0.14  # what does not grow with the girth in step (flame, wick, runs) grows with its square root
LEAST_GIRTH = {1: 0.05, 2: 0.30, 3: 0.36, 4: 0.42}  # that leaves room for so many flames
RING = {1: 0.0, 2: 0.46, 3: 0.48, 4: 0.52}  # where the wicks stand, in radii of the candle
WICK_LENGTH, WICK_RADIUS, WICK_GAP = 0.062, 0.0045, 0.0006
FLAME_LENGTH, FLAME_RADIUS = 0.175, 0.027
FOOT, POOLED = 0.06, 0.022  # height of the foot, thickness of what has pooled there
CUP = 0.075  # depth of the full cup below the rim

COTTON, CHAR, EMBER = np.array([0.72, 0.66, 0.52]), np.array([0.012, 0.011, 0.010]), np.array([1.0, 0.20, 0.02])
FLAME_ROOT, FLAME_BODY = np.array([0.010, 0.030, 0.19]), np.array([1.0, 0.46, 0.07])
FLAME_HEART, FLAME_TIP = np.array([0.62, 0.22, 0.03]), np.array([1.0, 0.30, 0.025])
WARMTH = np.array([1.0, 0.62, 0.26])  # what is left of light on its way through wax


def grow(candle: Candle, seed: int) -> Specimen:
    """A candle; `seed` picks the individual. Its vertices are the new candle (tau 0)."""
    rng = np.random.default_rng(seed)
    wax = _Wax.cast(candle, rng)
    flicker = _Flicker.of(rng, candle)
    spines = _wicks(wax, flicker, candle, rng)
    organs = [_body(wax, flicker, candle), _wick(wax, spines, candle)]
    if candle.flame > 0:
        organs.append(_flame(wax, flicker, spines, candle))
    return join(organs, Matter(("wax",), share_left if candle.flame > 0 else lambda tau: 1.0))


def share_left(tau: float) -> float:
    """Of the wax, while it burns: all until the flame stands, then less by the same in the same time."""
    return 1 - BURNT * _steady(tau)


def _steady(tau: float) -> float:
    """The integral of a flame that grows until LIT, stands, and shrinks from STARVING to OUT, as a share of all."""

    def until(t: float, start: float, end: float) -> float:
        x = float(np.clip((t - start) / (end - start), 0.0, 1.0))
        return (end - start) * x * x / 2 + max(t - end, 0.0)

    return (until(tau, 0.0, LIT) - until(tau, STARVING, OUT)) / (until(1.0, 0.0, LIT) - until(1.0, STARVING, OUT))


@dataclass(frozen=True, eq=False)
class _Flicker:
    """How one candle's flames move in its draught."""

    draught: float  # where it blows to, radians
    phases: Array  # (wicks, 6)
    lit: bool
    size: float

    @classmethod
    def of(cls, rng: np.random.Generator, candle: Candle) -> "_Flicker":
        draught, phases = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi, (4, 6))
        return cls(draught, phases[: candle.wicks], candle.flame > 0, 0.45 + 0.55 * candle.flame)

    def burning(self, tau: float) -> float:
        """From no flame (0) to a full one (1)."""
        starving = 1 - 0.5 * ramp(tau, STARVING - 0.1, OUT) - 0.5 * ramp(tau, STARVING, OUT)
        return float(ramp(tau, 0.0, LIT) * starving) if self.lit else 0.0

    def sway(self, tau: float, wick: int) -> tuple[float, float]:
        """Radians that the tip leans with the draught and across it."""
        p = self.phases[wick]
        gust = np.sin(37 * tau + p[0]) + 0.6 * np.sin(83 * tau + p[1])
        return 0.10 + 0.09 * gust, 0.07 * np.sin(47 * tau + p[2]) + 0.05 * np.sin(101 * tau + p[3])

    def stretch(self, tau: float, wick: int) -> float:
        """Of the flame's length."""
        p = self.phases[wick]
        return 1 + 0.05 * np.sin(61 * tau + p[4]) + 0.04 * np.sin(109 * tau + p[5])


# Wax


@dataclass(frozen=True, eq=False)
class _Runs:
    """Wax that has run over the rim and frozen on its way down. Each is (runs, 1, 1)."""

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
    def grown(cls, n: int, grain: float, draught: float, rng: np.random.Generator) -> "_Runs":
        def each(low: float, high: float) -> Array:
            return rng.uniform(low, high, (n, 1, 1))

        order = rng.permutation(n)[:, None, None]
        birth = 0.05 + 0.72 * (order + each(0.1, 0.9)) / max(n, 1)
        away = rng.normal(0.0, 1.25, (n, 1, 1))  # most run over where the draught has melted the rim
        start = 1 - BURNT * birth
        end = start * (1 - each(0.3, 1.25))
        return cls(
            draught + away + 0.5 * each(-1, 1),
            birth,
            each(0.10, 0.22),
            start + 0.02,
            np.where(end < FOOT * grain, -0.03, end),
            grain * each(0.022, 0.036),
            grain * each(0.010, 0.017),
            each(0.03, 0.12),
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
        body = np.clip(1 - (y / (0.75 + 0.25 * bead)) ** 2, 0.0, 1.0) ** 1.5
        there = ramp(tau, self.birth - 0.01, self.birth + 0.03)
        return (((self.thickness * there * bead * round_end * body) ** 3).sum(axis=0)) ** (1 / 3)

    def across(self, angle: Array, z: Array) -> Array:
        """Distance from the middle of each run over the radius of the side, in lengths."""
        way = self.azimuth + self.wander * np.sin(9 * z + self.phase)
        return (np.mod(angle - way + np.pi, 2 * np.pi) - np.pi) * USUAL_RADIUS

    def pooled(self, angle: Array, tau: float) -> Array:
        """(columns,) how far what has come down reaches out from the foot, in widths of a run."""
        if not len(self.birth):
            return np.zeros_like(angle)
        arrived = ramp(tau, self.birth + 0.7 * self.pace, self.birth + 0.7 * self.pace + 0.45) * (self.end < 0)
        spread = 2.2 * self.width * (0.4 + 0.6 * arrived)
        y = self.across(angle, np.zeros((1, 1))) / spread
        lobe = np.exp(-(y**2)) * arrived
        return ((lobe**2).sum(axis=0) ** 0.5)[0]


@dataclass(frozen=True, eq=False)
class _Wax:
    """The body's grid: rows from the middle of the foot to the middle of the cup."""

    radius: float
    grain: float  # of wick, flame and runs: 1 at the usual girth
    angle: Array  # (columns,)
    rows: tuple[int, int, int, int, int]  # bottom, foot, side, rim, cup
    runs: _Runs
    uneven: Noise  # over a unit circle and time
    mottle: Noise
    draught: float
    melts: bool

    @classmethod
    def cast(cls, candle: Candle, rng: np.random.Generator) -> "_Wax":
        radius = max(candle.girth, LEAST_GIRTH[candle.wicks]) / 2
        grain = float(np.sqrt(radius / USUAL_RADIUS))
        columns = finer(132, candle.detail)
        rows = tuple(finer(n, candle.detail) for n in (4, 11, 58, 8, 20))
        draught = rng.uniform(0, 2 * np.pi)
        runs = _Runs.grown(candle.drips, grain, draught, rng)
        angle = np.arange(columns) * (2 * np.pi / columns)
        uneven, mottle = Noise.grown(rng, 1.5), Noise.grown(rng, 0.35)
        return cls(radius, grain, angle, rows, runs, uneven, mottle, draught, candle.flame == 0)

    def place(self, share: float) -> float:
        """The row, not whole, that lies at `share` of the cup's radius."""
        return sum(self.rows[:4]) - 1 + self.rows[4] * (1 - share) ** (1 / 1.5)

    def points(self, tau: float) -> Array:
        """(rows, columns, 3)."""
        if self.melts:
            return self.slumped(tau)
        height = 1.0
        if tau > 0:
            target, area = share_left(tau) * self.whole, np.pi * self.radius**2
            height = share_left(tau)
            for _ in range(3):
                height = max(height + (target - volume(self.burning(tau, height))) / area, 0.02)
        return self.burning(tau, height)

    @property
    def whole(self) -> float:
        """Volume of the new candle."""
        return volume(self.burning(0.0, 1.0))

    def noise(self, over: float, lift: float) -> Array:
        """(columns,) a field about the candle that changes with `over`."""
        ring = np.stack([np.cos(self.angle), np.sin(self.angle), np.full_like(self.angle, over)], axis=-1)
        return self.uneven(ring + [0, 0, lift])

    def burning(self, tau: float, height: float) -> Array:
        """With the mean rim at `height`."""
        bottom, foot, side, rim, cup = self.rows
        soft = ramp(tau, 0.01, 0.25)
        tilt = np.cos(self.angle - self.draught)
        low = min(1.0, 3 * height)
        level = height + soft * low * self.grain * (0.010 * self.noise(1.2 * tau, 0.0) - 0.012 * tilt)
        bevel = self.radius * mix(0.05, 0.055 + 0.012 * self.noise(0.8 * tau, 5.0), soft)
        shoulder = level - bevel
        z_foot = min(FOOT * self.grain, 0.4 * (height - 0.06 * self.radius))

        q = np.arange(1, side + 1)[:, None] / side
        z = np.concatenate([np.full((1, len(self.angle)), z_foot), mix(z_foot, shoulder, q)])
        wall = self.wall(z, tau, height, soft)
        # What has pooled: a flat drop that meets the wall in a fillet.
        e = 1 - np.linspace(0, 1, foot)[:, None] ** 1.5
        reach = 2.2 * self.grain * 0.03 * self.runs.pooled(self.angle, tau) * (1 + 0.2 * self.noise(0.3 * tau, 9.0))
        thick = z_foot * POOLED / FOOT
        foot_r = wall[0] + np.maximum(reach, 0) * e
        foot_z = thick * np.sqrt(np.maximum(1 - e * e, 0)) + (z_foot - thick) * (1 - e) ** 4 + 0 * wall[0]
        bottom_r = np.linspace(0, 0.96, bottom)[:, None] * foot_r[0]
        # Over the rim and down.
        arc = np.arange(1, rim + 1)[:, None] / rim * (np.pi / 2)
        rim_r, rim_z = wall[-1] - bevel * (1 - np.cos(arc)), shoulder + bevel * np.sin(arc)
        cup_r = (wall[-1] - bevel) * (1 - (np.arange(1, cup + 1)[:, None] / cup) ** 1.5)
        pool = height - self.depth(tau, height)
        open_ = ramp(tau, 0.0, 0.22)
        lip = self.radius * mix(0.30 if self.grain_of_ring else 0.52, 0.015, open_)
        fall = ramp(wall[-1] - bevel - cup_r, lip, lip + 0.17 * self.radius)
        cup_z = mix(level, pool, fall)
        r = np.concatenate([bottom_r, foot_r, wall[1:], rim_r, cup_r])
        z = np.concatenate([0 * bottom_r, foot_z, z[1:], rim_z, cup_z])
        return np.stack([r * np.cos(self.angle), r * np.sin(self.angle), z], axis=-1)
