"""Spectral volumes: motion that comes round again, as a few temporal Fourier coefficients of each point.

After Li, Tucker, Snavely, Holynski, "Generative Image Dynamics" (arXiv:2309.07906). Their F_t(p) is a displacement
here, their S_f(p) a coefficient. Points are the vertices of a mesh, (V, 3) in metres, or the pixels of a picture,
(H, W, 2).

Conventions. With K bins, a base frequency f0 and a rest x0,

    x(t) = x0 + Re sum_{k=0}^{K-1} S_k exp(2 pi i k f0 t)

- S_0 is the steady lean about which all swings; of it the real part alone is seen.
- All comes round after 1 / f0 seconds. K = 16 bins at 0.2 Hz reach from 0 to 3 Hz, as in the paper.
- Of N samples d_n = x(n / (N f0)) - x0 over one period, with R = rfft(d):
  S_0 = R_0 / N, S_k = 2 R_k / N for 0 < k < N / 2, and S_{N/2} = R_{N/2} / N.
  The paper keeps R itself, so its coefficients are larger by N / 2.
- The mean over a period of |x - x0|^2 is |Re S_0|^2 + sum_{k>0} |S_k|^2 / 2 (Parseval).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

BASE = 0.2  # Hz: a loop of five seconds
BINS = 16  # of the paper, the lean among them
SHARE = 95  # per cent of coefficients that normalisation brings into [-1, 1]

Reals = NDArray[np.floating]
Complexes = NDArray[np.complexfloating]


@dataclass(frozen=True)
class Loop:
    """What frequencies a volume has: `bins` of them, 0 Hz first, `base` Hz apart."""

    base: float = BASE
    bins: int = BINS

    def __post_init__(self) -> None:
        if not (self.base > 0 and self.bins >= 1):
            raise ValueError(f"A loop wants bins and a base above 0 Hz, not {self.bins} at {self.base:g} Hz")

    @property
    def frequencies(self) -> NDArray[np.float64]:
        """(K,) Hz."""
        return self.base * np.arange(self.bins)


@dataclass(frozen=True, eq=False)
class SpectralVolume:
    """K bins of a motion: of V vertices, or of H x W pixels."""

    coefficients: Complexes  # (K, V, 3) metres, or (K, H, W, 2) pixels
    base: float = BASE  # Hz, of the first bin after the lean

    def __post_init__(self) -> None:
        if not np.iscomplexobj(self.coefficients) or self.coefficients.ndim < 2 or not len(self.coefficients):
            raise ValueError("A spectral volume wants complex coefficients, (K, V, 3) or (K, H, W, 2)")
        if not self.base > 0:
            raise ValueError(f"The base frequency must be above 0 Hz, not {self.base:g}")

    @cached_property
    def frequencies(self) -> NDArray[np.float64]:
        """(K,) Hz, the first one 0."""
        return self.base * np.arange(len(self.coefficients))

    @property
    def period(self) -> float:
        """Seconds after which all comes round."""
        return 1.0 / self.base

    @property
    def lean(self) -> Reals:
        """(V, 3) or (H, W, 2): what stays."""
        return self.coefficients[0].real

    def energy(self) -> NDArray[np.float64]:
        """(K,) mean over a period of the squared displacement, summed over points: metres^2 or pixels^2."""
        flat = self.coefficients.reshape(len(self.coefficients), -1)
        swings = 0.5 * np.einsum("kp,kp->k", flat[1:], flat[1:].conj()).real
        return np.concatenate([[np.sum(flat[0].real.astype(float) ** 2)], swings])


def analyse(displacements: Reals, base: float, bins: int = BINS) -> tuple[SpectralVolume, float]:
    """The lowest `bins` of one period of motion, and what share of its energy is lost with the rest.

    `displacements` (N, V, 3) or (N, H, W, 2) are N even samples of a period of 1 / `base` seconds; the one that would
    follow is the first again. At least 2 bins - 1 of them are wanted, or a swing could not be told from a faster one.
    """
    count = len(displacements)
    if not 1 <= bins <= (count + 1) // 2:
        raise ValueError(f"{bins} bins want at least {max(2 * bins - 1, 1)} samples, not {count}")
    waves = np.exp(-2j * np.pi * _phases(bins, count)) / count
    waves[1:] *= 2.0
    flat = displacements.reshape(count, -1).astype(np.float64)
    # Two real products: numpy would make the samples complex first.
    real, imaginary = (np.ascontiguousarray(part) @ flat for part in (waves.real, waves.imag))
    coefficients = (real + 1j * imaginary).reshape(bins, *displacements.shape[1:])
    whole = np.einsum("np,np->", flat, flat) / count
    kept = SpectralVolume(coefficients, base).energy().sum()
    lost = float(max(0.0, 1.0 - kept / whole)) if whole > 0 else 0.0
    return SpectralVolume(coefficients.astype(np.complex64), base), lost


def looped(volume: SpectralVolume, frames: int) -> NDArray[np.float32]:
    """One period in `frames` even steps, (frames, V, 3): the frame after the last one is the first, to the bit."""
    if frames < 1:
        raise ValueError(f"A loop wants at least one frame, not {frames}")
    return _sum(volume.coefficients, _phases(len(volume.coefficients), frames).T)


def lifted(amplitudes: Complexes, shapes: Reals, base: float = BASE) -> SpectralVolume:
    """The volume (K, V, 3) of M shapes (M, V, 3) that swing with `amplitudes` (K, M): sum_m a_km phi_m."""
    count = len(shapes)
    if amplitudes.ndim != 2 or amplitudes.shape[1] != count:
        raise ValueError(f"Amplitudes of {count} shapes must be (K, {count}), not {amplitudes.shape}")
    flat = shapes.reshape(count, -1).astype(np.float32, copy=False)
    real, imaginary = (part.astype(np.float32) @ flat for part in (amplitudes.real, amplitudes.imag))
    coefficients = np.empty(real.shape, np.complex64)
    coefficients.real, coefficients.imag = real, imaginary
    return SpectralVolume(coefficients.reshape(-1, *shapes.shape[1:]), base)


def magnified(volume: SpectralVolume, factor: ArrayLike) -> SpectralVolume:
    """All swings `factor` times as far; (K,) factors act bin by bin, the lean's first."""
    factors = np.broadcast_to(np.asarray(factor, np.float32), len(volume.coefficients))
    return replace(volume, coefficients=volume.coefficients * _beside(factors, volume.coefficients))


