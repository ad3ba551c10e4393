"""An oriental lily: closed bud, trumpet that reflexes, wilted flower that drops tepals, as one mesh.

The flower is a foliation, as the rose's: meridian curves, one for each layer x (0 the stamens, 1 the outer whorl of
tepals), that never meet; opening and wilting move the curves, not the tepals. Tepals of one whorl share a layer and are
never wider than the whorl has room, so the outer three lie in the bud edge to edge over the midribs of the inner ones.

    x    layer        t    along a meridian curve, 0 at the receptacle, 1 at the tips
    phi  angle of the curve to the axis, radians
    u    across a tepal, in [-1, 1]   v    along it, in [0, 1]

Sources: edges that grow more than the midrib open the flower and ripple: Liang & Mahadevan, "Growth, geometry, and
mechanics of a blooming lily", PNAS 108, 2011. A margin longer by a share g than the midrib ripples with an amplitude of
2 sqrt(g) / k, k its wavenumber. Versatile anthers, papillae and nectar furrows: Kubitzki (ed.), "The Families and Genera
of Vascular Plants III", 1998. Leaves in a spiral: Jean, "Phyllotaxis", 1994. Departs from them: the reflex is
prescribed, no shell is solved, and the bud's outer tepals green less than a real one's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import PchipInterpolator

from backend.species import Lily
from backend.specimens.core import (
    Array,
    Life,
    Noise,
    Organ,
    Skin,
    Specimen,
    Spine,
    Stretch,
    along,
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
from backend.specimens.falling import Fall, Landing
from backend.specimens.foliage import BROWN, GREEN, LEAF_BROWN, LEAF_GREEN, LEAF_PALE, LEAF_YELLOW, Stalk, stem

# Landmarks of life time: closed; fully open; begins to wilt; dead.
BUD, OPEN, WILTING, DEAD = 0.0, 0.45, 0.6, 1.0
FIRST_FALL, LAST_FALL, FALL = 0.68, 0.76, 0.23  # when tepals let go, and how long one is on its way
HANGS = 0.2  # of its fall: the highest tepal comes loose sideways before it sinks, the lowest falls at once

GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))

# Metres, for a plant of the usual height; all of it scales with the plant.
USUAL_HEIGHT = 0.45
LENGTH = 0.112  # of an open tepal
BUD_RADIUS = PchipInterpolator(
    [0, 0.06, 0.25, 0.45, 0.62, 0.78, 0.9, 0.97, 1],
    [0.0052, 0.0064, 0.0098, 0.0122, 0.0127, 0.0108, 0.0068, 0.0038, 0.0024],
)
BUD_SLOPE = BUD_RADIUS.derivative()
BUD_SHARE = 0.82  # of its open length that a tepal has in the bud
STAMENS, INNER, OUTER = 0.10, 0.75, 1.0  # layers
WIDTH = PchipInterpolator([0, 0.12, 0.3, 0.5, 0.68, 0.84, 0.94, 1], [0.22, 0.36, 0.76, 1.0, 0.93, 0.62, 0.31, 0.035])
FILAMENT, ANTHER = 0.62, 0.0100  # share of a tepal's length; half length, metres
EDGE_GROWTH, RIPPLES = 0.14, 3.0  # how much longer a margin is than the midrib in the end; waves along it

THROAT = np.array([0.42, 0.55, 0.10])
BUD_GREEN = np.array([0.28, 0.40, 0.12])
TAN, UMBER = np.array([0.34, 0.19, 0.075]), np.array([0.10, 0.045, 0.018])
RUST, YOUNG_ANTHER = np.array([0.26, 0.058, 0.010]), np.array([0.36, 0.30, 0.10])
FILAMENT_GREEN, STYLE_GREEN, STIGMA = (
    np.array([0.62, 0.72, 0.38]),
    np.array([0.45, 0.58, 0.20]),
    np.array([0.33, 0.25, 0.17]),
)

CREASE = 0.0013  # metres: how far what has dried is pushed aside

LIFE = Life(
    {
        "bloom": Stretch(BUD, OPEN),
        "close": Stretch(OPEN, BUD),
        "wilt": Stretch(WILTING, DEAD),
        "drop": Stretch(WILTING, DEAD),
    },
    prime=OPEN,
    sways=True,
)

Pose = tuple[Array, Array]  # a point (3,) and a frame (3, 3)


def grow(lily: Lily, seed: int) -> Specimen:
    """A lily; `seed` picks the individual. Its vertices are the closed bud (tau 0)."""
    rng = np.random.default_rng(seed)
    stalk = NoddingStalk.grown_for(lily, rng)
    flower = Flower(
        lily.flower,
        lambda tau: stalk.spine(tau).pose(np.array(1.0)),
        tuple(Noise.grown(rng, 0.022, 2) for _ in range(3)),
    )
    organs = [
        _corolla(lily, flower, stalk.azimuth, rng),
        *_stamens(lily, flower, rng),
        _pistil(lily, flower),
        _receptacle(lily, flower, stalk),
        *_buds(lily, stalk, rng),
        stem(stalk, 1 - 0.0050 * lily.flower / stalk.length, finer(64, lily.detail), finer(14, lily.detail), rng),
    ]
    if lily.leaves:
        organs.append(_leaves(lily, stalk, rng))
    return join([_scaled(organ, lily.height / USUAL_HEIGHT) for organ in organs])


def _scaled(organ: Organ, size: float) -> Organ:
    def at(tau: float) -> Skin:
        skin = organ.at(tau)
        return replace(skin, points=skin.points * size)

    return replace(organ, chart=organ.chart * size, at=at)


def opened(tau: float) -> float:
    """How far from closed (0) to open (1), evenly in time."""
    return float(np.clip((tau - BUD) / (OPEN - BUD), 0, 1))


def wilted(tau: float) -> float:
    """How far from standing (0) to dead (1), evenly in time."""
    return float(np.clip((tau - WILTING) / (DEAD - WILTING), 0, 1))


@dataclass(frozen=True, eq=False)
class NoddingStalk(Stalk):
    """A stem that ends in a pedicel bent outwards: the flower faces aside, and to the ground when it is dead."""

    tilt: float = 1.15

    @classmethod
    def grown_for(cls, lily: Lily, rng: np.random.Generator) -> "NoddingStalk":
        base = Stalk.grown(USUAL_HEIGHT - 0.045 * lily.flower + 0.02, (0.0040, 0.0024), wilted, rng)
        radius = 0.0040, 0.0024 * lily.flower**0.5
        return cls(**(vars(base) | {"radius": radius, "nod": rng.uniform(0.75, 0.95)}), tilt=rng.uniform(1.0, 1.2))

    def spine(self, tau: float) -> Spine:
        s = np.linspace(0, 1, 161)
        pedicel = ramp(s, 0.72, 1.02)
        bend = self.tilt * (0.8 + 0.2 * ramp(opened(tau))) * pedicel + self.nod * ramp(wilted(tau)) * ramp(s, 0.6, 1.0)
        lean = self.lean * s + self.wave * np.sin(5 * s + self.phase) * (1 - pedicel) + bend
        sway = self.sway * s + 0.6 * self.wave * np.cos(4 * s + self.phase)
        return Spine.bent(np.zeros(3), turn("z", self.azimuth), self.length, lean, sway)


# The foliation


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


def layer_points(t: Array, x: Array, tau: float, curl: Array | float = 0.0, pull: Pose | None = None):
    """(r, z) metres and phi of layers x at t, all (n, rows, columns), t rising from 0 along the rows.

    `curl` is added to phi. `pull`, the part of gravity along r and z, turns limp layers towards itself.
    """
    angle = layer_angle(t, x, tau)
    if pull is not None:
        limp = 0.55 * ramp(wilted(tau)) * ramp(t, -0.05, 0.7) * ramp(x, -0.2, 0.8)
        for _ in range(2):
            angle = angle + limp * (pull[0] * np.cos(angle) - pull[1] * np.sin(angle))
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
        """Space warped by less than its own gradient: what nests before nests after."""
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
    def grown(cls, lily: Lily, rng: np.random.Generator) -> "_Tepals":
        n, rows, columns = lily.petals, finer(53, lily.detail), finer(27, lily.detail) | 1
        u, v = np.linspace(-1, 1, columns)[None, None, :], np.linspace(0, 1, rows)[None, :, None]

        def each(low: float, high: float) -> Array:
            return rng.uniform(low, high, (n, 1, 1))

        inner = (np.arange(n) % 2 == 1) & (n > 4)
        theta = np.arange(n) * (2 * np.pi / n) + rng.uniform(0, 2 * np.pi)
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
            spots=_freckles(n, u, half, v, rng),
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


def _freckles(n: int, u: Array, half: Array, v: Array, rng: np.random.Generator) -> Array:
    """(n, rows, columns) in [0, 1]: spots about the throat, fewer outwards."""
    count = 64
    along_, across = 0.12 + 0.60 * rng.beta(1.3, 1.7, (n, count)), 0.85 * rng.uniform(-1, 1, (n, count))
    radius = rng.uniform(0.0011, 0.0019, (n, count)) * (1.15 - 0.4 * along_)
    place = across * (1 - 0.5 * ramp(along_, 0.4, 0.75))
    spots = np.zeros(np.broadcast_shapes(u.shape, half.shape))
    for k in range(count):
        dx = (u - place[:, k, None, None]) * half
        dy = (v - along_[:, k, None, None]) * LENGTH
        spots = np.maximum(spots, np.exp(-(((dx**2 + 0.6 * dy**2) / radius[:, k, None, None] ** 2) ** 1.5)))
    return spots


def _corolla(lily: Lily, flower: Flower, azimuth: float, rng: np.random.Generator) -> Organ:
    tepals = _Tepals.grown(lily, rng)
    u, v = tepals.u, tepals.v
    fresh = _fresh(lily, tepals)
    stain = 0.5 + 0.25 * np.sin(7 * v + 3 * u + 9 * tepals.late) + 0.25 * np.sin(11 * u - 5 * v + 5 * tepals.late)
    depth = np.minimum(1.15 * (1 - v), 0.9 * (1 - np.abs(u)) + 0.35 * (1 - v)) + 0.25 * stain
    vein = 0.5 + 0.5 * np.sin(26 * u)
    withered = tint(UMBER, TAN, np.clip(0.25 + 0.9 * depth + 0.2 * vein, 0, 1)) * tepals.tone[..., None]
    young = tint(np.array(lily.colour), BUD_GREEN, (0.35 + 0.45 * np.exp(-((u / 0.3) ** 2))) * (1 - 0.55 * v))

    def hung(tau: float) -> Array:
        return flower.placed(tepals.points(tau, flower.gravity(tau)), tau)

    falls = _falls(lily, hung, azimuth, rng)

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
    deep, pale = colour**1.9, colour + (0.92 - colour) * 0.72
    albedo = tint(colour, pale, ramp(np.abs(u), 0.45, 1.0) + 0 * v)
    albedo = tint(albedo, deep, 0.75 * np.exp(-((u / 0.28) ** 2)) * ramp(v, 0.1, 0.45) * (1 - 0.6 * ramp(v, 0.6, 1.0)))
    albedo = tint(albedo, pale, 0.8 * ramp(0.42 - v, 0.0, 0.35) + 0 * u)
    albedo = tint(
        albedo, THROAT, (0.9 * np.exp(-((u / 0.16) ** 2)) * ramp(0.5 - v, 0.0, 0.4)) + 0.55 * ramp(0.2 - v, 0.0, 0.2)
    )
    spot = 0.6 * colour**4 * np.array([1.0, 0.3, 0.5]) + np.array([0.15, 0.002, 0.018])
    return tint(albedo, spot, lily.freckles**0.6 * tepals.spots) * tepals.tone[..., None]


# Tepals that fall


def _falls(lily: Lily, hung: Callable[[float], Array], azimuth: float, rng: np.random.Generator) -> dict[int, Fall]:
    """Those that hang lowest fall first; each lands in a lane of its own, in the order in which they hang."""
    n = min(lily.fallen, lily.petals)
    swings = rng.uniform([0.25, 0.05, 0.0], [0.5, 0.13, 2 * np.pi], (9, 3))
    turns, curls, reach = rng.uniform(-0.45, 0.45, 9), rng.uniform(0.5, 1.1, 9), rng.uniform(0.0, 0.012, 9)
    hanging = hung(FIRST_FALL).mean(axis=(1, 2))
    lowest = np.argsort(hanging[:, 2], kind="stable")[:n]
    side = np.sign(hanging[lowest, :2] @ [-np.sin(azimuth), np.cos(azimuth)])
    lanes = np.argsort(np.argsort(side * np.arange(1, n + 1), kind="stable"))  # the highest land farthest aside
    falls = {}
    for k, (tepal, lane) in enumerate(zip(lowest, lanes, strict=True)):
        start = FIRST_FALL + (LAST_FALL - FIRST_FALL) * (k / max(n - 1, 1))
        way = azimuth + 0.42 * (lane - (n - 1) / 2) + 0.1 * turns[k]
        spot = (0.16 + 0.05 * (lane % 2) + reach[k]) * (0.3 + 0.7 * lily.flower) * turn("z", way)[:2, 0]
        landing = Landing((spot[0], spot[1]), way + turns[k], curls[k], (swings[k, 0], swings[k, 1]), swings[k, 2], HANGS * k / 9)
        falls[int(tepal)] = Fall.of(hung(start)[tepal], start, FALL, landing)
    return falls


# Stamens and pistil


def _stamens(lily: Lily, flower: Flower, rng: np.random.Generator) -> list[Organ]:
    """Six filaments and their anthers, which hinge on the filament's tip and tip over as they open."""
    n, rows, sides = 6, finer(18, lily.detail), max(6, finer(7, lily.detail))
    theta = (np.arange(n) * (2 * np.pi / n) + rng.uniform(0, 2 * np.pi) + rng.uniform(-0.06, 0.06, n))[:, None]
    share, bend = FILAMENT * rng.uniform(0.95, 1.03, (n, 1)), rng.uniform(-0.06, 0.14, (n, 1))
    tilt, drowsy = rng.uniform(1.1, 1.65, (n, 1)), rng.uniform(0.0, 1.0, (n, 1))
    s = np.append(np.linspace(0, 1, rows), 1.0)[None]
    radius = np.append(mix(0.0008, 0.00038, s[0, :-1]), 1e-5)

    def lines(tau: float) -> tuple[Array, Array, Array]:
        """Points (n, rows, 3) of the filaments, their tangents and the way off the axis."""
        curl = bend * s * opened(tau) + (0.5 * bend - 0.12) * s * ramp(wilted(tau))
        r, z, phi = (
            a[..., 0] for a in layer_points((s * share)[..., None], np.full((n, 1, 1), STAMENS), tau, curl[..., None])
        )
        cos, sin = np.cos(theta), np.sin(theta)
        points = np.stack([r * cos, r * sin, z], axis=-1)
        tangent = np.stack([np.sin(phi) * cos, np.sin(phi) * sin, np.cos(phi)], axis=-1)
        return points, tangent, np.stack([np.cos(phi) * cos, np.cos(phi) * sin, -np.sin(phi)], axis=-1)

    def filaments(tau: float) -> Skin:
        points, tangent, off = lines(tau)
        ring = np.arange(sides) * (2 * np.pi / sides)
        across = np.cross(tangent, off)
        around = off[:, :, None] * np.cos(ring)[:, None] + across[:, :, None] * np.sin(ring)[:, None]
        skin = flower.lifted(points[:, :, None] + radius[:, None, None] * (1 - 0.35 * ramp(wilted(tau))) * around, tau)
        dry = np.full(skin.shape[:3], 0.85 * ramp(wilted(tau), 0.2, 1.0))
        return Skin(flower.placed(skin, tau), tint(FILAMENT_GREEN, TAN, dry), 0.5 + 0.3 * dry)

    lobes, length = max(8, finer(13, lily.detail)), max(7, finer(12, lily.detail) | 1)
    w = np.linspace(0, 1, length)
    girth = np.sin(np.pi * w) ** 0.55
    turns = np.arange(lobes) * (2 * np.pi / lobes)
    thecae = 1 - 0.16 * np.cos(2 * turns)

    def anthers(tau: float) -> Skin:
        points, tangent, off = (a[:, -1] for a in lines(tau))
        burst = ramp(opened(tau), 0.55, 0.95)
        tipped = (tilt - 0.05) * ramp(opened(tau) + 0.1 * drowsy, 0.5, 1.05)
        angle = 0.05 + tipped * (1 - (0.5 + 0.4 * drowsy) * ramp(wilted(tau)))
        long, side = np.cos(angle) * tangent + np.sin(angle) * off, np.sin(angle) * tangent - np.cos(angle) * off
        thick = 0.0015 * (1 + 0.5 * burst) * (1 - 0.35 * ramp(wilted(tau)))
        half = ANTHER * (1 - 0.12 * burst - 0.15 * ramp(wilted(tau)))
        centre = points + side * (1.2 * thick + 0.0007)
        local = lathe(
            thick * (girth[:, None] * thecae)[None], ((w - 0.5) * 2 * half)[None, :, None] + np.zeros((1, 1, lobes))
        )
        frame = np.stack([side, np.cross(long, side), long], axis=-1)
        placed = centre[:, None, None] + np.einsum("nij,rcj->nrci", frame, local[0])
        # Warped as one: an anther is stiff.
        moved = flower.lifted(centre, tau) - centre
        skin = placed + moved[:, None, None]
        dust = burst * (0.75 + 0.25 * np.cos(2 * turns + 9 * w[:, None])) + np.zeros((n, 1, 1))
        albedo = tint(tint(YOUNG_ANTHER, RUST, dust), 0.45 * RUST, 0.7 * ramp(wilted(tau)) + 0 * dust)
        return Skin(flower.placed(skin, tau), albedo, 0.6 + 0.35 * dust)

    ring = np.arange(sides + 1) * (2 * np.pi / sides)
    long = LENGTH * FILAMENT
    chart = np.stack(np.broadcast_arrays(ring * 0.0007, (s * long)[..., None]), axis=-1) * lily.flower
    sheet = lathe_chart(
        0.0018 * girth[None, :, None] + np.zeros((1, 1, lobes)),
        (w * 2 * ANTHER)[None, :, None] + np.zeros((1, 1, lobes)),
    )
    return [
        Organ("stamens", np.repeat(chart, n, axis=0), filaments, closed=True, poles=(False, True)),
        Organ("anthers", np.repeat(sheet, n, axis=0) * lily.flower, anthers, closed=True, poles=(True, True)),
    ]


