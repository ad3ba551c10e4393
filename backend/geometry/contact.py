"""Contact of a sheet in motion with itself, with other sheets, and with what is given, as springs for its solver.

    springs = contact.near(before)             what met in earlier steps and is still near
    ... the solver minimises its energy and theirs, asks contact.passed(after) for what has met meanwhile,
    ... joins these to the others, and goes on; twice or so
    after = contact.held_back(after)           and what still passes through moves with what is around it
    contact.settle(after)

Each contact is a term of the local-global energy, stiffness / 2 max(least - depth, 0)^2, whose Hessian joins the matrix
(a penalty, as the strain terms of Bouaziz et al., "Projective dynamics", SIGGRAPH 2014, are; there is no friction).

The last resort smooths the motion of a step in space, where things would pass through each other, and the wider the
longer they do: what is near moves alike then, and cannot. It is tried ROUNDS times; what crosses even then is left, for
the certificate to tell. Only the end of a step is looked at, so what goes wholly through in one step is not seen.

What was tried before, and why not: paths cut short before they touch (as in incremental potential contact) hold back
whole flowers, because where petals lie close all paths are cut; projections of single vertices after a step crumple
sheets, as the solver does not know of them; to solve without contact first, and to part then, lets sheets store the
energy of all steps, so that they come through deeper each time; and sides of vertices remembered for patches of the
surface know nothing of rims and of what rolls up within a patch, which is nearly all that crosses; and rigid impact
zones (Provot, "Collision and self-collision handling in cloth model dedicated to design garments", 1997) grow until
whole flowers are one piece, torn off at its rim.

What has come through all the same is not pushed back, and may slide on through where it is, and out again (`Passage`).
But where it would come through something new, that is held back too, so that a knot can still stay for a while, and
stretch what is around it. One more thing keeps all stable: where a sheet touches, it takes on the curvature that it
has (`Sheets`), for a fold that cannot become what it wishes would push ever harder.
"""

from copy import copy
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, vstack
from scipy.spatial import cKDTree

from backend.geometry.body import Reals
from backend.geometry.passage import NONE, Pairs, Passage
from kernels import impacts

KEPT = 2.0  # what has met is remembered while it is no farther than this many times what it must be
DEEPEST = 0.01  # sizes: what lies deeper is pushed no harder than this
SLACK = 0.5  # share of its distance at rest that a near pair keeps
FINE = 0.5  # thickness, in edge lengths, at most
ROUNDS = 6  # of the last resort
WIDER = 1.5  # by how much farther it looks around each time, from an edge length
AROUND = 80  # vertices at most
LEADING = 20.0  # how much more the motion of what the solver does not move counts there


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

    def __init__(self, rest: Reals, faces: NDArray, thickness: float, moved: NDArray[np.bool_]):
        """rest (N, 3), faces (F, 3); moved (N,) what the solver moves.

        thickness is the distance that surfaces keep, less where they lie nearer at rest or triangles are smaller.
        """
        self._moved = moved
        self._column = np.where(moved, np.cumsum(moved) - 1, -1)
        self._passage = Passage(rest, faces.astype(np.int64), moved)
        self._room = np.minimum(thickness, FINE * self._passage.local)
        self._last, self._places = rest.copy(), self._passage.places(rest)
        self._known = self._met = NONE

    def near(self, x: Reals) -> Springs | None:
        """What has met before and is near; x (N, 3), of which only what the solver does not move counts."""
        return self._springs(self._known, x)

    def passed(self, x: Reals) -> Springs | None:
        """What meets on the way from the last step's end to x (N, 3), and crosses there."""
        pairs = self._between(x)
        self._met = self._met.joined(pairs)
        return self._springs(pairs, x)

    def held_back(self, x: Reals) -> Reals:
        """x (N, 3), where what would pass through something on the way moves as what is around it does instead."""
        motion, x, tree, changed = x - self._last, x.copy(), None, None
        met = np.zeros(len(x))  # how often each vertex has
        for _ in range(ROUNDS):
            pairs = self._between(x, changed)
            if not len(pairs.kind):
                break
            self._met = self._met.joined(pairs)
            tree = cKDTree(self._last) if tree is None else tree
            now = np.zeros(len(x), bool)
            now[pairs.points] = True
            met += now
            beside = self._passage.near @ now > 0
            met[beside] = np.maximum(met[beside], 1.0)
            changed = (now | beside) & self._moved
            x[changed] = self._last[changed] + self._around(tree, changed, met[changed], motion)
        return x

    def _around(self, tree: cKDTree, chosen: NDArray[np.bool_], met: Reals, motion: Reals) -> Reals:
        """(C, 3) the motion (N, 3) around each of the C chosen vertices, the wider the more often it has met."""
        radius = self._passage.local[chosen] * WIDER**met
        gap, beside = tree.query(self._last[chosen], k=AROUND, distance_upper_bound=float(radius.max()))
        weight = np.maximum(1.0 - (gap / radius[:, None]) ** 2, 0.0) ** 2
        beside = np.minimum(beside, len(motion) - 1)
        weight *= np.where(self._moved, 1.0, LEADING)[beside]
        return np.einsum("ck,cki->ci", weight, motion[beside]) / weight.sum(axis=1, keepdims=True)

    def _between(self, x: Reals, changed: NDArray[np.bool_] | None = None) -> Pairs:
        return self._passage.between(self._last, x, self._places, changed)

    def settle(self, x: Reals) -> None:
        """Ends a step at x (N, 3): of what has met, what is near is remembered."""
        self._last, self._places = x.copy(), self._passage.places(x)
        pairs = self._known.joined(self._met).unique()
        self._known = self._met = NONE
        if not len(pairs.kind):
            return
        inside, weights = impacts.nearest(x, pairs.points, pairs.kind)
        now = pairs._replace(weights=weights)
        way = now.way(x)
        gap = np.linalg.norm(way, axis=1)
        kept = inside & (gap > 1e-9) & (gap < KEPT * self._least(now))
        # what has come through all the same is let go: pushed ever harder, it would tear
        kept &= np.einsum("ki,ki->k", way, pairs.apart) > 0.0
        self._known = now._replace(apart=way / np.maximum(gap, 1e-12)[:, None]).chosen(kept)

    def fork(self) -> Self:
        return copy(self)

    def _least(self, pairs: Pairs) -> Reals:
        """(K,) how near each pair may come."""
        return np.minimum(self._room[pairs.points].min(axis=1), SLACK * self._passage.gap(pairs))

    def _springs(self, pairs: Pairs, x: Reals) -> Springs | None:
        if not len(pairs.kind):
            return None
        column = self._column[pairs.points]
        mine = column >= 0
        rows = np.broadcast_to(np.arange(len(column))[:, None], column.shape)
        shape = len(column), int(np.count_nonzero(self._moved))
        jacobian = coo_matrix((pairs.weights[mine], (rows[mine], column[mine])), shape=shape).tocsr()
        given = np.einsum("kp,kpi->ki", np.where(mine, 0.0, pairs.weights), x[pairs.points])
        return Springs(jacobian, given, pairs.apart, self._least(pairs))
