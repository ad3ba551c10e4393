"""The flower of a lily: six tepals in two whorls, from the closed bud to the wilted flower.

It is a foliation, as the rose's: meridian curves, one for each layer x (0 the axis, 1 the outer whorl of tepals), that
never meet; opening and wilting move the curves, not the tepals. Tepals of one whorl share a layer and are never wider
than the whorl has room, so the outer three lie in the bud edge to edge over the midribs of the inner ones.

    x    layer        t    along a meridian curve, 0 at the receptacle, 1 at the tips
    phi  angle of the curve to the axis, radians
    u    across a tepal, in [-1, 1]   v    along it, in [0, 1]

Sources: edges that grow more than the midrib open the flower and ripple: Liang & Mahadevan, "Growth, geometry, and
mechanics of a blooming lily", PNAS 108, 2011. A margin longer by a share g than the midrib ripples with an amplitude
of 2 sqrt(g) / k, k its wavenumber. Departs from it: the reflex is prescribed, no shell is solved; a face of a tepal has
the colour of the other.
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
    along,
    finer,
    lathe,
    lathe_chart,
    mix,
    ramp,
    tint,
)
from backend.specimens.falling import Fall
from backend.specimens.foliage import GREEN

# Landmarks of life time: closed; fully open; begins to wilt; dead.
BUD, OPEN = Lily.life.stretches["bloom"]
WILTING, DEAD = Lily.life.stretches["wilt"]

# Metres, for a flower of size 1.
LENGTH = 0.112  # of an open tepal
BUD_RADIUS = PchipInterpolator(
    [0, 0.06, 0.25, 0.45, 0.62, 0.78, 0.9, 0.97, 1],
    [0.0052, 0.0064, 0.0098, 0.0122, 0.0127, 0.0108, 0.0068, 0.0038, 0.0024],
)
BUD_SLOPE = BUD_RADIUS.derivative()
BUD_SHARE = 0.82  # of its open length that a tepal has in the bud
STAMENS, INNER, OUTER = 0.10, 0.75, 1.0  # layers
WIDTH = PchipInterpolator([0, 0.12, 0.3, 0.5, 0.68, 0.84, 0.94, 1], [0.22, 0.36, 0.76, 1.0, 0.93, 0.62, 0.31, 0.035])
EDGE_GROWTH, RIPPLES = 0.14, 3.0  # how much longer a margin is than the midrib in the end; waves along it
INWARDS = 0.25  # of the way that limp tepals sag outwards, how far they sag onto the stamens
CREASE = 0.0010  # metres: how far what has dried is pushed aside

THROAT = np.array([0.42, 0.55, 0.10])
BUD_GREEN = np.array([0.28, 0.40, 0.12])
TAN, UMBER = np.array([0.34, 0.19, 0.075]), np.array([0.10, 0.045, 0.018])

Pose = tuple[Array, Array]  # a point (3,) and a frame (3, 3)
Pull = tuple[Array, Array]  # gravity along r and z, parts of 1


def opened(tau: float) -> float:
    """How far from closed (0) to open (1), evenly in time."""
    return float(np.clip((tau - BUD) / (OPEN - BUD), 0, 1))


def wilted(tau: float) -> float:
    """How far from standing (0) to dead (1), evenly in time."""
    return float(np.clip((tau - WILTING) / (DEAD - WILTING), 0, 1))


def layer_opening(t: Array, x: Array, tau: float) -> Array:
    """How far layer x has opened at t, 0 to 1: the tips part first, and the outer whorl is ahead."""
    return ramp(opened(tau) * 1.45 - 0.25 * (1 - t) - 0.20 * (1 - x), 0.0, 1.0)


def tepal_wilt(late: Array, tau: float) -> Array:
    """How far what is `late` (0 to 1) has wilted, 0 to 1."""
    return ramp(wilted(tau) * 1.35 - 0.35 * late, 0.0, 1.05)


def layer_angle(t: Array, x: Array, tau: float) -> Array:
    """phi of layer x at t."""
    bud = np.arcsin(np.clip((0.45 + 0.55 * x) * BUD_SLOPE(np.minimum(t, 1)) / (LENGTH * BUD_SHARE), -0.97, 0.97))
    trumpet = 0.12 + 0.22 * x + (0.30 + 0.62 * x) * ramp(t, 0.05, 0.75)
    reflex = (0.15 + 1.65 * x**1.5) * ramp(t, 0.40, 1.12)
    limp = 0.10 + 0.45 * x + 0.75 * x * t
    return mix(mix(bud, trumpet + reflex, layer_opening(t, x, tau)), limp, ramp(wilted(tau)))


def layer_points(
    t: Array, x: Array, tau: float, curl: Array | float = 0.0, pull: Pull | None = None
) -> tuple[Array, Array, Array]:
    """(r, z) metres and phi of layers x at t, all (n, rows, columns), t rising from 0 along the rows.

    `curl` is added to phi. `pull`, the part of gravity along r and z, turns limp layers towards itself.
    """
    angle = layer_angle(t, x, tau)
    if pull is not None:
        limp = 0.55 * ramp(wilted(tau)) * ramp(t, -0.05, 0.7)
        for _ in range(2):
            towards = pull[0] * np.cos(angle) - pull[1] * np.sin(angle)
            # Inwards all layers turn alike and little: they rest on the stamens.
            angle = angle + limp * towards * np.where(towards > 0, ramp(x, -0.2, 0.8), INWARDS)
    angle = angle + curl
    length = LENGTH * (BUD_SHARE + (1 - BUD_SHARE) * ramp(opened(tau))) * (1 - 0.22 * ramp(wilted(tau)))
    r, z = along(angle, np.diff(t, axis=1) * length)
    return r + BUD_RADIUS(0) * (0.45 + 0.55 * x), z, angle


@dataclass(frozen=True, eq=False)
class Flower:
    """What the organs of one flower share: its size, where it stands, and the creases that it gets as it dries."""

    size: float
    pose: Callable[[float], Pose]
    noises: tuple[Noise, Noise, Noise]

    def placed(self, points: Array, tau: float) -> Array:
        """Points of the flower's frame, of a flower of size 1, in the world: creased as far as it has dried."""
        origin, frame = self.pose(tau)
        return self.size * self.creased(points, ramp(wilted(tau))) @ frame.T + origin

    def creased(self, points: Array, dry: float) -> Array:
        """Space warped with a gradient below 1: what nests before nests after."""
        if dry == 0:
            return points
        away = dry * ramp(np.linalg.norm(points, axis=-1, keepdims=True), 0.01, 0.05)
        return points + away * CREASE * np.stack([noise(points) for noise in self.noises], axis=-1)

    def gravity(self, tau: float) -> Array:
        """(3,) the way down in the flower's frame."""
        return -self.pose(tau)[1][2]

    def lifted(self, points: Array, tau: float) -> Array:
        """Stamens and style bend up, away from the ground, as the flower opens; x is the way it nods."""
        lift = 0.008 * ramp(opened(tau), 0.3, 1.0) * (1 - 1.6 * ramp(wilted(tau)))
        return points - np.array([lift, 0, 0]) * (np.maximum(points[..., 2:], 0) / 0.08) ** 2


