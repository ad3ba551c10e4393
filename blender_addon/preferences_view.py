# SPDX-License-Identifier: GPL-3.0-or-later

"""How the preferences look."""

from . import events
from .panels.state import draw_installation, draw_learned
from .panels.tab import draw_text
from .preferences import environment_folder
from .seam import protocol


def draw(layout, chosen, context) -> None:
    """`chosen` is the AddonPreferences."""
    pump = events.running()
    layout.use_property_split, layout.use_property_decorate = True, False
    layout.row().prop(chosen, "place", expand=True)
    if chosen.place == "LOCAL":
        _draw_local(layout, chosen, context, pump)
    else:
        _draw_remote(layout, chosen)
    column = layout.column()
    column.operator("anthesis.test_connection", icon="LINKED")
    if pump.probed:
        draw_text(column, context, pump.probed, "INFO")
    layout.separator()
    _draw_cache(layout, chosen, pump)


def _draw_local(layout, chosen, context, pump) -> None:
    layout.prop(chosen, "python", placeholder=str(environment_folder()))
    if not chosen.python:
        if pump.packages.installation is not None:
            draw_installation(layout, context, pump.packages.installation)
        elif pump.packages.installed:
            row = layout.row()
            row.label(text="The backend is installed", icon="CHECKMARK")
            row.operator("anthesis.install_backend", text="Install Again", icon="FILE_REFRESH")
        else:
            layout.operator("anthesis.install_backend", icon="IMPORT")
    elif not pump.packages.installed:
        layout.label(text="There is no Python at this path", icon="ERROR")
    draw_learned(layout, context, pump)
    layout.prop(chosen, "home", placeholder=str(protocol.default_home()))
    layout.prop(chosen, "auto_start")
    layout.operator("anthesis.show_log", icon="TEXT")


def _draw_remote(layout, chosen) -> None:
    column = layout.column()
    column.prop(chosen, "endpoint", placeholder="192.168.1.20:5577")
    column.prop(chosen, "server_key")
    column.prop(chosen, "client_public")
    column.prop(chosen, "client_secret")


def _draw_cache(layout, chosen, pump) -> None:
    if chosen.place == "LOCAL":
        layout.prop(chosen, "cache_gb", text="Cache Limit (GB)")
    row = layout.row()
    used = pump.session.store_bytes
    size = f"{used / 1e9:.1f} GB" if used >= 1e9 else f"{used / 1e6:.0f} MB"
    row.label(text=f"Results in the cache: {size}", icon="DISK_DRIVE")
    row.operator("anthesis.clear_jobs", text="Clear Cache", icon="TRASH")
