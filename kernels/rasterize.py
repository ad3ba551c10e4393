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

All versions decide in float64, so all see the same triangles. Depths are rounded to whole steps of 2^-29 before they
are compared, with each other and with the clip planes, and of equals the first triangle is seen: so a pixel on a
shared edge, where two depths differ by rounding alone, has one answer. A step and its triangle make one integer, a
key, and the least key of a pixel is what it sees.
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

WIDE = 12  # columns: in wider boxes it pays to find out where a row enters the triangle and leaves it


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
def _narrow(a, d, left, right, width):
    """The columns of a row, ends included, outside of which a x + d < 0; up to one too many at either end."""
    if a == 0:
        return left, (right if d >= 0 else left - 1)
    zero = min(max((1 - d / a) * width / 2 - 0.5, left - 1.0), right + 1.0)
    return (max(left, int(zero)), right) if a > 0 else (left, min(right, int(zero) + 1))


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
            start, stop = left, right
            if right - left > WIDE:
                start, stop = _narrow(a0, d0, start, stop, width)
                start, stop = _narrow(a1, d1, start, stop, width)
                start, stop = _narrow(a2, d2, start, stop, width)
            for j in range(start, stop + 1):
                e0, e1, e2 = a0 * x[j] + d0, a1 * x[j] + d1, a2 * x[j] + d2
                step = (az * x[j] + dz) * STEPS + (STEPS + 0.5)
                inside = (e0 >= 0) & (e1 >= 0) & (e2 >= 0) & (e0 + e1 + e2 > 0)
                if inside & (step >= 0) & (step < LAST + 1):
                    keys[i, j] = min(keys[i, j], (np.int64(step) << 32) | f)


@njit(cache=True, error_model="numpy")
def _resolve(positions, faces, x, y, first, end, keys, triangle, barycentrics, depth):
    f = np.int64(-1)
    for i in range(first, end):
        for j in range(triangle.shape[1]):
            if keys[i, j] == NOTHING:
                triangle[i, j] = -1
                barycentrics[i, j, 0] = barycentrics[i, j, 1] = barycentrics[i, j, 2] = depth[i, j] = 0
                continue
            if f != keys[i, j] & 0xFFFFFFFF:  # often it is the pixel before's
                f = keys[i, j] & 0xFFFFFFFF
                k0, k1, k2 = faces[f, 0], faces[f, 1], faces[f, 2]
                x0, y0, w0 = _corner(positions, k0)
                x1, y1, w1 = _corner(positions, k1)
                x2, y2, w2 = _corner(positions, k2)
                a0, b0, c0, a1, b1, c1, a2, b2, c2, _ = _edges(x0, y0, w0, x1, y1, w1, x2, y2, w2)
                z0, z1, z2 = positions[k0, 2], positions[k1, 2], positions[k2, 2]
            e0, e1, e2 = a0 * x[j] + (b0 * y[i] + c0), a1 * x[j] + (b1 * y[i] + c1), a2 * x[j] + (b2 * y[i] + c2)
            share = 1 / (e0 + e1 + e2)
            triangle[i, j] = f
            barycentrics[i, j, 0], barycentrics[i, j, 1], barycentrics[i, j, 2] = e0 * share, e1 * share, e2 * share
            depth[i, j] = (e0 * z0 + e1 * z1 + e2 * z2) / (e0 * w0 + e1 * w1 + e2 * w2)


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
        _resolve(positions[view], faces, x, y, first, end, keys[view], triangle[view], barycentrics[view], depth[view])


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


# --- CUDA ---

wp.set_module_options({"fuse_fp": False})

_TILE = wp.constant(16)  # pixels a side: the part of a triangle's box that one thread draws
_STEPS = wp.constant(wp.float64(STEPS))
_ROUND = wp.constant(wp.float64(STEPS + 0.5))
_END = wp.constant(wp.float64(LAST + 1))
_NOTHING = wp.constant(wp.int64(NOTHING))
_ID = wp.constant(wp.int64(0xFFFFFFFF))


@wp.func
def corner(positions: wp.array3d[wp.float32], view: int, k: int):
    x, y, w = positions[view, k, 0], positions[view, k, 1], positions[view, k, 3]
    return wp.vec3d(wp.float64(x), wp.float64(y), wp.float64(w))


@wp.func
def cross(p: wp.vec3d, q: wp.vec3d):
    """Written out, so that it is exactly negated when p and q change places."""
    return wp.vec3d(p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0])


@wp.func
def edge(row: wp.vec3d, x: wp.float64, y: wp.float64):
    return row[0] * x + (row[1] * y + row[2])


