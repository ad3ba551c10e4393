"""The add-on in a Blender without a window: the panel's values, operators, and what goes on between two ticks."""

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module: run with .env/bpy-4.5/bin/python -m pytest")
import addon_utils  # noqa: E402  (comes with bpy)

from backend import protocol  # noqa: E402
from blender_addon.client import install  # noqa: E402
from tests.blender import samples  # noqa: E402

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("ANTHESIS_PYTHON", ROOT / ".env" / "backend" / "bin" / "python"))
SECONDS = 60.0  # that a test waits for what must come

needs_backend = pytest.mark.skipif(not PYTHON.exists(), reason=f"needs the backend's environment at {PYTHON}")


@pytest.fixture
def addon(tmp_path, monkeypatch):
    """The add-on, enabled as Blender's preferences do it, with a home of its own."""
    monkeypatch.setenv("ANTHESIS_HOME", str(tmp_path / "home"))
    addon_utils.enable("blender_addon", default_set=True)
    from blender_addon import events

    entry = bpy.context.preferences.addons["blender_addon"].preferences
    entry.python = str(PYTHON)
    yield events
    pump = events.running()
    if pump is not None and pump.session.state == "ready":
        pump.session.shutdown_backend(force=True)
        until(lambda: pump.session.state == "off", pump.tick)
    addon_utils.disable("blender_addon", default_set=True)


def until(condition, tick) -> None:
    ends = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < ends, "waited too long"
        tick()
        time.sleep(0.005)


def generate_settings(frames=4, seed=3):
    settings = bpy.context.scene.anthesis.generate
    settings.prompt, settings.frames, settings.seed = "a red rose blooming", frames, seed
    return settings


def key_positions(obj) -> np.ndarray:
    """(keys, V, 3) of the shape keys after the Basis."""
    blocks = obj.data.shape_keys.key_blocks[1:]
    positions = np.empty((len(blocks), len(obj.data.vertices), 3), np.float32)
    for block, target in zip(blocks, positions, strict=True):
        block.points.foreach_get("co", target.reshape(-1))
    return positions


class Script:
    """A session whose records are written down beforehand, handed out as `allowed` grows."""

    def __init__(self, pump, monkeypatch):
        self.pump, self.session = pump, pump.session
        self.records, self.given, self.allowed = {}, {}, {}
        for name in ("take", "fetched", "fetch", "stop_fetching", "tick"):
            monkeypatch.setattr(self.session, name, getattr(self, name))

    def job(self, request, packed, target=None, title="Test"):
        from blender_addon.client.jobs import Job

        job = Job(f"{len(self.records):032x}", title, request, mine=True, state="running", accepted=True)
        self.records[job.id] = [protocol.unpack(record) for record in packed]
        self.given[job.id] = self.allowed[job.id] = 0
        self.session.jobs[job.id] = job
        self.pump.arrivals.expect(job.id, target, asked=True)
        return job

    def give(self, job, count=None):
        """Let `count` more records come; all of them ends the job well."""
        self.allowed[job.id] += len(self.records[job.id]) if count is None else count
        if self.allowed[job.id] >= len(self.records[job.id]):
            job.state = "done"
        for _ in range(200):
            self.pump.tick()

    def take(self, job):
        seq = self.given[job]
        if seq >= min(self.allowed[job], len(self.records[job])):
            return None
        self.given[job] += 1
        self.session.jobs[job].taken = seq + 1
        return seq, *self.records[job][seq]

    def fetched(self, job):
        return self.session.jobs[job].final and self.given[job] >= min(self.allowed[job], len(self.records[job]))

    def fetch(self, job, from_seq=0):
        self.given[job] = from_seq

    def stop_fetching(self, job):
        pass

    def tick(self, budget=0.0):
        return False


@pytest.fixture
def script(addon, monkeypatch):
    return Script(addon.running(), monkeypatch)


def packed_clip(obj=None, frames=5):
    """A subject, its frames and a certificate, and the target that belongs to them."""
    made = obj or samples.prism("Subject")
    record, arrays, target = samples.subject_of(made)
    clip = samples.clip(record, arrays, frames=frames)
    if obj is None:
        bpy.data.meshes.remove(made.data)  # and the object with it
    return [protocol.pack(each, values) for each, values in clip], target


GENERATE = protocol.Generate(prompt="a rose")
MELT = protocol.Animate(stages=(protocol.Stage(process=protocol.Melt()),))

# --- The panel's values


