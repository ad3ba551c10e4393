"""Melting: any mesh slumps from the top, flows down over itself and ends as a pool with a rounded rim.

Every step is one Stokes flow (`backend.geometry.viscous`) of the body's surface under its own weight. The weight
comes on from the top downwards, the clock is the height of the centre of mass, which falls by one law
for every mesh, and what the flow cannot see on its grid is smoothed on the mesh.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.geometry.body import Look
from backend.geometry.fields import areas, smoothstep
from backend.geometry.keeping import as_much_out_as_in, given_back, holding, restore, without_pressure
from backend.geometry.liquid import SHEET_THICKNESS, TOUCH, Surface, flowing_surface, part_volumes, room, straighten
from backend.geometry.together import Together
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
from backend.geometry.volume import Lidded, face_volumes, lidded, restore_volume
from backend.pipelines.processes.process import Posed, Process
from backend.report import Report
from kernels.surface_gradients import surface_gradients

Reals = NDArray[np.float64]

GRID = (48, 48, 32)
COURANT = 1.0  # cells that the fastest vertex may travel in one step
STRIDE = 0.025  # progress between two smoothings
SQUEEZED = 0.002  # of the volume of all parts: a step that would take more than that is the last of its stride
STEPS = 6  # a stride that needs more has nowhere left to go: the body stays as it is
ROUNDS = 16  # of restoring the volume of a coarse mesh; one that cannot hold it, being pinned, stays short of it
POOL = 0.2  # thickness of the pool, in cube roots of the volume
FROM_TOP = 0.7  # share of the weight that comes on from the top downwards; the rest is there from the start
UNEVEN = 0.12  # how much the weight varies from place to place
FILM = 1.7  # area of the film that a sheet by itself ends as, in its own areas
WIDER = 0.03  # most by which it widens in one stride
LOBES = 1.5  # how unevenly it widens
ALONE = 16  # power of the sheets' share of the mass that says how far they come down by themselves
FLATTER = 0.8  # how much lower such sheets end than in folds
LEAN = 0.5  # how strongly a sheet is pushed to the side, per weight
TENSION = 0.012  # surface tension / weight, in squares of the height of the centre of mass
THIN_TENSION = 0.04  # the same, more of it, where a part is thin
THIN = 0.06  # standard deviation of the ball, in extents, that measures what is thin
GIVE = 3.0  # how far the air below the body has gone at the end: to exp(-GIVE)
WET = 0.05  # roughness
RESTING = 0.1  # share of its way below which what moves no longer flows
DEEPER = 0.5  # how much purer the colour of what is wet, as a power
ROOM_POINTS = 5_000  # of N times as many the gaps are measured in one stride of N


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
        return ((1.0 - FROM_TOP) * points[:, 2] + FROM_TOP * molten) * (1.0 + UNEVEN * self.uneven(points))

    def uneven(self, points: Reals) -> Reals:
        """(M,) in [-1, 1]"""
        return np.cos(points[:, :2] @ self.waves.T + self.phases).mean(axis=1)

    def of_sheet(self, points: Reals, mass: Reals, upright: Reals) -> Reals:
        """(M, 3) force: mass (M,) downwards, and where it is `upright` (M,) to sides that cancel, so that a standing
        sheet folds as it sinks."""
        sideways = np.sin(points @ np.repeat(self.waves, [2, 1], axis=1)[:2].T + self.phases[:2])
        sideways *= upright[:, None]
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
        film = FILM * 4.0 ** (self.settings.spread - 0.5)
        grid = tuple(int(cells * self.detail.grid) for cells in GRID)
        own = lidded(body.vertices, body.faces, np.isin(np.arange(len(body.vertices)), surface.skin))
        together = Together(surface.points, body.faces, surface.mobility)
        most = SQUEEZED / max(1.0 - alone(surface), 1e-6)
        gone, flowing, strides = 0.0, True, 0

        def evened(points: Reals, free: Reals) -> Reals:
            surface.points = points
            smooth(surface, gone, stride, free)
            spread_sheets(surface, weight, 1.0 + (film - 1.0) * gone**2, free)
            surface.points = holding(points, surface.points, surface)
            return surface.points

        for tau in taus:
            progress = amount * float(0.75 * tau + 0.25 * smoothstep(tau))
            while gone < progress:
                stride = min(STRIDE, progress - gone)
                gone = min(gone + STRIDE, progress)
                goal = start + (low - start) * gone
                surface.squeezed = 0.0
                steps, before, above = 0, surface.points, centre_of_mass(surface)[0]
                while flowing and flow_towards(goal, surface, weight, gone, start - low, grid):
                    steps += 1
                    if steps >= STEPS:  # it lags behind; where it hardly sinks any more it has come to rest
                        flowing = above - centre_of_mass(surface)[0] > RESTING * stride * (start - low)
                        break
                    if surface.sheet.sum() > 0.1 * np.abs(surface.volumes).sum() and surface.squeezed > most:
                        break  # sheets on top of each other come no lower: what is below them would be squeezed out
                if flowing:
                    if strides % max(round(len(before) / ROOM_POINTS), 1) == 0:
                        surface.room = room(surface.points, surface.skin, surface.wide)
                    strides += 1
                    flowed = surface.points
                    moved = together.moved(before, flowed, evened)
                    surface.points = holding(flowed, with_straight_edges(moved, surface), surface)
                    straighten(surface)
                    restore(surface)
                else:
                    surface.points = before
                report(min(gone / amount, 1.0), self.doing)
            positions = surface.points[: len(body.vertices)].copy() if gone > 0.0 else body.vertices.copy()
            yield as_coarse(positions, surface, own)._replace(keeps=firm(body.vertices, positions))

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
        velocity, _ = as_much_out_as_in(velocity_at(tank, flow, x), x, surface)
        rising = (x[:, 2] * (outward * velocity).sum(axis=1) + surface.sheet * velocity[:, 2]).sum()
        return velocity, min(float(rising) / mass, -1e-12)

    forces = without_pressure(-weight(x, progress)[:, None] * outward, outward, surface)
    forces += weight.of_sheet(x, surface.sheet, upright(surface))
    tightening = without_pressure(tightening, outward, surface)
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
    velocity, lost = as_much_out_as_in(velocity_at(tank, flow, middle), middle, surface)
    surface.points = x + dt * velocity
    surface.squeezed += dt * lost
    surface.points[:, 2] = np.maximum(surface.points[:, 2], np.minimum(x[:, 2], 1e-4))
    return needed > allowed


def upright(surface: Surface) -> Reals:
    """(M,) in [0, 1]: 0 where an open sheet lies, 1 where it stands; of what is none 1."""
    faces = surface.sheets.faces
    across = surface_gradients(surface.points, faces, np.zeros(len(faces)))[0]
    return 1.0 - (across[:, 2] / np.maximum(np.linalg.norm(across, axis=1), 1e-30)) ** 2


def smooth(surface: Surface, progress: float, stride: float, free: Reals) -> None:
    """Even out the mesh, thin parts first and all of it near the end; `free` (M,) in [0, 1] how far points may move."""
    x, links, mobility = surface.points, surface.neighbours, free * surface.mobility
    edges2 = links @ (x * x).sum(axis=1) - 2.0 * (x * (links @ x)).sum(axis=1) + (x * x).sum(axis=1)
    strength = np.maximum(0.02 + 0.98 * progress**4, 0.25 * (0.2 + progress) * surface.thin)
    wanted = strength * surface.smoothing**2 * stride / (0.25 * np.maximum(edges2, 1e-10))
    most = int(np.clip(400_000 // len(x), 6, 40))
    rounds = int(np.clip(np.ceil(np.percentile(wanted, 95)), 1, most))
    share = 0.5 * np.minimum(wanted / rounds, 1.0) * mobility
    before = x
    for _ in range(rounds):
        x = x + share[:, None] * (links @ x - x)
    above_floor = np.clip(x[:, 2] / 0.01, 0.0, 1.0)
    bulk = mobility * above_floor * (1.0 - 0.8 * surface.thin) * surface.room
    x = with_straight_edges(x, surface)
    for _ in range(2):  # each undoes a little of the other
        x = x + free[:, None] * lagging(x - before, surface, np.median(edges2))
        x = given_back(before, x, surface, bulk, np.median(edges2))
    surface.points = x


def with_straight_edges(points: Reals, surface: Surface) -> Reals:
    """(M, 3) with midpoints back on the lines between the body's own vertices where its triangles are small."""
    own, x = surface.chords.shape[1], points.copy()
    cut = slice(own, surface.cut)
    straight = surface.straight * surface.mobility[cut, None]
    x[cut] += straight * (surface.chords[cut] @ x[:own] - x[cut])
    return x


