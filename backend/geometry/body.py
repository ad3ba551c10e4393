"""The body that a process acts on: the subject welded and triangulated, in its own units."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Body:
    """N welded vertices and F triangles; largest extent 1, lowest point at z = 0, centred over the origin."""

    vertices: Reals  # (N, 3) rest positions
    faces: NDArray[np.int32]  # (F, 3)
    pin: Reals  # (N,) in [0, 1]; all zero when the artist pinned nothing
    weight: Reals  # (N,) in [0, 1]; all one when the artist painted nothing
    albedo: Reals  # (N, 3) linear
    roughness: Reals  # (N,)


@dataclass(frozen=True, eq=False)
class Moment:
    """One time sample of a body. A material that is None is unchanged."""

    tau: float  # life time in [0, 1]
    positions: Reals  # (N, 3) in the body's units
    albedo: Reals | None = None  # (N, 3) linear
    roughness: Reals | None = None  # (N,)
