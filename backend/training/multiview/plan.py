"""What a training of views is made of: sizes of the network, data, and steps, in one place."""

from dataclasses import dataclass

from backend.priors.seedling import Sizes
from backend.training import plan
from backend.training.plan import Budget


@dataclass(frozen=True)
class Plan(plan.Plan):
    """Of views. Without sizes it is a Stable Diffusion that learns on."""

    flat: float = 0.3  # share of the steps that see single pictures, without cameras
    untold: float = 0.1  # share of the sets whose text is left out
    scale: float = 4.0  # of guidance, for what is looked at
    side: int = 256  # pixels, of a Stable Diffusion that learns on


PLANS = {
    "seedling": Plan(
        Sizes(side=32),
        {"views": Budget(10_000, 32, 1e-3)},
        {"train": 12_800, "individuals": 384, "combinations": 384},
        checked=2000,
    ),
    "seedling64": Plan(
        Sizes(side=64, widths=(64, 128, 192)),
        {"views": Budget(40_000, 64, 6e-4)},
        {"train": 25_600, "individuals": 384, "combinations": 384},
        checked=4000,
    ),
    "paper": Plan(None, {"views": Budget(50_000, 64, 1e-4)}, saved=1000, checked=5000, told=50, scale=7.5),
}
