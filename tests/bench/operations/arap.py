"""One as-rigid-as-possible iteration, and the nearest rotation in it: against libigl, torch and numpy."""

from collections.abc import Callable

import igl
import numpy as np
import torch
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import splu

from kernels import rotations_cuda
from kernels.rotations import arap_local_step, nearest_rotation, nearest_rotation_reference
from tests.bench.side_by_side import copy_speed, side_by_side
from tests.bench.table import Table

ROWS = 224  # 224 x 224 = 50176 vertices


class Sheet:
    """A rippled sheet of ROWS x ROWS vertices, two sides of which are held: one at rest, one lifted and turned."""

    def __init__(self):
        u, v = np.meshgrid(np.linspace(0, 1, ROWS), np.linspace(0, 1, ROWS), indexing="ij")
        self.rest = np.stack([u, v, 0.05 * np.sin(9 * u + 1) * np.cos(7 * v)], axis=-1).reshape(-1, 3)
        i = np.arange(ROWS * ROWS).reshape(ROWS, ROWS)
        a, b, c, d = (corner.ravel() for corner in (i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]))
        self.faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
        self.held = np.concatenate([i[0], i[-1]])
        self.free = i[1:-1].ravel()
        lifted = self.rest[i[-1]] @ np.array([[0.8, 0, -0.6], [0, 1, 0], [0.6, 0, 0.8]]) + [-0.1, 0.1, 0.4]
        self.targets = np.concatenate([self.rest[i[0]], lifted])
        self.start = self.rest.copy()
        self.start[self.held] = self.targets
        laplacian = -igl.cotmatrix(self.rest, self.faces).tocsr()  # positive semidefinite
        self.weights = csr_matrix(diags(laplacian.diagonal()) - laplacian)
        self.factor = splu(
            laplacian[self.free][:, self.free].tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )  # fmt: skip
        self.load = laplacian[self.free][:, self.held] @ self.targets

    def local_step(self, positions):
        """Rotations and right side, by the kernel."""
        graph = self.weights
        return arap_local_step(self.rest, positions, graph.indptr, graph.indices, graph.data)

    def solved(self, right_side):
        """The global step, the same for all that have none of their own."""
        positions = self.start.copy()
        positions[self.free] = self.factor.solve(right_side[self.free] - self.load)
        return positions


class TorchSheet:
    """The local step as it is written in torch: index_add and a batched singular value decomposition."""

    def __init__(self, sheet: Sheet, device: str, dtype: torch.dtype):
        graph = sheet.weights.tocoo()
        self.i, self.j = (torch.from_numpy(index.astype(np.int64)).to(device) for index in (graph.row, graph.col))
        self.weights = torch.from_numpy(graph.data).to(device, dtype)
        self.rest = torch.from_numpy(sheet.rest).to(device, dtype)
        self.offsets = torch.from_numpy(sheet.weights.indptr).to(device)
        self.neighbours = torch.from_numpy(sheet.weights.indices).to(device)

    def local_step(self, positions):
        before, after = self.rest[self.i] - self.rest[self.j], positions[self.i] - positions[self.j]
        outer = self.weights[:, None, None] * after[:, :, None] * before[:, None, :]
        covariance = positions.new_zeros(len(positions), 3, 3).index_add_(0, self.i, outer)
        rotations = torch_nearest(covariance)
        edges = torch.einsum("e,eab,eb->ea", 0.5 * self.weights, rotations[self.i] + rotations[self.j], before)
        return rotations, torch.zeros_like(positions).index_add_(0, self.i, edges)

    def kernel_local_step(self, positions):
        return rotations_cuda.arap_local_step(self.rest, positions, self.offsets, self.neighbours, self.weights)


def torch_nearest(matrices):
    u, _, vt = torch.linalg.svd(matrices)
    sign = torch.linalg.det(u @ vt)[:, None]
    return torch.cat([u[:, :, :2], u[:, :, 2:] * sign[:, None]], dim=2) @ vt


def libigl(sheet: Sheet) -> Callable:
    """One iteration of libigl's, of the same energy ("spokes"), factorised in advance."""
    data = igl.ARAPData()
    data.energy, data.max_iter = igl.ARAP_ENERGY_TYPE_SPOKES, 1
    igl.arap_precomputation(sheet.rest, sheet.faces, 3, sheet.held.astype(np.int32), data)
    return lambda positions: igl.arap_solve(sheet.targets, data, positions)


def table(device: str, copy: float) -> Table:
    """The floor counts each array once: what comes in, what goes out, rotations written and read, factors read."""
    sheet = Sheet()
    positions = sheet.start
    for _ in range(4):  # into the midst of the deformation, where rotations are no longer the identity
        positions = sheet.solved(sheet.local_step(positions)[1])
    return _on_cuda(sheet, positions, copy) if device == "cuda" else _on_cpu(sheet, positions, copy)


