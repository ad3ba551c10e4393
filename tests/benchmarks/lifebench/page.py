"""Scores on disk, and the one page that shows them.

A part of the benchmark has a section, and a task a table in it; what stands in one table was made under the same
conditions, or there is no page. Two parts may have been made under different ones: each section says its own.
"""

import json
import os
import platform
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backend import protocol
from backend.species import SPECIES
from tests.benchmarks.lifebench.entries import PARTS, REGISTRATIONS, WHOLE, Entry, Part, truth_itself
from tests.benchmarks.lifebench.metrics import Scores, Sense
from tests.benchmarks.lifebench.nouns import Truth
from tests.benchmarks.lifebench.tasks import SEEDS, Case, Task, cases

ARROWS = {Sense.LOWER: "lower", Sense.HIGHER: "higher", Sense.ONE: "1 is best"}
ROUNDING = 1e-12  # less than this is no more than the last bits of numbers
ABOUT = {
    Task.VIDEO: "A film from one camera is given, the whole life is looked for. No entry that sees only the film takes "
    "part yet: all are given some of the truth, or what it is of, and show what the measures make of that.",
    Task.MESH: "A mesh and words are given; the stretch of life that the words name is looked for.",
    Task.WORDS: "Words are given; the whole life is looked for.",
    Task.LOOP: "Words of a motion without an end are given; a mesh whose last frame leads into its first is looked "
    "for. When the wind blows and from where, no words say: seam, shake and how much it moves tell most of a loop.",
}

OF = {
    WHOLE.name: "",
    REGISTRATIONS.name: "Non-rigid registration takes minutes a life. It is measured on a part of the lives, with "
    "fewer frames and points and coarser meshes; these numbers are to be held against those of the same table only.",
}
LIVED = 0.05  # of the life, or of a loop's motion: an entry that gets no farther stands still
SPREAD = ("CD-3D", "CD-M", "trajectory error", "progress", "albedo")  # measures whose quartiles and worst life are told


class Mixed(ValueError):
    """Scores of one table that were made under different conditions; the message says which and what to do."""


@dataclass(frozen=True)
class Conditions:
    """What makes numbers comparable: only those of equal conditions are."""

    frames: int
    points: int  # on each surface
    detail: float  # of the meshes
    form: str  # of the file that each answer was read from
    version: str = protocol.VERSION

    def __str__(self) -> str:
        return (
            f"{self.frames} frames, {self.points:,} points, meshes of detail {self.detail:g}, read from {self.form}, "
            f"Anthesis {self.version}"
        )


class Result(NamedTuple):
    """Of one answer, to be kept."""

    scores: Scores
    seconds: float  # that it took to answer
    truth: str  # the digest of what it was measured against
    refused: str = ""  # what an entry said that would not answer: its scores are those of what stands still


@dataclass(frozen=True)
class Row:
    """An entry in a table: what was told of each measure, by the name of the life; nan where it could not be."""

    values: dict[str, dict[str, float]]
    seconds: float
    lives: int
    refused: int  # of these lives

    def told(self, measure: str) -> dict[str, float]:
        return {life: value for life, value in self.values[measure].items() if not np.isnan(value)}

    def median(self, measure: str) -> float:
        told = list(self.told(measure).values())
        return float(np.median(told)) if told else float("nan")

    def lives_on(self, task: Task) -> bool:
        """False of what stands still."""
        return not self.median("surface motion" if task is Task.LOOP else "progress") < LIVED

    def spread(self, measure: str, better: Sense) -> str:
        """Its quartiles, its worst value and whose that is."""
        told = self.told(measure)
        if not told:
            return "-"
        low, high = np.quantile(list(told.values()), [0.25, 0.75])
        worst = max(told, key=lambda life: better.short(told[life]))
        return f"{_shown(low)} to {_shown(high)}; {_shown(told[worst])} {worst}"


def path_of(folder: Path, part: Part, case: Case, entry: str) -> Path:
    """Where the scores of an answer are kept."""
    return folder / part.name / case.task.value / entry / f"{case.name}.json"


def is_kept(path: Path, conditions: Conditions, truth: Truth) -> bool:
    """Whether an answer to this truth was scored under these conditions before."""
    if not path.exists():
        return False
    kept = json.loads(path.read_text())
    return kept.get("conditions") == asdict(conditions) and kept.get("truth") == truth.digest


