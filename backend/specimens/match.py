"""A match held upright: its head flares, then the flame eats its way down and leaves char that shrinks and curls.

The stick is a square rod about a curve. A front runs down it; what the front has passed chars. Every piece of wood that
has charred wholly keeps CHARRED_VOLUME of its volume, less of its girth than of its length, so the law of what is left
is the mean over the stick of what its pieces keep. The curve bends where the char shrinks more on one side.

Sources: wood loses 70 to 75 % of its mass as it chars, and shrinks by about a fifth along the grain, by 30 to 40 %
across it: Byrne & Nagle, "Carbonization of wood for advanced materials applications", Carbon 35, 1997; McGinnes,
Kandeel & Szopa, "Some structural changes observed in the transformation of wood into charcoal", Wood and Fiber 3, 1971.
Char cracks across the grain, and glows on after the flame is out: Drysdale, "An introduction to fire dynamics", 1985.
Departs from them: wood shrinks alike both ways across the grain, the bend is prescribed, the head keeps no law, and a
match held upright burns on (in truth it may go out).

All lengths here are shares of the match's height; they become metres as the organs are made.

    s  along the stick, 0 at the floor, 1 under the head        f  how far down from there the front has come
"""

from dataclasses import dataclass

import numpy as np

from backend.species import Match
from backend.specimens import fire
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
    mix,
    ramp,
    tint,
    tube_chart,
    turn,
)
from backend.specimens.fire import Flicker

# Landmarks of life time: the head catches; it flares; the flame starves; it is out; nothing glows.
STRUCK, FLARE, STARVING, OUT, COLD = 0.02, 0.11, 0.78, 0.89, 0.985

STICK, HALF_SIDE, EDGE = 0.925, 0.022, 0.006  # length, half the side of the square, radius of its rounded edges
HEAD_RADIUS, HEAD_FOOT = 0.036, 0.030  # where it is widest, and where it meets the stick
GAP = 0.0008  # between head and stick
CHARRED_VOLUME, CHARRED_LENGTH = 0.40, 0.84
FURTHEST = 2.1  # radians from upright that char bends: less would be a hook, more reaches the floor
FRONT = 0.07  # how much of the stick is between wood and char
FLAME_LENGTH, FLAME_RADIUS = 0.39, 0.052

WOOD, GRAIN, SCORCHED = np.array([0.60, 0.42, 0.22]), np.array([0.42, 0.26, 0.11]), np.array([0.085, 0.032, 0.010])
ASH = np.array([0.34, 0.32, 0.30])
CLINKER = np.array([0.035, 0.028, 0.025])  # the burnt head


def grow(match: Match, seed: int) -> Specimen:
    """A match; `seed` picks the individual. Its vertices are the new match (tau 0)."""
    chance = Chance(seed)
    wood = _Wood.cut(match, chance.of("wood"))
    flicker = Flicker.of(1, chance)
    organs = [
        _stick(wood, match, chance.of("grain")),
        _head(wood, match, chance.of("head")),
        _flame(wood, flicker, match),
    ]
    return join(organs, Matter(("stick",), wood.share_left))


def burning(tau: float) -> float:
    """From no flame (0) to a full one (1)."""
    return float(ramp(tau, STRUCK, FLARE) * (1 - 0.35 * ramp(tau, 0.5, OUT) - 0.65 * ramp(tau, STARVING, OUT)))


def flaring(tau: float) -> float:
    """How much larger than the wood's flame the head's is."""
    return float(ramp(tau, STRUCK, FLARE) * (1 - ramp(tau, FLARE, FLARE + 0.12)))


