"""Nearest rotations, and the projections that a local-global elastic solver makes.

Such a solver (Sorkine and Alexa, "As-rigid-as-possible surface modeling", SGP 2007; Bouaziz et al., "Projective
dynamics", SIGGRAPH 2014) takes turns: each element is projected, all alone, on to the nearest shape that it may have;
then one linear system with a constant matrix brings the elements together. The first half is here.

A unit quaternion q = (w, x, y, z) stands for a rotation R(q), and trace(R(q)^T M) = q^T N q with a symmetric 4x4
matrix N, linear in M (Horn, "Closed-form solution of absolute orientation using unit quaternions", JOSA A 1987). So
the rotation nearest to M is the eigenvector of the greatest eigenvalue of N, be M mirrored or flat. It is found by
squaring B = (N / |M| + 1) / 4 until only the projection on to that eigenvector is left: the eigenvalues of N are
    s1 + s2 + s3,  s1 - s2 - s3,  -s1 + s2 - s3,  -s1 - s2 + s3     (s the singular values; s3 < 0 where det M < 0)
and with |M| added, the Frobenius norm, none is as great in size as the first.
"""

import functools
import math

import numba
import numpy as np
from numpy.typing import NDArray

from kernels import cpu

Reals = NDArray[np.float64]
Integers = NDArray[np.integer]

# Thirty tell the two greatest eigenvalues apart down to a gap of about 1e-9 |M|. What is nearer is a tie, in which
# the first column of B is the identity's projection: of the rotations that are as good, the nearest to the identity.
SQUARINGS = 30


# --- the definitions


def nearest_rotation_reference(matrices: Reals) -> Reals:
    """The definition of `nearest_rotation`: the polar factor, by singular value decomposition. Ties fall anyhow."""
    u, _, vt = np.linalg.svd(matrices)
    u[np.linalg.det(u @ vt) < 0, :, 2] *= -1  # the least singular value pays for a reflection
    return u @ vt


def arap_local_step_reference(
    rest: Reals, deformed: Reals, offsets: Integers, neighbours: Integers, weights: Reals
) -> tuple[Reals, Reals]:
    """The definition of `arap_local_step`: edge by edge, summed up."""
    i, j = np.repeat(np.arange(len(rest)), np.diff(offsets)), neighbours
    before, after = rest[i] - rest[j], deformed[i] - deformed[j]
    covariance = np.zeros((len(rest), 3, 3))
    np.add.at(covariance, i, np.einsum("e,ea,eb->eab", weights, after, before))
    rotations = nearest_rotation_reference(covariance)
    right_side = np.zeros_like(rest)
    np.add.at(right_side, i, np.einsum("e,eab,eb->ea", weights / 2, rotations[i] + rotations[j], before))
    return rotations, right_side


def limit_strain_reference(positions: Reals, faces: Integers, metrics: Reals, least: float, most: float) -> Reals:
    """The definition of `limit_strain`: singular values, clamped. For triangles that are not degenerate."""
    corner = positions[faces]
    edges = (corner[:, 1:] - corner[:, :1]).transpose(0, 2, 1)
    rest = np.linalg.cholesky(metrics).transpose(0, 2, 1)  # edges in the plane that have this metric
    u, s, vt = np.linalg.svd(edges @ np.linalg.inv(rest), full_matrices=False)
    return (u * s.clip(least, most)[:, None]) @ vt @ rest


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


# --- on the CPU

_inner = numba.njit(cache=True, error_model="numpy", fastmath={"contract", "arcp", "nsz"})


