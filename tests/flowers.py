"""Small flowers of known shape, none of them quite symmetric: of separate petals and of thick ones, cups and bells,
petals that are one skin with their stem; and a fern."""

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation

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


def along(points, radius, sides=8):
    """A closed tube about a curve (R, 3)."""
    points = np.asarray(points, float)
    ahead = np.gradient(points, axis=0)
    side = np.cross(ahead, [0.2, 1.0, 0.1])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(ahead, side)
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)[:, None, None]
    rings = np.swapaxes(points + radius * (np.cos(angle) * side + np.sin(angle) * other), 0, 1)
    ends, last = np.arange(sides), (len(points) - 1) * sides
    caps = [np.stack([0 * ends[2:], ends[2:], ends[1:-1]], 1), last + np.stack([0 * ends[2:], ends[1:-1], ends[2:]], 1)]
    return rings.reshape(-1, 3), np.concatenate([grid(len(points), sides, closed=True), *caps])


def hook(top, turned, length=0.25):
    """A stem that comes to `top` from behind, seen along the third column of `turned`, wherever that faces."""
    t, behind = np.linspace(0, 1, 24)[:, None], np.asarray(top) - length * turned[:, 2]
    foot = np.array([0.25, 0.15, 0.0]) * np.sign(behind[0] - top[0] or 1.0)
    s = 1 - t
    spine = s**3 * foot + 3 * t * s**2 * (foot + [0, 0, 0.7]) + 3 * t**2 * s * behind + t**3 * top
    return *along(spine, 0.012), GREEN


def facing(turned, rays=13):
    """A wide open daisy on a bent stem, that faces along the third column of `turned`."""
    top = np.array([0.0, 0.0, 0.8])
    disc, faces = column(sides=16, rings=4, radius=0.07, lean=0.0)
    pieces = [hook(top, turned), ((disc * [1, 1, 0.04] - [0, 0, 0.02]) @ turned.T + top, faces, (0.8, 0.5, 0.03))]
    for k in range(rays):
        ray, faces = blade(0.2, 0.06, 0.05, 0.1, 2 * np.pi * k / rays, 0.06, columns=5)
        pieces.append((ray @ turned.T + top, faces, WHITE))
    return body_of(pieces)


def bell(thickness=0.0, lobes=5, columns=50, rows=15):
    """A hanging bell on a stem that comes up beside it."""
    azimuth = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    v = np.linspace(0, 1, rows)[:, None] * (1 - 0.3 * (1 - np.abs(np.cos(0.5 * lobes * azimuth)) ** 0.7))
    radius = 0.02 + 0.1 * np.sqrt(np.minimum(3 * v, 1)) * (0.7 + 0.3 * v) + 0.06 * v**4
    outer, inner = (
        np.stack([r * np.cos(azimuth), r * np.sin(azimuth), -0.25 * v], axis=-1) for r in (radius, radius - thickness)
    )
    cup, faces = outer.reshape(-1, 3), grid(rows, columns, closed=True)[:, ::-1]
    if thickness:
        rings = np.concatenate([outer, inner[::-1], outer[:1]])  # the last ring is the first
        cup, faces = rings[:-1].reshape(-1, 3), grid(2 * rows + 1, columns, closed=True)[:, ::-1] % (2 * rows * columns)
    spine = [(0, 0, 0), (0, 0, 0.4), (0.01, 0.0, 0.7), (0.08, 0, 0.8), (0.16, 0, 0.78), (0.2, 0, 0.7)]
    spine = np.stack([np.interp(np.linspace(0, 5, 30), range(6), column) for column in np.transpose(spine)], axis=1)
    pieces = [(*along(spine, 0.012), GREEN), (cup + [0.2, 0.01, 0.71], faces, (0.3, 0.08, 0.5))]
    return body_of(pieces)


def daffodil(turned):
    """Six petals about a trumpet."""
    top = np.array([0.0, 0.0, 0.7])
    azimuth, v = np.linspace(0, 2 * np.pi, 30, endpoint=False), np.linspace(0, 1, 9)[:, None]
    radius = 0.02 + 0.1 * v
    trumpet = np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), 0.12 * v + 0 * azimuth], -1).reshape(-1, 3)
    pieces = [hook(top, turned), (trumpet @ turned.T + top, grid(9, 30, closed=True), (0.8, 0.3, 0.02))]
    for k in range(6):
        petal, faces = blade(0.22, 0.15, 0.15 + 0.1 * (k % 2), 0.2, 2 * np.pi * k / 6, 0.012)
        pieces.append((petal @ turned.T + top, faces, (0.8, 0.65, 0.1)))
    return body_of(pieces)


