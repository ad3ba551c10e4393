"""A picture as a film: its records, and its frames for files.

Records are the motion, the frames of the film one by one, a certificate.
"""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from numpy.typing import NDArray

from backend import certificate, protocol, wire
from backend.pipelines.jobs import picture_of, told_of_compiling
from backend.report import Report, Varying

if TYPE_CHECKING:
    from backend.pipelines.picture import Moving


def filming(request: protocol.Picture, subject: bytes | None, report: Report) -> Iterator[bytearray]:
    """The motion of a picture, and its film frame by frame."""
    began = time.perf_counter()
    moving, frames = filmed(request, subject, report)
    height, width, _ = moving.picture.shape
    record = protocol.VolumeRecord(
        base=moving.volume.base,
        width=width,
        height=height,
        frames=len(moving.motions),
        fps=request.fps,
        loop=moving.loop,
        farthest=moving.farthest,
        said=moving.said,
        version=protocol.VERSION,
    )
    yield wire.pack_volume(record, moving.volume.coefficients)
    for index, frame in enumerate(frames):
        yield wire.pack_film(frame, index)
    yield Varying(protocol.pack(film_certificate(moving, request.loop, time.perf_counter() - began), {}))


class Filmed(NamedTuple):
    """A picture's motion, and its frames (H, W, 3) to come."""

    moving: "Moving"
    frames: Iterator[NDArray]


def filmed(request: protocol.Picture, picture: bytes | None, report: Report) -> Filmed:
    """What a picture becomes, begun."""
    from backend.pipelines.picture import alive

    moving = alive(picture_of(picture), request, report)
    return Filmed(moving, told_of_compiling(moving.film, report))


def film_certificate(moving: "Moving", closed: bool, seconds: float) -> protocol.Certificate:
    """What is measured of a film that took so many seconds to make; `closed`: its end was drawn to its beginning."""
    frames, (height, width, _) = len(moving.motions), moving.picture.shape
    ends = (", a loop" if closed else "") if moving.loop else ", ringing after a pull"
    summary = f"moves by up to {moving.farthest:.1f} of {max(height, width)} pixels, {frames} frames{ends}"
    measured = (
        ("frames", float(frames), ""),
        ("largest motion", moving.farthest, "pixels"),
        (certificate.TIME, seconds, "s"),
    )
    return protocol.Certificate(summary=summary, measured=measured)
