import itertools
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from kernels import cuda
from kernels import hash_encode as operation
from kernels.hash_encode import hash_encode, hash_encode_reference, table_rows

SIZES, ROWS = [3, 5, 9, 17], 2**8  # corners 64, 216, and then more than rows


@pytest.fixture(params=["numba", "warp"])
def version(request):
    with cuda.warp_everywhere() if request.param == "warp" else nullcontext():
        yield request.param


def random_points(count=300, dtype=torch.float32, reach=1.2, seed=0):
    """Some of them outside."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(count, 3, generator=generator, dtype=torch.float64) * 2 * reach - reach).to(dtype)


def random_table(channels=2, dtype=torch.float32, sizes=SIZES, rows=ROWS):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(sum(table_rows(sizes, rows)), channels, generator=generator, dtype=torch.float64).to(dtype)


def with_gradients(encode, points, table):
    """Features, and the gradients of points and table for a random gradient of the features."""
    points, table = points.detach().requires_grad_(), table.detach().requires_grad_()
    out = encode(points, table, SIZES, ROWS)
    gradient = torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(out.dtype)
    return [out.detach(), *torch.autograd.grad(out, [points, table], gradient)]


def sloped_reference(points, table):
    """(N, L F, 3): the definition's derivatives, one feature after the other."""
    points = points.detach().requires_grad_()
    out = hash_encode_reference(points, table, SIZES, ROWS)
    columns = [torch.autograd.grad(column.sum(), points, create_graph=True)[0] for column in out.unbind(dim=1)]
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_value_and_gradients_are_the_reference_s(version, channels):
    points, table = random_points(), random_table(channels)
    got = with_gradients(hash_encode, points, table)
    for a, b in zip(got, with_gradients(hash_encode_reference, points.double(), table.double()), strict=True):
        assert a.dtype == torch.float32
        torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-4)


