"""Where the backend is and how it got there: addresses, keys, installing, in words."""

import os
import shutil
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")
import addon_utils  # noqa: E402  (comes with bpy)

from backend import protocol  # noqa: E402
from blender_addon.client import install  # noqa: E402
from tests.blender.addon import GENERATE, generate_settings, needs_backend, until  # noqa: E402

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


# --- The learned engine


def wheel(folder, version) -> None:
    """A package of this name, on an index of its own."""
    folder.mkdir(parents=True)
    file, info = folder / f"torch-{version}-py3-none-any.whl", f"torch-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("torch/__init__.py", "")
        zipped.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
        zipped.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: a test\nTag: py3-none-any\n")
        zipped.writestr(f"{info}/RECORD", "")
    (folder / "index.html").write_text(f'<a href="{file.name}">{file.name}</a>')


class Engines:
    """An environment, the two lists, and an index of two builds of torch."""

    def __init__(self, folder, requirements):
        self.environment, self.log, self.backend = folder / "environment", folder / "install.log", requirements
        self.learned = folder / "requirements-learned.txt"
        self.learned.write_text("# a build\ntorch==7.8\n")
        for name in ("cpu", "cu130"):
            wheel(folder / "whl" / name / "torch", f"7.8+{name}")

    def install(self, *build) -> install.Installation:
        lists = (self.learned, self.log, (self.backend,), install.Build(*build, 0.5, 2.0)) if build else ()
        beside = (self.learned,) if install.is_installed(self.environment, self.learned) else ()
        run = install.Installation(sys.executable, self.environment, *(lists or (self.backend, self.log, beside)))
        installed(run)
        return run

    @property
    def there(self) -> tuple[bool, bool]:
        """The backend, the learned engine."""
        return tuple(install.is_installed(self.environment, each) for each in (self.backend, self.learned))

    @property
    def torch(self) -> str:
        ask = "import importlib.metadata as m; print(m.version('torch'))"
        python = install.environment_python(self.environment)
        return subprocess.run([python, "-c", ask], capture_output=True, text=True).stdout.strip()


@pytest.fixture
def engines(tmp_path, requirements, monkeypatch):
    monkeypatch.setattr(install, "TORCH_INDEX", (tmp_path / "whl").as_uri())
    return Engines(tmp_path, requirements)


def test_the_learned_engine_comes_into_the_backends_environment_with_the_build_that_was_chosen(engines):
    assert engines.install().state == "done" and engines.there == (True, False)
    run = engines.install("cpu")
    assert (run.state, run.text) == ("done", "The learned engine is installed"), engines.log.read_text()
    assert engines.there == (True, True) and engines.torch == "7.8+cpu"
    assert "-m venv" not in engines.log.read_text()  # a backend may run in it
    assert engines.install("cu130").state == "done" and engines.torch == "7.8+cu130"
    assert engines.install("cpu").state == "done" and engines.torch == "7.8+cpu"


def test_the_learned_engine_brings_the_backend_along(engines):
    assert engines.install("cpu").state == "done"
    assert engines.there == (True, True)


def test_an_update_of_one_list_leaves_what_the_other_asked_for(engines):
    engines.install("cpu")
    engines.backend.write_text("pip\nsetuptools\n")
    assert engines.there == (False, True)
    assert engines.install().state == "done" and engines.there == (True, True) and engines.torch == "7.8+cpu"
    said = engines.log.read_text()
    assert "-m venv" in said and str(engines.learned) in said  # both lists at once, so that all get along
    engines.learned.write_text("torch==7.9\n")
    assert engines.there == (True, False) and install.was_installed(engines.environment, engines.learned)
    assert engines.install().state == "done"  # which fetches no other torch unasked
    assert engines.there == (True, False) and str(engines.learned) not in engines.log.read_text()


def test_a_learned_engine_that_fails_or_is_cancelled_leaves_the_backend(engines):
    engines.install()
    engines.learned.write_text("--no-index\ntorch==7.9\n")
    run = engines.install("cpu")
    assert run.state == "failed" and "torch" in run.text and engines.there == (True, False)
    build = install.Build("cpu", 0.5, 2.0)
    run = install.Installation(
        sys.executable, engines.environment, engines.learned, engines.log, (engines.backend,), build
    )
    run.cancel()
    assert run.state == "cancelled" and engines.there == (True, False)


