"""What must lose: a still rose, a rose whose frames are shuffled, and one that drifts, against the truth itself and
against a truth with a little noise; each in the measures that are there to catch it."""

from dataclasses import replace

import numpy as np
import pytest

from backend.species import Rose
from tests.benchmarks.lifebench.metrics import Counts, score
from tests.benchmarks.lifebench.nouns import Truth
from tests.benchmarks.lives import moved

FEW = Counts(to=8_000, frm=1_500, placing=400)
CAUGHT = {
    "still": [
        "CD-4D",
        "CD-M",
        "trajectory error",
        "motion",
        "surface motion",
        "progress",
        "covered",
        "late",
        "albedo",
        "stretch error",
    ],
    "shuffled": ["CD-3D", "CD-4D", "CD-M", "trajectory error", "progress", "late", "shake", "albedo", "texel flicker"],
    "drifting": ["CD-4D", "CD-M", "trajectory error", "motion", "surface motion", "late"],  # in order all the same
    "backwards": ["CD-3D", "CD-4D", "CD-M", "trajectory error", "progress", "late"],
}
# What a measure cannot see, so that nobody takes it for more than it is.
BLIND = {"still": ["shake", "texel flicker", "flips"], "shuffled": ["covered"], "drifting": ["CD-3D", "stretch error"]}


@pytest.fixture(scope="module")
def scores():
    truth = Truth.grown(Rose(detail=0.3), seed=31, frames=9)
    paths, looks = truth.sequence.positions, truth.sequence.albedo
    rng = np.random.default_rng(5)
    order = np.array([5, 1, 7, 0, 4, 8, 2, 6, 3])
    drift = np.linspace(0, 0.25, len(paths))[:, None, None] * truth.size * np.array([0.8, 0.6, 0.0])
    answers = {
        "truth": truth.sequence,
        "noised": moved(truth, paths + rng.normal(size=paths.shape) * 5e-4 * truth.size),
        "still": moved(truth, paths[:1].repeat(9, axis=0), albedo=looks[:1].repeat(9, axis=0)),
        "shuffled": moved(truth, paths[order], albedo=looks[order]),
        "drifting": moved(truth, paths + drift),
        "backwards": moved(truth, paths[::-1], albedo=looks[::-1]),
    }
    return {name: score(replace(answer, name=name), truth, counts=FEW) for name, answer in answers.items()}


@pytest.mark.parametrize(("loser", "measure"), [(loser, m) for loser, measures in CAUGHT.items() for m in measures])
def test_it_loses(scores, loser, measure):
    for winner in ("truth", "noised"):
        won, lost = scores[winner][measure], scores[loser][measure]
        assert won.beats(lost), f"{measure}: {winner} {won.value:.4g}, {loser} {lost.value:.4g}"


@pytest.mark.parametrize(("loser", "measure"), [(loser, m) for loser, measures in BLIND.items() for m in measures])
def test_it_is_not_seen(scores, loser, measure):
    assert not scores["noised"][measure].beats(scores[loser][measure])


def test_a_still_rose_makes_no_progress(scores):
    assert scores["still"]["progress"].value == 0.0
    assert scores["truth"]["progress"].value > 0.95
    assert scores["noised"]["progress"].value > 0.9
    assert max(scores[loser]["progress"].value for loser in ("shuffled", "backwards")) < 0.3


def test_the_truth_itself_is_perfect(scores):
    exact = {
        "trajectory error": 0,
        "motion": 1,
        "surface motion": 1,
        "shake": 0,
        "albedo": 100,
        "texel flicker": 0,
        "stretch error": 0,
    }
    for name, value in (exact | {"flips": 0, "crossings": 0}).items():
        assert scores["truth"][name].value == pytest.approx(value, abs=1e-9)
