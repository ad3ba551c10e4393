"""Where the flowers of a body are: blades that stand in a ring about a common middle, and how each lies in itself.

A *blade* is a part that is thin and flat: an open sheet, or a closed one with two sides. A *flower* is three or more
blades about one axis, or a single one that goes all the way round it.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Reals
from backend.geometry.charts import Blade, Charts, Part

THIN = 0.12  # thickness of a closed blade over its width, at most
SMALLEST = 0.01  # size of a blade, in sizes of the body
NEAR = 0.15  # blades nearer than this, in their own sizes, may be of one flower
STEM = 0.12  # radius of a stem over that of the flower that it is one surface with, at most
ROSETTE = 0.6  # share of a plant's leaves that must be in a ring for them to be one
UNEVEN = 0.35  # difference of the variances along the two axes across a round blade, over their sum
HEAD = 0.3  # feet nearer than this, in sizes of a blade, are of one head
GAP = np.radians(165.0)  # the largest gap in a ring
INNER = 0.7  # reach of the feet over the reach of the tips, at most


@dataclass(frozen=True, eq=False)
class Flower:
    """Blades about an axis. A flower whose `round` is True is one blade that goes all the way round."""

    middle: Reals  # (3,) where the blades meet
    axis: Reals  # (3,) unit, the way it opens
    blades: tuple[Blade, ...]
    round: bool = False

    def frame(self) -> Reals:
        """(3, 3) rows: two axes across, then the flower's own."""
        across = np.cross(self.axis, np.eye(3)[np.argmin(np.abs(self.axis))])
        across /= np.linalg.norm(across)
        return np.stack([across, np.cross(self.axis, across), self.axis])


def flowers(anatomy: Anatomy) -> tuple[list[Flower], list[Blade]]:
    """The flowers, and the blades that are in none."""
    parts = _parts(anatomy)
    flat = [part for part in parts if part.flat]
    whole, rest = [], []
    for part in flat:
        head = _above_stem(part) if anatomy.held[part.chosen].any() else part
        found = _goes_round(head)
        if found is None:
            rest.append(part)
        elif part.thickness == 0.0:  # what is closed and goes round is a pot
            whole.append((head, *found))
    stems = [part.points for part in parts if not part.flat]
    stems = cKDTree(np.concatenate(stems)) if stems else None
    rings = [ring for group in _near(rest) for ring in _rings(group, stems)]
    if any(not _leafy(ring) for ring in rings) or any(not part.green for part, *_ in whole):
        rings = [ring for ring in rings if not _leafy(ring)]
    elif sum(len(ring.parts) for ring in rings) < ROSETTE * len(rest):  # some leaflets of many
        rings = []

    chart = Charts(anatomy, rest + [part for part, *_ in whole])
    found, used = [], set()
    for part, middle, axis in whole:
        gap = np.linalg.norm(part.points - middle, axis=1)
        stemless = len(part.chosen) == np.count_nonzero(anatomy.labels == anatomy.labels[part.chosen[0]])
        rise = part.depth - part.depth.min()
        foot = gap <= np.quantile(gap, 0.02) * 1.2 + 1e-9 if stemless else rise <= 0.05 * rise.max()
        found.append(Flower(middle, axis, (chart.around(part, foot),), round=True))
    for ring in rings:
        blades = []
        for part in ring.parts:
            away = np.linalg.norm(part.points - ring.middle, axis=1)
            blades.append(chart.blade(part, away <= away.min() + 0.06 * np.ptp(away), ring.axis))
            used.add(id(part))
        found.append(Flower(ring.middle, ring.axis, tuple(blades)))
    alone = []
    for part in rest:
        if id(part) not in used:
            foot = part.depth <= part.depth.min() + 0.05 * np.ptp(part.depth)
            alone.append(chart.blade(part, foot, np.array([0.0, 0.0, 1.0])))
    return found, alone


