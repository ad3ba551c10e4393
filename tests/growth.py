"""What is measured of a specimen: how much of it crosses itself or lies folded, how far it jumps, whether matter is
kept."""

import numpy as np

from backend.clip import Mesh
from backend.geometry.fields import parts
from backend.specimens.core import Specimen
from kernels.crossings import crossings

SLACK = 1e-6  # sizes: what reaches in no deeper does not cross
FRAMES = 240  # of a life in which no vertex may jump
STRIDE = 12  # of them, between which nothing need be looked at where all moves less than it may between two


def size(positions: np.ndarray) -> float:
    """The largest extent, metres."""
    return float(np.ptp(positions, axis=0).max())


def crossing_share(mesh: Mesh, positions: np.ndarray) -> float:
    """Of the triangles at `positions` (V, 3), the share that passes through others."""
    faces = mesh.faces.astype(np.int64)
    placed = positions.astype(np.float64)[faces]
    return float(crossings(placed, faces, SLACK * size(positions)).mean())


def folded_share(mesh: Mesh, positions: np.ndarray) -> float:
    """Of the edges between two triangles, the share at which one lies back on the other: turned by over 120 degrees.
    Triangles without area (shrunk to nothing) are not counted."""
    first, second = _neighbours(mesh)
    corners = positions.astype(np.float64)[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normals, axis=1)
    there = np.minimum(area[first], area[second]) > 1e-9 * size(positions) ** 2
    cosine = np.einsum("fk,fk->f", normals[first], normals[second]) / np.maximum(area[first] * area[second], 1e-300)
    return float((cosine[there] < -0.5).mean())


def _neighbours(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    faces = mesh.faces
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    order = np.lexsort(edges.T)
    same = (edges[order[1:]] == edges[order[:-1]]).all(axis=1)
    face = order // 3
    return face[:-1][same], face[1:][same]


def largest_step(specimen: Specimen) -> float:
    """Of a vertex between two of 240 frames, in sizes of the specimen at its largest."""
    before, largest, extent = None, 0.0, 0.0
    for tau in np.linspace(0, 1, FRAMES):
        now = specimen.at(float(tau)).positions
        if before is not None:
            largest = max(largest, float(np.linalg.norm(now - before, axis=1).max()))
        before, extent = now, max(extent, size(now))
    return largest / extent


def jump(specimen: Specimen, bound: float) -> float:
    """The largest step, as above, where that is `bound` or more; else something less than that, found sooner."""
    taus = np.linspace(0, 1, FRAMES).tolist()
    ends = [*range(0, FRAMES - 1, STRIDE), FRAMES - 1]
    frames = [specimen.at(taus[k]).positions for k in ends]
    extent = max(map(size, frames))

    def largest(first: int, last: int, before: np.ndarray, after: np.ndarray) -> float:
        moved = float(np.linalg.norm(after - before, axis=1).max()) / extent
        if moved < bound or last == first + 1:
            return moved
        middle = (first + last) // 2
        between = specimen.at(taus[middle]).positions
        return max(largest(first, middle, before, between), largest(middle, last, between, after))

    return max(map(largest, ends[:-1], ends[1:], frames[:-1], frames[1:]))


def volume(mesh: Mesh, positions: np.ndarray, parts: tuple[str, ...]) -> float:
    """Cubic metres that closed parts enclose."""
    chosen = np.isin(mesh.parts[mesh.faces[:, 0]], [mesh.part_names.index(part) for part in parts])
    a, b, c = np.moveaxis(positions.astype(np.float64)[mesh.faces[chosen]], 1, 0)
    return float(np.einsum("fk,fk->", a, np.cross(b, c)) / 6)


def volumes_of_closed_pieces(mesh: Mesh, positions: np.ndarray) -> np.ndarray:
    """Cubic metres of each connected piece whose every edge lies between two faces: negative where inside out."""
    piece = parts(len(mesh.vertices), mesh.faces)[mesh.faces[:, 0]]
    edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, edge, times = np.unique(edges, axis=0, return_inverse=True, return_counts=True)
    open_ = np.bincount(np.repeat(piece, 3), weights=times[edge.reshape(-1)] != 2)
    a, b, c = np.moveaxis(positions.astype(np.float64)[mesh.faces], 1, 0)
    return (np.bincount(piece, weights=np.einsum("fk,fk->f", a, np.cross(b, c))) / 6)[open_ == 0]


def law_broken(specimen: Specimen, taus: np.ndarray) -> float:
    """The largest difference of a volume from its law, as a share of the volume at tau 0, which is positive."""
    matter = specimen.matter
    assert matter is not None
    whole = volume(specimen.mesh, specimen.at(0.0).positions, matter.parts)
    assert whole > 0, "its faces look inwards"
    held = [volume(specimen.mesh, specimen.at(float(tau)).positions, matter.parts) / whole for tau in taus]
    return float(np.abs(np.array(held) - [matter.share(float(tau)) for tau in taus]).max())


def islands(mesh: Mesh) -> int:
    """Connected pieces."""
    return int(parts(len(mesh.vertices), mesh.faces).max()) + 1


def islands_of_uv(mesh: Mesh) -> np.ndarray:
    """(F,) the chart that each triangle is drawn in: triangles that share two texels are in one."""
    _, texels = np.unique(np.round(mesh.uv, 6), axis=0, return_inverse=True)
    corners = texels.reshape(-1)[mesh.triangles]
    return parts(int(corners.max()) + 1, corners)[corners[:, 0]]
