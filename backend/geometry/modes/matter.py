"""What a body is made of, and how it rings."""

from dataclasses import dataclass, replace
from typing import Self

from backend.geometry.body import Reals


@dataclass(frozen=True)
class Matter:
    """What something elastic is made of. Nobody knows the modulus of what they have drawn: shapes and ratios of
    frequencies hardly depend on it, and `Modes.pitched` sets the rest."""

    young: float = 1e7  # Pa
    density: float = 1e3  # kg/m^3
    poisson: float = 0.3
    thickness: float = 0.004  # m, of sheets


@dataclass(frozen=True, eq=False)
class Modes:
    """The lowest M modes of V vertices, without rigid motions."""

    frequencies: Reals  # (M,) Hz, ascending
    shapes: Reals  # (M, V, 3) kg^-1/2, each with a modal mass of 1

    def pitched(self, lowest: float) -> Self:
        """The same with the lowest frequency at so many Hz, as if all were softer or stiffer."""
        return replace(self, frequencies=self.frequencies * (lowest / self.frequencies[0]))

    def enlarged(self, factor: float) -> Self:
        """Of a body so many times as large in every way, of the same matter."""
        return replace(self, frequencies=self.frequencies / factor, shapes=self.shapes / factor**1.5)

    def lightened(self, factor: float) -> Self:
        """As if all were so many times as light, and as much softer that it rings as before."""
        return replace(self, shapes=self.shapes * factor**0.5)
