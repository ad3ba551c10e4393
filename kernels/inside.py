"""Which cells of a grid lie inside a surface that may have holes, by winding numbers along the three axes.

Along a ray to the outside, the surface is crossed once more from within than from without; the mean of this count over
all directions is the winding number, which also makes sense where the surface has holes (Jacobson et al., "Robust
inside-outside segmentation using generalized winding numbers", SIGGRAPH 2013). Here it is the mean over the six
directions of the grid, so that one pass over the triangles serves all cells.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from kernels import cpu
from kernels.shapes import Reals

# A ray beside the middle of its cell, so that it seldom runs along an edge of a mesh that was made on a grid.
ASIDE, BESIDE = 0.5 + 1.732e-4, 0.5 - 1.414e-4


# --- the definition ---


def inside_reference(corners: Reals, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """The definition of `inside`: each cell and direction by itself, against every triangle."""
    out = np.zeros(shape, bool)
    for cell in product(*map(range, shape)):
        count = 0.0
        for axis in range(3):
            moved = corners[..., [axis, (axis + 1) % 3, (axis + 2) % 3]] - (
                cell[axis] + 0.5, cell[(axis + 1) % 3] + ASIDE, cell[(axis + 2) % 3] + BESIDE
            )  # fmt: skip
            u, v = moved[..., 1], moved[..., 2]
            shares = np.stack([u[:, i] * v[:, j] - u[:, j] * v[:, i] for i, j in ((1, 2), (2, 0), (0, 1))], axis=1)
            pierced = (shares > 0).all(axis=1) | (shares < 0).all(axis=1)
            shares, depths = shares[pierced], moved[pierced, :, 0]
            ahead = (shares * depths).sum(axis=1) / shares.sum(axis=1) > 0
            count += np.where(ahead, 1, -1) @ np.sign(shares.sum(axis=1)) / 6
        out[cell] = abs(count) > 0.5
    return out


# --- CPU ---


@cpu.inner(nogil=True)  # on one core, and called from Python
def _scan(corners, axis, counts):
    """Add to counts the surface ahead of each cell along the axis, and take off what is behind."""
    second, third = (axis + 1) % 3, (axis + 2) % 3
    depth, width, height = counts.shape[axis], counts.shape[second], counts.shape[third]
    steps = np.zeros((width, height, depth + 1), np.int32)  # where a ray leaves, less where it enters
    for n in range(len(corners)):
        ax, ay = corners[n, 0, second] - ASIDE, corners[n, 0, third] - BESIDE
        bx, by = corners[n, 1, second] - ASIDE, corners[n, 1, third] - BESIDE
        cx, cy = corners[n, 2, second] - ASIDE, corners[n, 2, third] - BESIDE
        whole = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if whole == 0.0:
            continue
        for i in range(max(int(np.ceil(min(ax, bx, cx))), 0), min(int(np.floor(max(ax, bx, cx))), width - 1) + 1):
            for j in range(max(int(np.ceil(min(ay, by, cy))), 0), min(int(np.floor(max(ay, by, cy))), height - 1) + 1):
                a = ((bx - i) * (cy - j) - (cx - i) * (by - j)) / whole
                b = ((cx - i) * (ay - j) - (ax - i) * (cy - j)) / whole
                c = ((ax - i) * (by - j) - (bx - i) * (ay - j)) / whole
                if a > 0.0 and b > 0.0 and c > 0.0:
                    place = a * corners[n, 0, axis] + b * corners[n, 1, axis] + c * corners[n, 2, axis]
                    first = min(max(int(np.ceil(place - 0.5)), 0), depth)  # cell whose middle lies behind it
                    steps[i, j, first] += 1 if whole > 0.0 else -1
    cell = np.zeros(3, np.int64)
    for i in range(width):
        for j in range(height):
            total = steps[i, j].sum()
            behind = 0
            for k in range(depth):
                behind += steps[i, j, k]
                cell[axis], cell[second], cell[third] = k, i, j
                counts[cell[0], cell[1], cell[2]] += total - 2 * behind


# --- the function ---


def inside(corners: Reals, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """(nx, ny, nz) which cells have their middle inside the triangles, corners (F, 3, 3).

    The unit is a cell, and cell (0, 0, 0) begins at the origin; triangles beyond the grid count as well, along its
    columns. Which way the surface faces is the same to this, as long as it is one way for each body.
    """
    counts = np.zeros(shape, np.int32)  # six times the winding number
    corners = np.ascontiguousarray(corners, np.float64)
    for axis in range(3):
        _scan(corners, axis, counts)
    return np.abs(counts) > 3
