"""A mound of crumbly soil that opens for what comes out of it.

The mound is one solid with a pit about its axis. The wall of the pit keeps clear of whatever stands in it: seen from
the axis it lies, in each direction, at the support function of what is inside (the farthest that anything reaches that
way), which changes steadily as things move. So the ground opens no wider than it must, and closes again behind.
Lengths are in the caller's unit.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backend.specimens.core import Array, Noise, Organ, Skin, finer, lathe, lathe_chart, mix, ramp, tint

DARK, LIGHT = np.array([0.020, 0.012, 0.0075]), np.array([0.12, 0.075, 0.045])
STEEP = 4.0  # of the pit's wall: how much farther out it must lie for each length nearer to what it clears


@dataclass(frozen=True, eq=False)
class Mound:
    """A shallow heap about the z axis, its foot on the floor."""

    radius: float
    height: float
    outline: Noise
    lumps: Noise
    crumbs: Noise

    @classmethod
    def grown(cls, radius: float, height: float, rng: np.random.Generator) -> "Mound":
        """An individual."""
        size = radius / 0.26
        return cls(
            radius,
            height,
            Noise.grown(rng, 0.5 * size),
            Noise.grown(rng, 0.17 * size, 2),
            Noise.grown(rng, 0.055 * size, 2, 0.6),
        )

    def rim(self, angle: Array) -> Array:
        """Radius of its foot in each direction."""
        ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1) * self.radius
        return self.radius * (1 + 0.05 * self.outline(ring))

    def top(self, x: Array, y: Array) -> Array:
        """Height of the surface."""
        share = np.hypot(x, y) / self.rim(np.arctan2(y, x))
        flat = np.stack([x, y, 0 * x], axis=-1)
        dome = self.height * np.clip(1 - share**2, 0, 1) ** 1.3
        rough = 0.07 * self.lumps(flat) + 0.12 * (np.abs(self.crumbs(flat)) - 0.75)
        return dome + self.height * (rough * ramp(1 - share, 0.0, 0.3) + 0.03)

    def colour(self, points: Array) -> Array:
        """Albedo: hollows are dark and damp, what stands out is light and dry."""
        flat = points * [1, 1, 0]
        dry = 0.42 + 0.30 * np.abs(self.crumbs(flat)) + 0.10 * self.lumps(flat) - 0.2
        return tint(DARK, LIGHT, dry.clip(0, 1))


def mound(heap: Mound, inside: Callable[[float], Array], clear: float, detail: float) -> Organ:
    """The heap with its pit. `inside(tau)` gives points (n, 3) that the pit's wall must stay `clear` of."""
    columns, outer, wall = finer(84, detail), finer(36, detail), 9
    angle = np.arange(columns) * (2 * np.pi / columns)
    rim = heap.rim(angle)
    t = np.linspace(0, 1, outer)[:, None]
    ways = np.stack([np.cos(angle), np.sin(angle)])
    ragged = clear * (1 + 0.3 * heap.crumbs(0.1 * heap.radius * np.append(ways, 0 * ways[:1], axis=0).T).clip(-1, 1))
    middle = float(heap.top(np.zeros(1), np.zeros(1))[0])
    sunk = np.linspace(middle, 0.03 * heap.height, wall + 1)

    def at(tau: float) -> Skin:
        points = inside(tau)
        points = points[points[:, 2] < 1.7 * middle]
        reach = points[:, :2] @ ways

        def clearance(height: float, slack: float) -> Array:
            away = STEEP * np.maximum(np.abs(points[:, 2, None] - height) - slack, 0)
            return np.maximum((reach - away).max(axis=0), 0.0) + ragged

        step = sunk[0] - sunk[1]
        hole = clearance(middle, step)
        radius = mix(rim, hole, t**0.85)
        x, y = radius * np.cos(angle), radius * np.sin(angle)
        near = np.exp(-(((radius - hole) / (0.16 * heap.radius)) ** 2))
        lumpy = 1 + 0.8 * heap.lumps(np.stack([x, y, 0 * x], axis=-1)).clip(-0.8, 1)
        height = heap.top(x, y) + near * 0.35 * np.minimum(hole, 0.4 * heap.height) * lumpy
        pit = np.stack([clearance(each, step) for each in sunk])
        drop = (height[-1] - middle) * (1 - np.linspace(0, 1, wall + 1)[:, None]) ** 2
        rows = [(0 * angle, 0 * angle), (0.97 * rim, 0 * angle), *zip(radius, height, strict=True)]
        rows += [*zip(pit[1:], (sunk[:, None] + drop)[1:], strict=True), (0 * angle, 0 * angle + sunk[-1])]
        r, z = (np.stack(each)[None] for each in zip(*rows, strict=True))
        placed = lathe(r, z)
        albedo = heap.colour(placed)
        albedo[0, 2 + outer :] = DARK * 0.6
        return Skin(placed, albedo, 0.95 + 0 * z)

    laid = heap.radius * np.concatenate([[0.0, 0.97], np.linspace(1.0, 0.06, outer), np.full(wall, 0.06), [0.0]])
    high = middle * np.concatenate([[0.0, 0.0], np.linspace(0.0, 1.0, outer), np.linspace(1, 0, wall + 1)])
    profile = (np.broadcast_to(each[None, :, None], (1, len(laid), columns)) for each in (laid, high))
    return Organ("soil", lathe_chart(*profile), at, closed=True, poles=(True, True))


