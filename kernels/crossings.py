"""Which triangles of a soup cross another: a tree of boxes finds the pairs, intervals on a line decide.

Two triangles cross where each reaches through the plane of the other on both sides, and the chords that the planes
cut from them overlap (Möller, "A fast triangle-triangle intersection test", JGT 1997). All of it by more than a
`slack`, a length: what touches, lies flat on another in one plane, or reaches in no deeper does not cross, and a
triangle that is itself no thicker crosses nothing. So rounding decides nothing as long as the slack is well above it;
and two surfaces that pass through each other along an edge of one, exactly, are taken to touch.
The tree holds the triangles in the order of a Morton curve (Lauterbach et al., "Fast BVH construction on GPUs",
Eurographics 2009), four to a leaf.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from kernels import cpu
from kernels.shapes import Integers, Reals
from kernels.vectors import cross, dot, minus, scaled

LEAF = 4  # triangles


# --- the definition ---


def crossings_reference(corners: Reals, names: Integers, slack: float) -> NDArray[np.bool_]:
    """The definition of `crossings`, pair by pair: what two triangles share is a line from where an edge of one
    pierces the other to where the next does, and that is longer than `slack`."""
    found = np.zeros(len(corners), bool)
    for i, j in combinations(range(len(corners)), 2):
        one, other = corners[i], corners[j]
        if set(names[i]) & set(names[j]) or not (_astride(one, other, slack) and _astride(other, one, slack)):
            continue
        ends = np.array(_piercings(one, other) + _piercings(other, one)).reshape(-1, 3)
        if len(ends) and np.linalg.norm(ends[:, None] - ends, axis=2).max() > slack:
            found[[i, j]] = True
    return found


def _astride(triangle: Reals, other: Reals, slack: float) -> bool:
    normal = np.cross(other[1] - other[0], other[2] - other[0])
    longest = np.linalg.norm(other - np.roll(other, 1, axis=0), axis=1).max()
    if np.linalg.norm(normal) <= slack * longest:
        return False
    heights = (triangle - other[0]) @ normal / np.linalg.norm(normal)
    return heights.min() < -slack and heights.max() > slack


def _piercings(triangle: Reals, other: Reals) -> list[Reals]:
    """Where edges of a triangle pass through another one."""
    points = []
    for start, end in zip(triangle, np.roll(triangle, -1, axis=0), strict=True):
        system = np.stack([other[1] - other[0], other[2] - other[0], start - end], axis=1)
        if np.linalg.det(system) != 0.0:
            u, v, t = np.linalg.solve(system, start - other[0])
            if min(u, v, 1.0 - u - v, t, 1.0 - t) >= 0.0:
                points.append(start + t * (end - start))
    return points


# --- CPU ---


@cpu.inner(nogil=True)  # on one core, and called from Python
def _crossings(corners, names, normals, slack):
    """The triangles in the order of the leaves; `normals` of length 1."""
    count = len(corners)
    boxes = np.empty((count, 6))  # lowest x, y, z, highest x, y, z
    for n in range(count):
        for k in range(3):
            boxes[n, k] = min(corners[n, 0, k], corners[n, 1, k], corners[n, 2, k])
            boxes[n, 3 + k] = max(corners[n, 0, k], corners[n, 1, k], corners[n, 2, k])
    nodes, newest = _tree(boxes)
    first = len(nodes) // 2
    found = np.zeros(count, np.bool_)
    todo = np.empty(128, np.int64)
    for leaf in range((count + LEAF - 1) // LEAF):
        own = first + leaf
        todo[0], waiting = 1, 1
        while waiting:
            waiting -= 1
            node = todo[waiting]
            # each pair of leaves is met once, from the earlier one
            if newest[node] < leaf or _apart(nodes, node, nodes, own):
                continue
            if node < first:
                todo[waiting], todo[waiting + 1] = 2 * node, 2 * node + 1
                waiting += 2
                continue
            start, end = (node - first) * LEAF, min((node - first + 1) * LEAF, count)
            for a in range(leaf * LEAF, min((leaf + 1) * LEAF, count)):
                if _apart(boxes, a, nodes, node):
                    continue
                for b in range(max(start, a + 1), end):
                    if (found[a] and found[b]) or _apart(boxes, a, boxes, b) or _related(names, a, b):
                        continue
                    if _cross(corners[a], corners[b], normals[a], normals[b], slack):
                        found[a] = found[b] = True
    return found


@cpu.inner(nogil=True)
def _normals(corners, slack):
    """(F, 3) of length 1; 0 for a triangle that is no thicker than the slack, its area over its longest edge."""
    normals = np.zeros((len(corners), 3))
    for n in range(len(corners)):
        p, q = minus(corners[n, 1], corners[n, 0]), minus(corners[n, 2], corners[n, 0])
        r, normal = minus(p, q), cross(p, q)
        area = np.sqrt(dot(normal, normal))
        if area > slack * np.sqrt(max(dot(p, p), dot(q, q), dot(r, r))):
            normals[n, 0], normals[n, 1], normals[n, 2] = scaled(1.0 / area, normal)
    return normals


@cpu.inner
def _tree(boxes):
    """The box of each node, whose children are 2 n and 2 n + 1 and whose root is 1; and the latest leaf under it."""
    first = 1  # node of the first leaf
    while first * LEAF < len(boxes):
        first *= 2
    nodes, newest = np.empty((2 * first, 6)), np.zeros(2 * first, np.int64)
    nodes[:, :3], nodes[:, 3:] = np.inf, -np.inf
    for n in range(len(boxes)):
        _widen(nodes, first + n // LEAF, boxes, n)
    for node in range(2 * first - 1, 0, -1):
        if node >= first:
            newest[node] = node - first
            continue
        newest[node] = newest[2 * node + 1]
        _widen(nodes, node, nodes, 2 * node)
        _widen(nodes, node, nodes, 2 * node + 1)
    return nodes, newest


@cpu.inner
def _widen(boxes, i, others, j):
    for k in range(3):
        boxes[i, k] = min(boxes[i, k], others[j, k])
        boxes[i, 3 + k] = max(boxes[i, 3 + k], others[j, 3 + k])


@cpu.inner
def _apart(boxes, i, others, j):
    return (
        boxes[i, 0] > others[j, 3] or boxes[i, 1] > others[j, 4] or boxes[i, 2] > others[j, 5]
        or others[j, 0] > boxes[i, 3] or others[j, 1] > boxes[i, 4] or others[j, 2] > boxes[i, 5]
    )  # fmt: skip


@cpu.inner
def _related(names, a, b):
    for i in range(3):
        for j in range(3):
            if names[a, i] == names[b, j]:
                return True
    return False


@cpu.inner
def _cross(p, q, p_normal, q_normal, slack):
    p_heights = _heights(p, q[0], q_normal)
    if min(p_heights) >= -slack or max(p_heights) <= slack:
        return False
    q_heights = _heights(q, p[0], p_normal)
    if min(q_heights) >= -slack or max(q_heights) <= slack:
        return False
    along = cross(p_normal, q_normal)
    length = np.sqrt(dot(along, along))
    p_from, p_to = _chord(p, p_heights, along)
    q_from, q_to = _chord(q, q_heights, along)
    return min(p_to, q_to) - max(p_from, q_from) > slack * length


@cpu.inner
def _heights(triangle, origin, normal):
    """Of the corners above a plane."""
    return (
        dot(minus(triangle[0], origin), normal),
        dot(minus(triangle[1], origin), normal),
        dot(minus(triangle[2], origin), normal),
    )


@cpu.inner
def _chord(triangle, heights, along):
    """Where the plane cuts the triangle, as an interval along a line in that plane."""
    start, end = np.inf, -np.inf
    for i in range(3):
        j = (i + 1) % 3
        if (heights[i] < 0.0) != (heights[j] < 0.0):
            here, there = dot(triangle[i], along), dot(triangle[j], along)
            place = here + (there - here) * heights[i] / (heights[i] - heights[j])
            start, end = min(start, place), max(end, place)
    return start, end


# --- the function ---


def crossings(corners: Reals, names: Integers, slack: float) -> NDArray[np.bool_]:
    """(F,) which of the triangles, corners (F, 3, 3), cross another by more than the length `slack`.

    names (F, 3) of the corners: triangles that have one in common are neighbours, and are not held against each other.
    Where T triangles lie close to each one, O(F (log F + T)). Best about the origin, where rounding is least.
    """
    found = np.zeros(len(corners), bool)
    corners = np.ascontiguousarray(corners, np.float64)
    normals = _normals(corners, float(slack))
    thick = np.flatnonzero(normals.any(axis=1))
    if len(thick) < 2:
        return found
    order = thick[np.argsort(_morton(corners[thick, 0]), kind="stable")]
    sorted_names = names[order].astype(np.int64)
    found[order] = _crossings(corners[order], sorted_names, normals[order], float(slack))
    return found


def _morton(points: Reals) -> NDArray[np.int64]:
    """(N,) keys along a Morton curve through the box of the points, 2^20 places along an axis."""
    low = points.min(axis=0)
    size = float((points.max(axis=0) - low).max()) or 1.0
    place = ((points - low) * ((2**20 - 1) / size)).astype(np.int64)
    for shift, mask in (
        (32, 0x1F00000000FFFF), (16, 0x1F0000FF0000FF), (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3), (2, 0x1249249249249249),
    ):  # fmt: skip
        place = (place | place << shift) & mask
    return place[:, 0] | place[:, 1] << 1 | place[:, 2] << 2
