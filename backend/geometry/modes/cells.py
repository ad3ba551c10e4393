"""Solids by the finite cell method: stiffness and mass over a regular lattice that knows nothing of the surface in it.

The finite cell method (Parvizian, Düster and Rank, "Finite cell method", Computational Mechanics 41, 2007; Düster,
Parvizian, Yang and Rank, CMAME 197, 2008): cells of a higher order, integrated over what is inside only, with a trace
of stiffness outside, so that no node is without any. The cells are quadratic (serendipity, 20 nodes), which bend
rightly with one of them across a stalk, however thin the stalk is in it.

What is inside is integrated exactly, not sampled: the moments of each cell are integrals over the surface (divergence
theorem), cut at the faces of the cells. They become the weights of fixed points (moment fitting; Müller, Kummer and
Oberlack, IJNME 96, 2013), with which any product of two shape functions or of their slopes is integrated exactly.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product

import numpy as np
from numpy.polynomial import Polynomial, legendre
from numpy.typing import NDArray
from scipy.sparse import bsr_matrix, coo_matrix, csr_matrix, identity, kron
from scipy.spatial import cKDTree

from backend.geometry.body import Reals

Integers = NDArray[np.int64]

ORDER = 5  # fixed points along each axis: products of two shape functions are of the fourth degree along each
OUTSIDE = 1e-8  # stiffness of what is outside; it has no mass
EMPTY = 1e-9  # of a cell's volume: with less inside, and no surface, it is none
CHUNK = 20_000  # pieces of surface at once
POWERS = np.array([power for power in product(range(3), repeat=3) if np.count_nonzero(np.array(power) == 2) <= 1])
NODES = np.array([node for node in product((-1, 0, 1), repeat=3) if node.count(0) <= 1])  # (20, 3) of a cell


@dataclass(frozen=True, eq=False)
class Cells:
    """C cells of a lattice that hold something, M nodes."""

    edge: float  # of a cell
    origin: Reals  # (3,)
    index: Integers  # (C, 3) places in the lattice, sorted
    inside: Reals  # (C, ORDER^3) weights of the fixed points, summing to 8 in a full cell
    corners: Integers  # (C, 20) the nodes of each cell
    nodes: Reals  # (M, 3)

    @cached_property
    def volume(self) -> float:
        return float(self.inside.sum()) * (0.5 * self.edge) ** 3

    def stiffness(self, poisson: float) -> csr_matrix:
        """(3 M, 3 M), for a Young's modulus of 1; freedoms are x, y, z of node 0, then of node 1, ..."""
        weights = self.inside + OUTSIDE * _gauss()[1].ravel()
        blocks = (0.5 * self.edge) * weights @ _stiffness(poisson)
        return _assembled(blocks.reshape(-1, 20, 20, 9), self.corners, len(self.nodes))

    def mass(self) -> csr_matrix:
        """(3 M, 3 M), for a density of 1."""
        blocks = (0.5 * self.edge) ** 3 * self.inside @ _mass()
        scalar = _assembled(blocks.reshape(-1, 20, 20, 1), self.corners, len(self.nodes))
        return kron(scalar, identity(3), format="csr")

    def at(self, points: Reals) -> csr_matrix:
        """(P, M) shape functions: the value at each of the points (P, 3) of what is known at the nodes; outside the
        cells, as it goes on in a straight line."""
        cell, local = self._places(points)
        near = np.clip(local, -1.0, 1.0)
        values = _monomials(near) @ _coefficients()
        beyond = np.flatnonzero((local != near).any(axis=1))
        for axis in range(3):
            step = (local - near)[beyond, axis]
            values[beyond] += step[:, None] * (_slope(near[beyond], axis) @ _coefficients())
        return self._rows(cell, values)

    def slopes(self, points: Reals) -> list[csr_matrix]:
        """Three of (P, M): the slopes there along x, y and z."""
        cell, local = self._places(points)
        near = np.clip(local, -1.0, 1.0)
        return [self._rows(cell, (2.0 / self.edge) * _slope(near, axis) @ _coefficients()) for axis in range(3)]

    def _rows(self, cell: Integers, values: Reals) -> csr_matrix:
        rows = np.repeat(np.arange(len(cell)), 20)
        columns = self.corners[cell].ravel()
        return csr_matrix((values.ravel(), (rows, columns)), shape=(len(cell), len(self.nodes)))

    def _places(self, points: Reals) -> tuple[Integers, Reals]:
        """The cell of each point, the nearest there is, and where it is in it, in [-1, 1]."""
        grid = (points - self.origin) / self.edge
        size = self.index.max(axis=0) + 1
        wanted = np.clip(np.floor(grid).astype(np.int64), 0, size - 1)
        keys, key = (np.ravel_multi_index(tuple(index.T), tuple(size)) for index in (self.index, wanted))
        cell = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        lost = keys[cell] != key
        if lost.any():
            cell[lost] = cKDTree(self.index + 0.5).query(grid[lost])[1]
        return cell, 2.0 * (grid - self.index[cell]) - 1.0


