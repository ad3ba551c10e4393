"""What lets go, flutters to the floor and rests: petals, tepals, leaves.

A thin plate that falls broadside gathers speed, sinks evenly and rocks from side to side (Andersen, Pesavento & Wang,
"Unsteady aerodynamics of fluttering and tumbling plates", J. Fluid Mech. 541, 2005). Here the fall is a path with that
rocking, no aerodynamics are solved.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from backend.specimens.core import Array, mix, ramp, turn


@dataclass(frozen=True)
class Landing:
    """Where a sheet comes to rest and how it gets there. `swing` is its rocking in radians, and of its way aside."""

    spot: tuple[float, float]  # metres
    heading: float  # radians, of its length
    arch: float  # radians that its length bends when it lies, up in the middle
    swing: tuple[float, float]
    phase: float
    hangs: float = 0.14  # of the fall: it comes loose sideways before it sinks


@dataclass(frozen=True, eq=False)
class Fall:
    """One sheet that lets go at life time `start` and lies after `lasts` more. World space, metres.

    Its points are (rows, columns, 3), rows along it from where it was held, columns across.
    """

    start: float
    lasts: float
    centre: Array  # (3,) where it lets go
    frame: Array  # (3, 3) then: columns across it, along it, off it
    shape: Array  # (rows, columns, 3) in that frame
    rest: Array  # (rows, columns, 3) in its own frame, when it lies
    landing: Landing

    @classmethod
    def of(cls, held: Array, start: float, lasts: float, landing: Landing) -> "Fall":
        """Of a sheet that is at `held` (rows, columns, 3) when it lets go."""
        centre = held.mean(axis=(0, 1))
        frame = _frame(held[:, -1].mean(axis=0) - held[:, 0].mean(axis=0), held[-1].mean(axis=0) - held[0].mean(axis=0))
        shape = (held - centre) @ frame
        return cls(start, lasts, centre, frame, shape, _lying(shape, landing.arch), landing)

    def placed(self, held: Array, tau: float) -> Array:
        """(rows, columns, 3) at tau; `held` while it has not let go."""
        if tau <= self.start:
            return held
        done = min((tau - self.start) / self.lasts, 1.0)
        landing = self.landing
        way = np.array([np.cos(landing.heading), np.sin(landing.heading), 0.0])
        lying = _frame(np.array([-way[1], way[0], 0.0]), way)
        turned = Rotation.from_matrix(self.frame.T @ lying).as_rotvec() * ramp(done, 0.15, 1.0)
        loose = ramp(done, 0.15, 0.5) * ramp(1 - done, 0.0, 0.35)
        rocking = np.sin(4 * np.pi * done + landing.phase) * loose
        frame = self.frame @ Rotation.from_rotvec(turned).as_matrix() @ turn("x", landing.swing[0] * rocking)
        points = mix(self.shape, self.rest, ramp(done, 0.25, 1.0)) @ frame.T
        across = np.array(landing.spot) - self.centre[:2]
        aside = self.centre[:2] + across * ramp(done, 0.0, 0.6)  # first away from where it was held
        aside = aside + landing.swing[1] * rocking * np.array([-across[1], across[0]])
        points[..., :2] += aside
        held_at = (self.shape @ self.frame.T)[..., 2].min() + self.centre[2]
        size = np.ptp(self.shape[..., 1])
        sunk = _sunk(max(done - landing.hangs, 0.0) / (1 - landing.hangs))
        points[..., 2] += mix(held_at, 0.01 * size, sunk) - points[..., 2].min()
        return points


def _sunk(done: float) -> float:
    """The share of the way down: it gathers speed for a fourth of the time, sinks evenly, and lands softly."""
    times, speeds = np.array([0.0, 0.25, 0.85, 1.0]), np.array([0.0, 1.0, 1.0, 0.25])
    ways = np.concatenate([[0.0], np.cumsum(np.diff(times) * (speeds[1:] + speeds[:-1]) / 2)])
    k = min(int(np.searchsorted(times, done, "right")) - 1, 2)
    part = done - times[k]
    gain = (speeds[k + 1] - speeds[k]) * part / (times[k + 1] - times[k]) / 2
    return float((ways[k] + part * (speeds[k] + gain)) / ways[-1])


def _frame(across: Array, length: Array) -> Array:
    """Columns across, along, off a sheet."""
    y = length / np.linalg.norm(length)
    x = across - (across @ y) * y
    x = x / np.linalg.norm(x)
    return np.stack([x, y, np.cross(x, y)], axis=-1)


def _lying(shape: Array, arch: float) -> Array:
    """A limp sheet as it rests: its length an arc, its margins lifted a little, as wide and as long as it was."""
    step = np.linalg.norm(np.diff(shape, axis=0), axis=-1).mean(axis=1)
    s = np.concatenate([[0.0], np.cumsum(step)])
    t = s / s[-1] - 0.5
    y, z = s[-1] * np.sin(arch * t) / arch, s[-1] * (np.cos(arch * t) - 1) / arch
    wide = np.linalg.norm(np.diff(shape, axis=1), axis=-1).sum(axis=1)
    u = np.linspace(-1, 1, shape.shape[1])
    lift = 0.055 * wide[:, None] * u**2 * np.sin(5 * t + 2)[:, None]
    return np.stack(np.broadcast_arrays(wide[:, None] / 2 * u, y[:, None], z[:, None] + lift), axis=-1)
