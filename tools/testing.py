"""All the tests: style, those of the backend, of what needs torch and of each Blender, and the tour of the window.

Runs of pytest go two at a time, each in its own environment; those that wait more than they compute, beside them.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from tools import package
from tools.environments import (
    BACKEND_ENVIRONMENT,
    BPY,
    FOLDER,
    LEARNED_ENVIRONMENT,
    MAIN_BLENDER,
    ROOT,
    Environment,
    ensure,
    find_python,
    locked,
    say,
    variables,
)

BACKEND, LEARNED = BACKEND_ENVIRONMENT, LEARNED_ENVIRONMENT
PARTS = ("style", "backend", "learned", *BPY, "window")
QUICK = ("style", "backend", "learned", MAIN_BLENDER)
VALIDATOR = "gltf-validator@2.0.0-dev.3.10"
# Tests of processes and of clocks, which wait more than they compute: beside them the cores have time for the others.
WAITING = [
    f"tests/test_{name}.py" for name in ("client", "compiling", "cpu_kernels", "faults", "gateway", "run", "store")
]
THREADS = str(max(1, (os.cpu_count() or 1) // 2))  # of torch's in a run beside another; with more, both would wait
KERNELS = str(ROOT / "kernels" / "__pycache__")  # compiled once for all runs, and for the backends that they start
STEPPING_BACK = ["nice", "-n", "5"] if shutil.which("nice") else []


def run(parts: Sequence[str], whole: bool, options: Sequence[str]) -> Counter:
    """What passed, failed and was skipped of `parts`; `options` go to pytest. Not `whole`: in other Blenders than the
    main one, what is marked `once` is left out."""
    blenders = [version for version in BPY if version in parts and _has_python(version)]
    blenders.sort(key=lambda version: version != MAIN_BLENDER)  # the long one first
    others = [*([LEARNED] if "learned" in parts else []), *(BPY[version] for version in blenders)]
    ensure(BACKEND, package.BUILDER, *others)
    _ensure_validator()
    told = Counter()
    if "style" in parts:
        told += _step("style", [BACKEND.executable, "-m", "ruff", "check", ROOT])
    waiting, runs = None, []
    if "backend" in parts:
        waiting = (BACKEND, [*WAITING, *options])
        elsewhere = [f"--ignore={name}" for name in ("tests/blender", "tests/learned", *WAITING)]
        runs.append((BACKEND, ["tests", *elsewhere, *options]))
    if "learned" in parts:
        runs.append((LEARNED, ["tests/learned", *options]))
    for version in blenders:
        fewer = [] if whole or version == MAIN_BLENDER else ["-m", "not once"]
        runs.append((BPY[version], ["tests/blender", *fewer, *options]))
    told += _two_at_a_time(runs, waiting)
    if "window" in parts:
        told += _tour()
    return told


def _has_python(version: str) -> bool:
    found = find_python(BPY[version].python) is not None
    if not found:
        say(f"[bpy-{version}] SKIPPED: it needs Python {BPY[version].python}, which is neither on PATH nor in pyenv")
    return found


def _ensure_validator() -> None:
    """Khronos' glTF validator, where there is npm; the tests that want it find it there, or skip aloud."""
    folder = FOLDER / "gltf-validator"
    with locked("gltf-validator"):
        if (folder / "node_modules").is_dir():
            return
        if npm := shutil.which("npm"):
            _install_validator(npm, folder)
        else:
            say("[gltf-validator] SKIPPED: there is no npm on PATH, so no .glb is checked by it")


def _install_validator(npm: str, folder: Path) -> None:
    say(f"[gltf-validator] installing {VALIDATOR}")
    folder.mkdir(parents=True, exist_ok=True)
    if subprocess.run([npm, "install", "--silent", "--prefix", folder, VALIDATOR]).returncode:
        shutil.rmtree(folder)
        say("[gltf-validator] SKIPPED: npm cannot fetch it, so no .glb is checked by it")


