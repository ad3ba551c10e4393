"""What flows when a body melts: its surface closed and refined, its parts sorted and told which of them touch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from backend.geometry.anatomy import Anatomy
from backend.geometry.coats import coats
from backend.geometry.factor import Factor
from backend.geometry.fields import areas, components, edges, openness, smoothstep
from backend.geometry.volume import close_holes, face_volumes, ringed, signed_volume
from kernels.surface_gradients import surface_gradients

Reals = NDArray[np.float64]
Ints = NDArray[np.int32]

LONG = 0.06  # edges longer than this, in extents, are cut: the flow takes hold of points only
COARSE = 0.12  # mean length of edges from which the triangles are not small beside what flows, and are fitted to it
MOST = 20_000  # triangles from which none is cut any more
LID = 0.03  # width of the rings that close a hole, in extents
FLAT = 0.9  # openness above which a part is a sheet, however it is bowed: a flat disc has 1, half a ball 0.5
SHEET = 0.012  # mean thickness, in extents, below which a part is a sheet
SHEET_THICKNESS = 0.03  # what a sheet weighs, in extents
TOUCH = 0.06  # distance, in extents, up to which smoothing moves parts together: all the way from half of that
PARTS = 200  # the largest, which touch others; of more, as in a cloud of scraps, the rest are only touched
SMOOTH = 0.15, 0.2  # least and most length, in extents, over which the mesh is smoothed in all, where fully
ROOM = 0.02, 0.05  # least and most width, in extents, of a gap that is wide enough to swell into: else an edge's
NEAREST = 24  # points among which a wall is looked for
FITS = 3  # Newton's steps of laying large triangles so that they hold what they held
ALONG = 0.05  # how much it counts, of a gap between flow and triangles, that it is along the surface
FACING = -0.2  # cosine between normals of walls that face each other, at most
LONGER = 4.0  # the same, in its edges: coarse triangles fold at their own scale


@dataclass(frozen=True, eq=False)
class Sheets:
    """The open parts that are all skin."""

    faces: Ints  # (K, 3)
    part: Ints  # (M,) which part each point is in, sheet or not
    areas: Reals  # (P,) at rest; of what is no open sheet 0
    hold: Reals  # (M,) how much others hold on to each point
    alone: NDArray[np.bool_]  # (P,) whether no other part touches it


@dataclass(eq=False)
class Surface:
    """What flows: M points, the body's N vertices first, then midpoints of long edges, then the middles of holes."""

    points: Reals  # (M, 3)
    mobility: Reals  # (M,) in [0, 1]
    neighbours: sparse.csr_array  # (M, M) rows sum to 1
    returning: sparse.csr_array  # (M, M) its transpose
    faces: Ints  # (F, 3) of the solid parts, closed
    skin: Ints  # (K, 3) the same and the closed sheets: what keeps its volume
    parts: Ints  # (K,) which part
    volumes: Reals  # (P,) what each part holds at rest
    sheet: Reals  # (M,) mass of what has next to no inside
    touching: sparse.csr_array  # (M, M) times a motion: what touching parts lack to move as one
    chords: sparse.csr_array  # (M, N) the same points, but midpoints on the straight lines between the body's own
    straight: float  # how far midpoints go to those lines: all the way where the body is fine enough to be seen so
    coarse: Ints  # of a body with COARSE edges, the vertices at the ends of those that were cut
    cut: int  # points before the lids
    smoothing: float  # length, in extents, over which it is smoothed in all, where it is smoothed fully
    sheets: Sheets
    thin: Reals  # (M,) 1 where a part is thin, 0 where it is bulk
    wide: float  # that a gap is to be, for what is around it to swell into it
    room: Reals  # (M,) in [0, 1] how wide the gap in front of a point is, of that
    squeezed: float = 0.0  # volume that the flow alone would have taken in this stride, over the volume of all parts
    corrected: float = 0.0  # volume that was put back so far, over the volume of all parts


