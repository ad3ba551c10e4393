"""Nearest rotations, and the projections that a local-global elastic solver makes.

Such a solver (Sorkine and Alexa, "As-rigid-as-possible surface modeling", SGP 2007; Bouaziz et al., "Projective
dynamics", SIGGRAPH 2014) takes turns: each element is projected, all alone, on to the nearest shape that it may have;
then one linear system with a constant matrix brings the elements together. Here is the projection of an element that
may turn but not stretch; `kernels.strain` and `kernels.hinges` have those for limited stretch and for a fold, and
`kernels.thinshell` the shell's own.

A unit quaternion q = (w, x, y, z) stands for a rotation R(q), and trace(R(q)^T M) = q^T N q with a symmetric 4x4
matrix N, linear in M (Horn, "Closed-form solution of absolute orientation using unit quaternions", JOSA A 1987). So
the rotation nearest to M is the eigenvector of the greatest eigenvalue of N, be M mirrored or flat. It is found by
squaring B = (N / |M| + 1) / 4 until only the projection on to that eigenvector is left: the eigenvalues of N are
    s1 + s2 + s3,  s1 - s2 - s3,  -s1 + s2 - s3,  -s1 - s2 + s3     (s the singular values; s3 < 0 where det M < 0)
and with |M| added, the Frobenius norm, none is as great in size as the first.

For numpy arrays. This one operation lies in two files: `kernels.rotations_cuda` has the same functions for torch
tensors, and the CUDA version; to import this file loads neither torch nor Warp.
"""

import math

import numba
import numpy as np

from kernels import cpu
from kernels.shapes import Integers, Reals, reals, rows

# Thirty tell the two greatest eigenvalues apart down to a gap of about 1e-9 |M|. What is nearer is a tie, in which
# the first column of B is the identity's projection: of the rotations that are as good, the nearest to the identity.
SQUARINGS = 30

FARTHEST = 1e100  # so that the products in `arap_local_step`, of a weight and two edges, do not overflow

# no reassociation: results are the same whatever lies beside a matrix
FAST = {"contract", "arcp", "nsz"}


# --- the definition ---


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


# --- CPU ---


@cpu.inner(fastmath=FAST)
def quaternion(one, two, three):
    """(w, x, y, z) of the rotation nearest to the matrix of these rows; the identity's where it is zero."""
    (m00, m01, m02), (m10, m11, m12), (m20, m21, m22) = one, two, three
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


@cpu.inner(fastmath=FAST)
def _store(quaternion, r):
    """Writes the rotation of a unit quaternion into r (3, 3)."""
    w, x, y, z = quaternion
    r[0, 0], r[0, 1], r[0, 2] = 1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)
    r[1, 0], r[1, 1], r[1, 2] = 2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)
    r[2, 0], r[2, 1], r[2, 2] = 2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)


@cpu.parallel(fastmath=FAST)
def _nearest_rotation(matrices, rotations):
    for n in numba.prange(len(matrices)):
        m = matrices[n]
        one, two, three = (m[0, 0], m[0, 1], m[0, 2]), (m[1, 0], m[1, 1], m[1, 2]), (m[2, 0], m[2, 1], m[2, 2])
        _store(quaternion(one, two, three), rotations[n])


@cpu.parallel(fastmath=FAST)
def _arap_rotations(rest, deformed, offsets, neighbours, weights, rotations):
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
        _store(quaternion((m00, m01, m02), (m10, m11, m12), (m20, m21, m22)), rotations[i])


@cpu.parallel(fastmath=FAST)
def _arap_right_side(rest, offsets, neighbours, weights, rotations, right_side):
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


# --- the function ---


def nearest_rotation(matrices: Reals) -> Reals:
    """(N, 3, 3) -> (N, 3, 3) for each matrix M the rotation R, det R = 1, that is nearest: greatest trace(R^T M).

    Mirrored matrices (det M < 0) and flat ones (one singular value 0) have one answer as others have. Where many
    rotations are as good (M zero, of rank 1, or mirrored with two least singular values alike, all to 1e-9 of |M|)
    it is the one among them that is nearest to the identity, and where even those are many, one of them, the same
    in each run. What is smaller than 1e-300 counts as zero.

    Raises ValueError for another shape or type, NaN or infinity.
    """
    matrices = reals("matrices", matrices, None, 3, 3)
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

    Sorkine and Alexa, "As-rigid-as-possible surface modeling", SGP 2007, section 2.

    Raises ValueError for another shape or type, NaN or infinity, neighbours that are no rows of rest, offsets that
    decrease or reach outside, and positions or weights beyond 1e100.
    """
    rest = reals("rest", rest, None, 3, most=FARTHEST)
    deformed = reals("deformed", deformed, len(rest), 3, most=FARTHEST)
    neighbours = rows("neighbours", neighbours, len(rest), None)
    offsets = rows("offsets", offsets, len(neighbours) + 1, len(rest) + 1)
    if (offsets[1:] < offsets[:-1]).any():
        raise ValueError("offsets must not decrease")
    weights = reals("weights", weights, len(neighbours), most=FARTHEST)
    rotations, right_side = np.empty((len(rest), 3, 3)), np.empty_like(rest)
    _arap_rotations(rest, deformed, offsets, neighbours, weights, rotations)
    _arap_right_side(rest, offsets, neighbours, weights, rotations, right_side)
    return rotations, right_side
