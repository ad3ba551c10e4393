"""A light stand-in for a heavy body: a process moves the stand-in, the body follows smoothly."""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags, identity
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from backend.geometry.anatomy import SHEET
from backend.geometry.body import Body, Look, Moment, Reals
from backend.geometry.fields import area_vectors, components, edges, openness, sound_faces
from backend.geometry.stars import Stars
from backend.report import Report, silent

SIMPLIFYING = "Simplifying the mesh"  # told often: the steps of a million vertices take seconds


class Proxy:
    """`body`: the same shape with about `count` vertices. `carry` takes its moments back to the heavy one.

    Every heavy vertex follows the proxy vertex of its own cluster and that one's neighbours, each with its own
    affine motion, blended by distance: after Sumner et al., "Embedded deformation", SIGGRAPH 2007. What is
    connected shares neighbours, so nothing cracks, and what is only near does not stick. Departs from them: the
    affine motions are not solved for, but measured on the proxy, which a process has moved.
    """

    def __init__(self, heavy: Body, count: int, report: Report = silent):
        self.heavy = heavy
        owner = clusters(heavy.vertices, heavy.faces, count, report)
        report(0.0, SIMPLIFYING)
        share = np.bincount(owner)

        def averaged(values: Reals) -> Reals:
            columns = values.reshape(len(values), -1).T
            mean = np.stack([np.bincount(owner, column) for column in columns], axis=1) / share[:, None]
            return mean.reshape(len(share), *values.shape[1:])

        points = averaged(heavy.vertices)
        faces = sound_faces(owner[heavy.faces], points)
        kept, faces = np.unique(faces, return_inverse=True)
        place = np.full(len(points), -1)
        place[kept] = np.arange(len(kept))
        lost = place < 0  # too small a part to have a triangle left rides on the nearest that has
        self.lost = float(share[lost].sum() / share.sum())
        if not len(kept):
            return
        place[lost] = cKDTree(points[kept]).query(points[lost])[1]
        owner, points, faces = place[owner], points[kept], faces.reshape(-1, 3).astype(np.int32)
        share = np.bincount(owner)
        self.body = Body(
            points, faces, averaged(heavy.pin), averaged(heavy.weight), averaged(heavy.albedo),
            averaged(heavy.roughness), averaged(heavy.metallic),
        )  # fmt: skip
        report(0.0, SIMPLIFYING)
        self._free = (1.0 - heavy.pin) * (heavy.weight > 0.0)
        self._stars = Stars(points, faces)
        self._follow = following(heavy.vertices, heavy.faces, points, self._stars.sides, owner)
        report(0.0, SIMPLIFYING)

    def carry(self, moment: Moment) -> Moment:
        """The heavy body at the moment of the proxy."""
        return Moment(moment.tau, tuple(map(self._posed, moment.poses)), self._looking(moment.look), moment.corrected)

    def _posed(self, moved: Reals) -> Reals:
        rest = self.body.vertices
        stretch = self._stars.affine(moved) - np.eye(3)  # (N, 3, 3)
        shift = moved - rest - np.einsum("nij,nj->ni", stretch, rest)
        spread = self._follow @ np.concatenate([stretch.reshape(-1, 9), shift], axis=1)  # (V, 12)
        heavy = self.heavy.vertices
        motion = spread[:, 9:] + np.einsum("vij,vj->vi", spread[:, :9].reshape(-1, 3, 3), heavy)
        positions = heavy + self._free[:, None] * motion
        positions[:, 2] = np.maximum(positions[:, 2], 0.0)
        return positions

    def _looking(self, now: Look) -> Look:
        """The change is carried, so that detail finer than the proxy stays."""
        heavy, rest = self.heavy.look, self.body.look

        def carried(name: str) -> Reals:
            change = self._follow @ (getattr(now, name) - getattr(rest, name))
            alive = (self.heavy.weight > 0.0).reshape(-1, *[1] * (change.ndim - 1))
            return np.clip(getattr(heavy, name) + alive * change, 0.0, 1.0)

        return Look(**{field.name: carried(field.name) for field in dataclasses.fields(Look)})


