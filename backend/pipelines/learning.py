"""A few pictures of one thing and a name to a model of views that knows it: the only record is a certificate.

What a training has come to is kept, and the same request with the same pictures goes on from there. The model is a
folder, too: so a training whose checkpoint cannot be written ends there, and says so, other than what is only kept
beside its work (backend/pipelines/kept.py). Who cancels it has cancelled it all the same.

    HOME/cache/subjects/KEY/    the training
    HOME/subjects/NAME/         the model, once it is learnt
"""

import os
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import xxhash

from backend import learned, models, protocol, terminal
from backend.certificate import TIME
from backend.pipelines import jobs, subjects, trained, views_of
from backend.pipelines.kept import Kept, files_of
from backend.pipelines.subjects import Learnt
from backend.pipelines.trained import NoModel, TooLittleMemory
from backend.prompt import NotUnderstood, life_of
from backend.report import Cancelled, Report, Varying

if TYPE_CHECKING:
    from backend.training.multiview.subject import Pictures

LIBRARIES = views_of.LIBRARIES | {"cv2": "opencv-python-headless"}
NEVER = 10**9  # steps: nobody looks at what is drawn on the way, and a look takes longer than a job may to stop


class Unlearnable(ValueError):
    """A subject that cannot be learnt as it is asked for; the message says what to do."""


class NoRoom(ValueError):
    """What is learnt cannot be written; the message says what to do."""


def learning(request: protocol.LearnSubject, pictures: bytes | None, report: Report) -> Iterator[bytearray]:
    """The records."""
    began = time.perf_counter()
    files = jobs.pictures_of(pictures)
    learned.wanted(**LIBRARIES)
    _check_name(request.called)
    report(0.0, "Loading the model")
    base = _base(request.model)
    key = _key(request, pictures)
    learnt, said = subjects.read(subjects.place(request.called)), ""
    if learnt is None or learnt.key != key:
        _refuse_taken(request.called)
        learnt, said = _learnt(request, base, files, key, report)
    measured = (("pictures", float(len(files)), ""), ("steps", float(learnt.steps), ""))
    measured += tuple((name.replace("_", " "), value, "") for name, value in learnt.scores.items())
    summary = f'"{learnt.called}", from {len(files)} pictures, {learnt.steps} steps{said}'
    measured = (*measured, (TIME, time.perf_counter() - began, "s"))
    yield Varying(protocol.pack(protocol.Certificate(summary=summary, measured=measured), {}))


def _check_name(called: str) -> None:
    """Raises Unlearnable where a prompt that says it would not be read as one that names a thing."""
    quoted = f'"{called}" cannot be what it is called'
    if any(model.name == called for model in models.MODELS):
        raise Unlearnable(f"{quoted}, for a public model has that name: choose another name")
    try:
        thing = life_of(called).thing
    except NotUnderstood:
        thing = ""
    if thing != unicodedata.normalize("NFC", called):
        raise Unlearnable(f"{quoted}, for in a prompt it would say what happens to a thing: choose another name")


def _base(named: str) -> Path:
    """The folder of the model that learns, or the file of MVDream's authors. Raises NoModel, TooLittleMemory."""
    views_of.prior_of(named)
    public = next((model for model in models.MODELS if model.name == named.strip()), None)
    if public is None:
        return views_of.folder_of(named)
    found = models.found(public)
    base = next((path for path in found.files.values() if path.suffix == ".pt"), found.folder)
    if base.is_file() and not (base.parent / "tokenizer").is_dir():
        raise NoModel(
            f"{public.title} learns where its tokenizer lies beside it, and in the hub's cache it does not: get it "
            f"into a folder of its own by `{terminal.command(f'models get {public.name} --folder D')}`"
        )
    return base


def _refuse_taken(called: str) -> None:
    """Raises Unlearnable."""
    folder = subjects.place(called)
    if folder.exists():
        raise Unlearnable(f'"{called}" has been learnt already: choose another name, or delete the folder {folder}')


