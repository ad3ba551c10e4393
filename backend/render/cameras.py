"""Cameras in the world: metres, radians, Z up, right-handed.

A camera has x to its right and y up, and looks along its -z, as Blender's and OpenGL's do; clip space is that of
`kernels.rasterize`.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
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
    width / height. Type and device are those of azimuth; whole numbers are taken as floats.
    """
    azimuth = _floating(azimuth)
    elevation, distance, fovy = (_numbers(value, azimuth) for value in (elevation, distance, fovy))
    zero, sin, cos = torch.zeros_like(azimuth), azimuth.sin(), azimuth.cos()
    rise, flat = elevation.sin(), elevation.cos()
    axes = _rows(
        [cos, sin, zero],  # right
        [-rise * sin, rise * cos, flat],  # up
        [flat * sin, -flat * cos, rise],  # back
    )
    return _cameras(axes, distance, fovy, target, aspect)


def look_at(
    eye: Tensor, target: Tensor | tuple[float, float, float], fovy: Tensor | float, aspect: float = 1.0
) -> Cameras:
    """Cameras at `eye` (B, 3) that look at `target` (3,) or (B, 3), upright. fovy and aspect as in `orbit`.

    Straight above and below, where every turn is upright, right is +X, and the slope is that of a camera which tilts
    without turning about the axis it looks along.
    """
    eye = _floating(eye)
    away = eye - torch.as_tensor(target, dtype=eye.dtype, device=eye.device)
    distance = away.norm(dim=1)
    back = away / distance[:, None]
    x, y, z = back.unbind(dim=1)
    level = torch.stack([-y, x, torch.zeros_like(z)], dim=1)
    tilted = torch.stack([1 - x * x, -x * y, -x * z], dim=1)  # +X, without its part along back
    above = x * x + y * y < torch.finfo(eye.dtype).eps ** 2  # or below: nearer to the axis than rounding can tell
    right = torch.where(above[:, None], tilted, level)
    right = right / right.norm(dim=1, keepdim=True)
    axes = torch.stack([right, torch.linalg.cross(back, right), back], dim=1)
    return _cameras(axes, distance, _numbers(fovy, distance), target, aspect)


def pinhole(
    view: ArrayLike, focal: float, principal: tuple[float, float], size: tuple[int, int], near: float, far: float
) -> Cameras:
    """One camera of a `view` (4, 4), world -> camera. In a picture of `size`, height and width, its focal length is
    `focal` pixels, and it looks at the point `principal`, x to the right and y down in pixels from the upper left
    corner. What is nearer than `near` metres or farther than `far` is not seen.
    """
    (sx, x), (sy, y) = _placing(focal, principal, size)
    z, offset = (near + far) / (near - far), 2 * near * far / (near - far)
    return _one(view, [[sx, 0, -x, 0], [0, sy, -y, 0], [0, 0, z, offset], [0, 0, -1, 0]])


def parallel(
    view: ArrayLike, scale: float, principal: tuple[float, float], size: tuple[int, int], near: float, far: float
) -> Cameras:
    """One orthographic camera, of `scale` pixels a metre; all else as in `pinhole`."""
    (sx, x), (sy, y) = _placing(scale, principal, size)
    z, offset = 2 / (near - far), (near + far) / (near - far)
    return _one(view, [[sx, 0, 0, x], [0, sy, 0, y], [0, 0, z, offset], [0, 0, 0, 1]])


def _placing(scale: float, principal: tuple[float, float], size: tuple[int, int]) -> list[tuple[float, float]]:
    """For x and for y: clip units of `scale` pixels, and where the principal point is in clip space."""
    (x, y), (height, width) = principal, size
    return [(2 * scale / width, 2 * x / width - 1), (2 * scale / height, 1 - 2 * y / height)]


def _one(view: ArrayLike, projection: list[list[float]]) -> Cameras:
    return Cameras(*(torch.as_tensor(np.asarray(matrix, np.float64))[None] for matrix in (view, projection)))


def _cameras(
    axes: Tensor, distance: Tensor, fovy: Tensor, target: Tensor | tuple[float, float, float], aspect: float
) -> Cameras:
    """From the rows right, up and back (B, 3, 3), and (B,) how far behind the target the camera is."""
    zero, one = torch.zeros_like(distance), torch.ones_like(distance)
    target = torch.as_tensor(target, dtype=axes.dtype, device=axes.device).expand(len(axes), 3)
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


def _floating(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_floating_point() else tensor.to(torch.get_default_dtype())


def _numbers(value: Tensor | float, like: Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=like.dtype, device=like.device).expand_as(like)


def _rows(*rows: list[Tensor]) -> Tensor:
    """(B, rows, columns) from numbers (B,)."""
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
