"""A training, phase by phase, to be killed at any moment and gone on with.

    OUT/model/          the model with its card: written at the end of each phase
    OUT/log.jsonl       losses and scores
    OUT/sheets/*.png    what held-out pictures become
    OUT/checkpoint.pt   to go on from

Weights are averaged over the last steps (an exponential mean), and a phase hands on the mean.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from backend.report import Cancelled, Report, silent
from backend.training import card, precision
from backend.training.batches import ahead
from backend.training.checkpoint import Checkpoint
from backend.training.learner import Learner, Phase
from backend.training.log import SHEETS, Log, draw
from backend.training.plan import Budget

MODEL = "model"
AVERAGED = 0.999  # of the mean is kept in a step, when many are gone
CLIP = 1.0  # length of a gradient
WARM, COLD = 0.05, 0.05  # share of the steps in which the rate rises; share of it that is left at the end

T = TypeVar("T")


class Diverged(ArithmeticError):
    """A loss or its slope is not a number."""


@dataclass(frozen=True)
class How:
    """Where it runs, and what is told of it."""

    device: str = "cpu"
    seed: int = 0
    command: str = ""
    say: Callable[[str], None] = lambda sentence: None  # what its user should know of how it went


def train(learner: Learner, out: Path, how: How, report: Report = silent) -> dict[str, float]:
    """Carry a plan out in the folder `out`, from its checkpoint on if there is one; the last scores.

    `report` may raise Cancelled: what was done is kept.

    Raises:
        OtherPlan: what lies in `out` is of another configuration.
        saved.Damaged: it cannot be read.
        MemoryError: there is too little to read it.
        Diverged: the checkpoint is from before.
        NotLearned: what comes next has nothing to build on.
        DiskFull: what was done up to the last checkpoint is kept.
    """
    out.mkdir(parents=True, exist_ok=True)
    return _Training(learner, out, how, report).run()


class _Training:
    def __init__(self, learner: Learner, out: Path, how: How, report: Report) -> None:
        self.learner, self.plan, self.out, self.how, self.report = learner, learner.plan, out, how, report
        self.found = Checkpoint.read(out)
        if self.found is not None:
            learner.check(self.found.sizes)
            self.found.check(learner.about, learner.digests)
        learner.begin(None if self.found is None else self.found.model, report)
        self.log = Log(out, 0 if self.found is None else self.found.logged)
        self.before = 0  # steps of the phases that are over
        self.said = ""  # why it goes on in smaller parts
        self.last: dict[str, float] = {}

    def run(self) -> dict[str, float]:
        train, held_out = self.learner.counts
        self.log.line(
            command=self.how.command, seed=self.how.seed, device=self.how.device,
            numbers=precision.name(self.how.device), data=self.learner.about, train=train, held_out=held_out,
            steps={name: budget.steps for name, budget in self.plan.budgets.items()},
        )  # fmt: skip
        kinds = [kind for kind in self.learner.phases if kind.name in self.plan.budgets]
        names = [kind.name for kind in kinds]
        first = names.index(self.found.phase) if self.found else 0
        for kind in kinds[:first]:
            self.before += self.plan.budgets[kind.name].steps
        for kind in kinds[first:]:
            self._go(self.learner.phase(kind, self._tell), self.plan.budgets[kind.name])
        return self.last

    def _go(self, phase: Phase, budget: Budget) -> None:
        learning = Learning(phase, budget, partial(self._within_memory, phase))
        first = step = 0
        if self.found is not None:
            learning.restore(self.found)
            first = step = self.found.step
            self.found = None
        try:
            for step, given in enumerate(self._batches(phase, budget, first), start=first):
                told = f"Learning: {phase.name}, step {step + 1} of {budget.steps}"
                self._tell(step, ". ".join(filter(None, (told, self.said))))
                generator = torch.Generator().manual_seed(_mixed(*self._key(phase), step))
                losses = learning.step(given, step, generator)
                if step % self.plan.told == 0:
                    self.log.line(phase=phase.name, step=step, **_clocks(), **losses)
                if (step + 1) % self.plan.checked == 0 and step + 1 < budget.steps:
                    self._look(phase, learning, step + 1)
                if (step + 1) % self.plan.saved == 0 and step + 1 < budget.steps:
                    self._save(phase, learning, step + 1)
        except Cancelled:
            self._save(phase, learning, step)
            raise
        self._save(phase, learning, budget.steps)
        self._hand_on(phase, learning, budget)

    def _hand_on(self, phase: Phase, learning: "Learning", budget: Budget) -> None:
        """Hold what was learned against what comes next, and write the model."""
        learning.settle()
        phase.finish()
        self._look(phase, learning, budget.steps)
        phase.check(self.last, budget.steps)
        self.before += budget.steps
        card.write(self.learner.save, self.learner.card(self.log), self.log, self.out / MODEL)

    def _batches(self, phase: Phase, budget: Budget, first: int) -> Iterator:
        return ahead(lambda step: phase.read(budget.batch, step, self._key(phase)), range(first, budget.steps))

    def _key(self, phase: Phase) -> tuple[int, int]:
        return self.how.seed, [kind.name for kind in self.learner.phases].index(phase.name)

    def _look(self, phase: Phase, learning: "Learning", step: int) -> None:
        with learning.averaged():
            self.last = self._within_memory(phase, phase.scores)
            draw(self.out / SHEETS / f"{phase.name}-{step:07}.png", self._within_memory(phase, phase.shown))
        self.log.line(phase=phase.name, step=step, scores=self.last)

    def _within_memory(self, phase: Phase, work: Callable[[], T]) -> T:
        """What `work` gives. Where the GPU's memory is short it is done anew in smaller parts, and that is said."""
        while True:
            try:
                return work()
            except torch.OutOfMemoryError:
                smaller = phase.smaller()
                if not smaller:
                    raise
            torch.cuda.empty_cache()  # now that what was under way is gone with its error
            self.said = smaller
            self.how.say(smaller)

    def _save(self, phase: Phase, learning: "Learning", step: int) -> None:
        Checkpoint(
            self.learner.sizes, self.learner.about, phase.name, step, self.learner.state(),
            learning.optimizer.state_dict(), learning.average, self.log.bytes, dict(self.learner.digests),
        ).write(self.out)  # fmt: skip

    def _tell(self, step: float, text: str) -> None:
        """At a step of the present phase."""
        steps = sum(budget.steps for budget in self.plan.budgets.values())
        self.report(min(1.0, (self.before + step) / steps), text)


