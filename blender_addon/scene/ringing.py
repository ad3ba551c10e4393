"""A body that rings by its own modes: what a hand does to them, and how they go on by themselves.

Modal simulation (Davis, Chen and Durand 2015; Li et al. 2024, "Generative Image Dynamics", on interactive dynamics):
M u'' + C u' + K u = f decouples by u = sum_m shape_m q_m into

    q'' + 2 xi w q' + w^2 q = f_m         w = 2 pi frequency, for shapes with shape^T M shape = 1

Departs from both: the papers step this by explicit Euler, which is stable only for h < 2 xi / w, a sixtieth of a
second at 1 Hz and 5 % damping, and gains energy just below it. Here each step is the exact 2 x 2 exponential, so any
step is as good as many small ones. And a hand does not push: it holds. Where it has the vertex, the modes are those of
least energy that bring the vertex there.
"""

from dataclasses import dataclass

import numpy as np

SOFT = 0.02  # of the largest compliance: a stalk that is pulled along itself does not fly to pieces
STILL = 0.005  # of its first amplitude, below which a body is at rest
LONGEST = 60.0  # seconds of ringing
FLICK = 0.04  # seconds over which the speed of a hand is taken
EASED = 5  # frames over which a body is brought to where a hand has it, at least: in fewer it is seen to jump


@dataclass(frozen=True)
class Modes:
    """Vibration modes of a mesh, lowest first."""

    shapes: np.ndarray  # (M, V, 3) float32, mass-normalised
    frequencies: np.ndarray  # (M,) Hz, above 0
    damping: np.ndarray  # (M,) xi, as a part of the critical


@dataclass
class State:
    """Where the modes are, and how fast."""

    q: np.ndarray  # (M,)
    v: np.ndarray  # (M,) per second


@dataclass
class Pull:
    """A poke as it was seen, from the moment on at which a hand took the vertex."""

    seconds: list[float]  # since then
    q: list[np.ndarray]  # (M,), at each of them
    let_go: State | None = None  # at the last of them


def at_rest(modes: Modes) -> State:
    return State(np.zeros(len(modes.frequencies)), np.zeros(len(modes.frequencies)))


def grip(modes: Modes, vertex: int) -> np.ndarray:
    """(M, 3): the modes of least energy that bring a vertex by d, as grip @ d.

    Of all q with phi^T q = d, phi = (M, 3) the shapes at the vertex, the least 1/2 sum w^2 q^2 is
    q = C phi (phi^T C phi)^-1 d with C = diag(1 / w^2). Directions in which the modes hardly give are followed less.
    """
    phi = modes.shapes[:, vertex].astype(float)
    eased = phi / _omega(modes)[:, None] ** 2
    compliance = phi.T @ eased
    stiffest = np.trace(compliance)
    if stiffest == 0.0:  # the vertex is held
        return np.zeros_like(phi)
    return eased @ np.linalg.inv(compliance + SOFT * stiffest * np.eye(3))


def firm_grip(modes: Modes, vertex: int) -> np.ndarray:
    """(M, 3): as `grip`, but a spring that gives falls short everywhere, by a few hundredths where the modes give most.
    This one is as soft across what they hardly give, and brings the vertex all the way elsewhere: with the compliance
    c of a direction and s = SOFT tr C its share is c^2 / (c^2 + s^2), in the place of c / (c + s)."""
    phi = modes.shapes[:, vertex].astype(float)
    eased = phi / _omega(modes)[:, None] ** 2
    compliance = phi.T @ eased
    soft = SOFT * np.trace(compliance)
    if soft == 0.0:  # the vertex is held
        return np.zeros_like(phi)
    return eased @ np.linalg.solve(compliance @ compliance + soft**2 * np.eye(3), compliance)


def within(modes: Modes, q: np.ndarray, limit: float, firm: float = 2.0) -> np.ndarray:
    """q, eased off so that no vertex goes further than `limit` metres: half of it still goes as the hand does, the
    closer the larger `firm` is."""
    farthest = np.sqrt((displacement(modes, q) ** 2).sum(axis=1).max(initial=0.0))
    return q / (1.0 + (farthest / limit) ** firm) ** (1.0 / firm)


def displacement(modes: Modes, q: np.ndarray) -> np.ndarray:
    """(V, 3) metres."""
    return np.einsum("m,mvc->vc", q.astype(np.float32), modes.shapes)


def advance(modes: Modes, state: State, seconds: float, towards: np.ndarray | None = None) -> State:
    """The state so much later, exactly, under a force that is steady meanwhile: the one that would hold the modes at
    `towards`, (M,), or none."""
    omega, xi = _omega(modes), np.asarray(modes.damping, complex)
    turn = omega * np.sqrt(xi**2 - 1.0)  # imaginary below critical damping, real above
    slow, fast = turn - omega * xi, -turn - omega * xi
    decay_slow, decay_fast = np.exp(slow * seconds), np.exp(fast * seconds)
    half = turn * seconds
    critical = np.abs(half) < 1e-3  # there the quotient is 0 / 0
    series = np.exp(-omega * xi * seconds) * (1.0 + half**2 / 6.0)
    response = seconds * np.where(critical, series, (decay_slow - decay_fast) / (2 * np.where(critical, 1.0, half)))
    goal = 0.0 if towards is None else towards
    away = state.q - goal
    q = (decay_fast - fast * response) * away + response * state.v
    v = -(omega**2) * response * away + (decay_slow + fast * response) * state.v
    return State(q.real + goal, v.real)


