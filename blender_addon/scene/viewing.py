# SPDX-License-Identifier: GPL-3.0-or-later

"""Views that were asked for by themselves on their way into the open file: nothing but their image."""

from collections.abc import Iterator

import numpy as np

from ..seam import protocol
from .sheet import Sheet


class Viewing:
    """Feed it the records of one job in order, step() after each while it says so, then run finish()."""

    copies: tuple[str, ...] = ()
    vertices = 0

    def __init__(self, sheet: Sheet):
        self.sheet = sheet
        self.notes: list[str] = []

    @property
    def object_name(self) -> str:
        """The name of its image, once there is one."""
        return self.sheet.image_name

    def apply(self, record, arrays: dict[str, np.ndarray]) -> None:
        """Take one record: ViewsRecords, then a Certificate. Raises BadMessage."""
        if isinstance(record, protocol.ViewsRecord):
            self.sheet.take(record, arrays)
            if record.passed_over:
                words = ", ".join(f'"{word}"' for word in record.passed_over)
                self.notes = [f"Words that the model does not know, and that change nothing: {words}"]

    def step(self) -> bool:
        """A few milliseconds of what has to be done before the next record; False where there is nothing."""
        return self.sheet.step()

    def finish(self) -> Iterator[None]:
        """There is nothing to do at the end, but for what had no time before."""
        while self.sheet.step():
            yield

    def abandon(self) -> None:
        """The job ended early: what there is to see stays."""
        shown = self.sheet.record
        if shown is not None and shown.preview:
            self.notes.append(f"The views are as they were after step {shown.step} of {shown.steps}")

    def withdraw(self) -> None:
        """The image stays: there is nothing else in the file."""

    def verify(self) -> None:
        """Nothing is written that an edit could tear."""

    def show(self) -> None:
        """It shows as it goes."""

    def take_back(self, obj) -> bool:
        """No object is half written."""
        return False
