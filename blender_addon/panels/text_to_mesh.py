# SPDX-License-Identifier: GPL-3.0-or-later

"""A textured mesh from words, and before it, what it would look like."""

import bpy

from .. import events, subjects
from ..scene import clips, provenance, sheet
from ..seam import protocol
from .state import draw_lacking
from .tab import Tab, draw_text

LARGE = 11.0  # of the picture of all views, in the size of an icon
OTHERWISE = (
    "A mesh begins with views as the settings under Views make them when they are reset: these were made with others, "
    "and it may become another thing"
)


class ANTHESIS_PT_text_to_mesh(Tab, bpy.types.Panel):
    bl_label = "Text to Mesh"

    def draw(self, context):
        layout, settings, pump = self.layout, context.scene.anthesis.text_to_mesh, events.running()
        column = layout.column()
        column.prop(settings, "prompt", text="", icon="OUTLINER_DATA_FONT", placeholder="A red mushroom, then melting")
        if subjects.known():
            column.prop(settings, "subject")
        if advice := subjects.advice(settings):
            draw_text(column, context, advice, "INFO")
        draw_lacking(layout, context, pump, pump.lacking_for_views(settings.model))
        if settings.image is not None:
            draw_views(layout, context, settings)
        row = layout.row(align=True)
        row.prop(settings, "seed")
        row.operator("anthesis.make_views", text="Next Seed", icon="TRIA_RIGHT").another = True
        row = layout.row(align=True)
        row.scale_y = 1.5
        row.operator("anthesis.make_views", icon="IMAGE_DATA").another = False
        row.operator("anthesis.make_mesh", icon="MESH_MONKEY")
        draw_made(layout, context)


def draw_views(layout, context, settings) -> None:
    """The views, and a button where they are not of what is asked for, or what a mesh of them would begin with."""
    image, box = settings.image, layout.column(align=True)
    if image.preview is not None:
        box.template_icon(icon_value=image.preview.icon_id, scale=LARGE)
    row = box.row(align=True)
    row.template_ID(settings, "image")
    made_by = sheet.made(image)
    if made_by and not settings.is_of(made_by):
        others = str(settings.seed) == made_by["seed"]  # the prompt or the model are not those of the views
        text = "Use Their Prompt and Model" if others else f"Use Seed {made_by['seed']}"
        box.operator("anthesis.use_views", text=text, icon="EYEDROPPER")
    elif made_by and settings.begins_otherwise(made_by):
        draw_text(box, context, OTHERWISE, "INFO")


def draw_made(layout, context) -> None:
    """What was measured about the active object, where it was made here and is still: of what lives, Life says it."""
    obj = context.active_object
    facts = provenance.read(obj) if obj is not None else None
    if facts and facts["made_by"].get("kind") == "text_to_mesh" and not clips.frames(obj) and facts.get("measured"):
        draw_text(layout, context, f"{obj.name}: {facts.get('summary') or 'made from words'}", "INFO")
        layout.operator("anthesis.show_certificate")


class ANTHESIS_PT_text_to_mesh_subject(Tab, bpy.types.Panel):
    bl_label = "A Subject of Yours"
    bl_parent_id = "ANTHESIS_PT_text_to_mesh"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, settings, pump = self.layout, context.scene.anthesis.subject, events.running()
        layout.use_property_split, layout.use_property_decorate = True, False
        column = layout.column(align=True)
        for name in ("pictures", "known_as", "of"):
            column.prop(settings, name)
        column = layout.column(align=True)
        for name in ("model", "effort", "seed"):
            column.prop(settings, name)
        lacking = pump.lacking_for_views(settings.model)
        if lacking:
            draw_text(layout, context, lacking, "INFO")
        elif pump.engines is None:
            draw_text(layout, context, "What was learnt before is shown once the backend runs", "INFO")
        row = layout.row()
        row.scale_y = 1.5
        row.operator("anthesis.learn_subject", icon="COMMUNITY")


class ANTHESIS_PT_text_to_mesh_settings(Tab, bpy.types.Panel):
    bl_label = "Settings"
    bl_parent_id = "ANTHESIS_PT_text_to_mesh"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, settings = self.layout, context.scene.anthesis.text_to_mesh
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(settings, "negative")
        layout.prop(settings, "model")
        column = layout.column(align=True)
        for name in ("faces", "size"):
            column.prop(settings, name)
        column = layout.column(align=True)
        for name in ("views", "shading", "steps", "scale"):
            column.prop(settings, name)


class ANTHESIS_PT_text_to_mesh_views(Tab, bpy.types.Panel):
    bl_label = "Views"
    bl_parent_id = "ANTHESIS_PT_text_to_mesh"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, settings = self.layout, context.scene.anthesis.views
        layout.use_property_split, layout.use_property_decorate = True, False
        column = layout.column(align=True)
        for name in ("count", "elevation", "steps", "scale"):
            column.prop(settings, name)


class ANTHESIS_PT_text_to_mesh_life(Tab, bpy.types.Panel):
    bl_label = "Life"
    bl_parent_id = "ANTHESIS_PT_text_to_mesh"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, settings = self.layout, context.scene.anthesis.text_to_mesh
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(settings, "animate")
        draw_text(layout, context, life_in_words(context.scene.anthesis), "INFO")
        column = layout.column(align=True)
        for name in ("frames", "fps"):
            column.prop(settings, name)
        layout.prop(settings, "timing")
        column = layout.column(align=True)
        for name in ("first", "last"):
            column.prop(settings, name)
        for name in ("reverse", "preview"):
            layout.prop(settings, name)


def life_in_words(settings) -> str:
    """What the mesh will live through."""
    if not settings.text_to_mesh.animate:
        return "It lives through what the prompt says, and is still where that says nothing of it"
    wanted = sorted(settings.animate.stages or [settings.animate.stage], key=lambda stage: stage.start)
    return f"It lives through: {protocol.in_words(tuple(stage.to_stage() for stage in wanted))}"


CLASSES = (
    ANTHESIS_PT_text_to_mesh,
    ANTHESIS_PT_text_to_mesh_subject,
    ANTHESIS_PT_text_to_mesh_settings,
    ANTHESIS_PT_text_to_mesh_views,
    ANTHESIS_PT_text_to_mesh_life,
)
