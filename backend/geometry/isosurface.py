"""From a density in a cube to the closed surface around what is dense.

Marching cubes with the cases told apart by their faces' asymptotes (Lewiner, Lopes, Vieira, Tavares, "Efficient
implementation of marching cubes' cases with topological guarantees", JGT 2003), by scikit-image. It marches on
    s = (density - level) / (density + level) = tanh(log(density / level) / 2),
which is 0 where the density is the level, -1 where nothing is, and nearly straight across the surface of a field whose
density grows by factors, as a learned one's does.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from backend.geometry import fields
from backend.geometry.body import Reals
from backend.geometry.volume import face_volumes, signed_volume

Ints = NDArray[np.int32]
Density = Callable[[Reals], Reals]  # points (N, 3) in metres -> (N,) in 1/metre, >= 0

COARSEST, FINEST = 8, 512  # cells along the cube
FLOATER = 0.01  # of the largest piece's volume: what holds less is dropped
SMALLEST = 4  # cells that the largest piece must measure along one axis
AT_ONCE = 2**18  # points that the density is asked for in one call
NEAREST = 0.02  # |s| at a sample: one nearer to 0 would give triangles without area
REPAIRS = 8
NEWTON = 10
ARRIVED = 0.02  # |log(density / level)| of a point that is taken to be on the surface
FAINT = 1e-6  # levels: below this, a density is as good as none


class NoSurface(ValueError):
    """No surface is to be had of this density; the message says why, and what to do."""


@dataclass(frozen=True, eq=False)
class Solid:
    """Where a density is above a level, inside of the cube [-radius, radius]^3."""

    density: Density
    radius: float  # metres
    level: float  # 1/metre
    cell: float  # metres: how finely it was looked at

    def depth(self, points: Reals) -> Reals:
        """(N,) positive inside, 0 on the surface: log(density / level), and no more than the cells to the wall."""
        there = np.clip(points, -self.radius, self.radius)
        shares = np.maximum(_asked(self.density, there) / self.level, FAINT)
        wall = (self.radius - np.abs(points).max(axis=1)) / self.cell
        return np.minimum(np.log(shares), wall)

    def slope(self, points: Reals) -> Reals:
        """(N, 3) 1/metre, the gradient of `depth`; by central differences, since a density is a function only."""
        steps = 0.25 * self.cell * np.eye(3)
        shifted = points[:, None, None] + np.stack([steps, -steps])  # (N, 2, 3, 3)
        depth = self.depth(shifted.reshape(-1, 3)).reshape(-1, 2, 3)
        return (depth[:, 0] - depth[:, 1]) / (0.5 * self.cell)

    def onto(self, points: Reals) -> Reals:
        """(N, 3) on the surface, by Newton steps along the gradient, of half a cell at most and shorter after each
        that led farther off, as in a crease.

        A point that does not get there, since the density falls in one step and has no gradient to go by, stays.
        """
        best, least = points.copy(), np.abs(self.depth(points))
        reach = np.full(len(points), 0.5 * self.cell)
        for _ in range(NEWTON):
            left = np.flatnonzero(least > ARRIVED / 10)
            here = best[left]
            slope = self.slope(here)
            step = -self.depth(here)[:, None] * slope / np.maximum((slope**2).sum(axis=1, keepdims=True), 1e-30)
            length = np.linalg.norm(step, axis=1)
            there = here + step * np.minimum(1.0, reach[left] / np.maximum(length, 1e-30))[:, None]
            depth = np.abs(self.depth(there))
            nearer = depth < least[left]
            best[left[nearer]], least[left[nearer]] = there[nearer], depth[nearer]
            reach[left[~nearer]] = 0.5 * np.minimum(reach[left], length)[~nearer]
        near = np.linalg.norm(best - points, axis=1) < 2.0 * self.cell
        return np.where(((least < ARRIVED) & near)[:, None], best, points)


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed, manifold surface of triangles, faces anticlockwise seen from outside."""

    vertices: Reals  # (V, 3) metres
    faces: Ints  # (F, 3)
    solid: Solid  # what it is the surface of
    pieces: int  # connected ones
    dropped: int  # pieces that were too small