def lagging(moved: Reals, surface: Surface, edge2: float) -> Reals:
    """(M, 3) how far points that `moved` (M, 3) lag behind what touches them, but for what each does by itself on the
    scale of a few edges, of the squared length `edge2`: a rough patch is still smoothed where it touches."""
    for _ in range(int(np.clip(TOUCH**2 / edge2, 1, 15))):
        moved = surface.neighbours @ moved
    return surface.mobility[:, None] * (surface.touching @ moved)


def spread_sheets(surface: Surface, weight: Weight, growth: float, free: Reals) -> None:
    """Widen each open sheet, away from where it hangs and unevenly, until its area is that at rest, and `growth` times
    that where the sheet is alone."""
    sheets, x = surface.sheets, surface.points
    count = len(sheets.areas)
    area = np.bincount(sheets.part[sheets.faces[:, 0]], areas(x, sheets.faces), count)
    wanted = np.where(sheets.alone, growth, 1.0) * sheets.areas
    wider = np.sqrt(wanted / np.maximum(area, 1e-30))
    wider = np.where(sheets.areas > 0.0, np.clip(wider, 1.0 - WIDER, 1.0 + WIDER), 1.0)
    held = np.maximum(np.bincount(sheets.part, sheets.hold, count), 1e-30)
    middle = np.stack([np.bincount(sheets.part, sheets.hold * x[:, axis], count) / held for axis in (0, 1)], axis=1)
    share = free * surface.mobility * (wider - 1.0)[sheets.part] * (1.0 + LOBES * weight.uneven(x))
    surface.points = x.copy()
    surface.points[:, :2] += share[:, None] * (x[:, :2] - middle[sheets.part])


