"""The affine motion of a surface around each of its vertices, from the edges that meet there and the normal.

For a vertex with edges e at rest and e' now, and normals n and n', A minimises |A e - e'|^2 summed over its edges and
the normal (after Sumner et al., "Embedded deformation for shape manipulation", SIGGRAPH 2007, which solves for A).
"""

import numpy as np
from numpy.typing import NDArray

from backend.geometry.body import Reals
from backend.geometry.fields import area_vectors, edges

STILL = 1e-12  # of the square of the body's size: where all edges lie on a line, what does not move across it


class Stars:
    """N vertices (N, 3) at rest, joined by triangles (F, 3)."""

    def __init__(self, vertices: Reals, faces: NDArray):
        self.sides = edges(faces)  # (E, 2)
        self._faces, self._count = faces, len(vertices)
        a, b = self.sides.T
        self._step = vertices[b] - vertices[a]
        self._normal = self._normals(vertices)
        own = self._gathered(self._step[:, :, None] * self._step[:, None, :])
        own += self._normal[:, :, None] * self._normal[:, None, :]
        self._inverse = np.linalg.inv(own + STILL * np.eye(3))

    def affine(self, moved: Reals) -> Reals:
        """(N, 3, 3) where the vertices are at `moved` (N, 3). What lies along the normal grows as the surface does."""
        a, b = self.sides.T
        cross = self._gathered((moved[b] - moved[a])[:, :, None] * self._step[:, None, :])
        cross += self._normals(moved)[:, :, None] * self._normal[:, None, :]
        return (cross + STILL * np.eye(3)) @ self._inverse

    def _normals(self, points: Reals) -> Reals:
        """(N, 3) of the length of the edges there, so that an edge and the normal weigh the same."""
        normal = 2.0 * area_vectors(points, self._faces)
        ends = self._faces.ravel()
        columns = [np.bincount(ends, np.repeat(column, 3), minlength=self._count) for column in normal.T]
        total = np.stack(columns, axis=1)
        size = np.maximum(np.linalg.norm(total, axis=1), 1e-30)
        return total / np.sqrt(size)[:, None]

    def _gathered(self, values: Reals) -> Reals:
        """(N, 3, 3) sums over the edges of each vertex, from (E, 3, 3)."""
        a, b = self.sides.T
        columns = values.reshape(len(values), -1).T
        total = [np.bincount(a, c, minlength=self._count) + np.bincount(b, c, minlength=self._count) for c in columns]
        return np.stack(total, axis=1).reshape(self._count, 3, 3)
