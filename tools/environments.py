"""The project's own virtual environments: made when they are missing or out of date, left alone when they fit.

An environment fits when its stamp, written last, names its Python and what was asked for. One without a stamp was
interrupted, and is made again from nothing: what a killed pip leaves behind cannot be told from a whole package.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("ANTHESIS_ENV") or ROOT / ".env")

BACKEND = ("backend/requirements.txt", "tests/requirements.txt")
LEARNED = (*BACKEND, "backend/requirements-learned.txt", "tests/requirements-learned.txt")
BLENDER = ("blender_addon/requirements.txt", "tests/requirements.txt")


@dataclass(frozen=True)
class Environment:
    name: str
    python: str  # "3.11"
    files: tuple[str, ...]  # of requirements, under ROOT
    packages: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @property
    def executable(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def stamp(self) -> str:
        wanted = "\n".join([*self.packages, *((ROOT / name).read_text() for name in self.files)])
        return f"Python {self.python}\n{hashlib.sha256(wanted.encode()).hexdigest()}\n"

    def fits(self) -> bool:
        stamp = self.folder / "stamp"
        return stamp.is_file() and stamp.read_text() == self.stamp and self.executable.exists()


# The bpy wheels up to 5.0 were built for numpy 1, and end in a crash with numpy 2.
BPY = {
    "4.2": Environment("bpy-4.2", "3.11", BLENDER, ("bpy==4.2.*", "numpy<2")),
    "4.5": Environment("bpy-4.5", "3.11", BLENDER, ("bpy==4.5.*", "numpy<2")),
    "5.0": Environment("bpy-5.0", "3.11", BLENDER, ("bpy==5.0.*", "numpy<2")),
    "5.2": Environment("bpy-5.2", "3.13", BLENDER, ("bpy==5.2.*",)),
}
MAIN_BLENDER = "5.0"  # which `build.py demo` takes, and all the tests of the add-on run in
BACKEND_ENVIRONMENT = Environment("backend", "3.11", BACKEND)
LEARNED_ENVIRONMENT = Environment("learned", "3.11", LEARNED)
EDITOR = Environment("dev", "3.11", tuple(dict.fromkeys(LEARNED + BLENDER)), ("fake-bpy-module-5.0",))


class SetupError(RuntimeError):
    """Something the set-up needs is missing; the message says what to do."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@cache
def find_python(version: str) -> Path | None:
    """A Python of this version that runs, from this process, PATH or pyenv; None where there is none."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        return Path(sys.executable)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [shutil.which(f"python{version}"), *sorted(pyenv.glob(f"versions/{version}*/bin/python{version}"))]
    for candidate in filter(None, found):
        # pyenv's shims are on PATH for versions that are not switched on, and then only say so
        test = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        asked = subprocess.run(test, capture_output=True, text=True)
        if asked.returncode == 0 and asked.stdout.strip() == version:
            return Path(candidate)
    return None


def ensure(*environments: Environment) -> None:
    """Make what does not fit yet, two at a time: pip mostly waits for the network or for one core."""
    # One may be named twice. In order of their names, so that two build.py never wait for each other's second lock.
    missing = sorted({each for each in environments if not each.fits()}, key=lambda environment: environment.name)
    for start in range(0, len(missing), 2):
        with ExitStack() as held:
            running: list[_Making] = []
            try:
                for environment in missing[start : start + 2]:
                    held.enter_context(locked(environment.name))
                    if not environment.fits():  # another build.py may have made it meanwhile
                        running.append(_Making(environment))
                for making in running:
                    making.finish()
            finally:
                for making in running:
                    making.stop()


def variables(**more: str) -> dict[str, str]:
    """This process's own for a child of ours: our packages, where the backend's Python is, and `more`."""
    return os.environ | {"PYTHONPATH": str(ROOT), "ANTHESIS_PYTHON": str(BACKEND_ENVIRONMENT.executable)} | more


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Keep every other build.py away from FOLDER/name meanwhile; waits with words for one that was there first."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{name}.lock").open("a") as file:  # the system lets go of the lock with the file, or the process
        if not _lock(file):
            say(f"[{name}] another build.py is at work on it: waiting for it to finish")
            while not _lock(file):
                time.sleep(0.2)
        yield


def _lock(file) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class _Making:
    """One environment being made by a process of its own."""

    def __init__(self, environment: Environment):
        self.environment, self.start = environment, time.monotonic()
        python = find_python(environment.python)
        if python is None:
            raise SetupError(
                f"Python {environment.python} was not found: put python{environment.python} on PATH, or install it "
                f"with pyenv, and run this again"
            )
        say(f"[{environment.name}] making {environment.folder} with {python}")
        shutil.rmtree(environment.folder, ignore_errors=True)
        if subprocess.run([python, "-m", "venv", environment.folder]).returncode:
            raise SetupError(
                f"{python} could not make an environment in {environment.folder}, for the reason above (Debian and "
                f"Ubuntu: apt install python{environment.python}-venv)"
            )
        self.log = (environment.folder / "pip.log").open("w")
        wanted = [part for name in environment.files for part in ("-r", str(ROOT / name))]
        pip = [environment.executable, "-m", "pip", "--disable-pip-version-check", "install", "--prefer-binary"]
        say(f"[{environment.name}] installing {', '.join([*environment.files, *environment.packages])}")
        command = [*pip, *wanted, *environment.packages]
        self.pip = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)

    def finish(self) -> None:
        name, log, told = self.environment.name, Path(self.log.name), 0
        while self.pip.poll() is None:
            time.sleep(0.2)
            lines = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("Collecting")]
            if len(lines) >= told + 5:
                say(f"[{name}] {len(lines)} packages so far, now {lines[-1].split()[1]}")
                told = len(lines)
        if self.pip.returncode:
            raise SetupError(f"pip could not install [{name}]. Its last words:\n{log.read_text()[-2000:]}")
        (self.environment.folder / "stamp").write_text(self.environment.stamp)
        say(f"[{name}] ready after {time.monotonic() - self.start:.0f} s")

    def stop(self) -> None:
        """End pip where it still runs: its neighbour failed, or Ctrl-C was pressed."""
        if self.pip.poll() is None:
            self.pip.terminate()
            self.pip.wait()
        self.log.close()
