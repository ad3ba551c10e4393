"""Results that are kept, one file each, so that a long measurement may be stopped and gone on with."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.training.disk import write_whole

ABOUT = "about.json"

Arrays = dict[str, NDArray]


class OtherRuns(ValueError):
    """A folder holds results of something else; the message names it."""


class Runs:
    """What was found in a folder, of one model and one way."""

    def __init__(self, folder: Path, about: dict) -> None:
        """Raises OtherRuns."""
        self.folder, file = folder, folder / ABOUT
        if file.exists() and (there := json.loads(file.read_text())) != about:
            other = sorted(name for name in there.keys() | about.keys() if there.get(name) != about.get(name))
            raise OtherRuns(f"{folder} holds results of other {', '.join(other)}: name another folder with --out")
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(about, indent=1).encode())

    def path(self, name: str, ending: str) -> Path:
        path = self.folder / f"{name}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def kept(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """What is there under a name, or what is made now."""
        path = self.path(name, ".npz")
        if not path.exists():
            file = io.BytesIO()
            np.savez_compressed(file, **make())
            write_whole(path, file.getvalue())
        with np.load(path) as found:
            return dict(found)


def digest(folder: Path) -> str:
    """Of all weights in a model's folder."""
    own = hashlib.blake2s()
    for path in sorted(folder.rglob("*.safetensors")):
        own.update(path.read_bytes())
    return own.hexdigest()[:16]
