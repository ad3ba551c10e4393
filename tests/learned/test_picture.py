"""A picture comes to life: its film against closed forms, bad input, and how it comes, is told and is cancelled.

The networks are small and untrained. An untrained renderer carries the picture along its motion and adds nothing.
"""

import importlib.util
import io
import json
import re
import shutil
import signal
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import trimesh
from PIL import Image, ImageCms
from pxr import Usd, UsdGeom

from backend import pipelines, protocol, spectral, wire
from backend.commands import run
from backend.files import picture as files
from backend.files.mesh import Unreadable
from backend.learned import NotInstalled
from backend.pipelines import expected
from backend.pipelines import picture as pipeline
from backend.pipelines.expected import Still, UnusableSetting
from backend.pipelines.picture import alive
from backend.pipelines.still import UnusablePicture
from backend.pipelines.trained import NoModel
from backend.priors.dynamics import Dynamics, Sampling
from backend.priors.dynamics.sampler import Loop
from backend.report import Cancelled, silent
from tests.learned import tiny
from tests.learned.tiny import HIGH, WIDE, blocks, expecting

QUICK = {"steps": 2, "fps": 8.0, "loop": False}
WAVE = 24.0  # pixels of the film, of the pattern


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return tiny.saved(tmp_path_factory.mktemp("model"))


def grating() -> np.ndarray:
    """Stripes that are upright, on a film of twice the networks' size."""
    along = np.round(127.5 + 100 * np.cos(2 * np.pi * np.arange(2 * WIDE) / WAVE)).astype(np.uint8)
    return np.broadcast_to(along[None, :, None], (2 * HIGH, 2 * WIDE, 3)).copy()


def one_bin(pixels=1.5, number=1) -> spectral.SpectralVolume:
    """All moves to the side, by a cosine, so many of the networks' pixels."""
    coefficients = np.zeros((5, HIGH, WIDE, 2), np.complex64)
    coefficients[number, ..., 0] = pixels
    return spectral.SpectralVolume(coefficients)


def shifts(frames) -> np.ndarray:
    """Pixels by which the stripes of each frame lie to the right, from the phase of their wave in whole periods."""
    rows = np.stack([frame[:, 24:72].astype(float).mean(axis=(0, 2)) for frame in frames])
    return -np.angle(rows @ np.exp(-2j * np.pi * np.arange(24, 72) / WAVE)) * WAVE / (2 * np.pi)


def filmed(request, pixels=None):
    moving = alive(grating() if pixels is None else pixels, request, silent)
    return moving, list(moving.film(silent))


# --- the film, in closed form


def test_a_volume_of_one_bin_moves_the_picture_by_its_cosine(model, monkeypatch):
    expecting(monkeypatch, one_bin(1.5, number=2))
    moving, frames = filmed(protocol.Picture(model=model, **QUICK))
    assert (len(frames), moving.picture.shape, moving.loop) == (40, (64, 96, 3), True)
    expected = 3.0 * np.cos(2 * np.pi * 2 * np.arange(40) / 40)  # the film has twice the pixels
    np.testing.assert_allclose(shifts(frames), expected, atol=0.1)
    assert moving.farthest == pytest.approx(3.0, rel=1e-5)


def test_amplitude_doubles_displacements(model, monkeypatch):
    expecting(monkeypatch, one_bin(1.0))
    moving, frames = filmed(protocol.Picture(model=model, amplitude=2.0, **QUICK))
    np.testing.assert_allclose(shifts(frames), 4.0 * np.cos(2 * np.pi * np.arange(40) / 40), atol=0.15)
    np.testing.assert_allclose(moving.volume.coefficients, 2 * one_bin(1.0).coefficients)


def test_twice_the_speed_is_half_the_period(model, monkeypatch):
    expecting(monkeypatch, one_bin(1.0))
    moving, frames = filmed(protocol.Picture(model=model, speed=2.0, **QUICK))
    assert (len(frames), moving.volume.period) == (20, pytest.approx(2.5))
    np.testing.assert_allclose(shifts(frames), 2.0 * np.cos(2 * np.pi * np.arange(20) / 20), atol=0.1)


def test_a_pull_rings_down_and_is_no_loop(model, monkeypatch):
    expecting(monkeypatch, one_bin(0.3, number=4))  # 0.8 Hz
    request = protocol.Picture(model=model, pull=(0.5, 0.5, 0.05, 0.0), damping=0.1, **QUICK)
    moving, frames = filmed(request)
    assert (len(frames), moving.loop) == (80, False)
    times, w = np.arange(80) / 8, 2 * np.pi * 0.8
    turn = w * np.sqrt(1 - 0.1**2)
    decay = np.exp(-0.1 * w * times) * (np.cos(turn * times) + 0.1 * w / turn * np.sin(turn * times))
    np.testing.assert_allclose(shifts(frames), 0.05 * 96 / 1.01 * decay, atol=0.15)


