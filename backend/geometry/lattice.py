"""An elastic solid made of lattice cells: any closed or nearly closed surface, however messy, rides inside it.

The surface is rasterised into cells, the inside filled, every cell split into six Kuhn tetrahedra, and vertices
follow by trilinear interpolation. Projective dynamics (Bouaziz et al., SIGGRAPH 2014) with one constant matrix:
growth and softening change the targets, never the factorisation.
"""

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_opening
from scipy.sparse import coo_matrix, csr_matrix, diags

from backend.geometry.anderson import fixed_point
from backend.geometry.body import Reals
from backend.geometry.factor import Factor
from backend.geometry.fields import area_vectors
from backend.geometry.inertia import ahead
from kernels.corotate import Tetrahedra, gradient
from kernels.rotations import nearest_rotation
from kernels.winding import winding

Integers = NDArray[np.int64]

# the six tetrahedra of a unit cell, each a path of axis steps from corner 0 to corner 7 (corner = x + 2 y + 4 z)
KUHN = np.array([[0, 1, 3, 7], [0, 1, 5, 7], [0, 2, 3, 7], [0, 2, 6, 7], [0, 4, 5, 7], [0, 4, 6, 7]])
CORNERS = np.array([[c & 1, c >> 1 & 1, c >> 2 & 1] for c in range(8)])
LONGEST = 22  # cells along the longest side of a body


@dataclass(frozen=True, eq=False)
class Lattice:
    """C cells, M nodes, K = 6 C tetrahedra. No node lies below z = 0."""

    cell: float  # edge length
    origin: Reals  # (3,)
    cells: Integers  # (C, 3) grid indices, sorted
    nodes: Reals  # (M, 3) rest positions
    corners: Integers  # (C, 8) the nodes of each cell

    @cached_property
    def tets(self) -> Integers:
        """(K, 4), six for each cell in order, all of positive volume."""
        tets = self.corners[:, KUHN]
        odd = np.linalg.det(CORNERS[KUHN][:, 1:] - CORNERS[KUHN][:, :1]) < 0
        tets[:, odd] = tets[:, odd][..., [0, 1, 3, 2]]
        return np.ascontiguousarray(tets.reshape(-1, 4))

    @cached_property
    def inverses(self) -> Reals:
        """(6, 3, 3) inverse rest edge matrices of the six kinds of tetrahedron."""
        rest = self.nodes[self.tets[:6]]
        return np.linalg.inv((rest[:, 1:] - rest[:, :1]).transpose(0, 2, 1))

    @property
    def volume(self) -> float:
        """Of one tetrahedron."""
        return self.cell**3 / 6.0

    def embedding(self, points: Reals) -> csr_matrix:
        """(P, M) trilinear weights; each point lies in a cell of the lattice."""
        grid = (points - self.origin) / self.cell
        index, found = self._cell_of(grid)
        if not found.all():
            raise ValueError("a point lies outside the lattice")
        part = grid - self.cells[index]
        weights = np.ones((len(points), 8))
        for axis in range(3):
            weights *= np.where(CORNERS[:, axis] == 1, part[:, axis : axis + 1], 1.0 - part[:, axis : axis + 1])
        rows = np.repeat(np.arange(len(points)), 8)
        shape = (len(points), len(self.nodes))
        return csr_matrix((weights.ravel(), (rows, self.corners[index].ravel())), shape=shape)

    def _cell_of(self, grid: Reals) -> tuple[Integers, NDArray[np.bool_]]:
        most = self.cells.max(axis=0)
        wanted = np.clip(np.floor(grid).astype(np.int64), 0, most)
        keys, key = ((c[:, 0] * (most[1] + 1) + c[:, 1]) * (most[2] + 1) + c[:, 2] for c in (self.cells, wanted))
        index = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        return index, keys[index] == key


def build(vertices: Reals, faces: NDArray, rods: Reals, most: int) -> Lattice:
    """Cells on the surface, inside it, and along `rods` (B, 2, 3), the segments that join loose parts.

    At most `most` of them, so that a full cube gets a coarser lattice than a lean animal.
    """
    used = vertices[np.unique(faces)]
    low, high = used.min(axis=0), used.max(axis=0)
    longest = LONGEST
    while True:
        lattice = _build(vertices, faces, rods, low, high, float((high - low).max()) / longest)
        if len(lattice.cells) <= most or longest == 4:
            return lattice
        longest = max(4, min(longest - 1, int(longest * (most / len(lattice.cells)) ** (1 / 3))))


