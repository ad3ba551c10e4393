"""A fly agaric, Amanita muscaria: a button swells, tears its veil, opens its cap, stands, and rots.

Its stem and its cap are systems of coordinates (agaric.py) that the organs here live in.

Sources: the button, its two veils, warts, ring and banded bulb after Ridley, "The genus Amanita in New Zealand",
Austral. Syst. Bot. 4, 1991 (cap to 130 mm, stem to 170 by 20 mm, bulb 33 mm). Cells are all there in the button; from
then on they swell, those of the upper stem the most, and the cap's margin unrolls (Moore, "Fungal Morphogenesis", 1998;
Craig, Gull & Wood, "Stipe elongation in Agaricus bisporus", J. Gen. Microbiol. 102, 1977). The universal veil does not
grow with the cap, so it cracks into patches that keep their size and drift apart. Departs from them: nothing elastic is
solved, gills are sheets without thickness, and rot is prescribed.
"""

import numpy as np

from backend.species import Mushroom
from backend.specimens.core import (
    Array,
    Chance,
    Noise,
    Organ,
    Skin,
    Specimen,
    finer,
    join,
    mix,
    ramp,
    tint,
    tube_chart,
)
from backend.specimens.mushroom.agaric import BALL, OPEN, SAMPLES, STEM, Agaric, opened, rotten, stretched

RING = 0.70  # where on the stem the ring is

VEIL, FLESH = np.array([0.80, 0.74, 0.60]), np.array([0.82, 0.78, 0.67])
WART, WART_OLD = np.array([0.84, 0.79, 0.66]), np.array([0.52, 0.40, 0.22])
EARTH = np.array([0.16, 0.10, 0.055])
SLIME, PALE_ROT, MOULD = np.array([0.060, 0.026, 0.012]), np.array([0.24, 0.145, 0.07]), np.array([0.36, 0.39, 0.33])


def grow(mushroom: Mushroom, seed: int) -> Specimen:
    """A fly agaric; `seed` picks the individual. Its vertices are the button (tau 0)."""
    chance = Chance(seed)
    body = Agaric.grown(mushroom, chance.of("agaric"))
    organs = [_cap(body, chance.of("cap")), _stem(body, chance.of("stem"))]
    organs += [_gills(body, chance.of("gills")), _ring(body, chance.of("ring"))]
    if mushroom.spots:
        organs.append(_warts(body, chance))
    return join(organs)


def _cap(body: Agaric, rng: np.random.Generator) -> Organ:
    """From the middle of its underside over the margin to the middle of its top."""
    mushroom = body.mushroom
    fineness = max(mushroom.detail, 0.45)  # its thin margin must stay round
    below = np.sin(np.linspace(0, np.pi / 2, finer(34, fineness)))
    above = np.sin(np.linspace(np.pi / 2, 0, finer(54, fineness)))[1:]
    s = np.concatenate([below, above])[None, :, None]
    under = (np.arange(s.size) < len(below))[None, :, None]
    columns = finer(108, mushroom.detail)
    phi = (np.arange(columns) * (2 * np.pi / columns))[None, None, :]
    spot = np.stack(np.broadcast_arrays(s * np.cos(phi), s * np.sin(phi), 0.4 * under), axis=-1)
    stain, patch, fine = (
        Noise.grown(rng, length, octaves)(spot) for length, octaves in ((0.8, 3), (0.5, 3), (0.12, 2))
    )
    red = np.array(mushroom.colour)
    orange = tint(red, np.array([0.72, 0.24, 0.03]), 0.45)
    skin = tint(red * (1 + 0.10 * stain + 0.05 * fine)[..., None], orange, ramp(s + 0.10 * stain, 0.55, 1.15))
    striae = 0.5 + 0.5 * np.cos(27 * phi + 0 * s)
    skin = skin * (1 - 0.22 * striae * ramp(s, 0.88, 0.98))[..., None]

    def at(tau: float) -> Skin:
        rot = rotten(tau)
        points = body.on_cap(s, phi, np.where(under, body.flesh(s, tau), 0.0), tau)
        # The veil tears from the middle of the cap outwards.
        veiled = 1 - ramp(1.9 * tau / OPEN - 0.5 * s + 0.12 * stain, 0.02, 0.55)
        top = tint(skin, VEIL, 0.93 * veiled)
        bleached = tint(top, PALE_ROT, 0.5 * ramp(rot, 0.0, 0.5) * ramp(s + 0.2 * stain, 0.2, 1.0))
        albedo = np.where(under[..., None], FLESH * (1 + 0.03 * stain)[..., None], bleached)
        brown = ramp(1.7 * rot - 0.55 * (1 - s) + 0.12 * stain, 0.15, 1.05)
        albedo = tint(albedo, tint(SLIME, PALE_ROT, 0.35 * ramp(fine, 0.0, 2.0)), 0.94 * brown)
        mould = ramp(rot, 0.55, 1.0) * ramp(patch, 0.7, 1.6) * ~under
        rough = mix(mix(0.33, 0.75, veiled), 0.16, brown)
        rough = np.where(under, mix(0.85, 0.35, brown), rough)
        return Skin(points, tint(albedo, MOULD, 0.75 * mould), mix(rough, 0.95, mould))

    r = (1e-3 + s) * body.reach(OPEN) + 0 * phi
    chart = _cone_chart(np.where(under, s - 1, 1 - s)[0, :, 0], r[0, :, 0], columns)
    return Organ("cap", chart * body.scale, at, closed=True, poles=(True, True))


