"""A liquid that spreads on the floor about the foot of something: a flat cap of known volume with a rounded rim, as
capillarity or a thick liquid's own stiffness holds it, and a well in it in which that something stands. So neither
passes through the other.

Source: de Gennes, Brochard-Wyart & Quere, "Capillarity and Wetting Phenomena", 2004: gravity flattens what is wider
than a few capillary lengths, and its thickness no longer depends on its volume. Departs from it: the rim is a quarter
of an ellipse, and the outline is drawn by chance.
"""

from dataclasses import dataclass

import numpy as np

from backend.specimens.core import Array, mix, ramp
from backend.specimens.solids import enclosed


def area(outline: Array) -> float:
    """Of a polygon (columns, 2) that turns left."""
    return float(_wedge(outline, np.roll(outline, -1, axis=0)).sum()) / 2


def _wedge(a: Array, b: Array) -> Array:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def unit(angle: Array) -> Array:
    """Directions (..., 2) in the plane."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


@dataclass(frozen=True, eq=False)
class Outline:
    """Of a puddle that spreads: from one outline to others of any area. All (columns, 2), turning left."""

    first: Array
    way: Array  # how each point runs

    @classmethod
    def drawn(cls, first: Array, rng: np.random.Generator) -> "Outline":
        """Uneven, and further to one side: no floor is level."""
        columns = len(first)
        turn = np.arctan2(first[0, 1], first[0, 0])
        angle = turn + np.arange(columns) * (2 * np.pi / columns)
        modes = np.arange(1, 9)
        swell = rng.normal(size=(2, len(modes))) * 0.34 / (1 + modes) ** 1.45
        radius = 1 + swell[0] @ np.cos(modes[:, None] * angle) + swell[1] @ np.sin(modes[:, None] * angle)
        return cls(first, np.maximum(radius, 0.45)[:, None] * unit(angle))

    def holding(self, wanted: float) -> Array:
        """The outline that has this area; not less than the first."""
        grown = max(wanted / area(self.first), 1.002)
        first = self.first / (1 + 0.12 * (grown - 1))  # its corners are forgotten
        after_first, after_way = np.roll(first, -1, axis=0), np.roll(self.way, -1, axis=0)
        square = _wedge(self.way, after_way).sum() / 2
        linear = (_wedge(first, after_way) + _wedge(self.way, after_first)).sum() / 2
        missing = grown * area(self.first) - area(first)
        return first + self.way * ((np.sqrt(linear**2 + 4 * square * missing) - linear) / (2 * square))


def puddle(foot: Array, rim: Array, lift: float, rows: int, held: tuple[float, float]) -> tuple[Array, Array]:
    """(rows + 6, columns, 3) and how deep it is there, 1 at its deepest: a flat cap from `rim`, where it meets the
    floor, to `foot`, with a well in it whose ground is `lift` above the floor. Outlines (columns, 2). `held` is its
    volume, which is met, and about how thick it is."""
    volume, thick = held
    inward = (np.linspace(0, 1, rows + 1)[1:] ** 2.0)[:, None, None]
    top = mix(rim, foot, inward)
    width = np.linalg.norm(rim - foot, axis=-1)
    from_rim, from_foot = inward[..., 0] * width, (1 - inward[..., 0]) * width
    edge = np.minimum(1.8 * thick, 0.7 * width)
    depth = np.sqrt(1 - (1 - np.minimum(from_rim / edge, 1)) ** 2)
    climbs = 0.12 * np.exp(-from_foot / (0.4 * thick)) * ramp(from_rim / edge, 0.2, 1.0)
    centre = foot.mean(axis=0)
    flat = [centre + 0 * rim, mix(centre, rim, 0.5), rim]
    well = [foot, mix(centre, foot, 0.5), centre + 0 * foot]
    plan = np.concatenate([flat, top, well])
    share = np.concatenate([np.zeros((3, len(rim))), depth + climbs, np.zeros((3, len(rim)))])
    ground = np.concatenate([np.zeros(len(share) - 3), np.full(3, lift)])[:, None] + 0 * share

    def standing(thickness: float) -> Array:
        return np.concatenate([plan, (ground + thickness * share)[..., None]], axis=-1)

    # Volume is linear in thickness, as no point moves across the floor.
    empty, full = enclosed(standing(0.0)), enclosed(standing(1.0))
    shown = np.concatenate([np.zeros((3, len(rim))), depth, np.ones((3, len(rim)))])
    return standing((volume - empty) / (full - empty)), shown
