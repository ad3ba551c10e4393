"""What measures image dynamics, on motion whose measures are known; and that the ablations are trained otherwise."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from backend.priors.dynamics import Dynamics, Sampling, normal
from backend.priors.dynamics.sizes import Sizes
from backend.training.dynamics import phases, samples
from backend.training.dynamics.samples import SUFFIX, Batch
from backend.training.dynamics.stock import Data
from backend.training.dynamics.training import train
from backend.training.log import Log
from backend.training.loop import How
from backend.training.plan import Budget
from tests.bench import dynamics as bench
from tests.bench.motion import ablations, direct, drift, measures, rendering, rivals, sheets
from tests.bench.views.runs import OtherRuns
from tests.learned.test_dynamics_training import PLAN, TINY, swaying


def slices(*shape: int, seed: int = 0, lean: bool = False) -> torch.Tensor:
    """Random ones (..., K, 4, H, W); without a lean if nothing is said."""
    out = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    out[..., 0, 2:, :, :] = 0
    return out if lean else torch.cat([torch.zeros_like(out[..., :1, :, :, :]), out[..., 1:, :, :, :]], dim=-4)


def later(truth: torch.Tensor, quarters: int) -> torch.Tensor:
    """The same swings, each so many quarters of its own period later."""
    real, imaginary = truth.split(2, dim=-3)
    for _ in range(quarters):
        real, imaginary = imaginary, -real
    return torch.cat([real, imaginary], dim=-3)


TRUTH = slices(2, 3, 4, 5, 6)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    where = tmp_path_factory.mktemp("corpus")
    for split, numbers in (("train", range(7)), ("seeds", range(100, 103)), ("kinds", range(200, 203))):
        samples.write(where / split / f"00000{SUFFIX}", [swaying(number) for number in numbers], {})
    return where


@pytest.fixture(scope="module")
def model(corpus, tmp_path_factory):
    """A folder with a model that has hardly learned, and its log."""
    out = tmp_path_factory.mktemp("model")
    plan = replace(PLAN, budgets={name: Budget(2, 2, 2e-3) for name in PLAN.budgets})
    train(plan, Data.of(corpus, "seeds", "squares"), out, How())
    return out / "model"


# --- measures ---


def test_the_truth_has_no_error():
    found = bench.scores(normal.starting_at_rest(TRUTH)[None], normal.starting_at_rest(TRUTH))
    for name, value in found.items():
        expected = 1.0 if name.startswith(("magnitude", "place")) else 0.0
        assert value == pytest.approx(expected, abs=1e-5), name


def test_zero_motion_has_all_of_the_error_exactly():
    found = torch.zeros_like(TRUTH)[None]
    way = measures.trajectory_error(found, TRUTH)
    assert way.share == way.best_share == 1.0
    assert measures.spectral_error(found, TRUTH) == pytest.approx(1.0, abs=1e-6)
    assert measures.amplitude_error(found, TRUTH) == pytest.approx(1.0, abs=1e-6)
    assert measures.frechet(found, TRUTH) == pytest.approx(1.0, abs=1e-6)
    assert measures.magnitude(found, TRUTH) == 0.0
    assert measures.place(found, TRUTH) == 0.0


def test_the_trajectory_error_is_that_of_a_film():
    truth, found = slices(2, 3, 4, 5, 6, lean=True), slices(3, 2, 3, 4, 5, 6, seed=1, lean=True)
    turns = torch.arange(12) / 12
    apart = normal.displacements(found - truth, turns)
    each = apart.square().sum(dim=-3).mean(dim=(2, 3, 4)).sqrt()
    way = measures.trajectory_error(found, truth)
    assert way.pixels == pytest.approx(each.mean().item(), rel=1e-5)
    assert way.best == pytest.approx(each.min(dim=0).values.mean().item(), rel=1e-5)
    zero = normal.displacements(truth, turns).square().sum(dim=-3).mean(dim=(1, 2, 3)).sqrt().mean().item()
    assert way.share == pytest.approx(way.pixels / zero, rel=1e-5)
    assert way.best_share == pytest.approx(way.best / zero, rel=1e-5)


def test_another_phase_has_the_right_amplitudes_and_another_way():
    quarter, half = (later(TRUTH, count)[None] for count in (1, 2))
    for found in (quarter, half):
        assert measures.amplitude_error(found, TRUTH) == pytest.approx(0.0, abs=1e-6)
        assert measures.magnitude(found, TRUTH) == pytest.approx(1.0)
        assert measures.place(found, TRUTH) == pytest.approx(1.0)
    assert measures.trajectory_error(quarter, TRUTH).share == pytest.approx(2**0.5)
    assert measures.trajectory_error(half, TRUTH).share == pytest.approx(2.0)
    assert measures.spectral_error(half, TRUTH) == pytest.approx(2.0)
    both = torch.cat([quarter, TRUTH[None]])
    assert measures.trajectory_error(both, TRUTH).share == pytest.approx(2**0.5 / 2)
    assert measures.trajectory_error(both, TRUTH).best_share == 0.0


def test_half_of_the_motion_is_half():
    found = TRUTH[None] / 2
    assert measures.magnitude(found, TRUTH) == pytest.approx(0.5)
    assert measures.trajectory_error(found, TRUTH).share == pytest.approx(0.5)
    assert measures.spectral_error(found, TRUTH) == pytest.approx(0.5)
    assert measures.amplitude_error(found, TRUTH) == pytest.approx(0.5)
    assert measures.frechet(found, TRUTH) == pytest.approx(0.25, abs=1e-4)
    assert measures.place(found, TRUTH) == pytest.approx(1.0)


def test_a_bin_weighs_as_much_as_its_energy():
    """Bin 1 has 9 times the energy of bin 2, and one of them is missing."""
    truth = torch.zeros(1, 3, 4, 2, 2)
    truth[:, 1], truth[:, 2] = 3.0, 1.0
    for missing, share in ((1, 0.9), (2, 0.1)):
        found = truth[None].clone()
        found[:, :, missing] = 0
        assert measures.spectral_error(found, truth) == pytest.approx(share)
        assert measures.amplitude_error(found, truth) == pytest.approx(share)
        assert measures.trajectory_error(found, truth).share == pytest.approx(share**0.5)


def test_what_swings_elsewhere_is_not_in_its_place():
    truth, found = torch.zeros(1, 2, 4, 2, 2), torch.zeros(1, 1, 2, 4, 2, 2)
    truth[0, 1, :, 0], found[0, 0, 1, :, 1] = 1.0, 1.0
    assert measures.place(found, truth) == 0.0
    assert measures.magnitude(found, truth) == pytest.approx(1.0)
    still = torch.cat([truth, torch.zeros_like(truth)])
    assert measures.place(still[None], still) == pytest.approx(1.0)  # a still picture says nothing about places


def test_a_lean_is_no_swing():
    found = TRUTH[None].clone()
    found[:, :, 0, :2] = 5.0
    assert measures.magnitude(found, TRUTH) == pytest.approx(1.0)
    assert measures.place(found, TRUTH) == pytest.approx(1.0)


def test_the_frechet_distance_does_not_ask_for_the_picture_and_sees_what_belongs_together():
    truth = slices(8, 2, 4, 5, 6, seed=4)
    assert measures.frechet(truth[None].flip(1), truth) == pytest.approx(0.0, abs=1e-4)
    truth[:, 1, 2:] = truth[:, 1, :2]  # the imaginary parts go with the real ones
    loose = truth.clone()
    loose[:, 1, 2:] = truth[:, 1, 2:].flip(0)
    assert measures.frechet(loose[None], truth) > 0.2


def test_bins_that_are_missing_are_zero():
    assert torch.equal(measures.with_bins(TRUTH, 2), TRUTH[:, :2])
    more = measures.with_bins(TRUTH, 5)
    assert torch.equal(more[:, :3], TRUTH)
    assert more.shape == (2, 5, 4, 5, 6) and not more[:, 3:].any()


def test_unrest_is_what_is_left_at_the_picture():
    assert measures.unrest(normal.starting_at_rest(TRUTH)) == pytest.approx(0.0, abs=1e-6)
    one = torch.zeros(1, 2, 4, 3, 3)
    one[:, 1, 0] = 2.0  # begins at its farthest: sqrt(2) of its root mean square
    assert measures.unrest(one) == pytest.approx(2**0.5)


# --- drift ---


COUNT = drift.PERIODS * 8
SECONDS = torch.arange(COUNT).view(-1, 1, 1, 1) * drift.SECONDS / COUNT


def film(frames):
    return drift.Film(frames, torch.zeros(len(frames), 2, *frames.shape[2:]))


def test_frames_that_drift_are_found_and_those_that_come_again_have_none():
    loop = (torch.rand(8, 3, 4, 4, generator=torch.Generator().manual_seed(0)) - 0.5).repeat(drift.PERIODS, 1, 1, 1)
    assert drift.drift(film(loop)) == pytest.approx(0.0, abs=1e-9)
    brighter = loop + 0.01 * SECONDS  # from -1 to 1, and so half as much of white
    assert drift.drift(film(brighter)) == pytest.approx(0.005, rel=0.01)
    calmer = loop.mean(dim=0) + (loop - loop.mean(dim=0)) * (1 - SECONDS / 25)
    assert drift.drift(film(calmer)) > 0.003


def test_periods_that_differ_by_chance_have_gone_nowhere():
    generator = torch.Generator().manual_seed(0)
    sizes = 1 + torch.rand(2, 8, 3, 1, 1, generator=generator)
    one, other = (size * torch.ones(8, 3, 4, 4) / 4 for size in sizes)
    assert drift.drift(film(torch.cat([one, other, other, other]))) == pytest.approx(0.0, abs=1e-9)


def test_points_that_go_away_are_found_and_those_that_swing_are_not(model):
    renderer, picture = Dynamics.load(model).renderer, torch.zeros(3, 16, 24)
    swinging = drift.come_round(slices(3, 4, 16, 24, lean=True), 8, picture, renderer)
    assert (swinging.frames.shape, swinging.gone.shape) == ((COUNT, 3, 16, 24), (COUNT, 2, 16, 24))
    assert abs(drift.way(swinging)) < 1e-6
    going = torch.tensor([0.3, -0.4]).view(1, 2, 1, 1) * SECONDS + 0 * swinging.gone
    assert drift.way(swinging._replace(gone=going)) == pytest.approx(0.5, rel=1e-5)
    assert drift.way(swinging._replace(gone=going + swinging.gone)) > 0.2


def test_a_film_comes_round_by_what_is_rendered_at_each_of_its_times(model):
    """So that a loop that is not closed is seen: nothing is shown twice."""
    trained = Dynamics.load(model)
    picture = torch.rand(3, 16, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1
    swing = slices(3, 4, 16, 24, lean=True)
    closed = drift.come_round(swing, 8, picture, trained.renderer)
    assert drift.drift(closed) == pytest.approx(0.0, abs=1e-5)
    textures = normal.displacements(swing, torch.arange(COUNT, dtype=torch.float32) / 8)
    assert torch.equal(closed.frames, trained.renderer.video(picture, textures))


def test_going_on_adds_up_what_each_period_leaves(model):
    renderer = Dynamics.load(model).renderer
    asked = []

    def predict(picture, number):
        asked.append((picture, number))
        return torch.linspace(0, 1, 8).view(8, 1, 1, 1) * torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(8, 2, 16, 24)

    picture = torch.linspace(-1, 1, 24).expand(3, 16, 24)
    found = drift.gone_on(predict, picture, renderer)
    assert (found.frames.shape, found.gone.shape) == ((COUNT, 3, 16, 24), (COUNT, 2, 16, 24))
    torch.testing.assert_close(found.gone[7::8, 0].mean(dim=(1, 2)), torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert [number for _, number in asked] == [0, 1, 2, 3]
    assert asked[1][0][0, 8, 12] < picture[0, 8, 12] - 0.05  # it goes on with the frame that was drawn
    assert torch.equal(asked[1][0], found.frames[7])
    assert drift.way(found) > 0.1
    assert drift.drift(found) > 0.003


def test_a_point_goes_on_with_what_is_predicted_where_it_is():
    textures = torch.arange(6.0).view(1, 1, 1, 6).expand(1, 2, 3, 6)
    far = torch.zeros(1, 2, 3, 6)
    far[:, 0] = 2.0
    assert drift._looked_up(textures, far)[0, 0, 1].tolist() == pytest.approx([2, 3, 4, 5, 5, 5])


# --- rendering ---


def test_decibels_and_the_warp_are_those_of_their_formulas():
    picture = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert rendering.psnr(picture, picture) == pytest.approx(120)
    assert rendering.psnr(picture * 0, picture * 0 + 0.2) == pytest.approx(20)
    motion = torch.tensor([2.0, -1.0]).view(1, 2, 1, 1).expand(1, 2, 6, 8)
    warped = rendering.backward_warp(picture, motion)
    torch.testing.assert_close(warped[..., :5, 2:], picture[..., 1:, :-2], atol=1e-5, rtol=0)


def test_given_the_motion_a_splatted_frame_is_nearer_than_the_still_picture(model):
    found = rendering.decibels(Dynamics.load(model), Batch.of([swaying(number) for number in range(4)]))
    assert found["splatting of the picture, no network"] > found["the still picture"]
    assert len(set(found.values())) == 4


# --- rivals ---


def test_means_are_those_of_the_training_set(corpus):
    part = Data.of(corpus, "seeds", "squares").train
    means, all_ = rivals.Means(part), part.batch(range(7)).slices
    pictures = torch.zeros(2, 3, 16, 24)
    spectrum = means.spectrum(pictures, 5)
    assert spectrum.shape == (1, 2, 3, 4, 16, 24)
    torch.testing.assert_close(spectrum[0, 1], all_.mean(dim=0))
    swings = means.swings(pictures, 4)
    lengths = torch.hypot(*swings.split(2, dim=3))
    torch.testing.assert_close(lengths[3, 1], torch.hypot(*all_.split(2, dim=2)).mean(dim=0))
    assert (swings[0] - swings[1]).abs().max() > 0.1


def test_each_draw_of_each_picture_has_a_seed_of_its_own(model):
    predict = rivals.of_model(Dynamics.load(model), Sampling(steps=2, guidance=0.0))
    found = predict(torch.zeros(2, 3, 16, 24), 2)
    assert found.shape == (2, 2, 3, 4, 16, 24)
    flat = found.flatten(0, 1).flatten(1)
    assert torch.pdist(flat).min() > 1e-4
    assert torch.equal(found, predict(torch.zeros(2, 3, 16, 24), 2))


def test_uncoordinated_it_predicts_slice_by_slice(model):
    trained = Dynamics.load(model)
    for attention in trained.denoiser.coordination:
        attention.proj_out.weight.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    alone = rivals.uncoordinated(trained)
    generator = torch.Generator().manual_seed(1)
    z, picture = (torch.randn(*shape, generator=generator) for shape in ((1, *TINY.latents), (1, 3, 16, 24)))
    level = torch.tensor([300])
    one_by_one = trained.denoiser.one_slice(z[0], level.expand(3), torch.arange(3), picture.expand(3, -1, -1, -1))
    torch.testing.assert_close(alone.denoiser(z, level, picture)[0], one_by_one, atol=1e-5, rtol=1e-4)
    assert (trained.denoiser(z, level, picture)[0] - one_by_one).abs().max() > 1e-2


# --- the direct predictor ---


def test_moments_and_slices_are_two_forms_of_one_motion():
    truth = slices(2, 16, 4, 3, 3, lean=True)
    turns = torch.arange(direct.MOMENTS) / direct.MOMENTS
    torch.testing.assert_close(direct.slices_of(normal.displacements(truth, turns)), truth, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("sizes", [ablations.MINIATURE.sizes, TINY])
def test_it_is_as_large_as_the_model(sizes):
    model = Dynamics.fresh(sizes, torch.ones(sizes.bins))
    assert direct.Direct(model).parameters == pytest.approx(direct.parameters(model), rel=0.2)


def test_it_learns_for_so_long_and_goes_on_from_there(corpus, model, tmp_path):
    part, trained = Data.of(corpus, "seeds", "squares").train, Dynamics.load(model)
    one = direct.Direct(trained)
    before = one.loss(*part.batch(range(7))[:2]).item()
    steps = one.train(part, tmp_path, 1.5)
    assert steps > 1
    assert one.loss(*part.batch(range(7))[:2]).item() < before
    other = direct.Direct(trained)
    assert other.train(part, tmp_path, 1.5) == steps  # its time is over
    pictures = part.batch([3]).picture
    torch.testing.assert_close(other(pictures, 8), one(pictures, 8))
    assert not one.textures(pictures)[:, 0].any()
    assert direct.Direct(trained).train(part, tmp_path, 2.0) > steps
    with pytest.raises(OtherRuns, match="beside another model, or from other pictures: name another folder"):
        direct.Direct(trained).train(part, tmp_path, 2.0, "another model")


def test_how_long_a_model_learned_is_in_its_log(tmp_path):
    log = Log(tmp_path)
    log.line(phase="autoencoder", step=0, time=0, total=1.0)
    for step, cpu in ((20, 100.0), (40, 140.0), (60, 3.0), (80, 43.0), (99, 81.0)):  # begun again after 40
        log.line(phase="autoencoder", step=step, time=1000 + step, cpu=cpu, total=1.0)
    log.line(phase="slices", step=0, time=5000, total=1.0)
    log.line(phase="slices", step=9, time=5090, total=1.0)  # of a log that did not note it
    log.line(phase="renderer", step=0, time=0, cpu=0.0, total=1.0)
    log.line(phase="renderer", step=9, time=0, cpu=900.0, total=1.0)  # predicts no motion
    assert direct.learned_seconds(log) == pytest.approx(100 * 2.0 + 10 * 10.0)


# --- ablations ---


def test_the_variants_differ_in_what_they_are_named_for():
    differs = {name: ablations.what_differs(name) for name in ablations.VARIANTS}
    assert differs == {
        "bins_16": {}, "bins_4": {"bins": 4}, "bins_8": {"bins": 8}, "bins_24": {"bins": 24},
        "plain": {"adaptive": False}, "pyramid": {}, "single_scale": {"single_scale": True},
    }  # fmt: skip
    assert set(ablations.PAPER) == {*ablations.VARIANTS, "uncoordinated"} - {"pyramid"}


def tiny(monkeypatch):
    """Variants of the smallest plan."""
    plan = replace(PLAN, budgets={name: Budget(2, 2, 2e-3) for name in PLAN.budgets})

    def of(names, **changes):
        budgets = {name: plan.budgets[name] for name in names}
        return replace(plan, sizes=replace(TINY, **changes), budgets=budgets)

    variants = {
        "bins_16": of(ablations.MOTION), "bins_4": of(ablations.MOTION, bins=2),
        "plain": of(ablations.MOTION, adaptive=False), "pyramid": of(ablations.PICTURES),
        "single_scale": of(ablations.PICTURES, single_scale=True),
    }  # fmt: skip
    monkeypatch.setattr(ablations, "VARIANTS", variants)


def test_the_switch_of_a_variant_is_in_what_is_trained(corpus, tmp_path, monkeypatch):
    tiny(monkeypatch)
    seen, honest = {}, phases.autoencoder.losses

    def losses(autoencoder, some, generator):
        seen.setdefault("slices", []).append(some)
        return honest(autoencoder, some, generator)

    monkeypatch.setattr(phases.autoencoder, "losses", losses)
    data, models = Data.of(corpus, "seeds", "squares"), {}
    for name in ablations.VARIANTS:
        seen.clear()
        models[name] = ablations.trained(name, tmp_path, data)
        models[name].first = seen.get("slices", [None])[0]
    with pytest.raises(OtherRuns, match="bins_16 holds another model, or one of other pictures"):
        ablations.trained("bins_16", tmp_path, replace(data, about="circles"))
    usual, plain = models["bins_16"], models["plain"]
    assert models["bins_4"].sizes.bins == len(models["bins_4"].scales) == 2
    torch.testing.assert_close(models["bins_4"].scales, usual.scales[:2])
    assert len(set(usual.scales.tolist())) == 3 and plain.scales.tolist() == [usual.scales.max().item()] * 3
    assert not torch.equal(usual.first, plain.first)  # chosen by the same chance
    truth = data.train.batch([0]).slices
    torch.testing.assert_close(plain.normalised(truth), truth / usual.scales.max())
    torch.testing.assert_close(usual.normalised(truth), normal.normalised(truth, usual.scales))
    torch.testing.assert_close(normal.restored(plain.normalised(truth), plain.scales, plain.sizes.power), truth)
    assert models["single_scale"].renderer.config.single_scale and not models["pyramid"].renderer.config.single_scale
    monkeypatch.setattr(ablations, "train", None)  # what is there is not trained again
    assert ablations.trained("plain", tmp_path, data).sizes == plain.sizes


def test_a_card_from_before_the_switches_is_of_the_whole_method(model):
    card = json.loads((model / "dynamics.json").read_text())
    del card["sizes"]["adaptive"], card["sizes"]["single_scale"]
    assert Sizes.of_json(card["sizes"]) == TINY


# --- the tables ---

QUICK = ["--pictures", "2", "--draws", "2", "--steps", "2"]


def test_the_table_of_a_model_and_its_sheets(corpus, model, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bench, "DRIFTING", 1)
    where = ["--model", str(model), "--corpus", str(corpus), "--out", str(tmp_path), "--sheets", str(tmp_path / "s")]
    assert bench.main([*where, "--seconds", "0.3", *QUICK]) == 0
    told = capsys.readouterr().out
    round_ = [line for line in told.splitlines() if "frames: model, coming round" in line]
    assert len(round_) == 2 and all("at most 0.1" in line and "EXCEEDED" not in line for line in round_)
    for way in ("model", "direct predictor"):
        assert told.count(f"frames: {way}, going on from its last frame") == 2
        assert told.count(f"points: {way}, going on from its last frame") == 2
    zero = "trajectory error, mean of draws, share of zero motion's: zero motion"
    assert [line.split()[-1] for line in told.splitlines() if zero in line] == ["1", "1"]
    for name in ("direct predictor", "mean spectrum", "mean amplitudes", "model, frequencies not coordinated"):
        assert told.count(f"amplitude error: {name} ") == 2
    drawn = sorted((tmp_path / "s").rglob("*.png"))
    assert [path.relative_to(tmp_path / "s").as_posix() for path in drawn] == [
        "kinds/000.png", "kinds/001.png", "seeds/000.png", "seeds/001.png"
    ]  # fmt: skip


@pytest.mark.parametrize("amiss", ["the renderer", "the loop"])
def test_a_model_whose_films_go_away_is_marked(corpus, model, capsys, monkeypatch, amiss):
    monkeypatch.setattr(bench, "DRIFTING", 1)
    monkeypatch.setattr(bench, "MOMENTS", 8)
    trained = Dynamics.load(model)
    if amiss == "the renderer":
        drawn = trained.renderer.video
        monkeypatch.setattr(
            trained.renderer,
            "video",
            lambda picture, motions: drawn(picture, motions) + 0.001 * SECONDS[: len(motions)],
        )
    else:
        swung = normal.displacements
        monkeypatch.setattr(
            drift.normal, "displacements", lambda own, turns: swung(own, turns) + turns.view(-1, 1, 1, 1)
        )
    one = Dynamics.load(model)
    predictor = direct.Direct(one)
    monkeypatch.setattr(predictor, "textures", lambda pictures: torch.zeros(1, 8, 2, 16, 24))
    batch = bench.held_out(Data.of(corpus, "seeds", "squares").held_out.corpus, 3)
    bench._show_drift(trained, predictor, Sampling(steps=2, guidance=0.0), batch, "seeds")
    lines = [line for line in capsys.readouterr().out.splitlines() if "frames: " in line]
    assert ["EXCEEDED" in line for line in lines] == [True, False, False]


def test_how_long_a_motion_takes_is_measured_with_and_without_a_loop(model, capsys):
    assert bench.main(["--time", "--model", str(model)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[1].startswith("A picture to 3 bins, ")
    motion, loop = (line for line in told if line.strip().startswith("motion, "))
    assert "at most 20" in motion and "its end drawn to its beginning" in loop and "at most" not in loop
    assert all(0 < float(line.split(" steps ")[1].split()[0]) < 300 for line in (motion, loop))


def test_fewer_pictures_than_were_asked_for_are_told(corpus, capsys):
    held = Data.of(corpus, "seeds", "squares").held_out.corpus
    assert len(bench.held_out(held, 3).picture) == 3
    assert not capsys.readouterr().err
    assert len(bench.held_out(held, 5).picture) == 3
    assert "seeds holds 3 pictures and not 5: they are all measured" in capsys.readouterr().err


def test_a_corpus_is_made_as_large_as_the_model_learned_from(model, tmp_path, monkeypatch):
    made = []

    def make(folder, recipe, counts, report):
        made.append(counts)
        if len(made) == 2:
            raise FileNotFoundError("that is all")

    monkeypatch.setattr(bench.corpus, "make", make)
    assert bench.main(["--model", str(model), "--pictures", "2"]) == 2
    assert made[0] == {"train": 7}  # as its log says
    assert made[1] == {"kinds": 20, "seeds": 20}
    assert bench._learned_from(tmp_path) == 6400


def test_rivals_learn_from_no_more_pictures_than_the_model_did(corpus, model, tmp_path, monkeypatch):
    seen = []

    def direct_(model, train, arguments):
        seen.append(train.indices.tolist())
        raise FileNotFoundError("that is all")

    monkeypatch.setattr(bench, "_direct", direct_)
    for count in (7, 5, 99):
        where = tmp_path / str(count)
        shutil.copytree(model, where)
        Log(where).line(train=count)
        assert bench.main(["--model", str(where), "--corpus", str(corpus)]) == 2
    assert seen == [list(range(7)), list(range(5)), list(range(7))]


def test_the_table_of_ablations_says_where_the_orders_hold(corpus, tmp_path, capsys, monkeypatch):
    tiny(monkeypatch)
    seen, sheet = [], sheets.sheet
    monkeypatch.setattr(sheets, "sheet", lambda model, *given: seen.append((model, *given)) or sheet(model, *given))
    where = ["--corpus", str(corpus), "--out", str(tmp_path), "--sheets", str(tmp_path / "s")]
    assert bench.main(["--ablations", *where, *QUICK]) == 0
    told = capsys.readouterr().out
    assert (tmp_path / "s" / "ablations.png").exists()
    ((by, picture, drawn),) = seen
    assert list(drawn) == ["truth", "bins_16", "bins_4", "plain", "uncoordinated"]
    assert all(own.shape == (3, 4, 16, 24) for own in drawn.values())
    assert len({own.abs().sum().item() for own in drawn.values()}) >= 4
    torch.testing.assert_close(by.renderer.sharpness, Dynamics.load(tmp_path / "pyramid" / "model").renderer.sharpness)
    held = Data.of(corpus, "seeds", "squares").held_out.batch(range(3))
    swung = [measures.energy(one).sum().item() for one in held.slices]
    assert any(torch.equal(picture, one) for one in held.picture)
    found = next(energy for one, energy in zip(held.picture, swung, strict=True) if torch.equal(picture, one))
    assert found == max(swung[0], swung[2])  # of the two that are measured
    for order in ("plain over bins_16 (1.33, 1.25)", "uncoordinated over bins_16 (1.11, 1.07)", "pyramid over single"):
        assert order in told
    assert "3 bins, trajectory error" in told


def test_orders_that_do_not_hold_are_marked(capsys):
    good = dict.fromkeys(bench.scores(TRUTH[None], TRUTH), 1.0)
    bench._show_orders({"bins_16": good, "plain": dict.fromkeys(good, 0.5), "bins_8": dict.fromkeys(good, 2.0)})
    told = capsys.readouterr().out
    assert told.count("MISSED") == 3
    assert all("plain over bins_16" in line for line in told.splitlines() if "MISSED" in line)


def test_a_model_that_is_not_there_is_told(tmp_path, capsys):
    assert bench.main(["--model", str(tmp_path), "--seconds", "1"]) == 2
    assert "No model of image dynamics lies in" in capsys.readouterr().err


def test_a_slice_over_time_shows_the_wave(model):
    trained = Dynamics.load(model)
    picture = torch.where(torch.arange(24) < 12, -1.0, 1.0).expand(3, 16, 24).clone()
    swing = torch.zeros(3, 4, 16, 24)
    swing[1, 0] = 3.0  # to the right by 3 at first, to the left by 3 after half a period
    seen = sheets.x_t(trained, picture, swing, 8)
    edge = (seen[0] < 0).sum(dim=1)
    assert seen.shape == (3, sheets.FRAMES, 24)
    assert edge[0] > 13 and edge[sheets.FRAMES // 2] < 11
    still = sheets.x_t(trained, picture, torch.zeros_like(swing), 8)
    assert torch.equal(still, picture[:, 8][:, None].expand_as(still))
