"""Meshes as they should not be, and are."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from backend.clip import Mesh
from tests.bench.subjects.food import apple, cheese
from tests.bench.subjects.modelling import Piece, join, sheet, tube, turned
from tests.bench.subjects.plants import tulip


def nasty() -> dict[str, Callable[[], Mesh]]:
    """By what is wrong with them."""
    return {
        "non_manifold": non_manifold,
        "open": open_bowl,
        "many_bodies": many_bodies,
        "flat": flat,
        "eight_vertices": eight_vertices,
        "one_triangle": one_triangle,
        "self_crossing": self_crossing,
        "zero_area": zero_area,
        "inside_out": inside_out,
        "unwelded": unwelded,
        "tiny": lambda: _scaled(1e-4),
        "huge": lambda: _scaled(1e4),
        "far_away": far_away,
        "half_a_million": half_a_million,
    }


def non_manifold() -> Mesh:
    """Three walls that meet in one edge, and two boxes that share a vertex."""
    s, t = np.meshgrid(np.linspace(0, 1, 15), np.linspace(0, 1, 15))
    walls = []
    for k in range(3):
        angle = 2 * np.pi * k / 3
        walls.append(sheet(np.stack([s * np.cos(angle), s * np.sin(angle), t], axis=-1), "walls"))
    box = _box()
    boxes = [box.moved(scale=0.3, by=(1.5, 0, 0)), box.moved(scale=0.3, by=(1.8, 0.3, 0.3))]
    return _merged_places(join([*walls, *boxes]))


def open_bowl() -> Mesh:
    """Half a ball without a lid, wall of no thickness."""
    s = np.linspace(0.03, 0.5, 24)
    return join([tube(turned(np.sin(np.pi * s), 1 - np.cos(np.pi * s), 40), "bowl", caps=(True, False))])


def many_bodies() -> Mesh:
    """Three hundred tetrahedra in the air and one on the floor."""
    rng = np.random.default_rng(4)
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
    places = rng.uniform(0, 1, (300, 3))
    points = (places[:, None] + 0.05 * rng.uniform(0.5, 1.5, (300, 1, 1)) * corners).reshape(-1, 3)
    return Mesh.from_triangles(points, (faces + 4 * np.arange(300)[:, None, None]).reshape(-1, 3))


def flat() -> Mesh:
    """Two layers at one height, of quads, upright: no thickness at all."""
    x, z = np.meshgrid(np.linspace(0, 1, 40), np.linspace(0, 1.6, 60))
    return join(
        [sheet(np.stack([x, 0 * x, z], axis=-1), "front"), sheet(np.stack([x + 0.01, 0 * x, z], axis=-1), "back")]
    )


def eight_vertices() -> Mesh:
    return join([_box()])


def one_triangle() -> Mesh:
    return Mesh.from_triangles(np.array([[0, 0, 0], [1, 0, 0], [0.3, 0, 1.0]]), np.array([[0, 1, 2]]))


def self_crossing() -> Mesh:
    """A thick ring that runs through itself."""
    turn_about = np.linspace(0, 4 * np.pi, 160, endpoint=False)
    r = 1 + 0.25 * np.cos(1.5 * turn_about)
    spine = np.stack([r * np.cos(turn_about), r * np.sin(turn_about), 0.6 + 0.1 * np.sin(turn_about * 1.5)], axis=1)
    angle = np.arange(16) * (2 * np.pi / 16)
    out = spine * [1, 1, 0] / np.linalg.norm(spine[:, :2], axis=1, keepdims=True)
    ring = np.cos(angle)[None, :, None] * out[:, None] + np.sin(angle)[None, :, None] * np.array([0, 0, 1.0])
    return join([tube(spine[:, None] + 0.3 * ring, "ring")])


def zero_area() -> Mesh:
    """An apple with faces collapsed to lines and points, and vertices that no face uses."""
    mesh = apple(0.5)
    points = mesh.vertices.copy()
    rng = np.random.default_rng(5)
    faces = mesh.faces
    for f in rng.choice(len(faces), 60, replace=False):
        points[faces[f, 1]] = points[faces[f, 0]]
    for f in rng.choice(len(faces), 20, replace=False):
        points[faces[f, 1:]] = points[faces[f, 0]]
    points = np.concatenate([points, points[:30] + np.float32(0.01)])
    return Mesh.from_triangles(points, faces)


def inside_out() -> Mesh:
    """A wedge of cheese whose normals all point inwards."""
    mesh = cheese(0.6)
    return Mesh.from_triangles(mesh.vertices, mesh.faces[:, ::-1], albedo=mesh.albedo)


def unwelded() -> Mesh:
    """A flower of triangles that share no vertex."""
    mesh = tulip(0.5)
    faces = mesh.faces.ravel()
    return Mesh.from_triangles(mesh.vertices[faces], np.arange(len(faces)).reshape(-1, 3), albedo=mesh.albedo[faces])


def far_away() -> Mesh:
    """A hundred kilometres from the origin, where float32 knows no less than 8 mm."""
    mesh = tulip(0.6)
    return mesh.at((mesh.vertices * 30 + np.float32(1e5)).astype(np.float32))


def half_a_million() -> Mesh:
    """A knobbly ball of half a million vertices."""

    def field(p):
        return np.linalg.norm(p, axis=1) - 1 - 0.06 * np.sin(9 * p[:, 0]) * np.sin(9 * p[:, 1]) * np.sin(9 * p[:, 2])

    angle = np.pi * (np.arange(1, 601) / 601)
    rings = turned(np.sin(angle), -np.cos(angle), 834)
    p = rings / (1 + field(rings.reshape(-1, 3)).reshape(600, 834))[..., None]
    return join([tube(p, "ball")])


def _scaled(size: float) -> Mesh:
    mesh = tulip(0.6)
    return mesh.at((mesh.vertices * np.float32(size / np.ptp(mesh.vertices, axis=0).max())).astype(np.float32))


def _box() -> Piece:
    ring = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    walls = tube(np.stack([ring, ring + [0, 0, 1]]), "box", caps=(False, False))
    return walls.with_(
        corners=np.concatenate([walls.corners, [3, 2, 1, 0, 4, 5, 6, 7]]),
        sizes=np.append(walls.sizes, [4, 4]),
        uv=np.concatenate([walls.uv, np.tile([[0.0, 0], [1, 0], [1, 1], [0, 1]], (2, 1))]),
    )


def _merged_places(mesh: Mesh) -> Mesh:
    points, first, which = np.unique(mesh.vertices.round(6), axis=0, return_index=True, return_inverse=True)
    own = {name: getattr(mesh, name)[first] for name in ("albedo", "roughness", "metallic", "parts")}
    return replace(mesh, vertices=points, corners=which.ravel()[mesh.corners].astype(np.int32), **own)
