"""Interpolate vertex attributes over what the pixels see, differentiable to the attributes and to the positions.

With clip-space corners (x_k, y_k, z_k, w_k) of the triangle that is seen, and the pixel's centre (x, y),
    u_k = (x_k - x w_k, y_k - y w_k),   e_0 = u_1 x u_2,   e_1 = u_2 x u_0,   e_2 = u_0 x u_1
are the edge functions of `rasterize`, taken about the pixel: in single precision that keeps digits which
p . (q_1 x q_2) loses in small triangles. The barycentrics are b_k = e_k / sum(e), the value is sum(b_k a_k).
They are worked out anew from the positions, and so carry the gradient to them:
    d b_k = (d e_k - b_k sum(d e)) / sum(e),
which holds inside a triangle; that it ends at its outline is what `antialias` is for.
"""

import numpy as np
import torch
import warp as wp
from numba import njit, prange
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels import cuda, door
from kernels.cpu import parallel
from kernels.rasterize import Fragments, _centres

# A triangle seen this nearly edge-on (its area over its sides squared) has no digits left for barycentrics of its
# own: the fragments' are taken as they are, and its positions get no gradient instead of an endless one.
FLAT = 1e-6
TINY = 1e-30  # so that 1 / sum(e) is a number in single precision

PARTS = 8  # sums of gradients made side by side; not the number of cores, so that the result is the same on any


def interpolate_reference(attributes: Tensor, positions: Tensor, faces: Tensor, fragments: Fragments) -> Tensor:
    """The definition of `interpolate`: gather the corners, weigh them."""
    view, row, column = (fragments.triangle >= 0).nonzero(as_tuple=True)
    _, height, width = fragments.triangle.shape
    corners = faces.long()[fragments.triangle[view, row, column].long()]
    q = positions[view[:, None], corners]
    a = attributes[corners] if attributes.ndim == 2 else attributes[view[:, None], corners]
    x, y = (centres.to(positions) for centres in _centres(height, width))
    u = q[..., :2] - torch.stack([x[column], y[row]], dim=-1)[:, None] * q[..., 3:]
    v, w = u.roll(-1, dims=1), u.roll(-2, dims=1)
    e = v[..., 0] * w[..., 1] - v[..., 1] * w[..., 0]
    total = e.sum(dim=-1, keepdim=True)
    flat = total.abs() <= FLAT * u.square().sum(dim=(1, 2))[:, None] + TINY
    b = torch.where(flat, fragments.barycentrics[view, row, column], e / torch.where(flat, 1, total))
    out = attributes.new_zeros(*fragments.triangle.shape, attributes.shape[-1])
    return out.index_put((view, row, column), (b[..., None] * a).sum(dim=1))


# --- CPU ---


@njit(cache=True, error_model="numpy")
def _barycentrics(q, v0, v1, v2, x, y, given):
    """b_0, b_1, b_2, 1 / sum(e), or 0 for it where the triangle is flat, and u_0, u_1, u_2."""
    x0, y0 = q[v0, 0] - x * q[v0, 3], q[v0, 1] - y * q[v0, 3]
    x1, y1 = q[v1, 0] - x * q[v1, 3], q[v1, 1] - y * q[v1, 3]
    x2, y2 = q[v2, 0] - x * q[v2, 3], q[v2, 1] - y * q[v2, 3]
    e0, e1, e2 = x1 * y2 - y1 * x2, x2 * y0 - y2 * x0, x0 * y1 - y0 * x1
    size = x0 * x0 + y0 * y0 + x1 * x1 + y1 * y1 + x2 * x2 + y2 * y2
    total = e0 + e1 + e2
    if abs(total) <= FLAT * size + TINY:
        return given[0], given[1], given[2], total * 0, x0, y0, x1, y1, x2, y2
    over = 1 / total
    return e0 * over, e1 * over, e2 * over, over, x0, y0, x1, y1, x2, y2


@parallel(fastmath={"contract", "reassoc", "nsz"})
def _interpolate(attributes, positions, faces, triangle, barycentrics, x, y, out):
    views, height, width = triangle.shape
    for line in prange(views * height):
        view, i = divmod(np.int64(line), height)  # numba counts unsigned, which with a sign makes floats
        a, q = attributes[view % len(attributes)], positions[view]
        for j in range(width):
            f = triangle[view, i, j]
            value = out[view, i, j]
            if f < 0:
                value[:] = 0
                continue
            v0, v1, v2 = faces[f, 0], faces[f, 1], faces[f, 2]
            b0, b1, b2 = _barycentrics(q, v0, v1, v2, x[j], y[i], barycentrics[view, i, j])[:3]
            a0, a1, a2 = a[v0], a[v1], a[v2]
            for c in range(len(value)):
                value[c] = b0 * a0[c] + b1 * a1[c] + b2 * a2[c]


