"""The ground of the CUDA kernels, on Warp's CPU device: tensors as they lie, where there are no kernels, compiling."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import warp as wp

from backend.report import Cancelled
from kernels import cuda, rotations_cuda
from kernels.antialias import antialias
from kernels.compiling import announced
from kernels.composite import composite
from kernels.hash_encode import hash_encode
from kernels.interpolate import interpolate
from kernels.march import march, occupied
from kernels.morton import morton_order
from kernels.plane_sample import AXES, plane_sample
from kernels.rasterize import rasterize
from kernels.softmax_splat import softmax_splat
from kernels.total_variation import total_variation
from kernels.voxel_sample import voxel_sample
from tests.learned import scenes

ROOT = Path(__file__).resolve().parents[2]


@wp.kernel
def scaled_rows(values: wp.array2d(dtype=float), scale: float, out: wp.array2d(dtype=float)):
    i, j = wp.tid()
    out[i, j] = scale * values[i, j] + float(100 * i)


def test_a_launch_sees_tensors_as_they_lie():
    values = torch.arange(12.0).reshape(3, 4)
    out = torch.zeros(8, 3)[::2]  # (4, 3), every second row of another
    cuda.launch(scaled_rows, (4, 3), values.T, 2.0, out)
    torch.testing.assert_close(out, 2 * values.T + 100 * torch.arange(4.0)[:, None])


def test_a_launch_reads_a_tensor_that_wants_a_gradient_and_leaves_it_alone():
    values = torch.ones(2, 2, requires_grad=True)
    out = torch.zeros(2, 2)
    cuda.launch(scaled_rows, (2, 2), values, 1.0, out)
    assert out.tolist() == [[1, 1], [101, 101]]
    assert values.grad is None


def test_a_launch_over_nothing_does_nothing():
    empty = torch.empty(0, 3)
    cuda.launch(scaled_rows, (0, 3), empty, 1.0, empty)


def test_a_launch_refuses_a_type_that_the_kernel_does_not_declare():
    with pytest.raises(RuntimeError, match="dtype"):
        cuda.launch(scaled_rows, (2, 2), torch.ones(2, 2).double(), 1.0, torch.zeros(2, 2))


def test_a_launch_refuses_what_overflows_warps_counters():
    small = torch.empty(2, 2, device="meta")  # refused before anything looks where it lies
    for dim in (2**31, (2**16, 2**15)):
        with pytest.raises(ValueError, match=r"^2,147,483,648 threads are more than the 2,147,483,647 of one launch"):
            cuda.launch(scaled_rows, dim, small, 1.0, small)
    for shape in ((2, 2**29), (2**31, 1)):
        with pytest.raises(ValueError, match=rf"^a tensor of \({shape[0]}, {shape[1]}\) is too large"):
            cuda.launch(scaled_rows, (2, 2), small, 1.0, torch.empty(shape, device="meta"))
    largest = [torch.empty(shape, device="meta") for shape in ((1, 2**29), (2, 2**28), (), (0, 3))]
    cuda._refuse_too_large((2**16 - 1, 2**15), largest)


def test_warp_is_for_cpu_tensors_only_where_a_test_asks_for_it():
    tensor = torch.ones(1)
    assert not cuda.usable(tensor)
    with cuda.warp_everywhere():
        with cuda.warp_everywhere():
            assert cuda.usable(tensor)
        assert cuda.usable(tensor)
    with pytest.raises(KeyError), cuda.warp_everywhere():
        raise KeyError
    assert not cuda.usable(tensor)


# --- Where a device has no kernels


class OnApple(torch.Tensor):
    """It says that it lies on Apple's GPU, wherever the test runs."""

    device = torch.device("mps")


class OnNvidia(torch.Tensor):
    device = torch.device("cuda", 0)


