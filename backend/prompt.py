"""Words to what should be made, with what was understood and what was not.

A closed vocabulary, no language model: an object, a colour, stages of its life. What is not known is told,
never guessed; an object that no specimen shows is refused with what there is.
"""

import re
from dataclasses import dataclass

OBJECTS = {"rose": "rose", "roses": "rose"}

# Linear RGB of petals, chosen by eye under a neutral light.
COLOURS = {
    "red": (0.42, 0.010, 0.018),
    "crimson": (0.30, 0.004, 0.020),
    "pink": (0.72, 0.18, 0.26),
    "white": (0.82, 0.79, 0.70),
    "cream": (0.80, 0.66, 0.42),
    "yellow": (0.80, 0.50, 0.03),
    "orange": (0.76, 0.19, 0.02),
    "peach": (0.80, 0.38, 0.20),
    "purple": (0.20, 0.03, 0.25),
    "violet": (0.16, 0.05, 0.40),
    "blue": (0.04, 0.08, 0.45),
    "black": (0.025, 0.006, 0.010),
}

# Stage -> the words for it. A stage is a stretch of life, see Understanding.life.
STAGES = {
    "bloom": ("bloom", "blooms", "blooming", "open", "opens", "opening", "unfold", "unfolds", "unfolding", "flowering"),
    "close": ("close", "closes", "closing"),
    "wilt": (
        "wilt", "wilts", "wilting", "wither", "withers", "withering", "die", "dies", "dying", "droop", "drooping",
        "fade", "fades", "fading",
    ),
}  # fmt: skip
_STAGE = {word: stage for stage, words in STAGES.items() for word in words}
_SILENT = frozenset(
    "a an the of and then that is are it its to slowly one single please with in as after later first finally".split()
)
_NOT = frozenset("not no never without neither nor kein keine nicht nie ohne".split())
# "die" is German's article as well: it is the English verb only where nothing German stands beside it.
_GERMAN = frozenset("eine einen einer ein der das und dann welche aufblüht blüht welkt verwelkt rote gelbe".split())


class NotUnderstood(ValueError):
    """A prompt that names nothing the built-in engine can make; the message says what it can."""


@dataclass(frozen=True)
class Understanding:
    """What a prompt asks for. `stages` in the order of the prompt; empty: the whole life."""

    specimen: str
    colour: str | None
    stages: tuple[str, ...]
    passed_over: tuple[str, ...]  # words that were not understood

    @property
    def understood(self) -> tuple[str, ...]:
        return tuple(word for word in (self.colour, self.specimen, *self.stages) if word)

    def header(self) -> dict[str, tuple[str, ...] | str]:
        """The fields of a protocol.Subject that say so to the artist."""
        name = " ".join(word for word in (self.colour, self.specimen) if word).capitalize()
        return {"name": name, "understood": self.understood[:32], "passed_over": self.passed_over[:32]}


def understand(prompt: str) -> Understanding:
    """Read a prompt. Raises NotUnderstood where no specimen is named."""
    words = re.findall(r"[^\W\d_]+|\d+", prompt.lower())
    specimens = list(dict.fromkeys(OBJECTS[word] for word in words if word in OBJECTS))
    if not specimens:
        raise NotUnderstood(
            f"The built-in engine cannot make {_quoted(prompt)}: from words it makes a rose, in {_list(COLOURS)}, "
            f"blooming, closing or wilting. For any other object, select a mesh and use Animate Selected "
            f"(wilt or melt). No engine that makes more from words is part of this version"
        )
    negated = [word for word in words if word in _NOT]
    if negated:
        raise NotUnderstood(
            f'The built-in engine does not understand "{negated[0]}": say what should happen, for example '
            f'"a red rose blooming"'
        )
    colours = list(dict.fromkeys(word for word in words if word in COLOURS))
    if _GERMAN & set(words):
        words = [word if word != "die" else "die (article)" for word in words]
    stages = [_STAGE[word] for word in words if word in _STAGE]
    known = set(OBJECTS) | set(_STAGE) | _SILENT | set(colours[:1])
    return Understanding(
        specimens[0],
        colours[0] if colours else None,
        tuple(stage for k, stage in enumerate(stages) if k == 0 or stage != stages[k - 1]),
        tuple(word[:40] for word in words if word not in known),
    )


def _quoted(prompt: str) -> str:
    text = " ".join(prompt.split())
    return f'"{text if len(text) <= 60 else text[:57] + "..."}"'


def _list(words) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}"
