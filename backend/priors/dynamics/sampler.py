"""From noise to latents: DDIM, guidance by the picture and towards loops, self-recurrence.

Notation (code -> "Generative Image Dynamics", arXiv:2309.07906, section on looping)
    eps(z, n)          eps_theta(z^n; n, c)   noise in the latents z at level n
    guidance           w
    loop.weight        u
    alpha              the share of the signal's variance at level n; sigma^n = sqrt(1 - alpha)

    eps^ = (1 + w) eps(z; c) - w eps(z; 0) + u sigma^n grad_z L_g
    L_g  = |F_T - F_1| + |dF_T - dF_1|

grad_z goes through the estimate of the clean latents, the network included, as in Bansal et al., "Universal Guidance
for Diffusion Models" (CVPR 2023), from which the self-recurrence is too. The paper does not say how |.| is summed: here
it is the mean over pixels of |x| + |y|, so that u does not hang on the picture's size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from backend.priors.dynamics.denoiser import Denoiser
from backend.priors.dynamics.normal import displacements

Eps = Callable[[Tensor, Tensor], Tensor]  # of z (B, ...) and n () the noise (B, ...)


@dataclass(frozen=True)
class Loop:
    """How strongly the last frame is drawn to the first, in place and in speed."""

    weight: float = 200.0
    recurrences: int = 2  # how often each step is gone
    frames: int = 150  # of one period


GUIDANCE = 1.75  # of the paper


@dataclass(frozen=True)
class Sampling:
    """How the latents are drawn."""

    steps: int = 40  # 250 in the paper; here everyone waits for them, and 50 take 20 s on two cores
    guidance: float | None = None  # None: the model's own
    loop: Loop | None = None


def drawn(shape: tuple[int, ...], generators: list[torch.Generator]) -> Tensor:
    """Noise (B, *shape) of the CPU, each item by a generator of its own: it does not hang on its neighbours."""
    return torch.stack([torch.randn(shape, generator=one) for one in generators])


def guided(denoiser: Denoiser | Callable, scheduler: DDIMScheduler, picture: Tensor, guidance: float) -> Eps:
    """The noise given pictures (B, 3, H, W), and away from what it were without them; the network says v, or eps."""

    def eps(z: Tensor, n: Tensor) -> Tensor:
        if scheduler.config.prediction_type == "epsilon":
            return said(z, n)
        alpha = scheduler.alphas_cumprod[n].to(z)
        return alpha.sqrt() * said(z, n) + (1 - alpha).sqrt() * z

    def said(z: Tensor, n: Tensor) -> Tensor:
        level = n.expand(len(z))
        if guidance == 0:
            return denoiser(z, level, picture)
        pictures = torch.cat([picture, torch.zeros_like(picture)])
        given, free = denoiser(torch.cat([z, z]), level.repeat(2), pictures).chunk(2)
        return (1 + guidance) * given - guidance * free

    return eps


def drawn_to(eps: Eps, loss: Callable[[Tensor], Tensor], weight: float, scheduler: DDIMScheduler) -> Eps:
    """Noise that leads to latents with a lower loss; of clean latents (B, ...) it gives (B,)."""

    def pulled(z: Tensor, n: Tensor) -> Tensor:
        alpha = scheduler.alphas_cumprod[n].to(z)
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            noise = eps(z, n)
            clean = (z - (1 - alpha).sqrt() * noise) / alpha.sqrt()
            (slope,) = torch.autograd.grad(loss(clean).sum(), z)
        return noise.detach() + weight * (1 - alpha).sqrt() * slope

    return pulled


def loop_loss(pixels: Tensor, frames: int) -> Tensor:
    """L_g (B,) in pixels of slices (B, K, 4, H, W) in pixels, of a period in so many frames."""
    turns = torch.tensor([0.0, 1.0, frames - 2.0, frames - 1.0], device=pixels.device) / frames
    first, second, last_but_one, last = displacements(pixels, turns).unbind(1)
    apart, faster = last - first, (last - last_but_one) - (second - first)
    return (apart.abs() + faster.abs()).sum(dim=1).mean(dim=(1, 2))


@torch.no_grad()
def ddim(
    eps: Eps,
    scheduler: DDIMScheduler,
    steps: int,
    generators: list[torch.Generator],
    like: Tensor,
    recurrences: int = 1,
) -> Tensor:
    """Latents of the shape, type and device of `like` (B, ...), by the deterministic DDIM (eta = 0).

    With recurrences a step is gone, its noise is put back anew, and it is gone again.

    Raises:
        ValueError: `steps` does not divide the number of noise levels.
    """
    levels = scheduler.config.num_train_timesteps
    if not 1 <= steps <= levels or levels % steps:
        raise ValueError(f"The number of steps must divide {levels} (10, 20, 25, 40, 50, 100, ...), not be {steps}")
    scheduler = DDIMScheduler.from_config(scheduler.config, prediction_type="epsilon")  # which is what is given
    scheduler.set_timesteps(steps)
    z = drawn(like.shape[1:], generators).to(like)
    for n in scheduler.timesteps:
        for left in reversed(range(recurrences)):
            less = scheduler.step(eps(z, n.to(z.device)), n, z).prev_sample
            z = _noised(less, n, scheduler, generators) if left else less
    return z


def _noised(less: Tensor, n: Tensor, scheduler: DDIMScheduler, generators: list[torch.Generator]) -> Tensor:
    """From the level before n back to n."""
    before = int(n) - scheduler.config.num_train_timesteps // len(scheduler.timesteps)
    alphas = scheduler.alphas_cumprod
    ratio = alphas[n] / (alphas[before] if before >= 0 else scheduler.final_alpha_cumprod)
    return ratio.sqrt().to(less) * less + (1 - ratio).sqrt().to(less) * drawn(less.shape[1:], generators).to(less)
