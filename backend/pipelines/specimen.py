"""Text to a living object by a procedural specimen: nothing is trained, every frame is exact.

words -> record of parameters -> individuals -> a path through their life time -> frames
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from backend import protocol
from backend.clip import Floats, Frame, Mesh
from backend.prompt import NotUnderstood, Path, Understanding, path_of, record_of
from backend.prompt.path import SPEEDS
from backend.report import Report
from backend.specimens import grow as grown
from backend.specimens.bouquet import Place, gather, reach_of, spiral, together
from backend.specimens.core import Specimen
from backend.specimens.wind import Breeze

SWINGS = 0.9  # a second, in the usual breeze
SPREAD = 0.2  # of the clip: how far the oldest of a bouquet is ahead of the youngest


class Asked(NamedTuple):
    """What a request comes to."""

    record: protocol.Species
    count: int
    path: Path
    breeze: Breeze | None


class Growing(NamedTuple):
    """A mesh, its frames to come, whether the last of them leads back to the first, and how wide one of them gets."""

    mesh: Mesh
    frames: Iterator[Frame]
    loop: bool
    reach: float  # metres


def grow(request: protocol.Generate, understood: Understanding, report: Report) -> Growing:
    """The specimens that a prompt names, and their frames along the stages that the prompt asks for. Raises
    NotUnderstood."""
    asked = ask(request, understood)
    specimens = list(_individuals(request, asked, report))
    reach = max(reach_of(specimen) for specimen in specimens)
    places = spiral(asked.count, reach, np.random.default_rng(request.seed))
    ages = protocol.ages_of(request, asked.count)
    shares = shares_of(request, understood, asked.path)

    def moment(share: float) -> Frame:
        frames = [
            _standing(asked, specimen, place, share, age)
            for specimen, place, age in zip(specimens, places, ages, strict=True)
        ]
        return together(frames, asked.path.at(share)) if asked.count > 1 else frames[0]

    first = moment(float(shares[0]))

    def frames() -> Iterator[Frame]:
        yield first
        for index, share in enumerate(shares[1:], 1):
            report(index / len(shares), f"Frame {index + 1} of {len(shares)}")
            yield moment(float(share))

    mesh = gather([specimen.mesh for specimen in specimens]) if asked.count > 1 else specimens[0].mesh
    return Growing(_dressed(mesh, first), frames(), loops(understood), reach)


def ask(request: protocol.Generate, understood: Understanding) -> Asked:
    """What to make; where the request brings a record, that counts, and not what the words say of it. Raises
    NotUnderstood."""
    record = request.specimen
    if record is None:
        record = record_of(understood)
    elif protocol.name_of_species(record) != understood.specimen:
        raise NotUnderstood.other_kind(understood.specimen, protocol.name_of_species(record))
    else:
        _check_needs(record, understood)
    count = understood.count if request.count is None else request.count
    path = path_of(understood, getattr(record, "fallen", None))
    return Asked(record, count, path, breeze_of(understood, request))


def _check_needs(record: protocol.Species, understood: Understanding) -> None:
    """What the words ask for must be what the parameters allow: an apple that dries is not damp."""
    wanted = record_of(understood)
    for stage in understood.stages:
        needs = type(record).needs.get(stage.process, {})
        if any(getattr(record, name) != getattr(wanted, name) for name in needs):
            raise NotUnderstood.unfit(understood.specimen, stage.process, {n: getattr(wanted, n) for n in needs})


def loops(understood: Understanding) -> bool:
    """Whether nothing happens but the wind: its last frame leads back to the first."""
    return {stage.process for stage in understood.stages} == {"sway"}


def shares_of(request: protocol.Generate, understood: Understanding, path: Path) -> Floats:
    """(T,) the share of the clip that each frame shows; one frame alone shows what the first stage comes to, or a whole
    life at its best."""
    if request.frames == 1:
        prime = protocol.SPECIES[understood.specimen].life.prime
        return np.array(path.shares[1:2] if understood.stages else [prime])
    shares = np.arange(request.frames) / (request.frames if loops(understood) else request.frames - 1)
    return shares[::-1] if request.reverse or understood.reverse else shares


def breeze_of(understood: Understanding, request: protocol.Generate) -> Breeze | None:
    """The wind that the words ask for: whole swings in a clip."""
    stage = next((stage for stage in understood.stages if stage.process == "sway"), None)
    if stage is None:
        return None
    cycles = max(1, round(SWINGS * request.frames / request.fps * SPEEDS[stage.pace]))
    return Breeze((stage.amount or 0.5) * 2, cycles)


def aged(share: float, age: float) -> float:
    """The share of the clip at which one of `age` in [-1, 1] is as all others are at `share`: they all begin and end
    together, and the older is ahead in between."""
    return float(np.clip(share + SPREAD / 2 * age * 4 * share * (1 - share), 0.0, 1.0))


def _individuals(request: protocol.Generate, asked: Asked, report: Report) -> Iterator[Specimen]:
    """One after another. Raises NotUnderstood where all of them would be too many vertices."""
    for number in range(asked.count):
        report(0.0, f"Growing {number + 1} of {asked.count}" if asked.count > 1 else "Growing it")
        specimen = grown(asked.record, protocol.child_seed(request.seed, number))
        if number == 0 and (vertices := asked.count * len(specimen.mesh.vertices)) > protocol.MAX_VERTICES:
            raise NotUnderstood.too_large(protocol.name_of_species(asked.record), asked.count, vertices)
        yield specimen


def _standing(asked: Asked, specimen: Specimen, place: Place, share: float, age: float) -> Frame:
    """One individual at its place, in the wind."""
    frame = specimen.at(asked.path.at(aged(share, age)))
    points = place.turned(frame.positions.astype(np.float64))
    if asked.breeze is not None:
        points = asked.breeze.bend(points, asked.record.height, share)
    return replace(frame, positions=place.moved(points).astype(np.float32))


def _dressed(subject: Mesh, frame: Frame) -> Mesh:
    """The subject as it is in its first frame."""
    own = "albedo", "roughness", "metallic"
    material = {name: value for name in own if (value := getattr(frame, name)) is not None}
    return replace(subject, vertices=frame.positions, **material)
