"""What prompts are of: the corpus' own things of these words, of middling sizes, and their true views.

A thing is of use here if it tells its sides apart. What looks alike from everywhere (a candle, a mushroom) does so
beside another one alone.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backend.pipelines.mvdream import ELEVATION
from backend.render.orbits import Orbit
from backend.training.multiview.captions import KINDS, PLACES, Said, captions_of_two
from backend.training.multiview.corpus import Recipe
from backend.training.multiview.things import Individual, Thing, beside
from backend.training.multiview.views import Light, seen

SIDES = 8  # of the truth, evenly around


@dataclass(frozen=True)
class Asked:
    """A prompt, and what it is of: one thing, or two of which the first stands on a side of the second."""

    prompt: str
    said: tuple[Said, ...]
    side: tuple[float, float] | None = None

    @property
    def captions(self) -> list[str]:
        """All that the corpus calls it."""
        return self.said[0].captions() if self.side is None else captions_of_two(*self.said, self.side)

    @property
    def unseen(self) -> bool:
        """Whether no set of views shows it to a model that learns."""
        return any(one.unseen for one in self.said)


class Middle:
    """A chance that always draws what is in the middle: of numpy's generator, as much as things ask for."""

    def random(self) -> float:
        return 0.5

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2

    def integers(self, low: int, high: int) -> int:
        return (low + high - 1) // 2

    def normal(self, middle: float, spread: float, size: int) -> NDArray[np.floating]:
        return np.full(size, middle)


def _said(kind: str, state: int, colour: str | None = None) -> Said:
    return Said(kind, colour, KINDS[kind].states[state])


SUNFLOWER, LILY, LOAF = _said("sunflower", 1), _said("lily", 2), _said("bread", 1)
CANDLE = _said("candle", 0, "purple")
ASKED = {
    "sunflower": Asked("an open sunflower", (SUNFLOWER,)),
    "apple": Asked("a red apple", (_said("apple", 1, "red"),)),
    "apple_loaf": Asked(
        "a red apple in front of a loaf of bread", (_said("apple", 1, "red"), LOAF), PLACES["in front of"]
    ),
    "candle_apple": Asked(
        "a purple candle to the right of a green apple",
        (CANDLE, _said("apple", 1, "green")),
        PLACES["to the right of"],
    ),
    "lily": Asked("an open lily", (LILY,)),
    "blue_apple_loaf": Asked(
        "a blue apple in front of a loaf of bread", (_said("apple", 1, "blue"), LOAF), PLACES["in front of"]
    ),
    "candle_blue_mushroom": Asked(
        "a purple candle to the right of a blue mushroom",
        (CANDLE, _said("mushroom", 1, "blue")),
        PLACES["to the right of"],
    ),
}

# Words that leave much open, for how well views of one thing agree.
OPEN = {"rose": "rose", "mushroom": "mushroom", "leaf": "oak leaf", "candle": "candle", "anything": ""}


def thing(asked: Asked) -> Thing:
    """Of middling sizes and at a middling moment; of all that chance may decide, always the same."""
    chance = Middle()
    own = [
        Individual.of(one, (one.state,), Recipe.detail, 0, chance).at((one.state.low + one.state.high) / 2)
        for one in asked.said
    ]
    return own[0] if asked.side is None else beside(*own, asked.side, chance)


def around(count: int = SIDES, first: float = 0.0) -> Orbit:
    """So many cameras, the first at an azimuth; those of what a model draws, and of what a field shows."""
    return replace(Orbit.standing(ELEVATION, count), azimuth=first)


def views(of: Thing, side: int, by: Orbit) -> NDArray[np.uint8]:
    """(F, side, side, 3) of a thing, in the middling light."""
    return np.ascontiguousarray(seen(of, by.cameras, side, Light()).transpose(0, 2, 3, 1))
