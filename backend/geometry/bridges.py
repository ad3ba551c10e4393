"""Where the loose parts of a body hang on one another: the shortest gaps between their surfaces, as a tree.

Pairs of parts that lie close together come from the nearest neighbours of each vertex and of points within large
triangles; their shortest tree is Kruskal's. What then is still apart, islands far from each other, is joined by
Boruvka's rounds, each island to its nearest, islands whose boxes are farther than that left out.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial import cKDTree

from backend.geometry.body import Reals

Integers = NDArray[np.int64]

CLOSE, LARGE = 0.05, 24  # on triangles longer than this, parts are looked for within; in at most so many pieces a side
NEIGHBOURS = 12  # of each point that are looked at
FEW = 3  # of those, the foreign ones that are taken where one of the two is on a large triangle
AROUND = 32  # islands about an island that are looked at first
NEARBY = 0.1  # how much the length of a bridge counts beside the gap that it bridges


def bridges(vertices: Reals, faces: NDArray, labels: Integers) -> Integers:
    """(B, 2) pairs of the N vertices that join all parts into one; labels (N,) are those of the parts, from 0 on.

    Close to the minimum spanning tree between the parts, without looking at all pairs of vertices. What touches the
    inside of a large triangle is joined to the nearest of its corners.
    """
    count = int(labels.max()) + 1
    if count == 1:
        return np.zeros((0, 2), np.int64)
    pairs, gap = _neighbouring(vertices, faces, labels)
    # of pairs that are about as near to each other on the surfaces, those whose vertices are, too
    length = np.linalg.norm(vertices[pairs[:, 0]] - vertices[pairs[:, 1]], axis=1)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0], gap + NEARBY * length))]
    near = pairs[_shortest_tree(labels[pairs], count)]
    island = connected_components(coo_matrix((np.ones(len(near)), tuple(labels[near].T)), shape=(count, count)))[1]
    return np.concatenate([near, _between_islands(vertices, island[labels])])


def _neighbouring(vertices: Reals, faces: NDArray, labels: Integers) -> tuple[Integers, Reals]:
    """(K, 2) vertices of different parts that lie close to each other, and (K,) the gaps between the surfaces there."""
    points, face = _within_large(vertices, faces)
    points, face = np.concatenate([vertices, points]), np.concatenate([np.full(len(vertices), -1), face])
    vertex = np.arange(len(points))
    vertex[len(vertices) :] = faces[face[len(vertices) :], 0]
    neighbours = min(NEIGHBOURS, len(points))
    distance, near = cKDTree(points).query(points, k=neighbours)
    near = near.reshape(len(points), neighbours)
    foreign = labels[vertex[near]] != labels[vertex[:, None]]
    nearest = np.cumsum(foreign, axis=1) <= FEW
    # between large triangles there are many pairs, all much the same
    here, place = np.nonzero(foreign & (nearest | ((face[near] < 0) & (face[:, None] < 0))))
    there, gap = near[here, place], distance.reshape(near.shape)[here, place]
    ends = []
    for one, other in ((here, there), (there, here)):
        large = np.flatnonzero(face[one] >= 0)
        corner, point = vertices[faces[face[one[large]]]], points[other[large]]
        gap[large] = np.minimum(gap[large], _to_triangles(point, corner))
        end = vertex[one]
        nearest = np.linalg.norm(corner - point[:, None], axis=2).argmin(axis=1)
        end[large] = faces[face[one[large]], nearest]
        ends.append(end)
    return np.stack(ends, axis=1), gap


def _shortest_tree(joined: Integers, count: int) -> Integers:
    """Which of the pairs of parts, (K, 2), shortest first, are in the shortest forest over `count` parts."""
    low, high = np.sort(joined, axis=1).T
    _, first = np.unique(low * count + high, return_index=True)
    rank = csr_matrix((first + 1.0, (low[first], high[first])), shape=(count, count))
    return np.sort(minimum_spanning_tree(rank).data.astype(np.int64)) - 1


def _between_islands(vertices: Reals, island: Integers) -> Integers:
    """(B, 2) the shortest vertex pairs that join what `island` (N,) tells apart."""
    members = np.split(np.argsort(island, kind="stable"), np.cumsum(np.bincount(island))[:-1])
    trees = [cKDTree(vertices[chosen]) for chosen in members]
    low, high = (np.stack([trim(vertices[chosen], axis=0) for chosen in members]) for trim in (np.min, np.max))
    count = len(members)
    known: dict[tuple[int, int], tuple[float, int, int]] = {}

    def gap(one: int, other: int) -> tuple[float, int, int]:
        pair = min(one, other), max(one, other)
        if pair not in known:
            few, many = sorted(pair, key=lambda each: len(members[each]))
            distance, place = trees[many].query(vertices[members[few]])
            closest = int(np.argmin(distance))
            known[pair] = float(distance[closest]), int(members[few][closest]), int(members[many][place[closest]])
        return known[pair]

    def others(one: int, most: int) -> tuple[Integers, Reals]:
        """The islands whose boxes are nearest, at most so many, nearest first, and how far their boxes are."""
        apart = np.linalg.norm(np.maximum(np.maximum(low - high[one], low[one] - high), 0.0), axis=1)
        apart[one] = np.inf
        near = np.argpartition(apart, most)[:most] if most < count else np.arange(count)
        near = near[np.argsort(apart[near], kind="stable")]
        return near, apart[near]

    around = [others(one, AROUND) for one in range(count)]
    group, found = np.arange(count), []
    while group.any():
        shortest: dict[int, tuple[float, int, int]] = {}
        for one in range(count):
            place, own = 0, group[one]
            while place < count - 1:
                if place == len(around[one][0]):
                    around[one] = others(one, 4 * place)
                other, apart = int(around[one][0][place]), float(around[one][1][place])
                if apart >= shortest.get(own, (np.inf,))[0]:
                    break
                if group[other] != own:
                    shortest[own] = min(gap(one, other), shortest.get(own, (np.inf, 0, 0)))
                place += 1
        for _, a, b in sorted(shortest.values()):
            one, other = sorted((group[island[a]], group[island[b]]))
            if one != other:
                group[group == other] = one
                found.append((a, b))
    return np.array(found, np.int64).reshape(-1, 2)


def _within_large(vertices: Reals, faces: NDArray) -> tuple[Reals, Integers]:
    """(S, 3) points CLOSE to each other in triangles with a side longer than that, and (S,) which triangle."""
    corner = vertices[faces]
    side = np.linalg.norm(corner - np.roll(corner, 1, axis=1), axis=2).max(axis=1)
    pieces = np.clip(np.ceil(side / CLOSE), 1, LARGE).astype(np.int64)
    points, owner = [np.zeros((0, 3))], [np.zeros(0, np.int64)]
    for count in np.unique(pieces[pieces > 1]):
        i, j = np.meshgrid(np.arange(count + 1), np.arange(count + 1), indexing="ij")
        share = np.stack([i, j, count - i - j], axis=-1)[i + j <= count]
        share = share[share.max(axis=1) < count] / count  # the corners are vertices
        chosen = np.flatnonzero(pieces == count)
        points.append(np.einsum("sk,fkc->fsc", share, corner[chosen]).reshape(-1, 3))
        owner.append(np.repeat(chosen, len(share)))
    return np.concatenate(points), np.concatenate(owner)


def _to_triangles(points: Reals, corner: Reals) -> Reals:
    """(K,) distance of each of K points from its own triangle, (K, 3, 3)."""
    side, arm = np.roll(corner, -1, axis=1) - corner, points[:, None] - corner
    share = np.clip((arm * side).sum(axis=2) / np.maximum((side * side).sum(axis=2), 1e-300), 0.0, 1.0)
    to_edges = np.linalg.norm(arm - share[:, :, None] * side, axis=2).min(axis=1)
    normal = np.cross(side[:, 0], side[:, 1])
    above = (np.cross(side, arm) @ normal[:, :, None])[:, :, 0] >= 0.0
    height = np.abs((arm[:, 0] * normal).sum(axis=1)) / np.maximum(np.linalg.norm(normal, axis=1), 1e-300)
    return np.where(above.all(axis=1), height, to_edges)
