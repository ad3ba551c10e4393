"""Vibration modes as damped oscillators, each for itself: q'' + 2 xi w q' + w^2 q = f, with w = 2 pi frequency.

q is a modal coordinate of a mass-normalised shape phi (kg^-1/2): the body is displaced by sum_m q_m phi_m metres, and
a force F on it is f_m = phi_m . F. Everything here is in closed form: the response to a steady swing, to a random load
within a band of frequencies, and steps of any length, under-damped, critical or over-damped.

From "Generative Image Dynamics" (arXiv:2309.07906, section 3.4 there; after Davis, Chen, Durand, "Image-space modal
bases for plausible manipulation of objects in video", 2015) come the answer to a drag and explicit Euler, which is
kept as a reference with the bound of its stability.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

Reals = NDArray[np.float64]
Complexes = NDArray[np.complex128]

NEAR = 1e-2  # radians or nepers between the two roots in a step, below which a series is the more exact
CRITICAL = 1e-5  # of damping beside 1, within which two roots count as apart by this much


@dataclass(frozen=True, eq=False)
class Oscillators:
    """M oscillators: frequencies without damping, and damping ratios (1 is critical)."""

    frequencies: Reals  # (M,) Hz
    damping: Reals  # (M,)

    def __post_init__(self) -> None:
        object.__setattr__(self, "frequencies", np.atleast_1d(np.asarray(self.frequencies, np.float64)))
        damping = np.broadcast_to(np.asarray(self.damping, np.float64), self.frequencies.shape)
        object.__setattr__(self, "damping", damping)
        if not (self.frequencies > 0).all():
            raise ValueError("An oscillator needs a frequency above 0 Hz: leave the free motions of a body out")
        if not (self.damping >= 0).all():
            raise ValueError("A damping ratio is not negative")

    @cached_property
    def omega(self) -> Reals:
        """(M,) radians a second."""
        return 2 * np.pi * self.frequencies

    def transfer(self, frequencies: ArrayLike) -> Complexes:
        """(K, M): q / f of a force exp(2 pi i F t), that is 1 / (w^2 - W^2 + 2 i xi w W) with W = 2 pi F."""
        driven = 2 * np.pi * np.asarray(frequencies, np.float64)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            return 1.0 / (self.omega**2 - driven**2 + 2j * self.damping * self.omega * driven)

    def band_transfer(self, frequencies: ArrayLike, width: float) -> Complexes:
        """(K, M): as `transfer`, but in size the root mean square over a band of `width` Hz about each frequency.

        What a random load with an even spectrum in the band does. A resonance is often narrower than the bins of a
        loop: met or missed by chance, it would be far too strong or too weak. The phase is the middle's; at 0 Hz,
        where the load is steady, the transfer stays what it is.
        """
        if not (self.damping > 0).all():
            raise ValueError("Without damping a resonance has no bound: a band wants a damping above 0")
        centres = np.asarray(frequencies, np.float64)
        exact = self.transfer(centres)
        low, high = (2 * np.pi * (centres + side * width / 2)[:, None] for side in (-1, 1))
        mean = self._squared_between(low, high) / (2 * np.pi * width)
        spread = np.sqrt(mean) * exact / np.abs(exact)
        return np.where(centres[:, None] == 0, exact, spread)

    def _squared_between(self, low: Reals, high: Reals) -> Reals:
        """The integral of |q / f|^2 over angular frequencies: from partial fractions in W^2, with the poles' roots."""
        xi = np.where(np.abs(self.damping - 1) < CRITICAL, 1 + CRITICAL, self.damping).astype(np.complex128)
        turn = np.sqrt(1 - xi**2)
        one, other = self.omega * (1j * xi + turn), self.omega * (1j * xi - turn)

        def between(root: Complexes) -> Complexes:
            return -(np.arctanh(high / root) - np.arctanh(low / root)) / root

        return ((between(one) - between(other)) / (one**2 - other**2)).real

    def static(self, forces: ArrayLike) -> Reals:
        """(..., M): where steady forces (..., M) hold them."""
        return np.asarray(forces) / self.omega**2


@dataclass(frozen=True, eq=False)
class State:
    """Where M oscillators are, and how fast."""

    q: Reals  # (M,)
    v: Reals  # (M,) a second

    @classmethod
    def still(cls, count: int) -> "State":
        """At rest."""
        return cls(np.zeros(count), np.zeros(count))


def complex_state(oscillators: Oscillators, state: State) -> Complexes:
    """(M,) y = q - i v / w of Davis et al.: with complex shapes S, as pictures give them, the motion is Re(S y)."""
    return state.q - 1j * state.v / oscillators.omega


