"""The outline of an oak's blade, laid flat: obovate, auricled, three to six rounded lobes a side (Schwarz in "Flora
Europaea" 1, 1964).

    v  along the midrib, in [0, 1]; lengths are shares of the blade's
"""

from dataclasses import dataclass

import numpy as np

from backend.specimens.core import Array, Draws, mix, ramp


@dataclass(frozen=True, eq=False)
class Outline:
    """How wide a blade is: its lobes, each side's its own. Arrays (n, 2, lobes): the left side, then the right."""

    centre: Array
    size: Array

    @classmethod
    def grown(cls, lobes: int, draws: Draws) -> "Outline":
        """One for each of the draws."""
        spacing, ahead = 0.70 / (lobes + 0.3), np.sign(draws.uniform(-1.0, 1.0, 1, 1))
        drawn = draws.uniform(0.0, 1.0, lobes, 4).transpose(0, 2, 1)  # one more lobe is drawn after the others
        centre = 0.17 + spacing * (np.arange(lobes) + 0.5 + mix(-0.13, 0.13, drawn[:, :2]))
        return cls(centre + spacing * np.array([[0.14], [-0.14]]) * ahead, mix(0.84, 1.1, drawn[:, 2:]))

    def margin(self, v: Array) -> tuple[Array, Array, Array]:
        """Along, across and how near to the middle of a lobe, each (n, 2, rows), at v (rows,)."""
        body = self.body(v)
        bump, size = self._near(v)
        deep = 0.46 * min(1.0, 5 / self.centre.shape[2]) ** 0.6
        sinus = body * (1 - deep * ramp(v, 0.08, 0.3) * (1 - 0.35 * ramp(v, 0.7, 0.95)))
        half = sinus + (body * size - sinus) * bump
        ears = np.exp(-(((v - 0.012) / 0.02) ** 2))
        half = half + 0.030 * ears * ramp(v, -0.004, 0.008)
        return v + 0.16 * (half - sinus) - 0.035 * ears, half, bump

    @staticmethod
    def body(v: Array) -> Array:
        """(rows,) half width over length, without lobes: widest at two thirds."""
        return (
            0.012
            + 0.275 * np.sin(np.pi * np.clip(v, 0, 1) ** 1.3) ** 0.66 * mix(0.62, 1.0, ramp(v, 0.0, 0.5))
            - 0.012 * v**8
        )

    def _near(self, v: Array) -> tuple[Array, Array]:
        """How near to the middle of a lobe, also of the one at the end, and the size of that lobe."""
        ends = np.ones((*self.centre.shape[:2], 1))
        knots = np.concatenate([self.centre, ends], axis=2)
        before = np.concatenate([2 * knots[..., :1] - knots[..., 1:2], knots], axis=2)
        # Half way to the next lobe is a sinus.
        sinus = np.concatenate([(before[..., 1:] + before[..., :-1]) / 2, 2 * ends], axis=2)
        lobe = (v[:, None] > sinus[:, :, None, 1:]).sum(axis=-1)
        low, high, middle = (
            np.take_along_axis(each, lobe, axis=2) for each in (sinus[..., :-1], sinus[..., 1:], knots)
        )
        away = np.where(v < middle, (middle - v) / (middle - low), (v - middle) / (high - middle))
        bump = 0.5 - 0.5 * np.cos(np.pi * (1 - np.clip(away, 0, 1) ** 2.1))
        return bump, np.take_along_axis(np.concatenate([self.size, ends], axis=2), lobe, axis=2)
