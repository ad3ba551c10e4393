"""Image dynamics: how well the motion of a picture is predicted, on pictures that nothing was trained on.

ENVIRONMENT: learned

Without options it measures the model in backend/weights/dynamics on held-out kinds and seeds, beside zero motion, what
is usual in the training set, and a direct predictor of the same size, which it trains first, for as long as the model
was. Its held-out individuals are none of the training's, on which the model's guidance is chosen. `--ablations` trains
small variants of one small plan and sets them side by side; `--time` says how long a motion takes, and nothing else;
`--sheets` draws. All that is trained lies in --out, and is gone on with, or found there the next time. Measures:
tests/bench/motion/measures.py.
"""

import backend.threads  # noqa: F401  # isort: skip

import argparse
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backend.commands.bar import lines
from backend.pipelines.expected import expected, sampling
from backend.priors.dynamics import Dynamics, Sampling, denoiser, normal
from backend.report import silent
from backend.training import shards
from backend.training.dynamics import corpus
from backend.training.dynamics.plan import PLANS
from backend.training.dynamics.samples import Batch, Corpus
from backend.training.dynamics.stock import Data, Part
from backend.training.log import FILE, Log
from tests.bench.motion import ablations, drift, measures, rendering, rivals, sheets
from tests.bench.motion.direct import MOMENTS, Direct, learned_seconds, parameters
from tests.bench.table import Table
from tests.bench.views.runs import OtherRuns, digest

ROOT = Path(__file__).parents[2]
SPLITS = "kinds", "seeds"
DRIFTING = 4  # pictures of which long films are made
STEADY = 0.1  # thousandths of white a second: after 20 s half of what one of 8 bits tells apart
DRAWN = 6  # pictures of a split that get a sheet
MEASURED = 1  # seed of the corpus of which is measured

Scores = dict[str, float]


def scores(found: Tensor, truth: Tensor) -> Scores:
    """All measures of draws (D, B, K, 4, H, W), as they were drawn, against the truth (B, K, 4, H, W) at rest."""
    own = measures.with_bins(normal.starting_at_rest(found), truth.shape[1])
    way = measures.trajectory_error(own, truth)
    return {
        "trajectory error, mean of draws, pixels": way.pixels,
        "trajectory error, mean of draws, share of zero motion's": way.share,
        "trajectory error, best of draws, pixels": way.best,
        "trajectory error, best of draws, share of zero motion's": way.best_share,
        "spectral error": measures.spectral_error(own, truth),
        "amplitude error": measures.amplitude_error(own, truth),
        "Frechet distance of trajectories, share of zero motion's": measures.frechet(own, truth),
        "magnitude, of truth": measures.magnitude(own, truth),
        "place, cosine": measures.place(own, truth),
        "away from rest at t = 0, as drawn": measures.unrest(found),
    }


@torch.no_grad()
def noise_left(model: Dynamics, batch: Batch) -> float:
    """Squared error of the noise that is found in held-out latents, 1 for who knows nothing; the same noise for all."""
    noise = denoiser.Noise(model.scheduler, torch.Generator().manual_seed(0))
    latents = model.encoded(batch.slices[:, : model.sizes.bins])
    return denoiser.coordination_loss(model.denoiser, latents, batch.picture, noise).item()


def held_out(part: Corpus, count: int) -> Batch:
    """So many pictures, of as many individuals as there are; it is said where there are fewer."""
    if count > len(part):
        where = part.paths[0].parent
        print(
            f"bench dynamics: {where} holds {len(part)} pictures and not {count}: they are all measured",
            file=sys.stderr,
        )
    return part.batch(np.linspace(0, len(part) - 1, min(count, len(part))).astype(int))


def show(title: str, found: dict[str, Scores], mine: str = "") -> None:
    """Measure by measure, all predictors below each other. Of `mine`, the magnitude is promised."""
    table = Table(title)
    for measure in next(iter(found.values())):
        for name, own in found.items():
            promised = {"bound": 1.2, "least": 0.8} if name == mine and measure.startswith("magnitude") else {}
            table.add(f"{measure}: {name}", own[measure], "", **promised)
    table.show()


# --- the model ---


