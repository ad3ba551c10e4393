"""What a training of views draws from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.priors.seedling import split
from backend.training.multiview.sets import SUFFIX, Corpus, ViewSet

TENTH = 10


class Batch(NamedTuple):
    """N sets of F views."""

    pictures: Tensor  # (N F, 3, H, W) in [-1, 1]
    cameras: Tensor | None  # (N F, 4, 4); None: single pictures, and F is 1
    texts: list[str]  # N
    views: int  # F

    @classmethod
    def of(cls, sets: Sequence[ViewSet], texts: Sequence[str]) -> "Batch":
        pictures = torch.from_numpy(np.concatenate([one.pictures for one in sets])) / 127.5 - 1.0
        cameras = torch.from_numpy(np.concatenate([one.cameras for one in sets]))
        return cls(pictures, cameras, list(texts), len(sets[0].pictures))

    def single(self, chosen: Sequence[int]) -> "Batch":
        """One view of each set, without its camera."""
        rows = torch.arange(len(self.texts)) * self.views + torch.as_tensor(chosen)
        return Batch(self.pictures[rows], None, self.texts, 1)


@dataclass(frozen=True, eq=False)
class Part:
    """Some sets of a corpus."""

    corpus: Corpus
    indices: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indices)

    def sets(self, rows: Sequence[int]) -> list[ViewSet]:
        return [self.corpus[int(index)] for index in self.indices[np.asarray(rows, int)]]

    def few(self, count: int) -> list[ViewSet]:
        """Some of them, always the same, from all over."""
        return self.sets(np.linspace(0, len(self) - 1, min(count, len(self))).astype(int))


@dataclass(frozen=True, eq=False)
class Data:
    """What is learned from, and what is not. `about` says in a few words what it is."""

    sets: Part  # as sets of views
    pictures: Part  # as single pictures: those of the sets, and of what is for them alone; or others
    held_out: Part
    about: str
    unseen: Part | None = None  # of combinations that no set of views shows
    words: tuple[str, ...] = field(default=())  # that a seedling shall know

    @classmethod
    def of(cls, folder: Path, about: str, words: tuple[str, ...] | None = None, pictures: Path | None = None) -> "Data":
        """The splits `train`, `individuals` and `combinations` in a folder. Where there is but the first, the last
        tenth of it is held out. Words are those of the captions, if none are named. Single pictures are those of the
        sets, or the split `train` in a folder of their own.

        Raises:
            FileNotFoundError: there are no sets.
        """
        train = Corpus(folder / "train")
        numbers = np.arange(len(train))
        if any((folder / "individuals").glob(f"*{SUFFIX}")):
            held_out = _whole(folder / "individuals")
        else:
            held_out, numbers = _parted(train)
            about = f"{about}, of which the last tenth is held out"
        there = any((folder / "combinations").glob(f"*{SUFFIX}"))
        unseen = _whole(folder / "combinations") if there else None
        whole = numbers[~train.flat[numbers]]
        single = Part(train, numbers) if pictures is None else _whole(pictures / "train")
        if words is None:
            captions = train.captions | single.corpus.captions
            words = tuple(sorted({word for text in captions for word in split(text)}))
        return cls(Part(train, whole), single, held_out, about, unseen, words)

    @property
    def digests(self) -> dict[str, str]:
        """Of all shards, by their names: what tells them from others."""
        found = self.sets.corpus.digests | self.held_out.corpus.digests
        if self.unseen is not None:
            found |= self.unseen.corpus.digests
        if self.pictures.corpus is self.sets.corpus:
            return found
        return found | {f"single {name}": digest for name, digest in self.pictures.corpus.digests.items()}

    @property
    def count(self) -> int:
        """Of all that is learned from."""
        return len(self.pictures) + (len(self.sets) if self.pictures.corpus is not self.sets.corpus else 0)


def _parted(corpus: Corpus) -> tuple[Part, NDArray[np.int64]]:
    """The last tenth, of things that the rest does not show, and the rest. Of one thing alone both are made."""
    numbers, origins = np.arange(len(corpus)), np.array(corpus.origins)
    last = origins[len(corpus) - max(1, len(corpus) // TENTH) :]
    held_out = np.isin(origins, last)
    return Part(corpus, numbers[held_out]), numbers[~held_out] if not held_out.all() else numbers


def _whole(folder: Path) -> Part:
    corpus = Corpus(folder)
    return Part(corpus, np.arange(len(corpus)))