def surface(density: Density, radius: float, resolution: int = 128, level: float | None = None) -> Surface:
    """The surface where `density` is `level`, in the cube [-radius, radius]^3 of `resolution` cells a side.

    What touches the cube's wall ends there. Cavities are filled, with what floats in them, for they are never seen; and
    pieces of less than FLOATER of the largest one's volume are dropped.
    Without a level, it is half the density at which light is halved: each ray along an axis, both ways, is followed to
    where half of it is stopped, and the median is taken of the densities there. That is where a renderer sees the
    surface, whatever the density is inside; and rays that no more than haze stops have no say.

    Raises:
        NoSurface: nothing or everything is dense, a density is no number, or the surface is too small for the cells.
    """
    if not COARSEST <= resolution <= FINEST:
        raise NoSurface(f"A resolution of {resolution} cells: it may be {COARSEST} to {FINEST}")
    if not 0.0 < radius < math.inf:
        raise NoSurface(f"The cube's radius must be a length above 0, not {radius}")
    if level is not None and not 0.0 < level < math.inf:
        raise NoSurface(f"The level must be a density above 0, not {level}")
    cell = 2.0 * radius / resolution
    values = _sampled(density, radius, resolution)
    if level is None:
        level = _seen_level(values, cell)
    signed = (values - level) / (values + level)
    solid = Solid(density, radius, level, cell)
    if not (signed > 0).any():
        raise NoSurface(
            f"Nothing is dense: the density reaches {values.max():.4g} per metre at most and the level is {level:.4g}. "
            "Optimise for longer, or choose a lower level"
        )
    if (signed > 0).all():
        raise NoSurface(
            f"Everything is dense: the density is {values.min():.4g} per metre or more in all of the cube, and the "
            f"level is {level:.4g}. Choose a higher level, or a larger cube"
        )
    vertices, faces = _marched(signed)
    vertices = cell * (vertices - 0.5) - radius
    return _largest(vertices, faces, solid)


def faults(faces: Ints, count: int) -> NDArray[np.int64]:
    """Vertices, of `count`, about which the triangles (F, 3) are no closed fan: at an edge that does not have two
    triangles, one each way, or where fans meet in a point. Empty: the surface is closed and manifold."""
    twin, wrong = twins(faces, count)
    # a half-edge stands for its first corner; about that vertex, the next one is where the twin ends
    corner = np.arange(len(twin))
    ends = corner // 3 * 3 + (corner + 1) % 3
    fan = fields.components(len(twin), np.stack([corner, ends[twin]], axis=1)[~wrong])
    fans = np.unique(np.stack([faces.ravel(), fan], axis=1), axis=0)[:, 0]
    open_edges = np.stack([faces.ravel(), faces.ravel()[ends]], axis=1)[wrong]
    return np.union1d(open_edges, fans[1:][fans[1:] == fans[:-1]]).astype(np.int64)


