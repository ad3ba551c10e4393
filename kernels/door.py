"""What the torch operations check once, where their arguments come in. Errors are ValueError and name the argument."""

import torch
from torch import Tensor

FLOATS = (torch.float32, torch.float64)


def finite(**tensors: Tensor) -> None:
    """Refuse NaN and infinity."""
    for name, tensor in tensors.items():
        # one pass, and no temporary of the tensor's size; NaN goes through to both ends
        if tensor.numel() and not torch.stack(torch.aminmax(tensor.detach())).isfinite().all():
            raise ValueError(f"{name} holds NaN or infinity")


def shaped(name: str, tensor: Tensor, *shape: int | None) -> None:
    """Refuse another shape; None stands for any size."""
    fits = tensor.ndim == len(shape) and all(want in (None, has) for has, want in zip(tensor.shape, shape, strict=True))
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} must have the shape ({wanted}), not {tuple(tensor.shape)}")


def alike(**tensors: Tensor) -> None:
    """Refuse anything but float32, or float64 on the CPU, and mixtures of types or devices."""
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


def indices(name: str, tensor: Tensor, least: int, below: int) -> None:
    """Refuse anything but int32 or int64 from `least` to below `below`: kernels do not look where they reach."""
    if tensor.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"{name} must be int32 or int64, not {tensor.dtype}")
    if tensor.numel():
        lowest, highest = torch.stack(torch.aminmax(tensor)).tolist()
        if lowest < least or highest >= below:
            raise ValueError(f"{name} must lie in {least}..{below - 1}, not {lowest}..{highest}")
