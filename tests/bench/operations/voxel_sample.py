"""voxel_sample against torch's grid_sample in five dimensions: forward and backward, 200 000 points.

The floor counts every number once. Forward reads points and grid and writes the features; backward reads points, grid
and the features' gradient, and writes the gradients of grid and points.
"""

import torch

from kernels.voxel_sample import voxel_sample
from tests.bench.side_by_side import copy_speed, side_by_side
from tests.bench.table import Table

POINTS, CHANNELS = 200_000, 4
SIZES = {32: 1.5, 64: 2.0}  # samples along a side, and how many times faster is promised on a CPU


def table(device: str, copy: float) -> Table:
    """`copy`: bytes a second, as `copy_speed` has it."""
    result = Table(f"voxel_sample on {device}: forward and backward of {POINTS:,} random points, C = {CHANNELS}")
    for size, least in SIZES.items():
        for moving in (False, True):
            _compare(result, size, moving, device, copy, least if device == "cpu" else None)
    return result


def _compare(result: Table, size: int, moving: bool, device: str, copy: float, least: float | None) -> None:
    """`moving`: with gradients of the points as well."""
    generator = torch.Generator().manual_seed(0)
    points = (torch.rand(POINTS, 3, generator=generator) * 2 - 1).to(device).requires_grad_(moving)
    grid = torch.randn(size, size, size, CHANNELS, generator=generator).to(device)
    gradient = torch.randn(POINTS, CHANNELS, generator=generator).to(device)
    picture = grid.permute(3, 2, 1, 0)[None].contiguous().requires_grad_()  # the layout that grid_sample wants
    grid.requires_grad_()

    def ours() -> tuple[torch.Tensor, ...]:
        out = voxel_sample(points, grid)
        return torch.autograd.grad(out, [grid, points][: 1 + moving], gradient)

    def theirs() -> tuple[torch.Tensor, ...]:
        out = torch.nn.functional.grid_sample(picture, points[None, None, None], align_corners=True)[0, :, 0, 0].T
        return torch.autograd.grad(out, [picture, points][: 1 + moving], gradient)

    (one, *_), (other, *_) = ours(), theirs()
    if (one - other[0].permute(3, 2, 1, 0)).norm() > 1e-4 * one.norm():
        raise AssertionError("the ways do not agree on the gradient")
    seconds = side_by_side({"ours": ours, "theirs": theirs})
    floor = (2 + moving) * points.nbytes + 3 * grid.nbytes + 2 * gradient.nbytes
    what = f"R = {size}, gradients of grid{' and points' if moving else ''}"
    result.add(f"{what}: grid_sample", 1000 * seconds["theirs"], "ms")
    result.add(f"{what}: ours", 1000 * seconds["ours"], "ms")
    result.add(f"{what}: times faster", seconds["theirs"] / seconds["ours"], "x", least=least)
    result.add(f"{what}: times above the floor", seconds["ours"] * copy / floor, "x")


if __name__ == "__main__":
    device = "cuda" if torch.cuda.is_available() else "cpu"
    table(device, copy_speed(device)).show()
