"""Strain limits: each triangle, all alone, is put on to the nearest shape that is stretched no more than it may be.

One of the projections that a local-global elastic solver makes (`kernels.rotations` tells of these).
"""

import math

import numba
import numpy as np

from kernels import cpu
from kernels.shapes import Integers, Reals, reals, rows
from kernels.vectors import dot, largest, minus, plus, scaled

# Within these, no intermediate number overflows, not even for a triangle of one extreme in a metric of the other.
LONGEST, SHORTEST = 1e70, 1e-70


# --- the definition ---


def limit_strain_reference(positions: Reals, faces: Integers, metrics: Reals, least: float, most: float) -> Reals:
    """The definition of `limit_strain`: singular values, clamped. For triangles that are not degenerate."""
    corner = positions[faces]
    edges = (corner[:, 1:] - corner[:, :1]).transpose(0, 2, 1)
    rest = np.linalg.cholesky(metrics).transpose(0, 2, 1)  # edges in the plane that have this metric
    u, s, vt = np.linalg.svd(edges @ np.linalg.inv(rest), full_matrices=False)
    return (u * s.clip(least, most)[:, None]) @ vt @ rest


# --- CPU ---


@cpu.parallel
def _limit_strain(positions, faces, metrics, least, most, edges):
    for t in numba.prange(len(faces)):
        start = positions[faces[t, 0]]
        p, q = minus(positions[faces[t, 1]], start), minus(positions[faces[t, 2]], start)
        # rest edges (g, 0) and (h, k) in the plane have the wanted metric; their inverse takes p, q to a gradient
        metric = metrics[t]
        g = math.sqrt(metric[0, 0])
        h = metric[0, 1] / g
        k = math.sqrt(metric[1, 1] - metric[0, 1] / metric[0, 0] * metric[0, 1])  # at the door, this was positive
        a = scaled(1.0 / g, p)
        b = scaled(1.0 / k, minus(q, scaled(h, a)))
        size = max(largest(a), largest(b), 1e-300)
        a, b = scaled(1.0 / size, a), scaled(1.0 / size, b)
        # one turn (c, s) of the plane makes the two columns orthogonal, and their lengths the singular values
        product = dot(a, b)
        cotangent = (dot(b, b) - dot(a, a)) / (2.0 * product) if product != 0.0 else math.inf
        tangent = math.copysign(1.0, cotangent) / (abs(cotangent) + math.hypot(1.0, cotangent))
        c = 1.0 / math.hypot(1.0, tangent)
        s = c * tangent
        u, v = minus(scaled(c, a), scaled(s, b)), plus(scaled(s, a), scaled(c, b))
        one, two = math.sqrt(dot(u, u)), math.sqrt(dot(v, v))
        swap = one < two
        if swap:
            u, one, v, two = v, two, u, one
        if least <= two * size and one * size <= most:
            _store(p, q, edges[t])
            continue
        u = scaled(1.0 / one, u) if one > 0.0 else (1.0, 0.0, 0.0)
        v = scaled(1.0 / two, v) if two > 1e-12 * one else _across(u)
        v = minus(v, scaled(dot(u, v), u))
        u = scaled(min(max(one * size, least), most), u)
        v = scaled(min(max(two * size, least), most) / math.sqrt(dot(v, v)), v)
        if swap:
            u, v = v, u
        a, b = plus(scaled(c, u), scaled(s, v)), minus(scaled(c, v), scaled(s, u))
        _store(scaled(g, a), plus(scaled(h, a), scaled(k, b)), edges[t])


@cpu.inner
def _across(u):
    """The axis that is farthest from u."""
    if abs(u[0]) <= abs(u[1]) and abs(u[0]) <= abs(u[2]):
        return 1.0, 0.0, 0.0
    if abs(u[1]) <= abs(u[2]):
        return 0.0, 1.0, 0.0
    return 0.0, 0.0, 1.0


@cpu.inner
def _store(p, q, edges):
    for i in range(3):
        edges[i, 0], edges[i, 1] = p[i], q[i]


# --- the function ---


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

    Raises ValueError for another shape or type, NaN or infinity, faces that are no rows of positions, positions beyond
    1e70, metrics that are not positive definite or of edges outside 1e-70..1e70, and limits out of order.
    """
    positions = reals("positions", positions, None, 3, most=LONGEST)
    faces = rows("faces", faces, len(positions), None, 3)
    metrics = reals("metrics", metrics, len(faces), 2, 2)
    g, h, k = metrics[:, 0, 0], metrics[:, 0, 1], metrics[:, 1, 1]
    with np.errstate(all="ignore"):  # products of extremes, which are refused
        if not ((g > 0) & (h / g * h < k)).all():
            raise ValueError("metrics must be positive definite")
    if len(metrics) and not SHORTEST**2 <= min(g.min(), k.min()) <= max(g.max(), k.max()) <= LONGEST**2:
        raise ValueError(f"metrics must be of edges between {SHORTEST:g} and {LONGEST:g}: in another unit they are")
    if not 0 <= least <= most or least > LONGEST:
        raise ValueError(f"stretches must have 0 <= least <= most, not least = {least} and most = {most}")
    edges = np.empty((len(faces), 3, 2))
    _limit_strain(positions, faces, metrics, float(least), float(most), edges)
    return edges
