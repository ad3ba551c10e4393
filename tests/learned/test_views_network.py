"""The network of several views, and the seedling of it: what sees what, and what is kept on disk."""

import json
import math
from dataclasses import replace

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel

from backend.priors import views, weights
from backend.priors.prior import Given
from backend.priors.seedling import CARD, Seedling, Sizes, split
from backend.render.cameras import orbit
from tests.learned.published import numbers, random

TINY = Sizes(side=16, widths=(16, 32), heads=2, groups=8, tokens=4, text=16)
WORDS = ("red", "mushroom", "blue", "fish", "with")
F = 3  # views


@pytest.fixture(scope="module")
def seedling():
    model = Seedling.fresh(TINY, WORDS)
    random(model.unet, 1)
    random(model.text, 2)
    for one in model.parameters():
        one.requires_grad_(False)
    return model


def around(sets=1, elevation=0.3) -> torch.Tensor:
    """Cameras (sets F, 4, 4)."""
    return orbit(torch.arange(F) * 2.0, elevation, 2.5, 0.7).to_world.repeat(sets, 1, 1)


def question(sets=1, seed=0):
    """Latents and levels of `sets` of views."""
    return numbers(sets * F, *TINY.latent, seed=seed), torch.full((sets * F,), 400)


def given(model, sets=1, text="red mushroom", **kwargs) -> Given:
    return Given(model.embed([text] * (sets * F)), **kwargs)


def moved(model, under) -> torch.Tensor:
    """By how much each of F views is another where the first one is."""
    x_t, t = question()
    other = x_t.clone()
    other[0] += 1
    change = model.predict(other, t, under) - model.predict(x_t, t, under)
    return change.abs().amax(dim=(1, 2, 3))


# --- what sees what ---


def test_views_of_a_set_see_each_other(seedling):
    assert (moved(seedling, given(seedling, views=F, cameras=around())) > 1e-3).all()


def test_in_two_dimensional_mode_none_sees_another(seedling):
    change = moved(seedling, given(seedling))
    assert change[0] > 1e-3 and (change[1:] == 0).all()


def test_sets_do_not_see_each_other(seedling):
    x_t, t = question(sets=2)
    both = seedling.predict(x_t, t, given(seedling, 2, views=F, cameras=around(2)))
    alone = seedling.predict(x_t[F:], t[F:], given(seedling, views=F, cameras=around()))
    torch.testing.assert_close(both[F:], alone)


def test_views_in_another_order_are_answered_in_that_order(seedling):
    x_t, t = question()
    order = torch.tensor([2, 0, 1])
    answer = seedling.predict(x_t, t, given(seedling, views=F, cameras=around()))
    found = seedling.predict(x_t[order], t, given(seedling, views=F, cameras=around()[order]))
    torch.testing.assert_close(found, answer[order])


def test_text_and_camera_and_level_are_seen(seedling):
    x_t, t = question()
    answer = seedling.predict(x_t, t, given(seedling, views=F, cameras=around()))
    others = [
        seedling.predict(x_t, t, given(seedling, views=F, cameras=around(elevation=0.6))),
        seedling.predict(x_t, t, given(seedling, text="blue fish", views=F, cameras=around())),
        seedling.predict(x_t, t + 100, given(seedling, views=F, cameras=around())),
    ]
    for other in others:
        assert (other - answer).abs().amax(dim=(1, 2, 3)).min() > 1e-3


def test_how_far_away_a_camera_is_is_not_seen():
    near, far = (orbit(torch.arange(3.0), 0.4, distance, 0.7).to_world for distance in (1.5, 4.0))
    vectors = views.camera_vectors(far)
    torch.testing.assert_close(views.camera_vectors(near), vectors)
    torch.testing.assert_close(vectors[:, 3:12:4].norm(dim=1), torch.ones(3))
    torch.testing.assert_close(vectors[:, 3:12:4], near[:, :3, 2])  # it stands behind what it looks at


