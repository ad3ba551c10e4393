"""Self-contact of a surface in motion: parts that come near are kept apart, and none passes through another.

Used by a local-global solver three times a step:

    contact.begin(before, factor.solve)       # finds what is near
    def update(x):
        x = x - factor.solve(gradient(x))
        contact.project(x)                     # parts it, like the floor, after each global solve
        return x
    after = contact.finish(fixed_point(update, before, iterations))   # crosses nothing on the way there
    velocities = (after - before) / dt

The push makes the solver know of contact, and takes the solver's own matrix to spread what it moves, nearly a
projection in the norm of the elastic energy; the guard in `finish` makes it certain (`kernels.separate`). What is no
contact: two parts of which one crosses another at rest, as an artist's petals do at their foot, and what coincides.
What lies nearer at rest than the thickness keeps half of its distance. A given surface, such as the pot that
a leaf falls on, is more vertices and faces of mobility 0; it goes wherever it is put.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from backend.geometry.body import Reals
from backend.geometry.fields import edges
from kernels.crossings import crossings
from kernels.proximity import MOVES, TANGLED, Elements, measure
from kernels.separate import Pairs, guard, push

Solve = Callable[[Reals], Reals]

FRICTION = 0.3
ROUNDS = 4  # of a push through the solver's matrix
SEARCH = 1.5  # thicknesses: what is nearer when a step begins may want a push before it ends
LAPS = 2  # after which every vertex may be held back
MOST = 80  # pairs for each vertex
SLACK = 0.5  # share of its distance at rest that a near pair keeps
FINE = 0.5  # thickness, in edge lengths, at most


class Contact:
    """N vertices and F triangles that touch neither themselves nor each other, and stay above a floor."""

    def __init__(self, rest: Reals, faces: NDArray, thickness: float, mobility: Reals, floor: Reals | None = None):
        """rest (N, 3), faces (F, 3); mobility (N,) in [0, 1], inverse masses, 0 for what is given; floor (N,).

        thickness is the distance that parts keep, less where triangles are smaller.
        """
        self.rest, self.mobility = rest, mobility
        self.floor = np.full(len(rest), -np.inf) if floor is None else floor
        pairs = edges(faces)
        self._elements = Elements(rest, faces, pairs)
        length = np.linalg.norm(rest[pairs[:, 0]] - rest[pairs[:, 1]], axis=1)
        valence = np.maximum(np.bincount(pairs.ravel(), minlength=len(rest)), 1)
        local = np.bincount(pairs.ravel(), np.repeat(length, 2), minlength=len(rest)) / valence
        self._half = 0.5 * np.minimum(thickness, FINE * local)  # (N,) each side's share of the thickness
        self._tiny = 1e-9 * float(np.ptp(rest, axis=0).max())
        self._marks = np.where(mobility > 0.0, MOVES, 0).astype(np.uint8)
        self._marks[faces[crossings(rest[faces], faces, 1e-6 * float(np.ptp(rest, axis=0).max()))]] |= TANGLED
        self._start, self._solve = rest, None
        self._pairs: Pairs | None = None
        self.lost = 0  # pairs that given vertices have pressed together so far: these may cross

    def begin(self, before: Reals, solve: Solve | None = None) -> None:
        """Starts a step from positions (N, 3); solve: forces (N, 3) to the motion (N, 3) that a solver answers with."""
        self._start, self._solve = before, solve
        self._pairs, _ = self._near(before, np.zeros_like(before), SEARCH * self._half)

    def project(self, x: Reals) -> None:
        """Parts, in place, what is nearer in x (N, 3) than it may be."""
        if self._solve is None:
            self._push(x)
            return
        for _ in range(ROUNDS):
            parted = x.copy()
            self._push(parted)
            moves = parted - x
            size = _dot(moves, moves)
            if size <= (1e-3 * self._half.max()) ** 2:
                return
            # moved one by one, vertices would crumple the surface: the same moves as forces bend it as a whole
            answer = self._solve(moves)
            x += (size / _dot(moves, answer)) * answer

    def _push(self, x: Reals) -> None:
        push(x, self._start, self._pairs, self.mobility, self.floor, FRICTION)

    def finish(self, after: Reals) -> Reals:
        """(N, 3) as near to `after` as the way there, from where the step began, is free."""
        after = after.copy()
        self.project(after)
        self._push(after)
        start, way = self._start, after - self._start
        # a hair more than the ways, so that rounding does not ask for them once more
        length, slack = 1.001 * np.linalg.norm(way, axis=1) + self._tiny, self._half
        laps = 0
        while True:
            laps += 1
            pairs, share = self._near(start, way, slack)
            end = start + np.where(self.mobility > 0.0, share, 1.0)[:, None] * way
            lost, short = guard(start, end, pairs, self.mobility, share * slack, self.floor)
            if not short.any():
                self.lost += lost
                return end
            slack = np.where(short | (laps > LAPS), np.maximum(slack, length), slack)

    def _near(self, positions: Reals, way: Reals, slack: Reals) -> tuple[Pairs, float]:
        """The pairs that can meet on their ways (N, 3) to within a slack (N,), or on the share of both that is
        returned too, where those are too many."""
        share, most = 1.0, MOST * len(way)
        while (found := self._elements.near(positions, share * way, share * slack, self._marks, most)) is None:
            share *= 0.5
        points, across, gaps = found
        at_rest = np.linalg.norm(measure(self.rest, points, across)[1], axis=1)
        apart = np.flatnonzero((gaps > self._tiny) & (at_rest > self._tiny))
        points, across, gaps = points[apart], across[apart], gaps[apart]
        half = self._half[points]
        first = np.where(across, np.maximum(half[:, 0], half[:, 1]), half[:, 0])
        second = np.where(across, np.maximum(half[:, 2], half[:, 3]), half[:, 1:].max(axis=1))
        weights, between = measure(positions, points, across)
        wanted = np.minimum(first + second, SLACK * at_rest[apart])
        return Pairs(points, across, gaps, weights, between / gaps[:, None], wanted), share


def _dot(a: Reals, b: Reals) -> float:
    return float(np.einsum("ni,ni->", a, b))
