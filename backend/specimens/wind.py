"""Wind: a rooted specimen leans and sways, as a map of space that bends about its foot.

A slender plant in a breeze bends in its first mode, its angle rising with about the square of the height, and the
motion of higher parts lags behind (de Langre, "Effects of wind on plants", Annu. Rev. Fluid Mech. 40, 2008). Being a
map of space, it lets nothing pass through anything.
"""

from dataclasses import dataclass

import numpy as np

from backend.specimens.core import Array, turn

LEAN, SWING = 0.07, 0.10  # radians at the top: the steady lean, and how far it swings about it
ACROSS = 0.35  # of the swing, athwart the wind
LAG = 0.9  # radians of phase from foot to top
SAMPLES = 65  # of the bent axis


@dataclass(frozen=True)
class Breeze:
    """`strength` 1 is usual. It swings `cycles` whole times in a clip, so that the motion loops. It blows one way for
    all that stand in it."""

    strength: float
    cycles: int
    azimuth: float = 0.6  # where it blows to, radians: aside, as the usual camera sees it
    phase: float = 0.0

    def bend(self, points: Array, height: float, time: float) -> Array:
        """(V, 3) metres, of what stands on z = 0 with its top at `height`, at `time` in [0, 1] of the clip."""
        s = np.linspace(0, 1.25, SAMPLES) * height
        reach = (s / height) ** 2
        swing = 2 * np.pi * self.cycles * time + self.phase - LAG * s / height
        gust = 0.75 + 0.25 * np.cos(2 * np.pi * time + self.phase)
        along = self.strength * reach * (LEAN * gust + SWING * gust * np.sin(swing))
        athwart = self.strength * reach * ACROSS * SWING * np.sin(swing + np.pi / 3)
        step = s[1]
        axis = {}
        for name, angle in (("x", along), ("y", athwart)):
            middle = np.sin((angle[1:] + angle[:-1]) / 2)
            axis[name] = np.concatenate([[0.0], np.cumsum(middle * step)])
        rise = np.cos((along[1:] + along[:-1]) / 2) * np.cos((athwart[1:] + athwart[:-1]) / 2)
        axis["z"] = np.concatenate([[0.0], np.cumsum(rise * step)])
        local = points @ turn("z", np.array(self.azimuth))  # x down the wind
        z = np.clip(local[:, 2], 0.0, s[-1])
        about = np.interp(z, s, along), np.interp(z, s, athwart)
        centre = np.stack([np.interp(z, s, axis[name]) for name in "xyz"], axis=1)
        centre[:, 2] += local[:, 2] - z
        x, y = local[:, 0], local[:, 1]
        leaned = np.stack(
            [x * np.cos(about[0]), y * np.cos(about[1]), -x * np.sin(about[0]) - y * np.sin(about[1])], axis=1
        )
        return (centre + leaned) @ turn("z", np.array(self.azimuth)).T
