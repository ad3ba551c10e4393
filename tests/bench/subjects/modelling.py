"""How the subjects are modelled: grids bent into sheets, tubes and turned solids, level sets, joined into one mesh.

Lengths in metres, colours linear. A Piece keeps its polygons as they are drawn: quads, triangles at poles, and n-gons.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.clip import Mesh, fan_triangles

Array = NDArray[np.float64]
UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a mesh: V vertices, P polygons with C corners."""

    name: str
    points: Array  # (V, 3)
    corners: NDArray[np.int64]  # (C,)
    sizes: NDArray[np.int64]  # (P,)
    uv: Array  # (C, 2)
    albedo: Array  # (V, 3)
    roughness: Array  # (V,)
    metallic: Array  # (V,)

    def moved(self, turn: Array | None = None, by: Array | tuple = (0.0, 0.0, 0.0), scale: float = 1.0) -> "Piece":
        """Scaled, then turned by a rotation matrix, then shifted."""
        points = scale * self.points
        points = points if turn is None else points @ turn.T
        return self.at(points + np.asarray(by))

    def at(self, points: Array) -> "Piece":
        """The same piece elsewhere, (V, 3)."""
        return self.with_(points=points)

    def painted(self, albedo: Array, roughness: Array | float = 0.5, metallic: Array | float = 0.0) -> "Piece":
        """Colours (V, 3) or (3,), and (V,) or one number."""
        count = len(self.points)
        return self.with_(
            albedo=np.clip(np.broadcast_to(albedo, (count, 3)), 0, 1),
            roughness=np.clip(np.broadcast_to(roughness, count), 0, 1),
            metallic=np.broadcast_to(metallic, count),
        )

    def with_(self, **changes) -> "Piece":
        return Piece(**(vars(self) | changes))


def join(pieces: list[Piece]) -> Mesh:
    """One mesh of all, with a part for each name."""
    names = tuple(dict.fromkeys(piece.name for piece in pieces))
    before = np.cumsum([0, *(len(piece.points) for piece in pieces)])
    sizes = np.concatenate([piece.sizes for piece in pieces]).astype(np.int32)

    def stacked(field: str) -> NDArray[np.float32]:
        return np.ascontiguousarray(np.concatenate([getattr(piece, field) for piece in pieces]), np.float32)

    return Mesh(
        stacked("points"),
        np.concatenate([piece.corners + at for piece, at in zip(pieces, before, strict=False)]).astype(np.int32),
        sizes,
        fan_triangles(sizes),
        uv=stacked("uv"),
        albedo=stacked("albedo"),
        roughness=stacked("roughness"),
        metallic=stacked("metallic"),
        parts=np.repeat([names.index(piece.name) for piece in pieces], np.diff(before)).astype(np.int32),
        part_names=names,
    )


