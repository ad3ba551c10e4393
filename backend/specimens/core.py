"""What every specimen is made of: organs that are grids, joined into one mesh with one atlas.

An *organ* is n equal grids (petals, leaflets, a stem) of rows x columns vertices and a function of life time that
says where they are and what they look like. A new specimen is a record of parameters, a few such functions and one
call of `join`. `blade`, `tube` and `lathe` are the surfaces that most organs start from.

    tau  life time in [0, 1]        n     grids in an organ
    u    across a grid, in [-1, 1]  v     along a grid, in [0, 1]
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backend.clip import Floats, Frame, Mesh

Array = NDArray[np.float64]

GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))  # radians from a leaf to the next: Vogel, Math. Biosci. 44, 1979


@dataclass(frozen=True, eq=False)
class Skin:
    """An organ at one moment: points (n, rows, columns, 3) metres, albedo the same shape, roughness without the 3.

    What is None is as usual: nothing metallic, all of it there, nothing glowing. `opacity` and `emission` as in Frame.
    """

    points: Array
    albedo: Array
    roughness: Array
    metallic: Array | None = None
    opacity: Array | None = None
    emission: Array | None = None


@dataclass(frozen=True, eq=False)
class Organ:
    """n grids of one size. A closed grid is a tube: its last column joins the first, and where a row is a pole, all
    of that row is one point, the mean of what `at` gives for it. Faces look out where rows run along the axis and
    columns turn left about it, (row, column) -> right-handed."""

    part: str
    chart: Array  # (n, rows, columns, 2) metres: the grids laid flat; columns + 1 where closed
    at: Callable[[float], Skin]
    closed: bool = False
    poles: tuple[bool, bool] = (False, False)  # whether the first and the last row are one point each

    @property
    def kept(self) -> NDArray[np.bool_]:
        """(n, rows, columns) which points of the grids are vertices."""
        n, rows, columns = self.chart.shape[:3]
        kept = np.ones((n, rows, columns - self.closed), bool)
        for row, pole in zip((0, -1), self.poles, strict=True):
            kept[:, row, 1:] &= not pole
        return kept


@dataclass(frozen=True, eq=False)
class Matter:
    """A law of what is kept: the volume in which closed `parts` enclose, as a share of theirs at tau 0."""

    parts: tuple[str, ...]
    share: Callable[[float], float]


@dataclass(frozen=True, eq=False)
class Specimen:
    """A living thing: its mesh (vertices = tau 0) and `at`, exact at any life time in [0, 1]."""

    mesh: Mesh
    at: Callable[[float], Frame]
    matter: Matter | None = None


def join(organs: list[Organ], matter: Matter | None = None) -> Specimen:
    """One specimen of several organs: vertices organ after organ, grid after grid, row after row."""
    kept = [organ.kept for organ in organs]

    def at(tau: float) -> Frame:
        return _frame(organs, kept, float(tau))

    return Specimen(_mesh(organs, kept, at(0.0)), at, matter)


def _frame(organs: list[Organ], kept: list[NDArray[np.bool_]], tau: float) -> Frame:
    """All organs at one life time; a material that none of them tells stays None."""
    skins = [organ.at(tau) for organ in organs]
    points = [_poled(skin.points, organ) for skin, organ in zip(skins, organs, strict=True)]
    albedo = [np.broadcast_to(skin.albedo, skin.points.shape) for skin in skins]

    def told(name: str, usual: float) -> Floats | None:
        values = [getattr(skin, name) for skin in skins]
        if all(value is None for value in values):
            return None
        filled = [usual if value is None else value for value in values]
        full = [np.broadcast_to(value, k.shape) for value, k in zip(filled, kept, strict=True)]
        return np.clip(_flat(full, kept), 0, 1)

    return Frame(
        tau,
        _flat(points, kept),
        np.clip(_flat(albedo, kept), 0, 1),
        told("roughness", 0.5),
        told("metallic", 0.0),
        told("opacity", 1.0),
        told("emission", 0.0),
    )


def _mesh(organs: list[Organ], kept: list[NDArray[np.bool_]], young: Frame) -> Mesh:
    """The faces and the atlas of all organs, with the vertices of `young`."""
    names = tuple(dict.fromkeys(organ.part for organ in organs))
    corners, texels = _triangles_last(_quads(organs, kept), _texels(organs))
    return Mesh.from_quads(
        young.positions,
        corners,
        uv=np.ascontiguousarray(texels, np.float32),
        albedo=young.albedo,
        roughness=young.roughness,
        metallic=young.metallic,
        parts=np.repeat([names.index(o.part) for o in organs], [k.sum() for k in kept]).astype(np.int32),
        part_names=names,
    )


def _quads(organs: list[Organ], kept: list[NDArray[np.bool_]]) -> NDArray[np.int64]:
    """(Q, 4) vertices; at a pole one of them stands twice."""
    quads, start = [], 0
    for organ, vertices in zip(organs, kept, strict=True):
        numbers = np.cumsum(vertices).reshape(vertices.shape) - 1 + start
        for row, pole in zip((0, -1), organ.poles, strict=True):
            if pole:
                numbers[:, row] = numbers[:, row, :1]
        quads.append(numbers.ravel()[grid_quads(organ.chart.shape[:3], organ.closed)])
        start += vertices.sum()
    return np.concatenate(quads)


def _texels(organs: list[Organ]) -> Array:
    """(4 Q, 2) where each corner of the quads lies in the atlas, in [0, 1]."""
    atlas = pack([chart for organ in organs for chart in organ.chart])
    uv, first = [], 0
    for organ in organs:
        charts = np.stack(atlas[first : first + len(organ.chart)])
        uv.append(charts.reshape(-1, 2)[grid_quads(organ.chart.shape[:3], False)].reshape(-1, 2))
        first += len(organ.chart)
    return np.concatenate(uv)


def scaled(organ: Organ, size: float) -> Organ:
    """The same organ, `size` times as large about the origin."""

    def at(tau: float) -> Skin:
        skin = organ.at(tau)
        return replace(skin, points=skin.points * size)

    return replace(organ, chart=organ.chart * size, at=at)


def _poled(points: Array, organ: Organ) -> Array:
    """Points with each pole in the middle of its row."""
    if any(organ.poles):
        points = points.copy()
        for row, pole in zip((0, -1), organ.poles, strict=True):
            if pole:
                points[:, row] = points[:, row].mean(axis=1, keepdims=True)
    return points


def _triangles_last(quads: NDArray[np.int64], uv: Array) -> tuple[NDArray[np.int64], Array]:
    """Quads (Q, 4) and their texels (4 Q, 2), those whose first two corners are one vertex turned by two corners."""
    texels = uv.reshape(-1, 4, 2)
    turned = quads[:, 0] == quads[:, 1]
    quads[turned], texels[turned] = np.roll(quads[turned], 2, axis=1), np.roll(texels[turned], 2, axis=1)
    return quads, texels.reshape(-1, 2)


def _flat(pieces: list[Array], kept: list[NDArray[np.bool_]]) -> Floats:
    chosen = [piece[k] for piece, k in zip(pieces, kept, strict=True)]
    return np.ascontiguousarray(np.concatenate(chosen), np.float32)


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


def finer(n: int, detail: float) -> int:
    """Rows or columns of a grid that has n of them at detail 1: never less than 3."""
    return max(3, round(n * detail))


def mix(a: Array, b: Array, t: Array) -> Array:
    """a at t = 0, b at t = 1."""
    return a + (b - a) * t


def tint(a: Array, b: Array, t: Array) -> Array:
    """Colours (..., 3) mixed by t (...)."""
    return a + (np.asarray(b) - a) * np.asarray(t)[..., None]


def golden(k: Array) -> Array:
    """Number k (...) of places in [0, 1) that are spread evenly, however many there are: multiples of the golden
    section."""
    return np.mod(np.asarray(k) * ((np.sqrt(5) - 1) / 2), 1)


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


def lathe(radius: Array, height: Array) -> Array:
    """(n, rows, columns, 3): rings about the z axis. Both (n, rows, columns), metres; column k at k / columns of the
    way round. A radius of 0 in a whole row is a pole."""
    columns = radius.shape[-1]
    angle = np.arange(columns) * (2 * np.pi / columns)
    return np.stack(np.broadcast_arrays(radius * np.cos(angle), radius * np.sin(angle), height), axis=-1)


def lathe_chart(radius: Array, height: Array) -> Array:
    """(n, rows, columns + 1, 2) metres: rings unrolled about their middle, cut at their first column. Each keeps its
    own width, so that the ends of a solid narrow to its poles, and there is one seam."""
    columns = radius.shape[-1]
    step = np.hypot(np.diff(radius.mean(axis=2), axis=1), np.diff(height.mean(axis=2), axis=1))
    along_side = np.concatenate([np.zeros((len(step), 1)), np.cumsum(step, axis=1)], axis=1)
    angle = np.arange(columns + 1) * (2 * np.pi / columns) - np.pi
    around = angle * np.maximum(radius.mean(axis=2), 1e-3 * radius.max())[..., None]
    return np.stack(np.broadcast_arrays(around, along_side[..., None]), axis=-1)


@dataclass(frozen=True)
class Chance:
    """Random streams of one individual: each organ, and each of its kind, has its own, so that one more petal changes
    no leaf."""

    seed: int

    def of(self, organ: str, number: int = 0) -> np.random.Generator:
        """What is drawn for one of an organ, the same at every call."""
        return np.random.default_rng([self.seed, number, *organ.encode()])

    def each(self, organ: str, n: int) -> "Draws":
        """What is drawn for n of an organ."""
        return Draws([self.of(organ, k) for k in range(n)])


@dataclass(frozen=True, eq=False)
class Draws:
    """Streams of n of a kind, drawn from together: row k of what comes is of number k's own."""

    streams: list[np.random.Generator]

    def uniform(self, low: Array = 0.0, high: Array = 1.0, *shape: int) -> Array:
        """(n, *shape) between `low` and `high`."""
        drawn = [stream.random(shape) for stream in self.streams]
        return mix(low, high, np.array(drawn).reshape(len(drawn), *shape))


