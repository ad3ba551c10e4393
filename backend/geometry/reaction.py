"""What spreads over a surface: diffusion, and two substances that react as they spread.

Lengths are lengths on the surface, not edges, so a pattern is the same on a coarse and on a fine mesh, as long as the
mesh can show it. The reaction is that of Gray and Scott with the patterns of Pearson ("Complex patterns in a simple
system", Science 1993); notation and equations are in `kernels.gray_scott`. Departs from them: it lives on a mesh, with
a Laplacian of linear elements without negative weights; feed and kill differ from place to place; and where triangles
are much smaller than elsewhere it spreads more slowly, as the time step would have to be too small.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags

from backend.geometry import fields
from backend.geometry.body import Reals
from backend.geometry.factor import Factor
from kernels.gray_scott import react

SPREAD = np.array([0.16, 0.08])  # of the two substances, in squared units of the pattern a time
PERIOD = 11.0  # of those units from one spot to the next
STABLE = 0.8  # of the largest stable time step
SHORTEST = 0.2  # time step: on a denser mesh than that needs, spreading is slowed down instead


def operators(vertices: Reals, faces: NDArray) -> tuple[csr_matrix, Reals]:
    """(N, N) stiffness and (N,) mass of linear elements: the Laplacian is -stiffness / mass.

    Cotangents of blunt corners are cut off, so that diffusion never makes anything larger than it was.
    """
    corner = vertices[faces]
    count = len(vertices)
    total = coo_matrix((count, count)).tocsr()
    for k in range(3):
        at, p, q = corner[:, k], corner[:, (k + 1) % 3], corner[:, (k + 2) % 3]
        doubled = np.linalg.norm(np.cross(p - at, q - at), axis=1)
        cotangent = np.einsum("fi,fi->f", p - at, q - at) / np.maximum(doubled, 1e-300)
        weight = 0.5 * np.clip(cotangent, 0.02, 20.0)
        a, b = faces[:, (k + 1) % 3], faces[:, (k + 2) % 3]
        half = coo_matrix((weight, (a, b)), shape=(count, count)).tocsr()
        total = total + half + half.T
    mass = fields.areas_around(vertices, faces)
    return diags(np.asarray(total.sum(axis=1)).ravel()) - total, np.maximum(mass, 1e-4 * mass.mean())


def bulging(vertices: Reals, faces: NDArray, hold: Reals, length: Reals | float) -> Reals:
    """(N,) in [0, 1]: 0 where hold (N,) is large, rising to 1 farther than a few `length` from there.

    The height of a membrane under even pressure, on a bed that lets it rise by 1, held down by springs.
    """
    stiffness, mass = operators(vertices, faces)
    matrix = diags(mass * (1.0 + hold)) + length**2 * stiffness
    return Factor(matrix.tocsr()).solve(mass[:, None])[:, 0]


class GrayScott:
    """Colonies that grow over a surface by the reaction of Gray and Scott, `period` from spot to spot.

    `v` (N,) is how dense they are, about 0 to 0.4. Where `feed` is 0 nothing can live.
    """

    def __init__(self, vertices: Reals, faces: NDArray, period: float):
        stiffness, mass = operators(vertices, faces)
        unit = period / PERIOD
        pull = (-(unit**2) * diags(1.0 / mass) @ stiffness).tocsr()
        pull.setdiag(0.0)
        pull.eliminate_zeros()
        total = np.asarray(pull.sum(axis=1)).ravel()
        # where triangles are much smaller than elsewhere all is one anyway, and need not be resolved in time
        fastest = max(min(float(total.max()), 3.0 * float(np.median(total)), STABLE / (SPREAD[0] * SHORTEST)), 1e-12)
        self._pull = (diags(np.minimum(1.0, fastest / np.maximum(total, 1e-300))) @ pull).tocsr()
        self._step = min(1.0, STABLE / (SPREAD[0] * fastest))
        self.u, self.v = np.ones(len(vertices)), np.zeros(len(vertices))

    def plant(self, chosen: NDArray) -> None:
        """Sows colonies at vertices."""
        self.u[chosen], self.v[chosen] = 0.5, 0.5

    def grow(self, time: float, feed: Reals, kill: Reals) -> None:
        """Lives on for a time; feed and kill (N,) a time."""
        steps = max(round(time / self._step), 1)
        rates = np.array([*SPREAD, time / steps])
        pull = self._pull
        react(self.u, self.v, pull.indptr, pull.indices, pull.data, feed, kill, rates, steps)
