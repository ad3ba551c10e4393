"""Says when a kernel is compiled: it takes seconds, once on a machine, and then the kernel comes from the disk."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from numba.core import event

_KINDS = ("numba:compile", "warp:compile")  # numba tells its own; Warp's are told by kernels.cuda


@contextmanager
def announced(tell: Callable[[], None]) -> Iterator[None]:
    """Calls `tell` in here before each kernel that has to be compiled, with what it calls inside counted as one.

    It may raise: that is before the compiler has begun, so a later call of the kernel compiles it.
    """
    listener = _Outermost(tell)
    with event.install_listener(_KINDS[0], listener), event.install_listener(_KINDS[1], listener):
        yield


def announce() -> None:
    """A module of Warp's is about to be compiled."""
    with event.trigger_event(_KINDS[1]):
        pass


class _Outermost(event.Listener):
    """numba compiles under one lock for all threads, so that counting how deep it is needs none of its own."""

    def __init__(self, tell: Callable[[], None]):
        self._tell, self._depth = tell, 0

    def on_start(self, started: event.Event) -> None:
        self._depth += 1
        if self._depth == 1:
            self._tell()

    def on_end(self, ended: event.Event) -> None:
        self._depth -= 1
