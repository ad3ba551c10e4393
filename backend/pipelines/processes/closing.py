"""What bloom and close share: petals between the artist's flower and its bud.

The bud is drawn (`backend.geometry.bud`), not simulated: pushed by forces alone petals end in a crumpled ball. Every
triangle of a petal is turned and scaled from where it lies in the flower towards where it lies in the bud, and at
each moment the petals are put together from their triangles (`backend.geometry.growth`): so they swing and curl
about their feet and keep their size, as sheets do, and both ends are exact.

Flowers open because the margins of their petals grow more than the middle (Liang and Mahadevan, "Growth, geometry, and
mechanics of a blooming lily", PNAS 2011). Departs from them: nothing grows by a law; what a triangle is to become is
read off its place in the bud, and when, off its whorl and its distance from the foot. So it is no prediction of how a
flower opens, and the petals do not feel each other on the way.

Notation: way in [0, 1] from the flower to the bud; share (M,) how far of it each vertex has gone; late (M,) in [0, 1]
when its petal starts; time the same clock before it is evened out, so that all frames have about as much to do.
"""

from itertools import pairwise

import numpy as np

from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Body, Look, Reals
from backend.geometry.bud import Closed, closed, furled
from backend.geometry.charts import Blade
from backend.geometry.fields import smoothstep
from backend.geometry.growth import Between, Puzzle
from backend.geometry.heart import heart
from backend.geometry.petals import Flower, flowers
from backend.pipelines.processes.process import NotForThis, Process

TIP_LATE = 0.35  # how much later the tip of a petal closes than its foot, in lives of a petal
LATE = 1.2  # how much later the outermost petal closes than the innermost, at order 1, in the same
GREEN = np.array([0.11, 0.27, 0.045])  # linear albedo
LEAVES = 40  # more leaves than these do not roll up where there is no flower: it is a tree, a fern, a meadow
CHOOSE = (
    "If it has petals, choose them: select them in Edit Mode, or paint them into a vertex group and set it as Effect. "
    "If it has none, choose grow or wilt."
)
NO_PETALS = (
    "No petals were found: bloom and close need thin parts, such as petals or leaves. What is one surface with the "
    f"rest is not found by itself. {CHOOSE}"
)
NO_FLOWER = "No flower was found: {} leaves, but no petals that stand in a ring. " + CHOOSE


