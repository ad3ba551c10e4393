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
STEEP = 2.0  # of the pit's wall: it lies this much farther in for each length above or below what it clears
INNER = 0.38  # of its radius: within this it may move
EDGE = 0.05  # height of its rim, in its own
CRUST = 0.12  # of ground that is lifted, in heights of the mound
HEAVE = 1.4  # slope of the ground that is pushed up


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
            Noise.grown(rng, 0.06 * size, 2, 0.55),
        )

    def rim(self, angle: Array) -> Array:
        """Radius of its foot in each direction."""
        ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1) * self.radius
        return self.radius * (1 + 0.06 * self.outline(ring))

    def top(self, x: Array, y: Array) -> Array:
        """Height of the surface."""
        share = np.hypot(x, y) / self.rim(np.arctan2(y, x))
        flat = np.stack([x, y, 0 * x], axis=-1)
        dome = self.height * np.clip(1 - share**2, 0, 1) ** 1.45
        rough = 0.07 * self.lumps(flat) + 0.10 * (np.sqrt(self.crumbs(flat) ** 2 + 0.05) - 0.75)
        return dome + self.height * (rough * ramp(1 - share, 0.02, 0.22) + EDGE)

    def colour(self, points: Array) -> Array:
        """Albedo: hollows are dark and damp, what stands out is light and dry."""
        flat = points * [1, 1, 0]
        dry = 0.16 + 0.36 * np.abs(self.crumbs(flat)) + 0.12 * self.lumps(flat)
        return tint(DARK, LIGHT, dry.clip(0, 1))


def mound(heap: Mound, inside: Callable[[float], Array], clear: float, detail: float) -> Organ:
    """The heap with its pit. `inside(tau)` gives points (n, 3) that the pit's wall must stay `clear` of."""
    wall = 9
    angle, still = _still(heap, detail)
    columns, inner = len(angle), finer(14, detail)
    outer = len(still) + inner
    rim = heap.rim(angle)
    t = np.linspace(0, 1, inner + 1)[1:, None]
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
        hole = np.maximum(clearance(middle, step), clearance(middle + CRUST * heap.height, step))
        moving = mix(still[-1], hole + 0.8 * CRUST * heap.height, t)
        radius = np.concatenate([still, moving])
        x, y = radius * np.cos(angle), radius * np.sin(angle)
        pit = np.stack([clearance(each, step) for each in sunk])
        # Ground over something that rises is pushed up with it.
        above = sunk[:, None, None] - HEAVE * np.maximum(radius - pit[:, None], 0)
        height = _larger(heap.top(x, y), above.max(axis=0) + CRUST * heap.height, 0.05 * heap.height)
        low = 0.5 * EDGE * heap.height
        rows = [(0 * angle, 0 * angle), (0.985 * rim, 0 * angle), (1.01 * rim, low + 0 * angle)]
        rows += [*zip(radius, height, strict=True), *((each, z + 0 * angle) for each, z in zip(pit, sunk, strict=True))]
        rows[3 + outer] = hole, height[-1] - 0.5 * CRUST * heap.height
        rows = [*rows, (0 * angle, 0 * angle + sunk[-1])]
        r, z = (np.stack(each)[None] for each in zip(*rows, strict=True))
        placed = lathe(r, z)
        albedo = heap.colour(placed)
        albedo[0, 3 + outer :] = DARK * 0.6
        return Skin(placed, albedo, 0.95 + 0 * z)

    laid = heap.radius * np.concatenate(
        [[0.0, 0.97, 1.0], np.linspace(0.99, 0.06, outer), np.full(wall + 1, 0.06), [0.0]]
    )
    high = middle * np.concatenate(
        [[0.0, 0.0, 0.02], np.linspace(0.04, 1.0, outer), np.linspace(0.98, 0, wall + 1), [0.0]]
    )
    profile = (np.broadcast_to(each[None, :, None], (1, len(laid), columns)) for each in (laid, high))
    return Organ("soil", lathe_chart(*profile), at, closed=True, poles=(True, True))


def _still(heap: Mound, detail: float) -> tuple[Array, Array]:
    """Angles (columns,) of the mound's grid, and radii (rows, columns) of its rows that never move, from the rim in."""
    columns = finer(84, detail)
    angle = np.arange(columns) * (2 * np.pi / columns)
    return angle, np.linspace(1.0, INNER, finer(24, detail))[:, None] * heap.rim(angle)


