"""Vibration modes of a body: how it would ring if it were elastic."""

from backend.geometry.modes.matter import Matter, Modes
from backend.geometry.modes.whole import Rigid, modes_of

__all__ = ["Matter", "Modes", "Rigid", "modes_of"]
