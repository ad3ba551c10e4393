"""The closed parts of a body in motion: a lattice that carries their surface."""

from copy import copy
from typing import Self

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from backend.geometry import fields, lattice
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Detail, Reals
from backend.geometry.elastic.footing import Footing
from backend.geometry.elastic.units import GRAVITY, STEP, stretched
from backend.geometry.elastic.zones import Zones
from backend.geometry.rest import Rest

SHEAR, BULK = 200.0, 400.0  # sizes^2 / s^2


class Solids:
    """The closed parts, in one lattice: limbs bow, everything softens, grows, shrinks and sags."""

    def __init__(self, anatomy: Anatomy, footing: Footing, detail: Detail, seed: int):
        self.footing = footing
        body, solid = anatomy.body, ~anatomy.is_sheet
        self.chosen = np.flatnonzero(solid)
        vertices = body.vertices[self.chosen]
        between = anatomy.bridged[solid[anatomy.bridged].all(axis=1)]
        faces = body.faces[solid[body.faces[:, 0]]]
        self.grid = grid = lattice.build(body.vertices, faces, body.vertices[between], detail.cells)
        self.follow = grid.embedding(vertices)
        index = np.zeros(len(body.vertices), np.int64)
        index[self.chosen] = np.arange(len(self.chosen))
        self.nearest = _nearest(grid.nodes, vertices, fields.edges(index[faces]), grid.cell)
        held = np.zeros(len(grid.nodes))
        root = anatomy.root_within(solid)[self.chosen]
        np.maximum.at(held, self.follow.indices, np.repeat(root, np.diff(self.follow.indptr)))
        self.feet = footing.near(grid.nodes, 2.0 * grid.cell)
        self.solid = lattice.Solid(grid, held, STEP, SHEAR, BULK)
        self.zones = Zones(vertices, index[faces], self.follow, grid.cell)

        distance = self.nearest @ anatomy.distance[self.chosen]
        along, offset = fields.limbs(grid.nodes, distance, 3.0 * grid.cell)
        down = _downward(grid.nodes, anatomy, seed)
        down -= np.einsum("mi,mi->m", down, along)[:, None] * along
        down /= np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 0.3)
        below = np.clip(np.einsum("mi,mi->m", offset, down) / (0.8 * grid.cell), -1.0, 1.0)
        self.below = below * fields.smoothstep(distance / 0.3)  # the foot of a stem is woody
        self.along = along[grid.tets].mean(axis=1)

    def step(self, rest: Rest, positions: Reals) -> None:
        tets = self.grid.tets

        def at_nodes(values: Reals) -> Reals:
            return self.nearest @ values[self.chosen]

        def within(values: Reals) -> Reals:
            return values[tets].mean(axis=1)

        # the side that faces down shortens and the other does not: the limb bows
        along = within(at_nodes(rest.along) - at_nodes(rest.droop) * self.below)
        growth = stretched(within(at_nodes(rest.across)), np.maximum(along, 0.05), self.along)
        anchors = self.footing.carry(self.grid.nodes, self.feet)
        before = self.solid.positions
        self.solid.step(SHEAR * (1.0 - within(at_nodes(rest.soft))), growth, GRAVITY * at_nodes(rest.load), anchors)
        after = self.zones.kept_apart(before, self.solid.positions)
        self.solid.push(after - self.solid.positions, self.zones.every)
        positions[self.chosen] = self.follow @ self.solid.positions

    def fork(self) -> Self:
        other = copy(self)
        other.solid, other.zones = self.solid.fork(), copy(self.zones)
        return other


def _nearest(nodes: Reals, vertices: Reals, edges: fields.Integers, cell: float) -> csr_matrix:
    """(M, N) what the nodes (M, 3) take of values at the vertices (N, 3): those of the nearest vertex, or where edges
    (E, 2) are longer than a cell, of the nearest point along them. A stem may have no rings between its ends."""
    length = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    pieces = np.ceil(length / cell).astype(np.int64)
    inner = np.repeat(np.arange(len(edges)), pieces - 1)
    step = np.arange(len(inner)) - np.repeat(np.cumsum(pieces - 1) - (pieces - 1), pieces - 1) + 1
    share = step / pieces[inner]
    ends = np.concatenate([np.repeat(np.arange(len(vertices))[:, None], 2, axis=1), edges[inner]])
    weights = np.concatenate([np.tile([1.0, 0.0], (len(vertices), 1)), np.stack([1.0 - share, share], axis=1)])
    points = np.einsum("sk,ski->si", weights, vertices[ends])
    found = cKDTree(points).query(nodes)[1]
    rows = np.repeat(np.arange(len(nodes)), 2)
    return csr_matrix((weights[found].ravel(), (rows, ends[found].ravel())), shape=(len(nodes), len(vertices)))


def _downward(points: Reals, anatomy: Anatomy, seed: int) -> Reals:
    """(P, 3) which way to bow: down, and for what stands upright outwards, or where it is central, by chance."""
    angle = np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi)
    out = (points - anatomy.root) * [1.0, 1.0, 0.0] / 0.15
    out += 0.7 * np.array([np.cos(angle), np.sin(angle), 0.0])
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1.0)
    return 0.5 * out - [0.0, 0.0, 1.0]