class Pair(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor
    note: str


@pytest.fixture(params=[OnApple, OnNvidia])
def elsewhere(request, monkeypatch):
    """A kind of tensor whose device has no kernels, and to which results can go back."""
    kinds = {torch.device("cpu"): torch.Tensor, request.param.device: request.param}
    to = torch.Tensor.to

    def moved(tensor, *how, **named):
        if isinstance(how[0], str | torch.device):
            tensor, how = tensor.as_subclass(kinds[torch.device(how[0])]), how[1:]
        return to(tensor, *how, **named) if how or named else tensor

    monkeypatch.setattr(torch.Tensor, "to", moved)
    monkeypatch.setattr(cuda, "_driver_fits", lambda: False)
    cuda._say_once.cache_clear()
    yield request.param
    cuda._say_once.cache_clear()


def called_with(*arguments, **named) -> tuple:
    """What the operation of these tests got, and what came back from it."""
    got = []

    @cuda.carried
    def operation(planes: dict, points, *, weights: list, scale: float) -> Pair:
        """Notes what it is given."""
        got.extend([planes["xy"], points, *weights])
        return Pair(points * scale, [planes["xy"] * sum(weights)], "a note")

    assert operation.__doc__ == "Notes what it is given."
    return got, operation(*arguments, **named)


def test_tensors_on_a_device_without_kernels_go_to_the_cpu_and_results_come_back(elsewhere):
    planes, points, weights = (torch.tensor([value]).as_subclass(elsewhere) for value in (2.0, 3.0, 5.0))
    with pytest.warns(RuntimeWarning, match="run on the CPU"):
        got, result = called_with({"xy": planes}, points, weights=[weights, weights], scale=7.0)
    assert [type(tensor) for tensor in got] == [torch.Tensor] * 4
    assert isinstance(result, Pair)
    assert (result.first.item(), result.second[0].item(), result.note) == (21, 20, "a note")
    assert type(result.first) is type(result.second[0]) is elsewhere


def test_gradients_come_back_to_the_device_too(elsewhere):
    points = torch.tensor([3.0]).as_subclass(elsewhere).requires_grad_()
    weight = torch.tensor([5.0]).as_subclass(elsewhere).requires_grad_()
    with pytest.warns(RuntimeWarning):
        _, result = called_with({"xy": torch.tensor([2.0]).as_subclass(elsewhere)}, points, weights=[weight], scale=7.0)
    (result.first + result.second[0]).sum().backward()
    assert (points.grad.item(), weight.grad.item()) == (7, 2)


def test_that_it_runs_on_the_cpu_is_said_once_where_the_caller_stands_and_with_what_to_do(elsewhere):
    one = torch.ones(1).as_subclass(elsewhere)
    operation = cuda.carried(lambda tensor: tensor)
    with pytest.warns(RuntimeWarning) as said:
        assert operation(one) is not operation(one)
    (warning,) = said
    assert warning.filename == __file__
    assert ("driver R580 or newer: update it" in str(warning.message)) == (elsewhere is OnNvidia)


def operations() -> dict[str, tuple[Callable, tuple]]:
    """Every operation, with arguments for it."""
    positions, faces = scenes.ball(subdivisions=1, views=2)
    fragments = rasterize(positions, faces, 8, 9)
    generator = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.rand(shape, generator=generator) * 1.8 - 0.9

    offsets, neighbours = torch.tensor([0, 2, 4, 6]), torch.tensor([1, 2, 0, 2, 0, 1])
    return {
        "rasterize": (rasterize, (positions, faces, 8, 9)),
        "interpolate": (interpolate, (random(positions.shape[1], 3), positions, faces, fragments)),
        "antialias": (antialias, (random(2, 8, 9, 3), positions, faces, fragments)),
        "plane_sample": (plane_sample, (random(7, 4), [{name: random(4, 5, 3) for name in AXES}], "sum")),
        "voxel_sample": (voxel_sample, (random(7, 3), random(4, 5, 3, 2))),
        "hash_encode": (hash_encode, (random(7, 3), random(27 + 32, 2), [2, 5], 32, True)),
        "march": (march, (random(7, 3), random(7, 3), -random(7).abs(), random(7).abs(), 5, None, random(3, 2, 4) > 0)),
        "occupied": (occupied, (random(7, 3), random(3, 2, 4) > 0)),
        "composite": (composite, (random(7), random(7, 2), random(7, 2), torch.tensor([0, 3, 3, 7]))),
        "total_variation": (total_variation, (random(4, 5, 3, 2),)),
        "morton_order": (morton_order, (random(7, 4),)),
        "softmax_splat": (softmax_splat, (random(2, 3, 5, 6), random(2, 2, 5, 6), random(2, 1, 5, 6))),
        "nearest_rotation": (rotations_cuda.nearest_rotation, (random(4, 3, 3),)),
        "arap_local_step": (
            rotations_cuda.arap_local_step,
            (random(3, 3), random(3, 3), offsets, neighbours, random(6).abs()),
        ),
    }


@pytest.mark.parametrize("name", operations())
def test_each_operation_is_carried(name, elsewhere):
    operation, arguments = operations()[name]
    wanted = [*cuda._tensors([operation(*arguments)])]
    given = cuda._moved(arguments, elsewhere.device)
    with pytest.warns(RuntimeWarning, match="run on the CPU"):
        found = [*cuda._tensors([operation(*given)])]
    assert {type(tensor) for tensor in found} == {elsewhere}
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one.as_subclass(torch.Tensor), other, rtol=0, atol=0, equal_nan=True)


