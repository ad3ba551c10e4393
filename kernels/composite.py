"""What rays gather of matter that emits and absorbs, summed up from front to back.

A ray passes through intervals one after the other, from near to far. With an interval's length d_i, its middle m_i and
what of the light comes through to it,
    T_i = exp(-sum_{j<i} density_j d_j),   w_i = T_i (1 - exp(-density_i d_i)),
    features = sum_i w_i f_i,   opacity = sum_i w_i,   depth = sum_i w_i m_i.
That is exact where density and features are constant in each interval, and depth in the limit of short ones.
Max, "Optical models for direct volume rendering", TVCG 1995; Mildenhall et al., "NeRF", ECCV 2020, section 4.

The sum in the exponent takes the place of NeRF's running product, whose gradient divides by factors that may be zero.
Backward, with a loss's slope G_i by the weight w_i, the slope by density_i d_i is
    T_{i+1} G_i - sum_{j>i} w_j G_j.
"""

import itertools
import math
from typing import NamedTuple

import torch
import warp as wp
from numba import prange
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels import cpu, cuda, door

wp.set_module_options({"enable_backward": False})


class Composite(NamedTuple):
    """What R rays gather."""

    features: Tensor  # (R, C); of colours, on black: add (1 - opacity) * background
    opacity: Tensor  # (R,), the share of the background that is hidden, in [0, 1]
    depth: Tensor  # (R,), metres times opacity: divided by opacity it is where the ray ends on the average


# --- the definition ---


def composite_reference(density: Tensor, features: Tensor, intervals: Tensor, starts: Tensor) -> Composite:
    """The definition of `composite`, in any precision."""
    thickness, middles = density * intervals.diff(dim=1)[:, 0], intervals.mean(dim=1)
    weights = [density[:0]]
    for begin, end in itertools.pairwise(starts.tolist()):
        along = thickness[begin:end]
        # shifted by one and not the thickness subtracted again: behind a wall 1e30 thick nothing of the sum were left
        before = torch.cat([along[:0].sum()[None], along.cumsum(dim=0)[:-1]])[: len(along)]
        weights.append(torch.exp(-before) * -torch.expm1(-along))
    weights = torch.cat(weights)[:, None]
    rows = torch.cat([weights * features, weights, weights * middles[:, None]], dim=1)
    ray = torch.repeat_interleave(torch.arange(len(starts) - 1, device=rows.device), starts.diff())
    sums = rows.new_zeros(len(starts) - 1, rows.shape[1]).index_add(0, ray, rows)
    return Composite(sums[:, :-2], sums[:, -2], sums[:, -1])


# --- CPU ---

CHUNK = 64  # rays of one task


@cpu.inner(fastmath={"contract"})
def _gather(density, features, intervals, starts, first, last, sums, opacity, depth, weights, left):
    real = density.dtype.type
    half, channels = real(0.5), features.shape[1]
    for ray in range(first, last):
        before = hidden = far = real(0)
        through = real(1)
        for c in range(channels):
            sums[ray, c] = 0
        for n in range(starts[ray], starts[ray + 1]):
            near, beyond = intervals[n, 0], intervals[n, 1]
            thickness = density[n] * (beyond - near)
            weight = -through * math.expm1(-thickness)
            before += thickness
            through = math.exp(-before)
            weights[n], left[n] = weight, through
            hidden += weight
            far += weight * half * (near + beyond)
            for c in range(channels):
                sums[ray, c] += weight * features[n, c]
        opacity[ray], depth[ray] = hidden, far


