"""Fewer vertices in place of those of a large surface, and how these follow."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, identity
from scipy.spatial import cKDTree

from backend.geometry.body import Reals
from backend.geometry.fields import components, edges, parts, rim, sound_faces
from backend.geometry.proxy import clusters, following

Integers = NDArray[np.int64]


def stand_in(vertices: Reals, faces: NDArray, held: NDArray[np.bool_], count: int) -> tuple[Reals, NDArray, csr_matrix]:
    """About `count` points (N, 3), triangles (G, 3), and (V, N) how much each vertex follows each point.

    Parts stay apart, and each stays in one piece: one that would not keeps all its vertices. Rims stay where they are,
    and so does the line where what is held (V,) ends.
    """
    if len(vertices) <= count:
        return vertices, faces, identity(len(vertices), format="csr")
    part = parts(len(vertices), faces)
    owner = 2 * clusters(vertices, faces, count) + held
    broken = _broken(vertices, faces, part, owner)
    owner = np.where(broken, owner.max() + 1 + np.arange(len(vertices)), owner)
    owner, points, light = _merged(vertices, faces, owner)
    there, light = np.unique(light, return_inverse=True)
    place = _nearest(points, part[np.unique(owner, return_index=True)[1]], there)
    owner, points, light = place[owner], points[there], light.reshape(-1, 3)
    return points, light, following(vertices, faces, points, edges(light), owner)


def fewer(vertices: Reals, faces: NDArray, held: NDArray[np.bool_], count: int) -> tuple[Reals, NDArray, Integers]:
    """About `count` points (N, 3) of a closed surface, triangles that close it as before, and (V,) which point stands
    in for each vertex."""
    if len(vertices) <= count:
        return vertices, faces, np.arange(len(vertices))
    owner = np.unique(2 * clusters(vertices, faces, count) + held, return_inverse=True)[1]
    light = owner[faces]
    collapsed = (light == np.roll(light, 1, axis=1)).any(axis=1)
    return _middles(vertices, owner), light[~collapsed], owner


def _broken(vertices: Reals, faces: NDArray, part: Integers, owner: Integers) -> NDArray[np.bool_]:
    """(V,) the vertices of parts that would fall to pieces, or of which nothing would be left."""
    owner, points, light = _merged(vertices, faces, owner)
    there = np.unique(light)
    piece = components(len(points), edges(light))[there]
    of = part[np.unique(owner, return_index=True)[1]][there]
    pieces = np.unique(np.column_stack([of, piece]), axis=0)[:, 0]
    return (np.bincount(pieces, minlength=part.max() + 1) != 1)[part]


def _merged(vertices: Reals, faces: NDArray, owner: Integers) -> tuple[Integers, Reals, NDArray]:
    """The number, from 0 on, of the cluster of each vertex (V,); a point for each; and the triangles between them."""
    owner = np.unique(owner, return_inverse=True)[1]
    points = _middles(vertices, owner)
    outer = np.unique(rim(faces))
    edge, where = np.unique(owner[outer], return_inverse=True)
    points[edge] = _middles(vertices[outer], where)
    return owner, points, sound_faces(owner[faces], points)


def _middles(vertices: Reals, owner: Integers) -> Reals:
    return np.stack([np.bincount(owner, column) for column in vertices.T], axis=1) / np.bincount(owner)[:, None]


def _nearest(points: Reals, part: Integers, there: Integers) -> Integers:
    """(N,) which of those that are there, by number, is nearest to each point in its own part."""
    apart = np.column_stack([points, 1e3 * np.ptp(points, axis=0).max() * part])
    return cKDTree(apart[there]).query(apart)[1]