@wp.func
def beyond(a0: wp.float32, a1: wp.float32, a2: wp.float32, w0: wp.float32, w1: wp.float32, w2: wp.float32):
    return (a0 > w0 and a1 > w1 and a2 > w2) or (a0 < -w0 and a1 < -w1 and a2 < -w2)


@wp.func
def hidden(positions: wp.array3d[wp.float32], view: int, k0: int, k1: int, k2: int):
    """Whether all corners lie beyond one of the planes that bound what is seen."""
    x0, y0, z0, w0 = positions[view, k0, 0], positions[view, k0, 1], positions[view, k0, 2], positions[view, k0, 3]
    x1, y1, z1, w1 = positions[view, k1, 0], positions[view, k1, 1], positions[view, k1, 2], positions[view, k1, 3]
    x2, y2, z2, w2 = positions[view, k2, 0], positions[view, k2, 1], positions[view, k2, 2], positions[view, k2, 3]
    behind = w0 <= 0.0 and w1 <= 0.0 and w2 <= 0.0
    aside = beyond(x0, x1, x2, w0, w1, w2) or beyond(y0, y1, y2, w0, w1, w2)
    return behind or aside or beyond(z0, z1, z2, w0, w1, w2)


@wp.func
def inwards(value: wp.float64):
    return wp.clamp(value, wp.float64(-1.0), wp.float64(1.0)) + wp.float64(1.0)


@wp.func
def box(positions: wp.array3d[wp.float32], view: int, k0: int, k1: int, k2: int, height: int, width: int):
    """Rows and columns (top, bottom, left, right), ends included, outside of which the triangle is not seen."""
    q0, q1, q2 = corner(positions, view, k0), corner(positions, view, k1), corner(positions, view, k2)
    top, bottom, left, right = wp.int32(0), height - 1, wp.int32(0), width - 1
    if wp.min(wp.min(q0[2], q1[2]), q2[2]) > wp.float64(0.0):
        half, slack = wp.float64(0.5), wp.float64(1e-3)
        across, down = wp.float64(width) * half, wp.float64(height) * half
        x0, x1, x2 = inwards(q0[0] / q0[2]), inwards(q1[0] / q1[2]), inwards(q2[0] / q2[2])
        y0, y1, y2 = inwards(-q0[1] / q0[2]), inwards(-q1[1] / q1[2]), inwards(-q2[1] / q2[2])
        top = wp.max(int(wp.ceil(wp.min(wp.min(y0, y1), y2) * down - half - slack)), 0)
        bottom = wp.min(int(wp.floor(wp.max(wp.max(y0, y1), y2) * down - half + slack)), height - 1)
        left = wp.max(int(wp.ceil(wp.min(wp.min(x0, x1), x2) * across - half - slack)), 0)
        right = wp.min(int(wp.floor(wp.max(wp.max(x0, x1), x2) * across - half + slack)), width - 1)
    elif hidden(positions, view, k0, k1, k2):
        bottom = -1
    return top, bottom, left, right


@wp.kernel(enable_backward=False)
def count(
    positions: wp.array3d[wp.float32], faces: wp.array2d[wp.int32], height: int, width: int,
    tiles: wp.array2d[wp.int64],
):  # fmt: skip
    view, f = wp.tid()
    top, bottom, left, right = box(positions, view, faces[f, 0], faces[f, 1], faces[f, 2], height, width)
    across, down = (right - left + _TILE) // _TILE, (bottom - top + _TILE) // _TILE
    if bottom < top or right < left:
        across = 0
    tiles[view, f] = wp.int64(across) * wp.int64(down)


