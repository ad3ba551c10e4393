"""How a command ends before its end: by Ctrl-C, or because who reads what it prints went away.

Ctrl-C is heard by a handler that ends the process. An exception will not do: libraries import parts of themselves
inside `except BaseException`, and swallow it there.
"""

import os
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

STOPPED, UNREAD = 130, 141  # exit codes: 128 and the number of SIGINT, of SIGPIPE
_CLEAR, _SHOW_CURSOR = "\r\x1b[2K", "\x1b[?25h"  # a progress bar stands in this line, and hid the cursor


def end_at_once(unfinished: Path | None = None) -> None:
    """From here on Ctrl-C removes `unfinished`, a file or folder that may be half written, says so and ends us."""
    signal.signal(signal.SIGINT, partial(_end, unfinished))


def _end(unfinished: Path | None, *_) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if unfinished is not None and unfinished.is_dir():
        shutil.rmtree(unfinished, ignore_errors=True)
    elif unfinished is not None:
        try:
            unfinished.unlink(missing_ok=True)
        except PermissionError:
            pass  # Windows keeps a file that is open
    before = _CLEAR + _SHOW_CURSOR if os.isatty(2) else ""
    # straight to the system: the interrupted code may hold the lock of sys.stderr
    os.write(2, f"{before}anthesis: Stopped: nothing was written\n".encode())
    os._exit(STOPPED)


def end_unread() -> None:
    """Who reads what we print went away, as in `| head`: what is still on its way goes nowhere, and it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(UNREAD)
