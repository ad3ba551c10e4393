"""The open parts of a body in motion: thin shells that touch each other, themselves and the solids."""

from copy import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import diags
from scipy.spatial import cKDTree

from backend.geometry import fields, lattice, shell
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Reals
from backend.geometry.contact import Contact, Springs
from backend.geometry.elastic.footing import Footing
from backend.geometry.elastic.units import CLOTH, GRAVITY, STEP, outwards, stretched
from backend.geometry.factor import Factor
from backend.geometry.rest import Rest

BENDING = 0.05  # sizes^3 / s^2, and times the square of a sheet's own size
PRESSURE = 400.0  # on a crumpled sheet, force a mass and a distance
STREWN = 0.22  # of its size: how far its points are then pushed off their places
THICKNESS = 0.005  # that sheets keep from each other and from solids
YIELDING = 0.75, 3  # how much less each ring of vertices around a contact yields, and how many do
TOUCH = 0.015  # a sheet nearer than this to a solid rests on it
FOOT = 0.03  # share of a part's reach from the root that is its foot


class Sheets:
    """The open parts, as thin shells: they bend down, roll in and crumple, and stay on the solids they grow on."""

    def __init__(self, anatomy: Anatomy, footing: Footing, seed: int):
        self.footing = footing
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
        self.shell = shell.Shell(sheet, CLOTH, held, links, floor)
        self.contact = Contact(body.vertices, body.faces, THICKNESS, anatomy.is_sheet)
        self.yielded = np.zeros(len(sheet.hinges))  # share in which a hinge has taken on the curvature that it had
        self.had = sheet.kappa
        self.along = outwards(sheet, _sap(sheet, self.labels, anatomy.distance[self.chosen]))
        tangent = np.einsum("fj,fji->fi", self.along, sheet.frame)
        away = np.zeros_like(sheet.vertices)
        np.add.at(away, sheet.faces, tangent[:, None])
        away = away[sheet.hinges].sum(axis=1)
        away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)
        self.lengthwise = np.einsum("hi,hi->h", away, sheet.hinge_edge) ** 2  # 1: the hinge's edge runs outwards
        self.hinge_size = self.size[sheet.hinges].mean(axis=1)
        middle = np.stack([np.bincount(self.labels, column) for column in vertices.T], axis=1)
        self.middle = (middle / np.maximum(np.bincount(self.labels), 1)[:, None])[self.labels]
        strewn = np.stack([fields.noise(vertices, 1.3, seed + 7 + k) for k in range(3)], axis=1)
        self.strewn = STREWN * self.size[:, None] * (np.abs(strewn) if anatomy.lying else strewn)
        # a leaf dried on the floor is too light to hold its own rim down
        self.gravity = GRAVITY * (0.08 if anatomy.lying else 1.0)

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
        return anchored, solid[carriers.reshape(len(anchored), min(8, len(solid)))]

    def step(self, rest: Rest, positions: Reals) -> None:
        sheet, chosen = self.sheet, self.chosen

        def over(values: Reals, elements: NDArray) -> Reals:
            return values[chosen][elements].mean(axis=1)

        growth = stretched(over(rest.across, sheet.faces), over(rest.along, sheet.faces), self.along)
        bow, roll = over(rest.bow, sheet.hinges), over(rest.roll, sheet.hinges)
        curvature = (bow * (1.0 - self.lengthwise) + roll * self.lengthwise) / self.hinge_size
        kappa = sheet.kappa - sheet.hinge_area * curvature
        kappa += self.yielded * (self.had - kappa)
        bending = BENDING * self.hinge_size**2 * np.maximum(1.0 - over(rest.soft, sheet.hinges), 0.02)
        anchors = self._carried(positions)
        if rest.press.any():
            self._press(rest.press[chosen, None])
        touched = np.zeros(len(chosen))

        def marked(found: Springs | None, x: Reals) -> Springs | None:
            if found is not None:
                touched[found.jacobian[found.lacking(x) > 0.0].indices] = 1.0
            return found

        def passed(x: Reals) -> Springs | None:
            positions[chosen] = x
            return marked(self.contact.passed(positions), x)

        near = marked(self.contact.near(positions), self.shell.positions)
        self.shell.step(growth, bending, kappa, self.gravity * rest.load[chosen], anchors, shell.Touching(near, passed))
        positions[chosen] = self.shell.positions
        positions[chosen] = self.contact.held_back(positions)[chosen]
        self.shell.velocities += (positions[chosen] - self.shell.positions) / STEP
        self.shell.positions = positions[chosen]
        self.contact.settle(positions)
        self._yield(touched)

    def _yield(self, touched: Reals) -> None:
        """Where a sheet touches, it takes on the curvature that it has: it cannot have the one it wishes for."""
        share, rings = YIELDING
        for _ in range(rings):
            most = share * touched[self.sheet.faces].max(axis=1)
            np.maximum.at(touched, self.sheet.faces, most[:, None])
        yielded = np.maximum(self.yielded, touched[self.sheet.hinges].mean(axis=1))
        new = (yielded - self.yielded) / np.maximum(yielded, 1e-12)
        self.had = self.had + new * (self.sheet.folds(self.shell.positions) - self.had)
        self.yielded = yielded

    def _press(self, press: Reals) -> None:
        """A push towards the middle of the part, and out of the sheet by chance, so that it folds in all directions."""
        squeezed = self.middle + (1.0 - press) * (self.sheet.vertices - self.middle) + press * self.strewn
        velocities = self.shell.velocities - STEP * PRESSURE * np.minimum(8.0 * press, 1.0) * (
            self.shell.positions - squeezed
        )
        self.shell.velocities = velocities

    def fork(self) -> Self:
        other = copy(self)
        other.shell, other.contact = copy(self.shell), self.contact.fork()
        return other

    def _carried(self, positions: Reals) -> Reals:
        """(N, 3) where anchored vertices are taken by the solids beneath them."""
        anchors = self.footing.carry(self.sheet.vertices, self.footing.label[self.chosen])
        if len(self.anchored):
            rest, moved = self.anatomy.body.vertices[self.carriers], positions[self.carriers]
            arm = self.sheet.vertices[self.anchored] - rest.mean(axis=1)
            carried = np.einsum("aij,aj->ai", lattice.similarities(rest, moved), arm)
            anchors[self.anchored] = moved.mean(axis=1) + carried
        return anchors


def _sap(sheet: shell.Sheet, labels: NDArray[np.int64], distance: Reals) -> Reals:
    """(N,) what grows away from the foot of each part, along its rims: labels (N,), distance (N,) from the root.

    The potential of a flow that enters at the foot, is taken up evenly and leaves through no rim: minus its Laplacian
    is 1. Distances would do, were they not along edges: on a grid their slope is far from the leaf's own axis, and a
    leaf that shrinks across a slanting axis twists itself up.
    """
    part = np.unique(labels, return_inverse=True)[1]
    low, high = np.full(part.max() + 1, np.inf), np.full(part.max() + 1, -np.inf)
    np.minimum.at(low, part, distance)
    np.maximum.at(high, part, distance)
    foot = distance <= (low + FOOT * (high - low))[part]
    laplacian = sheet.laplacian()
    stiff = laplacian.diagonal().mean()
    return Factor(laplacian + diags(stiff * (foot + 1e-9))).solve(sheet.mass[:, None])[:, 0]
