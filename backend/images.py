"""Pixels to the bytes of a .png file and back, by Pillow.

It comes with learned engines, and is imported where it is used. Rows from the top; 8 bits a value.
"""

import io

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def png(pixels: Pixels) -> bytes:
    """The file of colours (H, W, 3 or 4) or greys (H, W)."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def colours(file: bytes) -> Pixels:
    """(H, W, 3) of a .png or .jpg file."""
    return _read(file, "RGB")


def greys(file: bytes) -> Pixels:
    """(H, W) of a .png file."""
    return _read(file, "L")


def _read(file: bytes, mode: str) -> Pixels:
    from PIL import Image

    with Image.open(io.BytesIO(file)) as image:
        return np.array(image.convert(mode))
