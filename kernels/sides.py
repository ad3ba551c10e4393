"""On which side of the surfaces near it each vertex is: nearest points by trees of boxes, and remembered sides.

A surface is cut into patches. For each vertex and each patch that is not its own or next to it, the side is noted
when the two first come within reach, by the normal at the nearest point; a vertex that is later found on the other
side has passed through, and is told the way back. So no motion has to be followed from one shape to the next, as by
continuous collision detection; it must only be shorter, between two looks, than the reach. Where the nearest point lies
on the rim of a patch there is no side, and what was noted is forgotten: one may go around a rim.

The trees are made once, from the rest shape, because neighbours on a surface stay neighbours; their boxes are fitted
anew to each shape. Nearest points by Ericson, "Real-time collision detection", 2005, section 5.1.5; the side of an
edge or a corner by the normals of the vertices (Bærentzen and Aanæs, "Signed distance computation using the angle
weighted pseudonormal", TVCG 2005).
"""

import math
from typing import NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels import cpu
from kernels.shapes import Integers, Reals
from kernels.vectors import cross, dot, minus, plus, scaled

LEAF = 8  # triangles
MOST = 3  # patches that a vertex may touch at once
DEEP = 64  # nodes that wait
TINY = 1e-9  # a distance that names no direction


class Forest(NamedTuple):
    """A tree of boxes for each of G patches; the children of node n of a tree are 2n and 2n + 1, its root is 1."""

    members: Integers  # (M,) triangles, patch by patch, in the order of the leaves
    rims: NDArray[np.uint8]  # (M,) of the patch: bit k is its edge from corner k to the next, bit 3 + k its corner
    start: Integers  # (G + 1,) where each patch's members begin
    first: Integers  # (G,) the first leaf of each tree
    offset: Integers  # (G,) where its nodes begin
    boxes: Reals  # (B, 6) low and high of each node


class Touching(NamedTuple):
    """Up to MOST contacts of each of N vertices: apart @ (x of the vertex - weights @ x of the face) >= least."""

    face: Integers  # (N, MOST); -1: none
    weights: Reals  # (N, MOST, 3)
    apart: Reals  # (N, MOST, 3) of length 1
    least: Reals  # (N, MOST)


class Memory(NamedTuple):
    """What is known of N vertices and G patches."""

    side: NDArray[np.int8]  # (N, G) 1 or -1; 0: none
    gap: NDArray[np.float32]  # (N, G) distance where there is a side
    room: NDArray[np.float32]  # (N, G) how near the vertex may come; below 0: as near as it likes


Own = tuple[Integers, NDArray[np.bool_]]  # (N,) the patch of each vertex, -1 if it touches nothing; (G, G) near ones


# --- CPU: nearest points ---


@cpu.inner
def nearest_on(p, a, b, c):
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
def _row(x, i):
    return x[i, 0], x[i, 1], x[i, 2]


@cpu.inner
def _beyond(box, p):
    """The square of the distance from p to a box."""
    total = 0.0
    for k in range(3):
        off = max(max(box[k] - p[k], p[k] - box[3 + k]), 0.0)
        total += off * off
    return total


@cpu.inner
def _nearest(x, faces, forest, g, p, reach, todo):
    """(member, weights, difference) of the nearest point of patch g within reach; the member is -1 if there is none."""
    offset, first = forest.offset[g], forest.first[g]
    begin, end = forest.start[g], forest.start[g + 1]
    found, best = -1, reach * reach
    w, between = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
    todo[0], waiting = 1, 1
    while waiting:
        waiting -= 1
        node = todo[waiting]
        if _beyond(forest.boxes[offset + node], p) >= best:
            continue
        if node < first:
            one, other = 2 * node, 2 * node + 1
            if _beyond(forest.boxes[offset + one], p) < _beyond(forest.boxes[offset + other], p):
                one, other = other, one
            todo[waiting], todo[waiting + 1] = one, other
            waiting += 2
            continue
        leaf = begin + (node - first) * LEAF
        for m in range(leaf, min(leaf + LEAF, end)):
            f = forest.members[m]
            a, b, c = _row(x, faces[f, 0]), _row(x, faces[f, 1]), _row(x, faces[f, 2])
            v = nearest_on(p, a, b, c)
            q = plus(plus(scaled(v[0], a), scaled(v[1], b)), scaled(v[2], c))
            d = minus(p, q)
            square = dot(d, d)
            if square < best:
                found, best, w, between = m, square, v, d
    return found, w, between


