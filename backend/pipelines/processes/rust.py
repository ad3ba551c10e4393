"""Rust: it starts where water stays and where the paint is thin, spreads in blotches and runs down in streaks; the
metal under it goes brown, dull and flaky, and islands of paint hold out longest."""

from collections.abc import Iterator

import numpy as np

from backend.geometry import fields
from backend.geometry.body import Look, Reals
from backend.geometry.front import Cells, Front, arrival, hollowness, peaks, spacing
from backend.geometry.standoff import StandOff
from backend.pipelines.processes.process import Posed, Process
from backend.report import Report

PACE = 1.15  # how much further than its cover the rust would go by the end: what it reaches last still browns
POND = 0.06  # over this length a hollow holds water and an edge sheds paint, in sizes
SPOTS = 0.10  # spots that begin closer together than this begin as one, in sizes
LATE = 0.35  # how much later than at the best place rust starts at the worst, in sizes
RUNNING = 1.5  # how much more easily rust runs down than sideways
HALO = 0.045  # width of the orange stain at the edge, in sizes
AGE = 0.55  # share of the surface that rusts while a fresh spot becomes a dark crust
FLAKE = 0.035  # size of a flake, in sizes
BLISTER = 0.004  # how high flakes lift, in sizes
TOUCHING = 0.012  # around a place where flakes touch, over which they are lower, in sizes

STAIN = np.array([0.42, 0.15, 0.035])  # linear albedo
ORANGE = np.array([0.36, 0.095, 0.014])
BROWN = np.array([0.075, 0.022, 0.009])


class Rust(Process):
    moves = True
    doing = "Rusting"

    def __init__(self, settings, circumstances):
        super().__init__(settings, circumstances)
        points, seed = self.body.vertices, self.seed
        faces = self.body.faces
        self.front = self._front()
        edge = spacing(points, faces)
        self.halo = np.maximum(HALO, 0.6 * edge)
        self.blotches = 0.5 * fields.noise(points, 5.0, seed + 3) + 0.4 * fields.noise(points, 16.0, seed + 4)
        flakes = Cells(points, FLAKE, seed + 5)
        fine = np.clip(1.7 - edge / (0.3 * FLAKE), 0.0, 1.0)
        self.flakes = fine * flakes.chance(seed + 6) ** 2 * fields.smoothstep(flakes.border / 0.5)
        self.pits = fine * (1.0 - fields.smoothstep(flakes.border / 0.3))

    def motion(self, taus: Reals, report: Report) -> Iterator[Posed]:
        rest = self.body.vertices
        standoff = StandOff(rest, self.body.faces, TOUCHING)
        for tau in taus:
            report(float(tau), self.doing)
            height = 2.0 * BLISTER * self.settings.flakes * self._crust(float(tau)) * self.flakes
            yield Posed(standoff.clear(rest, rest + height[:, None] * self.anatomy.outward))

    def look(self, tau: float, look: Look) -> Look:
        behind = self.front.behind(self._swept(tau))
        begun = fields.smoothstep(self._swept(tau) / 0.02)
        stain = begun * fields.smoothstep(1.0 + behind / self.halo)
        look = look.toward(0.55 * stain, albedo=STAIN)
        rusty = begun * fields.smoothstep(behind / (0.4 * self.halo))
        look = look.toward(rusty, metallic=0.0, roughness=0.96)
        shade = (1.0 + 0.35 * np.clip(self.blotches, -1.0, 1.0))[:, None]
        look = look.toward(rusty, albedo=ORANGE * shade)
        crust = self._crust(tau)
        return look.toward(crust * (0.75 + 0.25 * self.pits) * (1.0 - 0.35 * self.flakes), albedo=BROWN * shade)

    def _swept(self, tau: float) -> Reals:
        """(N,) share of the surface that the front has passed, as each vertex sees it."""
        return PACE * self.settings.cover * tau * self.strength

    def _crust(self, tau: float) -> Reals:
        """(N,) in [0, 1]: how far fresh rust has become dark and thick."""
        swept = self._swept(tau)
        age = np.maximum(swept - self.front.share, 0.0) / AGE
        return fields.smoothstep(age * 1.3 - 0.1 + 0.35 * np.minimum(age * 4.0, 1.0) * self.blotches)

    def _front(self) -> Front:
        anatomy, points, seed = self.anatomy, self.body.vertices, self.seed
        rusting = self.strength > 0.0
        hollow = hollowness(anatomy, POND)
        # water stays in hollows that face up; paint is thin on edges
        up = anatomy.outward[:, 2]
        wet = 0.5 * up + 1.5 * np.maximum(hollow, 0.0) * (0.6 + 0.4 * up)
        wet += 1.0 * np.maximum(-hollow - 0.2, 0.0)
        chance = 0.35 * fields.noise(points, 4.0, seed) + 0.3 * fields.noise(points, 12.0, seed + 1)
        weak = np.where(rusting, wet + chance, -9.0)
        spots = peaks(points, weak, anatomy.labels, SPOTS)
        spots = spots[rusting[spots]]
        rank = np.argsort(np.argsort(-weak[spots], kind="stable")) / max(len(spots) - 1, 1)
        slowness = np.exp(np.clip(0.6 * fields.noise(points, 9.0, seed + 2) - 0.8 * wet, -1.2, 1.6))
        reached = arrival(anatomy, spots, LATE * rank, slowness, climbing=RUNNING)
        return Front(reached, fields.areas_around(points, self.body.faces) * rusting)
