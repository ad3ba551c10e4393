"""The head of a sunflower: bracts, rays and florets on their receptacle.

It is a foliation, as the rose's flower: about the head's axis lies a family of meridian curves, one for each layer x (0
the inner row of rays, 1 the outer row of bracts), that never meet. In the bud they arch over the disc; opening lays
them back, the outer ones first.

    t    along a meridian curve, 0 at the disc's rim     phi  angle of the curve to the head's axis, radians
    u    across a ray or bract, in [-1, 1]               v    along it, in [0, 1]

Sources: Vogel, "A better way to construct the sunflower head", Math. Biosci. 44, 1979 (floret k at the golden angle,
its radius as sqrt k). Schneiter & Miller, "Description of sunflower growth stages", Crop Sci. 21, 1981 (bud; rays open;
florets open in rings from the rim to the centre, R5.1 to R5.9; the back of the head turns yellow, then brown, R7 to
R9). Simplified: florets are pegs with a rim.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from backend.species import Sunflower
from backend.specimens.core import (
    GOLDEN_ANGLE,
    Array,
    Chance,
    Draws,
    Organ,
    Skin,
    along,
    finer,
    lathe,
    lathe_chart,
    mix,
    ramp,
    tint,
    turn,
)

# Landmarks of life time: a seedling; grown, its bud closed; open; begins to wilt; dead.
SEEDLING, GROWN = Sunflower.life.stretches["grow"]
OPEN = Sunflower.life.stretches["bloom"].end
WILTING, DEAD = Sunflower.life.stretches["wilt"]

# Metres, for a head of size 1.
DISC = 0.080  # radius of the open disc
RAY, HALF_RAY = 0.104, 0.0205  # length and half width
BRACT, HALF_BRACT, BRACTS = 0.062, 0.0165, 26
RAY_OUTLINE = PchipInterpolator([0, 0.08, 0.3, 0.55, 0.8, 0.93, 1], [0.30, 0.42, 0.85, 1.0, 0.74, 0.36, 0.04])
BRACT_OUTLINE = PchipInterpolator([0, 0.15, 0.35, 0.55, 0.75, 0.9, 1], [0.66, 0.95, 1.0, 0.74, 0.34, 0.12, 0.02])
# The receptacle by its radius and height in disc radii: its back from the stem to the rim, then the face.
BACK_RADIUS, BACK_HEIGHT = np.array([0.20, 0.52, 0.85, 1.032, 0.985]), np.array([-0.47, -0.39, -0.28, -0.14, -0.02])

BRACT_GREEN, BRACT_PALE = np.array([0.060, 0.150, 0.030]), np.array([0.15, 0.25, 0.075])
BACK_YELLOW = np.array([0.42, 0.33, 0.075])
STRAW, DARK_STRAW = np.array([0.30, 0.21, 0.095]), np.array([0.13, 0.085, 0.040])
CLOSED, CORE = np.array([0.115, 0.105, 0.030]), np.array([0.050, 0.028, 0.012])
COROLLA, POLLEN, SPENT = np.array([0.60, 0.27, 0.015]), np.array([0.78, 0.45, 0.03]), np.array([0.105, 0.040, 0.014])
ACHENE, RAY_BROWN = np.array([0.030, 0.026, 0.023]), np.array([0.17, 0.088, 0.032])

Pose = tuple[Array, Array]  # a point (3,) and a frame (3, 3)
Pull = tuple[Array, Array]  # gravity along r and z, parts of 1


def wilted(tau: float) -> float:
    """How far from standing (0) to dead (1), evenly in time."""
    return float(np.clip((tau - WILTING) / (DEAD - WILTING), 0, 1))


@dataclass(frozen=True, eq=False)
class Head:
    """Where it stands, how large it is, and its foliation. Lengths in metres of a head of size 1."""

    size: float
    pose: Callable[[float], Pose]
    neck: Callable[[float], float]  # radius of the stem under it

    def disc(self, tau: float) -> float:
        """Radius of the disc: in the grown bud half of what it will be."""
        return (
            DISC
            * (0.022 + 0.478 * ramp(tau, 0.12, GROWN + 0.03) + 0.5 * ramp(tau, GROWN, OPEN))
            * (1 - 0.1 * ramp(wilted(tau)))
        )

    def placed(self, points: Array, tau: float) -> Array:
        """Points of the head's frame in the world."""
        origin, frame = self.pose(tau)
        foot = np.array([0, 0, -BACK_HEIGHT[0] * self.disc(tau)])
        return self.size * (points + foot) @ frame.T + origin

    def gravity(self, tau: float) -> Array:
        """(3,) the way down in the head's frame."""
        return -self.pose(tau)[1][2]

    def face(self, r: Array, tau: float) -> Array:
        """Height of the disc's face at r, both in disc radii: nearly flat, bulging with the seeds."""
        return (0.10 + 0.14 * ramp(wilted(tau))) * (1 - r**2)


