"""How a parse is held against the one that was written down for its prompt, before there was a parser.

Fully right: every field, or the refusal with its kind. Silently wrong: a field is wrong, and the answer neither
refuses nor passes any word over that the expected answer does not. `passed_over` is scored apart: it counts for
"fully right" only in the second number. "grey" and "gray" are equal.
"""

import json
from pathlib import Path

from backend.prompt import NotUnderstood, Understanding, understand

FOLDER = Path(__file__).parent / "prompts"
_FIELDS = ("specimen", "count", "colour", "size", "parameters", "stages", "reverse")


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
    wrong = [name for name in _FIELDS if _plain(expected[name]) != _plain(got[name])]
    return wrong + (["passed_over"] if set(expected["passed_over"]) != set(got["passed_over"]) else [])


def is_silent(expected: dict, got: dict, wrong: list[str]) -> bool:
    """Whether a wrong answer would surprise: it was given, and no word that should have been understood is told."""
    if "refused" in got or not [name for name in wrong if name != "passed_over"]:
        return False
    return not set(got["passed_over"]) - set(expected.get("passed_over", []))


def _plain(value: object) -> object:
    if isinstance(value, str):
        return value.replace("grey", "gray")
    if isinstance(value, list):
        return [round(part, 3) if isinstance(part, float) else part for part in value]
    return value
