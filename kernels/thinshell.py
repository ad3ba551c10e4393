"""Thin-shell elasticity with growth and rest curvature: the hot half of a projective-dynamics step on triangles.

Energy: sum over triangles  stretch/2 |F - R G|^2   F = Ds Dm^-1 (3x2), R the nearest isometry, G (2x2) growth
      + sum over hinges     bend/2 |k.x - kappa n|^2   k.x the bending stencil of four vertices, n the hinge's normal.
Bouaziz et al., "Projective dynamics", SIGGRAPH 2014, sections 5.1, 5.3; the stencil is that of Bergou et al.,
"A quadratic bending model for inextensible surfaces", SGP 2006: zero where flat, and along n whatever the fold.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Integers = NDArray[np.integer]


@njit(cache=True, fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
def gradient(
    positions: Reals, faces: Integers, inverses: Reals, stretch: Reals, growth: Reals, hinges: Integers,
    stencils: Reals, bend: Reals, kappa: Reals, out: Reals,
) -> None:  # fmt: skip
    """Adds d(energy)/d(positions), the targets held fixed, to `out` (N, 3).

    faces (F, 3), inverses (F, 2, 2), stretch (F,), growth (F, 2, 2); hinges (H, 4) the edge's ends and the vertex
    on either side, stencils (H, 4), bend (H,), kappa (H,).
    """
    f = np.empty((3, 2))
    a = np.empty((3, 2))
    stress = np.empty((3, 2))
    for t in range(len(faces)):
        i0, i1, i2 = faces[t, 0], faces[t, 1], faces[t, 2]
        inverse, g = inverses[t], growth[t]
        s00 = s01 = s11 = 0.0
        for i in range(3):
            e0 = positions[i1, i] - positions[i0, i]
            e1 = positions[i2, i] - positions[i0, i]
            f[i, 0] = e0 * inverse[0, 0] + e1 * inverse[1, 0]
            f[i, 1] = e0 * inverse[0, 1] + e1 * inverse[1, 1]
            a[i, 0] = f[i, 0] * g[0, 0] + f[i, 1] * g[0, 1]
            a[i, 1] = f[i, 0] * g[1, 0] + f[i, 1] * g[1, 1]
            s00 += a[i, 0] * a[i, 0]
            s01 += a[i, 0] * a[i, 1]
            s11 += a[i, 1] * a[i, 1]
        # R = A (A^T A)^-1/2; the root of a 2x2 matrix S is (S + sqrt(det S)) / sqrt(tr S + 2 sqrt(det S))
        root = math.sqrt(max(s00 * s11 - s01 * s01, 1e-16))
        trace = math.sqrt(s00 + s11 + 2.0 * root)
        scale = trace / ((s00 + root) * (s11 + root) - s01 * s01)
        m00, m01, m11 = (s11 + root) * scale, -s01 * scale, (s00 + root) * scale
        for i in range(3):
            r0 = a[i, 0] * m00 + a[i, 1] * m01
            r1 = a[i, 0] * m01 + a[i, 1] * m11
            stress[i, 0] = stretch[t] * (f[i, 0] - r0 * g[0, 0] - r1 * g[1, 0])
            stress[i, 1] = stretch[t] * (f[i, 1] - r0 * g[0, 1] - r1 * g[1, 1])
            p1 = stress[i, 0] * inverse[0, 0] + stress[i, 1] * inverse[0, 1]
            p2 = stress[i, 0] * inverse[1, 0] + stress[i, 1] * inverse[1, 1]
            out[i1, i] += p1
            out[i2, i] += p2
            out[i0, i] -= p1 + p2

    n = np.empty(3)
    e = np.empty(3)
    u = np.empty(3)
    v = np.empty(3)
    for h in range(len(hinges)):
        j0, j1, ja, jb = hinges[h, 0], hinges[h, 1], hinges[h, 2], hinges[h, 3]
        for i in range(3):
            e[i] = positions[j1, i] - positions[j0, i]
            u[i] = positions[ja, i] - positions[j0, i]
            v[i] = positions[jb, i] - positions[j0, i]
        # unit normals of the two sides, added: e x u and v x e
        ax, ay, az = e[1] * u[2] - e[2] * u[1], e[2] * u[0] - e[0] * u[2], e[0] * u[1] - e[1] * u[0]
        bx, by, bz = v[1] * e[2] - v[2] * e[1], v[2] * e[0] - v[0] * e[2], v[0] * e[1] - v[1] * e[0]
        la = 1.0 / math.sqrt(ax * ax + ay * ay + az * az + 1e-30)
        lb = 1.0 / math.sqrt(bx * bx + by * by + bz * bz + 1e-30)
        n[0], n[1], n[2] = ax * la + bx * lb, ay * la + by * lb, az * la + bz * lb
        length = 1.0 / math.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2] + 1e-12)
        for i in range(3):
            fold = (
                stencils[h, 0] * positions[j0, i] + stencils[h, 1] * positions[j1, i]
                + stencils[h, 2] * positions[ja, i] + stencils[h, 3] * positions[jb, i]
            )  # fmt: skip
            pull = bend[h] * (fold - kappa[h] * n[i] * length)
            out[j0, i] += stencils[h, 0] * pull
            out[j1, i] += stencils[h, 1] * pull
            out[ja, i] += stencils[h, 2] * pull
            out[jb, i] += stencils[h, 3] * pull


def gradient_reference(
    positions: Reals, faces: Integers, inverses: Reals, stretch: Reals, growth: Reals, hinges: Integers,
    stencils: Reals, bend: Reals, kappa: Reals,
) -> Reals:  # fmt: skip
    """(N, 3) the same, the isometry from the singular value decomposition. Slow and plain."""
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
