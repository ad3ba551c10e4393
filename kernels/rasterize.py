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

All versions decide in float64, numba and Warp by the same operations in the same order: they see the same triangles to
the bit, and the definition but for a depth within rounding of half a step. Depths are rounded to whole
steps of 2^-29 before they are compared, with each other and with the clip planes, and of equals the first triangle is
seen: so a pixel on a shared edge, where two depths differ by rounding alone, has one answer. A step and its triangle
make one integer, a key, and the least key of a pixel is what it sees.
"""

import numbers
from typing import NamedTuple

import numpy as np
import torch
import warp as wp
from numba import get_num_threads, prange
from torch import Tensor

from kernels import cpu, cuda, door

STEPS = 2.0**29  # of depth, in a unit of z/w
LAST = 2**30  # the step of the far plane; the near plane's is 0
NOTHING = (LAST + 1) << 32  # the key of a pixel that sees no triangle


class Fragments(NamedTuple):
    """What the pixels of B views see. Pixels that see nothing hold -1 and zeros."""

    triangle: Tensor  # (B, height, width) int32, row of `faces`
    barycentrics: Tensor  # (B, height, width, 3), weights of the triangle's corners, which sum to 1
    depth: Tensor  # (B, height, width), z/w in [-1, 1]


# --- the definition ---


def rasterize_reference(positions: Tensor, faces: Tensor, height: int, width: int) -> Fragments:
    """The definition of `rasterize`: every pixel against every triangle, in float64."""
    positions, corners = normalised(positions.detach().double()), faces.long()
    x, y = (centres.to(positions.device) for centres in pixel_centres(height, width))
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


def normalised(positions: Tensor) -> Tensor:
    """(B, V, 4), each view by a power of two so that its largest coordinate lies in [1/2, 1).

    Clip coordinates mean the same at any scale, but products of them leave the range of numbers.
    """
    if not positions.numel():
        return positions
    largest = torch.linalg.vector_norm(positions.detach(), torch.inf, dim=(1, 2), keepdim=True)
    largest = largest.clamp(min=torch.finfo(positions.dtype).tiny)
    return positions * (torch.frexp(largest).mantissa / largest)


def pixel_centres(height: int, width: int) -> tuple[Tensor, Tensor]:
    """x (width,) and y (height,) in clip space, float64."""
    x = (2 * torch.arange(width, dtype=torch.float64) + 1) / width - 1
    y = 1 - (2 * torch.arange(height, dtype=torch.float64) + 1) / height
    return x, y


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """As torch.linalg.cross, in which multiply and add may be fused."""
    return a[[1, 2, 0]] * b[[2, 0, 1]] - a[[2, 0, 1]] * b[[1, 2, 0]]


# --- CPU ---

WIDE = 12  # columns: in wider boxes it pays to find out where a row enters the triangle and leaves it


@cpu.inner
def _corner(positions, k):
    return np.float64(positions[k, 0]), np.float64(positions[k, 1]), np.float64(positions[k, 3])


@cpu.inner
def _edges(x0, y0, w0, x1, y1, w1, x2, y2, w2):
    """Rows (a, b, c) of the three edge functions e = a x + (b y + c), and det."""
    a0, b0, c0 = y1 * w2 - w1 * y2, w1 * x2 - x1 * w2, x1 * y2 - y1 * x2
    a1, b1, c1 = y2 * w0 - w2 * y0, w2 * x0 - x2 * w0, x2 * y0 - y2 * x0
    a2, b2, c2 = y0 * w1 - w0 * y1, w0 * x1 - x0 * w1, x0 * y1 - y0 * x1
    return a0, b0, c0, a1, b1, c1, a2, b2, c2, x0 * a0 + y0 * b0 + w0 * c0


@cpu.inner
def _hidden(q0, q1, q2):
    """Whether all corners lie beyond one of the planes that bound what is seen."""
    for k in range(3):
        if (q0[k] > q0[3] and q1[k] > q1[3] and q2[k] > q2[3]) or (
            q0[k] < -q0[3] and q1[k] < -q1[3] and q2[k] < -q2[3]
        ):
            return True
    return q0[3] <= 0 and q1[3] <= 0 and q2[3] <= 0


@cpu.inner
def _span(a0, a1, a2, w0, w1, w2):
    """From where to where, in -1..1, lies a/w of the part of a triangle that is before the eye.

    An edge that crosses the plane w = 0 leaves the picture there to the side of its a in that plane, of either sign if
    rounding hides it.
    """
    a, w = (np.float64(a0), np.float64(a1), np.float64(a2)), (np.float64(w0), np.float64(w1), np.float64(w2))
    least, most = 1.0, -1.0
    for k in range(3):
        if w[k] > 0:
            inside = min(max(a[k] / w[k], -1.0), 1.0)
            least, most = min(least, inside), max(most, inside)
            for m in range(3):
                if w[m] <= 0:
                    one, other = a[m] * w[k], a[k] * w[m]
                    rounding = 1e-12 * (abs(one) + abs(other))
                    if one - other >= -rounding:
                        most = 1.0
                    if one - other <= rounding:
                        least = -1.0
    return least, most


@cpu.inner
def _project(positions, height, width, columns, rows):
    """Where in the picture the vertices lie that are before the eye, in pixels, no further out than its rim."""
    for v in range(len(positions)):
        w = np.float64(positions[v, 3])
        columns[v] = (min(max(positions[v, 0] / w, -1.0), 1.0) + 1) * width / 2 - 0.5
        rows[v] = (1 - min(max(positions[v, 1] / w, -1.0), 1.0)) * height / 2 - 0.5


@cpu.inner
def _narrow(a, d, left, right, width):
    """The columns of a row, ends included, outside of which a x + d < 0; up to one too many at either end."""
    if a == 0:
        return left, (right if d >= 0 else left - 1)
    zero = min(max((1 - d / a) * width / 2 - 0.5, left - 1.0), right + 1.0)
    return (max(left, int(zero)), right) if a > 0 else (left, min(right, int(zero) + 1))


@cpu.inner
def _draw(positions, faces, columns, rows, x, y, first, end, keys):
    """The rows from `first` to `end` of one view."""
    height, width = len(y), len(x)
    slack = 1e-3  # of a pixel: a corner on a pixel's centre counts, whatever the division rounded to
    for f in range(len(faces)):
        k0, k1, k2 = faces[f, 0], faces[f, 1], faces[f, 2]
        if min(positions[k0, 3], positions[k1, 3], positions[k2, 3]) > 0:
            upper, lower = min(rows[k0], rows[k1], rows[k2]), max(rows[k0], rows[k1], rows[k2])
            start, stop = min(columns[k0], columns[k1], columns[k2]), max(columns[k0], columns[k1], columns[k2])
        elif _hidden(positions[k0], positions[k1], positions[k2]):
            continue
        else:  # it reaches behind the eye: its outline is not its corners'
            w0, w1, w2 = positions[k0, 3], positions[k1, 3], positions[k2, 3]
            least, most = _span(positions[k0, 1], positions[k1, 1], positions[k2, 1], w0, w1, w2)
            upper, lower = (1 - most) * height / 2 - 0.5, (1 - least) * height / 2 - 0.5
            least, most = _span(positions[k0, 0], positions[k1, 0], positions[k2, 0], w0, w1, w2)
            start, stop = (least + 1) * width / 2 - 0.5, (most + 1) * width / 2 - 0.5
        top, bottom = max(int(np.ceil(upper - slack)), first), min(int(np.floor(lower + slack)), end - 1)
        left, right = max(int(np.ceil(start - slack)), 0), min(int(np.floor(stop + slack)), width - 1)
        if bottom < top or right < left:
            continue
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
            enter, leave = left, right
            if right - left > WIDE:
                enter, leave = _narrow(a0, d0, enter, leave, width)
                enter, leave = _narrow(a1, d1, enter, leave, width)
                enter, leave = _narrow(a2, d2, enter, leave, width)
            for j in range(enter, leave + 1):
                e0, e1, e2 = a0 * x[j] + d0, a1 * x[j] + d1, a2 * x[j] + d2
                step = (az * x[j] + dz) * STEPS + (STEPS + 0.5)
                inside = (e0 >= 0) & (e1 >= 0) & (e2 >= 0) & (e0 + e1 + e2 > 0)
                if inside & (step >= 0) & (step < LAST + 1):
                    keys[i - first, j] = min(keys[i - first, j], (np.int64(step) << 32) | f)


@cpu.inner
def _resolve(positions, faces, x, y, first, end, keys, fragments):
    triangle, barycentrics, depth = fragments
    f = np.int64(-1)
    for i in range(first, end):
        for j in range(triangle.shape[1]):
            key = keys[i - first, j]
            if key == NOTHING:
                triangle[i, j] = -1
                barycentrics[i, j, 0] = barycentrics[i, j, 1] = barycentrics[i, j, 2] = depth[i, j] = 0
                continue
            if f != key & 0xFFFFFFFF:  # often it is the pixel before's
                f = key & 0xFFFFFFFF
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


@cpu.parallel
def _rasterize(positions, faces, corners, centres, bands, fragments):
    """In tasks of one band of rows of one view, which share nothing.

    `corners` are the columns and rows of the vertices, `centres` the x and y of the pixels.
    """
    columns, rows = corners
    x, y = centres
    triangle, barycentrics, depth = fragments
    views, height, width = triangle.shape
    for view in prange(views):
        _project(positions[view], height, width, columns[view], rows[view])
    for task in prange(views * bands):
        view, band = task // bands, task % bands
        first, end = band * height // bands, (band + 1) * height // bands
        keys = np.full((end - first, width), NOTHING)
        _draw(positions[view], faces, columns[view], rows[view], x, y, first, end, keys)
        own = triangle[view], barycentrics[view], depth[view]
        _resolve(positions[view], faces, x, y, first, end, keys, own)


def _forward_on_cpu(positions: Tensor, faces: Tensor, height: int, width: int) -> Fragments:
    views, vertices, _ = positions.shape
    corners = np.empty((views, vertices)), np.empty((views, vertices))
    triangle = torch.empty(views, height, width, dtype=torch.int32)
    fragments = Fragments(triangle, positions.new_empty(*triangle.shape, 3), positions.new_empty(triangle.shape))
    bands = max(1, min(height, -(-get_num_threads() // max(1, views))))
    x, y = pixel_centres(height, width)
    _rasterize(
        positions.numpy(), faces.numpy(), corners, (x.numpy(), y.numpy()), bands,
        tuple(array.numpy() for array in fragments),
    )  # fmt: skip
    return fragments


# --- CUDA ---

wp.set_module_options({"enable_backward": False, "fuse_fp": False})

_TILE = wp.constant(16)  # pixels a side: the part of a triangle's box that one thread draws
_STEPS = wp.constant(wp.float64(STEPS))
_ROUND = wp.constant(wp.float64(STEPS + 0.5))
_END = wp.constant(wp.float64(LAST + 1))
_NOTHING = wp.constant(wp.int64(NOTHING))
_ID = wp.constant(wp.int64(0xFFFFFFFF))


@wp.func
def _corner_warp(positions: wp.array3d(dtype=float), view: int, k: int):
    x, y, w = positions[view, k, 0], positions[view, k, 1], positions[view, k, 3]
    return wp.vec3d(wp.float64(x), wp.float64(y), wp.float64(w))


@wp.func
def _cross_warp(p: wp.vec3d, q: wp.vec3d):
    """Written out, so that it is exactly negated when p and q change places."""
    return wp.vec3d(p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0])


@wp.func
def _edge_warp(row: wp.vec3d, x: wp.float64, y: wp.float64):
    return row[0] * x + (row[1] * y + row[2])


@wp.func
def _beyond_warp(a0: wp.float32, a1: wp.float32, a2: wp.float32, w0: wp.float32, w1: wp.float32, w2: wp.float32):
    return (a0 > w0 and a1 > w1 and a2 > w2) or (a0 < -w0 and a1 < -w1 and a2 < -w2)


@wp.func
def _hidden_warp(positions: wp.array3d(dtype=float), view: int, k0: int, k1: int, k2: int):
    """Whether all corners lie beyond one of the planes that bound what is seen."""
    x0, y0, z0, w0 = positions[view, k0, 0], positions[view, k0, 1], positions[view, k0, 2], positions[view, k0, 3]
    x1, y1, z1, w1 = positions[view, k1, 0], positions[view, k1, 1], positions[view, k1, 2], positions[view, k1, 3]
    x2, y2, z2, w2 = positions[view, k2, 0], positions[view, k2, 1], positions[view, k2, 2], positions[view, k2, 3]
    behind = w0 <= 0.0 and w1 <= 0.0 and w2 <= 0.0
    aside = _beyond_warp(x0, x1, x2, w0, w1, w2) or _beyond_warp(y0, y1, y2, w0, w1, w2)
    return behind or aside or _beyond_warp(z0, z1, z2, w0, w1, w2)


@wp.func
def _span_warp(a: wp.vec3d, w: wp.vec3d):
    zero, one = wp.float64(0.0), wp.float64(1.0)
    least, most = wp.float64(1.0), wp.float64(-1.0)
    for k in range(3):
        if w[k] > zero:
            inside = wp.clamp(a[k] / w[k], -one, one)
            least, most = wp.min(least, inside), wp.max(most, inside)
            for m in range(3):
                if w[m] <= zero:
                    here, there = a[m] * w[k], a[k] * w[m]
                    rounding = wp.float64(1e-12) * (wp.abs(here) + wp.abs(there))
                    if here - there >= -rounding:
                        most = one
                    if here - there <= rounding:
                        least = -one
    return least, most


@wp.func
def _box_warp(positions: wp.array3d(dtype=float), view: int, k0: int, k1: int, k2: int, height: int, width: int):
    """Rows and columns (top, bottom, left, right), ends included, outside of which the triangle is not seen."""
    if _hidden_warp(positions, view, k0, k1, k2):
        return 0, -1, 0, -1
    q0, q1, q2 = _corner_warp(positions, view, k0), _corner_warp(positions, view, k1), _corner_warp(positions, view, k2)
    one, half, slack = wp.float64(1.0), wp.float64(0.5), wp.float64(1e-3)
    across, down, w = wp.float64(width) * half, wp.float64(height) * half, wp.vec3d(q0[2], q1[2], q2[2])
    least, most = _span_warp(wp.vec3d(q0[1], q1[1], q2[1]), w)
    top = wp.max(int(wp.ceil((one - most) * down - half - slack)), 0)
    bottom = wp.min(int(wp.floor((one - least) * down - half + slack)), height - 1)
    least, most = _span_warp(wp.vec3d(q0[0], q1[0], q2[0]), w)
    left = wp.max(int(wp.ceil((least + one) * across - half - slack)), 0)
    right = wp.min(int(wp.floor((most + one) * across - half + slack)), width - 1)
    return top, bottom, left, right


@wp.kernel
def _count_warp(
    positions: wp.array3d(dtype=float), faces: wp.array2d(dtype=int), height: int, width: int,
    tiles: wp.array2d(dtype=wp.int64),
):  # fmt: skip
    view, f = wp.tid()
    top, bottom, left, right = _box_warp(positions, view, faces[f, 0], faces[f, 1], faces[f, 2], height, width)
    across, down = (right - left + _TILE) // _TILE, (bottom - top + _TILE) // _TILE
    if bottom < top or right < left:
        across = 0
    tiles[view, f] = wp.int64(across) * wp.int64(down)


@wp.kernel
def _draw_warp(
    positions: wp.array3d(dtype=float), faces: wp.array2d(dtype=int), ends: wp.array(dtype=wp.int64),
    x: wp.array(dtype=wp.float64), y: wp.array(dtype=wp.float64), keys: wp.array3d(dtype=wp.int64),
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
    top, bottom, left, right = _box_warp(positions, view, k0, k1, k2, height, width)
    across, down = (right - left + _TILE) // _TILE, (bottom - top + _TILE) // _TILE
    tile = int(thread - ends[item]) + across * down
    top, left = top + tile // across * _TILE, left + tile % across * _TILE
    bottom, right = wp.min(bottom, top + _TILE - 1), wp.min(right, left + _TILE - 1)
    q0, q1, q2 = _corner_warp(positions, view, k0), _corner_warp(positions, view, k1), _corner_warp(positions, view, k2)
    r0, r1, r2 = _cross_warp(q1, q2), _cross_warp(q2, q0), _cross_warp(q0, q1)
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
            e0, e1, e2 = _edge_warp(r0, x[j], y[i]), _edge_warp(r1, x[j], y[i]), _edge_warp(r2, x[j], y[i])
            step = _edge_warp(plane, x[j], y[i]) * _STEPS + _ROUND
            inside = e0 >= zero and e1 >= zero and e2 >= zero and e0 + e1 + e2 > zero
            if inside and step >= zero and step < _END:
                wp.atomic_min(keys, view, i, j, (wp.int64(step) << wp.int64(32)) | wp.int64(f))


@wp.kernel
def _resolve_warp(
    positions: wp.array3d(dtype=float), faces: wp.array2d(dtype=int), x: wp.array(dtype=wp.float64),
    y: wp.array(dtype=wp.float64), keys: wp.array3d(dtype=wp.int64), triangle: wp.array3d(dtype=int),
    barycentrics: wp.array4d(dtype=float), depth: wp.array3d(dtype=float),
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
    q0, q1, q2 = _corner_warp(positions, view, k0), _corner_warp(positions, view, k1), _corner_warp(positions, view, k2)
    e0 = _edge_warp(_cross_warp(q1, q2), x[j], y[i])
    e1 = _edge_warp(_cross_warp(q2, q0), x[j], y[i])
    e2 = _edge_warp(_cross_warp(q0, q1), x[j], y[i])
    total = e0 + e1 + e2
    triangle[view, i, j] = f
    barycentrics[view, i, j, 0] = wp.float32(e0 / total)
    barycentrics[view, i, j, 1] = wp.float32(e1 / total)
    barycentrics[view, i, j, 2] = wp.float32(e2 / total)
    z0, z1, z2 = positions[view, k0, 2], positions[view, k1, 2], positions[view, k2, 2]
    z = e0 * wp.float64(z0) + e1 * wp.float64(z1) + e2 * wp.float64(z2)
    depth[view, i, j] = wp.float32(z / (e0 * q0[2] + e1 * q1[2] + e2 * q2[2]))


def _forward_on_cuda(positions: Tensor, faces: Tensor, height: int, width: int) -> Fragments:
    """No thread draws more than one tile, however large the triangle."""
    views, device = len(positions), positions.device
    x, y = (centres.to(device) for centres in pixel_centres(height, width))
    keys = torch.full((views, height, width), NOTHING, dtype=torch.int64, device=device)
    tiles = torch.empty(views, len(faces), dtype=torch.int64, device=device)
    if tiles.numel():
        cuda.launch(_count_warp, (views, len(faces)), positions, faces, height, width, tiles)
        ends = tiles.flatten().cumsum(0)
        cuda.launch(_draw_warp, int(ends[-1]), positions, faces, ends, x, y, keys)
    triangle = torch.empty_like(keys, dtype=torch.int32)
    barycentrics, depth = positions.new_empty(*keys.shape, 3), positions.new_empty(keys.shape)
    cuda.launch(_resolve_warp, keys.shape, positions, faces, x, y, keys, triangle, barycentrics, depth)
    return Fragments(triangle, barycentrics, depth)


# --- the function ---


@cuda.carried
def rasterize(positions: Tensor, faces: Tensor, height: int, width: int) -> Fragments:
    """The nearest triangle at each pixel's centre, for B views of one mesh; front and back faces alike.

    positions (B, V, 4) are in clip space, at any scale, float32, or float64 on the CPU; faces (F, 3) int32 or int64 on
    their device hold rows of V. Nothing here is differentiable: `interpolate` carries gradients through the
    barycentrics. In float64, a triangle with coordinates below 1e-100 of the largest of its view may not be seen.

    Raises ValueError for other shapes, types and devices, NaN or infinity in positions, faces beyond V, and pictures
    without pixels.
    """
    door.alike(positions=positions)
    door.shaped("positions", positions, None, None, 4)
    door.shaped("faces", faces, None, 3)
    door.finite(positions=positions)
    door.indices("faces", faces, 0, positions.shape[1], positions.device)
    for name, size in (("height", height), ("width", width)):
        if not isinstance(size, numbers.Integral) or isinstance(size, bool) or size < 1:
            raise ValueError(f"{name} must be a whole number of pixels, 1 or more, not {size!r}")
    positions = positions.detach()
    if positions.dtype == torch.float64:  # what began as float32 cannot leave float64's range
        positions = normalised(positions)
    version = _forward_on_cuda if cuda.usable(positions) else _forward_on_cpu
    return version(positions.contiguous(), faces.to(torch.int32).contiguous(), int(height), int(width))
