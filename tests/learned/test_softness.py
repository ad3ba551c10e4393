"""How soft a model's motion is measured to be."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from tests.bench.motion.softness import area, softness


def test_errors_of_single_pixels_count_for_one():
    assert area(np.random.default_rng(0).normal(size=(40, 48, 64))) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("soft", [0.8, 1.5])
def test_softened_noise_goes_together_over_4_pi_of_its_variance(soft):
    """The autocorrelation of noise through a Gaussian of variance s^2 is a Gaussian of 2 s^2: 4 pi s^2 is below it."""
    noise = np.random.default_rng(1).normal(size=(60, 64, 48))
    assert area(gaussian_filter(noise, (0, soft, soft), mode="wrap")) == pytest.approx(4 * np.pi * soft**2, rel=0.1)


def test_the_softness_of_a_model_is_that_of_its_gaussian():
    rng = np.random.default_rng(2)
    squares = np.zeros((3, 5, 4, 32, 40))
    squares[..., 8:22, 10:30] = rng.normal(size=(3, 5, 4, 1, 1))

    def softened(slices):
        return torch.from_numpy(gaussian_filter(slices.numpy(), (0, 0, 0, 1.25, 1.25)))

    model = SimpleNamespace(sizes=SimpleNamespace(bins=4), encoded=lambda slices: slices, decoded=softened)
    assert softness(model, SimpleNamespace(slices=torch.from_numpy(squares))).soft == 1.25
