"""Polygons as a file holds them, in doubles; and what every reader of files needs to make them.

Nothing is mended: vertices that no face uses, doubled faces and faces without area stay, in the file's order. Only what
has fewer than three corners is no face, and left out.
"""

import warnings
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from backend import protocol
from backend.clip import Mesh, fan_triangles

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]


class Unsound(ValueError):
    """A file that is not what its ending says; the message says where."""


@dataclass(frozen=True, eq=False)
class Polygons:
    """V vertices, P polygons with C corners in all."""

    vertices: Reals  # (V, 3)
    corners: Ints  # (C,) the vertex at each
    sizes: Ints  # (P,)
    uv: Reals | None = None  # (C, 2)
    albedo: NDArray[np.float32] | None = None  # (V, 3) linear

    def checked(self) -> Self:
        """The same without what has fewer than three corners. Raises Unsound where a corner has no vertex."""
        missing = (self.corners < 0) | (self.corners >= len(self.vertices))
        if missing.any():
            raise Unsound(
                f"a face has vertex {self.corners[missing][0]}, counted from 0, and there are {len(self.vertices):,}"
            )
        kept = self.sizes >= 3
        if kept.all():
            return self
        at = np.repeat(kept, self.sizes)
        return replace(
            self, corners=self.corners[at], sizes=self.sizes[kept], uv=None if self.uv is None else self.uv[at]
        )

    def at(self, vertices: Reals) -> Self:
        """The same with its vertices elsewhere, (V, 3)."""
        return replace(self, vertices=vertices)

    def mesh(self) -> Mesh:
        vertices = np.ascontiguousarray(self.vertices, np.float32)
        corners, sizes = self.corners.astype(np.int32), self.sizes.astype(np.int32)
        return Mesh(
            vertices, corners, sizes, triangles(self.vertices, self.corners, sizes),
            uv=None if self.uv is None else np.ascontiguousarray(self.uv, np.float32),
            albedo=self.albedo,
        )  # fmt: skip


def joined(parts: list[Polygons]) -> Polygons:
    """All as one. Where some bring a colour or UVs and others do not, those are grey, and their UVs zero."""
    if len(parts) == 1:
        return parts[0]
    before = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    albedo = uv = None
    if any(part.albedo is not None for part in parts):
        grey = [np.full((len(part.vertices), 3), protocol.GREY, np.float32) for part in parts]
        own = [usual if part.albedo is None else part.albedo for part, usual in zip(parts, grey, strict=True)]
        albedo = np.concatenate(own)
    if any(part.uv is not None for part in parts):
        uv = np.concatenate([np.zeros((len(part.corners), 2)) if part.uv is None else part.uv for part in parts])
    return Polygons(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.corners + start for part, start in zip(parts, before, strict=True)]),
        np.concatenate([part.sizes for part in parts]),
        uv,
        albedo,
    )


def numbers(text: bytes, kind: type = np.float64) -> tuple[NDArray, Ints]:
    """All numbers of a text of lines, in their order, and how many each line has.

    Where one is none, there are fewer of them than the lines have words.
    """
    signs = np.frombuffer(text, np.uint8)
    begins = signs > ord(" ")
    begins[1:] &= signs[:-1] <= ord(" ")
    line = np.cumsum(signs == ord("\n"))
    widths = np.bincount(line[begins], minlength=text.count(b"\n") + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(text, kind, sep=" "), widths
        except (DeprecationWarning, ValueError):  # which of them depends on numpy's version
            return np.empty(0, kind), widths


def ramps(lengths: Ints) -> Ints:
    """0, 1, ... n - 1 for each length n, one after another."""
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)


# --- Triangles that cover polygons


def triangles(vertices: Reals, corners: Ints, sizes: Ints) -> NDArray[np.int32]:
    """(F, 3) corner indices: a fan where it covers the polygon, as it does the convex, and ears cut off elsewhere."""
    fans = fan_triangles(sizes)
    if not len(sizes) or sizes.max() == 3:
        return fans
    polygon = np.repeat(np.arange(len(sizes)), sizes - 2)
    normals = _normals(vertices, corners, fans)
    whole = np.stack([np.bincount(polygon, column, len(sizes)) for column in normals.T], axis=1)
    backwards = np.einsum("fk,fk->f", normals, whole[polygon]) < 0.0
    unfit = np.bincount(polygon, backwards, len(sizes)) > 0
    quads = unfit & (sizes == 4)
    turned = (np.cumsum(sizes) - sizes)[quads][:, None] + [1, 2, 3, 1, 3, 0]  # along its other diagonal
    fans[quads[polygon]] = turned.reshape(-1, 3)
    ends, ends_of_fans = np.cumsum(sizes), np.cumsum(sizes - 2)
    for one in np.flatnonzero(unfit & (sizes > 4)):
        start, size = int(ends[one] - sizes[one]), int(sizes[one])
        outline = _flat(vertices[corners[start : start + size]], whole[one])
        fans[ends_of_fans[one] - (size - 2) : ends_of_fans[one]] = start + np.array(_ears(outline))
    return fans


def _normals(vertices: Reals, corners: Ints, faces: NDArray[np.int32]) -> Reals:
    a, b, c = (vertices[corners[faces[:, k]]] for k in range(3))
    return np.cross(b - a, c - a)


def _flat(points: Reals, normal: Reals) -> Reals:
    """(N, 2) of points (N, 3), seen against their normal."""
    normal = normal / np.linalg.norm(normal)
    across = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    return (points - points.mean(axis=0)) @ np.stack([across, np.cross(normal, across)], axis=1)


def _ears(outline: Reals) -> list[tuple[int, int, int]]:
    """N - 2 triangles of an outline (N, 2) that runs counter-clockwise, each an ear of what those before it leave."""
    ring, found, place, tried = list(range(len(outline))), [], 0, 0
    while len(ring) > 3 and tried < len(ring):
        ear = ring[place - 1], ring[place], ring[(place + 1) % len(ring)]
        if _is_ear(outline, ear, ring):
            found.append(ear)
            del ring[place]
            place, tried = place % len(ring), 0
        else:
            place, tried = (place + 1) % len(ring), tried + 1
    # of an outline that crosses itself, or has no area left, there may be more than three
    return found + [(ring[0], b, c) for b, c in pairwise(ring[1:])]


def _is_ear(outline: Reals, ear: tuple[int, int, int], ring: list[int]) -> bool:
    a, b, c = outline[list(ear)]
    if _turn(a, b, c) <= 0.0:
        return False
    points = outline[ring]
    inside = (_turn(a, b, points) >= 0.0) & (_turn(b, c, points) >= 0.0) & (_turn(c, a, points) >= 0.0)
    at_corner = ((points == a) | (points == b) | (points == c)).all(axis=1)  # those of a bridge to a hole as well
    return not (inside & ~at_corner).any()


def _turn(a: Reals, b: Reals, c: Reals) -> Reals:
    """Twice the area of a, b, c (..., 2); positive where they run counter-clockwise."""
    return (b[0] - a[0]) * (c[..., 1] - a[1]) - (b[1] - a[1]) * (c[..., 0] - a[0])
