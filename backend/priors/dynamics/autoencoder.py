"""Slices of a spectral volume <-> latents: a variational autoencoder over single slices, all bins alike.

"Generative Image Dynamics" (arXiv:2309.07906): latents of 4 channels, losses of L1, multi-scale gradient consistency
and KL with the weights 1, 0.2 and 1e-6. The gradients are compared as in Li and Snavely, "MegaDepth" (CVPR 2018): at
four scales, each by every other pixel of the one before. The paper does not say over what its losses are summed; here
L1 and gradients are means over components, and KL is a sum over the latent of a slice, as in latent diffusion.

Departs from the paper: the squared error is added. Where most of a picture stands still, the median of a component is
0, and L1 alone stays long with a decoder that says 0 everywhere; then nothing but KL is left to learn. The network sees
its slices larger (GAIN). And it begins as average pooling (`_pool`): from random weights it is slow to learn how far a
slice goes, for group normalisation divides that out, and slices differ in it by a factor of forty.
"""

from typing import NamedTuple

import numpy as np
import torch
from diffusers import AutoencoderKL
from diffusers.models.attention_processor import Attention
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from backend.priors.dynamics.sizes import Sizes

CHANNELS = 4  # Re x, Re y, Im x, Im y
GRADIENT, KL, SQUARED = 0.2, 1e-6, 1.0
GAIN = 4.0  # of the network's slices over the normalised ones, whose root mean square is 0.2, 0.4 where things are
SCALES = 4
CERTAIN = -6.0  # log-variance of the posterior at first
SMALL = 0.25  # of a signal beside 1, at first


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
    _pool(network, sizes.latent)
    return network


@torch.no_grad()
def _pool(network: AutoencoderKL, latent: int) -> None:
    """Let it begin as average pooling, and pixels as large as the pools for the way back; latents are almost certain.

    Signal c goes through channels 4 c to 4 c + 3 as (s x, -s x, 1, -1): group normalisation finds about the same size
    in them however large x is, and of SiLU, silu(x) - silu(-x) = x is left; its groups are of 4 channels or more. What
    residual blocks add is 0 at first.
    """
    for module in network.modules():
        if isinstance(module, ResnetBlock2D):
            _put(module.conv2, {})
            if module.conv_shortcut is not None:
                _put(module.conv_shortcut, {(c, c): 1.0 for c in range(min(module.in_channels, module.out_channels))})
        elif isinstance(module, Attention):
            _put(module.to_out[0], {})
        elif isinstance(module, Downsample2D):
            _put(module.conv, {(c, c): 0.25 for c in range(module.channels)}, np.s_[:2, :2])
        elif isinstance(module, Upsample2D):
            _put(module.conv, {(c, c): 1.0 for c in range(module.channels)})
    means = {(c, c): 1.0 for c in range(latent)}
    _put(network.quant_conv, means)
    # A posterior as wide as the prior drowns what is encoded.
    nn.init.constant_(network.quant_conv.bias[latent:], CERTAIN)
    _put(network.post_quant_conv, means)
    for half in (network.encoder, network.decoder):
        into, out_of = half.conv_in, half.conv_out
        signals = min(CHANNELS, latent, into.out_channels // 4, out_of.in_channels // 4)
        into.weight[: 4 * signals] = 0.0
        for c in range(signals):
            into.weight[4 * c : 4 * c + 2, c, 1, 1] = torch.tensor([SMALL, -SMALL])
            into.bias[4 * c : 4 * c + 4] = torch.tensor([0.0, 0.0, 1.0, -1.0])
        back = 0.5**0.5 / SMALL  # the root mean square of (0, 0, 1, -1) is what normalisation divides by
        _put(out_of, {(c, 4 * c): back for c in range(signals)} | {(c, 4 * c + 1): -back for c in range(signals)})


def _put(layer: nn.Module, weights: dict[tuple[int, int], float], where: tuple = np.s_[1:2, 1:2]) -> None:
    """All weights and biases of a layer are 0 but these, (to, from) in the middle of a kernel or `where` in it."""
    layer.weight.zero_()
    layer.bias.zero_()
    for (to, of), weight in weights.items():
        layer.weight[to, of][where if layer.weight[to, of].shape == (3, 3) else ...] = weight


class Losses(NamedTuple):
    """Of one batch, each without its weight, in the network's slices."""

    l1: Tensor
    gradient: Tensor
    kl: Tensor
    squared: Tensor

    @property
    def total(self) -> Tensor:
        return self.l1 + GRADIENT * self.gradient + KL * self.kl + SQUARED * self.squared


def losses(autoencoder: AutoencoderKL, slices: Tensor, generator: torch.Generator) -> Losses:
    """Of normalised slices (N, 4, H, W) that go through a latent drawn with `generator` and back."""
    slices = GAIN * slices
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
    means = autoencoder.encode(GAIN * slices.flatten(0, -4)).latent_dist.mode()
    config = autoencoder.config
    return ((means - config.shift_factor) * config.scaling_factor).unflatten(0, slices.shape[:-3])


def decode(autoencoder: AutoencoderKL, latents: Tensor) -> Tensor:
    """Normalised slices (..., 4, H, W) of latents (..., 4, h, w); differentiable."""
    config = autoencoder.config
    means = latents.flatten(0, -4) / config.scaling_factor + config.shift_factor
    return autoencoder.decode(means).sample.unflatten(0, latents.shape[:-3]) / GAIN


def centre(autoencoder: AutoencoderKL, slices: Tensor) -> None:
    """Note in the autoencoder by how much its latents of (N, 4, H, W) are to be moved and scaled, as `encode` does."""
    with torch.no_grad():
        means = autoencoder.encode(GAIN * slices).latent_dist.mode()
    autoencoder.register_to_config(shift_factor=means.mean().item(), scaling_factor=1 / means.std().item())
