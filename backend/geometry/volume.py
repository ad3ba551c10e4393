"""The volume inside a triangle mesh, where it lies, the lids that close its holes, and the push that restores it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.geometry.body import Reals
from backend.geometry.fields import components
from kernels.surface_gradients import surface_gradients

Ints = NDArray[np.int32]


def face_volumes(vertices: Reals, faces: Ints) -> Reals:
    """(F,) signed volume of the tetrahedron from the origin to each face; they sum to the volume of a closed mesh."""
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    return np.einsum("ij,ij->i", a, np.cross(b, c)) / 6.0


def signed_volume(vertices: Reals, faces: Ints) -> float:
    """Volume inside a closed mesh, faces anticlockwise seen from outside; the divergence theorem."""
    return float(face_volumes(vertices, faces).sum())


def close_holes(vertices: Reals, faces: Ints) -> tuple[Ints, Reals]:
    """Fans (K, 3) over the holes of a mesh, and the middles (H, 3) they use: new vertices N, N + 1, ...

    Edges that have no partner and hang together are one hole, so that any mesh comes back closed.
    """
    directed = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).astype(np.int64)
    forth = directed @ [len(vertices), 1]
    rim = directed[~np.isin(forth, directed @ [1, len(vertices)])]
    if len(rim) == 0:
        return np.zeros((0, 3), np.int32), np.zeros((0, 3))
    label = components(len(vertices), rim)[rim[:, 0]]
    hole = np.unique(label, return_inverse=True)[1]
    fans = np.stack([rim[:, 1], rim[:, 0], len(vertices) + hole], axis=1).astype(np.int32)
    return fans, _middles(vertices, fans)


def _middles(vertices: Reals, fans: Ints) -> Reals:
    """(H, 3) the mean of each hole's rim."""
    hole = fans[:, 2] - len(vertices)
    size = np.bincount(hole)
    return np.stack([np.bincount(hole, vertices[fans[:, 1], axis]) / size for axis in range(3)], axis=1)


def ringed(vertices: Reals, fans: Ints, spacing: float) -> tuple[Ints, Reals, Ints]:
    """Fans (K, 3) divided into rings about `spacing` wide: triangles (L, 3), the points (R, 3) they use beyond the
    `vertices`, numbered after these, and the point of the rim (R,) that each is beneath."""
    radius = np.linalg.norm(vertices[fans[:, 0]] - vertices[fans[:, 2]], axis=1)
    hole = np.unique(fans[:, 2], return_inverse=True)[1]
    left = np.clip(np.ceil(np.bincount(hole, radius) / np.bincount(hole) / spacing), 1, 12)[hole]
    given, outer, triangles = len(vertices), np.arange(len(vertices)), [fans[:0]]
    while len(fans):
        triangles.append(fans[left <= 1])
        fans, left = fans[left > 1], left[left > 1]
        spokes, index = np.unique(fans[:, [0, 2, 1, 2]].reshape(-1, 2), axis=0, return_inverse=True)
        inner = len(vertices) + index.reshape(-1, 2).astype(np.int32)
        share = np.empty((len(spokes), 1))
        share[index.ravel(), 0] = np.repeat(1.0 / left, 2)
        a, b = vertices[spokes[:, 0]], vertices[spokes[:, 1]]
        vertices, outer = np.concatenate([vertices, a + share * (b - a)]), np.append(outer, outer[spokes[:, 0]])
        triangles += [
            np.column_stack([fans[:, :2], inner[:, 1]]),
            np.column_stack([fans[:, 0], inner[:, 1], inner[:, 0]]),
        ]
        fans, left = np.column_stack([inner, fans[:, 2]]), left - 1
    return np.concatenate(triangles).astype(np.int32), vertices[given:], outer[given:]


@dataclass(frozen=True, eq=False)
class Lidded:
    """Parts of a mesh of N vertices, with a fan over each of their H holes about the mean of its rim."""

    faces: Ints  # (K, 3) N + h is the middle of hole h
    parts: Ints  # (K,) which part, of P
    volumes: Reals  # (P,) inside, at rest; of parts left out 0
    fans: Ints  # (R, 3) of all holes: rim, rim, middle

    def points(self, vertices: Reals) -> Reals:
        """(N + H, 3)"""
        return np.concatenate([vertices, _middles(vertices, self.fans)])


def lidded(vertices: Reals, faces: Ints, kept: NDArray[np.bool_]) -> Lidded:
    """The parts whose vertices are `kept` (N,)."""
    fans, middles = close_holes(vertices, faces)
    label = components(len(vertices), faces[:, [0, 1, 1, 2]].reshape(-1, 2))
    closed = np.concatenate([faces, fans])
    closed = closed[kept[closed[:, 0]]]
    parts = label[closed[:, 0]]
    inside = face_volumes(np.concatenate([vertices, middles]), closed)
    return Lidded(closed, parts, np.bincount(parts, inside, label.max() + 1), fans)


def restore_volume(
    vertices: Reals, faces: Ints, parts: Ints, targets: Reals, share: Reals, largest: float = 0.01
) -> Reals:
    """Push each part's vertices along their normals, by `share` of one length a part, until it holds its target.

    `share` (N, 1), or (N, 3) where a vertex may move more along one axis than along another. `parts` (F,) numbers
    the part of each face; no vertex is in two. Three Newton steps on the lengths, (P,) as
    the `targets`. A step is at most `largest` of the mesh's extent, so that a part which cannot hold its volume
    (share all zero, no area) stays finite.
    """
    largest *= float(np.ptp(vertices, axis=0).max())
    part_of = np.zeros(len(vertices), np.int64)
    part_of[faces.ravel()] = np.repeat(parts, 3)
    slack = np.zeros(len(faces))
    for _ in range(3):
        gradient = surface_gradients(vertices, faces, slack)[0]
        length = np.linalg.norm(gradient, axis=1)
        way = share * gradient / np.maximum(length, 1e-30)[:, None]
        slope = np.maximum(np.bincount(part_of, (gradient * way).sum(axis=1), len(targets)), 1e-12)
        missing = targets - np.bincount(parts, face_volumes(vertices, faces), len(targets))
        push = np.clip(missing / slope, -largest, largest)
        vertices = vertices + push[part_of, None] * way
    return vertices