def test_macs_have_one_build_of_torch_and_those_with_intel_none(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(install.platform, "machine", lambda: "arm64")
    assert {name: build.name for name, build in install.builds().items()} == {"CPU": ""}
    monkeypatch.setattr(install.platform, "machine", lambda: "x86_64")
    with pytest.raises(ValueError, match="Intel"):
        install.builds()
    for system in ("linux", "win32"):
        monkeypatch.setattr(sys, "platform", system)
        assert {name: build.name for name, build in install.builds().items()} == {"CPU": "cpu", "CUDA": "cu130"}


def test_a_download_is_told_with_its_size(tmp_path, requirements):
    run = install.Installation(sys.executable, tmp_path / "environment", requirements, tmp_path / "install.log")
    run.cancel()
    run._read = 0
    run.log.write_text("  Downloading https://a.b/whl/cpu/torch-2.13.0%2Bcpu-cp311-linux_x86_64.whl (191.8 MB)\n")
    run._listen()
    assert run.text == "Fetching torch-2.13.0 (191.8 MB)"
    with run.log.open("a") as log:
        log.write("Collecting sympy>=1.13 (from torch==2.13.0->-r /a/requirements-learned.txt (line 3))\n")
    run._listen()
    assert run.text == "Fetching sympy"


def preferences():
    return bpy.context.preferences.addons["blender_addon"].preferences


def test_installing_the_learned_engine_needs_online_access_and_room(addon, monkeypatch):
    preferences().python = ""
    with pytest.raises(RuntimeError, match="allow online access"):
        bpy.ops.anthesis.install_learned()
    monkeypatch.setattr("blender_addon.pump.bpy", SimpleNamespace(app=SimpleNamespace(online_access=True)))
    monkeypatch.setattr("blender_addon.client.install.subprocess.Popen", None)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2.4e9))
    with pytest.raises(RuntimeError, match=r"2.4 GB free, and the learned engine wants 2.5"):
        bpy.ops.anthesis.install_learned(device="CPU")


@pytest.mark.parametrize("learned", [False, True])
def test_installing_the_backend_again_keeps_the_learned_engine_that_is_there(addon, monkeypatch, learned):
    from blender_addon import preferences as settings
    from blender_addon import pump as pumps
    from blender_addon.seam import LEARNED_REQUIREMENTS, REQUIREMENTS

    preferences().python, asked = "", []
    monkeypatch.setattr(pumps, "bpy", SimpleNamespace(app=SimpleNamespace(online_access=True)))
    monkeypatch.setattr(settings.Settings, "has_learned", learned)
    monkeypatch.setattr(pumps, "Installation", lambda *given: asked.append(given) or ended_well())
    bpy.ops.anthesis.install_backend()
    _, _, goal, _, beside, build = asked[0]
    assert (goal, beside, build) == (REQUIREMENTS, (LEARNED_REQUIREMENTS,) if learned else (), None)


def test_the_learned_engine_is_not_put_where_it_does_not_belong(addon):
    entry = preferences()
    with pytest.raises(
        RuntimeError, match=r"a Python of your own: run .* -m pip install -r .*requirements-learned.txt"
    ):
        bpy.ops.anthesis.install_learned()
    entry.place, entry.endpoint = "REMOTE", "127.0.0.1:1"
    with pytest.raises(RuntimeError, match="on another computer"):
        bpy.ops.anthesis.install_learned()


def ended_well() -> SimpleNamespace:
    """An installation of the learned engine."""
    from blender_addon.seam import LEARNED_REQUIREMENTS

    return SimpleNamespace(state="done", goal=LEARNED_REQUIREMENTS, poll=lambda: True, cancel=lambda: None)


@needs_backend
def test_a_backend_that_has_nothing_to_do_is_started_anew_for_the_learned_engine(addon):
    pump = addon.running()
    bpy.ops.anthesis.start_backend()
    until(lambda: pump.session.state == "ready", pump.tick)
    first = protocol.read_connection(pump.settings.home).pid
    pump.installation = ended_well()
    until(lambda: not pump.renews and pump.installation is None, pump.tick)
    until(lambda: pump.session.state == "ready" and not pump._restarting, pump.tick)
    assert protocol.read_connection(pump.settings.home).pid != first


@pytest.fixture
def answering(script, monkeypatch):
    """A backend that is asked for things and answers when it is told to; (what it was asked to end by, the pump)."""
    pump, asked = script.pump, []
    gateway = pump.session.gateway

    def send(call, payload=None):
        gateway.calls += 1
        if isinstance(call, protocol.Shutdown):
            asked.append("by force" if call.force else "if idle")
        return True

    monkeypatch.setattr(gateway, "send", send)
    monkeypatch.setattr(pump, "connect", lambda: asked.append("anew"))
    monkeypatch.setattr(pump, "installed", True)
    gateway.state = "ready"
    yield asked, pump
    gateway.state = "off"


def refuse_to_end(gateway) -> None:
    assert gateway.hear_refusal(protocol.Refused(re=gateway.calls, failure=protocol.Failure("conflict", "Jobs run")))


def test_a_backend_at_work_is_left_until_its_jobs_are_done(script, answering):
    asked, pump = answering
    job = script.job(GENERATE, [])
    pump.installation = ended_well()
    pump.tick()
    assert pump.renews and not asked
    job.state = "done"
    pump.tick()
    pump.tick()
    assert asked == ["if idle"] and pump.renews
    pump.session.gateway.state = "off"
    pump.tick()
    assert asked == ["if idle", "anew"] and not pump.renews and not pump._restarting
    pump.installation = ended_well()
    pump.tick()
    assert asked == ["if idle", "anew"] and not pump.renews  # the next start looks for itself


