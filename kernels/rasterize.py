"""Rasterise triangles in clip space: which triangle each pixel sees, where in it, and how deep.

Clip space is OpenGL's: what is seen has -w <= x, y, z <= w and w > 0; x points right, y up, and z/w grows away from
the eye. Row 0 is the top of the picture: pixel (i, j) is seen from its centre,
x = (2 j + 1) / width - 1, y = 1 - (2 i + 1) / height.

A pixel p = (x, y, 1) lies in the triangle with corners q_k = (x_k, y_k, w_k) where the three edge functions
    e_0 = p . (q_1 x q_2),   e_1 = p . (q_2 x q_0),   e_2 = p . (q_0 x q_1)
are all of the sign of det = q_0 . (q_1 x q_2), or zero. Perspective-correct barycentrics are e_k / sum(e), and the
depth z/w is sum(e_k z_k) / det. Nothing is divided by the w of a corner, and det / sum(e) is the pixel's own w, so a
triangle that reaches behind the eye needs no cutting. Olano and Greer, "Triangle scan conversion using 2D homogeneous
coordinates", Graphics Hardware 1997. The function of a shared edge is its neighbour's, exactly negated as long as no
multiply and add are fused: so there are no cracks.

All versions decide in float64, so all see the same triangles. Depths are rounded to whole steps of 2^-29 before they are
compared, with each other and with the clip planes, and of equals the first triangle is seen: so a pixel on a shared
edge, where two depths differ by rounding alone, has one answer. A step and its triangle make one integer, a key, and
the least key of a pixel is what it sees.
"""

from typing import NamedTuple

import numpy as np
import torch
import warp as wp
from numba import get_num_threads, njit, prange
from torch import Tensor

from kernels import cuda, door
from kernels.cpu import parallel


STEPS = 2.0**29  # of depth, in a unit of z/w
LAST = 2**30  # the step of the far plane; the near plane's is 0
NOTHING = (LAST + 1) << 32  # the key of a pixel that sees no triangle


class Fragments(NamedTuple):
    """What the pixels of B views see. Pixels that see nothing hold -1 and zeros."""

    triangle: Tensor  # (B, height, width) int32, row of `faces`
    barycentrics: Tensor  # (B, height, width, 3), weights of the triangle's corners, which sum to 1
    depth: Tensor  # (B, height, width), z/w in [-1, 1]


def rasterize_reference(positions: Tensor, faces: Tensor, height: int, width: int) -> Fragments:
    """The definition of `rasterize`: every pixel against every triangle, in float64."""
    positions, corners = positions.detach().double(), faces.long()
    x, y = (centres.to(positions.device) for centres in _centres(height, width))
    triangle = torch.full((len(positions), height, width), -1, dtype=torch.int32, device=positions.device)
    barycentrics, depth = positions.new_zeros(*triangle.shape, 3), positions.new_zeros(triangle.shape)
    nearest = torch.full_like(depth, LAST + 1)
    for view in range(len(positions)):
        for f in range(len(faces)):
            q = positions[view, corners[f]]
            q0, q1, q2 = q[:, [0, 1, 3]]
            rows = torch.stack([_cross(q1, q2), _cross(q2, q0), _cross(q0, q1)])
            determinant = (q0 * rows[0]).sum()
            if determinant == 0:
                continue  # seen edge-on, or without area
            a, b, c = (rows * determinant.sign()).T[:, :, None, None]
            e = a * x + (b * y[:, None] + c)
            total = e.sum(dim=0)
            z = torch.einsum("khw,k->hw", e, q[:, 2]) / torch.einsum("khw,k->hw", e, q[:, 3])
            step = torch.floor((z + 1) * STEPS + 0.5)
            seen = (e >= 0).all(dim=0) & (total > 0) & (step >= 0) & (step < nearest[view])
            triangle[view][seen], nearest[view][seen], depth[view][seen] = f, step[seen], z[seen]
            barycentrics[view][seen] = (e / total)[:, seen].T
    return Fragments(triangle, barycentrics, depth)


