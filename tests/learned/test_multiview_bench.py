"""What measures views and fields, on those of which the measures are known; and the benchmark on a tiny model."""

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.guidance import Guidance
from backend.pipelines import recipes
from backend.pipelines.mvdream import Distillation
from backend.pipelines.recipes import Stage
from backend.priors.prior import Given, Schedule
from backend.priors.seedling import Seedling
from backend.training.log import Log
from backend.training.multiview import corpus, phases, sets
from backend.training.multiview import subject as training
from backend.training.multiview.model import Sown
from backend.training.multiview.phases import Place
from backend.training.multiview.plan import Plan
from backend.training.multiview.sets import SUFFIX, Corpus
from backend.training.multiview.stock import Data, Part
from backend.training.plan import Budget
from tests.bench import multiview as bench
from tests.bench.views import arms, clocks, made, measures, paper, sheets, subject, trained, truth
from tests.bench.views.runs import OtherRuns, Runs
from tests.learned import published
from tests.learned.sculpture import Knowing, sculpted
from tests.learned.test_multiview_training import PLAN, TINY, ringed

SIDE = 16
STEP = 2 * math.pi / truth.SIDES


def sculpture(turns: float = 0.0) -> measures.Pictures:
    """From all sides, by cameras that stand so many steps further around than they say."""
    return made.seen(sculpted(), truth.around(first=turns * STEP), SIDE, 48)


def flat(*colours) -> measures.Pictures:
    """Views of one colour each."""
    return np.broadcast_to(np.array(colours, np.uint8)[:, None, None], (len(colours), 4, 4, 3)).copy()


@pytest.fixture(scope="module")
def true():
    return sculpture()


# --- measures ---


def test_decibels_are_those_of_their_formula():
    grey = flat(*[(100, 100, 100)] * 8)
    assert measures.decibels(grey, grey) == pytest.approx(120)
    assert measures.decibels(grey, grey + np.uint8(51)) == pytest.approx(-20 * math.log10(0.2))
    other = grey.copy()
    other[:4] += np.uint8(51)  # the mean is over errors, not over decibels
    assert measures.decibels(grey, other) == pytest.approx(-10 * math.log10(0.2**2 / 2))


@pytest.mark.parametrize("turn", range(8))
def test_a_thing_that_is_turned_is_found_so(true, turn):
    found = sculpture(turn)
    assert measures.best_turn(found, true) == turn
    assert measures.azimuths_right(found, true, turn) == 8
    assert measures.decibels(found, true, turn) > 45
    assert measures.azimuths_right(found, true) == (8 if turn in (0, 1, 7) else 0)
    assert measures.azimuths_right(found, true, near=0.0) == (8 if turn == 0 else 0)
    if turn:
        assert measures.decibels(found, true) < 25


def test_a_thing_between_two_steps_is_right_and_not_the_same(true):
    between = sculpture(0.3)
    assert measures.azimuths_right(between, true) == 8
    assert measures.decibels(between, true) < measures.decibels(sculpture(0.1), true) < 45


def test_what_looks_alike_from_everywhere_has_three_of_eight_right(true):
    for side in range(8):
        rosette = np.repeat(true[side : side + 1], 8, axis=0)
        for turn in range(8):
            assert measures.azimuths_right(rosette, true, turn) == 3
            assert measures.azimuths_right(rosette, true, turn, near=0.0) == 1


def test_what_goes_around_the_wrong_way_is_wrong(true):
    assert measures.azimuths_right(np.roll(true[::-1], 1, axis=0), true) == 2  # the front, and the back


def test_fewer_views_are_set_beside_those_of_their_own_sides(true):
    assert measures.azimuths_right(true[::2], true) == 4
    assert measures.best_turn(true[1::2], true) == 1
    assert measures.decibels(true[::2], true) == pytest.approx(120)
    with pytest.raises(ValueError, match="3 views are not evenly among 8"):
        measures.azimuths_right(true[:3], true)


