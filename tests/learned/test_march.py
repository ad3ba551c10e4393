"""Where rays ask: held to the definition, and to cells that are known."""

import itertools
from contextlib import nullcontext

import pytest
import torch

from kernels import cuda
from kernels.march import march, march_reference, occupied, occupied_reference

RADIUS = 0.8


@pytest.fixture(params=["numba", "warp"])
def version(request):
    with cuda.warp_everywhere() if request.param == "warp" else nullcontext():
        yield request.param


def random_rays(count=150, dtype=torch.float64):
    """Through the cube, some of them nowhere."""
    draw = torch.Generator().manual_seed(4)
    origin = 2 * torch.rand(count, 3, generator=draw, dtype=torch.float64) - 1
    direction = torch.nn.functional.normalize(torch.randn(count, 3, generator=draw, dtype=torch.float64), dim=1)
    begin = torch.rand(count, generator=draw, dtype=torch.float64)
    end = (begin + torch.rand(count, generator=draw, dtype=torch.float64)) * (torch.arange(count) % 5 > 0)
    return [each.to(dtype) for each in (origin, direction, begin, end)]


def random_cells(sides=(5, 7, 4)):
    return torch.rand(sides, generator=torch.Generator().manual_seed(1)) < 0.4


def random_share(count, samples, dtype=torch.float64):
    return torch.rand(count, samples, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize(("shared", "sparse"), [*itertools.product([False, True], repeat=2)])
def test_points_and_intervals_are_the_reference_s(version, shared, sparse):
    dtype = torch.float64 if version == "numba" else torch.float32  # in which a point on a cell's wall is rare
    rays, share, cells = random_rays(dtype=dtype), random_share(150, 6, dtype), random_cells()
    given = *rays, 6, share if shared else None, cells if sparse else None, RADIUS
    found, wanted = march(*given), march_reference(*given)
    assert torch.equal(found.starts, wanted.starts)
    for a, b in zip(found[:2], wanted[:2], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    assert 0 < len(found.points) <= 120 * 6 and (len(found.points) < 400) == sparse


def test_one_cell_is_asked_in_by_those_who_pass_through_it(version):
    """Along +y at z = 0.5, x = -0.5 and 0.5, through 4 x 2 x 2 cells of which one has something."""
    cells = torch.zeros(4, 2, 2, dtype=torch.bool)
    cells[1, 1, 1] = True  # x from -0.5 to 0, y and z from 0 to 1
    origin = torch.tensor([[-0.25, -3.0, 0.5], [0.25, -3.0, 0.5], [-0.25, -3.0, -0.5]])
    direction = torch.tensor([[0.0, 1.0, 0.0]]).expand(3, 3)
    found = march(origin, direction, torch.full((3,), 2.0), torch.full((3,), 4.0), 8, None, cells)
    assert found.starts.tolist() == [0, 4, 4, 4]
    torch.testing.assert_close(found.points[:, 1], torch.tensor([0.125, 0.375, 0.625, 0.875]))
    torch.testing.assert_close(found.intervals, torch.tensor([[3.0, 3.25], [3.25, 3.5], [3.5, 3.75], [3.75, 4.0]]))


def test_an_interval_ends_to_the_last_digit_where_the_next_begins(version):
    found = march(*random_rays(60, torch.float32), 37)
    same = torch.ones(len(found.points) - 1, dtype=torch.bool)
    same[found.starts[1:-1][found.starts[1:-1].diff(prepend=torch.zeros(1)) > 0] - 1] = False
    assert torch.equal(found.intervals[:-1, 1][same], found.intervals[1:, 0][same]) and same.sum() == 48 * 36


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_point_has_the_cell_that_it_lies_in_and_beyond_the_wall_the_nearest(dtype):
    cells, points = random_cells(), 2.5 * RADIUS * (random_share(500, 3) - 0.5).to(dtype)
    assert torch.equal(occupied(points, cells, RADIUS), occupied_reference(points, cells, RADIUS))
    for i, j, k in itertools.product(range(5), range(7), range(4)):
        middle = (torch.tensor([[i, j, k]]) + 0.5) / torch.tensor([5, 7, 4]) * 2 - 1
        assert occupied(RADIUS * middle.to(dtype), cells, RADIUS) == cells[i, j, k]
    far = torch.tensor([[-1e30, 1e30, 0.0]], dtype=dtype)
    assert occupied(far, cells, RADIUS) == cells[0, 6, 2]


def test_warp_finds_the_same_cells():
    points, cells = (2.5 * RADIUS * (random_share(500, 3) - 0.5)).float(), random_cells()
    with cuda.warp_everywhere():
        assert torch.equal(occupied(points, cells, RADIUS), occupied_reference(points, cells, RADIUS))


def test_rays_that_ask_nowhere_and_no_rays_have_no_points(version):
    origin, direction, begin, end = random_rays(4, torch.float32)
    for cells in (None, random_cells()):
        nowhere = march(origin, direction, begin, begin, 3, None, cells)
        assert nowhere.points.shape == (0, 3) and nowhere.starts.tolist() == [0] * 5
        none = march(*(each[:0] for each in (origin, direction, begin, end)), 3, None, cells)
        assert none.points.shape == (0, 3) and none.starts.tolist() == [0]


def test_strides_do_not_matter(version):
    origin, direction, begin, end = random_rays(dtype=torch.float32)
    spread = origin.T.contiguous().T, direction.T.contiguous().T, begin[:, None].expand(-1, 2)[:, 1], end
    cells, share = random_cells(), random_share(150, 6, torch.float32)
    strided = share.T.contiguous().T, cells.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    one, other = march(origin, direction, begin, end, 6, share, cells), march(*spread, 6, *strided)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"origin": torch.ones(3, 3)}, r"origin must have the shape \(2, 3\)"),
        ({"end": torch.ones(3)}, r"end must have the shape \(2\)"),
        ({"share": torch.ones(2, 5)}, r"share must have the shape \(2, 4\)"),
        ({"share": torch.ones(2, 4).double()}, "share .* must be of one type and device with origin"),
        ({"direction": torch.full((2, 3), torch.nan)}, "direction holds NaN"),
        ({"end": torch.full((2,), torch.inf)}, "end holds NaN or infinity"),
        ({"samples": 0}, "at least 1 interval, not 0"),
        ({"cells": torch.ones(2, 2, 2)}, "cells must be bool on cpu, at least one, not .* of torch.float32"),
        ({"cells": torch.ones(2, 0, 2, dtype=torch.bool)}, "at least one, not"),
        ({"cells": torch.ones(2, 2, dtype=torch.bool)}, "cells must have the shape"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(change, sentence):
    rays = {"origin": torch.zeros(2, 3), "direction": torch.ones(2, 3), "begin": torch.zeros(2), "end": torch.ones(2)}
    with pytest.raises(ValueError, match=sentence):
        march(**rays | {"samples": 4} | change)


def test_points_that_are_no_numbers_have_no_cell():
    with pytest.raises(ValueError, match="points holds NaN"):
        occupied(torch.full((2, 3), torch.nan), random_cells())
