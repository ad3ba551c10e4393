"""Wind on a body that vibrates: gusts with a spectrum, their drag, and the spectral volume that follows in closed form.

The air. Wind blows at U metres a second towards an azimuth e; about this mean it fluctuates by u along e and by v
across it. Their spectra are Kaimal's, as in IEC 61400-1, one-sided, (m/s)^2 / Hz, with x_u = f L_u / U:

    S_u = 4 s_u^2 (L_u / U) / (1 + 6 x_u)^(5/3),  S_v alike with s_v and L_v

A loop has the frequencies k f0 alone. Each bin carries all the power of its band, (k - 1/2) f0 to (k + 1/2) f0, so that
the variance is right; what is slower than the loop is left out. Phases are random, by a seed.

Space. Gusts are carried along with the mean wind (Taylor), so that far parts lag behind by f s / U turns at s metres
down the wind. Across it, two places at distance r see the same gust with coherence exp(-c f r / U) (Davenport). A sum
of waves exp(-i kappa . r) has just this coherence where the wave vectors are drawn from its Fourier transform, which
is a Cauchy distribution in the plane.

Drag. Air of velocity w presses on an area dA with normal n, as on a plate, by 1/2 rho C |w| (w . n) n dA. With
w = U e + u e + v e_across, to first order in u and v, that is

    1/2 rho C U^2 (e . n) n dA  +  1/2 rho C U [2 u (e . n) + v (e_across . n)] n dA

the steady lean and the gusts. Both are linear in e: the answer to any azimuth is cos S_x + sin S_y, of answers to winds
along x and y by the same gusts. This keeps that a leaf edge-on to the wind is not moved by it, that a slanting one is
pushed aside and not only along, and the factor of 2 between gusts along and across. The lean is exact. So are gusts on
a body that is small beside U / (c f); on a larger one the lag and the pattern are right along the two axes, and between
them a blend of two, whose energy is right within some tenth. What is not in it: shelter behind other parts, and lift
that grows by itself (flutter).

The body moves too, and meets the wind at their difference, so the drag damps: a mode by 1/2 rho C U 3/2 phi . B phi,
where 3/2 stands between 2 along the wind and 1 across (B of `Surface`).

A limber body bends out of the wind, and its drag grows by much less than U^2 (Vogel; de Langre, "Effects of wind on
plants", Annu. Rev. Fluid Mech. 40, 2008). One factor on C stands for that: 1 / sqrt(1 + r^2), where r is the lean that
the full drag would give, over the farthest lean that the body allows. It also keeps a linear answer small enough to be
true, whatever mass and stiffness a mesh was given.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backend.oscillators import Oscillators
from backend.spectral import Loop, SpectralVolume, lifted

Reals = NDArray[np.float64]
Complexes = NDArray[np.complex128]

AIR = 1.2  # kg/m^3
PLATE = 0.6  # coefficient of drag of one side of a plate; the two of a leaf make the usual 1.2
FORCES = 12  # of the Beaufort scale
TURBULENCE = 0.3  # intensity near the ground, where things stand among others
HEIGHT = 2.0  # metres above ground at which gusts are made, where nothing is said
DECAY = 10.0  # Davenport's, across the wind
WAVES = 32  # that make up the gusts of one bin
NODES = np.polynomial.legendre.leggauss(8)  # of the integral over a band
USUAL = Loop()
DAMPING = 0.05  # ratio, of what grows
BEND = 0.15  # of its size: how far a body leans at most; its swings then go some twice as far


class Vibrations(Protocol):
    """M modes of V vertices."""

    @property
    def frequencies(self) -> NDArray:
        """(M,) Hz."""

    @property
    def shapes(self) -> NDArray:
        """(M, V, 3), kg^-1/2."""


@dataclass(frozen=True)
class Wind:
    """A mean wind, and how gusty it is."""

    speed: float  # m/s, of the mean
    azimuth: float = 0.0  # radians: it blows towards (cos, sin, 0)
    turbulence: float = TURBULENCE  # s_u / U
    length: float = 0.7 * 8.1 * HEIGHT  # metres, L_u
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.speed >= 0 and self.turbulence >= 0 and self.length > 0):
            raise ValueError("Wind wants a speed and a turbulence not below 0, and gusts of some length")

    @classmethod
    def of_force(cls, beaufort: float, height: float = HEIGHT, azimuth: float = 0.0, seed: int = 0) -> "Wind":
        """Of a force of the Beaufort scale, for what stands `height` metres above ground.

        The length of gusts follows IEC 61400-1, L_u = 8.1 * 0.7 * height up to sixty metres.
        """
        return cls(speed_of(beaufort, height), azimuth, length=0.7 * 8.1 * min(height, 60.0), seed=seed)

    @property
    def deviations(self) -> tuple[float, float]:
        """m/s: s_u along and s_v = 0.8 s_u across (IEC 61400-1)."""
        along = self.turbulence * self.speed
        return along, 0.8 * along


def speed_of(beaufort: float, height: float = HEIGHT) -> float:
    """m/s of a force of the Beaufort scale: 0 calm, 4 moderate breeze, 10 storm, 12 hurricane, fractions allowed.

    The scale tells the speed ten metres up, 0.836 B^(3/2); nearer the ground it falls with the power 1/7 of the height.
    """
    if not 0 <= beaufort <= FORCES:
        raise ValueError(f"The Beaufort scale goes from 0 to {FORCES}, not to {beaufort:g}")
    if not height > 0:
        raise ValueError(f"Wind blows above the ground, not at {height:g} m")
    return 0.836 * beaufort**1.5 * (height / 10.0) ** (1 / 7)


def kaimal(frequencies: Reals, wind: Wind) -> Reals:
    """(2, ...): densities along and across at frequencies (...) in Hz; L_v is a third of L_u."""
    densities = []
    for deviation, length in zip(wind.deviations, (wind.length, wind.length / 3), strict=True):
        passing = length / wind.speed
        densities.append(4 * deviation**2 * passing / (1 + 6 * frequencies * passing) ** (5 / 3))
    return np.stack(densities)


def gust_sizes(wind: Wind, loop: Loop = USUAL) -> Reals:
    """(2, K) m/s: how far u and v swing in each bin, so that it has the power of its band. The first is 0."""
    sizes = np.zeros((2, loop.bins))
    if wind.speed > 0:
        nodes, weights = NODES
        frequencies = loop.frequencies[1:, None] + loop.base * nodes / 2
        sizes[:, 1:] = np.sqrt(2 * loop.base * kaimal(frequencies, wind) @ weights / 2)
    return sizes


def gusts(places: Reals, weights: Reals, waves_per_metre: Reals, seed: int) -> Complexes:
    """(K, 2, V): u and v of K frequencies at places (V, 3): down the wind, across it, up, in metres.

    `waves_per_metre` (K,) are k f0 / U for k = 1 to K. Of each of them the mean square over the weights (V,) is 1;
    phase and pattern are random.
    """
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal((WAVES, 3))
    cauchy = DECAY * waves_per_metre[0] * normal[:, :2] / np.abs(normal[:, 2:])  # (J, 2) wave vectors of the first
    weights = weights / weights.sum()
    places = places - weights @ places
    # A multiple of a frequency has the same multiples of all wave vectors, so its waves are a power.
    waves = np.exp(-1j * np.mod(places[:, 1:] @ cauchy.T, 2 * np.pi)).astype(np.complex64)  # (V, J)
    lag = np.exp(-2j * np.pi * waves_per_metre[0] * places[:, 0])
    strength = rng.standard_normal((len(waves_per_metre), 2, WAVES, 2)).astype(np.float32).view(np.complex64)[..., 0]
    fields = np.empty((len(waves_per_metre), 2, len(places)), np.complex64)
    power, lagged = np.ones_like(waves), np.ones_like(lag)
    for k in range(len(fields)):
        power *= waves
        lagged *= lag
        pattern = strength[k] @ power.T  # (2, V)
        size = np.sqrt((pattern.real**2 + pattern.imag**2) @ weights)
        fields[k] = lagged * pattern / size[:, None]
    return fields


@dataclass(frozen=True, eq=False)
class Surface:
    """What of V vertices the wind meets."""

    points: Reals  # (V, 3) metres
    facing: Reals  # (V, 3, 3) m^2: B, a third of A n n^T of each triangle about a vertex; its trace is the area

    @classmethod
    def of(cls, points: NDArray, faces: NDArray, sheets: NDArray | None = None) -> "Surface":
        """Of vertices (V, 3) and triangles (F, 3). `sheets` (V,) in [0, 1] is 1 where one layer of faces is all of a
        leaf, which has two sides; a closed body shows both of its own."""
        points = np.asarray(points, np.float64)
        corner = points[faces]
        normal = 0.5 * np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])  # (F, 3) m^2
        area = np.linalg.norm(normal, axis=1)
        tensor = np.einsum("fi,fj->fij", normal, normal) / np.where(area > 0, area, 1.0)[:, None, None] / 3
        index = np.asarray(faces).ravel()
        spread = np.repeat(tensor.reshape(-1, 9), 3, axis=0)
        facing = np.stack([np.bincount(index, spread[:, c], minlength=len(points)) for c in range(9)], axis=1)
        sides = 1.0 if sheets is None else 1.0 + np.asarray(sheets, np.float64)[:, None]
        surface = cls(points, (sides * facing).reshape(-1, 3, 3))
        if not surface.areas.sum() > 0:
            raise ValueError("Wind finds nothing to blow at: the faces have no area")
        return surface

    @property
    def areas(self) -> Reals:
        """(V,) m^2."""
        return np.einsum("vii->v", self.facing)


@dataclass(frozen=True, eq=False)
class Sway:
    """How M modes answer two winds of one strength, along x and along y, that have the same gusts."""

    along_x: Complexes  # (K, M) modal amplitudes, kg^1/2 m; the first of K is the lean
    along_y: Complexes  # (K, M)
    wind: Wind
    loop: Loop
    strain: float  # r: the lean that the full drag would give, over the farthest one allowed

    def towards(self, azimuth: float) -> Complexes:
        """(K, M) in a wind that blows towards (cos, sin, 0)."""
        return np.cos(azimuth) * self.along_x + np.sin(azimuth) * self.along_y

    def volume(self, shapes: NDArray, azimuth: float) -> SpectralVolume:
        """Of the shapes (M, V, 3), kg^-1/2."""
        return lifted(self.towards(azimuth), shapes, self.loop.base)

    def gains(self, speeds: ArrayLike) -> Reals:
        """(B, K): by what to multiply each bin for winds of other mean speeds (B,), m/s, and a body that bends as much.

        The lean goes with the square of the speed, a gust with the speed times its size, and both with the drag that
        bending leaves. That another wind damps otherwise, and carries its gusts past faster, is not in it.
        """
        if not self.wind.speed > 0:
            raise ValueError("A sway made in a calm cannot be turned into that of another wind")
        own = self._loads(self.wind.speed)
        return np.array([self._loads(float(speed)) for speed in np.atleast_1d(speeds)]) / own

    def _loads(self, speed: float) -> Reals:
        """(K,): how the load of each bin goes with the speed."""
        wind = replace(self.wind, speed=speed)
        left = _left(self.strain * (speed / self.wind.speed) ** 2)
        return left * speed * np.concatenate([[speed], 2 * gust_sizes(wind, self.loop)[0, 1:]])


@dataclass(frozen=True, eq=False)
class Limber:
    """A body that wind can move."""

    modes: Vibrations
    surface: Surface
    damping: ArrayLike = DAMPING  # (M,) ratios, or one: the body's own, beside the air's
    bend: float = BEND  # how far it leans at most, of its size


def sway(body: Limber, wind: Wind, loop: Loop = USUAL) -> SpectralVolume:
    """What a wind does to a body, in closed form: K bins, the lean first."""
    bent = strain(body, wind)
    return lifted(_answer(body, wind, loop, bent), body.modes.shapes, loop.base)


def sway_both_ways(body: Limber, wind: Wind, loop: Loop = USUAL) -> Sway:
    """As `sway`, along x and along y whatever the azimuth of `wind`: any other is a blend of the two."""
    bent = strain(body, wind)
    answers = [_answer(body, replace(wind, azimuth=azimuth), loop, bent) for azimuth in (0.0, np.pi / 2)]
    return Sway(*answers, wind, loop, bent)


def _answer(body: Limber, wind: Wind, loop: Loop, bent: float) -> Complexes:
    """(K, M): amplitudes of the modes. In each bin they have the power that a random load has in its band."""
    left = _left(bent)
    damping = np.asarray(body.damping) + left * air_damping(body, wind)
    transfer = Oscillators(body.modes.frequencies, damping).band_transfer(loop.frequencies, loop.base)
    return left * transfer * modal_forces(body, wind, loop)


def air_damping(body: Limber, wind: Wind) -> Reals:
    """(M,): the ratio by which the air damps each mode of a body that is not bent."""
    shapes, facing = body.modes.shapes, body.surface.facing
    met = np.array([np.einsum("vi,vij,vj->", shape, facing, shape) for shape in shapes])
    return 0.5 * AIR * PLATE * wind.speed * 1.5 * met / (4 * np.pi * np.asarray(body.modes.frequencies))


def modal_forces(body: Limber, wind: Wind, loop: Loop) -> Complexes:
    """(K, M): the full drag on each mode, the steady one first."""
    flat = np.asarray(body.modes.shapes).reshape(len(body.modes.shapes), -1)
    loads = drag(body.surface, wind, loop).reshape(loop.bins, -1)
    real, imaginary = (np.ascontiguousarray(part) @ flat.T for part in (loads.real, loads.imag))
    return (real + 1j * imaginary).astype(np.complex128)


def drag(surface: Surface, wind: Wind, loop: Loop) -> Complexes:
    """(K, V, 3): the full drag on each vertex, newtons, the steady one first."""
    towards = np.array([np.cos(wind.azimuth), np.sin(wind.azimuth), 0.0])
    across = np.array([-towards[1], towards[0], 0.0])
    dynamic = 0.5 * AIR * PLATE * wind.speed
    along, aside = (dynamic * surface.facing @ way for way in (towards, across))  # (V, 3) newtons a m/s
    loads = np.zeros((loop.bins, *along.shape), np.complex64)
    loads[0] = wind.speed * along
    if wind.speed > 0 and loop.bins > 1:
        places = surface.points @ np.stack([towards, across, [0, 0, 1]], axis=1)
        sizes = gust_sizes(wind, loop)[:, 1:]
        fields = gusts(places, surface.areas, loop.frequencies[1:] / wind.speed, wind.seed)
        for load, (u, v), (by_u, by_v) in zip(loads[1:], fields, sizes.T, strict=True):
            load[:] = (2 * by_u * u)[:, None] * along + (by_v * v)[:, None] * aside
    return loads


def strain(body: Limber, wind: Wind) -> float:
    """r: the farthest lean that the full drag would give, whatever way the wind blows, over the farthest allowed."""
    shapes, facing = np.asarray(body.modes.shapes), body.surface.facing
    steady = 0.5 * AIR * PLATE * wind.speed**2 * np.einsum("mvi,vij->mj", shapes, facing)[:, :2]  # (M, x and y)
    x, y = Oscillators(body.modes.frequencies, body.damping).static(steady.T) @ shapes.reshape(len(shapes), -1)
    x, y = x.reshape(-1, 3), y.reshape(-1, 3)
    xx, yy, xy = ((one * other).sum(axis=1) for one, other in ((x, x), (y, y), (x, y)))
    lean = np.sqrt((xx + yy + np.hypot(xx - yy, 2 * xy)).max() / 2)  # of |cos x + sin y|, the greatest over all angles
    return float(lean / (body.bend * np.ptp(body.surface.points, axis=0).max()))


def _left(strain: float) -> float:
    """What share of its drag a bent body still has."""
    return 1.0 / np.hypot(1.0, strain)
