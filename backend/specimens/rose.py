"""A hybrid tea rose: closed bud, open flower, wilted flower, as one mesh.

The flower is a *foliation*. About the flower's axis lies a family of meridian curves, one for each layer x: 0 at the
axis, 1 at the outermost petal, a little over 1 at the sepals. At every life time the curves fill the half plane
without meeting, so petals that keep to layers of their own nest by construction; opening and wilting move the family.

    x  layer                   t  along a meridian curve, 0 at the hip, 1 at the end of layer 1
    phi  the curve's angle to the axis, radians: dr = sin(phi) ds, dz = cos(phi) ds
    u  across a petal, in [-1, 1]    v  along it, in [0, 1]

Sources: golden-angle phyllotaxis, Vogel, "A better way to construct the sunflower head", Math. Biosci. 44, 1979. That
the margins grow more than the middle and so reflex and ripple, Liang & Mahadevan, "Growth, geometry, and mechanics of a
blooming lily", PNAS 108, 2011; here the reflex is prescribed, no elastic sheet is solved.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from backend.specimens.core import (
    Array,
    Organ,
    Skin,
    Specimen,
    Spine,
    blade,
    join,
    mix,
    ramp,
    tint,
    tube,
    tube_chart,
    turn,
)

# Landmarks of life time: closed; fully open; begins to wilt; dead.
BUD, OPEN, WILTING, DEAD = 0.0, 0.45, 0.6, 1.0

GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))

LEAF_GREEN, LEAF_PALE = np.array([0.028, 0.085, 0.018]), np.array([0.09, 0.17, 0.05])
LEAF_YELLOW, LEAF_BROWN = np.array([0.30, 0.22, 0.04]), np.array([0.12, 0.06, 0.02])
STEM_GREEN, STEM_BROWN = np.array([0.06, 0.13, 0.03]), np.array([0.13, 0.10, 0.04])
THORN_RED = np.array([0.16, 0.05, 0.03])
PETAL_BROWN = np.array([0.11, 0.048, 0.018])

# The outermost petal of a bud 36 mm long: radius (metres) along t. All of the bud scales with the flower.
BUD_RADIUS = CubicSpline(
    [0, 0.12, 0.3, 0.45, 0.65, 0.85, 1], [0.0045, 0.0082, 0.0120, 0.0130, 0.0108, 0.0058, 0.0018]
)
BUD_LENGTH = 0.036
HIP = PchipInterpolator([0, 0.25, 0.6, 0.85, 0.97, 1], [0.0021, 0.0036, 0.0056, 0.0053, 0.0049, 0.0004])
HIP_HEIGHT = 0.013


@dataclass(frozen=True)
class Rose:
    """What a rose is like. Lengths in metres, colours linear RGB in [0, 1]."""

    colour: tuple[float, float, float] = (0.42, 0.010, 0.018)  # of the petals, linear RGB
    petals: int = 32  # 25 to 60
    height: float = 0.30  # of the standing plant, 0.1 to 1.0
    diameter: float = 0.080  # of the open flower, 0.03 to 0.15
    leaves: int = 2  # compound leaves of five leaflets, 0 to 5
    thorns: int = 7  # 0 to 20
    detail: float = 1.0  # rows and columns of every grid, times this; 0.5 to 2


def grow(rose: Rose, seed: int) -> Specimen:
    """A rose; `seed` picks the individual. Its vertices are the closed bud (tau 0)."""
    rng = np.random.default_rng(seed)
    stalk = _stalk(rose, rng)
    organs = [
        _corolla(rose, stalk, rng),
        _calyx(rose, stalk, rng),
        _hip(rose, stalk),
        _stem(rose, stalk, rng),
    ]
    if rose.thorns:
        organs.append(_thorns(rose, stalk, rng))
    if rose.leaves:
        organs += _leaves(rose, stalk, rng)
    return join(organs)


def _wilt(tau: float) -> float:
    return float(np.clip((tau - WILTING) / (DEAD - WILTING), 0, 1))


def _count(n: int, rose: Rose) -> int:
    return max(3, round(n * rose.detail))


# The foliation


def layer_opening(x: Array, tau: float) -> Array:
    """How far layer x has opened, 0 to 1; the outer ones go first."""
    bloom, lag = min(tau / OPEN, 1.0), 0.7
    return ramp(bloom * (1 + lag) - lag * (1 - x)) * (0.45 + 0.55 * ramp(x, 0.0, 0.55))


def layer_wilt(x: Array, tau: float) -> Array:
    """How far layer x has wilted, 0 to 1; the outer ones go first."""
    lag = 0.35
    return ramp(_wilt(tau) * (1 + lag) - lag * (1 - x))


def layer_angle(t: Array, x: Array, tau: float) -> Array:
    """phi of layer x at t, at life time tau."""
    bud = np.arcsin(np.clip(x * BUD_RADIUS(np.minimum(t, 1), 1) / BUD_LENGTH, -0.97, 0.97))
    spread = 0.05 + 1.5 * np.clip(x, 0, None) ** 1.7
    cup = 0.5 * np.sin(np.pi * np.clip(x, 0, 1)) * (0.5 - t)
    reflex = (0.15 + 0.45 * x) * ramp(t, 0.55, 1.15)
    sag = 0.12 + 1.1 * x**1.2
    tip = 0.25 + 2.45 * x**1.1
    opened = mix(bud, spread + cup + reflex, layer_opening(x, tau))
    return mix(opened, mix(sag, tip, np.clip(t, 0, 1.2) ** 0.8), layer_wilt(x, tau))


def layer_length(x: Array, tau: float, rose: Rose) -> Array:
    """Metres along layer x from t = 0 to 1. Petals grow by a quarter while they open and shrink as they dry."""
    full = 0.55 * rose.diameter * (0.70 + 0.30 * np.clip(x, 0, 1) ** 0.8)
    grown = 0.8 + 0.2 * ramp(tau / OPEN)
    return full * grown * (1 - 0.25 * layer_wilt(x, tau))


def layer_points(t: Array, x: Array, tau: float, rose: Rose, curl: Array | float = 0.0) -> tuple[Array, Array]:
    """(r, z) metres of layers x at t, both (n, rows, columns), t from 0 along the rows; `curl` is added to phi."""
    phi = layer_angle(t, x, tau) + curl
    middle = (phi[:, 1:] + phi[:, :-1]) / 2
    step = np.diff(t, axis=1) * layer_length(x, tau, rose)
    start = np.zeros_like(phi[:, :1])
    scale = rose.diameter / 0.08
    r = np.concatenate([start, np.cumsum(np.sin(middle) * step, axis=1)], axis=1) + 0.0045 * scale * x
    z = np.concatenate([start, np.cumsum(np.cos(middle) * step, axis=1)], axis=1) + 0.0012 * scale * (1 - x)
    return r, z


# Organs


def _corolla(rose: Rose, stalk, rng: np.random.Generator) -> Organ:
    n, rows, columns = rose.petals, _count(17, rose), _count(15, rose) | 1
    scale = rose.diameter / 0.08
    index = (np.arange(n) + 0.5)[:, None, None]
    u = np.linspace(-1, 1, columns)[None, None, :]
    v = np.linspace(0, 1, rows)[None, :, None]

    def each(low: float, high: float) -> Array:
        return rng.uniform(low, high, (n, 1, 1))

    theta = rng.uniform(0, 2 * np.pi) + index * GOLDEN_ANGLE + each(-0.12, 0.12)
    tilt, size, breadth = each(0.25, 0.45), each(0.93, 1.0), each(0.92, 1.08)
    notch, point = each(0.0, 0.07), each(0.26, 0.4)
    wave, phase, rolled = rng.integers(2, 4, (n, 1, 1)), each(0, 2 * np.pi), each(0.7, 1.2)
    curled, tone, stain = each(-0.5, 1.0), each(0.88, 1.08), each(0, 2 * np.pi)
    x = (index + tilt * u) / n
    layer = index / n
    top = 1 - point * np.abs(u) ** 2.6 - notch * np.exp(-((u / 0.16) ** 2))
    t = size * v * (1 - (1 - top) * v**2)
    spoon = (0.22 + 0.78 * ramp(v, -0.15, 0.65)) * (1 - 0.3 * ramp(v, 0.65, 1.2))
    half = breadth * scale * (0.014 + 0.012 * layer) * spoon
    rim = ramp(v * np.ones_like(u), 0.62, 1.0)
    edge = ramp(np.abs(u), 0.45, 1.0) * ramp(v, 0.35, 0.9)
    widest = mix(2.5, 1.75, layer)
    crumple = _crumple(rng, scale)

    def at(tau: float) -> Skin:
        opened, dry = layer_opening(layer, tau), layer_wilt(layer, tau)
        reflex = rolled * opened * (0.15 + 1.1 * layer**1.5) * (1 - 0.5 * dry)
        r, z = layer_points(t, x, tau, rose, rim * (reflex + curled * 1.2 * dry))
        width = half * (0.82 + 0.18 * ramp(tau / OPEN)) * (1 - 0.38 * dry)
        angle = theta + u * widest * np.tanh(width / (np.maximum(r, 1e-4) * widest))
        phi = layer_angle(t, x, tau)
        back = scale * opened * layer * (0.0028 * rolled * edge + 0.0008 * v**3 * np.sin(wave * np.pi * u + phase))
        r, z = r + back * np.cos(phi), z - back * np.sin(phi)
        points = np.stack([r * np.cos(angle), r * np.sin(angle), np.broadcast_to(z, r.shape)], axis=-1)
        points = crumple(points, _wilt(tau))
        return Skin(stalk(tau).place(points), colour(tau), rough(tau))

    base = tint(np.array(rose.colour), np.array([0.75, 0.62, 0.25]), 0.55 * (1 - ramp(v, 0.0, 0.3)) + 0 * u)
    fresh = np.broadcast_to(base * tone[..., None], (n, rows, columns, 3)) * (1 - 0.25 * (rim * v**6))[..., None]
    spots = 0.5 + 0.25 * np.sin(5 * u + 3 * v + stain) + 0.25 * np.sin(9 * v - 7 * u + 2 * stain)
    depth = np.minimum(1 - v * np.ones_like(u), 1.4 * (1 - np.abs(u)) + 0.5 * (1 - v)) + 0.25 * spots

    def browned(tau: float) -> Array:
        return ramp(1.9 * layer_wilt(layer, tau) - depth, 0.0, 0.7)

    def colour(tau: float) -> Array:
        faded = tint(fresh, fresh * 0.45, layer_wilt(layer, tau) + 0 * t)
        return tint(faded, PETAL_BROWN * (0.7 + 0.6 * spots)[..., None], 0.9 * browned(tau))

    def rough(tau: float) -> Array:
        return mix(0.55, 0.88, browned(tau)) + 0 * t

    chart = np.stack(np.broadcast_arrays(u * half, t * 0.55 * rose.diameter * (0.7 + 0.3 * layer**0.8)), axis=-1)
    return Organ("petals", chart, at)


def _crumple(rng: np.random.Generator, scale: float):
    """A displacement of space with a gradient below 1: whatever nests before it nests after it."""
    waves = []
    for length, share in ((0.030, 0.30), (0.016, 0.25), (0.009, 0.2)):
        for _ in range(3):
            k = rng.normal(size=3)
            k *= 2 * np.pi / (length * scale * np.linalg.norm(k))
            push = rng.normal(size=3)
            push *= share / 3 / (np.linalg.norm(push) * np.linalg.norm(k))
            waves.append((k, push, rng.uniform(0, 2 * np.pi)))

    def warp(points: Array, amount: float) -> Array:
        if amount == 0:
            return points
        return points + amount * sum(np.sin(points @ k + phase)[..., None] * push for k, push, phase in waves)

    return warp


def _calyx(rose: Rose, stalk, rng: np.random.Generator) -> Organ:
    n, rows, columns = 5, _count(13, rose), _count(7, rose) | 1
    scale = rose.diameter / 0.08
    u = np.linspace(-1, 1, columns)[None, None, :]
    v = np.linspace(0, 1, rows)[None, :, None]
    theta = rng.uniform(0, 2 * np.pi) + (np.arange(n) * 2 * np.pi / n)[:, None, None] + rng.uniform(-0.1, 0.1, (n, 1, 1))
    reach = rng.uniform(0.72, 0.9, (n, 1, 1))
    tone = rng.uniform(0.85, 1.15, (n, 1, 1, 1))
    x = np.full((n, 1, columns), 1.07)
    t = reach * v * np.ones_like(u)
    half = scale * 0.0062 * (1 - v**1.6) * (0.45 + 0.75 * ramp(v, -0.2, 0.35)) + 0.0003

    def at(tau: float) -> Skin:
        r, z = layer_points(t, x, tau, rose)
        dry = _wilt(tau)
        angle = theta + u * np.minimum(half / r, 0.61) * (1 - 0.3 * dry)
        points = np.stack([r * np.cos(angle), r * np.sin(angle), z], axis=-1)
        fresh = tone * tint(LEAF_GREEN, LEAF_PALE, 0.5 * np.abs(u) + 0.3 + 0 * t)
        albedo = tint(fresh, LEAF_BROWN, 0.75 * ramp(dry * 1.5 - 0.5 * (1 - v)) + 0 * t)
        return Skin(stalk(tau).place(points), albedo, 0.5 + 0.3 * dry + 0 * t)

    return Organ("sepals", np.stack(np.broadcast_arrays(u * half, t * 0.55 * rose.diameter), axis=-1), at)


def _hip(rose: Rose, stalk) -> Organ:
    sides, scale = _count(16, rose), rose.diameter / 0.08
    s = np.append(np.linspace(0, 0.97, _count(10, rose)), 1.0)
    radius, height = HIP(s) * scale, HIP_HEIGHT * scale * (np.minimum(s, 0.97) - 1) - 0.0004

    def at(tau: float) -> Skin:
        angle = np.arange(sides) * (2 * np.pi / sides)
        ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
        points = (radius[:, None, None] * ring + height[:, None, None] * [0, 0, 1])[None]
        dry = np.broadcast_to(ramp(_wilt(tau)), points.shape[:3])
        return Skin(stalk(tau).place(points), tint(STEM_GREEN, STEM_BROWN, 0.7 * dry), 0.45 + 0.3 * dry)

    return Organ("hip", tube_chart(s, radius, sides, HIP_HEIGHT * scale)[None], at, closed=True)


@dataclass(frozen=True, eq=False)
class _Stalk:
    """The stem's curve at one moment, and the flower's frame at its end."""

    spine: Spine

    def place(self, points: Array) -> Array:
        """From the flower's frame, the hip's rim at its origin."""
        origin, frame = self.spine.pose(np.array(1.0))
        return points @ frame.T + origin


def _stalk(rose: Rose, rng: np.random.Generator):
    s = np.linspace(0, 1, 121)
    azimuth, droop = rng.uniform(0, 2 * np.pi), rng.uniform(1.0, 1.35)
    lean, sway = rng.uniform(-0.06, 0.06, 2)
    wave, phase = rng.uniform(0.02, 0.06), rng.uniform(0, 2 * np.pi)
    length = rose.height - 0.5 * rose.diameter
    frame = turn("z", azimuth)

    def at(tau: float) -> _Stalk:
        nod = droop * ramp(_wilt(tau), 0.0, 0.95)
        bend = lean + wave * np.sin(5 * s + phase) + nod * ramp(s, 0.66, 1.0) + 0.06 * nod * s
        return _Stalk(Spine.bent(np.zeros(3), frame, length, bend, sway * s + wave * np.cos(4 * s + phase)))

    return at


def _stem(rose: Rose, stalk, rng: np.random.Generator) -> Organ:
    rows, sides, scale = _count(46, rose), _count(12, rose), rose.height / 0.30
    top = 1 - HIP_HEIGHT * rose.diameter / 0.08 / (rose.height - 0.5 * rose.diameter) + 0.002
    s = np.append(0.0, np.linspace(0, top, rows))
    radius = np.append(1e-4, mix(0.0029 * scale, 0.0020 * rose.diameter / 0.08, s[1:]))
    shade = rng.uniform(0.9, 1.1, (1, rows + 1, sides))

    def at(tau: float) -> Skin:
        dry = ramp(_wilt(tau)) * (0.4 + 0.6 * ramp(s, 0.5, 1))[None, :, None] + 0 * shade
        albedo = tint(STEM_GREEN, STEM_BROWN, 0.8 * dry) * shade[..., None]
        return Skin(tube(stalk(tau).spine, s, radius, sides)[None], albedo, 0.45 + 0.3 * dry)

    return Organ("stem", tube_chart(s, radius, sides, rose.height)[None], at, closed=True)


def _thorns(rose: Rose, stalk, rng: np.random.Generator) -> Organ:
    n, rows, sides, scale = rose.thorns, 4, 6, rose.height / 0.30
    s = np.sort(rng.uniform(0.08, 0.8, n))
    azimuth = np.arange(n) * GOLDEN_ANGLE + rng.uniform(0, 2 * np.pi)
    length = rng.uniform(0.004, 0.007, n)[:, None, None] * scale
    h = np.linspace(0, 1, rows)[None, :, None]
    ring = (np.arange(sides) * 2 * np.pi / sides)[None, None, :]
    taper = 0.0019 * scale * (1 - h) ** 1.4 + 3e-5
    stem_radius = mix(0.0029 * scale, 0.0020 * rose.diameter / 0.08, s)[:, None, None]
    across, along_stem = taper * np.cos(ring) * 0.6, taper * np.sin(ring) * 1.5 - 0.35 * h**2 * length
    out = np.sqrt((1.02 * stem_radius) ** 2 - across**2) + h * length

    def at(tau: float) -> Skin:
        points, frames = stalk(tau).spine.pose(s)
        local = np.stack(np.broadcast_arrays(out, across, along_stem), axis=-1)
        frames = frames @ turn("z", azimuth)
        points = points[:, None, None] + np.einsum("nij,nrcj->nrci", frames, local)
        full = np.ones(points.shape[:3])
        albedo = tint(THORN_RED, STEM_BROWN, 0.3 * h + 0.5 * _wilt(tau) + 0 * full)
        return Skin(points, albedo, 0.4 * full)

    chart = np.stack(
        np.broadcast_arrays(
            np.arange(sides + 1)[None, None] * 0.0018 * scale, h * length, np.zeros((n, rows, sides + 1))
        )[:2],
        axis=-1,
    )
    return Organ("thorns", chart, at, closed=True)


def _leaves(rose: Rose, stalk, rng: np.random.Generator) -> list[Organ]:
    m, scale = rose.leaves, rose.height / 0.30
    s = np.linspace(0.36, 0.62, m) if m > 1 else np.array([0.5])
    azimuth = np.arange(m) * GOLDEN_ANGLE + rng.uniform(0, 2 * np.pi) + rng.uniform(-0.3, 0.3, m)
    rise, length = rng.uniform(0.75, 0.95, m), rng.uniform(0.085, 0.1, m) * scale
    samples = np.linspace(0, 1, 33)
    stem_radius = mix(0.0029 * scale, 0.0020 * rose.diameter / 0.08, s)

    def rachises(tau: float) -> list[Spine]:
        droop = ramp(_wilt(tau), 0.0, 0.9)
        points, frames = stalk(tau).spine.pose(s)
        frames = frames @ turn("z", azimuth)
        points = points + frames[:, :, 0] * (0.9 * stem_radius[:, None])
        lean = rise[:, None] + (0.5 + 0.3 * droop) * samples + 1.1 * droop * ramp(samples, -0.1, 0.5)
        return [Spine.bent(p, f, l, a, 0 * samples) for p, f, l, a in zip(points, frames, length, lean, strict=True)]

    def petiole(tau: float) -> Skin:
        points = np.stack([tube(spine, rows, radius, 6) for spine in rachises(tau)])
        dry = np.broadcast_to(ramp(_wilt(tau)), points.shape[:3])
        return Skin(points, tint(STEM_GREEN, STEM_BROWN, dry), 0.45 + 0.3 * dry)

    rows = np.linspace(0, 1, _count(14, rose))
    radius = scale * mix(0.0011, 0.0006, rows)
    chart = np.stack([tube_chart(rows, radius, 6, l) for l in length])
    return [Organ("leaves", chart, petiole, closed=True), _leaflets(rose, rachises, m, rng)]


def _leaflets(rose: Rose, rachises, m: int, rng: np.random.Generator) -> Organ:
    rows, columns, scale = _count(19, rose), _count(9, rose) | 1, rose.height / 0.30
    station = np.tile([0.48, 0.48, 0.78, 0.78, 1.0], m)
    side = np.tile([1, -1, 1, -1, 0], m)
    n = len(side)
    length = np.tile([0.036, 0.036, 0.043, 0.043, 0.050], m) * scale * rng.uniform(0.92, 1.08, n)
    heading = side * rng.uniform(0.85, 1.05, n)
    u, v = np.linspace(-1, 1, columns), np.linspace(0, 1, rows)
    teeth = 1 + 0.05 * (-1.0) ** np.arange(rows) * ramp(v, 0.08, 0.3)
    ovate = np.sin(np.pi * v**0.8) ** 0.75 * (1 - 0.25 * v) * 0.37 + 0.012
    width = length[:, None] * ovate * teeth
    bow, twist, tone = rng.uniform(0.3, 0.7, n), rng.uniform(-0.15, 0.15, n), rng.uniform(0.8, 1.2, n)
    wither, stain = rng.uniform(0.8, 1.3, n), rng.uniform(0, 2 * np.pi, n)
    offset = 0.0018 * scale

    def at(tau: float) -> Skin:
        dry = ramp(_wilt(tau) * wither, 0.0, 1.0)[:, None]
        bend = bow[:, None] * v * (1 + 1.2 * dry) + 0.7 * dry * ramp(v, 0, 0.4)
        fold = 0.22 + 0.75 * dry + 0 * v
        roll = -0.25 + 1.1 * dry * v
        local = blade(width * (1 - 0.15 * dry), length * (1 - 0.12 * dry[:, 0]), u, bend, fold, roll)
        local[..., 0] += offset
        poses = [spine.pose(station[:5]) for spine in rachises(tau)]
        points = np.concatenate([p for p, _ in poses])
        frames = np.concatenate([f for _, f in poses]) @ LEAF_FRAME
        frames = frames @ turn("z", heading) @ turn("x", twist + 0.3 * twist * dry[:, 0])
        points = points[:, None, None] + np.einsum("nij,nrcj->nrci", frames, local)
        return Skin(points, *surface(dry))

    vein = np.exp(-((u / 0.1) ** 2))[None, None, :]
    ribs = 0.5 + 0.5 * np.cos(2 * np.pi * (v[None, :, None] * 9 - np.abs(u) * 2.2))
    fresh = tint(LEAF_GREEN, LEAF_PALE, np.clip(0.75 * vein + 0.15 * ribs, 0, 1)) * tone[:, None, None, None]
    depth = 1.1 - 0.55 * np.abs(u) - 0.4 * v[:, None] + 0.2 * np.sin(6 * v[:, None] + 4 * u + stain[:, None, None])

    def surface(dry: Array) -> tuple[Array, Array]:
        yellow = ramp(1.8 * dry[..., None] - 0.6 * depth, 0.0, 0.8)
        brown = ramp(2.0 * dry[..., None] - 0.4 - depth, 0.0, 0.8)
        return tint(tint(fresh, LEAF_YELLOW, 0.8 * yellow), LEAF_BROWN, 0.9 * brown), 0.42 + 0.35 * brown

    chart = np.stack(np.broadcast_arrays(u * width[..., None], (v * length[:, None])[..., None]), axis=-1)
    return Organ("leaves", chart, at)


# From a spine's frame (z along, x below the leaf) to a blade's (x along, z its upper side).
LEAF_FRAME = np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])
