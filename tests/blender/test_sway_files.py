"""A sway on its way in, as records, and out, as files: both hold the motion."""

from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.export import export  # noqa: E402
from blender_addon.scene import clips, poking, ringing, sway, sway_bake  # noqa: E402
from blender_addon.scene import swaying as arriving_sway  # noqa: E402
from blender_addon.scene.sway import Sway  # noqa: E402
from blender_addon.scene.taken import BadResult  # noqa: E402
from blender_addon.seam import protocol  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.files import (  # noqa: E402
    Glb,
    assert_plays_in_world,
    assert_same_surface,
    first_key_frame,
    read_by_blender,
    read_usd,
)
from tests.blender.swaying import (  # noqa: E402
    BASE,
    BINS,
    FPS,
    LOOP,
    assert_shows,
    at,
    bends,
    breeze,
    coefficients_of,
    drivers,
    edit,
    swaying,
    volume_of,
    windy,
)

# Blender 5.2's own FBX exporter, under NumPy 2.5
pytestmark = pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy array:DeprecationWarning")

# --- Records


def records_of(obj, count=3, seed=2, said=()):
    """What the backend sends, in world axes, its Target, and the world displacement of one turn of the loop."""
    record, arrays, target = samples.subject_of(obj)
    random = np.random.default_rng(seed)
    shapes = random.normal(0, 0.3, (count, len(arrays["vertices"]), 3)).astype(np.float32)
    pairs = random.normal(0, 0.1, (2, BINS, count, 2)).astype(np.float32)
    direction = 0.9
    records = [(record, arrays)]
    for number, shape in enumerate(shapes):
        mode = protocol.ModeRecord(index=number, frequency=0.6 + number, damping=0.05)
        records.append((mode, {"shape": shape}))
    wind = {"speed": 5.0, "length": 11.34, "strain": 0.3, "strongest": 19.0}
    answer = protocol.SwayRecord(base=BASE, direction=direction, said=said, **wind)
    records.append((answer, {"along_x": pairs[0], "along_y": pairs[1]}))
    records.append((protocol.Certificate(), {}))
    packed = [protocol.pack(*each) for each in records]
    mixed = np.cos(direction) * pairs[0] + np.sin(direction) * pairs[1]
    coefficients = np.einsum("km,mvc->kvc", mixed[..., 0] + 1j * mixed[..., 1], shapes)
    return [protocol.unpack(each) for each in packed], target, arrays["vertices"], coefficients


def arrived(records, target):
    arriving = arriving_sway.Arriving("Sway", {"kind": "sway", "seed": "0"}, target)
    for each in records:
        arriving.apply(*each)
    for _ in arriving.finish():
        pass
    return arriving, bpy.data.objects[arriving.object_name]


def test_records_sway_the_object_that_was_sent_in_its_own_axes():
    obj = samples.grid()
    samples.place(obj, scale=(1, 3, 1), rotation=(0.2, 0, 0.5), location=(3, 0, -1))
    records, target, world, coefficients = records_of(obj, said=("All of its 2 loose parts sway",))
    arriving, found = arrived(records, target)
    assert found == obj
    assert arriving.notes == ["All of its 2 loose parts sway", "The scene now plays one loop, frames 1 to 60"]
    for frame in (1, 23):
        at(frame)
        assert_shows(obj, bends(coefficients, world, (frame - 1) / LOOP))
    assert sway.direction(obj) == pytest.approx(0.9)
    assert obj["Calm to Storm"] == pytest.approx((5.0 / 19.0) ** (2 / 3))


def test_a_mesh_that_was_edited_in_between_is_left_alone():
    obj = samples.grid()
    records, target, world, coefficients = records_of(obj)
    obj.data.vertices[3].co.x += 0.25
    arriving, found = arrived(records, target)
    assert found != obj and obj.data.shape_keys is None
    assert arriving.notes[0] == '"Grid" was edited in between: the result is a new object, "Grid.001"'
    at(9)
    assert_shows(found, bends(coefficients, world, 8 / LOOP))


def test_what_ends_early_leaves_the_scene_as_it_was():
    obj = samples.grid()
    records, target, _, _ = records_of(obj)
    before = samples.blocks()
    arriving = arriving_sway.Arriving("Sway", {}, target)
    for each in records[:3]:
        arriving.apply(*each)
    assert arriving.object_name == "Grid"
    assert list(arriving.finish()) == [] and arriving.object_name == "" and samples.blocks() == before


