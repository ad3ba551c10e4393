"""What clients bring along: runs of bytes, named by the xxh3-128 of all of them.

A blob arrives in chunks and grows in a file of its own; whole, it is verified, synced and renamed. So a name that
is there is there for good, and one that is half there can be gone on with, by any client, after any crash.
"""

import logging
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

import xxhash

from backend.service import disk

SYNC_BYTES = 8 * 1024 * 1024  # a sync at the end alone would hold the gateway up for the whole blob
OPEN_UPLOADS = 16
FORGET_SECONDS = 24 * 3600  # a blob that no job came to use
_PART = ".part"
_log = logging.getLogger(__name__)


class Mismatch(Exception):
    """The bytes do not have the name that they came under."""


class _Upload:
    def __init__(self, path: Path, size: int):
        self.path, self.size = path, size
        self.file = path.open("a+b", buffering=0)
        self.held = self.file.seek(0, os.SEEK_END)
        if self.held >= size:  # whole, but it was never verified
            self.held = 0
            self.file.truncate(0)
        self.digest = xxhash.xxh3_128()
        self.unsynced = 0
        self.file.seek(0)
        while data := self.file.read(1 << 20):
            self.digest.update(data)

    def add(self, payload) -> None:
        rest = memoryview(payload)
        try:
            while rest:
                rest = rest[self.file.write(rest) :]
        except OSError:
            self.file.truncate(self.held)
            raise
        self.digest.update(payload)
        self.held += len(payload)
        self.unsynced += len(payload)
        if self.unsynced >= SYNC_BYTES or self.held == self.size:
            disk.sync(self.file.fileno())
            self.unsynced = 0


class Blobs:
    def __init__(self, home: Path, used: Collection[str]):
        """The blobs in `home`; those that are old and not `used` by a job are swept."""
        self._folder = home / "blobs"
        self._folder.mkdir(exist_ok=True)
        self._uploads: dict[str, _Upload] = {}
        self._sizes: dict[str, int] = {}  # of whole ones
        for path in self._folder.iterdir():
            if path.name not in used and time.time() - path.stat().st_mtime > FORGET_SECONDS:
                path.unlink()
            elif path.suffix != _PART:
                self._sizes[path.name] = path.stat().st_size

    @property
    def size(self) -> int:
        return sum(self._sizes.values()) + sum(upload.held for upload in self._uploads.values())

    def path(self, blob: str) -> Path | None:
        return self._folder / blob if blob in self._sizes else None

    def size_of(self, blob: str) -> int:
        return self._sizes[blob]

    def put(self, blob: str, size: int, offset: int, payload) -> tuple[int, bool]:
        """Take a chunk if it is the next one; how many bytes are held, and whether the blob is whole.

        Raises Mismatch (what was held is gone, the next chunk is the first) and OSError (nothing was taken).
        """
        if blob in self._sizes:
            return self._sizes[blob], True
        upload = self._uploads.get(blob) or self._begin(blob, size)
        if size != upload.size:  # one of the two is wrong, and nobody knows which
            self._throw_away(blob)
        if offset != upload.held:
            return upload.held, False
        upload.add(payload)
        if upload.held < upload.size:
            return upload.held, False
        self._finish(blob)
        return size, True

    def remove(self, blob: str) -> None:
        if self._sizes.pop(blob, None) is None:
            return
        try:
            (self._folder / blob).unlink(missing_ok=True)
        except OSError as error:  # what stays is swept a day later, at a start
            _log.warning("The blob %s cannot be deleted: %s", blob, error)

    def close(self) -> None:
        for upload in self._uploads.values():
            upload.file.close()
        self._uploads.clear()

    def _begin(self, blob: str, size: int) -> _Upload:
        if len(self._uploads) >= OPEN_UPLOADS:  # the one that was begun first goes on from its file, should it go on
            self._uploads.pop(next(iter(self._uploads))).file.close()
        self._uploads[blob] = _Upload(self._folder / (blob + _PART), size)
        return self._uploads[blob]

    def _throw_away(self, blob: str) -> NoReturn:
        upload = self._uploads.pop(blob)
        upload.file.close()
        upload.path.unlink(missing_ok=True)
        raise Mismatch

    def _finish(self, blob: str) -> None:
        upload = self._uploads[blob]
        if upload.digest.hexdigest() != blob:
            self._throw_away(blob)
        self._uploads.pop(blob).file.close()
        os.replace(upload.path, self._folder / blob)
        disk.sync_folder(self._folder)
        self._sizes[blob] = upload.size
