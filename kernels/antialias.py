"""Blend the pixels on either side of an outline, so that a picture depends smoothly on where the outline lies.

A picture sampled at pixel centres jumps when an outline passes a centre and is constant in between: no gradient tells
a mesh to grow. Between the centres of two neighbouring pixels, one on either side of the outline, let it cross at
s in [-1/2, 1/2] pixels from the border between them. A box filter, of which such a row of pixels is the samples, sees
the first one's colour on up to s. So the crossing lies in the box of the second pixel if s > 0, of which the first's
colour covers s, and else in the box of the first, of which the second's colour covers -s:
    s > 0:  out_2 = image_2 + s (image_1 - image_2),      else  out_1 = image_1 + s (image_1 - image_2).
In both cases d(sum of out)/ds = image_1 - image_2: the brightness that the outline uncovers. For an outline along an
axis the result is the box-filtered picture exactly; for a slanted one it is so on the average over its rows, as long
as each edge is blended along one axis alone: rows where it is steeper than 45 degrees, columns else.

Where the outline lies is found by walking. Of two pixels that see different triangles, start at the centre of the
nearer one and walk straight to the other's, from triangle to triangle of the surface. The walk ends where the surface
does, at a boundary edge, or where it turns back under itself, at an edge between a front and a back face: that edge is
the outline. If the surface goes on beyond the other's centre, without being what is seen there, then it is the other
surface that ends, and the walk is made from there. Triangles much smaller than a pixel are so no obstacle.

The walk turns back at an edge if the third corner of the triangle across lies behind it. A corner exactly on the line
of the walk counts as above a row of pixel centres, or left of a column: no edge is missed or met twice. There the slope
jumps, and the gradient is the one for corners that move further up, or left.

After Laine, Hellsten, Karras, Seol, Lehtinen and Aila, "Modular primitives for high-performance differentiable
rendering", ACM Transactions on Graphics 39 (6), 2020, section on antialiasing. Departs from it in the walk: there, an
outline is found if it is an edge of the nearer pixel's own triangle.

In the code a corner of triangle f is 3 f + k, and so is the edge opposite to it. `across` names, for such an edge, the
corner opposite to it in the triangle on its other side, or -1. `seam` (2, B, height, width) holds the edge of which
the outline is between each pixel and its right (0) and lower (1) neighbour, or -1.
"""

import collections
import itertools

import numpy as np
import torch
import warp as wp
from numba import prange
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels import cpu, cuda, door
from kernels.interpolate import split
from kernels.rasterize import Fragments, normalised

FARTHEST = 256  # triangles that are walked over at most
NEAR = 1e-12  # a w that is no larger is behind the eye: dividing by it twice, as gradients do, must give a number


# --- the definition ---


def antialias_reference(image: Tensor, positions: Tensor, faces: Tensor, fragments: Fragments) -> Tensor:
    """The definition of `antialias`: pair by pair to find the outlines, then all at once to blend."""
    _, height, width, _ = image.shape
    screen = _to_pixels(positions, height, width)
    out = image.clone()
    for axis in range(2):  # 0: pairs side by side, 1: one above the other
        seams = _seams_reference(screen.detach().double().cpu().numpy(), faces.tolist(), fragments, axis)
        view, i, j, p, q = torch.tensor(seams, dtype=torch.long, device=image.device).view(-1, 5).T
        first, second = (view, i, j), (view, i + axis, j + 1 - axis)
        centre = torch.stack([j, i], dim=-1) + 0.5
        a, b = screen[view, p] - centre, screen[view, q] - centre
        along, aside = axis, 1 - axis
        t = (a[:, along] * b[:, aside] - b[:, along] * a[:, aside]) / (b[:, aside] - a[:, aside])
        s = t - 0.5
        receiver = [torch.where(s > 0, two, one) for one, two in zip(first, second, strict=True)]
        out = out.index_put(receiver, s[:, None] * (image[first] - image[second]), accumulate=True)
    return out


