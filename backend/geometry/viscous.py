"""Viscous flow of a heavy body with air around it, on a grid over a floor, driven from the body's surface alone.

Stokes flow, -mu lap u + grad p = F, div u = 0, one viscosity everywhere, solved exactly by fast transforms. The body is
only its surface: the weight of what is inside, -rho g z_hat, equals up to a pressure the force -rho g z n on
the surface (Pozrikidis, Boundary Integral and Singularity Methods, 1992, section 5.5), which is spread on to the grid, and
the velocity is read back at the surface, as in Peskin, The immersed boundary method, Acta Numerica 2002.
So no cell is ever inside or outside, one smooth and divergence-free field moves everything, and surfaces with
holes, sheets and nested parts are as good as closed ones.

Departs from both: the floor and the lid are mirrors without friction, and x and y are periodic.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from kernels.gather import gather
from kernels.spread import spread

Reals = NDArray[np.float64]

THIN, CUT = 0.08, 0.04
EVEN_EVEN_ODD = np.array([1.0, 1.0, -1.0])  # how the three components of a vector continue past a mirror


@dataclass(frozen=True, eq=False)
class Tank:
    """The box of air the body stands in: its lower corner (x, y; z is 0), the cell's size and the cells' number."""

    corner: Reals  # (3,)
    spacing: Reals  # (3,)
    shape: tuple[int, int, int]

    @classmethod
    def around(cls, points: Reals, shape: tuple[int, int, int]) -> "Tank":
        """Room enough that neither the lid nor the periodic neighbours hold the body up."""
        low, high = points.min(axis=0), points.max(axis=0)
        height = max(high[2], 0.02)
        width = np.maximum((high - low)[:2], 0.02)
        width = 1.3 * width + 0.7 * height + 0.3 * width.max()
        size = np.array([width[0], width[1], 1.7 * height + 0.1])
        corner = np.array([*(0.5 * (low + high)[:2] - 0.5 * width), 0.0])
        return cls(corner, size / shape, shape)


def stokes_flow(tank: Tank, points: Reals, forces: Reals) -> Reals:
    """Velocity (3, nx, ny, nz) of the tank under forces (N, 3) at points (N, 3); unit viscosity."""
    field = spread(points - tank.corner, forces, tank.spacing, tank.shape, EVEN_EVEN_ODD)
    return solenoidal(field / np.prod(tank.spacing), tank, viscous=True)


def velocity_at(tank: Tank, field: Reals, points: Reals) -> Reals:
    """(N, 3) velocity of a field of the tank at points; its z component is 0 on the floor."""
    return gather(field, points - tank.corner, tank.spacing, EVEN_EVEN_ODD)


def solenoidal(field: Reals, tank: Tank, viscous: bool) -> Reals:
    """The divergence-free part of a vector field (3, nx, ny, nz); with `viscous` also divided by k^2 (Stokes).

    x and y are Fourier series; along z the horizontal components are cosines and the vertical one sines.
    """
    kx, ky, kz, k2 = _wave_numbers(tank)
    a = fft.rfft2(fft.dct(field[0], axis=2, norm="ortho"), axes=(1, 0))
    b = fft.rfft2(fft.dct(field[1], axis=2, norm="ortho"), axes=(1, 0))
    sines = fft.dst(field[2], axis=2, norm="ortho")
    c = fft.rfft2(np.concatenate([np.zeros_like(sines[..., :1]), sines[..., :-1]], axis=2), axes=(1, 0))
    divergence = (1j * kx * a + 1j * ky * b + kz * c) / k2
    a += 1j * kx * divergence
    b += 1j * ky * divergence
    c -= kz * divergence
    if viscous:
        ease = 1.0 / k2 + THIN**2 / (1.0 + CUT**2 * k2) ** 2
        a, b, c = a * ease, b * ease, c * ease
    a[0, 0, 0] = b[0, 0, 0] = 0.0  # nothing holds the tank as a whole: keep it where it is
    nx, ny = tank.shape[:2]
    out = np.empty_like(field)
    out[0] = fft.idct(fft.irfft2(a, s=(ny, nx), axes=(1, 0)), axis=2, norm="ortho")
    out[1] = fft.idct(fft.irfft2(b, s=(ny, nx), axes=(1, 0)), axis=2, norm="ortho")
    sines = fft.irfft2(c, s=(ny, nx), axes=(1, 0))
    out[2] = fft.idst(
        np.concatenate([sines[..., 1:], np.zeros_like(sines[..., :1])], axis=2), axis=2, norm="ortho"
    )
    return out


def _wave_numbers(tank: Tank) -> tuple[Reals, Reals, Reals, Reals]:
    nx, ny, nz = tank.shape
    kx = 2.0 * np.pi * fft.rfftfreq(nx, tank.spacing[0])[:, None, None]
    ky = 2.0 * np.pi * fft.fftfreq(ny, tank.spacing[1])[None, :, None]
    kz = np.pi * np.arange(nz)[None, None, :] / (nz * tank.spacing[2])
    k2 = kx**2 + ky**2 + kz**2
    k2[0, 0, 0] = 1.0
    return kx, ky, kz, k2
