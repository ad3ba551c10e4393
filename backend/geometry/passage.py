"""What passes through what between two shapes: edges and triangles, by rims too, and of sheets that roll up.

Two surfaces that cross do so where an edge of one goes through a triangle of the other. Where it did not before, either
an end of the edge has passed through the triangle meanwhile, or the edge through one of its three. So the later shape
tells which few pairs to look at, and no boxes around motions are needed.
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, diags
from scipy.sparse.csgraph import connected_components

from backend.geometry import fields
from backend.geometry.body import Reals
from kernels import impacts
from kernels.piercings import piercings, tree


class Pairs(NamedTuple):
    """K pairs of a vertex and a triangle or of two edges, as in `kernels.impacts`; on the side that they belong to
    where apart . sum(weights * points) is positive."""

    points: NDArray[np.int64]  # (K, 4)
    kind: NDArray[np.int64]  # (K,)
    weights: Reals  # (K, 4)
    apart: Reals  # (K, 3) of length 1

    def chosen(self, which: NDArray) -> Self:
        return Pairs(*(values[which] for values in self))

    def joined(self, other: Self) -> Self:
        return Pairs(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))

    def unique(self) -> Self:
        """Each once, as it was named last."""
        named = np.concatenate([self.kind[:, None], self.points], axis=1)[::-1]
        return self.chosen(len(named) - 1 - np.unique(named, axis=0, return_index=True)[1])

    def way(self, x: Reals) -> Reals:
        """(K, 3) from one to the other in the shape x (N, 3)."""
        return np.einsum("kp,kpi->ki", self.weights, x[self.points])


class Places(NamedTuple):
    """Where surfaces cross in some shape."""

    number: NDArray[np.int64]  # (N,) of the place that a vertex belongs to; -1: none
    couples: NDArray[np.int64]  # of parts that cross, sorted


NONE = Pairs(np.zeros((0, 4), np.int64), np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros((0, 3)))


class Passage:
    """N vertices and F triangles, of which a solver moves some; the others may pass through each other."""

    def __init__(self, rest: Reals, faces: NDArray[np.int64], moved: NDArray[np.bool_]):
        """rest (N, 3), faces (F, 3), moved (N,)."""
        self._rest, self._faces = rest, faces
        self.edges = fields.edges(faces)
        self._soft_edges, self._soft_faces = moved[self.edges].any(axis=1), moved[faces].any(axis=1)
        self._seen, self._found = np.zeros((0, 3)), np.zeros((0, 5), np.int64)  # the last shape, and where it crosses
        self._tree = tree(rest, self.edges, faces)
        ends = np.maximum(np.bincount(self.edges.ravel(), minlength=len(rest)), 1)
        length = np.linalg.norm(rest[self.edges[:, 0]] - rest[self.edges[:, 1]], axis=1)
        self.local = np.bincount(self.edges.ravel(), np.repeat(length, 2), minlength=len(rest)) / ends  # (N,)
        a, b = self.edges.T
        near = coo_matrix((np.ones(len(a)), (a, b)), shape=(len(rest),) * 2)
        self.near = (near + near.T).tocsr()  # (N, N) neighbours
        self._part = connected_components(self.near, directed=False)[1].astype(np.int64)

    def places(self, x: Reals) -> Places:
        """Where surfaces cross in the shape x (N, 3)."""
        crossing = self._crossing(x)
        count = len(x)
        if not len(crossing):
            return Places(np.full(count, -1), np.zeros(0, np.int64))
        inside = np.zeros(count, bool)
        inside[crossing] = True
        rows, columns = np.repeat(crossing[:, :1], 4, axis=1).ravel(), crossing[:, 1:].ravel()
        across = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
        along = diags(inside.astype(float)) @ self.near @ diags(inside.astype(float))
        number = np.where(inside, connected_components(across + along, directed=False)[1], -1)
        return Places(number, np.unique(self._couple(crossing)))

    def _couple(self, points: NDArray[np.int64]) -> NDArray[np.int64]:
        """(K,) a number for the two parts that each edge and triangle, points (K, 5), are of."""
        a, b = self._part[points[:, 0]], self._part[points[:, 2]]
        return np.minimum(a, b) * (self._part.max() + 1) + np.maximum(a, b)

    def between(self, last: Reals, x: Reals, places: Places, changed: NDArray[np.bool_] | None = None) -> Pairs:
        """What has met on the way from `last` (N, 3) to x (N, 3), and crosses there.

        places: of `last`, where two parts that cross already may go on crossing, and slide.
        changed (N,): the vertices about which it is asked; all if it is not given.
        """
        points = self._crossing(x, changed)
        number = places.number[points]
        there = (number[:, 0] >= 0) & (number == number[:, :1]).all(axis=1)
        points = points[~(there & np.isin(self._couple(points), places.couples))]
        edge, face = points[:, :2], points[:, 2:]
        ends = [np.concatenate([edge[:, [end]], face], axis=1) for end in range(2)]
        sides = [np.concatenate([edge, np.sort(face[:, [k, (k + 1) % 3]], axis=1)], axis=1) for k in range(3)]
        points = np.concatenate(ends + sides)
        kind = np.repeat([impacts.VERTEX, impacts.EDGE], [2 * len(edge), 3 * len(edge)])
        table = np.unique(np.concatenate([kind[:, None], points], axis=1), axis=0)
        kind, points = table[:, 0].copy(), np.ascontiguousarray(table[:, 1:])
        met = impacts.impacts(last, x, points, kind)
        return Pairs(points, kind, met.weights, met.apart).chosen(met.time <= 1.0)

    def gap(self, pairs: Pairs) -> Reals:
        """(K,) how far from each other the points of each pair are at rest."""
        return np.linalg.norm(pairs.way(self._rest), axis=1)

    def _crossing(self, x: Reals, changed: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """(K, 5) ends of each edge, and corners of the triangle that it goes through in the shape x (N, 3).

        Each shape is searched once: the end of a step is asked about by what solves, what holds back and what settles.
        """
        if changed is None:
            if not np.array_equal(x, self._seen):
                self._seen, self._found = x.copy(), self._searched(x)
            return self._found
        found = self._searched(x, changed)
        if np.array_equal(x[~changed], self._seen[~changed]):
            kept = ~changed[self._found].any(axis=1)
            self._seen, self._found = x.copy(), np.concatenate([self._found[kept], found])
        return found

    def _searched(self, x: Reals, changed: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        edges, faces = self._soft_edges, self._soft_faces
        anywhere = np.ones(len(faces), bool)
        asked = [(edges, anywhere), (~edges, faces)]
        if changed is not None:
            new, beside = changed[self.edges].any(axis=1), changed[self._faces].any(axis=1)
            asked = [(asking & new, chosen) for asking, chosen in asked]
            asked += [(edges & ~new, beside), (~edges & ~new, faces & beside)]
        found = [piercings(x, self.edges, self._faces, self._tree, *pair) for pair in asked if all(map(np.any, pair))]
        edge, face = np.concatenate([np.zeros((0, 2), np.int64), *found]).T
        return np.concatenate([self.edges[edge], self._faces[face]], axis=1)