@_inner
def _quaternion(m00, m01, m02, m10, m11, m12, m20, m21, m22):
    """(w, x, y, z) of the rotation nearest to M; the identity's where M is zero."""
    largest = max(
        max(abs(m00), abs(m01), abs(m02)), max(abs(m10), abs(m11), abs(m12)), max(abs(m20), abs(m21), abs(m22))
    )
    if largest < 1e-300:
        return 1.0, 0.0, 0.0, 0.0
    unit = 1.0 / largest  # so that no square overflows
    m00, m01, m02 = m00 * unit, m01 * unit, m02 * unit
    m10, m11, m12 = m10 * unit, m11 * unit, m12 * unit
    m20, m21, m22 = m20 * unit, m21 * unit, m22 * unit
    square = m00 * m00 + m01 * m01 + m02 * m02 + m10 * m10 + m11 * m11 + m12 * m12 + m20 * m20 + m21 * m21 + m22 * m22
    s = 0.25 / math.sqrt(square)
    b00, b01, b02, b03 = 0.25 + s * (m00 + m11 + m22), s * (m21 - m12), s * (m02 - m20), s * (m10 - m01)
    b11, b12, b13 = 0.25 + s * (m00 - m11 - m22), s * (m01 + m10), s * (m02 + m20)
    b22, b23 = 0.25 + s * (m11 - m00 - m22), s * (m12 + m21)
    b33 = 0.25 + s * (m22 - m00 - m11)
    for _ in range(SQUARINGS):
        c00 = b00 * b00 + b01 * b01 + b02 * b02 + b03 * b03
        c01 = b00 * b01 + b01 * b11 + b02 * b12 + b03 * b13
        c02 = b00 * b02 + b01 * b12 + b02 * b22 + b03 * b23
        c03 = b00 * b03 + b01 * b13 + b02 * b23 + b03 * b33
        c11 = b01 * b01 + b11 * b11 + b12 * b12 + b13 * b13
        c12 = b01 * b02 + b11 * b12 + b12 * b22 + b13 * b23
        c13 = b01 * b03 + b11 * b13 + b12 * b23 + b13 * b33
        c22 = b02 * b02 + b12 * b12 + b22 * b22 + b23 * b23
        c23 = b02 * b03 + b12 * b13 + b22 * b23 + b23 * b33
        c33 = b03 * b03 + b13 * b13 + b23 * b23 + b33 * b33
        trace = c00 + c11 + c22 + c33
        s = 1.0 / trace
        b00, b01, b02, b03 = c00 * s, c01 * s, c02 * s, c03 * s
        b11, b12, b13 = c11 * s, c12 * s, c13 * s
        b22, b23 = c22 * s, c23 * s
        b33 = c33 * s
        # with the trace at 1, the square's trace falls short of 1 by twice what is left of the other eigenvectors;
        # in the square itself that is left squared
        if trace > 1.0 - 1e-8:
            break
    # each column is a multiple of the eigenvector; the first is good enough unless nearly nothing
    if b00 > 0.01:
        w, x, y, z = b00, b01, b02, b03
    elif b11 >= b22 and b11 >= b33:
        w, x, y, z = b01, b11, b12, b13
    elif b22 >= b33:
        w, x, y, z = b02, b12, b22, b23
    else:
        w, x, y, z = b03, b13, b23, b33
    s = 1.0 / math.sqrt(w * w + x * x + y * y + z * z)
    return w * s, x * s, y * s, z * s


@_inner
def _store(quaternion, r):
    """Writes the rotation of a unit quaternion into r (3, 3)."""
    w, x, y, z = quaternion
    r[0, 0], r[0, 1], r[0, 2] = 1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)
    r[1, 0], r[1, 1], r[1, 2] = 2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)
    r[2, 0], r[2, 1], r[2, 2] = 2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)


@cpu.parallel(fastmath={"contract", "arcp", "nsz"})
def _nearest_rotation(matrices, rotations):
    for n in numba.prange(len(matrices)):
        m = matrices[n]
        q = _quaternion(m[0, 0], m[0, 1], m[0, 2], m[1, 0], m[1, 1], m[1, 2], m[2, 0], m[2, 1], m[2, 2])
        _store(q, rotations[n])