def _cone_chart(way: Array, r: Array, columns: int) -> Array:
    """(1, rows, columns + 1, 2): rings unrolled about their middle."""
    angle = np.arange(columns + 1) * (2 * np.pi / columns) - np.pi
    return np.stack(np.broadcast_arrays(angle * r[:, None], (way * r.max())[:, None]), axis=-1)[None]


def _stem(body: Agaric, rng: np.random.Generator) -> Organ:
    """A bulb with bands of veil on it, below a fibrous shaft; closed."""
    mushroom = body.mushroom
    rows, sides = finer(84, mushroom.detail), finer(40, mushroom.detail)
    t = np.linspace(0, 1, rows)
    s = mix(t, t**1.5, 0.75)
    end = np.sqrt(np.clip(1 - (np.maximum(0.012 - s, 0) / 0.012) ** 2, 0, 1)) * np.sqrt(
        np.clip(1 - (np.maximum(s - 0.985, 0) / 0.015) ** 2, 0, 1)
    )
    phi = (np.arange(sides) * (2 * np.pi / sides))[None, :]
    ring = np.stack(np.broadcast_arrays(np.cos(phi), np.sin(phi), 3 * s[:, None]), axis=-1)
    torn, fibre, stain = (Noise.grown(rng, length, 2)(spot) for length, spot in
                          ((0.7, ring), (0.5, ring * [1, 1, 0.1]), (0.9, ring)))  # fmt: skip
    bands = sum(np.exp(-(((s[:, None] - where - 0.006 * torn) / 0.008) ** 2)) for where in (0.085, 0.112, 0.14, 0.168))
    bands = bands * ramp(torn, -1.3, 0.5)
    soiled = (1 - ramp(s[:, None] + 0.012 * torn, 0.0, 0.07)) + 0 * phi

    def at(tau: float) -> Skin:
        rot, e = rotten(tau), stretched(tau)
        spine, girth = body.spine(tau), body.girth(s, tau)
        points, frames = spine.pose(body.rise(s, tau))
        withered = ramp(rot, 0.1, 1.0) * ramp(s, 0.05, 0.3) * (1 - ramp(s, 0.9, 0.98))
        uneven = 1 + 0.012 * fibre + withered[:, None] * (0.10 * fibre + 0.07 * stain)
        radius = end[:, None] * (girth[:, None] * uneven + mix(0.003, 0.0075, e) * bands)
        across = np.stack(np.broadcast_arrays(np.cos(phi), np.sin(phi), 0 * phi), axis=-1)
        skin = points[:, None] + radius[..., None] * (across @ frames.transpose(0, 2, 1))
        albedo = FLESH * (1 - 0.05 * np.abs(fibre) + 0.02 * stain)[..., None]
        albedo = tint(tint(albedo, WART, 0.8 * bands), EARTH, 0.75 * soiled)
        brown = ramp(1.5 * rot + 0.2 * stain - 0.25 * s[:, None], 0.15, 1.1)
        albedo = tint(albedo, tint(PALE_ROT, SLIME, 0.4 * brown + 0.15 * fibre), 0.9 * brown)
        return Skin(body.placed(skin, tau)[None], albedo[None], mix(0.85, 0.4, brown)[None])

    chart = tube_chart(s, np.full(rows, 0.055), sides, STEM)[None] * body.scale
    return Organ("stem", chart, at, closed=True, poles=(True, True))