@cpu.inner
def _through(x, last, face, i, w):
    """When, on its way from the last shape, the vertex i passed the plane of a face, and where, in weights."""
    a, b, c = _row(last, face[0]), _row(last, face[1]), _row(last, face[2])
    u, v, p = minus(b, a), minus(c, a), minus(_row(last, i), a)
    n = cross(u, v)
    square = dot(n, n)
    if square == 0.0:
        return -1.0, w
    one, other = dot(cross(p, v), n) / square, dot(cross(u, p), n) / square
    before = dot(p, n) / math.sqrt(square)
    a, b, c = _row(x, face[0]), _row(x, face[1]), _row(x, face[2])
    n = cross(minus(b, a), minus(c, a))
    after = dot(minus(_row(x, i), a), n) / max(math.sqrt(dot(n, n)), 1e-300)
    if before * after >= 0.0:
        return -1.0, w
    t = before / (before - after)
    return t, ((1.0 - t) * (1.0 - one - other) + t * w[0], (1.0 - t) * one + t * w[1], (1.0 - t) * other + t * w[2])


@cpu.inner
def _at_rim(bits, w):
    zeros = (1 if w[0] == 0.0 else 0) + (1 if w[1] == 0.0 else 0) + (1 if w[2] == 0.0 else 0)
    if zeros == 2:
        corner = 0 if w[0] != 0.0 else (1 if w[1] != 0.0 else 2)
        return bits >> (3 + corner) & 1 == 1
    if zeros == 1:
        edge = 1 if w[0] == 0.0 else (2 if w[1] == 0.0 else 0)
        return bits >> edge & 1 == 1
    return False


@cpu.parallel
def _fit(x, faces, members, start, firsts, offsets, boxes):
    for g in prange(len(firsts)):
        offset, first = offsets[g], firsts[g]
        begin, end = start[g], start[g + 1]
        for node in range(offset, offset + 2 * first):
            for k in range(3):
                boxes[node, k], boxes[node, 3 + k] = np.inf, -np.inf
        for m in range(begin, end):
            leaf = offset + first + (m - begin) // LEAF
            for j in range(3):
                i = faces[members[m], j]
                for k in range(3):
                    boxes[leaf, k] = min(boxes[leaf, k], x[i, k])
                    boxes[leaf, 3 + k] = max(boxes[leaf, 3 + k], x[i, k])
        for node in range(first - 1, 0, -1):
            for k in range(3):
                low = min(boxes[offset + 2 * node, k], boxes[offset + 2 * node + 1, k])
                high = max(boxes[offset + 2 * node, 3 + k], boxes[offset + 2 * node + 1, 3 + k])
                boxes[offset + node, k], boxes[offset + node, 3 + k] = low, high


@cpu.inner
def _round_a_rim(x, last, faces, forest, g, i, f, w, todo):
    """(whether, member, weights): where the vertex i passed through patch g, if not around its rim; -1: not known."""
    t, b = _through(x, last, faces[f], i, w)
    if t < 0.0:
        return False, -1, w
    q = (0.0, 0.0, 0.0)
    for c in range(3):
        q = plus(q, scaled(b[c], _row(x, faces[f, c])))
    m, v, _ = _nearest(x, faces, forest, g, q, np.inf, todo)
    return m < 0 or _at_rim(forest.rims[m], v), m, v


