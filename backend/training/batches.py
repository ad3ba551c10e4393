"""Which samples a step learns from, and how they are read while others are learned from."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

AHEAD = 4  # batches that are read while others are learned from
READERS = 4


def rows(count: int, batch: int, step: int, key: tuple[int, ...]) -> NDArray[np.int64]:
    """Which of `count` are learned from in a step: all of them in some order, then in another one."""
    places = np.arange(step * batch, (step + 1) * batch)
    return np.array([_order(count, key, int(place) // count)[int(place) % count] for place in places])


@lru_cache(4)
def _order(count: int, key: tuple[int, ...], epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([*key, epoch]).permutation(count)


def ahead(read: Callable[[int], T], steps: range) -> Iterator[T]:
    """read(step) of each of the steps, in their order; the next ones are read in the background."""
    with ThreadPoolExecutor(min(READERS, os.cpu_count() or 1)) as readers:
        numbers = iter(steps)
        waiting = [readers.submit(read, step) for step in islice(numbers, AHEAD)]
        try:
            while waiting:
                found = waiting.pop(0).result()
                waiting += [readers.submit(read, step) for step in islice(numbers, 1)]
                yield found
        finally:
            for one in waiting:
                one.cancel()
