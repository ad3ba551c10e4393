"""The pot or vase that a plant stands in: by its shape alone, as artists model it with many vertices or few.

Only what can hardly be anything else is taken for one: it stands on the floor, is a hollow open above with a wall that
is thin and a bottom that it can stand on, or a solid whose top is a level floor within a rim, soil and all, and another
part stands in it that rises far out.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backend.geometry import fields
from backend.geometry.body import Body, Reals

Bools = NDArray[np.bool_]

SLENDER = 4.0  # of its width: what is taller than this is a stem, hollow or not
FLAT = 0.15  # of its width: what is lower than this is a plate
DEEP = 0.25  # of its height is the least depth of its hollow; an apple's dimple has less
LEVEL, LOWER, WIDE = 0.1, 0.06, 0.65  # a floor of soil: of the height how uneven at most and how far below the rim at
# least; and of the rim's radius how far out it goes at least
SHARP = 0.7  # of what is widest is the least radius of such a rim: the shoulders of a fruit are wider than its dimple
THIN = 0.3  # of the radius of its rim is the most that its wall may be thick
TALLER = 0.5  # of its height is the least by which something rises out of it
BAND = 0.12  # of its height is the rim
BROAD = 0.3  # of its rim's radius is the least of its bottom's: a cone for ice cream has less
GAP = np.radians(100.0)  # between two corners of a rim at most: those of a square are 90 degrees apart


class Hollow(NamedTuple):
    """A part that is hollow and open above, as a pot, a vase or a mug."""

    part: int  # its number
    middle: Reals  # (2,) of the rim
    half: Reals  # (2,) of its extent: a box for flowers is longer than wide
    radius: float  # of the rim, half way through the wall, where `half` counts 1
    outer: float  # the same, at most
    ground: float  # height of the bottom inside; of its foot where it is filled
    top: float
    height: float


def hollows(body: Body, labels: NDArray[np.int64], is_sheet: Bools) -> list[Hollow]:
    """The parts, of which `labels` (N,) are the numbers, that stand on the floor and could hold something."""
    vertices = body.vertices
    low, top = np.full((2, labels.max() + 1, 3), np.inf)
    np.minimum.at(low, labels, vertices)
    np.minimum.at(top, labels, -vertices)
    size = -top - low
    height, width = size[:, 2], size[:, :2].max(axis=1)
    standing = low[:, 2] <= fields.ROOT_HEIGHT * np.ptp(vertices[:, 2])
    upright = (height > FLAT * width) & (height < SLENDER * width)
    standing[labels[is_sheet]] = False
    owner = labels[body.faces[:, 0]]
    found = [_hollow(int(part), vertices, body.faces[owner == part]) for part in np.flatnonzero(standing & upright)]
    return [hollow for hollow in found if hollow is not None]


def vessels(body: Body, labels: NDArray[np.int64], found: list[Hollow]) -> Bools:
    """(N,) True in those of the hollows `found` that something grows out of; in what lies in these and does not rise,
    as soil and water; and in what goes round them, as a saucer."""
    chosen = np.zeros(len(labels), bool)
    for hollow in found:
        chosen |= _with_contents(body.vertices, labels, labels == hollow.part, hollow)
    return chosen


def _hollow(part: int, vertices: Reals, faces: NDArray[np.int32]) -> Hollow | None:
    """The hollow that this part, of these faces, is; None where it is none."""
    corner = vertices[faces]
    # a flat lid of few triangles has no vertex in its middle
    points = np.concatenate([vertices[np.unique(faces)], *(0.5 * (corner[:, k] + corner[:, k - 1]) for k in range(3))])
    low, top = points[:, 2].min(), points[:, 2].max()
    height = top - low
    rim = points[:, 2] > top - BAND * height
    least, most = points[rim, :2].min(axis=0), points[rim, :2].max(axis=0)
    middle, half = 0.5 * (most + least), np.maximum(0.5 * (most - least), 1e-12)
    arm = (points[:, :2] - middle) / half
    reach = np.linalg.norm(arm, axis=1)
    radius, outer = float(np.median(reach[rim])), float(reach[rim].max())
    within = points[reach < 0.5 * radius, 2]
    bottom = reach[points[:, 2] < low + BAND * height].max()
    if not _around(arm[rim]) or not len(within) or bottom < BROAD * radius:
        return None
    empty = within.min() < low + 0.5 * height and within.max() < top - DEEP * height
    if empty:
        empty = _wall(corner, _open_above(vertices, faces, top - BAND * height)) < THIN * radius * half.min()
    sharp = radius > SHARP * reach.max()
    if not empty and not (sharp and _filled(reach / radius, (points[:, 2] - low) / height)):
        return None
    ground = float(within.max()) if empty else float(low)  # what grows in soil is rooted below its top
    return Hollow(part, middle, half, radius, outer, ground, float(top), float(height))


def _filled(reach: Reals, height: Reals) -> bool:
    """Whether points (P,) at so many radii of the rim from the middle, and heights from 0 to 1, have a level floor
    within the rim."""
    above = height[(reach < 0.5) & (height > 0.3)]
    if not len(above) or np.ptp(above) > LEVEL or above.max() > 1.0 - LOWER:
        return False
    return bool(reach[np.abs(height - above.max()) < LEVEL].max() > WIDE)


def _around(arm: Reals) -> bool:
    """Whether points (P, 2) go all the way round the origin."""
    azimuth = np.sort(np.arctan2(arm[:, 1], arm[:, 0]))
    return bool(np.diff(np.append(azimuth, azimuth[0] + 2.0 * np.pi)).max() < GAP)


def _open_above(vertices: Reals, faces: NDArray[np.int32], height: float) -> bool:
    """Whether the surface ends in a rim above this height, as a pot's does whose wall has no thickness."""
    edge = fields.rim(faces)
    ends = vertices[edge]
    return bool(len(edge)) and bool((ends[:, :, 2] > height).all(axis=1).mean() > 0.5)


def _wall(corner: Reals, is_open: bool) -> float:
    """How thick a wall is on average, of triangles (F, 3, 3): its volume over the area of one side of it."""
    if is_open:
        return 0.0
    corner = corner - corner.mean(axis=(0, 1))
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    volume = abs(np.einsum("fi,fi->", corner[:, 0], normal)) / 6.0
    return 4.0 * volume / max(float(np.linalg.norm(normal, axis=1).sum()), 1e-300)


def _with_contents(vertices: Reals, labels: NDArray[np.int64], part: Bools, hollow: Hollow) -> Bools:
    """(N,) the part, what lies in it and what goes round it; nothing where nothing rises out of it."""
    arm, z = (vertices[:, :2] - hollow.middle) / hollow.half, vertices[:, 2]
    reach = np.linalg.norm(arm, axis=1)
    count = labels.max() + 1
    slack = 0.02 * hollow.height
    inside = ~part & (reach < hollow.outer) & (z < hollow.top) & (z > hollow.ground - slack)
    rising = np.bincount(labels, ~part & (z > hollow.top + TALLER * hollow.height), minlength=count) > 0
    grows = np.bincount(labels, inside & (reach < hollow.radius), minlength=count) > 0
    if not (rising & grows).any():
        return np.zeros(len(part), bool)
    below = np.bincount(labels, z > hollow.top + BAND * hollow.height, minlength=count) == 0
    kept = np.bincount(labels, ~inside, minlength=count) == 0
    for label in np.flatnonzero(below & ~kept):
        kept[label] = _around(arm[labels == label])
    return part | kept[labels]
