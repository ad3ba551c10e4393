"""Training of image dynamics on the smallest sizes: it goes on as if nothing had been, and says what stops it."""

import importlib.util
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from backend.commands.train import main
from backend.priors.dynamics import Dynamics
from backend.priors.dynamics.sizes import Sizes
from backend.report import Cancelled
from backend.training import card, checkpoint, disk, loop, shards
from backend.training.batches import ahead, rows
from backend.training.dynamics import phases, samples, stock
from backend.training.dynamics import plan as plans
from backend.training.dynamics.plan import Plan
from backend.training.dynamics.samples import SUFFIX, Sample
from backend.training.dynamics.stock import Data
from backend.training.dynamics.training import train
from backend.training.learner import NotLearned
from backend.training.log import Log
from backend.training.loop import Diverged, How
from backend.training.plan import Budget
from tests.learned.alike import assert_alike

ROOT = Path(__file__).resolve().parents[2]
TINY = Sizes(
    height=16,
    width=24,
    bins=3,
    autoencoder=(8, 8, 16),
    autoencoder_layers=1,
    denoiser=(8, 16),
    denoiser_layers=1,
    head=4,
    groups=4,
    renderer=(8, 12),
    perception=(8, 8),
)
NAMES = ["autoencoder", "slices", "coordination", "perception", "renderer"]
PLAN = Plan(TINY, {name: Budget(3, 2, 2e-3) for name in NAMES}, saved=2, checked=2, told=1, left=9.0)
HOW = How(command="python -m backend train dynamics --out there")


def swaying(number: int, still: bool = False) -> Sample:
    """A mottled square that swings as a whole before grey, by 1 to 3 pixels, slowly and fast."""
    rng = np.random.default_rng(number)
    turns = np.sort(rng.choice(np.arange(1, 30), 2, replace=False)) / 30
    mask = np.zeros((16, 24), bool)
    mask[4:12, 6:18] = True
    swing = np.zeros((3, 2), complex)
    if not still:
        swing[1:] = rng.uniform(0.5, 1.5, (2, 2)) * np.exp(2j * np.pi * rng.random((2, 2))) / [[1], [2]]
        swing[0] = -swing[1:].real.sum(axis=0)
    slices = np.zeros((3, 4, 16, 24), np.float16)
    slices[:, :, mask] = np.concatenate([swing.real, swing.imag], axis=1)[..., None]
    ways = (swing[:, None] * np.exp(2j * np.pi * np.outer(np.arange(3), turns))[..., None]).real.sum(axis=0)
    flows = np.zeros((2, 2, 16, 24), np.float16)
    flows[:, :, mask] = ways[..., None]
    picture = np.full((3, 16, 24), 128, np.uint8)
    square = rng.integers(256, size=(3, 8, 12), dtype=np.uint8)
    picture[:, mask] = square.reshape(3, -1)
    later = np.full((2, 3, 16, 24), 128, np.uint8)
    for frame, (x, y) in zip(later, np.rint(ways).astype(int), strict=True):
        frame[:, 4 + y : 12 + y, 6 + x : 18 + x] = square
    return Sample(picture, slices, mask, turns.astype(np.float32), later, flows, "square")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("corpus")
    samples.write(where / "train" / f"00000{SUFFIX}", [swaying(number) for number in range(7)], {})
    samples.write(where / "seeds" / f"00000{SUFFIX}", [swaying(number) for number in range(100, 104)], {})
    return where


@pytest.fixture(scope="module")
def data(folder) -> Data:
    return Data.of(folder, "seeds", "squares")


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> Path:
    """A training that nothing stopped."""
    out = tmp_path_factory.mktemp("whole")
    train(PLAN, data, out, HOW)
    return out


def stop_at(count: int):
    """A report that cancels when it is called for the `count`th time to learn."""
    told = 0

    def report(done: float, text: str) -> None:
        nonlocal told
        told += text.startswith("Learning")
        if told == count:
            raise Cancelled

    return report


