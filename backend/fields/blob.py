"""The ball that a field begins as, so that a camera sees something before anything was learned."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Blob(NamedTuple):
    """density = softplus(raw + strength (1 - |x| / size)) / radius, |x| in radii of the field's cube.

    threestudio's `blob_magic3d` with MVDream's numbers, whose cube has a radius of 1 metre. Divided by the radius, a
    field is the same picture at any size.
    """

    strength: float = 10.0
    size: float = 0.5

    def density(self, raw: Tensor, places: Tensor, radius: float) -> Tensor:
        """raw (N,) at places (N, 3), in [-1, 1] within the cube -> (N,) 1/metre; 0 outside of it."""
        # not .norm(): its gradient in the middle is not a number
        distance = places.square().sum(dim=1).clamp(min=1e-12).sqrt()
        density = functional.softplus(raw + self.strength * (1 - distance / self.size)) / radius
        return torch.where((places.detach().abs() <= 1).all(dim=1), density, 0)
