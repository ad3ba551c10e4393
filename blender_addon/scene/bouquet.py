"""Where the objects of one order stand: one at its place, several in a loose spiral around it, in a collection.

The spiral is that of a sunflower's head (Vogel, Math. Biosci. 44, 1979): each next one turns by the golden angle. Some
of them are individuals with a mesh and keys of their own. The others are copies that share a mesh, and so its life.
"""

import math
from dataclasses import dataclass

import bpy
import numpy as np

GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
NEAREST = 1.54  # smallest distance of two in the spiral, its scale being 1
LOOSE = 1.1
WIDTH = 0.7  # of its height: what each has at least, for the first frame may be a bud
TURN, SIZE = 0.7548776662, 0.5698402909  # low-discrepancy steps: no two neighbours are alike
VARIES = 0.1  # of the size of a copy


@dataclass
class Bed:
    """The floor that the objects of one order share; the first that comes says how far they are apart."""

    name: str  # of the collection
    centre: tuple[float, ...]
    height: float  # metres, of one
    apart: float = 0.0  # metres, of two neighbours; 0 before the first came
    collection: str = ""  # its name, once it is there

    def spot(self, slot: int) -> tuple[float, float, float]:
        radius = LOOSE * self.apart / NEAREST * math.sqrt(slot + 0.5)
        angle = slot * GOLDEN_ANGLE
        x, y, z = self.centre
        return x + radius * math.cos(angle), y + radius * math.sin(angle), z

    def fit(self, vertices: np.ndarray) -> None:
        """(V, 3): one of them is so wide."""
        if not self.apart:
            wide = float((vertices[:, :2].max(axis=0) - vertices[:, :2].min(axis=0)).max())
            self.apart = max(wide, WIDTH * self.height)

    def home(self):
        """Its collection in the open file; a new one where there is none, or it was deleted."""
        found = bpy.data.collections.get(self.collection)
        if found is None or found.library:
            found = bpy.data.collections.new(self.name)
            open_collection().children.link(found)
            self.collection = found.name
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


def settle(obj, bed: Bed, slot: int) -> None:
    """Put an individual on its spot, with a heading of its own."""
    obj.location = bed.spot(slot)
    obj.rotation_euler.z = _share(slot, TURN) * 2 * math.pi


def plant_copy(obj, bed: Bed, slot: int):
    """An object that shares the mesh and the life of another, somewhat larger or smaller."""
    copy = obj.copy()
    settle(copy, bed, slot)
    copy.scale = obj.scale * (1 + VARIES * (2 * _share(slot, SIZE) - 1))
    bed.home().objects.link(copy)
    return copy


def _share(slot: int, step: float) -> float:
    return slot * step % 1.0
