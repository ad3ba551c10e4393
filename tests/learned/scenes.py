"""Meshes before cameras, in clip space: what rasterisers are held to each other on."""

import numpy as np
import torch
import trimesh
from torch import Tensor

Scene = tuple[Tensor, Tensor]  # positions (B, V, 4) float32 in clip space, faces (F, 3) int32


def perspective(near: float = 1.0, far: float = 10.0, focal: float = 2.0, aspect: float = 1.0) -> np.ndarray:
    """OpenGL's projection matrix; the eye looks along -z."""
    a, b = (far + near) / (near - far), 2 * far * near / (near - far)
    return np.array([[focal / aspect, 0, 0, 0], [0, focal, 0, 0], [0, 0, a, b], [0, 0, -1, 0]])


def seen(vertices: np.ndarray, faces: np.ndarray, poses: list[np.ndarray], projection: np.ndarray) -> Scene:
    """A mesh (V, 3) from the eyes that the `poses`, 4 x 4 matrices from the world to the eye, stand for."""
    homogeneous = np.concatenate([vertices, np.ones((len(vertices), 1))], axis=1)
    positions = np.stack([homogeneous @ (projection @ pose).T for pose in poses])
    return torch.from_numpy(positions).float(), torch.from_numpy(np.array(faces)).int()


def around(count: int, distance: float, tilt: float = 0.3) -> list[np.ndarray]:
    """Eyes on a circle about the origin that look at it, none along an axis."""
    poses = []
    for angle in 0.1 + 2 * np.pi * np.arange(count) / count:
        turn = trimesh.transformations.rotation_matrix(tilt, [1, 0, 0])
        turn = turn @ trimesh.transformations.rotation_matrix(angle, [0, 1, 0])
        turn[2, 3] = -distance
        poses.append(turn)
    return poses


def ball(subdivisions: int = 2, views: int = 3) -> Scene:
    """A sphere, whole in every view: a back face behind each front face."""
    mesh = trimesh.creation.icosphere(subdivisions)
    return seen(mesh.vertices, mesh.faces, around(views, 4.0), perspective())


def ring(views: int = 2) -> Scene:
    """A torus, which hides itself in part and leaves the picture at both sides."""
    mesh = trimesh.creation.torus(1.0, 0.35, major_sections=24, minor_sections=12)
    return seen(mesh.vertices, mesh.faces, around(views, 3.0, tilt=1.1), perspective(aspect=0.7))


def soup(count: int = 60, views: int = 2, seed: int = 0) -> Scene:
    """Triangles at random: through each other, either way round, some out of the picture, none behind the eye."""
    rng = np.random.default_rng(seed)
    corners = rng.normal(size=(count, 1, 3)) * 0.7 + rng.normal(size=(count, 3, 3)) * 0.5
    corners *= np.minimum(1, 1.6 / np.linalg.norm(corners, axis=2, keepdims=True))
    faces = rng.permutation(3 * count).reshape(count, 3)
    return seen(corners.reshape(-1, 3)[np.argsort(faces.ravel())], faces, around(views, 3.0), perspective())


def inside(subdivisions: int = 2, views: int = 2) -> Scene:
    """A sphere from within: triangles cross the near plane, and reach behind the eye."""
    mesh = trimesh.creation.icosphere(subdivisions)
    return seen(mesh.vertices, mesh.faces, around(views, 0.6), perspective(near=0.2))


WHOLE = {"ball": ball, "ring": ring, "soup": soup}  # scenes between the near and the far plane in every view
