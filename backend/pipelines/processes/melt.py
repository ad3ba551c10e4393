"""Melting: any mesh slumps from the top, flows down over itself and ends as a pool with a rounded rim.

Every step is one Stokes flow (`backend.geometry.viscous`) of the body's surface under its own weight. The weight
comes on from the top downwards, the clock is the height of the centre of mass, which falls by one law
for every mesh, and what the flow cannot see on its grid is smoothed on the mesh.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Look
from backend.geometry.fields import edges, smoothstep
from backend.geometry.viscous import (
    Tank,
    carried,
    filling,
    giving_way,
    held_back,
    scalar_at,
    sealed,
    stokes_flow,
    velocity_at,
)
from backend.geometry.volume import (
    close_holes,
    closed_parts,
    connected,
    face_volumes,
    restore_volume,
    ringed,
    signed_volume,
)
from backend.pipelines.processes.process import Posed, Process
from backend.report import Report
from kernels.surface_gradients import surface_gradients

Reals = NDArray[np.float64]
Ints = NDArray[np.int32]

GRID = (48, 48, 32)
COURANT = 1.0  # cells that the fastest vertex may travel in one step
STRIDE = 0.025  # progress between two smoothings
STEPS = 6  # a stride that needs more has nowhere left to go: the body stays as it is
ROUNDS = 16  # of restoring the volume of a coarse mesh; one that cannot hold it, being pinned, stays short of it
POOL = 0.2  # thickness of the pool, in cube roots of the volume
LONG = 0.06  # edges longer than this, in extents, are cut: the flow takes hold of points only
MOST = 20_000  # triangles from which none is cut any more
LID = 0.03  # width of the rings that close a hole, in extents
SHEET = 0.012  # mean thickness, in extents, below which a part is a sheet
SHEET_THICKNESS = 0.03  # what a sheet weighs, in extents
FROM_TOP = 0.7  # share of the weight that comes on from the top downwards; the rest is there from the start
UNEVEN = 0.12  # how much the weight varies from place to place
LEAN = 0.5  # how strongly a sheet is pushed to the side, per weight
TENSION = 0.012  # surface tension / weight, in squares of the height of the centre of mass
THIN_TENSION = 0.04  # the same, more of it, where a part is thin
THIN = 0.06  # standard deviation of the ball, in extents, that measures what is thin
GIVE = 3.0  # how far the air below the body has gone at the end: to exp(-GIVE)
WET = 0.05  # roughness
DEEPER = 0.5  # how much purer the colour of what is wet, as a power
REACH = 0.15  # length, in extents, over which what smoothing takes is given back
SMOOTH = 0.2  # length, in extents, over which the mesh is smoothed in all, where it is smoothed fully


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
    thin: Reals  # (M,) 1 where a part is thin, 0 where it is bulk
    corrected: float = 0.0  # volume that was put back so far, over the volume of all parts


@dataclass(frozen=True, eq=False)
class Weight:
    """The potential whose fall drives the flow: height, more of it where the melting has come, unevenly."""

    waves: Reals  # (K, 2) radians per extent
    phases: Reals  # (K,)

    def __call__(self, points: Reals, progress: float) -> Reals:
        height = max(points[:, 2].max(), 1e-6)
        above = np.clip(points[:, 2] / height - 1.0 + 2.0 * progress, 0.0, None)
        within = np.minimum(above, 1.0)
        molten = height * (0.5 * within**2 + above - within)
        uneven = np.cos(points[:, :2] @ self.waves.T + self.phases).mean(axis=1)
        return ((1.0 - FROM_TOP) * points[:, 2] + FROM_TOP * molten) * (1.0 + UNEVEN * uneven)

    def of_sheet(self, points: Reals, mass: Reals) -> Reals:
        """(M, 3) force: mass (M,) downwards, and to sides that cancel, so that a standing sheet folds as it sinks."""
        sideways = np.sin(points @ np.repeat(self.waves, [2, 1], axis=1)[:2].T + self.phases[:2])
        sideways -= mass @ sideways / max(mass.sum(), 1e-12)
        return mass[:, None] * np.concatenate([LEAN * sideways, np.full((len(points), 1), -1.0)], axis=1)


class Melt(Process):
    moves = True
    doing = "Melting"

    def motion(self, taus: Reals, report: Report) -> Iterator[Posed]:
        """The volume of every part, its holes closed by fans, is restored along the normals. Open sheets have none to
        restore."""
        body, amount = self.body, self.amount
        surface = flowing_surface(self.anatomy)
        draw = np.random.default_rng(self.seed)
        weight = Weight(draw.normal(0.0, 6.0, (6, 2)), draw.uniform(0.0, 2.0 * np.pi, 6))
        start, low = heights(surface, POOL * 4.0 ** (0.5 - self.settings.spread))
        grid = tuple(int(cells * self.detail.grid) for cells in GRID)
        closed = closed_parts(body.vertices, body.faces)
        gone, flowing = 0.0, True
        for tau in taus:
            progress = amount * float(0.75 * tau + 0.25 * smoothstep(tau))
            while gone < progress:
                stride = min(STRIDE, progress - gone)
                gone = min(gone + STRIDE, progress)
                goal = start + (low - start) * gone
                steps, before = 0, surface.points
                while flowing and flow_towards(goal, surface, weight, gone, start - low, grid):
                    steps += 1
                    flowing = steps < STEPS
                if flowing:
                    smooth(surface, gone, stride)
                else:
                    surface.points = before
                report(min(gone / amount, 1.0), self.doing)
            positions = surface.points[: len(body.vertices)].copy() if gone > 0.0 else body.vertices.copy()
            yield as_coarse(positions, surface, *closed)

    def look(self, tau: float, look: Look) -> Look:
        height = self.body.vertices[:, 2]
        molten = smoothstep(2.0 * tau - 1.0 + height / max(height.max(), 1e-6))
        wet = self.strength * molten * min(1.6 * self.settings.gloss, 1.0)
        # what is wet is darker and purer in colour: light is caught in it and meets its pigment more than once
        return look.toward(wet, roughness=WET, albedo=look.albedo ** (1.0 + DEEPER * self.settings.gloss))


def flow_towards(goal: float, surface: Surface, weight: Weight, progress: float, depth: float, grid) -> bool:
    """Lower the centre of mass to the height `goal`, or as far as one step may; True where more steps are needed."""
    x = surface.points
    now, mass = centre_of_mass(surface)
    if now - goal < 1e-5 or mass < 1e-9:
        return False
    tank = Tank.around(x, grid)
    tension = now**2 * (TENSION + THIN_TENSION * surface.thin[surface.faces].mean(axis=1))
    outward, tightening = surface_gradients(x, surface.faces, tension)

    def velocity_and_rate(flow: Reals) -> tuple[Reals, float]:
        """Of the points, and at which the centre of mass rises."""
        velocity = velocity_at(tank, flow, x) * surface.mobility[:, None]
        rising = (x[:, 2] * (outward * velocity).sum(axis=1) + surface.sheet * velocity[:, 2]).sum()
        return velocity, min(float(rising) / mass, -1e-12)

    forces = -weight(x, progress)[:, None] * outward
    forces += weight.of_sheet(x, surface.sheet)
    inside = filling(tank, x, outward, surface.sheet)
    flow, thin = carried(stokes_flow(tank, x, forces), inside, tank, min(THIN, 0.5 * now))
    surface.thin = scalar_at(tank, thin, x)

    fall = giving_way(inside, tank, THIN)
    falling = velocity_and_rate(fall)[1] / depth
    light = float(surface.sheet.sum()) / mass
    give = min(GIVE * (1.0 + light), -(0.5 + 0.25 * light) / falling)  # at most that share of the way
    flow += np.float32(give * -velocity_and_rate(flow)[1] / (depth * (1.0 + give * falling))) * fall

    flow = held_back(sealed(flow, inside, tank), tank, x, surface.mobility)
    velocity, rate = velocity_and_rate(flow)
    dt = min((goal - now) / rate, COURANT / max((np.abs(velocity) / tank.spacing).max(), 1e-9))
    rounding = stokes_flow(tank, x, -tightening, 0.5 * tension.max(initial=0.0) * dt)
    flow += held_back(rounding, tank, x, surface.mobility)
    velocity, rate = velocity_and_rate(flow)
    needed = (goal - now) / rate
    allowed = min(COURANT / max((np.abs(velocity) / tank.spacing).max(), 1e-9), 1.5 * dt)
    dt = min(needed, allowed)
    middle = x + 0.5 * dt * velocity
    surface.points = x + dt * velocity_at(tank, flow, middle) * surface.mobility[:, None]
    surface.points[:, 2] = np.maximum(surface.points[:, 2], np.minimum(x[:, 2], 1e-4))
    return needed > allowed


def smooth(surface: Surface, progress: float, stride: float) -> None:
    """Even out the mesh, thin parts first and all of it near the end, then restore the volumes."""
    x, links = surface.points, surface.neighbours
    edges2 = links @ (x * x).sum(axis=1) - 2.0 * (x * (links @ x)).sum(axis=1) + (x * x).sum(axis=1)
    strength = np.maximum(0.02 + 0.98 * progress**4, 0.25 * (0.2 + progress) * surface.thin)
    wanted = strength * SMOOTH**2 * stride / (0.25 * np.maximum(edges2, 1e-10))
    most = int(np.clip(400_000 // len(x), 6, 40))
    rounds = int(np.clip(np.ceil(np.percentile(wanted, 95)), 1, most))
    share = 0.5 * np.minimum(wanted / rounds, 1.0) * surface.mobility
    before = x
    for _ in range(rounds):
        x = x + share[:, None] * (links @ x - x)
    above_floor = np.clip(x[:, 2] / 0.01, 0.0, 1.0)
    bulk = surface.mobility * above_floor * (1.0 - 0.8 * surface.thin)
    x = given_back(before, x, surface, bulk, np.median(edges2))
    share = (surface.mobility * above_floor)[:, None]
    held = part_volumes(x, surface.skin, surface.parts, len(surface.volumes))
    x = restore_volume(x, surface.skin, surface.parts, surface.volumes, share)
    x[:, 2] = np.maximum(x[:, 2], 0.0)
    now = part_volumes(x, surface.skin, surface.parts, len(surface.volumes))
    surface.corrected += float(np.abs(now - held).sum() / max(np.abs(surface.volumes).sum(), 1e-12))
    surface.points = x


def given_back(before: Reals, x: Reals, surface: Surface, free: Reals, edge2: float) -> Reals:
    """Points (M, 3) that smoothing has moved from `before`, with the volume that each took given to those around.

    What it takes spreads over REACH along the surface, by a walk from neighbour to neighbour that keeps its sum; so the
    volume of a horn goes into what it grew from, and none is lost. `free` (M,) of each point; `edge2` squared.
    """
    slack = np.zeros(len(surface.skin))
    outward = surface_gradients(0.5 * (before + x), surface.skin, slack)[0]
    taken = np.einsum("ij,ij->i", before - x, outward)
    area = np.linalg.norm(outward, axis=1)
    around = np.maximum(surface.neighbours @ (free * area), 1e-12)
    for _ in range(int(np.clip(REACH**2 / edge2, 2, 80))):
        height = surface.returning @ (taken / around)
        taken = free * area * height
    return x + (free * height / np.maximum(area, 1e-30))[:, None] * outward


def as_coarse(positions: Reals, surface: Surface, faces: Ints, parts: Ints, volumes: Reals) -> Posed:
    """The body's own N vertices, its closed parts holding the volume that their own, longer triangles hold."""
    mobility = surface.mobility[: len(positions), None]
    whole = max(float(np.abs(surface.volumes).sum()), 1e-12)
    before = part_volumes(positions, faces, parts, len(volumes))
    for _ in range(ROUNDS):
        missing = volumes - part_volumes(positions, faces, parts, len(volumes))
        if np.all(np.abs(missing) <= 1e-4 * np.abs(volumes) + 1e-9):
            break
        share = mobility * np.ones(3)
        share[:, 2] *= np.clip(positions[:, 2] / 0.01, 0.0, 1.0)  # what lies on the floor only spreads
        positions = restore_volume(positions, faces, parts, volumes, share, largest=0.05)
        positions[:, 2] = np.maximum(positions[:, 2], 0.0)
    changed = np.abs(part_volumes(positions, faces, parts, len(volumes)) - before).sum()
    return Posed(positions, surface.corrected + float(changed) / whole)