@cpu.inner
def _fastest(x, last, face, i):
    """The longest way of the vertex i, as seen from the corners of a face."""
    way, most = minus(_row(x, i), _row(last, i)), 0.0
    for c in range(3):
        other = minus(way, minus(_row(x, face[c]), _row(last, face[c])))
        most = max(most, dot(other, other))
    return math.sqrt(most)


@cpu.inner
def _normal(x, normals, face, w):
    """Of a face, or on its edges and corners of its vertices."""
    if w[0] > 0.0 and w[1] > 0.0 and w[2] > 0.0:
        a = _row(x, face[0])
        return cross(minus(_row(x, face[1]), a), minus(_row(x, face[2]), a))
    normal = (0.0, 0.0, 0.0)
    for k in range(3):
        normal = plus(normal, scaled(w[k], _row(normals, face[k])))
    return normal


@cpu.parallel
def _settle(x, faces, normals, forest, patch, near, reach, side, gap, room):
    for i in prange(len(x)):
        todo = np.empty(DEEP, np.int64)
        for g in range(len(forest.first)):
            if patch[i] < 0 or near[patch[i], g]:
                continue
            p = _row(x, i)
            if _beyond(forest.boxes[forest.offset[g] + 1], p) >= reach * reach:
                side[i, g] = 0
                continue
            m, w, between = _nearest(x, faces, forest, g, p, reach, todo)
            if m < 0 or _at_rim(forest.rims[m], w):
                side[i, g] = 0
                continue
            now = 1 if dot(between, _normal(x, normals, faces[forest.members[m]], w)) >= 0.0 else -1
            gap[i, g] = math.sqrt(dot(between, between))
            # what is a little beyond shall come back; what is far beyond has gone through, and stays there
            if side[i, g] == 0 or gap[i, g] > room[i, g]:
                side[i, g] = now


@cpu.parallel
def _look(x, last, faces, normals, forest, patch, near, reach, margin, side, gap, room, face, weights, apart, least):
    for i in prange(len(x)):
        todo = np.empty(DEEP, np.int64)
        count = 0
        for g in range(len(forest.first)):
            if patch[i] < 0 or near[patch[i], g] or side[i, g] == 0 or room[i, g] < 0.0:
                continue
            p = _row(x, i)
            m, w, between = _nearest(x, faces, forest, g, p, reach, todo)
            if m < 0 or _at_rim(forest.rims[m], w):
                continue
            f = forest.members[m]
            distance, normal = math.sqrt(dot(between, between)), _normal(x, normals, faces[f], w)
            if dot(between, normal) * side[i, g] < 0.0:
                if gap[i, g] + distance > 1.01 * _fastest(x, last, faces[f], i) + TINY:
                    continue  # it has not come so far: it is the patch that has turned its other side to it
                rounded, m, v = _round_a_rim(x, last, faces, forest, g, i, f, w, todo)
                if rounded:
                    continue
                if m >= 0:  # the way back is the way it came
                    f, w = forest.members[m], v
                    normal = _normal(x, normals, faces[f], w)
                    distance = 0.0
                else:
                    between = scaled(-1.0, between)
            elif distance >= room[i, g] + margin:
                continue
            size = math.sqrt(dot(normal, normal))
            if distance > TINY:
                away = scaled(1.0 / distance, between)
            elif size > 0.0:
                away = scaled(side[i, g] / size, normal)
            else:
                continue
            known = False
            for k in range(count):
                known = known or face[i, k] == f
            if known or count == MOST:
                continue
            face[i, count], least[i, count] = f, room[i, g]
            for c in range(3):
                weights[i, count, c], apart[i, count, c] = w[c], away[c]
            count += 1


@cpu.parallel
def _gaps(x, faces, forest, patch, near, reach, gaps):
    for i in prange(len(x)):
        todo = np.empty(DEEP, np.int64)
        for g in range(len(forest.first)):
            if patch[i] >= 0 and not near[patch[i], g]:
                m, _, between = _nearest(x, faces, forest, g, _row(x, i), reach, todo)
                if m >= 0:
                    gaps[i, g] = math.sqrt(dot(between, between))


# --- the functions ---


