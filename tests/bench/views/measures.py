"""How far views of a thing are from the truth's. Each measure is here once, and takes nothing but pictures.

    found     (F, H, W, 3) sRGB in 8 bits, before white: view i is from the azimuth 2 pi i / F, all as high and as far
    truth     (V, H, W, 3) of the thing itself, so many sides that F divides V
    turn      whole steps of the truth, 2 pi / V each: by which what was found stands further around than it should

Whoever knows cameras has to be right at turn 0. What was made without them has no front: it is given the turn at which
it is best, `best_turn`, and more of its azimuths are right by chance than of who knows cameras.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.uint8]

NEAR = np.radians(45.0)  # of azimuth: what still counts as the right side
WHITE = 0.95  # from here on a pixel shows the background
LEAST = 1e-12


def errors(found: Pictures, truth: Pictures) -> NDArray[np.floating]:
    """(F, V) mean squared error of each view found and each of the truth; 1 is that of black for white."""
    apart = _values(found)[:, None] - _values(truth)[None]
    return np.square(apart).mean(axis=(2, 3, 4))


def best_turn(found: Pictures, truth: Pictures) -> int:
    """The turn at which all views together are nearest to the truth."""
    apart = errors(found, truth)
    return int(np.argmin([_aligned(apart, turn).mean() for turn in range(len(truth))]))


def decibels(found: Pictures, truth: Pictures, turn: int = 0) -> float:
    """Peak signal-to-noise ratio of all views together."""
    return float(-10 * np.log10(max(_aligned(errors(found, truth), turn).mean(), LEAST)))


def azimuths_right(found: Pictures, truth: Pictures, turn: int = 0, near: float = NEAR) -> int:
    """Views whose nearest one of the truth is from their own azimuth, or from no more than `near` beside it.

    What looks alike from everywhere has three of eight right; and one, where `near` is 0.
    """
    nearest, count = errors(found, truth).argmin(axis=1), len(truth)
    off = (nearest - _places(len(found), count) - turn + count // 2) % count - count // 2
    return int((np.abs(off) * 2 * np.pi / count <= near + LEAST).sum())


def opposite_correlation(views: Pictures) -> float:
    """Of the pixels of views from opposite sides, not mirrored, the mean over pairs: 1 for what has no front. It says
    nothing but beside the truth's."""
    flat = _values(views).reshape(len(views), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), LEAST)
    half = len(views) // 2
    return float((flat[:half] * flat[half:]).sum(axis=1).mean())


def saturation(views: Pictures) -> float:
    """Mean of 1 - lowest / highest channel of the pixels that show something; 0 where nothing is shown."""
    values = _values(views)
    high, low = values.max(axis=3), values.min(axis=3)
    own = 1 - low / np.maximum(high, LEAST)
    seen = shown(views)
    return float(np.where(high > LEAST, own, 0.0)[seen].mean()) if seen.any() else 0.0


class Disagreement(NamedTuple):
    """Between the views of a set: how far they are from their mean, root mean square over views."""

    colour: float  # of the mean colour of what is shown; 1 from black to white in each channel
    size: float  # of the logarithm of how high it stands in the picture


def disagreement(views: Pictures) -> Disagreement:
    """Things differ from side to side too, in colour more than in height: it is to be read beside the truth's."""
    looks = [_look(view, own) for view, own in zip(_values(views), shown(views), strict=True)]
    colours = np.array([colour for colour, _ in looks])
    apart = np.square(colours - colours.mean(axis=0)).mean()
    return Disagreement(float(np.sqrt(apart)), float(np.log([height for _, height in looks]).std()))


def colour_off(found: Pictures, truth: Pictures) -> float:
    """How far the mean colour of what is shown is from the truth's, root mean square over channels and views; 1 from
    black to white."""
    mean = [
        np.array([_look(view, own)[0] for view, own in zip(_values(views), shown(views), strict=True)])
        for views in (found, truth)
    ]
    return float(np.sqrt(np.square(mean[0] - mean[1]).mean()))


def shown(views: Pictures) -> NDArray[np.bool_]:
    """(F, H, W): not the white behind."""
    return views.min(axis=3) < WHITE * 255


def _look(view: NDArray[np.floating], seen: NDArray[np.bool_]) -> tuple[NDArray[np.floating], int]:
    """Mean colour of what is seen, and how many rows it reaches over; of nothing, white and one row."""
    if not seen.any():
        return np.ones(3), 1
    return view[seen].mean(axis=0), int(np.ptp(np.flatnonzero(seen.any(axis=1)))) + 1


def _values(pictures: Pictures) -> NDArray[np.floating]:
    return pictures.astype(np.float64) / 255


def _places(found: int, count: int) -> NDArray[np.int64]:
    """(F,) where among `count` views of the truth those found are."""
    if found < 1 or count % found:
        raise ValueError(f"{found} views are not evenly among {count}")
    return np.arange(found) * (count // found)


def _aligned(apart: NDArray[np.floating], turn: int) -> NDArray[np.floating]:
    """(F,) of errors (F, V): those of each view and the one it should be."""
    found, count = apart.shape
    return apart[np.arange(found), (_places(found, count) + turn) % count]