def part_volumes(points: Reals, faces: Ints, parts: Ints, count: int) -> Reals:
    """(P,) what each of `count` parts holds; `parts` (F,) numbers the part of each face."""
    return np.bincount(parts, face_volumes(points, faces), count)


def heights(surface: Surface, thickness: float) -> tuple[float, float]:
    """Of the centre of mass: at rest, and in the pool that the part of the body that may move ends as, of
    `thickness` in cube roots of the volume."""
    start, mass = centre_of_mass(surface)
    pool = min(0.5 * thickness * np.cbrt(max(mass, 0.0)), start)
    height = surface.points[:, 2]
    moving = float(surface.mobility @ height / max(height.sum(), 1e-12))
    moving **= 3  # what stays is in the way of the rest
    return start, start - max(moving * (start - pool), 1e-6)


def centre_of_mass(surface: Surface) -> tuple[float, float]:
    """Its height, and the mass."""
    x = surface.points
    volumes = face_volumes(x, surface.faces)
    mass = float(volumes.sum() + surface.sheet.sum())
    moment = (volumes * x[surface.faces, 2].sum(axis=1)).sum() / 4.0 + (surface.sheet * x[:, 2]).sum()
    return float(moment) / max(mass, 1e-9), mass


def flowing_surface(anatomy: Anatomy) -> Surface:
    """The body, finer where its triangles are longer than the flow's detail, its holes closed, its parts sorted."""
    body = anatomy.body
    points, faces = body.vertices, body.faces
    mobility = (1.0 - body.pin) * body.weight
    while len(faces) < MOST and (ends := long_edges(points, faces)).size:
        points, faces = halved(points, faces, ends)
        mobility = np.concatenate([mobility, mobility[ends].mean(axis=1)])
    fans, middles = close_holes(points, faces)
    rims = np.zeros(len(middles), np.int64)
    rims[fans[:, 2] - len(points)] = fans[:, 0]
    points, mobility = np.concatenate([points, middles]), np.concatenate([mobility, mobility[rims]])

    label = connected(np.concatenate([faces, fans])[:, [0, 1, 1, 2]].reshape(-1, 2), len(points))
    is_sheet = sheets(points, np.concatenate([faces, fans]), label)
    is_sheet[label[: len(body.vertices)][anatomy.is_sheet]] = True
    # one point amid a wide hole would carry all of its weight, and sink like a stone
    lids, within, beneath = ringed(points, fans[~is_sheet[label[fans[:, 0]]]], LID)
    points, mobility = np.concatenate([points, within]), np.concatenate([mobility, mobility[beneath]])
    label = np.concatenate([label, label[beneath]])

    faces, sheet_faces = faces[~is_sheet[label[faces[:, 0]]]], faces[is_sheet[label[faces[:, 0]]]]
    solid = np.concatenate([faces, lids]).astype(np.int32)
    if signed_volume(points, solid) < 0.0:  # inside out
        solid = np.ascontiguousarray(solid[:, ::-1])
    weight = np.repeat(SHEET_THICKNESS / 3.0 * triangle_areas(points, sheet_faces), 3)
    sheet = np.bincount(sheet_faces.ravel(), weight, len(points))
    is_open = np.bincount(label[fans[:, 0]], minlength=len(is_sheet)) > 0
    skin = np.concatenate([solid, sheet_faces[~is_open[label[sheet_faces[:, 0]]]]])
    part = label[skin[:, 0]]
    volumes = np.bincount(part, face_volumes(points, skin), len(is_sheet))
    links = links_to_neighbours(np.concatenate([faces, sheet_faces]), fans, lids, len(points))
    none = np.zeros(len(points))
    return Surface(points, mobility, links, links.T.tocsr(), solid, skin, part, volumes, sheet, none)


