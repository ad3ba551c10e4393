"""A candle that burns down, or, where it has no flame, softens and slumps in the heat.

The wax is one closed solid of revolution with a wavy meridian: from the middle of its foot out to the edge of what has
run down and pooled, up the side with its runs, over the rim and down into the cup to the wick. The pool in the cup is
a liquid, so it is level.

Sources: Faraday, "A Course of Six Lectures on the Chemical History of a Candle", 1861: rising air cools the rim, so the
flame melts a cup; a draught makes the cup lop-sided, and wax gutters over its lower side; what the wick draws up burns
away wholly, to vapour. A flame of one wick takes the same mass in the same time (Hamins, Bundy & Dillon,
"Characterization of candle flames", J. Fire Prot. Eng. 15, 2005), so the law of what is left is a straight line: BURNT
of the wax goes, and the stub, the runs and the foot are what stays. A braided wick curls into the side of the flame
and is burnt off there. Departs from them: wax that melts keeps its volume (paraffin swells by a tenth), its flow is
prescribed, and the pool is not seen through.

All lengths here are shares of the candle's height; they become metres as the organs are made.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from backend.species import Candle
from backend.specimens import fire
from backend.specimens.candle.burning import COLD, LIT, OUT, burning, share_left
from backend.specimens.candle.wax import Wax
from backend.specimens.core import (
    Array,
    Chance,
    Matter,
    Noise,
    Organ,
    Skin,
    Specimen,
    Spine,
    finer,
    join,
    lathe_chart,
    mix,
    ramp,
    tint,
    tube,
    tube_chart,
    turn,
)
from backend.specimens.fire import Flicker

Surface = Callable[[float], Array]  # (rows, columns, 3) at a life time
Curves = Callable[[float], list[Spine]]

WICK_LENGTH, WICK_RADIUS, WICK_GAP = 0.062, 0.0045, 0.0006
FLAME_LENGTH, FLAME_RADIUS = 0.175, 0.027

COTTON = np.array([0.72, 0.66, 0.52])
WARMTH = np.array([1.0, 0.57, 0.22])  # what is left of light on its way through wax


def grow(candle: Candle, seed: int) -> Specimen:
    """A candle; `seed` picks the individual. Its vertices are the new candle (tau 0)."""
    chance = Chance(seed)
    flicker = Flicker.of(candle.wicks, chance)
    wax = Wax.cast(candle, flicker.draught, chance)
    surface = lru_cache(maxsize=2)(wax.points)  # several organs ask for the same moment
    spines = lru_cache(maxsize=2)(_wicks(wax, surface, candle, chance))
    organs = [_body(wax, surface, candle, chance.of("grain")), _wick(wax, spines, candle)]
    if candle.flame > 0:
        organs.append(_flame(wax, flicker, spines, candle))
    return join(organs, Matter(("wax",), share_left if candle.flame > 0 else lambda tau: 1.0))


def _body(wax: Wax, surface: Surface, candle: Candle, rng: np.random.Generator) -> Organ:
    new = surface(0.0)
    colour = np.array(candle.colour) * (1 + 0.012 * Noise.grown(rng, 0.6 * wax.radius)(new))[..., None]
    inside = (np.arange(len(new)) > sum(wax.rows[:3]) + 3)[:, None]

    def at(tau: float) -> Skin:
        points = surface(tau)
        z = points[..., 2]
        pool = z[-1, 0]
        below = np.maximum(pool - z, 0) / wax.grain
        lit = 0.0 if wax.melts else burning(tau)
        level = inside * ramp(z, pool + 0.012 * wax.grain, pool + 0.002 * wax.grain)
        soft = ramp(tau, 0.0, 0.5) if wax.melts else level * ramp(tau, 0.01, 0.1) * (1 - ramp(tau, OUT, 1.0))
        glow = lit * (0.13 * np.exp(-((below / 0.075) ** 1.2)) + 0.12 * inside)
        albedo = tint(colour, colour * WARMTH, np.clip(4 * glow + 0.25 * soft, 0, 0.8) * (not wax.melts))
        rough = mix(0.42, 0.24 if wax.melts else 0.10, soft) + 0 * z
        return Skin(candle.height * points[None], albedo[None], rough[None], emission=glow[None])

    r, z = np.hypot(new[..., 0], new[..., 1]), new[..., 2]
    return Organ("wax", candle.height * lathe_chart(r[None], z[None]), at, closed=True, poles=(True, True))


# Wicks and flames


def _wicks(wax: Wax, surface: Surface, candle: Candle, chance: Chance) -> Curves:
    """The wicks' curves at a life time: upright when new, then bent into the side of the flame, at last limp."""
    n = candle.wicks
    azimuth = chance.of("wicks").uniform(0, 2 * np.pi) + np.arange(n) * (2 * np.pi / n)
    draws = chance.each("wick", n)
    bent, bend = draws.uniform(0, 2 * np.pi), draws.uniform(0.75, 1.0)
    s = np.linspace(0, 1, 25)

    def at(tau: float) -> list[Spine]:
        bases = wax.anchors(surface(tau), azimuth)
        hot = ramp(tau, 0.02, 0.3) + 0.35 * ramp(tau, OUT, 1.0)
        out = []
        for k in range(n):
            way, lean = bent[k], bend[k] * hot * s**1.3
            if wax.melts:
                way = azimuth[k] if n > 1 else wax.draught  # downhill
                lean = 1.1 * ramp(tau, 0.1, 0.9) * (0.6 + 0.4 * s)
            length = wax.flame * WICK_LENGTH * (1.1 - 0.1 * ramp(tau, 0.0, 0.2))
            base = bases[k] + [0, 0, WICK_GAP * wax.flame]
            out.append(Spine.bent(base, turn("z", way), length, lean + 0 * s, 0 * s))
        return out

    return at