@cpu.parallel(fastmath={"contract", "arcp", "nsz"})
def _arap_local_step(rest, deformed, offsets, neighbours, weights, rotations, right_side):
    for i in numba.prange(len(rest)):
        m00 = m01 = m02 = m10 = m11 = m12 = m20 = m21 = m22 = 0.0
        for k in range(offsets[i], offsets[i + 1]):
            j, weight = neighbours[k], weights[k]
            ax = weight * (deformed[i, 0] - deformed[j, 0])
            ay = weight * (deformed[i, 1] - deformed[j, 1])
            az = weight * (deformed[i, 2] - deformed[j, 2])
            bx, by, bz = rest[i, 0] - rest[j, 0], rest[i, 1] - rest[j, 1], rest[i, 2] - rest[j, 2]
            m00, m01, m02 = m00 + ax * bx, m01 + ax * by, m02 + ax * bz
            m10, m11, m12 = m10 + ay * bx, m11 + ay * by, m12 + ay * bz
            m20, m21, m22 = m20 + az * bx, m21 + az * by, m22 + az * bz
        _store(_quaternion(m00, m01, m02, m10, m11, m12, m20, m21, m22), rotations[i])
    for i in numba.prange(len(rest)):
        r = rotations[i]
        x = y = z = 0.0
        for k in range(offsets[i], offsets[i + 1]):
            j, half = neighbours[k], 0.5 * weights[k]
            t = rotations[j]
            bx = half * (rest[i, 0] - rest[j, 0])
            by = half * (rest[i, 1] - rest[j, 1])
            bz = half * (rest[i, 2] - rest[j, 2])
            x += (r[0, 0] + t[0, 0]) * bx + (r[0, 1] + t[0, 1]) * by + (r[0, 2] + t[0, 2]) * bz
            y += (r[1, 0] + t[1, 0]) * bx + (r[1, 1] + t[1, 1]) * by + (r[1, 2] + t[1, 2]) * bz
            z += (r[2, 0] + t[2, 0]) * bx + (r[2, 1] + t[2, 1]) * by + (r[2, 2] + t[2, 2]) * bz
        right_side[i, 0], right_side[i, 1], right_side[i, 2] = x, y, z


@cpu.parallel
def _limit_strain(positions, faces, metrics, least, most, out):
    for t in numba.prange(len(faces)):
        start, end, tip = positions[faces[t, 0]], positions[faces[t, 1]], positions[faces[t, 2]]
        px, py, pz = end[0] - start[0], end[1] - start[1], end[2] - start[2]
        qx, qy, qz = tip[0] - start[0], tip[1] - start[1], tip[2] - start[2]
        # rest edges (g, 0) and (h, k) in the plane have the wanted metric; their inverse takes p, q to a gradient
        g = math.sqrt(metrics[t, 0, 0])
        h = metrics[t, 0, 1] / g
        k = math.sqrt(metrics[t, 1, 1] - h * h)
        ax, ay, az = px / g, py / g, pz / g
        bx, by, bz = (qx - h * ax) / k, (qy - h * ay) / k, (qz - h * az) / k
        # one turn (c, s) of the plane makes the two columns orthogonal, and their lengths the singular values
        dot = ax * bx + ay * by + az * bz
        cotangent = (
            (bx * bx + by * by + bz * bz - ax * ax - ay * ay - az * az) / (2.0 * dot) if dot != 0.0 else math.inf
        )
        tangent = math.copysign(1.0, cotangent) / (abs(cotangent) + math.hypot(1.0, cotangent))
        c = 1.0 / math.hypot(1.0, tangent)
        s = c * tangent
        ux, uy, uz = c * ax - s * bx, c * ay - s * by, c * az - s * bz
        vx, vy, vz = s * ax + c * bx, s * ay + c * by, s * az + c * bz
        one, two = math.sqrt(ux * ux + uy * uy + uz * uz), math.sqrt(vx * vx + vy * vy + vz * vz)
        swap = one < two
        if swap:
            ux, uy, uz, one, vx, vy, vz, two = vx, vy, vz, two, ux, uy, uz, one
        if least <= two and one <= most:
            out[t, 0, 0], out[t, 1, 0], out[t, 2, 0] = px, py, pz
            out[t, 0, 1], out[t, 1, 1], out[t, 2, 1] = qx, qy, qz
            continue
        if one > 0.0:
            ux, uy, uz = ux / one, uy / one, uz / one
        else:
            ux, uy, uz = 1.0, 0.0, 0.0
        if two <= 1e-12 * one:  # no direction is left: any across u
            if abs(ux) <= abs(uy) and abs(ux) <= abs(uz):
                vx, vy, vz = 1.0, 0.0, 0.0
            elif abs(uy) <= abs(uz):
                vx, vy, vz = 0.0, 1.0, 0.0
            else:
                vx, vy, vz = 0.0, 0.0, 1.0
        else:
            vx, vy, vz = vx / two, vy / two, vz / two
        along = ux * vx + uy * vy + uz * vz
        vx, vy, vz = vx - along * ux, vy - along * uy, vz - along * uz
        one = min(max(one, least), most)
        two = min(max(two, least), most) / math.sqrt(vx * vx + vy * vy + vz * vz)
        ux, uy, uz, vx, vy, vz = one * ux, one * uy, one * uz, two * vx, two * vy, two * vz
        if swap:
            ux, uy, uz, vx, vy, vz = vx, vy, vz, ux, uy, uz
        ax, ay, az = c * ux + s * vx, c * uy + s * vy, c * uz + s * vz
        bx, by, bz = c * vx - s * ux, c * vy - s * uy, c * vz - s * uz
        out[t, 0, 0], out[t, 1, 0], out[t, 2, 0] = g * ax, g * ay, g * az
        out[t, 0, 1], out[t, 1, 1], out[t, 2, 1] = h * ax + k * bx, h * ay + k * by, h * az + k * bz


