"""Files that are there whole or not at all, and room for them."""

import os
import shutil
from pathlib import Path

ROOM = 200e6  # bytes that are left free


class DiskFull(OSError):
    """There is not enough room."""


def write_whole(path: Path, data: bytes) -> None:
    """A file that is there whole or not at all, whatever happens meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def make_room(folder: Path, needed: float) -> None:
    """Raises DiskFull where fewer bytes than `needed` are free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskFull(f"{needed / 1e9:.1f} GB are needed in {folder}, and {free / 1e9:.1f} GB are free")
