"""Volume rendering along rays: emission and absorption, summed up from front to back."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from backend.fields import Field, Sparse
from backend.render.cameras import Cameras
from backend.render.rays import in_cube, rays


class Composite(NamedTuple):
    """What R rays gather."""

    colour: Tensor  # (R, C), on black: add (1 - opacity) * background
    opacity: Tensor  # (R,), the share of the background that is hidden, in [0, 1]
    depth: Tensor  # (R,), metres times opacity: divided by opacity it is where the ray ends on the average


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
        hit = (end > begin).flatten().nonzero()[:, 0]
        begin, end, origin, direction = (
            each.flatten(0, 2)[hit] for each in (begin, end, pixels.origin, pixels.direction)
        )
        cuts = torch.linspace(0, 1, samples + 1, dtype=begin.dtype, device=begin.device)
        edges = torch.lerp(begin[:, None], end[:, None], cuts)
        share = 0.5
        if generator is not None:  # for all pixels: which rays hit, rounding decides, and that may differ on a GPU
            share = torch.rand(len(cameras.view) * height * width, samples, generator=generator).to(edges)[hit]
        along = edges[:, :-1] + share * edges.diff()
        points = (origin[:, None] + along[..., None] * direction[:, None]).flatten(0, 1)
        there = None
        if isinstance(field, Sparse):
            there = field.occupied(points).nonzero()[:, 0]
            there = None if len(there) == len(points) else there
        ray = torch.arange(len(points), device=points.device) if there is None else there
        points, ray = points[ray], ray // samples

    if light is None and not normals:
        found, extra = field(points), []
    else:
        found, facing = field.facing(points)
        towards = (facing * direction[ray].to(facing)).sum(dim=1)
        extra = [facing, towards.clamp(min=0).square()[:, None]]
        if light is not None:
            found = found._replace(colour=_lit(found.colour, points, facing, light, hit[ray] // (height * width)))

    everywhere = _spread(torch.cat([found.density[:, None], found.colour, *extra], dim=1), there, len(hit) * samples)
    everywhere = everywhere.unflatten(0, (len(hit), samples))
    seen = composite(everywhere[..., 0], everywhere[..., 1:7], edges.to(everywhere))
    rows = [seen.opacity[:, None], seen.depth[:, None], seen.colour]
    if extra:
        weights = weigh(everywhere[..., 0].detach(), edges.to(everywhere))
        rows.append((weights * everywhere[..., 7]).sum(dim=1)[:, None])
    whole = len(cameras.view), height, width
    rows = _spread(torch.cat(rows, dim=1), hit, len(cameras.view) * height * width).unflatten(0, whole)
    opacity = rows[..., 0]
    on = torch.as_tensor(background, dtype=rows.dtype, device=rows.device)
    return Picture(
        image=rows[..., 2:5] + (1 - opacity[..., None]) * on,
        opacity=opacity,
        depth=rows[..., 1],
        normals=rows[..., 5:8] if extra else None,
        away=rows[..., 8] if extra else None,
    )


def composite(density: Tensor, colour: Tensor, edges: Tensor) -> Composite:
    """density (R, S) in 1/metre and colour (R, S, C) of the S intervals between edges (R, S + 1) or (S + 1,), metres.

    With the interval's length d_i, its middle m_i and what of the light comes through to it,
        T_i = exp(-sum_{j<i} density_j d_j),   w_i = T_i (1 - exp(-density_i d_i)),
        colour = sum_i w_i colour_i,   opacity = sum_i w_i,   depth = sum_i w_i m_i.
    That is exact where density and colour are constant in each interval, and depth in the limit of short ones.
    Max, "Optical models for direct volume rendering", TVCG 1995; Mildenhall et al., "NeRF", ECCV 2020, section 4.
    """
    weights = weigh(density, edges)
    middles = (edges[..., 1:] + edges[..., :-1]) / 2
    return Composite(
        colour=torch.einsum("rs,rsc->rc", weights, colour),
        opacity=weights.sum(dim=1),
        depth=(weights * middles).sum(dim=1),
    )


def weigh(density: Tensor, edges: Tensor) -> Tensor:
    """(R, S): the shares w_i of `composite`.

    The sum in the exponent takes the place of NeRF's running product, which is slower, and whose gradient divides by
    factors that may be zero.
    """
    thickness = density * edges.diff()
    # shifted by one and not thickness subtracted again: behind a wall 1e30 thick that would leave nothing of the sum
    before = functional.pad(thickness[..., :-1].cumsum(dim=-1), (1, 0))
    return torch.exp(-before) * -torch.expm1(-thickness)


def _lit(albedo: Tensor, points: Tensor, facing: Tensor, light: Light, view: Tensor) -> Tensor:
    """albedo (M, 3) at points (M, 3) that are facing (M, 3), each in one view (M,)."""
    place, diffuse = (each.to(albedo)[view] for each in (light.place, light.diffuse))
    to_lamp = functional.normalize(place - points.to(albedo), dim=1)
    shade = 1 - diffuse + diffuse * (facing * to_lamp).sum(dim=1).clamp(min=0)
    return shade[:, None].expand(-1, 3) if light.plain else albedo * shade[:, None]


def _spread(rows: Tensor, index: Tensor | None, count: int) -> Tensor:
    """(count, C): rows (M, C) where index (M,) says, and 0 elsewhere; index None is all in turn."""
    if index is None or len(index) == count:
        return rows
    return rows.new_zeros(count, rows.shape[1]).index_copy(0, index, rows)
