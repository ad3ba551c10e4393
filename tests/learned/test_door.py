"""What the operations refuse where their arguments come in, each with a sentence that names the argument."""

import numpy as np
import pytest
import torch

from kernels import door


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", door.FLOATS)
def test_one_value_that_is_not_finite_is_refused_wherever_it_stands(bad, dtype):
    for place in (0, 7, 23):
        tensor = torch.arange(24, dtype=dtype)
        tensor[place] = bad
        for view in (tensor.reshape(4, 6).T, tensor.requires_grad_()):
            with pytest.raises(ValueError, match=r"^flow holds NaN or infinity$"):
                door.finite(image=torch.ones(2), flow=view)


def test_finite_takes_the_largest_numbers_and_nothing_at_all():
    door.finite(most=torch.tensor([3e38, 3e38, -3e38]), none=torch.empty(0, 3))


def test_a_shape_is_refused_with_the_one_that_is_wanted():
    door.shaped("faces", torch.empty(5, 3), None, 3)
    door.shaped("scale", torch.tensor(1.0))
    for shape in ((3,), (5, 4), (5, 3, 1)):
        with pytest.raises(ValueError) as refused:
            door.shaped("faces", torch.empty(shape), None, 3)
        assert str(refused.value) == f"faces must have the shape (any, 3), not {shape}"


def test_one_type_and_one_device_are_wanted():
    for dtype in door.FLOATS:
        door.alike(image=torch.ones(2, dtype=dtype), flow=torch.ones(1, dtype=dtype))
    with pytest.raises(ValueError, match=r"^flow \(torch.float64, cpu\) must be .* with image \(torch.float32, cpu\)$"):
        door.alike(image=torch.ones(2), flow=torch.ones(2).double())
    with pytest.raises(ValueError, match=r"^flow \(torch.float32, meta\) must be of one type and device with image"):
        door.alike(image=torch.ones(2), flow=torch.ones(2, device="meta"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int32, torch.complex64])
def test_other_numbers_than_two_sorts_of_floats_are_refused(dtype):
    with pytest.raises(ValueError, match=rf"^image must be float32 or float64, not {dtype}: call .float\(\) on it$"):
        door.alike(image=torch.ones(2, dtype=dtype))


def test_float64_is_refused_on_cuda():
    class OnCuda(torch.Tensor):
        is_cuda = True

    door.alike(image=torch.ones(2).as_subclass(OnCuda))
    with pytest.raises(ValueError, match=r"^image must be float32 on CUDA, not torch.float64"):
        door.alike(image=torch.ones(2).double().as_subclass(OnCuda))


def test_what_is_no_tensor_is_refused_by_every_check():
    array = np.ones((2, 3), np.float32)
    for check in (
        lambda value: door.shaped("faces", value, None, 3),
        lambda value: door.alike(faces=value),
        lambda value: door.alike(image=torch.ones(2), faces=value),
        lambda value: door.finite(faces=value),
        lambda value: door.indices("faces", value, 0, 5),
    ):
        with pytest.raises(ValueError, match=r"^faces must be a torch tensor, not a numpy array: torch.from_numpy"):
            check(array)
        with pytest.raises(ValueError, match=r"^faces must be a torch tensor, not list$"):
            check(array.tolist())


def test_finite_looks_at_all_values_at_once_and_finds_whose_they_are(monkeypatch):
    looks, look = [], torch.Tensor.__bool__
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda tensor: looks.append(1) or look(tensor))
    given = {"image": torch.ones(5), "flow": torch.ones(2, 3).double(), "metric": torch.ones(4, dtype=torch.float32)}
    door.finite(**given)
    assert len(looks) == 1
    for name in given:
        with pytest.raises(ValueError, match=f"^{name} holds NaN or infinity$"):
            door.finite(**given | {name: torch.tensor([1.0, np.nan])})


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_indices_lie_in_the_range(dtype):
    door.indices("faces", torch.tensor([[0, 4], [2, -1]], dtype=dtype), -1, 5)
    door.indices("faces", torch.empty(0, 3, dtype=dtype), 0, 0)
    for value in (-1, 5):
        with pytest.raises(ValueError) as refused:
            door.indices("faces", torch.tensor([[2, value]], dtype=dtype), 0, 5)
        assert str(refused.value) == f"faces must lie in 0..4, not {min(2, value)}..{max(2, value)}"
    with pytest.raises(ValueError, match=r"^faces must be empty: there is nothing that it could index$"):
        door.indices("faces", torch.tensor([[0, 1, 2]], dtype=dtype), 0, 0)


def test_indices_are_whole_numbers_on_the_device_that_is_named():
    for dtype in (torch.float32, torch.bool, torch.int16):
        with pytest.raises(ValueError, match=f"^faces must be int32 or int64, not {dtype}$"):
            door.indices("faces", torch.ones(2, dtype=dtype), 0, 5)
    faces = torch.tensor([1, 2])
    door.indices("faces", faces, 0, 5, torch.device("cpu"))
    with pytest.raises(ValueError, match=r"^faces must lie on cpu, not on meta$"):
        door.indices("faces", faces.to("meta"), 0, 5, torch.device("cpu"))
