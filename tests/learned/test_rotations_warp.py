"""Nearest rotations and as-rigid-as-possible steps of torch's tensors, by Warp and by numba; and against libigl."""

import subprocess
import sys
from contextlib import nullcontext

import igl
import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import splu
from scipy.spatial.transform import Rotation

from kernels import cuda, rotations
from kernels.rotations_cuda import arap_local_step, nearest_rotation

VERSIONS = {"warp": cuda.warp_everywhere, "numba": nullcontext}


@pytest.fixture(params=VERSIONS)
def version(request):
    with VERSIONS[request.param]():
        yield


def drawn(seed=0):
    return np.random.default_rng(seed)


def hard():
    """Float32 matrices with one answer each, clear of ties even after rounding."""
    one, other = (Rotation.random(40, random_state=drawn(seed)).as_matrix() for seed in (1, 2))
    kinds = [[5.0, 0.7, 0.1], [1.0, 0.6, 0.0], [1.0, 1e-2, 0.0], [1.0, 0.5, -0.2], [1.0, 1.0, 1.0], [1e12, 1e12, 1e11]]
    built = [one * np.array(singular) @ other.transpose(0, 2, 1) for singular in kinds]
    half = Rotation.from_rotvec(np.pi * np.concatenate([one[:, 0], np.eye(3)])).as_matrix() * 1e-12
    return torch.from_numpy(np.concatenate([drawn().normal(size=(100, 3, 3)), *built, half]).astype(np.float32))


