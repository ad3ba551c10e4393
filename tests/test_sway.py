"""Sway of any mesh: what is asked for, what comes out, and how a client puts the motion together from the records."""

import json
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
import trimesh

from backend import pipelines, protocol, spectral, wind, wire
from backend.clip import Mesh
from backend.commands import run
from backend.geometry.anatomy import Anatomy
from backend.geometry.modes import Modes, Rigid
from backend.pipelines.jobs import swung
from backend.pipelines.lifecycle import UnusableSubject, weld
from backend.pipelines.sway import LONGEST, _told_of_parts, sway, usual_pitch
from backend.report import silent
from tests.played import synthesise

QUICK = {"modes": 6, "frequencies": 8}
CAMERA = protocol.Camera(
    view=(1, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, -5, 0, 0, 0, 1),
    projection=(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, -0.2, 0, 0, -1, 0),
)


@pytest.fixture(scope="module")
def post() -> Mesh:
    """A square post 1.5 m high, on the floor away from the origin."""
    box = trimesh.creation.box((0.1, 0.1, 1.5)).subdivide().subdivide().subdivide()
    return Mesh.from_triangles(box.vertices + [2.0, -1.0, 0.75], box.faces)


@pytest.fixture(scope="module")
def swaying(post):
    return sway(post, protocol.Sway(seed=5, **QUICK), silent)


def swing(swaying, *, of=slice(None)) -> np.ndarray:
    """(V,) root mean square of the motion about its mean."""
    moved = spectral.looped(swaying.volume, 32)[:, of]
    return np.sqrt(((moved - moved.mean(axis=0)) ** 2).sum(axis=-1).mean(axis=0))


def test_the_foot_stands_and_the_top_swings_most(post, swaying):
    swings, height = swing(swaying), post.vertices[:, 2]
    assert swings[height == 0].max() < 1e-6
    assert swings[height == 1.5].min() > 0.003 * 1.5
    assert np.corrcoef(height, swings)[0, 1] > 0.9


def test_a_loop_leads_back_into_itself(swaying):
    frames = list(swung(swaying.mesh, swaying.volume, 40))
    again = swaying.mesh.vertices + synthesise(swaying.volume, [swaying.volume.period])[0]
    assert np.abs(again - frames[0].positions).max() < 1e-5
    assert spectral.seam(np.stack([frame.positions for frame in frames])) < 0.2
    assert [frame.tau for frame in frames[:3]] == [0, 1 / 40, 2 / 40]


def test_pitch_is_the_slowest_swing(post):
    for pitch, heard in ((0.0, usual_pitch(1.5)), (1.7, 1.7)):
        modes = sway(post, protocol.Sway(pitch=pitch, **QUICK), silent).modes
        assert np.isclose(modes.frequencies[0], heard)
        assert (np.diff(modes.frequencies) >= 0).all()


def test_usual_pitch_falls_with_size():
    assert usual_pitch(4.0) < usual_pitch(1.0) < usual_pitch(0.25)
    assert usual_pitch(1e-4) == usual_pitch(1e-3)
    assert usual_pitch(1e3) == usual_pitch(1e4)


def test_a_storm_bends_it_as_far_as_was_said(post):
    for bend in (0.1, 0.3):
        lean = sway(post, protocol.Sway(storm=1.0, bend=bend, **QUICK), silent).volume.lean
        farthest = np.linalg.norm(lean, axis=1).max() / 1.5
        assert 0.6 * bend < farthest <= bend


def test_stronger_wind_moves_it_further(post):
    sways = [sway(post, protocol.Sway(storm=storm, **QUICK), silent) for storm in (0.1, 0.4, 1.0)]
    assert np.all(np.diff([swing(one).max() for one in sways]) > 0)
    assert np.all(np.diff([np.abs(one.volume.lean).max() for one in sways]) > 0)


def test_it_leans_where_the_wind_blows_to(post):
    for direction in (0.7, -2.0):
        lean = sway(post, protocol.Sway(direction=direction, **QUICK), silent).volume.lean
        towards = lean[post.vertices[:, 2] == 1.5].mean(axis=0)
        assert np.isclose(np.arctan2(towards[1], towards[0]), direction, atol=0.05)


