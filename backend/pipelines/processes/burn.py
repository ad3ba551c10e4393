"""Burn: fire starts at the tips and eats its way along the surface; what it leaves is char, which shrinks, warps,
cracks and in the end crumbles to ash, island after island."""

import numpy as np

from backend.geometry import fields
from backend.geometry.body import Look, Reals
from backend.geometry.front import Cells, Front, arrival, peaks, spacing
from backend.geometry.rest import Rest
from backend.pipelines.processes.process import Process

PACE = 1.25  # all is alight at 1 / PACE of the way; the rest of the time it cools and crumbles
TIPS = 0.22  # two tips that are closer together than this catch fire as one
LATE = 0.9  # how much later than the farthest a tip close to the root may catch fire, in sizes
EMBER = 0.035  # width of the glowing edge, in sizes
SCORCH = 0.09  # how far ahead of it the heat dries and browns
HEAT = 0.25  # how far behind it char shrinks and warps, in sizes
COOLING = 0.35  # share of the surface that burns while the cracks in the char cool down
EMBERS = 0.5  # how bright these are beside the edge
ISLAND, CRACK = 0.055, 0.07  # size of the pieces that fall off, and of those that char breaks into
PAUSE = 0.006  # share of the surface that burns between a piece and the one that bore it
GOING = 0.03  # share of the surface that burns while one piece disappears
THIN = 0.07  # only the parts of solids that are thinner than this crumble, half as it may: the rest is a lump
WARP = 3.2  # radians over the size of a sheet
CURL = 2.5  # times that: how much more a sheet that lies curls up
TUBE = 0.08  # narrower hollows than this warp less: a stalk would fold through itself
EXCESS, ROOM = 0.22, 0.18  # by which the skin of char is too large; the width that lets it fold as deep as it gets

DRY = np.array([0.20, 0.10, 0.035])  # linear albedo
CHAR = np.array([0.011, 0.010, 0.010])
ASH = np.array([0.36, 0.35, 0.34])
RED, ORANGE, YELLOW = np.array([0.75, 0.035, 0.0]), np.array([1.0, 0.22, 0.01]), np.array([1.0, 0.80, 0.28])


