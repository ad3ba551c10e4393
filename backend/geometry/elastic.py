"""The elastic engine: what a body does when its rest state changes and its weight comes to bear.

Closed parts are a lattice solid, open ones thin shells that grow on them, and where wrinkles are wanted the solids
get a skin: a shell over their surface, tethered to where the lattice carries it. All three answer to one Rest.
"""

import math
from copy import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from backend.geometry import fields, lattice, shell
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Detail, Reals
from backend.geometry.contact import Contact, Springs
from backend.geometry.rest import Rest
from backend.geometry.volume import connected

# Lengths are in sizes of the body, mass is such that a solid has density 1; so an elastic modulus, energy a volume,
# is in sizes^2 / s^2, and energy an area in sizes^3 / s^2. All were chosen by eye.
STEP = 1.0 / 24.0  # seconds
GRAVITY = 0.4 * 9.8  # sizes / s^2: Earth's, if the body were 2.5 m large
SHEAR, BULK = 200.0, 400.0  # sizes^2 / s^2
STRETCH = 30.0  # sizes^3 / s^2
BENDING = 0.05  # sizes^3 / s^2, and times the square of a sheet's own size
DENSITY = 0.1  # of a sheet, mass an area
PRESSURE = 400.0  # on a crumpled sheet, force a mass and a distance
STREWN = 0.22  # of its size: how far its points are then pushed off their places
THICKNESS = 0.005  # that sheets keep from each other and from solids
YIELDING = 0.75, 3  # how much less each ring of vertices around a contact yields, and how many do
TOUCH = 0.015  # a sheet nearer than this to a solid rests on it
WRINKLE = 0.085  # wavelength of a skin's wrinkles, in sizes
RESOLVED = 5.5  # edges that a wrinkle needs: on a coarse mesh there are fewer and larger ones
BUCKLING = 0.012  # compression at which a skin gives way and wrinkles
SEED_HEIGHT = 0.02  # of the wavelength, for each tenth by which a skin is too large: the unevenness wrinkles start from


class Elastic:
    """A body in motion. `step` takes it on by STEP seconds; `positions` (N, 3) is where it is."""

    def __init__(self, anatomy: Anatomy, detail: Detail, seed: int, wrinkled: bool):
        self.anatomy = anatomy
        self.positions = anatomy.body.vertices
        self._free = (1.0 - anatomy.held)[:, None]
        self._footing = footing = Footing(anatomy)
        self._engines: list[Solids | Sheets | Skin] = []
        if not anatomy.is_sheet.all():
            self._engines.append(Solids(anatomy, footing, detail, seed))
            if wrinkled:
                self._engines.append(Skin(anatomy, seed))
        if anatomy.is_sheet.any():  # last: they ride on where the solids have gone
            self._engines.append(Sheets(anatomy, footing, seed))

    def step(self, rest: Rest) -> None:
        self._footing.follow(rest)
        rooted = self._footing.carry(self.anatomy.body.vertices, self._footing.label)
        positions = rooted.copy()
        for engine in self._engines:
            engine.step(rest, positions)
        positions = rooted + self._free * (positions - rooted)
        positions[:, 2] = np.maximum(positions[:, 2], 0.0)
        self.positions = positions

    def fork(self) -> Self:
        """The same body at the same moment, free to go another way."""
        other = copy(self)
        other._engines = [engine.fork() for engine in self._engines]
        return other


class Footing:
    """Where the root is. What the artist pinned stays exactly; a foot that was found by itself stands where it stood,
    and grows and shrinks with the rest.

    label (N,) the foot, a connected patch of the root, that each vertex belongs to; -1: none.
    """

    def __init__(self, anatomy: Anatomy):
        body, held = anatomy.body, anatomy.held > 0.0
        found = held & (body.weight > 0.0) & (not body.pin.any())
        sides = fields.edges(body.faces)
        patch = connected(sides[found[sides].all(axis=1)], len(found))
        self.label = np.where(found, patch, -1)
        used, compact = np.unique(self.label[found], return_inverse=True)
        self.label[found] = compact
        self._members = np.flatnonzero(found)
        self._vertices = body.vertices[found]
        self._count = np.bincount(compact, minlength=len(used))
        sums = [np.bincount(compact, column, minlength=len(used)) for column in body.vertices[found].T]
        self._middle = np.stack(sums, axis=1).reshape(-1, 3) / self._count[:, None]
        self._middle[:, 2] = 0.0
        self._size = np.ones(len(used))

    def near(self, points: Reals, reach: float) -> NDArray[np.int64]:
        """(P,) the nearest foot within `reach` of each of the points (P, 3); -1 where there is none."""
        if not len(self._members):
            return np.full(len(points), -1)
        found = cKDTree(self._vertices).query(points, distance_upper_bound=reach)[1]
        return np.append(self.label[self._members], -1)[found]

    def follow(self, rest: Rest) -> None:
        """The feet grow as much as the rest state says, across, on average."""
        label = self.label[self._members]
        self._size = np.bincount(label, rest.across[self._members], minlength=len(self._count)) / self._count

    def carry(self, points: Reals, label: NDArray) -> Reals:
        """(P, 3) points at rest, taken along by the foot each belongs to, (P,)."""
        standing = label >= 0
        moved, foot = points.copy(), label[standing]
        middle = self._middle[foot]
        moved[standing] = middle + self._size[foot, None] * (points[standing] - middle)
        return moved


