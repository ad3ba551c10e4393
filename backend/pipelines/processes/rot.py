"""Rot: soft brown spots spread from a few places, sink and wrinkle, all caves in, and mould grows on what is oldest.

The spots are fronts along the surface; the mould is a reaction-diffusion pattern that lives on what they leave.
"""

import numpy as np

from backend.geometry import fields, front
from backend.geometry.body import Look
from backend.geometry.reaction import GrayScott
from backend.geometry.rest import Rest
from backend.pipelines.processes.process import Process

APART = 0.22  # least distance of the places where rot begins, in sizes
RIM = 0.07  # width over which sound turns rotten
RIPE = 0.25  # depth behind the front from which all is as rotten as it gets
SHRINK, EXCESS, SUNKEN = 0.22, 0.09, 0.012  # of length; of skin; in sizes
DROOP, CURL = 2.0, 2.5  # radians over the size of a sheet

COLONY = 0.05  # from one tuft of mould to the next, in sizes
FINEST = 4.5  # edges that this must span
FEED, KILL, BARREN = 0.037, 0.060, 0.10  # of the reaction: spots that divide; kill where nothing is rotten yet
LIFE = 3000.0  # of the mould, in units of the reaction
MOMENTS = 24

BRUISE = np.array([0.34, 0.20, 0.045])  # linear albedo
BROWN = np.array([0.115, 0.048, 0.014])
BLACK = np.array([0.028, 0.017, 0.010])
MOULD = np.array([0.50, 0.56, 0.47])
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


class Rot(Process):
    elastic = True
    wrinkles = True
    doing = "Rotting"

    def __init__(self, settings, circumstances):
        super().__init__(settings, circumstances)
        anatomy, points, seed = self.anatomy, self.body.vertices, self.seed
        self.collapse = 2.0 * settings.collapse
        self.cover = min(0.35 + settings.spots, 1.15)
        uneven = fields.noise(points, 3.0, seed)
        # where it lies it rots first
        likely = fields.noise(points, 2.5, seed + 1) - 1.5 * points[:, 2] / max(points[:, 2].max(), 1e-9)
        sources = front.peaks(points, np.where(self.body.weight > 0.0, likely, likely - 99.0), anatomy.labels, APART)
        delay = np.random.default_rng(seed).uniform(0.0, 2.0 * APART, len(sources))
        slowness = np.exp(0.45 * np.clip(uneven, -1.5, 1.5) + 0.25 * fields.noise(points, 9.0, seed + 2))
        arrival = front.arrival(anatomy, sources, delay, slowness)
        self.front = front.Front(arrival, front.areas(points, self.body.faces) * (self.body.weight > 0.0))
        self.facing = anatomy.facing(seed)
        self.cockle = 3.0 * fields.noise(points, 4.0, seed + 3)
        self.mottle = 1.0 + 0.3 * np.clip(fields.noise(points, 8.0, seed + 4), -1.5, 1.5)[:, None]
        self.mould = self._mould()

    def _age(self, tau: float) -> np.ndarray:
        """(N,) distance behind the front, in sizes; negative where it has yet to come."""
        return self.front.behind(self.cover * (0.25 * tau + 0.75 * tau**1.5)) if tau > 0.0 else np.full(
            len(self.strength), -1.0
        )

    def _mould(self) -> np.ndarray:
        """(MOMENTS + 1, N) how dense the mould is over life, in [0, 1]."""
        points, faces = self.body.vertices, self.body.faces
        period = max(COLONY, FINEST * float(np.median(front.spacing(points, faces))))
        colonies = GrayScott(points, faces, period)
        rng = np.random.default_rng(self.seed + 5)
        chance = rng.uniform(size=len(points))
        grown = [np.zeros(len(points))]
        for moment in range(1, MOMENTS + 1):
            age = self._age(moment / MOMENTS)
            ripe = age > 0.10
            fresh = ripe & (colonies.v < 0.05) & (chance < 0.004 * moment / MOMENTS)
            colonies.plant(np.flatnonzero(fresh))
            kill = np.where(age > 0.05, KILL, BARREN)
            colonies.grow(LIFE / MOMENTS, np.full(len(points), FEED), kill)
            grown.append(np.clip(colonies.v / 0.30, 0.0, 1.0))
        return np.stack(grown)

    def rest(self, tau: float, rest: Rest) -> None:
        age = self._age(tau)
        rotten = self.strength * fields.smoothstep(age / RIM)
        ripe = self.strength * fields.smoothstep(age / RIPE)
        sheet, collapse = self.anatomy.is_sheet, self.collapse
        whole = self.strength * fields.smoothstep(1.1 * tau - 0.1) * collapse
        rest.grow(along=1.0 - SHRINK * ripe, across=1.0 - SHRINK * ripe)
        rest.wrinkle(EXCESS * ripe)
        rest.inflate(-SUNKEN * rotten)
        rest.bend(
            bow=(-DROOP * self.facing * collapse + self.cockle) * ripe, roll=(CURL * self.facing + self.cockle) * ripe,
            droop=0.25 * whole,
        )  # fmt: skip
        rest.soften(np.minimum(0.55 * whole + 0.4 * rotten * np.minimum(collapse, 1.0), 0.95))
        rest.weigh(np.minimum(np.where(sheet, ripe, 0.5 * whole + 0.15 * rotten), 1.0))

    def look(self, tau: float, look: Look) -> Look:
        age = self._age(tau)
        bruised = self.strength * fields.smoothstep(1.0 + age / RIM)
        brown = self.strength * fields.smoothstep(age / RIM + 0.2)
        black = self.strength * fields.smoothstep((age - 0.1) / RIPE)
        lightness = 0.6 + 0.8 * np.sqrt(np.clip(look.albedo @ LUMINANCE, 0.0, 1.0))[:, None]
        look = look.toward(0.6 * bruised, albedo=BRUISE * lightness).toward(0.95 * brown, albedo=BROWN * lightness * self.mottle)
        look = look.toward(0.7 * black, albedo=BLACK * self.mottle, roughness=0.8)
        look = look.toward(0.7 * brown * (1.0 - black), roughness=0.3).toward(brown, metallic=0.0)
        moment = tau * MOMENTS
        before = min(int(moment), MOMENTS - 1)
        grown = self.mould[before] + (moment - before) * (self.mould[before + 1] - self.mould[before])
        furry = self.strength * fields.smoothstep(min(2.5 * self.settings.mould, 1.0) * 1.3 * grown)
        return look.toward(0.9 * furry, albedo=MOULD * self.mottle, roughness=1.0)
