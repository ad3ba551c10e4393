"""Contact of a sheet in motion with itself, with other sheets, and with what is given, as springs for its solver.

    springs = contact.springs(before, MARGIN)      what may touch in this step: (N, 3), the whole body
    ... the solver minimises its energy and theirs, asks contact.springs(after) for what it has passed through
    ... meanwhile, joins these to the others, and goes on; twice or so
    contact.settle(after, rest)                    where it came to

Each contact is a term of the local-global energy, stiffness / 2 max(least - depth, 0)^2, whose Hessian joins the matrix
(as in Ly et al., "Projective dynamics with dry frictional contact", SIGGRAPH 2020, but without friction). Sides are
remembered (`kernels.sides`), so that what has passed through is known for it.

What was tried before, and why not: paths cut short before they touch (as in incremental potential contact) hold back
whole flowers, because where petals lie close all paths are cut; projections of single vertices after a step crumple
sheets, as the solver does not know of them; and to solve without contact first, and to part then, lets sheets store
the energy of all steps, so that they come through deeper each time. Two more things keep it stable: where a sheet
touches, it takes on the curvature that it has (`Sheets`), for a fold that cannot become what it wishes would push ever
harder; and where contact tears a sheet all the same, it lets go, for good.
"""

from copy import copy
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, vstack

from backend.geometry import fields
from backend.geometry.body import Reals
from backend.geometry.volume import connected
from kernels import sides

PATCHES = (
    0.12,
    0.24,
    0.5,
)  # sizes of the body: cells of the grid by which surfaces are cut; the first that is not too fine
NOTED = 2 * 10**7  # vertices times patches, of which 9 bytes each are kept; a body of more has no contact
RINGS = 2  # of twice as many patches around its own that a vertex does not touch
REACH = 0.03  # sizes: how far two surfaces may come through each other within a step
MARGIN = 0.004  # sizes: what is nearer than this to touching when a step begins may touch before it ends
DEEPEST = 0.01  # sizes: what lies deeper is pushed no harder than this
SLACK = 0.5  # share of its distance at rest that a near pair keeps
FINE = 0.5  # thickness, in edge lengths, at most
TORN = 1.3  # an edge this much longer than it has grown, or shorter, is torn or crushed
ATTACHED = 1e-6  # sizes: what lies nearer than this at rest belongs together


class Springs(NamedTuple):
    """K contacts of C vertices, each kept if apart . (jacobian @ x + given) >= least."""

    jacobian: csr_matrix  # (K, C)
    given: Reals  # (K, 3) the part of vertices that the solver does not move
    apart: Reals  # (K, 3) of length 1
    least: Reals  # (K,)

    def joined(self, other: Self | None) -> Self:
        if other is None:
            return self
        arrays = (np.concatenate(pair) for pair in zip(self[1:], other[1:], strict=True))
        return Springs(vstack([self.jacobian, other.jacobian]).tocsr(), *arrays)

    def force(self, x: Reals) -> Reals:
        """(C, 3) the gradient of their energy at x (C, 3), of stiffness 1."""
        lacking = np.clip(self.lacking(x), 0.0, DEEPEST)
        return -(self.jacobian.T @ (lacking[:, None] * self.apart))

    def lacking(self, x: Reals) -> Reals:
        """(K,) by how much each is nearer than it may be at x (C, 3); below 0: farther."""
        return self.least - np.einsum("ki,ki->k", self.apart, self.jacobian @ x + self.given)

    def matrix(self) -> csr_matrix:
        """(C, C) no smaller than the Hessian of their energy, of stiffness 1, in each coordinate."""
        return self.jacobian.T @ self.jacobian


