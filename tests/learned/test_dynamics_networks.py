"""Networks of image dynamics: what passes through them, what is trained of them, what they look like on disk."""

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from backend import spectral
from backend.priors.dynamics import CARD, NETWORKS, Dynamics, Sampling, autoencoder, denoiser, normal
from backend.priors.dynamics.sizes import PAPER, SEEDLING, Sizes
from tests.played import synthesise

TINY = Sizes(
    height=16,
    width=24,
    bins=3,
    autoencoder=(8, 8, 16),
    autoencoder_layers=1,
    denoiser=(8, 16),
    denoiser_layers=1,
    head=4,
    groups=4,
    renderer=(8, 12),
    perception=(8, 8),
)


def numbers(*shape, seed=0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def tiny(seed=0, coordinated=False) -> Dynamics:
    model = Dynamics.fresh(TINY, torch.tensor([2.0, 1.0, 0.25]), seed)
    if coordinated:
        for one in model.denoiser.coordination:
            one.proj_out.weight.data = numbers(*one.proj_out.weight.shape, seed=7) / 4
    return model


def question(items=2, seed=0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noisy latents, noise levels, pictures."""
    level = torch.tensor([700, 30, 250, 999])[:items]
    return numbers(items, *TINY.latents, seed=seed), level, numbers(items, 3, 16, 24, seed=seed + 1).tanh()


def volume(seed=0, bins=3, height=5, width=7) -> spectral.SpectralVolume:
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(2, bins, height, width, 2)) / np.arange(1, bins + 1)[:, None, None, None]
    return spectral.SpectralVolume((parts[0] + 1j * parts[1]).astype(np.complex64))


# --- normalisation ---


def test_normalisation_is_that_of_the_numpy_reference():
    volumes = [volume(seed) for seed in range(3)]
    scales = spectral.Scales.of(volumes)
    sizes = torch.from_numpy(scales.sizes)
    slices = torch.stack([normal.as_slices(one) for one in volumes])
    normalised = normal.normalised(slices, sizes)
    for one, values in zip(volumes, normalised, strict=True):
        expected = torch.from_numpy(scales.normalised(one)).movedim(-1, 1)
        torch.testing.assert_close(values, expected)
    torch.testing.assert_close(normal.restored(normalised, sizes), slices)


def test_normalisation_wants_one_size_for_each_bin():
    with pytest.raises(ValueError, match="2 bins do not fit 3"):
        normal.normalised(torch.zeros(3, 4, 5, 5), torch.ones(2))


def test_restoring_has_the_slope_of_its_formula():
    values = numbers(2, 3, 4, 5, 6).double().requires_grad_()
    sizes = torch.tensor([3.0, 1.0, 0.5]).double()
    assert torch.autograd.gradcheck(lambda v: normal.restored(v, sizes), (values,))


def test_displacements_are_those_of_the_numpy_reference():
    one = volume(bins=5)
    turns = torch.tensor([0.0, 0.3, 0.85])
    expected = torch.from_numpy(synthesise(one, turns.numpy() / one.base)).movedim(-1, 1)
    torch.testing.assert_close(normal.displacements(normal.as_slices(one), turns), expected, atol=1e-5, rtol=1e-5)


def test_slices_and_volumes_are_two_forms_of_one_thing():
    one = volume()
    np.testing.assert_array_equal(normal.as_volume(normal.as_slices(one)).coefficients, one.coefficients)


def test_the_lean_alone_makes_the_picture_the_first_frame():
    slices = numbers(2, 4, 4, 5, 6)
    still = normal.starting_at_rest(slices)
    assert normal.displacements(still, torch.zeros(1)).abs().max() < 1e-6
    torch.testing.assert_close(still[:, 1:], slices[:, 1:])
    torch.testing.assert_close(still[:, 0, 2:], slices[:, 0, 2:])


def test_a_larger_picture_moves_by_more_of_its_pixels():
    y, x = torch.meshgrid(torch.arange(4.0), torch.arange(6.0), indexing="ij")
    slices = torch.stack([x, 2 * x, y, 3 * y]).expand(2, 4, 4, 6)
    larger = normal.resized(slices, 8, 18)
    # Pixel centres: x of the larger one is at (x + 1/2) / 3 - 1/2 of the smaller, away from the border.
    at_x, at_y = (torch.arange(18.0) + 0.5) / 3 - 0.5, (torch.arange(8.0) + 0.5) / 2 - 0.5
    torch.testing.assert_close(larger[1, 0, 3, 3:15], 3 * at_x[3:15])
    torch.testing.assert_close(larger[1, 1, 3, 3:15], 2 * 2 * at_x[3:15])
    torch.testing.assert_close(larger[0, 2, 2:6, 4], 3 * at_y[2:6])
    torch.testing.assert_close(larger[0, 3, 2:6, 4], 2 * 3 * at_y[2:6])
    assert torch.equal(normal.resized(slices, 4, 6), slices)


# --- the autoencoder ---


def test_the_gradient_of_a_ramp_is_as_steep_as_its_scale_is_coarse():
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(48.0), indexing="ij")
    ramp = (0.3 * x - 0.1 * y + 5.0).expand(2, 4, 32, 48)
    # Steps of 1, 2, 4 and 8 pixels.
    torch.testing.assert_close(autoencoder.multi_scale_gradient(ramp), torch.tensor(0.4 * 15 / 4))


def test_the_gradient_of_anything_is_that_of_differences_taken_by_hand():
    difference = numbers(2, 4, 16, 24)
    scales = []
    for step in (1, 2, 4, 8):
        across = [
            abs(difference[n, c, y, x + step] - difference[n, c, y, x])
            for n in range(2)
            for c in range(4)
            for y in range(0, 16, step)
            for x in range(0, 24 - step, step)
        ]
        down = [
            abs(difference[n, c, y + step, x] - difference[n, c, y, x])
            for n in range(2)
            for c in range(4)
            for y in range(0, 16 - step, step)
            for x in range(0, 24, step)
        ]
        scales.append(torch.stack(across).mean() + torch.stack(down).mean())
    torch.testing.assert_close(autoencoder.multi_scale_gradient(difference), torch.stack(scales).mean())


def test_losses_of_the_autoencoder_are_those_of_its_posterior():
    network, slices = tiny().autoencoder, numbers(3, 4, 16, 24)
    found = autoencoder.losses(network, slices, torch.Generator().manual_seed(5))
    with torch.no_grad():
        posterior = network.encode(4 * slices).latent_dist
        latent = posterior.mean + posterior.std * numbers(*posterior.mean.shape, seed=5)
        difference = network.decode(latent).sample - 4 * slices
    kl = 0.5 * (posterior.mean**2 + posterior.std**2 - 1 - 2 * posterior.std.log()).flatten(1).sum(dim=1).mean()
    torch.testing.assert_close(found.l1, difference.abs().mean())
    torch.testing.assert_close(found.kl, kl)
    l1, gradient = found.l1, autoencoder.multi_scale_gradient(difference)
    squared = (difference**2).mean()
    torch.testing.assert_close(found.total, l1 + 0.2 * gradient + 1e-6 * kl + squared)


def test_what_is_encoded_is_not_drowned_from_the_beginning():
    slices = numbers(4, 4, 16, 24)
    posterior = tiny().autoencoder.encode(4 * slices).latent_dist
    torch.testing.assert_close(posterior.std, torch.full_like(posterior.std, math.exp(-3)))
    assert posterior.mean.std() > 2 * math.exp(-3)


@pytest.mark.parametrize("size", [1.0, 0.01])
def test_an_untrained_autoencoder_takes_means_of_pools_whatever_their_size(size):
    network = autoencoder.fresh(replace(TINY, autoencoder=(16, 32, 32)))
    slices = size * 0.1 * numbers(3, 2, 4, 16, 24)
    means = torch.nn.functional.avg_pool2d(slices.flatten(0, 1), 4)
    back = autoencoder.decode(network, autoencoder.encode(network, slices)).flatten(0, 1)
    pools = means.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    assert (back - pools).square().sum() < 0.01 * pools.square().sum()


def test_centred_latents_are_of_unit_size_and_decode_to_the_same():
    network, slices = tiny().autoencoder, 3 * numbers(5, 3, 4, 16, 24)
    before = autoencoder.decode(network, autoencoder.encode(network, slices))
    autoencoder.centre(network, slices.flatten(0, 1))
    latents = autoencoder.encode(network, slices)
    assert latents.shape == (5, 3, 4, 4, 6)
    assert abs(latents.mean()) < 1e-5 and abs(latents.std() - 1) < 1e-5
    torch.testing.assert_close(autoencoder.decode(network, latents), before)
    assert network.config.scaling_factor != 1


# --- the denoiser ---


def test_coordination_changes_nothing_at_first():
    network = tiny().denoiser
    z, level, picture = question()
    alone = [network.one_slice(z[:, k], level, torch.tensor([k, k]), picture) for k in range(TINY.bins)]
    torch.testing.assert_close(network(z, level, picture), torch.stack(alone, dim=1))


@pytest.mark.parametrize("coordinated", [False, True])
def test_slices_know_of_each_other_by_coordination_alone(coordinated):
    network = tiny(coordinated=coordinated).denoiser
    z, level, picture = question()
    moved = z.clone()
    moved[:, 2] += 1
    change = (network(moved, level, picture) - network(z, level, picture)).abs().amax(dim=(0, 2, 3, 4))
    assert change[2] > 1e-3
    assert (change[:2] > 1e-4).all() if coordinated else not change[:2].any()


def test_pictures_know_nothing_of_each_other():
    network = tiny(coordinated=True).denoiser
    z, level, picture = question(items=3)
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(
        network(z[order], level[order], picture[order]), network(z, level, picture)[order], atol=1e-5, rtol=1e-5
    )


def test_the_noise_depends_on_level_bin_and_picture():
    network = tiny().denoiser
    z, level, picture = question()
    z, bin_ = z[:, 0], torch.tensor([0, 1])
    found = network.one_slice(z, level, bin_, picture)
    for other in (
        network.one_slice(z, level + 200, bin_, picture),
        network.one_slice(z, level, bin_ + 1, picture),
        network.one_slice(z, level, bin_, 0 * picture),
    ):
        assert ((other - found).abs().amax(dim=(1, 2, 3)) > 1e-5).all()


def test_what_is_frozen_stays_and_the_coordination_learns():
    model = tiny()
    network, before = model.denoiser, copy.deepcopy(model.denoiser.state_dict())
    optimiser = torch.optim.AdamW(network.freeze_slices(), lr=1e-2, weight_decay=0.1)
    noise = denoiser.Noise(model.scheduler, torch.Generator().manual_seed(0))
    z, _, picture = question()
    for _ in range(2):  # the first step can but move the layer that is zero
        denoiser.coordination_loss(network, z, picture, noise).backward()
        optimiser.step()
    after = network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    learnt = {name for name, _ in network.named_parameters() if name.startswith("coordination")}
    # A bias of keys moves all attention alike: softmax does not see it.
    assert changed <= learnt and len(changed) > 0.9 * len(learnt)
    assert not any(weight.grad is not None for weight in network.unet.parameters())


def test_noise_is_put_in_as_the_schedule_says():
    scheduler = denoiser.schedule(TINY)
    latents = numbers(500, 4, 2, 2)
    level, v, z = denoiser.Noise(scheduler, torch.Generator().manual_seed(1)).put_into(latents)
    alpha = scheduler.alphas_cumprod[level].view(-1, 1, 1, 1)
    eps = alpha.sqrt() * v + (1 - alpha).sqrt() * z  # which turns with z about the latents by an angle
    torch.testing.assert_close(alpha.sqrt() * z - (1 - alpha).sqrt() * v, latents)
    assert abs(eps.mean()) < 0.1 and abs(eps.std() - 1) < 0.05
    assert abs(torch.corrcoef(torch.stack([eps.flatten(), latents.flatten()]))[0, 1]) < 0.05
    older = DDIMScheduler.from_config(scheduler.config, prediction_type="epsilon")
    torch.testing.assert_close(denoiser.Noise(older, torch.Generator().manual_seed(1)).put_into(latents)[1], eps)
    assert level.min() < 20 and level.max() > 980
    assert scheduler.alphas_cumprod[0] > 0.998 and scheduler.alphas_cumprod[-1] < 2e-4


def test_a_tenth_of_the_pictures_is_withheld():
    noise = denoiser.Noise(denoiser.schedule(TINY), torch.Generator().manual_seed(1))
    pictures = 1 + torch.rand(3000, 3, 1, 2, generator=torch.Generator().manual_seed(2))
    seen = noise.sometimes_without(pictures)
    withheld = (seen == 0).all(dim=(1, 2, 3))
    assert 0.08 < withheld.float().mean() < 0.12
    assert torch.equal(seen[~withheld], pictures[~withheld])


def test_a_slice_is_learnt():
    """After a few steps the loss of one slice, given its picture, is far below that of who guesses no noise: 1."""
    model = tiny()
    optimiser = torch.optim.AdamW(model.denoiser.parameters(), lr=4e-3)
    noise = denoiser.Noise(model.scheduler, torch.Generator().manual_seed(0))
    latents, _, picture = question(items=1)
    slices, bin_ = latents[0, :1].expand(32, -1, -1, -1), torch.zeros(32, dtype=torch.long)
    losses = []
    for _ in range(100):
        loss = denoiser.slice_loss(model.denoiser, slices, bin_, picture.expand(32, -1, -1, -1), noise)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > 0.9 and np.mean(losses[-10:]) < 0.35


# --- sizes, and the folder ---


def test_the_seedling_is_of_25_megabytes():
    with torch.device("meta"):
        model = Dynamics.fresh(SEEDLING, torch.ones(SEEDLING.bins))
    weights = [weight for name in NETWORKS for weight in getattr(model, name).parameters()]
    assert 15e6 < 2 * sum(weight.numel() for weight in weights) < 24.9e6


def test_the_papers_sizes_fit_together():
    with torch.device("meta"):
        slices, network = torch.empty(2, 4, 160, 256), denoiser.fresh(PAPER)
        encoder = autoencoder.fresh(PAPER)
        assert encoder.encode(slices).latent_dist.mode().shape[1:] == PAPER.latents[1:] == (4, 40, 64)
        z = torch.empty(1, *PAPER.latents)
        assert network(z, torch.empty(1), torch.empty(1, 3, 160, 256)).shape == z.shape


def test_a_size_that_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match="multiples of 8, not 16 and 20"):
        replace(TINY, width=20)


def test_a_saved_model_is_the_same_model_in_half_precision(tmp_path):
    model = tiny(coordinated=True)
    model.guidance = 0.5
    autoencoder.centre(model.autoencoder, numbers(6, 4, 16, 24))
    model.save(tmp_path)
    for name in ("autoencoder", "denoiser", "renderer", "perception"):
        assert (tmp_path / name / "diffusion_pytorch_model.fp16.safetensors").is_file()
        assert json.loads((tmp_path / name / "config.json").read_text())["_class_name"]
    again = Dynamics.load(tmp_path)
    assert again.sizes == TINY and torch.equal(again.scales, model.scales) and again.guidance == 0.5
    assert torch.equal(again.scheduler.alphas_cumprod, model.scheduler.alphas_cumprod)
    assert again.scheduler.config.timestep_spacing == "trailing"
    for name in NETWORKS:
        old, new = getattr(model, name), getattr(again, name)
        assert new.dtype == torch.float32
        for name, weight in old.state_dict().items():
            assert torch.equal(new.state_dict()[name], weight.half().float())
    _, _, pictures = question()
    found, expected = (one.slices(pictures, [1, 2], Sampling(steps=5)) for one in (again, model))
    assert (found - expected).abs().max() < 0.02 * expected.abs().max()


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=CARD):
        Dynamics.load(tmp_path / "nowhere")
