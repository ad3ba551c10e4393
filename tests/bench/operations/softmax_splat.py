"""Splatting 64 channels of 512 x 512 pixels, forward and backward to all three inputs, against torch's two ways."""

from collections.abc import Callable

import torch
from torch import Tensor

from kernels.softmax_splat import softmax_splat
from tests.bench.side_by_side import copy_speed, side_by_side
from tests.bench.table import Table

CHANNELS, SIDE = 64, 512


def table(device: str, copy: float) -> Table:
    """`copy` is the machine's own, bytes a second, read and written both counted. One table, two flows.

    The smooth flow is that of moving things, in which neighbours stay neighbours; the rough one sends every pixel up to
    a dozen pixels away on its own, which is harder on a cache. The two take their turns together, and not one after
    the other: first touch of new pictures, of which every call makes two, costs Linux 4 ms or 90 for the same numbers
    and as many page faults, and stays at one or the other for several calls.
    """
    generator = torch.Generator().manual_seed(0)
    image, gradient = (torch.randn(1, CHANNELS, SIDE, SIDE, generator=generator).to(device) for _ in range(2))
    metric = torch.randn(1, 1, SIDE, SIDE, generator=generator).to(device)
    coarse = torch.randn(1, 2, SIDE // 32, SIDE // 32, generator=generator)
    flows = {
        "smooth": torch.nn.functional.interpolate(4 * coarse, (SIDE, SIDE), mode="bicubic").to(device),
        "rough": 4 * torch.randn(1, 2, SIDE, SIDE, generator=generator).to(device),
    }
    result = Table(f"softmax_splat: {CHANNELS} channels, {SIDE} x {SIDE} pixels, forward + backward, {device}")
    splats = {"ours": _ours, "scatter_add": by_scatter_add, "index_add": by_index_add}
    ways = {
        f"{kind} {name}": _round(splat, image, flow, metric, gradient)
        for kind, flow in flows.items()
        for name, splat in splats.items()
    }
    for kind, flow in flows.items():
        _alike([ways[f"{kind} {name}"] for name in splats], softmax_splat(image, flow, metric).covered, kind)
    every = side_by_side(ways)
    for kind, flow in flows.items():
        seconds = {name: every[f"{kind} {name}"] for name in splats}
        result.add(f"softmax_splat, {kind} flow", 1000 * seconds["ours"], "ms")
        result.add("  scatter_add on CHW", 1000 * seconds["scatter_add"], "ms")
        result.add("  index_add on HWC", 1000 * seconds["index_add"], "ms")
        best = min(seconds["scatter_add"], seconds["index_add"])
        result.add("  times faster than the better", best / seconds["ours"], "x", least=1.8)
        # forward: image, flow and metric read, the result written; backward: the three and the incoming gradient read,
        # three gradients written. The result is not needed again, and what is written is not counted as read.
        moved = 5 * image.nbytes + 3 * (flow.nbytes + metric.nbytes)
        result.add("  floor: its input and output moved once each way", 1000 * moved / copy, "ms")
        result.add("  times above the floor", seconds["ours"] / (moved / copy), "x")
    return result


def _ours(image: Tensor, flow: Tensor, metric: Tensor) -> Tensor:
    return softmax_splat(image, flow, metric).image


def by_scatter_add(image: Tensor, flow: Tensor, metric: Tensor) -> Tensor:
    """As it lies: (C + 1, H W) summed by column, the last row being the weights."""
    weighted = torch.cat([image * metric.exp(), metric.exp()], dim=1).flatten(2)
    sums = torch.zeros_like(weighted)
    for corner, footprint in _corners(flow):
        sums.scatter_add_(2, corner[:, None].expand_as(weighted), weighted * footprint[:, None])
    return (sums[:, :-1] / sums[:, -1:].clamp_min(1e-7)).view(image.shape)


def by_index_add(image: Tensor, flow: Tensor, metric: Tensor) -> Tensor:
    """Turned round: (H W, C + 1) summed by row."""
    views, channels, height, width = image.shape
    weighted = torch.cat([image * metric.exp(), metric.exp()], dim=1).permute(0, 2, 3, 1).reshape(-1, channels + 1)
    sums = torch.zeros_like(weighted)
    first = torch.arange(views, device=image.device)[:, None] * height * width
    for corner, footprint in _corners(flow):
        sums.index_add_(0, (first + corner).flatten(), weighted * footprint.reshape(-1, 1))
    return (sums[:, :-1] / sums[:, -1:].clamp_min(1e-7)).view(views, height, width, channels).permute(0, 3, 1, 2)


def _corners(flow: Tensor):
    """For each of the four: index (B, H W) of its pixel, and its share (B, H W), 0 outside the picture."""
    height, width = flow.shape[2:]
    y, x = torch.meshgrid(*(torch.arange(n, device=flow.device) for n in (height, width)), indexing="ij")
    column, line = x + flow[:, 0], y + flow[:, 1]
    left, top = column.detach().floor(), line.detach().floor()
    for k in range(4):
        i, j = left + (k & 1), top + (k >> 1)
        inside = (i >= 0) & (i < width) & (j >= 0) & (j < height)
        footprint = (1 - (column - i).abs()) * (1 - (line - j).abs())
        corner = torch.where(inside, j * width + i, 0).long()
        yield corner.flatten(1), torch.where(inside, footprint, 0).flatten(1)


def _round(splat: Callable, image: Tensor, flow: Tensor, metric: Tensor, gradient: Tensor) -> Callable:
    inputs = [tensor.clone().requires_grad_() for tensor in (image, flow, metric)]

    def forward_and_backward() -> tuple[Tensor, ...]:
        result = splat(*inputs)
        return result.detach(), *torch.autograd.grad(result, inputs, gradient)

    return forward_and_backward


def _alike(ways: list[Callable], covered: Tensor, kind: str) -> None:
    """The three do the same; ours alone is well conditioned where a pixel is hardly hit, so medians are compared."""
    ours, *others = (way() for way in ways)
    for other in others:
        for mine, theirs in zip(ours, other, strict=True):
            off = ((mine - theirs).abs() * covered).median() / theirs.abs().median()
            if off > 1e-4:
                raise AssertionError(f"torch's way and ours differ by {off:.1e} on the {kind} flow")


if __name__ == "__main__":
    table("cpu", copy_speed()).show()
