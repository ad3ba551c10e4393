"""Putting an answer in the truth's place: iterative closest points, in closed-form steps.

ActionBench (Sabathier et al., "ActionMesh", arXiv 2601.16148) seeks the turn, shift and one scale for each axis that
make the squared Chamfer distance least, from 24 starts turned by right angles, with 200 steps of Adam. Here the same
distance is made less by turns: pairs of nearest points, both ways (Besl and McKay, "A method for registration of 3-D
shapes", PAMI 1992), then the best turn (Kabsch 1976; Umeyama 1991), scale and shift for those pairs.
"""

from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import permutations, product
from typing import NamedTuple, Self

import numpy as np
from scipy.linalg.lapack import dgesdd

from kernels import cpu
from tests.benchmarks.lifebench.metrics.nearest import Tree, search
from tests.benchmarks.lifebench.nouns import Reals

STAGES = ((150, 4, 3), (600, 15, 1))  # points a frame, rounds, placings kept; the last stage has all points
LAST = 20  # rounds
GAIN = 0.8  # a turn must bring the squared distance below this share of what it is without one
STEADY = 1e-4  # of the distance: a round that gains less is the last


class Freedom(Enum):
    """What is put right before an answer is measured: always one and the same for all its frames."""

    NONE = "none"  # the mesh was given, and with it the place
    UPRIGHT = "upright"  # one scale, a turn about Z, a shift
    FREE = "free"  # one scale, any turn, a shift
    AXES = "axes"  # ActionBench's: a scale for each axis, any turn, a shift


class Placing(NamedTuple):
    """Scale along the answer's own axes, then turn, then shift."""

    scale: Reals  # (3,)
    turn: Reals  # (3, 3)
    shift: Reals  # (3,) metres

    def __call__(self, points: Reals) -> Reals:
        """Points (..., 3) in their new place."""
        return (points * self.scale) @ self.turn.T + self.shift

    def back(self, points: Reals) -> Reals:
        """Points (..., 3) that are in their place, turned and shifted back, but not scaled: as far from the answer's
        own points times `scale` as from these in their new place."""
        return (points - self.shift) @ self.turn


STAY = Placing(np.ones(3), np.eye(3), np.zeros(3))


@cache
def right_angles() -> Reals:
    """(24, 3, 3) the rotations that take axes to axes."""
    signed = [
        np.eye(3)[list(order)] * np.array(signs)[:, None]
        for order in permutations(range(3))
        for signs in product((1, -1), repeat=3)
    ]
    return np.array([matrix for matrix in signed if np.linalg.det(matrix) > 0])


def about_z(count: int) -> Reals:
    """(count, 3, 3) even turns about Z."""
    angle = np.arange(count) * (2 * np.pi / count)
    turns = np.zeros((count, 3, 3))
    turns[:, 0, 0] = turns[:, 1, 1] = np.cos(angle)
    turns[:, 1, 0], turns[:, 0, 1], turns[:, 2, 2] = np.sin(angle), -np.sin(angle), 1.0
    return turns