def flowing_surface(anatomy: Anatomy) -> Surface:
    """The body, finer where its triangles are longer than the flow's detail, its holes closed, its parts sorted."""
    body = anatomy.body
    points, faces = body.vertices, body.faces
    mobility = (1.0 - body.pin) * body.weight
    chords = sparse.eye_array(len(points), format="csr")
    while len(faces) < MOST and (ends := long_edges(points, faces)).size:
        points, faces = halved(points, faces, ends)
        chords = sparse.vstack([chords, 0.5 * (chords[ends[:, 0]] + chords[ends[:, 1]])], format="csr")
        mobility = np.concatenate([mobility, mobility[ends].mean(axis=1)])
    cut = len(points)
    fans, middles = close_holes(points, faces)
    rims = np.zeros(len(middles), np.int64)
    rims[fans[:, 2] - len(points)] = fans[:, 0]
    points, mobility = np.concatenate([points, middles]), np.concatenate([mobility, mobility[rims]])

    label = components(len(points), np.concatenate([faces, fans])[:, [0, 1, 1, 2]].reshape(-1, 2))
    is_sheet = sheets(points, np.concatenate([faces, fans]), label)
    flat = openness(body.vertices, body.faces, anatomy.labels)[anatomy.labels] > FLAT
    is_sheet[label[: len(body.vertices)][anatomy.is_sheet & flat]] = True
    coat = coats(points, faces, label, is_sheet)
    is_sheet |= coat
    # one point amid a wide hole would carry all of its weight, and sink like a stone
    lids, within, beneath = ringed(points, fans[~is_sheet[label[fans[:, 0]]]], LID)
    points, mobility = np.concatenate([points, within]), np.concatenate([mobility, mobility[beneath]])
    label = np.concatenate([label, label[beneath]])

    faces, sheet_faces = faces[~is_sheet[label[faces[:, 0]]]], faces[is_sheet[label[faces[:, 0]]]]
    solid = np.concatenate([faces, lids]).astype(np.int32)
    if signed_volume(points, solid) < 0.0:  # inside out
        solid = np.ascontiguousarray(solid[:, ::-1])
    weight = np.repeat(SHEET_THICKNESS / 3.0 * areas(points, sheet_faces), 3)
    sheet = np.bincount(sheet_faces.ravel(), weight, len(points))
    is_open = np.bincount(label[fans[:, 0]], minlength=len(is_sheet)) > 0
    skin = np.concatenate([solid, sheet_faces[~is_open[label[sheet_faces[:, 0]]]]])
    part = label[skin[:, 0]]
    volumes = np.bincount(part, face_volumes(points, skin), len(is_sheet))
    links = links_to_neighbours(np.concatenate([faces, sheet_faces]), fans, lids, len(points))
    ends = body.vertices[edges(body.faces)]
    edge = float(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1).mean())
    coarse = np.unique(chords[len(body.vertices) :].indices)[: None if edge > COARSE else 0]
    touching = adhesion(points, np.concatenate([solid, sheet_faces]), coat[label])
    open_faces = sheet_faces[is_open[label[sheet_faces[:, 0]]]]
    wide = np.bincount(label[open_faces[:, 0]], areas(points, open_faces), len(is_sheet))
    wide[coat] = 0.0  # what lies on a body is drawn out with it
    hold = -touching.diagonal()
    films = Sheets(open_faces, label, wide, 1e-3 + hold, np.bincount(label, hold) < 1e-6)
    return Surface(
        points, mobility, links, links.T.tocsr(), solid, skin, part, volumes, sheet,
        touching, chords, min(LONG / edge, 1.0) ** 2, coarse, cut, float(np.clip(LONGER * edge, *SMOOTH)), films,
        thin=1.0 * (sheet > 0.0), wide=float(np.clip(edge, *ROOM)), room=np.ones(len(points)),
    )  # fmt: skip