def _gills(body: Agaric, rng: np.random.Generator) -> Organ:
    """Radial lamellae, free of the stem; between any two long ones a short one."""
    mushroom, n = body.mushroom, 96
    rows, columns = finer(12, mushroom.detail), 3
    long = (np.arange(n) % 2 == 0)[:, None, None]
    phi = (np.arange(n) * (2 * np.pi / n) + rng.uniform(-0.012, 0.012, n))[:, None, None]
    start = np.where(long, 0.0, rng.uniform(0.3, 0.55, n)[:, None, None])
    t, v = np.linspace(0, 1, rows)[None, :, None], np.linspace(0, 1, columns)[None, None, :]
    shade = rng.uniform(0.94, 1.03, (n, 1, 1, 1))

    def at(tau: float) -> Skin:
        o, rot = opened(tau), rotten(tau)
        inner = mix(0.36, 0.15 / max(mushroom.cap, 0.8), o)
        s = mix(inner + (0.95 - inner) * start, 0.95, t)
        depth = mix(0.010, 0.040, o) * min(mushroom.cap, 1.4) * (1 - 0.45 * ramp(rot))
        profile = np.sin(np.pi * mix(0.10, 1.0, t) ** 0.8) ** 0.7 * np.where(long, 1.0, 0.85) + 0.03
        points = body.on_cap(s, phi + 0 * v, body.flesh(s, tau) + body.clear(tau) + depth * profile * v, tau)
        albedo = FLESH * shade * (1 - 0.12 * (1 - v))[..., None] + 0 * points
        brown = ramp(1.6 * rot - 0.25 * v, 0.1, 1.0) + 0 * s
        return Skin(
            points, tint(albedo, mix(SLIME, PALE_ROT, 0.35), 0.92 * brown), 0.85 - 0.4 * brown + 0 * points[..., 0]
        )

    chart = np.stack(np.broadcast_arrays(0.040 * v, mix(0.3 * start, 0.42, t)), axis=-1)
    return Organ("gills", chart * body.scale, at)


def _ring(body: Agaric, rng: np.random.Generator) -> Organ:
    """The partial veil: from the stem to the cap's margin, until it tears there and hangs as a skirt."""
    mushroom = body.mushroom
    rows, columns = finer(13, mushroom.detail), finer(72, mushroom.detail)
    w = np.linspace(0, 1, rows)[:, None]
    phi = (np.arange(columns) * (2 * np.pi / columns))[None, :]
    pleats = sum(a * np.sin(k * phi + p) for k, a, p in
                 zip((3, 5, 8, 13), (0.5, 0.4, 0.35, 0.25), rng.uniform(0, 2 * np.pi, 4), strict=True))  # fmt: skip
    ragged = 1 + 0.04 * sum(np.sin(k * phi + p) for k, p in zip((4, 7, 11), rng.uniform(0, 2 * np.pi, 3), strict=True))

    def at(tau: float) -> Skin:
        rot, g = rotten(tau), tau / OPEN
        torn = ramp(g, 0.46, 0.78)
        spine = body.spine(tau)
        s = np.array(RING)
        hold = float(body.girth(s, tau)) * (1.06 + 0.3 * ramp(rot)) + 0.002
        # As long as it holds: to the margin, which stands where the cap's frame puts it.
        hem = int(0.98 * (SAMPLES - 1))
        r, z, psi = (float(line[hem]) for line in body.meridian(tau, 0.5))
        below = float(body.flesh(np.array(0.98), tau)) + 0.004
        drop = body.length(tau) * (1 - float(body.rise(s, tau))) + body.thick(tau) + body.gap(tau)
        edge = r - below * np.sin(psi), z - below * np.cos(psi) + drop
        held = mix(hold, edge[0], w**2.6), edge[1] * (1 - (1 - w) ** 1.5)
        flare = 0.062 * (1 - 0.7 * ramp(rot)) * (1 - (1 - w) ** 1.4)
        fall = -0.125 * w**1.2 * ragged + 0.012 * np.sin(np.pi * w)
        hung = hold + flare * ragged + 0.010 * pleats * w**2, fall
        r, z = (mix(a, b, torn) for a, b in zip(held, hung, strict=True))
        # Each of its rows is level about the stem, so that it bends with it.
        points, frames = spine.pose(np.clip(body.rise(s, tau) + z.mean(axis=1) / body.length(tau), 0, 1))
        z = z - z.mean(axis=1, keepdims=True)
        local = np.stack(np.broadcast_arrays(r * np.cos(phi), r * np.sin(phi), z + 0 * phi), axis=-1)
        brown = ramp(1.5 * rot - 0.2 * w, 0.1, 1.0) + 0 * phi
        albedo = tint(FLESH * (1 - 0.06 * np.abs(pleats) * w)[..., None], PALE_ROT, 0.9 * brown)
        return Skin(
            body.placed(local @ frames.transpose(0, 2, 1) + points[:, None], tau)[None],
            albedo[None],
            (0.85 - 0.3 * brown)[None],
        )

    chart = tube_chart(w[:, 0], np.full(rows, 0.09), columns, 0.12)[None] * body.scale
    return Organ("ring", chart, at, closed=True)


