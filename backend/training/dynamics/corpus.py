"""The seedling's corpus: pictures of specimens in the wind, with spectral volumes that are known and not measured.

Specimens stand at random ages in a breeze, before random cameras and in random light, before still backgrounds; some
of them do not sway at all, so that a network learns what stands still. Everything follows from a recipe and a number: a
shard is made again to the byte on the same machine. Three splits share no individual: `train`; `seeds`, of the same
kinds; and `kinds`, of one that sways and one that stands still, which are never trained on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from backend.protocol import default_home
from backend.report import Report, silent
from backend.spectral import BINS, analyse
from backend.training import shards
from backend.training.dynamics import samples
from backend.training.dynamics.objects import Object, gather
from backend.training.dynamics.samples import SUFFIX, Corpus, Sample
from backend.training.dynamics.views import Camera, Light, Size, background, paths, shoot

SWAYING = ("rose", "sunflower", "oak_leaf", "mushroom", "sprout")  # this one in soil, which stands still
STILL = ("apple", "candle", "ice_cream")
HELD_OUT = ("lily",), ("bread",)  # swaying and still
SHARE_STILL = 0.15  # of the objects
FARTHEST = 0.25  # of the picture's width: what goes farther is hardly to be recognised, or seen no more
CALMED = 4  # times at most
SPLITS = ("train", "seeds", "kinds")


@dataclass(frozen=True)
class Recipe:
    """What a corpus is made of. Sizes in pixels, rate in frames a second; a clip is one loop."""

    height: int = 64
    width: int = 64
    bins: int = BINS
    frames: int = 150
    rate: float = 30.0
    later: int = 3  # frames kept beside the first
    detail: float = 0.4  # of the meshes
    objects: int = 4  # a shard
    winds: int = 3  # an object
    breeze: float = 6.0  # Beaufort: how hard it blows, give or take one
    views: int = 10  # an object
    company: float = 0.3  # share of the pictures in which one or two others of the shard stand beside it
    seed: int = 0

    @property
    def shard(self) -> int:
        """Samples in one."""
        return self.objects * self.views


def default_folder() -> Path:
    """Where corpora are kept for one user."""
    return default_home() / "cache" / "dynamics"


def make(folder: Path, recipe: Recipe, counts: dict[str, int], report: Report = silent) -> None:
    """At least so many samples of each split, in `folder`/split; shards that are there are kept.

    Raises:
        shards.OtherRecipe: what is there was made from another one.
    """
    shards.make(counts, recipe.shard, partial(make_shard, folder, recipe), "Making pictures", report)


def make_shard(folder: Path, recipe: Recipe, split: str, number: int) -> Path:
    """One shard, if it is not there yet."""
    path = folder / split / f"{number:05}{SUFFIX}"
    kinds = {"kinds": [*SWAYING, *STILL], "held_out": [kind for kinds in HELD_OUT for kind in kinds]}
    about = asdict(recipe) | kinds | {"split": split, "number": number}
    if not path.exists():
        samples.write(path, list(drawn(recipe, split, number)), about)
    else:
        shards.require(samples.about(path), about, path)
    return path


def opened(folder: Path, split: str) -> Corpus:
    """The samples of a split."""
    return Corpus(folder / split)


def drawn(recipe: Recipe, split: str, number: int) -> Iterator[Sample]:
    """The samples of one shard."""
    rng = np.random.default_rng([recipe.seed, SPLITS.index(split), number])
    things = [
        Object.grown(kind_of(split, rng), recipe.detail, recipe.winds, recipe.breeze, rng)
        for _ in range(recipe.objects)
    ]
    for thing in things:
        for _ in range(recipe.views):
            others = rng.choice(recipe.objects, rng.integers(1, 3)) if rng.random() < recipe.company else ()
            yield sample([thing, *(things[other] for other in others)], recipe, rng)


def kind_of(split: str, rng: np.random.Generator) -> str:
    """What to grow next."""
    swaying, still = HELD_OUT if split == "kinds" else (SWAYING, STILL)
    return str(rng.choice(still if rng.random() < SHARE_STILL else swaying))


def sample(things: Sequence[Object], recipe: Recipe, rng: np.random.Generator) -> Sample:
    """Things in the wind, seen by some camera. A storm that carries them too far across the picture is calmed."""
    size = Size(recipe.height, recipe.width)
    scene = gather(things, recipe.frames, rng)
    thing, swing = scene.thing, scene.swing
    camera = Camera.somewhere(thing.moved(swing[:1])[0], size, rng)
    times = np.sort(rng.choice(np.arange(1, recipe.frames), recipe.later, replace=False))
    light, behind = Light.somewhere(rng), background(size, rng)
    for _ in range(CALMED):
        shot = shoot(thing, swing[[0, *times]], camera, light, behind)
        moved = paths(thing, swing, camera, shot)
        farthest = np.linalg.norm(moved, axis=2).max(initial=0.0)
        if farthest < FARTHEST * size.width:
            break
        swing = swing * (0.9 * FARTHEST * size.width / farthest)
    volume, _ = analyse(moved[:, :, None], recipe.rate / recipe.frames, recipe.bins)
    coefficients = volume.coefficients[:, :, 0]  # (K, P, 2)
    slices = np.zeros((recipe.bins, 4, *shot.mask.shape), np.float16)
    slices[:, :, shot.mask] = np.concatenate([coefficients.real, coefficients.imag], axis=2).transpose(0, 2, 1)
    flows = np.zeros((recipe.later, 2, *shot.mask.shape), np.float16)
    flows[:, :, shot.mask] = moved[times].transpose(0, 2, 1)
    turns = (times / recipe.frames).astype(np.float32)
    return Sample(shot.frames[0], slices, shot.mask, turns, shot.frames[1:], flows, things[0].kind)
