# SPDX-License-Identifier: GPL-3.0-or-later

"""Export, with the settings under which each exporter keeps the animation."""

from os.path import splitext
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty
from bpy_extras.io_utils import ExportHelper

from . import export

ENDINGS = {"GLTF": ".glb", "FBX": ".fbx", "ALEMBIC": ".abc", "USD": ".usdc"}


def is_there(format: str) -> bool:
    """Some builds of Blender lack Alembic or USD."""
    return format in ("GLTF", "FBX") or getattr(bpy.app.build_options, format.lower())


class ANTHESIS_OT_export(ExportHelper, bpy.types.Operator):
    bl_idname = "anthesis.export"
    bl_label = "Export Animated Mesh"
    bl_description = "Write the active object with its whole animation"
    bl_options = {"REGISTER", "PRESET"}

    filename_ext = ""
    filter_glob: StringProperty(default="*.glb;*.fbx;*.abc;*.usdc", options={"HIDDEN"})
    format: EnumProperty(
        name="Format",
        description="What kind of file is written",
        items=[
            ("GLTF", "glTF", "Shape keys, for the web and game engines"),
            ("FBX", "FBX", "Shape keys, for game engines and other 3D programs"),
            ("ALEMBIC", "Alembic", "Points and colours of each frame"),
            ("USD", "USD", "Points, colours and roughness of each frame"),
        ],
    )
    frame_step: IntProperty(
        name="Frame Step",
        description="Write every nth shape key only; the frames between are blended (glTF and FBX)",
        default=1,
        min=1,
        soft_max=8,
    )
    normals: BoolProperty(
        name="Normals",
        description="Write the normals of each frame: better shading, larger files",
        default=True,
    )

    @classmethod
    def poll(cls, context):
        if context.active_object is None or context.active_object.type != "MESH":
            cls.poll_message_set("Select a mesh object")
            return False
        return True

    def invoke(self, context, event):
        name = bpy.path.clean_name(context.active_object.name) + ENDINGS[self.format]
        self.filepath = str(Path(bpy.data.filepath).with_name(name)) if bpy.data.filepath else name
        return ExportHelper.invoke(self, context, event)

    def check(self, context):
        """The ending follows the format."""
        wanted = splitext(self.filepath)[0] + ENDINGS[self.format]  # not a Path, which knows nothing of Blender's //
        changed, self.filepath = wanted != self.filepath, wanted
        return changed

    def draw(self, context):
        self.layout.use_property_split, self.layout.use_property_decorate = True, False
        self.layout.prop(self, "format")
        column = self.layout.column()
        column.active = self.format in ("GLTF", "FBX")
        column.prop(self, "frame_step")
        self.layout.prop(self, "normals")

    def _format_of_ending(self):
        """Where no format is given, the file's ending says it. Raises CannotExport for one that says none."""
        ending = splitext(self.filepath)[1].lower()
        if self.properties.is_property_set("format") or not ending:
            return
        known = {of_format: format for format, of_format in ENDINGS.items()}
        if ending not in known:
            raise export.CannotExport(f'No format ends in "{ending}": use {", ".join(known)}, or set format')
        self.format = known[ending]

    def execute(self, context):
        try:
            self._format_of_ending()
        except export.CannotExport as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if not is_there(self.format):
            self.report({"ERROR"}, f"This build of Blender cannot write {self.format}: use one from blender.org")
            return {"CANCELLED"}
        self.check(context)
        try:
            written = export.export(self.filepath, context.active_object, self.frame_step, self.normals)
        except (export.CannotExport, OSError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, " ".join([f"Written: {written.path}.", *(f"{said}." for said in written.lost)]))
        return {"FINISHED"}


CLASSES = (ANTHESIS_OT_export,)
