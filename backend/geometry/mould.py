"""Mould: colonies of a reaction-diffusion pattern (`backend.geometry.reaction`) on what has rotted for a while.

Departs from Gray and Scott's even ground: spores fall in ragged blots of unequal size, and the ground feeds some places
less than others. On even ground, from discs, all colonies would be the same rings.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from backend.geometry import fields, front
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Reals
from backend.geometry.reaction import GrayScott

COLONY = 0.08  # from one tuft to the next, in sizes
FINEST = 8.0  # edges that this must span: on a coarser mesh the reaction would stop at every vertex
FEED, KILL, BARREN = 0.036, 0.0638, 0.10  # of the reaction: spots that divide; kill where nothing is rotten yet
POOR = 0.09  # by how much the ground feeds less, or more, for each standard deviation
BLOT = 0.25, 0.75  # radius of what the spores of one site cover, in tufts, at least and at most
ROTTEN = 0.03  # depth behind the front from which mould can live
LIFE = 2600.0  # in units of the reaction
MOMENTS = 24


class Mould:
    """It grows as far as it is looked at, so nobody waits for all of it at once."""

    def __init__(self, anatomy: Anatomy, age: Callable[[float], Reals], seed: int):
        """age: of tau, (N,) the depth behind the front, in sizes."""
        points, faces = anatomy.body.vertices, anatomy.body.faces
        period = max(COLONY, FINEST * float(np.median(front.spacing(points, faces))))
        self._age, self._colonies = age, GrayScott(points, faces, period)
        self._sites = front.peaks(points, fields.noise(points, 0.7 / period, seed), anatomy.labels, period)
        rng = np.random.default_rng(seed + 1)
        self._depth = 2.0 * ROTTEN + rng.exponential(0.08, len(self._sites))  # behind the front when spores settle
        reach = period * rng.uniform(*BLOT, len(self._sites))
        ragged = np.clip(0.6 + 0.4 * fields.noise(points, 1.6 / period, seed + 2), 0.2, 1.0)
        near = cKDTree(points).query_ball_point(points[self._sites], reach)
        self._blots = []
        for site, blot, most in zip(self._sites, near, reach, strict=True):
            blot = np.asarray(blot, np.int64)
            gap = np.linalg.norm(points[blot] - points[site], axis=1)
            self._blots.append(blot[gap <= most * ragged[blot]])
        poor = POOR * np.clip(fields.noise(points, 0.5 / period, seed + 3), -1.5, 1.5)
        self._feed, self._kill = FEED * (1.0 - poor), KILL * (1.0 + 0.1 * poor)
        self._settled = np.zeros(len(self._sites), bool)
        self._grown = [np.zeros(len(points))]

    def at(self, tau: float) -> Reals:
        """(N,) how dense it is, in [0, 1]."""
        moment = tau * MOMENTS
        before, after = math.floor(moment), math.ceil(moment)
        while len(self._grown) <= after:
            self._grow(len(self._grown) / MOMENTS)
        return self._grown[before] + (moment - before) * (self._grown[after] - self._grown[before])

    def _grow(self, tau: float) -> None:
        age = self._age(tau)
        settling = ~self._settled & (age[self._sites] > self._depth)
        self._settled |= settling
        for site in np.flatnonzero(settling):
            self._colonies.plant(self._blots[site])
        self._colonies.grow(LIFE / MOMENTS, self._feed, np.where(age > ROTTEN, self._kill, BARREN))
        self._grown.append(np.clip(self._colonies.v / 0.30, 0.0, 1.0))