def crumbs(heap: Mound, count: int, detail: float, rng: np.random.Generator) -> Organ:
    """Loose crumbs that lie on the mound, away from its middle, and touch neither it nor one another."""
    places, sizes = _scattered(heap, count, rng)
    rows, columns = finer(6, detail), max(5, finer(8, detail))
    v = np.linspace(0, np.pi, rows)[:, None]
    phi = np.arange(columns) * (2 * np.pi / columns)
    ball = np.stack(np.broadcast_arrays(np.sin(v) * np.cos(phi), np.sin(v) * np.sin(phi), -0.8 * np.cos(v)), axis=-1)
    lump = Noise.grown(rng, 1.8, 2)
    own = 10.0 * np.arange(len(sizes))[:, None, None, None]
    shapes = ball * (1 + 0.11 * lump(ball + own).clip(-1.5, 1.5))[..., None]
    x, y = np.moveaxis(sizes[:, None, None, None] * shapes[..., :2] + places[:, None, None], -1, 0)
    # A flattened underside that follows the ground.
    high = np.where(shapes[..., 2] < 0, 0.55, 1.0) * shapes[..., 2] + 0.5
    points = np.stack([x, y, heap.top(x, y) + 0.075 * heap.height + sizes[:, None, None] * high], axis=-1)
    for row in (0, -1):
        points[:, row] = points[:, row].mean(axis=1, keepdims=True)
    albedo = heap.colour(points + [0, 0, 0.02]) * rng.uniform(0.7, 1.5, (len(sizes), 1, 1, 1))

    chart = np.stack(np.broadcast_arrays((np.arange(columns + 1) / columns) * 6, v), axis=-1)
    chart = chart * (sizes * 1.0)[:, None, None, None]
    return Organ("soil", chart, lambda tau: Skin(points, albedo, np.full(points.shape[:3], 0.95)), True, (True, True))


def _scattered(heap: Mound, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Places (n, 2) and sizes (n,) of crumbs that keep apart; at most `count`."""
    tries = 4 * count
    far = heap.radius * np.sqrt(rng.uniform(0.16, 0.8, tries))
    way = rng.uniform(0, 2 * np.pi, tries)
    places = np.stack([far * np.cos(way), far * np.sin(way)], axis=-1)
    sizes = heap.radius * np.exp(rng.normal(-3.75, 0.4, tries))
    kept: list[int] = []
    for i in range(tries):
        apart = np.linalg.norm(places[kept] - places[i], axis=1) > 1.35 * (sizes[kept] + sizes[i])
        if apart.all() and len(kept) < count:
            kept.append(i)
    return places[kept], sizes[kept]
