"""Interpolate vertex attributes over what the pixels see, differentiable to the attributes and to the positions.

With clip-space corners (x_k, y_k, z_k, w_k) of the triangle that is seen, and the pixel's centre (x, y),
    u_k = (x_k - x w_k, y_k - y w_k),   e_0 = u_1 x u_2,   e_1 = u_2 x u_0,   e_2 = u_0 x u_1
are the edge functions of `rasterize`, taken about the pixel: in single precision that keeps digits which
p . (q_1 x q_2) loses in small triangles. The barycentrics are b_k = e_k / sum(e), the value is sum(b_k a_k).
They are worked out anew from the positions, and so carry the gradient to them:
    d b_k = (d e_k - b_k sum(d e)) / sum(e),
which holds inside a triangle; that it ends at its outline is what `antialias` is for. The scale of a view's clip
coordinates drops out, but not of the products of two of them: so the positions are `normalised` first.
"""

import numpy as np
import torch
import warp as wp
from numba import prange
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels import cpu, cuda, door
from kernels.rasterize import Fragments, normalised, pixel_centres

# A triangle seen this nearly edge-on (its area over its sides squared) has no digits left for barycentrics of its
# own: the fragments' are taken as they are, and its positions get no gradient instead of an endless one.
FLAT = 1e-6
TINY = 1e-30  # of normalised positions: 1 / sum(e) shall be a number in single precision


# --- the definition ---


def interpolate_reference(attributes: Tensor, positions: Tensor, faces: Tensor, fragments: Fragments) -> Tensor:
    """The definition of `interpolate`: gather the corners, weigh them."""
    view, row, column = (fragments.triangle >= 0).nonzero(as_tuple=True)
    _, height, width = fragments.triangle.shape
    corners = faces.long()[fragments.triangle[view, row, column].long()]
    q = normalised(positions)[view[:, None], corners]
    a = attributes[corners] if attributes.ndim == 2 else attributes[view[:, None], corners]
    x, y = (centres.to(positions) for centres in pixel_centres(height, width))
    u = q[..., :2] - torch.stack([x[column], y[row]], dim=-1)[:, None] * q[..., 3:]
    v, w = u.roll(-1, dims=1), u.roll(-2, dims=1)
    e = v[..., 0] * w[..., 1] - v[..., 1] * w[..., 0]
    total = e.sum(dim=-1, keepdim=True)
    flat = total.abs() <= FLAT * u.square().sum(dim=(1, 2))[:, None] + TINY
    b = torch.where(flat, fragments.barycentrics[view, row, column], e / torch.where(flat, 1, total))
    out = attributes.new_zeros(*fragments.triangle.shape, attributes.shape[-1])
    return out.index_put((view, row, column), (b[..., None] * a).sum(dim=1))


# --- CPU ---

PARTS = 8  # sums of gradients made side by side; not the number of cores, so that the result is the same on any


