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
from typing import Literal, NamedTuple

import numba
import numpy as np
import torch
import warp as wp
from numba import prange
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels import cpu, cuda, door
from kernels.lanes import WIDTH, load, prefetch, spread, store, total
from kernels.morton import morton_order

wp.set_module_options({"enable_backward": False})

AXES = {"xy": (0, 1), "xz": (0, 2), "yz": (1, 2), "xt": (0, 3), "yt": (1, 3), "zt": (2, 3)}

SORT_FROM = 2**25  # bytes of planes: no longer in a CPU's caches, so that sorting is sooner done than waiting for them


# --- the definition ---


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


# --- CPU ---
#
# The channels are taken in blocks of WIDTH. Backward, a block is one thread's own: no two add to one number.

FIRST, SIZE_U, SIZE_V, AXIS_U, AXIS_V, WANTED = range(6)  # the columns of a table
CHUNK = 128  # points whose cells are found before any is blended, so that their memory is on its way by then
AHEAD = 4  # points between asking for samples and blending them
MOST_COPIES = 2**28  # bytes, in which more threads than blocks may have gradients of their own


class Level(NamedTuple):
    """The planes of a level as the kernels have them: tensors here, and arrays in the kernels of the CPU."""

    table: Tensor  # (planes, 6) int32: each plane's first row in texels, its sides, their axes, its gradient wanted?
    texels: Tensor  # (samples of all planes, channels): a copy
    multiply: bool


@cpu.inner(inline="always")
def _place(x, size):
    """As `_cell`: the first sample, and the way to the second."""
    at = (min(max(x, -1.0), 1.0) + 1.0) / 2.0 * (size - 1.0)
    i = min(int(at), max(size - 2, 0))
    return i, at - i


@cpu.inner
def _find_cells(points, table, order, begin, end, channels, corners, fractions):
    for k in range(begin, end):
        for p in range(len(table)):
            i, a = _place(points[order[k], table[p, AXIS_U]], table[p, SIZE_U])
            j, b = _place(points[order[k], table[p, AXIS_V]], table[p, SIZE_V])
            corners[k - begin, p] = (table[p, FIRST] + i * table[p, SIZE_V] + j) * channels
            fractions[k - begin, p, 0], fractions[k - begin, p, 1] = a, b


@cpu.inner
def _steps(table, channels):
    """Numbers from a sample to the next along u and along v; from a side's only one to itself, not past the end."""
    steps = np.zeros((len(table), 2), np.int64)
    for p in range(len(table)):
        steps[p, 0] = channels * table[p, SIZE_V] if table[p, SIZE_U] > 1 else 0
        steps[p, 1] = channels if table[p, SIZE_V] > 1 else 0
    return steps


@cpu.inner(inline="always")
def _blend(texels, at, step, fraction):
    """The value, and how it changes along u and v from one sample to the next."""
    next_u, next_v = step[0], step[1]
    a, b = spread(fraction[0]), spread(fraction[1])
    t00, t01 = load(texels, at), load(texels, at + next_v)
    t10, t11 = load(texels, at + next_u), load(texels, at + next_u + next_v)
    near, far = t00 + b * (t01 - t00), t10 + b * (t11 - t10)
    return near + a * (far - near), far - near, (t01 - t00) + a * ((t11 - t10) - (t01 - t00))


