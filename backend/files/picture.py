"""A picture from a file, by Pillow: colours as sRGB in 8 bits, upright, with its opacity where it has one."""

import io
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backend import learned, protocol
from backend.clip import Texture
from backend.files.mesh import Unreadable

Pixels = NDArray[np.uint8]

ENDINGS = protocol.PICTURE_ENDINGS
_AS_THEY_ARE = {"PNG": ("RGB", "RGBA", "L", "LA", "P", "1"), "JPEG": ("RGB", "L")}  # what every viewer decodes
_SIXTEEN = ("I;16", "I;16B", "I;16L", "I;16N", "I")


class Read(NamedTuple):
    """Pixels (H, W, 3 or 4), and what was done to them, in sentences."""

    pixels: Pixels
    said: tuple[str, ...]


def read(path: Path) -> Read:
    """The picture in a file, no larger than a record may hold.

    Raises:
        Unreadable: there is none in it.
        learned.NotInstalled: there is no Pillow.
    """
    if not path.is_file():
        raise Unreadable(f"There is no file {path}: check its name")
    return _read(path, path.name)


def read_bytes(data: bytes, name: str) -> Read:
    """As `read`, of what lies in a file of this name."""
    return _read(io.BytesIO(data), name)


def _read(file: Path | io.BytesIO, name: str) -> Read:
    learned.wanted(PIL="pillow")
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                several = getattr(image, "n_frames", 1) > 1
                image.load()
                upright = ImageOps.exif_transpose(image)
                colours = _coloured(upright, name)
    except UnidentifiedImageError:
        raise Unreadable(f"{name} is not a picture that can be read: save it as one of {', '.join(ENDINGS)}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unreadable(
            f"{name} has more than {Image.MAX_IMAGE_PIXELS / 1e6:.0f} million pixels: make it smaller first"
        ) from None
    except Unreadable:
        raise
    except Exception as error:  # a stranger's file: Pillow's readers name no error of their own
        raise Unreadable(f"{name} is broken or cut off ({error}): save it again, or take a whole copy") from error
    said = ("It holds several pictures, and the first is taken",) if several else ()
    width, height = colours.size
    if max(width, height) > protocol.PICTURE_SIDE:
        colours.thumbnail((protocol.PICTURE_SIDE, protocol.PICTURE_SIDE), Image.Resampling.LANCZOS)
        said += (f"It has {width} x {height} pixels, and was made smaller: {colours.width} x {colours.height}",)
    return Read(np.array(colours), said)


def photo(path: Path, pixels: Pixels) -> Texture:
    """What a surface shows of the picture in a file, which was read as `pixels` (H, W, 3 or 4).

    It is the file itself where that holds these very pixels; else a JPEG is encoded anew with little loss, and all else
    without any.
    """
    from PIL import Image

    transparent = pixels.shape[2] == 4 and bool((pixels[..., 3] < 255).any())
    with Image.open(path) as image:
        form, only = image.format, getattr(image, "n_frames", 1) == 1
        if only and image.mode in _AS_THEY_ARE.get(form, ()):
            plain = np.asarray(image.convert("RGB" if pixels.shape[2] == 3 else "RGBA"))
            if np.array_equal(plain, pixels):
                return Texture(path.read_bytes(), transparent=transparent, lit=False)
    encoded = io.BytesIO()
    if form in ("JPEG", "MPO"):
        Image.fromarray(pixels).save(encoded, "JPEG", quality=95, subsampling=0)
    else:
        Image.fromarray(pixels).save(encoded, "PNG")
    return Texture(encoded.getvalue(), transparent=transparent, lit=False)


def _coloured(image, name: str):
    """The image in mode RGB or RGBA, of its own colours as sRGB. Raises Unreadable."""
    from PIL import Image

    if image.mode in _SIXTEEN:  # Pillow's own conversion would cut off what is above 255
        values = np.asarray(image)
        if values.min(initial=0) < 0 or values.max(initial=0) > 65535:
            raise Unreadable(f"{name} has more than 16 bits a colour: save it with 8 or 16")
        image = Image.fromarray(np.round(values / 257).astype(np.uint8))
    elif image.mode == "F":
        raise Unreadable(f"{name} holds colours as numbers with a point: save it with 8 or 16 bits a colour")
    wanted = "RGBA" if image.has_transparency_data else "RGB"
    profile = image.info.get("icc_profile")
    image = _in_srgb(image, profile) if profile and image.mode in ("RGB", "RGBA", "CMYK") else image
    return image.convert(wanted)


def _in_srgb(image, profile: bytes):
    """By its profile, where that is sound: phones and printers have other primaries."""
    from PIL import ImageCms

    wanted = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=wanted)
    except (ImageCms.PyCMSError, OSError):  # a broken profile is as none
        return image