def test_opposite_views_that_are_the_same_correlate_and_others_do_not(true):
    noise = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    for other, expected in ((noise, 1.0), (255 - noise, -1.0), (noise // 2, 1.0)):
        found = measures.opposite_correlation(np.concatenate([noise, other]))
        assert found == pytest.approx(expected, abs=1e-2)
    assert abs(measures.opposite_correlation(np.concatenate([noise, noise[::-1]]))) < 0.05
    assert measures.opposite_correlation(true) < measures.opposite_correlation(np.repeat(true[:1], 8, axis=0)) - 0.05


def test_saturation_is_of_what_is_shown():
    views = flat((255, 0, 0), (200, 100, 100), (0, 0, 0), (255, 255, 255))
    assert [measures.saturation(one[None]) for one in views] == [1.0, 0.5, 0.0, 0.0]
    views[0, 2:] = 255  # white behind does not count
    assert measures.saturation(views[:1]) == 1.0
    assert measures.saturation(views[:2]) == pytest.approx((8 * 1.0 + 16 * 0.5) / 24)


def test_views_that_differ_in_colour_or_in_size_disagree_by_as_much():
    same = flat((90, 30, 60), (90, 30, 60))
    assert measures.disagreement(same) == (0.0, 0.0)
    colour, size = measures.disagreement(flat((102, 102, 102), (153, 153, 153)))
    assert (colour, size) == (pytest.approx(0.1), 0.0)
    tall = np.full((2, 16, 16, 3), 255, np.uint8)
    tall[0, 4:6, 3], tall[1, 4:12, 3] = 90, 90
    colour, size = measures.disagreement(tall)
    assert (colour, size) == (0.0, pytest.approx(math.log(4) / 2))
    tall[0] = 255  # nothing is shown
    assert measures.disagreement(tall).size == pytest.approx(math.log(8) / 2)


def test_a_colour_is_off_by_what_it_is_off_where_something_is_shown():
    grey = flat((100, 100, 100), (100, 100, 100))
    assert measures.colour_off(grey, grey) == 0
    assert measures.colour_off(grey, flat((151, 100, 100), (100, 100, 100))) == pytest.approx(0.2 / 6**0.5)
    small = np.full((2, 8, 8, 3), 255, np.uint8)
    small[:, 2:4, 2:4] = 100  # white behind does not count
    assert measures.colour_off(grey, small) == pytest.approx(0)


# --- the truth ---


def test_prompts_are_captions_and_some_are_of_what_no_set_shows():
    for one in truth.ASKED.values():
        assert one.prompt in one.captions
    unseen = {name for name, one in truth.ASKED.items() if one.unseen}
    assert unseen == {"lily", "blue_apple_loaf", "candle_blue_mushroom"}


@pytest.mark.parametrize("name", ["sunflower", "apple_loaf", "candle_apple"])
def test_the_truth_tells_its_sides_apart_and_stands_as_its_words_say(name):
    found = truth.views(truth.thing(truth.ASKED[name]), 32, truth.around())
    assert all(measures.decibels(found, found, turn) < 19 for turn in range(1, 8))
    again = truth.views(truth.thing(truth.ASKED[name]), 32, truth.around())
    assert np.array_equal(found, again)
    red, green, blue = np.moveaxis(found.astype(int), 3, 0)
    across = np.arange(32)
    if name == "sunflower":  # its face is in front
        yellow = (np.minimum(red, green) - blue > 60).sum(axis=(1, 2))
        assert yellow[0] > 2 * yellow[4]
    elif name == "candle_apple":
        purple, leaf = (np.clip(one, 0, None)[0].sum(axis=0) for one in (blue - green - 30, green - blue - 30))
        assert (purple * across).sum() / purple.sum() > (leaf * across).sum() / leaf.sum() + 5
    else:
        apple = red[2] - green[2] > 90  # from +X, what is in front is on the left
        loaf = measures.shown(found)[2] & ~apple
        assert np.nonzero(apple)[1].mean() < np.nonzero(loaf)[1].mean() - 5


# --- ways of asking ---


def test_a_prior_is_asked_as_its_arm_says():
    prior = Seedling.fresh(TINY, ("lamp",))
    x_t, t, heard = torch.randn(4, *TINY.latent), torch.full((4,), 500), []
    honest = prior.predict
    prior.predict = lambda x_t, t, given: heard.append(given) or honest(x_t, t, given)
    given = Given(prior.embed(["lamp"] * 4), 4, torch.from_numpy(ringed(0).cameras))
    for arm in ("multi", "flat", "apart"):
        arms.asked(prior, arms.ARMS[arm].way).predict(x_t, t, given)
    assert [one.views for one in heard] == [4, 1, 1]
    assert [one.cameras is None for one in heard] == [False, True, False]
    assert torch.equal(heard[2].cameras, given.cameras)
    for one in heard:
        assert torch.equal(one.text, given.text)


def test_plain_sds_has_the_same_scale_and_levels_and_its_regularisation_weighs_as_much_less_as_its_data():
    # all levels but the last stand at alpha sigma = 0.3 * sqrt(0.91); the last one is pure noise
    schedule = Schedule(torch.tensor([0.09] * 9 + [0.0]), "epsilon")
    guidance = Guidance(scale=4.0, clamp=1.0, lowest=(0.0, 0.0), highest=(0.8, 0.8))
    how = replace(recipes.SEEDLING, guidance=guidance, smooth=(0.2, 3.0), clear=5.0)
    found, share = arms.plain(how, schedule), 0.3 * 0.91**0.5
    assert found.guidance == replace(guidance, rescale=0.0, loss="sds", clamp=None)
    assert (*found.smooth, found.clear) == pytest.approx((0.2 * share, 3.0 * share, 5.0 * share))
    assert replace(found, guidance=guidance, smooth=how.smooth, clear=how.clear) == how
    half = replace(guidance, lowest=(0.9, 0.9), highest=(0.9, 0.9), annealed=1.0)
    assert arms.weight(half, schedule) == pytest.approx(0.0)
    going = replace(guidance, lowest=(0.9, 0.8), highest=(0.9, 0.8), annealed=1.0)
    assert arms.weight(going, schedule) == pytest.approx(share / 2, rel=0.03)


# --- what is made ---


def test_a_field_that_is_fitted_to_true_views_shows_them(true, tmp_path):
    kept = tmp_path / "field.pt"
    found = made.known(Knowing(sculpted(), side=SIDE), true, made.recipe(32, 60), kept)
    assert measures.azimuths_right(found["views"], true) == 8
    assert measures.decibels(found["views"], true) > 24
    assert measures.decibels(found["between"], sculpture(0.5)) > 20
    assert not kept.exists()


def test_a_field_is_distilled_by_the_arms_own_prior_and_guidance(tmp_path, monkeypatch):
    asked = []

    class Task:
        def __init__(self, prior, text, negative, recipe, seed, start, kept):
            asked.append((prior, recipe.guidance, start, seed))
            self.step, self.field, self.recipe, self.kept = 0, sculpted(), recipe, kept

        def __iter__(self):
            return iter(())

    def asking(prior, way):
        own = copy.copy(prior)
        own.way = way
        return own

    monkeypatch.setattr(made, "Distillation", Task)
    monkeypatch.setattr(made, "asked", asking)
    prior, how = Knowing(sculpted(), side=SIDE), made.recipe(32, 3)
    for name, arm in arms.ARMS.items():
        made.distilled(prior, "a sculpture", 7, arm, how, tmp_path / f"{name}.pt")
    assert [one[0].way for one in asked] == [arm.way for arm in arms.ARMS.values()]
    guidances = dict(zip(arms.ARMS, (one[1] for one in asked), strict=True))
    assert guidances["sds"].loss == guidances["sds_strong"].loss == "sds"
    assert guidances["strong"] == replace(how.guidance, scale=guidances["sds_strong"].scale) != how.guidance
    assert all(guidances[name] == how.guidance for name in ("multi", "flat", "apart", "started"))
    starts = dict(zip(arms.ARMS, (one[2] for one in asked), strict=True))
    assert [name for name, start in starts.items() if start is not None] == ["started"]
    assert starts["started"].shape == (4, SIDE, SIDE, 3)
    assert {one[3] for one in asked} == {7}


def test_results_are_made_once_and_those_of_another_model_are_refused(tmp_path):
    runs, count = Runs(tmp_path, {"weights": "abc", "steps": 3}), 0

    def make():
        nonlocal count
        count += 1
        return {"views": np.arange(3)}

    for _ in range(2):
        assert runs.kept("arm/name-0", make)["views"].tolist() == [0, 1, 2]
    assert count == 1
    assert Runs(tmp_path, {"weights": "abc", "steps": 3}).kept("arm/name-0", make)
    assert count == 1
    with pytest.raises(OtherRuns, match="other weights"):
        Runs(tmp_path, {"weights": "abd", "steps": 3})


def test_what_is_kept_of_an_arm_is_of_what_the_arm_was(tmp_path, monkeypatch):
    schedule, how = Seedling.fresh(TINY, ("lamp",)).schedule, made.recipe(32, 3)

    def told(**changed) -> dict:
        return {name: replace(arm, **changed).told(how, schedule) for name, arm in arms.ARMS.items()}

    own = told()
    assert len({json.dumps(one) for one in own.values()}) == len(arms.ARMS)
    assert json.loads(json.dumps(own)) == own == told(about="in other words")
    runs = Runs(tmp_path / "sds", own["sds"])
    assert runs.kept("lamp-0", lambda: {"views": np.arange(3)})["views"].tolist() == [0, 1, 2]
    for changed in ({"way": arms.flat}, {"started": True}, {"recipe": arms.strong}):
        with pytest.raises(OtherRuns, match=r"sds holds results of other (asked|started|arm's recipe): name another"):
            Runs(tmp_path / "sds", told(**changed)["sds"])
    monkeypatch.setattr(arms, "STRONGER", 6.0)
    assert [name for name, one in told().items() if one != own[name]] == ["strong", "sds_strong"]


def test_a_sheet_shows_each_way_from_all_sides(tmp_path, true):
    from PIL import Image

    sheets.save(tmp_path / "a" / "sheet.png", "a sculpture", {"truth": true, "drawn": true[::2]})
    own = np.asarray(Image.open(tmp_path / "a" / "sheet.png"))
    middle, cell = sheets.LINE * 2 + sheets.CELL // 2, sheets.CELL + sheets.GAP
    row = sheets.CELL + sheets.LINE + sheets.GAP
    for side in range(8):
        pixel = own[middle, sheets.GAP + side * cell + sheets.CELL // 2]
        assert np.array_equal(pixel, true[side, SIDE // 2, SIDE // 2])
        below = own[middle + row, sheets.GAP + side * cell + sheets.CELL // 2]
        assert np.array_equal(below, pixel if side % 2 == 0 else [255, 255, 255])


# --- the benchmark ---


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    where = tmp_path_factory.mktemp("model") / "seedling"
    Seedling.fresh(TINY, ("an", "open", "sunflower", "lily", "lamp")).save(where)
    return where


@pytest.fixture
def quick(monkeypatch):
    """Views are drawn in few steps."""
    how = replace(made.SEEDLING.sampling, steps=2)
    monkeypatch.setattr(made, "SEEDLING", replace(made.SEEDLING, sampling=how))


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    """As `corpus.make` leaves them."""
    where = tmp_path_factory.mktemp("corpus")
    for split, first in (("individuals", 100), ("combinations", 200)):
        about = corpus.about(corpus.Recipe(TINY.side), split, 0)
        sets.write(where / split / f"00000{SUFFIX}", [ringed(first + number) for number in range(6)], about)
    return where


@pytest.mark.usefixtures("quick")
def test_all_parts_are_told_kept_and_drawn(model, held_out, tmp_path, capsys, monkeypatch):
    asked = [
        "--model", str(model), "--corpus", str(held_out), "--out", str(tmp_path / "out"), "--steps", "2",
        "--prompts", "sunflower", "lily", "--sheets", str(tmp_path / "sheets"), "--json", str(tmp_path / "told.json"),
        "--seeds", "2",
    ]  # fmt: skip
    monkeypatch.setattr("sys.argv", ["bench", *asked])  # a table looks there for --json
    parts = ["--only", "gate", "drawn", "distilled", "bound"]
    assert bench.main([*asked, *parts]) == 0
    first = capsys.readouterr().out
    tables = {
        one["title"]: {row["what"]: row for row in one["rows"]}
        for one in json.loads((tmp_path / "told.json").read_text())
    }
    assert len(tables) == 9
    claims = next(rows for title, rows in tables.items() if title.startswith("Fields distilled of prompts that sets"))
    near, exact = (
        "azimuths right or next to it of 8 (by chance 3), median",
        "azimuths exactly right of 8 (by chance 1), median",
    )
    flat = "2-D mode, same weights, at its best turn"
    assert claims[f"{near}: multi-view"]["least"] == 7
    assert claims[f"{near}: {flat}"]["bound"] == 4
    for arm in ("multi-view", flat):
        assert claims[f"{exact}: {arm}"]["value"] <= claims[f"{near}: {arm}"]["value"]
        assert (claims[f"{exact}: {arm}"]["least"], claims[f"{exact}: {arm}"]["bound"]) == (None, None)
    assert any(name.endswith("multi-view, plain SDS") for name in claims)
    assert claims["PSNR: multi-view over 2-D mode"]["least"] == 2
    gate = next(rows for title, rows in tables.items() if title.startswith("Camera gate"))
    assert [row["least"] for row in gate.values()] == [None, 1.5, 1.2, None, None, None]
    kept = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*-0.npz"))
    assert [name for name in kept if "drawn" not in name] == [
        "apart/sunflower-0.npz", "flat/lily-0.npz", "flat/sunflower-0.npz", "multi/lily-0.npz", "multi/sunflower-0.npz",
        "sds/sunflower-0.npz", "sds_strong/sunflower-0.npz", "started/sunflower-0.npz", "strong/sunflower-0.npz",
    ]  # fmt: skip
    assert {path.name for path in (tmp_path / "sheets").iterdir()} == {"sunflower.png", "lily.png"}

    for name in ("distilled", "known", "drawn"):  # what is kept is not made again
        monkeypatch.setattr(made, name, pytest.fail)
    (tmp_path / "out" / "multi" / "about.json").unlink()  # as it was kept before its arm was told
    for _ in range(2):
        assert bench.main([*asked, *parts]) == 0
        assert capsys.readouterr().out == first
    with monkeypatch.context() as patch:
        patch.setitem(arms.ARMS, "multi", replace(arms.ARMS["multi"], recipe=arms.strong))
        assert bench.main([*asked, *parts]) == 2
        assert "multi holds results of other arm's recipe: name another folder with --out" in capsys.readouterr().err
    assert bench.main([*asked[:7], "3", *asked[8:]]) == 2
    assert "holds results of other steps" in capsys.readouterr().err


@pytest.mark.usefixtures("quick")
def test_a_subject_is_learnt_once_and_drawn_by_its_name_and_its_kind(model, tmp_path, capsys, monkeypatch):
    plan = replace(training.SEEDLING, budgets={"subject": Budget(3, 4, 1e-3)})
    monkeypatch.setattr(training, "SEEDLING", plan)
    asked = ["--model", str(model), "--out", str(tmp_path / "out"), "--only", "subject"]
    asked += ["--sheets", str(tmp_path / "sheets")]
    assert bench.main(asked) == 0
    first = capsys.readouterr().out
    for what in ("the subject, by its name", "the subject, by its kind before", "its kind, after beside before"):
        for seed in (0, 1):
            assert f"PSNR of {what}: seed {seed}" in first and f"mean colour off, of {what}: seed {seed}" in first
    kept = [np.load(tmp_path / "out" / "subject" / f"seed-{seed}.npz") for seed in (0, 1)]
    for own in kept:
        assert own["moved"] > 0 and own["name"].shape == (4, TINY.side, TINY.side, 3)
        assert not np.array_equal(own["kind before"], own["kind after"])
    assert not np.array_equal(kept[0]["kind before"], kept[1]["kind before"])
    assert (tmp_path / "sheets" / "subject.png").exists()
    monkeypatch.setattr(training, "train", pytest.fail)
    assert bench.main(asked) == 0
    assert capsys.readouterr().out == first
    monkeypatch.setattr(training, "KEEPING", 0.5)
    assert bench.main(asked) == 2
    assert "subject holds results of other keeping: name another folder" in capsys.readouterr().err


def test_the_subjects_pictures_are_of_the_individual_and_from_no_side_that_is_measured():
    learnt, thing = subject.pictures(), truth.thing(subject.SELF)
    assert len(learnt.pictures) == subject.SEEN and learnt.text == "zebedee sunflower"
    own = [*truth.views(thing, subject.SIDE, truth.around())]
    large = training.Pictures.of(own, "it").pictures
    apart = (learnt.pictures[:, None] - large).square().mean(dim=(2, 3, 4)).amin(dim=1)
    assert (apart > 1e-3).all() and (apart < 0.2).all()
    true = truth.views(thing, 32, truth.around())
    usual = truth.views(truth.thing(truth.ASKED["sunflower"]), 32, truth.around())
    assert measures.colour_off(usual, true) > 0.1


def test_without_attention_each_view_is_drawn_for_itself(held_out):
    part = Part(Corpus(held_out / "individuals"), np.arange(6))
    data, heard = Data(part, part, part, "lamps"), []
    place = Place(Sown(Seedling.fresh(TINY, ("lamp",)), "cpu"), Plan(TINY, {}, flat=0.0), data, "cpu")
    honest = place.trained.prior.predict
    place.trained.prior.predict = lambda x_t, t, given: heard.append((t, given)) or honest(x_t, t, given)
    for name, views in (("joint", 4), ("apart", 1)):
        phase = trained.phase(name, place)
        phase.losses(phase.read(8, 0, (0, 0)), torch.Generator().manual_seed(0))
        phase.drawn("lamp", ringed(0).cameras)
        assert {given.views for _, given in heard} == {views}
        assert all(given.cameras is not None for _, given in heard)
        levels = heard[0][0].view(-1, 4)
        assert torch.equal(levels, levels[:, :1].expand(-1, 4))  # views of a set share one all the same
        heard.clear()


@pytest.mark.usefixtures("quick")
def test_small_models_are_trained_once_and_set_beside_each_other(held_out, tmp_path, capsys, monkeypatch):
    about = corpus.about(corpus.Recipe(TINY.side), "train", 0)
    sets.write(held_out / "train" / f"00000{SUFFIX}", [ringed(number, number > 5) for number in range(8)], about)
    monkeypatch.setattr(trained, "MINIATURE", PLAN)
    monkeypatch.setattr(phases, "STEPS", 2)  # of what is drawn to be looked at
    for name, own in trained.VARIANTS.items():
        plan = replace(PLAN, flat=own.plan.flat)
        monkeypatch.setitem(trained.VARIANTS, name, replace(own, plan=plan))
    asked = ["--ablations", "--corpus", str(held_out), "--out", str(tmp_path), "--seeds", "1"]
    asked += ["--prompts", "sunflower", "lily"]
    assert bench.main(asked) == 0
    first = capsys.readouterr().out
    for name in ("joint", "sets_alone", "apart"):
        assert f"noise_left: {name}" in first
        assert f"azimuths right or next to it of 4 (by chance 1.5), prompts shown in none, mean: {name}" in first
        assert f"azimuths exactly right of 4 (by chance 0.5), prompts shown in none, mean: {name}" in first
    assert "size, between views: without 3-D attention over with it" in first
    steps = {
        name: [line for line in Log(tmp_path / "ablations" / name) if "total" in line] for name in trained.VARIANTS
    }
    assert [len(lines) for lines in steps.values()] == [5, 5, 5]
    assert len({lines[-1]["total"] for lines in steps.values()}) == 3
    monkeypatch.setattr(trained.loop, "train", None)
    assert bench.main(asked) == 0
    assert capsys.readouterr().out == first


def test_time_and_memory_are_counted_in_a_process_of_its_own(model):
    found = clocks.of_its_own(model, "an open sunflower", 12, 200)
    assert found["steps"] == 12
    assert 0 < found["prior"] < found["step"] + 0.5 * found["step"]
    assert found["prior"] + found["render"] + found["rest"] == pytest.approx(found["step"], rel=0.6)
    assert found["field"] >= found["step"]
    assert found["start"] > 0.5 and found["load"] > 0  # torch takes longer than that
    assert found["memory"] >= found["before"] > 50 * 2**20


def test_without_a_model_it_says_so(tmp_path, capsys):
    assert bench.main(["--model", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "No seedling of views lies in" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# --- the paper's sizes, small ---


@pytest.mark.parametrize("seed", [0, 1])
def test_the_plain_loop_comes_to_the_same_loss_and_slopes(seed):
    """On the same noise: what is measured beside each other does the same."""
    prior = paper.untrained(published.SD21, "cpu")
    recipe = replace(paper.recipe_of(Stage(0.5, 2, 12), 3), samples=24, voxels=7, refreshed=0, radius=0.9)
    ours, plain = Distillation(prior, "", "", recipe, seed), paper.Plain(prior, recipe, seed)
    raw = 2 * torch.randn(7, 7, 7, 4, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        ours.field.raw.copy_(raw)
        plain.raw.copy_(raw.permute(3, 2, 1, 0)[None])
    assert next(iter(plain)) == pytest.approx(next(iter(ours)).loss, rel=1e-4)
    slopes = ours.field.raw.grad.permute(3, 2, 1, 0)[None]
    assert (slopes[:, 0].abs().max() > 0) and (slopes[:, 1:].abs().max() > 0)
    torch.testing.assert_close(plain.raw.grad, slopes, rtol=1e-3, atol=1e-4 * slopes.abs().max().item())


def test_without_a_gpu_it_says_so_and_asks_for_no_model(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(paper, "untrained", pytest.fail)
    assert bench.main(["--only", "cuda", "--model", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    assert "There is no CUDA here: nothing was measured at the paper's sizes" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_each_stage_is_measured_and_memory_that_is_short_stops_one_loop_alone(monkeypatch):
    """As on a GPU, which is not there: nothing is said of how fast it is."""
    gpu = {"empty_cache": 0, "reset_peak_memory_stats": 0, "synchronize": 0, "max_memory_allocated": 3e9}
    for name, value in gpu.items():
        monkeypatch.setattr(torch.cuda, name, lambda value=value: value)
    stages = Stage(0.0, 2, 8), Stage(0.5, 1, 12)
    monkeypatch.setattr(paper, "PUBLISHED", replace(paper.PUBLISHED, stages=stages, samples=8))
    for name, value in (("STEPS", 4), ("WARM", 1), ("VOXELS", 6)):
        monkeypatch.setattr(paper, name, value)
    honest = paper.untrained
    monkeypatch.setattr(paper, "untrained", lambda layout, device: honest(published.SD21, "cpu"))

    def short(*given):
        raise torch.OutOfMemoryError

    found = dict(paper.stages())
    assert list(found) == [
        "stage 1: 8 pictures of 8 x 8, 8 samples a ray", "stage 2: 4 pictures of 12 x 12, 8 samples a ray"
    ]  # fmt: skip
    for each in found.values():
        assert list(each) == ["ours", "plain", "ours, on the paper's hash grid"]
        assert all(one.speed > 0 and one.memory == 3 for one in each.values())
    monkeypatch.setattr(paper.Plain, "loss", short)
    assert paper.measured(iter(paper.Plain(honest(published.SD21, "cpu"), paper.recipe_of(stages[0], 4), 0))) is None


def test_on_a_gpu_both_loops_are_told_and_memory_that_is_short(capsys, monkeypatch):
    rows = {
        "ours": paper.Measured(6.0, 12.0),
        "plain": paper.Measured(2.0, 40.0),
        "ours, on the paper's hash grid": None,
    }
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    monkeypatch.setattr(paper, "stages", lambda: [("stage 1", rows)])
    monkeypatch.setattr("sys.argv", ["bench"])
    assert bench.main(["--only", "cuda"]) == 0
    told = capsys.readouterr().out
    assert "hash grid: the memory of this GPU is too short" in told
    lines = [line.split() for line in told.splitlines() if "over plain" in line or "most memory: ours" in line]
    assert [line[-3:] for line in lines] == [["at", "most", "16"], ["at", "least", "2"]]
    assert float(lines[1][-4]) == 3
