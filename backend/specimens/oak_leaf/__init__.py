"""A twig of the pedunculate oak: its leaves turn, dry and curl, and fall.

A blade is laid flat first. Its rows follow the side veins, forwards and out, one vein to a lobe, so that colour and
relief that belong to the veins belong to rows; then it is rolled about its midrib, and the midrib is bent.

    u, v  across a blade, in [-1, 1], and along its midrib, in [0, 1]; lengths are shares of the height until the end

Sources: leaf obovate, auricled, on a short stalk, three to six rounded lobes a side: Schwarz in "Flora Europaea" 1,
1964. Phyllotaxis 2/5, leaves and buds crowded at the twig's end: Bell, "Plant form", 1991. Chlorophyll goes before the
yellow carotenoids, between the veins first and along them last: Matile, Hoertensteiner & Thomas, "Chlorophyll
degradation", Annu. Rev. Plant Physiol. 50, 1999; Keskitalo et al., "A cellular timetable of autumn senescence", Plant
Physiol. 139, 2005. A drying leaf curls because its two sides shrink by different amounts, most where veins hold it
least: Xiao & Chen, "Buckling morphologies and interfacial properties of leaves", Soft Matter 7, 2011. Fall: Andersen,
Pesavento & Wang, "Unsteady aerodynamics of fluttering and tumbling plates", J. Fluid Mech. 541, 2005. Simplified: curl
and flight are prescribed, neither is solved for; a blade has one colour on both its sides.
"""

from dataclasses import dataclass, replace

import numpy as np

from backend.species import OakLeaf
from backend.specimens.core import (
    Array,
    Noise,
    Organ,
    Skin,
    Specimen,
    Spine,
    along,
    finer,
    join,
    lathe,
    mix,
    ramp,
    scaled,
    tint,
    tube,
    tube_chart,
    turn,
)
from backend.specimens.midribs import Nodes, petiole_chart, petioles
from backend.specimens.oak_leaf.flight import FALL, Flight

TURNED, DRIED = OakLeaf.life.stretches["dry"]
FALLEN = OakLeaf.life.stretches["drop"].end
SHRINKS = 0.10  # of a blade's length and width, as it dries
DIVERGENCE = 2 * np.pi * 2 / 5

BLADE = 0.41  # length of a usual leaf
TWIG = 0.72  # length
TWIG_RADIUS = 0.0105, 0.0068
TURNS_WITHIN = 0.6  # of the stretch of turning that one leaf takes

GREEN, GREEN_VEIN = np.array([0.038, 0.092, 0.016]), np.array([0.15, 0.22, 0.06])
YELLOW = np.array([0.58, 0.40, 0.045])
CRISP, CRISP_DARK = np.array([0.25, 0.125, 0.050]), np.array([0.085, 0.038, 0.016])
BARK, BARK_PALE, BARK_OLIVE = (
    np.array([0.10, 0.078, 0.058]),
    np.array([0.30, 0.26, 0.21]),
    np.array([0.13, 0.12, 0.055]),
)
BUD, BUD_RIM = np.array([0.22, 0.10, 0.035]), np.array([0.07, 0.030, 0.014])


def grow(oak: OakLeaf, seed: int) -> Specimen:
    """A twig; `seed` picks the individual. Its vertices are the green twig (tau 0)."""
    rng = np.random.default_rng(seed)
    twig = _Twig.grown(rng)
    leaves = _Leaves.grown(oak, twig, rng)
    organs = [_bark(twig, leaves, oak.detail, rng), _buds(twig, leaves, oak.detail, rng)]
    organs += [leaves.stalks(oak.detail), leaves.blades(oak)]
    top = max(float(organ.at(0.0).points[..., 2].max()) for organ in organs)
    return join([scaled(organ, oak.height / top) for organ in organs])


# The twig


