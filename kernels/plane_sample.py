"""Features of points in space and time from planes: a HexPlane.

Four dimensions have six pairs of axes, and each pair a plane of features. A point x, y, z, t in [-1, 1] reads each
plane at its two coordinates, bilinearly; the planes of one level are multiplied or added up, and the levels, of
different resolutions, stand side by side:
    out_l = product over planes P of level l of   (1-a)(1-b) P[i,j] + (1-a)b P[i,j+1] + a(1-b) P[i+1,j] + ab P[i+1,j+1]
with i + a = (u + 1)/2 (R_u - 1) for the plane's first letter u, and j + b likewise for its second. So -1 is the first
sample and 1 the last. Cao and Johnson, "HexPlane", and Fridovich-Keil et al., "K-Planes", both CVPR 2023. With a sum,
planes of time that are zero leave the static field alone, as MAV3D wants it (Singer et al., ICML 2023).
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numba
import numpy as np
import torch
import warp as wp
from numba import prange
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels import cpu, cuda, door
from kernels.lanes import WIDTH, load, prefetch, spread, store, total

AXES = {"xy": (0, 1), "xz": (0, 2), "yz": (1, 2), "xt": (0, 3), "yt": (1, 3), "zt": (2, 3)}


def plane_sample_reference(points: Tensor, levels: Sequence[Mapping[str, Tensor]], fuse: str) -> Tensor:
    """The definition of `plane_sample`, in any precision."""
    fused = {"sum": torch.sum, "product": torch.prod}[fuse]
    return torch.cat(
        [
            fused(torch.stack([_bilinear(plane, *points[:, AXES[name]].T) for name, plane in planes.items()]), dim=0)
            for planes in levels
        ],
        dim=1,
    )


def _bilinear(plane: Tensor, u: Tensor, v: Tensor) -> Tensor:
    (i, next_i, a), (j, next_j, b) = _cell(u, plane.shape[0]), _cell(v, plane.shape[1])
    near = (1 - b) * plane[i, j] + b * plane[i, next_j]
    far = (1 - b) * plane[next_i, j] + b * plane[next_i, next_j]
    return (1 - a) * near + a * far


def _cell(u: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """The two samples that a coordinate lies between, and how far it is from the first to the second."""
    at = (u.clamp(-1, 1) + 1) / 2 * (size - 1)
    i = at.detach().long().clamp(max=max(size - 2, 0))
    return i, (i + 1).clamp(max=size - 1), (at - i)[:, None]


# The planes of a level lie in one array, `texels` (samples of all planes, channels), and `table` says of each plane:
FIRST, SIZE_U, SIZE_V, AXIS_U, AXIS_V, WANTED = range(6)  # its first sample, its sides, their axes, gradient or not


# CPU. The channels are taken in blocks of WIDTH. Backward, a block is one thread's own: no two add to one number.

CHUNK = 128  # points whose cells are found before any is blended, so that their memory is on its way by then
AHEAD = 4  # points between asking for samples and blending them
MOST_COPIES = 2**28  # bytes, in which more threads than blocks may have gradients of their own


@numba.njit(cache=True, inline="always")
def _corner(x, size):
    """As `_cell`: the first sample, and the way to the second."""
    at = (min(max(x, -1.0), 1.0) + 1.0) / 2.0 * (size - 1.0)
    i = min(int(at), max(size - 2, 0))
    return i, at - i


@numba.njit(cache=True, nogil=True)
def _find_cells(points, table, order, begin, end, channels, corners, fractions):
    for k in range(begin, end):
        for p in range(len(table)):
            i, a = _corner(points[order[k], table[p, AXIS_U]], table[p, SIZE_U])
            j, b = _corner(points[order[k], table[p, AXIS_V]], table[p, SIZE_V])
            corners[k - begin, p] = (table[p, FIRST] + i * table[p, SIZE_V] + j) * channels
            fractions[k - begin, p, 0], fractions[k - begin, p, 1] = a, b


@numba.njit(cache=True)
def _steps(table, channels):
    """Numbers from a sample to the next along u and along v; from a side's only one to itself, not past the end."""
    steps = np.zeros((len(table), 2), np.int64)
    for p in range(len(table)):
        steps[p, 0] = channels * table[p, SIZE_V] if table[p, SIZE_U] > 1 else 0
        steps[p, 1] = channels if table[p, SIZE_V] > 1 else 0
    return steps