@_inner
def _hinge(start, end, a, b):
    """Edge e, wings u and v from its start, and the dihedral as a point (across, level) at its angle; 0, 0 if none."""
    ex, ey, ez = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    ux, uy, uz = a[0] - start[0], a[1] - start[1], a[2] - start[2]
    vx, vy, vz = b[0] - start[0], b[1] - start[1], b[2] - start[2]
    kx, ky, kz = ey * uz - ez * uy, ez * ux - ex * uz, ex * uy - ey * ux
    lx, ly, lz = vy * ez - vz * ey, vz * ex - vx * ez, vx * ey - vy * ex
    length = ex * ex + ey * ey + ez * ez
    one, other = kx * kx + ky * ky + kz * kz, lx * lx + ly * ly + lz * lz
    across = level = 0.0
    flat = 1e-24 * length
    if one > flat * (ux * ux + uy * uy + uz * uz) and other > flat * (vx * vx + vy * vy + vz * vz):
        level = kx * lx + ky * ly + kz * lz
        turn = ex * (ky * lz - kz * ly) + ey * (kz * lx - kx * lz) + ez * (kx * ly - ky * lx)
        across = turn / math.sqrt(length)
    return (ex, ey, ez), (ux, uy, uz), (vx, vy, vz), across, level


@cpu.parallel
def _dihedrals(positions, hinges, out):
    for h in numba.prange(len(hinges)):
        _, _, _, across, level = _hinge(
            positions[hinges[h, 0]], positions[hinges[h, 1]], positions[hinges[h, 2]], positions[hinges[h, 3]]
        )
        out[h] = math.atan2(across, level)


