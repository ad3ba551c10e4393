"""plane_sample against six grid_samples, the usual way to write it: forward and backward, one million points.

The floor counts every number once. Forward reads points and planes and writes the features; backward reads points,
planes and the features' gradient, and writes the gradients of planes and points. That much must move, however large
the caches are.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from kernels.plane_sample import AXES, morton_order, plane_sample
from tests.bench.side_by_side import copy_speed, side_by_side
from tests.bench.table import Table

POINTS, FEATURES = 1_000_000, 32
PROMISED = {64: 3.8, 128: 4.5, 256: 3.6}
PROMISED_SORTED = 5.0  # at 256, the sorting counted in
ROUNDS = 3  # grid_sample takes seconds


def table(device: str, copy: float) -> Table:
    """`copy`: bytes a second, as `copy_speed` has it."""
    result = Table(f"plane_sample on {device}: forward and backward of 1M random points, six planes, F = {FEATURES}")
    for size, least in PROMISED.items():
        _compare(result, f"R = {size}", device, copy, "product", (size,), least)
    _compare(result, "R = 256, sorted by the caller", device, copy, "product", (256,), PROMISED_SORTED, by_caller=True)
    _compare(result, "R = 128, sum", device, copy, "sum", (128,))
    _compare(result, "R = 64, 128, 256 side by side", device, copy, "product", tuple(PROMISED))
    points = _points(device)
    seconds = side_by_side({"order": lambda: morton_order(points)}, ROUNDS)["order"]
    result.add("sorting alone", 1000 * seconds, "ms")
    return result


def _compare(
    result: Table,
    what: str,
    device: str,
    copy: float,
    fuse: str,
    sizes: tuple[int, ...],
    least: float | None = None,
    by_caller: bool = False,
) -> None:
    points = _points(device).requires_grad_()
    generator = torch.Generator().manual_seed(1)
    levels = [
        {name: (1 + 0.3 * torch.randn(size, size, FEATURES, generator=generator)).to(device) for name in AXES}
        for size in sizes
    ]
    # the layout that grid_sample wants: (1, F, samples along the second axis, samples along the first)
    pictures = [
        {name: plane.permute(2, 1, 0)[None].contiguous().requires_grad_() for name, plane in planes.items()}
        for planes in levels
    ]
    for planes in levels:
        for plane in planes.values():
            plane.requires_grad_()
    gradient = torch.randn(POINTS, len(sizes) * FEATURES, generator=generator).to(device)

    def ours() -> tuple[Tensor, ...]:
        order = morton_order(points) if by_caller else None
        return _gradients(plane_sample(points, levels, fuse, order), points, levels, gradient)

    def theirs() -> tuple[Tensor, ...]:
        return _gradients(_grid_samples(points, pictures, fuse), points, pictures, gradient)

    seconds = side_by_side({"ours": ours, "theirs": theirs}, ROUNDS)
    planes_bytes = sum(plane.nbytes for planes in levels for plane in planes.values())
    floor = 3 * (points.nbytes + planes_bytes) + 2 * gradient.nbytes
    result.add(f"{what}: ours", 1000 * seconds["ours"], "ms")
    result.add(f"{what}: six grid_samples", 1000 * seconds["theirs"], "ms")
    result.add(f"{what}: times faster", seconds["theirs"] / seconds["ours"], "x", least=least)
    result.add(f"{what}: floor", 1000 * floor / copy, "ms")
    result.add(f"{what}: times above the floor", seconds["ours"] * copy / floor, "x")


def _points(device: str) -> Tensor:
    return (torch.rand(POINTS, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1).to(device)


def _gradients(out: Tensor, points: Tensor, levels: list[dict[str, Tensor]], gradient: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(out, [points, *(plane for planes in levels for plane in planes.values())], gradient)


def _grid_samples(points: Tensor, levels: list[dict[str, Tensor]], fuse: str) -> Tensor:
    combine: Callable = torch.mul if fuse == "product" else torch.add
    features = []
    for planes in levels:
        fused = None
        for name, picture in planes.items():
            u, v = AXES[name]
            sampled = torch.nn.functional.grid_sample(
                picture, points[None, None][..., [u, v][::-1]], align_corners=True, padding_mode="border"
            )[0, :, 0]
            fused = sampled if fused is None else combine(fused, sampled)
        features.append(fused)
    return torch.cat(features).T


if __name__ == "__main__":
    device = "cuda" if torch.cuda.is_available() else "cpu"
    table(device, copy_speed(device)).show()
