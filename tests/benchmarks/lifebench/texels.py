"""A clip's colours as pictures over its atlas: albedo and roughness per texel. Needs torch.

Each texel's centre lies in one triangle of the atlas, the same in every frame, and its colour is that of the place
there. What lies beside a chart is filled from its rim, so that filtering does not bleed.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from backend.clip import Mesh
from kernels.rasterize import rasterize

SIDE = 512
RIM = 2  # texels beyond a chart that are filled


@dataclass(frozen=True, eq=False)
class Atlas:
    """Where each texel of a square picture lies on a mesh. Row 0 is the top, v = 1."""

    side: int
    covered: np.ndarray  # (side, side) within a chart
    filled: np.ndarray  # (side, side) that, and its rim
    corners: np.ndarray  # (N, 3) the vertices that each of the N covered texels is among
    weights: np.ndarray  # (N, 3)
    nearest: np.ndarray  # (side, side) row of the covered texel that is nearest

    @classmethod
    def of(cls, mesh: Mesh, side: int = SIDE) -> Self:
        """Of a mesh with UVs; each corner is a point of its own, since UVs belong to corners."""
        flat = torch.from_numpy(mesh.uv.astype(np.float64))
        placed = torch.cat([2 * flat - 1, torch.zeros_like(flat[:, :1]), torch.ones_like(flat[:, :1])], dim=1)
        seen = rasterize(placed[None].float(), torch.from_numpy(mesh.triangles.astype(np.int64)), side, side)
        triangle, weights = seen.triangle[0].numpy(), seen.barycentrics[0].numpy()
        covered = triangle >= 0
        away, (row, column) = distance_transform_edt(~covered, return_indices=True)
        number = np.full(covered.shape, -1)
        number[covered] = np.arange(covered.sum())
        return cls(side, covered, away <= RIM, mesh.faces[triangle[covered]], weights[covered], number[row, column])

    def baked(self, values: np.ndarray) -> np.ndarray:
        """(side, side, ...) from values of the vertices (V, ...); what is not filled is 0."""
        found = np.einsum("nk,nk...->n...", self.weights, values[self.corners].astype(np.float64))
        out = found[self.nearest]
        out[~self.filled] = 0
        return out
