"""From torch tensors to Warp kernels, and what happens where there is no kernel for a tensor's device."""

import functools
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
import warp as wp

wp.config.log_level = wp.LOG_ERROR  # what its absence means for the user is said below, in our words

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
    """Whether Warp kernels run on this tensor: on CUDA where Warp takes the driver, on the CPU never of itself."""
    return _everywhere if tensor.device.type == "cpu" else tensor.is_cuda and _driver_fits()


@functools.cache
def _driver_fits() -> bool:
    wp.init()
    return wp.is_cuda_available()


def launch(kernel: wp.Kernel, dim: int | tuple[int, ...], *arguments) -> None:
    """Run a Warp kernel over `dim` threads; tensors are handed over without a copy, and must be contiguous.

    It runs on the device of the first tensor, and there on torch's current stream, so it is in order with torch's own
    work and nothing is waited for.
    """
    wp.init()
    first = next(argument for argument in arguments if isinstance(argument, torch.Tensor))
    stream = wp.stream_from_torch(torch.cuda.current_stream(first.device)) if first.is_cuda else None
    given = [wp.from_torch(value.detach()) if isinstance(value, torch.Tensor) else value for value in arguments]
    wp.launch(kernel, dim, given, device=wp.device_from_torch(first.device), stream=stream)


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
        result = operation(
            *(_moved(value, "cpu") for value in arguments),
            **{key: _moved(value, "cpu") for key, value in named.items()},
        )
        return _moved(result, home)

    return anywhere


@functools.cache
def _say_once(kind: str) -> None:
    why = "the NVIDIA driver is older than R580: update it" if kind == "cuda" else f"there are no kernels for {kind}"
    warnings.warn(f"Rasterising, sampling and splatting run on the CPU, because {why}", RuntimeWarning, stacklevel=4)


def _tensors(value) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _tensors(list(value.values()))
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
