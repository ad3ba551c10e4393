"""Points on surfaces, spread evenly by area: the same for the same count, on every machine."""

from dataclasses import dataclass

import numpy as np

from tests.benchmarks.lifebench.nouns import GONE, Bools, Ints, Reals, Sequence, areas

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
        return sum(values[..., self.corners[:, k], :] * self.shares[:, k, None] for k in range(3))

    def at(self, chosen: Ints) -> "Samples":
        """Those of these numbers."""
        return Samples(self.corners[chosen], self.shares[chosen])

    def every(self, step: int) -> "Samples":
        """The first one of each `step`; all where that is 0."""
        return self.at(np.arange(0, len(self.corners), max(1, step)))


def spread(faces: Ints, weights: Reals, count: int, turn: int = 0) -> Samples:
    """`count` points on triangles (F, 3), as many to each as its weight (F,) asks for: strata of equal weight, one
    point in each. Another `turn` gives other points."""
    total = np.cumsum(weights)
    if not total[-1] > 0.0:  # it has shrunk to nothing: any of its points will do
        total = np.arange(1.0, len(faces) + 1)
    index = np.arange(count)
    place = (index + (OFFSET + turn / PLASTIC**3) % 1.0) * (total[-1] / count)
    face = np.minimum(np.searchsorted(total, place, side="right"), len(faces) - 1)
    u, v = (OFFSET + (index + 1)[:, None] * [1 / PLASTIC, 1 / PLASTIC**2] + turn * 0.381966).T % 1.0
    over = u + v > 1.0  # the half of the square that is not the triangle, turned over on to it
    u, v = np.where(over, 1.0 - u, u), np.where(over, 1.0 - v, v)
    return Samples(faces[face], np.stack([1.0 - u - v, u, v], axis=1))


def in_frame(sequence: Sequence, frame: int, count: int, turn: int = 0) -> Samples:
    """Points of one frame, by its own areas."""
    vertices, faces = sequence.frames[frame][0], sequence.there(frame)
    faces = faces if len(faces) else sequence.frames[frame][1]  # all is gone: it is where it was
    return spread(faces, areas(vertices, faces), count, turn)


def of_frame(sequence: Sequence, frame: int, count: int, turn: int = 0) -> Reals:
    """(count, 3) metres: points of one frame, by its own areas."""
    return in_frame(sequence, frame, count, turn).on(sequence.frames[frame][0])


def of_life(sequence: Sequence, count: int, turn: int = 0) -> Samples:
    """Points that can be followed through a tracked sequence, by the mean of each face's area over its life: a surface
    that is small in the first frame and large in the last has points enough in both."""
    faces = sequence.frames[0][1]
    shown = [areas(vertices, faces) * sequence.present(t) for t, (vertices, _) in enumerate(sequence.frames)]
    return spread(faces, np.mean(shown, axis=0), count, turn)


def present(sequence: Sequence, samples: Samples, frame: int) -> Bools:
    """(n,) which of points that are followed are not gone."""
    if sequence.opacity is None:
        return np.ones(len(samples.corners), bool)
    return sequence.opacity[frame][samples.corners].mean(axis=1) >= GONE