@cpu.parallel
def _forward(density, features, intervals, starts, sums, opacity, depth, weights, left):
    for chunk in prange((len(opacity) + CHUNK - 1) // CHUNK):
        first, last = chunk * CHUNK, min(len(opacity), (chunk + 1) * CHUNK)
        _gather(density, features, intervals, starts, first, last, sums, opacity, depth, weights, left)


@cpu.inner(fastmath={"contract"})
def _pull(
    density, features, intervals, starts, first, last, weights, left, by_sums, by_opacity, by_depth,
    to_density, to_features, to_intervals,
):  # fmt: skip
    real = density.dtype.type
    half, channels = real(0.5), features.shape[1]
    for ray in range(first, last):
        behind = real(0)
        for n in range(starts[ray + 1] - 1, starts[ray] - 1, -1):
            near, beyond, weight = intervals[n, 0], intervals[n, 1], weights[n]
            gain = by_opacity[ray] + by_depth[ray] * half * (near + beyond)
            for c in range(channels):
                gain += by_sums[ray, c] * features[n, c]
            slope = left[n] * gain - behind
            behind += weight * gain
            if len(to_density):
                to_density[n] = slope * (beyond - near)
            if len(to_features):
                for c in range(channels):
                    to_features[n, c] = weight * by_sums[ray, c]
            if len(to_intervals):
                to_intervals[n, 0] = half * weight * by_depth[ray] - slope * density[n]
                to_intervals[n, 1] = half * weight * by_depth[ray] + slope * density[n]


@cpu.parallel
def _backward(
    density, features, intervals, starts, weights, left, by_sums, by_opacity, by_depth,
    to_density, to_features, to_intervals,
):  # fmt: skip
    """What is not wanted has no numbers."""
    for chunk in prange((len(by_opacity) + CHUNK - 1) // CHUNK):
        first, last = chunk * CHUNK, min(len(by_opacity), (chunk + 1) * CHUNK)
        _pull(
            density, features, intervals, starts, first, last, weights, left, by_sums, by_opacity, by_depth,
            to_density, to_features, to_intervals,
        )  # fmt: skip


def _forward_on_cpu(*tensors: Tensor) -> None:
    _forward(*(tensor.numpy() for tensor in tensors))


def _backward_on_cpu(*tensors: Tensor) -> None:
    _backward(*(tensor.numpy() for tensor in tensors))


# --- CUDA ---
#
# A thread is a ray. Its sums stand in memory and not in registers: how many channels there are, only the call knows.


@wp.kernel
def _forward_warp(
    density: wp.array(dtype=float), features: wp.array2d(dtype=float), intervals: wp.array2d(dtype=float),
    starts: wp.array(dtype=wp.int64), sums: wp.array2d(dtype=float), opacity: wp.array(dtype=float),
    depth: wp.array(dtype=float), weights: wp.array(dtype=float), left: wp.array(dtype=float),
):  # fmt: skip
    ray = wp.tid()
    before, hidden, far, through = wp.float32(0.0), wp.float32(0.0), wp.float32(0.0), wp.float32(1.0)
    for c in range(features.shape[1]):
        sums[ray, c] = 0.0
    for n in range(int(starts[ray]), int(starts[ray + 1])):
        near, beyond = intervals[n, 0], intervals[n, 1]
        thickness = density[n] * (beyond - near)
        weight = through * _hidden_warp(thickness)
        before += thickness
        through = wp.exp(-before)
        weights[n] = weight
        left[n] = through
        hidden += weight
        far += weight * 0.5 * (near + beyond)
        for c in range(features.shape[1]):
            sums[ray, c] = sums[ray, c] + weight * features[n, c]
    opacity[ray] = hidden
    depth[ray] = far


@wp.func
def _hidden_warp(thickness: float):
    """1 - exp(-thickness): Warp has no expm1. Near 0 the series, to the last digit of float32."""
    if wp.abs(thickness) < 0.1:
        t = thickness
        return t * (1.0 - t / 2.0 * (1.0 - t / 3.0 * (1.0 - t / 4.0 * (1.0 - t / 5.0 * (1.0 - t / 6.0)))))
    return 1.0 - wp.exp(-thickness)


@wp.kernel
def _backward_warp(
    density: wp.array(dtype=float), features: wp.array2d(dtype=float), intervals: wp.array2d(dtype=float),
    starts: wp.array(dtype=wp.int64), weights: wp.array(dtype=float), left: wp.array(dtype=float),
    by_sums: wp.array2d(dtype=float), by_opacity: wp.array(dtype=float), by_depth: wp.array(dtype=float),
    to_density: wp.array(dtype=float), to_features: wp.array2d(dtype=float), to_intervals: wp.array2d(dtype=float),
):  # fmt: skip
    ray = wp.tid()
    behind = wp.float32(0.0)
    first, count = int(starts[ray]), int(starts[ray + 1] - starts[ray])
    for turn in range(count):
        n = first + count - 1 - turn
        near, beyond, weight = intervals[n, 0], intervals[n, 1], weights[n]
        gain = by_opacity[ray] + by_depth[ray] * 0.5 * (near + beyond)
        for c in range(features.shape[1]):
            gain += by_sums[ray, c] * features[n, c]
        slope = left[n] * gain - behind
        behind += weight * gain
        if to_density.shape[0] > 0:
            to_density[n] = slope * (beyond - near)
        if to_features.shape[0] > 0:
            for c in range(features.shape[1]):
                to_features[n, c] = weight * by_sums[ray, c]
        if to_intervals.shape[0] > 0:
            to_intervals[n, 0] = 0.5 * weight * by_depth[ray] - slope * density[n]
            to_intervals[n, 1] = 0.5 * weight * by_depth[ray] + slope * density[n]


def _forward_on_cuda(*tensors: Tensor) -> None:
    starts = tensors[3]
    cuda.launch(_forward_warp, len(starts) - 1, *tensors)


def _backward_on_cuda(*tensors: Tensor) -> None:
    starts = tensors[3]
    cuda.launch(_backward_warp, len(starts) - 1, *tensors)


# --- the function ---


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx, density: Tensor, features: Tensor, intervals: Tensor, starts: Tensor) -> tuple[Tensor, ...]:
        ctx.warp = cuda.usable(density)
        rays = len(starts) - 1
        sums = features.new_empty(rays, features.shape[1])
        opacity, depth = features.new_empty(rays), features.new_empty(rays)
        weights, left = torch.empty_like(density), torch.empty_like(density)
        given = density, features, intervals, starts
        (_forward_on_cuda if ctx.warp else _forward_on_cpu)(*given, sums, opacity, depth, weights, left)
        ctx.save_for_backward(*given, weights, left)
        return sums, opacity, depth

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads: Tensor) -> tuple[Tensor | None, ...]:
        given = ctx.saved_tensors[:3]
        wanted = [
            torch.empty_like(each if needed else each[:0])
            for each, needed in zip(given, ctx.needs_input_grad, strict=False)
        ]
        grads = (each.contiguous() for each in grads)
        (_backward_on_cuda if ctx.warp else _backward_on_cpu)(*ctx.saved_tensors, *grads, *wanted)
        return *(each if needed else None for each, needed in zip(wanted, ctx.needs_input_grad, strict=False)), None


