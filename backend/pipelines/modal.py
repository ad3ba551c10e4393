"""Results that a client plays from modes: the sway of a mesh, in the wind or as a picture shows it, and of a picture.

Records are the subject, its modes, how they move, a certificate.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from numpy.typing import NDArray

from backend import certificate, protocol, spectral, wire
from backend.clip import Mesh
from backend.pipelines.jobs import certified, mesh_of, picture_of, pictured_mesh_of, swung, told_once
from backend.report import Report, Varying

if TYPE_CHECKING:
    from backend.pipelines.plane import Plane
    from backend.pipelines.sway import Swaying

LOOKS = 24  # at how many moments of a loop its certificate is measured


def swaying(request: protocol.Sway, subject: bytes | None, report: Report) -> Iterator[bytearray]:
    """A mesh in the wind."""
    began = time.perf_counter()
    found = sway_of(request, subject, report)
    mesh, modes, answer = found.mesh, found.modes, found.answer
    yield _opening(mesh, request, windblown=True)
    yield from _modes(modes.frequencies, found.damping, modes.shapes)
    record = protocol.SwayRecord(
        base=request.lowest,
        direction=request.direction,
        speed=answer.wind.speed,
        length=answer.wind.length,
        strain=answer.strain,
        strongest=found.strongest,
        said=found.said,
    )
    yield wire.pack_sway(record, answer.along_x, answer.along_y)
    yield _ending(mesh, found.volume, min(request.frames, LOOKS), began, report)


def swaying_as_seen(request: protocol.SwayAsSeen, subject: bytes | None, report: Report) -> Iterator[bytearray]:
    """A mesh that moves as a picture of it is expected to."""
    from backend.pipelines.expected import model_of

    began = time.perf_counter()
    mesh, picture = pictured_mesh_of(subject)
    report(0.0, "Loading the model")
    model = model_of(request.model)  # before what imports torch: where there is none, it says so
    from backend.pipelines.seen import sway_as_expected

    found, said = told_once(lambda told: sway_as_expected(mesh, picture, model, request, told), report)
    said += found.swaying.said
    modes, lift = found.swaying.modes, found.lift
    yield _opening(mesh, request)
    yield from _modes(modes.frequencies, found.swaying.damping, modes.shapes)
    record = protocol.SeenRecord(base=found.base, explained=lift.explained, pixels=lift.pixels, said=said)
    yield Varying(wire.pack_seen(record, lift.amplitudes))  # the modes before it are the mesh's own
    yield _ending(mesh, found.volume, LOOKS, began, report)


def swaying_plane(request: protocol.Plane, picture: bytes | None, report: Report) -> Iterator[bytearray]:
    """A picture as a plane."""
    began = time.perf_counter()
    found = plane_of(request, picture, report)
    yield _opening(found.mesh, request)
    damping = [request.damping] * len(found.shapes)
    yield from _modes(found.frequencies, damping, found.shapes)
    record = protocol.SeenRecord(
        base=found.base, explained=None, pixels=found.pixels, advised=found.advised, said=found.said
    )
    yield wire.pack_seen(record, found.amplitudes)
    yield _ending(found.mesh, found.volume, LOOKS, began, report)


def sway_of(request: protocol.Sway, subject: bytes | None, report: Report) -> "Swaying":
    """How the mesh sways that a client brought."""
    from backend.pipelines.sway import sway

    mesh = mesh_of(subject)
    return told_once(lambda told: sway(mesh, request, told), report)


def plane_of(request: protocol.Plane, picture: bytes | None, report: Report) -> "Plane":
    """How the plane sways of a picture that a client brought."""
    from backend.pipelines.plane import plane

    return plane(picture_of(picture), request, report)


def _opening(mesh: Mesh, request: protocol.Sway | protocol.SwayAsSeen | protocol.Plane, **header) -> bytearray:
    header |= {"version": protocol.VERSION, "loop": True, "fps": request.fps}
    return wire.pack_mesh(replace(mesh, pin=None, weight=None), **header)


def _modes(frequencies: Iterable[float], damping: Iterable[float], shapes: NDArray) -> Iterator[bytearray]:
    for index, (frequency, ratio, shape) in enumerate(zip(frequencies, damping, shapes, strict=True)):
        yield wire.pack_mode(index, frequency, ratio, shape)


def _ending(mesh: Mesh, volume: spectral.SpectralVolume, looks: int, began: float, report: Report) -> bytearray:
    measure = certificate.Measure(mesh, looks, loop=True)
    for frame in swung(mesh, volume, looks):
        measure.add(frame)
    return Varying(protocol.pack(certified(measure, began, report), {}))
