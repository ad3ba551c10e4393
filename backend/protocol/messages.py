"""Messages: calls go from client to gateway, answers come back.

A message is a list of ZeroMQ frames: MAGIC, a msgpack header, and for Put and Chunk one payload.
"""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta, Struct

from ..requests import INDIVIDUALS, Request
from ..species import Species
from .words import (
    CHUNK_BYTES,
    DIGEST_MASK,
    HEADER_BYTES,
    PROTOCOL,
    RECORD_BYTES,
    WINDOW_BYTES,
    BadMessage,
    Count,
    Failure,
    Id,
    Line,
    State,
    Stream,
    Text,
)

MAGIC = b"ANT1"

# --- Calls: client to gateway. `id` is the client's own count; an answer names it in `re`.


class Call(Struct, kw_only=True, frozen=True, tag_field="t", forbid_unknown_fields=True):
    id: Count = 0
    payload_limit: ClassVar[int] = 0


class Hello(Call, tag="hello", forbid_unknown_fields=False):
    """First on every connection. Later versions may add fields, which are passed over."""

    client: Id
    protocol_min: int = PROTOCOL
    protocol_max: int = PROTOCOL
    software: Line = ""


class Ping(Call, tag="ping"):
    """Renews the client's lease."""


class Bye(Call, tag="bye"):
    """Gives the lease back: this client is going for good."""


class Put(Call, tag="put"):
    """One chunk of a blob, named by the xxh3-128 of all its bytes. Answered by Have."""

    blob: Id
    size: Annotated[int, Meta(ge=1, le=RECORD_BYTES)]
    offset: Count = 0
    payload_limit: ClassVar[int] = CHUNK_BYTES


class Submit(Call, tag="submit"):
    """Queue a job. Safe to repeat: the same job id with the same request is one job."""

    job: Id
    request: Request
    title: Line = ""
    blob: Id | None = None


class Read(Call, tag="read"):
    """What would be understood of a prompt, asked while it is typed. Answered by Reading, which refuses in words a
    prompt of more than PROMPT_BYTES."""

    prompt: str


class Cancel(Call, tag="cancel"):
    job: Id
    force: bool = False


class List(Call, tag="list"):
    """Ask for the JobState of every job in the store, oldest first, then Listed."""


class Subscribe(Call, tag="subscribe"):
    """Read a job's records from `from_seq` on, and the ones still to come, under `credit` bytes.

    `local`: only tell where they lie (Located); the client, on the same machine and of the same user, reads the log.
    """

    stream: Stream
    job: Id
    from_seq: Count = 0
    credit: Count = WINDOW_BYTES
    local: bool = False


class Credit(Call, tag="credit"):
    """Absolute: the stream may have sent `total` payload bytes since its Subscribe. Never goes back."""

    stream: Stream
    total: Count


class Unsubscribe(Call, tag="unsubscribe"):
    stream: Stream


class Remove(Call, tag="remove"):
    """Forget a job and delete its records; a running one is cancelled first."""

    job: Id


class Clear(Call, tag="clear"):
    """Remove every finished job."""


class Shutdown(Call, tag="shutdown"):
    """End the backend: refused while jobs run, unless `force`."""

    force: bool = False


# --- Answers: gateway to client


class Answer(Struct, kw_only=True, frozen=True, tag_field="t", forbid_unknown_fields=True):
    re: Count = 0
    payload_limit: ClassVar[int] = 0


class Engines(Struct, frozen=True):
    """What the worker of this backend can do, for the panel."""

    makes: tuple[str, ...] = ()  # objects that the built-in engine knows from words
    processes: tuple[str, ...] = ()
    device: Line = ""
    # Why learned engines cannot work here, each a sentence that says what to do; empty where nothing is missing.
    lacking: Text = ""  # of libraries
    no_model: Line = ""  # of a trained model of motion: a request that names its own needs none
    no_views: Line = ""  # of a trained model of views, likewise
    subjects: tuple[Line, ...] = ()  # learnt here, the newest first: what they are called, each the name of its model


class Welcome(Answer, tag="welcome", forbid_unknown_fields=False):
    protocol: int
    boot: Id  # a new one each time the gateway starts
    software: Line = ""
    engines: Engines | None = None  # None: the worker is still starting


class Pong(Answer, tag="pong"):
    boot: Id
    worker: Line = ""  # what the worker is doing, for the panel
    running: Count = 0
    queued: Count = 0
    store_bytes: Count = 0
    engines: Engines | None = None


class Have(Answer, tag="have"):
    """The gateway holds the first `offset` bytes of a blob; all of it when `complete`, verified and on disk."""

    blob: Id
    offset: Count
    complete: bool = False


class Accepted(Answer, tag="accepted"):
    """The job is on disk. `duplicate`: it was already there."""

    job: Id
    duplicate: bool = False


