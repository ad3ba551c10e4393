"""A seedling of a dicot (bean, sunflower): it breaks the ground as a hook, straightens, unfolds two seed leaves and
then pairs of true leaves, and wilts.

The shoot is one curve whose segments, the hypocotyl and the internodes, each lengthen along a logistic curve, one after
another. All that it bears is a plane midrib in the frame of its node, at an angle to the shoot, and a cross-section
about that midrib. The soil is a solid with a pit; its wall keeps clear of whatever of the seedling is inside, so that
the ground opens as the hook comes through.

    s      along the shoot, in [0, 1]; nodes stay at theirs      angle  of a midrib to the shoot, radians
    u, v   across and along a leaf, in [-1, 1] and [0, 1]        lengths are shares of the plant's height until the end

Sources: the arch that breaks the ground, and circumnutation: Darwin, "The power of movement in plants", 1880, chs. 1
and 2. The hook forms, is kept, and opens: Raz & Ecker, "Regulation of differential growth in the apical hook of
Arabidopsis", Development 126, 1999. Sigmoid growth of organs in turn: Richards, "The quantitative analysis of growth",
in Steward (ed.), Plant Physiology VA, 1969. Simplified: growth is uniform within a segment, leaves are opposite and
decussate throughout (as in the first nodes of bean and sunflower), roots are not shown.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from backend.species import Sprout
from backend.specimens.core import (
    Array,
    Chance,
    Draws,
    Noise,
    Organ,
    Skin,
    Specimen,
    finer,
    join,
    mix,
    ramp,
    scaled,
    tint,
    turn,
)
from backend.specimens.midribs import Nodes, petiole_chart, petioles, surface
from backend.specimens.sprout.shoot import (
    BROWN,
    COAT_DOWN,
    COAT_OFF,
    COAT_SLIPS,
    GROWN,
    LEAF_TAKES,
    PALE,
    PARTING,
    STEM_GREEN,
    WILTING,
    YELLOW,
    Shoot,
    growth,
    stem,
)
from backend.specimens.sprout.soil import Mound, crumbs, mound

COTYLEDON, COAT = 0.15, 0.044  # lengths
MOUND_RADIUS, MOUND_HEIGHT = 0.26, 0.098
CLEAR = 0.004  # between the seedling and the wall of its pit

COAT_BROWN, COAT_PALE = np.array([0.10, 0.055, 0.028]), np.array([0.36, 0.27, 0.17])


def grow(sprout: Sprout, seed: int) -> Specimen:
    """A seedling; `seed` picks the individual. Its vertices are the ground before it has opened (tau 0)."""
    chance = Chance(seed)
    shoot = Shoot.grown(sprout, chance.of("shoot"))
    body, cotyledons = stem(shoot, sprout.detail), _cotyledons(shoot, sprout, chance)
    heap = Mound.grown(MOUND_RADIUS, MOUND_HEIGHT, chance.of("mound"))
    coat, bare = _coat(shoot, heap, sprout.detail, chance.of("seed coat"))

    close = stem(shoot, 1.5)  # at any detail: the pit's wall finds its way between its rows

    def buried(tau: float) -> Array:
        young = (close, cotyledons, coat) if tau < COAT_SLIPS else (close, cotyledons)
        return np.concatenate([organ.at(tau).points.reshape(-1, 3) for organ in young])

    soil = [mound(heap, buried, CLEAR, sprout.detail), crumbs(heap, 110, bare, sprout.detail, chance.of("crumbs"))]
    organs = [*soil, body, cotyledons, coat, *_leaves(shoot, sprout, sprout.leaves, chance)]
    # The second leaf of a pair makes the plant no larger.
    paired = _leaves(shoot, sprout, sprout.leaves + sprout.leaves % 2, chance)
    top = max(float(organ.at(GROWN).points[..., 2].max()) for organ in (close, *paired, cotyledons))
    return join([scaled(organ, sprout.height / top) for organ in organs])


# Leaves


def _cotyledons(shoot: Shoot, sprout: Sprout, chance: Chance) -> Organ:
    """Two fleshy solids, face to face until they part."""
    rows, columns = max(14, finer(30, sprout.detail)), max(14, finer(28, sprout.detail))
    v = (0.5 - 0.5 * np.cos(np.pi * np.linspace(0, 1, rows)))[None, :, None]
    phi = (np.arange(columns) * (2 * np.pi / columns))[None, None]
    draws = chance.each("seed leaf", 2)
    length = COTYLEDON * mix(0.7, 1.0, min(sprout.size, 1.0)) * draws.uniform(0.95, 1.05)
    wide, thick = _cotyledon_width(v), _cotyledon_thickness(v)
    tone, uneven = draws.uniform(0.9, 1.1, 1, 1, 1), draws.uniform(-0.15, 0.15, 1)
    late, curl = draws.uniform(0.0, 0.03, 1), draws.uniform(0.7, 1.3, 1)
    across = np.sin(phi) * np.ones_like(v)
    vein = np.exp(-((across / 0.16) ** 2)) * (1 - v)
    flat = np.stack(np.broadcast_arrays(across + [[[0]], [[7]]], 2 * v, 0 * phi), axis=-1)
    mottle = Noise.grown(chance.of("seed leaves"), 0.6)(flat)
    green = tint(0.75 * np.array(sprout.colour), np.array([0.20, 0.33, 0.09]), np.clip(0.22 + 0.5 * vein, 0, 1)) * tone
    along_v = v[..., 0]

    def at(tau: float) -> Skin:
        nodes = shoot.nodes(tau, np.array([0.5, 0.5]), np.array([0.0, np.pi]))
        grown = _cotyledon_size(tau)
        parted = ramp(tau - late, *PARTING)
        limp = ramp(tau - late, WILTING, 0.9)
        fresh = parted * (1.12 + uneven + 0.42 * along_v)
        angle = mix(fresh, nodes.down()[:, None], limp * (0.6 + 0.3 * along_v)) - 1.3 * curl * limp**2 * along_v**2
        half, deep = grown * length[:, None, None] * wide, grown * length[:, None, None] * thick
        half, deep = half * (1 - 0.45 * limp[..., None]), deep * (1 - 0.6 * limp[..., None])
        flat = np.where(np.cos(phi) < 0, 0.35, 1.0)  # the upper face bulges less
        eaten = 1 + 0.14 * limp[..., None] * np.sin(11 * v + 6 * curl[..., None])
        shut = (1 - parted)[..., None] * (_gap(v, nodes.radius[:, None, None], grown) - 0.35 * deep)
        rolled = (0.06 * parted + 0.4 * limp)[..., None] * half * across**2
        section = half * across * eaten, shut - deep * flat * np.cos(phi) + rolled, 0 * phi
        start = 1.06 * nodes.radius, 0 * nodes.radius
        local, _ = surface(start, angle + 0 * along_v, grown * length * (1 - 0.3 * limp[:, 0]), section)
        colour = tint(
            tint(PALE, green, ramp(tau, 0.16, 0.46)), YELLOW, ramp(1.6 * limp[..., None] + 0.12 * mottle, 0.1, 0.9)
        )
        brown = ramp(1.7 * limp[..., None] + 0.25 * mottle + 0.35 * v - 0.3, 0.4, 1.1)
        return Skin(nodes.placed(local), tint(colour, BROWN, 0.9 * brown), mix(0.38, 0.8, brown))

    # How far the inner faces stand from the shoot's axis: room for the bud at the foot.
    def _gap(v: Array, radius: Array, grown: float) -> Array:
        return 1.06 * radius - mix(1.06 * radius, 0.0025, ramp(v, 0.02, 0.3))

    ring = np.arange(columns + 1) / columns - 0.5
    chart = np.stack(
        np.broadcast_arrays(2 * length[:, None, None] * wide * ring * 1.1, length[:, None, None] * v), axis=-1
    )
    return Organ("seed leaves", chart, at, closed=True, poles=(True, True))


def _cotyledon_size(tau: float) -> float:
    return mix(0.36, 1.0, growth(tau, 0.12, 0.52))


def _cotyledon_width(v: Array) -> Array:
    """Half width over length: a short stalk, then oblong and blunt."""
    oblong = np.clip(1 - np.abs(2 * (np.maximum(v - 0.1, 0) / 0.9) ** 1.05 - 1) ** 3.6, 0, 1)
    return 0.25 * oblong**0.5 * ramp(v, 0.05, 0.5) + 0.055 * np.sqrt(np.clip(v / 0.06, 0, 1)) * (1 - v)


def _cotyledon_thickness(v: Array) -> Array:
    """Half thickness over length."""
    return 0.066 * np.sqrt(v * (1 - v)) * 2


def _coat(shoot: Shoot, heap: Mound, detail: float, rng: np.random.Generator) -> tuple[Organ, Array]:
    """The husk of the seed: a cup over the tips of the seed leaves, which slips off and drops on the ground. Also
    where it lies then (x, y, radius)."""
    rows, columns = max(8, finer(14, detail)), max(14, finer(20, detail))

    def grid(rows: int, columns: int) -> tuple[Array, Array]:
        """From the mouth to the tip (rows, 1) and about it (columns,)."""
        return np.sin(np.pi / 2 * np.linspace(0, 1, rows))[:, None], np.arange(columns) * (2 * np.pi / columns)

    q, phi = grid(rows, columns)
    stripe = ramp(np.cos(7 * phi), 0.2, 0.9) * (1 - 0.5 * q)
    albedo = (tint(COAT_BROWN, COAT_PALE, 0.75 * stripe) * rng.uniform(0.85, 1.15))[None]
    rest_way, roll = rng.uniform(-0.7, 0.7), rng.uniform(-0.25, 0.25)

    def cup(tau: float, q: Array, phi: Array) -> Array:
        """(rows, columns, 3) in the node's frame: about the seed leaves, COAT long."""
        size = _cotyledon_size(min(tau, COAT_SLIPS))
        long = COTYLEDON * 1.05 * size
        mouth = 1 - COAT / long
        v = mouth + (1 - mouth) * q
        skin = 0.004
        half = long * _cotyledon_width(v) + skin * np.sqrt(1 - q**6)
        deep = 1.35 * long * _cotyledon_thickness(v) + (skin + 0.0025) * np.sqrt(1 - q**6)
        return np.stack(np.broadcast_arrays(deep * np.cos(phi), half * np.sin(phi), v * long + skin * q**3), axis=-1)

    def worn(tau: float) -> tuple[Array, Array]:
        """Origin and frame while it sits on the seed leaves."""
        origin, frame = shoot.spine(tau).pose(np.array(0.5))
        return origin + frame[:, 2] * (1.5 * COAT * ramp(tau, COAT_SLIPS, COAT_OFF)), frame

    usual, shed = cup(COAT_OFF, *grid(14, 20)), cup(COAT_OFF, q, phi)  # where it lies is the same at any detail
    centre = usual.reshape(-1, 3).mean(axis=0)
    start, frame = worn(COAT_OFF)
    start = start + frame @ centre
    heading = np.arctan2(frame[1, 2], frame[0, 2]) + rest_way
    lying = turn("z", heading) @ turn("y", np.array(np.pi / 2 + 0.4)) @ turn("z", roll)
    spot = _level(heap, heading, (usual - centre) @ lying.T)
    spun = Rotation.from_matrix(frame.T @ lying).as_rotvec()

    def at(tau: float) -> Skin:
        if tau <= COAT_OFF:
            origin, held = worn(tau)
            points = cup(tau, q, phi) @ held.T + origin
        else:
            fall = min((tau - COAT_OFF) / (COAT_DOWN - COAT_OFF), 1.0)
            turned = frame @ Rotation.from_rotvec(spun * ramp(fall)).as_matrix()
            local = (shed - centre) @ turned.T
            flat = mix(start[:2], spot, fall * (2 - fall)) + local[..., :2]
            ground = (heap.top(*np.moveaxis(flat, -1, 0)) - local[..., 2]).max() + 0.02 * MOUND_HEIGHT
            height = mix(start[2], ground, fall**1.6)
            points = np.concatenate([flat, local[..., 2:] + max(height, ground)], axis=-1)
        return Skin(points[None], albedo, np.full((1, rows, columns), 0.55))

    chart = np.stack(np.broadcast_arrays(np.arange(columns + 1) / columns * 0.1, q * COAT), axis=-1)
    organ = Organ("seed coat", chart[None], at, closed=True, poles=(False, True))
    return organ, np.append(spot, 0.75 * COAT)


