"""Where things would be after a time step, did nothing hold them: what all solvers of motion start from."""

from backend.geometry.body import Reals

DAMPING = 0.85  # share of its velocity that is left to what moves
SLIDING = 0.3  # and of its way along the floor to what lies there
LYING = 1e-9  # sizes: lower above the floor, it lies there


def ahead(positions: Reals, velocities: Reals, gravity: Reals, floor: Reals | float, step: float) -> Reals:
    """(N, 3) from positions and velocities (N, 3), and gravity (N,) that pulls down; floor: lowest z, (N,) or one."""
    found = positions + DAMPING * step * velocities
    found[:, 2] -= step**2 * gravity
    lying = positions[:, 2] <= floor + LYING
    found[lying, :2] = positions[lying, :2] + SLIDING * (found[lying, :2] - positions[lying, :2])
    return found
