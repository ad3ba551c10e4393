"""Wilt: droops and sags from the tips towards the root, loses turgor, shrinks, curls, browns."""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from backend.geometry import fields
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Body, Moment, Reals
from backend.geometry.proxy import Proxy
from backend.pipelines.processes.limp import Sheets, Solids
from backend.report import Report

STEPS = 48  # of the solve, whatever the number of frames asked for
HASTE = 1.2  # all is limp before the end, and what is left of it settles
MOST = 5000  # vertices of sheets that are solved as they are; more are solved on a stand-in

STRAW = np.array([0.40, 0.27, 0.08])  # linear albedo: yellowed
DRY = np.array([0.085, 0.045, 0.018])  # withered


def wilt(body: Body, amount: float, seed: int, taus: Reals, report: Report) -> Iterator[Moment]:
    """One Moment for each of the ascending `taus`, of which the first is 0: the body itself."""
    anatomy = Anatomy(body)
    sheets = np.count_nonzero(anatomy.is_sheet)
    if sheets <= MOST:
        yield from _wilt(anatomy, amount, seed, taus, report)
        return
    yield Moment(float(taus[0]), body.vertices, body.albedo, body.roughness)
    proxy = Proxy(body, len(body.vertices) * MOST // sheets, report)
    moments = _wilt(Anatomy(proxy.body), amount, seed, taus, report)
    yield from islice(map(proxy.carry, moments), 1, None)


def _wilt(anatomy: Anatomy, amount: float, seed: int, taus: Reals, report: Report) -> Iterator[Moment]:
    body = anatomy.body
    strength = amount * body.weight
    colour = _Withering(body, anatomy.distance, seed)
    motion = _sampled(_motion(anatomy, strength, seed, report), taus)
    for tau, positions in zip(taus, motion, strict=True):
        positions = body.vertices + (1.0 - anatomy.held)[:, None] * (positions - body.vertices)
        positions[:, 2] = np.maximum(positions[:, 2], 0.0)
        yield Moment(float(tau), positions, *colour.at(strength, tau))


def _motion(anatomy: Anatomy, strength: Reals, seed: int, report: Report) -> Iterator[Reals]:
    """Positions (N, 3) at tau = 0, 1/STEPS, ... 1."""
    yield anatomy.body.vertices
    # sheets after solids: they ride on where those have gone
    limp = [Solids(anatomy, seed)] if not anatomy.is_sheet.all() else []
    limp += [Sheets(anatomy, seed)] if anatomy.is_sheet.any() else []
    for step in range(1, STEPS + 1):
        report((step - 1) / STEPS, "Wilting")
        life = strength * fields.life(HASTE * step / STEPS, anatomy.distance)
        positions = anatomy.body.vertices.copy()
        for part in limp:
            part.step(life, positions)
        yield positions


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