def place(answer: list[Reals], truth: list[Reals], freedom: Freedom) -> Placing:
    """The one placing of all frames that brings points of an answer, (n, 3) a frame, nearest to the truth's, (m, 3).

    It is sought from many starts. One is not turned, and is left only where a turn brings much: a round thing fits as
    well however it is turned, and would go off in any direction in the frames that are not looked at.
    """
    if freedom is Freedom.NONE:
        return STAY
    turns = about_z(12) if freedom is Freedom.UPRIGHT else right_angles()
    turned, unturned = _centred(answer, truth, turns), _centred(answer, truth, np.eye(3)[None])
    for count, rounds, kept in STAGES:
        few = Facing.of(*([frame[:: max(1, len(frame) // count)] for frame in frames] for frames in (answer, truth)))
        turned = _best(few, turned, freedom, rounds)[:kept]
        unturned = _best(few, unturned, freedom, rounds)[:kept]
        turned, unturned = ([placing for _, placing in found] for found in (turned, unturned))
    facing = Facing.of(answer, truth)
    turned, unturned = (_best(facing, found, freedom, LAST)[0] for found in (turned, unturned))
    return turned[1] if turned[0] < GAIN * unturned[0] else unturned[1]


@dataclass(frozen=True, eq=False)
class Facing:
    """Two sets of points a frame, and trees of both: that of the answer's is asked in its own axes, before it is put
    in its place, and so is grown once."""

    answer: list[Tree]
    truth: list[Tree]
    middles: tuple[Reals, Reals]  # (3,) of each, from which its moments are taken: no digits are lost to the distance

    @classmethod
    def of(cls, answer: list[Reals], truth: list[Reals]) -> Self:
        middles = np.concatenate(answer).mean(axis=0), np.concatenate(truth).mean(axis=0)
        return cls([Tree(frame) for frame in answer], [Tree(frame) for frame in truth], middles)


def _best(facing: Facing, placings: list[Placing], freedom: Freedom, rounds: int) -> list[tuple[float, Placing]]:
    """What each becomes, the best first."""
    found = [_closest(facing, placing, freedom, rounds) for placing in placings]
    return sorted(found, key=lambda one: one[0])


def _centred(answer: list[Reals], truth: list[Reals], turns: Reals) -> list[Placing]:
    """With each of the turns (n, 3, 3): the middles and the sizes agree."""
    here, there = np.concatenate(answer), np.concatenate(truth)
    scale = np.sqrt(there.var(axis=0).sum() / max(here.var(axis=0).sum(), 1e-300))
    middle, target = here.mean(axis=0), there.mean(axis=0)
    return [Placing(np.full(3, scale), turn, target - scale * turn @ middle) for turn in turns]


def _closest(facing: Facing, placing: Placing, freedom: Freedom, rounds: int) -> tuple[float, Placing]:
    """(squared Chamfer distance, summed over frames; the placing that has it)."""
    frames = []
    for own, real in zip(facing.answer, facing.truth, strict=True):
        guesses = np.full(len(own.data), -1), np.full(len(real.data), -1)
        frames.append((own.grown, real.grown, guesses))
    best, least, before = placing, np.inf, np.inf
    for _ in range(rounds + 1):
        moments = np.zeros(MOMENTS)
        distance = sum(_matched(*frame, placing, facing.middles, moments) for frame in frames)
        if distance < least:
            best, least = placing, distance
        if distance > (1 - STEADY) * before:
            break
        before = distance
        placing = _fitted(moments, facing.middles, placing, freedom)
    return least, best


MOMENTS = 19  # of weighted pairs: their weight, sums of one (3) and of the other (3), squares of one (3), products (9)


@cpu.inner(nogil=True)
def _matched(answer, truth, guesses, placing, middles, moments):
    """The mean squared distance of a frame, both ways added. Its pairs go to the moments: each point of an answer and
    the truth's that is nearest, and back; each side counts as one. Matches, forth and back, are found from those of
    the round before."""
    own, real, (forth, back), (middle, target) = answer.points, truth.points, guesses, middles
    scale, turn, shift = placing.scale, placing.turn, placing.shift
    moved, returned = np.empty(own.shape), np.empty(real.shape)
    for n in range(len(own)):
        for a in range(3):
            moved[n, a] = shift[a]
            for b in range(3):
                moved[n, a] += own[n, b] * scale[b] * turn[a, b]
    for n in range(len(real)):
        for a in range(3):
            returned[n, a] = 0.0
            for b in range(3):
                returned[n, a] += (real[n, b] - shift[b]) * turn[b, a]
    way, rest = np.empty(len(own)), np.empty(len(real))
    search(truth, moved, (1.0, 1.0, 1.0), forth, way)
    search(answer, returned, (scale[0], scale[1], scale[2]), back, rest)
    for n in range(len(own)):
        _gather(own[n], real[forth[n]], middle, target, 1.0 / len(own), moments)
    for n in range(len(real)):
        _gather(own[back[n]], real[n], middle, target, 1.0 / len(real), moments)
    return (way**2).mean() + (rest**2).mean()


@cpu.inner
def _gather(point, other, middle, target, weight, moments):
    moments[0] += weight
    for a in range(3):
        x, y = point[a] - middle[a], other[a] - target[a]
        moments[1 + a] += weight * x
        moments[4 + a] += weight * y
        moments[7 + a] += weight * x * x
        for b in range(3):
            moments[10 + 3 * a + b] += weight * y * (point[b] - middle[b])


def _fitted(moments: Reals, middles: tuple[Reals, Reals], placing: Placing, freedom: Freedom) -> Placing:
    """The placing of weighted pairs; where each axis has its scale, one step of turn and one of scale."""
    moments = moments / moments[0]
    mean, aim = moments[1:4], moments[4:7]
    spread = np.maximum(moments[7:10] - mean * mean, 0.0)
    covariance = moments[10:].reshape(3, 3) - aim[:, None] * mean  # of the truth's axis and the answer's
    turn = best_turn(covariance * placing.scale, upright=freedom is Freedom.UPRIGHT)
    along = (turn * covariance).sum(axis=0)
    if freedom is Freedom.AXES:
        scale = np.where(spread > 1e-12 * spread.sum(), along / np.maximum(spread, 1e-300), 1.0)
    else:
        scale = np.full(3, along.sum() / max(spread.sum(), 1e-300))
    scale = np.minimum(np.maximum(scale, 1e-3 * placing.scale), 1e3 * placing.scale)
    return Placing(scale, turn, aim + middles[1] - turn @ ((mean + middles[0]) * scale))


def best_turn(covariance: Reals, upright: bool) -> Reals:
    """The rotation R that makes the trace of R^T C largest; (3, 3) both."""
    if upright:
        angle = np.arctan2(covariance[1, 0] - covariance[0, 1], covariance[0, 0] + covariance[1, 1])
        c, s = np.cos(angle), np.sin(angle)
        return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    left, _, right, failed = dgesdd(covariance)  # what np.linalg.svd does about it takes longer than a small matrix
    if failed:
        raise np.linalg.LinAlgError("no singular values were found: the points are not finite")
    turn = left @ right
    (a, b, c), (d, e, f), (g, h, i) = turn.tolist()
    if a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) < 0.0:  # it mirrors
        turn = left @ (right * [[1.0], [1.0], [-1.0]])
    return turn
