# SPDX-License-Identifier: GPL-3.0-or-later

"""Sway: what is asked for, and of an object that sways its sliders and the hand that pokes it."""

import bpy

from .. import events
from ..scene import clips, poking, sway
from .animate import draw_part
from .state import draw_lacking
from .tab import Tab, draw_text


class ANTHESIS_PT_sway(Tab, bpy.types.Panel):
    bl_label = "Sway"

    @classmethod
    def poll(cls, context):
        return context.active_object is not None and context.active_object.type == "MESH"

    def draw(self, context):
        layout, obj = self.layout, context.active_object
        layout.use_property_split = True
        if sway.on(obj) is None:
            self.draw_wanted(layout, context)
            return
        if sway.of(obj) is None:
            draw_text(layout, context, "Baked: it plays by plain keyframes", "KEYTYPE_KEYFRAME_VEC")
            layout.operator("anthesis.make_sway_live", icon="DRIVER")
        else:
            self.draw_live(context, obj)
        if sway.in_wind(obj):
            row = layout.row()
            row.use_property_decorate = False
            row.enabled = sway.has_modes(obj)
            row.prop(obj.anthesis_sway, "direction")
        row = layout.row()
        row.scale_y = 1.3
        row.operator("anthesis.poke", icon="VIEW_PAN")
        layout.operator("anthesis.poke_by_empty", icon="EMPTY_AXIS")
        if poking.kept(obj):
            layout.operator("anthesis.forget_pokes", icon="X")

    @staticmethod
    def draw_wanted(layout, context):
        layout.use_property_decorate = False
        column = layout.column(align=True)
        for name in ("storm", "direction"):
            column.prop(context.scene.anthesis.sway, name)
        draw_part(layout.column(), context)
        column = layout.column(align=True)
        column.scale_y = 1.5
        column.operator("anthesis.sway_selected", icon="FORCE_WIND")
        column.operator("anthesis.sway_as_seen", icon="HIDE_OFF")

    def draw_live(self, context, obj):
        layout = self.layout
        if not sway.leads(obj):
            draw_text(layout, context, "It follows the object that it was copied from", "INFO")
            layout.operator("anthesis.make_sway_live", icon="DRIVER")
        column = layout.column(align=True)
        for name, path in sway.properties(obj):
            column.prop(obj, path, text=name, slider=True)
        column = layout.column()
        column.use_property_decorate = False
        if sway.loop(obj) is None:
            draw_text(column, context, "Its timing is the curve of Sway", "INFO")
        else:
            column.prop(obj.anthesis_sway, "speed")
            if (end := clips.end_that_comes_round(obj)) is not None:
                draw_text(column, context, f"It jumps where the scene starts again: set End to {end}", "INFO")
        layout.operator("anthesis.bake_sway", icon="KEYTYPE_KEYFRAME_VEC")


class ANTHESIS_PT_sway_settings(Tab, bpy.types.Panel):
    bl_label = "Settings"
    bl_parent_id = "ANTHESIS_PT_sway"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, settings = self.layout, context.scene.anthesis.sway
        layout.use_property_split, layout.use_property_decorate = True, False
        again = sway.on(context.active_object) is not None
        column = layout.column(align=True)
        for name in (*(("storm", "direction") if again else ()), "pitch", "bend", "damping"):
            column.prop(settings, name)
        column = layout.column(align=True)
        for name in ("frequencies", "lowest", "modes", "fps"):
            column.prop(settings, name)
        layout.prop(settings, "seed")
        if again:
            draw_part(layout.column(), context)
            layout.operator("anthesis.sway_selected", text="Sway Anew", icon="FORCE_WIND")


class ANTHESIS_PT_sway_seen(Tab, bpy.types.Panel):
    bl_label = "As Seen"
    bl_parent_id = "ANTHESIS_PT_sway"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, settings = self.layout, context.scene.anthesis.seen
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.template_ID(settings, "picture", open="image.open", text="Picture")
        if settings.picture is None:
            draw_text(layout, context, "The picture is what the 3D view shows of the object", "INFO")
        column = layout.column(align=True)
        column.prop(settings, "steps")
        column.prop(settings, "model")
        pump = events.running()
        draw_lacking(layout, context, pump, pump.lacking_for(settings.model))
        if sway.on(context.active_object) is not None:
            layout.operator("anthesis.sway_as_seen", text="Sway Anew as Seen", icon="HIDE_OFF")


CLASSES = (ANTHESIS_PT_sway, ANTHESIS_PT_sway_settings, ANTHESIS_PT_sway_seen)
