"""The units of the elastic engine, and growth in them.

Lengths are in sizes of the body, mass is such that a solid has density 1; so an elastic modulus, energy a volume,
is in sizes^2 / s^2, and energy an area in sizes^3 / s^2. All numbers were chosen by eye.
"""

import numpy as np

from backend.geometry.body import Reals
from backend.geometry.shell import Cloth, Sheet

STEP = 1.0 / 24.0  # seconds
GRAVITY = 0.4 * 9.8  # sizes / s^2: Earth's, if the body were 2.5 m large
STRETCH = 30.0  # sizes^3 / s^2, of sheets and skins
DENSITY = 0.1  # of a sheet, mass an area
CLOTH = Cloth(STRETCH, DENSITY, STEP)


def outwards(sheet: Sheet, distance: Reals) -> Reals:
    """(F, 2) the unit direction, in each triangle's own axes, in which the distance (N,) from the root grows."""
    d = distance[sheet.faces]
    slope = np.einsum("fk,fkj->fj", d[:, 1:] - d[:, :1], sheet.inverses)
    return slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-12)


def stretched(across: Reals, along: Reals, direction: Reals) -> Reals:
    """(K, n, n) growth by `along` in each unit direction (K, n), by `across` in all others."""
    size = direction.shape[1]
    outer = direction[:, :, None] * direction[:, None, :]
    return across[:, None, None] * np.eye(size) + (along - across)[:, None, None] * outer
