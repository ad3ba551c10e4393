"""MVDream's published weights: sd-v2.1-base-4view.pt and sd-v1.5-4view.pt.

Shi et al., "MVDream: Multi-view Diffusion for 3D Generation" (arXiv:2308.16512). A file holds the tensors of U-Net,
autoencoder and text encoder under the names of latent diffusion's own code (backend/priors/ldm.py), and no tokenizer;
any of CLIP's will do, for all have one vocabulary. The numbers below are those of the configurations in their code.

What the network sees is in backend/priors/views.py. Pictures are of 256 x 256 pixels, four views 90 degrees apart in
training; ", 3d asset" at the end of a text asks for what the renders among the training pictures look like.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler
from torch import Tensor
from transformers import CLIPTextConfig

from backend.priors import ldm, views, weights
from backend.priors.stable import (
    FRONT,
    LatentDiffusion,
    Text,
    clip,
    schedule_of,
    tokenizer_in,
    usual_type,
)
from backend.priors.weights import AnotherLayout

SUFFIX = ", 3d asset"
# scaled_linear is "linear" in their code.
SCHEDULE = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@dataclass(frozen=True)
class Layout:
    """How large the parts in a file are."""

    name: str
    open_clip: bool  # OpenCLIP reads the text, without its last block; else transformers' CLIP does
    heads: int | tuple[int, ...]  # of attention, at each scale
    text: int  # channels
    text_layers: int  # that are used
    text_heads: int
    linear: bool  # on either side of attention in the U-Net, where else are convolutions
    widths: tuple[int, ...] = (320, 640, 1280, 1280)
    vae: tuple[int, ...] = (128, 256, 512, 512)
    vocabulary: int = 49408
    tokens: int = 77
    side: int = 32  # of the latents

    @property
    def padding(self) -> int:
        """OpenCLIP pads with 0, CLIP with the last token of its vocabulary, which is the end."""
        return 0 if self.open_clip else self.vocabulary - 1

    @property
    def unet_settings(self) -> dict:
        return ldm.unet_settings(self.widths, self.heads, self.text, self.linear, self.side)

    @property
    def vae_settings(self) -> dict:
        return {
            "sample_size": self.side * 2 ** (len(self.vae) - 1),
            "down_block_types": ("DownEncoderBlock2D",) * len(self.vae),
            "up_block_types": ("UpDecoderBlock2D",) * len(self.vae),
            "block_out_channels": self.vae,
            "latent_channels": 4,
            "layers_per_block": 2,
            "scaling_factor": 0.18215,
        }

    @property
    def text_settings(self) -> CLIPTextConfig:
        return CLIPTextConfig(
            vocab_size=self.vocabulary,
            hidden_size=self.text,
            intermediate_size=4 * self.text,
            num_hidden_layers=self.text_layers,
            num_attention_heads=self.text_heads,
            max_position_embeddings=self.tokens,
            hidden_act="gelu" if self.open_clip else "quick_gelu",
            bos_token_id=self.vocabulary - 2,
            eos_token_id=self.vocabulary - 1,
        )


SD21 = Layout("sd-v2.1-base-4view", True, (5, 10, 20, 20), text=1024, text_layers=23, text_heads=16, linear=True)
SD15 = Layout("sd-v1.5-4view", False, 8, text=768, text_layers=12, text_heads=12, linear=False)


def load(
    file: Path | str,
    tokenizer: Path | str | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    layout: Layout | None = None,
) -> LatentDiffusion:
    """One of the published files, not to be trained; on a GPU in half precision where no type is named.

    `tokenizer` is a folder, else the one of that name beside the file. Which of the two files it is, its parts tell.

    Raises:
        FileNotFoundError: there is no such file.
        AnotherLayout: it is another model's, or there is no tokenizer.
        weights.Damaged: it cannot be read.
    """
    file, dtype = Path(file), usual_type(device, dtype)
    named = weights.tensors(file)
    layout = layout or of_file(named, file)
    tokenizer = tokenizer_in(file.parent / "tokenizer" if tokenizer is None else Path(tokenizer))
    unet, vae = layout.unet_settings, layout.vae_settings
    with torch.device("meta"):
        empty = views.built(unet), AutoencoderKL.from_config(vae)
    unet = weights.filled(empty[0], ldm.unet(ldm.part(named, ldm.UNET), unet, file), file, device, dtype)
    vae = weights.filled(empty[1], ldm.autoencoder(named, vae), file, device, dtype)
    reader = ldm.open_clip(named, layout.text_settings) if layout.open_clip else ldm.clip(named)
    encoder = clip(layout.text_settings, reader, file, device, dtype)
    text = Text(tokenizer, encoder, layout.padding)
    return LatentDiffusion(unet, vae, text, schedule_of(SCHEDULE, device), FRONT)


def save(prior: LatentDiffusion, folder: Path) -> None:
    """What `load` gave, in diffusers' layout, as `LatentDiffusion.load` takes it."""
    tokenizer = prior.text.tokenizer
    parts = {"unet": prior.unet, "vae": prior.vae, "text_encoder": prior.text.encoder}
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(prior.text.padding)
    tokenizer.save_pretrained(folder / "tokenizer")
    DDIMScheduler(**SCHEDULE, prediction_type=prior.schedule.prediction).save_pretrained(folder / "scheduler")


def of_file(named: dict[str, Tensor], file: Path) -> Layout:
    """Which of the two published files this is.

    Raises:
        AnotherLayout: neither.
    """
    parts = {prefix: any(name.startswith(prefix) for name in named) for prefix in (ldm.UNET, ldm.AUTOENCODER)}
    for layout, prefix in ((SD21, ldm.OPEN_CLIP), (SD15, ldm.CLIP)):
        if all(parts.values()) and any(name.startswith(prefix) for name in named):
            return layout
    raise AnotherLayout(
        f"{file} is not one of MVDream's files: {SD21.name}.pt and {SD15.name}.pt hold a U-Net ({ldm.UNET}*), an "
        f"autoencoder ({ldm.AUTOENCODER}*) and a text encoder (cond_stage_model.*)"
    )