def split(views: int) -> tuple[int, int]:
    """The tasks of a backward pass: every `parts`th view, in `bands` of rows each."""
    parts = max(1, min(views, PARTS))
    return parts, -(-PARTS // parts)


@cpu.inner
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


@cpu.parallel(fastmath={"contract", "reassoc", "nsz"})
def _weigh(attributes, positions, faces, triangle, barycentrics, centres, out):
    views, height, width = triangle.shape
    x, y = centres
    for line in prange(views * height):
        view, i = line // height, line % height
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


@cpu.inner
def _move(sums, du, dv, x, y):
    sums[0] += du
    sums[1] += dv
    sums[3] -= x * du + y * dv


@cpu.parallel(fastmath={"contract", "reassoc", "nsz"})
def _pull(attributes, positions, faces, triangle, barycentrics, centres, grad, tasks, sums):
    """Adds to `sums`, (bands, slots, V, C) and (bands, views, V, 4), in tasks of a band of rows of every `parts`th
    view.

    What is not wanted has no bands.
    """
    x, y = centres
    parts, bands = tasks
    to_attributes, to_positions = sums
    views, height, width = triangle.shape
    for task in prange(parts * bands):
        part, band = task // bands, task % bands
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
                        shared = to_attributes[band, view % to_attributes.shape[1]]
                        d0, d1, d2 = shared[v0], shared[v1], shared[v2]
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


def _forward_on_cpu(
    attributes: Tensor, positions: Tensor, faces: Tensor, triangle: Tensor, barycentrics: Tensor
) -> Tensor:
    out = attributes.new_empty(*triangle.shape, attributes.shape[-1])
    _weigh(
        attributes.numpy(), positions.numpy(), faces.numpy(), triangle.numpy(), barycentrics.numpy(),
        _centres(positions, triangle), out.numpy(),
    )  # fmt: skip
    return out


def _backward_on_cpu(
    attributes: Tensor, positions: Tensor, faces: Tensor, triangle: Tensor, barycentrics: Tensor, grad: Tensor, *,
    wanted: tuple[bool, bool],
) -> tuple[Tensor, Tensor]:  # fmt: skip
    shared, views = len(attributes) == 1, len(positions)
    parts, bands = split(views)
    attributes_wanted, positions_wanted = wanted
    slots = parts if shared else views
    to_attributes = attributes.new_zeros(bands if attributes_wanted else 0, slots, *attributes.shape[1:])
    to_positions = positions.new_zeros(bands if positions_wanted else 0, *positions.shape)
    _pull(
        attributes.numpy(), positions.numpy(), faces.numpy(), triangle.numpy(), barycentrics.numpy(),
        _centres(positions, triangle), grad.numpy(), (parts, bands), (to_attributes.numpy(), to_positions.numpy()),
    )  # fmt: skip
    return (
        to_attributes.sum(dim=(0, 1) if shared else 0).view(attributes.shape) if attributes_wanted else attributes[:0],
        to_positions.sum(dim=0) if positions_wanted else positions[:0],
    )


def _centres(positions: Tensor, triangle: Tensor) -> tuple[np.ndarray, np.ndarray]:
    x, y = pixel_centres(*triangle.shape[1:])
    return x.to(positions).numpy(), y.to(positions).numpy()


# --- CUDA ---

wp.set_module_options({"enable_backward": False})


@wp.func
def _cross_warp(a: wp.vec2, b: wp.vec2):
    return a[0] * b[1] - a[1] * b[0]


@wp.func
def _centre_warp(i: int, j: int, triangle: wp.array3d(dtype=int)):
    height, width = triangle.shape[1], triangle.shape[2]
    return wp.vec2(float(2 * j + 1) / float(width) - 1.0, 1.0 - float(2 * i + 1) / float(height))


@wp.func
def _about_warp(positions: wp.array3d(dtype=float), view: int, vertex: int, p: wp.vec2):
    q = positions[view, vertex]
    return wp.vec2(q[0] - p[0] * q[3], q[1] - p[1] * q[3])


@wp.func
def _barycentrics_warp(
    positions: wp.array3d(dtype=float), barycentrics: wp.array4d(dtype=float), view: int, i: int, j: int, v: wp.vec3i,
    p: wp.vec2,
):  # fmt: skip
    u0 = _about_warp(positions, view, v[0], p)
    u1 = _about_warp(positions, view, v[1], p)
    u2 = _about_warp(positions, view, v[2], p)
    b, over = wp.vec3(_cross_warp(u1, u2), _cross_warp(u2, u0), _cross_warp(u0, u1)), wp.float32(0.0)
    total = b[0] + b[1] + b[2]
    if wp.abs(total) <= float(FLAT) * (wp.length_sq(u0) + wp.length_sq(u1) + wp.length_sq(u2)) + float(TINY):
        given = barycentrics[view, i, j]
        b = wp.vec3(given[0], given[1], given[2])
    else:
        over = 1.0 / total
        b = b * over
    return b, over, u0, u1, u2


@wp.kernel
def _weigh_warp(
    attributes: wp.array3d(dtype=float), positions: wp.array3d(dtype=float), faces: wp.array2d(dtype=int),
    triangle: wp.array3d(dtype=int), barycentrics: wp.array4d(dtype=float), out: wp.array4d(dtype=float),
):  # fmt: skip
    view, i, j = wp.tid()
    f = triangle[view, i, j]
    if f < 0:
        for c in range(out.shape[3]):
            out[view, i, j, c] = 0.0
        return
    v = wp.vec3i(faces[f, 0], faces[f, 1], faces[f, 2])
    p = _centre_warp(i, j, triangle)
    b, _over, _u0, _u1, _u2 = _barycentrics_warp(positions, barycentrics, view, i, j, v, p)
    own = view % attributes.shape[0]
    for c in range(out.shape[3]):
        out[view, i, j, c] = (
            b[0] * attributes[own, v[0], c] + b[1] * attributes[own, v[1], c] + b[2] * attributes[own, v[2], c]
        )


@wp.func
def _move_warp(moved: wp.array3d(dtype=float), view: int, vertex: int, du: float, dv: float, p: wp.vec2):
    wp.atomic_add(moved, view, vertex, 0, du)
    wp.atomic_add(moved, view, vertex, 1, dv)
    wp.atomic_add(moved, view, vertex, 3, -(p[0] * du + p[1] * dv))


@wp.kernel
def _pull_warp(
    attributes: wp.array3d(dtype=float), positions: wp.array3d(dtype=float), faces: wp.array2d(dtype=int),
    triangle: wp.array3d(dtype=int), barycentrics: wp.array4d(dtype=float), grad: wp.array4d(dtype=float),
    to_attributes: wp.array3d(dtype=float), to_positions: wp.array3d(dtype=float),
):  # fmt: skip
    """What is not wanted has no views."""
    view, i, j = wp.tid()
    f = triangle[view, i, j]
    if f < 0:
        return
    p = _centre_warp(i, j, triangle)
    v = wp.vec3i(faces[f, 0], faces[f, 1], faces[f, 2])
    b, over, u0, u1, u2 = _barycentrics_warp(positions, barycentrics, view, i, j, v, p)
    own = view % attributes.shape[0]
    if to_attributes.shape[0] > 0:
        for c in range(grad.shape[3]):
            sent = b * grad[view, i, j, c]
            wp.atomic_add(to_attributes, own, v[0], c, sent[0])
            wp.atomic_add(to_attributes, own, v[1], c, sent[1])
            wp.atomic_add(to_attributes, own, v[2], c, sent[2])
    if to_positions.shape[0] > 0:
        g = wp.vec3()
        for c in range(grad.shape[3]):
            g += grad[view, i, j, c] * wp.vec3(
                attributes[own, v[0], c], attributes[own, v[1], c], attributes[own, v[2], c]
            )
        mean = wp.dot(b, g)
        g = (g - wp.vec3(mean, mean, mean)) * over
        _move_warp(to_positions, view, v[0], g[2] * u1[1] - g[1] * u2[1], g[1] * u2[0] - g[2] * u1[0], p)
        _move_warp(to_positions, view, v[1], g[0] * u2[1] - g[2] * u0[1], g[2] * u0[0] - g[0] * u2[0], p)
        _move_warp(to_positions, view, v[2], g[1] * u0[1] - g[0] * u1[1], g[0] * u1[0] - g[1] * u0[0], p)


def _forward_on_cuda(
    attributes: Tensor, positions: Tensor, faces: Tensor, triangle: Tensor, barycentrics: Tensor
) -> Tensor:
    out = attributes.new_empty(*triangle.shape, attributes.shape[-1])
    cuda.launch(_weigh_warp, triangle.shape, attributes, positions, faces, triangle, barycentrics, out)
    return out


def _backward_on_cuda(
    attributes: Tensor, positions: Tensor, faces: Tensor, triangle: Tensor, barycentrics: Tensor, grad: Tensor, *,
    wanted: tuple[bool, bool],
) -> tuple[Tensor, Tensor]:  # fmt: skip
    attributes_wanted, positions_wanted = wanted
    to_attributes = torch.zeros_like(attributes if attributes_wanted else attributes[:0])
    to_positions = torch.zeros_like(positions if positions_wanted else positions[:0])
    cuda.launch(
        _pull_warp, triangle.shape, attributes, positions, faces, triangle, barycentrics, grad,
        to_attributes, to_positions,
    )  # fmt: skip
    return to_attributes, to_positions


# --- the function ---


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, attributes: Tensor, positions: Tensor, faces: Tensor, triangle: Tensor, barycentrics: Tensor
    ) -> Tensor:
        ctx.warp = cuda.usable(attributes)
        ctx.save_for_backward(attributes, positions, faces, triangle, barycentrics)
        version = _forward_on_cuda if ctx.warp else _forward_on_cpu
        return version(attributes, positions, faces, triangle, barycentrics)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        wanted = ctx.needs_input_grad[:2]
        version = _backward_on_cuda if ctx.warp else _backward_on_cpu
        # for another layout in memory numba would compile anew
        sums = version(*ctx.saved_tensors, grad.contiguous(), wanted=wanted)
        return *(to if want else None for to, want in zip(sums, wanted, strict=True)), None, None, None


