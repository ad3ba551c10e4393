"""The surface of the solids, where it wrinkles."""

import math
from copy import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray

from backend.geometry import fields, shell
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Reals
from backend.geometry.elastic.units import CLOTH, STRETCH, outwards, stretched
from backend.geometry.rest import Rest
from backend.geometry.standoff import StandOff

WRINKLE = 0.112  # wavelength of a skin's wrinkles, in sizes
RESOLVED = 7.24  # edges that a wrinkle needs: on a coarse mesh there are fewer and larger ones
BUCKLING = 0.0208  # compression at which a skin gives way and wrinkles
HINGED = 3.0  # times the stiffness of its hinges: how a mesh of equilateral triangles resists bending
ROOM = 0.57  # wavelengths around a place where the skin touches itself, over which it is held back
SEED_LENGTH = 0.76  # of the unevenness that wrinkles start from, in wavelengths
SEED_HEIGHT = 0.02  # of that length, for each tenth by which a skin is too large


class Skin:
    """The surface of the solids as a shell of its own: where it has to be larger than what it lies on, it wrinkles.

    The length of its wrinkles, and the compression at which they begin, are chosen, and the stiffnesses follow.
    """

    def __init__(self, anatomy: Anatomy, seed: int):
        body, solid = anatomy.body, ~anatomy.is_sheet
        self.chosen = np.flatnonzero(solid)
        index = np.full(len(body.vertices), -1)
        index[self.chosen] = np.arange(len(self.chosen))
        self.sheet = sheet = shell.Sheet(body.vertices[self.chosen], index[body.faces[solid[body.faces[:, 0]]]])
        self.along = outwards(sheet, anatomy.distance[self.chosen])
        winding = fields.outwardness(body.vertices, body.faces, anatomy.labels)
        self.outward = winding[anatomy.labels[self.chosen], None]
        edge = math.sqrt(4.0 / math.sqrt(3.0) * sheet.area.mean())
        self.wavelength = max(WRINKLE, RESOLVED * edge)
        bending, tether = film_on_bed(self.wavelength, BUCKLING, STRETCH)
        self.bending = np.full(len(sheet.hinges), bending)
        seed_length = SEED_LENGTH * self.wavelength
        uneven = fields.noise(sheet.vertices, 1.0 / seed_length, seed + 6)
        self.uneven = (10.0 * SEED_HEIGHT * (2.0 * math.pi) ** 2 / seed_length * uneven)[sheet.hinges].mean(axis=1)
        none = np.zeros((0, 2), np.int64)
        floor = np.minimum(sheet.vertices[:, 2], 0.0)
        held = np.zeros(len(self.chosen))
        tether = np.full(len(self.chosen), tether)
        self.shell = shell.Shell(sheet, CLOTH, held, none, floor, tether)
        self.shell.refresh = 10**9  # its stiffness never changes
        self.standoff = StandOff(sheet.vertices, sheet.faces, ROOM * self.wavelength)

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
        skin = stretched(over(rest.skin_across, sheet.faces), over(rest.skin_along, sheet.faces), self.along)
        growth = sheet.stretch(anchors) @ skin
        self.shell.step(growth, self.bending, kappa, np.zeros(len(self.chosen)), anchors)
        positions[self.chosen] = self.standoff.clear(positions[self.chosen], self.shell.positions)

    def fork(self) -> Self:
        other = copy(self)
        other.shell, other.standoff = copy(self.shell), copy(self.standoff)
        return other


def film_on_bed(wavelength: float, buckling: float, stretch: float) -> tuple[float, float]:
    """(bending of each hinge, tether an area) with which a film of stiffness `stretch` wrinkles at that wavelength,
    where it is compressed by more than `buckling`.

    A film of bending stiffness B on a soft bed of stiffness K wrinkles at 2 pi (B / K)^(1/4), beyond a compression of
    2 sqrt(B K) / stretch (Cerda and Mahadevan, "Geometry and physics of wrinkling", PRL 2003).
    """
    wavenumber = 2.0 * math.pi / wavelength
    bed = 0.5 * buckling * stretch * wavenumber**2
    return bed / wavenumber**4 / HINGED, bed