class Burn(Process):
    elastic = True
    wrinkles = True
    doing = "Burning"

    def __init__(self, settings, circumstances):
        super().__init__(settings, circumstances)
        anatomy, points, seed = self.anatomy, self.body.vertices, self.seed
        faces = self.body.faces
        self.front = front = self._front()
        edge = spacing(points, faces)
        ember = EMBER * (0.3 + 1.4 * settings.ember)
        self.ember = np.maximum(ember, 0.5 * edge)
        self.hot = ember / self.ember  # what coarse triangles smear out is less bright
        self.cracks = Cells(points, CRACK, seed + 11)
        # cracks that are finer than the triangles would only flicker
        self.fine = np.clip(1.6 - edge / (0.25 * CRACK), 0.0, 1.0)
        self.patches = 0.5 * fields.noise(points, 3.0, seed + 12) + 0.35 * fields.noise(points, 11.0, seed + 13)
        self.gone_at = self._crumbling(front)

        self.shrinking = np.clip(0.38 + 0.12 * fields.noise(points, 3.0, seed + 14), 0.15, 0.55)
        warp = 2.0 * settings.curl * WARP * np.clip(self._room() / TUBE, 0.0, 1.0) ** 2
        # what lies on the floor can only curl up from it
        up = -anatomy.facing(seed) if anatomy.lying else np.zeros(len(points))
        self.bow = warp * (np.clip(fields.noise(points, 1.6, seed + 15), -1.5, 1.5) + CURL * up)
        self.roll = warp * (np.clip(fields.noise(points, 2.2, seed + 16), -1.5, 1.5) + 0.3 * CURL * up)
        # between walls and in crevices there is no room for deep folds
        self.excess = EXCESS * np.clip(np.minimum(anatomy.thickness, anatomy.clearance) / ROOM, 0.0, 1.0)
        sheet = anatomy.is_sheet
        self.shrinking = np.where(sheet, 0.6 * self.shrinking, self.shrinking)
        self.load = np.where(sheet, 0.5, 0.35)

    def rest(self, tau: float, rest: Rest) -> None:
        share = self._share(tau)
        age = np.maximum(share - self.front.share, 0.0)
        charred = fields.smoothstep(self.front.behind(share) / HEAT) * (share > 0.0)
        charred *= 0.65 + 0.35 * fields.smoothstep(age / 0.8)  # it goes on as long as it is warm
        lost = 0.3 * self._lost(share)
        size = (1.0 - self.shrinking * charred) * (1.0 - lost)
        rest.grow(along=size, across=size)
        rest.bend(bow=self.bow * charred, roll=self.roll * charred)
        rest.wrinkle(across=self.excess * charred, along=self.excess * charred)
        rest.soften(0.6 * charred)
        rest.weigh(self.load * charred)

    def look(self, tau: float, look: Look) -> Look:
        share, front = self._share(tau), self.front
        behind = front.behind(share)
        alight = fields.smoothstep(share / 0.02)  # nothing is warm before it starts
        age = np.maximum(share - front.share, 0.0)
        dying = 1.0 - fields.smoothstep((tau - 0.82) / 0.16)

        dried = alight * fields.smoothstep(1.0 + behind / SCORCH)
        look = look.toward(0.75 * dried, albedo=DRY)
        burnt = alight * fields.smoothstep(behind / (0.5 * self.ember) + 0.5)
        shade = CHAR * (1.0 + 0.7 * np.clip(self.patches, -1.0, 1.0))[:, None]
        look = look.toward(burnt, albedo=shade, roughness=1.0, metallic=0.0)

        crack = 1.0 - fields.smoothstep(self.cracks.border / 0.35)
        ash = 0.7 * fields.smoothstep(0.9 * self.patches - 0.35 + 0.5 * age) + 0.3 * self.fine * crack
        look = look.toward(burnt * ash * fields.smoothstep((age - 0.1) / 0.5), albedo=ASH)

        cooling = 1.0 - fields.smoothstep(age / COOLING)
        glow = burnt * dying * self.fine * crack * cooling * self.settings.ember
        look = look.toward(glow, albedo=RED)
        heat = alight * dying * np.exp(-(((behind - 0.35 * self.ember) / (0.5 * self.ember)) ** 2))
        look = look.toward(np.minimum(1.5 * heat, 1.0), albedo=ORANGE, roughness=1.0)
        look = look.toward(self.hot**2 * fields.smoothstep(2.0 * heat - 1.0), albedo=YELLOW)
        light = np.maximum(self.hot * fields.smoothstep(1.2 * heat - 0.1), EMBERS * glow)
        look = look.toward(self.settings.ember * light, emission=1.0)
        return look.toward(self._lost(share), opacity=0.0)

    def _room(self) -> Reals:
        """(N,) of sheets: the diameter of the largest ball that touches a vertex, on its narrower side, and nothing
        else of its part; 0 in solids."""
        anatomy, found = self.anatomy, np.zeros(len(self.strength))
        chosen = np.flatnonzero(anatomy.is_sheet)
        if len(chosen):
            points = self.body.vertices[chosen]
            points[:, 0] += 4.0 * anatomy.labels[chosen]  # no part is in the way of another
            sides = (fields.inner_ball(points, side * anatomy.normals[chosen]) for side in (1.0, -1.0))
            found[chosen] = 2.0 * np.minimum(*sides)
        return found

    def _share(self, tau: float) -> Reals:
        """(N,) of the surface that the fire has swept, as each vertex sees it."""
        return PACE * tau * self.strength

    def _lost(self, share: Reals) -> Reals:
        """(N,) 1 where an island has fallen to ash."""
        return fields.smoothstep((share - self.gone_at) / GOING)

    def _front(self) -> Front:
        anatomy, points, seed = self.anatomy, self.body.vertices, self.seed
        burning = self.strength > 0.0
        tips = peaks(points, np.where(burning, anatomy.distance, -1.0), anatomy.labels, TIPS)
        tips = tips[burning[tips]]
        late = LATE * (1.0 - anatomy.distance[tips])
        late += 0.12 * fields.noise(points[tips], 3.0, seed)
        uneven = 0.35 * fields.noise(points, 2.5, seed + 1) + 0.4 * fields.noise(points, 8.0, seed + 2)
        reached = arrival(anatomy, tips, late - late.min(), np.exp(np.clip(uneven, -1.2, 1.2)))
        return Front(reached, fields.areas_around(points, self.body.faces) * burning)

    def _crumbling(self, front: Front) -> Reals:
        """(N,) the share of the surface swept at which each vertex falls to ash, with its whole island.

        Of sheets a rag is left at the root; of solids the thin ends go. What bears others is char until these have
        gone, so that nothing is left in the air and no branch vanishes at once.
        """
        anatomy, crumble = self.anatomy, max(self.settings.crumble, 1e-3)
        islands = Cells(self.body.vertices, ISLAND, self.seed + 17, anatomy.labels)
        thick = fields.smoothstep(islands.mean(anatomy.thickness) / (THIN * (0.5 + crumble)) - 1.0)
        hold = np.where(anatomy.is_sheet, 0.22, 0.34 + 2.0 * thick) / crumble
        hold *= 0.7 + 0.6 * islands.chance(self.seed + 18)
        sides = np.concatenate([fields.edges(self.body.faces), anatomy.bridged])
        return islands.tips_first(islands.mean(front.share) + hold, sides, anatomy.held > 0.5, PAUSE)
