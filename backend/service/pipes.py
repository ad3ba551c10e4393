"""What gateway and worker say to each other, through the worker's standard input and output.

Each message is its length in four bytes, then msgpack. The pipes are private to two processes of one version, so
unlike the protocol this has no version; it is typed because a worker may be a wreck.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import msgspec
from msgspec import Struct

from backend import protocol

DISK_FULL = "The disk is full: free some space and it goes on"
_LENGTH = struct.Struct("<I")
_MOST = 1024 * 1024


class Run(Struct, frozen=True, tag=True):
    """Carry out a job. The log's first `records` records, `size` bytes, are there already; `digest` is the last's."""

    job: str
    request: protocol.Request
    subject: str | None
    log: str
    records: int
    size: int
    digest: int


class Stop(Struct, frozen=True, tag=True):
    """Take no more steps for this job."""

    job: str


class Ready(Struct, frozen=True, tag=True):
    engines: protocol.Engines


class Progress(Struct, frozen=True, tag=True):
    """`step` is the median of the seconds between two reports, `made` counts the records of this attempt."""

    job: str
    done: float
    text: str
    step: float
    made: int


class Paused(Struct, frozen=True, tag=True):
    """The job waits for something that its user can change."""

    job: str
    text: str


class Stored(Struct, frozen=True, tag=True):
    """A record is on the device, at this place of the job's log."""

    job: str
    seq: int
    offset: int
    length: int
    digest: int
    preview: bool


class Finished(Struct, frozen=True, tag=True):
    job: str


class Stopped(Struct, frozen=True, tag=True):
    job: str


class Failed(Struct, frozen=True, tag=True):
    job: str
    failure: protocol.Failure


class Died(Struct, frozen=True, tag=True):
    """Made by the supervisor: the worker is gone. `reason` is words; `tail` the end of what it wrote."""

    reason: str
    tail: str


Commands = Run | Stop
Events = Ready | Progress | Paused | Stored | Finished | Stopped | Failed

commands = msgspec.msgpack.Decoder(Commands)
events = msgspec.msgpack.Decoder(Events)
_encoder = msgspec.msgpack.Encoder()


def framed(message: Struct) -> bytes:
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


def bodies(pipe: BinaryIO) -> Iterator[bytes]:
    """Each message's bytes, until the other end is closed or gone."""
    while len(head := pipe.read(_LENGTH.size)) == _LENGTH.size:
        (length,) = _LENGTH.unpack(head)
        if length > _MOST:
            return  # not one of ours
        body = pipe.read(length)
        if len(body) < length:
            return
        yield body
