"""The training of a prior of views: what it tells the loop."""

from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from backend.priors.seedling import Seedling
from backend.priors.weights import AnotherLayout, Damaged
from backend.report import Report, silent
from backend.training import card, loop
from backend.training.checkpoint import OtherPlan
from backend.training.learner import Learner, Tell
from backend.training.log import Log
from backend.training.loop import How
from backend.training.multiview.model import Grafted, Sown, Trained, digest
from backend.training.multiview.phases import PHASES, Place, Views
from backend.training.multiview.plan import Plan
from backend.training.multiview.stock import Data

UNSEEN = ", of kinds and colours of which no set of views was seen in training"
MEANINGS = {
    "noise_left": "squared error of what is predicted, over all levels; 1 is that of a network that says nothing",
    "turned": "loss under cameras that are a quarter of a turn off, as a multiple of that under the true ones, at "
    "t = 0.85 N, of the half of the sets that differ most from side to side",
    "flat": "the same of single pictures without cameras",
}
MEANINGS |= {f"{name}_unseen": meaning + UNSEEN for name, meaning in MEANINGS.items()}


def train(
    plan: Plan, data: Data, out: Path, how: How, report: Report = silent, base: Path | None = None
) -> dict[str, float]:
    """As `loop.train`, which see. Without sizes in the plan it is the Stable Diffusion in `base` that learns."""
    return loop.train(Multiview(plan, data, how, base), out, how, report)


class NotLearnable(ValueError):
    """A base that cannot learn this, or pictures from which it cannot be learnt; the message says why."""


class Multiview(Learner):
    """A prior of views, and its data."""

    phases = PHASES
    trained: Trained

    def __init__(self, plan: Plan, data: Data, how: How, base: Path | None = None) -> None:
        self.plan, self.data, self.how, self.base = plan, data, how, base
        self.about, self.digests = data.about, data.digests

    @property
    def counts(self) -> tuple[int, int]:
        return self.data.count, len(self.data.held_out)

    @cached_property
    def sizes(self) -> dict:
        """With the words: they have their places in the weights. Of what learns on, what its files were when it began.

        Raises:
            FileNotFoundError: there is no base.
        """
        if self.plan.sizes is None:
            return {"base": digest(self.base), "side": self.plan.side}
        own = asdict(self.plan.sizes) | {"words": self.data.words}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in own.items()}

    def check(self, sizes: dict) -> None:
        own = self.sizes
        if sizes.get("base") != own.get("base"):
            raise OtherPlan(f"it learns on from another base than what lies in {self.base} now")
        if other := sorted(name for name in sizes.keys() | own.keys() if sizes.get(name) != own.get(name)):
            raise OtherPlan(f"it is of another network: {', '.join(other)} differ")

    def begin(self, state: dict[str, Any] | None, report: Report) -> None:
        if self.plan.sizes is None:
            self.sizes  # noqa: B018 - of the files as they are when they are read
            try:
                self.trained = Grafted(self.base, self.plan.side, self.how.seed, self.how.device)
            except (Damaged, AnotherLayout) as reason:
                raise NotLearnable(str(reason)) from reason
        else:
            self.trained = Sown(Seedling.fresh(self.plan.sizes, self.data.words, self.how.seed), self.how.device)
        if state is not None:
            self.trained.restore(state)

    def state(self) -> dict[str, Any]:
        return self.trained.state()

    def phase(self, kind: type[Views], tell: Tell) -> Views:
        return kind(Place(self.trained, self.plan, self.data, self.how.device))

    def save(self, folder: Path) -> None:
        self.trained.save(folder)

    def card(self, log: Log) -> str:
        height, width = self.trained.prior.size
        paragraphs = (
            "A text to several views of one thing that agree with each other, from cameras that are told. The network "
            'and its joint training are of the design of Shi, Wang, Ye, Mai, Li, Yang, "MVDream" (ICLR 2024, '
            "arXiv:2308.16512); trained by Anthesis.",
            f"Pictures of {height} x {width} pixels, before white. The front of a thing is seen at azimuth 0, from -Y.",
        )
        if self.data.words:
            paragraphs += (f"It reads these words: {', '.join(self.data.words)}.",)
        return card.text(card.About("Views", paragraphs, MEANINGS, self.trained.parameters()), log)