@dataclass(frozen=True, eq=False)
class _Wood:
    """The stick's curve and how far each piece of it has charred."""

    s: Array  # (rows,) of the stick's grid
    burns: float  # of the stick's length, in the end
    curl: float  # radians that a charred height of wood bends
    azimuth: float  # of the way it bends
    waves: Array  # phases
    detail: float

    @classmethod
    def cut(cls, match: Match, rng: np.random.Generator) -> "_Wood":
        s = np.linspace(0, 1, finer(190, match.detail))
        curl = match.curl * rng.uniform(2.4, 3.2)
        return cls(s, match.length, curl, rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi, 4), match.detail)

    def front(self, tau: float) -> float:
        """f, in lengths of the stick: steady but for its ends; past the last it only dries."""
        t = float(np.clip((tau - 0.06) / (OUT - 0.06), 0.0, 1.0))
        return (self.burns + 0.6 * FRONT) * mix(t, t * t * (3 - 2 * t), 0.6) - 0.02 * (1 - t)

    def charred(self, tau: float, s: Array, lag: float = 0.0, width: float = FRONT) -> Array:
        """0 for wood, 1 for char, at s."""
        return ramp(self.front(tau) - lag - (1 - s), 0.0, width)

    def kept(self, tau: float, s: Array) -> tuple[Array, Array]:
        """Of the girth and of the length."""
        charred = self.charred(tau, s)
        length = 1 - (1 - CHARRED_LENGTH) * charred
        return np.sqrt((1 - (1 - CHARRED_VOLUME) * charred) / length), length

    def share_left(self, tau: float) -> float:
        """Of the stick's volume."""
        return float(1 - (1 - CHARRED_VOLUME) * self.charred(tau, (np.arange(2000) + 0.5) / 2000).mean())

    def spine(self, tau: float) -> Spine:
        """The stick's curve."""
        s = np.linspace(0, 1, 161)
        middle = (s[1:] + s[:-1]) / 2
        length = STICK / 160 * self.kept(tau, middle)[1]
        shrunk = self.charred(tau, s, 0.02, 0.30) + 0.35 * self.charred(tau, s) * ramp(tau, STARVING, 1.0)
        uneven = 1 + 0.55 * np.sin(11 * s + self.waves[0]) + 0.30 * np.sin(23 * s + self.waves[1])
        bend = np.cumsum(self.curl * shrunk * uneven) / 160
        bend = FURTHEST * np.tanh(bend / FURTHEST)
        wag = np.cumsum(0.5 * self.curl * shrunk * np.sin(9 * s + self.waves[2])) / 160
        frames = turn("z", np.array(self.azimuth)) @ turn("y", bend) @ turn("x", wag)
        steps = (frames[1:, :, 2] + frames[:-1, :, 2]) / 2 * length[:, None]
        return Spine(np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)]), frames)


def _square(detail: float) -> Array:
    """(columns, 2) a square with rounded edges, from the middle of its first edge on, turning left."""
    arc, side = finer(5, detail), finer(4, detail)
    turned = np.linspace(0, np.pi / 2, arc)
    flat = HALF_SIDE - EDGE
    corner = np.stack([flat + EDGE * np.cos(turned), flat + EDGE * np.sin(turned)], axis=-1)
    along = np.stack([np.linspace(flat, -flat, side + 1)[1:-1], np.full(side - 1, HALF_SIDE)], axis=-1)
    quarter = np.concatenate([corner, along])
    turns = [np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), k) for k in range(4)]
    return np.concatenate([quarter @ t.T for t in turns])


