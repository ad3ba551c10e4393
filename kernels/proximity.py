"""What lies close to what on a surface in motion: vertices to triangles and edges to edges, by trees of boxes.

A pair is four points: a vertex and a triangle, or two edges. The trees are made once, from the rest shape, because
neighbours on a surface stay neighbours; their boxes are fitted anew to each shape, and two trees are walked down at
once (Gottschalk et al., "OBBTree", SIGGRAPH 1996, with boxes along the axes). Distances by Ericson, "Real-time
collision detection", 2005, sections 5.1.5 and 5.1.9.
"""

import math

import numpy as np
from numpy.typing import NDArray

from kernels import cpu
from kernels.shapes import Integers, Reals
from kernels.vectors import dot, minus, plus, scaled

LEAF = 8  # elements
MOVES, TANGLED = 1, 2  # marks of vertices: see `Elements.near`


# --- the definition ---


def distance_reference(pair: Reals, across: bool) -> float:
    """The definition of a pair's distance, four points (4, 3): the least that any way to cut down the two simplices
    to two of their own parts, and to solve for two points whose difference is normal to both, can find."""
    first, second = ((0, 1), (2, 3)) if across else ((0,), (1, 2, 3))
    return min(_plain_gap(pair, a, b) for a in _parts(first) for b in _parts(second))


