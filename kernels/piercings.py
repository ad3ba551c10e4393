"""Where edges of a surface pass through its triangles: each pair, and nothing else.

Edges and triangles that share a vertex are neighbours, and are not held against each other. The triangles are in a tree
of boxes that is made once, from one shape, because neighbours on a surface stay neighbours; its boxes are fitted anew
to each shape. The edges go through it in blocks of neighbours, which all end in the same few leaves. Möller and
Trumbore, "Fast, minimum storage ray/triangle intersection", JGT 1997.
"""

from typing import NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels import cpu
from kernels.shapes import Integers, Reals
from kernels.vectors import cross, dot, minus

LEAF = 8  # triangles
DEEP = 64  # nodes that wait
BLOCK = 16  # edges
MOST = 8  # triangles that one edge is said to pass through


class Tree(NamedTuple):
    """The children of node n are 2n and 2n + 1, its root is 1, and `first` is the first leaf."""

    members: Integers  # (M,) triangles in the order of the leaves
    lines: Integers  # (E,) edges in about the same order
    first: int


# --- the definition ---


def piercings_reference(x: Reals, edges: Integers, faces: Integers) -> Integers:
    """The definition of `piercings`, pair by pair."""
    found = []
    for e, edge in enumerate(edges):
        start, end = x[edge]
        for f, face in enumerate(faces):
            a, b, c = x[face]
            system = np.stack([b - a, c - a, start - end], axis=1)
            if set(edge) & set(face) or np.linalg.det(system) == 0.0:
                continue
            u, v, t = np.linalg.solve(system, start - a)
            if min(u, v, 1.0 - u - v, t, 1.0 - t) >= 0.0:
                found.append((e, f))
    return np.array(found, np.int64).reshape(-1, 2)


# --- CPU ---


@cpu.inner(nogil=True)
def _fit(x, faces, members, first, chosen):
    """Lowest x, y, z and highest of each node, (2 first, 6), and of each place in the leaves, (first * LEAF, 6), with
    the chosen triangles alone."""
    boxes, own = np.empty((2 * first, 6)), np.empty((first * LEAF, 6))
    boxes[:, :3], boxes[:, 3:] = np.inf, -np.inf
    own[:, :3], own[:, 3:] = np.inf, -np.inf
    for m in range(len(members)):
        if not chosen[members[m]]:
            continue
        leaf = first + m // LEAF
        for k in range(3):
            a, b, c = x[faces[members[m], 0], k], x[faces[members[m], 1], k], x[faces[members[m], 2], k]
            own[m, k], own[m, 3 + k] = min(a, b, c), max(a, b, c)
            boxes[leaf, k] = min(boxes[leaf, k], own[m, k])
            boxes[leaf, 3 + k] = max(boxes[leaf, 3 + k], own[m, 3 + k])
    for node in range(first - 1, 0, -1):
        for k in range(3):
            boxes[node, k] = min(boxes[2 * node, k], boxes[2 * node + 1, k])
            boxes[node, 3 + k] = max(boxes[2 * node, 3 + k], boxes[2 * node + 1, 3 + k])
    return boxes, own


@cpu.inner
def _row(x, i):
    return x[i, 0], x[i, 1], x[i, 2]


@cpu.inner
def _passes(start, end, a, b, c):
    way, u, v, p = minus(end, start), minus(b, a), minus(c, a), minus(start, a)
    h = cross(way, v)
    det = dot(u, h)
    if det == 0.0:
        return False
    one = dot(p, h) / det
    if one < 0.0 or one > 1.0:
        return False
    q = cross(p, u)
    other, share = dot(way, q) / det, dot(v, q) / det
    return other >= 0.0 and one + other <= 1.0 and 0.0 <= share <= 1.0


@cpu.inner
def _apart(boxes, node, low, high):
    return (
        boxes[node, 0] > high[0] or boxes[node, 1] > high[1] or boxes[node, 2] > high[2]
        or boxes[node, 3] < low[0] or boxes[node, 4] < low[1] or boxes[node, 5] < low[2]
    )  # fmt: skip


@cpu.parallel
def _piercings(x, edges, faces, lines, members, first, boxes, own, face):
    for block in prange((len(lines) + BLOCK - 1) // BLOCK):
        begin = block * BLOCK
        size = min(BLOCK, len(lines) - begin)
        todo, count = np.empty(DEEP, np.int64), np.zeros(BLOCK, np.int64)
        around, meets = np.empty((6, BLOCK)), np.zeros(BLOCK, np.bool_)
        around[:3], around[3:] = np.inf, -np.inf
        for n in range(size):
            for k in range(3):
                p, q = x[edges[lines[begin + n], 0], k], x[edges[lines[begin + n], 1], k]
                around[k, n], around[3 + k, n] = min(p, q), max(p, q)
        low = around[0].min(), around[1].min(), around[2].min()
        high = around[3].max(), around[4].max(), around[5].max()
        todo[0], waiting = 1, 1
        while waiting:
            waiting -= 1
            node = todo[waiting]
            if _apart(boxes, node, low, high):
                continue
            if node < first:
                todo[waiting], todo[waiting + 1] = 2 * node, 2 * node + 1
                waiting += 2
                continue
            leaf = (node - first) * LEAF
            for m in range(leaf, min(leaf + LEAF, len(members))):
                if _apart(own, m, low, high):
                    continue
                x0, y0, z0, x1, y1, z1 = own[m, 0], own[m, 1], own[m, 2], own[m, 3], own[m, 4], own[m, 5]
                for n in range(BLOCK):  # no branches: the compiler takes several at once
                    meets[n] = (
                        (around[0, n] <= x1) & (around[1, n] <= y1) & (around[2, n] <= z1)
                        & (around[3, n] >= x0) & (around[4, n] >= y0) & (around[5, n] >= z0)
                    )  # fmt: skip
                f = members[m]
                a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                for n in range(size):
                    if not meets[n]:
                        continue
                    e = lines[begin + n]
                    i, j = edges[e, 0], edges[e, 1]
                    if i in (a, b, c) or j in (a, b, c) or count[n] == MOST:
                        continue
                    if _passes(_row(x, i), _row(x, j), _row(x, a), _row(x, b), _row(x, c)):
                        face[e, count[n]] = f
                        count[n] += 1


# --- the functions ---


def tree(rest: Reals, edges: Integers, faces: Integers) -> Tree:
    """Of triangles (F, 3) of the shape rest (N, 3), for edges (E, 2)."""
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
    place = np.full(len(rest), len(faces))  # of vertices, in the order of the triangles
    np.minimum.at(place, faces[order], np.arange(len(faces))[:, None])
    lines = np.argsort(place[edges].min(axis=1), kind="stable")
    return Tree(order.astype(np.int64), lines, first)


def piercings(
    x: Reals, edges: Integers, faces: Integers, tree: Tree, asked: NDArray[np.bool_], chosen: NDArray[np.bool_]
) -> Integers:
    """(K, 2) which of the `asked` edges (E, 2) pass through which of the `chosen` triangles (F, 3), by edge.

    x (N, 3); tree of the same edges and triangles, from any shape. Of each edge no more than MOST are told.
    """
    face = np.full((len(edges), MOST), -1)
    boxes, own = _fit(x, faces, tree.members, tree.first, chosen)
    lines = tree.lines[asked[tree.lines]]
    _piercings(x, edges, faces, lines, tree.members, tree.first, boxes, own, face)
    edge, k = np.nonzero(face >= 0)
    return np.stack([edge, face[edge, k]], axis=1)
