"""Where a surface in motion passes through itself."""

import numpy as np
from numpy.typing import NDArray

from backend.geometry.body import Reals
from kernels.crossings import crossings

SLACK = 1e-6  # sizes: what reaches in no deeper does not cross
ROUNDED = 0.9  # of that, in motion: positions are rounded before they are shown


class Crossings:
    """Triangles (F, 3) of a surface that cross another one and did not at rest, (N, 3)."""

    def __init__(self, rest: Reals, faces: NDArray):
        self.faces = faces.astype(np.int64)
        self._before = self._all(rest, SLACK)

    def _all(self, positions: Reals, slack: float) -> NDArray[np.bool_]:
        return crossings(positions[self.faces], self.faces, slack)

    def corners(self, positions: Reals) -> NDArray[np.int64]:
        """The vertices of the triangles that newly cross at `positions` (N, 3)."""
        return np.unique(self.faces[self._all(positions, ROUNDED * SLACK) & ~self._before])
