"""From words to views of one thing, and from there to a field: score distillation from a prior of several views.

Notation (code -> Shi et al., "MVDream", arXiv:2308.16512)
    prior, given, without   eps_theta(x_t; y, c, t) under the text y and cameras c; and under the negative text
    field                   phi     matter and colour in a cube, of which `render` makes pictures g(phi, c)
    latents                 x       of the pictures, as the prior encodes them
    Orbit                   c       four cameras a quarter of a turn apart, with one random offset, which share the rest
    clean                   x0^     what the prior sees in the noised latents, with the views of a set side by side

    L = |x - sg(x0^)|^2 / 2, the noise drawn ever lower while the field gets better (backend.guidance)

PUBLISHED has the settings of its authors' code (github.com/bytedance/MVDream-threestudio, configs/mvdream-sd21.yaml,
and mvdream-sd21-shading.yaml where `shading` is on), which has 0.5 for a rescaling of 0.7 in the paper. SEEDLING is the
same for the small priors of this project, on two cores: they have seen things before white alone, lit from above.

Departs from the paper: a field may begin with views that the prior drew, `start`. In a first share of the steps it is
fitted to these, and distillation goes on from there, at levels where they have a say: so the seed of the views is
that of the field, and who picks one by its views gets what they show. And chance in a step follows from the seed and
the step's number alone, so that what was broken off goes on as if nothing had been.
"""

import hashlib
import math
import os
import pickle
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from backend.fields import Field
from backend.fields.hash_grid import HashGrid
from backend.fields.surroundings import Surroundings
from backend.fields.voxels import VoxelGrid
from backend.guidance import Guidance, NotFinite, distil
from backend.priors.prior import Given, Prior
from backend.priors.sampling import Sampling, sampled
from backend.render import bands
from backend.render.cameras import Cameras
from backend.render.orbits import VIEWS, Orbit, Ranges
from backend.render.rays import rays
from backend.render.volume import Light, render

Pictures = NDArray[np.uint8]  # (F, H, W, 3) sRGB, row 0 at the top

ELEVATION = math.radians(15)  # of the views that are drawn, and of those that are shown
KEPT_EVERY = 20.0  # seconds
BROKEN = (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, pickle.UnpicklingError)


@dataclass(frozen=True)
class Lamps:
    """MVDream's soft shading: a lamp for each set of views, at random about each of its cameras' directions."""

    unlit: float = 0.25  # share of the steps in which the albedo is seen as it is
    plain: float = 0.5  # of the others, the share in which all matter is white
    distance: tuple[float, float] = (0.8, 1.5)  # metres from the middle
    astray: float = 1.0  # metres: how far it is beside the camera

    def light(self, eyes: Tensor, rng: np.random.Generator) -> Light | None:
        """For cameras at `eyes` (B, 3), in sets of VIEWS. Of the light, an even share is the lamp's."""
        if rng.random() < self.unlit:
            return None
        sets = len(eyes) // VIEWS
        beside, away = self.astray * rng.standard_normal((sets, 3)), rng.uniform(*self.distance, (sets, 1))
        beside, away = (torch.from_numpy(each).repeat_interleave(VIEWS, dim=0).to(eyes) for each in (beside, away))
        diffuse = torch.full((len(eyes),), rng.uniform()).to(eyes)
        return Light(away * functional.normalize(eyes + beside, dim=1), diffuse, bool(rng.random() < self.plain))


@dataclass(frozen=True)
class Sky:
    """The light from above in which a seedling sees all things; what remains is their albedo.

    In their corpus the albedo is lit by 1.05 from above, 0.75 from the side and 0.45 from below. In sRGB that is nearly
    this, from the side and above; what looks down is a little too light.
    """

    diffuse: float = 0.25
    height: float = 100.0  # metres

    def light(self, eyes: Tensor, rng: np.random.Generator) -> Light | None:
        place = torch.tensor([0.0, 0.0, self.height]).to(eyes).expand(len(eyes), 3)
        return Light(place, torch.full((len(eyes),), self.diffuse).to(eyes))


class Stage(NamedTuple):
    """How a field is seen from some step on."""

    begins: float  # share of the steps
    sets: int  # of VIEWS pictures each, in a step
    side: int  # pixels