class Solids:
    """The closed parts, in one lattice: limbs bow, everything softens, grows, shrinks and sags."""

    def __init__(self, anatomy: Anatomy, footing: Footing, detail: Detail, seed: int):
        self.footing = footing
        body, solid = anatomy.body, ~anatomy.is_sheet
        self.chosen = np.flatnonzero(solid)
        vertices = body.vertices[self.chosen]
        between = anatomy.bridged[solid[anatomy.bridged].all(axis=1)]
        faces = body.faces[solid[body.faces[:, 0]]]
        self.grid = grid = lattice.build(body.vertices, faces, body.vertices[between], detail.cells)
        self.follow = grid.embedding(vertices)
        self.nearest = self.chosen[cKDTree(vertices).query(grid.nodes)[1]]
        held = np.zeros(len(grid.nodes))
        root = anatomy.root_within(solid)[self.chosen]
        np.maximum.at(held, self.follow.indices, np.repeat(root, np.diff(self.follow.indptr)))
        self.feet = footing.near(grid.nodes, 2.0 * grid.cell)
        self.solid = lattice.Solid(grid, held, STEP, SHEAR, BULK)

        distance = anatomy.distance[self.nearest]
        along, offset = fields.limbs(grid.nodes, distance, 3.0 * grid.cell)
        down = _downward(grid.nodes, anatomy, seed)
        down -= np.einsum("mi,mi->m", down, along)[:, None] * along
        down /= np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 0.3)
        below = np.clip(np.einsum("mi,mi->m", offset, down) / (0.8 * grid.cell), -1.0, 1.0)
        self.below = below * fields.smoothstep(distance / 0.3)  # the foot of a stem is woody
        self.along = along[grid.tets].mean(axis=1)

    def step(self, rest: Rest, positions: Reals) -> None:
        tets, nearest = self.grid.tets, self.nearest

        def within(values: Reals) -> Reals:
            return values[tets].mean(axis=1)

        # the side that faces down shortens and the other does not: the limb bows
        along = within(rest.along[nearest] - rest.droop[nearest] * self.below)
        growth = _stretched(within(rest.across[nearest]), np.maximum(along, 0.05), self.along)
        anchors = self.footing.carry(self.grid.nodes, self.feet)
        self.solid.step(SHEAR * (1.0 - within(rest.soft[nearest])), growth, GRAVITY * rest.load[nearest], anchors)
        positions[self.chosen] = self.follow @ self.solid.positions

    def fork(self) -> Self:
        other = copy(self)
        other.solid = self.solid.fork()
        return other


