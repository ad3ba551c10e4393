"""Perspective cameras in the world: metres, radians, Z up, right-handed.

A camera has x to its right and y up, and looks along its -z, as Blender's and OpenGL's do; clip space is that of
`kernels.rasterize`.
"""

from typing import NamedTuple

import torch
from torch import Tensor

# Multiples of the distance to what is looked at: float32 tells depths 2e-6 of it apart, and nothing is cut off.
NEAR, FAR = 0.02, 50


class Cameras(NamedTuple):
    """B cameras."""

    view: Tensor  # (B, 4, 4), world -> camera
    projection: Tensor  # (B, 4, 4), camera -> clip space

    @property
    def to_world(self) -> Tensor:
        """(B, 4, 4), camera -> world: its columns are right, up, back, and where the camera is."""
        turn = self.view[:, :3, :3].mT
        place = -turn @ self.view[:, :3, 3:]
        return torch.cat([torch.cat([turn, place], dim=2), self.view[:, 3:]], dim=1)

    def project(self, vertices: Tensor) -> Tensor:
        """(V, 3), or (B, V, 3) where each camera has its own -> (B, V, 4) in clip space; differentiable."""
        matrix = (self.projection @ self.view).to(vertices)
        return vertices @ matrix[:, :, :3].mT + matrix[:, None, :, 3]


def orbit(
    azimuth: Tensor,
    elevation: Tensor | float,
    distance: Tensor | float,
    fovy: Tensor | float,
    target: Tensor | tuple[float, float, float] = (0.0, 0.0, 0.0),
    aspect: float = 1.0,
) -> Cameras:
    """Cameras around `target` (3,) or (B, 3) that look at it, upright.

    azimuth (B,): 0 is on the side of -Y, Blender's front, and pi/2 on that of +X; elevation above the horizon, pi/2
    too; fovy the angle between the picture's lower and upper edge: each (B,) or one for all. aspect is the picture's
    width / height. Type and device are those of azimuth.
    """
    elevation, distance, fovy = (
        torch.as_tensor(value, dtype=azimuth.dtype, device=azimuth.device).expand_as(azimuth)
        for value in (elevation, distance, fovy)
    )
    target = torch.as_tensor(target, dtype=azimuth.dtype, device=azimuth.device).expand(len(azimuth), 3)
    zero, one = torch.zeros_like(azimuth), torch.ones_like(azimuth)

    sin, cos, rise, flat = azimuth.sin(), azimuth.cos(), elevation.sin(), elevation.cos()
    axes = _rows(
        [cos, sin, zero],  # right
        [-rise * sin, rise * cos, flat],  # up
        [flat * sin, -flat * cos, rise],  # back
    )
    shift = -(axes @ target[:, :, None]) - _rows([zero], [zero], [distance])
    view = torch.cat([torch.cat([axes, shift], dim=2), _rows([zero, zero, zero, one])], dim=1)

    focal = 1 / torch.tan(fovy / 2)
    projection = _rows(
        [focal / aspect, zero, zero, zero],
        [zero, focal, zero, zero],
        [zero, zero, one * (NEAR + FAR) / (NEAR - FAR), distance * (2 * NEAR * FAR / (NEAR - FAR))],
        [zero, zero, -one, zero],
    )
    return Cameras(view, projection)


def look_at(eye: Tensor, target: Tensor, fovy: Tensor | float, aspect: float = 1.0) -> Cameras:
    """Cameras at `eye` (B, 3) that look at `target` (3,) or (B, 3), upright. fovy and aspect as in `orbit`."""
    x, y, z = (eye - target).unbind(dim=1)
    flat = torch.hypot(x, y)
    return orbit(torch.atan2(x, -y), torch.atan2(z, flat), torch.hypot(flat, z), fovy, target, aspect)


def _rows(*rows: list[Tensor]) -> Tensor:
    """(B, rows, columns) from numbers (B,)."""
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