@cpu.parallel
def _fold_hinges(positions, hinges, angles, out):
    for h in numba.prange(len(hinges)):
        start = positions[hinges[h, 0]]
        e, u, v, across, level = _hinge(
            start, positions[hinges[h, 1]], positions[hinges[h, 2]], positions[hinges[h, 3]]
        )
        size = math.hypot(across, level)
        if size == 0.0:
            for k in range(4):
                for i in range(3):
                    out[h, k, i] = positions[hinges[h, k], i]
            continue
        # cosine and sine of what the dihedral is too great by, and the first wing turned about the edge by it
        c, s = math.cos(angles[h]), math.sin(angles[h])
        c, s = (c * level + s * across) / size, (c * across - s * level) / size
        length = e[0] * e[0] + e[1] * e[1] + e[2] * e[2]
        along = (1.0 - c) * (e[0] * u[0] + e[1] * u[1] + e[2] * u[2]) / length
        s /= math.sqrt(length)
        tx = c * u[0] + along * e[0] + s * (e[1] * u[2] - e[2] * u[1])
        ty = c * u[1] + along * e[1] + s * (e[2] * u[0] - e[0] * u[2])
        tz = c * u[2] + along * e[2] + s * (e[0] * u[1] - e[1] * u[0])
        # both shapes about their own centres; the edge's start, at zero until then, is minus the centre
        ox, oy, oz = 0.25 * (e[0] + u[0] + v[0]), 0.25 * (e[1] + u[1] + v[1]), 0.25 * (e[2] + u[2] + v[2])
        nx, ny, nz = 0.25 * (e[0] + tx + v[0]), 0.25 * (e[1] + ty + v[1]), 0.25 * (e[2] + tz + v[2])
        was = ((-ox, -oy, -oz), (e[0] - ox, e[1] - oy, e[2] - oz), (u[0] - ox, u[1] - oy, u[2] - oz),
               (v[0] - ox, v[1] - oy, v[2] - oz))  # fmt: skip
        now = ((-nx, -ny, -nz), (e[0] - nx, e[1] - ny, e[2] - nz), (tx - nx, ty - ny, tz - nz),
               (v[0] - nx, v[1] - ny, v[2] - nz))  # fmt: skip
        m00 = m01 = m02 = m10 = m11 = m12 = m20 = m21 = m22 = 0.0
        for k in range(4):
            p, q = was[k], now[k]
            m00, m01, m02 = m00 + p[0] * q[0], m01 + p[0] * q[1], m02 + p[0] * q[2]
            m10, m11, m12 = m10 + p[1] * q[0], m11 + p[1] * q[1], m12 + p[1] * q[2]
            m20, m21, m22 = m20 + p[2] * q[0], m21 + p[2] * q[1], m22 + p[2] * q[2]
        w, x, y, z = _quaternion(m00, m01, m02, m10, m11, m12, m20, m21, m22)
        for k in range(4):
            p = now[k]
            # R p = p + 2 w (t x p) + 2 t x (t x p), t = (x, y, z)
            fx, fy, fz = 2.0 * (y * p[2] - z * p[1]), 2.0 * (z * p[0] - x * p[2]), 2.0 * (x * p[1] - y * p[0])
            out[h, k, 0] = start[0] + ox + p[0] + w * fx + y * fz - z * fy
            out[h, k, 1] = start[1] + oy + p[1] + w * fy + z * fx - x * fz
            out[h, k, 2] = start[2] + oz + p[2] + w * fz + x * fy - y * fx


# --- on CUDA: for torch's tensors, so that torch and Warp are loaded when the first of them comes


