"""Sets of views on disk: some pictures of one thing, their cameras, and what the thing is called.

A shard is one safetensors file, written whole or not at all.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from backend.training import shards
from backend.training.disk import write_whole

SUFFIX = ".safetensors"
OPEN = 64  # shards whose files are kept open


@dataclass(frozen=True, eq=False)
class ViewSet:
    """One thing from F sides."""

    pictures: NDArray[np.uint8]  # (F, 3, H, W) sRGB
    cameras: NDArray[np.float32]  # (F, 4, 4), camera -> world; what it shows is about the origin, of any size
    captions: tuple[str, ...]  # of which each is right
    origin: str  # which individual, or whose file
    flat: bool = False  # for single pictures alone


def write(path: Path, sets: Sequence[ViewSet], about: dict) -> None:
    """One shard, in one step; `about` (JSON) says how it was made."""
    arrays = {name: np.ascontiguousarray([getattr(one, name) for one in sets]) for name in ("pictures", "cameras")}
    rows = [{"captions": one.captions, "origin": one.origin, "flat": one.flat} for one in sets]
    # one key alone: several are written in any order, and a shard would not be the same when made again
    write_whole(path, save(arrays, {"shard": json.dumps({"about": about, "sets": rows}, sort_keys=True)}))


def count(path: Path) -> int:
    """Sets in a shard."""
    return len(_told(path)["sets"])


def about(path: Path) -> dict:
    """How a shard was made, as `write` was told."""
    return _told(path)["about"]


class Corpus(Sequence[ViewSet]):
    """All sets of the shards in a folder, in the order of their names; read when asked for.

    Raises:
        FileNotFoundError: there is no shard.
    """

    def __init__(self, folder: Path | str) -> None:
        self.paths = sorted(Path(folder).glob(f"*{SUFFIX}"))
        if not self.paths:
            raise FileNotFoundError(f"No sets of views (*{SUFFIX}) lie in {folder}")
        self._rows = [(number, row, told) for number, path in enumerate(self.paths) for row, told in _numbered(path)]
        self._opened = lru_cache(OPEN)(lambda number: safe_open(self.paths[number], "numpy"))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> ViewSet:
        number, row, told = self._rows[index]
        file = self._opened(number)
        pictures, cameras = (file.get_slice(name)[row : row + 1][0] for name in ("pictures", "cameras"))
        return ViewSet(pictures, cameras, tuple(told["captions"]), told["origin"], told["flat"])

    @property
    def flat(self) -> NDArray[np.bool_]:
        """(N,) which are for single pictures alone."""
        return np.array([told["flat"] for _, _, told in self._rows])

    @property
    def captions(self) -> set[str]:
        """All of them."""
        return {caption for _, _, told in self._rows for caption in told["captions"]}

    @property
    def digests(self) -> dict[str, str]:
        """What tells its shards from others, by split and name."""
        return shards.digests(self.paths, _told)

    @property
    def origins(self) -> list[str]:
        return [told["origin"] for _, _, told in self._rows]


def _numbered(path: Path) -> list[tuple[int, dict]]:
    return list(enumerate(_told(path)["sets"]))


def _told(path: Path) -> dict:
    with safe_open(path, "numpy") as shard:
        return json.loads(shard.metadata()["shard"])
