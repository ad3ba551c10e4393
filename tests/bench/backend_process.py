"""A backend of its own for one benchmark, in a folder that goes with it."""

import os
import sys
import tempfile
import time
from pathlib import Path

from backend import protocol
from blender_addon.client.launch import Command
from blender_addon.client.session import Session

ROOT = Path(__file__).parents[2]


def backend_python() -> str:
    """The Python that has the backend's packages: named by build.py where this process runs in Blender's."""
    return os.environ.get("ANTHESIS_PYTHON", sys.executable)


class Backend:
    """`with Backend(...) as backend:` starts it and waits for the first Welcome; `ready_seconds` is how long."""

    def __init__(self, runner: str = "backend.pipelines", *options: str):
        self._folder = tempfile.TemporaryDirectory(prefix="anthesis-bench-")
        self.home = Path(self._folder.name)
        argv = (backend_python(), "-m", "backend", "serve", "--home", str(self.home), "--runner", runner, *options)
        self._command = Command(argv, ROOT)

    def __enter__(self):
        began = time.perf_counter()
        self._keeper = self.session()
        self.ready_seconds = time.perf_counter() - began
        self.pid = protocol.read_connection(self.home).pid
        return self

    def session(self) -> Session:
        """A connected client."""
        session = Session("bench")
        session.start(self.home, self._command)
        ends = time.monotonic() + 30
        while session.state != "ready":
            if session.state == "refused" or time.monotonic() > ends:
                raise ConnectionError(session.text)
            session.tick()
            session.rest(0.002)
        return session

    def __exit__(self, *exception) -> None:
        self._keeper.shutdown_backend(force=True)
        ends = time.monotonic() + 10
        while self._keeper.state == "ready" and time.monotonic() < ends:
            self._keeper.tick()
            time.sleep(0.05)
        self._keeper.close()
        self._folder.cleanup()