def sheet(columns=9, rows=8):
    """Vertices, faces and the graph of cotangent weights of an uneven sheet."""
    u, v = np.meshgrid(np.arange(columns), np.arange(rows), indexing="ij")
    vertices = np.stack([u, v, 0.3 * np.sin(u + 0.5 * v)], axis=-1).reshape(-1, 3)
    vertices += drawn(3).uniform(-0.2, 0.2, vertices.shape)
    i = np.arange(u.size).reshape(u.shape)
    a, b, c, d = (corner.ravel() for corner in (i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    laplacian = -igl.cotmatrix(vertices, faces).tocsr()
    graph = csr_matrix(diags(laplacian.diagonal()) - laplacian)
    return vertices, faces, laplacian, graph


def tensors(rest, deformed, graph, real=torch.float32):
    return (
        torch.from_numpy(rest).to(real), torch.from_numpy(deformed).to(real), torch.from_numpy(graph.indptr),
        torch.from_numpy(graph.indices), torch.from_numpy(graph.data).to(real),
    )  # fmt: skip


def test_tensors_get_the_polar_factor(version):
    matrices = hard()
    found = nearest_rotation(matrices)
    assert found.dtype == torch.float32
    expected = rotations.nearest_rotation_reference(matrices.double().numpy())
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_ties_fall_alike_in_all_versions():
    a, b = drawn(4).integers(-3, 4, size=(2, 20, 3)).astype(np.float32)  # their products are exact
    matrices = np.concatenate([
        a[:, :, None] * b[:, None], np.zeros((1, 3, 3)), np.diag([1, 1, -1])[None], np.diag([2, -1, 1])[None],
        np.diag([1, 1, 0])[None], -np.eye(3)[None],
    ]).astype(np.float32)  # fmt: skip
    with cuda.warp_everywhere():
        warp = nearest_rotation(torch.from_numpy(matrices)).numpy()
    np.testing.assert_allclose(warp, rotations.nearest_rotation(matrices), atol=1e-5)


def test_tensors_take_the_same_local_step(version):
    rest, _, _, graph = sheet()
    given = tensors(rest, rest + 0.5 * drawn(5).normal(size=rest.shape), graph)
    expected = rotations.arap_local_step_reference(*(tensor.double().numpy() if tensor.is_floating_point()
                                                     else tensor.numpy() for tensor in given))  # fmt: skip
    for found, wanted in zip(arap_local_step(*given), expected, strict=True):
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_strided_tensors_and_long_rows_are_taken(version):
    matrices = hard()
    turned = matrices.transpose(1, 2)[::3]
    np.testing.assert_allclose(nearest_rotation(turned), nearest_rotation(turned.contiguous()), atol=0)
    rest, _, _, graph = sheet()
    p, q, offsets, neighbours, weights = tensors(rest, 2 * rest[::-1].copy(), graph)
    strided = p.T.contiguous().T, q.T.contiguous().T, offsets.long(), neighbours.long(), weights
    for one, other in zip(arap_local_step(*strided), arap_local_step(p, q, offsets, neighbours, weights), strict=True):
        np.testing.assert_allclose(one, other, atol=0)


def test_no_matrices_no_rotations_and_no_gradients(version):
    assert nearest_rotation(torch.zeros(0, 3, 3)).shape == (0, 3, 3)
    assert not nearest_rotation(hard().requires_grad_()).requires_grad
    rest, _, _, graph = sheet()
    p, q, *rest_of_it = tensors(rest, rest, graph)
    assert not any(result.requires_grad for result in arap_local_step(p, q.requires_grad_(), *rest_of_it))


def test_float64_tensors_on_the_cpu_stay_exact():
    matrices = hard().double()
    found = nearest_rotation(matrices)
    assert found.dtype == torch.float64
    np.testing.assert_array_equal(found, rotations.nearest_rotation(matrices.numpy()))


def test_what_tensors_may_not_be(version):
    matrices = hard()
    matrices[3, 1, 1] = torch.nan
    with pytest.raises(ValueError, match="matrices holds NaN"):
        nearest_rotation(matrices)
    with pytest.raises(ValueError, match="matrices must have the shape"):
        nearest_rotation(matrices[0])
    with pytest.raises(ValueError, match="matrices must be float32 or float64"):
        nearest_rotation(matrices.half())
    rest, _, _, graph = sheet()
    p, q, offsets, neighbours, weights = tensors(rest, rest, graph)
    with pytest.raises(ValueError, match="deformed"):
        arap_local_step(p, q.double(), offsets, neighbours, weights)
    with pytest.raises(ValueError, match="neighbours must lie in"):
        arap_local_step(p, q, offsets, neighbours + 1, weights)
    with pytest.raises(ValueError, match="offsets must not decrease"):
        arap_local_step(p[:3], q[:3], torch.tensor([0, 2, 1, 2]), torch.tensor([1, 2]), weights[:2])
    with pytest.raises(ValueError, match="neighbours must lie on cpu, not on meta"):
        arap_local_step(p, q, offsets, neighbours.to("meta"), weights)


def test_arrays_are_not_tensors_and_tensors_are_no_arrays(version):
    matrices = hard()
    with pytest.raises(ValueError, match="matrices must be a torch tensor"):
        nearest_rotation(matrices.numpy())
    with pytest.raises(ValueError, match=r"matrices must be a numpy array or a list, not .*Tensor"):
        rotations.nearest_rotation(matrices)
    rest, _, _, graph = sheet()
    given = tensors(rest, rest, graph)
    for which in range(5):
        mixed = [tensor.numpy() for tensor in given]
        mixed[which] = given[which]
        with pytest.raises(ValueError, match=r"must be a numpy array or a list, not .*Tensor"):
            rotations.arap_local_step(*mixed)


def test_where_there_is_no_kernel_numba_does_it(monkeypatch):
    """Apple's GPUs and old drivers: as `carried` finds them, by a device that no machine of the tests needs to have."""
    went = []
    monkeypatch.setattr(cuda, "_say_once", lambda kind: None)
    monkeypatch.setattr(cuda, "_moved", lambda value, device: went.append(str(device)) or value)
    monkeypatch.setattr(cuda, "_tensors", lambda values: iter([torch.zeros(1, device="meta")]))
    rest, _, _, graph = sheet()
    given = tensors(rest, 2 * rest, graph)
    np.testing.assert_allclose(nearest_rotation(hard()), rotations.nearest_rotation(hard().numpy()), atol=1e-6)
    expected = rotations.arap_local_step(*(tensor.numpy() for tensor in given))
    for found, wanted in zip(arap_local_step(*given), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert went == ["cpu", "cpu", "meta"] * 2


def test_libigl_takes_the_same_iteration():
    rest, faces, laplacian, graph = sheet()
    held, free = np.flatnonzero(rest[:, 0] < 0.5), np.flatnonzero(rest[:, 0] >= 0.5)
    turn = Rotation.from_euler("xyz", [0.3, -0.5, 0.4]).as_matrix()
    deformed = rest + 0.1 * drawn(6).normal(size=rest.shape)
    deformed[held] = rest[held] @ turn.T
    data = igl.ARAPData()
    data.energy, data.max_iter = igl.ARAP_ENERGY_TYPE_SPOKES, 1
    igl.arap_precomputation(rest, faces, 3, held.astype(np.int32), data)
    expected = igl.arap_solve(deformed[held], data, deformed)
    _, right_side = rotations.arap_local_step(rest, deformed, graph.indptr, graph.indices, graph.data)
    found = deformed.copy()
    factor = splu(laplacian[free][:, free].tocsc())
    found[free] = factor.solve(right_side[free] - laplacian[free][:, held] @ deformed[held])
    assert np.abs(found - deformed).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=2e-3)  # its rotations are of single precision


def test_numpy_arrays_need_neither_torch_nor_warp():
    script = (
        "import sys, numpy; from kernels import rotations\n"
        "rotations.nearest_rotation(numpy.zeros((1, 3, 3)))\n"
        "print({'torch', 'warp'} & set(sys.modules))"
    )
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "set()\n"
    )
