"""Stable Diffusion and MVDream, tiny, in the layouts of the published ones: what is loaded, and what is refused.

That MVDream's networks say here what they say in their authors' code was shown outside of this repository, on 22
November 2026, on a CPU (torch 2.13.0, diffusers 0.42.1, transformers 5.23.0, open_clip_torch 2.7.0), without any
published weights. github.com/bytedance/MVDream@618f844 built its networks from its own configurations, sd-v2-base and
sd-v1, without xformers, and narrower: 32 channels in U-Net and autoencoder where these have 320 and 128, 64 in a text
encoder of 2 layers that are used. They got random weights; these were written to a file by torch.save and loaded by
`mvdream.load`. Both were asked the same; the largest differences, of 2.1 and of 1.5 alike, in single precision:

    texts, by their tokenizer and encoder              0         of values up to 3.5
    vectors of cameras, get_camera's and ours          9e-8      1.0
    U-Net: 2 sets of 4 views, 1 set of 8, 2-D mode     8e-7      1.0; without 3-D attention it would be 6e-3, and were
                                                                 2-D mode a camera of zeros 4e-2
    autoencoder, the mean of what it encodes           7e-8      0.1; in double precision 2e-16
    autoencoder, decoding                              2.3e-5    1.8; in double precision 4e-14
    alphas_cumprod                                     5e-7      1.0

ashawkey/mvdream_diffusers@8b318ef, its class with the same weights (torch's attention for xformers', settings written
beside it by hand), differs from what its folder is loaded as by 7e-7; so does, from the same, a folder that was made
of these weights in the layout of lizhiqi49/mvdream-diffusers, whose own code was not run.

At the sizes of the configurations nothing was computed: what the official networks call their tensors there, and their
shapes, lie in tests/learned/official, and all of them have their place (below).
"""

import math
import re
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

from backend.priors import ldm, mvdream, stable, views, weights
from backend.priors.prior import Given
from backend.priors.stable import LatentDiffusion
from backend.render.cameras import orbit
from tests.learned import published
from tests.learned.published import SD15, SD21, numbers

LAYOUTS = pytest.mark.parametrize("layout", [SD21, SD15], ids=["2.1", "1.5"])
TEXTS = ["red cap", ""]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return published.packed(tmp_path_factory.mktemp("packed") / "model", SD15)


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def file_of(layout, folder):
    torch.save(published.published(layout), folder / "weights.pt")
    published.tokenizer(folder / "tokenizer")
    return folder / "weights.pt"


def around(views=4):
    return orbit(torch.arange(views) * math.tau / views, 0.3, 2.0, 0.7).to_world


@LAYOUTS
def test_a_folder_of_diffusers_says_what_diffusers_says(layout, tmp_path):
    ours = LatentDiffusion.load(published.packed(tmp_path / "model", layout, "v_prediction"))
    unet = UNet2DConditionModel.from_pretrained(tmp_path / "model", subfolder="unet")
    vae = AutoencoderKL.from_pretrained(tmp_path / "model", subfolder="vae")
    x_t, t, text = numbers(2, 4, 8, 8), torch.tensor([3, 700]), ours.embed(TEXTS)
    torch.testing.assert_close(ours.predict(x_t, t, Given(text)), unet(x_t, t, text).sample)
    pictures = numbers(2, 3, 16, 16, seed=1).tanh()
    latents = ours.encode(pictures)
    torch.testing.assert_close(latents, 0.18215 * vae.encode(pictures).latent_dist.mean)
    torch.testing.assert_close(ours.decode(latents), vae.decode(latents / 0.18215).sample)
    assert ours.schedule.prediction == "v_prediction" and ours.schedule.levels == 1000
    assert ours.latent == (4, 8, 8) and ours.size == (16, 16) and ours.front == 0


@LAYOUTS
def test_one_of_mvdreams_files_is_known_by_its_parts(layout, tmp_path):
    """The networks that its weights were taken from say the same."""
    file = file_of(layout, tmp_path)
    assert mvdream.of_file(weights.tensors(file), file).name == layout.name
    ours = mvdream.load(file, layout=layout)
    unet, vae, encoder = published.parts(layout)
    text = ours.embed(TEXTS)
    ids = torch.full((2, 16), 0 if layout.open_clip else 189)
    ids[0, :8] = torch.tensor([188, *(ord(sign) - 33 for sign in "re"), 94 + ord("d") - 33, *(ord(sign) - 33 for sign in "ca"), 94 + ord("p") - 33, 189])  # fmt: skip # noqa: E501
    ids[1, :2] = torch.tensor([188, 189])
    torch.testing.assert_close(text, encoder(ids).last_hidden_state)
    x_t, t, cameras = numbers(2, 4, 8, 8), torch.tensor([3, 700]), around(2)
    labels = views.camera_vectors(views.turned(cameras, math.pi / 2))
    expected = unet(x_t, t, text, class_labels=labels).sample
    torch.testing.assert_close(ours.predict(x_t, t, Given(text, 1, cameras)), expected)
    assert (ours.predict(x_t, t, Given(text, 2, cameras)) - expected).abs().max() > 1e-3
    pictures = numbers(2, 3, 16, 16, seed=1).tanh()
    torch.testing.assert_close(ours.encode(pictures), 0.18215 * vae.encode(pictures).latent_dist.mean)
    torch.testing.assert_close(ours.decode(x_t), vae.decode(x_t / 0.18215).sample)
    assert ours.schedule.prediction == "epsilon" and ours.front == pytest.approx(math.pi / 2)