def sheets(points: Reals, closed: Ints, label: Ints) -> NDArray[np.bool_]:
    """(P,) the parts that are all skin: `closed` (F, 3), their holes closed; `label` (M,) the part of each point."""
    part = label[closed[:, 0]]
    count = int(label.max()) + 1
    volume = np.abs(np.bincount(part, face_volumes(points, closed), count))
    return 2.0 * volume < SHEET * np.bincount(part, triangle_areas(points, closed), count)


def triangle_areas(points: Reals, faces: Ints) -> Reals:
    """(F,)"""
    corner = points[faces]
    return 0.5 * np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)


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

    A point on the rim of a hole, of which the `fans` tell, sees only the rim and the lid, where there is one: smoothing
    closes such a hole and leaves it where it is. The rim of a sheet is no hole.
    """
    rim = np.zeros(count, bool)
    rim[fans.ravel()] = rim[lids.ravel()] = True
    both = np.concatenate([faces, lids])
    i, j = both[:, [0, 1, 2, 1, 2, 0]].ravel(), both[:, [1, 2, 0, 0, 1, 2]].ravel()
    seen = (i != j) & (~rim[i] | rim[j])
    alone = np.setdiff1d(np.arange(count), i[seen])
    i, j = np.concatenate([i[seen], alone]), np.concatenate([j[seen], alone])
    links = sparse.csr_array((np.ones(len(i)), (i, j)), shape=(count, count))
    links.data[:] = 1.0
    return sparse.csr_array(sparse.diags_array(1.0 / links.sum(axis=1)) @ links)
