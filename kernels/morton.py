"""The order of points along a Morton curve, by which neighbours in space and time become neighbours in an array.

Each coordinate in [-1, 1] is cut into 2^BITS places, and the bits of a point's four places are interleaved to its key.
Morton, "A computer oriented geodetic data base and a new technique in file sequencing", 1966.
"""

import numpy as np
import torch
from torch import Tensor

from kernels import cpu, cuda, door

BITS = 6  # of each coordinate: 64 places along an axis, many more cells than a batch has points


# --- the definition ---


def morton_order_reference(points: Tensor) -> Tensor:
    """The definition of `morton_order`."""
    places = ((points.detach().clamp(-1, 1) + 1) * (2 ** (BITS - 1))).long().clamp(max=2**BITS - 1)
    key = torch.zeros_like(places[:, 0])
    for bit in range(BITS):
        for axis in range(4):
            key |= (places[:, axis] >> bit & 1) << (4 * bit + axis)
    return key.argsort(stable=True)


# --- CPU ---


@cpu.inner(nogil=True)  # on one core, and called from Python
def _sort(points):
    """Radix sort of the keys, half of their bits at a time."""
    apart = np.zeros(2**BITS, np.int32)  # the bits of a place, with three between each two
    for place in range(2**BITS):
        for bit in range(BITS):
            apart[place] |= (place >> bit & 1) << 4 * bit
    half = 2 * BITS
    keys, starts = np.empty(len(points), np.int32), np.zeros((2, 2**half + 1), np.int64)
    for n in range(len(points)):
        key = 0
        for axis in range(4):
            place = int((min(max(points[n, axis], -1), 1) + 1) * (2 ** (BITS - 1)))
            key |= apart[min(place, 2**BITS - 1)] << axis
        keys[n] = key
        starts[0, (key & (2**half - 1)) + 1] += 1
        starts[1, (key >> half) + 1] += 1
    for digit in range(2**half):
        starts[0, digit + 1] += starts[0, digit]
        starts[1, digit + 1] += starts[1, digit]
    by_low, order = np.empty(len(points), np.int32), np.empty(len(points), np.int64)
    for n in range(len(points)):
        digit = keys[n] & (2**half - 1)
        by_low[starts[0, digit]] = n
        starts[0, digit] += 1
    for n in by_low:
        digit = keys[n] >> half
        order[starts[1, digit]] = n
        starts[1, digit] += 1
    return order


# --- CUDA ---
#
# None of its own: torch sorts there as fast as one could wish, so the definition will do.


# --- the function ---


@cuda.carried
def morton_order(points: Tensor) -> Tensor:
    """(N,) int64: the order in which points (N, 4) in [-1, 1] lie along a Morton curve; of one place, as they came.

    What lies outside is sorted as the border is. Raises ValueError for another shape or type, and for NaN or infinity.
    """
    door.shaped("points", points, None, 4)
    door.alike(points=points)
    door.finite(points=points)
    if points.device.type == "cpu":
        return torch.from_numpy(_sort(points.detach().numpy()))
    return morton_order_reference(points)
