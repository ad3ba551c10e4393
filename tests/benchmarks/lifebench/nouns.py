"""What is scored, and what it is scored against. Metres, Z up; colours linear in [0, 1].

A *sequence* is what a system answers with: a mesh a frame, whether or not its vertices can be followed. A *truth* is
the life of a specimen, of which every vertex is known at every time. T frames, V vertices, F triangles.
"""

from collections.abc import Callable
from collections.abc import Sequence as Listed
from dataclasses import dataclass
from functools import cached_property, wraps
from hashlib import blake2b
from typing import Self
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from backend.clip import Clip, Frame
from backend.species import Species
from backend.specimens import grow
from backend.specimens.core import Matter

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
GONE = 0.5  # of opacity: a face that has less on average is not there


def once(found: Callable) -> Callable:
    """A function of a sequence, or of another thing that does not change, and of plain numbers: worked out once of
    each while that thing is there. What many answers ask of one truth is so asked once of it; at full counts some
    0.3 GB are kept of each truth for it."""
    known = WeakKeyDictionary()

    @wraps(found)
    def told(of, *numbers):
        mine = known.setdefault(of, {})
        if numbers not in mine:
            mine[numbers] = found(of, *numbers)
        return mine[numbers]

    return told


@dataclass(frozen=True, eq=False)
class Sequence:
    """T meshes in the order of time. What a file does not tell is None."""

    frames: Listed[tuple[Reals, Ints]]  # vertices (V_t, 3) metres and triangles (F_t, 3) of each frame
    tracked: bool  # one topology: vertex k is the same point in all frames
    times: Reals  # (T,) seconds, rising
    albedo: Listed[Reals] | None = None  # of each frame (V_t, 3) linear; (T, V, 3) where tracked
    roughness: Listed[Reals] | None = None  # of each frame (V_t,)
    opacity: Listed[Reals] | None = None  # of each frame (V_t,); a face with less than GONE is not there
    bytes: int = 0  # of the file or files it was read from; 0: not from a file
    name: str = ""

    def __post_init__(self):
        if not self.frames or len(self.frames) != len(self.times):
            raise ValueError(f"{len(self.frames)} frames, {len(self.times)} times")
        if not (np.diff(self.times) > 0).all():
            raise ValueError("times must rise")
        for number, (vertices, faces) in enumerate(self.frames):
            if not np.isfinite(vertices).all():
                raise ValueError(f"frame {number} has vertices that are not finite")
            if len(faces) == 0 or faces.min() < 0 or faces.max() >= len(vertices):
                raise ValueError(f"frame {number} has no faces, or faces of vertices that are not there")
        first, topology = self.frames[0]
        if self.tracked and not all(
            len(v) == len(first) and (f is topology or np.array_equal(f, topology)) for v, f in self.frames
        ):
            raise ValueError("a tracked sequence has one topology")

    @classmethod
    def from_clip(cls, clip: Clip, name: str = "", size: int = 0) -> Self:
        """A clip as a system's answer; `size` in bytes of the file it came from."""
        faces = clip.subject.faces.astype(np.int64)
        return cls(
            [(positions, faces) for positions in clip.positions.astype(np.float64)],
            True,
            np.arange(len(clip.positions)) / clip.fps,
            *(None if of is None else of.astype(np.float64) for of in (clip.albedo, clip.roughness, clip.opacity)),
            bytes=size,
            name=name,
        )

    @cached_property
    def positions(self) -> Reals:
        """(T, V, 3) metres, of a tracked sequence."""
        if not self.tracked:
            raise ValueError("the vertices of this sequence cannot be followed")
        return np.stack([vertices for vertices, _ in self.frames])

    def present(self, frame: int) -> Bools:
        """(F,) the triangles of a frame that are not gone."""
        faces = self.frames[frame][1]
        return np.ones(len(faces), bool) if self.opacity is None else self.opacity[frame][faces].mean(axis=1) >= GONE

    @once
    def areas(self, frame: int) -> Reals:
        """(F,) square metres of all triangles of a frame."""
        return areas(*self.frames[frame])

    def there(self, frame: int) -> Ints:
        """(F', 3) the triangles of a frame that are not gone."""
        return self.frames[frame][1][self.present(frame)]


@dataclass(frozen=True, eq=False)
class Truth:
    """A specimen's life as a clip, and what it is the life of."""

    clip: Clip
    record: Species
    seed: int
    matter: Matter | None  # the law of its volume, where it has one
    at: Callable[[float], Frame] | None = None  # its Frame at any tau; None where only the clip is known
    given: int | None = None  # the frame whose mesh a system was given, if it was given one

    @classmethod
    def grown(
        cls,
        record: Species,
        seed: int,
        frames: int = 32,
        fps: float = 24.0,
        stretch: tuple[float, float] = (0.0, 1.0),
        given: int | None = None,
    ) -> Self:
        """The life of one individual at even steps of tau along `stretch`, backwards where it falls."""
        specimen = grow(record, seed)
        told = {"specimen": type(record).__name__, "seed": str(seed), "engine": "specimens"}
        moments = [specimen.at(tau) for tau in np.linspace(*stretch, frames)]
        clip = Clip.from_frames(specimen.mesh, moments, fps, provenance=told)
        return cls(clip, record, seed, specimen.matter, specimen.at, given)

    @property
    def tau(self) -> Reals:
        """(T,) life time."""
        return self.clip.tau.astype(np.float64)

    @property
    def loop(self) -> bool:
        """Whether the last frame leads into the first."""
        return self.clip.loop

    @property
    def prime(self) -> float:
        """The life time at which it stands at its best."""
        return self.record.life.prime

    @cached_property
    def sequence(self) -> Sequence:
        """The truth as an answer: the best that can be scored."""
        return Sequence.from_clip(self.clip, "truth")

    @cached_property
    def digest(self) -> str:
        """Of all that is measured against: what was measured against another truth is not comparable."""
        looks = self.clip.albedo, self.clip.roughness, self.clip.opacity
        arrays = [self.clip.subject.faces, self.clip.positions, self.clip.tau, *looks]
        told = blake2b(repr((self.given, self.loop)).encode(), digest_size=8)
        for array in arrays:
            told.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        return told.hexdigest()

    @cached_property
    def size(self) -> float:
        """Metres: the largest extent of all its frames together."""
        reach = self.clip.positions.reshape(-1, 3)
        return float((reach.max(axis=0) - reach.min(axis=0)).max())

    @cached_property
    def anchor(self) -> int:
        """The frame in which points of an answer are matched: the one that was given, or that shows most surface."""
        if self.given is not None:
            return self.given
        known = self.sequence
        return int(np.argmax([known.areas(t)[known.present(t)].sum() for t in range(len(known.frames))]))


def areas(vertices: Reals, faces: Ints) -> Reals:
    """(F,) square metres of triangles (F, 3)."""
    a, b, c = vertices[faces].transpose(1, 0, 2)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2.0
