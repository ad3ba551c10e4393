"""numba on all cores of the CPU, one such kernel at a time in a process."""

import functools
import threading
from collections.abc import Callable

import numba

# "workqueue", the one thread layer that every numba wheel holds, aborts the process when two threads launch at once.
# The thread that has the turn may take it again: to compile is part of a launch, and who is told of it may launch too.
_TURN = threading.RLock()


def parallel(function: Callable | None = None, **options) -> Callable:
    """As `numba.njit` with prange on all cores, cached on disk; callable from any number of threads, in turns.

    The kernel lets go of Python's lock, so that a worker's heartbeat goes on meanwhile. It can be called from Python
    alone: what kernels call inside is `inner`. `options` are numba's.

    The cache looks at a kernel's own file alone: after a change of an option here, or in another file of what a kernel
    calls, delete `kernels/__pycache__`.
    """
    if function is None:
        return functools.partial(parallel, **options)
    compiled = numba.njit(parallel=True, cache=True, nogil=True, error_model="numpy", **options)(function)

    @functools.wraps(function)
    def launch(*arguments):
        with _TURN:
            return compiled(*arguments)

    return launch


def inner(function: Callable | None = None, **options) -> Callable:
    """As `numba.njit`, cached on disk: what parallel kernels call inside. `options` are numba's."""
    return numba.njit(function, cache=True, error_model="numpy", **options)
