"""What a closed grid encloses."""

import numpy as np

from backend.specimens.core import Array


def enclosed(points: Array) -> float:
    """Volume within a closed grid (1, rows, columns, 3) with a pole at each end, as `join` makes it: cubic metres where
    points are in metres, positive where its faces look out."""
    a = points[0].copy()
    a[0], a[-1] = a[0].mean(axis=0), a[-1].mean(axis=0)
    b = np.roll(a, -1, axis=1)
    first = np.einsum("rck,rck->", a[:-1], np.cross(b[:-1], b[1:]))
    return float(first + np.einsum("rck,rck->", a[:-1], np.cross(b[1:], a[1:]))) / 6
