"""The direct predictor: no spectrum and no chance, from a picture to the displacements of a period, moment by moment.

A UNet2DModel of diffusers with about as many parameters as autoencoder and denoiser of the model that it stands beside.
It sees the picture at its full size and gives 2 T channels of that size, (x, y) at T even moments, in pixels over the
largest of the model's scales; the first moment is taken from all of them, so that it starts at rest. It learns the
squared error of all moments from the same pictures, mirrored and recoloured as the model saw them, for so many
seconds of CPU.
"""

import math
import os
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import UNet2DModel
from torch import Tensor

from backend.priors.dynamics import Dynamics, normal
from backend.priors.dynamics.sizes import Sizes
from backend.training import precision
from backend.training.batches import rows
from backend.training.dynamics import variations
from backend.training.dynamics.stock import Part
from backend.training.log import Log
from tests.bench.views.runs import OtherRuns

MOMENTS = 32  # T
BATCH, RATE = 8, 5e-4
SAVED = 120.0  # seconds of CPU from one state on disk to the next
STATE = "direct.pt"
PHASES = ("autoencoder", "slices", "coordination")


def fresh(sizes: Sizes, parameters: int) -> UNet2DModel:
    """Of the widths, in steps of a group, that come nearest to so many parameters."""
    ways = [(steps, most) for steps in range(1, 24) for most in (2, 3, 4)]
    best = min(ways, key=lambda way: abs(_parameters(_network(sizes, *way, "meta")) - parameters))
    torch.manual_seed(0)
    return _network(sizes, *best, "cpu")


def _network(sizes: Sizes, steps: int, most: int, device: str) -> UNet2DModel:
    """The finest level is `steps` groups wide, each one below wider by as much, until it is `most` times as wide."""
    levels = len(sizes.autoencoder) + len(sizes.denoiser) - 1  # down to where the denoiser ends
    attending = len(sizes.denoiser) - 1
    widths = [steps * sizes.groups * min(level + 1, most) for level in range(levels)]
    plain = levels - attending
    with torch.device(device):
        return UNet2DModel(
            in_channels=3,
            out_channels=2 * MOMENTS,
            down_block_types=("DownBlock2D",) * plain + ("AttnDownBlock2D",) * attending,
            up_block_types=("AttnUpBlock2D",) * attending + ("UpBlock2D",) * plain,
            block_out_channels=tuple(widths),
            layers_per_block=1,
            attention_head_dim=sizes.groups,
            norm_num_groups=sizes.groups,
        )


def _parameters(network: torch.nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


def parameters(model: Dynamics) -> int:
    """Of what predicts a spectral volume."""
    return _parameters(model.autoencoder) + _parameters(model.denoiser)


class Direct:
    """A predictor, trained or to be trained further."""

    def __init__(self, model: Dynamics) -> None:
        self.sizes, self.unit = model.sizes, model.scales.max().item()
        self.network = fresh(model.sizes, parameters(model))

    @property
    def parameters(self) -> int:
        return _parameters(self.network)

    def textures(self, pictures: Tensor) -> Tensor:
        """Displacements (B, T, 2, H, W) in pixels of pictures (B, 3, H, W)."""
        made = self.network(pictures, 0).sample.float().unflatten(1, (MOMENTS, 2)) * self.unit
        return made - made[:, :1]

    @torch.no_grad()
    def __call__(self, pictures: Tensor, draws: int) -> Tensor:
        """As a predictor of slices: (1, B, K, 4, H, W), K being as many as T moments hold."""
        return torch.cat([slices_of(self.textures(some)) for some in pictures.split(BATCH)])[None]

    def loss(self, pictures: Tensor, slices: Tensor) -> Tensor:
        turns = torch.arange(MOMENTS, dtype=torch.float32) / MOMENTS
        truth = normal.displacements(normal.starting_at_rest(slices), turns)
        return F.mse_loss(self.textures(pictures) / self.unit, truth / self.unit)

    def train(self, part: Part, folder: Path, seconds: float, about: str = "") -> float:
        """From the state in `folder` on, if there is one, until it has learned for so many seconds of CPU, all cores
        together; how many steps that were. `about` says what of and beside what.

        Raises:
            OtherRuns: that state is about something else.
        """
        folder.mkdir(parents=True, exist_ok=True)
        optimizer = torch.optim.Adam(self.network.parameters(), RATE)
        step, spent = 0, 0.0
        if (folder / STATE).exists():
            state = torch.load(folder / STATE, weights_only=True)
            if state["about"] != about:
                raise OtherRuns(
                    f"{folder} holds what learned beside another model, or from other pictures: name another folder "
                    "with --out"
                )
            self.network.load_state_dict(state["network"])
            optimizer.load_state_dict(state["optimizer"])
            step, spent = state["step"], state["spent"]
        began, saved = time.process_time() - spent, spent
        self.network.train()
        while spent < seconds:
            batch = part.batch(rows(len(part), BATCH, step, (0, len(PHASES))))
            batch = variations.varied(batch, np.random.default_rng([step]))
            for group in optimizer.param_groups:
                group["lr"] = RATE * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * spent / seconds)))
            optimizer.zero_grad(set_to_none=True)
            with precision.mixed("cpu"):
                loss = self.loss(batch.picture, batch.slices)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            optimizer.step()
            step, spent = step + 1, time.process_time() - began
            if spent - saved > SAVED or spent >= seconds:
                self._save(folder, optimizer, {"step": step, "spent": spent, "about": about})
                saved = spent
        self.network.eval().requires_grad_(False)
        return step

    def _save(self, folder: Path, optimizer: torch.optim.Optimizer, how_far: dict) -> None:
        partial = folder / f"{STATE}.partial"
        torch.save({"network": self.network.state_dict(), "optimizer": optimizer.state_dict()} | how_far, partial)
        os.replace(partial, folder / STATE)


def slices_of(textures: Tensor) -> Tensor:
    """Slices (..., K, 4, H, W) of displacements (..., T, 2, H, W) at T even moments of a period: K = T / 2, for at the
    last frequency a swing could not be told from its mirror."""
    count = textures.shape[-4]
    found = torch.fft.rfft(textures, dim=-4, norm="forward")[..., : count // 2, :, :, :]
    factors = textures.new_full((count // 2, 1, 1, 1), 2.0)
    factors[0] = 1.0
    return torch.cat([found.real * factors, found.imag * factors], dim=-3)


def learned_seconds(log: Log) -> float:
    """How many seconds of CPU a model has learned to predict motion for: of each phase, the median of its steps times
    their number. A log from before the CPU was noted tells the seconds that went by."""
    total = 0.0
    for phase in PHASES:
        lines = [line for line in log if line.get("phase") == phase and "total" in line]
        pairs = [(one, two) for one, two in pairwise(lines) if two["step"] > one["step"]]
        timed = [pair for pair in pairs if all("cpu" in line for line in pair)]
        clock, pairs = ("cpu", timed) if timed else ("time", pairs)
        each = [(two[clock] - one[clock]) / (two["step"] - one["step"]) for one, two in pairs]
        each = sorted(value for value in each if value >= 0)  # a process that was started again counts from 0
        if each:
            total += each[len(each) // 2] * (lines[-1]["step"] + 1)
    return total
