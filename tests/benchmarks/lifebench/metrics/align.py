"""Putting an answer in the truth's place: iterative closest points, in closed-form steps.

ActionBench (Sabathier et al., "ActionMesh", arXiv 2601.16148) seeks the turn, shift and one scale for each axis that
make the squared Chamfer distance least, from 24 starts turned by right angles, with 200 steps of Adam. Here the same
distance is made less by turns: pairs of nearest points, both ways (Besl and McKay, "A method for registration of 3-D
shapes", PAMI 1992), then the best turn (Kabsch 1976; Umeyama 1991), scale and shift for those pairs.
"""

from dataclasses import dataclass, replace
from enum import Enum
from itertools import permutations, product

import numpy as np
from scipy.spatial import KDTree

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


@dataclass(frozen=True, eq=False)
class Placing:
    """Scale along the answer's own axes, then turn, then shift."""

    scale: Reals  # (3,)
    turn: Reals  # (3, 3)
    shift: Reals  # (3,) metres

    def __call__(self, points: Reals) -> Reals:
        """Points (..., 3) in their new place."""
        return (points * self.scale) @ self.turn.T + self.shift


STAY = Placing(np.ones(3), np.eye(3), np.zeros(3))


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
    turned = [_centred(answer, truth, turn) for turn in turns]
    unturned = [_centred(answer, truth, np.eye(3))]
    for count, rounds, kept in STAGES:
        few, aim = ([frame[:: max(1, len(frame) // count)] for frame in frames] for frames in (answer, truth))
        turned = _best(few, aim, turned, freedom, rounds)[:kept]
        unturned = _best(few, aim, unturned, freedom, rounds)[:kept]
        turned, unturned = ([placing for _, placing in found] for found in (turned, unturned))
    turned, unturned = (_best(answer, truth, found, freedom, LAST)[0] for found in (turned, unturned))
    return turned[1] if turned[0] < GAIN * unturned[0] else unturned[1]


def _best(answer, truth, placings: list[Placing], freedom: Freedom, rounds: int) -> list[tuple[float, Placing]]:
    """What each becomes, the best first."""
    found = [_closest(answer, truth, placing, freedom, rounds) for placing in placings]
    return sorted(found, key=lambda one: one[0])


def _centred(answer: list[Reals], truth: list[Reals], turn: Reals) -> Placing:
    here, there = np.concatenate(answer), np.concatenate(truth)
    scale = np.sqrt(there.var(axis=0).sum() / max(here.var(axis=0).sum(), 1e-300))
    return Placing(np.full(3, scale), turn, there.mean(axis=0) - scale * turn @ here.mean(axis=0))


def _closest(answer, truth, placing: Placing, freedom: Freedom, rounds: int) -> tuple[float, Placing]:
    """(squared Chamfer distance, summed over frames; the placing that has it)."""
    trees = [KDTree(frame) for frame in truth]
    best, least, before = placing, np.inf, np.inf
    for _ in range(rounds + 1):
        moved = [placing(frame) for frame in answer]
        pairs, distance = [], 0.0
        for frame, here, there, tree in zip(answer, moved, truth, trees, strict=True):
            way, onto = tree.query(here)
            back, origin = KDTree(here).query(there)
            distance += (way**2).mean() + (back**2).mean()
            weights = np.repeat([1 / len(here), 1 / len(there)], [len(here), len(there)])
            pairs.append((np.concatenate([frame, frame[origin]]), np.concatenate([there[onto], there]), weights))
        if distance < least:
            best, least = placing, distance
        if distance > (1 - STEADY) * before:
            break
        before = distance
        placing = _fitted(*(np.concatenate(of) for of in zip(*pairs, strict=True)), placing, freedom)
    return least, best


def _fitted(points: Reals, onto: Reals, weights: Reals, placing: Placing, freedom: Freedom) -> Placing:
    """The placing of weighted pairs; where each axis has its scale, one step of turn and one of scale."""
    weights = weights / weights.sum()
    middle, target = weights @ points, weights @ onto
    points, onto = points - middle, onto - target
    turn = best_turn((onto * weights[:, None]).T @ (points * placing.scale), upright=freedom is Freedom.UPRIGHT)
    back = onto @ turn
    spread = weights @ points**2
    if freedom is Freedom.AXES:
        scale = np.where(spread > 1e-12 * spread.sum(), (weights @ (points * back)) / np.maximum(spread, 1e-300), 1.0)
    else:
        scale = np.full(3, (weights @ (points * back)).sum() / max(spread.sum(), 1e-300))
    fitted = Placing(np.clip(scale, 1e-3 * placing.scale, 1e3 * placing.scale), turn, np.zeros(3))
    return replace(fitted, shift=target - fitted(middle))


def best_turn(covariance: Reals, upright: bool) -> Reals:
    """The rotation R that makes the trace of R^T C largest."""
    if upright:
        angle = np.arctan2(covariance[1, 0] - covariance[0, 1], covariance[0, 0] + covariance[1, 1])
        c, s = np.cos(angle), np.sin(angle)
        return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    left, _, right = np.linalg.svd(covariance)
    proper = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    return left @ proper @ right
