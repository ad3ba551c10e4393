"""What a closed grid encloses."""

import numpy as np

from backend.specimens.core import Array


def enclosed(points: Array) -> float:
    """Volume within a closed grid (rows, columns, 3) whose first and last row are poles, over the triangles that `join`
    makes of it: cubic metres where points are in metres, positive where its faces look out."""
    right = np.roll(points, -1, axis=1)
    a, b, c, d = points[:-1], right[:-1], right[1:], points[1:]
    return float((np.cross(a, b) * c).sum() + (np.cross(a, c) * d).sum()) / 6


def poled(points: Array) -> Array:
    """The grid (rows, columns, 3) with its first and its last row gathered in their middle, as `join` has them."""
    points = points.copy()
    points[0], points[-1] = points[0].mean(axis=0), points[-1].mean(axis=0)
    return points
