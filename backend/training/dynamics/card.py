"""The model's folder and its card: how it was made and how good it is, told from the log."""

import os
import shutil
from pathlib import Path

from backend.priors.dynamics import NETWORKS, Dynamics
from backend.training.dynamics.log import Log
from backend.training.dynamics.samples import write_whole

FILE = "README.md"
MEANINGS = {
    "energy_left": "share of the motion's energy that is lost between encoder and decoder, normalised; 1 is all",
    "noise_left": "squared error of the predicted noise; 1 is that of a network that knows nothing",
    "guidance": "by the picture, with which things swing most nearly as far as in truth",
    "magnitude": "size of the drawn motion, the lean left out, as a share of the true one's",
    "place": "cosine between the maps of how far things swing, drawn and true",
    "restoration": "mean error of spoilt pictures that are given back, of unit contrast",
    "psnr": "decibels of rendered frames, given the true motion",
    "psnr_still": "decibels of the picture in place of the frame",
}


def write(model: Dynamics, log: Log, folder: Path) -> None:
    """The model, the card and the log as they are now, in place of those that were there."""
    partial, old = folder.with_name(f"{folder.name}.partial"), folder.with_name(f"{folder.name}.old")
    for one in (partial, old):
        shutil.rmtree(one, ignore_errors=True)
    model.save(partial)
    write_whole(partial / FILE, text(model, log).encode())
    shutil.copyfile(log.path, partial / log.path.name)
    if folder.exists():
        os.replace(folder, old)
    os.replace(partial, folder)
    shutil.rmtree(old, ignore_errors=True)


def text(model: Dynamics, log: Log) -> str:
    """The card."""
    sizes = model.sizes
    starts = [line for line in log if "command" in line]
    scored = [line for line in log if "scores" in line]
    last = {line["phase"]: line for line in scored}
    weights = {name: sum(one.numel() for one in getattr(model, name).parameters()) for name in NETWORKS}
    lines = [
        "# Image dynamics",
        "",
        "From one picture how all in it sways, as a spectral volume, and video of it. Networks of the design of Li, "
        'Tucker, Snavely, Holynski, "Generative Image Dynamics" (CVPR 2024, arXiv:2309.07906), trained by Anthesis.',
        "",
        f"Pictures of {sizes.height} x {sizes.width} pixels (height x width), {sizes.bins} bins.",
        "",
        "## How it was made",
        "",
        *(f"    {line['command']}" for line in starts),
        "",
    ]
    if starts:
        lines += [
            f"It learned from {starts[-1]['train']} samples of {starts[-1]['data']}; {starts[-1]['held_out']} others "
            f"were held out. Device: {starts[-1]['device']}, in {starts[-1]['numbers']}; seed: {starts[-1]['seed']}. "
            "All losses are in log.jsonl.",
            "",
        ]
    lines += ["| Phase | Steps gone |", "| --- | ---: |"]
    lines += [f"| {phase} | {line['step']} |" for phase, line in last.items()]
    lines += ["", "## How good it is", "", "On held-out samples, at the end of each phase:", ""]
    lines += ["| Phase | Score | Value | What it is |", "| --- | --- | ---: | --- |"]
    for phase, line in last.items():
        lines += [f"| {phase} | {name} | {value:.4g} | {MEANINGS[name]} |" for name, value in line["scores"].items()]
    lines += ["", "## Weights", "", "| Network | Parameters |", "| --- | ---: |"]
    lines += [f"| {name} | {count:,} |" for name, count in weights.items()]
    return "\n".join(lines) + "\n"
