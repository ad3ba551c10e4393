"""What stays live on a finished object: its life, amount and weights, without the backend."""

from itertools import pairwise

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.scene import clips, curves, keys, live  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.lives import assert_shows, at, drivers, edit, living, seen_colours, turned_prism  # noqa: E402
from tests.blender.samples import FRAMES, clip, frames_of, imported, subject_of  # noqa: E402

# --- One process


def test_at_amount_1_each_frame_is_the_frame_and_between_them_their_blend():
    obj, records, _ = living(make=samples.grid, frames=48)
    frames = [arrays["positions"] for arrays in frames_of(records)]
    for number in range(48):
        at(1 + number)
        assert_shows(obj, frames[number], atol=1e-6)
    for number in (0, 17, 46):
        for part in (0.25, 0.5):
            at(1 + number + part)
            assert_shows(obj, (1 - part) * frames[number] + part * frames[number + 1], atol=2e-6)


@pytest.mark.parametrize("processes", [1, 3])
def test_no_driver_needs_python(processes):
    obj, _, _ = living(processes, colour=True)
    everything = drivers(obj) + [curve.driver for curve in obj.animation_data.drivers]
    assert len(everything) == processes * FRAMES + 2
    assert all(driver.is_simple_expression and driver.is_valid for driver in everything)


@pytest.mark.parametrize("amount", [0.0, 0.3, 1.5])
def test_amount_says_how_much_of_the_motion_is_shown(amount):
    obj, records, rest = living()
    edit(obj, Amount=amount)
    for number, arrays in enumerate(frames_of(records)):
        at(1 + number)
        assert_shows(obj, rest + amount * (arrays["positions"] - rest))


def test_the_curve_of_life_is_the_timing():
    obj, records, _ = living()
    frames = frames_of(records)
    curve = curves.find(obj, '["Life"]')
    points = [tuple(point.co) for point in curve.keyframe_points]
    assert points == [(1, 0), (FRAMES, 1)] and all(point.interpolation == "LINEAR" for point in curve.keyframe_points)
    curve.keyframe_points[1].co.x = 1 + 2 * (FRAMES - 1)  # half as fast
    curve.update()
    for number in range(FRAMES):
        at(1 + 2 * number)
        assert_shows(obj, frames[number]["positions"])
    curve.keyframe_points[0].co.y, curve.keyframe_points[1].co.y = 1, 0  # backwards
    curve.update()
    at(1)
    assert_shows(obj, frames[-1]["positions"])


def test_the_sliders_have_limits_and_words():
    obj, _, _ = living(3)
    shown = {name: obj.id_properties_ui(name).as_dict() for name, _ in clips.properties(obj)}
    assert list(shown) == ["Life", "Amount", "Bloom", "Wilt", "Burn"]
    for name, about in shown.items():
        assert (about["min"], about["soft_max"]) == (0, 1) and about["max"] == (1 if name == "Life" else 1.5)
        assert about["description"] and not about["description"].endswith(".")


def test_a_life_of_one_frame_has_an_amount():
    obj, records, rest = living(frames=1)
    moved = frames_of(records)[0]["positions"] - rest
    assert_shows(obj, rest + moved)
    edit(obj, Amount=0.5)
    assert_shows(obj, rest + 0.5 * moved)


def test_properties_of_the_artist_with_the_same_names_stay():
    obj = samples.grid()
    obj["Life"], obj["Amount"] = "of the party", 7.0
    record, arrays, target = subject_of(obj)
    for _ in range(2):
        imported(clip(record, arrays), target)
        assert (obj["Life"], obj["Amount"]) == ("of the party", 7)
        assert [name for name, _ in clips.properties(obj)] == ["Life (Anthesis)", "Amount (Anthesis)"]


def test_importing_again_replaces_what_is_live():
    obj, _, _ = living(3)
    edit(obj, Amount=0.2, Wilt=0.0)
    record, arrays, target = subject_of(obj)
    again = clip(record, arrays, frames=4, seed=5)
    imported(again, target)
    assert clips.properties(obj) == [("Life", '["Life"]'), ("Amount", '["Amount"]')]
    assert "Wilt" not in obj and obj["Amount"] == 1 and len(keys.ours(obj)) == 4
    for number, frame in enumerate(frames_of(again)):
        at(1 + number)
        assert_shows(obj, frame["positions"])


# --- Several processes


def test_the_processes_together_are_the_clip():
    obj, records, _ = living(3)
    assert len(keys.ours(obj)) == 3 * FRAMES
    assert keys.ours(obj)[:3] == ["Anthesis 001 Bloom", "Anthesis 001 Wilt", "Anthesis 001 Burn"]
    for number, arrays in enumerate(frames_of(records)):
        at(1 + number)
        assert_shows(obj, arrays["positions"])


def added(frame, rest):
    """What each of three processes adds."""
    poses = [rest, *frame["poses"], frame["positions"]]
    return [after - before for before, after in pairwise(poses)]


@pytest.mark.parametrize("weights", [(1, 0, 0), (0, 1, 0), (0.5, 0.25, 1.5), (0, 0, 0)])
def test_a_weight_fades_its_own_process(weights):
    obj, records, rest = living(3)
    edit(obj, Amount=0.5, **dict(zip(("Bloom", "Wilt", "Burn"), map(float, weights), strict=True)))
    for number, frame in enumerate(frames_of(records)):
        at(1 + number)
        moved = sum(weight * step for weight, step in zip(weights, added(frame, rest), strict=True))
        assert_shows(obj, rest + 0.5 * moved)


