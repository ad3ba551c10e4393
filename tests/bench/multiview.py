"""Views of one thing, and fields distilled from them: MVDream's claims in miniature, each in a table of its own.

ENVIRONMENT: learned

It measures the model in backend/weights/multiview, or in --model, on asymmetric prompts of the corpus. Parts (--only):

    gate        its loss under cameras that are turned, and without cameras, on held-out sets: before any distillation
    drawn       views that it draws: with 3-D attention, with the camera alone, in 2-D mode
    distilled   fields: multi-view, the same weights in 2-D mode and by the camera alone, plain SDS, begun from views
    bound       what a field of this size can show at all: fitted to true views
    subject     a subject of one's own, learnt from five pictures: by its name, and by its kind before and after
    time        seconds and memory from a text to a finished mesh
    cuda        on a GPU alone: steps a second and memory at the paper's sizes, beside the same loop written plainly

`--ablations` trains small models beside each other instead, of which each but one lacks a thing of the paper's: 3-D
attention, or single pictures (tests/bench/views/trained.py).

Results are kept in --out, one by one: stopped, it goes on from there. The truth of a prompt is the corpus' thing of
that caption, of middling sizes (tests/bench/views/truth.py); measures: tests/bench/views/measures.py.
"""

import backend.threads  # noqa: F401  # isort: skip

import argparse
import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import cache, cached_property, partial
from pathlib import Path
from statistics import fmean, median

import numpy as np
import torch

from backend.commands.bar import lines
from backend.pipelines.recipes import Recipe
from backend.priors.seedling import CARD, Seedling
from backend.priors.weights import AnotherLayout, Damaged
from backend.training import shards
from backend.training.multiview import captions, corpus
from backend.training.multiview.model import Sown
from backend.training.multiview.phases import Place
from backend.training.multiview.plan import Plan
from backend.training.multiview.sets import Corpus
from backend.training.multiview.stock import Data, Part
from backend.training.multiview.training import MEANINGS
from tests.bench.table import Table
from tests.bench.views import arms, clocks, made, measures, paper, sheets, subject, trained, truth
from tests.bench.views.arms import ARMS
from tests.bench.views.runs import Arrays, OtherRuns, Runs, digest

ROOT = Path(__file__).parents[2]
PARTS = "gate", "drawn", "distilled", "bound", "subject", "time", "cuda"
VIEWS = 4  # that are drawn at once
WAYS = {"3-D attention": arms.as_it_is, "camera alone": arms.apart, "2-D mode": arms.flat}  # of drawing
FREE = "2-D mode"  # that of them which has no front
LEAST = {"turned": 1.5, "flat": 1.2}  # of the gate's scores
RIGHT = {  # what counts views of which of the truth's eight sides: in words, the share that are so by chance
    "azimuths right": ("azimuths right or next to it", 3 / 8),
    "azimuths exact": ("azimuths exactly right", 1 / 8),
}


class Bench:
    """What all parts share: a model, and what is kept of it."""

    def __init__(self, arguments: argparse.Namespace, folder: Path, out: Path) -> None:
        """Raises FileNotFoundError, AnotherLayout, Damaged, OtherRuns."""
        self.arguments, self.prior = arguments, model(folder)
        self.side = self.prior.size[0]
        self.recipe: Recipe = made.recipe(self.side, arguments.steps)
        recipe = repr(replace(self.recipe, steps=0))
        about = {"weights": digest(folder), "steps": self.recipe.steps, "recipe": recipe}
        self.runs, self.report, self.out = Runs(out, about), lines(), out

    def names(self, unseen: bool) -> list[str]:
        """Of the prompts, those that sets of views showed in training, or the others."""
        return [name for name in self.arguments.prompts if truth.ASKED[name].unseen == unseen]

    def arms(self, unseen: bool) -> list[str]:
        """By which prompts of either kind are distilled."""
        return [name for name in self.arguments.arms if not unseen or name in arms.UNSEEN]

    def truth(self, name: str) -> measures.Pictures:
        return _true(name, self.side)

    @property
    def seeds(self) -> range:
        return range(self.arguments.seeds)

    @cached_property
    def fields(self) -> dict[str, Runs]:
        """What is kept of all arms. A folder tells what its arm was; of what was kept before any did, that is what the
        arm is now. Raises OtherRuns."""
        schedule = self.prior.schedule
        return {arm: Runs(self.out / arm, ARMS[arm].told(self.recipe, schedule)) for arm in self.arguments.arms}

    def field(self, arm: str, name: str, seed: int) -> Arrays:
        """Distilled; from what is kept, if it is there."""
        run, runs = f"{name}-{seed}", self.fields[arm]
        return runs.kept(
            run,
            lambda: made.distilled(
                self.prior, truth.ASKED[name].prompt, seed, ARMS[arm], self.recipe, runs.path(run, ".pt"),
                lambda done, text: self.report(done, f"{arm}/{run}: {text}"),
            ),
        )  # fmt: skip

    def drawn(self, way: str, text: str, seed: int, name: str) -> measures.Pictures:
        """(VIEWS, H, W, 3)."""
        own = arms.asked(self.prior, WAYS[way])
        run = f"drawn/{way}/{name}-{seed}"
        return self.runs.kept(run, lambda: {"views": made.drawn(own, text, VIEWS, seed, self.recipe)})["views"]


