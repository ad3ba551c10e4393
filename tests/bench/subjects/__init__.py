"""Subjects made by code: flowers, plants, food and things, each a few thousand vertices with colours of their own; the
meshes that others made, where they lie beside the repository; and nasty ones."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from backend.clip import Mesh
from tests.bench.subjects import food, plants, things
from tests.bench.subjects.nasty import nasty

__all__ = ["nasty", "subjects"]

FOUND = Path(__file__).resolve().parents[4] / "shared" / "meshes"
FLOWERS = (plants.tulip, plants.daisy, plants.lily, plants.poppy)
MADE = (
    *FLOWERS, plants.potted_plant, plants.fern, plants.flat_leaf,
    food.apple, food.mushroom, food.bread, food.cheese, food.banana, food.pepper,
    things.paper, things.candle, things.tin_can, things.bag,
)  # fmt: skip


def subjects() -> dict[str, Callable[..., Mesh]]:
    """By name. Those made here take a `resolution`: rows and columns of their grids, times this."""
    from backend.files.mesh import read

    found = {path.stem: partial(read, path) for path in sorted(FOUND.glob("*.obj"))}
    return {make.__name__: make for make in MADE} | found
