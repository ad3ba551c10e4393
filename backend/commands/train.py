"""Train the networks of a learned engine, from what you have or from pictures that are made for it.

Ctrl-C, and the end of --minutes, stop it between two steps; with --resume it goes on from there.
"""

import argparse
import errno
import json
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend import learned, terminal
from backend.commands.bar import say, shown
from backend.commands.trainings import Unfit, dynamics, multiview, subject
from backend.report import Cancelled, Report

FAILED, BAD_INPUT, STOPPED = 1, 2, 130
_LIBRARIES = {"torch": "torch", "diffusers": "diffusers", "safetensors": "safetensors", "cv2": "opencv-python-headless"}
_FOLDERS = """\
Renders: FOLDER/NAME/transforms.json tells the pictures of one thing, square, and their cameras, as of NeRF's synthetic
scenes: {"caption": "a red chair", "frames": [{"file_path": "000.png", "transform_matrix": [4 x 4]}, ...]}, camera ->
world, z up, of a camera that looks along its -z. Of four pictures that are a quarter of a turn apart a set is made.
What a thing is called, where no caption is in there: FOLDER/captions.json, {"NAME": "a red chair"}, or its name. So it
is with meshes, whose front is glTF's, +Z.
"""
_FULL = (errno.ENOSPC, errno.EDQUOT)  # errors that room on the disk cures

# Of which training an option is; all others are of any.
_OF = {
    "dynamics": ("videos", "flow", "raft_weights"),
    "multiview": ("renders", "meshes", "pictures", "base"),
    "subject": ("pictures", "name", "of", "model"),
}
_PRESETS = {"dynamics": ("seedling", "paper"), "multiview": ("seedling", "seedling64", "paper"), "subject": ()}


