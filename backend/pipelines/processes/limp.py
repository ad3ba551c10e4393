"""What goes limp: closed parts as a lattice solid, open ones as thin shells, each shrinking, bowing and sagging.

Both take `life` (N,) in [0, 1] for a step, how limp each vertex of the body is by then, and write where their
vertices are. At life 0 there is no load at all, as turgor bears it, and nothing moves.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from backend.geometry import fields, lattice, shell
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Reals

# Lengths are in sizes of the body, mass is such that a solid has density 1; so an elastic modulus, energy a volume,
# is in sizes^2 / s^2, and energy an area in sizes^3 / s^2. All were chosen by eye.
STEP = 1.0 / 24.0  # seconds
GRAVITY = 0.4 * 9.8  # sizes / s^2: Earth's, if the body were 2.5 m large
SHEAR, BULK = 200.0, 400.0  # sizes^2 / s^2
SOFTENING = 0.88  # of SHEAR, lost by the end of life
BOW = 0.35  # strain between the middle of a limb and its lower side
STRETCH = 30.0  # sizes^3 / s^2
BENDING = 0.05  # sizes^3 / s^2, and times the square of a sheet's own size
DENSITY = 0.1  # of a sheet, mass an area
DROOP, ROLL, CRUMPLE = 2.2, 1.6, 1.0  # radians over the size of a sheet
TOUCH = 0.015  # a sheet nearer than this to a solid rests on it


class Solids:
    """The closed parts, in one lattice: limbs bow, everything softens, shrinks and sags."""

    def __init__(self, anatomy: Anatomy, seed: int):
        body, solid = anatomy.body, ~anatomy.is_sheet
        self.chosen = np.flatnonzero(solid)
        vertices = body.vertices[self.chosen]
        between = anatomy.bridged[solid[anatomy.bridged].all(axis=1)]
        faces = body.faces[solid[body.faces[:, 0]]]
        self.grid = grid = lattice.build(body.vertices, faces, body.vertices[between])
        self.follow = grid.embedding(vertices)
        self.nearest = self.chosen[cKDTree(vertices).query(grid.nodes)[1]]
        held = np.zeros(len(grid.nodes))
        root = anatomy.root_within(solid)[self.chosen]
        np.maximum.at(held, self.follow.indices, np.repeat(root, np.diff(self.follow.indptr)))
        self.solid = lattice.Solid(grid, held, STEP, SHEAR, BULK)

        distance = anatomy.distance[self.nearest]
        along, offset = fields.limbs(grid.nodes, distance, 3.0 * grid.cell)
        down = _downward(grid.nodes, anatomy, seed)
        down -= np.einsum("mi,mi->m", down, along)[:, None] * along
        down /= np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 0.3)
        below = np.clip(np.einsum("mi,mi->m", offset, down) / (0.8 * grid.cell), -1.0, 1.0)
        below *= fields.smoothstep(distance / 0.3)  # the foot of a stem is woody
        self.along = along[grid.tets].mean(axis=1)
        # the side that faces down shortens and the other does not: the limb bows
        uneven = np.clip(fields.noise(grid.nodes, 1.5, seed), -1.0, 1.0)
        self.shortening = (0.10 + BOW * below + 0.05 * uneven)[grid.tets].mean(axis=1)
        self.thinning = (0.26 + 0.08 * uneven)[grid.tets].mean(axis=1)

    def step(self, life: Reals, positions: Reals) -> None:
        w = life[self.nearest]
        wt = w[self.grid.tets].mean(axis=1)
        across, along = 1.0 - self.thinning * wt, 1.0 - self.shortening * wt
        growth = _stretched(across, along, self.along)
        self.solid.step(SHEAR * (1.0 - SOFTENING * wt), growth, GRAVITY * w)
        positions[self.chosen] = self.follow @ self.solid.positions


class Sheets:
    """The open parts, as thin shells: they bend down, roll in and crumple, and stay on the solids they grow on."""

    def __init__(self, anatomy: Anatomy, seed: int):
        body, self.anatomy = anatomy.body, anatomy
        self.chosen = np.flatnonzero(anatomy.is_sheet)
        index = np.full(len(body.vertices), -1)
        index[self.chosen] = np.arange(len(self.chosen))
        vertices = body.vertices[self.chosen]
        self.labels = anatomy.labels[self.chosen]
        self.sheet = sheet = shell.Sheet(vertices, index[body.faces[anatomy.is_sheet[body.faces[:, 0]]]])
        self.size = np.sqrt(np.bincount(self.labels[sheet.faces[:, 0]], sheet.area))[self.labels]  # (N,)

        open_end = anatomy.is_sheet[anatomy.bridged]
        links = index[anatomy.bridged[open_end.all(axis=1)]]
        crossing = anatomy.bridged[open_end.any(axis=1) & ~open_end.all(axis=1)]
        feet = index[np.where(anatomy.is_sheet[crossing[:, 0]], crossing[:, 0], crossing[:, 1])]
        self.anchored, self.carriers = self._anchors(feet)
        held = np.zeros(len(vertices))
        held[self.anchored] = 1.0
        root = anatomy.held if len(self.anchored) else anatomy.root_within(anatomy.is_sheet)
        held = np.maximum(held, root[self.chosen])

        uneven = np.clip(fields.noise(vertices, 3.0, seed + 5), -1.0, 1.0)
        floor = np.minimum(vertices[:, 2], 0.014 + 0.009 * uneven)  # leaves lie on one another, not in one plane
        self.shell = shell.Shell(sheet, held, links, floor, STEP, STRETCH, DENSITY)
        self._rest(seed)

    def _anchors(self, feet: NDArray) -> tuple[NDArray, NDArray]:
        """(A,) the vertices that solids carry, and (A, 8) the vertices of the body that carry each.

        A sheet is held over a patch at its foot and wherever it touches a solid at rest, not at a point, so that
        it turns with what it grows or lies on; eight vertices are enough to tell how that turns.
        """
        anatomy, vertices = self.anatomy, self.sheet.vertices
        if anatomy.is_sheet.all():
            return np.zeros(0, np.int64), np.zeros((0, 1), np.int64)
        touching = np.zeros(len(vertices), bool)
        for foot in feet:
            gap = np.linalg.norm(vertices - vertices[foot], axis=1)
            touching |= (self.labels == self.labels[foot]) & (gap <= 0.1 * self.size[foot])
        faces = anatomy.body.faces[~anatomy.is_sheet[anatomy.body.faces[:, 0]]]
        surface, _ = lattice.surface_samples(anatomy.body.vertices, faces, TOUCH)
        gap, _ = cKDTree(surface).query(vertices, distance_upper_bound=TOUCH)
        anchored = np.flatnonzero(touching | np.isfinite(gap))
        solid = np.flatnonzero(~anatomy.is_sheet)
        carriers = cKDTree(anatomy.body.vertices[solid]).query(vertices[anchored], k=min(8, len(solid)))[1]
        return anchored, solid[carriers.reshape(len(anchored), -1)]

    def _rest(self, seed: int) -> None:
        """How each triangle grows and each hinge bends by the end of life."""
        sheet, lying = self.sheet, self.anatomy.lying
        d = self.anatomy.distance[self.chosen][sheet.faces]
        slope = np.einsum("fk,fkj->fj", d[:, 1:] - d[:, :1], sheet.inverses)
        self.along = slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-12)  # (F, 2)
        tangent = np.einsum("fj,fji->fi", self.along, sheet.frame)
        outwards = np.zeros_like(sheet.vertices)
        np.add.at(outwards, sheet.faces, tangent[:, None])
        outwards = outwards[sheet.hinges].sum(axis=1)
        outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-12)
        lengthwise = np.einsum("hi,hi->h", outwards, sheet.hinge_edge) ** 2  # 1: the hinge's edge runs outwards

        facing = _facing(sheet, self.labels, self.anatomy, seed)
        bow = -DROOP * facing * (1.0 - lengthwise)
        roll = ROLL * facing * lengthwise
        # what lies on the floor becomes a dish: bent the same way along and across, and half of each is plenty
        curl = 0.5 * (bow - roll) if lying else bow + roll
        crumple = CRUMPLE * fields.noise(sheet.vertices, 4.0, seed + 3)[sheet.hinges].mean(axis=1)
        size = self.size[sheet.hinges].mean(axis=1)
        self.curvature = (curl + crumple) / size
        self.bending = BENDING * size**2
        # a leaf dried on the floor is too light to hold its own rim down
        self.gravity = GRAVITY * (0.08 if lying else 1.0)
        uneven = np.clip(fields.noise(sheet.vertices, 6.0, seed + 4), -1.0, 1.0)[sheet.faces].mean(axis=1)
        self.narrowing = 0.35 * (1.0 + 0.5 * uneven)

    def step(self, life: Reals, positions: Reals) -> None:
        sheet = self.sheet
        w = life[self.chosen]
        wf, wh = w[sheet.faces].mean(axis=1), w[sheet.hinges].mean(axis=1)
        growth = _stretched(1.0 - self.narrowing * wf, 1.0 - 0.12 * wf, self.along)
        kappa = sheet.kappa - sheet.hinge_area * self.curvature * wh
        bending = self.bending * (1.0 - 0.9 * wh)
        self.shell.step(growth, bending, kappa, self.gravity * w, self._carried(positions))
        positions[self.chosen] = self.shell.positions

    def _carried(self, positions: Reals) -> Reals:
        """(N, 3) where anchored vertices are taken by the solids beneath them."""
        anchors = self.sheet.vertices.copy()
        if len(self.anchored):
            rest, moved = self.anatomy.body.vertices[self.carriers], positions[self.carriers]
            arm = anchors[self.anchored] - rest.mean(axis=1)
            anchors[self.anchored] = moved.mean(axis=1) + np.einsum("aij,aj->ai", lattice.turns(rest, moved), arm)
        return anchors


def _stretched(across: Reals, along: Reals, direction: Reals) -> Reals:
    """(K, n, n) growth by `along` in each unit direction (K, n), by `across` in all others."""
    size = direction.shape[1]
    outer = direction[:, :, None] * direction[:, None, :]
    return across[:, None, None] * np.eye(size) + (along - across)[:, None, None] * outer


def _downward(points: Reals, anatomy: Anatomy, seed: int) -> Reals:
    """(P, 3) which way to bow: down, and for what stands upright outwards, or where it is central, by chance."""
    angle = np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi)
    out = (points - anatomy.root) * [1.0, 1.0, 0.0] / 0.15
    out += 0.7 * np.array([np.cos(angle), np.sin(angle), 0.0])
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1.0)
    return 0.5 * out - [0.0, 0.0, 1.0]


def _facing(sheet: shell.Sheet, labels: NDArray, anatomy: Anatomy, seed: int) -> Reals:
    """(H,) 1 where a hinge's normal is on the outer side of the bow to come, -1 where it is on the inner side.

    A sheet bows towards the floor, or away from it where it lies there; one that stands upright bows along its
    thickness, away from the root.
    """
    rng = np.random.default_rng(seed)
    part = labels[sheet.faces[:, 0]]
    aside = np.zeros((labels.max() + 1, 3))
    for one in np.unique(part):
        chosen = part == one
        area, normal = sheet.area[chosen], sheet.normal[chosen, :2]
        thickness = np.linalg.eigh(np.einsum("f,fi,fj->ij", area, normal, normal))[1][:, 1]
        front = area @ normal @ thickness
        thickness *= np.sign(front) if front else 1.0  # where an eigenvector points to is chance
        away = (sheet.vertices[sheet.faces[chosen, 0]].mean(axis=0) - anatomy.root)[:2] @ thickness
        chance = rng.choice([-1.0, 1.0])
        aside[one, :2] = thickness * (np.sign(away) if abs(away) > 0.02 else chance)
    rise = 2.5 * sheet.hinge_normal[:, 2] * (-1.0 if anatomy.lying else 1.0)
    lean = -3.0 * np.einsum("hi,hi->h", sheet.hinge_normal, aside[labels[sheet.hinges[:, 0]]])
    return np.clip(rise + np.maximum(1.0 - np.abs(rise), 0.0) * np.clip(lean, -1.0, 1.0), -1.0, 1.0)
