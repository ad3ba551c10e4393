"""Where melt runs down a cone, and when. One run more leaves the others where they are: they come in a set order, each
at an azimuth of its own.

    phi  azimuth        d  depth below the rim, along the axis
"""

from dataclasses import dataclass

import numpy as np

from backend.specimens.core import Array, Chance, golden, ramp
from backend.specimens.ice_cream.wafer import RIM, ROOT

RUN_WIDTH, RUN_THICKNESS = 0.040, 0.032
PLACES = (0, 7, 4, 11, 8, 5, 2, 9, 6, 1, 10, 3)  # twelfths of the way round; every second run comes to the floor


def azimuths_of_runs(chance: Chance) -> Array:
    """(12,) of as many runs as there may be, in the order in which they are added."""
    gap = 2 * np.pi / len(PLACES)
    uneven = chance.each("place of a run", len(PLACES)).uniform(-0.16, 0.16)
    return chance.of("runs").uniform(0, gap) + (np.array(PLACES) + uneven) * gap


@dataclass(frozen=True, eq=False)
class Runs:
    """n runs of melt down the wafer. Arrays (n, 1, 1), lengths in cones."""

    phi: Array
    wave: Array  # radians, how far it strays, and where it begins to
    phase: Array
    room: Array  # radians to either side, and where only those that come to the floor are left
    low_room: Array
    width: Array  # half
    thick: Array
    starts: Array  # life time
    takes: Array  # life time from its start to its end
    reach: Array  # depth of its end

    @classmethod
    def drawn(cls, phi: Array, chance: Chance) -> "Runs":
        """At azimuths `phi` (n,). The first is the first to come to the floor, and so does every second."""
        k, draws = np.arange(len(phi)), chance.each("run", len(phi))
        rank = golden(k)
        reach = np.where(k % 2 == 0, 0.975, draws.uniform(0.25, 0.70))
        room, low_room = _room(phi), np.ones(len(phi))
        low_room[::2] = _room(phi[::2])
        each = (
            phi,
            draws.uniform(-0.2, 0.2) * room,
            draws.uniform(0, 2 * np.pi),
            room,
            low_room,
            np.minimum(RUN_WIDTH * draws.uniform(0.75, 1.3), 0.8 * room * RIM),
            RUN_THICKNESS * draws.uniform(0.8, 1.2),
            0.03 + 0.36 * rank + draws.uniform(0, 0.04) * (k > 0),
            draws.uniform(0.31, 0.37) * reach**0.5,
            reach,
        )
        return cls(*(array[:, None, None] for array in each))

    @property
    def arrival(self) -> float:
        """Life time at which the first comes to the floor."""
        return float((self.starts + self.takes)[self.reach > 0.9].min())

    def lengths(self, tau: float) -> Array:
        """(n, 1, 1) from under the lip to their heads."""
        return 0.014 + (self.reach - 0.014 - ROOT) * ramp((tau - self.starts) / self.takes)


def _room(phi: Array) -> Array:
    """Radians that each of some directions has to either side."""
    order = np.argsort(np.mod(phi, 2 * np.pi))
    after = np.mod(np.roll(phi[order], -1) - phi[order] - 1e-9, 2 * np.pi)
    room = np.empty(len(phi))
    room[order] = 0.42 * np.minimum(after, np.roll(after, 1))
    return room
