"""Words to what should be made, with what was understood and what was not: a closed vocabulary, no language model.

English, German and French, typing errors among them. What is not known is told and never guessed; an object that no
specimen shows, a process that it lacks, a negation or a second object is refused with a sentence that says what to do.

    understand("three majestic white candles burning down slowly").say()
    # "three white candles, burning down slowly; passed over: majestic"
"""

from .life import Lived, in_its_stages, life_of
from .meaning import NotUnderstood, Size, Stage, Understanding
from .path import Path, backwards, path_of
from .reading import understand
from .wanted import record_of

__all__ = [
    "Lived",
    "NotUnderstood",
    "Path",
    "Size",
    "Stage",
    "Understanding",
    "backwards",
    "in_its_stages",
    "life_of",
    "path_of",
    "record_of",
    "understand",
]
