"""A surface and its motion for benchmarks, in closed form."""

import numpy as np

from backend.clip import Mesh


def sheet(vertices: int) -> Mesh:
    """A flat grid of quads with about so many vertices; 200 to a row where there are as many."""
    columns = min(200, max(2, int(vertices**0.5)))
    rows = max(2, vertices // columns)
    y, x = np.mgrid[:rows, :columns]
    points = np.stack([x / columns, y / columns, np.zeros_like(x)], axis=-1).reshape(-1, 3)
    index = np.arange(rows * columns).reshape(rows, columns)
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1).reshape(-1, 4)
    return Mesh.from_quads(points, quads)


def wave(rest: np.ndarray, tau: float) -> np.ndarray:
    """(V, 3): a travelling wave, different in every frame."""
    moved = rest.copy()
    moved[:, 2] += 0.05 * np.sin(20 * rest[:, 0] + 7 * rest[:, 1] + 6 * tau).astype(np.float32)
    return moved
