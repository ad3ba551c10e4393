"""Pictures of meshes that are differentiable in what is seen and in where it lies."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from kernels.antialias import antialias
from kernels.interpolate import interpolate
from kernels.rasterize import Fragments, rasterize


class Picture(NamedTuple):
    """B views, row 0 at the top."""

    image: Tensor  # (B, height, width, C), on the background
    coverage: Tensor  # (B, height, width), the share of the pixel that the mesh covers, in [0, 1]


def render(
    attributes: Tensor,
    positions: Tensor,
    faces: Tensor,
    height: int,
    width: int,
    background: Tensor | float = 0.0,
    rasterizer: Callable[[Tensor, Tensor, int, int], Fragments] = rasterize,
) -> Picture:
    """attributes (V, C) or (B, V, C), colours for one, on a mesh with clip-space positions (B, V, 4) and faces (F, 3).

    Gradients reach attributes and positions: through the interpolation where the mesh fills a pixel, and through the
    blended edges where its outline, or one part's against another's, runs. background is one number, (C,) or a picture
    (B, height, width, C); rasterizer is `kernels.rasterize.rasterize`, or `backend.render.pytorch3d.rasterize`.

    What an outline uncovers is taken to have the colour of the last pixel before it. Where colours change fast from
    pixel to pixel towards an outline, as on the rim of a painted ball, the gradient of the outline is off by about half
    that change, which falls only with the square root of a pixel's size. Coverage has no such error.
    """
    fragments = rasterizer(positions, faces, height, width)
    seen = interpolate(attributes, positions, faces, fragments)
    covered = (fragments.triangle >= 0)[..., None]
    filled = torch.where(covered, seen, torch.as_tensor(background, dtype=seen.dtype, device=seen.device))
    # coverage is blended as one colour more, so that it and the image have one outline
    blended = antialias(torch.cat([filled, covered.to(filled)], dim=3), positions, faces, fragments)
    return Picture(blended[..., :-1], blended[..., -1])