def test_another_seed_is_another_gust_in_the_same_wind(post, swaying):
    other = sway(post, protocol.Sway(seed=6, **QUICK), silent)
    assert np.abs(other.volume.coefficients[1:] - swaying.volume.coefficients[1:]).max() > 1e-3
    assert np.allclose(other.volume.lean, swaying.volume.lean, atol=1e-6)


def test_what_is_pinned_stays(post):
    pin = (post.vertices[:, 2] > 1.45).astype(np.float32)
    hanging = replace(post, pin=pin)
    swings = swing(sway(hanging, protocol.Sway(**QUICK), silent))
    assert swings[pin == 1].max() < 1e-6
    assert swings[post.vertices[:, 2] == 0].min() > 1e-3


def test_what_a_specimen_grows_in_stays_beside_what_is_pinned(post):
    height = post.vertices[:, 2]
    parts = (height < 0.5).astype(np.int32)
    planted = replace(post, parts=parts, part_names=("stem", "soil"))
    pinned = replace(planted, pin=(height > 1.4).astype(np.float32))
    for mesh, still in ((planted, height < 0.5), (pinned, (height < 0.5) | (height > 1.4))):
        for request in (protocol.Sway(**QUICK), protocol.SwayAsSeen(camera=CAMERA, modes=6)):
            shapes = sway(mesh, request, silent).modes.shapes
            assert not shapes[:, still].any() and shapes[:, ~still].any(axis=(0, 2)).all()
    unknown = replace(planted, part_names=("stem", "pot"))
    assert sway(unknown, protocol.Sway(**QUICK), silent).modes.shapes[:, (height > 0.2) & (height < 0.5)].any()


def test_only_what_takes_part_sways(post):
    height = post.vertices[:, 2]
    upper = sway(replace(post, weight=(height > 0.9).astype(np.float32)), protocol.Sway(**QUICK), silent)
    assert swing(upper)[height <= 0.9].max() < 1e-6
    assert swing(upper)[height == 1.5].min() > 1e-3
    half = sway(
        replace(post, weight=np.where(height > 1.4, 0.5, 1.0).astype(np.float32)), protocol.Sway(**QUICK), silent
    )
    whole = sway(post, protocol.Sway(**QUICK), silent)
    assert np.allclose(swing(half)[height > 1.4], 0.5 * swing(whole)[height > 1.4], rtol=1e-4)


def test_what_hangs_on_what_takes_no_part_has_no_foot(post):
    height = post.vertices[:, 2]
    swings = swing(sway(replace(post, weight=(height < 0.8).astype(np.float32)), protocol.Sway(**QUICK), silent))
    assert swings[height == 0].min() > 2 * swings[height == 0.5625].max() > 0


def test_the_loop_has_the_frequencies_that_were_asked_for(post):
    volume = sway(post, protocol.Sway(lowest=0.4, frequencies=5, modes=4), silent).volume
    assert np.allclose(volume.frequencies, [0, 0.4, 0.8, 1.2, 1.6]) and volume.period == 2.5


def test_the_air_damps_what_moves_in_it_and_a_storm_more(post):
    calm, storm = (sway(post, protocol.Sway(storm=storm, damping=0.07, **QUICK), silent) for storm in (0.1, 1.0))
    assert (calm.damping > 0.07).all()
    speeds = storm.answer.wind.speed / calm.answer.wind.speed
    assert np.allclose((storm.damping - 0.07) / (calm.damping - 0.07), speeds)


def test_no_wind_at_all_leaves_a_breath_that_can_be_turned_up(post):
    calm = sway(post, protocol.Sway(storm=0.0, **QUICK), silent)
    assert 0 < swing(calm).max() < 1e-3
    assert np.isfinite(calm.answer.gains(calm.strongest)).all()


@pytest.mark.parametrize(("times", "height"), [(1, wind.HEIGHT), (4, 6.0)])
def test_wind_blows_at_the_height_of_what_it_moves(post, times, height):
    swaying = sway(replace(post, vertices=times * post.vertices), protocol.Sway(storm=0.5, **QUICK), silent)
    assert np.isclose(swaying.answer.wind.speed, wind.speed_of(5, height))
    assert np.isclose(swaying.strongest, wind.speed_of(10, height))  # whatever wind was asked for
    assert np.isclose(swaying.answer.wind.length, 0.7 * 8.1 * height)


