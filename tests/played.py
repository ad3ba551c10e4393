"""What a spectral volume means: its motion at any time, by the formula itself. What the project plays is held to it."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backend.spectral import SpectralVolume


def synthesise(volume: SpectralVolume, times: ArrayLike) -> NDArray[np.float32]:
    """Displacements (T, V, 3) or (T, H, W, 2) at `times` (T,), seconds: Re sum_k S_k exp(2 pi i k f0 t)."""
    turns = np.mod(volume.base * np.asarray(times, np.float64), 1.0)
    waves = np.exp(2j * np.pi * np.outer(turns, np.arange(len(volume.coefficients))))
    return np.tensordot(waves, volume.coefficients.astype(np.complex128), axes=1).real.astype(np.float32)
