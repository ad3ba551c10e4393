"""The body that a process acts on: the subject welded and triangulated, in its own units; and what becomes of it."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Look:
    """The material of N vertices."""

    albedo: Reals  # (N, 3) linear
    roughness: Reals  # (N,)
    metallic: Reals  # (N,)
    opacity: Reals  # (N,) 1: there; 0: gone, as what has burnt away
    emission: Reals  # (N,) 0: cold; 1: glows with the light of the hottest ember, in its own albedo

    @property
    def luminance(self) -> Reals:
        """(N,) of the albedo, relative, with the weights of ITU-R BT.709."""
        return self.albedo @ np.array([0.2126, 0.7152, 0.0722])

    def toward(self, share: Reals, **targets) -> Self:
        """Each named material moved by `share` (N,) in [0, 1] of the way to its target: a number, a colour or one a
        vertex; kept within [0, 1]."""
        changed = {}
        for name, target in targets.items():
            now = getattr(self, name)
            part = share[:, None] if now.ndim == 2 else share
            changed[name] = np.clip(now + part * (target - now), 0.0, 1.0)
        return replace(self, **changed)


@dataclass(frozen=True, eq=False)
class Body:
    """N welded vertices and F triangles; largest extent 1, lowest point at z = 0, centred over the origin."""

    vertices: Reals  # (N, 3) rest positions
    faces: NDArray[np.int32]  # (F, 3)
    pin: Reals  # (N,) in [0, 1]; all zero when the artist pinned nothing
    weight: Reals  # (N,) in [0, 1]; all one when the artist painted nothing
    albedo: Reals  # (N, 3) linear
    roughness: Reals  # (N,)
    metallic: Reals  # (N,)

    @property
    def look(self) -> Look:
        """The material before anything happens."""
        count = len(self.vertices)
        return Look(self.albedo, self.roughness, self.metallic, opacity=np.ones(count), emission=np.zeros(count))


@dataclass(frozen=True, eq=False)
class Moment:
    """One time sample of a body."""

    tau: float  # life time in [0, 1]
    poses: tuple[Reals, ...]  # (N, 3) positions under the first process, under the first two, ... under all
    look: Look
    corrected: float = 0.0  # share of the volume that was put back so far, where a process keeps it so

    @property
    def positions(self) -> Reals:
        """(N, 3) in the body's units, under all processes."""
        return self.poses[-1]


@dataclass(frozen=True)
class Detail:
    """How finely a life is computed."""

    vertices: int  # of a whole body; a heavier one is moved by a stand-in
    light: int  # vertices of that stand-in
    cells: int  # of the lattice of solids
    sheets: int  # vertices of sheets
    skin: int  # vertices of the skin of solids, where wrinkles are wanted
    grid: float  # cells of the viscous flow along each side, of the full number


FULL = Detail(vertices=60_000, light=15_000, cells=3000, sheets=12_000, skin=12_000, grid=1.0)
PREVIEW = Detail(vertices=4000, light=2000, cells=500, sheets=900, skin=2000, grid=0.6)
