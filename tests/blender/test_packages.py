"""Installing what the backend and the learned engine run with: what is fetched, and what the buttons ask for."""

import shutil
import subprocess
import sys
import time
import zipfile
from types import SimpleNamespace

import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.client import install  # noqa: E402
from tests.blender.addon import ended_well, preferences, until  # noqa: E402
from tests.blender.drawing import Layout, drawing_context  # noqa: E402

# --- Installing


@pytest.fixture
def requirements(tmp_path):
    """Of what every new environment has already, so that nothing is fetched."""
    file = tmp_path / "requirements.txt"
    file.write_text("pip\n")
    return file


def installed(run: install.Installation) -> None:
    until(lambda: run.state != "running", run.poll)


@pytest.mark.once
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


@pytest.mark.once
def test_an_installation_that_fails_says_why_and_where_more_is(tmp_path, requirements):
    requirements.write_text("--no-index\nno-such-package-as-this\n")
    run = install.Installation(sys.executable, tmp_path / "environment", requirements, tmp_path / "install.log")
    installed(run)
    assert run.state == "failed"
    assert "no-such-package-as-this" in run.text and str(tmp_path / "install.log") in run.text


@pytest.mark.once
@pytest.mark.skipif(sys.platform == "win32", reason="ends the process alone there")
def test_an_installation_is_cancelled_with_its_children(tmp_path, requirements):
    beats, python = tmp_path / "beats", tmp_path / "python"
    python.write_text(f"#!/bin/sh\n(for i in $(seq 100); do echo >> '{beats}'; sleep 0.1; done) &\nwait\n")
    python.chmod(0o700)
    run = install.Installation(str(python), tmp_path / "environment", requirements, tmp_path / "install.log")
    until(beats.exists, run.poll)
    run.cancel()
    run.cancel()
    assert run.state == "cancelled" and not run.poll()
    assert run._process.returncode is not None
    time.sleep(0.1)  # the last of its children may be about to write
    size = beats.stat().st_size
    time.sleep(1)
    assert beats.stat().st_size == size


@pytest.mark.once
def test_a_log_that_is_deleted_does_not_stop_an_installation(tmp_path, requirements):
    log = tmp_path / "logs" / "install.log"
    run = install.Installation(sys.executable, tmp_path / "environment", requirements, log)
    log.unlink()
    installed(run)
    assert run.state == "done"


@pytest.mark.once
def test_a_folder_that_is_deleted_ends_an_installation_with_words(tmp_path, requirements):
    log = tmp_path / "logs" / "install.log"
    run = install.Installation(sys.executable, tmp_path / "environment", requirements, log)
    log.unlink()
    log.parent.rmdir()
    installed(run)
    assert run.state == "failed" and str(log) in run.text


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


@pytest.mark.once
def test_the_learned_engine_comes_into_the_backends_environment_with_the_build_that_was_chosen(engines):
    assert engines.install().state == "done" and engines.there == (True, False)
    run = engines.install("cpu")
    assert (run.state, run.text) == ("done", "The learned engine is installed"), engines.log.read_text()
    assert engines.there == (True, True) and engines.torch == "7.8+cpu"
    assert "-m venv" not in engines.log.read_text()  # a backend may run in it
    assert engines.install("cu130").state == "done" and engines.torch == "7.8+cu130"
    assert engines.install("cpu").state == "done" and engines.torch == "7.8+cpu"


@pytest.mark.once
def test_the_learned_engine_brings_the_backend_along(engines):
    assert engines.install("cpu").state == "done"
    assert engines.there == (True, True)


@pytest.mark.once
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


@pytest.mark.once
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


# --- Buttons and what is drawn


def test_installing_needs_online_access(addon):
    with pytest.raises(RuntimeError, match="allow online access"):
        bpy.ops.anthesis.install_backend()


@pytest.fixture
def online(addon, monkeypatch):
    """Installations that are asked for and none begins: their arguments, in a Blender that may go online."""
    from blender_addon import packages

    preferences().python, asked = "", []
    monkeypatch.setattr(packages, "bpy", SimpleNamespace(app=SimpleNamespace(online_access=True)))
    monkeypatch.setattr(packages, "Installation", lambda *given: asked.append(given) or ended_well())
    monkeypatch.setattr(sys, "platform", "linux")
    return asked


def free(monkeypatch, gigabytes) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=gigabytes * 1e9))


def test_installing_the_learned_engine_needs_online_access(addon):
    preferences().python = ""
    with pytest.raises(RuntimeError, match="allow online access"):
        bpy.ops.anthesis.install_learned()


@pytest.mark.parametrize(("device", "build", "wanted"), [("CPU", "cpu", 2.5), ("CUDA", "cu130", 11.0)])
def test_the_torch_that_was_chosen_is_fetched_where_there_is_room_for_it(online, monkeypatch, device, build, wanted):
    from blender_addon.seam import LEARNED_REQUIREMENTS, REQUIREMENTS

    free(monkeypatch, wanted - 0.1)
    with pytest.raises(RuntimeError, match=rf"{wanted - 0.1:.1f} GB free, and the learned engine wants {wanted:.1f}"):
        bpy.ops.anthesis.install_learned(device=device)
    assert not online
    free(monkeypatch, wanted + 0.1)
    bpy.ops.anthesis.install_learned(device=device)
    ((_, _, goal, _, beside, chosen),) = online
    assert (goal, beside, chosen.name) == (LEARNED_REQUIREMENTS, (REQUIREMENTS,), build)


