"""Swell: rises and rounds out as dough does. Thick parts rise most; between creases, edges and the lines along which
its skin does not give, it bulges out, until the skin is taut and cracks."""

import numpy as np
from scipy.sparse import diags
from scipy.spatial import cKDTree

from backend.geometry import fields, front, reaction
from backend.geometry.body import Look, Reals
from backend.geometry.factor import Factor
from backend.geometry.rest import Rest
from backend.pipelines.processes.process import Process

RISE = 0.15  # growth where a solid is as thick as it gets
THIN = 0.25  # of that where it is thinnest
UNEVEN = 0.22  # of that, by chance
LOFT, LOFT_REACH = 0.11, 0.06  # how far it puffs between seams, and how far from them, in sizes
SHARP = 0.6  # cosine of the angle of an edge that holds the surface in
LOBE, WAVER = 0.30, 0.05  # from one seam of a smooth surface to the next, and by how much they waver, in sizes
GIVING = 0.15  # of the height of a lobe that is left in the seams between two
ROOM = 0.12  # the width from which a part has room for all of that, in sizes
OWN = 0.15  # of the gap to what it faces, that each side may fill
SMOOTH = 0.02  # what is narrower than this is nothing that a taut skin would follow
APART = 0.08  # what is nearer than this to another part is held in by it
SPREAD, QUILT = 0.14, 3.5  # growth of sheets; radians over their size
SAGGING = 0.35  # share of its weight that dough gives in to
GLOSS = 0.6  # roughness that is left where the surface is stretched
CRACK = 0.016  # width of a crack in a seam, in sizes
FLESH = np.array([0.80, 0.72, 0.58])  # linear albedo of what cracks lay bare: of its own colour, but paler


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
        uneven = 1.0 + UNEVEN * np.clip(fields.noise(points, 1.8, seed), -1.5, 1.5)
        ruffle = 0.5 + np.exp(-anatomy.margin / 0.08)  # a rim that outgrows the rest ruffles
        self.growth = np.where(sheet, SPREAD * ruffle, RISE * (THIN + (1.0 - THIN) * bulk) * uneven) * rise

        lobes = self._lobes()
        held_in = np.maximum(self._seams(), self._touching())
        free = self._bulging(held_in, LOFT_REACH)
        # where seams of its own are near, it needs no others
        smooth = fields.smoothstep((self._bulging(held_in, 0.5 * LOBE) - 0.35) / 0.3)
        lobed = self._bulging(np.maximum(held_in, smooth * (1.0 - fields.smoothstep(lobes / 0.3))), LOFT_REACH)
        foot = fields.smoothstep(anatomy.distance / 0.2)
        gap = self._gap()
        room = fields.smoothstep(np.minimum(thickness, gap) / ROOM)
        self.bulge = ((1.0 - GIVING) * lobed + GIVING * free) * foot
        self.puff = self._smoothed(np.minimum(LOFT * puff * self.bulge * room, OWN * gap))

        patches = fields.noise(points / anatomy.part_size[:, None], 2.5, seed + 2)
        self.quilt = np.where(sheet, QUILT * puff * patches, 0.0)
        self.delay = 0.2 * np.clip(0.5 + 0.4 * fields.noise(points, 1.4, seed + 1), 0.0, 1.0)
        # cracks that are finer than the triangles would only be smears
        fine = np.clip(1.7 - front.spacing(points, self.body.faces) / CRACK, 0.0, 1.0)
        here_and_there = fields.smoothstep(0.6 + 0.8 * fields.noise(points, 4.0, seed + 5))
        crack = 1.0 - fields.smoothstep(0.5 * LOBE * lobes / CRACK)
        self.crack = here_and_there * fine * crack * smooth * foot * np.where(sheet, 0.0, min(puff, 1.0))

    def _bulging(self, hold: Reals, reach: float) -> Reals:
        return reaction.bulging(self.body.vertices, self.body.faces, 60.0 * hold, reach)

    def _smoothed(self, values: Reals) -> Reals:
        stiffness, mass = reaction.operators(self.body.vertices, self.body.faces)
        return Factor((diags(mass) + SMOOTH**2 * stiffness).tocsr()).solve((mass * values)[:, None])[:, 0]

    def _lobes(self) -> Reals:
        """(N,) 0 on the lines along which a smooth surface does not give, 1 farthest from them."""
        points = self.body.vertices
        waver = [fields.noise(points, 2.5, self.seed + 10 + k) for k in range(3)]
        return front.Cells(points + WAVER * np.stack(waver, axis=1), LOBE, self.seed + 9).border

    def _gap(self) -> Reals:
        """(N,) the least clearance about each vertex: that of one vertex may miss what comes between two."""
        faces, clearance = self.body.faces, self.anatomy.clearance
        gap = clearance.copy()
        np.minimum.at(gap, faces, clearance[faces].min(axis=1)[:, None])
        return gap

    def _touching(self) -> Reals:
        """(N,) in [0, 1]: 1 where another part is so near that the two must move as one."""
        labels, points = self.anatomy.labels, self.body.vertices
        cell = np.column_stack([labels, np.floor(points / (0.3 * APART)).astype(np.int64)])
        few = np.unique(cell, axis=0, return_index=True)[1]  # of each part, however dense it is
        most = min(48, len(few))
        gap, near = cKDTree(points[few]).query(points, k=most, distance_upper_bound=APART)
        gap, near = gap.reshape(-1, most), near.reshape(-1, most)
        other = np.append(labels[few], -1)[near] != labels[:, None]
        return 1.0 - fields.smoothstep(np.where(other, np.minimum(gap, APART), APART).min(axis=1) / APART)

    def _seams(self) -> Reals:
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

    def _risen(self, tau: float) -> Reals:
        own = np.clip(1.2 * tau - self.delay, 0.0, 1.0)
        return self.strength * 0.5 * (own + fields.smoothstep(own))

    def rest(self, tau: float, rest: Rest) -> None:
        risen = self._risen(tau)
        rest.grow(along=1.0 + self.growth * risen, across=1.0 + self.growth * risen)
        rest.inflate(self.puff * risen)
        rest.bend(bow=self.quilt * risen, roll=self.quilt * risen)
        rest.soften(0.6 * risen)
        rest.weigh(SAGGING * risen)

    def look(self, tau: float, look: Look) -> Look:
        risen = self._risen(tau)
        pale = 1.0 - 0.8 * (1.0 - look.albedo)
        look = look.toward(0.25 * risen * self.bulge, albedo=pale)
        look = look.toward(risen * self.bulge, roughness=GLOSS * look.roughness)
        torn = fields.smoothstep(2.0 * risen - 0.7) * self.crack
        flesh = FLESH * (0.55 + 0.45 * look.albedo)
        return look.toward(0.85 * torn, albedo=flesh).toward(torn, roughness=0.9)
