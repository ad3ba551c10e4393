"""What is made to be measured: views that a prior draws, fields that are distilled, and fields that saw the truth."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from backend.fields import Field
from backend.pipelines.mvdream import ELEVATION, Distillation, views
from backend.pipelines.recipes import SEEDLING, Recipe
from backend.priors.prior import Prior
from backend.render.cameras import Cameras
from backend.render.orbits import VIEWS, Orbit
from backend.render.volume import render
from backend.report import Report, silent
from tests.bench.views import truth
from tests.bench.views.arms import Arm, asked

Pictures = NDArray[np.uint8]


def recipe(side: int, steps: int) -> Recipe:
    """Of a seedling of such pictures; 0: as many steps as it has."""
    return SEEDLING.at(side).asked(steps)


def drawn(prior: Prior, text: str, count: int, seed: int, how: Recipe) -> Pictures:
    """(count, H, W, 3): what a prior says."""
    *_, last = views(prior, text, "", count, ELEVATION, seed, how.sampling)
    return last


def distilled(
    prior: Prior, text: str, seed: int, arm: Arm, how: Recipe, kept: Path, report: Report = silent
) -> dict[str, NDArray]:
    """A field that a prior drew, from all sides; on the way it is kept, and gone on with."""
    own = asked(prior, arm.way)
    if arm.recipe is not None:
        how = arm.recipe(how, prior.schedule)
    start = drawn(own, text, VIEWS, seed, how) if arm.started else None
    return _fitted(Distillation(own, text, "", how, seed, start, kept), own.size[0], report)


def known(prior: Prior, true: Pictures, how: Recipe, kept: Path, report: Report = silent) -> dict[str, NDArray]:
    """The same field, fitted to true views in all steps: no prior has a say. It is also seen from between these."""
    task = Distillation(prior, "", "", replace(how, fitted=1.0), 0, true, kept)
    found = _fitted(task, true.shape[1], report)
    return found | {"between": seen(task.field, between(), true.shape[1], how.samples)}


def between() -> Orbit:
    """As the truth's cameras, each in the middle between two of them."""
    return truth.around(first=np.pi / truth.SIDES)


def seen(field: Field, by: Orbit, side: int, samples: int) -> Pictures:
    """(F, side, side, 3): a field's own colours, before white."""
    cameras = Cameras(*(each.float() for each in by.cameras))
    with torch.no_grad():
        each = [
            render(field, Cameras(*(one[k : k + 1] for one in cameras)), side, side, samples, 1.0).image
            for k in range(by.views)
        ]
    return (255 * torch.cat(each).clamp(0, 1)).round().byte().numpy()


def _fitted(task: Distillation, side: int, report: Report) -> dict[str, NDArray]:
    began, cpu, first, loss = time.monotonic(), time.process_time(), task.step, np.nan
    for step in task:
        loss = step.loss
        report(step.step / step.steps, f"step {step.step} of {step.steps}")
    steps = max(1, task.step - first)
    own = seen(task.field, truth.around(), side, task.recipe.samples)
    task.kept.unlink(missing_ok=True)
    return {
        "views": own,
        "loss": np.array(loss),
        "seconds": np.array((time.monotonic() - began) / steps),  # a step
        "cpu": np.array((time.process_time() - cpu) / steps),
    }