def test_a_mac_is_offered_no_gpu_and_fetches_the_one_torch_there_is(online, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(install.platform, "machine", lambda: "arm64")
    free(monkeypatch, 100)
    with pytest.raises(RuntimeError, match="not made for a GPU on this system: install it for the processor"):
        bpy.ops.anthesis.install_learned(device="CUDA")
    assert not online
    bpy.ops.anthesis.install_learned(device="CPU")
    assert online[0][-1].name == ""


@pytest.mark.parametrize(
    ("system", "driver", "proposed"),
    [("linux", "nvidia-smi", "CUDA"), ("linux", None, "CPU"), ("darwin", "nvidia-smi", "CPU")],
)
def test_a_gpu_is_proposed_where_a_driver_is_and_a_torch_for_it(online, monkeypatch, system, driver, proposed):
    from blender_addon.backend_operators import ANTHESIS_OT_install_learned as operator

    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(install.platform, "machine", lambda: "arm64")
    monkeypatch.setattr(shutil, "which", {"nvidia-smi": driver}.get)
    manager = SimpleNamespace(invoke_props_dialog=lambda _: {"RUNNING_MODAL"})
    asking = SimpleNamespace(device="")
    assert operator.invoke(asking, SimpleNamespace(window_manager=manager), None) == {"RUNNING_MODAL"}
    assert asking.device == proposed


@pytest.mark.parametrize("learned", [False, True])
def test_installing_the_backend_again_keeps_the_learned_engine_that_is_there(online, monkeypatch, learned):
    from blender_addon import preferences as settings
    from blender_addon.seam import LEARNED_REQUIREMENTS, REQUIREMENTS

    monkeypatch.setattr(settings.Settings, "has_learned", learned)
    bpy.ops.anthesis.install_backend()
    _, _, goal, _, beside, build = online[0]
    assert (goal, beside, build) == (REQUIREMENTS, (LEARNED_REQUIREMENTS,) if learned else (), None)


def test_the_learned_engine_is_not_put_where_it_does_not_belong(addon):
    entry = preferences()
    with pytest.raises(
        RuntimeError, match=r"a Python of your own. Restart .* run .* -m pip install -r .*requirements-learned.txt"
    ):
        bpy.ops.anthesis.install_learned()
    entry.place, entry.endpoint = "REMOTE", "127.0.0.1:1"
    with pytest.raises(RuntimeError, match="on another computer"):
        bpy.ops.anthesis.install_learned()


def test_an_installation_that_runs_ends_with_the_add_on(addon):
    cancelled, packages = [], addon.running().packages
    packages.installation = ended_well()
    packages.installation.state, packages.installation.cancel = "running", lambda: cancelled.append(True)
    packages.installation.poll = lambda: False
    addon.running().close()
    assert cancelled


def test_packages_that_a_backend_may_have_loaded_are_not_replaced(online, addon, monkeypatch):
    from blender_addon import packages

    free(monkeypatch, 100)
    monkeypatch.setattr(packages, "was_learned", lambda: True)
    gateway = addon.running().session.gateway
    gateway.state = "ready"
    with pytest.raises(RuntimeError, match="packages that are to be replaced: stop the backend first"):
        bpy.ops.anthesis.install_learned()
    assert not online
    monkeypatch.setattr(packages, "was_learned", lambda: False)
    bpy.ops.anthesis.install_learned()
    monkeypatch.setattr(packages, "was_learned", lambda: True)
    gateway.state, addon.running().packages.installation = "off", None
    bpy.ops.anthesis.install_learned()
    assert len(online) == 2


def test_how_an_installation_ended_is_put_away_when_the_preferences_change_and_one_that_runs_is_not(addon):
    packages, entry = addon.running().packages, preferences()
    packages.installation = running = ended_well()
    for running.state in ("running", "failed"):
        entry.auto_start = not entry.auto_start
        assert (packages.installation is running) == (running.state == "running")


def test_the_panel_says_how_much_is_fetched_before_it_is(addon, monkeypatch):
    from blender_addon import preferences as settings
    from blender_addon.panels import state

    pump, context = addon.running(), drawing_context()
    preferences().python = ""

    def drawn():
        layout = Layout()
        state.draw_learned(layout, context, pump)
        return layout

    monkeypatch.setattr(sys, "platform", "linux")
    assert "To fetch: about 0.5 GB, or 3 GB for an NVIDIA GPU" in drawn().text
    assert drawn().named("operator") == ["anthesis.install_learned"]
    monkeypatch.setattr(state, "was_learned", lambda: True)
    assert "of another version of Anthesis" in drawn().text
    pump.packages.has_learned = True
    assert "The learned engine is installed" in drawn().text
    preferences().python = sys.executable
    assert not drawn().drawn  # it may well have them
    monkeypatch.setattr(type(pump), "lacking", "Not installed: torch")
    assert not drawn().named("operator") and "pip install -r" in drawn().text
    assert settings.was_learned() is False
    layout = Layout()
    pump.packages.installation = ended_well()
    pump.packages.installation.state, pump.packages.installation.text = "failed", "No"
    state.draw_installation(layout, context, pump.packages.installation)
    assert layout.named("operator")[0] == "anthesis.install_learned"
    bpy.ops.anthesis.cancel_installation()
    assert pump.packages.installation is None
