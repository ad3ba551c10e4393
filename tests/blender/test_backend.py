"""Where the backend is and how it got there: addresses, keys, installing, in words."""

import os
import sys

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


def test_a_folder_that_is_deleted_ends_an_installation_with_words(tmp_path, requirements):
    log = tmp_path / "logs" / "install.log"
    run = install.Installation(sys.executable, tmp_path / "environment", requirements, log)
    log.unlink()
    log.parent.rmdir()
    installed(run)
    assert run.state == "failed" and str(log) in run.text
