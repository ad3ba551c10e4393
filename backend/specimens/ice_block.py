"""A block of ice: its corners and edges round off, it becomes a smooth uneven lump, its water spreads, it is gone.

The surface of the ice is an *isotherm*. A block at one temperature in warm surroundings conducts heat as a product of
three slabs, so with a diffusion length s the isotherm of level L is

    prod_i (erf((a_i - x_i) / s) + erf((a_i + x_i) / s)) / 2 = L        a_i half extents, x_i coordinates

Faces warm from one side, edges from two, corners from three: that is why a block melts round. The floor lets no heat
through: the block is half of one twice as high. The pace is that of laminar natural convection about a body of size r,
which takes heat per area as r^(-1/4): r^(5/4) falls steadily, and with it the ice that is left as (1 - x)^(12/5).

The water is a flat cap about the foot of the ice, which stands in it as in a well; it keeps the mass of what melted.

Sources: products of one-dimensional solutions, Carslaw & Jaeger, "Conduction of Heat in Solids", 2nd ed., 1959.
Laminar convection: Incropera et al., "Fundamentals of Heat and Mass Transfer", 6th ed., 2007. Scallops, and sides that
melt unevenly: Weady, Tong, Zidovska & Ristroph, "Anomalous convective flows carve pinnacles and scallops in melting
ice", Phys. Rev. Lett. 128, 2022; Hester et al., "Aspect ratio affects iceberg melting", Phys. Rev. Fluids 6, 2021.
Density of ice at 0 C, 0.917 of water's: Petrenko & Whitworth, "Physics of Ice", 1999. Bubbles gather in the middle,
which freezes last: Carte, "Air bubbles in ice", Proc. Phys. Soc. 77, 1961.
Departs from them: latent heat only sets the pace; scallops are drawn, not solved; a puddle's thickness is a share of
the block's height (that of a block of 4 cm), and no water evaporates or runs away.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.special import erf

from backend.species import IceBlock
from backend.specimens.core import (
    Array,
    Matter,
    Noise,
    Organ,
    Skin,
    Specimen,
    finer,
    join,
    lathe_chart,
    mix,
    ramp,
    tint,
)
from backend.specimens.puddle import Outline, area, puddle, unit
from backend.specimens.solids import enclosed

ICE_DENSITY = 0.917  # of water's
GONE = 0.97  # life time at which the last ice has melted
LEVEL = 0.62  # of the isotherm: the lower, the rounder it melts
# Shares of the block's height.
WIDTH = 0.86
EDGE = 0.055  # first diffusion length: how far the new edges are rounded
FILM = 0.0015  # of water under the ice
GAP = 0.0015  # between the ice and the water that it stands in
THICKNESS = 0.095  # of the puddle
SPECK = 0.003  # what is left of the ice's extent when it has gone

WHITE, FROST = np.array([0.86, 0.90, 0.93]), np.array([0.80, 0.86, 0.90])
WATER, SHALLOW = np.array([0.19, 0.245, 0.275]), np.array([0.30, 0.34, 0.36])


def melted(tau: float) -> float:
    """The share of the ice that has melted."""
    return 1 - (1 - _receded(tau)) ** 2.4


def share(tau: float) -> float:
    """Volume of ice and water, in the block's."""
    return 1 - (1 - ICE_DENSITY) * melted(tau)


def _receded(tau: float) -> float:
    """How far the surface has come, of the way to the middle: slowly while the ice warms, then steadily."""
    s, warms = min(tau / GONE, 1.0), 0.1
    return (1 - SPECK) * s * s / (s + warms) * (1 + warms)


def grow(block: IceBlock, seed: int) -> Specimen:
    """A block; `seed` picks its cracks, the side that melts first and the way its water runs."""
    rng = np.random.default_rng(seed)
    ice = _Ice.frozen(block, rng)
    spread = Outline.drawn(_well(ice.points(0.0)[0] / block.height, THICKNESS), rng)

    @lru_cache(maxsize=2)
    def melting(tau: float) -> tuple[Array, Array]:
        return ice.points(tau)

    return join([_ice(block, ice, melting, rng), _water(block, ice, spread, melting)], Matter(("ice", "water"), share))


