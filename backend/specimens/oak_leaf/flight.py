"""How stiff, dry leaves fall: off the twig sideways, swinging, on to a facet of their convex hull that holds them.

Limp sheets bend as they fall (falling.py); a dry leaf keeps its shape and its stalk.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from backend.specimens.core import Array, Draws, mix, ramp, turn

FALL = 0.185  # life time from the twig to the floor


@dataclass(frozen=True, eq=False)
class Flight:
    """Of the leaves that fall: how each goes from the twig to its place on the floor."""

    which: Array  # (m,) leaves
    start: Array  # (m,) life times
    hinge: Array  # (m, 3) the middle of each as it leaves the twig
    dry: Array  # (m, K, 3) points of each about its middle
    spot: Array  # (m, 2)
    spin: Array  # (m, 3) rotation vector from the twig to the floor
    axis: Array  # (m, 3) that it flutters about
    swings: Array  # (m, 2) number and phase

    @classmethod
    def grown(cls, which: Array, start: Array, blades: Array, stalks: Array, draws: Draws) -> "Flight":
        """Of the leaves `which` (m,), that let go at `start` (m,), from points of their dry blades and stalks on the
        twig, (m, K, 3) each."""
        hinge = blades.mean(axis=1)
        dry = np.concatenate([blades, stalks], axis=1) - hinge[:, None]
        landing = _landing(dry, hinge, draws)
        return cls(which, start, hinge, dry, *landing, draws.uniform(np.array([1.0, 0]), np.array([1.7, 2 * np.pi]), 2))

    def moved(self, points: Array, tau: float) -> Array:
        """Points (n, ..., 3) of all leaves on the twig, to where the falling and the fallen ones are."""
        points = points.copy()
        for i, leaf in enumerate(self.which):
            if tau > self.start[i]:
                turned, middle = self._pose(i, min((tau - self.start[i]) / FALL, 1.0))
                points[leaf] = (points[leaf] - self.hinge[i]) @ turned.T + middle
        return points

    def _pose(self, i: int, fall: float) -> tuple[Array, Array]:
        """Rotation and place of the middle of a leaf, `fall` of its way down."""
        count, phase = self.swings[i]
        loose, sinking = min(fall / 0.75, 1.0), max(fall - 0.1, 0.0) / 0.9  # it comes off sideways
        eased = np.array([loose, sinking]) ** 2 * (3 - 2 * np.array([loose, sinking]))
        swing = 2 * np.pi * count * fall + phase
        free = ramp(fall, 0.1, 0.35) * (1 - ramp(fall, 0.65, 1.0))
        pitch = Rotation.from_rotvec(self.axis[i] * (0.5 * np.cos(swing) * free))
        turned = (pitch * Rotation.from_rotvec(self.spin[i] * ramp(fall, 0.0, 0.95))).as_matrix()
        rest = -self._lowest(i, Rotation.from_rotvec(self.spin[i]).as_matrix())
        # It sinks fast in the middle of a swing and hovers where it turns.
        sunk = sinking**1.2 + 0.4 * free * np.sin(2 * swing) / (4 * np.pi * count)
        height = max(mix(self.hinge[i, 2], rest, sunk), -self._lowest(i, turned), rest)
        glide = np.cross(self.axis[i], [0, 0, 1]) * (0.08 * np.sin(swing) * free)
        flat = mix(self.hinge[i, :2], self.spot[i], eased[0])
        return turned, np.array([*flat, height + 0.002]) + glide * [1, 1, 0]

    def _lowest(self, i: int, turned: Array) -> float:
        return float((self.dry[i] @ turned[2]).min())


def _landing(dry: Array, hinge: Array, draws: Draws) -> tuple[Array, Array, Array]:
    """Where leaves (m, K, 3) come to lie, apart from each other and from the twig: (m, 2) places, (m, 3) rotation
    vectors and the axes (m, 3) that they flutter about."""
    spots, spins, axes, reach = [], [], [], []
    ring = np.stack(np.meshgrid(np.linspace(0.2, 1.4, 25), np.linspace(0, 2 * np.pi, 48, endpoint=False)), axis=-1)
    far, way = ring.reshape(-1, 2).T
    choices = np.stack([far * np.cos(way), far * np.sin(way)], axis=-1)
    turns, headings = draws.uniform(0, 2 * np.pi, 12), draws.uniform(0, 2 * np.pi)
    for points, middle, some, heading in zip(dry, hinge, turns, headings, strict=True):
        lying = Rotation.from_matrix(_stable(points))
        ways = [Rotation.from_rotvec([0, 0, way]) * lying for way in some]
        turned = min(ways, key=Rotation.magnitude)  # no wild spin
        rotation = turned.as_matrix()
        spins.append(turned.as_rotvec())
        size = np.linalg.norm((points @ rotation.T)[:, :2], axis=1).max()
        away = [
            np.linalg.norm(choices - spot, axis=1) > 1.02 * (size + other)
            for spot, other in zip(spots, reach, strict=True)
        ]
        free = np.logical_and.reduce([far > size + 0.02, *away])
        spots.append(choices[free][np.linalg.norm(choices[free] - 1.5 * middle[:2], axis=1).argmin()])
        reach.append(size)
        axes.append(turn("z", heading) @ [1.0, 0, 0])
    return np.array(spots), np.array(spins), np.array(axes)


def _stable(points: Array) -> Array:
    """The rotation that lays points (K, 3) about their middle on the floor, where that is nearest to it."""
    hull = ConvexHull(points)
    best, chosen = np.inf, np.array([0.0, 0.0, -1.0])
    for normal, height, corners in zip(hull.equations[:, :3], -hull.equations[:, 3], hull.simplices, strict=True):
        weights = np.linalg.lstsq(
            np.vstack([points[corners].T, np.ones(3)]), np.append(normal * height, 1.0), rcond=None
        )[0]
        if height < best and weights.min() > 0:
            best, chosen = height, normal
    return Rotation.align_vectors([[0.0, 0, -1]], [chosen])[0].as_matrix()