def _build(vertices: Reals, faces: NDArray, rods: Reals, low: Reals, high: Reals, cell: float) -> Lattice:
    # never one cell more than a flat body needs, and a hair of room so that rounding leaves no vertex outside
    size = np.maximum(np.ceil((high - low) / cell - 1e-9), 1).astype(np.int64)
    size += [2, 2, 1]  # room to thicken what is thin
    origin = 0.5 * (low + high - size * cell)
    origin[2] = max(low[2] - 1e-12, 0.0)
    samples, areas = surface_samples(vertices, faces, 0.5 * cell)
    index = np.clip(np.floor((samples - origin) / cell).astype(np.int64), 0, size - 1)
    solid = np.zeros(size, bool)
    solid[tuple(index.T)] = True
    solid |= _inside(solid, index, samples, areas, origin, cell)
    # one cell across is sixteen times as limp as two, and which of them a thin limb gets would be chance
    thin = samples[~binary_opening(solid, np.ones((2, 2, 2)))[tuple(index.T)]]
    for side in CORNERS - 0.5:
        _mark(solid, (thin + cell * side - origin) / cell)
    for start, end in rods:
        steps = np.linspace(0.0, 1.0, 2 + int(3 * np.linalg.norm(end - start) / cell))[:, None]
        for side in np.concatenate([np.zeros((1, 3)), 0.5 * cell * np.eye(3), -0.5 * cell * np.eye(3)]):
            _mark(solid, (start + steps * (end - start) + side - origin) / cell)

    cells = np.argwhere(solid)
    corner = cells[:, None] + CORNERS
    key = (corner[..., 0] * (size[1] + 1) + corner[..., 1]) * (size[2] + 1) + corner[..., 2]
    _, first, corners = np.unique(key, return_index=True, return_inverse=True)
    nodes = origin + cell * corner.reshape(-1, 3)[first]
    return Lattice(cell, origin, cells, nodes, corners.reshape(-1, 8).astype(np.int64))


def _mark(solid: NDArray[np.bool_], grid: Reals) -> None:
    """Makes the cells at grid coordinates (S, 3) solid; the nearest there are, where those lie outside."""
    solid[tuple(np.clip(np.floor(grid).astype(np.int64), 0, np.array(solid.shape) - 1).T)] = True


def surface_samples(vertices: Reals, faces: NDArray, spacing: float) -> tuple[Reals, Reals]:
    """(S, 3) points that cover the triangles, corners included, and (S, 3) the area vector each stands for."""
    corner = vertices[faces]
    side = np.linalg.norm(corner - np.roll(corner, 1, axis=1), axis=2).max(axis=1)
    pieces = np.maximum(np.ceil(side / spacing), 1).astype(np.int64)
    area = area_vectors(vertices, faces)
    points, areas = [], []
    for count in np.unique(pieces):
        i, j = np.meshgrid(np.arange(count + 1), np.arange(count + 1), indexing="ij")
        i, j = i[i + j <= count], j[i + j <= count]
        barycentric = np.stack([i, j, count - i - j], axis=1) / count
        chosen = pieces == count
        points.append(np.einsum("sk,fkc->fsc", barycentric, corner[chosen]).reshape(-1, 3))
        areas.append(np.repeat(area[chosen] / len(i), len(i), axis=0))
    return np.concatenate(points), np.concatenate(areas)


def _inside(solid: NDArray[np.bool_], index: Integers, samples: Reals, areas: Reals, origin: Reals, cell: float):
    """Empty cells whose winding number says inside; the surface is summed up cell by cell first."""
    key = np.ravel_multi_index(tuple(index.T), solid.shape)
    piece = np.unique(key, return_inverse=True)[1]
    count = np.bincount(piece)
    centre = np.stack([np.bincount(piece, samples[:, k]) for k in range(3)], axis=1) / count[:, None]
    area = np.stack([np.bincount(piece, areas[:, k]) for k in range(3)], axis=1)
    empty = np.argwhere(~solid)
    inside = np.zeros(solid.shape, bool)
    # the sign is dropped: a mesh turned inside out has an inside too
    inside[tuple(empty.T)] = np.abs(winding(origin + cell * (empty + 0.5), centre, area)) > 0.5
    return inside


