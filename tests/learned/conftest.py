"""Shared by every test that needs torch."""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import torch

from kernels import cuda

# The first call of MKL's vector functions in a process may be a thousandth of a hundredth off, where several threads
# make it at once on a busy machine (pytorch/pytorch#188792). That is nothing to a picture, and too much for a test.
for function in (torch.exp, torch.log, torch.sin, torch.sqrt):
    for dtype in (torch.float32, torch.float64):
        function(torch.ones(1, dtype=dtype))

THREADS = torch.get_num_threads()


def pytest_runtest_setup() -> None:
    """Kernels of numba set how many threads OpenMP has for all, torch among them. With more than a run was given, they
    wait busily for each other beside another run: ten times as long."""
    torch.set_num_threads(THREADS)


VERSIONS = {"numba": torch.float64, "numba, single precision": torch.float32, "warp": torch.float32}


@pytest.fixture(params=VERSIONS)
def version(request) -> Iterator[torch.dtype]:
    """The type to compute in, inside of what makes the version be chosen."""
    with cuda.warp_everywhere() if request.param == "warp" else nullcontext():
        yield VERSIONS[request.param]
