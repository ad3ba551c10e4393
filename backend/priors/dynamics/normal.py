"""Slices of a spectral volume as the networks see them, and the motion that they stand for.

Conventions are those of backend/spectral.py: of each bin, four channels (Re x, Re y, Im x, Im y) of the coefficient in
pixels of the picture, x to the right and y down, and

    d(p, t) = Re sum_k S_k(p) exp(2 pi i k f0 t)

Networks see sign(s) sqrt(|s| / size_k) of each component s: frequency-adaptive normalisation, from "Generative Image
Dynamics" (arXiv:2309.07906). `backend.spectral.Scales` is the same formula in numpy, and measures the sizes. The
paper's ablation is here too: the power is 1 in place of 1/2, and all sizes are one (`alike`).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from backend.spectral import BASE, SpectralVolume


def normalised(pixels: Tensor, sizes: Tensor, power: float = 0.5) -> Tensor:
    """Slices (..., K, 4, H, W) in pixels as the networks see them. It has no slope at 0: do not differentiate it."""
    shares = pixels / _beside(sizes, pixels)
    return shares.sign() * shares.abs() ** power


def restored(values: Tensor, sizes: Tensor, power: float = 0.5) -> Tensor:
    """Slices (..., K, 4, H, W) in pixels, of what `normalised` gave; differentiable."""
    return values * values.abs() ** (1 / power - 1) * _beside(sizes, values)


def alike(sizes: Tensor) -> Tensor:
    """One size for all bins (K,), that of the bin with the largest: for a normalisation that is not adaptive."""
    return sizes.max().expand(len(sizes)).clone()


def displacements(pixels: Tensor, turns: Tensor) -> Tensor:
    """Motion textures (..., T, 2, H, W) in pixels of slices (..., K, 4, H, W), at `turns` (T,) of the loop's period."""
    bins = torch.arange(pixels.shape[-4], dtype=turns.dtype, device=turns.device)
    angles = (2 * math.pi * torch.outer(turns, bins)).to(pixels)
    real, imaginary = pixels.split(2, dim=-3)
    return torch.einsum("tk,...kchw->...tchw", angles.cos(), real) - torch.einsum(
        "tk,...kchw->...tchw", angles.sin(), imaginary
    )


def starting_at_rest(pixels: Tensor) -> Tensor:
    """Slices (..., K, 4, H, W) whose motion has d(p, 0) = 0: the picture is the first frame.

    Bins that were cut off, and errors in those that were not, leave a little at t = 0. The lean takes it up.
    """
    out = pixels.clone()
    out[..., 0, :2, :, :] = -pixels[..., 1:, :2, :, :].sum(dim=-4)
    return out


def resized(pixels: Tensor, height: int, width: int) -> Tensor:
    """Slices (K, 4, h, w) of a picture as those of the same picture in (K, 4, height, width) of its new pixels."""
    grown = [width / pixels.shape[-1], height / pixels.shape[-2]] * 2  # of x, y, x, y
    larger = F.interpolate(pixels, (height, width), mode="bilinear", antialias=True)
    return larger * larger.new_tensor(grown).view(-1, 1, 1)


def as_volume(pixels: Tensor, base: float = BASE) -> SpectralVolume:
    """The spectral volume (K, H, W, 2) of the slices (K, 4, H, W) of one picture."""
    real, imaginary = pixels.detach().float().cpu().movedim(1, -1).split(2, dim=-1)
    return SpectralVolume(torch.complex(real.contiguous(), imaginary.contiguous()).numpy(), base)


def as_slices(volume: SpectralVolume) -> Tensor:
    """Slices (K, 4, H, W) in pixels, float32, of the spectral volume of one picture."""
    coefficients = torch.from_numpy(volume.coefficients)
    return torch.cat([coefficients.real, coefficients.imag], dim=-1).movedim(-1, 1).float()


def _beside(sizes: Tensor, slices: Tensor) -> Tensor:
    if sizes.shape != (slices.shape[-4],):
        raise ValueError(f"Sizes of {len(sizes)} bins do not fit {slices.shape[-4]}")
    return sizes.to(slices).view(-1, 1, 1, 1)