def test_wind_meets_a_body_of_its_own_size(post, swaying):
    surface = swaying.limber.surface
    assert np.allclose(np.ptp(surface.points, axis=0), [0.1, 0.1, 1.5], atol=1e-6)
    assert np.isclose(surface.areas.sum(), 4 * 0.1 * 1.5 + 2 * 0.1**2, rtol=1e-5)


def records_of(mesh: Mesh, request: protocol.Sway) -> list:
    made = pipelines.carry_out(request, bytes(wire.pack_mesh(mesh)), silent)
    return [protocol.unpack(bytes(record)) for record in made]


def test_a_client_can_put_the_motion_together(post):
    request = protocol.Sway(direction=0.4, seed=2, **QUICK)
    records = records_of(post, request)
    kinds = [type(record) for record, _ in records]
    assert kinds == [protocol.Subject, *[protocol.ModeRecord] * 6, protocol.SwayRecord, protocol.Certificate]
    assert records[0][0].loop and records[0][0].windblown
    shapes = np.stack([arrays["shape"] for _, arrays in records[1:7]])
    answer, arrays = records[7]
    x, y = (arrays[name][..., 0] + 1j * arrays[name][..., 1] for name in ("along_x", "along_y"))
    amplitudes = np.cos(answer.direction) * x + np.sin(answer.direction) * y
    volume = spectral.lifted(amplitudes, shapes, answer.base)
    clip = pipelines.made(request, bytes(wire.pack_mesh(post)), silent).clip
    assert clip.loop and len(clip.positions) == request.frames
    moved = spectral.looped(volume, request.frames)
    assert np.abs(post.vertices + moved - clip.positions).max() < 1e-5
    told = {name: value for name, value, _ in records[-1][0].measured}
    assert 0.005 < told[protocol.Certificate.DISPLACEMENT] < 0.3
    about = moved - moved.mean(axis=0)
    for name, motion in (("largest swing", about), ("largest lean", volume.lean)):
        size = np.linalg.norm(motion, axis=-1).max() / 1.5
        assert told[name] == pytest.approx(size, rel=0.1)  # looked at less often


def test_a_specimen_in_the_wind_is_measured_as_a_loop():
    request = protocol.Generate(prompt="a sprout swaying", frames=3)
    *_, last = pipelines.carry_out(request, None, silent)
    assert "largest swing" in {name for name, _, _ in protocol.unpack(bytes(last))[0].measured}


def test_records_hold_numbers_only():
    with pytest.raises(wire.NotFinite):
        wire.pack_mode(0, 1.0, 0.1, np.full((3, 3), np.nan))
    good, bad = np.zeros((2, 3), complex), np.full((2, 3), complex(0, np.inf))
    record = protocol.SwayRecord(base=0.2, direction=0.0, speed=1.0, length=10.0, strain=0.1, strongest=9.0)
    with pytest.raises(wire.NotFinite):
        wire.pack_sway(record, good, bad)
    unpacked, arrays = protocol.unpack(bytes(wire.pack_sway(record, good + 1j, good + 2)))
    assert unpacked.length == 10.0
    assert np.array_equal(arrays["along_x"], np.broadcast_to([0, 1], (2, 3, 2)))


def test_frames_of_a_loop():
    assert protocol.Sway().frames == 120
    assert protocol.Sway(fps=30, lowest=0.4).frames == 75


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"fps": 10, "lowest": 0.5}, "7.5 Hz, is too fast for 10 frames"),
        ({"fps": 240, "lowest": 0.05}, "4,800 frames at 240"),
    ],
)
def test_a_loop_that_frames_cannot_show_is_refused(setting, sentence):
    with pytest.raises(ValueError, match=sentence):
        protocol.Sway(**setting)


@pytest.mark.parametrize("setting", [{"direction": 4.0}, {"storm": 1.1}, {"frequencies": 1}, {"damping": 0.0}])
def test_limits(setting):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(setting, protocol.Sway)


