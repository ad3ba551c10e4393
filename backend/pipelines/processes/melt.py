"""Melting: any mesh slumps, flows down over itself and ends as a pool with a rounded rim."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from backend.geometry.body import Body, Moment
from backend.geometry.viscous import Tank, carried, filling, giving_way, solenoidal, stokes_flow, velocity_at
from backend.geometry.volume import area_vectors, part_volumes, restore_volume, signed_volume, sum_at_corners
from backend.report import Report
from kernels.gather import gather

Reals = NDArray[np.float64]
Ints = NDArray[np.int32]

GRID = (48, 48, 32)
COURANT = 1.0  # cells a vertex may travel in one step
STEPS = 8  # at most, for one moment
SHEET = 0.012  # mean thickness below which a part is a sheet, in extents
SHEET_THICKNESS = 0.03  # what a sheet is taken to weigh, in extents
POOL = 0.17  # thickness of the pool / cube root of the volume
THIN = 0.06
FINE = 0.3
RADIUS = 0.06
SHARE = 0.06
GIVE = 3.0
SMOOTH, EVEN, POWER = 0.15, 0.1, 3
TENSION = 0.012  # surface tension / weight, in extents squared (the capillary length squared)


@dataclass(eq=False)
class Surface:
    """What flows: the body's vertices first, then midpoints of its long edges, then the middles of its holes."""

    positions: Reals  # (M, 3)
    faces: Ints  # (G, 3) without the caps
    closed: Ints  # (H, 3) of the solid parts, caps included
    parts: Ints  # (H,) which part
    volumes: Reals
    sheet: Reals  # (M,) mass of what is a sheet
    mobility: Reals  # (M,) in [0, 1]
    depth: float
    rimless: Reals
    thin: Reals
    neighbours: sparse.csr_array  # (M, M) rows sum to 1


def melt(body: Body, amount: float, seed: int, taus: NDArray, report: Report) -> Iterator[Moment]:
    surface = prepare(body)
    count = len(body.vertices)
    volume = signed_volume(surface.positions, surface.closed)
    start = centre_height(surface)
    low = min(0.5 * POOL * np.cbrt(max(volume, 0.0) + surface.sheet.sum()), start)
    surface.depth = max(start - low, 1e-6)
    before = 0.0
    for done, tau in enumerate(taus):
        progress = amount * (0.5 * tau + 0.5 * tau * tau * (3 - 2 * tau))
        goal = start + (low - start) * progress
        for _ in range(STEPS):
            report(done / len(taus), "Melting")
            if not step(surface, goal, progress):
                break
        relax(surface, volume, progress, progress - before)
        before = progress
        positions = surface.positions[:count].copy() if tau > 0 else body.vertices.copy()
        yield Moment(float(tau), positions, roughness=wet(body, positions))


def wet(body, positions):
    moved = np.linalg.norm(positions - body.vertices, axis=1)
    return body.roughness * (1.0 - 0.5 * (1.0 - np.exp(-moved / 0.1)))


