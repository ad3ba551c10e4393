"""In what numbers networks compute while they learn."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel


def name(device: str) -> str:
    """ "bfloat16" where the device multiplies it faster than float32, which is "float32" else."""
    if device == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = torch.cpu.get_capabilities().get("amx_bf16", False)
    return "bfloat16" if fast else "float32"


@contextmanager
def mixed(device: str) -> Iterator[None]:
    """Within, convolutions and matrix products are in the numbers that `name` says; weights and sums stay float32."""
    if name(device) == "float32":
        yield
        return
    with torch.autocast(device, torch.bfloat16):
        if device == "cuda":
            yield
            return
        with sdpa_kernel(SDPBackend.MATH):  # a CPU's flash attention goes back many times slower in bfloat16
            yield
