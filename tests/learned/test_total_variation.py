import pytest
import torch

from kernels.total_variation import total_variation, total_variation_reference


def random_grid(*sides, dtype=torch.float32):
    """With equal neighbours among the others."""
    draw = torch.Generator().manual_seed(1)
    return torch.randint(-3, 4, sides, generator=draw).to(dtype) + 0.25


@pytest.mark.parametrize("sides", [(4, 5, 3, 4), (6, 2, 7, 1), (3, 1, 1, 2), (1, 4, 1, 3), (1, 1, 5, 2), (1, 1, 1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_value_and_slope_are_the_reference_s(sides, dtype):
    results = []
    for way in (total_variation, total_variation_reference):
        grid = random_grid(*sides, dtype=dtype).requires_grad_()
        out = way(grid)
        results.append((out, *torch.autograd.grad(out, [grid], torch.arange(1.0, 1 + sides[3], dtype=dtype))))
    for a, b in zip(*results, strict=True):
        assert a.dtype == dtype
        torch.testing.assert_close(a, b)


def test_one_that_sticks_out_differs_from_six():
    grid = torch.zeros(3, 3, 3, 2)
    grid[1, 1, 1, 1] = 0.5
    assert total_variation(grid).tolist() == [0, 3]
    grid[0, 2, 0, 0] = -2  # a corner has three neighbours
    assert total_variation(grid).tolist() == [6, 3]


def test_slopes_are_finite_differences():
    grid = torch.randn(3, 4, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(total_variation, grid.requires_grad_())


def test_strides_do_not_matter_and_sums_of_many_keep_their_digits():
    grid = random_grid(40, 41, 42, 3)
    strided = grid.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0)
    want = total_variation_reference(grid.double()).float()
    assert torch.equal(total_variation(grid), want) and torch.equal(total_variation(strided), want)


@pytest.mark.parametrize(
    ("grid", "sentence"),
    [
        (torch.ones(3, 3, 3), "grid must have the shape"),
        (torch.ones(2, 2, 2, 1).half(), "grid must be float32 or float64"),
        (torch.ones(2, 0, 2, 1), "must have a sample and a channel"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(grid, sentence):
    with pytest.raises(ValueError, match=sentence):
        total_variation(grid)
