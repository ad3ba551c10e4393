"""An elastic sheet: triangles that resist stretching, hinges that resist folding, both with a rest state that grows.

Projective dynamics (Bouaziz et al., SIGGRAPH 2014). Growth and rest curvature sit in the targets, so that the
matrix changes only with the bending stiffness, and is factorised anew every few steps.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import splu

from backend.geometry.anderson import fixed_point
from backend.geometry.body import Reals
from backend.geometry.fields import hinges
from kernels.thinshell import gradient

Integers = NDArray[np.int64]


class Sheet:
    """N vertices, F triangles and H hinges at rest: what the kernel and a process need to know of them."""

    def __init__(self, vertices: Reals, faces: NDArray):
        self.vertices = vertices
        self.faces = faces.astype(np.int64)
        corner = vertices[self.faces]
        along = corner[:, 1] - corner[:, 0]
        normal = np.cross(along, corner[:, 2] - corner[:, 0])
        self.area = 0.5 * np.linalg.norm(normal, axis=1)  # (F,)
        self.normal = normal / (2.0 * self.area[:, None])  # (F, 3)
        first = along / np.linalg.norm(along, axis=1, keepdims=True)
        self.frame = np.stack([first, np.cross(self.normal, first)], axis=1)  # (F, 2, 3) axes in each triangle's plane
        edges = np.einsum("fki,fji->fjk", self.frame, corner[:, 1:] - corner[:, :1])  # (F, 2 edges, 2 axes)
        self.inverses = np.ascontiguousarray(np.linalg.inv(edges.transpose(0, 2, 1)))  # (F, 2, 2)
        self.hinges = hinges(self.faces)
        self._hinge_rest()
        self.mass = np.bincount(self.faces.ravel(), np.repeat(self.area / 3.0, 3), minlength=len(vertices))

    def _hinge_rest(self) -> None:
        start, end, a, b = (self.vertices[self.hinges[:, k]] for k in range(4))
        one, other = np.cross(end - start, a - start), np.cross(b - start, end - start)
        size_one, size_other = np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1)

        def cotangent(at: Reals, p: Reals, q: Reals, doubled: Reals) -> Reals:
            return np.einsum("hi,hi->h", p - at, q - at) / doubled

        a0, a1 = cotangent(start, end, a, size_one), cotangent(end, start, a, size_one)
        b0, b1 = cotangent(start, end, b, size_other), cotangent(end, start, b, size_other)
        self.stencils = np.stack([a1 + b1, a0 + b0, -(a0 + a1), -(b0 + b1)], axis=1)  # (H, 4)
        normal = one / size_one[:, None] + other / size_other[:, None]
        self.hinge_normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)  # (H, 3)
        fold = np.einsum("hk,hki->hi", self.stencils, self.vertices[self.hinges])
        self.kappa = np.einsum("hi,hi->h", fold, self.hinge_normal)  # (H,)
        self.hinge_area = 0.5 * (size_one + size_other)  # (H,) of the two triangles
        self.hinge_edge = (end - start) / np.linalg.norm(end - start, axis=1, keepdims=True)  # (H, 3)
        weight = 3.0 / self.hinge_area
        strength = weight * (self.stencils**2).sum(axis=1)
        # needles have stencils without bound; they would be all that the solver sees
        most = 30.0 * np.median(strength) if len(strength) else 1.0
        self.hinge_weight = weight * np.minimum(1.0, most / strength)  # (H,)


class Shell:
    """A sheet in motion. `positions` and `velocities` (N, 3) are its state; `step` takes them on by one time step."""

    iterations = 14
    damping = 0.85
    refresh = 8  # steps between factorisations

    def __init__(self, sheet: Sheet, held: Reals, links: Integers, floor: Reals, step: float, stretch: float,
                 density: float):  # fmt: skip
        """held (N,) in [0, 1] follow their anchors; links (L, 2) vertices kept side by side; floor (N,) lowest z."""
        self.sheet, self.links, self.floor, self.dt = sheet, links, floor, step
        self.positions = sheet.vertices.copy()
        self.velocities = np.zeros_like(sheet.vertices)
        count = len(sheet.vertices)
        self._stretch = stretch * sheet.area
        self._inertia = (density * sheet.mass / step**2)[:, None]
        edge = np.ones(len(links))
        both = coo_matrix(
            (np.concatenate([edge, -edge]), (np.tile(np.arange(len(links)), 2), links.T.ravel())),
            shape=(len(links), count),
        ).tocsr()
        slope = np.concatenate([-sheet.inverses.sum(axis=1, keepdims=True), sheet.inverses], axis=1)  # (F, 3, 2)
        blocks = self._stretch[:, None, None] * (slope @ slope.transpose(0, 2, 1))
        self._membrane = _scatter(blocks, sheet.faces, count)
        # stiffness of pins and links in the solver's own terms: mass would be far too soft for a thin sheet
        stiff = 30.0 * self._membrane.diagonal().mean()
        self._hold = (stiff * held)[:, None]
        self._links = stiff * (both.T @ both)
        self._link_rest = self._links @ sheet.vertices
        self._age = 0
        self._factor = None

    def step(self, growth: Reals, bending: Reals, kappa: Reals, gravity: Reals, anchors: Reals) -> None:
        """growth (F, 2, 2), bending (H,) falling over time, kappa (H,), gravity (N,) pulling down, anchors (N, 3)."""
        sheet, bend = self.sheet, bending * self.sheet.hinge_weight
        if self._age % self.refresh == 0:
            self._factor = self._factorise(bend)
        self._age += 1
        before = self.positions
        ahead = before + self.damping * self.dt * self.velocities
        ahead[:, 2] -= self.dt**2 * gravity
        resting = before[:, 2] <= self.floor + 1e-9  # what lies on the floor hardly slides
        ahead[resting, :2] = before[resting, :2] + 0.3 * (ahead[resting, :2] - before[resting, :2])

        def update(x: Reals) -> Reals:
            force = self._inertia * (x - ahead) + self._hold * (x - anchors)
            force += self._links @ x - self._link_rest
            gradient(
                x, sheet.faces, sheet.inverses, self._stretch, growth, sheet.hinges, sheet.stencils, bend, kappa, force
            )
            x = x - self._factor.solve(force)
            x[:, 2] = np.maximum(x[:, 2], self.floor)
            return x

        after = fixed_point(update, before, self.iterations)
        after[:, 2] = np.maximum(after[:, 2], self.floor)
        self.velocities = (after - before) / self.dt
        self.positions = after

    def _factorise(self, bend: Reals):
        stencils = self.sheet.stencils
        blocks = bend[:, None, None] * stencils[:, :, None] * stencils[:, None, :]
        matrix = self._membrane + _scatter(blocks, self.sheet.hinges, len(self.sheet.vertices)) + self._links
        matrix = matrix + diags((self._inertia + self._hold)[:, 0])
        return splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})


def _scatter(blocks: Reals, elements: Integers, count: int) -> csr_matrix:
    """(N, N) sum of one dense block (E, k, k) for each element (E, k)."""
    size = elements.shape[1]
    rows, columns = np.repeat(elements, size, axis=1).ravel(), np.tile(elements, (1, size)).ravel()
    return coo_matrix((blocks.ravel(), (rows, columns)), shape=(count, count)).tocsr()
