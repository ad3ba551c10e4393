"""How much neighbours in a grid of samples differ: of each channel c, over the pairs next to each other along an axis,
    out_c = sum |G[i + 1, j, k, c] - G[i, j, k, c]| + |G[i, j + 1, k, c] - G[i, j, k, c]| + |G[i, j, k + 1, c] - ...|
The slope by a sample is a whole number: how many of its neighbours are less, minus how many are more.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels import cpu, cuda, door

# --- the definition ---


def total_variation_reference(grid: Tensor) -> Tensor:
    """The definition of `total_variation`, in any precision."""
    return torch.stack([grid.diff(dim=axis).abs().sum(dim=(0, 1, 2)) for axis in range(3)]).sum(dim=0)


# --- CPU ---
#
# On one thread: of the grids that are fitted on a CPU it is less than a millisecond, and threads that wait for a busy
# core cost more. For the same reason not in torch, whose thirty operations each wait anew.


@cpu.inner(nogil=True)
def _forward(grid, rows, row, step, slopes, sums):
    """grid and slopes (samples along x * rows * row,): `rows` rows of `row` numbers, sample after sample of `step`.

    A row has a sum for each of its numbers (row,), float64. It is gone through once along each axis, without a
    question, so that LLVM makes vectors of it.
    """
    layer = rows * row
    for first in range(0, len(grid), row):
        for n in range(first, first + row):
            slopes[n] = 0
        if first + layer < len(grid):
            _ahead(grid, first, row, layer, slopes, sums)
        if first % layer + row < layer:
            _ahead(grid, first, row, row, slopes, sums)
        _ahead(grid, first, row - step, step, slopes, sums)
        if first >= layer:
            _back(grid, first, row, layer, slopes)
        if first % layer >= row:
            _back(grid, first, row, row, slopes)
        _back(grid, first + step, row - step, step, slopes)


@cpu.inner
def _ahead(grid, first, count, on, slopes, sums):
    for m in range(count):
        n = np.uintp(first + m)
        difference = grid[n + np.uintp(on)] - grid[n]
        sums[m] += abs(difference)
        slopes[n] += np.int8(difference < 0) - np.int8(difference > 0)


@cpu.inner
def _back(grid, first, count, on, slopes):
    for m in range(count):
        n = np.uintp(first + m)
        difference = grid[n] - grid[n - np.uintp(on)]
        slopes[n] += np.int8(difference > 0) - np.int8(difference < 0)


# --- the function ---


class _TotalVariation(torch.autograd.Function):
    @staticmethod
    def forward(ctx, grid: Tensor) -> Tensor:
        _, height, depth, channels = grid.shape
        slopes = torch.empty(grid.shape, dtype=torch.int8)
        sums = np.zeros(depth * channels)
        _forward(grid.numpy().reshape(-1), height, depth * channels, channels, slopes.numpy().reshape(-1), sums)
        ctx.save_for_backward(slopes)
        return torch.from_numpy(sums).view(depth, channels).sum(dim=0).to(grid.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> Tensor:
        (slopes,) = ctx.saved_tensors
        return slopes * grad


@cuda.carried
def total_variation(grid: Tensor) -> Tensor:
    """grid (X, Y, Z, C) -> (C,). float32, or float64 on the CPU; NaN and infinity come out as NaN and infinity.

    Differentiable, on the CPU once; where neighbours are equal, the slope between them is 0.

    Raises ValueError for a shape or type that does not fit, and for a grid of nothing.
    """
    door.shaped("grid", grid, None, None, None, None)
    door.alike(grid=grid)
    if math.prod(grid.shape) == 0:
        raise ValueError(f"grid must have a sample and a channel, not {tuple(grid.shape)}")
    return total_variation_reference(grid) if grid.is_cuda else _TotalVariation.apply(grid.contiguous())
