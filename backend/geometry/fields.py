"""The fields that every process shares: where a body is rooted, how far each point is from there, how it ages.

Units are the body's: largest extent 1. A process is mostly a choice of what these fields do to shape and colour.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree

from backend.geometry.body import Body, Reals

Integers = NDArray[np.int64]

ROOT_HEIGHT = 0.035  # of the body's height: what stands within it is held by the ground
BALLS = 8000  # that are shrunk at most, to find how thick a body is
FLAT_HEIGHT = 0.02  # a body lower than this lies on the floor and is held at its middle


def smoothstep(x):
    """0 up to 0, 1 from 1 on, 3x^2 - 2x^3 between."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def life(tau: float, distance: Reals) -> Reals:
    """(N,) in [0, 1]: how far along its process each point is. Tips start first, and at tau 1 all have arrived."""
    return smoothstep(1.6 * tau - 0.6 * (1.0 - distance))


def noise(points: Reals, frequency: float, seed: int) -> Reals:
    """(N,) smooth noise of mean 0 and variance about 1: plane waves of `frequency` cycles a unit, all directions.

    Unlike noise from a lattice it shows no grid.
    """
    waves = 32
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=(waves, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    wavenumber = 2.0 * math.pi * frequency * rng.uniform(0.5, 1.5, size=(waves, 1)) * direction
    phase = rng.uniform(0.0, 2.0 * math.pi, size=waves)
    total = np.zeros(len(points))
    for k, shift in zip(wavenumber, phase, strict=True):
        total += np.cos(points @ k + shift)
    return total * math.sqrt(2.0 / waves)


def unit(vectors: Reals) -> Reals:
    """(K, 3) of length one; what has no length stays as it is."""
    size = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, size, out=np.zeros_like(vectors), where=size > 0)


def edges(faces: NDArray) -> Integers:
    """(E, 2) undirected edges, each once, smaller index first."""
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    count = int(ends.max(initial=0)) + 1
    # one number a side: twice as fast as np.unique over rows, in the same order
    return np.column_stack(np.divmod(np.unique(ends.min(axis=1) * count + ends.max(axis=1)), count))


def sound_faces(faces: NDArray, vertices: Reals) -> NDArray[np.int32]:
    """(F, 3) without triangles that are folded up, have no area, or lie on one another."""
    flat = areas(vertices, faces) <= 5e-15
    _, first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    once = np.zeros(len(faces), bool)
    once[first] = True
    return np.ascontiguousarray(faces[once & ~flat], np.int32)


def area_vectors(vertices: Reals, faces: NDArray) -> Reals:
    """(F, 3) the normals of the triangles, as long as their areas."""
    corner = vertices[faces]
    return 0.5 * np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])


def areas(vertices: Reals, faces: NDArray) -> Reals:
    """(F,) of the triangles."""
    return np.linalg.norm(area_vectors(vertices, faces), axis=1)


def areas_around(vertices: Reals, faces: NDArray) -> Reals:
    """(N,) a third of the area of the triangles around each vertex; they sum to the surface."""
    return np.bincount(faces.ravel(), np.repeat(areas(vertices, faces) / 3.0, 3), minlength=len(vertices))


