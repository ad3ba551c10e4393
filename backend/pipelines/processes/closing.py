"""What bloom and close share: petals between the artist's flower and its bud.

The bud is drawn (`backend.geometry.bud`), not simulated: pushed by forces alone petals end in a crumpled ball. Every
triangle of a petal is turned and scaled from where it lies in the flower towards where it lies in the bud, and at
each moment the petals are put together from their triangles (`backend.geometry.growth`): so they swing and curl
about their feet and keep their size, as sheets do, and both ends are exact.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Look, Reals
from backend.geometry.bud import Closed, closed, furled, local
from backend.geometry.fields import smoothstep
from backend.geometry.growth import Puzzle, turning
from backend.geometry.petals import Flower, Integers, flowers
from backend.pipelines.processes.process import NotForThis, Process
from kernels.rotations import nearest_rotation

TIP_LATE = 0.35  # how much later the tip of a petal closes than its foot, in lives of a petal
LATE = 1.2  # how much later the outermost petal closes than the innermost, at order 1, in the same
GREEN = np.array([0.11, 0.27, 0.045])  # linear albedo
NO_PETALS = (
    "This mesh has no petals: bloom and close need thin parts, such as petals or leaves, that are not joined to the "
    "rest by their faces. Separate them (P > By Loose Parts), or choose grow."
)


class Closing(Process):
    """`pose` and `shade` at a share of the way from the artist's mesh, 0, to the bud, 1."""

    moves = True

    def __init__(self, settings, circumstances):
        super().__init__(settings, circumstances)
        found, alone = flowers(self.anatomy)
        vertices = self.body.vertices
        if found:
            self.closed = [closed(f, vertices, core(f, self.anatomy), settings.tightness) for f in found]
        else:
            self.closed = [furled(blade, vertices, settings.tightness) for blade in alone]
        if not self.closed:
            raise NotForThis(NO_PETALS)
        self.chosen = np.concatenate([one.chosen for one in self.closed])
        self.target = np.concatenate([one.positions for one in self.closed])
        ends = np.cumsum([0, *(len(one.chosen) for one in self.closed)])
        self.slices = [slice(a, b) for a, b in zip(ends[:-1], ends[1:], strict=True)]
        counts = np.cumsum([0, *(one.blade.max() + 1 for one in self.closed)])
        self.blade = np.concatenate([one.blade + c for one, c in zip(self.closed, counts, strict=False)])
        self.along = np.concatenate([one.along for one in self.closed])
        self.late = np.concatenate([lateness(one, vertices[one.chosen], self.seed) for one in self.closed])
        self.outer = np.concatenate([one.outer for one in self.closed])
        self.foot = np.concatenate([one.foot for one in self.closed]).astype(float)
        self._pieces()

    def _pieces(self) -> None:
        """What becomes of each triangle: a swing of its whole petal, the rest of its turn, and its stretch."""
        body = self.body
        index = np.full(len(body.vertices), -1)
        index[self.chosen] = np.arange(len(self.chosen))
        self.faces = index[body.faces[(index[body.faces] >= 0).all(axis=1)]]
        start = body.vertices[self.chosen]
        held = np.maximum(body.pin, body.weight <= 0.0)[self.chosen]
        self.puzzle = puzzle = Puzzle(start, self.faces, held, np.zeros((0, 2), np.int64))
        self.free = np.bincount(self.blade, held) < 0.5  # a blade that the artist pinned is not moved as a whole
        corner = self.target[self.faces]
        sides = corner[:, 1:] - corner[:, :1]
        moved = _solid(sides) @ np.linalg.inv(_solid(puzzle.sides))
        turn = nearest_rotation(moved)
        stretch = turn.transpose(0, 2, 1) @ moved
        hinge = np.concatenate([one.hinge for one in self.closed])[self.faces].mean(axis=1)
        self.hinge = hinge / np.maximum(np.linalg.norm(hinge, axis=1, keepdims=True), 1e-12)
        self.angle = np.concatenate([one.angle for one in self.closed])[self.faces].mean(axis=1)
        swung = turning(self.hinge, self.angle)
        self.turn = Rotation.from_matrix(turn @ swung.transpose(0, 2, 1)).as_rotvec()
        self.stretch = stretch

    def share(self, way: float) -> Reals:
        """(M,) how far each vertex of a petal has closed: inner petals before outer ones, feet before tips."""
        late = LATE * self.settings.order * self.late
        x = np.clip(way * (1.0 + late.max() + TIP_LATE) - late - TIP_LATE * self.along, 0.0, 1.0)
        return 0.3 * x + 0.7 * smoothstep(x)

    def pose(self, way: float) -> Reals:
        """(N, 3) the body at this share of the way to the bud."""
        start = self.body.vertices
        positions = start.copy()
        if way <= 0.0:
            return positions
        strength = self.strength[self.chosen]
        share = self.share(way) * strength
        w = share[self.faces].mean(axis=1)
        stretch = (1.0 - w)[:, None, None] * np.eye(3) + w[:, None, None] * self.stretch
        turned = Rotation.from_rotvec(w[:, None] * self.turn).as_matrix() @ turning(self.hinge, w * self.angle)
        placed = self.puzzle.solve(turned @ stretch, np.zeros((0, 3)), start[self.chosen])
        goal = start[self.chosen] + share[:, None] * (self.target - start[self.chosen])
        positions[self.chosen] = placed + self.free[self.blade, None] * self._on_foot(goal - placed)
        for one, mine in zip(self.closed, self.slices, strict=True):
            step = (self.strength[one.core] * self.share(way)[mine].mean())[:, None]
            positions[one.core] += step * (one.gathered - start[one.core])
        return positions

    def _on_foot(self, gap: Reals) -> Reals:
        """(M, 3) the mean of `gap` (M, 3) at the foot of each petal."""
        weight = np.bincount(self.blade, self.foot)
        mean = np.stack([np.bincount(self.blade, self.foot * column) for column in gap.T], axis=1) / weight[:, None]
        return mean[self.blade]

    def shade(self, way: float, look: Look) -> Look:
        """The material: petals in a bud are green, most so the outer ones, and darker where they are hidden."""
        share = np.zeros(len(self.body.vertices))
        share[self.chosen] = self.share(way) ** 0.7 * (0.5 + 0.47 * self.outer) * (1.0 - 0.3 * self.along**2)
        share *= self.strength
        lightness = self.body.albedo @ np.array([0.2126, 0.7152, 0.0722])
        green = GREEN * (0.5 + 0.8 * np.sqrt(np.clip(lightness, 0.0, 1.0)))[:, None]
        return look.toward(share, albedo=green, roughness=0.55)


