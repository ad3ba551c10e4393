"""Views of specimens in all states of life, alone and in twos, and what they are called.

train          most; what `captions` says is unseen lies there for single pictures alone
individuals    others of the same kinds and colours
combinations   others of the kinds and colours that no set of views in `train` shows
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from backend.protocol import default_home
from backend.render.orbits import Orbit
from backend.report import Report, silent
from backend.training import shards
from backend.training.multiview import sets
from backend.training.multiview.captions import KINDS, digest
from backend.training.multiview.sets import SUFFIX, ViewSet
from backend.training.multiview.things import Individual, of_two
from backend.training.multiview.views import Light, seen

SPLITS = ("train", "individuals", "combinations")


@dataclass(frozen=True)
class Recipe:
    """What a corpus is made of."""

    side: int = 32  # pixels
    detail: float = 0.4  # of the meshes
    individuals: int = 16  # a shard
    each: int = 8  # sets an individual
    twos: float = 0.3  # share of the sets that show two
    seed: int = 0

    @property
    def shard(self) -> int:
        """Sets in one."""
        return self.individuals * self.each


def default_folder() -> Path:
    """Where corpora are kept for one user."""
    return default_home() / "cache" / "multiview"


def make(folder: Path, recipe: Recipe, counts: dict[str, int], report: Report = silent) -> None:
    """At least so many sets of each split, in `folder`/split; shards that are there are kept.

    Raises:
        shards.OtherRecipe: what is there was made from another one.
    """
    shards.make(counts, recipe.shard, partial(make_shard, folder, recipe), "Making views", report)


def make_shard(folder: Path, recipe: Recipe, split: str, number: int) -> Path:
    """One shard, if it is not there yet."""
    path = folder / split / f"{number:05}{SUFFIX}"
    told = about(recipe, split, number)
    if not path.exists():
        sets.write(path, list(drawn(recipe, split, number)), told)
    else:
        shards.require(sets.about(path), told, path)
    return path


def about(recipe: Recipe, split: str, number: int) -> dict:
    """How a shard is made, which stands in it."""
    return asdict(recipe) | {"captions": digest(), "split": split, "number": number}


def drawn(recipe: Recipe, split: str, number: int) -> Iterator[ViewSet]:
    """The sets of one shard."""
    rng = np.random.default_rng([recipe.seed, SPLITS.index(split), number])
    ones = [_individual(recipe, split, rng) for _ in range(recipe.individuals)]
    for place in range(recipe.shard):
        yield _set(recipe, split, ones, place, rng)


def _set(recipe: Recipe, split: str, ones: list[Individual], place: int, rng: np.random.Generator) -> ViewSet:
    """One that the split may hold."""
    while True:
        one = ones[place % len(ones)]
        two = of_two(ones, rng) if rng.random() < recipe.twos else None
        if two is None:
            thing, said = one.sometime(rng)
            captions, unseen, origin = said.captions(), said.unseen, f"{said.kind} {one.seed}"
        else:
            thing, captions, unseen, origin = two
        if captions and (split == "train" or unseen == (split == "combinations")):
            around = Orbit.somewhere(rng).cameras
            pictures = seen(thing, around, recipe.side, Light.somewhere(rng))
            cameras = around.to_world.numpy().astype(np.float32)
            return ViewSet(pictures, cameras, tuple(captions), origin, flat=unseen)


def _individual(recipe: Recipe, split: str, rng: np.random.Generator) -> Individual:
    """One of which the split may hold at least one state. Its seed says of which split it is: no two share one."""
    names = list(KINDS)
    often = np.array([KINDS[name].often for name in names])
    while True:
        kind = names[rng.choice(len(names), p=often / often.sum())]
        seed = int(rng.integers(2**28)) * len(SPLITS) + SPLITS.index(split)
        said = Individual.foretold(kind, seed)
        if split == "train" or any(one.unseen == (split == "combinations") for one in said):
            return Individual.grown(kind, recipe.detail, seed)
