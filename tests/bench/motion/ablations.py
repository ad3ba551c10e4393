"""The paper's ablations in miniature: the same small plan, each with one thing changed. Each is trained in a folder of
its own, where it is gone on with, and not trained again once it is there."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from backend.priors.dynamics import Dynamics
from backend.report import Report, silent
from backend.training.checkpoint import Checkpoint, OtherPlan
from backend.training.dynamics import corpus
from backend.training.dynamics.plan import PLANS, Plan
from backend.training.dynamics.stock import Data
from backend.training.dynamics.training import Swaying, train
from backend.training.loop import MODEL, How
from tests.bench.views.runs import OtherRuns

MINIATURE = PLANS["miniature"]
BINS = 24  # of the truth, and so of the corpus: what fewer bins leave out is missing
MOTION = "autoencoder", "slices", "coordination"
PICTURES = "perception", "renderer"


def of(phases: Sequence[str], **sizes: object) -> Plan:
    """The miniature's plan, some phases of it, and what is changed in its sizes."""
    budgets = {name: MINIATURE.budgets[name] for name in phases}
    return replace(MINIATURE, sizes=replace(MINIATURE.sizes, **sizes), budgets=budgets)


VARIANTS: dict[str, Plan] = {
    "bins_16": of(MOTION),
    "bins_4": of(MOTION, bins=4),
    "bins_8": of(MOTION, bins=8),
    "bins_24": of(MOTION, bins=24),
    "plain": of(MOTION, adaptive=False),
    "pyramid": of(PICTURES),
    "single_scale": of(PICTURES, single_scale=True),
}
# In the paper's table 2: FVD and DTFVD, the less the better; and who has to be better than whom.
PAPER = {
    "bins_16": (47.1, 2.53),
    "bins_4": (60.3, 3.12),
    "bins_8": (52.1, 2.71),
    "bins_24": (48.2, 2.50),
    "plain": (62.7, 3.16),
    "uncoordinated": (52.5, 2.70),
    "single_scale": (49.5, 2.83),
}
ORDERS = (
    ("bins_8", "bins_4"),
    ("bins_16", "bins_8"),
    ("bins_16", "plain"),
    ("bins_16", "uncoordinated"),
)  # better, worse


def recipe() -> corpus.Recipe:
    return corpus.Recipe(MINIATURE.sizes.height, MINIATURE.sizes.width, BINS)


def folder(made: corpus.Recipe) -> Path:
    """Where a recipe's pictures are kept."""
    return corpus.default_folder() / f"{made.height}x{made.width}-{made.bins}"


def trained(name: str, out: Path, data: Data, effort: float = 1.0, report: Report = silent) -> Dynamics:
    """The variant's model in `out`/name, trained there if it is not. Raises OtherRuns where another one lies there."""
    plan, where = VARIANTS[name].with_effort(effort), out / name
    found, (last, budget) = Checkpoint.read(where), list(plan.budgets.items())[-1]
    if found is not None:
        _require(found, plan, data, where)
    if found is None or (found.phase, found.step) != (last, budget.steps) or not (where / MODEL).exists():
        command = f"python build.py bench dynamics --ablations --only {name}"
        train(plan, data.of_bins(plan.sizes.bins), where, How(command=command), report)
    return Dynamics.load(where / MODEL)


def _require(found: Checkpoint, plan: Plan, data: Data, where: Path) -> None:
    """Raises OtherRuns."""
    other = f"{where} holds another model, or one of other pictures"
    if found.sizes != plan.sizes.as_json():
        raise OtherRuns(f"{other}: name another folder with --out")
    try:
        found.check(Swaying.about_of(plan, data), data.digests)
    except OtherPlan as error:
        raise OtherRuns(f"{other} ({error}): name another folder with --out") from None


def what_differs(name: str) -> dict[str, object]:
    """Fields of its sizes that are not those of the miniature."""
    own, usual = asdict(VARIANTS[name].sizes), asdict(MINIATURE.sizes)
    return {field: value for field, value in own.items() if value != usual[field]}
