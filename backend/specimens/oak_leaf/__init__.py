"""A twig of the pedunculate oak: its leaves turn, dry and curl, and fall.

A blade is laid flat first. Its rows follow the side veins, forwards and out, one vein to a lobe, so that colour and
relief that belong to the veins belong to rows; then it is rolled about its midrib, and the midrib is bent.

    u, v  across a blade, in [-1, 1], and along its midrib, in [0, 1]; lengths are shares of the height until the end

A leaf more or less, one that falls, or a lobe changes no other leaf and nothing of the twig: leaves fill its nodes from
the uppermost down, and the scale is that of a twig with all of them.

Sources: those of twig, lobes and colours. The first leaves of a shoot are its smallest. A drying leaf curls because its
two sides shrink by different amounts, most where veins hold it least: Xiao & Chen, "Buckling morphologies and
interfacial properties of leaves", Soft Matter 7, 2011. Fall: Andersen, Pesavento & Wang, "Unsteady aerodynamics of
fluttering and tumbling plates", J. Fluid Mech. 541, 2005. Simplified: curl and flight are prescribed, neither is solved
for; a blade has one colour on both its sides.
"""

from dataclasses import dataclass, replace

import numpy as np

from backend.species import OakLeaf
from backend.specimens.core import (
    Array,
    Chance,
    Draws,
    Noise,
    Organ,
    Skin,
    Specimen,
    along,
    finer,
    golden,
    join,
    mix,
    ramp,
    scaled,
    tint,
)
from backend.specimens.midribs import Nodes, petiole_chart, petioles
from backend.specimens.oak_leaf.colours import Paint
from backend.specimens.oak_leaf.flight import FALL, Flight
from backend.specimens.oak_leaf.lobes import Outline
from backend.specimens.oak_leaf.twig import NODES, Twig, bark, buds

TURNED, DRIED = OakLeaf.life.stretches["dry"]
FALLEN = OakLeaf.life.stretches["drop"].end
SHRINKS = 0.10  # of a blade's length and width, as it dries

BLADE = 0.41  # length of a usual leaf
FIRST_LEAF = 0.28  # of that, by which the lowest is shorter
TURNS_WITHIN = 0.6  # of the stretch of turning that one leaf takes


def grow(oak: OakLeaf, seed: int) -> Specimen:
    """A twig; `seed` picks the individual. Its vertices are the green twig (tau 0)."""
    chance = Chance(seed)
    twig = Twig.grown(chance)
    leaves = _Leaves.grown(oak.leaves, oak.lobes, twig, chance).shed(oak.fallen, chance)
    organs = [bark(twig, oak.detail, chance.of("bark")), buds(twig, oak.detail, chance)]
    organs += [leaves.stalks(oak.detail), leaves.blades(oak)]
    top = _Leaves.grown(NODES, oak.lobes, twig, chance).top()
    return join([scaled(organ, oak.height / top) for organ in organs])


@dataclass(frozen=True, eq=False)
class _Leaves:
    """All n leaves, from the uppermost; the flat blades and how each one will bend, turn, dry and fall."""

    twig: Twig
    length: Array
    rise: Array  # angle of the stalk to the twig
    bow: Array  # (n, 2) bend of the midrib, green and dry, radians from end to end
    rolls: Array  # (n, 2) how far the left and the right half turn up in the end, radians at the margin
    twist: Array  # (n, 2) green and dry, radians from end to end
    tilt: Array  # of each blade to one side
    outline: Outline
    ripple: Array  # (n, 3) phases
    haste: Array  # (n,) share of the turning after which each begins
    tone: Array
    mottle: Noise
    flight: Flight | None

    @classmethod
    def grown(cls, n: int, lobes: int, twig: Twig, chance: Chance) -> "_Leaves":
        """The n uppermost, all on the twig."""
        k, s, draws = np.arange(n), twig.s[:n], chance.each("leaf", n)
        droops = np.minimum(draws.uniform(0.35, 0.9), 5 * s - 1.1), np.minimum(draws.uniform(-0.9, 1.6), 5 * s - 2.2)
        return cls(
            twig,
            length=BLADE * (1 - FIRST_LEAF * ramp(k / NODES, 0.25, 1.0)) * draws.uniform(0.86, 1.1),
            rise=mix(1.5, 0.95, s) + draws.uniform(-0.05, 0.1),
            bow=np.stack(droops, axis=-1),
            rolls=draws.uniform(1.25, 2.1, 2),
            twist=draws.uniform(-1.0, 1.0, 2) * [0.25, 0.9],
            tilt=draws.uniform(-0.65, 0.65),
            outline=Outline.grown(lobes, chance.each("lobes", n)),
            ripple=draws.uniform(0, 2 * np.pi, 3),
            haste=np.mod(chance.of("autumn").uniform() + golden(k), 1) * (1 - TURNS_WITHIN),
            tone=draws.uniform(0.82, 1.15, 3),
            mottle=Noise.grown(chance.of("mottle"), 0.5, 4, 0.65),
            flight=None,
        )

    def shed(self, fallen: int, chance: Chance) -> "_Leaves":
        """So many of them fall, the lowest with exceptions, each in its own time."""
        n = len(self.length)
        which = np.argsort(chance.each("order", n).uniform(0, 2.5) - np.arange(n))[:fallen]
        if not len(which):
            return self
        start = DRIED + 0.005 + (FALLEN - DRIED - FALL - 0.01) * golden(which)
        nodes = self.nodes()
        blades = nodes.placed(self.blade_points(1.0, np.linspace(1, -1, 17), _rows(62)))
        stalks = nodes.placed(self.stalk_points(1.0, 8, 8)[0])
        points = (each[which].reshape(len(which), -1, 3) for each in (blades, stalks))
        return replace(self, flight=Flight.grown(which, start, *points, Draws([chance.of("fall", k) for k in which])))

    def top(self) -> float:
        """How high the green twig reaches, at its end or at a midrib."""
        midribs = self.nodes().placed(self.blade_points(0.0, np.zeros(1), _rows(62)))
        return max(float(midribs[..., 2].max()), float(self.twig.spine.points[-1, 2]))

    def dry(self, tau: float) -> Array:
        """(n,) how far each has dried, 0 to 1."""
        late = 0.35 * self.haste / (1 - TURNS_WITHIN)
        return ramp((tau - TURNED) / (DRIED - TURNED) - late * 0.9, 0.0, 1 - 0.35 * 0.9)

    def nodes(self) -> Nodes:
        s, azimuth = (each[: len(self.length)] for each in (self.twig.s, self.twig.azimuth))
        return Nodes.on(self.twig.spine, s, azimuth, 1.16 * self.twig.radius(s))

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
        paint = Paint.of(self.tone, self.mottle, np.array(oak.colour), (u, v, x, y, lobe))

        def at(tau: float) -> Skin:
            points = self.carried(self.blade_points(tau, u, v), tau)
            return Skin(points, *paint.at(self.turned(tau), self.dry(tau)))

        chart = np.stack([y, x], axis=-1) * self.length[:, None, None, None]
        return Organ("leaves", chart, at)


def _rows(n: int) -> Array:
    """v of n rows, closer at both ends."""
    v = np.linspace(0, 1, n)
    return mix(v, 0.5 - 0.5 * np.cos(np.pi * v), 0.4)
