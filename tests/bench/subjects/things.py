"""Things that do not grow: a sheet of paper, a candle, a tin can, a cloth bag."""

import numpy as np

from backend.clip import Mesh
from tests.bench.subjects.modelling import along, curve, disc, join, mix, noise, sheet, smooth, tube, turned
from tests.bench.subjects.plants import rows


def paper(resolution: float = 1.0) -> Mesh:
    """A letter, lying flat: one grid."""
    x, y = np.linspace(-0.105, 0.105, rows(60, resolution)), np.linspace(-0.1485, 0.1485, rows(85, resolution))
    points = np.stack([*np.meshgrid(x, y), np.zeros((len(y), len(x)))], axis=-1)
    inked = (np.abs(points[..., 0]) < 0.08) & (np.abs(points[..., 1]) < 0.12) & (np.sin(points[..., 1] * 500) > 0.35)
    return join(
        [sheet(points, "paper").painted(mix([0.80, 0.78, 0.72], [0.10, 0.10, 0.13], 0.75 * inked).reshape(-1, 3), 0.8)]
    )


def candle(resolution: float = 1.0) -> Mesh:
    """A closed stick of wax with a hollow on top, and its wick."""
    outline = curve(
        [(0.020, 0, 0), (0.0225, 0, 0.002), (0.0225, 0, 0.05), (0.0225, 0, 0.118), (0.0205, 0, 0.124),
         (0.013, 0, 0.119), (0.003, 0, 0.117)], rows(76, resolution),
    )  # fmt: skip
    rings = turned(outline[:, 0], outline[:, 2], rows(52, resolution))
    around = np.arctan2(rings[..., 1], rings[..., 0])
    drips = smooth(np.cos(5 * around + 1.3 * np.sin(2 * around)), 0.3, 0.9) * smooth(rings[..., 2], 0.02, 0.10)
    rings[..., :2] *= (1 + 0.07 * drips * (outline[:, 0] > 0.02)[:, None])[..., None]
    wax = tube(rings, "wax")
    colour = mix(
        [0.62, 0.10, 0.07],
        [0.80, 0.62, 0.46],
        smooth(wax.points[:, 2] + 0.004 * noise(wax.points, 0.02, 1), 0.02, 0.12),
    )
    spine = curve([(0, 0, 0.112), (0.0005, 0, 0.122), (0.003, 0, 0.132)], rows(12, resolution))
    wick = tube(along(spine, 0.0011, rows(8, resolution)), "wick").painted(np.array([0.02, 0.018, 0.016]), 0.9)
    return join([wax.painted(colour, 0.35), wick])


def tin_can(resolution: float = 1.0) -> Mesh:
    """Ridged metal with a paper label; its lids are polygons of many corners, welded by place alone."""
    sides = rows(84, resolution)
    z = np.linspace(0, 0.11, rows(92, resolution))
    ridges = 0.0006 * np.sin(2 * np.pi * z / 0.0075) * smooth(z, 0.008, 0.014) * (1 - smooth(z, 0.096, 0.102))
    radius = 0.0365 + ridges + 0.0011 * (np.exp(-((z / 0.0018) ** 2)) + np.exp(-(((z - 0.11) / 0.0018) ** 2)))
    rings = turned(radius, z, sides)
    wall = tube(rings, "wall", caps=(False, False))
    height, around = wall.points[:, 2], np.arctan2(wall.points[:, 1], wall.points[:, 0])
    label = smooth(height, 0.0195, 0.0205) * (1 - smooth(height, 0.0895, 0.0905))
    band = smooth(np.abs(height - 0.055), 0.013, 0.0145)
    print_ = mix([0.78, 0.70, 0.45], mix([0.60, 0.03, 0.02], [0.75, 0.20, 0.03], np.cos(3 * around) > 0.8), band)
    tin = np.array([0.72, 0.71, 0.69])
    wall = wall.painted(mix(tin, print_, label), 0.28 + 0.4 * label, 1 - label)
    lids = [disc(rings[-1], "lids"), disc(rings[0][::-1], "lids")]
    return join([wall, *(lid.painted(tin, 0.25, 1.0) for lid in lids)])


def bag(resolution: float = 1.0) -> Mesh:
    """A full cloth sack, tied with a cord, open at its frilled mouth: one sheet, and the cord."""
    outline = curve(
        [(0.02, 0, 0), (0.052, 0, 0.004), (0.064, 0, 0.040), (0.055, 0, 0.085), (0.026, 0, 0.115), (0.017, 0, 0.122),
         (0.026, 0, 0.133), (0.043, 0, 0.152)], rows(88, resolution),
    )  # fmt: skip
    rings = turned(outline[:, 0], outline[:, 2], rows(80, resolution))
    around = np.arctan2(rings[..., 1], rings[..., 0])
    s = np.linspace(0, 1, len(outline))[:, None]
    folds = smooth(s, 0.45, 0.72) * (0.09 * np.sin(11 * around) + 0.05 * np.sin(17 * around + 1))
    slump = 0.05 * np.sin(2 * around + 0.5) * (1 - smooth(s, 0.4, 0.7))
    rings[..., :2] *= (1 + folds + slump)[..., None]
    sack = tube(rings, "sack", caps=(True, False))
    p = sack.points
    weave = 0.5 + 0.25 * np.sin(1100 * p[:, 2]) + 0.25 * np.sin(70 * np.arctan2(p[:, 1], p[:, 0]))
    colour = mix([0.30, 0.19, 0.095], [0.46, 0.33, 0.185], weave + 0.2 * noise(p, 0.03, 2))
    turn_about = np.linspace(0, 2 * np.pi, rows(60, resolution))
    spine = np.stack(
        [0.0185 * np.cos(turn_about), 0.0185 * np.sin(turn_about), 0.121 + 0.004 * turn_about / 6.3], axis=1
    )
    cord = tube(along(spine, 0.0019, rows(8, resolution)), "cord").painted(np.array([0.45, 0.05, 0.03]), 0.8)
    return join([sack.painted(colour, 0.92), cord])