def keep(result: Result, path: Path, conditions: Conditions, command: str) -> None:
    """As JSON; what cannot be told is null."""
    told = [
        {"name": one.name, "value": one.value if one.told else None, "unit": one.unit, "better": one.sense.value}
        for one in result.scores.scores
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    how = {"conditions": asdict(conditions), "command": command, "truth": result.truth, "refused": result.refused}
    whole = path.with_suffix(".part")
    whole.write_text(json.dumps(how | {"seconds": round(result.seconds, 2), "scores": told}, indent=1))
    whole.replace(path)  # a run may be broken off at any moment


def write(folder: Path, path: Path, made: str) -> None:
    """The page: a section a part, a table a task, its columns the entries. `made`: when, and beside what.

    Raises:
        Mixed: the numbers of a table are not comparable.
    """
    kept = {(part.name, task): _kept(folder, part, task) for part in PARTS for task in part.entries}
    told = [one for of in kept.values() for lives in of.values() for one in lives.values()]
    lines = [
        "# LifeBench: results",
        "",
        "Growth and decay against ground truth, measured without learned weights. What each measure means stands in",
        "`metrics/`; what each entry is given beyond its task is said in its column. Each number is the median over",
        "the lives; a dash: it cannot be told. A measure that can be told of no entry has no row. The second table of",
        "a task has the quartiles of some measures, and the worst number with its life.",
        "",
        "What stands still is no answer, however near the truth it stays: where little moves, its distances are",
        f"small. An entry that gets through less than {LIVED:.0%} of life (of a loop: moves less than {LIVED:.0%} as",
        "much) by its median has its numbers in brackets. They are the floor under the others: an error that is",
        "greater than that in brackets says that the answer moves, but otherwise than the truth.",
        "",
        *(f"    {command}" for command in sorted({one["command"] for one in told})),
        "",
        f"{made}, {platform.machine()}, {os.cpu_count()} cores.",
    ]
    for part in PARTS:
        tables = [line for task in part.entries for line in _table(part, task, kept[part.name, task])]
        if tables and OF[part.name]:
            lines += ["", f"# {part.name.capitalize()}", "", OF[part.name]]
        lines += tables
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _kept(folder: Path, part: Part, task: Task) -> dict[Entry, dict[str, dict]]:
    """Of each entry what was scored, by the name of the life."""
    found, first, truths = {}, None, {}
    for entry in part.entries[task]:
        paths = sorted((folder / part.name / task.value / entry.name).glob("*.json"))
        told = {path.stem: json.loads(path.read_text()) for path in paths}
        for path in paths:
            first = first or path
            how, other = told[path.stem]["conditions"], json.loads(first.read_text())["conditions"]
            if how != other:
                raise Mixed(
                    f"{path} was scored with {_said(how)}, but {first} with {_said(other)}: score both in one way, or "
                    f"remove one"
                )
            truth = truths.setdefault(path.stem, told[path.stem].get("truth"))
            if truth is None or truth != told[path.stem]["truth"]:
                raise Mixed(f"{path} was measured against another {path.stem} than others were: score both again")
        if told:
            found[entry] = told
    return found


def _said(conditions: dict | str) -> str:
    return conditions if isinstance(conditions, str) else str(Conditions(**conditions))


def _table(part: Part, task: Task, kept: dict[Entry, dict[str, dict]]) -> list[str]:
    if not kept:
        return []
    first = next(iter(next(iter(kept.values())).values()))
    rows = {entry: _row(told) for entry, told in kept.items()}
    lines = [
        "",
        f"## {task.value}" + ("" if part is WHOLE else f", {part.name}"),
        "",
        f"{ABOUT[task]} {_lives(task, kept)}; {_said(first['conditions'])}.",
        "",
        "| measure | unit | better | " + " | ".join(entry.name for entry in rows) + " |",
        "|---|---|---|" + "---|" * len(rows),
        "| *given beyond the task* | | | " + " | ".join(entry.given or "-" for entry in rows) + " |",
    ]
    told = [one for one in first["scores"] if any(row.told(one["name"]) for row in rows.values())]
    for one in told:
        medians = " | ".join(_median(row, one["name"], task) for row in rows.values())
        lines.append(f"| {one['name']} | {one['unit']} | {ARROWS[Sense(one['better'])]} | {medians} |")
    lines.append("| time to answer | s | lower | " + " | ".join(f"{row.seconds:.1f}" for row in rows.values()) + " |")
    if any(row.refused for row in rows.values()):
        refused = " | ".join(str(row.refused) for row in rows.values())
        lines.append(f"| refused, counted as still | lives | lower | {refused} |")
    if len({row.lives for row in rows.values()}) > 1:
        lines.append("| lives | | | " + " | ".join(str(row.lives) for row in rows.values()) + " |")
    others = {entry: row for entry, row in rows.items() if entry.answer is not truth_itself}
    return lines + _spread([one for one in told if one["name"] in SPREAD], others)


def _spread(measures: list[dict], rows: dict[Entry, Row]) -> list[str]:
    if max((row.lives for row in rows.values()), default=0) < 2:
        return []
    lines = [
        "",
        "| quartiles; worst | " + " | ".join(entry.name for entry in rows) + " |",
        "|---|" + "---|" * len(rows),
    ]
    for one in measures:
        told = " | ".join(row.spread(one["name"], Sense(one["better"])) for row in rows.values())
        lines.append(f"| {one['name']} | {told} |")
    return lines


def _lives(task: Task, kept: dict[Entry, dict[str, dict]]) -> str:
    """How many of those there are that the benchmark has, and how many others."""
    lives, whole = {life for told in kept.values() for life in told}, cases(task, list(SPECIES), SEEDS)
    counted = lives & {case.name for case in whole}
    kinds = {life.rpartition("-")[0] for life in counted}
    said = (
        f"{len(counted)} of {len(whole)} lives, of {len(kinds)} of {len({case.specimen for case in whole})} specimens"
    )
    others = len(lives - counted)
    return said + (f", and {others} that the benchmark has not" if others else "")


def _row(told: dict[str, dict]) -> Row:
    values = defaultdict(dict)
    for life, each in told.items():
        for one in each["scores"]:
            values[one["name"]][life] = np.nan if one["value"] is None else one["value"]
    refused = sum(bool(each["refused"]) for each in told.values())
    return Row(values, float(np.median([each["seconds"] for each in told.values()])), len(told), refused)


def _median(row: Row, measure: str, task: Task) -> str:
    shown = _shown(row.median(measure))
    return shown if row.lives_on(task) or shown == "-" else f"({shown})"


def _shown(value: float) -> str:
    return "-" if np.isnan(value) else "0" if abs(value) < ROUNDING else f"{value:.3g}"
