"""A runner whose job takes as long as it is told: the prompt is "VERTICES SECONDS", seconds of each frame."""

import time

import numpy as np

from backend import protocol, wire
from backend.clip import Frame
from backend.pipelines import capabilities, failure
from tests.bench.sheets import sheet, wave

__all__ = ["capabilities", "carry_out", "expected", "failure"]


def carry_out(request, subject: bytes | None, report):
    if isinstance(request, protocol.Animate):
        mesh, _ = wire.unpack_mesh(subject)
        seconds = 0.02
    else:
        vertices, seconds = request.prompt.split()
        mesh, seconds = sheet(int(vertices)), float(seconds)
    yield wire.pack_mesh(mesh, frames=request.frames, name="paced")
    for k in range(request.frames):
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            report(k / request.frames, f"Frame {k + 1}")
            time.sleep(0.005)
        yield wire.pack_frame(Frame(k / request.frames, wave(mesh.vertices, k / request.frames)), k)
    yield protocol.pack(protocol.Certificate(), {})


def expected(vertices: int, frames: int) -> list[np.ndarray]:
    """Positions of every frame."""
    rest = sheet(vertices).vertices
    return [wave(rest, k / frames) for k in range(frames)]
