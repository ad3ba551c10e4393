"""Wilt: droops and sags from the tips towards the root, loses turgor, shrinks, curls, browns."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from backend.geometry import fields, lattice, shell
from backend.geometry.body import Body, Moment, Reals
from backend.geometry.proxy import Proxy
from backend.report import Report

STEPS = 48  # of the solve, whatever the number of frames asked for
STEP = 1.0 / 24.0  # seconds: a life takes two, in a body one metre tall
GRAVITY = 0.4 * 9.8
SHEAR, SOFTENING, BULK = 200.0, 0.88, 400.0
HASTE = 1.2  # all is limp before the end, and what is left of it settles
BOW = 0.35  # strain between the middle of a limb and its lower side
TOUCH = 0.015  # a sheet nearer than this to a solid rests on it
MOST = 5000  # vertices of sheets that are solved as they are; more are solved on a stand-in
SHEET = 0.35  # openness from which a part is a sheet and no longer a solid
STRETCH, BENDING, DENSITY = 30.0, 0.05, 0.1
DROOP, ROLL, CRUMPLE = 2.2, 1.6, 1.0  # radians over the size of a sheet

STRAW = np.array([0.40, 0.27, 0.08])  # linear albedo: yellowed
DRY = np.array([0.085, 0.045, 0.018])  # withered


def wilt(body: Body, amount: float, seed: int, taus: Reals, report: Report) -> Iterator[Moment]:
    """One Moment for each of the ascending `taus`, of which the first is 0: the body itself."""
    plan = _Plan(body, amount, seed)
    sheets = np.count_nonzero(plan.is_sheet)
    if sheets <= MOST:
        yield from _wilt(plan, taus, report)
        return
    yield Moment(float(taus[0]), body.vertices, body.albedo, body.roughness)
    report(0.0, "Simplifying the mesh")
    proxy = Proxy(body, len(body.vertices) * MOST // sheets)
    moments = _wilt(_Plan(proxy.body, amount, seed), taus, report)
    yield from islice(map(proxy.carry, moments), 1, None)


def _wilt(plan: "_Plan", taus: Reals, report: Report) -> Iterator[Moment]:
    body = plan.body
    colour = _Withering(body, plan.distance, plan.seed)
    for tau, positions in zip(taus, _sampled(_motion(plan, report), taus), strict=True):
        positions = body.vertices + (1.0 - plan.held)[:, None] * (positions - body.vertices)
        positions[:, 2] = np.maximum(positions[:, 2], 0.0)
        yield Moment(float(tau), positions, *colour.at(plan.amount * body.weight, tau))


class _Plan:
    """What is settled before anything moves: root, distances, which parts are solids and which are sheets."""

    def __init__(self, body: Body, amount: float, seed: int):
        self.body, self.amount, self.seed = body, amount, seed
        self.held = fields.root(body)
        self.labels = fields.parts(len(body.vertices), body.faces)
        rooted = np.bincount(self.labels, self.held) > 0
        bridged = fields.bridges(body.vertices, self.labels)
        # parts that stand by themselves need no support from each other
        self.bridged = bridged[~rooted[self.labels[bridged]].all(axis=1)]
        self.distance = fields.root_distance(body, self.held, self.bridged)
        low, high = np.full((2, len(rooted), 3), np.inf)
        np.minimum.at(low, self.labels, body.vertices)
        np.minimum.at(high, self.labels, -body.vertices)
        scrap = (-high - low).max(axis=1) < 0.03  # too small to see it bend: it rides with the solids
        sheets = (fields.openness(body.vertices, body.faces, self.labels) > SHEET) & ~scrap
        self.is_sheet = sheets[self.labels]  # (N,)
        self.lying = not body.pin.any() and np.ptp(body.vertices[:, 2]) < fields.FLAT_HEIGHT

    def life(self, tau: float) -> Reals:
        return self.amount * self.body.weight * fields.life(tau, self.distance)

    def root_within(self, chosen: NDArray[np.bool_]) -> Reals:
        """(N,) the root as the chosen vertices feel it: where they have none, what is nearest to it holds them."""
        if self.held[chosen].any():
            return self.held
        nearest = self.distance[chosen].min()
        return (chosen & (self.distance <= nearest + 0.03)).astype(float)


def _motion(plan: _Plan, report: Report) -> Iterator[Reals]:
    """Positions (N, 3) at tau = 0, 1/STEPS, ... 1."""
    body = plan.body
    yield body.vertices
    solids = _Solids(plan) if not plan.is_sheet.all() else None
    sheets = _Sheets(plan) if plan.is_sheet.any() else None
    for step in range(1, STEPS + 1):
        report((step - 1) / STEPS, "Wilting")
        life = plan.life(HASTE * step / STEPS)
        positions = body.vertices.copy()
        if solids:
            solids.step(life, positions)
        if sheets:
            sheets.step(life, positions)
        yield positions


class _Solids:
    """The closed parts, in one lattice: limbs bow, everything softens, shrinks and sags."""

    def __init__(self, plan: _Plan):
        body = plan.body
        self.chosen = np.flatnonzero(~plan.is_sheet)
        vertices = body.vertices[self.chosen]
        between = plan.bridged[~plan.is_sheet[plan.bridged].any(axis=1)]
        faces = body.faces[~plan.is_sheet[body.faces[:, 0]]]
        self.grid = grid = lattice.build(body.vertices, faces, body.vertices[between])
        self.follow = grid.embedding(vertices)
        self.nearest = self.chosen[cKDTree(vertices).query(grid.nodes)[1]]
        held = np.zeros(len(grid.nodes))
        root = plan.root_within(~plan.is_sheet)[self.chosen]
        np.maximum.at(held, self.follow.indices, np.repeat(root, np.diff(self.follow.indptr)))
        self.solid = lattice.Solid(grid, held, STEP, SHEAR, BULK)

        along, offset = fields.limbs(grid.nodes, plan.distance[self.nearest], 3.0 * grid.cell)
        down = _downward(grid.nodes, plan)
        down -= np.einsum("mi,mi->m", down, along)[:, None] * along
        down /= np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 0.3)
        below = np.clip(np.einsum("mi,mi->m", offset, down) / (0.8 * grid.cell), -1.0, 1.0)
        below *= fields.smoothstep(plan.distance[self.nearest] / 0.3)  # the foot of a stem is woody
        self.along = along[grid.tets].mean(axis=1)
        # the side that faces down shortens and the other does not: the limb bows
        uneven = np.clip(fields.noise(grid.nodes, 1.5, plan.seed), -1.0, 1.0)
        self.shortening = (0.10 + BOW * below + 0.05 * uneven)[grid.tets].mean(axis=1)
        self.thinning = (0.26 + 0.08 * uneven)[grid.tets].mean(axis=1)

    def step(self, life: Reals, positions: Reals) -> None:
        w = life[self.nearest]
        wt = w[self.grid.tets].mean(axis=1)
        across, along = 1.0 - self.thinning * wt, 1.0 - self.shortening * wt
        growth = across[:, None, None] * np.eye(3) + (along - across)[:, None, None] * (
            self.along[:, :, None] * self.along[:, None, :]
        )
        self.solid.step(SHEAR * (1.0 - SOFTENING * wt), growth, GRAVITY * w)
        positions[self.chosen] = self.follow @ self.solid.positions


def _downward(points: Reals, plan: _Plan) -> Reals:
    """(P, 3) which way to bow: down, and for what stands upright outwards, or where it is central, by chance."""
    angle = np.random.default_rng(plan.seed).uniform(0.0, 2.0 * np.pi)
    middle = plan.body.vertices[plan.held > 0.5 * plan.held.max()].mean(axis=0)
    out = (points - middle) * [1.0, 1.0, 0.0] / 0.15
    out += 0.7 * np.array([np.cos(angle), np.sin(angle), 0.0])
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1.0)
    return 0.5 * out - [0.0, 0.0, -1.0 if plan.lying else 1.0]


class _Sheets:
    """The open parts, as thin shells: they bend down, roll in, crumple and dry from the rim."""

    def __init__(self, plan: _Plan):
        body, self.plan = plan.body, plan
        self.chosen = np.flatnonzero(plan.is_sheet)
        index = np.full(len(body.vertices), -1)
        index[self.chosen] = np.arange(len(self.chosen))
        vertices = body.vertices[self.chosen]
        faces = index[body.faces[plan.is_sheet[body.faces[:, 0]]]]
        self.sheet = sheet = shell.Sheet(vertices, faces)
        labels = plan.labels[self.chosen]
        size = np.sqrt(np.bincount(labels[faces[:, 0]], sheet.area, minlength=labels.max() + 1))[labels]  # (N,)

        mixed = plan.is_sheet[plan.bridged]
        self.links = index[plan.bridged[mixed.all(axis=1)]]
        crossing = plan.bridged[mixed.any(axis=1) & ~mixed.all(axis=1)]
        crossing = np.where(plan.is_sheet[crossing[:, :1]], crossing, crossing[:, ::-1])
        held = np.zeros(len(vertices))
        self.anchored, self.carried = _anchors(vertices, labels, size, index[crossing[:, 0]], plan)
        held[self.anchored] = 1.0
        if not len(self.anchored):
            held = plan.root_within(plan.is_sheet)[self.chosen]
        held = np.maximum(held, plan.held[self.chosen])

        ups = np.clip(fields.noise(vertices, 3.0, plan.seed + 5), -1.0, 1.0)
        floor = np.minimum(vertices[:, 2], 0.014 + 0.009 * ups)  # leaves lie on one another, not in one plane
        self.shell = shell.Shell(sheet, held, self.links, floor, STEP, STRETCH, DENSITY)
        self._rest_fields(vertices, size)

    def _rest_fields(self, vertices: Reals, size: Reals) -> None:
        sheet, plan = self.sheet, self.plan
        d = plan.distance[self.chosen][sheet.faces]
        slope = np.einsum("fk,fkj->fj", d[:, 1:] - d[:, :1], sheet.inverses)
        self.along = slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-12)  # (F, 2)
        tangent = np.einsum("fj,fji->fi", self.along, sheet.frame)
        at_vertex = np.zeros_like(vertices)
        np.add.at(at_vertex, sheet.faces, tangent[:, None])
        along = at_vertex[sheet.hinges].sum(axis=1)
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
        lengthwise = np.einsum("hi,hi->h", along, sheet.hinge_edge) ** 2  # 1: the hinge's edge runs outwards
        facing = _facing(sheet, plan, plan.labels[self.chosen])
        crumple = fields.noise(vertices, 4.0, plan.seed + 3)[sheet.hinges].mean(axis=1)
        size = size[sheet.hinges].mean(axis=1)
        bow = -DROOP * facing * (1.0 - lengthwise)
        roll = (-ROLL if plan.lying else ROLL) * facing * lengthwise  # what lies on the floor becomes a dish
        self.curvature = (bow + roll + CRUMPLE * crumple) / size
        self.bending = BENDING * size**2
        self.uneven = np.clip(fields.noise(vertices, 6.0, plan.seed + 4), -1.0, 1.0)[sheet.faces].mean(axis=1)

    def step(self, life: Reals, positions: Reals) -> None:
        sheet, body = self.sheet, self.plan.body
        w = life[self.chosen]
        wf, wh = w[sheet.faces].mean(axis=1), w[sheet.hinges].mean(axis=1)
        across, along = 1.0 - 0.35 * wf * (1.0 + 0.5 * self.uneven), 1.0 - 0.12 * wf
        growth = across[:, None, None] * np.eye(2) + (along - across)[:, None, None] * (
            self.along[:, :, None] * self.along[:, None, :]
        )
        kappa = sheet.kappa - sheet.hinge_area * self.curvature * wh
        anchors = sheet.vertices.copy()
        if len(self.anchored):
            rest, moved = body.vertices[self.carried], positions[self.carried]
            turn = lattice.turns(rest, moved)
            centre, centre_now = rest.mean(axis=1), moved.mean(axis=1)
            arm = sheet.vertices[self.anchored] - centre
            anchors[self.anchored] = centre_now + np.einsum("aij,aj->ai", turn, arm)
        # what lies on the floor dries like a leaf: too light to hold its own rim down
        gravity = (0.08 if self.plan.lying else 1.0) * GRAVITY * w
        self.shell.step(growth, self.bending * (1.0 - 0.9 * wh), kappa, gravity, anchors)
        positions[self.chosen] = self.shell.positions


def _facing(sheet: shell.Sheet, plan: _Plan, labels: NDArray) -> Reals:
    """(H,) 1 where a hinge's normal is on the outer side of the bow to come, -1 where it is on the inner side.

    A sheet bows towards the floor; one that stands upright bows along its thickness, away from the root.
    """
    rng = np.random.default_rng(plan.seed)
    middle = plan.body.vertices[plan.held > 0.5 * plan.held.max()].mean(axis=0)
    part = labels[sheet.faces[:, 0]]
    aside = np.zeros((labels.max() + 1, 3))
    for one in np.unique(part):
        chosen = part == one
        thickness = np.linalg.eigh(
            np.einsum("f,fi,fj->ij", sheet.area[chosen], sheet.normal[chosen, :2], sheet.normal[chosen, :2])
        )[1][:, 1]
        front = (sheet.area[chosen] @ sheet.normal[chosen, :2]) @ thickness
        thickness *= np.sign(front) if front else 1.0  # what an eigenvector points to is chance
        away = (sheet.vertices[sheet.faces[chosen, 0]].mean(axis=0) - middle)[:2] @ thickness
        chance = rng.choice([-1.0, 1.0])
        aside[one, :2] = thickness * (np.sign(away) if abs(away) > 0.02 else chance)
    upright = aside[labels[sheet.hinges[:, 0]]]
    rise = 2.5 * sheet.hinge_normal[:, 2] * (-1.0 if plan.lying else 1.0)
    lean = np.clip(-3.0 * np.einsum("hi,hi->h", sheet.hinge_normal, upright), -1.0, 1.0)
    return np.clip(rise + np.maximum(1.0 - np.abs(rise), 0.0) * lean, -1.0, 1.0)


def _anchors(vertices: Reals, labels, size: Reals, foot, plan: _Plan) -> tuple[NDArray, NDArray]:
    """(A,) the sheet's vertices that solids carry, and (A, 8) the vertices of a solid that carry each.

    A sheet is held over a patch at its foot and wherever it touches a solid at rest, not at a point, so that it
    turns with what it grows or lies on; eight vertices are enough to tell how that turns.
    """
    if plan.is_sheet.all():
        return np.zeros(0, np.int64), np.zeros((0, 1), np.int64)
    touching = np.zeros(len(vertices), bool)
    for at in foot:
        gap = np.linalg.norm(vertices - vertices[at], axis=1)
        touching |= (labels == labels[at]) & (gap <= 0.1 * size[at])
    faces = plan.body.faces[~plan.is_sheet[plan.body.faces[:, 0]]]
    surface, _ = lattice.surface_samples(plan.body.vertices, faces, TOUCH)
    gap, _ = cKDTree(surface).query(vertices, distance_upper_bound=TOUCH)
    touching |= np.isfinite(gap)
    anchored = np.flatnonzero(touching)
    solid = np.flatnonzero(~plan.is_sheet)
    carriers = cKDTree(plan.body.vertices[solid]).query(vertices[anchored], k=min(8, len(solid)))[1]
    return anchored, solid[carriers.reshape(len(anchored), -1)]


def _sampled(motion: Iterator[Reals], taus: Reals) -> Iterator[Reals]:
    """Positions at each tau, from positions at tau = 0, 1/STEPS, ..., as soon as the steps on either side are there.

    Catmull-Rom, so that more frames than steps stay smooth; on a step it is that step.
    """
    known = [next(motion)]
    for tau in taus:
        step = min(int(tau * STEPS + 1e-9), STEPS)
        part = tau * STEPS - step
        wanted = step if part < 1e-9 else min(step + 2, STEPS)
        while len(known) <= wanted:
            known.append(next(motion))
        if part < 1e-9:
            yield known[step]
            continue
        a, b = known[step], known[step + 1]
        before, after = known[max(step - 1, 0)], known[min(step + 2, STEPS)]
        u, slope_a, slope_b = part, 0.5 * (b - before), 0.5 * (after - a)
        yield (
            (2 * u**3 - 3 * u**2 + 1) * a + (3 * u**2 - 2 * u**3) * b
            + (u**3 - 2 * u**2 + u) * slope_a + (u**3 - u**2) * slope_b
        )  # fmt: skip


class _Withering:
    """Albedo and roughness over life: yellow first, then brown, from the tips and in patches."""

    def __init__(self, body: Body, distance: Reals, seed: int):
        self.body = body
        patches = 0.10 * fields.noise(body.vertices, 2.0, seed + 1) + 0.05 * fields.noise(body.vertices, 7.0, seed + 2)
        self.reach = np.clip(distance + np.clip(patches, -0.25, 0.25), 0.0, 1.0)
        lightness = body.albedo @ np.array([0.2126, 0.7152, 0.0722])
        # what was darker in the paint stays darker when dry
        mottle = 1.0 + 1.6 * np.clip(patches, -0.25, 0.4)
        self.shade = ((0.55 + 0.9 * np.sqrt(np.clip(lightness, 0.0, 1.0))) * mottle)[:, None]

    def at(self, strength: Reals, tau: float) -> tuple[Reals, Reals]:
        if tau == 0.0:
            return self.body.albedo, self.body.roughness
        yellow = (strength * fields.smoothstep(2.2 * tau - 0.9 * (1.0 - self.reach)))[:, None]
        brown = (strength * fields.smoothstep(1.9 * tau - 0.15 - 0.75 * (1.0 - self.reach)))[:, None]
        albedo = self.body.albedo + 0.75 * yellow * (STRAW * self.shade - self.body.albedo)
        albedo = albedo + 0.92 * brown * (DRY * self.shade - albedo)
        roughness = self.body.roughness + brown[:, 0] * (0.95 - self.body.roughness)
        return np.clip(albedo, 0.0, 1.0), np.clip(roughness, 0.0, 1.0)