def straighten(surface: Surface) -> None:
    """Bring midpoints back on to the straight lines between the body's own vertices, and these to where the triangles
    lie as close to all points as they can; most of all across the surface, so that what comes in at one place goes out
    at another and volume stays: least squares, each point with its area."""
    coarse, own = surface.coarse, surface.chords.shape[1]
    if not len(coarse):
        return
    x = surface.points.copy()
    chords = surface.chords[:, coarse]
    near = np.flatnonzero(np.diff(chords.indptr))
    chords = chords[near]
    slack = np.zeros(len(surface.skin))
    outward = surface_gradients(x, surface.skin, slack)[0][near]
    area = np.linalg.norm(outward, axis=1)
    normal = outward / np.maximum(area, 1e-30)[:, None]
    along = ALONG * np.eye(3) + normal[:, :, None] * normal[:, None]
    weight = (area + 0.01 * area.mean() + 1e-12)[:, None, None] * along
    blocks = [[chords.T @ sparse.diags_array(weight[:, i, j]) @ chords for j in range(3)] for i in range(3)]
    gap = x[near] - surface.chords[near] @ x[:own]
    pull = chords.T @ np.einsum("mij,mj->mi", weight, gap)
    factor = Factor(sparse.block_array(blocks, format="csr"))

    def moved(force: Reals) -> Reals:
        return factor.solve(force.T.reshape(-1, 1)).reshape(3, -1).T * surface.mobility[coarse, None]

    def laid(shift: Reals) -> None:
        x[coarse] += shift
        x[coarse, 2] = np.maximum(x[coarse, 2], 0.0)
        x[own : surface.cut] = surface.chords[own:] @ x[:own]

    part, count = surface.sheets.part, len(surface.volumes)
    held = part_volumes(x, surface.skin, surface.parts, count)
    laid(moved(pull))
    for _ in range(FITS):  # of all ways to hold as much again the one that leaves the points least
        missing = held - part_volumes(x, surface.skin, surface.parts, count)
        outward = surface.chords[:, coarse].T @ surface_gradients(x, surface.skin, slack)[0][: surface.cut]
        way = moved(outward)
        slope = np.bincount(part[coarse], (outward * way).sum(axis=1), count)
        laid(np.clip((missing / np.maximum(slope, 1e-12))[part[coarse], None] * way, -LONG, LONG))
    surface.points = x


def adhesion(points: Reals, faces: Ints, coat: NDArray[np.bool_]) -> sparse.csr_array:
    """(M, M) times the motion of points: what parts that touch lack to move as one.

    Two parts are within TOUCH of each other, and share no edge; the smaller by area follows the larger, and where
    points are `coat` (M,) they follow the others.
    """
    sides, index = np.unique(np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0, return_inverse=True)
    index = index.reshape(-1, 3)
    part_of_side = components(len(sides), index[:, [0, 1, 1, 2]].reshape(-1, 2))
    size = np.bincount(part_of_side[index[:, 0]], areas(points, faces))
    size[np.unique(part_of_side[index[coat[faces[:, 0]], 0]])] *= 1e-3
    label = np.full(len(points), -1)
    label[sides] = part_of_side[:, None]
    pairs = [(np.zeros(0, np.int64),) * 2 + (np.zeros(0),)]
    for part in np.argsort(-size)[:PARTS]:
        own = np.flatnonzero(label == part)
        low, high = points[own].min(axis=0) - TOUCH, points[own].max(axis=0) + TOUCH
        near = np.flatnonzero((label >= 0) & (label != part) & ((points > low) & (points < high)).all(axis=1))
        if len(near):
            distance, place = cKDTree(points[near]).query(points[own], k=8, distance_upper_bound=TOUCH)
            i, k = np.nonzero(np.isfinite(distance))
            pairs.append((own[i], near[place[i, k]], smoothstep(2.0 - 2.0 * distance[i, k] / TOUCH)))
    i, j, weight = (np.concatenate(column) for column in zip(*pairs, strict=True))
    closest = np.zeros(len(points))
    np.maximum.at(closest, i, weight)
    weight *= (closest / np.maximum(np.bincount(i, weight, len(points)), 1e-12))[i]
    weight *= size[label[j]] / np.maximum(size[label[i]] + size[label[j]], 1e-30)
    others = sparse.csr_array((weight, (i, j)), shape=(len(points), len(points)))
    return others - sparse.diags_array(others.sum(axis=1))


def sheets(points: Reals, closed: Ints, label: Ints) -> NDArray[np.bool_]:
    """(P,) the parts that are all skin: `closed` (F, 3), their holes closed; `label` (M,) the part of each point."""
    part = label[closed[:, 0]]
    count = int(label.max()) + 1
    volume = np.abs(np.bincount(part, face_volumes(points, closed), count))
    return 2.0 * volume < SHEET * np.bincount(part, areas(points, closed), count)


