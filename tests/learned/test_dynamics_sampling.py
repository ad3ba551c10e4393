"""Sampling, against a prior whose noise is known in closed form.

Of x ~ N(mean, spread^2) the noise in z = sqrt(a) x + sqrt(1 - a) eps is, as the best guess from z,
sqrt(1 - a) (z - sqrt(a) mean) / (a spread^2 + 1 - a), and DDIM in small steps carries what lies so many standard
deviations from the mean of z to what lies as many from the mean of x.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from backend import spectral
from backend.priors.dynamics import Dynamics, Sampling, normal, sampler
from backend.priors.dynamics.denoiser import schedule
from backend.priors.dynamics.sampler import Loop
from backend.priors.dynamics.sizes import SEEDLING
from tests.played import synthesise

TINY = replace(SEEDLING, height=16, width=24, bins=3, autoencoder=(8, 8, 16), denoiser=(8, 16), head=4, groups=4)
SCHEDULER = schedule(TINY)
ALPHAS = SCHEDULER.alphas_cumprod


def gaussian(mean, spread):
    def eps(z, n):
        alpha = ALPHAS[n].to(z)
        alpha = alpha.view(-1, *[1] * (z.ndim - 1)) if alpha.ndim else alpha
        return (1 - alpha).sqrt() * (z - alpha.sqrt() * mean) / (alpha * spread**2 + 1 - alpha)

    return eps


def velocity(eps):
    """v of whom says eps: what a network says."""

    def v(z, level, *others):
        alpha = ALPHAS[level].to(z).view(-1, *[1] * (z.ndim - 1))
        return (eps(z, level, *others) - (1 - alpha).sqrt() * z) / alpha.sqrt()

    return v


def seeds(*numbers):
    return [torch.Generator().manual_seed(number) for number in numbers]


def carried(z, mean, spread):
    """Where the flow carries z of the highest level."""
    alpha = ALPHAS[-1]
    return mean + spread * (z - alpha.sqrt() * mean) / (alpha * spread**2 + 1 - alpha).sqrt()


def numbers(*shape, seed=0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_ddim_carries_noise_along_the_flow_to_the_prior():
    mean, spread = torch.tensor([3.0, -1.0, 0.0, 0.5]), torch.tensor([0.5, 1.0, 2.0, 0.8])
    like = torch.empty(2, 40, 4)
    expected = carried(sampler.drawn((40, 4), seeds(5, 6)), mean, spread)
    errors = [
        (sampler.ddim(gaussian(mean, spread), SCHEDULER, steps, seeds(5, 6), like) - expected).abs().max().item()
        for steps in (50, 200, 1000)
    ]
    assert errors[2] < 0.02
    assert errors[0] > 3 * errors[1] > 9 * errors[2]  # of first order in the steps


@pytest.mark.parametrize("says", ["v_prediction", "epsilon"])
def test_guidance_moves_the_mean_away_from_that_without_the_picture(says):
    """Of two priors of the same spread, (1 + w) eps(c) - w eps(0) is that of the mean (1 + w) m_c - w m_0."""
    spread, w = 0.7, 1.75
    picture = torch.tensor([1.0, -0.5]).view(2, 1, 1, 1).expand(2, 3, 4, 4)

    def eps(z, level, pictures):
        return gaussian(0.3 + 2 * pictures.mean(dim=(1, 2, 3)).view(-1, 1, 1), spread)(z, level)

    scheduler = DDIMScheduler.from_config(SCHEDULER.config, prediction_type=says)
    eps = sampler.guided(velocity(eps) if says == "v_prediction" else eps, scheduler, picture, w)
    found = sampler.ddim(eps, SCHEDULER, 1000, seeds(1, 2), torch.empty(2, 30, 4))
    given = torch.tensor([2.3, -0.7]).view(2, 1, 1)
    expected = carried(sampler.drawn((30, 4), seeds(1, 2)), (1 + w) * given - w * 0.3, spread)
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


def test_without_guidance_the_network_is_asked_once():
    asked = []

    def denoiser(z, level, pictures):
        asked.append((len(z), pictures))
        return torch.zeros_like(z)

    picture = numbers(2, 3, 4, 4)
    sampler.guided(denoiser, SCHEDULER, picture, 0.0)(numbers(2, 5), torch.tensor(3))
    assert [count for count, _ in asked] == [2]
    assert torch.equal(asked[0][1], picture)


def test_an_item_depends_on_its_seed_and_not_on_its_neighbours():
    eps = gaussian(1.0, 0.5)
    batch = sampler.ddim(eps, SCHEDULER, 10, seeds(3, 4, 3), torch.empty(3, 5, 6), recurrences=2)
    alone = sampler.ddim(eps, SCHEDULER, 10, seeds(4), torch.empty(1, 5, 6), recurrences=2)
    torch.testing.assert_close(batch[1], alone[0])
    torch.testing.assert_close(batch[0], batch[2])
    assert (batch[0] - batch[1]).abs().max() > 0.1


def test_recurrence_goes_back_to_the_level_that_it_came_from():
    """Or samples of a Gaussian, drawn with it, were no samples of that Gaussian."""
    like = torch.empty(1, 40_000)
    drawn = sampler.ddim(gaussian(-2.0, 0.6), SCHEDULER, 500, seeds(8), like, recurrences=3)
    plain = sampler.ddim(gaussian(-2.0, 0.6), SCHEDULER, 500, seeds(8), like)
    assert abs(drawn.mean() + 2) < 0.02 and abs(drawn.std() - 0.6) < 0.02
    # Noise of its own, not the first again.
    assert abs(torch.corrcoef(torch.cat([drawn, plain]))[0, 1]) < 0.9


def test_noise_from_one_level_to_a_higher_one_has_the_variance_between():
    scheduler = schedule(TINY)
    scheduler.set_timesteps(10)
    signal = torch.full((1, 200_000), 3.0)
    n = scheduler.timesteps[4]
    less = ALPHAS[n - 100].sqrt() * signal + (1 - ALPHAS[n - 100]).sqrt() * numbers(1, 200_000, seed=1)
    more = sampler._noised(less, n, scheduler, seeds(2))
    assert abs(more.mean() - ALPHAS[n].sqrt() * 3) < 0.01
    assert abs(more.var() - (1 - ALPHAS[n])) < 0.01


def test_the_pull_is_the_slope_through_the_estimate_of_what_is_clean():
    """Of a Gaussian, clean = mean + sqrt(a) spread^2 / (a spread^2 + 1 - a) (z - sqrt(a) mean)."""
    mean, spread, n = 0.4, 0.8, torch.tensor(300)
    alpha = ALPHAS[n]
    z = numbers(2, 3, 4)
    eps = gaussian(mean, spread)
    weights = numbers(3, 4, seed=5)
    pulled = sampler.drawn_to(eps, lambda clean: (weights * clean).sum(dim=(1, 2)), 7.0, SCHEDULER)
    slope = weights * alpha.sqrt() * spread**2 / (alpha * spread**2 + 1 - alpha)
    torch.testing.assert_close(pulled(z, n), eps(z, n) + 7.0 * (1 - alpha).sqrt() * slope)


def test_the_loss_of_loops_is_that_of_the_frames():
    slices, frames = numbers(2, 4, 4, 5, 6), 20
    found = sampler.loop_loss(slices, frames)
    for one, loss in zip(slices, found, strict=True):
        path = spectral.looped(normal.as_volume(one), frames)  # (T, H, W, 2)
        apart = path[-1] - path[0]
        faster = (path[-1] - path[-2]) - (path[1] - path[0])
        expected = np.abs(apart).sum(axis=-1).mean() + np.abs(faster).sum(axis=-1).mean()
        assert math.isclose(loss.item(), expected, rel_tol=1e-4)
    assert sampler.loop_loss(torch.zeros(1, 4, 4, 5, 6), frames) == 0


def gaussian_model() -> Dynamics:
    """Untrained networks about a denoiser that knows its prior."""
    model = Dynamics.fresh(TINY, torch.tensor([2.0, 1.0, 0.5]))
    v = velocity(gaussian(0.5, 1.0))
    return replace(model, denoiser=lambda z, level, picture: v(z, level))


def test_guidance_to_loops_brings_the_ends_together():
    model = gaussian_model()
    pictures = numbers(3, 3, 16, 24).tanh()

    def loss(loop):
        return sampler.loop_loss(model.slices(pictures, [1, 2, 3], Sampling(25, 0.0, loop)), 20)

    plain, none, some, strong = (loss(loop) for loop in (None, *(Loop(u, 1, 20) for u in (0.0, 200.0, 2000.0))))
    torch.testing.assert_close(none, plain)
    assert (some < 0.9 * plain).all() and (strong < 0.7 * plain).all()
    assert (loss(Loop(200.0, 2, 20)) < 0.9 * plain).all()


def test_a_prediction_is_the_same_again_and_starts_where_the_picture_is():
    model = Dynamics.fresh(TINY, torch.tensor([2.0, 1.0, 0.5]))
    picture = numbers(3, 16, 24).tanh()
    first, again, other = (model.predict(picture, seed, Sampling(steps=4)) for seed in (3, 3, 4))
    assert first.coefficients.shape == (3, 16, 24, 2)
    np.testing.assert_array_equal(first.coefficients, again.coefficients)
    assert np.abs(first.coefficients - other.coefficients).max() > 1e-3
    assert np.abs(synthesise(first, [0.0])).max() < 1e-5


def test_a_picture_of_another_size_is_answered_in_its_own_pixels():
    model = Dynamics.fresh(TINY, torch.tensor([2.0, 1.0, 0.5]))
    # Of a constant colour, so that the networks see the same whatever its size.
    picture, how = torch.tensor([0.5, -0.2, 0.1]).view(3, 1, 1).expand(3, 16, 24), Sampling(steps=2)
    own = model.predict(picture, 3, how)
    larger = model.predict(picture.repeat(1, 3, 2), 3, how)
    assert larger.coefficients.shape == (3, 48, 48, 2)
    expected = normal.starting_at_rest(normal.resized(normal.as_slices(own), 48, 48))
    np.testing.assert_allclose(larger.coefficients, normal.as_volume(expected).coefficients, atol=1e-4)


def test_without_a_word_the_guidance_is_the_models_own():
    model, picture = Dynamics.fresh(TINY, torch.tensor([2.0, 1.0, 0.5])), numbers(1, 3, 16, 24).tanh()
    found = []
    for model.guidance, how in ((0.5, Sampling(4)), (0.5, Sampling(4, 0.0)), (0.0, Sampling(4, 0.5))):
        found.append(model.slices(picture, [1], how))
    assert torch.equal(found[0], found[2]) and not torch.equal(found[0], found[1])


def test_pictures_in_another_order_are_answered_in_that_order():
    model = Dynamics.fresh(TINY, torch.tensor([2.0, 1.0, 0.5]))
    pictures, how = numbers(3, 3, 16, 24).tanh(), Sampling(steps=5)
    found = model.slices(pictures, [4, 5, 6], how)
    torch.testing.assert_close(model.slices(pictures.flip(0), [6, 5, 4], how), found.flip(0), atol=1e-4, rtol=1e-3)


def test_what_does_not_fit_is_told():
    model = gaussian_model()
    with pytest.raises(ValueError, match=r"must be \(B, 3, 16, 24\), not \(1, 3, 24, 16\)"):
        model.slices(torch.zeros(1, 3, 24, 16), [0], Sampling())
    with pytest.raises(ValueError, match="2 pictures want as many seeds, not 1"):
        model.slices(torch.zeros(2, 3, 16, 24), [0], Sampling())
    with pytest.raises(ValueError, match="must divide 1000"):
        model.slices(torch.zeros(1, 3, 16, 24), [0], Sampling(steps=30))


def test_a_video_is_the_picture_along_its_motion():
    """An untrained renderer splats; where all moves alike by whole pixels, it shifts the picture."""
    model = Dynamics.fresh(TINY, torch.ones(3))
    picture = numbers(3, 16, 24).tanh()
    coefficients = np.zeros((3, 16, 24, 2), np.complex64)
    coefficients[1, ..., 0] = 2  # to the right and back again
    frames = model.video(picture, spectral.SpectralVolume(coefficients), 4)
    torch.testing.assert_close(frames[0, ..., 2:], picture[..., :-2], atol=1e-4, rtol=0)
    torch.testing.assert_close(frames[2, ..., :-2], picture[..., 2:], atol=1e-4, rtol=0)
