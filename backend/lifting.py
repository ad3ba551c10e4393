"""From the motion of a picture to that of the mesh in it: visible pixels constrain its modes, modes fill in the rest.

Of each bin k of a spectral volume that is seen in the picture

    d_k(p)    (2,) pixels, complex: what pixel p does, x to the right and y down
    phi_m(p)  (3,) mode m at the point of the surface that pixel p shows
    J(p)      (2, 3) pixels a metre: the derivative of the projection there
    A         (2 P, M) with rows J(p) phi_m(p), real: what a mode of amplitude 1 does to the picture
    w_p       how much pixel p is believed, on the diagonal of W; sigma_k, pixels, how far it is off
    C_k       (M, M) the covariance of the amplitudes before anything is seen

the amplitudes c_k are those that minimise

    sum_p w_p |J(p) sum_m c_km phi_m(p) - d_k(p)|^2 / sigma_k^2 + c_k^H C_k^-1 c_k,
    c_k = (C_k A^T W A + sigma_k^2)^-1 C_k A^T W d_k,

the maximum a posteriori, and the mean, of complex Gaussians. Where C_k is diagonal, of s_km^2, the second term is
sum_m |c_km|^2 / s_km^2. Nothing is divided by C_k: a mode that wind never moves stays still. A mode that cannot be
seen, as it goes along the view or swings on the hidden side, takes what its covariance with those that are seen makes
of them. Bin 0 is real.

The projection is taken to first order about the picture, in which the mesh is as its vertices say. So what is seen of
the lean is the way from there to the middle of the swings, as in backend/training/dynamics/samples.py.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from backend.render.cameras import Cameras
from backend.spectral import SpectralVolume
from kernels.rasterize import rasterize

Reals = NDArray[np.float64]
Complexes = NDArray[np.complexfloating]

FEWEST = 32  # pixels that must show the mesh
MOST = 40_000  # pixels that are looked at: of more, every second one, or third, ...
STILL = 0.02  # pixels: what nowhere on the mesh goes further stands still
BESIDE = 3  # pixels from the mesh on, motion is that of something else
EDGE = 0.1  # weight of a pixel where the mesh ends: what is seen there may belong to what lies behind
STEEP = 6.0  # pixels, of a surface that faces the camera: two neighbours that are further apart are of two parts
OUTLIER = 2.5  # sigmas: further off, errors count by their logarithm
ROUNDS = 10
EXACT = 1e-4  # of what is seen: no picture is more exact than that
ROUNDING = 1e-6  # of what could be: below that, its square is lost beside it


class Unseen(ValueError):
    """The picture does not tell how the mesh moves. The message says why and what to do."""


@dataclass(frozen=True)
class Blur:
    """How unsharp the motion of a learned picture is, in its pixels."""

    soft: float = 0.0  # by how much it runs over outlines: standard deviation of a Gaussian
    grain: float = 1.0  # pixels, an area, over which its errors go together: they count as one


SHARP = Blur()


@dataclass(frozen=True, eq=False)
class Seen:
    """P pixels that show a mesh of M modes, and how they move in K bins."""

    basis: Reals  # (P, 2, M) J phi: pixels an amplitude
    motion: Complexes  # (K, P, 2) pixels; the first bin is real
    weights: Reals  # (P,) their sum is how many pixels they are worth


@dataclass(frozen=True, eq=False)
class Lift:
    """What moves the mesh as the picture does."""

    amplitudes: Complexes  # (K, M), the first bin real
    noise: Reals  # (K,) pixels, root mean square of x and of y: how far off the picture is, but for its outliers
    explained: float  # share of the seen energy, see explained()
    pixels: int  # that were used


def look(
    camera: Cameras, points: NDArray, faces: NDArray, shapes: NDArray, volume: SpectralVolume, blur: Blur = SHARP
) -> Seen:
    """What one camera sees of a mesh, points (V, 3), faces (F, 3) and shapes (M, V, 3), in a volume (K, H, W, 2).

    What the modes do to the picture is softened as the picture is. Raises Unseen.
    """
    if volume.coefficients.ndim != 4 or volume.coefficients.shape[3] != 2:
        raise ValueError(f"What is seen must be (K, H, W, 2), not {volume.coefficients.shape}")
    if not np.isfinite(volume.coefficients).all():
        raise ValueError("What is seen holds values that are not numbers")
    height, width = volume.coefficients.shape[1:3]
    matrix = (camera.projection @ camera.view)[0].double().numpy()
    clip = points @ matrix[:, :3].T + matrix[:, 3]
    found = rasterize(torch.from_numpy(clip)[None], torch.from_numpy(np.ascontiguousarray(faces)), height, width)
    triangle = found.triangle[0].numpy()
    there = triangle >= 0
    corners, shares = faces[triangle[there]], found.barycentrics[0].numpy()[there]
    loose = shapes.any(axis=(0, 2))[corners].any(axis=1)
    if loose.sum() < FEWEST:
        raise Unseen(
            f"Only {loose.sum()} pixels of the picture show where the mesh can move, and {FEWEST} are wanted: look at "
            "it from nearer or from another side, or make the picture larger."
        )
    _refuse_elsewhere(volume, there)
    places = np.einsum("pc,pci->pi", shares, np.asarray(points, np.float64)[corners])
    slopes = _slopes(matrix, places, height, width)
    weights = np.where(_amid(there, places, slopes), 1.0, EDGE)
    step = -(-len(places) // MOST)
    weights = weights[::step] / max(1.0, blur.grain / step)
    motion = volume.coefficients[:, there][:, ::step].astype(np.complex128)
    motion[0] = motion[0].real
    basis = np.empty((len(weights), 2, len(shapes)))
    for mode, shape in enumerate(shapes):
        moved = np.einsum("pc,pci->pi", shares, shape[corners])
        shown = np.zeros((*there.shape, 2))
        shown[there] = np.einsum("pij,pj->pi", slopes, moved)
        if blur.soft > 0:
            shown = gaussian_filter(shown, (blur.soft, blur.soft, 0), mode="nearest")
        basis[:, :, mode] = shown[there][::step]
    return Seen(basis, motion, weights)


def strengths(seen: Seen, prior: Complexes) -> Reals:
    """(K,) by what to multiply covariances (K, M, M) so that they let move on the average as much as is seen to."""
    flat, motion, weights = _flat(seen)
    gram = flat.T @ (flat * weights[:, None])
    expected = np.einsum("mn,knm->k", gram, prior).real
    seen_so = (np.abs(motion) ** 2) @ weights
    return np.divide(seen_so, expected, out=np.zeros_like(expected), where=expected > 0)


def lift(seen: Seen, prior: Complexes) -> Lift:
    """The amplitudes of modes, whose covariances are `prior` (K, M, M) before anything is seen.

    sigma is estimated: the weighted mean of what is left, for 2 sum(w) numbers less those that the modes took up. A
    pixel that is off by r sigmas, root mean square over bins, is believed by min(1, (OUTLIER / r)^2): its error counts
    by the square, and from OUTLIER on by the logarithm, so that what moves otherwise has little say. Both follow from
    the last fit, and the next one from them.
    """
    flat, motion, weights = _flat(seen)
    bins, modes = len(motion), flat.shape[1]
    prior = np.concatenate([prior[:1].real, prior[1:]]).astype(np.complex128)
    size = np.sqrt((np.abs(motion) ** 2) @ weights / weights.sum())
    allowed = np.sqrt(np.einsum("mn,knm->k", flat.T @ (flat * weights[:, None]), prior).real / weights.sum())
    least = np.maximum(EXACT * size, ROUNDING * allowed) + np.finfo(float).tiny ** 0.25
    sigma = np.maximum(size, least)
    trust = np.ones(len(weights) // 2)
    for _ in range(ROUNDS):
        believed = weights * np.repeat(trust, 2)
        weighted = flat * believed[:, None]
        gained = prior @ (flat.T @ weighted)
        system = gained + np.eye(modes) * sigma[:, None, None] ** 2
        amplitudes = np.linalg.solve(system, prior @ (motion @ weighted)[:, :, None])[:, :, 0]
        off = np.abs(motion - amplitudes @ flat.T) ** 2
        taken = np.trace(np.linalg.solve(system, gained), axis1=1, axis2=2).real
        count = believed.sum()
        sigma = np.maximum(np.sqrt(off @ believed / np.maximum(count - taken, 0.1 * count)), least)
        far = np.sqrt((off / sigma[:, None] ** 2).reshape(bins, -1, 2).mean(axis=(0, 2)))
        trust = np.minimum(1.0, (OUTLIER / np.maximum(far, OUTLIER)) ** 2)
    return Lift(amplitudes, sigma, explained(seen, amplitudes), len(trust))


def explained(seen: Seen, amplitudes: Complexes) -> float:
    """The share of the seen energy that amplitudes (K, M) take up; below 0 where they are worse than none."""
    flat, motion, weights = _flat(seen)
    shares = np.where(np.arange(len(motion)) > 0, 0.5, 1.0)  # of a bin in the mean over time, see backend/spectral.py
    left, whole = (shares @ np.abs(part) ** 2 @ weights for part in (motion - amplitudes @ flat.T, motion))
    return float(1.0 - left / whole) if whole > 0 else 0.0


def _flat(seen: Seen) -> tuple[Reals, Complexes, Reals]:
    """Basis (2P, M), motion (K, 2P) and weights (2P,)."""
    modes, bins = seen.basis.shape[2], len(seen.motion)
    return seen.basis.reshape(-1, modes), seen.motion.reshape(bins, -1), np.repeat(seen.weights, 2)


def _slopes(matrix: Reals, places: Reals, height: int, width: int) -> Reals:
    """(P, 2, 3): of the pixel x = (X / W + 1) width / 2, y = (1 - Y / W) height / 2, clip space being (X, Y, Z, W)."""
    x, y, w = (places @ matrix[[0, 1, 3], :3].T + matrix[[0, 1, 3], 3]).T[:, :, None]
    across, up, away = matrix[[0, 1, 3], :3]
    return np.stack([(across - x / w * away) * (width / 2) / w, (y / w * away - up) * (height / 2) / w], axis=1)


def _amid(there: NDArray[np.bool_], places: Reals, slopes: Reals) -> NDArray[np.bool_]:
    """(P,) whether the same part of the mesh goes on all round a pixel."""
    place = np.full((*there.shape, 3), np.nan)
    place[there] = places
    padded = np.pad(place, ((1, 1), (1, 1), (0, 0)), mode="edge")
    allowed = STEEP / np.linalg.norm(slopes, 2, axis=(1, 2))
    amid = np.ones(len(places), bool)
    for i, j in np.ndindex(3, 3):
        beside = padded[i : i + there.shape[0], j : j + there.shape[1]][there]
        amid &= np.linalg.norm(beside - places, axis=1) <= allowed
    return amid


def _refuse_elsewhere(volume: SpectralVolume, there: NDArray[np.bool_]) -> None:
    """Raises Unseen where what the picture shows to move is not the mesh, or nothing."""
    squares = (np.abs(volume.coefficients.astype(np.complex128)) ** 2).sum(axis=3)
    squares = volume.lean.astype(float)[..., 0] ** 2 + volume.lean[..., 1] ** 2 + 0.5 * squares[1:].sum(axis=0)
    near = there.copy()
    for _ in range(BESIDE):
        near[1:] |= near[:-1]
        near[:-1] |= near[1:]
        near[:, 1:] |= near[:, :-1]
        near[:, :-1] |= near[:, 1:]
    on, beside = squares[there].sum(), squares[~near].sum()
    if beside > on and squares.max() > STILL**2:
        raise Unseen(
            f"The picture moves where the mesh is not: {beside / squares.sum():.0%} of its motion is beside it. Try "
            "another seed or another view, or look at it from nearer."
        )
    if squares[there].max() <= STILL**2:
        raise Unseen("Nothing of the mesh is seen to move in the picture: try another seed or another view.")
