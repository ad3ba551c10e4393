"""The hot operations beside the other ways to do the same, and beside what the machine's memory allows.

ENVIRONMENT: learned
"""

import os
import platform
import sys

import numba
import torch
import warp

from tests.bench import recover
from tests.bench.operations import (
    arap,
    hash_encode,
    interpolate,
    plane_sample,
    rasterize,
    softmax_splat,
    volume,
    voxel_sample,
)
from tests.bench.side_by_side import copy_speed
from tests.bench.table import Table

OPERATIONS = rasterize, interpolate, plane_sample, voxel_sample, hash_encode, volume, softmax_splat, arap


def measure(device: str) -> None:
    machine = torch.cuda.get_device_name() if device == "cuda" else f"{platform.system()} {platform.machine()}"
    threads = f"{os.cpu_count()} cores, threads: torch {torch.get_num_threads()}, numba {numba.get_num_threads()}"
    versions = f"torch {torch.__version__}, numba {numba.__version__}, Warp {warp.__version__}"
    copy = copy_speed(device)
    table = Table(f"{machine}; {threads}; {versions}")
    table.add("copy of 256 MiB, read and written", copy / 1e9, "GB/s")
    table.show()
    for operation in OPERATIONS:
        operation.table(device, copy).show()


def main() -> None:
    if "--demo" in sys.argv:
        recover.main()
        return
    measure("cpu")
    if torch.cuda.is_available():
        measure("cuda")
    else:
        print("\nThere is no CUDA here: nothing was measured on a GPU.")


if __name__ == "__main__":
    main()
