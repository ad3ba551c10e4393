"""Requests to animate, said briefly."""

from backend import protocol


def animate(process: str = "wilt", amount: float = 1.0, **rest) -> protocol.Animate:
    """One process with its sliders as they are, for all of life; without a preview unless asked for one."""
    stage = protocol.Stage(process=protocol.PROCESSES[process](), amount=amount)
    return protocol.Animate(stages=(stage,), **{"preview": False} | rest)
