"""Interpolating 16 attributes forward and backward over 20 480 triangles in 8 views, against torch; and outlines."""

import functools
from collections.abc import Callable

import torch
import trimesh
from torch import Tensor

from kernels.antialias import antialias
from kernels.interpolate import interpolate, interpolate_reference
from kernels.rasterize import Fragments, rasterize
from tests.bench.side_by_side import copy_speed, side_by_side
from tests.bench.table import Table
from tests.learned.scenes import around, perspective, seen

SIDE, VIEWS, CHANNELS = 256, 8, 16


def table(device: str, copy: float) -> Table:
    """`copy` is the machine's own, bytes a second, read and written both counted.

    All ways take attributes that the views share and give gradients to them and to the positions. `antialias` has no
    competitor that may be used: torch has nothing like it.
    """
    mesh = trimesh.creation.icosphere(subdivisions=5)
    scene = seen(mesh.vertices, mesh.faces, around(VIEWS, 3.0), perspective())
    positions, faces = (tensor.to(device) for tensor in scene)
    fragments = rasterize(positions, faces, SIDE, SIDE)
    generator = torch.Generator().manual_seed(0)
    attributes = torch.randn(positions.shape[1], CHANNELS, generator=generator).to(device)
    weight = torch.randn(VIEWS, SIDE, SIDE, CHANNELS, generator=generator).to(device)
    image = weight[..., :3].contiguous()
    for tensor in (attributes, positions, image):
        tensor.requires_grad_()
    ways = {
        "interpolate": _both(interpolate, attributes, positions, faces, fragments, weight),
        "torch, the pixels that see something": _both(
            interpolate_reference, attributes, positions, faces, fragments, weight
        ),
        "torch, all pixels": _both(_all_pixels, attributes, positions, faces, fragments, weight),
        "antialias, 3 channels": _both(antialias, image, positions, faces, fragments, weight[..., :3].contiguous()),
        "antialias, forward": lambda: antialias(image.detach(), positions.detach(), faces, fragments),
    }
    ours, *others = (ways[name]() for name in list(ways)[:3])
    for other in others:
        for got, want in zip(ours, other, strict=True):
            if (got - want).norm() > 1e-3 * want.norm():
                raise AssertionError("the ways do not agree on the gradient")
    seconds = side_by_side(ways)
    title = (
        f"interpolate, forward and backward: {len(faces)} triangles, {VIEWS} x {SIDE} x {SIDE}, {CHANNELS} attributes"
    )
    result = Table(f"{title}, {device}")
    result.add("interpolate", 1000 * seconds["interpolate"], "ms")
    for name in list(ways)[1:3]:
        least = 10 if device == "cpu" else None
        result.add(f"times faster than {name}", seconds[name] / seconds["interpolate"], "x", least=least)
    # forward reads triangles, attributes, positions and faces and writes the picture; backward reads all of that, the
    # picture's gradient in the picture's place, and writes the two gradients
    read = fragments.triangle.nbytes + attributes.nbytes + positions.nbytes + faces.nbytes
    moved = 2 * (read + weight.nbytes) + attributes.nbytes + positions.nbytes
    result.add("floor: all input and output moved once each way", 1000 * moved / copy, "ms")
    result.add("times above the floor", seconds["interpolate"] / (moved / copy), "x")
    for name in list(ways)[3:]:
        result.add(name, 1000 * seconds[name], "ms")
    # forward: image read and written, triangles, depths and positions read; backward: gradient read and written
    moved = 4 * image.nbytes + fragments.triangle.nbytes + fragments.depth.nbytes + 2 * positions.nbytes
    result.add("antialias: times above the floor", seconds["antialias, 3 channels"] / (moved / copy), "x")
    return result


def _both(operation: Callable, values: Tensor, positions: Tensor, faces: Tensor, fragments: Fragments, weight: Tensor):
    """The operation, and its gradients for this weight of its picture."""
    forward = functools.partial(operation, values, positions, faces, fragments)
    return lambda: torch.autograd.grad(forward(), (values, positions), weight)


def _all_pixels(attributes: Tensor, positions: Tensor, faces: Tensor, fragments: Fragments) -> Tensor:
    """How it is mostly written in torch: gather the corners at every pixel, background too, and mask in the end."""
    views, height, width = fragments.triangle.shape
    corners = faces.long()[fragments.triangle.clamp(min=0).long()]  # (B, height, width, 3)
    q = positions[torch.arange(views, device=positions.device)[:, None, None, None], corners][..., [0, 1, 3]]
    y = 1 - (2 * torch.arange(height, device=positions.device) + 1) / height
    x = (2 * torch.arange(width, device=positions.device) + 1) / width - 1
    u = q[..., :2] - torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[:, :, None] * q[..., 2:]
    v, w = u.roll(-1, dims=-2), u.roll(-2, dims=-2)
    e = v[..., 0] * w[..., 1] - v[..., 1] * w[..., 0]
    b = e / e.sum(dim=-1, keepdim=True)
    seen = (fragments.triangle >= 0)[..., None]
    return torch.einsum("bhwk,bhwkc->bhwc", torch.where(seen, b, 0), attributes[corners])


if __name__ == "__main__":
    table("cpu", copy_speed()).show()