class Reading(Answer, tag="reading"):
    """What the built-in engine understands of a prompt, or why it refuses it; nothing has been made."""

    understood: Text = ""  # that alone, in words, and typing errors read as others; empty where it is refused
    passed_over: tuple[Line, ...] = ()  # words that were not
    refusal: Text = ""  # a sentence that says what to do
    specimen: Species | None = None  # as the words say that it is
    count: Annotated[int, Meta(ge=1, le=INDIVIDUALS)] = 1


class JobState(Answer, tag="job"):
    """A job as it is now. Sent on every change to the clients that know the job; the newest wins."""

    job: Id
    state: State
    title: Line
    request: Request
    done: Annotated[float, Meta(ge=0, le=1)] = 0.0
    text: Line = ""  # what is being done, for the panel
    records: Count = 0  # how many can be read
    attempt: Count = 0
    created: float = 0.0  # seconds since the epoch, for display
    failure: Failure | None = None


class Listed(Answer, tag="listed"):
    jobs: Count


class Removed(Answer, tag="removed"):
    job: Id


class Delivery(Answer):
    """Record `seq` of a job, or a part of it: `total` bytes in all, and `digest` is the xxh3-64 of all of them."""

    stream: Stream
    job: Id
    seq: Count
    total: Annotated[int, Meta(ge=1, le=RECORD_BYTES)]
    digest: Annotated[int, Meta(ge=0, le=DIGEST_MASK)]


class Chunk(Delivery, tag="chunk"):
    """The bytes from `offset` on come with it, in order."""

    offset: Count
    payload_limit: ClassVar[int] = CHUNK_BYTES


class Located(Delivery, tag="located"):
    """All of it is at `position` of the job's log, records_path()."""

    position: Count


class Gap(Answer, tag="gap"):
    """Records first..last of the stream were previews that a newer one replaced; they will not come."""

    stream: Stream
    first: Count
    last: Count


class End(Answer, tag="end"):
    """The job is over and all its records have been sent."""

    stream: Stream
    job: Id
    records: Count
    state: State


class Refused(Answer, tag="refused", forbid_unknown_fields=False):
    """A call that was not carried out, and why."""

    failure: Failure
    job: Id | None = None
    blob: Id | None = None  # of a Put


Calls = (
    Hello | Ping | Bye | Put | Submit | Read | Cancel | List | Subscribe | Credit | Unsubscribe | Remove | Clear
    | Shutdown
)  # fmt: skip
Answers = (
    Welcome | Pong | Have | Accepted | Reading | JobState | Listed | Removed | Chunk | Located | Gap | End | Refused
)

_encoder = msgspec.msgpack.Encoder()
_calls = msgspec.msgpack.Decoder(Calls)
_answers = msgspec.msgpack.Decoder(Answers)


def encode(message: Call | Answer, payload=None) -> list:
    """ZeroMQ frames of one message; `payload` is any bytes-like object and is not copied."""
    frames = [MAGIC, _encoder.encode(message)]
    return frames if payload is None else [*frames, payload]


def decode_call(frames: list) -> tuple[Calls, memoryview | None]:
    """What a client sent: the message, and for Put its payload. Raises BadMessage."""
    return _decode(frames, _calls)


def decode_answer(frames: list) -> tuple[Answers, memoryview | None]:
    """What the gateway sent: the message, and for Chunk its payload. Raises BadMessage."""
    return _decode(frames, _answers)


def _decode(frames: list, decoder: msgspec.msgpack.Decoder):
    if not 2 <= len(frames) <= 3 or bytes(frames[0][:8]) != MAGIC:
        raise BadMessage("bad_frame", f"Not a message of protocol {PROTOCOL}: {len(frames)} frames")
    if len(frames[1]) > HEADER_BYTES:
        raise BadMessage("too_large", f"A header of {len(frames[1]):,} bytes; {HEADER_BYTES:,} are allowed")
    try:
        message = decoder.decode(frames[1])
    except (ValueError, RecursionError) as error:  # msgspec's errors, and UnicodeDecodeError, are ValueErrors
        raise BadMessage("bad_header", str(error)[:300]) from None
    payload = memoryview(frames[2]) if len(frames) == 3 else None
    size = len(payload) if payload is not None else 0
    if size > message.payload_limit:
        raise BadMessage("too_large", f"A payload of {size:,} bytes; {message.payload_limit:,} are allowed here")
    if message.payload_limit and not size:
        raise BadMessage("bad_frame", "A chunk without bytes")
    total = {Put: "size", Chunk: "total"}.get(type(message))
    if total and message.offset + size > getattr(message, total):
        raise BadMessage("bad_frame", "A chunk that reaches past the end of what it belongs to")
    return message, payload
