"""LifeBench's nearest points against a search through all, and what is found once against what is found anew."""

import gc
from weakref import ref

import numpy as np
import pytest

from tests.benchmarks.lifebench.metrics.nearest import LEAF, Tree
from tests.benchmarks.lifebench.nouns import once


def through_all(points, queries):
    return np.linalg.norm(queries[:, None] - points, axis=2)


@pytest.mark.parametrize("count", [1, LEAF, LEAF + 1, 300])
@pytest.mark.parametrize("dimension", [3, 6])
def test_the_nearest_is_the_nearest_of_all(count, dimension):
    rng = np.random.default_rng(count + dimension)
    points, queries = rng.normal(size=(count, dimension)), 2 * rng.normal(size=(500, dimension))
    points[:, 1] *= 9  # its boxes are long
    tree, guess = Tree(points), np.full(500, -1)
    apart = through_all(points, queries)
    assert np.allclose(tree.find(queries, guess), apart.min(axis=1), rtol=1e-14)
    grown, order, boxes = tree.grown
    assert np.array_equal(order[guess], apart.argmin(axis=1)) and np.array_equal(grown, points[order])
    assert (boxes[1] == [points.min(axis=0), points.max(axis=0)]).all()
    wrong = rng.integers(0, count, 500)
    assert np.array_equal(tree.find(queries, wrong), tree.away(queries)) and np.array_equal(wrong, guess)


def test_axes_are_stretched_after_it_was_grown():
    rng = np.random.default_rng(2)
    points, queries, stretch = rng.normal(size=(400, 3)), rng.normal(size=(90, 3)), (0.2, 3.0, 1.1)
    assert np.allclose(
        Tree(points).away(queries, stretch), through_all(points * stretch, queries).min(axis=1), rtol=1e-14
    )
    flat = Tree(points).away(queries, (0.0, 0.0, 0.0))
    assert np.allclose(flat, np.linalg.norm(queries, axis=1), rtol=1e-14)


def test_points_at_one_place_and_in_a_row_are_found():
    queries = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 2.5]])
    assert Tree(np.zeros((1000, 3))).away(queries).tolist() == [5.0, 2.5]
    row = np.zeros((1000, 3))
    row[:, 2] = np.arange(1000) // 3
    assert Tree(row).away(queries).tolist() == [5.0, 0.5]


class Thing:
    pass


def test_what_was_found_once_is_not_found_again_and_goes_with_what_it_is_of():
    asked = []

    @once
    def found(of, number):
        asked.append((of.name, number))
        return np.full(3, number)

    one, other = Thing(), Thing()
    one.name, other.name = "one", "other"
    kept = found(one, 4)
    assert found(one, 4) is kept and found(one, 5)[0] == 5 and found(other, 4) is not kept
    assert asked == [("one", 4), ("one", 5), ("other", 4)]
    gone, what = ref(one), ref(kept)
    del one, kept
    gc.collect()
    assert gone() is None and what() is None
