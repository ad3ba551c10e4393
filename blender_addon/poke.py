# SPDX-License-Identifier: GPL-3.0-or-later

"""Poke: press and drag on a mesh that sways, let go, and it rings out by its own modes.

What a hand does is in scene/ringing.py, and what it does to the object in scene/poking.py. Here are the mouse and the
clock. Blender undoes nothing while this runs, for the keys of the hand are not in its history.
"""

import time

import bpy
from bpy.props import EnumProperty
from bpy_extras import view3d_utils

from .scene import clips, poking

RATE = 1 / 60  # seconds between two updates
LONGEST = 0.1  # seconds of one update: after a stall it goes on from where it was
SAYS = "Drag on the mesh: poke   |   Enter: keep the last poke as keyframes   |   Esc, right click: leave"
# What moves the view goes through, and nothing else: an undo would take the keys away.
OF_VIEW = ("MIDDLEMOUSE", "WHEEL", "NUMPAD", "TRACKPAD", "MOUSEROTATE", "MOUSESMARTZOOM", "NDOF")
ENDS = {"ESC": False, "RIGHTMOUSE": False, "RET": True}  # and whether what it did is kept


class ANTHESIS_OT_poke(bpy.types.Operator):
    bl_idname = "anthesis.poke"
    bl_label = "Poke"
    bl_description = (
        "Press and drag on the mesh in the viewport, let go, and it rings out by its own vibration modes. "
        "Enter keeps the last poke as keyframes, from the frame on where it was pressed. Esc leaves all as it was"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        return _poll(cls, context)

    def invoke(self, context, event):
        area = next((area for area in context.window.screen.areas if area.type == "VIEW_3D"), None)
        if area is None:
            self.report({"ERROR"}, "Open a 3D viewport to poke in")
            return {"CANCELLED"}
        try:
            self.poke = poking.Poke(context.active_object)
        except poking.CannotPoke as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.pressed = None  # the 3D view, and the place in the world, that was pressed
        self.at = time.monotonic()
        self.timer = context.window_manager.event_timer_add(RATE, window=context.window)
        context.window_manager.modal_handler_add(self)
        context.workspace.status_text_set(SAYS)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        obj = self.poke.object()
        if obj is None:  # it was deleted, or another file opened
            self.finish(context, keep=False)
            return {"CANCELLED"}
        if event.type in ENDS and event.value == "PRESS":
            keep = ENDS[event.type] and self.poke.last is not None
            self.finish(context, keep)
            if keep:
                warn_of_scene_end(self, obj)
            return {"FINISHED"} if keep else {"CANCELLED"}
        if event.type == "TIMER":
            now = time.monotonic()
            self.poke.tick(obj, min(LONGEST, now - self.at))
            self.at = now
            return {"PASS_THROUGH"}
        if event.type == "LEFTMOUSE" and event.value in ("PRESS", "DOUBLE_CLICK"):
            return self.press(context, obj, event)
        if event.type == "LEFTMOUSE" and self.pressed:
            self.pressed = None
            self.poke.let_go()
        elif event.type in ("MOUSEMOVE", "INBETWEEN_MOUSEMOVE") and self.pressed:
            self.drag(obj, event)
        elif event.type.startswith(OF_VIEW) or "MOUSEMOVE" in event.type:
            return {"PASS_THROUGH"}
        return {"RUNNING_MODAL"}

    def cancel(self, context):
        """Blender is about to close."""
        self.finish(context, keep=False)

    def press(self, context, obj, event):
        view = _view_under(context, event)
        if view is None:  # a panel: its buttons work on
            return {"PASS_THROUGH"}
        region, view3d = view
        mouse = event.mouse_x - region.x, event.mouse_y - region.y
        hit = poking.hit(
            obj,
            view3d_utils.region_2d_to_origin_3d(region, view3d, mouse),
            view3d_utils.region_2d_to_vector_3d(region, view3d, mouse),
        )
        if hit is not None:
            self.pressed = region, view3d, obj.matrix_world @ hit
            self.poke.take(obj, hit)
        return {"RUNNING_MODAL"}

    def drag(self, obj, event) -> None:
        """The place that was pressed goes with the mouse, in the plane of the view."""
        region, view3d, place = self.pressed
        mouse = event.mouse_x - region.x, event.mouse_y - region.y
        now = view3d_utils.region_2d_to_location_3d(region, view3d, mouse, place)
        self.poke.move(obj, now - place)

    def finish(self, context, keep: bool) -> None:
        context.window_manager.event_timer_remove(self.timer)
        context.workspace.status_text_set(None)
        self.poke.end(keep)


def warn_of_scene_end(operator, obj) -> None:
    """Where what was kept is not all played."""
    (_, last), ends = poking.frame_range(obj), bpy.context.scene.frame_end
    if last > ends:
        remedy = f"set End to {clips.scene_end(obj)} to play all of it"
        operator.report({"WARNING"}, f"It rings until frame {last}, and the scene ends at frame {ends}: {remedy}")


class ANTHESIS_OT_poke_by_empty(bpy.types.Operator):
    bl_idname = "anthesis.poke_by_empty"
    bl_label = "Poke With Empty"
    bl_description = (
        "Let the recorded motion of the other selected object, an empty, poke the active one. It takes the vertex "
        "nearest to its first place, and lets go at its last keyframe"
    )
    bl_options = {"REGISTER", "UNDO"}
    way: EnumProperty(
        name="Way",
        items=[
            ("HOLD", "Hold", "The vertex goes where the empty goes, as far as its modes give, until it lets go"),
            ("PUSH", "Push", "The empty is a force, and the mesh answers with its own inertia"),
        ],
    )

    @classmethod
    def poll(cls, context):
        if len(context.selected_objects) != 2:
            cls.poll_message_set("Select an empty that moves, and then a mesh that sways")
            return False
        return _poll(cls, context)

    def execute(self, context):
        obj = context.active_object
        (empty,) = (other for other in context.selected_objects if other != obj)
        try:
            behind = poking.by_empty(obj, empty, holds=self.way == "HOLD")
        except poking.CannotPoke as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if behind > poking.BEHIND:
            share = f"{behind * poking.REACH:.0%} of the mesh's size"
            self.report({"WARNING"}, f"It stays behind the empty by up to {share}: its modes give no further that way")
        warn_of_scene_end(self, obj)
        return {"FINISHED"}


class ANTHESIS_OT_forget_pokes(bpy.types.Operator):
    bl_idname = "anthesis.forget_pokes"
    bl_label = "Forget Pokes"
    bl_description = "Take the keyframes and shape keys of kept pokes away"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if not poking.kept(context.active_object):
            cls.poll_message_set("No poke of this object was kept")
            return False
        return True

    def execute(self, context):
        poking.forget(context.active_object)
        return {"FINISHED"}


def _poll(cls, context) -> bool:
    try:
        poking.require(context.active_object)
    except poking.CannotPoke as error:
        cls.poll_message_set(str(error))
        return False
    return True


def _view_under(context, event):
    """(region, 3D view) under the mouse; None elsewhere, and over what floats in the viewport."""
    for area in context.window.screen.areas:
        if area.type != "VIEW_3D":
            continue
        under = [region for region in area.regions if _holds(region, event)]
        if under and all(region.type == "WINDOW" for region in under):
            space = area.spaces.active
            quad = [region for region in area.regions if region.type == "WINDOW"].index(under[0])
            views = space.region_quadviews
            return under[0], views[quad] if len(views) else space.region_3d
    return None


def _holds(region, event) -> bool:
    inside = 0 <= event.mouse_x - region.x < region.width and 0 <= event.mouse_y - region.y < region.height
    return inside and region.width > 1


CLASSES = (ANTHESIS_OT_poke, ANTHESIS_OT_poke_by_empty, ANTHESIS_OT_forget_pokes)
