"""Sampling, against diffusers' own scheduler, and against priors of which all is known: the flow of a Gaussian carries
what lies so many standard deviations along an axis of x_T to what lies as many along that axis of x_0.
"""

from itertools import islice

import pytest
import torch
from diffusers import DDIMScheduler

from backend.guidance import rescaled
from backend.priors.prior import Given, Schedule
from backend.priors.sampling import Sampling, lowered, sampled, spaced
from tests.learned.gaussian import LATENT, VIEWS, N, noise_levels, prior, texts

PAIRS = [("scaled_linear", "epsilon"), ("scaled_linear", "v_prediction"), ("squaredcos_cap_v2", "v_prediction")]


def drawn(*shape, seed=0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def seeds(*numbers) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(number) for number in numbers]


def last(steps) -> torch.Tensor:
    *_, found = steps
    return found


def theirs(beta_schedule, prediction, steps, **how) -> DDIMScheduler:
    ends = {"beta_start": 0.00085, "beta_end": 0.012} if beta_schedule == "scaled_linear" else {}
    how = {"clip_sample": False, "timestep_spacing": "trailing"} | how
    scheduler = DDIMScheduler(beta_schedule=beta_schedule, prediction_type=prediction, **ends, **how)
    scheduler.set_timesteps(steps)
    return scheduler


def said(x_t, t, text) -> torch.Tensor:
    """What a network might say: nothing that any schedule knows of, another thing under each text."""
    return (x_t.roll(1, dims=-1) + text.view(-1, 1, 1, 1) + t.view(-1, 1, 1, 1) / 1000).sin()


class Network:
    """A prior of no meaning."""

    latent = (2, 3, 5)

    def __init__(self, schedule: Schedule) -> None:
        self.schedule, self.asked = schedule, 0

    def predict(self, x_t, t, given):
        self.asked += 1
        return said(x_t, t, given.text)


def given_of(*numbers, views=1) -> Given:
    return Given(torch.tensor(numbers).view(-1, 1, 1), views)


@pytest.mark.parametrize("clamp", [None, 0.8])
@pytest.mark.parametrize("steps", [20, 50])
@pytest.mark.parametrize(("beta_schedule", "prediction"), PAIRS)
def test_each_step_is_that_of_diffusers(beta_schedule, prediction, steps, clamp):
    scheduler = theirs(beta_schedule, prediction, steps, clip_sample=clamp is not None, clip_sample_range=clamp or 1.0)
    network = Network(Schedule(noise_levels(beta_schedule), prediction))
    given, without = given_of(0.3, 1.7), given_of(-0.4, 0.9)
    found = sampled(network, given, without, seeds(1, 2), Sampling(scale=3.0, clamp=clamp, steps=steps))
    x = torch.stack([drawn(*network.latent, seed=seed) for seed in (1, 2)])
    for t, clean in zip(scheduler.timesteps, found, strict=True):
        under, free = (said(x, t.expand(2), one.text) for one in (given, without))
        step = scheduler.step(free + 3 * (under - free), t, x, use_clipped_model_output=True)
        torch.testing.assert_close(
            clean, step.pred_original_sample, atol=1e-4, rtol=1e-4
        )  # at first 1 / alpha is large
        x = step.prev_sample
    torch.testing.assert_close(clean, x, atol=1e-4, rtol=1e-4)  # the last estimate is the sample
    assert (clean.abs().max() == clamp) if clamp else (clean.abs().max() > 0.8)


def carried(x_t, one, a) -> torch.Tensor:
    """Where the flow of a Gaussian carries x_t (S, N) of alpha^2 a."""
    off = (x_t - a.sqrt() * one.mean) @ one.axes / (a * one.spreads**2 + 1 - a).sqrt()
    return one.mean + (one.spreads * off) @ one.axes.T


