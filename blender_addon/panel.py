# SPDX-License-Identifier: GPL-3.0-or-later

"""The tab in the sidebar. Draws what is known and computes nothing."""

import textwrap

import bpy
from bl_operators.presets import AddPresetBase
from bl_ui.utils import PresetPanel

from . import events
from .export_operator import is_there
from .scene import provenance
from .seam import protocol

STATE_ICONS = {
    "off": "UNLINKED",
    "starting": "SORTTIME",
    "connecting": "SORTTIME",
    "ready": "LINKED",
    "reconnecting": "FILE_REFRESH",
    "refused": "ERROR",
}
STATE_WORDS = {
    "off": "Off",
    "starting": "Starting",
    "connecting": "Connecting",
    "ready": "Ready",
    "reconnecting": "Reconnecting",
    "refused": "Not Working",
}
JOB_ICONS = {
    "done": "CHECKMARK",
    "failed": "ERROR",
    "quarantined": "ERROR",
    "cancelled": "CANCEL",
}

FAULT = "Anthesis met a fault of its own and goes on as well as it can. Please report it, with the log"


def draw_text(layout: bpy.types.UILayout, context, text: str, icon: str = "NONE") -> None:
    """A sentence, over as many lines as the panel's width asks for: Blender's labels do not wrap."""
    scale = context.preferences.system.ui_scale
    margin = 76 if icon != "NONE" else 56  # pixels beside the text, the tabs' included
    width = int((context.region.width / scale - margin) / 6.4)  # a letter is 6.4 pixels wide, on average
    column = layout.column(align=True)
    column.scale_y = 0.8
    for line in textwrap.wrap(text, max(16, width)):
        column.label(text=line, icon=icon)
        icon = "BLANK1" if icon != "NONE" else "NONE"


class Tab:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Anthesis"


class ANTHESIS_PT_backend(Tab, bpy.types.Panel):
    bl_label = "Backend"

    def draw_header_preset(self, context):
        self.layout.label(text=STATE_WORDS[events.running().session.state])

    def draw(self, context):
        layout, pump = self.layout, events.running()
        if pump.fault:
            draw_text(layout, context, FAULT, "ERROR")
            layout.operator("anthesis.show_log", icon="TEXT")
        if pump.installation is not None:
            draw_installation(layout, context, pump.installation)
        elif not pump.installed and pump.session.state != "ready":
            draw_text(layout, context, "The backend makes the results. It is not installed yet", "INFO")
            layout.operator("anthesis.install_backend", icon="IMPORT")
            layout.operator("anthesis.preferences", icon="PREFERENCES")
        else:
            self.draw_state(context, pump)

    def draw_state(self, context, pump):
        layout, session = self.layout, pump.session
        text = session.text
        if session.state == "ready" and session.worker:
            text = f"{session.text}. {session.worker}"
        draw_text(layout, context, text, STATE_ICONS[session.state])
        match session.state:
            case "off":
                layout.operator("anthesis.start_backend", text=self.verb(pump, "Start Backend"), icon="PLAY")
            case "ready":
                if session.engines is not None:
                    draw_text(layout, context, f"Works on {session.engines.device}", "BLANK1")
                if not pump.settings.remote:
                    row = layout.row(align=True)
                    row.operator("anthesis.stop_backend", text="Stop", icon="PAUSE")
                    row.operator("anthesis.restart_backend", text="Restart", icon="FILE_REFRESH")
                else:
                    layout.operator("anthesis.disconnect", icon="UNLINKED")
            case "refused" | "reconnecting":
                row = layout.row(align=True)
                row.operator("anthesis.start_backend", text=self.verb(pump, "Start Again"), icon="FILE_REFRESH")
                row.operator("anthesis.show_log", icon="TEXT")
                layout.operator("anthesis.preferences", icon="PREFERENCES")
            case _:
                layout.operator("anthesis.disconnect", text="Cancel", icon="X")

    @staticmethod
    def verb(pump, local: str) -> str:
        return "Connect" if pump.settings.remote else local


