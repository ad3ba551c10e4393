"""What a process knows about a body before anything moves: its parts, its root, and how far all is from there."""

from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from backend.geometry import fields
from backend.geometry.body import Body, Reals
from backend.geometry.bridges import bridges
from backend.geometry.vessel import Hollow, hollows, vessels

SHEET = 0.45  # openness from which a part is a sheet: an open pot is still a solid, half a ball is not
SCRAP = 0.03  # a sheet smaller than this is too small to be seen bending: it rides along with the solids


class Anatomy:
    """Fields over the N vertices of a body.

    held (N,) the root: 1 stays where it is; labels (N,) the connected part; bridged (B, 2) vertex pairs by which
    parts without a root hang on others; distance (N,) in [0, 1] from the root; is_sheet (N,) open parts;
    lying: whether the body is flat on the floor, held at its middle.
    """

    def __init__(self, body: Body):
        self.body = body
        self.held = fields.root(body)
        self.labels = fields.parts(len(body.vertices), body.faces)
        self.bridged = _supporting(body, self.labels, self.held)
        self.distance = fields.root_distance(body, self.held, self.bridged)
        low, high = np.full((2, self.labels.max() + 1, 3), np.inf)
        np.minimum.at(low, self.labels, body.vertices)
        np.minimum.at(high, self.labels, -body.vertices)
        size = (-high - low).max(axis=1)
        openness = fields.openness(body.vertices, body.faces, self.labels)
        self.is_sheet: NDArray[np.bool_] = ((openness > SHEET) & (size >= SCRAP))[self.labels]
        self.lying = not body.pin.any() and np.ptp(body.vertices[:, 2]) < fields.FLAT_HEIGHT

    @cached_property
    def hollows(self) -> list[Hollow]:
        """The parts that stand on the floor and could hold something."""
        return hollows(self.body, self.labels, self.is_sheet)

    @cached_property
    def vessel(self) -> NDArray[np.bool_]:
        """(N,) the pot or vase that a plant stands in, and its soil, by their shape."""
        return vessels(self.body, self.labels, self.hollows)

    @cached_property
    def planted(self) -> Self:
        """The same body rooted in its vessel, which is held too; itself where there is none."""
        if not self.vessel.any():
            return self
        rooted = copy(self)
        rooted.held = np.maximum(self.held, self.vessel)
        whole = np.unique(np.where(self.vessel, -1, self.labels), return_inverse=True)[1]
        rooted.bridged = _supporting(self.body, whole, rooted.held)  # a leaf on the rim joins no pot to its soil
        rooted.distance = fields.root_distance(self.body, rooted.held, rooted.bridged)
        return rooted

    def posed(self, vertices: Reals) -> Self:
        """The same body with its vertices elsewhere, (N, 3): its parts, its root and its vessel are what they were."""
        moved, hollows, vessel = copy(self), self.hollows, self.vessel
        for name, member in vars(type(self)).items():
            if isinstance(member, cached_property):
                moved.__dict__.pop(name, None)  # it was measured where the vertices had been
        moved.body = replace(self.body, vertices=vertices)
        moved.hollows, moved.vessel = hollows, vessel
        return moved

    @property
    def root(self) -> Reals:
        """(3,) the middle of what is held."""
        return self.body.vertices[self.held > 0.5 * self.held.max()].mean(axis=0)

    def root_within(self, chosen: NDArray[np.bool_]) -> Reals:
        """(N,) the root as the chosen vertices feel it: where they have none, what is nearest to it holds them."""
        if self.held[chosen].any():
            return self.held
        nearest = self.distance[chosen].min()
        return (chosen & (self.distance <= nearest + 0.03)).astype(float)

    @cached_property
    def normals(self) -> Reals:
        """(N, 3) unit normals, weighted by area; as the artist's faces are wound, outwards or not."""
        return fields.normals(self.body.vertices, self.body.faces)

    @cached_property
    def thickness(self) -> Reals:
        """(N,) of the solids: the diameter of the largest ball inside that touches the surface there; 0 in sheets."""
        chosen = np.flatnonzero(~self.is_sheet)
        found = np.zeros(len(self.is_sheet))
        if len(chosen):
            found[chosen] = 2.0 * fields.inner_ball(self.body.vertices[chosen], self.outward[chosen])
        return found

    @cached_property
    def clearance(self) -> Reals:
        """(N,) of the solids: the diameter of the largest ball outside that touches the surface there; 0 in sheets."""
        chosen = np.flatnonzero(~self.is_sheet)
        found = np.zeros(len(self.is_sheet))
        if len(chosen):
            found[chosen] = 2.0 * fields.inner_ball(self.body.vertices[chosen], -self.outward[chosen])
        return found

    @cached_property
    def outward(self) -> Reals:
        """(N, 3) unit normals out of the part they are on, however the artist's faces are wound."""
        return self.normals * self.winding[self.labels, None]

    @cached_property
    def winding(self) -> Reals:
        """(P,) 1 for each part whose faces are wound outwards, -1 for one that is inside out."""
        return fields.outwardness(self.body.vertices, self.body.faces, self.labels)

    @cached_property
    def margin(self) -> Reals:
        """(N,) distance along the surface to the rim of the vertex's own part; infinite where it has none."""
        return fields.rim_distance(self.body.vertices, self.body.faces)

    @cached_property
    def part_size(self) -> Reals:
        """(N,) square root of the area of the vertex's part."""
        area = fields.areas(self.body.vertices, self.body.faces)
        whole = np.bincount(self.labels[self.body.faces[:, 0]], area, minlength=self.labels.max() + 1)
        return np.sqrt(whole)[self.labels]

    def facing(self, seed: int) -> Reals:
        """(N,) of sheets: 1 where the normal is on the outer side of the bow in which a limp sheet will hang, -1 where
        it is on the inner side.

        A sheet bows towards the floor, or away from it where it lies there; one that stands upright bows along its
        thickness, away from the root, or where it is central by the chance of `seed`.
        """
        rng, vertices = np.random.default_rng(seed), self.body.vertices
        aside = np.zeros((self.labels.max() + 1, 3))
        for part in np.unique(self.labels[self.is_sheet]):
            chosen = self.labels == part
            normal = self.normals[chosen, :2]
            thickness = np.linalg.eigh(normal.T @ normal)[1][:, 1]
            front = normal.sum(axis=0) @ thickness
            thickness *= np.sign(front) if front else 1.0  # where an eigenvector points to is chance
            away = (vertices[chosen].mean(axis=0) - self.root)[:2] @ thickness
            chance = rng.choice([-1.0, 1.0])
            aside[part, :2] = thickness * (np.sign(away) if abs(away) > 0.02 else chance)
        rise = 2.5 * self.normals[:, 2] * (-1.0 if self.lying else 1.0)
        lean = -3.0 * np.einsum("ni,ni->n", self.normals, aside[self.labels])
        return np.clip(rise + np.maximum(1.0 - np.abs(rise), 0.0) * np.clip(lean, -1.0, 1.0), -1.0, 1.0)


def _supporting(body: Body, labels: fields.Integers, held: Reals) -> fields.Integers:
    """(B, 2) the bridges between parts; what stands by itself needs no support from what also does."""
    rooted = np.bincount(labels, held) > 0
    bridged = bridges(body.vertices, body.faces, labels)
    return bridged[~rooted[labels[bridged]].all(axis=1)]