@pytest.mark.parametrize(("beta_schedule", "prediction"), PAIRS)
def test_noise_goes_along_the_flow_to_the_prior(beta_schedule, prediction):
    of, count = prior(prediction, beta_schedule), 5
    numbers = range(count * VIEWS)
    noise = torch.stack([drawn(*LATENT, seed=seed) for seed in numbers]).view(count, N)
    expected = carried(noise, of.given, of.schedule.alphas_cumprod[-1])
    errors = []
    for steps in (25, 100, 400):
        found = last(sampled(of, *texts(of, count), seeds(*numbers), Sampling(scale=1, steps=steps)))
        errors.append((found.view(count, N) - expected).abs().max())
    assert errors[2] < 0.02
    assert errors[0] > 3 * errors[1] > 9 * errors[2]  # of first order in the steps


def test_samples_of_a_gaussian_have_its_mean_and_covariance():
    """Under the cosine's schedule: of Stable Diffusion's, the highest level is not all noise."""
    of, count = prior("v_prediction", "squaredcos_cap_v2"), 4_000
    generators = seeds(7) * count * VIEWS
    found = last(sampled(of, *texts(of, count), generators, Sampling(scale=1, steps=200))).view(count, N)
    torch.testing.assert_close(found.mean(dim=0), of.given.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(found.T.cov(), of.given.covariance, atol=0.03, rtol=0)


def test_guidance_moves_the_mean_past_that_under_the_text():
    """Of two Gaussians of the same covariance, it is that of the mean mean_u + s (mean_c - mean_u)."""
    of, count = prior(), 5
    of.given.spreads, of.given.axes = of.without.spreads, of.without.axes
    numbers = range(count * VIEWS)
    for scale in (0.0, 2.5):
        noise = torch.stack([drawn(*LATENT, seed=seed) for seed in numbers]).view(count, N)
        found = last(sampled(of, *texts(of, count), seeds(*numbers), Sampling(scale=scale, steps=400)))
        of_scale = type(of.given)(torch.lerp(of.without.mean, of.given.mean, scale), of.given.spreads, of.given.axes)
        expected = carried(noise, of_scale, of.schedule.alphas_cumprod[-1])
        torch.testing.assert_close(found.view(count, N), expected, atol=0.03, rtol=0)


def test_the_first_estimate_is_rescaled_over_its_sets():
    network = Network(Schedule(noise_levels(), "v_prediction"))
    given, without = given_of(0.3, 1.7, 0.1, 0.8, views=2), given_of(-0.4, 0.9, 2.0, 0.1, views=2)
    draw = {
        (scale, phi): next(sampled(network, given, without, seeds(1, 2, 3, 4), Sampling(scale, phi, steps=10)))
        for scale, phi in ((1, 0.0), (6, 0.0), (6, 0.7))
    }
    expected = rescaled(draw[6, 0.0], draw[1, 0.0], 0.7, 2)
    torch.testing.assert_close(draw[6, 0.7], expected)
    assert (expected - draw[6, 0.0]).abs().max() > 0.1


def test_an_item_depends_on_its_seed_and_not_on_its_neighbours():
    network = Network(Schedule(noise_levels(), "v_prediction"))
    given, without, how = given_of(0.3, 0.5, 0.3), given_of(0.0, 0.0, 0.0), Sampling(steps=10)
    batch = last(sampled(network, given, without, seeds(3, 4, 3), how))
    alone = last(sampled(network, given_of(0.5), given_of(0.0), seeds(4), how))
    torch.testing.assert_close(batch[1], alone[0])
    assert torch.equal(batch[0], batch[2]) and not torch.equal(batch[0], batch[1])
    assert torch.equal(batch, last(sampled(network, given, without, seeds(3, 4, 3), how)))


def test_items_that_name_one_generator_draw_from_it_in_turn():
    network = Network(Schedule(noise_levels(), "v_prediction"))
    given, how = given_of(0.3, 0.3), Sampling(scale=1, steps=5)
    found = last(sampled(network, given, given, seeds(3) * 2, how))
    torch.testing.assert_close(found[:1], last(sampled(network, given_of(0.3), given_of(0.3), seeds(3), how)))
    assert not torch.equal(found[0], found[1])


def test_whoever_asks_for_no_more_gets_no_more():
    network = Network(Schedule(noise_levels(), "v_prediction"))
    steps = sampled(network, given_of(0.3), given_of(0.0), seeds(1), Sampling(steps=10))
    assert network.asked == 0
    seen = list(islice(steps, 3))
    assert network.asked == len(seen) == 3
    assert torch.is_grad_enabled()  # whoever looks at views in between may want slopes of other things
    steps.close()
    assert network.asked == 3


def test_levels_are_spaced_as_diffusers_has_them():
    for steps in (1, 2, 3, 7, 10, 30, 50, 1000):
        assert spaced(1000, steps) == theirs("scaled_linear", "epsilon", steps).timesteps.tolist()
    for steps in (3, 7, 30, 999):
        levels = spaced(1000, steps)
        assert len(levels) == steps and levels[0] == 999
        assert all(one > next_ for one, next_ in zip(levels, [*levels[1:], -1], strict=True))


@pytest.mark.parametrize(("beta_schedule", "prediction"), PAIRS)
def test_a_schedule_is_that_of_diffusers(beta_schedule, prediction):
    scheduler, schedule = theirs(beta_schedule, prediction, 50), Schedule(noise_levels(beta_schedule), prediction)
    x0, eps, t = drawn(4, 2, 3, 5), drawn(4, 2, 3, 5, seed=1), torch.tensor([3, 250, 700, 990])
    x_t = schedule.noised(x0, eps, t)
    torch.testing.assert_close(x_t, scheduler.add_noise(x0, eps, t))
    predicted = eps if prediction == "epsilon" else scheduler.get_velocity(x0, eps, t)
    torch.testing.assert_close(schedule.clean(x_t, predicted, t), x0, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(lowered(schedule, x_t, x0, t, t // 2), schedule.noised(x0, eps, t // 2))
    torch.testing.assert_close(schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2, torch.ones(4, 1, 1, 1))


def test_what_a_network_says_in_half_precision_is_taken_in_that_of_the_latents():
    for prediction in ("epsilon", "v_prediction"):
        schedule, t = Schedule(noise_levels(), prediction), torch.tensor([500])
        assert schedule.clean(drawn(1, 2, 3, 5), drawn(1, 2, 3, 5).half(), t).dtype == torch.float32
        assert schedule.noised(*drawn(2, 1, 2, 3, 5).half(), t).dtype == torch.float16


def test_what_is_given_goes_together_in_its_order():
    one = Given(drawn(2, 3, 4), 2, drawn(2, 4, 4))
    other = Given(drawn(2, 3, 4, seed=1), 2, drawn(2, 4, 4, seed=1))
    both = one.and_then(other)
    assert torch.equal(both.text[:2], one.text) and torch.equal(both.text[2:], other.text)
    assert torch.equal(both.cameras[:2], one.cameras) and torch.equal(both.cameras[2:], other.cameras)
    assert both.views == 2
    for stranger in (Given(other.text, 1, other.cameras), Given(other.text, 2)):
        with pytest.raises(ValueError, match="goes in one batch"):
            one.and_then(stranger)


def test_what_does_not_fit_is_told():
    network, two = Network(Schedule(noise_levels(), "epsilon")), given_of(0.1, 0.2)
    with pytest.raises(ValueError, match="2 latents want as many generators, not 1"):
        sampled(network, two, two, seeds(1), Sampling())
    for steps in (0, 1001):
        with pytest.raises(ValueError, match=f"between 1 and 1000, not be {steps}"):
            sampled(network, two, two, seeds(1, 2), Sampling(steps=steps))
    with pytest.raises(ValueError, match="5 latents are no sets of 2 views"):
        Given(drawn(5, 3, 4), 2)
    with pytest.raises(ValueError, match=r"\(B, L, C\), not \(5, 3\)"):
        Given(drawn(5, 3))
    with pytest.raises(ValueError, match=r"4 latents want cameras \(4, 4, 4\), not \(1, 4, 4\)"):
        Given(drawn(4, 3, 4), 2, drawn(1, 4, 4))
    with pytest.raises(ValueError, match="predicts epsilon or v_prediction, not 'sample'"):
        Schedule(noise_levels(), "sample")
    with pytest.raises(ValueError, match=r"wants \(N,\) numbers"):
        Schedule(torch.arange(5), "epsilon")
    for wrong in (noise_levels().flip(0), noise_levels() + 0.5, noise_levels() * float("nan")):
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\)"):
            Schedule(wrong, "epsilon")
