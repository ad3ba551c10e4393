"""The weights that come along: small, in half precision, and they know which side is which."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from backend.priors.dynamics import Dynamics, Sampling, normal
from backend.priors.seedling import Seedling
from backend.training.dynamics import corpus as sways
from backend.training.dynamics import measures
from backend.training.dynamics.samples import Batch
from backend.training.multiview import captions, corpus
from backend.training.multiview.model import Sown
from backend.training.multiview.phases import Place, Views
from backend.training.multiview.plan import Plan
from backend.training.multiview.stock import Data, Part

WEIGHTS = Path(corpus.__file__).parents[2] / "weights"
MULTIVIEW, DYNAMICS = WEIGHTS / "multiview", WEIGHTS / "dynamics"
MOST = 25 * 10**6  # bytes
INDIVIDUALS = 96  # of fewer, scores hang on who these are
OWN = 10**6  # a shard that no corpus is large enough to have


@pytest.fixture(scope="module")
def shipped() -> Seedling:
    return Seedling.load(MULTIVIEW)


@pytest.fixture(scope="module")
def held_out(shipped) -> Part:
    """So many individuals that no training saw."""
    recipe = corpus.Recipe(shipped.size[0], individuals=INDIVIDUALS, each=1)
    sets = list(corpus.drawn(recipe, "individuals", OWN))
    return Part(sets, np.arange(len(sets)))


def scores(prior: Seedling, sets: Part) -> dict[str, float]:
    place = Place(Sown(prior, "cpu"), Plan(prior.sizes, {}), Data(sets, sets, sets, "specimens"), "cpu", len(sets))
    return Views(place).scores()


@pytest.mark.parametrize("folder", [MULTIVIEW, DYNAMICS], ids=["multiview", "dynamics"])
def test_they_are_small_and_in_half_precision(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MOST
    weights = [path for path in files if path.suffix == ".safetensors"]
    assert weights
    assert (folder / "README.md").stat().st_size > 500
    assert not [path for path in files if path.suffix in (".bin", ".pt", ".ckpt", ".npz")]
    for path in weights:
        with safe_open(path, "pt") as file:
            assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}, path  # noqa: SIM118
            assert all(torch.isfinite(file.get_tensor(name)).all() for name in file.keys()), path  # noqa: SIM118


def test_all_words_of_the_corpus_are_known(shipped):
    assert set(captions.vocabulary()) <= set(shipped.words)


def test_the_seedling_of_views_passes_the_gate_on_things_that_it_has_not_seen(shipped, held_out):
    """Without cameras it is at 1.22 here, and between 1.15 and 1.28 of others: 1.2, which is promised, is the mean."""
    found = scores(shipped, held_out)
    assert found["turned"] > 1.5
    assert found["flat"] > 1.15
    assert found["noise_left"] < 0.1


def test_the_seedling_of_motion_moves_what_sways_and_not_many_times_too_far():
    recipe = sways.Recipe(64, 64, 16, objects=3, views=2, winds=2)
    batch = Batch.of(list(sways.drawn(recipe, "seeds", OWN + 1))[::2])
    truth = normal.starting_at_rest(batch.slices)
    found = Dynamics.load(DYNAMICS).slices(batch.picture, [0] * len(truth), Sampling(10))
    assert measures.place(found, truth) > 0.4
    assert 0.3 < measures.magnitude(found, truth) < 3.5
