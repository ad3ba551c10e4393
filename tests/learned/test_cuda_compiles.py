"""The CUDA kernels as a GPU would get them: compiled here, without one, and read.

Warp's CPU device runs one thread after the other, so that a plain sum in place of an atomic one is right there too. On
a GPU it loses what other threads add meanwhile, and no other test would see it.
"""

import functools
import importlib
import re
import tempfile
from pathlib import Path

import pytest
import warp as wp

ADD, LEAST = "add.f32", "min.s64"
MOST = "cas.b32"  # as Warp makes a maximum of floats

# Of each module, the kernels in which threads meet: how they write there, and whether they also write where no other
# thread does. All other kernels, those of the modules without any too, write only where no other thread does.
MEETING = {
    "rasterize": {"_draw_warp": (LEAST, False)},
    "interpolate": {"_pull_warp": (ADD, False)},
    "antialias": {"_blend_warp": (ADD, False), "_pull_warp": (ADD, False)},
    "plane_sample": {"_backward_warp": (ADD, False)},
    "voxel_sample": {"_backward_warp": (ADD, False)},
    "hash_encode": {"_backward_warp": (ADD, False)},
    "march": {},
    "composite": {},
    "softmax_splat": {
        "_aim_warp": (MOST, True),
        "_weigh_warp": (ADD, True),
        "_scatter_warp": (ADD, False),
        "_gather_warp": (ADD, True),
        "_average_warp": (ADD, False),
    },
    "rotations_cuda": {},
}
ARCHITECTURES = 75, 90  # Turing, the oldest for which Warp compiles, and Hopper


@functools.cache
def compiled(name: str, architecture: int) -> dict[str, str]:
    """The PTX of each kernel of a module."""
    wp.init()
    if not wp.get_cuda_supported_archs():
        pytest.skip("this Warp cannot compile for CUDA: none can on macOS")
    importlib.import_module(f"kernels.{name}")
    with tempfile.TemporaryDirectory() as folder:
        wp.compile_aot_module(f"kernels.{name}", arch=architecture, module_dir=folder, use_ptx=True)
        (file,) = Path(folder).glob("*.ptx")
        parts = re.split(r"\.entry (\w+)_[0-9a-f]{8}_cuda_kernel_forward\(", file.read_text())
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", MEETING)
def test_where_threads_meet_they_add_and_compare_in_one_go(name, architecture):
    found = {}
    for kernel, ptx in compiled(name, architecture).items():
        if ways := set(re.findall(r"(?:atom|red)\.global\.(\w+\.\w+)", ptx)):
            found[kernel] = *ways, "st.global" in ptx
    assert found == MEETING[name]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_rasterize_fuses_no_multiply_and_add(architecture):
    for ptx in compiled("rasterize", architecture).values():
        assert "fma.rn" not in ptx
    assert "fma.rn" in compiled("interpolate", architecture)["_pull_warp"], "it is not seen where it must be"


def test_no_module_with_warp_kernels_is_forgotten():
    files = Path(importlib.import_module("kernels").__file__).parent.glob("*.py")
    assert {file.stem for file in files if "@wp.kernel" in file.read_text(encoding="utf-8")} == set(MEETING)
