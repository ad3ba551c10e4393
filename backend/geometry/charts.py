"""Blades laid flat: how far each point of a petal or leaf is from its foot, and from its midrib.

A chart by distances along the surface, from few landmarks (de Silva and Tenenbaum, "Global versus local methods in
nonlinear dimensionality reduction", NIPS 2002), so that it does not matter how the artist bent the blade.

Notation, of `Charts.blade`: squares (K, M) their squared distances delta from K landmarks; between (K, K) those of the
landmarks, Delta_n; mean (K,) delta_mu; gram the doubly centred B_n; inverse (2, K) the pseudo-inverse L_k^#; flat the
embedding, -1/2 L_k^# (delta - delta_mu). Landmarks are taken farthest first, as their MaxMin.

Departs from them: distances go along edges and across pairs of triangles, and through a closed blade from side to side;
the two axes are not the principal ones but the way from the foot to the middle and the one across; and of a petal that
is one surface with others, `along` is the way from its foot itself, so that all petals start on one row.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from backend.geometry import fields
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Reals

Integers = NDArray[np.int64]

LANDMARKS = 12


@dataclass(frozen=True, eq=False)
class Blade:
    """One petal, sepal or leaf. Its M vertices are `chosen` of the body's."""

    chosen: Integers  # (M,)
    along: Reals  # (M,) distance from the foot, along its middle; negative behind it
    across: Reals  # (M,) signed distance from its midrib
    side: Reals  # (M,) of a closed one: how far it lies outside its middle, seen from the axis; 0 in a sheet
    foot: NDArray[np.bool_]  # (M,) where it is attached
    welded: bool = False  # whether it is one surface there with what it is attached to

    @property
    def length(self) -> float:
        return float(self.along.max())

    @property
    def width(self) -> float:
        return float(np.ptp(self.across))


@dataclass(frozen=True, eq=False)
class Part:
    """A connected part, or a petal of one, measured."""

    chosen: Integers  # (M,)
    points: Reals  # (M, 3)
    middle: Reals  # (3,)
    size: float  # square root of the area of one side
    flat: bool
    green: bool
    thickness: float  # of a closed one; 0 in a sheet
    depth: Reals  # (M,) distance from the root
    way: Reals  # (M,) distance from where it is attached, along its own surface
    rooted: bool = False  # whether it has a share in the root
    welded: bool = False  # whether it is one surface with what it is attached to


