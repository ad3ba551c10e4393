"""Freeze: frost creeps over the surface in feathers, from the tips and the edges; behind it the rime settles to ice."""

import math
from collections.abc import Iterator

import numpy as np

from backend.geometry import fields
from backend.geometry.body import Look, Reals
from backend.geometry.front import Cells, Front, arrival, hollowness, peaks, spacing
from backend.geometry.standoff import StandOff
from backend.pipelines.processes.process import Posed, Process
from backend.report import Report

PACE = 1.18  # how much further than its cover the frost would go by the end: what it covers last still whitens
TIPS = 0.16  # two tips closer together than this start as one, in sizes
LATE = 0.8  # how much later than the farthest a tip close to the root starts, in sizes
BARB, RESOLVED, COARSEST = 0.05, 3.2, 0.15  # from a feather's barb to the next, in sizes; edges that takes; at most
FEATHER = 4.5  # size of a feather, in barbs
LEAD = 0.8  # how far the frost runs ahead along shafts and barbs: the logarithm of its speed
RIME = 0.06  # length behind the front over which the frost thickens, in sizes
SETTLING = 0.5  # share of the surface that freezes while the rime in one place becomes ice
SPIKE = 0.0045  # longest crystals, in sizes
TOUCHING = 0.012  # around a place where frost meets frost, over which it is thinner, in sizes

FROST = np.array([0.90, 0.94, 0.98])  # linear albedo
CHILL = np.array([0.44, 0.76, 0.97])  # of the light that clear ice lets through
DEEP = np.array([0.0, 0.06, 0.13])  # and what it scatters itself


class Freeze(Process):
    moves = True
    doing = "Freezing"

    def __init__(self, settings, circumstances):
        super().__init__(settings, circumstances)
        points, seed = self.body.vertices, self.seed
        edge = spacing(points, self.body.faces)
        # on a coarse mesh the feathers are larger; what is finer than the triangles even so would only flicker
        self.barb = float(np.clip(RESOLVED * np.median(edge), BARB, COARSEST))
        feathers = self._feathers()
        self.front = self._front(feathers)
        self.vein = feathers * np.clip(1.7 - edge / (0.4 * self.barb), 0.0, 1.0)
        crest = fields.smoothstep(-2.0 * hollowness(self.anatomy, 0.07) - 0.5)  # sharper than any round limb
        # air that stirs brings rime to what faces up and stands out; where it is thin, the subject shows
        above = fields.smoothstep(1.3 * self.anatomy.outward[:, 2] - 0.15 + 0.25 * fields.noise(points, 4.0, seed + 3))
        grain = np.clip(0.6 * fields.noise(points, 45.0, seed + 4), 0.0, 1.0) ** 2
        rime = np.maximum(0.75 * crest, 0.6 * above * (0.6 + 0.4 * feathers))
        self.thickness = np.clip(np.maximum(0.95 * self.vein, rime) + 0.15 * grain, 0.06, 0.97)
        self.spikes = SPIKE * np.clip(0.4 * grain + 0.6 * self.vein, 0.0, 1.0)

    def motion(self, taus: Reals, report: Report) -> Iterator[Posed]:
        rest = self.body.vertices
        standoff = StandOff(rest, self.body.faces, TOUCHING)
        for tau in taus:
            report(float(tau), self.doing)
            height = 2.0 * self.settings.crystals * self.spikes * self._rime(float(tau))
            yield Posed(standoff.clear(rest, rest + height[:, None] * self.anatomy.outward))

    def look(self, tau: float, look: Look) -> Look:
        rime = self._rime(tau)
        settled = rime * fields.smoothstep((self._swept(tau) - self.front.share) / SETTLING)
        # between the feathers is clear ice: the subject's own colour, paler and colder
        grey = look.luminance[:, None]
        look = look.toward(rime, albedo=(0.5 * look.albedo + 0.35 * grey) * CHILL + DEEP)
        white = rime * (self.thickness + 0.25 * (1.0 - settled) * (1.0 - self.thickness))
        look = look.toward(white, albedo=FROST)
        look = look.toward(rime, roughness=0.85, metallic=0.0)
        return look.toward(settled * (1.0 - self.thickness), roughness=0.08)

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
        area = fields.areas_around(points, self.body.faces)
        return Front(arrival(anatomy, tips, late - late.min(), slowness), area * freezing)

    def _feathers(self) -> Reals:
        """(N,) in [0, 1]: 1 on the shafts and barbs of the feathers, of which each cell is one."""
        points = self.body.vertices
        cells = Cells(points, FEATHER * self.barb, self.seed + 6)
        axis = cells.direction(self.seed + 7)
        arm = points - cells.centre + 0.01 * fields.noise(points, 5.0, self.seed + 8)[:, None]
        normal = np.stack([cells.mean(column) for column in self.anatomy.normals.T], axis=1)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        axis -= np.einsum("ni,ni->n", axis, normal)[:, None] * normal
        axis /= np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-9)
        along = np.einsum("ni,ni->n", arm, axis)
        aside = np.abs(np.einsum("ni,ni->n", arm, np.cross(normal, axis)))
        shaft = 1.0 - fields.smoothstep(aside / (0.4 * self.barb))
        barbs = 0.5 + 0.5 * np.cos(2.0 * math.pi * (along + 0.6 * aside) / self.barb)
        return np.maximum(shaft, barbs**2 * (1.0 - fields.smoothstep(aside / (0.6 * FEATHER * self.barb))))