@cuda.carried
def composite(density: Tensor, features: Tensor, intervals: Tensor, starts: Tensor) -> Composite:
    """density (M,) 1/metre and features (M, C) in the M intervals (M, 2) of R rays, each from where to where in metres.

    Ray r has the intervals starts[r] to starts[r + 1], in their order from the camera on: starts (R + 1,) int64 begins
    with 0, ends with M, and does not fall; a ray may have none. Where it leaves a gap, nothing is.
    float32, or float64 on the CPU. Differentiable once, by density, features and intervals; second derivatives are
    absent. NaN and infinity come out as they would of the formulae: only the ray that has one is hurt.

    Raises ValueError for a shape, type or device that does not fit, and starts that do not.
    """
    door.shaped("density", density, None)
    door.shaped("features", features, len(density), None)
    door.shaped("intervals", intervals, len(density), 2)
    door.shaped("starts", starts, None)
    door.alike(density=density, features=features, intervals=intervals)
    door.indices("starts", starts, 0, len(density) + 1, density.device)
    if len(starts) == 0 or starts[0] != 0 or starts[-1] != len(density) or (starts.diff() < 0).any():
        raise ValueError(f"starts must go from 0 to {len(density)}, the number of intervals, and never back")
    given = (each.contiguous() for each in (density, features, intervals))
    return Composite(*_Composite.apply(*given, starts.contiguous().long()))
