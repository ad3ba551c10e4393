"""Stable Diffusion 1.5 and 2.1, and whatever else has their parts, from a folder in diffusers' layout.

    folder/unet, vae, text_encoder     a config.json and weights each
    folder/tokenizer                   vocab.json and merges.txt, or tokenizer.json
    folder/scheduler                   scheduler_config.json

Two layouts in which others have packed MVDream's weights are known too:

    folder/camera_proj                 the perceptron for cameras, beside a U-Net of diffusers' (lizhiqi49)
    folder/unet, of MultiViewUNetModel weights under the names of latent diffusion's own code (ashawkey)

Latents are those of the autoencoder, times its scaling factor (0.18215). The code of both systems draws a latent from
what the autoencoder says of a picture; here it is the mean, which differs by far less than the noise that is put in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from backend.priors import ldm, views, weights
from backend.priors.prior import Given, Schedule
from backend.priors.views import MultiViewUNet
from backend.priors.weights import AnotherLayout

LAYOUT = "a model in diffusers' layout has the folders unet, vae, text_encoder, tokenizer and scheduler"
PACKED = "MultiViewUNetModel"  # ashawkey's class
# The azimuth, in radians, from which MVDream shows the front of what it makes. Its code begins to show a thing from +X
# (scripts/t2i.py; azimuth 0 in its threestudio), where it was seen to be the front (bytedance/MVDream#19).
FRONT = torch.pi / 2


@dataclass(eq=False)
class Text:
    """Texts as the U-Net reads them: what CLIP makes of their tokens, one by one."""

    tokenizer: CLIPTokenizer
    encoder: CLIPTextModel
    padding: int  # the token behind the end of a text

    @property
    def length(self) -> int:
        """L."""
        return self.encoder.config.max_position_embeddings

    def embed(self, texts: Sequence[str]) -> Tensor:
        """(N, L, C); of a text that is too long, its beginning."""
        rows = self.tokenizer(list(texts), truncation=True, max_length=self.length)["input_ids"]
        tokens = torch.full((len(rows), self.length), self.padding)
        for row, ids in zip(tokens, rows, strict=True):
            row[: len(ids)] = torch.tensor(ids)
        return self.encoder(tokens.to(self.encoder.device)).last_hidden_state

    def unread(self, text: str) -> str:
        """The end of a text that does not fit into L tokens; "" where all fits."""
        starts = self.tokenizer(text, return_offsets_mapping=True, verbose=False)["offset_mapping"]
        return "" if len(starts) <= self.length else text[starts[self.length - 1][0] :]


@dataclass(eq=False)
class LatentDiffusion:
    """A `Prior` over the latents of an autoencoder."""

    unet: MultiViewUNet
    vae: AutoencoderKL
    text: Text
    schedule: Schedule
    front: float = 0.0  # radians: the azimuth, of backend.render.cameras, from which the front of a thing is seen

    @classmethod
    def load(
        cls, folder: Path | str, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
    ) -> "LatentDiffusion":
        """A model in diffusers' layout, not to be trained; on a GPU in half precision where no type is named.

        Raises:
            FileNotFoundError: there is no such folder.
            weights.AnotherLayout: it holds something else.
            weights.Damaged: one of its files cannot be read.
        """
        folder, dtype = Path(folder), usual_type(device, dtype)
        if not folder.is_dir():
            raise FileNotFoundError(f"No model lies in {folder}")
        unet = _unet(folder, device, dtype)
        with torch.device("meta"):
            vae = AutoencoderKL.from_config(_settings(folder, "vae"))
        file = weights.file_in(folder / "vae", dtype)
        vae = weights.filled(vae, weights.of_today(weights.tensors(file)), file, device, dtype)
        file = weights.file_in(folder / "text_encoder", dtype, ("model", "pytorch_model"))
        config = CLIPTextConfig.from_dict(_settings(folder, "text_encoder"))
        encoder = clip(config, weights.tensors(file), file, device, dtype)
        tokenizer = tokenizer_in(folder / "tokenizer")
        text = Text(tokenizer, encoder, tokenizer.pad_token_id)
        front = 0.0 if unet.class_embedding is None else FRONT
        return cls(unet, vae, text, schedule_of(_settings(folder, "scheduler"), device), front)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures that it was trained on."""
        _, height, width = self.latent
        factor = 2 ** (len(self.vae.config.block_out_channels) - 1)
        return height * factor, width * factor

    @property
    def latent(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        config = self.unet.config
        return config.in_channels, config.sample_size, config.sample_size

    def embed(self, texts: Sequence[str]) -> Tensor:
        """(N, L, C), L the same for all texts; what is beyond it, `unread` tells."""
        return self.text.embed(texts)

    def unread(self, text: str) -> list[str]:
        """The words of a text that are not seen, because it is too long."""
        return self.text.unread(text).split()

    def encode(self, pictures: Tensor) -> Tensor:
        """Latents (B, *latent) of pictures (B, 3, H, W) in [-1, 1], sRGB; differentiable."""
        latents = self.vae.encode(pictures.to(self.vae.dtype)).latent_dist.mode()
        return (self.vae.config.scaling_factor * latents).to(pictures.dtype)

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) of latents (B, *latent)."""
        scaled = (latents / self.vae.config.scaling_factor).to(self.vae.dtype)
        return self.vae.decode(scaled).sample.to(latents.dtype)

    def predict(self, x_t: Tensor, t: Tensor, given: Given) -> Tensor:
        """What `schedule.prediction` names, of latents (B, *latent) at levels (B,).

        Raises:
            ValueError: cameras, and this is a model of single pictures.
        """
        if given.cameras is not None:
            given = Given(given.text, given.views, views.turned(given.cameras, self.front))
        return views.predicted(self.unet, x_t, t, given).to(x_t.dtype)


def clip(
    config: CLIPTextConfig, named: dict[str, Tensor], source: Path, device: torch.device | str, dtype: torch.dtype
) -> CLIPTextModel:
    """CLIP's half that reads; its weights may have the names that transformers gave them before its version 5.

    Raises:
        weights.AnotherLayout: they do not fit.
    """
    with torch.device("meta"):
        encoder = CLIPTextModel(config)
    named = {name.removeprefix("text_model."): one for name, one in named.items() if "position_ids" not in name}
    encoder = weights.filled(encoder, named, source, device, dtype)
    # Not a weight, and so it is still on the meta device.
    encoder.embeddings.position_ids = torch.arange(config.max_position_embeddings, device=device)[None]
    return encoder


def tokenizer_in(folder: Path) -> CLIPTokenizer:
    """CLIP's tokens.

    Raises:
        weights.AnotherLayout: their files are not there.
        weights.Damaged: they cannot be read.
    """
    if not (folder / "tokenizer.json").is_file() and not all(
        (folder / name).is_file() for name in ("vocab.json", "merges.txt")
    ):
        raise AnotherLayout(f"{folder} lacks a tokenizer: vocab.json and merges.txt, or tokenizer.json")
    try:
        return CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as reason:  # the library of tokens raises nothing narrower
        raise weights.Damaged(f"The tokenizer in {folder} is damaged; get it again ({reason})") from reason


def schedule_of(config: dict, device: torch.device | str) -> Schedule:
    """Of the settings of any of diffusers' schedulers."""
    scheduler = DDIMScheduler.from_config(config)
    return Schedule(scheduler.alphas_cumprod.to(device), scheduler.config.prediction_type)


def _unet(folder: Path, device: torch.device | str, dtype: torch.dtype) -> MultiViewUNet:
    config = _settings(folder, "unet")
    file = weights.file_in(folder / "unet", dtype)
    named = weights.tensors(file)
    if config.get("_class_name") == PACKED:
        config = ldm.unet_settings_of(config, folder / "unet" / "config.json")
        named = ldm.unet(named, config, file)
    elif (folder / "camera_proj").is_dir():
        config |= views.EMBEDDED
        camera = weights.tensors(weights.file_in(folder / "camera_proj", dtype))
        named |= {f"class_embedding.{name}": one for name, one in camera.items()}
    with torch.device("meta"):
        unet = views.built(config)
    return weights.filled(unet, named, file, device, dtype)


def _settings(folder: Path, part: str) -> dict:
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    return weights.settings(folder / part / name, LAYOUT)


def usual_type(device: torch.device | str, dtype: torch.dtype | None) -> torch.dtype:
    """Half precision is for GPUs: few CPUs compute in it."""
    return dtype or (torch.float32 if torch.device(device).type == "cpu" else torch.float16)