def step(surface: Surface, goal: float, progress: float) -> bool:
    x = surface.positions
    outward = area_vectors(x, surface.closed)
    mass = signed_volume(x, surface.closed) + surface.sheet.sum()
    now = centre_height(surface)
    if now - goal < 1e-5 or mass <= 0:
        return False
    top = x[:, 2].max()
    load = BASE * x[:, 2] + (1 - BASE) * top * ramp(x[:, 2] / top, 1.0 - (1.0 + WIDE) * FRONT0 - (1.0 + WIDE) * (1 - FRONT0) * progress, WIDE)
    forces = -load[:, None] * outward
    forces[:, 2] -= surface.sheet
    tank = Tank.around(x, GRID)
    flow = stokes_flow(tank, x, forces)
    inside = filling(tank, x, outward, surface.sheet)
    flow, own = carried(flow, inside, tank, min(RADIUS, 0.5 * now))
    if surface.mobility.min() < 1.0:
        flow = held(flow, tank, surface)
    velocity, rate = measure(surface, tank, flow, outward, mass)
    if rate > -1e-12:
        return False
    fall = giving_way(inside, tank, SHARE)
    falling = measure(surface, tank, fall, outward, mass)[1]
    if falling < -1e-6:
        depth = surface.depth
        give = min(GIVE, 0.5 * depth / -falling) / depth
        give *= rate / (1 + give * falling)
        flow = flow - give * fall
        velocity, rate = measure(surface, tank, flow, outward, mass)
    dt = min((goal - now) / rate, COURANT / (np.abs(velocity) / tank.spacing).max())
    tension = TENSION * now**2 + THIN * now**2 * surface.thin[surface.closed].mean(axis=1)
    forces = -area_gradient(x, surface.closed, tension)
    tension = tension.max(initial=0.0)
    flow = flow + stokes_flow(tank, x, forces, 0.5 * tension * dt)
    velocity, rate = measure(surface, tank, flow, outward, mass)
    needed = (goal - now) / min(rate, -1e-12)
    allowed = min(COURANT / (np.abs(velocity) / tank.spacing).max(), 1.5 * dt)
    dt = min(needed, allowed)
    surface.thin = 1.0 - gather(own[None].astype(np.float64), x - tank.corner, tank.spacing, np.ones(1))[:, 0]
    middle = x + 0.5 * dt * velocity
    surface.positions = x + dt * velocity_at(tank, flow, middle) * surface.mobility[:, None]
    surface.positions[:, 2] = np.maximum(surface.positions[:, 2], np.minimum(x[:, 2], 1e-4))
    return needed > allowed

def measure(surface, tank, flow, outward, mass):
    velocity = velocity_at(tank, flow, surface.positions) * surface.mobility[:, None]
    sinking = np.einsum("i,ij,ij->", surface.positions[:, 2], outward, velocity)
    return velocity, float(sinking + surface.sheet @ velocity[:, 2]) / mass


BASE, WIDE, FRONT0 = 0.2, 1.0, 0.0

def ramp(h, front, width):
    t = np.clip(h - front, 0, width)
    return 0.5 * t * t / width + np.clip(h - front - width, 0, None)



def held(flow, tank, surface):
    return flow


def relax(surface, volume, progress, pace):
    x = surface.positions
    if progress > 0:
        edge = np.linalg.norm(x[surface.faces[:, 0]] - x[surface.faces[:, 1]], axis=1).mean()
        wanted = SMOOTH**2 * pace / (0.25 * edge**2)
        rounds = int(np.clip(np.ceil(wanted), 1, 12))
        share = np.minimum(wanted / rounds, 1.0) * 0.5 * surface.mobility * surface.rimless * np.maximum(EVEN + (1 - EVEN) * progress**POWER, FINE * surface.thin)
        for _ in range(rounds):
            x = x + share[:, None] * (surface.neighbours @ x - x)
    share = surface.mobility * np.clip(x[:, 2] / 0.01, 0, 1)
    x = restore_volume(x, surface.closed, surface.parts, surface.volumes, share)
    surface.positions = x
    surface.positions[:, 2] = np.maximum(x[:, 2], 0)


def centre_height(surface: Surface) -> float:
    a, b, c = (surface.positions[surface.closed[:, i]] for i in range(3))
    volumes = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6.0
    moment = volumes @ (a + b + c)[:, 2] / 4.0 + surface.sheet @ surface.positions[:, 2]
    return float(moment / max(volumes.sum() + surface.sheet.sum(), 1e-12))


def area_gradient(vertices: Reals, faces: Ints, tension: Reals) -> Reals:
    corners = [vertices[faces[:, i]] for i in range(3)]
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    normal *= (tension / np.maximum(np.linalg.norm(normal, axis=1), 1e-30))[:, None]
    parts = [0.5 * np.cross(normal, corners[(i + 2) % 3] - corners[(i + 1) % 3]) for i in range(3)]
    return sum_at_corners(np.stack(parts, axis=1).reshape(-1, 3), faces, len(vertices))


