"""The lowest vibration modes of a stiffness and a mass matrix, the same ones every time.

Lanczos with the inverse (ARPACK's shift-invert), about a sparse Cholesky factor. Modes of one frequency may be mixed in
any way and every mode may be turned over: which mixture and which sign is settled by where things move, so that neither
the order of the vertices nor chance decides.
"""

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import LinearOperator, eigsh

from backend.geometry.body import Reals
from backend.geometry.factor import Factor

SHIFT = 1e-6  # of the mean stiffness over the mean mass: what is first added to a body that nothing holds
NEARER = 0.01, 0.1  # of the lowest squared frequency: what is added then, and at most
TOLERANCE = 1e-6
DEPENDENT = 1e-8  # share of its mass that is left of an answer which the modes hold
SAME = 1e-4  # relative difference of squared frequencies below which modes are of one frequency


def lowest(
    stiffness: csr_matrix, mass: csr_matrix, count: int, rigid: Reals | None = None, loads: Reals | None = None
) -> tuple[Reals, Reals]:
    """(M,) squared angular frequencies, ascending, and (n, M) motions with a mass of 1; at most `count` of them.

    rigid (n, R): motions that cost nothing, where there are any; they are left out. loads (n, P), of a body that has no
    such motions: as many shapes more, with which the body gives way to these loads as it would with all its modes.
    Raises ValueError where the stiffness is not that of something elastic.
    """
    many = 0 if rigid is None else rigid.shape[1]
    shift, factor = (0.0, Factor(stiffness)) if rigid is None else _shifted(stiffness, mass, rigid)
    size = stiffness.shape[0]
    inverse = LinearOperator((size, size), matvec=lambda x: factor.solve(x.reshape(-1, 1))[:, 0], dtype=float)
    wanted = min(count + many, size - 1)
    squares, motions = eigsh(
        stiffness, wanted, mass, sigma=-shift, OPinv=inverse, v0=mass @ _anything(size), tol=TOLERANCE,
        ncv=min(size, 2 * wanted + 12),
    )  # fmt: skip
    order = np.argsort(squares)
    squares, motions = squares[order], motions[:, order]
    if many:
        elastic = np.sort(np.argsort(_rigid_share(motions, mass, rigid), kind="stable")[: wanted - many])
        squares, motions = squares[elastic], motions[:, elastic]
    elif loads is not None:
        more = _residual(stiffness, mass, factor.solve(loads), motions)
        squares, motions = np.concatenate([squares, more[0]]), np.concatenate([motions, more[1]], axis=1)
        order = np.argsort(squares)
        squares, motions = squares[order], motions[:, order]
    return squares, motions


def _residual(stiffness: csr_matrix, mass: csr_matrix, answers: Reals, motions: Reals) -> tuple[Reals, Reals]:
    """Of the static `answers` (n, P) to loads what the modes do not hold, as motions of their own: squared frequencies
    (R,) by Rayleigh and Ritz, and (n, R) with a mass of 1, orthogonal to the modes and to one another.

    Residual vectors, or modal truncation augmentation: Dickens, Nakagawa and Wittbrodt, "A critique of mode
    acceleration and modal truncation augmentation methods for modal response analysis", Computers & Structures 62,
    1997.
    """
    sizes = np.sqrt((answers * (mass @ answers)).sum(axis=0))
    pushed = sizes > DEPENDENT * sizes.max()  # wind along a flat sheet does not push it
    if not pushed.any():
        return np.zeros(0), np.zeros((len(answers), 0))
    rest = answers[:, pushed] / sizes[pushed]
    for _ in range(2):  # once more, for what rounding left
        rest = rest - motions @ (motions.T @ (mass @ rest))
    weights, mixture = eigh(rest.T @ (mass @ rest))
    held = weights > DEPENDENT * max(weights.max(), DEPENDENT)
    rest = rest @ (mixture[:, held] / np.sqrt(weights[held]))
    squares, mixture = eigh(rest.T @ (stiffness @ rest))
    return squares, rest @ mixture


def _shifted(stiffness: csr_matrix, mass: csr_matrix, rigid: Reals) -> tuple[float, Factor]:
    """A shift, small beside the lowest squared frequency that is none of a rigid motion, and the factor with it."""
    shift = SHIFT * stiffness.trace() / mass.trace()
    heavy = mass @ rigid
    inner = rigid.T @ heavy
    while True:
        factor = Factor((stiffness + shift * mass).tocsr())
        x = _anything(len(rigid))
        for _ in range(4):
            x = factor.solve((mass @ x)[:, None])[:, 0]
            x -= rigid @ np.linalg.solve(inner, heavy.T @ x)
            x /= np.sqrt(x @ (mass @ x))
        least = x @ (stiffness @ x)
        if shift <= NEARER[1] * least:
            return shift, factor
        shift = min(NEARER[0] * least, 0.1 * shift)


def _anything(size: int) -> Reals:
    return np.random.default_rng(0).normal(size=size)


def _rigid_share(motions: Reals, mass: csr_matrix, rigid: Reals) -> Reals:
    """(M,) how much of each motion is rigid, in [0, 1]."""
    heavy = mass @ rigid
    part = np.linalg.solve(np.linalg.cholesky(rigid.T @ heavy), heavy.T @ motions)
    return (part**2).sum(axis=0)


def settled(squares: Reals, shapes: Reals, points: Reals) -> Reals:
    """(M, N, 3) shapes of the modes at points (N, 3), mixed and turned over so that they are the same each time."""
    size = np.ptp(points, axis=0).max()
    place = (points - 0.5 * (points.min(axis=0) + points.max(axis=0))) / size
    wave = np.cos(place @ np.array([[2.1, 1.3, 0.7], [0.9, 2.3, 1.7], [1.5, 0.6, 2.7]]) + [0.4, 1.1, 2.0])  # (N, 3)
    # along x first, then y, then z; where that does not tell two apart, by where they are
    weights = np.array([1.0, 0.6, 0.3]) + 1e-3 * wave
    shapes = shapes.copy()
    starts = np.flatnonzero(np.append(True, np.diff(squares) > SAME * squares[1:]))
    for start, end in zip(starts, np.append(starts[1:], len(squares)), strict=True):
        if end - start > 1:
            same = shapes[start:end].reshape(end - start, -1)
            _, mixture = np.linalg.eigh((same * weights.ravel()) @ same.T)
            shapes[start:end] = np.tensordot(mixture[:, ::-1].T, shapes[start:end], axes=1)
    lean = np.einsum("mni,ni->m", shapes, wave + [1.0, 0.6, 0.3])
    return shapes * np.where(lean < 0.0, -1.0, 1.0)[:, None, None]
