"""How a parse is held against the one that was written down for its prompt, before there was a parser.

Fully right: every field, or the refusal with its kind. `turned` is a field where the expected parse has it.
`passed_over` is scored apart: it counts for "fully right" only in the second number. "grey" and "gray" are equal.

Silently wrong: the answer does not refuse, and a field is wrong for which no word is passed over that should not be. A
word stands for the fields that its senses in the vocabulary can be of ("crimson" for the colour), a word outside the
vocabulary for one field of those that are left.
"""

import json
from pathlib import Path

from backend.prompt import NotUnderstood, Understanding, understand
from backend.prompt.lexicon import SENSES
from backend.prompt.tokens import tokens

FOLDER = Path(__file__).parent / "prompts"
_FIELDS = ("specimen", "count", "colour", "size", "parameters", "stages", "reverse", "turned")
_NUMBERS = "count one multiple some bunch all"
_KINDS = {  # field -> kinds of senses that it is told by
    "specimen": "object near open compound part",
    "count": f"{_NUMBERS} compound",
    "colour": "colour shade coloured",
    "size": f"size comparative height unit compound amount {_NUMBERS}",
    "parameters": f"part lack {_NUMBERS}",
    "stages": f"process whole pace amount lose turn separated particle together while then again part {_NUMBERS}",
    "reverse": "reverse",
    "turned": "colour shade turn",
}


def written(name: str) -> list[dict]:
    """Prompts with their expected parses: "written", or "held_out", which the parser's author did not read."""
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def record(understanding: Understanding) -> dict:
    """An understanding in the form of the expected parses."""
    stages = []
    for stage in understanding.stages:
        told = {"process": stage.process, "pace": stage.pace, "amount": stage.amount, "drop": stage.drop}
        stages.append({name: value for name, value in told.items() if value is not None})
        if stage.together:
            stages[-1]["with"] = True
    return {
        "specimen": understanding.specimen,
        "count": understanding.count,
        "colour": understanding.colour,
        "size": list(understanding.size) if understanding.size else None,
        "parameters": understanding.parameters,
        "stages": stages,
        "reverse": understanding.reverse,
        "turned": understanding.turned,
        "passed_over": list(understanding.passed_over),
    }


def answer(prompt: str) -> dict:
    """The parse or refusal of a prompt in the form of the expected parses."""
    try:
        return record(understand(prompt))
    except NotUnderstood as refusal:
        return refused(refusal)


def refused(refusal: NotUnderstood) -> dict:
    """A refusal in the form of the expected parses: "nearest" only of objects, "process" only of processes."""
    told = {"refused": refusal.kind}
    if refusal.kind == "object":
        told["nearest"] = refusal.nearest
    if refusal.kind == "process":
        told["process"] = refusal.process
    return told


def differences(expected: dict, got: dict) -> list[str]:
    """Names of the fields that differ, "passed_over" among them."""
    if "refused" in expected or "refused" in got:
        names = [name for name in ("refused", "nearest", "process") if expected.get(name) != got.get(name)]
        return names
    asked = [name for name in _FIELDS if name in expected or name != "turned"]
    wrong = [name for name in asked if _plain(expected[name]) != _plain(got[name])]
    return wrong + (["passed_over"] if set(expected["passed_over"]) != set(got["passed_over"]) else [])


def is_silent(expected: dict, got: dict, wrong: list[str]) -> bool:
    """Whether a wrong answer would surprise: it was given, and for a wrong field no word is told that should have been
    understood. An answer where a refusal was due counts as one wrong field, of any kind."""
    if "refused" in got:
        return False
    further = [word for word in got["passed_over"] if word not in expected.get("passed_over", [])]
    if "refused" in expected:
        return not further
    known = [_fields_of(word) for word in further]
    untold = [name for name in wrong if name != "passed_over" and not any(name in fields for fields in known)]
    return len(untold) > sum(not fields for fields in known)


def _fields_of(word: str) -> set[str]:
    """Fields that a word of the vocabulary can tell; none of any other."""
    kinds = {"count"} if any(token.number is not None for token in tokens(word)) else set()
    kinds |= {sense.kind for token in tokens(word) for sense in SENSES.get((token.key,), ())}
    return {field for field, told in _KINDS.items() if kinds & set(told.split())}


def _plain(value: object) -> object:
    if isinstance(value, str):
        return value.replace("grey", "gray")
    if isinstance(value, list):
        return [round(part, 3) if isinstance(part, float) else part for part in value]
    return value
