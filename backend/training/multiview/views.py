"""Views of a thing from all sides, by the cameras that see what is distilled from it: `backend.render.orbits`.

Before white, in a light from above that stays where it is when the camera goes around; antialiased.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.render.cameras import Cameras
from backend.render.orbits import RADIUS
from backend.training.multiview.things import Thing
from backend.training.shading import encoded, normals
from kernels.interpolate import interpolate
from kernels.rasterize import rasterize

FINER = 3  # samples along each side of a pixel
EMBER = 1.5  # how bright what glows is, in its own colour


@dataclass(frozen=True)
class Light:
    """What comes from above, and what from below, times an albedo."""

    above: float = 1.05
    below: float = 0.45

    @classmethod
    def somewhere(cls, rng: np.random.Generator) -> Self:
        return cls(rng.uniform(0.95, 1.15), rng.uniform(0.35, 0.55))


def seen(thing: Thing, cameras: Cameras, side: int, light: Light) -> NDArray[np.uint8]:
    """(B, 3, side, side) sRGB of a thing that is made as large as RADIUS."""
    points = RADIUS * thing.points
    eyes = cameras.to_world[:, None, :3, 3].double().numpy()
    normal = normals(points, thing.faces)
    away = eyes - points
    facing = (away * normal).sum(axis=2, keepdims=True) / np.linalg.norm(away, axis=2, keepdims=True)
    # (B, V, 1): leaves have two sides. Of a body one sees a little that faces away, at its outline, and it is not that.
    up = np.clip(1 + 4 * facing, -1, 1) * normal[:, 2:]
    lit = light.below + (light.above - light.below) * (0.5 + 0.5 * up) + EMBER * thing.emission[:, None]
    colours = torch.from_numpy((thing.albedo * lit).astype(np.float32))
    return encoded(filtered(colours, cameras.project(torch.from_numpy(points)).float(), thing.faces, side))


def filtered(colours: Tensor, clip: Tensor, faces: NDArray[np.int32], side: int) -> NDArray[np.uint8]:
    """(B, 3, side, side) linear, of colours (B, V, 3) at places (B, V, 4) in clip space, before white."""
    faces = torch.from_numpy(faces)
    found = rasterize(clip, faces, FINER * side, FINER * side)
    fine = interpolate(colours, clip, faces, found)
    fine = torch.where((found.triangle >= 0)[..., None], fine, 1.0).clamp(0, 1)
    parts = fine.reshape(len(clip), side, FINER, side, FINER, 3).mean(dim=(2, 4))
    return np.ascontiguousarray(parts.numpy().transpose(0, 3, 1, 2))
