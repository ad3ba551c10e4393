"""Every test here starts in an empty file of a real Blender (the bpy module); without one they are skipped."""

import atexit
import os
import sys

import pytest


@pytest.fixture(autouse=True)
def empty_file():
    bpy = pytest.importorskip("bpy", reason="needs the bpy module: run with .env/bpy-4.5/bin/python -m pytest")
    bpy.ops.wm.read_factory_settings(use_empty=True)


def pytest_sessionfinish(session, exitstatus):
    """Leave without Blender's global destructors: now and then 4.5's wait for ever for a thread of its own."""
    if "bpy" in sys.modules:
        atexit.register(_leave, int(exitstatus))


def _leave(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
