"""Subjects that were learnt here: what they are called, which is the name of their model, and where that lies.

HOME/subjects/NAME/ is a model folder as any other, with one file more, that says what it is called. NAME is made of the
words of that, and of a digest of them too where other words would make the same: "zebedee mug" lies in zebedee-mug, and
"Zebedee-mug" in zebedee-mug-e4df02c0.
"""

import re
from pathlib import Path

import msgspec
import xxhash
from msgspec import Struct

from backend import protocol

FILE = "subject.json"
LISTED = 100  # for the panel
_LONGEST = 60  # letters of words in a folder's name: no file system takes more than 255 bytes
_DIGEST = 8  # letters behind these


class Learnt(Struct, frozen=True):
    """What lies beside a model that has learnt a subject."""

    called: str
    key: str  # of what it was asked for, and learnt from
    steps: int
    scores: dict[str, float]


def place(called: str) -> Path:
    """Where the model of a subject lies, or will."""
    words, home = called.casefold().split(), protocol.default_home() / "subjects"
    plain = re.findall(r"\w+", called.casefold())
    name = "-".join(plain)[:_LONGEST]
    alone = home / f"{name}-{xxhash.xxh3_128_hexdigest(' '.join(words).encode())[:_DIGEST]}"
    before = home / "-".join(re.findall(r"\w+", called.lower()))[:_LONGEST]  # of a version that knew no digests
    for folder in (home / name, alone, before):
        if (learnt := read(folder)) is not None and _same(learnt.called, called):
            return folder
    faithful = plain == words and name == "-".join(words)
    return home / name if faithful and read(home / name) is None else alone


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
