"""Text to a living object by a procedural specimen: nothing is trained, every frame is exact."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from backend import protocol
from backend.clip import MATERIALS, Floats, Frame, Mesh
from backend.prompt import COLOURS, Understanding
from backend.report import Report
from backend.species import Rose
from backend.specimens import rose


def grow(request: protocol.Generate, understood: Understanding, report: Report) -> tuple[Mesh, Iterator[Frame]]:
    """The specimen that a prompt names, and its frames along the stages that the prompt asks for."""
    report(0.0, f"Growing the {understood.specimen}")
    colour = {"colour": COLOURS[understood.colour]} if understood.colour else {}
    specimen = rose.grow(Rose(**colour), request.seed)
    taus = pace(life(understood.stages), request.frames)
    if request.reverse:
        taus = taus[::-1]

    def frames() -> Iterator[Frame]:
        for index, tau in enumerate(taus):
            report(index / len(taus), f"Frame {index + 1} of {len(taus)}")
            yield specimen.at(float(tau))

    first = specimen.at(float(taus[0]))
    return _dressed(specimen.mesh, first), frames()


def _dressed(subject: Mesh, frame: Frame) -> Mesh:
    """The subject as it is in its first frame."""
    material = {name: value for name in MATERIALS if (value := getattr(frame, name)) is not None}
    return replace(subject, vertices=frame.positions, **material)


def life(stages: tuple[str, ...]) -> list[float]:
    """Turning points of life time for stages in their order: a rose that wilts and then blooms dies first, and lives
    its life backwards from there."""
    spans = {
        "bloom": (rose.BUD, rose.OPEN),
        "close": (rose.OPEN, rose.BUD),
        "wilt": (rose.WILTING, rose.DEAD),
    }
    points: list[float] = []
    for stage in stages or ("bloom", "wilt"):
        points += [point for point in spans[stage] if not points or point != points[-1]]
    return points


def pace(points: list[float], frames: int) -> Floats:
    """(T,) life times through the turning points at an even pace; one frame shows the end of the first stage."""
    if frames == 1:
        return np.array(points[1:2], np.float32)
    travelled = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(points)))])
    return np.interp(np.linspace(0, travelled[-1], frames), travelled, points).astype(np.float32)