@dataclass(frozen=True)
class Recipe:
    """How a field is distilled. Rates and weights are for losses as `distil` has them, summed over a latent."""

    steps: int
    stages: tuple[Stage, ...]
    samples: int  # along a ray
    guidance: Guidance
    sampling: Sampling  # of the views to begin with
    radius: float  # metres: of the field's cube
    voxels: int  # samples along its side; 0: a hash grid of the paper's size
    rate: float  # of learning, of numbers in space
    networks: float  # of learning, of networks beside them
    betas: tuple[float, float] = (0.9, 0.99)
    epsilon: float = 1e-15  # of Adam
    decay: float = 0.0  # of weights
    background: Literal["learnt", "white"] = "learnt"
    plain: float = 0.5  # share of the steps in which a learnt background gives way to one colour at random
    cameras: Ranges = field(default_factory=Ranges)
    fitted: float = 0.1  # share of the steps in which the field is fitted to views, where there are some
    entered: float = 0.4  # progress of the annealing at which it is gone on with after these
    lamps: Lamps | Sky = field(default_factory=Lamps)
    shading: bool = False
    shaded: float = 0.5  # share of the steps after which it begins
    orientation: tuple[float, float] = (10.0, 1000.0)  # weight where shading begins, and at the end
    smooth: tuple[float, float] = (0.0, 0.0)  # weights of the total variation of densities and colours, of voxels
    clear: float = 0.0  # weight of all opacity: there shall be nothing where nothing is needed
    refreshed: int = 0  # steps after which it is found anew where voxels are empty; 0: never
    shown: int = 64  # pixels along the side of what is shown
    suffix: str = ""  # to the text, for the prior

    def stage(self, progress: float) -> Stage:
        """The one at a progress in [0, 1]."""
        return next(stage for stage in reversed(self.stages) if stage.begins <= progress)

    def asked(self, steps: int = 0, scale: float = 0.0, shading: bool = False) -> "Recipe":
        """With as many steps, and as much guidance; 0: as it is."""
        guidance = replace(self.guidance, scale=scale) if scale else self.guidance
        return replace(self, steps=steps or self.steps, guidance=guidance, shading=shading)

    def smaller(self) -> "Recipe | None":
        """For less memory, about a quarter: smaller pictures; then fewer of them, and coarser rays. None: it is the
        smallest. What is kept of the one is gone on with by the other."""
        largest = max(stage.side for stage in self.stages)
        if largest > 64:
            return replace(
                self, stages=tuple(stage._replace(side=min(stage.side, largest // 2)) for stage in self.stages)
            )
        if self.samples > 128 or any(stage.sets > 1 for stage in self.stages):
            stages = tuple(stage._replace(sets=1) for stage in self.stages)
            return replace(self, stages=stages, samples=min(self.samples, 128))
        return None


PUBLISHED = Recipe(
    steps=10_000,
    stages=(Stage(0.0, 2, 64), Stage(0.5, 1, 256)),
    samples=512,
    guidance=Guidance(scale=50.0, rescale=0.5, lowest=(0.98, 0.02), highest=(0.98, 0.5), annealed=0.8),
    sampling=Sampling(scale=10.0, steps=50),
    radius=1.0,
    voxels=0,
    rate=0.01,
    networks=0.001,
    decay=0.01,
    shown=128,
    suffix=", 3d asset",
)

SEEDLING = Recipe(
    steps=400,
    stages=(Stage(0.0, 1, 32),),
    samples=48,
    guidance=Guidance(scale=4.0, clamp=1.0),
    sampling=Sampling(scale=4.0, steps=25, clamp=1.0),
    radius=0.7,
    voxels=32,
    rate=0.1,
    networks=0.001,
    background="white",
    fitted=0.2,
    lamps=Sky(),
    orientation=(1.0, 10.0),
    smooth=(0.1, 0.1),
    clear=5.0,
    refreshed=20,
)


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
    a view does not hang on how many there are.

    Raises:
        NotFinite: while it goes on.
    """
    cameras = Orbit.standing(elevation, count).cameras
    given, without = _given(_embedded(prior, [text, negative]), count, 1, cameras)
    generator = torch.Generator().manual_seed(seed)
    for latents in sampled(prior, given, without, [generator] * count, how):
        with torch.no_grad():
            pictures = prior.decode(latents)
        yield _in_bytes((pictures.float().movedim(1, 3) + 1) / 2)


class Distillation:
    """A field on its way: whoever iterates takes it on, step by step, from where it is.

    It is kept in a file every now and then, and whenever one stops, or has to.
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
        self.prior, self.texts, self.recipe, self.seed, self.start = prior, [text, negative], recipe, seed, start
        self.kept = kept
        self.device = prior.schedule.alphas_cumprod.device
        self.said = ""  # why what lies in the file is not gone on with
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
                    self.keep()
                    told = time.monotonic()
        finally:
            self.keep()

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
        shading = recipe.shading and progress >= recipe.shaded
        light = recipe.lamps.light(cameras.to_world[:, :3, 3], rng) if shading and not fitting else None
        background = self._background(cameras, stage.side, rng, fitting)
        asked = field, cameras, stage.side, stage.side, recipe.samples, background, generator, light, shading
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
        if shading:
            share = (progress - recipe.shaded) / max(1 - recipe.shaded, 1e-9)
            weight = (1 - share) * recipe.orientation[0] + share * recipe.orientation[1]
            loss = loss + weight * seen.away.sum() / (seen.opacity > 0).sum().clamp(min=1)
        if any(recipe.smooth):
            loss = loss + (field.total_variation() * torch.tensor(recipe.smooth).to(loss)).sum()
        if recipe.clear:
            loss = loss + recipe.clear * (seen.opacity.square() + 0.01).sqrt().mean()

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
        """In the file, whole or not at all."""
        if self.kept is None or self.step == self._safe:
            return
        state = {"plan": self._plan, "step": self.step, "optimizer": self.optimizer.state_dict()}
        state |= {name: module.state_dict() for name, module in self._modules.items()}
        self.kept.parent.mkdir(parents=True, exist_ok=True)
        partial = self.kept.with_name(f"{self.kept.name}.{os.getpid()}.partial")
        try:
            with partial.open("wb") as file:
                torch.save(state, file)
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
        """From what is kept; a file that is damaged, or of another plan, is as none."""
        try:
            state = torch.load(self.kept, map_location=self.device, weights_only=True)
            if state["plan"] != self._plan:
                self.said = "What was kept is of another request, and it begins anew"
                return
            for name, module in self._modules.items():
                module.load_state_dict(state[name])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = self._safe = int(state["step"])
        except BROKEN as error:  # whatever a broken file makes the reader stumble over
            self.said = f"What was kept cannot be read, and it begins anew ({type(error).__name__})"
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