def forest(rest: Reals, faces: Integers, patches: list[Integers]) -> Forest:
    """Trees over patches, each given by its triangles, for `look`; rest (N, 3), faces (F, 3)."""
    members, rims, firsts = [], [], []
    for chosen in patches:
        order, first = _leaves(rest, faces[chosen])
        members.append(chosen[order])
        rims.append(_rims(faces[chosen[order]]))
        firsts.append(first)
    sizes, first = [len(m) for m in members], np.array(firsts, np.int64)
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    offset = np.concatenate([[0], np.cumsum(2 * first)]).astype(np.int64)
    members = np.concatenate(members).astype(np.int64)
    return Forest(members, np.concatenate(rims), start, first, offset[:-1], np.empty((offset[-1], 6)))


def memory(room: Reals) -> Memory:
    """Of vertices of which no side is known yet; room (N, G), as in Memory."""
    return Memory(np.zeros(room.shape, np.int8), np.zeros(room.shape, np.float32), room.astype(np.float32))


def settle(x: Reals, normals: Reals, faces: Integers, trees: Forest, own: Own, reach: float, known: Memory) -> None:
    """Notes, in what is `known`, on which side of all patches within reach each vertex is in the shape x (N, 3).

    normals (N, 3) of the vertices, of any length. A side that is known stays, unless the vertex is farther from the
    patch than it must be, or beside its rim.
    """
    _fit(x, faces, trees.members, trees.start, trees.first, trees.offset, trees.boxes)
    _settle(x, faces, normals, trees, *own, reach, *known)


def look(motion: tuple[Reals, Reals, Reals], faces: Integers, trees: Forest, own: Own, reach: tuple[float, float],
         known: Memory) -> Touching:  # fmt: skip
    """What touches: each vertex that is nearer to a patch than it may be, or has passed through it.

    motion: the shape that was settled last, (N, 3), the one to look at, (N, 3), and the normals (N, 3) of its vertices.
    reach: how far a vertex may have passed through, and by how much more than it may be it is near enough already.
    """
    last, x, normals = motion
    _fit(x, faces, trees.members, trees.start, trees.first, trees.offset, trees.boxes)
    count = len(x)
    found = Touching(np.full((count, MOST), -1), *np.zeros((2, count, MOST, 3)), np.zeros((count, MOST)))
    _look(x, last, faces, normals, trees, *own, *reach, *known, *found)
    return found


def gaps(x: Reals, faces: Integers, trees: Forest, own: Own, reach: float) -> Reals:
    """(N, G) distance of each vertex from each patch that is not near its own; infinite beyond reach."""
    _fit(x, faces, trees.members, trees.start, trees.first, trees.offset, trees.boxes)
    found = np.full((len(x), len(trees.first)), np.inf, np.float32)
    _gaps(x, faces, trees, *own, reach, found)
    return found


def _leaves(rest: Reals, faces: Integers) -> tuple[Integers, int]:
    """The order of triangles in the leaves, and the node of the first leaf."""
    centre = rest[faces].mean(axis=1)
    first = 1
    while first * LEAF < len(faces):
        first *= 2
    order, size = np.arange(len(faces)), first * LEAF
    while size > LEAF and len(faces):  # halve each block across its longest side
        block = np.arange(len(faces)) // size
        starts = np.arange(0, len(faces), size)
        low, high = (f.reduceat(centre[order], starts) for f in (np.minimum, np.maximum))
        order = order[np.lexsort((centre[order, np.argmax(high - low, axis=1)[block]], block))]
        size //= 2
    return order, first


def _rims(faces: Integers) -> NDArray[np.uint8]:
    sides = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=2), axis=2)
    _, which, count = np.unique(sides.reshape(-1, 2), axis=0, return_inverse=True, return_counts=True)
    edge = (count == 1)[which].reshape(-1, 3)
    corner = np.isin(faces, sides[edge])
    return (np.concatenate([edge, corner], axis=1) << np.arange(6)).sum(axis=1).astype(np.uint8)
