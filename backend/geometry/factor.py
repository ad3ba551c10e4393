"""A sparse, symmetric, positive definite matrix, factorised once and solved often, also with a few rows more.

cholespy (BSD-3-Clause; Nicolet et al., "Large steps in inverse rendering of geometry", SIGGRAPH Asia 2021) carries
CHOLMOD (Chen et al., "Algorithm 887", ACM TOMS 2008; LGPL-2.1-or-later, its supernodal part, which is linked but not
called, GPL-2.0-or-later) with nested dissection by METIS (Apache-2.0). It runs on one thread.
"""

import numpy as np
from cholespy import CholeskySolverD, MatrixType
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix, vstack

from backend.geometry.body import Reals


class Factor:
    """Of one (N, N) matrix, both of whose halves are stored. Raises ValueError where it is not positive definite."""

    def __init__(self, matrix: csr_matrix):
        rows = matrix.tocsr()
        # not CSC: cholespy would reallocate the arrays that it is given, and these are numpy's
        self._solver = CholeskySolverD(
            rows.shape[0], rows.indptr.astype(np.int32), rows.indices.astype(np.int32), rows.data, MatrixType.CSR
        )

    def solve(self, right_side: Reals) -> Reals:
        """x (N, k) with matrix @ x = right_side (N, k)."""
        right_side = np.ascontiguousarray(right_side)
        x = np.empty_like(right_side)
        self._solver.solve(right_side, x)
        return x


class Joined:
    """Of a factorised matrix (N, N), and stiffness * rows.T @ rows of K rows (K, N) that join it one time or another.

    By the matrix inversion lemma, for which each row is solved once, when it joins.
    """

    def __init__(self, factor: Factor, stiffness: float):
        self._factor, self._stiffness = factor, stiffness
        self._rows: csr_matrix | None = None

    def __len__(self) -> int:
        return 0 if self._rows is None else self._rows.shape[0]

    def join(self, rows: csr_matrix) -> None:
        reach = self._factor.solve(rows.T.toarray()).T
        if self._rows is not None:
            rows, reach = vstack([self._rows, rows]).tocsr(), np.concatenate([self._reach, reach])
        self._rows, self._columns, self._reach = rows, rows.T.tocsr(), np.ascontiguousarray(reach)  # the last (K, N)
        inner = rows @ reach.T
        inner[np.diag_indices_from(inner)] += 1.0 / self._stiffness
        self._inner = cho_factor(inner, lower=True)

    def solve(self, right_side: Reals) -> Reals:
        """x (N, k) for the right side (N, k), as of a `Factor`."""
        if self._rows is not None:
            right_side = right_side - self._columns @ cho_solve(self._inner, self._reach @ right_side)
        return self._factor.solve(right_side)
