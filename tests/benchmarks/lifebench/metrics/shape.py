"""Whether an answer's mesh stays sound: stretch, faces that flip, faces that cross, and the law of its volume.

The truth has some of the first three itself (a petal grows, two leaves touch), so what counts is what an answer has
beyond it.
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from kernels.crossings import crossings
from tests.benchmarks.lifebench.metrics.pair import Pair
from tests.benchmarks.lifebench.nouns import Bools, Ints, Reals, Sequence, once

QUANTILES = (0.01, 0.5, 0.99)  # of the length of edges
SHORT = 1e-4  # of the size: a shorter edge has no stretch that could be told
LIMITS = (1e-2, 1e2)  # within which a stretch is told
TURNED = -0.5  # cosine: a face that turns by more than 120 degrees within a frame has flipped
LOOKED_AT = 5  # frames in which crossings are sought, first and last among them
SLACK = 1e-6  # of the size: what crosses by less touches


def stretch_error(pair: Pair) -> float:
    """How much more, or less, than the truth's an answer's edges are stretched against the anchor: the mean over
    frames and quantiles of |ln of the answer's / the truth's quantile|. 0.1 is about a tenth."""
    own = _stretches(pair.answer, pair.truth.anchor, pair.size)
    real = _stretches(pair.truth.sequence, pair.truth.anchor, pair.size)
    return float(np.abs(np.log(own / real)).mean())


@once
def _stretches(sequence: Sequence, anchor: int, size: float) -> Reals:
    """(T, Q) quantiles, each edge counted by its length at the anchor."""
    faces = sequence.frames[0][1]
    edges = np.unique(np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    lengths = np.linalg.norm(np.diff(sequence.positions[:, edges], axis=2)[:, :, 0], axis=2)
    rest = lengths[anchor]
    told = rest > SHORT * size
    ratios, weights = np.clip(lengths[:, told] / rest[told], *LIMITS), rest[told]
    found = np.empty((len(ratios), len(QUANTILES)))
    for row, ratio in zip(found, ratios, strict=True):
        order = np.argsort(ratio)
        passed = np.cumsum(weights[order])
        row[:] = ratio[order][np.searchsorted(passed, np.array(QUANTILES) * passed[-1])]
    return found


def flips(pair: Pair) -> float:
    """Share of the area that turns over within a frame, in the mean frame, beyond the truth's."""
    return max(0.0, _flips(pair.answer) - _flips(pair.truth.sequence))


@once
def _flips(sequence: Sequence) -> float:
    shares, before = [], None
    for t, (vertices, faces) in enumerate(sequence.frames):
        a, b, c = vertices[faces].transpose(1, 0, 2)
        normals = np.cross(b - a, c - a)
        size = np.linalg.norm(normals, axis=1)
        if before is not None:
            turned = np.einsum("fk,fk->f", normals, before[0]) < TURNED * size * before[1]
            there = sequence.present(t) & sequence.present(t - 1)
            shares.append((size * turned)[there].sum() / max(size[there].sum(), 1e-300))
        before = normals, size
    return float(np.mean(shares)) if shares else 0.0


def crossing_share(pair: Pair) -> float:
    """Share of the triangles that cross another, in the mean of five frames, beyond the truth's."""
    looked_at = np.unique(np.linspace(0, len(pair.answer.frames) - 1, LOOKED_AT).round().astype(int))
    own, real = (np.mean([_crossing(of, t) for t in looked_at]) for of in (pair.answer, pair.truth.sequence))
    return max(0.0, float(own - real))


@once
def _crossing(sequence: Sequence, frame: int) -> float:
    vertices, faces = sequence.frames[frame][0], sequence.there(frame)
    if not len(faces):
        return 0.0
    size = np.ptp(vertices, axis=0).max()
    return float(crossings(vertices[faces], _places(vertices)[faces].astype(np.int32), SLACK * size).mean())


def _places(vertices: Reals) -> Ints:
    """(V,) a number for the place of each: a seam that splits vertices is no gap."""
    step = SLACK * np.ptp(vertices, axis=0).max() or 1.0
    place = np.round((vertices - vertices.min(axis=0)) / step).astype(np.int64)
    return np.unique(place, axis=0, return_inverse=True)[1].reshape(-1)


def volume_error(pair: Pair) -> float:
    """Where matter is kept by a law: how far the volume of an answer's parts is from it, in the mean frame, both as
    shares of the largest that it allows. Faces are of the part that the nearest vertex of the truth is of; a hole
    that they leave is closed by a fan to the middle of its rim."""
    matter, subject = pair.truth.matter, pair.truth.clip.subject
    law = np.array([matter.share(tau) for tau in pair.truth.tau])
    kept = np.isin(subject.parts, [subject.part_names.index(part) for part in matter.parts])
    volumes = np.array([_volume(pair, t, kept) for t in range(len(law))])
    at = law.argmax()
    return float(np.abs(volumes / max(volumes[at], 1e-300) - law / law[at]).mean())


def _volume(pair: Pair, frame: int, kept: Bools) -> float:
    """Cubic metres."""
    vertices, faces = pair.answer.frames[frame]
    of = pair.truth.anchor if pair.answer.tracked else frame  # faces that can be followed are named once
    nearest = KDTree(pair.truth.sequence.positions[of]).query(pair.answer.frames[of][0])[1]
    faces = faces[kept[nearest][faces].all(axis=1)]
    if not len(faces):
        return 0.0
    rims, centres = _holes(vertices, _places(pair.answer.frames[of][0])[faces], faces)
    corners = np.concatenate([vertices[faces], np.stack([vertices[rims[:, 1]], vertices[rims[:, 0]], centres], axis=1)])
    corners = corners - vertices[faces[0, 0]]
    return float(np.einsum("fk,fk->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6.0)


def _holes(vertices: Reals, names: Ints, faces: Ints) -> tuple[Ints, Reals]:
    """(R, 2) the edges that only one face has, along it, and (R, 3) the middle of the rim that each is part of; faces
    (F, 3) whose vertices at one place have one of `names` (F, 3)."""
    ends, own = (np.concatenate([of[:, [0, 1]], of[:, [1, 2]], of[:, [2, 0]]]) for of in (names, faces))
    count = int(names.max()) + 1
    way, back = ends @ [count, 1], ends @ [1, count]
    alone = ~np.isin(way, back) & (ends[:, 0] != ends[:, 1])
    rims, places = own[alone], ends[alone]
    graph = coo_array((np.ones(len(places)), places.T), shape=(count, count))
    rim = connected_components(graph, directed=False)[1][places[:, 0]]
    share = np.bincount(rim, minlength=count)[rim][:, None]
    sums = np.zeros((count, 3))
    np.add.at(sums, rim, vertices[rims].mean(axis=1))
    return rims, sums[rim] / share
