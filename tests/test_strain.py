"""Strain limits of triangles."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kernels.strain import limit_strain, limit_strain_reference


def drawn(seed=0):
    return np.random.default_rng(seed)


def turns(count, seed=1):
    return Rotation.random(count, random_state=drawn(seed)).as_matrix()


def gram(edges):
    return edges.transpose(0, 2, 1) @ edges


def stretches(edges, metrics):
    """(F, 2) by the generalised eigenvalues of the two metrics."""
    return np.sqrt(np.sort(np.linalg.eigvals(np.linalg.inv(metrics) @ gram(edges)).real.clip(0.0), axis=1))


def triangles(count=80, seed=20):
    """Positions, faces and the metrics of other triangles: nothing fits."""
    rng = drawn(seed)
    positions = rng.normal(size=(40, 3))
    faces = np.array([rng.choice(40, 3, replace=False) for _ in range(count)])
    return positions, faces, gram(rng.normal(size=(count, 3, 2)))


def edges_of(positions, faces):
    corner = positions[faces]
    return (corner[:, 1:] - corner[:, :1]).transpose(0, 2, 1)


LIMITS = [(1.0, 1.0), (0.5, 1.2), (0.0, 0.7), (1.5, np.inf), (0.0, 0.0)]


@pytest.mark.parametrize(("least", "most"), LIMITS)
def test_strain_limits_are_their_definition_and_hold(least, most):
    positions, faces, metrics = triangles()
    found = limit_strain(positions, faces, metrics, least, most)
    expected = limit_strain_reference(positions, faces, metrics, least, most)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    measured = stretches(found, metrics)
    assert measured.min() > least - 1e-7 and measured.max() < most + 1e-7


@pytest.mark.parametrize(("least", "most"), LIMITS)
def test_to_limit_twice_is_to_limit_once(least, most):
    positions, faces, metrics = triangles()
    once = limit_strain(positions, faces, metrics, least, most)
    corners = np.concatenate([np.zeros((len(once), 1, 3)), once.transpose(0, 2, 1)], axis=1).reshape(-1, 3)
    again = limit_strain(corners, np.arange(len(corners)).reshape(-1, 3), metrics, least, most)
    np.testing.assert_allclose(again, once, atol=1e-12)


def test_a_stretched_right_triangle_is_cut_back_axis_by_axis():
    positions = np.array([[1.0, 1.0, 1.0], [4.0, 1.0, 1.0], [1.0, 1.0, 1.5]])
    found = limit_strain(positions, np.array([[0, 1, 2]]), np.eye(2)[None], 0.8, 1.5)
    np.testing.assert_allclose(found[0], [[1.5, 0.0], [0.0, 0.0], [0.0, 0.8]], atol=1e-14)


def test_what_is_within_the_limits_comes_back_to_the_bit():
    positions, faces, metrics = triangles()
    edges = edges_of(positions, faces)
    inside = ((stretches(edges, metrics) > 0.4) & (stretches(edges, metrics) < 2.5)).all(axis=1)
    assert 3 < inside.sum() < len(inside) - 3
    found = limit_strain(positions, faces, metrics, 0.4, 2.5)
    np.testing.assert_array_equal(found[inside], edges[inside])
    assert (np.abs(found - edges).max(axis=(1, 2))[~inside] > 1e-6).all()


def test_no_triangle_within_the_limits_is_nearer():
    positions, faces, metrics = triangles(12)
    edges, least, most = edges_of(positions, faces), 0.6, 1.1
    rest = np.linalg.cholesky(metrics).transpose(0, 2, 1)
    away = lambda other: np.linalg.norm((edges - other) @ np.linalg.inv(rest), axis=(1, 2))  # noqa: E731
    nearest, rng = limit_strain(positions, faces, metrics, least, most), drawn(21)
    for size in (1e-3, 0.03, 0.3, 3.0):
        for _ in range(50):
            u, s, vt = np.linalg.svd((nearest + size * rng.normal(size=nearest.shape)) @ np.linalg.inv(rest))
            other = (u[:, :, :2] * s.clip(least, most)[:, None]) @ vt @ rest
            assert (away(other) >= away(nearest) - 1e-9).all()


def test_with_both_limits_at_one_a_triangle_takes_its_grown_rest_metric():
    positions, faces, _ = triangles()
    rng = drawn(22)
    flat, growth = rng.normal(size=(len(faces), 2, 2)), np.eye(2) + 0.3 * rng.normal(size=(len(faces), 2, 2))
    metrics = gram(growth @ flat)
    np.testing.assert_allclose(gram(limit_strain(positions, faces, metrics)), metrics, atol=1e-12)
    lifted = turns(len(faces), 23)[:, :, :2] @ growth @ flat
    corners = np.concatenate([np.zeros((len(faces), 1, 3)), lifted.transpose(0, 2, 1)], axis=1).reshape(-1, 3)
    found = limit_strain(corners, np.arange(len(corners)).reshape(-1, 3), metrics)
    np.testing.assert_allclose(found, lifted, atol=1e-12)


def test_strain_knows_neither_the_first_corner_nor_the_place():
    positions, faces, metrics = triangles()
    p, q = np.moveaxis(limit_strain(positions, faces, metrics, 0.7, 1.1), 2, 0)
    change = np.array([[-1.0, -1.0], [1.0, 0.0]])  # (p, q) -> (q - p, -p)
    other = limit_strain(positions, faces[:, [1, 2, 0]], change.T @ metrics @ change, 0.7, 1.1)
    np.testing.assert_allclose(other, np.stack([q - p, -p], axis=2), atol=1e-11)
    turn = turns(1, 24)[0]
    moved = limit_strain(positions @ turn.T + [5.0, 6.0, 7.0], faces, metrics, 0.7, 1.1)
    np.testing.assert_allclose(moved, turn @ np.stack([p, q], axis=2), atol=1e-11)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_collapsed_triangles_open_within_the_limits(scale):
    metrics = scale**2 * np.array([[[1.0, 0.4], [0.4, 2.0]]] * 6)
    line = np.array([0.3, -0.5, 0.8])
    collapsed = [
        (0 * line, 0 * line),
        (line, 2 * line),
        (line, -line),
        (0 * line, line),
        (line, line),
        (line, 0 * line),
    ]
    corners = scale * np.array([[0 * line, p, q] for p, q in collapsed]).reshape(-1, 3)
    found = limit_strain(corners, np.arange(18).reshape(-1, 3), metrics, 0.8, 1.2)
    measured = stretches(found / scale, metrics / scale**2)
    np.testing.assert_allclose(measured[:, 0], 0.8, atol=1e-7)
    along = stretches(np.array(collapsed).transpose(0, 2, 1), metrics / scale**2)[:, 1]
    np.testing.assert_allclose(measured[:, 1], along.clip(0.8, 1.2), atol=1e-7)
    assert 0.8 < np.sort(along)[-3] < 1.2


@pytest.mark.parametrize("length", [1e-68, 1e-30, 1e30, 1e68])
def test_strain_knows_no_size(length):
    positions, faces, metrics = triangles()
    positions /= np.abs(positions).max()
    found = limit_strain(length * positions, faces, length**2 * metrics, 0.7, 1.1)
    np.testing.assert_allclose(found / length, limit_strain(positions, faces, metrics, 0.7, 1.1), atol=1e-12)


@pytest.mark.parametrize("length", [1e-300, 1e-170, 1e-70, 1e70])
def test_a_shape_is_told_of_triangles_however_small_or_large(length):
    positions, faces, metrics = triangles()
    positions /= np.abs(positions).max()
    found = limit_strain(length * positions, faces, metrics)
    np.testing.assert_allclose(found, limit_strain(positions, faces, metrics), atol=1e-11)


def test_extremes_in_each_other_give_numbers():
    positions, faces, metrics = triangles()
    positions *= 1e70 / np.abs(positions).max()
    smallest = np.minimum(metrics[:, 0, 0], metrics[:, 1, 1]).min()
    assert np.isfinite(limit_strain(positions, faces, 1e-140 / smallest * metrics, 0.5, 2.0)).all()
    with pytest.raises(ValueError, match=r"positions must not exceed 1e\+70 in size"):
        limit_strain(10 * positions, faces, metrics)
    for factor in (1e-200, 1e200):
        with pytest.raises(ValueError, match=r"metrics must be of edges between 1e-70 and 1e\+70"):
            limit_strain(positions, faces, factor * metrics)


@pytest.mark.parametrize("h", [1.0, 2.0, 3.0, 4.0])
def test_a_metric_that_is_barely_definite_gives_numbers(h):
    positions, faces, _ = triangles(1)
    metric = np.array([[[3.0, h], [h, np.nextafter(h / 3.0 * h, np.inf)]]])
    np.testing.assert_allclose(gram(limit_strain(positions, faces, metric)), metric, atol=1e-7)
    with pytest.raises(ValueError, match="metrics must be positive definite"):
        limit_strain(positions, faces, np.array([[[3.0, h], [h, h / 3.0 * h]]]))


def test_what_is_no_triangle_metric_or_limit_is_refused():
    positions, faces, metrics = triangles(5)
    with pytest.raises(ValueError, match="faces must be integers, not float64"):
        limit_strain(positions, faces.astype(float), metrics)
    indefinite = (
        [[1.0, 0.0], [0.0, -1.0]],
        [[-1.0, 0.0], [0.0, 1.0]],
        [[1.0, 2.0], [2.0, 1.0]],
        [[2.0, 2.0], [2.0, 2.0]],
    )
    for bad in (*indefinite, [[1e-300, 1e300], [1e300, 1.0]], [[0.0, 0.0], [0.0, 0.0]]):
        with pytest.raises(ValueError, match="metrics must be positive definite"):
            limit_strain(positions, faces, np.broadcast_to(bad, metrics.shape))
    for least, most in ((1.1, 0.9), (-0.1, 1.0), (np.nan, 1.0), (0.0, np.nan), (np.inf, np.inf)):
        with pytest.raises(ValueError, match="stretches must have 0 <= least <= most"):
            limit_strain(positions, faces, metrics, least, most)


def test_no_triangles_have_no_edges():
    assert limit_strain(np.zeros((0, 3)), np.zeros((0, 3), int), np.zeros((0, 2, 2))).shape == (0, 3, 2)