def layer_opening(x: Array, tau: float) -> Array:
    """How far layer x has opened, 0 to 1: bracts first, then the outer row of rays, then the inner one."""
    done = np.clip((tau - GROWN) / (OPEN - GROWN), 0, 1)
    return ramp(done * 1.45 - 0.40 * (1 - x), 0.0, 1.0)


def layer_points(
    t: Array, x: Array, tau: float, head: Head, length: Array, bend: tuple[Array | float, Pull | None] = (0.0, None)
) -> tuple[Array, Array, Array]:
    """(r, z) metres and phi of layers x at t, all (n, rows, columns), t rising from 0 along the rows.

    length (n, 1, 1) metres in the open head. `bend`: what is added to phi, and the part of gravity along r and z that
    limp layers turn to.
    """
    curl, pull = bend
    disc, opened, dry = head.disc(tau), layer_opening(x, tau), ramp(wilted(tau))
    r0, end = 1.005 + 0.05 * x, 0.09 + 0.10 * x
    a, b = 0.15 + 0.30 * x, 1.95 + 0.30 * x
    bud = a - b * t + 1.3 * x**2 * ramp(t, 0.55, 1.15)  # the bracts' tips stand off
    bud_length = disc * (r0 - end) * b / (np.cos(a) - np.cos(a - b))
    flat = 1.02 + 0.42 * x + (0.36 + 0.12 * x) * ramp(t, -0.1, 0.9) + 0.22 * x * t
    angle = mix(bud, flat, opened) + dry * (0.10 - 0.35 * t) * (1 - x)
    if pull is not None:
        limp = (1.05 - 0.75 * x) * dry * ramp(t, -0.15, 0.6)
        for _ in range(2):
            angle = angle + limp * (pull[0] * np.cos(angle) - pull[1] * np.sin(angle))
    angle = angle + curl
    step = np.diff(t, axis=1) * mix(bud_length, length * (1 - 0.25 * dry), opened)
    r, z = along(angle, step)
    return r + disc * r0, z - disc * (0.01 + 0.13 * x), angle