def assert_made_from(group, request_type, leave_out=()):
    for field in msgspec.inspect.type_info(request_type).fields:
        if field.name in leave_out:
            continue
        shown, about = group.bl_rna.properties[field.name], field.type.extra_json_schema
        assert (shown.name, shown.description) == (about["title"], about["description"])
        if field.default is not msgspec.NODEFAULT:
            assert getattr(group, field.name) == pytest.approx(field.default)
        if shown.type in ("INT", "FLOAT"):
            assert (shown.hard_min, shown.hard_max) == pytest.approx((field.type.type.ge, field.type.type.le))
        if shown.type == "ENUM":
            assert {item.identifier for item in shown.enum_items} == set(field.type.type.values)


def test_the_panel_has_the_defaults_limits_and_words_of_the_protocol(addon):
    settings = bpy.context.scene.anthesis
    assert_made_from(settings.generate, protocol.Generate)
    assert_made_from(settings.animate, protocol.Animate, {"stages"})
    assert_made_from(settings.animate.stage, protocol.Stage, {"process"})
    for name, kind in protocol.PROCESSES.items():
        assert_made_from(getattr(settings.animate.stage, name), kind)
    assert settings.animate.to_request() == protocol.Animate()


def test_the_process_menu_offers_what_there_is_in_the_words_of_the_protocol(addon):
    from blender_addon import pictures

    menu = pictures.items(None, None)
    assert [entry[0] for entry in menu] == list(protocol.PROCESSES)
    icons = {item.identifier for item in bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items}
    for name, title, about, icon, _ in menu:
        assert title == name.title() and about == protocol.PROCESSES[name].__doc__.strip().rstrip(".")
        assert isinstance(icon, int) or icon in icons - {"NONE"}


def test_pictures_that_are_there_are_in_the_menu(addon, tmp_path, monkeypatch):
    from blender_addon import pictures

    assert set(pictures.ICONS) == set(protocol.PROCESSES)
    picture = bpy.data.images.new("Picture", 8, 8)
    picture.filepath_raw, picture.file_format = str(tmp_path / "melt.png"), "PNG"
    picture.save()
    pictures.stop()
    monkeypatch.setattr(pictures, "FOLDER", tmp_path)
    pictures.start()
    assert isinstance(pictures.icon("melt"), int) and pictures.icon("wilt") == pictures.ICONS["wilt"]
    assert not pictures.are_there()


def test_what_is_set_in_the_panel_is_what_is_asked_for(addon):
    settings = bpy.context.scene.anthesis.animate
    settings.stage.process, settings.stage.amount, settings.stage.melt.spread = "melt", 0.1, 0.9
    settings.frames, settings.fps, settings.seed, settings.reverse = 17, 23.976, 2**31 - 1, True
    settings.first, settings.last, settings.timing, settings.preview = 0.2, 0.7, "slow_both", False
    assert settings.to_request() == protocol.Animate(
        stages=(protocol.Stage(process=protocol.Melt(spread=0.9), amount=0.1),),
        frames=17, fps=23.976, seed=2**31 - 1, reverse=True, first=0.2, last=0.7, timing="slow_both", preview=False,
    )  # fmt: skip


# --- Several processes


def stages_of(settings):
    return [(protocol.name_of(each.process), each.start, each.end) for each in settings.to_request().stages]


def test_then_appends_a_process_and_the_others_make_room(addon):
    settings = bpy.context.scene.anthesis.animate
    settings.stage.process, settings.stage.bloom.tightness = "bloom", 0.9
    bpy.ops.anthesis.add_process(at_once=False)
    assert stages_of(settings) == [("bloom", 0, 0.5), ("wilt", 0.5, 1)]
    assert settings.chosen == settings.stages[1] and settings.stages[0].bloom.tightness == pytest.approx(0.9)
    bpy.ops.anthesis.add_process(at_once=False)
    assert [start for _, start, _ in stages_of(settings)] == pytest.approx([0, 1 / 3, 2 / 3], abs=1e-5)
    assert protocol.in_words(settings.to_request().stages) == "bloom, wilt, melt"


def test_then_fills_what_the_last_process_leaves_of_life(addon):
    settings = bpy.context.scene.anthesis.animate
    bpy.ops.anthesis.add_process(at_once=False)
    settings.stages[1].end = 0.8
    bpy.ops.anthesis.add_process(at_once=False)
    assert stages_of(settings) == [("wilt", 0, 0.5), ("melt", 0.5, 0.8), ("shrivel", 0.8, 1)]