@cache
def _true(name: str, side: int) -> measures.Pictures:
    return truth.views(truth.thing(truth.ASKED[name]), side, truth.around())


def model(folder: Path) -> Seedling:
    if not (folder / CARD).is_file():
        raise FileNotFoundError(
            f"No seedling of views lies in {folder}: train one (build.py train multiview) and name it with --model"
        )
    return Seedling.load(folder)


def scores(found: measures.Pictures, true: measures.Pictures, has_front: bool = True) -> dict[str, float]:
    """Of views of a field or a drawing; who has no front is turned to where it is best."""
    turn = 0 if has_front else measures.best_turn(found, true)
    return {
        "azimuths right": measures.azimuths_right(found, true, turn),
        "azimuths exact": measures.azimuths_right(found, true, turn, near=0.0),
        "PSNR, dB": measures.decibels(found, true, turn),
        "opposite-view correlation, off the truth's": abs(
            measures.opposite_correlation(found) - measures.opposite_correlation(true)
        ),
        "saturation, share of the truth's": measures.saturation(found) / max(measures.saturation(true), 1e-6),
    }


# --- the gate ---


def gate(bench: Bench) -> None:
    """On held-out sets, some unlike all that sets of views showed."""
    arguments = bench.arguments
    folder = arguments.corpus or corpus.default_folder() / str(bench.side)
    splits = "individuals", "combinations"
    corpus.make(folder, corpus.Recipe(bench.side), dict.fromkeys(splits, arguments.sets), bench.report)
    known, unseen = (Part(own, np.arange(len(own))) for own in (Corpus(folder / split) for split in splits))
    data = Data(known, known, known, "held-out specimens", unseen)
    table = Table(f"Camera gate, held-out sets ({len(known)} of known kinds and colours, {len(unseen)} of others)")
    for name, value in _gate("joint", bench.prior, data).items():
        meaning = MEANINGS[name].split(";")[0].split(", of kinds")[0]
        table.add(f"{name}: {meaning}", value, "", least=LEAST.get(name))
    table.show()


def _gate(variant: str, prior: Seedling, data: Data) -> dict[str, float]:
    place = Place(Sown(prior, "cpu"), Plan(prior.sizes, {}), data, "cpu", len(data.held_out))  # all of them
    return trained.phase(variant, place).scores()


# --- drawn ---


def drawn(bench: Bench) -> None:
    for unseen in (False, True):
        names = bench.names(unseen)
        if not names:
            continue
        table = Table(f"Views drawn of prompts {_which(unseen)} ({len(names)} prompts, {len(bench.seeds)} seeds)")
        found = {way: _drawn(bench, way, names) for way in WAYS}
        called = {way: f"{way}, at its best turn" if way == FREE else way for way in found}
        for what in RIGHT:
            for way, each in found.items():
                table.add(f"{_right(what, VIEWS)}, median: {called[way]}", median(one[what] for one in each), "")
        for way, each in found.items():
            table.add(f"PSNR: {called[way]}", fmean(one["PSNR, dB"] for one in each), "dB")
        table.show()
    _show_agreement(bench)


def _drawn(bench: Bench, way: str, names: list[str]) -> list[dict[str, float]]:
    return [
        scores(
            bench.drawn(way, truth.ASKED[name].prompt, seed, name), bench.truth(name), way != FREE
        )
        for name in names
        for seed in bench.seeds
    ]  # fmt: skip