@LAYOUTS
def test_the_published_sizes_are_built_without_memory(layout):
    """Numbers as MVDream's own code has them: 867.6 and 861.2 million in the U-Net, 83.7 in the autoencoder."""
    whole = mvdream.SD21 if layout.open_clip else mvdream.SD15
    with torch.device("meta"):
        unet, vae = views.built(whole.unet_settings), AutoencoderKL(**whole.vae_settings)
        counts = [sum(one.numel() for one in network.parameters()) for network in (unet, vae)]
    assert counts == [867572164 if layout.open_clip else 861182404, 83653863]


def whole(layout):
    return mvdream.SD21 if layout.open_clip else mvdream.SD15


@LAYOUTS
def test_all_that_the_official_networks_hold_has_its_place(layout):
    """By the conversion, at the published sizes, without memory."""
    layout, file = whole(layout), Path("official.pt")
    named = {name: torch.empty(shape, device="meta") for name, shape in published.official(layout).items()}
    assert mvdream.of_file(named, file) is layout
    with torch.device("meta"):
        empty = views.built(layout.unet_settings), AutoencoderKL.from_config(layout.vae_settings)
    inner = ldm.part(named, ldm.UNET)
    found = (
        weights.filled(empty[0], ldm.unet(inner, layout.unet_settings, file), file, "meta", torch.float16),
        weights.filled(empty[1], ldm.autoencoder(named, layout.vae_settings), file, "meta", torch.float16),
    )
    for network, prefix in zip(found, (ldm.UNET, ldm.AUTOENCODER), strict=True):
        theirs = [one.numel() for name, one in named.items() if name.startswith(prefix)]
        assert sum(one.numel() for one in network.parameters()) == sum(theirs)
        assert len(list(network.parameters())) == len(theirs)
    reader = ldm.open_clip(named, layout.text_settings) if layout.open_clip else ldm.clip(named)
    stable.clip(layout.text_settings, reader, file, "meta", torch.float16)  # it refuses what lacks a tensor


@LAYOUTS
def test_the_names_in_these_tests_are_those_of_the_official_networks(layout):
    layout, small = whole(layout), layout
    theirs = published.official(layout)
    with torch.device("meta"):
        unet, vae = views.built(layout.unet_settings), AutoencoderKL(**layout.vae_settings)
    ours = {ldm.UNET + published.of_unet(name, layout): one.shape for name, one in unet.state_dict().items()}
    assert ours == {name: shape for name, shape in theirs.items() if name.startswith(ldm.UNET)}
    ours = {ldm.AUTOENCODER + published.of_vae(name, layout) for name in vae.state_dict()}
    assert ours == {name for name in theirs if name.startswith(ldm.AUTOENCODER)}
    named = (published.of_open_clip if layout.open_clip else published.of_clip)(CLIPTextModel(small.text_settings))
    ours, theirs = (  # of layers there are fewer
        {re.sub(r"(resblocks|layers)\.\d+", r"\1", name) for name in each}
        for each in (named, (name for name in theirs if name.startswith("cond_stage_model.")))
    )
    assert ours == theirs


def test_mvdream_packed_by_others(tmp_path):
    """With the perceptron for cameras beside the U-Net, and with the names of MVDream's own code."""
    one = published.packed(tmp_path / "one", SD21)
    other = shutil.copytree(one, tmp_path / "other")
    found = published.published(SD21)
    unet, _, _ = published.parts(SD21)
    camera = {
        name.removeprefix("class_embedding."): part for name, part in unet.state_dict().items() if "class" in name
    }
    (one / "camera_proj").mkdir()
    save_file(camera, one / "camera_proj" / "diffusion_pytorch_model.safetensors")
    before = "model.diffusion_model."
    inner = {name.removeprefix(before): part for name, part in found.items() if name.startswith(before)}
    save_file(inner, other / "unet" / "diffusion_pytorch_model.safetensors")
    (other / "unet" / "config.json").write_text(
        '{"_class_name": "MultiViewUNetModel", "model_channels": 32, "channel_mult": [1, 2], "num_heads": 2, '
        '"context_dim": 32, "image_size": 8, "camera_dim": 16}'
    )
    x_t, t, text, cameras = numbers(4, 4, 8, 8), torch.full((4,), 500), numbers(4, 16, 32, seed=1), around()
    labels = views.camera_vectors(views.turned(cameras, math.pi / 2))
    expected = unet(x_t, t, text, class_labels=labels).sample
    for packed in (one, other):
        ours = LatentDiffusion.load(packed)
        torch.testing.assert_close(ours.predict(x_t, t, Given(text, 1, cameras)), expected)
        assert ours.text.padding == 0 and ours.front == pytest.approx(math.pi / 2)


