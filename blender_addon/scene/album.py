# SPDX-License-Identifier: GPL-3.0-or-later

"""The pictures in a folder, sent as they lie there: the backend turns them upright, and knows their colours better than
Blender does."""

from pathlib import Path

import bpy
import numpy as np

from ..seam import protocol


def read(folder: str) -> bytes:
    """The pictures in a folder, packed as they are. Raises ValueError, saying what to do, where they are not as many as
    it takes, or cannot be read."""
    if not folder.strip():
        raise ValueError("No pictures are chosen: name the folder that they lie in")
    place = Path(bpy.path.abspath(folder))
    if not place.is_dir():
        raise ValueError(f"There is no folder {place}: choose the one that the pictures lie in")
    least, most = protocol.PICTURES
    paths = sorted(path for path in place.iterdir() if path.suffix.lower() in protocol.PICTURE_ENDINGS)
    if not least <= len(paths) <= most:
        endings = "" if paths else f" ({', '.join(protocol.PICTURE_ENDINGS)})"
        remedy = "add some" if len(paths) < least else "take some out"
        raise ValueError(f"{place} has {len(paths)} pictures{endings}, and {least} to {most} are wanted: {remedy}")
    files = {f"file_{number}": _bytes(path) for number, path in enumerate(paths)}
    try:
        return bytes(protocol.pack(protocol.PicturesRecord(names=tuple(path.name[-200:] for path in paths)), files))
    except protocol.BadMessage as error:
        raise ValueError(f"The pictures are too large ({error.text}): save them smaller") from None


def _bytes(path: Path) -> np.ndarray:
    try:
        return np.fromfile(path, np.uint8)
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read ({error.strerror or error}): copy it again") from None
