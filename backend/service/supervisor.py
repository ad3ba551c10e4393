"""The gateway's hold on the worker: starts it, listens to it, kills it, and counts how often it died."""

import logging
import logging.handlers
import os
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec
import zmq

import backend
from backend.service import pipes

RESTARTS = 5  # within RESTART_SECONDS: something is wrong with the machine and not with a job
RESTART_SECONDS = 600.0
LOG_BYTES, LOGS = 5_000_000, 5
TAIL_BYTES = 4096
_EVENTS = "inproc://worker"
_GENERATION = struct.Struct("<I")
_log = logging.getLogger(__name__)
_ROOT = Path(backend.__file__).parent.parent


class Supervisor:
    """One worker at a time. Started from the gateway's main thread: PR_SET_PDEATHSIG goes by thread."""

    def __init__(self, context: zmq.Context, home: Path, runner: str):
        self._context, self._home, self._runner = context, home, runner
        self._process: subprocess.Popen | None = None
        self._generation = 0
        self._deaths: deque[float] = deque()
        self._drain: threading.Thread | None = None
        self._tail = bytearray()
        self._output = logging.handlers.RotatingFileHandler(
            home / "logs" / "worker.log", maxBytes=LOG_BYTES, backupCount=LOGS - 1, encoding="utf-8"
        )
        self._output.terminator = ""
        self.events_socket = context.socket(zmq.PULL)
        self.events_socket.bind(_EVENTS)
        self._wanted = False  # its end was our wish

    @property
    def running(self) -> bool:
        return self._process is not None

    def degraded(self, now: float) -> bool:
        """It died too often of late to try again."""
        while self._deaths and now - self._deaths[0] > RESTART_SECONDS:
            self._deaths.popleft()
        return len(self._deaths) >= RESTARTS

    def start(self) -> None:
        self._generation += 1
        self._wanted = False
        cache = self._home / "cache"  # the add-on's own folder may be read-only
        self._process = subprocess.Popen(
            [sys.executable, "-m", "backend.service.worker", "--runner", self._runner, "--parent", str(os.getpid())],
            cwd=_ROOT,
            env=os.environ
            | {"NUMBA_CACHE_DIR": str(cache / "numba"), "WARP_CACHE_PATH": str(cache / "warp")}
            | {"ANTHESIS_HOME": str(self._home)},  # pipelines keep there what they go on with
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            creationflags=subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0,
        )
        self._tail = bytearray()
        self._drain = threading.Thread(target=self._keep_output, args=(self._process.stderr, self._tail), daemon=True)
        self._drain.start()
        listening = (self._process.stdout, _GENERATION.pack(self._generation))
        threading.Thread(target=self._listen, args=listening, daemon=True).start()

    # A worker may be dead and its job not yet over: its death waits to be entered while the disk is full.

    def send(self, command: pipes.Commands) -> None:
        if not self.running:
            return
        try:
            os.write(self._process.stdin.fileno(), pipes.framed(command))
        except OSError:
            pass  # it died: the end of its events says so

    def terminate(self) -> None:
        if self.running:
            self._wanted = True
            self._process.terminate()

    def kill(self, blame: bool = False) -> None:
        """`blame`: count it as a death of its own."""
        if self.running:
            self._wanted = not blame
            self._process.kill()

    def hear(self, now: float) -> Iterator[pipes.Events | pipes.Died]:
        """What the present worker has said since, and whether it died."""
        for _ in range(64):
            try:
                generation, body = self.events_socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if _GENERATION.unpack(generation)[0] != self._generation or not self.running:
                continue
            try:
                yield pipes.events.decode(body) if body else self._bury(now)
            except msgspec.DecodeError:
                _log.exception("The worker says what makes no sense")
                self.kill(blame=True)

    def stop(self) -> None:
        """End the worker now, and wait for it."""
        if self.running:
            self._process.kill()
            self._reap()
        self.events_socket.close(linger=0)
        self._output.close()

    def _bury(self, now: float) -> pipes.Died:
        code = self._reap()
        if not self._wanted:
            self._deaths.append(now)
        return pipes.Died(_reason(code), bytes(self._tail[-TAIL_BYTES:]).decode(errors="replace"))

    def _reap(self) -> int:
        process, self._process = self._process, None
        try:
            process.wait(1.0)
        except subprocess.TimeoutExpired:  # it has closed its pipe and lives on
            process.kill()
            process.wait()
        self._drain.join(0.5)  # a child of the worker may hold the pipe open
        process.stdin.close()
        return process.returncode

    def _listen(self, pipe, generation: bytes) -> None:
        with self._context.socket(zmq.PUSH) as socket, pipe:
            socket.connect(_EVENTS)
            try:
                for body in pipes.bodies(pipe):
                    socket.send_multipart([generation, body])
                socket.send_multipart([generation, b""])
            except zmq.ContextTerminated:
                pass

    def _keep_output(self, pipe, tail: bytearray) -> None:
        with pipe:
            while data := pipe.read1(65536):
                tail += data
                del tail[:-TAIL_BYTES]
                self._output.emit(logging.makeLogRecord({"msg": data.decode(errors="replace")}))


def _reason(code: int) -> str:
    if code == -9:
        return "the system ended it, which it does when memory runs out"
    if code == -11:
        return "it crashed (segmentation fault)"
    return f"it crashed (signal {-code})" if code < 0 else f"it ended with exit code {code}"