def _parts(anatomy: Anatomy) -> list[Part]:
    body, labels = anatomy.body, anatomy.labels
    corner = body.vertices[body.faces]
    area = 0.5 * np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    owner = labels[body.faces[:, 0]]
    area = np.bincount(owner, area, minlength=labels.max() + 1)
    found = []
    order = np.argsort(labels, kind="stable")
    for label, chosen in enumerate(np.split(order, np.cumsum(np.bincount(labels))[:-1])):
        points, sheet = body.vertices[chosen], bool(anatomy.is_sheet[chosen[0]])
        middle = points.mean(axis=0)
        spread = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov((points - middle).T) + 1e-18 * np.eye(3)), 0.0)) * 3.46
        size = float(np.sqrt(area[label] * (1.0 if sheet else 0.5)))
        taking_part = bool((body.weight[chosen] > 0.0).any()) and size >= SMALLEST
        thickness = 0.0
        if not sheet:
            local = body.faces[owner == label]
            inner = body.vertices[local] - middle
            volume = abs(np.einsum("fi,fi->", inner[:, 0], np.cross(inner[:, 1], inner[:, 2]))) / 6.0
            thickness = 2.0 * volume / max(area[label], 1e-30)
        width = min(spread[1], size**2 / max(spread[2], 1e-12))  # of a bundle of stems the latter is small
        # the largest ball inside a plate is as wide as the plate is thick, in a rod it is twice that
        plate = not sheet and np.median(anatomy.thickness[chosen]) < 1.6 * thickness
        flat = sheet or (plate and thickness < THIN * width)
        red, green, blue = np.median(body.albedo[chosen], axis=0)
        found.append(
            Part(
                chosen, points, middle, size, flat and taking_part,
                bool(green > 1.25 * red and green > 1.25 * blue), thickness, anatomy.distance[chosen],
            )
        )  # fmt: skip
    return found


@dataclass(frozen=True, eq=False)
class _Ring:
    parts: list[Part]
    middle: Reals
    axis: Reals


def _leafy(ring: _Ring) -> bool:
    return np.mean([part.green for part in ring.parts]) > 0.5


def _above_stem(part: Part) -> Part:
    """Without the stem, where flower and stem are one surface: a long thin run from the root up."""
    slices = 40
    share = (part.depth - part.depth.min()) / max(np.ptp(part.depth), 1e-12)
    index = np.minimum((share * slices).astype(np.int64), slices - 1)
    count = np.maximum(np.bincount(index, minlength=slices), 1)
    mean = np.stack([np.bincount(index, column, minlength=slices) for column in part.points.T], axis=1) / count[:, None]
    away = np.einsum("ni,ni->n", part.points - mean[index], part.points - mean[index])
    radius = np.sqrt(np.bincount(index, away, minlength=slices) / count)
    run = int(np.argmax(radius > STEM * radius.max()))
    if run < 0.25 * slices:
        return part
    kept = share >= run / slices
    points = part.points[kept]
    return replace(part, chosen=part.chosen[kept], points=points, middle=points.mean(axis=0), depth=part.depth[kept])


def _goes_round(part: Part) -> tuple[Reals, Reals] | None:
    """The middle of its foot and its axis, where one blade surrounds an axis as a cup does."""
    reach = np.ptp(part.depth)
    if reach < 1e-6 or len(part.points) < 24:
        return None
    foot = part.points[part.depth <= part.depth.min() + 0.03 * reach].mean(axis=0)
    far = part.points[part.depth > part.depth.min() + 0.2 * reach]
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


