"""Corotated elasticity with growth, on tetrahedra of a regular lattice: the hot half of a projective-dynamics step.

Energy of one tetrahedron of volume v, deformation gradient F, growth G, J = det G:
    v/2 ( shear |F - R G|^2 + bulk |F - P|^2 ),   R the nearest rotation, det P = J after one Newton step from F.
Bouaziz et al., "Projective dynamics", SIGGRAPH 2014, section 5; R by Mueller et al., "A robust method to extract
the rotational part of deformations", MIG 2016, warm-started by the quaternion of the step before.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Integers = NDArray[np.integer]

TURNS = 3  # rotation steps a call; the warm start makes them enough


class Tetrahedra(NamedTuple):
    """K of one volume, of S shapes at rest."""

    corners: Integers  # (K, 4)
    shapes: Integers  # (K,) index into the inverses
    inverses: Reals  # (S, 3, 3) of the rest edge matrices
    volume: float


@njit(cache=True, fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
def gradient(
    positions: Reals, rest: Tetrahedra, shear: Reals, bulk: float, growth: Reals, quaternions: Reals, out: Reals
) -> None:
    """Adds d(energy)/d(positions) to `out` (M, 3) and turns `quaternions` (K, 4) on, in place.

    positions (M, 3); shear (K,); growth (K, 3, 3).
    """
    tets = rest.corners
    f = np.empty((3, 3))
    a = np.empty((3, 3))
    r = np.empty((3, 3))
    stress = np.empty((3, 3))
    for k in range(len(tets)):
        n0, n1, n2, n3 = tets[k, 0], tets[k, 1], tets[k, 2], tets[k, 3]
        inverse = rest.inverses[rest.shapes[k]]
        g = growth[k]
        for i in range(3):
            e0 = positions[n1, i] - positions[n0, i]
            e1 = positions[n2, i] - positions[n0, i]
            e2 = positions[n3, i] - positions[n0, i]
            for j in range(3):
                f[i, j] = e0 * inverse[0, j] + e1 * inverse[1, j] + e2 * inverse[2, j]
        for i in range(3):
            for j in range(3):
                a[i, j] = f[i, 0] * g[j, 0] + f[i, 1] * g[j, 1] + f[i, 2] * g[j, 2]
        q = quaternions[k]
        for _ in range(TURNS):
            w, x, y, z = q[0], q[1], q[2], q[3]
            r[0, 0], r[0, 1], r[0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
            r[1, 0], r[1, 1], r[1, 2] = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
            r[2, 0], r[2, 1], r[2, 2] = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)
            ox = oy = oz = dot = 0.0
            for j in range(3):
                ox += r[1, j] * a[2, j] - r[2, j] * a[1, j]
                oy += r[2, j] * a[0, j] - r[0, j] * a[2, j]
                oz += r[0, j] * a[1, j] - r[1, j] * a[0, j]
                dot += r[0, j] * a[0, j] + r[1, j] * a[1, j] + r[2, j] * a[2, j]
            scale = 1.0 / (abs(dot) + 1e-9)
            ox, oy, oz = ox * scale, oy * scale, oz * scale
            if ox * ox + oy * oy + oz * oz < 1e-16:
                break
            # half the turn as a quaternion that is normalised below: no sine is needed where turns are small
            dx, dy, dz = 0.5 * ox, 0.5 * oy, 0.5 * oz
            q0 = w - dx * x - dy * y - dz * z
            q1 = x + dx * w + dy * z - dz * y
            q2 = y + dy * w + dz * x - dx * z
            q3 = z + dz * w + dx * y - dy * x
            norm = 1.0 / math.sqrt(q0 * q0 + q1 * q1 + q2 * q2 + q3 * q3)
            q[0], q[1], q[2], q[3] = q0 * norm, q1 * norm, q2 * norm, q3 * norm
        w, x, y, z = q[0], q[1], q[2], q[3]
        r[0, 0], r[0, 1], r[0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
        r[1, 0], r[1, 1], r[1, 2] = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
        r[2, 0], r[2, 1], r[2, 2] = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)

        # the cofactor of F is d(det F)/dF: one Newton step along it brings det F to J
        size = 0.0
        for i in range(3):
            i1, i2 = (i + 1) % 3, (i + 2) % 3
            for j in range(3):
                j1, j2 = (j + 1) % 3, (j + 2) % 3
                a[i, j] = f[i1, j1] * f[i2, j2] - f[i1, j2] * f[i2, j1]
                size += a[i, j] * a[i, j]
        det = f[0, 0] * a[0, 0] + f[0, 1] * a[0, 1] + f[0, 2] * a[0, 2]
        wanted = (
            g[0, 0] * (g[1, 1] * g[2, 2] - g[1, 2] * g[2, 1])
            - g[0, 1] * (g[1, 0] * g[2, 2] - g[1, 2] * g[2, 0])
            + g[0, 2] * (g[1, 0] * g[2, 1] - g[1, 1] * g[2, 0])
        )
        # 0.05 keeps the step short where an element is crushed to a line and its cofactor vanishes
        press = bulk * (det - wanted) / (size + 0.05)
        for i in range(3):
            for j in range(3):
                rg = r[i, 0] * g[0, j] + r[i, 1] * g[1, j] + r[i, 2] * g[2, j]
                stress[i, j] = rest.volume * (shear[k] * (f[i, j] - rg) + press * a[i, j])
        for i in range(3):
            s0 = stress[i, 0] * inverse[0, 0] + stress[i, 1] * inverse[0, 1] + stress[i, 2] * inverse[0, 2]
            s1 = stress[i, 0] * inverse[1, 0] + stress[i, 1] * inverse[1, 1] + stress[i, 2] * inverse[1, 2]
            s2 = stress[i, 0] * inverse[2, 0] + stress[i, 1] * inverse[2, 1] + stress[i, 2] * inverse[2, 2]
            out[n1, i] += s0
            out[n2, i] += s1
            out[n3, i] += s2
            out[n0, i] -= s0 + s1 + s2


def gradient_reference(positions: Reals, rest: Tetrahedra, shear: Reals, bulk: float, growth: Reals) -> Reals:
    """(M, 3) the same gradient, R from the singular value decomposition. Slow and plain."""
    corners = positions[rest.corners]
    inverse = rest.inverses[rest.shapes]
    f = (corners[:, 1:] - corners[:, :1]).transpose(0, 2, 1) @ inverse
    u, _, vt = np.linalg.svd(f @ growth.transpose(0, 2, 1))
    vt[np.linalg.det(u @ vt) < 0, 2] *= -1  # the least singular value pays for a reflection
    det = np.linalg.det(f)
    cofactor = np.stack([np.cross(f[:, (i + 1) % 3], f[:, (i + 2) % 3]) for i in range(3)], axis=1)
    press = bulk * (det - np.linalg.det(growth)) / ((cofactor**2).sum(axis=(1, 2)) + 0.05)
    stress = shear[:, None, None] * (f - u @ vt @ growth) + press[:, None, None] * cofactor
    force = rest.volume * stress @ inverse.transpose(0, 2, 1)  # columns: nodes 1, 2, 3
    out = np.zeros_like(positions)
    for corner in range(3):
        np.add.at(out, rest.corners[:, corner + 1], force[:, :, corner])
        np.add.at(out, rest.corners[:, 0], -force[:, :, corner])
    return out
