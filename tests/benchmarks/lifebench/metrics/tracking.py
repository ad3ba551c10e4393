"""Points that are followed: how far an answer's are from the truth's, how much they move, how much they shake.

Surface distance hides sliding: a surface may pass along itself and stay where it is. So points are matched once, at
the anchor (the frame that was given, or the one in which there is most surface), and then followed. All are shares of
the size, means over the truth's vertices by the area about each and over its frames. Of an answer that is not tracked
only the motion of its surface is known, a measure of its own: the same number for every answer, tracked or not.
"""

import numpy as np

from tests.benchmarks.lifebench.metrics.nearest import Tree
from tests.benchmarks.lifebench.metrics.pair import Pair
from tests.benchmarks.lifebench.metrics.sampling import of_frame
from tests.benchmarks.lifebench.nouns import Sequence, once

COMPARED = 2_000  # points of a surface in each frame


def trajectory_error(pair: Pair) -> float:
    """Mean distance of each point of the truth to the point of the answer that stands for it."""
    return float((pair.weights * pair.apart).sum())


def motion(pair: Pair) -> float:
    """How much an answer's points move beside the truth's: 0 is still, 1 as much. Motion is how far a point is from
    its mean place, in the root mean square over time."""
    weights = pair.weights.sum(axis=0)
    own, real = _wander(pair.paths), _wander(pair.truth.sequence.positions)
    return float(weights @ own / max(weights @ real, 1e-300))


def surface_motion(pair: Pair) -> float:
    """How much an answer's surface moves beside the truth's: 0 is still, 1 as much. The motion of a surface is how far
    it is from the first frame's, both ways, in the mean over time; what slides in itself does not move."""
    return _left(pair.answer) / max(_left(pair.truth.sequence), 1e-300)


def _wander(paths):
    """(V,) metres."""
    return np.sqrt(((paths - paths.mean(axis=0)) ** 2).sum(axis=2).mean(axis=0))


@once
def _left(sequence: Sequence) -> float:
    """Metres: the mean distance of each frame's surface to the first one's, both ways."""
    first, sums = Tree(of_frame(sequence, 0, COMPARED)), 0.0
    for t in range(len(sequence.frames)):
        now = Tree(of_frame(sequence, t, COMPARED))
        sums += first.away(now.data).mean() + now.away(first.data).mean()
    return sums / len(sequence.frames)


def shake(pair: Pair) -> float:
    """How much faster than the truth's an answer's points change their pace: the mean second difference between
    frames, less what the truth's matched point has."""
    own, real = (
        np.diff(pair.paths, 2, axis=0),
        np.diff(pair.truth.sequence.positions, 2, axis=0),
    )
    beyond = np.maximum(np.linalg.norm(own, axis=2) - np.linalg.norm(real, axis=2), 0.0) / pair.size
    return float((beyond * pair.weights[1:-1]).sum() / pair.weights[1:-1].sum())
