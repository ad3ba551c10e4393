"""Leaves as midribs: plane curves that start at the nodes of a shoot, and what is laid out about them.

angle  of a midrib to the shoot, radians: 0 is along it, pi / 2 straight out, pi back down
side, lift, on  of a point of a leaf from its midrib: to the left, towards the upper face, further along
"""

from dataclasses import dataclass, replace

import numpy as np

from backend.specimens.core import Array, Spine, along, turn

Start = tuple[Array, Array]  # (n,) each: out from the shoot's axis and up along it


@dataclass(frozen=True, eq=False)
class Nodes:
    """Where n midribs start."""

    points: Array  # (n, 3) on the shoot's axis
    frames: Array  # (n, 3, 3) columns: outwards, to the left, along the shoot
    radius: Array  # (n,) of the shoot

    @classmethod
    def on(cls, spine: Spine, s: Array, azimuth: Array, radius: Array) -> "Nodes":
        """At s (n,) of the shoot's spine, facing `azimuth` (n,)."""
        points, frames = spine.pose(s)
        return cls(points, frames @ turn("z", azimuth), radius)

    def turned(self, angle: Array) -> "Nodes":
        """The same, turned left about the shoot by angle (n,)."""
        return replace(self, frames=self.frames @ turn("z", angle))

    def down(self) -> Array:
        """(n,) the angle at which a midrib hangs, in [0, 2 pi)."""
        return np.mod(np.arctan2(-self.frames[:, 2, 0], -self.frames[:, 2, 2]), 2 * np.pi)

    def placed(self, local: Array) -> Array:
        """Points (n, ..., 3) given in the nodes' frames."""
        shape = local.shape
        flat = local.reshape(shape[0], -1, 3) @ self.frames.transpose(0, 2, 1) + self.points[:, None]
        return flat.reshape(shape)


def surface(start: Start, angle: Array, length: Array, section: tuple[Array, Array, Array]) -> tuple[Array, Start]:
    """Points (n, rows, columns, 3) in the nodes' frames, and where the midribs end.

    angle (n, rows), length (n,); section is side, lift and on, each (n, rows, columns).
    """
    across, up = along(angle, length[:, None] / (angle.shape[1] - 1))
    across, up = across + start[0][:, None], up + start[1][:, None]
    sin, cos = np.sin(angle)[..., None], np.cos(angle)[..., None]
    side, lift, on = section
    out, high = across[..., None] - cos * lift + sin * on, up[..., None] + sin * lift + cos * on
    return np.stack(np.broadcast_arrays(out, side, high), axis=-1), (across[:, -1], up[:, -1])


def petioles(shoot_radius: Array, angle: Array, length: Array, radius: Array, sides: int) -> tuple[Array, Start]:
    """Leaf stalks (n, rows, sides, 3) in the nodes' frames, closed at the far end, and where they end.

    angle (n, rows), length and radius (n,). Their feet lie on the shoot's surface, which they do not cut.
    """
    rows = angle.shape[1]
    phi = np.arange(sides) * (2 * np.pi / sides)
    ring = radius[:, None, None] * np.linspace(1.0, 0.75, rows)[:, None] * np.ones(sides)
    section = ring * np.sin(phi), -ring * np.cos(phi), 0 * phi
    start = 1.1 * shoot_radius + radius * np.cos(angle[:, 0]).clip(0, 1), 0 * radius
    points, end = surface(start, angle, length, section)
    foot = np.minimum(1.35 * radius, 0.8 * shoot_radius)[:, None]
    out = np.sqrt((1.06 * shoot_radius[:, None]) ** 2 - (foot * np.sin(phi)) ** 2)
    points[:, 0] = np.stack([out, foot * np.sin(phi), -foot * np.cos(phi)], axis=-1)
    return points, end


def petiole_chart(length: Array, radius: Array, rows: int, sides: int) -> Array:
    """(n, rows, sides + 1, 2) for lengths and radii (n,)."""
    around = np.arange(sides + 1) * (2 * np.pi / sides) * radius[:, None, None]
    return np.stack(np.broadcast_arrays(around, np.linspace(0, 1, rows)[:, None] * length[:, None, None]), axis=-1)
