"""A block of ice: its corners and edges round off, it becomes a smooth uneven lump, its water spreads, it is gone.

The surface of the ice is an *isotherm*. A block at one temperature in warm surroundings conducts heat as a product of
three slabs, so with a diffusion length s the isotherm of level L is

    prod_i (erf((a_i - x_i) / s) + erf((a_i + x_i) / s)) / 2 = L        a_i half extents, x_i coordinates

Faces warm from one side, edges from two, corners from three: that is why a block melts round. The floor lets no heat
through: the block is half of one twice as high. The pace is that of laminar natural convection about a body of size r,
which takes heat per area as r^(-1/4): r^(5/4) falls steadily, and with it the ice that is left as (1 - x)^(12/5).

Ice freezes from outside in and pushes air before it, so a block is clear at its rim and white with bubbles in its
middle. That middle, the *cloud*, is a body of its own within the ice, which is half seen through: as the rim melts away
the cloud comes to light. Fresh from the cold the ice is dull with frost; its own water makes it clear and bright.

The water is a flat cap about the foot of the ice, which stands in it as in a well; it keeps the mass of what melted. It
is as thick as a wide puddle is at rest, 2 sin(angle / 2) capillary lengths, and so covers what its volume says. Where
the ice stands in it, it melts faster, and gets a waist.

Sources: products of one-dimensional solutions, Carslaw & Jaeger, "Conduction of Heat in Solids", 2nd ed., 1959.
Laminar convection: Incropera et al., "Fundamentals of Heat and Mass Transfer", 6th ed., 2007. Scallops, and sides that
melt unevenly: Weady, Tong, Zidovska & Ristroph, "Anomalous convective flows carve pinnacles and scallops in melting
ice", Phys. Rev. Lett. 128, 2022; Hester et al., "Aspect ratio affects iceberg melting", Phys. Rev. Fluids 6, 2021.
Density of ice at 0 C, 0.917 of water's: Petrenko & Whitworth, "Physics of Ice", 1999. Bubbles gather in the middle,
which freezes last: Carte, "Air bubbles in ice", Proc. Phys. Soc. 77, 1961. Thickness of puddles: de Gennes,
Brochard-Wyart & Quere, "Capillarity and Wetting Phenomena", 2004.
Departs from them: latent heat only sets the pace; scallops and the waist are drawn, not solved; nothing is refracted; a
puddle's thickness is a share of the block's height (that of a block of 10 cm), and no water evaporates or runs away.
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
    Chance,
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
CAPILLARY = (0.0756 / (1000 * 9.81)) ** 0.5  # metres: surface tension of water at 0 C, its density, gravity
ANGLE = np.radians(90)  # of contact, on a waxed floor; the rim is a quarter of an ellipse
THICKNESS = 2 * CAPILLARY * np.sin(ANGLE / 2) / IceBlock().height  # of the puddle: 3.9 mm
WAIST = 0.13  # of the ice's width, at its foot
CLOUD_HEIGHT, UNDER = 0.46, 0.90  # of the ice: where the middle of the cloud is, and how near it may come to the skin
SPECK = 0.003  # what is left of the ice's extent when it has gone

WHITE, FROST = np.array([0.86, 0.90, 0.93]), np.array([0.80, 0.86, 0.90])
WATER = np.array([0.12, 0.135, 0.14])  # dark: what is wet is darker
CLEAR, FLAT, RIM = 0.52, 0.52, 0.72  # opacity of clear ice, of water, and of its rim, through which little is seen


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
    chance = Chance(seed)
    ice = _Ice.frozen(block, chance.of("ice"))
    spread = Outline.drawn(_well(ice.points(0.0)[0] / block.height, THICKNESS), chance.of("water"))

    @lru_cache(maxsize=2)
    def melting(tau: float) -> tuple[Array, Array]:
        return ice.points(tau)

    organs = [_ice(block, ice, melting, chance.of("cracks")), _water(block, ice, spread, melting)]
    if block.cracks > 0:
        organs.append(_cloud(block, ice, melting, chance.of("cloud")))
    return join(organs, Matter(("ice", "water"), share))


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
        wall[..., :2] *= 1 - WAIST * worn * np.exp(-((wall[..., 2:] / 0.13) ** 2))
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
    """Its skin, half seen through where it is clear; cracks and frost hide what is below."""
    crack, where, cold = Noise.grown(rng, 1.1, 2, 0.3), Noise.grown(rng, 0.8, 1), Noise.grown(rng, 0.3, 3)
    clear = np.array(block.colour) * [0.62, 0.72, 0.76]
    start, new = melting(0.0)
    frosted = 0.55 + 0.25 * ramp(np.sort(np.abs(new) / ice.half, axis=-1)[..., 1], 0.7, 1.0) + 0.08 * cold(new)

    def white(inside: Array) -> Array:
        """How much of a crack is seen at points in block heights: thin sheets that end here and there."""
        sheets = np.exp(-((crack(inside) / 0.10) ** 2)) * ramp(where(inside), -0.2, 0.9)
        return np.clip(block.cracks * (0.12 + 1.1 * sheets), 0, 0.9)

    def at(tau: float) -> Skin:
        points, kept = melting(tau)
        seen, deeper = white(kept), white(0.86 * kept)
        seen = seen + 0.5 * (1 - seen) * deeper
        frost = np.clip(frosted, 0, 1) * (1 - ramp(tau, 0.01, 0.16))
        albedo = tint(tint(clear, WHITE, np.clip(1.2 * seen, 0, 1)), FROST, frost)
        opacity = mix(mix(CLEAR, 0.95, seen), 0.95, ramp(frost, 0.0, 0.5))
        return Skin(points[None], albedo[None], mix(0.04, 0.5, frost)[None], opacity=opacity[None])

    chart = lathe_chart(np.linalg.norm(start[None, ..., :2], axis=-1), start[None, ..., 2])
    return Organ("ice", chart, at, closed=True, poles=(True, True))


def _cloud(
    block: IceBlock, ice: _Ice, melting: Callable[[float], tuple[Array, Array]], rng: np.random.Generator
) -> Organ:
    """The white middle: on the rays from its own middle to the skin, never nearer to the skin than UNDER."""
    billow, grey = Noise.grown(rng, 0.55, 3, 0.4), Noise.grown(rng, 0.25, 2)
    some = 2 if block.detail > 0.6 else 1  # of a coarse grid chords would come through the skin

    def rays(kept: Array) -> tuple[Array, Array, Array]:
        """Its middle, unit rays to the skin, and how long they are."""
        middle = np.array([0, 0, CLOUD_HEIGHT * kept[..., 2].max()])
        out = np.concatenate([kept[:3], kept[3:-1:some], kept[-1:]])[:, ::some] - middle
        long = np.linalg.norm(out, axis=-1, keepdims=True)
        return middle, out / np.maximum(long, 1e-9), long

    _, way, reach = rays(melting(0.0)[1])
    low = np.sqrt((((way * reach) / (ice.half * [1, 1, 0.55])) ** 2).sum(axis=-1, keepdims=True))
    size = mix(0.42, 0.86, block.cracks) * reach / np.maximum(low, 1.0) * (1 + 0.11 * billow(way * reach)[..., None])
    albedo = tint(np.array(block.colour), WHITE, np.clip(0.75 + 0.18 * grey(way * reach), 0, 1))

    def at(tau: float) -> Skin:
        points, kept = melting(tau)
        middle, way, reach = rays(kept)
        under = UNDER * reach
        radius = under * size / (under**6 + size**6) ** (1 / 6)
        shift = points[0, 0] / block.height - kept[0, 0]
        placed = (middle + shift + radius * way) * block.height
        return Skin(placed[None], albedo[None], np.full((1, *placed.shape[:2]), 0.55))

    new = at(0.0).points
    chart = 0.5 * lathe_chart(np.linalg.norm(new[..., :2], axis=-1), new[..., 2])
    return Organ("cloud", chart, at, closed=True, poles=(True, True))


def _water(block: IceBlock, ice: _Ice, spread: "Outline", melting: Callable[[float], tuple[Array, Array]]) -> Organ:
    rows, size = max(20, finer(28, block.detail)), block.height
    first = 1.15 * FILM * area(spread.first)

    def at(tau: float) -> Skin:
        points = melting(tau)[0] / size
        volume = ice.volume * ICE_DENSITY * melted(tau) + first
        foot, lift = _well(points, THICKNESS), points[0, 0, 2] - GAP
        thick = mix(0.35, 1.0, ramp(melted(tau) ** 0.5, 0.0, 0.55)) * THICKNESS
        rim = spread.holding(area(foot) * (1 - lift / thick) + volume / (0.96 * thick))
        water, depth = puddle(foot, rim, lift, rows, (volume, thick))
        opacity = mix(RIM, FLAT, ramp(depth, 0.3, 1.0))
        opacity[:3] = 0  # its ground: seen through twice, water would be half as clear
        return Skin(water[None] * size, WATER, np.full((1, *depth.shape), 0.02), opacity=opacity[None])

    last = at(1.0).points
    chart = 0.5 * lathe_chart(np.linalg.norm(last[..., :2], axis=-1), last[..., 2])  # little is drawn on it
    return Organ("water", chart, at, closed=True, poles=(True, True))


def _well(ice: Array, depth: float) -> Array:
    """(columns, 2): as wide as the ice is anywhere in the water and a little above it, and the gap."""
    level, every = 1.6 * depth, np.arange(ice.shape[1])
    above = np.maximum((ice[..., 2] > level).argmax(axis=0), 1)  # 1, at the foot, where all of it is below
    low, high = ice[above - 1, every], ice[above, every]
    share = np.clip((level - low[:, 2]) / np.maximum(high[:, 2] - low[:, 2], 1e-9), 0, 1)[:, None]
    centre = ice[0, 0, :2]
    out = np.concatenate([ice, mix(low, high, share)[None]])[..., :2] - centre
    out[:-1][ice[..., 2] > level] = 0
    widest = out[np.linalg.norm(out, axis=-1).argmax(axis=0), every]
    return centre + widest * (1 + GAP / np.maximum(np.linalg.norm(widest, axis=-1, keepdims=True), 1e-9))