def long_edges(points: Reals, faces: Ints) -> Ints:
    """(E, 2) the edges that are longer than LONG, smaller index first."""
    ends = edges(faces)
    return ends[np.linalg.norm(points[ends[:, 0]] - points[ends[:, 1]], axis=1) > LONG]


def halved(points: Reals, faces: Ints, ends: Ints) -> tuple[Reals, Ints]:
    """The mesh with the edges `ends` (E, 2), smaller index first, cut at their midpoints, which come after the points.

    A triangle becomes two, three or four, so that no midpoint lies on the edge of a neighbour that has none.
    """
    count = len(points)
    sides = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]], axis=2).astype(np.int64) @ [count, 1]
    keys = ends.astype(np.int64) @ [count, 1]
    order = np.argsort(keys)
    place = np.minimum(np.searchsorted(keys[order], sides), len(keys) - 1)
    cut = keys[order[place]] == sides
    middle = count + order[place]
    number = cut.sum(axis=1)
    # turned so that of one cut side it is the first, and of two the first and the second
    turn = np.where(number == 2, (np.argmin(cut, axis=1) + 1) % 3, np.argmax(cut, axis=1))
    corner = (np.arange(3) + turn[:, None]) % 3
    a, b, c = np.take_along_axis(faces, corner, axis=1).T
    ab, bc, ca = np.take_along_axis(middle, corner, axis=1).T
    templates = (
        [(a, b, c)],
        [(a, ab, c), (ab, b, c)],
        [(a, ab, c), (ab, bc, c), (ab, b, bc)],
        [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)],
    )
    finer = [
        np.stack(triangle, axis=1)[number == cuts] for cuts, triangles in enumerate(templates) for triangle in triangles
    ]
    return np.concatenate([points, points[ends].mean(axis=1)]), np.concatenate(finer).astype(np.int32)


def links_to_neighbours(faces: Ints, fans: Ints, lids: Ints, count: int) -> sparse.csr_array:
    """(count, count) the mean of a point's neighbours; of itself where it has none.

    A point on the rim of a sheet, of which the `fans` without `lids` tell, sees only the rim: smoothing leaves a
    straight one where it is. A hole under a lid is smoothed as if there were none.
    """
    rim = np.zeros(count, bool)
    rim[fans.ravel()] = True
    rim[lids.ravel()] = False
    both = np.concatenate([faces, lids])
    i, j = both[:, [0, 1, 2, 1, 2, 0]].ravel(), both[:, [1, 2, 0, 0, 1, 2]].ravel()
    seen = (i != j) & (~rim[i] | rim[j])
    alone = np.setdiff1d(np.arange(count), i[seen])
    i, j = np.concatenate([i[seen], alone]), np.concatenate([j[seen], alone])
    links = sparse.csr_array((np.ones(len(i)), (i, j)), shape=(count, count))
    links.data[:] = 1.0
    return sparse.csr_array(sparse.diags_array(1.0 / links.sum(axis=1)) @ links)


def room(points: Reals, skin: Ints, enough: float) -> Reals:
    """(M,) in [0, 1] how far each of the points (M, 3) of a closed `skin` (K, 3) is from a wall that faces it,
    where a gap is `enough` wide for 1."""
    outward = surface_gradients(points, skin, np.zeros(len(skin)))[0]
    normal = outward / np.maximum(np.linalg.norm(outward, axis=1), 1e-30)[:, None]
    gap = np.full(len(points), enough)
    used = np.unique(skin)
    tree = cKDTree(points[used])
    for some in np.array_split(used, max(len(used) // 4000, 1)):  # small enough for the processor's cache
        distance, near = tree.query(points[some], k=NEAREST, distance_upper_bound=enough)
        near = used[np.minimum(near, len(used) - 1)]
        ahead = np.einsum("mkc,mc->mk", points[near] - points[some, None], normal[some])
        facing = np.einsum("mkc,mc->mk", normal[near], normal[some]) < FACING
        gap[some] = np.where(facing & (ahead > -0.3 * distance), distance, enough).min(axis=1, initial=enough)
    return smoothstep(gap / enough)


def part_volumes(points: Reals, faces: Ints, parts: Ints, count: int) -> Reals:
    """(P,) what each of `count` parts holds; `parts` (F,) numbers the part of each face."""
    return np.bincount(parts, face_volumes(points, faces), count)
