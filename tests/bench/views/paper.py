"""Steps of distillation at the paper's sizes: this project's loop, and the same one written plainly.

Plain is what one would write first, with diffusers, torch's grid_sample and autograd: each sample of each ray is asked
for, whether anything is there or not, and all of it is kept for the slopes. The network is the same, diffusers' own
with random weights, for neither time nor memory hangs on what it has learnt. Both loops draw the same, and come to the
same loss and slopes (tests/learned/test_multiview_bench.py).
"""

import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from backend.fields.blob import Blob
from backend.pipelines.mvdream import Distillation
from backend.pipelines.recipes import PUBLISHED, Recipe, Stage
from backend.priors import mvdream, views
from backend.priors.mvdream import Layout
from backend.priors.prior import Prior
from backend.priors.stable import FRONT, LatentDiffusion, schedule_of, usual_type
from backend.render.cameras import Cameras
from backend.render.orbits import VIEWS, Orbit
from backend.render.rays import in_cube, rays

STEPS, WARM = 40, 20  # that are taken, and that of these are not timed: the field finds out where it is empty at 16
VOXELS = 128  # along a side: a field that both loops can have
MOST = 16.0  # GB
FASTER = 2.0


@dataclass
class Words:
    """In the place of a text encoder, which takes no time in a loop: numbers that chance has made."""

    layout: Layout
    device: str

    def embed(self, texts: Sequence[str]) -> Tensor:
        """(N, L, C)."""
        generator = torch.Generator().manual_seed(len(texts))
        return torch.randn(len(texts), self.layout.tokens, self.layout.text, generator=generator).to(self.device)


def untrained(layout: Layout, device: str) -> LatentDiffusion:
    """MVDream of a layout, with random weights, of the type of numbers that it usually has there."""
    dtype = usual_type(device, None)
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(0)
        parts = views.built(layout.unet_settings), AutoencoderKL(**layout.vae_settings)
    unet, vae = (part.to(dtype).eval().requires_grad_(False) for part in parts)
    return LatentDiffusion(unet, vae, Words(layout, device), schedule_of(mvdream.SCHEDULE, device), FRONT)