def draw_installation(layout, context, installation) -> None:
    """Progress while it runs, what to do where it did not end well."""
    if installation.state == "running":
        layout.progress(factor=installation.progress, type="BAR", text=f"{installation.progress:.0%}")
        draw_text(layout, context, installation.text)
        layout.operator("anthesis.cancel_installation", icon="X")
        return
    draw_text(layout, context, installation.text, "ERROR" if installation.state == "failed" else "INFO")
    layout.operator("anthesis.install_backend", icon="IMPORT")
    layout.operator("anthesis.show_log", icon="TEXT").installation = True


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
        engines = events.running().session.engines
        if not settings.prompt and settings.text is None and engines is not None:
            draw_text(column, context, f"The built-in engine knows: {', '.join(engines.makes)}")
        row = column.row()
        row.scale_y = 1.5
        row.operator("anthesis.generate", icon="PLAY")


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
        draw_clip_settings(layout, settings)


def draw_clip_settings(layout, settings) -> None:
    """What every request has."""
    layout.prop(settings, "engine")
    column = layout.column(align=True)
    column.prop(settings, "frames")
    column.prop(settings, "fps")
    layout.prop(settings, "seed")
    layout.prop(settings, "reverse")


class ANTHESIS_PT_animate(Tab, bpy.types.Panel):
    bl_label = "Animate Selected"

    def draw(self, context):
        layout, settings = self.layout, context.scene.anthesis.animate
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(settings, "process")
        layout.prop(settings, "amount")
        row = layout.row()
        row.scale_y = 1.5
        row.operator("anthesis.animate_selected", icon="PLAY")


class ANTHESIS_PT_animate_groups(Tab, bpy.types.Panel):
    bl_label = "Vertex Groups"
    bl_parent_id = "ANTHESIS_PT_animate"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        return context.active_object is not None and context.active_object.type == "MESH"

    def draw(self, context):
        layout, settings = self.layout, context.scene.anthesis.animate
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop_search(settings, "pin_group", context.active_object, "vertex_groups")
        layout.prop_search(settings, "weight_group", context.active_object, "vertex_groups")


class ANTHESIS_PT_animate_settings(Tab, bpy.types.Panel):
    bl_label = "Settings"
    bl_parent_id = "ANTHESIS_PT_animate"
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header_preset(self, context):
        ANTHESIS_PT_animate_presets.draw_panel_header(self.layout)

    def draw(self, context):
        layout = self.layout
        layout.use_property_split, layout.use_property_decorate = True, False
        draw_clip_settings(layout, context.scene.anthesis.animate)


class ANTHESIS_UL_jobs(bpy.types.UIList):
    """One job a row: what it is, how far it is, and the button that fits its state."""

    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index):
        row = layout.row(align=True)
        running = item.state in ("running", "uploading", "cancelling")
        split = row.split(factor=0.65) if running else row
        arriving = item.state == "done" and not item.importable
        split.label(text=item.title, icon="IMPORT" if arriving else JOB_ICONS.get(item.state, "SORTTIME"))
        if running:
            split.progress(factor=item.factor, type="BAR", text=item.bar)
        if not item.final:
            icon = "CANCEL" if item.state == "cancelling" else "X"
            row.operator("anthesis.cancel_job", text="", icon=icon, emboss=False).job = item.name

    def filter_items(self, context, data, propname):
        jobs = getattr(data, propname)
        titles = bpy.types.UI_UL_list.filter_items_by_name(
            self.filter_name, self.bitflag_filter_item, jobs, "title", reverse=self.use_filter_invert
        )
        return titles, []


