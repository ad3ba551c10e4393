"""Views of an object that sways: pictures, and how far what each pixel shows goes in time, exactly.

No optical flow is measured. The surface point under a pixel is a place in a triangle; its path is that of the corners,
and the camera projects it.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from backend.render.cameras import Cameras, orbit
from backend.training.dynamics.objects import Object
from backend.training.shading import encoded, normals
from kernels.interpolate import interpolate
from kernels.rasterize import Fragments, rasterize

Reals = NDArray[np.floating]

FINER = 3  # samples along each side of a pixel; odd, so that one of them is its centre
CLOSE = 0.5  # of the cameras look at a part
EMBER = 1.5  # how bright what glows is, in its own colour


@dataclass(frozen=True)
class Size:
    """Of a picture, in pixels."""

    height: int
    width: int


@dataclass(frozen=True, eq=False)
class Camera:
    """One camera and its picture's size."""

    cameras: Cameras  # of one
    size: Size

    @classmethod
    def somewhere(cls, points: Reals, size: Size, rng: np.random.Generator) -> Self:
        """From any side, mostly from a little above. All of the points (V, 3), or a part of them, fills the picture as
        far as the camera's distance goes."""
        aspect = size.width / size.height
        azimuth, elevation = torch.tensor([rng.uniform(0, 2 * np.pi)], dtype=torch.float64), rng.uniform(-0.05, 0.8)
        fovy = np.radians(rng.uniform(20, 50))
        near = np.ones(len(points), bool)
        target = (points.min(axis=0) + points.max(axis=0)) / 2
        if rng.random() < CLOSE:
            target = points[rng.integers(len(points))]
            reach = rng.uniform(0.12, 0.45) * np.ptp(points, axis=0).max()
            near = np.linalg.norm(points - target, axis=1) < reach
        share = rng.uniform(0.6, 1.0)
        turn = orbit(azimuth, elevation, 1.0, fovy).view[0, :3, :3].numpy()
        right, up, back = turn @ (points[near] - target).T
        half = np.tan(fovy / 2) * share
        distance = max((np.abs(right) / (half * aspect) + back).max(), (np.abs(up) / half + back).max())
        aside = (1 - share) * distance * np.tan(fovy / 2) * rng.uniform(-1, 1, 2)
        target = target + aside[0] * aspect * turn[0] + aside[1] * turn[1]
        return cls(orbit(azimuth, elevation, distance, fovy, tuple(target.tolist()), aspect), size)

    @property
    def eye(self) -> Reals:
        """(3,)."""
        return self.cameras.to_world[0, :3, 3].numpy()

    def clip(self, points: Reals) -> torch.Tensor:
        """(B, V, 4) in clip space, float32, of points (B, V, 3)."""
        matrix = (self.cameras.projection @ self.cameras.view)[0].float()
        return torch.from_numpy(np.ascontiguousarray(points, np.float32)) @ matrix[:, :3].T + matrix[:, 3]

    def pixels(self, points: Reals) -> Reals:
        """(..., 2) x to the right and y down, in pixels from the picture's corner, of points (..., 3)."""
        matrix = (self.cameras.projection @ self.cameras.view)[0].numpy()[[0, 1, 3]]
        x, y, w = np.moveaxis(points @ matrix[:, :3].T + matrix[:, 3], -1, 0)
        return np.stack([(x / w + 1) * self.size.width / 2, (1 - y / w) * self.size.height / 2], axis=-1)


@dataclass(frozen=True, eq=False)
class Light:
    """A sun and a sky."""

    towards: Reals  # (3,) the sun, of length 1
    sun: Reals  # (3,) linear
    sky: Reals  # (3,)
    ground: Reals  # (3,) what it sends back

    @classmethod
    def somewhere(cls, rng: np.random.Generator) -> Self:
        azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1.4)
        towards = np.array([np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height)])
        warm, share = rng.normal(0, 0.1), rng.uniform(0.3, 0.8)
        sun, sky = np.exp([warm, 0, -warm]), np.exp([-warm / 2, 0, warm / 2])
        bright = rng.uniform(0.8, 1.6)
        return cls(towards, bright * share * sun, bright * (1 - share) * sky, bright * 0.3 * rng.uniform(0.3, 1, 3))

    def on(self, thing: Object, points: Reals, eye: Reals) -> NDArray[np.float32]:
        """(V, 3) linear: the colours of a thing whose vertices are now at points (V, 3), seen from `eye`."""
        normal = normals(points, thing.faces)
        seen = eye - points
        seen /= np.linalg.norm(seen, axis=1, keepdims=True)
        normal *= np.where((normal * seen).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)  # leaves have two sides
        facing = normal @ self.towards
        half = seen + self.towards
        half /= np.linalg.norm(half, axis=1, keepdims=True)
        gloss = np.clip((normal * half).sum(axis=1), 0, 1) ** (2 / np.clip(thing.roughness, 0.15, 1) ** 2)
        through = 0.25 * np.clip(-facing, 0, 1)  # what shines through from behind
        upward = (0.5 + 0.5 * normal[:, 2])[:, None]
        light = (np.clip(facing, 0, 1) + through)[:, None] * self.sun + upward * self.sky + (1 - upward) * self.ground
        shine = 0.15 * ((1 - thing.roughness) * gloss * (facing > 0))[:, None] * self.sun
        return (thing.albedo * (light + EMBER * thing.emission[:, None]) + shine).astype(np.float32)


