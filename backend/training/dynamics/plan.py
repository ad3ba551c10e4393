"""What a training of image dynamics is made of: sizes of the networks, data, and steps of each phase, in one place.

Budgets are steps and not seconds: the same plan gives the same model on a slow machine.
"""

from dataclasses import dataclass, field, replace

from backend.priors.dynamics.sizes import MINIATURE, PAPER, SEEDLING, Sizes


@dataclass(frozen=True)
class Budget:
    """Of one phase."""

    steps: int
    batch: int  # pictures a step
    rate: float  # of Adam, where it is highest


@dataclass(frozen=True)
class Plan:
    """A whole training. The phases are gone in the order of the budgets."""

    sizes: Sizes
    budgets: dict[str, Budget]
    samples: dict[str, int] = field(default_factory=dict)  # of each split of a corpus of specimens
    saved: int = 500  # steps from one checkpoint to the next
    checked: int = 500  # steps from one look at held-out pictures to the next
    told: int = 20  # steps a line of the log
    left: float = 0.5  # share of energy that a trained autoencoder may lose

    def with_effort(self, effort: float) -> "Plan":
        """So many times the steps and the samples."""
        return replace(
            self,
            budgets={name: replace(one, steps=max(1, round(one.steps * effort))) for name, one in self.budgets.items()},
            samples={split: max(1, round(count * effort)) for split, count in self.samples.items()},
        )


PLANS = {
    "seedling": Plan(
        SEEDLING,
        {
            "autoencoder": Budget(1000, 8, 4e-4),
            "slices": Budget(4000, 32, 5e-4),
            "coordination": Budget(600, 4, 5e-4),
            "perception": Budget(200, 8, 1e-3),
            "renderer": Budget(400, 8, 2e-3),
        },
        {"train": 6400, "seeds": 320, "kinds": 320},
        checked=2000,
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