@dataclass(frozen=True, eq=False)
class _Twig:
    spine: Spine

    @classmethod
    def grown(cls, rng: np.random.Generator) -> "_Twig":
        s = np.linspace(0, 1, 161)
        zigzag = rng.uniform(0.05, 0.09) * np.sin(9 * s + rng.uniform(0, 2 * np.pi)) * ramp(s, 0.0, 0.3)
        lean = rng.uniform(0.3, 0.42) * ramp(s, -0.05, 0.5) - rng.uniform(0.15, 0.4) * ramp(s, 0.45, 1.1) + zigzag
        sway = rng.uniform(0.06, 0.10) * np.sin(6 * s + rng.uniform(0, 2 * np.pi)) * ramp(s, 0.0, 0.3)
        return cls(Spine.bent(np.zeros(3), turn("z", rng.uniform(0, 2 * np.pi)), TWIG, lean, sway))

    def radius(self, s: Array) -> Array:
        return mix(*TWIG_RADIUS, s)


def _bark(twig: _Twig, leaves: "_Leaves", detail: float, rng: np.random.Generator) -> Organ:
    """Ringed and warted, thicker at the nodes, closed at both ends."""
    rows, sides = finer(110, detail), finer(18, detail)
    s = np.concatenate([[0.0], np.linspace(0, 1, rows), [1.0]])
    swollen = (0.16 * np.exp(-(((s[:, None] - leaves.s) / 0.012) ** 2))).max(axis=1)
    radius = twig.radius(s) * (1 + swollen) * np.concatenate([[0.0], np.ones(rows), [0.0]])
    points = tube(twig.spine, s, radius, sides)
    middle = twig.spine.pose(s)[0][:, None]
    rough, warts = Noise.grown(rng, 0.03, 3, 0.7), Noise.grown(rng, 0.012, 1)
    stretched = points * [1, 1, 0.35]
    grain = rough(stretched).clip(-2, 1.5)
    points = middle + (points - middle) * (1 + 0.025 * grain)[..., None]
    points[..., 2] = np.maximum(points[..., 2], 0)
    lenticel = ramp(warts(points), 1.2, 1.9)
    olive = ramp(s, 0.45, 1.0)[:, None]
    albedo = tint(tint(BARK, BARK_OLIVE, 0.65 * olive), BARK_PALE, np.clip(0.2 + 0.16 * grain, 0, 1))
    albedo = tint(albedo, BARK_PALE, 0.8 * lenticel)[None]
    chart = tube_chart(s, twig.radius(s), sides, TWIG)[None]
    skin = Skin(points[None], albedo, np.full((1, *points.shape[:2]), 0.8))
    return Organ("twig", chart, lambda tau: skin, closed=True, poles=(True, True))


def _buds(twig: _Twig, leaves: "_Leaves", detail: float, rng: np.random.Generator) -> Organ:
    """Blunt, scaly buds: one in the axil of each leaf, a cluster at the end."""
    around = rng.integers(3, 5)
    n = len(leaves.s) + 1 + around
    rows, columns = finer(15, detail), finer(12, detail)
    v = np.linspace(0, 1, rows)[None, :, None]
    phi = np.arange(columns) * (2 * np.pi / columns)
    scales = np.cos(2.5 * phi + np.pi * np.floor(6 * v)) * 0.5 + 6 * v
    overlap = scales - np.floor(scales)
    girth = np.sqrt(np.clip(v * (1 - v), 0, 1)) * (1.25 - 0.65 * v) * (1 + 0.10 * overlap * np.sqrt(1 - v))
    end = np.arange(n) >= len(leaves.s)
    first = np.arange(n) == len(leaves.s)
    length = np.where(first, 0.036, np.where(end, 0.027, 0.019)) * rng.uniform(0.85, 1.12, n)
    local = lathe(*np.broadcast_arrays(0.54 * girth, v + 0 * phi)) * length[:, None, None, None]
    s = np.concatenate([leaves.s, np.ones(1 + around)])
    azimuth = np.concatenate([leaves.azimuth, [0.0], rng.uniform(0, 7) + np.arange(around) * 2 * np.pi / around])
    tilt = np.where(first, 0.0, np.where(end, 0.95, 0.3))
    nodes = Nodes.on(twig.spine, s, azimuth, twig.radius(s))
    out = np.where(first, 0.0, np.where(end, 0.0100, 1.25 * nodes.radius + 0.28 * length))
    up = np.where(first, 0.0012, np.where(end, -0.006, 0.017))
    local = np.einsum("nij,nrcj->nrci", turn("y", tilt), local) + np.stack([out, 0 * out, up], axis=-1)[:, None, None]
    albedo = tint(BUD, BUD_RIM, ramp(overlap, 0.55, 1.0)) * rng.uniform(0.85, 1.15, (n, 1, 1, 1))
    skin = Skin(nodes.placed(local), albedo, np.full(local.shape[:3], 0.5))
    ring = np.arange(columns + 1) / columns
    chart = np.stack(np.broadcast_arrays(ring * 0.03 + 0 * v, v * 0.03 + 0 * length[:, None, None]), axis=-1)
    return Organ("buds", chart, lambda tau: skin, closed=True, poles=(True, True))