class Closing(Process):
    """`pose` and `shade` at a share of the way from the artist's mesh, 0, to the bud, 1."""

    moves = True
    may_refuse = True

    def __init__(self, settings, circumstances):
        super().__init__(settings, circumstances)
        found, alone = found_in(self.anatomy)
        vertices = self.body.vertices
        if found:
            self.closed = [closed(f, self.body, heart(f, self.anatomy), settings.tightness) for f in found]
        else:
            self.closed = [furled(blade, vertices, settings.tightness) for blade in alone]
        self.chosen = np.concatenate([one.chosen for one in self.closed])
        self.target = np.concatenate([one.positions for one in self.closed])
        ends = np.cumsum([0, *(len(one.chosen) for one in self.closed)])
        self.slices = [slice(a, b) for a, b in pairwise(ends)]
        counts = np.cumsum([0, *(one.blade.max() + 1 for one in self.closed)])
        self.blade = np.concatenate([one.blade + c for one, c in zip(self.closed, counts, strict=False)])
        self.along = np.concatenate([one.along for one in self.closed])
        self.late = np.concatenate([lateness(one, vertices[one.chosen], self.seed) for one in self.closed])
        self.outer = np.concatenate([one.outer for one in self.closed])
        self.foot = np.concatenate([one.foot for one in self.closed]).astype(float)
        self._pieces()
        self._pace()

    @classmethod
    def suits(cls, anatomy: Anatomy) -> None:
        found_in(anatomy)

    def _pieces(self) -> None:
        """The petals as triangles, and what becomes of each."""
        body = self.body
        index = np.full(len(body.vertices), -1)
        index[self.chosen] = np.arange(len(self.chosen))
        inside = index[body.faces] >= 0
        self.faces = index[body.faces[inside.all(axis=1)]]
        start = body.vertices[self.chosen]
        seam = np.zeros(len(index), bool)  # where petals are one surface with what stays
        seam[body.faces[inside.any(axis=1) & ~inside.all(axis=1)]] = True
        held = np.maximum(body.pin, seam | (body.weight <= 0.0))[self.chosen]
        self.puzzle = puzzle = Puzzle(start, self.faces, held, np.zeros((0, 2), np.int64))
        self.free = np.bincount(self.blade, held) < 0.5  # a blade that the artist pinned is not moved as a whole
        corner = self.target[self.faces]
        hinge = np.concatenate([one.hinge for one in self.closed])[self.faces].mean(axis=1)
        hinge /= np.maximum(np.linalg.norm(hinge, axis=1, keepdims=True), 1e-12)
        angle = np.concatenate([one.angle for one in self.closed])[self.faces].mean(axis=1)
        self.between = Between(puzzle.sides, corner[:, 1:] - corner[:, :1], hinge, angle)

    def share(self, way: float) -> Reals:
        """(M,) how far each vertex of a petal has closed: inner petals before outer ones, feet before tips."""
        return self._share(np.interp(0.6 * way + 0.4 * smoothstep(way), self.done, self.times))

    def _share(self, time: float) -> Reals:
        late = LATE * self.settings.order * self.late
        x = np.clip(time * (1.0 + late.max() + TIP_LATE) - late - TIP_LATE * self.along, 0.0, 1.0)
        return 0.3 * x + 0.7 * smoothstep(x)

    def _pace(self) -> None:
        """At what time how much is done, all in all: so that no frame has much more to do than the next."""
        moved = np.linalg.norm(self.target - self.body.vertices[self.chosen], axis=1)
        self.times = np.linspace(0.0, 1.0, 65)
        self.done = np.array([moved @ self._share(time) for time in self.times]) / max(moved.sum(), 1e-12)

    def pose(self, way: float) -> Reals:
        """(N, 3) the body at this share of the way to the bud."""
        start = self.body.vertices
        positions = start.copy()
        if way <= 0.0:
            return positions
        strength = self.strength[self.chosen]
        progress = self.share(way)
        share = progress * strength
        sides = self.between.at(share[self.faces].mean(axis=1), self.puzzle.sides)
        placed = self.puzzle.solve(sides, np.zeros((0, 3)), start[self.chosen])
        goal = start[self.chosen] + share[:, None] * (self.target - start[self.chosen])
        positions[self.chosen] = placed + self.free[self.blade, None] * self._on_foot(goal - placed)
        for one, mine in zip(self.closed, self.slices, strict=True):
            step = (self.strength[one.core] * progress[mine].mean())[:, None]
            positions[one.core] += step * (one.gathered - start[one.core])
        return positions

    def _on_foot(self, gap: Reals) -> Reals:
        """(M, 3) the mean of `gap` (M, 3) at the foot of each petal."""
        weight = np.bincount(self.blade, self.foot)
        mean = np.stack([np.bincount(self.blade, self.foot * column) for column in gap.T], axis=1) / weight[:, None]
        return mean[self.blade]

    def shade(self, way: float, look: Look) -> Look:
        """The material: in a bud petals have little of their colour, and the outer ones are green from their feet."""
        share = np.zeros((2, len(self.body.vertices)))
        share[0, self.chosen] = 0.5 * self.share(way)
        share[1, self.chosen] = self.share(way) * self.outer**2 * (0.95 - 0.6 * self.along)
        dim, green = self.strength * share
        lightness = self.body.look.luminance
        leaf = GREEN * (0.5 + 0.8 * np.sqrt(np.clip(lightness, 0.0, 1.0)))[:, None]
        return look.toward(dim, albedo=0.35 * look.albedo, roughness=0.55).toward(green, albedo=leaf)


def found_in(anatomy: Anatomy) -> tuple[list[Flower], list[Blade]]:
    """The flowers, and where there are none the leaves. Raises NotForThis where there is nothing to close."""
    found, alone = flowers(anatomy)
    if not found and not alone:
        raise NotForThis(NO_PETALS)
    if not found and len(alone) > LEAVES and chose_all(anatomy.body):
        raise NotForThis(NO_FLOWER.format(len(alone)))
    return found, alone


def lateness(one: Closed, start: Reals, seed: int) -> Reals:
    """(M,) when each petal begins to close: 0 the first, 1 the last. Those that hardly move take up no time."""
    size = np.bincount(one.blade)
    moved = np.bincount(one.blade, np.linalg.norm(one.positions - start, axis=1)) / size
    layer = np.bincount(one.blade, one.layer) / size
    uneven = 0.12 * np.random.default_rng(seed).uniform(size=len(size))
    before = np.array([moved[layer < mine].sum() + 0.5 * moved[layer == mine].sum() for mine in layer])
    late = before / max(moved.sum(), 1e-12) + uneven
    return ((late - late.min()) / max(np.ptp(late), 0.5))[one.blade]


def chose_all(body: Body) -> bool:
    """Whether the artist left it to us to find what shall open."""
    return bool((body.weight > 0.0).all())
