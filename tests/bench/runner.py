"""Jobs for benchmarks: results of a known size, made at once, so that only the way to the client is measured."""

from backend import protocol, wire
from backend.clip import Frame
from backend.pipelines import capabilities, failure
from tests.bench.sheets import sheet, wave

__all__ = ["capabilities", "carry_out", "failure"]



def carry_out(request: protocol.Generate, subject: bytes | None, report):
    """`request.prompt` is the number of vertices."""
    mesh = sheet(int(request.prompt))
    yield wire.pack_mesh(mesh, frames=request.frames, fps=request.fps, name="wave")
    for k in range(request.frames):
        tau = k / max(1, request.frames - 1)
        report(tau, f"Frame {k + 1}")
        yield wire.pack_frame(Frame(tau, wave(mesh.vertices, tau)), k)
    yield protocol.pack(protocol.Certificate(), {})
