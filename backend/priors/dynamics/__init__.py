"""Generative image dynamics: from one picture how all in it sways, as a spectral volume.

Li, Tucker, Snavely, Holynski, "Generative Image Dynamics" (CVPR 2024, arXiv:2309.07906). Their weights were never
published; these networks are trained by backend/training.

    picture       (B, 3, H, W) in [-1, 1], sRGB as a camera gives it
    slices        (B, K, 4, H, W): of each bin (Re x, Re y, Im x, Im y) of the displacement, in pixels or normalised
    latents       (B, K, 4, h, w): of each slice, of unit size

Conventions of coefficients are those of backend/spectral.py.
"""

import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler
from torch import Tensor

from backend.priors.dynamics import autoencoder, denoiser, features, normal, renderer, sampler
from backend.priors.dynamics.denoiser import Denoiser
from backend.priors.dynamics.features import Perception
from backend.priors.dynamics.renderer import Renderer
from backend.priors.dynamics.sampler import Sampling
from backend.priors.dynamics.sizes import Sizes
from backend.spectral import SpectralVolume

CARD = "dynamics.json"  # sizes, the scales of bins, and the guidance
NETWORKS = {
    "autoencoder": AutoencoderKL,
    "denoiser": Denoiser,
    "renderer": Renderer,
    "perception": Perception,
}  # by the names of their folders
USUAL = Sampling()


@dataclass(eq=False)
class Dynamics:
    """The model: picture -> spectral volume -> video."""

    sizes: Sizes
    scales: Tensor  # (K,) pixels: backend.spectral.Scales.sizes of the training set
    autoencoder: AutoencoderKL
    denoiser: Denoiser
    renderer: Renderer
    perception: Perception  # wanted in training alone
    scheduler: DDIMScheduler
    guidance: float = sampler.GUIDANCE  # w, with which things swing about as far as in truth

    @classmethod
    def fresh(cls, sizes: Sizes, scales: Tensor, seed: int = 0) -> "Dynamics":
        """Untrained."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            networks = (
                autoencoder.fresh(sizes),
                denoiser.fresh(sizes),
                renderer.fresh(sizes.renderer, sizes.single_scale),
                features.fresh(sizes.perception),
            )
        return cls(sizes, scales, *networks, denoiser.schedule(sizes))

    @classmethod
    def load(cls, folder: Path | str, device: str = "cpu") -> "Dynamics":
        """What `save` wrote, to compute in float32 and not to be trained.

        Raises:
            FileNotFoundError: there is no such model.
        """
        folder = Path(folder)
        if not (folder / CARD).is_file():
            raise FileNotFoundError(f"No model of image dynamics lies in {folder}: {CARD} is missing")
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        how = {"variant": "fp16", "torch_dtype": torch.float32, "low_cpu_mem_usage": False, "local_files_only": True}
        networks = {
            name: kind.from_pretrained(folder, subfolder=name, **how).to(device).eval().requires_grad_(False)
            for name, kind in NETWORKS.items()
        }
        scheduler = DDIMScheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True)
        known = {"scales": torch.tensor(card["scales"]), "guidance": float(card["guidance"])}
        return cls(Sizes.of_json(card["sizes"]), **known, **networks, scheduler=scheduler)

    def save(self, folder: Path | str) -> None:
        """Into a folder of diffusers' layout, weights in half precision."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in NETWORKS:
            deepcopy(getattr(self, name)).half().save_pretrained(folder / name, variant="fp16")
        self.scheduler.save_pretrained(folder / "scheduler")
        card = {"sizes": self.sizes.as_json(), "scales": self.scales.tolist(), "guidance": self.guidance}
        (folder / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")

    def encoded(self, pixels: Tensor) -> Tensor:
        """Latents of slices (B, K, 4, H, W) in pixels."""
        return autoencoder.encode(self.autoencoder, self.normalised(pixels))

    def decoded(self, latents: Tensor) -> Tensor:
        """Slices (B, K, 4, H, W) in pixels of latents; differentiable."""
        return normal.restored(autoencoder.decode(self.autoencoder, latents), self.scales, self.sizes.power)

    def normalised(self, pixels: Tensor) -> Tensor:
        """Slices (B, K, 4, H, W) in pixels as the autoencoder sees them."""
        return normal.normalised(pixels, self.scales, self.sizes.power)

    @torch.no_grad()
    def slices(self, pictures: Tensor, seeds: list[int], how: Sampling) -> Tensor:
        """Slices (B, K, 4, H, W) in pixels, one for each picture (B, 3, H, W) and its seed.

        Raises:
            ValueError: pictures of another size, or not as many seeds.
        """
        size = (self.sizes.height, self.sizes.width)
        if pictures.shape[1:] != (3, *size):
            raise ValueError(f"Pictures must be (B, 3, {size[0]}, {size[1]}), not {tuple(pictures.shape)}")
        if len(seeds) != len(pictures):
            raise ValueError(f"{len(pictures)} pictures want as many seeds, not {len(seeds)}")
        guidance = self.guidance if how.guidance is None else how.guidance
        eps, recurrences = sampler.guided(self.denoiser, self.scheduler, pictures, guidance), 1
        if how.loop is not None:
            frames, recurrences = how.loop.frames, how.loop.recurrences
            eps = sampler.drawn_to(
                eps, lambda z: sampler.loop_loss(self.decoded(z), frames), how.loop.weight, self.scheduler
            )
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        like = pictures.new_empty(len(pictures), *self.sizes.latents)
        return self.decoded(sampler.ddim(eps, self.scheduler, how.steps, generators, like, recurrences))

    def predict(self, picture: Tensor, seed: int = 0, how: Sampling = USUAL) -> SpectralVolume:
        """How a picture (3, H, W) of any size sways: coefficients (K, H, W, 2) in its pixels.

        The networks see it at their own size. At t = 0 all is where the picture has it.
        """
        seen = F.interpolate(picture[None], (self.sizes.height, self.sizes.width), mode="bilinear", antialias=True)
        pixels = normal.resized(self.slices(seen, [seed], how)[0], *picture.shape[1:])
        return normal.as_volume(normal.starting_at_rest(pixels))

    def video(self, picture: Tensor, volume: SpectralVolume, frames: int) -> Tensor:
        """Frames (T, 3, H, W) in [-1, 1] of one period of a picture (3, H, W), of a volume (K, H, W, 2) in its pixels.

        Raises:
            ValueError: sides that the renderer cannot halve as often as it wants to.
        """
        slices = normal.as_slices(volume).to(picture)
        turns = torch.arange(frames, dtype=torch.float32, device=picture.device) / frames
        return self.renderer.video(picture, normal.displacements(slices, turns))
