"""Scoops of ice cream in a rolled wafer cone: they soften, shine, sink into one another, run down the cone and pool.

All scoops are one surface: from the middle of their foot inside the cone up the wall, over the rim, down the outside to
a ragged lip, back up, over the scoops to the top. So they sink into one another without parts that meet. Runs are
islands that begin under the lip.

    phi  azimuth        d  depth below the rim, along the axis

Law of matter: frozen ice cream is a foam; what melts loses its air and nothing else. With the air a share AIR of the
volume (an overrun of AIR / (1 - AIR)), ice cream of which a share m has melted has a volume of 1 - AIR m of its first.

Sources: foam, overrun (up to 100 %, a third of that in gelato), melting and collapse: Clarke, "The Science of Ice
Cream", RSC 2004; Goff & Hartel, "Ice Cream", 7th ed., 2013. Runs of one width with a thick head: Huppert, "Flow and
instability of a viscous current down a slope", Nature 300, 1982. Departs from them: fronts follow a set pace, nothing
flows; the ice's own shrinkage is left out.
"""

from dataclasses import dataclass

import numpy as np

from backend.species import IceCream
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
from backend.specimens.ice_cream.runs import Runs, azimuths_of_runs
from backend.specimens.ice_cream.wafer import GOLD, LAP, RELIEF, RIM, ROOT, THICK, Wafer, cone, cone_radius
from backend.specimens.puddle import Outline, area, puddle
from backend.specimens.solids import enclosed

AIR = 0.30  # of the frozen volume: an overrun of 43 %, between gelato and plain ice cream
LEFT = 0.15  # of the ice cream above the rim, at the end

# Lengths in cones: the cone is 1 high, its tip at 0. `height` scales all.
GAP = 0.003  # between ice cream and wafer
FOOT = 0.60  # how high the ice cream's foot is in the cone
RADII, RISE = (0.300, 0.280, 0.255), (0.150, 0.345, 0.320)  # of the scoops; from the rim to the middle of each
COLLAR = 0.022  # how far a scoop's ragged skirt stands out
UNDER = 0.017  # the lip's: room for the runs that begin there
LIFT = 0.003  # of the tip above the floor: a film of melt runs under it
USUAL = LIFT + 1 + sum(RISE[:2]) + RADII[1]  # height with two scoops; one more stands on top
POOL = 0.056  # thickness of the pool, which thickened milk holds

FLAVOURS = {
    "strawberry": (0.74, 0.27, 0.30),
    "chocolate": (0.115, 0.045, 0.022),
    "pistachio": (0.40, 0.47, 0.17),
    "vanilla": (0.82, 0.69, 0.43),
    "mint": (0.42, 0.68, 0.52),
}


def melted(tau: float) -> float:
    """The share of the ice cream that has melted."""
    return float(ramp(tau, 0.0, 0.98))


def share(tau: float) -> float:
    """Volume of the ice cream, frozen and melted, in its first."""
    return 1 - AIR * melted(tau)


def grow(cream: IceCream, seed: int) -> Specimen:
    """A cone; `seed` picks the flavours, the scoops and where it runs."""
    chance = Chance(seed)
    azimuths = azimuths_of_runs(chance)
    wafer, runs = Wafer.rolled(np.sort(azimuths), chance.of("wafer")), Runs.drawn(azimuths[: cream.drips], chance)
    melting = _Melting.of(_Gelato.scooped(cream, wafer, runs, chance))
    size = cream.height / USUAL
    limp = _Limp.drawn(chance.of("limp"))
    colours = _flavours(cream, chance.of("flavours"))
    organs = [
        cone(wafer, limp, size, cream.detail, chance.of("cone")),
        _scooped(melting, limp, size, colours, chance.of("scoops")),
        _drips(melting, limp, size, colours, chance),
        _pool(cream, melting, size, colours, chance.of("pool")),
    ]
    return join(organs, Matter(("scoops", "drips", "pool"), share))


def _flavours(cream: IceCream, rng: np.random.Generator) -> Array:
    """(scoops, 3): the lowest as asked, those above it of other flavours."""
    palette = rng.permutation(list(FLAVOURS.values()))
    unlike = np.linalg.norm(palette - cream.colour, axis=1) > 0.25
    return np.concatenate([[cream.colour], palette[unlike][: cream.scoops - 1]])


