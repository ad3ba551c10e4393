"""A subject of one's own, learnt as its user has it learnt, and what is drawn of it and of its kind before and after.

It is one individual of a kind, of a colour in which the model does not draw that kind unless it is told to: the words
tell it of nothing but a name. Its pictures are from SEEN sides, none of which is one of those it is measured from.
"""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from backend.pipelines.recipes import Recipe
from backend.priors.prior import Prior
from backend.priors.seedling import Seedling
from backend.report import Report
from backend.training.loop import MODEL, How
from backend.training.multiview import subject
from backend.training.multiview.captions import KINDS, Said
from backend.training.multiview.subject import Pictures
from tests.bench.table import Table
from tests.bench.views import made, measures, truth
from tests.bench.views.runs import Arrays, Runs
from tests.bench.views.truth import Asked

KIND, COLOUR = "sunflower", "blue"
CALLED = f"zebedee {KIND}"  # as `train subject --name zebedee --of sunflower` has it
SELF = Asked(CALLED, (Said(KIND, COLOUR, KINDS[KIND].states[1]),))
OTHER = "a red apple"  # nothing of which is in the pictures
SEEN, SIDE = 5, 256  # pictures to learn from, and pixels along their sides
VIEWS = 4  # drawn at once
SEEDS = 2


def found(base: Path, prior: Prior, how: Recipe, out: Path, report: Report) -> list[Arrays]:
    """Of each seed; from what is kept, if it is there. Raises OtherRuns."""
    about = {"subject": [CALLED, COLOUR, SEEN, SIDE, OTHER], "plan": repr(subject.usual(base))}
    runs = Runs(out, about | {"keeping": subject.KEEPING})
    return [
        runs.kept(f"seed-{seed}", partial(learnt, base, prior, how, out / str(seed), seed, report))
        for seed in range(SEEDS)
    ]


def table(found: list[Arrays], side: int) -> Table:
    """Of each seed a row for each measure."""
    own = Table(f'"{CALLED}", {COLOUR}, learnt from {SEEN} pictures: what is drawn beside the truth')
    for told in zip(*(rows(one, side) for one in found), strict=True):
        for seed, (what, value, unit) in enumerate(told):
            own.add(f"{what}: seed {seed}", value, unit)
    return own


def seen(found: list[Arrays], side: int) -> dict[str, measures.Pictures]:
    """Rows of a sheet."""
    drawn = {
        f"{name}, seed {seed}": own[name]
        for seed, own in enumerate(found)
        for name in ("name", "kind before", "kind after")
    }
    return {"truth": truth.views(truth.thing(SELF), side, truth.around())} | drawn


def pictures() -> Pictures:
    """From around, from between the sides that are measured."""
    seen = truth.views(truth.thing(SELF), SIDE, truth.around(SEEN, first=np.pi / truth.SIDES))
    return Pictures.of(list(seen), CALLED)


def learnt(base: Path, prior: Prior, how: Recipe, out: Path, seed: int, report: Report) -> Arrays:
    """Views (VIEWS, H, W, 3) by the subject's name, and by its kind and by another thing before and after."""
    began = time.process_time()
    scores = subject.train(base, pictures(), out, How(seed=seed, command="python build.py bench multiview"), report)
    seconds = time.process_time() - began
    after = Seedling.load(out / MODEL)
    texts = {"name": (after, CALLED)}
    texts |= {f"{what} {when}": (own, text) for what, text in (("kind", KIND), ("other", OTHER))
              for when, own in (("before", prior), ("after", after))}  # fmt: skip
    views = {name: made.drawn(own, text, VIEWS, seed, how) for name, (own, text) in texts.items()}
    return views | {"cpu": np.array(seconds), "moved": np.array(scores["moved"])}


def rows(found: Arrays, side: int) -> Iterator[tuple[str, float, str]]:
    """What is told of one seed: (what, how much, unit)."""
    own, usual, other = (
        truth.views(truth.thing(one), side, truth.around(VIEWS))
        for one in (SELF, truth.ASKED["sunflower"], truth.ASKED["apple"])
    )
    pairs = {
        "the subject, by its name": ("name", own),
        "the subject, by its kind before": ("kind before", own),
        "the subject, by its kind after": ("kind after", own),
        "its kind, before": ("kind before", usual),
        "its kind, after": ("kind after", usual),
        "its kind, after beside before": ("kind after", found["kind before"]),
        f"{OTHER}, before": ("other before", other),
        f"{OTHER}, after": ("other after", other),
    }
    for what, (name, true) in pairs.items():
        yield f"PSNR of {what}", measures.decibels(found[name], true), "dB"
        yield f"mean colour off, of {what}", measures.colour_off(found[name], true), ""
    yield "how far weights have gone, on the average", 1e3 * float(found["moved"]), "e-3"
    yield "learning it, on all cores", float(found["cpu"]), "s"
