"""A wafer cone: a flat waffle, baked on a square grid, rolled up. So its cells lie along straight lines of the sheet,
the radius falls round the turn by the sheet's thickness, and there is a step where the edge lies on itself.

    phi  azimuth        z  height above the tip
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backend.specimens.core import Array, Noise, Organ, Skin, finer, lathe_chart, ramp, tint

# Lengths in cones: the cone is 1 high, its tip at 0.
RIM, TIP, THICK, LAP = 0.235, 0.012, 0.020, 0.015  # radii; thickness; how far the rolled edge stands out
CELL, RELIEF = 0.088, 0.007  # of the grid
ROOT = 0.016  # depth at which runs begin

GOLD, TOAST, PALE = np.array([0.50, 0.235, 0.070]), np.array([0.26, 0.095, 0.024]), np.array([0.62, 0.36, 0.14])

# Points (..., 3) of what stands straight and a life time, to points.
Warp = Callable[[Array, float], Array]


@dataclass(frozen=True, eq=False)
class Wafer:
    """A sheet rolled into a cone: its radius falls round the turn, and steps up where the edge lies on itself."""

    seam: float  # azimuth of the edge at the rim
    twist: float  # how far it has turned at the tip
    grid: float  # how the sheet's grid lies, radians

    @classmethod
    def rolled(cls, runs: Array, rng: np.random.Generator) -> "Wafer":
        """Its edge lies where nothing would run down at azimuths `runs` (n,), rising."""
        gaps = np.mod(np.roll(runs, -1) - runs, 2 * np.pi)
        widest = int(gaps.argmax())
        return cls(runs[widest] + gaps[widest] / 2, rng.uniform(0.10, 0.25), rng.uniform(0, np.pi / 2))

    def seam_at(self, z: Array) -> Array:
        """Its azimuth."""
        return self.seam + self.twist * (1 - z)

    def outside(self, phi: Array, z: Array) -> Array:
        """A radius that clears the sheet and its relief."""
        turned = np.mod(phi - self.seam_at(z), 2 * np.pi)
        lap = np.maximum(1 - turned / (2 * np.pi), ramp(turned, 2 * np.pi - 0.2, 2 * np.pi - 0.06))
        return cone_radius(z) + LAP * lap * ramp(z, 0.0, 0.2) + RELIEF / 2

    def ridges(self, turned: Array, z: Array) -> Array:
        """1 on the ridges of the grid, 0 in the cells; `turned` radians from the edge."""
        slope = (RIM - TIP) / np.hypot(1, RIM - TIP)
        length, angle = z / np.sqrt(1 - slope**2), turned * slope + self.grid
        sheet = np.stack([length * np.cos(angle), length * np.sin(angle)]) / CELL
        off = np.abs(sheet - np.round(sheet))
        return 1 - np.prod(1 - np.exp(-((off / 0.17) ** 2)), axis=0)


def cone_radius(z: Array) -> Array:
    """Of the sheet's outside, before its relief and its lap."""
    return TIP + (RIM - TIP) * z


def cone(wafer: Wafer, limp: Warp, size: float, detail: float, rng: np.random.Generator) -> Organ:
    """`size` is its height in metres; `limp` bends it."""
    columns = finer(116, detail)
    z = np.append(0.012 * np.linspace(0, 1, 4)[:-1] ** 2, np.linspace(0.012, 1, finer(66, detail)))[:, None]
    # The last column lies close to the first: between them the edge steps up.
    turned = np.append(np.linspace(0, 2 * np.pi * 0.985, columns - 1), 2 * np.pi * 0.996)
    ridges = wafer.ridges(turned, z)
    lap = LAP * (1 - turned / (2 * np.pi)) * ramp(z, 0.0, 0.2)
    outer = cone_radius(z) + lap + RELIEF * (ridges - 0.5) * ramp(z, 0.02, 0.12)
    outer = outer * np.sqrt(1 - (1 - np.minimum(z / 0.012, 1)) ** 2)
    down = np.array([1.0, 0.985, 0.8, 0.6, 0.42, 0.40])[:, None]
    inner = cone_radius(down) - THICK + 0 * turned
    inner[-1] *= 0
    height = np.concatenate([z, [[1.003]], down]) + 0 * turned
    radius = np.concatenate([outer, [(outer[-1] + inner[0]) / 2], inner])
    phi = wafer.seam_at(height) + turned
    standing = np.stack([radius * np.cos(phi), radius * np.sin(phi), height], axis=-1)
    uneven, specks = Noise.grown(rng, 0.35, 2)(standing), Noise.grown(rng, 0.06, 2)(standing)
    shown = np.concatenate([ridges, np.full((7, columns), 0.5)])
    baked = ramp(0.75 * shown + 0.22 * uneven + 0.12 * specks + 0.3 * ramp(height, 0.9, 1.0), 0.0, 1.3)
    albedo = tint(tint(PALE, GOLD, ramp(baked, 0.0, 0.5)), TOAST, 0.75 * ramp(baked, 0.45, 1.0))
    albedo *= 1 - 0.25 * (1 - ramp(turned, 0.0, 0.25)[:, None])  # edges brown first

    def at(tau: float) -> Skin:
        soaked = 0.30 * ramp(ramp(height, 0.0, 1.0) + 1.6 * ramp(tau, 0.35, 1.2) - 1.1)
        points = limp(standing, tau) * size
        return Skin(points[None], (albedo * (1 - soaked[..., None]))[None], (0.62 - 0.5 * soaked)[None])

    chart = lathe_chart(radius[None] * size, height[None] * size)
    return Organ("cone", chart, at, closed=True, poles=(True, True))