def as_coarse(positions: Reals, surface: Surface, own: Lidded) -> Posed:
    """The body's N vertices, its `own`, longer triangles holding what they held at rest, part by part."""
    n = len(positions)
    mobility = np.zeros(len(own.points(positions)))
    mobility[:n] = surface.mobility[:n]
    whole = max(float(np.abs(surface.volumes).sum()), 1e-12)
    count, given = len(own.volumes), None
    for _ in range(ROUNDS):
        points = own.points(positions)
        now = part_volumes(points, own.faces, own.parts, count)
        given = now if given is None else given
        if np.all(np.abs(own.volumes - now) <= 1e-4 * np.abs(own.volumes) + 1e-9):
            break
        share = mobility[:, None] * np.ones(3)
        share[:, 2] *= np.clip(points[:, 2] / 0.01, 0.0, 1.0)  # what lies on the floor only spreads
        positions = restore_volume(points, own.faces, own.parts, own.volumes, share, largest=0.05)[:n]
        positions[:, 2] = np.maximum(positions[:, 2], 0.0)
    changed = np.abs(now - given).sum()
    return Posed(positions, surface.corrected + float(changed) / whole)


def firm(rest: Reals, now: Reals) -> Reals:
    """(N,) in [0, 1] what is not molten yet, of vertices at `rest` (N, 3) that have come down to `now`: a liquid has no
    elasticity, so nothing that bent it stays."""
    height = np.maximum(rest[:, 2], 0.02)
    return 1.0 - smoothstep(1.5 * (rest[:, 2] - now[:, 2]) / height)


def alone(surface: Surface) -> float:
    """In [0, 1] how much the body is nothing but sheets, which then come down flat."""
    _, mass = centre_of_mass(surface)
    return (float(surface.sheet.sum()) / max(mass, 1e-9)) ** ALONE


def heights(surface: Surface, thickness: float) -> tuple[float, float]:
    """Of the centre of mass: at rest, and in the pool that the part of the body that may move ends as, of
    `thickness` in cube roots of the volume."""
    start, mass = centre_of_mass(surface)
    light = float(surface.sheet.sum()) / max(mass, 1e-9)  # sheets lie on what they flow over
    flat = np.abs(surface_gradients(surface.points, surface.sheets.faces, np.zeros(len(surface.sheets.faces)))[0][:, 2])
    lying = SHEET_THICKNESS * float(flat.sum()) / max(mass, 1e-9)
    # what stands comes down in folds, and on what is solid no sheet comes down flat
    film = FLATTER * alone(surface) * lying
    pool = min(0.5 * (1.0 + light) * (1.0 - film) * thickness * np.cbrt(max(mass, 0.0)), start)
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
