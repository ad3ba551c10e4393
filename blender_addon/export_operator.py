# SPDX-License-Identifier: GPL-3.0-or-later

"""Export, with the settings under which each exporter keeps the animation."""

import bpy
from bpy.props import EnumProperty, StringProperty
from bpy_extras.io_utils import ExportHelper

ENDINGS = {"GLTF": ".glb", "FBX": ".fbx", "ALEMBIC": ".abc", "USD": ".usdc"}


class ANTHESIS_OT_export(ExportHelper, bpy.types.Operator):
    bl_idname = "anthesis.export"
    bl_label = "Export Life"
    bl_description = "Export the selected objects with their animation"
    bl_options = {"REGISTER", "PRESET"}

    filename_ext = ""
    filter_glob: StringProperty(default="*.glb;*.fbx;*.abc;*.usdc", options={"HIDDEN"})
    format: EnumProperty(
        name="Format",
        description="What the file is for",
        items=[
            ("GLTF", "glTF", "Morph targets, for the web and game engines"),
            ("FBX", "FBX", "Blend shapes, for game engines and other 3D programs"),
            ("ALEMBIC", "Alembic", "Points and colours of each frame, for films"),
            ("USD", "USD", "Points and colours of each frame, for films"),
        ],
    )

    def execute(self, context):
        from . import export

        raise NotImplementedError(export)


CLASSES = (ANTHESIS_OT_export,)