@dataclass(frozen=True, eq=False)
class _Tepals:
    """n tepals; arrays broadcast to (n, rows, columns)."""

    u: Array
    v: Array
    x: Array
    theta: Array  # of each midrib
    room: Array  # half angle that is never passed, to either side
    half: Array  # half width, metres, along it
    late: Array  # in wilting, 0 to 1
    curl: Array
    ripple: Array  # in [-1, 1]: the wave of the margins
    tone: Array
    spots: Array  # 0 to 1

    @classmethod
    def grown(cls, lily: Lily, chance: Chance) -> "_Tepals":
        n, rows, columns = lily.petals, finer(53, lily.detail), finer(27, lily.detail) | 1
        u, v = np.linspace(-1, 1, columns)[None, None, :], np.linspace(0, 1, rows)[None, :, None]

        draws = chance.each("tepal", n)

        def each(low: float, high: float) -> Array:
            return draws.uniform(low, high, 1, 1)

        inner = (np.arange(n) % 2 == 1) & (n > 4)
        theta = np.arange(n) * (2 * np.pi / n) + chance.of("corolla").uniform(0, 2 * np.pi)
        broad = np.where(inner, 0.0245, 0.0180)[:, None, None] * (6 / n) ** 0.35
        half = broad * each(0.94, 1.06) * WIDTH(v)
        phase = each(0, 2 * np.pi) + 2.4 * np.sign(u)
        waves = RIPPLES * each(0.85, 1.15)
        ripple = (
            np.sin(2 * np.pi * waves * v**1.1 + phase)
            * np.abs(u) ** 2.2
            * ramp(v, 0.25, 0.75)
            * ramp(1 - v, -0.05, 0.35)
        )
        return cls(
            u,
            v,
            np.where(inner, INNER, OUTER)[:, None, None] + 0 * u,
            theta[:, None, None],
            0.985 * np.where(u < 0, _room(inner, -1), _room(inner, 1)),
            half,
            late=each(0.0, 1.0),
            curl=each(-0.25, 0.25),
            ripple=ripple,
            tone=each(0.93, 1.05),
            spots=_freckles(n, u, half, v, chance),
        )

    def points(self, tau: float, gravity: Array) -> Array:
        """(n, rows, columns, 3) metres in the frame of a flower of size 1, where `gravity` (3,) points down."""
        t = self.v + 0 * self.u
        open_, dry = layer_opening(self.v, self.x, tau), tepal_wilt(self.late, tau)
        curl = self.curl * ramp(self.v, 0.45, 1.1) * open_ * (1 + 2.2 * dry) + 0.5 * dry * ramp(self.v, 0.6, 1.1)
        r, z, phi = layer_points(t, self.x, tau, curl)
        if wilted(tau) > 0:
            angle = self.angle(r, tau, dry)[:, r.shape[1] // 2][:, None]
            pull = gravity[0] * np.cos(angle) + gravity[1] * np.sin(angle), gravity[2]
            r, z, phi = layer_points(t, self.x, tau, curl, pull)
        growth = EDGE_GROWTH * open_ * (1 + 0.5 * dry)
        wave = 2 * np.sqrt(growth) * LENGTH / (2 * np.pi * RIPPLES) * self.ripple
        groove = 0.0016 * np.exp(-((self.u / 0.13) ** 2)) * ramp(self.v, 0.0, 0.25) * ramp(1 - self.v, 0.0, 0.2)
        trough = -0.10 * self.half * self.u**2 * open_ * ramp(self.v, 0.1, 0.5)
        papillae = -0.0006 * self.spots * ramp(0.62 - self.v, 0.0, 0.3)
        back = (wave + trough) * (1 - 0.3 * dry) + (groove + papillae) * (0.35 + 0.65 * open_) * (1 - 0.5 * dry)
        r, z = r + back * np.cos(phi), z - back * np.sin(phi)
        angle = self.angle(r, tau, dry)
        lobed = 1 + 0.05 * np.cos(3 * (angle - self.theta[:1])) * (1 - open_) * ramp(self.v, 0.0, 0.3)
        return np.stack([r * lobed * np.cos(angle), r * lobed * np.sin(angle), z], axis=-1)

    def angle(self, r: Array, tau: float, dry: Array) -> Array:
        """About the axis, radians: a tepal keeps its width, so it unwraps as it moves outwards."""
        width = self.half * (0.86 + 0.14 * ramp(opened(tau))) * (1 - 0.42 * dry)
        ring = np.maximum(r.mean(axis=2, keepdims=True), 1e-4)
        return self.theta + self.u * self.room * np.tanh(width / (ring * self.room))


def _room(inner: Array, side: int) -> Array:
    """(n, 1, 1): half the angle from each tepal to the next one of its whorl."""
    n = len(inner)
    steps = [next(k for k in range(1, n + 1) if inner[(i + side * k) % n] == inner[i]) for i in range(n)]
    return np.pi / n * np.array(steps, float)[:, None, None]


def _freckles(n: int, u: Array, half: Array, v: Array, chance: Chance) -> Array:
    """(n, rows, columns) in [0, 1]: spots about the throat, fewer outwards."""
    count, draws = 64, chance.each("freckles", n)
    along_ = 0.12 + 0.60 * np.stack([stream.beta(1.3, 1.7, count) for stream in draws.streams])
    across = draws.uniform(-0.85, 0.85, count)
    radius = draws.uniform(0.0011, 0.0019, count) * (1.15 - 0.4 * along_)
    place = across * (1 - 0.5 * ramp(along_, 0.4, 0.75))
    spots = np.zeros(np.broadcast_shapes(u.shape, half.shape))
    for k in range(count):
        dx = (u - place[:, k, None, None]) * half
        dy = (v - along_[:, k, None, None]) * LENGTH
        spots = np.maximum(spots, np.exp(-(((dx**2 + 0.6 * dy**2) / radius[:, k, None, None] ** 2) ** 1.5)))
    return spots


Falls = Callable[[Callable[[float], Array]], dict[int, Fall]]  # of tepals that hang so at tau, those that fall


def corolla(lily: Lily, flower: Flower, falls_of: Falls, chance: Chance) -> Organ:
    """The tepals: freckled and ruffled, then translucent and brown from tips and margins."""
    tepals = _Tepals.grown(lily, chance)
    u, v = tepals.u, tepals.v
    fresh = _fresh(lily, tepals)
    stain = 0.5 + 0.25 * np.sin(7 * v + 3 * u + 9 * tepals.late) + 0.25 * np.sin(11 * u - 5 * v + 5 * tepals.late)
    depth = np.minimum(1.15 * (1 - v), 0.9 * (1 - np.abs(u)) + 0.35 * (1 - v)) + 0.25 * stain
    vein = 0.5 + 0.5 * np.sin(26 * u)
    withered = tint(UMBER, TAN, np.clip(0.25 + 0.9 * depth + 0.2 * vein, 0, 1)) * tepals.tone[..., None]
    young = tint(np.array(lily.colour), BUD_GREEN, (0.35 + 0.45 * np.exp(-((u / 0.3) ** 2))) * (1 - 0.55 * v))

    def hung(tau: float) -> Array:
        return flower.placed(tepals.points(tau, flower.gravity(tau)), tau)

    falls = falls_of(hung)

    def at(tau: float) -> Skin:
        points = hung(tau)
        for tepal, fall in falls.items():
            points[tepal] = fall.placed(points[tepal], tau)
        dry = tepal_wilt(tepals.late, tau)
        ripe = ramp(opened(tau), 0.0, 0.55)
        albedo = tint(young, fresh, ripe + 0 * v + 0 * u + 0 * tepals.late)
        albedo = tint(albedo, albedo * np.array([0.80, 0.72, 0.55]), dry + 0 * depth)
        brown = ramp(1.7 * dry - depth, 0.0, 0.75)
        return Skin(
            points,
            tint(albedo, withered, (0.66 + 0.3 * stain) * brown),
            mix(0.5, 0.85, brown),
            opacity=1 - 0.15 * dry + 0 * depth,
        )

    return Organ("tepals", np.stack(np.broadcast_arrays(u * tepals.half, v * LENGTH), axis=-1) * lily.flower, at)


def _fresh(lily: Lily, tepals: _Tepals) -> Array:
    """Colours of the open tepals: deep along the midrib, pale margins, a green throat, freckles."""
    u, v = tepals.u, tepals.v
    colour = np.array(lily.colour)
    light = 1.4 * colour @ [0.21, 0.72, 0.07]  # dark lilies have hardly paler margins
    deep, pale = colour**1.9, colour + (0.92 - colour) * min(light, 0.72)
    albedo = tint(colour, pale, ramp(np.abs(u), 0.45, 1.0) + 0 * v)
    albedo = tint(albedo, deep, 0.75 * np.exp(-((u / 0.28) ** 2)) * ramp(v, 0.1, 0.45) * (1 - 0.6 * ramp(v, 0.6, 1.0)))
    albedo = tint(albedo, pale, 0.8 * ramp(0.42 - v, 0.0, 0.35) + 0 * u)
    albedo = tint(
        albedo, THROAT, (0.9 * np.exp(-((u / 0.16) ** 2)) * ramp(0.5 - v, 0.0, 0.4)) + 0.55 * ramp(0.2 - v, 0.0, 0.2)
    )
    spot = 0.6 * colour**4 * np.array([1.0, 0.3, 0.5]) + np.array([0.15, 0.002, 0.018])
    return tint(albedo, spot, lily.freckles**0.6 * tepals.spots) * tepals.tone[..., None]


def receptacle(lily: Lily, flower: Flower, radius_below: float) -> Organ:
    """What the tepals stand on: the stalk, widened and closed."""
    sides, end = finer(18, lily.detail), radius_below / lily.flower
    z = np.array([-0.0048, -0.0042, -0.0030, -0.0016, -0.0007, -0.0003, -0.0003])
    radius = np.array([1.02 * end, 1.05 * end, max(0.0030, end), 0.0040, 0.0046, 0.0044, 1e-5])
    rings = lathe(*np.broadcast_arrays(radius[None, :, None], z[None, :, None] + np.zeros((1, 1, sides))))

    def at(tau: float) -> Skin:
        dry = np.full(rings.shape[:3], 0.8 * ramp(wilted(tau)))
        return Skin(flower.placed(rings, tau), tint(tint(GREEN, BUD_GREEN, 0.4 + 0 * dry), TAN, dry), 0.5 + 0.2 * dry)

    chart = lathe_chart(np.repeat(radius[None, :, None], sides, axis=2), np.repeat(z[None, :, None], sides, axis=2))
    return Organ("stem", chart * lily.flower, at, closed=True, poles=(False, True))
