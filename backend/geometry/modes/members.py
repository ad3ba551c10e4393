"""What of a body vibrates, solids and sheets: their matrices, and how vertices move and turn with them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import bsr_matrix, csr_matrix, diags, identity, kron, vstack

from backend.geometry import lattice
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Reals
from backend.geometry.modes import cells, plates
from backend.geometry.modes.enclosed import enclosed
from backend.geometry.modes.matter import Matter
from backend.geometry.modes.standin import fewer, stand_in
from kernels.inside import inside

Integers = NDArray[np.int64]

FREEDOMS = 6000  # of the cells, about: four times as many take ten times as long
LONGEST, SHORTEST = 28, 4  # cells along the longest side
SKIN = 25_000  # vertices of the surface of solids, about
SHEETS = 1500  # and of sheets
CLAMP = 100.0  # stiffness of what holds, over that of a cell that is held, or of the sheet


class Motion(NamedTuple):
    """How K points move and turn with n freedoms: rows are x, y, z of point 0, then of point 1, ..."""

    shift: csr_matrix  # (3 K, n)
    turn: csr_matrix  # (3 K, n) radians about x, y and z


class Solids:
    """The closed parts, as finite cells. chosen (K,): their vertices, but for what is held as a whole or is flat."""

    def __init__(self, anatomy: Anatomy, matter: Matter, held: NDArray[np.bool_]):
        body, chosen = anatomy.body, np.flatnonzero(~anatomy.is_sheet)
        index = np.cumsum(~anatomy.is_sheet) - 1
        faces = index[body.faces[~anatomy.is_sheet[body.faces[:, 0]]]]
        points, faces, owner = fewer(body.vertices[chosen], faces, held[chosen], SKIN)
        rooted = np.zeros(len(points), bool)
        rooted[owner] = held[chosen]
        within = enclosed(points, faces, rooted)
        self.chosen = chosen[within.matter[owner]]
        self.there = len(within.surface) > 0
        if not self.there:
            return
        self.cells = cells.build(within.surface, edge_of(within.surface, FREEDOMS))
        self.anchored = len(within.clamped) + len(within.points) > 0
        self.stiffness = matter.young * self.cells.stiffness(matter.poisson)
        hold = clamp(self.cells, within.clamped, within.points)
        if hold is not None:
            self.stiffness = (self.stiffness + matter.young * CLAMP / self.cells.edge * hold).tocsr()
        self.mass = matter.density * self.cells.mass()
        self.vertices = body.vertices
        self.strength = matter.young * self.cells.edge  # N/m
        self.rigidity = matter.young * self.cells.edge**3  # N m

    def moved(self, vertices: Integers) -> csr_matrix:
        """(3 K, n) how K of the body's vertices move."""
        return kron(self.cells.at(self.vertices[vertices]), identity(3), format="csr")

    def motion(self, vertices: Integers) -> Motion:
        x, y, z = self.cells.slopes(self.vertices[vertices])
        axes = np.eye(3)
        # half the curl: x of it is half of (slope of z along y, less slope of y along z)
        turn = sum(
            kron(0.5 * slope, np.cross(axes[axis], axes).T, format="csr") for axis, slope in enumerate((x, y, z))
        )
        return Motion(self.moved(vertices), turn.tocsr())

    @property
    def rigid(self) -> Reals:
        """(n, 6)"""
        return rigid_motions(self.cells.nodes).reshape(-1, 6)