# Leaves


@dataclass(frozen=True, eq=False)
class _Outline:
    """How wide a blade is: its lobes, each side's its own. Arrays (n, 2, lobes): the left side, then the right."""

    centre: Array
    size: Array

    @classmethod
    def grown(cls, n: int, lobes: int, rng: np.random.Generator) -> "_Outline":
        spacing = 0.70 / (lobes + 0.3)
        centre = 0.17 + spacing * (np.arange(lobes) + 0.5 + rng.uniform(-0.13, 0.13, (n, 2, lobes)))
        centre = centre + spacing * np.array([[0.14], [-0.14]]) * rng.choice([-1, 1], (n, 1, 1))
        return cls(centre, rng.uniform(0.84, 1.1, (n, 2, lobes)))

    def margin(self, v: Array) -> tuple[Array, Array, Array]:
        """Along, across and how near to the middle of a lobe, each (n, 2, rows), at v (rows,)."""
        body = self.body(v)
        bump, size = self._near(v)
        deep = 0.46 * min(1.0, 5 / self.centre.shape[2]) ** 0.6
        sinus = body * (1 - deep * ramp(v, 0.08, 0.3) * (1 - 0.35 * ramp(v, 0.7, 0.95)))
        half = sinus + (body * size - sinus) * bump
        ears = np.exp(-(((v - 0.012) / 0.02) ** 2))
        half = half + 0.030 * ears * ramp(v, -0.004, 0.008)
        return v + 0.16 * (half - sinus) - 0.035 * ears, half, bump

    @staticmethod
    def body(v: Array) -> Array:
        """(rows,) half width over length, without lobes: widest at two thirds."""
        return (
            0.012
            + 0.275 * np.sin(np.pi * np.clip(v, 0, 1) ** 1.3) ** 0.66 * mix(0.62, 1.0, ramp(v, 0.0, 0.5))
            - 0.012 * v**8
        )

    def _near(self, v: Array) -> tuple[Array, Array]:
        """How near to the middle of a lobe, also of the one at the end, and the size of that lobe."""
        ends = np.ones((*self.centre.shape[:2], 1))
        knots = np.concatenate([self.centre, ends], axis=2)
        before = np.concatenate([2 * knots[..., :1] - knots[..., 1:2], knots], axis=2)
        # Half way to the next lobe is a sinus.
        sinus = np.concatenate([(before[..., 1:] + before[..., :-1]) / 2, 2 * ends], axis=2)
        lobe = (v[:, None] > sinus[:, :, None, 1:]).sum(axis=-1)
        low, high, middle = (
            np.take_along_axis(each, lobe, axis=2) for each in (sinus[..., :-1], sinus[..., 1:], knots)
        )
        away = np.where(v < middle, (middle - v) / (middle - low), (v - middle) / (high - middle))
        bump = 0.5 - 0.5 * np.cos(np.pi * (1 - np.clip(away, 0, 1) ** 2.1))
        return bump, np.take_along_axis(np.concatenate([self.size, ends], axis=2), lobe, axis=2)


