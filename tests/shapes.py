"""Small bodies that have no symmetry: a solid, a sheet, and both grown together."""

from dataclasses import replace

import numpy as np

from backend.geometry.body import Body


def body_of(vertices, faces, pin=None, weight=None) -> Body:
    count = len(vertices)
    return Body(
        np.asarray(vertices, float),
        np.asarray(faces, np.int32),
        np.zeros(count) if pin is None else pin,
        np.ones(count) if weight is None else weight,
        np.full((count, 3), [0.1, 0.5, 0.2]),
        np.full(count, 0.4),
        np.full(count, 0.3),
    )


def standing(mesh, weight=1.0, metallic=0.3) -> Body:
    """A trimesh in a body's units: largest extent 1, on the floor, centred."""
    low, high = mesh.bounds
    vertices = (mesh.vertices - [*(low + high)[:2] / 2.0, low[2]]) / (high - low).max()
    body = body_of(vertices, mesh.faces, weight=np.broadcast_to(weight, len(vertices)).astype(float))
    return replace(body, metallic=np.full(len(vertices), metallic))


def sheet(columns=14, rows=14, width=0.5, height=1.0):
    """An upright sheet in the xz plane, slightly bowed so that nothing about it is symmetric."""
    u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows), indexing="ij")
    vertices = np.stack([width * (u - 0.5), 0.03 * np.sin(2 * u + v), height * v], axis=-1).reshape(-1, 3)
    i = np.arange(columns * rows).reshape(columns, rows)
    a, b, c, d = i[:-1, :-1].ravel(), i[1:, :-1].ravel(), i[1:, 1:].ravel(), i[:-1, 1:].ravel()
    return vertices, np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


def column(sides=12, rings=20, radius=0.12, lean=0.05):
    """A closed, slightly leaning column of height 1 on the floor."""
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    z = np.linspace(0, 1, rings)
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1) * radius
    vertices = (ring[None] + np.stack([lean * z**2, 0 * z, z], axis=1)[:, None]).reshape(-1, 3)
    i = np.arange(rings * sides).reshape(rings, sides)
    a, b = i[:-1], i[1:]
    c, d = np.roll(b, -1, axis=1), np.roll(a, -1, axis=1)
    walls = np.concatenate([np.stack([a, d, c], -1).reshape(-1, 3), np.stack([a, c, b], -1).reshape(-1, 3)])
    foot, top = len(vertices), len(vertices) + 1
    vertices = np.concatenate([vertices, [[0, 0, 0], [lean, 0, 1]]])
    caps = [[foot, i[0, (k + 1) % sides], i[0, k]] for k in range(sides)]
    caps += [[top, i[-1, k], i[-1, (k + 1) % sides]] for k in range(sides)]
    return vertices, np.concatenate([walls, caps])


def potted():
    """A pot, a stem out of it, and a leaf on the stem: closed parts and an open one, none joined by an edge."""
    pot, pot_faces = column(sides=10, rings=5, radius=0.6, lean=0.0)
    stem, stem_faces = column(sides=6, rings=14, radius=0.02)
    leaf, leaf_faces = sheet(8, 6, width=0.12, height=0.35)
    stem = stem * [1, 1, 0.75] + [0, 0, 0.25]
    leaf = leaf[:, [2, 0, 1]] + [0.02, 0, 0.8]
    vertices = np.concatenate([pot * 0.25, stem, leaf])
    return vertices, np.concatenate([pot_faces, stem_faces + len(pot), leaf_faces + len(pot) + len(stem)])
