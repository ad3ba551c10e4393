# SPDX-License-Identifier: GPL-3.0-or-later

"""Playing the active object, and writing it to a file."""

import bpy

from ..export_operator import is_there
from .tab import Tab


class ANTHESIS_PT_export(Tab, bpy.types.Panel):
    bl_label = "Play and Export"

    def draw(self, context):
        layout = self.layout
        playing = context.screen.is_animation_playing
        row = layout.row(align=True)
        row.operator("anthesis.play", text="Pause" if playing else "Play", icon="PAUSE" if playing else "PLAY")
        row.operator("view3d.view_selected", text="Frame", icon="ZOOM_SELECTED")
        column = layout.column(align=True)
        for format, label in (("GLTF", "glTF"), ("FBX", "FBX"), ("ALEMBIC", "Alembic"), ("USD", "USD")):
            row = column.row(align=True)
            row.enabled = is_there(format)
            row.operator("anthesis.export", text=label, icon="EXPORT").format = format


CLASSES = (ANTHESIS_PT_export,)