@dataclass(frozen=True, eq=False)
class _Limp:
    """How the softened cone bends and flattens: both keep areas across the axis, and so every volume."""

    way: Array  # (2,) in which it leans
    lean: float
    oval: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "_Limp":
        angle = rng.uniform(0, 2 * np.pi)
        return cls(np.array([np.cos(angle), np.sin(angle)]), rng.uniform(0.05, 0.09), rng.uniform(0.04, 0.08))

    def __call__(self, points: Array, tau: float) -> Array:
        """Points (..., 3) of the standing cone, lengths in cones."""
        soft, z = ramp(tau, 0.55, 1.05), points[..., 2:]
        squeeze = 1 + soft * self.oval * ramp(z, 0.45, 1.1)
        inward = (points[..., :2] @ self.way)[..., None] * self.way
        across = points[..., :2] - inward
        bent = inward * squeeze + across / squeeze + soft * self.lean * ramp(z, 0.15, 1.6) * z * self.way
        return np.concatenate([bent, z + LIFT], axis=-1)


# The ice cream


@dataclass(frozen=True, eq=False)
class _Gelato:
    """The ice cream but for its runs. Rows: inside the cone, over its rim, down to the lip, up, over the scoops."""

    wafer: Wafer
    runs: Runs
    phi: Array  # (columns,)
    lip: Array  # (columns,) depth of the ragged lip when frozen, and how ragged it is about 1
    ragged: Array
    frozen: Array  # (rows, columns, 3) of the scoops, upwards
    uneven: Array  # (columns,) of the mound that they melt to
    tops: Array  # (scoops,) heights of the creases above the scoops
    detail: float

    @classmethod
    def scooped(cls, cream: IceCream, wafer: Wafer, runs: Runs, chance: Chance) -> "_Gelato":
        columns = finer(104, cream.detail)
        phi = np.arange(columns) * (2 * np.pi / columns)
        ring = np.stack([np.cos(phi), np.sin(phi), 0 * phi], axis=-1)
        torn = np.clip(Noise.grown(chance.of("lip"), 0.22, 2)(ring * RIM), -1.6, 2)
        uneven = 1 + 0.03 * Noise.grown(chance.of("mound"), 1.4, 1)(ring)
        frozen, tops = _scoops(cream, ring[:, :2], chance)
        lip, ragged = 0.052 + 0.015 * torn, 1 - 0.3 * torn
        return cls(wafer, runs, phi, lip, ragged, frozen, uneven, tops, cream.detail)

    def points(self, tau: float) -> tuple[Array, int]:
        """(rows, columns, 3), and the first row of the scoops."""
        inside, skirt = self._inside(), self._skirt(tau)
        scoops = self._above(tau, skirt[-1])
        return np.concatenate([inside, skirt, scoops]), len(inside) + len(skirt)

    def drips(self, tau: float) -> Array:
        """(n, rows, columns, 3): the runs, from their heads up; flat on the wafer, round outside."""
        runs, sides = self.runs, max(10, finer(16, self.detail))
        length, s = runs.lengths(tau), (1 - np.linspace(0, 1, max(14, finer(30, self.detail))) ** 1.3)[:, None]
        from_head = length * (1 - s)
        d, turn = ROOT + length * s, np.arange(sides) * (2 * np.pi / sides)
        z = 1 + GAP - d
        head, tail = np.minimum(1.5 * runs.width, 0.5 * length), np.minimum(0.010, 0.3 * length)
        end = np.sqrt(np.maximum(1 - (1 - np.minimum(from_head / head, 1)) ** 2, 0))
        end = end * np.sqrt(np.maximum(1 - (1 - np.minimum((d - ROOT) / tail, 1)) ** 2, 0))
        radius = cone_radius(z)
        room = mix(runs.room, runs.low_room * 0.95, ramp(d, 0.72, 0.86))
        free = d - self._lip_at(runs.phi, tau)  # of the lip
        half = np.minimum(runs.width * mix(0.6, 1.0, ramp(free, -0.05, 0.02)), room * radius) * end
        bulb = 0.62 + 0.45 * np.exp(-(((from_head - 1.3 * runs.width) / 0.045) ** 2))
        thick = np.minimum(mix(0.8 * UNDER, runs.thick * bulb, ramp(free, -0.004, 0.05)), 0.9 * half + 0.004) * end
        stray = runs.wave * np.sin(9 * d + runs.phase) * ramp(d, 0.08, 0.4)
        phi = runs.phi + stray + half * np.sin(turn) / radius
        wall = self.wafer.outside(phi, z) + GAP
        return _placed(wall + thick * np.maximum(np.cos(turn), 0), phi, z)

    def _inside(self) -> Array:
        z = np.array([FOOT, FOOT, FOOT + 0.02, 0.75, 0.9, 0.985, 1 + GAP])[:, None]
        radius = (cone_radius(z) - THICK - GAP) * np.array([0, 0.55, 1, 1, 1, 1, 1])[:, None]
        return _placed(radius, self.phi, z)

    def _lip_at(self, phi: Array, tau: float) -> Array:
        """Its depth: lower where a run leaves it."""
        runs = self.runs
        off = np.mod(phi[..., None] - runs.phi.ravel() + np.pi, 2 * np.pi) - np.pi
        near = np.exp(-(np.abs(off * RIM / (1.6 * runs.width.ravel())) ** 3))
        drawn = 0.075 * ramp(runs.lengths(tau).ravel(), 0.0, 0.25)
        frozen = np.interp(phi, self.phi, self.lip, period=2 * np.pi)
        return mix(frozen, 0.054, 0.75 * ramp(tau, 0.0, 0.4)) + (near * drawn).max(axis=-1)

    def _skirt(self, tau: float) -> Array:
        """Down to the lip, leaving room for runs under it, and up again as thick as it is."""
        share = 1 - np.linspace(1, 0, max(8, finer(12, self.detail)))[:, None] ** 1.7
        d = share * self._lip_at(self.phi, tau)
        z = 1 + GAP - d
        wall = self.wafer.outside(self.phi, z) + GAP + UNDER * ramp(d, 0.0, ROOT)
        collar = mix(COLLAR * self.ragged, 0.020, ramp(tau, 0.0, 0.4))
        thick = 0.003 + collar * np.sqrt(1 - share**2) + UNDER * (1 - ramp(d, 0.0, ROOT))
        return np.concatenate([_placed(wall, self.phi, z), _placed(wall + thick, self.phi, z)[::-1]])

    def _above(self, tau: float, foot: Array) -> Array:
        """The scoops, of which the mound that they melt to stands on `foot` (columns, 3)."""
        soft = ramp(tau, 0.08, 0.95)
        radius = np.linalg.norm(foot[:, :2], axis=-1)
        out = np.linalg.norm(self.frozen[..., :2], axis=-1)
        follow = np.exp(-(self.frozen[..., 2:] - 1) / mix(0.05, 0.2, soft))
        frozen = self.frozen.copy()
        frozen[..., :2] += follow * (foot[:, :2] / radius[:, None]) * (radius - out[0])[:, None]
        angle = np.linspace(0, np.pi / 2, len(frozen) + 1)[1:, None]
        height = mix(1.0, self.uneven, np.sin(2 * angle)) * (self.frozen[-1, 0, 2] - 1)
        bulge = np.cos(angle) * (1 + 0.22 * (1 - ramp(tau, 0.5, 1.0)) * np.sin(2 * angle))
        mound = np.concatenate([foot[:, :2] * bulge[..., None], (1 + GAP + height * np.sin(angle))[..., None]], axis=-1)
        return mix(frozen, mound, soft)


