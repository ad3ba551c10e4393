"""Wilt: droops and sags from the tips towards the root, loses turgor, shrinks, curls, browns."""

from collections.abc import Iterator

import numpy as np
from scipy.spatial import cKDTree

from backend.geometry import fields, lattice
from backend.geometry.body import Body, Moment, Reals
from backend.report import Report

STEPS = 48  # of the solve, whatever the number of frames asked for
STEP = 1.0 / 24.0  # seconds: a life takes two, in a body one metre tall
GRAVITY = 0.5 * 9.8
SHEAR, SOFTENING, BULK = 200.0, 0.92, 400.0

STRAW = np.array([0.40, 0.27, 0.08])  # linear albedo: yellowed
DRY = np.array([0.085, 0.045, 0.018])  # withered


def wilt(body: Body, amount: float, seed: int, taus: Reals, report: Report) -> Iterator[Moment]:
    """One Moment for each of the ascending `taus`; the one at 0 is the body itself."""
    held = fields.root(body)
    labels = fields.parts(len(body.vertices), body.faces)
    bridged = fields.bridges(body.vertices, labels)
    distance = fields.root_distance(body, held, bridged)

    def life(tau: float) -> Reals:
        return amount * body.weight * fields.life(tau, distance)

    motion = _solid_motion(body, held, life, bridged, seed, report)
    colour = _Withering(body, distance, seed)
    for tau, positions in zip(taus, _sampled(motion, taus), strict=True):
        positions = body.vertices + (1.0 - held)[:, None] * (positions - body.vertices)
        positions[:, 2] = np.maximum(positions[:, 2], 0.0)
        yield Moment(float(tau), positions, *colour.at(amount * body.weight, tau))


def _solid_motion(body: Body, held: Reals, life, bridged, seed: int, report: Report) -> Iterator[Reals]:
    """Positions (N, 3) at tau = 0, 1/STEPS, ... 1."""
    yield body.vertices
    grid = lattice.build(body.vertices, body.faces, body.vertices[bridged])
    follow = grid.embedding(body.vertices)
    nearest = cKDTree(body.vertices).query(grid.nodes)[1]
    node_held = np.zeros(len(grid.nodes))
    np.maximum.at(node_held, follow.indices, np.repeat(held, np.diff(follow.indptr)))
    solid = lattice.Solid(grid, node_held, STEP, SHEAR, BULK)
    uneven = fields.noise(grid.nodes, 1.5, seed)[grid.tets].mean(axis=1)
    for step in range(1, STEPS + 1):
        report(step / STEPS, "Wilting")
        w = life(step / STEPS)[nearest]
        wt = w[grid.tets].mean(axis=1)
        growth = np.zeros((len(grid.tets), 3, 3))
        side = 1.0 - 0.28 * wt * (1.0 + 0.3 * np.clip(uneven, -1.0, 1.0))
        growth[:, 0, 0] = growth[:, 1, 1] = side
        growth[:, 2, 2] = 1.0 - 0.08 * wt
        solid.step(SHEAR * (1.0 - SOFTENING * wt), growth, GRAVITY * w)
        yield follow @ solid.positions


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
        self.shade = (0.55 + 0.9 * np.sqrt(np.clip(lightness, 0.0, 1.0)))[:, None]

    def at(self, strength: Reals, tau: float) -> tuple[Reals, Reals]:
        if tau == 0.0:
            return self.body.albedo, self.body.roughness
        yellow = (strength * fields.smoothstep(2.2 * tau - 0.9 * (1.0 - self.reach)))[:, None]
        brown = (strength * fields.smoothstep(1.9 * tau - 0.15 - 0.75 * (1.0 - self.reach)))[:, None]
        albedo = self.body.albedo + 0.75 * yellow * (STRAW * self.shade - self.body.albedo)
        albedo = albedo + 0.92 * brown * (DRY * self.shade - albedo)
        roughness = self.body.roughness + brown[:, 0] * (0.95 - self.body.roughness)
        return np.clip(albedo, 0.0, 1.0), np.clip(roughness, 0.0, 1.0)
