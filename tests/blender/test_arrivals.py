"""What goes on between two ticks: results grow in the scene as they come, whatever its user does meanwhile."""

import time

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")
import addon_utils  # noqa: E402  (comes with bpy)

from backend import protocol  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.addon import GENERATE, MELT, SECONDS, key_positions, packed_clip  # noqa: E402

# --- Between two ticks


def test_frames_grow_in_the_scene_as_they_come(script):
    packed, _ = packed_clip()
    job = script.job(GENERATE, packed)
    counts = []
    for _ in range(len(packed) - 1):
        script.give(job, 1)
        (obj,) = bpy.data.objects
        counts.append(len(obj.data.shape_keys.key_blocks) - 1 if obj.data.shape_keys else 0)
    assert counts == sorted(counts) and counts[-1] >= 5 > counts[1]
    script.give(job, 1)
    assert job.id in script.pump.arrivals.objects and not script.pump.arrivals.open


def test_a_mesh_that_was_edited_in_between_is_left_alone_and_the_result_is_a_new_object(script):
    obj = samples.prism("Mine")
    packed, target = packed_clip(obj)
    job = script.job(MELT, packed, target)
    obj.data.vertices[3].co.x += 0.25
    edited = [tuple(vertex.co) for vertex in obj.data.vertices]
    script.give(job)
    assert obj.data.shape_keys is None
    assert [tuple(vertex.co) for vertex in obj.data.vertices] == edited
    assert script.pump.arrivals.objects[job.id] != "Mine"
    assert any("edited" in note for note in script.pump.arrivals.notes[job.id])


