"""The picture before it moves: whether anything can be made of it, and at what size."""

import numpy as np
from numpy.typing import NDArray

from backend.protocol import PICTURE_GREY, PICTURE_SHORTEST

SEEN = 13  # of 255: what is less opaque is not seen
ALIKE = 2  # of 255: colours no further apart than this are one colour

Pixels = NDArray[np.uint8]


class UnusablePicture(ValueError):
    """A picture that cannot be brought to life; the message says what to do."""


def opaque(pixels: Pixels, there: str = "where the model sees a mid grey") -> tuple[Pixels, tuple[str, ...]]:
    """Pixels (H, W, 3) of (H, W, 3 or 4), and sentences on what was done to them: `there`, where one is transparent.

    Raises:
        UnusablePicture: nothing can be made of it.
    """
    height, width, channels = pixels.shape
    if min(height, width) < PICTURE_SHORTEST:
        raise UnusablePicture(
            f"The picture has {width} x {height} pixels, and at least {PICTURE_SHORTEST} a side are needed to see what "
            "moves: take a larger one"
        )
    said: tuple[str, ...] = ()
    if channels == 4:
        pixels, said = _over_grey(pixels, there)
    if np.ptp(pixels.reshape(-1, 3), axis=0).max() <= ALIKE:
        raise UnusablePicture(
            "The picture is of one colour, and nothing in it can be seen to move: take one that shows something"
        )
    return pixels, said


def _over_grey(pixels: Pixels, there: str) -> tuple[Pixels, tuple[str, ...]]:
    opacity = pixels[..., 3:]
    if opacity.max() < SEEN:
        raise UnusablePicture("The picture is transparent everywhere: take one that shows something")
    colours, unseen = np.ascontiguousarray(pixels[..., :3]), opacity < 255
    if not unseen.any():
        return colours, ()
    share = opacity / np.float32(255)
    over = np.round(colours * share + PICTURE_GREY * (1 - share)).astype(np.uint8)
    how = "" if opacity[unseen].max() < SEEN else "wholly or partly "
    return over, (f"{unseen.mean():.0%} of the picture is {how}transparent, {there}",)


def film_size(width: int, height: int, longest: int) -> tuple[int, int]:
    """(width, height) of the film, even, as films are stored; a picture is not enlarged. Raises UnusablePicture."""
    larger = max(width, height)
    film = tuple(side * min(longest, larger) // larger // 2 * 2 for side in (width, height))
    if min(film) < PICTURE_SHORTEST:
        raise UnusablePicture(
            f"The picture is so narrow that its film would have {film[0]} x {film[1]} pixels, and at least "
            f"{PICTURE_SHORTEST} a side are needed: crop it, or raise the size"
        )
    return film
