"""The subject, and frames of its clip held against it: stretch, folds, crossings."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from backend.certificate.solids import Bools, Ints, Reals, Solids
from backend.clip import Mesh

STILL = 1e-5  # of the size: a smaller step is none
TURNED = -0.5  # cosine of the angle between two normals, 120 degrees


@dataclass(frozen=True, eq=False)
class Moment:
    """What a frame is measured by."""

    positions: Reals  # (V, 3) about the middle of the subject
    opacity: NDArray[np.float32] | None

    def there(self, faces: Ints) -> Bools:
        """(F,) the faces that are not gone."""
        if self.opacity is None:
            return np.ones(len(faces), bool)
        return self.opacity[faces].mean(axis=1) >= 0.5


class Surface:
    """The subject, and frames held against it. What is not always needed is worked out when it is."""

    def __init__(self, subject: Mesh):
        vertices = subject.vertices.astype(np.float64) if len(subject.vertices) else np.zeros((1, 3))
        lowest, highest = vertices.min(axis=0), vertices.max(axis=0)
        self.faces = subject.faces
        self.size = float((highest - lowest).max()) or 1.0
        self._middle = (lowest + highest) / 2
        self.rest = self.own(subject.vertices)
        self._rest_corners = self.rest[self.faces]
        # Vertices at one place are one: faces beside a seam are neighbours.
        self._names = _welded(self.rest, self.size)[self.faces]
        # float32 far from the origin rounds coarsely, and must not decide
        self._slack = max(1e-6 * self.size, 4 * float(np.finfo(np.float32).eps * np.abs(vertices).max()))

    def own(self, positions: NDArray[np.float32]) -> Reals:
        """(V, 3) about the middle of the subject, where differences of float64 lose nothing."""
        return positions.astype(np.float64) - self._middle

    def stretch(self, corners: Reals, there: Bools) -> Reals:
        """Of each edge of each face that is `there`, against the subject."""
        rest = self._rest_lengths
        measurable = (rest > STILL * self.size) & there[:, None]
        return _edge_lengths(corners)[measurable] / rest[measurable]

    @cached_property
    def _rest_lengths(self) -> Reals:
        return _edge_lengths(self._rest_corners)

    @cached_property
    def solids(self) -> Solids:
        places = np.zeros((int(self._names.max(initial=0)) + 1, 3))
        places[self._names] = self._rest_corners
        return Solids(places, self._names, self.size)

    @cached_property
    def coarseness(self) -> float:
        """How long edges are beside the part that they are of: half of the surface is of faces with edges of this share
        of their part's largest extent, or longer. A face counts by its second longest: the longest may be a diagonal of
        what an artist drew."""
        edges = np.sort(self._rest_lengths, axis=1)[:, 1]
        areas = lengths(face_normals(self._rest_corners))
        if not areas.sum() > 0.0:
            return 0.0
        part = self.solids.part
        low, high = np.full((2, int(part.max()) + 1, 3), [[[np.inf]], [[-np.inf]]])
        for corner in range(3):
            np.minimum.at(low, part, self._rest_corners[:, corner])
            np.maximum.at(high, part, self._rest_corners[:, corner])
        share = edges / np.maximum((high - low).max(axis=1)[part], 1e-300)
        order = np.argsort(share)
        passed = np.cumsum(areas[order])
        return float(share[order][np.searchsorted(passed, 0.5 * passed[-1])])

    # --- Folds

    @cached_property
    def _hinges(self) -> tuple[Ints, NDArray[np.float64]]:
        """(H, 2) faces that meet at an edge, two and no more, and 1 where they face one way, -1 where they do not."""
        edges = np.concatenate([self._names[:, [0, 1]], self._names[:, [1, 2]], self._names[:, [2, 0]]])
        face = np.tile(np.arange(len(self.faces)), 3)
        low, high = edges.min(axis=1, initial=np.iinfo(np.int64).max), edges.max(axis=1, initial=0)
        order = np.argsort(low * (high.max(initial=0) + 1) + high, kind="stable")
        low, high, face, along = low[order], high[order], face[order], (edges[:, 0] == low)[order]
        first = np.flatnonzero(np.r_[True, (np.diff(low) != 0) | (np.diff(high) != 0)][: len(low)])
        first = first[np.diff(np.r_[first, len(low)]) == 2]
        return np.stack([face[first], face[first + 1]], axis=1), np.where(along[first] != along[first + 1], 1.0, -1.0)

    def _folded(self, corners: Reals) -> Bools:
        hinges, facing = self._hinges
        normals = face_normals(corners)
        return opposed(normals[hinges[:, 0]], facing[:, None] * normals[hinges[:, 1]])

    @cached_property
    def _folded_before(self) -> Bools:
        return self._folded(self._rest_corners)

    def folds(self, moment: Moment) -> Bools:
        """(F,) faces that lie back on a neighbour, turned against it by more than 120 degrees, and did not."""
        new = self._hinges[0][self._folded(moment.positions[self.faces]) & ~self._folded_before]
        marked = np.zeros(len(self.faces), bool)
        marked[new.ravel()] = True
        return marked & moment.there(self.faces)

    # --- Crossings

    @cached_property
    def crossing_before(self) -> Bools:
        """(F,) faces that cross another in the subject."""
        return self._crossing(self._rest_corners, self._names)

    def _crossing(self, corners: Reals, names: Ints) -> Bools:
        from kernels.crossings import crossings  # numba

        return crossings(corners, names, self._slack)

    def crossings(self, moment: Moment) -> tuple[Bools, Bools]:
        """(F,) faces that cross another and did not, and those of them that can be seen from outside."""
        from kernels.visible import visible  # numba

        there = np.flatnonzero(moment.there(self.faces))
        new, in_sight = np.zeros((2, len(self.faces)), bool)
        if np.abs(moment.positions - self.rest).max(initial=0.0) <= self._slack:
            return new, in_sight
        corners = moment.positions[self.faces[there]]
        new[there] = self._crossing(corners, self._names[there]) & ~self.crossing_before[there]
        if new.any():
            pixels = int(np.clip(4 * np.sqrt(len(there)), 256, 1024))
            in_sight[there] = visible(corners, pixels) & new[there]
        return new, in_sight


def _welded(vertices: Reals, size: float) -> Ints:
    """(V,) a number of the place each vertex is at, to a millionth of the size."""
    place = ((vertices - vertices.min(axis=0, initial=0.0)) * (2**20 / size)).astype(np.int64)
    return np.unique(place @ [1, 2**21, 2**42], return_inverse=True)[1]


def face_normals(corners: Reals) -> Reals:
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def opposed(normals: Reals, others: Reals) -> Bools:
    return np.einsum("fk,fk->f", normals, others) < TURNED * lengths(normals) * lengths(others)


def _edge_lengths(corners: Reals) -> Reals:
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    return np.stack([lengths(b - a), lengths(c - b), lengths(a - c)], axis=1)


def lengths(vectors: Reals) -> Reals:
    return np.sqrt(np.einsum("vk,vk->v", vectors, vectors))
