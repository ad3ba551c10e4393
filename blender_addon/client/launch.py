"""Starting the backend as a process of its own, and asking whether a process lives."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_spawned: list[subprocess.Popen] = []  # kept, for a backend outlives the session that started it


@dataclass(frozen=True)
class Command:
    """How to start a backend: the program and its arguments, and the folder that holds the package `backend`."""

    argv: tuple[str, ...]
    folder: Path


def command_for(python: str, folder: Path, home: Path, *options: str) -> Command:
    """Serve the jobs of `home` with the environment that `python` belongs to."""
    return Command((python, "-m", "backend", "serve", "--home", str(home), *options), Path(folder))


def spawn(command: Command, log: Path) -> subprocess.Popen:
    """Start it in a session of its own, so that it outlives a Blender that crashes; output goes to `log`.

    Raises OSError where the program cannot be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    # Blender's Python settings must not reach another Python, nor a user's PYTHONPATH shadow the backend's packages.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    detached = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    _spawned[:] = [process for process in _spawned if process.poll() is None]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command.argv,
            cwd=command.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            **detached,
        )
    _spawned.append(process)
    return process


def alive(pid: int) -> bool:
    """Whether a process of this number runs. It may be another one that got the number."""
    for process in _spawned:
        process.poll()  # a child that has ended keeps its number until it is asked
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        handle = kernel.OpenProcess(0x00100000, False, pid)  # SYNCHRONIZE
        if not handle:
            return False
        running = kernel.WaitForSingleObject(handle, 0) == 0x102  # WAIT_TIMEOUT
        kernel.CloseHandle(handle)
        return running
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def tail(log: Path, size: int) -> str:
    """The last `size` bytes of a log as text; nothing where there is none. Raises OSError where it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - size))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
