"""A hybrid tea rose: closed bud, open flower, wilted flower, as one mesh.

The flower is a *foliation*. About its axis lies a family of meridian curves, one for each layer x: 0 at the axis, 1 at
the outermost petal, a little over 1 at the sepals. At every life time the curves fill the half plane without meeting,
so petals that keep to layers of their own nest by construction; opening and wilting move the family, not the petals.
How petals fall is in falls.py.

    x    layer                        t    along a meridian curve, 0 at the hip, 1 at the end of the longest petal
    phi  angle of the curve to the axis, radians: dr = sin(phi) ds, dz = cos(phi) ds
    u    across a petal, in [-1, 1]   v    along it, in [0, 1]

Sources: golden-angle phyllotaxis, Vogel, "A better way to construct the sunflower head", Math. Biosci. 44, 1979.
Margins that grow more than the middle, and so reflex and ripple: Liang & Mahadevan, "Growth, geometry, and mechanics
of a blooming lily", PNAS 108, 2011. Departs from it: the reflex is prescribed, no elastic sheet is solved.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from backend.species import Rose
from backend.specimens.core import (
    GOLDEN_ANGLE,
    Array,
    Chance,
    Organ,
    Skin,
    Specimen,
    finer,
    join,
    mix,
    ramp,
    tint,
    tube,
    tube_chart,
)
from backend.specimens.foliage import (
    BROWN,
    GREEN,
    LEAF_BROWN,
    LEAF_GREEN,
    LEAF_PALE,
    Spiral,
    Stalk,
    compound_leaves,
    stem,
    thorns,
)
from backend.specimens.rose.falls import LAYERING, SPREADS, Pose, blowing, falls_of, moments_of, shed

# Landmarks of life time: closed; fully open; past its best; begins to wilt; dead.
BUD, OPEN = Rose.life.stretches["bloom"]
FADING, DEAD = Rose.life.stretches["wilt"]
WILTING = 0.64

PETAL_BASE = np.array([0.75, 0.62, 0.25])
FADED = np.array([0.55, 0.40, 0.27])  # of a petal's own colour, once it is dry
PETAL_BROWN, PETAL_TAN = np.array([0.060, 0.017, 0.011]), np.array([0.20, 0.098, 0.042])

USUAL = Rose()
# Metres, for a flower 80 mm wide; all of it scales with the flower. Radius of a bud's outermost petal along t.
USUAL_DIAMETER = 0.08
COARSENS = 0.4  # the power of the detail with which petals do: chords of wide cells would cut through layers
BUD_RADIUS = CubicSpline(
    [0, 0.12, 0.3, 0.45, 0.65, 0.83, 0.93, 1], [0.0045, 0.0080, 0.0108, 0.0114, 0.0092, 0.0049, 0.0023, 0.0006]
)
BUD_SLOPE = BUD_RADIUS.derivative()
BUD_LENGTH = 0.0352
HIP_RADIUS = PchipInterpolator([0, 0.25, 0.6, 0.85, 0.97, 1], [0.0021, 0.0034, 0.0050, 0.0052, 0.0047, 0.0004])
HIP_HEIGHT = 0.013
LEAVES, THORNS = Spiral(5, (0.33, 0.65), 0.3), Spiral(20, (0.06, 0.84))
SIDES = 14  # of the hip and the stem that ends in it


# Points in the flower's frame (..., 3) and how far, to points.
Warp = Callable[[Array, float], Array]


def scale_of(rose: Rose) -> float:
    """Of the flower, 1 for the usual one."""
    return rose.height / USUAL.height * rose.flower


def room_of(rose: Rose) -> float:
    """By how much less petals stray from their layers in a flower fuller than the usual one: by more than the room
    between two shrinks, for the chords of as many rows cut off more of it."""
    return min(1.0, USUAL.petals / rose.petals) ** 1.5


def grow(rose: Rose, seed: int) -> Specimen:
    """A rose; `seed` picks the individual. Its vertices are the closed bud (tau 0)."""
    chance = Chance(seed)
    length, size = rose.height - 0.5 * USUAL_DIAMETER * scale_of(rose), rose.height / USUAL.height
    stalk = Stalk.grown(length, (0.0029 * size, 0.0020 * scale_of(rose)), wilted, chance)
    top = 1 - (HIP_HEIGHT - 0.0006) * scale_of(rose) / length
    crumple = _crumple(chance.of("creases"), scale_of(rose), room_of(rose))
    organs = [
        _corolla(rose, stalk, crumple, chance),
        _calyx(rose, stalk, crumple, chance),
        _hip(rose, stalk),
        stem(stalk, top, finer(46, rose.detail), finer(SIDES, rose.detail), chance.of("stem")),
    ]
    if rose.thorns:
        nodes = THORNS.nodes("thorn", rose.thorns, chance)
        organs.append(thorns(stalk, *nodes, size, chance.each("thorn", rose.thorns)))
    if rose.leaves:
        # Smaller on the short stem below a large flower, so that they hang no lower than the ground.
        leafy = min(size, length / (USUAL.height - 0.5 * USUAL_DIAMETER))
        nodes = LEAVES.nodes("leaf", rose.leaves, chance)
        organs += compound_leaves(stalk, *nodes, leafy, rose.detail, chance)
    return join(organs)


def wilted(tau: float) -> float:
    """How far from standing (0) to dead (1)."""
    return float(np.clip((tau - WILTING) / (DEAD - WILTING), 0, 1))


# The foliation


def layer_opening(x: Array, tau: float) -> Array:
    """How far layer x has opened, 0 to 1: the outer ones first, the innermost never wholly."""
    bloom, lag = min(tau / OPEN, 1.0), 0.7
    return ramp(bloom * (1 + lag) - lag * (1 - x), 0.0, 1.2) * (0.45 + 0.55 * ramp(x, 0.0, 0.55))


def layer_wilt(x: Array, tau: float) -> Array:
    """How far layer x has wilted, 0 to 1: the outer ones first."""
    lag = 0.6
    return ramp(wilted(tau) * (1 + lag) - lag * (1 - x), 0.0, 1.15)


def layer_angle(t: Array, x: Array, tau: float) -> Array:
    """phi of layer x at t."""
    bud = np.arcsin(np.clip(x * BUD_SLOPE(np.minimum(t, 1)) / BUD_LENGTH, -0.97, 0.97))
    spread = 0.04 + 1.08 * x**2.2 + 3 * np.maximum(x - 1, 0)
    cup = 0.75 * ramp(x, -0.1, 0.6) * (0.45 - t)
    reflex = (0.1 + 0.8 * x**1.5) * ramp(t, 0.5, 1.15)
    opened = mix(bud, spread + cup + reflex, layer_opening(x, tau))
    base, tip = 0.12 + 0.8 * x**1.2, 0.02 + 2.2 * x**1.5
    return mix(opened, mix(base, tip, t**0.8), layer_wilt(x, tau))


def layer_length(x: Array, tau: float, rose: Rose) -> Array:
    """Metres along layer x from t = 0 to 1. Petals grow by a quarter while they open and shrink as they dry."""
    full = 0.55 * USUAL_DIAMETER * scale_of(rose) * _reach(x)
    return full * (0.8 + 0.2 * ramp(tau / OPEN)) * (1 - 0.33 * layer_wilt(x, tau))


def _reach(x: Array) -> Array:
    """Length of a layer over that of the outermost."""
    return 0.76 + 0.24 * x**3


def layer_points(
    t: Array, x: Array, tau: float, rose: Rose, curl: Array | float = 0.0, pull: tuple[Array, Array] | None = None
) -> tuple[Array, Array, Array]:
    """(r, z) metres and phi of layers x at t, all (n, rows, columns), t rising from 0 along the rows.

    `curl` is added to phi. `pull`, the part of gravity (unit length when in the meridian plane) along r and z, turns
    limp layers towards itself. It is less than the slope of phi needs to keep the order of the layers.
    """

    def phi(t: Array, curl: Array | float) -> Array:
        angle = layer_angle(t, x, tau)
        if pull is not None:
            limp = 0.33 * room_of(rose) * layer_wilt(x, tau) * ramp(t, -0.1, 0.6) * ramp(x, 0.05, 0.8)
            for _ in range(2):
                angle = angle + limp * (pull[0] * np.cos(angle) - pull[1] * np.sin(angle))
        return angle + curl

    curl = curl + 0 * (t + x)
    knots = phi(t, curl)
    middles = phi((t[:, 1:] + t[:, :-1]) / 2, (curl[:, 1:] + curl[:, :-1]) / 2)
    step = np.diff(t, axis=1) * layer_length(x, tau, rose)

    def total(f: Callable[[Array], Array]) -> Array:
        simpson = (f(knots[:, 1:]) + 4 * f(middles) + f(knots[:, :-1])) / 6
        return np.concatenate([np.zeros_like(knots[:, :1]), np.cumsum(simpson * step, axis=1)], axis=1)

    return total(np.sin) + 0.0045 * scale_of(rose) * x, total(np.cos) + 0.0012 * scale_of(rose) * (1 - x), knots


# Organs


@dataclass(frozen=True, eq=False)
class _Petals:
    """n petals, from the innermost outwards. Arrays broadcast to (n, rows, columns)."""

    u: Array
    v: Array
    layer: Array  # of each petal's midrib
    pace: Array  # from each layer to the next petal's
    x: Array
    t: Array
    theta: Array  # of each midrib
    half: Array  # half width, metres
    widest: Array  # half angle that is never passed
    rolled: Array
    curled: Array
    shrinks: Array
    wave: Array
    phase: Array
    tone: Array
    rim: Array  # 1 at the upper rim
    edge: Array  # 1 at the sides
    goes: Array  # life times at which petals let go, the outermost first

    @classmethod
    def grown(cls, rose: Rose, chance: Chance) -> "_Petals":
        n, room = rose.petals, room_of(rose)
        fineness = max(rose.detail, rose.detail**COARSENS) / room**0.2
        rows, columns = finer(17, fineness), finer(15, fineness) | 1
        index = (np.arange(n) + 0.5)[:, None, None]
        u = np.linspace(-1, 1, columns)[None, None, :]
        v = np.linspace(0, 1, rows)[None, :, None]

        draws = chance.each("petal", n)

        def each(low: float, high: float) -> Array:
            return draws.uniform(low, high, 1, 1)

        layer = (index / n) ** LAYERING
        pace = LAYERING * layer / index
        lifted = 0.03 * room * ramp(u, 0.2, 1.0) * ramp(layer, 0.75, 1.0)  # an edge that lies over its neighbour's
        x = layer - each(0.1, 0.2) * u * pace + lifted
        theta = chance.of("corolla").uniform(0, 2 * np.pi) + index * GOLDEN_ANGLE + each(-0.12, 0.12)
        top = 1 - each(0.15, 0.21) * u**2 - each(0.0, 0.035) * np.exp(-((u / 0.16) ** 2))
        t = each(0.97, 1.0) * v * top
        spoon = (0.22 + 0.78 * ramp(v, -0.15, 0.65)) * (1 - 0.3 * ramp(v, 0.65, 1.2))
        return cls(
            u,
            v,
            layer,
            pace,
            x,
            t,
            theta,
            half=each(0.92, 1.08) * scale_of(rose) * (0.014 + 0.012 * layer) * spoon,
            widest=mix(1.9, 1.75, layer),
            rolled=each(0.8, 1.15),
            curled=room * each(-0.8, 0.7),
            shrinks=each(0.0, 0.3),
            wave=np.pi * np.floor(each(2, 4)),
            phase=each(0, 2 * np.pi),
            tone=each(0.84, 1.1),
            rim=ramp(v, 0.6, 1.05) * (1 - 0.6 * u**2),
            edge=ramp(np.abs(u), 0.45, 1.0) * ramp(v, 0.35, 0.9),
            goes=moments_of(rose, chance),
        )

    def points(self, tau: float, rose: Rose, gravity: Array) -> Array:
        """(n, rows, columns, 3) metres in the flower's frame, where `gravity` (3,) points down."""
        blown = blowing(float(ramp((tau - self.goes) / SPREADS).sum()), rose.petals)
        layer, x = self.layer * blown, self.x * blown
        opened, dry = layer_opening(layer, tau), layer_wilt(layer, tau)
        reflex = self.rolled * opened * (0.12 + 1.7 * layer**2.4) * (1 - 0.5 * dry)
        curl = self.rim * (reflex + 1.6 * self.curled * dry * ramp(layer, 0.15, 0.9))
        t = self.t * (1 - self.shrinks * dry) * (_reach(self.layer) / _reach(layer))
        r, z, phi = layer_points(t, x, tau, rose, curl)
        pull = None
        if wilted(tau) > 0:
            # One pull for a whole line along the petal: at 0.7 of it the fewest lines leave their layer.
            outer = int(0.7 * r.shape[1])
            angle = self.angle(r, tau, dry)[:, outer : outer + 1]
            pull = gravity[0] * np.cos(angle) + gravity[1] * np.sin(angle), gravity[2]
            r, z, phi = layer_points(t, x, tau, rose, curl, pull)
        # Sides roll back and ripple by about the room to the next layer.
        near = layer_points(t, x + 0.5 * blown * self.pace, tau, rose, curl, pull)
        room = 2 * np.hypot(near[0] - r, near[1] - z)
        ripple = self.v**2 * np.sin(self.wave * self.u + self.phase + 3 * dry * self.v)
        back = room * (opened * 0.8 * self.rolled * self.edge * (1 - 1.4 * dry) + 0.35 * opened * ripple)
        r, z = r + back * np.cos(phi), z - back * np.sin(phi)
        angle = self.angle(r, tau, dry)
        return np.stack([r * np.cos(angle), r * np.sin(angle), z], axis=-1)

    def angle(self, r: Array, tau: float, dry: Array) -> Array:
        """About the axis, radians, at radius r: a petal keeps its width, so it unwraps as it moves outwards."""
        width = self.half * (0.82 + 0.18 * ramp(tau / OPEN)) * (1 - 0.45 * dry)
        return self.theta + self.u * self.widest * np.tanh(width / (r.mean(axis=2, keepdims=True) * self.widest))