def _seams_reference(screen: np.ndarray, faces: list, fragments: Fragments, axis: int) -> list[tuple[int, ...]]:
    """(view, row, column, p, q): between this pixel and its neighbour the outline is the edge of vertices p and q."""
    beside = collections.defaultdict(list)
    for f, corners in enumerate(faces):
        for edge in itertools.combinations(sorted(corners), 2):
            if len(set(corners)) == 3:
                beside[edge].append(f)
    triangle, depth = fragments.triangle.tolist(), fragments.depth.tolist()
    views, height, width = fragments.triangle.shape
    seams = []
    for view, i, j in itertools.product(range(views), range(height - axis), range(width - 1 + axis)):
        pair = (i, j), (i + axis, j + 1 - axis)
        (one, z1), (two, z2) = ((triangle[view][r][c], depth[view][r][c]) for r, c in pair)
        if one == two:
            continue
        swapped = one < 0 or (two >= 0 and z2 < z1)
        edge = None
        for turn in (swapped, not swapped):
            start, goal, sign = (two, one, -1) if turn else (one, two, 1)
            about = screen[view] - np.add(pair[turn][::-1], 0.5)
            edge, beyond = _walk_reference(sign * about[:, axis], about[:, 1 - axis], faces, beside, start, goal)
            if not beyond or goal < 0:
                break
        if edge:
            across = abs(np.subtract(*screen[view][list(edge)]))
            if across[1 - axis] > across[axis] or (axis == 0 and across[0] == across[1]):
                seams.append((view, i, j, *edge))
    return seams


def _walk_reference(x: np.ndarray, y: np.ndarray, faces: list, beside: dict, start: int, goal: int) -> tuple:
    """From (0, 0) in triangle `start` along y = 0 to (1, 0): the edge (p, q) where the surface ends, or None.

    And whether it goes on beyond, without being the triangle `goal`.
    """

    def ways(f):  # (p, q, r): over the edges from p, on the line or to one side of it, to q, with r opposite
        for k in range(3):
            r, p, q = faces[f][k], faces[f][(k + 1) % 3], faces[f][(k + 2) % 3]
            if (y[p] > 0) != (y[q] > 0):
                yield (p, q, r) if y[q] > 0 else (q, p, r)

    def behind(p, q, r):
        return (x[q] - x[p]) * (y[r] - y[p]) - (y[q] - y[p]) * (x[r] - x[p]) > 0

    f, way = start, next((way for way in ways(start) if behind(*way)), None)
    if way is None or np.isnan(x[faces[start]]).any():
        return None, False  # the pixel's centre is no point of its triangle, but for rounding
    for _ in range(FARTHEST):
        p, q, _ = way
        if (x[p] * y[q] - x[q] * y[p]) / (y[q] - y[p]) > 1:
            return None, True
        others = [g for g in beside[min(p, q), max(p, q)] if g != f]
        if len(others) != 1:
            return (p, q), False
        (f,) = others
        (r,) = set(faces[f]) - {p, q}
        if f == goal or np.isnan(x[r]):
            return None, False
        if behind(p, q, r):
            return (p, q), False
        (way,) = (way for way in ways(f) if {p, q} != {*way[:2]})
    return None, False


def _to_pixels(positions: Tensor, height: int, width: int) -> Tensor:
    """(B, V, 2) column and row in pixels from the picture's upper left corner; NaN behind the eye."""
    positions = normalised(positions)
    w = positions[..., 3:]
    ahead = w > NEAR
    half = positions.new_tensor([width / 2, -height / 2])
    return torch.where(ahead, positions[..., :2] / torch.where(ahead, w, 1) * half + half.abs(), torch.nan)


# --- CPU ---


@cpu.inner
def _ends(faces, edge):
    """The vertices of the edge that is opposite to this corner."""
    f, k = edge // 3, edge % 3
    return faces[f, (k + 1) % 3], faces[f, (k + 2) % 3]


@cpu.inner
def _about(screen, p, i, j, axis):
    """Where a vertex lies along the axis and aside of it, in pixels from the centre of (i, j)."""
    x, y = (i + 0.5, j + 0.5) if axis else (j + 0.5, i + 0.5)
    kind = screen.dtype.type
    return screen[p, axis] - kind(x), screen[p, 1 - axis] - kind(y)


