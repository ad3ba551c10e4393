"""Rot: soft brown spots spread from a few places, sink and wrinkle, all caves in, and mould grows on what is oldest.

The spots are fronts along the surface; the mould is a reaction-diffusion pattern that lives on what they leave.
"""

import numpy as np

from backend.geometry import fields, front
from backend.geometry.body import Look
from backend.geometry.mould import Mould
from backend.geometry.rest import Rest
from backend.pipelines.processes.process import Process

APART = 0.17  # least distance of the places where rot begins, in sizes
RIM = 0.07  # width over which sound turns rotten
RIPE = 0.25  # depth behind the front from which all is as rotten as it gets
SHRINK, EXCESS, SUNKEN = 0.22, 0.09, 0.012  # of length; of skin; in sizes
ROOM = 0.18  # the width that lets wrinkles be as deep as they get, in sizes
INTO = 0.12  # share of its width by which a spot sinks into a stem, at most
DROOP, CURL, COCKLE = 2.0, 2.5, 3.0  # radians over the size of a sheet

BRUISE = np.array([0.34, 0.20, 0.045])  # linear albedo
BROWN = np.array([0.115, 0.048, 0.014])
BLACK = np.array([0.028, 0.017, 0.010])
FLUFF, SPORES = np.array([0.52, 0.53, 0.46]), np.array([0.15, 0.23, 0.15])  # the edge of a colony, and its middle


class Rot(Process):
    elastic = True
    wrinkles = True
    spares = True
    doing = "Rotting"

    def __init__(self, settings, circumstances):
        super().__init__(settings, circumstances)
        anatomy, points, seed = self.anatomy, self.body.vertices, self.seed
        self.collapse = 2.0 * settings.collapse
        self.cover = 0.55 + 0.8 * settings.spots  # above 1 what is rotten goes on rotting
        uneven = fields.noise(points, 3.0, seed)
        # where it lies it rots first
        likely = fields.noise(points, 2.5, seed + 1) - 0.3 * points[:, 2] / max(points[:, 2].max(), 1e-9)
        sources = front.peaks(points, np.where(self.strength > 0.0, likely, likely - 99.0), anatomy.labels, APART)
        delay = APART * (1.0 + np.clip(fields.noise(points[sources], 2.0, seed + 7), -1.0, 1.0))
        slowness = np.exp(0.45 * np.clip(uneven, -1.5, 1.5) + 0.25 * fields.noise(points, 9.0, seed + 2))
        arrival = front.arrival(anatomy, sources, delay, slowness)
        self.front = front.Front(arrival, fields.areas_around(points, self.body.faces) * (self.strength > 0.0))
        facing = anatomy.facing(seed)
        cockle = (0.5 if anatomy.lying else 1.0) * COCKLE * fields.noise(points, 4.0, seed + 3)
        self.bow = -(1.5 if anatomy.lying else 1.0) * DROOP * self.collapse * facing + cockle
        self.roll = (-0.4 * DROOP if anatomy.lying else CURL) * facing + cockle  # what lies becomes a dish
        # a limb droops, a lump sinks
        self.sag = 0.25 + 0.2 * (1.0 - fields.smoothstep((anatomy.thickness - 0.05) / 0.1))
        self.mottle = 1.0 + 0.3 * np.clip(fields.noise(points, 8.0, seed + 4), -1.5, 1.5)[:, None]
        # in a stem, or between walls, there is no room for spots as deep as an apple's
        room = np.minimum(anatomy.thickness, anatomy.clearance)
        self.excess = EXCESS * np.clip(room / ROOM, 0.15, 1.0)
        self.sunken = np.minimum(SUNKEN, INTO * anatomy.thickness)
        self.mould = Mould(anatomy, self.age, seed + 5)
        self.downy = 0.4 * np.clip(fields.noise(points, 7.0, seed + 10), -1.5, 1.5)  # where it stays white for long
        self.tufts = 1.0 + 0.35 * np.clip(fields.noise(points, 15.0, seed + 11), -1.5, 1.5)

    def age(self, tau: float) -> np.ndarray:
        """(N,) distance behind the front, in sizes; negative where it has yet to come."""
        return (
            self.front.behind(self.cover * (0.6 * tau + 0.4 * tau**1.6))
            if tau > 0.0
            else np.full(len(self.strength), -1.0)
        )

    def rest(self, tau: float, rest: Rest) -> None:
        age = self.age(tau)
        rotten = self.strength * fields.smoothstep(age / RIM)
        ripe = self.strength * fields.smoothstep(age / RIPE)
        sheet, collapse = self.anatomy.is_sheet, self.collapse
        whole = self.strength * fields.smoothstep(1.1 * tau - 0.1) * collapse
        rest.grow(along=1.0 - SHRINK * ripe, across=1.0 - SHRINK * ripe)
        rest.wrinkle(across=1.3 * self.excess * ripe, along=0.7 * self.excess * ripe)
        rest.inflate(-self.sunken * rotten)
        rest.bend(bow=self.bow * ripe, roll=self.roll * ripe, droop=self.sag * whole)
        limp = np.minimum(0.55 * whole + 0.4 * rotten * np.minimum(collapse, 1.0), 0.95)
        rest.soften(0.6 * limp if self.anatomy.lying else limp)  # what lies could not lift its own rim otherwise
        rest.weigh(np.minimum(np.where(sheet, ripe, 0.5 * whole + 0.15 * rotten), 1.0))

    def look(self, tau: float, look: Look) -> Look:
        age = self.age(tau)
        bruised = self.strength * fields.smoothstep(1.0 + age / RIM)
        brown = self.strength * fields.smoothstep(age / RIM + 0.5)
        black = self.strength * fields.smoothstep((age - 0.1) / RIPE)
        lightness = 0.6 + 0.8 * np.sqrt(np.clip(look.luminance, 0.0, 1.0))[:, None]
        look = look.toward(0.6 * bruised, albedo=BRUISE * lightness)
        look = look.toward(0.95 * brown, albedo=BROWN * lightness * self.mottle)
        look = look.toward(0.7 * black, albedo=BLACK * self.mottle, roughness=0.8)
        look = look.toward(0.6 * brown * (1.0 - black), roughness=0.38).toward(brown, metallic=0.0)
        grown = self.mould.at(tau)
        furry = self.strength * fields.smoothstep(min(2.5 * self.settings.mould, 1.0) * 1.3 * grown * self.tufts)
        ripe = fields.smoothstep(2.5 * grown - 1.2 - self.downy)[:, None]
        return look.toward(0.9 * furry, albedo=((1.0 - ripe) * FLUFF + ripe * SPORES) * self.mottle, roughness=1.0)
