"""Fields: matter and its colour as functions of a point in a cube, with parameters that a renderer's gradients reach.

A field is told by what it is: `Field` is all that a renderer needs. What can leave empty space out says so by offering
`cells` as well. What is seen in a light offers `facing(points)`: the samples, and with them (N, 3) the unit normals,
against the density's slope; differentiable once.
"""

from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor


class Sample(NamedTuple):
    """What is at N points."""

    density: Tensor  # (N,) 1/metre, >= 0
    colour: Tensor  # (N, 3) in [0, 1], sRGB albedo


class Field(Protocol):
    """An nn.Module."""

    radius: float  # it fills the cube [-radius, radius]^3, metres

    def __call__(self, points: Tensor) -> Sample:
        """(N, 3) in metres, of any float type. Outside of the cube there is nothing."""


@runtime_checkable
class Sparse(Protocol):
    """A field that knows where it has no density."""

    # (X, Y, Z) bool, x first: of equal cells that fill the cube. Where it is false, the field's density is 0 and has no
    # gradient: it need not be asked.
    cells: Tensor