@cpu.inner
def _crossing(screen, p, q, i, j, axis):
    """How far along the axis the edge of p and q crosses it, t = (a d - c b) / (d - b), and where p and q lie."""
    a, b = _about(screen, p, i, j, axis)
    c, d = _about(screen, q, i, j, axis)
    return (a * d - c * b) / (d - b), a, b, c, d


@cpu.inner
def _crossed(screen, p, q, i, j, axis):
    return (_about(screen, p, i, j, axis)[1] > 0) != (_about(screen, q, i, j, axis)[1] > 0)


@cpu.inner
def _behind(screen, p, q, r, i, j, axis, sign):
    """Whether r lies behind the edge of p and q, where it is crossed on the way."""
    a, b = _about(screen, p, i, j, axis)
    c, d = _about(screen, q, i, j, axis)
    e, f = _about(screen, r, i, j, axis)
    if b > 0:
        a, b, c, d = c, d, a, b
    return sign * ((c - a) * (f - b) - (d - b) * (e - a)) > 0


@cpu.inner
def _walk(screen, faces, across, start, goal, i, j, axis, sign):
    """The edge where the surface of `start` ends between the centres of (i, j) and the next, or -1; if it goes on."""
    edge = -1
    for k in range(3):
        p, q = _ends(faces, 3 * start + k)
        if np.isnan(screen[p, 0]):
            return -1, False
        first = edge < 0 and _crossed(screen, p, q, i, j, axis)
        if first and _behind(screen, p, q, faces[start, k], i, j, axis, sign):
            edge = 3 * start + k
    if edge < 0:
        return -1, False  # the pixel's centre is no point of its triangle, but for rounding
    for _ in range(FARTHEST):
        p, q = _ends(faces, edge)
        if sign * _crossing(screen, p, q, i, j, axis)[0] > 1:
            return -1, True
        corner = across[edge // 3, edge % 3]
        if corner < 0:
            return edge, False
        f, k = corner // 3, corner % 3
        r = faces[f, k]
        if f == goal or np.isnan(screen[r, 0]):
            return -1, False
        if _behind(screen, p, q, r, i, j, axis, sign):
            return edge, False
        # the way leaves f by one of the two edges at r
        edge = 3 * f + (k + 1) % 3
        p, q = _ends(faces, edge)
        if not _crossed(screen, p, q, i, j, axis):
            edge = 3 * f + (k + 2) % 3
    return -1, False


@cpu.inner
def _seam(screen, faces, across, pair, depths, i, j, axis):
    """The edge that is the outline between pixel (i, j) and the next one, or -1; they see the triangles of `pair`."""
    edge, beyond = -1, True
    swapped = pair[0] < 0 or (pair[1] >= 0 and depths[1] < depths[0])
    for turn in range(2):
        own = 1 - turn if swapped else turn
        if beyond and pair[own] >= 0:
            row, column, sign = (i + axis, j + 1 - axis, -1) if own else (i, j, 1)
            edge, beyond = _walk(screen, faces, across, pair[own], pair[1 - own], row, column, axis, sign)
    if edge >= 0:
        p, q = _ends(faces, edge)
        along, aside = abs(screen[p, axis] - screen[q, axis]), abs(screen[p, 1 - axis] - screen[q, 1 - axis])
        if aside < along or (axis == 1 and aside == along):
            return -1
    return edge


@cpu.parallel
def _find(triangle, depth, faces, across, screen, seam):
    views, height, width = triangle.shape
    for line in prange(views * height):
        view, i = line // height, line % height
        for axis in range(2):
            for j in range(width):
                seam[axis, view, i, j] = -1
                i2, j2 = i + axis, j + 1 - axis
                if i2 == height or j2 == width or triangle[view, i, j] == triangle[view, i2, j2]:
                    continue
                pair = triangle[view, i, j], triangle[view, i2, j2]
                depths = depth[view, i, j], depth[view, i2, j2]
                seam[axis, view, i, j] = _seam(screen[view], faces, across, pair, depths, i, j, axis)


@cpu.parallel
def _blend(image, faces, screen, seam, out):
    """Adds to `out`, a copy of the image. A row of pixels is the receiver of seams in it, below it and above it."""
    _, views, height, width = seam.shape
    for line in prange(views * height):
        view, i = line // height, line % height
        for axis, row in ((0, i), (1, i), (1, i - 1)):
            for j in range(width if row >= 0 else 0):
                edge = seam[axis, view, row, j]
                if edge < 0:
                    continue
                p, q = _ends(faces, edge)
                s = _crossing(screen[view], p, q, row, j, axis)[0] - screen.dtype.type(0.5)
                row2, j2 = row + axis, j + 1 - axis
                if (row2 if s > 0 else row) == i:
                    receiver = out[view, i, j2 if s > 0 else j]
                    for n in range(len(receiver)):
                        receiver[n] += s * (image[view, row, j, n] - image[view, row2, j2, n])


@cpu.parallel
def _pull(image, faces, screen, seam, grad, tasks, to_image, to_screen):
    """Adds to `to_image`, a copy of grad, and to `to_screen` (bands, views, V, 2); what is not wanted has length 0.

    In tasks of a band of rows of every `parts`th view; for the rows' own pixels also by the seams above.
    """
    _, views, height, width = seam.shape
    parts, bands = tasks
    for task in prange(parts * bands):
        part, band = task // bands, task % bands
        for view in range(part, views, parts):
            for i in range(band * height // bands, (band + 1) * height // bands):
                for axis, row in ((0, i), (1, i), (1, i - 1)):
                    along, aside = axis, 1 - axis
                    for j in range(width if row >= 0 else 0):
                        edge = seam[axis, view, row, j]
                        if edge < 0:
                            continue
                        p, q = _ends(faces, edge)
                        t, a, b, c, d = _crossing(screen[view], p, q, row, j, axis)
                        s = t - screen.dtype.type(0.5)
                        row2, j2 = row + axis, j + 1 - axis
                        g = grad[view, row2, j2] if s > 0 else grad[view, row, j]
                        if len(to_image):
                            for n in range(len(g)):
                                if row == i:
                                    to_image[view, i, j, n] += s * g[n]
                                if row2 == i:
                                    to_image[view, i, j2, n] -= s * g[n]
                        if len(to_screen) and row == i:
                            moved = s * 0
                            for n in range(len(g)):
                                moved += g[n] * (image[view, row, j, n] - image[view, row2, j2, n])
                            moved /= d - b
                            sums = to_screen[band, view]
                            sums[p, along] += moved * d
                            sums[p, aside] += moved * (t - c)
                            sums[q, along] -= moved * b
                            sums[q, aside] += moved * (a - t)


def _forward_on_cpu(
    image: Tensor, screen: Tensor, faces: Tensor, across: Tensor, triangle: Tensor, depth: Tensor
) -> tuple[Tensor, Tensor]:
    """The picture and its seams."""
    out, seam = image.clone(), triangle.new_empty(2, *triangle.shape)
    _find(triangle.numpy(), depth.numpy(), faces.numpy(), across.numpy(), screen.numpy(), seam.numpy())
    _blend(image.numpy(), faces.numpy(), screen.numpy(), seam.numpy(), out.numpy())
    return out, seam


def _backward_on_cpu(
    image: Tensor, screen: Tensor, faces: Tensor, seam: Tensor, grad: Tensor, *, wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    image_wanted, screen_wanted = wanted
    parts, bands = split(len(screen))
    to_image = (grad if image_wanted else grad[:0]).clone()
    to_screen = screen.new_zeros(bands if screen_wanted else 0, *screen.shape)
    _pull(
        image.numpy(), faces.numpy(), screen.numpy(), seam.numpy(), grad.numpy(), (parts, bands),
        to_image.numpy(), to_screen.numpy(),
    )  # fmt: skip
    return to_image, to_screen.sum(dim=0) if screen_wanted else screen[:0]


# --- CUDA ---

wp.set_module_options({"enable_backward": False, "fuse_fp": False})


@wp.func
def _ends_warp(faces: wp.array2d(dtype=int), edge: int):
    f, k = edge // 3, edge % 3
    return faces[f, (k + 1) % 3], faces[f, (k + 2) % 3]


@wp.func
def _about_warp(screen: wp.array3d(dtype=float), view: int, p: int, i: int, j: int, axis: int):
    x, y = float(j) + 0.5, float(i) + 0.5
    if axis == 1:
        x, y = float(i) + 0.5, float(j) + 0.5
    return screen[view, p, axis] - x, screen[view, p, 1 - axis] - y


@wp.func
def _crossing_warp(screen: wp.array3d(dtype=float), view: int, p: int, q: int, i: int, j: int, axis: int):
    a, b = _about_warp(screen, view, p, i, j, axis)
    c, d = _about_warp(screen, view, q, i, j, axis)
    return (a * d - c * b) / (d - b), a, b, c, d


@wp.func
def _crossed_warp(screen: wp.array3d(dtype=float), view: int, p: int, q: int, i: int, j: int, axis: int):
    _a, b = _about_warp(screen, view, p, i, j, axis)
    _c, d = _about_warp(screen, view, q, i, j, axis)
    return (b > 0.0) != (d > 0.0)


@wp.func
def _behind_warp(
    screen: wp.array3d(dtype=float), view: int, p: int, q: int, r: int, i: int, j: int, axis: int, sign: float
):
    a, b = _about_warp(screen, view, p, i, j, axis)
    c, d = _about_warp(screen, view, q, i, j, axis)
    e, f = _about_warp(screen, view, r, i, j, axis)
    side = (c - a) * (f - b) - (d - b) * (e - a)
    if b > 0.0:
        side = (a - c) * (f - d) - (b - d) * (e - c)
    return sign * side > 0.0


@wp.func
def _walk_warp(
    screen: wp.array3d(dtype=float), faces: wp.array2d(dtype=int), across: wp.array2d(dtype=int), start: int, goal: int,
    view: int, i: int, j: int, axis: int, sign: float,
):  # fmt: skip
    edge = wp.int32(-1)
    for k in range(3):
        p, q = _ends_warp(faces, 3 * start + k)
        if wp.isnan(screen[view, p, 0]):
            return -1, False
        first = edge < 0 and _crossed_warp(screen, view, p, q, i, j, axis)
        if first and _behind_warp(screen, view, p, q, faces[start, k], i, j, axis, sign):
            edge = 3 * start + k
    if edge < 0:
        return -1, False
    for _ in range(FARTHEST):
        p, q = _ends_warp(faces, edge)
        t, _a, _b, _c, _d = _crossing_warp(screen, view, p, q, i, j, axis)
        if sign * t > 1.0:
            return -1, True
        corner = across[edge // 3, edge % 3]
        if corner < 0:
            return edge, False
        f, k = corner // 3, corner % 3
        r = faces[f, k]
        if f == goal or wp.isnan(screen[view, r, 0]):
            return -1, False
        if _behind_warp(screen, view, p, q, r, i, j, axis, sign):
            return edge, False
        edge = 3 * f + (k + 1) % 3
        p, q = _ends_warp(faces, edge)
        if not _crossed_warp(screen, view, p, q, i, j, axis):
            edge = 3 * f + (k + 2) % 3
    return -1, False


@wp.kernel
def _find_warp(
    triangle: wp.array3d(dtype=int), depth: wp.array3d(dtype=float), faces: wp.array2d(dtype=int),
    across: wp.array2d(dtype=int), screen: wp.array3d(dtype=float), seam: wp.array4d(dtype=int),
):  # fmt: skip
    axis, view, i, j = wp.tid()
    seam[axis, view, i, j] = -1
    i2, j2 = i + axis, j + 1 - axis
    if i2 == triangle.shape[1] or j2 == triangle.shape[2]:
        return
    one, two = triangle[view, i, j], triangle[view, i2, j2]
    if one == two:
        return
    edge, beyond = wp.int32(-1), wp.bool(True)
    swapped = one < 0 or (two >= 0 and depth[view, i2, j2] < depth[view, i, j])
    for turn in range(2):
        back = swapped == (turn == 0)
        start, goal = wp.where(back, two, one), wp.where(back, one, two)
        row, column, sign = wp.where(back, i2, i), wp.where(back, j2, j), wp.where(back, -1.0, 1.0)
        if beyond and start >= 0:
            edge, beyond = _walk_warp(screen, faces, across, start, goal, view, row, column, axis, sign)
    if edge < 0:
        return
    p, q = _ends_warp(faces, edge)
    along = wp.abs(screen[view, p, axis] - screen[view, q, axis])
    aside = wp.abs(screen[view, p, 1 - axis] - screen[view, q, 1 - axis])
    if aside > along or (axis == 0 and aside == along):
        seam[axis, view, i, j] = edge


@wp.kernel
def _blend_warp(
    image: wp.array4d(dtype=float), faces: wp.array2d(dtype=int), screen: wp.array3d(dtype=float),
    seam: wp.array4d(dtype=int), out: wp.array4d(dtype=float),
):  # fmt: skip
    axis, view, i, j = wp.tid()
    edge = seam[axis, view, i, j]
    if edge < 0:
        return
    p, q = _ends_warp(faces, edge)
    t, _a, _b, _c, _d = _crossing_warp(screen, view, p, q, i, j, axis)
    s = t - 0.5
    i2, j2 = i + axis, j + 1 - axis
    row, column = i, j
    if s > 0.0:
        row, column = i2, j2
    for n in range(image.shape[3]):
        wp.atomic_add(out, view, row, column, n, s * (image[view, i, j, n] - image[view, i2, j2, n]))


@wp.kernel
def _pull_warp(
    image: wp.array4d(dtype=float), faces: wp.array2d(dtype=int), screen: wp.array3d(dtype=float),
    seam: wp.array4d(dtype=int), grad: wp.array4d(dtype=float), to_image: wp.array4d(dtype=float),
    to_screen: wp.array3d(dtype=float),
):  # fmt: skip
    axis, view, i, j = wp.tid()
    edge = seam[axis, view, i, j]
    if edge < 0:
        return
    along, aside = axis, 1 - axis
    p, q = _ends_warp(faces, edge)
    t, a, b, c, d = _crossing_warp(screen, view, p, q, i, j, axis)
    s = t - 0.5
    i2, j2 = i + axis, j + 1 - axis
    row, column = i, j
    if s > 0.0:
        row, column = i2, j2
    if to_image.shape[0] > 0:
        for n in range(image.shape[3]):
            g = grad[view, row, column, n]
            wp.atomic_add(to_image, view, i, j, n, s * g)
            wp.atomic_add(to_image, view, i2, j2, n, -s * g)
    if to_screen.shape[0] > 0:
        moved = wp.float32(0.0)
        for n in range(image.shape[3]):
            moved += grad[view, row, column, n] * (image[view, i, j, n] - image[view, i2, j2, n])
        moved = moved / (d - b)
        wp.atomic_add(to_screen, view, p, along, moved * d)
        wp.atomic_add(to_screen, view, p, aside, moved * (t - c))
        wp.atomic_add(to_screen, view, q, along, -moved * b)
        wp.atomic_add(to_screen, view, q, aside, moved * (a - t))


def _forward_on_cuda(
    image: Tensor, screen: Tensor, faces: Tensor, across: Tensor, triangle: Tensor, depth: Tensor
) -> tuple[Tensor, Tensor]:
    out, seam = image.clone(), triangle.new_empty(2, *triangle.shape)
    cuda.launch(_find_warp, seam.shape, triangle, depth, faces, across, screen, seam)
    cuda.launch(_blend_warp, seam.shape, image, faces, screen, seam, out)
    return out, seam


def _backward_on_cuda(
    image: Tensor, screen: Tensor, faces: Tensor, seam: Tensor, grad: Tensor, *, wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    image_wanted, screen_wanted = wanted
    to_image = (grad if image_wanted else grad[:0]).clone()
    to_screen = torch.zeros_like(screen if screen_wanted else screen[:0])
    cuda.launch(_pull_warp, seam.shape, image, faces, screen, seam, grad, to_image, to_screen)
    return to_image, to_screen


# --- the function ---


def _neighbours(faces: Tensor) -> Tensor:
    """(F, 3) int32: the corner 3 f + k across the edge that is opposite to each corner.

    -1 where the edge has one face, or three and more; faces that name a vertex twice are left out.
    """
    corners = faces.long()
    ends = corners.roll(-1, dims=1), corners.roll(-2, dims=1)
    whole = (ends[0] != ends[1]).all(dim=1, keepdim=True).expand(-1, 3)
    own = whole.flatten().nonzero()[:, 0]
    edge, order = torch.sort((torch.minimum(*ends) * 2**31 + torch.maximum(*ends))[whole])
    same = edge[1:] == edge[:-1]
    padded = torch.nn.functional.pad(same, (1, 1))
    two = (same & ~padded[:-2] & ~padded[2:]).nonzero()[:, 0]
    one, other = own[order[two]], own[order[two + 1]]
    across = torch.full((corners.numel(),), -1, dtype=torch.int32, device=faces.device)
    across[one], across[other] = other.int(), one.int()
    return across.view(-1, 3)


class _Antialias(torch.autograd.Function):
    @staticmethod
    def forward(ctx, image: Tensor, screen: Tensor, faces: Tensor, triangle: Tensor, depth: Tensor) -> Tensor:
        ctx.warp = cuda.usable(image)
        version = _forward_on_cuda if ctx.warp else _forward_on_cpu
        out, seam = version(image, screen, faces, _neighbours(faces), triangle, depth)
        ctx.save_for_backward(image, screen, faces, seam)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        wanted = ctx.needs_input_grad[:2]
        version = _backward_on_cuda if ctx.warp else _backward_on_cpu
        # for another layout in memory numba would compile anew
        sums = version(*ctx.saved_tensors, grad.contiguous(), wanted=wanted)
        return *(to if want else None for to, want in zip(sums, wanted, strict=True)), None, None, None


@cuda.carried
def antialias(image: Tensor, positions: Tensor, faces: Tensor, fragments: Fragments) -> Tensor:
    """The image (B, height, width, C) with the pixels along outlines blended, of the same shape.

    positions (B, V, 4) and faces (F, 3) are those that were rasterised into `fragments`, at the image's size. All
    floats are of one type: float32, or float64 on the CPU. Differentiable once, to image and to positions; second
    derivatives are absent. Where a corner lies exactly on a line of pixel centres the slope is one-sided.

    An outline is an edge that is the last of its surface as this view sees it: a boundary, or between a front and a
    back face. An edge of three and more faces always counts as one, as do both sides of a cut in the mesh: join
    vertices that lie in one place. Faces that reach behind the eye, and outlines outside the outermost pixel centres,
    are left as they are, and so is what no pixel's centre sees.

    Raises ValueError for other shapes, types and devices, NaN or infinity, and indices beyond V or F.
    """
    door.alike(image=image, positions=positions, depth=fragments.depth)
    door.shaped("image", image, None, None, None, None)
    views, height, width, _ = image.shape
    door.shaped("positions", positions, views, None, 4)
    door.shaped("faces", faces, None, 3)
    door.shaped("triangle", fragments.triangle, views, height, width)
    door.shaped("depth", fragments.depth, views, height, width)
    door.finite(image=image, positions=positions)
    door.indices("faces", faces, 0, positions.shape[1], positions.device)
    door.indices("triangle", fragments.triangle, -1, len(faces), positions.device)
    arrays = (
        image, _to_pixels(positions, height, width), faces.to(torch.int32), fragments.triangle.to(torch.int32),
        fragments.depth,
    )  # fmt: skip
    return _Antialias.apply(*(array.contiguous() for array in arrays))
