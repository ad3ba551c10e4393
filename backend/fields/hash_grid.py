"""A field of hashed features on grids from coarse to fine, and two small networks: for a GPU, and fine detail.

Notation (code -> Müller et al., "Instant neural graphics primitives with a multiresolution hash encoding", 2022), the
encoding itself is `kernels.hash_encode`
    LEVELS, FEATURES    L, F            16 levels of 2 features
    rows                T               of a level's table, at most 2^19
    coarsest, finest    N_min, N_max    cells along a side: 16, and 4096 as in MVDream
    sizes[l]            N_l             floor(N_min b^l), b = (N_max / N_min)^(1 / (L - 1))

Departs from the paper: the networks are those of MVDream's field in threestudio, one for the density and one for the
colour, which sees no direction; each one hidden layer of 64, without bias.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.fields import Sample
from backend.fields.blob import Blob
from kernels.hash_encode import hash_encode, table_rows

LEVELS, FEATURES, HIDDEN = 16, 2, 64


class HashGrid(nn.Module):
    """The tables and the networks."""

    def __init__(
        self,
        radius: float = 1.0,
        blob: Blob = Blob(),  # noqa: B008 - it cannot change
        rows: int = 2**19,
        coarsest: int = 16,
        finest: int = 4096,
        generator: torch.Generator | None = None,
    ):
        """rows: a power of two, since the paper's hash is cut off by bits."""
        super().__init__()
        if rows < 1 or rows & (rows - 1):
            raise ValueError(f"the rows of a hash table must be a power of two, not {rows}")
        self.radius, self.blob, self.rows = radius, blob, rows
        growth = (finest / coarsest) ** (1 / (LEVELS - 1))
        # lifted by rounding's share: the last one shall be N_max and not one less
        self.sizes = [math.floor(coarsest * growth**level * (1 + 1e-9)) for level in range(LEVELS)]
        tables = torch.empty(sum(table_rows(self.sizes, rows)), FEATURES)  # of one level after the other
        self.tables = nn.Parameter(tables.uniform_(-1e-4, 1e-4, generator=generator))
        self.density = _network(LEVELS * FEATURES, 1, generator)
        self.colour = _network(LEVELS * FEATURES, 3, generator)

    def forward(self, points: Tensor) -> Sample:
        places = self._places(points)
        return self._sample(places, self.encode(places))

    def facing(self, points: Tensor) -> tuple[Sample, Tensor]:
        """The analytic slope, itself differentiable by the parameters."""
        learning = torch.is_grad_enabled()
        with torch.enable_grad():
            places = self._places(points).detach()
            features, slopes = hash_encode(places, self.tables, self.sizes, self.rows, slopes=True)
            features.requires_grad_()  # of frozen tables too
            (by_feature,) = torch.autograd.grad(
                self.density(features).sum(), features, create_graph=learning, retain_graph=True
            )
            slope = torch.einsum("nf,nfk->nk", by_feature, slopes)
            slope = slope - self.blob.strength / self.blob.size * functional.normalize(places, dim=1)
            sample = self._sample(places, features)
        normals = functional.normalize(-slope, dim=1)
        return (sample, normals) if learning else (Sample(*(each.detach() for each in sample)), normals.detach())

    def encode(self, places: Tensor) -> Tensor:
        """places (N, 3) in [-1, 1] -> (N, LEVELS * FEATURES), from the coarsest level to the finest."""
        return hash_encode(places, self.tables, self.sizes, self.rows)

    def _places(self, points: Tensor) -> Tensor:
        return points.to(self.tables) / self.radius

    def _sample(self, places: Tensor, features: Tensor) -> Sample:
        density = self.blob.density(self.density(features)[:, 0], places, self.radius)
        return Sample(density, self.colour(features).sigmoid())


def _network(inputs: int, outputs: int, generator: torch.Generator | None) -> nn.Sequential:
    layers = nn.Linear(inputs, HIDDEN, bias=False), nn.ReLU(), nn.Linear(HIDDEN, outputs, bias=False)
    for layer in (layers[0], layers[2]):
        nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    return nn.Sequential(*layers)