def _show_agreement(bench: Bench) -> None:
    """Of words that leave much open: views that do not know of each other fill it in each for itself."""
    table = Table("Agreement between the views of a set: how far they are from their mean")
    apart = {way: _disagreement(bench, way) for way in ("3-D attention", "camera alone")}
    true = [measures.disagreement(bench.truth(name)[:: truth.SIDES // VIEWS]) for name in bench.names(False)]
    for what in measures.Disagreement._fields:
        own = {way: getattr(each, what) for way, each in apart.items()}
        for way, value in own.items():
            table.add(f"{what}: {way}", value, "")
        if true:
            table.add(f"{what}: the truth's, of the prompts", fmean(getattr(one, what) for one in true), "")
        attention, alone = own.values()
        table.add(f"{what}: camera alone over 3-D attention", alone / max(attention, 1e-6), "", least=1.0)
    table.show()


def _disagreement(bench: Bench, way: str) -> measures.Disagreement:
    """Means."""
    texts = {name: truth.ASKED[name].prompt for name in bench.names(False)} | truth.OPEN
    each = [
        measures.disagreement(bench.drawn(way, text, seed, name))
        for name, text in texts.items()
        for seed in bench.seeds
    ]
    return measures.Disagreement(*(fmean(values) for values in zip(*each, strict=True)))


# --- distilled ---


def distilled(bench: Bench) -> None:
    for unseen in (False, True):
        names, ways = bench.names(unseen), bench.arms(unseen)
        if not (names and ways):
            continue
        found = {arm: _distilled(bench, arm, names) for arm in ways}
        _show_claims(found, f"prompts {_which(unseen)} ({len(names)} prompts, {len(bench.seeds)} seeds)", unseen)
        _show_prompts(found, _which(unseen))
    if bench.arguments.sheets:
        _draw(bench)


def _distilled(bench: Bench, arm: str, names: list[str]) -> dict[tuple[str, int], dict[str, float]]:
    return {
        (name, seed): scores(bench.field(arm, name, seed)["views"], bench.truth(name), ARMS[arm].has_front)
        for name in names
        for seed in bench.seeds
    }


def _show_claims(found: dict[str, dict], which: str, unseen: bool) -> None:
    table = Table(f"Fields distilled of {which}")
    promised = {} if unseen else {"multi": {"least": 7.0}, "flat": {"bound": 4.0}}
    for what in RIGHT:
        for arm, each in found.items():
            value, own = median(one[what] for one in each.values()), promised if what == "azimuths right" else {}
            table.add(f"{_right(what, truth.SIDES)}, median: {ARMS[arm].about}", value, "", **own.get(arm, {}))
    for arm, each in found.items():
        bound = 0.1 if arm == "multi" and not unseen else None
        name = "opposite-view correlation, off the truth's"
        table.add(f"{name}: {ARMS[arm].about}", fmean(one[name] for one in each.values()), "", bound)
    for name, unit in (("PSNR, dB", "dB"), ("saturation, share of the truth's", "")):
        for arm, each in found.items():
            table.add(
                f"{name.removesuffix(', dB')}: {ARMS[arm].about}", fmean(one[name] for one in each.values()), unit
            )
    if {"multi", "flat"} <= found.keys():
        one, other = (fmean(each["PSNR, dB"] for each in found[arm].values()) for arm in ("multi", "flat"))
        table.add("PSNR: multi-view over 2-D mode", one - other, "dB", least=None if unseen else 2.0)
    for arm, other in (("multi", "sds"), ("strong", "sds_strong")):
        if {arm, other} <= found.keys():
            name = "saturation, share of the truth's"
            off = [fmean(abs(each[name] - 1) for each in found[way].values()) for way in (arm, other)]
            table.add(f"saturation, off the truth's: {ARMS[arm].about}", off[0], "")
            name = f"saturation, off the truth's: {ARMS[other].about}, over that"
            table.add(name, off[1] / max(off[0], 1e-6), "", least=1.0)
    table.show()


def _show_prompts(found: dict[str, dict], which: str) -> None:
    table = Table(f"Fields distilled, prompt by prompt, {which}: mean over seeds")
    for arm, each in found.items():
        for name in dict.fromkeys(name for name, _ in each):
            own = [one for (other, _), one in each.items() if other == name]
            label = f'{ARMS[arm].about}: "{truth.ASKED[name].prompt}"'
            for what in RIGHT:
                table.add(f"{label}: {_right(what, truth.SIDES)}", fmean(one[what] for one in own), "")
            table.add(f"{label}: PSNR", fmean(one["PSNR, dB"] for one in own), "dB")
    table.show()


def _draw(bench: Bench) -> None:
    for name in bench.arguments.prompts:
        rows = {"truth": bench.truth(name)}
        rows |= {ARMS[arm].about: bench.field(arm, name, 0)["views"] for arm in bench.arms(truth.ASKED[name].unseen)}
        rows["drawn"] = bench.drawn("3-D attention", truth.ASKED[name].prompt, 0, name)
        path = bench.arguments.sheets / f"{name}.png"
        sheets.save(path, truth.ASKED[name].prompt, rows)
        print(f"  {path}")


# --- bound, a subject, and time ---


def bound(bench: Bench) -> None:
    table = Table(f"Fields fitted to true views ({bench.recipe.steps} steps, {truth.SIDES} views)")
    for name in bench.arguments.prompts:
        asked, true = truth.ASKED[name], bench.truth(name)
        run = f"bound/{name}"
        found = bench.runs.kept(
            run, partial(made.known, bench.prior, true, bench.recipe, bench.runs.path(run, ".pt"), bench.report)
        )
        table.add(f'"{asked.prompt}": PSNR', measures.decibels(found["views"], true), "dB", least=30.0)
        between = truth.views(truth.thing(asked), bench.side, made.between())
        table.add(f'"{asked.prompt}": PSNR from between', measures.decibels(found["between"], between), "dB")
        right = measures.azimuths_right(found["views"], true, near=0.0)
        table.add(f'"{asked.prompt}": azimuths exactly right of 8', right, "", least=8.0)
    table.show()


def subject_(bench: Bench) -> None:
    found = subject.found(bench.arguments.model, bench.prior, bench.recipe, bench.out / "subject", bench.report)
    subject.table(found, bench.side).show()
    if bench.arguments.sheets:
        path = bench.arguments.sheets / "subject.png"
        sheets.save(path, subject.CALLED, subject.seen(found, bench.side))
        print(f"  {path}")


def time_(bench: Bench) -> None:
    """In a process of its own, whose memory is counted."""
    arguments, name = bench.arguments, bench.arguments.prompts[0]
    asked = truth.ASKED[name].prompt
    found = clocks.of_its_own(arguments.model, asked, arguments.steps, arguments.faces)
    table = Table(
        f'From "{asked}" to a mesh of {arguments.faces} faces, {found["steps"]} steps, {found["threads"]} threads'
    )
    small = bench.side <= 32
    table.add("a step", found["step"], "s", 0.12 if small else None)
    for what in ("prior", "render", "rest"):
        table.add(f"a step: share of {what}", 100 * found[what] / found["step"], "%")
    parts = {
        "start": "a process and its libraries, started", "load": "the model, loaded", "views": "all of the views",
        "field": "all of the field", "mesh": "all of the mesh",
    }  # fmt: skip
    for what, words in parts.items():
        if what in found:
            table.add(words, found[what], "s")
    if "mesh" in found:
        table.add(
            "from text to finished mesh, all of these", sum(found[what] for what in parts), "s", 90.0 if small else None
        )
    table.add("computed in that once it had started, on all cores", found["cpu"], "s")
    table.add("most memory resident", found["memory"] / 2**20, "MiB")
    table.add("of which before anything was asked", found["before"] / 2**20, "MiB")
    table.show()


# --- the paper's sizes ---


def cuda() -> None:
    """With random weights: neither time nor memory hangs on what was learnt."""
    if not torch.cuda.is_available():
        print("\nThere is no CUDA here: nothing was measured at the paper's sizes.")
        return
    for name, found in paper.stages():
        table = Table(f"{torch.cuda.get_device_name()}, torch {torch.__version__}: steps of {name}")
        for loop, one in found.items():
            if one is None:
                print(f"  {loop}: the memory of this GPU is too short for it")
                continue
            table.add(f"steps a second: {loop}", one.speed, "/s")
            table.add(f"most memory: {loop}", one.memory, "GB", paper.MOST if loop.startswith("ours") else None)
        if found["ours"] and found["plain"]:
            table.add(
                "steps a second: ours over plain", found["ours"].speed / found["plain"].speed, "", least=paper.FASTER
            )
        if table.rows:
            table.show()


# --- ablations ---


def ablations(arguments: argparse.Namespace) -> None:
    plan, report = trained.MINIATURE.with_effort(arguments.effort), lines()
    folder = arguments.corpus or corpus.default_folder() / str(plan.sizes.side)
    if arguments.corpus is None:
        corpus.make(folder, corpus.Recipe(plan.sizes.side), plan.samples, report)
    data = Data.of(folder, "views of specimens", captions.vocabulary())
    found = {}
    for name, variant in trained.VARIANTS.items():
        where = trained.trained(name, arguments.out / "ablations", data, arguments.effort, report)
        bench = Bench(arguments, where, where.parent / "kept")
        way = next(own for own, asked in WAYS.items() if asked is variant.way)
        found[name] = _gate(name, bench.prior, data)
        for unseen, which in ((False, "shown in sets"), (True, "shown in none")):
            if names := bench.names(unseen):
                each = _drawn(bench, way, names)
                for what in RIGHT:
                    found[name][f"{_right(what, VIEWS)}, prompts {which}, mean"] = fmean(one[what] for one in each)
        apart = _disagreement(bench, way)
        found[name] |= {f"{what}, between views": value for what, value in apart._asdict().items()}
    _show_ablations(found, plan)


def _show_ablations(found: dict[str, dict[str, float]], plan: Plan) -> None:
    table = Table(f"Small models, {plan.budgets['views'].steps} steps each, with one thing left out")
    for what in found["joint"]:
        for name, own in found.items():
            table.add(f"{what}: {name}", own[what], "")
    for what in ("colour, between views", "size, between views"):
        share = found["apart"][what] / max(found["joint"][what], 1e-6)
        table.add(f"{what}: without 3-D attention over with it", share, "", least=1.0)
    if "noise_left_unseen" in found["joint"]:
        share = found["sets_alone"]["noise_left_unseen"] / found["joint"]["noise_left_unseen"]
        table.add("noise left of what no set shows: without single pictures over with them", share, "", least=1.0)
    table.show()


# --- what is asked ---


def _right(what: str, views: int) -> str:
    """What is counted, of so many."""
    words, share = RIGHT[what]
    return f"{words} of {views} (by chance {share * views:g})"


def _which(unseen: bool) -> str:
    return "that no set of views showed in training" if unseen else "that sets of views showed in training"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="build.py bench multiview", description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=ROOT / "backend" / "weights" / "multiview", metavar="FOLDER")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--prompts", nargs="+", choices=list(truth.ASKED), default=list(truth.ASKED), metavar="NAME",
                        help=f"of {', '.join(truth.ASKED)}")  # fmt: skip
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS), metavar="ARM",
                        help=f"ways of distilling: {', '.join(ARMS)}")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="of each prompt")
    parser.add_argument("--steps", type=int, default=0, metavar="N", help="of distilling (default: a seedling's own)")
    parser.add_argument("--sets", type=int, default=128, metavar="N", help="held-out sets for the gate, of each split")
    parser.add_argument("--faces", type=int, default=4000, metavar="N", help="of the mesh whose making is timed")
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help="held-out sets (default: those of that size)")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "multiview", metavar="FOLDER", help="what is kept")
    parser.add_argument("--sheets", type=Path, metavar="FOLDER", help="draw truth and fields of each prompt there")
    parser.add_argument("--ablations", action="store_true", help="train and measure the small models instead")
    parser.add_argument("--effort", type=float, default=1.0, metavar="X", help="times the small models' steps")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the tables to it")
    return parser


def main(options: Iterable[str] | None = None) -> int:
    arguments = _parser().parse_args(options)
    try:
        if arguments.ablations:
            ablations(arguments)
            return 0
        parts = [part for part in arguments.only if part != "cuda"]
        bench = Bench(arguments, arguments.model, arguments.out) if parts else None
        for part in parts:
            {
                "gate": gate, "drawn": drawn, "distilled": distilled, "bound": bound, "subject": subject_,
                "time": time_,
            }[part](bench)  # fmt: skip
        if "cuda" in arguments.only:
            cuda()
    except (FileNotFoundError, AnotherLayout, Damaged, OtherRuns, shards.OtherRecipe) as error:
        print(f"bench multiview: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
