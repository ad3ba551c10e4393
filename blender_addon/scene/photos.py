"""An image of the file: as the bytes that a picture is sent in, and as what a plane shows.

Blender hands bytes out as the file has them, and floats as linear light, multiplied with their opacity; rows come from
the bottom. A record has them sRGB-encoded, not multiplied with anything, rows from the top.
"""

from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ..seam import protocol
from .surface import principled

LONGEST = 1024  # pixels a side that are sent: a model sees fewer, and Blender hands out 16 bytes for each
PLAIN = ("Standard", "Raw")  # view transforms that leave colours as they are, or nearly
OPACITY = ("STRAIGHT", "PREMUL")  # alpha modes in which the fourth channel is opacity

REFUSED = {
    "MOVIE": "is a film: save one of its frames as a file, and open that",
    "SEQUENCE": "is a sequence of images: open one of them by itself",
    "TILED": "is spread over UDIM tiles: open one of them by itself",
    "MULTILAYER": "has several layers: save the one to show as a file, and open that",
    "RENDER_RESULT": "cannot be read by add-ons: save it with Image > Save As, and open that file",
    "COMPOSITING": "cannot be read by add-ons: save it with Image > Save As, and open that file",
}


class Unreadable(ValueError):
    """An image that cannot be sent; the message says what to do."""


@dataclass(frozen=True)
class Photo:
    """What a plane shows, as plain data: the image may be renamed or deleted in between."""

    name: str = ""
    uid: int = 0  # session_uid: finds a renamed image, as long as the file stays open
    transparent: bool = False

    @property
    def title(self) -> str:
        """What an object that shows it is called."""
        stem, ending = Path(self.name).stem, Path(self.name).suffix
        return stem if stem and ending.lower() in bpy.path.extensions_image else self.name


LOST = Photo()


def read(image) -> tuple[np.ndarray, Photo]:
    """(H, W, 3 or 4) bytes, at most LONGEST on the longer side, and what they were read from. The image stays as it is.
    Raises Unreadable."""
    width, height = _size(image)
    share = min(1.0, max(LONGEST / max(width, height), protocol.PICTURE_SHORTEST / min(width, height)))
    share = min(share, protocol.PICTURE_SIDE / max(width, height))
    size = max(1, round(share * width)), max(1, round(share * height))
    picture = np.ascontiguousarray(_encoded(image, _pixels(image, size))[::-1])
    transparent = picture.shape[2] == 4 and picture[..., 3].min() < 255
    return picture if transparent else picture[..., :3], Photo(image.name, image.session_uid, transparent)


def _size(image) -> tuple[int, int]:
    if image is None:
        raise Unreadable("No picture is chosen: open one first")
    reason = REFUSED.get(image.type) or REFUSED.get(image.source)
    if reason:
        raise Unreadable(f'"{image.name}" {reason}')
    width, height = image.size  # which loads it
    if not width * height:
        where = f" {image.filepath}" if image.filepath else ""
        raise Unreadable(f'"{image.name}" has no pixels, its file{where} is missing or no image: open another one')
    return width, height


def _pixels(image, size: tuple[int, int]) -> np.ndarray:
    """(h, w, C) float32 of that size, as Blender has them: the mean of what becomes one pixel."""
    if tuple(image.size) == size:
        return _all_pixels(image)
    if image.is_dirty:  # a copy is without what was painted and not saved
        return _means(_means(_all_pixels(image), size[1], 0), size[0], 1)
    copy = image.copy()
    try:
        copy.scale(*size)
        return _all_pixels(copy)
    finally:
        bpy.data.images.remove(copy)


def _all_pixels(image) -> np.ndarray:
    width, height = image.size
    pixels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(height, width, image.channels)


def _means(pixels: np.ndarray, count: int, axis: int) -> np.ndarray:
    """`count` means of neighbours along an axis."""
    edges = np.arange(count + 1) * pixels.shape[axis] // count
    shape = [-1 if each == axis else 1 for each in range(pixels.ndim)]
    return np.add.reduceat(pixels, edges[:-1], axis) / np.diff(edges).reshape(shape).astype(np.float32)


def _encoded(image, pixels: np.ndarray) -> np.ndarray:
    """Bytes (H, W, 3 or 4) of pixels (H, W, C)."""
    channels = pixels.shape[2]
    colour = np.nan_to_num(pixels[..., :3] if channels >= 3 else np.repeat(pixels[..., :1], 3, axis=2), posinf=1.0)
    opacity = np.nan_to_num(pixels[..., 3:]) if channels == 4 and image.alpha_mode in OPACITY else None
    if image.is_float and opacity is not None:
        colour = colour / np.where(opacity > 0, opacity, 1.0)
    space = image.colorspace_settings
    if image.is_float or space.is_data or space.name.startswith(("Linear", "ACES")):
        colour = protocol.linear_to_srgb(colour)
    return protocol.to_bytes(colour if opacity is None else np.concatenate([colour, opacity], axis=2))


# --- On a plane


def dress(obj, photo: Photo) -> list[str]:
    """Let a new object show a photo at its UVs, whatever the light. What the artist should know."""
    image = next((each for each in bpy.data.images if each.session_uid == photo.uid), bpy.data.images.get(photo.name))
    obj.data.materials.append(_material(obj.name, image, photo.transparent))
    if image is None:
        gone = f'The picture "{photo.name}" is no longer in this file' if photo.name else "Its picture is not known"
        return [f'{gone}: choose one in the material of "{obj.name}"']
    transform = bpy.context.scene.view_settings.view_transform
    if transform in PLAIN:
        return []
    return [f"The picture is unshaded, and the view transform of the scene, {transform}, still applies to its colours"]


def _material(name: str, image, transparent: bool):
    """A Principled shader that glows as the image and reflects nothing: exporters take it, unlike an Emission shader
    that is mixed with a transparent one."""
    material = bpy.data.materials.new(name)
    if material.node_tree is None:  # before Blender 5.0
        material.use_nodes = True
    tree, shader = material.node_tree, principled(material)
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image, texture.extension = image, "EXTEND"
    texture.location = (shader.location.x - 320, shader.location.y)
    shader.inputs["Base Color"].default_value = (0.0, 0.0, 0.0, 1.0)
    shader.inputs["Specular IOR Level"].default_value = 0.0
    shader.inputs["Emission Strength"].default_value = 1.0
    tree.links.new(texture.outputs["Color"], shader.inputs["Emission Color"])
    if transparent:
        tree.links.new(texture.outputs["Alpha"], shader.inputs["Alpha"])
        material.surface_render_method = "BLENDED"
    tree.nodes.active = texture  # what Solid shows with the colour Texture
    return material
