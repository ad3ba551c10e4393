"""Shared by every test that needs no Blender."""

import backend.threads  # noqa: F401  # isort: skip
