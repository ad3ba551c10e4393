"""Wilt: droops and sags from the tips towards the root, loses turgor, shrinks, curls, browns."""

import numpy as np

from backend.geometry import fields
from backend.geometry.body import Look
from backend.geometry.rest import Rest
from backend.pipelines.processes.process import Process

HASTE = 1.2  # all is limp before the end, and what is left of it settles
SOFTENING = 0.88  # share of the stiffness that is lost
SAG = 0.35  # strain between the middle of a limb and its lower side
STOUT = 0.8  # share of that which a lump, a third of the body thick, does not show
DROOP, ROLL, CRUMPLE = 1.4, 1.6, 1.0  # radians over the size of a sheet

STRAW = np.array([0.40, 0.27, 0.08])  # linear albedo: yellowed
DRY = np.array([0.085, 0.045, 0.018])  # withered
DULL = 0.95  # roughness


class Wilt(Process):
    elastic = True
    spares = True
    doing = "Wilting"

    def __init__(self, settings, circumstances):
        super().__init__(settings, circumstances)
        anatomy, points, seed = self.anatomy, self.body.vertices, self.seed
        sheet = anatomy.is_sheet
        droop, curl = 2.0 * settings.droop, 2.0 * settings.curl
        facing = anatomy.facing(seed)
        crumple = CRUMPLE * fields.noise(points, 4.0, seed + 3)
        bow, roll = -DROOP * droop * facing, ROLL * curl * facing
        if anatomy.lying:  # it becomes a dish: bent the same way along and across, but across half as much
            roll = -0.5 * roll
        self.bow, self.roll = bow + crumple, roll + crumple
        # a limb droops, a lump sinks: were it to bow like a limb, a mushroom's cap would close to a ball
        self.sag = SAG * droop * (1.0 - STOUT * fields.smoothstep((anatomy.thickness - 0.12) / 0.2))
        uneven = np.clip(np.where(sheet, fields.noise(points, 6.0, seed + 4), fields.noise(points, 1.5, seed)), -1, 1)
        self.shortening = np.where(sheet, 0.12, 0.10 + 0.05 * uneven)
        self.narrowing = np.where(sheet, 0.35 * (1.0 + 0.5 * uneven), 0.26 + 0.08 * uneven)

        patches = 0.10 * fields.noise(points, 2.0, seed + 1) + 0.05 * fields.noise(points, 7.0, seed + 2)
        self.reach = np.clip(anatomy.distance + np.clip(patches, -0.25, 0.25), 0.0, 1.0)
        lightness = self.body.look.luminance
        # what was darker in the paint stays darker when dry
        mottle = 1.0 + 1.6 * np.clip(patches, -0.25, 0.4)
        self.shade = ((0.55 + 0.9 * np.sqrt(np.clip(lightness, 0.0, 1.0))) * mottle)[:, None]

    def rest(self, tau: float, rest: Rest) -> None:
        w = self.strength * fields.life(HASTE * tau, self.anatomy.distance)
        rest.grow(along=1.0 - self.shortening * w, across=1.0 - self.narrowing * w)
        rest.bend(bow=self.bow * w, roll=self.roll * w, droop=self.sag * w)
        rest.soften(SOFTENING * w)
        rest.weigh(w)

    def look(self, tau: float, look: Look) -> Look:
        browning = self.strength * min(1.25 * self.settings.browning, 1.0)
        yellow = browning * fields.smoothstep(2.2 * tau - 0.9 * (1.0 - self.reach))
        brown = browning * fields.smoothstep(1.9 * tau - 0.15 - 0.75 * (1.0 - self.reach))
        look = look.toward(0.75 * yellow, albedo=STRAW * self.shade)
        return look.toward(0.92 * brown, albedo=DRY * self.shade).toward(brown, roughness=DULL)