@dataclass(frozen=True, eq=False)
class _Grain:
    """What one stick's surface is like, (rows, columns) each: of mean 0 and deviation 1 but for `cracks`, in [0, 1]."""

    fibre: Array
    cracks: Array  # across the grain, as it chars
    lump: Array
    edge: Array  # how ragged the front is

    @classmethod
    def grown(cls, rest: Array, rng: np.random.Generator) -> "_Grain":
        """Over the new stick's points (rows, columns, 3)."""
        fibre, crack, lump = Noise.grown(rng, 0.02), Noise.grown(rng, 0.05, 2), Noise.grown(rng, 0.09, 2)
        cracks = np.exp(-((crack(rest * [0.5, 0.5, 1.6]) / 0.22) ** 2))
        return cls(fibre(rest * [1.0, 1.0, 0.04]), cracks, lump(rest), lump(rest * 1.3))

    def swelling(self, charred: Array) -> Array:
        """What to take radii times; it leaves the area of a ring as it is."""
        swelling = 1 + (0.05 * self.lump - 0.06 * self.cracks) * charred[:, None]
        return swelling / np.sqrt((swelling**2).mean(axis=1, keepdims=True))

    def look(self, wood: _Wood, s: Array, tau: float) -> tuple[Array, Array, Array]:
        """Albedo, roughness and emission at s (rows,): wood, scorched, an ember, char, ash."""
        depth = wood.front(tau) - (1 - s)[:, None] + 0.018 * self.edge * ramp(tau, 0.06, 0.12)
        heat = ramp(tau, STRUCK, FLARE)
        brown, black = heat * ramp(depth, -0.055, 0.015), heat * ramp(depth, 0.0, 0.05)
        line = np.exp(-(((depth - 0.035) / 0.018) ** 2)) * ramp(tau, 0.06, FLARE) * (1 - ramp(tau, OUT, COLD))
        end = ramp(tau, STARVING, OUT) * (1 - ramp(tau, OUT + 0.02, COLD)) * ramp(s, 0.80, 0.98)[:, None]
        ember = np.maximum(line, end * (0.35 + 0.65 * self.cracks))
        ash = ramp(depth, 0.15, 0.5) * (0.15 + 0.85 * ramp(s, 0.72, 1.0)[:, None]) * (1 - 0.6 * self.cracks)
        ash = black * ash * (0.25 + 0.6 * ramp(self.fibre, -0.5, 1.2))
        fresh = tint(WOOD, GRAIN, np.clip(0.28 + 0.22 * self.fibre, 0, 1)) * (1 + 0.04 * self.fibre[..., None])
        albedo = tint(tint(fresh, SCORCHED, 0.92 * brown), fire.CHAR, black)
        albedo = tint(tint(albedo, ASH, np.minimum(ash, 0.85)), fire.EMBER, np.minimum(1.2 * ember, 1))
        return albedo, mix(0.62, 0.95, black), 0.55 * ember


def _stick(wood: _Wood, match: Match, rng: np.random.Generator) -> Organ:
    square = _square(match.detail)
    s = np.concatenate([[0, 0], wood.s[1:-1], [1, 1]])  # twice where a pole closes it
    ring = np.concatenate([square, np.zeros((len(square), 1))], axis=1)
    grain = _Grain.grown(ring + (STICK * s)[:, None, None] * [0, 0, 1], rng)

    def at(tau: float) -> Skin:
        points, frames = wood.spine(tau).pose(s)
        girth = wood.kept(tau, s)[0][:, None] * grain.swelling(wood.charred(tau, s))
        placed = points[:, None] + girth[..., None] * (ring @ frames.transpose(0, 2, 1))
        albedo, rough, glow = grain.look(wood, s, tau)
        return Skin(match.height * placed[None], albedo[None], rough[None], emission=glow[None])

    chart = tube_chart(s, np.full(len(s), HALF_SIDE * 1.2), len(square), STICK)
    return Organ("stick", match.height * chart[None], at, closed=True, poles=(True, True))


def _head(wood: _Wood, match: Match, rng: np.random.Generator) -> Organ:
    """A drop of dried paste on the end of the stick; it blisters and cokes."""
    rows, sides = finer(22, match.detail), finer(28, match.detail)
    r, z = head_outline(np.linspace(0, 1, rows))
    r, z = np.append(0.0, r), np.append(z[0], z)
    angle = np.arange(sides) * (2 * np.pi / sides)
    local = np.stack(np.broadcast_arrays(r[:, None] * np.cos(angle), r[:, None] * np.sin(angle), z[:, None]), axis=-1)
    dip, blister, speck = Noise.grown(rng, 0.09, 2), Noise.grown(rng, 0.03, 2), Noise.grown(rng, 0.008, 2)
    new = local * (1 + 0.025 * dip(local) * ramp(z, 0.0, 0.02)[:, None])[..., None]
    blisters, specks = blister(local), speck(local)
    colour = np.array(match.colour) * (1 + 0.10 * specks[..., None])

    def at(tau: float) -> Skin:
        point, frame = wood.spine(tau).pose(np.array(1.0))
        burnt = ramp(tau, STRUCK + 0.02, FLARE + 0.05)
        swell = (1 - 0.16 * burnt) * (1 + 0.07 * burnt * blisters * ramp(z, 0.002, 0.02)[:, None])
        placed = (new * swell[..., None] + [0, 0, GAP]) @ frame.T + point
        hot = ramp(tau, STRUCK, 0.05) * (1 - ramp(tau, FLARE, 0.3))
        albedo = tint(tint(colour, CLINKER, burnt + 0 * specks), ASH, np.clip(0.3 * burnt * (blisters - 0.6), 0, 0.4))
        late = 0.5 * ramp(tau, STARVING, OUT) * (1 - ramp(tau, OUT, COLD)) * ramp(blisters, 0.2, 1.0)
        ember = np.maximum(hot * (0.7 + 0.3 * ramp(blisters, -1, 1)), late)
        albedo = tint(albedo, fire.EMBER, 0.9 * ember)
        rough = np.full((1, *ember.shape), mix(0.55, 0.92, burnt))
        return Skin(match.height * placed[None], albedo[None], rough, emission=0.6 * ember[None])

    chart = tube_chart(np.linspace(0, 1, rows + 1), np.full(rows + 1, HEAD_RADIUS), sides, 1.3 * (1 - STICK))
    return Organ("head", match.height * chart[None], at, closed=True, poles=(True, True))


