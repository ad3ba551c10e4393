"""Samples of image dynamics on disk: a picture, the spectral volume of what is seen in it, and a few frames after it.

A shard is one safetensors file, written whole or not at all. Of the spectral volume it holds the pixels alone that may
move, so that a corpus of objects before a background takes a third of its room; the others are 0.

What is measured. Frame 0 is the picture. d(p, t) is how far the surface point seen in pixel p of frame 0 has gone by
frame t, in pixels, x to the right and y down: so d(p, 0) = 0, however far the object is from rest. Its coefficients are
those of backend/spectral.py over the clip's T frames,

    S_0 = mean_t d(p, t),   S_k = 2/T sum_t d(p, t) exp(-2 pi i k t / T).

Of a motion about a rest, x(t) = x_0 + Re sum_j A_j exp(2 pi i j t / T), seen from its first frame, S_k = A_k for k > 0,
and S_0 = -Re sum_{j > 0} A_j over all j: the way from where the picture shows it to the middle of its swings. The true
lean A_0 is in the picture and not in the motion. After truncation to K bins

    S_0 + Re sum_{0 < k < K} S_k = -Re sum_{j >= K} A_j

is left at t = 0, what the bins that were cut off would take away. S_0 is stored as it is, the mean of the motion.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save
from torch import Tensor

from backend.spectral import Scales, SpectralVolume
from backend.training import shards
from backend.training.disk import write_whole

SUFFIX = ".safetensors"
OPEN = 256  # shards whose files are kept open


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture and its motion; L of the clip's other frames."""

    picture: NDArray[np.uint8]  # (3, H, W) sRGB
    slices: NDArray[np.float16]  # (K, 4, H, W) pixels: Re x, Re y, Im x, Im y of each bin, not normalised
    mask: NDArray[np.bool_]  # (H, W) what the slices were measured for; elsewhere they are 0
    turns: NDArray[np.float32]  # (L,) when the later ones are, in (0, 1) of the clip
    later: NDArray[np.uint8]  # (L, 3, H, W)
    flows: NDArray[np.float16]  # (L, 2, H, W) pixels: d(p, t) itself, of no bins
    origin: str  # what it was made from: "rose", or the name of a video

    @property
    def volume(self) -> SpectralVolume:
        """(K, H, W, 2)."""
        real, imaginary = np.split(np.moveaxis(self.slices.astype(np.float32), 1, -1), 2, axis=-1)
        return SpectralVolume(real + 1j * imaginary)


class Batch(NamedTuple):
    """B samples as networks take them."""

    picture: Tensor  # (B, 3, H, W) in [-1, 1]
    slices: Tensor  # (B, K, 4, H, W) float32, pixels
    mask: Tensor  # (B, 1, H, W) 1 where measured
    turns: Tensor  # (B, L) of the clip
    later: Tensor  # (B, L, 3, H, W) in [-1, 1]
    flows: Tensor  # (B, L, 2, H, W) float32, pixels

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Batch":
        def stacked(name: str) -> Tensor:
            return torch.from_numpy(np.stack([getattr(sample, name) for sample in samples]))

        return cls(
            stacked("picture") / 127.5 - 1.0,
            stacked("slices").float(),
            stacked("mask")[:, None].float(),
            stacked("turns"),
            stacked("later") / 127.5 - 1.0,
            stacked("flows").float(),
        )


def write(path: Path, samples: Sequence[Sample], about: dict) -> None:
    """One shard, in one step: a file of that name is whole. `about` (JSON) says how it was made."""
    arrays = {name: np.stack([getattr(s, name) for s in samples]) for name in ("picture", "mask", "turns", "later")}
    arrays["slices"] = np.concatenate([np.moveaxis(s.slices, (2, 3), (0, 1))[s.mask] for s in samples])  # (P, K, 4)
    arrays["flows"] = np.concatenate([np.moveaxis(s.flows, (2, 3), (0, 1))[s.mask] for s in samples])  # (P, L, 2)
    arrays["ends"] = np.cumsum([s.mask.sum() for s in samples])
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    told = {"about": about, "origins": [s.origin for s in samples]}
    # one key alone: several are written in any order, and a shard would not be the same when made again
    write_whole(path, save(arrays, {"shard": json.dumps(told, sort_keys=True)}))


def about(path: Path) -> dict:
    """How a shard was made, as `write` was told."""
    return _told(path)["about"]


def _told(path: Path) -> dict:
    with safe_open(path, "numpy") as shard:
        return json.loads(shard.metadata()["shard"])


class Corpus(Sequence[Sample]):
    """All samples of the shards in a folder, in the order of their names; read when asked for.

    Raises:
        FileNotFoundError: there is no shard.
    """

    def __init__(self, folder: Path | str):
        self.paths = sorted(Path(folder).glob(f"*{SUFFIX}"))
        if not self.paths:
            raise FileNotFoundError(f"No samples lie in {folder}")
        self.origins: list[str] = []
        counts = []
        for path in self.paths:
            own = _told(path)["origins"]
            counts.append(len(own))
            self.origins += own
        self._ends = np.cumsum(counts)
        self._opened = lru_cache(OPEN)(_Shard)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"There are {len(self)} samples, no number {index}")
        number = int(np.searchsorted(self._ends, index, side="right"))
        first = int(self._ends[number - 1]) if number else 0
        return self._opened(self.paths[number]).sample(index - first, self.origins[index])

    @property
    def digests(self) -> dict[str, str]:
        """What tells its shards from others, by split and name."""
        return shards.digests(self.paths, _told)

    def batch(self, indices: Sequence[int]) -> Batch:
        return Batch.of([self[int(index)] for index in indices])

    def scales(self, most: int = 1000, seed: int = 0) -> Scales:
        """Of the pixels that move, in `most` samples drawn from all: what stands still would make every scale 0."""
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.permutation(len(self))[:most])
        parts = []
        for index in chosen:
            sample = self[int(index)]
            values = np.moveaxis(sample.slices, (2, 3), (0, 1))[sample.mask]  # (P, K, 4)
            if values.any():
                parts.append(values[rng.permutation(len(values))[:500]].astype(np.float32))
        if not parts:
            raise ValueError("Nothing moves in any sample, so its bins have no scale")
        values = np.concatenate(parts)
        return Scales.of([SpectralVolume(np.moveaxis(values[..., :2] + 1j * values[..., 2:], 1, 0))])


class _Shard:
    """One open file."""

    def __init__(self, path: Path):
        self.file = safe_open(path, "numpy")
        self.ends = self.file.get_tensor("ends")

    def sample(self, index: int, origin: str) -> Sample:
        def row(name: str) -> NDArray:
            return self.file.get_slice(name)[index : index + 1][0]

        mask = row("mask")
        first, end = (int(self.ends[index - 1]) if index else 0), int(self.ends[index])

        def spread(name: str) -> NDArray:
            values = self.file.get_slice(name)[first:end]
            full = np.zeros((*mask.shape, *values.shape[1:]), values.dtype)
            full[mask] = values
            return np.ascontiguousarray(np.moveaxis(full, (0, 1), (-2, -1)))

        return Sample(row("picture"), spread("slices"), mask, row("turns"), row("later"), spread("flows"), origin)
