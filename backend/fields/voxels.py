"""A field as a grid of numbers: quick on a CPU, and at once where the gradient wants it."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.fields import Sample
from backend.fields.blob import Blob
from backend.fields.celled import FAINT, Celled
from kernels.total_variation import total_variation
from kernels.voxel_sample import voxel_sample


class VoxelGrid(Celled):
    """density = softplus(raw + blob) / radius and colour = sigmoid(raw), the raw ones blended between samples.

    With `refresh`, cells without density worth the name are left out from then on, a cell being what lies between eight
    samples. Their neighbours are not, so matter may grow into them, a cell from one refresh to the next.
    """

    def __init__(self, resolution: int, radius: float = 1.0, blob: Blob = Blob()):  # noqa: B008 - it cannot change
        """resolution: samples along a side, the first and the last on the cube's walls."""
        if resolution < 2:
            raise ValueError(f"a grid of voxels needs at least 2 samples along a side, not {resolution}")
        super().__init__(resolution - 1)
        self.radius, self.blob = radius, blob
        self.raw = nn.Parameter(
            torch.zeros(resolution, resolution, resolution, 4)
        )  # x, y, z; density, red, green, blue

    def forward(self, points: Tensor) -> Sample:
        places = self._places(points)
        return self._sample(places, voxel_sample(places, self.raw))

    def facing(self, points: Tensor) -> tuple[Sample, Tensor]:
        """The slope is that of the raw numbers, by central differences at the samples and blended between them.

        Within a cell it is not the slope of the blend, which jumps from cell to cell: shading would show the cells.
        """
        places = self._places(points)
        density = self.raw[..., 0]
        slopes = torch.stack(torch.gradient(density, spacing=2 / (self.resolution - 1)), dim=3)
        found = voxel_sample(places, torch.cat([self.raw, slopes], dim=3))
        slope = found[:, 4:] - self.blob.strength / self.blob.size * functional.normalize(places, dim=1)
        return self._sample(places, found[:, :4]), functional.normalize(-slope, dim=1)

    @property
    def resolution(self) -> int:
        return len(self.raw)

    @torch.no_grad()
    def refresh(self) -> None:
        """Find anew which cells have density, from what the samples at their corners allow at most."""
        raw = _most_of_neighbours(self.raw[..., 0])
        ends = torch.linspace(-1, 1, self.resolution, dtype=raw.dtype, device=raw.device)
        nearest = torch.where(ends[1:] * ends[:-1] < 0, 0, torch.minimum(ends[1:].abs(), ends[:-1].abs()))
        most = raw + self.blob.raw(*torch.meshgrid(nearest, nearest, nearest, indexing="ij"))
        # softplus(most) / radius times the cube's side
        dense = most > math.log(math.expm1(FAINT / 2))
        # and all cells about them
        self._keep(_most_of_neighbours(_most_of_neighbours(functional.pad(dense, (1,) * 6))))

    def total_variation(self) -> Tensor:
        """(2,) of the raw density and of the raw colours: the mean of what neighbours differ by, times the samples.

        Times the samples it is by the length of the cube's side, and weighs alike at all resolutions.
        """
        sums = total_variation(self.raw)
        return torch.stack([sums[0], sums[1:].mean()]) / self.resolution**2

    def _places(self, points: Tensor) -> Tensor:
        """In [-1, 1] within the cube, of the grid's type."""
        return points.to(self.raw) / self.radius

    def _sample(self, places: Tensor, raw: Tensor) -> Sample:
        density = self.blob.density(raw[:, 0], places, self.radius)
        return Sample(self._left(density, places), raw[:, 1:].sigmoid())


def _most_of_neighbours(samples: Tensor) -> Tensor:
    """(R, R, R), of numbers or bool -> (R - 1, R - 1, R - 1): the most of the eight samples around each cell."""
    for axis in range(3):
        count = samples.shape[axis] - 1
        samples = torch.maximum(samples.narrow(axis, 0, count), samples.narrow(axis, 1, count))
    return samples