def components(count: int, pairs: NDArray) -> Integers:
    """(count,) the index, from 0 on, of the connected component that each of so many nodes is in; pairs (K, 2) are
    joined."""
    graph = coo_matrix((np.ones(len(pairs)), tuple(pairs.T)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def parts(count: int, faces: NDArray) -> Integers:
    """(N,) the index of the connected part that each of `count` vertices belongs to."""
    return components(count, edges(faces))


def root(body: Body) -> Reals:
    """(N,) in [0, 1]: how firmly each vertex is held. What the artist pinned; else the foot; else the middle.

    What takes no part in the life at all, weight 0, is held too: a pot stays where it is.
    """
    return np.maximum(_root(body), body.weight <= 0.0)


def _root(body: Body) -> Reals:
    if body.pin.any():
        return body.pin
    height = np.ptp(body.vertices[:, 2])
    if height >= FLAT_HEIGHT:
        return (body.vertices[:, 2] <= ROOT_HEIGHT * height).astype(float)
    middle = 0.5 * (body.vertices.min(axis=0) + body.vertices.max(axis=0))
    reach = np.linalg.norm(body.vertices - middle, axis=1)
    return (reach <= max(0.08, reach.min() + 1e-9)).astype(float)


def root_distance(body: Body, held: Reals, bridged: Integers) -> Reals:
    """(N,) in [0, 1]: distance along the surface from the root, the farthest point at 1.

    Shortest paths along edges, across the two triangles of an edge, and over the bridges between loose parts.
    """
    pairs = np.concatenate([edges(body.faces), across(body.faces), bridged])
    length = np.linalg.norm(body.vertices[pairs[:, 0]] - body.vertices[pairs[:, 1]], axis=1)
    graph = shortest_of(pairs, np.maximum(length, 1e-12), len(body.vertices))
    source = np.flatnonzero(held >= 0.5 * held.max())
    distance = dijkstra(graph, directed=False, indices=source, min_only=True)
    return distance / max(float(distance.max()), 1e-12)


def across(faces: NDArray) -> Integers:
    """(H, 2) the two vertices opposite each inner edge."""
    return hinges(faces)[:, 2:]


def hinges(faces: NDArray) -> Integers:
    """(H, 4) for each pair of triangles at an edge: its two ends, then the vertex on either side.

    Where more than two triangles meet they are paired in order, so a non-manifold edge still holds together.
    """
    side = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    opposite = np.concatenate([faces[:, 2], faces[:, 0], faces[:, 1]]).astype(np.int64)
    side = np.sort(side, axis=1)
    order = np.lexsort((opposite, side[:, 1], side[:, 0]))
    side, opposite = side[order], opposite[order]
    same = np.flatnonzero((side[1:] == side[:-1]).all(axis=1))
    return np.column_stack([side[same], opposite[same], opposite[same + 1]])


def rim(faces: NDArray) -> Integers:
    """(R, 2) the edges that have one triangle only."""
    sides = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64), axis=1)
    unique, count = np.unique(sides, axis=0, return_counts=True)
    return unique[count == 1]


def shortest_of(pairs: Integers, length: Reals, count: int) -> csr_matrix:
    """Sparse (N, N) graph with one entry a pair; where a pair comes twice, the shorter length."""
    order = np.lexsort((length, pairs[:, 1], pairs[:, 0]))
    pairs, length = pairs[order], length[order]
    first = np.ones(len(pairs), bool)
    first[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    return csr_matrix((length[first], (pairs[first, 0], pairs[first, 1])), shape=(count, count))


def openness(vertices: Reals, faces: NDArray, labels: Integers) -> Reals:
    """(P,) for each part: 0 where closed, near 1 for an open sheet; a hemisphere has 0.5.

    Area of the discs that would close its holes over its own area: the sum of L^2 / (4 pi) over rims of length L.
    """
    surface = np.bincount(labels[faces[:, 0]], areas(vertices, faces), minlength=labels.max() + 1)
    open_edges = rim(faces)
    loop = components(len(vertices), open_edges)
    length = np.linalg.norm(vertices[open_edges[:, 0]] - vertices[open_edges[:, 1]], axis=1)
    perimeter = np.bincount(loop[open_edges[:, 0]], length, minlength=loop.max() + 1)
    owner = np.zeros(len(perimeter), np.int64)
    owner[loop[open_edges[:, 0]]] = labels[open_edges[:, 0]]
    discs = np.bincount(owner, perimeter**2 / (4.0 * math.pi), minlength=len(surface))
    return discs / np.maximum(surface, 1e-300)


def limbs(points: Reals, distance: Reals, radius: float) -> tuple[Reals, Reals]:
    """For each of P points: the unit direction (P, 3) in which root distance grows, and its offset (P, 3) from the
    middle of what lies within `radius`: together they say where in a limb's cross-section it is."""
    pairs = cKDTree(points).query_pairs(radius, output_type="ndarray")
    a, b = np.concatenate([pairs[:, 0], pairs[:, 1]]), np.concatenate([pairs[:, 1], pairs[:, 0]])
    step, rise = points[b] - points[a], distance[b] - distance[a]

    def gathered(values: Reals) -> Reals:
        return np.stack([np.bincount(a, values[:, k], minlength=len(points)) for k in range(3)], axis=1)

    along = gathered(rise[:, None] * step)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    offset = -gathered(step) / np.maximum(np.bincount(a, minlength=len(points)), 1)[:, None]
    return along, offset


def normals(vertices: Reals, faces: NDArray) -> Reals:
    """(N, 3) unit normals of vertices, weighted by area; up where there is none."""
    face = area_vectors(vertices, faces)
    total = np.stack([np.bincount(faces.ravel(), np.repeat(c, 3), minlength=len(vertices)) for c in face.T], axis=1)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 1e-30, total / np.maximum(length, 1e-30), [0.0, 0.0, 1.0])


