"""Undo, redo, copies and saved files while something arrives: what the artist did stays, and the result comes whole."""

import time

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.scene import keys, live, marks, provenance  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.addon import MELT, key_positions, packed_clip  # noqa: E402
from tests.blender.ordering import adopt, bouquet, grown, know, wish  # noqa: E402


def begun(script, orders, count, **like):
    """A job of which so many records have come, and its object."""
    know(script)
    order = orders.place(wish(), (0, 0, 0))
    job = adopt(script, order.jobs[0], grown(**like))
    script.give(job, count)
    return job, bpy.data.objects["Rose"]


def step(name):
    bpy.context.scene["steps"] = name
    bpy.ops.ed.undo_push(message=name)


def one_step_a_tick(monkeypatch):
    """Each look at the clock takes a millisecond, and a tick has time for one step."""
    from blender_addon import arrivals, pump

    class Clock:
        now = 0.0
        monotonic = staticmethod(time.monotonic)

        def perf_counter(self):
            self.now += 0.001
            return self.now

    clock = Clock()
    monkeypatch.setattr(arrivals, "time", clock)
    monkeypatch.setattr(pump, "time", clock)


def until(script, there, ticks=300):
    for _ in range(ticks):
        if there():
            return
        script.pump.tick(budget=0.0025)
    pytest.fail("it never came to that")


def assert_whole(obj, frames=5):
    assert len(key_positions(obj)) == frames == provenance.read(obj)["frames"]
    assert len(live.driven(obj, live.of(obj))) == frames
    assert not obj.hide_viewport and not obj.hide_render
    assert marks.PROPERTY not in obj and keys.ARRIVING not in obj.data.shape_keys


@pytest.mark.parametrize("between", [0, 1, 2])
def test_what_the_artist_did_to_it_outlives_an_undo(script, orders, between):
    job, obj = begun(script, orders, 3, colour=True)
    uid = obj.session_uid
    obj.name, obj.location = "Mine", (5, 6, 7)
    obj.modifiers.new("Twist", "SIMPLE_DEFORM")
    step("One")
    script.give(job, between)  # frames that the undo takes away
    step("Two")
    bpy.ops.ed.undo()
    script.give(job)
    (obj,) = bpy.data.objects
    assert (obj.name, tuple(obj.location), obj.session_uid) == ("Mine", (5, 6, 7), uid)
    assert "Twist" in obj.modifiers and len(bpy.data.meshes) == 1
    wanted = [arrays["positions"] for _, arrays in script.records[job.id] if "positions" in arrays]
    np.testing.assert_array_equal(key_positions(obj), wanted)
    assert_whole(obj)
    assert not any("changed or deleted" in note for note in script.pump.arrivals.notes[job.id])


def test_an_undo_to_before_its_first_frame_and_a_redo_leave_it_whole(script, orders):
    job, obj = begun(script, orders, 1, colour=True)
    obj.location = (5, 6, 7)
    step("One")
    script.give(job, 3)
    step("Two")
    bpy.ops.ed.undo()
    script.give(job, 0)
    (obj,) = bpy.data.objects
    assert len(key_positions(obj)) == 3  # all that had come is there again, before anything more comes
    bpy.ops.ed.redo()
    script.give(job)
    (obj,) = bpy.data.objects
    assert_whole(obj)
    assert tuple(obj.location) == (5, 6, 7) and len(bpy.data.materials) == 1
    assert "Albedo" in obj.data.attributes


@pytest.mark.parametrize("kept", [1, 2])
def test_an_undo_while_copies_are_planted_plants_each_once(script, orders, monkeypatch, kept):
    """The undo comes between two ticks, as in Blender, when three copies stand, and leaves `kept` of them."""
    know(script, count=4)
    order = orders.place(wish(variations=1), (1.0, 2.0, 0.5))
    job = adopt(script, order.jobs[0], grown())
    one_step_a_tick(monkeypatch)
    script.allowed[job.id] = len(script.records[job.id])
    job.state = "done"
    for copies in (1, 2, 3):
        until(script, lambda copies=copies: len(bpy.data.objects) == 1 + copies)
        if copies <= kept + 1:
            step(f"Planted {copies}")
    bpy.ops.ed.undo()  # from the last step to the one before it
    assert len(bpy.data.objects) == 1 + kept
    until(script, lambda: job.id not in script.pump.arrivals.open)
    assert len(bpy.data.objects) == 4 and len(bpy.data.meshes) == 1
    assert len({tuple(round(x, 5) for x in obj.location) for obj in bpy.data.objects}) == 4
    for obj in bpy.data.objects:
        assert_whole(obj)


