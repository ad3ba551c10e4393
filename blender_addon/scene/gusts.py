"""What a stronger or a calmer wind does to each swing, in words that Blender reads without Python.

A swing is linear in its load, so that another mean speed U scales each bin by one number. Drag goes as U^2 and its
fluctuation as U times the gusts. Those have Kaimal's spectrum (as in IEC 61400-1), L metres long and in proportion to
U; a bin has the power of its whole band, from f1 to f2 hertz:

    integral of 4 U^2 (L / U) / (1 + 6 f L / U)^(5/3) df  ~  U^2 [(1 + 6 f1 L / U)^(-2/3) - (1 + 6 f2 L / U)^(-2/3)]

A limber body bends out of the wind: of its drag 1 / sqrt(1 + r^2) is left, where r, the strain, goes as U^2.
The slider runs along the Beaufort scale, from calm, 0, to storm, 1: speeds go with its power of 3/2.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Gusts:
    """The wind that a sway was made in."""

    speed: float  # m/s, of the mean, above 0
    strongest: float  # m/s, of the mean where the slider ends
    base: float = 0.2  # Hz, the width of a band
    length: float = 11.34  # m, of gusts
    strain: float = 0.0  # how far the full drag would bend the body, over what it allows

    @property
    def storm(self) -> float:
        """Of this wind, on the slider."""
        return (self.speed / self.strongest) ** (2 / 3)

    def gain(self, frequency: float, storm: float) -> float:
        """How much further a bin swings with the slider there; at 0 Hz, how much further it leans."""
        return self._load(frequency, storm) / self._load(frequency, self.storm)

    def expression(self, frequency: float, scale: float = 1.0) -> str:
        """scale * gain() over the variable `storm`. A driver has room for 255 characters, and says nothing of more."""
        low, high = self._knees(frequency)
        band = f" * sqrt({_risen(low)} - {_risen(high)})" if frequency else ""
        bent = f" / sqrt(1 + {self._bend:.7g} * pow(storm, 6))" if self.strain else ""
        return f"{scale / self._load(frequency, self.storm):.7g} * pow(storm, 3){band}{bent}"

    def _load(self, frequency: float, storm: float) -> float:
        low, high = self._knees(frequency)
        speed = storm**1.5
        band = ((speed / (speed + low)) ** (2 / 3) - (speed / (speed + high)) ** (2 / 3)) ** 0.5 if frequency else 1.0
        return storm**3 * band / (1 + self._bend * storm**6) ** 0.5

    @property
    def _bend(self) -> float:
        return (self.strain / self.storm**3) ** 2

    def _knees(self, frequency: float) -> tuple[float, float]:
        """6 f L at both ends of the band, as parts of the strongest speed."""
        part = 6 * self.length / self.strongest
        return part * (frequency - self.base / 2), part * (frequency + self.base / 2)


def _risen(knee: float) -> str:
    return f"pow(pow(storm, 1.5) / (pow(storm, 1.5) + {knee:.7g}), 2 / 3)"
