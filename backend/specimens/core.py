"""What every specimen is made of: organs that are grids, joined into one mesh with one atlas.

An *organ* is n equal grids (petals, leaflets, a stem) of rows x columns vertices and a function of life time that
says where they are and what they look like. A new specimen is a record of parameters, a few such functions and one
call of `join`. `blade` and `tube` are the two surfaces that most organs start from.

    tau  life time in [0, 1]        n     grids in an organ
    u    across a grid, in [-1, 1]  v     along a grid, in [0, 1]
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.clip import Floats, Frame, Mesh

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Skin:
    """An organ at one moment: points (n, rows, columns, 3) metres, albedo the same shape, roughness without the 3."""

    points: Array
    albedo: Array
    roughness: Array


@dataclass(frozen=True, eq=False)
class Organ:
    """n grids of one size. A closed grid is a tube: its last column joins the first."""

    part: str
    chart: Array  # (n, rows, columns, 2) metres: the grids laid flat; columns + 1 where closed
    at: Callable[[float], Skin]
    closed: bool = False


@dataclass(frozen=True, eq=False)
class Specimen:
    """A living thing: its mesh (vertices = tau 0) and `at`, exact at any life time in [0, 1]."""

    mesh: Mesh
    at: Callable[[float], Frame]


def join(organs: list[Organ]) -> Specimen:
    """One specimen of several organs: vertices organ after organ, grid after grid, row after row."""

    def at(tau: float) -> Frame:
        skins = [organ.at(float(tau)) for organ in organs]
        return Frame(
            float(tau),
            _flat([skin.points.reshape(-1, 3) for skin in skins]),
            np.clip(_flat([skin.albedo.reshape(-1, 3) for skin in skins]), 0, 1),
            np.clip(_flat([skin.roughness.ravel() for skin in skins]), 0, 1),
        )

    bud = at(0.0)
    names = tuple(dict.fromkeys(organ.part for organ in organs))
    sizes = [organ.chart[..., 0].size - organ.closed * organ.chart[..., 0, 0].size for organ in organs]
    quads, start = [], 0
    for organ, size in zip(organs, sizes, strict=True):
        quads.append(start + grid_quads(organ.chart.shape[:3], organ.closed))
        start += size
    atlas = pack([chart for organ in organs for chart in organ.chart])
    uv, first = [], 0
    for organ in organs:
        charts = np.stack(atlas[first : first + len(organ.chart)])
        uv.append(charts.reshape(-1, 2)[grid_quads(organ.chart.shape[:3], False)].reshape(-1, 2))
        first += len(organ.chart)
    mesh = Mesh.from_quads(
        bud.positions,
        np.concatenate(quads),
        uv=_flat(uv),
        albedo=bud.albedo,
        roughness=bud.roughness,
        parts=np.repeat([names.index(o.part) for o in organs], sizes).astype(np.int32),
        part_names=names,
    )
    return Specimen(mesh, at)


def _flat(pieces: list[Array]) -> Floats:
    return np.ascontiguousarray(np.concatenate(pieces), np.float32)


def grid_quads(shape: tuple[int, int, int], closed: bool) -> NDArray[np.int64]:
    """(Q, 4) vertex indices for charts of `shape` (n, rows, columns); a closed one has a column less than its chart."""
    n, rows, columns = shape
    width = columns - 1 if closed else columns
    index = np.arange(n * rows * width).reshape(n, rows, width)
    if closed:
        index = np.concatenate([index, index[..., :1]], axis=2)
    corners = index[:, :-1, :-1], index[:, :-1, 1:], index[:, 1:, 1:], index[:, 1:, :-1]
    return np.stack(corners, axis=-1).reshape(-1, 4)


def pack(charts: list[Array], gap: float = 0.004) -> list[Array]:
    """Charts (..., 2) in metres to [0, 1]: shelves by falling height, one scale for all, `gap` of the atlas between."""
    low = [chart.reshape(-1, 2).min(axis=0) for chart in charts]
    size = np.array([chart.reshape(-1, 2).max(axis=0) for chart in charts]) - low
    order = np.argsort(-size[:, 1], kind="stable")
    best, places = np.inf, None
    for width in np.sqrt(size.prod(axis=1).sum()) * np.linspace(1.0, 1.6, 25):
        width = max(width, size[:, 0].max())
        pad = gap * width
        x = y = shelf = 0.0
        place = np.empty_like(size)
        for i in order:
            if x > 0 and x + size[i, 0] > width:
                x, y, shelf = 0.0, y + shelf + pad, 0.0
            place[i] = x, y
            x, shelf = x + size[i, 0] + pad, max(shelf, size[i, 1])
        side = max((place + size).max() + 2 * pad, width)
        if side < best:
            best, places = side, place + pad
    return [(chart - l + p) / best for chart, l, p in zip(charts, low, places, strict=True)]


def ramp(x: Array, low: float = 0.0, high: float = 1.0) -> Array:
    """0 below `low`, 1 above `high`, a quintic between: second derivative zero at both ends."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * t * (t * (6 * t - 15) + 10)


