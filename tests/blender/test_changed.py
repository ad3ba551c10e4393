"""What happens to a result whose object is changed in between, or whose records are no good."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.scene import keys, writing  # noqa: E402
from blender_addon.scene.taken import BadResult  # noqa: E402
from blender_addon.seam import protocol  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.plays import assert_coloured, assert_plays, key_names, playing, smiling_grid, turned_prism  # noqa: E402
from tests.blender.samples import clip, imported, subject_of  # noqa: E402

# --- Import again


def test_importing_again_replaces_the_clip_and_nothing_else():
    obj = smiling_grid()
    record, arrays, target = subject_of(obj)
    imported(clip(record, arrays, colour=True), target)
    before = samples.blocks()
    shorter = clip(record, arrays, frames=4, colour=True, seed=5)
    imported(shorter, target)
    assert key_names(obj) == ["Basis", "Smile", *(f"Anthesis {n:03d}" for n in range(1, 5))]
    assert playing(obj) == (key_names(obj)[2:], ['["Life"]'])
    assert_plays(obj, shorter)
    assert_coloured(obj, shorter)
    after = samples.blocks()
    assert {kind: len(names) for kind, names in after.items()} == {kind: len(names) for kind, names in before.items()}
    longer = clip(record, arrays, frames=9, seed=6)
    imported(longer, target)
    assert_plays(obj, longer)


def test_a_clip_without_colour_takes_the_colours_of_an_earlier_one_away():
    obj = samples.grid()
    record, arrays, target = subject_of(obj)
    imported(clip(record, arrays, colour=True), target)
    imported(clip(record, arrays), target)
    assert not obj.modifiers and not bpy.data.images and not bpy.data.node_groups


# --- Changed in between


def untouched(obj):
    return samples.positions(obj.data).tolist(), obj.data.shape_keys, obj.get("anthesis"), len(obj.modifiers)


def test_a_mesh_edited_in_between_is_left_alone_and_the_result_is_a_new_object():
    obj = turned_prism()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays, colour=True)
    obj.data.vertices[2].co.z += 0.01
    before = untouched(obj)
    result, new = imported(records, target)
    assert result.notes[0] == '"Prism" was edited in between: the result is a new object, "Prism (Melt)"'
    assert new.name == "Prism (Melt)" and untouched(obj) == before
    assert tuple(new.location) == tuple(obj.location)
    assert_plays(new, records)
    assert_coloured(new, records)


@pytest.mark.parametrize("how", ["deleted", "unlinked"])
def test_an_object_deleted_in_between(how):
    obj = turned_prism()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    if how == "deleted":
        bpy.data.objects.remove(obj)
    else:
        bpy.context.scene.collection.objects.unlink(obj)
    result, new = imported(records, target)
    assert result.notes[0] == '"Prism" was deleted in between: the result is a new object, "Prism (Melt)"'
    assert tuple(new.location) == (7, -5, 3)
    assert_plays(new, records)


def test_an_object_being_edited_when_the_result_comes():
    obj = samples.prism()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")
    result, new = imported(records, target)
    assert result.notes[0] == '"Prism" is being edited: the result is a new object, "Prism (Melt)"'
    assert bpy.context.view_layer.objects.active == obj and obj.mode == "EDIT"
    bpy.ops.object.mode_set(mode="OBJECT")
    assert_plays(new, records)


def test_other_things_that_an_object_can_become():
    obj = samples.prism()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    obj.shape_key_add(name="Basis")
    obj.data.shape_keys.use_relative = False
    result, _ = imported(records, target)
    assert result.notes[0].startswith('"Prism" has absolute shape keys now: the result is a new object')
    bpy.data.objects.remove(obj)
    lamp = bpy.data.objects.new("Prism", bpy.data.lights.new("Prism", "POINT"))
    bpy.context.scene.collection.objects.link(lamp)
    result, _ = imported(records, target)
    assert result.notes[0].startswith('"Prism" is no longer a mesh of this file: the result is a new object')


def delete(obj):
    mesh = obj.data
    bpy.data.objects.remove(obj)
    bpy.data.meshes.remove(mesh)


def enter_edit_mode(obj):
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")


def take_keys_away(obj):  # as an undo does
    obj.shape_key_clear()


def add_a_vertex(obj):
    obj.shape_key_clear()
    obj.data.vertices.add(1)


def open_another_file(obj):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    samples.prism()


@pytest.mark.parametrize("change", [delete, enter_edit_mode, take_keys_away, add_a_vertex, open_another_file])
@pytest.mark.parametrize("when", ["frames", "finish"])
@pytest.mark.parametrize("animate", [True, False])
def test_whatever_happens_while_frames_come_in_no_frame_is_lost(change, when, animate):
    record, arrays, target = subject_of(turned_prism())
    records = clip(record, arrays, colour=True)
    running = writing.Import("a test", samples.MADE_BY, target if animate else None)
    for number, (record, arrays) in enumerate(records):
        if number == 4 and when == "frames":
            change(bpy.data.objects[running.object_name])
        running.apply(record, arrays)
    for number, _ in enumerate(running.finish()):
        if number == 5 and when == "finish":
            change(bpy.data.objects[running.object_name])
    new = bpy.data.objects[running.object_name]
    assert running.notes[0].startswith('"Prism')
    assert " was changed or deleted while frames came in: the result is a new object, " in running.notes[0]
    if bpy.context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    assert_plays(new, records)
    assert_coloured(new, records)


def move_all_in_edit_mode(obj):
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.transform.translate(value=(5, 0, 0))
    bpy.ops.object.mode_set(mode="OBJECT")


def move_a_vertex(obj):
    obj.data.shape_keys.reference_key.points[3].co.x += 0.5


def spoil_the_newest_key(obj):
    obj.data.shape_keys.key_blocks[-1].points[0].co.z += 1


def delete_an_arriving_key(obj):
    obj.shape_key_remove(obj.data.shape_keys.key_blocks["Anthesis 002"])


def leave_the_scene(obj):
    for collection in obj.users_collection:
        collection.objects.unlink(obj)


EDITS = [move_all_in_edit_mode, move_a_vertex, spoil_the_newest_key, delete_an_arriving_key, leave_the_scene]


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("when", ["frames", "before the end", "finish"])
@pytest.mark.parametrize("animate", [True, False])
def test_an_edit_between_two_ticks_neither_tears_the_clip_nor_leaves_half_of_it(edit, when, animate):
    record, arrays, target = subject_of(turned_prism())
    records = clip(record, arrays, colour=True)
    running = writing.Import("a test", samples.MADE_BY, target if animate else None)

    def edited():
        obj = bpy.data.objects[running.object_name]
        obj.use_fake_user = True  # unlinked it stays, as behind an undo
        edit(obj)
        basis = obj.data.shape_keys.reference_key.points
        was = np.array([tuple(point.co) for point in basis], np.float32)
        if when != "before the end":
            running.verify()
        return obj.name, was

    for number, (record, arrays) in enumerate(records):
        if number == 4 and when == "frames":
            name, was = edited()
        running.apply(record, arrays)
    if when == "before the end":
        name, was = edited()
    for number, _ in enumerate(running.finish()):
        if number == 11 and when == "finish":  # colours play already, nothing is signed
            name, was = edited()
    note = f'"{name}" was changed or deleted while frames came in: the result is a new object, "{running.object_name}"'
    assert running.notes.count(note) == 1 and running.object_name != name
    old, new = bpy.data.objects[name], bpy.data.objects[running.object_name]
    assert old.data.shape_keys is None and not old.modifiers
    np.testing.assert_array_equal(samples.positions(old.data), was)
    assert_plays(new, records)
    assert_coloured(new, records)
    assert keys.ARRIVING not in new.data.shape_keys


def test_what_is_no_edit_leaves_the_result_on_its_object():
    obj = smiling_grid()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays, colour=True)
    running = writing.Import("a test", samples.MADE_BY, target)
    for number, each in enumerate(records):
        running.verify()
        running.apply(*each)
        if number == 4:
            enter_edit_mode(obj)
            bpy.ops.object.mode_set(mode="OBJECT")
            obj.active_shape_key_index = 3
            enter_edit_mode(obj)
            bpy.ops.object.mode_set(mode="OBJECT")
            obj.name, obj.location = "Elsewhere", (1, 2, 3)
            obj.data.shape_keys.key_blocks["Smile"].points[0].co.z += 1  # another shape of the artist's
    for _ in running.finish():
        running.verify()
    assert running.object_name == "Elsewhere" and len(bpy.data.objects) == 1
    assert_plays(obj, records)
    move_a_vertex(obj)  # of a result that is finished
    running.verify()
    assert running.object_name == "Elsewhere" and len(bpy.data.objects) == 1


def test_keys_of_the_artist_stay_on_the_object_that_was_edited():
    obj = smiling_grid()
    obj.show_only_shape_key = True
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    running = writing.Import("a test", samples.MADE_BY, target)
    for number, each in enumerate(records):
        running.apply(*each)
        if number == 4:
            move_a_vertex(obj)
            running.verify()
    assert key_names(obj) == ["Basis", "Smile"] and obj.show_only_shape_key
    assert keys.ARRIVING not in obj.data.shape_keys


def test_an_earlier_clip_that_an_undo_brought_back_is_left_alone():
    obj = samples.grid()
    record, arrays, target = subject_of(obj)
    earlier = clip(record, arrays)
    imported(earlier, target)
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="Earlier")
    running = writing.Import("a test", samples.MADE_BY, target)
    records = clip(record, arrays, seed=8)
    for number, each in enumerate(records):
        running.apply(*each)
        if number == 4:
            bpy.ops.ed.undo_push(message="Something of the artist's")
            bpy.ops.ed.undo()
            running.verify()
    for _ in running.finish():
        pass
    assert running.object_name == "Grid (Melt)"
    assert_plays(bpy.data.objects["Grid"], earlier)
    assert_plays(bpy.data.objects["Grid (Melt)"], records)


def test_a_clip_that_replaces_another_says_so():
    obj = samples.grid()
    record, arrays, target = subject_of(obj)
    imported(clip(record, arrays), target)
    for kind, said in (("melt", 0), ("bloom", 1)):  # the first is the same job, imported again
        made_by = samples.MADE_BY | {"process": kind}
        result = samples.import_now("a test", made_by, target, clip(record, arrays))
        assert result.notes.count('It replaces the earlier melt of "Grid"') == said


# --- Refused before anything is written


def spoiled(**changes):
    record, arrays, target = subject_of(samples.grid())
    records = clip(record, arrays, frames=4)
    header, frame = records[3]
    records[3] = (changes.get("header", header), frame | changes.get("arrays", {}))
    return records, target


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"arrays": {"positions": np.full((36, 3), np.nan, np.float32)}}, "Frame 3 holds NaN or infinity"),
        ({"arrays": {"positions": np.full((36, 3), np.inf, np.float32)}}, "Frame 3 holds NaN or infinity"),
        ({"arrays": {"positions": np.zeros((35, 3), np.float32)}}, "Frame 3 has 35 vertices and its subject 36"),
        ({"header": protocol.FrameRecord(index=1, tau=0.5)}, "Frame 2 came after frame 2"),
    ],
)
def test_a_bad_frame_is_refused_and_the_frames_before_it_are_kept(changes, text):
    records, target = spoiled(**changes)
    running = writing.Import("a test", {}, target)
    for record, arrays in records[:3]:
        running.apply(record, arrays)
    with pytest.raises(BadResult, match=text):
        running.apply(*records[3])
    obj = bpy.data.objects["Grid"]
    assert key_names(obj) == ["Basis", "Anthesis 001", "Anthesis 002"]
    running.abandon()
    assert running.notes[-1] == '"Grid" keeps the 2 frames that came'
    for _ in running.finish():
        pass
    assert_plays(obj, records[:3])


def test_a_frame_without_its_subject_is_refused():
    record, arrays, _ = subject_of(samples.grid())
    running = writing.Import("a test", {}, None)
    with pytest.raises(BadResult, match="Frame 1 came before its subject"):
        running.apply(*clip(record, arrays)[1])


def test_polygons_that_blender_cannot_hold_are_refused():
    record, arrays, _ = subject_of(samples.grid())
    broken = arrays | {"corners": arrays["corners"].copy()}
    broken["corners"][3] = broken["corners"][0]  # its first and last corner
    with pytest.raises(BadResult, match="a polygon that uses a vertex twice"):
        writing.Import("a test", {}, None).apply(record, broken)
    broken["corners"][3] = 99
    with pytest.raises(protocol.BadMessage, match="The polygons do not fit the vertices"):
        writing.Import("a test", {}, None).apply(record, broken)


@pytest.mark.parametrize("frames", [0, 1])
@pytest.mark.parametrize("animate", [True, False])
def test_abandoned_early_the_scene_is_as_it_was(frames, animate):
    obj = smiling_grid()
    obj.data.materials.append(samples.principled("Red")[0])
    record, arrays, target = subject_of(obj)
    before = samples.blocks(), untouched(obj)[0], key_names(obj), bpy.context.scene.frame_end
    running = writing.Import("a test", {}, target if animate else None)
    for each in clip(record, arrays, colour=True)[: 1 + frames]:
        running.apply(*each)
    running.abandon()
    assert list(running.finish()) == []
    assert (samples.blocks(), untouched(obj)[0], key_names(obj), bpy.context.scene.frame_end) == before
