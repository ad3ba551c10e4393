"""Score distillation, against priors whose best guesses are known in closed form: then the optimum is known, too.

With G = sigma^2 (alpha^2 covariance + sigma^2)^-1, a Gaussian's estimate of clean latents z, over all noise, is off by

    E (z - x0) = G (z - mean)

and so, under classifier-free guidance with scale s, z stays where s G_c (z - mean_c) - (s - 1) G_u (z - mean_u) = 0,
summed over the levels that are drawn, each with its weight. It is stable where s G_c - (s - 1) G_u is positive
definite: where what is expected under the text is the narrower of the two, or s is small.
"""

from dataclasses import replace

import pytest
import torch

from backend.guidance import PLAIN_SDS, ClassifierFree, Guidance, NotFinite, distil, estimate, rescaled
from backend.priors.prior import Given, Schedule
from tests.learned.gaussian import LATENT, VIEWS, N, prior, texts

PREDICTIONS = ("epsilon", "v_prediction")


def drawn(*shape, seed=0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def seeded(seed=0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def of_sets(sets, seed=0) -> torch.Tensor:
    return drawn(sets * VIEWS, *LATENT, seed=seed)


def optimised(of, how, steps=100, copies=400, rate=1.0) -> torch.Tensor:
    """One set (N,), of which as many copies are noised in each step, and its mean over the last third."""
    z = torch.full((VIEWS, *LATENT), 2.0, requires_grad=True)
    given, without = texts(of, copies)
    generator, last = seeded(5), []
    for step in range(steps):
        loss = distil(of, z.repeat(copies, 1, 1, 1), given, without, how, step / steps, generator).loss
        (slope,) = torch.autograd.grad(VIEWS * loss, z)
        z = (z - rate * slope).detach().requires_grad_()
        last.append(z.detach().flatten())
    return torch.stack(last[-steps // 3 :]).mean(dim=0)


def fixed_point(of, how, low, high) -> torch.Tensor:
    """(N,): where guidance by Gaussians comes to rest, of levels low ... high, both in."""
    a = of.schedule.alphas_cumprod[low : high + 1, None]
    weight = ((a * (1 - a)).sqrt() if how.loss == "sds" else torch.ones_like(a)) * (1 - a)  # w(t) sigma^2
    given, without = (one.along((weight / (a * one.spreads**2 + 1 - a)).mean(dim=0)) for one in (of.given, of.without))
    given, without = how.scale * given, (how.scale - 1) * without
    assert torch.linalg.eigvalsh(given - without).min() > 0
    return torch.linalg.solve(given - without, given @ of.given.mean - without @ of.without.mean)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("loss", ["x0", "sds"])
def test_latents_come_to_rest_at_the_mean_of_a_gaussian(prediction, loss):
    of = prior(prediction)
    how = Guidance(scale=1, rescale=0, loss=loss)
    found = optimised(of, how, rate=1.0 if loss == "x0" else 2.5)
    torch.testing.assert_close(found, of.given.mean, atol=0.02, rtol=0)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("loss", ["x0", "sds"])
def test_guidance_comes_to_rest_where_the_closed_form_says(prediction, loss):
    of = prior(prediction)
    how = Guidance(4.0, rescale=0, loss=loss, lowest=(0.2, 0.2), highest=(0.8, 0.8))
    expected = fixed_point(of, how, 200, 800)
    found = optimised(of, how, rate=0.4 if loss == "x0" else 1.0)
    torch.testing.assert_close(found, expected, atol=0.03, rtol=0)
    # It is neither of the means, and what levels weigh is seen.
    other = fixed_point(of, replace(how, loss="sds" if loss == "x0" else "x0"), 200, 800)
    assert min((found - one).abs().max() for one in (of.given.mean, of.without.mean, other)) > 0.06


def test_between_gaussians_of_one_spread_guidance_goes_past_the_mean():
    """There the closed form is mean_u + s (mean_c - mean_u), whatever the levels."""
    of = prior()
    of.without = replace(of.given, mean=of.without.mean)
    how = Guidance(2.5, rescale=0)
    expected = of.without.mean + 2.5 * (of.given.mean - of.without.mean)
    torch.testing.assert_close(fixed_point(of, how, 20, 500), expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(optimised(of, how, rate=0.5), expected, atol=0.03, rtol=0)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_slopes_of_sds_are_those_of_its_paper(prediction):
    """w(t) (eps^ - eps) with w = sigma^2, over latents of which each has as much say."""
    of, sets = prior(prediction), 3
    z = of_sets(sets).requires_grad_()
    given, without = texts(of, sets)
    found = distil(of, z, given, without, replace(PLAIN_SDS, scale=7.0), 0.9, seeded(3))
    found.loss.backward()
    x_t, t, _ = of.asked[0]
    assert len(x_t) == 2 * len(z) and torch.equal(x_t[: len(z)], x_t[len(z) :])
    a = of.schedule.alphas_cumprod[found.t].view(-1, 1, 1, 1)
    eps = (x_t[: len(z)] - a.sqrt() * z.detach()) / (1 - a).sqrt()
    assert abs(eps.std() - 1) < 0.3
    each, levels = x_t[: len(z)].reshape(sets, N), of.schedule.alphas_cumprod[t[: len(z) : VIEWS]]
    under, free = (one.eps(each, levels).view_as(z) for one in (of.given, of.without))
    expected = (1 - a) * (free + 7 * (under - free) - eps) / len(z)
    torch.testing.assert_close(z.grad, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_slopes_of_the_x0_loss_are_the_way_to_the_clean_estimate(prediction):
    of, sets, how = prior(prediction), 3, Guidance(7.0)
    of.given.mean.requires_grad_()  # as weights of networks may
    z = of_sets(sets).requires_grad_()
    found = distil(of, z, *texts(of, sets), how, 0.9, seeded(3))
    (slope,) = torch.autograd.grad(found.loss, z)
    torch.testing.assert_close(slope, (z - found.clean).detach() / len(z))
    assert not found.clean.requires_grad
    # The clean estimate, by hand.
    x_t, each = of.asked[0][0][: len(z)], of.schedule.alphas_cumprod[found.t[::VIEWS]]
    under, free = (one.clean(x_t.reshape(sets, N), each).detach() for one in (of.given, of.without))
    guided = free + 7 * (under - free)
    expected = (0.5 * (under.std(dim=1) / guided.std(dim=1))[:, None] + 0.5) * guided
    torch.testing.assert_close(found.clean, expected.view_as(z), atol=1e-5, rtol=1e-4)


def test_latents_are_noised_to_the_level_that_is_told():
    of, sets = prior(), 20_000
    z = torch.full((sets * VIEWS, *LATENT), 3.0)
    how = replace(PLAIN_SDS, scale=1, lowest=(0.6, 0.6), highest=(0.6, 0.6))
    found = distil(of, z, *texts(of, sets), how, 0.0, seeded())
    a, x_t = of.schedule.alphas_cumprod[600], of.asked[0][0]
    assert (found.t == 600).all()
    assert abs(x_t.mean() - 3 * a.sqrt()) < 0.01 and abs(x_t.var() - (1 - a)) < 0.01


def test_the_views_of_a_set_share_their_level_and_sets_do_not():
    of, how = prior(), Guidance(lowest=(0.02, 0.02), highest=(0.98, 0.98))
    found = distil(of, of_sets(50), *texts(of, 50), how, 0.0, seeded())
    each = found.t.view(50, VIEWS)
    assert (each == each[:, :1]).all()
    assert len(each.unique()) > 25
    assert torch.equal(of.asked[0][1], found.t.repeat(2))


def test_every_level_of_the_range_is_drawn():
    of, how = prior(), Guidance(lowest=(0.3, 0.3), highest=(0.303, 0.303))
    t = distil(of, of_sets(200), *texts(of, 200), how, 0.0, seeded()).t
    assert t.unique().tolist() == [300, 301, 302, 303]


@pytest.mark.parametrize(
    ("progress", "expected"),
    [(0, (980, 980)), (0.2, (740, 860)), (0.4, (500, 740)), (0.8, (20, 500)), (0.9, (20, 500)), (1, (20, 500))],
)
def test_levels_are_annealed_and_then_stay(progress, expected):
    assert Guidance().levels(progress, 1000) == expected
    assert Guidance().levels(progress, 100) == tuple(one // 10 for one in expected)


def test_levels_at_the_ends():
    assert Guidance(lowest=(1.0, 0.0), highest=(1.0, 1.0)).levels(0, 1000) == (999, 999)
    assert Guidance(lowest=(1.0, 0.0), highest=(1.0, 1.0)).levels(1, 1000) == (0, 999)
    assert Guidance(annealed=0).levels(0, 1000) == (20, 500)
    for progress in (-0.01, 1.01, float("nan")):
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
            Guidance().levels(progress, 1000)


def test_rescaling_to_an_equal_spread_changes_nothing():
    latents = drawn(6, 3, 4, 4)
    torch.testing.assert_close(rescaled(latents, latents + 5, 1.0, 3), latents)
    assert torch.equal(rescaled(latents, 9 * latents, 0.0, 3), latents)
    flat = torch.full((4, 3, 4, 4), 0.7)
    torch.testing.assert_close(rescaled(flat, flat, 1.0, 2), flat)


def test_rescaling_halves_what_is_spread_twice_as_far():
    like = drawn(6, 3, 4, 4)
    torch.testing.assert_close(rescaled(2 * like, like, 1.0, 3), like)
    torch.testing.assert_close(rescaled(2 * like, like, 0.5, 3), 1.5 * like)


def test_a_set_is_rescaled_as_a_whole():
    """Views of unequal spread keep their proportions; sets have factors of their own."""
    x0 = drawn(4, 3, 4, 4) * torch.tensor([1.0, 3.0, 2.0, 0.5]).view(4, 1, 1, 1)
    like = torch.cat([x0[:2] / 4, x0[2:] * 3])[[1, 0, 3, 2]]  # of each set the views change places
    found = rescaled(x0, like, 1.0, 2)
    torch.testing.assert_close(found, torch.cat([x0[:2] / 4, x0[2:] * 3]))


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_scales_of_0_and_1_are_the_prior_itself(prediction):
    of = prior(prediction)
    x_t, t = of_sets(2), torch.tensor([600, 600, 300, 300])
    a = of.schedule.alphas_cumprod[t[::VIEWS]]
    for scale, one in ((0, of.without), (1, of.given)):
        found = estimate(of, x_t, t, *texts(of, 2), ClassifierFree(scale))
        torch.testing.assert_close(found, one.clean(x_t.view(2, N), a).view_as(x_t), atol=1e-5, rtol=1e-5)
    assert [len(asked) for asked, _, _ in of.asked] == [8, 4]  # under the text alone there is nothing else to ask


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_texts_one_after_the_other_say_the_same_of_half_as_many_latents_at_once(prediction):
    of, (x_t, t) = prior(prediction), (of_sets(2), torch.tensor([600, 600, 300, 300]))
    how = Guidance(7.0)
    apart = replace(how, apart=True)
    found, same = (estimate(of, x_t, t, *texts(of, 2), one) for one in (apart, how))
    torch.testing.assert_close(found, same, atol=1e-6, rtol=1e-6)
    assert [len(asked) for asked, _, _ in of.asked] == [4, 4, 8]
    assert repr(apart) == repr(how)  # by which fields are known that are kept


def test_an_estimate_is_held_where_it_is_asked_to_be():
    of, x_t, t = prior(), 3 * of_sets(2), torch.full((4,), 500)
    free, held = (estimate(of, x_t, t, *texts(of, 2), ClassifierFree(9.0, 0.3, clamp)) for clamp in (None, 1.0))
    assert free.abs().max() > 1.5
    assert torch.equal(held, free.clamp(-1, 1))


def test_distillation_is_the_same_again():
    of = prior()
    given, without = texts(of, 3)
    first, again, other = (distil(of, of_sets(3), given, without, Guidance(), 0.5, seeded(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not torch.equal(first.clean, other.clean)


def test_draws_are_those_of_single_precision_in_every_type():
    of = prior()
    for dtype in (torch.float32, torch.float64, torch.float16):
        distil(of, of_sets(3).half().to(dtype), *texts(of, 3), Guidance(), 0.5, seeded())
    (single, t, _), (double, t_double, _), (half, t_half, _) = of.asked
    assert torch.equal(t, t_double) and torch.equal(t, t_half)
    torch.testing.assert_close(double.float(), single)
    torch.testing.assert_close(half, single)


def test_latents_of_half_precision_do_not_overflow():
    of = prior()
    z = torch.full((100 * VIEWS, *LATENT), 400.0, dtype=torch.float16, requires_grad=True)
    loss = distil(of, z, *texts(of, 100), Guidance(), 1.0, seeded()).loss
    assert loss > torch.finfo(torch.float16).max and loss.dtype == torch.float32
    loss.backward()
    assert z.grad.dtype == torch.float16 and z.grad.abs().max() > 0


def test_what_is_no_number_is_named():
    of, how = prior(), Guidance(clamp=1.0)
    broken = of_sets(2)
    broken[3, 0, 1, 1] = float("nan")
    with pytest.raises(NotFinite, match=r"in the latents$"):
        distil(of, broken, *texts(of, 2), how, 0.5, seeded())
    with pytest.raises(NotFinite, match=r"in the loss$"):
        distil(of, of_sets(2) + 1e25, *texts(of, 2), how, 0.5, seeded())
    of.schedule = Schedule(torch.cat([of.schedule.alphas_cumprod[:-1], torch.zeros(1)]), "epsilon")
    all_noise = replace(how, lowest=(1, 1), highest=(1, 1))
    with pytest.raises(NotFinite, match=r"in the clean estimate$"):
        distil(of, of_sets(2), *texts(of, 2), all_noise, 0.5, seeded())
    # It would be hidden by the clamp.
    of.predict = lambda x_t, t, given: torch.full_like(x_t, torch.inf)
    with pytest.raises(NotFinite, match=r"in what the prior predicts$"):
        distil(of, of_sets(2), *texts(of, 2), replace(how, rescale=0), 0.5, seeded())


def test_texts_that_do_not_fit_are_told():
    of = prior()
    (given, without), (few, _) = texts(of, 2), texts(of, 1)
    for pair in ((given, few), (few, without)):
        with pytest.raises(ValueError, match="latents are given"):
            distil(of, of_sets(2), *pair, Guidance(), 0.5, seeded())
    with pytest.raises(ValueError, match="as many views"):
        distil(of, of_sets(2), given, Given(without.text, 1), Guidance(), 0.5, seeded())


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"scale": -1}, "0 or more, not -1"),
        ({"scale": float("inf")}, "0 or more, not inf"),
        ({"rescale": 1.5}, r"in \[0, 1\], not be 1.5"),
        ({"clamp": 0.0}, "above 0, not 0"),
        ({"loss": "vsd"}, "x0 or sds, not 'vsd'"),
        ({"lowest": (0.98, 0.6)}, "not 0.6 to 0.5"),
        ({"highest": (1.2, 0.5)}, "not 0.98 to 1.2"),
        ({"annealed": 2}, "not 2"),
    ],
)
def test_a_setting_that_cannot_be_is_told(wrong, why):
    with pytest.raises(ValueError, match=why):
        Guidance(**wrong)
