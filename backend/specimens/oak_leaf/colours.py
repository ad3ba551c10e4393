"""The colours of an oak's blades: green, which goes last along the veins, what they turn to, and crisp brown.

Chlorophyll goes before the yellow carotenoids, between the veins first and along them last: Matile, Hoertensteiner &
Thomas, "Chlorophyll degradation", Annu. Rev. Plant Physiol. 50, 1999; Keskitalo et al., "A cellular timetable of autumn
senescence", Plant Physiol. 139, 2005.
"""

from dataclasses import dataclass

import numpy as np

from backend.specimens.core import Array, Noise, mix, ramp, tint

GREEN, GREEN_VEIN = np.array([0.038, 0.092, 0.016]), np.array([0.15, 0.22, 0.06])
YELLOW = np.array([0.58, 0.40, 0.045])
CRISP, CRISP_DARK = np.array([0.25, 0.125, 0.050]), np.array([0.085, 0.038, 0.016])


@dataclass(frozen=True, eq=False)
class Paint:
    """The colours of blades, (n, rows, columns, ...)."""

    tone: Array  # (n, 1, 1, 3) of each: its hue, how bright it turns, how bright it is when green
    colour: Array  # (n, 1, 1, 3) that each turns to
    hold: Array  # how long green is held: 1 at a vein, 0 at the margin between
    vein: Array
    spots: Array
    edge: Array
    flecks: Array

    @classmethod
    def of(cls, tone: Array, mottle: Noise, ripe: Array, grid: tuple[Array, ...]) -> "Paint":
        """Of blades of tones (n, 3) that turn to `ripe` (3,). The grid: u, v; along, across and how near to a lobe's
        middle, (n, rows, columns) each."""
        u, v, x, y, lobe = grid
        tone = tone[:, None, None]
        own = 6.0 * np.arange(len(tone))[:, None, None]
        spots = mottle(np.stack(np.broadcast_arrays(x, y, own), axis=-1))
        midrib = np.exp(-((y / 0.012) ** 2))
        side = ramp(lobe, 0.965, 1.0) * (1 - 0.7 * np.abs(u)) * ramp(v, 0.05, 0.15)[:, None]
        vein = np.clip(midrib + 0.65 * side, 0, 1)
        edge = ramp(np.abs(u) + 0 * y, 0.45, 1.0)
        hold = np.clip(
            0.50 * np.exp(-((y / 0.05) ** 2)) + 0.5 * ramp(lobe, 0.3, 1.0) * (1 - np.abs(u)) - 0.25 * edge, -0.3, 1
        )
        hue = tone[..., :1]
        colour = mix(ripe, YELLOW, 0.6 * ramp(hue, 0.85, 1.2)) * tone[..., 1:2]
        flecks = ramp(mottle(4 * np.stack(np.broadcast_arrays(x, y, own), axis=-1)), 0.9, 2.4)
        return cls(tone, colour, hold, vein, spots, edge, flecks)

    def at(self, turned: Array, dry: Array) -> tuple[Array, Array]:
        """Albedo and roughness of blades that have turned and dried so far (n,), 0 to 1."""
        turned, dry, tone = turned[:, None, None], dry[:, None, None], self.tone[..., 2:]
        green = tint(GREEN * tone, GREEN_VEIN, 0.9 * self.vein) * (1 + 0.07 * self.spots)[..., None]
        yellowed = ramp(1.9 * turned - 0.75 * (self.hold + 0.4) - 0.12 * self.spots, 0.0, 0.55)
        coloured = ramp(1.9 * turned - 0.75 * (self.hold + 0.4) - 0.22 * self.spots - 0.35, 0.0, 0.6)
        ripe = self.colour * (1 + 0.16 * self.spots)[..., None]
        ripe = tint(tint(ripe, 0.55 * self.colour + 0.4 * YELLOW, 0.6 * self.vein), CRISP_DARK, 0.75 * self.flecks)
        albedo = tint(tint(green, YELLOW * tone, yellowed * 0.9), ripe, coloured)
        crisp = tint(CRISP, CRISP_DARK, np.clip(0.28 + 0.28 * self.spots + 0.25 * self.edge + 0.3 * self.flecks, 0, 1))
        crisp = tint(crisp, 0.55 * self.colour + 0.03, 0.3 + 0.2 * self.vein) * tone
        rust = ramp(1.5 * dry + 0.55 * self.edge * ramp(turned, 0.3, 1.0) + 0.16 * self.spots - 0.48, 0.0, 0.8)
        return tint(albedo, crisp, rust), mix(0.45, 0.85, np.maximum(rust, 0.5 * coloured))
