# SPDX-License-Identifier: GPL-3.0-or-later

"""Installing the backend's packages into an environment of its own, never into Blender's Python.

Two commands, one after the other: make the environment, let its pip install what the backend needs. Each is a process
whose output goes to a log; poll() reads on in that log. So nothing waits, and a Blender that is closed in between
leaves at most an unfinished environment, which the next run completes.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal

import xxhash

DONE_FILE = "anthesis-installed"  # in the environment, with the digest of the requirements that were installed
STEP = re.compile(r"^\s*(Collecting|Downloading|Installing collected packages|Using cached)\W+([\w.\-]+)", re.MULTILINE)


def environment_python(environment: Path) -> Path:
    """The Python of a virtual environment."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def is_installed(environment: Path, requirements: Path) -> bool:
    """Whether an installation into `environment` was finished with just these requirements."""
    done = environment / DONE_FILE
    return done.is_file() and done.read_text() == _digest(requirements) and environment_python(environment).exists()


def _digest(requirements: Path) -> str:
    return xxhash.xxh3_128_hexdigest(requirements.read_bytes())


class Installation:
    """One run. Call poll() until `state` is no longer "running"."""

    def __init__(self, python: str, environment: Path, requirements: Path, log: Path):
        """`python` makes the environment. Raises OSError where it cannot be started or the log cannot be written."""
        self.state: Literal["running", "done", "failed", "cancelled"] = "running"
        self.text = "Making an environment for the backend"
        self.progress = 0.0
        self.log = log
        self._environment, self._requirements = environment, requirements
        self._expected = max(1, len(requirements.read_text().split("\n")))
        self._seen: set[str] = set()
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        self._read = 0
        (environment / DONE_FILE).unlink(missing_ok=True)
        pip = [str(environment_python(environment)), "-m", "pip", "install", "--disable-pip-version-check"]
        options = ["--no-input", "--progress-bar", "off", "--only-binary", ":all:"]
        self._next = [[*pip, *options, "-r", str(requirements)]]
        self._process = self._spawn([python, "-m", "venv", str(environment)])

    def _spawn(self, command: list[str]) -> subprocess.Popen:
        with self.log.open("ab") as output:
            output.write(f"> {' '.join(command)}\n".encode())
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        detached = {"start_new_session": True}  # so that cancelling reaches pip's own children too
        if sys.platform == "win32":
            detached = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
        with self.log.open("ab") as output:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=clean, **detached
            )

    def poll(self) -> bool:
        """Look once; True where `state`, `text` or `progress` changed."""
        if self.state != "running":
            return False
        before = (self.text, self.progress)
        self._listen()
        code = self._process.poll()
        if code is not None:
            self._listen()
            try:
                self._go_on(code)
            except OSError as error:
                reason = error.strerror or error
                self.state, self.text = "failed", f"The installation cannot go on ({reason}): {error.filename}"
        return self.state != "running" or before != (self.text, self.progress)

    def _listen(self) -> None:
        news = self._said()[self._read :]
        whole = news.rfind(b"\n") + 1  # a line that is half written is read next time
        self._read += whole
        for step, name in STEP.findall(news[:whole].decode(errors="replace")):
            if step.startswith("Installing"):
                self.text, self.progress = "Installing the packages", 0.9
            else:
                self._seen.add(name)
                share = len(self._seen) / (len(self._seen) + self._expected)  # packages bring others along
                self.text, self.progress = f"Fetching {name}", max(self.progress, 0.1 + 0.75 * share)

    def _said(self) -> bytes:
        """The log so far; nothing where somebody has deleted it: that is no reason to fail."""
        try:
            return self.log.read_bytes()
        except FileNotFoundError:
            return b""

    def _go_on(self, code: int) -> None:
        if code:
            self.state, self.text = "failed", self._reason()
        elif self._next:
            self._process = self._spawn(self._next.pop(0))
            self.text, self.progress = "Looking for the packages", 0.1
        else:
            (self._environment / DONE_FILE).write_text(_digest(self._requirements))
            self.state, self.text, self.progress = "done", "The backend is installed", 1.0

    def _reason(self) -> str:
        said = self._said().decode(errors="replace")
        if "ensurepip" in said:
            return (
                "Blender's Python cannot make environments here (Debian: apt install python3-venv): "
                "install that, or name a Python that has the backend's packages in the Preferences"
            )
        if any(sign in said for sign in ("NewConnectionError", "Temporary failure", "ConnectTimeout", "getaddrinfo")):
            return "The packages could not be fetched: check the network and install again"
        if "No space left" in said:
            return "The disk is full: make room and install again"
        errors = [line for line in said.splitlines() if line.startswith("ERROR")]
        return f"{errors[-1][7:160] if errors else 'The installation failed'}. The log has more: {self.log}"

    def cancel(self) -> None:
        """Stop. What is there stays, and the next run goes on with it. Safe twice."""
        if self.state == "running":
            if sys.platform == "win32":
                self._process.terminate()
            else:
                os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait()
            self.state, self.text = "cancelled", "The installation was cancelled: install again to go on with it"
