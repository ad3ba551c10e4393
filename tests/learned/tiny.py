"""A model of image dynamics that is small and untrained, and pictures for it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from backend.priors.dynamics import Dynamics
from backend.priors.dynamics.sizes import SEEDLING
from backend.spectral import SpectralVolume

HIGH, WIDE = 32, 48  # as the networks see it
SIZES = replace(
    SEEDLING, height=HIGH, width=WIDE, bins=5, autoencoder=(8, 8, 16), denoiser=(8, 16), head=4, groups=4,
    renderer=(4, 8, 8), perception=(4, 4, 4),
)  # fmt: skip
SCALES = torch.tensor([2.0, 2.0, 1.0, 1.0, 0.5])


def saved(folder: Path, **sizes) -> str:
    """The folder, with a model in it."""
    of = replace(SIZES, **sizes)
    Dynamics.fresh(of, torch.linspace(2.0, 0.5, of.bins) if sizes else SCALES).save(folder)
    return str(folder)


def blocks(height=64, width=96, channels=3, seed=0) -> np.ndarray:
    """(H, W, channels) in patches of 8 x 8."""
    small = np.random.default_rng(seed).integers(0, 256, (-(-height // 8), -(-width // 8), channels), np.uint8)
    return np.kron(small, np.ones((8, 8, 1), np.uint8))[:height, :width]


def expecting(monkeypatch, volume: SpectralVolume) -> list[tuple]:
    """Every model expects this from now on; what each was asked, (picture, seed, how)."""
    asked = []
    monkeypatch.setattr(Dynamics, "predict", lambda self, *given: asked.append(given) or volume)
    return asked