def build(surface: Reals, edge: float) -> Cells:
    """Cells over a closed surface, (F, 3, 3) triangles that face outwards."""
    low, high = surface.min(axis=(0, 1)), surface.max(axis=(0, 1))
    size = np.maximum(np.ceil((high - low) / edge - 1e-9), 1).astype(np.int64)
    origin = 0.5 * (low + high - size * edge)
    inside, touched = moments((surface - origin) / edge, tuple(size))
    share = inside.sum(axis=-1) / 8.0
    index = np.argwhere(touched | (share > EMPTY))
    inside = _sound(inside[tuple(index.T)])
    places = 2 * index[:, None] + 1 + NODES  # on a lattice twice as fine
    key = np.ravel_multi_index(tuple(places.reshape(-1, 3).T), tuple(2 * size + 1))
    _, first, corners = np.unique(key, return_index=True, return_inverse=True)
    nodes = origin + 0.5 * edge * places.reshape(-1, 3)[first]
    return Cells(edge, origin, index, inside, corners.reshape(-1, 20).astype(np.int64), nodes)


def freedoms(occupied: NDArray[np.bool_]) -> int:
    """How many freedoms a lattice with these cells has."""
    index = np.argwhere(occupied)
    places = (2 * index[:, None] + 1 + NODES).reshape(-1, 3)
    return 3 * len(np.unique(np.ravel_multi_index(tuple(places.T), tuple(2 * np.array(occupied.shape) + 1))))


# --- moments ---


