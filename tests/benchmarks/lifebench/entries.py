"""Who takes part: what can be had without a system, and what this project makes of each task.

    truth        what is looked for, held against itself: where a measure's floor is not 0, it shows it
    physics      mesh + words: the built-in life-cycle process that comes nearest to the words, with its usual sliders
    individual   words, or a film of which somebody said what it shows: the specimen engine, growing another individual
                 than the one that is looked for. It is what truths are made by: no competitor, but how far apart two
                 lives of one kind are

The two registrations take minutes a life at full counts. They have a part of the benchmark to themselves, with fewer
frames and points and coarser meshes, in which others answer beside them.

Each answer is written to a file by this project's own writers and read back by LifeBench's readers, as anybody else's.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backend import protocol
from backend.clip import Clip, Mesh
from backend.files import save
from backend.pipelines.lifecycle import BrokenSolve, Life, UnusableSubject
from backend.pipelines.processes.process import NotForThis
from backend.report import silent
from tests.benchmarks.lifebench import baselines
from tests.benchmarks.lifebench.nouns import Sequence, Truth
from tests.benchmarks.lifebench.readers import read
from tests.benchmarks.lifebench.tasks import FPS, Case, Task

OTHER = 100_000  # from the seed of a truth to that of another individual


class Entry(NamedTuple):
    """One column of a table. `answer` sees the truth: what it may use of it stands in its docstring."""

    name: str
    given: str  # more than the task gives
    answer: Callable[[Case, Truth], Sequence]


def through_file(answer: Sequence, ending: str, loop: bool = False) -> Sequence:
    """The same, written and read back; its bytes are then known. `loop`: written as one that is played in a circle."""
    faces = answer.frames[0][1]
    looks = {
        name: None if (look := getattr(answer, name)) is None else np.asarray(look, np.float32)
        for name in ("albedo", "roughness", "opacity")
    }
    positions = answer.positions.astype(np.float32)
    pace = (len(answer.times) - 1) / (answer.times[-1] - answer.times[0]) if len(answer.times) > 1 else FPS
    mesh, tau = Mesh.from_triangles(positions[0], faces), np.linspace(0, 1, len(positions), dtype=np.float32)
    with tempfile.TemporaryDirectory(prefix="lifebench-") as folder:
        path = Path(folder) / f"answer{ending}"
        save(Clip(mesh, positions, tau, float(pace), loop=loop, **looks), path)
        return replace(read(path), name=answer.name)


def truth_itself(case: Case, truth: Truth) -> Sequence:
    """Everything of the truth."""
    return truth.sequence


def physics(case: Case, truth: Truth) -> Sequence:
    """Animate Selected on the mesh that is given: nothing else of the truth is used. Raises Refused."""
    mesh = truth.clip.subject.at(truth.clip.positions[truth.given])
    (stage,) = protocol.from_words(case.happening.process, {})
    asked = protocol.Animate(stages=(stage,), frames=len(truth.tau), fps=FPS, preview=False)
    try:
        frames = list(Life(mesh, asked, silent).frames(silent))
    except (NotForThis, UnusableSubject, BrokenSolve) as error:
        raise baselines.Refused(str(error)) from error
    return Sequence.from_clip(Clip.from_frames(mesh, frames, FPS), "physics")


def individual(case: Case, truth: Truth) -> Sequence:
    """The same words, another seed."""
    other = Case(case.task, case.specimen, case.seed + OTHER, case.detail).truth(len(truth.tau))
    return Sequence.from_clip(other.clip, "individual")


def _starting(of: Callable[[Truth], Sequence]) -> Callable[[Case, Truth], Sequence]:
    """A baseline that starts from the mesh that is given, or, where none is, from the one that stands at its best."""

    def answer(case: Case, truth: Truth) -> Sequence:
        best = int(np.abs(truth.tau - truth.prime).argmin())
        return of(truth if truth.given is not None else replace(truth, given=best))

    return answer


def _entry(of: Callable[[Truth], Sequence], given: str = "") -> Entry:
    return Entry(of.__name__, given, _starting(of))


_TRUTH, _PHYSICS = Entry("truth", "all of it", truth_itself), Entry("physics", "", physics)
_INDIVIDUAL = Entry("individual", "the generator of the truth", individual)
STILL = _entry(baselines.still)  # also what an answer counts as that was refused
_SIMILARITY = _entry(baselines.similarity, "every vertex of every frame")
_ARAP = _entry(baselines.arap, "the paths of a few vertices")
_REGISTRATIONS = [_entry(of, "the surface of every frame") for of in (baselines.amberg, baselines.sumner)]


def _with_mesh(entry: Entry) -> Entry:
    """In a task that gives none, the mesh is more than is given."""
    return entry._replace(given=f"the mesh; {entry.given}".rstrip("; "))


class Part(NamedTuple):
    """Some entries in some tasks, all under the same conditions; a section of the page, and a folder of scores."""

    name: str
    entries: dict[Task, list[Entry]]


WHOLE = Part(
    "scores",
    {
        Task.VIDEO: [
            _TRUTH,
            *map(_with_mesh, (STILL, _SIMILARITY, _ARAP)),
            _INDIVIDUAL._replace(given="what it is of; the generator of the truth"),
        ],
        Task.MESH: [_TRUTH, STILL, _SIMILARITY, _ARAP, _PHYSICS],
        Task.WORDS: [_TRUTH, _with_mesh(STILL), _INDIVIDUAL],
        Task.LOOP: [_TRUTH, _with_mesh(STILL), _INDIVIDUAL],
    },
)
REGISTRATIONS = Part("registrations", {Task.MESH: [_TRUTH, STILL, *_REGISTRATIONS, _ARAP, _PHYSICS]})
PARTS = WHOLE, REGISTRATIONS
