"""Features of points in space from grids of many sizes, coarse to fine, whose rows share a table where they are many.

Notation (code -> Müller et al., "Instant neural graphics primitives with a multiresolution hash encoding", section 3,
ACM Transactions on Graphics 41(4), 2022, arXiv:2201.05989)
    sizes[l]      N_l     cells along a side of level l
    rows          T       of a level's table at most, a power of two
    channels      F       of a row
    PRIMES        pi_i    of the hash

A point x, y, z in [-1, 1] lies in a cell of each level, at x = (x + 1)/2 N_l and so on, and blends the rows of its
eight corners:
    out_l = sum over the corners d in {0, 1}^3 of  w_x(d_x) w_y(d_y) w_z(d_z) table_l[row(i + d_x, j + d_y, k + d_z)]
with i + a = (x + 1)/2 N_l, w_x(1) = a, w_x(0) = 1 - a, and likewise for y and z. A level with no more than T corners
has a row for each, (i (N_l + 1) + j) (N_l + 1) + k; of others it is (i pi_1 xor j pi_2 xor k pi_3) mod T. Beyond the
cube's walls is what the wall has.
"""

from collections.abc import Sequence

import numpy as np
import torch
import warp as wp
from numba import prange
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels import cpu, cuda, door

wp.set_module_options({"enable_backward": False})

PRIMES = 1, 2_654_435_761, 805_459_861
_Y, _Z = PRIMES[1:]


def table_rows(sizes: Sequence[int], rows: int) -> list[int]:
    """Of each level: how many rows its table has. The levels' tables lie one after the other."""
    return [min((size + 1) ** 3, rows) for size in sizes]


# --- the definition ---


def hash_encode_reference(points: Tensor, table: Tensor, sizes: Sequence[int], rows: int) -> Tensor:
    """The definition of `hash_encode`'s features, in any precision."""
    tables = table.split(table_rows(sizes, rows))
    return torch.cat([_level(points, size, each, rows) for size, each in zip(sizes, tables, strict=True)], dim=1)


def _level(points: Tensor, size: int, table: Tensor, rows: int) -> Tensor:
    at = (points.clamp(-1, 1) + 1) / 2 * size
    first = at.detach().long().clamp(max=size - 1)
    fraction, out = at - first, 0
    for corner in torch.cartesian_prod(*[torch.arange(2, device=points.device)] * 3):
        weight = torch.where(corner == 1, fraction, 1 - fraction).prod(dim=1, keepdim=True)
        out = out + weight * table[_row(first + corner, size, rows)]
    return out


def _row(corner: Tensor, size: int, rows: int) -> Tensor:
    """Of corners (N, 3) in 0..size."""
    x, y, z = corner.unbind(dim=1)
    if (size + 1) ** 3 <= rows:
        return (x * (size + 1) + y) * (size + 1) + z
    return (x * PRIMES[0] ^ y * PRIMES[1] ^ z * PRIMES[2]) & (rows - 1)


# --- CPU ---
#
# Backward, a level is one thread's own: no two add to one row, and the sums are the same on any number of cores.

CHUNK = 256  # points of one task


@cpu.inner
def _place(x, size):
    """The cell, how far into it the point is, and how fast that grows with the coordinate."""
    real = type(x)
    at = (min(max(x, real(-1)), real(1)) + real(1)) * (real(size) / real(2))
    i = min(int(at), size - 1)
    return i, at - real(i), real(size) / real(2) if abs(x) <= 1 else real(0)


@cpu.inner
def _corner(corner, i, j, k, a, b, c, size, rows):
    """Its row of the level's table, its weight along x, y and z, and the sign of each one's slope."""
    one = type(a)(1)
    wx, wy, wz, sx, sy, sz = one - a, one - b, one - c, -one, -one, -one
    if corner & 4:
        i, wx, sx = i + 1, a, one
    if corner & 2:
        j, wy, sy = j + 1, b, one
    if corner & 1:
        k, wz, sz = k + 1, c, one
    row = (i * (size + 1) + j) * (size + 1) + k if (size + 1) ** 3 <= rows else (i ^ (j * _Y) ^ (k * _Z)) & (rows - 1)
    return row, wx, wy, wz, sx, sy, sz


