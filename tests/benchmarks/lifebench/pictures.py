"""A life as cameras see it: pictures, masks, depth and the flow of every pixel, all exact. Needs torch.

A picture is lit and drawn as the project's contact sheets are. Masks, depth and flow are of the pixels' centres: a
pixel sees a point of a triangle, and where that point lies in the next frame is known. Row 0 is the top; pixel
(i, j) has its centre at (j + 0.5, i + 0.5).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from backend.clip import Clip
from backend.render.cameras import Cameras
from kernels.rasterize import rasterize
from tests.bench import look

VIEWS = {f"fixed{k}": (azimuth, 0.25) for k, azimuth in enumerate(np.radians([25.0, 115.0, 205.0, 295.0]))}
TURNING = "turning"  # once about it while it lives
ELEVATION = 0.25
OCCLUDED = 0.01  # of the size: what is nearer than a point by more hides it


class View(NamedTuple):
    """A camera for each of T frames, metres: world (x, y, z, 1) -> camera (right, up, back), and what a picture of
    `side` pixels makes of it."""

    matrices: np.ndarray  # (T, 3, 4)
    focal: float  # pixels
    side: int

    def project(self, points: np.ndarray, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (..., 2), x to the right and y down, and depth (...) metres along the axis, of points (..., 3)."""
        matrix = self.matrices[frame]
        seen = points @ matrix[:, :3].T + matrix[:, 3]
        depth = -seen[..., 2]
        flat = seen[..., :2] / np.maximum(depth, 1e-12)[..., None]
        return self.side / 2 + self.focal * flat * [1.0, -1.0], depth


class Seen(NamedTuple):
    """One frame through one camera."""

    picture: np.ndarray  # (side, side, 3) uint8 sRGB
    mask: np.ndarray  # (side, side) bool
    depth: np.ndarray  # (side, side) float32 metres, 0 where nothing is seen
    flow: np.ndarray  # (side, side, 2) float32 pixels to the next frame, x right and y down; 0 in the last
    followed: np.ndarray  # (side, side) bool: its point is seen in the next frame too


def cameras(clip: Clip, side: int) -> dict[str, tuple[Cameras, View]]:
    """Every camera by name: for the renderer, in the unit ball of its scene, and in metres."""
    scene, count = look.Scene.of(clip), len(clip.positions)
    out = {}
    for name, angles in VIEWS.items():
        eyes = look.framed(scene, [angles])
        out[name] = Cameras(eyes.view.repeat(count, 1, 1), eyes.projection.repeat(count, 1, 1))
    turns = [(VIEWS["fixed0"][0] + 2 * np.pi * k / count, ELEVATION) for k in range(count)]
    out[TURNING] = look.framed(scene, turns, turning=True)
    return {name: (eyes, _in_metres(eyes, scene, side)) for name, eyes in out.items()}


def _in_metres(eyes: Cameras, scene: look.Scene, side: int) -> View:
    turn, shift = eyes.view[:, :3, :3].double().numpy(), eyes.view[:, :3, 3].double().numpy()
    shift = shift * scene.radius - turn @ scene.centre
    return View(np.concatenate([turn, shift[..., None]], axis=2), float(eyes.projection[0, 0, 0]) * side / 2, side)


def seen(clip: Clip, through: dict[str, tuple[Cameras, View]]) -> Iterator[dict[str, Seen]]:
    """Each frame of a clip through every camera: what light there is, is found once for all of them."""
    scene = look.Scene.of(clip)
    for frame in range(len(clip.positions)):
        eyes = [
            Cameras(each.view[frame : frame + 1], each.projection[frame : frame + 1]) for each, _ in through.values()
        ]
        together = Cameras(torch.cat([eye.view for eye in eyes]), torch.cat([eye.projection for eye in eyes]))
        drawn = look.picture(scene, float(frame), together, next(iter(through.values()))[1].side)[..., :3]
        yield {
            name: _seen(scene, each, view, frame, picture)
            for picture, (name, (each, view)) in zip(drawn, through.items(), strict=True)
        }


def _seen(scene: look.Scene, eyes: Cameras, view: View, frame: int, picture: np.ndarray) -> Seen:
    side, clip = view.side, scene.clip
    mask, triangle, weights = _points(scene, eyes, frame, side)
    corners = scene.faces[triangle[mask]]
    depth, flow = np.zeros((side, side), np.float32), np.zeros((side, side, 2), np.float32)
    followed = np.zeros((side, side), bool)
    _, depth[mask] = view.project(_at(clip, frame, corners, weights[mask]), frame)
    if frame + 1 < len(clip.positions):
        pixel, away = view.project(_at(clip, frame + 1, corners, weights[mask]), frame + 1)
        rows, columns = np.nonzero(mask)
        flow[mask] = pixel - np.stack([columns + 0.5, rows + 0.5], axis=1)
        followed[mask] = _in_sight(scene, eyes, view, frame + 1, pixel, away)
    return Seen(picture, mask, depth, flow, followed)


def _points(scene: look.Scene, eyes: Cameras, frame: int, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each pixel sees: whether anything, its triangle among all, its weights."""
    there = np.flatnonzero(scene.faces_there(float(frame)))
    one = Cameras(eyes.view[frame : frame + 1], eyes.projection[frame : frame + 1])
    placed = one.project(torch.from_numpy(scene.points(float(frame))).float())
    fragments = rasterize(placed, torch.from_numpy(scene.faces[there]), side, side)
    triangle, mask = fragments.triangle[0].numpy(), fragments.triangle[0].numpy() >= 0
    return mask, np.where(mask, there[np.maximum(triangle, 0)], -1), fragments.barycentrics[0].double().numpy()


def _at(clip: Clip, frame: int, corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N, 3) metres."""
    return np.einsum("nk,nkd->nd", weights, clip.positions[frame].astype(np.float64)[corners])


def _in_sight(scene, eyes: Cameras, view: View, frame: int, pixel: np.ndarray, away: np.ndarray) -> np.ndarray:
    """(N,) whether points at `pixel` (N, 2), `away` (N,) metres, are what is seen there in a frame."""
    mask, triangle, weights = _points(scene, eyes, frame, view.side)
    depth = np.full(mask.shape, np.inf)
    _, depth[mask] = view.project(_at(scene.clip, frame, scene.faces[triangle[mask]], weights[mask]), frame)
    column, row = np.floor(pixel).astype(int).T
    within = (row >= 0) & (row < view.side) & (column >= 0) & (column < view.side)
    nearest = np.full(len(pixel), -np.inf)
    nearest[within] = depth[row[within], column[within]]
    return within & np.isfinite(nearest) & (away <= nearest + OCCLUDED * 2 * scene.radius)
