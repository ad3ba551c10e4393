"""What the phases of a training draw from: samples to learn from, samples held out, and latents that are made once."""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2s
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from backend.priors.dynamics import Dynamics
from backend.report import Report, silent
from backend.training import precision
from backend.training.batches import ahead
from backend.training.disk import make_room, write_whole
from backend.training.dynamics.samples import SUFFIX, Batch, Corpus
from backend.training.dynamics.variations import mirrored

ENCODED = 8  # pictures at once
TENTH = 10
ABOUT = "about.json"  # of latents: what they are of


@dataclass(frozen=True, eq=False)
class Part:
    """Some samples of a corpus."""

    corpus: Corpus
    indices: NDArray[np.int64]
    bins: int | None = None  # the lowest ones alone, where the corpus has more than are wanted

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, rows: Sequence[int]) -> Batch:
        batch = self.corpus.batch(self.indices[np.asarray(rows)])
        return batch._replace(slices=batch.slices[:, : self.bins])

    @classmethod
    def whole(cls, corpus: Corpus) -> "Part":
        return cls(corpus, np.arange(len(corpus)))


@dataclass(frozen=True, eq=False)
class Data:
    """What is learned from, and what is not; `about` says in a few words what it is."""

    train: Part
    held_out: Part
    about: str

    @property
    def digests(self) -> dict[str, str]:
        """Of all shards, by their names: what tells them from others."""
        return self.train.corpus.digests | self.held_out.corpus.digests

    def of_bins(self, bins: int) -> "Data":
        """The same with the lowest bins alone."""
        return replace(self, train=replace(self.train, bins=bins), held_out=replace(self.held_out, bins=bins))

    @classmethod
    def of(cls, folder: Path, held_out: str, about: str) -> "Data":
        """The splits `train` and `held_out` in a folder. Where one of them is missing, the last tenth of all is held
        out.

        Raises:
            FileNotFoundError: there are no samples.
        """
        there = [Corpus(folder / split) for split in ("train", held_out) if any((folder / split).glob(f"*{SUFFIX}"))]
        if len(there) == 2:
            return cls(Part.whole(there[0]), Part.whole(there[1]), about)
        corpus = there[0] if there else Corpus(folder / "train")
        numbers, last = np.arange(len(corpus)), max(1, len(corpus) // TENTH)
        learned = numbers[:-last] if len(corpus) > 1 else numbers
        return cls(
            Part(corpus, learned), Part(corpus, numbers[-last:]), f"{about}, of which the last tenth is held out"
        )


@dataclass(frozen=True, eq=False)
class Latents:
    """N pictures and the latents of their slices; of those of a part that are mirrored too, behind all others."""

    latents: NDArray[np.float16]  # (N, K, 4, h, w)
    pictures: NDArray[np.float16]  # (N, 3, H, W)

    @classmethod
    def kept(
        cls, folder: Path, model: Dynamics, part: Part, device: str, report: Report = silent, both: bool = False
    ) -> "Latents":
        """Those of a part, mirrored too if `both`, in files of `folder`: made where they are not there, or are of other
        pictures, and read from there."""
        paths, count = (folder / "latents.npy", folder / "pictures.npy"), len(part) * (1 + both)
        shapes = (count, *model.sizes.latents), (count, 3, model.sizes.height, model.sizes.width)
        there = [np.load(path, mmap_mode="r").shape for path in paths if path.exists()]
        told, own = folder / ABOUT, {"pictures": _digest(part)}
        # an older version told nothing of them
        same = not told.exists() or json.loads(told.read_text(encoding="utf-8")) == own
        if there != list(shapes) or not same:
            why = " anew: those that were kept are of other pictures" if there else ""
            _make(paths, shapes, model, part, device, lambda done, text: report(done, text + why))
            write_whole(told, json.dumps(own).encode())
        return cls(*(np.load(path, mmap_mode="r") for path in paths))


def _digest(part: Part) -> str:
    """Of which pictures it has; how many are mirrored is seen from how many there are."""
    return blake2s(json.dumps(part.corpus.digests, sort_keys=True).encode() + part.indices.tobytes()).hexdigest()


def _make(paths: Sequence[Path], shapes: Sequence[tuple], model: Dynamics, part: Part, device: str, report: Report):
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    make_room(paths[0].parent, 2 * sum(map(math.prod, shapes)))
    partial = [path.with_suffix(".partial") for path in paths]
    latents, pictures = (
        np.lib.format.open_memmap(path, "w+", np.float16, shape) for path, shape in zip(partial, shapes, strict=True)
    )
    count = len(latents)
    starts = [start for first in range(0, count, len(part)) for start in range(first, first + len(part), ENCODED)]

    def read(number: int) -> Batch:
        side, first = divmod(starts[number], len(part))
        batch = part.batch(np.arange(first, min(first + ENCODED, len(part))))
        return mirrored(batch, np.full(len(batch.picture), side == 1))

    for start, batch in zip(starts, ahead(read, range(len(starts))), strict=True):
        report(start / count, f"Encoding picture {start + 1} of {count}")
        with torch.no_grad(), precision.mixed(device):
            end = start + len(batch.picture)
            latents[start:end] = model.encoded(batch.slices.to(device)).float().cpu().numpy()
            pictures[start:end] = batch.picture.numpy()
    for array in (latents, pictures):
        array.flush()
    for path, whole in zip(partial, paths, strict=True):
        os.replace(path, whole)
