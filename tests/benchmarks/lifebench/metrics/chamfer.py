"""CD-3D, CD-4D and CD-M: the distances of ActionBench (Sabathier, Novotny, Mitra, Monnier, "ActionMesh: Animated 3D
Mesh Generation with Temporal 3D Diffusion", CVPR 2026, arXiv 2601.16148, and the evaluation published beside it).

    CD-3D  each frame put in its place by itself, then the mean distance to the nearest point, both ways added
    CD-4D  all frames put in their place as the first one must be, then the same
    CD-M   placed as for CD-4D; each point is matched once, in the first frame, to the nearest of the other surface,
           and then followed; the mean distance to its match over all frames, both ways added

Kept: distances not squared; two ways added, not halved; lengths where the whole life fits [-1, 1]; 100,000 points to
measure to, 10,000 to measure from; a scale for each axis. Departs in three ways, because things here grow. The
truth's points are spread anew over each frame (for CD-M: over the mean of all): points of the first frame alone would
leave a grown leaf bare. What is gone is not measured. The placing is found by closed-form steps from 2,000 points,
not 10,000 (align.py). A surface measured against itself does not get 0: other points of it are some way off. The
truth's own numbers beside an answer's say how far.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from tests.benchmarks.lifebench.metrics.align import Freedom, Placing, place
from tests.benchmarks.lifebench.metrics.nearest import Tree
from tests.benchmarks.lifebench.metrics.pair import at_frames
from tests.benchmarks.lifebench.metrics.sampling import of_frame, of_life, present
from tests.benchmarks.lifebench.nouns import Reals, Sequence, Truth, once


@dataclass(frozen=True)
class Counts:
    """Of points: ActionBench's, or fewer for a quick look. Numbers of other counts are not comparable."""

    to: int = 100_000
    frm: int = 10_000
    placing: int = 2_000


def distances(answer: Sequence, truth: Truth, counts: Counts) -> tuple[float, float, float]:
    """(CD-3D, CD-4D, CD-M) in halves of the size; CD-M is not a number where the answer is not tracked."""
    answer = at_frames(answer, len(truth.tau), truth.loop)
    unit = 2.0 / truth.size
    each, whole = [], []
    first: Placing | None = None
    for t in range(len(truth.tau)):
        points, aim = Tree(of_frame(answer, t, counts.to, turn=1) * unit), _aim(truth.sequence, t, counts.to, unit)
        placing = place([_some(points.data, counts.placing)], [_some(aim.data, counts.placing)], Freedom.AXES)
        first = placing if first is None else first
        each.append(chamfer(points, placing, aim, counts.frm))
        whole.append(each[0] if t == 0 else chamfer(points, first, aim, counts.frm))
    moving = motion(answer, truth, first, counts) if answer.tracked else np.nan
    return float(np.mean(each)), float(np.mean(whole)), moving


@once
def _aim(sequence: Sequence, frame: int, count: int, unit: float) -> Tree:
    return Tree(of_frame(sequence, frame, count) * unit)


def chamfer(points: Tree, placing: Placing, others: Tree, count: int) -> float:
    """Mean distance from `count` of the points, in their place, to the nearest of the others, and the same back,
    added."""
    forth = others.away(placing(_some(points.data, count)))
    return float(forth.mean() + points.away(placing.back(_some(others.data, count)), tuple(placing.scale)).mean())


def motion(answer: Sequence, truth: Truth, placing: Placing, counts: Counts) -> float:
    """CD-M of a tracked answer that has the truth's frames."""
    unit = 2.0 / truth.size
    own, real = of_life(answer, counts.to, turn=1), of_life(truth.sequence, counts.to)
    moving, living = answer.positions * unit, truth.sequence.positions * unit
    start, aim = placing(own.on(moving[0])), real.on(living[0])
    few, back = own.every(len(start) // counts.frm), real.every(len(aim) // counts.frm)
    near = real.at(KDTree(aim).query(placing(few.on(moving[0])))[1])
    nearest = own.at(KDTree(start).query(back.on(living[0]))[1])
    ways = (few, near), (nearest, back)  # of the answer, of the truth
    total = 0.0
    for mine, its in ways:
        shown = np.stack([present(truth.sequence, its, t) for t in range(len(living))])
        total += np.linalg.norm(placing(mine.on(moving)) - its.on(living), axis=2)[shown].mean()
    return float(total)


def _some(points: Reals, count: int) -> Reals:
    return points[:: max(1, len(points) // count)]
