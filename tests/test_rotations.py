"""Nearest rotations and as-rigid-as-possible steps."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.linalg import polar
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import splu
from scipy.spatial.transform import Rotation

from kernels import rotations
from kernels.rotations import arap_local_step, nearest_rotation

IDENTITY = np.eye(3)


def drawn(seed=0):
    return np.random.default_rng(seed)


def turns(count, seed=1):
    return Rotation.random(count, random_state=drawn(seed)).as_matrix()


def built(singular, seed=2, count=200):
    """U diag(singular) V^T with U and V rotations: mirrored where one of `singular` is negative."""
    return turns(count, seed) * np.asarray(singular, float) @ turns(count, seed + 100).transpose(0, 2, 1)


def is_rotation(r):
    return np.allclose(r @ r.transpose(0, 2, 1), IDENTITY, atol=1e-14) and (np.linalg.det(r) > 0).all()


# --- the nearest rotation

ONE_ANSWER = {
    "random": drawn().normal(size=(300, 3, 3)),
    "stretched": built([5.0, 0.7, 0.1]),
    "flat": built([1.0, 0.6, 0.0]),
    "a strip": built([1.0, 1e-2, 0.0]),
    "mirrored": built([1.0, 0.5, -0.2]),
    "nearly tied": built([1.0, 1e-5, 0.0]),
    "all alike": built([1.0, 1.0, 1.0]),
    "half turns": Rotation.from_rotvec(np.pi * turns(50)[:, 0]).as_matrix() @ np.diag([1.0, 2.0, 3.0]),
    "small": 1e-12 * drawn(3).normal(size=(50, 3, 3)),
    "large": 1e12 * drawn(4).normal(size=(50, 3, 3)),
    "hardly a number": 1e-290 * drawn(5).normal(size=(50, 3, 3)),
    "hardly a number still": 1e290 * drawn(6).normal(size=(50, 3, 3)),
}
MANY_ANSWERS = {
    "zero": np.zeros((2, 3, 3)),
    "rank 1": built([1.0, 0.0, 0.0]),
    "mirrored and tied": built([1.0, 0.3, -0.3]),
    "a mirror": built([1.0, 1.0, -1.0]),
    "inverted": -IDENTITY[None],
}


@pytest.mark.parametrize("matrices", ONE_ANSWER.values(), ids=ONE_ANSWER)
def test_it_is_the_polar_factor(matrices):
    found = nearest_rotation(matrices)
    assert is_rotation(found)
    s = np.linalg.svd(matrices, compute_uv=False)
    # two least singular values that all but cancel leave the answer to rounding, whoever gives it
    clear = (s[:, 1] + np.sign(np.linalg.det(matrices / s[:, :1, None])) * s[:, 2]) / s[:, 0]
    wrong = np.abs(found - rotations.nearest_rotation_reference(matrices)).max(axis=(1, 2))
    assert (wrong * clear).max() < 5e-14


@pytest.mark.parametrize("matrices", (ONE_ANSWER | MANY_ANSWERS).values(), ids=ONE_ANSWER | MANY_ANSWERS)
def test_no_rotation_is_nearer(matrices):
    matrices = matrices / max(np.abs(matrices).max(), 1e-300)
    found = nearest_rotation(matrices)
    assert is_rotation(found)
    s = np.linalg.svd(matrices, compute_uv=False)
    most = s[:, 0] + s[:, 1] + np.where(np.linalg.det(matrices) < 0, -1, 1) * s[:, 2]
    np.testing.assert_allclose(np.einsum("nij,nij->n", found, matrices), most, atol=1e-8 if len(s) < 3 else 1e-13)


def test_scipy_finds_the_same_for_point_clouds_and_for_one_matrix():
    before, after = drawn(7).normal(size=(2, 20, 12, 3))
    found = nearest_rotation(np.einsum("nka,nkb->nab", after, before))
    aligned = [Rotation.align_vectors(a, b)[0].as_matrix() for a, b in zip(after, before, strict=True)]
    np.testing.assert_allclose(found, aligned, atol=1e-12)
    matrix = np.array([[1.0, 0.4, 0.1], [-0.2, 0.8, 0.3], [0.0, 0.5, 1.5]])
    np.testing.assert_allclose(nearest_rotation(matrix[None])[0], polar(matrix)[0], atol=1e-14)


def test_closed_forms():
    turn = turns(1)[0]
    symmetric = np.array([[2.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 0.5]])
    shear = np.array([[1.0, 0.8, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    sheared = Rotation.from_euler("z", -np.arctan(0.4)).as_matrix()
    pairs = [
        (turn, turn),
        (turn @ symmetric, turn),
        (shear, sheared),
        (np.diag([3.0, 2.0, -1.0]), IDENTITY),
        (np.diag([-3.0, 2.0, 1.0]), np.diag([-1.0, 1.0, -1.0])),
        (np.diag([-3.0, -2.0, 0.0]), np.diag([-1.0, -1.0, 1.0])),
        (np.diag([2.0, 0.0, 1.0]), IDENTITY),
    ]
    given, wanted = (np.array(side) for side in zip(*pairs, strict=True))
    np.testing.assert_allclose(nearest_rotation(given), wanted, atol=1e-14)


@pytest.mark.parametrize("angle", [1e-9, 1.0, np.pi - 1e-9, np.pi, np.pi + 1e-9])
@pytest.mark.parametrize("axis", [*IDENTITY, [0.6, 0.0, -0.8], [1e-8, 1.0, 0.0]])
def test_a_rotation_is_nearest_to_itself_half_turns_too(axis, angle):
    turn = Rotation.from_rotvec(angle * np.array(axis) / np.linalg.norm(axis)).as_matrix()[None]
    np.testing.assert_allclose(nearest_rotation(3.0 * turn), turn, atol=1e-14)


def test_of_a_tie_the_least_turn_is_taken():
    np.testing.assert_array_equal(nearest_rotation(np.zeros((1, 3, 3)))[0], IDENTITY)
    np.testing.assert_allclose(nearest_rotation(np.diag([1.0, 1.0, -1.0])[None])[0], IDENTITY, atol=1e-14)
    a, b = drawn(8).normal(size=(2, 40, 3))
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    found = Rotation.from_matrix(nearest_rotation(4.0 * a[:, :, None] * b[:, None]))
    np.testing.assert_allclose(found.apply(b), a, atol=1e-6)
    np.testing.assert_allclose(found.magnitude(), np.arccos(np.einsum("ni,ni->n", a, b)), atol=1e-6)


def test_a_rotation_on_either_side_goes_through():
    matrices, one, other = drawn(9).normal(size=(60, 3, 3)), turns(60, 10), turns(60, 11)
    found = nearest_rotation(matrices)
    np.testing.assert_allclose(nearest_rotation(one @ matrices), one @ found, atol=1e-11)
    np.testing.assert_allclose(nearest_rotation(matrices @ other), found @ other, atol=1e-11)


def test_the_same_matrices_give_the_same_bytes_whatever_lies_beside_them():
    for matrices in MANY_ANSWERS.values():
        alone = np.concatenate([nearest_rotation(matrix[None]) for matrix in matrices[:20]])
        assert nearest_rotation(matrices)[:20].tobytes() == alone.tobytes()


def test_float32_and_strided_matrices_come_out_in_float64():
    matrices = drawn(12).normal(size=(8, 3, 3)).astype(np.float32)
    found = nearest_rotation(matrices)
    assert found.dtype == np.float64
    strided = nearest_rotation(matrices.transpose(0, 2, 1)[::2])
    np.testing.assert_allclose(strided, found.transpose(0, 2, 1)[::2], atol=1e-14)
    assert nearest_rotation(np.zeros((0, 3, 3))).shape == (0, 3, 3)


# --- as rigid as possible


def sheet(columns=7, rows=6, seed=13):
    """Vertices of an uneven sheet, its triangles and the symmetric graph of its cotangent weights."""
    rng = drawn(seed)
    u, v = np.meshgrid(np.arange(columns), np.arange(rows), indexing="ij")
    vertices = np.stack([u, v, 0.3 * np.sin(u + 0.5 * v)], axis=-1).reshape(-1, 3) + rng.uniform(-0.2, 0.2, (u.size, 3))
    i = np.arange(u.size).reshape(u.shape)
    a, b, c, d = (corner.ravel() for corner in (i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    rows, columns, weights = [], [], []
    for k in range(3):
        p, q, tip = faces[:, k], faces[:, (k + 1) % 3], faces[:, (k + 2) % 3]
        one, other = vertices[p] - vertices[tip], vertices[q] - vertices[tip]
        cotangent = (one * other).sum(1) / np.linalg.norm(np.cross(one, other), axis=1)
        rows += [p, q]
        columns += [q, p]
        weights += [cotangent / 2, cotangent / 2]
    entries = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    return vertices, faces, coo_matrix(entries, shape=(len(vertices),) * 2).tocsr()


def laplacian(graph):
    return csr_matrix(diags(np.asarray(graph.sum(axis=1))[:, 0]) - graph)


def step(rest, deformed, graph):
    return arap_local_step(rest, deformed, graph.indptr, graph.indices, graph.data)


def arap_energy(rest, deformed, graph, turn):
    pairs = graph.tocoo()
    i, j = pairs.row, pairs.col
    off = deformed[i] - deformed[j] - np.einsum("eab,eb->ea", turn[i], rest[i] - rest[j])
    return pairs.data @ (off**2).sum(axis=1)


def test_the_local_step_is_its_definition():
    rest, _, graph = sheet()
    deformed = rest + drawn(14).normal(size=rest.shape)
    expected = rotations.arap_local_step_reference(rest, deformed, graph.indptr, graph.indices, graph.data)
    for found, wanted in zip(step(rest, deformed, graph), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-11)


def test_a_rigidly_moved_mesh_stays_as_it_is():
    rest, _, graph = sheet()
    turn = turns(1, 15)[0]
    moved = rest @ turn.T + [3.0, -2.0, 1.0]
    found, right_side = step(rest, moved, graph)
    np.testing.assert_allclose(found, np.broadcast_to(turn, found.shape), atol=1e-12)
    np.testing.assert_allclose(right_side, laplacian(graph) @ moved, atol=1e-12)


def test_each_iteration_lessens_the_energy_down_to_the_rigid_shape():
    rest, _, graph = sheet()
    matrix = laplacian(graph)
    ends = (np.arange(len(rest)) < 6) | (np.arange(len(rest)) >= len(rest) - 6)
    held, free = np.flatnonzero(ends), np.flatnonzero(~ends)
    factor = splu(matrix[free][:, free].tocsc())
    turn = Rotation.from_euler("xyz", [0.5, -0.4, 0.9]).as_matrix()
    positions = rest @ turn.T + 0.1 * drawn(16).normal(size=rest.shape)
    positions[held] = rest[held] @ turn.T
    energies = []
    for _ in range(300):
        found, right_side = step(rest, positions, graph)
        energies.append(arap_energy(rest, positions, graph, found))
        positions[free] = factor.solve(right_side[free] - matrix[free][:, held] @ positions[held])
    assert (np.diff(energies) < 1e-12).all()
    assert energies[-1] < 1e-3 * energies[0]
    np.testing.assert_allclose(positions, rest @ turn.T, atol=0.05)


def test_it_gives_the_gradient_of_the_energy():
    rest, _, graph = sheet()
    deformed = rest + 0.2 * drawn(17).normal(size=rest.shape)
    right_side = step(rest, deformed, graph)[1]
    gradient = 4 * (laplacian(graph) @ deformed - right_side)
    direction = drawn(18).normal(size=rest.shape)
    ahead, behind = (
        arap_energy(rest, moved, graph, step(rest, moved, graph)[0])
        for moved in (deformed + 1e-5 * direction, deformed - 1e-5 * direction)
    )
    assert (ahead - behind) / 2e-5 == pytest.approx((gradient * direction).sum(), rel=1e-7)


def test_what_stands_on_the_diagonal_counts_for_nothing_and_loners_are_not_turned():
    rest, _, graph = sheet()
    deformed = rest + drawn(19).normal(size=rest.shape)
    whole = csr_matrix(-laplacian(graph))
    for found, wanted in zip(step(rest, deformed, whole), step(rest, deformed, graph), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-12)
    found, right_side = step(rest, deformed, csr_matrix(graph.shape))
    np.testing.assert_array_equal(found, np.broadcast_to(IDENTITY, found.shape))
    np.testing.assert_array_equal(right_side, 0.0)
    nothing = np.zeros((0, 3))
    assert [a.shape for a in step(nothing, nothing, csr_matrix((1, 1))[:0, :0])] == [(0, 3, 3), (0, 3)]


# --- the door, and threads


def test_what_is_not_a_number_or_no_row_is_refused():
    bad = drawn(29).normal(size=(4, 3, 3))
    for value in (np.nan, np.inf, -np.inf):
        bad[2, 1, 1] = value
        with pytest.raises(ValueError, match="matrices holds NaN"):
            nearest_rotation(bad)
    with pytest.raises(ValueError, match=r"matrices must have the shape \(any, 3, 3\), not \(3, 3\)"):
        nearest_rotation(IDENTITY)
    with pytest.raises(ValueError, match="matrices must be real numbers, not complex128"):
        nearest_rotation(np.zeros((1, 3, 3), complex))
    with pytest.raises(ValueError, match=r"matrices must be a numpy array or a list, not .*csr_matrix"):
        nearest_rotation(csr_matrix((3, 3)))
    rest, _, graph = sheet()
    with pytest.raises(ValueError, match="deformed must have the shape"):
        step(rest, rest[1:], graph)
    with pytest.raises(ValueError, match="weights holds NaN"):
        step(rest, rest, graph * np.nan)
    with pytest.raises(ValueError, match=r"deformed must not exceed 1e\+100 in size"):
        step(rest, 1e101 * rest, graph)
    with pytest.raises(ValueError, match=r"weights must not exceed 1e\+100 in size"):
        step(rest, rest, -1e101 * abs(graph))
    with pytest.raises(ValueError, match=rf"neighbours must lie in 0\.\.{len(rest) - 1}"):
        arap_local_step(rest, rest, graph.indptr, graph.indices + 1, graph.data)
    with pytest.raises(ValueError, match=r"neighbours must lie in 0\.\..*, not -1\.\."):
        arap_local_step(rest, rest, graph.indptr, graph.indices - 1, graph.data)
    with pytest.raises(ValueError, match="neighbours must be empty"):
        arap_local_step(rest[:0], rest[:0], graph.indptr[:1], graph.indices, graph.data)
    with pytest.raises(ValueError, match="offsets must lie in"):
        arap_local_step(rest, rest, graph.indptr + 1, graph.indices, graph.data)


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint32])
def test_offsets_that_decrease_are_refused(kind):
    three, one = np.zeros((3, 3)), np.ones(2)
    with pytest.raises(ValueError, match="offsets must not decrease"):
        arap_local_step(three, three, np.array([0, 2, 1, 2], kind), np.array([1, 2], kind), one)


def test_lists_are_taken():
    matrices = drawn(31).normal(size=(2, 3, 3))
    np.testing.assert_array_equal(nearest_rotation(matrices.tolist()), nearest_rotation(matrices))
    rest, _, graph = sheet()
    given = rest, 2 * rest, graph.indptr, graph.indices, graph.data
    for found, wanted in zip(arap_local_step(*(a.tolist() for a in given)), arap_local_step(*given), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_up_to_the_limit_nothing_overflows():
    rest, _, graph = sheet()
    huge = 1e100 * rest / np.abs(rest).max()
    found = arap_local_step(huge, huge, graph.indptr, graph.indices, 1e100 * graph.data / np.abs(graph.data).max())
    assert all(np.isfinite(array).all() for array in found)
    np.testing.assert_allclose(found[0], np.broadcast_to(IDENTITY, found[0].shape), atol=1e-12)
    most = np.finfo(float).max * np.array([[[1.0, 0, 0], [0, 0.5, 0], [0, 0, 1.0]]])
    np.testing.assert_allclose(nearest_rotation(most)[0], IDENTITY, atol=1e-14)


def test_two_threads_may_call_at_once():
    matrices = drawn(30).normal(size=(20_000, 3, 3))
    rest, _, graph = sheet(50, 40)
    alone = nearest_rotation(matrices), step(rest, 2 * rest, graph)[1]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(10):
            one = [threads.submit(nearest_rotation, matrices) for _ in range(2)]
            other = [threads.submit(step, rest, 2 * rest, graph) for _ in range(2)]
            for call in one:
                np.testing.assert_array_equal(call.result(), alone[0])
            for call in other:
                np.testing.assert_array_equal(call.result()[1], alone[1])
