"""Undo, redo, copies and saved files while something arrives: what the artist did stays, and the result comes whole."""

import time

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.scene import keys, live, marks, provenance  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.addon import key_positions  # noqa: E402
from tests.blender.ordering import adopt, bouquet, grown, know, wish  # noqa: E402


def begun(script, orders, count, **like):
    """A job of which so many records have come, and its object."""
    know(script)
    order = orders.place(wish(), (0, 0, 0))
    job = adopt(script, order.jobs[0], grown(**like))
    script.give(job, count)
    (obj,) = bpy.data.objects
    return job, obj


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
