"""Stamens and pistil of a lily, in the midst of its foliation (trumpet.py).

Six filaments bear anthers that hinge on their tips (versatile) and tip over as they open; the style ends in a stigma of
three lobes: Tamura, "Liliaceae", in Kubitzki (ed.), The Families and Genera of Vascular Plants III, 1998.
"""

import numpy as np
from scipy.interpolate import PchipInterpolator

from backend.species import Lily
from backend.specimens.core import Array, Organ, Skin, finer, lathe, lathe_chart, mix, ramp, tint
from backend.specimens.trumpet import BUD_SHARE, LENGTH, STAMENS, TAN, Flower, layer_points, opened, wilted

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


def stamens(lily: Lily, flower: Flower, rng: np.random.Generator) -> list[Organ]:
    """Six filaments and their anthers, which hinge on the filament's tip and tip over as they open."""
    n, rows, sides = 6, finer(18, lily.detail), max(6, finer(7, lily.detail))
    theta = (np.arange(n) * (2 * np.pi / n) + rng.uniform(0, 2 * np.pi) + rng.uniform(-0.06, 0.06, n))[:, None]
    share, bend = FILAMENT * rng.uniform(0.95, 1.03, (n, 1)), rng.uniform(-0.06, 0.14, (n, 1))
    tilt, drowsy = rng.uniform(1.1, 1.65, (n, 1)), rng.uniform(0.0, 1.0, (n, 1))
    s = np.append(np.linspace(0, 1, rows), 1.0)[None]
    radius = np.append(mix(0.0008, 0.00038, s[0, :-1]), 1e-5)

    def lines(tau: float) -> tuple[Array, Array, Array]:
        """Points (n, rows, 3) of the filaments, their tangents and the way off the axis."""
        curl = bend * s * opened(tau) + (0.5 * bend - 0.12) * s * ramp(wilted(tau))
        r, z, phi = (
            a[..., 0] for a in layer_points((s * share)[..., None], np.full((n, 1, 1), STAMENS), tau, curl[..., None])
        )
        cos, sin = np.cos(theta), np.sin(theta)
        points = np.stack([r * cos, r * sin, z], axis=-1)
        tangent = np.stack([np.sin(phi) * cos, np.sin(phi) * sin, np.cos(phi)], axis=-1)
        return points, tangent, np.stack([np.cos(phi) * cos, np.cos(phi) * sin, -np.sin(phi)], axis=-1)

    def filaments(tau: float) -> Skin:
        points, tangent, off = lines(tau)
        ring = np.arange(sides) * (2 * np.pi / sides)
        across = np.cross(tangent, off)
        around = off[:, :, None] * np.cos(ring)[:, None] + across[:, :, None] * np.sin(ring)[:, None]
        skin = flower.lifted(points[:, :, None] + radius[:, None, None] * (1 - 0.35 * ramp(wilted(tau))) * around, tau)
        dry = np.full(skin.shape[:3], 0.85 * ramp(wilted(tau), 0.2, 1.0))
        return Skin(flower.placed(skin, tau), tint(FILAMENT_GREEN, TAN, dry), 0.5 + 0.3 * dry)

    lobes, length = max(8, finer(13, lily.detail)), max(7, finer(12, lily.detail) | 1)
    w = np.linspace(0, 1, length)
    girth = np.sin(np.pi * w) ** 0.55
    turns = np.arange(lobes) * (2 * np.pi / lobes)
    thecae = 1 - 0.16 * np.cos(2 * turns)

    def anthers(tau: float) -> Skin:
        points, tangent, off = (a[:, -1] for a in lines(tau))
        burst = ramp(opened(tau), 0.55, 0.95)
        tipped = (tilt - 0.05) * ramp(opened(tau) + 0.1 * drowsy, 0.5, 1.05)
        angle = 0.05 + tipped * (1 - (0.5 + 0.4 * drowsy) * ramp(wilted(tau)))
        long, side = np.cos(angle) * tangent + np.sin(angle) * off, np.sin(angle) * tangent - np.cos(angle) * off
        thick = 0.0015 * (1 + 0.5 * burst) * (1 - 0.35 * ramp(wilted(tau)))
        half = ANTHER * (1 - 0.12 * burst - 0.15 * ramp(wilted(tau)))
        centre = points + side * (1.2 * thick + 0.0007)
        local = lathe(
            thick * (girth[:, None] * thecae)[None], ((w - 0.5) * 2 * half)[None, :, None] + np.zeros((1, 1, lobes))
        )
        frame = np.stack([side, np.cross(long, side), long], axis=-1)
        placed = centre[:, None, None] + np.einsum("nij,rcj->nrci", frame, local[0])
        # Warped as one: an anther is stiff.
        moved = flower.lifted(centre, tau) - centre
        skin = placed + moved[:, None, None]
        dust = burst * (0.75 + 0.25 * np.cos(2 * turns + 9 * w[:, None])) + np.zeros((n, 1, 1))
        albedo = tint(tint(YOUNG_ANTHER, RUST, dust), 0.45 * RUST, 0.7 * ramp(wilted(tau)) + 0 * dust)
        return Skin(flower.placed(skin, tau), albedo, 0.6 + 0.35 * dust)

    ring = np.arange(sides + 1) * (2 * np.pi / sides)
    long = LENGTH * FILAMENT
    chart = np.stack(np.broadcast_arrays(ring * 0.0007, (s * long)[..., None]), axis=-1) * lily.flower
    sheet = lathe_chart(
        0.0018 * girth[None, :, None] + np.zeros((1, 1, lobes)),
        (w * 2 * ANTHER)[None, :, None] + np.zeros((1, 1, lobes)),
    )
    return [
        Organ("stamens", np.repeat(chart, n, axis=0), filaments, closed=True, poles=(False, True)),
        Organ("anthers", np.repeat(sheet, n, axis=0) * lily.flower, anthers, closed=True, poles=(True, True)),
    ]


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
