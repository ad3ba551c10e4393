"""What a command says while it works: a bar in a terminal, elsewhere a line now and then; sentences beside it."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from backend.pipelines.jobs import COMPILING
from backend.report import Report

QUIET = 30.0  # seconds at least from one line to the next, where no bar can be drawn


@contextmanager
def shown(remaining: bool = True) -> Iterator[Report]:
    """A report that moves a bar, which tells how long it may take yet where that is known (`remaining`)."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lines()
        return
    columns = [BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn()]
    columns += [TimeRemainingColumn()] * remaining
    with Progress(TextColumn("{task.description}"), *columns, console=console, transient=True) as progress:
        task = progress.add_task("Starting", total=1.0)
        yield lambda done, text: progress.update(task, completed=done, description=text)


def lines() -> Report:
    """In a file there is no bar: a report that says where it is when nothing was said for long. What is over before
    then says nothing, but that it compiles."""
    said, compiling = time.monotonic(), False

    def report(done: float, text: str) -> None:
        nonlocal said, compiling
        if text.startswith(COMPILING) and not compiling:
            compiling = True
            say(COMPILING)
        elif time.monotonic() - said >= QUIET:
            say(f"{100 * done:.0f} % done: {text}")
        else:
            return
        said = time.monotonic()

    return report


def say(text: str) -> None:
    """To the user, beside what the command prints."""
    # a prompt that is not UTF-8 may stand in the sentence, and a terminal cannot show it
    print(f"anthesis: {text}".encode(errors="replace").decode(), file=sys.stderr)
