"""Small flowers of known shape, none of them quite symmetric: separate petals, thick ones, one cut cup, a daisy."""

import dataclasses

import numpy as np

from backend.geometry.body import Body
from tests.shapes import column

RED, WHITE, GREEN = (0.5, 0.03, 0.06), (0.8, 0.78, 0.75), (0.06, 0.25, 0.04)


def grid(rows: int, columns: int, closed: bool = False):
    """(F, 3) triangles of a grid of vertices, row after row."""
    index = np.arange(rows * columns).reshape(rows, columns)
    if closed:
        index = np.concatenate([index, index[:, :1]], axis=1)
    a, b, c, d = index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, 1:].ravel(), index[1:, :-1].ravel()
    return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


def blade(length, width, rise, bend, azimuth, start=0.0, rows=13, columns=8):
    """A petal on the z axis that leaves it at `rise` radians above the horizontal and bends outwards on its way."""
    v, u = np.linspace(0.0, 1.0, rows), np.linspace(-1.0, 1.0, columns)
    angle = rise - bend * v
    step = length / (rows - 1)
    middle = 0.5 * (angle[1:] + angle[:-1])
    out = start + np.concatenate([[0.0], np.cumsum(np.cos(middle) * step)])
    up = np.concatenate([[0.0], np.cumsum(np.sin(middle) * step)])
    half = 0.5 * width * (0.15 + 0.85 * np.sin(np.pi * np.clip(0.15 + 0.8 * v, 0, 1)))
    across = half[:, None] * u
    hollow = 0.25 * across**2 / (0.5 * width)
    radius = out[:, None] - hollow * np.sin(angle)[:, None]
    height = up[:, None] + hollow * np.cos(angle)[:, None]
    x = radius * np.cos(azimuth) - across * np.sin(azimuth)
    y = radius * np.sin(azimuth) + across * np.cos(azimuth)
    return np.stack([x, y, height], axis=-1).reshape(-1, 3), grid(rows, columns)


def thick(vertices, faces, rows, columns, thickness):
    """A blade with two sides and a rim."""
    corner = vertices[faces]
    normal = np.zeros_like(vertices)
    np.add.at(normal, faces, np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])[:, None])
    normal *= 0.5 * thickness / np.linalg.norm(normal, axis=1, keepdims=True)
    index = np.arange(len(vertices)).reshape(rows, columns)
    loop = np.concatenate([index[0, :-1], index[:-1, -1], index[-1, :0:-1], index[:0:-1, 0]])
    after, other = np.roll(loop, -1), len(vertices)
    rim = np.concatenate([np.stack([loop, loop + other, after], 1), np.stack([after, loop + other, after + other], 1)])
    return np.concatenate([vertices + normal, vertices - normal]), np.concatenate([faces, faces[:, ::-1] + other, rim])


def body_of(pieces, weight=None) -> Body:
    """pieces: (vertices, faces, colour) each; the largest extent becomes 1, the lowest point 0."""
    starts = np.cumsum([0, *(len(v) for v, _, _ in pieces)])
    vertices = np.concatenate([v for v, _, _ in pieces])
    faces = np.concatenate([f + s for (_, f, _), s in zip(pieces, starts, strict=False)])
    albedo = np.concatenate([np.broadcast_to(np.asarray(c, float), (len(v), 3)) for v, _, c in pieces])
    vertices = (vertices - [0, 0, vertices[:, 2].min()]) / np.ptp(vertices, axis=0).max()
    count = len(vertices)
    weight = np.ones(count) if weight is None else np.repeat(weight, np.diff(starts))
    return Body(
        vertices, faces.astype(np.int32), np.zeros(count), weight, albedo, np.full(count, 0.5), np.full(count, 0.1)
    )


def stalk(height=0.8, radius=0.02):
    vertices, faces = column(sides=8, rings=12, radius=radius, lean=0.0)
    return vertices * [1, 1, height], faces, GREEN


def tulip(rise=0.9, turned=None, petals=6, thickness=0.0):
    """A stem, two leaves and `petals` petals, inner ones steeper; vertices of stem and leaves come first."""
    pieces = [stalk()]
    for k in range(2):
        leaf, faces = blade(0.4, 0.09, 1.1, 1.0, 0.7 + 2.9 * k, 0.01)
        pieces.append((leaf + [0, 0, 0.1 + 0.1 * k], faces, GREEN))
    for k in range(petals):
        petal, faces = blade(0.36, 0.2, rise + 0.12 * (k % 2), 0.3, 2 * np.pi * (k + 0.1 * (k % 3)) / petals, 0.012)
        if thickness:
            petal, faces = thick(petal, faces, 13, 8, thickness)
        if turned is not None:
            petal = petal @ turned.T
        pieces.append((petal + [0, 0, 0.8], faces, RED))
    return body_of(pieces)


def cup(lobes=5, cut=0.45, columns=70, rows=16):
    """A stem and one petal all the way round, cut into lobes; whole where `cut` is 0."""
    azimuth = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    v = np.linspace(0, 1, rows)[:, None] * (1 - cut * (1 - np.abs(np.cos(0.5 * lobes * azimuth)) ** 0.7))
    radius, height = 0.03 + 0.22 * v**0.8 + 0.1 * v**3, 0.3 * v
    vertices = np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), height + 0.8], axis=-1).reshape(-1, 3)
    return body_of([stalk(), (vertices, grid(rows, columns, closed=True), (0.3, 0.08, 0.5))])


def daisy(rays=16):
    """A stem, a disc and narrow rays around it."""
    disc, faces = column(sides=20, rings=4, radius=0.1, lean=0.0)
    pieces = [stalk(), (disc * [1, 1, 0.05] + [0, 0, 0.79], faces, (0.8, 0.5, 0.03))]
    for k in range(rays):
        ray, faces = blade(0.25, 0.07, 0.15 + 0.04 * (k % 3), 0.3, 2 * np.pi * k / rays, 0.095, columns=5)
        pieces.append((ray + [0, 0, 0.81], faces, WHITE))
    return body_of(pieces)


def leaf():
    """One arched leaf by itself."""
    vertices, faces = blade(1.0, 0.4, 0.9, 1.0, 0.3, rows=25, columns=15)
    return body_of([(vertices, faces, GREEN)])


def painted(body: Body, chosen, weight: float) -> Body:
    """The same with the weight of some vertices."""
    values = body.weight.copy()
    values[chosen] = weight
    return dataclasses.replace(body, weight=values)
