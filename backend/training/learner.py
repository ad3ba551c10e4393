"""What one kind of training tells the loop that all of them share: its model, its phases, its data in a few words.

All that chance decides in a step comes from a generator that follows from the seed, the phase and the step.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from backend.report import Report
from backend.training.log import Log
from backend.training.plan import Plan

Tell = Callable[[float, str], None]  # at a step of the present phase: a word on what goes on


class NotLearned(RuntimeError):
    """What comes next has nothing to build on."""


class Phase(ABC):
    """Which parameters learn, what a step reads, what it is to make small, and how good it is on held-out pictures."""

    name: str  # that of its budget

    @abstractmethod
    def learning(self) -> list[nn.Parameter]:
        """What the optimizer changes; all else is frozen."""

    @abstractmethod
    def read(self, batch: int, step: int, key: tuple[int, ...]) -> Any:
        """What a step learns from, on the CPU; called from several threads."""

    @abstractmethod
    def losses(self, given: Any, generator: torch.Generator) -> dict[str, Tensor]:
        """`total`, which is made small, and its parts."""

    def parts(self, given: Any, generator: torch.Generator) -> Iterator[dict[str, Tensor]]:
        """Of `losses`, one after the other: slopes of all parts together are those of the whole."""
        yield self.losses(given, generator)

    def smaller(self) -> str:
        """From now on in smaller parts, to the same result; a sentence that says so, or "" where there are none."""
        return ""

    @abstractmethod
    def scores(self) -> dict[str, float]:
        """On held-out pictures."""

    @abstractmethod
    def shown(self) -> list[list[Tensor]]:
        """Rows of pictures (3, H, W) in [-1, 1] to look at."""

    def finish(self) -> None:  # noqa: B027 - most have nothing to do
        """When all of its steps are gone."""

    def check(self, scores: dict[str, float], steps: int) -> None:  # noqa: B027 - most have nothing to ask
        """At its end, after so many steps. Raises NotLearned where the next phase would have nothing to build on."""


class Learner(ABC):
    """A model that is trained, and what it is trained with."""

    plan: Plan
    phases: tuple[type[Phase], ...]  # all that there are, in their order
    about: str  # what it learns from
    digests: Mapping[str, str] = MappingProxyType({})  # of the files with it, by their names

    @property
    @abstractmethod
    def counts(self) -> tuple[int, int]:
        """Of the samples that are learned from, and of those that are held out."""

    @property
    @abstractmethod
    def sizes(self) -> dict:
        """What a checkpoint has to agree with, as JSON."""

    @abstractmethod
    def check(self, sizes: dict) -> None:
        """Raises checkpoint.OtherPlan where a training of these sizes is not this one."""

    @abstractmethod
    def begin(self, state: dict[str, Any] | None, report: Report) -> None:
        """Builds the model: as it was when `state` was told, or untrained."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """All that training changes in the model."""

    @abstractmethod
    def phase(self, kind: type[Phase], tell: Tell) -> Phase:
        """Of the model as it is now."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """The model."""

    @abstractmethod
    def card(self, log: Log) -> str:
        """Of the model, in Markdown."""
