"""The words that the add-on and the backend speak: messages, records, limits, version.

docs/protocol.md states the conversation; this file is its grammar, and the only module of the backend that the
add-on imports. It needs numpy, msgspec and platformdirs; what can be asked for stands in requests.py, its only import.

A message is a list of ZeroMQ frames: MAGIC, a msgpack header, and for Put and Chunk one payload. Calls go from
client to gateway, answers come back. A record is what a payload's bytes add up to: a header and named arrays.
Nothing here trusts its input: sizes are checked against limits before anything is allocated.
"""

import math
import os
import struct
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec
import numpy as np
import platformdirs
from msgspec import Meta, Struct

from .requests import (  # relative: in the shipped extension this package lies inside the add-on's
    MAX_FRAMES,
    PROCESSES,
    PROMPT_BYTES,
    STAGES,
    VERSION,
    Animate,
    Bloom,
    Burn,
    Close,
    Crumple,
    Fps,
    Freeze,
    Generate,
    Grow,
    Melt,
    Process,
    Request,
    Rot,
    Rust,
    Shrivel,
    Stage,
    Swell,
    Wilt,
    from_words,
    in_words,
    name_of,
    provenance,
)

PROTOCOL = 2
MAGIC = b"ANT1"

HEADER_BYTES = 64 * 1024
CHUNK_BYTES = 256 * 1024  # within 10 % of the best size on ipc and TCP; whole frames are 3.7 times slower under CURVE
WINDOW_BYTES = 8 * 1024 * 1024  # what a client lets the gateway send ahead of it
FRAME_BYTES = 1024 * 1024  # no ZeroMQ frame may be larger: the socket drops the peer that declares one
TEXT_BYTES = 4 * 1024  # a failure's text or detail
ARRAY_BYTES = 64 * 1024 * 1024
RECORD_BYTES = 256 * 1024 * 1024
MAX_VERTICES = 1_000_000
MAX_CREDIT = 1 << 40
DIGEST_MASK = (1 << 63) - 1  # of a record's xxh3-64: msgpack integers stay signed everywhere
QUEUED_JOBS = 256  # waiting at once, of one client
STREAMS = 8  # open at once, of one client
LEASE_SECONDS = 15.0  # a client that has not been heard for this long is gone
PING_SECONDS = 1.0
REQUEST_SECONDS = 2.0  # an unanswered call is repeated after this
CACHE_GB = 20.0  # of results that the backend keeps, unless told otherwise

CONNECTION_FILE = "connection.json"


def default_home() -> Path:
    """Where one user's backend keeps its jobs, logs and connection file, unless told otherwise."""
    return Path(os.environ.get("ANTHESIS_HOME") or platformdirs.user_data_path("anthesis", appauthor=False))


def records_path(home: Path, job: str) -> Path:
    """The log of a job's records: written by the worker, read by the gateway and by a client of the same user."""
    return home / "jobs" / job / "records.log"


# --- Names

Id = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]  # a UUID, or an xxh3-128 digest, in hex
Count = Annotated[int, Meta(ge=0, le=MAX_CREDIT)]
Stream = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Line = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=TEXT_BYTES)]

State = Literal["queued", "running", "cancelling", "done", "cancelled", "failed", "quarantined"]
FINAL = frozenset({"done", "cancelled", "failed", "quarantined"})
Code = Literal[
    "bad_frame", "bad_header", "bad_version", "too_large", "quota", "unknown_job", "unknown_blob", "conflict",
    "hash_mismatch", "unsupported", "bad_subject", "nan_result", "worker_crashed", "worker_hung", "disk_full",
    "store_corrupt", "not_greeted", "degraded", "internal",
]  # fmt: skip


class Failure(Struct, frozen=True):
    """What went wrong: a sentence that says what to do, and for the log what a developer needs."""

    code: Code
    text: Text
    detail: Text = ""


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


