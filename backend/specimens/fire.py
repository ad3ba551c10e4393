"""Flames and embers: what a candle and a match share.

A flame is a drop of light, open below where its fuel goes in. Hot soot makes it yellow; at the root, where there is
none yet, it is blue and thin (Gaydon & Wolfhard, "Flames: their structure, radiation and temperature", 1979). Its light
is its albedo, sent out (emission 1). It moves by a few waves over life time, so the same moment looks the same again.
"""

from dataclasses import dataclass

import numpy as np

from backend.specimens.core import Array, Chance, Spine, mix, ramp, tint, turn

CHAR, EMBER = np.array([0.012, 0.011, 0.010]), np.array([1.0, 0.20, 0.02])
ROOT, HEART = np.array([0.012, 0.022, 0.050]), np.array([0.75, 0.11, 0.009])
BODY, TIP = np.array([1.0, 0.23, 0.055]), np.array([1.0, 0.10, 0.007])


def colour(q: Array, blue: float = 1.0) -> Array:
    """(..., 3) along a flame: as `blue` as that at the root, darker about the fuel, bright, orange at the tip."""
    root = mix(HEART, ROOT, blue)
    return tint(tint(tint(root, HEART, ramp(q, 0.02, 0.24)), BODY, ramp(q, 0.16, 0.50)), TIP, ramp(q, 0.60, 1.0))


def opacity(q: Array, burning: float) -> Array:
    """Along a flame that burns from not at all (0) to fully (1)."""
    return ramp(burning, 0.02, 0.2) * mix(0.55, 0.96, ramp(q, 0.0, 0.3))


@dataclass(frozen=True, eq=False)
class Flicker:
    """How flames beside one another move in one draught."""

    draught: float  # where it blows to, radians
    phases: Array  # (flames, 6)

    @classmethod
    def of(cls, flames: int, chance: Chance) -> "Flicker":
        phases = chance.each("flame", flames).uniform(0, 2 * np.pi, 6)
        return cls(chance.of("draught").uniform(0, 2 * np.pi), phases)

    def stretch(self, tau: float, flame: int) -> float:
        """Of a flame's length."""
        p = self.phases[flame]
        return 1 + 0.05 * np.sin(61 * tau + p[4]) + 0.04 * np.sin(109 * tau + p[5])

    def width(self, q: Array, tau: float, flame: int = 0) -> Array:
        """Radius along a flame, 1 where it is widest, a third of the way up, with the swellings that rise in it."""
        wave = ramp(q, 0.15, 0.6) * np.sin(9 * q - 97 * tau + self.phases[flame, 0])
        return q**0.55 * (1 - q) ** 1.15 / (0.32**0.55 * 0.68**1.15) * (1 + 0.08 * wave)

    def spine(self, origin: Array, axis: Array, length: float, tau: float, turning: float, flame: int = 0) -> Spine:
        """A flame's curve: from `origin` along `axis`, the way its fuel points, then up (as far as `turning`, in
        [0, 1]) and swaying."""
        q, p = np.linspace(0, 1, 65)[:, None], self.phases[flame]
        along, across = turn("z", np.array(self.draught)).T[:2]
        lean = 0.10 + 0.09 * (np.sin(37 * tau + p[0]) + 0.6 * np.sin(83 * tau + p[1]))
        sway = 0.07 * np.sin(47 * tau + p[2]) + 0.05 * np.sin(101 * tau + p[3])
        rising = np.array([0, 0, 1.0]) + q**1.5 * (lean * along + sway * across)
        z = mix(axis, rising, turning * ramp(q, 0.0, 0.35))
        z /= np.linalg.norm(z, axis=1, keepdims=True)
        x = along - (z @ along)[:, None] * z
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        steps = (z[1:] + z[:-1]) * (length / (len(z) - 1) / 2)
        points = origin + np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
        return Spine(points, np.stack([x, np.cross(z, x), z], axis=-1))