def test_the_job_of_another_blender_is_not_killed_for_the_learned_engine(answering, monkeypatch):
    asked, pump = answering
    gateway, now = pump.session.gateway, [100.0]
    monkeypatch.setattr("blender_addon.pump.time.monotonic", lambda: now[0])
    pump.installation = ended_well()
    pump.tick()
    assert asked == ["if idle"] and pump._restarting
    refuse_to_end(gateway)
    pump.tick()
    assert asked == ["if idle"] and pump.renews and not pump._restarting
    now[0] += 60
    pump.tick()
    assert asked == ["if idle"] * 2  # and so on
    refuse_to_end(gateway)
    pump.tick()
    gateway.state = "off"  # somebody stops it
    pump.tick()
    assert asked == ["if idle"] * 2 and not pump.renews
    gateway.state = "ready"
    bpy.ops.anthesis.restart_backend()
    assert asked[-1] == "by force"


def test_a_backend_that_is_left_is_not_started_anew(addon, answering):
    asked, pump = answering
    pump.installation = ended_well()
    pump.tick()
    assert pump.renews and pump._restarting
    entry = preferences()
    entry.place, entry.endpoint = "REMOTE", "127.0.0.1:1"
    assert not pump.renews and not pump._restarting
    pump.tick()
    assert asked == ["if idle"]


def test_packages_that_a_backend_may_have_loaded_are_not_replaced(addon, monkeypatch):
    from blender_addon import pump as pumps

    preferences().python, asked = "", []
    monkeypatch.setattr(pumps, "bpy", SimpleNamespace(app=SimpleNamespace(online_access=True)))
    monkeypatch.setattr(pumps, "_require_room", lambda *_: None)
    monkeypatch.setattr(pumps, "Installation", lambda *given: asked.append(given) or ended_well())
    monkeypatch.setattr(pumps, "was_learned", lambda: True)
    gateway = addon.running().session.gateway
    gateway.state = "ready"
    with pytest.raises(RuntimeError, match="packages that are to be replaced: stop the backend first"):
        bpy.ops.anthesis.install_learned()
    assert not asked
    monkeypatch.setattr(pumps, "was_learned", lambda: False)
    bpy.ops.anthesis.install_learned()
    monkeypatch.setattr(pumps, "was_learned", lambda: True)
    gateway.state, addon.running().installation = "off", None
    bpy.ops.anthesis.install_learned()
    assert len(asked) == 2


class Layout:
    """What is drawn, as words."""

    def __init__(self):
        self.words, self.operators = "", []

    def label(self, text, icon=None):
        self.words += f" {text}"

    def operator(self, name, **_):
        self.operators.append(name)
        return SimpleNamespace()

    def progress(self, **_):
        pass

    def row(self, **_):
        return self

    column = row


def test_the_panel_says_how_much_is_fetched_before_it_is(addon, monkeypatch):
    from blender_addon import preferences as settings
    from blender_addon.panels import state

    pump, system = addon.running(), SimpleNamespace(ui_scale=1.0)
    context = SimpleNamespace(preferences=SimpleNamespace(system=system), region=SimpleNamespace(width=4000))
    preferences().python = ""

    def drawn():
        layout = Layout()
        state.draw_learned(layout, context, pump)
        return layout

    monkeypatch.setattr(sys, "platform", "linux")
    assert "To fetch: about 0.5 GB, or 3 GB for an NVIDIA GPU" in drawn().words
    assert drawn().operators == ["anthesis.install_learned"]
    monkeypatch.setattr(state, "was_learned", lambda: True)
    assert "of another version of Anthesis" in drawn().words
    pump.has_learned = True
    assert "The learned engine is installed" in drawn().words
    preferences().python = sys.executable
    assert not drawn().operators and not drawn().words  # it may well have them
    monkeypatch.setattr(type(pump), "lacking", "Not installed: torch")
    assert not drawn().operators and "pip install -r" in drawn().words
    assert settings.was_learned() is False
    layout = Layout()
    pump.installation = ended_well()
    pump.installation.state, pump.installation.text = "failed", "No"
    state.draw_installation(layout, context, pump.installation)
    assert layout.operators[0] == "anthesis.install_learned"
    bpy.ops.anthesis.cancel_installation()
    assert pump.installation is None


def test_a_folder_that_is_deleted_ends_an_installation_with_words(tmp_path, requirements):
    log = tmp_path / "logs" / "install.log"
    run = install.Installation(sys.executable, tmp_path / "environment", requirements, log)
    log.unlink()
    log.parent.rmdir()
    installed(run)
    assert run.state == "failed" and str(log) in run.text
