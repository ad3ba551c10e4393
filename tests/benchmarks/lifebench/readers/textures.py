"""Colours of vertices from a glTF file's textures, bilinear, at each vertex' UV. Pictures are opened by Pillow."""

import io

import numpy as np

from backend import protocol
from tests.benchmarks.lifebench.nouns import Reals
from tests.benchmarks.lifebench.readers.gltf_document import Document
from tests.benchmarks.lifebench.readers.moments import Unreadable


def sampled(document: Document, said: dict, attributes: dict) -> Reals:
    """(V, 4) in [0, 1] as they are stored, for a textureInfo; the picture is repeated outside [0, 1]."""
    image = document.json["images"][document.json["textures"][said["index"]]["source"]]
    data = document.view(image["bufferView"]) if "bufferView" in image else document.beside(image["uri"])
    uv = document.array(attributes[f"TEXCOORD_{said.get('texCoord', 0)}"]).astype(np.float64)
    return bilinear(_opened(data, document.path.name), uv)


def bilinear(pixels: Reals, uv: Reals) -> Reals:
    """(V, C) of pixels (H, W, C) at uv (V, 2); row 0 is at v = 0, as glTF counts."""
    height, width = pixels.shape[:2]
    place = uv * [width, height] - 0.5
    low = np.floor(place).astype(np.int64)
    u, v = (place - low).T[..., None]
    (x0, y0), (x1, y1) = (low % [width, height]).T, ((low + 1) % [width, height]).T
    upper = (1 - u) * pixels[y0, x0] + u * pixels[y0, x1]
    return (1 - v) * upper + v * ((1 - u) * pixels[y1, x0] + u * pixels[y1, x1])


def linear(rgba: Reals) -> Reals:
    """The same with its colours decoded from sRGB; alpha stays."""
    return np.concatenate([protocol.srgb_to_linear(rgba[:, :3].astype(np.float32)), rgba[:, 3:]], axis=1)


def _opened(data: bytes, name: str) -> Reals:
    try:
        from PIL import Image
    except ImportError as error:
        raise Unreadable(f"{name} has textures: read it where Pillow is installed (.env/learned)") from error
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGBA"), np.float64) / 255
