"""What torch.save wrote of a job under way, read again.

A damaged file is told from a disk that fails and from memory that is short: torch says the same of all three.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import torch

# What a broken file makes torch, or who takes apart what it gives, stumble over.
BROKEN = (EOFError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, pickle.UnpicklingError)


class Damaged(ValueError):
    """A file that is not sound."""


class _Heard(io.FileIO):
    """A file that remembers what the disk has said."""

    said: OSError | None = None

    def read(self, size: int = -1) -> bytes:
        return self._heard(super().read, size)

    def readinto(self, buffer: Any) -> int:
        return self._heard(super().readinto, buffer)

    def _heard(self, reads: Any, what: Any) -> Any:
        try:
            return reads(what)
        except OSError as error:
            self.said = error
            raise


def read(path: Path) -> Any:
    """What was saved, tensors on the CPU.

    Raises:
        Damaged: the file is not sound.
        OSError: there is none, or the disk cannot read it.
        MemoryError: there is too little for it. The file may well be sound.
    """
    with _Heard(path) as file:
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except (*BROKEN, OSError) as error:  # OSError: of a place to seek that a broken file names
            if file.said is not None:
                raise file.said from error
            if isinstance(error, RuntimeError) and "alloc" in str(error):  # of torch's allocator, on any system
                raise MemoryError(f"There is too little memory to read {path.name}") from error
            raise Damaged(f"{path.name} is damaged ({type(error).__name__})") from error