@functools.cache
def _warp_kernels():
    import warp as wp

    @wp.func
    def rotation(m: wp.mat33d):
        largest = wp.float64(0.0)
        for i in range(3):
            for j in range(3):
                largest = wp.max(largest, wp.abs(m[i, j]))
        if largest < wp.float64(1.0e-300):
            return wp.identity(n=3, dtype=wp.float64)
        m = m / largest
        n = wp.mat44d(
            m[0, 0] + m[1, 1] + m[2, 2], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1],
            m[2, 1] - m[1, 2], m[0, 0] - m[1, 1] - m[2, 2], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0],
            m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], m[1, 1] - m[0, 0] - m[2, 2], m[1, 2] + m[2, 1],
            m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], m[2, 2] - m[0, 0] - m[1, 1],
        )  # fmt: skip
        b = (n / wp.sqrt(wp.ddot(m, m)) + wp.identity(n=4, dtype=wp.float64)) * wp.float64(0.25)
        for _ in range(SQUARINGS):
            b = b * b
            trace = wp.trace(b)
            b = b / trace
            if trace > wp.float64(1.0 - 1.0e-8):
                break
        q = b[0]
        if b[0, 0] <= wp.float64(0.01):
            q = b[3]
            if b[1, 1] >= b[2, 2] and b[1, 1] >= b[3, 3]:
                q = b[1]
            elif b[2, 2] >= b[3, 3]:
                q = b[2]
        q = wp.normalize(q)
        return wp.quat_to_matrix(wp.quatd(q[1], q[2], q[3], q[0]))

    @wp.func
    def edge(points: wp.array2d(dtype=wp.float32), i: int, j: int):
        return wp.vec3d(
            wp.float64(points[i, 0]) - wp.float64(points[j, 0]),
            wp.float64(points[i, 1]) - wp.float64(points[j, 1]),
            wp.float64(points[i, 2]) - wp.float64(points[j, 2]),
        )

    @wp.kernel(enable_backward=False)
    def nearest_rotation(matrices: wp.array3d(dtype=wp.float32), rotations: wp.array3d(dtype=wp.float32)):
        n = wp.tid()
        m = wp.mat33d()
        for i in range(3):
            for j in range(3):
                m[i, j] = wp.float64(matrices[n, i, j])
        r = rotation(m)
        for i in range(3):
            for j in range(3):
                rotations[n, i, j] = wp.float32(r[i, j])

    @wp.kernel(enable_backward=False)
    def arap_rotations(
        rest: wp.array2d(dtype=wp.float32), deformed: wp.array2d(dtype=wp.float32), offsets: wp.array(dtype=wp.int32),
        neighbours: wp.array(dtype=wp.int32), weights: wp.array(dtype=wp.float32),
        rotations: wp.array3d(dtype=wp.float32),
    ):  # fmt: skip
        i = wp.tid()
        m = wp.mat33d()
        for k in range(offsets[i], offsets[i + 1]):
            j = neighbours[k]
            m += wp.outer(wp.float64(weights[k]) * edge(deformed, i, j), edge(rest, i, j))
        r = rotation(m)
        for a in range(3):
            for b in range(3):
                rotations[i, a, b] = wp.float32(r[a, b])

    @wp.kernel(enable_backward=False)
    def arap_right_side(
        rest: wp.array2d(dtype=wp.float32), offsets: wp.array(dtype=wp.int32), neighbours: wp.array(dtype=wp.int32),
        weights: wp.array(dtype=wp.float32), rotations: wp.array3d(dtype=wp.float32),
        right_side: wp.array2d(dtype=wp.float32),
    ):  # fmt: skip
        i = wp.tid()
        total = wp.vec3d()
        for k in range(offsets[i], offsets[i + 1]):
            j = neighbours[k]
            half = wp.float64(0.5) * wp.float64(weights[k]) * edge(rest, i, j)
            for a in range(3):
                for b in range(3):
                    total[a] += (wp.float64(rotations[i, a, b]) + wp.float64(rotations[j, a, b])) * half[b]
        for a in range(3):
            right_side[i, a] = wp.float32(total[a])

    return nearest_rotation, arap_rotations, arap_right_side


def _nearest_rotation_tensor(matrices):
    import torch

    from kernels import cuda, door

    door.shaped("matrices", matrices, None, 3, 3)
    door.alike(matrices=matrices)
    door.finite(matrices=matrices)
    if not cuda.usable(matrices):
        return torch.from_numpy(nearest_rotation(matrices.detach().numpy())).to(matrices)
    rotations = torch.empty_like(matrices, memory_format=torch.contiguous_format)
    cuda.launch(_warp_kernels()[0], len(matrices), matrices.contiguous(), rotations)
    return rotations


