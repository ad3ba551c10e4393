"""What an answer is to play: the seam of a loop, and bytes."""

import numpy as np

from tests.benchmarks.lifebench.metrics.pair import Pair
from tests.benchmarks.lifebench.nouns import Sequence


def loop_seam(pair: Pair) -> float:
    """How much harder an answer jerks where its last frame leads into its first than it does anywhere else: the
    largest mean second difference there, less the largest one within, as a share of the size. A step out of place and
    a change of pace both show in it."""
    paths = pair.paths
    weights = pair.weights.mean(axis=0)
    jerk = np.linalg.norm(np.roll(paths, 1, axis=0) - 2 * paths + np.roll(paths, -1, axis=0), axis=2) @ weights
    return float(max(0.0, jerk[[0, -1]].max() - jerk[1:-1].max(initial=0.0)) / weights.sum() / pair.size)


def bytes_per_second(answer: Sequence) -> float:
    """Of the file, by the time that it plays: its last frame counts as long as the mean one."""
    frames = len(answer.times)
    seconds = (answer.times[-1] - answer.times[0]) * frames / max(frames - 1, 1)
    return answer.bytes / seconds if answer.bytes and seconds > 0 else np.nan
