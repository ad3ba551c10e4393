"""A loaf: the dough rises, springs in the oven, opens along its cuts and browns.

The loaf is one closed grid of rings about its long axis, from end to end. Its skin is a smooth solid on which
material points can slide: towards the cuts while they are shut, apart as they open, so that each cut has crumb of its
own from the start. Along one side of a cut a flap of crust, the ear, lifts away from the crumb.

    x    along the loaf, in half lengths       angle  round it, radians, 0 at the middle of the top
    q, p across a cut and along it, in heights of the loaf, on the skin unrolled about the top

Volume is the law that holds it together: solids and water are kept, gas is not, so a loaf's volume is that of its gas
and a constant. Dough rises to `rise` times its volume by its yeast's carbon dioxide; in the oven gas expands, leaves
solution and is joined by steam until the crumb sets near 90 degrees C, in the first minutes (Moore & Hoseney, "The
leavening of bread dough", Cereal Foods World 30, 1985; Scanlon & Zghal, "Bread properties and crumb structure", Food
Res. Int. 34, 2001); then the loaf shrinks a little as it dries and cools (Sommier, Chiron, Colonna, Della Valle &
Rouille, "An instrumented pilot scale oven for the study of French bread baking", J. Food Eng. 69, 2005). A crust
browns where it is hottest and driest first (Purlis, "Browning development in bakery products", J. Food Eng. 99, 2010).
Departs from them: amounts are usual ones, the opening of the cuts is prescribed and no heat is computed.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backend.species import Bread
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
    mix,
    ramp,
    tint,
)
from backend.specimens.solids import enclosed, poled

# Landmarks of life time: risen and put in the oven; the spring is over; out of the oven; cool.
RISEN = Bread.life.stretches["rise"].end
SPRUNG, BAKED = 0.62, 0.93
SPRING, SHRINKAGE = 0.22, 0.03  # shares of the volume: gained in the oven, lost in cooling

DOUGH, PROVED = np.array([0.62, 0.52, 0.36]), np.array([0.70, 0.62, 0.47])
MOIST, CRUMB = np.array([0.76, 0.69, 0.55]), np.array([0.72, 0.56, 0.33])  # of a cut: as it opens, and baked
GOLD, FLOUR = np.array([0.58, 0.34, 0.12]), np.array([0.80, 0.76, 0.68])

# Of the baked loaf, in its heights.
HALF_WIDTH, BELLY = 0.72, 0.36  # half its width; how high it is widest
OVAL = 2.12  # exponent of its outline from above
GAPE = 0.125  # half width of an open cut where there are several; a single one opens wider
EAR = 0.10  # how high an ear stands


def grow(bread: Bread, seed: int) -> Specimen:
    """A loaf; `seed` picks the individual. Its vertices are the shaped dough (tau 0)."""
    chance = Chance(seed)
    loaf = _Loaf.grown(bread, chance)
    return join([_crust(loaf, chance.of("crust"))], Matter(("loaf",), loaf.volume_share))


def proved(tau: float) -> float:
    """How far the dough has risen, 0 to 1: slowly at first, fastest in the middle."""
    return float(ramp(tau, -0.05, RISEN))


def sprung(tau: float) -> float:
    """How far the oven has driven it up, 0 to 1."""
    return float(ramp(tau, RISEN, SPRUNG))


def browned(tau: float) -> float:
    """How long the crust has been browning, 0 to 1."""
    return float(np.clip((tau - 0.53) / (BAKED - 0.53), 0, 1))


@dataclass(frozen=True, eq=False)
class _Cuts:
    """m cuts across the top. Places are (x, y) in heights, y along the skin from the middle of the top."""

    centre: Array  # (m, 2)
    along: Array  # (m, 2) unit, the way of the blade
    half: Array  # (m,) half length
    gape: Array  # (m,) half width when open
    ear: Array  # (m,) how high the ear stands, on the side of +q
    late: Array  # (m,) shares of the spring by which it opens later

    @classmethod
    def grown(cls, bread: Bread, chance: Chance) -> "_Cuts":
        """One cut goes along the loaf, a little to the side; more go slantwise."""
        m, half_length = bread.cuts, bread.length / 2
        hand, cuts = chance.of("hand").choice([-1.0, 1.0]), chance.each("cut", m)
        if m == 1:
            angle, x, half = cuts.uniform(-0.1, 0.1), np.zeros(1), np.array([0.7 * half_length])
            y, widest = hand * cuts.uniform(0.03, 0.1), 1.4 * GAPE
        else:
            step = 2 * 0.7 * half_length / max(m, 1)
            x = (np.arange(m) - (m - 1) / 2) * step + cuts.uniform(-0.03, 0.03) * step
            slant = np.arcsin(np.clip(0.36 / step, 0.78, 1.0))
            angle = hand * (slant + cuts.uniform(-0.05, 0.05))
            widest = np.minimum(GAPE, 0.27 * step * np.sin(np.abs(angle)))
            half = 0.52 * np.sqrt(np.clip(1 - (x / half_length) ** 2, 0.3, 1)) * cuts.uniform(0.92, 1.08)
            y = cuts.uniform(-0.03, 0.03)
        along = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        gape = widest * cuts.uniform(0.9, 1.05)
        ear = EAR * gape / GAPE * cuts.uniform(0.7, 1.15)
        return cls(np.stack([x, y], axis=-1), along, half, gape, ear, cuts.uniform(0, 0.25))

    @property
    def across(self) -> Array:
        """(m, 2) unit, the way in which q rises."""
        return np.stack([-self.along[:, 1], self.along[:, 0]], axis=-1)

    @property
    def slant(self) -> float:
        """dx / dy of the cuts, 0 where they run along the loaf."""
        steep = np.abs(self.along[:, 1]) > 0.5
        return float((self.along[:, 0] / self.along[:, 1])[steep].mean()) if steep.any() else 0.0

    def seen(self, places: Array) -> tuple[Array, Array]:
        """From places (..., 2): q in half widths (..., m), and how much of a cut is there, 0 past its ends."""
        away = places[..., None, :] - self.centre
        p = np.abs((away * self.along).sum(axis=-1)) / self.half
        return (away * self.across).sum(axis=-1) / self.gape, np.sqrt(np.clip(1 - p**2, 0, 1)) * ramp(1 - p, 0.0, 0.4)

    def open(self, tau: float) -> Array:
        """(m,) how far each has opened, 0 to 1."""
        return ramp(sprung(tau), 0.3 * self.late, 0.7 + 0.3 * self.late)


@dataclass(frozen=True, eq=False)
class _Loaf:
    """Its grid (1, rows, columns) and what is drawn once for an individual, in heights of the baked loaf."""

    bread: Bread
    places: Array  # (1, rows, columns, 2) on the skin, unrolled about the top, where the cuts are open
    angle: Array  # (1, rows, columns)
    cuts: _Cuts
    bend: float  # how far its ends turn aside
    lumps: tuple[Array, Array]  # fields over the skin, about 0: of it uncut, and cut open
    bubbles: Array
    blisters: Array

    @classmethod
    def grown(cls, bread: Bread, chance: Chance) -> "_Loaf":
        cuts, rng = _Cuts.grown(bread, chance), chance.of("loaf")
        places, angle = _grid(bread, cuts.slant)
        lumps, bubbles, blisters = (Noise.grown(rng, length, 2) for length in (1.1, 0.16, 0.08))
        opened = _section(*_on_skin(bread, places, places, angle), bread, 1.0)[0]
        before = _slid(places, cuts, cuts.seen(places), np.array(_tight(bread)))
        shut = _section(*_on_skin(bread, before, places, angle), bread, 1.0)[0]
        fields = (lumps(shut), lumps(opened)), bubbles(shut), blisters(opened)
        return cls(bread, places, angle, cuts, 0.05 * rng.uniform(-1, 1), *fields)

    @cached_property
    def done(self) -> tuple[float, float, float]:
        """Of the finished loaf before it is scaled: its height, what it lacks in length, and its volume."""
        points = self.raw(1.0)
        long, _, tall = np.ptp(points, axis=(0, 1, 2))
        longer = float(self.bread.length * tall / long)
        return float(tall), longer, longer * enclosed(poled(points[0]))

    def volume_share(self, tau: float) -> float:
        """Of the volume of the shaped dough."""
        risen = 1 + (self.bread.rise - 1) * (proved(tau) - proved(0)) / (1 - proved(0))
        return float(risen * (1 + SPRING * sprung(tau)) * (1 - SHRINKAGE * ramp(tau, SPRUNG, 1.0)))

    @cached_property
    def seen(self) -> tuple[Array, Array]:
        """The cuts as the grid sees them, (1, rows, columns, m) each."""
        return self.cuts.seen(self.places)

    def slid(self, tau: float) -> Array:
        """Places of the skin at tau: drawn together to the cuts as long as they are shut."""
        return _slid(self.places, self.cuts, self.seen, _tight(self.bread) * (1 - self.cuts.open(tau)))

    def raw(self, tau: float) -> Array:
        """Points (1, rows, columns, 3) before they are scaled to their volume."""
        x, angle = _on_skin(self.bread, self.slid(tau), self.places, self.angle)
        points, normal, side = _section(x, angle, self.bread, tau)
        above = ramp(np.cos(angle), -0.8, 0.2) * ramp(_outline(x), 0.0, 0.5)
        rough = 0.014 * mix(*self.lumps, sprung(tau))
        rough = rough + 0.006 * proved(tau) * (1 - sprung(tau)) * np.maximum(self.bubbles - 0.9, 0)
        rough = rough + 0.005 * ramp(tau, SPRUNG - 0.1, 0.8) * np.maximum(self.blisters - 0.5, 0)
        up, aside = self.lifted(tau)
        points = points + (above * rough + up)[..., None] * normal
        points[..., 0] += aside[..., 0]
        points = points + aside[..., 1:] * side
        points[..., 1] += self.bend * (x**2 - 0.3) * self.bread.length / 2
        return points

    def lifted(self, tau: float) -> tuple[Array, Array]:
        """How the open cuts push the skin: out (1, rows, columns), and along it (1, rows, columns, 2)."""
        q, there = self.seen
        opened = self.cuts.open(tau) * there
        ear = self.cuts.ear * (ramp(q, 0.45, 1.1) - ramp(q, 1.0, 3.2))
        floor = (
            -0.22 * self.cuts.gape * (ramp(q, -1.35, -0.8) - ramp(q, 0.5, 1.2)) * (1 - 0.5 * np.exp(-((q / 0.5) ** 2)))
        )
        over = -0.75 * self.cuts.ear * (ramp(q, 0.5, 1.1) - ramp(q, 1.1, 2.6))
        return (opened * (ear + floor)).sum(axis=-1), (opened * over) @ self.cuts.across

    def placed(self, tau: float) -> Array:
        """Points in metres, on the floor."""
        tall, longer, volume = self.done
        raw = self.raw(tau) * [longer, 1, 1]
        kept = self.volume_share(tau) / self.volume_share(1.0)
        points = raw * (self.bread.height / tall * np.cbrt(kept * volume / enclosed(poled(raw[0]))))
        return points - [0, 0, points[..., 2].min()]


def _tight(bread: Bread) -> float:
    """How closely a shut cut is drawn together: a coarse grid would fold over in it."""
    return 0.94 * min(1.0, 0.4 + bread.detail)


def _slid(places: Array, cuts: _Cuts, seen: tuple[Array, Array], shut: Array) -> Array:
    """Places drawn together to cuts that are shut (m,), 0 to 1."""
    q, there = seen
    return places - (shut * there * (1 - ramp(np.abs(q), 0.7, 2.4)) * q * cuts.gape) @ cuts.across


def _on_skin(bread: Bread, places: Array, grid: Array, angle: Array) -> tuple[Array, Array]:
    """x and angle of `places` that slid from those of the `grid`, which are at `angle`."""
    x, before = (np.clip(each[..., 0] / (bread.length / 2), -1, 1) for each in (places, grid))
    moved = (places[..., 1] - grid[..., 1]) / (HALF_WIDTH * np.maximum(_outline(before), 0.01))
    return x, angle + moved


def _outline(x: Array) -> Array:
    """Of the loaf from above: its half width at x, in that of its middle."""
    return np.maximum(1 - np.abs(x) ** OVAL, 0) ** (1 / OVAL)


def _grid(bread: Bread, slant: float) -> tuple[Array, Array]:
    """Places (1, rows, columns, 2) and angles of rings whose lines over the top run with slanting cuts."""
    rows, columns = finer(128, bread.detail), finer(120, bread.detail)
    half = bread.length / 2
    t = np.linspace(0, np.pi, 2001)
    x = -np.cos(t)
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x) * half, np.diff(_outline(x)) * HALF_WIDTH))])
    x = np.interp(np.linspace(0, length[-1], rows), length, x)[None, :, None]
    even = np.pi - np.arange(columns) * (2 * np.pi / columns)
    angle = (even - 0.32 * np.sin(even))[None, None, :]  # closer on the top
    y = angle * HALF_WIDTH * _outline(x)
    sheared = slant * y * np.exp(-((y / 0.62) ** 4)) * ramp(1 - np.abs(x), 0.05, 0.6)
    return np.stack(np.broadcast_arrays(x * half + sheared, y), axis=-1), angle + 0 * x


def _section(x: Array, angle: Array, bread: Bread, tau: float) -> tuple[Array, Array, Array]:
    """The smooth loaf at x and angle: points, the way out of it, and the way along its skin, away from the top."""
    spread, spring, outline = proved(tau), sprung(tau), _outline(x)
    wide = mix(mix(0.74, 0.83, spread), HALF_WIDTH, spring)
    crown = mix(mix(0.56, 0.53, spread), 1 - BELLY, spring)
    belly = mix(mix(0.34, 0.30, spread), BELLY, spring)
    across, up = np.sin(angle), np.cos(angle)
    power = np.where(up > 0, 2.15, 4.5)
    tall = np.where(up > 0, crown * outline**0.95, belly * outline**0.5)
    wide = wide * outline
    reach = np.abs(across / np.maximum(wide, 1e-9)) ** power + np.abs(up / np.maximum(tall, 1e-9)) ** power
    radius = reach ** (-1 / power)
    zero = np.zeros_like(angle)
    points = np.stack([x * (bread.length / 2), radius * across, belly + radius * up], axis=-1)
    normal = np.stack([0.5 * x**3, across, up + 0.15], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return points, normal, np.stack([zero, up, -across], axis=-1)


def _crust(loaf: _Loaf, rng: np.random.Generator) -> Organ:
    bread = loaf.bread
    q, there = loaf.seen
    # Stains and flour are those of the skin uncut: drawn on open cuts, they would be lines across shut ones.
    spot = _section(*_on_skin(bread, loaf.slid(0.0), loaf.places, loaf.angle), bread, 1.0)[0]
    stain, dust, fine = (Noise.grown(rng, *each)(spot) for each in ((0.5, 3), (0.40, 3), (0.09, 2)))
    top = ramp(np.cos(loaf.angle), -0.2, 0.9)
    crumb = (there**0.3 * ramp(q, -1.25, -0.85) * (1 - ramp(q, 0.75, 1.05))).sum(axis=-1)
    flap = (there**0.5 * np.exp(-(((q - 1.15) / 0.28) ** 2))).sum(axis=-1)
    edge = flap + (0.45 * there**0.5 * np.exp(-(((q + 1.3) / 0.3) ** 2))).sum(axis=-1)
    floured = ramp(dust + 0.35 * fine, -0.2, 1.3) * ramp(np.cos(loaf.angle), 0.2, 0.8)
    bare = np.clip(crumb + edge, 0, 1)  # a cut has no flour on it, but a shut one is not seen
    base = ramp(-np.cos(loaf.angle), 0.55, 0.95)
    heat = 0.55 + 0.40 * top + 0.25 * base + 0.13 * stain + 0.05 * fine + 0.5 * edge - 0.40 * crumb
    colour = np.array(bread.colour)

    def at(tau: float) -> Skin:
        opened = float(loaf.cuts.open(tau).mean()) if bread.cuts else 0.0
        dough = tint(DOUGH, PROVED, proved(tau) + 0 * stain) * (1 + 0.03 * stain)[..., None]
        dough = tint(dough, tint(MOIST, CRUMB, ramp(browned(tau), 0.1, 0.7)), 0.85 * crumb * ramp(opened, 0.05, 0.6))
        brown = browned(tau) * heat * (0.75 + 0.25 * browned(tau)) + 0.34 * flap * ramp(browned(tau), 0.0, 0.35)
        albedo = tint(dough, GOLD, ramp(brown, 0.02, 0.42))
        albedo = tint(albedo, colour, ramp(brown, 0.28, 0.85))
        albedo = tint(albedo, 0.28 * colour, ramp(brown, 0.76, 1.4))
        dusted = floured * (1 - bare * ramp(opened, 0.0, 0.5)) * mix(0.35, 0.62, browned(tau))
        albedo = tint(albedo, FLOUR, dusted)
        rough = mix(0.42, 0.72, max(proved(tau) * 0.4, browned(tau))) + 0.2 * dusted + 0.12 * crumb * opened
        return Skin(loaf.placed(tau), albedo, rough)

    chart = np.concatenate(
        [loaf.places, np.concatenate([loaf.places[:, :, :1, :1], -loaf.places[:, :, :1, 1:]], axis=-1)], axis=2
    )
    return Organ("loaf", chart * bread.height, at, closed=True, poles=(True, True))
