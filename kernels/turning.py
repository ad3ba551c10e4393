"""Vectors turned about axes of their own: what a growing triangle does to its sides, for each moment of a life.

Rodrigues' formula on the vectors themselves; the matrices, nine numbers a turn, are never made.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Reals = NDArray[np.float64]


@njit(cache=True, fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
def turned(vectors: Reals, axis: Reals, angle: Reals) -> Reals:
    """vectors (F, K, 3) turned about unit axes (F, 3) by angles (F,), radians: K of them about each."""
    out = np.empty_like(vectors)
    for f in range(len(vectors)):
        x, y, z = axis[f, 0], axis[f, 1], axis[f, 2]
        cosine, sine = math.cos(angle[f]), math.sin(angle[f])
        for k in range(vectors.shape[1]):
            a, b, c = vectors[f, k, 0], vectors[f, k, 1], vectors[f, k, 2]
            along = (1.0 - cosine) * (x * a + y * b + z * c)
            out[f, k, 0] = cosine * a + sine * (y * c - z * b) + along * x
            out[f, k, 1] = cosine * b + sine * (z * a - x * c) + along * y
            out[f, k, 2] = cosine * c + sine * (x * b - y * a) + along * z
    return out


def turned_reference(vectors: Reals, axis: Reals, angle: Reals) -> Reals:
    """The same by matrices: exp of the cross product with the axis, summed up as a series."""
    cross = np.zeros((len(axis), 3, 3))
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
    cross = angle[:, None, None] * (cross - cross.transpose(0, 2, 1))
    term = whole = np.broadcast_to(np.eye(3), cross.shape)
    for power in range(1, 60):
        term = term @ cross / power
        whole = whole + term
    return vectors @ whole.transpose(0, 2, 1)