class Plain:
    """The loop of `Distillation` on a grid of voxels before white, without what makes that one quick."""

    def __init__(self, prior: LatentDiffusion, recipe: Recipe, seed: int) -> None:
        self.prior, self.recipe, self.seed = prior, recipe, seed
        self.device = prior.schedule.alphas_cumprod.device
        self.texts = prior.embed(["", ""])
        self.raw = nn.Parameter(torch.zeros(1, 4, *(recipe.voxels,) * 3, device=self.device))  # z, y, x
        self.optimizer = torch.optim.AdamW(
            [self.raw], recipe.rate, betas=recipe.betas, eps=recipe.epsilon, weight_decay=recipe.decay
        )

    def __iter__(self) -> Iterator[float]:
        """The loss of each step."""
        for step in range(self.recipe.steps):
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(step)
            loss.backward()
            self.optimizer.step()
            yield loss.item()

    def loss(self, step: int) -> Tensor:
        recipe, prior, progress = self.recipe, self.prior, step / self.recipe.steps
        rng = np.random.default_rng([self.seed, step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        stage, guidance, schedule = recipe.stage(progress), recipe.guidance, prior.schedule
        sets = [Orbit.somewhere(rng, recipe.cameras).cameras for _ in range(stage.sets)]
        cameras = Cameras(*(torch.cat(each).float().to(self.device) for each in zip(*sets, strict=True)))

        pictures = 2 * self.render(cameras, stage.side, generator).movedim(3, 1) - 1
        if pictures.shape[2:] != prior.size:
            pictures = F.interpolate(pictures, prior.size, mode="bilinear", align_corners=False)
        z = prior.vae.encode(pictures.to(prior.vae.dtype)).latent_dist.mode().float() * prior.vae.config.scaling_factor

        low, high = guidance.levels(progress, schedule.levels)
        t = torch.randint(low, high + 1, (stage.sets,), generator=generator).repeat_interleave(VIEWS).to(self.device)
        eps = torch.randn(z.shape, generator=generator).to(z)
        squared = schedule.alphas_cumprod[t].view(-1, 1, 1, 1)
        alpha, sigma = squared.sqrt(), (1 - squared).sqrt()
        with torch.no_grad():
            x_t = alpha * z + sigma * eps
            labels = views.camera_vectors(views.turned(cameras.to_world, prior.front))
            both = prior.unet(
                torch.cat([x_t, x_t]).to(prior.unet.dtype), torch.cat([t, t]),
                self.texts.repeat_interleave(len(z), dim=0).to(prior.unet.dtype),
                class_labels=torch.cat([labels, labels]).to(prior.unet.dtype),
                cross_attention_kwargs={"views": VIEWS},
            ).sample.float()  # fmt: skip
            under, free = both.chunk(2)
            guided = free + guidance.scale * (under - free)
            x0, like = ((x_t - sigma * each) / alpha for each in (guided, under))
            spread = [each.unflatten(0, (-1, VIEWS)).flatten(1).std(dim=1) for each in (like, x0)]
            factor = guidance.rescale * spread[0] / spread[1] + 1 - guidance.rescale
            x0 = factor.repeat_interleave(VIEWS).view(-1, 1, 1, 1) * x0
        return (z - x0).square().flatten(1).sum(dim=1).mean() / 2

    def render(self, cameras: Cameras, side: int, generator: torch.Generator) -> Tensor:
        """(B, side, side, 3)."""
        radius, samples, blob = self.recipe.radius, self.recipe.samples, Blob()
        pixels = rays(cameras, side, side)
        begin, end = (each.flatten()[:, None] for each in in_cube(pixels, radius))
        origin, direction = (each.flatten(0, 2)[:, None] for each in (pixels.origin, pixels.direction))
        share = torch.rand(len(begin), samples, generator=generator).to(begin)
        length = (end - begin) / samples
        along = begin + (torch.arange(samples, device=self.device) + share) * length
        places = torch.where(end > begin, along, 0)[..., None] * direction + origin  # (R, S, 3)
        raw = F.grid_sample(self.raw, (places / radius)[None, :, :, None], align_corners=True)[0, ..., 0]
        density = F.softplus(raw[0] + blob.strength * (1 - (places / radius).norm(dim=2) / blob.size)) / radius
        thickness = density * length.clamp(min=0)
        before = thickness.cumsum(dim=1) - thickness
        weights = torch.exp(-before) * -torch.expm1(-thickness)
        image = torch.einsum("rs,crs->rc", weights, raw[1:].sigmoid()) + 1 - weights.sum(dim=1, keepdim=True)
        return image.view(len(cameras.view), side, side, 3)


class Measured(NamedTuple):
    """Of a loop on a GPU."""

    speed: float  # steps a second
    memory: float  # GB, the most at once


def recipe_of(stage: Stage, steps: int) -> Recipe:
    """The paper's, in one of its stages; on voxels and before white, as both loops can have it."""
    return replace(PUBLISHED, steps=steps, stages=(stage._replace(begins=0.0),), voxels=VOXELS, background="white")


def ours(prior: Prior, recipe: Recipe) -> Iterator[float]:
    """The loss of each step."""
    for step in Distillation(prior, "", "", recipe, 0):
        yield step.loss


def measured(loop: Iterator[float]) -> Measured | None:
    """Of what waits for the GPU in each step. None: its memory is too short."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    ends = []
    try:
        for _ in loop:
            torch.cuda.synchronize()
            ends.append(time.perf_counter())
    except torch.OutOfMemoryError:
        return None
    steps = [one - other for one, other in zip(ends[WARM + 1 :], ends[WARM:], strict=False)]
    return Measured(1 / median(steps), torch.cuda.max_memory_allocated() / 1e9)


def stages() -> Iterator[tuple[str, dict[str, Measured | None]]]:
    """What each of the paper's stages is called, and what was measured in it, by the name of the loop."""
    prior = untrained(mvdream.SD21, "cuda")
    for number, stage in zip(count(1), PUBLISHED.stages, strict=False):
        own = recipe_of(stage, STEPS)
        name = (
            f"stage {number}: {stage.sets * VIEWS} pictures of {stage.side} x {stage.side}, {own.samples} samples a ray"
        )
        yield (
            name,
            {
                "ours": measured(ours(prior, own)),
                "plain": measured(iter(Plain(prior, own, 0))),
                "ours, on the paper's hash grid": measured(
                    ours(prior, replace(own, voxels=0, background=PUBLISHED.background))
                ),
            },
        )
