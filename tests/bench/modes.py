"""Sway of whole meshes, and the eigenvalue problem of their modes beside scipy's own ways to solve it.

ENVIRONMENT: learned
"""

import backend.threads  # noqa: F401  # isort: skip

import time
from functools import partial

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import LinearOperator, eigsh, splu

from backend import protocol
from backend.clip import Mesh
from backend.geometry.anatomy import Anatomy
from backend.geometry.modes import Matter, eigen
from backend.geometry.modes.joints import held_vertices
from backend.geometry.modes.members import Sheets, Solids
from backend.pipelines.lifecycle import weld
from backend.pipelines.sway import sway
from backend.report import silent
from backend.species import SPECIES
from backend.specimens import grow
from tests.bench.side_by_side import side_by_side
from tests.bench.subjects import subjects
from tests.bench.table import Table

COUNT = 24
TAU = 0.6


def bodies() -> dict[str, Mesh]:
    """Meshes of 7k to 20k vertices, solids, sheets, and plants of both."""
    found = {}
    for name in ("rose", "sunflower", "oak_leaf", "mushroom", "bread"):
        specimen = grow(SPECIES[name](), 3)
        found[name] = specimen.mesh.at(specimen.at(TAU).positions)
    made = subjects()
    return found | {name: made[name]() for name in ("spot", "teapot") if name in made}


def plain(stiffness: csr_matrix, mass: csr_matrix) -> np.ndarray:
    """As anyone would write it."""
    return eigsh(stiffness, COUNT, mass, sigma=0.0)[0]


def ordered(stiffness: csr_matrix, mass: csr_matrix) -> np.ndarray:
    """With the best that scipy has: minimum degree of a symmetric matrix."""
    factor = splu(stiffness.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    inverse = LinearOperator(stiffness.shape, matvec=factor.solve, dtype=float)
    return eigsh(stiffness, COUNT, mass, sigma=0.0, OPinv=inverse)[0]


def curtain() -> Sheets:
    """A sheet of two metres, a little wavy, that hangs by its upper edge."""
    side = 37
    across, up = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 2, side), np.linspace(0, 2, side)))
    points = np.column_stack([across, 0.05 * np.sin(7.0 * across), up])
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    quads = np.column_stack([corner, corner + 1, corner + side + 1, corner + side])
    body = weld(Mesh.from_quads(points.astype(np.float32), quads.astype(np.int32))).body
    return Sheets(Anatomy(body), Matter(), body.vertices[:, 2] > body.vertices[:, 2].max() - 1e-6)


def solvers(anatomies: dict[str, Anatomy]) -> Table:
    table = Table(f"{COUNT} modes: eigen.lowest (cholespy) beside scipy's eigsh, as it is and with minimum degree")
    members = {
        name: Solids(anatomies[name], Matter(), held_vertices(anatomies[name], anatomies[name].held))
        for name in ("spot", "bread")
        if name in anatomies
    }
    for name, member in (members | {"curtain": curtain()}).items():
        stiffness = member.stiffness
        ours = eigen.lowest(stiffness, member.mass, COUNT)[0]
        apart = np.abs(np.sort(plain(stiffness, member.mass)) / ours - 1.0).max()
        if apart > 1e-5:
            raise AssertionError(f"{name}: the squared frequencies are {apart:.2g} apart")
        ways = {"ours": eigen.lowest, "eigsh": plain, "eigsh, minimum degree": ordered}
        calls = {way: partial(call, stiffness, member.mass) for way, call in ways.items() if way != "ours"}
        seconds = side_by_side({"ours": partial(eigen.lowest, stiffness, member.mass, COUNT), **calls}, rounds=3)
        title = f"{name}, {type(member).__name__.lower()}, {stiffness.shape[0]} freedoms"
        for way, took in seconds.items():
            table.add(f"{title}: {way}", took, "s")
        table.add(f"{title}: eigsh over ours", seconds["eigsh"] / seconds["ours"], "", least=1.4)
    return table


def whole(meshes: dict[str, Mesh]) -> Table:
    table = Table(f"Sway, from the artist's mesh to {protocol.Sway().modes} modes and their answer to the wind")
    for name, mesh in meshes.items():
        sway(mesh, protocol.Sway(modes=3), silent)  # compiled
        began = time.perf_counter()
        sway(mesh, protocol.Sway(), silent)
        table.add(f"{name}, {len(mesh.vertices)} vertices", time.perf_counter() - began, "s", bound=5.0)
    return table


def main() -> None:
    meshes = bodies()
    anatomies = {name: Anatomy(weld(mesh).body) for name, mesh in meshes.items()}
    whole(meshes).show()
    solvers(anatomies).show()


if __name__ == "__main__":
    main()
