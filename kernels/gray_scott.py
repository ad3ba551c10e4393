"""Two substances that react as they diffuse over a graph: the hot loop of a reaction-diffusion pattern.

    du/dt = D_u L u - u v^2 + feed (1 - u),   dv/dt = D_v L v + u v^2 - (feed + kill) v
Gray and Scott; the patterns are those of Pearson, "Complex patterns in a simple system", Science 1993. Explicit Euler.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Integers = NDArray[np.integer]


@njit(cache=True)
def react(
    u: Reals, v: Reals, indptr: Integers, indices: Integers, weights: Reals, feed: Reals, kill: Reals, rates: Reals,
    steps: int,
) -> None:  # fmt: skip
    """Takes u and v (N,) `steps` steps on, in place. feed and kill (N,) a time; rates (3,): D_u, D_v, the time step.

    Row i of the graph, indptr (N + 1,), indices, weights (M,), says how strongly i is pulled to its neighbours: the
    Laplacian without its diagonal. A time step above 1 / (D_u * the largest sum of a row) is unstable.
    """
    spread_u, spread_v, dt = rates
    next_u, next_v = np.empty_like(u), np.empty_like(v)
    for _ in range(steps):
        for i in range(len(u)):
            pull_u = pull_v = 0.0
            for k in range(indptr[i], indptr[i + 1]):
                j = indices[k]
                pull_u += weights[k] * (u[j] - u[i])
                pull_v += weights[k] * (v[j] - v[i])
            made = u[i] * v[i] * v[i]
            next_u[i] = u[i] + dt * (spread_u * pull_u - made + feed[i] * (1.0 - u[i]))
            next_v[i] = v[i] + dt * (spread_v * pull_v + made - (feed[i] + kill[i]) * v[i])
        u[:], v[:] = next_u, next_v


def react_reference(u: Reals, v: Reals, laplacian, feed: Reals, kill: Reals, rates: Reals, steps: int):
    """u and v (N,) after `steps` steps, with the whole Laplacian, a matrix (N, N)."""
    spread_u, spread_v, dt = rates
    for _ in range(steps):
        made = u * v**2
        u, v = (
            u + dt * (spread_u * (laplacian @ u) - made + feed * (1.0 - u)),
            v + dt * (spread_v * (laplacian @ v) + made - (feed + kill) * v),
        )
    return u, v
