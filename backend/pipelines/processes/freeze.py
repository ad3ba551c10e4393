"""Freeze: frost creeps over the surface in feathers, from the tips and the edges; behind it the rime settles to ice."""

import math
from collections.abc import Iterator

import numpy as np

from backend.geometry import fields
from backend.geometry.body import Look, Reals
from backend.geometry.front import Cells, Front, areas, arrival, hollowness, peaks, spacing
from backend.pipelines.processes.process import Posed, Process
from backend.report import Report

PACE = 1.3  # how much further than its cover the frost would go by the end: what it covers last still whitens
TIPS = 0.16  # two tips closer together than this start as one, in sizes
LATE = 0.8  # how much later than the farthest a tip close to the root starts, in sizes
FEATHER, BARB = 0.24, 0.05  # size of a feather, and from one of its barbs to the next, in sizes
LEAD = 0.8  # how far the frost runs ahead along shafts and barbs: the logarithm of its speed
RIME = 0.06  # length behind the front over which the frost thickens, in sizes
SETTLING = 0.5  # share of the surface that freezes while the rime in one place becomes ice
SPIKE = 0.0045  # longest crystals, in sizes

FROST = np.array([0.84, 0.91, 0.97])  # linear albedo
ICE = np.array([0.20, 0.50, 0.78])


class Freeze(Process):
    moves = True
    doing = "Freezing"

    def __init__(self, settings, circumstances):
        super().__init__(settings, circumstances)
        points, seed = self.body.vertices, self.seed
        feathers = self._feathers()
        self.front = self._front(feathers)
        # what is finer than the triangles would only flicker
        self.vein = feathers * np.clip(1.7 - spacing(points, self.body.faces) / (0.28 * BARB), 0.0, 1.0)
        coarse = 0.35 * fields.noise(points, 3.0, seed + 3)
        crest = fields.smoothstep(-2.0 * hollowness(self.anatomy, 0.07) - 0.5)  # sharper than any round limb
        # of the rime: most on edges; where it is thin, the subject shows
        self.thickness = np.clip(0.34 + 0.5 * coarse + 0.5 * crest + 0.55 * self.vein, 0.12, 0.97)
        grain = np.clip(0.6 * fields.noise(points, 45.0, seed + 4), 0.0, 1.0) ** 2
        self.spikes = SPIKE * np.clip(0.4 * grain + 0.6 * self.vein, 0.0, 1.0)

    def motion(self, taus: Reals, report: Report) -> Iterator[Posed]:
        outward = self.anatomy.normals * fields.outwardness(
            self.body.vertices, self.body.faces, self.anatomy.labels
        )[self.anatomy.labels, None]
        for tau in taus:
            report(float(tau), self.doing)
            height = 2.0 * self.settings.crystals * self.spikes * self._rime(float(tau))
            yield Posed(self.body.vertices + height[:, None] * outward)

    def look(self, tau: float, look: Look) -> Look:
        rime = self._rime(tau)
        settled = rime * fields.smoothstep((self._swept(tau) - self.front.share) / SETTLING)
        # old rime clears where it is thin: blue ice that the subject's colour shines through
        white = rime * self.thickness * (1.0 - 0.6 * settled * (1.0 - self.thickness))
        look = look.toward(rime * (0.5 + 0.2 * settled), albedo=ICE)
        look = look.toward(white, albedo=FROST)
        look = look.toward(rime, roughness=0.85, metallic=0.0)
        return look.toward(settled * (1.0 - 0.8 * self.thickness), roughness=0.08)

    def _swept(self, tau: float) -> Reals:
        """(N,) share of the surface that the front has passed, as each vertex sees it."""
        return PACE * self.settings.cover * tau * self.strength

    def _rime(self, tau: float) -> Reals:
        """(N,) in [0, 1]: how thick the frost is, first on the shafts and barbs of the feathers."""
        swept = self._swept(tau)
        behind = self.front.behind(swept) * (swept > 0.0)
        thick = fields.smoothstep(behind / RIME)
        early = fields.smoothstep(behind / (0.35 * RIME))
        return self.vein * early + (1.0 - self.vein) * thick

    def _front(self, feathers: Reals) -> Front:
        anatomy, points, seed = self.anatomy, self.body.vertices, self.seed
        freezing = self.strength > 0.0
        tips = peaks(points, np.where(freezing, anatomy.distance, -1.0), anatomy.labels, TIPS)
        tips = tips[freezing[tips]]
        late = LATE * (1.0 - anatomy.distance[tips]) + 0.1 * fields.noise(points[tips], 3.0, seed)
        uneven = 0.35 * fields.noise(points, 2.5, seed + 1) + 0.3 * fields.noise(points, 7.0, seed + 2)
        slowness = np.exp(np.clip(uneven, -1.0, 1.0) - LEAD * feathers)
        return Front(arrival(anatomy, tips, late - late.min(), slowness), areas(points, self.body.faces) * freezing)

    def _feathers(self) -> Reals:
        """(N,) in [0, 1]: 1 on the shafts and barbs of the feathers, of which each cell is one."""
        points = self.body.vertices
        cells = Cells(points, FEATHER, self.seed + 6)
        axis = cells.direction(self.seed + 7)
        arm = points - cells.centre + 0.01 * fields.noise(points, 5.0, self.seed + 8)[:, None]
        normal = np.stack([cells.mean(column) for column in self.anatomy.normals.T], axis=1)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        axis -= np.einsum("ni,ni->n", axis, normal)[:, None] * normal
        axis /= np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-9)
        along = np.einsum("ni,ni->n", arm, axis)
        aside = np.abs(np.einsum("ni,ni->n", arm, np.cross(normal, axis)))
        shaft = 1.0 - fields.smoothstep(aside / 0.018)
        barbs = 0.5 + 0.5 * np.cos(2.0 * math.pi * (along + 0.6 * aside) / BARB)
        return np.maximum(shaft, barbs**2 * (1.0 - fields.smoothstep(aside / (0.6 * FEATHER))))
