"""What a camera sees of a mesh that moves, exactly: no flow is measured."""

import numpy as np
import torch

from backend.clip import Mesh
from backend.render.cameras import Cameras, pinhole
from backend.species import SPECIES
from backend.specimens import grow
from backend.spectral import SpectralVolume, analyse, looped
from kernels.rasterize import rasterize

Size = tuple[int, int]  # height and width
FRAMES = 64


def specimen(kind: str, detail: float, tau: float = 0.6, seed: int = 1) -> Mesh:
    """What is there of it at that time of its life, as an artist's mesh."""
    grown = grow(SPECIES[kind](detail=detail), seed)
    return grown.mesh.at(grown.at(tau).positions)


def towards(direction: np.ndarray, target: np.ndarray, distance: float) -> np.ndarray:
    """(4, 4) world -> a camera which looks that way at the target."""
    back = -np.asarray(direction, float) / np.linalg.norm(direction)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    view = np.eye(4)
    view[:3, :3] = right, np.cross(back, right), back
    view[:3, 3] = -view[:3, :3] @ (target + distance * back)
    return view


def portrait(points: np.ndarray, direction: np.ndarray, size: Size) -> Cameras:
    """All of the points, through a lens of about 50 mm."""
    target = (points.min(axis=0) + points.max(axis=0)) / 2
    reach = np.linalg.norm(points - target, axis=1).max()
    focal = 1.4 * min(size)
    distance = 1.1 * reach * 2 * 1.4
    view = towards(direction, target, distance)
    return pinhole(view, focal, (size[1] / 2, size[0] / 2), size, 0.1 * distance, 10 * distance)


def pixels(camera: Cameras, points: np.ndarray, size: Size) -> np.ndarray:
    """(V, 2) x to the right and y down, of points (V, 3)."""
    x, y, _, w = camera.project(torch.from_numpy(np.asarray(points, float)))[0].numpy().T
    return np.stack([(x / w + 1) * size[1] / 2, (1 - y / w) * size[0] / 2], axis=1)


def under(camera: Cameras, points: np.ndarray, faces: np.ndarray, size: Size):
    """(H, W) triangles, -1 for none, and (H, W, 3) barycentrics."""
    clip = camera.project(torch.from_numpy(np.asarray(points, float)))
    found = rasterize(clip, torch.from_numpy(faces), *size)
    return found.triangle[0].numpy(), found.barycentrics[0].numpy()


def filmed(camera: Cameras, points: np.ndarray, faces: np.ndarray, motion: SpectralVolume, size: Size):
    """The volumes that the mesh (K, V, 3) and the picture (K, H, W, 2) have, seen from the first frame, in which the
    mesh is at `points`."""
    moved = looped(motion, FRAMES).astype(float)
    moved -= moved[0]
    triangle, shares = under(camera, points, faces, size)
    there = triangle >= 0
    corners, shares = faces[triangle[there]], shares[there]
    places = [np.einsum("pc,pci->pi", shares, (points + step)[corners]) for step in moved]
    found = np.array([pixels(camera, place, size) for place in places])
    shown = np.zeros((FRAMES, *size, 2))
    shown[:, there] = found - found[0]
    bins = len(motion.coefficients)
    return analyse(moved, motion.base, bins)[0], analyse(shown, motion.base, bins)[0]


def seen_vertices(camera: Cameras, points: np.ndarray, faces: np.ndarray, size: Size) -> np.ndarray:
    """(V,) whether a triangle of theirs wins a pixel."""
    triangle, _ = under(camera, points, faces, size)
    seen = np.zeros(len(points), bool)
    seen[faces[triangle[triangle >= 0]]] = True
    return seen


def apart(found: SpectralVolume, truth: SpectralVolume, of=slice(None)) -> float:
    """Root mean square of the difference over time and vertices, over that of the truth."""
    off = SpectralVolume((found.coefficients - truth.coefficients)[:, of])
    return float(np.sqrt(off.energy().sum() / SpectralVolume(truth.coefficients[:, of]).energy().sum()))


def nearest(points: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(V,) of each vertex the nearest that is seen."""
    from scipy.spatial import cKDTree

    there = np.flatnonzero(seen)
    return there[cKDTree(points[there]).query(points)[1]]


def in_the_picture(camera: Cameras, points: np.ndarray, truth: SpectralVolume) -> SpectralVolume:
    """What of a motion (K, V, 3) can be told from one view: without its part along the line of sight."""
    eye = camera.to_world[0, :3, 3].numpy()
    sight = points - eye
    sight /= np.linalg.norm(sight, axis=1, keepdims=True)
    along = np.einsum("kvi,vi->kv", truth.coefficients, sight)
    return SpectralVolume(truth.coefficients - along[..., None] * sight, truth.base)
