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

After Laine, Hellsten, Karras, Seol, Lehtinen and Aila, "Modular primitives for high-performance differentiable
rendering", ACM Transactions on Graphics 39 (6), 2020, section on antialiasing. Departs from it in the walk: there, an
outline is found if it is an edge of the nearer pixel's own triangle.

In the code a corner of triangle f is 3 f + k, and so is the edge opposite to it. `across` names, for such an edge, the
corner opposite to it in the triangle on its other side, or -1. `seam` (2, B, height, width) holds the edge of which
the outline is between each pixel and its right (0) and lower (1) neighbour, or -1.
"""

import collections
import itertools
import math

import numpy as np
import torch
import warp as wp
from numba import njit, prange
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels import cuda, door
from kernels.cpu import parallel
from kernels.rasterize import Fragments

STEPS = 256  # triangles at most between two pixel centres
NEAR = 1e-12  # a w that is no larger is behind the eye: dividing by it twice, as gradients do, must give a number


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
            about = sign * (screen[view] - 0.5 - pair[turn][::-1])
            edge, beyond = _walk_reference(about[:, axis], about[:, 1 - axis], faces, beside, start, goal)
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

    def crossings(f):
        edges = itertools.combinations(sorted(faces[f]), 2)
        return {(p, q): (x[p] * y[q] - x[q] * y[p]) / (y[q] - y[p]) for p, q in edges if (y[p] > 0) != (y[q] > 0)}

    f, edge, t = start, None, -math.inf
    for _ in range(STEPS + 1):
        if np.isnan(x[faces[f]]).any():
            return None, False
        ways = crossings(f)
        ways.pop(edge, None)
        if not ways:
            return None, False  # the pixel's centre is no point of its triangle, but for rounding
        ahead = max(ways, key=ways.get)
        if ways[ahead] < t:
            return edge, False
        edge, t = ahead, ways[ahead]
        if t > 1:
            return None, True
        others = [g for g in beside[edge] if g != f]
        if len(others) != 1:
            return edge, False
        f = others[0]
        if f == goal:
            return None, False
    return None, False


def _to_pixels(positions: Tensor, height: int, width: int) -> Tensor:
    """(B, V, 2) column and row in pixels from the picture's upper left corner; NaN behind the eye."""
    w = positions[..., 3:]
    ahead = w > NEAR
    half = positions.new_tensor([width / 2, -height / 2])
    return torch.where(ahead, positions[..., :2] / torch.where(ahead, w, 1) * half + half.abs(), torch.nan)


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


# --- CPU ---


@njit(cache=True, error_model="numpy")
def _crossing(screen, p, q, i, j, axis):
    """How far along the axis the edge of p and q crosses it, in pixels from the centre of (i, j), and for d of it.

    (a, b) and (c, d) are p and q along the axis and aside of it: t = (a d - c b) / (d - b).
    """
    along, aside = axis, 1 - axis
    x, y = (i + 0.5, j + 0.5) if axis else (j + 0.5, i + 0.5)
    kind = screen.dtype.type
    a, b = screen[p, along] - kind(x), screen[p, aside] - kind(y)
    c, d = screen[q, along] - kind(x), screen[q, aside] - kind(y)
    return (a * d - c * b) / (d - b), a, b, c, d


