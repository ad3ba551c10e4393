"""A small model of views that this project trains itself: MVDream's network in miniature, on pixels.

    folder/unet, text      a config.json and weights each, in half precision
    folder/scheduler       scheduler_config.json
    folder/seedling.json   the sizes, and the words that it knows

Its latents are the pictures themselves, folded: the 2 x 2 pixels of a cell are its channels. A text is at most L words,
each a vector of its own with that of its place added; behind the last one come as many of "no word", which is the
first vector, and is learnt too. The empty text is L of these: what classifier-free guidance is measured from.

It says v = alpha eps - sigma x0, under the cosine schedule of Nichol, Dhariwal (arXiv:2102.09672).
"""

import json
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, ModelMixin
from diffusers.configuration_utils import ConfigMixin, register_to_config
from torch import Tensor, nn

from backend.priors import views, weights
from backend.priors.prior import Given, Schedule
from backend.priors.views import MultiViewUNet

CARD = "seedling.json"
COLOURS = 3
LAYOUT = f"a seedling has the folders unet, text and scheduler, and {CARD}"


@dataclass(frozen=True)
class Sizes:
    """Of pictures, and of the network."""

    side: int = 32  # pixels
    fold: int = 2  # pixels along a cell's side
    widths: tuple[int, ...] = (48, 96, 96)  # channels, level by level; all but the first attend
    layers: int = 1  # residual blocks a level
    heads: int = 8
    groups: int = 16  # of group normalisation
    tokens: int = 12  # L
    text: int = 96  # C
    levels: int = 1000  # of noise

    def __post_init__(self) -> None:
        step = self.fold * 2 ** (len(self.widths) - 1)
        if self.side % step:
            raise ValueError(f"The side must be a multiple of {step}, not {self.side}")

    @property
    def latent(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        cells = self.side // self.fold
        return COLOURS * self.fold**2, cells, cells

    @property
    def unet_settings(self) -> dict:
        deeper = len(self.widths) - 1
        channels, side, _ = self.latent
        return {
            "sample_size": side,
            "in_channels": channels,
            "out_channels": channels,
            "down_block_types": ("DownBlock2D", *("CrossAttnDownBlock2D",) * deeper),
            "up_block_types": (*("CrossAttnUpBlock2D",) * deeper, "UpBlock2D"),
            "block_out_channels": self.widths,
            "layers_per_block": self.layers,
            "cross_attention_dim": self.text,
            "attention_head_dim": self.heads,  # how many they are, whatever its name says
            "norm_num_groups": self.groups,
            **views.EMBEDDED,
        }

    @property
    def schedule_settings(self) -> dict:
        return {
            "num_train_timesteps": self.levels,
            "beta_schedule": "squaredcos_cap_v2",
            "prediction_type": "v_prediction",
            "clip_sample": False,
            "timestep_spacing": "trailing",
        }


class Text(ModelMixin, ConfigMixin):
    """A vector for each word, and for each place."""

    @register_to_config
    def __init__(self, words: int, tokens: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(1 + words, width)  # the first is no word
        self.places = nn.Parameter(torch.randn(tokens, width) / 4)

    def forward(self, rows: Tensor) -> Tensor:
        """(N, L, C) of rows (N, L) of numbers of words."""
        return self.vectors(rows) + self.places


@dataclass(eq=False)
class Seedling:
    """A `Prior` over pixels."""

    sizes: Sizes
    words: tuple[str, ...]  # lower case
    unet: MultiViewUNet
    text: Text
    schedule: Schedule

    @classmethod
    def fresh(cls, sizes: Sizes, words: Sequence[str], seed: int = 0) -> "Seedling":
        """Untrained.

        Raises:
            ValueError: a word twice, or one that no text can have.
        """
        words = tuple(words)
        if strange := [word for word in words if split(word) != [word]]:
            raise ValueError(f"These are not single words in lower case: {', '.join(map(repr, strange[:3]))}")
        if len(set(words)) < len(words):
            raise ValueError("A vocabulary has every word once")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            unet = views.built(sizes.unet_settings)
            text = Text(len(words), sizes.tokens, sizes.text)
        return cls(sizes, words, unet, text, _schedule(sizes.schedule_settings, "cpu"))

    @classmethod
    def load(cls, folder: Path | str, device: torch.device | str = "cpu") -> "Seedling":
        """What `save` wrote, to compute in float32 and not to be trained.

        Raises:
            FileNotFoundError: there is no such folder.
            weights.AnotherLayout: it holds something else.
            weights.Damaged: one of its files cannot be read.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise FileNotFoundError(f"No seedling lies in {folder}")
        card = weights.settings(folder / CARD, LAYOUT)
        try:
            sizes, words = Sizes(**_tuples(card["sizes"])), tuple(card["words"])
        except (KeyError, TypeError, AttributeError, ValueError) as reason:
            raise weights.Damaged(f"{folder / CARD} is damaged; get it again ({reason})") from reason
        with torch.device("meta"):
            unet = views.built(weights.settings(folder / "unet" / "config.json", LAYOUT))
            text = Text.from_config(weights.settings(folder / "text" / "config.json", LAYOUT))
        for name, network in (("unet", unet), ("text", text)):
            file = weights.file_in(folder / name, torch.float16)
            weights.filled(network, weights.tensors(file), file, device, torch.float32)
        if len(words) != text.config.words:
            raise weights.Damaged(f"{folder / CARD} has {len(words)} words, and the weights {text.config.words}")
        scheduler = weights.settings(folder / "scheduler" / "scheduler_config.json", LAYOUT)
        return cls(sizes, words, unet, text, _schedule(scheduler, device))

    def save(self, folder: Path | str) -> None:
        """Into a folder of diffusers' layout, weights in half precision."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, network in (("unet", self.unet), ("text", self.text)):
            deepcopy(network).half().save_pretrained(folder / name, variant="fp16")
        DDIMScheduler.from_config(self.sizes.schedule_settings).save_pretrained(folder / "scheduler")
        card = {"sizes": asdict(self.sizes), "words": self.words}
        (folder / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")

    def parameters(self) -> Iterator[nn.Parameter]:
        """What is trained."""
        yield from self.unet.parameters()
        yield from self.text.parameters()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its pictures."""
        return self.sizes.side, self.sizes.side

    @property
    def latent(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return self.sizes.latent

    def embed(self, texts: Sequence[str]) -> Tensor:
        """(N, L, C) of the words that it knows; of the others `unread` tells."""
        number = {word: at for at, word in enumerate(self.words, start=1)}
        rows = torch.zeros(len(texts), self.sizes.tokens, dtype=torch.long)
        for row, text in zip(rows, texts, strict=True):
            known = [number[word] for word in split(text) if word in number][: len(row)]
            row[: len(known)] = torch.tensor(known, dtype=torch.long)
        return self.text(rows.to(self.text.device))

    def unread(self, text: str) -> list[str]:
        """The words of a text that are not seen: it has not learnt them, or so many do not fit."""
        known = set(self.words)
        fitting = iter(range(self.sizes.tokens))
        return [word for word in split(text) if word not in known or next(fitting, None) is None]

    def encode(self, pictures: Tensor) -> Tensor:
        """Latents (B, *latent) of pictures (B, 3, H, W) in [-1, 1], sRGB; differentiable."""
        return F.pixel_unshuffle(pictures, self.sizes.fold)

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) of latents (B, *latent)."""
        return F.pixel_shuffle(latents, self.sizes.fold)

    def predict(self, x_t: Tensor, t: Tensor, given: Given) -> Tensor:
        """v of latents (B, *latent) at levels (B,)."""
        return views.predicted(self.unet, x_t, t, given).to(x_t.dtype)


def split(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return re.findall(r"[^\W_]+", text.lower())


def _schedule(settings: dict, device: torch.device | str) -> Schedule:
    scheduler = DDIMScheduler.from_config(settings)
    return Schedule(scheduler.alphas_cumprod.to(device), scheduler.config.prediction_type)


def _tuples(fields: dict) -> dict:
    """JSON has no tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
