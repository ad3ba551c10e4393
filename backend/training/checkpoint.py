"""What a training is resumed from, on disk: there whole, or not at all.

A step's data and chance follow from the seed, the phase and the step's number alone. So the number stands for them.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from backend import saved
from backend.training.disk import ROOM, make_room

FILE = "checkpoint.pt"


class OtherPlan(ValueError):
    """A checkpoint of another configuration."""


@dataclass
class Checkpoint:
    """A training between two steps."""

    sizes: dict
    about: str  # what it learns from
    phase: str
    step: int  # of the phase that come next
    model: dict[str, Any]
    optimizer: dict[str, Any]
    average: list[Tensor]  # of what learns
    logged: int  # bytes of the log
    digests: dict[str, str] = field(default_factory=dict)  # of what it learns from; older versions told none

    def write(self, folder: Path) -> None:
        """In one step.

        Raises:
            DiskFull, OSError: nothing was written, and the one before is still there.
        """
        path = folder / FILE
        needed = (path.stat().st_size if path.exists() else 0) + ROOM
        make_room(folder, needed)
        partial = path.with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                torch.save(vars(self), file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except RuntimeError as error:  # torch's, in the place of what the disk has said
            if isinstance(told := error.__context__, OSError):
                raise OSError(*told.args) from error
            raise
        finally:
            partial.unlink(missing_ok=True)

    @classmethod
    def read(cls, folder: Path) -> "Checkpoint | None":
        """The one in a folder, if there is one.

        Raises:
            saved.Damaged, OSError, MemoryError.
        """
        path = folder / FILE
        if not path.exists():
            return None
        state = saved.read(path)
        try:
            return cls(**state)
        except TypeError as error:  # it has other fields
            raise saved.Damaged(f"{FILE} is no checkpoint of this version") from error

    def check(self, about: str, digests: Mapping[str, str]) -> None:
        """Raises OtherPlan where it was written by a training of other data; there may be more by now, as there are
        with more effort."""
        if self.about != about:
            raise OtherPlan(f"it learns from {self.about}, and not from {about}")
        if others := [name for name, own in self.digests.items() if digests.get(name) != own]:
            more = f" and {len(others) - 1} more are" if len(others) > 1 else " is"
            raise OtherPlan(
                f"of {len(self.digests)} files that it learns from, {others[0]}{more} gone or changed. Bring back what "
                "was there, or what it was made from, to go on with it"
            )