def _level(heap: Mound, heading: float, lying: Array) -> Array:
    """A place (2,) of the mound near `heading` where `lying` (..., 3) comes nearest to the ground."""
    far, way = np.meshgrid(MOUND_RADIUS * np.linspace(0.5, 0.72, 8), heading + np.linspace(-0.6, 0.6, 12))
    spots = np.stack([far * np.cos(way), far * np.sin(way)], axis=-1).reshape(-1, 2)
    x, y = np.moveaxis(spots[:, None] + lying[..., :2].reshape(1, -1, 2), -1, 0)
    gap = heap.top(x, y) - lying[..., 2].reshape(1, -1)
    return spots[(gap.max(axis=1) - heap.top(*spots.T)).argmin()]


def _leaves(shoot: Shoot, sprout: Sprout, n: int, chance: Chance) -> list[Organ]:
    """Pairs of true leaves, each pair across the one below: their stalks and their blades."""
    if not n:
        return []
    leaf = _Leaf.grown(shoot, sprout.size, n, chance)
    stain = Noise.grown(chance.of("leaves"), 0.5)
    return [leaf.petioles(sprout.detail), leaf.blades(sprout, chance.each("blade", n), stain)]


@dataclass(frozen=True, eq=False)
class _Leaf:
    """All n true leaves."""

    shoot: Shoot
    pair: Array  # (n,) 0 is the lowest
    azimuth: Array
    length: Array
    stalk: Array  # length of the petiole
    rise: Array  # angle of the open petiole to the shoot
    bow: Array
    late: Array  # life time by which it wilts later than the others

    @classmethod
    def grown(cls, shoot: Shoot, size: float, n: int, chance: Chance) -> "_Leaf":
        pair = np.arange(n) // 2
        draws, pairs = chance.each("leaf", n), chance.each("pair", 4)
        askew = pairs.uniform(-0.22, 0.22)[pair] + draws.uniform(-0.04, 0.04)  # a pair together, as in the bud
        azimuth = np.pi / 2 + pair * np.pi / 2 + (np.arange(n) % 2) * np.pi + askew
        length = 0.235 * size * 0.9**pair * draws.uniform(0.92, 1.08)
        stalk = length * draws.uniform(0.26, 0.36)
        rise, bow = draws.uniform(0.8, 1.05) - 0.1 * pair, draws.uniform(0.45, 0.85)
        return cls(shoot, pair, azimuth, length, stalk, rise, bow, draws.uniform(0.0, 0.05) + 0.02 * pair)

    def nodes(self, tau: float) -> Nodes:
        nodes = self.shoot.nodes(tau, self.shoot.bounds[self.pair + 2], self.azimuth)
        # A limp leaf on the upper side of a shoot that nods falls off it to the side.
        upwards, left = nodes.frames[:, 2, 0], nodes.frames[:, 2, 1]
        return nodes.turned(-4.5 * self.limp(tau) * upwards.clip(0, 1) * left)

    def size(self, tau: float) -> Array:
        """(n,) length, as a share of the grown one."""
        start = self.shoot.starts[self.pair + 1]
        return mix(0.010 / self.length * 0.12**self.pair, 1.0, growth(tau, start, start + LEAF_TAKES))

    def opened(self, tau: float) -> Array:
        start = self.shoot.starts[self.pair + 1]
        return ramp(tau, start + 0.25 * LEAF_TAKES, start + 0.95 * LEAF_TAKES)

    def limp(self, tau: float) -> Array:
        return ramp(tau - self.late, WILTING + 0.01, 0.94)

    def stalks(self, tau: float, rows: int) -> tuple[Array, Array, Array]:
        """Angles (n, rows), lengths (n,) and radii (n,) of the petioles."""
        along_it = np.linspace(0, 1, rows)
        limp, opened = self.limp(tau)[:, None], self.opened(tau)[:, None]
        fresh = opened * (self.rise[:, None] + 0.25 * along_it)
        angle = mix(fresh, self.nodes(tau).down()[:, None], limp * (0.2 + 0.4 * along_it))
        size = self.size(tau)
        return angle, self.stalk * size * mix(0.3, 1.0, self.opened(tau)), 0.0048 * size * (1 - 0.35 * limp[:, 0])

    def petioles(self, detail: float) -> Organ:
        rows, sides = finer(14, detail), max(6, finer(9, detail))

        def at(tau: float) -> Skin:
            nodes = self.nodes(tau)
            local, _ = petioles(nodes.radius, *self.stalks(tau, rows), sides)
            dry = self.limp(tau)[:, None, None] + np.zeros(local.shape[:3])
            lit = tint(STEM_GREEN, YELLOW, 0.8 * dry)
            return Skin(nodes.placed(local), tint(lit, BROWN, 0.5 * dry**2), 0.45 + 0.3 * dry)

        chart = petiole_chart(self.stalk, 0.02 * self.length, rows, sides)
        return Organ("leaves", chart, at, closed=True, poles=(False, True))

    def blades(self, sprout: Sprout, draws: Draws, stain: Noise) -> Organ:
        n, rows, columns = len(self.pair), finer(34, sprout.detail), finer(21, sprout.detail) | 1
        u, v = np.linspace(1, -1, columns)[None, None], np.linspace(0, 1, rows)[None, :, None]
        wide = _leaf_width(v) * draws.uniform(0.94, 1.06, 1, 1)
        tone = draws.uniform(0.88, 1.1, 1, 1, 1)
        spot = stain(np.stack(np.broadcast_arrays(u, 2 * v, 9.0 * np.arange(n)[:, None, None]), axis=-1))
        vein, quilt = _veins(u, v)
        green = np.array(sprout.colour)
        fresh = tone * tint(green * (1 - 0.12 * np.abs(u) + 0.06 * spot)[..., None], green * 1.5 + 0.05, vein)
        twist, wave, phase = (
            draws.uniform(-0.2, 0.2, 1, 1),
            draws.uniform(0.02, 0.05, 1, 1),
            draws.uniform(0, 6.3, 1, 1),
        )
        crumple = draws.uniform(-1, 1, 1, 1)

        def at(tau: float) -> Skin:
            nodes = self.nodes(tau)
            stalk = self.stalks(tau, 14)
            _, start = petioles(nodes.radius, *stalk, 3)
            size, opened, limp = self.size(tau), self.opened(tau), self.limp(tau)
            o, w = opened[:, None, None], limp[:, None, None]
            length = self.length * size * (1 - 0.12 * limp)
            half = length[:, None, None] * wide * mix(mix(0.75, 1.0, o), 0.72, w)
            angle = (
                stalk[0][:, -1:]
                + self.bow[:, None] * opened[:, None] * v[0, :, 0] * 1.2
                + 0.35 * opened[:, None] * ramp(v[0, :, 0], -0.1, 0.3)
            )
            angle = mix(angle, nodes.down()[:, None], 0.8 * limp[:, None] * ramp(v[0, :, 0], -0.3, 0.5))
            cup = mix(mix(1.4, 0.3, o), 1.15 + 0.5 * crumple * v, w)
            lift = half * (1 - np.cos(cup * np.abs(u))) / cup - (1 - o) * half * (1 - np.cos(cup)) / cup
            ripple = (
                half * (wave * o + 0.12 * w) * np.sin(7 * v * np.pi * 0.6 + phase + 2 * u) * u**2 * ramp(v, 0.05, 0.3)
            )
            lift = lift + ripple + 0.05 * o * half * quilt + half * (twist * o + 0.5 * w * crumple) * u * v
            side = half * np.sin(cup * u) / cup
            on = -0.5 * np.abs(side) * (1 - v) ** 6 * o
            lift = lift + 0.8 * stalk[2][:, None, None] * np.exp(-((v / 0.08) ** 2))  # it lies on the end of its stalk
            points = nodes.placed(surface(start, angle, length, (side, lift, on))[0])
            young = ramp(size, 0.15, 0.95)[:, None, None]
            colour = tint(
                tint(PALE * 0.8, fresh, mix(0.35, 1.0, young)),
                YELLOW * tone,
                ramp(1.55 * w - 0.55 + 0.3 * np.abs(u) + 0.15 * spot, 0.0, 0.8),
            )
            brown = ramp(1.6 * w + 0.45 * np.abs(u) + 0.35 * v + 0.15 * spot - 1.2, 0.0, 0.8)
            return Skin(points, tint(colour, BROWN, 0.85 * brown), mix(0.5, 0.82, brown))

        chart = np.stack(
            np.broadcast_arrays(u * wide * self.length[:, None, None], v * self.length[:, None, None]), axis=-1
        )
        return Organ("leaves", chart, at)


def _leaf_width(v: Array) -> Array:
    """Half width over length: broad below the middle, drawn out to a point."""
    return 0.36 * np.sin(np.pi * v**0.62) ** 0.8 * (1 - 0.3 * v) * 1.15 * ramp(v, -0.05, 0.2) + 0.018 * (1 - v)


def _veins(u: Array, v: Array) -> tuple[Array, Array]:
    """How pale each point is for a vein, and how far the blade bulges between veins."""
    rib = 5.5 * (v - 0.3 * np.abs(u) * (1 - 0.4 * v)) + 0.35
    beside = np.cos(2 * np.pi * rib)
    midrib = np.exp(-((u / 0.07) ** 2))
    vein = np.clip(0.75 * midrib + 0.3 * ramp(beside, 0.5, 1.0) * (1 - v), 0, 1)
    return vein, -(beside * ramp(np.abs(u), 0.0, 0.3) * (1 - ramp(np.abs(u), 0.8, 1.0)) + 1.5 * midrib)
