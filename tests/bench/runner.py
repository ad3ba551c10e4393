"""Jobs for benchmarks: results of a known size, made at once, so that only the way to the client is measured."""

import numpy as np

from backend import protocol, wire
from backend.clip import Frame, Mesh
from backend.pipelines import capabilities, failure

__all__ = ["capabilities", "carry_out", "failure", "sheet", "wave"]



def sheet(vertices: int) -> Mesh:
    """A flat grid of quads with about so many vertices; 200 to a row where there are as many."""
    columns = min(200, max(2, int(vertices**0.5)))
    rows = max(2, vertices // columns)
    y, x = np.mgrid[:rows, :columns]
    points = np.stack([x / columns, y / columns, np.zeros_like(x)], axis=-1).reshape(-1, 3)
    index = np.arange(rows * columns).reshape(rows, columns)
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1).reshape(-1, 4)
    return Mesh.from_quads(points, quads)


def wave(rest: np.ndarray, tau: float) -> np.ndarray:
    """(V, 3): a travelling wave, different in every frame."""
    moved = rest.copy()
    moved[:, 2] += 0.05 * np.sin(20 * rest[:, 0] + 7 * rest[:, 1] + 6 * tau).astype(np.float32)
    return moved


def carry_out(request: protocol.Generate, subject: bytes | None, report):
    """`request.prompt` is the number of vertices."""
    mesh = sheet(int(request.prompt))
    yield wire.pack_mesh(mesh, frames=request.frames, fps=request.fps, name="wave")
    for k in range(request.frames):
        tau = k / max(1, request.frames - 1)
        report(tau, f"Frame {k + 1}")
        yield wire.pack_frame(Frame(tau, wave(mesh.vertices, tau)), k)
    yield protocol.pack(protocol.Certificate(), {})
