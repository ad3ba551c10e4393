"""Every test here starts in an empty file of a real Blender (the bpy module); without one they are skipped."""

import atexit
import os
import sys

import pytest


@pytest.fixture(scope="session", autouse=True)
def factory_settings():
    """Once: they take six times as long as a file. Tests change the add-on's alone, and `addon` takes those away."""
    bpy = pytest.importorskip("bpy", reason="needs the bpy module: run with .env/bpy-4.5/bin/python -m pytest")
    bpy.ops.wm.read_factory_settings(use_empty=True)


@pytest.fixture(autouse=True)
def empty_file(factory_settings):
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)


@pytest.fixture
def addon(tmp_path, monkeypatch):
    """The add-on, enabled as Blender's preferences do it, with a home of its own."""
    import addon_utils  # comes with bpy
    import bpy

    from tests.blender.addon import PYTHON, until
    from tests.homes import with_kernels

    monkeypatch.setenv("ANTHESIS_HOME", str(with_kernels(tmp_path / "home")))
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


@pytest.fixture
def script(addon, monkeypatch):
    """The add-on, with a session whose records are written down beforehand."""
    from tests.blender.addon import Script

    return Script(addon.running(), monkeypatch)


@pytest.fixture
def orders(script, monkeypatch):
    """What is ordered, of a backend that has read the prompt and has not answered more."""
    monkeypatch.setattr(script.pump, "_require_backend", lambda: None)
    return script.pump.orders


@pytest.fixture
def asked(script, monkeypatch):
    """What is submitted with a subject: (request, title, subject)."""
    from backend import protocol

    found = []

    def submit(request, title, subject=None, fetch=True, **_):
        found.append((request, title, protocol.unpack(subject)))
        return f"{len(found):032x}"

    monkeypatch.setattr(script.pump, "_require_backend", lambda: None)
    monkeypatch.setattr(script.session, "submit", submit)
    monkeypatch.setattr(script.pump.packages, "installed", True)
    return found


@pytest.fixture
def said(addon, monkeypatch):
    """Call it with what the backend says of its engines, and with "off" where it does not run any more."""
    from backend import protocol

    session = addon.running().session

    def say(state="ready", **engines):
        monkeypatch.setattr(type(session), "state", state)
        monkeypatch.setattr(session, "engines", protocol.Engines(**engines))

    yield say
    say("off")  # there is none to be stopped


def pytest_sessionfinish(session, exitstatus):
    """Leave without Blender's global destructors: now and then 4.5's wait for ever for a thread of its own."""
    if "bpy" in sys.modules:
        atexit.register(_leave, int(exitstatus))


def _leave(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
