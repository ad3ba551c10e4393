"""What a blade hangs on, and how: a leaf or a petal by a narrow foot at one of its ends, a lid or a seat along its rim.

A leaf has a base, often a stalk, and an apex that is free (Ellis et al., "Manual of Leaf Architecture", 2009); a petal
has a claw, and a limb that is free. What touches others in places far apart, along a whole side or all around is
neither, nor is what lies flat on the floor.
"""

import numpy as np
from scipy.spatial import cKDTree

from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Reals
from backend.geometry.charts import Part
from backend.geometry.fields import area_vectors
from backend.geometry.lattice import surface_samples

SPACING = 0.02  # of the samples that are measured, in sizes
TOUCHING = 0.04  # what is this much farther away than the nearest place touches too, in lengths of the blade
FAR = 0.3  # a blade farther than this from all others, in its lengths, hangs on none
NARROW = 0.34  # extent of the foot over the length of the blade, at most
TAPERED = 0.8  # the same over its width, of one that stands by itself
ROUND = 0.15  # how far the normals of a leaf are spread in all directions, at most: 1/3 on a ball, 0 on a rolled sheet
ASIDE = 0.25  # how far the middle of a blade is from its foot, in its lengths, at least


class Attachment:
    """How each of some blades is attached to what is none of them, and to the floor."""

    def __init__(self, anatomy: Anatomy, blades: list[Part]):
        body, self._held = anatomy.body, anatomy.held > 0.0
        owner = np.full(len(self._held), -1)
        for number, part in enumerate(blades):
            owner[part.chosen] = number
        whole = (owner[body.faces] == owner[body.faces[:, :1]]).all(axis=1)
        faces, of = body.faces[whole], owner[body.faces[whole, 0]]
        order = np.argsort(of, kind="stable")
        ends = np.searchsorted(of[order], np.arange(len(blades) + 1))
        self._vertices = body.vertices
        self._faces = {
            int(part.chosen[0]): faces[order[a:b]] for part, a, b in zip(blades, ends[:-1], ends[1:], strict=True)
        }
        others = faces[of < 0]
        self._tree = cKDTree(surface_samples(body.vertices, others, SPACING)[0]) if len(others) else None

    def hangs(self, part: Part) -> bool:
        """Whether a blade is attached to something, in one place that is narrow beside its length."""
        points = self._samples(part)
        foot = self._contact(points)
        return len(foot) > 0 and _extent(foot) < NARROW * _extent(points)

    def is_leaf(self, part: Part) -> bool:
        """Whether a blade hangs, or stands, on a narrow foot, and goes from there to one side. It may be rolled or
        folded, but what faces all sides is none: a flower and its stem in one skin."""
        if self._roundness(part) > ROUND:
            return False
        points, standing = self._samples(part), part.points[self._held[part.chosen]]
        foot, length = self._contact(points), _extent(points)
        if not len(foot):
            foot = standing
            if not len(foot) or _extent(foot) > TAPERED * _width(points):
                return False
        middle = foot.mean(axis=0)
        beside = np.linalg.norm(standing - middle, axis=1).max(initial=0.0)  # it lies on the floor
        away = float(np.linalg.norm(points.mean(axis=0) - middle))
        return max(_extent(foot), beside) < NARROW * length and away > ASIDE * length

    def _samples(self, part: Part) -> Reals:
        return surface_samples(self._vertices, self._faces[int(part.chosen[0])], SPACING)[0]

    def _roundness(self, part: Part) -> float:
        """The least of the mean squares of a blade's unit normals along any axis."""
        normals = area_vectors(self._vertices, self._faces[int(part.chosen[0])])
        areas = np.linalg.norm(normals, axis=1, keepdims=True)
        spread = np.divide(normals, areas, out=np.zeros_like(normals), where=areas > 0).T @ normals
        return float(np.linalg.eigvalsh(spread)[0] / max(areas.sum(), 1e-300))

    def _contact(self, points: Reals) -> Reals:
        """(K, 3) those of the points that touch others."""
        if self._tree is None:
            return points[:0]
        gap, length = self._tree.query(points)[0], _extent(points)
        return points[(gap < gap.min() + TOUCHING * length) & (gap.min() < FAR * length)]


def _extent(points: Reals) -> float:
    return float(np.linalg.norm(np.ptp(points, axis=0)))


def _width(points: Reals) -> float:
    """The second longest of the three extents."""
    axes = np.linalg.eigh(np.cov((points - points.mean(axis=0)).T))[1]
    return float(np.ptp(points @ axes[:, 1]))
