# SPDX-License-Identifier: GPL-3.0-or-later

"""PNG files, a few milliseconds at a time: Blender packs such a file as it comes, and every exporter takes it."""

import struct
import zlib
from collections.abc import Iterator

import bpy
import numpy as np

BAND = 1 << 17  # bytes that are compressed at once
EFFORT = 2  # of zlib: more takes several times as long, for a tenth of the size
UP = 2  # the filter of every row: what it differs by from the one above
GREY, RGB = 0, 2


def parts(pixels: np.ndarray) -> Iterator[bytes]:
    """The file of (H, W, 3) or (H, W) bytes, rows from the top, in parts that take a few milliseconds each."""
    height, width = pixels.shape[:2]
    kind = GREY if pixels.ndim == 2 else RGB
    yield b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, kind, 0, 0, 0))
    rows = pixels.reshape(height, -1)
    packer, band, above = zlib.compressobj(EFFORT), max(1, BAND // rows.shape[1]), np.zeros_like(rows[:1])
    for start in range(0, height, band):
        those = rows[start : start + band]
        filtered = np.full((len(those), 1 + rows.shape[1]), UP, np.uint8)
        filtered[:, 1:] = those - np.concatenate([above, those[:-1]])
        above = those[-1:]
        yield _chunk(b"IDAT", packer.compress(filtered.tobytes()))
    yield _chunk(b"IDAT", packer.flush()) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def show(image, file: bytes) -> None:
    """Let an image of the open file be what this one has, packed. Blender decodes it when it is looked at."""
    image.pack(data=file, data_len=len(file))
    if image.source != "FILE":
        image.source = "FILE"
    image.buffers_free()  # what it was before; reload() looks for a file on the disk, and complains
    image.gl_free()


def new_image(name: str, file: bytes):
    """A new image, packed."""
    image = bpy.data.images.new(name, 1, 1)
    show(image, file)
    return image
