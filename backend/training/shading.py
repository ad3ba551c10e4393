"""What both corpora of specimens need to make colours of surfaces."""

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.floating]


def normals(points: Reals, faces: NDArray[np.int32]) -> Reals:
    """(V, 3) unit normals, weighted by area."""
    corner = points[faces]
    own = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    index = faces.ravel()
    total = np.stack([np.bincount(index, np.repeat(own[:, c], 3), minlength=len(points)) for c in range(3)], axis=1)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30)


def encoded(linear: Reals) -> NDArray[np.uint8]:
    """sRGB, as IEC 61966-2-1."""
    linear = np.clip(linear, 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)
    return np.round(255 * srgb).astype(np.uint8)