def _arap_local_step_tensor(rest, deformed, offsets, neighbours, weights):
    import torch

    from kernels import cuda, door

    door.shaped("rest", rest, None, 3)
    door.shaped("deformed", deformed, len(rest), 3)
    door.shaped("offsets", offsets, len(rest) + 1)
    door.shaped("neighbours", neighbours, None)
    door.shaped("weights", weights, len(neighbours))
    door.alike(rest=rest, deformed=deformed, weights=weights)
    door.finite(rest=rest, deformed=deformed, weights=weights)
    door.indices("offsets", offsets, 0, len(neighbours) + 1)
    door.indices("neighbours", neighbours, 0, len(rest))
    if not cuda.usable(rest):
        arrays = (tensor.detach().numpy() for tensor in (rest, deformed, offsets, neighbours, weights))
        return tuple(torch.from_numpy(result).to(rest) for result in arap_local_step(*arrays))
    rotations, right_side = rest.new_empty(len(rest), 3, 3), rest.new_empty(len(rest), 3)
    rest, deformed, weights = rest.contiguous(), deformed.contiguous(), weights.contiguous()
    offsets, neighbours = offsets.int().contiguous(), neighbours.int().contiguous()
    _, arap_rotations, arap_right_side = _warp_kernels()
    cuda.launch(arap_rotations, len(rest), rest, deformed, offsets, neighbours, weights, rotations)
    cuda.launch(arap_right_side, len(rest), rest, offsets, neighbours, weights, rotations, right_side)
    return rotations, right_side


# --- what the other rooms call


def nearest_rotation(matrices: Reals) -> Reals:
    """(N, 3, 3) -> (N, 3, 3) for each matrix M the rotation R, det R = 1, that is nearest: greatest trace(R^T M).

    Mirrored matrices (det M < 0) and flat ones (one singular value 0) have one answer as others have. Where many
    rotations are as good (M zero, of rank 1, or mirrored with two least singular values alike, all to 1e-9 of |M|)
    it is the one among them that is nearest to the identity, and where even those are many, one of them, the same
    in each run. What is smaller than 1e-300 counts as zero.

    Also takes a torch tensor, and gives one without a gradient: on CUDA it is float32 and is done there.
    """
    if not isinstance(matrices, np.ndarray):
        from kernels import cuda

        return cuda.carried(_nearest_rotation_tensor)(matrices)
    matrices = _reals("matrices", matrices, None, 3, 3)
    rotations = np.empty_like(matrices)
    _nearest_rotation(matrices, rotations)
    return rotations


def arap_local_step(
    rest: Reals, deformed: Reals, offsets: Integers, neighbours: Integers, weights: Reals
) -> tuple[Reals, Reals]:
    """Rotations (N, 3, 3) and right side (N, 3) of one as-rigid-as-possible iteration; "spokes", as in the paper.

    Energy of rest positions p and deformed positions q (N, 3), N(i) = neighbours[offsets[i] : offsets[i + 1]]:
        E = sum_i sum_{j in N(i)} w_ij |(q_i - q_j) - R_i (p_i - p_j)|^2
        R_i the rotation nearest to sum_j w_ij (q_i - q_j) (p_i - p_j)^T
        right side b_i = sum_j w_ij / 2 (R_i + R_j) (p_i - p_j)
    For fixed R the energy is least where L q = b, L_ij = -w_ij, L_ii = sum_j w_ij; for fixed q its gradient is
    4 (L q - b), so this serves as a regulariser too. offsets (N + 1,), neighbours and weights (E,) are the fields
    indptr, indices and data of a symmetric scipy csr_matrix; what stands on its diagonal counts for nothing. Weights
    are the caller's, mostly half the sum of two cotangents; negative ones are allowed.

    Also takes torch tensors, and gives such, without gradients: on CUDA they are float32 and it is done there.
    Sorkine and Alexa, "As-rigid-as-possible surface modeling", SGP 2007, section 2.
    """
    if not isinstance(rest, np.ndarray):
        from kernels import cuda

        return cuda.carried(_arap_local_step_tensor)(rest, deformed, offsets, neighbours, weights)
    rest = _reals("rest", rest, None, 3)
    deformed = _reals("deformed", deformed, len(rest), 3)
    offsets = _rows("offsets", offsets, len(neighbours) + 1, len(rest) + 1)
    neighbours = _rows("neighbours", neighbours, len(rest), None)
    weights = _reals("weights", weights, len(neighbours))
    rotations, right_side = np.empty((len(rest), 3, 3)), np.empty_like(rest)
    _arap_local_step(rest, deformed, offsets, neighbours, weights, rotations, right_side)
    return rotations, right_side


