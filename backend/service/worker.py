"""The process that carries jobs out. Expendable: the gateway kills it and starts another, and nothing is lost.

python -m backend.service.worker --runner MODULE --parent PID, started by the supervisor alone. The runner
is a module with capabilities(), carry_out(request, subject, report) and failure(error), as in backend.pipelines.
"""

import argparse
import ctypes
import importlib
import os
import queue
import re
import signal
import statistics
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from backend import protocol
from backend.report import Cancelled, Preview, Varying
from backend.service import disk, pipes, recordlog

PROGRESS_SECONDS = 0.1
RETRY_SECONDS = 1.0  # on a full disk
_NUMBERS = re.compile(r"\d+")
FAULT = "This is a fault of Anthesis and not of your input: please report it, with the log that the panel names"


Written = TypeVar("Written")


class Line:
    """The two pipes to the gateway. When the gateway is gone, so is this process."""

    def __init__(self):
        # The pipes move away from 0 and 1, so that a stray print or input() of any library cannot speak on them.
        self._incoming = os.fdopen(os.dup(0), "rb")
        self._outgoing = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        self.runs: queue.SimpleQueue[pipes.Run] = queue.SimpleQueue()
        self.stopped: set[str] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def send(self, event: pipes.Events) -> None:
        rest = memoryview(pipes.framed(event))
        while rest:
            rest = rest[self._outgoing.write(rest) :]

    def _listen(self) -> None:
        for body in pipes.bodies(self._incoming):
            match pipes.commands.decode(body):
                case pipes.Run() as run:
                    self.runs.put(run)
                case pipes.Stop(job=job):
                    self.stopped.add(job)
        os._exit(1)


class Reporter:
    """The Report of one job: tells the gateway how far it is, and stops a job that nobody wants."""

    def __init__(self, line: Line, job: str):
        self._line, self._job = line, job
        self.made = 0  # records, those of an earlier attempt too
        self._sent_at, self._sent = -1e9, ""
        self._step_at = time.monotonic()
        self._steps: deque[float] = deque(maxlen=64)

    def __call__(self, done: float, text: str) -> None:
        self.check()
        now = time.monotonic()
        self._steps.append(now - self._step_at)
        self._step_at = now
        words = _NUMBERS.sub("", text)
        if words != self._sent or now - self._sent_at >= PROGRESS_SECONDS:  # a new sentence may be the last for long
            self._sent_at, self._sent = now, words
            step = statistics.median(self._steps)
            self._line.send(pipes.Progress(self._job, min(max(float(done), 0.0), 1.0), text[:200], step, self.made))

    def check(self) -> None:
        if self._job in self._line.stopped:
            raise Cancelled

    def pause(self, text: str) -> None:
        self._line.send(pipes.Paused(self._job, text))
        time.sleep(RETRY_SECONDS)
        self.check()


class Diverged(Exception):
    """A job that was taken up again gave another result than before."""


def carry_out(run: pipes.Run, runner: ModuleType, line: Line) -> None:
    """Run the pipeline and store what it yields, from the first record on that is not there yet."""
    report = Reporter(line, run.job)
    subject = None if run.subject is None else Path(run.subject).read_bytes()
    log = _with_space(lambda: recordlog.RecordLog(Path(run.log), run.size), report)
    try:
        for seq, record in enumerate(runner.carry_out(run.request, subject, report)):
            report.made = seq + 1
            if seq < run.records - 1:
                continue
            digest = recordlog.digest_of(record)
            if seq == run.records - 1:
                if digest != run.digest and not isinstance(record, Varying):
                    raise Diverged
                continue
            offset = _with_space(partial(log.append, seq, record, digest), report)
            line.send(pipes.Stored(run.job, seq, offset, len(record), digest, isinstance(record, Preview)))
            report.check()
    finally:
        log.close()


def _with_space(write: Callable[[], Written], report: Reporter) -> Written:
    """What `write` returns, once there is space on the disk for it."""
    while True:
        try:
            return write()
        except OSError as error:
            if error.errno not in disk.FULL:
                raise
        report.pause(pipes.DISK_FULL)


def outcome(run: pipes.Run, runner: ModuleType, line: Line) -> pipes.Events:
    """How the job ended. The border where a pipeline's errors become a failure with words."""
    try:
        carry_out(run, runner, line)
        return pipes.Finished(run.job)
    except Cancelled:
        return pipes.Stopped(run.job)
    except Diverged:
        failure = protocol.Failure(
            "store_corrupt", "The job was interrupted, and going on gave another result than before: run it again"
        )
    except Exception as error:  # noqa: BLE001 (the border of the job: whatever it is becomes a failure with words)
        traceback.print_exc()
        failure = _explained(error, runner)
    return pipes.Failed(run.job, failure)


def _explained(error: Exception, runner: ModuleType) -> protocol.Failure:
    detail = "".join(traceback.format_exception(error))[-protocol.TEXT_BYTES :]
    if known := runner.failure(error):
        return protocol.Failure(known.code, known.text, detail)
    return protocol.Failure("internal", f"{FAULT}. It says: {type(error).__name__}: {error}"[:1000], detail)


def follow(parent: int) -> None:
    """Die with the gateway even while a library holds the interpreter, where the system can see to it (Linux).

    Elsewhere the end of the pipe does it, which needs the interpreter for a moment.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runner", required=True)
    parser.add_argument("--parent", type=int, required=True)
    options = parser.parse_args()
    follow(options.parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches the group; the gateway decides
    line = Line()
    runner = importlib.import_module(options.runner)
    line.send(pipes.Ready(engines := runner.capabilities()))
    while True:
        run = line.runs.get()
        ended = outcome(run, runner, line)
        if (now := runner.capabilities()) != engines:  # it has learnt a subject
            line.send(pipes.Ready(engines := now))
        line.send(ended)
        line.stopped.discard(run.job)


if __name__ == "__main__":
    main()
