"""Ways of doing one thing, timed in turns in one process, and the floor that memory sets."""

import statistics
import time
from collections.abc import Callable

import torch


def side_by_side(ways: dict[str, Callable[[], object]], rounds: int = 7) -> dict[str, float]:
    """Median seconds of each way. All take their turn in every round, after one warm-up that is not counted."""
    for way in ways.values():
        _seconds(way)
    times = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            times[name].append(_seconds(way))
    return {name: statistics.median(values) for name, values in times.items()}


def _seconds(way: Callable[[], object]) -> float:
    """Of one call to its end: on a GPU as well."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    began = time.perf_counter()
    kept = way()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    took = time.perf_counter() - began
    del kept  # freeing it is not part of the way
    return took


def copy_speed(device: str = "cpu") -> float:
    """Bytes a second, read and written both counted, of copying 256 MiB from one tensor to another on all cores."""
    source = torch.ones(2**26, device=device)
    target = torch.empty_like(source)
    seconds = side_by_side({"copy": lambda: target.copy_(source)}, rounds=11)["copy"]
    return 2 * source.nbytes / seconds
