"""End the processes that a private ANTHESIS_HOME was made for: Blender, the backend it started, the backend's workers.

Run with the backend's Python, for psutil. A backend outlives its Blender and is no child of anybody here, but all of
them inherited the name of the folder.
"""

import sys

import psutil

PATIENCE = 8.0  # seconds to end by oneself


def main(home: str) -> None:
    theirs = [process for process in psutil.process_iter() if _home(process) == home]
    for process in theirs:
        _tell(process.terminate)
    for process in psutil.wait_procs(theirs, PATIENCE)[1]:
        _tell(process.kill)


def _home(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("ANTHESIS_HOME")
    except (psutil.Error, OSError):  # another user's, or gone
        return None


def _tell(order) -> None:
    try:
        order()
    except psutil.NoSuchProcess:
        pass  # gone already


if __name__ == "__main__":
    main(sys.argv[1])
