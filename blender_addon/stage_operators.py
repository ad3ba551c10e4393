# SPDX-License-Identifier: GPL-3.0-or-later

"""Buttons of the list of processes."""

import bpy
from bpy.props import BoolProperty

from . import stages


class ANTHESIS_OT_add_process(bpy.types.Operator):
    bl_idname = "anthesis.add_process"
    bl_label = "Add Process"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    at_once: BoolProperty(name="At Once", description="Beside the chosen process, not after all of them")

    @classmethod
    def description(cls, _context, properties):
        if properties.at_once:
            return "One more process that happens while the chosen one does"
        return "One more process, after all others. They make room for it"

    def execute(self, context):
        try:
            stages.add(context.scene.anthesis.animate, self.at_once)
        except ValueError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class ANTHESIS_OT_remove_process(bpy.types.Operator):
    bl_idname = "anthesis.remove_process"
    bl_label = "Remove Process"
    bl_description = "Take the chosen process out"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    @classmethod
    def poll(cls, context):
        if not context.scene.anthesis.animate.stages:
            cls.poll_message_set("There is only one process")
            return False
        return True

    def execute(self, context):
        stages.remove(context.scene.anthesis.animate)
        return {"FINISHED"}


CLASSES = (ANTHESIS_OT_add_process, ANTHESIS_OT_remove_process)