@wp.kernel(enable_backward=False)
def draw(
    positions: wp.array3d[wp.float32], faces: wp.array2d[wp.int32], ends: wp.array[wp.int64],
    x: wp.array[wp.float64], y: wp.array[wp.float64], keys: wp.array3d[wp.int64],
):  # fmt: skip
    """One tile of one triangle in one view; `ends` are the running sums of their numbers of tiles."""
    thread = wp.int64(wp.tid())
    below, item = wp.int32(0), ends.shape[0] - 1  # the first item that ends beyond this thread
    while below < item:
        middle = below + (item - below) // 2
        if ends[middle] > thread:
            item = middle
        else:
            below = middle + 1
    view, f = item // faces.shape[0], item % faces.shape[0]
    k0, k1, k2 = faces[f, 0], faces[f, 1], faces[f, 2]
    height, width = keys.shape[1], keys.shape[2]
    top, bottom, left, right = box(positions, view, k0, k1, k2, height, width)
    across, down = (right - left + _TILE) // _TILE, (bottom - top + _TILE) // _TILE
    tile = int(thread - ends[item]) + across * down
    top, left = top + tile // across * _TILE, left + tile % across * _TILE
    bottom, right = wp.min(bottom, top + _TILE - 1), wp.min(right, left + _TILE - 1)
    q0, q1, q2 = corner(positions, view, k0), corner(positions, view, k1), corner(positions, view, k2)
    r0, r1, r2 = cross(q1, q2), cross(q2, q0), cross(q0, q1)
    determinant = q0[0] * r0[0] + q0[1] * r0[1] + q0[2] * r0[2]
    if determinant == wp.float64(0.0):
        return
    if determinant < wp.float64(0.0):
        r0, r1, r2 = -r0, -r1, -r2
    scale = wp.float64(1.0) / wp.abs(determinant)
    z0, z1, z2 = positions[view, k0, 2], positions[view, k1, 2], positions[view, k2, 2]
    plane = r0 * (wp.float64(z0) * scale) + r1 * (wp.float64(z1) * scale) + r2 * (wp.float64(z2) * scale)
    zero = wp.float64(0.0)
    for i in range(top, bottom + 1):
        for j in range(left, right + 1):
            e0, e1, e2 = edge(r0, x[j], y[i]), edge(r1, x[j], y[i]), edge(r2, x[j], y[i])
            step = edge(plane, x[j], y[i]) * _STEPS + _ROUND
            inside = e0 >= zero and e1 >= zero and e2 >= zero and e0 + e1 + e2 > zero
            if inside and step >= zero and step < _END:
                wp.atomic_min(keys, view, i, j, (wp.int64(step) << wp.int64(32)) | wp.int64(f))


@wp.kernel(enable_backward=False)
def resolve(
    positions: wp.array3d[wp.float32], faces: wp.array2d[wp.int32], x: wp.array[wp.float64], y: wp.array[wp.float64],
    keys: wp.array3d[wp.int64], triangle: wp.array3d[wp.int32], barycentrics: wp.array4d[wp.float32],
    depth: wp.array3d[wp.float32],
):  # fmt: skip
    view, i, j = wp.tid()
    if keys[view, i, j] == _NOTHING:
        triangle[view, i, j] = -1
        for k in range(3):
            barycentrics[view, i, j, k] = 0.0
        depth[view, i, j] = 0.0
        return
    f = int(keys[view, i, j] & _ID)
    k0, k1, k2 = faces[f, 0], faces[f, 1], faces[f, 2]
    q0, q1, q2 = corner(positions, view, k0), corner(positions, view, k1), corner(positions, view, k2)
    e0, e1, e2 = edge(cross(q1, q2), x[j], y[i]), edge(cross(q2, q0), x[j], y[i]), edge(cross(q0, q1), x[j], y[i])
    total = e0 + e1 + e2
    triangle[view, i, j] = f
    barycentrics[view, i, j, 0] = wp.float32(e0 / total)
    barycentrics[view, i, j, 1] = wp.float32(e1 / total)
    barycentrics[view, i, j, 2] = wp.float32(e2 / total)
    z0, z1, z2 = positions[view, k0, 2], positions[view, k1, 2], positions[view, k2, 2]
    z = e0 * wp.float64(z0) + e1 * wp.float64(z1) + e2 * wp.float64(z2)
    depth[view, i, j] = wp.float32(z / (e0 * q0[2] + e1 * q1[2] + e2 * q2[2]))


def _on_cuda(positions: Tensor, faces: Tensor, height: int, width: int) -> Fragments:
    """No thread draws more than one tile, however large the triangle."""
    views, device = len(positions), positions.device
    x, y = (centres.to(device) for centres in _centres(height, width))
    keys = torch.full((views, height, width), NOTHING, dtype=torch.int64, device=device)
    tiles = torch.empty(views, len(faces), dtype=torch.int64, device=device)
    if tiles.numel():
        cuda.launch(count, (views, len(faces)), positions, faces, height, width, tiles)
        ends = tiles.flatten().cumsum(0)
        cuda.launch(draw, int(ends[-1]), positions, faces, ends, x, y, keys)
    triangle = torch.empty_like(keys, dtype=torch.int32)
    barycentrics, depth = positions.new_empty(*keys.shape, 3), positions.new_empty(keys.shape)
    cuda.launch(resolve, keys.shape, positions, faces, x, y, keys, triangle, barycentrics, depth)
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
    version = _on_cuda if cuda.usable(positions) else _on_cpu
    return version(positions.detach().contiguous(), faces.to(torch.int32).contiguous(), height, width)
