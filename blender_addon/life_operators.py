# SPDX-License-Identifier: GPL-3.0-or-later

"""Buttons about a finished object: make it plain, make it live again, see what was measured."""

import bpy

from . import backend_operators
from .operation import OnActive
from .panels import certificate
from .scene import clips, provenance


class OfLife(OnActive):
    """An operator on the active object, where that has a life."""

    wanted = "Select an object that Anthesis animated"

    @staticmethod
    def suits(obj) -> bool:
        return clips.frames(obj) > 0


class ANTHESIS_OT_bake(OfLife, bpy.types.Operator):
    bl_idname = "anthesis.bake"
    bl_label = "Bake"
    bl_description = (
        "Turn what is live into plain keyframes, one row of shape keys, as it is now. Life, Amount and the weights go"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def fits(cls, obj) -> bool:
        if not clips.is_live(obj):
            cls.poll_message_set("It is baked already")
            return False
        return True

    def execute(self, context):
        clips.bake(context.active_object)
        return {"FINISHED"}


class ANTHESIS_OT_make_live(OfLife, bpy.types.Operator):
    bl_idname = "anthesis.make_live"
    bl_label = "Make Live"
    bl_description = "Let the shape keys follow this object's own Life and Amount again. Their keyframes go"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def fits(cls, obj) -> bool:
        if clips.is_live(obj) and clips.leads(obj):
            cls.poll_message_set("It is live already")
            return False
        return True

    def execute(self, context):
        try:
            clips.enliven(context.active_object)
        except ValueError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class ANTHESIS_OT_show_certificate(bpy.types.Operator):
    bl_idname = "anthesis.show_certificate"
    bl_label = "Details"
    bl_description = "All that was measured about this clip when it was made"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        facts = provenance.read(context.active_object) if context.active_object else None
        if not facts or not facts.get("measured"):
            cls.poll_message_set("Nothing was measured about this object")
            return False
        return True

    def invoke(self, context, event):
        return context.window_manager.invoke_popup(self, width=certificate.WIDTH)

    def draw(self, context):
        obj = context.active_object
        certificate.draw(self.layout, f"{obj.name}: Certificate", provenance.read(obj)["measured"])

    def execute(self, context):
        """Without a window: into a text datablock."""
        facts = provenance.read(context.active_object)
        lines = [f"{name}: {said}" for name, said in certificate.rows(facts["measured"])]
        made = [f"{name}: {value}" for name, value in facts["made_by"].items()]
        name = backend_operators.show_text(context, "Anthesis Certificate", "\n".join(lines), "\n".join(made))
        self.report({"INFO"}, f'The certificate is in the text "{name}"')
        return {"FINISHED"}


CLASSES = (ANTHESIS_OT_bake, ANTHESIS_OT_make_live, ANTHESIS_OT_show_certificate)
