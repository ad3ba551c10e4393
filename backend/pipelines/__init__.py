"""The table of what can be asked for: one request type, one pipeline.

A job goes in as a request and the bytes of what the client brings along: for Animate and Sway a Subject record, for
SwayAsSeen one with a picture, for Picture and Plane a PictureRecord, for LearnSubject a PicturesRecord, for what is
made from words nothing. Records come out one by one: the subject, its frames or its modes, a certificate. Pipelines are
imported when they are asked for, so that this costs nothing.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from backend import certificate, protocol, wire
from backend.clip import Clip, Frame, Mesh
from backend.pipelines import filming, jobs, modal
from backend.pipelines.jobs import begun, certified, mesh_of, swung, told_of_compiling
from backend.prompt import NotUnderstood, Understanding, backwards, understand
from backend.report import Report, Varying

Lively = protocol.Generate | protocol.Animate | protocol.Sway | protocol.Plane  # what becomes a mesh and its frames


def capabilities() -> protocol.Engines:
    """What the engines on this machine can do."""
    from backend.pipelines import subjects
    from backend.pipelines.expected import lacking, no_model
    from backend.pipelines.views_of import no_views

    return protocol.Engines(
        makes=tuple(name.replace("_", " ") for name in protocol.SPECIES),
        processes=tuple(protocol.PROCESSES),
        device="CPU",
        lacking=lacking(),
        no_model=no_model(),
        no_views=no_views(),
        subjects=subjects.names(),
    )


def failure(error: Exception) -> protocol.Failure | None:
    """The sentence for an error that its reader can do something about; None for a fault of ours."""
    from backend.geometry.decimation import Unmeshable
    from backend.geometry.isosurface import NoSurface
    from backend.geometry.modes import Rigid
    from backend.geometry.texture import Unpaintable
    from backend.learned import NotInstalled
    from backend.models import ModelError
    from backend.pipelines.expected import Still, UnusableSetting
    from backend.pipelines.learning import NoRoom, Unlearnable
    from backend.pipelines.lifecycle import BrokenSolve, UnusableSubject
    from backend.pipelines.processes.process import NotForThis
    from backend.pipelines.still import UnusablePicture
    from backend.pipelines.text_to_mesh import NothingKept
    from backend.pipelines.trained import NoModel, TooLittleMemory

    codes = {
        NotForThis: "bad_subject",
        NotUnderstood: "unsupported",
        ModelError: "unsupported",
        NoModel: "unsupported",
        NoRoom: "disk_full",
        NoSurface: "unsupported",
        NothingKept: "unsupported",
        NotInstalled: "unsupported",
        Rigid: "bad_subject",
        Still: "bad_subject",
        TooLittleMemory: "unsupported",
        Unlearnable: "unsupported",
        Unmeshable: "unsupported",
        Unpaintable: "unsupported",
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
    understood: Understanding | None = None  # where there was a prompt that the built-in engine follows
    loop: bool = False  # the last frame leads back to the first
    reach: float = 0.0  # metres, see protocol.Subject
    said: tuple[str, ...] = ()  # of the mesh: sentences for its owner


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
        case protocol.Views():
            from backend.pipelines import views_of

            return views_of.viewing(request, report)
        case protocol.TextToMesh():
            from backend.pipelines import text_to_mesh

            return text_to_mesh.meshing(request, report)
        case protocol.LearnSubject():
            from backend.pipelines import learning

            return learning.learning(request, subject, report)
        case _:
            return _living(request, subject, report)


def _living(
    request: protocol.Generate | protocol.Animate, subject: bytes | None, report: Report
) -> Iterator[bytearray]:
    """A subject and its frames."""
    began = time.perf_counter()
    mesh, frames, previews, understood, loop, reach, _ = living(request, subject, report)
    header = {"version": protocol.VERSION, "loop": loop, "reach": reach}
    if understood is not None:
        header |= understood.header() | {"windblown": understood.windblown}
    previews, frames = begun(previews, frames)
    yield wire.pack_mesh(replace(mesh, pin=None, weight=None), frames=request.frames, fps=request.fps, **header)
    measured = yield from jobs.living(mesh, previews, frames, request.frames, began, report, loop)
    yield Varying(protocol.pack(measured, {}))


def living(request: Lively, subject: bytes | None, report: Report) -> Living:
    """What a request makes, begun."""
    if isinstance(request, protocol.Generate):
        from backend.pipelines import specimen

        understood = understand(request.prompt)
        mesh, frames, loop, reach = specimen.grow(request, understood, report)
        return Living(mesh, frames, iter(()), understood, loop, reach)
    if isinstance(request, protocol.Sway):
        swaying = modal.sway_of(request, subject, report)
        frames = swung(swaying.mesh, swaying.volume, request.frames)
        return Living(swaying.mesh, frames, iter(()), loop=True, said=swaying.said)
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
    understood: str  # of a prompt, in one line; "" where there was none
    passed_over: tuple[str, ...] = ()  # words of it
    told: tuple[str, ...] = ()  # of the mesh: sentences for its owner


def made(request: Lively | protocol.TextToMesh, subject: bytes | None, report: Report) -> Made:
    """All of a request at once, without a preview; otherwise as `living`."""
    if isinstance(request, protocol.TextToMesh):
        from backend.pipelines import text_to_mesh

        return Made(*text_to_mesh.whole(request, report))
    began = time.perf_counter()
    mesh, frames, _, understood, loop, _, told = living(request, subject, report)
    measure, kept = certificate.Measure(mesh, request.frames, loop), []
    for frame in frames:
        measure.add(frame)
        kept.append(frame)
    clip = Clip.from_frames(mesh, kept, request.fps, loop=loop, provenance=protocol.provenance(request))
    said = ("", ()) if understood is None else (understood.say() + backwards(understood), understood.passed_over)
    return Made(clip, certified(measure, began, report), *said, told=told)
