"""A training's log, a JSON object a line, and its sheets of pictures to look at."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from backend.training.disk import write_whole

FILE, SHEETS = "log.jsonl", "sheets"
LARGER = 2  # pixels of a sheet for one of a picture
GAP = 2


class Log:
    """Lines are on disk when `line` returns."""

    def __init__(self, folder: Path, bytes_: int | None = None) -> None:
        """Only the first `bytes_` of what is there are kept; all, if None."""
        self.path = folder / FILE
        if not self.path.exists():
            write_whole(self.path, b"")
        elif bytes_ is not None:
            os.truncate(self.path, min(bytes_, self.bytes))

    @property
    def bytes(self) -> int:
        return self.path.stat().st_size

    def line(self, **told: object) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")

    def __iter__(self) -> Iterator[dict]:
        with self.path.open(encoding="utf-8") as file:
            yield from map(json.loads, file)


def draw(path: Path, rows: list[list[Tensor]]) -> None:
    """A PNG of rows of pictures (3, H, W) in [-1, 1], which may be of different widths."""
    stripes = [torch.cat([_framed(one) for one in row], dim=2) for row in rows]
    widest = max(one.shape[2] for one in stripes)
    sheet = torch.cat([torch.nn.functional.pad(one, (0, widest - one.shape[2]), value=1.0) for one in stripes], dim=1)
    pixels = ((sheet.clamp(-1, 1) + 1) * 127.5).round().byte().movedim(0, 2).numpy()
    large = np.repeat(np.repeat(pixels, LARGER, axis=0), LARGER, axis=1)
    write_whole(path, cv2.imencode(".png", cv2.cvtColor(large, cv2.COLOR_RGB2BGR))[1].tobytes())


def _framed(picture: Tensor) -> Tensor:
    return torch.nn.functional.pad(picture.detach().float().cpu(), (0, GAP, 0, GAP), value=1.0)
