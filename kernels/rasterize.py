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

Depths are rounded to float32 before they are compared, with each other and with the clip planes, and of equals the
first triangle is seen: so a pixel on a shared edge, where two depths differ by rounding alone, has one answer.
"""

from typing import NamedTuple

import numpy as np
import torch
from numba import get_num_threads, njit, prange
from torch import Tensor

from kernels import cuda, door
from kernels.cpu import parallel


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
    nearest = torch.full_like(depth, torch.inf, dtype=torch.float32)
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
            rounded = z.float()
            inside = (e >= 0).all(dim=0) & (total > 0)
            seen = inside & (rounded.abs() <= 1) & (rounded < nearest[view])
            triangle[view][seen], nearest[view][seen], depth[view][seen] = f, rounded[seen], z[seen]
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
def _edges(q0, q1, q2):
    """Rows (a, b, c) of the three edge functions e = a x + (b y + c), and det; of corners (x, y, z, w)."""
    x0, y0, w0 = np.float64(q0[0]), np.float64(q0[1]), np.float64(q0[3])
    x1, y1, w1 = np.float64(q1[0]), np.float64(q1[1]), np.float64(q1[3])
    x2, y2, w2 = np.float64(q2[0]), np.float64(q2[1]), np.float64(q2[3])
    a0, b0, c0 = y1 * w2 - w1 * y2, w1 * x2 - x1 * w2, x1 * y2 - y1 * x2
    a1, b1, c1 = y2 * w0 - w2 * y0, w2 * x0 - x2 * w0, x2 * y0 - y2 * x0
    a2, b2, c2 = y0 * w1 - w0 * y1, w0 * x1 - x0 * w1, x0 * y1 - y0 * x1
    return a0, b0, c0, a1, b1, c1, a2, b2, c2, x0 * a0 + y0 * b0 + w0 * c0


@njit(cache=True, error_model="numpy")
def _box(q0, q1, q2, height, width):
    """Rows and columns (top, bottom, left, right), ends included, outside of which the triangle is not seen."""
    for k in range(3):
        beyond = q0[k] > q0[3] and q1[k] > q1[3] and q2[k] > q2[3]
        if beyond or (q0[k] < -q0[3] and q1[k] < -q1[3] and q2[k] < -q2[3]):
            return 0, -1, 0, -1
    if not (q0[3] > 0 and q1[3] > 0 and q2[3] > 0):
        if q0[3] <= 0 and q1[3] <= 0 and q2[3] <= 0:
            return 0, -1, 0, -1
        return 0, height - 1, 0, width - 1  # it reaches behind the eye: its outline is not its corners'
    x0, x1, x2 = q0[0] / np.float64(q0[3]), q1[0] / np.float64(q1[3]), q2[0] / np.float64(q2[3])
    y0, y1, y2 = q0[1] / np.float64(q0[3]), q1[1] / np.float64(q1[3]), q2[1] / np.float64(q2[3])
    slack = 1e-3  # of a pixel: a corner on a pixel's centre counts, whatever the division rounds to
    left = np.ceil((max(min(x0, x1, x2), -1.0) + 1) * width / 2 - 0.5 - slack)
    right = np.floor((min(max(x0, x1, x2), 1.0) + 1) * width / 2 - 0.5 + slack)
    top = np.ceil((1 - min(max(y0, y1, y2), 1.0)) * height / 2 - 0.5 - slack)
    bottom = np.floor((1 - max(min(y0, y1, y2), -1.0)) * height / 2 - 0.5 + slack)
    return max(int(top), 0), min(int(bottom), height - 1), max(int(left), 0), min(int(right), width - 1)


@parallel
def _boxes(positions, faces, height, width, boxes):
    views, count = boxes.shape[:2]
    for work in prange(views * 64):
        view, part = divmod(np.int64(work), 64)  # numba counts unsigned, which with a sign makes floats
        for f in range(part * count // 64, (part + 1) * count // 64):
            q0, q1, q2 = positions[view, faces[f, 0]], positions[view, faces[f, 1]], positions[view, faces[f, 2]]
            box = _box(q0, q1, q2, height, width)
            for side in range(4):
                boxes[view, f, side] = box[side]


@njit(cache=True, error_model="numpy")
def _draw(positions, faces, boxes, x, y, first, end, nearest, triangle):
    """The rows from `first` to `end` of one view."""
    for f in range(len(faces)):
        top, bottom, left, right = boxes[f]
        if bottom < first or top >= end or right < left:
            continue
        q0, q1, q2 = positions[faces[f, 0]], positions[faces[f, 1]], positions[faces[f, 2]]
        a0, b0, c0, a1, b1, c1, a2, b2, c2, determinant = _edges(q0, q1, q2)
        if determinant == 0:
            continue
        if determinant < 0:
            a0, b0, c0, a1, b1, c1, a2, b2, c2 = -a0, -b0, -c0, -a1, -b1, -c1, -a2, -b2, -c2
        z0, z1, z2, scale = np.float64(q0[2]), np.float64(q1[2]), np.float64(q2[2]), 1 / abs(determinant)
        az = (a0 * z0 + a1 * z1 + a2 * z2) * scale
        bz = (b0 * z0 + b1 * z1 + b2 * z2) * scale
        cz = (c0 * z0 + c1 * z1 + c2 * z2) * scale
        for i in range(max(top, first), min(bottom + 1, end)):
            d0, d1, d2, dz = b0 * y[i] + c0, b1 * y[i] + c1, b2 * y[i] + c2, bz * y[i] + cz
            for j in range(left, right + 1):
                e0, e1, e2 = a0 * x[j] + d0, a1 * x[j] + d1, a2 * x[j] + d2
                if e0 >= 0 and e1 >= 0 and e2 >= 0 and e0 + e1 + e2 > 0:
                    z = np.float32(az * x[j] + dz)
                    if z < nearest[i, j] and abs(z) <= 1:
                        nearest[i, j] = z
                        triangle[i, j] = f


@njit(cache=True, error_model="numpy")
def _resolve(positions, faces, x, y, first, end, triangle, barycentrics, depth):
    for i in range(first, end):
        for j in range(triangle.shape[1]):
            f = triangle[i, j]
            if f < 0:
                barycentrics[i, j, 0] = barycentrics[i, j, 1] = barycentrics[i, j, 2] = depth[i, j] = 0
                continue
            q0, q1, q2 = positions[faces[f, 0]], positions[faces[f, 1]], positions[faces[f, 2]]
            a0, b0, c0, a1, b1, c1, a2, b2, c2, _ = _edges(q0, q1, q2)
            e0 = a0 * x[j] + (b0 * y[i] + c0)
            e1 = a1 * x[j] + (b1 * y[i] + c1)
            e2 = a2 * x[j] + (b2 * y[i] + c2)
            total = e0 + e1 + e2
            barycentrics[i, j, 0] = e0 / total
            barycentrics[i, j, 1] = e1 / total
            barycentrics[i, j, 2] = e2 / total
            depth[i, j] = (e0 * q0[2] + e1 * q1[2] + e2 * q2[2]) / (e0 * q0[3] + e1 * q1[3] + e2 * q2[3])


@parallel
def _rasterize(positions, faces, boxes, x, y, bands, nearest, triangle, barycentrics, depth):
    """In tasks of one band of rows of one view, which share nothing."""
    views, height = triangle.shape[:2]
    for task in prange(views * bands):
        view, band = divmod(np.int64(task), bands)
        first, end = band * height // bands, (band + 1) * height // bands
        nearest[view, first:end] = np.inf
        triangle[view, first:end] = -1
        _draw(positions[view], faces, boxes[view], x, y, first, end, nearest[view], triangle[view])
        _resolve(positions[view], faces, x, y, first, end, triangle[view], barycentrics[view], depth[view])


def _on_cpu(positions: Tensor, faces: Tensor, height: int, width: int) -> Fragments:
    views = len(positions)
    boxes = np.empty((views, len(faces), 4), np.int32)
    nearest = np.empty((views, height, width), np.float32)
    triangle = torch.empty(views, height, width, dtype=torch.int32)
    barycentrics, depth = positions.new_empty(views, height, width, 3), positions.new_empty(views, height, width)
    bands = max(1, min(height, -(-get_num_threads() // max(1, views))))
    arrays = [tensor.numpy() for tensor in (positions, faces, *_centres(height, width))]
    _boxes(*arrays[:2], height, width, boxes)
    _rasterize(
        *arrays[:2], boxes, *arrays[2:], bands, nearest, triangle.numpy(), barycentrics.numpy(), depth.numpy()
    )
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
