"""A preview plays first; the full frames take its place as they come, and none of it is left."""

import msgspec
import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.scene import clips, curves, keys, provenance, writing  # noqa: E402
from blender_addon.scene.taken import BadResult  # noqa: E402
from blender_addon.seam import protocol  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.samples import clip, frames_of, imported, previewed, subject_of  # noqa: E402

COUNT = 11  # the preview has 0, 4, 8 and 10
PREVIEW = [0, 4, 8, 10]


def begun(processes=1, colour=False, made_by=samples.MADE_BY):
    """A subject's object, the records of its clip with a preview, and an Import that has taken nothing yet."""
    obj = samples.prism()
    samples.place(obj, scale=(2, 0.5, 3), rotation=(0.3, -1.1, 2.0), location=(7, -5, 3))
    record, arrays, target = subject_of(obj)
    records = previewed(clip(record, arrays, COUNT, colour, processes=processes), colour=colour, processes=processes)
    return obj, records, writing.Import("a test", made_by, target)


def give(running, records):
    for record, arrays in records:
        running.verify()
        running.apply(record, arrays)
        while running.step():
            pass


def finished(running):
    for _ in running.finish():
        pass
    return bpy.data.objects[running.object_name]


def shown_at(obj, index):
    bpy.context.scene.frame_set(1 + index)
    return samples.shown(obj)


def assert_frame(obj, index, expected):
    np.testing.assert_allclose(shown_at(obj, index), expected, atol=1e-5)


def previews_of(records):
    return {record.index: arrays for record, arrays in records if getattr(record, "preview", False)}


def assert_plays(obj, records):
    for index, arrays in enumerate(frames_of(records)):
        assert_frame(obj, index, arrays["positions"])


@pytest.mark.parametrize("processes", [1, 3])
def test_a_preview_plays_as_a_whole_life_before_the_first_frame_comes(processes):
    obj, records, running = begun(processes)
    give(running, records[: 1 + len(PREVIEW)])
    preview = previews_of(records)
    for index in PREVIEW:
        assert_frame(obj, index, preview[index]["positions"])
    assert_frame(obj, 5, 0.75 * preview[4]["positions"] + 0.25 * preview[8]["positions"])
    assert bpy.context.scene.frame_end == COUNT
    assert [name for name, _ in clips.properties(obj)] == []  # it is not signed yet
    assert obj["Amount"] == 1


def test_a_preview_that_comes_last_to_first_plays_too():
    obj, records, running = begun()
    backwards = [records[0], *reversed(records[1 : 1 + len(PREVIEW)])]
    give(running, backwards)
    for index, arrays in previews_of(records).items():
        assert_frame(obj, index, arrays["positions"])


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("came", [1, 2, 5, 9])
def test_full_frames_take_the_place_of_the_preview_as_they_come(came, processes):
    obj, records, running = begun(processes)
    give(running, records[: 1 + len(PREVIEW) + came])
    preview, frames = previews_of(records), frames_of(records)
    for index in range(came):
        assert_frame(obj, index, frames[index]["positions"])
    left = [index for index in PREVIEW if index >= came]
    for index in left:
        assert_frame(obj, index, preview[index]["positions"])
    if left[0] > came:  # between the last frame and the next of the preview
        part = 1 / (left[0] - came + 1)
        assert_frame(obj, came, (1 - part) * frames[came - 1]["positions"] + part * preview[left[0]]["positions"])
    kept = {keys.index_of(name) for name in keys.ours(obj) if "Preview" in name}
    assert kept == set(left)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("processes", [1, 3])
def test_in_the_end_nothing_of_the_preview_is_left(processes, colour):
    obj, records, running = begun(processes, colour)
    give(running, records)
    assert finished(running) == obj
    assert_plays(obj, records)
    labels = ["Process 1", "Process 2", "Process 3"] if processes == 3 else [""]
    assert keys.ours(obj) == [keys.name_of(index, label) for index in range(COUNT) for label in labels]
    if colour:
        for index, arrays in enumerate(frames_of(records)):
            bpy.context.scene.frame_set(1 + index)
            seen = samples.evaluated(obj).data
            assert (samples.colours(seen) == arrays["albedo"][samples.corner_vertices(seen)]).all()
        assert len(bpy.data.images) == len(bpy.data.node_groups) == 1
    assert running.notes == [f"The scene now plays frames 1 to {COUNT}"]


def test_a_preview_has_its_colours():
    obj, records, running = begun(colour=True)
    give(running, records[: 1 + len(PREVIEW)])
    preview = previews_of(records)
    for index, number in ((0, 0), (10, 10), (3, 4), (7, 8)):  # evenly over life
        bpy.context.scene.frame_set(1 + index)
        seen = samples.evaluated(obj).data
        assert (samples.colours(seen) == preview[number]["albedo"][samples.corner_vertices(seen)]).all()


def test_a_timing_that_the_artist_gave_the_preview_stays():
    obj, records, running = begun()
    give(running, records[:8])
    (curve,) = curves.there(obj)
    curve.keyframe_points.insert(5, 0.75)
    give(running, records[8:])
    finished(running)
    (curve,) = curves.there(obj)
    assert curve.evaluate(5) == 0.75
    at_frame_5 = 0.5 * (frames_of(records)[7]["positions"] + frames_of(records)[8]["positions"])
    assert_frame(obj, 4, at_frame_5)


