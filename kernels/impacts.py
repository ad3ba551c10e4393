"""When a vertex meets a triangle, or an edge another edge, as four points move straight from one shape to the next.

Four points lie in one plane where a cubic in time is zero; the first such time at which the two also meet is the impact
(Provot, "Collision and self-collision handling in cloth model dedicated to design garments", 1997). Roots are found by
halving between samples, which needs no care with the cubic's own cases: motions are short, and so have few.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import prange

from kernels import cpu
from kernels.shapes import Integers, Reals
from kernels.vectors import cross, dot, minus, plus, scaled

SAMPLES = 12  # of a motion
HALVINGS = 24  # between two of them
OUTSIDE = 1e-6  # by how much of its size something may miss the other and still meet it
VERTEX, EDGE = 0, 1  # kinds: a vertex and the corners of a triangle, or the ends of an edge and those of another


class Impacts(NamedTuple):
    """Of K pairs, each of four points: at the impact, sum(weights * points) is zero, and apart from it the two are on
    the side they came from where that sum, in the direction `apart`, is positive."""

    time: Reals  # (K,) in [0, 1]; 2: none
    weights: Reals  # (K, 4)
    apart: Reals  # (K, 3) of length 1; 0: none


# --- the definition ---


def impacts_reference(last: Reals, x: Reals, points: Integers, kind: Integers) -> Impacts:
    """The definition of `impacts`, by the roots of the cubic."""
    found = Impacts(np.full(len(points), 2.0), np.zeros((len(points), 4)), np.zeros((len(points), 3)))
    for k, (four, what) in enumerate(zip(points, kind, strict=True)):

        def arms(t: float, four=four) -> Reals:
            now = last[four] + t * (x[four] - last[four])
            return now[1:] - now[0]

        times = np.linspace(0.0, 1.0, 4)
        cubic = np.polyfit(times, [np.linalg.det(arms(t)) for t in times], 3)
        for time in sorted(root.real for root in np.roots(cubic) if abs(root.imag) < 1e-9 and 0.0 <= root.real <= 1.0):
            b, c, d = arms(time)
            if what == VERTEX:
                one, other = np.linalg.lstsq(np.stack([c - b, d - b], axis=1), -b, rcond=None)[0]
                weights, beyond = [1.0, one + other - 1.0, -one, -other], one + other > 1.0
            else:
                one, other = np.linalg.lstsq(np.stack([b, c - d], axis=1), c, rcond=None)[0]
                weights, beyond = [1.0 - one, one, other - 1.0, -other], max(one, other) > 1.0
            if min(one, other) < 0.0 or beyond:
                continue
            normal = np.cross(c - b, d - b) if what == VERTEX else np.cross(b, d - c)
            normal /= np.linalg.norm(normal)
            found.time[k], found.weights[k] = time, weights
            found.apart[k] = normal * np.sign(normal @ (np.array(weights) @ (last[four] - x[four])))
            break
    return found


# --- CPU ---


@cpu.inner
def _at(last, x, i, t):
    return (
        last[i, 0] + t * (x[i, 0] - last[i, 0]),
        last[i, 1] + t * (x[i, 1] - last[i, 1]),
        last[i, 2] + t * (x[i, 2] - last[i, 2]),
    )


@cpu.inner
def _volume(last, x, points, t):
    a = _at(last, x, points[0], t)
    u, v, w = (
        minus(_at(last, x, points[1], t), a),
        minus(_at(last, x, points[2], t), a),
        minus(_at(last, x, points[3], t), a),
    )
    return dot(cross(u, v), w)


@cpu.inner
def _on_triangle(p, a, b, c):
    """(whether, weights, normal)"""
    u, v, d = minus(b, a), minus(c, a), minus(p, a)
    n = cross(u, v)
    square = dot(n, n)
    if square == 0.0:
        return False, (1.0, 0.0, 0.0, 0.0), n
    one, other = dot(cross(d, v), n) / square, dot(cross(u, d), n) / square
    inside = one >= -OUTSIDE and other >= -OUTSIDE and one + other <= 1.0 + OUTSIDE
    return inside, (1.0, one + other - 1.0, -one, -other), n


@cpu.inner
def _on_edges(a, b, c, d):
    u, v, r = minus(b, a), minus(d, c), minus(c, a)
    n = cross(u, v)
    square = dot(n, n)
    if square <= 1e-12 * dot(u, u) * dot(v, v):
        return False, (1.0, 0.0, 0.0, 0.0), n
    one, other = dot(cross(r, v), n) / square, dot(cross(r, u), n) / square
    inside = -OUTSIDE <= one <= 1.0 + OUTSIDE and -OUTSIDE <= other <= 1.0 + OUTSIDE
    return inside, (1.0 - one, one, other - 1.0, -other), n


@cpu.inner
def _meeting(last, x, points, kind, t):
    a, b = _at(last, x, points[0], t), _at(last, x, points[1], t)
    c, d = _at(last, x, points[2], t), _at(last, x, points[3], t)
    if kind == VERTEX:
        return _on_triangle(a, b, c, d)
    return _on_edges(a, b, c, d)


@cpu.parallel
def _impacts(last, x, points, kind, time, weights, apart):
    for k in prange(len(points)):
        start, before = 0.0, _volume(last, x, points[k], 0.0)
        for s in range(SAMPLES):
            end = (s + 1.0) / SAMPLES
            after = _volume(last, x, points[k], end)
            if before * after <= 0.0 and before != after:
                low, high = start, end
                for _ in range(HALVINGS):
                    middle = 0.5 * (low + high)
                    if _volume(last, x, points[k], middle) * before > 0.0:
                        low = middle
                    else:
                        high = middle
                inside, w, n = _meeting(last, x, points[k], kind[k], high)
                if inside:
                    gap, way = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
                    for c in range(4):
                        i = points[k, c]
                        gap = plus(gap, scaled(w[c], _at(last, x, i, 0.0)))
                        way = plus(way, scaled(w[c], _at(last, x, i, 1.0)))
                    sign = 1.0 if dot(minus(gap, way), n) >= 0.0 else -1.0
                    size = sign / math.sqrt(max(dot(n, n), 1e-300))
                    time[k] = high
                    for c in range(4):
                        weights[k, c] = w[c]
                    apart[k, 0], apart[k, 1], apart[k, 2] = size * n[0], size * n[1], size * n[2]
                    break
            start, before = end, after


@cpu.inner
def _nearest_on_triangle(p, a, b, c):
    """Weights of a, b, c at the point of the triangle that is nearest to p; exactly 0 where it is on an edge."""
    ab, ac, ap = minus(b, a), minus(c, a), minus(p, a)
    d1, d2 = dot(ab, ap), dot(ac, ap)
    if d1 <= 0.0 and d2 <= 0.0:
        return 1.0, 0.0, 0.0
    bp = minus(p, b)
    d3, d4 = dot(ab, bp), dot(ac, bp)
    if d3 >= 0.0 and d4 <= d3:
        return 0.0, 1.0, 0.0
    cp = minus(p, c)
    d5, d6 = dot(ab, cp), dot(ac, cp)
    if d6 >= 0.0 and d5 <= d6:
        return 0.0, 0.0, 1.0
    vc = d1 * d4 - d3 * d2
    if vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
        share = d1 / (d1 - d3) if d1 > d3 else 0.0
        return 1.0 - share, share, 0.0
    vb = d5 * d2 - d1 * d6
    if vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
        share = d2 / (d2 - d6) if d2 > d6 else 0.0
        return 1.0 - share, 0.0, share
    va = d3 * d6 - d5 * d4
    if va <= 0.0 and d4 >= d3 and d5 >= d6:
        total = (d4 - d3) + (d5 - d6)
        share = (d4 - d3) / total if total > 0.0 else 0.0
        return 0.0, 1.0 - share, share
    total = va + vb + vc
    return va / total, vb / total, vc / total


@cpu.inner
def _nearest_on_edges(a, b, c, d):
    """(whether inside both, weights)"""
    u, v, r = minus(b, a), minus(d, c), minus(a, c)
    uu, vv, uv, ur, vr = dot(u, u), dot(v, v), dot(u, v), dot(u, r), dot(v, r)
    det = uu * vv - uv * uv
    if det <= 1e-12 * uu * vv:
        return False, (1.0, 0.0, -1.0, 0.0)
    one, other = (uv * vr - ur * vv) / det, (uu * vr - uv * ur) / det
    inside = 0.0 < one < 1.0 and 0.0 < other < 1.0
    return inside, (1.0 - one, one, other - 1.0, -other)


@cpu.parallel
def _nearest(x, points, kind, inside, weights):
    for k in prange(len(points)):
        a, b, c, d = points[k, 0], points[k, 1], points[k, 2], points[k, 3]
        p, q, r, s = _at(x, x, a, 0.0), _at(x, x, b, 0.0), _at(x, x, c, 0.0), _at(x, x, d, 0.0)
        if kind[k] == VERTEX:
            v = _nearest_on_triangle(p, q, r, s)
            inside[k], w = v[0] > 0.0 and v[1] > 0.0 and v[2] > 0.0, (1.0, -v[0], -v[1], -v[2])
        else:
            inside[k], w = _nearest_on_edges(p, q, r, s)
        for n in range(4):
            weights[k, n] = w[n]


# --- the functions ---


def impacts(last: Reals, x: Reals, points: Integers, kind: Integers) -> Impacts:
    """The first impact of each pair, points (K, 4) of kind (K,), on the way from `last` (N, 3) to x (N, 3)."""
    count = len(points)
    found = Impacts(np.full(count, 2.0), np.zeros((count, 4)), np.zeros((count, 3)))
    _impacts(last, x, points, kind, *found)
    return found


def nearest(x: Reals, points: Integers, kind: Integers) -> tuple[np.ndarray, Reals]:
    """(K,) whether each pair is nearest inside both, and (K, 4) weights of its points there, as in `Impacts`."""
    inside, weights = np.zeros(len(points), bool), np.zeros((len(points), 4))
    _nearest(x, points, kind, inside, weights)
    return inside, weights
