"""Where files of models lie: in huggingface_hub's cache, laid out as that library does, or in a folder of the user's.

The cache:   models--OWNER--NAME/ refs/main: a commit;  snapshots/COMMIT/PATH -> ../../blobs/ETAG
A folder:    PATH;  .cache/huggingface/download/PATH.metadata: the commit, the etag, when
The etag is the file's checksum: SHA-256 of what is in LFS, else Git's SHA-1. Both layouts are documented by that
library, and read here without it. What has arrived of a file lies in ETAG.incomplete, beside where all of it will.
"""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .catalogue import Model, Part
from .settings import Settings

PARTIAL = ".incomplete"


def hub_cache() -> Path:
    """As huggingface_hub finds it."""
    environment = os.environ
    cache = environment.get("XDG_CACHE_HOME") or "~/.cache"
    home = environment.get("HF_HOME") or f"{cache}/huggingface"
    path = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    return Path(os.path.expandvars(path)).expanduser()


@dataclass(frozen=True)
class Cache:
    """The hub's cache."""

    root: Path

    def repository(self, part: Part) -> Path:
        return self.root / f"models--{part.repository.replace('/', '--')}"

    def folders(self, part: Part) -> list[Path]:
        """Where its files may lie: a folder for each commit, the newest known first."""
        repository = self.repository(part)
        try:
            snapshots = sorted(
                (repository / "snapshots").iterdir(), key=lambda path: path.stat().st_mtime, reverse=True
            )
            newest = (repository / "refs" / part.revision).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            newest = ""
            snapshots = list((repository / "snapshots").glob("*"))
        return sorted(snapshots, key=lambda path: path.name != newest)

    def etag(self, folder: Path, name: str) -> str | None:
        """The checksum that a file should have; None where that is not known."""
        blob = (folder / name).resolve()
        return blob.name if blob.parent.name == "blobs" and len(blob.name) in (40, 64) else None

    def partial(self, part: Part, etag: str) -> Path:
        return self.repository(part) / "blobs" / f"{etag}{PARTIAL}"

    def partials(self, part: Part) -> Iterator[Path]:
        for path in (self.repository(part) / "blobs").glob(f"*{PARTIAL}"):
            if len(path.name) in (40 + len(PARTIAL), 64 + len(PARTIAL)):  # that library's have more in their names
                yield path

    def lock(self, part: Part, name: str, etag: str) -> Path:
        """That library's own, so that neither gets what the other is getting."""
        return self.root / ".locks" / self.repository(part).name / f"{etag}.lock"

    def holds(self, part: Part, etag: str) -> Path | None:
        """The file of that checksum, under whatever name or commit it came."""
        blob = self.repository(part) / "blobs" / etag
        return blob if blob.is_file() else None

    def keep(self, part: Part, commit: str, name: str, etag: str) -> None:
        """The partial file is whole: from now on it is this one."""
        repository = self.repository(part)
        pointer, blob = repository / "snapshots" / commit / name, repository / "blobs" / etag
        pointer.parent.mkdir(parents=True, exist_ok=True)
        if (partial := self.partial(part, etag)).is_file():
            partial.replace(blob)
        pointer.unlink(missing_ok=True)
        try:
            pointer.symlink_to(os.path.relpath(blob, pointer.parent))
        except OSError:  # Windows asks for a right that few have: the file itself lies there, as with that library
            shutil.move(blob, pointer)

    def finish(self, part: Part, commit: str) -> None:
        ref = self.repository(part) / "refs" / part.revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(commit, encoding="ascii")


@dataclass(frozen=True)
class Folder:
    """One model's own folder."""

    root: Path

    def folders(self, part: Part) -> list[Path]:
        return [self.root] if self.root.is_dir() else []

    def _aside(self) -> Path:
        return self.root / ".cache" / "huggingface" / "download"

    def etag(self, folder: Path, name: str) -> str | None:
        try:
            lines = (self._aside() / f"{name}.metadata").read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return None
        return lines[1].strip() if len(lines) > 1 and len(lines[1].strip()) in (40, 64) else None

    def partial(self, part: Part, etag: str) -> Path:
        return self._aside() / f"{etag}{PARTIAL}"

    def partials(self, part: Part) -> Iterator[Path]:
        yield from self._aside().glob(f"*{PARTIAL}")

    def lock(self, part: Part, name: str, etag: str) -> Path:
        return self._aside() / f"{name}.lock"

    def holds(self, part: Part, etag: str) -> Path | None:
        return None

    def keep(self, part: Part, commit: str, name: str, etag: str) -> None:
        metadata = self._aside() / f"{name}.metadata"
        for path in (self.root / name, metadata):
            path.parent.mkdir(parents=True, exist_ok=True)
        self.partial(part, etag).replace(self.root / name)
        metadata.write_text(f"{commit}\n{etag}\n{time.time()}\n", encoding="utf-8")

    def finish(self, part: Part, commit: str) -> None:
        """Each file says for itself of which commit it is."""


def place_of(model: Model, settings: Settings) -> Cache | Folder:
    """The one place where this model is looked for, and put."""
    folder = settings.folders.get(model.name)
    return Folder(Path(folder)) if folder else Cache(hub_cache())
