"""Motion that keeps faces apart: where some come to cross, the points around them move together from then on.

A flow that is smooth in space takes no surface through another. The surfaces that stand for it are made of
triangles and are smoothed one by one, and where two of them are closer than that is fine, they cross. There each point
moves as the points around it do on average, on all surfaces alike: by the affine motion that is closest to theirs
(moving least squares; Schaefer et al., Image Deformation Using Moving Least Squares, SIGGRAPH 2006).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from kernels.crossings import crossings

Reals = NDArray[np.float64]
Ints = NDArray[np.int32]

SLACK = 1e-6  # extents that a face may reach through another
NODES = 4000  # of all points, by which those around a point are told
AROUND = 48  # nodes that a point moves with
GRIPPED = 12  # nodes around a crossing whose reach is gripped in full; it fades out to twice that distance
ROUNDS = 3  # of holding together what still crosses
HEAVY = 12_000  # faces; a body of N times as many is looked at in one step of N
COARSE = 0.03  # extents: about a cell of the flow. Edges longer than that for the most part
AGAIN = 2  # times that smoothing is done again
FLAT = 0.1  # of their distance: nodes no thicker than this across are taken as flat


class Together:
    """Of one body: which faces crossed at rest, and where M points are not smoothed and move with those around."""

    def __init__(self, points: Reals, faces: Ints, mobility: Reals):
        self._faces = faces  # (F, 3) that are to stay apart
        self._left = np.zeros(len(points))  # (M,) in [0, 1] how much each is left as the flow leaves it; it only grows
        self._mobility = mobility  # (M,) in [0, 1]
        self._grip = np.zeros(len(points))  # (M,) in [0, 1] how much each moves with those around; it only grows
        sides = points[faces] - points[np.roll(faces, 1, axis=1)]
        self._coarse = float(np.median(np.linalg.norm(sides, axis=2))) > COARSE
        self._steps, self._every = 0, max(round(len(faces) / HEAVY), 1)
        self._before = crossings(points[faces], faces, SLACK)
        self._nodes = np.arange(0, len(points), max(len(points) // NODES, 1))

    def moved(self, before: Reals, flowed: Reals, smooth: Callable[[Reals, Reals], Reals]) -> Reals:
        """(M, 3) points that the flow would move from `before` to `flowed`, smoothed and kept apart.

        `smooth` makes points of points (M, 3), given how far each is free to move (M,) in [0, 1].
        """
        self._steps += 1
        if self._coarse:  # the flow takes faces through each other, and smoothing parts them
            return self._evened(before, smooth(flowed, np.ones(len(before))))[0]
        return self._smoothed(*self._evened(before, flowed), smooth)

    def _crossing(self, points: Reals) -> Ints:
        """The corners of faces that cross others and did not at rest; of a heavy body none but now and then."""
        if self._steps % self._every:
            return self._faces[:0, 0]
        return np.unique(self._faces[crossings(points[self._faces], self._faces, SLACK) & ~self._before])

    def _evened(self, before: Reals, after: Reals) -> tuple[Reals, Ints]:
        """Points (M, 3) that would move from `before` to `after`, and do so together where they would cross; and those
        that cross all the same."""
        nodes, motion = self._nodes, after - before
        even, known = np.zeros_like(after), np.zeros(len(before), bool)
        tree = cKDTree(before[nodes])
        for turn in range(ROUNDS + 1):
            new = np.flatnonzero((self._grip > 0.0) & ~known)
            if len(new):
                even[new] = _even_motion(before[new], before[nodes], motion[nodes], tree)
                known[new] = True
            x = after + (self._grip * known * self._mobility)[:, None] * (even - motion)
            around = self._crossing(x)
            if turn == ROUNDS:
                break
            self._grip, grown = _gripped(self._grip, before, around)
            if not grown:
                break
        return x, around

    def _smoothed(self, points: Reals, there: Ints, smooth: Callable[[Reals, Reals], Reals]) -> Reals:
        """(M, 3) what `smooth` makes of points (M, 3), of which those `there` are corners of faces that cross.

        It is done again, with more of them left as they are, where it made faces cross. Where they cross already it is
        tried with all of them free, as that may part them.
        """
        x = smooth(points, 1.0 - self._left)
        now = self._crossing(x)
        for _ in range(AGAIN):
            self._left, grown = _gripped(self._left, points, np.setdiff1d(now, there))
            if not grown:
                break
            x = smooth(points, 1.0 - self._left)
            now = self._crossing(x)
        if len(there) and len(now):
            lost, _ = _gripped(np.zeros(len(points)), points, there)
            other = smooth(points, 1.0 - self._left * (1.0 - lost))
            x = other if len(self._crossing(other)) < len(now) else x
        return x


def _gripped(grip: Reals, points: Reals, around: Ints) -> tuple[Reals, bool]:
    """The `grip` (M,) grown around some of the points, and whether there was anything left to grow."""
    if not len(around):
        return grip, False
    tree = cKDTree(points)
    reach = tree.query(points[around], k=min(GRIPPED, len(points)))[0].reshape(len(around), -1)[:, -1]
    distance, nearest = cKDTree(points[around]).query(points)
    fading = np.clip(2.0 - distance / np.maximum(reach[nearest], 1e-9), 0.0, 1.0)
    grown = np.maximum(grip, fading * fading * (3.0 - 2.0 * fading))
    return grown, bool((grown > grip + 1e-3).any())


def _even_motion(points: Reals, nodes: Reals, motion: Reals, tree: cKDTree) -> Reals:
    """(K, 3) of points (K, 3): the affine motion closest to that of the nodes around each, but upwards as much
    as keeps volume: what comes together in the plane rises."""
    distance, near = tree.query(points, k=min(AROUND, len(nodes)))
    far = distance[:, -1:]
    weight = (1.0 - (distance / np.maximum(1.001 * far, 1e-12)) ** 2) ** 2
    weight /= weight.sum(axis=1, keepdims=True)
    place, moved = nodes[near], motion[near]
    middle, mean = (np.einsum("kn,knc->kc", weight, one) for one in (place, moved))
    place, moved = place - middle[:, None], moved - mean[:, None]
    spread = np.einsum("kn,kni,knj->kij", weight, place, place)
    spread[:, range(3), range(3)] += (FLAT * far) ** 2 + 1e-18
    together = np.einsum("kn,kni,knj->kij", weight, place, moved)
    slope = np.linalg.solve(spread, together)
    slope[:, 2, 2] = _keeping_volume(slope)
    return mean + np.einsum("ki,kij->kj", points - middle, slope)


def _keeping_volume(slope: Reals) -> Reals:
    """(K,) the entry [2, 2] of `slope` (K, 3, 3) with which det(1 + slope) is 1."""
    stretch = np.eye(3) + slope
    stretch[:, 2, 2] = 0.0
    plane = stretch[:, 0, 0] * stretch[:, 1, 1] - stretch[:, 0, 1] * stretch[:, 1, 0]
    upright = (1.0 - np.linalg.det(stretch)) / np.clip(plane, 0.5, 2.0)
    return np.clip(upright, 0.5, 2.0) - 1.0
