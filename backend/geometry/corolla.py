"""Petals that are one surface: what goes all the way round an axis as a cup does, with its stem or without it, and what
it falls into where it is cut deeply."""

from dataclasses import dataclass, replace

import numpy as np

from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Body, Reals
from backend.geometry.charts import Integers, Part
from backend.geometry.fields import components, edges
from backend.geometry.organs import green, ways

STEM = 0.12  # radius of a stem over that of the flower that it is one surface with, at most
SLICES = 40  # in which a stem is looked for
LONG = 0.25  # of the whole way, from which a thin run is a stem
UNEVEN = 0.35  # difference of the variances along the two axes across a round blade, over their sum
SPLIT, MANY, WIDE = 0.35, 8, 0.6  # to where a corolla is one piece if it has petals; if it has MANY, on a WIDE disc
LARGE = 0.02  # share of the vertices of a corolla from which a piece of it is a petal
CUTS = np.append(-1e-9, np.linspace(0.04, WIDE, 29))  # of the whole way, where it is cut; first, not at all


@dataclass(frozen=True, eq=False)
class Corolla:
    """One part about an axis; `petals`: what it falls into, if it is cut deeply."""

    part: Part  # without its stem
    middle: Reals  # (3,) of its foot
    axis: Reals  # (3,) unit
    foot: np.ndarray  # (M,) bool
    petals: list[Part]


def corolla(part: Part, anatomy: Anatomy) -> Corolla | None:
    """What a blade is, if it goes all the way round."""
    whole = part
    if part.rooted:
        part = _above_stem(replace(part, way=part.depth))
    stemless = len(part.chosen) == len(whole.chosen)
    part = whole if stemless else part
    found = _goes_round(part)
    if found is None:
        return None
    middle, axis = found
    part = replace(part, green=green(anatomy.body.albedo[part.chosen]), welded=not stemless)
    gap = np.linalg.norm(part.points - middle, axis=1)
    rise = part.way - part.way.min()
    foot = gap <= np.quantile(gap, 0.02) * 1.2 + 1e-9 if stemless else rise <= 0.05 * rise.max()
    body = anatomy.body
    way = ways(body.vertices, body.faces, [part], part.chosen[foot])[part.chosen]
    part = replace(part, way=way)
    return Corolla(part, middle, axis, foot, _petals(part, whole, anatomy))


def _above_stem(part: Part) -> Part:
    """Without the stem, where flower and stem are one surface: a long thin run from the root up."""
    share = (part.way - part.way.min()) / max(np.ptp(part.way), 1e-12)
    index = np.minimum((share * SLICES).astype(np.int64), SLICES - 1)
    count = np.maximum(np.bincount(index, minlength=SLICES), 1)
    mean = np.stack([np.bincount(index, column, minlength=SLICES) for column in part.points.T], axis=1) / count[:, None]
    away = np.einsum("ni,ni->n", part.points - mean[index], part.points - mean[index])
    radius = np.sqrt(np.bincount(index, away, minlength=SLICES) / count)
    run = int(np.argmax(radius > STEM * radius.max()))
    if run < LONG * SLICES:
        return part
    kept = share >= run / SLICES
    points = part.points[kept]
    return replace(
        part, chosen=part.chosen[kept], points=points, middle=points.mean(axis=0), depth=part.depth[kept],
        way=part.way[kept],
    )  # fmt: skip


