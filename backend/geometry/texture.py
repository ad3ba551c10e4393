"""The surface of a mesh laid flat, and what a function says of its points painted on it.

A picture's row 0 is at the top, where v is 1, as Blender and the exporters take it.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from backend.clip import Floats, Mesh
from backend.geometry.body import Reals

PADDING = 6  # texels between charts, so that what is mixed at the edge of one never comes from another; 4 and more are
# left of them, for xatlas' own picture is up to half as wide again as it is asked to be
BLEED = 1.5  # texels about a chart in which the surface itself is asked: a sample on it mixes middles no farther off
SIZES = (16, 8192)  # texels a side
AT_ONCE = 2**20  # texels looked at in one go


class Unpaintable(ValueError):
    """No texture is to be had for this mesh; the message says why, and what to do."""


def unwrapped(mesh: Mesh, size: int = 1024) -> Mesh:
    """The mesh with UVs: charts in one square that do not overlap, apart from one another in a picture of `size`.

    They lie on the corners, so that a seam splits no vertex. By xatlas. Of a mesh of polygons only triangles remain.

    Raises:
        Unpaintable: a triangle has no area, a vertex is no number, or the size is out of bounds.
    """
    _check_size(size)
    import xatlas

    faces = mesh.faces
    corner = mesh.vertices[faces].astype(np.float64)
    area = 0.5 * np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    empty = np.count_nonzero(~(area > 0.0))
    if empty:
        raise Unpaintable(f"{empty} of {len(faces)} triangles have no area, and cannot be laid flat: clean the mesh")
    atlas = xatlas.Atlas()
    # areas below 1e-7 or so are taken for none: a mesh of a millimetre is laid flat as one of a metre
    atlas.add_mesh(mesh.vertices / np.ptp(mesh.vertices, axis=0).max(), faces.astype(np.uint32))
    packing = xatlas.PackOptions()
    packing.padding, packing.resolution, packing.bilinear = PADDING, size, True
    charting = xatlas.ChartOptions()
    # else half of the charts are mirrored: some as they are laid flat, some by a turn that swaps x and y
    charting.fix_winding, packing.rotate_charts = True, False
    atlas.generate(charting, packing)
    if atlas.atlas_count != 1:
        raise Unpaintable(f"The charts of {len(faces)} triangles do not fit a texture of {size} texels: take a larger")
    origin, triangles, uv = atlas[0]
    if not np.array_equal(origin[triangles], faces):
        raise Unpaintable("xatlas left triangles out: clean the mesh of those that are thin as needles")
    # its picture is not square: a texel must be as long as it is wide, and the margin is worth a padding too
    sides = np.array([atlas.width, atlas.height], np.float64)
    uv = uv[triangles.ravel()] * sides / sides.max()
    corners = np.arange(faces.size, dtype=np.int32).reshape(-1, 3)
    flat = {"corners": faces.ravel(), "sizes": np.full(len(faces), 3, np.int32), "triangles": corners}
    return replace(mesh, **flat, uv=np.ascontiguousarray(uv, np.float32))


def baked(mesh: Mesh, colour: Callable[[Reals], NDArray], size: int = 1024) -> Floats:
    """(size, size, K) what `colour` says, (N, 3) -> (N, K), of the point of the surface that is at each texel's middle.

    Texels within BLEED of a chart have the nearest point of it, and all others the value of the nearest of these: so
    seams do not show, in smaller versions of the picture either.

    Raises:
        Unpaintable: the mesh has no UVs, a value is no number, or the size is out of bounds.
    """
    _check_size(size)
    face, shares = laid_out(mesh, size)
    there = face >= 0
    if not there.any():
        raise Unpaintable("No texel lies on the mesh: its UVs are outside of the unit square")
    corner = mesh.vertices[mesh.faces[face[there]]].astype(np.float64)  # (N, 3, 3)
    points = np.einsum("nc,nci->ni", shares[there], corner)
    parts = [np.asarray(colour(points[k : k + AT_ONCE])) for k in range(0, len(points), AT_ONCE)]
    values = np.concatenate(parts).astype(np.float32)
    wrong = np.count_nonzero(~np.isfinite(values).all(axis=1))
    if wrong:
        raise Unpaintable(f"{wrong} of {len(values)} colours are no numbers: go back to the field's last good state")
    picture = np.zeros((size, size, values.shape[1]), np.float32)
    picture[there] = values
    nearest = ndimage.distance_transform_edt(~there, return_distances=False, return_indices=True)
    return picture[tuple(nearest)]


def laid_out(mesh: Mesh, size: int) -> tuple[NDArray[np.int64], Reals]:
    """(size, size) the triangle at each texel's middle, or the nearest within BLEED texels, -1 where none is; and
    (size, size, 3) the shares of its corners in the nearest point of it."""
    if mesh.uv is None:
        raise Unpaintable("The mesh has no UVs: unwrap it first")
    flat = mesh.uv[mesh.triangles].astype(np.float64) * [size, -size] + [0, size]  # (F, 3, 2) texels, y down
    face = np.full(size * size, -1)
    shares = np.zeros((size * size, 3))
    distance = np.full(size * size, BLEED)
    for triangle, texel in _candidates(flat, size):
        middle = np.stack([texel % size, texel // size], axis=1) + 0.5
        share, away = _nearest(middle, flat[triangle])
        order = np.lexsort((triangle, away, texel))
        texel, first = np.unique(texel[order], return_index=True)
        chosen = order[first]
        better = away[chosen] < distance[texel]
        chosen, texel = chosen[better], texel[better]
        face[texel], shares[texel], distance[texel] = triangle[chosen], share[chosen], away[chosen]
    return face.reshape(size, size), shares.reshape(size, size, 3)


def _candidates(flat: Reals, size: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Triangles and texels (N,), paired, that may be within BLEED: all of the triangles' boxes, a part at a time."""
    low = np.clip(np.floor(flat.min(axis=1) - BLEED).astype(np.int64), 0, size)
    high = np.clip(np.ceil(flat.max(axis=1) + BLEED).astype(np.int64), 0, size)
    width, height = (high - low).T
    number = width * height
    group = np.cumsum(number) // AT_ONCE
    for k in np.unique(group):
        those = np.flatnonzero(group == k)
        triangle = np.repeat(those, number[those])
        place = np.arange(len(triangle)) - np.repeat(np.cumsum(number[those]) - number[those], number[those])
        rows, columns = np.divmod(place, width[triangle])
        yield triangle, (low[triangle, 1] + rows) * size + low[triangle, 0] + columns


