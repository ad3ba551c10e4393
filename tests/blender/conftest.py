"""Every test here starts in an empty file of a real Blender (the bpy module); without one they are skipped."""

import pytest


@pytest.fixture(autouse=True)
def empty_file():
    bpy = pytest.importorskip("bpy", reason="needs the bpy module: run with .env/bpy-4.5/bin/python -m pytest")
    bpy.ops.wm.read_factory_settings(use_empty=True)