def weights(out: Path) -> dict[str, torch.Tensor]:
    model = checkpoint.Checkpoint.read(out).model
    return {f"{name}.{key}": value for name, network in model["networks"].items() for key, value in network.items()} | {
        name: torch.tensor(value) for name, value in model["centre"].items()
    }


# --- going on ---


@pytest.mark.parametrize("step", [2, 9])
def test_stopped_and_gone_on_with_it_is_as_if_nothing_had_been(data, whole, tmp_path, step):
    with pytest.raises(Cancelled):
        train(PLAN, data, tmp_path, HOW, stop_at(step))
    scores = train(PLAN, data, tmp_path, HOW)
    assert_alike(weights(tmp_path), weights(whole))
    own, other = ([line for line in Log(out) if "total" in line] for out in (tmp_path, whole))
    assert [(line["phase"], line["step"]) for line in own] == [(line["phase"], line["step"]) for line in other]
    assert scores == pytest.approx([line for line in Log(whole) if "scores" in line][-1]["scores"], rel=1e-3)


KILLED = """
import sys, os
from pathlib import Path
from tests.learned import test_dynamics_training as here
told = 0
def report(done, text):
    global told
    told += text.startswith("Learning")
    if told == 8:
        os._exit(9)
here.train(here.PLAN, here.Data.of(Path(sys.argv[1]), "seeds", "squares"), Path(sys.argv[2]), here.HOW, report)
"""


def test_killed_it_goes_on_from_its_last_checkpoint(folder, data, whole, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(tmp_path)], env=environment, cwd=ROOT)
    assert killed.returncode == 9
    found = checkpoint.Checkpoint.read(tmp_path)
    assert (found.phase, found.step) == ("slices", 3)
    train(PLAN, data, tmp_path, HOW)
    assert_alike(weights(tmp_path), weights(whole))
    lines = [(line["phase"], line["step"]) for line in Log(tmp_path) if "total" in line]
    assert len(lines) == len(set(lines)) == 15


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(whole, tmp_path, monkeypatch):
    found = checkpoint.Checkpoint.read(whole)
    found.write(tmp_path)

    def torn(what, file):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", torn)
    with pytest.raises(OSError, match="No space"):
        replace(found, step=77).write(tmp_path)
    assert checkpoint.Checkpoint.read(tmp_path).step == found.step
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.FILE]


