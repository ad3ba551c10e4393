"""What every diffusion model of pictures is to those who sample from it or learn from it: what noise it sees.

A prior says in its own terms what is in noised latents: their noise, or v = alpha eps - sigma x0 (Salimans, Ho,
"Progressive Distillation for Fast Sampling of Diffusion Models", arXiv:2202.00512). Its Schedule tells what that means.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

Prediction = Literal["epsilon", "v_prediction"]  # diffusers' words


@dataclass(frozen=True, eq=False)
class Schedule:
    """x_t = alpha_t x_0 + sigma_t eps, at the levels t = 0 ... N - 1; alpha_t^2 + sigma_t^2 = 1.

    Results have the type and the device of the latents they are of.
    """

    alphas_cumprod: Tensor  # (N,): alpha_t^2
    prediction: Prediction  # what the network says

    def __post_init__(self) -> None:
        if self.prediction not in get_args(Prediction):
            raise ValueError(f"A prior predicts {' or '.join(get_args(Prediction))}, not {self.prediction!r}")
        known = self.alphas_cumprod
        if known.ndim != 1 or not len(known) or not known.is_floating_point():
            raise ValueError(f"A schedule wants (N,) numbers alpha_t^2, not {tuple(known.shape)} of {known.dtype}")
        if not ((known >= 0) & (known < 1)).all() or not (known.diff() <= 0).all():
            raise ValueError("alpha_t^2 must lie in [0, 1), and no level may have less noise than the one before it")

    @property
    def levels(self) -> int:
        """N."""
        return len(self.alphas_cumprod)

    def alpha(self, t: Tensor) -> Tensor:
        """Of levels (B,): (B, 1, 1, 1)."""
        return self._squared(t).sqrt()

    def sigma(self, t: Tensor) -> Tensor:
        """Of levels (B,): (B, 1, 1, 1)."""
        return (1 - self._squared(t)).sqrt()

    def noised(self, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """x_t of latents and noise (B, C, H, W) at levels (B,)."""
        return self.alpha(t).to(x0) * x0 + self.sigma(t).to(x0) * eps

    def clean(self, x_t: Tensor, predicted: Tensor, t: Tensor) -> Tensor:
        """x_0 (B, C, H, W), if what was predicted is so."""
        alpha, sigma = self.alpha(t).to(x_t), self.sigma(t).to(x_t)
        if self.prediction == "v_prediction":
            return alpha * x_t - sigma * predicted.to(x_t)
        return (x_t - sigma * predicted.to(x_t)) / alpha

    def _squared(self, t: Tensor) -> Tensor:
        return self.alphas_cumprod.to(t.device)[t].view(-1, 1, 1, 1)


@dataclass(frozen=True, eq=False)
class Given:
    """Under what B latents are denoised. Those that are seen together lie next to each other."""

    text: Tensor  # (B, L, C), of Prior.embed
    views: int = 1  # F that attend to one another; it divides B
    cameras: Tensor | None = None  # (B, 4, 4), camera -> world, as backend.render.cameras; None: two-dimensional mode

    def __post_init__(self) -> None:
        if self.text.ndim != 3:
            raise ValueError(f"Texts must be (B, L, C), not {tuple(self.text.shape)}")
        count = len(self.text)
        if self.views < 1 or count % self.views:
            raise ValueError(f"{count} latents are no sets of {self.views} views")
        if self.cameras is not None and self.cameras.shape != (count, 4, 4):
            raise ValueError(f"{count} latents want cameras ({count}, 4, 4), not {tuple(self.cameras.shape)}")

    def and_then(self, other: "Given") -> "Given":
        """Both in one batch, this one's first."""
        if self.views != other.views or (self.cameras is None) != (other.cameras is None):
            raise ValueError("What goes in one batch has as many views, and cameras in both or in neither")
        cameras = None if self.cameras is None else torch.cat([self.cameras, other.cameras])
        return Given(torch.cat([self.text, other.text]), self.views, cameras)


class Prior(Protocol):
    """A model that knows what pictures under a text look like."""

    schedule: Schedule
    size: tuple[int, int]  # height and width of its pictures
    latent: tuple[int, int, int]  # channels, height, width

    def embed(self, texts: Sequence[str]) -> Tensor:
        """(N, L, C), L the same for all texts."""

    def encode(self, pictures: Tensor) -> Tensor:
        """Latents (B, *latent) of pictures (B, 3, H, W) in [-1, 1], sRGB; differentiable."""

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) of latents (B, *latent)."""

    def predict(self, x_t: Tensor, t: Tensor, given: Given) -> Tensor:
        """What `schedule.prediction` names, of latents (B, *latent) at levels (B,).

        It takes latents of any floating type, and may answer in its own.
        """