def test_mvdreams_own_numbers_of_a_camera():
    """Azimuth 90, elevation 15 degrees of their get_camera: at +X, right is +Y, in Blender's axes."""
    rise, flat = math.sin(math.radians(15)), math.cos(math.radians(15))
    theirs = [0, -rise, flat, flat, 1, 0, 0, 0, 0, flat, rise, rise, 0, 0, 0, 1]
    ours = orbit(torch.zeros(1), math.radians(15), 3.0, 0.7).to_world
    vectors = views.camera_vectors(views.turned(ours, math.pi / 2))
    torch.testing.assert_close(vectors, torch.tensor([theirs]), atol=1e-6, rtol=0)


# --- against diffusers' own ---


def plain(seedling, **changes) -> UNet2DConditionModel:
    """diffusers' own network with the same weights."""
    network = UNet2DConditionModel(**(TINY.unet_settings | changes))
    weights = {name: one for name, one in seedling.unet.state_dict().items() if name in network.state_dict()}
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)


def test_single_views_are_answered_as_diffusers_does(seedling):
    x_t, t = question()
    text = seedling.embed(["red fish"] * F)
    vectors = views.camera_vectors(around())
    expected = plain(seedling)(x_t, t, text, class_labels=vectors).sample
    torch.testing.assert_close(seedling.predict(x_t, t, Given(text, 1, around())), expected)


def test_without_cameras_nothing_is_added(seedling):
    """It is the network without a perceptron for them, and not what a camera of zeros would make of it."""
    x_t, t = question()
    text = seedling.embed(["red fish"] * F)
    without = plain(seedling, class_embed_type=None, projection_class_embeddings_input_dim=None)
    found = seedling.predict(x_t, t, Given(text))
    torch.testing.assert_close(found, without(x_t, t, text).sample)
    zeros = plain(seedling)(x_t, t, text, class_labels=torch.zeros(F, views.CAMERA)).sample
    assert (found - zeros).abs().max() > 1e-3


def test_attention_across_views_is_that_of_its_formula(seedling):
    """softmax(q k / sqrt d) v over all pixels of a set, in double precision."""
    attention = seedling.unet.down_blocks[1].attentions[0].transformer_blocks[0].attn1
    x = numbers(2 * F, 5, 32)
    q, k, v = (
        (x.double().reshape(2, F * 5, 32) @ one.weight.double().T).reshape(2, F * 5, 2, 16).transpose(1, 2)
        for one in (attention.to_q, attention.to_k, attention.to_v)
    )
    seen = (q @ k.mT / 4).softmax(dim=-1) @ v
    out = attention.to_out[0]
    expected = seen.transpose(1, 2).reshape(2 * F, 5, 32) @ out.weight.double().T + out.bias.double()
    torch.testing.assert_close(attention(x, views=F), expected.float())


def test_its_noise_is_that_of_diffusers_cosine_schedule(seedling):
    expected = DDIMScheduler(beta_schedule="squaredcos_cap_v2").alphas_cumprod
    assert seedling.schedule.prediction == "v_prediction"
    torch.testing.assert_close(seedling.schedule.alphas_cumprod, expected)


# --- pictures and words ---


def test_a_picture_is_folded_without_loss(seedling):
    pictures = numbers(2, 3, 16, 16).requires_grad_()
    latents = seedling.encode(pictures)
    assert latents.shape[1:] == seedling.latent == (12, 8, 8) and seedling.size == (16, 16)
    assert torch.equal(seedling.decode(latents), pictures)
    assert torch.equal(latents[0, 4:8, 1, 2].flatten(), pictures[0, 1, 2:4, 4:6].flatten())
    (slope,) = torch.autograd.grad(latents.sum(), pictures)
    assert (slope == 1).all()


def test_words_are_read_in_their_order_and_without_regard_to_case(seedling):
    found = seedling.embed(["Red, MUSHROOM", "mushroom red", "red mushroom", "a red and mushroom", ""])
    assert found.shape == (5, 4, 16)
    assert torch.equal(found[0], found[2]) and torch.equal(found[0], found[3])
    assert not torch.equal(found[0], found[1])
    none = seedling.text.vectors.weight[0] + seedling.text.places
    assert torch.equal(found[4], none) and torch.equal(found[0, 2:], none[2:])


def test_what_is_not_read_is_told(seedling):
    assert seedling.unread("a red Pegasus with blue fish") == ["a", "pegasus"]
    assert seedling.unread("red red red red blue") == ["blue"]
    assert seedling.unread("") == [] and len(seedling.unread("dragon " * 1500)) == 1500
    assert split("l'été_42: Fish-tail") == ["l", "été", "42", "fish", "tail"]