class Sheets:
    """The open parts, as plates, on a stand-in where they have many vertices."""

    def __init__(self, anatomy: Anatomy, matter: Matter, held: NDArray[np.bool_]):
        body = anatomy.body
        self.chosen = np.flatnonzero(anatomy.is_sheet)
        self.there = len(self.chosen) > 0
        if not self.there:
            return
        self._index, self._vertices = np.cumsum(anatomy.is_sheet) - 1, body.vertices
        faces = self._index[body.faces[anatomy.is_sheet[body.faces[:, 0]]]]
        self.points, self.faces, self._follow = stand_in(body.vertices[self.chosen], faces, held[self.chosen], SHEETS)
        self.stiffness, self.mass = plates.stiffness_and_mass(self.points, self.faces, matter)
        clamped = np.bincount(self.nearest(self.chosen), held[self.chosen], minlength=len(self.points)) > 0.0
        self.anchored = bool(clamped.any())
        self.strength = matter.young * matter.thickness
        self.rigidity = matter.young * matter.thickness**3
        spring = np.tile(np.repeat([self.strength, self.rigidity], 3), len(self.points)) * np.repeat(clamped, 6)
        self.stiffness = (self.stiffness + CLAMP * diags(spring)).tocsr()

    def moved(self, vertices: Integers) -> csr_matrix:
        rows = self._follow[self._index[vertices]]
        arm = self._vertices[np.repeat(vertices, np.diff(rows.indptr))] - self.points[rows.indices]
        # shift + turn x arm
        blocks = np.concatenate([np.broadcast_to(np.eye(3), (len(arm), 3, 3)), -cross_matrix(arm)], axis=2)
        data = rows.data[:, None, None] * blocks
        shape = (3 * len(vertices), 6 * len(self.points))
        return bsr_matrix((data, rows.indices, rows.indptr), shape=shape).tocsr()

    def motion(self, vertices: Integers) -> Motion:
        """With the nearest points alone, so that joints tie together few freedoms."""
        point = self.nearest(vertices)
        arm = self._vertices[vertices] - self.points[point]
        ends = np.arange(len(point) + 1)
        shape = (3 * len(point), 6 * len(self.points))
        shift = np.concatenate([np.broadcast_to(np.eye(3), (len(arm), 3, 3)), -cross_matrix(arm)], axis=2)
        turn = np.broadcast_to(np.eye(6)[3:], (len(arm), 3, 6))
        return Motion(*(bsr_matrix((blocks, point, ends), shape=shape).tocsr() for blocks in (shift, turn)))

    def nearest(self, vertices: Integers) -> Integers:
        """(K,) the point that each of K vertices follows most."""
        return np.asarray(self._follow[self._index[vertices]].argmax(axis=1)).ravel()

    @property
    def rigid(self) -> Reals:
        turn = np.broadcast_to(np.concatenate([np.zeros((3, 3)), np.eye(3)], axis=1), (len(self.points), 3, 6))
        return np.concatenate([rigid_motions(self.points), turn], axis=1).reshape(-1, 6)


def rigid_motions(points: Reals) -> Reals:
    """(P, 3, 6) of points (P, 3): along x, y, z, and about them."""
    shift = np.broadcast_to(np.eye(3), (len(points), 3, 3))
    return np.concatenate([shift, -cross_matrix(points)], axis=2)


def cross_matrix(arm: Reals) -> Reals:
    """(K, 3, 3) that take a vector to the cross product of arm (K, 3) with it."""
    x, y, z = arm.T
    zero = np.zeros_like(x)
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)


def edge_of(surface: Reals, most: int) -> float:
    """Of the smallest cells with which what is in a closed surface (F, 3, 3) has at most so many freedoms."""
    low, high = surface.min(axis=(0, 1)), surface.max(axis=(0, 1))
    extent, longest = high - low, LONGEST
    points = surface.reshape(-1, 3)
    triangles = np.arange(len(points)).reshape(-1, 3)
    while True:
        edge = float(extent.max()) / longest
        size = np.maximum(np.ceil(extent / edge - 1e-9), 1).astype(np.int64)
        origin = 0.5 * (low + high - size * edge)
        occupied = inside((surface - origin) / edge, tuple(size))
        samples = lattice.surface_samples(points, triangles, edge)[0]
        occupied[tuple(np.clip(np.floor((samples - origin) / edge).astype(np.int64), 0, size - 1).T)] = True
        found = cells.freedoms(occupied)
        if found <= most or longest == SHORTEST:
            return edge
        longest = max(SHORTEST, min(longest - 1, int(longest * (most / found) ** 0.4)))


def clamp(grid: cells.Cells, clamped: Reals, points: Reals) -> csr_matrix | None:
    """(n, n) squared motion summed over clamped triangles (K, 3, 3), and over points (P, 3) that each stand for the
    face of a cell."""
    parts = []
    if len(clamped):
        pieces = grid.edge * cells.cut((clamped - grid.origin) / grid.edge) + grid.origin
        shares, weights = cells.triangle_rule(3)
        spots = np.einsum("qc,kci->kqi", shares, pieces).reshape(-1, 3)
        area = 0.5 * np.linalg.norm(np.cross(pieces[:, 1] - pieces[:, 0], pieces[:, 2] - pieces[:, 0]), axis=1)
        parts.append(diags(np.sqrt(np.outer(area, weights).ravel())) @ grid.at(spots))
    if len(points):
        parts.append(grid.edge * grid.at(points))
    if not parts:
        return None
    rows = vstack(parts)
    return kron(rows.T @ rows, identity(3), format="csr")
