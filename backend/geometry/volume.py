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


def part_volumes(vertices: Reals, faces: Ints, parts: Ints, count: int) -> Reals:
    """(count,) signed volume inside each part of a closed mesh; `parts` (F,) numbers the part of each face."""
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    return np.bincount(parts, np.einsum("ij,ij->i", a, np.cross(b, c)) / 6.0, count)


def restore_volume(vertices: Reals, faces: Ints, parts: Ints, targets: Reals, share: Reals) -> Reals:
    """Push each part's vertices along their normals, by `share` (N,) of one length a part, until it holds its target.

    `parts` (F,) numbers the part of each face; no vertex is in two. Three Newton steps on the lengths. A step is at most
    a hundredth of the mesh's extent, so that a part which cannot hold its volume (share all zero, no area) stays finite.
    """
    largest = 0.01 * float(np.ptp(vertices, axis=0).max())
    part_of = np.zeros(len(vertices), np.int64)
    part_of[faces.ravel()] = np.repeat(parts, 3)
    for _ in range(3):
        gradient = area_vectors(vertices, faces)
        length = np.linalg.norm(gradient, axis=1)
        normals = gradient / np.maximum(length, 1e-30)[:, None]
        slope = np.maximum(np.bincount(part_of, share * length, len(targets)), 1e-12)
        push = (targets - part_volumes(vertices, faces, parts, len(targets))) / slope
        vertices = vertices + (np.clip(push, -largest, largest)[part_of] * share)[:, None] * normals
    return vertices
