"""Where the flowers of a body are: blades that stand in a ring about a common middle, and how each lies in itself.

A *flower* is three or more blades (`backend.geometry.organs`) about one axis, or a single one that goes all the way
round it (`backend.geometry.corolla`). It opens away from its stem, wherever it faces.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from backend.geometry.anatomy import Anatomy
from backend.geometry.attachment import Attachment
from backend.geometry.body import Reals
from backend.geometry.charts import Blade, Charts, Part
from backend.geometry.corolla import Corolla, corolla
from backend.geometry.fields import components, unit
from backend.geometry.organs import Organs

NEAR = 0.15  # blades nearer than this, in their own sizes, may be of one flower
ROSETTE = 0.6  # share of a plant's leaves that must be in a ring for them to be one
HEAD = 0.3  # feet nearer than this, in sizes of a blade, are of one head
GAP = np.radians(165.0)  # the largest gap in a ring
INNER, SHORT = 0.7, 0.4  # reach of the feet over the reach of the tips, at most: of petals, of a rosette of leaves
LEANING = 0.35  # mean rise of the blades of a ring from which on it opens the way that they rise
NESTED = 0.4  # how near the middle of a flower in another one is to that one's, in its reach
PARALLEL = np.cos(np.radians(40.0))  # how parallel they are at least


@dataclass(frozen=True, eq=False)
class Flower:
    """Blades about an axis. A flower whose `round` is True is one blade that goes all the way round."""

    middle: Reals  # (3,) where the blades meet
    axis: Reals  # (3,) unit, the way it opens
    blades: tuple[Blade, ...]
    round: bool = False

    def frame(self) -> Reals:
        """(3, 3) rows: two axes across, then the flower's own."""
        return np.stack([*_across(self.axis), self.axis])

    def local(self, points: Reals) -> tuple[Reals, Reals, Reals]:
        """Radius, azimuth and height of points (P, 3) in its frame."""
        x, y, z = ((points - self.middle) @ self.frame().T).T
        return np.hypot(x, y), np.arctan2(y, x), z

    def world(self, radius: Reals, azimuth: Reals, height: Reals) -> Reals:
        """(P, 3) the inverse of `local`."""
        flat = np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), height], axis=1)
        return self.middle + flat @ self.frame()


@dataclass(frozen=True, eq=False)
class _Ring:
    parts: list[Part]
    middle: Reals
    axis: Reals
    cup: Corolla | None = None  # the one part, where it goes all the way round

    @property
    def reach(self) -> float:
        return float(np.median([np.linalg.norm(part.points - self.middle, axis=1).max() for part in self.parts]))

    @property
    def leafy(self) -> bool:
        return bool(np.mean([part.green for part in self.parts]) > 0.5)


def flowers(anatomy: Anatomy) -> tuple[list[Flower], list[Blade]]:
    """The flowers, and the leaves that are in none: or any blades, where the artist chose what takes part."""
    organs = Organs(anatomy)
    attachment = Attachment(anatomy, organs.blades)
    chosen = bool((anatomy.body.weight <= 0.0).any())
    rings, rest = [], []
    pots = anatomy.vessel | np.isin(anatomy.labels, [hollow.part for hollow in anatomy.hollows])
    for part in organs.blades:
        if pots[part.chosen[0]]:
            continue
        found = corolla(part, anatomy)
        if found is None:
            rest.append(part)
        elif found.petals:
            rings.append(_Ring(found.petals, found.middle, found.axis))
        elif chosen or found.part.welded or attachment.hangs(part):
            rings.append(_Ring([found.part], found.middle, found.axis, found))
        else:
            rest.append(part)  # a bowl, a sheet of paper, the icing of a cake
    whole = len(rings)
    rings += [ring for group in _near(rest) for ring in _rings(group, organs)]
    rings = _whole(_without_leaves(rings, rings[whole:], len(rest), organs))

    used = {id(part) for ring in rings for part in ring.parts}
    alone = [part for part in rest if id(part) not in used and (chosen or attachment.is_leaf(part))]
    chart = Charts(anatomy, [part for ring in rings for part in ring.parts] + alone)
    found = [_flower(ring, chart) for ring in rings]
    up = np.array([0.0, 0.0, 1.0])
    return found, [chart.blade(part, part.depth <= part.depth.min() + 0.05 * np.ptp(part.depth), up) for part in alone]