def _corolla(rose: Rose, stalk: Stalk, crumple: Warp, chance: Chance) -> Organ:
    petals = _Petals.grown(rose, chance)
    u, v, layer = petals.u, petals.v, petals.layer
    fresh = tint(np.array(rose.colour), PETAL_BASE, 0.55 * (1 - ramp(v, 0.0, 0.3)) + 0 * u)
    shade = petals.tone * (1 - 0.2 * petals.rim * v**4) * (1 - 0.25 * ramp(np.abs(u), 0.75, 1.0))
    fresh = fresh * shade[..., None]
    spots = 0.5 + 0.25 * np.sin(5 * u + 3 * v + petals.phase) + 0.25 * np.sin(9 * v - 7 * u + 2 * petals.phase)
    depth = np.minimum(1 - v + 0 * u, 1.4 * (1 - np.abs(u)) + 0.5 * (1 - v)) + 0.25 * spots
    vein = 0.5 + 0.5 * np.sin(22 * u * (1 - 0.3 * v) + 2 * petals.phase)
    withered = tint(PETAL_BROWN, PETAL_TAN, (0.3 + 0.7 * spots) * ramp(1.0 - depth, 0.0, 0.9))
    withered = withered * (petals.tone * (0.7 + 0.5 * vein))[..., None]

    def pose(tau: float) -> Pose:
        return stalk.spine(tau).pose(np.array(1.0))

    def held(tau: float) -> Array:
        origin, frame = pose(tau)
        return crumple(petals.points(tau, rose, -frame[2]), wilted(tau)) @ frame.T + origin

    fall_of = falls_of(rose.petals, scale_of(rose), petals.goes, held, chance.each("petal's fall", len(petals.goes)))

    def at(tau: float) -> Skin:
        points = held(tau)
        for petal, (start, fall) in fall_of.items():
            if tau > start:
                points[petal] = shed(points[petal], fall(), tau, pose)
        dry = layer_wilt(layer, tau)
        brown = ramp(1.65 * dry - depth, 0.0, 0.7) * (0.7 + 0.3 * layer)
        albedo = tint(tint(fresh, FADED * fresh, dry + 0 * spots), withered, 0.92 * brown)
        return Skin(points, albedo, mix(0.65, 0.9, brown))

    full = 0.55 * USUAL_DIAMETER * scale_of(rose) * _reach(layer)
    return Organ("petals", np.stack(np.broadcast_arrays(u * petals.half, petals.t * full), axis=-1), at)