def test_at_once_puts_a_process_beside_the_chosen_one(addon):
    settings = bpy.context.scene.anthesis.animate
    bpy.ops.anthesis.add_process(at_once=False)
    settings.stage_index = 0
    bpy.ops.anthesis.add_process(at_once=True)
    assert stages_of(settings) == [("wilt", 0, 0.5), ("shrivel", 0, 0.5), ("melt", 0.5, 1)]
    assert protocol.in_words(settings.to_request().stages) == "wilt + shrivel, melt"
    assert settings.chosen.process == "shrivel"


def test_a_life_has_only_so_many_processes(addon):
    for _ in range(protocol.STAGES - 1):
        bpy.ops.anthesis.add_process(at_once=False)
    with pytest.raises(RuntimeError, match="A life has at most 4 processes: take one out first"):
        bpy.ops.anthesis.add_process(at_once=True)


def test_the_last_process_left_has_all_of_life(addon):
    settings = bpy.context.scene.anthesis.animate
    settings.stage.process = "burn"
    bpy.ops.anthesis.add_process(at_once=False)
    settings.stages[1].wilt.droop = 0.75
    settings.stage_index = 0
    bpy.ops.anthesis.remove_process()
    assert not settings.stages and stages_of(settings) == [("wilt", 0, 1)]
    assert settings.to_request().stages[0].process.droop == 0.75
    assert not bpy.ops.anthesis.remove_process.poll()


def test_a_process_cannot_end_before_it_starts(addon):
    settings = bpy.context.scene.anthesis.animate
    stage = settings.stage
    stage.start = 1.0
    assert 0 < stage.start < stage.end == 1
    stage.end = 0.0
    assert 0 == stage.start < stage.end
    stage.start, stage.end = 0.6, 0.3
    assert stage.start < stage.end == pytest.approx(0.3)
    stage.start = 0.5
    assert stage.start == 0.5 < stage.end < 0.6
    settings.last = 0.0
    assert settings.first < settings.last
    settings.to_request()


def test_processes_are_asked_for_in_the_order_in_which_they_start(addon):
    settings = bpy.context.scene.anthesis.animate
    bpy.ops.anthesis.add_process(at_once=False)
    settings.stages[0].end = settings.stages[0].start = 1.0
    assert [name for name, _, _ in stages_of(settings)] == ["melt", "wilt"]


def test_processes_that_cannot_follow_one_another_are_answered_with_the_sentence_and_no_job(addon):
    samples.prism().select_set(True)
    settings = bpy.context.scene.anthesis.animate
    bpy.ops.anthesis.add_process(at_once=False)
    settings.stages[1].process = "bloom"
    with pytest.raises(RuntimeError, match="Bloom ends with your mesh as it is, so nothing can come before it"):
        bpy.ops.anthesis.animate_selected()
    assert not addon.running().session.jobs


def test_a_preset_holds_all_processes_and_their_sliders(addon, tmp_path, monkeypatch):
    from blender_addon.panels import animate

    monkeypatch.setattr(bpy.utils, "user_resource", lambda *_, **__: str(tmp_path))
    settings = bpy.context.scene.anthesis.animate
    settings.stage.process, settings.stage.amount, settings.frames = "bloom", 0.5, 12
    bpy.ops.anthesis.add_process(at_once=False)
    settings.stages[1].process, settings.stages[1].rot.mould, settings.timing = "rot", 0.25, "slow_end"
    wanted = settings.to_request()
    bpy.ops.anthesis.animate_preset_add(name="Mine")
    (file,) = tmp_path.glob("*.py")
    bpy.context.scene.anthesis.animate.stages.clear()
    settings.stage.process, settings.frames, settings.timing = "wilt", 48, "even"
    exec(file.read_text(), {})
    assert settings.to_request() == wanted
    assert animate.ANTHESIS_OT_animate_preset_add.preset_subdir == "anthesis/animate"


def test_a_text_datablock_takes_the_place_of_the_prompt(addon):
    settings = bpy.context.scene.anthesis.generate
    settings.prompt = "a tulip"
    settings.text = bpy.data.texts.new("Long")
    settings.text.write("a red rose,\nblooming")
    assert settings.to_request().prompt == "a red rose,\nblooming"


@pytest.mark.parametrize(
    ("prompt", "words"), [("", "The prompt is empty"), ("  ", "The prompt is empty"), ("ü" * 5000, "shorten it")]
)
def test_a_prompt_that_cannot_be_used_is_answered_with_words_and_no_job(addon, prompt, words):
    bpy.context.scene.anthesis.generate.prompt = prompt
    with pytest.raises(RuntimeError, match=words):
        bpy.ops.anthesis.generate()
    assert not addon.running().session.jobs