def _flower(ring: _Ring, chart: Charts) -> Flower:
    if ring.cup is not None:
        empty = Flower(ring.middle, ring.axis, (), round=True)
        azimuth = empty.local(ring.cup.part.points)[1]
        return replace(empty, blades=(chart.around(ring.cup.part, ring.cup.foot, azimuth),))
    blades = []
    for part in ring.parts:
        away = np.linalg.norm(part.points - ring.middle, axis=1)
        foot = chart.seam[part.chosen]
        if foot.any():
            part = replace(part, welded=True)
        else:
            foot = part.way <= 0.06 * part.way.max() if part.welded else away <= away.min() + 0.06 * np.ptp(away)
        blades.append(chart.blade(part, foot, ring.axis))
    return Flower(ring.middle, ring.axis, tuple(blades))


def _without_leaves(rings: list[_Ring], loose: list[_Ring], leaves: int, organs: Organs) -> list[_Ring]:
    """Leaves are a rosette only where there is no flower: they are green, or their stem goes on through them."""
    petals = [ring for ring in rings if not ring.leafy]
    if petals:
        ends = [ring for ring in petals if not _pierced(ring, organs)]
        return ends or petals
    if any(ring.cup for ring in rings):
        return rings
    ends = [ring for ring in rings if not _pierced(ring, organs)]
    some = max((len(ring.parts) for ring in loose), default=0) < ROSETTE * leaves  # some leaflets of many
    return [] if some else ends or rings


def _pierced(ring: _Ring, organs: Organs) -> bool:
    """Whether a stem goes on from the middle of a ring to far above it."""
    reach = ring.reach
    height, owner = _on_axis(ring.middle, ring.axis, organs, 1.5 * reach)
    return bool(np.isin(owner[height < 0.2 * reach], owner[height > 1.05 * reach]).any())


def _whole(rings: list[_Ring]) -> list[_Ring]:
    """Of flowers in one another, as the trumpet of a daffodil in its petals, the largest: what is inside goes along.
    What goes round another axis in a flower, or about another middle, is a rolled petal of it."""
    kept: list[_Ring] = []
    for ring in sorted(rings, key=lambda ring: -ring.reach):
        apart = [float(np.linalg.norm(ring.middle - other.middle)) / other.reach for other in kept]
        inside = [
            other for other, gap in zip(kept, apart, strict=True) if gap < NESTED and ring.axis @ other.axis > PARALLEL
        ]
        about = [other for other, gap in zip(kept, apart, strict=True) if gap < 1.0 and not other.cup]
        if not inside and about and ring.cup and not ring.cup.part.welded:
            about[0].parts.append(ring.cup.part)
        elif not inside:
            kept.append(ring)
    return [ring for ring in rings if any(ring is one for one in kept)]


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


def _rings(parts: list[Part], organs: Organs, heads: bool = True) -> list[_Ring]:
    """The rings in a group: itself, or what is found where its feet come together, or in either half of it."""
    if len(parts) < 3:
        return []
    if heads and len(organs.points):
        found = [_ring(head, organs) for head in _heads(parts) if len(head) > 2]
        found = [head for head in found if head is not None]
        if len(found) > 1 and sum(len(head.parts) for head in found) > 0.8 * len(parts):
            return found
    ring = _ring(parts, organs)
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
    halves = [[part for part, s in zip(parts, side, strict=True) if s == k] for k in (0, 1)]
    return [ring for half in halves for ring in _rings(half, organs, heads=False)]


def _heads(parts: list[Part]) -> list[list[Part]]:
    """The blades of a group by where they are attached: those whose feet are next to each other are together."""
    feet = np.array([part.points[np.argmin(part.way)] for part in parts])
    close = HEAD * np.median([part.size for part in parts])
    pairs = cKDTree(feet).query_pairs(close, output_type="ndarray")
    head = components(len(parts), pairs)
    together = [np.flatnonzero(head == one) for one in range(head.max() + 1)]
    # feet in a long row are a piece of one broad ring
    return [[parts[k] for k in one] for one in together if np.ptp(feet[one], axis=0).max() < 1.5 * close]


