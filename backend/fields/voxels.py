"""A field as a grid of numbers: quick on a CPU, and at once where the gradient wants it."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.fields import Sample
from backend.fields.blob import Blob
from kernels.voxel_sample import voxel_sample

FAINT = 0.01  # a ray the length of the cube's side through what is left out is hidden by less than this share


class VoxelGrid(nn.Module):
    """density = softplus(raw + blob) / radius and colour = sigmoid(raw), the raw ones blended between samples.

    With `refresh`, cells without density worth the name are left out from then on: they are empty, whoever asks, and
    have no gradient. Their neighbours have, so matter may grow into them, a cell from one refresh to the next.
    """

    def __init__(self, resolution: int, radius: float = 1.0, blob: Blob = Blob()):  # noqa: B008 - it cannot change
        """resolution: samples along a side, the first and the last on the cube's walls."""
        super().__init__()
        if resolution < 2:
            raise ValueError(f"a grid of voxels needs at least 2 samples along a side, not {resolution}")
        self.radius, self.blob = radius, blob
        self.raw = nn.Parameter(
            torch.zeros(resolution, resolution, resolution, 4)
        )  # x, y, z; density, red, green, blue
        # of each cell between eight samples, whether anything is there
        self.register_buffer("cells", torch.ones((resolution - 1,) * 3, dtype=torch.bool))
        self._whole = True  # no cell is left out, and nobody has to look

    def forward(self, points: Tensor) -> Sample:
        places = self._places(points)
        return self._sample(places, voxel_sample(places, self.raw), self._occupied(places))

    def facing(self, points: Tensor) -> tuple[Sample, Tensor]:
        """The slope is that of the raw numbers, by central differences at the samples and blended between them.

        Within a cell it is not the slope of the blend, which jumps from cell to cell: shading would show the cells.
        """
        places = self._places(points)
        density = self.raw[..., 0]
        slopes = torch.stack(torch.gradient(density, spacing=2 / (self.resolution - 1)), dim=3)
        found = voxel_sample(places, torch.cat([self.raw, slopes], dim=3))
        slope = found[:, 4:] - self.blob.strength / self.blob.size * functional.normalize(places, dim=1)
        return self._sample(places, found[:, :4], self._occupied(places)), functional.normalize(-slope, dim=1)

    def occupied(self, points: Tensor) -> Tensor:
        occupied = self._occupied(self._places(points))
        return torch.ones_like(points[:, 0], dtype=torch.bool) if occupied is None else occupied

    @property
    def resolution(self) -> int:
        return len(self.raw)

    @torch.no_grad()
    def refresh(self) -> None:
        """Find anew which cells have density, from what the samples at their corners allow at most."""
        raw = functional.max_pool3d(self.raw[None, ..., 0], 2, stride=1)[0]
        ends = torch.linspace(-1, 1, self.resolution, device=raw.device)
        nearest = torch.where(ends[1:] * ends[:-1] < 0, 0, torch.minimum(ends[1:].abs(), ends[:-1].abs()))
        x, y, z = torch.meshgrid(nearest, nearest, nearest, indexing="ij")
        nearest = torch.stack([x, y, z], dim=3).flatten(0, 2)
        most = self.blob.density(raw.flatten(), nearest, self.radius).view(raw.shape)
        dense = most * 2 * self.radius > FAINT
        self.cells = functional.max_pool3d(dense[None].float(), 3, stride=1, padding=1)[0] > 0  # and all about them
        self._whole = bool(self.cells.all())

    def finer(self, resolution: int) -> "VoxelGrid":
        """The same field with more samples, or fewer: a new one. What is left out is to be found anew."""
        other = VoxelGrid(resolution, self.radius, self.blob).to(self.raw)
        size = (resolution,) * 3
        raw = functional.interpolate(self.raw.detach().movedim(3, 0)[None], size, mode="trilinear", align_corners=True)
        other.raw.data.copy_(raw[0].movedim(0, 3))
        return other

    def total_variation(self) -> Tensor:
        """(2,) of the raw density and of the raw colours: the mean of what neighbours differ by, times the samples.

        Times the samples it is by the length of the cube's side, and weighs alike at all resolutions.
        """
        sums = torch.stack([self.raw.diff(dim=axis).abs().mean(dim=(0, 1, 2)) for axis in range(3)]).sum(dim=0)
        return (self.resolution - 1) * torch.stack([sums[0], sums[1:].mean()])

    def load_state_dict(self, *arguments, **named):
        done = super().load_state_dict(*arguments, **named)
        self._whole = bool(self.cells.all())
        return done

    def _places(self, points: Tensor) -> Tensor:
        """In [-1, 1] within the cube, of the grid's type."""
        return points.to(self.raw) / self.radius

    def _occupied(self, places: Tensor) -> Tensor | None:
        if self._whole:
            return None
        side = self.resolution - 1
        i, j, k = ((places.detach() + 1) * (side / 2)).long().clamp_(0, side - 1).unbind(dim=1)
        return self.cells.view(-1)[(i * side + j) * side + k]

    def _sample(self, places: Tensor, raw: Tensor, occupied: Tensor | None) -> Sample:
        density = self.blob.density(raw[:, 0], places, self.radius)
        return Sample(density if occupied is None else torch.where(occupied, density, 0), raw[:, 1:].sigmoid())
