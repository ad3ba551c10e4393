"""Lets the entries of a part of the benchmark answer, life by life, and keeps what they score.

All that is asked of one individual is asked while its truth is at hand: the life of the tasks `video` and `words` is
one, is grown once, and what every answer is measured against is found on it once. An answer that is the same in two
tasks is scored once. Each score is kept as it comes, so that a run that was broken off goes on where it was.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Self

from tests.benchmarks.lifebench.baselines import Refused, Unavailable
from tests.benchmarks.lifebench.entries import STILL, Entry, Part, through_file
from tests.benchmarks.lifebench.metrics import Counts, score
from tests.benchmarks.lifebench.nouns import Truth
from tests.benchmarks.lifebench.page import Conditions, Result, is_kept, keep, path_of
from tests.benchmarks.lifebench.tasks import Case, Task, cases


class Unknown(ValueError):
    """A task or an entry that a part has not; the message says which it has."""


@dataclass(frozen=True)
class Run:
    """What of a part is asked for, and how."""

    part: Part
    folder: Path
    conditions: Conditions
    tasks: list[Task]
    names: list[str]  # of the entries that take part
    command: str

    @classmethod
    def of(
        cls,
        part: Part,
        folder: Path,
        conditions: Conditions,
        tasks: list[Task] | None,
        names: list[str] | None,
        command: str,
    ) -> Self:
        """None: all tasks of the part, or all its entries in them. Raises Unknown."""
        tasks = list(part.entries) if tasks is None else tasks
        if missing := [task.value for task in tasks if task not in part.entries]:
            has = ", ".join(task.value for task in part.entries)
            raise Unknown(f"there is no task {', '.join(missing)}: there is {has}")
        able = list(dict.fromkeys(entry.name for task in tasks for entry in part.entries[task]))
        if missing := [name for name in names or () if name not in able]:
            raise Unknown(f"there is no entry {', '.join(missing)}: there are {', '.join(able)}")
        return cls(part, folder, conditions, tasks, names or able, command)

    def __call__(self, specimens: list[str], seeds: list[int]) -> Iterator[str]:
        """A line for each answer. The first individual of every specimen comes before the second of any."""
        for seed, specimen in product(seeds, specimens):
            life = Life(self.conditions)
            for task in self.tasks:
                for case in cases(task, [specimen], [seed], self.conditions.detail):
                    yield from self._case(case, life)

    def _case(self, case: Case, life: "Life") -> Iterator[str]:
        for entry in self.part.entries[case.task]:
            path = path_of(self.folder, self.part, case, entry.name)
            if entry.name not in self.names or is_kept(path, self.conditions, life.truth(case)):
                continue
            began = time.perf_counter()
            try:
                result = life.result(case, entry)
            except Unavailable as missing:
                yield f"{path} is left out: {missing}"
                continue
            keep(result, path, self.conditions, self.command)
            said = f", counts as still: {result.refused}" if result.refused else ""
            yield f"{path}  {result.seconds:.1f} s, {time.perf_counter() - began:.1f} s with its scores{said}"


class Life:
    """One individual while it is looked at: its truths, at most three, and what answers to them have scored."""

    def __init__(self, conditions: Conditions):
        self._conditions = conditions
        self._truths: dict[str, Truth] = {}
        self._results: dict[tuple, Result] = {}

    def truth(self, case: Case) -> Truth:
        """What a case looks for, grown when it is first asked for."""
        if case.task.life not in self._truths:
            self._truths[case.task.life] = case.truth(self._conditions.frames)
        return self._truths[case.task.life]

    def result(self, case: Case, entry: Entry) -> Result:
        """Of an entry's answer. Raises Unavailable."""
        same = case.task.life, case.task.freedom, entry.answer
        if same not in self._results:
            self._results[same] = self._measured(case, entry)
        return self._results[same]

    def _measured(self, case: Case, entry: Entry) -> Result:
        truth, refused, began = self.truth(case), "", time.perf_counter()
        try:
            answer = entry.answer(case, truth)
        except Refused as error:
            answer, refused = STILL.answer(case, truth), str(error)
        seconds = time.perf_counter() - began
        counts = Counts(self._conditions.points, self._conditions.points // 10)
        told = through_file(answer, self._conditions.form, truth.loop)
        return Result(score(told, truth, case.task.freedom, counts), seconds, truth.digest, refused)
