"""How long a training is: steps and batches of each phase, and how often it is looked at and kept.

Budgets are steps and not seconds: the same plan gives the same model on a slow machine.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Self


@dataclass(frozen=True)
class Budget:
    """Of one phase."""

    steps: int
    batch: int  # pictures a step
    rate: float  # of Adam, where it is highest


@dataclass(frozen=True)
class Plan:
    """A whole training. The phases are gone in the order of the budgets."""

    sizes: Any  # of the networks
    budgets: dict[str, Budget]
    samples: dict[str, int] = field(default_factory=dict)  # of each split of a corpus of specimens
    saved: int = 500  # steps from one checkpoint to the next
    checked: int = 500  # steps from one look at held-out pictures to the next
    told: int = 20  # steps a line of the log

    def with_effort(self, effort: float) -> Self:
        """So many times the steps and the samples."""
        return replace(
            self,
            budgets={name: replace(one, steps=max(1, round(one.steps * effort))) for name, one in self.budgets.items()},
            samples={split: max(1, round(count * effort)) for split, count in self.samples.items()},
        )