@dataclass(frozen=True, eq=False)
class _Whorls:
    """n rays or bracts in two rows; arrays broadcast to (n, rows, columns)."""

    u: Array
    v: Array
    x: Array  # their layers
    theta: Array
    room: Array  # half angle that is never passed
    half: Array  # widths and lengths, as shares of the usual ones
    length: Array
    curl: Array
    late: Array  # in wilting, 0 to 1
    twist: Array
    tone: Array

    @classmethod
    def grown(cls, grid: tuple[int, int], first: float, layers: tuple[float, float], draws: Draws) -> "_Whorls":
        u, v = np.linspace(-1, 1, grid[1])[None, None, :], np.linspace(0, 1, grid[0])[None, :, None]

        def each(low: float, high: float) -> Array:
            return draws.uniform(low, high, 1, 1)

        n = len(draws.streams)
        outer = np.arange(n) % 2 == 0
        theta = first + (np.arange(n) + draws.uniform(-0.10, 0.10)) * (2 * np.pi / n)
        # Of an odd number two of one row stand side by side.
        same = [2 if n % 2 == 0 or 0 < i < n - 1 else 1 for i in range(n)]
        room = 0.95 * np.pi / n * np.array(same)
        return cls(
            u,
            v,
            np.where(outer, layers[1], layers[0])[:, None, None] + 0 * u,
            theta[:, None, None],
            room[:, None, None],
            half=each(0.88, 1.1),
            length=each(0.88, 1.08),
            curl=each(-1, 1),
            late=each(0, 1),
            twist=each(-1, 1),
            tone=each(0.9, 1.07),
        )

    def points(self, tau: float, head: Head, half: Array, length: float, relief: Callable[[float], Array]) -> Array:
        """(n, rows, columns, 3) metres in the head's frame. `relief` (metres) is added off the back."""
        t, gravity = self.v + 0 * self.u, head.gravity(tau)
        opened, dry = layer_opening(self.x, tau), self.dry(tau)
        curl = self.curl * ramp(self.v, 0.35, 1.1) * (0.16 * opened + 0.5 * dry)
        r, z, phi = layer_points(t, self.x, tau, head, length * self.length, (curl, None))
        if wilted(tau) > 0:
            pull = gravity[0] * np.cos(self.theta) + gravity[1] * np.sin(self.theta), gravity[2]
            r, z, phi = layer_points(t, self.x, tau, head, length * self.length, (curl, pull))
        back = relief(tau)
        r, z = r + back * np.cos(phi), z - back * np.sin(phi)
        ring = np.maximum(r.mean(axis=2, keepdims=True), 1e-4)
        width = half * self.half * mix((0.9 + 0.8 * self.x) * head.disc(tau) / DISC, 1.0, opened) * (1 - 0.6 * dry)
        angle = self.theta + self.u * self.room * np.tanh(width / (ring * self.room))
        return np.stack([r * np.cos(angle), r * np.sin(angle), z], axis=-1)

    def dry(self, tau: float) -> Array:
        """How far each has wilted, 0 to 1."""
        return ramp(wilted(tau) * 1.5 - 0.3 * self.late, 0.0, 1.0)

    def chart(self, half: Array, length: float) -> Array:
        """(n, rows, columns, 2) metres: laid flat."""
        return np.stack(np.broadcast_arrays(self.u * half * self.half, self.v * length * self.length), axis=-1)


def rays(sunflower: Sunflower, head: Head, chance: Chance) -> Organ:
    """The ray florets: ligules in two rows."""
    n, grid = sunflower.petals, (finer(15, sunflower.detail), finer(7, sunflower.detail) | 1)
    first = chance.of("rays").uniform(0, 2 * np.pi)
    whorls = _Whorls.grown(grid, first, (0.0, 0.30), chance.each("ray", n))
    u, v = whorls.u, whorls.v
    half = HALF_RAY * RAY_OUTLINE(v) * (34 / n) ** 0.4
    wrings = min(1.0, 34 / n) * half  # rays that stand closer do less
    colour = np.array(sunflower.colour)
    deep, pale = colour * [0.80, 0.50, 0.5], 1 - (1 - colour) ** 1.4
    stripe = 0.5 + 0.5 * np.cos(5 * np.pi * u)
    fresh = tint(
        tint(colour, pale, 0.7 * v + 0.2 * stripe), deep, np.clip(0.75 * ramp(0.35 - v, 0, 0.35) + 0.16 * stripe, 0, 1)
    )
    fresh = fresh * whorls.tone[..., None]
    young = tint(fresh, BRACT_PALE, 0.65 + 0 * v)
    depth = 0.9 * (1 - v) + 0.35 * (1 - np.abs(u)) + 0.15 * np.sin(9 * v + 4 * u + 6 * whorls.late)

    def relief(tau: float) -> Array:
        opened, dry = layer_opening(whorls.x, tau), whorls.dry(tau)
        grooves = 0.0007 * np.cos(3 * np.pi * u) * ramp(v, 0.0, 0.3) * (1 - v)
        trough = -half * (0.14 + 0.35 * dry * ramp(v, 0.2, 0.6)) * u**2 * ramp(v, 0.1, 0.5)
        wrung = wrings * u * np.sin(3 * v + 3 * whorls.twist) * (0.12 + 0.3 * dry) * ramp(v, 0.25, 0.8) * whorls.twist
        return opened * (grooves + trough + wrung)

    def at(tau: float) -> Skin:
        points = head.placed(whorls.points(tau, head, half, RAY, relief), tau)
        dry = whorls.dry(tau)
        brown = ramp(2.0 * dry - depth, 0.0, 0.8)
        albedo = tint(young, fresh, ramp(tau, GROWN, GROWN + 0.16) + 0 * depth)
        albedo = tint(
            tint(albedo, albedo * [0.75, 0.6, 0.9], dry + 0 * depth), RAY_BROWN * whorls.tone[..., None], 0.9 * brown
        )
        return Skin(points, albedo, mix(0.55, 0.88, brown))

    return Organ("rays", whorls.chart(half, RAY) * head.size, at)