def test_every_label_and_description_is_written_as_blender_asks(addon):
    from blender_addon import registration

    small = {"a", "an", "and", "of", "the", "in", "on"}
    for cls in registration.CLASSES:
        label, description = getattr(cls, "bl_label", "Fine"), getattr(cls, "bl_description", "")
        assert all(word[0].isupper() or word in small for word in label.split()), label
        assert not description.endswith("."), description
        for shown in cls.bl_rna.properties:
            if shown.identifier in cls.__annotations__:
                assert not shown.description.endswith("."), shown.description


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
    from blender_addon.scene import writing

    pump = addon.running()
    settings = generate_settings()
    assert bpy.ops.anthesis.generate(wait=True, timeout=SECONDS) == {"FINISHED"}
    by_operator = bpy.context.scene.objects[next(iter(pump.arrivals.objects.values()))]

    session, records = pump.session, []
    job = session.submit(settings.to_request(), "by hand")
    until(lambda: session.fetched(job), lambda: (session.tick(), records.extend(drained(session, job))))
    by_hand = writing.import_now("by hand", protocol.provenance(settings.to_request()), None, records)
    mine, theirs = key_positions(bpy.data.objects[by_hand.object_name]), key_positions(by_operator)
    assert len(mine) >= 3
    np.testing.assert_array_equal(mine, theirs)


def drained(session, job):
    while (taken := session.take(job)) is not None:
        yield taken[1:]


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


@needs_backend
def test_a_job_that_is_asked_for_while_the_backend_is_killed_is_done_all_the_same(addon):
    pump = addon.running()
    bpy.ops.anthesis.start_backend()
    until(lambda: pump.session.state == "ready", pump.tick)
    os.kill(protocol.read_connection(pump.settings.home).pid, 9)
    generate_settings(frames=2)
    assert bpy.ops.anthesis.generate(wait=True, timeout=SECONDS) == {"FINISHED"}


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
        script.pump.tick()
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


def test_an_idle_blender_is_asked_seldom(script):
    script.pump.tick()
    script.session.gateway.state = "off"
    assert script.pump.interval == 0.5


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
        assert script.pump.arrivals.landed == [bpy.data.objects[0].name]  # its undo step


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


# --- Words about the backend


def test_another_computer_is_not_reached_while_blender_is_kept_offline(addon):
    entry = bpy.context.preferences.addons["blender_addon"].preferences
    entry.place, entry.endpoint = "REMOTE", "192.0.2.7:5577"
    assert not bpy.app.online_access
    for operator in (bpy.ops.anthesis.start_backend, bpy.ops.anthesis.test_connection):
        with pytest.raises(RuntimeError, match="allow online access"):
            operator()


def test_a_key_that_is_cut_is_said(addon):
    entry = bpy.context.preferences.addons["blender_addon"].preferences
    entry.place, entry.endpoint, entry.server_key = "REMOTE", "127.0.0.1:5577", "abc"
    with pytest.raises(RuntimeError, match="key"):
        bpy.ops.anthesis.start_backend()


def test_an_address_without_a_port_is_said(addon):
    entry = bpy.context.preferences.addons["blender_addon"].preferences
    entry.place, entry.endpoint = "REMOTE", "127.0.0.1"
    for operator in (bpy.ops.anthesis.start_backend, bpy.ops.anthesis.test_connection):
        with pytest.raises(RuntimeError, match="host and port"):
            operator()


KEY = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"  # of the specification of Z85's users: RFC 32 and CurveZMQ


@pytest.mark.parametrize("change", [("endpoint", "127.0.0.1:2"), ("server_key", KEY[::-1]), ("place", "LOCAL")])
def test_another_backend_is_another_conversation(addon, change):
    pump = addon.running()
    entry = bpy.context.preferences.addons["blender_addon"].preferences
    entry.place, entry.endpoint = "REMOTE", "127.0.0.1:1"
    entry.server_key = entry.client_public = entry.client_secret = KEY
    bpy.ops.anthesis.start_backend()
    pump.session.submit(GENERATE, "for the first one")
    pump.tick()
    assert pump.session.jobs
    entry.auto_start = not entry.auto_start
    assert pump.session.state == "connecting" and pump.session.jobs  # which changes nothing here
    setattr(entry, *change)
    assert not pump.session.jobs
    assert pump.session.state == ("connecting" if change[0] == "place" else "off")


