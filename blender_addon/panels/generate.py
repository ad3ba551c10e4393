# SPDX-License-Identifier: GPL-3.0-or-later

"""An object from words."""

import bpy
from bl_operators.presets import AddPresetBase
from bl_ui.utils import PresetPanel

from .. import events
from ..seam import protocol
from .tab import Tab, draw_text

LEFT_OPEN = {"specimen", "age"}  # which the prompt says


class ANTHESIS_PT_generate(Tab, bpy.types.Panel):
    bl_label = "Generate"

    def draw(self, context):
        layout, settings = self.layout, context.scene.anthesis.generate
        column = layout.column()
        row = column.row(align=True)
        if settings.text is None:
            row.prop(settings, "prompt", text="", icon="OUTLINER_DATA_FONT", placeholder="A red rose blooming")
        else:
            row.label(text=f"Prompt: {settings.text.name}", icon="TEXT")
        draw_understood(column, context, settings.words, events.running().session)
        row = column.row()
        row.scale_y = 1.5
        row.operator("anthesis.generate", icon="PLAY")


def draw_understood(layout, context, words: str, session) -> None:
    """What the backend makes of the words, as far as it is connected and has said so."""
    if not words.strip():
        if session.engines is not None:
            draw_text(layout, context, f"The built-in engine knows: {', '.join(session.engines.makes)}", "INFO")
        return
    reading = session.reader.answer(words)
    if reading is None and session.reader.busy:
        reading = session.reader.newest  # of what was typed before: the panel shall not jump with each letter
    if reading is None:
        return
    if reading.refusal:
        draw_text(layout, context, reading.refusal, "ERROR")
    elif reading.understood:
        draw_text(layout, context, _sentence(reading.understood), "CHECKMARK")
    if reading.passed_over:
        draw_text(layout, context, f"Passed over: {', '.join(reading.passed_over)}", "INFO")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


class ANTHESIS_PT_generate_settings(Tab, bpy.types.Panel):
    bl_label = "Settings"
    bl_parent_id = "ANTHESIS_PT_generate"
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header_preset(self, context):
        ANTHESIS_PT_generate_presets.draw_panel_header(self.layout)

    def draw(self, context):
        layout, settings = self.layout, context.scene.anthesis.generate
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(settings, "text")
        column = layout.column(align=True)
        column.prop(settings, "count")
        column.prop(settings, "variations")
        draw_clip_settings(layout, settings)


def draw_clip_settings(layout, settings) -> None:
    """What every request has."""
    layout.prop(settings, "engine")
    column = layout.column(align=True)
    column.prop(settings, "frames")
    column.prop(settings, "fps")
    layout.prop(settings, "seed")
    layout.prop(settings, "reverse")


class ANTHESIS_PT_generate_presets(PresetPanel, bpy.types.Panel):
    bl_label = "Generate Presets"
    preset_subdir = "anthesis/generate"
    preset_operator = "script.execute_preset"
    preset_add_operator = "anthesis.generate_preset_add"


class ANTHESIS_OT_generate_preset_add(AddPresetBase, bpy.types.Operator):
    bl_idname = "anthesis.generate_preset_add"
    bl_label = "Add Generate Preset"
    bl_description = "Keep these settings under a name, or remove them"
    preset_menu = "ANTHESIS_PT_generate_presets"
    preset_subdir = "anthesis/generate"
    preset_defines = ["settings = bpy.context.scene.anthesis.generate"]
    preset_values = [
        f"settings.{name}" for name in (*protocol.Generate.__struct_fields__, "variations") if name not in LEFT_OPEN
    ]


CLASSES = (
    ANTHESIS_PT_generate,
    ANTHESIS_PT_generate_settings,
    ANTHESIS_PT_generate_presets,
    ANTHESIS_OT_generate_preset_add,
)