@pytest.mark.parametrize("shared", [False, True])
def test_a_copy_of_the_artists_is_left_alone(script, orders, shared):
    job, obj = begun(script, orders, 3)
    step("One")
    copy = obj.copy()
    copy.name = "Artist's"
    if not shared:
        copy.data = obj.data.copy()
    bpy.context.scene.collection.objects.link(copy)
    step("Two")
    step("Three")
    bpy.ops.ed.undo()
    script.give(job)
    for _ in range(2):
        copy = bpy.data.objects["Artist's"]
        assert not copy.hide_viewport and not copy.hide_render and marks.PROPERTY not in copy
        assert_whole(bpy.data.objects["Rose"])
        step("Four")
        step("Five")
        bpy.ops.ed.undo()
        script.give(job, 0)
    script.pump.arrivals.again(job.id)


def test_a_copy_stays_where_the_rest_is_withdrawn(script, orders):
    job, obj = begun(script, orders, 2)
    copy = obj.copy()
    copy.name = "Artist's"
    bpy.context.scene.collection.objects.link(copy)
    obj.data.materials.append(None)
    mine = bpy.data.materials.new("Mine")
    obj.data.materials.append(mine)
    script.pump.arrivals.drop(job.id)
    assert [each.name for each in bpy.data.objects] == ["Artist's"]
    assert len(bpy.data.objects["Artist's"].data.vertices) == 12 and mine.name in bpy.data.materials


def test_an_empty_slot_does_not_hinder_a_withdrawal(script, orders):
    job, obj = begun(script, orders, 2, colour=True)
    assert len(bpy.data.materials) == 1
    obj.data.materials.append(None)
    script.pump.arrivals.drop(job.id)
    assert not any(samples.blocks()[kind] for kind in ("objects", "meshes", "materials"))


