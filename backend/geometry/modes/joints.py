"""Where the members of a body are joined: springs so stiff that what they join moves as one there.

A part without a root hangs on another by a bridge. A sheet is held over a patch about its foot, and wherever it touches
a solid, not at a point: a point would let it tilt.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import bsr_matrix, csr_matrix, diags, vstack
from scipy.spatial import cKDTree

from backend.geometry import lattice
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Reals
from backend.geometry.modes.members import CLAMP, Motion, cross_matrix
from kernels.winding import winding

Integers = NDArray[np.int64]

TOUCH = 0.015  # what is nearer to a solid than this touches it
PATCH = 0.06  # radius of the foot of a sheet, in its own sizes


def held_vertices(anatomy: Anatomy, rooted: Reals) -> NDArray[np.bool_]:
    """(N,) the root, rooted (N,) in [0, 1], and what of other parts touches a part that is held as a whole, or is in
    it: a stem in its pot."""
    held = rooted >= 0.5
    count = anatomy.labels.max() + 1
    whole = np.bincount(anatomy.labels, ~held, minlength=count) == 0
    faces = anatomy.body.faces[whole[anatomy.labels[anatomy.body.faces[:, 0]]]]
    loose = np.flatnonzero(~whole[anatomy.labels])
    if not len(faces) or not len(loose):
        return held
    points, areas = lattice.surface_samples(anatomy.body.vertices, faces, TOUCH)
    spots = anatomy.body.vertices[loose]
    touching = np.isfinite(cKDTree(points).query(spots, distance_upper_bound=TOUCH)[0])
    low, high = points.min(axis=0), points.max(axis=0)
    near = np.flatnonzero(((spots > low) & (spots < high)).all(axis=1) & ~touching)
    touching[near] = np.abs(winding(spots[near], points, areas)) > 0.5
    held[loose[touching]] = True
    return held


def pairs(anatomy: Anatomy, held: NDArray[np.bool_]) -> Integers:
    """(J, 2) vertices that move as one: the second of each on what carries it."""
    body, labels = anatomy.body, anatomy.labels
    reach = np.bincount(labels, anatomy.distance) / np.bincount(labels)
    joined = anatomy.bridged
    hangs = reach[labels[joined[:, 0]]] > reach[labels[joined[:, 1]]]  # what is farther from the root
    joined = np.where(hangs[:, None], joined, joined[:, ::-1])
    found = [joined]
    sheets = np.flatnonzero(anatomy.is_sheet)
    if len(sheets):
        tree = cKDTree(body.vertices[sheets])
        for hanging, carrier in joined[anatomy.is_sheet[joined[:, 0]]]:
            near = sheets[tree.query_ball_point(body.vertices[hanging], PATCH * anatomy.part_size[hanging])]
            near = near[labels[near] == labels[hanging]]
            found.append(np.stack([near, np.full(len(near), carrier)], axis=1))
        found.append(_touching(anatomy, sheets))
    every = np.unique(np.concatenate(found), axis=0)
    every = np.where(held[every[:, :1]], every[:, ::-1], every)
    return every[~held[every[:, 0]]]


def _touching(anatomy: Anatomy, sheets: Integers) -> Integers:
    """(J, 2) vertices of sheets that touch a solid, and the nearest vertex of that."""
    body, solid = anatomy.body, np.flatnonzero(~anatomy.is_sheet)
    if not len(solid):
        return np.zeros((0, 2), np.int64)
    surface = lattice.surface_samples(body.vertices, body.faces[~anatomy.is_sheet[body.faces[:, 0]]], TOUCH)[0]
    gap = cKDTree(surface).query(body.vertices[sheets], distance_upper_bound=TOUCH)[0]
    touching = sheets[np.isfinite(gap)]
    nearest = solid[cKDTree(body.vertices[solid]).query(body.vertices[touching])[1]]
    return np.stack([touching, nearest], axis=1)


def springs(one: Motion, other: Motion, arm: Reals, strength: Reals, rigidity: Reals) -> csr_matrix:
    """(n, n) stiffness of J joints: the first of each moves and turns as if it were `arm` (J, 3) away on the second,
    by springs for motion of CLAMP times strength (J,) N/m, and for turns of CLAMP times rigidity (J,) N m."""
    lever = bsr_matrix((cross_matrix(arm), np.arange(len(arm)), np.arange(len(arm) + 1)))
    apart = one.shift - (other.shift - lever @ other.turn)
    twist = one.turn - other.turn
    stiff = (diags(np.sqrt(CLAMP * np.repeat(kind, 3))) for kind in (strength, rigidity))
    rows = vstack([root @ gap for root, gap in zip(stiff, (apart, twist), strict=True)]).tocsr()
    return (rows.T @ rows).tocsr()