def following(heavy: Reals, faces: NDArray, points: Reals, sides: NDArray, owner: NDArray) -> csr_matrix:
    """(V, N) how much each heavy vertex, (V, 3) joined by triangles (F, 3), listens to each of N points that stand in
    for them, joined by edges (E, 2): to its own, owner (V,), and to the neighbours of that. Rows add up to one."""
    a, b = sides.T
    count = len(points)
    near = csr_matrix((np.ones(len(a)), (a, b)), shape=(count, count))
    near = near + near.T + identity(count, format="csr")
    length = np.linalg.norm(points[a] - points[b], axis=1)
    spacing = (np.bincount(a, length, minlength=count) + np.bincount(b, length, minlength=count)) / np.maximum(
        np.bincount(sides.ravel(), minlength=count), 1
    )
    weights = near.tocsr()[owner]
    row = np.repeat(np.arange(len(heavy)), np.diff(weights.indptr))
    gap = np.linalg.norm(heavy[row] - points[weights.indices], axis=1) / np.maximum(spacing[owner[row]], 1e-12)
    weights.data = np.exp(-np.minimum((gap / 0.6) ** 2, 200.0)) + 1e-30
    weights = _normalised(weights)
    c, d = edges(faces).T
    around = csr_matrix((np.ones(len(c)), (c, d)), shape=(len(heavy),) * 2)
    around = _normalised((around + around.T + identity(len(heavy))).tocsr())
    # two vertices side by side may be of different clusters: averaging takes the step out
    return (around @ (around @ weights)).tocsr()


def _normalised(weights: csr_matrix) -> csr_matrix:
    return (diags(1.0 / np.asarray(weights.sum(axis=1)).ravel()) @ weights).tocsr()


def clusters(vertices: Reals, faces: NDArray[np.int32], count: int, report: Report = silent) -> NDArray[np.int64]:
    """(V,) about `count` connected patches of even size: Lloyd's algorithm with distances along the surface.

    Their dual, a triangle where three patches meet, has good triangles even on a flat sheet, where decimation by
    quadrics leaves needles. After Valette and Chassery, "Approximated centroidal Voronoi diagrams", EG 2004.
    """
    report(0.0, SIMPLIFYING)
    sides, shape = edges(faces), (len(vertices),) * 2
    a, b = sides.T
    graph = csr_matrix((np.linalg.norm(vertices[a] - vertices[b], axis=1) + 1e-12, (a, b)), shape=shape)
    part = components(len(vertices), sides)
    report(0.0, SIMPLIFYING)
    box = np.floor(vertices / _spacing(vertices, faces, part, count)[part][:, None]).astype(np.int64)
    box = np.unique(box, axis=0, return_inverse=True)[1].ravel()
    within = box[a] == box[b]
    owner = components(len(vertices), np.stack([a[within], b[within]], axis=1))
    size = np.bincount(owner)
    crumbs = size < 0.3 * np.median(size)
    for _ in range(3):
        report(0.0, SIMPLIFYING)
        middle = np.stack([np.bincount(owner, column) for column in vertices.T], axis=1) / np.bincount(owner)[:, None]
        order = np.lexsort((np.linalg.norm(vertices - middle[owner], axis=1), owner))
        seeds = order[np.flatnonzero(np.diff(owner[order], prepend=-1))]
        # a crumb at the corner of a box is no patch of its own, unless it is all that its part has
        whole = np.bincount(part[seeds[~crumbs]], minlength=part.max() + 1) > 0
        seeds = seeds[~crumbs | ~whole[part[seeds]]]
        _, _, source = dijkstra(graph, False, seeds, min_only=True, return_predecessors=True)
        owner = np.unique(source, return_inverse=True)[1]
        crumbs = np.zeros(len(seeds), bool)
    return owner


def _spacing(vertices: Reals, faces: NDArray, part: NDArray, count: int) -> Reals:
    """(P,) between patches: even, but close enough that a thin tube stays a tube, seven patches around."""
    normal = area_vectors(vertices, faces)
    owner, parts = part[faces[:, 0]], part.max() + 1
    area = np.bincount(owner, np.linalg.norm(normal, axis=1), minlength=parts)
    # a surface meets about 1.5 boxes of side s for each s^2 of its area
    even = np.sqrt(1.5 * area.sum() / count)
    weight = np.maximum(np.bincount(part), 1)
    middle = np.stack([np.bincount(part, column) for column in vertices.T], axis=1) / weight[:, None]
    volume = np.einsum("fi,fi->f", vertices[faces].mean(axis=1) - middle[owner], normal) / 3.0
    radius = 2.0 * np.abs(np.bincount(owner, volume, minlength=parts)) / np.maximum(area, 1e-300)
    closed = openness(vertices, faces, part) <= SHEET
    return np.where(closed, np.clip(0.9 * radius, 0.25 * even, even), even)
