"""Words of anything at all to what it is and what it lives through: "a red dragon, growing, then melting slowly".

Nothing is known here of the thing, so that much is left to grammar. A process that stands behind a noun is what happens
to it; one that stands before its noun, or is told as a state ("a wilted rose", "a rose in bloom"), is what it looks
like, and stays with the words of the thing, as all else does that is not of its life.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from backend import protocol

from .inflection import english_verb
from .items import ADJECTIVES, Item, Row, row_of
from .lexicon import STATES
from .meaning import NotUnderstood, Stage
from .path import SPEEDS
from .stages import separated, stages_of_any
from .vocabulary.objects import PROCESSES_OF

# What happens to a mesh -> the word for it in the vocabulary, where it has another or none there.
_OF_MESHES = {"shrivel": "dry", "swell": "rise", "rust": "", "crumple": ""}
_MESHES = {_OF_MESHES.get(name) or name: name for name in protocol.PROCESSES}
_OWN = {form: name for name, word in _OF_MESHES.items() if not word for form in english_verb(name)}
_SAID = {name: english_verb(f"{name}+" if name in ("rot", "shrivel") else name)[2] for name in protocol.PROCESSES}
_NOUNS = ("object", "near", "unknown", "part", "open", "compound", "flavour")
_NO_NOUNS = frozenset("away apart".split())
_LEADING = ("then", "while", "after", "before", "again", "together", "reverse", "subject")
_BETWEEN = ("silent", "and", "particle", "intensifier")  # these go with what stands beside them


@dataclass(frozen=True)
class Lived:
    """What is to be made, in its own words, and what it lives through; no stages: it is still."""

    thing: str
    stages: tuple[protocol.Stage, ...] = ()
    reverse: bool = False
    told: tuple[str, ...] = ()  # its stages, in words
    passed_over: tuple[str, ...] = ()

    def words(self) -> tuple[str, ...]:
        """What was understood, in phrases: the thing first, then each stage."""
        return tuple(phrase[:200] for phrase in (self.thing, *self.told, *(["in reverse"] if self.reverse else [])))


def life_of(prompt: str) -> Lived:
    """Raises NotUnderstood where words name no thing, or a life that no mesh can live."""
    text = unicodedata.normalize("NFC", prompt).strip()
    row = row_of(text)
    separated(row)
    for item in row.items:
        if name := _OWN.get(item.last):
            item.kind, item.value, item.senses = "process", name, ()
        elif item.kind == "process":
            item.value = _happening(item, row)
    for k, item in row.of("process", "whole"):
        item.scenery = item.kind == "whole" or item.value not in _MESHES or _is_look(row, k)
    stages = stages_of_any(row, _MESHES)
    if not stages:
        return Lived(_thing(text))
    thing = _thing(_without(text, row))
    return Lived(thing, _timed(stages), any(row.of("reverse")), tuple(_said(stages)))


def in_its_stages(lived: Lived, stages: tuple[protocol.Stage, ...]) -> Lived:
    """With stages that were chosen: they win over the words, which are passed over where they say other ones."""
    if not stages:
        return lived
    names = [protocol.name_of(stage.process) for stage in stages]
    told = (protocol.in_words(stages),)
    others = tuple(
        word for stage, word in zip(lived.stages, lived.told, strict=True)
        if protocol.name_of(stage.process) not in names
    )  # fmt: skip
    return Lived(lived.thing, stages, lived.reverse, told, others)


def _happening(item: Item, row: Row) -> str:
    """Of the processes that a verb may stand for, the one that is usual with what is named here."""
    word = item.value[0] if isinstance(item.value, tuple) else item.value
    choices = word.split("|")
    usual = {process for _, named in row.of("object") for process in PROCESSES_OF[named.value[0]]}
    able = [choice for choice in choices if choice in _MESHES]
    return next((choice for choice in able if choice in usual), able[0] if able else choices[0])


def _is_look(row: Row, k: int) -> bool:
    """Whether the process at k says what a thing looks like, and not what happens to it."""
    item = row.items[k]
    if not any(_is_noun(other) for other in row.items[:k]):
        return True
    after_then = row.at(row.next_not(k - 1, {"pace", "amount", "silent"}, -1)).kind == "then"
    if not after_then and (item.last in STATES[row.language] or item.text.startswith("in ")):
        return True
    ahead = row.at(row.next_not(k + 1, ADJECTIVES - {"unknown", "near", "told"}))
    return _is_noun(ahead)


def _is_noun(item: Item) -> bool:
    """Of unknown words most are; adverbs are none."""
    return item.kind in _NOUNS and not item.last.endswith("ly") and item.last not in _NO_NOUNS


def _without(text: str, row: Row) -> str:
    """The text without the words that say what it lives through."""
    gone = [
        (not item.scenery and item.kind in ("process", *_LEADING)) or (item.used and item.kind in ("pace", "amount"))
        for item in row.items
    ]
    for way in (range(len(gone)), reversed(range(len(gone)))):  # in rows of them: "and it starts to grow"
        for k in way:
            beside = [n for n in (k - 1, k + 1) if 0 <= n < len(gone) and gone[n]]
            gone[k] |= row.items[k].kind in _BETWEEN and bool(beside)
            gone[k] |= row.items[k].kind == "definite" and k + 1 in beside  # "die welkt": who does it
    kept, at = "", 0
    for start, end in _spans(text, row, gone):
        kept, at = kept + text[at:start], end
    return kept + text[at:]


def _spans(text: str, row: Row, gone: list[bool]) -> Iterator[tuple[int, int]]:
    """Where the words stand that are gone."""
    lower, at = text.lower(), 0
    for item, leaves in zip(row.items, gone, strict=True):
        for token in item.tokens:
            if not token.text or (start := lower.find(token.text, at)) < 0:
                continue
            at = start + len(token.text)
            if leaves:
                yield start, at


def _thing(text: str) -> str:
    """Tidied of spaces and of marks that part nothing any more. Raises NotUnderstood where no word is left."""
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\s*([,;.:!?])(?:\s*(?:[,;:!?]|->|→|➡|>|\.(?!\d)))*", r"\1", text)
    text = re.sub(r"\s*(?:-+>|=+>|→|➡)\s*", ", ", text).strip(" ,;:.-–—>")
    if not any(map(str.isalnum, text)):
        raise NotUnderstood.empty()
    return text


def _timed(stages: tuple[Stage, ...]) -> tuple[protocol.Stage, ...]:
    """One after another, the slow ones longer. Raises NotUnderstood where they are too many, or do not go together."""
    if len(stages) > protocol.STAGES:
        raise NotUnderstood(
            "parameter",
            f"A life has at most {protocol.STAGES} processes, and the prompt names {len(stages)}: leave some out",
        )
    chapters: list[list[Stage]] = []
    for stage in stages:
        if stage.together and chapters:
            chapters[-1].append(stage)
        else:
            chapters.append([stage])
    lengths = [max(1.0 / SPEEDS[stage.pace] for stage in chapter) for chapter in chapters]
    timed, begun = [], 0.0
    for chapter, length in zip(chapters, lengths, strict=True):
        ends = 1.0 if chapter is chapters[-1] else begun + length / sum(lengths)
        for stage in chapter:
            process = protocol.PROCESSES[_MESHES[stage.process]]()
            amount = min(max(stage.amount or 1.0, 0.01), 1.0)
            timed.append(protocol.Stage(process=process, amount=amount, start=begun, end=ends))
        begun = ends
    try:
        protocol.check_life(tuple(timed), 0.0, 1.0)
    except ValueError as error:
        raise NotUnderstood("process", str(error)) from None
    return tuple(timed)


def _said(stages: tuple[Stage, ...]) -> Iterator[str]:
    paces = {"slow": " slowly", "fast": " quickly", None: ""}
    for k, stage in enumerate(stages):
        joint = "" if not k else "and " if stage.together else "then "
        much = "" if stage.amount in (None, 1.0) else f" {100 * stage.amount:g} %"
        yield f"{joint}{_SAID[_MESHES[stage.process]]}{paces[stage.pace]}{much}"