@pytest.mark.parametrize(
    ("process", "count", "expected"),
    [
        ("wilt", 1, [""]),
        ("bloom, wilt + burn", 3, ["Bloom", "Wilt", "Burn"]),
        ("wilt, burn, wilt", 3, ["Wilt 1", "Burn", "Wilt 2"]),
        ("wilt, burn", 3, ["Process 1", "Process 2", "Process 3"]),
        ("", 2, ["Process 1", "Process 2"]),
    ],
)
def test_processes_are_called_what_was_asked_for(process, count, expected):
    assert live.labels({"process": process}, count) == expected
    names = [keys.name_of(11, label) for label in expected]
    assert all(keys.OURS.fullmatch(name) and keys.index_of(name) == 11 for name in names)
    assert [keys.label_of(name) for name in names] == expected


def test_keys_of_the_artist_are_not_taken_for_ours():
    for name in ("Anthesis", "Anthesis 001 Copy", "Anthesis 001 wilted", "My Anthesis 001", "Anthesis 1"):
        assert not keys.OURS.fullmatch(name)


# --- Colour


def test_colour_follows_life_and_not_the_scene():
    obj, records, _ = living(colour=True)
    curves.remove(obj, {'["Life"]'})
    for number in (0, 3, 6):
        edit(obj, Life=number / (FRAMES - 1))
        at(2)
        found, corners = seen_colours(obj)
        assert (found == frames_of(records)[number]["albedo"][corners]).all()


def test_amount_0_has_the_colour_of_the_start_and_half_is_between():
    from blender_addon.seam import protocol

    obj, records, _ = living(colour=True)
    start, frame = records[0][1]["albedo"], frames_of(records)[4]["albedo"]
    linear = [protocol.srgb_to_linear(each / 255) for each in (start, frame)]
    at(5)
    for amount, expected in ((0, start), (0.5, protocol.linear_to_srgb(sum(linear) / 2) * 255), (1.5, frame)):
        edit(obj, Amount=float(amount))
        found, corners = seen_colours(obj)
        assert np.abs(found - expected[corners]).max() <= 1


def test_colour_follows_the_strongest_weight():
    obj, records, _ = living(3, colour=True)
    at(5)
    edit(obj, Bloom=0.0, Wilt=1.0, Burn=0.0)
    found, corners = seen_colours(obj)
    assert (found == frames_of(records)[4]["albedo"][corners]).all()
    edit(obj, Wilt=0.0)
    found, corners = seen_colours(obj)
    assert (found == records[0][1]["albedo"][corners]).all()


# --- Copies, files, undo


def select(obj):
    for other in bpy.context.view_layer.objects:
        other.select_set(other == obj)
    bpy.context.view_layer.objects.active = obj


def assert_own_life(one, other, records, rest):
    """Half an amount on `one` changes nothing of `other`."""
    edit(one, Amount=0.5)
    edit(other, Amount=1.0)
    at(4)
    moved = frames_of(records)[3]["positions"] - rest
    assert_shows(one, rest + 0.5 * moved)
    assert_shows(other, rest + moved)


def test_a_duplicate_has_a_life_of_its_own():
    obj, records, rest = living(colour=True)
    select(obj)
    bpy.ops.object.duplicate()
    copy = bpy.context.object
    assert clips.leads(copy) and clips.leads(obj)
    assert_own_life(copy, obj, records, rest)
    found, corners = seen_colours(obj)
    assert (found == frames_of(records)[3]["albedo"][corners]).all()
    assert (seen_colours(copy)[0] != found).any()


def test_a_linked_duplicate_that_is_made_single_can_be_made_live():
    obj, records, rest = living(colour=True)
    select(obj)
    bpy.ops.object.duplicate(linked=True)
    copy = bpy.context.object
    bpy.ops.object.make_single_user(object=True, obdata=True)
    assert not clips.leads(copy)
    clips.enliven(copy)
    assert clips.leads(copy) and clips.leads(obj)
    assert_own_life(copy, obj, records, rest)


def test_what_is_live_is_in_the_saved_file(tmp_path):
    obj, records, rest = living(3, colour=True)
    edit(obj, Wilt=0.5)
    name, path = obj.name, str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=path)
    obj = bpy.data.objects[name]
    bloom, wilt, burn = added(frames_of(records)[5], rest)
    at(6)
    assert_shows(obj, rest + bloom + 0.5 * wilt + burn)
    assert [name for name, _ in clips.properties(obj)] == ["Life", "Amount", "Bloom", "Wilt", "Burn"]


def test_a_library_override_has_an_amount_of_its_own(tmp_path):
    obj, records, _ = living()
    name, path = obj.name, str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.objects = [name]
    linked = bpy.data.objects[name]
    bpy.context.scene.collection.objects.link(linked)
    at(4)
    assert_shows(linked, frames_of(records)[3]["positions"])
    own = linked.override_create(remap_local_usages=True)
    edit(own, Amount=0.25)
    assert own["Amount"] == 0.25


def test_an_undo_takes_all_of_it_away():
    obj = turned_prism()
    record, arrays, target = subject_of(obj)
    bpy.ops.ed.undo_push(message="Before")
    imported(clip(record, arrays, colour=True, processes=3), target)
    bpy.ops.ed.undo_push(message="Import")
    bpy.ops.ed.undo()
    obj = bpy.data.objects["Prism"]
    assert obj.data.shape_keys is None and not obj.modifiers and not [*obj.keys()] and obj.animation_data is None
    bpy.ops.ed.redo()
    obj = bpy.data.objects["Prism"]
    assert len(drivers(obj)) == 3 * FRAMES and "Life" in obj
