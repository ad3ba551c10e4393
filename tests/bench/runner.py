"""Jobs for benchmarks: results of a known size, made at once, so that only the way to the client is measured."""

from dataclasses import replace

import numpy as np

from backend import protocol, wire
from backend.clip import Frame
from backend.pipelines import capabilities, failure
from tests.bench.sheets import sheet, wave

__all__ = ["capabilities", "carry_out", "failure"]


def carry_out(request: protocol.Generate, subject: bytes | None, report):
    """`request.prompt` is the number of vertices, and "colour" behind it asks for albedo over life."""
    count, *coloured = request.prompt.split()
    mesh = sheet(int(count))
    rng = np.random.default_rng(0)
    shades = rng.random((8, len(mesh.vertices), 3), np.float32) if coloured else None
    if coloured:
        mesh = replace(mesh, albedo=shades[0])
    yield wire.pack_mesh(mesh, frames=request.frames, fps=request.fps, name="wave")
    for k in range(request.frames):
        tau = k / max(1, request.frames - 1)
        report(tau, f"Frame {k + 1}")
        albedo = shades[k % len(shades)] if coloured else None
        yield wire.pack_frame(Frame(tau, wave(mesh.vertices, tau), albedo), k)
    yield protocol.pack(protocol.Certificate(), {})