class Chunk(Answer, tag="chunk"):
    """`total` bytes of record `seq` come in order; `digest` is the xxh3-64 of all of them."""

    stream: Stream
    job: Id
    seq: Count
    offset: Count
    total: Annotated[int, Meta(ge=1, le=RECORD_BYTES)]
    digest: Annotated[int, Meta(ge=0, le=DIGEST_MASK)]
    payload_limit: ClassVar[int] = CHUNK_BYTES


class Located(Answer, tag="located"):
    """Record `seq` is `total` bytes at `position` of the job's log, records_path(); digest as in Chunk."""

    stream: Stream
    job: Id
    seq: Count
    position: Count
    total: Annotated[int, Meta(ge=1, le=RECORD_BYTES)]
    digest: Annotated[int, Meta(ge=0, le=DIGEST_MASK)]


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
    Hello | Ping | Bye | Put | Submit | Cancel | List | Subscribe | Credit | Unsubscribe | Remove | Clear | Shutdown
)  # fmt: skip
Answers = Welcome | Pong | Have | Accepted | JobState | Listed | Removed | Chunk | Located | Gap | End | Refused

_encoder = msgspec.msgpack.Encoder()
_calls = msgspec.msgpack.Decoder(Calls)
_answers = msgspec.msgpack.Decoder(Answers)


class BadMessage(ValueError):
    """Bytes that are not a message of this protocol. `code` is a Failure code."""

    def __init__(self, code: Code, text: str):
        super().__init__(text)
        self.code, self.text = code, text


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


# --- Colours: linear in the backend and in Blender, sRGB-encoded bytes in a record, and here the way between the two

