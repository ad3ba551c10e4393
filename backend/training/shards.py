"""Corpora that are made here, shard by shard: what is there is kept, and follows from a recipe."""

from collections.abc import Callable
from pathlib import Path

from backend.report import Report, silent


class OtherRecipe(ValueError):
    """A folder holds shards that were made otherwise."""


def make(
    counts: dict[str, int], size: int, one: Callable[[str, int], object], doing: str, report: Report = silent
) -> None:
    """So many of each split at least, by `one`(split, number) for each shard of `size` that this takes."""
    wanted = [(split, number) for split in counts for number in range(-(-counts[split] // size))]
    for done, (split, number) in enumerate(wanted):
        report(done / len(wanted), f"{doing}: shard {done + 1} of {len(wanted)}")
        one(split, number)


def require(found: dict, wanted: dict, path: Path) -> None:
    """Raises OtherRecipe where a shard was not made as it is wanted."""
    if found != wanted:
        raise OtherRecipe(f"{path} was made from another recipe: delete its folder, and it is made again.")
