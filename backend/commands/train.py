"""Train the networks of a learned engine, from videos or from pictures that are made for it.

Ctrl-C, and the end of --minutes, stop it between two steps; with --resume it goes on from there.
"""

import argparse
import json
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from backend import learned
from backend.report import Cancelled, Report

if TYPE_CHECKING:
    from backend.training.dynamics.plan import Plan
    from backend.training.dynamics.stock import Data

FAILED, BAD_INPUT, STOPPED = 1, 2, 130
_LIBRARIES = {"torch": "torch", "diffusers": "diffusers", "safetensors": "safetensors", "cv2": "opencv-python-headless"}
_QUIET = 60.0  # seconds from one line to the next, where no bar can be drawn


class _Unfit(ValueError):
    """Asked for what cannot be done."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backend train", description=__doc__.split("\n")[0])
    parser.add_argument(
        "what", choices=("dynamics",), help="dynamics: how what one picture shows sways (arXiv:2309.07906)"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where model, log and state go")
    parser.add_argument(
        "--videos", type=Path, metavar="FOLDER",
        help="learn from the videos in it: what sways, before a camera that stands still (default: from pictures "
             "of specimens in the wind, which are made for it)",
    )  # fmt: skip
    parser.add_argument(
        "--flow", choices=("dis", "raft"), default="dis",
        help="what finds the motion in videos: dis, OpenCV's; raft, torchvision's network where that is installed, "
             "many times as slow, wants a GPU (default: dis)",
    )  # fmt: skip
    parser.add_argument(
        "--raft-weights", type=Path, metavar="FILE",
        help="weights of torchvision's raft_large (default: those in torch.hub's folder)",
    )  # fmt: skip
    parser.add_argument(
        "--preset", choices=("seedling", "paper"),
        help="sizes and steps: seedling, 64 x 64 pixels, for a few cores; paper, 256 x 160, for a GPU (default: "
             "paper for videos)",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="go on with what lies in --out")
    parser.add_argument("--minutes", type=float, metavar="N", help="stop after so many, to be resumed")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="(default: cpu)")
    parser.add_argument("--effort", type=float, default=1.0, metavar="X", help="times the preset's steps (default: 1)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all that chance decides (default: 0)")
    return parser


def main(options: list[str]) -> int:
    """The exit code: 0 trained, 1 failed, 2 asked for what cannot be done, 130 stopped before the end."""
    arguments = _parser().parse_args(options)
    try:
        _check(arguments)
        scores = _train(arguments, options)
    except _Unfit as error:
        _say(str(error))
        return BAD_INPUT
    except Cancelled as stopped:
        _say(f"{stopped}: go on with --resume")
        return STOPPED
    except OSError as error:
        _say(f"Stopped: {error.strerror or error}. Make room and go on with --resume")
        return FAILED
    if scores is None:
        return FAILED
    print(json.dumps({"model": str(arguments.out / "model"), "scores": scores}), flush=True)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Raises _Unfit."""
    try:
        learned.wanted(**_LIBRARIES)
    except learned.NotInstalled as error:
        raise _Unfit(str(error)) from None
    if arguments.videos is None and arguments.preset is None:
        raise _Unfit("Say what to learn from: --videos FOLDER, or --preset seedling for pictures that are made for it")
    if arguments.videos is not None and not arguments.videos.is_dir():
        raise _Unfit(f"{arguments.videos} is no folder: --videos takes one in which videos lie")
    if arguments.videos is None and arguments.flow != "dis":
        raise _Unfit(f"--flow {arguments.flow} is for videos: name a folder of them with --videos, or leave it out")
    if arguments.raft_weights is not None and arguments.flow != "raft":
        raise _Unfit("--raft-weights is for --flow raft: say both, or leave it out")
    if not arguments.effort > 0:
        raise _Unfit("--effort is a number above 0")
    if arguments.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise _Unfit("torch finds no CUDA GPU here: leave --device out, or see `python -m backend doctor`")
    from backend.training.checkpoint import FILE

    if (arguments.out / FILE).exists() and not arguments.resume:
        raise _Unfit(f"A training lies in {arguments.out}: go on with it by --resume, or name another folder")


