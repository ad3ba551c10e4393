"""Where the backend is, and how it is reached and renewed: addresses, keys, in words."""

import os
from types import SimpleNamespace

import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")
import addon_utils  # noqa: E402  (comes with bpy)

from backend import protocol  # noqa: E402
from tests.blender.addon import (  # noqa: E402
    GENERATE,
    ended_well,
    generate_settings,
    needs_backend,
    preferences,
    until,
)

# --- Words about the backend


def test_another_computer_is_not_reached_while_blender_is_kept_offline(addon):
    entry = preferences()
    entry.place, entry.endpoint = "REMOTE", "192.0.2.7:5577"
    assert not bpy.app.online_access
    for operator in (bpy.ops.anthesis.start_backend, bpy.ops.anthesis.test_connection):
        with pytest.raises(RuntimeError, match="allow online access"):
            operator()


def test_a_key_that_is_cut_is_said(addon):
    entry = preferences()
    entry.place, entry.endpoint, entry.server_key = "REMOTE", "127.0.0.1:5577", "abc"
    with pytest.raises(RuntimeError, match="key"):
        bpy.ops.anthesis.start_backend()


def test_an_address_without_a_port_is_said(addon):
    entry = preferences()
    entry.place, entry.endpoint = "REMOTE", "127.0.0.1"
    for operator in (bpy.ops.anthesis.start_backend, bpy.ops.anthesis.test_connection):
        with pytest.raises(RuntimeError, match="host and port"):
            operator()


KEY = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"  # of the specification of Z85's users: RFC 32 and CurveZMQ


@pytest.mark.parametrize("change", [("endpoint", "127.0.0.1:2"), ("server_key", KEY[::-1]), ("place", "LOCAL")])
def test_another_backend_is_another_conversation(addon, change):
    pump = addon.running()
    entry = preferences()
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
    preferences().cache_gb = 7.5
    argv = pump._command().argv
    assert argv[argv.index("--cache-gb") + 1] == "7.5"


@pytest.mark.once
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
    preferences().python = "/nowhere/python"
    with pytest.raises(RuntimeError, match="/nowhere/python"):
        bpy.ops.anthesis.start_backend()


@pytest.mark.once
@needs_backend
def test_the_connection_is_tested_in_words(addon):
    pump = addon.running()
    bpy.ops.anthesis.test_connection()
    until(lambda: pump.probe is None, pump.tick)
    assert pump.probed == "No backend runs on this computer: press Start Backend in the 3D viewport's tab Anthesis"
    bpy.ops.anthesis.start_backend()
    until(lambda: pump.session.engines is not None, pump.tick)
    bpy.ops.anthesis.test_connection()
    until(lambda: pump.probe is None, pump.tick)
    assert pump.probed == f"The backend on this computer answers: {pump.session.engines.device}"


@pytest.mark.parametrize(
    ("state", "engines", "seconds", "answer"),
    [
        ("connecting", None, 0, None),
        ("connecting", None, 60, "No answer from there: is the backend running"),
        ("ready", None, 0, "The backend on there answers: its worker is still starting"),
        ("ready", protocol.Engines(device="a GPU"), 60, "The backend on there answers: a GPU"),
        ("refused", None, 60, "The key is wrong"),
        ("off", None, 60, "No backend runs on this computer: press Start Backend in the 3D viewport's tab Anthesis"),
    ],
)
def test_what_a_probe_answers(monkeypatch, state, engines, seconds, answer):
    from blender_addon import probe

    now = [100.0]
    monkeypatch.setattr(probe, "time", SimpleNamespace(monotonic=lambda: now[0]))
    session = SimpleNamespace(state=state, engines=engines, text="The key is wrong", tick=lambda budget: None)
    asking = probe.Probe(session, "there")
    now[0] += seconds
    found = asking.tick(0.004)
    assert found is None if answer is None else found.startswith(answer)


# --- Renewal


@pytest.mark.once
@needs_backend
def test_a_backend_that_has_nothing_to_do_is_started_anew_for_the_learned_engine(addon):
    pump = addon.running()
    bpy.ops.anthesis.start_backend()
    until(lambda: pump.session.state == "ready", pump.tick)
    first = protocol.read_connection(pump.settings.home).pid
    pump.packages.installation = ended_well()
    until(lambda: not pump.renewal.due and pump.packages.installation is None, pump.tick)
    until(lambda: pump.session.state == "ready" and not pump.renewal.under_way, pump.tick)
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
    monkeypatch.setattr(pump.packages, "installed", True)
    gateway.state = "ready"
    yield asked, pump
    gateway.state = "off"


def refuse_to_end(gateway) -> None:
    assert gateway.hear_refusal(protocol.Refused(re=gateway.calls, failure=protocol.Failure("conflict", "Jobs run")))


def test_a_backend_at_work_is_left_until_its_jobs_are_done(script, answering):
    asked, pump = answering
    job = script.job(GENERATE, [])
    pump.packages.installation = ended_well()
    pump.tick()
    assert pump.renewal.due and not asked
    job.state = "done"
    pump.tick()
    pump.tick()
    assert asked == ["if idle"] and pump.renewal.due
    pump.session.gateway.state = "off"
    pump.tick()
    assert asked == ["if idle", "anew"] and not pump.renewal.due and not pump.renewal.under_way
    pump.packages.installation = ended_well()
    pump.tick()
    assert asked == ["if idle", "anew"] and not pump.renewal.due  # the next start looks for itself


def test_the_job_of_another_blender_is_not_killed_for_the_learned_engine(answering, monkeypatch):
    asked, pump = answering
    gateway, now = pump.session.gateway, [100.0]
    monkeypatch.setattr("blender_addon.renewal.time.monotonic", lambda: now[0])
    pump.packages.installation = ended_well()
    pump.tick()
    assert asked == ["if idle"] and pump.renewal.under_way and pump.interval == 0.1
    refuse_to_end(gateway)
    pump.tick()
    assert asked == ["if idle"] and pump.renewal.due and not pump.renewal.under_way and pump.interval == 0.5
    now[0] += 60
    pump.tick()
    assert asked == ["if idle"] * 2  # and so on
    refuse_to_end(gateway)
    pump.tick()
    gateway.state = "off"  # somebody stops it
    pump.tick()
    assert asked == ["if idle"] * 2 and not pump.renewal.due
    gateway.state = "ready"
    bpy.ops.anthesis.restart_backend()
    assert asked[-1] == "by force"
    gateway.state = "off"
    monkeypatch.setattr(pump.packages, "installed", False)  # somebody has deleted it
    pump.tick()
    assert asked[-1] == "by force"


def test_a_backend_that_is_left_is_not_started_anew(addon, answering):
    asked, pump = answering
    pump.packages.installation = ended_well()
    pump.tick()
    assert pump.renewal.due and pump.renewal.under_way
    entry = preferences()
    entry.place, entry.endpoint = "REMOTE", "127.0.0.1:1"
    assert not pump.renewal.due and not pump.renewal.under_way
    pump.tick()
    assert asked == ["if idle"]


def test_only_a_backend_here_is_started_anew_and_only_for_the_learned_engine(addon, answering):
    from blender_addon.seam import REQUIREMENTS

    asked, pump = answering
    pump.packages.installation = ended_well(REQUIREMENTS)
    pump.tick()
    entry = preferences()
    entry.place, entry.endpoint = "REMOTE", "127.0.0.1:1"
    pump.session.gateway.state = "ready"
    pump.packages.installation = ended_well()
    pump.tick()
    assert pump.packages.installation is None and not pump.renewal.due and not asked
