"""A field of which all is known, and a prior that expects its views and nothing else."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from backend.fields import Field
from backend.fields.blob import Blob
from backend.fields.voxels import VoxelGrid
from backend.priors.prior import Given, Schedule
from backend.render.cameras import Cameras, orbit
from backend.render.volume import render
from tests.learned.gaussian import noise_levels

FRONT, RIGHT, BACK, LEFT = (0.85, 0.15, 0.15), (0.15, 0.7, 0.2), (0.15, 0.25, 0.8), (0.8, 0.7, 0.15)
OPAQUE = 60.0  # raw density: nothing is seen through it
FOVY = 40.0  # degrees
FOLD = 2


def sculpted(resolution: int = 25, radius: float = 0.7) -> VoxelGrid:
    """A ball with a nose towards the front, of another colour on each of its four sides."""
    grid = VoxelGrid(resolution, radius, Blob(strength=0.0))
    ends = torch.linspace(-radius, radius, resolution)
    x, y, z = torch.meshgrid(ends, ends, ends, indexing="ij")
    ball = 0.42 - (x**2 + y**2 + z**2).sqrt()
    nose = 0.14 - (x**2 + (y + 0.48) ** 2 + z**2).sqrt()
    inside = torch.maximum(ball, nose)
    colours = torch.tensor([FRONT, RIGHT, BACK, LEFT])
    side = (torch.atan2(x, -y) / (math.pi / 2)).round().long() % 4
    grid.raw.data[..., 0] = (inside * 400).clamp(-30, OPAQUE)
    grid.raw.data[..., 1:] = torch.logit(colours[side])
    return grid


@dataclass(eq=False)
class Knowing:
    """Sets of views are Gaussian: their mean is what the cameras see of a field before white, all of a set as one, and
    each number by itself as far from it as `spread`. Under another text than `text`, it is grey that is expected."""

    truth: Field
    spread: float = 0.3
    side: int = 16
    text: str = "a sculpture"
    samples: int = 48
    fovy: float = FOVY
    schedule: Schedule = field(default_factory=lambda: Schedule(noise_levels("squaredcos_cap_v2"), "v_prediction"))
    asked: list[Given] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int]:
        return self.side, self.side

    @property
    def latent(self) -> tuple[int, int, int]:
        return 3 * FOLD**2, self.side // FOLD, self.side // FOLD

    def embed(self, texts) -> Tensor:
        return torch.tensor([[[1.0 if text == self.text else 0.0]] for text in texts])

    def encode(self, pictures: Tensor) -> Tensor:
        return torch.nn.functional.pixel_unshuffle(pictures, FOLD)

    def decode(self, latents: Tensor) -> Tensor:
        return torch.nn.functional.pixel_shuffle(latents, FOLD)

    @torch.no_grad()
    def predict(self, x_t: Tensor, t: Tensor, given: Given) -> Tensor:
        self.asked.append(given)
        alpha, sigma = self.schedule.alpha(t).to(x_t), self.schedule.sigma(t).to(x_t)
        known = (given.text[:, 0, 0] == 1).view(-1, 1, 1, 1)
        mean = torch.where(known, self.encode(2 * self.seen(given.cameras).movedim(3, 1) - 1), 0.0)
        clean = mean + alpha * self.spread**2 / (alpha**2 * self.spread**2 + sigma**2) * (x_t - alpha * mean)
        return alpha * ((x_t - alpha * clean) / sigma) - sigma * clean

    @torch.no_grad()
    def seen(self, to_world: Tensor) -> Tensor:
        """(B, side, side, 3) of the truth; how wide a camera sees is not told in (B, 4, 4), and is always the same."""
        place = to_world[:, :3, 3]
        away = place.norm(dim=1)
        cameras = orbit(
            torch.atan2(place[:, 0], -place[:, 1]), torch.asin(place[:, 2] / away), away, np.radians(self.fovy)
        )
        return torch.cat(
            [
                render(self.truth, Cameras(*(one[k : k + 1] for one in cameras)), *self.size, self.samples, 1.0).image
                for k in range(len(place))
            ]
        )


def decibels(found, truth) -> float:
    """Of pictures in bytes, peak signal to noise."""
    apart = (np.asarray(found, float) - np.asarray(truth, float)) / 255
    return float(-10 * np.log10(np.square(apart).mean()))
