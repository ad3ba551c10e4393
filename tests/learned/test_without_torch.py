"""The built-in engine where torch and Warp are installed: it loads neither."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trimesh

from backend import wire
from backend.clip import Mesh

ROOT = Path(__file__).resolve().parents[2]
BUILT_IN = [
    "corotate",
    "gather",
    "hinges",
    "rotations",
    "spread",
    "strain",
    "surface_gradients",
    "thinshell",
    "winding",
]


def loaded(script: str, *arguments) -> set[str]:
    """The libraries that a new process has loaded after `script`."""
    code = f"{script}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    options = {"env": environment, "capture_output": True, "text": True, "timeout": 120, "check": True}
    return set(subprocess.run([sys.executable, "-c", code, *arguments], **options).stdout.splitlines()[-1].split())


def test_what_the_backend_can_do_is_known_without_them():
    libraries = loaded("from backend import pipelines; assert pipelines.capabilities().makes")
    assert not libraries & {"torch", "warp", "diffusers", "scipy", "numba"}


def test_its_kernels_load_numba_and_no_torch():
    libraries = loaded(f"from kernels import compiling, cpu, {', '.join(BUILT_IN)}")
    assert "numba" in libraries
    assert not libraries & {"torch", "warp"}


JOB = """
import sys
from backend import pipelines, protocol
request = {
    "melt": protocol.Animate(stages=protocol.from_words("melt", {}), frames=2, preview=False),
    "wilt": protocol.Animate(stages=protocol.from_words("wilt", {}), frames=2, preview=False),
    "rose": protocol.Generate(prompt="a rose", frames=2),
}[sys.argv[1]]
with open(sys.argv[2], "rb") as file:
    records = list(pipelines.carry_out(request, file.read(), lambda done, text: None))
assert len(records) == 4
"""


@pytest.mark.parametrize("name", ["melt", "wilt", "rose"])
def test_its_jobs_load_no_torch(tmp_path, name):
    ball = trimesh.creation.icosphere(subdivisions=1)
    path = tmp_path / "subject"
    path.write_bytes(wire.pack_mesh(Mesh.from_triangles(ball.vertices, ball.faces)))
    libraries = loaded(JOB, name, str(path))
    assert "scipy" in libraries
    assert not libraries & {"torch", "warp"}
