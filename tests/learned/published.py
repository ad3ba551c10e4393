"""Tiny models in the layouts of published ones, with weights that chance has made; and what the official networks of
MVDream call their tensors, at their own sizes."""

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel

from backend.priors import mvdream

OFFICIAL = Path(__file__).parent / "official"
SMALL = {"heads": 2, "text": 32, "text_layers": 2, "text_heads": 2, "widths": (32, 64), "vae": (32, 64)}
SD21, SD15 = (replace(one, vocabulary=190, tokens=16, side=8, **SMALL) for one in (mvdream.SD21, mvdream.SD15))


def official(layout: mvdream.Layout) -> dict[str, tuple[int, ...]]:
    """Name -> shape of all tensors of U-Net, autoencoder and text encoder, as github.com/bytedance/MVDream@618f844
    builds them from its own configurations; no numbers. The names of 1.5's text encoder are those of transformers 4.27,
    which it asks for. A published file has the noise levels beside them."""
    file = OFFICIAL / f"mvdream-{'2.1' if layout.open_clip else '1.5'}.json.gz"
    return {name: tuple(shape) for name, shape in json.loads(gzip.decompress(file.read_bytes())).items()}


def numbers(*shape, seed=0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def random(network: torch.nn.Module, seed: int) -> torch.nn.Module:
    for at, (name, one) in enumerate(network.named_parameters()):
        scale = one[0].numel() ** -0.5 if one.ndim > 1 else 0.1
        one.data = scale * numbers(*one.shape, seed=1000 * seed + at)
        one.data += float(one.ndim == 1 and "norm" in name and name.endswith("weight"))
    return network.eval()


def parts(layout: mvdream.Layout) -> tuple[UNet2DConditionModel, AutoencoderKL, CLIPTextModel]:
    """Of diffusers' and transformers' own classes."""
    unet, vae = UNet2DConditionModel(**layout.unet_settings), AutoencoderKL(**layout.vae_settings)
    return random(unet, 1), random(vae, 2), random(CLIPTextModel(layout.text_settings), 3)


def tokenizer(folder: Path, padding: str = "<|endoftext|>") -> None:
    """Letter by letter: 94 signs, these at a word's end, the beginning, the end."""
    folder.mkdir(parents=True)
    signs = [chr(code) for code in range(33, 127)]
    names = [*signs, *(f"{sign}</w>" for sign in signs), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({name: at for at, name in enumerate(names)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": padding}))


def packed(folder: Path, layout: mvdream.Layout, prediction: str = "epsilon", cameras: bool = False) -> Path:
    """A folder in diffusers' layout, as its own pipelines write it."""
    unet, vae, encoder = parts(layout)
    if not cameras:
        config = {name: one for name, one in unet.config.items() if "class_embed" not in name}
        plain = UNet2DConditionModel.from_config(config)
        plain.load_state_dict({name: one for name, one in unet.state_dict().items() if "class_emb" not in name})
        unet = plain
    for name, part in (("unet", unet), ("vae", vae), ("text_encoder", encoder)):
        part.save_pretrained(folder / name)
    tokenizer(folder / "tokenizer", padding="!" if layout.open_clip else "<|endoftext|>")
    DDIMScheduler(**mvdream.SCHEDULE, prediction_type=prediction).save_pretrained(folder / "scheduler")
    return folder


def published(layout: mvdream.Layout) -> dict[str, torch.Tensor]:
    """What one of MVDream's files holds, under the names of its own code."""
    unet, vae, encoder = parts(layout)
    found = {f"model.diffusion_model.{of_unet(name, layout)}": one for name, one in unet.state_dict().items()}
    for name, one in vae.state_dict().items():
        # There 1 x 1 convolutions attend.
        flat = "attentions" in name and one.ndim == 2
        found[f"first_stage_model.{of_vae(name, layout)}"] = one[:, :, None, None] if flat else one
    found |= of_open_clip(encoder) if layout.open_clip else of_clip(encoder)
    return found | {"betas": torch.zeros(1000), "alphas_cumprod": torch.zeros(1000)}


def _replaced(name: str, pairs: dict[str, str]) -> str:
    for ours, theirs in pairs.items():
        name = re.sub(ours, theirs, name)
    return name


def of_unet(name: str, layout: mvdream.Layout) -> str:
    resnet = {
        r"\.norm1\.": ".in_layers.0.", r"\.conv1\.": ".in_layers.2.", r"time_emb_proj": "emb_layers.1",
        r"\.norm2\.": ".out_layers.0.", r"\.conv2\.": ".out_layers.3.", "conv_shortcut": "skip_connection",
    }  # fmt: skip
    name = _replaced(name, resnet) if "resnets" in name else name
    for block in range(len(layout.widths)):
        for at in range(3):
            name = name.replace(f"down_blocks.{block}.resnets.{at}.", f"input_blocks.{3 * block + at + 1}.0.")
            name = name.replace(f"down_blocks.{block}.attentions.{at}.", f"input_blocks.{3 * block + at + 1}.1.")
            name = name.replace(f"up_blocks.{block}.resnets.{at}.", f"output_blocks.{3 * block + at}.0.")
            name = name.replace(f"up_blocks.{block}.attentions.{at}.", f"output_blocks.{3 * block + at}.1.")
        name = name.replace(f"down_blocks.{block}.downsamplers.0.conv.", f"input_blocks.{3 * block + 3}.0.op.")
        above = 1 if block == 0 else 2  # attention is in between, but for the coarsest scale
        name = name.replace(f"up_blocks.{block}.upsamplers.0.conv.", f"output_blocks.{3 * block + 2}.{above}.conv.")
    return _replaced(
        name,
        {
            r"^mid_block\.resnets\.0": "middle_block.0", r"^mid_block\.attentions\.0": "middle_block.1",
            r"^mid_block\.resnets\.1": "middle_block.2", r"^time_embedding\.linear_1": "time_embed.0",
            r"^time_embedding\.linear_2": "time_embed.2", r"^class_embedding\.linear_1": "camera_embed.0",
            r"^class_embedding\.linear_2": "camera_embed.2", r"^conv_in\.": "input_blocks.0.0.",
            r"^conv_norm_out": "out.0", r"^conv_out": "out.2",
        },
    )  # fmt: skip


def of_vae(name: str, layout: mvdream.Layout) -> str:
    for block in range(len(layout.vae)):
        name = name.replace(f"decoder.up_blocks.{block}.", f"decoder.up.{len(layout.vae) - 1 - block}.")
    attention = {r"group_norm": "norm", r"to_out\.0": "proj_out", r"to_([qkv])\.": r"\1."}
    name = _replaced(name, attention) if "attentions" in name else name
    return _replaced(
        name,
        {
            r"down_blocks\.(\d)": r"down.\1", r"(down|up)\.(\d)\.resnets": r"\1.\2.block",
            r"downsamplers\.0": "downsample", r"upsamplers\.0": "upsample", r"mid_block\.resnets\.0": "mid.block_1",
            r"mid_block\.resnets\.1": "mid.block_2", r"mid_block\.attentions\.0": "mid.attn_1",
            "conv_shortcut": "nin_shortcut", "conv_norm_out": "norm_out",
        },
    )  # fmt: skip


def of_clip(encoder: CLIPTextModel) -> dict[str, torch.Tensor]:
    before = "cond_stage_model.transformer.text_model."
    ids = {before + "embeddings.position_ids": torch.arange(16)[None]}
    return ids | {before + name: one for name, one in encoder.state_dict().items()}


def of_open_clip(encoder: CLIPTextModel) -> dict[str, torch.Tensor]:
    """With one block more, which is not used, and the projection."""
    ours, before = encoder.state_dict(), "cond_stage_model.model."
    found = {
        "positional_embedding": ours["embeddings.position_embedding.weight"],
        "token_embedding.weight": ours["embeddings.token_embedding.weight"],
        "ln_final.weight": ours["final_layer_norm.weight"],
        "ln_final.bias": ours["final_layer_norm.bias"],
        "text_projection": numbers(32, 32),
        "logit_scale": torch.ones(()),
    }
    for at in range(3):
        layer = f"encoder.layers.{min(at, 1)}."
        names = {
            "attn.out_proj": "self_attn.out_proj", "ln_1": "layer_norm1", "ln_2": "layer_norm2",
            "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
        }  # fmt: skip
        for kind in ("weight", "bias"):
            block = {f"{theirs}.{kind}": ours[f"{layer}{name}.{kind}"] for theirs, name in names.items()}
            block[f"attn.in_proj_{kind}"] = torch.cat([ours[f"{layer}self_attn.{one}_proj.{kind}"] for one in "qkv"])
            found |= {f"transformer.resblocks.{at}.{name}": one * (1 if at < 2 else 5) for name, one in block.items()}
    return {before + name: one for name, one in found.items()}