@cpu.parallel
def _forward(points, order, level, out):
    table, texels, multiply = level
    count, planes, channels, stride = len(points), len(table), texels.shape[1], out.strides[0] // out.itemsize
    steps = _steps(table, channels)
    nothing = spread(texels.dtype.type(1 if multiply else 0))
    for chunk in prange((count + CHUNK - 1) // CHUNK):
        begin, end = chunk * CHUNK, min(count, (chunk + 1) * CHUNK)
        corners = np.empty((CHUNK, planes), np.int64)
        fractions = np.empty((CHUNK, planes, 2), texels.dtype)
        for k in range(begin, end):
            prefetch(points, 4 * order[k])
            for c in range(0, channels, WIDTH):
                prefetch(out, order[k] * stride + c)
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
                    value, _, _ = _blend(texels, corners[k, p] + c, steps[p], fractions[k, p])
                    fused = fused * value if multiply else fused + value
                store(out, order[begin + k] * stride + c, fused)


@cpu.parallel
def _backward(points, order, level, grad, to_texels, to_points):
    """to_texels (shares, ...) is added to, to_points (blocks, points, 4) is set: both are to be summed."""
    table, texels, multiply = level
    count, planes, channels, stride = len(points), len(table), texels.shape[1], grad.strides[0] // grad.itemsize
    steps = _steps(table, channels)
    one, zero = spread(texels.dtype.type(1)), spread(texels.dtype.type(0))
    texels_wanted, points_wanted = to_texels.size > 0, to_points.size > 0
    blocks, shares = channels // WIDTH, len(to_texels)
    share_size = (count + shares - 1) // shares
    for task in prange(blocks * shares):
        block, share = task // shares, task % shares
        c, mine = block * WIDTH, share * texels.size
        corners = np.empty((CHUNK, planes), np.int64)
        fractions = np.empty((CHUNK, planes, 2), texels.dtype)
        values, before, along_u, along_v = np.empty((4, planes * WIDTH), texels.dtype)
        slopes = np.empty(4 * WIDTH, texels.dtype)
        for begin in range(share * share_size, min(count, (share + 1) * share_size), CHUNK):
            end = min(begin + CHUNK, count, (share + 1) * share_size)
            for k in range(begin, end):
                prefetch(points, 4 * order[k])
                prefetch(grad, order[k] * stride + c)
                if points_wanted:
                    prefetch(to_points, 4 * (block * count + order[k]))
            _find_cells(points, table, order, begin, end, channels, corners, fractions)
            for k in range(end - begin):
                point = order[begin + k]
                for p in range(planes if k + AHEAD < end - begin else 0):
                    at = corners[k + AHEAD, p] + c
                    for corner in (at, at + steps[p, 1], at + steps[p, 0], at + steps[p, 0] + steps[p, 1]):
                        prefetch(texels, corner)
                        if texels_wanted:
                            prefetch(to_texels, mine + corner)
                fused = one
                for p in range(planes):
                    value, by_u, by_v = _blend(texels, corners[k, p] + c, steps[p], fractions[k, p])
                    store(along_u, p * WIDTH, by_u)
                    store(along_v, p * WIDTH, by_v)
                    store(values, p * WIDTH, value)
                    store(before, p * WIDTH, fused)
                    fused = fused * value
                for axis in range(4):
                    store(slopes, axis * WIDTH, zero)
                # of a product, this holds the gradient times the values of the planes behind p
                behind = load(grad, point * stride + c)
                for q in range(planes):
                    p = planes - 1 - q
                    to_value = behind
                    if multiply:
                        to_value = behind * load(before, p * WIDTH)
                        behind = behind * load(values, p * WIDTH)
                    if points_wanted:
                        u, v = table[p, AXIS_U] * WIDTH, table[p, AXIS_V] * WIDTH
                        scale_u = spread(texels.dtype.type((table[p, SIZE_U] - 1) / 2))
                        scale_v = spread(texels.dtype.type((table[p, SIZE_V] - 1) / 2))
                        store(slopes, u, load(slopes, u) + scale_u * to_value * load(along_u, p * WIDTH))
                        store(slopes, v, load(slopes, v) + scale_v * to_value * load(along_v, p * WIDTH))
                    if table[p, WANTED]:
                        at, next_u, next_v = mine + corners[k, p] + c, steps[p, 0], steps[p, 1]
                        a, b = spread(fractions[k, p, 0]), spread(fractions[k, p, 1])
                        far = a * to_value
                        near = to_value - far
                        _add(to_texels, at, near - b * near)
                        _add(to_texels, at + next_v, b * near)
                        _add(to_texels, at + next_u, far - b * far)
                        _add(to_texels, at + next_u + next_v, b * far)
                if points_wanted:
                    for axis in range(4):
                        inside = -1 <= points[point, axis] <= 1
                        to_points[block, point, axis] = total(load(slopes, axis * WIDTH)) if inside else 0


@cpu.inner(inline="always")
def _add(array, at, lanes):
    store(array, at, load(array, at) + lanes)


def _forward_on_cpu(points: Tensor, order: Tensor, level: Level, out: Tensor) -> None:
    _forward(points.numpy(), order.numpy(), _arrays(level), out.numpy())


def _backward_on_cpu(
    points: Tensor, order: Tensor, level: Level, grad: Tensor, to_texels: Tensor, to_points: Tensor
) -> None:
    """Adds to `to_texels` and `to_points`."""
    blocks = level.texels.shape[1] // WIDTH
    shares = -(-numba.get_num_threads() // blocks)
    if len(to_texels):
        shares = max(1, min(shares, MOST_COPIES // to_texels.nbytes))
    copies = to_texels[None] if shares == 1 else to_texels.new_zeros(shares, *to_texels.shape)
    parts = to_points.new_empty(blocks, *to_points.shape)
    _backward(points.numpy(), order.numpy(), _arrays(level), grad.numpy(), copies.numpy(), parts.numpy())
    if shares > 1 and len(to_texels):
        to_texels += copies.sum(dim=0)
    if len(to_points):
        to_points += parts.sum(dim=0)


def _arrays(level: Level) -> Level:
    return Level(level.table.numpy(), level.texels.numpy(), level.multiply)


# --- CUDA ---
#
# Forward, a thread is one channel of one point, backward CHANNELS of them, a stride apart: so neighbouring threads
# read neighbouring channels of the same samples, and a point's gradient takes fewer atomics.

CHANNELS = 4
Six = wp.types.vector(length=6, dtype=float)  # a number for each plane; with loops unrolled, they lie in registers


@wp.func
def _place_warp(x: float, size: int):
    at = (wp.clamp(x, -1.0, 1.0) + 1.0) / 2.0 * float(size - 1)
    i = wp.min(int(at), wp.max(size - 2, 0))
    return i, at - float(i)


@wp.func
def _find_cell_warp(points: wp.array2d(dtype=float), point: int, table: wp.array2d(dtype=int), p: int):
    """Rows of `texels` of the samples 00, 01, 10, 11, and where the point lies between them."""
    size_u, size_v = table[p, SIZE_U], table[p, SIZE_V]
    i, a = _place_warp(points[point, table[p, AXIS_U]], size_u)
    j, b = _place_warp(points[point, table[p, AXIS_V]], size_v)
    near = table[p, FIRST] + i * size_v
    far = table[p, FIRST] + wp.min(i + 1, size_u - 1) * size_v
    next_j = wp.min(j + 1, size_v - 1)
    return wp.vec4i(near + j, near + next_j, far + j, far + next_j), a, b


@wp.func
def _blend_warp(texels: wp.array2d(dtype=float), at: wp.vec4i, c: int, a: float, b: float):
    """The value, and how it changes along u and v from one sample to the next."""
    t00, t01, t10, t11 = texels[at[0], c], texels[at[1], c], texels[at[2], c], texels[at[3], c]
    near, far = wp.lerp(t00, t01, b), wp.lerp(t10, t11, b)
    return wp.lerp(near, far, a), far - near, wp.lerp(t01 - t00, t11 - t10, a)


@wp.kernel
def _forward_warp(
    points: wp.array2d(dtype=float), order: wp.array(dtype=wp.int64), table: wp.array2d(dtype=int),
    texels: wp.array2d(dtype=float), multiply: bool, out: wp.array2d(dtype=float),
):  # fmt: skip
    turn, c = wp.tid()
    point = int(order[turn])
    fused = wp.where(multiply, 1.0, 0.0)
    for p in range(table.shape[0]):
        at, a, b = _find_cell_warp(points, point, table, p)
        value, _, _ = _blend_warp(texels, at, c, a, b)
        fused = wp.where(multiply, fused * value, fused + value)
    out[point, c] = fused


@wp.func
def _along_warp(axis: int, slope: float) -> wp.vec4:
    return wp.vec4(
        wp.where(axis == 0, slope, 0.0),
        wp.where(axis == 1, slope, 0.0),
        wp.where(axis == 2, slope, 0.0),
        wp.where(axis == 3, slope, 0.0),
    )


@wp.kernel
def _backward_warp(
    points: wp.array2d(dtype=float), order: wp.array(dtype=wp.int64), table: wp.array2d(dtype=int),
    texels: wp.array2d(dtype=float), multiply: bool, grad: wp.array2d(dtype=float),
    to_texels: wp.array2d(dtype=float), to_points: wp.array2d(dtype=float), stride: int,
):  # fmt: skip
    turn, first = wp.tid()
    point = int(order[turn])
    planes = table.shape[0]
    slopes = wp.vec4()
    for c in range(first, texels.shape[1], stride):
        values, before = Six(), Six()
        along_u, along_v = Six(), Six()
        fused = wp.float32(1.0)
        for p in range(6):
            if p < planes:
                at, a, b = _find_cell_warp(points, point, table, p)
                value, by_u, by_v = _blend_warp(texels, at, c, a, b)
                along_u[p] = by_u
                along_v[p] = by_v
                values[p] = value
                before[p] = fused
                fused = fused * value
        behind = grad[point, c]
        for q in range(6):
            p = 5 - q
            if p < planes:
                to_value = behind
                if multiply:
                    to_value = behind * before[p]
                    behind = behind * values[p]
                if to_points.shape[0] > 0:
                    slopes += _along_warp(table[p, AXIS_U], float(table[p, SIZE_U] - 1) / 2.0 * to_value * along_u[p])
                    slopes += _along_warp(table[p, AXIS_V], float(table[p, SIZE_V] - 1) / 2.0 * to_value * along_v[p])
                if table[p, WANTED] != 0:
                    at, a, b = _find_cell_warp(points, point, table, p)
                    wp.atomic_add(to_texels, at[0], c, (1.0 - a) * (1.0 - b) * to_value)
                    wp.atomic_add(to_texels, at[1], c, (1.0 - a) * b * to_value)
                    wp.atomic_add(to_texels, at[2], c, a * (1.0 - b) * to_value)
                    wp.atomic_add(to_texels, at[3], c, a * b * to_value)
    if to_points.shape[0] > 0:
        for axis in range(4):
            if points[point, axis] >= -1.0 and points[point, axis] <= 1.0:
                wp.atomic_add(to_points, point, axis, slopes[axis])


def _forward_on_cuda(points: Tensor, order: Tensor, level: Level, out: Tensor) -> None:
    cuda.launch(_forward_warp, out.shape, points, order, *level, out)


def _backward_on_cuda(
    points: Tensor, order: Tensor, level: Level, grad: Tensor, to_texels: Tensor, to_points: Tensor
) -> None:
    """Adds to `to_texels` and `to_points`."""
    stride = -(-level.texels.shape[1] // CHANNELS)
    cuda.launch(_backward_warp, (len(points), stride), points, order, *level, grad, to_texels, to_points, stride)


# --- the function ---


class _PlaneSample(torch.autograd.Function):
    @staticmethod
    def forward(ctx, points: Tensor, order: Tensor, names: list[list[str]], multiply: bool, *planes: Tensor) -> Tensor:
        """names: of the planes of each level. planes: of all levels, one after the other."""
        ctx.warp, ctx.multiply, ctx.features = cuda.usable(points), multiply, planes[0].shape[2]
        # the CPU's blocks are whole: channels that fill the last one are zero, and cut off at the end
        channels = ctx.features if ctx.warp else -(-ctx.features // WIDTH) * WIDTH
        out = _allocate((len(points), len(names), channels), points)
        ctx.rows, levels_texels, rest = [], [], iter(planes)
        for n, letters in enumerate(names):
            rows, texels = _lay_out(letters, [next(rest) for _ in letters], channels)
            level = Level(_tabulate(rows, [False] * len(rows), points.device), texels, multiply)
            (_forward_on_cuda if ctx.warp else _forward_on_cpu)(points, order, level, out[:, n])
            ctx.rows.append(rows)
            levels_texels.append(texels)
        ctx.save_for_backward(points, order, *levels_texels)
        return out[..., : ctx.features].flatten(1)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        points, order, *levels_texels = ctx.saved_tensors
        grad = grad.unflatten(1, (len(ctx.rows), ctx.features))
        if missing := levels_texels[0].shape[1] - ctx.features:
            grad = torch.nn.functional.pad(grad, (0, missing))
        grad = grad.contiguous()
        to_points, to_planes = torch.zeros_like(points if ctx.needs_input_grad[0] else points[:0]), []
        for n, (rows, texels) in enumerate(zip(ctx.rows, levels_texels, strict=True)):
            wanted = ctx.needs_input_grad[4 + len(to_planes) :][: len(rows)]
            level = Level(_tabulate(rows, wanted, points.device), texels, ctx.multiply)
            to_texels = torch.zeros_like(texels if any(wanted) else texels[:0])
            (_backward_on_cuda if ctx.warp else _backward_on_cpu)(
                points, order, level, grad[:, n], to_texels, to_points
            )
            for (first, u, v, *_), want in zip(rows, wanted, strict=True):
                of_plane = to_texels[first : first + u * v, : ctx.features]
                to_planes.append(of_plane.view(u, v, ctx.features) if want else None)
        return to_points if ctx.needs_input_grad[0] else None, None, None, None, *to_planes


def _allocate(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Empty features. On the CPU numpy's: it asks Linux for large pages, and forward takes 2/3 to 4/5 of the time.

    For texels that gained nothing, and for their gradients it cost: those stay torch's.
    """
    return like.new_empty(shape) if like.is_cuda else torch.from_numpy(np.empty(shape, like.numpy().dtype))


def _lay_out(letters: Sequence[str], planes: Sequence[Tensor], channels: int) -> tuple[list[list[int]], Tensor]:
    """The rows of a level's table, and its texels."""
    rows, samples = [], 0
    for name, plane in zip(letters, planes, strict=True):
        rows.append([samples, *plane.shape[:2], *AXES[name]])
        samples += plane.shape[0] * plane.shape[1]
    texels, features = planes[0].new_empty(samples, channels), planes[0].shape[2]
    texels[:, features:] = 0
    for plane, (first, u, v, *_) in zip(planes, rows, strict=True):
        texels[first : first + u * v, :features].view(plane.shape).copy_(plane)
    return rows, texels


def _tabulate(rows: list[list[int]], wanted: Sequence[bool], device: torch.device) -> Tensor:
    return torch.tensor([[*row, want] for row, want in zip(rows, wanted, strict=True)], dtype=torch.int32).to(device)


@cuda.carried
def plane_sample(
    points: Tensor,
    levels: Sequence[Mapping[str, Tensor]],
    fuse: Literal["sum", "product"],
    order: Tensor | None = None,
) -> Tensor:
    """Features (N, L F) of points (N, 4), x, y, z, t in [-1, 1], from L levels of planes.

    Each level maps some of "xy", "xz", "yz", "xt", "yt", "zt" to a plane (samples along the first letter, samples along
    the second, F): `planes["xt"][i, j]` is the i-th x and the j-th t. Sizes may differ, F not. -1 is the first sample
    and 1 the last; what lies outside reads the border, and is flat along that coordinate. One sample is a constant.

    Points are visited in `order` (`morton.morton_order(points)`, or another permutation); no result depends on it but
    by rounding. Without one, large planes on a CPU are sampled along the Morton curve, so give it where several calls
    share points.

    Differentiable once, by points and planes; second derivatives are absent. On the CPU, gradients of the planes are
    the same with any number of threads up to F / 16, and beyond that differ by rounding; up to 256 MiB are then taken
    for the additional threads. A copy of the planes is kept for backward.

    Raises ValueError for a plane's name, a shape, type or device that does not fit, an `order` that leaves points out,
    NaN and infinity.
    """
    if fuse not in ("sum", "product"):
        raise ValueError(f'fuse must be "sum" or "product", not {fuse!r}')
    door.shaped("points", points, None, 4)
    _check_levels(levels)
    named = {f"levels[{n}][{name!r}]": plane for n, planes in enumerate(levels) for name, plane in planes.items()}
    door.alike(points=points, **named)
    door.finite(points=points, **named)
    if order is not None:
        order = _permutation(order, points)
    elif points.device.type == "cpu" and sum(plane.nbytes for plane in named.values()) >= SORT_FROM:
        order = morton_order(points)
    else:
        order = torch.arange(len(points), device=points.device)
    # in one sequence of names, so that the result does not hang on how a mapping was filled
    names = [[name for name in AXES if name in planes] for planes in levels]
    planes = [level[name] for level, letters in zip(levels, names, strict=True) for name in letters]
    return _PlaneSample.apply(points.contiguous(), order, names, fuse == "product", *planes)


def _permutation(order: Tensor, points: Tensor) -> Tensor:
    door.shaped("order", order, len(points))
    door.indices("order", order, 0, len(points), points.device)
    order = order.to(torch.int64).contiguous()
    named = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    if not named.index_fill_(0, order, True).all():
        raise ValueError(f"order must hold each of 0..{len(points) - 1} once, and leaves some out")
    return order


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
