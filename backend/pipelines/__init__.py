"""The table of what can be asked for: one request type, one pipeline.

A job goes in as a request and the bytes of what the client brings along: for Animate and Sway a Subject record, for
SwayAsSeen one with a picture, for Picture and Plane a PictureRecord. Records come out one by one: the subject, its
frames or its modes, a certificate. Pipelines are imported when they are asked for, so that this costs nothing.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from backend import certificate, protocol, wire
from backend.clip import Clip, Frame, Mesh
from backend.pipelines import filming, modal
from backend.pipelines.jobs import certified, mesh_of, swung, told_of_compiling
from backend.prompt import NotUnderstood, Understanding, understand
from backend.report import Preview, Report, Varying

Lively = protocol.Generate | protocol.Animate | protocol.Sway | protocol.Plane  # what becomes a mesh and its frames


def capabilities() -> protocol.Engines:
    """What the engines on this machine can do."""
    from backend.pipelines.expected import lacking, no_model

    return protocol.Engines(
        makes=tuple(name.replace("_", " ") for name in protocol.SPECIES),
        processes=tuple(protocol.PROCESSES),
        device="CPU",
        lacking=lacking(),
        no_model=no_model(),
    )


def failure(error: Exception) -> protocol.Failure | None:
    """The sentence for an error that its reader can do something about; None for a fault of ours."""
    from backend.geometry.modes import Rigid
    from backend.learned import NotInstalled
    from backend.pipelines.expected import NoModel, Still, UnusableSetting
    from backend.pipelines.lifecycle import BrokenSolve, UnusableSubject
    from backend.pipelines.processes.process import NotForThis
    from backend.pipelines.still import UnusablePicture

    codes = {
        NotForThis: "bad_subject",
        NotUnderstood: "unsupported",
        NoModel: "unsupported",
        NotInstalled: "unsupported",
        Rigid: "bad_subject",
        Still: "bad_subject",
        UnusablePicture: "bad_subject",
        UnusableSetting: "unsupported",
        UnusableSubject: "bad_subject",
        protocol.BadMessage: "bad_subject",
        BrokenSolve: "nan_result",
        wire.NotFinite: "nan_result",
    }
    if lifting := sys.modules.get("backend.lifting"):  # loads torch; what it raises comes after that
        codes[lifting.Unseen] = "bad_subject"
    code = next((code for kind, code in codes.items() if isinstance(error, kind)), None)
    return None if code is None else protocol.Failure(code, str(error)[:1000])


class Living(NamedTuple):
    """A subject and its frames to come."""

    mesh: Mesh
    frames: Iterator[Frame]
    previews: Iterator[tuple[int, Frame]]  # coarse ones, with their numbers among the frames; maybe none
    understood: Understanding | None = None  # where there was a prompt
    loop: bool = False  # the last frame leads back to the first
    reach: float = 0.0  # metres, see protocol.Subject


def carry_out(request: protocol.Request, subject: bytes | None, report: Report) -> Iterator[bytearray]:
    """Records of one job, each as soon as it is there; nothing of a job whose subject is refused."""
    match request:
        case protocol.Sway():
            return modal.swaying(request, subject, report)
        case protocol.SwayAsSeen():
            return modal.swaying_as_seen(request, subject, report)
        case protocol.Plane():
            return modal.swaying_plane(request, subject, report)
        case protocol.Picture():
            return filming.filming(request, subject, report)
        case _:
            return _living(request, subject, report)


def _living(
    request: protocol.Generate | protocol.Animate, subject: bytes | None, report: Report
) -> Iterator[bytearray]:
    """A subject and its frames."""
    began = time.perf_counter()
    mesh, frames, previews, understood, loop, reach = living(request, subject, report)
    header = {"version": protocol.VERSION, "loop": loop, "reach": reach}
    if understood is not None:
        header |= understood.header() | {"windblown": understood.windblown}
    measure = certificate.Measure(mesh, request.frames)
    previews, frames = _begun(previews, frames)
    yield wire.pack_mesh(replace(mesh, pin=None, weight=None), frames=request.frames, fps=request.fps, **header)
    try:
        for index, frame in previews:
            yield Preview(wire.pack_frame(frame, index, preview=True))
    except (FloatingPointError, wire.NotFinite):  # what is too coarse to be solved may well be solved in full
        pass
    for index, frame in enumerate(frames):
        yield wire.pack_frame(frame, index)
        measure.add(frame)
    yield Varying(protocol.pack(certified(measure, began, report), {}))


def _begun(previews: Iterator[tuple[int, Frame]], frames: Iterator[Frame]) -> tuple[Iterator, Iterator]:
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


def living(request: Lively, subject: bytes | None, report: Report) -> Living:
    """What a request makes, begun."""
    if isinstance(request, protocol.Generate):
        from backend.pipelines import specimen

        understood = understand(request.prompt)
        mesh, frames, loop, reach = specimen.grow(request, understood, report)
        return Living(mesh, frames, iter(()), understood, loop, reach)
    if isinstance(request, protocol.Sway):
        swaying = modal.sway_of(request, subject, report)
        return Living(swaying.mesh, swung(swaying.mesh, swaying.volume, request.frames), iter(()), loop=True)
    if isinstance(request, protocol.Plane):
        found = modal.plane_of(request, subject, report)
        return Living(found.mesh, swung(found.mesh, found.volume, request.frames), iter(()), loop=True)
    from backend.pipelines.lifecycle import Life

    mesh = mesh_of(subject)
    life = Life(mesh, request, report)
    previews = told_of_compiling(life.preview, report) if request.preview else iter(())
    return Living(mesh, told_of_compiling(life.frames, report), previews)


class Made(NamedTuple):
    """The whole of a result, for files."""

    clip: Clip
    certificate: protocol.Certificate
    understood: Understanding | None


def made(request: Lively, subject: bytes | None, report: Report) -> Made:
    """All of a request at once, without a preview; otherwise as `living`."""
    began = time.perf_counter()
    mesh, frames, _, understood, loop, _ = living(request, subject, report)
    measure, kept = certificate.Measure(mesh, request.frames), []
    for frame in frames:
        measure.add(frame)
        kept.append(frame)
    clip = Clip.from_frames(mesh, kept, request.fps, loop=loop, provenance=protocol.provenance(request))
    return Made(clip, certified(measure, began, report), understood)