def _centres(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Of the pixels: x (width,) and y (height,), in float64."""
    x = (2 * torch.arange(width, dtype=torch.float64) + 1) / width - 1
    y = 1 - (2 * torch.arange(height, dtype=torch.float64) + 1) / height
    return x, y


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """As torch.linalg.cross, in which multiply and add may be fused."""
    return a[[1, 2, 0]] * b[[2, 0, 1]] - a[[2, 0, 1]] * b[[1, 2, 0]]


# --- CPU ---


@njit(cache=True, error_model="numpy")
def _corner(positions, k):
    return np.float64(positions[k, 0]), np.float64(positions[k, 1]), np.float64(positions[k, 3])


@njit(cache=True, error_model="numpy")
def _edges(x0, y0, w0, x1, y1, w1, x2, y2, w2):
    """Rows (a, b, c) of the three edge functions e = a x + (b y + c), and det."""
    a0, b0, c0 = y1 * w2 - w1 * y2, w1 * x2 - x1 * w2, x1 * y2 - y1 * x2
    a1, b1, c1 = y2 * w0 - w2 * y0, w2 * x0 - x2 * w0, x2 * y0 - y2 * x0
    a2, b2, c2 = y0 * w1 - w0 * y1, w0 * x1 - x0 * w1, x0 * y1 - y0 * x1
    return a0, b0, c0, a1, b1, c1, a2, b2, c2, x0 * a0 + y0 * b0 + w0 * c0


@njit(cache=True, error_model="numpy")
def _hidden(q0, q1, q2):
    """Whether all corners lie beyond one of the planes that bound what is seen."""
    for k in range(3):
        if (q0[k] > q0[3] and q1[k] > q1[3] and q2[k] > q2[3]) or (
            q0[k] < -q0[3] and q1[k] < -q1[3] and q2[k] < -q2[3]
        ):
            return True
    return q0[3] <= 0 and q1[3] <= 0 and q2[3] <= 0


@njit(cache=True, error_model="numpy")
def _project(positions, height, width, columns, rows):
    """Where in the picture the vertices lie that are before the eye, in pixels, no further out than its rim."""
    for v in range(len(positions)):
        w = np.float64(positions[v, 3])
        columns[v] = (min(max(positions[v, 0] / w, -1.0), 1.0) + 1) * width / 2 - 0.5
        rows[v] = (1 - min(max(positions[v, 1] / w, -1.0), 1.0)) * height / 2 - 0.5


@njit(cache=True, error_model="numpy")
def _draw(positions, faces, columns, rows, x, y, first, end, keys):
    """The rows from `first` to `end` of one view."""
    width = len(x)
    slack = 1e-3  # of a pixel: a corner on a pixel's centre counts, whatever the division rounded to
    for f in range(len(faces)):
        k0, k1, k2 = faces[f, 0], faces[f, 1], faces[f, 2]
        if min(positions[k0, 3], positions[k1, 3], positions[k2, 3]) > 0:
            top = max(int(np.ceil(min(rows[k0], rows[k1], rows[k2]) - slack)), first)
            bottom = min(int(np.floor(max(rows[k0], rows[k1], rows[k2]) + slack)), end - 1)
            left = max(int(np.ceil(min(columns[k0], columns[k1], columns[k2]) - slack)), 0)
            right = min(int(np.floor(max(columns[k0], columns[k1], columns[k2]) + slack)), width - 1)
            if bottom < top or right < left:
                continue
        elif _hidden(positions[k0], positions[k1], positions[k2]):
            continue
        else:  # it reaches behind the eye: its outline is not its corners'
            top, bottom, left, right = first, end - 1, 0, width - 1
        x0, y0, w0 = _corner(positions, k0)
        x1, y1, w1 = _corner(positions, k1)
        x2, y2, w2 = _corner(positions, k2)
        a0, b0, c0, a1, b1, c1, a2, b2, c2, determinant = _edges(x0, y0, w0, x1, y1, w1, x2, y2, w2)
        if determinant == 0:
            continue
        if determinant < 0:
            a0, b0, c0, a1, b1, c1, a2, b2, c2 = -a0, -b0, -c0, -a1, -b1, -c1, -a2, -b2, -c2
        scale = 1 / abs(determinant)
        z0, z1, z2 = positions[k0, 2] * scale, positions[k1, 2] * scale, positions[k2, 2] * scale
        az, bz, cz = a0 * z0 + a1 * z1 + a2 * z2, b0 * z0 + b1 * z1 + b2 * z2, c0 * z0 + c1 * z1 + c2 * z2
        for i in range(top, bottom + 1):
            d0, d1, d2, dz = b0 * y[i] + c0, b1 * y[i] + c1, b2 * y[i] + c2, bz * y[i] + cz
            for j in range(left, right + 1):
                e0, e1, e2 = a0 * x[j] + d0, a1 * x[j] + d1, a2 * x[j] + d2
                step = (az * x[j] + dz) * STEPS + (STEPS + 0.5)
                inside = (e0 >= 0) & (e1 >= 0) & (e2 >= 0) & (e0 + e1 + e2 > 0)
                if inside & (step >= 0) & (step < LAST + 1):
                    keys[i, j] = min(keys[i, j], (np.int64(step) << 32) | f)


@njit(cache=True, error_model="numpy")
def _resolve(positions, faces, x, y, first, end, keys, triangle, barycentrics, depth):
    for i in range(first, end):
        for j in range(triangle.shape[1]):
            if keys[i, j] == NOTHING:
                triangle[i, j] = -1
                barycentrics[i, j, 0] = barycentrics[i, j, 1] = barycentrics[i, j, 2] = depth[i, j] = 0
                continue
            f = keys[i, j] & 0xFFFFFFFF
            triangle[i, j] = f
            k0, k1, k2 = faces[f, 0], faces[f, 1], faces[f, 2]
            x0, y0, w0 = _corner(positions, k0)
            x1, y1, w1 = _corner(positions, k1)
            x2, y2, w2 = _corner(positions, k2)
            a0, b0, c0, a1, b1, c1, a2, b2, c2, _ = _edges(x0, y0, w0, x1, y1, w1, x2, y2, w2)
            e0, e1, e2 = (a0 * x[j] + (b0 * y[i] + c0)), (a1 * x[j] + (b1 * y[i] + c1)), (a2 * x[j] + (b2 * y[i] + c2))
            total = e0 + e1 + e2
            barycentrics[i, j, 0], barycentrics[i, j, 1], barycentrics[i, j, 2] = e0 / total, e1 / total, e2 / total
            z = e0 * positions[k0, 2] + e1 * positions[k1, 2] + e2 * positions[k2, 2]
            depth[i, j] = z / (e0 * w0 + e1 * w1 + e2 * w2)


@parallel
def _rasterize(positions, faces, columns, rows, x, y, bands, keys, triangle, barycentrics, depth):
    """In tasks of one band of rows of one view, which share nothing."""
    views, height, width = triangle.shape
    for view in prange(views):
        _project(positions[view], height, width, columns[view], rows[view])
    for task in prange(views * bands):
        view, band = divmod(np.int64(task), bands)  # numba counts unsigned, which with a sign makes floats
        first, end = band * height // bands, (band + 1) * height // bands
        keys[view, first:end] = NOTHING
        _draw(positions[view], faces, columns[view], rows[view], x, y, first, end, keys[view])
        _resolve(
            positions[view], faces, x, y, first, end, keys[view], triangle[view], barycentrics[view], depth[view]
        )


def _on_cpu(positions: Tensor, faces: Tensor, height: int, width: int) -> Fragments:
    views, vertices, _ = positions.shape
    columns, rows = np.empty((2, views, vertices))
    keys = np.empty((views, height, width), np.int64)
    triangle = torch.empty(views, height, width, dtype=torch.int32)
    barycentrics, depth = positions.new_empty(views, height, width, 3), positions.new_empty(views, height, width)
    bands = max(1, min(height, -(-get_num_threads() // max(1, views))))
    x, y = _centres(height, width)
    _rasterize(
        positions.numpy(), faces.numpy(), columns, rows, x.numpy(), y.numpy(), bands,
        keys, triangle.numpy(), barycentrics.numpy(), depth.numpy(),
    )  # fmt: skip
    return Fragments(triangle, barycentrics, depth)


# --- the function ---


@cuda.carried
def rasterize(positions: Tensor, faces: Tensor, height: int, width: int) -> Fragments:
    """The nearest triangle at each pixel's centre, for B views of one mesh; front and back faces alike.

    positions (B, V, 4) are in clip space, float32, or float64 on the CPU; faces (F, 3) int32 or int64 hold rows of V.
    Nothing here is differentiable: `interpolate` carries gradients through the barycentrics.

    Raises ValueError for NaN or infinity in positions, faces beyond V, and pictures without pixels.
    """
    door.alike(positions=positions)
    door.shaped("positions", positions, None, None, 4)
    door.shaped("faces", faces, None, 3)
    door.finite(positions=positions)
    if faces.dtype not in (torch.int32, torch.int64) or faces.device != positions.device:
        raise ValueError(f"faces must be int32 or int64 on {positions.device}, not {faces.dtype} on {faces.device}")
    if len(faces):
        lowest, highest = (int(end) for end in faces.aminmax())
        if lowest < 0 or highest >= positions.shape[1]:
            raise ValueError(f"faces must lie in 0..{positions.shape[1] - 1}, not {lowest}..{highest}")
    if height < 1 or width < 1:
        raise ValueError(f"height and width must be at least 1, not {height} and {width}")
    version = _on_cpu
    return version(positions.detach().contiguous(), faces.to(torch.int32).contiguous(), height, width)