def test_what_cannot_sway_is_told(post):
    with pytest.raises(UnusableSubject, match="pinned"):
        sway(replace(post, pin=np.ones(len(post.vertices), np.float32)), protocol.Sway(), silent)
    with pytest.raises(UnusableSubject, match="pin group are not numbers"):
        sway(replace(post, pin=np.full(len(post.vertices), np.nan, np.float32)), protocol.Sway(), silent)
    flat = trimesh.creation.box((1.0, 1.0, 0.0)).subdivide().subdivide()
    sheet = Mesh.from_triangles(flat.vertices, flat.faces[flat.face_normals[:, 2] > 0])
    with pytest.raises(UnusableSubject, match="lies flat"):
        sway(replace(sheet, pin=(sheet.vertices[:, 0] < -0.49).astype(np.float32)), protocol.Sway(**QUICK), silent)
    with pytest.raises(protocol.BadMessage, match="select one"):
        next(pipelines.carry_out(protocol.Sway(), None, silent))
    failure = pipelines.failure(Rigid("Every vertex is held"))
    assert failure.code == "bad_subject"


def upright_sheet() -> Mesh:
    """One metre square, across y."""
    along, up = np.meshgrid(np.linspace(0, 1, 7), np.linspace(0, 1, 7))
    points = np.stack([along.ravel(), np.zeros(49), up.ravel()], axis=1)
    corner = (np.arange(6) + 7 * np.arange(6)[:, None]).ravel()
    faces = np.concatenate([corner[:, None] + [0, 1, 8], corner[:, None] + [0, 8, 7]])
    return Mesh.from_triangles(points, faces)


@pytest.mark.parametrize("direction", [0.0, 1.0])
def test_a_sheet_is_moved_across_itself_also_where_the_wind_blows_along_it(direction):
    swaying = sway(upright_sheet(), protocol.Sway(direction=direction, **QUICK), silent)
    assert 4 <= len(swaying.modes.frequencies) <= QUICK["modes"]  # wind along x pushes nothing, and asks for no shape
    moved = spectral.looped(swaying.volume, 16)
    assert np.abs(moved[..., 1]).max() > 1e-3
    assert np.abs(moved[..., [0, 2]]).max() < 0.01 * np.abs(moved[..., 1]).max()


def test_a_sheet_that_wind_along_it_would_leave_still_is_told():
    """Gusts from the side are as large as the air's eddies: they move a small sheet and not one of 400 metres."""
    sheet = upright_sheet()
    large = replace(sheet, vertices=400 * sheet.vertices)
    for direction, turned in ((0.0, "1.57"), (np.pi, "1.57")):  # a direction has an end, too
        with pytest.raises(UnusableSubject, match=rf"turn Wind Direction by 90 degrees .*--set direction={turned}, "):
            sway(large, protocol.Sway(direction=direction, **QUICK), silent)
    eye = tuple(np.eye(4).ravel().tolist())
    sway(large, protocol.SwayAsSeen(camera=protocol.Camera(view=eye, projection=eye), modes=6), silent)
    moved = spectral.looped(sway(large, protocol.Sway(direction=np.pi / 2, **QUICK), silent).volume, 16)
    assert np.abs(moved).max() > 1.0


def test_a_storm_draws_nothing_out_like_rubber():
    """What is squat cannot lean by a fifth of its size, and modes would stretch it; a post can, and does."""
    box = trimesh.creation.box((1.0, 0.9, 0.15))
    for _ in range(3):
        box = box.subdivide()
    ends = box.edges_unique
    length = np.linalg.norm(np.subtract(*box.vertices[ends.T]), axis=1)
    swaying = sway(Mesh.from_triangles(box.vertices, box.faces), protocol.Sway(storm=1.0, **QUICK), silent)
    moved = box.vertices + spectral.looped(swaying.volume, 32)
    stretched = np.linalg.norm(moved[:, ends[:, 0]] - moved[:, ends[:, 1]], axis=2) / length
    assert 1.2 < np.quantile(stretched, 0.99, axis=1).max() < 1.1 * LONGEST


