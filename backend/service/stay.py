"""Whether there is a reason to stay, and how much memory staying may cost."""

import ctypes
import logging
import sys

import psutil

FAREWELL_SECONDS = 2.0  # after the last client said goodbye
MEMORY_BYTES = 256 * 1024 * 1024  # beyond what the process had at its start; a message without end is what makes it
SETTLE_SECONDS = 1.0  # for libzmq's own threads to let go of what a socket held
_log = logging.getLogger(__name__)


class Stay:
    """`idle`: seconds to stay with nobody and nothing to do; `grace`: to go on with jobs for nobody."""

    def __init__(self, idle: float, grace: float):
        self._idle, self._grace = idle, grace
        self.farewell = False  # the last client said goodbye
        self._since: float | None = None  # when the last one left, or the last job ended after that
        self._was_busy = False

    def is_over(self, now: float, anybody: bool, busy: bool) -> bool:
        if anybody:
            self._since = None
            return False
        if self._since is None or busy != self._was_busy:
            self._since, self._was_busy = now, busy
        patience = self._grace if busy else FAREWELL_SECONDS if self.farewell else self._idle
        over = now - self._since > patience
        if over:
            _log.info("Nobody is connected, and %s: the end", "nobody came back" if busy else "there is nothing to do")
        return over


class Memory:
    """What this process holds, against a limit."""

    def __init__(self):
        self._process = psutil.Process()
        self._limit = self._process.memory_info().rss + MEMORY_BYTES
        self._settling: float | None = None

    def overflows(self, now: float) -> bool:
        if self._settling is not None:
            if now - self._settling < SETTLE_SECONDS:
                return False
            self._settling = None
            _give_back()
        return self._process.memory_info().rss > self._limit

    def settle(self, now: float) -> None:
        """The cause is gone; what it took comes back in a moment."""
        self._settling = now


def _give_back() -> None:
    """Let the C library return freed memory to the system, where it would keep it (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
