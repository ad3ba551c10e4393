"""Scores on disk, and the one page that shows them."""

import json
import os
import platform
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from backend import protocol
from tests.benchmarks.lifebench.entries import ENTRIES, Entry
from tests.benchmarks.lifebench.metrics import Scores, Sense
from tests.benchmarks.lifebench.tasks import Case, Task

ARROWS = {Sense.LOWER: "lower", Sense.HIGHER: "higher", Sense.ONE: "1 is best"}
ROUNDING = 1e-12  # less than this is no more than the last bits of numbers
ABOUT = {
    Task.VIDEO: "A film from one camera is given, the whole life is looked for. No entry without the truth takes part "
    "yet: every row is made of the truth, and shows what the measures make of it.",
    Task.MESH: "A mesh and words are given; the stretch of life that the words name is looked for.",
    Task.WORDS: "Words are given; the whole life is looked for.",
    Task.LOOP: "Words of a motion without an end are given; a mesh whose last frame leads into its first is looked "
    "for. When the wind blows and from where, no words say: seam, shake and how much it moves tell most of a loop.",
}


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


@dataclass(frozen=True)
class Row:
    """An entry in a table: the median of each measure over the lives, nan where it cannot be told of any."""

    medians: dict[str, float]
    seconds: float
    lives: int


def path_of(folder: Path, case: Case, entry: str) -> Path:
    """Where the scores of an answer are kept."""
    return folder / "scores" / case.task.value / entry / f"{case.name}.json"


def is_kept(path: Path, conditions: Conditions) -> bool:
    """Whether an answer was scored under these conditions before."""
    return path.exists() and json.loads(path.read_text()).get("conditions") == asdict(conditions)


def keep(scores: Scores, path: Path, seconds: float, conditions: Conditions, command: str) -> None:
    """As JSON; what cannot be told is null."""
    told = [
        {"name": one.name, "value": one.value if one.told else None, "unit": one.unit, "better": one.sense.value}
        for one in scores.scores
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    how = {"conditions": asdict(conditions), "command": command, "seconds": round(seconds, 2)}
    path.write_text(json.dumps(how | {"scores": told}, indent=1))


def write(folder: Path, path: Path, date: str) -> None:
    """The page: a table a task, its rows the entries. Raises Mixed where the numbers of a table are not comparable."""
    kept = {task: _kept(folder, task) for task in Task}
    commands = sorted({one["command"] for of in kept.values() for told in of.values() for one in told.values()})
    lines = [
        "# LifeBench: results",
        "",
        "Growth and decay against ground truth, measured without learned weights. What each measure means stands in",
        "`metrics/`; what each entry is given beyond its task is said in its column. Each number is the median over",
        "the lives; a dash: it cannot be told. A measure that can be told of no entry has no row.",
        "",
        *(f"    {command}" for command in commands),
        "",
        f"{date}, {platform.machine()}, {os.cpu_count()} cores.",
    ]
    for task, told in kept.items():
        lines += _table(task, told)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _kept(folder: Path, task: Task) -> dict[Entry, dict[str, dict]]:
    """Of each entry what was scored, by the name of the life."""
    found, first = {}, None
    for entry in ENTRIES[task]:
        paths = sorted((folder / "scores" / task.value / entry.name).glob("*.json"))
        told = {path.stem: json.loads(path.read_text()) for path in paths}
        for path in paths:
            first = first or path
            how, other = told[path.stem]["conditions"], json.loads(first.read_text())["conditions"]
            if how != other:
                raise Mixed(
                    f"{path} was scored with {_said(how)}, but {first} with {_said(other)}: score both in one way, or "
                    f"remove one"
                )
        if told:
            found[entry] = told
    return found


def _said(conditions: dict | str) -> str:
    return conditions if isinstance(conditions, str) else str(Conditions(**conditions))


def _table(task: Task, kept: dict[Entry, dict[str, dict]]) -> list[str]:
    if not kept:
        return []
    first = next(iter(next(iter(kept.values())).values()))
    rows = {entry: _row(told) for entry, told in kept.items()}
    lives = {life for told in kept.values() for life in told}
    kinds = len({life.rpartition("-")[0] for life in lives})
    lines = [
        "",
        f"## {task.value}",
        "",
        f"{ABOUT[task]} {len(lives)} lives of {kinds} specimens; {_said(first['conditions'])}.",
        "",
        "| measure | unit | better | " + " | ".join(entry.name for entry in rows) + " |",
        "|---|---|---|" + "---|" * len(rows),
        "| *given beyond the task* | | | " + " | ".join(entry.given or "-" for entry in rows) + " |",
    ]
    for one in first["scores"]:
        medians = [row.medians[one["name"]] for row in rows.values()]
        if not np.isnan(medians).all():
            better = ARROWS[Sense(one["better"])]
            lines.append(f"| {one['name']} | {one['unit']} | {better} | " + " | ".join(map(_shown, medians)) + " |")
    lines.append("| time to answer | s | lower | " + " | ".join(f"{row.seconds:.1f}" for row in rows.values()) + " |")
    if len({row.lives for row in rows.values()}) > 1:
        lines.append("| lives | | | " + " | ".join(str(row.lives) for row in rows.values()) + " |")
    return lines


def _row(told: dict[str, dict]) -> Row:
    values = defaultdict(list)
    for each in told.values():
        for one in each["scores"]:
            values[one["name"]].append(np.nan if one["value"] is None else one["value"])
    medians = {name: _median(found) for name, found in values.items()}
    return Row(medians, float(np.mean([each["seconds"] for each in told.values()])), len(told))


def _median(values: list[float]) -> float:
    known = np.array(values)[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _shown(value: float) -> str:
    return "-" if np.isnan(value) else "0" if abs(value) < ROUNDING else f"{value:.3g}"
