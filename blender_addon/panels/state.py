# SPDX-License-Identifier: GPL-3.0-or-later

"""The backend's state, and what to do about it."""

import bpy

from .. import events
from .tab import Tab, draw_text

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

FAULT = "Anthesis met a fault of its own and goes on as well as it can. Please report it, with the log"


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


CLASSES = (ANTHESIS_PT_backend,)
