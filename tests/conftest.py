"""Shared by every test that needs no Blender."""