def test_a_mesh_that_is_moved_while_frames_come_in_keeps_the_edit_and_no_half_of_the_result(script):
    obj = samples.prism("Mine")
    before = samples.positions(obj.data)
    packed, target = packed_clip(obj)
    job = script.job(MELT, packed, target)
    script.give(job, 4)
    assert len(obj.data.shape_keys.key_blocks) == 4
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.transform.translate(value=(5, 0, 0))
    script.give(job, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    script.give(job, 0)  # the frame that waited
    assert obj.data.shape_keys is None
    script.give(job)
    np.testing.assert_allclose(samples.positions(obj.data), before + (5, 0, 0), atol=1e-6)
    assert len(bpy.data.objects[script.pump.arrivals.objects[job.id]].data.shape_keys.key_blocks) == 6
    assert any("was changed or deleted" in note for note in script.pump.arrivals.notes[job.id])


def test_nothing_is_written_in_edit_mode_and_the_job_says_so(script):
    from blender_addon import job_list

    obj = samples.prism("Mine")
    packed, target = packed_clip(obj)
    job = script.job(MELT, packed, target)
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")
    script.give(job)
    assert "Object Mode" in job_list.shown(job, script.pump)["text"]
    assert script.given[job.id] == 0
    bpy.ops.object.mode_set(mode="OBJECT")
    script.give(job)
    assert script.pump.arrivals.objects[job.id] == "Mine"
    assert len(key_positions(obj)) >= 4


def test_another_file_is_opened_during_an_import(script, tmp_path):
    packed, _ = packed_clip()
    job = script.job(GENERATE, packed)
    script.give(job, 3)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "half.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    script.give(job)
    assert len(bpy.data.objects) == 0  # the rest is not written into a file that never asked for it
    assert job.id in script.session.jobs
    assert "Another file" in script.pump.arrivals.notes[job.id][0]
    script.pump.arrivals.again(job.id)
    with pytest.raises(ValueError, match="imported already"):
        script.pump.arrivals.again(job.id)
    script.give(job)
    assert len(key_positions(bpy.data.objects[script.pump.arrivals.objects[job.id]])) >= 5


def test_the_list_of_jobs_is_there_again_after_a_file_was_opened(script, addon):
    script.job(GENERATE, packed_clip()[0], title="First")
    script.job(GENERATE, packed_clip()[0], title="Second")
    bpy.ops.wm.read_homefile(use_empty=True)
    window = bpy.context.window_manager.anthesis
    assert [row.title for row in window.jobs] == ["Second", "First"]


def test_one_job_that_cannot_be_imported_does_not_hold_up_the_others(script):
    packed, _ = packed_clip()
    broken = script.job(GENERATE, [packed[1], *packed])  # a frame before its subject
    good = script.job(GENERATE, packed)
    script.give(broken)
    script.give(good)
    assert "before its subject" in script.pump.arrivals.notes[broken.id][0]
    assert list(script.pump.arrivals.objects) == [good.id]


@pytest.mark.parametrize(("came", "kept"), [(2, False), (4, True)])
def test_a_cancelled_job_leaves_at_least_two_frames_or_nothing(script, came, kept):
    job = script.job(GENERATE, packed_clip()[0])
    script.give(job, came)
    job.state = "cancelled"
    script.give(job, 0)
    assert not script.pump.arrivals.open
    assert len(bpy.data.objects) == (1 if kept else 0)
    assert len(bpy.data.meshes) == (1 if kept else 0)


def test_a_job_that_is_removed_while_it_arrives_ends_cleanly(script):
    job = script.job(GENERATE, packed_clip()[0])
    script.give(job, 4)
    del script.session.jobs[job.id]
    for _ in range(200):
        script.pump.tick(budget=1.0)
    assert not script.pump.arrivals.open and len(bpy.data.objects) == 1


def test_an_object_that_is_deleted_while_it_arrives_comes_back_whole(script):
    job = script.job(GENERATE, packed_clip()[0])
    script.give(job, 4)
    bpy.data.objects.remove(bpy.data.objects[0])
    script.give(job)
    assert len(key_positions(bpy.data.objects[script.pump.arrivals.objects[job.id]])) >= 5


def test_a_tick_stops_when_its_time_is_over(script, monkeypatch):
    """Each look at the clock takes a millisecond: twelve of them are one tick."""
    from blender_addon import arrivals, pump

    class Clock:
        now = 0.0

        def perf_counter(self):
            self.now += 0.001
            return self.now

        monotonic = staticmethod(time.monotonic)

    job = script.job(GENERATE, packed_clip(frames=40)[0])
    script.allowed[job.id] = 100
    clock = Clock()
    monkeypatch.setattr(arrivals, "time", clock)
    monkeypatch.setattr(pump, "time", clock)
    script.pump.tick(budget=0.012)
    assert 1 <= script.given[job.id] <= 12
    assert script.pump.interval == 0.0  # and the next one comes at once


def test_the_ending_of_an_exported_file_follows_the_format(script, tmp_path):
    job = script.job(GENERATE, packed_clip()[0])
    script.give(job)
    bpy.context.view_layer.objects.active = bpy.data.objects[script.pump.arrivals.objects[job.id]]
    assert bpy.ops.anthesis.export(filepath=str(tmp_path / "life.abc"), format="GLTF") == {"FINISHED"}
    assert [file.name for file in tmp_path.glob("life*")] == ["life.glb"]
    with pytest.raises(RuntimeError, match="There is no folder"):
        bpy.ops.anthesis.export(filepath=str(tmp_path / "nowhere" / "life.fbx"), format="FBX")


# Blender 5.2's own FBX exporter, under NumPy 2.5
@pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy array:DeprecationWarning")
def test_the_ending_chooses_the_format_where_none_is_given(script, tmp_path):
    job = script.job(GENERATE, packed_clip()[0])
    script.give(job)
    bpy.context.view_layer.objects.active = bpy.data.objects[script.pump.arrivals.objects[job.id]]
    for name in ("life.fbx", "life.ABC", "plain"):
        assert bpy.ops.anthesis.export(filepath=str(tmp_path / name)) == {"FINISHED"}
    written = sorted(file.name for file in tmp_path.iterdir() if file.is_file())
    assert written == ["life.abc", "life.fbx", "plain.glb"]
    with pytest.raises(RuntimeError, match=r'No format ends in "[.]obj": use [.]glb, .*, or set format'):
        bpy.ops.anthesis.export(filepath=str(tmp_path / "life.obj"))


def test_an_idle_blender_is_asked_seldom(script):
    script.pump.tick(budget=1.0)
    script.session.gateway.state = "off"
    assert script.pump.interval == 0.5


def test_what_was_measured_is_shown_and_what_made_it(script):
    packed, _ = packed_clip()
    measured = tuple((f"volume at {n} % of the frames", 1 - n / 200, "of the subject's") for n in (0, 50, 100))
    packed[-1] = protocol.pack(protocol.Certificate(measured=measured), {})
    job = script.job(GENERATE, packed)
    script.give(job)
    bpy.context.view_layer.objects.active = bpy.data.objects[script.pump.arrivals.objects[job.id]]
    assert bpy.ops.anthesis.show_certificate() == {"FINISHED"}
    shown = bpy.data.texts["Anthesis Certificate"].as_string()
    assert shown.startswith("Volume: 1, 0.75, 0.5 of the subject's, at 0, 50 and 100 % of the frames\n\n")
    assert "prompt: a rose" in shown


# --- What goes wrong between two ticks


def spoilt(packed, index):
    """The clip with NaN in its record `index`."""
    record, arrays = protocol.unpack(packed[index])
    arrays = {name: array.copy() for name, array in arrays.items()}
    arrays["positions"][2, 1] = np.nan
    return [*packed[:index], protocol.pack(record, arrays), *packed[index + 1 :]]


def plays_whole(obj, frames):
    """The rule for what is kept: keys that are driven, the curve that they follow, and provenance."""
    from blender_addon.scene import provenance

    assert len(key_positions(obj)) == len(obj.data.shape_keys.animation_data.drivers) == frames
    assert obj.animation_data.action is not None
    assert provenance.read(obj)["frames"] == frames


@pytest.mark.parametrize(("record", "kept"), [(2, 0), (5, 4)])
def test_a_refused_record_ends_the_import_as_a_cancel_does(script, record, kept):
    job = script.job(GENERATE, spoilt(packed_clip(frames=6)[0], record))
    script.give(job)
    notes = script.pump.arrivals.notes[job.id]
    assert "NaN" in notes[0] and not script.pump.arrivals.open
    assert len(bpy.data.objects) == len(bpy.data.meshes) == (1 if kept else 0)
    if kept:
        plays_whole(bpy.data.objects[0], kept)
        assert any(f"keeps the {kept} frames" in note for note in notes)
        assert script.pump.arrivals.landed == {}  # it has its undo step


def test_a_fault_while_a_record_is_written_ends_the_import_as_a_cancel_does(script, monkeypatch, capsys):
    from blender_addon.scene import writing

    apply = writing.Import.apply

    def failing(self, record, arrays):
        if getattr(record, "index", 0) == 3:
            raise KeyError("petal")
        apply(self, record, arrays)

    monkeypatch.setattr(writing.Import, "apply", failing)
    job = script.job(GENERATE, packed_clip(frames=6)[0])
    script.give(job)
    assert "petal" in script.pump.arrivals.notes[job.id][0] and "petal" in capsys.readouterr().err
    plays_whole(bpy.data.objects[0], 3)


@pytest.mark.parametrize("step", ["abandon", "finish"])
def test_a_fault_while_an_import_is_closed_ends_it_all_the_same(script, monkeypatch, step):
    from blender_addon.scene import writing

    def failing(self):
        raise KeyError("petal")

    monkeypatch.setattr(writing.Import, step, failing)
    job = script.job(GENERATE, spoilt(packed_clip(frames=6)[0], 5))
    script.give(job)
    assert "NaN" in script.pump.arrivals.notes[job.id][0] and not script.pump.arrivals.open


@pytest.mark.parametrize(("came", "kept"), [(2, 0), (4, 3)])
def test_disabling_the_addon_ends_an_import_as_a_cancel_does(script, came, kept):
    job = script.job(GENERATE, packed_clip()[0])
    script.give(job, came)
    addon_utils.disable("blender_addon", default_set=False)
    assert len(bpy.data.objects) == len(bpy.data.meshes) == (1 if kept else 0)
    if kept:
        plays_whole(bpy.data.objects[0], kept)
    addon_utils.enable("blender_addon", default_set=False)


def test_a_script_that_waits_hears_of_a_refused_record_while_the_job_runs(script):
    from blender_addon.pump import JobFailed

    job = script.job(GENERATE, spoilt(packed_clip(frames=6)[0], 5))
    script.allowed[job.id] = 6  # and the job goes on
    with pytest.raises(JobFailed, match=r"NaN.*keeps the 4 frames"):
        script.pump.wait(job.id, SECONDS)


def test_a_script_that_waits_hears_of_a_job_that_was_removed(script, monkeypatch):
    from blender_addon.pump import JobFailed

    job = script.job(GENERATE, packed_clip()[0])
    monkeypatch.setattr(script.session, "tick", lambda budget=0.0: script.session.jobs.pop(job.id, None) is not None)
    with pytest.raises(JobFailed, match="was removed"):
        script.pump.wait(job.id, SECONDS)


def test_a_script_that_waits_hears_what_it_waits_for(script, monkeypatch):
    from blender_addon import arrivals
    from blender_addon.pump import JobFailed

    job = script.job(GENERATE, packed_clip()[0])
    monkeypatch.setattr(arrivals, "obstacle", lambda: "Waits until the render is finished")
    with pytest.raises(JobFailed, match="until the render is finished"):
        script.pump.wait(job.id, SECONDS)


def test_a_fault_in_a_tick_does_not_stop_the_clock(script, addon, monkeypatch, capsys):
    def failing(budget=0.0):
        raise KeyError("petal")

    monkeypatch.setattr(script.session, "tick", failing)
    assert addon._on_timer() > 0
    assert "petal" in script.pump.fault and "petal" in capsys.readouterr().err
    bpy.ops.anthesis.show_log()
    assert "petal" in bpy.data.texts["Anthesis Log"].as_string()
    assert not script.pump.fault


def test_the_logs_are_shown_together_with_their_paths(addon):
    with pytest.raises(RuntimeError, match="no log yet"):
        bpy.ops.anthesis.show_log()
    folder = addon.running().settings.home / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("backend", "gateway", "worker"):
        (folder / f"{name}.log").write_text(f"words of {name}")
    bpy.ops.anthesis.show_log()
    shown = bpy.data.texts["Anthesis Log"].as_string()
    for name in ("backend", "gateway", "worker"):
        assert f"words of {name}" in shown and str(folder / f"{name}.log") in shown


def test_the_details_of_a_failure_are_shown(script):
    from blender_addon import job_list

    job = script.job(GENERATE, packed_clip()[0], title="A rose")
    assert not job_list.shown(job, script.pump)["details"]
    with pytest.raises(RuntimeError, match="nothing more"):
        bpy.ops.anthesis.show_details(job=job.id)
    job.state, job.failure = "failed", protocol.Failure("internal", "It failed", "Traceback: petal")
    assert job_list.shown(job, script.pump)["details"]
    bpy.ops.anthesis.show_details(job=job.id)
    shown = bpy.data.texts["Anthesis Details"].as_string()
    assert all(words in shown for words in ("A rose", "It failed", "Traceback: petal"))


def test_cancelling_once_more_is_by_force(script, monkeypatch):
    asked = []
    monkeypatch.setattr(script.session, "cancel", lambda job, force=False: asked.append(force))
    job = script.job(GENERATE, packed_clip()[0])
    bpy.ops.anthesis.cancel_job(job=job.id)
    job.state = "cancelling"
    bpy.ops.anthesis.cancel_job(job=job.id)
    assert asked == [False, True]


def test_clearing_leaves_a_job_that_arrives(script):
    arriving, old = (script.job(GENERATE, packed_clip()[0]) for _ in range(2))
    for job in (arriving, old):
        job.state = "done"
    del script.pump.arrivals.open[old.id]
    bpy.ops.anthesis.clear_jobs()
    assert set(script.session.jobs) == {arriving.id}


def test_why_a_mesh_is_not_sent_is_in_the_list(script):
    from blender_addon import job_list

    job = script.job(GENERATE, packed_clip()[0])
    job.state, job.text = "uploading", "The disk is full"
    assert job_list.shown(job, script.pump)["text"] == "The disk is full"