def test_a_vocabulary_is_of_single_words_each_once():
    with pytest.raises(ValueError, match="'Red'"):
        Seedling.fresh(TINY, ["fish", "Red"])
    with pytest.raises(ValueError, match="once"):
        Seedling.fresh(TINY, ["fish", "fish"])


def test_sides_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="multiple of 4, not 18"):
        replace(TINY, side=18)


def test_the_seedling_is_small_enough():
    with torch.device("meta"):
        unet = views.built(Sizes().unet_settings)
    assert 3.5e6 < sum(one.numel() for one in unet.parameters()) < 4.5e6


def test_all_of_it_learns():
    model = Seedling.fresh(TINY, WORDS, seed=3)
    x_t, t = question()
    model.predict(x_t, t, given(model, text="fish", views=F, cameras=around())).square().mean().backward()
    silent = [one for one in model.parameters() if one.grad is None]
    assert not silent and model.text.vectors.weight.grad[4].abs().max() > 0


def test_chance_is_the_seeds():
    one, same, other = (list(Seedling.fresh(TINY, WORDS, seed).parameters()) for seed in (1, 1, 2))
    assert all(torch.equal(left, right) for left, right in zip(one, same, strict=True))
    assert not torch.equal(one[-1], other[-1])


# --- the folder ---


def test_a_saved_seedling_is_the_same_in_half_precision(seedling, tmp_path):
    seedling.save(tmp_path)
    for name in ("unet", "text"):
        assert (tmp_path / name / "diffusion_pytorch_model.fp16.safetensors").is_file()
    again = Seedling.load(tmp_path)
    assert again.sizes == TINY and again.words == WORDS and again.unet.dtype == torch.float32
    assert torch.equal(again.schedule.alphas_cumprod, seedling.schedule.alphas_cumprod)
    for old, new in zip(seedling.parameters(), again.parameters(), strict=True):
        assert torch.equal(old.half().float(), new) and not new.requires_grad
    x_t, t = question()
    found, expected = (one.predict(x_t, t, given(one, views=F, cameras=around())) for one in (again, seedling))
    assert (found - expected).abs().max() < 0.01 * expected.abs().max()
    assert seedling.unet.dtype == torch.float32


def test_diffusers_itself_reads_the_network_in_it(seedling, tmp_path):
    seedling.save(tmp_path)
    theirs = UNet2DConditionModel.from_pretrained(
        tmp_path, subfolder="unet", variant="fp16", torch_dtype=torch.float32, low_cpu_mem_usage=False
    )
    x_t, t = question()
    text, vectors = seedling.embed(["fish"] * F), views.camera_vectors(around())
    again = Seedling.load(tmp_path)
    expected = theirs(x_t, t, text, class_labels=vectors).sample
    torch.testing.assert_close(again.predict(x_t, t, Given(text, 1, around())), expected)


def test_folders_that_are_no_seedlings_are_refused(seedling, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Seedling.load(tmp_path / "nowhere")
    with pytest.raises(weights.AnotherLayout, match=CARD):
        Seedling.load(tmp_path)
    seedling.save(tmp_path)
    whole = (tmp_path / CARD).read_text()
    for words, card in {
        "is damaged": whole[:-9],
        "'words'": json.dumps({"sizes": {}}),
        "has 1 words, and the weights 5": json.dumps(json.loads(whole) | {"words": ["red"]}),
        "unexpected keyword": json.dumps({"sizes": {"colour": 1}, "words": []}),
    }.items():
        (tmp_path / CARD).write_text(card)
        with pytest.raises(weights.Damaged, match=words) as told:
            Seedling.load(tmp_path)
        assert CARD in str(told.value)
    (tmp_path / CARD).write_text(whole)
    file = tmp_path / "unet" / "diffusion_pytorch_model.fp16.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(weights.Damaged, match=r"fp16\.safetensors is damaged"):
        Seedling.load(tmp_path)
    file.unlink()
    with pytest.raises(weights.AnotherLayout, match="No weights lie in"):
        Seedling.load(tmp_path)