def _train(arguments: argparse.Namespace, options: list[str]) -> dict[str, float] | None:
    """The last scores; None, said, if it came to nothing."""
    from backend.training.checkpoint import OtherPlan
    from backend.training.dynamics.plan import PLANS
    from backend.training.dynamics.training import train
    from backend.training.learner import NotLearned
    from backend.training.loop import Diverged, How

    plan = PLANS[arguments.preset or "paper"].with_effort(arguments.effort)
    command = shlex.join(["python", "-m", "backend", "train", *options])
    try:
        with _reported(arguments.minutes) as report:
            data = _of_videos(arguments, plan, report) if arguments.videos else _of_specimens(plan, report)
            return train(plan, data, arguments.out, How(arguments.device, arguments.seed, command), report)
    except OtherPlan as error:
        raise _Unfit(f"{arguments.out} cannot be gone on with: {error}. Name another folder") from None
    except Diverged as error:
        _say(f"{error}. The state before it is kept in {arguments.out}: go on with --resume and another --seed")
    except NotLearned as error:
        _say(f"{error}. Go on with --resume and a larger --effort than {arguments.effort:g}")
    return None


def _of_specimens(plan: "Plan", report: Report) -> "Data":
    """Made where they are not there yet."""
    from backend.training.disk import make_room
    from backend.training.dynamics import corpus
    from backend.training.dynamics.stock import Data

    sizes = plan.sizes
    folder = corpus.default_folder() / f"{sizes.height}x{sizes.width}-{sizes.bins}"
    folder.mkdir(parents=True, exist_ok=True)
    make_room(folder, sum(plan.samples.values()) * sizes.height * sizes.width * sizes.bins * 4)
    try:
        corpus.make(folder, corpus.Recipe(sizes.height, sizes.width, sizes.bins), plan.samples, report)
    except corpus.OtherRecipe as error:
        raise _Unfit(str(error)) from None
    return Data.of(folder, "seeds", "pictures of specimens in the wind")


def _of_videos(arguments: argparse.Namespace, plan: "Plan", report: Report) -> "Data":
    """Clips are kept beside the model."""
    from backend.training.dynamics import flow as ways
    from backend.training.dynamics import videos
    from backend.training.dynamics.stock import Data

    sizes, folder = plan.sizes, arguments.out / "clips"
    try:
        flow = ways.raft(arguments.raft_weights, arguments.device) if arguments.flow == "raft" else ways.dis()
        how = videos.Preparation(sizes.height, sizes.width, sizes.bins)
        tally = videos.prepare(arguments.videos, folder, how, flow, report)
    except (FileNotFoundError, ways.Lacking, videos.OtherFlow) as error:
        raise _Unfit(str(error)) from None
    _say(f"{arguments.videos}: {tally}")
    if not tally.clips:
        raise _Unfit(f"No clip in {arguments.videos} can be learned from")
    about = f"clips of the videos in {arguments.videos.resolve().name}"
    if flow.name != ways.DIS:
        about += f", whose motion was found by {flow.name}"
    return Data.of(folder, "test", about)


@contextmanager
def _reported(minutes: float | None) -> Iterator[Report]:
    """A report that shows a bar, and cancels when Ctrl-C was pressed or the minutes are over."""
    end, stopped = None if minutes is None else time.monotonic() + 60 * minutes, False
    said = time.monotonic()

    def stop(number: int, frame: object) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(number, before[number])  # the second one ends it at once

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("Starting", total=1.0)

            def report(done: float, text: str) -> None:
                nonlocal said
                if stopped:
                    raise Cancelled("Stopped")
                if end is not None and time.monotonic() > end:
                    raise Cancelled(f"The {minutes:g} minutes are over")
                progress.update(task, completed=done, description=text)
                if not console.is_terminal and time.monotonic() - said > _QUIET:
                    _say(text)
                    said = time.monotonic()

            yield report
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    print(f"anthesis: {text}".encode(errors="replace").decode(), file=sys.stderr, flush=True)
