"""How unsharp the motion is that a model can say: what its autoencoder makes of the truth.

What the denoiser adds cannot be told from another motion that might as well be true; so this is the least.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from backend.lifting import Blur
from backend.priors.dynamics import Dynamics
from backend.training.dynamics.samples import Batch

SOFTS = np.arange(0.0, 4.01, 0.25)  # pixels
FAR = 8  # pixels: errors further apart have nothing to do with each other


@torch.no_grad()
def softness(model: Dynamics, batch: Batch) -> Blur:
    """The Gaussian that comes nearest to what the autoencoder does to slices, and the area over which what is left of
    the difference goes together, in pixels of the model."""
    truth = batch.slices[:, : model.sizes.bins]
    back = model.decoded(model.encoded(truth)).numpy().astype(np.float64)
    truth = truth.numpy().astype(np.float64)
    left = {soft: back - gaussian_filter(truth, (0, 0, 0, soft, soft)) for soft in SOFTS}
    soft = min(left, key=lambda one: float((left[one] ** 2).sum()))
    return Blur(float(soft), area(left[soft].reshape(-1, *truth.shape[-2:])))


def area(errors: NDArray[np.float64]) -> float:
    """Of errors (N, H, W): the integral of their autocorrelation, pixels; 1 where each pixel errs by itself."""
    height, width = errors.shape[1:]
    power = (np.abs(np.fft.rfft2(errors, (2 * height, 2 * width))) ** 2).sum(axis=0)
    together = np.fft.irfft2(power, (2 * height, 2 * width))
    y, x = (np.minimum(np.arange(2 * side), 2 * side - np.arange(2 * side)) for side in (height, width))
    near = np.hypot(y[:, None], x) < FAR
    return float(max(1.0, together[near].sum() / together[0, 0])) if together[0, 0] > 0 else 1.0