def bracts(sunflower: Sunflower, head: Head, chance: Chance) -> Organ:
    """The involucre: two rows of green bracts, which wrap the bud."""
    grid = (finer(12, sunflower.detail), finer(5, sunflower.detail) | 1)
    first = chance.of("bracts").uniform(0, 2 * np.pi)
    whorls = _Whorls.grown(grid, first, (0.66, 1.0), chance.each("bract", BRACTS))
    u, v = whorls.u, whorls.v
    half = HALF_BRACT * BRACT_OUTLINE(v)
    fresh = tint(BRACT_GREEN, BRACT_PALE, 0.12 * (1 - v) + 0.5 * np.exp(-((u / 0.2) ** 2)) + 0.25 * np.abs(u) ** 4)
    fresh = fresh * whorls.tone[..., None]
    depth = 1.1 * (1 - v) + 0.4 * (1 - np.abs(u))

    def relief(tau: float) -> Array:
        opened = layer_opening(whorls.x, tau)
        tips = 0.010 * v**4 * whorls.curl * opened
        return tips - 0.10 * half * u**2 * opened + 0.0006 * np.exp(-((u / 0.25) ** 2)) * (1 - v) * opened

    def at(tau: float) -> Skin:
        dry = whorls.dry(tau)
        points = head.placed(whorls.points(tau, head, half, BRACT, relief), tau)
        brown = ramp(1.9 * dry - depth, 0.0, 0.9)
        return Skin(
            points, tint(tint(fresh, BACK_YELLOW, 0.5 * dry + 0 * depth), DARK_STRAW, 0.9 * brown), 0.65 + 0.2 * brown
        )

    return Organ("bracts", whorls.chart(half, BRACT) * head.size, at)


def receptacle(sunflower: Sunflower, head: Head, rng: np.random.Generator) -> Organ:
    """What the head grows on: its back, its rim and the face under the florets."""
    sides, inner = max(10, finer(34, sunflower.detail)), np.linspace(0.97, 0.0, finer(9, sunflower.detail))
    stain = 0.5 + 0.5 * np.sin(np.arange(sides) * (8 * np.pi / sides) + rng.uniform(0, 6.3))

    def profile(tau: float) -> tuple[Array, Array]:
        neck = head.neck(tau) / (head.size * head.disc(tau))
        back = np.maximum(BACK_RADIUS, 1.06 * neck)
        r = np.concatenate([[1.06 * neck], back, inner])
        return r, np.concatenate([BACK_HEIGHT[:1] - 0.02, BACK_HEIGHT, head.face(inner, tau) - 0.01])

    def rings(tau: float) -> Array:
        r, z = profile(tau)
        r, z = np.broadcast_arrays(r[None, :, None], z[None, :, None] + np.zeros((1, 1, sides)))
        return head.disc(tau) * lathe(r, z)

    def at(tau: float) -> Skin:
        points = rings(tau)
        front = (np.arange(points.shape[1]) >= 6)[None, :, None]
        dry = ramp(wilted(tau))
        back = tint(0.6 * BRACT_GREEN + 0.4 * BRACT_PALE, BACK_YELLOW, ramp(2 * dry, 0, 1.0) * (0.6 + 0.4 * stain))
        back = tint(back, DARK_STRAW, 0.85 * ramp(1.8 * dry - 0.6 - 0.3 * stain, 0.0, 0.8))
        albedo = np.where(
            front[..., None], mix(0.5 * (CLOSED + CORE), 0.6 * CORE, dry), np.broadcast_to(back, points.shape)
        )
        return Skin(head.placed(points, tau), albedo, np.full(points.shape[:3], 0.75))

    r, z = profile(OPEN)
    chart = lathe_chart(np.repeat(r[None, :, None], sides, axis=2), np.repeat(z[None, :, None], sides, axis=2))
    return Organ("receptacle", DISC * head.size * chart, at, closed=True, poles=(False, True))


