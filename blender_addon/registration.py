# SPDX-License-Identifier: GPL-3.0-or-later

"""What Blender is told of, in order."""

import bpy
from bpy.props import PointerProperty

from . import events, operators, panels, pictures, poke, preferences, properties, specimens, sway

CLASSES = (
    preferences.AnthesisPreferences,
    *properties.CLASSES,
    *operators.CLASSES,
    *sway.CLASSES,
    *poke.CLASSES,
    *panels.CLASSES,
)


def register() -> None:
    pictures.start()
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.anthesis = PointerProperty(type=properties.AnthesisSettings)
    bpy.types.Object.anthesis_specimen = PointerProperty(type=specimens.AnthesisSpecimen)
    bpy.types.Object.anthesis_sway = PointerProperty(type=sway.AnthesisSway)
    bpy.types.WindowManager.anthesis = PointerProperty(type=properties.AnthesisWindow)
    events.start()


def unregister() -> None:
    events.stop()
    del bpy.types.WindowManager.anthesis
    del bpy.types.Object.anthesis_sway
    del bpy.types.Object.anthesis_specimen
    del bpy.types.Scene.anthesis
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
    pictures.stop()