class ANTHESIS_PT_jobs(Tab, bpy.types.Panel):
    bl_label = "Jobs"

    def draw(self, context):
        layout, window = self.layout, context.window_manager.anthesis
        if not window.jobs:
            layout.label(text="No jobs yet", icon="INFO")
            return
        row = layout.row()
        row.template_list("ANTHESIS_UL_jobs", "", window, "jobs", window, "job_index", rows=4)
        column = row.column(align=True)
        column.operator("anthesis.remove_job", text="", icon="REMOVE")
        column.separator()
        column.operator("anthesis.clear_jobs", text="", icon="TRASH")
        if window.job_index < len(window.jobs):
            self.draw_selected(context, window.jobs[window.job_index])

    def draw_selected(self, context, job):
        layout = self.layout
        draw_text(layout, context, job.text, "ERROR" if job.state in ("failed", "quarantined") else "NONE")
        if job.state == "cancelling":
            layout.operator("anthesis.cancel_job", text="Stop by Force", icon="CANCEL").job = job.name
        elif not job.final:
            layout.operator("anthesis.cancel_job", icon="X").job = job.name
        elif job.importable:
            verb, icon = ("Import Again", "FILE_REFRESH") if job.imported else ("Import", "IMPORT")
            layout.operator("anthesis.import_again", text=verb, icon=icon).job = job.name
        if job.details:
            row = layout.row(align=True)
            row.operator("anthesis.show_details", icon="TEXT").job = job.name
            row.operator("anthesis.show_log", icon="TEXT")


class ANTHESIS_PT_export(Tab, bpy.types.Panel):
    bl_label = "Play and Export"

    def draw(self, context):
        layout = self.layout
        made = context.active_object is not None and provenance.read(context.active_object)
        if made:
            draw_text(layout, context, f"{context.active_object.name}: {made['frames']} frames", "SHAPEKEY_DATA")
        playing = context.screen.is_animation_playing
        row = layout.row(align=True)
        row.operator("anthesis.play", text="Pause" if playing else "Play", icon="PAUSE" if playing else "PLAY")
        row.operator("view3d.view_selected", text="Frame", icon="ZOOM_SELECTED")
        column = layout.column(align=True)
        for format, label in (("GLTF", "glTF"), ("FBX", "FBX"), ("ALEMBIC", "Alembic"), ("USD", "USD")):
            row = column.row(align=True)
            row.enabled = is_there(format)
            row.operator("anthesis.export", text=label, icon="EXPORT").format = format


class ANTHESIS_PT_generate_presets(PresetPanel, bpy.types.Panel):
    bl_label = "Generate Presets"
    preset_subdir = "anthesis/generate"
    preset_operator = "script.execute_preset"
    preset_add_operator = "anthesis.generate_preset_add"


class ANTHESIS_PT_animate_presets(PresetPanel, bpy.types.Panel):
    bl_label = "Animate Presets"
    preset_subdir = "anthesis/animate"
    preset_operator = "script.execute_preset"
    preset_add_operator = "anthesis.animate_preset_add"


class ANTHESIS_OT_generate_preset_add(AddPresetBase, bpy.types.Operator):
    bl_idname = "anthesis.generate_preset_add"
    bl_label = "Add Generate Preset"
    bl_description = "Keep these settings under a name, or remove them"
    preset_menu = "ANTHESIS_PT_generate_presets"
    preset_subdir = "anthesis/generate"
    preset_defines = ["settings = bpy.context.scene.anthesis.generate"]
    preset_values = [f"settings.{name}" for name in protocol.Generate.__struct_fields__]


class ANTHESIS_OT_animate_preset_add(AddPresetBase, bpy.types.Operator):
    bl_idname = "anthesis.animate_preset_add"
    bl_label = "Add Animate Preset"
    bl_description = "Keep these settings under a name, or remove them"
    preset_menu = "ANTHESIS_PT_animate_presets"
    preset_subdir = "anthesis/animate"
    preset_defines = ["settings = bpy.context.scene.anthesis.animate"]
    preset_values = [f"settings.{name}" for name in protocol.Animate.__struct_fields__]


CLASSES = (
    ANTHESIS_PT_backend,
    ANTHESIS_PT_generate,
    ANTHESIS_PT_generate_settings,
    ANTHESIS_PT_animate,
    ANTHESIS_PT_animate_groups,
    ANTHESIS_PT_animate_settings,
    ANTHESIS_UL_jobs,
    ANTHESIS_PT_jobs,
    ANTHESIS_PT_export,
    ANTHESIS_PT_generate_presets,
    ANTHESIS_PT_animate_presets,
    ANTHESIS_OT_generate_preset_add,
    ANTHESIS_OT_animate_preset_add,
)
