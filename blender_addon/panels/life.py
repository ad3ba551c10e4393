# SPDX-License-Identifier: GPL-3.0-or-later

"""The life of the active object: its sliders, what was measured, playing it and writing it to a file."""

import bpy

from ..export_operator import is_there
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
            draw_text(layout, context, said, "CHECKMARK")
            layout.operator("anthesis.show_certificate", icon="INFO")
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


class ANTHESIS_PT_export(Tab, bpy.types.Panel):
    bl_label = "Play and Export"

    def draw(self, context):
        layout = self.layout
        playing = context.screen.is_animation_playing
        row = layout.row(align=True)
        row.operator("anthesis.play", text="Pause" if playing else "Play", icon="PAUSE" if playing else "PLAY")
        row.operator("view3d.view_selected", text="Frame", icon="ZOOM_SELECTED")
        column = layout.column(align=True)
        for format, label in (("GLTF", "glTF"), ("FBX", "FBX"), ("ALEMBIC", "Alembic"), ("USD", "USD")):
            row = column.row(align=True)
            row.enabled = is_there(format)
            row.operator("anthesis.export", text=label, icon="EXPORT").format = format


CLASSES = (ANTHESIS_PT_life, ANTHESIS_PT_export)
