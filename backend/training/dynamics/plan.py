"""What a training of image dynamics is made of: sizes of the networks, data, and steps of each phase, in one place."""

from dataclasses import dataclass

from backend.priors.dynamics.sizes import MINIATURE, PAPER, SEEDLING
from backend.training import plan
from backend.training.plan import Budget


@dataclass(frozen=True)
class Plan(plan.Plan):
    """Of image dynamics."""

    left: float = 0.5  # share of energy that a trained autoencoder may lose
    varied: bool = False  # do samples teach mirrored and in other colours too


PLANS = {
    "seedling": Plan(
        SEEDLING,
        {
            "autoencoder": Budget(1000, 8, 4e-4),
            "slices": Budget(5000, 32, 5e-4),
            "coordination": Budget(600, 4, 5e-4),
            "perception": Budget(200, 8, 1e-3),
            "renderer": Budget(1000, 8, 2e-3),
        },
        {"train": 6400, "seeds": 320, "kinds": 320},
        checked=2000,
        varied=True,
    ),
    # For ablations: many of them are trained one after another, each in minutes.
    "miniature": Plan(
        MINIATURE,
        {
            "autoencoder": Budget(500, 8, 4e-4),
            "slices": Budget(1300, 32, 1e-3),
            "coordination": Budget(240, 4, 1e-3),
            "perception": Budget(200, 8, 1e-3),
            "renderer": Budget(1200, 8, 2e-3),
        },
        {"train": 1600, "seeds": 160, "kinds": 160},
        left=1.0,
        varied=True,
    ),
    "paper": Plan(
        PAPER,
        {
            "autoencoder": Budget(100_000, 8, 1e-4),
            "slices": Budget(400_000, 64, 1e-4),
            "coordination": Budget(100_000, 8, 1e-4),
            "perception": Budget(20_000, 16, 1e-3),
            "renderer": Budget(100_000, 8, 2e-4),
        },
        {"train": 40_000, "seeds": 640, "kinds": 640},
        saved=1000,
        checked=5000,
        told=50,
    ),
}
