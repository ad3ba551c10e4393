"""One iteration of the thin shell beside one of libigl's ARAP, and ways to solve its linear system.

ENVIRONMENT: learned

ANTHESIS_MESHES names a folder with spot.obj and suzanne.obj; without it, only sheets that are made here are measured.
"""

import os
from functools import partial
from pathlib import Path

import igl
import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import splu

from backend.geometry import lattice
from backend.geometry.factor import Factor
from backend.geometry.shell import Cloth, Sheet, Shell
from kernels import thinshell
from tests.bench.side_by_side import side_by_side
from tests.bench.table import Table

BENDING = 0.05
UNLINKED = np.zeros((0, 2), np.int64)
CLOTH = Cloth(stretch=30.0, density=0.1, step=1 / 24)


def rippled(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """A sheet of rows x rows vertices."""
    u, v = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, rows), indexing="ij")
    vertices = np.stack([u, v, 0.05 * np.sin(9 * u + 1) * np.cos(7 * v)], axis=-1).reshape(-1, 3)
    i = np.arange(rows * rows).reshape(rows, rows)
    a, b, c, d = (corner.ravel() for corner in (i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]))
    return vertices, np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Welded, without triangles of no area, of size 1."""
    vertices, faces = igl.read_triangle_mesh(str(path))
    vertices, back = np.unique(vertices, axis=0, return_inverse=True)
    faces = back.ravel()[faces]
    faces = faces[igl.doublearea(vertices, faces) > 1e-12]
    used = np.unique(faces)
    return vertices[used] / np.ptp(vertices, axis=0).max(), np.searchsorted(used, faces)


def meshes() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    found = {}
    if folder := os.environ.get("ANTHESIS_MESHES"):
        for name in ("suzanne", "spot"):
            found[name] = read(Path(folder) / f"{name}.obj")
        vertices, faces = igl.upsample(*found["spot"], 2)
        found["spot, each triangle in 16"] = np.ascontiguousarray(vertices), faces
    return found | {"sheet": rippled(224)}


class Bent:
    """A body whose lowest tenth is held and whose highest is lifted, by a shell and by libigl."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray):
        height = vertices[:, 1]
        low, high = np.quantile(height, [0.1, 0.9])
        held = (height <= low) | (height >= high)
        self.sheet = Sheet(vertices, faces)
        self.anchors = vertices + 0.1 * (height >= high)[:, None]
        self.shell = Shell(self.sheet, CLOTH, held.astype(float), UNLINKED, np.full(len(vertices), -9.0))
        self.shell.refresh = 10**9
        self.growth = np.tile(np.eye(2), (len(faces), 1, 1))
        self.bending = np.full(len(self.sheet.hinges), BENDING)
        weight = 30.0 * self.sheet.area * self.sheet.trust
        self.surface = thinshell.surface(
            self.sheet.faces, self.sheet.inverses, weight, self.sheet.hinges, self.sheet.stencils, len(vertices)
        )
        self.data = igl.ARAPData()
        self.data.energy, self.data.max_iter = igl.ARAP_ENERGY_TYPE_SPOKES, 1
        igl.arap_precomputation(vertices, faces, 3, np.flatnonzero(held).astype(np.int32), self.data)
        self.targets = self.anchors[held]
        self.step()  # so that nobody measures a shape at rest
        self.now = self.shell.positions

    def local(self) -> np.ndarray:
        out = np.zeros_like(self.now)
        bend = self.bending * self.sheet.hinge_weight
        thinshell.gradient(self.now, self.surface, self.growth, bend, self.sheet.kappa, out)
        return out

    def step(self) -> None:
        self.shell.step(self.growth, self.bending, self.sheet.kappa, np.zeros(len(self.anchors)), self.anchors)

    def libigl(self) -> np.ndarray:
        return igl.arap_solve(self.targets, self.data, self.now)


def iterations() -> Table:
    """All in float64, but libigl's rotations, which are of single precision inside."""
    table = Table("One iteration of the shell (membrane and hinges), and of libigl's ARAP (spokes, factorised)")
    for name, (vertices, faces) in meshes().items():
        bent = Bent(vertices, faces)
        seconds = side_by_side({"local": bent.local, "step": bent.step, "libigl": bent.libigl}, rounds=15)
        whole = seconds["step"] / bent.shell.iterations
        name = f"{name}, {len(vertices)} vertices: "
        table.add(f"{name}libigl, local and global", 1e3 * seconds["libigl"], "ms")
        table.add(f"{name}shell, local", 1e3 * seconds["local"], "ms")
        table.add(f"{name}shell, all of a step, by iteration", 1e3 * whole, "ms")
        table.add(f"{name}libigl / local", seconds["libigl"] / seconds["local"], "x", least=2.0)
        table.add(f"{name}libigl / all of a step", seconds["libigl"] / whole, "x", least=2.0)
    return table


def matrices() -> dict[str, csr_matrix]:
    found = {}
    for rows in (45, 100, 224):
        sheet = Sheet(*rippled(rows))
        shell = Shell(sheet, CLOTH, np.zeros(len(sheet.vertices)), UNLINKED, np.zeros(rows**2))
        found[f"shell of {rows**2}"] = shell.matrix(BENDING * sheet.hinge_weight).tocsr()
    for longest in (12, 20, 28):
        cube = np.stack(np.meshgrid(*[np.arange(longest)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        corners = cube[:, None] + lattice.CORNERS
        key = corners @ [1, longest + 1, (longest + 1) ** 2]
        nodes, index = np.unique(key, return_inverse=True)
        grid = lattice.Lattice(1 / longest, np.zeros(3), cube, np.zeros((len(nodes), 3)), index.reshape(-1, 8))
        grid.nodes[index.ravel()] = corners.reshape(-1, 3) / longest
        stiffness = 500.0 * lattice._laplacian(grid)
        found[f"lattice of {len(nodes)}"] = (stiffness + diags(np.full(len(nodes), 576 / longest**3))).tocsr()
    return found


def superlu(matrix: csr_matrix):
    return splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})


def solvers() -> Table:
    table = Table("cholespy (nested dissection) beside scipy's splu (minimum degree), three right sides")
    for name, matrix in matrices().items():
        right_side = np.random.default_rng(0).normal(size=(matrix.shape[0], 3))
        ours, theirs = Factor(matrix), superlu(matrix)
        apart = np.abs(ours.solve(right_side) - theirs.solve(right_side)).max() / np.abs(right_side).max()
        if apart > 1e-6:
            raise AssertionError(f"{name}: the solutions are {apart:.2g} apart")
        made = side_by_side({"cholespy": partial(Factor, matrix), "splu": partial(superlu, matrix)}, rounds=3)
        ways = {"cholespy": partial(ours.solve, right_side), "splu": partial(theirs.solve, right_side)}
        solved = side_by_side(ways, rounds=9)
        for way in ways:
            table.add(f"{name}: factorise, {way}", 1e3 * made[way], "ms")
        for way in ways:
            table.add(f"{name}: solve, {way}", 1e3 * solved[way], "ms")
    return table


def main() -> None:
    iterations().show()
    solvers().show()


if __name__ == "__main__":
    main()
