"""Features of points in space from a grid of samples that fills a cube.

A point x, y, z in [-1, 1] lies in a cell between eight samples of G (X, Y, Z, C), and blends them:
    out = sum over the corners d in {0, 1}^3 of  w_x(d_x) w_y(d_y) w_z(d_z) G[i + d_x, j + d_y, k + d_z]
with i + a = (x + 1)/2 (X - 1), w_x(1) = a, w_x(0) = 1 - a, and likewise j, b of y and k, c of z. So -1 is the first
sample and 1 the last, as in `plane_sample`; but outside of the cube there is nothing: features and gradients are 0.
"""

import numpy as np
import torch
import warp as wp
from numba import prange
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels import cpu, cuda, door

wp.set_module_options({"enable_backward": False})


# --- the definition ---


def voxel_sample_reference(points: Tensor, grid: Tensor) -> Tensor:
    """The definition of `voxel_sample`, in any precision."""
    (i, next_i, a), (j, next_j, b), (k, next_k, c) = (
        _cell(points[:, axis], grid.shape[axis]) for axis in range(3)
    )  # fmt: skip
    out = 0
    for at_i, w_i in ((i, 1 - a), (next_i, a)):
        for at_j, w_j in ((j, 1 - b), (next_j, b)):
            for at_k, w_k in ((k, 1 - c), (next_k, c)):
                out = out + w_i * w_j * w_k * grid[at_i, at_j, at_k]
    inside = (points.detach().abs() <= 1).all(dim=1, keepdim=True)
    return torch.where(inside, out, 0)


