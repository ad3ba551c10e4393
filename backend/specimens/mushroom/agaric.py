"""Where the parts of an agaric are at any life time: along its stem, and on, in or under its cap.

Everything on the cap is told in the cap's own coordinates, which move as one: flesh, gills below it and warts above it
keep their order because each keeps its depth.

    s     along a meridian of the cap, 0 at its middle, 1 at its margin    phi   about the axis, radians
    depth below the upper skin, in heights; warts have a negative one      psi   slope of the skin below level
"""

from dataclasses import dataclass

import numpy as np

from backend.species import Mushroom
from backend.specimens.core import Array, Noise, Spine, mix, ramp, turn

# Landmarks of life time: the cap is open; it begins to rot.
OPEN, ROTS = Mushroom.life.stretches["grow"].end, Mushroom.life.stretches["rot"].start

# Heights of the grown mushroom, radians.
STEM, BALL, RIM = 0.90, 2.45, 0.066  # stem's length; slope of a button's margin; how high that margin stands
YOUNG_REACH = 0.30  # of a button's cap, along its skin
SAMPLES = 400  # of a meridian and of the stem


def opened(tau: float) -> float:
    """How far the cap has opened, 0 to 1."""
    return float(ramp(tau / OPEN, 0.2, 1.02))


def stretched(tau: float) -> float:
    """How far the stem has stretched, 0 to 1."""
    return float(ramp(tau / OPEN, 0.02, 0.92))


def rotten(tau: float) -> float:
    """How far it has rotted, 0 to 1."""
    return float(np.clip((tau - ROTS) / (1 - ROTS), 0, 1))


