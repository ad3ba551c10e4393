"""Several specimens as one: side by side on the floor, each with its own place, heading and age."""

from typing import NamedTuple

import numpy as np

from backend.clip import Frame, Mesh
from backend.specimens.core import GOLDEN_ANGLE, Array, Specimen, turn

LOOKED_AT = 5  # moments of a life
SPACING = 0.66  # of Vogel's spiral: no two places are nearer than the width, up to 50 of them


class Place(NamedTuple):
    """Where one stands: x and y in metres, its heading about z in radians."""

    x: float
    y: float
    heading: float

    def turned(self, points: Array) -> Array:
        """(V, 3) with its heading, still about the origin."""
        return points @ turn("z", np.array(self.heading)).T if self.heading else points

    def moved(self, points: Array) -> Array:
        """(V, 3) to its place."""
        return points + [self.x, self.y, 0.0]


def spiral(count: int, width: float, rng: np.random.Generator) -> list[Place]:
    """Places `width` metres apart or more, in Vogel's spiral from the middle outwards (Math. Biosci. 44, 1979); one
    alone stands in the middle as it grew."""
    if count == 1:
        return [Place(0.0, 0.0, 0.0)]
    radius = width * SPACING * np.sqrt(np.arange(count) + 0.5)
    angle = np.arange(count) * GOLDEN_ANGLE + rng.uniform(0, 2 * np.pi)
    heading = rng.uniform(0, 2 * np.pi, count)
    return [Place(*one) for one in zip(radius * np.cos(angle), radius * np.sin(angle), heading, strict=True)]


def gather(meshes: list[Mesh]) -> Mesh:
    """One mesh of several of one kind, each in a square of the atlas of its own; vertices one after another."""
    counts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    corners = np.cumsum([0, *(len(mesh.corners) for mesh in meshes)])
    rows = int(np.ceil(np.sqrt(len(meshes))))
    names = tuple(dict.fromkeys(name for mesh in meshes for name in mesh.part_names))
    parts = [np.array([names.index(name) for name in mesh.part_names], np.int32)[mesh.parts] for mesh in meshes]
    uv = [(mesh.uv + [k % rows, k // rows]) / rows for k, mesh in enumerate(meshes)]

    def all_of(name: str) -> np.ndarray | None:
        values = [getattr(mesh, name) for mesh in meshes]
        return None if values[0] is None else np.concatenate(values)

    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.corners + first for mesh, first in zip(meshes, counts, strict=False)]).astype(np.int32),
        np.concatenate([mesh.sizes for mesh in meshes]),
        np.concatenate([mesh.triangles + first for mesh, first in zip(meshes, corners, strict=False)]).astype(np.int32),
        uv=np.concatenate(uv).astype(np.float32),
        albedo=all_of("albedo"),
        roughness=all_of("roughness"),
        metallic=all_of("metallic"),
        parts=np.concatenate(parts),
        part_names=names,
    )


def together(frames: list[Frame], tau: float) -> Frame:
    """One frame of those of several, which stand at their places."""

    def all_of(name: str) -> np.ndarray | None:
        values = [getattr(frame, name) for frame in frames]
        return None if values[0] is None else np.concatenate(values)

    names = "positions", "albedo", "roughness", "metallic", "opacity", "emission"
    return Frame(tau, **{name: all_of(name) for name in names})


def reach_of(specimen: Specimen) -> float:
    """Metres that one needs about its foot: twice the farthest that any of it gets from there, over its life."""
    moments = (specimen.at(tau).positions[:, :2] for tau in np.linspace(0, 1, LOOKED_AT))
    return 2 * max(float(np.linalg.norm(points, axis=1).max()) for points in moments)
