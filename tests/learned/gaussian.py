"""Priors of which all is known: sets of views that are Gaussian, x ~ N(mean, covariance), over all that is in a set.

With M = alpha^2 covariance + sigma^2, the best guesses from x_t = alpha x + sigma eps are

    eps = sigma M^-1 (x_t - alpha mean)
    x0  = mean + alpha covariance M^-1 (x_t - alpha mean)
    v   = alpha eps - sigma x0
"""

from dataclasses import dataclass, field

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from backend.priors.prior import Given, Schedule

VIEWS, LATENT = 2, (1, 2, 2)
N = VIEWS * 4  # numbers in a set


@dataclass(eq=False)
class Gaussian:
    """Of sets of views: mean (N,), and covariance (N, N) = axes diag(spreads^2) axes^T."""

    mean: Tensor
    spreads: Tensor  # (N,)
    axes: Tensor  # (N, N), orthonormal columns

    @property
    def covariance(self) -> Tensor:
        return self.along(self.spreads**2)

    def along(self, factors: Tensor) -> Tensor:
        """The symmetric matrix (N, N) that stretches the axes by factors (N,)."""
        return self.axes * factors @ self.axes.T

    def eps(self, x_t: Tensor, a: Tensor) -> Tensor:
        """(S, N) of (S, N), alpha^2 (S,)."""
        off, between, axes = self._off(x_t, a)
        return (1 - a).sqrt()[:, None] * (off / between) @ axes.T

    def clean(self, x_t: Tensor, a: Tensor) -> Tensor:
        """(S, N) of (S, N), alpha^2 (S,)."""
        off, between, axes = self._off(x_t, a)
        return self.mean.to(x_t) + a.sqrt()[:, None] * (off * self.spreads.to(x_t) ** 2 / between) @ axes.T

    def _off(self, x_t: Tensor, a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Along the axes: how far x_t is from its mean, and its variance M, both (S, N); and the axes."""
        a, axes = a[:, None], self.axes.to(x_t)
        return (x_t - a.sqrt() * self.mean.to(x_t)) @ axes, a * self.spreads.to(x_t) ** 2 + 1 - a, axes


def gaussian(seed: int, spread: float) -> Gaussian:
    """Wider in some directions than in others, none of which is a view's alone; its spreads are about `spread`."""
    draws = torch.Generator().manual_seed(seed)
    mean, mix = torch.randn(N, generator=draws), torch.randn(N, N, generator=draws)
    return Gaussian(mean, spread * torch.linspace(0.7, 1.2, N), torch.linalg.qr(mix).Q)


def noise_levels(beta_schedule: str = "scaled_linear") -> Tensor:
    """alpha_t^2 (1000,): Stable Diffusion's, or the cosine's ("squaredcos_cap_v2")."""
    ends = {"beta_start": 0.00085, "beta_end": 0.012} if beta_schedule == "scaled_linear" else {}
    return DDIMScheduler(beta_schedule=beta_schedule, **ends).alphas_cumprod


@dataclass
class GaussianPrior:
    """Of one Gaussian under the text, and of another without."""

    given: Gaussian
    without: Gaussian
    schedule: Schedule
    size: tuple[int, int] = LATENT[1:]
    latent: tuple[int, int, int] = LATENT
    asked: list[tuple[Tensor, Tensor, Given]] = field(default_factory=list)

    def embed(self, texts) -> Tensor:
        """1 of what is a text, 0 of an empty one."""
        return torch.tensor([[[1.0 if text else 0.0]] for text in texts])

    def encode(self, pictures: Tensor) -> Tensor:
        return pictures[:, :1]

    def decode(self, latents: Tensor) -> Tensor:
        return latents.repeat(1, 3, 1, 1)

    def predict(self, x_t: Tensor, t: Tensor, given: Given) -> Tensor:
        self.asked.append((x_t, t, given))
        a = self.schedule.alphas_cumprod[t[:: given.views]].to(x_t)
        sets, under = x_t.reshape(-1, N), given.text[:: given.views, 0] == 1  # (S, N), (S, 1)
        eps = torch.where(under, self.given.eps(sets, a), self.without.eps(sets, a))
        x0 = torch.where(under, self.given.clean(sets, a), self.without.clean(sets, a))
        v = a.sqrt()[:, None] * eps - (1 - a).sqrt()[:, None] * x0
        return (eps if self.schedule.prediction == "epsilon" else v).view_as(x_t)


def prior(prediction: str = "epsilon", beta_schedule: str = "scaled_linear", spreads=(0.5, 1.2)) -> GaussianPrior:
    schedule = Schedule(noise_levels(beta_schedule), prediction)
    return GaussianPrior(gaussian(1, spreads[0]), gaussian(2, spreads[1]), schedule)


def texts(of: GaussianPrior, sets: int) -> tuple[Given, Given]:
    """For so many sets: under the text, and without."""
    return tuple(Given(of.embed([text] * sets * VIEWS), VIEWS) for text in ("a text", ""))
