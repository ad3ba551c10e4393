"""The intrinsic rest state of a body: the shape that each bit of it would take if nothing held it.

Processes change it over life; the elastic engine answers with a motion. So processes combine before anything moves:
growths multiply, curvatures add, and what one has softened another softens further.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from backend.geometry.body import Reals


@dataclass(eq=False)
class Rest:
    """One value for each of N vertices, in the body's units.

    "Along" is the direction in which the distance from the root grows, "across" all others.
    """

    along: Reals  # growth: length now over length at rest
    across: Reals
    droop: Reals  # of solid limbs: strain between the middle and the side that faces down, which shortens
    bow: Reals  # of sheets: curvature added along, towards the normal, in radians over the sheet's own size
    roll: Reals  # the same across
    skin_along: Reals  # growth of a solid's surface over that of its inside: above 1 it has to wrinkle
    skin_across: Reals
    puff: Reals  # how far a solid's surface stands off its inside, in sizes of the body
    press: Reals  # of sheets: share of the way to the middle of its part by which each point is pressed in
    soft: Reals  # share of the stiffness that is lost, in [0, 1]
    load: Reals  # share of the weight that nothing bears any more, in [0, 1]

    @classmethod
    def of(cls, count: int) -> Self:
        """Of `count` vertices to which nothing has happened."""
        one, nought = np.ones(count), np.zeros(count)
        return cls(one, one, nought, nought, nought, one, one, nought, nought, nought, nought)

    def grow(self, along: Reals | float, across: Reals | float) -> None:
        self.along, self.across = self.along * along, self.across * across

    def bend(self, bow: Reals | float = 0.0, roll: Reals | float = 0.0, droop: Reals | float = 0.0) -> None:
        self.bow, self.roll, self.droop = self.bow + bow, self.roll + roll, self.droop + droop

    def wrinkle(self, across: Reals | float, along: Reals | float) -> None:
        """By how much the skin is too large. Too large across, it wrinkles lengthwise, as fruit and fingers do."""
        self.skin_across, self.skin_along = self.skin_across * (1.0 + across), self.skin_along * (1.0 + along)

    def inflate(self, puff: Reals | float) -> None:
        self.puff = self.puff + puff

    def squeeze(self, press: Reals | float) -> None:
        self.press = 1.0 - (1.0 - self.press) * (1.0 - press)

    def soften(self, soft: Reals | float) -> None:
        self.soft = 1.0 - (1.0 - self.soft) * (1.0 - soft)

    def weigh(self, load: Reals | float) -> None:
        self.load = 1.0 - (1.0 - self.load) * (1.0 - load)