def _key(request: protocol.LearnSubject, pictures: bytes) -> str:
    """Of all that a training hangs on: what is asked for, the pictures, the files of the model."""
    asked = [request.called, request.effort, request.seed, protocol.VERSION, files_of(request.model)]
    return xxhash.xxh3_128_hexdigest(msgspec.json.encode([asked, xxhash.xxh3_128_hexdigest(pictures)]))


def _learnt(
    request: protocol.LearnSubject, base: Path, files: list[tuple[str, memoryview]], key: str, report: Report
) -> tuple[Learnt, str]:
    """What was learnt, and what is to be said of how, or ""; the model is in its place then."""
    import torch

    from backend.saved import Damaged
    from backend.training.checkpoint import OtherPlan
    from backend.training.loop import MODEL, Diverged, How
    from backend.training.multiview import subject
    from backend.training.multiview.training import NotLearnable

    plan = replace(subject.usual(base).with_effort(request.effort), checked=NEVER)
    told: list[str] = []
    how = How(trained.device(), request.seed, "Learn Subject, in Blender", told.append)
    kept = Kept(protocol.default_home() / "cache" / "subjects" / key)
    try:
        data = _data(request.called, files, report)
        train = partial(subject.train, base, data, kept.folder, how, report, plan)
        scores, said = None, ""
        try:
            scores = train()
        except (OtherPlan, Damaged) as error:  # as an older version of us has kept it, say
            kept.set_aside()
            said = f"; what was kept of it could not be gone on with, and it began anew ({error})"
        if scores is None:  # not while that error is handled, which holds what was read
            report(0.0, "What was kept of it cannot be gone on with, and it begins anew")
            scores = train()
        report(1.0, "Keeping what was learnt")
        learnt = Learnt(request.called, key, sum(budget.steps for budget in plan.budgets.values()), scores)
        _put(kept.folder / MODEL, learnt)
    except NotLearnable as error:
        raise Unlearnable(str(error)) from error
    except Diverged as error:
        raise Unlearnable(f"{error}: choose another Seed, or less Effort") from error
    except torch.OutOfMemoryError as error:
        raise TooLittleMemory(
            "The GPU has too little memory to learn by this model: close what else uses it, or name a smaller model"
        ) from error
    except MemoryError as error:
        raise TooLittleMemory(
            f"{error}: close other programs, and press Learn Subject again; it goes on from what is kept"
        ) from error
    except OSError as error:
        if stopped := _under_way(error, Cancelled):
            raise stopped from error
        raise NoRoom(
            f"What is learnt cannot be written ({error.strerror or error}): make room, and press Learn Subject again; "
            "it goes on from there"
        ) from error
    kept.remove()
    return learnt, ". ".join((said, *told))


def _under_way(error: BaseException, kind: type[Exception]) -> BaseException | None:
    """What of a kind was being raised when an error came in its place."""
    while error is not None and not isinstance(error, kind):
        error = error.__context__
    return error


def _data(called: str, files: list[tuple[str, memoryview]], report: Report) -> "Pictures":
    """The pictures, as a training has them. Raises Unlearnable, NotLearnable."""
    from backend.files import picture
    from backend.files.mesh import Unreadable
    from backend.training.multiview import subject

    found = []
    for number, (name, data) in enumerate(files):
        report(0.0, f"Reading picture {number + 1} of {len(files)}")
        try:
            found.append(picture.read_bytes(data, name).pixels)
        except Unreadable as error:
            raise Unlearnable(str(error)) from error
        subject.check_size(found[-1], name)
    return subject.Pictures.of(found, called)


def _put(model: Path, learnt: Learnt) -> None:
    """A model into its place, in one step. Raises Unlearnable where the place was taken meanwhile."""
    from backend.training.disk import write_whole

    write_whole(model / subjects.FILE, msgspec.json.encode(learnt))
    _refuse_taken(learnt.called)
    folder = subjects.place(learnt.called)
    folder.parent.mkdir(parents=True, exist_ok=True)
    os.replace(model, folder)
