"""From the dense surface of a density to a clean mesh of a chosen number of faces.

Smoothing that does not shrink (Taubin, "A signal processing approach to fair surface design", SIGGRAPH 1995), then
collapses of edges by quadric error (Garland, Heckbert, "Surface simplification using quadric error metrics", SIGGRAPH
1997), by fast-simplification. That library does not look whether a collapse pinches the surface, and in one mesh of
six it does: so it is asked again, with another aggressiveness or for slightly fewer, until the mesh is sound.
"""

import math
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from backend.geometry import fields
from backend.geometry.body import Reals
from backend.geometry.isosurface import FINEST, Ints, Solid, Surface, faults, twins
from backend.geometry.volume import close_holes
from kernels.crossings import crossings

FEWEST = 64  # faces that a mesh may be asked for, and of each of its pieces
EXACT = 0.05  # of the count: how far from it the mesh may be
LAMBDA, MU = 0.5, -0.526  # Taubin's: their pass band ends at 1 / LAMBDA + 1 / MU = 0.1
SMOOTHINGS = 10
AGGRESSIVENESS = (5.0, 4.0, 6.0, 7.0)  # how fast the error that a collapse may make grows, round by round
SHARES = (1.0, 0.99, 0.98, 0.97, 0.96)  # of the count
FAIR = 4  # sound meshes at most of which the best is taken, if none has no blemish
FOLD = -0.5  # cosine between the normals of neighbours: beyond 120 degrees a triangle is turned over
RELAXATIONS = 12
NEEDLE = 1e-4  # of the mean area: a triangle with less has none


class Unmeshable(ValueError):
    """No mesh of so many faces is to be had of this surface; the message says why, and what to do."""


def finished(found: Surface, count: int) -> Surface:
    """The surface with `count` faces, within 5 %: closed, manifold, its vertices where the density is the level.

    A handle or a neck that is no thicker than the faces may be closed, or cut, where it cannot be kept.

    Raises:
        Unmeshable: so few or so many faces cannot be had.
    """
    least = FEWEST * found.pieces
    if count < least:
        pieces = "" if found.pieces == 1 else f", {FEWEST} for each of its {found.pieces} pieces"
        raise Unmeshable(f"{count} faces are too few: ask for at least {least}{pieces}")
    if count > (1.0 + EXACT) * len(found.faces):
        raise Unmeshable(_too_many(found, count))
    smooth = found.solid.onto(smoothed(found.vertices, found.faces))
    best, blemishes, tried = None, math.inf, 0
    for share, aggressiveness in product(SHARES, AGGRESSIVENESS):
        vertices, faces = _collapsed(smooth, found.faces, round(share * count), aggressiveness)
        if not sound(vertices, faces) or abs(len(faces) - count) > EXACT * count:
            continue
        vertices = unfolded(found.solid.onto(vertices), faces, found.solid)
        worse = _blemishes(vertices, faces)
        if worse < blemishes:
            best, blemishes = replace(found, vertices=vertices, faces=faces), worse
        tried += 1
        if blemishes == 0 or tried == FAIR:
            break
    return best or _mended(smooth, found, count)


def smoothed(vertices: Reals, faces: Ints) -> Reals:
    """(V, 3) without stairs: what is longer than some ten edges stays, and so does the volume."""
    sides = fields.edges(faces)
    pairs = np.concatenate([sides, sides[:, ::-1]])
    around = csr_matrix((np.ones(len(pairs)), tuple(pairs.T)), shape=(len(vertices),) * 2)
    number = np.asarray(around.sum(axis=1))
    for _ in range(SMOOTHINGS):
        for weight in (LAMBDA, MU):
            vertices = vertices + weight * (around @ vertices / number - vertices)
    return vertices


def sound(vertices: Reals, faces: Ints) -> bool:
    """Whether triangles (F, 3) are closed and manifold, and no two lie on one another."""
    once = np.unique(np.sort(faces, axis=1), axis=0)
    return len(faces) > 0 and len(once) == len(faces) and not len(faults(faces, len(vertices)))


