"""Nearest rotations, as-rigid-as-possible steps, strain limits and folded hinges."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.linalg import polar
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import splu
from scipy.spatial.transform import Rotation

from kernels import rotations
from kernels.rotations import arap_local_step, dihedrals, fold_hinges, limit_strain, nearest_rotation

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
        alone = np.concatenate([nearest_rotation(matrix[None]) for matrix in matrices])
        assert nearest_rotation(matrices).tobytes() == alone.tobytes()


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


# --- strain


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
    expected = rotations.limit_strain_reference(positions, faces, metrics, least, most)
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
    flat, growth = rng.normal(size=(len(faces), 2, 2)), IDENTITY[:2, :2] + 0.3 * rng.normal(size=(len(faces), 2, 2))
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


# --- hinges

ANGLES = [-3.1, -2.0, -np.pi / 2, -0.3, 0.0, 1e-5, 0.5, np.pi / 2, 2.5, 3.1, np.pi]


def hinge(angle, seed=25):
    """One hinge of two unlike wings, folded by `angle` into a ridge seen from the side of its normals; turned."""
    half = angle / 2
    a, b = np.array([-np.cos(half), 0.0, -np.sin(half)]), np.array([np.cos(half), 0.0, -np.sin(half)])
    y = np.array([0.0, 1.0, 0.0])
    points = np.array([0 * y, 2.0 * y, 0.7 * a + 0.4 * y, 1.3 * b + 1.9 * y])
    return points @ turns(1, seed)[0].T + [0.3, -0.2, 0.5]


def hinges(count=100, seed=26):
    rng = drawn(seed)
    rows = np.array([rng.choice(50, 4, replace=False) for _ in range(count)])
    return rng.normal(size=(50, 3)), rows, rng.uniform(-np.pi, np.pi, count)


ROW = np.arange(4)[None]


@pytest.mark.parametrize("angle", ANGLES)
def test_the_dihedral_is_the_angle_it_was_folded_by(angle):
    found = dihedrals(hinge(angle), ROW)[0]
    assert abs((found - angle + np.pi) % (2 * np.pi) - np.pi) < 1e-13


def test_dihedrals_and_folds_are_their_definitions():
    positions, rows, angles = hinges()
    np.testing.assert_allclose(dihedrals(positions, rows), rotations.dihedrals_reference(positions, rows), atol=1e-13)
    expected = rotations.fold_hinges_reference(positions, rows, angles)
    np.testing.assert_allclose(fold_hinges(positions, rows, angles), expected, atol=1e-11)


def test_to_swap_ends_or_sides_changes_the_sign():
    positions, rows, _ = hinges()
    angle = dihedrals(positions, rows)
    np.testing.assert_allclose(dihedrals(positions, rows[:, [1, 0, 2, 3]]), -angle, atol=1e-13)
    np.testing.assert_allclose(dihedrals(positions, rows[:, [0, 1, 3, 2]]), -angle, atol=1e-13)
    np.testing.assert_allclose(dihedrals(positions, rows[:, [1, 0, 3, 2]]), angle, atol=1e-13)


@pytest.mark.parametrize("target", ANGLES)
@pytest.mark.parametrize("angle", ANGLES)
def test_a_hinge_is_folded_by_its_target_and_no_more(angle, target):
    before = hinge(angle)
    after = fold_hinges(before, ROW, np.array([target]))[0]
    assert abs((dihedrals(after, ROW)[0] - target + np.pi) % (2 * np.pi) - np.pi) < 1e-12
    for wing in ([0, 1, 2], [0, 1, 3]):
        sides = [points[wing] - points[np.roll(wing, 1)] for points in (before, after)]
        np.testing.assert_allclose(*(np.linalg.norm(side, axis=1) for side in sides), atol=1e-13)
    np.testing.assert_allclose((after - before).sum(axis=0), 0.0, atol=1e-13)
    centre = before.mean(axis=0)
    np.testing.assert_allclose(np.cross(before - centre, after - centre).sum(axis=0), 0.0, atol=1e-12)


def test_a_folded_hinge_lies_as_near_as_it_can():
    positions, rows, angles = hinges()
    before = positions[rows]
    after = fold_hinges(positions, rows, angles)
    away = lambda points: ((points - before) ** 2).sum(axis=(1, 2))  # noqa: E731
    centre, rng = after.mean(axis=1, keepdims=True), drawn(27)
    for size in (1e-3, 0.1, 2.0):
        for _ in range(40):
            turn = Rotation.from_rotvec(size * rng.normal(size=(len(rows), 3))).as_matrix()
            other = centre + size * rng.normal(size=(len(rows), 1, 3)) + (after - centre) @ turn
            assert (away(other) > away(after)).all()


def test_a_hinge_that_is_folded_right_stays():
    positions, rows, _ = hinges()
    found = fold_hinges(positions, rows, dihedrals(positions, rows))
    np.testing.assert_allclose(found, positions[rows], atol=1e-12)


def test_from_one_end_of_the_angles_to_the_other_is_a_small_step():
    before = hinge(-3.1)
    after = fold_hinges(before, ROW, np.array([3.1]))[0]
    assert np.abs(after - before).max() < 0.1
    np.testing.assert_allclose(fold_hinges(before, ROW, np.array([3.1 - 4 * np.pi]))[0], after, atol=1e-13)


def test_folding_knows_neither_place_nor_size():
    positions, rows, angles = hinges()
    turn, found = turns(1, 28)[0], fold_hinges(positions, rows, angles)
    for scale in (1e-9, 1.0, 1e9):
        moved = scale * (positions @ turn.T + [1.0, -2.0, 3.0])
        np.testing.assert_allclose(dihedrals(moved, rows), dihedrals(positions, rows), atol=1e-11)
        wanted = scale * (found @ turn.T + [1.0, -2.0, 3.0])
        np.testing.assert_allclose(fold_hinges(moved, rows, angles), wanted, atol=1e-10 * scale)


def test_a_hinge_without_two_wings_comes_back_as_it_is():
    flat, thin, point = hinge(1.0), hinge(1.0), hinge(1.0)
    flat[2] = 0.5 * (flat[0] + flat[1])
    thin[1] = thin[0]
    point[:] = point[0]
    points = np.concatenate([flat, thin, point, hinge(1.0)])
    rows = np.arange(16).reshape(4, 4)
    np.testing.assert_array_equal(dihedrals(points, rows)[:3], 0.0)
    found = fold_hinges(points, rows, np.full(4, 2.0))
    np.testing.assert_array_equal(found[:3], points.reshape(4, 4, 3)[:3])
    assert np.abs(found[3] - points[12:]).max() > 0.1


def test_a_strip_rolls_up_to_a_hexagon_in_a_local_global_loop():
    """Unit squares with hinges asked for 60 degrees, and triangles asked to be isometric: six of them close a ring."""
    side = np.arange(7.0)
    positions = np.stack([np.repeat(side, 2), np.tile([0.0, 1.0], 7), 0.02 * np.repeat(side, 2) ** 2], axis=1)
    i = 2 * np.arange(6)
    faces = np.concatenate([np.stack([i, i + 2, i + 3], 1), np.stack([i, i + 3, i + 1], 1)])
    folds = np.stack([i[1:], i[1:] + 1, i[1:] - 1, i[1:] + 2], 1)
    flats = np.stack([i, i + 3, i + 1, i + 2], 1)
    rows, angles = np.concatenate([folds, flats]), np.repeat([-np.pi / 3, 0.0], [5, 6])
    triangle = np.array([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]])
    centred = np.eye(4) - 0.25
    terms = [(triangle, face) for face in faces] + [(centred, row) for row in rows]
    matrix = np.zeros((sum(len(block) for block, _ in terms), 14))
    at = 0
    for block, points in terms:
        matrix[at : at + len(block), points] = block
        at += len(block)
    metrics = gram(np.array([[[1.0, 1.0], [0.0, 1.0]]] * 6 + [[[1.0, 0.0], [1.0, 1.0]]] * 6))
    inverse = np.linalg.pinv(matrix)
    for _ in range(3000):
        edges = limit_strain(positions, faces, metrics).transpose(0, 2, 1).reshape(-1, 3)
        positions = inverse @ np.concatenate([edges, fold_hinges(positions, rows, angles).reshape(-1, 3)])
    np.testing.assert_allclose(dihedrals(positions, rows), angles, atol=1e-3)
    np.testing.assert_allclose(positions[12:], positions[:2], atol=5e-3)


# --- the door, and threads


def test_what_is_not_a_number_or_no_row_is_refused():
    bad = drawn(29).normal(size=(4, 3, 3))
    for value in (np.nan, np.inf):
        bad[2, 1, 1] = value
        with pytest.raises(ValueError, match="matrices holds NaN"):
            nearest_rotation(bad)
    with pytest.raises(ValueError, match=r"matrices must have the shape \(any, 3, 3\), not \(3, 3\)"):
        nearest_rotation(IDENTITY)
    rest, _, graph = sheet()
    with pytest.raises(ValueError, match="deformed must have the shape"):
        step(rest, rest[1:], graph)
    with pytest.raises(ValueError, match="weights holds NaN"):
        step(rest, rest, graph * np.nan)
    with pytest.raises(ValueError, match=rf"neighbours must lie in 0\.\.{len(rest) - 1}"):
        arap_local_step(rest, rest, graph.indptr, graph.indices + 1, graph.data)
    with pytest.raises(ValueError, match=r"neighbours must lie in 0\.\..*, not -1\.\."):
        arap_local_step(rest, rest, graph.indptr, graph.indices - 1, graph.data)
    with pytest.raises(ValueError, match="offsets must lie in"):
        arap_local_step(rest, rest, graph.indptr + 1, graph.indices, graph.data)
    positions, faces, metrics = triangles(5)
    with pytest.raises(ValueError, match="faces must be integers, not float64"):
        limit_strain(positions, faces.astype(float), metrics)
    with pytest.raises(ValueError, match="metrics must be positive definite"):
        limit_strain(positions, faces, metrics * [[1.0, 0.0], [0.0, -1.0]])
    with pytest.raises(ValueError, match="stretches must have 0 <= least <= most"):
        limit_strain(positions, faces, metrics, 1.1, 0.9)
    with pytest.raises(ValueError, match=r"hinges must lie in 0\.\.2"):
        dihedrals(positions[:3], ROW)
    with pytest.raises(ValueError, match="angles must have the shape"):
        fold_hinges(positions, ROW, np.zeros(2))


def test_nothing_in_gives_nothing_out():
    none = np.zeros((0, 4), int)
    assert limit_strain(np.zeros((0, 3)), none[:, :3], np.zeros((0, 2, 2))).shape == (0, 3, 2)
    assert dihedrals(np.zeros((5, 3)), none).shape == (0,)
    assert fold_hinges(np.zeros((5, 3)), none, np.zeros(0)).shape == (0, 4, 3)


def test_two_threads_may_call_at_once():
    matrices = drawn(30).normal(size=(20_000, 3, 3))
    positions, rows, angles = hinges(5000)
    alone = nearest_rotation(matrices), fold_hinges(positions, rows, angles)
    with ThreadPoolExecutor(4) as threads:
        for _ in range(10):
            one = [threads.submit(nearest_rotation, matrices) for _ in range(2)]
            other = [threads.submit(fold_hinges, positions, rows, angles) for _ in range(2)]
            for calls, wanted in ((one, alone[0]), (other, alone[1])):
                for call in calls:
                    np.testing.assert_array_equal(call.result(), wanted)
