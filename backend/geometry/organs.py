"""The parts of a body, measured: which are blades, what they hang on, and how far every point of one is from there.

A *blade* is a part that is thin and flat: an open sheet, or a closed one with two sides. What takes no part in the life
(weight 0) is none, and parts what it lies between: so petals that are one surface with the rest can be chosen.
"""

from dataclasses import replace

import numpy as np
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from backend.geometry import fields
from backend.geometry.anatomy import SHEET, Anatomy
from backend.geometry.body import Reals
from backend.geometry.charts import Integers, Part

THIN = 0.12  # thickness of a closed blade over its width, at most
PLATE = 1.6  # the largest ball inside over the thickness, at most: it is 1 in a plate, 2 in a rod
SMALLEST = 0.01  # size of a blade, in sizes of the body
HANGING = 0.5  # a blade farther than this from all stems, in its own sizes, hangs on none


class Organs:
    """`blades`, and `others`: stems, discs, seeds, pots, and whatever takes no part."""

    def __init__(self, anatomy: Anatomy):
        body, self.normals = anatomy.body, anatomy.normals
        labels = separated(anatomy)
        self.joint = np.zeros(len(labels), bool)  # (N,) at the seam between a part and what it was parted from
        mixed = body.faces[(labels[body.faces] != labels[body.faces[:, :1]]).any(axis=1)]
        self.joint[mixed] = True
        parts = _measured(anatomy, labels)
        self.others = [part for part in parts if not part.flat]
        self.points = np.concatenate([np.zeros((0, 3)), *(part.points for part in self.others)])
        self.depth = np.concatenate([np.zeros(0), *(part.depth for part in self.others)])
        self.owner = np.repeat(np.arange(len(self.others)), [len(part.points) for part in self.others])
        self._tree = cKDTree(self.points) if len(self.points) else None
        self.blades = self._attached(anatomy, [part for part in parts if part.flat])

    def gap(self, points: Reals) -> Reals:
        """(P,) how far each of P points is from what is no blade."""
        return self._tree.query(points)[0] if self._tree is not None else np.full(len(points), np.inf)

    def nearest(self, points: Reals, reach: float) -> Integers:
        """Those of `self.points` that are within reach of a point (3,)."""
        found = self._tree.query_ball_point(points, reach) if self._tree is not None else []
        return np.array(found, np.int64)

    def _attached(self, anatomy: Anatomy, blades: list[Part]) -> list[Part]:
        """The same with their depth from where they are attached, on their own surface: at a seam, on a stem, or where
        the root is nearest."""
        if not blades:
            return []
        rooted = anatomy.held > 0.0
        sources = []
        for part in blades:
            seam = part.chosen[self.joint[part.chosen]]
            gap = self.gap(part.points)
            if len(seam):
                sources.append(seam)
            elif gap.min() < HANGING * part.size:
                sources.append(part.chosen[[np.argmin(gap)]])
            else:
                sources.append(part.chosen[[np.argmin(part.depth)]])
        depth = ways(anatomy.body.vertices, anatomy.body.faces, blades, np.concatenate(sources))
        return [
            replace(part, way=depth[part.chosen], rooted=bool(rooted[part.chosen].any())) for part in blades
        ]  # fmt: skip


def separated(anatomy: Anatomy) -> Integers:
    """(N,) parts as `anatomy.labels` has them, but that what takes part and what does not are parted."""
    body, labels = anatomy.body, anatomy.labels
    living = body.weight > 0.0
    if living.all():
        return labels
    inside = body.faces[living[body.faces].all(axis=1)]
    found = np.where(living, fields.parts(len(labels), inside), len(labels) + labels)
    return np.unique(found, return_inverse=True)[1]


def ways(vertices: Reals, faces: Integers, parts: list[Part], sources: Integers) -> Reals:
    """(N,) distance from the sources along the surface of the part that each is in; 0 where there is none."""
    index = np.zeros(len(vertices), np.int64)
    for number, part in enumerate(parts, 1):
        index[part.chosen] = number
    own = faces[(index[faces] > 0).all(axis=1) & (index[faces] == index[faces[:, :1]]).all(axis=1)]
    pairs = np.concatenate([fields.edges(own), fields.across(own)])
    length = np.linalg.norm(vertices[pairs[:, 0]] - vertices[pairs[:, 1]], axis=1)
    graph = fields.shortest_of(pairs, np.maximum(length, 1e-12), len(vertices))
    found = dijkstra(graph, directed=False, indices=sources, min_only=True)
    return np.where(np.isfinite(found), found, 0.0)


def _measured(anatomy: Anatomy, labels: Integers) -> list[Part]:
    body = anatomy.body
    faces = body.faces[(labels[body.faces] == labels[body.faces[:, :1]]).all(axis=1)]
    face_area = fields.areas(body.vertices, faces)
    owner = labels[faces[:, 0]]
    order, count = np.argsort(owner, kind="stable"), int(labels.max()) + 1
    area = np.bincount(owner, face_area, minlength=count)
    of_face = np.split(order, np.cumsum(np.bincount(owner, minlength=count))[:-1])
    of_vertex = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])
    spot = np.bincount(faces.ravel(), np.repeat(face_area, 3), minlength=len(labels))
    openness = fields.openness(body.vertices, faces, labels)
    found = []
    for label, (chosen, own) in enumerate(zip(of_vertex, of_face, strict=True)):
        points, sheet = body.vertices[chosen], openness[label] > SHEET
        middle = points.mean(axis=0)
        size = float(np.sqrt(area[label] * (1.0 if sheet else 0.5)))
        thickness, flat = 0.0, bool((body.weight[chosen] > 0.0).any()) and size >= SMALLEST and len(own) > 0
        if flat and not sheet:
            inner = body.vertices[faces[own]] - middle
            volume = abs(np.einsum("fi,fi->", inner[:, 0], np.cross(inner[:, 1], inner[:, 2]))) / 6.0
            thickness = 2.0 * volume / max(area[label], 1e-30)
            spread = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov((points - middle).T)), 0.0)) * 3.46
            width = min(spread[1], size**2 / max(spread[2], 1e-12))  # of a bundle of stems the latter is small
            # a mean over the area, as the thickness is one: so it is twice that in any bundle of rods
            ball = np.average(np.minimum(anatomy.thickness[chosen], 3.0 * thickness), weights=spot[chosen] + 1e-30)
            flat = ball < PLATE * thickness < PLATE * THIN * width
        depth = anatomy.distance[chosen]
        found.append(Part(chosen, points, middle, size, flat, green(body.albedo[chosen]), thickness, depth, depth))
    return found


def green(albedo: Reals) -> bool:
    """Whether most of the colours (M, 3) are those of a leaf."""
    red, middle, blue = np.median(albedo, axis=0)
    return bool(middle > 1.25 * red and middle > 1.25 * blue)