def test_records_that_do_not_fit_are_refused():
    records, target, _, _ = records_of(samples.grid())
    for wrong, reason in (
        ([records[0], records[2]], "Mode 2 came where mode 1 should"),
        ([records[0], (records[1][0], {"shape": records[1][1]["shape"][:-1]})], "Mode 1 does not fit its subject"),
        ([records[0], records[1], records[4]], "does not fit its modes"),
    ):
        arriving = arriving_sway.Arriving("Sway", {}, target)
        for each in wrong[:-1]:
            arriving.apply(*each)
        with pytest.raises(BadResult, match=reason):
            arriving.apply(*wrong[-1])


# --- Files


def expected_loop(given, at_rest):
    return np.array([bends(coefficients_of(given), at_rest, number / LOOP) for number in range(LOOP + 1)])


def placed(make=samples.grid):
    """Beside the origin, and swaying: what a file shall hold, in the world."""
    obj, given, at_rest = swaying(lambda obj: windy(obj, gusts=breeze()), make)
    samples.place(obj, scale=(1, 2, 1), rotation=(0, 0, 0.5), location=(3, 0, -1))
    matrix = np.array(obj.matrix_world)
    return obj, expected_loop(given, at_rest) @ matrix[:3, :3].T + matrix[:3, 3]


def exported(tmp_path, obj, ending):
    path = str(tmp_path / f"sway.{ending}")
    assert export(path, obj).path == path
    return path


def test_gltf_holds_one_loop_with_weights_from_0_to_1(tmp_path):
    obj, world = placed()
    times, frames, weights = Glb(exported(tmp_path, obj, "glb")).frames()
    np.testing.assert_allclose(times, np.arange(LOOP + 1) / FPS, atol=1e-6)
    assert weights.min() >= -1e-6 and weights.max() <= 1 + 1e-6
    assert_same_surface(frames, world, atol=1e-4)
    assert len(drivers(obj)) == 2 * BINS - 1 and [*bpy.data.objects] == [obj] and len(bpy.data.actions) == 1


def test_blenders_own_gltf_export_holds_the_sway_with_its_animation_mode_scene(tmp_path):
    _, given, at_rest = swaying()
    path, bpy.context.scene.frame_end = str(tmp_path / "own.glb"), LOOP + 1
    bpy.ops.export_scene.gltf(
        filepath=path, export_animation_mode="SCENE", export_frame_range=True, export_optimize_animation_size=False
    )
    assert_same_surface(Glb(path).frames()[1], expected_loop(given, at_rest), atol=1e-4)


@pytest.mark.parametrize("ending", ["fbx", "abc"])
def test_fbx_and_alembic_hold_one_loop(tmp_path, ending):
    obj, world = placed()
    found = read_by_blender(exported(tmp_path, obj, ending))
    first = first_key_frame(found) if ending == "fbx" else 1
    assert_plays_in_world(found, world, first, atol=1e-4)


def test_usd_holds_one_loop_and_no_modes(tmp_path):
    obj, world = placed()
    path = exported(tmp_path, obj, "usdc")
    assert_same_surface(read_usd(path)["points"], world, atol=1e-4)
    assert b"anthesis_mode" not in Path(path).read_bytes()


def test_a_life_that_sways_is_exported_with_both(tmp_path):
    obj = samples.grid()
    record, arrays, target = samples.subject_of(obj)
    records = samples.clip(record, arrays)
    samples.imported(records, target)
    given, at_rest = Sway(volume_of(obj), BASE), sway.rest(obj.data)
    sway.put(obj, given)
    edit(obj, Amount=1.5)
    lives = [frame["positions"] - at_rest for frame in samples.frames_of(records)]
    both = [bends(coefficients_of(given), at_rest, n / LOOP) + 1.5 * moved for n, moved in enumerate(lives)]
    _, frames, _ = Glb(exported(tmp_path, obj, "glb")).frames()
    assert_same_surface(frames, both, atol=1e-4)


# --- With kept pokes


