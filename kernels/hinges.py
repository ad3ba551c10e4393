"""Hinges: two triangles on one edge, the angle between them, and where they lie when it is to be another.

The second is one of the projections that a local-global elastic solver makes (`kernels.rotations` tells of these).
"""

import math

import numba
import numpy as np

from kernels import cpu
from kernels.rotations import nearest_rotation_reference, quaternion  # after a change there, delete the cache: cpu.py
from kernels.shapes import Integers, Reals, reals, rows
from kernels.vectors import cross, dot, largest, minus, plus, scaled

FARTHEST = 1e300  # so that the edge between two points does not overflow


# --- the definition ---


def dihedrals_reference(positions: Reals, hinges: Integers) -> Reals:
    """The definition of `dihedrals`: the angle between two normals, with the sign of its turn about the edge."""
    start, end, a, b = positions[hinges].transpose(1, 0, 2)
    along = (end - start) / np.linalg.norm(end - start, axis=1, keepdims=True)
    one, other = np.cross(end - start, a - start), np.cross(b - start, end - start)
    return np.arctan2(np.einsum("hi,hi->h", np.cross(one, other), along), np.einsum("hi,hi->h", one, other))


def fold_hinges_reference(positions: Reals, hinges: Integers, angles: Reals) -> Reals:
    """The definition of `fold_hinges`: one wing is turned about the edge, then the whole is put back rigidly."""
    points = positions[hinges]
    start, end, a, _ = points.transpose(1, 0, 2)
    along = (end - start) / np.linalg.norm(end - start, axis=1, keepdims=True)
    cross = np.cross(np.eye(3), along[:, None])  # (H, 3, 3), cross @ x = along x x
    turn = (dihedrals_reference(positions, hinges) - angles)[:, None, None]
    rotations = np.eye(3) + np.sin(turn) * cross + (1 - np.cos(turn)) * cross @ cross
    folded = points.copy()
    folded[:, 2] = start + np.einsum("hab,hb->ha", rotations, a - start)
    centre = points.mean(axis=1, keepdims=True)
    folded -= folded.mean(axis=1, keepdims=True)
    back = nearest_rotation_reference((points - centre).transpose(0, 2, 1) @ folded)
    return centre + folded @ back.transpose(0, 2, 1)


# --- CPU ---


@cpu.inner
def _hinge(positions, hinge):
    """Size, and in its unit edge e, wings u and v from its start; the dihedral is the angle of (level, across).

    Both are zero where a wing has no area.
    """
    start = positions[hinge[0]]
    e, u, v = (
        minus(positions[hinge[1]], start), minus(positions[hinge[2]], start), minus(positions[hinge[3]], start),
    )  # fmt: skip
    size = max(largest(e), largest(u), largest(v), 1e-300)  # of products of edges, none overflows nor underflows
    e, u, v = scaled(1.0 / size, e), scaled(1.0 / size, u), scaled(1.0 / size, v)
    one, other = cross(e, u), cross(v, e)
    flat = 1e-24 * dot(e, e)
    if dot(one, one) <= flat * dot(u, u) or dot(other, other) <= flat * dot(v, v):
        return size, e, u, v, 0.0, 0.0
    # one x other = -(one . v) e
    return size, e, u, v, dot(one, other), -math.sqrt(dot(e, e)) * dot(one, v)


@cpu.parallel
def _dihedrals(positions, hinges, angles):
    for h in numba.prange(len(hinges)):
        _, _, _, _, level, across = _hinge(positions, hinges[h])
        angle = math.atan2(across, level)
        angles[h] = angle if angle > -math.pi else math.pi


@cpu.parallel
def _fold_hinges(positions, hinges, angles, points):
    for h in numba.prange(len(hinges)):
        hinge = hinges[h]
        size, e, u, v, level, across = _hinge(positions, hinge)
        radius = math.hypot(level, across)
        if radius == 0.0:
            for k in range(4):
                for i in range(3):
                    points[h, k, i] = positions[hinge[k], i]
            continue
        # cosine and sine of what the dihedral is too great by, and the first wing turned about the edge by it
        c, s = math.cos(angles[h]), math.sin(angles[h])
        c, s = (c * level + s * across) / radius, (c * across - s * level) / radius
        length = dot(e, e)
        turned = plus(scaled(c, u), plus(scaled((1.0 - c) * dot(e, u) / length, e),
                                         scaled(s / math.sqrt(length), cross(e, u))))  # fmt: skip
        # both shapes about their own centres; the edge's start, at zero until then, is minus the centre
        was, now = scaled(0.25, plus(e, plus(u, v))), scaled(0.25, plus(e, plus(turned, v)))
        before = scaled(-1.0, was), minus(e, was), minus(u, was), minus(v, was)
        after = scaled(-1.0, now), minus(e, now), minus(turned, now), minus(v, now)
        x = y = z = (0.0, 0.0, 0.0)
        for k in range(4):
            p = before[k]
            x, y, z = plus(x, scaled(p[0], after[k])), plus(y, scaled(p[1], after[k])), plus(z, scaled(p[2], after[k]))
        q = quaternion(x, y, z)
        axis = (q[1], q[2], q[3])
        for k in range(4):
            # R p = p + 2 w (t x p) + 2 t x (t x p), t the axis
            p = after[k]
            side = scaled(2.0, cross(axis, p))
            p = plus(was, plus(p, plus(scaled(q[0], side), cross(axis, side))))
            for i in range(3):
                points[h, k, i] = positions[hinge[0], i] + size * p[i]


# --- the function ---


def dihedrals(positions: Reals, hinges: Integers) -> Reals:
    """(H,) the angle at which each hinge is folded, in (-pi, pi]: 0 where flat, near +-pi where its wings touch.

    positions (N, 3); hinges (H, 4): the edge's ends s and t, then the vertices a and b on either side. It is the turn
    about t - s that takes the normal (t - s) x (a - s) to the normal (b - s) x (t - s): positive where the wings fall
    away from the side to which the normals point, a ridge. To swap s and t, or a and b, changes the sign; both do
    not. A wing without area has no angle: the hinge's is 0.

    Raises ValueError for another shape or type, NaN or infinity, hinges that are no rows of positions, and positions
    beyond 1e300.
    """
    positions = reals("positions", positions, None, 3, most=FARTHEST)
    hinges = rows("hinges", hinges, len(positions), None, 4)
    angles = np.empty(len(hinges))
    _dihedrals(positions, hinges, angles)
    return angles


def fold_hinges(positions: Reals, hinges: Integers, angles: Reals) -> Reals:
    """(H, 4, 3) where the four points of each hinge lie, nearest, when it is folded by its target angle.

    positions (N, 3), hinges (H, 4) and the sign of angles (H,) as in `dihedrals`; any real angle will do. Both wings
    keep their shape, so that folding never asks for stretch; of all places of the folded hinge this is the one with
    the least sum of squared distances, and so no momentum: neither the centre nor, about it, the sum of
    before x after moves. The way from -pi to pi is no way, since it is the shape that is sought, not the path.

    A solver with a constant matrix takes the points y about their centre, or k.y where it measures a hinge by a stencil
    k of four numbers. A hinge with a wing without area comes back as it is.

    Raises ValueError for another shape or type, NaN or infinity, hinges that are no rows of positions, and positions
    beyond 1e300.
    """
    positions = reals("positions", positions, None, 3, most=FARTHEST)
    hinges = rows("hinges", hinges, len(positions), None, 4)
    angles = reals("angles", angles, len(hinges))
    points = np.empty((len(hinges), 4, 3))
    _fold_hinges(positions, hinges, angles, points)
    return points