def _parts(simplex: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [tuple(i for k, i in enumerate(simplex) if mask >> k & 1) for mask in range(1, 2 ** len(simplex))]


def _plain_gap(pair: Reals, a: tuple[int, ...], b: tuple[int, ...]) -> float:
    directions = np.array([*(pair[i] - pair[a[0]] for i in a[1:]), *(pair[b[0]] - pair[i] for i in b[1:])])
    start = pair[a[0]] - pair[b[0]]
    if not len(directions):
        return float(np.linalg.norm(start))
    shares = np.linalg.lstsq(directions.T, -start, rcond=None)[0]
    one, other = shares[: len(a) - 1], shares[len(a) - 1 :]
    inside = min(one.min(initial=1), other.min(initial=1), 1 - one.sum(), 1 - other.sum()) >= -1e-12
    return float(np.linalg.norm(start + shares @ directions)) if inside else math.inf


# --- CPU: the distance of a pair ---


@cpu.inner
def closest(x0, x1, x2, x3, across):
    """Weights (w0, w1, w2, w3) and w0 x0 + w1 x1 + w2 x2 + w3 x3, the shortest way from the second to the first."""
    if across:
        w = _edges(x0, x1, x2, x3)
    else:
        a, b, c = _triangle(x0, x1, x2, x3)
        w = (1.0, -a, -b, -c)
    return w, (
        w[0] * x0[0] + w[1] * x1[0] + w[2] * x2[0] + w[3] * x3[0],
        w[0] * x0[1] + w[1] * x1[1] + w[2] * x2[1] + w[3] * x3[1],
        w[0] * x0[2] + w[1] * x1[2] + w[2] * x2[2] + w[3] * x3[2],
    )


@cpu.inner
def _triangle(p, a, b, c):
    """Weights of a, b, c at the point of the triangle that is nearest to p."""
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
def _edges(p, q, r, s):
    """Weights of p, q, r, s, the second two negated, at the points of the edges pq and rs that are nearest."""
    u, v, w = minus(q, p), minus(s, r), minus(p, r)
    a, e, f = dot(u, u), dot(v, v), dot(v, w)
    b, c = dot(u, v), dot(u, w)
    across = a * e - b * b
    one = min(max((b * f - c * e) / across, 0.0), 1.0) if across > 1e-14 * a * e else 0.0
    other = (b * one + f) / e if e > 0.0 else 0.0
    if not 0.0 <= other <= 1.0:
        other = min(max(other, 0.0), 1.0)
        one = min(max((b * other - c) / a, 0.0), 1.0) if a > 0.0 else 0.0
    elif e <= 0.0:
        one = min(max(-c / a, 0.0), 1.0) if a > 0.0 else 0.0
    return 1.0 - one, one, other - 1.0, -other


@cpu.inner
def row(x, i):
    return x[i, 0], x[i, 1], x[i, 2]


@cpu.inner
def relative(u0, u1, u2, u3, across):
    """The mean of the ways of a pair, and the most by which the two can come nearer on what else they go."""
    mean = scaled(0.25, plus(plus(u0, u1), plus(u2, u3)))
    v0, v1, v2, v3 = minus(u0, mean), minus(u1, mean), minus(u2, mean), minus(u3, mean)
    s0, s1, s2, s3 = dot(v0, v0), dot(v1, v1), dot(v2, v2), dot(v3, v3)
    if across:
        return mean, math.sqrt(max(s0, s1)) + math.sqrt(max(s2, s3))
    return mean, math.sqrt(s0) + math.sqrt(max(s1, s2, s3))


@cpu.inner(nogil=True)
def _measure(positions, pairs, across, weights, apart):
    for p in range(len(pairs)):
        x0, x1 = row(positions, pairs[p, 0]), row(positions, pairs[p, 1])
        x2, x3 = row(positions, pairs[p, 2]), row(positions, pairs[p, 3])
        w, d = closest(x0, x1, x2, x3, across[p])
        for k in range(4):
            weights[p, k] = w[k]
        for k in range(3):
            apart[p, k] = d[k]


def measure(positions: Reals, pairs: Integers, across: NDArray[np.bool_]) -> tuple[Reals, Reals]:
    """Weights (P, 4) of the four points at which each pair (P, 4) is nearest, and what lies between, their sum (P, 3).

    Where `across`, a pair is the edges (0, 1) and (2, 3), otherwise the vertex 0 and the triangle (1, 2, 3); the
    weights of its first add up to 1, those of its second to -1.
    """
    weights, apart = np.empty((len(pairs), 4)), np.empty((len(pairs), 3))
    _measure(positions, pairs, across, weights, apart)
    return weights, apart


# --- CPU: the trees ---


@cpu.inner(nogil=True)
def _fit(positions, ways, slack, elements, first, boxes):
    """Boxes (2 first, 6), low and high, of the nodes around all that the elements, in the order of the leaves, pass."""
    boxes[:, :3] = np.inf
    boxes[:, 3:] = -np.inf
    for n in range(len(elements)):
        leaf = first + n // LEAF
        most = 0.0
        for i in elements[n]:
            most = max(most, slack[i])
        for i in elements[n]:
            for k in range(3):
                here, there = positions[i, k], positions[i, k] + ways[i, k]
                boxes[leaf, k] = min(boxes[leaf, k], min(here, there) - most)
                boxes[leaf, 3 + k] = max(boxes[leaf, 3 + k], max(here, there) + most)
    for node in range(first - 1, 0, -1):
        for k in range(3):
            boxes[node, k] = min(boxes[2 * node, k], boxes[2 * node + 1, k])
            boxes[node, 3 + k] = max(boxes[2 * node, 3 + k], boxes[2 * node + 1, 3 + k])


@cpu.inner
def _apart(a, b):
    x = a[0] > b[3] or b[0] > a[3]
    y = a[1] > b[4] or b[1] > a[4]
    z = a[2] > b[5] or b[2] > a[5]
    return x or y or z


@cpu.inner(nogil=True)
def _collect(state, one, other, same, pairs, gaps, found):
    """Writes the near pairs of two trees behind the first `found`; returns how many there are then, -1 if too many."""
    positions, ways, slack, marks = state
    elements, first, boxes = one
    others, other_first, other_boxes = other
    across = elements.shape[1] == 2
    todo = np.empty((256, 2), np.int64)
    todo[0, 0], todo[0, 1], waiting = 1, 1, 1
    while waiting:
        waiting -= 1
        a, b = todo[waiting, 0], todo[waiting, 1]
        if _apart(boxes[a], other_boxes[b]):
            continue
        if a < first and (b >= other_first or a <= b):
            if same and a == b:
                todo[waiting, 0], todo[waiting, 1] = 2 * a, 2 * a
                todo[waiting + 1, 0], todo[waiting + 1, 1] = 2 * a, 2 * a + 1
                todo[waiting + 2, 0], todo[waiting + 2, 1] = 2 * a + 1, 2 * a + 1
                waiting += 3
            else:
                todo[waiting, 0], todo[waiting, 1] = 2 * a, b
                todo[waiting + 1, 0], todo[waiting + 1, 1] = 2 * a + 1, b
                waiting += 2
            continue
        if b < other_first:
            todo[waiting, 0], todo[waiting, 1] = a, 2 * b
            todo[waiting + 1, 0], todo[waiting + 1, 1] = a, 2 * b + 1
            waiting += 2
            continue
        end, other_end = min((a - first + 1) * LEAF, len(elements)), min((b - other_first + 1) * LEAF, len(others))
        for m in range((a - first) * LEAF, end):
            for n in range(m + 1 if same and a == b else (b - other_first) * LEAF, other_end):
                if across:
                    i0, i1, i2, i3 = elements[m, 0], elements[m, 1], others[n, 0], others[n, 1]
                    if i0 in (i2, i3) or i1 in (i2, i3):
                        continue
                    mark, other_mark = marks[i0] | marks[i1], marks[i2] | marks[i3]
                    close = max(slack[i0], slack[i1]) + max(slack[i2], slack[i3])
                else:
                    i0, i1, i2, i3 = elements[m, 0], others[n, 0], others[n, 1], others[n, 2]
                    if i0 in (i1, i2, i3):
                        continue
                    mark, other_mark = marks[i0], marks[i1] | marks[i2] | marks[i3]
                    close = slack[i0] + max(slack[i1], slack[i2], slack[i3])
                if mark & other_mark & TANGLED or not (mark | other_mark) & MOVES:
                    continue
                x0, x1, x2, x3 = row(positions, i0), row(positions, i1), row(positions, i2), row(positions, i3)
                close += relative(row(ways, i0), row(ways, i1), row(ways, i2), row(ways, i3), across)[1]
                if _beyond(x0, x1, x2, x3, across, close):
                    continue
                _, between = closest(x0, x1, x2, x3, across)
                gap = dot(between, between)
                if gap > close * close:
                    continue
                if found == len(pairs):
                    return -1
                pairs[found, 0], pairs[found, 1], pairs[found, 2], pairs[found, 3] = i0, i1, i2, i3
                gaps[found] = math.sqrt(gap)
                found += 1
    return found


@cpu.inner
def _beyond(x0, x1, x2, x3, across, close):
    """Whether the two lie apart by more than `close` along some axis."""
    for k in range(3):
        if across:
            low, high = min(x0[k], x1[k]), max(x0[k], x1[k])
            other_low, other_high = min(x2[k], x3[k]), max(x2[k], x3[k])
        else:
            low = high = x0[k]
            other_low, other_high = min(x1[k], x2[k], x3[k]), max(x1[k], x2[k], x3[k])
        if low > other_high + close or other_low > high + close:
            return True
    return False


# --- the functions ---


class Elements:
    """The vertices, edges and triangles of a surface, in trees that fit themselves to each of its shapes."""

    def __init__(self, rest: Reals, faces: Integers, edges: Integers):
        """rest (N, 3), faces (F, 3), edges (E, 2); vertices that no face has are left out."""
        self._trees = tuple(_tree(rest, e.astype(np.int64)) for e in (np.unique(faces)[:, None], faces, edges))

    def near(
        self, positions: Reals, ways: Reals, slack: Reals, marks: NDArray[np.uint8], most: int
    ) -> tuple[Integers, NDArray[np.bool_], Reals] | None:
        """Pairs (P, 4), which of them are two edges (P,), and their distances (P,); None if there are more than `most`.

        All go straight ways (N, 3) from positions (N, 3), to within a slack (N,). A pair is near if its two can meet:
        if their distance is at most the largest slack of either, added, and the largest motions of either that are
        not the mean motion of the four; but pairs whose boxes, swept, lie apart may be left out. Two that share a
        vertex are no pair; nor are two of which none has a vertex that MOVES, nor two that have both a vertex that is
        TANGLED, by their marks (N,). The same order in each run.
        """
        # what all do together brings nothing nearer, and would only widen the boxes
        shared = ways.mean(axis=0) if len(ways) else 0.0
        for elements, first, boxes in self._trees:
            _fit(positions, ways - shared, slack, elements, first, boxes)
        points, triangles, edges = self._trees
        state = (positions, ways, slack, marks)
        pairs, gaps = np.empty((most, 4), np.int32), np.empty(most)
        facing = _collect(state, points, triangles, False, pairs, gaps, 0)
        found = _collect(state, edges, edges, True, pairs, gaps, facing) if facing >= 0 else -1
        if found < 0:
            return None
        return pairs[:found].copy(), np.arange(found) >= facing, gaps[:found].copy()


Part = tuple[int, ...]


def near_reference(
    positions: Reals, parts: tuple[Integers, Integers], ways: Reals, slack: Reals
) -> set[frozenset[Part]]:
    """The definition of what is near, all being free to move, by both parts of each pair; `parts` are faces, edges."""
    faces, edges = (p.tolist() for p in parts)
    pairs = [((i,), tuple(f)) for i in sorted({i for f in faces for i in f}) for f in faces]
    pairs += [(tuple(e), tuple(f)) for k, e in enumerate(edges) for f in edges[k + 1 :]]
    found = set()
    for one, other in pairs:
        if set(one) & set(other):
            continue
        own = np.linalg.norm(ways - ways[[*one, *other]].mean(axis=0), axis=1)
        close = sum(slack[list(part)].max() + own[list(part)].max() for part in (one, other))
        if distance_reference(positions[[*one, *other]], across=len(one) == 2) <= close:
            found.add(frozenset([one, other]))
    return found


def _tree(rest: Reals, elements: Integers) -> tuple[Integers, int, Reals]:
    """Elements in the order of the leaves, the node of the first leaf, and room for boxes; children of n: 2n, 2n+1."""
    centre = rest[elements].mean(axis=1)
    first = 1
    while first * LEAF < len(elements):
        first *= 2
    order, size = np.arange(len(elements)), first * LEAF
    while size > LEAF and len(elements):  # halve each block across its longest side
        block = np.arange(len(elements)) // size
        starts = np.arange(0, len(elements), size)
        low, high = (f.reduceat(centre[order], starts) for f in (np.minimum, np.maximum))
        order = order[np.lexsort((centre[order, np.argmax(high - low, axis=1)[block]], block))]
        size //= 2
    return np.ascontiguousarray(elements[order]), first, np.empty((2 * first, 6))
