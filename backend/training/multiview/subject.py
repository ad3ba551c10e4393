"""A prior learns one thing of yours from a few pictures and a name, and forgets nothing else: MVDream's DreamBooth3D.

Notation (code -> paper, section 3.5)
    pictures, text      X_id, y    3 to 10 pictures, and what they show: "a photo of [name] mug"
    first, weights      theta_0, theta, of N_theta numbers
    keeping             lambda     1

    L = L_LDM(X_id) + lambda ||theta - theta_0||_1 / N_theta,    in two-dimensional mode

What it was before is what it is drawn to, so no pictures of other things are wanted. Pictures are seen as what a
seedling has learnt before: square, on white where something is cut out. Where a GPU has no room for all pictures of a
step, their slopes are found a few at a time, and those of the second loss weight by weight: the step is the same.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import blake2s
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from backend import protocol
from backend.priors.prior import Given
from backend.priors.sampling import Sampling, sampled
from backend.priors.seedling import CARD, Seedling, Text, split
from backend.report import Report, silent
from backend.training import card, learner, loop, precision
from backend.training.checkpoint import OtherPlan
from backend.training.learner import Learner, Tell
from backend.training.log import Log
from backend.training.loop import How
from backend.training.multiview.model import Grafted, Sown, Trained, Unpacked, digest
from backend.training.multiview.phases import AT_ONCE, STEPS, diffusion_loss
from backend.training.multiview.training import NotLearnable
from backend.training.plan import Budget, Plan

FEWEST, MOST = protocol.PICTURES
SMALLEST, SIDE = 64, 512  # pixels: of the shorter side of a picture; of all of them, until they are made as a prior's
FILLED = 0.75  # of a picture's side, by what is cut out: about as much as by a thing of the corpus
KEEPING = 1.0  # lambda
PLAN = Plan(None, {"subject": Budget(600, 4, 2e-6)}, saved=100, checked=200)
SEEDLING = Plan(None, {"subject": Budget(600, 4, 1e-4)}, saved=100, checked=200)  # a small network moves faster
SCALE = 4.0  # of guidance, for what is looked at
MEANINGS = {
    "noise_left": "squared error of what is predicted of the pictures themselves, over all levels",
    "moved": "how far the weights have gone, on the average",
}


@dataclass(frozen=True, eq=False)
class Pictures:
    """Of one thing, square."""

    pictures: Tensor  # (N, 3, H, W) in [-1, 1]
    text: str

    def __post_init__(self) -> None:
        if not FEWEST <= len(self.pictures) <= MOST:
            raise ValueError(f"A subject is learnt from {FEWEST} to {MOST} pictures, not from {len(self.pictures)}")
        if not self.text.strip():
            raise ValueError("A subject needs a name")

    @classmethod
    def of(cls, pixels: Sequence[NDArray[np.uint8]], text: str) -> "Pictures":
        """Of pictures (H, W, 3 or 4) in 8 bits, of any sizes.

        Raises:
            ValueError: too few or too many, or no name.
        """
        squares = np.array([square(one) for one in pixels], np.float32).reshape(-1, SIDE, SIDE, 3)
        return cls(torch.from_numpy(squares).movedim(3, 1) / 127.5 - 1, text)

    def sized(self, side: int) -> "Pictures":
        """The same in so many pixels."""
        small = F.interpolate(self.pictures, (side, side), mode="bilinear", antialias=True, align_corners=False)
        return replace(self, pictures=small.clamp(-1, 1))


def check_size(pixels: NDArray[np.uint8], name: str) -> None:
    """Raises NotLearnable where a picture (H, W, C) of this name shows too little."""
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST:
        raise NotLearnable(f"{name} has {width} x {height} pixels, which show too little: {SMALLEST} a side or more")


def square(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(SIDE, SIDE, 3): the middle of a picture (H, W, 3); or of one with opacity, (H, W, 4), what is not transparent,
    before white."""
    height, width = pixels.shape[:2]
    rows, columns = np.arange(height), np.arange(width)
    there = pixels[..., 3] > 0 if pixels.shape[2] == 4 else np.ones((height, width), bool)
    if there.all() or not there.any():
        side = min(height, width)
    else:
        rows, columns = (np.flatnonzero(there.any(axis=axis)) for axis in (1, 0))
        side = round(max(np.ptp(rows), np.ptp(columns)) / FILLED) + 1
    top, left = ((ends[0] + ends[-1] + 1 - side) // 2 for ends in (rows, columns))
    values = pixels.astype(np.float32)
    if pixels.shape[2] == 4:
        share = values[..., 3:] / 255
        values = values[..., :3] * share + 255 * (1 - share)
    values = np.pad(values, ((side, side), (side, side), (0, 0)), constant_values=255.0)
    cut = values[top + side : top + 2 * side, left + side : left + 2 * side]
    how = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    return np.round(cv2.resize(cut, (SIDE, SIDE), interpolation=how)).astype(np.uint8)


def distance(weights: Sequence[Tensor], first: Sequence[Tensor]) -> Tensor:
    """||theta - theta_0||_1 / N_theta."""
    return sum(distances(weights, first))


def distances(weights: Sequence[Tensor], first: Sequence[Tensor]) -> Iterator[Tensor]:
    """What each of the weights has of it."""
    count = sum(one.numel() for one in weights)
    for one, other in zip(weights, first, strict=True):
        yield (one - other).abs().sum() / count


class Subject(learner.Phase):
    """Of a few pictures, in two-dimensional mode."""

    name = "subject"

    def __init__(
        self, trained: Trained, first: list[Tensor], data: Pictures, device: str, at_once: int,
        ended: Callable[[], None] | None,
    ) -> None:  # fmt: skip
        self.trained, self.prior, self.first, self.data, self.device = trained, trained.prior, first, data, device
        self.at_once, self.ended = at_once, ended  # pictures

    def learning(self) -> list[nn.Parameter]:
        return self.trained.learning()

    def read(self, batch: int, step: int, key: tuple[int, ...]) -> Tensor:
        rng = np.random.default_rng([*key, step])
        return self.data.pictures[torch.from_numpy(rng.integers(len(self.data.pictures), size=batch))]

    def losses(self, given: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        fit = sum(self._fits(given, generator))
        moved = distance(self.trained.learning(), self.first)
        return {"fit": fit, "moved": moved, "total": fit + KEEPING * moved}

    def parts(self, given: Tensor, generator: torch.Generator) -> Iterator[dict[str, Tensor]]:
        if self.at_once >= len(given):
            yield self.losses(given, generator)
            return
        for fit in self._fits(given, generator):
            yield {"fit": fit, "total": fit}
        for moved in distances(self.trained.learning(), self.first):
            yield {"moved": moved, "total": KEEPING * moved}

    def smaller(self) -> str:
        if self.at_once == 1:
            return ""
        self.at_once = self.at_once // 2
        pictures = "1 picture" if self.at_once == 1 else f"{self.at_once} pictures"
        return f"The GPU's memory is short: it learns from {pictures} at a time, which takes longer"

    def _fits(self, pictures: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
        """The first loss, in parts that add up to it."""
        levels = torch.randint(self.prior.schedule.levels, (len(pictures),), generator=generator)
        for some in self._pieces(pictures, levels, generator):
            with precision.mixed(self.device):
                fit = self._loss(*some).sum() / len(pictures)
            yield fit

    def _pieces(
        self, pictures: Tensor, levels: Tensor, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """As many at once as there is room for: pictures, levels, and their noise, the same however many these are."""
        noise = torch.randn((len(pictures), *self.prior.latent), generator=generator)
        yield from zip(*(each.split(self.at_once) for each in (pictures, levels, noise)), strict=True)

    def _loss(self, pictures: Tensor, levels: Tensor, noise: Tensor) -> Tensor:
        """(N,)."""
        with torch.no_grad():
            latents = self.prior.encode(pictures.to(self.device))
        text = self.prior.embed([self.data.text]).expand(len(latents), -1, -1)
        return diffusion_loss(self.prior, latents, noise, levels, Given(text))

    def finish(self) -> None:
        if self.ended is not None:  # it takes some time
            self.ended()

    @torch.no_grad()
    def scores(self) -> dict[str, float]:
        """With the same noise each time."""
        pictures, generator = self.data.pictures, torch.Generator().manual_seed(0)
        levels = torch.linspace(0, self.prior.schedule.levels - 1, AT_ONCE).long()
        left = [
            self._loss(*some).mean().item() * len(some[0]) / AT_ONCE
            for one in pictures
            for some in self._pieces(one[None].expand(AT_ONCE, -1, -1, -1), levels, generator)
        ]
        moved = distance(self.trained.learning(), self.first).item()
        return {"noise_left": sum(left) / len(pictures), "moved": moved}

    @torch.no_grad()
    def shown(self) -> list[list[Tensor]]:
        """The pictures, and as many that are drawn."""
        how, drawn = Sampling(scale=SCALE, steps=STEPS, clamp=self.trained.clamp, apart=self.at_once == 1), []
        every = [torch.Generator().manual_seed(number) for number in range(len(self.data.pictures))]
        for start in range(0, len(every), self.at_once):
            some = every[start : start + self.at_once]
            texts = (self.prior.embed([words]).expand(len(some), -1, -1) for words in (self.data.text, ""))
            *_, last = sampled(self.prior, *map(Given, texts), some, how)
            drawn += self.prior.decode(last).float().clamp(-1, 1).cpu()
        return [list(self.data.pictures), drawn]


class Personal(Learner):
    """A prior that learns one subject."""

    phases = (Subject,)

    def __init__(self, plan: Plan, base: Path, data: Pictures, how: How) -> None:
        self.plan, self.base, self.data, self.how = plan, base, data, how
        self.about = f"pictures of {data.text}"
        every = (blake2s(one.numpy().tobytes(), digest_size=8).hexdigest() for one in data.pictures)
        self.digests = {f"picture {number}": digest for number, digest in enumerate(every, start=1)}

    @property
    def counts(self) -> tuple[int, int]:
        return len(self.data.pictures), 0

    @cached_property
    def sizes(self) -> dict:
        """With what the files of the base were when it began: their folder is "model" for most. Raises
        FileNotFoundError."""
        return {"base": digest(self.base), "text": self.data.text}

    def check(self, sizes: dict) -> None:
        if sizes.get("text") != self.data.text:
            raise OtherPlan(f'it is of "{sizes.get("text")}", and not of "{self.data.text}"')
        if sizes != self.sizes:
            raise OtherPlan(f"it began with another model than what lies in {self.base} now")

    def begin(self, state: dict[str, Any] | None, report: Report) -> None:
        self.sizes  # noqa: B018 - of the files as they are when they are read
        self.trained = loaded(self.base, self.data.text, self.how)
        self.data = self.data.sized(self.trained.prior.size[0])
        self.first = [one.detach().clone() for one in self.trained.learning()]
        if state is not None:
            self.trained.restore(state)

    def state(self) -> dict[str, Any]:
        return self.trained.state()

    def phase(self, kind: type[Subject], tell: Tell) -> Subject:
        steps = self.plan.budgets[kind.name].steps
        ended = partial(tell, steps, "Looking at what was learnt") if tell else None
        batch = self.plan.budgets[kind.name].batch
        return kind(self.trained, self.first, self.data, self.how.device, batch, ended)

    def save(self, folder: Path) -> None:
        self.trained.save(folder)

    def card(self, log: Log) -> str:
        paragraphs = (f'It has learnt what "{self.data.text}" is from {len(self.data.pictures)} pictures.',)
        return card.text(card.About("A personal subject", paragraphs, MEANINGS, self.trained.parameters()), log)


def train(
    base: Path, data: Pictures, out: Path, how: How, report: Report = silent, plan: Plan | None = None
) -> dict[str, float]:
    """As `loop.train`, which see: the prior in `base`, of which `loaded` takes several kinds, learns a subject.

    Raises:
        FileNotFoundError, weights.AnotherLayout, weights.Damaged: of what is in `base`.
        NotLearnable: it cannot learn this.
    """
    return loop.train(Personal(plan or usual(base), base, data, how), out, how, report)


def usual(base: Path) -> Plan:
    """The plan for the prior in a folder."""
    return SEEDLING if (base / CARD).is_file() else PLAN


def loaded(base: Path, text: str, how: How) -> Trained:
    """The prior in a folder, or in a file of MVDream's authors; a seedling gets the words of the text that it does not
    know."""
    if base.is_file():
        return Unpacked(base, how.device)
    if not (base / CARD).is_file():
        grafted = Grafted(base, None, how.seed, how.device)
        if not grafted.prior.unet.class_embedding.linear_2.weight.any():  # it has been added just now
            raise NotLearnable(
                f"The model in {base} knows single pictures alone: name one of several views, as MVDream is"
            )
        return grafted
    prior = with_words(Seedling.load(base), split(text), how.seed)
    if unread := prior.unread(text):
        behind = ", ".join(unread)
        raise NotLearnable(f"The model reads {prior.sizes.tokens} words, and not {behind} behind them: name less")
    return Sown(prior, how.device)


def with_words(prior: Seedling, words: Sequence[str], seed: int) -> Seedling:
    """The same that knows some words more, about the middle of those that it knew."""
    new = [word for word in dict.fromkeys(words) if word not in prior.words]
    old = prior.text.vectors.weight
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text = Text(len(prior.words) + len(new), prior.sizes.tokens, prior.sizes.text)
        fresh = old[1:].mean(dim=0) + old[1:].std(dim=0) * torch.randn(len(new), old.shape[1])
    with torch.no_grad():
        text.vectors.weight.copy_(torch.cat([old, fresh]))
        text.places.copy_(prior.text.places)
    return replace(prior, words=(*prior.words, *new), text=text)
