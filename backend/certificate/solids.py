"""Which parts of a surface hold a volume, and how much; the others are sheets, and have an area instead."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CELLS = 64  # along the subject, where volume is counted in voxels
OPEN = 0.45  # holes over surface from which on a part is a sheet: a pot holds something, half a ball (0.5) does not
FLAT = 1e-4  # of the size: a closed part whose volume is its area times less than this is a doubled sheet


class Solids:
    """The parts of a subject: faces (F, 3) between P places (P, 3), `size` its largest extent.

    part (F,) the number of the part that each face is of: what shares an edge is one part.
    vessels (F,) the faces of open parts that may hold something, as a pot does.
    """

    def __init__(self, places: Reals, faces: Ints, size: float):
        self._size, self._corners = size, places[faces]
        part, count = _parts(faces)
        self.part: Ints = part
        areas = _areas(self._corners)
        area, volume = np.bincount(part, areas, count), np.bincount(part, _volumes(self._corners), count)
        holes = _holes(places, faces, part, count)
        closed = (holes == 0.0) & (np.abs(volume) > FLAT * size * area)
        if abs(volume[closed].sum()) <= FLAT * size * area[closed].sum():  # inside out as much as not
            closed[:] = False
        self.vessels: Bools = ((holes > 0.0) & (holes <= OPEN * area))[part]
        self._areas, self._closed = areas, closed[part]

    @cached_property
    def holds(self) -> Bools:
        """(F,) the faces of the parts that hold a volume. Loads numba where there are vessels."""
        # a volume by its area is a thickness, and voxels see none that is less than a cell
        thickness = _counted(self._corners[self.vessels], self._size) / max(self._areas[self.vessels].sum(), 1e-300)
        return self._closed | self.vessels if thickness > self._size / CELLS else self._closed

    @property
    def exact(self) -> bool:
        """Whether all that holds a volume is closed: then it needs no voxels."""
        return not (self.holds & self.vessels).any()

    @property
    def sheets(self) -> float:
        """The share of the surface that holds no volume, in [0, 1]."""
        whole = self._areas.sum()
        return float(self._areas[~self.holds].sum() / whole) if whole > 0.0 else 0.0

    def volume(self, corners: Reals) -> float:
        """Of the subject's, which is 1, of corners (F, 3, 3); negative where all is turned inside out."""
        return self._held(corners) / self._rest

    def change(self, corners: Reals) -> float:
        """How far the parts' volumes are from the subject's, as a share, at corners (F, 3, 3): the mean of each part's
        own change, weighted by its volume, so that what one gains does not hide what another loses; and no less than
        the change of all together. By voxels all are one part."""
        together = abs(self.volume(corners) - 1.0)
        if not self.exact:
            return together
        before = self._rest_of_each
        return max(together, float(np.abs(self._each(corners) - before).sum() / np.abs(before).sum()))

    @cached_property
    def _rest_of_each(self) -> Reals:
        return self._each(self._corners)

    def _each(self, corners: Reals) -> Reals:
        """The volume of each closed part, negative for a cavity."""
        return np.bincount(self.part[self.holds], _volumes(corners[self.holds]))

    def area(self, corners: Reals, there: Bools) -> float:
        """Of the sheets' own, which is 1, of corners (F, 3, 3); (F,) faces that are not `there` have none."""
        return float(_areas(corners[~self.holds & there]).sum() / self._areas[~self.holds].sum())

    @cached_property
    def _rest(self) -> float:
        return self._held(self._corners)

    def _held(self, corners: Reals) -> float:
        if self.exact:
            return float(_volumes(corners[self.holds]).sum())  # a cavity is a part that is inside out
        return _counted(corners[self.holds], self._size)


def is_closed(faces: Ints) -> bool:
    """Whether the triangles (F, 3) run along each edge as often one way as the other: then a volume is well defined."""
    return bool((faces != faces[:, [1, 2, 0]]).any()) and not len(_rims(faces)[0])


def _volumes(corners: Reals) -> Reals:
    """(F,) of the tetrahedra to the origin: their sum is a closed surface's volume, by the divergence theorem."""
    return np.einsum("fk,fk->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6.0


def _areas(corners: Reals) -> Reals:
    return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2.0


def _counted(corners: Reals, size: float) -> float:
    """Volume by voxels, where a winding number says what is inside though the surface has holes."""
    if len(corners) == 0:
        return 0.0
    from kernels.inside import inside  # numba

    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    cell = max(size / CELLS, float((high - low).max()) / (4 * CELLS))
    shape = tuple(int(n) + 1 for n in np.ceil((high - low) / cell))
    return float(inside((corners - low) / cell, shape).sum()) * cell**3


def _parts(faces: Ints) -> tuple[Ints, int]:
    """(F,) the number of the part that each face is of, and how many there are: what shares an edge is one part."""
    edges, _, face = _edges(faces)
    order = np.argsort(edges, kind="stable")
    same = np.flatnonzero(np.diff(edges[order]) == 0)
    roots, part = np.unique(_joined(face[order][same[:, None] + [0, 1]], len(faces)), return_inverse=True)
    return part, len(roots)


def _holes(places: Reals, faces: Ints, part: Ints, count: int) -> Reals:
    """(count,) area of the discs that would close each part: the sum of L^2 / (4 pi) over its rims of length L."""
    rims, face = _rims(faces)
    owner, length = part[face], np.linalg.norm(places[rims[:, 0]] - places[rims[:, 1]], axis=1)
    ends, which = np.unique(owner[:, None] * len(places) + rims, return_inverse=True)  # parts may touch at a place
    loop = _joined(which.reshape(-1, 2), len(ends))
    perimeter = np.bincount(loop[which.reshape(-1, 2)[:, 0]], length, len(ends))
    return np.bincount(ends // len(places), perimeter**2 / (4.0 * np.pi), count)


def _rims(faces: Ints) -> tuple[Ints, Ints]:
    """(R, 2) the edges along which the triangles do not run as often one way as the other, and (R,) a face of each."""
    edges, way, face = _edges(faces)
    _, first, which = np.unique(edges, return_index=True, return_inverse=True)
    first = first[np.bincount(which, way, len(first)) != 0]
    base = int(faces.max(initial=0)) + 1
    return np.stack([edges[first] // base, edges[first] % base], axis=1), face[first]


def _edges(faces: Ints) -> tuple[Ints, Ints, Ints]:
    """(E,) a number for each edge of each triangle, the same for those that share it; which way it runs along it, 1 or
    -1; and which triangle that is."""
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    proper = np.flatnonzero(ends[:, 0] != ends[:, 1])
    low, high = np.minimum(ends[proper, 0], ends[proper, 1]), np.maximum(ends[proper, 0], ends[proper, 1])
    number = low * (int(faces.max(initial=0)) + 1) + high
    return number, np.where(ends[proper, 0] == low, 1, -1), proper % max(len(faces), 1)


def _joined(pairs: Ints, count: int) -> Ints:
    """(count,) for each the lowest number that it is connected to by pairs (E, 2), itself included."""
    lowest = np.arange(count)
    while len(pairs):
        roots = lowest[pairs]
        pairs = roots[roots[:, 0] != roots[:, 1]]
        np.minimum.at(lowest, np.maximum(pairs[:, 0], pairs[:, 1]), np.minimum(pairs[:, 0], pairs[:, 1]))
        while not np.array_equal(lowest, lowest[lowest]):
            lowest = lowest[lowest]
    return lowest
