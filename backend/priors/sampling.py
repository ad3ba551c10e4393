"""From noise to pictures: DDIM with classifier-free guidance, over any prior.

Song, Meng, Ermon, "Denoising Diffusion Implicit Models" (arXiv:2010.02502), without noise on the way (their
sigma = 0; here sigma_t is the spread of the noise at level t), told by the estimate x0^ of the clean latents:

    x_s = alpha_s x0^ + sigma_s (x_t - alpha_t x0^) / sigma_t,    from level t to a lower one s

Levels are spaced so that the first is N - 1, where all is noise (Lin et al., arXiv:2305.08891, "trailing"), and the
last step ends at x0^ itself. MVDream's own sampler starts about N / steps levels lower (of 1000, at 981 for 50 steps
and at 951 for 20) and ends at the noise of level 0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.guidance import ClassifierFree, estimate
from backend.priors.prior import Given, Prior, Schedule


@dataclass(frozen=True)
class Sampling(ClassifierFree):
    """How latents are drawn. Without another word, as MVDream samples its views."""

    scale: float = 10.0
    steps: int = 50


def sampled(
    prior: Prior, given: Given, without: Given, generators: Sequence[torch.Generator], how: Sampling
) -> Iterator[Tensor]:
    """The estimates of clean latents (B, *latent) after each step: the last one is the sample.

    Each item's noise is by a generator of its own, of the CPU, and does not hang on its neighbours; items may name the
    same one, and draw from it in turn. Whoever wants no more asks for no more.

    Raises:
        ValueError: not a generator for each item, or no such number of steps.
        NotFinite: while it goes on.
    """
    levels = spaced(prior.schedule.levels, how.steps)
    if len(generators) != len(given.text):
        raise ValueError(f"{len(given.text)} latents want as many generators, not {len(generators)}")
    noise = torch.stack([torch.randn(prior.latent, generator=one) for one in generators])
    return _ddim(prior, noise.to(given.text.device), given, without, levels, how)


def _ddim(
    prior: Prior, x_t: Tensor, given: Given, without: Given, levels: list[int], how: Sampling
) -> Iterator[Tensor]:
    for t, s in zip(levels, [*levels[1:], None], strict=True):
        level = torch.full((len(x_t),), t, device=x_t.device)
        clean = estimate(prior, x_t, level, given, without, how)
        yield clean
        if s is not None:
            x_t = lowered(prior.schedule, x_t, clean, level, torch.full_like(level, s))


def lowered(schedule: Schedule, x_t: Tensor, clean: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """x_s: latents (B, C, H, W) brought from levels t (B,) to s (B,), with the noise that x0^ leaves in them."""
    eps = (x_t - schedule.alpha(t).to(x_t) * clean) / schedule.sigma(t).to(x_t)
    return schedule.noised(clean, eps, s)


def spaced(count: int, steps: int) -> list[int]:
    """So many of `count` levels, from the highest downwards, evenly."""
    if not 1 <= steps <= count:
        raise ValueError(f"The number of steps must lie between 1 and {count}, not be {steps}")
    return [round(count * left / steps) - 1 for left in range(steps, 0, -1)]
