"""Shrivel: dries out. The inside shrinks, the skin less, so it wrinkles as a grape does; sheets curl in and cockle, and
the walls of vessels dent."""

import numpy as np

from backend.geometry import fields, front
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Look
from backend.geometry.rest import Rest
from backend.pipelines.processes.process import Process

SHRINK = 0.32  # of the length of a solid; unevenly, so that it is no scale model of itself
EXCESS = 0.16  # by which the skin is then longer than what it lies on
ROOM = 0.18  # the width that lets wrinkles be as deep as they get, in sizes
DENT, WALL = 0.05, 0.3  # depth of dents in sizes of their part; share of it that is hollow from which it is a wall
SHALLOW = 0.005  # depth of dents that are not worth looking for, in sizes
HUSK = 0.20  # shrinking of sheets
CURL, COCKLE = 3.0, 2.5  # radians over the size of a sheet

DRY = np.array([0.075, 0.035, 0.016])  # linear albedo
DULL = 0.85  # roughness


class Shrivel(Process):
    elastic = True
    wrinkles = True
    spares = True
    doing = "Shrivelling"

    def __init__(self, settings, circumstances):
        super().__init__(settings, circumstances)
        anatomy, points, seed = self.anatomy, self.body.vertices, self.seed
        sheet = anatomy.is_sheet
        shrink, wrinkles = 2.0 * settings.shrink, 2.0 * settings.wrinkles
        uneven = np.clip(fields.noise(points, 2.2, seed), -1.4, 1.4)
        solid = np.minimum(SHRINK * shrink * (1.0 + 0.4 * uneven), 0.6)
        # stems and limbs shrink around rather than along, so their wrinkles run lengthwise
        self.narrowing = np.where(sheet, HUSK * shrink * (1.0 + 0.4 * uneven), solid)
        self.shortening = np.where(sheet, 0.6 * HUSK * shrink * (1.0 + 0.4 * uneven), 0.8 * solid)
        # between walls and in crevices there is no room for deep ones
        room = np.minimum(anatomy.thickness, anatomy.clearance)
        self.excess = EXCESS * wrinkles * np.clip(room / ROOM, 0.15, 1.0)
        self.dents = wrinkles * dents(anatomy, seed + 4)
        facing = anatomy.facing(seed)
        # on the floor, deep cockles would let a leaf snap from curled up along to curled up across
        cockle = (0.5 if anatomy.lying else 1.0) * COCKLE * wrinkles * fields.noise(points, 3.5, seed + 3)
        # a leaf that lies curls up along, one that hangs closes to a gutter: both at once would stiffen it
        self.roll = (-0.2 if anatomy.lying else 1.0) * CURL * shrink * facing + cockle
        self.bow = (-1.4 if anatomy.lying else -0.3) * CURL * shrink * facing + cockle
        self.mottle = 1.0 + 0.3 * np.clip(fields.noise(points, 6.0, seed + 2), -1.5, 1.5)[:, None]
        self.haste = 0.25 * np.clip(fields.noise(points, 1.6, seed + 1), -1.0, 1.0)

    def _dry(self, tau: float) -> np.ndarray:
        """(N,) how dry it is: tips and thin spots first, a little."""
        reach = np.clip(0.5 + 0.25 * (self.anatomy.distance - 0.5) + self.haste, 0.0, 1.0)
        own = np.clip(1.2 * tau - 0.2 * (1.0 - reach), 0.0, 1.0)
        return self.strength * 0.5 * (own + fields.smoothstep(own))

    def rest(self, tau: float, rest: Rest) -> None:
        dry = self._dry(tau)
        rest.grow(along=1.0 - self.shortening * dry, across=1.0 - self.narrowing * dry)
        rest.wrinkle(across=1.5 * self.excess * dry, along=0.5 * self.excess * dry)
        rest.inflate(self.dents * dry)
        rest.bend(bow=self.bow * dry, roll=self.roll * dry, droop=0.08 * dry)
        rest.soften(0.6 * dry)
        rest.weigh(0.12 * dry)

    def look(self, tau: float, look: Look) -> Look:
        dry = self._dry(tau) * min(1.6 * self.settings.darkening, 1.0)
        value = np.maximum(look.albedo.max(axis=1, keepdims=True), 1e-4)
        deep = value * (look.albedo / value) ** 1.6  # more of its own colour, as juice thickens
        lightness = np.sqrt(np.clip(look.luminance, 0.0, 1.0))[:, None]
        look = look.toward(np.minimum(2.0 * dry, 1.0), albedo=0.75 * deep)
        husk = (0.35 + 0.75 * lightness) * self.mottle * DRY + 0.06 * deep
        look = look.toward(np.clip(1.5 * dry - 0.5, 0.0, 1.0), albedo=husk)
        return look.toward(dry, roughness=DULL).toward(0.5 * dry, metallic=0.0)


def dents(anatomy: Anatomy, seed: int) -> np.ndarray:
    """(N,) how far the surface of a vessel, a thin wall about a hollow, goes inwards here and there: both its sides,
    the outer one into the wall and the inner one out of it, in sizes."""
    body, labels = anatomy.body, anatomy.labels
    room = np.clip(np.minimum(anatomy.thickness, anatomy.clearance) / ROOM, 0.0, 1.0)
    depth = DENT * anatomy.part_size * (1.0 - room) * ~anatomy.is_sheet
    if np.median(depth) < SHALLOW:
        return np.zeros(len(labels))
    hollow = front.hollowness(anatomy, 0.1)
    area = fields.areas_around(body.vertices, body.faces)
    share = np.bincount(labels, area * (hollow > 0.03)) / np.maximum(np.bincount(labels, area), 1e-300)
    side = np.clip(hollow / 0.1, -1.0, 1.0) * (1.0 - fields.smoothstep((np.abs(hollow) - 0.4) / 0.3))  # not of a rim
    return depth * (share > WALL)[labels] * side * np.clip(fields.noise(body.vertices, 3.5, seed), 0.0, 1.5)
