"""What long jobs have come to, in folders of their own, so that the same request goes on from there."""

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from backend import models, protocol, wire
from backend.pipelines import views_of

KEPT_DAYS = 14  # of what is kept of a request that nobody has asked for again

# What the optimisation of a field does not hang on.
_OF_THE_MESH = ("faces", "size", "as_it_is")
_OF_THE_LIFE = ("stages", "frames", "fps", "reverse", "first", "last", "timing", "preview")


@dataclass(frozen=True)
class Kept:
    """What an optimisation has come to: a folder of its own.

    It is there for jobs that are broken off. So a job whose state cannot be kept goes on, and says so; and where
    something else ends it, that is what is told.
    """

    folder: Path

    @classmethod
    def of(cls, request: protocol.TextToMesh, thing: str) -> "Kept":
        """In the backend's folder, by what the field hangs on: what is asked, and the files of the model."""
        asked = msgspec.structs.asdict(request) | {"prompt": thing}
        asked = {name: value for name, value in asked.items() if name not in (*_OF_THE_MESH, *_OF_THE_LIFE)}
        told = msgspec.json.encode([sorted(asked.items()), files_of(request.model)])
        folder = protocol.default_home() / "cache" / "text_to_mesh"
        return cls(folder / xxhash.xxh3_128_hexdigest(told))

    @property
    def field(self) -> Path:
        return self.folder / "field"

    def mesh(self, request: protocol.TextToMesh) -> Path:
        """The finished mesh, as a Subject record."""
        return self.folder / f"mesh-{request.faces}-{request.size:g}"

    @property
    def seen(self) -> Path:
        """How it was seen last, a ViewsRecord."""
        return self.folder / "seen"

    def finished(self, request: protocol.TextToMesh) -> tuple[bytes, bytes] | None:
        """The mesh that was asked for, and how it was seen, as records; None where they are not there, or not sound."""
        try:
            mesh, seen = self.mesh(request).read_bytes(), self.seen.read_bytes()
            wire.unpack_mesh(mesh), wire.unpack_views(seen)
        except (OSError, protocol.BadMessage):
            return None
        return mesh, seen

    def start(self) -> NDArray[np.uint8] | None:
        """The views (F, H, W, 3) that it began with; None where there are none, or they cannot be read."""
        try:
            return np.array(wire.unpack_views(self.views.read_bytes())[0])
        except (OSError, protocol.BadMessage):
            return None

    @property
    def views(self) -> Path:
        """Those that it began with, a ViewsRecord."""
        return self.folder / "views"

    def write(self, path: Path, data: bytes) -> OSError | None:
        """Whole or not at all, and then why."""
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        try:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                partial.write_bytes(data)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
        except OSError as error:
            return error
        return None

    def set_aside(self) -> None:
        """What is there stays to be looked at, under another name, as long as all that nobody asks for."""
        aside = self.folder.with_name(f"{self.folder.name}.aside")
        shutil.rmtree(aside, ignore_errors=True)
        self.folder.rename(aside)

    def remove(self) -> None:
        """And what has been lying beside it for long."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for other in self.folder.parent.glob("*"):
            with suppress(OSError):  # another job's end may have removed it
                if time.time() - other.stat().st_mtime > KEPT_DAYS * 86400:
                    shutil.rmtree(other)


def files_of(named: str) -> list[tuple[str, int, int]]:
    """What tells a model from one that was trained anew in its place: names, sizes and times of its files."""
    if any(model.name == named.strip() for model in models.MODELS):
        return []
    folder = views_of.folder_of(named)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