def test_what_was_asked_of_one_backend_is_forgotten_when_it_is_left(addon):
    pump = addon.running()
    pump.session.submit(GENERATE, "for the first one")
    bpy.ops.anthesis.disconnect()
    assert not pump.session.jobs and pump.session.state == "off"


def test_the_cache_limit_is_the_protocols_and_is_passed_on(addon):
    pump = addon.running()
    assert pump.settings.cache_gb == protocol.CACHE_GB
    bpy.context.preferences.addons["blender_addon"].preferences.cache_gb = 7.5
    argv = pump._command().argv
    assert argv[argv.index("--cache-gb") + 1] == "7.5"


@needs_backend
def test_a_backend_that_was_joined_is_started_again_for_a_job(addon):
    pump = addon.running()
    bpy.ops.anthesis.start_backend()
    until(lambda: pump.session.state == "ready", pump.tick)
    addon_utils.disable("blender_addon", default_set=False)
    addon_utils.enable("blender_addon", default_set=False)
    pump = addon.running()
    until(lambda: pump.session.state == "ready", pump.tick)
    generate_settings(frames=2)
    bpy.ops.anthesis.generate()
    os.kill(protocol.read_connection(pump.settings.home).pid, 9)
    until(lambda: pump.arrivals.objects, pump.tick)


def test_a_python_that_is_not_there_is_said(addon):
    bpy.context.preferences.addons["blender_addon"].preferences.python = "/nowhere/python"
    with pytest.raises(RuntimeError, match="/nowhere/python"):
        bpy.ops.anthesis.start_backend()


def test_installing_needs_online_access(addon):
    with pytest.raises(RuntimeError, match="allow online access"):
        bpy.ops.anthesis.install_backend()


@needs_backend
def test_the_connection_is_tested_in_words(addon):
    pump = addon.running()
    bpy.ops.anthesis.test_connection()
    until(lambda: pump.probe is None, pump.tick)
    assert pump.probed == "No backend runs on this computer: press Start Backend"
    bpy.ops.anthesis.start_backend()
    until(lambda: pump.session.engines is not None, pump.tick)
    bpy.ops.anthesis.test_connection()
    until(lambda: pump.probe is None, pump.tick)
    assert pump.probed == f"The backend on this computer answers: {pump.session.engines.device}"


# --- Installing


@pytest.fixture
def requirements(tmp_path):
    """Of what every new environment has already, so that nothing is fetched."""
    file = tmp_path / "requirements.txt"
    file.write_text("pip\n")
    return file


def installed(run: install.Installation) -> None:
    until(lambda: run.state != "running", run.poll)


def test_the_environment_is_made_and_made_again(tmp_path, requirements):
    environment, log = tmp_path / "environment", tmp_path / "logs" / "install.log"
    for _ in range(2):
        run = install.Installation(sys.executable, environment, requirements, log)
        assert not install.is_installed(environment, requirements)
        installed(run)
        assert (run.state, run.progress) == ("done", 1.0), log.read_text()
        assert install.is_installed(environment, requirements)
    requirements.write_text("pip\nsetuptools\n")
    assert not install.is_installed(environment, requirements)  # an update of the add-on asks for more


def test_an_installation_that_fails_says_why_and_where_more_is(tmp_path, requirements):
    requirements.write_text("--no-index\nno-such-package-as-this\n")
    run = install.Installation(sys.executable, tmp_path / "environment", requirements, tmp_path / "install.log")
    installed(run)
    assert run.state == "failed"
    assert "no-such-package-as-this" in run.text and str(tmp_path / "install.log") in run.text


def test_an_installation_is_cancelled_with_its_children(tmp_path, requirements):
    run = install.Installation(sys.executable, tmp_path / "environment", requirements, tmp_path / "install.log")
    run.cancel()
    run.cancel()
    assert run.state == "cancelled" and not run.poll()
    assert run._process.returncode is not None


def test_a_log_that_is_deleted_does_not_stop_an_installation(tmp_path, requirements):
    log = tmp_path / "logs" / "install.log"
    run = install.Installation(sys.executable, tmp_path / "environment", requirements, log)
    log.unlink()
    installed(run)
    assert run.state == "done"


def test_a_folder_that_is_deleted_ends_an_installation_with_words(tmp_path, requirements):
    log = tmp_path / "logs" / "install.log"
    run = install.Installation(sys.executable, tmp_path / "environment", requirements, log)
    log.unlink()
    log.parent.rmdir()
    installed(run)
    assert run.state == "failed" and str(log) in run.text