@njit(cache=True, error_model="numpy")
def _walk(screen, faces, across, start, goal, i, j, axis, sign):
    """The edge where the surface of `start` ends between the centres of (i, j) and the next, or -1; if it goes on."""
    edge, t = -1, screen.dtype.type(0)
    for k in range(3):
        s, a, b, c, d = _crossing(screen, faces[start, (k + 1) % 3], faces[start, (k + 2) % 3], i, j, axis)
        if np.isnan(a) or np.isnan(c):
            return -1, False
        if (b > 0) != (d > 0) and (edge < 0 or sign * s > t):
            edge, t = 3 * start + k, sign * s
    if edge < 0:
        return -1, False  # the pixel's centre is no point of its triangle, but for rounding
    for _ in range(STEPS):
        if t > 1:
            return -1, True
        corner = across[edge // 3, edge % 3]
        f, k = corner // 3, corner % 3
        if corner < 0:
            return edge, False
        if f == goal:
            return -1, False
        # the way leaves f by one of the two edges at this corner
        ahead = 3 * f + (k + 1) % 3
        s, a, b, c, d = _crossing(screen, faces[f, (k + 2) % 3], faces[f, k], i, j, axis)
        if (b > 0) == (d > 0):
            ahead = 3 * f + (k + 2) % 3
            s, a, b, c, d = _crossing(screen, faces[f, k], faces[f, (k + 1) % 3], i, j, axis)
        if np.isnan(s):
            return -1, False
        if sign * s < t:
            return edge, False
        edge, t = ahead, sign * s
    return -1, False


@njit(cache=True, error_model="numpy")
def _seam(screen, faces, across, one, two, z1, z2, i, j, axis):
    """The edge that is the outline between pixel (i, j), which sees triangle `one`, and the next one, or -1."""
    i2, j2 = i + axis, j + 1 - axis
    swapped = one < 0 or (two >= 0 and z2 < z1)
    if swapped:
        edge, beyond = _walk(screen, faces, across, two, one, i2, j2, axis, -1)
        if beyond and one >= 0:
            edge, beyond = _walk(screen, faces, across, one, two, i, j, axis, 1)
    else:
        edge, beyond = _walk(screen, faces, across, one, two, i, j, axis, 1)
        if beyond and two >= 0:
            edge, beyond = _walk(screen, faces, across, two, one, i2, j2, axis, -1)
    if edge >= 0:
        f, k = edge // 3, edge % 3
        p, q = faces[f, (k + 1) % 3], faces[f, (k + 2) % 3]
        along, aside = abs(screen[p, axis] - screen[q, axis]), abs(screen[p, 1 - axis] - screen[q, 1 - axis])
        if aside < along or (axis == 1 and aside == along):
            return -1
    return edge


@parallel
def _find(triangle, depth, faces, across, screen, seam):
    views, height, width = triangle.shape
    for line in prange(views * height):
        view, i = divmod(np.int64(line), height)  # numba counts unsigned, which with a sign makes floats
        for axis in range(2):
            for j in range(width):
                seam[axis, view, i, j] = -1
                i2, j2 = i + axis, j + 1 - axis
                if i2 == height or j2 == width or triangle[view, i, j] == triangle[view, i2, j2]:
                    continue
                seam[axis, view, i, j] = _seam(
                    screen[view], faces, across, triangle[view, i, j], triangle[view, i2, j2],
                    depth[view, i, j], depth[view, i2, j2], i, j, axis,
                )  # fmt: skip


@parallel
def _blend(image, faces, screen, seam, out):
    """Adds to `out`, a copy of the image."""
    _, views, height, width = seam.shape
    for view in prange(views):
        for axis in range(2):
            for i in range(height):
                for j in range(width):
                    edge = seam[axis, view, i, j]
                    if edge < 0:
                        continue
                    f, k = edge // 3, edge % 3
                    p, q = faces[f, (k + 1) % 3], faces[f, (k + 2) % 3]
                    s = _crossing(screen[view], p, q, i, j, axis)[0] - screen.dtype.type(0.5)
                    i2, j2 = i + axis, j + 1 - axis
                    receiver = out[view, i2, j2] if s > 0 else out[view, i, j]
                    for c in range(len(receiver)):
                        receiver[c] += s * (image[view, i, j, c] - image[view, i2, j2, c])


@parallel
def _adjoint(image, faces, screen, seam, grad, to_image, to_screen):
    """Adds to `to_image`, a copy of grad, and to `to_screen`; what is not wanted has no views."""
    _, views, height, width = seam.shape
    for view in prange(views):
        for axis in range(2):
            along, aside = axis, 1 - axis
            for i in range(height):
                for j in range(width):
                    edge = seam[axis, view, i, j]
                    if edge < 0:
                        continue
                    f, k = edge // 3, edge % 3
                    p, q = faces[f, (k + 1) % 3], faces[f, (k + 2) % 3]
                    t, a, b, c, d = _crossing(screen[view], p, q, i, j, axis)
                    s = t - screen.dtype.type(0.5)
                    i2, j2 = i + axis, j + 1 - axis
                    g = grad[view, i2, j2] if s > 0 else grad[view, i, j]
                    if len(to_image):
                        for n in range(len(g)):
                            to_image[view, i, j, n] += s * g[n]
                            to_image[view, i2, j2, n] -= s * g[n]
                    if len(to_screen):
                        moved = s * 0
                        for n in range(len(g)):
                            moved += g[n] * (image[view, i, j, n] - image[view, i2, j2, n])
                        moved /= d - b
                        to_screen[view, p, along] += moved * d
                        to_screen[view, p, aside] += moved * (t - c)
                        to_screen[view, q, along] -= moved * b
                        to_screen[view, q, aside] += moved * (a - t)


def _find_on_cpu(*arrays: Tensor) -> None:
    _find(*(array.numpy() for array in arrays))


def _blend_on_cpu(*arrays: Tensor) -> None:
    _blend(*(array.numpy() for array in arrays))


def _adjoint_on_cpu(*arrays: Tensor) -> None:
    _adjoint(*(array.numpy() for array in arrays))


# --- CUDA ---


@wp.struct
class Crossing:
    """As `_crossing` gives it."""

    t: float
    a: float
    b: float
    c: float
    d: float


@wp.struct
class Walked:
    edge: int
    beyond: bool


@wp.func
def _crossing_warp(screen: wp.array3d(dtype=float), view: int, p: int, q: int, i: int, j: int, axis: int):
    along, aside = axis, 1 - axis
    x, y = float(j) + 0.5, float(i) + 0.5
    if axis == 1:
        x, y = float(i) + 0.5, float(j) + 0.5
    at = Crossing()
    at.a = screen[view, p, along] - x
    at.b = screen[view, p, aside] - y
    at.c = screen[view, q, along] - x
    at.d = screen[view, q, aside] - y
    at.t = (at.a * at.d - at.c * at.b) / (at.d - at.b)
    return at


@wp.func
def _walk_warp(
    screen: wp.array3d(dtype=float), faces: wp.array2d(dtype=int), across: wp.array2d(dtype=int), start: int, goal: int,
    view: int, i: int, j: int, axis: int, sign: float,
):  # fmt: skip
    out = Walked()
    out.edge = -1
    edge, t = wp.int32(-1), wp.float32(0.0)
    for k in range(3):
        at = _crossing_warp(screen, view, faces[start, (k + 1) % 3], faces[start, (k + 2) % 3], i, j, axis)
        if wp.isnan(at.a) or wp.isnan(at.c):
            return out
        if (at.b > 0.0) != (at.d > 0.0) and (edge < 0 or sign * at.t > t):
            edge, t = 3 * start + k, sign * at.t
    if edge < 0:
        return out
    for _ in range(STEPS):
        if t > 1.0:
            out.beyond = True
            return out
        corner = across[edge // 3, edge % 3]
        f, k = corner // 3, corner % 3
        if corner < 0:
            out.edge = edge
            return out
        if f == goal:
            return out
        ahead = 3 * f + (k + 1) % 3
        at = _crossing_warp(screen, view, faces[f, (k + 2) % 3], faces[f, k], i, j, axis)
        if (at.b > 0.0) == (at.d > 0.0):
            ahead = 3 * f + (k + 2) % 3
            at = _crossing_warp(screen, view, faces[f, k], faces[f, (k + 1) % 3], i, j, axis)
        if wp.isnan(at.t):
            return out
        if sign * at.t < t:
            out.edge = edge
            return out
        edge, t = ahead, sign * at.t
    return out


@wp.kernel(enable_backward=False)
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
    walked = Walked()
    if one < 0 or (two >= 0 and depth[view, i2, j2] < depth[view, i, j]):
        walked = _walk_warp(screen, faces, across, two, one, view, i2, j2, axis, -1.0)
        if walked.beyond and one >= 0:
            walked = _walk_warp(screen, faces, across, one, two, view, i, j, axis, 1.0)
    else:
        walked = _walk_warp(screen, faces, across, one, two, view, i, j, axis, 1.0)
        if walked.beyond and two >= 0:
            walked = _walk_warp(screen, faces, across, two, one, view, i2, j2, axis, -1.0)
    edge = walked.edge
    if edge < 0:
        return
    f, k = edge // 3, edge % 3
    p, q = faces[f, (k + 1) % 3], faces[f, (k + 2) % 3]
    along = wp.abs(screen[view, p, axis] - screen[view, q, axis])
    aside = wp.abs(screen[view, p, 1 - axis] - screen[view, q, 1 - axis])
    if aside > along or (axis == 0 and aside == along):
        seam[axis, view, i, j] = edge


@wp.kernel(enable_backward=False)
def _blend_warp(
    image: wp.array4d(dtype=float), faces: wp.array2d(dtype=int), screen: wp.array3d(dtype=float),
    seam: wp.array4d(dtype=int), out: wp.array4d(dtype=float),
):  # fmt: skip
    axis, view, i, j = wp.tid()
    edge = seam[axis, view, i, j]
    if edge < 0:
        return
    f, k = edge // 3, edge % 3
    s = _crossing_warp(screen, view, faces[f, (k + 1) % 3], faces[f, (k + 2) % 3], i, j, axis).t - 0.5
    i2, j2 = i + axis, j + 1 - axis
    row, column = i, j
    if s > 0.0:
        row, column = i2, j2
    for c in range(image.shape[3]):
        wp.atomic_add(out, view, row, column, c, s * (image[view, i, j, c] - image[view, i2, j2, c]))


@wp.kernel(enable_backward=False)
def _adjoint_warp(
    image: wp.array4d(dtype=float), faces: wp.array2d(dtype=int), screen: wp.array3d(dtype=float),
    seam: wp.array4d(dtype=int), grad: wp.array4d(dtype=float), to_image: wp.array4d(dtype=float),
    to_screen: wp.array3d(dtype=float),
):  # fmt: skip
    axis, view, i, j = wp.tid()
    edge = seam[axis, view, i, j]
    if edge < 0:
        return
    along, aside = axis, 1 - axis
    f, k = edge // 3, edge % 3
    p, q = faces[f, (k + 1) % 3], faces[f, (k + 2) % 3]
    at = _crossing_warp(screen, view, p, q, i, j, axis)
    s = at.t - 0.5
    i2, j2 = i + axis, j + 1 - axis
    row, column = i, j
    if s > 0.0:
        row, column = i2, j2
    moved = wp.float32(0.0)
    for c in range(image.shape[3]):
        g = grad[view, row, column, c]
        moved += g * (image[view, i, j, c] - image[view, i2, j2, c])
        if to_image.shape[0] > 0:
            wp.atomic_add(to_image, view, i, j, c, s * g)
            wp.atomic_add(to_image, view, i2, j2, c, -s * g)
    if to_screen.shape[0] > 0:
        moved = moved / (at.d - at.b)
        wp.atomic_add(to_screen, view, p, along, moved * at.d)
        wp.atomic_add(to_screen, view, p, aside, moved * (at.t - at.c))
        wp.atomic_add(to_screen, view, q, along, -moved * at.b)
        wp.atomic_add(to_screen, view, q, aside, moved * (at.a - at.t))


def _find_on_cuda(*arrays: Tensor) -> None:
    cuda.launch(_find_warp, arrays[-1].shape, *arrays)


def _blend_on_cuda(*arrays: Tensor) -> None:
    cuda.launch(_blend_warp, arrays[3].shape, *arrays)


def _adjoint_on_cuda(*arrays: Tensor) -> None:
    cuda.launch(_adjoint_warp, arrays[3].shape, *arrays)


# --- the function ---


class _Antialias(torch.autograd.Function):
    @staticmethod
    def forward(ctx, image: Tensor, screen: Tensor, faces: Tensor, triangle: Tensor, depth: Tensor) -> Tensor:
        seam, out = triangle.new_empty(2, *triangle.shape), image.clone()
        find, blend = (_find_on_cuda, _blend_on_cuda) if cuda.usable(image) else (_find_on_cpu, _blend_on_cpu)
        find(triangle, depth, faces, _neighbours(faces), screen, seam)
        blend(image, faces, screen, seam, out)
        ctx.save_for_backward(image, faces, screen, seam)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        image, faces, screen, seam = ctx.saved_tensors
        image_wanted, screen_wanted = ctx.needs_input_grad[:2]
        grad = grad.contiguous()  # for another layout in memory numba would compile anew
        to_image = (grad if image_wanted else grad[:0]).clone()
        to_screen = torch.zeros_like(screen if screen_wanted else screen[:0])
        adjoint = _adjoint_on_cuda if cuda.usable(grad) else _adjoint_on_cpu
        adjoint(image, faces, screen, seam, grad, to_image, to_screen)
        return to_image if image_wanted else None, to_screen if screen_wanted else None, None, None, None


@cuda.carried
def antialias(image: Tensor, positions: Tensor, faces: Tensor, fragments: Fragments) -> Tensor:
    """The image (B, height, width, C) with the pixels along outlines blended, of the same shape.

    positions (B, V, 4) and faces (F, 3) are those that were rasterised into `fragments`, at the image's size. All
    floats are of one type: float32, or float64 on the CPU. Differentiable once, to image and to positions.

    An outline is an edge that is the last of its surface as this view sees it: a boundary, or between a front and a
    back face. An edge of three and more faces always counts as one, as do both sides of a cut in the mesh: join
    vertices that lie in one place. Faces that reach behind the eye, and outlines outside the outermost pixel centres,
    are left as they are, and so is what no pixel's centre sees.

    Raises ValueError for other shapes and types, NaN or infinity, and indices beyond V or F.
    """
    door.alike(image=image, positions=positions, depth=fragments.depth)
    door.shaped("image", image, None, None, None, None)
    views, height, width, _ = image.shape
    door.shaped("positions", positions, views, None, 4)
    door.shaped("faces", faces, None, 3)
    door.shaped("triangle", fragments.triangle, views, height, width)
    door.shaped("depth", fragments.depth, views, height, width)
    door.finite(image=image, positions=positions)
    door.indices("faces", faces, 0, positions.shape[1])
    door.indices("triangle", fragments.triangle, -1, len(faces))
    arrays = (
        image, _to_pixels(positions, height, width), faces.to(positions.device, torch.int32), fragments.triangle,
        fragments.depth,
    )  # fmt: skip
    return _Antialias.apply(*(array.contiguous() for array in arrays))
