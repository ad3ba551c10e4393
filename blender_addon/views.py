# SPDX-License-Identifier: GPL-3.0-or-later

"""Where views are shown while they come: in the panel, and in every image editor that has nothing else to show."""

import bpy

from .scene.sheet import Sheet, made


def sheet(made_by: dict[str, str]) -> Sheet:
    """For the views of one result, which are shown once there are any."""
    return Sheet(made_by, show)


def show(image: bpy.types.Image) -> None:
    """In the panel of the scene, and in the image editors."""
    settings = bpy.context.scene.anthesis.text_to_mesh
    seed = settings.seed
    settings.image = image
    settings.seed = seed  # which is that of an image where the artist chooses it: this one has just come
    areas = (area for window in bpy.context.window_manager.windows for area in window.screen.areas)
    for editor in [area.spaces.active for area in areas if area.ui_type == "IMAGE_EDITOR"]:
        if not editor.use_image_pin and (editor.image is None or made(editor.image)):
            editor.image = image
