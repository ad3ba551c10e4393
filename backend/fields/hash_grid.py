"""A field of hashed features on grids from coarse to fine, and two small networks: for a GPU, and fine detail.

Notation (code -> Müller et al., "Instant neural graphics primitives with a multiresolution hash encoding", 2022), the
encoding itself is `kernels.hash_encode`
    LEVELS, FEATURES    L, F            16 levels of 2 features
    rows                T               of a level's table, at most 2^19
    coarsest, finest    N_min, N_max    cells along a side: 16, and 4096 as in MVDream
    sizes[l]            N_l             floor(N_min b^l), b = (N_max / N_min)^(1 / (L - 1))

Departs from the paper: the networks are those of MVDream's field in threestudio, one for the density and one for the
colour, which sees no direction; each one hidden layer of 64, without bias. Of the paper's occupancy grid there is one,
of as many cells as in threestudio, all of them asked each time.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.fields import Sample
from backend.fields.blob import Blob
from backend.fields.celled import FAINT, Celled
from kernels.hash_encode import hash_encode, table_rows

LEVELS, FEATURES, HIDDEN = 16, 2, 64
CELLS = 32  # along a side, that may be left out
FADING = 0.95  # of the most that was found in a cell, from one refresh to the next
# Of a sequence that fills a cube evenly however long it is (Roberts, "The unreasonable effectiveness of quasirandom
# sequences", 2018): powers of the real root of x^4 = x + 1.
STEPS = tuple(1.2207440846057596**-power for power in (1, 2, 3))


class HashGrid(Celled):
    """The tables and the networks.

    With `refresh`, cells in which no density worth the name was found are left out from then on, if their neighbours
    are as empty. What the networks say of them is found out still, and they come back where that changes.
    """

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
        super().__init__(CELLS)
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
        self.register_buffer("_most", torch.zeros(self.cells.shape))  # density that was found in each cell
        self.register_buffer("_refreshed", torch.zeros((), dtype=torch.int64))  # how often

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

    @torch.no_grad()
    def refresh(self) -> None:
        """Ask in one place of each cell, another one each time, and find anew which have density."""
        self._refreshed += 1
        steps = torch.tensor(STEPS, dtype=torch.float64, device=self._refreshed.device)
        shift = (0.5 + self._refreshed * steps) % 1
        count = len(self.cells)
        along = (torch.arange(count, device=shift.device) + shift[:, None]) / count * 2 - 1
        places = torch.cartesian_prod(*along).to(self.tables)
        found = self._density(places, self.encode(places)).view(self._most.shape)
        self._most = torch.maximum(FADING * self._most, found)
        dense = (self._most * 2 * self.radius > FAINT).to(self._most)
        self._keep(functional.max_pool3d(dense[None, None], 3, stride=1, padding=1)[0, 0] > 0)

    def _places(self, points: Tensor) -> Tensor:
        return points.to(self.tables) / self.radius

    def _sample(self, places: Tensor, features: Tensor) -> Sample:
        return Sample(self._left(self._density(places, features), places), self.colour(features).sigmoid())

    def _density(self, places: Tensor, features: Tensor) -> Tensor:
        """(N,), of cells that are left out too."""
        return self.blob.density(self.density(features)[:, 0], places, self.radius)


def _network(inputs: int, outputs: int, generator: torch.Generator | None) -> nn.Sequential:
    layers = nn.Linear(inputs, HIDDEN, bias=False), nn.ReLU(), nn.Linear(HIDDEN, outputs, bias=False)
    for layer in (layers[0], layers[2]):
        nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    return nn.Sequential(*layers)