PISTIL_RADIUS = PchipInterpolator(
    [0, 0.04, 0.12, 0.2, 0.26, 0.6, 0.93, 0.96, 0.99, 1],
    [0.0012, 0.0015, 0.0016, 0.0015, 0.0010, 0.0010, 0.0012, 0.0032, 0.0034, 0.0001],
)


def _pistil(lily: Lily, flower: Flower) -> Organ:
    """Ovary, style and a stigma of three lobes, longer than the stamens."""
    sides = finer(15, lily.detail)
    s = np.concatenate([np.linspace(0, 0.92, finer(22, lily.detail)), np.linspace(0.935, 1, finer(8, lily.detail))])
    angle = np.arange(sides) * (2 * np.pi / sides)
    lobes = 1 + 0.28 * np.cos(3 * angle) * ramp(s, 0.93, 0.965)[:, None]
    radius = PISTIL_RADIUS(s)[:, None] * lobes
    height = 0.80 * LENGTH * s[:, None] - 0.0004 * np.cos(3 * angle) * ramp(s, 0.96, 1.0)[:, None]
    colour = tint(tint(STYLE_GREEN, FILAMENT_GREEN, ramp(s, 0.2, 0.5)), STIGMA, ramp(s, 0.93, 0.965))
    colour = np.repeat(colour[None, :, None], sides, axis=2)

    def at(tau: float) -> Skin:
        short = BUD_SHARE + (1 - BUD_SHARE) * ramp(opened(tau))
        dry = ramp(wilted(tau), 0.2, 1.0)
        local = lathe(
            radius[None] * (0.8 + 0.2 * opened(tau)) * (1 - 0.25 * dry), height[None] * short * (1 - 0.1 * dry)
        )
        albedo = tint(colour, TAN * (1 - 0.4 * s[:, None, None]), 0.8 * np.full(local.shape[:3], dry))
        return Skin(flower.placed(flower.lifted(local, tau), tau), albedo, np.full(local.shape[:3], 0.4 + 0.3 * dry))

    return Organ("pistil", lathe_chart(radius[None], height[None]) * lily.flower, at, closed=True, poles=(False, True))