def moments(surface: Reals, shape: tuple[int, int, int]) -> tuple[Reals, NDArray[np.bool_]]:
    """(*shape, ORDER^3) weights of the fixed points of each cell, and (*shape,) which cells the surface is in.

    surface (F, 3, 3): closed, outwards; the unit is a cell, and cell (0, 0, 0) begins at the origin. What is inside
    twice counts twice.
    """
    count = int(np.prod(shape))
    own, through = np.zeros((count, ORDER**3)), np.zeros((count, ORDER**2))
    touched = np.zeros(count, bool)
    pieces = cut(surface)
    cell = np.clip(np.floor(pieces.mean(axis=1)).astype(np.int64), 0, np.array(shape) - 1)
    flat = np.ravel_multi_index(tuple(cell.T), shape)
    touched[flat] = True
    extent = np.ptp(pieces, axis=1).max(axis=1)
    kind = np.searchsorted(FINE, extent)
    for number, order in enumerate(RULES):
        chosen = np.flatnonzero(kind == number)
        chosen = chosen[np.argsort(flat[chosen], kind="stable")]
        for part in np.array_split(chosen, max(1, len(chosen) * order**2 // (4 * CHUNK))) if len(chosen) else []:
            _deposit(pieces[part] - cell[part, None], flat[part], order, (own, through))
    own, through = own.reshape(*shape, ORDER, ORDER**2), through.reshape(*shape, ORDER**2)
    beyond = np.zeros_like(through)  # what a line along x still has to leave
    beyond[:-1] = np.cumsum(through[:0:-1], axis=0)[::-1]
    full = _gauss_line()[1]
    own += full[:, None] * beyond[..., None, :]
    return own.reshape(*shape, ORDER**3), touched.reshape(shape)


FINE = np.array([0.1, 0.3])  # sizes of pieces, in cells, up to which the first of these rules are enough
RULES = (4, 5, 7)


def _deposit(pieces: Reals, cell: Integers, order: int, into: tuple[Reals, Reals]) -> None:
    """Adds pieces (K, 3, 3), in units of a cell from its corner, that lie in cells (K,) in ascending order."""
    shares, weights = triangle_rule(order)
    x, y, z = 2.0 * np.einsum("qc,kci->ikq", shares, pieces).reshape(3, -1) - 1.0
    facing = 2.0 * np.cross(pieces[:, 1] - pieces[:, 0], pieces[:, 2] - pieces[:, 0])[:, 0]  # 4 times the area
    along_y = _polynomials(y, _line()) * (facing[:, None] * weights).ravel()
    across = (along_y[:, None] * _polynomials(z, _line())).reshape(ORDER**2, -1)
    before = _polynomials(x, _integral())
    starts = np.flatnonzero(np.diff(cell, prepend=-1))
    ends = np.append(starts[1:], len(cell))
    for number, start, end in zip(cell[starts], starts * len(weights), ends * len(weights), strict=True):
        into[0][number] += (before[:, start:end] @ across[:, start:end].T).ravel()
    into[1][cell[starts]] += np.add.reduceat(across, starts * len(weights), axis=1).T


def cut(triangles: Reals) -> Reals:
    """(K, 3, 3) the same triangles (F, 3, 3), cut at the integers along all three axes."""
    done = triangles
    for axis in range(3):
        todo, kept = done, []
        while len(todo):
            along = todo[..., axis]
            low, high = along.min(axis=1), along.max(axis=1)
            plane = np.round(0.5 * (low + high))
            plane = np.where(plane <= low + 1e-9, np.floor(low + 1e-9) + 1.0, plane)
            whole = plane >= high - 1e-9
            kept.append(todo[whole])
            todo = _halved(todo[~whole], axis, plane[~whole])
        done = np.concatenate(kept)
    return done


def _halved(triangles: Reals, axis: int, plane: Reals) -> Reals:
    """(3 K, 3, 3) each of K triangles cut by the plane that it crosses."""
    above = triangles[..., axis] > plane[:, None]
    lone = np.argmax(above == (above.sum(axis=1) == 1)[:, None], axis=1)
    turn = (lone[:, None] + np.arange(3)) % 3
    a, b, c = np.take_along_axis(triangles, turn[..., None], axis=1).transpose(1, 0, 2)
    ends = []
    for other in (b, c):
        share = (plane - a[:, axis]) / (other[:, axis] - a[:, axis])
        end = a + share[:, None] * (other - a)
        end[:, axis] = plane
        ends.append(end)
    ab, ac = ends
    return np.concatenate([np.stack([a, ab, ac], 1), np.stack([ab, b, c], 1), np.stack([ab, c, ac], 1)])


def _sound(inside: Reals) -> Reals:
    """Weights with which no motion has less than no mass, which a surface that passes through itself could make; and
    no cell is more than full."""
    share = inside.sum(axis=1, keepdims=True) / 8.0
    least = np.linalg.eigvalsh((inside @ _mass()).reshape(-1, 20, 20))[:, :1]
    even = np.clip(share, 0.0, 1.0) * _gauss()[1].ravel()
    return np.where((least < -1e-9) | (share < 0.0), even, inside / np.maximum(share, 1.0))


# --- a cell ---


def _monomials(local: Reals) -> Reals:
    """(..., 20) of points (..., 3) in [-1, 1]."""
    return np.prod(local[..., None, :] ** POWERS, axis=-1)


def _slope(local: Reals, axis: int) -> Reals:
    lower = POWERS.copy()
    lower[:, axis] = np.maximum(lower[:, axis] - 1, 0)
    return POWERS[:, axis] * np.prod(local[..., None, :] ** lower, axis=-1)


@cache
def _coefficients() -> Reals:
    """(20, 20) of the shape functions: monomials @ these are their values."""
    return np.linalg.inv(_monomials(NODES.astype(float)))


@cache
def _gauss_line() -> tuple[Reals, Reals]:
    return legendre.leggauss(ORDER)


@cache
def _gauss() -> tuple[Reals, Reals]:
    """(ORDER^3, 3) the fixed points and (ORDER, ORDER, ORDER) their weights in a full cell."""
    x, w = _gauss_line()
    points = np.stack(np.meshgrid(x, x, x, indexing="ij"), axis=-1).reshape(-1, 3)
    return points, w[:, None, None] * w[:, None] * w


@cache
def _stiffness(poisson: float) -> Reals:
    """(ORDER^3, 20 * 20 * 9) what each fixed point adds to the stiffness of a cell of edge 2, of modulus 1."""
    points = _gauss()[0]
    slope = np.stack([_slope(points, axis) @ _coefficients() for axis in range(3)], axis=-1)  # (Q, 20, 3)
    lame, shear = poisson / ((1.0 + poisson) * (1.0 - 2.0 * poisson)), 0.5 / (1.0 + poisson)
    pairs = slope[:, :, None, :, None] * slope[:, None, :, None, :]  # (Q, a, b, i, j)
    trace = np.einsum("qabii->qab", pairs)[..., None, None] * np.eye(3)
    return (lame * pairs + shear * (pairs.swapaxes(3, 4) + trace)).reshape(ORDER**3, -1)


@cache
def _mass() -> Reals:
    """(ORDER^3, 20 * 20) what each fixed point adds to the mass of a cell of edge 2, of density 1."""
    shapes = _monomials(_gauss()[0]) @ _coefficients()
    return (shapes[:, :, None] * shapes[:, None, :]).reshape(ORDER**3, -1)


@cache
def _line() -> Reals:
    """(ORDER, ORDER + 1) coefficients of the polynomials that are 1 at one fixed point of a line, 0 at the others."""
    x = _gauss_line()[0]
    made = [Polynomial.fromroots(np.delete(x, k)) for k in range(ORDER)]
    return np.stack([np.append((one / one(x[k])).coef, 0.0) for k, one in enumerate(made)])


@cache
def _integral() -> Reals:
    """(ORDER, ORDER + 1) those of their integrals from -1 on."""
    return np.stack([Polynomial(one[:-1]).integ(lbnd=-1.0).coef for one in _line()])


def _polynomials(x: Reals, coefficients: Reals) -> Reals:
    """(ORDER, P) values at x (P,)."""
    powers = np.ones((ORDER + 1, len(x)))
    for k in range(ORDER):
        np.multiply(powers[k], x, out=powers[k + 1])
    return coefficients @ powers


@cache
def triangle_rule(order: int) -> tuple[Reals, Reals]:
    """(order^2, 3) barycentric points and their weights, that sum to 1: Gauss's on a square that is folded to one
    point along one of its sides."""
    x, w = legendre.leggauss(order)
    u, v = np.meshgrid(0.5 * (x + 1.0), 0.5 * (x + 1.0), indexing="ij")
    weights = 0.5 * np.multiply.outer(w, w) * u
    return np.stack([1.0 - u, u * (1.0 - v), u * v], axis=-1).reshape(-1, 3), weights.ravel()


def _assembled(blocks: Reals, corners: Integers, count: int) -> csr_matrix:
    """(k count, k count) the sum of blocks (C, n, n, k^2) of the nodes (C, n)."""
    side = round(blocks.shape[-1] ** 0.5)
    key = (corners[:, :, None] * count + corners[:, None, :]).ravel()
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    data = np.add.reduceat(blocks.reshape(len(key), -1)[order], starts)
    row, column = np.divmod(key[order][starts], count)
    if side == 1:
        return coo_matrix((data[:, 0], (row, column)), shape=(count, count)).tocsr()
    ends = np.searchsorted(row, np.arange(count + 1))
    shape = (side * count, side * count)
    return bsr_matrix((data.reshape(-1, side, side), column, ends), shape=shape).tocsr()
