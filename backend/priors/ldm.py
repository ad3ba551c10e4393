"""Weights under the names that latent diffusion's own code gives them, under diffusers' and transformers' names.

That code (github.com/CompVis/latent-diffusion) is also that of Stable Diffusion's first files and of MVDream's.

    model.diffusion_model.        the U-Net
    first_stage_model.            the autoencoder
    cond_stage_model.transformer. CLIP by transformers (1.5)
    cond_stage_model.model.       CLIP by OpenCLIP (2.1), whose last block is not used
"""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from torch import Tensor
from transformers import CLIPTextConfig

from backend.priors import views
from backend.priors.weights import AnotherLayout

UNET, AUTOENCODER = "model.diffusion_model.", "first_stage_model."
CLIP, OPEN_CLIP = "cond_stage_model.transformer.", "cond_stage_model.model."
Weights = Mapping[str, Tensor]


def unet(named: Weights, config: dict, source: Path) -> dict[str, Tensor]:
    """Of a U-Net of several views, without a prefix; `config` is diffusers' settings.

    Raises:
        AnotherLayout: it sees no cameras, or more than cameras.
    """
    if "camera_embed.0.weight" not in named:
        raise AnotherLayout(f"{source} has no camera_embed: it is not a model of several views")
    # diffusers knows such a perceptron by this name alone.
    named = {name.replace("camera_embed.", "label_emb.0."): one for name, one in named.items()}
    converted = convert_ldm_unet_checkpoint({UNET + name: one for name, one in named.items()}, config)
    kept = {id(one) for one in converted.values()}
    if strange := [name for name, one in named.items() if id(one) not in kept]:
        raise AnotherLayout(f"{source} holds what this U-Net has no place for: {', '.join(strange[:3])}")
    return converted


def autoencoder(named: Weights, config: dict) -> dict[str, Tensor]:
    """Of a whole file; `config` is diffusers' settings."""
    return convert_ldm_vae_checkpoint(part(named, AUTOENCODER, keep=True), config)


def clip(named: Weights) -> dict[str, Tensor]:
    """Of a whole file, where transformers' CLIP reads."""
    return convert_ldm_clip_checkpoint(part(named, CLIP, keep=True))


def open_clip(named: Weights, config: CLIPTextConfig) -> dict[str, Tensor]:
    """Of a whole file, where OpenCLIP reads, for one that has one block less.

    The projection of what CLIP says of the text as a whole is left out too.
    """
    last = f"{OPEN_CLIP}transformer.resblocks.{config.num_hidden_layers}."
    used = {name: one for name, one in part(named, OPEN_CLIP, keep=True).items() if not name.startswith(last)}
    # It asks a model for nothing but its settings.
    return convert_open_clip_checkpoint(SimpleNamespace(config=config), used)


def part(named: Weights, prefix: str, keep: bool = False) -> dict[str, Tensor]:
    """What begins with a prefix, without it or with it."""
    return {name if keep else name[len(prefix) :]: one for name, one in named.items() if name.startswith(prefix)}


def unet_settings(widths: tuple[int, ...], heads: int | tuple[int, ...], text: int, linear: bool, side: int) -> dict:
    """diffusers' settings of Stable Diffusion's U-Net, with cameras: attention everywhere but at the coarsest scale."""
    finer = len(widths) - 1
    return {
        "sample_size": side,
        "in_channels": 4,
        "out_channels": 4,
        "down_block_types": (*("CrossAttnDownBlock2D",) * finer, "DownBlock2D"),
        "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * finer),
        "block_out_channels": widths,
        "layers_per_block": 2,
        "cross_attention_dim": text,
        "attention_head_dim": heads,  # how many they are, whatever its name says
        "use_linear_projection": linear,
        **views.EMBEDDED,
    }


def unet_settings_of(config: dict, source: Path) -> dict:
    """diffusers' settings of a U-Net by those of MVDream's, as ashawkey's layout has kept them.

    Raises:
        AnotherLayout: some are missing.
    """
    try:
        widths = tuple(config["model_channels"] * one for one in config["channel_mult"])
        head = config.get("num_head_channels", -1)
        heads = config["num_heads"] if head == -1 else tuple(width // head for width in widths)
        # That layout's class has a linear layer on either side of attention, and no other.
        return unet_settings(widths, heads, config["context_dim"], linear=True, side=config["image_size"])
    except KeyError as missing:
        raise AnotherLayout(f"{source} lacks {missing.args[0]}, by which a U-Net of MVDream's is built") from missing