class Stepper:
    """Steps of one length, exact for a force that is straight in time between its samples."""

    def __init__(self, oscillators: Oscillators, seconds: float):
        self.seconds = seconds
        self.oscillators = oscillators
        self.free = free(oscillators, np.array([seconds]))[0]  # (2, 2, M)

    def step(self, state: State, before: ArrayLike, after: ArrayLike | None = None) -> State:
        """One step under a force (M,) that goes from `before` to `after`, or stays."""
        w, xi = self.oscillators.omega, self.oscillators.damping
        before = np.asarray(before, np.float64)
        slope = 0.0 if after is None else (np.asarray(after) - before) / self.seconds
        # The particular motion: a straight line, which lags behind its force.
        speed = slope / w**2
        start = before / w**2 - 2 * xi * speed / w
        q, v = state.q - start, state.v - speed
        (qq, qv), (vq, vv) = self.free
        return State(qq * q + qv * v + start + speed * self.seconds, vq * q + vv * v + speed)


def free(oscillators: Oscillators, times: ArrayLike) -> Reals:
    """(T, 2, 2, M): the exponential of the 2 x 2 system, which takes (q, v) on by each of `times`, without a force."""
    t = np.asarray(times, np.float64)[:, None]
    w, xi = oscillators.omega, oscillators.damping
    beta = xi * w
    half = np.sqrt((beta**2 - w**2).astype(np.complex128))  # half the distance of the roots
    slow, fast = -(w**2) / (beta + half), -(beta + half)  # their product is w^2: nothing cancels
    one, other = np.exp(slow * t), np.exp(fast * t)
    apart = half * t
    # Over-damped by far, `other` is long gone, and a series would be of large numbers: it serves near critical alone.
    series = t * np.exp(-beta * t) * (1 + apart**2 / 6 * (1 + apart**2 / 20))
    with np.errstate(divide="ignore", invalid="ignore"):
        odd = np.where(np.abs(apart) < NEAR, series, (one - other) / (2 * half)).real
    even = ((one + other) / 2).real
    return np.stack([np.stack([even + beta * odd, odd], 1), np.stack([-(w**2) * odd, even - beta * odd], 1)], 1)


def ring_down(oscillators: Oscillators, state: State, times: ArrayLike) -> Reals:
    """(T, M): q at `times` after it was let go in `state`."""
    taken = free(oscillators, times)
    return taken[:, 0, 0] * state.q + taken[:, 0, 1] * state.v


def simulate(
    oscillators: Oscillators, forces: ArrayLike, rate: float, start: State | None = None
) -> tuple[Reals, State]:
    """q (T, M) under forces (T, M) sampled `rate` times a second, straight in between, and the state at the end.

    The first row is the start.
    """
    stepper = Stepper(oscillators, 1.0 / rate)
    state = start or State.still(len(oscillators.omega))
    path = [state.q]
    for before, after in pairwise(np.asarray(forces, np.float64)):
        state = stepper.step(state, before, after)
        path.append(state.q)
    return np.array(path), state


def compliance(oscillators: Oscillators, shapes_there: NDArray) -> Reals:
    """(3, 3) metres per newton: how far a point with shapes (M, 3) gives way to a steady force on it.

    Of complex shapes (M, 2), as pictures give them, (2, 2), of forces that are their conjugate along a drag.
    """
    return np.einsum("mi,m,mj->ij", shapes_there, oscillators.omega**-2, shapes_there.conj()).real


@dataclass(frozen=True, eq=False)
class Hand:
    """A hand that holds a point by a spring: it gives `give` metres per newton.

    Near the root nothing moves, and a hand that insisted would fling the tip away: this one lets go instead. A `give`
    of a hundredth of the tip's compliance is a firm hand. In a picture there are two coordinates, and shapes and q are
    complex: what is said of metres holds of pixels.
    """

    oscillators: Oscillators
    shapes_there: NDArray  # (M, 3) of the point held
    give: float

    def force(self, displacement: ArrayLike) -> Reals:
        """(..., 3) newtons that hold the point, at rest, about at displacements (..., 3) metres."""
        own = compliance(self.oscillators, self.shapes_there)
        stiff = np.linalg.inv(own + self.give * np.eye(len(own)))
        return np.asarray(displacement, np.float64) @ stiff

    def held(self, displacement: ArrayLike) -> NDArray:
        """(..., M): q where the hand holds the point at displacements (..., 3): the least elastic energy for that."""
        return self.oscillators.static(self.force(displacement) @ self.shapes_there.conj().T)

    def led(self, path: ArrayLike, rate: float, afterwards: int = 0) -> Reals:
        """(T + afterwards, M): q when the hand goes along a path (T, 3), sampled `rate` times a second, and lets go.

        A path taken slowly is followed; a fast one sets the body ringing. `path` may be that of any object: its first
        sample is where the hand takes hold. `afterwards` samples follow in which nobody holds it.
        """
        path = np.asarray(path, np.float64)
        if path.ndim != 2 or path.shape[1] != 3 or len(path) < 2:
            raise ValueError(f"A path wants at least two samples of three coordinates, not {path.shape}")
        forces = self.force(path - path[0]) @ self.shapes_there.T
        moved, state = simulate(self.oscillators, forces, rate)
        times = np.arange(1, afterwards + 1) / rate
        return np.concatenate([moved, ring_down(self.oscillators, state, times)])
