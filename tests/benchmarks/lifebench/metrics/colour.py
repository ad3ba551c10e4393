"""How near an answer's colours are to the truth's, point for point, and how much they flicker.

Points are matched as for trajectories where an answer is tracked, else to the nearest in each frame. Colours are
compared as a screen shows them, encoded by sRGB's curve (IEC 61966-2-1), for which decibels of pictures are known.
"""

import numpy as np
from scipy.spatial import KDTree

from tests.benchmarks.lifebench.metrics.pair import Pair
from tests.benchmarks.lifebench.nouns import Reals, Sequence, once

EXACT = 100.0  # dB, of a perfect answer: what is nearer than a hundred-thousandth of white


def encoded(linear: Reals) -> Reals:
    """Linear light in [0, 1] by sRGB's curve."""
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)


def albedo_psnr(pair: Pair) -> float:
    """Decibels: 10 lg (1 / mean squared difference), over points by area, frames and channels."""
    difference = ((_own(pair) - _real(pair.truth.sequence)) ** 2).mean(axis=2)
    return float(min(EXACT, -10 * np.log10(max((pair.weights * difference).sum(), 1e-300))))


def texel_flicker(pair: Pair) -> float:
    """How much faster than the truth's an answer's colours change their course: the mean second difference between
    frames, less what the truth's matched point has. 1 is white to black to white."""
    own, real = np.abs(np.diff(_own(pair), 2, axis=0)), np.abs(np.diff(_real(pair.truth.sequence), 2, axis=0))
    beyond = np.maximum(own - real, 0.0).mean(axis=2) / 2.0
    return float((beyond * pair.weights[1:-1]).sum() / pair.weights[1:-1].sum())


@once
def _real(sequence: Sequence) -> Reals:
    return encoded(np.stack(sequence.albedo))


@once
def _own(pair: Pair) -> Reals:
    """(T, V, 3) of the points that stand for the truth's vertices."""
    if pair.answer.tracked:
        return encoded(pair.matched(pair.answer.albedo))
    truth = pair.truth.sequence.positions
    near = [KDTree(v).query(aim)[1] for (v, _), aim in zip(pair.answer.frames, truth, strict=True)]
    return encoded(np.stack([colours[of] for colours, of in zip(pair.answer.albedo, near, strict=True)]))
