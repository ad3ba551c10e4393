"""Anderson acceleration: a fixed point in fewer steps."""

from collections.abc import Callable

import numpy as np

from backend.geometry.body import Reals


def fixed_point(update: Callable[[Reals], Reals], x: Reals, iterations: int, memory: int = 5) -> Reals:
    """x after `iterations` calls of `update`, each mixed with up to `memory` earlier ones (type II, with restarts).

    Peng et al., "Anderson acceleration for geometry optimization and physics simulation", SIGGRAPH 2018, use it
    on projective dynamics. Where the residual grows, the history is dropped and the plain step is taken.
    """
    shape = x.shape
    dx: list[Reals] = []
    df: list[Reals] = []
    last_x = last_f = None
    last_size = np.inf
    for _ in range(iterations):
        image = update(x)
        f = (image - x).ravel()
        size = float(f @ f)
        if size == 0.0:
            return image
        if last_f is not None and size < last_size:
            dx.append(x.ravel() - last_x)
            df.append(f - last_f)
            del dx[:-memory], df[:-memory]
        elif last_f is not None:
            dx.clear()
            df.clear()
        last_x, last_f, last_size = x.ravel(), f, size
        if dx:
            basis = np.stack(df)
            gram = basis @ basis.T
            gram[np.diag_indices(len(gram))] *= 1.0 + 1e-8
            mix = np.linalg.lstsq(gram, basis @ f, rcond=None)[0]
            x = (last_x + f - mix @ (np.stack(dx) + basis)).reshape(shape)
        else:
            x = image
    return x
