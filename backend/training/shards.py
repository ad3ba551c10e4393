"""Corpora, shard by shard. Of those that are made here what is there is kept, and follows from a recipe."""

import json
from collections.abc import Callable, Sequence
from hashlib import blake2s
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


def digests(paths: Sequence[Path], told: Callable[[Path], dict]) -> dict[str, str]:
    """What tells shards from others, by split and name: how large they are, and what they tell of themselves."""
    return {f"{path.parent.name}/{path.name}": _digest(path.stat().st_size, told(path)) for path in paths}


def _digest(size: int, told: dict) -> str:
    # what was read again from a copy of the same files is the same: when those were written does not count
    about = {name: value for name, value in told["about"].items() if name != "changed"}
    if "files" in about:
        about["files"] = [stamp[:2] for stamp in about["files"]]  # name and size
    lasting = json.dumps([size, told | {"about": about}], sort_keys=True)
    return blake2s(lasting.encode(), digest_size=8).hexdigest()
