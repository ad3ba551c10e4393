"""Where rays ask a volume: once in each of S equal intervals of their way through a cube, and only where something is.

Of a ray's way from begin to end, interval s goes from t_s to t_{s+1}, t_s = begin + (end - begin) s / S, and asks at
    origin + (t_s + share (t_{s+1} - t_s)) direction
with a share in [0, 1], 1/2 being the middle. A ray whose end is not beyond its begin asks nowhere. Equal cells that
fill the cube [-radius, radius]^3 say whether anything is in them: intervals whose point lies in an empty one are left
out.
"""

from typing import NamedTuple

import torch
import warp as wp
from numba import prange
from torch import Tensor

from kernels import cpu, cuda, door

wp.set_module_options({"enable_backward": False})


class March(NamedTuple):
    """The M intervals of R rays that are asked, ray after ray, from near to far: as `composite` wants them."""

    points: Tensor  # (M, 3)
    intervals: Tensor  # (M, 2), from where to where along the ray
    starts: Tensor  # (R + 1,) int64: ray r has the rows starts[r] to starts[r + 1]


# --- the definition ---


def march_reference(
    origin: Tensor, direction: Tensor, begin: Tensor, end: Tensor, samples: int,
    share: Tensor | None, cells: Tensor | None, radius: float,
) -> March:  # fmt: skip
    """The definition of `march`, in any precision."""
    cuts = torch.arange(samples + 1, device=begin.device) / samples
    edges = begin[:, None] + (end - begin)[:, None] * cuts.to(begin)
    along = edges[:, :-1] + (0.5 if share is None else share) * edges.diff()
    points = origin[:, None] + along[..., None] * direction[:, None]
    there = (end > begin)[:, None].expand(-1, samples)
    if cells is not None:
        there = there & occupied_reference(points.flatten(0, 1), cells, radius).view(there.shape)
    starts = torch.nn.functional.pad(there.sum(dim=1).cumsum(dim=0), (1, 0))
    return March(points[there], torch.stack([edges[:, :-1], edges[:, 1:]], dim=2)[there], starts)


def occupied_reference(points: Tensor, cells: Tensor, radius: float) -> Tensor:
    """The definition of `occupied`, in any precision."""
    sides = torch.tensor(cells.shape, device=points.device)
    at = ((points + radius) * (sides / (2 * radius)).to(points)).clamp(min=0)
    i, j, k = torch.minimum(at, (sides - 1).to(at)).long().unbind(dim=1)
    return cells[i, j, k]


# --- CPU ---

CHUNK = 64  # rays of one task
POINTS = 4096  # points of one task


@cpu.inner
def _cell(x, side, radius):
    """Of those along one axis, that which a coordinate lies in; beyond the cube's wall the one behind it."""
    real = type(x)
    return int(min(max((x + radius) * (real(side) / (radius + radius)), real(0)), real(side - 1)))


@cpu.inner
def _is_there(x, y, z, cells, radius):
    width, height, depth = cells.shape
    return cells[_cell(x, width, radius), _cell(y, height, radius), _cell(z, depth, radius)]


@cpu.inner
def _asked(ray, s, origin, direction, begin, end, samples, shares):
    """x, y, z, and from where to where the interval goes."""
    real = begin.dtype.type
    way, step = end[ray] - begin[ray], real(1) / real(samples)
    near, beyond = begin[ray] + way * (real(s) * step), begin[ray] + way * (real(s + 1) * step)
    t = near + (shares[ray, s] if len(shares) else real(0.5)) * (beyond - near)
    x = origin[ray, 0] + t * direction[ray, 0]
    y = origin[ray, 1] + t * direction[ray, 1]
    return x, y, origin[ray, 2] + t * direction[ray, 2], near, beyond


@cpu.inner
def _find(origin, direction, begin, end, shares, cells, radius, first, last, there, counts):
    samples = there.shape[1]
    for ray in range(first, last):
        count = 0
        if end[ray] > begin[ray]:
            for s in range(samples):
                x, y, z, _, _ = _asked(ray, s, origin, direction, begin, end, samples, shares)
                there[ray, s] = _is_there(x, y, z, cells, radius)
                count += there[ray, s]
        counts[ray] = count


