"""The ground of the CPU's kernels: numba in turns, Python free meanwhile, and who hears that one is compiled."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numba
import numpy as np
import pytest

from backend.report import Cancelled
from kernels import cpu
from kernels.compiling import announced

ROOT = Path(__file__).resolve().parents[1]


def script(folder: Path, text: str, **environment: str) -> str:
    """What a new process prints that runs `text`, with a cache of kernels in `folder`."""
    path = folder / "script.py"  # numba caches what comes from a file, as long as the file is not written anew
    if not path.exists():
        path.write_text(text)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(folder / "cache")} | environment
    options = {"cwd": folder, "env": environment, "capture_output": True, "text": True, "timeout": 120}
    done = subprocess.run([sys.executable, "-W", "error", path], **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- In turns

TWO_THREADS = """
import threading
import numba, numpy as np
from kernels import cpu

@cpu.parallel
def sums(values):
    out = np.zeros(len(values))
    for i in numba.prange(len(values)):
        for j in range(values.shape[1]):
            out[i] += values[i, j]
    return out

values = np.random.default_rng(0).normal(size=(64, 500))
right = []

def call():
    for _ in range(500):
        right.append(np.allclose(sums(values), values.sum(axis=1)))

threads = [threading.Thread(target=call) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(numba.threading_layer(), len(right), all(right))
"""


def test_two_threads_at_once_get_the_right_answer_from_the_layer_that_every_wheel_holds(tmp_path):
    layer = {"NUMBA_THREADING_LAYER": "workqueue", "NUMBA_NUM_THREADS": "2"}
    assert script(tmp_path, TWO_THREADS, **layer).split() == ["workqueue", "1000", "True"]


@cpu.parallel
def busy(lanes, steps):
    out = np.ones(lanes)
    for i in numba.prange(lanes):
        out[i] += i
    for _ in range(steps):  # where there is no prange, numba holds Python's lock unless told otherwise
        out[0] = np.sqrt(out[0])
    return out


def test_python_goes_on_while_a_kernel_runs():
    busy(2, 10)
    begin, reached = threading.Event(), []

    def heartbeat():
        begin.wait()
        time.sleep(0.1)
        reached.append(time.perf_counter())

    thread = threading.Thread(target=heartbeat)
    thread.start()
    begin.set()
    began = time.perf_counter()
    busy(4, 100_000_000)
    ended = time.perf_counter()
    thread.join()
    assert ended - began > 0.3, "too short to tell"
    assert reached[0] - began < 0.5 * (ended - began)


@pytest.mark.timeout(60)
def test_a_call_that_fails_lets_the_next_one_in():
    with pytest.raises(numba.TypingError):
        busy("two", 10)
    np.testing.assert_allclose(busy(1, 1), 1)


def test_a_kernel_keeps_its_name_and_its_words():
    @cpu.parallel(fastmath=True)
    def twice(x):
        """(N,) doubled."""
        return 2 * x

    assert (twice.__name__, twice.__doc__) == ("twice", "(N,) doubled.")
    assert twice(np.ones(2)).tolist() == [2, 2]


# --- Compiling is announced

COUNTED = """
import numba, numpy as np
from kernels import cpu
from kernels.compiling import announced

@cpu.inner
def inner(x):
    return x + 1

@cpu.inner(fastmath=True)
def outer(x):
    return 2 * inner(x)

@cpu.parallel
def lanes(x):
    out = np.empty_like(x)
    for i in numba.prange(len(x)):
        out[i] = inner(x[i])
    return out

told = []
with announced(lambda: told.append("told")):
    for _ in range(2):
        told.append(outer(1.0))
        told.append(lanes(np.ones(1))[0])
outer(1)  # another type: compiled again, when nobody listens any more
print(*told)
"""


def test_each_compilation_is_announced_once_before_it_and_none_that_comes_from_the_disk(tmp_path):
    assert script(tmp_path, COUNTED).split() == ["told", "4.0", "told", "2.0", "4.0", "2.0"]
    assert script(tmp_path, COUNTED).split() == ["4.0", "2.0", "4.0", "2.0"]


@pytest.mark.parametrize("decorate", [numba.njit, cpu.parallel])
def test_a_job_cancelled_while_a_kernel_compiles_leaves_it_fit_to_be_compiled(decorate):
    @numba.njit
    def inner(x):
        return x + 1

    @decorate
    def kernel(x):
        out = np.empty_like(x)
        for i in numba.prange(len(x)):
            out[i] = inner(x[i])
        return out

    def cancel():
        raise Cancelled

    with announced(cancel), pytest.raises(Cancelled):
        kernel(np.ones(2))
    told = []
    with announced(lambda: told.append(1)):
        assert kernel(np.ones(2)).tolist() == [2, 2]
        assert kernel(np.ones(2)).tolist() == [2, 2]
    assert len(told) == 1


@pytest.mark.timeout(60)
def test_who_is_told_that_a_kernel_compiles_may_call_another():
    @numba.njit  # a new one each time, so that the kernel does not come from the disk
    def inner(x):
        return 3 * x

    @cpu.parallel
    def kernel(x):
        out = np.empty_like(x)
        for i in numba.prange(len(x)):
            out[i] = inner(x[i])
        return out

    told = []
    with announced(lambda: told.append(busy(1, 1)[0])):
        assert kernel(np.ones(2)).tolist() == [3, 3]
    assert told == [1]
