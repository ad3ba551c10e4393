"""Videos as training data, on videos that are drawn here: what swings is measured, what is no good is told."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from backend.commands import train, trainings
from backend.report import silent
from backend.training.dynamics import flow as ways
from backend.training.dynamics import samples, videos
from backend.training.dynamics.camera import affine, follows_camera
from backend.training.dynamics.flow import Flow, dis
from backend.training.dynamics.samples import Corpus
from backend.training.dynamics.videos import OtherFlow, Preparation, Reason, prepare

ROOT = Path(__file__).resolve().parents[2]
DIS = dis()
HOW = Preparation(height=80, width=128, bins=16)
FRAMES, RATE = 152, 30.0
HIGH, WIDE = 160, 256


def texture(seed, height=HIGH, width=WIDE):
    """Smooth noise in colours, with an edge in it wherever one looks."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return np.clip((soft - soft.mean()) * 5 + 128, 0, 255)


def shifted(picture, x, y):
    """Content moved by x to the right and y down."""
    return cv2.warpAffine(
        picture, np.float32([[1, 0, x], [0, 1, y]]), picture.shape[1::-1], flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip


def swinging(path_of):
    """A patch of 96 x 80 pixels of another texture in the middle, at path_of(t) (2,) of t in seconds."""
    back, front = texture(1), texture(2)
    window = np.zeros((HIGH, WIDE, 1), np.float32)
    window[40:120, 80:176] = 1.0
    for n in range(FRAMES):
        x, y = path_of(n / RATE)
        cover = shifted(window, x, y)[..., None]
        yield cover * shifted(front, x, y) + (1 - cover) * back


def sway(t):
    """0.6 Hz across with an amplitude of 6 pixels, 1 Hz down with 3."""
    return 6 * np.cos(2 * np.pi * 0.6 * t), 3 * np.sin(2 * np.pi * 1.0 * t)


def filmed(path, frames, rate=RATE):
    """Written without loss that matters."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, (WIDE, HIGH))
    writer.set(cv2.VIDEOWRITER_PROP_QUALITY, 98)
    for frame in frames:
        writer.write(np.clip(frame, 0, 255).astype(np.uint8)[..., ::-1])
    writer.release()
    assert path.stat().st_size
    return path


def only(found):
    (one,) = found
    return one


@pytest.fixture(scope="module")
def swung(tmp_path_factory):
    path = filmed(tmp_path_factory.mktemp("video") / "patch.avi", swinging(sway))
    return only(videos.samples_of(path, "patch.avi", HOW, DIS))


def test_a_patch_that_swings_is_measured(swung):
    volume = swung.volume.coefficients  # in pixels of half the video's
    middle = volume[:, 26:54, 48:80].reshape(16, -1, 2).mean(axis=1)
    expected = np.zeros((16, 2), complex)
    expected[3, 0] = 3.0
    expected[5, 1] = -1.5j
    expected[0, 0] = -3.0  # the picture shows it at the end of its swing
    np.testing.assert_allclose(middle, expected, atol=0.3)
    assert np.abs(volume[:, :12]).max() < 0.4  # what stands still


def test_the_later_frames_are_where_the_motion_says(swung):
    assert swung.picture.shape == (3, 80, 128) and swung.later.shape == (3, 3, 80, 128)
    for turn, flow in zip(swung.turns, swung.flows, strict=True):
        x, y = (np.array(sway(turn * 5)) - sway(0)) / 2
        np.testing.assert_allclose(flow[:, 26:54, 48:80].mean(axis=(1, 2)), [x, y], atol=0.25)
    moved = cv2.remap(
        np.ascontiguousarray(np.moveaxis(swung.later[0], 0, 2)).astype(np.float32),
        *(np.float32(grid) + swung.flows[0][i] for i, grid in enumerate(np.meshgrid(range(128), range(80)))),
        cv2.INTER_LINEAR,
    )
    off = np.abs(moved - np.moveaxis(swung.picture, 0, 2))[26:54, 48:80].mean()
    unmoved = np.abs(swung.later[0].astype(float) - swung.picture)[:, 26:54, 48:80].mean()
    assert off < 0.25 * unmoved


def test_a_panning_camera_is_rejected(tmp_path):
    wide = texture(3, HIGH, WIDE + FRAMES)
    path = filmed(tmp_path / "pan.avi", (wide[:, n // 2 : n // 2 + WIDE] for n in range(FRAMES)))
    assert only(videos.samples_of(path, "pan", HOW, DIS)).reason == Reason.CAMERA


def test_a_shaking_and_a_zooming_camera_are_rejected_and_a_branch_before_a_wall_is_not():
    y, x = np.mgrid[:60, :100].astype(np.float32)
    zoom, shake, branch = np.zeros((3, 8, 60, 100, 2), np.float32)
    t = np.arange(8)[:, None, None]
    zoom[..., 0], zoom[..., 1] = 0.01 * t * (x - 50), 0.01 * t * (y - 30)
    shake[..., 0] = 0.9 * np.sin(t)
    branch[:, :, :40, 0] = 9 * np.sin(t)  # two fifths of the picture
    assert follows_camera(zoom) and follows_camera(shake) and not follows_camera(branch)


def test_the_map_that_most_points_follow_is_not_drawn_aside_by_the_others():
    rng = np.random.default_rng(0)
    design = np.concatenate([np.ones((200, 1)), rng.uniform(-0.5, 0.5, (200, 2))], axis=1)
    truth = np.array([[[0.02, -0.01], [0.05, 0.03], [-0.04, 0.01]]])
    flow = design @ truth
    flow[:, :60] += rng.uniform(0.05, 0.2, (1, 60, 2))
    maps, share = affine(flow, design)
    np.testing.assert_allclose(maps, truth, atol=1e-3)
    assert share[0] == pytest.approx(0.7, abs=0.02)


def test_a_cut_is_rejected(tmp_path):
    scene = [*swinging(sway)]
    other = texture(4)
    path = filmed(tmp_path / "cut.avi", [*scene[:70], *(other for _ in range(82))])
    assert only(videos.samples_of(path, "cut", HOW, DIS)).reason == Reason.CUT


def test_a_still_is_rejected(tmp_path):
    rng, scene = np.random.default_rng(0), texture(5)
    path = filmed(tmp_path / "still.avi", (scene + rng.normal(0, 3, scene.shape) for _ in range(FRAMES)))
    assert only(videos.samples_of(path, "still", HOW, DIS)).reason == Reason.STILL


def test_flow_that_leads_elsewhere_does_not_explain_what_is_seen():
    frames = np.stack([frame.astype(np.uint8) for _, frame in zip(range(40), swinging(sway), strict=False)])
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    moved = videos.flow_from_first(frames, DIS)
    assert videos.residual(grey, moved) < videos.LOST / 2
    assert videos.residual(grey, -moved) > videos.LOST
    assert videos.residual(grey, moved * np.float32([-1, 1])) > videos.LOST


def test_what_flickers_is_not_taken_for_motion(tmp_path):
    rng = np.random.default_rng(0)
    path = filmed(tmp_path / "snow.avi", (rng.uniform(0, 255, (HIGH, WIDE, 3)) for _ in range(FRAMES)))
    assert only(videos.samples_of(path, "snow", HOW, DIS)).reason in (Reason.LOST, Reason.CAMERA)


def test_a_broken_file_and_a_short_one_are_told(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video at all" * 100)
    filmed(tmp_path / "short.avi", (texture(6) for _ in range(30)))
    tally = prepare(tmp_path, tmp_path / "out", HOW, DIS)
    assert tally.clips == 0
    assert [one.video for one in tally.rejected] == ["broken.mp4", "short.avi"]
    assert tally.rejected[0].reason.startswith("cannot be read: it is no video")
    assert tally.rejected[1].reason == "shorter than five seconds"
    assert str(tally) == (
        "0 clips; 1 video left out: cannot be read: it is no video, or damaged (broken.mp4); "
        "1 video left out: shorter than five seconds (short.avi)"
    )


def test_files_are_named_and_clips_are_counted():
    cuts = [videos.Rejected(f"{name}.mp4", second, "has a cut") for name in "abcde" for second in (0.0, 0.3)]
    broken = [videos.Rejected(f"{name}.mp4", 0.0, "cannot be read: it is no video") for name in "fgh"]
    assert str(videos.Tally(1, [*broken, *cuts])) == (
        "1 clip; 10 clips left out: has a cut (a.mp4, b.mp4, c.mp4 and 2 more); "
        "3 videos left out: cannot be read: it is no video (f.mp4, g.mp4, h.mp4)"
    )


def test_the_decoder_is_silent_where_a_file_is_broken(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video at all" * 100)
    script = (
        "import sys; from pathlib import Path; from backend.training.dynamics import videos\n"
        "try: next(videos.clips(Path(sys.argv[1]), videos.Preparation()))\n"
        "except videos.Unreadable as error: print(error)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "broken.mp4")]
    clean = {name: value for name, value in os.environ.items() if name not in videos.QUIET}
    done = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("it is no video, or damaged\n", "")


def test_a_refusal_leaves_no_clips_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(ways, "dis", lambda: known("dis"))
    filmed(tmp_path / "in" / "short.avi", (texture(6) for _ in range(30)))
    asked = ["dynamics", "--videos", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    arguments, plan = train._parser().parse_args(asked), SimpleNamespace(sizes=HOW)
    with pytest.raises(trainings.Unfit, match="No clip in"):
        trainings.of_videos(arguments, plan, silent)
    assert not (tmp_path / "out" / "clips").exists()
    path = filmed(tmp_path / "in" / "patch.avi", swinging(sway))
    trainings.of_videos(arguments, plan, silent)
    path.unlink()  # its clip is there, and a refusal lets it be
    with pytest.raises(trainings.Unfit, match="No clip in"):
        trainings.of_videos(arguments, plan, silent)
    assert len([*(tmp_path / "out" / "clips").glob("t*/*.safetensors")]) == 1


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="No videos lie in"):
        prepare(tmp_path, tmp_path / "out", HOW, DIS)


def test_clips_are_stored_and_not_prepared_twice(tmp_path, monkeypatch):
    scene = [*swinging(sway)]
    path = filmed(tmp_path / "in" / "deep" / "patch.AVI", [*scene, *scene[2:22]])
    tally = prepare(tmp_path / "in", tmp_path / "out", HOW, DIS)
    assert (tally.clips, tally.rejected) == (3, [])
    corpus = Corpus(only((tmp_path / "out").glob("t*")))
    assert len(corpus) == 3 and set(corpus.origins) == {"deep/patch.AVI"}
    third = [*videos.samples_of(path, "deep/patch.AVI", HOW, DIS)][2]
    np.testing.assert_array_equal(corpus[2].slices, third.slices)
    np.testing.assert_array_equal(corpus[2].later, third.later)
    monkeypatch.setattr(videos, "samples_of", None)
    assert prepare(tmp_path / "in", tmp_path / "out", HOW, DIS) == tally
    record = json.loads(only((tmp_path / "out" / "videos").iterdir()).read_text())
    assert record["about"]["video"] == "deep/patch.AVI"


def known(name):
    """A flow that knows how the patch swings, and does not look."""

    def find(first, later):
        moved = np.zeros((*later.shape[:3], 2), np.float32)
        way = np.array([sway(n / RATE) for n in range(1, len(later) + 1)]) - sway(0)
        moved[:, 40:120, 86:182] = way[:, None, None]
        return moved

    return Flow(name, find)


@pytest.fixture
def prepared(tmp_path):
    """A folder with two videos of a clip each, and one with their clips."""
    scene = [*swinging(sway)]
    for name in ("one.avi", "two.avi"):
        filmed(tmp_path / "in" / name, scene)
    assert prepare(tmp_path / "in", tmp_path / "out", HOW, known("dis")).clips == 2
    return tmp_path / "in", tmp_path / "out"


def test_what_was_found_by_one_flow_is_not_mixed_with_what_another_one_finds(prepared):
    folder, out = prepared
    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    (folder / "one.avi").unlink()
    filmed(folder / "three.avi", (texture(6) for _ in range(30)))
    with pytest.raises(OtherFlow, match=r"was found by dis, and not by another: go on with that one, or name another "):
        prepare(folder, out, HOW, known("another"))
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == before
    for path in before:  # a kill may leave clips of which no record was written
        if path.suffix == ".json":
            path.unlink()
    with pytest.raises(OtherFlow):
        prepare(folder, out, HOW, known("another"))


def test_clips_from_before_a_flow_could_be_chosen_are_those_of_dis(prepared, monkeypatch):
    folder, out = prepared
    for path in out.rglob("*.safetensors"):
        told = samples.about(path)
        assert told.pop("flow") == "dis"
        whole = Corpus(path.parent)
        samples.write(path, [whole[whole.paths.index(path)]], told)
    for path in out.rglob("*.json"):
        record = json.loads(path.read_text())
        del record["about"]["flow"]
        path.write_text(json.dumps(record))
    with pytest.raises(OtherFlow):
        prepare(folder, out, HOW, known("another"))
    monkeypatch.setattr(videos, "samples_of", None)
    assert prepare(folder, out, HOW, known("dis")).clips == 2


def test_a_model_says_by_which_flow_its_videos_were_followed(tmp_path, monkeypatch):
    filmed(tmp_path / "in" / "patch.avi", swinging(sway))
    monkeypatch.setattr(ways, "raft", lambda weights, device: known(f"{weights.name} on {device}"))
    plan = SimpleNamespace(sizes=HOW)
    asked = ["dynamics", "--videos", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--raft-weights", "a.pth"]
    arguments = train._parser().parse_args([*asked, "--flow", "raft"])
    data = trainings.of_videos(arguments, plan, silent)
    assert data.about.startswith("clips of the videos in in, whose motion was found by a.pth on cpu")
    with pytest.raises(trainings.Unfit, match=r"was found by a\.pth on cpu, and not by dis"):
        trainings.of_videos(train._parser().parse_args(asked), plan, silent)


def test_a_fast_video_is_thinned_and_the_middle_of_a_tall_one_is_taken(tmp_path):
    rows = np.zeros((HIGH, WIDE, 3), np.float32)
    rows[:, :, 0] = np.linspace(0, 255, HIGH)[:, None]
    path = filmed(tmp_path / "fast.avi", (rows for _ in range(310)), 60.0)
    clip = only(videos.clips(path, Preparation(height=64, width=128)))
    assert clip.frames.shape == (150, 128, 256, 3)
    np.testing.assert_allclose(clip.frames[0, [0, -1], :, 0].mean(axis=1), [255 * 16 / 160, 255 * 144 / 160], atol=4)