def test_a_full_disk_is_told_before_anything_is_written(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1_000_000}))
    with pytest.raises(disk.DiskFull, match=r"0\.2 GB are needed in .*0\.0 GB are free"):
        checkpoint.Checkpoint.read(whole).write(tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_checkpoint_of_another_configuration_is_refused(data, whole):
    with pytest.raises(checkpoint.OtherPlan, match="16 x 24 pixels, 3 bins; wanted are 16 x 24 and 2"):
        train(replace(PLAN, sizes=replace(TINY, bins=2)), data, whole, HOW)
    with pytest.raises(checkpoint.OtherPlan, match="from squares, and not from circles"):
        train(PLAN, replace(data, about="circles"), whole, HOW)


def corpus(where: Path, numbers: range = range(7), **about: object) -> Data:
    """Of one shard, with that of tests beside it."""
    samples.write(where / "train" / f"00000{SUFFIX}", [swaying(number) for number in numbers], about)
    samples.write(where / "seeds" / f"00000{SUFFIX}", [swaying(number) for number in range(100, 104)], {})
    return Data.of(where, "seeds", "squares")


def test_a_checkpoint_of_other_pictures_of_the_same_words_is_refused(tmp_path):
    with pytest.raises(Cancelled):
        train(PLAN, corpus(tmp_path / "one", seed=0), tmp_path / "out", HOW, stop_at(2))
    others = corpus(tmp_path / "other", seed=1), corpus(tmp_path / "fewer", range(6), seed=0)
    for other in others:
        with pytest.raises(checkpoint.OtherPlan, match=r"of 2 files .*, train/00000\.safetensors is gone or changed"):
            train(PLAN, other, tmp_path / "out", HOW)
    train(PLAN, corpus(tmp_path / "again", seed=0), tmp_path / "out", HOW)  # the same lies elsewhere


def test_it_goes_on_with_more_pictures_and_encodes_them_all(tmp_path):
    data, told = corpus(tmp_path / "data"), []
    with pytest.raises(Cancelled):
        train(PLAN, data, tmp_path / "out", HOW, stop_at(5))  # in the phase after the latents
    samples.write(tmp_path / "data" / "train" / f"00001{SUFFIX}", [swaying(50)], {})
    more = Data.of(tmp_path / "data", "seeds", "squares")
    train(PLAN, more, tmp_path / "out", HOW, lambda done, text: told.append(text))
    assert "Encoding picture 1 of 8 anew: those that were kept are of other pictures" in told
    assert len(np.load(tmp_path / "out" / "latents" / "latents.npy")) == 8


def test_a_checkpoint_that_says_nothing_of_its_pictures_is_gone_on_with(data, tmp_path):
    with pytest.raises(Cancelled):
        train(PLAN, corpus(tmp_path / "other", range(3)), tmp_path / "out", HOW, stop_at(2))
    state = torch.load(tmp_path / "out" / checkpoint.FILE, weights_only=True)
    del state["digests"]
    torch.save(state, tmp_path / "out" / checkpoint.FILE)
    train(PLAN, data, tmp_path / "out", HOW)
    assert checkpoint.Checkpoint.read(tmp_path / "out").digests == data.digests


def test_when_files_were_written_does_not_tell_their_clips_apart(tmp_path):
    def digest(**about):
        samples.write(tmp_path / SUFFIX, [swaying(0)], about)
        return shards.digests([tmp_path / SUFFIX], lambda path: {"about": samples.about(path)})

    video = {"video": "a.mp4", "bytes": 1000}
    assert digest(**video, changed=1) == digest(**video, changed=2) != digest(**video | {"bytes": 1001}, changed=1)
    assert digest(files=[["a.png", 10, 1]]) == digest(files=[["a.png", 10, 2]]) != digest(files=[["a.png", 11, 1]])


# --- what stops it ---


def test_no_number_stops_it_and_the_last_good_state_is_kept(data, tmp_path, monkeypatch):
    honest, count = phases.Slices.losses, 0

    def losses(self, given, generator):
        nonlocal count
        count += 1
        found = honest(self, given, generator)
        return {"total": found["total"] * (float("nan") if count == 3 else 1.0)}

    monkeypatch.setattr(phases.Slices, "losses", losses)
    with pytest.raises(Diverged, match="step 2 of the phase slices"):
        train(PLAN, data, tmp_path, HOW)
    found = checkpoint.Checkpoint.read(tmp_path)
    assert (found.phase, found.step) == ("slices", 2)
    assert all(value.isfinite().all() for value in weights(tmp_path).values())


def test_a_slope_that_is_no_number_changes_no_weight(data):
    class Steep(phases.PerceptionOfPictures):
        def losses(self, given, generator):
            one = self.learning()[0]
            return {"total": (one - one.detach()).abs().sqrt().sum()}  # 0, and its slope is not a number

    model = Dynamics.fresh(TINY, torch.ones(3))
    learning = loop.Learning(Steep(phases.Place(model, PLAN, data, Path(), "cpu")), Budget(3, 2, 1e-3))
    before = [one.detach().clone() for one in learning.weights]
    with pytest.raises(Diverged):
        learning.step(None, 0, torch.Generator())
    assert all(torch.equal(one, other) for one, other in zip(learning.weights, before, strict=True))


def test_an_autoencoder_that_learned_nothing_starts_no_denoiser_and_more_steps_do(data, tmp_path):
    strict = replace(PLAN, left=0.5)
    with pytest.raises(NotLearned, match=r"After 3 steps the autoencoder loses \d+% .*may lose 50%"):
        train(strict, data, tmp_path, HOW)
    assert not (tmp_path / "latents").exists()
    longer = replace(PLAN, budgets={"autoencoder": Budget(5, 2, 2e-3), "perception": Budget(1, 2, 2e-3)})
    train(longer, data, tmp_path, HOW)
    assert [line["step"] for line in Log(tmp_path) if line.get("phase") == "autoencoder" and "total" in line][-1] == 4


# --- what is learned ---


def test_an_autoencoder_learns_what_swings(data):
    place = phases.Place(Dynamics.fresh(TINY, torch.tensor([2.0, 1.5, 0.7])), PLAN, data, Path(), "cpu")
    phase = phases.Autoencoder(place)
    learning = loop.Learning(phase, Budget(200, 7, 5e-3))
    for step in range(200):
        learning.step(phase.read(7, step, (0, 0)), step, torch.Generator().manual_seed(step))
    learning.settle()
    assert phase.scores()["energy_left"] < 0.5
    phase.finish()
    latents = place.model.encoded(place.held_out(4).slices)
    assert abs(latents.mean()) < 0.3
    assert 0.6 < latents.std() < 1.6


def test_the_guidance_is_that_with_which_things_swing_as_far_as_in_truth(data, monkeypatch):
    phase = object.__new__(phases.Coordination)
    phase.place = phases.Place(Dynamics.fresh(TINY, torch.ones(3)), PLAN, data, Path(), "cpu")
    phase.model = phase.place.model
    monkeypatch.setattr(phase, "_drawn", lambda batch: batch.slices * (0.4 + phase.model.guidance))
    phase.finish()
    low, high = math.log(0.9), math.log(1.4)  # with 0.5 and with 1: straight from the one to the other
    assert phase.model.guidance == pytest.approx(0.5 + 0.5 * -low / (high - low))


@pytest.mark.parametrize(
    ("values", "place"),
    [((-3, -1, 1, 2), 2.0), ((-1, 1, -1, 3), 3.25), ((-3, -2, -1, -2), 3.0), ((1, 2, 3, 4), 0.0), ((-1, 0, 1, 2), 1.0)],
)
def test_guidance_is_found_between_those_that_were_tried(values, place):
    assert phases.crossing((0, 1, 3, 4), values) == place


def test_the_mean_of_the_weights_is_handed_on(data):
    phase = phases.PerceptionOfPictures(phases.Place(Dynamics.fresh(TINY, torch.ones(3)), PLAN, data, Path(), "cpu"))
    learning = loop.Learning(phase, Budget(4, 2, 1e-2))
    mean = learning.weights[0].detach().clone()
    for step in range(4):
        learning.step(phase.read(2, step, (0, 3)), step, torch.Generator().manual_seed(step))
        kept = (1 + step) / (10 + step)
        mean = kept * mean + (1 - kept) * learning.weights[0].detach()
    own = learning.weights[0].detach().clone()
    with learning.averaged():
        torch.testing.assert_close(learning.weights[0].detach(), mean)
    assert torch.equal(learning.weights[0], own)
    learning.settle()
    torch.testing.assert_close(learning.weights[0].detach(), mean)


def test_only_what_a_phase_trains_changes(whole, data, tmp_path):
    """Coordination leaves the U-Net, and the renderer the perception, as they were."""
    with pytest.raises(Cancelled):
        train(PLAN, data, tmp_path, HOW, stop_at(7))  # the first step of coordination
    before, after = weights(tmp_path), weights(whole)
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"denoiser", "perception", "renderer"}
    of_denoiser = {
        name.split(".")[1] for name in before if not torch.equal(before[name], after[name]) and "den" in name
    }
    assert of_denoiser == {"coordination"}


