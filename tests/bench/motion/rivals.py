"""Who predicts: the model, and what it has to be better than.

Each is a callable: pictures (B, 3, H, W) and the number of draws D -> slices (D, B, K, 4, H, W) in pixels, as they are
drawn. What has no chance in it draws once.
"""

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from backend.priors.dynamics import Dynamics, Sampling
from backend.training.dynamics.stock import Part

Predictor = Callable[[Tensor, int], Tensor]

TOGETHER = 8  # pictures
MEANT = 2000  # training pictures of which a mean is taken


def of_model(model: Dynamics, how: Sampling) -> Predictor:
    """Draws of picture b have the seeds b D, b D + 1, ..."""

    def predict(pictures: Tensor, draws: int) -> Tensor:
        found = []
        for draw in range(draws):
            seeds = [number * draws + draw for number in range(len(pictures))]
            parts = [
                model.slices(pictures[first : first + TOGETHER], seeds[first : first + TOGETHER], how)
                for first in range(0, len(pictures), TOGETHER)
            ]
            found.append(torch.cat(parts))
        return torch.stack(found)

    return predict


def zero(bins: int) -> Predictor:
    """Nothing moves."""
    return lambda pictures, draws: pictures.new_zeros(1, len(pictures), bins, 4, *pictures.shape[2:])


class Means:
    """What is known of motion without looking at the picture: means over a training set, pixel by pixel."""

    def __init__(self, part: Part) -> None:
        chosen = np.linspace(0, len(part) - 1, min(MEANT, len(part))).astype(int)
        coefficients = amplitudes = 0.0
        for some in np.array_split(chosen, -(-len(chosen) // 32)):
            slices = part.batch(some).slices
            coefficients = coefficients + slices.sum(dim=0) / len(chosen)
            real, imaginary = slices.split(2, dim=2)
            amplitudes = amplitudes + torch.hypot(real, imaginary).sum(dim=0) / len(chosen)
        self.coefficients: Tensor = coefficients  # (K, 4, H, W)
        self.amplitudes: Tensor = amplitudes  # (K, 2, H, W), along x and along y

    def spectrum(self, pictures: Tensor, draws: int) -> Tensor:
        """The mean of all coefficients: of all spectra that do not look at the picture, that with the least error."""
        return self.coefficients.expand(1, len(pictures), *self.coefficients.shape)

    def swings(self, pictures: Tensor, draws: int) -> Tensor:
        """The mean of all amplitudes, and of each bin, axis and draw a phase by chance, the same in all pixels."""
        generator = torch.Generator().manual_seed(0)
        count = self.amplitudes.shape[:2]
        angles = 2 * torch.pi * torch.rand(draws, len(pictures), *count, 1, 1, generator=generator)
        return torch.cat([self.amplitudes * angles.cos(), self.amplitudes * angles.sin()], dim=3)


def uncoordinated(model: Dynamics) -> Dynamics:
    """The model as it was before frequencies were coordinated. That phase trains nothing but attention across bins,
    whose last layers were 0: they are 0 again."""
    other = deepcopy(model)
    for attention in other.denoiser.coordination:
        nn.init.zeros_(attention.proj_out.weight)
        nn.init.zeros_(attention.proj_out.bias)
    return other
