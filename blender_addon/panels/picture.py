# SPDX-License-Identifier: GPL-3.0-or-later

"""A plane from a picture."""

import bpy

from .. import events
from .state import draw_lacking
from .tab import Tab


class ANTHESIS_PT_picture(Tab, bpy.types.Panel):
    bl_label = "Picture"

    def draw(self, context):
        layout, settings = self.layout, context.scene.anthesis.picture
        layout.template_ID(settings, "image", open="image.open")
        pump = events.running()
        draw_lacking(layout, context, pump, pump.lacking_for(settings.model))
        column = layout.column(align=True)
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(settings, "size")
        column.prop(settings, "detail")
        row = layout.row()
        row.scale_y = 1.5
        row.operator("anthesis.bring_to_life", icon="IMAGE_PLANE")


class ANTHESIS_PT_picture_settings(Tab, bpy.types.Panel):
    bl_label = "Settings"
    bl_parent_id = "ANTHESIS_PT_picture"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, settings = self.layout, context.scene.anthesis.picture
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(settings, "damping")
        column = layout.column(align=True)
        column.prop(settings, "steps")
        column.prop(settings, "model")
        layout.prop(settings, "seed")


CLASSES = (ANTHESIS_PT_picture, ANTHESIS_PT_picture_settings)
