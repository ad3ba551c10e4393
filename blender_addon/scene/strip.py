"""The material over life as images: one texel a vertex and frame, which a Geometry Nodes group samples.

A frame is a band of rows, an image holds a few frames, the first at the top. One strip of images carries albedo (red,
green, blue, sRGB-encoded) and roughness (alpha); where metallic, opacity or emission live too, a second one carries
them.
"""

import struct

import bpy
import numpy as np

from ..seam import protocol

ROW = 4096  # widest image row
IMAGE_TEXELS = 1 << 19  # of one image: written and decoded in a few milliseconds, and only when its frames are shown
TEXELS = 1 << 25  # of all images of a strip: Blender decodes them to 16 bytes a texel, half a gigabyte
SURFACE, MATTER = ("albedo", "roughness"), ("metallic", "opacity", "emission")  # what the two strips carry
GREY = int(protocol.to_bytes(protocol.linear_to_srgb(protocol.GREY)))  # of a subject without colour, as bytes
MATT = int(protocol.to_bytes(protocol.MATT))
DEFAULTS = {"albedo": GREY, "roughness": MATT, "metallic": 0, "opacity": 255, "emission": 0}

Look = dict[str, np.ndarray]  # albedo (V, 3), roughness, metallic, opacity, emission (V,): bytes


def look_of(subject: Look) -> Look:
    """The look that life starts with: all five, of a subject that may tell fewer."""
    count = len(subject["vertices"])
    shapes = {"albedo": (count, 3)}
    return {
        name: subject[name] if name in subject else np.full(shapes.get(name, count), value, np.uint8)
        for name, value in DEFAULTS.items()
    }


class Looks:
    """A look for each frame, as they come. `lives` names what ever differs from the start."""

    def __init__(self, start: Look, frames: int):
        """`frames` is how many are to come."""
        self.start, self.lives, self.frames = start, set(), 0
        self._to_come = frames
        self.strips: dict[tuple[str, ...], Strip] = {}

    def add(self, index: int, arrays: dict[str, np.ndarray]) -> Look:
        """The look of frame `index`: what `arrays` tells of it, and the start for the rest. Frames that were passed
        over had the start's."""
        look = {name: arrays.get(name, start) for name, start in self.start.items()}
        still = self.start.keys() - self.lives
        self.lives |= {name for name in still if not np.array_equal(look[name], self.start[name])}
        for kind in (SURFACE, MATTER):
            if kind not in self.strips and self.lives.intersection(kind):
                self.strips[kind] = Strip(len(look["roughness"]), max(self._to_come, index + 1))
            if kind in self.strips:
                strip = self.strips[kind]
                strip.fill(index, _texels(self.start, kind))
                strip.add(_texels(look, kind))
        self.frames = index + 1
        return look


def _texels(look: Look, kind: tuple[str, ...]) -> np.ndarray:
    """(V, 4) bytes as a file has them: blue, green, red, alpha."""
    texels = np.full((len(look["roughness"]), 4), 255, np.uint8)
    if kind == SURFACE:
        texels[:, 2::-1], texels[:, 3] = look["albedo"], look["roughness"]
    else:
        texels[:, 2], texels[:, 1], texels[:, 0] = look["metallic"], look["opacity"], look["emission"]
    return texels


class Strip:
    """The images being written, a frame at a time, so that no step is long.

    TARGA files, uncompressed: they need no checksum, and PNG's two would cost ten times as much as the rest.
    """

    def __init__(self, vertices: int, frames: int):
        """`frames` is how many are to come; where they are too many for TEXELS, every nth is kept."""
        self.width = min(vertices, ROW)
        self.rows = -(-vertices // self.width)  # of one frame
        texels = self.width * self.rows
        self.every = max(1, -(-texels * frames // TEXELS))
        self.frames_an_image = max(1, min(-(-frames // self.every), IMAGE_TEXELS // texels))
        self.frames = 0  # offered
        self._bands: list[bytes] = []

    def add(self, texels: np.ndarray) -> None:
        """One frame: (V, 4) bytes, blue, green, red, alpha."""
        if self.frames % self.every == 0:
            self._bands.append(self._band(texels))
        self.frames += 1

    def fill(self, until: int, texels: np.ndarray) -> None:
        """The same for all frames before `until` that have none."""
        if self.frames < until:
            band = self._band(texels)
            self._bands += [band for frame in range(self.frames, until) if frame % self.every == 0]
            self.frames = until

    def _band(self, texels: np.ndarray) -> bytes:
        return texels.tobytes() + bytes(4 * (self.rows * self.width - len(texels)))

    @property
    def height(self) -> int:
        """Rows of one image; the last one is filled up with its last frame."""
        return self.rows * self.frames_an_image

    @property
    def images(self) -> int:
        return -(-len(self._bands) // self.frames_an_image)

    def file(self, image: int) -> bytes:
        """One image file. Its header: no palette, true colour, 32 bits a texel, 8 of them alpha, top row first."""
        header = struct.pack("<3B2HB4H2B", 0, 0, 2, 0, 0, 0, 0, 0, self.width, self.height, 32, 0x28)
        bands = self._bands[image * self.frames_an_image :][: self.frames_an_image]
        bands += bands[-1:] * (self.frames_an_image - len(bands))
        return b"".join([header, *bands])


def new_image(name: str, data: bytes, kind: tuple[str, ...]):
    """An image file as an image packed into the .blend."""
    image = bpy.data.images.new(name, 1, 1, alpha=True)
    image.pack(data=data, data_len=len(data))
    image.source = "FILE"
    image.alpha_mode = "CHANNEL_PACKED"
    image.colorspace_settings.name = "sRGB" if kind == SURFACE else "Non-Color"
    return image
