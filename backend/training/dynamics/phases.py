"""The phases of a training, one after another: autoencoder, slices, coordination, perception, renderer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from backend.priors.dynamics import Dynamics, Sampling, autoencoder, denoiser, features, normal, renderer, sampler
from backend.report import Report, silent
from backend.training import learner, precision
from backend.training.batches import rows
from backend.training.dynamics import measures, variations
from backend.training.dynamics.plan import Plan
from backend.training.dynamics.samples import Batch
from backend.training.dynamics.stock import Data, Latents
from backend.training.learner import NotLearned

SHOWN = 4  # held-out pictures on a sheet
TESTED = 32  # held-out pictures, of which scores are means
SWUNG = 32  # held-out pictures, by whose swings the guidance is chosen
BINS = 2  # of a picture, in a step of the autoencoder
CENTRED = 2**21  # pixels of slices from which the latents' middle and size are taken
MOVES = 0.1  # pixels: pairs in which nothing goes farther teach the renderer nothing
MOMENTS = 12  # of a period, over which W is a mean
STEPS = 20  # of DDIM, for what is looked at
GUIDANCES = 0.0, 0.5, 1.0, sampler.GUIDANCE  # that are tried
LEAST = 1e-12  # of what is divided by, or whose logarithm is taken
COLOURED = (0, 1, 2, 4, 8)  # bins that are looked at


@dataclass(frozen=True, eq=False)
class Place:
    """What the phases share."""

    model: Dynamics
    plan: Plan
    data: Data
    folder: Path  # for what is made once
    device: str
    report: Report = silent

    def there(self, batch: Batch) -> Batch:
        return Batch(*(one.to(self.device) for one in batch))

    def held_out(self, count: int) -> Batch:
        """The first of them: always the same, and of several individuals."""
        part = self.data.held_out
        return self.there(part.batch(np.linspace(0, len(part) - 1, min(count, len(part))).astype(int)))


class Phase(learner.Phase):
    """One of those of image dynamics."""

    def __init__(self, place: Place) -> None:
        self.place, self.model = place, place.model

    def read(self, batch: int, step: int, key: tuple[int, ...]) -> Any:
        part = self.place.data.train
        found = part.batch(rows(len(part), batch, step, key))
        if not self.place.plan.varied:
            return found
        return variations.varied(found, np.random.default_rng([*key, 2, step]))


class Autoencoder(Phase):
    name = "autoencoder"

    def learning(self) -> list[nn.Parameter]:
        return list(self.model.autoencoder.parameters())

    def losses(self, given: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        slices = self.model.normalised(given.slices.to(self.place.device))
        count, bins = slices.shape[:2]
        chosen = torch.stack([torch.randperm(bins, generator=generator)[:BINS] for _ in range(count)])
        some = slices[torch.arange(count)[:, None], chosen.to(slices.device)].flatten(0, 1)
        with precision.mixed(self.place.device):
            found = autoencoder.losses(self.model.autoencoder, some, generator)
        left = found.squared / (autoencoder.GAIN * some).square().mean().clamp(min=LEAST)
        return found._asdict() | {"energy_left": left, "total": found.total}

    def scores(self) -> dict[str, float]:
        return {"energy_left": self.energy_left()}

    @torch.no_grad()
    def energy_left(self) -> float:
        """How much of what is in held-out slices, as the networks see them, does not come back: 0 is all, 1 nothing."""
        left, all_ = 0.0, 0.0
        for one in self.place.held_out(TESTED).slices.split(SHOWN):
            slices = self.model.normalised(one)
            back = autoencoder.decode(self.model.autoencoder, autoencoder.encode(self.model.autoencoder, slices))
            left += (back - slices).square().sum().item()
            all_ += slices.square().sum().item()
        return left / all_ if all_ else 1.0

    @torch.no_grad()
    def shown(self) -> list[list[Tensor]]:
        batch = self.place.held_out(SHOWN)
        back = self.model.decoded(self.model.encoded(batch.slices))
        return _beside(batch.picture, batch.slices, back, self.model.scales)

    def finish(self) -> None:
        part, sizes = self.place.data.train, self.model.sizes
        count = min(max(CENTRED // (sizes.height * sizes.width), sizes.bins), len(part))
        slices = self.place.there(part.batch(np.linspace(0, len(part) - 1, count).astype(int))).slices
        some = self.model.normalised(slices)[torch.arange(count), torch.arange(count) % sizes.bins]
        autoencoder.centre(self.model.autoencoder, some)

    def check(self, scores: dict[str, float], steps: int) -> None:
        lost, left = scores["energy_left"], self.place.plan.left
        if not lost <= left:
            raise NotLearned(
                f"After {steps} steps the autoencoder loses {lost:.0%} of the motion in held-out pictures, and may "
                f"lose {left:.0%}: the denoiser would learn noise"
            )


class Denoising(Phase):
    """What both trainings of the denoiser share."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        part, both = place.data.train, place.plan.varied
        self.stock = Latents.kept(place.folder, self.model, part, place.device, place.report, both)

    def pictures(self, chosen: NDArray[np.int64], step: int, key: tuple[int, ...]) -> Tensor:
        """(B, 3, H, W) of these rows of the stock."""
        found = torch.from_numpy(self.stock.pictures[chosen])
        if not self.place.plan.varied:
            return found
        return variations.recoloured(np.random.default_rng([*key, 2, step]), found.float())[0]

    def noise(self, generator: torch.Generator) -> denoiser.Noise:
        return denoiser.Noise(self.model.scheduler, generator)

    @torch.no_grad()
    def scores(self) -> dict[str, float]:
        """The loss, with the same noise each time; 1 is what a denoiser has that says nothing."""
        generator = torch.Generator().manual_seed(0)
        parts = []
        for batch in _split(self.place.held_out(TESTED), SHOWN):
            latents = self.model.encoded(batch.slices)
            noise = self.noise(generator)
            parts.append(denoiser.coordination_loss(self.model.denoiser, latents, batch.picture, noise).item())
        return {"noise_left": sum(parts) / len(parts)}

    def shown(self) -> list[list[Tensor]]:
        batch = self.place.held_out(SHOWN)
        drawn = self.model.slices(batch.picture, list(range(len(batch.picture))), Sampling(_steps(self.model)))
        return _beside(batch.picture, batch.slices, drawn, self.model.scales)