@dataclass(frozen=True, eq=False)
class _Leaves:
    """All n leaves, from the lowest; the flat blades and how each one will bend, turn, dry and fall."""

    twig: _Twig
    s: Array  # (n,) where they sit
    azimuth: Array
    length: Array
    rise: Array  # angle of the stalk to the twig
    bow: Array  # (n, 2) bend of the midrib, green and dry, radians from end to end
    rolls: Array  # (n, 2) how far the left and the right half turn up in the end, radians at the margin
    twist: Array  # (n, 2) green and dry, radians from end to end
    tilt: Array  # of each blade to one side
    outline: _Outline
    ripple: Array  # (n, 3) phases
    haste: Array  # (n,) share of the turning after which each begins
    tone: Array
    mottle: Noise
    flight: Flight | None

    @classmethod
    def grown(cls, oak: OakLeaf, twig: _Twig, rng: np.random.Generator) -> "_Leaves":
        n = oak.leaves
        s = 0.925 - 0.50 * (1 - np.linspace(0, 1, n) if n > 1 else np.zeros(1)) ** 1.35
        azimuth = rng.uniform(0, 2 * np.pi) + np.arange(n) * DIVERGENCE + rng.uniform(-0.2, 0.2, n)
        length = BLADE * min(1.0, (7 / n) ** 0.4) * rng.uniform(0.86, 1.1, n)
        leaves = cls(
            twig,
            s,
            azimuth,
            length,
            rise=mix(1.5, 0.95, s) + rng.uniform(-0.05, 0.1, n),
            bow=np.stack([rng.uniform(0.35, 0.9, n), np.minimum(rng.uniform(-0.9, 1.6, n), 5 * s - 2.2)], axis=-1),
            rolls=rng.uniform(1.1, 2.1, (n, 2)),
            twist=np.stack([rng.uniform(-0.25, 0.25, n), rng.uniform(-0.9, 0.9, n)], axis=-1),
            tilt=rng.uniform(-0.65, 0.65, n),
            outline=_Outline.grown(n, oak.lobes, rng),
            ripple=rng.uniform(0, 2 * np.pi, (n, 3)),
            haste=rng.permutation(n) / max(n, 1) * (1 - TURNS_WITHIN),
            tone=rng.uniform(0.82, 1.15, (n, 3)),
            mottle=Noise.grown(rng, 0.5, 4, 0.65),
            flight=None,
        )
        fallen = min(oak.fallen, n)
        return replace(leaves, flight=leaves.flown(fallen, rng)) if fallen else leaves

    def flown(self, fallen: int, rng: np.random.Generator) -> Flight:
        """How so many of them fall, the lowest first with exceptions."""
        order = np.argsort(np.arange(len(self.s)) + rng.uniform(0, 2.5, len(self.s)))[:fallen]
        start = DRIED + 0.005 + np.linspace(0, FALLEN - DRIED - FALL - 0.01, fallen)
        nodes = self.nodes()
        blades = nodes.placed(self.blade_points(1.0, np.linspace(1, -1, 17), _rows(62)))
        stalks = nodes.placed(self.stalk_points(1.0, 8, 8)[0])
        points = (each[order].reshape(fallen, -1, 3) for each in (blades, stalks))
        return Flight.grown(order, start, *points, rng)

    def dry(self, tau: float) -> Array:
        """(n,) how far each has dried, 0 to 1."""
        late = 0.35 * self.haste / (1 - TURNS_WITHIN)
        return ramp((tau - TURNED) / (DRIED - TURNED) - late * 0.9, 0.0, 1 - 0.35 * 0.9)

    def nodes(self) -> Nodes:
        return Nodes.on(self.twig.spine, self.s, self.azimuth, 1.16 * self.twig.radius(self.s))

    def stalk_points(self, tau: float, rows: int, sides: int) -> tuple[Array, tuple[Array, Array]]:
        angle = (
            self.rise[:, None] + np.linspace(0, 0.25, rows) + 0.35 * self.dry(tau)[:, None] * np.linspace(0, 1, rows)
        )
        return petioles(self.nodes().radius, angle, 0.075 * self.length, 0.0125 * self.length, sides)

    def blade_points(self, tau: float, u: Array, v: Array) -> Array:
        """(n, rows, columns, 3) in the nodes' frames."""
        dry = self.dry(tau)[:, None]
        length = self.length * (1 - SHRINKS * dry[:, 0])
        x, y, lobe = self.flat(u, v)
        knots = np.linspace(0, 1, 49)
        bend = mix(self.bow[:, :1], self.bow[:, 1:], dry)
        angle = (
            self.rise[:, None]
            + 0.25
            + 0.35 * dry
            + bend * knots**1.3
            + 0.25 * dry * np.sin(5 * knots + self.ripple[:, :1])
        )
        across, up = along(angle, length[:, None] / 48)
        start = self.stalk_points(tau, 3, 3)[1]
        place = np.clip(x, -0.2, 1.2) * 48
        low = np.clip(place.astype(int), 0, 47)
        t = place - low

        def curve(values: Array) -> Array:
            flat = low.reshape(len(low), -1)
            a, b = (np.take_along_axis(values, flat + i, axis=1).reshape(low.shape) for i in (0, 1))
            return mix(a, b, t)

        half = np.abs(y)
        roll = np.where(u > 0, self.rolls[:, :1], self.rolls[:, 1:])[:, None]
        roll = 0.22 + dry[..., None] * roll * (0.75 + 0.35 * np.sin(3 * x + self.ripple[:, None, 1:2]))
        kappa = roll / 0.28
        side = np.sign(y) * np.sin(kappa * half) / kappa
        lift = (1 - np.cos(kappa * half)) / kappa + self.relief((u, v, x), lobe, dry[..., None])
        turned = mix(self.twist[:, :1], self.twist[:, 1:], dry)[..., None] * x + self.tilt[:, None, None] * ramp(
            x, -0.1, 0.2
        )
        side, lift = side * np.cos(turned) - lift * np.sin(turned), side * np.sin(turned) + lift * np.cos(turned)
        size = length[:, None, None]
        a = curve(angle)
        out = start[0][:, None, None] + curve(across) - np.cos(a) * lift * size
        high = start[1][:, None, None] + curve(up) + np.sin(a) * lift * size
        return np.stack([out, side * size, high], axis=-1)

    def flat(self, u: Array, v: Array) -> tuple[Array, Array, Array]:
        """Along and across the flat blade over its length, and how near to a lobe's middle; (n, rows, columns) each."""
        left = u > 0
        far, half, lobe = (np.where(left, m[:, 0, :, None], m[:, 1, :, None]) for m in self.outline.margin(v))
        foot = (v - 0.40 * self.outline.body(v) * ramp(v, 0.0, 0.2))[:, None]
        return mix(foot, far, 1 - (1 - np.abs(u)) ** 1.9), u * half, lobe

    def relief(self, grid: tuple[Array, Array, Array], lobe: Array, dry: Array) -> Array:
        """Of the upper face, over length: sunk at veins, wavy at the margin, lying on the end of the stalk."""
        u, v, x = grid
        side = ramp(lobe, 0.75, 1.0) * ramp(np.abs(u), 0.0, 0.2) * (1 - np.abs(u))
        rib = 0.006 * np.exp(-((u / 0.09) ** 2)) + 0.005 * side
        phase = self.ripple[:, None, 2:]
        wavy = np.sin(13 * v[:, None] + phase + 2 * np.sign(u)) * u**2 * ramp(v, 0.05, 0.3)[:, None]
        return (0.008 + 0.022 * dry) * wavy - rib * (1 + 1.5 * dry) + 0.017 * (1 - ramp(x, 0.0, 0.12))

    def stalks(self, detail: float) -> Organ:
        rows, sides = finer(8, detail), max(6, finer(8, detail))
        green, tan = np.array([0.17, 0.20, 0.06]), np.array([0.20, 0.10, 0.045])

        def at(tau: float) -> Skin:
            points = self.carried(self.stalk_points(tau, rows, sides)[0], tau)
            turned = self.turned(tau)[:, None, None] + np.zeros(points.shape[:3])
            return Skin(points, tint(green, tan, turned), 0.6 + 0 * turned)

        chart = petiole_chart(0.075 * self.length, 0.0125 * self.length, rows, sides)
        return Organ("leaves", chart, at, closed=True, poles=(False, True))

    def turned(self, tau: float) -> Array:
        """(n,) how far each has turned, 0 to 1."""
        return np.clip((tau / TURNED - self.haste) / TURNS_WITHIN, 0, 1)

    def carried(self, local: Array, tau: float) -> Array:
        """Points given in the nodes' frames: on the twig, or wherever a fallen leaf has come to."""
        points = self.nodes().placed(local)
        return points if self.flight is None else self.flight.moved(points, tau)

    def blades(self, oak: OakLeaf) -> Organ:
        rows, columns = finer(32 + 8 * oak.lobes, oak.detail), finer(17, oak.detail) | 1
        u = np.linspace(1, -1, columns)
        v = _rows(rows)
        x, y, lobe = self.flat(u, v)
        paint = _Paint.of(self, oak, (u, v, x, y, lobe))

        def at(tau: float) -> Skin:
            points = self.carried(self.blade_points(tau, u, v), tau)
            return Skin(points, *paint.at(tau))

        chart = np.stack([y, x], axis=-1) * self.length[:, None, None, None]
        return Organ("leaves", chart, at)