def one_skin(petals=5, weight=None):
    """A stem that widens to a rim on which petals stand: one surface. Vertices of the stem come first."""
    per, rows, up = 8, 18, 12
    ring = petals * per
    azimuth, z = np.linspace(0, 2 * np.pi, ring, endpoint=False), np.linspace(0, 0.6, rows)[:, None]
    radius = 0.014 + 0.4 * np.maximum(z - 0.56, 0.0) + 0 * azimuth
    parts = [np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z + 0 * azimuth], axis=-1).reshape(-1, 3)]
    faces, total = [grid(rows, ring, closed=True)], rows * ring
    u, v = np.linspace(-1, 1, per + 1), np.arange(1, up + 1) / up
    angle = 0.9 - 0.6 * v
    out, rise = radius[-1, 0] + np.cumsum(np.cos(angle)) * 0.27 / up, 0.6 + np.cumsum(np.sin(angle)) * 0.27 / up
    half = 0.5 * (0.03 * (1 - v) + 0.17 * np.sin(np.pi * np.clip(0.1 + 0.85 * v, 0, 1)))
    for k in range(petals):
        middle, side = (k + 0.5) * 2 * np.pi / petals, half[:, None] * u
        x, y = (out[:, None] * f(middle) + s * side * g(middle) for f, g, s in
                ((np.cos, np.sin, -1), (np.sin, np.cos, 1)))  # fmt: skip
        parts.append(np.stack([x, y, rise[:, None] + 2 * side**2], axis=-1).reshape(-1, 3))
        rim = (rows - 1) * ring + (k * per + np.arange(per + 1)) % ring
        index = np.concatenate([rim, total + np.arange(up * (per + 1))])
        faces.append(index[grid(up + 1, per + 1)])
        total += up * (per + 1)
    colour = np.repeat([GREEN, RED], [rows * ring, total - rows * ring], axis=0)
    return body_of([(np.concatenate(parts), np.concatenate(faces), colour)])


def fern(fronds=7, pinnae=9):
    """Arching fronds of many small leaves, no flower."""
    pieces = []
    for k in range(fronds):
        azimuth, t = 2.4 * k, np.linspace(0, 1, 16)
        spine = np.stack([0.5 * t * np.cos(azimuth), 0.5 * t * np.sin(azimuth), 0.5 * t - 0.35 * t**2], axis=1)
        pieces.append((*along(spine, 0.005, 5), GREEN))
        for j in range(pinnae):
            for side in (-1.2, 1.2):
                leaf, faces = blade(0.09, 0.03, 0.1, 0.3, azimuth + side, 0.006, rows=6, columns=4)
                pieces.append((leaf + spine[3 + j], faces, GREEN))
    return body_of(pieces)


def leaf():
    """One arched leaf by itself."""
    vertices, faces = blade(1.0, 0.4, 0.9, 1.0, 0.3, rows=25, columns=15)
    return body_of([(vertices, faces, GREEN)])


def vessel(corners=False):
    """A pot with thin walls, round or a box."""
    v = np.linspace(0, 1, 10)
    radius = np.concatenate([[1e-3], 0.12 + 0.05 * v, (0.115 + 0.05 * v)[:0:-1], [1e-3]])
    height = np.concatenate([[0.0], 0.2 * v, 0.2 * v[:0:-1], [0.005]])
    azimuth = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(azimuth), np.sin(azimuth)], axis=1)
    if corners:
        ring *= [1.0, 0.5] / np.abs(ring).max(axis=1, keepdims=True)
    points = np.concatenate([radius[:, None, None] * ring, np.broadcast_to(height[:, None, None], (21, 24, 1))], axis=2)
    return points.reshape(-1, 3), grid(21, 24, closed=True), (0.5, 0.2, 0.1)


def painted(body: Body, chosen, weight: float) -> Body:
    """The same with the weight of some vertices."""
    values = body.weight.copy()
    values[chosen] = weight
    return dataclasses.replace(body, weight=values)


def towards(direction):
    """(3, 3) that turns z to a direction."""
    return Rotation.align_vectors([direction], [[0.0, 0.0, 1.0]])[0].as_matrix()


def of_colour(body: Body, colour):
    """The vertices that have it."""
    return np.flatnonzero((body.albedo == colour).all(axis=1))
