"""What is behind a field, learnt with it: a colour for each direction, the same from wherever one looks."""

from itertools import pairwise

import torch
from torch import Tensor, nn

HIDDEN = 16


class Surroundings(nn.Module):
    """A small network on the spherical harmonics of the first three degrees, as MVDream's in threestudio: two hidden
    layers without bias. Departs from it: directions are not squeezed into [0, 1] first, which harmonics do not ask for.
    """

    def __init__(self, generator: torch.Generator | None = None):
        super().__init__()
        sizes = (9, HIDDEN, HIDDEN, 3)
        self.layers = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairwise(sizes))
        for layer in self.layers:
            nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=generator)

    def forward(self, directions: Tensor) -> Tensor:
        """(..., 3) of length 1 -> (..., 3) in [0, 1], sRGB."""
        x = harmonics(directions.to(self.layers[0].weight))
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x).sigmoid()


def harmonics(directions: Tensor) -> Tensor:
    """(..., 9): the real spherical harmonics of the degrees 0, 1 and 2; their squares have the mean 1 / (4 pi)."""
    x, y, z = directions.unbind(dim=-1)
    return torch.stack(
        [
            torch.full_like(x, 0.28209479),
            0.48860251 * y,
            0.48860251 * z,
            0.48860251 * x,
            1.09254843 * x * y,
            1.09254843 * y * z,
            0.31539157 * (3 * z * z - 1),
            1.09254843 * x * z,
            0.54627421 * (x * x - y * y),
        ],
        dim=-1,
    )
