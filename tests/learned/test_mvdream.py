"""Distillation of a field, by priors of which all is known: the field has to become what they expect, side by side."""

import errno
import math
import os
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from backend import saved
from backend.fields.hash_grid import HashGrid
from backend.fields.surroundings import Surroundings, harmonics
from backend.fields.voxels import VoxelGrid
from backend.guidance import Guidance, NotFinite
from backend.pipelines import mvdream
from backend.pipelines.mvdream import ELEVATION, Distillation, views
from backend.pipelines.recipes import PUBLISHED, SEEDLING, Lamps, Sky, Stage
from backend.priors.sampling import Sampling
from backend.priors.seedling import Seedling, Sizes
from backend.render import bands
from backend.render.cameras import Cameras
from backend.render.orbits import Orbit, Ranges
from backend.render.volume import Light, render
from backend.report import Cancelled
from tests.learned.sculpture import FOVY, Knowing, decibels, sculpted

TEXT, NEGATIVE = "a sculpture", "grey"
AT_40 = Ranges(fovy=(FOVY, FOVY))
GOOD = replace(
    SEEDLING, steps=80, stages=(Stage(0.0, 1, 16),), samples=32, voxels=20, rate=0.2, cameras=AT_40, shown=16,
    guidance=Guidance(scale=1.0, clamp=1.0), fitted=0.2,
)  # fmt: skip
TINY = replace(GOOD, steps=8, stages=(Stage(0.0, 1, 8),), samples=12, voxels=14, refreshed=3, shown=8)


@pytest.fixture(scope="module")
def truth():
    return sculpted()


@pytest.fixture
def prior(truth):
    return Knowing(truth, side=8, samples=16)


@pytest.fixture
def rendered(monkeypatch):
    """What `render` was asked, in words, and what it gave."""
    calls, render = [], mvdream.render

    def told(field, cameras, height, width, samples, background=0.0, generator=None, light=None, normals=False):
        picture = render(field, cameras, height, width, samples, background, generator, light, normals)
        asked = {"cameras": cameras, "side": (height, width), "samples": samples, "background": background}
        calls.append(asked | {"light": light, "normals": normals, "picture": picture})
        return picture

    monkeypatch.setattr(mvdream, "render", told)
    return calls


def stood(prior, count=4, elevation=ELEVATION):
    """The truth in bytes, from where views are drawn and shown."""
    cameras = Orbit.standing(elevation, count, AT_40).cameras
    return (255 * prior.seen(cameras.to_world.float())).round().byte().numpy()


def gone(prior, recipe, steps=None, **more):
    """A distillation that went so many steps, and its losses."""
    running, losses = Distillation(prior, TEXT, NEGATIVE, recipe, 3, **more), []
    for step in running:
        losses.append(step.loss)
        if step.step == steps:
            break
    return running, losses


def numbers(running):
    return running.field.raw.detach().clone()


# --- Views


def test_views_are_those_that_the_prior_expects_from_the_front_and_around(truth):
    prior = Knowing(truth, spread=0.02)
    found = list(views(prior, TEXT, NEGATIVE, 3, 0.4, 5, Sampling(scale=1.0, steps=12, clamp=1.0)))
    assert len(found) == 12 and found[-1].shape == (3, 16, 16, 3) and found[-1].dtype == np.uint8
    cameras = Orbit.standing(0.4, 3).cameras.to_world
    assert np.allclose(cameras[0, :2, 3] / cameras[0, :3, 3].norm(), [0, -math.cos(0.4)]), "from the front"
    sides = (255 * prior.seen(cameras.float())).numpy()
    near = [[decibels(one, side) for side in sides] for one in found[-1]]
    assert min(near[k][k] for k in range(3)) > 28
    assert max(near[k][j] for k in range(3) for j in range(3) if j != k) < 18


def test_views_are_drawn_towards_the_text_and_away_from_the_other(prior):
    list(views(prior, TEXT, NEGATIVE, 2, 0.2, 5, Sampling(scale=3.0, steps=2)))
    for given in prior.asked:
        assert given.views == 2 and given.text[:, 0, 0].tolist() == [1, 1, 0, 0]
        assert torch.equal(given.cameras[:2], given.cameras[2:]) and given.cameras.dtype == torch.float32


