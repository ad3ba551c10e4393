"""Read a grid over a floor at points: the transpose of `kernels.spread.spread`, same weights and mirrors."""

import numba
import numpy as np
from numpy.typing import NDArray

from kernels.spread import bspline

Reals = NDArray[np.float64]


def gather(field: Reals, points: Reals, spacing: Reals, parity: Reals) -> Reals:
    """(C, nx, ny, nz) field at (N, 3) points -> (N, C). Grid, mirrors and parity (C,) as in `spread`."""
    return _gather(field, points, spacing, parity)


def gather_reference(field: Reals, points: Reals, spacing: Reals, parity: Reals) -> Reals:
    """The definition of `gather`: the field continued past its mirrors, then a sum over every cell."""
    shape = field.shape[1:]
    mirrored = field[..., ::-1] * parity[:, None, None, None]
    continued = np.concatenate([mirrored, field, mirrored], axis=3)
    weights = []
    for axis in range(3):
        cells = np.arange(shape[axis]) if axis < 2 else np.arange(-shape[2], 2 * shape[2])
        distance = points[:, axis, None] / spacing[axis] - 0.5 - cells
        if axis < 2:
            distance -= shape[axis] * np.round(distance / shape[axis])
        weights.append(bspline(np.abs(distance)))
    return np.einsum("ni,nj,nk,cijk->nc", *weights, continued)


@numba.njit(cache=True)
def _gather(field, points, spacing, parity):
    channels, nx, ny, nz = field.shape
    shape = (nx, ny, nz)
    out = np.zeros((len(points), channels))
    first = np.empty(3, np.int64)
    w = np.empty((3, 3))
    for n in range(len(points)):
        for axis in range(3):
            x = points[n, axis] / spacing[axis] - 0.5
            nearest = np.floor(x + 0.5)
            f = x - nearest
            first[axis] = int(nearest) - 1
            w[axis, 0] = 0.5 * (0.5 - f) ** 2
            w[axis, 1] = 0.75 - f * f
            w[axis, 2] = 0.5 * (0.5 + f) ** 2
        for a in range(3):
            i = (first[0] + a) % shape[0]
            for b in range(3):
                j = (first[1] + b) % shape[1]
                for c in range(3):
                    k = first[2] + c
                    odd = k < 0 or k >= nz
                    if k < 0:
                        k = -1 - k
                    elif odd:
                        k = 2 * nz - 1 - k
                    weight = w[0, a] * w[1, b] * w[2, c]
                    for channel in range(channels):
                        out[n, channel] += weight * field[channel, i, j, k] * (parity[channel] if odd else 1.0)
    return out
