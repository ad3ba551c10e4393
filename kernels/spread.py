"""Spread values at points on to a grid over a floor: the splat of the immersed boundary method.

Peskin, The immersed boundary method, Acta Numerica 2002, with the quadratic B-spline as the smoothed
delta. The grid is periodic along x and y; along z it is cell-centred between two mirrors, the floor z = 0 and the lid.
"""

import numba
import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]


def spread(points: Reals, values: Reals, spacing: Reals, shape: tuple[int, int, int], parity: Reals) -> Reals:
    """(N, 3) points and (N, C) values -> (C, *shape): each value shared among 27 cells with weights that sum to 1.

    Cell (i, j, k) is centred at ((i + 1/2) dx, (j + 1/2) dy, (k + 1/2) dz). What would fall below the floor or
    above the lid comes back mirrored, times parity (C,): +1 for an even quantity, -1 for an odd one.
    """
    return _spread(points, values, spacing, shape, parity)


def spread_reference(points: Reals, values: Reals, spacing: Reals, shape: tuple[int, int, int], parity: Reals) -> Reals:
    """The definition of `spread`: every cell against every point, by the B-spline's formula."""
    out = np.zeros((values.shape[1], *shape))
    for image in (-1, 0, 1, 2):  # the point itself, its mirror image in the floor (-1) and in the lid (2)
        if image == 1:
            continue
        mirrored = points.copy()
        sign = np.ones(len(parity))
        if image:
            mirrored[:, 2] = (0.0 if image == -1 else 2.0 * shape[2] * spacing[2]) - points[:, 2]
            sign = parity
        weights = []
        for axis in range(3):
            distance = mirrored[:, axis, None] / spacing[axis] - 0.5 - np.arange(shape[axis])
            if axis < 2:
                distance -= shape[axis] * np.round(distance / shape[axis])
            weights.append(bspline(np.abs(distance)))
        out += np.einsum("ni,nj,nk,nc,c->cijk", *weights, values, sign)
    return out


def bspline(distance: Reals) -> Reals:
    """The quadratic B-spline at a non-negative distance in cells."""
    near = 0.75 - distance**2
    far = 0.5 * np.clip(1.5 - distance, 0.0, None) ** 2
    return np.where(distance < 0.5, near, far)


@numba.njit(cache=True)
def _spread(points, values, spacing, shape, parity):
    out = np.zeros((values.shape[1], shape[0], shape[1], shape[2]))
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
                    odd = k < 0 or k >= shape[2]
                    if k < 0:
                        k = -1 - k
                    elif odd:
                        k = 2 * shape[2] - 1 - k
                    weight = w[0, a] * w[1, b] * w[2, c]
                    for channel in range(values.shape[1]):
                        out[channel, i, j, k] += weight * values[n, channel] * (parity[channel] if odd else 1.0)
    return out