def _cell(x: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """The two samples that a coordinate lies between, and how far it is from the first to the second."""
    at = (x.clamp(-1, 1) + 1) / 2 * (size - 1)
    i = at.detach().long().clamp(max=max(size - 2, 0))
    return i, (i + 1).clamp(max=size - 1), (at - i)[:, None]


# --- CPU ---
#
# Channels are taken four at a time, in variables of their own: a loop over so few is not worth a vector to LLVM.
# Corners are looped over, and what a thread does stands outside of the prange: written out, LLVM took more than twice
# as long over it. Indices are unsigned, or numba would look at each whether it counts from the end.
#
# Backward, the points are sorted by their layer of cells along x. Layers next to each other share samples; so all even
# ones are done side by side, and then all odd ones: no two threads add to one number, none needs a copy of the grid,
# and the sums are the same on any number of cores.

CHUNK = 512  # points of one task, forward


@cpu.inner
def _place(points, n, axis, size):
    """As `_cell`: the first sample, and the way to the second."""
    real = points.dtype.type  # a number of the points' type times an integer is a double one to numba
    at = (points[n, axis] + real(1)) * real((size - 1) / 2)
    i = min(int(at), max(size - 2, 0))
    return i, at - real(i)


@cpu.inner
def _cell_of(points, n, shape):
    """Where the numbers of the first sample begin, and how far the point is from there along x, y and z."""
    i, fx = _place(points, n, 0, shape[0])
    j, fy = _place(points, n, 1, shape[1])
    k, fz = _place(points, n, 2, shape[2])
    return ((i * shape[1] + j) * shape[2] + k) * shape[3], fx, fy, fz


@cpu.inner
def _within(points, n, one):
    return abs(points[n, 0]) <= one and abs(points[n, 1]) <= one and abs(points[n, 2]) <= one


@cpu.inner
def _steps(shape):
    """Numbers from a sample to the next along x, y and z; from a side's only one to itself."""
    width, height, depth, channels = shape
    dx = height * depth * channels if width > 1 else 0
    dy = depth * channels if height > 1 else 0
    return dx, dy, channels if depth > 1 else 0


@cpu.inner
def _corner(corner, steps, fx, fy, fz, one):
    """How far on its numbers are, and its weight along x, y and z."""
    on = np.uintp(0)
    wx, wy, wz = one - fx, one - fy, one - fz
    if corner & 4:
        on, wx = on + np.uintp(steps[0]), fx
    if corner & 2:
        on, wy = on + np.uintp(steps[1]), fy
    if corner & 1:
        on, wz = on + np.uintp(steps[2]), fz
    return on, wx, wy, wz


@cpu.inner(fastmath={"contract"})
def _blend(points, begin, end, grid, shape, out):
    channels, steps, one = shape[3], _steps(shape), points.dtype.type(1)
    whole, u1, u2, u3 = channels - channels % 4, np.uintp(1), np.uintp(2), np.uintp(3)
    for n in range(begin, end):
        if not _within(points, n, one):
            for c in range(channels):
                out[n, c] = 0
            continue
        first, fx, fy, fz = _cell_of(points, n, shape)
        for c in range(0, whole, 4):
            v0 = v1 = v2 = v3 = one - one
            for corner in range(8):
                on, wx, wy, wz = _corner(corner, steps, fx, fy, fz, one)
                w, p = wx * wy * wz, np.uintp(first + c) + on
                v0 += w * grid[p]
                v1 += w * grid[p + u1]
                v2 += w * grid[p + u2]
                v3 += w * grid[p + u3]
            out[n, c], out[n, c + 1], out[n, c + 2], out[n, c + 3] = v0, v1, v2, v3
        for c in range(whole, channels):
            v0 = one - one
            for corner in range(8):
                on, wx, wy, wz = _corner(corner, steps, fx, fy, fz, one)
                v0 += wx * wy * wz * grid[np.uintp(first + c) + on]
            out[n, c] = v0


@cpu.parallel
def _forward(points, grid, shape, out):
    """grid: its numbers in one row."""
    for chunk in prange((len(points) + CHUNK - 1) // CHUNK):
        _blend(points, chunk * CHUNK, min(len(points), (chunk + 1) * CHUNK), grid, shape, out)


@cpu.inner(nogil=True)  # on one core, and called from Python
def _by_layer(points, width):
    """The points inside, sorted by their layer of cells along x, and (layers + 1,) where each layer's begin."""
    count, one, layers = len(points), points.dtype.type(1), max(width - 1, 1)
    layer, starts = np.empty(count, np.int32), np.zeros(layers + 2, np.int64)
    for n in range(count):
        layer[n] = -1
        if _within(points, n, one):
            layer[n] = _place(points, n, 0, width)[0]
            starts[layer[n] + 2] += 1
    for i in range(layers):
        starts[i + 1] += starts[i]
    order = np.empty(count, np.int32)
    for n in range(count):
        if layer[n] >= 0:
            order[starts[layer[n] + 1]] = n
            starts[layer[n] + 1] += 1
    return order, starts[: layers + 1]


@cpu.inner(fastmath={"contract"})
def _pull(points, order, begin, end, grid, shape, grad, to_grid, to_points):
    real = points.dtype.type
    channels, steps, one = shape[3], _steps(shape), real(1)
    whole, u1, u2, u3 = channels - channels % 4, np.uintp(1), np.uintp(2), np.uintp(3)
    for turn in range(begin, end):
        n = order[turn]
        first, fx, fy, fz = _cell_of(points, n, shape)
        along_x = along_y = along_z = one - one
        for corner in range(8):
            on, wx, wy, wz = _corner(corner, steps, fx, fy, fz, one)
            w, start = wx * wy * wz, np.uintp(first) + on
            if len(to_grid):
                for c in range(0, whole, 4):
                    p = start + np.uintp(c)
                    v0, v1 = to_grid[p] + w * grad[n, c], to_grid[p + u1] + w * grad[n, c + 1]
                    v2, v3 = to_grid[p + u2] + w * grad[n, c + 2], to_grid[p + u3] + w * grad[n, c + 3]
                    to_grid[p], to_grid[p + u1], to_grid[p + u2], to_grid[p + u3] = v0, v1, v2, v3
                for c in range(whole, channels):
                    to_grid[start + np.uintp(c)] += w * grad[n, c]
            if len(to_points):
                value = one - one
                for c in range(channels):
                    value += grad[n, c] * grid[start + np.uintp(c)]
                along_x += value * wy * wz if corner & 4 else -value * wy * wz
                along_y += value * wx * wz if corner & 2 else -value * wx * wz
                along_z += value * wx * wy if corner & 1 else -value * wx * wy
        if len(to_points):
            to_points[n, 0] += along_x * real((shape[0] - 1) / 2)
            to_points[n, 1] += along_y * real((shape[1] - 1) / 2)
            to_points[n, 2] += along_z * real((shape[2] - 1) / 2)


@cpu.parallel
def _backward(points, order, starts, grid, shape, grad, to_grid, to_points):
    """to_grid and to_points are added to; what is not wanted has no numbers."""
    layers = len(starts) - 1
    for odd in range(2):
        for half in prange((layers + 1 - odd) // 2):
            i = 2 * half + odd
            _pull(points, order, starts[i], starts[i + 1], grid, shape, grad, to_grid, to_points)


def _forward_on_cpu(points: Tensor, grid: Tensor, out: Tensor) -> None:
    _forward(points.numpy(), grid.numpy().reshape(-1), tuple(grid.shape), out.numpy())


def _backward_on_cpu(points: Tensor, grid: Tensor, grad: Tensor, to_grid: Tensor, to_points: Tensor) -> None:
    """Adds to `to_grid` and `to_points`."""
    order, starts = _by_layer(points.numpy(), grid.shape[0])
    numbers, sums = grid.numpy().reshape(-1), to_grid.numpy().reshape(-1)
    _backward(points.numpy(), order, starts, numbers, tuple(grid.shape), grad.numpy(), sums, to_points.numpy())


# --- CUDA ---
#
# Forward, a thread is one channel of one point, backward CHANNELS of them, a stride apart: so neighbouring threads
# read neighbouring channels of the same samples, and a point's gradient takes fewer atomics.

CHANNELS = 4


@wp.func
def _place_warp(x: float, size: int):
    at = (x + 1.0) / 2.0 * float(size - 1)
    i = wp.min(int(at), wp.max(size - 2, 0))
    return i, at - float(i)


@wp.func
def _within_warp(points: wp.array2d(dtype=float), n: int):
    return wp.abs(points[n, 0]) <= 1.0 and wp.abs(points[n, 1]) <= 1.0 and wp.abs(points[n, 2]) <= 1.0


@wp.kernel
def _forward_warp(points: wp.array2d(dtype=float), grid: wp.array4d(dtype=float), out: wp.array2d(dtype=float)):
    n, c = wp.tid()
    if not _within_warp(points, n):
        out[n, c] = 0.0
        return
    i, fx = _place_warp(points[n, 0], grid.shape[0])
    j, fy = _place_warp(points[n, 1], grid.shape[1])
    k, fz = _place_warp(points[n, 2], grid.shape[2])
    value = wp.float32(0.0)
    for corner in range(8):
        di, dj, dk = corner / 4, (corner / 2) % 2, corner % 2
        weight = wp.where(di == 1, fx, 1.0 - fx) * wp.where(dj == 1, fy, 1.0 - fy) * wp.where(dk == 1, fz, 1.0 - fz)
        value += weight * _sample_warp(grid, i + di, j + dj, k + dk, c)
    out[n, c] = value


@wp.func
def _sample_warp(grid: wp.array4d(dtype=float), i: int, j: int, k: int, c: int):
    """Past the end lies a side's last sample again."""
    return grid[wp.min(i, grid.shape[0] - 1), wp.min(j, grid.shape[1] - 1), wp.min(k, grid.shape[2] - 1), c]


@wp.kernel
def _backward_warp(
    points: wp.array2d(dtype=float), grid: wp.array4d(dtype=float), grad: wp.array2d(dtype=float),
    to_grid: wp.array4d(dtype=float), to_points: wp.array2d(dtype=float), stride: int,
):  # fmt: skip
    n, first = wp.tid()
    if not _within_warp(points, n):
        return
    i, fx = _place_warp(points[n, 0], grid.shape[0])
    j, fy = _place_warp(points[n, 1], grid.shape[1])
    k, fz = _place_warp(points[n, 2], grid.shape[2])
    slope = wp.vec3()
    for corner in range(8):
        di, dj, dk = corner / 4, (corner / 2) % 2, corner % 2
        wx, wy, wz = wp.where(di == 1, fx, 1.0 - fx), wp.where(dj == 1, fy, 1.0 - fy), wp.where(dk == 1, fz, 1.0 - fz)
        value = wp.float32(0.0)
        for c in range(first, grid.shape[3], stride):
            if to_grid.shape[0] > 0:
                at_i, at_j = wp.min(i + di, grid.shape[0] - 1), wp.min(j + dj, grid.shape[1] - 1)
                wp.atomic_add(to_grid, at_i, at_j, wp.min(k + dk, grid.shape[2] - 1), c, wx * wy * wz * grad[n, c])
            if to_points.shape[0] > 0:
                value += grad[n, c] * _sample_warp(grid, i + di, j + dj, k + dk, c)
        sx, sy, sz = float(2 * di - 1), float(2 * dj - 1), float(2 * dk - 1)
        slope += value * wp.vec3(sx * wy * wz, wx * sy * wz, wx * wy * sz)
    if to_points.shape[0] > 0:
        for axis in range(3):
            wp.atomic_add(to_points, n, axis, slope[axis] * float(grid.shape[axis] - 1) / 2.0)


def _forward_on_cuda(points: Tensor, grid: Tensor, out: Tensor) -> None:
    cuda.launch(_forward_warp, out.shape, points, grid, out)


def _backward_on_cuda(points: Tensor, grid: Tensor, grad: Tensor, to_grid: Tensor, to_points: Tensor) -> None:
    """Adds to `to_grid` and `to_points`."""
    stride = -(-grid.shape[3] // CHANNELS)
    cuda.launch(_backward_warp, (len(points), stride), points, grid, grad, to_grid, to_points, stride)


# --- the function ---


class _VoxelSample(torch.autograd.Function):
    @staticmethod
    def forward(ctx, points: Tensor, grid: Tensor) -> Tensor:
        ctx.warp = cuda.usable(points)
        ctx.save_for_backward(points, grid)
        out = points.new_empty(len(points), grid.shape[3])
        (_forward_on_cuda if ctx.warp else _forward_on_cpu)(points, grid, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        points, grid = ctx.saved_tensors
        points_wanted, grid_wanted = ctx.needs_input_grad
        to_points = torch.zeros_like(points if points_wanted else points[:0])
        to_grid = torch.zeros_like(grid if grid_wanted else grid[:0])
        (_backward_on_cuda if ctx.warp else _backward_on_cpu)(points, grid, grad.contiguous(), to_grid, to_points)
        return to_points if points_wanted else None, to_grid if grid_wanted else None


@cuda.carried
def voxel_sample(points: Tensor, grid: Tensor) -> Tensor:
    """points (N, 3) x, y, z in [-1, 1] and grid (X, Y, Z, C) -> (N, C), blended from the eight samples around each.

    The first sample along a side lies at -1, the last at 1; a side's only one fills it. Outside of the cube is 0.
    float32, or float64 on the CPU. Differentiable once, by points and grid; second derivatives are absent. On the CPU
    the gradients are the same with any number of threads.

    Raises ValueError for a shape, type or device that does not fit, NaN and infinity.
    """
    door.shaped("points", points, None, 3)
    door.shaped("grid", grid, None, None, None, None)
    if grid.numel() == 0:
        raise ValueError(f"grid must have a sample and a channel, not {tuple(grid.shape)}")
    door.alike(points=points, grid=grid)
    door.finite(points=points, grid=grid)
    return _VoxelSample.apply(points.contiguous(), grid.contiguous())
