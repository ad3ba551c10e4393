"""What was measured about a finished clip, frame by frame as it comes, so that no clip is kept for it."""

import numpy as np

from backend import protocol
from backend.clip import Frame, Mesh
from backend.geometry.volume import signed_volume


class Measure:
    """Collects measurements of a clip's frames; `certificate()` gives them as the clip's last record."""

    def __init__(self, subject: Mesh):
        self._faces = subject.faces
        self._size = float(np.ptp(subject.vertices, axis=0).max())
        self._rest = subject.vertices.astype(np.float64)
        self._volume = signed_volume(self._rest, self._faces) if is_closed(self._faces) else None
        self._normals = _normals(self._rest, self._faces)
        self._worst_volume = self._longest = self._step = 0.0
        self._flipped = self._count = 0
        self._last: np.ndarray | None = None

    def add(self, frame: Frame) -> None:
        positions = frame.positions.astype(np.float64)
        if self._volume:
            change = abs(signed_volume(positions, self._faces) / self._volume - 1)
            self._worst_volume = max(self._worst_volume, change)
        if self._last is not None:
            normals = _normals(positions, self._faces)
            # Of a frame against the one before it: a face that turns over within one frame has been pushed through.
            turned = (normals * self._normals).sum(axis=1) < -0.5 * _lengths(normals) * _lengths(self._normals)
            self._flipped = max(self._flipped, int(turned.sum()))
            self._normals = normals
            self._step = max(self._step, float(_lengths(positions - self._last).max()))
        self._longest = max(self._longest, float(_lengths(positions - self._rest).max()))
        self._last = positions
        self._count += 1

    def certificate(self) -> protocol.Certificate:
        size = self._size or 1.0
        measured = [
            ("frames", float(self._count), ""),
            (protocol.Certificate.DISPLACEMENT, self._longest / size, "of the size"),
            ("largest step between frames", self._step / size, "of the size"),
            ("faces turned over within one frame", float(self._flipped), f"of {len(self._faces)}"),
        ]
        if self._volume:
            measured.append(("largest change of volume", self._worst_volume, "of the volume"))
        return protocol.Certificate(measured=tuple(measured))


def is_closed(faces: np.ndarray) -> bool:
    """Whether every edge of the triangles (F, 3) has one neighbour on each side: then a volume is well defined."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    base = int(edges.max(initial=0)) + 1
    forth, back = edges @ [base, 1], edges @ [1, base]
    return len(np.unique(forth)) == len(forth) and np.array_equal(np.sort(forth), np.sort(back))


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def _lengths(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=1)
