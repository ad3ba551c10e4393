"""The model's folder and its card: how it was made and how good it is, told from the log."""

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from backend.training.disk import write_whole
from backend.training.log import Log

FILE = "README.md"


@dataclass(frozen=True)
class About:
    """What a card says besides the log."""

    title: str
    paragraphs: tuple[str, ...]
    meanings: dict[str, str]  # of scores
    networks: dict[str, Iterable[nn.Parameter]]


def write(save: Callable[[Path], None], told: str, log: Log, folder: Path) -> None:
    """The model, the card and the log as they are now, in place of those that were there."""
    partial, old = folder.with_name(f"{folder.name}.partial"), folder.with_name(f"{folder.name}.old")
    for one in (partial, old):
        shutil.rmtree(one, ignore_errors=True)
    save(partial)
    write_whole(partial / FILE, told.encode())
    shutil.copyfile(log.path, partial / log.path.name)
    if folder.exists():
        os.replace(folder, old)
    os.replace(partial, folder)
    shutil.rmtree(old, ignore_errors=True)


def text(about: About, log: Log) -> str:
    """The card."""
    starts = [line for line in log if "command" in line]
    scored = [line for line in log if "scores" in line]
    last = {line["phase"]: line for line in scored}
    weights = {name: sum(one.numel() for one in network) for name, network in about.networks.items()}
    lines = [
        f"# {about.title}",
        "",
        *(line for paragraph in about.paragraphs for line in (paragraph, "")),
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
        lines += [
            f"| {phase} | {name} | {value:.4g} | {about.meanings[name]} |" for name, value in line["scores"].items()
        ]
    lines += ["", "## Weights", "", "| Network | Parameters |", "| --- | ---: |"]
    lines += [f"| {name} | {count:,} |" for name, count in weights.items()]
    return "\n".join(lines) + "\n"
