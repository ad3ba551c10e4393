"""Crumple: crushed into creases and folds. A sheet is squeezed to a ball, a can or any solid is dented and telescoped.

What is squeezed keeps its surface: it has to fold. Creases run where the cells of a random pattern meet.
"""

import numpy as np
from scipy.spatial import cKDTree

from backend.geometry import fields
from backend.geometry.body import Look, Reals
from backend.geometry.elastic.units import outwards
from backend.geometry.front import Cells, spacing
from backend.geometry.rest import Rest
from backend.geometry.shell import Sheet
from backend.pipelines.processes.process import Process

SQUEEZE = 0.75  # of the length of a sheet
SHORTER, THINNER = 0.42, 0.14  # of the length of a solid, of its width
STIFF = 0.4  # of its surface that does not give in: 1 would not stretch or shrink at all
CREASE = 130.0  # radians over the size of the body, within a crease
HINGE = 1.2  # radians over the length of an edge, at most
LONE = 2.0  # times that: a sheet by itself, on the floor, has nothing else to fold into
LIMP = 0.98  # share of its stiffness that a sheet loses
STRIP = 0.01  # half the width of a sheet, in sizes, below which it is not crushed
DENT = 0.03  # in sizes
CELL = 0.26  # from one facet to the next, in sizes, at few creases; half of it at many
SCUFFED = 0.75  # roughness


class Crumple(Process):
    elastic = True
    wrinkles = True
    doing = "Crumpling"

    def __init__(self, settings, circumstances):
        super().__init__(settings, circumstances)
        points, seed = self.body.vertices, self.seed
        self.tight, sharp = 2.0 * settings.tightness, 2.0 * settings.creases
        facets = Cells(points, CELL / (0.5 + settings.creases), seed)
        self.crease = 1.0 - fields.smoothstep(facets.border / 0.3)
        # both sides of a crease fold the same way, or they would undo each other
        sign = np.tanh(4.0 * fields.noise(points, 3.0, seed + 1))
        self.broad = self._broad()
        sharpest = np.minimum(CREASE * sharp, HINGE / spacing(points, self.body.faces))
        sharpest *= LONE if self.anatomy.lying else 1.0
        fold = sharpest * self.anatomy.part_size * self.broad * self.crease * sign
        cross = self._crossing(facets.border)
        self.bow, self.roll = fold * cross, fold * (1.0 - cross)
        self.dent = DENT * (facets.chance(seed + 2) - 0.65) * (1.0 - self.crease)
        uneven = 1.0 + 0.7 * np.clip(fields.noise(points, 1.5, seed + 3), -1.2, 1.2)
        self.shorter = np.clip(SHORTER * self.tight * uneven, 0.0, 0.75)
        self.thinner = np.clip(THINNER * self.tight * (2.0 - uneven), -0.1, 0.5)
        self.lean = 0.3 * fields.noise(points, 1.2, seed + 4)

    def _crossing(self, border: Reals) -> Reals:
        """(N,) 1 where a crease runs across the way from the root, 0 where it runs along: it folds one way alone."""
        sheet = Sheet(self.body.vertices, self.body.faces)
        upright = (outwards(sheet, border) * outwards(sheet, self.anatomy.distance)).sum(axis=1) ** 2
        count = np.bincount(sheet.faces.ravel(), minlength=len(border))
        found = np.bincount(sheet.faces.ravel(), np.repeat(upright, 3), minlength=len(border))
        return found / np.maximum(count, 1)

    def _broad(self) -> Reals:
        """(N,) of sheets: 0 in strips, as a leaf's stalk, which would fold into knots; 1 in what is broad."""
        anatomy, found = self.anatomy, np.ones(len(self.strength))
        chosen = np.flatnonzero(anatomy.is_sheet & np.isfinite(anatomy.margin))
        if len(chosen):
            points = self.body.vertices[chosen]
            points[:, 0] += 4.0 * anatomy.labels[chosen]  # each part by itself
            inner = points[anatomy.margin[chosen] > STRIP]
            gap = cKDTree(inner).query(points)[0] if len(inner) else np.full(len(chosen), np.inf)
            edge = spacing(self.body.vertices, self.body.faces)[chosen]
            strip = fields.smoothstep(gap / np.maximum(STRIP, edge) - 1.5)
            found[chosen] = 1.0 - strip * (edge < 2.0 * STRIP)  # a coarse mesh has no vertices inside
        return found

    def rest(self, tau: float, rest: Rest) -> None:
        crushed = self.strength * 0.5 * (tau + fields.smoothstep(tau))
        sheet = self.anatomy.is_sheet
        along, across = 1.0 - self.shorter * crushed, 1.0 - self.thinner * crushed
        rest.grow(along=np.where(sheet, 1.0, along), across=np.where(sheet, 1.0, across))
        rest.wrinkle(across=STIFF * (1.0 / across - 1.0), along=STIFF * (1.0 / along - 1.0))
        rest.inflate(self.dent * crushed)
        rest.bend(bow=self.bow * crushed, roll=self.roll * crushed, droop=self.lean * crushed)
        rest.soften(np.where(sheet, LIMP * fields.smoothstep(3.0 * crushed), 0.3 * crushed))
        rest.squeeze(np.where(sheet, np.minimum(SQUEEZE * self.tight, 0.85) * self.broad * crushed, 0.0))

    def look(self, tau: float, look: Look) -> Look:
        crushed = self.strength * 0.5 * (tau + fields.smoothstep(tau))
        look = look.toward(0.3 * crushed * self.crease, albedo=0.5 * look.albedo)
        return look.toward(0.6 * crushed * (0.4 + 0.6 * self.crease), roughness=np.maximum(look.roughness, SCUFFED))
