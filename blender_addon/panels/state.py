# SPDX-License-Identifier: GPL-3.0-or-later

"""The backend's state, and what to do about it."""

import bpy

from .. import events
from ..preferences import was_learned
from ..seam import LEARNED_REQUIREMENTS
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

RENEWS = "The learned engine is installed. The backend takes it up when its jobs are done, or when it is restarted"
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
        installation = pump.packages.installation
        if installation is not None:
            draw_installation(layout, context, installation)
        if installation is not None and not (_is_learned(installation) and pump.packages.installed):
            return
        if not pump.packages.installed and pump.session.state != "ready":
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
        if pump.renewal.due:
            draw_text(layout, context, RENEWS, "INFO")
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
    again = "anthesis.install_learned" if _is_learned(installation) else "anthesis.install_backend"
    row = layout.row(align=True)
    row.operator(again, icon="IMPORT")
    row.operator("anthesis.cancel_installation", text="", icon="X")
    layout.operator("anthesis.show_log", icon="TEXT").installation = True


def draw_lacking(layout, context, pump, lacking: str) -> None:
    """Why the learned engine does not do what a panel is for, or what helps: that says why as well."""
    unsure = pump.lacking or pump.engines is None
    helps = unsure and not pump.packages.has_learned and draw_learned(layout, context, pump)
    if not helps and lacking:
        draw_text(layout, context, lacking, "INFO")


def draw_learned(layout, context, pump) -> bool:
    """Whether the learned engine's packages are there, and the button that fetches them; False where nothing was drawn.
    Draws nothing of an installation that is under way or has just ended: draw_installation() does."""
    if pump.packages.installation is not None:
        return False
    try:
        builds = pump.packages.learned_builds()
    except ValueError as error:
        if pump.lacking:
            draw_text(layout, context, str(error), "INFO")
        return bool(pump.lacking)
    if pump.packages.has_learned:
        row = layout.row()
        row.label(text="The learned engine is installed", icon="CHECKMARK")
        row.operator("anthesis.install_learned", text="Install Again", icon="FILE_REFRESH")
        return True
    text = "The learned engine brings pictures to life, and makes meshes from words"
    if was_learned():
        text = "The learned engine is that of another version of Anthesis: install it anew"
    sizes = [f"about {builds['CPU'].fetched:g} GB"]
    if "CUDA" in builds:
        sizes.append(f"{builds['CUDA'].fetched:g} GB for an NVIDIA GPU")
    draw_text(layout, context, f"{text}. To fetch: {', or '.join(sizes)}", "INFO")
    layout.operator("anthesis.install_learned", icon="IMPORT")
    return True


def draw_fetched(layout, build) -> None:
    """How large it is."""
    text = f"About {build.fetched:g} GB are fetched, and take {build.unpacked:g} GB on the disk"
    layout.label(text=text, icon="INFO")


def _is_learned(installation) -> bool:
    return installation.goal == LEARNED_REQUIREMENTS


CLASSES = (ANTHESIS_PT_backend,)