def test_a_pull_takes_hold_where_it_was_said(model, monkeypatch):
    coefficients = one_bin(0.3, number=4).coefficients.copy()
    coefficients[:, :, WIDE // 2 :] = 0  # the right half stands still, and cannot be pulled
    expecting(monkeypatch, spectral.SpectralVolume(coefficients))
    moving = alive(grating(), protocol.Picture(model=model, pull=(0.25, 0.75, 0.05, 0.0), **QUICK), silent)
    assert moving.farthest == pytest.approx(0.05 * 96 / 1.01, rel=0.01)


def test_the_film_is_the_renderers_own_whatever_comes_together(model, monkeypatch):
    """Batches change nothing, and what is in front is decided over all the film."""
    rng = np.random.default_rng(1)
    shape = (5, HIGH, WIDE, 2)
    coefficients = (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * [[[[1.0, 1.0]]]]
    volume = spectral.SpectralVolume(coefficients.astype(np.complex64))
    expecting(monkeypatch, volume)
    pixels = blocks(HIGH, WIDE)
    whole = Dynamics.load(model).video(
        torch.from_numpy(pixels.astype(np.float32)).movedim(-1, 0) / 127.5 - 1, volume, 40
    )
    expected = ((whole.movedim(1, -1).numpy() + 1) * 127.5).round()
    for pixels_at_once in (1, 7 * HIGH * WIDE):
        monkeypatch.setattr(pipeline, "AT_ONCE", pixels_at_once)
        _, frames = filmed(protocol.Picture(model=model, **QUICK), pixels)
        assert np.abs(np.stack(frames).astype(float) - expected).max() <= 1


def test_sides_that_the_renderer_cannot_halve_are_no_matter_and_what_stands_still_stays(model, monkeypatch):
    coefficients = one_bin(2.0).coefficients.copy()
    coefficients[:, 10:] = 0
    coefficients[:, :, 15:] = 0
    expecting(monkeypatch, spectral.SpectralVolume(coefficients))
    pixels = blocks(70, 98)
    _, frames = filmed(protocol.Picture(model=model, **QUICK), pixels)
    assert {frame.shape for frame in frames} == {(70, 98, 3)}
    moved = np.abs(np.stack(frames).astype(int) - pixels).max(axis=(0, 3))
    assert moved[:20, :20].max() > 30
    assert moved[40:].max() == 0 and moved[:, 60:].max() == 0


@pytest.mark.parametrize(("axis", "shape"), [(1, (70, 96)), (0, (64, 98))])
def test_what_comes_in_from_below_or_from_the_right_is_like_the_last_there(model, monkeypatch, axis, shape):
    """The renderer halves it twice, so that two rows or columns are put there. All goes along stripes: none is seen."""
    coefficients = np.zeros((5, HIGH, WIDE, 2), np.complex64)
    coefficients[1, ..., axis] = 0.5
    expecting(monkeypatch, spectral.SpectralVolume(coefficients))
    wave = np.cos(2 * np.pi * np.arange(shape[axis]) / WAVE)
    pixels = np.repeat(np.broadcast_to(wave if axis else wave[:, None], shape)[..., None], 3, axis=2)
    pixels = np.round(127.5 + 100 * pixels).astype(np.uint8)
    _, frames = filmed(protocol.Picture(model=model, **QUICK), pixels)
    farthest = frames[20].astype(int) - pixels  # a row of the film up, or a column to the left
    last = farthest[-1] if axis else farthest[:, -1]
    assert np.abs(last).max() <= 2


def test_a_large_picture_becomes_a_film_of_the_size_that_was_asked_for(model, monkeypatch):
    expecting(monkeypatch, one_bin(1.5))
    moving, _ = filmed(protocol.Picture(model=model, size=66, **QUICK), blocks(500, 330))
    assert moving.picture.shape == (66, 42, 3)
    assert moving.farthest == pytest.approx(1.5 * 42 / 48, rel=1e-5)  # across, of the networks' 48 pixels


# --- what the networks expect


def test_the_volume_is_the_models_and_the_film_begins_with_the_picture(model):
    pixels = blocks()
    moving, frames = filmed(protocol.Picture(model=model, seed=3, **QUICK), pixels)
    seen = torch.from_numpy(pixels.astype(np.float32)).movedim(-1, 0) / 127.5 - 1
    seen = torch.nn.functional.interpolate(seen[None], (HIGH, WIDE), mode="bilinear", antialias=True)[0]
    expected = Dynamics.load(model).predict(seen, 3, Sampling(steps=2))
    np.testing.assert_allclose(moving.volume.coefficients, expected.coefficients, atol=1e-4)
    assert np.abs(frames[0].astype(int) - pixels).max() <= 2
    assert np.abs(frames[9].astype(int) - pixels).max() > 30


def test_what_is_asked_for_reaches_the_sampling(model, monkeypatch):
    asked = []
    predict = Dynamics.predict
    monkeypatch.setattr(Dynamics, "predict", lambda self, p, seed, how: asked.append((seed, how)) or one_bin())
    for request in ({"seed": 5}, {"steps": 20, "loop": False}, {"pull": (0.5, 0.5, 0.1, 0.0)}):
        alive(blocks(), protocol.Picture(model=model, fps=8, **request), silent)
    usual = Sampling()
    assert asked == [(5, replace(usual, loop=Loop())), (0, replace(usual, steps=20)), (0, usual)]
    assert predict is not Dynamics.predict


def test_each_time_the_denoiser_is_asked_is_told(model):
    told = []
    alive(blocks(), protocol.Picture(model=model, steps=2, fps=8), lambda done, text: told.append((done, text)))
    drawing = [text for _, text in told if text.startswith("Drawing")]
    assert drawing == [f"Drawing the motion, step {k} of 4" for k in (1, 2, 3, 4)]  # each step is gone twice
    assert [done for done, _ in told] == sorted(done for done, _ in told)


# --- records, one by one


def records(request, pixels, report=silent):
    return pipelines.carry_out(request, bytes(wire.pack_picture(pixels)), report)


def test_records_come_one_by_one_as_frames_are_rendered(model, monkeypatch):
    monkeypatch.setattr(pipeline, "AT_ONCE", 64 * 96 * 4)
    told = []
    coming = records(protocol.Picture(model=model, **QUICK), blocks(), lambda done, text: told.append(text))
    head, arrays = protocol.unpack(next(coming))
    assert (type(head), head.frames, head.width, head.height, head.loop) == (protocol.VolumeRecord, 40, 96, 64, True)
    assert arrays["coefficients"].shape == (5, HIGH, WIDE, 4)
    assert not [text for text in told if text.startswith("Frame")]
    first, _ = protocol.unpack(next(coming))
    assert (first.index, [text for text in told if text.startswith("Frame")]) == (0, ["Frame 1 of 40"])
    rest = [protocol.unpack(one)[0] for one in coming]
    assert [one.index for one in rest[:-1]] == list(range(1, 40))
    assert isinstance(rest[-1], protocol.Certificate)
    assert rest[-1].summary == f"moves by up to {head.farthest:.1f} of 96 pixels, 40 frames"
    assert [text for text in told if text.startswith("Frame")] == [f"Frame {k} of 40" for k in range(1, 41, 4)]


@pytest.mark.parametrize(
    ("asked", "ends"),
    [({"loop": True}, "0 frames, a loop"), ({}, "0 frames"), ({"pull": (0.5, 0.5, 0.1, 0.0)}, "ringing after a pull")],
)
def test_a_film_is_called_a_loop_where_one_was_drawn(model, asked, ends):
    *_, last = records(protocol.Picture(model=model, **QUICK | asked), blocks())
    assert protocol.unpack(last)[0].summary.endswith(ends)


def test_what_was_done_to_the_picture_is_said_in_the_first_record(model):
    pixels = blocks(channels=4)
    pixels[..., 3] = 255
    pixels[:16, :, 3] = 0
    head, _ = protocol.unpack(next(records(protocol.Picture(model=model, **QUICK), pixels)))
    assert head.said[0] == "25% of the picture is transparent, and shown before a mid grey"


def test_what_would_go_farther_than_a_picture_holds_together_is_said(model, monkeypatch):
    """One swing of 5 pixels to either side, of 20: it begins at its one end."""
    coefficients = np.zeros((3, 20, 40, 2), np.complex64)
    coefficients[:2, 5:8, 5:8, 0] = [[[-2.5]], [[2.5]]]
    volume = spectral.SpectralVolume(coefficients)
    (told,) = expected.too_far(volume, 1.0)
    assert "by up to 25% of a side" in told and told.endswith("an amplitude of 0.6")
    assert expected.too_far(volume, 0.5) == ()
    monkeypatch.setattr(pipeline, "expected", lambda *_: volume)
    asked = {"model": model, "size": 64}
    assert told in alive(blocks(), protocol.Picture(**asked), silent).said
    assert not alive(blocks(), protocol.Picture(pull=(0.15, 0.3, 0.01, 0.0), **asked), silent).said


@pytest.mark.parametrize("at", ["Drawing the motion, step 2", "Frame 5"])
def test_a_job_that_is_cancelled_stops_there(model, monkeypatch, at):
    monkeypatch.setattr(pipeline, "AT_ONCE", 64 * 96 * 4)
    told = []

    def report(done, text):
        told.append(text)
        if text.startswith(at):
            raise Cancelled

    with pytest.raises(Cancelled):
        list(records(protocol.Picture(model=model, **QUICK), blocks(), report))
    assert told[-1].startswith(at)


# --- what cannot be


def broken(model: str, folder, network: str, parameter: str) -> str:
    """The model, with a number in it that is none."""
    dynamics = Dynamics.load(model)
    with torch.no_grad():
        dict(getattr(dynamics, network).named_parameters())[parameter].fill_(torch.nan)
    dynamics.save(folder)
    return str(folder)


def test_networks_that_give_no_numbers_are_told_of(model, tmp_path):
    bad = broken(model, tmp_path / "denoiser", "denoiser", "unet.conv_out.bias")
    with pytest.raises(wire.NotFinite, match=r"weights are broken\. Train it again, or name another model"):
        alive(blocks(), protocol.Picture(model=bad, **QUICK), silent)
    bad = broken(model, tmp_path / "renderer", "renderer", "last.1.bias")
    moving = alive(blocks(), protocol.Picture(model=bad, **QUICK), silent)
    with pytest.raises(wire.NotFinite, match="frame 1 holds colours that are not numbers"):
        list(moving.film(silent))


def test_a_motion_that_nobody_would_see_is_no_film(model, monkeypatch):
    expecting(monkeypatch, one_bin(0.02))
    with pytest.raises(Still, match=r"Nothing in it is seen to move, for it moves by 0.04 pixels at most: raise the"):
        alive(blocks(), protocol.Picture(model=model, **QUICK), silent)
    assert alive(blocks(), protocol.Picture(model=model, amplitude=2, **QUICK), silent).farthest > 0.05
    with pytest.raises(Still, match="raise the amplitude"):
        alive(blocks(), protocol.Picture(model=model, amplitude=0, **QUICK), silent)
    with pytest.raises(Still, match="pull it farther"):
        alive(blocks(), protocol.Picture(model=model, pull=(0.5, 0.5, 1e-4, 0), **QUICK), silent)


@pytest.mark.parametrize(
    ("asked", "error", "sentence"),
    [
        ({"fps": 1.0}, UnusableSetting, "fastest swing, 0.8 Hz, is too fast for 1 frames"),
        ({"fps": 240.0, "speed": 0.2}, UnusableSetting, "25 s has 6,000 frames at 240 a second, and 1,024 can be"),
        ({"size": 32}, UnusablePicture, "32 x 20 pixels"),
    ],
)
def test_a_film_that_cannot_be_is_refused(model, asked, error, sentence):
    with pytest.raises(error, match=sentence):
        alive(blocks(), protocol.Picture(model=model, **QUICK | asked), silent)


def test_steps_must_fit_the_model_which_may_have_other_levels_of_noise(model):
    dynamics = Dynamics.load(model)
    dynamics.scheduler.register_to_config(num_train_timesteps=90)
    assert expected.sampling(dynamics, 15).steps == 15
    with pytest.raises(UnusableSetting, match="20 steps do not divide 90, the levels of noise: take 10, 15, 18, 30, "):
        expected.sampling(dynamics, 20)
    assert pipelines.failure(UnusableSetting("a")).code == "unsupported"


def test_a_model_that_is_not_there_or_broken_is_told_of(tmp_path, monkeypatch, model):
    with pytest.raises(NoModel, match=r"No model lies in .*/none: train one with `python -m backend train dynamics"):
        alive(blocks(), protocol.Picture(model=str(tmp_path / "none")), silent)
    with pytest.raises(NoModel, match="No model lies in ~nobody-of-that-name/model, for there is no such user"):
        alive(blocks(), protocol.Picture(model="~nobody-of-that-name/model"), silent)
    monkeypatch.setattr(expected, "WEIGHTS", tmp_path / "weights")
    with pytest.raises(NoModel, match=r"No trained model comes with this version: train one with"):
        alive(blocks(), protocol.Picture(), silent)
    (tmp_path / "dynamics.json").write_text("{}")
    with pytest.raises(NoModel, match="cannot be read"):
        alive(blocks(), protocol.Picture(model=str(tmp_path)), silent)


def test_an_unfinished_training_is_told_apart_from_a_missing_model(tmp_path, model, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "checkpoint.pt").write_bytes(b"half of it")
    said = f"in {out} is not finished: go on with it by the same `python build.py train ...` and --resume"
    monkeypatch.setenv("ANTHESIS_COMMAND", "python build.py")
    for named in (out / "model", out):
        with pytest.raises(NoModel, match=re.escape(said)):
            alive(blocks(), protocol.Picture(model=str(named)), silent)
    shutil.copytree(model, out / "model")
    with pytest.raises(NoModel, match=r"No model lies in .*/modell: train one with `python build\.py train dynamics"):
        alive(blocks(), protocol.Picture(model=str(out / "modell")), silent)
    alive(blocks(), protocol.Picture(model=str(out / "model"), **QUICK), silent)


def without(monkeypatch, *names):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in names else found(name))


def test_without_torch_it_says_what_to_install(monkeypatch, tmp_path):
    without(monkeypatch, "torch", "PIL", "imageio_ffmpeg")
    with pytest.raises(
        NotInstalled, match=r"Not installed: torch\. Press .* Blender, or run: .*requirements-learned.txt"
    ):
        alive(blocks(), protocol.Picture(), silent)
    (tmp_path / "a.png").write_bytes(b"a picture")
    with pytest.raises(NotInstalled, match="Not installed: pillow"):
        files.read(tmp_path / "a.png")
    assert pipelines.failure(NotInstalled("a")).code == "unsupported"


# --- files


def saved(folder, image: Image.Image, name: str, **how):
    path = folder / name
    image.save(path, **how)
    return path


def test_pictures_of_every_kind_are_read_right(tmp_path):
    pixels = blocks(40, 56)
    colour, grey = Image.fromarray(pixels), Image.fromarray(pixels[..., 0])
    for name in ("a.png", "a.tif", "a.bmp"):
        np.testing.assert_array_equal(files.read(saved(tmp_path, colour, name)).pixels, pixels)
    for name in ("a.jpg", "a.webp"):
        assert np.abs(files.read(saved(tmp_path, colour, name, quality=95)).pixels.astype(int) - pixels).mean() < 8
    three = np.repeat(pixels[..., :1], 3, axis=-1)
    np.testing.assert_array_equal(files.read(saved(tmp_path, grey, "grey.png")).pixels, three)
    sixteen = Image.fromarray(np.maximum(pixels[..., 0].astype(np.int32) * 257 - 100, 0).astype(np.uint16))
    np.testing.assert_array_equal(files.read(saved(tmp_path, sixteen, "deep.png")).pixels, three)
    palette = colour.quantize(64)
    np.testing.assert_array_equal(
        files.read(saved(tmp_path, palette, "palette.png")).pixels, np.array(palette.convert("RGB"))
    )
    cmyk = colour.convert("CMYK")
    read = files.read(saved(tmp_path, cmyk, "print.tif")).pixels
    np.testing.assert_array_equal(read, pixels)


def test_opacity_is_read_where_there_is_one(tmp_path):
    pixels = blocks(40, 56, channels=4)
    np.testing.assert_array_equal(files.read(saved(tmp_path, Image.fromarray(pixels), "a.png")).pixels, pixels)
    grey = Image.fromarray(np.ascontiguousarray(pixels[..., [0, 3]]), mode=None)
    read = files.read(saved(tmp_path, grey, "grey.png")).pixels
    np.testing.assert_array_equal(read, pixels[..., [0, 0, 0, 3]])
    palette = Image.fromarray(pixels[..., :3]).quantize(8)
    read = files.read(saved(tmp_path, palette, "palette.png", transparency=0)).pixels
    np.testing.assert_array_equal(read[..., 3] == 0, np.array(palette) == 0)


def test_a_picture_is_upright_and_its_colours_are_those_of_its_profile(tmp_path):
    pixels = blocks(40, 56)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    turned = files.read(saved(tmp_path, Image.fromarray(pixels), "turned.png", exif=exif)).pixels
    np.testing.assert_array_equal(turned, np.rot90(pixels, -1))
    same = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    read = files.read(saved(tmp_path, Image.fromarray(pixels), "srgb.png", icc_profile=same)).pixels
    assert np.abs(read.astype(int) - pixels).max() <= 2
    read = files.read(saved(tmp_path, Image.fromarray(pixels), "broken.png", icc_profile=b"no profile")).pixels
    np.testing.assert_array_equal(read, pixels)


def test_a_picture_that_is_too_large_is_made_smaller_and_that_is_said(tmp_path):
    read = files.read(saved(tmp_path, Image.new("RGB", (8000, 2000), "red"), "large.png"))
    assert read.pixels.shape == (1024, 4096, 3)
    assert read.said == ("It has 8000 x 2000 pixels, and was made smaller: 4096 x 1024",)
    path = saved(tmp_path, Image.new("1", (12000, 12000)), "huge.png")
    with pytest.raises(Unreadable, match="more than 89 million pixels: make it smaller first"):
        files.read(path)


def test_what_is_no_picture_is_told_of(tmp_path):
    whole = saved(tmp_path, Image.fromarray(blocks(200, 200)), "whole.png").read_bytes()
    for name, data, sentence in (
        ("none.png", None, "There is no file"),
        ("words.png", b"no picture at all", "is not a picture that can be read"),
        ("empty.jpg", b"", "is not a picture that can be read"),
        ("short.png", whole[: len(whole) // 2], "is broken or cut off"),
    ):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(Unreadable, match=sentence):
            files.read(tmp_path / name)
    with pytest.raises(Unreadable, match="8 or 16 bits"):
        files.read(saved(tmp_path, Image.fromarray(np.zeros((40, 40), np.float32)), "float.tif"))
    several = [Image.fromarray(blocks(40, 40, seed=seed)) for seed in (1, 2)]
    read = files.read(saved(tmp_path, several[0], "several.gif", save_all=True, append_images=several[1:]))
    assert read.said == ("It holds several pictures, and the first is taken",)


def test_a_plane_shows_the_file_itself_where_it_holds_what_was_read(tmp_path):
    pixels = blocks(40, 56, channels=4)
    image = Image.fromarray(pixels)
    colour, palette = image.convert("RGB"), image.convert("RGB").quantize(8)
    for path, transparent in (
        (saved(tmp_path, image, "a.png"), True),
        (saved(tmp_path, colour, "b.png"), False),
        (saved(tmp_path, colour, "c.jpg"), False),
        (saved(tmp_path, image.convert("L"), "d.jpg"), False),
        (saved(tmp_path, palette, "e.png"), False),
        (saved(tmp_path, palette, "f.png", transparency=0), True),
        (saved(tmp_path, image.convert("LA"), "g.png"), True),
    ):
        photo = files.photo(path, files.read(path).pixels)
        assert (photo.albedo, photo.transparent, photo.lit) == (path.read_bytes(), transparent, False), path.name
        assert photo.ending == path.suffix


def test_a_plane_shows_what_was_read_where_viewers_would_not_see_that_in_the_file(tmp_path):
    image = Image.fromarray(blocks(40, 56, channels=4))
    colour, turned = image.convert("RGB"), Image.Exif()
    turned[0x0112] = 6
    deep = Image.fromarray(np.arange(40 * 56, dtype=np.uint16).reshape(40, 56) * 29)
    for path, ending, off in (
        (saved(tmp_path, image, "a.webp", lossless=True, exact=True), ".png", 0),
        (saved(tmp_path, colour, "b.bmp"), ".png", 0),
        (saved(tmp_path, colour, "c.png", exif=turned), ".png", 0),
        (saved(tmp_path, deep, "d.png"), ".png", 0),
        (saved(tmp_path, colour.convert("CMYK"), "e.tif"), ".png", 0),
        (saved(tmp_path, colour, "f.jpg", exif=turned), ".jpg", 40),
        (saved(tmp_path, colour.convert("CMYK"), "g.jpg"), ".jpg", 40),
    ):
        pixels = files.read(path).pixels
        photo = files.photo(path, pixels)
        assert photo.albedo != path.read_bytes() and photo.ending == ending, path.name
        with Image.open(io.BytesIO(photo.albedo)) as held:
            plain = np.asarray(held).astype(int)
        assert (held.mode, plain.shape) == ("RGBA" if photo.transparent else "RGB", pixels.shape)
        assert np.abs(plain - pixels).max() <= off, path.name


# --- run


@pytest.fixture
def said(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGINT)

    def of(*options):
        code = run.main([str(option) for option in options])
        out, err = capsys.readouterr()
        return code, json.loads(out.splitlines()[-1]) if code == 0 else None, err

    yield of
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def photo(tmp_path):
    return saved(tmp_path, Image.fromarray(blocks()), "photo.png")


SET = ["--set", "steps=2", "--set", "loop=0", "--fps", "8"]


def test_run_writes_films(said, photo, model, tmp_path):
    for name in ("film.mp4", "film.gif", "film"):
        code, told, err = said(photo, "-o", name, "--model", model, *SET)
        assert code == 0, err
        assert (told["file"], told["frames"], told["width"], told["height"]) == (name, 40, 96, 64)
        assert told["made"]["kind"] == "picture"
        assert f"{name}: moves by up to" in err and "40 frames\n" in err
    film = cv2.VideoCapture(str(tmp_path / "film.mp4"))
    seen = []
    while (frame := film.read())[0]:
        seen.append(frame[1][..., ::-1])
    assert (film.get(cv2.CAP_PROP_FPS), len(seen), seen[0].shape) == (8.0, 40, (64, 96, 3))
    film.release()
    assert np.abs(seen[0].astype(int) - blocks()).mean() < 8
    with Image.open(tmp_path / "film.gif") as gif:
        lengths = []
        for number in range(gif.n_frames):
            gif.seek(number)
            lengths.append(gif.info["duration"])
        assert (sum(lengths), gif.info["loop"]) == (5000, 0)
    stills = sorted((tmp_path / "film").iterdir())
    assert [path.name for path in stills] == [f"film_{number:04d}.png" for number in range(1, 41)]
    assert np.abs(files.read(stills[0]).pixels.astype(int) - blocks()).max() <= 2
    code, told, _ = said(photo, "-o", "film", "--model", model, *SET, "--set", "speed=2")
    assert (code, told["frames"], len(list((tmp_path / "film").iterdir()))) == (0, 20, 20)
    assert not list(tmp_path.glob(".*part*"))


def test_run_writes_the_motion_alone(said, photo, model, tmp_path):
    code, _, err = said(photo, "-o", "motion.npz", "--model", model, *SET, "--set", "amplitude=3", "--seed", "4")
    assert code == 0, err
    with np.load(tmp_path / "motion.npz", allow_pickle=False) as found:
        assert found["coefficients"].shape == (5, HIGH, WIDE, 2)
        assert (float(found["base"]), found["picture"].shape) == (0.2, (64, 96, 3))
        assert json.loads(str(found["provenance"]))["amplitude"] == "3.0"


def test_run_pulls(said, photo, model, monkeypatch):
    expecting(monkeypatch, one_bin(0.3, number=4))
    code, told, err = said(photo, "-o", "film.gif", "--model", model, *SET, "--pull", "0.5,0.5,0.05,0")
    assert (code, told["frames"], told["made"]["pull"]) == (0, 80, [0.5, 0.5, 0.05, 0]), err
    assert "80 frames, ringing after a pull" in err


PLANE = ["--set", "detail=13", "--set", "size=3", "--fps", "8"]


def test_run_writes_a_plane_that_shows_the_picture_upright(said, photo, model, monkeypatch, tmp_path):
    asked = expecting(monkeypatch, one_bin(1.5))
    code, told, err = said(photo, "-o", "plane.glb", "--model", model, *PLANE, "--seed", "6", "--set", "steps=20")
    assert code == 0, err
    assert (told["frames"], told["vertices"], told["made"]["kind"]) == (40, 13 * 9, "plane")
    assert [(seed, how) for _, seed, how in asked] == [(6, replace(Sampling(), steps=20))]
    (mesh,) = trimesh.load_scene(tmp_path / "plane.glb", process=False).geometry.values()
    texture = np.asarray(mesh.visual.material.baseColorTexture)
    np.testing.assert_array_equal(texture, blocks())
    x, y, _ = mesh.vertices.T  # Y up; trimesh counts v from below
    np.testing.assert_allclose(mesh.visual.uv, np.stack([x / 3 + 0.5, y / 2], axis=1), atol=1e-6)
    assert (mesh.face_normals @ [0, 0, 1] > 0.99).all()  # to whom looks along Blender's Y


@pytest.mark.parametrize("name", ["plane.usdc", "plane.usdz"])
def test_run_writes_a_plane_that_moves_as_the_picture_is_expected_to(said, photo, model, monkeypatch, tmp_path, name):
    expecting(monkeypatch, one_bin(1.5))
    code, _, err = said(photo, "-o", name, "--model", model, *PLANE)
    assert code == 0, err
    stage = Usd.Stage.Open(str(tmp_path / name))
    points = UsdGeom.Mesh(stage.GetPrimAtPath("/Anthesis/Mesh")).GetPointsAttr()
    moved = np.array([points.Get(k + 1)[13 * 4 + 6] for k in range(40)])  # in the middle
    swing = 1.5 / WIDE * 3 * (np.cos(2 * np.pi * np.arange(40) / 40) - 1)  # at first it is as it was brought
    np.testing.assert_allclose(moved, [0, 0, 1] + swing[:, None] * [1, 0, 0], atol=1e-5)
    beside = [path.read_bytes() for path in tmp_path.glob("plane_picture.png")]
    assert beside == ([photo.read_bytes()] if name.endswith("c") else [])


def test_run_makes_a_film_of_a_picture_of_8000_x_8000_pixels(said, model, monkeypatch, tmp_path):
    expecting(monkeypatch, one_bin(1.5))
    large = Image.new("L", (8000, 8000), 60)
    large.paste(200, (2000, 2000, 6000, 6000))
    path = saved(tmp_path, large, "large.png", compress_level=1)
    code, told, err = said(path, "-o", "film", "--model", model, *SET, "--set", "size=64")
    assert (code, told["frames"], told["width"], told["height"]) == (0, 40, 64, 64), err
    assert "It has 8000 x 8000 pixels, and was made smaller: 4096 x 4096" in err
    first = files.read(tmp_path / "film" / "film_0001.png").pixels
    assert (np.abs(first[[4, 32], [4, 32]].astype(int) - [[60], [200]]) <= 2).all()


@pytest.mark.parametrize("name", ["film.mp4", "motion.npz", "plane.glb"])
def test_run_refuses_a_picture_of_10_x_10_pixels(said, model, tmp_path, name):
    path = saved(tmp_path, Image.fromarray(blocks(10, 10)), "small.png")
    code, _, err = said(path, "-o", name, "--model", model)
    assert code == 2
    assert "The picture has 10 x 10 pixels, and at least 32 a side are needed to see what moves: take a larger" in err
    assert [found.name for found in tmp_path.iterdir()] == ["small.png"]


def test_run_does_not_write_over_the_picture_that_it_was_given(said, model, tmp_path):
    path = saved(tmp_path, Image.fromarray(blocks()), "plane_picture.png")
    code, _, err = said(path, "-o", "plane.usdc", "--model", model)
    assert (code, "plane_picture.png would be written over" in err) == (2, True), err
    assert [found.name for found in tmp_path.iterdir()] == ["plane_picture.png"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["photo.png", "-o", "plane.obj"], "A plane that shows the picture and sways ends with .glb, .usdc, .usdz"),
        (["photo.png", "-o", "none/plane.glb"], "does not exist: make it"),
        (["missing.jpg", "-o", "plane.glb"], "There is no file missing.jpg"),
        (["photo.png", "-o", "plane.glb", "--frames", "9"], "--frames is not for a picture's plane, which sways in a"),
        (["photo.png", "-o", "plane.glb", "--pull", "0.5,0.5,0.1,0"], "--pull is not for a picture's plane"),
        (["photo.png", "-o", "plane.glb", "--set", "damping=0.1"], 'plane has no setting "damping": it has size, '),
        (["photo.png", "-o", "plane.glb", "--model", "nowhere"], "No model lies in nowhere: train one"),
        (["photo.png", "-o", "film.avi"], "Cannot write a film as .avi: end the name with .mp4 or .gif"),
        (["photo.png", "-o", "none/film.mp4"], "does not exist: make it"),
        (["missing.jpg", "-o", "film.mp4"], "There is no file missing.jpg"),
        (["photo.png", "-o", "film.mp4", "--frames", "9"], "--frames is not for a picture"),
        (["photo.png", "-o", "film.mp4", "--process", "melt"], "--process is not for a picture"),
        (["photo.png", "-o", "film.mp4", "--set", "droop=1"], 'A picture has no setting "droop": it has amplitude'),
        (["photo.png", "-o", "film.mp4", "--set", "loop=2"], "loop, a whole number from 0 to 1, and 2 is not"),
        (["photo.png", "-o", "film.mp4", "--set", "amplitude=99"], "amplitude, a number from 0 to 10"),
        (["photo.png", "-o", "film.mp4", "--pull", "1,2"], "--pull takes four shares of the picture"),
        (["photo.png", "-o", "film.mp4", "--pull", "2,0,0.1,0"], "is not in the picture"),
        (["photo.png", "-o", "film.mp4", "--model", "nowhere"], "No model lies in nowhere: train one"),
        (["a rose", "-o", "rose.npz", "--model", "nowhere"], "--model is for a picture"),
    ],
)
def test_run_refuses_in_a_sentence(said, photo, options, sentence):
    code, _, err = said(*options)
    assert (code, sentence in err) == (2, True), err
