# SPDX-License-Identifier: GPL-3.0-or-later

"""Installing the backend's packages into an environment of its own, never into Blender's Python.

Commands, one after the other: make the environment, let its pip fetch the build of torch that was chosen, where one
was, let it install the rest. Each is a process whose output goes to a log; poll() reads on in that log. So nothing
waits, and a Blender that is closed in between leaves at most an unfinished installation, which the next run completes.

There are two lists of packages, the backend's and the learned engine's; each is installed by itself, beside the other.
"""

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import xxhash

DONE_FILE = "anthesis-installed"  # in the environment, with the digest of the requirements that were installed
STEP = re.compile(
    r"^\s*(Collecting|Downloading|Installing collected packages|Using cached)\W+(?:\S*/)?([\w.\-]+)"
    r"[^\n]*?(\([\d.]+ [kMG]B\))?$",  # of other indexes than PyPI the whole address is told
    re.MULTILINE,
)
OFFLINE = ("NewConnectionError", "Temporary failure", "ConnectTimeout", "ReadTimeout", "getaddrinfo", "ProxyError")
TORCH_INDEX = "https://download.pytorch.org/whl"  # of its builds, a folder each

Device = Literal["CPU", "CUDA"]


@dataclass(frozen=True)
class Build:
    """One of the builds in which torch is published. Sizes are of all that the learned engine fetches with it, about:
    those for the processor were measured on Linux."""

    name: str  # in its version; "": the one that every index has
    fetched: float  # GB
    unpacked: float  # GB


def builds() -> dict[Device, Build]:
    """What torch can compute on here. Raises ValueError where it is not made for this machine."""
    if sys.platform != "darwin":
        return {"CPU": Build("cpu", 0.5, 2.0), "CUDA": Build("cu130", 3.0, 8.0)}
    if platform.machine() == "x86_64":
        raise ValueError("The learned engine wants torch, which is no longer made for Macs with Intel processors")
    return {"CPU": Build("", 0.3, 1.0)}


def has_nvidia() -> bool:
    """Whether an NVIDIA driver is there, as far as the program tells that comes with each."""
    return shutil.which("nvidia-smi") is not None


def environment_python(environment: Path) -> Path:
    """The Python of a virtual environment."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def is_installed(environment: Path, requirements: Path) -> bool:
    """Whether an installation into `environment` was finished with just these requirements."""
    return was_installed(environment, requirements) and (
        _done_file(environment, requirements).read_text() == _digest(requirements)
    )


def was_installed(environment: Path, requirements: Path) -> bool:
    """Whether one was finished with these requirements, as they are or as they were in another version."""
    return _done_file(environment, requirements).is_file() and environment_python(environment).exists()


def _done_file(environment: Path, requirements: Path) -> Path:
    return environment / (DONE_FILE + requirements.stem.removeprefix("requirements"))


def _digest(requirements: Path) -> str:
    return xxhash.xxh3_128_hexdigest(requirements.read_bytes())


def _packages(requirements: Path) -> list[str]:
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


class Installation:
    """One run. Call poll() until `state` is no longer "running"."""

    def __init__(
        self,
        python: str,
        environment: Path,
        goal: Path,
        log: Path,
        beside: Iterable[Path] = (),
        build: Build | None = None,
    ):
        """Of the list `goal`, with the lists `beside` it kept or completed, so that all packages get along. A `build`
        of torch is the learned engine's, which comes into the backend's environment. `python` makes that environment.

        Raises OSError where it cannot be started or the log cannot be written.
        """
        self.state: Literal["running", "done", "failed", "cancelled"] = "running"
        self.text = "Making an environment for the backend"
        self.progress = 0.0
        self.goal, self.log = goal, log
        self._environment, self._lists = environment, (goal, *beside)
        self._title = "The backend" if build is None else "The learned engine"
        self._expected = sum(len(_packages(requirements)) for requirements in self._lists)
        self._seen: set[str] = set()
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        self._read = 0
        # a backend may run in an environment that is there, and Windows writes over no program that runs
        keep = build is not None and any(is_installed(environment, requirements) for requirements in self._lists[1:])
        _done_file(environment, goal).unlink(missing_ok=True)
        pip = [str(environment_python(environment)), "-m", "pip", "install", "--disable-pip-version-check"]
        pip += ["--no-input", "--progress-bar", "off", "--only-binary", ":all:"]
        self._next = [] if keep else [[python, "-m", "venv", str(environment)]]
        if build is not None and build.name:  # a range in its place would keep the build that is there
            (torch,) = (package for package in _packages(goal) if package.startswith("torch=="))
            source = ["--no-deps", "--index-url", f"{TORCH_INDEX}/{build.name}"]
            self._next.append([*pip, *source, f"{torch}+{build.name}"])
        self._next.append([*pip, *(part for each in self._lists for part in ("-r", str(each)))])
        self._process = self._spawn(self._next.pop(0))

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
        for step, name, size in STEP.findall(news[:whole].decode(errors="replace")):
            if step.startswith("Installing"):
                self.text, self.progress = "Installing the packages", self.progress if self._next else 0.9
            else:
                self._seen.add(name)
                share = len(self._seen) / (len(self._seen) + self._expected)  # packages bring others along
                self.text, self.progress = f"Fetching {name} {size}".strip(), max(self.progress, 0.1 + 0.75 * share)

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
            self.text, self.progress = "Looking for the packages", max(self.progress, 0.1)
        else:
            for requirements in self._lists:
                _done_file(self._environment, requirements).write_text(_digest(requirements))
            self.state, self.text, self.progress = "done", f"{self._title} is installed", 1.0

    def _reason(self) -> str:
        said = self._said().decode(errors="replace")
        if "ensurepip" in said:
            return (
                "Blender's Python cannot make environments here (Debian: apt install python3-venv): "
                "install that, or name a Python that has the backend's packages in the Preferences"
            )
        if any(sign in said for sign in OFFLINE):
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
