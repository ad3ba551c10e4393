# SPDX-License-Identifier: GPL-3.0-or-later

"""What the active object was grown from: its prompt, the parameters of its specimen, and the way to grow it anew."""

import bpy

from ..scene import provenance
from .tab import Tab, draw_text


class ANTHESIS_PT_specimen(Tab, bpy.types.Panel):
    bl_label = "Specimen"

    @classmethod
    def poll(cls, context):
        obj = context.active_object
        return obj is not None and obj.anthesis_specimen.there and "request" in (provenance.read(obj) or {})

    def draw(self, context):
        layout, obj = self.layout, context.active_object
        facts = provenance.read(obj)
        said = ", ".join(facts.get("understood", ())) or facts["made_by"]["prompt"]
        draw_text(layout, context, said[:1].upper() + said[1:], "CHECKMARK")
        layout.use_property_split, layout.use_property_decorate = True, False
        obj.anthesis_specimen.draw(layout)
        layout.operator("anthesis.regrow", icon="FILE_REFRESH")


CLASSES = (ANTHESIS_PT_specimen,)