def test_pairs_are_of_one_moment_and_still_ones_are_left_out():
    batch = samples.Batch.of([swaying(1), swaying(2, still=True), swaying(3)])
    pictures, motion, front, truth = phases.Rendering.pairs(batch, torch.Generator().manual_seed(0))
    assert torch.equal(pictures, batch.picture[[0, 2]])
    for row, (one, frame) in enumerate(zip(motion, truth, strict=True)):
        sample = (0, 2)[row]
        moment = [torch.equal(one, flow) for flow in batch.flows[sample]].index(True)
        assert torch.equal(frame, batch.later[sample, moment])
    assert (front[:, :, 4:12, 6:18] > 0.3).all()
    assert not front[:, :, :4].any()


# --- stock ---


def test_every_sample_comes_once_before_one_comes_again():
    drawn = np.concatenate([rows(7, 3, step, (0, 1)) for step in range(14)])
    for epoch in range(6):
        assert sorted(drawn[7 * epoch : 7 * epoch + 7]) == list(range(7))
    assert not np.array_equal(drawn[:7], drawn[7:14])
    assert not np.array_equal(drawn[:7], np.concatenate([rows(7, 3, step, (1, 1)) for step in range(3)])[:7])


def test_reading_ahead_keeps_the_order_and_lets_errors_through():
    assert list(ahead(lambda step: step**2, range(3, 20))) == [step**2 for step in range(3, 20)]
    with pytest.raises(ZeroDivisionError):
        list(ahead(lambda step: 1 // (5 - step), range(9)))


def test_latents_on_disk_are_those_of_the_model(data, tmp_path):
    model = Dynamics.fresh(TINY, torch.ones(3))
    kept = stock.Latents.kept(tmp_path, model, data.train, "cpu")
    batch = data.train.batch([5])
    torch.testing.assert_close(
        torch.from_numpy(kept.latents[[5]]).float(), model.encoded(batch.slices).detach(), atol=2e-2, rtol=2e-2
    )  # of bfloat16, where it is fast
    z, level = torch.zeros(1, *TINY.latents), torch.tensor([9])
    small = torch.from_numpy(kept.pictures[[5]]).float()
    with torch.no_grad():
        seen = [model.denoiser(z, level, picture) for picture in (batch.picture, small)]
    torch.testing.assert_close(*seen, atol=1e-2, rtol=1e-2)


def test_latents_of_other_pictures_are_made_anew_and_that_is_said(data, tmp_path):
    model, told, report = Dynamics.fresh(TINY, torch.ones(3)), [], lambda done, text: told.append(text)
    other = corpus(tmp_path / "other", range(20, 27), seed=9).train

    def pictures(part, both=False):
        told.clear()
        kept = stock.Latents.kept(tmp_path / "kept", model, part, "cpu", report, both)
        return np.array(kept.pictures[:7], np.float32), any("of other pictures" in text for text in told)

    (first, said), (same, said_again) = pictures(data.train), pictures(data.train)
    assert (said, said_again, told) == (False, False, [])  # read, and not made
    np.testing.assert_array_equal(same, first)
    seen, said = pictures(other)
    assert said and np.abs(seen - first).max() > 0.1
    half = replace(data.train, indices=np.repeat(data.train.indices[:1], 7))
    assert pictures(half, both=True)[1]
    assert pictures(replace(half, indices=np.repeat(data.train.indices[:1], 14)))[1]  # as many, and none mirrored
    (tmp_path / "kept" / stock.ABOUT).unlink()  # as an older version leaves them
    assert not pictures(replace(data.train, indices=np.arange(7)[np.arange(14) % 7]))[1]


def test_without_a_split_for_tests_the_last_tenth_is_held_out(folder, tmp_path):
    (tmp_path / "train").symlink_to(folder / "train")
    alone = Data.of(tmp_path, "test", "squares")
    assert alone.train.indices.tolist() == [0, 1, 2, 3, 4, 5]
    assert alone.held_out.indices.tolist() == [6]
    assert "last tenth" in alone.about


# --- what it leaves ---


def test_the_model_can_be_loaded_and_is_what_was_trained(whole):
    model, trained = Dynamics.load(whole / "model"), weights(whole)
    for name in ("autoencoder", "denoiser"):
        for key, value in getattr(model, name).state_dict().items():
            torch.testing.assert_close(value, trained[f"{name}.{key}"], atol=1e-2, rtol=1e-2)
    assert model.autoencoder.config.scaling_factor == pytest.approx(float(trained["scaling_factor"]))


def test_the_card_says_what_the_log_says(whole):
    told = (whole / "model" / card.FILE).read_text(encoding="utf-8")
    assert HOW.command in told
    assert "7 samples of squares; 4 others" in told
    assert "16 x 24 pixels (height x width), 3 bins" in told
    for line in [line for line in Log(whole) if line.get("step") == 3 and "scores" in line]:
        for name, value in line["scores"].items():
            assert f"| {line['phase']} | {name} | {value:.4g} |" in told
    assert (whole / "model" / "log.jsonl").read_text() == (whole / "log.jsonl").read_text()
    for line in Log(whole):
        if line.get("phase") == "autoencoder" and "total" in line:
            parts = line["l1"] + 0.2 * line["gradient"] + 1e-6 * line["kl"] + line["squared"]
            assert line["total"] == pytest.approx(parts, rel=1e-5)


def test_there_are_sheets_to_look_at(whole):
    for name in NAMES:
        for step in (2, 3):
            sheet = cv2.imread(str(whole / "sheets" / f"{name}-{step:07}.png"))
            assert sheet.std() > 5


# --- the command ---


def said(capsys, *options: str) -> tuple[int, str]:
    code = main(["dynamics", *options])
    return code, capsys.readouterr().err.strip()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Say what to learn from"),
        (["--videos", "{tmp}/nowhere"], "nowhere is no folder"),
        (["--videos", "{tmp}"], "No videos lie in"),
        (["--preset", "seedling", "--effort", "-1"], "--effort is a number above 0"),
        (["--preset", "seedling", "--flow", "raft"], "--flow raft is for videos"),
        (["--videos", "{tmp}", "--raft-weights", "some.pth"], "--raft-weights is for --flow raft"),
    ],
)
def test_what_cannot_be_done_is_said(capsys, tmp_path, options, sentence):
    options = [option.format(tmp=tmp_path) for option in options]
    code, text = said(capsys, "--out", str(tmp_path / "out"), *options)
    assert code == 2
    assert text.startswith("anthesis: ")
    assert sentence in text