def _rows(n: int) -> Array:
    """v of n rows, closer at both ends."""
    v = np.linspace(0, 1, n)
    return mix(v, 0.5 - 0.5 * np.cos(np.pi * v), 0.4)


@dataclass(frozen=True, eq=False)
class _Paint:
    """The colours of blades, (n, rows, columns, ...)."""

    leaves: _Leaves
    colour: Array  # (n, 1, 1, 3) that each turns to
    hold: Array  # how long green is held: 1 at a vein, 0 at the margin between
    vein: Array
    spots: Array
    edge: Array
    flecks: Array

    @classmethod
    def of(cls, leaves: _Leaves, oak: OakLeaf, grid: tuple[Array, ...]) -> "_Paint":
        u, v, x, y, lobe = grid
        own = 6.0 * np.arange(len(leaves.s))[:, None, None]
        spots = leaves.mottle(np.stack(np.broadcast_arrays(x, y, own), axis=-1))
        midrib = np.exp(-((y / 0.012) ** 2))
        side = ramp(lobe, 0.965, 1.0) * (1 - 0.7 * np.abs(u)) * ramp(v, 0.05, 0.15)[:, None]
        vein = np.clip(midrib + 0.65 * side, 0, 1)
        edge = ramp(np.abs(u) + 0 * y, 0.45, 1.0)
        hold = np.clip(
            0.50 * np.exp(-((y / 0.05) ** 2)) + 0.5 * ramp(lobe, 0.3, 1.0) * (1 - np.abs(u)) - 0.25 * edge, -0.3, 1
        )
        hue = leaves.tone[:, None, None, :1]
        colour = mix(np.array(oak.colour), YELLOW, 0.6 * ramp(hue, 0.85, 1.2)) * leaves.tone[:, None, None, 1:2]
        flecks = ramp(leaves.mottle(4 * np.stack(np.broadcast_arrays(x, y, own), axis=-1)), 0.9, 2.4)
        return cls(leaves, colour, hold, vein, spots, edge, flecks)

    def at(self, tau: float) -> tuple[Array, Array]:
        """Albedo and roughness."""
        leaves = self.leaves
        turned, dry = leaves.turned(tau)[:, None, None], leaves.dry(tau)[:, None, None]
        tone = leaves.tone[:, None, None, 2:]
        green = tint(GREEN * tone, GREEN_VEIN, 0.9 * self.vein) * (1 + 0.07 * self.spots)[..., None]
        yellowed = ramp(1.9 * turned - 0.75 * (self.hold + 0.4) - 0.12 * self.spots, 0.0, 0.55)
        coloured = ramp(1.9 * turned - 0.75 * (self.hold + 0.4) - 0.22 * self.spots - 0.35, 0.0, 0.6)
        ripe = self.colour * (1 + 0.16 * self.spots)[..., None]
        ripe = tint(tint(ripe, 0.55 * self.colour + 0.4 * YELLOW, 0.6 * self.vein), CRISP_DARK, 0.75 * self.flecks)
        albedo = tint(tint(green, YELLOW * tone, yellowed * 0.9), ripe, coloured)
        crisp = tint(CRISP, CRISP_DARK, np.clip(0.28 + 0.28 * self.spots + 0.25 * self.edge + 0.3 * self.flecks, 0, 1))
        crisp = tint(crisp, 0.55 * self.colour + 0.03, 0.3 + 0.2 * self.vein) * tone
        rust = ramp(1.5 * dry + 0.55 * self.edge * ramp(turned, 0.3, 1.0) + 0.16 * self.spots - 0.48, 0.0, 0.8)
        return tint(albedo, crisp, rust), mix(0.45, 0.85, np.maximum(rust, 0.5 * coloured))
