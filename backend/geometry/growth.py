"""Growth without forces: every triangle is told how it lies now, and the body is put together from them.

The mesh whose triangles come closest to where each was turned and scaled to, in the sense of least squares (Sumner
and Popovic, "Deformation transfer for triangle meshes", SIGGRAPH 2004; Yu et al., "Mesh editing with Poisson-based
gradient field manipulation", SIGGRAPH 2004). One matrix, factorised once; each moment is one solve.

Notation: sides (F, 2, 3) two edge vectors of each triangle, their V without its normal; slope (2 F, N) the gradient
operator G in each triangle's own two axes, area its mass M; G^T M G x = G^T M g, for g the gradients that are wanted.

Departs from them: no fourth vertex stands for a triangle's normal, as two axes are enough; nothing is transferred from
another mesh; held vertices are springs of 100 times a typical stiffness, so that they may be held by half; parts that
no edge joins are bound by links, and what nothing holds by a spring too soft to be seen. `Between` takes a given swing
about a hinge out of each triangle's turn, so that a petal may go round by more than half of one.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import splu
from scipy.spatial.transform import Rotation

from backend.geometry.body import Reals
from kernels.rotations import nearest_rotation
from kernels.turning import turned

Integers = NDArray[np.int64]

LINK = 10.0  # stiffness of a link, in those of a typical edge
DRIFT = 1e-9  # what keeps a part from floating away that nothing holds, in the same


class Puzzle:
    """N vertices, F triangles and L links (L, 2) between loose parts. held (N,): 1 stays where it is told to be."""

    def __init__(self, vertices: Reals, faces: NDArray, held: Reals, links: Integers):
        self.vertices, self.faces, self.links = vertices, faces.astype(np.int64), links
        corner = vertices[self.faces]
        self.sides = corner[:, 1:] - corner[:, :1]  # (F, 2, 3)
        normal = np.cross(self.sides[:, 0], self.sides[:, 1])
        self.area = 0.5 * np.linalg.norm(normal, axis=1)
        self.normal = normal / (2.0 * self.area[:, None])
        first = self.sides[:, 0] / np.linalg.norm(self.sides[:, 0], axis=1, keepdims=True)
        self.frame = np.stack([first, np.cross(self.normal, first)], axis=1)
        self.inverses = np.linalg.inv(np.einsum("fkj,fij->fki", self.frame, self.sides))  # (F, 2 axes or edges, 2)
        self._slope = self._gradient()
        self._pull = self._slope.T @ diags(np.repeat(self.area, 2))
        stiffness = self._pull @ self._slope
        typical = float(np.median(stiffness.diagonal()))
        self._hold = typical * (100.0 * held + DRIFT)
        rows, ends = np.arange(len(links)), np.ones(len(links))
        self._across = coo_matrix(
            (np.concatenate([-ends, ends]), (np.tile(rows, 2), links.T.ravel())), shape=(len(links), len(vertices))
        ).tocsr()
        self._bind = LINK * typical * self._across.T
        matrix = stiffness + self._bind @ self._across + diags(self._hold)
        self._factor = splu(
            matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )

    def solve(self, sides: Reals, links: Reals, places: Reals) -> Reals:
        """(N, 3) positions. sides (F, 2, 3) as `self.sides` shall be now; links (L, 3) from the first vertex of each
        link to the second; places (N, 3) where held vertices are."""
        gradient = np.einsum("fak,fki->fai", self.inverses.transpose(0, 2, 1), sides).reshape(-1, 3)
        force = self._pull @ gradient + self._bind @ links + self._hold[:, None] * places
        return self._factor.solve(force)

    def slope_of(self, values: Reals) -> Reals:
        """(F, 3) in which direction, and how fast, a function (N,) on the vertices rises along each triangle."""
        along = (self._slope @ values).reshape(-1, 2)
        return np.einsum("fa,fai->fi", along, self.frame)

    def _gradient(self) -> csr_matrix:
        """(2 F, N) the slope of a function on the vertices along the two axes of each triangle."""
        slopes = np.concatenate([-self.inverses.sum(axis=1, keepdims=True), self.inverses], axis=1)  # (F, 3, 2)
        count = len(self.faces)
        rows = np.repeat(np.arange(2 * count).reshape(-1, 2)[:, None], 3, axis=1)
        columns = np.repeat(self.faces[:, :, None], 2, axis=2)
        shape = (2 * count, len(self.vertices))
        return coo_matrix((slopes.ravel(), (rows.ravel(), columns.ravel())), shape=shape).tocsr()


class Between:
    """How each of F triangles is turned and stretched on its way from one shape to another.

    A swing about `hinge` (F, 3), unit, by `angle` (F,) radians, which may be more than half a turn; then what is left.
    """

    def __init__(self, sides: Reals, target: Reals, hinge: Reals, angle: Reals):
        """sides, target (F, 2, 3): the first two sides of each triangle at either end."""
        moved = _solid(target) @ np.linalg.inv(_solid(sides))
        turn = nearest_rotation(moved)
        self.hinge, self.angle = hinge, angle
        self.stretch = moved.transpose(0, 2, 1) @ turn  # acts on rows
        left = (Rotation.from_matrix(turn) * Rotation.from_rotvec(-angle[:, None] * hinge)).as_rotvec()
        self.rest = np.linalg.norm(left, axis=1)
        self.axis = left / np.maximum(self.rest, 1e-12)[:, None]

    def at(self, share: Reals, sides: Reals) -> Reals:
        """sides (F, 2, 3) of the triangles after a `share` (F,) of the way."""
        share = share[:, None, None]
        sides = (1.0 - share) * sides + share * (sides @ self.stretch)
        sides = turned(sides, self.hinge, share[:, 0, 0] * self.angle)
        return turned(sides, self.axis, share[:, 0, 0] * self.rest)


def _solid(sides: Reals) -> Reals:
    """(F, 3, 3) columns: the two sides (F, 2, 3) of each triangle and its unit normal."""
    normal = np.cross(sides[:, 0], sides[:, 1])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300)
    return np.stack([sides[:, 0], sides[:, 1], normal], axis=2)
