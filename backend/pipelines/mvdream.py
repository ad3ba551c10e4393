"""From words to views of one thing, and from there to a field: score distillation from a prior of several views.

Notation (code -> Shi et al., "MVDream", arXiv:2308.16512)
    prior, given, without   eps_theta(x_t; y, c, t) under the text y and cameras c; and under the negative text
    field                   phi     matter and colour in a cube, of which `render` makes pictures g(phi, c)
    latents                 x       of the pictures, as the prior encodes them
    Orbit                   c       four cameras a quarter of a turn apart, with one random offset, which share the rest
    clean                   x0^     what the prior sees in the noised latents, with the views of a set side by side

    L = |x - sg(x0^)|^2 / 2, the noise drawn ever lower while the field gets better (backend.guidance)

Settings are in backend/pipelines/recipes.py.

Departs from the paper: a field may begin with views that the prior drew, `start`. In a first share of the steps it is
fitted to these, and distillation goes on from there, at levels where they have a say: so the seed of the views is
that of the field, and who picks one by its views gets what they show. And chance in a step follows from the seed and
the step's number alone, so that what was broken off goes on as if nothing had been.
"""

import hashlib
import io
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from backend import saved
from backend.fields import Field
from backend.fields.hash_grid import HashGrid
from backend.fields.surroundings import Surroundings
from backend.fields.voxels import VoxelGrid
from backend.guidance import NotFinite, distil
from backend.pipelines.recipes import Recipe
from backend.priors.prior import Given, Prior
from backend.priors.sampling import Sampling, sampled
from backend.render import bands
from backend.render.cameras import Cameras
from backend.render.orbits import VIEWS, Orbit
from backend.render.rays import rays
from backend.render.volume import render

Pictures = NDArray[np.uint8]  # (F, H, W, 3) sRGB, row 0 at the top

ELEVATION = math.radians(15)  # of the views that are drawn, and of those that are shown
KEPT_EVERY = 20.0  # seconds
DAMAGED = ".damaged"  # to the name of a file that was kept and cannot be read


class Step(NamedTuple):
    """What one step of optimising came to."""

    step: int  # that are done
    steps: int
    loss: float
    show: Callable[[], Pictures]  # the field as it is now, (VIEWS, H, W, 3): the same sides as of `views`


def views(
    prior: Prior, text: str, negative: str, count: int, elevation: float, seed: int, how: Sampling
) -> Iterator[Pictures]:
    """The prior's views (count, H, W, 3) of what a text says, after each step: the last ones are the sample.

    The first looks at the front, and the others are evenly around, `elevation` radians above the horizon. The noise of
    a view does not hang on how many there are. Where `how` has the texts apart, pictures are decoded one by one, too.

    Raises:
        NotFinite: while it goes on.
    """
    cameras = Orbit.standing(elevation, count).cameras
    given, without = _given(_embedded(prior, [text, negative]), count, 1, cameras)
    generator = torch.Generator().manual_seed(seed)
    for latents in sampled(prior, given, without, [generator] * count, how):
        with torch.no_grad():
            pictures = torch.cat([prior.decode(some) for some in latents.split(1 if how.apart else count)])
        yield _in_bytes((pictures.float().movedim(1, 3) + 1) / 2)


