"""What the operations check of their arrays, torch or no torch. Errors are ValueError and name the argument."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Reals = NDArray[np.float64]
Integers = NDArray[np.integer]


def shaped(name: str, array, *shape: int | None) -> None:
    """Refuse another shape; None stands for any size. For numpy arrays and torch tensors."""
    fits = array.ndim == len(shape) and all(want in (None, has) for has, want in zip(array.shape, shape, strict=True))
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} must have the shape ({wanted}), not {tuple(array.shape)}")


def reals(name: str, values: ArrayLike, *shape: int | None, most: float = np.inf) -> Reals:
    """As contiguous float64. Refuses another shape, what is no real number, NaN, infinity, and sizes beyond `most`."""
    array = _array(name, values)
    shaped(name, array, *shape)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be real numbers, not {array.dtype}")
    array = np.ascontiguousarray(array, np.float64)
    lowest, highest = (array.min(), array.max()) if array.size else (0.0, 0.0)  # NaN goes through to both
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise ValueError(f"{name} holds NaN or infinity")
    if max(highest, -lowest) > most:
        raise ValueError(f"{name} must not exceed {most:g} in size: in another unit it will not")
    return array


def rows(name: str, values: ArrayLike, count: int, *shape: int | None) -> Integers:
    """Contiguous integers. Refuses another shape, and what is no row of an array of `count` rows."""
    array = _array(name, values)
    shaped(name, array, *shape)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, not {array.dtype}")
    if array.size and count == 0:
        raise ValueError(f"{name} must be empty: there is nothing that it could index")
    if array.size and not 0 <= array.min() <= array.max() < count:
        raise ValueError(f"{name} must lie in 0..{count - 1}, not {array.min()}..{array.max()}")
    return np.ascontiguousarray(array)


def _array(name: str, values: ArrayLike) -> NDArray:
    # numpy would take a torch tensor too, and lose its gradient; one on a GPU it cannot take
    if not isinstance(values, np.ndarray | list | tuple):
        raise ValueError(f"{name} must be a numpy array or a list, not {type(values)}")
    return np.asarray(values)