def test_a_seed_is_a_seed_and_the_first_view_does_not_hang_on_the_others(prior):
    def drawn(count, seed):
        return list(views(prior, TEXT, "", count, 0.2, seed, Sampling(scale=1.0, steps=3)))[-1]

    assert np.array_equal(drawn(2, 5), drawn(2, 5)) and not np.array_equal(drawn(2, 5), drawn(2, 6))
    assert np.array_equal(drawn(2, 5)[0], drawn(4, 5)[0])


# --- The field


def test_a_field_comes_to_look_like_what_the_prior_expects_from_each_side(truth):
    prior = Knowing(truth)
    running, _ = gone(prior, GOOD)
    found, sides = running.show(), stood(prior)
    near = np.array([[decibels(one, side) for side in sides] for one in found])
    assert near.diagonal().min() > 23
    assert (near - np.diag(near.diagonal())).max() < 18
    assert all(len(given.text) == given.views == 4 for given in prior.asked)


def test_what_is_shown_is_the_field_from_the_front_and_around(prior, truth):
    running = Distillation(prior, TEXT, NEGATIVE, replace(TINY, samples=48, shown=16), 3)
    running.field = truth
    wide = Knowing(truth)
    assert running.show().shape == (4, 16, 16, 3)
    assert decibels(running.show(), stood(wide)) > 35


def test_views_to_begin_with_are_fitted_without_the_prior(truth):
    prior = Knowing(truth, side=16, samples=48)
    start = stood(prior)
    running, losses = gone(prior, replace(GOOD, fitted=1.0, steps=60), start=start)
    assert not prior.asked and losses[-1] < 0.3 * losses[0]
    near = [decibels(one, side) for one, side in zip(running.show(), start, strict=True)]
    assert min(near) > 23


def test_what_is_behind_the_views_is_no_part_of_the_field(prior, rendered):
    start = np.full((3, 8, 8, 3), [180, 200, 20], np.uint8)
    start[:, 2:6, 2:6] = 0
    gone(prior, TINY, 1, start=start)
    np.testing.assert_allclose(rendered[0]["background"], np.array([180, 200, 20]) / 255)
    assert len(rendered[0]["cameras"].view) == 3


def test_after_the_views_the_annealing_is_gone_on_with_where_they_have_a_say(prior, monkeypatch):
    asked, distil = [], mvdream.distil
    monkeypatch.setattr(mvdream, "distil", lambda *a: asked.append(a[5]) or distil(*a))
    recipe = replace(TINY, fitted=0.25, entered=0.4)
    gone(prior, recipe, start=stood(prior))
    np.testing.assert_allclose(asked, 0.4 + 0.6 * np.arange(6) / 6)
    asked.clear()
    gone(prior, recipe)
    np.testing.assert_allclose(asked, np.arange(8) / 8)


# --- Broken off, and gone on with


def test_what_is_cancelled_and_gone_on_with_comes_to_the_same(prior, tmp_path):
    whole, losses = gone(prior, TINY)
    file, before = tmp_path / "some" / "kept", []

    def hearing(running):
        for step in running:
            before.append(step.loss)
            if step.step == 5:
                raise Cancelled

    with pytest.raises(Cancelled):
        hearing(Distillation(prior, TEXT, NEGATIVE, TINY, 3, kept=file))
    assert [path.name for path in file.parent.iterdir()] == ["kept"]
    again = Distillation(prior, TEXT, NEGATIVE, TINY, 3, kept=file)
    assert again.step == 5 and not again.said
    after = [step.loss for step in again]
    np.testing.assert_allclose([*before, *after], losses, rtol=1e-5)
    torch.testing.assert_close(numbers(again), numbers(whole))
    assert torch.equal(again.field.cells, whole.field.cells) and not whole.field.cells.all()
    done = Distillation(prior, TEXT, NEGATIVE, TINY, 3, kept=file)
    assert done.step == 8 and list(done) == []
    assert torch.equal(numbers(done), numbers(again))


def test_it_is_kept_while_it_goes_on_for_those_who_are_killed(prior, tmp_path, monkeypatch):
    monkeypatch.setattr(mvdream, "KEPT_EVERY", 0.0)
    file, killed = tmp_path / "kept", b""
    running = Distillation(prior, TEXT, NEGATIVE, TINY, 3, kept=file)
    for step in running:
        if step.step == 4:
            killed = file.read_bytes()
    file.write_bytes(killed)
    again = Distillation(prior, TEXT, NEGATIVE, TINY, 3, kept=file)
    assert again.step == 3
    list(again)
    torch.testing.assert_close(numbers(again), numbers(running))