def _nearest(points: Reals, corners: Reals) -> tuple[Reals, Reals]:
    """Of triangles (N, 3, 2), the nearest point to each of the points (N, 2): its corners' shares (N, 3), and how far
    it is (N,)."""
    best, distance = np.zeros((len(points), 3)), np.full(len(points), np.inf)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        side, way = corners[:, b] - corners[:, a], points - corners[:, a]
        along = np.clip((side * way).sum(axis=1) / np.maximum((side**2).sum(axis=1), 1e-30), 0.0, 1.0)
        away = np.linalg.norm(way - along[:, None] * side, axis=1)
        nearer = away < distance
        share = np.zeros((len(points), 3))
        share[:, a], share[:, b] = 1.0 - along, along
        best[nearer], distance[nearer] = share[nearer], away[nearer]
    # twice the areas of the triangles that the point makes with each side
    spokes = corners - points[:, None]
    following = np.roll(spokes, -1, axis=1)
    parts = np.roll(spokes[..., 0] * following[..., 1] - spokes[..., 1] * following[..., 0], -1, axis=1)
    whole = parts.sum(axis=1)
    inside = (parts * np.sign(whole)[:, None] >= 0.0).all(axis=1) & (whole != 0.0)
    best[inside] = parts[inside] / whole[inside, None]
    return best, np.where(inside, 0.0, distance)


def _check_size(size: int) -> None:
    if not SIZES[0] <= size <= SIZES[1]:
        raise Unpaintable(f"A texture of {size} texels a side: it may be {SIZES[0]} to {SIZES[1]}")
