"""The log of one job: its records, one after another, each on the device before anybody hears of it.

An entry is magic, length of the payload, sequence number and xxh3-64, then the payload. The gateway enters offsets
in its table, so it never searches a log; magic and number are there for who has to repair one by hand.
"""

import os
import struct
import time
from pathlib import Path

import xxhash

from backend import protocol
from backend.service import disk

MAGIC = b"ANL1"
HEAD = struct.Struct("<4sIQQ")
LOCK_SECONDS = 10.0  # a worker whose gateway died may need a moment to follow it


class RecordLog:
    """Open for appending, by one process at a time."""

    def __init__(self, path: Path, size: int):
        """Keep the first `size` bytes and cut the rest. Raises OSError."""
        self._size = size
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        try:
            self._lock(path)
            self._cut()
            if size == 0:  # its name may be new, or was never synced
                disk.sync_folder(path.parent)
                disk.sync_folder(path.parent.parent)
        except OSError:
            os.close(self._file)  # and with it the lock: whoever tries again would wait for it
            raise

    def append(self, seq: int, payload, digest: int) -> int:
        """The offset of the payload, which is on the device. Raises OSError, and then the log is as it was."""
        head = HEAD.pack(MAGIC, len(payload), seq, digest)
        try:
            for part in (head, payload):
                self._write(part)
            disk.sync(self._file)
        except OSError:
            self._cut()
            raise
        offset = self._size + HEAD.size
        self._size = offset + len(payload)
        return offset

    def close(self) -> None:
        os.close(self._file)

    def _lock(self, path: Path) -> None:
        ends = time.monotonic() + LOCK_SECONDS
        while not disk.lock(self._file):
            if time.monotonic() > ends:
                raise OSError(f"{path} is held by another process")
            time.sleep(0.05)

    def _write(self, data) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._file, rest) :]

    def _cut(self) -> None:
        os.ftruncate(self._file, self._size)
        os.lseek(self._file, self._size, os.SEEK_SET)


def digest_of(payload) -> int:
    return xxhash.xxh3_64_intdigest(payload) & protocol.DIGEST_MASK


def cut(path: Path, size: int) -> bool:
    """Cut a log that nobody writes to after `size` bytes. False where it does not have so many."""
    there = path.stat().st_size if path.exists() else 0
    if there > size:
        os.truncate(path, size)
    return there >= size