@dataclass(frozen=True, eq=False)
class _Ice:
    """Rays from the middle of the foot, on which the vertices of the wall and the top stay. Lengths in block heights,
    until `points`."""

    height: float
    rays: Array  # (rows, columns, 3) unit
    half: Array  # (3,) half extents of the block and its mirror image
    reach: Array  # (rows, columns) along the rays to the sharp box
    chips: Array  # (rows, columns) how much of its radius is missing from the start
    scallops: Array  # (rows, columns) mean 0
    away: Array  # (2,) in the plane, the way in which the last ice lies
    diffusion: Callable[[Array], Array]  # diffusion length by the share of ice that is left

    @classmethod
    def frozen(cls, block: IceBlock, rng: np.random.Generator) -> "_Ice":
        half = np.array([block.length / 2, WIDTH / 2 * min(1.0, block.length**0.5), 1.0])
        box = _box(half, finer(150, block.detail), finer(30, block.detail), finer(22, block.detail))
        reach = np.linalg.norm(box, axis=-1)
        rays = box / reach[..., None]
        bow, chipped, dents, ripple = (Noise.grown(rng, length, 2, 0.3) for length in (1.1, 0.22, 0.55, 1.1))
        near = np.sort(np.abs(box) / half, axis=-1)[..., 1]  # 1 at the edges, where two faces meet
        chips = 0.006 * bow(box) - 0.022 * ramp(chipped(box), 0.6, 2.4) * ramp(near, 0.90, 1.0)
        flowing = box * [1, 1, 0.35]  # water running down draws dents out
        scallops = ripple(flowing) - np.sqrt(dents(flowing) ** 2 + 0.3)
        scallops -= scallops.mean()
        away = unit(rng.uniform(0, 2 * np.pi))
        return cls(block.height, rays, half, reach, chips, scallops, away, _diffusion(half))

    @cached_property
    def volume(self) -> float:
        """Of the new block."""
        return enclosed(self.solid(EDGE, 0.0))

    def solid(self, length: float, melted: float) -> Array:
        """(rows + 2, columns, 3): its foot from the middle, its wall, its top to the middle."""
        worn = ramp(melted, 0.0, 0.5)
        deep = 0.042 * worn * (1 - 0.5 * ramp(melted, 0.4, 1.0))
        uneven = (1 - worn) * self.chips + deep * self.scallops
        wall = (_radius(self.rays, self.half, self.reach, length) * (1 + uneven))[..., None] * self.rays
        wall[..., 2] *= 1 - 0.4 * melted  # its foot melts in the water
        inner = wall[:1] * np.array([0.0, 0.6])[:, None, None]
        return np.concatenate([inner, wall])

    def points(self, tau: float) -> tuple[Array, Array]:
        """(rows + 2, columns, 3) metres, and the same in heights of the new block, before it floats and drifts."""
        left = 1 - melted(tau)
        kept = self.solid(float(self.diffusion(max(left, 1e-4))), melted(tau))
        kept = kept * (left * self.volume / enclosed(kept)) ** (1 / 3)
        placed = kept.copy()
        # What is left lies away from the side that melts first; thin ice floats on its water.
        placed[..., :2] += 0.12 * ramp(melted(tau), 0.0, 0.7) * min(*self.half[:2]) * self.away
        tall = kept[..., 2].max()
        placed[..., 2] += FILM + GAP + max(0.0, THICKNESS - FILM - ICE_DENSITY * tall) * ramp(1 - tall, 0.85, 1.0)
        return placed * self.height, kept


def _box(half: Array, columns: int, up: int, over: int) -> Array:
    """(up + over, columns, 3) on a sharp box that stands at z = 0: up the wall, over the top; denser at its edges."""
    corners = half[:2] * np.array([[1, -1], [1, 1], [-1, 1], [-1, -1], [1, -1]])
    sides = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    at_corner = np.append(0.0, np.cumsum(sides))
    fine = np.linspace(0, at_corner[-1], 4001)
    near = np.abs(fine[:, None] - at_corner).min(axis=1)
    weight = np.cumsum(1 + 1.8 * np.exp(-((near / 0.09) ** 2)))
    place = np.interp(np.linspace(weight[0], weight[-1], columns + 1)[:-1], weight, fine)
    plan = np.stack([np.interp(place, at_corner, corners[:, k]) for k in range(2)], axis=-1)
    dense = 1 - np.linspace(1, 0, up) ** 1.4
    shrink = np.append(1 - np.linspace(0, 1, over, endpoint=False)[1:] ** 1.7, 0.0)
    wall = np.concatenate(
        [np.broadcast_to(plan, (up, columns, 2)), np.broadcast_to(dense[:, None, None], (up, columns, 1))], axis=2
    )
    top = np.concatenate([plan * shrink[:, None, None], np.ones((over, columns, 1))], axis=2)
    return np.concatenate([wall, top])


def _diffusion(half: Array) -> PchipInterpolator:
    """Diffusion length by the share of ice that is left; at the last one the isotherm is the middle of the foot."""
    low, last = 0.05, 20.0
    for _ in range(60):
        middle = (low + last) / 2
        low, last = (middle, last) if erf(half / middle).prod() > LEVEL else (low, middle)
    box = _box(half, 36, 10, 8)
    reach = np.linalg.norm(box, axis=-1, keepdims=True)
    lengths = np.geomspace(EDGE, 0.97 * low, 24)
    walls = [_radius(box / reach, half, reach[..., 0], length)[..., None] * box / reach for length in lengths]
    left = np.array([enclosed(np.concatenate([0 * wall[:1], wall])) for wall in walls])
    return PchipInterpolator(np.append(0.0, left[::-1] / left[0]), np.append(low, lengths[::-1]))


