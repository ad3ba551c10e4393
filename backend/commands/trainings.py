"""The trainings that can be asked for: what each learns from, and what is said where that cannot be done.

Each takes the options of `python -m backend train`, and gives the last scores.
"""

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from backend import learned
from backend.commands.bar import say
from backend.report import Report

if TYPE_CHECKING:
    from backend.files.picture import Pixels
    from backend.training.dynamics.plan import Plan
    from backend.training.dynamics.stock import Data
    from backend.training.loop import How


class Unfit(ValueError):
    """Asked for what cannot be done."""


def dynamics(arguments: argparse.Namespace, how: "How", report: Report) -> dict[str, float]:
    """Of image dynamics. Raises Unfit, and what a training raises."""
    from backend.training.dynamics.plan import PLANS
    from backend.training.dynamics.training import train

    plan = PLANS[arguments.preset or "paper"].with_effort(arguments.effort)
    data = of_videos(arguments, plan, report) if arguments.videos else _of_specimens(arguments.out, plan, report)
    return train(plan, data, arguments.out, how, report)


def multiview(arguments: argparse.Namespace, how: "How", report: Report) -> dict[str, float]:
    """Of views. Raises Unfit, and what a training raises."""
    from backend.training import shards
    from backend.training.disk import make_room
    from backend.training.multiview import captions, corpus, folders
    from backend.training.multiview.plan import PLANS
    from backend.training.multiview.stock import Data
    from backend.training.multiview.training import NotLearnable, train

    plan = PLANS[arguments.preset or "paper"].with_effort(arguments.effort)
    side = plan.side if plan.sizes is None else plan.sizes.side
    chosen = arguments.renders or arguments.meshes
    try:
        if chosen is None:
            folder = _kept(corpus.default_folder() / str(side), arguments.out)
            make_room(folder, sum(plan.samples.values()) * side * side * 12)
            corpus.make(folder, corpus.Recipe(side), plan.samples, report)
            data = Data.of(folder, "views of specimens", captions.vocabulary())
        else:
            read, folder = folders.renders if arguments.renders else folders.meshes, arguments.out / "sets"
            tally = read(chosen, folder, side, report)
            say(f"{chosen}: {tally}")
            if not tally.sets:
                _remove_empty(folder)
                raise Unfit(f"Nothing in {chosen} can be learned from")
            about, single = f"views of what lies in {chosen.resolve().name}", None
            if arguments.pictures:
                single = arguments.out / "pictures"
                tally = folders.pictures(arguments.pictures, single, side, report)
                say(f"{arguments.pictures}: {tally}")
                if not tally.sets:
                    _remove_empty(single)
                    raise Unfit(f"Nothing in {arguments.pictures} can be learned from")
                about = f"{about} and single pictures in {arguments.pictures.resolve().name}"
            data = Data.of(folder, about, None, single)
        return train(plan, data, arguments.out, how, report, arguments.base)
    except (FileNotFoundError, shards.OtherRecipe, NotLearnable) as error:
        raise Unfit(str(error)) from None


def subject(arguments: argparse.Namespace, how: "How", report: Report) -> dict[str, float]:
    """Of one subject. Raises Unfit, and what a training raises."""
    from backend.priors.weights import AnotherLayout, Damaged
    from backend.training.multiview import subject
    from backend.training.multiview.training import NotLearnable

    text = " ".join(f"{arguments.name} {arguments.of or ''}".split())
    try:
        data = subject.Pictures.of(_pictures_in(arguments.pictures), text)
        plan = subject.usual(arguments.model).with_effort(arguments.effort)
        scores = subject.train(arguments.model, data, arguments.out, how, report, plan)
    except (FileNotFoundError, AnotherLayout, Damaged, NotLearnable) as error:
        raise Unfit(str(error)) from None
    say(f'It is called "{text}" in what you ask of {arguments.out / "model"}')
    return scores


def _pictures_in(folder: Path) -> list["Pixels"]:
    """Pictures (H, W, 3 or 4), by their names. Raises Unfit, NotLearnable."""
    from backend.files import picture
    from backend.files.mesh import Unreadable
    from backend.training.multiview.subject import FEWEST, MOST, check_size

    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in picture.ENDINGS)
    if not FEWEST <= len(paths) <= MOST:
        has = f"{len(paths)} {'picture' if len(paths) == 1 else 'pictures'}"
        raise Unfit(f"{folder} has {has}: a subject is learnt from {FEWEST} to {MOST}")
    found = []
    for path in paths:
        try:
            found.append(picture.read(path).pixels)
        except (Unreadable, learned.NotInstalled) as error:
            raise Unfit(str(error)) from None
        check_size(found[-1], path.name)
    return found


def _remove_empty(folder: Path) -> None:
    """A folder of what was prepared, if nothing in it teaches anything: what is of videos that are gone by now does."""
    if not any(folder.rglob("*.safetensors")):
        shutil.rmtree(folder, ignore_errors=True)


def _kept(folder: Path, out: Path) -> Path:
    """Where pictures are made and kept for trainings, which is said; `out` is made before them, to be found by who
    goes on with this one."""
    out.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    say(f"What it learns from is made, and kept in {folder} for later trainings: delete that folder when you need none")
    return folder


def _of_specimens(out: Path, plan: "Plan", report: Report) -> "Data":
    """Made where they are not there yet."""
    from backend.training import shards
    from backend.training.disk import make_room
    from backend.training.dynamics import corpus
    from backend.training.dynamics.stock import Data

    sizes = plan.sizes
    folder = _kept(corpus.default_folder() / f"{sizes.height}x{sizes.width}-{sizes.bins}", out)
    make_room(folder, sum(plan.samples.values()) * sizes.height * sizes.width * sizes.bins * 4)
    try:
        corpus.make(folder, corpus.Recipe(sizes.height, sizes.width, sizes.bins), plan.samples, report)
    except shards.OtherRecipe as error:
        raise Unfit(str(error)) from None
    return Data.of(folder, "seeds", "pictures of specimens in the wind")


def of_videos(arguments: argparse.Namespace, plan: "Plan", report: Report) -> "Data":
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
        raise Unfit(str(error)) from None
    say(f"{arguments.videos}: {tally}")
    if not tally.clips:
        _remove_empty(folder)
        raise Unfit(f"No clip in {arguments.videos} can be learned from")
    about = f"clips of the videos in {arguments.videos.resolve().name}"
    if flow.name != ways.DIS:
        about += f", whose motion was found by {flow.name}"
    return Data.of(folder, "test", about)
