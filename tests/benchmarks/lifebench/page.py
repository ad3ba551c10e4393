"""Scores on disk, and the one page that shows them."""

import json
import os
import platform
from collections import defaultdict
from pathlib import Path

import numpy as np

from backend import protocol
from tests.benchmarks.lifebench.entries import ENTRIES
from tests.benchmarks.lifebench.metrics import Scores, Sense
from tests.benchmarks.lifebench.tasks import Case, Task

ARROWS = {Sense.LOWER: "lower", Sense.HIGHER: "higher", Sense.ONE: "1 is best"}
LEFT_OUT = ("loop seam", "size on disk")  # of no life here, and of no file
ABOUT = {
    Task.VIDEO: "A film from one camera is given, the whole life is looked for. No system of ours takes part yet.",
    Task.MESH: "A mesh and words are given; the stretch of life that the words name is looked for.",
    Task.WORDS: "Words are given; the whole life is looked for.",
}


def path_of(folder: Path, case: Case, entry: str) -> Path:
    """Where the scores of an answer are kept."""
    return folder / "scores" / case.task.value / entry / f"{case.name}.json"


def keep(scores: Scores, path: Path, seconds: float, conditions: str) -> None:
    """As JSON; what cannot be told is null. `conditions` is what makes numbers comparable: only equal ones are."""
    told = [
        {"name": one.name, "value": one.value if one.told else None, "unit": one.unit, "better": one.sense.value}
        for one in scores.scores
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"conditions": conditions, "seconds": round(seconds, 2), "scores": told}, indent=1))


def write(folder: Path, path: Path, command: str, date: str) -> None:
    """The page: a table a task, its rows the entries, each number the mean over the lives that it can be told of."""
    lines = [
        "# LifeBench: results",
        "",
        "Growth and decay against ground truth, measured without learned weights. What each measure means stands in",
        "`metrics/`; what each entry is given beyond its task is said in its column. Each number is the mean over the",
        "lives; a dash: it cannot be told.",
        "",
        f"    {command}",
        "",
        f"{date}, {platform.machine()}, {os.cpu_count()} cores, Anthesis {protocol.VERSION}.",
    ]
    for task in Task:
        lines += _table(folder, task)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _table(folder: Path, task: Task) -> list[str]:
    rows, lives, senses, conditions = {}, set(), {}, set()
    for entry in ENTRIES[task]:
        values, seconds = defaultdict(list), []
        for found in sorted((folder / "scores" / task.value / entry.name).glob("*.json")):
            told = json.loads(found.read_text())
            lives.add(found.stem)
            conditions.add(told["conditions"])
            seconds.append(told["seconds"])
            for one in told["scores"]:
                senses[one["name"]] = (one["unit"], Sense(one["better"]))
                values[one["name"]].append(np.nan if one["value"] is None else one["value"])
        if seconds:
            rows[entry] = (
                {name: _mean(found) for name, found in values.items()},
                float(np.mean(seconds)),
                len(seconds),
            )
    if not rows:
        return []
    names = [name for name in senses if name not in LEFT_OUT]
    kinds = len({life.rpartition("-")[0] for life in lives})
    lines = [
        "",
        f"## {task.value}",
        "",
        f"{ABOUT[task]} {len(lives)} lives of {kinds} specimens; {' and '.join(sorted(conditions))}.",
        "",
    ]
    lines.append("| measure | unit | better | " + " | ".join(entry.name for entry in rows) + " |")
    lines.append("|---|---|---|" + "---|" * len(rows))
    lines.append("| *given beyond the task* | | | " + " | ".join(entry.given or "-" for entry in rows) + " |")
    for name in names:
        unit, sense = senses[name]
        told = [_shown(means[name]) for means, _, _ in rows.values()]
        lines.append(f"| {name} | {unit} | {ARROWS[sense]} | " + " | ".join(told) + " |")
    lines.append("| time to answer | s | lower | " + " | ".join(f"{took:.1f}" for _, took, _ in rows.values()) + " |")
    if len({count for _, _, count in rows.values()}) > 1:
        lines.append("| lives | | | " + " | ".join(str(count) for _, _, count in rows.values()) + " |")
    return lines


def _mean(values: list[float]) -> float:
    known = np.array(values)[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _shown(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3g}"


def _cores() -> int:
    import os

    return os.cpu_count() or 1
