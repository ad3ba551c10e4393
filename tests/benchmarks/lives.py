"""Hand-made lives whose measures are known in closed form."""

from dataclasses import replace

import numpy as np
import trimesh

from backend.clip import Clip, Mesh
from backend.species import Rose
from backend.specimens.core import Matter
from tests.benchmarks.lifebench.metrics import Freedom, Pair
from tests.benchmarks.lifebench.nouns import Reals, Sequence, Truth


def life(positions: Reals, faces, colours: Reals | None = None, matter: Matter | None = None, **rest) -> Truth:
    """Positions (T, V, 3), faces (F, 3), albedo (T, V, 3); further fields are the subject's."""
    whole = {"loop": rest.pop("loop", False), "opacity": rest.pop("opacity", None)}
    given = rest.pop("given", 0)
    subject = Mesh.from_triangles(positions[0], faces, **rest)
    tau = np.linspace(0, 1, len(positions), dtype=np.float32)
    clip = Clip(subject, np.asarray(positions, np.float32), tau, 24.0, albedo=colours, **whole)
    return Truth(clip, Rose(), 0, matter, given=given)


def moved(truth: Truth, positions: Reals, **rest) -> Sequence:
    """The truth's mesh with its vertices elsewhere, (T, V, 3)."""
    faces = truth.sequence.frames[0][1]
    return replace(truth.sequence, frames=[(np.asarray(p, float), faces) for p in positions], **rest)


def untracked(sequence: Sequence) -> Sequence:
    """The same surfaces, of which nobody knows which point is which."""
    return replace(sequence, tracked=False)


def sphere(radius: float = 1.0, fine: int = 4):
    """(V, 3), (F, 3)"""
    mesh = trimesh.creation.icosphere(subdivisions=fine, radius=radius)
    return np.array(mesh.vertices), np.array(mesh.faces)


def cube(fine: int = 3):
    """Of side 2: (V, 3), (F, 3)"""
    mesh = trimesh.creation.box(extents=(2, 2, 2))
    for _ in range(fine):
        mesh = mesh.subdivide()
    return np.array(mesh.vertices), np.array(mesh.faces)


def lopsided():
    """A body that looks different from every side: (V, 3), (F, 3)"""
    body = trimesh.creation.box(extents=(2.0, 1.2, 0.7)).subdivide()
    ear = trimesh.creation.icosphere(subdivisions=2, radius=0.3)
    ear.apply_translation((0.8, 0.4, 0.6))
    tail = trimesh.creation.cone(radius=0.2, height=0.9, sections=12)
    tail.apply_translation((-0.5, -0.3, 0.3))
    mesh = trimesh.util.concatenate([body, ear, tail])
    return np.array(mesh.vertices), np.array(mesh.faces)


def shifts(steps: int, way: tuple[float, float, float]) -> Reals:
    """(T, 1, 3) even steps along a straight line."""
    return np.linspace(0, 1, steps)[:, None, None] * np.array(way)


def own(answer: Sequence, truth: Truth) -> Pair:
    """An answer that is in its place."""
    return Pair.of(answer, truth, Freedom.NONE)
