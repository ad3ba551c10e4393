"""What spreads over a surface, as fire, frost and rust do: where it starts, when it arrives, and into what it breaks.

All lengths are the body's, so that a pattern is the same on a coarse mesh and on a fine one but for its finest detail.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, dijkstra, minimum_spanning_tree
from scipy.spatial import cKDTree

from backend.geometry import fields
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Reals
from backend.geometry.lattice import surface_samples

Integers = NDArray[np.int64]

JUMP = 0.06  # a front crosses to another part over a gap smaller than this
APART = 3.0  # sizes of a cell by which the cells of different parts are shifted


def spacing(vertices: Reals, faces: NDArray) -> Reals:
    """(N,) mean length of the edges at each vertex: no detail finer than this can be drawn there."""
    sides = fields.edges(faces)
    length = np.linalg.norm(vertices[sides[:, 0]] - vertices[sides[:, 1]], axis=1)
    count = np.bincount(sides.ravel(), minlength=len(vertices))
    return np.bincount(sides.ravel(), np.repeat(length, 2), minlength=len(vertices)) / np.maximum(count, 1)


def hollowness(anatomy: Anatomy, radius: float) -> Reals:
    """(N,) positive in hollows, negative on edges and bumps, 0 where flat; near 1 or -1 where it could hardly be more.

    How high the surface within `radius` stands above the tangent plane, over its distance, on samples that are as
    dense everywhere, so that it does not depend on the triangles.
    """
    body = anatomy.body
    outward = anatomy.outward
    faces = np.where(anatomy.winding[anatomy.labels[body.faces[:, :1]]] < 0.0, body.faces[:, ::-1], body.faces)
    points, area = surface_samples(body.vertices, faces, 0.25 * radius)
    side = np.argmax(np.abs(area), axis=1)
    side = 2 * side + (area[np.arange(len(area)), side] > 0.0)  # so that the two sides of a thin part stay apart
    key = np.column_stack([np.floor(points / (0.25 * radius)).astype(np.int64), side])
    patch = np.unique(key, axis=0, return_inverse=True)[1].ravel()
    middle = np.stack([np.bincount(patch, column) for column in points.T], axis=1) / np.bincount(patch)[:, None]
    facing = np.stack([np.bincount(patch, column) for column in area.T], axis=1)

    near = min(48, len(middle))
    gap, index = cKDTree(middle).query(body.vertices, k=near, distance_upper_bound=radius)
    gap, index = gap.reshape(-1, near), index.reshape(-1, near)
    counts = np.isfinite(gap) & (gap > 0.25 * radius)
    index = np.where(counts, index, 0)
    # the far side of a thin part is nothing that rises or falls here
    weight = counts * np.maximum(np.einsum("nki,ni->nk", facing[index], outward), 0.0)
    height = np.einsum("nki,ni->nk", middle[index] - body.vertices[:, None], outward)
    slope = (weight * height / np.where(counts, gap, 1.0)).sum(axis=1)
    return np.clip(2.0 * slope / np.maximum(weight.sum(axis=1), 1e-12), -1.0, 1.0)


def peaks(points: Reals, height: Reals, labels: Integers, radius: float) -> Integers:
    """The vertices that are higher than all others of their part within `radius`; one at least for each part."""
    cell = np.floor(points / radius + 0.37).astype(np.int64)
    order = np.lexsort((-height, cell[:, 2], cell[:, 1], cell[:, 0], labels))
    key = np.column_stack([labels, cell])[order]
    first = np.ones(len(points), bool)
    first[1:] = (key[1:] != key[:-1]).any(axis=1)
    candidates = order[first]  # the highest of each cell and part: few, whatever the mesh
    near = cKDTree(points[candidates]).query_pairs(radius, output_type="ndarray")
    one, other = candidates[near[:, 0]], candidates[near[:, 1]]
    same = labels[one] == labels[other]
    higher = (height[one] > height[other]) | ((height[one] == height[other]) & (one < other))
    lower = np.where(higher, other, one)[same]
    return np.setdiff1d(candidates, lower)


def arrival(anatomy: Anatomy, sources: Integers, delay: Reals, slowness: Reals, climbing: float = 0.0) -> Reals:
    """(N,) when a front arrives that starts at `sources` (S,) after `delay` (S,), in lengths at `slowness` (N,) 1.

    First passage along edges, across the two triangles of an edge, and over to parts that are near. Each length
    upwards counts 1 + `climbing` times, downwards 1 / (1 + climbing) times. Infinite where no source is connected.
    """
    vertices, faces, count = anatomy.body.vertices, anatomy.body.faces, len(slowness)
    pairs = np.concatenate([
        fields.edges(faces), fields.across(faces), anatomy.bridged, _gaps(vertices, anatomy.labels)
    ])  # fmt: skip
    graph = fields.shortest_of(np.sort(pairs, axis=1), np.ones(len(pairs)), count).tocoo()
    a, b = np.concatenate([graph.row, graph.col]), np.concatenate([graph.col, graph.row])
    step = vertices[b] - vertices[a]
    length = np.maximum(np.linalg.norm(step, axis=1), 1e-9)
    steep = step[:, 2] / length
    cost = 0.5 * (slowness[a] + slowness[b]) * length * (1.0 + climbing) ** steep
    # a vertex before all others lights each source after its delay
    a, b = np.append(a, np.full(len(sources), count)), np.append(b, sources)
    graph = csr_matrix((np.append(cost, delay + 1e-12), (a, b)), shape=(count + 1, count + 1))
    return dijkstra(graph, indices=count)[:count]


def _gaps(vertices: Reals, labels: Integers) -> Integers:
    """(G, 2) pairs of vertices of two parts with less than JUMP between them, about every JUMP / 2."""
    key = np.column_stack([labels, np.floor(vertices / (0.5 * JUMP)).astype(np.int64)])
    chosen = np.unique(key, axis=0, return_index=True)[1]
    pairs = chosen[cKDTree(vertices[chosen]).query_pairs(JUMP, output_type="ndarray")]
    return pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]]


class Front:
    """A front by what it has swept: `share` (N,) of the surface has it reached before each vertex."""

    def __init__(self, arrival: Reals, area: Reals):
        """`area` (N,) of each vertex, 0 where there is nothing to sweep."""
        self.arrival = np.where(np.isfinite(arrival), arrival, 2.0 * arrival[np.isfinite(arrival)].max(initial=0.5))
        order = np.argsort(self.arrival, kind="stable")
        swept = np.cumsum(area[order])
        swept /= max(float(swept[-1]), 1e-300)
        self.share = np.empty(len(area))
        self.share[order] = np.concatenate([[0.0], swept[:-1]])
        self._when, self._swept = self.arrival[order], swept
        self._speed = max(float(self._when[-1] - self._when[0]), 1e-6)

    def behind(self, share: Reals | float) -> Reals:
        """(N,) how long ago the front has passed each vertex, in units of arrival, once it has swept `share` of the
        surface, a number or (N,); negative before. Above 1 it moves on as if there were more."""
        share = np.broadcast_to(share, self.arrival.shape)
        now = np.interp(share, np.append(0.0, self._swept), np.append(self._when[0], self._when))
        return now + self._speed * np.maximum(share - 1.0, 0.0) - self.arrival


class Cells:
    """Voronoi cells of scattered points: flakes, crystals, islands.

    `label` (N,) of each vertex's cell, `centre` (N, 3), `border` (N,) 0 at the border to the next cell, 1 amid a cell.
    With `parts` (N,) no cell has vertices of two parts, and those that lie close together are not cut alike.
    """

    def __init__(self, points: Reals, size: float, seed: int, parts: Integers | None = None):
        rng = np.random.default_rng(seed)
        apart = np.zeros_like(points)
        if parts is not None:
            apart = np.random.default_rng((seed, 1)).uniform(0.0, APART * size, (parts.max() + 1, 3))[parts]
        points = points + apart
        low, high = np.floor(points.min(axis=0) / size) - 1.0, np.floor(points.max(axis=0) / size) + 2.0
        grid = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1).reshape(-1, 3)
        scattered = size * (grid + rng.uniform(0.0, 1.0, grid.shape))
        gap, index = cKDTree(scattered).query(points, k=2)
        self.centre = scattered[index[:, 0]] - apart
        self.border = np.clip((gap[:, 1] - gap[:, 0]) / (0.5 * size), 0.0, 1.0)
        own = index[:, 0] if parts is None else index[:, 0] + len(grid) * parts
        self.label = np.unique(own, return_inverse=True)[1].astype(np.int64)
        self._place, self._places = index[:, 0], len(grid)

    def tips_first(self, values: Reals, sides: Integers, held: NDArray[np.bool_], pause: float) -> Reals:
        """(N,) when each vertex's cell goes: no sooner than `values` (N,) say, and `pause` after all that it bears.

        Each cell is borne by the next on its way, over `sides` (E, 2) of vertices, to a cell that is `held` (N,): the
        way whose first cell to go lasts longest. What has no way there keeps its own value.
        """
        count = self.label.max() + 1
        own = np.full(count, np.inf)
        np.minimum.at(own, self.label, values)
        joint = np.sort(self.label[sides], axis=1)
        joint = np.unique(joint[joint[:, 0] != joint[:, 1]], axis=0)
        foot = np.unique(self.label[held])
        ends = np.concatenate([joint, np.column_stack([foot, np.full(len(foot), count)])])  # one ground for all feet
        lasting = np.append(own, np.inf)[ends].min(axis=1)
        # the best ways of all cells lie on one tree, that of the links that last longest
        place = np.argsort(np.argsort(-lasting, kind="stable")) + 1.0
        tree = minimum_spanning_tree(csr_matrix((place, (ends[:, 0], ends[:, 1])), shape=(count + 1, count + 1)))
        order, parent = breadth_first_order(tree, count, directed=False)
        last = np.append(own, np.inf)
        for cell in order[:0:-1]:
            last[parent[cell]] = max(last[parent[cell]], last[cell] + pause)
        return last[self.label]

    def mean(self, values: Reals) -> Reals:
        """(N,) the mean of `values` (N,) over each vertex's cell."""
        return (np.bincount(self.label, values) / np.bincount(self.label))[self.label]

    def chance(self, seed: int) -> Reals:
        """(N,) uniform in [0, 1), one draw for each cell of space, whichever of them have vertices."""
        return np.random.default_rng(seed).uniform(size=self._places)[self._place]

    def direction(self, seed: int) -> Reals:
        """(N, 3) drawn evenly from all directions, the same for a whole cell; not of length 1."""
        return np.random.default_rng(seed).normal(size=(self._places, 3))[self._place]
