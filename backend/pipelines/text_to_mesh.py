"""Words to a textured mesh by distillation from a model of views, and to what it lives through then.

After "MVDream" (arXiv:2308.16512); what it does is told in mvdream.py, and what becomes of its field in finishing.py.
Records are views of the field while it is optimised, the subject with its texture, its frames if it lives through
something, a certificate.

What an optimisation has come to is kept, and the same request goes on from there, whatever is asked of the mesh and its
life: how many faces, how large, what happens to it. When the job is done it is removed.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import pi
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from backend import images, protocol, wire
from backend.certificate import TIME, Measure, is_closed
from backend.clip import Clip, Frame, Mesh, Texture
from backend.pipelines import views_of
from backend.pipelines.jobs import begun, certified, living, meanwhile, told_of_compiling
from backend.pipelines.kept import Kept
from backend.pipelines.lifecycle import Life, UnusableSubject
from backend.pipelines.processes.process import NotForThis
from backend.pipelines.trained import TooLittleMemory
from backend.pipelines.views_of import GLIMPSES, IN_PARTS, Glimpses, Heard, heard
from backend.prompt import Lived, in_its_stages, life_of
from backend.report import Glimpse, Report, Varying, part

if TYPE_CHECKING:
    from backend.pipelines.mvdream import Distillation, Pictures
    from backend.pipelines.recipes import Recipe

AZIMUTHS = (0.0, pi / 2, pi, 3 * pi / 2)
VIEWS, OPTIMISED = 0.1, 0.9  # of the work on the mesh, when each is done
MADE = 0.85  # of all the work, when the mesh is there, where there is a life too


class NothingKept(ValueError):
    """What was kept is wanted, and is not there, or cannot be read now; the message says what to do."""


class Made(NamedTuple):
    """A textured mesh, what was understood of the words, and what was measured."""

    mesh: Mesh
    packed: bytes  # the same as a Subject record, whose header is to come
    lived: Lived
    header: dict  # of the Subject
    measured: tuple[tuple[str, float, str], ...]
    kept: Kept

    def subject(self, request: protocol.TextToMesh) -> bytearray:
        """The record."""
        _, arrays = protocol.unpack(self.packed)
        frames = request.frames if self.lived.stages else 0
        record = protocol.Subject(frames=frames, fps=request.fps, version=protocol.VERSION, **self.header)
        return protocol.pack(record, arrays)

    def life(self, request: protocol.TextToMesh, report: Report) -> tuple[Iterator[Frame], Iterator[tuple[int, Frame]]]:
        """Its frames to come, and coarse ones before, with their numbers; none where it is still."""
        if not self.lived.stages:
            return iter(()), iter(())
        names = ("frames", "fps", "seed", "first", "last", "timing", "preview")
        same = {name: getattr(request, name) for name in names}
        reverse = request.reverse or self.lived.reverse
        life = Life(self.mesh, protocol.Animate(stages=self.lived.stages, reverse=reverse, **same), report)
        previews = told_of_compiling(life.preview, report) if request.preview else iter(())
        return told_of_compiling(life.frames, report), previews

    def certificate(self, seconds: float) -> protocol.Certificate:
        """Of a mesh that is still."""
        faces = len(self.mesh.triangles)
        closed = "closed" if is_closed(self.mesh.faces) else "open"
        low, high = self.mesh.vertices.min(axis=0), self.mesh.vertices.max(axis=0)
        told = {name: value for name, value, _ in self.measured}
        summary = f"{faces:,} faces, {closed}, {np.ptp([low, high], axis=0).max():.3g} m, {told['steps']:.0f} steps"
        return protocol.Certificate(
            summary=summary, measured=(("faces", float(faces), ""), *self.measured, (TIME, seconds, "s"))
        )


def meshing(request: protocol.TextToMesh, report: Report) -> Iterator[bytearray]:
    """A mesh and its life, as records."""
    began = time.perf_counter()
    made = yield from making(request, report)
    with _kept_when_refused():
        frames, previews = made.life(request, part(report, MADE, 1.0))
        previews, frames = begun(previews, frames)
    yield made.subject(request)
    if made.lived.stages:
        certificate = yield from living(made.mesh, previews, frames, request.frames, began, report)
        certificate = msgspec.structs.replace(certificate, measured=(*certificate.measured, *made.measured))
    else:
        certificate = made.certificate(time.perf_counter() - began)
    yield Varying(protocol.pack(certificate, {}))
    if not request.as_it_is:
        made.kept.remove()


class Whole(NamedTuple):
    """All of a result at once."""

    clip: Clip
    certificate: protocol.Certificate
    understood: str
    passed_over: tuple[str, ...]


def whole(request: protocol.TextToMesh, report: Report) -> Whole:
    """The mesh and its life; a still one is a clip of one frame. Otherwise as `making`."""
    began, going = time.perf_counter(), making(request, report, watched=False)
    try:
        while True:
            next(going)
    except StopIteration as ended:
        made: Made = ended.value
    mesh, lives = made.mesh, bool(made.lived.stages)
    with _kept_when_refused():
        frames, _ = made.life(msgspec.structs.replace(request, preview=False), part(report, MADE, 1.0))
        _, frames = begun(iter(()), frames)
    measure, kept = Measure(mesh, request.frames), []
    for frame in frames:
        measure.add(frame)
        kept.append(frame)
    if lives:
        certificate = certified(measure, began, report)
        certificate = msgspec.structs.replace(certificate, measured=(*certificate.measured, *made.measured))
    else:
        certificate = made.certificate(time.perf_counter() - began)
    clip = Clip.from_frames(
        mesh, kept or [Frame(0.0, mesh.vertices)], request.fps, provenance=protocol.provenance(request)
    )
    if not request.as_it_is:
        made.kept.remove()
    passed = made.header["passed_over"]
    line = ", ".join(made.header["understood"]) + (f"; passed over: {', '.join(passed)}" if passed else "")
    return Whole(clip, certificate, line, passed)


@contextmanager
def _kept_when_refused() -> Iterator[None]:
    """Which lives a mesh can live is known when it is there: where it cannot live this one, that is not lost."""
    try:
        yield
    except (NotForThis, UnusableSubject) as error:
        instead = "make it again with other processes, or with none, and it is there at once."
        raise type(error)(f"{error} The mesh itself is kept: {instead}") from error


def making(request: protocol.TextToMesh, report: Report, watched: bool = True) -> Iterator[Glimpse]:
    """The mesh, in the end; before, views of what it has come to, where somebody watches.

    Raises:
        NotUnderstood: the words name no thing, or a life that no mesh can live, or the model knows none of them.
        NoModel, NotInstalled, ModelError: there is no model that could be used.
        NothingKept: it is to be taken as it is, and nothing is there; or what is there cannot be read now.
        TooLittleMemory: of the GPU.
        NotFinite: the optimising broke down; what there was before is kept.
        NoSurface, Unmeshable, Unpaintable: what it has come to is no surface.
    """
    lived = in_its_stages(life_of(request.prompt), request.stages)
    report = part(report, 0.0, MADE if lived.stages else 1.0)
    report(0.0, "Loading the model")
    kept = Kept.of(request, lived.thing)
    work = _Work(request, heard(request.model, lived.thing, request.negative), lived.thing, kept, report, watched)
    packed = yield from work.mesh()
    record, arrays = protocol.unpack(packed)
    mesh = replace(wire.unpack_mesh(packed)[0], texture=_texture(arrays))
    header = {
        "name": (lived.thing[:1].upper() + lived.thing[1:])[:200],
        "understood": (*lived.words(), *record.understood),
        "passed_over": views_of.passed_over((*work.unread, *lived.passed_over)),
        "process": protocol.in_words(lived.stages),
    }
    return Made(mesh, packed, lived, header, work.measured, work.kept)


class _Work:
    """One optimisation, gone on with from where it is."""

    def __init__(
        self, request: protocol.TextToMesh, asked: Heard, thing: str, kept: Kept, report: Report, watched: bool
    ) -> None:
        self.request, self.asked, self.kept, self.report, self.watched = request, asked, kept, report, watched
        self.recipe: Recipe = asked.recipe.asked(request.steps, request.scale, request.shading)
        self.thing, self.unread = thing, asked.unread
        self.said: list[str] = []  # for who has the mesh
        self.noted = ""  # the last that was said, for who waits for it
        self.unkept = ""  # why what there is cannot be kept just now
        self.measured: tuple[tuple[str, float, str], ...] = (("steps", float(self.recipe.steps), ""),)
        self.glimpses = Glimpses(self.recipe.steps)

    def mesh(self) -> Iterator[Glimpse]:
        """As a Subject record, in the end; of its header it has what was said on the way."""
        kept, request = self.kept, self.request
        if not request.as_it_is and (found := kept.finished(request)) is not None:
            packed, seen = found
            yield from self._seen_before(seen)
            return packed
        if request.as_it_is and not kept.field.is_file():
            raise NothingKept("Nothing has been kept of this request: make the mesh, and cancel it when it will do")
        start = None
        if request.views:
            start = yield from self._views()
        distillation = yield from self._distilled(start)
        self.asked = distillation.prior = None  # its memory, for what comes
        mesh, seen = self._finished(distillation)
        packed = bytes(wire.pack_mesh(mesh, understood=tuple(self.said)))
        if not request.as_it_is:
            self._note_unkept(kept.write(kept.seen, seen) or kept.write(kept.mesh(request), packed))
        return packed

    def _finished(self, distillation: "Distillation") -> tuple[Mesh, bytes]:
        """The mesh, and how its field is seen, a ViewsRecord."""
        import torch

        from backend.pipelines.finishing import finished

        request = self.request
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            mesh = meanwhile(
                lambda: finished(distillation.field, request.faces, request.size, request.shading),
                lambda: self.report(OPTIMISED, self._with_notes("Making the mesh")),
            )
            return mesh, bytes(self._record(distillation.step, distillation.show()))
        except torch.OutOfMemoryError as error:
            raise TooLittleMemory(
                "The GPU has too little memory to make a mesh of what was optimised, which is kept: close what else "
                "uses it, and make the mesh again"
            ) from error

    def _views(self) -> Iterator[Glimpse]:
        """Those that the field begins with, drawn by the model or kept from before."""
        request, kept = self.request, self.kept
        pictures = kept.start()
        if pictures is None and not request.as_it_is:
            wanted = protocol.Views(
                prompt=self.thing, negative=request.negative, seed=request.seed, model=request.model
            )
            report = part(self.report, 0.0, VIEWS)
            try:
                *_, (_, _, pictures) = views_of.drawn(self.asked, wanted, report, self._ask_in_parts)
            except TooLittleMemory as error:  # which advises who has chosen how many
                raise TooLittleMemory(
                    f"The GPU has too little memory for the {wanted.count} views that the mesh begins with: close what "
                    "else uses it, choose a smaller model, or turn Start from Views off"
                ) from error
            self._note_unkept(kept.write(kept.views, bytes(self._record(0, pictures))))
        if pictures is not None and not request.as_it_is:
            yield from [Glimpse(self._record(0, pictures))] if self.watched else ()
        return pictures

    def _distilled(self, start: "Pictures | None") -> Iterator[Glimpse]:
        """The field, in smaller parts and by smaller pictures where the GPU's memory is short."""
        import torch

        from backend.guidance import NotFinite

        distillation, request = None, self.request
        while True:
            try:
                distillation = self._begun(start)
                if distillation.said:
                    self._say(distillation.said)
                if not request.as_it_is:
                    yield from told_of_compiling(partial(self._optimised, distillation), self.report)
                elif not distillation.step:
                    raise NothingKept(f"{distillation.said or 'What was kept is gone'}: make the mesh again")
                else:
                    self.measured = (("steps", float(distillation.step), ""),)
                return distillation
            except NotFinite as error:
                raise wire.NotFinite(
                    f"The optimising broke down. {error}. Try another seed or a lower Guidance; Take as It Is makes "
                    "the mesh of what it had come to before"
                ) from error
            except torch.OutOfMemoryError:
                distillation = None  # its memory, too
            self._smaller()
            torch.cuda.empty_cache()

    def _begun(self, start: "Pictures | None") -> "Distillation":
        """From what is kept."""
        from backend.pipelines.mvdream import Distillation

        asked, field = self.asked, self.kept.field
        try:
            return Distillation(
                asked.prior, asked.text, self.request.negative, self.recipe, self.request.seed, start, field
            )
        except OSError as error:
            raise NothingKept(
                f"What was kept of this request cannot be read now ({error.strerror or error}), and stays: try again, "
                f"or delete {field} to begin anew"
            ) from error
        except MemoryError as error:
            raise TooLittleMemory(f"{error}: close other programs, and ask again; it goes on from there") from error

    def _smaller(self) -> None:
        smaller = self.recipe.smaller()
        if smaller is None:
            raise TooLittleMemory(
                "The GPU has too little memory for this model: close what else uses it, or choose a smaller model"
            )
        if smaller.guidance.apart and not self.recipe.guidance.apart:
            self._ask_in_parts(IN_PARTS)
            return
        self.recipe = smaller
        side, samples = max(stage.side for stage in smaller.stages), smaller.samples
        self._say(f"The GPU's memory is short: pictures of {side} pixels, {samples} samples along a ray")

    def _ask_in_parts(self, said: str) -> None:
        """From now on: what had no room for the views that it begins with has none while it is optimised."""
        self.recipe = self.recipe.asked_in_parts()
        self._say(said)

    def _say(self, sentence: str) -> None:
        """Now, and with the mesh."""
        self.noted = sentence[:200]
        self.said.append(self.noted)

    def _note_unkept(self, error: OSError | None) -> None:
        """For who waits alone: when the mesh is there, nothing hangs on it any more."""
        self.unkept = f"What it has come to cannot be kept ({error.strerror or error}): make room" if error else ""

    def _with_notes(self, text: str) -> str:
        return ". ".join(filter(None, (text, self.unkept, self.noted)))

    def _optimised(self, distillation: "Distillation", report: Report) -> Iterator[Glimpse]:
        """Step by step."""
        steps = self.recipe.steps
        first, spent = distillation.step, 0.0
        going = iter(distillation)
        try:
            while True:
                done = VIEWS + (OPTIMISED - VIEWS) * distillation.step / steps
                self._note_unkept(distillation.unkept)
                report(done, self._with_notes(f"Optimising, step {min(distillation.step + 1, steps)} of {steps}"))
                began = time.perf_counter()
                step = next(going, None)
                spent += time.perf_counter() - began
                yield from self._glimpsed(distillation)
                if step is None:
                    break
        finally:
            going.close()
        if distillation.step > first:
            self.measured = (*self.measured, ("time of a step", spent / (distillation.step - first), "s"))

    def _glimpsed(self, distillation: "Distillation") -> Iterator[Glimpse]:
        if self.watched:
            record = self._header(distillation.step)
            yield from self.glimpses.of(record, distillation.show)

    def _seen_before(self, seen: bytes) -> Iterator[Glimpse]:
        """As many glimpses as an optimisation gives, of what was seen last."""
        count = int(self.request.views) + min(self.recipe.steps, GLIMPSES)
        yield from (Glimpse(seen) for _ in range(count if self.watched else 0))

    def _header(self, step: int) -> protocol.ViewsRecord:
        return protocol.ViewsRecord(preview=True, step=step, steps=self.recipe.steps, azimuths=AZIMUTHS)

    def _record(self, step: int, pictures: "Pictures") -> bytearray:
        return wire.pack_views(self._header(step), pictures)


def _texture(arrays: dict[str, NDArray]) -> Texture:
    roughness = arrays.get("texture_roughness")
    return Texture(images.png(arrays["texture"]), None if roughness is None else images.png(roughness))
