# SPDX-License-Identifier: GPL-3.0-or-later

"""Views of one thing as an image of the file: side by side, and in rows in its preview, which the panel shows.

There is one image for each prompt and seed. It is packed, so that it is saved as it is, at any moment. As what arrives
in general it is looked up each time: the artist may rename or delete it, or undo what made it.
"""

import math
from collections.abc import Callable, Iterator

import bpy
import numpy as np

from ..seam import protocol
from . import png, provenance

SIDE = 256  # pixels of a view, about: smaller ones are enlarged, so that each of their pixels can be seen
PREVIEW = 256  # pixels of a preview: Blender keeps no larger one
SAME = ("prompt", "negative", "seed", "model")  # of what made two results: then they are of one thing
NAME = 48  # letters of the prompt in the image's name


class Sheet:
    """Take records, and step() while there is something to do. Holds nothing of Blender's between two calls."""

    def __init__(self, made_by: dict[str, str], show: Callable[[bpy.types.Image], None] = lambda image: None):
        """`made_by` is protocol.provenance(request); `show` is called with an image that was not there before."""
        self.image_name = ""  # once there is one
        self.record: protocol.ViewsRecord | None = None  # of what it shows, or will in a moment
        self._made_by, self._show = made_by, show
        self._uid = 0
        self._steps: Iterator[None] = iter(())

    def take(self, record: protocol.ViewsRecord, arrays: dict[str, np.ndarray]) -> None:
        """The views that it shows from now on; those of one step may come several times. Raises BadMessage."""
        protocol.check_views(record, arrays)
        if self.record is None or (record.step, record.preview) != (self.record.step, self.record.preview):
            self.record, self._steps = record, self._through(record, arrays["pixels"])

    def step(self) -> bool:
        """A few milliseconds of the work; False where there is none."""
        return next(self._steps, self) is not self

    def _through(self, record: protocol.ViewsRecord, views: np.ndarray) -> Iterator[None]:
        file, strip = [], side_by_side(views)
        for part in png.parts(strip):
            file.append(part)
            yield
        image = self._found()
        png.show(image, b"".join(file))
        provenance.write(image, self._made_by, {"step": record.step, "steps": record.steps, "views": len(views)})
        preview = image.preview_ensure()
        if tuple(preview.image_size) != (PREVIEW, PREVIEW):
            preview.image_size = PREVIEW, PREVIEW
        preview.image_pixels.foreach_set(in_rows(views)[::-1].copy().view(np.int32).ravel())
        if self._uid != image.session_uid:
            self._show(image)
        self.image_name, self._uid = image.name, image.session_uid
        yield

    def _found(self):
        """The image by this name or another, or of an earlier result of the same; a new one where there is none."""
        ours = [image for image in bpy.data.images if image.session_uid == self._uid or self._is_of_this(image)]
        if ours:
            return min(ours, key=lambda image: image.session_uid != self._uid)
        words = " ".join(self._made_by["prompt"].split())[:NAME]
        made = bpy.data.images.new(f"{words}, Seed {self._made_by['seed']}", 1, 1)
        made.use_fake_user = True  # it is saved, though another seed is shown: the choice between them is kept
        return made

    def _is_of_this(self, image) -> bool:
        made_by = made(image)
        return not image.library and all(made_by.get(name) == self._made_by[name] for name in SAME)


def made(image) -> dict[str, str]:
    """What made the views that an image shows; nothing where it is no sheet."""
    facts = provenance.read(image) or {}
    return facts["made_by"] if "views" in facts else {}


def side_by_side(views: np.ndarray) -> np.ndarray:
    """(H, W, 3) of (F, h, w, 3), every pixel enlarged as often as it takes."""
    times = max(1, SIDE // max(views.shape[1:3]))
    return np.concatenate(list(views), axis=1).repeat(times, axis=0).repeat(times, axis=1)


def in_rows(views: np.ndarray) -> np.ndarray:
    """(PREVIEW, PREVIEW, 4) of (F, h, w, 3), row after row from the top; what is left over is transparent."""
    columns = math.ceil(math.sqrt(len(views)))
    side = PREVIEW // columns
    picture = np.zeros((PREVIEW, PREVIEW, 4), np.uint8)
    across, down = (np.arange(side) * size // side for size in (views.shape[2], views.shape[1]))
    for number, view in enumerate(views):
        y, x = (side * place for place in divmod(number, columns))
        picture[y : y + side, x : x + side, :3] = view[down[:, None], across]
        picture[y : y + side, x : x + side, 3] = 255
    return picture