def _warts(body: Agaric, chance: Chance) -> Organ:
    """Pyramids of universal veil. In the button they tile the cap; they keep their size while it grows."""
    mushroom, n = body.mushroom, body.mushroom.spots
    columns = finer(14, mushroom.detail)
    place, draws = _scattered(n, chance), chance.each("wart", n)
    centre, phi = np.hypot(*place.T), np.arctan2(place[:, 1], place[:, 0])
    around = np.arange(columns) * (2 * np.pi / columns)
    extent = _room(place, phi[:, None] + around)
    # Stereographic places keep shapes on the button's ball: one factor makes them lengths.
    room = 0.90 * extent * (2 * body.reach(0.0) / BALL / (1 + centre**2))[:, None]
    young = _at_most(room, 0.065 * mushroom.cap)
    old = _at_most(room, mushroom.cap * 0.036 * draws.uniform(0.4, 1.2, 1))
    s = 2 * np.arctan(centre) / BALL
    out = np.array([1.0, 0.92, 0.66, 0.36, 0.0])[None, :, None]
    up = np.array([0.0, 0.52, 0.86, 1.0, 1.06])[None, :, None]
    tall = mushroom.cap * draws.uniform(0.006, 0.014, 1, 1)
    waves = draws.uniform(0, 2 * np.pi, 1, 3) + np.multiply.outer(around, [1, 2, 3])
    lumps = 1 + 0.16 * np.sin(waves).sum(axis=-1)[:, None]
    tone = draws.uniform(0.92, 1.05, 1, 1, 1)

    def at(tau: float) -> Skin:
        o, withered = opened(tau), 1 - 0.3 * ramp(rotten(tau))
        r, _, _ = body.meridian(tau, 0.5)
        wide = np.interp(s, np.linspace(0, 1, SAMPLES), r)
        size = (mix(young, old, o) * withered)[:, None]
        # Places move as vectors: about the middle of the cap azimuth is no measure.
        x = s[:, None, None] + out * size * np.cos(around) / body.reach(tau)
        y = (s / np.maximum(wide, 1e-9))[:, None, None] * out * size * np.sin(around)
        high = 0.55 * body.clear(tau) + up * lumps * tall * mix(0.45, 1.0, o) * withered
        points = body.on_cap(np.minimum(np.hypot(x, y), 0.99), phi[:, None, None] + np.arctan2(y, x), -high, tau)
        albedo = tone * tint(WART, WART_OLD, 0.55 * (1 - up) * o + 0 * y)
        brown = ramp(rotten(tau), 0.1, 0.9) * (0.95 - 0.25 * up) + 0 * y
        return Skin(points, tint(albedo, 0.6 * PALE_ROT, brown), 0.9 + 0 * y)

    flat = np.stack([out * (old * np.cos(around))[:, None], out * (old * np.sin(around))[:, None]], axis=-1)
    chart = np.concatenate([flat, flat[:, :, :1]], axis=2)
    return Organ("warts", chart * body.scale, at, closed=True, poles=(False, True))


def _at_most(size: Array, most: Array | float) -> Array:
    """Sizes, pressed below `most` smoothly."""
    return size * most / (most**4 + size**4) ** 0.25


def _scattered(n: int, chance: Chance) -> Array:
    """(n, 2) stereographic places on a button's cap, apart from one another, closer about its middle."""
    chosen = np.zeros((0, 2))
    for k in range(n):
        rng = chance.of("wart's place", k)
        psi = 0.86 * BALL * rng.uniform(0, 1, 40) ** 0.62
        azimuth = rng.uniform(0, 2 * np.pi, 40)
        tried = np.tan(psi / 2)[:, None] * np.stack([np.cos(azimuth), np.sin(azimuth)], axis=-1)
        if len(chosen):
            gap = np.linalg.norm(tried[:, None] - chosen, axis=-1) / (1 + (tried**2).sum(axis=-1, keepdims=True)) ** 0.8
            chosen = np.concatenate([chosen, tried[[gap.min(axis=1).argmax()]]])
        else:
            chosen = 0.2 * tried[:1]
    return chosen


def _room(place: Array, way: Array) -> Array:
    """(n, directions): how far from each place its Voronoi cell reaches in the directions `way` (n, directions)."""
    unit = np.stack([np.cos(way), np.sin(way)], axis=-1)
    away = place[None] - place[:, None]
    square = (away**2).sum(axis=-1)
    ahead = np.einsum("njk,nak->nja", away, unit)
    reach = np.where(ahead > 1e-9, square[..., None] / (2 * np.maximum(ahead, 1e-9)), np.inf)
    return np.minimum(reach.min(axis=1), 9.0)