def of_model(arguments: argparse.Namespace) -> None:
    model = Dynamics.load(arguments.model)
    guidance = model.guidance if arguments.guidance is None else arguments.guidance
    sizes, how = model.sizes, Sampling(arguments.steps, guidance)
    folder = arguments.corpus
    held = folder
    if folder is None:
        recipe = corpus.Recipe(sizes.height, sizes.width, sizes.bins)
        folder = ablations.folder(recipe)
        held = folder / "measured"
        corpus.make(folder, recipe, {"train": _learned_from(arguments.model)}, lines())
        # so many individuals: each of them is in as many pictures of a shard
        counts = dict.fromkeys(SPLITS, arguments.pictures * recipe.views)
        corpus.make(held, replace(recipe, seed=MEASURED), counts, lines())
    train = _as_many(Corpus(folder / "train"), _learned_from(arguments.model))
    direct = _direct(model, train, arguments)
    means = rivals.Means(train)
    predictors = {
        "model": rivals.of_model(model, how),
        "model, frequencies not coordinated": rivals.of_model(rivals.uncoordinated(model), how),
        "direct predictor": direct,
        "mean spectrum": means.spectrum,
        "mean amplitudes": means.swings,
        "zero motion": rivals.zero(sizes.bins),
    }
    for split in SPLITS:
        batch = held_out(Corpus(held / split), arguments.pictures)
        truth = normal.starting_at_rest(batch.slices)
        drawn = {name: predict(batch.picture, arguments.draws) for name, predict in predictors.items()}
        found = {name: scores(own, truth) for name, own in drawn.items()}
        draws = f"{len(truth)} pictures, {arguments.draws} draws"
        show(f"Motion of held-out {split} ({draws}, {how.steps} steps, guidance {how.guidance:g})", found, "model")
        _show_rendering(model, batch, split)
        _show_drift(model, direct, how, batch, split)
        if arguments.sheets:
            _draw(model, batch, {"truth": truth[None]} | drawn, arguments.sheets / split)


def _learned_from(model: Path) -> int:
    """Of how many pictures a model was made, as its log says, which lies beside it; else as many as a seedling is."""
    found = [line["train"] for line in Log(model) if "train" in line] if (model / FILE).exists() else []
    return found[-1] if found else PLANS["seedling"].samples["train"]


def _as_many(there: Corpus, count: int) -> Part:
    """Rivals learn from no more pictures than the model did."""
    return Part(there, np.arange(min(count, len(there))))


def _direct(model: Dynamics, train: Part, arguments: argparse.Namespace) -> Direct:
    seconds, log = arguments.seconds, arguments.model / FILE
    if seconds is None and not log.exists():
        raise FileNotFoundError(f"{log} is missing, so how long the model learned is not known: say --seconds")
    seconds = learned_seconds(Log(arguments.model)) if seconds is None else seconds
    direct = Direct(model)
    about = f"{digest(arguments.model)}, {len(train)} pictures"
    steps = direct.train(train, arguments.out / "direct", seconds, about)
    table = Table(f"Direct predictor: {MOMENTS} moments at {model.sizes.height} x {model.sizes.width} pixels")
    table.add("parameters", direct.parameters / 1e6, "million")
    table.add("parameters of the model's autoencoder and denoiser", parameters(model) / 1e6, "million")
    table.add("learned", seconds / 60, "minutes of CPU")
    if log.exists():
        table.add("the model learned", learned_seconds(Log(arguments.model)) / 60, "minutes of CPU")
    table.add("steps", steps, "")
    table.show()
    return direct


def _show_rendering(model: Dynamics, batch: Batch, split: str) -> None:
    table = Table(f"Frames of held-out {split}, given the true motion")
    for way, decibels in rendering.decibels(model, batch).items():
        table.add(way, decibels, "dB")
    table.show()


