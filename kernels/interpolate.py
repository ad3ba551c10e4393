"""Interpolate vertex attributes over what the pixels see, differentiable to the attributes and to the positions.

With clip-space corners (x_k, y_k, z_k, w_k) of the triangle that is seen, and the pixel's centre (x, y),
    u_k = (x_k - x w_k, y_k - y w_k),   e_0 = u_1 x u_2,   e_1 = u_2 x u_0,   e_2 = u_0 x u_1
are the edge functions of `rasterize`, taken about the pixel: in single precision that keeps digits which
p . (q_1 x q_2) loses in small triangles. The barycentrics are b_k = e_k / sum(e), the value is sum(b_k a_k).
They are worked out anew from the positions, and so carry the gradient to them:
    d b_k = (d e_k - b_k sum(d e)) / sum(e),
which holds inside a triangle; that it ends at its outline is what `antialias` is for.
"""

import torch
import warp as wp
from numba import njit, prange
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels import cuda, door
from kernels.cpu import parallel
from kernels.rasterize import Fragments, _centres

# A triangle seen this nearly edge-on (its area over its length squared) has no digits left for barycentrics of its
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
    products = u.roll(-1, 1) * u.roll(-2, 1).flip(-1)  # of u_1 x u_2 and so on, the second one to be subtracted
    e = products[..., 0] - products[..., 1]
    total = e.sum(dim=-1, keepdim=True)
    flat = total.abs() <= FLAT * products.abs().sum(dim=(1, 2))[:, None] + TINY
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
    size = abs(x1 * y2) + abs(y1 * x2) + abs(x2 * y0) + abs(y2 * x0) + abs(x0 * y1) + abs(y0 * x1)
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


@parallel(fastmath={"contract", "reassoc", "nsz"})
def _adjoint(
    attributes, positions, faces, triangle, barycentrics, x, y, grad, parts, bands, to_attributes, to_positions
):  # fmt: skip
    """Adds to (bands, slots, V, C) and (bands, views, V, 4), in tasks of a band of rows of every `parts`th view.

    What is not wanted has no views.
    """
    views, height, _ = triangle.shape
    for task in prange(parts * bands):
        part, band = divmod(np.int64(task), bands)
        for view in range(part, views, parts):
            for i in range(band * height // bands, (band + 1) * height // bands):
                if to_attributes.shape[1]:
                    _spread(
                        positions[view], faces, triangle[view, i], barycentrics[view, i], x, y[i], grad[view, i],
                        to_attributes[band, view % to_attributes.shape[1]],
                    )  # fmt: skip
                if to_positions.shape[1]:
                    _pull(
                        attributes[view % len(attributes)], positions[view], faces, triangle[view, i], x, y[i],
                        barycentrics[view, i], grad[view, i], to_positions[band, view],
                    )  # fmt: skip
