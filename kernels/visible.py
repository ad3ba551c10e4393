"""Which triangles of a soup can be seen from outside: pictures of it from all round, and who wins a pixel.

A pixel holds the nearest triangle and the farthest, so that one picture serves two opposite directions
(Catmull, "A subdivision algorithm for computer display of curved surfaces", 1974: the z-buffer).
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from kernels import cpu
from kernels.shapes import Reals
from kernels.vectors import dot, minus

# of each two opposite directions one: through the faces, edges and corners of a cube
DIRECTIONS = np.array([d for d in product((-1, 0, 1), repeat=3) if d > (0, 0, 0)], float)
FAR, LOWER = 2**62, 2**32 - 1


# --- the definition ---


def visible_reference(corners: Reals, pixels: int) -> NDArray[np.bool_]:
    """The definition of `visible`: every pixel of every picture against every triangle."""
    seen = np.zeros(len(corners), bool)
    for frame, middle, scale in _pictures(corners, pixels):
        x, y, depth = np.moveaxis(((corners - middle) @ frame.T) * scale + [pixels / 2, pixels / 2, 0.0], 2, 0)
        for column, row in product(range(pixels), repeat=2):
            # the share of each corner is the area opposite to it, of the whole
            u, v = x - (column + 0.5), y - (row + 0.5)
            shares = np.stack([u[:, i] * v[:, j] - u[:, j] * v[:, i] for i, j in ((1, 2), (2, 0), (0, 1))], axis=1)
            whole = shares.sum(axis=1)
            covers = np.flatnonzero((whole != 0) & (shares * whole[:, None] >= 0).all(axis=1))
            if len(covers):
                depths = (shares[covers] * depth[covers]).sum(axis=1) / whole[covers]
                seen[covers[[depths.argmin(), depths.argmax()]]] = True
    return seen


# --- CPU ---


@cpu.inner(nogil=True)  # on one core, and called from Python
def _draw(corners, frame, middle, scale, pixels, seen):
    # Depth in the upper half of a key and the triangle in the lower: one number to compare, one place in memory.
    keys = np.empty((pixels, pixels, 2), np.int64)
    keys[:, :, 0], keys[:, :, 1] = FAR, -FAR
    half, fine = 0.5 * pixels, 2.0**29 / pixels  # a depth is within half a picture's width of the middle
    x, y, z = np.empty(3), np.empty(3), np.empty(3)
    for n in range(len(corners)):
        for k in range(3):
            point = minus(corners[n, k], middle)
            x[k] = scale * dot(frame[0], point) + half
            y[k] = scale * dot(frame[1], point) + half
            z[k] = scale * dot(frame[2], point)
        left, right = max(int(np.ceil(x.min() - 0.5)), 0), min(int(x.max() - 0.5), pixels - 1)
        down, up = max(int(np.ceil(y.min() - 0.5)), 0), min(int(y.max() - 0.5), pixels - 1)
        whole = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
        if left > right or down > up or whole == 0.0:
            continue
        share = 1.0 / whole
        for i in range(left, right + 1):
            px = i + 0.5
            for j in range(down, up + 1):
                py = j + 0.5
                a = share * ((x[1] - px) * (y[2] - py) - (x[2] - px) * (y[1] - py))
                b = share * ((x[2] - px) * (y[0] - py) - (x[0] - px) * (y[2] - py))
                c = 1.0 - a - b
                if a < 0.0 or b < 0.0 or c < 0.0:
                    continue
                key = int(fine * (a * z[0] + b * z[1] + c * z[2])) << 32 | n
                keys[i, j, 0] = min(keys[i, j, 0], key)
                keys[i, j, 1] = max(keys[i, j, 1], key)
    for i in range(pixels):
        for j in range(pixels):
            if keys[i, j, 0] != FAR:
                seen[keys[i, j, 0] & LOWER] = seen[keys[i, j, 1] & LOWER] = True


# --- the function ---


def visible(corners: Reals, pixels: int) -> NDArray[np.bool_]:
    """(F,) which of the triangles, corners (F, 3, 3), win a pixel in one of 26 pictures from all round.

    A picture is `pixels` across and shows all triangles without perspective, both sides of each alike. Of triangles at
    one depth one wins. A triangle much smaller than a pixel may go unseen.
    """
    seen = np.zeros(len(corners), bool)
    corners = np.ascontiguousarray(corners, np.float64)
    for picture in _pictures(corners, pixels):
        _draw(corners, *picture, pixels, seen)
    return seen


def _pictures(corners: Reals, pixels: int) -> Iterator[tuple[Reals, Reals, float]]:
    """For each of DIRECTIONS the axes of a picture as rows, with depth for the last; its middle, and pixels a unit."""
    if len(corners) == 0:
        return
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    scale = pixels / (float(np.linalg.norm(high - low)) or 1.0)
    for direction in DIRECTIONS:
        forward = direction / np.linalg.norm(direction)
        side = np.cross(forward, np.eye(3)[np.abs(forward).argmin()])
        side /= np.linalg.norm(side)
        yield np.stack([side, np.cross(forward, side), forward]), (low + high) / 2, scale
