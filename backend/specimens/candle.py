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
from functools import cached_property, lru_cache

import numpy as np

from backend.species import Candle
from backend.specimens import fire
from backend.specimens.core import (
    Array,
    Matter,
    Noise,
    Organ,
    Skin,
    Specimen,
    Spine,
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
from backend.specimens.fire import Flicker
from backend.specimens.solids import enclosed

# Landmarks of life time: the flame stands; it starves; it is out; nothing glows.
LIT, STARVING, OUT, COLD = 0.07, 0.88, 0.95, 0.985

BURNT = 0.84  # of the wax

Surface = Callable[[float], Array]  # (rows, columns, 3) at a life time
Curves = Callable[[float], list[Spine]]

USUAL_RADIUS = 0.14  # what does not grow with the girth in step (flame, wick, runs) grows with its square root
LEAST_GIRTH = {1: 0.0, 2: 0.30, 3: 0.36, 4: 0.42}  # that leaves room for so many flames
RING = {1: 0.0, 2: 0.46, 3: 0.48, 4: 0.52}  # where the wicks stand, in radii of the candle
WICK_LENGTH, WICK_RADIUS, WICK_GAP = 0.062, 0.0045, 0.0006
FLAME_LENGTH, FLAME_RADIUS = 0.175, 0.027
FOOT, POOLED = 0.06, 0.022  # height of the foot, thickness of what has pooled there
CUP = 0.075  # depth of the full cup below the rim

COTTON = np.array([0.72, 0.66, 0.52])
WARMTH = np.array([1.0, 0.57, 0.22])  # what is left of light on its way through wax


def grow(candle: Candle, seed: int) -> Specimen:
    """A candle; `seed` picks the individual. Its vertices are the new candle (tau 0)."""
    rng = np.random.default_rng(seed)
    flicker = Flicker.of(candle.wicks, rng)
    wax = _Wax.cast(candle, flicker.draught, rng)
    surface = lru_cache(maxsize=2)(wax.points)  # several organs ask for the same moment
    spines = lru_cache(maxsize=2)(_wicks(wax, surface, candle, rng))
    organs = [_body(wax, surface, candle, rng), _wick(wax, spines, candle)]
    if candle.flame > 0:
        organs.append(_flame(wax, flicker, spines, candle))
    return join(organs, Matter(("wax",), share_left if candle.flame > 0 else lambda tau: 1.0))


def share_left(tau: float) -> float:
    """Of the wax, while it burns: a flame takes as much as it is large."""
    return 1 - BURNT * _steady(tau)


def _steady(tau: float) -> float:
    """The integral of a flame that grows until LIT, stands, and shrinks from STARVING to OUT, as a share of all."""

    def until(t: float, start: float, end: float) -> float:
        x = float(np.clip((t - start) / (end - start), 0.0, 1.0))
        return (end - start) * x * x / 2 + max(t - end, 0.0)

    return (until(tau, 0.0, LIT) - until(tau, STARVING, OUT)) / (until(1.0, 0.0, LIT) - until(1.0, STARVING, OUT))


def burning(tau: float) -> float:
    """From no flame (0) to a full one (1). Before it goes out it starves."""
    starved = 0.5 * ramp(tau, STARVING - 0.1, OUT) + 0.5 * ramp(tau, STARVING, OUT)
    return float(ramp(tau, 0.0, LIT) * (1 - starved))


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
        birth = 0.06 + 0.62 * (order + each(0.1, 0.9)) / max(n, 1)
        away = rng.normal(0.0, 1.4, (n, 1, 1))  # most run over where the draught has melted the rim
        start = 1 - BURNT * birth
        end = start * (1 - each(0.35, 1.35))
        return cls(
            draught + away + 0.5 * each(-1, 1),
            birth,
            each(0.10, 0.22),
            start + 0.02,
            np.where(end < FOOT * grain, -0.03, end),
            grain * each(0.026, 0.046),
            grain * each(0.012, 0.022),
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
        """(columns,) how far what has come down reaches out from the foot."""
        if not len(self.birth):
            return np.zeros_like(angle)
        arrived = ramp(tau, self.birth + 0.7 * self.pace, self.birth + 0.7 * self.pace + 0.45) * (self.end < 0)
        y = self.across(angle, np.zeros((1, 1))) / (self.width * (1.1 + 1.9 * arrived))
        lobe = 2.4 * self.width * arrived * np.exp(-(y**2))
        return ((lobe**2).sum(axis=0) ** 0.5)[0]


@dataclass(frozen=True, eq=False)
class _Wax:
    """The body's grid: rows from the middle of the foot to the middle of the cup."""

    radius: float
    grain: float  # of wick, flame and runs: 1 at the usual girth
    ring: float  # where the wicks stand, in radii
    angle: Array  # (columns,)
    rows: tuple[int, int, int, int, int]  # bottom, foot, side, rim, cup
    runs: _Runs
    uneven: Noise  # about the candle and over time
    draught: float
    melts: bool

    @classmethod
    def cast(cls, candle: Candle, draught: float, rng: np.random.Generator) -> "_Wax":
        radius = max(candle.girth, LEAST_GIRTH[candle.wicks]) / 2
        grain = float(np.sqrt(radius / USUAL_RADIUS))
        columns = finer(132, candle.detail)
        rows = tuple(max(finer(n, candle.detail), least) for n, least in ((4, 3), (11, 5), (58, 9), (8, 5), (20, 9)))
        runs = _Runs.grown(candle.drips, grain, draught, rng)
        angle = np.arange(columns) * (2 * np.pi / columns)
        noise = Noise.grown(rng, 2.2)
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
        lip = self.radius * mix(0.28 if self.ring else 0.5, 0.015, ramp(tau, 0.0, 0.22))
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
        """Radius and z of what has run down and pooled, out to in: a flat drop that meets the wall in a fillet."""
        e = 1 - np.linspace(0, 1, self.rows[1])[:, None] ** 1.5
        thick = top * POOLED / FOOT
        z = thick * np.sqrt(1 - (0.93 * e) ** 2) + (top - thick) * (1 - e) ** 4
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


def _body(wax: _Wax, surface: Surface, candle: Candle, rng: np.random.Generator) -> Organ:
    new = surface(0.0)
    colour = np.array(candle.colour) * (1 + 0.012 * Noise.grown(rng, 0.6 * wax.radius)(new))[..., None]
    inside = (np.arange(len(new)) > sum(wax.rows[:3]) + 3)[:, None]

    def at(tau: float) -> Skin:
        points = surface(tau)
        z = points[..., 2]
        pool = z[-1, 0]
        below = np.maximum(pool - z, 0) / wax.grain
        lit = 0.0 if wax.melts else burning(tau)
        level = inside * ramp(z, pool + 0.012 * wax.grain, pool + 0.002 * wax.grain)
        soft = ramp(tau, 0.0, 0.5) if wax.melts else level * ramp(tau, 0.01, 0.1) * (1 - ramp(tau, OUT, 1.0))
        glow = lit * (0.13 * np.exp(-((below / 0.075) ** 1.2)) + 0.12 * inside)
        albedo = tint(colour, colour * WARMTH, np.clip(4 * glow + 0.25 * soft, 0, 0.8) * (not wax.melts))
        rough = mix(0.42, 0.24 if wax.melts else 0.10, soft) + 0 * z
        return Skin(candle.height * points[None], albedo[None], rough[None], emission=glow[None])

    r, z = np.hypot(new[..., 0], new[..., 1]), new[..., 2]
    return Organ("wax", candle.height * lathe_chart(r[None], z[None]), at, closed=True, poles=(True, True))


# Wicks and flames


def _wicks(wax: _Wax, surface: Surface, candle: Candle, rng: np.random.Generator) -> Curves:
    """The wicks' curves at a life time: upright when new, then bent into the side of the flame, at last limp."""
    n = candle.wicks
    azimuth = rng.uniform(0, 2 * np.pi) + np.arange(n) * (2 * np.pi / n)
    bent, bend = rng.uniform(0, 2 * np.pi, n), rng.uniform(0.75, 1.0, n)
    s = np.linspace(0, 1, 25)

    def at(tau: float) -> list[Spine]:
        bases = wax.anchors(surface(tau), azimuth)
        hot = ramp(tau, 0.02, 0.3) + 0.35 * ramp(tau, OUT, 1.0)
        out = []
        for k in range(n):
            way, lean = bent[k], bend[k] * hot * s**1.3
            if wax.melts:
                way = azimuth[k] if n > 1 else wax.draught  # downhill
                lean = 1.1 * ramp(tau, 0.1, 0.9) * (0.6 + 0.4 * s)
            length = wax.grain * WICK_LENGTH * (1.1 - 0.1 * ramp(tau, 0.0, 0.2))
            base = bases[k] + [0, 0, WICK_GAP * wax.grain]
            out.append(Spine.bent(base, turn("z", way), length, lean + 0 * s, 0 * s))
        return out

    return at


def _wick(wax: _Wax, spines: Curves, candle: Candle) -> Organ:
    rows, sides = finer(22, candle.detail), max(5, finer(9, candle.detail))
    s = np.linspace(0, 1, rows)
    radius = wax.grain * WICK_RADIUS * (0.55 + 0.45 * ramp(s, 0.0, 0.1)) * (1 - 0.35 * ramp(s, 0.75, 1.0))
    radius[[0, -1]] = 0
    braid = 1 + 0.10 * np.sin(2 * np.pi * (5 * s[:, None] + 2 * np.arange(sides) / sides))

    def at(tau: float) -> Skin:
        points = np.stack([tube(spine, s, radius, sides) for spine in spines(tau)])
        shape = points.shape[:3]
        burnt = ramp(1.8 * tau / LIT - 1.2 * (1 - s), 0.0, 0.8) * (not wax.melts)
        ember = ramp(s, 0.72, 0.95) * burnt * (1 - ramp(tau, OUT, COLD))
        albedo = tint(COTTON * braid[..., None], fire.CHAR, (burnt * ramp(s, 0.0, 0.25))[:, None])
        albedo = np.broadcast_to(tint(albedo, fire.EMBER, 0.8 * ember[:, None]), points.shape)
        emission = np.broadcast_to(0.35 * ember[:, None], shape)
        return Skin(candle.height * points, albedo, np.full(shape, 0.9), emission=emission)

    chart = tube_chart(s, np.full(rows, radius.max()), sides, wax.grain * WICK_LENGTH)
    charts = candle.height * np.repeat(chart[None], candle.wicks, axis=0)
    return Organ("wick", charts, at, closed=True, poles=(True, True))


def _flame(wax: _Wax, flicker: Flicker, spines: Curves, candle: Candle) -> Organ:
    """Drops of light that each hang on a wick."""
    rows, sides = finer(34, candle.detail), finer(20, candle.detail)
    q = np.linspace(0, 1, rows)
    full, colour = np.ones((candle.wicks, rows, sides)), fire.colour(q)[None, :, None]

    def at(tau: float) -> Skin:
        lit = burning(tau) * (0.45 + 0.55 * candle.flame)
        size = wax.grain * lit
        sleeve = 1.5 * wax.grain * WICK_RADIUS * (1 - q) ** 2 * min(1.0, 6 * lit + 0.02)
        # A flame that is not there is a speck beyond the tip of its wick, and a small one is too short to turn.
        hold, beyond = mix(1.0, 0.5, ramp(lit, 0.0, 0.5)), 0.004 * wax.grain * (1 - ramp(lit, 0.0, 0.35))
        points = []
        for k, wick in enumerate(spines(tau)):
            origin, frame = wick.pose(np.array(hold))
            length = max(size * FLAME_LENGTH * flicker.stretch(tau, k), 1e-3 * wax.grain)
            spine = flicker.spine(origin + beyond * frame[:, 2], frame[:, 2], length, tau, ramp(lit, 0.0, 0.4), k)
            points.append(tube(spine, q, size * FLAME_RADIUS * flicker.width(q, tau, k) + sleeve, sides))
        placed = candle.height * np.stack(points)
        opacity, glow = fire.opacity(q, lit)[:, None] * full, min(1.0, 3 * lit) * full
        return Skin(placed, np.broadcast_to(colour, placed.shape), full, opacity=opacity, emission=glow)

    chart = tube_chart(q, np.full(rows, 0.7 * wax.grain * FLAME_RADIUS), sides, wax.grain * FLAME_LENGTH)
    charts = candle.height * np.repeat(chart[None], candle.wicks, axis=0)
    return Organ("flame", charts, at, closed=True, poles=(False, True))