def background(size: Size, rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W, 3) linear: one colour, a gradient, a horizon, or blurs of colours, as of what is out of focus."""
    height, width = size.height, size.width
    vivid = rng.uniform(0.1, 0.7)
    one, other = vivid * rng.uniform(0.02, 0.9, (2, 3)) ** 1.5 + (1 - vivid) * rng.uniform(0.02, 0.9, (2, 1)) ** 1.5
    y, x = np.mgrid[:height, :width] / max(height, width)
    match rng.integers(4):
        case 0:
            share = np.zeros((height, width))
        case 1:
            angle = rng.uniform(0, 2 * np.pi)
            share = np.clip(0.5 + (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle), 0, 1)
        case 2:
            level, soft = rng.uniform(0.3, 0.9), rng.uniform(0.005, 0.1)
            share = 0.5 + 0.5 * np.tanh((y + 0.1 * rng.normal() * (x - 0.5) - level) / soft)
        case _:
            patches = blurs(size, rng)
            patches = vivid * patches + (1 - vivid) * patches[..., :1]
            return np.clip(one * (1 + patches), 0, 1).astype(np.float32)
    grain = 1 + rng.uniform(0, 0.25) * blurs(size, rng)[..., :1]
    return np.clip((one + (other - one) * share[..., None]) * grain, 0, 1).astype(np.float32)


def blurs(size: Size, rng: np.random.Generator) -> Reals:
    """(H, W, 3) smooth noise of mean about 0 and size about 0.5, the coarser the stronger."""
    total = np.zeros((size.height, size.width, 3))
    for cells, strength in ((3, 0.5), (6, 0.3), (12, 0.2), (24, 0.12)):
        grid = rng.normal(0, strength, (cells + 2, cells + 2, 3))
        for axis, count in enumerate((size.height, size.width)):
            place = np.linspace(0, cells, count)
            low = place.astype(int)
            t = place - low
            t = np.expand_dims(t * t * (3 - 2 * t), tuple({0, 1, 2} - {axis}))
            grid = np.take(grid, low, axis) * (1 - t) + np.take(grid, low + 1, axis) * t
        total += grid
    return total * 0.8


@dataclass(frozen=True, eq=False)
class Shot:
    """Frames of a moving thing, and what the first of them shows."""

    frames: NDArray[np.uint8]  # (B, 3, H, W) sRGB
    mask: NDArray[np.bool_]  # (H, W) pixels of the first in whose middle the thing is seen
    corners: NDArray[np.int32]  # (P, 3) the vertices about the point under each of them
    weights: NDArray[np.float32]  # (P, 3) and how much of each


def shoot(thing: Object, swing: Reals, camera: Camera, light: Light, behind: Reals) -> Shot:
    """The thing at modal coordinates (B, M), before a background (H, W, 3)."""
    points = thing.moved(swing)
    colours = np.stack([light.on(thing, pose, camera.eye) for pose in points])
    faces, clip = torch.from_numpy(thing.faces), camera.clip(points)
    height, width = camera.size.height, camera.size.width
    seen = rasterize(clip, faces, FINER * height, FINER * width)
    fine = interpolate(torch.from_numpy(colours), clip, faces, seen).numpy()
    there = (seen.triangle >= 0).numpy()[..., None]
    parts = (fine * there).reshape(len(points), height, FINER, width, FINER, 3).mean(axis=(2, 4))
    cover = there.reshape(len(points), height, FINER, width, FINER, 1).mean(axis=(2, 4))
    pictures = encoded(parts + (1 - cover) * behind)
    return Shot(np.ascontiguousarray(np.moveaxis(pictures, 3, 1)), *under(seen, thing.faces))


def under(seen: Fragments, faces: NDArray[np.int32]) -> tuple[NDArray[np.bool_], NDArray[np.int32], NDArray]:
    """mask (H, W), corners (P, 3) and weights (P, 3): what is seen in the middle of each pixel of the first view."""
    middle = slice(FINER // 2, None, FINER)
    triangle = seen.triangle[0, middle, middle].numpy()
    mask = triangle >= 0
    return mask, faces[triangle[mask]], seen.barycentrics[0, middle, middle].numpy()[mask]


def paths(thing: Object, swing: Reals, camera: Camera, shot: Shot) -> Reals:
    """(T, P, 2) pixels: how far what is seen in P pixels of the shot's first frame has gone, at coordinates (T, M)."""
    count = len(shot.corners)
    rest = np.einsum("pc,pci->pi", shot.weights, thing.points[shot.corners])
    shapes = np.einsum("pc,mpci->mpi", shot.weights, thing.shapes[:, shot.corners])
    moved = (swing @ shapes.reshape(len(shapes), 3 * count)).reshape(len(swing), count, 3)
    places = camera.pixels(moved + rest)
    return places - places[0]
