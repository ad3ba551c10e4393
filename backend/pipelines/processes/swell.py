"""Swell: rises and rounds out as dough does. Thick parts rise most, creases and edges hold."""

import numpy as np

from backend.geometry import fields, front, reaction
from backend.geometry.body import Look
from backend.geometry.rest import Rest
from backend.pipelines.processes.process import Process

RISE = 0.22  # growth where a solid is as thick as it gets
THIN = 0.25  # of that where it is thinnest
LOFT, LOFT_REACH = 0.045, 0.10  # how far it puffs between seams, and how far from them, in sizes
SHARP = 0.6  # cosine of the angle of an edge that holds the surface in
TIGHT = 0.07  # by which the skin of a solid is smaller than what it holds in
SPREAD, QUILT = 0.14, 3.5  # growth of sheets; radians over their size
SAGGING = 0.35  # share of its weight that dough gives in to
GLOSS = 0.75  # roughness that is left where the surface is stretched


class Swell(Process):
    elastic = True
    wrinkles = True
    doing = "Swelling"

    def __init__(self, settings, circumstances):
        super().__init__(settings, circumstances)
        anatomy, points, seed = self.anatomy, self.body.vertices, self.seed
        sheet = anatomy.is_sheet
        rise, puff = 2.0 * settings.rise, 2.0 * settings.puff
        thickness = anatomy.thickness
        most = max(np.quantile(thickness[~sheet], 0.95), 1e-9) if (~sheet).any() else 1.0
        bulk = fields.smoothstep(thickness / most)
        uneven = 1.0 + 0.15 * np.clip(fields.noise(points, 1.8, seed), -1.5, 1.5)
        ruffle = 0.5 + np.exp(-anatomy.margin / 0.08)  # a rim that outgrows the rest ruffles
        self.growth = np.where(sheet, SPREAD * ruffle, RISE * (THIN + (1.0 - THIN) * bulk) * uneven) * rise
        bulge = reaction.bulging(points, self.body.faces, 60.0 * self._seams(), LOFT_REACH)
        patches = fields.noise(points / anatomy.part_size[:, None], 2.5, seed + 2)
        self.quilt = np.where(sheet, QUILT * puff * patches, 0.0)
        foot = fields.smoothstep(anatomy.distance / 0.2)
        self.puff = np.minimum(LOFT * puff * bulge * foot, 0.45 * anatomy.clearance)
        self.delay = 0.2 * np.clip(0.5 + 0.4 * fields.noise(points, 1.4, seed + 1), 0.0, 1.0)

    def _seams(self) -> np.ndarray:
        """(N,) in [0, 1]: 1 where the surface is held in: in creases, at sharp edges, at rims."""
        anatomy, vertices, faces = self.anatomy, self.body.vertices, self.body.faces
        seam = fields.smoothstep((front.hollowness(anatomy, 0.06) - 0.12) / 0.3)
        start, end, a, b = (vertices[fields.hinges(faces)[:, k]] for k in range(4))
        one, other = np.cross(end - start, a - start), np.cross(b - start, end - start)
        size = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        sharp = np.einsum("hi,hi->h", one, other) < SHARP * size
        seam[fields.hinges(faces)[sharp, :2]] = 1.0
        seam[np.unique(fields.rim(faces))] = 1.0
        return seam

    def _risen(self, tau: float) -> np.ndarray:
        own = np.clip(1.2 * tau - self.delay, 0.0, 1.0)
        return self.strength * 0.5 * (own + fields.smoothstep(own))

    def rest(self, tau: float, rest: Rest) -> None:
        risen = self._risen(tau)
        rest.grow(along=1.0 + self.growth * risen, across=1.0 + self.growth * risen)
        rest.inflate(self.puff * risen)
        rest.wrinkle(across=-TIGHT * risen, along=-TIGHT * risen)
        rest.bend(bow=self.quilt * risen, roll=self.quilt * risen)
        rest.soften(0.6 * risen)
        rest.weigh(SAGGING * risen)

    def look(self, tau: float, look: Look) -> Look:
        risen = self._risen(tau)
        pale = 1.0 - 0.8 * (1.0 - look.albedo)
        return look.toward(0.4 * risen, albedo=pale).toward(risen, roughness=GLOSS * look.roughness)
