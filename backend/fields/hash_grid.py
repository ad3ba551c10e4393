"""A field of hashed features on grids from coarse to fine, and two small networks: for a GPU, and fine detail.

Notation (code -> Müller et al., "Instant neural graphics primitives with a multiresolution hash encoding", 2022)
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

LEVELS, FEATURES, HIDDEN = 16, 2, 64
PRIMES = 1, 2_654_435_761, 805_459_861
CORNERS = [(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]


class HashGrid(nn.Module):
    """The tables and the networks. In plain torch: on a CPU it is slow."""

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
        tables = [torch.empty(min((size + 1) ** 3, rows), FEATURES) for size in self.sizes]
        # (their lengths are as different as their sizes: one parameter each)
        self.tables = nn.ParameterList(table.uniform_(-1e-4, 1e-4, generator=generator) for table in tables)
        self.density = _network(LEVELS * FEATURES, 1, generator)
        self.colour = _network(LEVELS * FEATURES, 3, generator)

    def forward(self, points: Tensor) -> Sample:
        places = self._places(points)
        return self._sample(places, self.encode(places))

    def facing(self, points: Tensor) -> tuple[Sample, Tensor]:
        """The analytic slope, itself differentiable by the parameters."""
        learning = torch.is_grad_enabled()
        with torch.enable_grad():
            places = self._places(points).detach().requires_grad_()
            features = self.encode(places)
            (slope,) = torch.autograd.grad(
                self.density(features).sum(), places, create_graph=learning, retain_graph=True
            )
            slope = slope - self.blob.strength / self.blob.size * functional.normalize(places.detach(), dim=1)
            sample = self._sample(places.detach(), features)
        normals = functional.normalize(-slope, dim=1)
        return (sample, normals) if learning else (Sample(*(each.detach() for each in sample)), normals.detach())

    def encode(self, places: Tensor) -> Tensor:
        """places (N, 3) in [-1, 1] -> (N, LEVELS * FEATURES), from the coarsest level to the finest."""
        return torch.cat(
            [self._level(places, size, table) for size, table in zip(self.sizes, self.tables, strict=True)], dim=1
        )

    def _level(self, places: Tensor, size: int, table: Tensor) -> Tensor:
        at = (places.clamp(-1, 1) + 1) / 2 * size
        first = at.detach().long().clamp(max=size - 1)
        fraction = at - first
        out = 0
        for corner in CORNERS:
            corner = torch.tensor(corner, device=places.device)
            weight = torch.where(corner == 1, fraction, 1 - fraction).prod(dim=1, keepdim=True)
            out = out + weight * table[self._row(first + corner, size)]
        return out

    def _row(self, corner: Tensor, size: int) -> Tensor:
        """Of corners (N, 3) in 0..size: each its own where the table has one for all, and a hash where not."""
        x, y, z = corner.unbind(dim=1)
        if (size + 1) ** 3 <= self.rows:
            return (x * (size + 1) + y) * (size + 1) + z
        return (x * PRIMES[0] ^ y * PRIMES[1] ^ z * PRIMES[2]) & (self.rows - 1)

    def _places(self, points: Tensor) -> Tensor:
        return points.to(self.tables[0]) / self.radius

    def _sample(self, places: Tensor, features: Tensor) -> Sample:
        density = self.blob.density(self.density(features)[:, 0], places, self.radius)
        return Sample(density, self.colour(features).sigmoid())


def _network(inputs: int, outputs: int, generator: torch.Generator | None) -> nn.Sequential:
    layers = nn.Linear(inputs, HIDDEN, bias=False), nn.ReLU(), nn.Linear(HIDDEN, outputs, bias=False)
    for layer in (layers[0], layers[2]):
        nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    return nn.Sequential(*layers)
