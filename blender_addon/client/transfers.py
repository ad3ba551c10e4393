"""Bytes on their way: a blob that goes up, a job's records that come down.

Neither knows a socket. An upload says which chunk is next; a download takes chunks and says what to grant.
"""

import mmap
import os
from collections import deque
from pathlib import Path
from typing import BinaryIO

import numpy as np
import xxhash

from ..seam import protocol

BLOCK_BYTES = 8 * 1024 * 1024


class Upload:
    """One blob. After a (re)connection the first chunk is a question: its answer says where to go on."""

    def __init__(self, data: bytes):
        self.data = memoryview(data)
        self.blob = xxhash.xxh3_128_hexdigest(data)
        self.complete = False
        self.stuck_at = -1  # how much the gateway held when it could not take more
        self.probe()

    def probe(self) -> None:
        self._sent = self._held = 0
        self._asked = False
        self._known = False  # whether the gateway has said how much it holds
        self.refused = False

    def refuse(self) -> None:
        """The gateway cannot take it now: nothing is sent until probe() asks again."""
        self.refused, self.stuck_at = True, max(self.stuck_at, self._held)

    @property
    def share(self) -> float:
        """How much of it the gateway has, in [0, 1]."""
        return self._held / len(self.data)

    def next(self) -> tuple[protocol.Put, memoryview] | None:
        """The next chunk to send, or None while the window is full or an answer is awaited."""
        if self.complete or self.refused or self._sent >= len(self.data):
            return None
        if self._asked and not self._known:
            return None
        if self._sent - self._held >= protocol.WINDOW_BYTES:
            return None
        chunk = self.data[self._sent : self._sent + protocol.CHUNK_BYTES]
        return protocol.Put(blob=self.blob, size=len(self.data), offset=self._sent), chunk

    def sent(self, size: int) -> None:
        self._sent += size
        self._asked = True

    def heard(self, answer: protocol.Have) -> None:
        if not self._known:
            self._known = True
            self._sent = answer.offset
        self._held = answer.offset
        self.complete = answer.complete


class LocalLog:
    """A job's log on this machine. What has been read stays valid as long as somebody holds it."""

    MAPPED = 16 * 1024 * 1024  # a map costs a file descriptor: below this many new bytes, a copy is made

    def __init__(self, path: Path):
        self._path = path
        self._file: BinaryIO | None = None  # opened when it is read: a waiting job has none
        self._map: mmap.mmap | None = None

    def read(self, position: int, size: int) -> np.ndarray:
        """Bytes as (size,) uint8. Raises OSError, and Broken where the file has fewer."""
        if self._file is None:
            self._file = self._path.open("rb", buffering=0)
        end, mapped = position + size, len(self._map) if self._map else 0
        there = os.fstat(self._file.fileno()).st_size
        if end > there:
            raise Broken(f"The log ends at byte {there}")
        if end > mapped and there - mapped >= self.MAPPED:
            self._map = mmap.mmap(self._file.fileno(), there, access=mmap.ACCESS_READ)
        if self._map is not None and end <= len(self._map):
            return np.frombuffer(self._map, np.uint8, size, position)
        self._file.seek(position)
        return np.fromfile(self._file, np.uint8, size)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Broken(Exception):
    """A record that arrived damaged or out of turn: it has to be asked for again."""


class Download:
    """The records of one job, in order, each once."""

    def __init__(self, next_seq: int):
        self.next_seq = next_seq  # the first record that has not arrived whole
        self.ended: protocol.End | None = None
        self._whole: deque[tuple[int, np.ndarray]] = deque()
        self._waiting = 0  # bytes in _whole
        self._left = np.empty(0, np.uint8)  # of the block that records are assembled in
        self.restart()

    def restart(self) -> None:
        """Before a new subscription: what is whole is kept, what was half there comes again."""
        self._buffer: np.ndarray | None = None
        self._filled = 0
        self._received = 0  # payload bytes of this subscription
        self.granted = protocol.WINDOW_BYTES
        self.ended = None

    def add(self, chunk: protocol.Chunk, payload: memoryview) -> None:
        """Raises Broken where a chunk is missing or the record's checksum is wrong."""
        self._received += len(payload)
        if chunk.seq < self.next_seq:
            return
        if chunk.seq != self.next_seq or chunk.offset != self._filled:
            raise Broken(f"Record {chunk.seq} at byte {chunk.offset} came out of turn")
        if self._buffer is None:
            self._buffer = self._room(chunk.total)
        if chunk.offset + len(payload) > len(self._buffer):
            raise Broken(f"Record {chunk.seq} is longer than announced")
        self._buffer[chunk.offset : chunk.offset + len(payload)] = payload
        self._filled += len(payload)
        if self._filled == len(self._buffer):
            record, self._buffer, self._filled = self._buffer, None, 0
            self._keep(chunk.seq, record, chunk.digest)

    def _room(self, size: int) -> np.ndarray:
        """Bytes to fill, (size,) uint8. Cut from large blocks: the system gives out those in large pages, and a page
        that is touched for the first time costs more than what is written to it."""
        if self._left.size < size:
            self._left = np.empty(max(size, BLOCK_BYTES), np.uint8)
        room, self._left = self._left[:size], self._left[-(-size // 16) * 16 :]
        return room

    def _keep(self, seq: int, record: np.ndarray, digest: int) -> None:
        if xxhash.xxh3_64_intdigest(record) & protocol.DIGEST_MASK != digest:
            raise Broken(f"Record {seq} is damaged")
        self._whole.append((seq, record))
        self._waiting += len(record)
        self.next_seq = seq + 1

    def place(self, located: protocol.Located, record: np.ndarray) -> None:
        """A whole record that was read from the log. Raises Broken."""
        self._received += located.total
        if located.seq < self.next_seq:
            return
        if located.seq != self.next_seq:
            raise Broken(f"Record {located.seq} came out of turn")
        self._keep(located.seq, record, located.digest)

    def skip(self, gap: protocol.Gap) -> None:
        if gap.first <= self.next_seq <= gap.last:
            self._buffer, self._filled = None, 0
            self.next_seq = gap.last + 1

    def take(self) -> tuple[int, np.ndarray] | None:
        if not self._whole:
            return None
        seq, record = self._whole.popleft()
        self._waiting -= len(record)
        return seq, record

    def grant(self) -> int | None:
        """The new absolute credit, once half of the window has been used; None before.

        A record in the making counts as used, for it may be larger than the window.
        """
        used = self._received - self._waiting
        if used + protocol.WINDOW_BYTES < self.granted + protocol.WINDOW_BYTES // 2:
            return None
        self.granted = used + protocol.WINDOW_BYTES
        return self.granted

    @property
    def waits(self) -> bool:
        """Records have arrived that were not taken yet."""
        return bool(self._whole)

    @property
    def taken(self) -> bool:
        """Every record of a finished job has arrived and been taken."""
        return self.ended is not None and not self._whole and self.next_seq >= self.ended.records