class Skin:
    """The surface of the solids as a shell of its own: where it has to be larger than what it lies on, it wrinkles.

    A stiff sheet on a soft bed wrinkles with wavelength 2 pi (bending / tether)^(1/4), where compressed by more than
    2 sqrt(bending tether) / stretch (Cerda and Mahadevan, "Geometry and physics of wrinkling", PRL 2003). Both are
    chosen here, and the stiffnesses follow.
    """

    def __init__(self, anatomy: Anatomy, seed: int):
        body, solid = anatomy.body, ~anatomy.is_sheet
        self.chosen = np.flatnonzero(solid)
        index = np.full(len(body.vertices), -1)
        index[self.chosen] = np.arange(len(self.chosen))
        self.sheet = sheet = shell.Sheet(body.vertices[self.chosen], index[body.faces[solid[body.faces[:, 0]]]])
        self.along = _outwards(sheet, anatomy.distance[self.chosen])
        winding = fields.outwardness(body.vertices, body.faces, anatomy.labels)
        self.outward = winding[anatomy.labels[self.chosen], None]
        edge = math.sqrt(4.0 / math.sqrt(3.0) * sheet.area.mean())
        self.wavelength = max(WRINKLE, RESOLVED * edge)
        wavenumber = 2.0 * math.pi / self.wavelength
        self.bending = np.full(len(sheet.hinges), 0.5 * BUCKLING * STRETCH / wavenumber**2)
        tether = 0.5 * BUCKLING * STRETCH * wavenumber**2
        uneven = fields.noise(sheet.vertices, 1.0 / self.wavelength, seed + 6)
        self.uneven = (10.0 * SEED_HEIGHT * self.wavelength * wavenumber**2 * uneven)[sheet.hinges].mean(axis=1)
        none = np.zeros((0, 2), np.int64)
        floor = np.minimum(sheet.vertices[:, 2], 0.0)
        held = np.zeros(len(self.chosen))
        tether = np.full(len(self.chosen), tether)
        self.shell = shell.Shell(sheet, held, none, floor, STEP, STRETCH, DENSITY, tether=tether)
        self.shell.refresh = 10**9  # its stiffness never changes

    def step(self, rest: Rest, positions: Reals) -> None:
        sheet = self.sheet

        def over(values: Reals, elements: NDArray) -> Reals:
            return values[self.chosen][elements].mean(axis=1)

        anchors = positions[self.chosen]
        kappa = sheet.kappa * over(rest.across, sheet.hinges)
        if rest.puff.any():
            flat = sheet.folds(anchors)
            outward = self.outward * fields.normals(anchors, sheet.faces)
            anchors = anchors + rest.puff[self.chosen, None] * outward
            kappa += sheet.folds(anchors) - flat
        # by itself it lies as it is carried, without a force: all that moves it is that it is too large or too small
        excess = np.maximum(over(np.maximum(rest.skin_across, rest.skin_along), sheet.hinges) - 1.0, 0.0)
        kappa -= sheet.hinge_area * self.uneven * excess
        skin = _stretched(over(rest.skin_across, sheet.faces), over(rest.skin_along, sheet.faces), self.along)
        growth = sheet.stretch(anchors) @ skin
        self.shell.step(growth, self.bending, kappa, np.zeros(len(self.chosen)), anchors)
        positions[self.chosen] = self.shell.positions

    def fork(self) -> Self:
        other = copy(self)
        other.shell = copy(self.shell)
        return other


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
        self.shell = shell.Shell(sheet, held, links, floor, STEP, STRETCH, DENSITY)
        feet = np.zeros(len(body.vertices), bool)
        feet[self.chosen[self.anchored]] = True
        self.contact = Contact(body.vertices, body.faces, THICKNESS, anatomy.is_sheet, feet)
        self.yielded = np.zeros(len(sheet.hinges))  # share in which a hinge has taken on the curvature that it had
        self.had = sheet.kappa
        self.along = _outwards(sheet, anatomy.distance[self.chosen])
        tangent = np.einsum("fj,fji->fi", self.along, sheet.frame)
        outwards = np.zeros_like(sheet.vertices)
        np.add.at(outwards, sheet.faces, tangent[:, None])
        outwards = outwards[sheet.hinges].sum(axis=1)
        outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-12)
        self.lengthwise = np.einsum("hi,hi->h", outwards, sheet.hinge_edge) ** 2  # 1: the hinge's edge runs outwards
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

        growth = _stretched(over(rest.across, sheet.faces), over(rest.along, sheet.faces), self.along)
        bow, roll = over(rest.bow, sheet.hinges), over(rest.roll, sheet.hinges)
        curvature = (bow * (1.0 - self.lengthwise) + roll * self.lengthwise) / self.hinge_size
        kappa = sheet.kappa - sheet.hinge_area * curvature
        kappa += self.yielded * (self.had - kappa)
        bending = BENDING * self.hinge_size**2 * np.maximum(1.0 - over(rest.soft, sheet.hinges), 0.02)
        anchors = self._carried(positions)
        if rest.press.any():
            self._press(rest.press[chosen, None])
        touched = np.zeros(len(chosen))

        def touching(x: Reals, margin: float) -> Springs | None:
            positions[chosen] = x
            found = self.contact.springs(positions, margin)
            if found is not None:
                touched[found.jacobian[found.lacking(x) > 0.0].indices] = 1.0
            return found

        self.shell.step(growth, bending, kappa, self.gravity * rest.load[chosen], anchors, touching)
        positions[chosen] = self.shell.positions
        self.contact.settle(positions, np.minimum(rest.along, rest.across), np.maximum(rest.along, rest.across))
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
            anchors[self.anchored] = moved.mean(axis=1) + np.einsum("aij,aj->ai", lattice.turns(rest, moved), arm)
        return anchors


def _outwards(sheet: shell.Sheet, distance: Reals) -> Reals:
    """(F, 2) the unit direction, in each triangle's own axes, in which the distance (N,) from the root grows."""
    d = distance[sheet.faces]
    slope = np.einsum("fk,fkj->fj", d[:, 1:] - d[:, :1], sheet.inverses)
    return slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-12)


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