def test_on_the_cpu_and_where_the_driver_fits_nothing_is_moved_or_said(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "to", None)
    monkeypatch.setattr(cuda, "_driver_fits", lambda: True)
    for kind in (torch.Tensor, OnNvidia):
        one = torch.ones(1).as_subclass(kind)
        got, result = called_with({"xy": one}, one, weights=[one], scale=2.0)
        assert all(tensor is one for tensor in got)
        assert result.first.item() == 2


# --- Compiling

COUNTED = """
import torch
import warp as wp
from kernels import cuda, rotations_cuda
from kernels.antialias import antialias
from kernels.compiling import announced
from kernels.interpolate import interpolate
from kernels.morton import morton_order
from kernels.plane_sample import AXES, plane_sample
from kernels.rasterize import rasterize
from kernels.softmax_splat import softmax_splat
from tests.learned import scenes

@wp.kernel
def filled(out: wp.array(dtype=float)):
    out[wp.tid()] = 7.0

told, out = [], torch.zeros(3)
with announced(lambda: told.append("told")):
    for _ in range(2):
        cuda.launch(filled, 3, out)
        told.append(out.sum().item())
print(*told)
"""


def test_the_first_launch_of_a_module_announces_that_it_compiles_unless_it_is_on_the_disk(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(COUNTED)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "WARP_CACHE_PATH": str(tmp_path / "cache")}
    options = {"env": environment, "capture_output": True, "text": True, "timeout": 120, "check": True}
    said = [subprocess.run([sys.executable, path], **options).stdout.splitlines()[-1] for _ in range(2)]
    assert said == ["told 21.0 21.0", "21.0 21.0"]


def test_a_job_cancelled_where_a_module_compiles_leaves_it_fit_to_be_compiled():
    @wp.kernel(module="unique")
    def counted(out: wp.array(dtype=float)):
        out[wp.tid()] = float(wp.tid())

    def cancel():
        raise Cancelled

    out = torch.zeros(3)
    shutil.rmtree(Path(wp.config.kernel_cache_dir, counted.module.get_module_identifier(1)), ignore_errors=True)
    with announced(cancel), pytest.raises(Cancelled):
        cuda.launch(counted, 3, out)
    told = []
    with announced(lambda: told.append(1)):
        cuda.launch(counted, 3, out)
    assert out.tolist() == [0, 1, 2]
    assert told == [1]