@cpu.parallel
def _count(origin, direction, begin, end, shares, cells, radius, there, counts):
    for chunk in prange((len(begin) + CHUNK - 1) // CHUNK):
        first, last = chunk * CHUNK, min(len(begin), (chunk + 1) * CHUNK)
        _find(origin, direction, begin, end, shares, cells, radius, first, last, there, counts)


@cpu.inner
def _write(origin, direction, begin, end, shares, there, samples, starts, first, last, points, intervals):
    for ray in range(first, last):
        n, every = starts[ray], len(there) == 0
        if n == starts[ray + 1]:
            continue
        for s in range(samples):
            if every or there[ray, s]:
                x, y, z, near, beyond = _asked(ray, s, origin, direction, begin, end, samples, shares)
                points[n, 0], points[n, 1], points[n, 2] = x, y, z
                intervals[n, 0], intervals[n, 1] = near, beyond
                n += 1


@cpu.parallel
def _fill(origin, direction, begin, end, shares, there, samples, starts, points, intervals):
    for chunk in prange((len(begin) + CHUNK - 1) // CHUNK):
        first, last = chunk * CHUNK, min(len(begin), (chunk + 1) * CHUNK)
        _write(origin, direction, begin, end, shares, there, samples, starts, first, last, points, intervals)


@cpu.parallel
def _look(points, cells, radius, out):
    for chunk in prange((len(points) + POINTS - 1) // POINTS):
        for n in range(chunk * POINTS, min(len(points), (chunk + 1) * POINTS)):
            out[n] = _is_there(points[n, 0], points[n, 1], points[n, 2], cells, radius)


def _count_on_cpu(rays: list[Tensor], shares: Tensor, cells: Tensor, radius: float, there: Tensor, counts: Tensor):
    arrays = [each.numpy() for each in (*rays, shares, cells)]
    _count(*arrays, arrays[0].dtype.type(radius), there.numpy(), counts.numpy())


def _fill_on_cpu(
    rays: list[Tensor], shares: Tensor, there: Tensor, samples: int, starts: Tensor, points: Tensor, intervals: Tensor
) -> None:
    arrays = [each.numpy() for each in (*rays, shares, there)]
    _fill(*arrays, samples, starts.numpy(), points.numpy(), intervals.numpy())


def _look_on_cpu(points: Tensor, cells: Tensor, radius: float, out: Tensor) -> None:
    array = points.numpy()
    _look(array, cells.numpy(), array.dtype.type(radius), out.numpy())


# --- CUDA ---
#
# A thread is a ray, and where points are looked up, a point.


@wp.func
def _cell_warp(x: float, side: int, radius: float):
    return int(wp.clamp((x + radius) * (float(side) / (2.0 * radius)), 0.0, float(side - 1)))


@wp.func
def _is_there_warp(place: wp.vec3, cells: wp.array3d(dtype=wp.bool), radius: float):
    i = _cell_warp(place[0], cells.shape[0], radius)
    j = _cell_warp(place[1], cells.shape[1], radius)
    return cells[i, j, _cell_warp(place[2], cells.shape[2], radius)]


@wp.func
def _edge_warp(begin: float, end: float, s: int, samples: int):
    return begin + (end - begin) * (float(s) * (1.0 / float(samples)))


@wp.func
def _asked_warp(
    ray: int, s: int, near: float, beyond: float, origin: wp.array2d(dtype=float), direction: wp.array2d(dtype=float),
    shares: wp.array2d(dtype=float),
):  # fmt: skip
    share = wp.float32(0.5)
    if shares.shape[0] > 0:
        share = shares[ray, s]
    t = near + share * (beyond - near)
    x, y, z = origin[ray, 0], origin[ray, 1], origin[ray, 2]
    return wp.vec3(x + t * direction[ray, 0], y + t * direction[ray, 1], z + t * direction[ray, 2])


@wp.kernel
def _count_warp(
    origin: wp.array2d(dtype=float), direction: wp.array2d(dtype=float), begin: wp.array(dtype=float),
    end: wp.array(dtype=float), shares: wp.array2d(dtype=float), cells: wp.array3d(dtype=wp.bool), radius: float,
    there: wp.array2d(dtype=wp.bool), counts: wp.array(dtype=wp.int64),
):  # fmt: skip
    ray = wp.tid()
    count, samples = wp.int32(0), there.shape[1]
    if end[ray] > begin[ray]:
        for s in range(samples):
            near = _edge_warp(begin[ray], end[ray], s, samples)
            beyond = _edge_warp(begin[ray], end[ray], s + 1, samples)
            found = _is_there_warp(_asked_warp(ray, s, near, beyond, origin, direction, shares), cells, radius)
            there[ray, s] = found
            if found:
                count += 1
    counts[ray] = wp.int64(count)


@wp.kernel
def _fill_warp(
    origin: wp.array2d(dtype=float), direction: wp.array2d(dtype=float), begin: wp.array(dtype=float),
    end: wp.array(dtype=float), shares: wp.array2d(dtype=float), there: wp.array2d(dtype=wp.bool), samples: int,
    starts: wp.array(dtype=wp.int64), points: wp.array2d(dtype=float), intervals: wp.array2d(dtype=float),
):  # fmt: skip
    ray = wp.tid()
    n = int(starts[ray])
    if n == int(starts[ray + 1]):
        return
    for s in range(samples):
        asked = wp.bool(True)
        if there.shape[0] > 0:
            asked = there[ray, s]
        if asked:
            near = _edge_warp(begin[ray], end[ray], s, samples)
            beyond = _edge_warp(begin[ray], end[ray], s + 1, samples)
            place = _asked_warp(ray, s, near, beyond, origin, direction, shares)
            points[n, 0] = place[0]
            points[n, 1] = place[1]
            points[n, 2] = place[2]
            intervals[n, 0] = near
            intervals[n, 1] = beyond
            n += 1


@wp.kernel
def _look_warp(
    points: wp.array2d(dtype=float), cells: wp.array3d(dtype=wp.bool), radius: float, out: wp.array(dtype=wp.bool)
):
    n = wp.tid()
    out[n] = _is_there_warp(wp.vec3(points[n, 0], points[n, 1], points[n, 2]), cells, radius)


def _count_on_cuda(rays: list[Tensor], shares: Tensor, cells: Tensor, radius: float, there: Tensor, counts: Tensor):
    cuda.launch(_count_warp, len(there), *rays, shares, cells, float(radius), there, counts)


def _fill_on_cuda(
    rays: list[Tensor], shares: Tensor, there: Tensor, samples: int, starts: Tensor, points: Tensor, intervals: Tensor
) -> None:
    cuda.launch(_fill_warp, len(starts) - 1, *rays, shares, there, samples, starts, points, intervals)


def _look_on_cuda(points: Tensor, cells: Tensor, radius: float, out: Tensor) -> None:
    cuda.launch(_look_warp, len(points), points, cells, float(radius), out)


# --- the functions ---


@cuda.carried
@torch.no_grad()
def march(
    origin: Tensor,
    direction: Tensor,
    begin: Tensor,
    end: Tensor,
    samples: int,
    share: Tensor | None = None,
    cells: Tensor | None = None,
    radius: float = 1.0,
) -> March:
    """origin and direction (R, 3), begin and end (R,), share (R, samples) -> the intervals that are asked, and where.

    cells (X, Y, Z) bool, x first; without them nothing is left out, and without share each interval is asked in its
    middle. float32, or float64 on the CPU. No gradient goes through.

    Raises ValueError for a shape, type or device that does not fit, NaN and infinity.
    """
    rays = {"origin": origin, "direction": direction, "begin": begin, "end": end}
    for name, tensor in rays.items():
        door.shaped(name, tensor, len(begin), *([3] if name in ("origin", "direction") else []))
    if samples < 1:
        raise ValueError(f"a ray must be cut into at least 1 interval, not {samples}")
    if share is not None:
        door.shaped("share", share, len(begin), samples)
        rays["share"] = share
    door.alike(**rays)
    door.finite(**rays)
    *rays, shares = (each.contiguous() for each in (rays | {"share": begin.new_empty(0, samples)} | rays).values())
    warp, none = cuda.usable(begin), begin.new_empty(0, dtype=torch.bool)
    if cells is None:
        there, counts = none.view(0, samples), (end > begin) * samples
    else:
        _refuse_no_cells(cells, begin)
        there = torch.empty(len(begin), samples, dtype=torch.bool, device=begin.device)
        counts = torch.empty(len(begin), dtype=torch.int64, device=begin.device)
        (_count_on_cuda if warp else _count_on_cpu)(rays, shares, cells.contiguous(), radius, there, counts)
    starts = torch.nn.functional.pad(counts.cumsum(dim=0), (1, 0))
    total = int(starts[-1])
    points, intervals = begin.new_empty(total, 3), begin.new_empty(total, 2)
    (_fill_on_cuda if warp else _fill_on_cpu)(rays, shares, there, samples, starts, points, intervals)
    return March(points, intervals, starts)


@cuda.carried
@torch.no_grad()
def occupied(points: Tensor, cells: Tensor, radius: float = 1.0) -> Tensor:
    """points (N, 3) and cells (X, Y, Z) bool -> (N,) bool, what the cell says that a point lies in.

    A point outside of the cube has the nearest cell. float32, or float64 on the CPU. Raises ValueError for a shape,
    type or device that does not fit, NaN and infinity.
    """
    door.shaped("points", points, None, 3)
    door.alike(points=points)
    door.finite(points=points)
    _refuse_no_cells(cells, points)
    out = torch.empty(len(points), dtype=torch.bool, device=points.device)
    (_look_on_cuda if cuda.usable(points) else _look_on_cpu)(points.contiguous(), cells.contiguous(), radius, out)
    return out


def _refuse_no_cells(cells: Tensor, beside: Tensor) -> None:
    door.shaped("cells", cells, None, None, None)
    if cells.dtype != torch.bool or cells.device != beside.device or cells.numel() == 0:
        raise ValueError(
            f"cells must be bool on {beside.device}, at least one, not {tuple(cells.shape)} of {cells.dtype} on "
            f"{cells.device}"
        )
