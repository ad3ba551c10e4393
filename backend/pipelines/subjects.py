"""Subjects that were learnt here: what they are called, which is the name of their model, and where that lies.

HOME/subjects/NAME/ is a model folder as any other, with one file more, that says what it is called.
"""

import re
from pathlib import Path

import msgspec
from msgspec import Struct

from backend import protocol

FILE = "subject.json"
LISTED = 100  # for the panel
_LONGEST = 60  # letters of a folder's name: no file system takes more than 255 bytes


class Learnt(Struct, frozen=True):
    """What lies beside a model that has learnt a subject."""

    called: str
    key: str  # of what it was asked for, and learnt from
    steps: int
    scores: dict[str, float]


def place(called: str) -> Path:
    """Where the model of a subject lies, or will."""
    words = re.findall(r"\w+", called.lower())
    return protocol.default_home() / "subjects" / "-".join(words)[:_LONGEST]


def read(folder: Path) -> Learnt | None:
    """What lies in the folder of a subject; None where nothing does that can be read."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Learnt)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def found(called: str) -> Path | None:
    """The model of a subject; None where there is none that is called so."""
    folder = place(called)
    learnt = read(folder)
    return folder if learnt is not None and _same(learnt.called, called) else None


def names() -> tuple[str, ...]:
    """What they are called, the newest first."""
    folders = (protocol.default_home() / "subjects").glob("*")
    dated = sorted(((path.stat().st_mtime, path) for path in folders if path.is_dir()), reverse=True)
    return tuple(learnt.called for _, path in dated if (learnt := read(path)) is not None)[:LISTED]


def _same(one: str, other: str) -> bool:
    return one.casefold().split() == other.casefold().split()
