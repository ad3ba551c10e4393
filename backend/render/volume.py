"""Fields as cameras see them: asked along the rays, and summed up by `kernels.composite`."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from backend.fields import Field, Sparse
from backend.render.cameras import Cameras
from backend.render.rays import in_cube, rays
from kernels.composite import composite
from kernels.march import march


class Light(NamedTuple):
    """A lamp for each of B views: albedo (1 - diffuse + diffuse max(n . l, 0)), from a normal n and l to the lamp."""

    place: Tensor  # (B, 3) metres
    diffuse: Tensor  # (B,) in [0, 1]: 0 is albedo alone, at 1 what is turned away from the lamp is black
    plain: bool = False  # is all matter white? Then the shape alone has to carry what is seen


class Picture(NamedTuple):
    """B views, row 0 at the top."""

    image: Tensor  # (B, height, width, 3) in [0, 1], on the background
    opacity: Tensor  # (B, height, width), the share of the background that is hidden, in [0, 1]
    depth: Tensor  # (B, height, width), metres from the camera, along the ray and not its axis, times opacity
    normals: Tensor | None  # (B, height, width, 3), in the world, their mean times opacity; where asked for
    away: Tensor | None  # (B, height, width), the share seen that faces away: weights times max(n . direction, 0)^2


def render(
    field: Field,
    cameras: Cameras,
    height: int,
    width: int,
    samples: int,
    background: Tensor | float = 0.0,
    generator: torch.Generator | None = None,
    light: Light | None = None,
    normals: bool = False,
) -> Picture:
    """A field as B cameras see it, each ray cut into `samples` equal intervals between the walls of the field's cube.

    The field is asked once in each interval: at random with a generator, which is one of the CPU for any device, and
    in the middle without. background is one number, (3,), or what broadcasts to (B, height, width, 3). With light,
    or where normals are asked for, the field must offer `facing`. Gradients reach the field, the background and the
    light, not the cameras.

    What the field knows to be empty is not asked for, which changes nothing: that has no density.

    `away` is for the loss of Verbin et al., "Ref-NeRF", CVPR 2022, which DreamFusion and MVDream have with shading;
    as theirs does it turns normals, and leaves densities alone.
    """
    with torch.no_grad():
        pixels = rays(cameras, height, width)
        begin, end = in_cube(pixels, field.radius)
        kind = torch.float32 if begin.is_cuda else begin.dtype  # the kernels for CUDA know no other
        origin, direction, begin, end = (
            each.flatten(0, 2).to(kind) for each in (pixels.origin, pixels.direction, begin, end)
        )
        share = None
        if generator is not None:  # for all pixels: which rays hit, rounding decides, and that may differ on a GPU
            share = torch.rand(len(begin), samples, generator=generator).to(begin)
        cells = field.cells if isinstance(field, Sparse) else None
        points, intervals, starts = march(origin, direction, begin, end, samples, share, cells, field.radius)
        pixel = torch.repeat_interleave(starts.diff()) if light is not None or normals else None

    if light is None and not normals:
        found = field(points)
        features = found.colour
    else:
        found, facing = field.facing(points)
        colour = found.colour
        if light is not None:
            colour = _lit(colour, points, facing, light, pixel // (height * width))
        features = torch.cat([colour, facing], dim=1)

    density, intervals = found.density.to(features), intervals.to(features)
    whole = len(cameras.view), height, width
    gathered, opacity, depth = (each.unflatten(0, whole) for each in composite(density, features, intervals, starts))
    on = torch.as_tensor(background, dtype=opacity.dtype, device=opacity.device)
    image = gathered[..., :3] + (1 - opacity[..., None]) * on
    if pixel is None:
        return Picture(image, opacity, depth, None, None)
    towards = (facing * direction[pixel].to(facing)).sum(dim=1)
    away = composite(density.detach(), towards.clamp(min=0).square()[:, None], intervals, starts).features
    return Picture(image, opacity, depth, gathered[..., 3:], away[:, 0].unflatten(0, whole))


def _lit(albedo: Tensor, points: Tensor, facing: Tensor, light: Light, view: Tensor) -> Tensor:
    """albedo (M, 3) at points (M, 3) that are facing (M, 3), each in one view (M,)."""
    place, diffuse = (each.to(albedo)[view] for each in (light.place, light.diffuse))
    to_lamp = functional.normalize(place - points.to(albedo), dim=1)
    shade = 1 - diffuse + diffuse * (facing * to_lamp).sum(dim=1).clamp(min=0)
    return shade[:, None].expand(-1, 3) if light.plain else albedo * shade[:, None]