def limit_strain(positions: Reals, faces: Integers, metrics: Reals, least: float = 1.0, most: float = 1.0) -> Reals:
    """(F, 3, 2) for each triangle the edges (from its first corner to its second and third) it may have, nearest.

    metrics (F, 2, 2) are the rest state: the scalar products of the wanted edges, [[p.p, p.q], [p.q, q.q]], grown or
    not: edges E at rest that grow by G, a map of the triangle's plane, have E^T G^T G E. Positions (N, 3), faces
    (F, 3). With C^T C = metric, the gradient of the deformation is D C^-1, D the edges as they are; its singular
    values, the stretches, are clamped to [least, most], and C is multiplied back. So both at 1 make the triangle
    isometric to its rest state, and what is within the limits comes back to the bit. That is the nearest D in the
    norm |D C^-1| of the rest state; the result does not depend on which C is meant.

    A triangle that has collapsed to a line is opened to some side across it, and one that is a point anyhow, the same
    in each run. A metric must be positive definite: leave out triangles that have no area at rest.
    Bouaziz et al., "Projective dynamics", SIGGRAPH 2014, section 5.1; Wang et al., "Multi-resolution isotropic
    strain limiting", SIGGRAPH Asia 2010.
    """
    positions = _reals("positions", positions, None, 3)
    faces = _rows("faces", faces, len(positions), None, 3)
    metrics = _reals("metrics", metrics, len(faces), 2, 2)
    g, h, k = metrics[:, 0, 0], metrics[:, 0, 1], metrics[:, 1, 1]
    if not ((g > 0) & (g * k > h * h)).all():
        raise ValueError("metrics must be positive definite")
    if not 0 <= least <= most:
        raise ValueError(f"stretches must have 0 <= least <= most, not least = {least} and most = {most}")
    edges = np.empty((len(faces), 3, 2))
    _limit_strain(positions, faces, metrics, float(least), float(most), edges)
    return edges


def dihedrals(positions: Reals, hinges: Integers) -> Reals:
    """(H,) the angle at which each hinge is folded, in (-pi, pi]: 0 where flat, near +-pi where its wings touch.

    positions (N, 3); hinges (H, 4): the edge's ends s and t, then the vertices a and b on either side. It is the turn
    about t - s that takes the normal (t - s) x (a - s) to the normal (b - s) x (t - s): positive where the wings fall
    away from the side to which the normals point, a ridge. To swap s and t, or a and b, changes the sign; both do
    not. A wing without area has no angle: the hinge's is 0.
    """
    positions = _reals("positions", positions, None, 3)
    hinges = _rows("hinges", hinges, len(positions), None, 4)
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
    """
    positions = _reals("positions", positions, None, 3)
    hinges = _rows("hinges", hinges, len(positions), None, 4)
    angles = _reals("angles", angles, len(hinges))
    points = np.empty((len(hinges), 4, 3))
    _fold_hinges(positions, hinges, angles, points)
    return points


def _reals(name: str, array: NDArray, *shape: int | None) -> Reals:
    """As contiguous float64. Refuses another shape (None stands for any size), NaN and infinity."""
    _shaped(name, array, shape)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity")
    return np.ascontiguousarray(array, np.float64)


def _rows(name: str, array: NDArray, count: int, *shape: int | None) -> Integers:
    """Contiguous. Refuses another shape, and what is no row of an array of `count` rows."""
    _shaped(name, array, shape)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, not {array.dtype}")
    if array.size and not 0 <= array.min() <= array.max() < count:
        raise ValueError(f"{name} must lie in 0..{count - 1}, not {array.min()}..{array.max()}")
    return np.ascontiguousarray(array)


def _shaped(name: str, array: NDArray, shape: tuple[int | None, ...]) -> None:
    fits = array.ndim == len(shape) and all(want in (None, has) for has, want in zip(array.shape, shape, strict=True))
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} must have the shape ({wanted}), not {array.shape}")
