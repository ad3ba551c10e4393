"""Points on surfaces, spread evenly by area: the same for the same count, on every machine."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kernels import cpu
from tests.benchmarks.lifebench.nouns import GONE, Bools, Ints, Reals, Sequence, once

# One over the plastic number and its square: the steps of the R2 sequence, the sequence of golden-ratio steps in two
# dimensions (Roberts, "The Unreasonable Effectiveness of Quasirandom Sequences", 2018).
PLASTIC = 1.3247179572447460
OFFSET = 0.5  # of the first point, in steps: where in its stratum each point lies


@dataclass(frozen=True, eq=False)
class Samples:
    """n points by the face that each is on and where on it; they follow the mesh wherever it goes."""

    corners: Ints  # (n, 3) vertices of the face
    shares: Reals  # (n, 3) barycentric

    def on(self, values: Reals) -> Reals:
        """Values at the vertices (..., V, K) -> at the points (..., n, K)."""
        values = np.asarray(values)
        rows = np.ascontiguousarray(values.reshape(-1, *values.shape[-2:]), np.float64)
        found = np.empty((len(rows), len(self.corners), values.shape[-1]))
        _mixed(rows, np.ascontiguousarray(self.corners), np.ascontiguousarray(self.shares), found)
        return found.reshape(*values.shape[:-2], *found.shape[1:])

    def at(self, chosen: Ints) -> "Samples":
        """Those of these numbers."""
        return Samples(self.corners[chosen], self.shares[chosen])

    def every(self, step: int) -> "Samples":
        """The first one of each `step`; all where that is 0."""
        return self.at(np.arange(0, len(self.corners), max(1, step)))


@cpu.inner(nogil=True)
def _mixed(values, corners, shares, found):
    for t in range(len(values)):
        for n in range(len(corners)):
            i, j, k = corners[n, 0], corners[n, 1], corners[n, 2]
            for a in range(values.shape[2]):
                found[t, n, a] = (
                    values[t, i, a] * shares[n, 0] + values[t, j, a] * shares[n, 1] + values[t, k, a] * shares[n, 2]
                )


def spread(faces: Ints, weights: Reals, count: int, turn: int = 0) -> Samples:
    """`count` points on triangles (F, 3), as many to each as its weight (F,) asks for: strata of equal weight, one
    point in each. Another `turn` gives other points."""
    total = np.cumsum(weights)
    if not total[-1] > 0.0:  # it has shrunk to nothing: any of its points will do
        total = np.arange(1.0, len(faces) + 1)
    index = np.arange(count)
    place = (index + (OFFSET + turn / PLASTIC**3) % 1.0) * (total[-1] / count)
    face = np.minimum(np.searchsorted(total, place, side="right"), len(faces) - 1)
    return Samples(faces[face], _within(count, turn))


@lru_cache(maxsize=8)
def _within(count: int, turn: int) -> Reals:
    """(count, 3) barycentric, spread evenly over a triangle."""
    steps = np.arange(1, count + 1)[:, None] * [1 / PLASTIC, 1 / PLASTIC**2]
    u, v = (OFFSET + steps + turn * 0.381966).T % 1.0
    over = u + v > 1.0  # the half of the square that is not the triangle, turned over on to it
    u, v = np.where(over, 1.0 - u, u), np.where(over, 1.0 - v, v)
    return np.stack([1.0 - u - v, u, v], axis=1)


def in_frame(sequence: Sequence, frame: int, count: int, turn: int = 0) -> Samples:
    """Points of one frame, by its own areas."""
    shown = sequence.present(frame)
    shown = shown if shown.any() else ~shown  # all is gone: it is where it was
    return spread(sequence.frames[frame][1][shown], sequence.areas(frame)[shown], count, turn)


def of_frame(sequence: Sequence, frame: int, count: int, turn: int = 0) -> Reals:
    """(count, 3) metres: points of one frame, by its own areas."""
    return in_frame(sequence, frame, count, turn).on(sequence.frames[frame][0])


def of_life(sequence: Sequence, count: int, turn: int = 0) -> Samples:
    """Points that can be followed through a tracked sequence, by the mean of each face's area over its life: a surface
    that is small in the first frame and large in the last has points enough in both."""
    return spread(sequence.frames[0][1], _shown(sequence), count, turn)


@once
def _shown(sequence: Sequence) -> Reals:
    """(F,) square metres of each face, the mean of its life."""
    return np.mean([sequence.areas(t) * sequence.present(t) for t in range(len(sequence.frames))], axis=0)


def present(sequence: Sequence, samples: Samples, frame: int) -> Bools:
    """(n,) which of points that are followed are not gone."""
    if sequence.opacity is None:
        return np.ones(len(samples.corners), bool)
    return sequence.opacity[frame][samples.corners].mean(axis=1) >= GONE
