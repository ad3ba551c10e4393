"""Viscous flow of a heavy body with air around it, on a grid over a floor, driven from the body's surface alone.

Stokes flow, -mu lap u + grad p = F, div u = 0, one viscosity everywhere, solved exactly by fast transforms. The
body is only its surface: the weight of what is inside, -rho g z_hat, equals up to a pressure the force -rho g z n
on the surface (Pozrikidis, Boundary Integral and Singularity Methods, 1992, chapter 5), which is spread on to the
grid, and the velocity is read back at the surface, as in Peskin, The immersed boundary method, Acta Numerica 2002.
So no cell is ever inside or outside, one smooth and divergence-free field moves everything, and surfaces with
holes, sheets and nested parts are as good as closed ones.

Departs from both: the floor and the lid are mirrors without friction, and x and y are periodic. `carried` and
`giving_way` correct for air that is in truth thin, at the price of a little divergence.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from kernels.gather import gather
from kernels.spread import spread

Reals = NDArray[np.float64]

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


def stokes_flow(tank: Tank, points: Reals, forces: Reals, damping: float = 0.0) -> Reals:
    """Velocity (3, nx, ny, nz) of the tank under forces (N, 3) at points (N, 3); unit viscosity.

    A flat surface of tension s relaxes at rate s k / 2; `damping`, s dt / 2, makes a step of length dt implicit.
    """
    field = spread(points - tank.corner, forces, tank.spacing, tank.shape, EVEN_EVEN_ODD)
    k2 = _wave_numbers(tank)[3]
    field = (field / np.prod(tank.spacing)).astype(np.float32)
    return solenoidal(field, tank, 1.0 / (k2 * (1.0 + np.float32(damping) * np.sqrt(k2))))


def filling(tank: Tank, points: Reals, outward: Reals, mass: Reals) -> Reals:
    """(nx, ny, nz) how much of each cell is body: its gradient is minus the spread area vectors `outward` (N, 3).

    Kazhdan et al., Poisson Surface Reconstruction, 2006, on the tank's own series. `mass` (N,) adds what has no inside.
    """
    field = spread(points - tank.corner, outward, tank.spacing, tank.shape, EVEN_EVEN_ODD)
    a, b, c = _forward((field / np.prod(tank.spacing)).astype(np.float32))
    kx, ky, kz, k2 = _wave_numbers(tank)
    inside = _series_back((1j * kx * a + 1j * ky * b + kz * c) / k2, tank)
    inside -= inside[0, 0, -1]
    sheet = spread(points - tank.corner, mass[:, None], tank.spacing, tank.shape, np.ones(1))[0]
    return np.clip(inside + (sheet / np.prod(tank.spacing)).astype(np.float32), 0.0, 1.0)


def carried(flow: Reals, inside: Reals, tank: Tank, radius: float) -> tuple[Reals, Reals]:
    """The flow, but where a part is thinner than `radius`, the flow of the bulk that it stands on; and how thin.

    Air as viscous as the body would hold back horns and ears; in thin air they ride on what they grew from.
    The second, (nx, ny, nz), is 1 where all of the flow is the bulk's, 0 where none is.
    """
    bulk = blur(inside, tank, radius)
    weight = inside * bulk**4 + np.float32(1e-7)
    ride = np.stack([blur(weight * component, tank, 2.0 * radius) for component in flow])
    ride /= blur(weight, tank, 2.0 * radius)
    own = np.clip((bulk - np.float32(0.15)) / np.float32(0.25), 0.0, 1.0)
    own = own * own * (3.0 - 2.0 * own)
    return own * flow + (1.0 - own) * ride, 1.0 - own


def giving_way(inside: Reals, tank: Tank, radius: float) -> Reals:
    """(3, nx, ny, nz) the fall of what has air below it, as that air leaves at rate 1.

    A column sinks whole, by the air under it, so that its volume stays; neighbours share their fall over `radius`.
    """
    cover = np.maximum.accumulate(inside[..., ::-1], axis=2)[..., ::-1]
    air = np.cumsum(cover * (1.0 - np.minimum(2.0 * inside, 1.0)), axis=2) * np.float32(tank.spacing[2])
    weight = inside + np.float32(1e-4)
    sideways = (radius / tank.spacing[0], radius / tank.spacing[1], 0.0)
    sums = [ndimage.gaussian_filter(f, sideways, mode="wrap", truncate=2.5) for f in (weight * air, weight)]
    fall = np.zeros((3, *tank.shape), np.float32)
    fall[2] = -sums[0] / sums[1]
    return fall


def sealed(flow: Reals, inside: Reals, tank: Tank) -> Reals:
    """The flow (3, nx, ny, nz) without its divergence where `inside` is 1; where that is 0, in the air, it stays."""
    kx, ky, kz, k2 = _wave_numbers(tank)
    a, b, c = _forward(flow)
    divergence = _forward_scalar(np.minimum(8.0 * inside, 1.0) * _series_back(1j * kx * a + 1j * ky * b + kz * c, tank))
    divergence[0, 0, 0] = 0.0
    a = 1j * kx * divergence / k2
    b = 1j * ky * divergence / k2
    c = -kz * divergence / k2
    return flow + _vector_back(a, b, c, tank)


def held_back(flow: Reals, tank: Tank, points: Reals, mobility: Reals) -> Reals:
    """The flow around points (N, 3) of which some move less: `mobility` (N,) in [0, 1].

    Slowed there and made divergence-free again, in turns: alternating projections, cut short after three.
    """
    if mobility.min() == 1.0:
        return flow
    both = np.stack([1.0 - mobility, np.ones(len(points))], axis=1)
    still, all_points = spread(points - tank.corner, both, tank.spacing, tank.shape, np.ones(2))
    slow = (1.0 - still / np.maximum(all_points, 1e-6)).astype(np.float32)
    for _ in range(3):
        flow = solenoidal(slow * flow, tank)
    return slow * flow


def blur(field: Reals, tank: Tank, radius: float) -> Reals:
    """Gaussian of standard deviation `radius`, in the body's units, mirrored at the floor."""
    return ndimage.gaussian_filter(field, radius / tank.spacing, mode=("wrap", "wrap", "reflect"), truncate=2.5)


