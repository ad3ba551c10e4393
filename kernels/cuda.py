"""From torch tensors to Warp kernels, and what happens where there is no kernel for a tensor's device."""

import functools
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
import warp as wp

from kernels import compiling

wp.config.log_level = wp.LOG_ERROR  # what its absence means for the user is said below, in our words

_MOST = 2**31 - 1  # Warp counts threads, rows, and the bytes between rows in 32 bits, and does not look

_everywhere = False


@contextmanager
def warp_everywhere() -> Iterator[None]:
    """Run the Warp kernels on CPU tensors too: so the code for CUDA is checked on every machine. For tests."""
    global _everywhere
    before, _everywhere = _everywhere, True
    try:
        yield
    finally:
        _everywhere = before


def usable(tensor: torch.Tensor) -> bool:
    """Whether the Warp kernels are for this tensor; one on a GPU whose driver is too old does not come so far."""
    return tensor.is_cuda or _everywhere


def launch(kernel: wp.Kernel, dim: int | tuple[int, ...], *arguments) -> None:
    """Run a Warp kernel over `dim` threads; tensors are handed over as they lie, without a copy, contiguous or not.

    It runs on the device of the first tensor, and there on torch's current stream, so it is in order with torch's own
    work and nothing is waited for. A type that the kernel does not declare is refused (Warp's RuntimeError), and what
    is too large for Warp's 32-bit counters too (ValueError).
    """
    _refuse_too_large(dim, [argument for argument in arguments if isinstance(argument, torch.Tensor)])
    wp.init()
    first = next(argument for argument in arguments if isinstance(argument, torch.Tensor))
    device = wp.device_from_torch(first.device)
    stream = wp.stream_from_torch(first.device) if first.is_cuda else None
    given = [
        wp.from_torch(value, requires_grad=False) if isinstance(value, torch.Tensor) else value for value in arguments
    ]
    _announce_compiling(kernel.module, device.is_cpu)
    wp.launch(kernel, dim, given, device=device, stream=stream, block_dim=_block(device.is_cpu))


def _refuse_too_large(dim: int | tuple[int, ...], tensors: list[torch.Tensor]) -> None:
    threads = math.prod(dim) if isinstance(dim, tuple) else dim
    if threads > _MOST:
        raise ValueError(f"{threads:,} threads are more than the {_MOST:,} of one launch: give less at a time")
    for tensor in tensors:
        steps = (step for size, step in zip(tensor.shape, tensor.stride(), strict=True) if size > 1)
        if max(*tensor.shape, *(step * tensor.element_size() for step in steps), 0, 0) > _MOST:
            raise ValueError(
                f"a tensor of {tuple(tensor.shape)} is too large: no side, nor the bytes from one row to the next, may "
                f"exceed {_MOST:,}: give less at a time"
            )


def _block(on_cpu: bool) -> int:
    return 1 if on_cpu else 256  # threads, as Warp would choose


@functools.cache
def _announce_compiling(module: wp.Module, on_cpu: bool) -> None:
    """Before the first launch of a module: tell where that will have to compile it.

    Another GPU, for which the binary of the first is of no use, is not told of.
    """
    folder = Path(wp.config.kernel_cache_dir, module.get_module_identifier(_block(on_cpu)))
    binaries = {".o"} if on_cpu else {".cubin", ".ptx"}
    if not any(file.suffix in binaries for file in folder.glob("*")):
        compiling.announce()


def carried(operation: Callable) -> Callable:
    """Wraps an operation: tensors on a device without kernels go to the CPU, and the result goes back, gradients too.

    That is so for Apple's GPUs, and for CUDA where the driver is older than Warp wants. It is said once.
    """

    @functools.wraps(operation)
    def anywhere(*arguments, **named):
        home = next((value.device for value in _tensors([*arguments, *named.values()])), torch.device("cpu"))
        if home.type == "cpu" or (home.type == "cuda" and _driver_fits()):
            return operation(*arguments, **named)
        _say_once(home.type)
        return _moved(operation(*_moved(arguments, "cpu"), **_moved(named, "cpu")), home)

    return anywhere


@functools.cache
def _driver_fits() -> bool:
    wp.init()
    return wp.is_cuda_available()


@functools.cache
def _say_once(kind: str) -> None:
    why = "Warp wants an NVIDIA driver R580 or newer: update it" if kind == "cuda" else f"no kernel is for {kind}"
    warnings.warn(f"Rasterising, sampling and splatting run on the CPU: {why}", RuntimeWarning, stacklevel=3)


def _tensors(value) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _tensors([*value.values()])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)


def _moved(value, device):
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, Mapping):
        return {key: _moved(each, device) for key, each in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_moved(each, device) for each in value))
    if isinstance(value, list | tuple):
        return type(value)(_moved(each, device) for each in value)
    return value
