"""Progress of life: which moment of the truth's life each frame of an answer is, and whether these come in order.

A still object is smooth, plausible and consistent, and wins every measure of these ("AnimateAnyMesh" by the tables of
BiMotion and CHORD). So it is asked how far an answer gets in the life it was to show. For each of its frames the
moment is found whose surface is nearest, both ways, with colour as three more coordinates where the answer has any.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tests.benchmarks.lifebench.metrics.nearest import Tree
from tests.benchmarks.lifebench.metrics.pair import Pair
from tests.benchmarks.lifebench.metrics.sampling import in_frame, of_life, present
from tests.benchmarks.lifebench.nouns import Reals, Sequence, once

FROM, TO = 400, 4_000  # points of each surface, to measure from and to measure to
COLOUR = 0.1  # of the size: how far white is from black
TRAVEL = 0.005  # of the size: what it costs to go through a whole life, so that noise goes nowhere
REST = 2 * TRAVEL  # of the size: a life that changes more slowly than by this from start to end is at rest


@dataclass(frozen=True, eq=False)
class Progress:
    """`moments` (T,) of the life, 0 its start and 1 its end, that the frames of an answer are, and `due` (T,) those of
    the truth."""

    moments: Reals
    due: Reals

    @property
    def covered(self) -> float:
        """The share of the life that an answer shows, in any order."""
        return float(np.ptp(self.moments))

    @property
    def made(self) -> float:
        """Progress: the way forward, less what it went to and fro: 1 is the whole life in order, 0 a still object, one
        that runs backwards, or one that comes back to where it was."""
        steps = np.diff(self.moments)
        travel = np.abs(steps).sum()
        return float(max(steps.sum(), 0.0) ** 2 / travel) if travel > 0 else 0.0

    @property
    def late(self) -> float:
        """Mean distance from the moment that was due, as a share of the life."""
        return float(np.abs(self.moments - self.due).mean())


def progress(pair: Pair) -> Progress:
    """Of an answer along the truth."""
    coloured = pair.answer.albedo is not None and pair.truth.clip.albedo is not None
    answer, truth = (_states(of, pair.size, coloured) for of in (pair.answer, pair.truth.sequence))
    due = _due(pair.truth.sequence, pair.size, coloured)
    return Progress(moments(np.array([[_apart(own, real) for real in truth] for own in answer]), due), due)


@once
def _due(sequence: Sequence, size: float, coloured: bool) -> Reals:
    return lived([_apart(here, there) for here, there in pairwise(_states(sequence, size, coloured))])


def lived(steps: list[float]) -> Reals:
    """(T,) in [0, 1]: how much of a life is over at each of its frames, of the change (T - 1,) between them in shares
    of the size. Its time, less the time in which it rests: nothing tells moments of rest apart."""
    least = REST / max(len(steps), 1)
    passed = np.concatenate([[0.0], np.cumsum(np.minimum(np.array(steps) / least, 1.0))])
    return passed / max(passed[-1], 1e-300)


def moments(distances: Reals, places: Reals) -> Reals:
    """(T,) of distances (T, T'), shares of the size, from each frame to each of the moments at `places` (T',): the way
    whose distances and travel are least together (Viterbi 1967)."""
    travel = TRAVEL * np.abs(places[:, None] - places)
    cost, came = distances[0], np.empty(distances.shape, int)
    for t in range(1, len(distances)):
        ways = cost[:, None] + travel  # from a row to a column
        came[t] = ways.argmin(axis=0)
        cost = ways.min(axis=0) + distances[t]
    found = np.empty(len(distances), int)
    found[-1] = cost.argmin()
    for t in range(len(distances) - 1, 0, -1):
        found[t - 1] = came[t, found[t]]
    return places[found]


@dataclass(frozen=True, eq=False)
class State:
    """A surface and its look at one moment: points to measure from and a tree of more to measure to."""

    few: Reals  # (n, K) shares of the size
    all: Tree


def _apart(one: State, other: State) -> float:
    """Half the Chamfer distance."""
    return float(other.all.away(one.few).mean() + one.all.away(other.few).mean()) / 2


@once
def _states(sequence: Sequence, size: float, coloured: bool) -> list[State]:
    """Of each frame: points that are followed where they can be, less what is gone."""
    followed, states = of_life(sequence, TO) if sequence.tracked else None, []
    for t, (vertices, _) in enumerate(sequence.frames):
        if followed is None:
            samples = in_frame(sequence, t, TO)
        else:
            shown = present(sequence, followed, t)
            samples = followed.at(np.flatnonzero(shown)) if shown.any() else followed
        state = samples.on(vertices) / size
        if coloured:
            state = np.concatenate([state, COLOUR * samples.on(sequence.albedo[t])], axis=1)
        states.append(State(state[:: max(1, len(state) // FROM)], Tree(state)))
    return states
