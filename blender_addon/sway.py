# SPDX-License-Identifier: GPL-3.0-or-later

"""What a finished sway lets one change without the backend, beside the sliders that are custom properties: Speed and
Direction, which are read off the object and written to it, and the ways between live and plain."""

import bpy
from bpy.props import FloatProperty

from .operation import OnActive
from .scene import sway, sway_bake

SPEEDS = 0.05, 8.0


class AnthesisSway(bpy.types.PropertyGroup):
    """Object.anthesis_sway. Nothing is stored here: an undo or an edit of the curve cannot make it untrue."""

    speed: FloatProperty(
        name="Speed",
        description=(
            "How many times as fast it sways as it was made. It takes the nearest speed whose loop is a whole number "
            "of frames; the scene comes round where it plays whole loops. For a speed that changes over time edit the "
            "curve of Sway"
        ),
        min=SPEEDS[0],
        max=SPEEDS[1],
        soft_min=0.25,
        soft_max=2.0,
        options=set(),
        get=lambda self: sway.speed(self.id_data) or 0.0,
        set=lambda self, value: _set_speed(self.id_data, value),
    )
    direction: FloatProperty(
        name="Wind Direction",
        description="Where the wind blows to: 0 along X, a quarter turn along Y. It cannot be animated",
        subtype="ANGLE",
        soft_min=-3.14159265,
        soft_max=3.14159265,
        options=set(),
        get=lambda self: sway.direction(self.id_data) or 0.0,
        set=lambda self, value: _set_direction(self.id_data, value),
    )


def _set_speed(obj, value: float) -> None:
    if sway.loop(obj) is not None:  # a timing of the artist is left alone: the panel says so
        sway.set_speed(obj, value)


def _set_direction(obj, value: float) -> None:
    if sway.on(obj) is not None and sway.direction(obj) is not None:
        sway.turn(obj, value)


class OfSway(OnActive):
    """An operator on the active object, where that sways."""

    bl_options = {"REGISTER", "UNDO"}
    wanted = "Select an object that sways"

    @staticmethod
    def suits(obj) -> bool:
        return sway.on(obj) is not None


class ANTHESIS_OT_bake_sway(OfSway, bpy.types.Operator):
    bl_idname = "anthesis.bake_sway"
    bl_label = "Bake Sway"
    bl_description = (
        "Turn the sway into plain keyframes as it is now: one loop that repeats, or the scene's frames where a slider "
        "is animated. Amplitude and Calm to Storm go, until Make Sway Live brings all settings back"
    )

    @classmethod
    def fits(cls, obj) -> bool:
        if sway.of(obj) is None:
            cls.poll_message_set("It is baked already")
            return False
        return True

    def execute(self, context):
        sway_bake.bake(context.active_object)
        return {"FINISHED"}


class ANTHESIS_OT_make_sway_live(OfSway, bpy.types.Operator):
    bl_idname = "anthesis.make_sway_live"
    bl_label = "Make Sway Live"
    bl_description = (
        "Let the shape keys of the sway follow sliders of this object again, as these were. Their keyframes go"
    )

    @classmethod
    def fits(cls, obj) -> bool:
        if sway.of(obj) is not None and sway.leads(obj):
            cls.poll_message_set("It is live already")
            return False
        return True

    def execute(self, context):
        obj = context.active_object
        if obj.data.users - obj.data.use_fake_user > 1:
            obj.data = obj.data.copy()  # the others go on as they are
        sway.enliven(obj, context.scene.frame_start)
        return {"FINISHED"}


class ANTHESIS_OT_remove_sway(OfSway, bpy.types.Operator):
    bl_idname = "anthesis.remove_sway"
    bl_label = "Remove Sway"
    bl_description = "Take the sway off the object, with its shape keys and its sliders"

    def execute(self, context):
        sway.remove(context.active_object)
        return {"FINISHED"}


CLASSES = (AnthesisSway, ANTHESIS_OT_bake_sway, ANTHESIS_OT_make_sway_live, ANTHESIS_OT_remove_sway)