@dataclass(frozen=True, eq=False)
class Agaric:
    """What is drawn once for an individual, and the two coordinate systems that organs live in: stem and cap."""

    mushroom: Mushroom
    facing: float  # azimuth it leans and falls to
    lean: float
    wave: tuple[float, float]
    lobes: tuple[Array, Array]  # waves of the cap's margin: amplitudes and phases
    droop: tuple[Array, Array]
    splits: tuple[Array, Array]  # azimuths and depths
    wrinkles: Noise  # over the unit disc of the cap
    scale: float  # metres a height

    @classmethod
    def grown(cls, mushroom: Mushroom, rng: np.random.Generator) -> "Agaric":
        lobes = rng.normal(0, 1, 4) * [0.016, 0.011, 0.008, 0.006], rng.uniform(0, 2 * np.pi, 4)
        droop = rng.uniform(0.5, 1.0, 3) * [0.5, 0.3, 0.2], rng.uniform(0, 2 * np.pi, 3)
        n = 5
        splits = (
            np.arange(n) * (2 * np.pi / n) + rng.uniform(-0.45, 0.45, n) + rng.uniform(0, 2 * np.pi),
            rng.uniform(0.08, 0.34, n),
        )
        chosen = rng.uniform(0, 2 * np.pi), rng.uniform(0.02, 0.13), tuple(rng.uniform(-0.07, 0.07, 2))
        fields = lobes, droop, splits, Noise.grown(rng, 0.55, 2)
        body = cls(mushroom, *chosen, *fields, 1.0)
        s, phi = np.meshgrid(np.linspace(0, 1, 41), np.linspace(0, 2 * np.pi, 73))
        top = float(body.on_cap(s, phi, 0 * s, OPEN)[..., 2].max())
        return cls(mushroom, *chosen, *fields, mushroom.height / top)

    # The stem

    def length(self, tau: float) -> float:
        """Of the stem, heights: in the button, its cap's margin stands at RIM."""
        young = self.reach(0.0) * (1 - np.cos(BALL)) / BALL + RIM - self.thick(0.0)
        return mix(young, STEM, stretched(tau)) * (1 - 0.26 * ramp(rotten(tau)))

    def rise(self, s: Array, tau: float) -> Array:
        """Share of the stem's length below its material point s: the upper part stretches the most."""
        return mix(1 - (1 - s) ** 2.2, s, stretched(tau))

    def girth(self, s: Array, tau: float) -> Array:
        """Radius of the stem in heights."""
        young = min(self.mushroom.cap, 1.0) ** 0.8
        plain = mix(0.049 * young, mix(0.060, 0.045, s), stretched(tau))
        bulb = mix(0.052, 0.036, stretched(tau)) * np.exp(-(((s - 0.05) / mix(0.085, 0.068, stretched(tau))) ** 2))
        return (plain + bulb * mix(young, 1.0, stretched(tau))) * (1 - 0.34 * ramp(rotten(tau)) * ramp(s, -0.1, 0.5))

    def spine(self, tau: float) -> Spine:
        """It leans a little; rotten, it gives way in its middle."""
        s, rot = np.linspace(0, 1, 121), rotten(tau)
        limp = ramp(rot, 0.1, 1.05) * 1.2 / max(self.mushroom.cap, 1.0) ** 0.7
        lean = self.lean * (s - 0.3) * stretched(tau) + limp * (ramp(s, 0.1, 0.62) + 0.05 * s)
        sway = stretched(tau) * self.wave[0] * np.sin(4.5 * s + 20 * self.wave[1])
        return Spine.bent(np.zeros(3), turn("z", np.array(self.facing)), self.length(tau), lean, sway)

    # The cap

    def clear(self, tau: float) -> float:
        """What parts on the cap keep from its skin, heights: more where a coarse skin cuts corners of a large cap."""
        return 0.003 * min(self.reach(tau) / YOUNG_REACH, 1.0) / min(self.mushroom.detail, 1.0) ** 1.5

    def reach(self, tau: float) -> float:
        """From the cap's middle to its margin along the skin, heights."""
        return mix(YOUNG_REACH, 0.475, opened(tau)) * self.mushroom.cap * (1 - 0.16 * ramp(rotten(tau)))

    def thick(self, tau: float) -> float:
        """Of the flesh in the middle, heights."""
        return mix(0.034, 0.070, opened(tau)) * min(self.mushroom.cap, 1.3) * (1 - 0.45 * ramp(rotten(tau)))

    def gap(self, tau: float) -> float:
        """Between the stem's end and the cap, heights: the ceiling of a button's cap is hollow."""
        return mix(0.017, 0.006, opened(tau))

    def flesh(self, s: Array, tau: float) -> Array:
        """How deep the underside lies, heights: rounded at the margin."""
        rim = np.sqrt(np.clip(1 - ((np.maximum(s, 0.95) - 0.95) / 0.05) ** 2, 0, 1))
        least = mix(0.007, 0.013, opened(tau)) * self.mushroom.cap
        return (least + (self.thick(tau) - least) * (1 - ramp(s, -0.15, 1.05))) * rim

    def slope(self, s: Array, tau: float, limp: float) -> Array:
        """psi, radians; `limp` hangs more than the rest once it rots."""
        o, rot = opened(tau), rotten(tau)
        flat = 0.70 * s - 0.68 * ramp(s, 0.66, 1.1)
        sag = ramp(rot, 0.0, 1.05) * (0.30 + 0.95 * limp)
        return mix(BALL * s, flat, o) + sag * ramp(s, 0.05, 1.0) - 0.25 * ramp(rot) * s * (1 - s)

    def meridian(self, tau: float, limp: float) -> tuple[Array, Array, Array]:
        """(r, z, psi) at SAMPLES of s, heights; z from the middle of the cap."""
        s = np.linspace(0, 1, SAMPLES)
        psi, step = self.slope(s, tau, limp), self.reach(tau) / (SAMPLES - 1)
        middle = (psi[1:] + psi[:-1]) / 2
        r = np.concatenate([[0], np.cumsum(np.cos(middle) * step)])
        return r, np.concatenate([[0], -np.cumsum(np.sin(middle) * step)]), psi

    def torn(self, phi: Array) -> Array:
        """How deep the margin has split at phi, in s, once all is rotten."""
        away = [(phi - where + np.pi) % (2 * np.pi) - np.pi for where in self.splits[0]]
        return sum(deep * np.exp(-((gap / 0.13) ** 2)) for gap, deep in zip(away, self.splits[1], strict=True))

    def on_cap(self, s: Array, phi: Array, depth: Array, tau: float) -> Array:
        """Points (..., 3) in metres."""
        s, phi, depth = np.broadcast_arrays(s, phi, depth)
        rot = rotten(tau)
        along = s
        if rot > 0:
            along = s * (1 - ramp(rot, 0.2, 1.0) * self.torn(phi) * ramp(s, 0.35, 1.0))
            spot = np.stack([s * np.cos(phi), s * np.sin(phi), 0 * s], axis=-1)
            depth = depth + 0.011 * ramp(rot, 0.1, 1.0) * self.wrinkles(spot) * ramp(s, 0.0, 0.3)
        wave = sum(a * np.sin((k + 1) * phi + p) for k, (a, p) in enumerate(zip(*self.droop, strict=True)))
        limp = np.clip(0.5 + wave, 0, 1)
        place = along * (SAMPLES - 1)
        low = np.minimum(place.astype(int), SAMPLES - 2)
        t, ends = place - low, []
        for which in (0.0, 1.0):
            r, z, psi = (mix(line[low], line[low + 1], t) for line in self.meridian(tau, which))
            ends.append((r - depth * np.sin(psi), z - depth * np.cos(psi)))
        r, z = (mix(*both, limp) for both in zip(*ends, strict=True))
        lobe = sum(a * np.sin((k + 2) * phi + p) for k, (a, p) in enumerate(zip(*self.lobes, strict=True)))
        grown = mix(0.35, 1.0, opened(tau))
        r = r * (1 + grown * lobe * s)
        z = z + 1.6 * grown * self.reach(tau) * lobe * s**2
        spine = self.spine(tau)
        origin, frame = spine.points[-1], spine.frames[-1]
        local = np.stack([r * np.cos(phi), r * np.sin(phi), z + self.thick(tau) + self.gap(tau)], axis=-1)
        return self.placed(local @ frame.T + origin, tau)

    def placed(self, points: Array, tau: float) -> Array:
        """Points in heights to metres; what sinks to the floor lies on it, in the order in which it came."""
        rot = ramp(rotten(tau), 0.1, 0.8)
        if rot > 0:
            away = ramp(np.hypot(points[..., 0], points[..., 1]), 0.11, 0.4)
            soft = np.maximum(0.035 * rot * away, 1e-5)
            points = points.copy()
            points[..., 2] = soft * np.logaddexp(0, points[..., 2] / soft)
        return self.scale * points
