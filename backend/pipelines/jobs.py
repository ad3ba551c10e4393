"""What jobs of all kinds share: what a client brings, a report that tells of compiling, what is measured in the end."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from backend import certificate, protocol, spectral, wire
from backend.clip import Frame, Mesh
from backend.report import Report

T = TypeVar("T")

COMPILING = "Compiling for this machine, only this once"


def mesh_of(subject: bytes | None) -> Mesh:
    """Of a Subject record; raises protocol.BadMessage."""
    return wire.unpack_mesh(_brought(subject))[0]


def pictured_mesh_of(subject: bytes | None) -> tuple[Mesh, wire.Pixels]:
    """The mesh of a Subject record, and the picture of it; raises protocol.BadMessage."""
    return wire.unpack_pictured(_brought(subject))


def picture_of(picture: bytes | None) -> wire.Pixels:
    """Of a PictureRecord; raises protocol.BadMessage."""
    if picture is None:
        raise protocol.BadMessage("bad_subject", "A picture is needed: name one")
    return wire.unpack_picture(picture)


def _brought(subject: bytes | None) -> bytes:
    if subject is None:
        raise protocol.BadMessage("bad_subject", "A mesh is needed: select one")
    return subject


def swung(mesh: Mesh, volume: spectral.SpectralVolume, count: int) -> Iterator[Frame]:
    """One loop of a mesh that moves by (K, V, 3), in `count` even steps."""
    for number, moved in enumerate(spectral.looped(volume, count)):
        yield Frame(number / count, mesh.vertices + moved)


def told_of_compiling(work: Callable[[Report], Iterator[T]], report: Report) -> Iterator[T]:
    """What `work` yields, which calls kernels: where one is compiled first, that is told, and the bar stays put."""
    reached = 0.0

    def remembering(done: float, text: str) -> None:
        nonlocal reached
        reached = done
        report(done, text)

    frames = work(remembering)  # at once: it may refuse

    def told() -> Iterator[T]:
        from kernels.compiling import announced  # numba

        with announced(lambda: report(reached, COMPILING)):
            yield from frames

    return told()


def told_once(work: Callable[[Report], T], report: Report) -> T:
    """What `work` returns, as `told_of_compiling`."""

    def alone(told: Report) -> Iterator[T]:
        yield work(told)

    return next(told_of_compiling(alone, report))


def certified(measure: certificate.Measure, began: float, report: Report) -> protocol.Certificate:
    """What was measured, with the seconds since `began` on the clock of this process."""

    def measured(told: Report) -> protocol.Certificate:
        told(1.0, "Measuring the result")
        return measure.certificate(time.perf_counter() - began)

    return told_once(measured, report)