@pytest.fixture(scope="module")
def in_parts(post) -> Mesh:
    """The post, a ball that hovers beside its top, and a slab that lies on the ground."""
    ball = trimesh.creation.icosphere(subdivisions=1, radius=0.1)
    ball.apply_translation([2.3, -1.0, 1.4])
    slab = trimesh.creation.box((0.3, 0.3, 0.02), trimesh.transformations.translation_matrix([2.6, -1.0, 0.01]))
    whole = trimesh.util.concatenate([trimesh.Trimesh(post.vertices, post.faces, process=False), ball, slab])
    return Mesh.from_triangles(whole.vertices, whole.faces)


def test_what_becomes_of_loose_parts_is_told_in_blender_and_in_the_terminal(in_parts, monkeypatch, tmp_path, capsys):
    request = protocol.Sway(**QUICK)
    found = sway(in_parts, request, silent)
    wanted = (
        "Of its 3 loose parts 2 sway, 1 of them hanging on what is nearest, and 1 stands still, flat on the ground",
    )
    swings, (ball, slab) = swing(found), np.split(np.arange(len(in_parts.vertices))[-50:], [42])
    assert (swings[ball] > 1e-3).all() and not swings[slab].any()
    assert found.said == wanted
    monkeypatch.setattr("backend.pipelines.sway.sway", lambda *_: found)
    packed = pipelines.carry_out(request, bytes(wire.pack_mesh(in_parts)), silent)
    (record,) = (record for record, _ in map(protocol.unpack, packed) if isinstance(record, protocol.SwayRecord))
    assert record.said == wanted
    path = tmp_path / "parts.ply"
    trimesh.Trimesh(in_parts.vertices, in_parts.faces, process=False).export(path)
    assert run.main([str(path), "--process", "sway", "-o", str(tmp_path / "parts.npz")]) == 0
    out, err = capsys.readouterr()
    assert f"anthesis: {wanted[0]}\n" in err and json.loads(out.splitlines()[-1])["said"] == [*wanted]


@pytest.mark.parametrize(
    ("still", "group", "swings", "said"),
    [
        ((), {}, (1.0, 0.5, 0.02), "All of its 3 loose parts sway, 1 of them hanging on what is nearest"),
        ((1,), {}, (1.0, 0.0, 0.2), "Of its 3 loose parts 2 sway, and 1 stands still, stuck in what stands still"),
        ((), {}, (1.0, 0.002, 0.02), "Of its 3 loose parts 2 sway, and 1 stands still, too stiff to be seen to move"),
        ((), {}, (1.0, 0.002, 0.0), "1 sways, and 2 stand still: 1 flat on the ground, 1 too stiff to be seen to move"),
        ((0, 2), {"pin": 1.0}, (0.0, 0.5, 0.0), "1 sways, hanging on what is nearest, and 2 stand still, pinned"),
        ((2,), {"weight": 0.0, "pin": 0.0}, (1.0, 0.5, 0.0), "1 stands still, outside the Effect group"),
    ],
)
def test_parts_stand_still_for_reasons(in_parts, still, group, swings, said):
    """Of shapes that are made up: each part as far as it is said."""
    body = weld(in_parts).body
    labels = Anatomy(body).labels
    chosen = np.isin(labels, still)
    body = replace(body, **{name: np.where(chosen, value, getattr(body, name)) for name, value in group.items()})
    anatomy = Anatomy(replace(body, pin=np.maximum(body.pin, body.weight <= 0)))
    shapes = np.array(swings)[labels][None, :, None] * np.ones((1, 1, 3))
    answer = SimpleNamespace(along_x=np.ones((2, 1)), along_y=np.ones((2, 1)))
    (told,) = _told_of_parts(anatomy, shapes, answer)
    assert said in told


def test_one_part_is_not_told_of(swaying):
    assert swaying.said == ()


