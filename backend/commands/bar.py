"""What a command says while it works: a bar in a terminal, sentences beside it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from backend.pipelines.jobs import COMPILING
from backend.report import Report


@contextmanager
def shown() -> Iterator[Report]:
    """A report that moves a bar."""
    columns = BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(), TimeRemainingColumn()
    console, compiling = Console(stderr=True), False
    with Progress(TextColumn("{task.description}"), *columns, console=console, transient=True) as progress:
        task = progress.add_task("Starting", total=1.0)

        def report(done: float, text: str) -> None:
            nonlocal compiling
            if text.startswith(COMPILING) and not compiling and not console.is_terminal:
                say(COMPILING)  # in a file there is no bar to say it
                compiling = True
            progress.update(task, completed=done, description=text)

        yield report


def say(text: str) -> None:
    """To the user, beside what the command prints."""
    # a prompt that is not UTF-8 may stand in the sentence, and a terminal cannot show it
    print(f"anthesis: {text}".encode(errors="replace").decode(), file=sys.stderr)
