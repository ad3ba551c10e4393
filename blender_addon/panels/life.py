# SPDX-License-Identifier: GPL-3.0-or-later

"""The life of the active object: its sliders, and what was measured."""

import bpy

from ..scene import clips
from .tab import Tab, draw_text


class ANTHESIS_PT_life(Tab, bpy.types.Panel):
    bl_label = "Life"

    @classmethod
    def poll(cls, context):
        return context.active_object is not None and clips.frames(context.active_object) > 0

    def draw(self, context):
        layout, obj = self.layout, context.active_object
        draw_text(layout, context, f"{obj.name}: {clips.frames(obj)} frames", "SHAPEKEY_DATA")
        said = clips.certificate(obj)
        if said:
            draw_text(layout, context, said[:1].upper() + said[1:], "INFO")
            layout.operator("anthesis.show_certificate")
        if clips.is_live(obj):
            self.draw_live(context, obj)
        else:
            draw_text(layout, context, "Baked: it plays by plain keyframes", "KEYTYPE_KEYFRAME_VEC")
            layout.operator("anthesis.make_live", icon="DRIVER")

    def draw_live(self, context, obj):
        layout = self.layout
        if not clips.leads(obj):
            draw_text(layout, context, "It follows the object that it was copied from", "INFO")
            layout.operator("anthesis.make_live", icon="DRIVER")
        column = layout.column(align=True)
        column.use_property_split, column.use_property_decorate = True, True
        for name, path in clips.properties(obj):
            column.prop(obj, path, text=name, slider=True)
        layout.operator("anthesis.bake", icon="KEYTYPE_KEYFRAME_VEC")


CLASSES = (ANTHESIS_PT_life,)