def twins(faces: Ints, count: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Of each half-edge (3F,), corner after corner of triangles (F, 3), the one that runs back, and whether there is
    not exactly one such."""
    directed = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).astype(np.int64)
    forth, back = directed @ [count, 1], directed @ [1, count]
    order = np.argsort(forth)
    twin = order[np.minimum(np.searchsorted(forth[order], back), len(forth) - 1)]
    _, inverse, often = np.unique(forth, return_inverse=True, return_counts=True)
    wrong = (forth[twin] != back) | (often[inverse] > 1) | (often[inverse[twin]] > 1)
    return twin, wrong


def _asked(density: Density, points: Reals) -> Reals:
    """(N,) densities, a part at a time."""
    parts = [points[k : k + AT_ONCE] for k in range(0, len(points), AT_ONCE)]
    return np.concatenate([np.zeros(0), *(np.asarray(density(part), np.float64).reshape(len(part)) for part in parts)])


def _sampled(density: Density, radius: float, resolution: int) -> Reals:
    """(R, R, R) densities in the middles of cells."""
    middles = radius * ((2.0 * np.arange(resolution) + 1.0) / resolution - 1.0)
    values = np.empty((resolution,) * 3)
    y, z = (axis.ravel() for axis in np.meshgrid(middles, middles, indexing="ij"))
    for x, sheet in zip(middles, values, strict=True):
        sheet[:] = _asked(density, np.stack([np.full(len(y), x), y, z], axis=1)).reshape(sheet.shape)
    wrong = ~np.isfinite(values) | (values < 0.0)
    if wrong.any():
        at = middles[np.argwhere(wrong)[0]]
        raise NoSurface(
            f"{wrong.sum()} of {values.size} densities are negative or no numbers, the first of them at "
            f"({', '.join(f'{x:.4g}' for x in at)}): the field is damaged. Go back to its last good state"
        )
    return values


def _seen_level(values: Reals, cell: float) -> float:
    """1/metre: half of the median density, over all rays along axes, where half of the light is stopped."""
    found = []
    for axis in range(3):
        for along in (values, np.flip(values, axis)):
            stopped = np.cumsum(along, axis=axis) * cell >= math.log(2.0)
            first = np.expand_dims(np.argmax(stopped, axis=axis), axis)
            found.append(np.take_along_axis(along, first, axis)[np.take_along_axis(stopped, first, axis)])
    found = np.concatenate(found)
    if not len(found):
        raise NoSurface(
            f"Nothing is dense enough to hide what is behind it: the density reaches {values.max():.4g} per metre at "
            "most, and no ray loses half of its light. Optimise for longer, or choose a level"
        )
    return 0.5 * float(np.median(found))


def _marched(signed: Reals) -> tuple[Reals, Ints]:
    """Vertices, in cells of the padded grid, and faces of the surface where s (R, R, R) is 0: closed and manifold.

    In one of some 10^5 doubtful cells the tables disagree with those of a neighbour; there s is smoothed, and marched
    again.
    """
    from skimage.measure import marching_cubes

    for _ in range(REPAIRS):
        signed = np.where(np.abs(signed) < NEAREST, np.where(signed < 0.0, -NEAREST, NEAREST), signed)
        closed = _walled(signed)
        _fill_cavities(closed)
        vertices, faces, _, _ = marching_cubes(closed.astype(np.float32), 0.0, allow_degenerate=False)
        wrong = faults(faces, len(vertices))
        if not len(wrong):
            vertices = vertices.astype(np.float64)
            inside_out = signed_volume(vertices, faces) < 0.0
            return vertices, np.ascontiguousarray(faces[:, ::-1] if inside_out else faces, np.int32)
        near = np.zeros(signed.shape, bool)
        near[tuple(np.clip(np.floor(vertices[wrong]).astype(int) - 1, 0, len(signed) - 1).T)] = True
        near = ndimage.binary_dilation(near, np.ones((3, 3, 3)))
        signed = np.where(near, ndimage.uniform_filter(signed, 3), signed)
    raise NoSurface("The density is noise at the size of a cell. Optimise for longer, or choose fewer cells")


def _walled(signed: Reals) -> Reals:
    """s with one sample more on each side, mirrored about 0: what is dense ends half way, at the wall."""
    closed = np.pad(signed, 1, mode="edge")
    shell = np.pad(np.zeros(signed.shape, bool), 1, constant_values=True)
    return np.where(shell, -np.abs(closed), closed)


def _fill_cavities(signed: Reals) -> None:
    """Make dense, in place, what no way through empty samples joins to the outside."""
    label, _ = ndimage.label(signed < 0.0)
    cavity = (signed < 0.0) & (label != label[0, 0, 0])
    signed[cavity] = -signed[cavity]


def _largest(vertices: Reals, faces: Ints, solid: Solid) -> Surface:
    """The surface without its small pieces."""
    part = fields.components(len(vertices), faces[:, [0, 1, 1, 2]].reshape(-1, 2))
    volumes = np.bincount(part[faces[:, 0]], face_volumes(vertices, faces))
    size = np.ptp(vertices[part == volumes.argmax()], axis=0).max() / solid.cell
    if size < SMALLEST:
        raise NoSurface(
            f"The surface's largest piece measures {size:.1f} cells, and {SMALLEST} are needed. Choose more cells, or "
            "a smaller cube about it"
        )
    kept = volumes >= FLOATER * volumes.max()
    faces = faces[kept[part[faces[:, 0]]]]
    used, faces = np.unique(faces, return_inverse=True)
    pieces = int(kept.sum())
    return Surface(vertices[used], faces.reshape(-1, 3).astype(np.int32), solid, pieces, len(kept) - pieces)