def _radius(rays: Array, half: Array, reach: Array, length: float) -> Array:
    """Along the rays to the isotherm. Newton's steps on the logarithm, which is concave along a ray: they come from
    outside and never pass it."""
    radius = reach.copy()
    slope, wide = rays / length, half / length
    for _ in range(9):
        x = radius[..., None] * slope
        cold = np.maximum(erf(wide - x) + erf(wide + x), 1e-30) / 2
        steep = (np.exp(-((wide + x) ** 2)) - np.exp(-((wide - x) ** 2))) / np.sqrt(np.pi) * slope
        fall = np.minimum((steep / cold).sum(axis=-1), -1e-9)
        radius = np.maximum(radius - (np.log(cold).sum(axis=-1) - np.log(LEVEL)) / fall, 0.0)
    return radius


def _ice(
    block: IceBlock, ice: _Ice, melting: Callable[[float], tuple[Array, Array]], rng: np.random.Generator
) -> Organ:
    cloud, crack, where = Noise.grown(rng, 0.5, 2), Noise.grown(rng, 1.1, 2, 0.3), Noise.grown(rng, 0.8, 1)
    clear = np.array(block.colour) * [0.45, 0.55, 0.60]

    def whiteness(inside: Array) -> Array:
        """Of the ice at points in block heights: bubbles in the middle, where it froze last, and cracks."""
        core = np.linalg.norm(inside / ice.half - [0, 0, 0.42], axis=-1)
        bubbles = ramp(0.95 - core + 0.22 * cloud(inside), 0.1, 0.9)
        cracks = np.exp(-((crack(inside) / 0.19) ** 2)) * ramp(where(inside), 0.1, 1.1)
        return np.clip(block.cracks * (1.1 * bubbles + 1.15 * cracks), 0, 0.95)

    def at(tau: float) -> Skin:
        points, kept = melting(tau)
        seen, through = np.zeros(kept.shape[:2]), np.ones(kept.shape[:2])
        for depth in (0.0, 0.14):
            white = whiteness(
                kept * (1 - depth / np.maximum(np.linalg.norm(kept, axis=-1, keepdims=True), depth + 0.02))
            )
            seen, through = seen + through * white, through * (1 - white) * 0.8
        wet = ramp(tau, 0.0, 0.12)
        rim = np.sort(np.abs(kept) / ice.half, axis=-1)[..., 1]
        frost = (1 - wet) * (0.1 + 0.6 * ramp(rim, 0.82, 1.0))
        albedo = tint(tint(clear, WHITE, np.clip(seen, 0, 1)), FROST, frost)
        return Skin(points[None], albedo[None], mix(0.34, 0.06, wet) + 0.10 * (1 - wet) * frost[None])

    start = ice.points(0.0)[0][None]
    chart = lathe_chart(np.linalg.norm(start[..., :2], axis=-1), start[..., 2])
    return Organ("ice", chart, at, closed=True, poles=(True, True))


def _water(block: IceBlock, ice: _Ice, spread: "Outline", melting: Callable[[float], tuple[Array, Array]]) -> Organ:
    rows, size = max(16, finer(20, block.detail)), block.height
    first = 1.15 * FILM * area(spread.first)

    def at(tau: float) -> Skin:
        points = melting(tau)[0] / size
        volume = ice.volume * ICE_DENSITY * melted(tau) + first
        foot, lift = _well(points, THICKNESS), points[0, 0, 2] - GAP
        thick = mix(0.15, 1.0, ramp(melted(tau) ** 0.5, 0.0, 0.55)) * THICKNESS
        rim = spread.holding(area(foot) * (1 - lift / thick) + volume / (0.92 * thick))
        water, depth = puddle(foot, rim, lift, rows, (volume, thick))
        albedo = tint(SHALLOW, WATER, ramp(depth, 0.0, 0.8))
        return Skin(water[None] * size, albedo[None], np.full((1, *depth.shape), 0.04))

    last = at(1.0).points
    chart = 0.5 * lathe_chart(np.linalg.norm(last[..., :2], axis=-1), last[..., 2])  # little is drawn on it
    return Organ("water", chart, at, closed=True, poles=(True, True))


def _well(ice: Array, depth: float) -> Array:
    """(columns, 2): as wide as the ice is anywhere below `depth`, and the gap."""
    centre = ice[0, 0, :2]
    out = ice[..., :2] - centre
    low = np.where((ice[..., 2] < 2 * depth)[..., None], out, out[1])
    widest = low[np.linalg.norm(low, axis=-1).argmax(axis=0), np.arange(ice.shape[1])]
    return centre + widest * (1 + GAP / np.maximum(np.linalg.norm(widest, axis=-1, keepdims=True), 1e-9))
