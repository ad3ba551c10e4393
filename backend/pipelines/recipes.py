"""With which settings a field is distilled from a prior of several views (backend/pipelines/mvdream.py).

PUBLISHED has the settings of its authors' code (github.com/bytedance/MVDream-threestudio, configs/mvdream-sd21.yaml,
and mvdream-sd21-shading.yaml where `shading` is on), which has 0.5 for a rescaling of 0.7 in the paper. SEEDLING is the
same for the small priors of this project, on two cores: they have seen things before white alone, lit from above.

The weight of `orientation` goes from its first to its last value until shading begins, and stays there: their
`lambda_orient: [0, 10., 1000., 5000]`, of 10,000 steps the first half. So normals are asked for from the first step on.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from backend.guidance import Guidance
from backend.priors.sampling import Sampling
from backend.render.orbits import VIEWS, Ranges
from backend.render.volume import Light

WHITE = 0.85  # from here on a pixel is taken for white, fully at 1; seedlings see white things greyer, in their light


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

    In their corpus albedo is lit by 1.05 where it looks up, 0.75 to the side and 0.45 down, before it is encoded. Of
    sRGB, in which fields have their colours, that leaves the side 0.84 to 0.86 of what looks up, and what looks down
    0.64 to 0.68: the less, the darker it is. By Lambert's law both get the same, 1 - diffuse: 0.75 here, a tenth too
    dark at the side and as much too light below.
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
    orientation: tuple[float, float] = (10.0, 1000.0)  # with shading: weight in the first step, and where that begins
    smooth: tuple[float, float] = (0.0, 0.0)  # weights of the total variation of densities and colours, of voxels
    clear: float = 0.0  # weight of all opacity: there shall be nothing where nothing is needed
    white: float = 0.0  # so many times more of it where what is seen is white: it may as well not be there
    refreshed: int = 0  # steps after which it is found anew where the field is empty; 0: never
    shown: int = 64  # pixels along the side of what is shown
    suffix: str = ""  # to the text, for the prior

    def stage(self, progress: float) -> Stage:
        """The one at a progress in [0, 1]."""
        return next(stage for stage in reversed(self.stages) if stage.begins <= progress)

    def at(self, side: int) -> "Recipe":
        """The same for a prior whose pictures have so many pixels along a side: pictures and voxels are as many times
        finer as theirs, and so are the samples along a ray. What weighs against a loss that is summed over pixels grows
        as their number does."""
        finer = side / max(stage.side for stage in self.stages)

        def times(count: int) -> int:
            return max(round(finer * count), 1) if count else 0

        def weighed(pair: tuple[float, float]) -> tuple[float, float]:
            return finer**2 * pair[0], finer**2 * pair[1]

        return replace(
            self, stages=tuple(stage._replace(side=times(stage.side)) for stage in self.stages),
            samples=times(self.samples), voxels=times(self.voxels), orientation=weighed(self.orientation),
            smooth=weighed(self.smooth), clear=finer**2 * self.clear, shown=max(self.shown, side),
        )  # fmt: skip

    def matter(self, opacity: Tensor, image: Tensor) -> Tensor:
        """How much is in the way, of opacities (..., H, W) of pixels (..., H, W, 3): a mean, softly above 0.

        Before a white background no picture tells white matter from none. A field that is distilled before white fills
        what it needs not with a white mist, which is then part of the mesh.
        """
        whiteness = ((image.amin(dim=-1) - WHITE) / (1 - WHITE)).clamp(0, 1)
        return ((1 + self.white * whiteness) * (opacity.square() + 0.01).sqrt()).mean()

    def asked(self, steps: int = 0, scale: float = 0.0, shading: bool = False) -> "Recipe":
        """With as many steps, and as much guidance; 0: as it is."""
        guidance = replace(self.guidance, scale=scale) if scale else self.guidance
        return replace(self, steps=steps or self.steps, guidance=guidance, shading=shading)

    def asked_in_parts(self) -> "Recipe":
        """With the texts one after the other, to the same result."""
        return replace(self, guidance=replace(self.guidance, apart=True))

    def smaller(self) -> "Recipe | None":
        """For less memory: the prior asked in parts; then, about a quarter each time, smaller pictures; then fewer of
        them, and coarser rays. None: it is the smallest. What is kept of the one is gone on with by the other."""
        if not self.guidance.apart:
            return self.asked_in_parts()
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
    refreshed=16,
    shown=128,
    suffix=", 3d asset",
)

SEEDLING = Recipe(
    steps=400,
    stages=(Stage(0.0, 1, 32),),
    samples=48,
    guidance=Guidance(scale=2.0, clamp=1.0, highest=(0.98, 0.3)),
    sampling=Sampling(scale=2.0, steps=25, clamp=1.0),
    radius=0.7,
    voxels=32,
    rate=0.1,
    networks=0.001,
    background="white",
    fitted=0.2,
    entered=0.8,
    lamps=Sky(),
    orientation=(1.0, 10.0),
    smooth=(0.03, 0.03),
    clear=5.0,
    white=30.0,
    refreshed=20,
)