def _placed(radius: Array, phi: Array, z: Array) -> Array:
    return np.stack(np.broadcast_arrays(radius * np.cos(phi), radius * np.sin(phi), z), axis=-1)


def _scoops(cream: IceCream, ring: Array, chance: Chance) -> tuple[Array, Array]:
    """(rows, columns, 3) from just above the rim to the top, and the heights of the creases."""
    n = cream.scoops
    radius, middle = np.array(RADII[:n]), 1 + np.cumsum(RISE[:n])
    gap = np.diff(middle)
    upper = (gap**2 + radius[:-1] ** 2 - radius[1:] ** 2) / (2 * gap)  # from each middle to the crease above it
    crease = middle[:-1] + upper
    away, rng = chance.each("scoop", n).uniform(-0.02, 0.02, 2), chance.of("ice")
    fine, coarse = Noise.grown(rng, 0.075, 3, 0.6), Noise.grown(rng, 0.20, 2)
    pieces = []
    for i in range(n):
        low = np.arccos(np.clip((middle[i] - (crease[i - 1] if i else 1 + 2 * GAP)) / radius[i], -1, 1))
        high = np.arccos(-upper[i] / radius[i]) if i < n - 1 else np.pi
        rows = finer(26 if i == n - 1 else 18, cream.detail)
        psi = np.linspace(low, high, rows + 1)[1 if i else 0 : None if i == n - 1 else -1][:, None]
        across, up = np.broadcast_arrays(np.sin(psi)[..., None] * ring, -np.cos(psi)[..., None])
        sphere = radius[i] * np.concatenate([across, up[..., :1]], axis=2)
        z = sphere[..., 2:] + middle[i]
        above = z - (crease[i - 1] if i else 1.0)
        skirt = np.exp(-(((above - 0.022) / 0.026) ** 2)) * (i > 0)
        # A scoop's edge tears, its top is drawn smooth.
        torn = (0.35 + 0.65 * np.exp(-above / 0.10)) * ramp(above, -0.01, 0.05)
        place = sphere * [1, 1, 1.7] + [0, 0, middle[i]]
        rough = 0.008 * np.abs(fine(place))[..., None] + 0.009 * coarse(place)[..., None]
        ragged = np.clip(0.8 + 0.5 * coarse(place * [1, 1, 0])[..., None], 0.1, 1.6)
        sphere = sphere * (1 + (torn * rough + 0.027 * skirt * ragged) / radius[i])
        sphere[..., 2:] -= 0.012 * skirt * ragged
        sphere[..., :2] += away[i] * ramp(above, 0.0, 0.12)
        pieces.append(sphere + [0, 0, middle[i]])
    return np.concatenate(pieces), np.append(crease, np.inf)