# Radius and height of a floret along its rows, in its share of the disc: closed, open, spent, and the seed it leaves.
FLORET = np.array(
    [
        [[0.84, 0.98, 0.74, 0.38, 0.0], [0.0, 0.50, 1.10, 1.34, 1.40]],
        [[0.60, 0.58, 1.00, 0.42, 0.0], [0.0, 1.20, 2.10, 2.30, 2.75]],
        [[0.70, 0.66, 0.76, 0.38, 0.0], [0.0, 0.80, 1.50, 1.62, 1.70]],
        [[0.86, 0.98, 0.66, 0.36, 0.0], [0.0, 0.40, 1.05, 1.20, 1.25]],
    ]
)


def florets(sunflower: Sunflower, head: Head, draws: Draws) -> Organ:
    """Pegs in Vogel's spirals. They open from the rim inwards, spill pollen, fade, and leave their seeds."""
    n, sides = sunflower.florets, max(5, finer(6, sunflower.detail))
    k = np.arange(n)
    r, theta = 0.96 * np.sqrt((k + 0.5) / n), k * GOLDEN_ANGLE
    share = 0.46 * np.sqrt(np.pi / n)  # half the way to the next one, in disc radii
    share = min(share, 0.10)
    early, tone, drop = draws.uniform(-0.05, 0.05), draws.uniform(0.82, 1.15, 1, 1, 1), draws.uniform(0.0, 0.5)
    rows = FLORET.shape[2]
    angle = np.arange(sides) * (2 * np.pi / sides) + 0.3

    def stages(tau: float) -> tuple[Array, Array, Array]:
        """(n,) how far each has opened, faded, and become a seed."""
        front = 1.1 - 1.25 * np.clip((tau - 0.49) / 0.33, 0, 1)  # radius at which florets are open
        open_ = ramp(r + early - front, -0.12, 0.06)
        return open_, ramp(r + early - front, 0.12, 0.40), ramp(wilted(tau) + 0.3 * drop - 0.45, 0.0, 0.55)

    def at(tau: float) -> Skin:
        opened, faded, seed = stages(tau)
        shape = mix(FLORET[0], FLORET[1], opened[:, None, None])
        shape = mix(shape, FLORET[2], faded[:, None, None])
        shape = share * mix(shape, FLORET[3], seed[:, None, None])
        ring = shape[:, 0, :, None] * 0.94
        local = np.stack(np.broadcast_arrays(ring * np.cos(angle), ring * np.sin(angle), shape[:, 1, :, None]), axis=-1)
        slope = np.arctan(2 * (0.10 + 0.14 * ramp(wilted(tau))) * r) * 0.6
        frames = turn("z", theta) @ turn("y", slope)
        foot = np.stack([r * np.cos(theta), r * np.sin(theta), head.face(r, tau) + 0.004], axis=-1)
        points = foot[:, None, None] + np.einsum("nij,nrcj->nrci", frames, local)
        high = (np.arange(rows) / (rows - 1))[None, :, None]
        young = tint(CLOSED, CORE, 0.8 * (1 - r) + 0.15)[:, None, None] + 0 * points
        fresh = (
            tint(
                tint(COROLLA, CORE, ramp(high, 0.55, 0.7) * (1 - ramp(high, 0.85, 1.0))), POLLEN, ramp(high, 0.85, 1.0)
            )
            + 0 * points
        )
        albedo = tint(
            tint(young, fresh, opened[:, None, None] + 0 * high),
            SPENT,
            faded[:, None, None] * (1 - 0.25 * (high > 0.9)),
        )
        albedo = tint(albedo, ACHENE, 0.92 * seed[:, None, None] + 0 * high) * tone
        return Skin(head.placed(head.disc(tau) * points, tau), albedo, np.full(points.shape[:3], 0.8))

    chart = lathe_chart(
        np.repeat(FLORET[1, 0][None, :, None], sides, axis=2), np.repeat(FLORET[1, 1][None, :, None], sides, axis=2)
    )
    return Organ(
        "florets", np.repeat(share * DISC * head.size * chart, n, axis=0), at, closed=True, poles=(False, True)
    )