@pytest.mark.parametrize("missing", [[0], [4], [10], [0, 4, 8]])
def test_a_preview_of_which_a_slow_reader_missed_something_harms_nothing(missing):
    obj, records, running = begun()
    came = [
        (record, arrays)
        for record, arrays in records
        if not (getattr(record, "preview", False) and record.index in missing)
    ]
    give(running, came)
    finished(running)
    assert_plays(obj, records)
    assert len(keys.ours(obj)) == COUNT


# --- The job ends early


@pytest.mark.parametrize(
    ("came", "kept", "said"),
    [
        (0, PREVIEW, '"Prism" keeps its preview of 4 frames, because too few of the full ones came'),
        (1, PREVIEW, '"Prism" keeps its preview of 4 frames, because too few of the full ones came'),
        (3, PREVIEW, '"Prism" keeps its preview of 4 frames, because too few of the full ones came'),
        (4, range(4), '"Prism" keeps the 4 frames that came'),
        (7, range(7), '"Prism" keeps the 7 frames that came'),
    ],
)
def test_a_job_that_ends_early_leaves_the_frames_or_the_preview_and_never_both(came, kept, said):
    obj, records, running = begun(colour=True)
    give(running, records[: 1 + len(PREVIEW) + came])
    running.abandon()
    assert running.notes[-1] == said
    finished(running)
    assert keys.ours(obj) == [keys.name_of(index) for index in kept]
    source = previews_of(records) if kept == PREVIEW else dict(enumerate(frames_of(records)))
    for index in kept:
        assert_frame(obj, index, source[index]["positions"])
    bpy.context.scene.frame_set(1 + kept[-1])
    seen = samples.evaluated(obj).data
    assert (samples.colours(seen) == source[kept[-1]]["albedo"][samples.corner_vertices(seen)]).all()
    assert provenance.read(obj)["frames"] == len(kept) and clips.can_thin(obj)


@pytest.mark.parametrize("frames", [0, 1])
@pytest.mark.parametrize("previews", [0, 1])
def test_with_next_to_nothing_the_scene_is_left_as_it_was(frames, previews):
    obj, records, running = begun()
    before = samples.blocks(), samples.positions(obj.data).tolist()
    give(running, [records[0], *records[1 : 1 + previews], *records[5 : 5 + frames]])
    running.abandon()
    finished_steps = list(running.finish())
    assert finished_steps == [] and (samples.blocks(), samples.positions(obj.data).tolist()) == before


# --- What goes wrong meanwhile


def move_a_vertex(obj):
    obj.data.shape_keys.reference_key.points[3].co.x += 0.5


def delete(obj):
    bpy.data.objects.remove(obj)


@pytest.mark.parametrize("change", [move_a_vertex, delete])
@pytest.mark.parametrize("came", [3, 5, 8, 12])
def test_an_object_that_is_changed_while_its_preview_plays_loses_nothing(change, came):
    obj, records, running = begun(colour=True)
    give(running, records[:came])
    name = obj.name
    if running.object_name and obj.data.shape_keys:
        change(obj)
    give(running, records[came:])
    new = finished(running)
    assert any(note.startswith('"Prism" was changed or deleted while frames came in') for note in running.notes)
    assert_plays(new, records)
    if change == move_a_vertex:
        old = bpy.data.objects[name]
        assert old.data.shape_keys is None and not old.modifiers and "Life" not in old
        assert not old.animation_data or not old.animation_data.action


def test_a_clip_that_is_replaced_while_a_preview_plays():
    obj = samples.prism()
    record, arrays, target = subject_of(obj)
    imported(clip(record, arrays, 14, colour=True, processes=3), target)
    obj["Amount"] = 0.25
    records = previewed(clip(record, arrays, COUNT, seed=2))
    running = writing.Import("a test", samples.MADE_BY, target)
    give(running, records[: 1 + len(PREVIEW)])
    for index, each in previews_of(records).items():
        assert_frame(obj, index, each["positions"])
    give(running, records[1 + len(PREVIEW) :])
    finished(running)
    assert_plays(obj, records)
    assert len(keys.ours(obj)) == COUNT and not obj.modifiers


def test_frames_of_another_number_of_processes_are_refused():
    _, records, running = begun(3)
    give(running, records[:7])
    record, arrays = records[7]
    with pytest.raises(BadResult, match="Frame 3 has 1 processes and the first 3"):
        running.apply(record, {"positions": arrays["positions"]})


def test_a_preview_that_comes_twice_is_refused():
    _, records, running = begun()
    give(running, records[:3])
    with pytest.raises(BadResult, match="The preview of frame 5 came twice"):
        running.apply(*records[2])


def test_the_process_is_in_the_provenance_with_all_its_stages():
    request = protocol.Animate(stages=(protocol.Stage(process=protocol.Burn(), end=0.5),))
    obj, records, _ = begun()
    running = writing.Import("a test", protocol.provenance(request), subject_of(obj)[2])
    give(running, records)
    finished(running)
    stages = msgspec.json.decode(provenance.read(obj)["made_by"]["stages"], type=tuple[protocol.Stage, ...])
    assert stages == request.stages
