"""Nearest points: a tree of boxes that asks little of memory, as scipy's KDTree answers and several times as fast.

A balanced k-d tree (Bentley 1975), split at the median of the longest side; each node keeps the box of its points
(Arya and Mount, "Algorithms for fast vector quantization", 1993), and the points lie in the order of the leaves, so
that neighbours are neighbours in memory. A search starts from a guess, the point that was found last, and passes by
every box that is farther. Each axis may be stretched after the tree was grown: an answer that is scaled along its
axes needs no other tree.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from kernels import cpu
from tests.benchmarks.lifebench.nouns import Ints, Reals

LEAF = 8  # points at most


class Grown(NamedTuple):
    """Points in the order of the leaves (n, K), which these are (n,), and of each node the lowest and highest corner
    (2L, 2, K): the root is 1, and node i has the children 2 i and 2 i + 1."""

    points: Reals
    order: Ints
    boxes: Reals


@dataclass(frozen=True, eq=False)
class Tree:
    """Points to be found, of any dimension K."""

    data: Reals  # (n, K)

    @cached_property
    def grown(self) -> Grown:
        """What is searched, once it is asked for."""
        points, order = np.array(self.data, np.float64, order="C"), np.arange(len(self.data))
        leaves = 1
        while leaves * LEAF < len(points):
            leaves *= 2
        return Grown(points, order, _boxes(points, order, leaves))

    def away(self, queries: Reals, stretch: tuple[float, ...] | None = None) -> Reals:
        """(m,) from each query (m, K) to the nearest point; `stretch` (K,) comes first on the points, none below 0."""
        return self.find(queries, np.full(len(queries), -1), stretch)

    def find(self, queries: Reals, guess: Ints, stretch: tuple[float, ...] | None = None) -> Reals:
        """The same. `guess` (m,), -1 where there is none, becomes the row of `grown` that is nearest."""
        away = np.empty(len(queries))
        stretch = (1.0,) * self.data.shape[1] if stretch is None else stretch
        search(self.grown, np.ascontiguousarray(queries, np.float64), stretch, guess, away)
        return away


@cpu.inner(nogil=True)
def _boxes(points, order, leaves):
    """Sorts points and their numbers in place; the boxes of the nodes."""
    count, dimension = points.shape
    boxes = np.empty((2 * leaves, 2, dimension))
    for k in range(dimension):
        boxes[1, 0, k], boxes[1, 1, k] = points[:, k].min(), points[:, k].max()
    first, nodes = 1, 1
    while nodes < leaves:  # split where it is longest, of the boxes that the cuts leave
        for node in range(first, first + nodes):
            start, end = (node - first) * count // nodes, (node - first + 1) * count // nodes
            middle, axis = (2 * (node - first) + 1) * count // (2 * nodes), 0
            for k in range(1, dimension):
                if boxes[node, 1, k] - boxes[node, 0, k] > boxes[node, 1, axis] - boxes[node, 0, axis]:
                    axis = k
            _part(points, order, start, end - 1, middle, axis)
            boxes[2 * node], boxes[2 * node + 1] = boxes[node], boxes[node]
            boxes[2 * node, 1, axis] = boxes[2 * node + 1, 0, axis] = points[middle, axis]
        first, nodes = 2 * first, 2 * nodes
    for node in range(2 * leaves - 1, 0, -1):  # then no larger than what is in them
        for k in range(dimension):
            if node < leaves:
                boxes[node, 0, k] = min(boxes[2 * node, 0, k], boxes[2 * node + 1, 0, k])
                boxes[node, 1, k] = max(boxes[2 * node, 1, k], boxes[2 * node + 1, 1, k])
                continue
            start, end = (node - leaves) * count // leaves, (node - leaves + 1) * count // leaves
            boxes[node, 0, k], boxes[node, 1, k] = points[start, k], points[start, k]
            for i in range(start + 1, end):
                boxes[node, 0, k] = min(boxes[node, 0, k], points[i, k])
                boxes[node, 1, k] = max(boxes[node, 1, k], points[i, k])
    return boxes


@cpu.inner
def _part(points, order, low, high, middle, axis):
    """Rows low to high so that none before the middle is beyond it along the axis (Hoare, "Algorithm 65: find")."""
    while low < high:
        pivot = points[(low + high) // 2, axis]
        i, j = low, high
        while i <= j:
            while points[i, axis] < pivot:
                i += 1
            while points[j, axis] > pivot:
                j -= 1
            if i <= j:
                for k in range(points.shape[1]):
                    points[i, k], points[j, k] = points[j, k], points[i, k]
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return


@cpu.inner(nogil=True)
def search(tree, queries, stretch, guess, away):
    """What `Tree.find` does, for kernels: of what is Grown."""
    points, boxes = tree.points, tree.boxes
    leaves, count = len(boxes) // 2, len(points)
    todo, bound = np.empty(64, np.int64), np.empty(64)
    last = 0
    for n in range(len(queries)):
        found = guess[n] if guess[n] >= 0 else last
        least = _squared(points, found, queries, n, stretch)
        todo[0], bound[0], waiting = 1, 0.0, 1
        while waiting:
            waiting -= 1
            node = todo[waiting]
            if bound[waiting] >= least:
                continue
            while node < leaves:
                node *= 2
                near, far = _outside(boxes, node, queries, n, stretch), _outside(boxes, node + 1, queries, n, stretch)
                other = node + 1
                if far < near:
                    near, far, node, other = far, near, node + 1, node
                if far < least:
                    todo[waiting], bound[waiting] = other, far
                    waiting += 1
                if near >= least:
                    node = -1
                    break
            if node > 0:
                start, end = (node - leaves) * count // leaves, (node - leaves + 1) * count // leaves
                for i in range(start, end):
                    squared = _squared(points, i, queries, n, stretch)
                    if squared < least:
                        least, found = squared, i
        guess[n], last, away[n] = found, found, np.sqrt(least)


@cpu.inner
def _squared(points, i, queries, n, stretch):
    total = 0.0
    for k in range(len(stretch)):
        total += (points[i, k] * stretch[k] - queries[n, k]) ** 2
    return total


@cpu.inner
def _outside(boxes, node, queries, n, stretch):
    """Squared distance to a box. Rounded as distances to its points are, so that it is no farther than any of them."""
    total = 0.0
    for k in range(len(stretch)):
        low, high = boxes[node, 0, k] * stretch[k], boxes[node, 1, k] * stretch[k]
        total += (min(max(queries[n, k], low), high) - queries[n, k]) ** 2
    return total
