"""What jobs of all kinds share: what a client brings, a report that tells of compiling, what is measured in the end."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import chain
from typing import TypeVar

from backend import certificate, protocol, spectral, wire
from backend.clip import Frame, Mesh
from backend.report import Preview, Report

T = TypeVar("T")

SECOND = 1.0
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


def pictures_of(pictures: bytes | None) -> list[tuple[str, memoryview]]:
    """Names and bytes of the files of a PicturesRecord; raises protocol.BadMessage."""
    if pictures is None:
        raise protocol.BadMessage("bad_subject", "Pictures are needed: choose a folder of them")
    return wire.unpack_pictures(pictures)


def _brought(subject: bytes | None) -> bytes:
    if subject is None:
        raise protocol.BadMessage("bad_subject", "A mesh is needed: select one")
    return subject


def swung(mesh: Mesh, volume: spectral.SpectralVolume, count: int) -> Iterator[Frame]:
    """One loop of a mesh that moves by (K, V, 3), in `count` even steps."""
    for number, moved in enumerate(spectral.looped(volume, count)):
        yield Frame(number / count, mesh.vertices + moved)


def compiling(what: str) -> str:
    """The sentence for kernels that are compiled before something can go on, which is told as `what`: "Melting"."""
    return f"{COMPILING}: {what[:1].lower()}{what[1:]}" if what else COMPILING


def told_of_compiling(work: Callable[[Report], Iterator[T]], report: Report) -> Iterator[T]:
    """What `work` yields, and returns in the end, which calls kernels: where one is compiled first, that is told, with
    what for, and the bar stays put."""
    reached = 0.0, ""

    def remembering(done: float, text: str) -> None:
        nonlocal reached
        reached = done, text
        report(done, text)

    def tell() -> None:
        done, what = reached
        report(done, compiling(what))

    frames = work(remembering)  # at once: it may refuse

    def told() -> Iterator[T]:
        from kernels.compiling import announced  # numba

        with announced(tell):
            return (yield from frames)

    return told()


def told_once(work: Callable[[Report], T], report: Report) -> T:
    """What `work` returns, as `told_of_compiling`."""

    def alone(told: Report) -> Iterator[T]:
        yield work(told)

    return next(told_of_compiling(alone, report))


def meanwhile(work: Callable[[], T], tell: Callable[[], None]) -> T:
    """What `work` returns, which is long and silent: `tell` is called every second until then, and may end it all."""
    worker = ThreadPoolExecutor(1)
    try:
        going = worker.submit(work)
        while True:
            tell()
            if wait([going], SECOND).done:
                return going.result()
    finally:
        worker.shutdown(wait=False)


def begun(previews: Iterator[tuple[int, Frame]], frames: Iterator[Frame]) -> tuple[Iterator, Iterator]:
    """The same, with the first of all computed: a process that can do nothing with a mesh says so before it gives
    anything."""
    try:
        for first in previews:
            return chain([first], previews), frames
    except (FloatingPointError, wire.NotFinite):  # what is too coarse to be solved may well be solved in full
        pass
    for frame in frames:
        return iter(()), chain([frame], frames)
    return iter(()), frames


def living(
    mesh: Mesh,
    previews: Iterator[tuple[int, Frame]],
    frames: Iterator[Frame],
    count: int,
    began: float,
    report: Report,
    loop: bool = False,
) -> Iterator[bytearray]:
    """Frames as records, coarse ones first; in the end what was measured of them."""
    measure = certificate.Measure(mesh, count, loop)
    try:
        for index, frame in previews:
            yield Preview(wire.pack_frame(frame, index, preview=True))
    except (FloatingPointError, wire.NotFinite):  # what is too coarse to be solved may well be solved in full
        pass
    for index, frame in enumerate(frames):
        yield wire.pack_frame(frame, index)
        measure.add(frame)
    return certified(measure, began, report)


def certified(measure: certificate.Measure, began: float, report: Report) -> protocol.Certificate:
    """What was measured, with the seconds since `began` on the clock of this process."""

    def measured(told: Report) -> protocol.Certificate:
        told(1.0, "Measuring the result")
        return measure.certificate(time.perf_counter() - began)

    return told_once(measured, report)