def lateness(one: Closed, start: Reals, seed: int) -> Reals:
    """(M,) when each petal begins to close: 0 the first, 1 the last. Those that hardly move take up no time."""
    size = np.bincount(one.blade)
    moved = np.bincount(one.blade, np.linalg.norm(one.positions - start, axis=1)) / size
    layer = np.bincount(one.blade, one.layer) / size
    uneven = 0.12 * np.random.default_rng(seed).uniform(size=len(size))
    before = np.array([moved[layer < mine].sum() + 0.5 * moved[layer == mine].sum() for mine in layer])
    late = before / max(moved.sum(), 1e-12) + uneven
    return ((late - late.min()) / max(np.ptp(late), 0.5))[one.blade]


def core(flower: Flower, anatomy: Anatomy) -> Integers:
    """(C,) the vertices of what stands in the middle of a flower: stamens, a pistil, the disc of a daisy."""
    vertices = anatomy.body.vertices
    reach = max(blade.length for blade in flower.blades)
    blades = np.concatenate([blade.chosen for blade in flower.blades])
    radius, _, height = local(flower, vertices)
    near = np.hypot(radius, height) < 0.35 * reach
    rest = np.ones(len(vertices), bool)
    rest[blades] = False
    belongs = np.bincount(anatomy.labels, near & rest)[anatomy.labels] > 0
    chosen = rest & belongs & (height > 0.0) & (radius < 1.1 * reach) & (height < 1.5 * reach)
    return np.flatnonzero(chosen & (anatomy.body.weight > 0.0))


def _solid(sides: Reals) -> Reals:
    """(F, 3, 3) columns: the two sides (F, 2, 3) of each triangle and its unit normal."""
    normal = np.cross(sides[:, 0], sides[:, 1])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300)
    return np.stack([sides[:, 0], sides[:, 1], normal], axis=2)
