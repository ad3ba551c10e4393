"""Solids that come to touch themselves or each other: what is about to pass through goes on as one piece.

Around each place where a step would take the surface through itself, the lattice moves by one affine map, fitted to
where it wants to go, and more and more as it likes farther away. An affine map makes no crossings, and what turns,
shrinks or falls together goes on doing so. After the rigid impact zones of Provot, "Collision and self-collision
handling in cloth model dedicated to design garments" (1997).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from backend.geometry.body import Reals
from backend.geometry.crossings import Crossings
from backend.geometry.fields import smoothstep

CORE, REACH = 1.75, 4.0  # cells around a crossing: what moves as one, and where that ends
TRIES = 0.2, 0.5, 1.0, 1.0, 1.0, 1.0  # how much so, while more and more is found to cross
LOOKED_AT = 20_000  # triangles that are looked through in each step; of more, not in every step


class Zones:
    """Keeps the surface that a lattice of M nodes carries, N vertices by `follow` (N, M), out of itself, at the end of
    each step and as far as its TRIES reach; what crosses even then is left, for the certificate to tell."""

    def __init__(self, rest: Reals, faces: NDArray, follow: csr_matrix, cell: float):
        self._crossings, self._follow, self._cell = Crossings(rest, faces), follow, cell
        self.every = next((k for k in (1, 2, 3, 4, 6) if len(faces) <= k * LOOKED_AT), 8)  # steps
        self._age = 0
        self._clear: Reals | None = None  # (M, 3) where the nodes were when it was last looked

    def kept_apart(self, before: Reals, after: Reals) -> Reals:
        """(M, 3) the end of a step of the nodes (M, 3): `after`, unless the surface would then cross itself."""
        if self._clear is None:
            self._clear = before
        self._age += 1
        if self._age % self.every:
            return after
        moved, touching = after, np.zeros(0, np.int64)
        for share in TRIES:
            found = self._crossings.corners(self._follow @ moved)
            if not len(found):
                break
            touching = np.union1d(touching, found)
            moved = self._together(self._clear, after, touching, share)
        self._clear = moved
        return moved

    def _together(self, before: Reals, after: Reals, touching: NDArray, share: float) -> Reals:
        points = self._follow[touching] @ before
        reach = REACH * self._cell
        pairs = cKDTree(points).query_pairs(reach, output_type="ndarray")
        joined = coo_matrix((np.ones(len(pairs)), tuple(pairs.T)), shape=(len(points),) * 2)
        zone = connected_components(joined, directed=False)[1]
        most, total, shift = np.zeros(len(before)), np.zeros(len(before)), np.zeros_like(before)
        for number in range(zone.max() + 1):
            gap = cKDTree(points[zone == number]).query(before, distance_upper_bound=reach)[0]
            near = 1.0 - smoothstep((np.minimum(gap, reach) / self._cell - CORE) / (REACH - CORE))
            inside = near > 0.0
            weight = near[inside]
            shift[inside] += weight[:, None] * (_affine(before[inside], after[inside], weight) - after[inside])
            most, total = np.maximum(most, near), total + near
        moved = after + share * (most / np.maximum(total, 1e-12))[:, None] * shift
        moved[:, 2] = np.maximum(moved[:, 2], 0.0)
        return moved


def _affine(before: Reals, after: Reals, weight: Reals) -> Reals:
    """(P, 3) where the affine map nearest to the motion of points, before and after (P, 3), would take them."""
    one, other = (np.average(x, axis=0, weights=weight) for x in (before, after))
    arm = before - one
    weighted = weight[:, None] * arm
    map_of = np.linalg.lstsq(weighted.T @ arm, weighted.T @ (after - other), rcond=None)[0]
    moved = other + arm @ map_of
    moved[:, 2] += max(0.0, -moved[weight == 1.0, 2].min(initial=0.0))  # as a whole: flattened it would cross
    return moved