class Contact:
    """A body of N vertices and F triangles, of which a solver moves some."""

    def __init__(
        self, rest: Reals, faces: NDArray, thickness: float, moved: NDArray[np.bool_], free: NDArray[np.bool_]
    ):
        """rest (N, 3), faces (F, 3); moved (N,) what the solver moves; free (N,) touch nothing by themselves.

        thickness is the distance that surfaces keep, less where they lie nearer at rest or triangles are smaller.
        """
        self._faces, self._moved = faces.astype(np.int64), moved
        self._edges = fields.edges(self._faces)
        self._lengths = np.maximum(self._long(rest), 1e-12)
        self._column = np.where(moved, np.cumsum(moved) - 1, -1)
        self._torn = np.zeros(len(rest), bool)
        patch = _patches(rest, self._edges)
        self.none = patch is None  # as of a heap of thousands of scraps
        if patch is None:
            return
        members, near = _widened(self._faces, patch)
        self._trees = sides.forest(rest, self._faces, members)
        self._own = np.where(free, -1, patch), near
        self._memory = sides.memory(self._room(rest, thickness))
        self._remember(rest)

    def springs(self, x: Reals, margin: float = 0.0) -> Springs | None:
        """What touches in the shape x (N, 3), or would, if it came nearer by a margin; None if nothing does."""
        if self.none:
            return None
        motion = self._last, x, fields.normals(x, self._faces)
        found = sides.look(motion, self._faces, self._trees, self._own, (REACH, margin), self._memory)
        vertex, k = np.nonzero(found.face >= 0)
        points = np.concatenate([vertex[:, None], self._faces[found.face[vertex, k]]], axis=1)
        chosen = (self._column[points] >= 0).any(axis=1) & ~self._torn[points].any(axis=1)
        if not chosen.any():
            return None
        vertex, k, points = vertex[chosen], k[chosen], points[chosen]
        weights = np.concatenate([np.ones((len(vertex), 1)), -found.weights[vertex, k]], axis=1)
        column = self._column[points]
        mine = column >= 0
        rows = np.broadcast_to(np.arange(len(points))[:, None], points.shape)
        shape = len(points), int(np.count_nonzero(self._moved))
        jacobian = coo_matrix((weights[mine], (rows[mine], column[mine])), shape=shape).tocsr()
        given = np.einsum("kp,kpi->ki", np.where(mine, 0.0, weights), x[points])
        return Springs(jacobian, given, found.apart[vertex, k], found.least[vertex, k])

    def settle(self, x: Reals, shortest: Reals, longest: Reals) -> None:
        """Ends a step at x (N, 3), where lengths have grown by `shortest` (N,) to `longest` (N,)."""
        if self.none:
            return
        self._remember(x)
        ratio, (a, b) = self._long(x) / self._lengths, self._edges.T
        torn = ratio > TORN * 0.5 * (longest[a] + longest[b])
        crushed = ratio < 0.5 * (shortest[a] + shortest[b]) / TORN
        self._torn = self._torn.copy()
        self._torn[self._edges[torn | crushed]] = True

    def _remember(self, x: Reals) -> None:
        self._last = x.copy()
        sides.settle(x, fields.normals(x, self._faces), self._faces, self._trees, self._own, REACH, self._memory)

    def fork(self) -> Self:
        other = copy(self)
        if not self.none:
            other._memory = sides.Memory(*(values.copy() for values in self._memory))
        return other

    def _long(self, x: Reals) -> Reals:
        return np.linalg.norm(x[self._edges[:, 0]] - x[self._edges[:, 1]], axis=1)

    def _room(self, rest: Reals, thickness: float) -> Reals:
        """(N, G) how near each vertex may come to each patch; below 0 where they belong together."""
        ends, count = self._edges.ravel(), len(rest)
        local = np.bincount(ends, np.repeat(self._lengths, 2), minlength=count)
        local /= np.maximum(np.bincount(ends, minlength=count), 1)
        gap = sides.gaps(rest, self._faces, self._trees, self._own, thickness / SLACK)
        return np.where(gap <= ATTACHED, -1.0, np.minimum(np.minimum(thickness, FINE * local)[:, None], SLACK * gap))


def _patches(rest: Reals, edges: NDArray) -> NDArray | None:
    """(N,) the patch of each vertex: connected, and at most a cell wide. None if there would be too many."""
    for width in PATCHES:
        cell = np.floor(rest / width).astype(np.int64)
        patch = connected(edges[(cell[edges[:, 0]] == cell[edges[:, 1]]).all(axis=1)], len(rest))
        if len(rest) * (int(patch.max()) + 1) <= NOTED:
            return patch
    return None


def _widened(faces: NDArray, patch: NDArray) -> tuple[list[NDArray], NDArray[np.bool_]]:
    """The faces of each of G patches, and which are near each other, (G, G).

    Each has one more ring of faces, so that where one has its rim its neighbour has its inside.
    """
    count, face = int(patch.max()) + 1, np.repeat(np.arange(len(faces)), 3)
    corners = coo_matrix((np.ones(faces.size), (face, faces.ravel())), shape=(len(faces), len(patch))).tocsr()
    has = coo_matrix((np.ones(faces.size), (face, patch[faces.ravel()])), shape=(len(faces), count)).tocsr()
    wide = ((corners @ (corners.T @ has)) > 0).astype(float).tocsc()
    members = [wide.indices[wide.indptr[g] : wide.indptr[g + 1]].astype(np.int64) for g in range(count)]
    near = (wide.T @ wide) > 0
    for _ in range(RINGS):
        near = (near.astype(float) @ near.astype(float)) > 0
    return members, near.toarray()