def _crumple(rng: np.random.Generator, scale: float, room: float) -> Warp:
    """A displacement of space, still at the hip; what nests before it nests after it, its gradient being below 1."""
    k, push, phase = [], [], rng.uniform(0, 2 * np.pi, 9)
    for length, share in ((0.030, 0.35), (0.014, 0.4), (0.008, 0.4)):
        for _ in range(3):
            k.append((wave := rng.normal(size=3)) * 2 * np.pi / (length * scale * np.linalg.norm(wave)))
            push.append((way := rng.normal(size=3)) * share / 3 / np.linalg.norm(way) / np.linalg.norm(k[-1]))

    def warp(points: Array, amount: float) -> Array:
        away = room * amount * ramp(np.linalg.norm(points, axis=-1, keepdims=True), 0.004 * scale, 0.022 * scale)
        return points + away * (np.sin(points @ np.transpose(k) + phase) @ np.array(push))

    return warp


def _calyx(rose: Rose, stalk: Stalk, crumple: Warp, chance: Chance) -> Organ:
    """Five sepals, on a layer of their own outside the petals."""
    n, rows, columns = 5, finer(13, rose.detail), finer(7, rose.detail) | 1
    u = np.linspace(-1, 1, columns)[None, None, :]
    v = np.linspace(0, 1, rows)[None, :, None]
    draws = chance.each("sepal", n)
    theta = chance.of("calyx").uniform(0, 2 * np.pi) + (np.arange(n) * 2 * np.pi / n)[:, None, None]
    tone = draws.uniform(0.85, 1.15, 1, 1, 1)
    x = np.full((n, 1, columns), 1.18)
    t = draws.uniform(0.58, 0.74, 1, 1) * v + 0 * u
    half = scale_of(rose) * (0.0062 * (1 - v**1.6) * (0.45 + 0.75 * ramp(v, -0.2, 0.35)) + 0.0003)

    def at(tau: float) -> Skin:
        origin, frame = stalk.spine(tau).pose(np.array(1.0))
        pull = -frame[2, 0] * np.cos(theta) - frame[2, 1] * np.sin(theta), -frame[2, 2]
        r, z, _ = layer_points(t, x, tau, rose, 0.9 * v**2 * layer_opening(x, tau), pull)
        dry = wilted(tau)
        angle = theta + u * np.minimum(half / r, 0.6) * (1 - 0.3 * dry)
        points = crumple(np.stack([r * np.cos(angle), r * np.sin(angle), z], axis=-1), dry) @ frame.T + origin
        fresh = tone * tint(LEAF_GREEN, LEAF_PALE, 0.3 + 0.5 * np.abs(u) + 0 * t)
        albedo = tint(fresh, LEAF_BROWN, 0.75 * ramp(1.5 * dry - 0.5 * (1 - v)) + 0 * t)
        return Skin(points, albedo, 0.62 + 0.25 * dry + 0 * t)

    length = 0.55 * USUAL_DIAMETER * scale_of(rose)
    return Organ("sepals", np.stack(np.broadcast_arrays(u * half, t * length), axis=-1), at)


def _hip(rose: Rose, stalk: Stalk) -> Organ:
    """The bulb under the flower, closed by a lid that the petals stand on."""
    sides, length = finer(SIDES, rose.detail), HIP_HEIGHT * scale_of(rose)
    s = np.append(np.linspace(0, 0.97, finer(10, rose.detail)), 1.0)
    radius = HIP_RADIUS(s) * scale_of(rose)
    along_stalk = 1 + length / stalk.length * (np.where(s < 1, s, 0.93) - 1)

    def at(tau: float) -> Skin:
        points = tube(stalk.spine(tau), along_stalk, radius, sides)[None]
        dry = np.full(points.shape[:3], ramp(wilted(tau)))
        return Skin(points, tint(GREEN, BROWN, 0.7 * dry), 0.48 + 0.3 * dry)

    return Organ("hip", tube_chart(s, radius, sides, length)[None], at, closed=True)
