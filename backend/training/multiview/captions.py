"""What specimens are called, in plain English: colour, state of life, noun, and where one of two things stands.

All words of one thing are such that backend.prompt understands them; it takes one thing at a time, so that sentences
of two are for those who ask the model of views alone. From these sentences come all the words that a seedling knows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import xxhash

from backend.priors.seedling import split

LONGEST = 12  # words of a caption: a seedling reads no more
ANY = 0.6  # share of the things whose colour is any, and is told
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")


@dataclass(frozen=True)
class State:
    """A stretch of a specimen's life and the words for it: before the noun, or behind it after a comma. Where `words`
    has "", none is as good."""

    low: float
    high: float
    words: tuple[str, ...]
    behind: tuple[str, ...] = ()
    needs: dict[str, float] = field(default_factory=dict)  # of the parameters
    often: float = 1.0
    coloured: bool = True  # whether the colour that the record has is seen


@dataclass(frozen=True)
class Kind:
    """How a specimen is called, and its states."""

    nouns: tuple[str, ...]
    states: tuple[State, ...]
    often: float = 1.0  # among the kinds
    coloured: bool = True  # whether it is told by colours


KINDS = {
    "rose": Kind(
        ("rose",),
        (
            State(0.0, 0.08, ("closed",)),
            State(0.2, 0.3, ("opening",)),
            State(0.42, 0.48, ("", "open", "blooming"), often=3),
            State(0.74, 0.84, ("wilting", "fading")),
            State(0.9, 1.0, ("wilted", "withered")),
        ),
        often=1.4,
    ),
    "lily": Kind(
        ("lily",),
        (
            State(0.0, 0.08, ("closed",)),
            State(0.2, 0.3, ("opening",)),
            State(0.43, 0.55, ("", "open", "blooming"), often=3),
            State(0.84, 0.92, ("wilting", "fading")),
        ),
        often=0.8,
    ),
    "sunflower": Kind(
        ("sunflower",),
        (
            State(0.4, 0.48, ("opening",)),
            State(0.58, 0.65, ("", "open", "blooming"), often=3),
            State(0.76, 0.86, ("wilting", "fading")),
            State(0.94, 1.0, ("wilted", "withered")),
        ),
        often=1.6,
    ),
    "sprout": Kind(
        ("sprout", "seedling"),
        (
            State(0.4, 0.55, ("growing",), ("growing",)),
            State(0.66, 0.74, ("",), often=2),
            State(0.92, 1.0, ("wilted", "withered")),
        ),
        often=0.8,
        coloured=False,
    ),
    "mushroom": Kind(
        ("mushroom", "toadstool"),
        (
            State(0.2, 0.3, ("growing",), ("growing",)),
            State(0.52, 0.64, ("",), often=3),
            State(0.78, 0.86, ("rotting",), ("rotting",)),
            State(0.94, 1.0, ("rotten",)),
        ),
    ),
    "oak_leaf": Kind(
        ("oak leaf",),
        (
            State(0.0, 0.04, ("green",), coloured=False),
            State(0.38, 0.44, ("",), often=2),
            State(0.66, 0.74, ("dried",)),
        ),
    ),
    "apple": Kind(
        ("apple",),
        (
            State(0.0, 0.04, ("green",), coloured=False),
            State(0.33, 0.37, ("",), often=3),
            State(0.62, 0.74, ("rotting",), ("rotting",), {"damp": 1.0}),
            State(0.92, 1.0, ("rotten",), (), {"damp": 1.0}),
            State(0.9, 1.0, ("dried", "shrivelled"), (), {"damp": 0.0}),
        ),
        often=1.4,
    ),
    "bread": Kind(
        ("bread", "loaf of bread", "loaf"),
        (
            State(0.1, 0.35, ("rising",), ("rising",), coloured=False),
            State(0.96, 1.0, ("", "baked"), often=3),
        ),
    ),
    "candle": Kind(
        ("candle",),
        (
            State(0.02, 0.3, ("", "burning"), ("burning",), {"flame": 1.0}, often=2),
            State(0.9, 0.98, ("burnt down",), (), {"flame": 1.0}),
            State(0.0, 0.02, ("unlit",), ("without a flame",), {"flame": 0.0}),
            State(0.4, 0.6, ("melting",), ("melting",), {"flame": 0.0}),
            State(0.9, 1.0, ("melted",), (), {"flame": 0.0}),
        ),
    ),
    "ice_cream": Kind(
        ("ice cream",),
        (
            State(0.0, 0.05, ("",), often=2),
            State(0.4, 0.55, ("melting",), ("melting",)),
            State(0.92, 1.0, ("melted",)),
        ),
    ),
    "ice_block": Kind(
        ("ice block", "block of ice"),
        (
            State(0.0, 0.05, ("",), often=2),
            State(0.15, 0.35, ("melting",), ("melting",)),
        ),
        often=0.6,
    ),
    "match": Kind(
        ("match",),
        (
            State(0.0, 0.0, ("",)),
            State(0.25, 0.6, ("burning",), ("burning",)),
            State(0.96, 1.0, ("burnt",)),
        ),
        often=0.4,
        coloured=False,
    ),
}
COMPACT = ("apple", "bread", "candle", "mushroom", "ice_cream", "ice_block")  # those that stand beside others
# How where the first stands is said -> that place, seen from the front: to the right (+X), and towards it (-Y).
PLACES = {
    "in front of": (0.0, -1.0),
    "behind": (0.0, 1.0),
    "to the left of": (-1.0, 0.0),
    "left of": (-1.0, 0.0),
    "to the right of": (1.0, 0.0),
    "right of": (1.0, 0.0),
    "beside": (1.0, 0.0),
    "next to": (1.0, 0.0),
}
SIDES = sorted(set(PLACES.values()))
# What sets of views leave out, and single pictures do not: whether one learns from the other.
UNSEEN_NOUN = "lily"
UNSEEN_COLOUR, UNSEEN_WITH = "blue", ("apple", "mushroom", "bread")


@dataclass(frozen=True)
class Said:
    """One thing in words: what it is, in what colour (None: its usual one), in which of its states."""

    kind: str
    colour: str | None
    state: State

    @property
    def unseen(self) -> bool:
        """Whether no set of views may show it to a model that learns."""
        shows = self.colour if self.state.coloured else None
        return self.kind == UNSEEN_NOUN or (shows == UNSEEN_COLOUR and self.kind in UNSEEN_WITH)

    def wordings(self) -> Iterator[str]:
        """Without an article: "open red rose", "red rose, open"."""
        colour = f"{self.colour} " if self.colour is not None and self.state.coloured else ""
        for noun in KINDS[self.kind].nouns:
            for word in self.state.words:
                yield f"{word} {colour}{noun}".strip()
            for word in self.state.behind:
                yield f"{colour}{noun}, {word}"

    def captions(self) -> list[str]:
        """All that it is called, each with an article and without."""
        return [one for words in self.wordings() for one in (words, f"{article(words)} {words}")]


def captions_of_two(first: Said, second: Said, side: tuple[float, float]) -> list[str]:
    """Of two things, of which the first stands on a side of the second."""
    return [
        f"{article(one)} {one} {place} {article(other)} {other}"
        for place, where in PLACES.items()
        if where == side
        for one in first.wordings()
        for other in second.wordings()
        if "," not in one + other and len(f"{one} {place} {other}".split()) <= LONGEST - 2
    ]


def article(words: str) -> str:
    """ "a" or "an"."""
    return "an" if words[0] in "aeiou" else "a"


def drawn(kind: str, state: State, rng: np.random.Generator) -> Said:
    """Of a kind in a state, its usual colour or any."""
    named = KINDS[kind].coloured and rng.random() < ANY
    return Said(kind, str(rng.choice(COLOURS)) if named else None, state)


def digest() -> str:
    """Of all kinds, states, colours and words: what is drawn by others is another corpus."""
    return xxhash.xxh3_64_hexdigest(repr((KINDS, COLOURS, ANY, PLACES)).encode())


def vocabulary() -> tuple[str, ...]:
    """All words of all captions, and so all that a seedling reads."""
    said = [
        Said(kind, colour, state)
        for kind, about in KINDS.items()
        for colour in ((*COLOURS, None) if about.coloured else (None,))
        for state in about.states
    ]
    texts = [text for one in said for text in one.captions()]
    texts += list(PLACES)
    return tuple(sorted({word for text in texts for word in split(text)}))
