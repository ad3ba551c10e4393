"""Small models, all by one plan, each but the first with one thing of the paper's left out. Each is trained in a folder
of its own, where it is gone on with, and not trained again once it is there.

    joint        as the paper has it
    sets_alone   no single pictures: what these alone show, it has not seen
    apart        no 3-D attention: the camera is told, and each view is drawn for itself
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from backend.priors.prior import Given
from backend.report import Report, silent
from backend.training import loop
from backend.training.checkpoint import Checkpoint
from backend.training.loop import MODEL, How
from backend.training.multiview.phases import Place, Views
from backend.training.multiview.plan import PLANS, Plan
from backend.training.multiview.stock import Data
from backend.training.multiview.training import Multiview
from backend.training.plan import Budget
from tests.bench.views import arms

MINIATURE = replace(PLANS["seedling"], budgets={"views": Budget(3000, 32, 1e-3)}, checked=1000)


class Apart(Views):
    """Sets of views of which none attends to the others."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.prior = arms.asked(self.prior, arms.apart)


class ApartMultiview(Multiview):
    """A prior of views that is told cameras, and nothing else of the set."""

    phases = (Apart,)


@dataclass(frozen=True)
class Variant:
    plan: Plan = MINIATURE
    learner: type[Multiview] = Multiview
    way: Callable[[Given], Given] = arms.as_it_is  # in which it is asked


VARIANTS = {
    "joint": Variant(),
    "sets_alone": Variant(replace(MINIATURE, flat=0.0)),
    "apart": Variant(learner=ApartMultiview, way=arms.apart),
}


def phase(name: str, place: Place) -> Views:
    """What measures a variant's model."""
    return VARIANTS[name].learner.phases[0](place)


def trained(name: str, out: Path, data: Data, effort: float = 1.0, report: Report = silent) -> Path:
    """The folder of the variant's model, which is trained in `out`/name if it is not."""
    variant, where = VARIANTS[name], out / name
    plan = variant.plan.with_effort(effort)
    found, budget = Checkpoint.read(where), plan.budgets["views"]
    if found is None or found.step != budget.steps or not (where / MODEL).exists():
        how = How(command=f"python build.py bench multiview --ablations --effort {effort:g}")
        loop.train(variant.learner(plan, data, how), where, how, report)
    return where / MODEL