@dataclass(frozen=True, eq=False)
class Noise:
    """A smooth random field over space: waves in random directions, of about `length` metres and finer ones."""

    waves: Array  # (K, 3) radians a metre
    phases: Array  # (K,)
    shares: Array  # (K,) their squares add up to 2: a standard deviation of 1

    @classmethod
    def grown(cls, rng: np.random.Generator, length: float, octaves: int = 3, roughness: float = 0.5) -> "Noise":
        """Each octave has half the wavelength of the one before, and `roughness` times its height."""
        per = 8
        way = rng.normal(size=(octaves, per, 3))
        way /= np.linalg.norm(way, axis=-1, keepdims=True)
        lengths = length * 0.5 ** np.arange(octaves)[:, None] * rng.uniform(0.75, 1.3, (octaves, per))
        shares = np.repeat(roughness ** np.arange(octaves), per)
        shares *= np.sqrt(2 / (shares**2).sum())
        waves = way * (2 * np.pi / lengths)[..., None]
        return cls(waves.reshape(-1, 3), rng.uniform(0, 2 * np.pi, octaves * per), shares)

    def __call__(self, points: Array) -> Array:
        """(...) of mean 0 and standard deviation 1, at points (..., 3) metres."""
        return np.sin(points @ self.waves.T + self.phases) @ self.shares
