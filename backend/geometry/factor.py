"""A sparse, symmetric, positive definite matrix, factorised once and solved often.

cholespy (BSD-3-Clause; Nicolet et al., "Large steps in inverse rendering of geometry", SIGGRAPH Asia 2021) carries
CHOLMOD (Chen et al., "Algorithm 887", ACM TOMS 2008; LGPL-2.1-or-later, its supernodal part, which is linked but not
called, GPL-2.0-or-later) with nested dissection by METIS (Apache-2.0). It runs on one thread.
"""

import numpy as np
from cholespy import CholeskySolverD, MatrixType
from scipy.sparse import csr_matrix

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