def test_videos_that_teach_nothing_are_counted_by_reason(capsys, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    writer = cv2.VideoWriter(str(tmp_path / "short.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 30, (64, 64))
    for _ in range(20):
        writer.write(np.full((64, 64, 3), 90, np.uint8))
    writer.release()
    code, text = said(capsys, "--out", str(tmp_path / "out"), "--videos", str(tmp_path))
    assert code == 2
    assert "1 video left out: shorter than five seconds (short.avi)" in text
    assert "1 video left out: cannot be read: it is no video, or damaged (broken.mp4)" in text
    assert "No clip in" in text


def test_the_command_trains_stops_and_goes_on(capsys, tmp_path, folder, monkeypatch):
    monkeypatch.setenv("ANTHESIS_HOME", str(tmp_path / "home"))
    corpus = tmp_path / "home" / "cache" / "dynamics" / "16x24-3"
    corpus.parent.mkdir(parents=True)
    corpus.symlink_to(folder)
    budgets = {name: Budget(1, 2, 1e-3) for name in ("autoencoder", "perception", "renderer")}
    monkeypatch.setitem(plans.PLANS, "seedling", Plan(TINY, budgets, {}, left=9.0))
    asked = ["--preset", "seedling", "--out", str(tmp_path / "out")]
    code, text = said(capsys, *asked, "--minutes", "0")
    assert (code, "The 0 minutes are over: go on with --resume" in text) == (0, True)
    code, text = said(capsys, *asked, "--resume")
    assert code == 0 and text.count("anthesis: ") == 1
    code, text = said(capsys, *asked)
    assert (code, "go on with it by --resume" in text) == (2, True)
    assert main(["dynamics", *asked, "--resume"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == str(tmp_path / "out" / "model")
    assert "psnr" in told["scores"]


def test_without_torch_it_says_what_to_install(capsys, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("torch", "cv2") else found(name))
    code, text = said(capsys, "--preset", "seedling", "--out", str(tmp_path))
    assert code == 2
    assert "Not installed: torch, opencv-python-headless. Press Install Learned Engine in Blender, or run: " in text
    assert "requirements-learned.txt" in text
