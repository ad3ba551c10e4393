"""Stamens and pistil of a lily, in the midst of its foliation (trumpet.py).

Six filaments bear anthers that hinge on their tips (versatile) and tip over as they open; the style ends in a stigma of
three lobes: Tamura, "Liliaceae", in Kubitzki (ed.), The Families and Genera of Vascular Plants III, 1998.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from backend.species import Lily
from backend.specimens.core import Array, Chance, Organ, Skin, finer, lathe, lathe_chart, mix, ramp, tint
from backend.specimens.lily.trumpet import BUD_SHARE, LENGTH, STAMENS, TAN, Flower, layer_points, opened, wilted

FILAMENT, ANTHER = 0.62, 0.0100  # share of a tepal's length; half length, metres
PISTIL_RADIUS = PchipInterpolator(
    [0, 0.04, 0.12, 0.2, 0.26, 0.6, 0.93, 0.96, 0.99, 1],
    [0.0012, 0.0015, 0.0016, 0.0015, 0.0010, 0.0010, 0.0012, 0.0032, 0.0034, 0.0001],
)

RUST, YOUNG_ANTHER = np.array([0.26, 0.058, 0.010]), np.array([0.36, 0.30, 0.10])
FILAMENT_GREEN, STYLE_GREEN, STIGMA = (
    np.array([0.62, 0.72, 0.38]),
    np.array([0.45, 0.58, 0.20]),
    np.array([0.33, 0.25, 0.17]),
)


def stamens(lily: Lily, flower: Flower, chance: Chance) -> list[Organ]:
    """Filaments and anthers."""
    six = _Six.grown(chance)
    return [_filaments(lily, flower, six), _anthers(lily, flower, six)]


@dataclass(frozen=True, eq=False)
class _Six:
    """The stamens' lines; arrays (6, 1)."""

    theta: Array
    share: Array  # of a tepal's length
    bend: Array
    tilt: Array  # of the open anther to its filament
    drowsy: Array

    @classmethod
    def grown(cls, chance: Chance) -> "_Six":
        draws = chance.each("stamen", 6)

        def each(low: float, high: float) -> Array:
            return draws.uniform(low, high, 1)

        first = chance.of("stamens").uniform(0, 2 * np.pi)
        theta = np.arange(6)[:, None] * (np.pi / 3) + first + each(-0.06, 0.06)
        return cls(theta, FILAMENT * each(0.95, 1.03), each(-0.06, 0.14), each(1.1, 1.65), each(0.0, 1.0))

    def lines(self, s: Array, tau: float) -> tuple[Array, Array, Array]:
        """Points (6, rows, 3) of the filaments at s (rows,), their tangents and the way off the axis."""
        dry = ramp(wilted(tau))
        curl = self.bend * s * opened(tau) + (0.3 * self.bend - 0.06) * s * dry
        t, x = (s * self.share)[..., None], np.full((6, 1, 1), STAMENS)
        r, z, phi = (a[..., 0] for a in layer_points(t, x, tau, curl[..., None]))
        cos, sin = np.cos(self.theta), np.sin(self.theta)
        points = np.stack([r * cos, r * sin, z], axis=-1)
        tangent = np.stack([np.sin(phi) * cos, np.sin(phi) * sin, np.cos(phi)], axis=-1)
        return points, tangent, np.stack([np.cos(phi) * cos, np.cos(phi) * sin, -np.sin(phi)], axis=-1)


def _filaments(lily: Lily, flower: Flower, six: _Six) -> Organ:
    rows, sides = finer(18, lily.detail), max(6, finer(7, lily.detail))
    s = np.append(np.linspace(0, 1, rows), 1.0)
    radius = np.append(mix(0.0008, 0.00038, s[:-1]), 1e-5)[:, None, None]
    ring = np.arange(sides + 1) * (2 * np.pi / sides)

    def at(tau: float) -> Skin:
        points, tangent, off = (a[:, :, None] for a in six.lines(s, tau))
        around = off * np.cos(ring[:-1, None]) + np.cross(tangent, off) * np.sin(ring[:-1, None])
        skin = flower.lifted(points + radius * (1 - 0.35 * ramp(wilted(tau))) * around, tau)
        dry = np.full(skin.shape[:3], 0.85 * ramp(wilted(tau), 0.2, 1.0))
        return Skin(flower.placed(skin, tau), tint(FILAMENT_GREEN, TAN, dry), 0.5 + 0.3 * dry)

    chart = np.stack(np.broadcast_arrays(ring * 0.0007, s[:, None] * LENGTH * FILAMENT), axis=-1)[None] * lily.flower
    return Organ("stamens", np.repeat(chart, 6, axis=0), at, closed=True, poles=(False, True))


