# SPDX-License-Identifier: GPL-3.0-or-later

"""Undo and redo while the file holds what no undo step knows.

Between two undo steps Blender reads anew only what they have differently, keeps everything else as it is in the file,
and frees what the step does not have: it takes for granted that nothing is changed without an undo step. A result that
is half arrived has none yet. A mesh that is kept would keep its new shape keys, which are freed, and the scene its new
objects; the next who looks, as the next undo step does, takes Blender down.

So for such an undo Blender is told to read all of the step, by its preference Undo Legacy: slower, and always right.
"""

import bpy

_were: tuple[bool, bool, bool] | None = None  # the preferences that are changed for the moment
_scene = 0  # where in memory one lay


def begin(loose: bool) -> None:
    """An undo or a redo is about to happen. `loose`: the file may hold what no undo step knows."""
    global _were, _scene
    _scene = bpy.data.scenes[0].as_pointer()
    preferences = bpy.context.preferences
    view, experimental = preferences.view, preferences.experimental
    if loose and _were is None:
        _were = view.show_developer_ui, experimental.use_undo_legacy, preferences.is_dirty
        view.show_developer_ui = experimental.use_undo_legacy = True  # the one has no effect without the other


def end() -> bool:
    """It happened. True where all of an undo step was read, so that the file holds nothing else; that of a text or of
    a mesh in Edit Mode reads only that."""
    global _were
    if _were is None:
        return False
    preferences = bpy.context.preferences
    preferences.view.show_developer_ui, preferences.experimental.use_undo_legacy, preferences.is_dirty = _were
    _were = None
    return bpy.data.scenes[0].as_pointer() != _scene