def _ring(parts: list[Part], organs: Organs) -> _Ring | None:
    middle = _meeting(parts)
    away = [np.linalg.norm(part.points - middle, axis=1) for part in parts]
    foot, reach = np.array([a.min() for a in away]), np.array([a.max() for a in away])
    near = (foot <= 2.0 * np.median(foot) + 0.15 * np.median(reach)) & (reach <= 3.0 * np.median(reach))
    if near.sum() < 3 or near.sum() < 0.6 * len(parts):
        return None
    kept = [part for part, n in zip(parts, near, strict=True) if n]
    leafy = np.mean([part.green for part in kept]) > 0.5
    if np.median(foot[near]) > (SHORT if leafy else INNER) * np.median(reach[near]):
        return None
    size = np.array([part.size for part in kept])
    if np.mean(np.abs(np.log(size / np.median(size))) < np.log(2.5)) < 0.7:
        return None
    feet = np.array([
        part.points[a <= a.min() + 0.06 * np.ptp(a)].mean(axis=0)
        for part, a, n in zip(parts, away, near, strict=True) if n
    ])  # fmt: skip
    axis, middle = _mirrored(kept, feet, middle, organs.normals)
    out = unit(np.array([part.middle for part in kept]) - feet)
    axis = axis * _opening(axis, middle, out, organs, float(np.median(reach)))
    first, second = _across(axis)
    from_middle = np.array([part.middle for part in kept]) - middle
    azimuth = np.sort(np.arctan2(from_middle @ second, from_middle @ first))
    gap = np.diff(np.append(azimuth, azimuth[0] + 2.0 * np.pi)).max()
    return _Ring(kept, middle, axis) if gap < GAP else None


def _mirrored(parts: list[Part], feet: Reals, middle: Reals, normals: Reals) -> tuple[Reals, Reals]:
    """The axis, either way, and the middle of a ring: what lies in the planes that halve its blades lengthwise."""
    aside, weight = [], []
    for part, foot in zip(parts, feet, strict=True):
        facing = normals[part.chosen]  # of a narrow blade that is bent far its thinnest extent is not across it
        normal = np.cross(part.middle - foot, np.linalg.eigh(facing.T @ facing)[1][:, 2])
        length = np.linalg.norm(normal)
        aside.append(normal / max(length, 1e-12))
        weight.append(length)
    aside, weight = np.array(aside), np.array(weight)
    spread = np.einsum("p,pi,pj->ij", weight, aside, aside) / max(weight.sum(), 1e-12)
    axis = np.linalg.eigh(spread)[1][:, 0]
    # across the axis the middle is where the planes meet; along it, where the feet are
    firm = 0.02 * np.eye(3) / len(parts)
    pull = np.einsum("p,pi,pj,pj->i", weight, aside, aside, feet - middle) / max(weight.sum(), 1e-12)
    found = middle + np.linalg.solve(spread + firm, pull)
    return axis, found + ((feet - found) @ axis).mean() * axis


def _opening(axis: Reals, middle: Reals, out: Reals, organs: Organs, reach: float) -> float:
    """1 where a ring opens along its axis, -1 where it opens the other way. `out` (P, 3) the ways its blades go."""
    lean = float(out.mean(axis=0) @ axis)
    if abs(lean) < LEANING:  # wide open: away from its stem
        height, _ = _on_axis(middle, axis, organs, 0.8 * reach)
        longer = height.max(initial=0.0) + height.min(initial=0.0)
        lean = -longer if abs(longer) > 0.15 * reach else lean + 0.2 * axis[2]
    return float(np.sign(lean)) or 1.0


def _on_axis(middle: Reals, axis: Reals, organs: Organs, reach: float) -> tuple[Reals, Reals]:
    """Of what is no blade, about an axis within `reach` of its middle: heights along it, and which part each is of."""
    near = organs.nearest(middle, reach)
    away = organs.points[near] - middle
    height = away @ axis
    slim = np.linalg.norm(away - height[:, None] * axis, axis=1) < 0.35 * np.abs(height) + 0.1 * reach
    return height[slim], organs.owner[near[slim]]


def _across(axis: Reals) -> tuple[Reals, Reals]:
    """Two unit vectors across a unit axis, right-handed with it."""
    first = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    first /= np.linalg.norm(first)
    return first, np.cross(axis, first)


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