def sheet(points: Array, name: str) -> Piece:
    """An open grid (rows, columns, 3); its front is where rows x columns points."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    return _of_quads(name, points.reshape(-1, 3), index, _squares(rows, columns))


def tube(points: Array, name: str, caps: tuple[bool, bool] = (True, True)) -> Piece:
    """Rings (rows, sides, 3), each counter-clockwise as seen from the last; closed by a vertex where there is a cap."""
    rows, sides = points.shape[:2]
    index = np.arange(rows * sides).reshape(rows, sides)
    index = np.concatenate([index, index[:, :1]], axis=1)
    piece = _of_quads(name, points.reshape(-1, 3), index, _squares(rows, sides + 1))
    for capped, ring, end, v in zip(caps, (points[0], points[-1]), (index[0], index[-1]), (0.0, 1.0), strict=True):
        if capped:
            tip = len(piece.points)
            around = end[::-1] if v == 0.0 else end
            corners = np.stack([around[:-1], around[1:], np.full(sides, tip)], axis=1)
            u = np.linspace(0, 1, sides + 1)
            fan = np.stack([u[:-1], u[1:], (u[:-1] + u[1:]) / 2], axis=1)
            piece = piece.with_(
                points=np.concatenate([piece.points, ring.mean(axis=0, keepdims=True)]),
                corners=np.concatenate([piece.corners, corners.ravel()]),
                sizes=np.concatenate([piece.sizes, np.full(sides, 3)]),
                uv=np.concatenate([piece.uv, np.stack([fan, np.full_like(fan, v)], axis=-1).reshape(-1, 2)]),
            )
    return piece.painted(np.full(3, 0.8))


def disc(ring: Array, name: str) -> Piece:
    """One polygon with a vertex for each of (sides, 3), counter-clockwise."""
    sides = len(ring)
    middle = ring.mean(axis=0)
    uv = 0.5 + 0.5 * (ring - middle)[:, :2] / np.abs(ring - middle).max()
    piece = Piece(name, ring, np.arange(sides), np.array([sides]), uv, *_plain(sides))
    return piece


def _of_quads(name: str, points: Array, index: NDArray, uv: Array) -> Piece:
    def quads(grid: NDArray) -> NDArray:
        return np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=2)

    corners = quads(index).reshape(-1)
    return Piece(name, points, corners, np.full(len(corners) // 4, 4), quads(uv).reshape(-1, 2), *_plain(len(points)))


def _plain(count: int) -> tuple[Array, Array, Array]:
    return np.full((count, 3), 0.8), np.full(count, 0.5), np.zeros(count)


def _squares(rows: int, columns: int) -> Array:
    return np.stack(np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows)), axis=-1)


# --- Shapes


def turned(radius: Array, height: Array, sides: int) -> Array:
    """Rings (rows, sides, 3) of a solid turned about z."""
    angle = np.arange(sides) * (2 * np.pi / sides)
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    return radius[:, None, None] * ring + height[:, None, None] * UP


def along(spine: Array, radius: Array | float, sides: int) -> Array:
    """Rings (rows, sides, 3) of `radius` about a curve (rows, 3); their frames turn no more than the curve does."""
    ahead = np.gradient(spine, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    side = np.cross(ahead[0], [0.31, 0.95, 0.04])
    frames = []
    for to in ahead:
        side = side - (side @ to) * to
        side /= np.linalg.norm(side)
        frames.append((side, np.cross(to, side)))
    angle = np.arange(sides) * (2 * np.pi / sides)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    radius = np.broadcast_to(radius, len(spine))
    return spine[:, None] + radius[:, None, None] * np.einsum("sk,rkc->rsc", ring, np.array(frames))


def curve(points: list, rows: int) -> Array:
    """(rows, 3) a smooth curve through a few points, by Catmull and Rom."""
    points = np.asarray(points, float)
    ends = np.concatenate([[2 * points[0] - points[1]], points, [2 * points[-1] - points[-2]]])
    t = np.linspace(0, len(points) - 1, rows)
    i = np.minimum(t.astype(int), len(points) - 2)
    u = (t - i)[:, None]
    a, b, c, d = (ends[i + k] for k in range(4))
    return 0.5 * (2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - a - 3 * c + d) * u**3)


def blade(length: float, width: Array, bend: Array, cup: float, columns: int) -> Array:
    """A leaf (rows, columns, 3) that starts at the origin along x with its upper side to z.

    width (rows,) half widths; bend (rows,) angle of the midrib below the horizon, radians; cup how far each half turns
    up, radians.
    """
    rows = len(width)
    middle = (bend[1:] + bend[:-1]) / 2
    step = length / (rows - 1)
    x = np.concatenate([[0], np.cumsum(np.cos(middle))]) * step
    z = -np.concatenate([[0], np.cumsum(np.sin(middle))]) * step
    u = np.linspace(-1, 1, columns)
    out, up = width[:, None] * u * np.cos(cup), width[:, None] * np.abs(u) * np.sin(cup)
    # the front of a sheet is rows x columns: x then y gives z
    points = np.stack([x[:, None] + up * np.sin(bend)[:, None], out, z[:, None] + up * np.cos(bend)[:, None]], axis=-1)
    return points[:, ::-1]


def turn(axis: int, angle: float) -> Array:
    """A rotation matrix about x, y or z (0, 1, 2)."""
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def level_set(field: Callable[[Array], Array], low: Array, high: Array, cell: float, name: str) -> Piece:
    """Where field (N, 3) -> (N,) is 0, negative within: a closed surface of quads, by surface nets (Gibson 1998)."""
    low = np.asarray(low, float) - 1.5 * cell
    shape = np.ceil((np.asarray(high, float) + 1.5 * cell - low) / cell).astype(int) + 1
    nodes = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    inside = _filled(field(low + cell * nodes.reshape(-1, 3)).reshape(shape) < 0)
    cells = tuple(n - 1 for n in shape)
    count = sum(
        inside[i : i + cells[0], j : j + cells[1], k : k + cells[2]].astype(int)
        for i in (0, 1) for j in (0, 1) for k in (0, 1)
    )  # fmt: skip
    crossed = (count > 0) & (count < 8)
    number = np.full(cells, -1)
    number[crossed] = np.arange(crossed.sum())
    points = low + cell * (np.argwhere(crossed) + 0.5)
    quads = []
    for axis in range(3):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        first = np.take(inside, range(shape[axis] - 1), axis=axis)
        second = np.take(inside, range(1, shape[axis]), axis=axis)
        for leaving in (True, False):
            edges = np.argwhere(first & ~second if leaving else ~first & second)
            ring = []
            for da, db in ((0, 0), (-1, 0), (-1, -1), (0, -1)) if leaving else ((0, 0), (0, -1), (-1, -1), (-1, 0)):
                at = edges.copy()
                at[:, a], at[:, b] = at[:, a] + da, at[:, b] + db
                ring.append(number[tuple(at.T)])
            quads.append(np.stack(ring, axis=1))
    quads = np.concatenate(quads)
    points = _onto(field, points, quads, cell)
    size = np.ptp(points, axis=0).max()
    uv = (points - points.min(axis=0))[quads.ravel()][:, [0, 2]] / size
    return Piece(name, points, quads.ravel(), np.full(len(quads), 4), uv, *_plain(len(points)))


def _filled(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """With no four nodes of a square left of which only two opposite ones are inside: there, four faces would share an
    edge."""
    while True:
        before = inside.copy()
        for a, b in ((0, 1), (1, 2), (2, 0)):
            turned = np.moveaxis(inside, (a, b), (0, 1))  # a view
            corners = turned[:-1, :-1], turned[1:, :-1], turned[:-1, 1:], turned[1:, 1:]
            crossed = (corners[0] & corners[3] & ~corners[1] & ~corners[2]) | (
                ~corners[0] & ~corners[3] & corners[1] & corners[2]
            )
            for corner in corners:
                corner |= crossed
        if (before == inside).all():
            return inside


def _onto(field: Callable[[Array], Array], points: Array, quads: NDArray, cell: float) -> Array:
    """Points evened out and drawn on to the level set, by turns."""
    edges = np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)])
    count = np.bincount(edges[:, 0], minlength=len(points))[:, None]
    step = 0.05 * cell
    for _ in range(6):
        mean = np.stack([np.bincount(edges[:, 0], points[edges[:, 1], c], len(points)) for c in range(3)], axis=1)
        points = points + 0.5 * (mean / count - points)
        for _ in range(2):
            value = field(points)
            slope = np.stack([field(points + step * axis) - value for axis in np.eye(3)], axis=1) / step
            far = np.clip(value / np.maximum((slope**2).sum(axis=1), 1e-12), -cell, cell)
            points = points - far[:, None] * slope
    return points


# --- Colours


def mix(a, b, t: Array) -> Array:
    """Colours (3,) or (..., 3) at t (...) = 0 and 1."""
    t = np.clip(np.asarray(t, float), 0, 1)[..., None]
    return np.asarray(a) * (1 - t) + np.asarray(b) * t


def noise(points: Array, size: float, seed: int) -> Array:
    """(V,) smooth, about in [-1, 1]: a sum of waves about `size` long."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(size=(3, 12)) * (2 * np.pi / size) / np.sqrt(3)
    return np.sin(points @ waves + rng.uniform(0, 2 * np.pi, 12)).sum(axis=1) / 3.5


def smooth(x: Array, low: float, high: float) -> Array:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
