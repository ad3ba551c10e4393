"""The ways of a live clip to a plain one and back; and what was measured about it."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.panels import certificate  # noqa: E402
from blender_addon.scene import clips, curves, keys, provenance  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.lives import assert_shows, at, drivers, edit, living, seen_colours  # noqa: E402
from tests.blender.samples import FRAMES, clip, frames_of, imported, subject_of  # noqa: E402

# --- Bake


def plain(obj):
    """Nothing is driven, and nothing is left to drive."""
    data = obj.data.shape_keys.animation_data
    assert not data.drivers and not (obj.animation_data and obj.animation_data.drivers)
    assert not {"Life", "Amount", "Bloom", "Wilt", "Burn"} & set(obj.keys())
    return curves.there(obj.data.shape_keys)


@pytest.mark.parametrize("processes", [1, 3])
def test_bake_leaves_one_row_of_keys_with_keyframes_as_they_were_seen(processes):
    obj, _, rest = living(processes, colour=True)
    edit(obj, Amount=0.5, **({"Wilt": 0.25, "Burn": 1.25} if processes == 3 else {}))
    before = []
    for number in range(FRAMES):
        at(1 + number)
        before.append((samples.shown(obj), seen_colours(obj)[0]))
    at(3)
    clips.bake(obj)
    assert bpy.context.scene.frame_current == 3
    assert len(plain(obj)) == FRAMES
    assert keys.ours(obj) == [keys.name_of(index) for index in range(FRAMES)]
    for number, (shape, colour) in enumerate(before):
        at(1 + number)
        assert_shows(obj, shape)
        assert (seen_colours(obj)[0] == colour).all()
    assert provenance.read(obj)["frames"] == FRAMES and clips.can_thin(obj) and not clips.is_live(obj)
    np.testing.assert_array_equal(subject_of(obj)[1]["vertices"], rest)


def test_an_untouched_life_is_baked_to_a_few_keyframes_a_key():
    obj, _, _ = living()
    clips.bake(obj)
    played = plain(obj)
    assert len(played) == FRAMES and all(len(curve.keyframe_points) <= 7 for curve in played)
    found = [[curve.evaluate(frame) for curve in played] for frame in (1, 3, 3.5, FRAMES)]
    expected = np.zeros((4, FRAMES))
    expected[0, 0] = expected[1, 2] = expected[3, -1] = 1
    expected[2, 2:4] = 0.5
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_timing_that_the_artist_made_is_baked_as_it_is():
    obj, _, _ = living()
    curve = curves.find(obj, '["Life"]')
    curve.keyframe_points[1].co.x = 20
    for point in curve.keyframe_points:
        point.interpolation = "SINE"
    curve.update()
    shapes = []
    for frame in range(1, 25):
        at(frame)
        shapes.append(samples.shown(obj))
    clips.bake(obj)
    assert clips.frame_range(obj) == (1, 20)
    for frame, shape in enumerate(shapes, 1):
        at(frame)
        assert_shows(obj, shape)


def test_weights_that_change_over_time_are_baked_in_rows():
    obj, _, _ = living(3)
    obj.keyframe_insert('["Wilt"]', frame=1)
    obj["Wilt"] = 0.0
    obj.keyframe_insert('["Wilt"]', frame=12)
    shapes = []
    for frame in range(1, 13):
        at(frame)
        shapes.append(samples.shown(obj))
    clips.bake(obj)
    assert len(keys.ours(obj)) == 3 * FRAMES and clips.frame_range(obj) == (1, 12)
    plain(obj)
    for frame, shape in enumerate(shapes, 1):
        at(frame)
        assert_shows(obj, shape)


def test_curves_of_the_artist_survive_a_bake():
    obj, _, _ = living()
    obj.keyframe_insert("location", frame=1)
    smile = obj.shape_key_add(name="Smile")
    smile.value = 0.5
    smile.keyframe_insert("value", frame=1)
    clips.bake(obj)
    assert [curve.data_path for curve in curves.there(obj)] == ["location"] * 3
    assert 'key_blocks["Smile"].value' in [curve.data_path for curve in plain(obj)]


def test_a_baked_clip_can_be_made_live_again():
    obj, records, rest = living(3, colour=True)
    clips.bake(obj)
    clips.enliven(obj)
    assert not curves.there(obj.data.shape_keys) and len(drivers(obj)) == FRAMES
    assert [curve.data_path for curve in curves.there(obj)] == ['["Life"]']
    edit(obj, Amount=0.5)
    at(6)
    assert_shows(obj, rest + 0.5 * (frames_of(records)[5]["positions"] - rest))
    at(7)
    edit(obj, Amount=1.0)
    found, corners = seen_colours(obj)
    assert (found == frames_of(records)[6]["albedo"][corners]).all()


def test_a_clip_with_a_key_gone_cannot_be_made_live():
    obj, _, _ = living(3)
    clips.bake(obj)
    imported_again, _, _ = living(3, make=samples.prism)
    imported_again.shape_key_remove(imported_again.data.shape_keys.key_blocks["Anthesis 002 Wilt"])
    with pytest.raises(ValueError, match="not just the shape keys that Anthesis gave it"):
        clips.enliven(imported_again)


def test_a_clip_over_a_baked_one_is_live_and_alone():
    obj, _, _ = living(3, colour=True)
    clips.bake(obj)
    record, arrays, target = subject_of(obj)
    again = clip(record, arrays, seed=4, colour=True)
    imported(again, target)
    assert not curves.there(obj.data.shape_keys)
    assert [curve.data_path for curve in curves.there(obj)] == ['["Life"]']
    for number, frame in enumerate(frames_of(again)):
        at(1 + number)
        assert_shows(obj, frame["positions"])
        found, corners = seen_colours(obj)
        assert (found == frame["albedo"][corners]).all()


# --- What was measured


def test_the_certificate_is_one_line():
    obj, _, _ = living()
    assert clips.certificate(obj) == ""
    facts = provenance.read(obj) | {"measured": [["largest displacement", 0.314, "of the size"]]}
    provenance.write(obj, facts["made_by"], facts)
    assert clips.certificate(obj) == "Moves up to 31% of its size"
    provenance.write(obj, facts["made_by"], facts | {"summary": "All is well"})
    assert clips.certificate(obj) == "All is well"


def test_what_was_looked_at_several_times_is_one_row_of_the_certificate():
    measured = [["frames", 9.0, ""], ["largest stretch", 2.41283, "times the length of an edge"]]
    measured += [[f"new crossings in the {which} frame", n, "of 12 faces"] for n, which in enumerate(("first", "last"))]
    measured += [[f"volume at {n} % of the frames", 1 - n / 100, "of the subject's"] for n in (0, 25, 100)]
    assert certificate.rows(measured) == [
        ("Frames", "9"),
        ("Largest stretch", "2.413 times the length of an edge"),
        ("New crossings", "0, 1 of 12 faces, in the first and last frame"),
        ("Volume", "1, 0.75, 0 of the subject's, at 0, 25 and 100 % of the frames"),
    ]
