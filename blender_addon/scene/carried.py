"""What an artist gave a mesh, carried over to the mesh that takes its place: vertex groups and attributes.

Where both have the same polygons it is carried as it is. Where they have not, each vertex takes what the former surface
has at the point nearest to it, and each face what the nearest face has, as Blender's Data Transfer modifier does with
"Nearest Face Interpolated". The two are compared at the moment at which the new one reaches widest, for at its start a
plant may be a seed and a flower a bud, whose petals all lie in one place; the former one is made as large as it is.
What belongs to corners and edges stays behind then: no distance tells which corner of those that meet is meant.

That modifier and its operator do all of it in one go, which on 26,000 vertices takes three ticks' time, and know no
attributes but colours, UVs and the like. So the nearest points are looked for here, some in each step.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree

from . import keys, provenance
from .reading import rest
from .surface import corner_vertices, polygon_sizes

MOMENTS = 9  # of life, among which the widest is looked for
PATCH = 8000  # triangles of one search tree: one of all of them would be built in one step
LOOKS = 3000  # into a tree, in one step
CHUNK = 1000  # vertices whose groups are read or written in one step
FAR = 1e19  # farther than any point of a mesh
# By type of attribute: where its values lie, what they are, how many make one, whether they may be mixed.
KINDS = {
    "FLOAT": ("value", np.float32, 1, True),
    "FLOAT2": ("vector", np.float32, 2, True),
    "FLOAT_VECTOR": ("vector", np.float32, 3, True),
    "FLOAT_COLOR": ("color", np.float32, 4, True),
    "BYTE_COLOR": ("color", np.float32, 4, True),
    "INT": ("value", np.int32, 1, False),
    "INT8": ("value", np.int32, 1, False),
    "BOOLEAN": ("value", bool, 1, False),
}
IN_WORDS = {"sharp_face": "flat and smooth faces", "material_index": "which faces have which material"}
NEAREST = {"POINT", "FACE"}  # domains whose elements have a place of their own


@dataclass
class Former:
    """The mesh that was there before, by name, and what is known of it only while an object uses it."""

    mesh: str
    groups: tuple[str, ...]


@dataclass
class Match:
    """Where each vertex and face of the new mesh lies on the former one. Empty where they are the same."""

    shape: np.ndarray | None = None  # (U, 3) of the former mesh
    triangles: np.ndarray | None = None  # (T, 3) vertices of the former mesh
    polygons: np.ndarray | None = None  # (T,) the polygon of each
    trees: list[BVHTree] = field(default_factory=list)  # one of each PATCH of the triangles
    points: dict[str, np.ndarray] = field(default_factory=dict)  # by domain, (N, 3) to be found
    hits: dict[str, np.ndarray] = field(default_factory=dict)  # by domain, (N,) triangles
    weights: np.ndarray | None = None  # (V, 3) of the corners of the triangle that a vertex lies on

    def steps(self) -> Iterator[Callable]:
        """Functions of an object, which they leave alone: they look for the points."""
        for start in range(0, len(self.triangles), PATCH):
            yield lambda obj, start=start: self._plant_tree(start)
        at_once = max(1, LOOKS // max(1, len(self.trees)))
        for domain, points in self.points.items():
            for start in range(0, len(points), at_once):
                yield lambda obj, domain=domain, start=start: self._find(domain, start, start + at_once)

    def _plant_tree(self, start: int) -> None:
        own, corners = np.unique(self.triangles[start : start + PATCH], return_inverse=True)
        triangles = corners.reshape(-1, 3).tolist()
        self.trees.append(BVHTree.FromPolygons(self.shape[own].tolist(), triangles, all_triangles=True))

    def _find(self, domain: str, start: int, end: int) -> None:
        """The nearest triangle to each of the points from `start` to `end`, and for vertices where on it they lie."""
        points, hits, places, likely = self.points[domain][start:end], self.hits[domain][start:end], [], 0
        for number, point in enumerate(points.tolist()):
            nearest, place = FAR, point
            for patch in (likely, *range(len(self.trees))):  # first where the last was: the others are soon ruled out
                found, _, triangle, distance = self.trees[patch].find_nearest(point, nearest)
                if found is not None:
                    nearest, place, likely = distance, found, patch
                    hits[number] = patch * PATCH + triangle
            places.append(place)
        if domain == "POINT":
            self.weights[start:end] = _barycentric(self.shape[self.triangles[hits]], np.array(places))

    def mixed(self, values: np.ndarray, part: slice = slice(None)) -> np.ndarray:
        """(U, ...) of the former vertices to (V, ...) of the new ones, or to a part of those."""
        corners = values[self.triangles[self.hits["POINT"][part]]]
        return np.einsum("vk,vk...->v...", self.weights[part], corners)

    def nearest(self, domain: str, values: np.ndarray) -> np.ndarray:
        """Of the nearest vertex of the triangle, or of the polygon that it is in."""
        hits = self.hits[domain]
        if domain == "FACE":
            return values[self.polygons[hits]]
        return values[self.triangles[hits, self.weights.argmax(axis=1)]]


class Carrying:
    """From the former mesh to the one that an object has now, in steps. Holds no bpy reference between two of them."""

    def __init__(self, former: Former, height: float):
        """`height`: of the new specimen, in metres; 0 where it has none."""
        self._former, self._height = former, height
        self._exact = False
        self._wanted: list[str] = []  # names of attributes
        self._carried: list[str] = []
        self._homeless: list[str] = []  # what is on corners and edges that are no more
        self._unknown: list[str] = []  # what is of a type that KINDS lacks
        self._keys: list[str] = []  # the artist's

    def steps(self) -> Iterator[Callable]:
        """Functions of the object. On 26,000 vertices with 48 keys and 3 groups each takes less than 10 ms, but for
        one in which Python collects its garbage (40 ms)."""
        if self._mesh() is None:
            return
        match = Match()
        yield self._compare
        domains = {"POINT"} if self._former.groups else set()
        domains |= {self._mesh().attributes[name].domain for name in self._wanted} & NEAREST
        if domains and not self._exact:
            yield from self._steps_to_match(match, domains)
        if self._former.groups:
            yield from self._steps_to_carry_groups(match)
        for name in self._wanted:
            yield lambda obj, name=name: self._carry_attribute(obj, name, match)

    def sentences(self) -> Iterator[str]:
        """What there is to say of it."""
        if self._carried:
            how = "vertex by vertex" if self._exact else "to the nearest points of the new surface"
            yield f"Carried over {how}: {', '.join(self._carried)}"
        if self._homeless:
            yield f"Not carried over, for the new mesh has other edges and corners: {', '.join(self._homeless)}"
        if self._unknown:
            yield f"Not carried over, for it is of a kind that Anthesis cannot copy: {', '.join(self._unknown)}"
        if self._keys:
            yield (
                f"Shape keys of yours are not carried over: {', '.join(self._keys)}. They are shapes of the former "
                "mesh: undo to keep that, or sculpt them anew on this one"
            )

    def _mesh(self):
        return bpy.data.meshes.get(self._former.mesh)

    def _compare(self, obj) -> None:
        old, new = self._mesh(), obj.data
        pairs = [(corner_vertices(mesh), polygon_sizes(mesh), _edges(mesh)) for mesh in (old, new)]
        same = all(np.array_equal(one, other) for one, other in zip(*pairs, strict=True))
        self._exact = same and len(old.vertices) == len(new.vertices)
        ours = {*new.attributes.keys(), *((provenance.read(obj) or {}).get("attributes") or {}).values()}
        self._wanted = [each.name for each in old.attributes if each.name not in ours and not each.name.startswith(".")]
        own = old.shape_keys.key_blocks if old.shape_keys else ()
        self._keys += [f'"{key.name}"' for key in own[1:] if not keys.OURS.fullmatch(key.name)]

    def _steps_to_match(self, match: Match, domains: set[str]) -> Iterator[Callable]:
        reach = {}  # by share of life, the diagonal of the new shape

        def measure(obj, share: float) -> None:
            reach[share] = np.linalg.norm(np.ptp(_shape(obj.data, share), axis=0))

        for share in np.linspace(0, 1, MOMENTS).tolist():
            yield partial(measure, share=share)
        yield lambda obj: self._set_out(match, obj, domains, max(reach, key=reach.get))
        yield lambda obj: self._read_triangles(match)
        yield from match.steps()

    def _set_out(self, match: Match, obj, domains: set[str], share: float) -> None:
        """What is looked for, where both meshes are after a `share` of their lives."""
        widest = _shape(obj.data, share)
        match.shape = _shape(self._mesh(), share) * np.float32(self._growth(obj))
        points = {"POINT": widest, "FACE": _centres(obj.data, widest)}
        match.points = {domain: points[domain].astype(np.float64) for domain in domains}
        match.hits = {domain: np.zeros(len(points[domain]), np.int32) for domain in domains}
        match.weights = np.zeros((len(widest), 3))

    def _read_triangles(self, match: Match) -> None:
        old = self._mesh()
        old.calc_loop_triangles()
        match.triangles = np.empty((len(old.loop_triangles), 3), np.int32)
        old.loop_triangles.foreach_get("vertices", match.triangles.ravel())
        match.polygons = np.empty(len(old.loop_triangles), np.int32)
        old.loop_triangle_polygons.foreach_get("value", match.polygons)

    def _growth(self, obj) -> float:
        """How many times as large the new specimen is."""
        specimen = ((provenance.read(obj) or {}).get("request") or {}).get("specimen") or {}
        height = specimen.get("height", 0.0)
        return self._height / height if height and self._height else 1.0

    def _steps_to_carry_groups(self, match: Match) -> Iterator[Callable]:
        weights = np.full((len(self._mesh().vertices), len(self._former.groups)), np.nan, np.float32)
        for start in range(0, len(weights), CHUNK):
            yield lambda obj, start=start: _read_weights(self._mesh(), weights, start)
        counted = []  # the vertices of the new mesh
        yield lambda obj: counted.append(len(obj.data.vertices))
        for number, name in enumerate(self._former.groups):
            self._carried.append(f'vertex group "{name}"')
            for start in range(0, counted[0], CHUNK):
                part = slice(start, start + CHUNK)
                yield partial(self._carry_group, name=name, weights=weights[:, number], match=match, part=part)

    def _carry_group(self, obj, name: str, weights: np.ndarray, match: Match, part: slice) -> None:
        """A part of the new vertices; `weights` (U,) are of the former ones, NaN where one is not in the group."""
        if self._exact:
            weights = weights[part]
            members = np.flatnonzero(~np.isnan(weights))
        else:
            weights = match.mixed(np.nan_to_num(weights), part)
            members = np.flatnonzero(weights > 0)
        group = obj.vertex_groups.get(name) or obj.vertex_groups.new(name=name)
        for vertex, weight in zip((members + part.start).tolist(), weights[members].tolist(), strict=True):
            group.add((vertex,), weight, "REPLACE")

    def _carry_attribute(self, obj, name: str, match: Match) -> None:
        old = self._mesh().attributes[name]
        if old.data_type not in KINDS or not (self._exact or old.domain in NEAREST):
            (self._homeless if old.data_type in KINDS else self._unknown).append(_in_words(name))
            return
        place, kind, width, mixes = KINDS[old.data_type]
        values = np.empty((len(old.data), width), kind)
        old.data.foreach_get(place, values.ravel())
        if not self._exact:
            mixes = mixes and old.domain == "POINT"
            values = match.mixed(values) if mixes else match.nearest(old.domain, values)
        new = obj.data.attributes.new(name, old.data_type, old.domain)
        new.data.foreach_set(place, np.ascontiguousarray(values, kind).ravel())
        self._carried.append(_in_words(name))


def _in_words(name: str) -> str:
    return IN_WORDS.get(name, f'"{name}"')


def _edges(mesh) -> np.ndarray:
    edges = np.empty((len(mesh.edges), 2), np.int32)
    mesh.attributes[".edge_verts"].data.foreach_get("value", edges.ravel())
    return edges


def _shape(mesh, share: float) -> np.ndarray:
    """(V, 3) float32 after a share of its life; the rest shape where it has none."""
    blocks = mesh.shape_keys.key_blocks if mesh.shape_keys else ()
    frames = [key for key in blocks if keys.FINAL.fullmatch(key.name)]
    if not frames:
        return rest(mesh)
    frames.sort(key=lambda key: keys.index_of(key.name))
    shape = np.empty((len(mesh.vertices), 3), np.float32)
    frames[round(share * (len(frames) - 1))].points.foreach_get("co", shape.ravel())
    return shape


def _centres(mesh, shape: np.ndarray) -> np.ndarray:
    """(F, 3): the mean of each polygon's corners."""
    sizes = polygon_sizes(mesh)
    sums = np.add.reduceat(shape[corner_vertices(mesh)], np.cumsum(sizes) - sizes, axis=0)
    return sums / sizes[:, None]


def _read_weights(mesh, weights: np.ndarray, start: int) -> None:
    """Fill CHUNK rows of (U, G) from `start` on: what each vertex has in each group that it is in."""
    groups = weights.shape[1]
    for number, vertex in enumerate(mesh.vertices[start : start + CHUNK], start):
        for element in vertex.groups:
            if element.group < groups:  # a mesh may remember groups that its object has no more
                weights[number, element.group] = element.weight


def _barycentric(corners: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(N, 3) weights of the (N, 3, 3) corners of triangles at (N, 3) places on them (Ericson, Real-Time Collision
    Detection, 3.4)."""
    a, b, c = np.moveaxis(corners.astype(np.float64), 1, 0)
    u, v, w = b - a, c - a, places - a
    uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    wu, wv = (w * u).sum(1), (w * v).sum(1)
    area = uu * vv - uv * uv
    safe = np.where(area > 0, area, 1.0)
    second = np.where(area > 0, np.clip((vv * wu - uv * wv) / safe, 0, 1), 0)
    third = np.where(area > 0, np.clip((uu * wv - uv * wu) / safe, 0, 1 - second), 0)
    return np.stack([1 - second - third, second, third], axis=1)
