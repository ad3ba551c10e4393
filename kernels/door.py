"""What the torch operations check once, where their arguments come in. Errors are ValueError and name the argument.

`finite` and `indices` look at values, and on CUDA the caller waits for the device there. Kernels do not look again.
"""

import numpy as np
import torch
from torch import Tensor

from kernels import shapes

FLOATS = (torch.float32, torch.float64)


def finite(**tensors: Tensor) -> None:
    """Refuse NaN and infinity. The tensors lie on one device."""
    ends = {}
    for name, tensor in tensors.items():
        _tensor(name, tensor)
        if tensor.numel():  # one pass, and no temporary of the tensor's size; NaN goes through to both ends
            ends[name] = torch.stack(torch.aminmax(tensor.detach()))
    if ends and not torch.stack([*ends.values()]).isfinite().all():  # all at once: CUDA is waited for once
        name = next(name for name, pair in ends.items() if not pair.isfinite().all())
        raise ValueError(f"{name} holds NaN or infinity")


def shaped(name: str, tensor: Tensor, *shape: int | None) -> None:
    """Refuse another shape; None stands for any size."""
    _tensor(name, tensor)
    shapes.shaped(name, tensor, *shape)


def alike(**tensors: Tensor) -> None:
    """Refuse anything but float32, or float64 on the CPU, and mixtures of types or devices."""
    for name, tensor in tensors.items():
        _tensor(name, tensor)
    (first, one), *others = tensors.items()
    if one.dtype not in FLOATS:
        raise ValueError(f"{first} must be float32 or float64, not {one.dtype}: call .float() on it")
    if one.is_cuda and one.dtype != torch.float32:
        raise ValueError(f"{first} must be float32 on CUDA, not {one.dtype}: call .float() on it")
    for name, other in others:
        if (other.dtype, other.device) != (one.dtype, one.device):
            raise ValueError(
                f"{name} ({other.dtype}, {other.device}) must be of one type and device with {first} "
                f"({one.dtype}, {one.device})"
            )


def indices(name: str, tensor: Tensor, least: int, below: int, device: torch.device | None = None) -> None:
    """Refuse anything but int32 or int64 from `least` to below `below`: kernels do not look where they reach.

    With `device`, as in `rasterize`, `interpolate` and `antialias`, tensors on another one too: nothing is moved
    behind the caller's back.
    """
    _tensor(name, tensor)
    if tensor.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"{name} must be int32 or int64, not {tensor.dtype}")
    if device not in (None, tensor.device):
        raise ValueError(f"{name} must lie on {device}, not on {tensor.device}")
    if tensor.numel():
        if below <= least:
            raise ValueError(f"{name} must be empty: there is nothing that it could index")
        lowest, highest = torch.stack(torch.aminmax(tensor)).tolist()
        if lowest < least or highest >= below:
            raise ValueError(f"{name} must lie in {least}..{below - 1}, not {lowest}..{highest}")


def _tensor(name: str, value) -> None:
    if isinstance(value, np.ndarray):
        raise ValueError(f"{name} must be a torch tensor, not a numpy array: torch.from_numpy makes one")
    if not isinstance(value, Tensor):
        raise ValueError(f"{name} must be a torch tensor, not {type(value).__name__}")
