# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes on the selected mesh. With one of them it is a picture, an amount and a few sliders; a list comes with
the second."""

import textwrap

import bpy
from bl_operators.presets import AddPresetBase
from bl_ui.utils import PresetPanel

from .. import pictures
from ..seam import protocol
from .generate import draw_clip_settings
from .tab import Tab


class ANTHESIS_UL_stages(bpy.types.UIList):
    """One process a row: what it is, and when it happens."""

    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index):
        picture = pictures.icon(item.process)
        named = {"icon": picture} if isinstance(picture, str) else {"icon_value": picture}
        row = layout.split(factor=0.5)
        row.label(text=item.process.title(), **named)
        row.label(text=f"{100 * item.start:.0f} to {item.end:.0%}")


class ANTHESIS_PT_animate(Tab, bpy.types.Panel):
    bl_label = "Animate Selected"

    def draw(self, context):
        layout, settings = self.layout, context.scene.anthesis.animate
        if settings.stages:
            self.draw_list(settings)
        stage = settings.chosen
        self.draw_process(stage)
        layout.use_property_split, layout.use_property_decorate = True, False
        column = layout.column(align=True)
        column.prop(stage, "amount")
        for name in protocol.PROCESSES[stage.process].__struct_fields__:
            column.prop(stage.sliders, name)
        if settings.stages:
            column = layout.column(align=True)
            column.prop(stage, "start")
            column.prop(stage, "end")
        self.draw_more(layout, settings)
        row = layout.row()
        row.scale_y = 1.5
        row.operator("anthesis.animate_selected", icon="PLAY")

    def draw_list(self, settings):
        row = self.layout.row()
        row.template_list("ANTHESIS_UL_stages", "", settings, "stages", settings, "stage_index", rows=2)
        column = row.column(align=True)
        add = column.operator("anthesis.add_process", text="", icon="ADD")
        add.at_once = False
        column.operator("anthesis.remove_process", text="", icon="REMOVE")

    def draw_process(self, stage):
        """The menu; beside it a picture, which opens a menu of pictures."""
        if not pictures.are_there():
            self.layout.prop(stage, "process", text="")
            return
        split = self.layout.split(factor=0.35)
        split.template_icon_view(stage, "process", show_labels=True, scale=4, scale_popup=6)
        column = split.column()
        column.prop(stage, "process", text="")
        draw_hint(column, protocol.PROCESSES[stage.process])

    @staticmethod
    def draw_more(layout, settings):
        row = layout.row(align=True)
        row.enabled = len(settings.stages) < protocol.STAGES
        row.operator("anthesis.add_process", text="Then", icon="ADD").at_once = False
        row.operator("anthesis.add_process", text="At Once", icon="ADD").at_once = True


def draw_hint(layout, process: type) -> None:
    """What a process does, in as many lines as stand beside its picture."""
    column = layout.column(align=True)
    column.scale_y, column.active = 0.7, False
    for line in textwrap.wrap(process.__doc__.strip().rstrip("."), 22)[:4]:
        column.label(text=line)


def draw_part(layout, context) -> None:
    """What of the active mesh takes part: the same in processes and in a sway."""
    settings = context.scene.anthesis.animate
    layout.prop_search(settings, "pin_group", context.active_object, "vertex_groups")
    row = layout.row()
    row.enabled = not settings.only_selected
    row.prop_search(settings, "weight_group", context.active_object, "vertex_groups")
    layout.prop(settings, "only_selected")


class ANTHESIS_PT_animate_groups(Tab, bpy.types.Panel):
    bl_label = "Part of the Mesh"
    bl_parent_id = "ANTHESIS_PT_animate"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        return context.active_object is not None and context.active_object.type == "MESH"

    def draw(self, context):
        self.layout.use_property_split, self.layout.use_property_decorate = True, False
        draw_part(self.layout, context)


class ANTHESIS_PT_animate_settings(Tab, bpy.types.Panel):
    bl_label = "Settings"
    bl_parent_id = "ANTHESIS_PT_animate"
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header_preset(self, context):
        ANTHESIS_PT_animate_presets.draw_panel_header(self.layout)

    def draw(self, context):
        layout, settings = self.layout, context.scene.anthesis.animate
        layout.use_property_split, layout.use_property_decorate = True, False
        draw_clip_settings(layout, settings)
        layout.prop(settings, "timing")
        column = layout.column(align=True)
        column.prop(settings, "first")
        column.prop(settings, "last")
        layout.prop(settings, "preview")


class ANTHESIS_PT_animate_presets(PresetPanel, bpy.types.Panel):
    bl_label = "Animate Presets"
    preset_subdir = "anthesis/animate"
    preset_operator = "script.execute_preset"
    preset_add_operator = "anthesis.animate_preset_add"


class ANTHESIS_OT_animate_preset_add(AddPresetBase, bpy.types.Operator):
    bl_idname = "anthesis.animate_preset_add"
    bl_label = "Add Animate Preset"
    bl_description = "Keep these settings under a name, or remove them"
    preset_menu = "ANTHESIS_PT_animate_presets"
    preset_subdir = "anthesis/animate"
    preset_defines = ["settings = bpy.context.scene.anthesis.animate"]
    preset_values = [
        "settings.stage",
        *[f"settings.{name}" for name in protocol.Animate.__struct_fields__],
        "settings.stage_index",
    ]


CLASSES = (
    ANTHESIS_UL_stages,
    ANTHESIS_PT_animate,
    ANTHESIS_PT_animate_groups,
    ANTHESIS_PT_animate_settings,
    ANTHESIS_PT_animate_presets,
    ANTHESIS_OT_animate_preset_add,
)