def poked(obj, first, pull=(0.3, -0.2, 0.1), seconds=4.0):
    """Keep a poke that is let go at this frame and rings for so long. The frame of its last keyframe."""
    modes = sway.modes_on(obj)
    rung = ringing.recorded(modes, np.array([pull, pull]), FPS, holds=True)[1 : round(seconds * FPS)]
    poking.keep_frames(obj, modes, first, rung)
    return first + len(rung)


def seen_in_world(obj, first, last):
    return np.array([shown for frame in range(first, last + 1) for shown in [at(frame) or samples.shown_in_world(obj)]])


@pytest.mark.parametrize("ending", ["glb", "fbx", "abc", "usdc"])
@pytest.mark.parametrize("baked", [False, True])
def test_whole_loops_are_written_as_far_as_kept_pokes_ring(tmp_path, ending, baked):
    obj, _ = placed()
    assert poked(obj, 30) == 30 + 95 and poked(obj, 41) == 136
    if baked:
        sway_bake.bake(obj)
    bpy.context.scene.frame_end = LOOP
    assert clips.frame_range(obj) == (1, 3 * LOOP + 1) and clips.scene_end(obj) == 3 * LOOP
    world = seen_in_world(obj, 1, 3 * LOOP + 1)
    np.testing.assert_allclose(world[-1], world[0], atol=1e-5)
    path = exported(tmp_path, obj, ending)
    assert bpy.context.scene.frame_end == LOOP
    if ending == "glb":
        times, frames, _ = Glb(path).frames()
        np.testing.assert_allclose(times, np.arange(3 * LOOP + 1) / FPS, atol=1e-5)
        assert_same_surface(frames, world, atol=1e-4)
    elif ending == "usdc":
        assert_same_surface(read_usd(path)["points"], world, atol=1e-4)
    else:
        found = read_by_blender(path)
        first = first_key_frame(found) if ending == "fbx" else 1
        assert_plays_in_world(found, world, first, atol=2e-4)


def test_a_life_is_written_as_far_as_kept_pokes_ring(tmp_path):
    obj = samples.grid()
    record, arrays, target = samples.subject_of(obj)
    samples.imported(samples.clip(record, arrays), target)
    sway.put(obj, windy(obj))
    last = poked(obj, 20)
    assert clips.frame_range(obj) == (1, last) and clips.end_that_comes_round(obj) is None
    world = seen_in_world(obj, 1, last)
    assert_same_surface(Glb(exported(tmp_path, obj, "glb")).frames()[1], world, atol=1e-4)
    assert clips.frame_range(obj) == (1, last)


def test_a_poke_before_the_scenes_first_frame_is_written_too():
    obj, _ = placed()
    assert poking.with_kept(obj, 1, 9) == (1, 9)
    poked(obj, -7, seconds=2.0)
    assert poking.frame_range(obj) == (-7, -7 + 47) and clips.frame_range(obj) == (-7, -7 + 2 * LOOP)
    assert clips.scene_end(obj) == LOOP


def test_pokes_that_ring_on_are_baked_as_they_are_seen_where_a_slider_is_animated():
    obj, _ = placed()
    bpy.context.scene.frame_end = 50
    obj.keyframe_insert('["Amplitude"]', frame=1)
    last = poked(obj, 20)
    assert clips.frame_range(obj) == (1, last)
    world = seen_in_world(obj, 1, last)
    sway_bake.bake(obj)
    np.testing.assert_allclose(seen_in_world(obj, 1, last), world, atol=1e-5)


def test_the_end_with_which_a_loop_comes_round_is_told():
    obj, _ = placed()
    scene = bpy.context.scene
    for speed, end, expected in ((1.0, LOOP, None), (1.0, 100, 120), (1.5, 60, 80), (1.5, 45, 40), (1.5, 10, 40)):
        sway.set_speed(obj, speed)
        scene.frame_end = end
        assert clips.end_that_comes_round(obj) == expected
        if expected:
            scene.frame_end = expected
            assert clips.end_that_comes_round(obj) is None
            last = seen_in_world(obj, expected + 1, expected + 1)
            np.testing.assert_allclose(last, seen_in_world(obj, 1, 1), atol=1e-5)
    scene.frame_end = 45
    poked(obj, 30)
    assert clips.end_that_comes_round(obj) == clips.scene_end(obj) == 160
    obj.keyframe_insert('["Amplitude"]', frame=1)
    assert clips.end_that_comes_round(obj) is None