def test_names_from_before_are_known(copied):
    """Stable Diffusion 1.5's own files have them."""
    file = copied / "vae" / "diffusion_pytorch_model.safetensors"
    now = load_file(file)
    before = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    named = {}
    for name, part in now.items():
        for ours, theirs in before.items():
            name = name.replace(f".{ours}.", f".{theirs}.")
        named[name] = part
    assert set(named) != set(now)
    save_file(named, file)
    text = copied / "text_encoder" / "model.safetensors"
    save_file({f"text_model.{name.removeprefix('text_model.')}": one for name, one in load_file(text).items()}, text)
    again = LatentDiffusion.load(copied)
    assert all(torch.equal(again.vae.state_dict()[name], one) for name, one in now.items())


def test_half_precision_and_back(folder):
    whole, half = LatentDiffusion.load(folder), LatentDiffusion.load(folder, dtype=torch.bfloat16)
    x_t, t = numbers(2, 4, 8, 8), torch.tensor([3, 700])
    found, expected = (one.predict(x_t, t, Given(one.embed(TEXTS))) for one in (half, whole))
    assert half.unet.dtype == torch.bfloat16 and found.dtype == torch.float32
    assert (found - expected).abs().max() < 0.05 * expected.abs().max()


def test_a_slope_goes_through_the_autoencoder(folder):
    pictures = numbers(1, 3, 16, 16).tanh().requires_grad_()
    LatentDiffusion.load(folder).encode(pictures).square().sum().backward()
    assert pictures.grad.abs().max() > 0


def test_what_is_too_long_to_be_read_is_told(folder):
    model = LatentDiffusion.load(folder)
    assert model.unread("red cap") == [] and model.unread("abc defgh ijklmno pq") == ["o", "pq"]
    ten_kilobytes = "mushroom " * 1200
    torch.testing.assert_close(model.embed([ten_kilobytes]), model.embed(["mushroom mushroom"]))


def test_cameras_are_refused_by_a_model_of_single_pictures(folder):
    model = LatentDiffusion.load(folder)
    with pytest.raises(ValueError, match="single pictures alone"):
        model.predict(numbers(4, 4, 8, 8), torch.full((4,), 9), Given(model.embed(TEXTS * 2), 4, around()))


@pytest.mark.parametrize(
    "name", ["unet/diffusion_pytorch_model.safetensors", "vae/config.json", "tokenizer/vocab.json"]
)
def test_a_damaged_file_is_named(copied, name):
    whole = (copied / name).read_bytes()
    (copied / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(weights.Damaged, match=f"{name if 'vocab' not in name else 'tokenizer'}.* damaged"):
        LatentDiffusion.load(copied)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_a_part_that_is_missing_is_named(copied, part):
    shutil.rmtree(copied / part)
    with pytest.raises(weights.AnotherLayout, match=part):
        LatentDiffusion.load(copied)


def test_a_weight_that_is_missing_or_strange_is_named(copied):
    file = copied / "unet" / "diffusion_pytorch_model.safetensors"
    named = load_file(file)
    named["conv_in.weight"] = named["conv_in.weight"][:, :3].contiguous()
    named["other"] = named.pop("conv_out.bias")
    save_file(named, file)
    with pytest.raises(weights.AnotherLayout) as told:
        LatentDiffusion.load(copied)
    for words in ("conv_out.bias is missing", r"conv_in.weight (32, 3, 3, 3) for (32, 4, 3, 3)", "other has no place"):
        assert words in str(told.value)


def test_nothing_there():
    for load in (LatentDiffusion.load, mvdream.load):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            load("/nowhere")


def test_files_that_are_not_mvdreams_are_refused(tmp_path):
    file = tmp_path / "weights.pt"
    file_of(SD15, tmp_path)
    named = torch.load(file)
    cases = {
        "has no camera_embed": {name: one for name, one in named.items() if "camera_embed" not in name},
        "is not one of MVDream's files": {name: one for name, one in named.items() if "cond_stage" not in name},
        "no place for: image_embed.0": named | {"model.diffusion_model.image_embed.0": torch.zeros(2)},
        "conv1.weight is missing": {
            name: one for name, one in named.items() if name != "first_stage_model.encoder.mid.block_1.conv1.weight"
        },
        "holds no tensors with names": {"numbers": 3},
    }
    for words, found in cases.items():
        torch.save(found, file)
        with pytest.raises(weights.AnotherLayout, match=words):
            mvdream.load(file, layout=None if "not one" in words else SD15)


def test_a_file_cut_short_and_one_with_code_in_it_are_damaged(tmp_path):
    file = file_of(SD15, tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(weights.Damaged, match=r"weights\.pt is damaged"):
        mvdream.load(file, layout=SD15)
    torch.save({"weight": torch.zeros(1), "code": Ran()}, file)
    with pytest.raises(weights.Damaged, match="something else than tensors"):
        mvdream.load(file, layout=SD15)
    assert not Ran.did


class Ran:
    did = False

    def __reduce__(self):
        return setattr, (Ran, "did", True)