@cpu.inner(fastmath={"contract"})
def _blend(points, begin, end, table, sizes, starts, rows, out, slopes):
    channels = table.shape[1]
    for level in range(len(sizes)):
        size, first, to = sizes[level], starts[level], level * channels
        for n in range(begin, end):
            (i, a, steep_x), (j, b, steep_y) = _place(points[n, 0], size), _place(points[n, 1], size)
            k, c, steep_z = _place(points[n, 2], size)
            out[n, to : to + channels] = 0
            if len(slopes):
                slopes[n, to : to + channels] = 0
            for corner in range(8):
                row, wx, wy, wz, sx, sy, sz = _corner(corner, i, j, k, a, b, c, size, rows)
                for f in range(channels):
                    value = table[first + row, f]
                    out[n, to + f] += wx * wy * wz * value
                    if len(slopes):
                        slopes[n, to + f, 0] += steep_x * sx * wy * wz * value
                        slopes[n, to + f, 1] += steep_y * wx * sy * wz * value
                        slopes[n, to + f, 2] += steep_z * wx * wy * sz * value


@cpu.parallel
def _forward(points, table, sizes, starts, rows, out, slopes):
    """Slopes that are not wanted have no numbers."""
    for chunk in prange((len(points) + CHUNK - 1) // CHUNK):
        begin, end = chunk * CHUNK, min(len(points), (chunk + 1) * CHUNK)
        _blend(points, begin, end, table, sizes, starts, rows, out, slopes)


@cpu.inner(fastmath={"contract"})
def _pull_table(points, level, channels, sizes, starts, rows, grad, by_slopes, to_table):
    size, first, at = sizes[level], starts[level], level * channels
    for n in range(len(points)):
        (i, a, steep_x), (j, b, steep_y) = _place(points[n, 0], size), _place(points[n, 1], size)
        k, c, steep_z = _place(points[n, 2], size)
        for corner in range(8):
            row, wx, wy, wz, sx, sy, sz = _corner(corner, i, j, k, a, b, c, size, rows)
            for f in range(channels):
                value = wx * wy * wz * grad[n, at + f]
                if len(by_slopes):
                    value += steep_x * sx * wy * wz * by_slopes[n, at + f, 0]
                    value += steep_y * wx * sy * wz * by_slopes[n, at + f, 1]
                    value += steep_z * wx * wy * sz * by_slopes[n, at + f, 2]
                to_table[first + row, f] += value


@cpu.parallel
def _backward_table(points, channels, sizes, starts, rows, grad, by_slopes, to_table):
    for level in prange(len(sizes)):
        _pull_table(points, level, channels, sizes, starts, rows, grad, by_slopes, to_table)


@cpu.inner(fastmath={"contract"})
def _pull_points(points, begin, end, table, sizes, starts, rows, grad, to_points):
    channels = table.shape[1]
    for level in range(len(sizes)):
        size, first, at = sizes[level], starts[level], level * channels
        for n in range(begin, end):
            (i, a, steep_x), (j, b, steep_y) = _place(points[n, 0], size), _place(points[n, 1], size)
            k, c, steep_z = _place(points[n, 2], size)
            for corner in range(8):
                row, wx, wy, wz, sx, sy, sz = _corner(corner, i, j, k, a, b, c, size, rows)
                value = wx - wx
                for f in range(channels):
                    value += grad[n, at + f] * table[first + row, f]
                to_points[n, 0] += steep_x * sx * wy * wz * value
                to_points[n, 1] += steep_y * wx * sy * wz * value
                to_points[n, 2] += steep_z * wx * wy * sz * value


@cpu.parallel
def _backward_points(points, table, sizes, starts, rows, grad, to_points):
    for chunk in prange((len(points) + CHUNK - 1) // CHUNK):
        begin, end = chunk * CHUNK, min(len(points), (chunk + 1) * CHUNK)
        _pull_points(points, begin, end, table, sizes, starts, rows, grad, to_points)


def _forward_on_cpu(points: Tensor, table: Tensor, levels: Tensor, rows: int, out: Tensor, slopes: Tensor) -> None:
    sizes, starts = levels.numpy()
    _forward(points.numpy(), table.numpy(), sizes, starts, rows, out.numpy(), slopes.numpy())


def _backward_on_cpu(
    points: Tensor, table: Tensor, levels: Tensor, rows: int, grad: Tensor, by_slopes: Tensor, to_table: Tensor,
    to_points: Tensor,
) -> None:  # fmt: skip
    """Adds to `to_table` and `to_points`."""
    (sizes, starts), at, grad = levels.numpy(), points.numpy(), grad.numpy()
    if len(to_table):
        _backward_table(at, table.shape[1], sizes, starts, rows, grad, by_slopes.numpy(), to_table.numpy())
    if len(to_points):
        _backward_points(at, table.numpy(), sizes, starts, rows, grad, to_points.numpy())


# --- CUDA ---
#
# A thread is one level of one point.


@wp.func
def _place_warp(x: float, size: int):
    at = (wp.clamp(x, -1.0, 1.0) + 1.0) * (float(size) / 2.0)
    i = wp.min(int(at), size - 1)
    return i, at - float(i)


@wp.func
def _row_warp(i: int, j: int, k: int, size: int, rows: int):
    side = wp.int64(size + 1)
    if side * side * side <= wp.int64(rows):
        return (i * (size + 1) + j) * (size + 1) + k
    mixed = wp.uint32(i) ^ (wp.uint32(j) * wp.uint32(2654435761)) ^ (wp.uint32(k) * wp.uint32(805459861))
    return int(mixed & wp.uint32(rows - 1))


@wp.func
def _steep_warp(x: float, size: int):
    return wp.where(wp.abs(x) <= 1.0, float(size) / 2.0, 0.0)


@wp.func
def _ahead_warp(on: int, way: float):
    return wp.where(on == 1, way, 1.0 - way)


@wp.kernel
def _forward_warp(
    points: wp.array2d(dtype=float), table: wp.array2d(dtype=float), levels: wp.array2d(dtype=wp.int64), rows: int,
    out: wp.array2d(dtype=float), slopes: wp.array3d(dtype=float),
):  # fmt: skip
    n, level = wp.tid()
    size, first, channels = int(levels[0, level]), int(levels[1, level]), table.shape[1]
    i, a = _place_warp(points[n, 0], size)
    j, b = _place_warp(points[n, 1], size)
    k, c = _place_warp(points[n, 2], size)
    steep = wp.vec3(_steep_warp(points[n, 0], size), _steep_warp(points[n, 1], size), _steep_warp(points[n, 2], size))
    for f in range(channels):
        value, slope = wp.float32(0.0), wp.vec3()
        for corner in range(8):
            di, dj, dk = corner / 4, (corner / 2) % 2, corner % 2
            wx, wy, wz = _ahead_warp(di, a), _ahead_warp(dj, b), _ahead_warp(dk, c)
            sx, sy, sz = float(2 * di - 1), float(2 * dj - 1), float(2 * dk - 1)
            number = table[first + _row_warp(i + di, j + dj, k + dk, size, rows), f]
            value += wx * wy * wz * number
            slope += number * wp.vec3(sx * wy * wz, wx * sy * wz, wx * wy * sz)
        out[n, level * channels + f] = value
        if slopes.shape[0] > 0:
            for axis in range(3):
                slopes[n, level * channels + f, axis] = steep[axis] * slope[axis]


@wp.kernel
def _backward_warp(
    points: wp.array2d(dtype=float), table: wp.array2d(dtype=float), levels: wp.array2d(dtype=wp.int64), rows: int,
    grad: wp.array2d(dtype=float), by_slopes: wp.array3d(dtype=float), to_table: wp.array2d(dtype=float),
    to_points: wp.array2d(dtype=float),
):  # fmt: skip
    n, level = wp.tid()
    size, first, channels = int(levels[0, level]), int(levels[1, level]), table.shape[1]
    i, a = _place_warp(points[n, 0], size)
    j, b = _place_warp(points[n, 1], size)
    k, c = _place_warp(points[n, 2], size)
    steep = wp.vec3(_steep_warp(points[n, 0], size), _steep_warp(points[n, 1], size), _steep_warp(points[n, 2], size))
    whole = wp.vec3()
    for corner in range(8):
        di, dj, dk = corner / 4, (corner / 2) % 2, corner % 2
        wx, wy, wz = _ahead_warp(di, a), _ahead_warp(dj, b), _ahead_warp(dk, c)
        sx, sy, sz = float(2 * di - 1), float(2 * dj - 1), float(2 * dk - 1)
        slope = wp.cw_mul(steep, wp.vec3(sx * wy * wz, wx * sy * wz, wx * wy * sz))
        row = first + _row_warp(i + di, j + dj, k + dk, size, rows)
        for f in range(channels):
            at = level * channels + f
            if to_table.shape[0] > 0:
                number = wx * wy * wz * grad[n, at]
                if by_slopes.shape[0] > 0:
                    number += wp.dot(slope, wp.vec3(by_slopes[n, at, 0], by_slopes[n, at, 1], by_slopes[n, at, 2]))
                wp.atomic_add(to_table, row, f, number)
            if to_points.shape[0] > 0:
                whole += grad[n, at] * table[row, f] * slope
    if to_points.shape[0] > 0:
        for axis in range(3):
            wp.atomic_add(to_points, n, axis, whole[axis])


def _forward_on_cuda(points: Tensor, table: Tensor, levels: Tensor, rows: int, out: Tensor, slopes: Tensor) -> None:
    cuda.launch(_forward_warp, (len(points), levels.shape[1]), points, table, levels, rows, out, slopes)


def _backward_on_cuda(
    points: Tensor, table: Tensor, levels: Tensor, rows: int, grad: Tensor, by_slopes: Tensor, to_table: Tensor,
    to_points: Tensor,
) -> None:  # fmt: skip
    """Adds to `to_table` and `to_points`."""
    threads = len(points), levels.shape[1]
    cuda.launch(_backward_warp, threads, points, table, levels, rows, grad, by_slopes, to_table, to_points)


# --- the function ---


class _HashEncode(torch.autograd.Function):
    @staticmethod
    def forward(ctx, points: Tensor, table: Tensor, levels: Tensor, rows: int, sloping: bool) -> tuple[Tensor, Tensor]:
        ctx.warp, ctx.rows, ctx.sloping = cuda.usable(points), rows, sloping
        ctx.save_for_backward(points, table, levels)
        out = points.new_empty(len(points), levels.shape[1] * table.shape[1])
        slopes = points.new_empty(len(points) if sloping else 0, out.shape[1], 3)
        (_forward_on_cuda if ctx.warp else _forward_on_cpu)(points, table, levels, rows, out, slopes)
        return out, slopes

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor, by_slopes: Tensor) -> tuple[Tensor | None, ...]:
        points, table, levels = ctx.saved_tensors
        points_wanted, table_wanted = ctx.needs_input_grad[:2]
        to_points = torch.zeros_like(points if points_wanted else points[:0])
        to_table = torch.zeros_like(table if table_wanted else table[:0])
        pull = _backward_on_cuda if ctx.warp else _backward_on_cpu
        pull(points, table, levels, ctx.rows, grad.contiguous(), by_slopes.contiguous(), to_table, to_points)
        return to_points if points_wanted else None, to_table if table_wanted else None, None, None, None


@cuda.carried
def hash_encode(
    points: Tensor, table: Tensor, sizes: Sequence[int], rows: int, slopes: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """points (N, 3) x, y, z in [-1, 1] and table (sum of `table_rows`, F) -> (N, L F), level after level.

    With slopes the second that comes back is (N, L F, 3), how each feature changes with x, y and z: between the walls
    of a cell, and 0 along an axis on which the point is outside.
    float32, or float64 on the CPU. Differentiable once, by the table, and by points where no slopes are asked for. On
    the CPU the gradients are the same with any number of threads.

    NaN and infinity in the table come out as such where they are read. Raises ValueError for points that are none, a
    shape, type or device that does not fit, rows that are no power of two, and points that want a gradient of slopes.
    """
    if rows < 1 or rows & (rows - 1):
        raise ValueError(f"the rows of a hash table must be a power of two, not {rows}")
    if not sizes or min(sizes) < 1:
        raise ValueError(f"each level must have a cell along a side, and a level there must be, not {list(sizes)}")
    lengths = table_rows(sizes, rows)
    door.shaped("points", points, None, 3)
    door.shaped("table", table, sum(lengths), None)
    door.alike(points=points, table=table)
    door.finite(points=points)  # not the table, of which a hundredth is read
    if slopes and points.requires_grad and torch.is_grad_enabled():
        raise ValueError("slopes have no gradient by points: detach the points")
    levels = torch.from_numpy(np.array([sizes, np.cumsum([0, *lengths[:-1]])], np.int64)).to(points.device)
    out, found = _HashEncode.apply(points.contiguous(), table.contiguous(), levels, int(rows), slopes)
    return (out, found) if slopes else out
