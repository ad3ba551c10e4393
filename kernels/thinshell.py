"""Thin-shell elasticity with growth and rest curvature: the hot half of a projective-dynamics step on triangles.

Energy: sum over triangles  stretch/2 |F - R G|^2   F = Ds Dm^-1 (3x2), R the nearest isometry, G (2x2) growth
      + sum over hinges     bend/2 |k.x - kappa n|^2   k.x the bending stencil of four vertices, n the hinge's normal.
Bouaziz et al., "Projective dynamics", SIGGRAPH 2014, sections 5.1, 5.3; the stencil is that of Bergou et al.,
"A quadratic bending model for inextensible surfaces", SGP 2006: zero where flat, and along n whatever the fold.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

from kernels import cpu
from kernels.shapes import Integers, Reals
from kernels.vectors import cross, dot, minus, plus, scaled

FAST = {"contract", "arcp", "nsz"}


class Surface(NamedTuple):
    """F triangles and H hinges between N vertices, and which of them meet at each vertex. See `surface`."""

    faces: Integers  # (F, 3)
    inverses: Reals  # (F, 2, 2) of the rest edges in each triangle's plane
    stretch: Reals  # (F,)
    hinges: Integers  # (H, 4) the edge's ends and the vertex on either side
    stencils: Reals  # (H, 4)
    face_offsets: Integers  # (N + 1,) vertex v is at face_rows[face_offsets[v] : face_offsets[v + 1]]
    face_rows: Integers  # (3 F,) of faces, ravelled
    hinge_offsets: Integers
    hinge_rows: Integers  # (4 H,)
    pulls: Reals  # (F, 2, 3) and (H, 3), written by one launch for itself: there is but one at a time
    folds: Reals


def surface(faces: Integers, inverses: Reals, stretch: Reals, hinges: Integers, stencils: Reals, count: int) -> Surface:
    """The surface of these elements on `count` vertices. Where an element has no area, let its inverse be zero."""
    parts = faces, inverses, stretch, hinges, stencils
    scratch = np.empty((len(faces), 2, 3)), np.empty((len(hinges), 3))
    return Surface(*parts, *_meeting(faces, count), *_meeting(hinges, count), *scratch)


def _meeting(elements: Integers, count: int) -> tuple[Integers, Integers]:
    corners = elements.ravel()
    offsets = np.concatenate([[0], np.cumsum(np.bincount(corners, minlength=count))])
    return offsets, np.argsort(corners, kind="stable")


# --- the definition ---


def gradient_reference(positions: Reals, surface: Surface, growth: Reals, bend: Reals, kappa: Reals) -> Reals:
    """(N, 3) the definition of `gradient`, the isometry from the singular value decomposition."""
    faces, inverses, stretch, hinges, stencils = surface[:5]
    corners = positions[faces]
    f = (corners[:, 1:] - corners[:, :1]).transpose(0, 2, 1) @ inverses
    u, _, vt = np.linalg.svd(f @ growth.transpose(0, 2, 1), full_matrices=False)
    force = stretch[:, None, None] * (f - u @ vt @ growth) @ inverses.transpose(0, 2, 1)
    out = np.zeros_like(positions)
    for corner in range(2):
        np.add.at(out, faces[:, corner + 1], force[:, :, corner])
        np.add.at(out, faces[:, 0], -force[:, :, corner])
    start, end, a, b = (positions[hinges[:, k]] for k in range(4))
    one, other = np.cross(end - start, a - start), np.cross(b - start, end - start)
    n = one / np.linalg.norm(one, axis=1, keepdims=True) + other / np.linalg.norm(other, axis=1, keepdims=True)
    n /= np.linalg.norm(n, axis=1, keepdims=True)
    pull = bend[:, None] * (np.einsum("hk,hki->hi", stencils, positions[hinges]) - kappa[:, None] * n)
    for k in range(4):
        np.add.at(out, hinges[:, k], stencils[:, k : k + 1] * pull)
    return out


# --- CPU ---


@cpu.parallel(fastmath=FAST)
def _gradient(
    positions, faces, inverses, stretch, hinges, stencils, face_offsets, face_rows, hinge_offsets, hinge_rows,
    pulls, folds, growth, bend, kappa, out,
):  # fmt: skip
    for t in numba.prange(len(faces)):
        start = positions[faces[t, 0]]
        e0, e1 = minus(positions[faces[t, 1]], start), minus(positions[faces[t, 2]], start)
        i00, i01, i10, i11 = inverses[t, 0, 0], inverses[t, 0, 1], inverses[t, 1, 0], inverses[t, 1, 1]
        g00, g01, g10, g11 = growth[t, 0, 0], growth[t, 0, 1], growth[t, 1, 0], growth[t, 1, 1]
        f0, f1 = plus(scaled(i00, e0), scaled(i10, e1)), plus(scaled(i01, e0), scaled(i11, e1))
        a0, a1 = plus(scaled(g00, f0), scaled(g01, f1)), plus(scaled(g10, f0), scaled(g11, f1))
        s00, s01, s11 = dot(a0, a0), dot(a0, a1), dot(a1, a1)
        # R = A (A^T A)^-1/2; the root of a 2x2 matrix S is (S + sqrt(det S)) / sqrt(tr S + 2 sqrt(det S))
        root = math.sqrt(max(s00 * s11 - s01 * s01, 1e-16))
        trace = math.sqrt(s00 + s11 + 2.0 * root)
        scale = trace / ((s00 + root) * (s11 + root) - s01 * s01)
        m00, m01, m11 = (s11 + root) * scale, -s01 * scale, (s00 + root) * scale
        r0, r1 = plus(scaled(m00, a0), scaled(m01, a1)), plus(scaled(m01, a0), scaled(m11, a1))
        s0 = scaled(stretch[t], minus(f0, plus(scaled(g00, r0), scaled(g10, r1))))
        s1 = scaled(stretch[t], minus(f1, plus(scaled(g01, r0), scaled(g11, r1))))
        p0, p1 = plus(scaled(i00, s0), scaled(i01, s1)), plus(scaled(i10, s0), scaled(i11, s1))
        for i in range(3):
            pulls[t, 0, i], pulls[t, 1, i] = p0[i], p1[i]

    for h in numba.prange(len(hinges)):
        start, end = positions[hinges[h, 0]], positions[hinges[h, 1]]
        left, right = positions[hinges[h, 2]], positions[hinges[h, 3]]
        e, u, v = minus(end, start), minus(left, start), minus(right, start)
        one, other = cross(e, u), cross(v, e)
        one = scaled(1.0 / math.sqrt(dot(one, one) + 1e-30), one)
        other = scaled(1.0 / math.sqrt(dot(other, other) + 1e-30), other)
        n = plus(one, other)
        n = scaled(kappa[h] / math.sqrt(dot(n, n) + 1e-12), n)
        # the stencil's numbers add up to zero, so that it may be taken from the start
        fold = plus(scaled(stencils[h, 1], e), plus(scaled(stencils[h, 2], u), scaled(stencils[h, 3], v)))
        pull = scaled(bend[h], minus(fold, n))
        for i in range(3):
            folds[h, i] = pull[i]

    for k in numba.prange(len(positions)):
        x = y = z = 0.0
        for at in range(face_offsets[k], face_offsets[k + 1]):
            t = face_rows[at] // 3
            corner = face_rows[at] - 3 * t
            if corner == 0:
                x -= pulls[t, 0, 0] + pulls[t, 1, 0]
                y -= pulls[t, 0, 1] + pulls[t, 1, 1]
                z -= pulls[t, 0, 2] + pulls[t, 1, 2]
            else:
                x += pulls[t, corner - 1, 0]
                y += pulls[t, corner - 1, 1]
                z += pulls[t, corner - 1, 2]
        for at in range(hinge_offsets[k], hinge_offsets[k + 1]):
            h = hinge_rows[at] // 4
            share = stencils[h, hinge_rows[at] - 4 * h]
            x += share * folds[h, 0]
            y += share * folds[h, 1]
            z += share * folds[h, 2]
        out[k, 0] += x
        out[k, 1] += y
        out[k, 2] += z


# --- the function ---


def gradient(positions: Reals, surface: Surface, growth: Reals, bend: Reals, kappa: Reals, out: Reals) -> None:
    """Adds d(energy)/d(positions), the targets held fixed, to `out` (N, 3).

    positions (N, 3), growth (F, 2, 2) in each triangle's own axes, bend (H,), kappa (H,), all float64 and contiguous.
    Each vertex gathers from its own elements, in order: the number of threads changes nothing.
    """
    _gradient(positions, *surface, growth, bend, kappa, out)
