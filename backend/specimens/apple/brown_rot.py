"""Brown rot of a round fruit: where it is at what time, and where its spores stand.

Monilinia fructigena enters at wounds; its lesions widen by the same length a day and bear spores in buff tufts on
rings, one ring for each day (Byrde & Willetts, "The Brown Rot Fungi of Fruit: Their Biology and Control", 1977; Hall,
"An analysis of the factors controlling the growth form of certain fungi, with especial reference to Sclerotinia
(Monilia) fructigena", Ann. Bot. 47, 1933). Lengths are in heights of the fruit, about 1; times in [0, 1] of the
stretch in which it spoils.
"""

from dataclasses import dataclass

import numpy as np

from backend.specimens.core import Array, Chance, Noise, ramp

RING = 0.13  # heights between two rings of tufts: a day's growth of a lesion
SPREAD = 1.75  # heights that a lesion grows by from RIPE to the end


@dataclass(frozen=True, eq=False)
class Lesions:
    """Where rot has been, told at each vertex of a grid. Times in [0, 1] of the stretch that spoils."""

    reached: Array  # when the rot comes
    distance: Array  # heights, from the wound it comes from
    tuft: Array  # in [0, 1], how much of a tuft of spores grows here
    breaks: Array  # when that tuft breaks through the skin

    @classmethod
    def grown(cls, points: Array, chance: Chance) -> "Lesions":
        """On the ripe fruit's points (1, rows, columns, 3), in heights."""
        rng = chance.of("rot")
        n = int(rng.integers(3, 5))
        wobble = Noise.grown(rng, 0.55, 3)
        azimuth = rng.uniform(0, 2 * np.pi) + np.arange(n) * (2.4 + rng.uniform(-0.4, 0.4, n))
        rise = rng.uniform(0.3, 0.85, n)
        start = np.concatenate([[0.0], np.sort(rng.uniform(0.08, 0.4, n - 1))])
        wounds = _nearest(points, azimuth, rise)
        away = _over_skin(points, wounds)
        reach = away * (1 + 0.045 * wobble(points))[..., None]
        arrival = start + reach / SPREAD
        first = arrival.argmin(axis=-1)
        chosen = first[..., None]
        distance = np.take_along_axis(reach, chosen, -1)[..., 0]
        reached = np.take_along_axis(arrival, chosen, -1)[..., 0]
        day = np.round(distance / RING)
        ring = np.exp(-(((distance - day * RING) / (0.23 * RING)) ** 2)) * (day > 0)
        tuft = ring * (0.12 + 0.88 * ramp(Noise.grown(chance.of("tufts"), 0.13, 2)(points), -0.9, 0.7))
        breaks = start[first] + day * RING / SPREAD + 0.13
        return cls(reached, distance, tuft, breaks)

    def age(self, t: float) -> Array:
        """Since the rot came, in shares of the stretch; negative where it has not."""
        return t - self.reached


def _nearest(points: Array, azimuth: Array, rise: Array) -> Array:
    """(n, 3) points of the skin at azimuths and heights (n,), outside the cavity."""
    flat = points.reshape(-1, 3)
    flat = flat[np.hypot(flat[:, 0], flat[:, 1]) > 0.4]
    wanted = np.stack([0.55 * np.cos(azimuth), 0.55 * np.sin(azimuth), rise], axis=-1)
    return flat[np.linalg.norm(flat[None] - wanted[:, None], axis=-1).argmin(axis=1)]


def _over_skin(points: Array, wounds: Array) -> Array:
    """(..., n) distances over a nearly round fruit: along the chord's arc."""
    chord = np.linalg.norm(points[..., None, :] - wounds, axis=-1)
    return 1.12 * np.arcsin(np.clip(chord / 1.12, 0, 1))
