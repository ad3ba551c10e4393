"""Slices of a spectral volume <-> latents: a variational autoencoder over single slices, all bins alike.

"Generative Image Dynamics" (arXiv:2309.07906): latents of 4 channels, losses of L1, multi-scale gradient consistency
and KL with the weights 1, 0.2 and 1e-6. The gradients are compared as in Li and Snavely, "MegaDepth" (CVPR 2018): at
four scales, each by every other pixel of the one before. The paper does not say over what its losses are summed; here
L1 and gradients are means over components, and KL is a sum over the latent of a slice, as in latent diffusion.

Departs from the paper: the squared error is added. Where most of a picture stands still, the median of a component is
0, and L1 alone stays long with a decoder that says 0 everywhere; then nothing but KL is left to learn.
"""

from typing import NamedTuple

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from backend.priors.dynamics.sizes import Sizes

CHANNELS = 4  # Re x, Re y, Im x, Im y
GRADIENT, KL, SQUARED = 0.2, 1e-6, 5.0
SCALES = 4
CERTAIN = -6.0  # log-variance of the posterior at first


def fresh(sizes: Sizes) -> AutoencoderKL:
    """An untrained autoencoder of slices (N, 4, H, W); its first weights come from torch's global generator."""
    levels = len(sizes.autoencoder)
    network = AutoencoderKL(
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        latent_channels=sizes.latent,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=sizes.autoencoder,
        layers_per_block=sizes.autoencoder_layers,
        norm_num_groups=sizes.groups,
        sample_size=sizes.height,
        scaling_factor=1.0,
        shift_factor=0.0,
        force_upcast=False,
    )
    # A posterior as wide as the prior drowns what is encoded. Most of a slice stands still, so a decoder that hears
    # but noise learns to say 0, and stays there.
    nn.init.zeros_(network.quant_conv.weight[sizes.latent :])
    nn.init.constant_(network.quant_conv.bias[sizes.latent :], CERTAIN)
    return network


class Losses(NamedTuple):
    """Of one batch, each without its weight."""

    l1: Tensor
    gradient: Tensor
    kl: Tensor
    squared: Tensor

    @property
    def total(self) -> Tensor:
        return self.l1 + GRADIENT * self.gradient + KL * self.kl + SQUARED * self.squared


def losses(autoencoder: AutoencoderKL, slices: Tensor, generator: torch.Generator) -> Losses:
    """Of normalised slices (N, 4, H, W) that go through a latent drawn with `generator` and back."""
    posterior = autoencoder.encode(slices).latent_dist
    difference = autoencoder.decode(posterior.sample(generator)).sample - slices
    gradient = multi_scale_gradient(difference)
    return Losses(difference.abs().mean(), gradient, posterior.kl().mean(), difference.square().mean())


def multi_scale_gradient(difference: Tensor) -> Tensor:
    """Mean |d/dx| + mean |d/dy| of a difference (..., H, W), a step being one pixel of the scale; mean over scales.

    It is 0 where two pictures differ by a constant, and counts edges that one has and the other has not.
    """
    scales = [difference[..., :: 2**s, :: 2**s] for s in range(SCALES)]
    return torch.stack([sum(one.diff(dim=axis).abs().mean() for axis in (-1, -2)) for one in scales]).mean()


def encode(autoencoder: AutoencoderKL, slices: Tensor) -> Tensor:
    """Latents (..., 4, h, w) about 0 and of unit size, of normalised slices (..., 4, H, W)."""
    means = autoencoder.encode(slices.flatten(0, -4)).latent_dist.mode()
    config = autoencoder.config
    return ((means - config.shift_factor) * config.scaling_factor).unflatten(0, slices.shape[:-3])


def decode(autoencoder: AutoencoderKL, latents: Tensor) -> Tensor:
    """Normalised slices (..., 4, H, W) of latents (..., 4, h, w); differentiable."""
    config = autoencoder.config
    means = latents.flatten(0, -4) / config.scaling_factor + config.shift_factor
    return autoencoder.decode(means).sample.unflatten(0, latents.shape[:-3])


def centre(autoencoder: AutoencoderKL, slices: Tensor) -> None:
    """Note in the autoencoder by how much its latents of (N, 4, H, W) are to be moved and scaled, as `encode` does."""
    with torch.no_grad():
        means = autoencoder.encode(slices).latent_dist.mode()
    autoencoder.register_to_config(shift_factor=means.mean().item(), scaling_factor=1 / means.std().item())