def _receptacle(lily: Lily, flower: Flower, stalk: Stalk) -> Organ:
    """What the tepals stand on: the stalk, widened and closed."""
    sides, end = finer(18, lily.detail), stalk.radius_at(np.array(0.99)) / lily.flower
    z = np.array([-0.0048, -0.0042, -0.0030, -0.0016, -0.0007, -0.0003, -0.0003])
    radius = np.array([1.02 * end, 1.05 * end, max(0.0030, end), 0.0040, 0.0046, 0.0044, 1e-5])
    rings = lathe(*np.broadcast_arrays(radius[None, :, None], z[None, :, None] + np.zeros((1, 1, sides))))

    def at(tau: float) -> Skin:
        dry = np.full(rings.shape[:3], 0.8 * ramp(wilted(tau)))
        return Skin(flower.placed(rings, tau), tint(tint(GREEN, BUD_GREEN, 0.4 + 0 * dry), TAN, dry), 0.5 + 0.2 * dry)

    chart = lathe_chart(np.repeat(radius[None, :, None], sides, axis=2), np.repeat(z[None, :, None], sides, axis=2))
    return Organ("stem", chart * lily.flower, at, closed=True, poles=(False, True))


def _buds(lily: Lily, stalk: Stalk, rng: np.random.Generator) -> list[Organ]:
    """One or two that stay closed, each on a stalk of its own."""
    n, rows, sides = int(rng.integers(1, 3)), finer(19, lily.detail), finer(15, lily.detail)
    node, aside = np.array([0.735, 0.70])[:n], np.array([2.3, -1.9])[:n] + rng.uniform(-0.4, 0.4, n)
    size = rng.uniform(0.6, 0.8, n) * np.array([1.0, 0.75])[:n] * (0.5 + 0.5 * lily.flower)
    reach, rise = rng.uniform(0.045, 0.06, n) * (0.5 + 0.5 * lily.flower), rng.uniform(0.5, 0.75, n)
    samples, s = np.linspace(0, 1, 41), np.linspace(0, 1, finer(14, lily.detail))
    w, angle = np.linspace(0, 1, rows), np.arange(sides) * (2 * np.pi / sides)
    girth = np.where(
        (w > 0) & (w < 1),
        PchipInterpolator([0, 0.04, 0.3, 0.6, 0.85, 0.95, 1], [0.2, 0.34, 0.8, 1, 0.62, 0.3, 0.06])(w),
        0,
    )
    ribs = 1 + 0.07 * np.cos(3 * angle) * np.sin(np.pi * w)[:, None] - 0.05 * np.abs(np.cos(1.5 * angle)) ** 8
    thin = 0.0017 * (0.5 + 0.5 * lily.flower) * (0.4 + 0.6 * ramp(s, 0.0, 0.12))

    def spines(tau: float) -> list[Spine]:
        droop = ramp(wilted(tau), 0.1, 1.0)
        points, frames = stalk.spine(tau).pose(node)
        frames = frames @ turn("z", aside)
        points = points + frames[:, :, 0] * (stalk.radius_at(node)[:, None] + 0.8 * thin[0])
        lean = rise[:, None] + (0.75 + 0.9 * droop) * ramp(samples, 0.2, 1.0) + 0.25 * droop * ramp(samples)
        return [Spine.bent(*each, 0 * samples) for each in zip(points, frames, reach, lean, strict=True)]

    def pedicels(tau: float) -> Skin:
        points = np.stack([tube(spine, s, thin, 8) for spine in spines(tau)])
        dry = np.full(points.shape[:3], ramp(wilted(tau)))
        return Skin(points, tint(GREEN, BROWN, 0.8 * dry), 0.48 + 0.3 * dry)

    def buds(tau: float) -> Skin:
        dry = ramp(wilted(tau))
        grown = size * (0.92 + 0.12 * ramp(tau / WILTING) - 0.1 * dry)
        local = lathe(
            0.0112 * (1 - 0.35 * dry) * (girth[:, None] * ribs)[None],
            0.074 * w[None, :, None] + np.zeros((1, 1, sides)),
        )
        ends = [spine.pose(np.array(1.0)) for spine in spines(tau)]
        points, frames = (np.stack(both) for both in zip(*ends, strict=True))
        skin = points[:, None, None] + np.einsum(
            "nij,nrcj->nrci", frames, grown[:, None, None, None] * (local + [0, 0, 1e-4])
        )
        seam = np.abs(np.cos(1.5 * angle)) ** 6 * np.ones((rows, 1))
        fresh = tint(
            tint(BUD_GREEN, np.array(lily.colour), 0.35 * w[:, None] ** 2 + 0 * seam), 0.55 * BUD_GREEN, 0.7 * seam
        )
        faded = tint(fresh, 0.7 * LEAF_YELLOW + 0.3 * TAN, 0.9 * dry + 0 * seam)
        return Skin(skin, np.broadcast_to(faded, skin.shape), np.full(skin.shape[:3], 0.45 + 0.3 * dry))

    sheet = lathe_chart(0.0112 * (girth[:, None] * ribs)[None], 0.074 * w[None, :, None] + np.zeros((1, 1, sides)))
    return [
        Organ("pedicels", np.stack([tube_chart(s, thin, 8, each) for each in reach]), pedicels, closed=True),
        Organ("buds", sheet * size[:, None, None, None], buds, closed=True, poles=(True, True)),
    ]