def prepare(body: Body) -> Surface:
    x, faces = body.vertices.astype(np.float64), body.faces
    mobility = (1.0 - body.pin) * body.weight
    for _ in range(8):
        a, b, c = (x[faces[:, i]] for i in range(3))
        longest = np.sqrt(max(((b - a) ** 2).sum(1).mean(), 1e-30))
        if longest < 0.04 or len(faces) > 20000:
            break
        x, faces, mobility = subdivide(x, faces, mobility)
    caps, middles, groups = close(x, faces)
    flowing = np.concatenate([x, middles])
    mobility = np.concatenate([mobility, np.ones(len(middles))])
    everything = np.concatenate([faces, caps]).astype(np.int32)
    rimless = np.ones(len(flowing))
    rimless[caps.ravel()] = 0.0
    neighbours = adjacency(everything, len(flowing))
    solid, sheet, label = sort_parts(flowing, everything, faces)
    closed, label = everything[solid], label[solid]
    volumes = part_volumes(flowing, closed, label, label.max(initial=0) + 1)
    return Surface(flowing, faces, closed, label, volumes, sheet, mobility, 0.0, rimless, np.zeros(len(flowing)), neighbours)


def subdivide(x, faces, mobility):
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    unique, index = np.unique(edges, axis=0, return_inverse=True)
    middle = (len(x) + index.reshape(-1, 3)).astype(np.int32)
    a, b, c = faces.T
    ab, bc, ca = middle.T
    finer = np.stack([a, ab, ca, ab, b, bc, ca, bc, c, ab, bc, ca], axis=1).reshape(-1, 3)
    mean = lambda v: np.concatenate([v, v[unique].mean(axis=1)])
    return mean(x), finer.astype(np.int32), mean(mobility)


def adjacency(faces, count):
    i = faces[:, [0, 1, 2, 1, 2, 0]].ravel()
    j = faces[:, [1, 2, 0, 0, 1, 2]].ravel()
    links = sparse.csr_array((np.ones(len(i)), (i, j)), shape=(count, count))
    links.data[:] = 1.0
    degree = links.sum(axis=1)
    lonely = degree == 0
    links = sparse.diags_array(1.0 / np.maximum(degree, 1)) @ links + sparse.diags_array(lonely.astype(float))
    return sparse.csr_array(links)


def close(x, faces):
    directed = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    forth = directed[:, 0].astype(np.int64) * len(x) + directed[:, 1]
    back = directed[:, 1].astype(np.int64) * len(x) + directed[:, 0]
    rim = directed[~np.isin(forth, back)]
    if not len(rim):
        return np.zeros((0, 3), np.int32), np.zeros((0, 3)), None
    graph = sparse.coo_array((np.ones(len(rim)), (rim[:, 0], rim[:, 1])), shape=(len(x), len(x)))
    label = connected_components(graph, directed=False)[1]
    loops, hole = np.unique(label[rim[:, 0]], return_inverse=True)
    size = np.bincount(hole)
    middles = np.stack([np.bincount(hole, x[rim[:, 0], k]) / size for k in range(3)], axis=1)
    caps = np.stack([rim[:, 1], rim[:, 0], len(x) + hole], axis=1)
    return caps.astype(np.int32), middles, None


def sort_parts(x, everything, faces):
    edges = everything[:, [0, 1, 1, 2]].reshape(-1, 2)
    graph = sparse.coo_array((np.ones(len(edges)), edges.T), shape=(len(x), len(x)))
    parts, label = connected_components(graph, directed=False)
    label = label[everything[:, 0]]
    a, b, c = (x[everything[:, i]] for i in range(3))
    volume = np.abs(np.bincount(label, np.einsum("ij,ij->i", a, np.cross(b, c)) / 6, parts))
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    thin = 2 * volume / np.maximum(np.bincount(label, area, parts), 1e-30) < SHEET
    area[len(faces):] = 0
    sheet = np.bincount(everything.ravel(), np.repeat(area * thin[label] * SHEET_THICKNESS / 3, 3), len(x))
    return ~thin[label], sheet, label