GREY = 0.8  # linear albedo of a surface that brings none: what a new material of Blender's has
MATT = 0.5  # its roughness


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light to sRGB-encoded (IEC 61966-2-1), both in [0, 1]; what lies outside is clipped."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def srgb_to_linear(encoded: np.ndarray) -> np.ndarray:
    """sRGB-encoded to linear light (IEC 61966-2-1) as float32, both in [0, 1]; what lies outside is clipped."""
    encoded = np.clip(encoded, 0, 1)
    low = encoded <= 0.04045
    return np.where(low, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_bytes(values: np.ndarray) -> np.ndarray:
    """[0, 1] to 0..255 as uint8, to the nearest."""
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


# --- Records: a header and named arrays in one run of bytes, so that whoever carries one need not understand it


class Array(Struct, frozen=True, forbid_unknown_fields=True):
    name: Line
    dtype: Literal["<f4", "<i4", "|u1"]
    shape: Annotated[tuple[Annotated[int, Meta(ge=0, le=ARRAY_BYTES)], ...], Meta(max_length=3)]

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


class Record(Struct, kw_only=True, frozen=True, tag_field="t", forbid_unknown_fields=True):
    """`layout` is the arrays that a record may hold: dtype and shape, a letter being one number throughout."""

    arrays: tuple[Array, ...] = ()
    layout: ClassVar[dict[str, tuple[str, tuple]]] = {}
    required: ClassVar[frozenset[str]] = frozenset()


class Subject(Record, tag="subject"):
    """A mesh and its material: what a client brings to Animate, and the first record of every result.

    vertices (V, 3) metres; corners (C,) vertex at each polygon corner; sizes (P,) corners of each polygon;
    triangles (F, 3) corner indices; uv (C, 2); albedo (V, 3) sRGB-encoded, 255 = 1; roughness, metallic (V,)
    255 = 1; pin, weight (V,) in [0, 1]; parts (V,) index into part_names.
    """

    name: Line = ""
    part_names: tuple[Line, ...] = ()
    frames: Annotated[int, Meta(ge=0, le=MAX_FRAMES)] = 0  # how many will follow
    fps: Fps = 24.0
    loop: bool = False
    understood: tuple[Line, ...] = ()  # of the prompt
    passed_over: tuple[Line, ...] = ()  # words of the prompt that were not understood
    version: Line = ""  # of the backend that made the result; empty in what a client brings
    layout = {
        "vertices": ("<f4", ("V", 3)),
        "corners": ("<i4", ("C",)),
        "sizes": ("<i4", ("P",)),
        "triangles": ("<i4", ("F", 3)),
        "uv": ("<f4", ("C", 2)),
        "albedo": ("|u1", ("V", 3)),
        "roughness": ("|u1", ("V",)),
        "metallic": ("|u1", ("V",)),
        "pin": ("<f4", ("V",)),
        "weight": ("<f4", ("V",)),
        "parts": ("<i4", ("V",)),
    }
    required = frozenset({"vertices", "corners", "sizes", "triangles"})


class FrameRecord(Record, tag="frame"):
    """One time sample. positions (V, 3) metres; materials as in Subject, absent where unchanged; opacity (V,)
    255 = 1, absent where all is there. Where K > 1 processes meet, poses (K - 1, V, 3) is the subject under the
    first of them, under the first two, and so on; positions is the subject under all."""

    index: Annotated[int, Meta(ge=0, lt=MAX_FRAMES)]
    tau: Annotated[float, Meta(ge=0, le=1)]
    preview: bool = False  # coarse; a later record with the same index replaces it
    layout = {
        "positions": ("<f4", ("V", 3)),
        "poses": ("<f4", ("K", "V", 3)),
        "opacity": ("|u1", ("V",)),
        "albedo": ("|u1", ("V", 3)),
        "roughness": ("|u1", ("V",)),
        "metallic": ("|u1", ("V",)),
    }
    required = frozenset({"positions"})


class Certificate(Record, tag="certificate"):
    """The last record: what was measured about the finished clip, as (name, value, unit), and that in one line."""

    DISPLACEMENT: ClassVar[str] = "largest displacement"  # of a vertex from the subject; in units of its size
    summary: Line = ""
    measured: tuple[tuple[Line, float, Line], ...] = ()


Records = Subject | FrameRecord | Certificate
_records = msgspec.msgpack.Decoder(Records)
_PREFIX = struct.Struct("<4sI")  # magic, header bytes
_RECORD_MAGIC = b"ANR1"
_ALIGN = 16


def pack(record: Record, arrays: dict[str, np.ndarray]) -> bytearray:
    """One record as bytes. `arrays` must fit the record's layout; raises BadMessage where they do not."""
    specs = []
    for name, array in arrays.items():
        if name not in record.layout:
            raise BadMessage("bad_frame", f"{type(record).__name__} has no array {name!r}")
        if array.dtype.newbyteorder("=") != np.dtype(record.layout[name][0]).newbyteorder("="):
            raise BadMessage("bad_frame", f"{name} is {array.dtype}, not {record.layout[name][0]}")
        specs.append(Array(name, record.layout[name][0], array.shape))
    record = msgspec.structs.replace(record, arrays=tuple(specs))
    header = _encoder.encode(record)
    size = _check_layout(record, len(header))
    packed = bytearray(size)
    _PREFIX.pack_into(packed, 0, _RECORD_MAGIC, len(header))
    packed[_PREFIX.size : _PREFIX.size + len(header)] = header
    for spec, start in _placed(record, len(header)):
        target = np.frombuffer(packed, spec.dtype, math.prod(spec.shape), start).reshape(spec.shape)
        target[...] = arrays[spec.name]
    return packed


def unpack(data) -> tuple[Records, dict[str, np.ndarray]]:
    """The header, and arrays that are views into `data`. Raises BadMessage; allocates no array."""
    view = memoryview(data)
    if len(view) < _PREFIX.size or len(view) > RECORD_BYTES:
        raise BadMessage("bad_frame", f"A record of {len(view):,} bytes")
    magic, length = _PREFIX.unpack_from(view)
    if magic != _RECORD_MAGIC or length > min(HEADER_BYTES, len(view) - _PREFIX.size):
        raise BadMessage("bad_frame", "Not a record")
    try:
        record = _records.decode(view[_PREFIX.size : _PREFIX.size + length])
    except (ValueError, RecursionError) as error:
        raise BadMessage("bad_header", str(error)[:300]) from None
    if _check_layout(record, length) != len(view):
        raise BadMessage("bad_frame", "A record whose arrays do not add up to its size")
    arrays = {
        spec.name: np.frombuffer(view, spec.dtype, math.prod(spec.shape), start).reshape(spec.shape)
        for spec, start in _placed(record, length)
    }
    return record, arrays


def _placed(record: Record, header: int):
    """Each array and the byte that it starts at."""
    start = _aligned(_PREFIX.size + header)
    for spec in record.arrays:
        yield spec, start
        start = _aligned(start + spec.size)


def _aligned(size: int) -> int:
    return -(-size // _ALIGN) * _ALIGN


def _check_layout(record: Record, header: int) -> int:
    """Bytes of the whole record; BadMessage where an array does not fit the layout or a limit."""
    numbers: dict[str, int] = {}
    names = [spec.name for spec in record.arrays]
    if len(set(names)) != len(names) or not record.required <= set(names):
        raise BadMessage("bad_frame", f"{type(record).__name__} needs {', '.join(sorted(record.required))}, each once")
    for spec in record.arrays:
        dtype, shape = record.layout.get(spec.name, ("", ()))
        if spec.dtype != dtype or len(spec.shape) != len(shape):
            raise BadMessage("bad_frame", f"{spec.name!r} is not an array of {type(record).__name__}")
        for is_, should in zip(spec.shape, shape, strict=True):
            if is_ != (numbers.setdefault(should, is_) if isinstance(should, str) else should):
                raise BadMessage("bad_frame", f"{spec.name} has shape {spec.shape}, against {numbers}")
        if spec.size > ARRAY_BYTES:
            raise BadMessage("too_large", f"{spec.name} has {spec.size:,} bytes; {ARRAY_BYTES:,} are allowed")
    if numbers.get("V", 0) > MAX_VERTICES:
        raise BadMessage("too_large", f"{numbers['V']:,} vertices; {MAX_VERTICES:,} are allowed")
    size = _aligned(_PREFIX.size + header)
    for spec in record.arrays:
        size = _aligned(size + spec.size)
    if header > HEADER_BYTES or size > RECORD_BYTES:
        raise BadMessage("too_large", f"A record of {size:,} bytes; {RECORD_BYTES:,} are allowed")
    return size


def check_subject(arrays: dict[str, np.ndarray]) -> None:
    """The meaning of a Subject's numbers: finite, indices in range, sizes that add up. Raises BadMessage."""
    corners, sizes, triangles = arrays["corners"], arrays["sizes"], arrays["triangles"]
    for name in ("vertices", "uv", "pin", "weight"):
        if name in arrays and not np.isfinite(arrays[name]).all():
            raise BadMessage("bad_frame", f"{name} holds NaN or infinity")
    in_range = (
        _within(corners, len(arrays["vertices"]))
        and _within(triangles, len(corners))
        and (not len(sizes) or sizes.min() >= 3)
        and int(sizes.sum(dtype=np.int64)) == len(corners)
    )
    if not in_range:
        raise BadMessage("bad_frame", "The polygons do not fit the vertices")


def _within(indices: np.ndarray, limit: int) -> bool:
    return not indices.size or (indices.min() >= 0 and indices.max() < limit)


# --- The connection file: written by the gateway, 0600, once it listens; found by clients of the same user


class Connection(Struct, frozen=True):
    """Where a gateway listens. Keys (Z85) are empty on ipc, where the folder's permissions guard the door."""

    protocol: int
    boot: Id
    pid: int
    endpoint: Line
    server_key: Line = ""
    client_public: Line = ""
    client_secret: Line = ""


def read_connection(home: Path) -> Connection | None:
    """What the connection file says, or None where there is none that can be read."""
    try:
        return msgspec.json.decode((home / CONNECTION_FILE).read_bytes(), type=Connection)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