@dataclass(frozen=True, eq=False)
class _Melting:
    """Where the ice cream is at a life time, and how much of it lies on the floor. Volumes in cones cubed."""

    gelato: _Gelato
    first: float  # volume when frozen
    pooled: float  # volume of the pool in the end

    @classmethod
    def of(cls, gelato: _Gelato) -> "_Melting":
        frozen, melt = gelato.points(0.0), gelato.points(1.0)
        scoops, level = enclosed(frozen[0]), enclosed(_pressed(*frozen, 0.0))
        kept = enclosed(_pressed(*melt, 0.0)) + LEFT * (scoops - level) + _volume(gelato.drips(1.0))
        first = scoops + _volume(gelato.drips(0.0))
        return cls(gelato, first, share(1.0) * first - kept)

    def on_floor(self, tau: float) -> float:
        """Volume of the pool."""
        arrival = self.gelato.runs.arrival
        return self.pooled * max(0.0, (tau - arrival) / (1 - arrival)) ** 1.4

    def points(self, tau: float) -> Array:
        """(rows, columns, 3): the scoops as high as the volume asks for, which is linear in their height."""
        points, row = self.gelato.points(tau)
        level, full = enclosed(_pressed(points, row, 0.0)), enclosed(points)
        wanted = self.first * share(tau) - self.on_floor(tau) - _volume(self.gelato.drips(tau))
        return _pressed(points, row, (wanted - level) / (full - level))


def _volume(drips: Array) -> float:
    return sum(enclosed(drip) for drip in drips)


def _pressed(points: Array, row: int, height: float) -> Array:
    """The scoops, which begin at `row`, at `height` times their height above the rim."""
    pressed = points.copy()
    pressed[row:, :, 2] = mix(1 + GAP, pressed[row:, :, 2], height)
    return pressed


def _scooped(melting: _Melting, limp: _Limp, size: float, colours: Array, rng: np.random.Generator) -> Organ:
    gelato = melting.gelato
    frozen, _ = gelato.points(0.0)
    bloom, streak = Noise.grown(rng, 0.11, 3, 0.7)(frozen), Noise.grown(rng, 0.16, 2)(frozen * [1, 1, 0.15])
    z = frozen[..., 2]

    def at(tau: float) -> Skin:
        soft = ramp(tau, 0.04, 0.7)
        albedo = colours[0] + 0 * frozen
        for crease, colour in zip(gelato.tops[:-1], colours[1:], strict=True):
            border = crease - 0.02 + soft * (0.04 - 0.14 * np.abs(streak))
            albedo = tint(albedo, colour, ramp((z - border) / mix(0.012, 0.11, soft) + 0.5))
        shade = 1 + 0.07 * bloom * (1 - 0.7 * soft) - 0.05 * soft
        albedo = tint(albedo, np.ones(3), 0.06 * (1 - soft) * ramp(bloom, 0.3, 2.0)) * shade[..., None]
        points = limp(melting.points(tau), tau) * size
        return Skin(points[None], albedo[None], np.full((1, *z.shape), _gloss(tau)))

    last = melting.points(1.0)[None] * size
    return Organ("scoops", _chart(last), at, closed=True, poles=(True, True))