def _show_drift(model: Dynamics, direct: Direct, how: Sampling, batch: Batch, split: str) -> None:
    turns = torch.arange(MOMENTS, dtype=torch.float32) / MOMENTS

    def drawn(picture: Tensor, number: int) -> Tensor:
        return normal.starting_at_rest(model.slices(picture[None], [number], how))[0]

    ways = {
        "model, coming round": lambda picture, renderer: drift.come_round(
            drawn(picture, 0), MOMENTS, picture, renderer
        ),
        "model, going on from its last frame": partial(
            drift.gone_on, lambda one, number: normal.displacements(drawn(one, number), turns)
        ),
        "direct predictor, going on from its last frame": partial(
            drift.gone_on, lambda one, number: direct.textures(one[None])[0].detach()
        ),
    }
    pictures = batch.picture[:: max(1, len(batch.picture) // DRIFTING)][:DRIFTING]
    table = Table(
        f"Drift of {drift.SECONDS:g} s of film, held-out {split}: windows of a period, mean of {len(pictures)}"
    )
    for way, film in ways.items():
        films = [film(picture=one, renderer=model.renderer) for one in pictures]
        bound = STEADY if way == next(iter(ways)) else None
        shares = [abs(drift.drift(one)) for one in films]  # what comes nearer again has gone away before
        table.add(f"frames: {way}", 1000 * sum(shares) / len(films), "thousandths of white a second", bound)
        if way != next(iter(ways)):  # points that come round do, whatever is rendered
            table.add(f"points: {way}", sum(map(drift.way, films)) / len(films), "pixels a second")
    table.show()


def _draw(model: Dynamics, batch: Batch, drawn: dict[str, Tensor], folder: Path) -> None:
    names = {"truth": "truth", "model": "model", "direct predictor": "direct", "zero motion": "zero"}
    bins = batch.slices.shape[1]
    for number in np.linspace(0, len(batch.picture) - 1, min(DRAWN, len(batch.picture))).astype(int):
        slices = {
            label: measures.with_bins(normal.starting_at_rest(drawn[name][0, number]), bins)
            for name, label in names.items()
        }
        path = folder / f"{number:03}.png"
        sheets.save(path, sheets.sheet(model, batch.picture[number], slices))
        print(f"  {path}")


def of_time(arguments: argparse.Namespace) -> None:
    """From a picture of the networks' size to its motion, as keys play it, and as a film that comes round is drawn."""
    began = time.perf_counter()
    model = Dynamics.load(arguments.model)
    table = Table(f"A picture to {model.sizes.bins} bins, {torch.get_num_threads()} threads")
    table.add("the model, loaded", time.perf_counter() - began, "s")
    size, chance = (model.sizes.height, model.sizes.width), torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, *size, generator=chance) * 2 - 1
    small = max(size) <= 64
    for loop, what in ((False, "motion"), (True, "motion, its end drawn to its beginning")):
        how = sampling(model, 0, loop)
        began = time.perf_counter()
        expected(model, picture, 0, how, silent)
        bound = 20.0 if small and not loop else None
        table.add(f"{what}, {how.steps} steps", time.perf_counter() - began, "s", bound)
    table.show()


# --- ablations ---


def of_ablations(arguments: argparse.Namespace) -> None:
    plan, recipe = ablations.MINIATURE.with_effort(arguments.effort), ablations.recipe()
    folder = arguments.corpus or ablations.folder(recipe)
    if arguments.corpus is None:
        corpus.make(folder, recipe, plan.samples, lines())
    data = Data.of(folder, "seeds", f"pictures of specimens in the wind, {recipe.bins} bins")
    names = arguments.only or list(ablations.VARIANTS)
    models = {name: ablations.trained(name, arguments.out, data, arguments.effort, lines()) for name in names}
    batch = held_out(data.held_out.corpus, arguments.pictures)
    _show_motion(models, batch, arguments)
    _show_splatting(models, batch)


def _show_motion(models: dict[str, Dynamics], batch: Batch, arguments: argparse.Namespace) -> None:
    moving = {name: model for name, model in models.items() if "slices" in ablations.VARIANTS[name].budgets}
    if "bins_16" in moving:
        moving["uncoordinated"] = rivals.uncoordinated(moving["bins_16"])
    if not moving:
        return
    truth, how = normal.starting_at_rest(batch.slices), Sampling(arguments.steps, arguments.guidance)
    drawn = {name: rivals.of_model(model, how)(batch.picture, arguments.draws) for name, model in moving.items()}
    found = {
        name: scores(drawn[name], truth) | {"noise left in its own latents": noise_left(model, batch)}
        for name, model in moving.items()
    }
    show(f"Ablations in miniature, against all {truth.shape[1]} bins ({len(truth)} pictures)", found)
    kept = Table("What so many bins of the truth itself leave out of it")
    for bins in sorted({model.sizes.bins for model in moving.values()}):
        cut = measures.with_bins(normal.starting_at_rest(truth[:, :bins]), truth.shape[1])
        kept.add(
            f"{bins} bins, trajectory error", measures.trajectory_error(cut[None], truth).share, "of zero motion's"
        )
    kept.show()
    _show_orders(found)
    if arguments.sheets:
        _draw_variants(models, batch, {"truth": truth[None]} | drawn, arguments.sheets / "ablations.png")


def _draw_variants(models: dict[str, Dynamics], batch: Batch, drawn: dict[str, Tensor], path: Path) -> None:
    """All variants beside the truth, of the picture in which most moves, rendered by one network for all; where none is
    trained, it is that of a variant which carries the picture along and adds nothing."""
    truth = drawn["truth"][0]
    number = int(measures.energy(truth).sum(dim=(1, 2, 3)).argmax())
    slices = {
        name: measures.with_bins(normal.starting_at_rest(own[0, number]), truth.shape[1]) for name, own in drawn.items()
    }
    model = models.get("pyramid", next(iter(models.values())))
    sheets.save(path, sheets.sheet(model, batch.picture[number], slices))
    print(f"  {path}")


def _show_orders(found: dict[str, Scores]) -> None:
    """The paper's orders: errors of the worse one as a share of the better one's, which ought to be above 1."""
    table = Table("Orders of the paper's table 2: error of the worse over that of the better (FVD, DTFVD: as reported)")
    for better, worse in ablations.ORDERS:
        if better not in found or worse not in found:
            continue
        reported = [two / one for one, two in zip(ablations.PAPER[better], ablations.PAPER[worse], strict=True)]
        order = f"{worse} over {better} ({reported[0]:.2f}, {reported[1]:.2f})"
        for measure in found[better]:
            if measure.startswith(("trajectory error, best of draws, share", "amplitude", "Frechet")):
                table.add(f"{order}: {measure}", found[worse][measure] / found[better][measure], "", least=1.0)
    if table.rows:
        table.show()


def _show_splatting(models: dict[str, Dynamics], batch: Batch) -> None:
    found = {
        name: rendering.decibels(model, batch)
        for name, model in models.items()
        if "renderer" in ablations.VARIANTS[name].budgets
    }
    if not found:
        return
    table = Table("Frames in miniature, given the true motion: splatting at all scales, and at one")
    for name, ways in found.items():
        table.add(name, ways.pop("renderer"), "dB")
    for way, decibels in next(iter(found.values())).items():
        table.add(way, decibels, "dB")
    if {"pyramid", "single_scale"} <= set(models):
        own = {row["what"]: row["value"] for row in table.rows}
        gain = own["pyramid"] - own["single_scale"]
        table.add("pyramid over single_scale (paper: FVD 49.5 to 47.1, DTFVD 2.83 to 2.53)", gain, "dB", least=0.0)
    table.show()


# --- what is asked ---


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="build.py bench dynamics", description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=ROOT / "backend" / "weights" / "dynamics", metavar="FOLDER")
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help="pictures (default: those of the model's size)")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "dynamics", metavar="FOLDER", help="what is trained")
    parser.add_argument("--ablations", action="store_true", help="train and measure the variants in miniature")
    parser.add_argument("--time", action="store_true", help="how long a motion takes, and nothing else")
    parser.add_argument("--only", nargs="+", choices=list(ablations.VARIANTS), metavar="VARIANT",
                        help=f"of the ablations: {', '.join(ablations.VARIANTS)}")  # fmt: skip
    parser.add_argument("--effort", type=float, default=1.0, metavar="X", help="times the miniature's steps")
    parser.add_argument("--sheets", type=Path, metavar="FOLDER", help="draw held-out pictures and X-t slices there")
    parser.add_argument("--pictures", type=int, default=64, metavar="N", help="held out, of each split, at most")
    parser.add_argument("--draws", type=int, default=2, metavar="N", help="of each picture")
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="of DDIM")
    parser.add_argument("--guidance", type=float, metavar="W", help="by the picture (default: each model's own)")
    parser.add_argument("--seconds", type=float, metavar="N",
                        help="of CPU for the direct predictor (default: as long as the model learned)")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the tables to it")
    return parser


def main(options: list[str] | None = None) -> int:
    arguments = _parser().parse_args(options)
    try:
        (of_time if arguments.time else of_ablations if arguments.ablations else of_model)(arguments)
    except (FileNotFoundError, OtherRuns, shards.OtherRecipe) as error:
        print(f"bench dynamics: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