def velocity_at(tank: Tank, flow: Reals, points: Reals) -> Reals:
    """(N, 3) velocity of a flow of the tank at points; its z component is 0 on the floor."""
    return gather(flow, points - tank.corner, tank.spacing, EVEN_EVEN_ODD)


def scalar_at(tank: Tank, field: Reals, points: Reals) -> Reals:
    """(N,) value of a field (nx, ny, nz) of the tank at points."""
    return gather(field[None], points - tank.corner, tank.spacing, np.ones(1))[:, 0]


def solenoidal(field: Reals, tank: Tank, response: Reals | float = 1.0) -> Reals:
    """The divergence-free part of a vector field (3, nx, ny, nz), each wave times `response`.

    x and y are Fourier series; along z the horizontal components are cosines and the vertical one sines.
    """
    kx, ky, kz, k2 = _wave_numbers(tank)
    a, b, c = _forward(field)
    divergence = (1j * kx * a + 1j * ky * b + kz * c) / k2
    a += 1j * kx * divergence
    b += 1j * ky * divergence
    c -= kz * divergence
    a, b, c = a * response, b * response, c * response
    a[0, 0, 0] = b[0, 0, 0] = 0.0  # nothing holds the tank as a whole: keep it where it is
    return _vector_back(a, b, c, tank)


def _vector_back(a: NDArray, b: NDArray, c: NDArray, tank: Tank) -> Reals:
    sines = np.concatenate([c[..., 1:], np.zeros_like(c[..., :1])], axis=2)
    sines = fft.irfft2(sines, s=tank.shape[1::-1], axes=(1, 0))
    return np.stack([_series_back(a, tank), _series_back(b, tank), fft.idst(sines, axis=2, norm="ortho")])


def _forward(field: Reals) -> tuple[NDArray, NDArray, NDArray]:
    """Series of a vector field: cosines along z for its horizontal components, sines at the same k for its third."""
    sines = fft.dst(field[2], axis=2, norm="ortho")
    sines = np.concatenate([np.zeros_like(sines[..., :1]), sines[..., :-1]], axis=2)
    waves = (*fft.dct(field[:2], axis=3, norm="ortho"), sines)
    return tuple(fft.rfft2(wave, axes=(1, 0)) for wave in waves)


def _forward_scalar(field: Reals) -> NDArray:
    return fft.rfft2(fft.dct(field, axis=2, norm="ortho"), axes=(1, 0))


def _series_back(cosines: NDArray, tank: Tank) -> Reals:
    return fft.idct(fft.irfft2(cosines, s=tank.shape[1::-1], axes=(1, 0)), axis=2, norm="ortho")


def _wave_numbers(tank: Tank) -> tuple[Reals, Reals, Reals, Reals]:
    nx, ny, nz = tank.shape
    kx = 2.0 * np.pi * fft.rfftfreq(nx, tank.spacing[0])[:, None, None]
    ky = 2.0 * np.pi * fft.fftfreq(ny, tank.spacing[1])[None, :, None]
    kz = np.pi * np.arange(nz)[None, None, :] / (nz * tank.spacing[2])
    k2 = kx**2 + ky**2 + kz**2
    k2[0, 0, 0] = 1.0
    return tuple(k.astype(np.float32) for k in (kx, ky, kz, k2))