def _near(parts: list[Part]) -> list[list[Part]]:
    """Groups of blades, of which each is close to another."""
    if not parts:
        return []
    size = float(np.median([part.size for part in parts]))
    owner = np.repeat(np.arange(len(parts)), [len(part.points) for part in parts])
    box = np.floor(np.concatenate([part.points for part in parts]) / (NEAR * size)).astype(np.int64)
    shifts = np.stack(np.meshgrid(*[[0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    cells = (box[:, None] + shifts).reshape(-1, 3)
    cell = np.unique(cells, axis=0, return_inverse=True)[1].ravel()
    pairs = np.unique(np.stack([cell, np.repeat(owner, len(shifts))], axis=1), axis=0)
    seen = coo_matrix((np.ones(len(pairs)), (pairs[:, 1], pairs[:, 0])), shape=(len(parts), cell.max() + 1)).tocsr()
    group = connected_components(seen @ seen.T, directed=False)[1]
    return [[parts[k] for k in np.flatnonzero(group == one)] for one in range(group.max() + 1)]


def _rings(parts: list[Part], stems: cKDTree | None) -> list[_Ring]:
    """The rings in a group: itself, or what is found where its feet come together, or in either half of it."""
    if len(parts) < 3:
        return []
    if stems is not None:
        heads = [_ring(head) for head in _heads(parts, stems) if len(head) > 2]
        found = [head for head in heads if head is not None]
        if len(found) > 1 and sum(len(head.parts) for head in found) > 0.8 * len(parts):
            return found
    ring = _ring(parts)
    if ring is not None:
        return [ring]
    middles = np.array([part.middle for part in parts])
    first = middles[np.argmax(np.linalg.norm(middles - middles.mean(axis=0), axis=1))]
    seeds = np.array([first, middles[np.argmax(np.linalg.norm(middles - first, axis=1))]])
    for _ in range(8):
        side = np.linalg.norm(middles[:, None] - seeds, axis=2).argmin(axis=1)
        if side.min() == side.max():
            return []
        seeds = np.array([middles[side == k].mean(axis=0) for k in (0, 1)])
    return [
        ring for k in (0, 1) for ring in _rings([part for part, s in zip(parts, side, strict=True) if s == k], None)
    ]


def _heads(parts: list[Part], stems: cKDTree) -> list[list[Part]]:
    """The blades of a group by where they are attached: those whose feet are next to each other are together."""
    feet = np.array([part.points[np.argmin(stems.query(part.points)[0])] for part in parts])
    close = HEAD * np.median([part.size for part in parts])
    pairs = cKDTree(feet).query_pairs(close, output_type="ndarray")
    joined = coo_matrix((np.ones(len(pairs)), tuple(pairs.T)), shape=(len(parts),) * 2)
    head = connected_components(joined, directed=False)[1]
    together = [np.flatnonzero(head == one) for one in range(head.max() + 1)]
    # feet in a long row are a piece of one broad ring
    return [[parts[k] for k in one] for one in together if np.ptp(feet[one], axis=0).max() < 1.5 * close]


def _ring(parts: list[Part]) -> _Ring | None:
    middle = _meeting(parts)
    away = [np.linalg.norm(part.points - middle, axis=1) for part in parts]
    foot, reach = np.array([a.min() for a in away]), np.array([a.max() for a in away])
    near = (foot <= 2.0 * np.median(foot) + 0.15 * np.median(reach)) & (reach <= 3.0 * np.median(reach))
    if near.sum() < 3 or near.sum() < 0.6 * len(parts) or np.median(foot[near]) > INNER * np.median(reach[near]):
        return None
    kept = [part for part, n in zip(parts, near, strict=True) if n]
    size = np.array([part.size for part in kept])
    if np.mean(np.abs(np.log(size / np.median(size))) < np.log(2.5)) < 0.7:
        return None
    out = np.array([part.middle - middle for part in kept])
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
    mean = out.mean(axis=0)
    spread = out - mean
    normal = np.linalg.eigh(spread.T @ spread)[1][:, 0]
    depth = np.concatenate([part.depth for part in kept])
    points = np.concatenate([part.points for part in kept])
    stem = points[depth <= depth.min() + 0.05 * np.ptp(depth)].mean(axis=0)
    lean = mean @ normal
    if abs(lean) < 0.1:  # wide open: away from the stem, or up
        lean = (points.mean(axis=0) - stem) @ normal / max(np.median(reach), 1e-12) + 0.2 * normal[2]
    normal *= np.sign(lean) or 1.0
    # of a wide open ring the mean is chance; of a deep one the plane is
    axis = mean + normal * np.clip(4.0 * (0.5 - np.linalg.norm(mean)), 0.0, 2.0)
    axis /= np.linalg.norm(axis)
    across = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    azimuth = np.sort(np.arctan2(out @ np.cross(axis, across), out @ across))
    gap = np.diff(np.append(azimuth, azimuth[0] + 2.0 * np.pi)).max()
    return _Ring(kept, middle, axis) if gap < GAP else None


def _meeting(parts: list[Part]) -> Reals:
    """(3,) the point that all are near to, in the middle of their nearest points."""
    points = np.concatenate([part.points for part in parts])
    starts = np.cumsum([0, *(len(part.points) for part in parts)])
    depth = np.concatenate([part.depth for part in parts])
    centre = points.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov((points - centre).T))
    tries = [points[depth <= np.quantile(depth, 0.03)].mean(axis=0), centre]
    tries += [centre + side * 1.8 * np.sqrt(values[k]) * axes[:, k] for k in range(3) for side in (-1.0, 1.0)]
    best, least = centre, np.inf
    size = np.median([part.size for part in parts])
    for middle in tries:
        for _ in range(12):
            gap = np.linalg.norm(points - middle, axis=1)
            nearest = np.array([a + gap[a:b].argmin() for a, b in pairwise(starts)])
            weight = 1.0 / (gap[nearest] + 0.1 * size)
            middle = weight @ points[nearest] / weight.sum()
        gap = np.linalg.norm(points - middle, axis=1)
        nearest = np.array([a + gap[a:b].argmin() for a, b in pairwise(starts)])
        # of two meeting points, feet and tips of a bud, the feet are nearer to the root
        late = (np.mean(depth[nearest]) - depth.min()) / max(np.ptp(depth), 1e-12)
        value = np.median(gap[nearest]) / size + 0.3 * late
        if value < least:
            best, least = middle, value
    return best