@cuda.carried
def interpolate(attributes: Tensor, positions: Tensor, faces: Tensor, fragments: Fragments) -> Tensor:
    """Attributes at the pixels' centres, (B, height, width, C); zeros where no triangle is seen.

    attributes (V, C), or (B, V, C) for each view its own; positions (B, V, 4), at any scale, and faces (F, 3) are those
    that were rasterised into `fragments`. All floats are of one type: float32, or float64 on the CPU.
    Differentiable once, to attributes and to positions; second derivatives are absent. The depth z has no part in it.
    Where a triangle is seen almost exactly edge-on, or measures less than 1e-15 of the largest coordinate of its view,
    its positions get no gradient.

    Raises ValueError for other shapes, types and devices, NaN or infinity, and indices beyond V or F.
    """
    door.alike(attributes=attributes, positions=positions, barycentrics=fragments.barycentrics)
    door.shaped("positions", positions, None, None, 4)
    views, vertices, _ = positions.shape
    door.shaped("attributes", attributes, *((views,) if attributes.ndim == 3 else ()), vertices, None)
    door.shaped("faces", faces, None, 3)
    door.shaped("triangle", fragments.triangle, views, None, None)
    door.shaped("barycentrics", fragments.barycentrics, *fragments.triangle.shape, 3)
    door.finite(attributes=attributes, positions=positions)
    door.indices("faces", faces, 0, vertices, positions.device)
    door.indices("triangle", fragments.triangle, -1, len(faces), positions.device)
    arrays = (
        attributes if attributes.ndim == 3 else attributes[None], normalised(positions), faces.to(torch.int32),
        fragments.triangle.to(torch.int32), fragments.barycentrics,
    )  # fmt: skip
    return _Interpolate.apply(*(array.contiguous() for array in arrays))
