"""Text to a living object by a procedural specimen: nothing is trained, every frame is exact.

words -> record of parameters -> individuals -> a path through their life time -> frames
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from backend import protocol
from backend.clip import Floats, Frame, Mesh
from backend.prompt import NotUnderstood, Understanding, processes_of, record_of
from backend.report import Report
from backend.specimens import grow as grown
from backend.specimens import module_of
from backend.specimens.bouquet import gather, spiral, together, width_of
from backend.specimens.core import Life
from backend.specimens.wind import Breeze

SPEEDS = {"slow": 0.5, None: 1.0, "fast": 2.0}
SWINGS = 0.9  # a second, in the usual breeze
SPREAD = 0.2  # of the clip: how far the oldest of a bouquet is ahead of the youngest


class Asked(NamedTuple):
    """What a request comes to."""

    record: protocol.Species
    count: int
    life: Life
    path: "Path"


class Path(NamedTuple):
    """Turning points of life time, and the share of the clip at which each is reached, from 0 on."""

    taus: Floats
    shares: Floats

    def at(self, share: Floats) -> Floats:
        """Life time at shares of the clip."""
        return np.interp(share, self.shares, self.taus)


class Growing(NamedTuple):
    """A mesh, its frames to come, and whether the last of them leads back to the first."""

    mesh: Mesh
    frames: Iterator[Frame]
    loop: bool


def grow(request: protocol.Generate, understood: Understanding, report: Report) -> Growing:
    """The specimens that a prompt names, and their frames along the stages that the prompt asks for."""
    asked = ask(request, understood)
    report(0.0, f"Growing {understood.words()[0]}")
    specimens = [grown(asked.record, request.seed + k) for k in range(asked.count)]
    rng = np.random.default_rng([request.seed, asked.count])
    width = width_of(specimens, asked.life.prime) if asked.count > 1 else 0.0
    places = spiral(asked.count, width, rng)
    ages = rng.permutation(np.linspace(-1, 1, asked.count)) if asked.count > 1 else np.array([request.age])
    breeze = breeze_of(understood, request, rng)
    loop = loops(understood)
    whole = request.frames if loop else request.frames - 1
    shares = np.arange(request.frames) / whole if request.frames > 1 else asked.path.shares[1:2]
    if request.reverse or understood.reverse:
        shares = shares[::-1]

    def moment(share: float) -> Frame:
        frames = []
        for specimen, age in zip(specimens, ages, strict=True):
            tau = float(asked.path.at(aged(share, age)))
            frame = specimen.at(tau)
            if breeze is not None:
                bent = breeze.bend(frame.positions.astype(np.float64), asked.record.height, share)
                frame = replace(frame, positions=bent.astype(np.float32))
            frames.append(frame)
        return together(frames, places, float(asked.path.at(share))) if asked.count > 1 else frames[0]

    def frames() -> Iterator[Frame]:
        for index, share in enumerate(shares):
            report(index / len(shares), f"Frame {index + 1} of {len(shares)}")
            yield moment(float(share))

    mesh = gather([one.mesh for one in specimens]) if asked.count > 1 else specimens[0].mesh
    return Growing(_dressed(mesh, moment(float(shares[0]))), frames(), loop)


def ask(request: protocol.Generate, understood: Understanding) -> Asked:
    """What to make; where the request brings a record, that counts, and not what the words say of it. Raises
    NotUnderstood."""
    record = request.specimen
    if record is None:
        record = record_of(understood)
    elif protocol.name_of_species(record) != understood.specimen:
        raise NotUnderstood.several([understood.specimen, protocol.name_of_species(record)])
    life = module_of(type(record)).LIFE
    count = understood.count if request.count is None else request.count
    return Asked(record, count, life, path(understood, life))


def loops(understood: Understanding) -> bool:
    """Whether nothing happens but the wind: its last frame leads back to the first."""
    return {stage.process for stage in understood.stages} == {"sway"}


def breeze_of(understood: Understanding, request: protocol.Generate, rng: np.random.Generator) -> Breeze | None:
    """The wind that the words ask for."""
    stage = next((stage for stage in understood.stages if stage.process == "sway"), None)
    if stage is None:
        return None
    seconds = request.frames / request.fps
    cycles = max(1, round(SWINGS * seconds * SPEEDS[stage.pace]))
    return Breeze((stage.amount or 0.5) * 2, cycles, *rng.uniform(0, 2 * np.pi, 2))


def aged(share: float, age: float) -> float:
    """The share of the clip at which one of `age` in [-1, 1] is as all others are at `share`: they all begin and end
    together, and the older is ahead in between."""
    return float(np.clip(share + SPREAD / 2 * age * 4 * share * (1 - share), 0.0, 1.0))


def path(understood: Understanding, life: Life) -> Path:
    """The way through life time. A stage goes on from where the one before it has led, where that lies in its stretch;
    else there is a way to its start: what wilts and then blooms lives its life backwards in between.

    Paces are of one stage beside another; where all are fast, the end stands still for what is left of the clip. One
    frame alone shows what the first stage comes to. Raises NotUnderstood where a stage cannot go on from half of the
    one before it.
    """
    chosen = processes_of(understood)
    stages = [stage for stage in understood.stages if stage.process in life.stretches and stage.process in chosen]
    if not stages:
        still = any(stage.process == "sway" for stage in understood.stages)
        taus = [life.prime, life.prime] if still else [0.0, 1.0]
        return Path(np.array(taus), np.array([0.0, 1.0]))
    points: list[float] = []
    times: list[float] = [0.0]
    usual, half = 0.0, ""
    for stage in stages:
        start, end = life.stretches[stage.process]
        here = points[-1] if points else start
        if points and not min(start, end) <= here <= max(start, end):
            if half:
                raise NotUnderstood.halfway(understood.specimen, half, stage.process)
            times.append(times[-1] + abs(start - here) / SPEEDS[stage.pace])
            usual += abs(start - here)
            points.append(start)
            here = start
        amount = 1.0 if stage.process == "drop" or stage.amount is None else stage.amount
        half = stage.process if amount < 1.0 else ""
        end = start + amount * (end - start)
        if not points:
            points.append(here)
        points.append(end)
        times.append(times[-1] + abs(end - here) / SPEEDS[stage.pace])
        usual += abs(end - here)
    total = max(times[-1], usual if all(stage.pace == "fast" for stage in stages) else 0.0)
    if times[-1] < total:
        points, times = [*points, points[-1]], [*times, total]
    return Path(np.array(points), np.array(times) / total)


def _dressed(subject: Mesh, frame: Frame) -> Mesh:
    """The subject as it is in its first frame."""
    own = "albedo", "roughness", "metallic"
    material = {name: value for name in own if (value := getattr(frame, name)) is not None}
    return replace(subject, vertices=frame.positions, **material)
