"""Where the object of one result stands: on a seat, which gets a new mesh, or at a site of its own, with copies that
share its mesh around it.

As the Import that it belongs to, it holds names between two calls and nothing of Blender's.
"""

from collections.abc import Callable, Iterator
from functools import partial

import bpy
import numpy as np

from ..seam import protocol
from . import bouquet, build, live, marks, parts, place, provenance, regrown
from .bouquet import Site
from .carried import Carrying, Former
from .material import MATERIAL_IS_OURS
from .taken import BadResult


class Seating:
    """Takes the object's place in the file, and clears it again."""

    def __init__(self, site: Site):
        self.site = site
        self._planted: list[tuple[int, str, int]] = []  # copies: slot, name, session_uid; an undo may take some away
        self.regrows = False  # the object was there before, with another mesh
        self._former = Former("", ())  # that mesh
        self._carrying: Carrying | None = None

    def take(self, name: str, record: protocol.Subject, arrays: dict[str, np.ndarray]):
        """The object that is grown anew, or a new one. Raises BadResult."""
        obj = regrown.usable(self.site.seat) if self.site.seat else None
        if obj is None:
            if self.site.bed is not None:
                self.site.bed.fit(record, arrays["vertices"])
            obj = self.make(name, arrays, self.site)
            parts.write(obj.data, record, arrays)
            return obj
        try:
            former = regrown.sit(obj, arrays)
        except ValueError as error:
            raise BadResult(str(error)) from None
        parts.write(obj.data, record, arrays)
        self._planted, self.regrows, self._former = [], True, former
        return obj

    def make(self, name: str, arrays: dict[str, np.ndarray], site: Site):
        """A new object. What was taken before is the artist's. Raises BadResult."""
        self._planted, self.regrows = [], False
        try:
            return build.new_object(name, arrays, site)
        except ValueError as error:
            raise BadResult(str(error)) from None

    @property
    def copies(self) -> list[str]:
        """Names of objects that share the mesh."""
        return [copy.name for copy in self._standing()]

    def planted(self, obj) -> bool:
        """Whether it is one of the copies, of now or of a moment that an undo led away from."""
        return any(uid == obj.session_uid for _, _, uid in self._planted)

    @property
    def seat_is_gone(self) -> bool:
        """The object that should have been grown anew was not there."""
        return self.site.seat is not None and not self.regrows

    def clear(self, obj, ours: bool) -> None:
        """Take the copies away, and the object where it is `ours`; one that was there before gets its mesh back."""
        for copy in list(self._standing()):
            bpy.data.objects.remove(copy)
        if obj is not None and self.regrows:
            regrown.stand_up(obj, self._former.mesh)
        elif obj is not None and ours:
            mesh, materials = obj.data, {slot.material for slot in obj.material_slots} - {None}
            bpy.data.objects.remove(obj)
            if not mesh.users:  # else the artist has made a copy that shares it
                bpy.data.meshes.remove(mesh)
            for each in materials:
                if MATERIAL_IS_OURS in each and not each.users:
                    bpy.data.materials.remove(each)

    def carry_steps(self, height: float) -> Iterator[Callable]:
        """What the artist gave the former mesh goes over to the new one; functions of the object. `height`: of the
        specimen, in metres."""
        if self.regrows:
            self._carrying = Carrying(self._former, height)
            yield from self._carrying.steps()

    @property
    def notes(self) -> list[str]:
        """What there is to say of that."""
        return list(self._carrying.sentences()) if self._carrying and self.regrows else []

    def plant_steps(self, names: live.Names | None) -> Iterator[Callable]:
        """Copies, each a function of the object; they follow its properties `names`."""
        for slot in self.site.slots[1:] if self.site.bed else ():
            yield partial(self._plant, names=names, slot=slot)

    def sign(self, obj, made_by: dict[str, str], facts: dict) -> None:
        """It is whole: all of them say what made them, and the former mesh goes."""
        for each in [obj, *self._standing()]:
            provenance.write(each, made_by, facts)
            marks.remove(each)
        if self.regrows:
            regrown.settle(obj, self._former.mesh)

    def _plant(self, obj, names: live.Names | None, slot: int) -> None:
        if slot in (where for where, name, uid in self._planted if place.by_uid(uid, name)):
            return  # before an undo, which left it
        copy = bouquet.plant_copy(obj, self.site.bed, slot)
        marks.put(copy, marks.owner_of(obj))
        if names is not None:
            live.follow(copy, obj, names)
        self._planted.append((slot, copy.name, copy.session_uid))

    def _standing(self) -> Iterator:
        return filter(None, (place.by_uid(uid, name) for _, name, uid in self._planted))
