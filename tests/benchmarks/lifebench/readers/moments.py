"""A mesh at one moment, as every reader hands it on, and many of them as one Sequence."""

from collections.abc import Sequence as Listed
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.lifebench.nouns import Ints, Reals, Sequence

_LOOK = ("albedo", "roughness", "opacity")


class Unreadable(ValueError):
    """A file that holds no sequence of meshes; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Moment:
    """Vertices (V, 3) metres, Z up; triangles (F, 3); what the file tells of albedo (V, 3), roughness, opacity (V,)."""

    vertices: Reals
    faces: Ints
    albedo: Reals | None = None
    roughness: Reals | None = None
    opacity: Reals | None = None


def joined(pieces: list[Moment]) -> Moment:
    """All that is there at one moment as one mesh, piece after piece; of the look, what every piece tells."""
    if len(pieces) == 1:
        return pieces[0]
    starts = np.cumsum([0, *(len(piece.vertices) for piece in pieces[:-1])])
    looks = {name: [getattr(piece, name) for piece in pieces] for name in _LOOK}
    return Moment(
        np.concatenate([piece.vertices for piece in pieces]),
        np.concatenate([piece.faces + start for piece, start in zip(pieces, starts, strict=True)]),
        *(None if any(each is None for each in look) else np.concatenate(look) for look in looks.values()),
    )


def sequence(moments: Listed[Moment], times: Reals, size: int, name: str) -> Sequence:
    """A Sequence whose time begins at 0; tracked where every moment has the first one's triangles.

    `size` in bytes. Raises Unreadable where a moment has no faces, or numbers that are not finite.
    """
    first = moments[0]
    tracked = all(
        len(each.vertices) == len(first.vertices) and np.array_equal(each.faces, first.faces) for each in moments
    )
    topology = first.faces.astype(np.int64)
    faces = [topology if tracked else each.faces.astype(np.int64) for each in moments]
    looks = {}
    for name_of in _LOOK:
        told = [getattr(each, name_of) for each in moments]
        if not any(each is None for each in told):
            looks[name_of] = np.stack(told) if tracked else told
    try:
        return Sequence(
            [(each.vertices.astype(np.float64), face) for each, face in zip(moments, faces, strict=True)],
            tracked,
            np.asarray(times, np.float64) - times[0],
            **looks,
            bytes=size,
            name=name,
        )
    except ValueError as error:
        raise Unreadable(f"{name} holds no sequence that can be scored: {error}") from error


def moments_between(own: Reals, fps: float | None) -> Reals:
    """(T,) seconds at which a file is looked at: its own key times, rising, or `fps` a second from first to last."""
    own = np.asarray(own, np.float64)
    if fps is None:
        near = np.concatenate([[True], np.diff(own) > 1e-6])  # what two curves round differently is one time
        return own[near]
    return own[0] + np.arange(int(np.floor((own[-1] - own[0]) * fps + 1e-6)) + 1) / fps


def z_up(vectors: Reals) -> Reals:
    """(..., 3) with Y up to the same with Z up: x stays, and what looked along +z looks along -y."""
    return np.stack([vectors[..., 0], -vectors[..., 2], vectors[..., 1]], axis=-1)