class Slices(Denoising):
    name = "slices"

    def learning(self) -> list[nn.Parameter]:
        return list(self.model.denoiser.unet.requires_grad_(True).parameters())

    def read(self, batch: int, step: int, key: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
        chosen = rows(len(self.stock.latents), batch, step, key)
        bins = np.random.default_rng([*key, 1, step]).integers(self.model.sizes.bins, size=batch)
        latents = np.stack([self.stock.latents[row, bin_] for row, bin_ in zip(chosen, bins, strict=True)])
        return torch.from_numpy(latents), torch.from_numpy(bins), self.pictures(chosen, step, key)

    def losses(self, given: tuple[Tensor, Tensor, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        latents, bins, pictures = (one.to(self.place.device) for one in given)
        noise = self.noise(generator)
        with precision.mixed(self.place.device):
            loss = denoiser.slice_loss(self.model.denoiser, latents.float(), bins, pictures.float(), noise)
        return {"total": loss}


class Coordination(Denoising):
    name = "coordination"

    def learning(self) -> list[nn.Parameter]:
        return self.model.denoiser.freeze_slices()

    def read(self, batch: int, step: int, key: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        chosen = rows(len(self.stock.latents), batch, step, key)
        return torch.from_numpy(self.stock.latents[chosen]), self.pictures(chosen, step, key)

    def losses(self, given: tuple[Tensor, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        latents, pictures = (one.to(self.place.device).float() for one in given)
        noise = self.noise(generator)
        with precision.mixed(self.place.device):
            return {"total": denoiser.coordination_loss(self.model.denoiser, latents, pictures, noise)}

    @torch.no_grad()
    def scores(self) -> dict[str, float]:
        """Of what is drawn besides: how far it moves, as a share of the truth, and whether where the truth does."""
        batch = self.place.held_out(SWUNG)
        drawn = self._drawn(batch)
        return super().scores() | {
            "guidance": self.model.guidance,
            "magnitude": measures.magnitude(drawn, batch.slices),
            "place": measures.place(drawn, batch.slices),
        }

    def _drawn(self, batch: Batch) -> Tensor:
        how = Sampling(_steps(self.model))
        return normal.starting_at_rest(self.model.slices(batch.picture, list(range(len(batch.picture))), how))

    def finish(self) -> None:
        """The guidance with which held-out things swing as far as in truth: with much of it they swing too far."""
        batch, found = self.place.held_out(SWUNG), []
        for guidance in GUIDANCES:
            self.model.guidance = guidance
            found.append(math.log(max(measures.magnitude(self._drawn(batch), batch.slices), LEAST)))
        self.model.guidance = crossing(GUIDANCES, found)


def crossing(places: Sequence[float], values: Sequence[float]) -> float:
    """Where values at rising places cross 0 from below for the last time, straight from one to the next; the place of
    the value nearest to 0 where they do not."""
    for i in reversed(range(len(places) - 1)):
        low, high = values[i], values[i + 1]
        if low <= 0 < high:
            return places[i] + (places[i + 1] - places[i]) * -low / (high - low)
    return min(zip(places, values, strict=True), key=lambda pair: abs(pair[1]))[0]


class PerceptionOfPictures(Phase):
    name = "perception"

    def learning(self) -> list[nn.Parameter]:
        return list(self.model.perception.requires_grad_(True).parameters())

    def losses(self, given: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        pictures = self._all(given).to(self.place.device)
        return {"total": features.restoration_loss(self.model.perception, pictures, generator)}

    @torch.no_grad()
    def scores(self) -> dict[str, float]:
        pictures, generator = self._all(self.place.held_out(TESTED)), torch.Generator().manual_seed(0)
        return {"restoration": features.restoration_loss(self.model.perception, pictures, generator).item()}

    @torch.no_grad()
    def shown(self) -> list[list[Tensor]]:
        pictures = self.place.held_out(SHOWN).picture
        spoilt = features.spoilt(pictures, torch.Generator().manual_seed(0))
        restored = self.model.perception.restored(spoilt)
        columns = [spoilt, *(one / 2 for one in restored), features.even(pictures) / 2]
        return [list(row) for row in zip(*columns, strict=True)]

    @staticmethod
    def _all(batch: Batch) -> Tensor:
        return torch.cat([batch.picture, batch.later.flatten(0, 1)])


class Rendering(Phase):
    name = "renderer"

    def learning(self) -> list[nn.Parameter]:
        self.model.perception.requires_grad_(False)
        return list(self.model.renderer.parameters())

    def losses(self, given: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        pictures, motion, front, truth = self.pairs(self.place.there(given), generator)
        found = renderer.losses(self.model.renderer(pictures, motion, front), truth, self.model.perception)
        return found._asdict() | {"total": found.total}

    @torch.no_grad()
    def scores(self) -> dict[str, float]:
        """Decibels, over all pixels of frames, and those of the picture as it is."""
        pictures, motion, front, truth = self.pairs(self.place.held_out(TESTED), torch.Generator().manual_seed(0))
        frames = self.model.renderer(pictures, motion, front).clamp(-1, 1)
        return {"psnr": _decibels(frames, truth), "psnr_still": _decibels(pictures, truth)}

    @torch.no_grad()
    def shown(self) -> list[list[Tensor]]:
        pictures, motion, front, truth = self.pairs(self.place.held_out(SHOWN), torch.Generator().manual_seed(0))
        frames = self.model.renderer(pictures, motion, front).clamp(-1, 1)
        return [list(row) for row in zip(pictures, truth, frames, (frames - truth).abs() - 1, strict=True)]

    @staticmethod
    def pairs(batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Picture, motion, W and frame, of one later frame of each sample; but where nothing moves."""
        count, later = batch.later.shape[:2]
        each = torch.arange(count)
        chosen = torch.randint(later, (count,), generator=generator)
        motion, truth = batch.flows[each, chosen], batch.later[each, chosen]
        turns = torch.arange(MOMENTS, device=motion.device) / MOMENTS
        front = renderer.prominence(normal.displacements(normal.starting_at_rest(batch.slices), turns))
        moves = motion.abs().amax(dim=(1, 2, 3)) > MOVES
        kept = moves if moves.any() else ~moves
        return batch.picture[kept], motion[kept], front[kept], truth[kept]


PHASES: tuple[type[Phase], ...] = (Autoencoder, Slices, Coordination, PerceptionOfPictures, Rendering)


def _steps(model: Dynamics) -> int:
    return math.gcd(STEPS, model.sizes.noise_levels)


def _split(batch: Batch, count: int) -> list[Batch]:
    return [Batch(*some) for some in zip(*(one.split(count) for one in batch), strict=True)]


def _decibels(one: Tensor, other: Tensor) -> float:
    return -10 * math.log10(max(((one - other) / 2).square().mean().item(), 1e-12))


def _beside(picture: Tensor, truth: Tensor, found: Tensor, scales: Tensor) -> list[list[Tensor]]:
    """The picture, and of some bins what is true above and what was found below, across and down as two colours."""
    out = []
    for one, true, back in zip(picture, truth, found, strict=True):
        out += [[one, *coloured(true, scales)], [one, *coloured(back, scales)]]
    return out


def coloured(slices: Tensor, scales: Tensor) -> list[Tensor]:
    """Pictures (3, H, W) of some bins of slices (K, 4, H, W) in pixels: real parts across and down as red and green."""
    bins = [k for k in COLOURED if k < len(slices)]
    real = normal.normalised(slices, scales)[bins, :2].clamp(-1, 1)
    return list(torch.cat([real, torch.zeros_like(real[:, :1])], dim=1))