@pytest.mark.parametrize(
    ("times", "asked", "said"),
    [
        (1, {"storm": 0.05}, "hardly to be seen: raise Calm to Storm (storm)"),
        (1, {"storm": 1.0, "bend": 0.01, "lowest": 1.0, "pitch": 0.1}, "hardly to be seen: raise Most Lean (bend)"),
        (400, {}, "it is 600 m large, and gusts pass by such things. Make it 100 times smaller if it is meant in "
                  "centimetres, else raise Calm to Storm (storm)"),
        (4000, {"storm": 1.0}, "else raise Most Lean (bend)"),
        (1e7, {}, "it is 15,000,000 m large"),
        (1, {"storm": 0.0}, "The air is calm (storm 0): it stands still until that is raised"),
        (400, {"storm": 0.0}, "The air is calm (storm 0): it stands still until that is raised"),
    ],
)  # fmt: skip
def test_what_nobody_would_see_swing_is_told_with_what_helps(post, times, asked, said):
    found = sway(replace(post, vertices=times * post.vertices), protocol.Sway(**QUICK | asked), silent)
    (told,) = found.said
    assert said in told and len(told) <= 200
    swings = spectral.looped(found.volume, 64)
    share = np.linalg.norm(swings - swings.mean(axis=0), axis=2).max() / (1.5 * times)
    assert share < 0.005
    if asked.get("storm") != 0:
        assert told.startswith(f"It swings by {max(100 * share, 0.01):.2f} % of its size at most")


def test_a_picture_and_not_the_wind_says_how_far_it_swings(post):
    eye = tuple(np.eye(4).ravel().tolist())
    camera = protocol.Camera(view=eye, projection=eye)
    assert sway(post, protocol.SwayAsSeen(camera=camera, storm=0.0, modes=6), silent).said == ()


def test_a_file_of_equal_frames_is_told(tmp_path, post, capsys):
    path = tmp_path / "post.ply"
    trimesh.Trimesh(post.vertices, post.faces, process=False).export(path)
    options = ["--process", "sway", "--set", "storm=0", "--set", "modes=4", "-o", str(tmp_path / "post.npz")]
    assert run.main([str(path), *options]) == 0
    out, err = capsys.readouterr()
    calm, alike = json.loads(out.splitlines()[-1])["said"]
    assert "stands still until that is raised" in calm and calm in err
    assert "All frames of the file are alike" in alike and "--set storm=" in alike and alike in err
    moved = np.load(tmp_path / "post.npz")["positions"]
    assert np.ptp(moved, axis=0).max() < 1e-3 * 1.5


def test_what_turns_freely_about_its_pins_is_told():
    ball = trimesh.creation.icosphere(subdivisions=2)
    ball = Mesh.from_triangles(ball.vertices, ball.faces)
    with pytest.raises(Rigid, match="turns freely"):
        sway(replace(ball, pin=np.eye(1, len(ball.vertices), dtype=np.float32)[0]), protocol.Sway(**QUICK), silent)


def test_lighter_matter_moves_further_and_rings_as_before():
    modes = Modes(np.array([1.0, 2.0]), np.ones((2, 4, 3)))
    lighter = modes.lightened(4.0)
    assert np.array_equal(lighter.frequencies, modes.frequencies)
    assert np.array_equal(lighter.shapes, 2 * modes.shapes)


def test_run_makes_a_loop(tmp_path, post, capsys):
    path = tmp_path / "post.ply"
    trimesh.Trimesh(post.vertices, post.faces, process=False).export(path)
    options = ["--process", "sway", "--set", "frequencies=6", "--set", "modes=4", "--fps", "12", "--seed", "3"]
    assert run.main([str(path), *options, "-o", str(tmp_path / "post.npz")]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["frames"] == 60
    assert {"largest swing", "largest lean"} <= told["measured"].keys()
    assert told["made"]["kind"] == "sway"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--process", "sway", "--frames", "10"], "--frames is not for sway"),
        (["--process", "sway", "--set", "droop=1"], 'Sway has no setting "droop"'),
        (["--process", "sway", "--set", "modes=2.5"], "a whole number from 1 to 48"),
        (["--process", "wilt, sway"], "sway goes by itself"),
    ],
)
def test_run_says_what_is_wrong(tmp_path, post, capsys, options, sentence):
    path = tmp_path / "post.ply"
    trimesh.Trimesh(post.vertices, post.faces, process=False).export(path)
    assert run.main([str(path), *options, "-o", str(tmp_path / "post.npz")]) == run.BAD_INPUT
    assert sentence in capsys.readouterr().err