def head_outline(v: Array) -> tuple[Array, Array]:
    """Radius and height over the stick's end of the head, from its foot (v 0) to its tip (1)."""
    foot = np.arcsin(HEAD_FOOT / HEAD_RADIUS)
    t = mix(foot, np.pi, v)
    z = (np.cos(foot) - np.cos(t)) / (1 + np.cos(foot)) * (1 - STICK - GAP)
    return HEAD_RADIUS * np.sin(t), z


def _flame(wood: _Wood, flicker: Flicker, match: Match) -> Organ:
    # A coarse flame would cut into what leaves it.
    rows, sides = max(30, finer(44, match.detail)), max(20, finer(28, match.detail))
    q = np.linspace(0, 1, rows)
    full = np.ones((1, rows, sides))

    def at(tau: float) -> Skin:
        lit = burning(tau)
        # The head brings its own oxygen: no blue while it flares.
        colour = fire.colour(q, float(ramp(tau, FLARE, FLARE + 0.10)))[:, None]
        placed = match.height * _about(wood, flicker, q, sides, tau)[None]
        opacity, glow = fire.opacity(q, lit)[:, None] * full, min(1.0, 3 * lit) * full
        return Skin(placed, np.broadcast_to(colour, placed.shape), full, opacity=opacity, emission=glow)

    chart = tube_chart(q, np.full(rows, 0.7 * FLAME_RADIUS), sides - 1, FLAME_LENGTH)
    return Organ("flame", match.height * chart[None], at)


def _body(wood: _Wood, tau: float) -> tuple[Array, Array]:
    """(M, 3) points along stick and head, and how thick (M,) they are there."""
    s = np.linspace(0, 1, 161)
    points, frames = wood.spine(tau).pose(s)
    thick = 1.28 * HALF_SIDE * wood.kept(tau, s)[0]
    thick[-1] = max(thick[-1], HEAD_FOOT)
    r, z = head_outline(np.linspace(0, 0.7, 20)[1:])
    # A pointed hat over the round end: a flame that closes over it in a cone does not touch it.
    r, z = np.append(1.12 * r, [0.45 * r[-1], 1e-4]), np.append(z, [1 - STICK + 0.007, 1 - STICK + 0.03])
    return np.concatenate([points, points[-1] + z[:, None] * frames[-1, :, 2]]), np.concatenate([thick, r])


def _hung(wood: _Wood, flicker: Flicker, body: Array, tau: float) -> tuple[Spine, int]:
    """The flame's curve, from the front up, and the first point of the body (M, 3) above. A flame that is not there yet
    is a speck over the head."""
    lit, count = burning(tau), len(body) - 1
    front = min(1 - wood.front(tau), 0.985) * 160
    place = float(np.clip(mix(count, front, ramp(lit, 0.0, 0.5) if tau < FLARE else 1.0), 0, count))
    low = min(int(place), count - 1)
    axis = body[low + 1] - body[low]
    axis = axis / np.linalg.norm(axis)
    beyond = 0.004 * (1 - ramp(lit, 0.0, 0.3)) if tau < FLARE else 0.0
    origin = mix(body[low], body[low + 1], place - low) + beyond * axis
    length = max(lit * (1 + 0.06 * flaring(tau)) * FLAME_LENGTH * flicker.stretch(tau, 0), 2e-3)
    # Round a head that is still near its middle it closes, and for that is longer for a while.
    over = body[-1] - origin
    closed = max(over[2], 0.0) + 0.14 * ramp(lit, 0.0, 0.4)
    closed = max(length, min(closed, max(1.4 * lit * FLAME_LENGTH, 0.22)))
    length = mix(closed, length, ramp(np.hypot(over[0], over[1]), 1.0 * HALF_SIDE, 4.0 * HALF_SIDE))
    # A flame clings to char that stands straight in it.
    return flicker.spine(origin, axis, length, tau, ramp(lit, 0.0, 0.4) * ramp(wood.curl, 0.0, 0.8)), low


