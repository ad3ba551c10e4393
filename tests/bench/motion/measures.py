"""How far predicted motion is from the truth. Each measure is here once, and takes what any predictor gives.

    found     (D, B, K, 4, H, W) pixels: D draws of the slices of B pictures; a predictor without chance has D = 1
    truth     (B, K, 4, H, W) pixels
    d(p, t)   = Re sum_k S_k(p) exp(2 pi i k t), t in turns of a period

Both start at rest, d(p, 0) = 0, and both have as many bins (`with_bins`). By Parseval's theorem the mean over a period
of |d|^2 is |S_0|^2 + sum_{k > 0} |S_k|^2 / 2, S_0 being real: no film is needed, and no moment is left out. Means over
pixels are over all of a picture: what stands still and is moved counts. `magnitude` and `place` are those of
backend/training/dynamics/measures.py, the mean over draws.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from backend.training.dynamics import measures

RANDOM = 20_000  # trajectories at most of which a distribution is described


class Trajectory(NamedTuple):
    """Root mean square distances of pixels over a period, means over pictures."""

    pixels: float  # of the mean draw
    share: float  # the same, as a share of what zero motion has
    best: float  # pixels, of each picture's best draw
    best_share: float


def with_bins(slices: Tensor, bins: int) -> Tensor:
    """Slices (..., K, 4, H, W) with as many bins: those that are missing are 0, and what is too much is cut off."""
    kept = slices[..., :bins, :, :, :]
    missing = kept.new_zeros(*kept.shape[:-4], bins - kept.shape[-4], *kept.shape[-3:])
    return torch.cat([kept, missing], dim=-4)


def energy(slices: Tensor) -> Tensor:
    """Mean over a period of |d|^2 by bin and pixel, (..., K, H, W) pixels^2; of the lean the real part counts."""
    squares = slices.square()
    out = squares.sum(dim=-3) / 2
    out[..., 0, :, :] = squares[..., 0, :2, :, :].sum(dim=-3)
    return out


def trajectory_error(found: Tensor, truth: Tensor) -> Trajectory:
    """How far pixels are from where they should be.

    A perfect sampler of motions whose phases are chance has sqrt(2) of zero motion's error in the mean draw, so this
    mean rewards standing still; the best of several draws does not.
    """
    apart, zero = _rms(found - truth), _rms(truth)
    mean, best = apart.mean().item(), apart.amin(dim=0).mean().item()
    return Trajectory(mean, mean / zero.mean().item(), best, best / zero.mean().item())


def spectral_error(found: Tensor, truth: Tensor) -> float:
    """Relative L2 distance of the coefficients of each bin over all pixels and draws, as a mean over bins that is
    weighted by their true energy. Zero motion has 1."""
    return _by_bin(energy(found - truth), energy(truth))


def amplitude_error(found: Tensor, truth: Tensor) -> float:
    """As `spectral_error`, of |S_k(p)| along x and along y: when a swing begins does not matter."""
    one, other = _amplitudes(found), _amplitudes(truth)
    return _by_bin((one - other).square().sum(dim=-3), other.square().sum(dim=-3))


def magnitude(found: Tensor, truth: Tensor) -> float:
    return sum(measures.magnitude(draw, truth) for draw in found) / len(found)


def place(found: Tensor, truth: Tensor) -> float:
    return sum(measures.place(draw, truth) for draw in found) / len(found)


def frechet(found: Tensor, truth: Tensor) -> float:
    """Frechet distance between the trajectories of all moving pixels, found and true, as a share of zero motion's:

        |m - m'|^2 + tr(C + C' - 2 (C C')^1/2)

    with mean m and covariance C of a trajectory, whose axes are coefficients: Parseval makes them as good as moments.
    As FVD, which the paper reports, it compares what is drawn as a whole and not picture by picture: chance in phase
    costs nothing; energy that is missing, and bins that do not belong together, do.
    """
    moves = measures.swing(truth) > measures.MOVES
    if not moves.any():
        return 0.0
    one = torch.cat([_trajectories(draw, moves) for draw in found])
    other = _trajectories(truth, moves)
    zero = other.square().sum(dim=1).mean()
    mean, own = one.mean(dim=0), torch.cov(one.T, correction=0)
    true_mean, true = other.mean(dim=0), torch.cov(other.T, correction=0)
    root = _root(true)
    both = torch.linalg.eigvalsh(root @ own @ root).clamp(min=0).sqrt().sum()
    distance = (mean - true_mean).square().sum() + own.trace() + true.trace() - 2 * both
    return (distance.clamp(min=0) / zero).item()


def unrest(slices: Tensor) -> float:
    """How far slices (..., K, 4, H, W), as drawn, are from rest at t = 0, where the picture shows them: root mean
    square of sum_k Re S_k over that of the displacement. Bins that know of each other have little of it; of those that
    do not, it is about 1."""
    start = slices[..., :2, :, :].sum(dim=-4).square().sum(dim=-3).mean()
    return (start / energy(slices).sum(dim=-3).mean().clamp(min=1e-12)).sqrt().item()


def _rms(slices: Tensor) -> Tensor:
    """(...) root mean square over period and pixels of (..., K, 4, H, W)."""
    return energy(slices).sum(dim=-3).mean(dim=(-2, -1)).sqrt()


def _by_bin(apart: Tensor, true: Tensor) -> float:
    """Of squares (D, B, K, H, W) and (B, K, H, W)."""
    apart, true = apart.mean(dim=0).sum(dim=(0, 2, 3)), true.sum(dim=(0, 2, 3))
    shares = (apart / true.clamp(min=1e-12)).sqrt()
    return ((true * shares).sum() / true.sum().clamp(min=1e-12)).item()


def _amplitudes(slices: Tensor) -> Tensor:
    """(..., K, 2, H, W) of slices (..., K, 4, H, W), so that the squares of both axes sum up to `energy`."""
    out = (slices[..., :2, :, :].square() + slices[..., 2:, :, :].square()).div(2).sqrt()
    out[..., 0, :, :, :] = slices[..., 0, :2, :, :].abs()
    return out


def _trajectories(slices: Tensor, where: Tensor) -> Tensor:
    """(N, 4 K) float64 of the pixels `where` (B, H, W), of unit weight in the mean over a period."""
    weights = slices.new_full((slices.shape[1], 4, 1, 1), 0.5)
    weights[0, :2], weights[0, 2:] = 1.0, 0.0
    flat = (slices * weights.sqrt()).movedim((1, 2), (3, 4))[where].flatten(1)
    step = max(1, len(flat) // RANDOM)
    return flat[::step].double()


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T
