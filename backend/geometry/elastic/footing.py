"""Where the root is, and how it grows."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from backend.geometry import fields
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Reals
from backend.geometry.rest import Rest


class Footing:
    """Where the root is. What the artist pinned stays exactly; a foot that was found by itself stands where it stood,
    and grows and shrinks with the rest.

    label (N,) the foot, a connected patch of the root, that each vertex belongs to; -1: none.
    """

    def __init__(self, anatomy: Anatomy):
        body, held = anatomy.body, anatomy.held > 0.0
        found = held & (body.weight > 0.0) & (not body.pin.any())
        sides = fields.edges(body.faces)
        patch = fields.components(len(found), sides[found[sides].all(axis=1)])
        self.label = np.where(found, patch, -1)
        used, compact = np.unique(self.label[found], return_inverse=True)
        self.label[found] = compact
        self._members = np.flatnonzero(found)
        self._vertices = body.vertices[found]
        self._count = np.bincount(compact, minlength=len(used))
        sums = [np.bincount(compact, column, minlength=len(used)) for column in body.vertices[found].T]
        self._middle = np.stack(sums, axis=1).reshape(-1, 3) / self._count[:, None]
        self._middle[:, 2] = 0.0
        self._size = np.ones(len(used))

    def near(self, points: Reals, reach: float) -> NDArray[np.int64]:
        """(P,) the nearest foot within `reach` of each of the points (P, 3); -1 where there is none."""
        if not len(self._members):
            return np.full(len(points), -1)
        found = cKDTree(self._vertices).query(points, distance_upper_bound=reach)[1]
        return np.append(self.label[self._members], -1)[found]

    def follow(self, rest: Rest) -> None:
        """The feet grow as much as the rest state says, across, on average."""
        label = self.label[self._members]
        self._size = np.bincount(label, rest.across[self._members], minlength=len(self._count)) / self._count

    def carry(self, points: Reals, label: NDArray) -> Reals:
        """(P, 3) points at rest, taken along by the foot each belongs to, (P,)."""
        standing = label >= 0
        moved, foot = points.copy(), label[standing]
        middle = self._middle[foot]
        moved[standing] = middle + self._size[foot, None] * (points[standing] - middle)
        return moved