class Distillation:
    """A field on its way: whoever iterates takes it on, step by step, from where it is.

    It is kept in a file every now and then, and whenever one stops, or has to. Where that cannot be written it goes on
    all the same, and `unkept` tells of it: what is under way is worth more than what may be needed.
    """

    def __init__(
        self,
        prior: Prior,
        text: str,
        negative: str,
        recipe: Recipe,
        seed: int,
        start: Pictures | None = None,
        kept: Path | None = None,
    ) -> None:
        """Raises OSError, MemoryError, torch.OutOfMemoryError where what is kept cannot be read now, and stays."""
        self.prior, self.texts, self.recipe, self.seed, self.start = prior, [text, negative], recipe, seed, start
        self.kept = kept
        self.device = prior.schedule.alphas_cumprod.device
        self.said = ""  # why what lies in the file is not gone on with
        self.unkept: OSError | None = None  # why it could not be kept when that was last tried
        self._begin()
        if kept is not None and kept.exists():
            self._go_on()

    def __iter__(self) -> Iterator[Step]:
        """Raises NotFinite, which names the step: the field is as it was before."""
        recipe, told = self.recipe, time.monotonic()
        try:
            texts = _embedded(self.prior, self.texts)
            while self.step < recipe.steps:
                try:
                    loss = self._learn(texts)
                except NotFinite as error:
                    raise NotFinite(f"Step {self.step + 1} of {recipe.steps}: {error}") from error
                self.step += 1
                yield Step(self.step, recipe.steps, loss, self.show)
                if time.monotonic() - told > KEPT_EVERY:
                    self._try_to_keep()
                    told = time.monotonic()
        finally:
            self._try_to_keep()

    def _try_to_keep(self) -> None:
        try:
            self.keep()
            self.unkept = None
        except OSError as error:
            self.unkept = error

    def _learn(self, texts: Tensor) -> float:
        """One step; its loss."""
        recipe, field = self.recipe, self.field
        progress = self.step / recipe.steps
        rng = np.random.default_rng([self.seed, self.step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        fitting = self.start is not None and progress < recipe.fitted

        # 1. Cameras: one random offset, elevation, distance and field of view for each set of views.
        stage = recipe.stage(progress)
        if fitting:
            orbits = [Orbit.standing(ELEVATION, len(self.start), recipe.cameras)]
        else:
            orbits = [Orbit.somewhere(rng, recipe.cameras) for _ in range(stage.sets)]
        cameras = self._cameras(orbits)

        # 2. What they see of the field: its albedo, or, from some step on, in the light of a lamp.
        lit = recipe.shading and progress >= recipe.shaded and not fitting
        light = recipe.lamps.light(cameras.to_world[:, :3, 3], rng) if lit else None
        background = self._background(cameras, stage.side, rng, fitting)
        asked = field, cameras, stage.side, stage.side, recipe.samples, background, generator, light, recipe.shading
        points = len(cameras.view) * stage.side**2 * recipe.samples
        seen, back = (render(*asked), None) if points <= bands.AT_ONCE else bands.in_bands(*asked)
        pictures = 2 * seen.image.movedim(3, 1) - 1

        # 3. Drawn to the views it begins with, or to what the prior sees in them under noise.
        if fitting:
            loss = (pictures - _target(self.start, stage.side).to(pictures)).square().flatten(1).sum(dim=1).mean() / 2
        else:
            given, without = _given(texts, orbits[0].views, len(orbits), cameras)
            latents = self.prior.encode(_resized(pictures, self.prior.size))
            loss = distil(
                self.prior, latents, given, without, recipe.guidance, self._annealed(progress), generator
            ).loss

        # 4. What holds for any field: its surfaces face who sees them, it is smooth, and space is empty.
        if recipe.shading:
            share = min(progress / recipe.shaded, 1.0) if recipe.shaded else 1.0
            weight = (1 - share) * recipe.orientation[0] + share * recipe.orientation[1]
            loss = loss + weight * seen.away.sum() / (seen.opacity > 0).sum().clamp(min=1)
        if any(recipe.smooth):
            loss = loss + (field.total_variation() * torch.tensor(recipe.smooth).to(loss)).sum()
        if recipe.clear:
            loss = loss + recipe.clear * recipe.matter(seen.opacity, seen.image.detach())

        # 5. A step of AdamW, if it leads anywhere.
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if back is not None:
            back()
        slopes = [one.grad for group in self.optimizer.param_groups for one in group["params"] if one.grad is not None]
        if not torch.stack([torch.isfinite(each).all() for each in (loss, *slopes)]).all():
            raise NotFinite("Not a finite number in the loss, or in its slopes")
        self.optimizer.step()
        if recipe.refreshed and (self.step + 1) % recipe.refreshed == 0:
            field.refresh()
        return loss.item()

    def show(self) -> Pictures:
        """(VIEWS, H, W, 3): the field's albedo before white, from the front and around; no light, no chance."""
        cameras, side = self._cameras([Orbit.standing(ELEVATION, VIEWS, self.recipe.cameras)]), self.recipe.shown
        with torch.no_grad():
            each = [
                render(self.field, Cameras(*(one[k : k + 1] for one in cameras)), side, side, self.recipe.samples, 1.0)
                for k in range(VIEWS)
            ]
        return _in_bytes(torch.cat([picture.image for picture in each]))

    def keep(self) -> None:
        """In the file, whole or not at all. Raises OSError."""
        if self.kept is None or self.step == self._safe:
            return
        state = {"plan": self._plan, "step": self.step, "optimizer": self.optimizer.state_dict()}
        state |= {name: module.state_dict() for name, module in self._modules.items()}
        data = io.BytesIO()
        torch.save(state, data)  # not into the file: on a full disk torch raises RuntimeError as often as not
        self.kept.parent.mkdir(parents=True, exist_ok=True)
        partial = self.kept.with_name(f"{self.kept.name}.{os.getpid()}.partial")
        try:
            with partial.open("wb") as file:
                file.write(data.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self.kept)
        finally:
            partial.unlink(missing_ok=True)
        self._safe = self.step

    def _begin(self) -> None:
        recipe, chance = self.recipe, torch.Generator().manual_seed(self.seed)
        if recipe.voxels:
            self.field: Field = VoxelGrid(recipe.voxels, recipe.radius)
        else:
            self.field = HashGrid(recipe.radius, generator=chance)
        self.surroundings = Surroundings(chance)
        self._modules: dict[str, nn.Module] = {"field": self.field, "surroundings": self.surroundings}
        named = [named for module in self._modules.values() for named in module.to(self.device).named_parameters()]
        spatial = [one for name, one in named if name.startswith(("raw", "tables"))]
        networks = [one for name, one in named if not name.startswith(("raw", "tables"))]
        self.optimizer = torch.optim.AdamW(
            [{"params": spatial, "lr": recipe.rate}, {"params": networks, "lr": recipe.networks}],
            betas=recipe.betas, eps=recipe.epsilon, weight_decay=recipe.decay,
        )  # fmt: skip
        self.step, self._safe = 0, 0

    def _go_on(self) -> None:
        """From what is kept. One of another plan is as none, and so is a damaged file, which is set aside."""
        try:
            # Not to the GPU, where it would take room beside what it is copied into.
            state = saved.read(self.kept)
            if state["plan"] != self._plan:
                self.said = "What was kept is of another request, and it begins anew"
                return
            for name, module in self._modules.items():
                module.load_state_dict(state[name])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = self._safe = int(state["step"])
        except torch.OutOfMemoryError:  # a RuntimeError, of a file that may well be sound
            raise
        except saved.BROKEN as error:  # saved.Damaged is among them
            aside = self.kept.with_name(self.kept.name + DAMAGED)
            os.replace(self.kept, aside)
            self.said = f"What was kept cannot be read, and it begins anew ({type(error).__name__}, see {aside.name})"
            self._begin()

    @property
    def _plan(self) -> str:
        """All that the result hangs on; how large its pictures are may change on the way."""
        recipe = replace(self.recipe, stages=(), samples=0, shown=0)
        start = "" if self.start is None else hashlib.sha256(np.ascontiguousarray(self.start)).hexdigest()
        return repr((self.texts, self.seed, recipe, start))

    def _annealed(self, progress: float) -> float:
        """Progress of the levels."""
        recipe = self.recipe
        if self.start is None or recipe.fitted >= 1:
            return progress
        return recipe.entered + (1 - recipe.entered) * (progress - recipe.fitted) / (1 - recipe.fitted)

    def _cameras(self, orbits: list[Orbit]) -> Cameras:
        sets = [orbit.cameras for orbit in orbits]
        return Cameras(*(torch.cat(each).float().to(self.device) for each in zip(*sets, strict=True)))

    def _background(self, cameras: Cameras, side: int, rng: np.random.Generator, fitting: bool) -> Tensor | float:
        if fitting:
            return _surrounding(self.start)
        if self.recipe.background == "white":
            return 1.0
        if rng.random() < self.recipe.plain:
            return torch.from_numpy(rng.uniform(size=3))
        return self.surroundings(rays(cameras, side, side).direction)


def _embedded(prior: Prior, texts: list[str]) -> Tensor:
    """(N, L, C), for no slopes."""
    with torch.no_grad():
        return prior.embed(texts)


def _given(texts: Tensor, views: int, sets: int, cameras: Cameras) -> tuple[Given, Given]:
    """Of texts (2, L, C): under the first, and under the second."""
    to_world = cameras.to_world.float().to(texts.device)
    under, free = (text.expand(sets * views, -1, -1) for text in texts[:, None])
    return Given(under, views, to_world), Given(free, views, to_world)


def _resized(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, 3, *size) of (B, 3, H, W)."""
    if pictures.shape[2:] == size:
        return pictures
    return functional.interpolate(pictures, size, mode="bilinear", align_corners=False)


def _target(start: Pictures, side: int) -> Tensor:
    """(F, 3, side, side) in [-1, 1]."""
    pictures = torch.from_numpy(start.astype(np.float32)).movedim(3, 1) / 127.5 - 1
    if pictures.shape[2:] == (side, side):
        return pictures
    return functional.interpolate(pictures, (side, side), mode="bilinear", antialias=True)


def _surrounding(start: Pictures) -> Tensor:
    """(3,) in [0, 1]: what most of the pictures' edges show."""
    edges = [start[:, 0], start[:, -1], start[:, :, 0], start[:, :, -1]]
    return torch.from_numpy(np.median(np.concatenate([each.reshape(-1, 3) for each in edges]), axis=0) / 255)


def _in_bytes(pictures: Tensor) -> Pictures:
    """Of numbers in [0, 1], or a little beside that."""
    return (255 * pictures.clamp(0, 1)).round().byte().cpu().numpy()