def _drips(melting: _Melting, limp: _Limp, size: float, colours: Array, chance: Chance) -> Organ:
    runs = melting.gelato.runs
    taken = chance.each("drip", len(runs.phi)).uniform(0.0, 0.4, 1, 1)  # by each, of the flavours above

    def at(tau: float) -> Skin:
        points = melting.gelato.drips(tau)
        albedo = tint(colours[0] + 0 * points, colours.mean(axis=0), taken * ramp(tau, 0.25, 0.9) + 0 * points[..., 0])
        return Skin(limp(points, tau) * size, albedo * 0.95, np.full(points.shape[:3], _gloss(tau)))

    last = melting.gelato.drips(1.0)
    rows, sides = last.shape[1:3]
    around, up = np.linspace(-1, 1, sides + 1) * 2.2 * runs.width, np.linspace(0, 1, rows)[:, None] * runs.reach
    chart = size * np.stack(np.broadcast_arrays(around, up), axis=-1)
    return Organ("drips", chart, at, closed=True, poles=(True, True))


def _gloss(tau: float) -> float:
    """Roughness: frozen foam is matt, melt shines."""
    return float(mix(0.72, 0.16, ramp(tau, 0.0, 0.35)))


def _pool(cream: IceCream, melting: _Melting, size: float, colours: Array, rng: np.random.Generator) -> Organ:
    rows, columns = max(16, finer(20, cream.detail)), max(48, finer(96, cream.detail))
    angle = np.arange(columns) * (2 * np.pi / columns)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    spread = Outline.drawn(0.026 * ring, rng)
    swirl = Noise.grown(rng, 0.45, 2)
    blend = mix(colours[0], colours.mean(axis=0), 0.6)

    def at(tau: float) -> Skin:
        volume = melting.on_floor(tau) + 1.2e-5
        filled = (volume / melting.pooled) ** (1 / 3)
        thick = POOL * mix(0.12, 1.0, ramp(filled, 0.0, 0.9))
        foot = _stood_in(melting.gelato.drips(tau), angle, thick)[:, None] * ring
        rim = spread.holding(area(foot) + volume / (0.92 * thick))
        pool, depth = puddle(foot, rim, LIFT / 2, rows, (volume, thick))
        albedo = tint(colours[0] + 0 * pool, blend, 0.5 + 0.5 * np.sin(2 * swirl(pool)))
        albedo = tint(GOLD + 0 * pool, albedo, ramp(filled, 0.06, 0.12) + 0 * depth)
        return Skin(pool[None] * size, albedo[None], np.full((1, *depth.shape), 0.14))

    return Organ("pool", 0.5 * _chart(at(1.0).points), at, closed=True, poles=(True, True))


def _stood_in(drips: Array, angle: Array, depth: float) -> Array:
    """The radius at each angle within which the cone and the runs stay below `depth`."""
    wafer = cone_radius(1.2 * depth) + LAP * ramp(1.2 * depth, 0.0, 0.2) + RELIEF / 2
    low = drips[drips[..., 2] < 1.7 * depth + 0.006]
    if not len(low):
        return np.full(len(angle), wafer + GAP)
    reach = np.linalg.norm(low[:, :2], axis=-1) * (1 - ramp(low[:, 2], 1.2 * depth, 1.7 * depth + 0.006))
    off = np.mod(np.arctan2(low[:, 1], low[:, 0]) - angle[:, None] + np.pi, 2 * np.pi) - np.pi
    return wafer + GAP + (np.maximum(reach - wafer, 0) * np.exp(-((off / 0.5) ** 4))).max(axis=1)


def _chart(points: Array) -> Array:
    """Of solids about the axis."""
    return lathe_chart(np.linalg.norm(points[..., :2], axis=-1), points[..., 2])