def mix(a: Array, b: Array, t: Array) -> Array:
    """a at t = 0, b at t = 1."""
    return a + (b - a) * t


def tint(a: Array, b: Array, t: Array) -> Array:
    """Colours (..., 3) mixed by t (...)."""
    return a + (np.asarray(b) - a) * np.asarray(t)[..., None]


def turn(axis: str, angle: Array) -> Array:
    """Rotation matrices (..., 3, 3) about x, y or z by `angle` (...) radians."""
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.zeros((*np.shape(angle), 3, 3))
    matrix[..., 3 - i - j, 3 - i - j] = 1
    matrix[..., i, i], matrix[..., j, j], matrix[..., i, j], matrix[..., j, i] = c, c, -s, s
    return matrix


def along(angle: Array, step: Array) -> tuple[Array, Array]:
    """A plane curve from its angle to the vertical (n, rows, ...): (across, up), by the midpoint rule in `step`."""
    middle = (angle[:, 1:] + angle[:, :-1]) / 2
    start = np.zeros_like(angle[:, :1])
    across = np.concatenate([start, np.cumsum(np.sin(middle) * step, axis=1)], axis=1)
    up = np.concatenate([start, np.cumsum(np.cos(middle) * step, axis=1)], axis=1)
    return across, up


@dataclass(frozen=True, eq=False)
class Spine:
    """A curve with a frame at each sample: z along it. Samples lie evenly from 0 to 1."""

    points: Array  # (S, 3)
    frames: Array  # (S, 3, 3) columns x, y, z

    @classmethod
    def bent(cls, origin: Array, frame: Array, length: float, lean: Array, sway: Array) -> "Spine":
        """From `origin`, leaning (S,) radians about the frame's y and swaying (S,) about its x."""
        frames = frame @ turn("y", lean) @ turn("x", sway)
        middle = (frames[1:, :, 2] + frames[:-1, :, 2]) * (length / (len(lean) - 1) / 2)
        return cls(origin + np.concatenate([np.zeros((1, 3)), np.cumsum(middle, axis=0)]), frames)

    def pose(self, s: Array) -> tuple[Array, Array]:
        """Points (..., 3) and frames (..., 3, 3) at s (...) in [0, 1], linear between samples."""
        place = np.asarray(s) * (len(self.points) - 1)
        low = np.minimum(place.astype(int), len(self.points) - 2)
        t = (place - low)[..., None]
        points = mix(self.points[low], self.points[low + 1], t)
        x, _, z = np.moveaxis(mix(self.frames[low], self.frames[low + 1], t[..., None]), -1, 0)
        z = z / np.linalg.norm(z, axis=-1, keepdims=True)
        x = x - (x * z).sum(axis=-1, keepdims=True) * z
        x = x / np.linalg.norm(x, axis=-1, keepdims=True)
        return points, np.stack([x, np.cross(z, x), z], axis=-1)


def tube(spine: Spine, s: Array, radius: Array, sides: int) -> Array:
    """(rows, sides, 3): a circle of `radius` (rows,) about the spine at each s (rows,)."""
    points, frames = spine.pose(s)
    angle = np.arange(sides) * (2 * np.pi / sides)
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    return points[:, None] + radius[:, None, None] * (ring @ frames.transpose(0, 2, 1))


def tube_chart(s: Array, radius: Array, sides: int, length: float) -> Array:
    """(rows, sides + 1, 2) metres: the tube cut open along its first column."""
    angle = np.arange(sides + 1) * (2 * np.pi / sides)
    return np.stack(np.broadcast_arrays(angle * radius.mean(), (s * length)[:, None]), axis=-1)


def blade(width: Array, length: Array, u: Array, bend: Array, fold: Array, roll: Array) -> Array:
    """Leaf blades (n, rows, columns, 3) in their own frame: midrib along x, left to y, upper side to z.

    width (n, rows) half widths and length (n,) in metres; u (columns,). bend (n, rows): how far the midrib has
    turned downwards; fold (n, rows): how far each half stands up from flat; roll (n, rows): how far its margin has
    turned further up (down where negative). Radians.
    """
    rows = width.shape[1]
    x, z = along(np.pi / 2 + bend, length[:, None] / (rows - 1))
    side = np.abs(u) * width[..., None]
    lift = fold[..., None] + roll[..., None] * np.abs(u) / 2
    out, up = np.sign(u) * side * np.cos(lift), side * np.sin(lift)
    lean = bend[..., None]
    return np.stack([x[..., None] + up * np.sin(lean), out, z[..., None] + up * np.cos(lean)], axis=-1)
