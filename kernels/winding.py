"""Winding numbers of points against a surface that is summed up as area vectors (dipoles)."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Reals = NDArray[np.float64]


@njit(cache=True)
def winding(points: Reals, centres: Reals, areas: Reals) -> Reals:
    """(P,) about 1 inside and 0 outside, at points (P, 3).

    centres (S, 3) and areas (S, 3): position and area vector of each piece.
    The far-field term of Barill et al., "Fast winding numbers for soups and clouds", SIGGRAPH 2018: good from
    about one piece's width away from the surface.
    """
    out = np.zeros(len(points))
    for i in range(len(points)):
        total = 0.0
        for j in range(len(centres)):
            x = centres[j, 0] - points[i, 0]
            y = centres[j, 1] - points[i, 1]
            z = centres[j, 2] - points[i, 2]
            square = x * x + y * y + z * z + 1e-12
            total += (areas[j, 0] * x + areas[j, 1] * y + areas[j, 2] * z) / (square * math.sqrt(square))
        out[i] = total / (4.0 * math.pi)
    return out


def winding_reference(points: Reals, triangles: Reals) -> Reals:
    """(P,) exact, from the solid angles of triangles (S, 3, 3); Van Oosterom and Strackee, IEEE TBME 1983."""
    a, b, c = (triangles[None, :, k] - points[:, None] for k in range(3))
    la, lb, lc = (np.linalg.norm(x, axis=2) for x in (a, b, c))
    det = np.einsum("psk,psk->ps", a, np.cross(b, c))
    dots = [np.einsum("psk,psk->ps", x, y) for x, y in ((a, b), (b, c), (c, a))]
    angle = 2.0 * np.arctan2(det, la * lb * lc + dots[0] * lc + dots[1] * la + dots[2] * lb)
    return angle.sum(axis=1) / (4.0 * math.pi)
