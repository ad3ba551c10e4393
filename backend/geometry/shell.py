"""An elastic sheet: triangles that resist stretching, hinges that resist folding, both with a rest state that grows.

Projective dynamics (Bouaziz et al., SIGGRAPH 2014). Growth and rest curvature sit in the targets, so that the
matrix changes only with the bending stiffness, and is factorised anew every few steps.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags

from backend.geometry.anderson import fixed_point
from backend.geometry.body import Reals
from backend.geometry.contact import Springs
from backend.geometry.factor import Factor, Joined
from backend.geometry.fields import hinges
from backend.geometry.inertia import ahead
from kernels.thinshell import gradient, surface

Integers = NDArray[np.int64]

FLAT = 1e-6  # a triangle less high than this, over its longest side, has no shape to keep
FOLDED = 0.03  # where two unit normals add up to less than this, they name no direction
PASSES = 3  # of a step where something touches
FEW = 100  # contacts, which are joined to a factor; for more of them the matrix is factorised anew
RIGID = 30.0  # pins, links and contacts, in mean stiffnesses of the membrane
STRONGEST = 30.0  # of an element, in medians: a needle's stiffness has no bound, and would be all the solver sees


class Cloth(NamedTuple):
    """What all of a sheet is made of, and how it is taken on."""

    stretch: float  # stiffness an area
    density: float  # mass an area
    step: float  # seconds


class Touching(NamedTuple):
    """What a sheet of N vertices touches in a step."""

    near: Springs | None  # what it may touch
    passed: Callable[[Reals], Springs | None]  # of positions (N, 3): what it has passed through on its way there


class Sheet:
    """N vertices, F triangles and H hinges at rest: what the kernel and a process need to know of them."""

    def __init__(self, vertices: Reals, faces: NDArray):
        self.vertices = vertices
        self.faces = faces.astype(np.int64)
        corner = vertices[self.faces]
        along = corner[:, 1] - corner[:, 0]
        normal = np.cross(along, corner[:, 2] - corner[:, 0])
        doubled = np.linalg.norm(normal, axis=1)
        longest = np.linalg.norm(corner - np.roll(corner, 1, axis=1), axis=2).max(axis=1)
        self.sound = doubled > FLAT * longest**2  # (F,) triangles that have a shape
        self.area = 0.5 * doubled  # (F,)
        self.normal = _unit(normal)  # (F, 3)
        first = _unit(along)
        self.frame = np.stack([first, np.cross(self.normal, first)], axis=1)  # (F, 2, 3) axes in each triangle's plane
        edges = np.einsum("fki,fji->fjk", self.frame, corner[:, 1:] - corner[:, :1])  # (F, 2 edges, 2 axes)
        edges[~self.sound] = np.eye(2)
        self.inverses = np.ascontiguousarray(np.linalg.inv(edges.transpose(0, 2, 1)))  # (F, 2, 2)
        self.inverses[~self.sound] = 0.0
        self.trust = _trust(self.area * (self.inverses**2).sum(axis=(1, 2)))  # (F,) in [0, 1], low for needles
        touched = np.zeros(len(vertices), bool)
        touched[self.faces[self.sound]] = True
        sides = self.faces[~self.sound][:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
        self.splints = sides[~touched[sides].all(axis=1)]  # (S, 2) all that holds vertices of no sound triangle
        self.hinges = _wound(hinges(self.faces), self.faces)
        self._hinge_rest()
        mass = np.bincount(self.faces.ravel(), np.repeat(self.area / 3.0, 3), minlength=len(vertices))
        self.mass = np.maximum(mass, 1e-3 * mass.mean())  # (N,) area; without any, a vertex would go anywhere

    def _hinge_rest(self) -> None:
        start, end, a, b = (self.vertices[self.hinges[:, k]] for k in range(4))
        one, other = np.cross(end - start, a - start), np.cross(b - start, end - start)
        size_one, size_other = np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1)
        normal = _unit(one) + _unit(other)
        pairs = (start, end), (start, a), (end, a), (start, b), (end, b)
        longest = np.max([((p - q) ** 2).sum(axis=1) for p, q in pairs], axis=0)
        flat = np.minimum(size_one, size_other) <= FLAT * longest
        sound = ~flat & (np.linalg.norm(normal, axis=1) > FOLDED)  # (H,)

        def cotangent(at: Reals, p: Reals, q: Reals, doubled: Reals) -> Reals:
            return np.einsum("hi,hi->h", p - at, q - at) / np.where(sound, doubled, np.inf)

        a0, a1 = cotangent(start, end, a, size_one), cotangent(end, start, a, size_one)
        b0, b1 = cotangent(start, end, b, size_other), cotangent(end, start, b, size_other)
        self.stencils = np.stack([a1 + b1, a0 + b0, -(a0 + a1), -(b0 + b1)], axis=1)  # (H, 4)
        self.hinge_normal = _unit(normal)  # (H, 3)
        fold = np.einsum("hk,hki->hi", self.stencils, self.vertices[self.hinges])
        self.kappa = np.einsum("hi,hi->h", fold, self.hinge_normal)  # (H,)
        self.hinge_area = 0.5 * (size_one + size_other)  # (H,) of the two triangles
        self.hinge_edge = _unit(end - start)  # (H, 3)
        weight = 3.0 / np.where(sound, self.hinge_area, np.inf)
        self.hinge_weight = weight * _trust(weight * (self.stencils**2).sum(axis=1))  # (H,)

    def laplacian(self) -> csr_matrix:
        """(N, N) of the Dirichlet energy: x @ laplacian @ x is the integral of the squared slope of x (N,)."""
        slope = np.concatenate([-self.inverses.sum(axis=1, keepdims=True), self.inverses], axis=1)  # (F, 3, 2)
        weight = (self.area * self.trust)[:, None, None]
        return _scatter(weight * (slope @ slope.transpose(0, 2, 1)), self.faces, len(self.vertices))

    def folds(self, positions: Reals) -> Reals:
        """(H,) the curvature of each hinge where the vertices are at `positions` (N, 3), as `kappa` is at rest."""
        start, end, a, b = (positions[self.hinges[:, k]] for k in range(4))
        normal = _unit(_unit(np.cross(end - start, a - start)) + _unit(np.cross(b - start, end - start)))
        return np.einsum("hk,hki,hi->h", self.stencils, positions[self.hinges], normal)

    def stretch(self, positions: Reals) -> Reals:
        """(F, 2, 2) by what each triangle is stretched at `positions` (N, 3), in its own axes; at least a little."""
        corner = positions[self.faces]
        slope = (corner[:, 1:] - corner[:, :1]).transpose(0, 2, 1) @ self.inverses  # (F, 3, 2)
        squared = slope.transpose(0, 2, 1) @ slope
        # the root of a symmetric 2 x 2 matrix: (A + sqrt(det A) I) / sqrt(tr A + 2 sqrt(det A))
        root = np.sqrt(np.maximum(np.linalg.det(squared), 1e-6))
        trace = np.trace(squared, axis1=1, axis2=2)
        return (squared + root[:, None, None] * np.eye(2)) / np.sqrt(np.maximum(trace + 2.0 * root, 1e-6))[
            :, None, None
        ]


class Shell:
    """A sheet in motion. `positions` and `velocities` (N, 3) are its state; `step` takes them on by one time step."""

    iterations = 14
    memory = 5  # of the acceleration
    refresh = 8  # steps between factorisations

    def __init__(self, sheet: Sheet, cloth: Cloth, held: Reals, links: Integers, floor: Reals,
                 tether: Reals | None = None):  # fmt: skip
        """held (N,) in [0, 1] follow their anchors; links (L, 2) vertices kept side by side; floor (N,) lowest z.

        tether (N,): stiffness an area of what ties the sheet softly to its anchors, as a skin to what it grows on.
        A skin that must be larger than that wrinkles, on an even mesh at a length of 2 pi (3 bending / tether)^(1/4),
        if that is eight edges or more: Cerda and Mahadevan, "Geometry and physics of wrinkling", PRL 2003.
        """
        self.sheet, self.floor, self.dt = sheet, floor, cloth.step
        self.positions = sheet.vertices.copy()
        self.velocities = np.zeros_like(sheet.vertices)
        count = len(sheet.vertices)
        weight = cloth.stretch * sheet.area * sheet.trust
        self._surface = surface(sheet.faces, sheet.inverses, weight, sheet.hinges, sheet.stencils, count)
        self._membrane = cloth.stretch * sheet.laplacian()
        # stiffness of pins, links and contacts in the solver's own terms: mass would be far too soft for a thin sheet
        self._stiff = stiff = RIGID * self._membrane.diagonal().mean()
        self._inertia = (cloth.density * sheet.mass / cloth.step**2)[:, None]
        self._hold = stiff * held[:, None]
        if tether is not None:
            self._hold = self._hold + (tether * sheet.mass)[:, None]
            # the acceleration looks for a fixed point, stable or not: it holds flat what should buckle
            self.memory = 0
        links = np.concatenate([links, sheet.splints])
        self._links = stiff * _scatter(np.tile([[1.0, -1.0], [-1.0, 1.0]], (len(links), 1, 1)), links, count)
        self._link_rest = self._links @ sheet.vertices
        self._age = 0
        self._matrix = self._factor = None

    def step(self, growth: Reals, bending: Reals, kappa: Reals, gravity: Reals, anchors: Reals,
             touching: Touching | None = None) -> None:  # fmt: skip
        """growth (F, 2, 2), bending (H,) falling over time, kappa (H,), gravity (N,) pulling down, anchors (N, 3)."""
        bend = bending * self.sheet.hinge_weight
        if self._age % self.refresh == 0:
            self._matrix = self.matrix(bend)
            self._factor = Factor(self._matrix)
        self._age += 1
        before = self.positions
        pull = self._inertia + self._hold
        free = ahead(before, self.velocities, gravity, self.floor, self.dt)
        load = self._inertia * free + self._hold * anchors + self._link_rest

        def forces(x: Reals) -> Reals:
            force = pull * x
            force -= load
            if self._links.nnz:
                force += self._links @ x
            gradient(x, self._surface, growth, bend, kappa, force)
            return force

        after = self._solved(forces, before, touching)
        self.velocities = (after - before) / self.dt
        self.positions = after

    def _solved(self, forces: Callable, before: Reals, touching: Touching | None) -> Reals:
        """(N, 3) where the forces vanish. Where something touches it takes passes, each of which knows of what the ones
        before it have passed through."""
        if touching is None:
            return self._settled(lambda x: x - self._factor.solve(forces(x)), before)
        after, springs, more, solver = before, None, touching.near, Joined(self._factor, self._stiff)
        for left in reversed(range(PASSES)):
            if more is not None:
                springs = more.joined(springs)
                if len(solver) + len(more.least) > FEW:
                    solver = Joined(Factor(self._matrix + self._stiff * springs.matrix()), self._stiff)
                else:
                    solver.join(more.jacobian)
            after = self._pushed(forces, solver, springs, after)
            more = touching.passed(after) if left else None
            if more is None:
                break
        return after

    def _pushed(self, forces: Callable, solver: Joined, springs: Springs | None, x: Reals) -> Reals:
        def force(x: Reals) -> Reals:
            return forces(x) if springs is None else forces(x) + self._stiff * springs.force(x)

        return self._settled(lambda x: x - solver.solve(force(x)), x)

    def _settled(self, step: Callable[[Reals], Reals], x: Reals) -> Reals:
        def update(x: Reals) -> Reals:
            x = step(x)
            x[:, 2] = np.maximum(x[:, 2], self.floor)
            return x

        if self.memory:
            x = fixed_point(update, x, self.iterations, self.memory)
        else:
            for _ in range(self.iterations):
                x = update(x)
        x[:, 2] = np.maximum(x[:, 2], self.floor)
        return x

    def matrix(self, bend: Reals) -> csr_matrix:
        """(N, N) of the global step; bend (H,)."""
        stencils = self.sheet.stencils
        blocks = bend[:, None, None] * stencils[:, :, None] * stencils[:, None, :]
        hinged = _scatter(blocks, self.sheet.hinges, len(self.sheet.vertices))
        return self._membrane + hinged + self._links + diags((self._inertia + self._hold)[:, 0])


def _wound(hinges: Integers, faces: Integers) -> Integers:
    """(H, 4) the hinges (H, 4) with their ends in the order in which the triangle of the third vertex names them, so
    that all normals of hinges are on the side of the faces' (F, 3)."""
    turns = np.concatenate([faces, np.roll(faces, 1, axis=1), np.roll(faces, 2, axis=1)])
    count = np.array([1, faces.max(initial=0) + 1, (faces.max(initial=0) + 1) ** 2])
    against = ~np.isin(hinges[:, :3] @ count, turns @ count)
    return np.where(against[:, None], hinges[:, [1, 0, 2, 3]], hinges)


def _scatter(blocks: Reals, elements: Integers, count: int) -> csr_matrix:
    """(N, N) sum of one dense block (E, k, k) for each element (E, k)."""
    size = elements.shape[1]
    rows, columns = np.repeat(elements, size, axis=1).ravel(), np.tile(elements, (1, size)).ravel()
    return coo_matrix((blocks.ravel(), (rows, columns)), shape=(count, count)).tocsr()


def _unit(vectors: Reals) -> Reals:
    """(E, 3) of length one; zero stays zero."""
    size = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, size, out=np.zeros_like(vectors), where=size > 0)


def _trust(strength: Reals) -> Reals:
    """(E,) the share of each element's stiffness (E,) that brings none far above the median."""
    stiff = strength[strength > 0]
    most = STRONGEST * np.median(stiff) if len(stiff) else 1.0
    return most / np.maximum(strength, most)
