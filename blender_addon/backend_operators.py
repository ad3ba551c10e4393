# SPDX-License-Identifier: GPL-3.0-or-later

"""Buttons about the backend: start, stop, install, try."""

import bpy
from bpy.props import BoolProperty, EnumProperty

from . import events
from .client import install, launch
from .operation import Operation
from .panels.state import draw_fetched

LOGS = {  # in the folder logs of the home, by whether it is about the installation
    False: ("backend.log", "gateway.log", "worker.log"),  # the start, the conversation, what went wrong in jobs
    True: ("install.log",),
}
LOG_BYTES = 100_000  # of each, from its end


class Act(Operation):
    """An operator on the Pump: act()."""

    def carry_out(self, context) -> None:
        self.act(events.running())


class ANTHESIS_OT_start_backend(Act, bpy.types.Operator):
    bl_idname = "anthesis.start_backend"
    bl_label = "Start Backend"
    bl_description = "Start the backend on this computer, or connect to the one that the preferences name"

    def act(self, pump):
        pump.connect()


class ANTHESIS_OT_stop_backend(Act, bpy.types.Operator):
    bl_idname = "anthesis.stop_backend"
    bl_label = "Stop Backend"
    bl_description = "End the backend. Finished results stay in the cache"
    force: BoolProperty(name="Stop Running Jobs", description="End it even while jobs run", options={"SKIP_SAVE"})

    def invoke(self, context, event):
        self.force = any(not job.final for job in events.running().session.jobs.values())
        if self.force:
            return context.window_manager.invoke_confirm(self, event)
        return self.execute(context)

    def act(self, pump):
        pump.session.shutdown_backend(self.force)


class ANTHESIS_OT_restart_backend(Act, bpy.types.Operator):
    bl_idname = "anthesis.restart_backend"
    bl_label = "Restart Backend"
    bl_description = "End the backend and start it anew. A running job begins anew and keeps the frames that are there"

    def act(self, pump):
        pump.renewal.restart()


class ANTHESIS_OT_disconnect(Act, bpy.types.Operator):
    bl_idname = "anthesis.disconnect"
    bl_label = "Disconnect"
    bl_description = "Leave the backend alone until it is started again. Its jobs go on"

    def act(self, pump):
        pump.leave()


class ANTHESIS_OT_test_connection(Act, bpy.types.Operator):
    bl_idname = "anthesis.test_connection"
    bl_label = "Test Connection"
    bl_description = "Ask the backend whether it is there, without starting it"

    def act(self, pump):
        pump.test()


class Installs(Act):
    """One at a time."""

    @classmethod
    def poll(cls, context):
        installation = events.running().packages.installation
        return installation is None or installation.state != "running"


class ANTHESIS_OT_install_backend(Installs, bpy.types.Operator):
    bl_idname = "anthesis.install_backend"
    bl_label = "Install Backend"
    bl_description = "Fetch the backend's packages into an environment of their own; Blender's Python is left alone"

    def act(self, pump):
        pump.packages.install()


class ANTHESIS_OT_install_learned(Installs, bpy.types.Operator):
    bl_idname = "anthesis.install_learned"
    bl_label = "Install Learned Engine"
    bl_description = "Fetch what the learned engine needs, torch above all, into the environment of the backend"
    device: EnumProperty(
        name="Computes On",
        description="Which torch is fetched",
        items=[
            ("CPU", "Processor", "Works on every computer"),
            ("CUDA", "NVIDIA GPU", "Many times as fast. It wants a driver of version 580 or later"),
        ],
        options={"SKIP_SAVE"},
    )

    def invoke(self, context, event):
        try:
            builds = events.running().packages.learned_builds()
        except ValueError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.device = "CUDA" if "CUDA" in builds and install.has_nvidia() else "CPU"
        return context.window_manager.invoke_props_dialog(self)

    def draw(self, context):
        layout, builds = self.layout, events.running().packages.learned_builds()
        if len(builds) > 1:
            layout.prop(self, "device", expand=True)
        draw_fetched(layout, builds[self.device])

    def act(self, pump):
        pump.packages.install_learned(self.device)


class ANTHESIS_OT_cancel_installation(Act, bpy.types.Operator):
    bl_idname = "anthesis.cancel_installation"
    bl_label = "Cancel Installation"
    bl_description = "Stop fetching packages, or put away how it ended. Installing again goes on with what is there"

    @classmethod
    def poll(cls, context):
        return events.running().packages.installation is not None

    def act(self, pump):
        pump.packages.end_installation()


class ANTHESIS_OT_show_log(bpy.types.Operator):
    bl_idname = "anthesis.show_log"
    bl_label = "Show Log"
    bl_description = "Load the ends of all logs into a text datablock and show it where a text editor is open"
    bl_options = {"INTERNAL"}
    installation: BoolProperty(name="Of the Installation", options={"SKIP_SAVE"})

    def execute(self, context):
        pump = events.running()
        folder = pump.settings.home / "logs"
        try:
            ends = {folder / name: launch.tail(folder / name, LOG_BYTES) for name in LOGS[self.installation]}
        except OSError as error:
            self.report({"ERROR"}, f"{error.filename} cannot be read: {error.strerror}")
            return {"CANCELLED"}
        parts = [f"=== {log}\n{end}" for log, end in ends.items() if end]
        if pump.fault:
            parts.append(f"=== The add-on\n{pump.fault}")
        if not parts:
            self.report({"ERROR"}, f"There is no log yet in {folder}")
            return {"CANCELLED"}
        if pump.settings.remote:
            parts.insert(0, "The logs of the backend that does the jobs are on its own computer.\n")
        pump.fault = ""
        self.report({"INFO"}, f'The log is in the text "{show_text(context, "Anthesis Log", *parts)}"')
        return {"FINISHED"}


def show_text(context, name: str, *parts: str) -> str:
    """Put words into a text datablock, and before the user's eyes where a text editor is open. Its name."""
    text = bpy.data.texts.get(name) or bpy.data.texts.new(name)
    text.from_string("\n\n".join(parts))
    for area in context.screen.areas if context.screen else ():
        if area.type == "TEXT_EDITOR":
            area.spaces.active.text = text
    return text.name


class ANTHESIS_OT_preferences(bpy.types.Operator):
    bl_idname = "anthesis.preferences"
    bl_label = "Open Preferences"
    bl_description = "Where the backend lives and how it is installed"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        bpy.ops.preferences.addon_show(module=__package__)
        return {"FINISHED"}


CLASSES = (
    ANTHESIS_OT_start_backend,
    ANTHESIS_OT_stop_backend,
    ANTHESIS_OT_restart_backend,
    ANTHESIS_OT_disconnect,
    ANTHESIS_OT_test_connection,
    ANTHESIS_OT_install_backend,
    ANTHESIS_OT_install_learned,
    ANTHESIS_OT_cancel_installation,
    ANTHESIS_OT_show_log,
    ANTHESIS_OT_preferences,
)
