"""How a pipeline tells how far it is, and how it hears that nobody wants the rest."""

from typing import Protocol


class Cancelled(Exception):
    """Raised by a Report inside the pipeline that called it: the job's owner pressed Cancel."""


class Report(Protocol):
    """Called between steps, a few times a second at least. `done` in [0, 1], `text` for the panel, sentence case.

    It is also the place where a cancelled job stops: it raises Cancelled, which a pipeline lets through.
    """

    def __call__(self, done: float, text: str) -> None: ...


def part(report: Report, start: float, end: float) -> Report:
    """For a part of the work: what is all of it there goes from `start` to `end` of the whole."""
    return lambda done, text: report(start + (end - start) * done, text)


def noting(report: Report, note: str) -> Report:
    """With a sentence behind all that is told."""
    return lambda done, text: report(done, f"{text}. {note}")


def silent(done: float, text: str) -> None:
    """For callers that watch nothing and never cancel."""


class Preview(bytearray):
    """A record that a newer one replaces: a reader who is slow may miss it."""


class Varying(bytearray):
    """A record that may be another one in a second attempt, and goes with the records before it all the same: it holds
    seconds on the clock, or it is the only one that hangs on a GPU, which adds up in another order each time.

    Records that belong together, such as frames of a film, are none of these: there a second attempt that makes others
    must not go on, since clients have taken the first ones already.
    """


class Glimpse(Preview, Varying):
    """Both: seen in passing, and another one in each attempt. There are as many of them in each, for a record is known
    by its number, and what comes after must have the same."""
