"""How good rendered frames are, given the true motion: decibels over all pixels of all frames (`psnr`)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from backend.priors.dynamics import Dynamics
from backend.priors.dynamics.renderer import fresh
from backend.training.dynamics.phases import Rendering
from backend.training.dynamics.samples import Batch


def psnr(frames: Tensor, truth: Tensor) -> float:
    """Of frames in [-1, 1]."""
    return -10 * math.log10(max(((frames - truth) / 2).square().mean().item(), 1e-12))


def backward_warp(picture: Tensor, motion: Tensor) -> Tensor:
    """Frames (B, 3, H, W) in which p shows what lay at p - F(p): right where F is the same at both places, and a smear
    where what moves has an edge."""
    height, width = picture.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    places = torch.stack([(x - motion[:, 0]) / width, (y - motion[:, 1]) / height], dim=-1) * 2 - 1
    return F.grid_sample(picture, places, padding_mode="border", align_corners=False)


@torch.no_grad()
def decibels(model: Dynamics, batch: Batch) -> dict[str, float]:
    """Of one later frame of each picture of a batch; those in which nothing moves are left out."""
    picture, motion, front, truth = Rendering.pairs(batch, torch.Generator().manual_seed(0))
    given = picture, motion, front
    ways = {
        "renderer": model.renderer(*given).clamp(-1, 1),
        "splatting of the picture, no network": fresh(model.sizes.renderer)(*given).clamp(-1, 1),
        "backward warp": backward_warp(picture, motion),
        "the still picture": picture,
    }
    return {way: psnr(frames, truth) for way, frames in ways.items()}