def slowed(volume: SpectralVolume, factor: float) -> SpectralVolume:
    """The same motion in `factor` times the time; below 1 it is faster."""
    if not factor > 0:
        raise ValueError(f"Motion can be slowed by a factor above 0, not {factor:g}")
    return replace(volume, base=volume.base / factor)


def within(volume: SpectralVolume, lean: float, swing: float) -> SpectralVolume:
    """A motion that leans nowhere farther than `lean`, and swings about it nowhere farther than `swing`.

    What is small stays as it is, and what is larger stays larger: of what goes as far as r, 1 / sqrt(1 + (r / reach)^2)
    is left. Shapes remain, and the shares of the swings.
    """
    leaned, swung = np.zeros((2, len(volume.coefficients)))
    leaned[0], swung[1:] = 1.0, 1.0
    shares = [
        part / np.hypot(1.0, farthest(magnified(volume, part)) / reach)
        for part, reach in ((leaned, lean), (swung, swing))
    ]
    return magnified(volume, shares[0] + shares[1])


def farthest(volume: SpectralVolume) -> float:
    """How far any point gets from rest in a period. It is looked at often, not always: a little less than true."""
    samples = 8 * len(volume.coefficients)  # of the fastest swing, 0.92 is seen at least
    return float(np.sqrt((looped(volume, samples).astype(np.float64) ** 2).sum(axis=-1).max()))


