"""What messages and records are both made of: numbers that limit them, short types, and what can go wrong."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

PROTOCOL = 10

HEADER_BYTES = 64 * 1024
CHUNK_BYTES = 256 * 1024  # within 10 % of the best size on ipc and TCP; whole frames are 3.7 times slower under CURVE
WINDOW_BYTES = 8 * 1024 * 1024  # what a client lets the gateway send ahead of it
FRAME_BYTES = 1024 * 1024  # no ZeroMQ frame may be larger: the socket drops the peer that declares one
TEXT_BYTES = 4 * 1024  # a failure's text or detail
ARRAY_BYTES = 64 * 1024 * 1024
RECORD_BYTES = 256 * 1024 * 1024
MAX_VERTICES = 1_000_000
PICTURE_SIDE = 4096  # pixels
PICTURE_SHORTEST = 32  # pixels: of the shorter side of a picture that is to come to life
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")  # of files that are read
PICTURE_GREY = 128  # of 255: what is transparent in it is shown before that
MAX_CREDIT = 1 << 40
DIGEST_MASK = (1 << 63) - 1  # of a record's xxh3-64: msgpack integers stay signed everywhere
QUEUED_JOBS = 256  # waiting at once, of one client
STREAMS = 8  # open at once, of one client
LEASE_SECONDS = 15.0  # a client that has not been heard for this long is gone
PING_SECONDS = 1.0
REQUEST_SECONDS = 2.0  # an unanswered call is repeated after this
CACHE_GB = 20.0  # of results that the backend keeps, unless told otherwise

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


class BadMessage(ValueError):
    """Bytes that are not a message of this protocol. `code` is a Failure code."""

    def __init__(self, code: Code, text: str):
        super().__init__(text)
        self.code, self.text = code, text
