"""Gradients of a triangle mesh's volume and of its weighted area with respect to its vertices, in one pass."""

import numba
import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Ints = NDArray[np.int32]


def surface_gradients(vertices: Reals, faces: Ints, tension: Reals) -> tuple[Reals, Reals]:
    """(N, 3) vertices, (F, 3) faces, (F,) tension -> gradient of volume (N, 3), gradient of sum(tension * area) (N, 3).

    A face without area adds nothing to the second.
    """
    return _surface_gradients(vertices, faces, tension)


def surface_gradients_reference(vertices: Reals, faces: Ints, tension: Reals) -> tuple[Reals, Reals]:
    """The definition of `surface_gradients`: face normals and opposite edges, added up corner by corner."""
    corners = vertices[faces]  # (F, 3, 3)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    unit = cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-30)
    volume, area = np.zeros_like(vertices), np.zeros_like(vertices)
    for i in range(3):
        opposite = corners[:, (i + 2) % 3] - corners[:, (i + 1) % 3]
        np.add.at(volume, faces[:, i], cross / 6.0)
        np.add.at(area, faces[:, i], 0.5 * tension[:, None] * np.cross(unit, opposite))
    return volume, area


@numba.njit(cache=True)
def _surface_gradients(vertices, faces, tension):
    volume = np.zeros((len(vertices), 3))
    area = np.zeros((len(vertices), 3))
    for f in range(len(faces)):
        a, b, c = faces[f]
        ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        scale = 0.5 * tension[f] / max(np.sqrt(nx * nx + ny * ny + nz * nz), 1e-30)
        for i in range(3):
            p, q, r = faces[f, i], faces[f, (i + 1) % 3], faces[f, (i + 2) % 3]
            ex = vertices[r, 0] - vertices[q, 0]
            ey = vertices[r, 1] - vertices[q, 1]
            ez = vertices[r, 2] - vertices[q, 2]
            volume[p, 0] += nx / 6.0
            volume[p, 1] += ny / 6.0
            volume[p, 2] += nz / 6.0
            area[p, 0] += scale * (ny * ez - nz * ey)
            area[p, 1] += scale * (nz * ex - nx * ez)
            area[p, 2] += scale * (nx * ey - ny * ex)
    return volume, area