def _wick(wax: Wax, spines: Curves, candle: Candle) -> Organ:
    rows, sides = finer(22, candle.detail), max(5, finer(9, candle.detail))
    s = np.linspace(0, 1, rows)
    radius = wax.flame * WICK_RADIUS * (0.55 + 0.45 * ramp(s, 0.0, 0.1)) * (1 - 0.35 * ramp(s, 0.75, 1.0))
    radius[[0, -1]] = 0
    braid = 1 + 0.10 * np.sin(2 * np.pi * (5 * s[:, None] + 2 * np.arange(sides) / sides))

    def at(tau: float) -> Skin:
        points = np.stack([tube(spine, s, radius, sides) for spine in spines(tau)])
        shape = points.shape[:3]
        burnt = ramp(1.8 * tau / LIT - 1.2 * (1 - s), 0.0, 0.8) * (not wax.melts)
        ember = ramp(s, 0.72, 0.95) * burnt * (1 - ramp(tau, OUT, COLD))
        albedo = tint(COTTON * braid[..., None], fire.CHAR, (burnt * ramp(s, 0.0, 0.25))[:, None])
        albedo = np.broadcast_to(tint(albedo, fire.EMBER, 0.8 * ember[:, None]), points.shape)
        emission = np.broadcast_to(0.35 * ember[:, None], shape)
        return Skin(candle.height * points, albedo, np.full(shape, 0.9), emission=emission)

    chart = tube_chart(s, np.full(rows, radius.max()), sides, wax.flame * WICK_LENGTH)
    charts = candle.height * np.repeat(chart[None], candle.wicks, axis=0)
    return Organ("wick", charts, at, closed=True, poles=(True, True))


def _flame(wax: Wax, flicker: Flicker, spines: Curves, candle: Candle) -> Organ:
    """Drops of light that each hang on a wick."""
    rows, sides = finer(34, candle.detail), finer(20, candle.detail)
    q = np.linspace(0, 1, rows)
    full, colour = np.ones((candle.wicks, rows, sides)), fire.colour(q)[None, :, None]

    def at(tau: float) -> Skin:
        lit = burning(tau) * (0.45 + 0.55 * candle.flame)
        size = wax.flame * lit
        sleeve = 1.5 * wax.flame * WICK_RADIUS * (1 - q) ** 2 * min(1.0, 6 * lit + 0.02)
        # A flame that is not there is a speck beyond the tip of its wick, and a small one is too short to turn.
        hold, beyond = mix(1.0, 0.5, ramp(lit, 0.0, 0.5)), 0.004 * wax.flame * (1 - ramp(lit, 0.0, 0.35))
        points = []
        for k, wick in enumerate(spines(tau)):
            origin, frame = wick.pose(np.array(hold))
            length = max(size * FLAME_LENGTH * flicker.stretch(tau, k), 1e-3 * wax.flame)
            spine = flicker.spine(origin + beyond * frame[:, 2], frame[:, 2], length, tau, ramp(lit, 0.0, 0.4), k)
            points.append(tube(spine, q, size * FLAME_RADIUS * flicker.width(q, tau, k) + sleeve, sides))
        placed = candle.height * np.stack(points)
        opacity, glow = fire.opacity(q, lit)[:, None] * full, min(1.0, 3 * lit) * full
        return Skin(placed, np.broadcast_to(colour, placed.shape), full, opacity=opacity, emission=glow)

    chart = tube_chart(q, np.full(rows, 0.7 * wax.flame * FLAME_RADIUS), sides, wax.flame * FLAME_LENGTH)
    charts = candle.height * np.repeat(chart[None], candle.wicks, axis=0)
    return Organ("flame", charts, at, closed=True, poles=(False, True))
