"""How a candle burns: when, and how much of its wax goes.

A flame of one wick takes the same mass in the same time (Hamins, Bundy & Dillon, "Characterization of candle flames",
J. Fire Prot. Eng. 15, 2005), so the law of what is left is a straight line.
"""

import numpy as np

from backend.specimens.core import ramp

# Landmarks of life time: the flame stands; it starves; it is out; nothing glows.
LIT, STARVING, OUT, COLD = 0.07, 0.88, 0.95, 0.985

BURNT = 0.84  # of the wax


def share_left(tau: float) -> float:
    """Of the wax, while it burns: a flame takes as much as it is large."""
    return 1 - BURNT * _steady(tau)


def _steady(tau: float) -> float:
    """The integral of a flame that grows until LIT, stands, and shrinks from STARVING to OUT, as a share of all."""

    def until(t: float, start: float, end: float) -> float:
        x = float(np.clip((t - start) / (end - start), 0.0, 1.0))
        return (end - start) * x * x / 2 + max(t - end, 0.0)

    return (until(tau, 0.0, LIT) - until(tau, STARVING, OUT)) / (until(1.0, 0.0, LIT) - until(1.0, STARVING, OUT))


def burning(tau: float) -> float:
    """From no flame (0) to a full one (1). Before it goes out it starves."""
    starved = 0.5 * ramp(tau, STARVING - 0.1, OUT) + 0.5 * ramp(tau, STARVING, OUT)
    return float(ramp(tau, 0.0, LIT) * (1 - starved))