def test_in_double_precision_they_are_so_to_its_rounding():
    points, table = random_points(dtype=torch.float64), random_table(3, torch.float64)
    wanted = with_gradients(hash_encode_reference, points, table)
    for a, b in zip(with_gradients(hash_encode, points, table), wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


def test_gradients_are_finite_differences():
    points = random_points(8, torch.float64, seed=3).requires_grad_()
    table = random_table(2, torch.float64, [2, 5], 2**5).requires_grad_()
    assert torch.autograd.gradcheck(lambda *given: hash_encode(*given, [2, 5], 2**5), (points, table))


def test_slopes_are_the_reference_s_and_the_table_learns_from_them(version):
    dtype = torch.float64 if version == "numba" else torch.float32
    points, table = random_points(120, dtype), random_table(dtype=dtype).requires_grad_()
    features, slopes = hash_encode(points, table, SIZES, ROWS, slopes=True)
    exact = table.detach().double().requires_grad_()
    wanted = hash_encode_reference(points.double(), exact, SIZES, ROWS), sloped_reference(points.double(), exact)
    draw = torch.Generator().manual_seed(2)
    grads = [torch.randn(each.shape, generator=draw, dtype=torch.float64) for each in wanted]
    (found,) = torch.autograd.grad([features, slopes], [table], [each.to(dtype) for each in grads])
    (want,) = torch.autograd.grad(wanted, [exact], grads)
    tolerance = 1e-10 if version == "numba" else 3e-4
    for a, b in zip([features, slopes, found], [*wanted, want], strict=True):
        torch.testing.assert_close(a.double(), b, rtol=tolerance, atol=tolerance)
    assert features.requires_grad and not slopes[points.abs()[:, 0] > 1][..., 0].any()


def test_a_level_that_fits_into_its_table_blends_between_its_corners(version):
    steep = torch.tensor([[1.0, 0.2], [-2.0, 0.3], [3.0, 0.5]])
    corners = torch.cartesian_prod(*[torch.arange(5.0)] * 3) / 4 * 2 - 1
    points = random_points(reach=1.0)
    features, slopes = hash_encode(points, corners @ steep, [4], 2**7, slopes=True)
    torch.testing.assert_close(features, points @ steep, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(slopes, steep.T.expand(300, 2, 3), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rows", [2**6, 2**14])
def test_the_rows_of_a_level_that_does_not_fit_are_the_paper_s_hash_in_32_bits(version, rows):
    """At a corner a level says its row alone; what it holds here is its own number."""
    corners = torch.randint(0, 4097, (500, 3), generator=torch.Generator().manual_seed(0))
    corners[:2] = torch.tensor([[0, 0, 0], [4096, 4096, 4096]])
    x, y, z = corners.numpy().astype(np.uint32).T
    with np.errstate(over="ignore"):
        want = (x ^ (y * np.uint32(2_654_435_761)) ^ (z * np.uint32(805_459_861))) % np.uint32(rows)
    places = (corners / 2048 - 1).float()
    assert hash_encode(places, torch.arange(float(rows))[:, None], [4096], rows)[:, 0].tolist() == want.tolist()


def test_a_level_whose_corners_just_fill_the_table_is_not_hashed(version):
    table = torch.randn(2**6, 1, generator=torch.Generator().manual_seed(1))  # 4 corners along a side
    corners = torch.cartesian_prod(*[torch.arange(4.0)] * 3) / 3 * 2 - 1
    torch.testing.assert_close(hash_encode(corners, table, [3], 2**6), table, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(hash_encode_reference(corners, table, [3], 2**6), table, rtol=1e-5, atol=1e-5)


def test_beyond_the_walls_is_what_the_wall_has_and_no_slope(version):
    points, table = random_points(reach=3.0), random_table()
    encode = lambda points: hash_encode(points, table, SIZES, ROWS)  # noqa: E731
    torch.testing.assert_close(encode(points), encode(points.clamp(-1, 1)))
    moved = points.clone().requires_grad_()
    encode(moved).sum().backward()
    assert torch.equal(moved.grad == 0, points.abs() > 1)
    far = torch.tensor([[-1e30, 1e30, 1e30]])
    torch.testing.assert_close(encode(far), encode(far.sign()))


@pytest.mark.parametrize("asked", [0, 1])
def test_only_what_is_asked_for_has_a_gradient_and_takes_room(version, monkeypatch, asked):
    wanted, sizes = with_gradients(hash_encode, random_points(70), random_table())[1 + asked], []
    for name in ("_backward_on_cpu", "_backward_on_cuda"):
        run = getattr(operation, name)

        def spy(*arguments, run=run):
            sizes.extend(tensor.numel() > 0 for tensor in arguments[-3:])
            run(*arguments)

        monkeypatch.setattr(operation, name, spy)
    given = [random_points(70), random_table()]
    given[asked].requires_grad_()
    out = hash_encode(*given, SIZES, ROWS)
    out.backward(torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).float())
    torch.testing.assert_close(given[asked].grad, wanted, rtol=1e-6, atol=1e-6)
    assert sizes == [False, asked == 1, asked == 0]


def test_without_points_there_is_nothing_and_no_gradient(version):
    out, to_points, to_table = with_gradients(hash_encode, torch.zeros(0, 3), random_table())
    assert out.shape == (0, 8) and to_points.shape == (0, 3) and not to_table.any()


def test_strides_do_not_matter(version):
    points, table = random_points(60), random_table(3)
    spread, strided = points.T.contiguous().T, table.T.contiguous().T
    for a, b in itertools.zip_longest(
        with_gradients(hash_encode, points, table), with_gradients(hash_encode, spread, strided)
    ):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"points": torch.full((3, 3), torch.nan)}, "points holds NaN"),
        ({"points": torch.zeros(3, 4)}, r"points must have the shape \(any, 3\)"),
        ({"table": torch.zeros(36, 2)}, r"table must have the shape \(35, any\)"),
        ({"table": torch.zeros(35, 2).double()}, "table .* must be of one type and device with points"),
        ({"rows": 9}, "power of two, not 9"),
        ({"rows": 0}, "power of two, not 0"),
        ({"sizes": []}, "a level there must be"),
        ({"sizes": [2, 0]}, "a cell along a side"),
        ({"points": torch.zeros(3, 3, requires_grad=True), "slopes": True}, "detach the points"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(change, sentence):
    arguments = {"points": torch.zeros(3, 3), "table": torch.zeros(27 + 8, 2), "sizes": [2, 1], "rows": 2**5, **change}
    with pytest.raises(ValueError, match=sentence):
        hash_encode(**arguments)