def _on_cpu(sheet: Sheet, positions, copy: float) -> Table:
    """All in float64, but libigl's rotations, which are of single precision inside."""
    count, theirs = len(positions), libigl(sheet)
    plain, tensor = TorchSheet(sheet, "cpu", torch.float64), torch.from_numpy(positions)
    rotations, right_side = sheet.local_step(positions)
    apart = np.abs(sheet.solved(right_side) - theirs(positions)).max()
    if apart > 2e-3:
        raise AssertionError(f"libigl's iteration is another: positions lie {apart:.2g} apart")
    flat = rotations * np.array([1.0, 0.7, 1e-3])  # sheet-like, as covariances on a surface are
    seconds = side_by_side({
        "ours": lambda: sheet.solved(sheet.local_step(positions)[1]),
        "libigl": lambda: theirs(positions),
        "torch": lambda: sheet.solved(plain.local_step(tensor)[1].numpy()),
        "local": lambda: sheet.local_step(positions),
        "torch local": lambda: plain.local_step(tensor),
        "solve": lambda: sheet.solved(right_side),
        "nearest": lambda: nearest_rotation(flat),
        "numpy nearest": lambda: nearest_rotation_reference(flat),
        "torch nearest": lambda: torch_nearest(torch.from_numpy(flat)),
    }, rounds=15)  # fmt: skip
    local = _local_bytes(count, sheet.weights.nnz, 8) / copy
    floor = local + sheet.factor.nnz * 8 / copy
    found = Table(f"One ARAP iteration on the CPU, {count} vertices, float64")
    found.add("local step here, solve by scipy", 1e3 * seconds["ours"], "ms")
    found.add("libigl arap_solve, max_iter=1, spokes", 1e3 * seconds["libigl"], "ms")
    found.add("libigl / ours", seconds["libigl"] / seconds["ours"], "x", least=2.0)
    found.add("torch index_add and svd, solve by scipy / ours", seconds["torch"] / seconds["ours"], "x")
    found.add("of it the solve", 1e3 * seconds["solve"], "ms")
    found.add("of it the local step", 1e3 * seconds["local"], "ms")
    found.add("torch's local step / ours", seconds["torch local"] / seconds["local"], "x")
    found.add("floor of the iteration", 1e3 * floor, "ms")
    found.add("times above the floor", seconds["ours"] / floor, "x")
    found.add("floor of the local step", 1e3 * local, "ms")
    found.add("times above the floor of the local step", seconds["local"] / local, "x")
    _add_nearest(found, seconds, count, 8, copy)
    found.add("numpy svd / ours", seconds["numpy nearest"] / seconds["nearest"], "x")
    return found


def _on_cuda(sheet: Sheet, positions, copy: float) -> Table:
    """Local steps alone, in float32: scipy's solve is not there."""
    count = len(positions)
    plain = TorchSheet(sheet, "cuda", torch.float32)
    tensor = torch.from_numpy(positions).to("cuda", torch.float32)
    flat = plain.local_step(tensor)[0] * torch.tensor([1.0, 0.7, 1e-3], device="cuda")
    seconds = side_by_side({
        "local": lambda: plain.kernel_local_step(tensor),
        "torch local": lambda: plain.local_step(tensor),
        "nearest": lambda: rotations_cuda.nearest_rotation(flat),
        "torch nearest": lambda: torch_nearest(flat),
    }, rounds=15)  # fmt: skip
    local = _local_bytes(count, sheet.weights.nnz, 4) / copy
    found = Table(f"The ARAP local step on CUDA, {count} vertices, float32")
    found.add("local step", 1e3 * seconds["local"], "ms")
    found.add("torch index_add and svd / ours", seconds["torch local"] / seconds["local"], "x")
    found.add("floor", 1e3 * local, "ms")
    found.add("times above the floor", seconds["local"] / local, "x")
    _add_nearest(found, seconds, count, 4, copy)
    return found


def _local_bytes(count: int, edges: int, real: int) -> int:
    # two positions, rotations written and read, right side; row ends; a row and a weight an edge
    return count * (real * (3 + 3 + 9 + 9 + 3) + 4) + edges * (4 + real)


def _add_nearest(found: Table, seconds: dict[str, float], count: int, real: int, copy: float) -> None:
    floor = 2 * 9 * real * count / copy
    found.add(f"nearest rotation of {count} matrices", 1e3 * seconds["nearest"], "ms")
    found.add("its floor", 1e3 * floor, "ms")
    found.add("times above its floor", seconds["nearest"] / floor, "x")
    found.add("torch svd / ours", seconds["torch nearest"] / seconds["nearest"], "x")


if __name__ == "__main__":
    table("cpu", copy_speed("cpu")).show()
    if torch.cuda.is_available():
        table("cuda", copy_speed("cuda")).show()
