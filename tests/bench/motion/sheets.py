"""Sheets to look at: a picture, its bins in truth and as predicted as colours, and X-t slices of films of it.

An X-t slice is one row of a film, at the height where most swings: across it x, downwards t, a period of 5 s. What
swings is a wave in it; what stands still is a line.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from backend.priors.dynamics import Dynamics, normal
from backend.training.dynamics import measures
from backend.training.dynamics.phases import COLOURED, coloured

FRAMES = 64  # of a film
LARGER, GAP, LINE = 4, 8, 14  # pixels


def sheet(model: Dynamics, picture: Tensor, slices: dict[str, Tensor]) -> Image.Image:
    """Of a picture (3, H, W) and slices (K, 4, H, W), the true ones first."""
    truth = next(iter(slices.values()))
    row = int(measures.swing(truth).sum(dim=-1).argmax())
    marked = picture.clone()
    marked[:, row] = torch.tensor([1.0, -1.0, -1.0])[:, None]
    stripes = [[("picture", picture), ("its row of the X-t slices", marked)]]
    for name, own in list(slices.items())[:2]:
        labels = [f"{name}, bin {k}" for k in COLOURED if k < len(own)]
        scales = torch.cat([model.scales, model.scales[-1:].expand(max(0, len(own) - len(model.scales)))])
        stripes.append(list(zip(labels, coloured(own, scales[: len(own)]), strict=True)))
    stripes.append([(f"X-t, {name}", x_t(model, picture, own, row)) for name, own in slices.items()])
    return _laid_out(stripes)


@torch.no_grad()
def x_t(model: Dynamics, picture: Tensor, slices: Tensor, row: int) -> Tensor:
    """(3, FRAMES, W): a row of the film of slices (K, 4, H, W), downwards in time."""
    turns = torch.arange(FRAMES, dtype=torch.float32) / FRAMES
    return model.renderer.video(picture, normal.displacements(slices, turns))[:, :, row].movedim(0, 1)


def save(path: Path, image: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def _laid_out(stripes: list[list[tuple[str, Tensor]]]) -> Image.Image:
    tiles = [[(label, _tile(one)) for label, one in stripe] for stripe in stripes]
    cell = max(tile.width for stripe in tiles for _, tile in stripe) + GAP
    heights = [max(tile.height for _, tile in stripe) + LINE + GAP for stripe in tiles]
    sheet = Image.new("RGB", (cell * max(map(len, tiles)) + GAP, sum(heights) + GAP), "white")
    draw, top = ImageDraw.Draw(sheet), GAP
    for stripe, height in zip(tiles, heights, strict=True):
        for number, (label, tile) in enumerate(stripe):
            draw.text((GAP + number * cell, top), label, fill="black")
            sheet.paste(tile, (GAP + number * cell, top + LINE))
        top += height
    return sheet


def _tile(picture: Tensor) -> Image.Image:
    pixels = ((picture.clamp(-1, 1) + 1) * 127.5).round().byte().movedim(0, 2).numpy()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return image.resize((image.width * LARGER, image.height * LARGER), Image.Resampling.NEAREST)
