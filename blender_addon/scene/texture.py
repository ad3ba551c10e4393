# SPDX-License-Identifier: GPL-3.0-or-later

"""What the surface of a result shows at its UVs: images that are packed into the file, in a Principled material.

While a result arrives it is kept as files, not as images: an undo may take those away, or another object need them.
"""

from collections.abc import Iterator

import bpy
import numpy as np

from ..seam import protocol
from . import png
from .material import MATERIAL_IS_OURS
from .strip import GREY, MATT
from .surface import principled

CHANNELS = {"texture": "Texture", "texture_roughness": "Texture Roughness"}  # of a Subject, and how images are called


class Texture:
    """Make it of the arrays of a Subject that has one, step() while it says so, then put() it on its object."""

    def __init__(self, arrays: dict[str, np.ndarray]):
        self._pixels = {name: arrays[name] for name in CHANNELS if name in arrays}
        self._files: dict[str, bytes] = {}
        self._uids: dict[str, int] = {}  # of images
        self._steps = self._through()
        colour = arrays["albedo"].mean(axis=0) if len(arrays.get("albedo", ())) else np.full(3, GREY)
        self._colour = protocol.srgb_to_linear(colour / 255)  # for who shows no textures
        self._roughness = _mean(arrays, ("texture_roughness", "roughness"), MATT)
        self._metallic = _mean(arrays, ("metallic",), 0)

    def step(self) -> bool:
        """A few milliseconds of the work on its files; False where they are whole."""
        return next(self._steps, self) is not self

    def _through(self) -> Iterator[None]:
        for name, pixels in self._pixels.items():
            parts = []
            for part in png.parts(pixels):
                parts.append(part)
                yield
            self._files[name] = b"".join(parts)

    def put(self, obj, lives: bool) -> None:
        """A material for an object that has none; what `lives` is changed by its life, and not copied for that."""
        if any(slot.material for slot in obj.material_slots):
            return
        while self.step():
            pass
        material = bpy.data.materials.new(obj.name)
        if material.node_tree is None:  # before Blender 5.0
            material.use_nodes = True
        tree, shader = material.node_tree, principled(material)
        material.diffuse_color[:3] = self._colour
        for name, below in zip(self._pixels, (0, 300), strict=False):
            node = tree.nodes.new("ShaderNodeTexImage")
            node.image, node.extension = self._image(name, obj.name), "EXTEND"
            node.location = (shader.location.x - 320, shader.location.y - below)
            socket = "Base Color" if name == "texture" else "Roughness"
            tree.links.new(node.outputs["Color"], shader.inputs[socket])
            if name == "texture":
                tree.nodes.active = node  # what Solid shows with the colour Texture
        shader.inputs["Roughness"].default_value = self._roughness  # which is sent where the mesh is animated
        shader.inputs["Metallic"].default_value = self._metallic
        if lives:
            material[MATERIAL_IS_OURS] = True
        obj.data.materials.append(material)

    def _image(self, name: str, title: str):
        """The image that was made before, where it is still there."""
        uid = self._uids.get(name)
        found = next((image for image in bpy.data.images if image.session_uid == uid), None)
        if found is None:
            found = png.new_image(f"{title} {CHANNELS[name]}", self._files[name])
            found.colorspace_settings.name = "sRGB" if name == "texture" else "Non-Color"
            self._uids[name] = found.session_uid
        return found


def _mean(arrays: dict[str, np.ndarray], names: tuple[str, ...], otherwise: int) -> float:
    """Of bytes: that of the first of these that there is."""
    values = next((arrays[name] for name in names if np.size(arrays.get(name, ()))), otherwise)
    return float(np.mean(values)) / 255
