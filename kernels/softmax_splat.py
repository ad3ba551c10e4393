"""Forward warping: every pixel is carried along its flow, and where several land, softmax decides who is seen.

Niklaus and Liu, "Softmax splatting for video frame interpolation", CVPR 2020. A pixel q = (x, y) with the flow (u, v)
lies between four pixels p, its corners, and spreads over them bilinearly, with the footprints b(p, q) that sum to 1.
Those that lie outside the picture are lost. Then

    q lands on p         where b(p, q) >= LANDS
    p is covered         where some q lands on it; every other pixel is a hole, and holds 0
    highest(p)         = max m(q) over the q that land on p
    weight(p, q)       = b(p, q) exp(min(m(q) - highest(p), 0)) / total(p), which sums to 1 over q
    out(p)             = sum over q of weight(p, q) image(q)

That is the paper's sum b exp(m) image / sum b exp(m), as long as nobody with less than LANDS of a footprint on p has a
higher metric than all who land there: such a one counts as if its metric were highest(p). So exp neither overflows nor
underflows, total(p) >= LANDS whatever the metric, and a slope is at most 1 / LANDS times a difference of two values.

Gradients are those of the formula with `highest` held constant, which changes nothing where the minimum takes nothing
away. The footprint has kinks at whole pixels: there, the slope is the one towards larger u and v, as for a flow of 0.
With g the gradient that comes in at p,
    agreement(p, q)    = g(p) . image(q)
    mean(p)            = sum over q of weight(p, q) agreement(p, q) = g(p) . out(p)
    d/d image(q)       = sum over p of weight(p, q) g(p)
    d/d m(q)           = sum over p of weight(p, q) (agreement(p, q) - mean(p))
    d/d b(p, q)        = exp(min(m(q) - highest(p), 0)) / total(p) (agreement(p, q) - mean(p))
so the channels are walked through once each way, and `out` is not read again.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
import warp as wp
from numba import get_num_threads, prange
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels import cpu, cuda, door

# Less of a pixel than this may be rounding: a flow of a few thousand pixels is known to 2e-4 in float32. It must not
# make a pixel covered, nor take it from those who are really there because its metric is higher.
LANDS = 1e-3


class Splat(NamedTuple):
    """A picture after it was carried along its flow."""

    image: Tensor  # (B, C, H, W), exactly 0 in holes
    covered: Tensor  # (B, 1, H, W) bool, False in holes


class Tables(NamedTuple):
    """Where the pixels q go and what is theirs there, and of each p what the formulas above name; in kernels, arrays.

    Corner k of q is to the right where k & 1 and below where k & 2.
    """

    target: Tensor  # (B, H W, 4) int32: p, or -1 where no pixel is, or a hole
    weight: Tensor  # (B, H W, 4)
    highest: Tensor  # (B, H W), -inf in holes
    total: Tensor  # (B, H W), 0 in holes; float64 on the CPU


# --- the definition ---


def softmax_splat_reference(image: Tensor, flow: Tensor, metric: Tensor) -> Splat:
    """The definition of `softmax_splat`, differentiable by torch, in any precision."""
    views, channels, height, width = image.shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    whole = flow.detach().floor()
    across, down = (flow - whole).unbind(1)
    corners, footprints = [], []
    for k in range(4):
        column, line = x.to(flow) + whole[:, 0] + (k & 1), y.to(flow) + whole[:, 1] + (k >> 1)
        inside = (column >= 0) & (column < width) & (line >= 0) & (line < height)
        corner = line.where(inside, 0).long() * width + column.where(inside, 0).long()
        corners.append(corner.where(inside, height * width).flatten(1))  # one pixel more, for what is lost
        footprints.append(((across if k & 1 else 1 - across) * (down if k >> 1 else 1 - down)).flatten(1))
    corner, footprint = torch.cat(corners, dim=1), torch.cat(footprints, dim=1)
    m = metric.flatten(1).repeat(1, 4)
    landing = m.detach().where((footprint >= LANDS) & (corner < height * width), -torch.inf)
    highest = landing.new_full((views, height * width + 1), -torch.inf).scatter_reduce(1, corner, landing, "amax")
    covered = highest > -torch.inf
    share = footprint * (m - highest.gather(1, corner)).clamp(max=0).exp()
    total = torch.zeros_like(highest).scatter_add(1, corner, share)
    weight = share / total.where(covered, torch.inf).gather(1, corner)
    out = image.new_zeros(views, channels, height * width + 1).scatter_add(
        2, corner[:, None].expand(-1, channels, -1), weight[:, None] * image.flatten(2).repeat(1, 1, 4)
    )
    return Splat(out[..., :-1].reshape(image.shape), covered[:, :-1].reshape(metric.shape))


# --- CPU ---
#
# Pictures are flat: image (B C, H W), flow (B, 2, H W), metric (B, H W). Gradients that nobody wants have the length 0.
# Threads own channels, rows, or bands of targets: no two write to one place, and every sum has one order, that of q.


@cpu.parallel
def _aim(flow, height, width, target, footprint):
    for row in prange(len(flow) * height):
        view, y = row // height, row % height
        for x in range(width):
            q = y * width + x
            u, v = flow[view, 0, q], flow[view, 1, q]
            across, down = u - np.floor(u), v - np.floor(v)
            for k in range(4):
                column, line = x + np.floor(u) + (k & 1), y + np.floor(v) + (k >> 1)
                inside = column >= 0 and column < width and line >= 0 and line < height
                target[view, q, k] = int(line) * width + int(column) if inside else -1
                footprint[view, q, k] = (across if k & 1 else 1 - across) * (down if k & 2 else 1 - down)


@cpu.parallel
def _span(target, height, spans):
    """The least and the greatest target of each row; the greatest is -1 where there is none."""
    views, pixels, _ = target.shape
    for row in prange(views * height):
        view, y = row // height, row % height
        least, greatest = pixels, -1
        for q in range(y * (pixels // height), (y + 1) * (pixels // height)):
            for k in range(4):
                if target[view, q, k] >= 0:
                    least, greatest = min(least, target[view, q, k]), max(greatest, target[view, q, k])
        spans[view, y, 0], spans[view, y, 1] = least, greatest


@cpu.inner
def _rows(spans, first, last):
    """Those that reach a band of targets: the others are not read for it.

    Or the work would grow with the threads; it still does, but not the time, where a flow throws rows far apart.
    """
    return np.flatnonzero((spans[:, 0] < last) & (spans[:, 1] >= first))


@cpu.parallel
def _weigh(metric, spans, bands, target, weight, highest, total):
    """`weight` comes in as the footprint."""
    views, pixels = metric.shape
    width = pixels // max(spans.shape[1], 1)
    for task in prange(views * bands):
        view, band = task // bands, task % bands
        first, last = pixels * band // bands, pixels * (band + 1) // bands
        rows = _rows(spans[view], first, last)
        highest[view, first:last] = -np.inf
        total[view, first:last] = 0
        for y in rows:
            for q in range(y * width, (y + 1) * width):
                for k in range(4):
                    p = target[view, q, k]
                    if first <= p and p < last and weight[view, q, k] >= LANDS:
                        highest[view, p] = max(highest[view, p], metric[view, q])
        for y in rows:
            for q in range(y * width, (y + 1) * width):
                for k in range(4):
                    p = target[view, q, k]
                    if first <= p and p < last:
                        if highest[view, p] == -np.inf:
                            target[view, q, k] = -1
                        else:
                            weight[view, q, k] *= math.exp(min(metric[view, q] - highest[view, p], 0))
                            total[view, p] += weight[view, q, k]
        for y in rows:
            for q in range(y * width, (y + 1) * width):
                for k in range(4):
                    p = target[view, q, k]
                    if first <= p and p < last:
                        weight[view, q, k] /= total[view, p]


@cpu.parallel
def _scatter(image, channels, target, weight, out):
    for plane in prange(len(image)):
        source, sink = image[plane], out[plane]
        targets, weights = target[plane // channels], weight[plane // channels]
        sink[:] = 0
        for q in range(len(source)):
            value = source[q]
            for k in range(4):
                p = targets[q, k]
                if p >= 0:
                    sink[p] += weights[q, k] * value


@cpu.parallel
def _gather(image, grad, channels, height, width, target, weight, to_image, agreement):
    image_wanted, agreement_wanted, zero = len(to_image) > 0, len(agreement) > 0, image.dtype.type(0)
    for row in prange(len(target) * height):
        view, own = row // height, slice(row % height * width, (row % height + 1) * width)
        targets, weights = target[view, own], weight[view, own]
        agreements, end = np.zeros((width, 4), image.dtype), (view + 1) * channels
        for one in range(view * channels, end, 2):  # two channels at a time: the tables are read half as often
            two = min(one + 1, end - 1)  # the last of an odd number is walked through twice, and counted once
            image1, image2, grad1, grad2 = image[one, own], image[two, own], grad[one], grad[two]
            for x in range(width):
                value1, value2, sum1, sum2 = image1[x], image2[x] if two > one else zero, zero, zero
                for k in range(4):
                    p = targets[x, k]
                    if p >= 0:
                        g1, g2 = grad1[p], grad2[p]
                        sum1 += weights[x, k] * g1
                        sum2 += weights[x, k] * g2
                        if agreement_wanted:
                            agreements[x, k] += value1 * g1 + value2 * g2
                if image_wanted:
                    to_image[one, own.start + x], to_image[two, own.start + x] = sum1, sum2
        if agreement_wanted:
            agreement[view, own] = agreements


@cpu.parallel
def _average(target, weight, agreement, spans, bands, mean):
    views, pixels = mean.shape
    width = pixels // max(spans.shape[1], 1)
    for task in prange(views * bands):
        view, band = task // bands, task % bands
        first, last = pixels * band // bands, pixels * (band + 1) // bands
        mean[view, first:last] = 0
        for y in _rows(spans[view], first, last):
            for q in range(y * width, (y + 1) * width):
                for k in range(4):
                    p = target[view, q, k]
                    if first <= p and p < last:
                        mean[view, p] += weight[view, q, k] * agreement[view, q, k]


@cpu.parallel
def _pull(flow, metric, height, width, tables, agreement, mean, to_flow, to_metric):
    flow_wanted, metric_wanted = len(to_flow) > 0, len(to_metric) > 0
    for row in prange(len(metric) * height):
        view, y = row // height, row % height
        for q in range(y * width, (y + 1) * width):
            u, v, m = flow[view, 0, q], flow[view, 1, q], metric[view, q]
            across, down = u - np.floor(u), v - np.floor(v)
            du = dv = dm = 0.0
            for k in range(4):
                p = tables.target[view, q, k]
                if p >= 0:
                    highest, pull = tables.highest[view, p], agreement[view, q, k] - mean[view, p]
                    slope = math.exp(min(m - highest, 0)) / tables.total[view, p] * pull
                    du += (slope if k & 1 else -slope) * (down if k & 2 else 1 - down)
                    dv += (slope if k & 2 else -slope) * (across if k & 1 else 1 - across)
                    if m <= highest:
                        dm += tables.weight[view, q, k] * pull
            if flow_wanted:
                to_flow[view, 0, q], to_flow[view, 1, q] = du, dv
            if metric_wanted:
                to_metric[view, q] = dm


def _forward_on_cpu(image: Tensor, flow: Tensor, metric: Tensor, height: int, width: int) -> tuple[Tensor, Tables]:
    views, pixels = metric.shape
    target, weight = metric.new_empty(views, pixels, 4, dtype=torch.int32), metric.new_empty(views, pixels, 4)
    tables = Tables(target, weight, torch.empty_like(metric), torch.empty_like(metric, dtype=torch.float64))
    arrays, out = Tables(*(table.numpy() for table in tables)), _empty_like(image)
    _aim(flow.numpy(), height, width, arrays.target, arrays.weight)
    _weigh(metric.numpy(), _spans(arrays, height), _bands(views), *arrays)
    _scatter(image.numpy(), _channels(image, metric), arrays.target, arrays.weight, out.numpy())
    return out, tables


def _backward_on_cpu(
    image: Tensor, flow: Tensor, metric: Tensor, height: int, width: int, tables: Tables, grad: Tensor,
    wanted: tuple[bool, bool, bool],
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    views, arrays, channels = len(metric), Tables(*(table.numpy() for table in tables)), _channels(image, metric)
    image_wanted, flow_wanted, metric_wanted = wanted
    to_image = _empty_like(image if image_wanted else image[:0])
    to_flow = torch.empty_like(flow if flow_wanted else flow[:0])
    to_metric = torch.empty_like(metric if metric_wanted else metric[:0])
    agreement = np.empty_like(arrays.weight if flow_wanted or metric_wanted else arrays.weight[:0])
    _gather(
        image.numpy(), grad.numpy(), channels, height, width, arrays.target, arrays.weight, to_image.numpy(), agreement
    )  # fmt: skip
    if flow_wanted or metric_wanted:
        mean = np.empty_like(arrays.total)
        _average(arrays.target, arrays.weight, agreement, _spans(arrays, height), _bands(views), mean)
        _pull(
            flow.numpy(), metric.numpy(), height, width, arrays, agreement, mean, to_flow.numpy(), to_metric.numpy()
        )  # fmt: skip
    return to_image, to_flow, to_metric


def _bands(views: int) -> int:
    """Of each view's targets: as few as give every thread one."""
    return max(1, -(-get_num_threads() // max(1, views)))


def _spans(arrays: Tables, height: int) -> np.ndarray:
    spans = np.empty((len(arrays.target), height, 2), np.int32)
    _span(arrays.target, height, spans)
    return spans


def _empty_like(picture: Tensor) -> Tensor:
    # numpy asks Linux for huge pages where torch does not: first touch of a large picture takes half the time
    return torch.from_numpy(np.empty_like(picture.numpy()))


# --- CUDA ---
#
# The same, a thread a pixel, with atomics for what several threads add to. What must be whole before it is read ends a
# kernel: so `highest` is found in `_aim_warp`, and `_divide_warp` follows `_weigh_warp`. Where there are channels, a
# thread walks through CHANNELS of them: the tables are read once for so many, and neighbours read neighbouring pixels.

wp.set_module_options({"enable_backward": False})

CHANNELS = wp.constant(8)
_LANDS = wp.constant(LANDS)


@wp.kernel
def _aim_warp(
    flow: wp.array3d(dtype=float), metric: wp.array2d(dtype=float), height: int, width: int,
    target: wp.array3d(dtype=int), footprint: wp.array3d(dtype=float), highest: wp.array2d(dtype=float),
):  # fmt: skip
    view, q = wp.tid()
    u, v = flow[view, 0, q], flow[view, 1, q]
    across, down = u - wp.floor(u), v - wp.floor(v)
    for k in range(4):
        column, line = float(q % width + (k & 1)) + wp.floor(u), float(q / width + (k >> 1)) + wp.floor(v)
        b = wp.where(k & 1 != 0, across, 1.0 - across) * wp.where(k & 2 != 0, down, 1.0 - down)
        inside = column >= 0.0 and column < float(width) and line >= 0.0 and line < float(height)
        p = wp.where(inside, int(line) * width + int(column), -1)
        if inside and b >= _LANDS:
            wp.atomic_max(highest, view, p, metric[view, q])
        target[view, q, k] = p
        footprint[view, q, k] = b


@wp.kernel
def _weigh_warp(
    metric: wp.array2d(dtype=float), target: wp.array3d(dtype=int), weight: wp.array3d(dtype=float),
    highest: wp.array2d(dtype=float), total: wp.array2d(dtype=float),
):  # fmt: skip
    view, q = wp.tid()
    for k in range(4):
        p = target[view, q, k]
        if p >= 0:
            if highest[view, p] == -wp.inf:
                target[view, q, k] = -1
            else:
                share = weight[view, q, k] * wp.exp(wp.min(metric[view, q] - highest[view, p], 0.0))
                weight[view, q, k] = share
                wp.atomic_add(total, view, p, share)


@wp.kernel
def _divide_warp(target: wp.array3d(dtype=int), weight: wp.array3d(dtype=float), total: wp.array2d(dtype=float)):
    view, q = wp.tid()
    for k in range(4):
        p = target[view, q, k]
        if p >= 0:
            weight[view, q, k] = weight[view, q, k] / total[view, p]


@wp.kernel
def _scatter_warp(
    image: wp.array2d(dtype=float), channels: int, target: wp.array3d(dtype=int), weight: wp.array3d(dtype=float),
    out: wp.array2d(dtype=float),
):  # fmt: skip
    view, group, q = wp.tid()
    first, last = view * channels + group * CHANNELS, view * channels + wp.min((group + 1) * CHANNELS, channels)
    p0, p1, p2, p3 = target[view, q, 0], target[view, q, 1], target[view, q, 2], target[view, q, 3]
    w0, w1, w2, w3 = weight[view, q, 0], weight[view, q, 1], weight[view, q, 2], weight[view, q, 3]
    for plane in range(first, last):
        value = image[plane, q]
        if p0 >= 0:
            wp.atomic_add(out, plane, p0, w0 * value)
        if p1 >= 0:
            wp.atomic_add(out, plane, p1, w1 * value)
        if p2 >= 0:
            wp.atomic_add(out, plane, p2, w2 * value)
        if p3 >= 0:
            wp.atomic_add(out, plane, p3, w3 * value)


@wp.func
def _read_warp(grad: wp.array2d(dtype=float), plane: int, p: int) -> float:
    if p < 0:
        return 0.0
    return grad[plane, p]


@wp.kernel
def _gather_warp(
    image: wp.array2d(dtype=float), grad: wp.array2d(dtype=float), channels: int, target: wp.array3d(dtype=int),
    weight: wp.array3d(dtype=float), to_image: wp.array2d(dtype=float), agreement: wp.array3d(dtype=float),
):  # fmt: skip
    view, group, q = wp.tid()
    first, last = view * channels + group * CHANNELS, view * channels + wp.min((group + 1) * CHANNELS, channels)
    p0, p1, p2, p3 = target[view, q, 0], target[view, q, 1], target[view, q, 2], target[view, q, 3]
    w0, w1, w2, w3 = weight[view, q, 0], weight[view, q, 1], weight[view, q, 2], weight[view, q, 3]
    sums = wp.vec4()
    for plane in range(first, last):
        g = wp.vec4(
            _read_warp(grad, plane, p0), _read_warp(grad, plane, p1),
            _read_warp(grad, plane, p2), _read_warp(grad, plane, p3),
        )  # fmt: skip
        if to_image.shape[0] > 0:
            to_image[plane, q] = w0 * g[0] + w1 * g[1] + w2 * g[2] + w3 * g[3]
        sums += image[plane, q] * g
    if agreement.shape[0] > 0:
        for k in range(4):
            wp.atomic_add(agreement, view, q, k, sums[k])


@wp.kernel
def _average_warp(
    target: wp.array3d(dtype=int), weight: wp.array3d(dtype=float), agreement: wp.array3d(dtype=float),
    mean: wp.array2d(dtype=float),
):  # fmt: skip
    view, q = wp.tid()
    for k in range(4):
        p = target[view, q, k]
        if p >= 0:
            wp.atomic_add(mean, view, p, weight[view, q, k] * agreement[view, q, k])


@wp.kernel
def _pull_warp(
    flow: wp.array3d(dtype=float), metric: wp.array2d(dtype=float), target: wp.array3d(dtype=int),
    weight: wp.array3d(dtype=float), highest: wp.array2d(dtype=float), total: wp.array2d(dtype=float),
    agreement: wp.array3d(dtype=float), mean: wp.array2d(dtype=float), to_flow: wp.array3d(dtype=float),
    to_metric: wp.array2d(dtype=float),
):  # fmt: skip
    view, q = wp.tid()
    u, v, m = flow[view, 0, q], flow[view, 1, q], metric[view, q]
    across, down = u - wp.floor(u), v - wp.floor(v)
    du, dv, dm = 0.0, 0.0, 0.0
    for k in range(4):
        p = target[view, q, k]
        if p >= 0:
            pull = agreement[view, q, k] - mean[view, p]
            slope = wp.exp(wp.min(m - highest[view, p], 0.0)) / total[view, p] * pull
            du += wp.where(k & 1 != 0, slope, -slope) * wp.where(k & 2 != 0, down, 1.0 - down)
            dv += wp.where(k & 2 != 0, slope, -slope) * wp.where(k & 1 != 0, across, 1.0 - across)
            if m <= highest[view, p]:
                dm += weight[view, q, k] * pull
    if to_flow.shape[0] > 0:
        to_flow[view, 0, q] = du
        to_flow[view, 1, q] = dv
    if to_metric.shape[0] > 0:
        to_metric[view, q] = dm


def _forward_on_cuda(image: Tensor, flow: Tensor, metric: Tensor, height: int, width: int) -> tuple[Tensor, Tables]:
    (views, pixels), channels = metric.shape, _channels(image, metric)
    target, weight = metric.new_empty(views, pixels, 4, dtype=torch.int32), metric.new_empty(views, pixels, 4)
    highest, total, out = torch.full_like(metric, -torch.inf), torch.zeros_like(metric), torch.zeros_like(image)
    cuda.launch(_aim_warp, (views, pixels), flow, metric, height, width, target, weight, highest)
    cuda.launch(_weigh_warp, (views, pixels), metric, target, weight, highest, total)
    cuda.launch(_divide_warp, (views, pixels), target, weight, total)
    groups = -(-channels // CHANNELS)
    cuda.launch(_scatter_warp, (views, groups, pixels), image, channels, target, weight, out)
    return out, Tables(target, weight, highest, total)


def _backward_on_cuda(
    image: Tensor, flow: Tensor, metric: Tensor, height: int, width: int, tables: Tables, grad: Tensor,
    wanted: tuple[bool, bool, bool],
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    (views, pixels), channels, (target, weight, _, _) = metric.shape, _channels(image, metric), tables
    image_wanted, flow_wanted, metric_wanted = wanted
    to_image = torch.empty_like(image if image_wanted else image[:0])
    to_flow = torch.empty_like(flow if flow_wanted else flow[:0])
    to_metric = torch.empty_like(metric if metric_wanted else metric[:0])
    agreement = torch.zeros_like(weight if flow_wanted or metric_wanted else weight[:0])
    groups = -(-channels // CHANNELS)
    cuda.launch(_gather_warp, (views, groups, pixels), image, grad, channels, target, weight, to_image, agreement)
    if flow_wanted or metric_wanted:
        mean = torch.zeros_like(metric)
        cuda.launch(_average_warp, (views, pixels), target, weight, agreement, mean)
        cuda.launch(_pull_warp, (views, pixels), flow, metric, *tables, agreement, mean, to_flow, to_metric)
    return to_image, to_flow, to_metric


def _channels(image: Tensor, metric: Tensor) -> int:
    return len(image) // max(len(metric), 1)


# --- the function ---


class _Splat(torch.autograd.Function):
    @staticmethod
    def forward(ctx, image: Tensor, flow: Tensor, metric: Tensor) -> tuple[Tensor, Tensor]:
        height, width = image.shape[2:]
        ctx.warp = cuda.usable(image)
        run = _forward_on_cuda if ctx.warp else _forward_on_cpu
        out, tables = run(*_flat(image, flow, metric), height, width)
        ctx.save_for_backward(image, flow, metric, *tables)
        covered = (tables.highest > -torch.inf).view(metric.shape)
        ctx.mark_non_differentiable(covered)
        return out.view(image.shape), covered

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        image, flow, metric, *tables = ctx.saved_tensors
        height, width = image.shape[2:]
        flat, wanted = _flat(image, flow, metric), ctx.needs_input_grad
        run = _backward_on_cuda if ctx.warp else _backward_on_cpu
        slopes = run(*flat, height, width, Tables(*tables), grad.contiguous().view(flat[0].shape), wanted)
        each = zip(wanted, slopes, (image, flow, metric), strict=True)
        return tuple(slope.view_as(given) if want else None for want, slope, given in each)


def _flat(image: Tensor, flow: Tensor, metric: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return image.flatten(2).flatten(0, 1), flow.flatten(2), metric.flatten(1)


@cuda.carried
def softmax_splat(image: Tensor, flow: Tensor, metric: Tensor) -> Splat:
    """Carry (B, C, H, W) along its flow (B, 2, H, W), in pixels, x to the right and y down, with metric (B, 1, H, W).

    The metric says who is seen where several pixels land: a pixel counts exp(metric) times its footprint, so one that
    is higher by 10 covers the other. Adding a constant to it changes nothing, and any finite value will do. Pixels
    that leave the picture are lost, with the part of their footprint that lies outside. Holes, on which nobody lands,
    are 0, pass no gradient, and are False in `covered`.

    Differentiable once, by image, flow and metric; second derivatives are absent. The gradients to flow and metric are
    of the size of image times incoming gradient, summed over the channels, and at the thinnest footprint 1 / LANDS
    times that: where this overflows, so do they, and are infinite or NaN.

    The three are of one type, float32, or float64 on the CPU. Raises ValueError for anything but tensors of these
    shapes, of another type or device, and for NaN and infinity.
    """
    door.shaped("image", image, None, None, None, None)
    views, _, height, width = image.shape
    door.shaped("flow", flow, views, 2, height, width)
    door.shaped("metric", metric, views, 1, height, width)
    door.alike(image=image, flow=flow, metric=metric)
    door.finite(image=image, flow=flow, metric=metric)
    return Splat(*_Splat.apply(image.contiguous(), flow.contiguous(), metric.contiguous()))
