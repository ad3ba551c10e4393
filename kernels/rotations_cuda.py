"""`kernels.rotations` for torch tensors: the same two operations, and their CUDA version.

This one operation lies in two files: what uses `kernels.rotations` must not load torch or Warp with it. The definition
and the CPU version are there; the Warp kernels below take the same steps in the same order, inside in float64, since
the covariances of a sheet are flat, which single precision does not bear. No gradients.
"""

import torch
import warp as wp
from torch import Tensor

from kernels import cuda, door, rotations
from kernels.rotations import SQUARINGS

wp.set_module_options({"enable_backward": False})


# --- CUDA ---


@wp.func
def _quaternion_warp(m: wp.mat33d):
    largest = wp.float64(0.0)
    for i in range(3):
        for j in range(3):
            largest = wp.max(largest, wp.abs(m[i, j]))
    if largest < wp.float64(1.0e-300):
        return wp.quat_identity(dtype=wp.float64)
    m = m / largest
    n = wp.mat44d(
        m[0, 0] + m[1, 1] + m[2, 2], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1],
        m[2, 1] - m[1, 2], m[0, 0] - m[1, 1] - m[2, 2], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0],
        m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], m[1, 1] - m[0, 0] - m[2, 2], m[1, 2] + m[2, 1],
        m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], m[2, 2] - m[0, 0] - m[1, 1],
    )  # fmt: skip
    b = (n / wp.sqrt(wp.ddot(m, m)) + wp.identity(n=4, dtype=wp.float64)) * wp.float64(0.25)
    for _ in range(SQUARINGS):
        b = b * b
        trace = wp.trace(b)
        b = b / trace
        if trace > wp.float64(1.0 - 1.0e-8):
            break
    q = b[0]
    if b[0, 0] <= wp.float64(0.01):
        q = b[3]
        if b[1, 1] >= b[2, 2] and b[1, 1] >= b[3, 3]:
            q = b[1]
        elif b[2, 2] >= b[3, 3]:
            q = b[2]
    q = wp.normalize(q)
    return wp.quatd(q[1], q[2], q[3], q[0])


@wp.func
def _store_warp(q: wp.quatd, n: int, rotations: wp.array3d(dtype=float)):
    r = wp.quat_to_matrix(q)
    for i in range(3):
        for j in range(3):
            rotations[n, i, j] = wp.float32(r[i, j])


@wp.func
def _edge_warp(points: wp.array2d(dtype=float), i: int, j: int):
    return wp.vec3d(
        wp.float64(points[i, 0]) - wp.float64(points[j, 0]),
        wp.float64(points[i, 1]) - wp.float64(points[j, 1]),
        wp.float64(points[i, 2]) - wp.float64(points[j, 2]),
    )


@wp.kernel
def _nearest_rotation_warp(matrices: wp.array3d(dtype=float), rotations: wp.array3d(dtype=float)):
    n = wp.tid()
    m = wp.mat33d()
    for i in range(3):
        for j in range(3):
            m[i, j] = wp.float64(matrices[n, i, j])
    _store_warp(_quaternion_warp(m), n, rotations)


@wp.kernel
def _arap_rotations_warp(
    rest: wp.array2d(dtype=float), deformed: wp.array2d(dtype=float), offsets: wp.array(dtype=int),
    neighbours: wp.array(dtype=int), weights: wp.array(dtype=float),
    rotations: wp.array3d(dtype=float),
):  # fmt: skip
    i = wp.tid()
    m = wp.mat33d()
    for k in range(offsets[i], offsets[i + 1]):
        j = neighbours[k]
        m += wp.outer(wp.float64(weights[k]) * _edge_warp(deformed, i, j), _edge_warp(rest, i, j))
    _store_warp(_quaternion_warp(m), i, rotations)


@wp.kernel
def _arap_right_side_warp(
    rest: wp.array2d(dtype=float), offsets: wp.array(dtype=int), neighbours: wp.array(dtype=int),
    weights: wp.array(dtype=float), rotations: wp.array3d(dtype=float),
    right_side: wp.array2d(dtype=float),
):  # fmt: skip
    i = wp.tid()
    total = wp.vec3d()
    for k in range(offsets[i], offsets[i + 1]):
        j = neighbours[k]
        half = wp.float64(0.5) * wp.float64(weights[k]) * _edge_warp(rest, i, j)
        for a in range(3):
            for b in range(3):
                total[a] += (wp.float64(rotations[i, a, b]) + wp.float64(rotations[j, a, b])) * half[b]
    for a in range(3):
        right_side[i, a] = wp.float32(total[a])


# --- the function ---


@cuda.carried
def nearest_rotation(matrices: Tensor) -> Tensor:
    """(N, 3, 3) -> (N, 3, 3) as `kernels.rotations.nearest_rotation`, on the device of matrices; without a gradient.

    float32; on the CPU also float64, and there done by numba. Raises ValueError for another shape or type, NaN or
    infinity.
    """
    door.shaped("matrices", matrices, None, 3, 3)
    door.alike(matrices=matrices)
    door.finite(matrices=matrices)
    if not cuda.usable(matrices):
        return torch.from_numpy(rotations.nearest_rotation(matrices.detach().numpy())).to(matrices)
    found = torch.empty_like(matrices, memory_format=torch.contiguous_format)
    cuda.launch(_nearest_rotation_warp, len(matrices), matrices, found)
    return found


@cuda.carried
def arap_local_step(
    rest: Tensor, deformed: Tensor, offsets: Tensor, neighbours: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Rotations (N, 3, 3) and right side (N, 3) as `kernels.rotations.arap_local_step`; without gradients.

    All tensors on one device: rest, deformed and weights float32, on the CPU also float64, and there done by numba;
    offsets and neighbours int32 or int64. Raises ValueError for another shape, type or device, NaN or infinity,
    neighbours that are no rows of rest, and offsets that decrease or reach outside.
    """
    door.shaped("rest", rest, None, 3)
    door.shaped("deformed", deformed, len(rest), 3)
    door.shaped("offsets", offsets, len(rest) + 1)
    door.shaped("neighbours", neighbours, None)
    door.shaped("weights", weights, len(neighbours))
    door.alike(rest=rest, deformed=deformed, weights=weights)
    door.finite(rest=rest, deformed=deformed, weights=weights)
    door.indices("offsets", offsets, 0, len(neighbours) + 1, rest.device)
    door.indices("neighbours", neighbours, 0, len(rest), rest.device)
    if (offsets[1:] < offsets[:-1]).any():
        raise ValueError("offsets must not decrease")
    if not cuda.usable(rest):
        arrays = (tensor.detach().numpy() for tensor in (rest, deformed, offsets, neighbours, weights))
        return tuple(torch.from_numpy(found).to(rest) for found in rotations.arap_local_step(*arrays))
    offsets, neighbours = offsets.int(), neighbours.int()
    turns, right_side = rest.new_empty(len(rest), 3, 3), rest.new_empty(len(rest), 3)
    cuda.launch(_arap_rotations_warp, len(rest), rest, deformed, offsets, neighbours, weights, turns)
    cuda.launch(_arap_right_side_warp, len(rest), rest, offsets, neighbours, weights, turns, right_side)
    return turns, right_side
