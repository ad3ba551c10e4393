"""How a liquid keeps the volume of each of its parts: in what flows, in what is evened out, and in what is left over.

The parts are those of a `liquid.Surface` of M points; open sheets have no volume, and nothing here moves them.
"""

import numpy as np

from backend.geometry.body import Reals
from backend.geometry.liquid import Surface, part_volumes
from backend.geometry.volume import restore_volume
from kernels.surface_gradients import surface_gradients

HELD = 1e-7  # of the volume of all parts: what is not worth a push
REACH = 0.15  # length, in extents, over which what smoothing takes is given back


def as_much_out_as_in(velocity: Reals, points: Reals, surface: Surface) -> tuple[Reals, float]:
    """Velocity (M, 3) of points (M, 3) as far as they may move, with what each part lacks to keep its volume; and the
    rate at which they lacked it, over the volume of all parts.

    The flow has no divergence on its grid, but what points read of it between the cells has (Peskin and Printz,
    Improved volume conservation in the computation of flows with immersed elastic boundaries, 1993). Of all changes
    that make up for it this one, along the normals, is the least.
    """
    velocity = velocity * surface.mobility[:, None]
    outward = surface_gradients(points, surface.skin, np.zeros(len(surface.skin)))[0]
    free = share_above_floor(points, surface.mobility)
    part, count = surface.sheets.part, len(surface.volumes)
    way = free * outward
    gain = np.bincount(part, (outward * velocity).sum(axis=1), count)
    rate = gain / np.maximum(np.bincount(part, (outward * way).sum(axis=1), count), 1e-30)
    return velocity - rate[part, None] * way, float(np.abs(gain).sum() / max(np.abs(surface.volumes).sum(), 1e-12))


def share_above_floor(points: Reals, mobility: Reals) -> Reals:
    """(M, 3) how far points may be pushed: on the floor no more up and down."""
    share = np.repeat(mobility[:, None], 3, axis=1)
    share[:, 2] *= np.clip(points[:, 2] / 0.01, 0.0, 1.0)
    return share


def holding(before: Reals, after: Reals, surface: Surface) -> Reals:
    """Points (M, 3) that were evened out from `before` to `after`, pushed along their normals, the further the more
    they were moved, until each part holds what it held before."""
    part, count = surface.sheets.part, len(surface.volumes)
    held, now = (part_volumes(x, surface.skin, surface.parts, count) for x in (before, after))
    if np.abs(now - held).max(initial=0.0) < HELD * np.abs(surface.volumes).sum():
        return after
    moved = np.linalg.norm(after - before, axis=1)
    most = np.zeros(count)
    np.maximum.at(most, part, moved)
    share = (moved / np.maximum(most, 1e-12)[part])[:, None] * share_above_floor(after, surface.mobility)
    x = restore_volume(after, surface.skin, surface.parts, held, share)
    x[:, 2] = np.maximum(x[:, 2], np.minimum(after[:, 2], 0.0))
    return x


def without_pressure(forces: Reals, outward: Reals, surface: Surface) -> Reals:
    """Forces (M, 3) less the pressure inside each part that changes nothing but what the points see of themselves.

    An even pressure on a closed surface moves nothing. On points wider apart than the grid's cells each would be
    pushed inwards by its own share of it, and the part would lose volume. The pressure is the one under which those
    shares, as the squares of the area vectors `outward` (M, 3), add up to no volume.
    """
    part, count = surface.sheets.part, len(surface.volumes)
    along = np.bincount(part, (forces * outward).sum(axis=1), count)
    pressure = along / np.maximum(np.bincount(part, (outward * outward).sum(axis=1), count), 1e-30)
    return forces - pressure[part, None] * outward


def restore(surface: Surface) -> None:
    """Put back what the volumes of the parts have lost since they were last restored, and count it."""
    x = surface.points
    above_floor = np.clip(x[:, 2] / 0.01, 0.0, 1.0)
    share = (surface.mobility * above_floor)[:, None]
    held = part_volumes(x, surface.skin, surface.parts, len(surface.volumes))
    x = restore_volume(x, surface.skin, surface.parts, surface.volumes, share)
    x[:, 2] = np.maximum(x[:, 2], 0.0)
    now = part_volumes(x, surface.skin, surface.parts, len(surface.volumes))
    surface.corrected += float(np.abs(now - held).sum() / max(np.abs(surface.volumes).sum(), 1e-12))
    surface.points = x


def given_back(before: Reals, x: Reals, surface: Surface, free: Reals, edge2: float) -> Reals:
    """Points (M, 3) that smoothing has moved from `before`, with the volume that each took given to those around.

    What it takes spreads over REACH along the surface, by a walk from neighbour to neighbour that keeps its sum; so the
    volume of a horn goes into what it grew from, and none is lost. `free` (M,) of each point; `edge2` squared.
    """
    slack = np.zeros(len(surface.skin))
    outward = surface_gradients(0.5 * (before + x), surface.skin, slack)[0]
    taken = np.einsum("ij,ij->i", before - x, outward)
    area = np.linalg.norm(outward, axis=1)
    around = np.maximum(surface.neighbours @ (free * area), 1e-12)
    for _ in range(int(np.clip(REACH**2 / edge2, 2, 80))):
        height = surface.returning @ (taken / around)
        taken = free * area * height
    return x + (free * height / np.maximum(area, 1e-30))[:, None] * outward
