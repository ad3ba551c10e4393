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
        # by columns: a sum and an `all` over rows of three take several times as long
        x, y, z = places.unbind(dim=1)
        density = functional.softplus(raw + self.raw(x, y, z)) / radius
        beyond = torch.maximum(torch.maximum(x.detach().abs(), y.detach().abs()), z.detach().abs()) > 1
        return density.masked_fill(beyond, 0)

    def raw(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """What it adds to the raw density there, each of one shape."""
        # not a norm: its gradient in the middle is not a number
        distance = (x * x + y * y + z * z).clamp(min=1e-12).sqrt()
        return self.strength - self.strength / self.size * distance
