"""What a training is resumed from, on disk: there whole, or not at all.

A step's data and chance follow from the seed, the phase and the step's number alone. So the number stands for them.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from backend.priors.dynamics import NETWORKS, Dynamics
from backend.priors.dynamics.sizes import Sizes

FILE = "checkpoint.pt"
ROOM = 200e6  # bytes that are left free


class OtherPlan(ValueError):
    """A checkpoint of another configuration."""


class DiskFull(OSError):
    """There is not enough room."""


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

    def write(self, folder: Path) -> None:
        """In one step.

        Raises:
            DiskFull: nothing was written, and the one before is still there.
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
        finally:
            partial.unlink(missing_ok=True)

    @classmethod
    def read(cls, folder: Path) -> "Checkpoint | None":
        """The one in a folder, if there is one."""
        path = folder / FILE
        return cls(**torch.load(path, map_location="cpu", weights_only=True)) if path.exists() else None

    def check(self, sizes: Sizes, about: str) -> None:
        """Raises OtherPlan where it was written by a training that this one cannot go on with."""
        if Sizes.of_json(self.sizes) != sizes:
            own = Sizes.of_json(self.sizes)
            raise OtherPlan(
                f"it is of networks of other sizes ({own.height} x {own.width} pixels, {own.bins} bins; wanted are "
                f"{sizes.height} x {sizes.width} and {sizes.bins})"
            )
        if self.about != about:
            raise OtherPlan(f"it learns from {self.about}, and not from {about}")


def make_room(folder: Path, needed: float) -> None:
    """Raises DiskFull where fewer bytes than `needed` are free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskFull(f"{needed / 1e9:.1f} GB are needed in {folder}, and {free / 1e9:.1f} GB are free")


def state_of(model: Dynamics) -> dict[str, Any]:
    """All that training changes in a model."""
    config = model.autoencoder.config
    return {
        "networks": {name: getattr(model, name).state_dict() for name in NETWORKS},
        "centre": {"shift_factor": config.shift_factor, "scaling_factor": config.scaling_factor},
        "scales": model.scales,
        "guidance": model.guidance,
    }


def restore(model: Dynamics, state: dict[str, Any]) -> None:
    """As it was when `state_of` was asked."""
    for name, weights in state["networks"].items():
        getattr(model, name).load_state_dict(weights)
    model.autoencoder.register_to_config(**state["centre"])
    model.scales = state["scales"].to(model.scales.device)
    model.guidance = state["guidance"]