@cpu.parallel
def _forward_numba(points, order, table, texels, channels, multiply, out, stride, column):
    count, planes, flat = len(points), len(table), points.reshape(-1)
    steps = _steps(table, channels)
    nothing = spread(texels.dtype.type(1 if multiply else 0))
    for chunk in prange((count + CHUNK - 1) // CHUNK):
        begin, end = chunk * CHUNK, min(count, (chunk + 1) * CHUNK)
        corners = np.empty((CHUNK, planes), np.int64)
        fractions = np.empty((CHUNK, planes, 2), texels.dtype)
        for k in range(begin, end):
            prefetch(flat, 4 * order[k])
            for c in range(0, channels, WIDTH):
                prefetch(out, order[k] * stride + column + c)
        _find_cells(points, table, order, begin, end, channels, corners, fractions)
        for k in range(end - begin):
            for p in range(planes if k + AHEAD < end - begin else 0):
                at = corners[k + AHEAD, p]
                for c in range(0, channels, WIDTH):
                    prefetch(texels, at + c)
                    prefetch(texels, at + c + steps[p, 1])
                    prefetch(texels, at + c + steps[p, 0])
                    prefetch(texels, at + c + steps[p, 0] + steps[p, 1])
            for c in range(0, channels, WIDTH):
                fused = nothing
                for p in range(planes):
                    at, next_u, next_v = corners[k, p] + c, steps[p, 0], steps[p, 1]
                    a, b = spread(fractions[k, p, 0]), spread(fractions[k, p, 1])
                    t00, t01 = load(texels, at), load(texels, at + next_v)
                    t10, t11 = load(texels, at + next_u), load(texels, at + next_u + next_v)
                    near, far = t00 + b * (t01 - t00), t10 + b * (t11 - t10)
                    value = near + a * (far - near)
                    fused = fused * value if multiply else fused + value
                store(out, order[begin + k] * stride + column + c, fused)


@cpu.parallel
def _backward_numba(
    points, order, table, texels, channels, multiply, out_gradient, stride, column,
    shares, to_texels, to_points, texels_gradient, points_gradient,
):  # fmt: skip
    """texels_gradient (shares, ...) is added to, points_gradient (blocks, points, 4) is set: both are to be summed."""
    count, planes, flat = len(points), len(table), points.reshape(-1)
    steps = _steps(table, channels)
    one, zero = spread(texels.dtype.type(1)), spread(texels.dtype.type(0))
    blocks, share_size = channels // WIDTH, (count + shares - 1) // shares
    for task in prange(blocks * shares):
        block, share = task // shares, task % shares
        c, mine = block * WIDTH, share * len(texels)
        corners = np.empty((CHUNK, planes), np.int64)
        fractions = np.empty((CHUNK, planes, 2), texels.dtype)
        values, before, along_u, along_v = np.empty((4, planes * WIDTH), texels.dtype)
        slopes = np.empty(4 * WIDTH, texels.dtype)
        for begin in range(share * share_size, min(count, (share + 1) * share_size), CHUNK):
            end = min(begin + CHUNK, count, (share + 1) * share_size)
            for k in range(begin, end):
                prefetch(flat, 4 * order[k])
                prefetch(out_gradient, order[k] * stride + column + c)
                prefetch(points_gradient, 4 * (block * count + order[k]))
            _find_cells(points, table, order, begin, end, channels, corners, fractions)
            for k in range(end - begin):
                point = order[begin + k]
                for p in range(planes if k + AHEAD < end - begin else 0):
                    at = corners[k + AHEAD, p] + c
                    for corner in (at, at + steps[p, 1], at + steps[p, 0], at + steps[p, 0] + steps[p, 1]):
                        prefetch(texels, corner)
                        if to_texels:
                            prefetch(texels_gradient, mine + corner)
                fused = one
                for p in range(planes):
                    at, next_u, next_v = corners[k, p] + c, steps[p, 0], steps[p, 1]
                    a, b = spread(fractions[k, p, 0]), spread(fractions[k, p, 1])
                    t00, t01 = load(texels, at), load(texels, at + next_v)
                    t10, t11 = load(texels, at + next_u), load(texels, at + next_u + next_v)
                    near, far = t00 + b * (t01 - t00), t10 + b * (t11 - t10)
                    value = near + a * (far - near)
                    store(along_u, p * WIDTH, far - near)
                    store(along_v, p * WIDTH, (t01 - t00) + a * ((t11 - t10) - (t01 - t00)))
                    store(values, p * WIDTH, value)
                    store(before, p * WIDTH, fused)
                    fused = fused * value
                for axis in range(4):
                    store(slopes, axis * WIDTH, zero)
                # of a product, this holds the gradient times the values of the planes behind p
                gradient = load(out_gradient, point * stride + column + c)
                for q in range(planes):
                    p = planes - 1 - q
                    value_gradient = gradient
                    if multiply:
                        value_gradient = gradient * load(before, p * WIDTH)
                        gradient = gradient * load(values, p * WIDTH)
                    if to_points:
                        u, v = table[p, AXIS_U] * WIDTH, table[p, AXIS_V] * WIDTH
                        scale_u = spread(texels.dtype.type((table[p, SIZE_U] - 1) / 2))
                        scale_v = spread(texels.dtype.type((table[p, SIZE_V] - 1) / 2))
                        store(slopes, u, load(slopes, u) + scale_u * value_gradient * load(along_u, p * WIDTH))
                        store(slopes, v, load(slopes, v) + scale_v * value_gradient * load(along_v, p * WIDTH))
                    if table[p, WANTED]:
                        at, next_u, next_v = mine + corners[k, p] + c, steps[p, 0], steps[p, 1]
                        a, b = spread(fractions[k, p, 0]), spread(fractions[k, p, 1])
                        far = a * value_gradient
                        near = value_gradient - far
                        _add(texels_gradient, at, near - b * near)
                        _add(texels_gradient, at + next_v, b * near)
                        _add(texels_gradient, at + next_u, far - b * far)
                        _add(texels_gradient, at + next_u + next_v, b * far)
                if to_points:
                    for axis in range(4):
                        inside = -1 <= points[point, axis] <= 1
                        slope = total(load(slopes, axis * WIDTH))
                        points_gradient[4 * (block * count + point) + axis] = slope if inside else 0


@numba.njit(cache=True, inline="always")
def _add(array, at, lanes):
    store(array, at, load(array, at) + lanes)


# CUDA. A thread is one channel of one point: the threads of a warp read neighbouring channels of the same samples.

Six = wp.types.vector(length=6, dtype=float)  # a number for each plane


@wp.func
def _placed(x: float, size: int) -> float:
    return (wp.clamp(x, -1.0, 1.0) + 1.0) / 2.0 * float(size - 1)


@wp.func
def _row(points: wp.array2d(dtype=float), point: int, table: wp.array2d(dtype=int), p: int):
    """Rows of `texels` of the samples 00, 01, 10, 11, and where the point lies between them."""
    size_u, size_v = table[p, SIZE_U], table[p, SIZE_V]
    u = _placed(points[point, table[p, AXIS_U]], size_u)
    v = _placed(points[point, table[p, AXIS_V]], size_v)
    i, j = wp.min(int(u), wp.max(size_u - 2, 0)), wp.min(int(v), wp.max(size_v - 2, 0))
    near = table[p, FIRST] + i * size_v
    far = table[p, FIRST] + wp.min(i + 1, size_u - 1) * size_v
    next_j = wp.min(j + 1, size_v - 1)
    return wp.vec4i(near + j, near + next_j, far + j, far + next_j), u - float(i), v - float(j)


@wp.kernel(enable_backward=False)
def _forward_warp(
    points: wp.array2d(dtype=float),
    order: wp.array(dtype=wp.int64),
    table: wp.array2d(dtype=int),
    texels: wp.array2d(dtype=float),
    multiply: bool,
    out: wp.array2d(dtype=float),
    column: int,
):
    turn, c = wp.tid()
    point = int(order[turn])
    fused = wp.float32(0.0)
    if multiply:
        fused = 1.0
    for p in range(table.shape[0]):
        at, a, b = _row(points, point, table, p)
        near = wp.lerp(texels[at[0], c], texels[at[1], c], b)
        far = wp.lerp(texels[at[2], c], texels[at[3], c], b)
        value = wp.lerp(near, far, a)
        if multiply:
            fused = fused * value
        else:
            fused = fused + value
    out[point, column + c] = fused


@wp.kernel(enable_backward=False)
def _backward_warp(
    points: wp.array2d(dtype=float),
    order: wp.array(dtype=wp.int64),
    table: wp.array2d(dtype=int),
    texels: wp.array2d(dtype=float),
    multiply: bool,
    out_gradient: wp.array2d(dtype=float),
    column: int,
    to_points: bool,
    texels_gradient: wp.array2d(dtype=float),
    points_gradient: wp.array2d(dtype=float),
):
    turn, c = wp.tid()
    point = int(order[turn])
    planes = table.shape[0]
    values, before = Six(), Six()
    along_u, along_v = Six(), Six()
    fused = wp.float32(1.0)
    for p in range(planes):
        at, a, b = _row(points, point, table, p)
        t00, t01, t10, t11 = texels[at[0], c], texels[at[1], c], texels[at[2], c], texels[at[3], c]
        near, far = wp.lerp(t00, t01, b), wp.lerp(t10, t11, b)
        along_u[p] = far - near
        along_v[p] = wp.lerp(t01 - t00, t11 - t10, a)
        values[p] = wp.lerp(near, far, a)
        before[p] = fused
        fused = fused * values[p]
    slopes = wp.vec4(0.0)
    gradient = out_gradient[point, column + c]
    for q in range(planes):
        p = planes - 1 - q
        value_gradient = gradient
        if multiply:
            value_gradient = gradient * before[p]
            gradient = gradient * values[p]
        if to_points:
            slopes[table[p, AXIS_U]] += float(table[p, SIZE_U] - 1) / 2.0 * value_gradient * along_u[p]
            slopes[table[p, AXIS_V]] += float(table[p, SIZE_V] - 1) / 2.0 * value_gradient * along_v[p]
        if table[p, WANTED] != 0:
            at, a, b = _row(points, point, table, p)
            wp.atomic_add(texels_gradient, at[0], c, (1.0 - a) * (1.0 - b) * value_gradient)
            wp.atomic_add(texels_gradient, at[1], c, (1.0 - a) * b * value_gradient)
            wp.atomic_add(texels_gradient, at[2], c, a * (1.0 - b) * value_gradient)
            wp.atomic_add(texels_gradient, at[3], c, a * b * value_gradient)
    if to_points:
        for axis in range(4):
            if points[point, axis] >= -1.0 and points[point, axis] <= 1.0:
                wp.atomic_add(points_gradient, point, axis, slopes[axis])


# From planes to the arrays of the kernels, and back.


class _PlaneSample(torch.autograd.Function):
    @staticmethod
    def forward(ctx, points, order, names, multiply, *planes):
        """names: of the planes of each level. planes: of all levels, one after the other."""
        warp = cuda.usable(points)
        features = planes[0].shape[2]
        # the CPU's blocks are whole: channels that fill the last one are zero, and cut off at the end
        channels = features if warp else -(-features // WIDTH) * WIDTH
        out = _allocate((len(points), len(names) * channels), points)
        ctx.levels, start = [], 0
        for level, letters in enumerate(names):
            group = planes[start : start + len(letters)]
            wanted = ctx.needs_input_grad[4 + start : 4 + start + len(letters)]
            table, texels = _lay_out(group, letters, wanted, channels)
            if warp:
                arguments = (points, order, table, texels, multiply, out, level * channels)
                cuda.launch(_forward_warp, (len(points), channels), *arguments)
            else:
                _forward_numba(
                    points.numpy(), order.numpy(), table.numpy(), texels.numpy().reshape(-1), channels,
                    multiply, out.numpy().reshape(-1), out.shape[1], level * channels,
                )  # fmt: skip
            ctx.levels.append((table, texels, [plane.shape for plane in group]))
            start += len(letters)
        ctx.save_for_backward(points, order)
        ctx.warp, ctx.multiply, ctx.features, ctx.channels = warp, multiply, features, channels
        return out if channels == features else out.view(len(points), len(names), channels)[..., :features].flatten(1)

    @staticmethod
    @once_differentiable
    def backward(ctx, out_gradient):
        points, order = ctx.saved_tensors
        channels, features = ctx.channels, ctx.features
        if channels != features:
            missing = (0, channels - features)
            out_gradient = torch.nn.functional.pad(
                out_gradient.unflatten(1, (len(ctx.levels), features)), missing
            ).flatten(1)
        out_gradient, to_points = out_gradient.contiguous(), ctx.needs_input_grad[0]
        points_gradient = torch.zeros_like(points) if to_points else None
        planes_gradients = []
        for level, (table, texels, shapes) in enumerate(ctx.levels):
            run = _backward_on_warp if ctx.warp else _backward_on_cpu
            texels_gradient, share = run(
                points, order, table, texels, ctx.multiply, out_gradient, level * channels, to_points
            )
            if to_points:
                points_gradient += share
            first = 0
            for shape, row in zip(shapes, table.tolist(), strict=True):
                rows = texels_gradient[first : first + shape[0] * shape[1], :features]
                planes_gradients.append(rows.view(shape) if row[WANTED] else None)
                first += shape[0] * shape[1]
        return points_gradient, None, None, None, *planes_gradients


def _backward_on_cpu(points, order, table, texels, multiply, out_gradient, column, to_points):
    (samples, channels), to_texels = texels.shape, bool(table[:, WANTED].any())
    blocks = channels // WIDTH
    shares = -(-numba.get_num_threads() // blocks)
    if to_texels:
        shares = max(1, min(shares, MOST_COPIES // texels.nbytes))
    texels_gradient = _allocate((shares, samples if to_texels else 0, channels), points).zero_()
    points_gradient = points.new_empty(blocks, *points.shape)
    _backward_numba(
        points.numpy(), order.numpy(), table.numpy(), texels.numpy().reshape(-1), channels, multiply,
        out_gradient.numpy().reshape(-1), out_gradient.shape[1], column,
        shares, to_texels, to_points, texels_gradient.numpy().reshape(-1), points_gradient.numpy().reshape(-1),
    )  # fmt: skip
    return texels_gradient[0] if shares == 1 else texels_gradient.sum(dim=0), points_gradient.sum(dim=0)


def _backward_on_warp(points, order, table, texels, multiply, out_gradient, column, to_points):
    texels_gradient, points_gradient = torch.zeros_like(texels), torch.zeros_like(points)
    cuda.launch(
        _backward_warp, (len(points), texels.shape[1]),
        points, order, table, texels, multiply, out_gradient, column, to_points, texels_gradient, points_gradient,
    )  # fmt: skip
    return texels_gradient, points_gradient


def _lay_out(
    planes: Sequence[Tensor], letters: Sequence[str], wanted: Sequence[bool], channels: int
) -> tuple[Tensor, Tensor]:
    """The table of a level and its texels (samples, channels); the texels are a copy."""
    rows, first = [], 0
    for plane, name, want in zip(planes, letters, wanted, strict=True):
        rows.append([first, *plane.shape[:2], *AXES[name], want])
        first += plane.shape[0] * plane.shape[1]
    texels, features = _allocate((first, channels), planes[0]), planes[0].shape[2]
    texels[:, features:] = 0
    for plane, row in zip(planes, rows, strict=True):
        texels[row[FIRST] : row[FIRST] + row[SIZE_U] * row[SIZE_V], :features].view(plane.shape).copy_(plane.detach())
    return torch.tensor(rows, dtype=torch.int32, device=texels.device), texels


def _allocate(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """An empty tensor. On the CPU numpy's, because it asks for large pages, and these are visited all over."""
    if like.is_cuda:
        return like.new_empty(shape)
    return torch.from_numpy(np.empty(shape, {torch.float32: np.float32, torch.float64: np.float64}[like.dtype]))


# The order of the points.

BITS = 6  # of each coordinate: 64 places along an axis, many more cells than a batch has points
SORT_FROM = 2**25  # bytes of planes: no longer in a CPU's caches, so that sorting is sooner done than waiting for them


def morton_order_reference(points: Tensor) -> Tensor:
    """The definition of `morton_order`."""
    places = ((points.detach().clamp(-1, 1) + 1) * (2 ** (BITS - 1))).long().clamp(max=2**BITS - 1)
    key = torch.zeros_like(places[:, 0])
    for bit in range(BITS):
        for axis in range(4):
            key |= (places[:, axis] >> bit & 1) << (4 * bit + axis)
    return key.argsort(stable=True)


@numba.njit(cache=True, nogil=True)
def _morton_order_numba(points):
    """Radix sort of the keys, half of their bits at a time."""
    apart = np.zeros(2**BITS, np.int32)  # the bits of a place, with three between each two
    for place in range(2**BITS):
        for bit in range(BITS):
            apart[place] |= (place >> bit & 1) << 4 * bit
    half = 2 * BITS
    keys, starts = np.empty(len(points), np.int32), np.zeros((2, 2**half + 1), np.int64)
    for n in range(len(points)):
        key = 0
        for axis in range(4):
            place = int((min(max(points[n, axis], -1), 1) + 1) * (2 ** (BITS - 1)))
            key |= apart[min(place, 2**BITS - 1)] << axis
        keys[n] = key
        starts[0, (key & (2**half - 1)) + 1] += 1
        starts[1, (key >> half) + 1] += 1
    for digit in range(2**half):
        starts[0, digit + 1] += starts[0, digit]
        starts[1, digit + 1] += starts[1, digit]
    by_low, order = np.empty(len(points), np.int32), np.empty(len(points), np.int64)
    for n in range(len(points)):
        digit = keys[n] & (2**half - 1)
        by_low[starts[0, digit]] = n
        starts[0, digit] += 1
    for n in by_low:
        digit = keys[n] >> half
        order[starts[1, digit]] = n
        starts[1, digit] += 1
    return order


# What the other rooms call.


@cuda.carried
def morton_order(points: Tensor) -> Tensor:
    """(N,) int64: the order in which points (N, 4) in [-1, 1] lie along a Morton curve; of one place, as they came.

    Raises:
        ValueError: another shape or type, NaN or infinity.
    """
    door.shaped("points", points, None, 4)
    door.alike(points=points)
    door.finite(points=points)
    if points.device.type == "cpu":
        return torch.from_numpy(_morton_order_numba(points.detach().numpy()))
    return morton_order_reference(points)


@cuda.carried
def plane_sample(
    points: Tensor,
    levels: Sequence[Mapping[str, Tensor]],
    fuse: Literal["sum", "product"],
    order: Tensor | None = None,
) -> Tensor:
    """Features (N, L F) of points (N, 4), x, y, z, t in [-1, 1], from L levels of planes; once differentiable in both.

    Each level maps some of "xy", "xz", "yz", "xt", "yt", "zt" to a plane (samples along the first letter, samples along
    the second, F): `planes["xt"][i, j]` is the i-th x and the j-th t. Sizes may differ, F not. -1 is the first sample
    and 1 the last; what lies outside reads the border, and is flat along that coordinate. One sample is a constant.

    Points are visited in `order` (`morton_order(points)`, or another permutation); the result does not depend on it.
    Without one, large planes on a CPU are sampled along the Morton curve, so give it where several calls share points.

    On the CPU, gradients of the planes are the same with any number of threads up to F / 16, and beyond that differ
    by rounding; up to 256 MiB are then taken for the additional threads. A copy of the planes is kept for backward.

    Raises:
        ValueError: a plane's name, or a shape, type or device that does not fit; NaN or infinity.
    """
    if fuse not in ("sum", "product"):
        raise ValueError(f'fuse must be "sum" or "product", not {fuse!r}')
    door.shaped("points", points, None, 4)
    _check_levels(levels)
    named = {f"levels[{n}][{name!r}]": plane for n, planes in enumerate(levels) for name, plane in planes.items()}
    door.alike(points=points, **named)
    door.finite(points=points, **named)
    if order is not None:
        door.shaped("order", order, len(points))
        door.indices("order", order, 0, len(points))
    elif points.device.type == "cpu" and sum(plane.nbytes for plane in named.values()) >= SORT_FROM:
        order = morton_order(points)
    else:
        order = torch.arange(len(points), device=points.device)
    # in one sequence of names, so that the result does not hang on how a mapping was filled
    names = [[name for name in AXES if name in planes] for planes in levels]
    planes = [level[name] for level, letters in zip(levels, names, strict=True) for name in letters]
    return _PlaneSample.apply(
        points.contiguous(), order.to(points.device, torch.int64).contiguous(), names, fuse == "product", *planes
    )


def _check_levels(levels: Sequence[Mapping[str, Tensor]]) -> None:
    if not levels or not all(levels):
        raise ValueError("levels must hold at least one level, and each level at least one plane")
    features = next(iter(levels[0].values())).shape[-1]
    for n, planes in enumerate(levels):
        for name, plane in planes.items():
            if name not in AXES:
                raise ValueError(f"levels[{n}] names a plane {name!r}: the planes are {', '.join(AXES)}")
            door.shaped(f"levels[{n}][{name!r}]", plane, None, None, features)
            if plane.numel() == 0:
                raise ValueError(f"levels[{n}][{name!r}] must have a sample and a feature, not {tuple(plane.shape)}")