def _leaves(lily: Lily, stalk: Stalk, rng: np.random.Generator) -> Organ:
    """Lance-shaped leaves that sit on the stem in a spiral, longest in the middle."""
    n, rows, columns = lily.leaves, finer(17, lily.detail), finer(7, lily.detail) | 1
    u, v = np.linspace(-1, 1, columns), np.linspace(0, 1, rows)
    s = np.linspace(0.16, 0.70, n) if n > 1 else np.array([0.5])
    s = s + rng.uniform(-0.3, 0.3, n) * 0.5 / max(n, 4)
    facing = rng.uniform(0, 2 * np.pi) + np.arange(n) * GOLDEN_ANGLE + rng.uniform(-0.15, 0.15, n)
    length = (0.062 + 0.040 * np.sin(np.pi * (0.15 + 0.8 * (s - 0.16) / 0.54))) * rng.uniform(0.92, 1.08, n)
    lance = np.sin(np.pi * v**0.75) ** 0.9 * (1 - 0.2 * v) + 0.20 * (1 - v) ** 2 + 0.006
    width = length[:, None] * 0.105 * lance
    rise, bow = rng.uniform(0.55, 0.85, (n, 1)), rng.uniform(0.35, 0.95, (n, 1))
    twist, tone, haste = rng.uniform(-0.3, 0.3, n), rng.uniform(0.85, 1.2, (n, 1, 1, 1)), rng.uniform(0.8, 1.25, (n, 1))
    rib = 0.5 + 0.5 * np.cos(4 * np.pi * u)
    fresh = tone * tint(
        LEAF_GREEN, LEAF_PALE, np.clip(0.55 * np.exp(-((u / 0.12) ** 2)) + 0.12 * rib, 0, 1) + 0 * v[:, None]
    )
    depth = 1.15 - 0.35 * np.abs(u) - 0.7 * v[:, None] + 0.15 * np.sin(9 * v[:, None] + 5 * haste[..., None])
    order = (1 - 0.5 * (s - 0.16))[:, None]  # the lowest wilt first

    def at(tau: float) -> Skin:
        dry = ramp(wilted(tau) * haste * order, 0.0, 1.15)
        bend = bow * v**1.3 * (1 + 0.5 * dry) + 1.1 * dry * ramp(v, -0.1, 0.6) - rise
        shape = bend, 0.16 + 0.6 * dry + 0 * v, -0.1 + 0.7 * dry * v
        local = blade(width * (1 - 0.3 * dry), length * (1 - 0.08 * dry[:, 0]), u, *shape)
        local[..., 0] += 1.12 * stalk.radius_at(s)[:, None, None]
        points, frames = stalk.spine(tau).pose(s)
        frames = frames @ turn("z", facing) @ turn("x", twist * (1 + 0.8 * dry[:, 0]))
        points = points[:, None, None] + np.einsum("nij,nrcj->nrci", frames, local)
        yellow = ramp(1.8 * dry[..., None] - 0.6 * depth, 0.0, 0.8)
        brown = ramp(2.0 * dry[..., None] - 0.5 - depth, 0.0, 0.8)
        return Skin(points, tint(tint(fresh, LEAF_YELLOW, 0.8 * yellow), LEAF_BROWN, 0.9 * brown), 0.42 + 0.4 * brown)

    chart = np.stack(np.broadcast_arrays(u * width[..., None], (v * length[:, None])[..., None]), axis=-1)
    return Organ("leaves", chart, at)
