"""Crumple: crushed into creases and folds. A sheet is squeezed to a ball, a can or any solid is dented and telescoped.

What is squeezed keeps its surface: it has to fold. Creases run where the cells of a random pattern meet.
"""

import numpy as np

from backend.geometry import fields
from backend.geometry.body import Look
from backend.geometry.front import Cells
from backend.geometry.rest import Rest
from backend.pipelines.processes.process import Process

SQUEEZE = 0.68  # of the length of a sheet
SHORTER, THINNER = 0.42, 0.14  # of the length of a solid, of its width
STIFF = 0.4  # of its surface that does not give in: 1 would not stretch or shrink at all
CREASE = 40.0  # radians over the size of a sheet, within a crease
LIMP = 0.9  # share of its stiffness that a sheet loses between its creases
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
        self.crease = 1.0 - fields.smoothstep(facets.border / 0.45)
        # both sides of a crease fold the same way, or they would undo each other
        self.fold = CREASE * sharp * self.crease * np.tanh(4.0 * fields.noise(points, 2.0, seed + 1))
        self.dent = DENT * (facets.chance(seed + 2) - 0.65) * (1.0 - self.crease)
        uneven = 1.0 + 0.7 * np.clip(fields.noise(points, 1.5, seed + 3), -1.2, 1.2)
        self.shorter = np.clip(SHORTER * self.tight * uneven, 0.0, 0.75)
        self.thinner = np.clip(THINNER * self.tight * (2.0 - uneven), -0.1, 0.5)
        self.lean = 0.3 * fields.noise(points, 1.2, seed + 4)

    def rest(self, tau: float, rest: Rest) -> None:
        crushed = self.strength * 0.5 * (tau + fields.smoothstep(tau))
        sheet = self.anatomy.is_sheet
        along, across = 1.0 - self.shorter * crushed, 1.0 - self.thinner * crushed
        rest.grow(along=np.where(sheet, 1.0, along), across=np.where(sheet, 1.0, across))
        rest.wrinkle(across=STIFF * (1.0 / across - 1.0), along=STIFF * (1.0 / along - 1.0))
        rest.inflate(self.dent * crushed)
        rest.bend(bow=self.fold * crushed, roll=self.fold * crushed, droop=self.lean * crushed)
        weak = LIMP + (0.99 - LIMP) * self.crease
        rest.soften(np.where(sheet, weak * fields.smoothstep(3.0 * crushed), 0.3 * crushed))
        rest.squeeze(np.where(sheet, np.minimum(SQUEEZE * self.tight, 0.85) * crushed, 0.0))

    def look(self, tau: float, look: Look) -> Look:
        crushed = self.strength * 0.5 * (tau + fields.smoothstep(tau))
        look = look.toward(0.3 * crushed * self.crease, albedo=0.5 * look.albedo)
        return look.toward(0.6 * crushed * (0.4 + 0.6 * self.crease), roughness=np.maximum(look.roughness, SCUFFED))
