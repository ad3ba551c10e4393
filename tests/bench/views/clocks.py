"""How long a text takes to become a mesh, what takes that long, and how much memory it needs."""

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from backend.geometry.isosurface import NoSurface
from backend.pipelines import mvdream
from backend.pipelines.finishing import finished
from backend.pipelines.mvdream import Distillation
from backend.priors.seedling import Seedling
from backend.render.orbits import VIEWS
from tests.bench.views import made

WARM = 5  # steps that are left out: the first ones take longer


def of_its_own(model: Path, text: str, steps: int, faces: int) -> dict[str, float]:
    """As `measured`, in a new process, and with it how long that took to start and to load its libraries."""
    began = time.time()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_started, (began, model, text, steps, faces))


def _started(began: float, model: Path, text: str, steps: int, faces: int) -> dict[str, float]:
    start = time.time() - began
    return {"start": start} | measured(model, text, steps, faces)


def measured(model: Path, text: str, steps: int, faces: int) -> dict[str, float]:
    """Seconds of each part, of the mesh if there is one; of a step, the median and the shares of it; bytes. It changes
    what it measures for good, so that its process is to be ended."""
    cpu, clock = time.process_time(), time.perf_counter()
    prior = Seedling.load(model)
    how = made.recipe(prior.size[0], steps)
    load, before = time.perf_counter() - clock, _memory()
    clock = time.perf_counter()
    start = made.drawn(prior, text, VIEWS, 0, how)
    drawn = time.perf_counter() - clock

    spent = dict.fromkeys(("prior", "forward", "backward"), 0.0)
    prior.predict = _timed(prior.predict, spent, "prior")
    mvdream.render = _timed(mvdream.render, spent, "forward")
    torch.autograd.backward = _timed(torch.autograd.backward, spent, "backward")  # Tensor.backward calls it
    ends, parts, clock = [], [], time.perf_counter()
    task = Distillation(prior, text, "", how, 0, start)
    for _ in task:
        ends.append(time.perf_counter())
        parts.append(dict(spent))
    field = time.perf_counter() - clock

    # The first steps are fitted to views, and ask no prior.
    first = min(max(WARM, round(how.fitted * how.steps)), len(ends) - 2)
    own = {name: (parts[-1][name] - parts[first][name]) / (len(ends) - 1 - first) for name in spent}
    step = median(one - other for one, other in zip(ends[first + 1 :], ends[first:], strict=False))
    render = own["forward"] + own["backward"]
    found = {
        "steps": how.steps, "threads": torch.get_num_threads(), "before": before, "load": load, "views": drawn,
        "field": field, "step": step, "prior": own["prior"], "render": render,
        "rest": max(0.0, step - own["prior"] - render),
    }  # fmt: skip
    clock = time.perf_counter()
    try:
        finished(task.field, faces, 1.0, False)
        found["mesh"] = time.perf_counter() - clock
    except NoSurface:  # a model that has not learnt gives fields of nothing
        pass
    return found | {"cpu": time.process_time() - cpu, "memory": _memory()}


def _timed(function: Callable, spent: dict[str, float], name: str) -> Callable:
    def timed(*arguments, **named):
        began = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            spent[name] += time.perf_counter() - began

    return timed


def _memory() -> int:
    """Bytes, the most that this process has held."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