def unfolded(vertices: Reals, faces: Ints, solid: Solid) -> Reals:
    """(V, 3) with triangles that are turned over, or have no area, relaxed on the surface as far as that helps."""
    best, fewest = vertices, math.inf
    for _ in range(RELAXATIONS):
        wrong = folded(vertices, faces)
        if wrong.sum() < fewest:
            best, fewest = vertices, wrong.sum()
        if not fewest:
            break
        moved = np.unique(faces[wrong])
        sides = fields.edges(faces)
        sides = np.concatenate([sides, sides[:, ::-1]])
        number = np.bincount(sides[:, 0], minlength=len(vertices))
        middle = np.stack([np.bincount(sides[:, 0], column[sides[:, 1]]) / number for column in vertices.T], axis=1)
        vertices = vertices.copy()
        vertices[moved] = solid.onto(0.5 * (vertices + middle)[moved])
    return best


def folded(vertices: Reals, faces: Ints) -> NDArray[np.bool_]:
    """(F,) triangles, of a closed mesh, that are turned over against a neighbour, or have no area."""
    vectors = fields.area_vectors(vertices, faces)
    area = np.linalg.norm(vectors, axis=1)
    normals = vectors / np.maximum(area, 1e-30)[:, None]
    twin, _ = twins(faces, len(vertices))
    cosines = np.einsum("fci,fi->fc", normals[twin // 3].reshape(-1, 3, 3), normals)
    return (cosines < FOLD).any(axis=1) | (area < NEEDLE * area.mean())


def _blemishes(vertices: Reals, faces: Ints) -> int:
    """How many triangles are turned over or cross another."""
    slack = 1e-6 * float(np.ptp(vertices, axis=0).max())
    return int((folded(vertices, faces) | crossings(vertices[faces], faces.astype(np.int64), slack)).sum())


def _collapsed(vertices: Reals, faces: Ints, count: int, aggressiveness: float) -> tuple[Reals, Ints]:
    if count >= len(faces):
        return vertices, faces
    from fast_simplification import simplify

    # a unit cube about the origin, in which rounding to single precision is the same for all
    middle, size = vertices.mean(axis=0), float(np.ptp(vertices, axis=0).max())
    unit = ((vertices - middle) / size).astype(np.float32)
    fewer, triangles = simplify(unit, faces, target_count=count, agg=aggressiveness)
    used, triangles = np.unique(triangles, return_inverse=True)
    return fewer[used].astype(np.float64) * size + middle, triangles.reshape(-1, 3).astype(np.int32)


def _mended(smooth: Reals, found: Surface, count: int) -> Surface:
    """The surface, collapsed, and cut out and closed anew where that broke it."""
    for share, aggressiveness in product(SHARES[::-1], AGGRESSIVENESS):
        vertices, faces = _collapsed(smooth, found.faces, round(share * count), aggressiveness)
        vertices, faces = mended(vertices, faces)
        if sound(vertices, faces) and abs(len(faces) - count) <= EXACT * count:
            vertices = unfolded(found.solid.onto(vertices), faces, found.solid)
            pieces = int(fields.parts(len(vertices), faces).max()) + 1  # a thin neck may have been cut
            return replace(found, vertices=vertices, faces=faces, pieces=pieces)
    raise Unmeshable(
        f"The surface is too rugged for {count} faces: it has {len(found.faces)} and tears when it is made simpler. "
        "Ask for more faces, or take the surface at fewer cells"
    )


def mended(vertices: Reals, faces: Ints, rounds: int = 8) -> tuple[Reals, Ints]:
    """A mesh whose faulty vertices are cut out, and the holes closed by fans; what it leaves may still be unsound."""
    for _ in range(rounds):
        wrong = faults(faces, len(vertices))
        if not len(wrong):
            break
        faces = faces[~np.isin(faces, wrong).any(axis=1)]
        fans, middles = close_holes(vertices, faces)
        vertices = np.concatenate([vertices, middles])
        used, faces = np.unique(np.concatenate([faces, fans]), return_inverse=True)
        vertices, faces = vertices[used], faces.reshape(-1, 3).astype(np.int32)
    return vertices, faces


def _too_many(found: Surface, count: int) -> str:
    cells = 2.0 * found.solid.radius / found.solid.cell
    wanted = math.ceil(1.1 * cells * math.sqrt(count / len(found.faces)))
    more = f", or take the surface at {wanted} cells" if wanted <= FINEST else ""
    return f"{count} faces are more than the surface has: ask for at most {len(found.faces)}{more}"
