"""What is set beside each other: the same weights, asked in several ways, and distilled in several ways."""

import re
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from statistics import fmean

import torch
from torch import Tensor

from backend.guidance import PLAIN_SDS, Guidance
from backend.pipelines.recipes import Recipe
from backend.priors.prior import Given, Prior, Schedule
from backend.render.orbits import VIEWS

STRONGER = 5.0  # times as much guidance: with a seedling's 2, there is little for rescaling to take back
PROGRESS = 100  # parts of all steps, in which levels are looked at


def as_it_is(given: Given) -> Given:
    """All views of a set at once, and their cameras."""
    return given


def flat(given: Given) -> Given:
    """Two-dimensional mode: one view at a time, without its camera."""
    return Given(given.text)


def apart(given: Given) -> Given:
    """The camera alone: one view at a time, which is told where it is seen from."""
    return Given(given.text, 1, given.cameras)


def asked(prior: Prior, way: Callable[[Given], Given]) -> Prior:
    """The same prior, to which all that is given is told in one of these ways."""
    own = copy(prior)

    def predict(x_t: Tensor, t: Tensor, given: Given) -> Tensor:
        return prior.predict(x_t, t, way(given))

    own.predict = predict
    return own


def plain(how: Recipe, schedule: Schedule) -> Recipe:
    """Score distillation sampling as DreamFusion has it, of the same scale and levels: without rescaling, without
    clamping, and weighted by alpha sigma, where the x0 loss weighs 1. What smooths and clears the field weighs as much
    less as that does on average, so that it has the same say beside its data."""
    own, share = how.guidance, weight(how.guidance, schedule)
    guidance = replace(own, loss=PLAIN_SDS.loss, rescale=PLAIN_SDS.rescale, clamp=PLAIN_SDS.clamp)
    smooth = how.smooth[0] * share, how.smooth[1] * share
    return replace(how, guidance=guidance, smooth=smooth, clear=how.clear * share)


def strong(how: Recipe, schedule: Schedule | None = None) -> Recipe:
    """Under guidance as strong as tells the text from others beyond doubt, which saturates colours."""
    return replace(how, guidance=replace(how.guidance, scale=STRONGER * how.guidance.scale))


def weight(how: Guidance, schedule: Schedule) -> float:
    """alpha sigma, mean over all levels that are drawn from the first step to the last."""
    t = torch.arange(schedule.levels)
    products = (schedule.alpha(t) * schedule.sigma(t)).flatten()
    ranges = (how.levels(step / PROGRESS, schedule.levels) for step in range(PROGRESS + 1))
    return fmean(products[low : high + 1].mean().item() for low, high in ranges)


@dataclass(frozen=True)
class Arm:
    """One way of distilling."""

    about: str
    way: Callable[[Given], Given] = as_it_is
    recipe: Callable[[Recipe, Schedule], Recipe] | None = None  # what is changed of it
    started: bool = False  # whether the field is first fitted to views that are drawn
    has_front: bool = True  # whether it knows where the front is

    def told(self, how: Recipe, schedule: Schedule) -> dict:
        """All that makes its fields what they are, beside the recipe that all arms share: what is kept says so."""
        given = self.way(Given(torch.zeros(VIEWS, 1, 1), VIEWS, torch.eye(4).expand(VIEWS, 4, 4)))
        own = how if self.recipe is None else self.recipe(how, schedule)
        # Means of many numbers are not to the last digit the same everywhere.
        numbers = re.sub(r"\d+\.\d+(e-?\d+)?", lambda found: f"{float(found[0]):.4g}", repr(replace(own, steps=0)))
        asked = {"views": given.views, "cameras": given.cameras is not None}
        return {"asked": asked, "started": self.started, "arm's recipe": numbers}


ARMS = {
    "multi": Arm("multi-view"),
    "flat": Arm("2-D mode, same weights, at its best turn", flat, has_front=False),
    "apart": Arm("camera embedding alone, same weights", apart),
    "sds": Arm("multi-view, plain SDS", recipe=plain),
    "strong": Arm("multi-view, strong guidance", recipe=strong),
    "sds_strong": Arm(
        "multi-view, strong guidance, plain SDS", recipe=lambda how, schedule: plain(strong(how), schedule)
    ),
    "started": Arm("multi-view, begun from drawn views", started=True),
}
UNSEEN = "multi", "flat"  # what things are distilled with that no set of views showed
