"""The elastic engine: what a body does when its rest state changes and its weight comes to bear.

Closed parts are a lattice solid, open ones thin shells that grow on them, and where wrinkles are wanted the solids
get a skin: a shell over their surface, tethered to where the lattice carries it. All three answer to one Rest.
"""

from copy import copy
from typing import Self

import numpy as np

from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Detail
from backend.geometry.elastic.footing import Footing
from backend.geometry.elastic.sheets import Sheets
from backend.geometry.elastic.skin import Skin
from backend.geometry.elastic.solids import Solids
from backend.geometry.rest import Rest


class Elastic:
    """A body in motion. `step` takes it on by STEP seconds; `positions` (N, 3) is where it is."""

    def __init__(self, anatomy: Anatomy, detail: Detail, seed: int, wrinkled: bool):
        self.anatomy = anatomy
        self.positions = anatomy.body.vertices
        self._free = (1.0 - anatomy.held)[:, None]
        self._footing = footing = Footing(anatomy)
        self._engines: list[Solids | Sheets | Skin] = []
        if not anatomy.is_sheet.all():
            self._engines.append(Solids(anatomy, footing, detail, seed))
            if wrinkled:
                self._engines.append(Skin(anatomy, seed))
        if anatomy.is_sheet.any():  # last: they ride on where the solids have gone
            self._engines.append(Sheets(anatomy, footing, seed))

    def step(self, rest: Rest) -> None:
        self._footing.follow(rest)
        rooted = self._footing.carry(self.anatomy.body.vertices, self._footing.label)
        positions = rooted.copy()
        for engine in self._engines:
            engine.step(rest, positions)
        positions = rooted + self._free * (positions - rooted)
        positions[:, 2] = np.maximum(positions[:, 2], 0.0)
        self.positions = positions

    def fork(self) -> Self:
        """The same body at the same moment, free to go another way."""
        other = copy(self)
        other._engines = [engine.fork() for engine in self._engines]
        return other
