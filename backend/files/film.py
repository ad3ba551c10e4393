"""Films to files, frame by frame as they come: .mp4 by ffmpeg, .gif and a folder of .png by Pillow."""

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend import learned
from backend.files import Unwritable, part_of

ENDINGS = (".mp4", ".gif")
PLANES = (".glb", ".usdc", ".usdz")  # of a picture's plane, which is a clip and no film
QUALITY = 8  # of 10: H.264 at which nothing is seen of its blocks

Frames = Iterable[NDArray[np.uint8]]  # (H, W, 3) each, with even sides


def check_output(path: Path) -> None:
    """Refuse before any work is done what could not be written after it. Raises Unwritable, learned.NotInstalled."""
    ending = path.suffix.lower()
    if ending not in (*ENDINGS, ".npz", ""):
        raise Unwritable(
            f"Cannot write a film as {path.suffix}: end the name with {' or '.join(ENDINGS)}, with .npz for the motion "
            f"alone, or name a folder for one .png a frame. A plane that shows the picture and sways ends with "
            f"{', '.join(PLANES)}"
        )
    if not path.absolute().parent.is_dir():
        raise Unwritable(f"The folder {path.absolute().parent} does not exist: make it, or write somewhere else")
    if not ending and path.exists() and not path.is_dir():
        raise Unwritable(f"{path} is a file without an ending: name a folder, or end the name with {ENDINGS[0]}")
    if ending == ".mp4":
        learned.wanted(imageio_ffmpeg="imageio-ffmpeg")


def save(frames: Frames, path: Path, fps: float, loop: bool) -> None:
    """It appears whole or not at all; of a folder, frames of an earlier film of its name are removed.

    Raises OSError where the disk is full.
    """
    path = path.resolve()
    part = part_of(path)
    if not path.suffix:
        _save_folder(frames, path, part)
        return
    try:
        if path.suffix.lower() == ".mp4":
            _mp4(frames, part, fps)
        else:
            _gif(frames, part, fps, loop)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def frames_in(folder: Path) -> list[Path]:
    """The files that save() writes into a folder, of any length, as they are there."""
    ours = re.compile(re.escape(folder.name) + r"_\d{4,}\.png")
    return sorted(path for path in folder.iterdir() if ours.fullmatch(path.name))


def _mp4(frames: Frames, path: Path, fps: float) -> None:
    import imageio_ffmpeg

    film = None
    try:
        for frame in frames:
            if film is None:
                size = frame.shape[1], frame.shape[0]
                film = imageio_ffmpeg.write_frames(
                    str(path), size, fps=fps, quality=QUALITY, macro_block_size=2, ffmpeg_log_level="error"
                )
                film.send(None)
            film.send(np.ascontiguousarray(frame))
    finally:
        if film is not None:
            film.close()


def _gif(frames: Frames, path: Path, fps: float, loop: bool) -> None:
    from PIL import Image

    images = [Image.fromarray(frame) for frame in frames]
    first, *others = images
    # its clock ticks in hundredths of a second: each frame ends at the tick nearest to where it should
    ends = np.round(100 * np.arange(len(images) + 1) / fps).astype(int)
    again = {"loop": 0} if loop else {}
    first.save(path, format="GIF", save_all=True, append_images=others, duration=(10 * np.diff(ends)).tolist(), **again)


def _save_folder(frames: Frames, folder: Path, part: Path) -> None:
    try:
        part.mkdir(exist_ok=True)
        for name, image in _named(frames, folder.name):
            image.save(part / name)
        if not folder.exists():
            part.rename(folder)
            return
        for earlier in frames_in(folder):
            earlier.unlink()
        for frame in part.iterdir():
            frame.replace(folder / frame.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _named(frames: Frames, name: str) -> Iterator[tuple[str, object]]:
    from PIL import Image

    for number, frame in enumerate(frames, start=1):
        yield f"{name}_{number:04d}.png", Image.fromarray(frame)
