"""The rays that the pixels of a camera look along: metres, Z up, of the same pixels as `kernels.rasterize`."""

from typing import NamedTuple

import torch
from torch import Tensor

from backend.render.cameras import Cameras
from kernels.rasterize import pixel_centres


class Rays(NamedTuple):
    """One for each pixel of B pictures, row 0 at the top; what they see lies at origin + t direction."""

    origin: (
        Tensor  # (B, height, width, 3), on the camera's own plane: where it stands, or the pixel's place beside that
    )
    direction: Tensor  # (B, height, width, 3), of length 1
    begin: Tensor  # (B, height, width) metres, the camera's near plane
    end: Tensor  # (B, height, width) metres, its far plane


def rays(cameras: Cameras, height: int, width: int) -> Rays:
    """Through the pixels' centres. Type and device are the cameras'.

    What a pixel (u, v) in clip space sees fulfils two equations, (P_0 - u P_3) q = 0 and (P_1 - v P_3) q = 0 with the
    rows P_i of the projection and a point q = (x, y, z, 1) before the camera. They are solved for x and y at z = 0,
    and for how x and y change as z falls: no inverse of the projection, whose depth float32 has few digits for.
    """
    view, projection = cameras
    u, v = (centres.to(view) for centres in pixel_centres(height, width))
    pixel = torch.stack(torch.broadcast_tensors(u, v[:, None]), dim=2)[..., None]  # (height, width, 2, 1)
    rows = projection[:, None, None, :2] - pixel * projection[:, None, None, 3:]  # (B, height, width, 2, 4)
    origin = _solved(rows[..., :2], -rows[..., 3])
    direction = _solved(rows[..., :2], rows[..., 2])
    origin = torch.cat([origin, torch.zeros_like(origin[..., :1])], dim=3)
    direction = torch.cat([direction, -torch.ones_like(direction[..., :1])], dim=3)

    direction = direction / direction.norm(dim=3, keepdim=True)
    before, beyond = (projection[:, 3] + sign * projection[:, 2] for sign in (1, -1))  # w + z >= 0, w - z >= 0
    begin, end = clipped(
        torch.stack([_at(plane, origin, 1) for plane in (before, beyond)], dim=3),
        torch.stack([_at(plane, direction, 0) for plane in (before, beyond)], dim=3),
        torch.full_like(origin[..., 0], -torch.inf),
        torch.full_like(origin[..., 0], torch.inf),
    )
    to_world = cameras.to_world
    turn, place = to_world[:, :3, :3].mT, to_world[:, None, :3, 3]
    origin, direction = (each.flatten(1, 2) @ turn for each in (origin, direction))
    return Rays(*((each.unflatten(1, (height, width))) for each in (origin + place, direction)), begin, end)


def in_cube(rays: Rays, radius: float) -> tuple[Tensor, Tensor]:
    """From where to where a ray is in [-radius, radius]^3, metres (B, height, width); an end at its begin: nowhere."""
    value = torch.cat([radius + rays.origin, radius - rays.origin], dim=3)
    begin, end = clipped(value, torch.cat([rays.direction, -rays.direction], dim=3), rays.begin, rays.end)
    return begin, torch.maximum(begin, end)


def clipped(value: Tensor, slope: Tensor, begin: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """The part of begin ... end (...,) in which value + t slope >= 0 for all of (..., conditions)."""
    crossing = -value / slope
    begins = torch.where(slope > 0, crossing, -torch.inf).amax(dim=-1)
    ends = torch.where(slope < 0, crossing, torch.inf).amin(dim=-1)
    never = ((slope == 0) & (value < 0)).any(dim=-1)
    begin = torch.maximum(begin, begins)
    return begin, torch.where(never, begin, torch.minimum(end, ends))


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    """matrix (..., 2, 2) times what comes back (..., 2) is right (..., 2)."""
    (a, b), (c, d) = (row.unbind(dim=-1) for row in matrix.unbind(dim=-2))
    p, q = right.unbind(dim=-1)
    return torch.stack([d * p - b * q, a * q - c * p], dim=-1) / (a * d - b * c)[..., None]


def _at(plane: Tensor, vectors: Tensor, w: float) -> Tensor:
    """plane (B, 4) at vectors (B, height, width, 3), their fourth number being w."""
    return (plane[:, None, None, :3] * vectors).sum(dim=3) + w * plane[:, None, None, 3]
