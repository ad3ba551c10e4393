"""Anderson acceleration: a fixed point in fewer steps."""

from collections.abc import Callable

import numpy as np

from backend.geometry.body import Reals


def fixed_point(update: Callable[[Reals], Reals], x: Reals, iterations: int, memory: int = 5) -> Reals:
    """x after `iterations` calls of `update`, each mixed with up to `memory` earlier ones (type II, with restarts).

    Peng et al., "Anderson acceleration for geometry optimization and physics simulation", SIGGRAPH 2018, use it
    on projective dynamics. Notation: f the residual, update(x) - x; dx, df the differences between iterations; gram
    the matrix of their inner products. Departs from them: they watch the energy, and go back to the plain step where
    it grows; here it is the residual, and the history is dropped with it.
    """
    shape = x.shape
    dx, df = np.empty((2, memory, x.size))
    gram = np.empty((memory, memory))
    kept = 0
    last_x = last_f = None
    last_size = np.inf
    for _ in range(iterations):
        f = update(x)
        f -= x
        x, f = x.ravel(), f.ravel()
        size = _dot(f, f)
        if last_f is not None and size < last_size:
            slot = kept % memory
            np.subtract(x, last_x, out=dx[slot])
            np.subtract(f, last_f, out=df[slot])
            kept += 1
            for other in range(min(kept, memory)):
                gram[slot, other] = gram[other, slot] = _dot(df[slot], df[other])
        else:
            kept = 0
        last_x, last_f, last_size = x, f, size
        x = x + f
        if used := min(kept, memory):
            normal = gram[:used, :used] + 1e-10 * np.trace(gram[:used, :used]) * np.eye(used)
            for k, share in enumerate(np.linalg.solve(normal, [_dot(df[k], f) for k in range(used)])):
                x -= share * dx[k]
                x -= share * df[k]
        x = x.reshape(shape)
    return x


def _dot(a: Reals, b: Reals) -> float:
    # not BLAS: its threads spin on vectors this short, ten times as long as the sum takes
    return float(np.einsum("i,i->", a, b))