def _at_once(work: Callable[[], T]) -> T:
    return work()


class Learning:
    """What learns in a phase, its optimizer and its mean."""

    def __init__(self, phase: Phase, budget: Budget, within: Callable[[Callable[[], T]], T] = _at_once) -> None:
        """What wants much memory is called by `within`, as often as that takes."""
        self.phase, self.budget, self.within = phase, budget, within
        self.weights: list[nn.Parameter] = phase.learning()
        self.optimizer = torch.optim.Adam(self.weights, budget.rate)
        self.average: list[Tensor] = [one.detach().clone() for one in self.weights]

    def restore(self, found: Checkpoint) -> None:
        self.optimizer.load_state_dict(found.optimizer)
        for one, average in zip(self.average, found.average, strict=True):
            one.copy_(average)

    def step(self, given: object, step: int, generator: torch.Generator) -> dict[str, float]:
        """Learn from one batch; what was lost. Raises Diverged, with all as it was."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.budget.rate * _share(step, self.budget.steps)
        losses = self.within(partial(self._slopes, given, generator, generator.get_state()))
        slope = nn.utils.clip_grad_norm_(self.weights, CLIP)
        told = {name: loss.item() for name, loss in losses.items()} | {"slope": slope.item()}
        if not all(map(math.isfinite, told.values())):
            raise Diverged(f"The loss is not a number in step {step} of the phase {self.phase.name}")
        self.optimizer.step()
        kept = min(AVERAGED, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.weights, 1 - kept)
        return told

    def _slopes(self, given: Any, generator: torch.Generator, state: Tensor) -> dict[str, Tensor]:
        """Of all weights, with chance from a state on; what was lost."""
        generator.set_state(state)
        self.optimizer.zero_grad(set_to_none=True)
        losses: dict[str, Tensor] = {}
        for part in self.phase.parts(given, generator):
            part["total"].backward()
            for name, loss in part.items():
                losses[name] = loss.detach() + losses.get(name, 0)
        return losses

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within, the mean takes the place of what learns."""
        own = [one.detach().clone() for one in self.weights]
        self.settle()
        try:
            yield
        finally:
            self._put(own)

    def settle(self) -> None:
        """What learned becomes its mean."""
        self._put(self.average)

    @torch.no_grad()
    def _put(self, values: list[Tensor]) -> None:
        for one, value in zip(self.weights, values, strict=True):
            one.copy_(value)


def _share(step: int, steps: int) -> float:
    """Of the rate: a rise, and then half a cosine."""
    warm = max(1, round(WARM * steps))
    if step < warm:
        return (step + 1) / warm
    return COLD + (1 - COLD) * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _clocks() -> dict[str, float]:
    """Seconds since 1970, and those that this process has computed, on all of its cores."""
    return {"time": round(time.time()), "cpu": round(time.process_time(), 1)}


def _mixed(*numbers: int) -> int:
    """One seed of several numbers."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 1_000_003 + number) % 2**63
    return mixed
