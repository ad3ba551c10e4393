import itertools
from contextlib import nullcontext

import pytest
import torch
from torch.nn.functional import grid_sample

from kernels import cuda
from kernels import voxel_sample as operation
from kernels.voxel_sample import voxel_sample, voxel_sample_reference


@pytest.fixture(params=["numba", "warp"])
def version(request):
    with cuda.warp_everywhere() if request.param == "warp" else nullcontext():
        yield request.param


def random_points(count, dtype=torch.float32, seed=0):
    """Some of them outside."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, generator=generator, dtype=dtype) * 2.4 - 1.2


def random_grid(channels=4, sides=(5, 7, 4), dtype=torch.float32):
    return torch.randn(*sides, channels, generator=torch.Generator().manual_seed(1), dtype=dtype)


def with_gradients(sample, points, grid):
    """Features, and the gradients of points and grid for a random gradient of the features."""
    points, grid = points.detach().requires_grad_(), grid.detach().requires_grad_()
    out = sample(points, grid)
    gradient = torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(out.dtype)
    return [out.detach(), *torch.autograd.grad(out, [points, grid], gradient)]


def assert_as_reference(points, grid):
    got = with_gradients(voxel_sample, points, grid)
    tolerance = 1e-12 if points.dtype == torch.float64 else 3e-5
    for a, b in zip(got, with_gradients(voxel_sample_reference, points.double(), grid.double()), strict=True):
        assert a.dtype == points.dtype
        torch.testing.assert_close(a.double(), b, rtol=tolerance, atol=tolerance)


def test_the_definition_is_grid_sample_inside_of_the_cube():
    points, grid = random_points(200, torch.float64) / 1.2, random_grid(dtype=torch.float64)

    def theirs(points, grid):
        picture = grid.permute(3, 2, 1, 0)[None]  # it wants (1, C, z, y, x)
        return grid_sample(picture, points[None, None, None], align_corners=True)[0, :, 0, 0].T

    for a, b in zip(
        with_gradients(voxel_sample_reference, points, grid), with_gradients(theirs, points, grid), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("channels", [1, 4, 11])
def test_value_and_gradients_are_the_reference_s(version, channels):
    assert_as_reference(random_points(700), random_grid(channels))


def test_in_double_precision_they_are_so_to_its_rounding():
    assert_as_reference(random_points(300, torch.float64), random_grid(7, dtype=torch.float64))


@pytest.mark.parametrize("channels", [3, 4])
def test_gradients_are_finite_differences(channels):
    points = random_points(12, torch.float64, seed=3).requires_grad_()
    grid = random_grid(channels, (3, 2, 4), torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(voxel_sample, (points, grid), fast_mode=False)


def test_a_bright_sample_is_seen_where_it_was_put(version):
    grid = torch.zeros(5, 9, 3, 4)
    grid[1, 6, 2, 2] = 3.0
    steps = torch.arange(17.0)
    points = torch.cartesian_prod(*[steps / 8 - 1] * 3)
    out = voxel_sample(points, grid).view(17, 17, 17, 4)
    # four steps a cell along x, two along y and eight along z: a tent about samples 1 of 5, 6 of 9 and 2 of 3
    tents = ((1 - (steps / cell - at).abs()).clamp(min=0) for cell, at in ((4, 1), (2, 6), (8, 2)))
    torch.testing.assert_close(out[..., 2], 3 * torch.einsum("i,j,k->ijk", *tents))
    assert not out[..., [0, 1, 3]].any()


def test_the_walls_belong_to_the_cube_and_outside_is_nothing(version):
    grid = random_grid()
    corners = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=3)))
    i, j, k = ((corners > 0).long() * -1).unbind(dim=1)
    assert torch.equal(voxel_sample(corners, grid), grid[i, j, k])
    outside = corners * torch.tensor([1 + 1e-6, 1, 1])
    outside = torch.cat([outside, outside.roll(1, dims=1), outside.roll(2, dims=1), corners * 1e30])
    assert all(not each.any() for each in with_gradients(voxel_sample, outside, grid))


@pytest.mark.parametrize("sides", [(1, 6, 2), (6, 1, 1), (2, 3, 1)])
def test_one_sample_along_an_axis_is_a_constant(version, sides):
    grid, points = random_grid(sides=sides), random_points(60)
    wide = grid.expand(*(max(side, 2) for side in sides), 4)
    assert_as_reference(points, grid)
    torch.testing.assert_close(voxel_sample(points, grid), voxel_sample(points, wide))


def test_points_in_one_cell_add_up(version):
    assert_as_reference(random_points(900) * 0.01 + 0.137, random_grid(sides=(6, 5, 4)))


def test_strides_do_not_matter(version):
    points, grid = random_points(80), random_grid()
    spread, strided = points.T.contiguous().T, grid.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    assert not strided.is_contiguous()
    for a, b in zip(
        with_gradients(voxel_sample, points, grid), with_gradients(voxel_sample, spread, strided), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("asked", [0, 1])
def test_only_what_is_asked_for_has_a_gradient_and_takes_room(version, monkeypatch, asked):
    wanted = with_gradients(voxel_sample, random_points(70), random_grid())[1 + asked]
    sizes = []

    def spied(run):
        def spy(*arguments):
            sizes.extend(tensor.numel() > 0 for tensor in arguments[-2:])
            run(*arguments)

        return spy

    for name in ("_backward_on_cpu", "_backward_on_cuda"):
        monkeypatch.setattr(operation, name, spied(getattr(operation, name)))
    given = [random_points(70), random_grid()]
    given[asked].requires_grad_()
    out = voxel_sample(*given)
    out.backward(torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).float())
    torch.testing.assert_close(given[asked].grad, wanted, rtol=1e-6, atol=1e-6)
    assert sizes == [asked == 1, asked == 0]


def test_without_points_there_is_nothing_and_no_gradient(version):
    out, to_points, to_grid = with_gradients(voxel_sample, torch.zeros(0, 3), random_grid())
    assert out.shape == (0, 4) and to_points.shape == (0, 3) and not to_grid.any()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"points": torch.full((3, 3), torch.nan)}, "points holds NaN"),
        ({"points": torch.zeros(3, 4)}, r"points must have the shape \(any, 3\)"),
        ({"grid": torch.zeros(2, 2, 4)}, "grid must have the shape"),
        ({"grid": torch.full((2, 2, 2, 1), torch.inf)}, "grid holds NaN or infinity"),
        ({"grid": torch.zeros(2, 0, 2, 1)}, "must have a sample and a channel"),
        ({"grid": torch.zeros(2, 2, 2, 1).double()}, "must be of one type and device with points"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(change, sentence):
    arguments = {"points": torch.zeros(3, 3), "grid": torch.zeros(2, 2, 2, 1), **change}
    with pytest.raises(ValueError, match=sentence):
        voxel_sample(**arguments)
