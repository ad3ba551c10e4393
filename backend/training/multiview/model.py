"""The models that learn views: a seedling from nothing, or a Stable Diffusion or MVDream that learns on."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import xxhash
from torch import nn

from backend.priors import views
from backend.priors.prior import Prior
from backend.priors.seedling import CARD, Seedling

KEPT = ("vae", "text_encoder", "tokenizer", "scheduler")  # of a Stable Diffusion that learns on
PARTS = ("unet", "camera_proj", "text", *KEPT)  # folders of a model that learns on; what lies beside them is not read
READ = (".json", ".txt", ".safetensors", ".bin")
CHUNK = 2**24  # bytes


class Trained(ABC):
    """A prior that learns."""

    prior: Prior
    clamp: float | None  # of clean latents

    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """That learn, by the names of their folders."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """What can be loaded again."""

    def learning(self) -> list[nn.Parameter]:
        return [one for network in self.networks().values() for one in network.requires_grad_(True).parameters()]

    def parameters(self) -> dict[str, Iterable[nn.Parameter]]:
        return {name: network.parameters() for name, network in self.networks().items()}

    def state(self) -> dict[str, Any]:
        return {name: network.state_dict() for name, network in self.networks().items()}

    def restore(self, state: dict[str, Any]) -> None:
        """As it was when `state` was told."""
        for name, weights in state.items():
            self.networks()[name].load_state_dict(weights)


class Sown(Trained):
    """A seedling."""

    clamp = 1.0

    def __init__(self, prior: Seedling, device: str) -> None:
        schedule = replace(prior.schedule, alphas_cumprod=prior.schedule.alphas_cumprod.to(device))
        self.prior = replace(prior, schedule=schedule)
        for network in self.networks().values():
            network.to(device)

    def networks(self) -> dict[str, nn.Module]:
        return {"unet": self.prior.unet, "text": self.prior.text}

    def save(self, folder: Path) -> None:
        self.prior.save(folder)


class Grafted(Trained):
    """A Stable Diffusion from a folder of diffusers' layout, whose U-Net learns cameras too."""

    clamp = None

    def __init__(self, base: Path, side: int | None, seed: int, device: str) -> None:
        """Of pictures of so many pixels, or as many as it has learnt before."""
        from backend.priors.stable import FRONT, LatentDiffusion

        self.base, self.prior = base, LatentDiffusion.load(base, device, torch.float32)
        if self.prior.unet.class_embedding is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                unet = views.built(dict(self.prior.unet.config) | views.EMBEDDED)
            unet.load_state_dict(self.prior.unet.state_dict(), strict=False)
            # Nothing is added in the beginning: the network starts as the one that it was.
            nn.init.zeros_(unet.class_embedding.linear_2.weight)
            nn.init.zeros_(unet.class_embedding.linear_2.bias)
            self.prior.unet, self.prior.front = unet.to(device), FRONT
        if side is not None:
            cells = side // 2 ** (len(self.prior.vae.config.block_out_channels) - 1)
            self.prior.unet.register_to_config(sample_size=cells)
        if device == "cuda":  # on a CPU what is computed again would attend otherwise than `precision.mixed` has it
            self.prior.unet.enable_gradient_checkpointing()

    def networks(self) -> dict[str, nn.Module]:
        return {"unet": self.prior.unet}

    def save(self, folder: Path) -> None:
        """In diffusers' layout; what did not learn is copied."""
        for name in KEPT:
            shutil.copytree(self.base / name, folder / name, dirs_exist_ok=True)
        self.prior.unet.save_pretrained(folder / "unet")


class Unpacked(Trained):
    """MVDream, from one of its authors' files with a tokenizer beside it."""

    clamp = None

    def __init__(self, file: Path, device: str) -> None:
        from backend.priors import mvdream

        self.prior = mvdream.load(file, device=device, dtype=torch.float32)
        if device == "cuda":  # as of Grafted
            self.prior.unet.enable_gradient_checkpointing()

    def networks(self) -> dict[str, nn.Module]:
        return {"unet": self.prior.unet}

    def save(self, folder: Path) -> None:
        """In diffusers' layout, as all that is made of it: the authors' names are of their own code."""
        from backend.priors import mvdream

        mvdream.save(self.prior, folder)


def digest(base: Path) -> str:
    """Of the model in a folder or in a file: all that its parts say, by their names, wherever it lies.

    Raises:
        FileNotFoundError: nothing lies there.
    """
    if not base.exists():
        raise FileNotFoundError(f"No model lies in {base}")
    files = [base]
    if base.is_dir():
        files = [base / CARD, *(path for part in PARTS for path in sorted((base / part).glob("*")))]
        files = [path for path in files if path.is_file() and path.suffix in READ]
    own = xxhash.xxh3_128()
    for path in files:
        name = path.relative_to(base).as_posix()
        own.update(f"{name} {path.stat().st_size} ".encode())
        with path.open("rb") as file:
            while part := file.read(CHUNK):
                own.update(part)
    return own.hexdigest()
