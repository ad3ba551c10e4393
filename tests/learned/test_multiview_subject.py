"""A few pictures and a name: learnt in two dimensions, the weights held where they were, and what was known is known
still."""

from dataclasses import replace

import pytest
import torch

from backend.priors.prior import Given
from backend.priors.seedling import Seedling, Sizes
from backend.report import Cancelled
from backend.training import loop
from backend.training.checkpoint import Checkpoint, OtherPlan
from backend.training.loop import How
from backend.training.multiview import subject
from backend.training.multiview.subject import SEEDLING, Personal, Pictures, Subject, distance, train, with_words
from backend.training.plan import Budget

TINY = Sizes(side=8, widths=(16, 16), heads=2, groups=4, text=8, tokens=4)
PICTURES = torch.tensor([0.8, -0.6, 0.2]).view(1, 3, 1, 1).expand(4, 3, 8, 8)
MUG = Pictures(PICTURES, "a zebedee mug")
PLAN = replace(SEEDLING, budgets={"subject": Budget(5, 4, 2e-3)}, saved=2, checked=3, told=1)
HOW = How()


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    where = tmp_path_factory.mktemp("base") / "seedling"
    Seedling.fresh(TINY, ("a", "lamp", "mug")).save(where)
    return where


def learner(base) -> Personal:
    one = Personal(PLAN, base, MUG, HOW)
    one.begin(None, lambda done, text: None)
    return one


def test_the_distance_is_the_mean_of_what_each_weight_has_gone():
    first = [torch.zeros(2, 3), torch.ones(4)]
    weights = [torch.full((2, 3), -0.5, requires_grad=True), torch.ones(4, requires_grad=True)]
    found = distance(weights, first)
    assert found.item() == pytest.approx(0.3)
    found.backward()
    torch.testing.assert_close(weights[0].grad, torch.full((2, 3), -0.1))


def test_new_words_are_read_and_change_no_old_ones(base):
    old = Seedling.load(base)
    new = with_words(old, ["a", "zebedee", "mug", "zebedee"], 0)
    assert new.words == ("a", "lamp", "mug", "zebedee")
    assert new.unread("a zebedee mug") == []
    assert torch.equal(new.embed(["a lamp", ""]), old.embed(["a lamp", ""]))
    assert not torch.equal(new.embed(["a zebedee mug"]), new.embed(["a mug"]))


def test_a_step_sees_single_pictures_without_cameras_and_holds_the_weights(base):
    one = learner(base)
    phase, asked = one.phase(Subject, None), []
    honest = one.trained.prior.predict

    def telling(x_t, t, given: Given):
        asked.append(given)
        return honest(x_t, t, given)

    one.trained.prior.predict = telling
    before = phase.losses(phase.read(4, 0, (0, 0)), torch.Generator().manual_seed(0))
    assert (asked[0].views, asked[0].cameras) == (1, None)
    assert before["moved"] == 0
    with torch.no_grad():
        for weight in one.trained.learning():
            weight += 0.25
    after = phase.losses(phase.read(4, 0, (0, 0)), torch.Generator().manual_seed(0))
    assert after["moved"].item() == pytest.approx(0.25, rel=1e-4)
    assert after["total"].item() == pytest.approx(after["fit"].item() + 0.25, rel=1e-4)


def test_the_subject_is_learnt_and_the_weights_go_less_far_than_without_the_second_loss(base, monkeypatch):
    gone = {}
    for keeping in (0.0, 30.0):
        monkeypatch.setattr(subject, "KEEPING", keeping)
        phase = learner(base).phase(Subject, None)
        before = phase.scores()["noise_left"]
        learning = loop.Learning(phase, Budget(60, 4, 3e-3))
        for step in range(60):
            learning.step(phase.read(4, step, (0, 0)), step, torch.Generator().manual_seed(step))
        learning.settle()
        after = phase.scores()
        gone[keeping] = after["moved"]
        assert after["noise_left"] < 0.95 * before
    assert gone[30.0] < 0.8 * gone[0.0]


def test_it_goes_on_as_if_nothing_had_been_and_knows_where_it_began(base, tmp_path):
    train(base, MUG, tmp_path / "whole", HOW, plan=PLAN)
    told = 0

    def report(done: float, text: str) -> None:
        nonlocal told
        told += text.startswith("Learning")
        if told == 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        train(base, MUG, tmp_path / "parts", HOW, report, PLAN)
    scores = train(base, MUG, tmp_path / "parts", HOW, plan=PLAN)
    assert scores["moved"] > 0
    own, other = (Checkpoint.read(tmp_path / name).model for name in ("parts", "whole"))
    for name in own:
        torch.testing.assert_close(own[name], other[name], rtol=0, atol=1e-6)
    assert Seedling.load(tmp_path / "parts" / "model").unread(MUG.text) == []
    with pytest.raises(OtherPlan, match="a zebedee mug"):
        train(base, Pictures(PICTURES, "a lamp"), tmp_path / "parts", HOW, plan=PLAN)


def test_too_few_pictures_or_no_name_are_refused():
    with pytest.raises(ValueError, match="3 to 10 pictures, not from 2"):
        Pictures(PICTURES[:2], "a mug")
    with pytest.raises(ValueError, match="needs a name"):
        Pictures(PICTURES, " ")