def _goes_round(part: Part) -> tuple[Reals, Reals] | None:
    """The middle of its foot and its axis, where one blade surrounds an axis as a cup does."""
    reach = np.ptp(part.way)
    if reach < 1e-6 or len(part.points) < 24:
        return None
    rise = part.way - part.way.min()
    foot = part.points[rise <= 0.03 * reach].mean(axis=0)
    far = part.points[rise > 0.2 * reach]
    out = (far - foot).mean(axis=0)
    length = np.linalg.norm(far - foot, axis=1).mean()
    values, axes = np.linalg.eigh(np.cov((far - far.mean(axis=0)).T))
    # what is round has the same spread along the two axes across; the third is the way from the foot
    uneven = np.array([abs(values[k - 1] - values[k - 2]) / (values[k - 1] + values[k - 2]) for k in range(3)])
    axis = axes[:, np.argmin(uneven - np.abs(out @ axes) / length)]
    if uneven[np.argmax(np.abs(axes.T @ axis))] > UNEVEN:
        return None
    lean = axis @ out if abs(axis @ out) > 0.05 * length else axis[2]
    axis = axis * (np.sign(lean) or 1.0)
    height = part.points @ axis
    low = part.points[height <= height.min() + 0.06 * np.ptp(height)]
    middle = 0.5 * (low.min(axis=0) + low.max(axis=0))  # it hangs on its stem by one vertex, wherever that is
    lean = (far - middle).mean(axis=0)
    axis = axis + lean / np.linalg.norm(lean) * (0.25 * length < np.linalg.norm(lean))  # it may be bent
    axis /= np.linalg.norm(axis)
    away = part.points - middle
    gap = np.linalg.norm(away, axis=1)
    share = (gap - gap.min()) / max(np.ptp(gap), 1e-12)
    low = (share > 0.1) & (share < 0.35)  # below the cuts between lobes
    flat = away[low] - (away[low] @ axis)[:, None] * axis
    radius = np.linalg.norm(flat, axis=1)
    if not low.any() or radius.mean() < 0.06 * length:
        return None
    across = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    azimuth = np.arctan2(flat @ np.cross(axis, across), flat @ across)
    filled = np.histogram(azimuth, 16, (-np.pi, np.pi), weights=radius)[0]
    return (middle, axis) if np.all(filled > 0.25 * filled.mean()) else None


def _petals(part: Part, whole: Part, anatomy: Anatomy) -> list[Part]:
    """What a corolla falls into when it is cut at one distance from its foot: as many as there are, as low as they
    come apart, each with the row of vertices from which on they are one; none if it is one piece for long. `whole`: it
    with its stem."""
    body = anatomy.body
    index = np.full(len(body.vertices), -1)
    index[whole.chosen] = np.arange(len(whole.chosen))
    sides = edges(index[body.faces[(index[body.faces] >= 0).all(axis=1)]])
    reach, way = float(part.way.max()), np.full(len(whole.chosen), -np.inf)
    way[index[part.chosen]] = part.way
    best: list[Integers] = []
    for cut in CUTS * reach:
        found = pieces(sides, way, cut, LARGE * len(part.chosen))
        if len(found) > max(len(best), 2) and (cut <= SPLIT * reach or len(found) >= MANY):
            best = found
    owner = np.full(len(way), -1)
    for number, own in enumerate(best):
        owner[own] = number
    above, below = np.concatenate([sides, sides[:, ::-1]]).T
    seam = (owner[above] >= 0) & (owner[below] < 0)
    above, below = above[seam], below[seam]
    owner[below] = owner[above]
    step = np.linalg.norm(whole.points[above] - whole.points[below], axis=1)
    np.maximum.at(way, below, way[above] - step)  # of what was taken for the stem
    return [_petal(part, whole, np.flatnonzero(owner == number), way, body) for number in range(len(best))]


def _petal(part: Part, whole: Part, own: Integers, way: Reals, body: Body) -> Part:
    chosen, points = whole.chosen[own], whole.points[own]
    return replace(
        part, chosen=chosen, points=points, middle=points.mean(axis=0), depth=whole.depth[own],
        size=part.size * float(np.sqrt(len(own) / len(part.chosen))), green=green(body.albedo[chosen]),
        way=way[own] - way[own].min(), welded=True,
    )  # fmt: skip


def pieces(sides: Integers, way: Reals, cut: float, large: float) -> list[Integers]:
    """The pieces of what lies farther than `cut`, where `sides` (E, 2) join M vertices at distances `way` (M,): the
    vertices of each that has more than `large`."""
    above = sides[(way[sides] > cut).all(axis=1)]
    piece = components(len(way), above)
    size = np.bincount(piece, way > cut)
    return [np.flatnonzero(piece == one) for one in np.flatnonzero(size > max(large, 2.0))]