def seam(displacements: Reals) -> float:
    """How much of a jump the end of a loop makes, (N, V, 3) sampled evenly: 0 is none.

    The guidance of the paper asks that the last frame meet the first in place and in speed. Here it is the change of
    step over the seam, root mean square over points, beside the same within the loop: the greater of the two ways
    round, less 1. Of samples of any smooth loop it is near 0; of one that is cut it is large.
    """
    if len(displacements) < 4:
        raise ValueError("A seam shows in four frames at least")
    steps = np.roll(displacements, -1, axis=0) - displacements  # the last one goes over the seam
    turns = steps - np.roll(steps, 1, axis=0)
    sizes = np.sqrt((turns.reshape(len(turns), -1).astype(np.float64) ** 2).mean(axis=1))
    inside, over = sizes[1:-1].max(), sizes[[0, -1]].max()
    if over == 0:
        return 0.0
    return float(max(0.0, over / inside - 1.0)) if inside > 0 else float("inf")


@dataclass(frozen=True, eq=False)
class Scales:
    """Frequency-adaptive normalisation (section 3.1 of the paper): one size for each bin.

    Coefficients fall by two orders of magnitude from the slowest swing to the fastest. Divided by the 95th percentile
    of their size in a training set and drawn out by a signed square root, all bins fill about [-1, 1].
    """

    sizes: NDArray[np.float64]  # (K,) in the unit of the coefficients

    @classmethod
    def of(cls, volumes: list[SpectralVolume]) -> "Scales":
        """From a training set: volumes of the same K. A bin in which most stands still is measured by its largest."""
        if len({len(volume.coefficients) for volume in volumes}) != 1:
            raise ValueError("Scales want volumes with the same number of bins")
        sizes = []
        for bin_ in zip(*(volume.coefficients for volume in volumes), strict=True):
            parts = np.abs(np.concatenate([_real_parts(one).ravel() for one in bin_]))
            sizes.append(np.percentile(parts, SHARE) or parts.max() or 1.0)
        return cls(np.array(sizes, np.float64))

    def normalised(self, volume: SpectralVolume) -> NDArray[np.float32]:
        """(K, V, 6) or (K, H, W, 4): real parts of the axes, then imaginary ones; sign(s) sqrt(|s| / size)."""
        parts = _real_parts(volume.coefficients) / self._for(volume.coefficients)
        return (np.sign(parts) * np.sqrt(np.abs(parts))).astype(np.float32)

    def restored(self, values: Reals, base: float = BASE) -> SpectralVolume:
        """The volume of normalised values (K, V, 6) or (K, H, W, 4)."""
        parts = np.sign(values) * values.astype(np.float64) ** 2 * self._for(values)
        real, imaginary = np.split(parts, 2, axis=-1)
        return SpectralVolume((real + 1j * imaginary).astype(np.complex64), base)

    def _for(self, values: NDArray) -> NDArray[np.float64]:
        if len(values) != len(self.sizes):
            raise ValueError(f"Scales of {len(self.sizes)} bins do not fit {len(values)}")
        return _beside(self.sizes, values)


def _phases(bins: int, count: int) -> NDArray[np.float64]:
    """(bins, count) turns in [0, 1), reduced as integers: they repeat to the bit."""
    return np.outer(np.arange(bins), np.arange(count)) % count / count


def _sum(coefficients: Complexes, turns: NDArray[np.float64]) -> NDArray[np.float32]:
    """Re sum_k S_k exp(2 pi i turns_tk) of turns (T, K)."""
    angles = 2 * np.pi * turns
    flat = coefficients.reshape(len(coefficients), -1)
    waves = np.hstack([np.cos(angles), -np.sin(angles)]).astype(np.float32)
    parts = np.concatenate([flat.real, flat.imag]).astype(np.float32, copy=False)
    return (waves @ parts).reshape(len(angles), *coefficients.shape[1:])


def _real_parts(coefficients: Complexes) -> NDArray[np.float64]:
    return np.concatenate([coefficients.real, coefficients.imag], axis=-1).astype(np.float64)


def _beside(values: NDArray, bins: NDArray) -> NDArray:
    """(K,) as (K, 1, ..., 1), to be multiplied with bins."""
    return values.reshape(-1, *[1] * (bins.ndim - 1))