def _about(wood: _Wood, flicker: Flicker, q: Array, sides: int, tau: float) -> Array:
    """(rows, sides, 3) the flame: it holds what stands in it, and what curls away leaves through a slit in its side."""
    body, thick = _body(wood, tau)
    spine, low = _hung(wood, flicker, body, tau)
    body, thick = body[low:], thick[low:]
    centres, frames = spine.pose(q)
    through, holds = _passing(body, thick, centres, frames[:, :, 2])
    away = np.linalg.norm(through, axis=1)
    # While what stands in the flame is near its middle, the flame closes round it; then it is let out.
    near = np.maximum(holds, HALF_SIDE)
    hugs = 1 - ramp(away, 0.4 * near, 1.4 * near)
    wide = np.sqrt(burning(tau)) * (1 + 0.40 * flaring(tau)) * FLAME_RADIUS * flicker.width(q, tau)
    need = hugs * (away * np.minimum(1, holds / 0.01) + 1.15 * holds)
    # A bulge in a flame slopes gently below and closes above.
    rise = np.linalg.norm(centres[-1] - centres[0]) * (q[:, None] - q)
    need = (need - np.where(rise > 0, 0.8, 0.16) * np.abs(rise)).max(axis=1)
    radius = (wide**6 + np.maximum(need, 0) ** 6) ** (1 / 6) + 1e-4

    leaves = np.exp(-(((away - radius) / (0.6 * HALF_SIDE)) ** 2)) * (holds > 0) * (1 - hugs)
    bend = 0.02 * np.array([np.cos(wood.azimuth), np.sin(wood.azimuth), 0.0])
    to = np.einsum("k,rkj->rj", (leaves[:, None] * through).sum(axis=0) + bend, frames)
    seam = np.arctan2(to[:, 1], to[:, 0])
    sill = np.cos(seam)[:, None] * frames[:, :, 0] + np.sin(seam)[:, None] * frames[:, :, 1]
    gap = np.linalg.norm((centres + radius[:, None] * sill)[:, None] - body, axis=2) - thick
    nearest, gap = gap.argmin(axis=1), gap.min(axis=1)
    leaving = ramp(away, 0.3 * HALF_SIDE, 0.75 * HALF_SIDE) * ramp(q, 0.05, 0.15)
    width = 1.25 * thick[nearest] * ramp(gap, 1.3 * HALF_SIDE, 0.5 * HALF_SIDE) * leaving
    slit = np.arcsin(np.minimum(width / radius, 0.95))[:, None]
    angle = seam[:, None] + slit + np.linspace(0, 1, sides) * (2 * np.pi - 2 * slit)
    ring = np.cos(angle)[..., None] * frames[:, None, :, 0] + np.sin(angle)[..., None] * frames[:, None, :, 1]
    return centres[:, None] + radius[:, None, None] * ring


def _passing(body: Array, thick: Array, centres: Array, up: Array) -> tuple[Array, Array]:
    """Where a body (M, 3) passes through planes at `centres` (rows, 3) across `up`, from each centre (rows, 3), and how
    thick it is there: 0 where it does not."""
    apart = body - centres[:, None]
    height = np.einsum("rmk,rk->rm", apart, up)
    upwards = (height[:, :-1] <= 0) & (height[:, 1:] > 0)
    first, row = upwards.argmax(axis=1), np.arange(len(centres))
    rise = np.maximum(height[row, first + 1] - height[row, first], 1e-9)
    t = np.clip(-height[row, first] / rise, 0.0, 1.0)
    holds = np.where(upwards.any(axis=1), mix(thick[first], thick[first + 1], t), 0.0)
    through = mix(apart[row, first], apart[row, first + 1], t[:, None])
    return through - np.einsum("rk,rk->r", through, up)[:, None] * up, holds
