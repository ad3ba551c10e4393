"""The add-on comes and goes, and carries jobs the whole way to a real backend and back."""

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")
import addon_utils  # noqa: E402  (comes with bpy)

from backend import protocol  # noqa: E402
from blender_addon.scene import sway  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.addon import PYTHON, ROOT, SECONDS, generate_settings, key_positions, needs_backend, until  # noqa: E402

# --- Coming and going


def own_handlers() -> list:
    handlers = [*bpy.app.handlers.load_pre, *bpy.app.handlers.load_post]
    return [handler for handler in handlers if handler.__module__.startswith("blender_addon")]


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@needs_backend
@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")
def test_fifty_times_disabled_and_enabled_leaks_neither_files_nor_threads(addon):
    bpy.ops.anthesis.start_backend()
    until(lambda: addon.running().session.state == "ready", lambda: addon.running().tick())
    before = None
    for turn in range(50):
        addon_utils.disable("blender_addon", default_set=False)
        if turn == 2:  # libzmq and Python have made what they keep
            before = open_files(), len(os.listdir("/proc/self/task")), threading.active_count()
        if turn == 49:
            after = open_files(), len(os.listdir("/proc/self/task")), threading.active_count()
        addon_utils.enable("blender_addon", default_set=False)
        until(lambda: addon.running().session.state == "ready", lambda: addon.running().tick())
    assert after == before
    assert len(own_handlers()) == 2


def test_disabling_takes_everything_back(addon):
    addon_utils.disable("blender_addon", default_set=False)
    assert not hasattr(bpy.types.Scene, "anthesis") and not hasattr(bpy.types.WindowManager, "anthesis")
    assert not hasattr(bpy.types, "ANTHESIS_OT_generate")
    assert not own_handlers()
    assert addon.running() is None
    addon_utils.enable("blender_addon", default_set=False)


QUIT = """
    import sys, time
    sys.path.insert(0, {root!r})
    import bpy, addon_utils
    addon_utils.enable("blender_addon", default_set=True)
    bpy.context.preferences.addons["blender_addon"].preferences.python = {python!r}
    bpy.context.scene.anthesis.generate.prompt = "a red rose"
    from blender_addon import events
    bpy.ops.anthesis.generate()
    bpy.ops.anthesis.generate()
    while not any(job.state == "running" for job in events.running().session.jobs.values()):
        events.running().tick()
        time.sleep(0.01)
    print("leaves", time.time(), flush=True)
"""


@needs_backend
def test_blender_quits_at_once_though_jobs_are_waiting(tmp_path):
    home = tmp_path / "home"
    text = textwrap.dedent(QUIT).format(root=str(ROOT), python=str(PYTHON))
    environment = os.environ | {"ANTHESIS_HOME": str(home)}
    command = [sys.executable, "-c", text]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    now = time.time()
    said = [line for line in ended.stdout.splitlines() if line.startswith("leaves")]
    assert said, ended.stdout + ended.stderr
    assert now - float(said[0].split()[1]) < 2
    stop_backend_of(home)


def stop_backend_of(home: Path) -> None:
    from blender_addon.client.session import Session

    session = Session("test")
    session.start(home, None)
    until(lambda: session.state == "ready", session.tick)
    session.shutdown_backend(force=True)
    until(lambda: session.state == "off", session.tick)
    session.close()


# --- The whole way, against a real backend


@needs_backend
def test_the_operator_gives_what_the_client_gives(addon):
    pump = addon.running()
    settings = generate_settings()
    assert bpy.ops.anthesis.generate(wait=True, timeout=SECONDS) == {"FINISHED"}
    by_operator = bpy.context.scene.objects[next(iter(pump.arrivals.objects.values()))]

    session, records = pump.session, []
    job = session.submit(settings.to_request(), "by hand")
    until(lambda: session.fetched(job), lambda: (session.tick(), records.extend(drained(session, job))))
    by_hand = samples.import_now("by hand", protocol.provenance(settings.to_request()), None, records)
    mine, theirs = key_positions(bpy.data.objects[by_hand.object_name]), key_positions(by_operator)
    assert len(mine) >= 3
    np.testing.assert_array_equal(mine, theirs)


