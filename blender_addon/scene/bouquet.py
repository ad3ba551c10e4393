"""Where the objects of one order stand: one at its place, several in a loose spiral around it, in a collection.

The spiral is that of a sunflower's head (Vogel, Math. Biosci. 44, 1979): each next one turns by the golden angle. Some
of them are individuals with a mesh and keys of their own. The others are copies that share a mesh, and so its life.
"""

import math
from dataclasses import dataclass, field

import bpy
import numpy as np

from ..seam import protocol

GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
NEAREST = 1.54  # smallest distance of two in the spiral, its scale being 1
LOOSE = 1.1  # some room between those that are wider than they need be, and for copies that are larger
WIDTH = 0.7  # of its height: how wide one is at least whose reach is unknown, for the first frame may be a bud
NEAR = 1e-5  # of the distance to the next: who is no farther from its spot than this has not been moved
TURN, SIZE = 0.7548776662, 0.5698402909  # low-discrepancy steps: no two neighbours are alike
VARIES = 0.1  # of the size of a copy


@dataclass
class Bed:
    """The floor that the objects of one order share; the widest that has come says how far they are apart."""

    name: str  # of the collection
    centre: tuple[float, ...]
    height: float  # metres, of one
    apart: float = 0.0  # metres, of two neighbours; 0 before the first came
    turns: bool = True  # each has a heading of its own: not where one wind blows on all
    collection: int = 0  # its session_uid, once it is there
    slots: dict[int, int] = field(default_factory=dict)  # of the objects that were put here, by session_uid

    def spot(self, slot: int) -> tuple[float, float, float]:
        radius = LOOSE * self.apart / NEAREST * math.sqrt(slot + 0.5)
        angle = slot * GOLDEN_ANGLE
        x, y, z = self.centre
        return x + radius * math.cos(angle), y + radius * math.sin(angle), z

    def fit(self, record: protocol.Subject, vertices: np.ndarray) -> None:
        """One of them comes, with its (V, 3) first frame. Where it is wider than those before it, they move apart."""
        self.turns = not record.windblown
        apart = record.reach if 0 < record.reach < math.inf else max(_width(vertices), WIDTH * self.height)
        if apart <= self.apart:
            return
        there = [(obj, slot) for obj, slot in self._standing() if self._is_at(obj, slot)]
        self.apart = apart
        for obj, slot in there:
            obj.location = self.spot(slot)

    def put(self, obj, slot: int) -> None:
        """On its spot, with a heading of its own."""
        obj.location = self.spot(slot)
        obj.rotation_euler.z = _share(slot, TURN) * 2 * math.pi if self.turns else 0.0
        self.slots[obj.session_uid] = slot

    def _standing(self) -> list[tuple[bpy.types.Object, int]]:
        uids = ((obj, obj.session_uid) for obj in bpy.data.objects)
        return [(obj, self.slots[uid]) for obj, uid in uids if uid in self.slots]

    def _is_at(self, obj, slot: int) -> bool:
        return math.dist(obj.location, self.spot(slot)) < NEAR * self.apart + NEAR * math.hypot(*obj.location)

    def home(self):
        """Its collection in the open file; a new one where there is none, or it was deleted."""
        found = next((each for each in bpy.data.collections if each.session_uid == self.collection), None)
        if found is None:
            found = bpy.data.collections.new(self.name)
            open_collection().children.link(found)
            self.collection = found.session_uid
        return found


@dataclass(frozen=True)
class Seat:
    """An object that gets a new mesh and a new life, and stays what it is otherwise."""

    name: str
    uid: int


@dataclass(frozen=True)
class Site:
    """Where one result goes that has no target: to a location, a bed, or a seat."""

    location: tuple[float, ...] = (0.0, 0.0, 0.0)
    bed: Bed | None = None
    slots: tuple[int, ...] = (0,)  # of the bed: its own, and one for each copy
    seat: Seat | None = None


def open_collection():
    """The active collection, or the scene's where that is of another file: nothing can be linked into it."""
    collection = bpy.context.view_layer.active_layer_collection.collection
    return bpy.context.scene.collection if collection.library else collection


def plant_copy(obj, bed: Bed, slot: int):
    """An object that shares the mesh and the life of another, somewhat larger or smaller."""
    copy = obj.copy()
    bed.put(copy, slot)
    copy.scale = obj.scale * (1 + VARIES * (2 * _share(slot, SIZE) - 1))
    bed.home().objects.link(copy)
    return copy


def _width(vertices: np.ndarray) -> float:
    """(V, 3): the longer side of its outline."""
    return float((vertices[:, :2].max(axis=0) - vertices[:, :2].min(axis=0)).max())


def _share(slot: int, step: float) -> float:
    return slot * step % 1.0
