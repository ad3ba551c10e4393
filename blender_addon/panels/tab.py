# SPDX-License-Identifier: GPL-3.0-or-later

"""What the panels share: their tab in the sidebar, and sentences, which Blender's labels do not wrap."""

import textwrap

import bpy


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