@njit(cache=True, error_model="numpy")
def _move(sums, du, dv, x, y):
    sums[0] += du
    sums[1] += dv
    sums[3] -= x * du + y * dv


@parallel(fastmath={"contract", "reassoc", "nsz"})
def _adjoint(
    attributes, positions, faces, triangle, barycentrics, x, y, grad, parts, bands, to_attributes, to_positions
):  # fmt: skip
    """Adds to (bands, slots, V, C) and (bands, views, V, 4), in tasks of a band of rows of every `parts`th view.

    What is not wanted has no bands.
    """
    views, height, width = triangle.shape
    for task in prange(parts * bands):
        part, band = divmod(np.int64(task), bands)
        for view in range(part, views, parts):
            a, q = attributes[view % len(attributes)], positions[view]
            for i in range(band * height // bands, (band + 1) * height // bands):
                for j in range(width):
                    f = triangle[view, i, j]
                    if f < 0:
                        continue
                    v0, v1, v2 = faces[f, 0], faces[f, 1], faces[f, 2]
                    b0, b1, b2, over, x0, y0, x1, y1, x2, y2 = _barycentrics(
                        q, v0, v1, v2, x[j], y[i], barycentrics[view, i, j]
                    )
                    g = grad[view, i, j]
                    if len(to_attributes):
                        sums = to_attributes[band, view % to_attributes.shape[1]]
                        d0, d1, d2 = sums[v0], sums[v1], sums[v2]
                        for c in range(len(g)):
                            d0[c] += b0 * g[c]
                            d1[c] += b1 * g[c]
                            d2[c] += b2 * g[c]
                    if len(to_positions):
                        a0, a1, a2 = a[v0], a[v1], a[v2]
                        g0 = g1 = g2 = over * 0
                        for c in range(len(g)):
                            g0 += g[c] * a0[c]
                            g1 += g[c] * a1[c]
                            g2 += g[c] * a2[c]
                        mean = b0 * g0 + b1 * g1 + b2 * g2
                        g0, g1, g2 = (g0 - mean) * over, (g1 - mean) * over, (g2 - mean) * over
                        moved = to_positions[band, view]
                        _move(moved[v0], g2 * y1 - g1 * y2, g1 * x2 - g2 * x1, x[j], y[i])
                        _move(moved[v1], g0 * y2 - g2 * y0, g2 * x0 - g0 * x2, x[j], y[i])
                        _move(moved[v2], g1 * y0 - g0 * y1, g0 * x1 - g1 * x0, x[j], y[i])


def _on_cpu(attributes: Tensor, positions: Tensor, faces: Tensor, triangle: Tensor, barycentrics: Tensor) -> Tensor:
    out = attributes.new_empty(*triangle.shape, attributes.shape[-1])
    arrays = (attributes, positions, faces, triangle, barycentrics, *_pixels(positions, triangle), out)
    _interpolate(*(tensor.numpy() for tensor in arrays))
    return out


def _adjoint_on_cpu(
    attributes: Tensor, positions: Tensor, faces: Tensor, triangle: Tensor, barycentrics: Tensor, grad: Tensor, *,
    wanted: tuple[bool, bool],
) -> tuple[Tensor, Tensor]:  # fmt: skip
    shared, views = len(attributes) == 1, len(positions)
    parts = max(1, min(views, PARTS))
    bands = -(-PARTS // parts)
    to_attributes = attributes.new_zeros(bands if wanted[0] else 0, parts if shared else views, *attributes.shape[1:])
    to_positions = positions.new_zeros(bands if wanted[1] else 0, *positions.shape)
    arrays = (attributes, positions, faces, triangle, barycentrics, *_pixels(positions, triangle), grad)
    sums = to_attributes.numpy(), to_positions.numpy()
    _adjoint(*(tensor.numpy() for tensor in arrays), parts, bands, *sums)
    return to_attributes.sum(dim=(0, 1) if shared else 0).view(attributes.shape), to_positions.sum(dim=0)


def _pixels(positions: Tensor, triangle: Tensor) -> list[Tensor]:
    return [centres.to(positions) for centres in _centres(*triangle.shape[1:])]


# --- CUDA ---


@wp.struct
class Seen:
    """The triangle that a pixel sees, about the pixel."""

    v: wp.vec3i
    u0: wp.vec2
    u1: wp.vec2
    u2: wp.vec2
    b: wp.vec3
    over: float  # 1 / sum(e), or 0 where the triangle is flat


@wp.func
def _cross(a: wp.vec2, b: wp.vec2):
    return a[0] * b[1] - a[1] * b[0]


@wp.func
def _centre(i: int, j: int, triangle: wp.array3d(dtype=int)):
    height, width = triangle.shape[1], triangle.shape[2]
    return wp.vec2(float(2 * j + 1) / float(width) - 1.0, 1.0 - float(2 * i + 1) / float(height))


@wp.func
def _about(positions: wp.array3d(dtype=float), view: int, vertex: int, p: wp.vec2):
    q = positions[view, vertex]
    return wp.vec2(q[0] - p[0] * q[3], q[1] - p[1] * q[3])


@wp.func
def _see(
    positions: wp.array3d(dtype=float), faces: wp.array2d(dtype=int), barycentrics: wp.array4d(dtype=float),
    view: int, i: int, j: int, f: int, p: wp.vec2,
):  # fmt: skip
    s = Seen()
    s.v = wp.vec3i(faces[f, 0], faces[f, 1], faces[f, 2])
    s.u0 = _about(positions, view, s.v[0], p)
    s.u1 = _about(positions, view, s.v[1], p)
    s.u2 = _about(positions, view, s.v[2], p)
    e = wp.vec3(_cross(s.u1, s.u2), _cross(s.u2, s.u0), _cross(s.u0, s.u1))
    total = e[0] + e[1] + e[2]
    if wp.abs(total) <= float(FLAT) * (wp.length_sq(s.u0) + wp.length_sq(s.u1) + wp.length_sq(s.u2)) + float(TINY):
        given = barycentrics[view, i, j]
        s.b = wp.vec3(given[0], given[1], given[2])
        s.over = 0.0
    else:
        s.over = 1.0 / total
        s.b = e * s.over
    return s


@wp.kernel(enable_backward=False)
def _interpolate_warp(
    attributes: wp.array3d(dtype=float), positions: wp.array3d(dtype=float), faces: wp.array2d(dtype=int),
    triangle: wp.array3d(dtype=int), barycentrics: wp.array4d(dtype=float), out: wp.array4d(dtype=float),
):  # fmt: skip
    view, i, j = wp.tid()
    f = triangle[view, i, j]
    if f < 0:
        for c in range(out.shape[3]):
            out[view, i, j, c] = 0.0
        return
    s = _see(positions, faces, barycentrics, view, i, j, f, _centre(i, j, triangle))
    own = view % attributes.shape[0]
    for c in range(out.shape[3]):
        out[view, i, j, c] = (
            s.b[0] * attributes[own, s.v[0], c]
            + s.b[1] * attributes[own, s.v[1], c]
            + s.b[2] * attributes[own, s.v[2], c]
        )


@wp.func
def _move_atomically(moved: wp.array3d(dtype=float), view: int, vertex: int, du: float, dv: float, p: wp.vec2):
    wp.atomic_add(moved, view, vertex, 0, du)
    wp.atomic_add(moved, view, vertex, 1, dv)
    wp.atomic_add(moved, view, vertex, 3, -(p[0] * du + p[1] * dv))


@wp.kernel(enable_backward=False)
def _adjoint_warp(
    attributes: wp.array3d(dtype=float), positions: wp.array3d(dtype=float), faces: wp.array2d(dtype=int),
    triangle: wp.array3d(dtype=int), barycentrics: wp.array4d(dtype=float), grad: wp.array4d(dtype=float),
    to_attributes: wp.array3d(dtype=float), to_positions: wp.array3d(dtype=float),
):  # fmt: skip
    """What is not wanted has no views."""
    view, i, j = wp.tid()
    f = triangle[view, i, j]
    if f < 0:
        return
    p = _centre(i, j, triangle)
    s = _see(positions, faces, barycentrics, view, i, j, f, p)
    own = view % attributes.shape[0]
    if to_attributes.shape[0] > 0:
        for c in range(grad.shape[3]):
            sent = s.b * grad[view, i, j, c]
            wp.atomic_add(to_attributes, own, s.v[0], c, sent[0])
            wp.atomic_add(to_attributes, own, s.v[1], c, sent[1])
            wp.atomic_add(to_attributes, own, s.v[2], c, sent[2])
    if to_positions.shape[0] > 0:
        g = wp.vec3()
        for c in range(grad.shape[3]):
            g += grad[view, i, j, c] * wp.vec3(
                attributes[own, s.v[0], c], attributes[own, s.v[1], c], attributes[own, s.v[2], c]
            )
        mean = wp.dot(s.b, g)
        g = (g - wp.vec3(mean, mean, mean)) * s.over
        _move_atomically(
            to_positions, view, s.v[0], g[2] * s.u1[1] - g[1] * s.u2[1], g[1] * s.u2[0] - g[2] * s.u1[0], p
        )
        _move_atomically(
            to_positions, view, s.v[1], g[0] * s.u2[1] - g[2] * s.u0[1], g[2] * s.u0[0] - g[0] * s.u2[0], p
        )
        _move_atomically(
            to_positions, view, s.v[2], g[1] * s.u0[1] - g[0] * s.u1[1], g[0] * s.u1[0] - g[1] * s.u0[0], p
        )


def _on_cuda(attributes: Tensor, positions: Tensor, faces: Tensor, triangle: Tensor, barycentrics: Tensor) -> Tensor:
    out = attributes.new_empty(*triangle.shape, attributes.shape[-1])
    cuda.launch(_interpolate_warp, triangle.shape, attributes, positions, faces, triangle, barycentrics, out)
    return out


def _adjoint_on_cuda(*arrays: Tensor, wanted: tuple[bool, bool]) -> tuple[Tensor, Tensor]:
    sums = [torch.zeros_like(array if want else array[:0]) for array, want in zip(arrays, wanted, strict=False)]
    cuda.launch(_adjoint_warp, arrays[3].shape, *arrays, *sums)
    return tuple(sums)


# --- the function ---


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, *arrays: Tensor) -> Tensor:
        ctx.save_for_backward(*arrays)
        version = _on_cuda if cuda.usable(arrays[0]) else _on_cpu
        return version(*arrays)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        wanted = ctx.needs_input_grad[:2]
        version = _adjoint_on_cuda if cuda.usable(grad) else _adjoint_on_cpu
        # for another layout in memory numba would compile anew
        sums = version(*ctx.saved_tensors, grad.contiguous(), wanted=wanted)
        return *(total if want else None for total, want in zip(sums, wanted, strict=True)), None, None, None


@cuda.carried
def interpolate(attributes: Tensor, positions: Tensor, faces: Tensor, fragments: Fragments) -> Tensor:
    """Attributes at the pixels' centres, (B, height, width, C); zeros where no triangle is seen.

    attributes (V, C), or (B, V, C) for each view its own; positions (B, V, 4) and faces (F, 3) are those that were
    rasterised into `fragments`. All floats are of one type: float32, or float64 on the CPU.
    Differentiable once, to attributes and to positions; the depth z has no part in it. Where a triangle is seen
    almost exactly edge-on its positions get no gradient.

    Raises ValueError for other shapes and types, NaN or infinity, and indices beyond V or F.
    """
    door.alike(attributes=attributes, positions=positions, barycentrics=fragments.barycentrics)
    views, vertices, _ = positions.shape if positions.ndim == 3 else (None, None, None)
    door.shaped("positions", positions, None, None, 4)
    door.shaped("attributes", attributes, *((views,) if attributes.ndim == 3 else ()), vertices, None)
    door.shaped("faces", faces, None, 3)
    door.shaped("triangle", fragments.triangle, views, None, None)
    door.shaped("barycentrics", fragments.barycentrics, *fragments.triangle.shape, 3)
    door.finite(attributes=attributes, positions=positions)
    door.indices("faces", faces, 0, vertices)
    door.indices("triangle", fragments.triangle, -1, len(faces))
    arrays = (
        attributes if attributes.ndim == 3 else attributes[None], positions,
        faces.to(positions.device, torch.int32), fragments.triangle, fragments.barycentrics,
    )  # fmt: skip
    return _Interpolate.apply(*(array.contiguous() for array in arrays))
