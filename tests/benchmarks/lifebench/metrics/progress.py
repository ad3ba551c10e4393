"""Progress of life: which moment of the truth's life each frame of an answer is, and whether these come in order.

A still object is smooth, plausible and consistent, and wins every measure of these ("AnimateAnyMesh" by the tables of
BiMotion and CHORD). So it is asked how far an answer gets in the life it was to show. For each of its frames the
moment is found whose surface is nearest, both ways, with colour as three more coordinates where the answer has any.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from tests.benchmarks.lifebench.metrics.pair import Pair
from tests.benchmarks.lifebench.metrics.sampling import of_life, present, spread
from tests.benchmarks.lifebench.nouns import Reals, Sequence, areas

FROM, TO = 400, 4_000  # points of each surface, to measure from and to measure to
COLOUR = 0.1  # of the size: how far white is from black
TRAVEL = 0.005  # of the size: what it costs to go through a whole life, so that noise goes nowhere


@dataclass(frozen=True, eq=False)
class Progress:
    """`moments` (T,) of the life, 0 its start and 1 its end, that the frames of an answer are."""

    moments: Reals

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
        return float(np.abs(self.moments - np.linspace(0, 1, len(self.moments))).mean())


def progress(pair: Pair) -> Progress:
    """Of an answer along the truth."""
    coloured = pair.answer.albedo is not None and pair.truth.clip.albedo is not None
    answer, truth = (_states(of, pair.size, coloured) for of in (pair.answer, pair.truth.sequence))
    return Progress(moments(apart(answer, truth)))


def moments(distances: Reals) -> Reals:
    """(T,) in [0, 1] of distances (T, T'), shares of the size, from each frame to each moment in order: the way whose
    distances and travel are least together (Viterbi 1967)."""
    count = distances.shape[1]
    places = np.linspace(0.0, 1.0, count)
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


def apart(answer: list[Reals], truth: list[Reals]) -> Reals:
    """(T, T') half the Chamfer distance between each two of the surfaces (n, K)."""
    few, some = ([state[:: max(1, len(state) // FROM)] for state in states] for states in (answer, truth))
    trees, others = [KDTree(state) for state in answer], [KDTree(state) for state in truth]
    found = np.empty((len(answer), len(truth)))
    for i, j in np.ndindex(*found.shape):
        found[i, j] = (others[j].query(few[i])[0].mean() + trees[i].query(some[j])[0].mean()) / 2
    return found


def _states(sequence: Sequence, size: float, coloured: bool) -> list[Reals]:
    """(n, 3 or 6) of each frame: points that are followed where they can be, less what is gone."""
    followed, states = of_life(sequence, TO) if sequence.tracked else None, []
    for t, (vertices, _) in enumerate(sequence.frames):
        if followed is None:
            faces = sequence.there(t)
            samples = spread(faces, areas(vertices, faces), TO)
        else:
            samples = followed.at(np.flatnonzero(present(sequence, followed, t)))
        state = samples.on(vertices) / size
        states.append(np.concatenate([state, COLOUR * samples.on(sequence.albedo[t])], axis=1) if coloured else state)
    return states
