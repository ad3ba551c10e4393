"""Food: closed solids, some with a stalk or a leaf beside them."""

from collections.abc import Callable

import numpy as np

from backend.clip import Mesh
from tests.bench.subjects.modelling import (
    Array,
    along,
    curve,
    join,
    level_set,
    mix,
    noise,
    smooth,
    tube,
    turn,
    turned,
)  # fmt: skip
from tests.bench.subjects.plants import DARK, GREEN, leaf, rows


def apple(resolution: float = 1.0) -> Mesh:
    """A dimpled solid, its stalk and one leaf."""
    s = np.linspace(0.02, 0.98, rows(64, resolution))
    angle = np.pi * s
    radius = 0.040 * np.sin(angle) ** 0.82 * (1 + 0.10 * np.cos(np.pi * (1 - s)))
    height = 0.036 - 0.036 * np.cos(angle) - 0.0125 * np.exp(-((radius / 0.0105) ** 2)) * np.sign(s - 0.5)
    rings = turned(radius, height, rows(70, resolution))
    around = np.arctan2(rings[..., 1], rings[..., 0])
    rings[..., :2] *= 1 + (0.022 * np.cos(5 * around) * (1 - s[:, None]))[..., None]
    rings[..., 2] -= rings[..., 2].min()
    fruit = tube(rings, "fruit")
    p = fruit.points
    streaks = 0.5 + 0.5 * np.sin(26 * np.arctan2(p[:, 1], p[:, 0]) + 3 * noise(p, 0.02, 4))
    blush = smooth(p[:, 0] + 0.6 * p[:, 2] + 0.008 * noise(p, 0.03, 5), -0.028, 0.045)
    colour = mix([0.52, 0.40, 0.055], mix([0.52, 0.020, 0.018], [0.66, 0.09, 0.03], streaks), blush)
    colour = mix(colour, [0.30, 0.22, 0.05], np.exp(-((np.hypot(p[:, 0], p[:, 1]) / 0.008) ** 2)))
    top = np.array([0.0, 0.0, p[:, 2].max() - 0.013])
    spine = curve([top, top + [0.001, 0, 0.014], top + [0.006, 0.002, 0.028]], rows(16, resolution))
    stalk = tube(along(spine, np.linspace(0.0012, 0.0019, len(spine)), rows(8, resolution)), "stalk")
    green = leaf(0.042, 0.011, 0.8 * resolution, 1.1, 0.7).moved(turn(2, 2.5), spine[len(spine) // 2])
    return join([fruit.painted(colour, 0.28), stalk.painted(np.array([0.10, 0.055, 0.025]), 0.8), green])


def mushroom(resolution: float = 1.0) -> Mesh:
    """Stalk, gills and a spotted cap, turned as one welded solid."""
    outline = curve(
        [(0.016, 0, 0), (0.0175, 0, 0.006), (0.011, 0, 0.03), (0.0095, 0, 0.064), (0.011, 0, 0.070), (0.030, 0, 0.068),
         (0.043, 0, 0.063), (0.0445, 0, 0.066), (0.040, 0, 0.083), (0.026, 0, 0.097), (0.010, 0, 0.102),
         (0.002, 0, 0.1025)],
        rows(90, resolution),
    )  # fmt: skip
    rings = turned(outline[:, 0], outline[:, 2], rows(64, resolution))
    body = tube(rings, "mushroom")
    p = body.points
    radius, around = np.hypot(p[:, 0], p[:, 1]), np.arctan2(p[:, 1], p[:, 0])
    along_it = np.append(np.repeat(np.linspace(0, 1, len(outline)), rings.shape[1]), [0, 1])
    cap, gills = smooth(along_it, 0.62, 0.645), (along_it > 0.40) & (along_it < 0.60)
    lean = np.stack([0.010 * (p[:, 2] / 0.1) ** 2, 0 * radius, 0 * radius], axis=1)
    rng = np.random.default_rng(7)
    middles = p[rng.choice(np.flatnonzero(cap > 0.9), 22, replace=False)]
    near = np.linalg.norm(p[:, None] - middles, axis=2) / rng.uniform(0.0035, 0.0075, len(middles))
    spots = 1 - smooth(near.min(axis=1), 0.75, 1.15)
    colour = mix([0.70, 0.64, 0.52], mix([0.58, 0.028, 0.016], [0.82, 0.78, 0.68], spots), cap)
    colour = colour * np.where(gills, 0.78 + 0.18 * np.sin(24 * around), 1.0)[:, None]
    raised = (0.0011 * spots * cap)[:, None] * [0, 0, 1.0]
    return join([body.at(p + lean + raised).painted(colour, 0.62 - 0.25 * cap * (1 - spots))])


def bread(resolution: float = 1.0) -> Mesh:
    """A loaf with three cuts across its crust: one closed solid."""
    t = np.linspace(-0.985, 0.985, rows(84, resolution))
    around = np.arange(rows(56, resolution)) * (2 * np.pi / rows(56, resolution))
    c, s = np.cos(around), np.sin(around)
    end = (1 - np.abs(t) ** 3.2) ** (1 / 2.4)
    y = 0.052 * np.sign(c) * np.abs(c) ** 0.75
    z = np.where(s > 0, 0.062 * np.abs(s) ** 0.85, -0.030 * np.abs(s) ** 0.45)
    x = 0.115 * t[:, None] + 0 * y
    p = np.stack([x, end[:, None] * y, 0.032 + end[:, None] ** 0.8 * z], axis=-1)
    slant = t[:, None] + 0.22 * c[None]
    cut = sum(np.exp(-(((slant - at) / 0.05) ** 2)) for at in (-0.48, 0.0, 0.48)) * smooth(s, 0.35, 0.85)[None]
    p[..., 2] -= 0.007 * cut
    p[..., 2] -= p[..., 2].min()
    loaf = tube(p, "loaf")
    q = loaf.points
    cuts = np.append(cut.ravel(), [0, 0])
    crust = mix([0.40, 0.19, 0.055], [0.165, 0.055, 0.015], smooth(q[:, 2] + 0.008 * noise(q, 0.04, 3), 0.03, 0.092))
    colour = mix(crust, [0.66, 0.46, 0.22], 0.9 * cuts)
    colour = mix(colour, [0.72, 0.66, 0.55], 0.35 * smooth(noise(q, 0.022, 6), 0.3, 1.0))
    return join([loaf.painted(colour, 0.75)])


def cheese(resolution: float = 1.0) -> Mesh:
    """A wedge with holes, some open and some hidden within: by its level set."""
    high, reach = 0.042, 0.092

    def walls(p: Array) -> Array:
        across = 0.42 * p[:, 0] + 0.004
        distant = np.hypot(p[:, 0], p[:, 1]) - reach
        return np.stack([0.92 * (np.abs(p[:, 1]) - across), p[:, 2] - high, -p[:, 2], distant])

    holes, radii = _holes(walls)

    def field(p: Array) -> Array:
        sharp = 900.0
        solid = np.log(np.exp(np.clip(sharp * walls(p), -60, 60)).sum(axis=0)) / sharp
        bored = np.min(np.linalg.norm(p[:, None] - holes, axis=2) - radii, axis=1)
        return np.maximum(solid, -bored)

    wedge = level_set(field, (-0.005, -0.04, 0.0), (reach, 0.04, high), 0.0019 / resolution, "cheese")
    p = wedge.points
    rind = smooth(np.hypot(p[:, 0], p[:, 1]), 0.0885, 0.0905)
    bored = np.min(np.linalg.norm(p[:, None] - holes, axis=2) / radii, axis=1)
    colour = mix([0.78, 0.49, 0.085], [0.60, 0.32, 0.04], smooth(1.12 - bored, 0.0, 0.2))
    return join([wedge.at(p - [0.045, 0, p[:, 2].min()]).painted(mix(colour, [0.62, 0.16, 0.03], rind), 0.45)])


def _holes(walls: Callable[[Array], Array]) -> tuple[Array, Array]:
    """(H, 3) and (H,): balls that stay clear of one another, and that no wall of the cheese only just touches."""
    rng, clear = np.random.default_rng(3), 0.0045
    holes, radii = np.empty((0, 3)), np.empty(0)
    for _ in range(400):
        middle, radius = rng.uniform([0.012, -0.03, 0.0], [0.085, 0.03, 0.042]), rng.uniform(0.005, 0.0095)
        apart = (np.linalg.norm(holes - middle, axis=1) > radii + radius + clear).all()
        if apart and (np.abs(np.abs(walls(middle[None])[:, 0]) - radius) > clear / 2).all():
            holes, radii = np.concatenate([holes, middle[None]]), np.append(radii, radius)
    return holes[:16], radii[:16]


def banana(resolution: float = 1.0) -> Mesh:
    """A bent solid of five rounded sides."""
    spine = curve(
        [(-0.085, 0, 0.062), (-0.060, 0, 0.030), (-0.005, 0, 0.017), (0.050, 0, 0.034), (0.080, 0, 0.070),
         (0.086, 0, 0.090)], rows(84, resolution),
    )  # fmt: skip
    s = np.linspace(0, 1, len(spine))
    radius = 0.0175 * (smooth(s, -0.02, 0.16) ** 0.7 - 0.78 * smooth(s, 0.74, 0.90)) + 0.0012
    rings = along(spine, radius, rows(40, resolution))
    around = np.arange(rings.shape[1]) * (2 * np.pi / rings.shape[1])
    faceted = 1 + 0.05 * np.cos(5 * around)[None, :, None] * smooth(s, 0.05, 0.3)[:, None, None]
    fruit = tube(spine[:, None] + faceted * (rings - spine[:, None]), "banana")
    p = fruit.points - [0, 0, fruit.points[:, 2].min()]
    t = np.append(np.repeat(s, rings.shape[1]), [0, 1])
    colour = mix([0.74, 0.48, 0.035], [0.38, 0.36, 0.04], smooth(t, 0.76, 0.95))
    freckles = smooth(noise(p, 0.009, 8) * noise(p, 0.02, 9), 0.32, 0.55)
    colour = mix(colour, [0.16, 0.075, 0.018], 0.8 * freckles + smooth(0.03 - t, 0, 0.03) + smooth(t, 0.975, 1.0))
    return join([fruit.at(p).painted(colour, 0.5)])


def pepper(resolution: float = 1.0) -> Mesh:
    """A glossy solid of four lobes, and its stalk."""
    s = np.linspace(0.015, 0.985, rows(60, resolution))
    radius = 0.036 * np.sin(np.pi * s) ** 0.5 * (0.78 + 0.26 * s)
    height = 0.085 * s - 0.014 * np.exp(-((radius / 0.012) ** 2)) * smooth(s, 0.7, 1.0)
    rings = turned(radius, height, rows(72, resolution))
    around = np.arctan2(rings[..., 1], rings[..., 0])
    rings[..., :2] *= (1 + 0.10 * np.abs(np.cos(2 * around)) ** 0.8 - 0.06)[..., None]
    body = tube(rings, "fruit")
    p = body.points - [0, 0, body.points[:, 2].min()]
    body = body.at(p).painted(mix([0.56, 0.028, 0.012], [0.60, 0.13, 0.01], smooth(noise(p, 0.05, 2), 0, 1.2)), 0.14)
    top = np.array([0.0, 0.0, 0.068])
    spine = curve([top, top + [0.002, 0, 0.018], top + [0.012, 0, 0.036]], rows(14, resolution))
    stalk = tube(along(spine, 0.0036 + 0.004 * np.linspace(1, 0, len(spine)) ** 4, rows(10, resolution)), "stalk")
    return join([body, stalk.painted(mix(DARK, GREEN, 0.8 + 0 * stalk.points[:, 0]), 0.5)])