class Charts:
    """All blades laid flat at once: no way leads from one to the next, so one search along the surface serves all."""

    def __init__(self, anatomy: Anatomy, parts: list[Part]):
        self.vertices = anatomy.body.vertices
        count = len(self.vertices)
        owner = np.full(count, -1)
        for number, part in enumerate(parts):
            owner[part.chosen] = number
        faces, of = anatomy.body.faces, owner[anatomy.body.faces]
        self.seam = np.zeros(count, bool)  # where they are one surface with what is no blade
        self.seam[faces[(of >= 0).any(axis=1) & (of < 0).any(axis=1)]] = True
        self.faces = faces = faces[(of[:, 0] >= 0) & (of == of[:, :1]).all(axis=1)]
        self.outward = anatomy.winding[anatomy.labels]
        sides = fields.edges(anatomy.body.faces)
        sides = sides[(owner[sides[:, 0]] >= 0) & (owner[sides[:, 0]] == owner[sides[:, 1]])]
        pairs = np.concatenate([sides, fields.across(faces), self._through(anatomy, parts)])
        length = np.linalg.norm(self.vertices[pairs[:, 0]] - self.vertices[pairs[:, 1]], axis=1)
        self.graph = graph = fields.shortest_of(pairs, np.maximum(length, 1e-12), count)
        self.distance = np.zeros((LANDMARKS, count))
        self.marks: list[Integers] = []  # of each round, one vertex a part
        nearest = np.full(count, np.inf)
        self._place = {int(part.chosen[0]): k for k, part in enumerate(parts)}
        marks = np.array([part.chosen[np.argmin(part.way)] for part in parts], np.int64)
        for k in range(LANDMARKS if len(parts) else 0):
            found = dijkstra(graph, directed=False, indices=marks, min_only=True)
            self.distance[k] = np.where(np.isfinite(found), found, 0.0)
            self.marks.append(marks)
            nearest = np.minimum(nearest, self.distance[k])
            marks = np.array([part.chosen[np.argmax(nearest[part.chosen])] for part in parts], np.int64)

    def _through(self, anatomy: Anatomy, parts: list[Part]) -> Integers:
        """(K, 2) pairs that join the two sides of closed blades."""
        solid = [part.chosen for part in parts if part.thickness > 0.0]
        if not solid:
            return np.zeros((0, 2), np.int64)
        found = []
        for chosen in solid:
            outward = anatomy.normals[chosen]
            _, near = cKDTree(self.vertices[chosen]).query(self.vertices[chosen], k=min(16, len(chosen)))
            facing = np.einsum("mi,mki->mk", outward, outward[near]) < -0.3
            first = np.argmax(facing, axis=1)
            pair = np.stack([chosen, chosen[near[np.arange(len(chosen)), first]]], axis=1)
            found.append(pair[facing.any(axis=1)])
        return np.concatenate(found).astype(np.int64)

    def blade(self, part: Part, foot: NDArray[np.bool_], axis: Reals) -> Blade:
        chosen = part.chosen
        place = self._place[int(chosen[0])]
        squares = self.distance[:, chosen] ** 2  # (K, M)
        marks = np.array([m[place] for m in self.marks])
        between = self.distance[:, marks] ** 2  # (K, K)
        between = 0.5 * (between + between.T)
        mean = between.mean(axis=0)
        gram = -0.5 * (between - mean[:, None] - mean[None] + mean.mean())
        values, axes = np.linalg.eigh(gram)
        inverse = (axes[:, -2:] / np.sqrt(np.maximum(values[-2:], 1e-12 * max(values[-1], 1e-30)))).T
        flat = (-0.5 * inverse @ (squares - mean[:, None])).T  # (M, 2)
        start = flat[foot].mean(axis=0)
        along = flat.mean(axis=0) - start
        if np.linalg.norm(along) < 0.1 * np.ptp(flat[:, 1]):  # it is held in its middle
            along = np.array([0.0, 1.0])
        along /= max(np.linalg.norm(along), 1e-12)
        flat = flat - start
        s, u = flat @ along, flat @ np.array([-along[1], along[0]])
        points = self.vertices[chosen]
        out = points.mean(axis=0) - points[foot].mean(axis=0)
        aside = np.cross(axis, out)
        if np.linalg.norm(aside) < 1e-9:
            aside = np.cross(out, np.eye(3)[0])
        turn = np.sign(np.sum(u * ((points - points.mean(axis=0)) @ aside))) or 1.0
        if part.welded:  # it was cut off at one distance
            s = part.way
        return Blade(chosen, s, turn * u, self._side(part, s, turn * u), foot, part.welded)

    def around(self, part: Part, foot: NDArray[np.bool_], azimuth: Reals) -> Blade:
        """One that goes all the way round, at this azimuth (M,): it has no flat chart, only the way from its foot."""
        reached = dijkstra(self.graph, directed=False, indices=part.chosen[foot], min_only=True)[part.chosen]
        along = np.where(np.isfinite(reached), reached, 0.0)
        return Blade(part.chosen, along, 0.0 * along, self._side(part, along, azimuth, 2.0 * np.pi), foot, part.welded)

    def _side(self, part: Part, along: Reals, across: Reals, turn: float = np.inf) -> Reals:
        """(M,) half the thickness where a closed blade faces outwards, less that where it faces inwards.

        Laid flat, the triangles of one side go round one way and those of the other side the other way. `across` comes
        back to where it was after a `turn`.
        """
        if part.thickness == 0.0:
            return np.zeros(len(part.chosen))
        place = np.full(len(self.vertices), -1)
        place[part.chosen] = np.arange(len(part.chosen))
        faces = place[self.faces[(place[self.faces] >= 0).all(axis=1)]]
        u, v = (values[faces[:, 1:]] - values[faces[:, :1]] for values in (across, along))  # (F, 2)
        if np.isfinite(turn):
            u = (u + 0.5 * turn) % turn - 0.5 * turn
        area = u[:, 0] * v[:, 1] - v[:, 0] * u[:, 1]
        ways = [np.bincount(faces.ravel(), np.repeat(a, 3), len(along)) for a in (area, np.abs(area))]
        return 0.5 * part.thickness * self.outward[part.chosen] * ways[0] / np.maximum(ways[1], 1e-30)
