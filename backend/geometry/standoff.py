"""How far the skin of solids stands off what carries it, where it would otherwise pass through itself.

A lattice carries a surface nearly without crossings, whatever it does; it is wrinkles and bulges that meet, in crevices
and where parts touch. So contact holds them back: each vertex keeps a share of its way from where it is carried to
where the skin would have it, and the share falls, smoothly around, by as little as keeps the surface clear.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from backend.geometry.body import Reals
from backend.geometry.crossings import Crossings
from backend.geometry.fields import smoothstep

TRIES = 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.4  # of a step: shares by which what touches is held back, one after another
WIDER = 0.3  # share by which each reaches farther than the one before it


class StandOff:
    """The share (N,) of its stand-off that each vertex of a skin keeps: it begins at 1 and only falls, each time that
    it is looked at. So where surfaces touch, more frames hold back a little more."""

    def __init__(self, rest: Reals, faces: NDArray, reach: float):
        """reach: how far around what touches the skin is held back, in sizes."""
        self.kept = np.ones(len(rest))
        self._crossings, self._reach = Crossings(rest, faces), reach

    def clear(self, carried: Reals, wanted: Reals) -> Reals:
        """(N, 3) between where the skin is carried and where it wants to be; what still crosses after all TRIES is
        left, for the certificate to tell."""
        shown = self._shown(carried, wanted)
        for count, share in enumerate(TRIES):
            touching = self._crossings.corners(shown)
            if not len(touching):
                break
            reach = (1.0 + WIDER * count) * self._reach
            gap = cKDTree(shown[touching]).query(shown, distance_upper_bound=reach)[0]
            near = 1.0 - smoothstep(1.4 * np.minimum(gap / reach, 1.0) - 0.4)
            self.kept = np.maximum(self.kept - share * near, 0.0)
            shown = self._shown(carried, wanted)
        return shown

    def _shown(self, carried: Reals, wanted: Reals) -> Reals:
        # to the last bit where nothing touches
        moved = carried + self.kept[:, None] * (wanted - carried)
        return np.where(self.kept[:, None] < 1.0, moved, wanted)