def similarities(rest: Reals, moved: Reals) -> Reals:
    """(P, 3, 3) the turn, times the growth, nearest to each motion of a cloud of 8 points, rest and moved (P, 8, 3)."""
    rest, moved = (x - x.mean(axis=1, keepdims=True) for x in (rest, moved))
    spread, now = (np.sqrt((x**2).sum(axis=(1, 2))) for x in (rest, moved))
    growth = now / np.maximum(spread, 1e-12)
    return growth[:, None, None] * nearest_rotation(moved.transpose(0, 2, 1) @ rest)


class Solid:
    """A lattice in motion. `positions` (M, 3) and `velocities` are its state; `step` takes them on by one time step."""

    iterations = 10

    def __init__(self, lattice: Lattice, held: Reals, step: float, shear: float, bulk: float):
        """held (M,) in [0, 1]: nodes that stay; shear: the greatest stiffness that `step` will be given."""
        self.lattice = lattice
        self.dt = step
        self.bulk = bulk
        self.positions = lattice.nodes.copy()
        self.velocities = np.zeros_like(lattice.nodes)
        shapes = np.tile(np.arange(6), len(lattice.cells))
        self._rest = Tetrahedra(lattice.tets, shapes, lattice.inverses, lattice.volume)
        self._quaternions = np.tile([1.0, 0.0, 0.0, 0.0], (len(lattice.tets), 1))
        mass = np.bincount(lattice.tets.ravel(), minlength=len(lattice.nodes)) * (0.25 * lattice.volume)
        self._inertia = (mass / step**2)[:, None]
        # any matrix above half of the true one converges; this one is nearest to it midway through the softening
        stiffness = (0.5 * shear + bulk) * _laplacian(lattice)
        self._hold = (1e3 * stiffness.diagonal().mean() * held)[:, None]
        matrix = stiffness + diags((self._inertia + self._hold)[:, 0])
        self._factor = Factor(matrix)

    def fork(self) -> Self:
        """The same solid at the same moment, free to go another way."""
        other = copy(self)
        other._quaternions = self._quaternions.copy()
        return other

    def step(self, shear: Reals, growth: Reals, gravity: Reals, anchors: Reals) -> None:
        """shear (K,), growth (K, 3, 3) symmetric, gravity (M,) pulling down, anchors (M, 3) of what is held."""
        before = self.positions
        free = ahead(before, self.velocities, gravity, 0.0, self.dt)

        def update(x: Reals) -> Reals:
            force = self._inertia * (x - free) + self._hold * (x - anchors)
            gradient(x, self._rest, shear, self.bulk, growth, self._quaternions, force)
            x = x - self._factor.solve(force)
            x[:, 2] = np.maximum(x[:, 2], 0.0)
            return x

        after = fixed_point(update, before, self.iterations)
        after[:, 2] = np.maximum(after[:, 2], 0.0)
        self.velocities = (after - before) / self.dt
        self.positions = after

    def push(self, shift: Reals, steps: int) -> None:
        """Moved by `shift` (M, 3), as if that had happened within so many steps."""
        self.velocities = self.velocities + shift / (steps * self.dt)
        self.positions = self.positions + shift


def _laplacian(lattice: Lattice) -> csr_matrix:
    """(M, M) sum over tetrahedra of volume * (dF/dx)^T (dF/dx), the same for x, y and z."""
    slope = np.concatenate([-lattice.inverses.sum(axis=1, keepdims=True), lattice.inverses], axis=1)  # (6, 4, 3)
    blocks = lattice.volume * slope @ slope.transpose(0, 2, 1)
    values = np.tile(blocks, (len(lattice.cells), 1, 1)).ravel()
    rows, columns = np.repeat(lattice.tets, 4, axis=1).ravel(), np.tile(lattice.tets, (1, 4)).ravel()
    return coo_matrix((values, (rows, columns)), shape=(len(lattice.nodes),) * 2).tocsr()
