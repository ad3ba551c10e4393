"""How like the truth predicted motion is, where and how far: of slices (B, K, 4, H, W) in pixels."""

import torch.nn.functional as F
from torch import Tensor

MOVES = 0.02  # pixels: a picture in which nothing swings as far is of a still thing


def swing(slices: Tensor) -> Tensor:
    """How far each pixel swings, whatever it leans: (..., H, W), the length of all its coefficients but the first."""
    return slices[..., 1:, :, :, :].square().sum(dim=(-4, -3)).sqrt()


def magnitude(found: Tensor, truth: Tensor) -> float:
    """How far things swing, as a share of how far they swing in truth: a mean over all pixels of all pictures."""
    return (swing(found).mean() / swing(truth).mean().clamp(min=1e-6)).item()


def place(found: Tensor, truth: Tensor) -> float:
    """Cosine between the maps of how far things swing: 1 where they swing in the same places. A mean over the pictures
    in which something does; 0 where there are none."""
    one, other = (swing(slices).flatten(1) for slices in (found, truth))
    moves = other.amax(dim=1) > MOVES
    return F.cosine_similarity(one, other)[moves].mean().item() if moves.any() else 0.0