def drained(session, job):
    while (taken := session.take(job)) is not None:
        yield taken[1:]


@pytest.mark.once
@needs_backend
def test_animate_selected_puts_the_process_on_each_selected_mesh(addon):
    mine, also, other = (samples.prism(name) for name in ("Mine", "Also", "Other"))
    bpy.context.view_layer.objects.active = other  # active, and not selected
    for obj, chosen in ((mine, True), (also, True), (other, False)):
        obj.select_set(chosen)
    settings = bpy.context.scene.anthesis.animate
    settings.stage.process, settings.frames = "melt", 4
    assert bpy.ops.anthesis.animate_selected(wait=True, timeout=SECONDS) == {"FINISHED"}
    for obj in (mine, also):
        positions = key_positions(obj)
        assert positions[-1, :, 2].max() < 0.9 * positions[0, :, 2].max()  # it sinks
    assert other.data.shape_keys is None


@pytest.mark.once
@needs_backend
def test_sway_selected_lets_a_mesh_sway_in_its_own_axes(addon):
    bpy.ops.mesh.primitive_cylinder_add(vertices=16, radius=0.4, depth=2.0)
    obj = bpy.context.object
    samples.place(obj, scale=(1, 1, 3), rotation=(0, 0, 0.5), location=(2, 0, 0))
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    settings = bpy.context.scene.anthesis.sway
    settings.frequencies, settings.modes, settings.direction = 5, 4, 0.3
    assert bpy.ops.anthesis.sway_selected(wait=True, timeout=SECONDS) == {"FINISHED"}
    assert sway.of(obj) is not None and sway.has_modes(obj)
    assert len(obj.data.shape_keys.key_blocks) == 2 + 2 * 4  # the basis, the lean, and two a frequency
    shape, rest = (keys_of(obj, name) for name in ("Sway Lean", "Basis"))
    lean = (np.array(obj.matrix_world.to_3x3()) @ (shape - rest).T).T
    towards = lean[np.argmax(np.linalg.norm(lean, axis=1))]
    assert np.isclose(np.arctan2(towards[1], towards[0]), 0.3, atol=0.05)
    assert bpy.ops.anthesis.sway_selected(wait=True, timeout=SECONDS) == {"FINISHED"}
    assert len(obj.data.shape_keys.key_blocks) == 2 + 2 * 4


def keys_of(obj, name):
    points = obj.data.shape_keys.key_blocks[name].points
    found = np.empty(3 * len(points), np.float32)
    points.foreach_get("co", found)
    return found.reshape(-1, 3)


@needs_backend
def test_a_prompt_that_is_not_known_is_answered_with_the_backends_sentence(addon):
    bpy.context.scene.anthesis.generate.prompt = "a locomotive"
    with pytest.raises(RuntimeError, match="locomotive"):
        bpy.ops.anthesis.generate(wait=True, timeout=SECONDS)
    assert len(bpy.data.objects) == 0


@needs_backend
def test_a_job_of_an_earlier_blender_is_listed_and_can_be_imported(addon):
    generate_settings()
    bpy.ops.anthesis.generate(wait=True, timeout=SECONDS)
    first = addon.running().session.client
    addon_utils.disable("blender_addon", default_set=False)
    bpy.ops.wm.read_homefile(use_empty=True)
    addon_utils.enable("blender_addon", default_set=False)
    pump = addon.running()
    assert pump.session.client != first
    until(lambda: pump.session.jobs, pump.tick)
    (job,) = pump.session.jobs
    bpy.ops.anthesis.import_again(job=job, wait=True, timeout=SECONDS)
    assert len(key_positions(bpy.data.objects[pump.arrivals.objects[job]])) >= 3


@pytest.mark.once
@needs_backend
def test_a_job_that_is_asked_for_while_the_backend_is_killed_is_done_all_the_same(addon):
    pump = addon.running()
    bpy.ops.anthesis.start_backend()
    until(lambda: pump.session.state == "ready", pump.tick)
    os.kill(protocol.read_connection(pump.settings.home).pid, 9)
    generate_settings(frames=2)
    assert bpy.ops.anthesis.generate(wait=True, timeout=SECONDS) == {"FINISHED"}
