"""Of numba's inside `lanes` uses more than is promised: here it shows whether another numba will do."""

import numba
import numpy as np
import pytest

from kernels.lanes import WIDTH, load, prefetch, spread, store, total


@numba.njit
def _copy(source, at, target, to):
    store(target, to, load(source, at))


@numba.njit
def _combine(a, b, number, sums, differences, products):
    store(sums, 0, load(a, 0) + load(b, 0))
    store(differences, 0, load(a, 0) - load(b, 0))
    store(products, 0, load(a, 0) * spread(number))


@numba.njit
def _total(array, at):
    return total(load(array, at))


@numba.njit
def _prefetch(array, at):
    prefetch(array, at)


@pytest.fixture(params=[np.float32, np.float64])
def numbers(request):
    return np.random.default_rng(0).normal(size=50).astype(request.param)


@pytest.mark.parametrize(("at", "to"), [(0, 0), (3, 1), (34, 33)])
def test_what_is_loaded_is_stored_elsewhere_and_nothing_beside_it(numbers, at, to):
    target = np.zeros_like(numbers)
    _copy(numbers, at, target, to)
    want = np.zeros_like(numbers)
    want[to : to + WIDTH] = numbers[at : at + WIDTH]
    assert np.array_equal(target, want)


def test_a_place_counts_numbers_in_memory_from_the_first_of_a_view(numbers):
    table = np.random.default_rng(1).normal(size=(5, 3 * WIDTH)).astype(numbers.dtype)
    middle, target = table[1:, WIDTH : 2 * WIDTH], np.zeros(WIDTH, numbers.dtype)
    _copy(middle, 2 * (middle.strides[0] // middle.itemsize), target, 0)
    assert np.array_equal(target, middle[2])


def test_the_arithmetic_is_that_of_arrays(numbers):
    a, b = numbers[:WIDTH], numbers[WIDTH : 2 * WIDTH]
    sums, differences, products = np.zeros((3, WIDTH), numbers.dtype)
    _combine(a, b, numbers[-1], sums, differences, products)
    assert np.array_equal(sums, a + b)
    assert np.array_equal(differences, a - b)
    assert np.array_equal(products, a * numbers[-1])


def test_the_total_is_the_sum_of_the_lanes(numbers):
    rounding = WIDTH * np.finfo(numbers.dtype).eps
    assert abs(_total(numbers, 5) - numbers[5 : 5 + WIDTH].sum(dtype=np.float64)) < rounding


def test_each_lane_counts_once_in_the_total(numbers):
    assert _total((2.0 ** np.arange(WIDTH)).astype(numbers.dtype), 0) == 2**WIDTH - 1


@pytest.mark.parametrize("at", [0, 49, 50, 10**12, -(10**12)])
def test_a_prefetch_changes_nothing_even_out_of_bounds(numbers, at):
    before = numbers.copy()
    _prefetch(numbers, at)
    assert np.array_equal(numbers, before)
