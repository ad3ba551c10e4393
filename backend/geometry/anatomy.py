"""What a process knows about a body before anything moves: its parts, its root, and how far all is from there."""

import numpy as np
from numpy.typing import NDArray

from backend.geometry import fields
from backend.geometry.body import Body, Reals

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
        rooted = np.bincount(self.labels, self.held) > 0
        bridged = fields.bridges(body.vertices, self.labels)
        # parts that stand by themselves need no support from each other
        self.bridged = bridged[~rooted[self.labels[bridged]].all(axis=1)]
        self.distance = fields.root_distance(body, self.held, self.bridged)
        low, high = np.full((2, len(rooted), 3), np.inf)
        np.minimum.at(low, self.labels, body.vertices)
        np.minimum.at(high, self.labels, -body.vertices)
        size = (-high - low).max(axis=1)
        openness = fields.openness(body.vertices, body.faces, self.labels)
        self.is_sheet: NDArray[np.bool_] = ((openness > SHEET) & (size >= SCRAP))[self.labels]
        self.lying = not body.pin.any() and np.ptp(body.vertices[:, 2]) < fields.FLAT_HEIGHT

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
