"""Whether the camera moves: whether one affine map of the picture carries most of what is seen somewhere else."""

import numpy as np
from numpy.typing import NDArray

POINTS = 24  # across and down, at which flow is looked at
SPREAD = 0.004  # of the width: how far from the map a point may be that still follows it
ROUNDS = 15
MOST = 0.5  # of the points
MOVED = 0.005  # of the width: how far the map may carry a corner of the picture


def follows_camera(moved: NDArray[np.float32]) -> bool:
    """Of flow (T, h, w, 2) from the first frame. What fills most of the picture, and moves as one, counts as a camera:
    no flow can tell them apart."""
    height, width = moved.shape[1:3]
    rows, columns = (np.linspace(0, size - 1, POINTS).astype(int) for size in (height, width))
    flow = moved[:, rows][:, :, columns].reshape(len(moved), -1, 2).astype(np.float64) / width
    y, x = np.meshgrid(rows / width, columns / width, indexing="ij")
    design = np.stack([np.ones(x.size), x.ravel() - 0.5, y.ravel() - 0.5 * height / width], axis=1)
    maps, following = affine(flow, design)
    corners = np.array([[1, sx / 2, sy * height / width / 2] for sx in (-1, 1) for sy in (-1, 1)])
    carried = np.linalg.norm(corners @ maps, axis=2).max(axis=1)
    return bool(((carried > MOVED) & (following > MOST)).any())


def affine(flow: NDArray[np.float64], design: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The maps (T, 3, 2) that most of the points follow, and the share (T,) of them that do.

    Flow (T, P, 2) = design (P, 3) @ map, by least squares with Welsch's weights, from the median shift on. They are
    as wide as half of the points are off, and fall so fast that a part which moves otherwise has no say.
    """
    maps = np.zeros((len(flow), 3, 2))
    maps[:, 0] = np.median(flow, axis=1)
    for _ in range(ROUNDS):
        off = np.linalg.norm(flow - design @ maps, axis=2)
        width = np.maximum(np.median(off, axis=1, keepdims=True), SPREAD / 2)
        weights = np.exp(-0.5 * (off / width) ** 2)
        normal = np.einsum("tp,pi,pj->tij", weights, design, design) + 1e-9 * np.eye(3)
        maps = np.linalg.solve(normal, np.einsum("tp,pi,tpc->tic", weights, design, flow))
    off = np.linalg.norm(flow - design @ maps, axis=2)
    return maps, (off < SPREAD).mean(axis=1)