def _ground(heap: Mound, x: Array, y: Array, detail: float) -> Array:
    """Height of the mound's own triangles, of both ways to halve a quad the higher one."""
    angle, radius = _still(heap, detail)
    height = heap.top(radius * np.cos(angle), radius * np.sin(angle))
    way = np.arctan2(y, x)
    column = np.mod(way / (2 * np.pi), 1.0) * len(angle)
    row = (1 - np.hypot(x, y) / heap.rim(way)) / (1 - INNER) * (len(radius) - 1)
    i, j = np.clip(row.astype(int), 0, len(radius) - 2), column.astype(int) % len(angle)
    a, b, k = row - i, column - column.astype(int), (j + 1) % len(angle)
    low, right, up, across = height[i, j], height[i, k], height[i + 1, j], height[i + 1, k]
    one = np.where(a > b, low + (up - low) * a + (across - up) * b, low + (across - right) * a + (right - low) * b)
    upper = across + (right - across) * (1 - a) + (up - across) * (1 - b)
    return np.maximum(one, np.where(a + b < 1, low + (up - low) * a + (right - low) * b, upper))


def _larger(a: Array, b: Array, soft: float) -> Array:
    """The larger of both, rounded up where they are nearly equal."""
    return (a + b + np.sqrt((a - b) ** 2 + soft**2)) / 2


def crumbs(heap: Mound, count: int, bare: Array, detail: float, rng: np.random.Generator) -> Organ:
    """Loose crumbs that lie on the mound, away from its middle and from `bare` (x, y, radius), and touch neither it
    nor one another."""
    places, sizes = _scattered(heap, count, bare, rng)
    rows, columns = finer(6, detail), max(5, finer(8, detail))
    v = np.linspace(0, np.pi, rows)[:, None]
    phi = np.arange(columns) * (2 * np.pi / columns)
    ball = np.stack(np.broadcast_arrays(np.sin(v) * np.cos(phi), np.sin(v) * np.sin(phi), -0.8 * np.cos(v)), axis=-1)
    lump = Noise.grown(rng, 1.8, 2)
    own = 10.0 * np.arange(len(sizes))[:, None, None, None]
    shapes = ball * (1 + 0.11 * lump(ball + own).clip(-1.5, 1.5))[..., None]
    x, y = np.moveaxis(sizes[:, None, None, None] * shapes[..., :2] + places[:, None, None], -1, 0)
    # A flattened underside that follows the ground.
    high = np.where(shapes[..., 2] < 0, 0.6, 1.0) * shapes[..., 2] + 0.5
    points = np.stack([x, y, _ground(heap, x, y, detail) + 0.02 * heap.height + sizes[:, None, None] * high], axis=-1)
    for row in (0, -1):
        points[:, row] = points[:, row].mean(axis=1, keepdims=True)
    albedo = heap.colour(points + [0, 0, 0.02]) * rng.uniform(0.7, 1.5, (len(sizes), 1, 1, 1))

    chart = np.stack(np.broadcast_arrays((np.arange(columns + 1) / columns) * 6, v), axis=-1)
    chart = chart * (sizes * 1.0)[:, None, None, None]
    return Organ("soil", chart, lambda tau: Skin(points, albedo, np.full(points.shape[:3], 0.95)), True, (True, True))


def _scattered(heap: Mound, count: int, bare: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Places (n, 2) and sizes (n,) of crumbs that keep apart; at most `count`."""
    tries = 4 * count
    far = heap.radius * np.sqrt(rng.uniform((INNER + 0.07) ** 2, 0.88, tries))
    way = rng.uniform(0, 2 * np.pi, tries)
    places = np.stack([far * np.cos(way), far * np.sin(way)], axis=-1)
    sizes = heap.radius * np.exp(rng.normal(-3.75, 0.4, tries))
    kept: list[int] = []
    for i in range(tries):
        apart = np.linalg.norm(places[kept] - places[i], axis=1) > 1.35 * (sizes[kept] + sizes[i])
        off = np.linalg.norm(places[i] - bare[:2]) > bare[2] + 1.3 * sizes[i]
        if off and apart.all() and len(kept) < count:
            kept.append(i)
    return places[kept], sizes[kept]
