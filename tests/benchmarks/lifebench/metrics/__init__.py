"""What an answer is worth: every measure of LifeBench, none with a learned weight.

Each is told with its unit and with which way is better; one that cannot be told of an answer (its points cannot be
followed, it has no colour) or of a truth (it has no loop, no law of volume) is not a number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from tests.benchmarks.lifebench.metrics.align import Freedom
from tests.benchmarks.lifebench.metrics.chamfer import Counts, distances
from tests.benchmarks.lifebench.metrics.colour import albedo_psnr, texel_flicker
from tests.benchmarks.lifebench.metrics.pair import Pair
from tests.benchmarks.lifebench.metrics.playing import bytes_per_second, loop_seam
from tests.benchmarks.lifebench.metrics.progress import progress
from tests.benchmarks.lifebench.metrics.shape import crossing_share, flips, stretch_error, volume_error
from tests.benchmarks.lifebench.metrics.tracking import motion, shake, surface_motion, trajectory_error
from tests.benchmarks.lifebench.nouns import Sequence, Truth

__all__ = ["Counts", "Freedom", "Pair", "Score", "Scores", "Sense", "score"]


class Sense(Enum):
    """Which way is better."""

    LOWER = "lower"
    HIGHER = "higher"
    ONE = "nearer to 1"

    def short(self, value: float) -> float:
        """How far a value falls short of what is best: what has less of it is better."""
        return {Sense.LOWER: value, Sense.HIGHER: -value, Sense.ONE: abs(value - 1)}[self]


@dataclass(frozen=True)
class Score:
    """One number; nan where it cannot be told."""

    name: str
    value: float
    unit: str
    sense: Sense

    @property
    def told(self) -> bool:
        return not np.isnan(self.value)

    def beats(self, other: "Score") -> bool:
        """Whether it is better; what cannot be told beats nothing."""
        return self.sense.short(self.value) < self.sense.short(other.value)


@dataclass(frozen=True)
class Scores:
    """All of one answer to one truth, in the order in which a page shows them."""

    name: str  # of the answer
    freedom: Freedom  # how it was put in its place, but for CD-3D, CD-4D and CD-M, which have their own way
    scores: tuple[Score, ...]

    def __getitem__(self, name: str) -> Score:
        return next(score for score in self.scores if score.name == name)


def score(sequence: Sequence, truth: Truth, freedom: Freedom = Freedom.NONE, counts: Counts | None = None) -> Scores:
    """Measure an answer. `freedom` is the task's: NONE where a mesh was given, UPRIGHT where pictures or words were."""
    counts = counts or Counts()
    pair = Pair.of(sequence, truth, freedom)
    tracked = pair.answer.tracked
    coloured = pair.answer.albedo is not None and truth.clip.albedo is not None
    spatial, temporal, moving = distances(sequence, truth, counts)
    life = None if truth.loop else progress(pair)  # what comes back to where it was gets through no life

    def where(can: bool, measure: Callable[[Pair], float]) -> float:
        return measure(pair) if can else np.nan

    half, share = "of half the size", "of the size"
    return Scores(
        sequence.name,
        freedom,
        (
            Score("CD-3D", spatial, half, Sense.LOWER),
            Score("CD-4D", temporal, half, Sense.LOWER),
            Score("CD-M", moving, half, Sense.LOWER),
            Score("trajectory error", where(tracked, trajectory_error), share, Sense.LOWER),
            Score("motion", where(tracked, motion), "of the truth's", Sense.ONE),
            Score("surface motion", surface_motion(pair), "of the truth's", Sense.ONE),
            Score("progress", life.made if life else np.nan, "of the life", Sense.HIGHER),
            Score("covered", life.covered if life else np.nan, "of the life", Sense.HIGHER),
            Score("late", life.late if life else np.nan, "of the life", Sense.LOWER),
            Score("shake", where(tracked, shake), share, Sense.LOWER),
            Score("albedo", where(coloured, albedo_psnr), "dB", Sense.HIGHER),
            Score("texel flicker", where(coloured, texel_flicker), "of white", Sense.LOWER),
            Score("stretch error", where(tracked, stretch_error), "of ln", Sense.LOWER),
            Score("flips", where(tracked, flips), "of the area a frame", Sense.LOWER),
            Score("crossings", crossing_share(pair), "of the triangles", Sense.LOWER),
            Score("volume error", where(truth.matter is not None, volume_error), "of the volume", Sense.LOWER),
            Score("loop seam", where(truth.loop and tracked, loop_seam), share, Sense.LOWER),
            Score("size on disk", bytes_per_second(sequence), "bytes a second", Sense.LOWER),
        ),
    )
