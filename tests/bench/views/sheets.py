"""Sheets to look at: a row for each way, from all sides, the truth above."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tests.bench.views.truth import SIDES

CELL, GAP, LINE = 128, 4, 16  # pixels


def save(path: Path, title: str, rows: dict[str, NDArray[np.uint8]]) -> None:
    """A PNG of rows of views (F, H, W, 3), each by its label; of fewer views, each stands below its own side."""
    sheet = Image.new("RGB", (SIDES * (CELL + GAP) + GAP, LINE + len(rows) * (CELL + LINE + GAP) + GAP), "white")
    draw, top = ImageDraw.Draw(sheet), LINE
    draw.text((GAP, 2), title, fill="black")
    for label, views in rows.items():
        draw.text((GAP, top + 2), label, fill="black")
        for number, view in enumerate(views):
            left = GAP + number * (SIDES // len(views)) * (CELL + GAP)
            tile = Image.fromarray(np.ascontiguousarray(view))
            sheet.paste(tile.resize((CELL, CELL), Image.Resampling.NEAREST), (left, top + LINE))
        top += CELL + LINE + GAP
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
