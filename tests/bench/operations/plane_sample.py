"""plane_sample against six grid_samples, the usual way to write it: forward and backward, one million points.

The floor counts every number once. Forward reads points and planes and writes the features; backward reads points,
planes and the features' gradient, and writes the gradients of planes and points. That much must move, however large
the caches are.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from kernels.morton import morton_order
from kernels.plane_sample import AXES, SORT_FROM, plane_sample
from tests.bench.side_by_side import copy_speed, side_by_side
from tests.bench.table import Table

POINTS, FEATURES = 1_000_000, 32
UNSORTED = {64: 3.8, 128: 4.5, 256: 3.6}  # promised, by the samples along a side
SORTED = {256: 5.0}  # promised, the sorting counted
ROUNDS = 3  # grid_sample takes seconds


def table(device: str, copy: float) -> Table:
    """`copy`: bytes a second, as `copy_speed` has it."""
    result = Table(f"plane_sample on {device}: forward and backward of 1M random points, six planes, F = {FEATURES}")
    for size in UNSORTED:
        _compare(result, f"R = {size}", device, copy, "product", (size,), UNSORTED[size], SORTED.get(size))
    _compare(result, "R = 128, sum", device, copy, "sum", (128,))
    _compare(result, "R = 64, 128, 256 side by side", device, copy, "product", tuple(UNSORTED))
    points = _points(device)
    seconds = side_by_side({"order": lambda: morton_order(points)}, ROUNDS)["order"]
    result.add("once a batch: the Morton order alone", 1000 * seconds, "ms")
    return result


def _compare(
    result: Table,
    what: str,
    device: str,
    copy: float,
    fuse: str,
    sizes: tuple[int, ...],
    unsorted_least: float | None = None,
    sorted_least: float | None = None,
) -> None:
    """Rows for the points as they come, and for sorted ones where planes are so large that plane_sample sorts them."""
    points, as_they_come = _points(device).requires_grad_(), torch.arange(POINTS, device=device)
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

    def ours(order: Tensor | None) -> tuple[Tensor, ...]:
        return _gradients(plane_sample(points, levels, fuse, order), points, levels, gradient)

    def theirs() -> tuple[Tensor, ...]:
        return _gradients(_grid_samples(points, pictures, fuse), points, pictures, gradient)

    planes_bytes = sum(plane.nbytes for planes in levels for plane in planes.values())
    ways = {"unsorted": lambda: ours(as_they_come)}
    if device == "cpu" and planes_bytes >= SORT_FROM:
        ways["sorted, the sorting counted"] = lambda: ours(None)
    seconds = side_by_side({**ways, "theirs": theirs}, ROUNDS)
    floor = 3 * (points.nbytes + planes_bytes) + 2 * gradient.nbytes
    result.add(f"{what}: six grid_samples", 1000 * seconds["theirs"], "ms")
    result.add(f"{what}: floor", 1000 * floor / copy, "ms")
    for way, least in zip(ways, (unsorted_least, sorted_least), strict=False):
        result.add(f"{what}, {way}: ours", 1000 * seconds[way], "ms")
        result.add(f"{what}, {way}: times faster", seconds["theirs"] / seconds[way], "x", least=least)
        result.add(f"{what}, {way}: times above the floor", seconds[way] * copy / floor, "x")


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
