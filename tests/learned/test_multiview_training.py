"""Training of views on the smallest sizes: cameras are learnt, single pictures have none, and it goes on as if nothing
had been."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from backend.commands.train import main
from backend.priors.prior import Given
from backend.priors.seedling import Seedling, Sizes
from backend.priors.stable import FRONT, LatentDiffusion
from backend.render.orbits import Orbit
from backend.report import Cancelled
from backend.training import loop
from backend.training.batches import rows
from backend.training.checkpoint import Checkpoint, OtherPlan
from backend.training.log import Log
from backend.training.loop import How
from backend.training.multiview import plan as plans
from backend.training.multiview import sets
from backend.training.multiview.model import Grafted, Sown
from backend.training.multiview.phases import Place, Views
from backend.training.multiview.plan import Plan
from backend.training.multiview.sets import SUFFIX, ViewSet
from backend.training.multiview.stock import Batch, Data
from backend.training.multiview.training import NotLearnable, train
from backend.training.plan import Budget
from tests.learned import published
from tests.learned.alike import assert_alike
from tests.learned.test_multiview_folders import write_renders

TINY = Sizes(side=8, widths=(16, 16), heads=2, groups=4, text=8, tokens=4)
PLAN = Plan(TINY, {"views": Budget(5, 8, 2e-3)}, saved=2, checked=3, told=1)
HOW = How(command="python -m backend train multiview --out there")


def ringed(number: int, flat: bool = False) -> ViewSet:
    """From every side of another colour, which the azimuth of its camera alone decides."""
    around = Orbit.somewhere(np.random.default_rng(number))
    cameras = around.cameras.to_world.numpy()
    azimuth = np.arctan2(cameras[:, 0, 3], -cameras[:, 1, 3])
    colours = 127 + 120 * np.stack([np.cos(azimuth), np.sin(azimuth), np.zeros(4)], axis=1)
    pictures = np.broadcast_to(colours.astype(np.uint8)[:, :, None, None], (4, 3, 8, 8))
    captions = ("a lamp", "lamp")
    return ViewSet(pictures, cameras.astype(np.float32), captions, f"lamp {number}", flat)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("corpus")
    sets.write(where / "train" / f"0{SUFFIX}", [ringed(number, number > 19) for number in range(24)], {})
    sets.write(where / "individuals" / f"0{SUFFIX}", [ringed(number) for number in range(100, 106)], {})
    sets.write(where / "combinations" / f"0{SUFFIX}", [ringed(number, True) for number in range(200, 204)], {})
    return where


@pytest.fixture(scope="module")
def data(folder) -> Data:
    return Data.of(folder, "lamps")


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> Path:
    """A training that nothing stopped."""
    out = tmp_path_factory.mktemp("whole")
    train(PLAN, data, out, HOW)
    return out


def phase(data: Data, plan: Plan = PLAN) -> Views:
    return Views(Place(Sown(Seedling.fresh(plan.sizes, data.words), "cpu"), plan, data, "cpu"))


def weights(out: Path) -> dict[str, torch.Tensor]:
    model = Checkpoint.read(out).model
    return {f"{name}.{key}": value for name, network in model.items() for key, value in network.items()}


def cancels(step: int):
    """A report that cancels when it is called for that step."""
    told = 0

    def report(done: float, text: str) -> None:
        nonlocal told
        told += text.startswith("Learning")
        if told == step:
            raise Cancelled

    return report


# --- what a step reads, and its loss ---


def test_steps_are_of_sets_with_cameras_or_of_single_pictures_without(data):
    one, flat = phase(data), 0
    for step in range(60):
        batch = one.read(8, step, (0, 0))
        given = one.given(batch)
        if batch.cameras is None:
            flat += 1
            assert (batch.views, given.views, given.cameras) == (1, 1, None)
        else:
            assert (batch.views, given.views) == (4, 4)
            assert given.cameras.shape == (8, 4, 4)
        assert len(batch.pictures) == len(given.text) == 8
    assert 8 <= flat <= 30


def test_sets_that_are_for_single_pictures_alone_are_never_seen_with_cameras(data):
    flat = {sets_.origin for sets_ in data.pictures.sets(range(24)) if sets_.flat}
    assert len(flat) == 4
    assert not flat & {one.origin for one in data.sets.sets(range(len(data.sets)))}
    chosen = {int(row) for step in range(30) for row in rows(len(data.sets), 2, step, (0, 0))}
    assert chosen == set(range(20))


def test_some_texts_are_left_out_and_the_others_are_captions(data):
    one = phase(data, replace(PLAN, untold=0.3))
    texts = [text for step in range(60) for text in one.read(8, step, (0, 0)).texts]
    assert set(texts) == {"", "lamp", "a lamp"}
    assert 0.2 < texts.count("") / len(texts) < 0.4


def test_the_views_of_a_set_share_a_level_and_the_loss_is_of_what_the_network_should_say(data):
    one = phase(data)
    batch = Batch.of(data.sets.sets([0, 1]), ["lamp", "a lamp"])
    latents, noise = one.latents(batch), torch.randn(8, *TINY.latent)
    levels, asked = torch.tensor([100, 900]), []
    schedule = one.prior.schedule

    def telling(x_t, t, given):
        asked.append(t)
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        return alpha * noise - sigma * latents

    one.prior.predict = telling
    found = one.loss(latents, noise, levels, one.given(batch))
    assert asked[0].tolist() == [100] * 4 + [900] * 4
    assert found.tolist() == pytest.approx([0, 0], abs=1e-10)


def test_levels_are_drawn_high(data):
    one, asked = phase(data), []
    one.loss = lambda latents, noise, levels, given: asked.append(levels) or torch.zeros(len(levels))
    for step in range(150):
        one.losses(one.read(8, step, (0, 0)), torch.Generator().manual_seed(step))
    assert torch.cat(asked).float().mean() == pytest.approx(666, abs=40)


def test_the_camera_is_learnt_where_it_alone_decides(data):
    plan = replace(PLAN, untold=0.0)
    one = phase(data, plan)
    before = one.scores()
    assert 0.9 < before["turned"] < 1.1
    budget = Budget(200, 12, 5e-3)
    learning = loop.Learning(one, budget)
    for step in range(budget.steps):
        learning.step(one.read(budget.batch, step, (0, 0)), step, torch.Generator().manual_seed(step))
    learning.settle()
    after = one.scores()
    assert after["turned"] > 1.5
    assert after["flat"] > 1.2
    assert after["noise_left"] < 0.7 * before["noise_left"]
    drawn = one.drawn("lamp", ringed(300).cameras)
    truth = torch.from_numpy(ringed(300).pictures.astype(np.float32)) / 127.5 - 1
    error = (drawn - truth).square().mean()
    assert error < 0.5 * (drawn.roll(1, 0) - truth).square().mean()


def test_without_a_split_for_tests_things_are_held_out_whole(tmp_path):
    things = [replace(ringed(number), origin=f"lamp {number // 3}") for number in range(12)]
    sets.write(tmp_path / "train" / f"0{SUFFIX}", things, {})
    alone = Data.of(tmp_path, "lamps")
    assert alone.pictures.indices.tolist() == list(range(9))
    assert alone.held_out.indices.tolist() == [9, 10, 11]
    assert "last tenth" in alone.about


# --- going on ---


@pytest.mark.parametrize("step", [2, 4])
def test_stopped_and_gone_on_with_it_is_as_if_nothing_had_been(data, whole, tmp_path, step):
    with pytest.raises(Cancelled):
        train(PLAN, data, tmp_path, HOW, cancels(step))
    scores = train(PLAN, data, tmp_path, HOW)
    assert_alike(weights(tmp_path), weights(whole))
    assert scores == pytest.approx([line for line in Log(whole) if "scores" in line][-1]["scores"], rel=1e-3)


def test_another_network_or_other_words_are_refused(data, whole):
    with pytest.raises(OtherPlan, match="text differ"):
        train(replace(PLAN, sizes=replace(TINY, text=16)), data, whole, HOW)
    with pytest.raises(OtherPlan, match="words differ"):
        train(PLAN, replace(data, words=("a", "light")), whole, HOW)


def test_data_are_known_by_what_their_files_tell(data, tmp_path):
    assert sorted(data.digests) == ["combinations/0.safetensors", "individuals/0.safetensors", "train/0.safetensors"]

    def digests(lamps: int, walls: int) -> dict[str, str]:
        sets.write(tmp_path / "sets" / "train" / f"0{SUFFIX}", [ringed(lamps + number) for number in range(3)], {})
        sets.write(tmp_path / "single" / "train" / f"0{SUFFIX}", [single(walls)], {})
        return Data.of(tmp_path / "sets", "lamps", pictures=tmp_path / "single").digests

    first, others, wall = digests(0, 1), digests(1, 1), digests(0, 2)
    assert first == digests(0, 1)
    own = {name for name in first if first[name] != others[name]}, {name for name in first if first[name] != wall[name]}
    assert own == ({"train/0.safetensors"}, {"single train/0.safetensors"})


# --- what it leaves ---


def test_the_model_can_be_loaded_and_is_what_was_trained(whole, data):
    model, trained = Seedling.load(whole / "model"), weights(whole)
    assert model.words == data.words == ("a", "lamp")
    for name, value in model.unet.state_dict().items():
        torch.testing.assert_close(value, trained[f"unet.{name}"], atol=1e-3, rtol=1e-2)
    for name, value in model.text.state_dict().items():
        torch.testing.assert_close(value, trained[f"text.{name}"], atol=1e-3, rtol=1e-2)


def test_the_card_and_the_sheets_tell_how_good_it_is(whole):
    told = (whole / "model" / "README.md").read_text(encoding="utf-8")
    assert HOW.command in told
    assert "24 samples of lamps; 6 others" in told
    scores = [line for line in Log(whole) if "scores" in line][-1]["scores"]
    assert set(scores) == {f"{name}{end}" for name in ("noise_left", "turned", "flat") for end in ("", "_unseen")}
    for name, value in scores.items():
        assert f"| views | {name} | {value:.4g} |" in told
    sheet = cv2.imread(str(whole / "sheets" / "views-0000005.png"))
    assert sheet.shape == (2 * 9 * 10, 2 * 8 * 10, 3)
    assert sheet.std() > 5


# --- a Stable Diffusion that learns on ---


def larger(number: int) -> ViewSet:
    one = ringed(number)
    return replace(one, pictures=np.repeat(np.repeat(one.pictures, 2, axis=2), 2, axis=3))


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return published.packed(tmp_path_factory.mktemp("packed") / "model", published.SD15)


def test_before_it_learns_cameras_change_nothing(base):
    before, after = LatentDiffusion.load(base), Grafted(base, 16, 0, "cpu").prior
    x_t, t = torch.randn(4, *before.latent, generator=torch.Generator().manual_seed(0)), torch.full((4,), 500)
    text, cameras = before.embed(["a lamp"] * 4), torch.from_numpy(ringed(0).cameras)
    expected = before.predict(x_t, t, Given(text))
    for cameras_or_none in (None, cameras):
        torch.testing.assert_close(after.predict(x_t, t, Given(text, 1, cameras_or_none)), expected)
    assert after.latent == (4, 8, 8)
    assert after.front == FRONT


def test_it_learns_goes_on_and_is_written_in_the_same_layout(base, tmp_path):
    where = tmp_path / "sets"
    sets.write(where / "train" / f"0{SUFFIX}", [larger(number) for number in range(6)], {})
    data, plan = Data.of(where, "lamps"), replace(PLAN, sizes=None, side=16, scale=1.5)
    with pytest.raises(Cancelled):
        train(plan, data, tmp_path / "out", HOW, cancels(3), base)
    train(plan, data, tmp_path / "out", HOW, base=base)
    train(plan, data, tmp_path / "whole", HOW, base=base)
    assert_alike(weights(tmp_path / "out"), weights(tmp_path / "whole"))
    first, found = LatentDiffusion.load(base), LatentDiffusion.load(tmp_path / "out" / "model")
    mean = Checkpoint.read(tmp_path / "out").average
    for one, other in zip(found.unet.parameters(), mean, strict=True):
        torch.testing.assert_close(one, other)
    assert found.unet.class_embedding.linear_2.weight.abs().max() > 0
    assert torch.equal(found.embed(["a lamp"]), first.embed(["a lamp"]))
    with pytest.raises(NotLearnable, match="is missing"):
        train(plan, data, tmp_path / "other", HOW, base=where)


def test_another_base_or_another_side_is_noticed_and_another_folder_is_none(base, tmp_path):
    where = tmp_path / "sets"
    sets.write(where / "train" / f"0{SUFFIX}", [larger(number) for number in range(6)], {})
    data, plan = Data.of(where, "lamps"), replace(PLAN, sizes=None, side=16)
    with pytest.raises(Cancelled):
        train(plan, data, tmp_path / "out", HOW, cancels(2), base)
    moved = shutil.copytree(base, tmp_path / "moved")
    (moved / "README.md").write_text("it has moved")
    with pytest.raises(Cancelled):
        train(plan, data, tmp_path / "out", HOW, cancels(1), moved)
    weights_file = moved / "unet" / "diffusion_pytorch_model.safetensors"
    changed = bytearray(weights_file.read_bytes())
    changed[-1] ^= 1
    weights_file.write_bytes(changed)
    with pytest.raises(OtherPlan, match=r"learns on from another base than what lies in .*moved now"):
        train(plan, data, tmp_path / "out", HOW, base=moved)
    with pytest.raises(OtherPlan, match="side differ"):
        train(replace(plan, side=32), data, tmp_path / "out", HOW, base=base)
    with pytest.raises(FileNotFoundError, match="No model lies in"):
        train(plan, data, tmp_path / "out", HOW, base=tmp_path / "nowhere")


# --- single pictures of their own ---


def single(number: int) -> ViewSet:
    """Grey, without a camera."""
    grey = np.full((1, 3, 8, 8), 10 * number, np.uint8)
    return ViewSet(grey, np.eye(4, dtype=np.float32)[None], ("a wall",), f"{number}.png", True)


def test_steps_without_cameras_are_of_the_single_pictures_that_are_brought(tmp_path):
    sets.write(tmp_path / "sets" / "train" / f"0{SUFFIX}", [ringed(number) for number in range(12)], {})
    for number in range(3):
        sets.write(tmp_path / "single" / "train" / f"{number}{SUFFIX}", [single(number)], {})
    brought = Data.of(tmp_path / "sets", "lamps", pictures=tmp_path / "single")
    assert brought.words == ("a", "lamp", "wall")
    assert brought.count == len(brought.sets) + 3
    one, read = phase(brought), []
    for step in range(40):
        batch = one.read(8, step, (0, 0))
        grey = {
            int(picture.unique().add(1).mul(127.5).round()) for picture in batch.pictures if len(picture.unique()) == 1
        }
        if batch.cameras is None:
            read.append(grey)
            assert len(batch.pictures) == len(batch.texts) == 8 and batch.views == 1
            assert set(batch.texts) <= {"", "a wall"}
        else:
            assert not grey
    assert set.union(*read) == {0, 10, 20}
    one.losses(next(batch for batch in (one.read(8, step, (0, 0)) for step in range(40)) if batch.cameras is None), torch.Generator().manual_seed(0))  # fmt: skip # noqa: E501


# --- the command ---


def said(capsys, *options: str) -> tuple[int, str]:
    code = main(["multiview", *options])
    return code, capsys.readouterr().err.strip()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Say what to learn from: --renders FOLDER or --meshes FOLDER"),
        (["--preset", "seedling", "--renders", "{tmp}/nowhere"], "nowhere is no folder"),
        (["--preset", "seedling", "--renders", "{tmp}"], "No renders lie in"),
        (["--preset", "seedling", "--meshes", "{tmp}"], "No meshes"),
        (["--renders", "{tmp}", "--meshes", "{tmp}"], "name one of them"),
        (["--meshes", "{tmp}"], "name its folder with --base"),
        (["--preset", "seedling", "--base", "{tmp}"], "--base is for --preset paper"),
        (["--preset", "seedling", "--videos", "{tmp}"], "--videos is for dynamics"),
        (["--preset", "seedling", "--flow", "raft"], "--flow is for dynamics"),
        (["--preset", "seedling", "--pictures", "{tmp}"], "--pictures go with --renders or --meshes"),
        (
            ["--preset", "seedling", "--meshes", "{tmp}", "--pictures", "{tmp}/nowhere"],
            "nowhere is no folder: --pictures",
        ),
        (["--preset", "seedling", "--name", "zebedee"], "--name is for subject"),
    ],
)
def test_what_cannot_be_done_is_said(capsys, tmp_path, options, sentence):
    options = [option.format(tmp=tmp_path) for option in options]
    code, text = said(capsys, "--out", str(tmp_path / "out"), *options)
    assert code == 2
    assert text.startswith("anthesis: ")
    assert sentence in text


def test_the_command_trains_on_specimens_stops_and_goes_on(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHESIS_HOME", str(tmp_path / "home"))
    corpus = tmp_path / "home" / "cache" / "multiview" / "8"
    sets.write(corpus / "train" / f"00000{SUFFIX}", [ringed(number) for number in range(4)], {})
    monkeypatch.setitem(plans.PLANS, "seedling", replace(PLAN, samples={}))
    asked = ["--preset", "seedling", "--out", str(tmp_path / "out")]
    code, text = said(capsys, *asked, "--minutes", "0")
    assert (code, "The 0 minutes are over: go on with --resume" in text) == (0, True)
    assert main(["multiview", *asked, "--resume"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == str(tmp_path / "out" / "model")
    assert "turned" in told["scores"]
    code, text = said(capsys, *asked)
    assert (code, "go on with it by --resume" in text) == (2, True)


def test_the_command_takes_single_pictures_beside_renders(capsys, tmp_path, monkeypatch):
    write_renders(tmp_path / "renders" / "chair", caption="a red chair")
    (tmp_path / "photos").mkdir()
    for number in range(3):
        cv2.imwrite(str(tmp_path / "photos" / f"wall_{number}.png"), np.full((20, 30, 3), 80 * number, np.uint8))
    monkeypatch.setitem(plans.PLANS, "seedling", replace(PLAN, samples={}))
    asked = ["--preset", "seedling", "--renders", str(tmp_path / "renders"), "--out", str(tmp_path / "out")]
    code, text = said(capsys, *asked, "--pictures", str(tmp_path / "photos"))
    assert (code, "3 single pictures" in text) == (0, True), text
    found = Checkpoint.read(tmp_path / "out")
    assert "wall" in found.sizes["words"] and "and single pictures in photos" in found.about
    code, text = said(capsys, *asked, "--resume")  # without them it would be another training
    assert (code, "cannot be gone on with" in text) == (2, True)
    (tmp_path / "none").mkdir()
    code, text = said(capsys, *asked[:-1], str(tmp_path / "other"), "--pictures", str(tmp_path / "none"))
    assert (code, "No pictures (.png" in text) == (2, True), text


def test_a_refusal_leaves_no_folder_of_what_was_prepared(capsys, tmp_path, monkeypatch):
    write_renders(tmp_path / "in" / "chair", count=3)
    monkeypatch.setitem(plans.PLANS, "seedling", replace(PLAN, samples={}))
    asked = ["--preset", "seedling", "--renders", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    code, text = said(capsys, *asked)
    reason = "1 thing left out: no four of its pictures are a quarter of a turn apart (chair)"
    assert (code, reason in text, "can be learned from" in text) == (2, True, True), text
    assert not (tmp_path / "out" / "sets").exists()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "wall.png").write_bytes(b"no picture")
    write_renders(tmp_path / "in" / "lamp")
    code, text = said(capsys, *asked, "--pictures", str(tmp_path / "photos"))
    assert (code, "0 single pictures; 1 picture left out: it cannot be read (wall.png)" in text) == (2, True), text
    assert not (tmp_path / "out" / "pictures").exists() and (tmp_path / "out" / "sets").exists()