def _two_at_a_time(runs: list[tuple[Environment, list]], waiting: tuple[Environment, list] | None) -> Counter:
    """Counts of runs of pytest, and of one more beside them that waits more than it computes. That comes first at the
    cores, for it tests what has clocks. The first of the others speaks as it goes; what the rest said follows."""
    stopped = threading.Event()

    def counted(run: tuple[Environment, list], out: TextIO | None, before: list[str]) -> Counter:
        return Counter() if stopped.is_set() else _pytest(*run, out, before)

    with ThreadPoolExecutor(2) as pool, ThreadPoolExecutor(1) as beside, ExitStack() as stack:
        every = [*runs, waiting] if waiting else runs
        files = [None, *(stack.enter_context(tempfile.TemporaryFile("w+")) for _ in every[1:])]
        running = [
            beside.submit(counted, run, out, []) if run is waiting else pool.submit(counted, run, out, STEPPING_BACK)
            for run, out in zip(every, files, strict=False)
        ]
        try:
            return sum((run.result() for run in running), Counter())
        finally:
            stopped.set()  # Ctrl-C has reached what runs now; nothing follows it
            wait(running)
            for file in filter(None, files):
                file.seek(0)
                shutil.copyfileobj(file, sys.stdout)


def _pytest(environment: Environment, options: list, out: TextIO | None, before: list[str]) -> Counter:
    """Counts of one run of pytest, which speaks to `out` or else here; one that crashed counts as a failure more."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [*before, environment.executable, "-m", "pytest", f"--junitxml={report}", "-rs", *options]
        print(f"\n--- {environment.name}: pytest {' '.join(str(option) for option in options)}", file=out, flush=True)
        own = variables(OMP_NUM_THREADS=THREADS, NUMBA_CACHE_DIR=KERNELS)
        code = subprocess.run(command, cwd=ROOT, env=own, stdout=out, stderr=out).returncode
        told = Counter()
        if report.exists():
            for suite in ElementTree.parse(report).getroot().iter("testsuite"):
                count = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
                failed = count["failures"] + count["errors"]
                told += Counter(failed=failed, skipped=count["skipped"])
                told += Counter(passed=count["tests"] - failed - count["skipped"])
    no_tests = 5
    if code not in (0, no_tests) and not told["failed"]:
        print(f"[{environment.name}] pytest ended with code {code}", file=out, flush=True)
        told["failed"] += 1
    return told


def _step(name: str, command: list, **more: str) -> Counter:
    say(f"\n--- {name}: {' '.join(str(part) for part in command[1:])}")
    failed = subprocess.run(command, cwd=ROOT, env=variables(**more)).returncode != 0
    return Counter(failed=1) if failed else Counter(passed=1)


def _tour() -> Counter:
    """The scripted tour of a real window, with the zip for its Python, and the learned engine where that is set up."""
    if driver := os.environ.get("ANTHESIS_BLENDER_GUI"):
        python = os.environ.get("ANTHESIS_BLENDER_PYTHON", "3.13")
    elif driver := os.environ.get("ANTHESIS_BLENDER"):
        ask = [
            "--background",
            "--factory-startup",
            "--python-expr",
            "import sys; print('PYTHON', *sys.version_info[:2])",
        ]
        said = subprocess.run([driver, *ask], capture_output=True, text=True, check=True).stdout
        python = ".".join(re.search(r"^PYTHON (\d+) (\d+)", said, re.MULTILINE).groups())
    else:
        say("[window] SKIPPED: neither ANTHESIS_BLENDER nor ANTHESIS_BLENDER_GUI names a Blender with a window")
        return Counter(skipped=1)
    (path,) = package.build([python], [package.this_platform()], ROOT / "dist")
    served_by = LEARNED if LEARNED.fits() else BACKEND
    return _step(
        "window", [BACKEND.executable, "-m", "tests.window_tour", path], ANTHESIS_PYTHON=str(served_by.executable)
    )
