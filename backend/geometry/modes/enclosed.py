"""What a surface encloses, and what of that is held: closed surfaces of the matter that is free to move.

A hole is closed by a fan from its rim to the middle of it, so that an open pot is full, as it is to the other engines.
So is the hole that is left where held faces are taken away: what lies behind the fan does not move, and the fan is
where the matter before it is clamped. On a held end it is the end; around a foot it is the section where the foot ends.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.geometry.body import Reals
from backend.geometry.fields import components
from kernels.winding import winding_reference

Integers = NDArray[np.int64]

FLAT = 1e-5  # volume over area^1.5 of what has no inside: a leaf is a hundred times as thick


@dataclass(frozen=True, eq=False)
class Enclosed:
    """Closed surfaces, facing outwards, and what of them is clamped."""

    surface: Reals  # (S, 3, 3) triangles
    clamped: Reals  # (K, 3, 3) those that are held
    points: Reals  # (P, 3) held vertices on none of these
    matter: NDArray[np.bool_]  # (N,) the vertices of what has an inside that is not held


def enclosed(vertices: Reals, faces: NDArray, held: NDArray[np.bool_]) -> Enclosed:
    """Of vertices (N, 3), faces (F, 3) wound in any way, and held (N,)."""
    faces, piece = _oriented(np.asarray(faces, np.int64).reshape(-1, 3))
    free = ~held[faces].all(axis=1)
    faces, piece = faces[free], piece[free]
    matter = np.zeros(len(held), bool)
    if not len(faces):
        return Enclosed(np.zeros((0, 3, 3)), np.zeros((0, 3, 3)), np.zeros((0, 3)), matter)
    piece = np.unique(piece, return_inverse=True)[1]
    sides, of = _open(faces, piece)
    fans, loop = _fans(vertices, sides, of)
    surface, owner = np.concatenate([vertices[faces], fans]), np.concatenate([piece, of])
    volume, thick = _volumes(surface, owner)
    turned = _turned(surface, owner, volume, thick)[owner]
    surface[turned] = surface[turned][:, ::-1]

    matter[faces[thick[piece]]] = True
    clamped = (np.bincount(loop, ~held[sides].all(axis=1)) == 0)[loop] & thick[of]  # a loop that is held all around
    lone = np.setdiff1d(np.flatnonzero(held & matter), sides[clamped])
    return Enclosed(surface[thick[owner]], fans[clamped], vertices[lone], matter)


def _oriented(faces: Integers) -> tuple[Integers, Integers]:
    """The faces (F, 3), wound alike across every edge of two, most of them as they were; and (F,) the piece each is in,
    which ends where more than two faces meet."""
    count = len(faces)
    if not count:
        return faces, np.zeros(0, np.int64)
    side = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    up, side, face = side[:, 0] < side[:, 1], np.sort(side, axis=1), np.tile(np.arange(count), 3)
    order = np.lexsort((face, side[:, 1], side[:, 0]))
    side, up, face = side[order], up[order], face[order]
    first = np.flatnonzero(np.append(True, (side[1:] != side[:-1]).any(axis=1)))
    two = first[np.diff(np.append(first, len(side))) == 2]
    a, b, alike = face[two], face[two + 1], up[two] != up[two + 1]
    piece = components(count, np.stack([a, b], axis=1))
    # each face twice, as it is and turned over: those that go together are of one component
    other = np.where(alike, b, b + count), np.where(alike, b + count, b)
    both = np.concatenate([np.stack([a, other[0]], 1), np.stack([a + count, other[1]], 1)])
    kind = components(2 * count, both)
    as_it_is = np.bincount(kind, np.repeat([1.0, 0.0], count), minlength=kind.max() + 1)
    turned = as_it_is[kind[:count]] < as_it_is[kind[count:]]
    # of a tie, as many each way, the one that leaves the piece's first face as it is
    tie = (as_it_is[kind[:count]] == as_it_is[kind[count:]]) & (kind[:count] > kind[count:])
    turned |= tie
    return np.where(turned[:, None], faces[:, ::-1], faces), piece


def _open(faces: Integers, piece: Integers) -> tuple[Integers, Integers]:
    """(E, 2) the edges that are missing so that every piece is closed, and (E,) whose they are."""
    side = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    of = np.tile(piece, 3)
    sign = np.where(side[:, 0] < side[:, 1], 1, -1)
    key = np.column_stack([of, np.sort(side, axis=1)])
    key, which = np.unique(key, axis=0, return_inverse=True)
    excess = np.bincount(which.ravel(), sign).astype(np.int64)
    key = np.repeat(key, np.abs(excess), axis=0)
    up = np.repeat(excess, np.abs(excess)) > 0
    return np.where(up[:, None], key[:, [2, 1]], key[:, [1, 2]]), key[:, 0]


def _fans(vertices: Reals, sides: Integers, of: Integers) -> tuple[Reals, Integers]:
    """(E, 3, 3) a triangle from each of the edges to the middle of its loop, and (E,) that loop."""
    if not len(sides):
        return np.zeros((0, 3, 3)), np.zeros(0, np.int64)
    corner = np.unique(np.column_stack([np.repeat(of, 2), sides.ravel()]), axis=0, return_inverse=True)[1]
    loop = components(corner.max() + 1, corner.reshape(-1, 2))[corner.reshape(-1, 2)[:, 0]]
    ends = vertices[sides]
    length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    total = np.maximum(np.bincount(loop, length), 1e-300)
    middle = np.stack([np.bincount(loop, length * column) for column in ends.mean(axis=1).T], axis=1) / total[:, None]
    return np.concatenate([ends, middle[loop][:, None]], axis=1), loop


def _volumes(surface: Reals, owner: Integers) -> tuple[Reals, NDArray[np.bool_]]:
    """(P,) of the closed pieces, negative where they face inwards; and whether there is an inside at all."""
    corner = surface - surface.reshape(-1, 3).mean(axis=0)
    volume = np.bincount(owner, np.einsum("si,si->s", corner[:, 0], np.cross(corner[:, 1], corner[:, 2])) / 6.0)
    twice = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    return volume, np.abs(volume) > FLAT * (0.5 * np.bincount(owner, twice)) ** 1.5


def _turned(surface: Reals, owner: Integers, volume: Reals, thick: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(P,) which closed pieces are to be turned over, because they are inside out. What faces inwards and lies in
    another piece is a hollow, and is left so."""
    turned = volume < 0.0
    outer = surface[((volume > 0.0) & thick)[owner]]
    for piece in np.flatnonzero(turned & thick):
        point = surface[np.argmax(owner == piece)].mean(axis=0)
        turned[piece] = not len(outer) or winding_reference(point[None], outer)[0] < 0.5
    return turned
