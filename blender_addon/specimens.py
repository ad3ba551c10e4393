# SPDX-License-Identifier: GPL-3.0-or-later

"""The parameters of a specimen as properties: made from its record, read back into one.

Those of all species are kept side by side, as those of all processes are; `kind` says whose are shown.
"""

import bpy
import msgspec
from bpy.props import PointerProperty, StringProperty

from .from_request import made_from, values
from .seam import protocol

GROUPS = {
    name: type(
        f"Anthesis{kind.__name__}",
        (bpy.types.PropertyGroup,),
        {"__doc__": kind.__doc__, "__annotations__": made_from(kind)},
    )
    for name, kind in protocol.SPECIES.items()
}


class AnthesisSpecimen(bpy.types.PropertyGroup):
    """One individual: of which species it is, what it is like, and the seed that tells it from its like."""

    __annotations__ = {
        "kind": StringProperty(name="Species", options={"HIDDEN"}),
        "seed": made_from(protocol.Generate, set(protocol.Generate.__struct_fields__) - {"seed"})["seed"],
        **{name: PointerProperty(type=group) for name, group in GROUPS.items()},
    }

    @property
    def there(self) -> bool:
        """Whether there is a specimen that this version knows."""
        return self.kind in GROUPS

    @property
    def parameters(self) -> bpy.types.PropertyGroup:
        """Those of its species."""
        return getattr(self, self.kind)

    def to_record(self) -> protocol.Species | None:
        """None where there is no specimen."""
        if not self.there:
            return None
        kind = protocol.SPECIES[self.kind]
        return kind(**values(self.parameters, kind))

    def show(self, record: protocol.Species, seed: int) -> None:
        """Become what a record says."""
        self.kind, self.seed = protocol.name_of_species(record), seed
        for name, value in msgspec.structs.asdict(record).items():
            setattr(self.parameters, name, value)

    def draw(self, layout: bpy.types.UILayout) -> None:
        """Its parameters, the colour first; the seed at the end."""
        column = layout.column(align=True)
        names = list(protocol.SPECIES[self.kind].__struct_fields__)
        for name in sorted(names, key=lambda name: (name != "colour", name == "detail", names.index(name))):
            column.prop(self.parameters, name)
        column.separator()
        column.prop(self, "seed")


CLASSES = (*GROUPS.values(), AnthesisSpecimen)
