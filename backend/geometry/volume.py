"""The volume inside a triangle mesh, and the push along the normals that restores it."""

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Ints = NDArray[np.int32]


def signed_volume(vertices: Reals, faces: Ints) -> float:
    """Volume inside a closed mesh, faces anticlockwise seen from outside; the divergence theorem."""
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)


def area_vectors(vertices: Reals, faces: Ints) -> Reals:
    """(N, 3): a third of the area times the outward normal of the faces around each vertex.

    It is also the gradient of the volume of a closed mesh with respect to its vertices.
    """
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    return sum_at_corners(np.repeat(np.cross(b - a, c - a) / 6.0, 3, axis=0), faces, len(vertices))


def sum_at_corners(values: Reals, faces: Ints, count: int) -> Reals:
    """(3 F, 3) values at the corners, face after face -> (count, 3) sums at the vertices."""
    corners = faces.ravel()
    return np.stack([np.bincount(corners, values[:, axis], count) for axis in range(3)], axis=1)


def restore_volume(vertices: Reals, faces: Ints, target: float, share: Reals) -> Reals:
    """Push the vertices along their normals, each by `share` (N,) of one common length, until `target` is inside.

    Three Newton steps on that length; a step is at most a fiftieth of the mesh's extent, so that a mesh which
    cannot hold the volume (share all zero, no area) comes back finite.
    """
    largest = 0.02 * float(np.ptp(vertices, axis=0).max())
    for _ in range(3):
        gradient = area_vectors(vertices, faces)
        length = np.linalg.norm(gradient, axis=1, keepdims=True)
        normals = gradient / np.maximum(length, 1e-30)
        slope = float(share @ length[:, 0])
        if slope < 1e-12:
            return vertices
        push = (target - signed_volume(vertices, faces)) / slope
        vertices = vertices + np.clip(push, -largest, largest) * share[:, None] * normals
    return vertices