def _anthers(lily: Lily, flower: Flower, six: _Six) -> Organ:
    """They lie along their filaments in the bud, then tip over, burst and are covered with rust-brown pollen."""
    sides, w = max(8, finer(13, lily.detail)), np.linspace(-1, 1, max(7, finer(12, lily.detail) | 1))
    angle = np.arange(sides) * (2 * np.pi / sides)
    girth = (1 - w**2).clip(0)[:, None] ** 0.4 * (1 - 0.16 * np.cos(2 * angle))  # two thecae
    ends = np.linspace(0, 1, 5)

    def at(tau: float) -> Skin:
        points, tangent, off = (a[:, -1] for a in six.lines(ends, tau))
        burst, dry = ramp(opened(tau), 0.55, 0.95), ramp(wilted(tau))
        tipped = (six.tilt - 0.05) * ramp(opened(tau) + 0.1 * six.drowsy, 0.5, 1.05)
        tilt = 0.05 + tipped * (1 - (0.5 + 0.4 * six.drowsy) * dry)
        long, side = np.cos(tilt) * tangent + np.sin(tilt) * off, np.sin(tilt) * tangent - np.cos(tilt) * off
        thick, half = 0.0015 * (1 + 0.5 * burst) * (1 - 0.45 * dry), ANTHER * (1 - 0.12 * burst - 0.35 * dry)
        centre = flower.lifted(points, tau) + side * (1.2 * thick + 0.0007)
        local = lathe((thick * girth)[None], (half * w)[None, :, None] + np.zeros((1, 1, sides)))
        frame = np.stack([side, np.cross(long, side), long], axis=-1)
        skin = centre[:, None, None] + np.einsum("nij,rcj->nrci", frame, local[0])
        dust = burst * (0.75 + 0.25 * np.cos(2 * angle + 4.5 * w[:, None])) + np.zeros((6, 1, 1))
        albedo = tint(tint(YOUNG_ANTHER, RUST, dust), 0.45 * RUST, 0.7 * dry + 0 * dust)
        return Skin(flower.placed(skin, tau), albedo, 0.6 + 0.35 * dust)

    chart = lathe_chart((0.0018 * girth)[None], (ANTHER * w)[None, :, None] + np.zeros((1, 1, sides))) * lily.flower
    return Organ("anthers", np.repeat(chart, 6, axis=0), at, closed=True, poles=(True, True))


def pistil(lily: Lily, flower: Flower) -> Organ:
    """Ovary, style and a stigma of three lobes, longer than the stamens."""
    sides = finer(15, lily.detail)
    s = np.concatenate([np.linspace(0, 0.92, finer(22, lily.detail)), np.linspace(0.935, 1, finer(8, lily.detail))])
    angle = np.arange(sides) * (2 * np.pi / sides)
    lobes = 1 + 0.28 * np.cos(3 * angle) * ramp(s, 0.93, 0.965)[:, None]
    radius = PISTIL_RADIUS(s)[:, None] * lobes
    height = 0.80 * LENGTH * s[:, None] - 0.0004 * np.cos(3 * angle) * ramp(s, 0.96, 1.0)[:, None]
    colour = tint(tint(STYLE_GREEN, FILAMENT_GREEN, ramp(s, 0.2, 0.5)), STIGMA, ramp(s, 0.93, 0.965))
    colour = np.repeat(colour[None, :, None], sides, axis=2)

    def at(tau: float) -> Skin:
        short = BUD_SHARE + (1 - BUD_SHARE) * ramp(opened(tau))
        dry = ramp(wilted(tau), 0.2, 1.0)
        local = lathe(
            radius[None] * (0.8 + 0.2 * opened(tau)) * (1 - 0.25 * dry), height[None] * short * (1 - 0.1 * dry)
        )
        albedo = tint(colour, TAN * (1 - 0.4 * s[:, None, None]), 0.8 * np.full(local.shape[:3], dry))
        return Skin(flower.placed(flower.lifted(local, tau), tau), albedo, np.full(local.shape[:3], 0.4 + 0.3 * dry))

    return Organ("pistil", lathe_chart(radius[None], height[None]) * lily.flower, at, closed=True, poles=(False, True))
