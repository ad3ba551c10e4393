"""Sets of cameras around one thing, as MVDream's are: a corpus is seen by them, and so is what is distilled from it.

Shi et al., "MVDream" (arXiv:2308.16512), as in their configs (github.com/bytedance/MVDream-threestudio): the cameras of
a set share elevation, field of view and distance, and stand around at even angles.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from backend.render.cameras import Cameras, orbit

VIEWS = 4
# A ball of this radius lies within all pictures: from 1.386 away, at the widest, it fills 0.96 of them.
RADIUS = 0.67


@dataclass(frozen=True)
class Ranges:
    """What sets are drawn from, each number evenly between two. Without another word, MVDream's."""

    fovy: tuple[float, float] = (15.0, 60.0)  # degrees
    distance: tuple[float, float] = (0.8, 1.0)  # times 1 / tan(fovy / 2)
    elevation: tuple[float, float] = (0.0, 30.0)  # degrees


@dataclass(frozen=True)
class Orbit:
    """Cameras at even angles around the origin. Angles in radians."""

    azimuth: float  # of the first: 0 looks at the front
    elevation: float
    fovy: float
    distance: float
    views: int = VIEWS

    @classmethod
    def somewhere(cls, rng: np.random.Generator, ranges: Ranges = Ranges()) -> Self:
        """Half of the elevations are even in angle, half on the sphere."""
        low, high = np.radians(ranges.elevation)
        rise = rng.uniform(low, high) if rng.random() < 0.5 else np.arcsin(rng.uniform(np.sin(low), np.sin(high)))
        fovy = np.radians(rng.uniform(*ranges.fovy))
        azimuth, distance = rng.uniform(0, 2 * np.pi), rng.uniform(*ranges.distance)
        return cls(azimuth, float(rise), float(fovy), distance / np.tan(fovy / 2))

    @classmethod
    def standing(cls, elevation: float, views: int = VIEWS, ranges: Ranges = Ranges()) -> Self:
        """The first looks at the front; field of view and distance are in the middle of what they are drawn from."""
        fovy = float(np.radians(np.mean(ranges.fovy)))
        return cls(0.0, elevation, fovy, float(np.mean(ranges.distance) / np.tan(fovy / 2)), views)

    @property
    def cameras(self) -> Cameras:
        azimuth = self.azimuth + torch.arange(self.views, dtype=torch.float64) * (2 * torch.pi / self.views)
        return orbit(azimuth, self.elevation, self.distance, self.fovy)
