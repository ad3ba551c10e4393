"""The joint training of MVDream (arXiv:2308.16512, section 3.3): sets of views with their cameras, and single pictures.

Notation (code -> paper)
    latents           x, x_t    of F views each, and noised to level t, which the views of a set share
    text              y         of the set, left out for some, for classifier-free guidance
    cameras           c         camera -> world; in two-dimensional mode there are none, and F = 1
    flat              30 %      of the steps in two-dimensional mode, from a larger set of pictures

    L = E |eps - eps_theta(x_t; y, c, t)|^2, and the same of v for a network that says v

Departs from the paper: levels are drawn high, each the larger one of two. The camera is learnt last, and where there
is much noise. The paper's single pictures are of LAION, of which none come along. A seedling's are those of the same
specimens, and of more kinds and colours. Of what others bring they are those that are brought with it; without such
they are the same views again without their cameras, and nothing else holds what a Stable Diffusion knew of the world.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from backend.priors.prior import Given, Prior, Schedule
from backend.priors.sampling import Sampling, sampled
from backend.priors.views import turned
from backend.training import learner, precision
from backend.training.batches import rows
from backend.training.multiview.model import Trained
from backend.training.multiview.plan import Plan
from backend.training.multiview.sets import ViewSet
from backend.training.multiview.stock import Batch, Data

GATE = 0.85  # of all levels: where the camera has a say
TESTED = 48  # held-out sets
AT_ONCE = 8  # sets
LEVELS = 4  # at which the loss is looked at
SHOWN = 6  # held-out sets on a sheet
STEPS = 20  # of DDIM, for what is looked at
LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class Place:
    """What the phases share."""

    trained: Trained
    plan: Plan
    data: Data
    device: str
    tested: int = TESTED  # held-out sets, of which scores are means


class Views(learner.Phase):
    """Of sets of views and single pictures."""

    name = "views"

    def __init__(self, place: Place) -> None:
        self.place, self.prior = place, place.trained.prior

    def learning(self) -> list[nn.Parameter]:
        return self.place.trained.learning()

    def read(self, batch: int, step: int, key: tuple[int, ...]) -> Batch:
        """`batch` pictures: sets of views, or, in some steps, as many single ones."""
        rng = np.random.default_rng([*key, 1, step])
        data, views = self.place.data, len(self.place.data.held_out.corpus[0].pictures)
        flat = rng.random() < self.place.plan.flat
        part, count = (data.pictures, batch) if flat else (data.sets, max(1, batch // views))
        sets = part.sets(rows(len(part), count, step, key))
        texts = [one.captions[rng.integers(len(one.captions))] for one in sets]
        texts = ["" if rng.random() < self.place.plan.untold else text for text in texts]
        found = Batch.of(sets, texts)
        return found.single(rng.integers(found.views, size=count)) if flat else found

    def losses(self, given: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        latents = self.latents(given)
        levels = torch.randint(self.prior.schedule.levels, (2, len(given.texts)), generator=generator).amax(dim=0)
        noise = torch.randn(latents.shape, generator=generator)
        with precision.mixed(self.place.device):
            return {"total": self.loss(latents, noise, levels, self.given(given)).mean()}

    def loss(self, latents: Tensor, noise: Tensor, levels: Tensor, given: Given) -> Tensor:
        """(N,) as `diffusion_loss`."""
        return diffusion_loss(self.prior, latents, noise, levels, given)

    @torch.no_grad()
    def latents(self, batch: Batch) -> Tensor:
        """(N F, c, h, w)."""
        return self.prior.encode(batch.pictures.to(self.place.device))

    def given(self, batch: Batch) -> Given:
        cameras = None if batch.cameras is None else batch.cameras.to(self.place.device)
        return Given(self.prior.embed(batch.texts).repeat_interleave(batch.views, dim=0), batch.views, cameras)

    @torch.no_grad()
    def scores(self) -> dict[str, float]:
        """With the same noise each time."""
        data, tested = self.place.data, self.place.tested
        found = self._scores(data.held_out.few(tested), "")
        return found | (self._scores(data.unseen.few(tested), "_unseen") if data.unseen else {})

    def _scores(self, sets: list[ViewSet], name: str) -> dict[str, float]:
        count, gate = self.prior.schedule.levels, round(GATE * self.prior.schedule.levels)
        spread = [round(count * (2 * k + 1) / (2 * LEVELS)) for k in range(LEVELS)]
        left = [self._loss(sets, level) / self._loss(sets, level, known=False) for level in spread]
        uneven = _uneven(sets)
        true = max(self._loss(uneven, gate), LEAST)
        return {
            f"noise_left{name}": float(np.mean(left)),
            f"turned{name}": self._loss(uneven, gate, aside=True) / true,
            f"flat{name}": self._loss(uneven, gate, flat=True) / true,
        }

    def _loss(
        self, sets: list[ViewSet], level: int, aside: bool = False, flat: bool = False, known: bool = True
    ) -> float:
        """The mean over sets at one level: under the true cameras, those a quarter of a turn aside, or none; or, where
        nothing is known, of a network that says 0."""
        generator, total = torch.Generator().manual_seed(level), 0.0
        for start in range(0, len(sets), AT_ONCE):
            some = sets[start : start + AT_ONCE]
            batch = Batch.of(some, [one.captions[0] for one in some])
            latents = self.latents(batch)
            noise, levels = torch.randn(latents.shape, generator=generator), torch.full((len(some),), level)
            if not known:
                t = levels.to(latents.device).repeat_interleave(batch.views)
                total += wanted(self.prior.schedule, latents, noise.to(latents), t).square().mean().item() * len(some)
                continue
            if flat:
                texts = [text for text in batch.texts for _ in range(batch.views)]
                batch, levels = Batch(batch.pictures, None, texts, 1), levels.repeat_interleave(batch.views)
            given = self.given(batch)
            if aside:
                given = Given(given.text, given.views, turned(given.cameras, math.pi / 2))
            with precision.mixed(self.place.device):
                total += self.loss(latents, noise, levels, given).mean().item() * len(some)
        return total / len(sets)

    @torch.no_grad()
    def shown(self) -> list[list[Tensor]]:
        """A row for a held-out set, some unlike all that was learned: truth, and what is drawn under its cameras."""
        data = self.place.data
        sets = data.held_out.few(SHOWN) + (data.unseen.few(SHOWN // 2) if data.unseen else [])
        return [[*Batch.of([one], [""]).pictures, *self.drawn(one.captions[0], one.cameras)] for one in sets]

    def drawn(self, text: str, cameras: np.ndarray, seed: int = 0) -> Tensor:
        """(F, 3, H, W) views under cameras (F, 4, 4)."""
        views, device = len(cameras), self.place.device
        to_world = torch.from_numpy(cameras).to(device)
        given, without = (
            Given(self.prior.embed([words]).expand(views, -1, -1), views, to_world) for words in (text, "")
        )
        how = Sampling(
            scale=self.place.plan.scale, steps=math.gcd(STEPS, self.prior.schedule.levels),
            clamp=self.place.trained.clamp,
        )  # fmt: skip
        *_, last = sampled(self.prior, given, without, [torch.Generator().manual_seed(seed)] * views, how)
        return self.prior.decode(last).float().clamp(-1, 1).cpu()


PHASES: tuple[type[Views], ...] = (Views,)


def diffusion_loss(prior: Prior, latents: Tensor, noise: Tensor, levels: Tensor, given: Given) -> Tensor:
    """(N,) the mean squared error in each set of latents (N F, c, h, w), at levels (N,)."""
    eps, t = noise.to(latents), levels.to(latents.device).repeat_interleave(given.views)
    predicted = prior.predict(prior.schedule.noised(latents, eps, t), t, given).float()
    error = predicted - wanted(prior.schedule, latents, eps, t)
    return error.square().flatten(1).mean(dim=1).view(-1, given.views).mean(dim=1)


def wanted(schedule: Schedule, latents: Tensor, eps: Tensor, t: Tensor) -> Tensor:
    """What the network should say."""
    if schedule.prediction == "epsilon":
        return eps
    return schedule.alpha(t).to(eps) * eps - schedule.sigma(t).to(eps) * latents


def _uneven(sets: list[ViewSet]) -> list[ViewSet]:
    """Half of them: those that differ most from side to side. Of a candle no camera can be told."""

    def far(one: ViewSet) -> float:
        pictures = one.pictures.astype(np.float32)
        return float(((pictures - np.roll(pictures, 1, axis=0)) ** 2).mean())

    return sorted(sets, key=far)[len(sets) // 2 :]
