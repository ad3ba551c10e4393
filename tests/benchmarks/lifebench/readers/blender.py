"""Alembic and FBX, which no library on PyPI reads: Blender does, as a Python module in an environment of its own.

`python build.py test --only 5.0` makes that environment. in_blender.py runs in it and writes an .npz.
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from tests.benchmarks.lifebench.nouns import Sequence
from tests.benchmarks.lifebench.readers.moments import Moment, Unreadable, sequence
from tools.environments import BPY

ENVIRONMENT = BPY["5.0"]
PATIENCE = 600.0  # seconds
_SCRIPT = Path(__file__).with_name("in_blender.py")


def read(path: Path, fps: float | None = None) -> Sequence:
    """All visible meshes. `fps` None: at each frame of an .fbx; an .abc 24 times a second. Raises Unreadable."""
    if not ENVIRONMENT.executable.exists():
        raise Unreadable(f"{path.name} is read by Blender's Python module: make it by python build.py test --only 5.0")
    with tempfile.TemporaryDirectory(prefix="lifebench-") as folder:
        out = Path(folder) / "read.npz"
        command = [ENVIRONMENT.executable, _SCRIPT, path.resolve(), out, *([str(fps)] if fps else [])]
        said = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        if not out.exists():
            last = (said.stderr.strip() or said.stdout.strip() or "no word").splitlines()[-1]
            raise Unreadable(f"Blender could not read {path.name}: {last}")
        with np.load(out) as stored:
            held = dict(stored)
    moments = [_moment(held, number) for number in range(len(held["times"]))]
    return sequence(moments, held["times"], path.stat().st_size, path.name)


def _moment(held: dict[str, np.ndarray], number: int) -> Moment:
    albedo = held.get(f"albedo_{number}")
    return Moment(held[f"vertices_{number}"], held[f"faces_{number}"], albedo)