class _TimeIsUp(Cancelled):
    """It stops because --minutes says so."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=terminal.command("train"), description=__doc__.split("\n")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=_FOLDERS,
    )  # fmt: skip
    parser.add_argument(
        "what", choices=tuple(_OF),
        help="dynamics: how what one picture shows sways (arXiv:2309.07906); multiview: what a thing looks like from "
             "several sides (arXiv:2308.16512); subject: one thing of yours, by a model of these",
    )  # fmt: skip
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where model, log and state go")
    parser.add_argument(
        "--preset", choices=("seedling", "seedling64", "paper"),
        help="sizes and steps: seedling, small pictures (64 x 64 pixels, of views 32 x 32), for a few cores; "
             "seedling64, views of 64 x 64, for a GPU; paper, 256 x 160, or views by Stable Diffusion, for a GPU "
             "(default: paper for what you bring)",
    )  # fmt: skip
    own = parser.add_argument_group("dynamics")
    own.add_argument(
        "--videos", type=Path, metavar="FOLDER",
        help="learn from the videos in it: what sways, before a camera that stands still (default: from pictures "
             "of specimens in the wind, which are made for it)",
    )  # fmt: skip
    own.add_argument(
        "--flow", choices=("dis", "raft"), default="dis",
        help="what finds the motion in videos: dis, OpenCV's; raft, torchvision's network where that is installed, "
             "many times as slow, wants a GPU (default: dis)",
    )  # fmt: skip
    own.add_argument(
        "--raft-weights", type=Path, metavar="FILE",
        help="weights of torchvision's raft_large (default: those in torch.hub's folder)",
    )  # fmt: skip
    own = parser.add_argument_group("multiview")
    own.add_argument(
        "--renders", type=Path, metavar="FOLDER",
        help="learn from renders: a folder a thing, with pictures and transforms.json (default: from specimens in all "
             "states of life, whose views are made for it)",
    )  # fmt: skip
    own.add_argument("--meshes", type=Path, metavar="FOLDER", help="learn from views of the .glb and .gltf files in it")
    own.add_argument(
        "--base", type=Path, metavar="FOLDER",
        help="the Stable Diffusion that learns views, in diffusers' layout: wanted with the paper's sizes",
    )  # fmt: skip
    own = parser.add_argument_group("multiview and subject")
    own.add_argument(
        "--pictures", type=Path, metavar="FOLDER",
        help="multiview: single pictures for the steps without cameras, with captions.json or names that say what they "
             "show (default: the same views again); subject: 3 to 10 pictures of it, and no others",
    )  # fmt: skip
    own = parser.add_argument_group("subject")
    own.add_argument("--name", metavar="TEXT", help="what it shall be called: best a word that means nothing else")
    own.add_argument("--of", metavar="TEXT", help='what kind of thing it is, behind its name: "mug"')
    own.add_argument(
        "--model", type=Path, metavar="FOLDER",
        help="the model of views that learns it: a seedling, or MVDream in diffusers' layout, or the .pt file of its "
             "authors with the folder tokenizer beside it",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="go on with what lies in --out")
    parser.add_argument("--minutes", type=float, metavar="N", help="stop after so many, to be resumed")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="(default: cpu)")
    parser.add_argument("--effort", type=float, default=1.0, metavar="X", help="times the preset's steps (default: 1)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all that chance decides (default: 0)")
    return parser


def main(options: list[str]) -> int:
    """The exit code: 0 trained, or the minutes are over; 1 failed, 2 asked for what cannot be done, 130 stopped."""
    arguments = _parser().parse_args(options)
    try:
        _check(arguments)
        scores = _train(arguments, options)
    except Unfit as error:
        say(str(error))
        return BAD_INPUT
    except Cancelled as stopped:
        say(f"{stopped}: go on with --resume")
        return 0 if isinstance(stopped, _TimeIsUp) else STOPPED
    except OSError as error:
        say(f"Stopped: {_remedied(error)} and go on with --resume")
        return FAILED
    if scores is None:
        return FAILED
    print(json.dumps({"model": str(arguments.out / "model"), "scores": scores}), flush=True)
    return 0


def _remedied(error: OSError) -> str:
    """What is wrong with a file, and what to do about it."""
    from backend.training.disk import DiskFull

    if isinstance(error, DiskFull) or error.errno in _FULL:
        return f"{error.strerror or error}. Make room"
    named = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{named}. See that this file can be read and written"


def _check(arguments: argparse.Namespace) -> None:
    """Raises Unfit."""
    try:
        learned.wanted(**_LIBRARIES)
    except learned.NotInstalled as error:
        raise Unfit(str(error)) from None
    for name in dict.fromkeys(name for names in _OF.values() for name in names):
        if name not in _OF[arguments.what] and getattr(arguments, name) not in (None, "dis"):
            whose = " and ".join(what for what, names in _OF.items() if name in names)
            raise Unfit(f"--{name.replace('_', '-')} is for {whose}: leave it out")
    if arguments.preset not in (None, *_PRESETS[arguments.what]):
        instead = f"say {' or '.join(_PRESETS[arguments.what])}" if _PRESETS[arguments.what] else "leave it out"
        raise Unfit(f"--preset {arguments.preset} is not for {arguments.what}: {instead}")
    {"dynamics": _check_dynamics, "multiview": _check_multiview, "subject": _check_subject}[arguments.what](arguments)
    if not arguments.effort > 0:
        raise Unfit("--effort is a number above 0")
    if arguments.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise Unfit(
                f"torch finds no CUDA GPU here: leave --device out, or see `{terminal.command('doctor --load')}`"
            )
    if arguments.out.exists() and not arguments.out.is_dir():
        raise Unfit(f"{arguments.out} is a file: --out takes a folder, which is made where it is not there")
    from backend.training.checkpoint import FILE

    if (arguments.out / FILE).exists() and not arguments.resume:
        raise Unfit(f"A training lies in {arguments.out}: go on with it by --resume, or name another folder")


def _check_dynamics(arguments: argparse.Namespace) -> None:
    """Raises Unfit."""
    if arguments.videos is None and arguments.preset is None:
        raise Unfit("Say what to learn from: --videos FOLDER, or --preset seedling for pictures that are made for it")
    if arguments.videos is not None and not arguments.videos.is_dir():
        raise Unfit(f"{arguments.videos} is no folder: --videos takes one in which videos lie")
    if arguments.videos is None and arguments.flow != "dis":
        raise Unfit(f"--flow {arguments.flow} is for videos: name a folder of them with --videos, or leave it out")
    if arguments.raft_weights is not None and arguments.flow != "raft":
        raise Unfit("--raft-weights is for --flow raft: say both, or leave it out")


def _check_multiview(arguments: argparse.Namespace) -> None:
    """Raises Unfit."""
    given = [name for name in ("renders", "meshes") if getattr(arguments, name) is not None]
    if len(given) == 2:
        raise Unfit("--renders and --meshes are two things to learn from: name one of them")
    if not given and arguments.preset in (None, "paper"):
        raise Unfit(
            "Say what to learn from: --renders FOLDER or --meshes FOLDER, or --preset seedling for views that are made "
            "for it"
        )
    if not given and arguments.pictures is not None:
        raise Unfit("--pictures go with --renders or --meshes: specimens have single pictures of their own")
    for name in (*given, *(("pictures",) if arguments.pictures is not None else ())):
        if not getattr(arguments, name).is_dir():
            raise Unfit(f"{getattr(arguments, name)} is no folder: --{name} takes one in which {name} lie")
    paper = arguments.preset in (None, "paper")
    if paper and arguments.base is None:
        raise Unfit("At the paper's sizes a Stable Diffusion learns views: name its folder with --base")
    if not paper and arguments.base is not None:
        raise Unfit("--base is for --preset paper: a seedling grows from nothing")


def _check_subject(arguments: argparse.Namespace) -> None:
    """Raises Unfit."""
    for name, what in (("pictures", "FOLDER, with 3 to 10 of it"), ("name", "TEXT"), ("model", "FOLDER, of views")):
        if getattr(arguments, name) is None:
            raise Unfit(f"A subject wants --{name} {what}")
    if not arguments.pictures.is_dir():
        raise Unfit(f"{arguments.pictures} is no folder: --pictures takes one in which pictures lie")
    if not any(letter.isalnum() for letter in arguments.name):
        raise Unfit(f"--name {arguments.name!r} is no word: name the subject by letters")


def _train(arguments: argparse.Namespace, options: list[str]) -> dict[str, float] | None:
    """The last scores; None, said, if it came to nothing."""
    import torch

    from backend.saved import Damaged
    from backend.training.checkpoint import OtherPlan
    from backend.training.learner import NotLearned
    from backend.training.loop import Diverged, How

    how = How(arguments.device, arguments.seed, shlex.join(["python", "-m", "backend", "train", *options]), say)
    try:
        with _reported(arguments.minutes) as report:
            kind = {"dynamics": dynamics, "multiview": multiview, "subject": subject}[arguments.what]
            return kind(arguments, how, report)
    except (OtherPlan, Damaged) as error:
        raise Unfit(f"{arguments.out} cannot be gone on with: {error}. Name another folder to begin anew") from None
    except Diverged as error:
        say(f"{error}. The state before it is kept in {arguments.out}: go on with --resume and another --seed")
    except NotLearned as error:
        say(f"{error}. Go on with --resume and a larger --effort than {arguments.effort:g}")
    except MemoryError as error:
        say(f"{error or 'There is too little memory'}. What was kept lies in {arguments.out}: close other programs and "
            "go on with --resume")  # fmt: skip
    except torch.OutOfMemoryError:
        say(
            f"The GPU has too little memory. What was kept lies in {arguments.out}: close what else uses the GPU and "
            "go on with --resume, or with --device cpu beside it, which takes long"
        )
    return None


@contextmanager
def _reported(minutes: float | None) -> Iterator[Report]:
    """A report that shows a bar, and cancels when Ctrl-C was pressed or the minutes are over."""
    end, stopped = None if minutes is None else time.monotonic() + 60 * minutes, False

    def stop(number: int, frame: object) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(number, before[number])  # the second one ends it at once

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with shown(remaining=False) as tell:

            def report(done: float, text: str) -> None:
                if stopped:
                    raise Cancelled("Stopped")
                if end is not None and time.monotonic() > end:
                    raise _TimeIsUp(f"The {minutes:g} {'minute is' if minutes == 1 else 'minutes are'} over")
                tell(done, text)

            yield report
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