def test_a_file_that_is_damaged_or_of_another_request_is_as_none(prior, tmp_path):
    file = tmp_path / "kept"
    gone(prior, TINY, 2, kept=file)
    good = file.read_bytes()
    fresh = numbers(Distillation(prior, TEXT, NEGATIVE, TINY, 3))
    state = torch.load(file, weights_only=True)
    for bad in (b"", b"nonsense", good[: len(good) // 2], good[:-30] + bytes(30)):
        file.write_bytes(bad)
        again = Distillation(prior, TEXT, NEGATIVE, TINY, 3, kept=file)
        assert again.step == 0 and "cannot be read" in again.said and "see kept.damaged" in again.said
        assert torch.equal(numbers(again), fresh)
        assert not file.exists() and (tmp_path / "kept.damaged").read_bytes() == bad, "it is there to be looked at"
    torch.save(state | {"optimizer": {}}, file)  # its field is read already when this is found
    again = Distillation(prior, TEXT, NEGATIVE, TINY, 3, kept=file)
    assert again.step == 0 and again.said and torch.equal(numbers(again), fresh)
    file.write_bytes(good)
    others = [
        (TEXT, NEGATIVE, TINY, 4, None),
        ("another", NEGATIVE, TINY, 3, None),
        (TEXT, "", TINY, 3, None),
        (TEXT, NEGATIVE, TINY.asked(scale=7.0), 3, None),
        (TEXT, NEGATIVE, TINY, 3, np.zeros((4, 8, 8, 3), np.uint8)),
    ]
    for *asked, start in others:
        again = Distillation(prior, *asked, start=start, kept=file)
        assert again.step == 0 and "another request" in again.said
    smaller = replace(TINY, stages=(Stage(0.0, 1, 4),), samples=8)
    assert Distillation(prior, TEXT, NEGATIVE, smaller, 3, kept=file).step == 2


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("short"),
        MemoryError("short"),
        PermissionError(errno.EACCES, "Permission denied"),
        OSError(errno.EIO, ""),
    ],
)
def test_a_sound_file_that_cannot_be_read_now_stays_as_it_is(prior, tmp_path, monkeypatch, error):
    file = tmp_path / "kept"
    gone(prior, TINY, 2, kept=file)
    good = file.read_bytes()

    def failing(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        if isinstance(error, (OSError, MemoryError)):
            patch.setattr(saved, "read", failing)
        else:
            patch.setattr(torch.optim.AdamW, "load_state_dict", failing)
        with pytest.raises(type(error)):
            Distillation(prior, TEXT, NEGATIVE, TINY, 3, kept=file)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"] and file.read_bytes() == good
    assert Distillation(prior, TEXT, NEGATIVE, TINY, 3, kept=file).step == 2


def test_it_is_read_beside_the_gpu(prior, tmp_path, monkeypatch):
    where, load = [], torch.load
    monkeypatch.setattr(
        mvdream.torch, "load", lambda *a, **more: where.append(more["map_location"]) or load(*a, **more)
    )
    gone(prior, TINY, 2, kept=tmp_path / "kept")
    Distillation(prior, TEXT, NEGATIVE, TINY, 3, kept=tmp_path / "kept")
    assert where == ["cpu"]


@pytest.fixture
def full(monkeypatch):
    """A disk that takes nothing more while a number is above 0."""
    tries, fsync = [1], os.fsync

    def syncing(file):
        if tries[0] > 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(file)

    monkeypatch.setattr(mvdream.os, "fsync", syncing)
    return tries


def test_a_full_disk_ends_nothing_and_is_told_as_long_as_it_is_full(prior, tmp_path, monkeypatch, full):
    monkeypatch.setattr(mvdream, "KEPT_EVERY", 0.0)
    whole, _ = gone(prior, TINY)
    running, told = Distillation(prior, TEXT, NEGATIVE, TINY, 3, kept=tmp_path / "kept"), []
    for step in running:
        told.append(running.unkept and running.unkept.errno)
        full[0] = step.step < 4
    assert told == [None, *[errno.ENOSPC] * 3, *[None] * 4]
    assert torch.equal(numbers(running), numbers(whole))
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert Distillation(prior, TEXT, NEGATIVE, TINY, 3, kept=tmp_path / "kept").step == 8


@pytest.mark.parametrize("kind", [Cancelled, NotFinite, GeneratorExit])
def test_a_full_disk_takes_the_place_of_nothing_that_is_under_way(prior, tmp_path, full, kind):
    predict = prior.predict
    prior.predict = lambda *a: predict(*a) * (math.nan if kind is NotFinite and len(prior.asked) > 1 else 1)
    running = Distillation(prior, TEXT, NEGATIVE, TINY, 3, kept=tmp_path / "kept")
    going = iter(running)
    next(going)
    if kind is NotFinite:
        with pytest.raises(NotFinite, match="Step 2 of 8"):
            next(going)
    elif kind is Cancelled:
        with pytest.raises(Cancelled):
            going.throw(Cancelled())
    else:
        going.close()
    assert running.unkept.errno == errno.ENOSPC and running.step == 1 and not [*tmp_path.iterdir()]


def test_a_number_that_is_none_names_its_step_and_what_was_before_is_kept(prior, tmp_path):
    good, _ = gone(prior, TINY, 3)
    predict, file = prior.predict, tmp_path / "kept"
    prior.asked.clear()
    prior.predict = lambda *a: predict(*a) * (math.nan if len(prior.asked) > 3 else 1)
    running = Distillation(prior, TEXT, NEGATIVE, TINY, 3, kept=file)
    with pytest.raises(NotFinite, match=r"^Step 4 of 8: .*what the prior predicts"):
        list(running)
    assert running.step == 3 and torch.equal(numbers(running), numbers(good))
    again = Distillation(prior, TEXT, NEGATIVE, TINY, 3, kept=file)
    assert again.step == 3 and torch.equal(numbers(again), numbers(good))


def test_a_slope_that_is_no_number_does_no_harm(prior):
    running = Distillation(prior, TEXT, NEGATIVE, TINY, 3)
    running.field.raw.register_hook(lambda slope: slope.index_fill(0, torch.tensor([2]), math.nan))
    with pytest.raises(NotFinite, match=r"^Step 1 of 8: .*its slopes"):
        list(running)
    assert torch.isfinite(running.field.raw).all()


# --- Each setting


def test_stages_sets_samples_and_cameras_are_those_of_the_recipe(prior, rendered):
    ranges = Ranges(fovy=(30, 31), distance=(0.9, 0.91), elevation=(10, 12))
    stages = Stage(0.0, 2, 8), Stage(0.5, 1, 12)
    gone(prior, replace(TINY, steps=4, stages=stages, samples=7, cameras=ranges))
    assert [call["side"] for call in rendered] == [(8, 8), (8, 8), (12, 12), (12, 12)]
    assert [len(call["cameras"].view) for call in rendered] == [8, 8, 4, 4]
    assert [(len(given.text), given.views) for given in prior.asked] == [(8, 4), (8, 4), (4, 4), (4, 4)]
    azimuths = set()
    for call, given in zip(rendered, prior.asked, strict=True):
        assert call["samples"] == 7 and call["background"] == 1.0
        places = call["cameras"].to_world[:, :3, 3]
        torch.testing.assert_close(given.cameras[:, :3, 3], places)
        for around, camera in zip(places.view(-1, 4, 3), call["cameras"].projection[::4], strict=True):
            rise = torch.rad2deg(torch.asin(around[:, 2] / around.norm(dim=1)))
            assert 10 <= rise.min() <= rise.max() <= 12 and rise.max() - rise.min() < 1e-3
            assert 0.9 - 1e-4 <= around.norm(dim=1).mean() / camera[1, 1] <= 0.91 + 1e-4
            assert 30 <= 2 * torch.rad2deg(torch.atan(1 / camera[1, 1])) <= 31
            assert (around[0] + around[2])[:2].norm() < 1e-4, "a quarter of a turn apart"
            azimuths.add(round(math.atan2(around[0, 0], -around[0, 1]), 4))
    assert len(azimuths) == 6, "each set begins somewhere else"


def test_the_text_and_the_negative_one_are_those_asked_for(truth):
    prior = Knowing(truth, side=8, samples=8)
    embedded, embed = [], prior.embed
    prior.embed = lambda texts: embedded.append(list(texts)) or embed(texts)
    gone(prior, TINY.asked(scale=3.0), 1)
    assert embedded == [[TEXT, NEGATIVE]]
    assert prior.asked[0].text[:, 0, 0].tolist() == [1] * 4 + [0] * 4


@pytest.mark.parametrize("voxels", [8, 0])
def test_each_number_moves_by_its_rate(prior, monkeypatch, voxels):
    monkeypatch.setattr(mvdream, "HashGrid", partial(HashGrid, rows=2**7, coarsest=4, finest=8))
    recipe = replace(TINY, voxels=voxels, rate=0.03, networks=0.002, background="learnt", plain=0.0, smooth=(0, 0))
    running = Distillation(prior, TEXT, NEGATIVE, recipe, 3)
    before = {
        name: one.detach().clone() for module in running._modules.values() for name, one in module.named_parameters()
    }
    next(iter(running))
    after = {name: one for module in running._modules.values() for name, one in module.named_parameters()}
    moved = {name: (after[name] - one).abs().max().item() for name, one in before.items()}
    assert any(name.startswith("layers") for name in moved), "what is behind it learns, too"
    for name, far in moved.items():  # Adam's first step has the length of the rate
        assert far == pytest.approx(0.03 if name.startswith(("raw", "tables")) else 0.002, rel=1e-3), name


def test_a_learnt_background_gives_way_to_one_colour_now_and_then(prior, rendered):
    gone(prior, replace(TINY, steps=40, background="learnt", plain=0.5, voxels=4, stages=(Stage(0.0, 1, 4),)))
    plain = [call["background"] for call in rendered if call["background"].ndim == 1]
    learnt = [call["background"] for call in rendered if call["background"].ndim == 4]
    assert 10 < len(plain) < 30 and len(plain) + len(learnt) == 40
    assert len({tuple(colour.tolist()) for colour in plain}) == len(plain)
    assert learnt[0].shape == (4, 4, 4, 3) and learnt[0].std() > 0.001


def weighed(prior, number, name, weight):
    """The losses of a step without a weight, with it, and with twice as much."""
    without = replace(TINY, smooth=(0.0, 0.0), clear=0.0)
    weights = [np.multiply(weight, times).tolist() for times in (0, 1, 2)]
    return [gone(prior, replace(without, **{name: one}), number)[1][-1] for one in weights]


@pytest.mark.parametrize(
    ("name", "weight", "number"), [("smooth", (3.0, 0.0), 2), ("smooth", (0.0, 3.0), 2), ("clear", 50.0, 1)]
)
def test_weights_are_factors_of_what_they_weigh(prior, name, weight, number):
    none, once, twice = weighed(prior, number, name, weight)
    assert once - none > 1.0
    assert twice - none == pytest.approx(2 * (once - none), rel=1e-3)


def test_matter_that_looks_like_nothing_is_to_go_sooner_than_what_is_seen():
    """White, a light grey that still is white by half, yellow as bright as it, and nothing at all."""
    opacity = torch.tensor([[0.3, 0.3, 0.3, 0.0]], requires_grad=True)
    image = torch.tensor([[[1.0, 1, 1], [0.925, 1, 1], [1, 1, 0], [1, 1, 1]]])
    amount = replace(TINY, white=4.0).matter(opacity, image)
    amount.backward()
    own = math.sqrt(0.3**2 + 0.01)
    assert amount.item() == pytest.approx((5 * own + 3 * own + own + 5 * 0.1) / 4, rel=1e-5)
    slopes = opacity.grad[0] / opacity.grad[0, 2]
    torch.testing.assert_close(slopes, torch.tensor([5.0, 3.0, 1.0, 0.0]))


def test_light_begins_when_it_shall(prior, rendered):
    shaded = replace(TINY, steps=6, shading=True, shaded=0.5, lamps=Sky(0.3))
    gone(prior, shaded)
    assert [call["light"] is not None for call in rendered] == [False] * 3 + [True] * 3
    gone(prior, replace(shaded, shading=False))
    assert not any(call["normals"] or call["light"] for call in rendered[6:])


def test_surfaces_are_turned_to_who_sees_them_ever_more_until_there_is_light(prior, rendered):
    """As C(value) of threestudio has it: of `lambda_orient: [0, 10., 1000., 5000]`, in the steps of the authors."""
    first, last, steps = 10.0, 1000.0, 6
    for step in range(steps):
        rendered.clear()
        prior.asked.clear()
        shaded = replace(TINY, steps=steps, shading=True, shaded=0.5, orientation=(first, last))
        running, plain = (
            Distillation(prior, TEXT, NEGATIVE, replace(shaded, orientation=weights), 3)
            for weights in ((first, last), (0.0, 0.0))
        )
        running.step = plain.step = step  # of the same field
        loss, without = next(iter(running)).loss, next(iter(plain)).loss
        picture = rendered[0]["picture"]
        away = (picture.away.sum() / (picture.opacity > 0).sum()).item()
        theirs = first + (last - first) * max(min(1.0, (10_000 * step / steps - 0) / (5000 - 0)), 0.0)
        assert away > 1e-5 and loss - without == pytest.approx(theirs * away, rel=0.02, abs=2e-4), step


def test_lamps_are_about_the_cameras_sometimes_on_white_matter_and_sometimes_off():
    eyes = Orbit(0.3, 0.2, 0.6, 3.0).cameras.to_world[:, :3, 3].float()
    rng, lamps = np.random.default_rng(0), Lamps(astray=0.1)
    lights = [lamps.light(torch.cat([eyes, eyes]), rng) for _ in range(400)]
    lit = [light for light in lights if light is not None]
    assert 0.2 < 1 - len(lit) / 400 < 0.3
    assert 0.4 < np.mean([light.plain for light in lit]) < 0.6
    away = torch.stack([light.place.norm(dim=1) for light in lit])
    assert 0.8 <= away.min() < 0.85 and 1.45 < away.max() <= 1.5
    assert (away[:, :4] - away[:, :1]).abs().max() < 1e-5 < (away[:, 4] - away[:, 0]).abs().min(), "one for each set"
    share = torch.stack([light.diffuse for light in lit])
    assert (share == share[:, :1]).all() and share.min() < 0.05 and share.max() > 0.95
    towards = torch.cat([(light.place[:4] * eyes).sum(dim=1) / light.place[:4].norm(dim=1) / 3 for light in lit])
    assert towards.min() > 0.95
    assert Sky(0.2).light(eyes, rng).diffuse.tolist() == pytest.approx([0.2] * 4)
    assert Sky().light(eyes, rng).place[:, 2].min() > 10


def test_a_recipe_is_asked_for_more_steps_or_made_smaller():
    assert SEEDLING.asked() == SEEDLING
    found = SEEDLING.asked(steps=10, scale=7.5, shading=True)
    assert (found.steps, found.guidance.scale, found.guidance.clamp, found.shading) == (10, 7.5, 1.0, True)
    sizes, one = [], PUBLISHED
    while one is not None:
        sizes.append((one.guidance.apart, one.stages[0].sets, one.stages[0].side, one.stages[1].side, one.samples))
        one = one.smaller()
    assert sizes == [
        (False, 2, 64, 256, 512), (True, 2, 64, 256, 512), (True, 2, 64, 128, 512), (True, 2, 64, 64, 512),
        (True, 1, 64, 64, 128),
    ]  # fmt: skip
    assert repr(PUBLISHED.smaller()) == repr(PUBLISHED) and SEEDLING.smaller().smaller() is None
    assert (PUBLISHED.shaded, PUBLISHED.orientation) == (0.5, (10.0, 1000.0))
    assert [PUBLISHED.stage(progress).side for progress in (0, 0.4999, 0.5, 1)] == [64, 64, 256, 256]


def test_a_recipe_follows_the_size_of_the_priors_pictures(prior, rendered):
    assert SEEDLING.at(32) == SEEDLING and repr(SEEDLING.at(32)) == repr(SEEDLING)
    twice = SEEDLING.at(64)
    assert (twice.stages, twice.voxels, twice.samples, twice.shown) == ((Stage(0.0, 1, 64),), 64, 96, 64)
    assert (twice.steps, twice.rate, twice.guidance) == (SEEDLING.steps, SEEDLING.rate, SEEDLING.guidance)
    # losses are sums over pixels: what is weighed against them keeps its share
    for name in ("orientation", "smooth", "clear"):
        np.testing.assert_allclose(getattr(twice, name), 4 * np.array(getattr(SEEDLING, name)))
    assert SEEDLING.at(128).shown == 128
    running, _ = gone(prior, replace(TINY, voxels=16).at(prior.side * 2), 1)
    assert rendered[0]["side"] == (16, 16) and running.field.resolution == 32


def test_the_published_way_is_gone_in_small(prior, monkeypatch, tmp_path):
    """A hash grid, its surroundings, both stages and lamps; and all of it is kept."""
    monkeypatch.setattr(mvdream, "HashGrid", partial(HashGrid, rows=2**7, coarsest=4, finest=8))
    stages = Stage(0.0, 2, 6), Stage(0.5, 1, 12)
    recipe = replace(PUBLISHED, steps=6, stages=stages, samples=8, cameras=AT_40, shading=True, shown=6)
    whole, losses = gone(prior, recipe)
    _, before = gone(prior, recipe, 4, kept=tmp_path / "kept")
    again, after = gone(prior, recipe, kept=tmp_path / "kept")
    np.testing.assert_allclose([*before, *after], losses, rtol=1e-5)
    for one, other in zip(whole._modules.values(), again._modules.values(), strict=True):
        for a, b in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(a, b)
    assert whole.show().shape == (4, 6, 6, 3)
    # and the same with little memory
    monkeypatch.setattr(bands, "AT_ONCE", 200)
    little, less = gone(prior, recipe)
    np.testing.assert_allclose(less, losses, rtol=1e-4)
    torch.testing.assert_close(little.field.tables, whole.field.tables, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("background", ["learnt", "plain"])
def test_in_bands_pictures_and_slopes_are_those_of_the_whole(monkeypatch, background):
    monkeypatch.setattr(bands, "AT_ONCE", 150)  # 3 of 7 rows
    field = VoxelGrid(9, 0.7)
    field.raw.data = torch.randn(field.raw.shape, generator=torch.Generator().manual_seed(0))
    cameras = Cameras(*(each.float() for each in Orbit(0.3, 0.2, 0.6, 3.0, 2).cameras))
    light = Light(torch.tensor([[0.3, -2.0, 1.0], [1.0, 0.0, 2.0]]), torch.tensor([0.4, 0.9]))
    behind = torch.rand(2, 7, 5, 3, requires_grad=True) if background == "learnt" else torch.tensor([0.1, 0.5, 0.9])
    slopes, found = [], []
    for drawn in (lambda *a: (render(*a), lambda: None), bands.in_bands):
        field.raw.grad = behind.grad = None
        generator = torch.Generator().manual_seed(4)
        picture, back = drawn(field, cameras, 7, 5, 10, 1.0 * behind, generator, light, True)
        waves = torch.linspace(-3, 4, 2 * 7 * 5).view(2, 7, 5)
        ((picture.image.sum(dim=3) + picture.opacity) * waves + 30 * picture.away).sum().backward()
        back()
        found.append(picture)
        slopes.append((field.raw.grad, behind.grad, torch.rand(3, generator=generator)))
    for one, other in [*zip(*found, strict=True), *zip(*slopes, strict=True)]:
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    assert slopes[0][0].abs().max() > 0.1


def test_a_seedling_drives_it():
    prior = Seedling.fresh(Sizes(side=16, widths=(16, 16), heads=2, groups=4, text=16), ["a", "red", "flower"])
    recipe = replace(TINY.asked(scale=4.0), stages=(Stage(0.0, 1, 16),), steps=3)
    *_, start = views(prior, "a red flower", "", 4, ELEVATION, 1, Sampling(scale=4.0, steps=2, clamp=1.0))
    running, losses = gone(prior, recipe, start=start)
    assert len(losses) == 3 and np.isfinite(losses).all() and running.step == 3
    assert all(one.grad is None for one in prior.parameters()), "the prior learns nothing"


def test_who_goes_around_comes_to_the_right_side_first():
    places = Orbit.standing(0.0, 4).cameras.to_world[:, :3, 3]
    around = torch.tensor([[0, -1, 0], [1, 0, 0], [0, 1, 0], [-1, 0, 0]])
    torch.testing.assert_close(places / places.norm(dim=1, keepdim=True), around.double(), atol=1e-9, rtol=0)


def test_surroundings_are_of_harmonics():
    points = torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0))
    found = harmonics(torch.nn.functional.normalize(points, dim=1))
    torch.testing.assert_close(4 * math.pi * found.T @ found / len(points), torch.eye(9), atol=0.02, rtol=0)
    colours = Surroundings(torch.Generator().manual_seed(1))(points[:5] / points[:5].norm(dim=1, keepdim=True))
    assert colours.shape == (5, 3) and 0 < colours.min() < colours.max() < 1
