"""A few pictures and a name: learnt in two dimensions, the weights held where they were, and what was known is known
still."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from backend.commands.train import main
from backend.priors import mvdream
from backend.priors.prior import Given
from backend.priors.seedling import Seedling, Sizes
from backend.priors.stable import FRONT, LatentDiffusion
from backend.report import Cancelled
from backend.training import loop
from backend.training.checkpoint import Checkpoint, OtherPlan
from backend.training.loop import How
from backend.training.multiview import subject
from backend.training.multiview.subject import (
    FILLED,
    SEEDLING,
    SIDE,
    Personal,
    Pictures,
    Subject,
    distance,
    square,
    train,
    with_words,
)
from backend.training.multiview.training import NotLearnable
from backend.training.plan import Budget
from tests.learned import published

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


def narrow(monkeypatch, most: int) -> list[int]:
    """There is room for so many latents at once where slopes are wanted, and for twice as many where none are; how many
    have been seen."""
    seen, predict = [], Seedling.predict

    def predicted(self, x_t, t, given):
        if len(x_t) > (most if torch.is_grad_enabled() else 2 * most):
            raise torch.OutOfMemoryError("short")
        seen.append(len(x_t))
        return predict(self, x_t, t, given)

    monkeypatch.setattr(Seedling, "predict", predicted)
    return seen


@pytest.mark.parametrize("at_once", [3, 2, 1])
def test_slopes_in_parts_are_those_of_the_whole(base, at_once):
    one = learner(base)
    with torch.no_grad():
        for weight in one.trained.learning():
            weight += 0.01 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(weight.numel()))
    phase, found = one.phase(Subject, None), []
    for phase.at_once in (4, at_once):
        learning = loop.Learning(phase, Budget(5, 4, 1e-3))
        generator = torch.Generator().manual_seed(3)
        losses = learning._slopes(phase.read(4, 0, (0, 0)), generator, generator.get_state())
        found.append((losses, [weight.grad.clone() for weight in learning.weights]))
    (whole, slopes), (parts, same) = found
    assert {name: loss.item() for name, loss in parts.items()} == pytest.approx(
        {name: loss.item() for name, loss in whole.items()}, rel=1e-5
    )
    assert whole["moved"] > 0.001
    for slope, other in zip(slopes, same, strict=True):
        torch.testing.assert_close(other, slope, rtol=1e-4, atol=1e-7)


def test_slopes_that_were_found_before_memory_was_short_do_not_stay(base, monkeypatch):
    phase, found, calls, predict = learner(base).phase(Subject, None), [], [], Seedling.predict

    def predicted(self, x_t, t, given):
        calls.append(len(x_t))
        if len(calls) == 2:
            raise torch.OutOfMemoryError("short")
        return predict(self, x_t, t, given)

    def within(work):
        with pytest.raises(torch.OutOfMemoryError):
            work()
        assert phase.smaller()
        return work()

    for at_once, how in ((4, loop._at_once), (2, within)):
        learning, phase.at_once = loop.Learning(phase, Budget(5, 4, 0.0), how), at_once
        if how is within:
            monkeypatch.setattr(Seedling, "predict", predicted)
        learning.step(phase.read(4, 0, (0, 0)), 0, torch.Generator().manual_seed(3))
        found.append([weight.grad.clone() for weight in learning.weights])
    assert calls == [2, 2, 1, 1, 1, 1]
    for slope, other in zip(*found, strict=True):
        torch.testing.assert_close(other, slope, rtol=1e-4, atol=1e-7)


def test_short_memory_changes_how_many_pictures_are_seen_at_a_time_and_nothing_else(base, tmp_path, monkeypatch):
    whole = train(base, MUG, tmp_path / "whole", HOW, plan=PLAN)
    for most, rungs in ((2, ["2 pictures"]), (1, ["2 pictures", "1 picture"])):
        said, told, out = [], [], tmp_path / str(most)
        why = "The GPU's memory is short: it learns from"
        sentences = [f"{why} {each} at a time, which takes longer" for each in rungs]
        with monkeypatch.context() as patch:
            seen = narrow(patch, most)
            scores = train(base, MUG, out, How(say=said.append), lambda *tell, told=told: told.append(tell[1]), PLAN)
        assert said == sentences and max(seen) <= 2 * most
        steps = [text for text in told if text.startswith("Learning")]
        assert steps == [
            "Learning: subject, step 1 of 5",
            *[f"Learning: subject, step {step} of 5. {sentences[-1]}" for step in range(2, 6)],
        ]
        assert scores == pytest.approx(whole, rel=1e-3)
        own, other = (Checkpoint.read(tmp_path / name).model for name in (out.name, "whole"))
        for name in own:
            for one in own[name]:
                torch.testing.assert_close(own[name][one], other[name][one], rtol=0, atol=1e-4)
        sheets = [cv2.imread(str(tmp_path / name / "sheets" / "subject-0000005.png")) for name in (out.name, "whole")]
        assert np.abs(sheets[0].astype(int) - sheets[1]).max() <= 2
    with monkeypatch.context() as patch:
        narrow(patch, 0)
        with pytest.raises(torch.OutOfMemoryError):
            train(base, MUG, tmp_path / "none", HOW, plan=PLAN)


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
    with pytest.raises(OtherPlan, match='of "a zebedee mug", and not of "a lamp"'):
        train(base, Pictures(PICTURES, "a lamp"), tmp_path / "parts", HOW, plan=PLAN)
    others = PICTURES * torch.tensor([1.0, 0.5, 1.0, 1.0]).view(4, 1, 1, 1)
    with pytest.raises(OtherPlan, match="of 4 files that it learns from, picture 2 is gone or changed"):
        train(base, Pictures(others, MUG.text), tmp_path / "parts", HOW, plan=PLAN)
    other = tmp_path / "other" / base.name  # of the same name, as most are
    Seedling.fresh(TINY, ("a", "lamp", "mug"), seed=1).save(other)
    with pytest.raises(OtherPlan, match=r"began with another model than what lies in .*other"):
        train(other, MUG, tmp_path / "parts", HOW, plan=PLAN)
    same = shutil.copytree(base, tmp_path / "elsewhere")
    assert train(same, MUG, tmp_path / "parts", HOW, plan=PLAN) == scores


def test_too_few_pictures_or_no_name_are_refused():
    with pytest.raises(ValueError, match="3 to 10 pictures, not from 2"):
        Pictures(PICTURES[:2], "a mug")
    with pytest.raises(ValueError, match="needs a name"):
        Pictures(PICTURES, " ")


# --- pictures ---


def photo(height: int = 80, width: int = 120, colour=(200, 40, 60)) -> np.ndarray:
    """A disc in the middle, before grey."""
    y, x = np.mgrid[:height, :width]
    disc = (y - height / 2 + 0.5) ** 2 + (x - width / 2 + 0.5) ** 2 < (height / 4) ** 2
    return np.where(disc[..., None], np.array(colour), 120).astype(np.uint8)


def test_of_a_photo_the_middle_is_seen_and_nothing_is_stretched():
    own = photo()
    own[:, :20] = own[:, -20:] = (0, 255, 0)
    found = square(own)
    assert found.shape == (SIDE, SIDE, 3)
    assert (found[:, [0, -1]] == 120).all()
    red = found[..., 0] > 160
    assert red.any(axis=0).sum() == pytest.approx(red.any(axis=1).sum(), abs=3)
    assert red.any(axis=0).sum() / SIDE == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("place", [(0, 0), (30, 60), (20, 5)])
def test_what_is_cut_out_is_seen_whole_in_the_middle_before_white(place):
    own = np.zeros((100, 140, 4), np.uint8)
    own[place[0] : place[0] + 70, place[1] : place[1] + 40] = (200, 40, 60, 255)
    found = square(own)
    there = (found < 250).any(axis=2)
    rows, columns = (np.flatnonzero(there.any(axis=axis)) for axis in (1, 0))
    assert len(rows) / SIDE == pytest.approx(FILLED, abs=0.03)
    assert len(columns) / len(rows) == pytest.approx(40 / 70, abs=0.03)
    for ends in (rows, columns):
        assert ends[0] + ends[-1] == pytest.approx(SIDE, abs=8)
    assert found[SIDE // 2, SIDE // 2].tolist() == [200, 40, 60]
    assert (found[0] == 255).all()
    half = own.copy()
    half[..., 3] //= 2
    assert square(half)[SIDE // 2, SIDE // 2].tolist() == pytest.approx([227, 148, 158], abs=1)


def test_pictures_come_in_the_size_of_the_prior():
    given = Pictures.of([photo(), photo(200, 90), photo(64, 64, (10, 220, 30))], "a zebedee mug")
    assert given.pictures.shape == (3, 3, SIDE, SIDE)
    small = given.sized(8).pictures
    assert small.shape == (3, 3, 8, 8)
    torch.testing.assert_close(small.mean(dim=(2, 3)), given.pictures.mean(dim=(2, 3)), atol=0.02, rtol=0)
    assert small[2, 1, 3:5, 3:5].min() > 0.6


# --- the models that learn it ---


def test_a_published_model_of_views_learns_it_and_stays_in_its_layout(tmp_path):
    base = published.packed(tmp_path / "packed", published.SD21, cameras=True)
    data = Pictures.of([photo()] * 3, "zebedee mug")
    train(base, data, tmp_path / "out", HOW, plan=replace(subject.PLAN, budgets={"subject": Budget(2, 2, 1e-3)}))
    first, found = LatentDiffusion.load(base), LatentDiffusion.load(tmp_path / "out" / "model")
    assert found.front == FRONT
    assert found.size == first.size
    moved = [
        (one - other).abs().max().item()
        for one, other in zip(found.unet.parameters(), first.unet.parameters(), strict=True)
    ]
    assert 0 < max(moved) < 1e-2
    assert torch.equal(found.embed(["zebedee mug"]), first.embed(["zebedee mug"]))


def test_a_model_of_single_pictures_and_a_name_too_long_are_refused(base, tmp_path):
    data = Pictures.of([photo()] * 3, "one two three four five")
    with pytest.raises(NotLearnable, match="reads 4 words, and not five"):
        train(base, data, tmp_path / "out", HOW)
    single = published.packed(tmp_path / "packed", published.SD15)
    with pytest.raises(NotLearnable, match="single pictures alone"):
        train(single, data, tmp_path / "out", HOW)


# --- the command ---


def folder(where: Path, count: int = 3) -> Path:
    where.mkdir(exist_ok=True)
    for number in range(count):
        Image.fromarray(photo(colour=(200, 40 + 10 * number, 60))).save(where / f"{number}.png")
    return where


def test_the_authors_own_file_learns_it_and_becomes_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(mvdream, "SD21", published.SD21)  # which it is, small
    (tmp_path / "hub").mkdir()
    file = tmp_path / "hub" / "sd-v2.1-base-4view.pt"
    torch.save(published.published(published.SD21), file)
    published.tokenizer(tmp_path / "hub" / "tokenizer")
    trained = subject.loaded(file, "a zebedee mug", HOW)
    before = trained.prior.embed(["a zebedee mug"])
    assert all(one.requires_grad for one in trained.learning()) and not any(
        one.requires_grad for one in trained.prior.vae.parameters()
    )
    with torch.no_grad():
        trained.learning()[0].add_(0.1)
    trained.save(tmp_path / "model")
    model = LatentDiffusion.load(tmp_path / "model")
    torch.testing.assert_close(model.embed(["a zebedee mug"]), before)  # padded as it was, too
    for name in ("unet", "vae"):
        ours, saved = getattr(trained.prior, name).state_dict(), getattr(model, name).state_dict()
        assert ours.keys() == saved.keys() and all(torch.equal(ours[each], saved[each]) for each in ours)
    assert torch.equal(model.schedule.alphas_cumprod, trained.prior.schedule.alphas_cumprod)
    assert (model.front, model.size) == (FRONT, trained.prior.size)


def test_another_file_is_refused_in_a_sentence(capsys, tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("no weights")
    options = ("--pictures", folder(tmp_path / "pictures"), "--name", "zebedee", "--out", tmp_path / "out", "--model")
    for name, told in (("other.pt", "other.pt is not one of MVDream's files"), ("text.pt", "text.pt is damaged")):
        code, _, text = asked(capsys, *options, tmp_path / name)
        assert (code, told in text) == (2, True), text


def asked(capsys, *options) -> tuple[int, str, str]:
    code = main(["subject", *map(str, options)])
    told = capsys.readouterr()
    return code, told.out, told.err.strip()


def test_the_command_learns_a_subject_stops_and_goes_on(capsys, base, tmp_path, monkeypatch):
    monkeypatch.setattr(subject, "SEEDLING", PLAN)
    pictures = folder(tmp_path / "pictures")
    (pictures / "notes.txt").write_text("of my mug")
    options = ("--pictures", pictures, "--name", "zebedee", "--of", "mug", "--model", base, "--out", tmp_path / "out")
    code, _, text = asked(capsys, *options, "--minutes", 0)
    assert (code, "go on with --resume" in text) == (0, True)
    code, out, text = asked(capsys, *options, "--resume")
    assert code == 0, text
    assert '"zebedee mug"' in text
    told = json.loads(out)
    assert set(told["scores"]) == {"noise_left", "moved"}
    model = Seedling.load(told["model"])
    assert model.unread("zebedee mug") == []
    assert "zebedee mug" in (Path(told["model"]) / "README.md").read_text(encoding="utf-8")


def test_the_command_says_that_memory_is_short(capsys, base, tmp_path, monkeypatch):
    monkeypatch.setattr(subject, "SEEDLING", PLAN)
    narrow(monkeypatch, 2)
    options = ("--name", "zebedee", "--model", base, "--out", tmp_path / "out", "--pictures", folder(tmp_path / "p"))
    code, _, text = asked(capsys, *options)
    assert code == 0, text
    assert text.count("anthesis: The GPU's memory is short: it learns from 2 pictures at a time") == 1


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"--pictures": None}, "A subject wants --pictures FOLDER"),
        ({"--name": None}, "A subject wants --name TEXT"),
        ({"--model": None}, "A subject wants --model FOLDER"),
        ({"--pictures": "nowhere"}, "nowhere is no folder"),
        ({"--name": "!?"}, "'!?' is no word"),
        ({"--model": "nowhere"}, "No model lies in"),
        ({"--preset": "seedling"}, "--preset seedling is not for subject: leave it out"),
        ({"--base": "nowhere"}, "--base is for multiview"),
        ({"--name": "one two three four five"}, "reads 4 words"),
    ],
)
def test_what_cannot_be_done_is_said(capsys, base, tmp_path, changed, sentence):
    options = {
        "--pictures": folder(tmp_path / "pictures"),
        "--name": "zebedee",
        "--model": base,
        "--out": tmp_path / "out",
    }
    options |= {name: tmp_path / "nowhere" if value == "nowhere" else value for name, value in changed.items()}
    code, _, text = asked(
        capsys, *(each for name, value in options.items() if value is not None for each in (name, value))
    )
    assert (code, sentence in text) == (2, True), text
    assert text.startswith("anthesis: ")


def test_pictures_that_cannot_be_learned_from_are_named(capsys, base, tmp_path):
    options = ("--name", "zebedee", "--model", base, "--out", tmp_path / "out", "--pictures")
    for count, told in ((1, "has 1 picture:"), (2, "has 2 pictures:"), (11, "has 11 pictures:")):
        code, _, text = asked(capsys, *options, folder(tmp_path / str(count), count))
        assert (code, told in text) == (2, True), text
    pictures = folder(tmp_path / "pictures")
    Image.fromarray(photo(40, 200)).save(pictures / "small.png")
    code, _, text = asked(capsys, *options, pictures)
    assert (code, "small.png has 200 x 40 pixels" in text) == (2, True), text
    (pictures / "small.png").write_bytes(b"no picture")
    code, _, text = asked(capsys, *options, pictures)
    assert (code, "small.png is not a picture that can be read" in text) == (2, True), text
    whole = (pictures / "0.png").read_bytes()
    (pictures / "small.png").write_bytes(whole[: len(whole) // 2])
    code, _, text = asked(capsys, *options, pictures)
    assert (code, "small.png is broken or cut off" in text) == (2, True), text
    assert not (tmp_path / "out").exists()