def recorded(modes: Modes, pulls: np.ndarray, fps: float, holds: bool) -> np.ndarray:
    """(T + R, M): the modes at each frame of a recorded hand and, once it lets go, until they have rung out.

    `pulls` (T, M) is where the hand would have the modes, frame by frame. One that holds has them there; one that
    pushes has the force that would hold them there, and they answer by their own inertia.
    """
    state, found = State(pulls[0] if holds else np.zeros(pulls.shape[1]), np.zeros(pulls.shape[1])), []
    for before, now in zip(np.vstack([pulls[:1], pulls[:-1]]), pulls, strict=True):
        state = State(now, (now - before) * fps) if holds else advance(modes, state, 1 / fps, (before + now) / 2)
        found.append(state.q)
    return np.array(found + rung_out(modes, state, fps))


def replayed(modes: Modes, pull: Pull, fps: float) -> np.ndarray:
    """(T, M): the modes at each frame of a poke, from when it was taken until they have rung out.

    They are where they were seen, and in no frame jump: a pull of less than EASED frames takes as many, and what still
    rang of an earlier poke when the vertex was taken is come to in as many frames that are put before.
    """
    seconds, q = np.array(pull.seconds), np.array(pull.q)
    shortest = EASED / fps
    if seconds[-1] < shortest:
        seconds = seconds * (shortest / seconds[-1]) if seconds[-1] else np.linspace(0.0, shortest, len(seconds))
    held = np.arange(np.ceil(seconds[-1] * fps)) / fps
    found = list(np.stack([np.interp(held, seconds, mode) for mode in q.T], axis=1))
    if np.abs(q[0]).max() > STILL * np.abs(q).max():
        found = [share * q[0] for share in np.arange(EASED) / EASED] + found
    free = advance(modes, pull.let_go, len(held) / fps - seconds[-1])
    return np.array([*found, free.q, *rung_out(modes, free, fps)])


def rung_out(modes: Modes, state: State, fps: float) -> list[np.ndarray]:
    """(M,) for each frame after a state, until it has died down."""
    found = []
    for _ in range(round(rings_for(modes) * fps)):
        state = advance(modes, state, 1 / fps)
        found.append(state.q)
    return found


def rings_for(modes: Modes) -> float:
    """Seconds until the slowest mode has died down."""
    xi = np.asarray(modes.damping, float)
    rate = (_omega(modes) * (xi - np.sqrt(np.maximum(xi**2 - 1.0, 0.0)))).min()
    return min(LONGEST, float(-np.log(STILL) / max(rate, 1e-9)))


def _omega(modes: Modes) -> np.ndarray:
    return 2 * np.pi * np.asarray(modes.frequencies, float)


class Hand:
    """Modes that a hand takes, moves and lets go, over and over."""

    def __init__(self, modes: Modes, limit: float):
        """`limit`: metres that it may bring a vertex away."""
        self.modes, self.limit = modes, limit
        self.state = at_rest(modes)
        self.pull: Pull | None = None  # the one under way, or the last
        self._grip: np.ndarray | None = None  # (M, 3)
        self._from = np.zeros(3)  # where the vertex was when it was taken
        self._held = self._before = at_rest(modes)  # what the hand does to the modes, now and a tick ago

    @property
    def holds(self) -> bool:
        return self._grip is not None

    def take(self, vertex: int) -> None:
        """The vertex stays where it is; what else is ringing goes on."""
        self.pull = Pull([0.0], [self.state.q])
        self._grip = grip(self.modes, vertex)
        self._from = self.modes.shapes[:, vertex].T.astype(float) @ self.state.q
        held = self._grip @ self._from
        self._held, self._before = State(held, np.zeros_like(held)), held
        self.state = State(self.state.q - held, self.state.v)

    def move(self, away: np.ndarray) -> None:
        """To (3,) metres from where it took the vertex."""
        self._held.q = within(self.modes, self._grip @ (self._from + away), self.limit)

    def let_go(self) -> None:
        """With the speed that it had, as far as that takes it no further than a hand may."""
        omega = _omega(self.modes)
        flick = omega * within(self.modes, self._held.v / omega, self.limit)
        self.state = State(self.state.q + self._held.q, self.state.v + flick)
        self._grip = None
        if len(self.pull.q) == 1:  # no time has passed
            self.pull.seconds.append(0.0)
            self.pull.q.append(self.state.q)
        self.pull.q[-1], self.pull.let_go = self.state.q, self.state

    def tick(self, seconds: float) -> np.ndarray:
        """(M,): the modes so much later."""
        self.state = advance(self.modes, self.state, seconds)
        if not self.holds:
            return self.state.q
        share = -np.expm1(-seconds / FLICK)
        self._held.v += share * ((self._held.q - self._before) / seconds - self._held.v)
        self._before = self._held.q
        self.pull.seconds.append(self.pull.seconds[-1] + seconds)
        self.pull.q.append(self.state.q + self._held.q)
        return self.pull.q[-1]
