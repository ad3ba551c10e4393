"""An answer held against the truth: at the same times, in the same place, point for point."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.spatial import KDTree

from tests.benchmarks.lifebench.metrics.align import Freedom, place
from tests.benchmarks.lifebench.metrics.sampling import Samples, of_frame, of_life
from tests.benchmarks.lifebench.nouns import Bools, Ints, Reals, Sequence, Truth, once

NEAR = 0.005  # of the size: points this near to one another at the anchor may stand for one another
LIKE = 1e-4  # of the size: what a difference in colour from black to white counts for where points are as near
CHOICES = 8  # points of the answer among which the one that stands for a point of the truth is found
CLOSED = 1e-5  # of its own size: no vertex of a loop's last frame is farther from where it was in the first
PLACED_IN, PLACED_BY = 8, 3_000  # frames, and points of each, by which a sequence is put in its place
FOLLOWED = 20_000  # points of the answer's surface beside its vertices


@dataclass(frozen=True, eq=False)
class Pair:
    """`answer` has the truth's frames and stands in its place; lengths are shares of the truth's size."""

    answer: Sequence
    truth: Truth

    @classmethod
    def of(cls, answer: Sequence, truth: Truth, freedom: Freedom) -> "Pair":
        """Brought to the truth's frames, then to its place."""
        answer = at_frames(answer, len(truth.tau), truth.loop)
        if freedom is Freedom.NONE:
            return cls(answer, truth)
        frames = np.unique(np.linspace(0, len(truth.tau) - 1, PLACED_IN).round().astype(int))
        found = place(
            [of_frame(answer, t, PLACED_BY, turn=1) for t in frames],
            [of_frame(truth.sequence, t, PLACED_BY) for t in frames],
            freedom,
        )
        return cls(replace(answer, frames=[(found(vertices), faces) for vertices, faces in answer.frames]), truth)

    @property
    def size(self) -> float:
        """Metres."""
        return self.truth.size

    @property
    def weights(self) -> Reals:
        """(T, V) of the truth's vertices: a third of the faces about each, the mean of its life, so that a leaf which
        shrinks to nothing is still to be found there; 0 where it is gone. They add up to 1."""
        return _weights(self.truth.sequence)

    @cached_property
    def points(self) -> Samples:
        """Of the answer: the vertices of its faces, and points on its surface where these are far apart."""
        used = np.unique(self.answer.frames[0][1])
        own = Samples(used[:, None].repeat(3, axis=1), np.tile([1.0, 0.0, 0.0], (len(used), 1)))
        more = of_life(self.answer, FOLLOWED)
        return Samples(np.concatenate([own.corners, more.corners]), np.concatenate([own.shares, more.shares]))

    @cached_property
    def _matched(self) -> tuple[Ints, Reals]:
        """(V,) points of the answer, and (T, V) how far they are from the truth's, shares of the size."""
        anchor, truth = self.truth.anchor, self.truth.sequence.positions
        paths = self.points.on(self.answer.positions)
        gap, choice = KDTree(paths[anchor]).query(truth[anchor], k=CHOICES)
        far = np.full(choice.shape, np.inf)
        for k in range(CHOICES):
            allowed = gap[:, k] <= np.maximum(gap[:, 0], NEAR * self.size)
            way = paths[:, choice[allowed, k]] - truth[:, allowed]
            far[allowed, k] = np.sqrt(np.einsum("tvk,tvk->tv", way, way)).mean(axis=0)
            far[allowed, k] += LIKE * self.size * self._unlike(choice[:, k], allowed)
        chosen = choice[np.arange(len(far)), far.argmin(axis=1)]
        return chosen, np.linalg.norm(paths[:, chosen] - truth, axis=2) / self.size

    def _unlike(self, choice: Ints, allowed: Bools) -> Reals:
        """(A,) how far colours are from the truth's, of those that are allowed: it tells points at one place apart."""
        own, real = self.answer.albedo, self.truth.clip.albedo
        if own is None or real is None:
            return np.zeros(allowed.sum())
        first, last = (self.points.at(choice[allowed]).on(np.asarray(own[t])) - real[t][allowed] for t in (0, -1))
        return (np.abs(first) + np.abs(last)).mean(axis=1)

    @property
    def match(self) -> Ints:
        """(V,) which of `points` stands for each vertex of the truth: the nearest one at the anchor, and among those
        that are as good as nearest the one that stays nearest."""
        return self._matched[0]

    @property
    def apart(self) -> Reals:
        """(T, V) how far it is away, shares of the size."""
        return self._matched[1]

    def matched(self, values) -> Reals:
        """(T, V, K) of the truth's vertices, from values (T, V', K) of the answer's."""
        return self.points.at(self.match).on(np.asarray(values))

    @cached_property
    def paths(self) -> Reals:
        """(T, V, 3) metres: where the points are that stand for the truth's vertices."""
        return self.matched(self.answer.positions)


@once
def _weights(sequence: Sequence) -> Reals:
    around, shown = np.zeros((2, len(sequence.frames), len(sequence.frames[0][0])))
    for t in range(len(sequence.frames)):
        faces, there = sequence.there(t), sequence.present(t)
        np.add.at(around[t], faces, sequence.areas(t)[there][:, None] / 3)
        shown[t, faces] = 1.0
    weights = shown * around.mean(axis=0)
    return weights / weights.sum()


def at_frames(answer: Sequence, count: int, loop: bool = False) -> Sequence:
    """An answer at `count` even steps of its own time, first to last: between frames where it is tracked, else the
    nearest. How fast a life is played is not measured.

    `loop`: the truth's last frame leads into its first. Where an answer's last frame is its first once more, as files
    have it whose keys are to be played in a circle, that one is left out.
    """
    closed = loop and _closed(answer)
    if not closed and len(answer.frames) == count and np.ptp(np.diff(answer.times)) <= 1e-6 * np.ptp(answer.times):
        return answer
    at = np.linspace(answer.times[0], answer.times[-1], count, endpoint=not closed)
    place = np.interp(at, answer.times, np.arange(len(answer.times)))
    low = np.minimum(place.astype(int), max(len(answer.times) - 2, 0))
    high = np.minimum(low + 1, len(answer.times) - 1)
    if not answer.tracked:
        low = high = np.rint(place).astype(int)
    part = place - low

    def between(values):
        return (
            None
            if values is None
            else [values[i] * (1 - t) + values[j] * t for i, j, t in zip(low, high, part, strict=True)]
        )

    vertices = between([vertices for vertices, _ in answer.frames])
    return replace(
        answer,
        frames=[(v, answer.frames[i][1]) for v, i in zip(vertices, low, strict=True)],
        times=np.arange(count, dtype=float),
        albedo=between(answer.albedo),
        roughness=between(answer.roughness),
        opacity=between(answer.opacity),
    )


def _closed(answer: Sequence) -> bool:
    """Whether its last frame is its first once more."""
    first, last = answer.frames[0][0], answer.frames[-1][0]
    if len(answer.frames) < 3 or first.shape != last.shape:
        return False
    return bool(np.abs(last - first).max() <= CLOSED * np.ptp(first, axis=0).max())