def test_what_was_saved_while_it_arrived_is_the_artists_when_it_is_opened(script, orders, tmp_path):
    begun(script, orders, 4)
    path = str(tmp_path / "half.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    (obj,) = bpy.data.objects
    assert marks.PROPERTY not in obj and keys.ARRIVING not in obj.data.shape_keys
    step("One")
    step("Two")
    bpy.ops.ed.undo()
    script.pump.tick(budget=1.0)
    (obj,) = bpy.data.objects
    assert not obj.hide_viewport and not obj.hide_render


def test_the_handler_of_an_undo_changes_nothing(script, orders):
    """There neither can an error be shown nor may data be made or removed."""
    job, _ = begun(script, orders, 3)
    step("One")
    script.give(job, 1)
    step("Two")
    bpy.ops.ed.undo()
    (obj,) = bpy.data.objects
    assert len(key_positions(obj)) == 2 and marks.owner_of(obj)
    script.give(job)
    assert_whole(bpy.data.objects[0])


def test_a_whole_bouquet_is_not_touched_by_an_undo_of_something_else(script, orders):
    bouquet(script, orders)
    names = samples.blocks()
    step("One")
    step("Two")
    bpy.ops.ed.undo()
    script.pump.tick(budget=1.0)
    assert samples.blocks() == names


# --- Undo steps that know nothing of what arrives, and have the scene alike


def of_something_else(name):
    """An undo step in which nothing changes but an object that has nothing to do with it."""
    there = bpy.data.objects.get("Something Else")
    if there is None:
        there = bpy.data.objects.new("Something Else", None)
        bpy.context.scene.collection.objects.link(there)
        bpy.ops.ed.undo_push(message="First")  # after which Blender still changes the scene
    there.location.x += 1
    bpy.ops.ed.undo_push(message=name)


def assert_sound():
    """Whoever is pointed to is in the file. Blender would crash here, or on the way to here."""
    samples.blocks()
    for obj in bpy.context.scene.collection.all_objects:
        assert obj == bpy.data.objects[obj.name]
        if obj.type == "MESH" and obj.data.shape_keys:
            assert obj.data.shape_keys == bpy.data.shape_keys[obj.data.shape_keys.name]
    for block in (*bpy.data.objects, *bpy.data.shape_keys):
        if block.animation_data and block.animation_data.action:
            assert block.animation_data.action == bpy.data.actions[block.animation_data.action.name]
    bpy.ops.ed.undo_push(message="Sound")


def preferences_now():
    preferences = bpy.context.preferences
    return preferences.view.show_developer_ui, preferences.experimental.use_undo_legacy, preferences.is_dirty


@pytest.mark.parametrize("given", [1, 2, 4, 6])
def test_an_undo_that_has_the_scene_alike_leaves_no_pointer_to_what_it_took_away(script, orders, given):
    of_something_else("One")
    of_something_else("Two")
    job, _ = begun(script, orders, given, colour=True)
    bpy.ops.ed.undo()
    assert [obj.name for obj in bpy.context.scene.collection.all_objects] == ["Something Else"]
    assert bpy.data.objects["Something Else"].location.x == 1
    assert_sound()
    script.give(job)
    assert_whole(bpy.data.objects["Rose"])
    assert_sound()


def test_a_redo_that_has_the_scene_alike_leaves_no_pointer_to_what_it_took_away(script, orders):
    of_something_else("One")
    of_something_else("Two")
    bpy.ops.ed.undo()
    job, _ = begun(script, orders, 4)
    bpy.ops.ed.redo()
    assert bpy.data.objects["Something Else"].location.x == 2
    assert_sound()
    script.give(job)
    assert_whole(bpy.data.objects["Rose"])


@pytest.mark.parametrize("given", [0, 1, 3])
def test_the_mesh_of_an_artist_keeps_no_keys_that_an_undo_took_away_and_gets_them_again(script, given):
    obj = samples.prism("Mine")
    records, target = packed_clip(obj)
    of_something_else("One")
    of_something_else("Two")
    job = script.job(MELT, records, target)
    script.give(job, 4)
    assert obj.data.shape_keys is not None
    bpy.ops.ed.undo()
    assert bpy.data.objects["Mine"].data.shape_keys is None and not bpy.data.shape_keys
    assert_sound()
    script.give(job, given)
    script.give(job)
    assert_sound()
    assert_whole(bpy.data.objects["Mine"])
    assert len([obj for obj in bpy.data.objects if obj.type == "MESH"]) == 1
    assert not any("changed or deleted" in note for note in script.pump.arrivals.notes[job.id])


def test_undoing_reads_all_of_a_step_only_while_something_arrives(script, orders):
    of_something_else("One")
    of_something_else("Two")
    before, scene = preferences_now(), bpy.context.scene.as_pointer()
    bpy.ops.ed.undo()
    assert bpy.context.scene.as_pointer() == scene
    job, _ = begun(script, orders, 3)
    bpy.ops.ed.redo()
    assert bpy.context.scene.as_pointer() != scene and preferences_now() == before
    script.give(job)
    scene = bpy.context.scene.as_pointer()
    of_something_else("Three")
    of_something_else("Four")
    bpy.ops.ed.undo()
    assert bpy.context.scene.as_pointer() == scene
    assert preferences_now() == before


def test_an_undo_with_nothing_to_undo_leaves_the_preferences_alone(script, orders):
    of_something_else("Only One")
    before = preferences_now()
    begun(script, orders, 3)
    while bpy.ops.ed.undo.poll() and "FINISHED" in bpy.ops.ed.undo():
        assert preferences_now() == before
    assert preferences_now() == before


def test_what_has_landed_has_its_undo_step_in_the_same_tick(script, orders, monkeypatch):
    of_something_else("One")
    of_something_else("Two")
    know(script)
    job = adopt(script, orders.place(wish(), (0, 0, 0)).jobs[0], grown())
    one_step_a_tick(monkeypatch)
    script.allowed[job.id], job.state = len(script.records[job.id]), "done"
    until(script, lambda: job.id not in script.pump.arrivals.open)
    assert not script.pump.arrivals.landed
    bpy.ops.ed.undo()
    assert [obj.name for obj in bpy.data.objects] == ["Something Else"]
    assert bpy.data.objects["Something Else"].location.x == 2
    bpy.ops.ed.redo()
    assert_whole(bpy.data.objects["Rose"])