def outwardness(vertices: Reals, faces: NDArray, labels: Integers) -> Reals:
    """(P,) 1 for each part whose faces are wound outwards, -1 for one that is inside out, by its signed volume."""
    count = labels.max() + 1
    middle = np.stack([np.bincount(labels, column, minlength=count) for column in vertices.T], axis=1)
    middle /= np.bincount(labels, minlength=count)[:, None]
    corner = vertices[faces] - middle[labels[faces[:, 0]]][:, None]
    volume = np.einsum("fi,fi->f", corner[:, 0], np.cross(corner[:, 1], corner[:, 2]))
    return np.where(np.bincount(labels[faces[:, 0]], volume, minlength=count) < 0.0, -1.0, 1.0)


def inner_ball(points: Reals, outward: Reals, largest: float = 0.5, rounds: int = 12) -> Reals:
    """(P,) radius of the largest ball that touches each point from inside and holds no other point.

    The shrinking ball of Ma, Bae and Choi, "3D medial axis point approximation using nearest neighbors and the
    normal field", The Visual Computer 2012. `outward` (P, 3) unit normals; `largest` where a ball meets nothing.
    Of many points some are taken, and the others have what the nearest of these has: half of a round body is equally
    near to its middle, and finding which is nearest takes long.
    """
    if len(points) > BALLS:
        chosen = np.random.default_rng(0).choice(len(points), BALLS, replace=False)
        found = inner_ball(points[chosen], outward[chosen], largest, rounds)
        return found[cKDTree(points[chosen]).query(points)[1]]
    tree = cKDTree(points)
    radius = np.full(len(points), largest)
    shrinking = np.arange(len(points))
    for _ in range(rounds):
        middle = points[shrinking] - radius[shrinking, None] * outward[shrinking]
        gap, near = tree.query(middle)
        apart = points[shrinking] - points[near]
        inside = gap < radius[shrinking] * (1.0 - 1e-4)
        depth = np.einsum("pi,pi->p", apart, outward[shrinking])
        # neighbours of the point itself on a surface that is not quite smooth are no other side
        other = inside & (depth > 0.25 * np.linalg.norm(apart, axis=1))
        size = np.einsum("pi,pi->p", apart, apart) / (2.0 * np.maximum(depth, 1e-12))
        shrinking, size = shrinking[other], size[other]
        radius[shrinking] = np.minimum(size, radius[shrinking])
        if not len(shrinking):
            break
    return radius


def rim_distance(vertices: Reals, faces: NDArray) -> Reals:
    """(N,) distance along the surface to the nearest rim; infinite in a part that has none."""
    source = np.unique(rim(faces))
    if not len(source):
        return np.full(len(vertices), np.inf)
    pairs = np.concatenate([edges(faces), across(faces)])
    length = np.linalg.norm(vertices[pairs[:, 0]] - vertices[pairs[:, 1]], axis=1)
    graph = shortest_of(pairs, np.maximum(length, 1e-12), len(vertices))
    return dijkstra(graph, directed=False, indices=source, min_only=True)
